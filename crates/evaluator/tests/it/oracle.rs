//! The evaluator against something simpler that must find the same.

pub mod script;
