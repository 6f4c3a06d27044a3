//! The desk as its neighbours see it: what is found and done goes in, batches come out, the ledger keeps them.
#![allow(clippy::unwrap_used)]

mod acts;
mod again;
mod audit;
mod books;
mod commands;
mod crash;
mod deliveries;
mod duty;
mod incidents;
mod ladder;
mod life;
mod orders;
mod random;
mod silence;
mod simulate;
mod storm;
mod world;
