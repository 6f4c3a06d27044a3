//! The listener over real sockets: well-behaved clients (rumqttc, both versions) and hand-made bytes.
#![allow(clippy::unwrap_used)]

mod certificates;
mod clients;
mod conform;
mod conform_connect;
mod conform_flow;
mod conform_publish;
mod conform_random;
mod conform_retain;
mod conform_session;
mod conform_subscribe;
mod conform_v5;
mod conform_will;
mod delivery;
mod exact;
mod exact_out;
mod following;
mod fuzz;
mod hall;
mod hostile;
mod incidents;
mod kept;
mod lanes;
mod limits;
mod login;
mod oversight;
mod reserved;
mod sessions;
mod shutdown;
mod support;
mod sys;
mod tls;
mod websocket;
mod wills;
