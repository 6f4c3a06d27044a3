//! A client's session: subscriptions, messages waiting and in flight in both directions, its will, and the connection
//! it has at the moment, if any.
//!
//! A session that outlives its connection is kept in the vault: every change of [`State`] that matters is given to the
//! [`Keeper`] while the state is locked, so that the vault sees changes in the order in which they happened.

mod answering;
mod following;
mod incoming;
mod keeping;
mod outgoing;
mod pen;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

pub(crate) use self::answering::Receipt;
pub(crate) use self::following::{Following, Next};
pub(crate) use self::incoming::{Begun, Release};
pub(crate) use self::keeping::Clock;
pub(crate) use self::outgoing::{Offer, Outgoing, QueueLimits};
pub(crate) use self::pen::Pen;
use crate::keeper::Keeper;
use crate::link::Link;
use crate::outbound::Outbound;
use crate::stock::Stock;
use crate::subscriptions::{Readiness, Subscriber, Subscription};
use crate::topic::SharedFilter;
use crate::wire::hello::Will;

/// One session. It belongs to one identity for all its life.
pub(crate) struct Session {
    /// Also its name in the vault; never given twice.
    pub(crate) number: u64,
    pub(crate) client_id: Arc<str>,
    pub(crate) identity: Arc<str>,
    pub(crate) keeper: Arc<Keeper>,
    stock: Arc<Stock>,
    pub(crate) state: Mutex<State>,
    readiness: AtomicU8,
}

#[derive(Default)]
pub(crate) struct State {
    /// The live connection.
    pub(crate) link: Option<Arc<Link>>,
    /// The protocol of the connection, or of the last one.
    pub(crate) v5: bool,
    /// Gone for good; nothing may be added any more.
    pub(crate) ended: bool,
    /// Kept in the vault.
    pub(crate) durable: bool,
    /// Seconds it may live without a connection.
    pub(crate) expiry_s: u32,
    /// When it ends, if it has no connection.
    pub(crate) expires_at: Option<Instant>,
    /// When [`State::will`] is due, if it has no connection.
    pub(crate) will_at: Option<Instant>,
    pub(crate) will: Option<Box<Will>>,
    /// [`State::expires_at`] in milliseconds since the epoch; none if it lives for ever.
    pub(crate) expires_at_ms: Option<u64>,
    /// [`State::will_at`] in milliseconds since the epoch.
    pub(crate) will_at_ms: Option<u64>,
    pub(crate) subscriptions: Vec<Held>,
    pub(crate) outgoing: Outgoing,
    pub(crate) received: incoming::Received,
    pub(crate) following: Option<Box<Following>>,
    pub(crate) card: Option<Box<Card>>,
}

/// A subscription as its session holds it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) filter: SharedFilter,
    pub(crate) wants: Subscription,
}

/// What others have to see to when a session has ended.
#[must_use]
pub(crate) struct Remains {
    pub(crate) number: u64,
    pub(crate) subscriptions: Vec<Held>,
    /// Messages that other members of shared subscriptions may get.
    pub(crate) shared: Vec<Outbound>,
}

/// Who is at the other end of the live connection.
pub(crate) struct Card {
    pub(crate) class: &'static str,
    pub(crate) peer: SocketAddr,
    pub(crate) since_ms: u64,
}

impl Session {
    pub(crate) fn new(
        number: u64,
        client_id: Arc<str>,
        identity: Arc<str>,
        (keeper, stock): (Arc<Keeper>, Arc<Stock>),
    ) -> Session {
        let readiness = AtomicU8::new(Readiness::Away as u8);
        Session { number, client_id, identity, keeper, stock, state: Mutex::default(), readiness }
    }

    /// To be called when the connection or the queue has changed, with the state locked.
    pub(crate) fn set_readiness(&self, state: &State) {
        let readiness = match &state.link {
            None => Readiness::Away,
            Some(_) if state.outgoing.is_crowded() => Readiness::Busy,
            Some(_) => Readiness::Ready,
        };
        self.readiness.store(readiness as u8, Ordering::Relaxed);
    }
}

impl Subscriber for Session {
    fn number(&self) -> u64 {
        self.number
    }

    fn readiness(&self) -> Readiness {
        match self.readiness.load(Ordering::Relaxed) {
            ready if ready == Readiness::Ready as u8 => Readiness::Ready,
            busy if busy == Readiness::Busy as u8 => Readiness::Busy,
            _ => Readiness::Away,
        }
    }
}

impl State {
    pub(crate) fn is_on(&self, link: &Arc<Link>) -> bool {
        self.link.as_ref().is_some_and(|mine| Arc::ptr_eq(mine, link))
    }

    pub(crate) fn filter_bytes(&self) -> usize {
        self.subscriptions.iter().map(|held| held.filter.weight()).sum()
    }

    /// Gives the session to a new connection; what is in flight will be sent again.
    pub(crate) fn resume(&mut self, link: Arc<Link>) {
        self.link = Some(link);
        (self.expires_at, self.expires_at_ms) = (None, None);
        (self.will_at, self.will_at_ms) = (None, None);
        self.outgoing.start_over();
    }

    /// Ends the session for good, here and in the vault.
    pub(crate) fn end(&mut self, session: &Session) -> Remains {
        if self.durable && !self.ended {
            session.keeper.note(keeping::removal(session, self));
        }
        self.ended = true;
        self.link = None;
        let shared = self.outgoing.clear();
        session.take_stock(&mut self.outgoing);
        self.following = None;
        self.card = None;
        session.set_readiness(self);
        Remains { number: session.number, subscriptions: std::mem::take(&mut self.subscriptions), shared }
    }
}
