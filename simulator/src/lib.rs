//! A city of devices and people that Fenghuo can be tried against.
//!
//! Before it comes nothing: it invents a city ([`city`]) and writes the roster folder that the station imports.
//! After it comes the station, which it knows only from outside: MQTT for the devices, HTTP for the people. Entry for
//! programs: the sub-commands of the binary `simulator` (`main.rs`), one file each: [`city`], [`run`], [`alarm`],
//! [`replay`].
//!
//! How the living city is built, from the inside out:
//!
//! * [`fire`], [`ambient`], [`incident`]: the physics. What the air, the cables and the pipes are like.
//! * [`device`]: one device as a state machine, `step(now, air) -> messages`. Knows no socket and no other device.
//! * [`plan`]: what happens when, from a seed alone. [`world`]: all devices of one process, driven by time.
//! * [`responders`]: people as a state machine; [`people`] carries them to the HTTP interface.
//! * [`link`]: one MQTT connection, [`wires`]: all of a process. [`run`]: joins all of it.
//!
//! Invariants: everything but [`clock`], [`link`], [`people`] and the drivers is a pure function of seed and time; the same
//! seed gives the same city byte for byte and the same incidents. Whatever queues has a limit.
//!
//! Never here: a crate of the station. What the simulator knows about the station is its public contract. Nor real people:
//! every name is invented, every telephone number begins with 000, which no subscriber has.

pub mod alarm;
pub mod ambient;
pub mod category;
pub mod city;
pub mod clock;
pub mod device;
pub mod divisions;
pub mod fire;
pub mod incident;
pub mod link;
pub mod names;
pub mod people;
pub mod plan;
pub mod replay;
pub mod responders;
pub mod roster;
pub mod run;
pub mod shard;
pub mod sse;
pub mod stats;
pub mod vendor;
pub mod wire;
pub mod wires;
pub mod world;
