//! Carries to people what the ledger owes them.
//!
//! Before it: the desk, which decides who is told what and writes the deliveries down as owed, in one piece with the alert.
//! After it: people, and the receipts that say how each try went; they go back through the journal to the desk, which alone
//! changes a delivery's state. The one entry is [`Dispatcher::start`].
//!
//! A delivery's way: owed in the ledger → a job of the [`schedule`](crate::schedule) → a place in its channel's [`lane`](crate::lane), red
//! first → past the [`quiet`](crate::quiet) hours, the breaker, the budgets → one try by its [channel](crate::channel) within a time limit,
//! in the words of [`wording`](crate::wording), alone or in a digest → a receipt in the journal → done, or a job again after a pause
//! ([`retry`](crate::retry)).
//!
//! Invariants
//! - At least once, under one id. A delivery is forgotten only when the journal holds a receipt that ends it; a crash before
//!   that sends it again with the same id.
//! - Every try has a receipt, with its reason in words. A receipt that cannot be journalled is tried again until it can.
//! - The ledger is the truth. What [`Handle::owe`] tells is a hint that saves time: hints beyond the queue's limit are dropped,
//!   and the ledger is read instead.
//! - No channel waits for another: each has lanes of its own, an even share of all that may be under way. Within a
//!   channel red goes first, and a quarter of the places is kept for it.
//! - A channel's panic is a failed try of that one message.
//! - What is held by quiet hours, a budget or a broken circuit is not a try: it has no receipt and stays owed. A fire is held by
//!   no quiet hours, and red by no person's budget. What has been tried and grows too old behind a broken circuit is given up
//!   with a receipt, as everything else.
//! - A digest is one message and as many receipts as there are deliveries in it.
//!
//! Never here: whether or whom to tell, a change of an alert, a topic that devices publish to, a URL that is not in the settings.

mod callback;
pub mod channel;
mod dispatcher;
mod lane;
mod message;
mod near;
mod quiet;
mod retry;
mod run;
mod schedule;
mod settings;
mod template;
mod wording;

pub use channel::mqtt::{MqttOutcome, MqttPublisher};
pub use channel::webhook::{Posted, SignedPost};
pub use dispatcher::{Dispatcher, Handle, Parts, ReceiptSink, RosterNow, SinkClosed, StartError};
pub use settings::{
    BodyFormat, Dingtalk, Email, Gateway, GatewayKind, Language, Method, Secret, Security, Settings, Webhook, Wecom,
    Wording,
};
