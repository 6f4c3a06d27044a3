//! Sources against real brokers, each a process of its own.
#![allow(clippy::unwrap_used)]

mod embedded;
mod mosquitto;
mod rig;
mod rumqttd;
mod tls;
