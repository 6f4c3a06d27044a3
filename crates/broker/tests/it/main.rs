//! The listener over real sockets: well-behaved clients (rumqttc, both versions) and hand-made bytes.
#![allow(clippy::unwrap_used)]

mod certificates;
mod clients;
mod delivery;
mod hostile;
mod incidents;
mod lanes;
mod limits;
mod login;
mod sessions;
mod shutdown;
mod support;
mod tls;
mod websocket;
mod wills;
