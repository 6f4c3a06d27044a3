//! The simulator's tests. No socket but loopback, no waiting but for conditions.
#![allow(clippy::unwrap_used)]

mod city;
mod fake_station;
mod link;
mod nuisance_and_fire;
mod people;
mod replay;
mod responders;
mod run;
mod sse;
mod wire;
mod world;
