//! The listener over real sockets: well-behaved clients (rumqttc, both versions) and hand-made bytes.
#![allow(clippy::unwrap_used)]

mod clients;
mod conform;
mod conform_connect;
mod conform_publish;
mod conform_subscribe;
mod delivery;
mod exact;
mod exact_out;
mod following;
mod hall;
mod hostile;
mod kept;
mod lanes;
mod limits;
mod login;
mod sessions;
mod shutdown;
mod support;
mod sys;
mod wills;
