//! The listener over real sockets: well-behaved clients (rumqttc, both versions) and hand-made bytes.
#![allow(clippy::unwrap_used)]

mod clients;
mod delivery;
mod fuzz;
mod hostile;
mod lanes;
mod limits;
mod login;
mod sessions;
mod shutdown;
mod support;
mod wills;
