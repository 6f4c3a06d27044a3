//! The command centre over real TCP, with a ledger, a desk and credentials in memory. Every answer that a test gets is
//! also checked against `openapi.json`.
#![allow(clippy::unwrap_used)]

mod access;
mod acts;
mod callbacks;
mod cap;
mod city;
mod conform;
mod desk;
mod duty;
mod exact;
mod feed;
mod ledger;
mod limits;
mod lists;
mod map;
mod mqtt;
mod openapi;
mod orders;
mod outward;
mod problems;
mod risk;
mod screen;
mod silences;
mod socket;
mod station;
mod vendors;
mod why;
