//! The command centre: what people and other systems see of the city, and where they act.
//!
//! Before it: the desk, which commits a [`model::LedgerBatch`] to the ledger and then tells it to the [`View`] with
//! [`View::apply`]. After it: browsers, feed consumers and scripts, over HTTP. The entry is [`CommandCentre::serve`].
//!
//! ```text
//! desk ── View::apply ──▶ View: colours, counts, open alerts, newest events (short locks, no IO)
//!                                  │ watch: newest cursor
//! accept loop ─▶ connection ─▶ router (ROUTES) ─▶ api/<resource>.rs ─▶ View, or Ledger on a blocking thread
//!                                  └ acts ─▶ Actions (the station: journal first, then the desk)
//! ```
//!
//! Invariants
//! - What states a cursor (bootstrap, map snapshot, list of open alerts) is the state at exactly that cursor: it is
//!   taken under one read lock, and whoever follows the feed from that cursor misses nothing and hears nothing twice.
//! - A consumer that reads slowly holds up nobody: each pulls from the ring of recent events (or, further back, from
//!   the ledger) at its own pace, its backlog in memory is one chunk and the socket's bounded buffer, and a socket
//!   that takes nothing for [`Settings::feed_write_deadline_ms`] is cut.
//! - What goes out to others is told in one order by one cursor, whatever the way and the words ([`Pages`], the stream, the
//!   socket); a message once sent has the same name and text whenever it is asked for.
//! - Every answer is limited to the region of the caller's token; every route says in [`ROUTES`] which role it needs.
//! - Every refusal is an RFC 9457 problem that says what to do.
//! - `openapi.json` and [`ROUTES`] name the same operations, and every answer in the tests fits its schema.
//!
//! Never here: a rule, a change of state that did not go through the journal, the wall clock (times are data).

mod access;
mod actions;
mod api;
mod callbacks;
mod clients;
mod encoding;
mod extract;
mod judging;
mod outward;
mod photos;
mod problem;
mod router;
mod screen;
mod server;
mod settings;
mod shapes;
mod shared;
mod sign_in;
mod vendors;
mod view;

pub use access::{Access, Caller, Role};
pub use actions::{
    ActionError, Actions, DeviceOrder, DeviceSent, DeviceStatus, Devices, RiskDay, RiskHistory, RosterReloaded,
};
pub use callbacks::Callbacks;
pub use clients::{ClientConnection, ClientSession, Clients};
pub use judging::{About, Judging, JudgingError};
pub use outward::{Filter, Format, Kinds, Outgoing, Pages, Stretch, Wording, min_colour};
pub use photos::Photos;
pub use router::{Need, ROUTES, Route};
pub use server::{Checks, CommandCentre, Parts, ServeError};
pub use settings::Settings;
pub use vendors::{Refusal, RegisterError, Registered, Vendors};
pub use view::{AlertEvent, FeedPage, View};

/// The OpenAPI 3.1 document of this API, as served at `/api/v1/openapi.json`.
pub const OPENAPI: &str = include_str!("../openapi.json");
