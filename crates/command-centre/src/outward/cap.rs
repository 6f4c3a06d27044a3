//! Alerts as messages of the Common Alerting Protocol, OASIS CAP 1.2.
//!
//! A message says how an alert stood after one journal commit that changed its colour or its state: `Alert` when it was raised,
//! `Update` with references to all messages before it, `Cancel` when it is over. It is named by alert and commit, and follows
//! from what the ledger keeps of both, so that whoever asks later, or again, gets the same message. Names of places are those
//! of the roster in force.
//!
//! Never here: `circle` and `polygon`. The roster has metres from the operator's own origin and no WGS 84 coordinates, which CAP
//! asks for; the place is told by division code, address and name.

mod chain;
mod terms;
pub(crate) mod time;
mod write;

pub(crate) use chain::{Message, heads, is_told, may_tell};
pub(crate) use write::{Voice, about_feed, document, element, text, write_alert};

/// Media type of a message.
pub(crate) const MEDIA_TYPE: &str = "application/cap+xml";
