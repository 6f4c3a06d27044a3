//! All sessions by client id, all live connections, and what falls due while a client is away.
//!
//! Lock order: sessions, then one session's state, then one of: timeline, subscriptions, a link, the keeper, the
//! follower's callers. Nothing is locked across an await, and [`crate::Access`] is called with nothing locked.

mod subscribing;
mod table;
mod timeline;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use tokio::time::Instant;

pub(crate) use self::subscribing::{Subscribed, SubscriptionLimits};
use self::table::Table;
pub(crate) use self::timeline::Due;
use crate::follower::Follower;
use crate::keeper::Keeper;
use crate::layout::RestoredSession;
use crate::link::{Link, Order};
use crate::lock;
use crate::session::{Card, Clock, Remains, Session, State};
use crate::settings::Settings;
use crate::stock::Stock;
use crate::subscriptions::Subscriptions;
use crate::wire::hello::Will;

/// Sessions and connections of one listener.
pub(crate) struct Registry {
    sessions: Mutex<Table>,
    subscriptions: RwLock<Subscriptions>,
    timeline: Mutex<BTreeMap<(Instant, u64), Arc<Session>>>,
    links: Mutex<HashMap<u64, Arc<Link>>>,
    numbers: AtomicU64,
    sessions_max: usize,
    keeper: Arc<Keeper>,
    pub(crate) stock: Arc<Stock>,
    follower: Option<Arc<Follower>>,
}

/// A client that may come in.
pub(crate) struct Arrival {
    pub(crate) client_id: Arc<str>,
    pub(crate) identity: Arc<str>,
    /// Sessions that the identity may have.
    pub(crate) own_max: usize,
    pub(crate) v5: bool,
    pub(crate) clean_start: bool,
    pub(crate) expiry_s: u32,
    pub(crate) window: usize,
    pub(crate) packet_max_bytes: usize,
    pub(crate) will: Option<Box<Will>>,
    pub(crate) link: Arc<Link>,
    pub(crate) card: Card,
}

/// What came of an arrival.
pub(crate) struct Attached {
    pub(crate) session: Arc<Session>,
    pub(crate) present: bool,
    /// A connection was thrown out.
    pub(crate) took_over: bool,
    /// The will of the connection or session that this arrival ended.
    pub(crate) old_will: Option<Box<Will>>,
    /// Of the session that this arrival ended.
    pub(crate) remains: Option<Remains>,
    /// Another session of the identity, which had too many.
    pub(crate) evicted: Option<Due>,
    /// The session is kept, or an older one is not kept any more: CONNACK may leave when that is on the disk.
    pub(crate) must_wait: bool,
}

/// Why an arrival has no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttachError {
    /// The client id belongs to another identity.
    ForeignClientId,
    /// `sessions_max` sessions exist.
    Full,
    /// The identity has as many as it may, all of them in use.
    OwnFull,
}

/// What becomes of the will when a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WillFate {
    /// The client said goodbye.
    Discard,
    /// It is due, at once or after its delay.
    Publish,
    /// This process ends: due after the restart, unless the client comes back in time (MQTT 5 section 3.1.2.5).
    Keep,
}

/// What is left to do about a connection that ended.
pub(crate) struct Detached {
    /// The will to publish now.
    pub(crate) will: Option<Box<Will>>,
    /// Of the session, if it ended too.
    pub(crate) remains: Option<Remains>,
}

impl Registry {
    /// Begins with what was kept before a restart.
    pub(crate) fn new(
        settings: &Settings,
        keeper: Arc<Keeper>,
        follower: Option<Arc<Follower>>,
        kept: Vec<RestoredSession>,
        next_number: u64,
        clock: Clock,
    ) -> Registry {
        let registry = Registry {
            sessions: Mutex::default(),
            subscriptions: RwLock::default(),
            timeline: Mutex::default(),
            links: Mutex::default(),
            numbers: AtomicU64::new(next_number),
            sessions_max: settings.sessions_max,
            stock: Arc::new(Stock::new(settings.outbound_total_bytes)),
            keeper,
            follower,
        };
        for one in kept {
            let session = Arc::new(Session::restored(one, registry.keeper.clone(), registry.stock.clone(), clock));
            let mut state = lock(&session.state);
            registry.follow_from_now(&session, &mut state);
            for held in &state.subscriptions {
                registry.index(&session, &held.filter, held.wants);
            }
            registry.schedule(&session, &state);
            drop(state);
            lock(&registry.sessions).insert(session);
        }
        registry
    }

    /// A number never given before.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Gives the client its session, old or new. A live connection of the same identity is told to
    /// end; it does not touch the session any more.
    pub(crate) fn attach(&self, arrival: Arrival) -> Result<Attached, AttachError> {
        let mut sessions = lock(&self.sessions);
        let Some(old) = sessions.get(&arrival.client_id).cloned() else {
            return self.attach_new(&mut sessions, arrival);
        };
        if old.identity != arrival.identity {
            return Err(AttachError::ForeignClientId);
        }
        let mut state = lock(&old.state);
        self.unschedule(&old, &state);
        let old_link = state.link.take();
        let resumed = !arrival.clean_start && state.expiry_s > 0;
        // MQTT-3.1.3-9: back before the will is due, the will is not sent.
        let due = !resumed || old_link.is_some();
        let old_will = state.will.take().filter(|will| due && (!resumed || will.delay_s == 0));
        if let Some(link) = &old_link {
            link.order(Order::TakenOver);
        }
        let took_over = old_link.is_some();
        if resumed {
            settle(&old, &mut state, arrival);
            self.follow(&old, &mut state);
            drop(state);
            return Ok(Attached {
                session: old,
                present: true,
                took_over,
                old_will,
                remains: None,
                evicted: None,
                must_wait: false,
            });
        }
        let was_kept = state.durable;
        let remains = state.end(&old);
        drop(state);
        let session = self.fresh(arrival);
        let must_wait = was_kept || lock(&session.state).durable;
        sessions.insert(session.clone());
        drop(sessions);
        self.forget(&remains);
        let remains = Some(remains);
        Ok(Attached { session, present: false, took_over, old_will, remains, evicted: None, must_wait })
    }

    /// A session under a client id that has none. An identity that has too many loses the oldest one that is away: a client
    /// that forgets its id at every start must not lock itself out.
    fn attach_new(&self, sessions: &mut Table, arrival: Arrival) -> Result<Attached, AttachError> {
        let mut evicted = None;
        if sessions.of(&arrival.identity).len() >= arrival.own_max {
            let oldest = sessions.oldest_away(&arrival.identity).ok_or(AttachError::OwnFull)?;
            evicted = Some(self.evict(sessions, oldest));
        } else if sessions.len() >= self.sessions_max {
            return Err(AttachError::Full);
        }
        let session = self.fresh(arrival);
        let must_wait = lock(&session.state).durable;
        sessions.insert(session.clone());
        Ok(Attached { session, present: false, took_over: false, old_will: None, remains: None, evicted, must_wait })
    }

    fn evict(&self, sessions: &mut Table, session: Arc<Session>) -> Due {
        let mut state = lock(&session.state);
        self.unschedule(&session, &state);
        let will = state.will.take();
        let remains = state.end(&session);
        drop(state);
        sessions.remove(&session);
        self.forget(&remains);
        Due { session, will, expired: false, remains: Some(remains) }
    }

    fn fresh(&self, arrival: Arrival) -> Arc<Session> {
        let (client_id, identity) = (arrival.client_id.clone(), arrival.identity.clone());
        let shared = (self.keeper.clone(), self.stock.clone());
        let session = Arc::new(Session::new(self.number(), client_id, identity, shared));
        let mut state = lock(&session.state);
        state.durable = arrival.expiry_s > 0 && self.keeper.is_durable();
        settle(&session, &mut state, arrival);
        drop(state);
        session
    }

    /// Ends the session's connection. `None` if the session has moved to another connection, which
    /// has reported the end of this one.
    pub(crate) fn detach(
        &self,
        session: &Arc<Session>,
        link: &Arc<Link>,
        fate: WillFate,
        clock: Clock,
    ) -> Option<Detached> {
        let mut sessions = lock(&self.sessions);
        let mut state = lock(&session.state);
        if !state.is_on(link) {
            return None;
        }
        state.link = None;
        state.card = None;
        if fate == WillFate::Discard {
            state.will = None;
        }
        if state.expiry_s == 0 {
            let will = state.will.take().filter(|_| fate == WillFate::Publish);
            let remains = state.end(session);
            drop(state);
            sessions.remove(session);
            drop(sessions);
            self.forget(&remains);
            return Some(Detached { will, remains: Some(remains) });
        }
        drop(sessions);
        let durable = state.durable;
        state.will.take_if(|_| fate == WillFate::Keep && !durable);
        let will = state.will.take_if(|will| fate == WillFate::Publish && will.delay_s == 0);
        state.expires_at_ms = clock.after_s(state.expiry_s);
        state.expires_at = state.expires_at_ms.map(|at_ms| clock.instant(at_ms));
        state.will_at_ms = state.will.as_ref().map(|will| {
            let delay_ms = u64::from(will.delay_s) * 1_000;
            clock.now_ms + if fate == WillFate::Keep { delay_ms.max(clock.grace_ms) } else { delay_ms }
        });
        state.will_at = state.will_at_ms.map(|at_ms| clock.instant(at_ms));
        session.note(&state);
        session.set_readiness(&state);
        self.schedule(session, &state);
        Some(Detached { will, remains: None })
    }

    /// Sets a new expiry, as a v5 DISCONNECT may ask for. False if it may not (MQTT 5 3.14.2.2.2).
    pub(crate) fn set_expiry(&self, session: &Session, link: &Arc<Link>, expiry_s: u32) -> bool {
        let mut state = lock(&session.state);
        if state.is_on(link) {
            if state.expiry_s == 0 && expiry_s != 0 {
                return false;
            }
            state.expiry_s = expiry_s;
        }
        true
    }

    /// Sessions after this client id, in order, at most `limit`.
    pub(crate) fn page(&self, after: Option<&str>, limit: usize) -> Vec<Arc<Session>> {
        lock(&self.sessions).after(after).take(limit).cloned().collect()
    }

    /// Orders an identity's connections to end. Returns how many.
    pub(crate) fn kick(&self, identity: &str) -> usize {
        let own: Vec<_> = lock(&self.sessions).of(identity).to_vec();
        let links = own.iter().filter_map(|session| lock(&session.state).link.clone());
        links.inspect(|link| link.order(Order::Revoked)).count()
    }

    /// Orders a client's connection to end. False if it has none.
    pub(crate) fn dismiss(&self, client_id: &str) -> bool {
        let session = lock(&self.sessions).get(client_id).cloned();
        let link = session.and_then(|session| lock(&session.state).link.clone());
        link.inspect(|link| link.order(Order::Dismissed)).is_some()
    }

    /// Sessions, with and without a connection.
    pub(crate) fn sessions(&self) -> usize {
        lock(&self.sessions).len()
    }

    /// Open sockets.
    pub(crate) fn connections(&self) -> usize {
        lock(&self.links).len()
    }

    pub(crate) fn add_link(&self, number: u64, link: Arc<Link>) {
        lock(&self.links).insert(number, link);
    }

    pub(crate) fn remove_link(&self, number: u64) {
        lock(&self.links).remove(&number);
    }

    /// Has every connection look at what has changed for it.
    pub(crate) fn wake_all(&self) {
        let links: Vec<Arc<Link>> = lock(&self.links).values().cloned().collect();
        links.iter().for_each(|link| link.wake());
    }

    /// Tells every connection to finish what it has and end.
    pub(crate) fn drain_all(&self) {
        let links: Vec<Arc<Link>> = lock(&self.links).values().cloned().collect();
        for link in links {
            link.drain();
        }
    }
}

fn settle(session: &Session, state: &mut State, arrival: Arrival) {
    if arrival.expiry_s == 0 {
        session.stop_keeping(state);
    }
    state.v5 = arrival.v5;
    state.expiry_s = arrival.expiry_s;
    state.outgoing.window = arrival.window;
    state.outgoing.packet_max_bytes = arrival.packet_max_bytes;
    state.will = arrival.will;
    state.card = Some(Box::new(arrival.card));
    state.received.reconnected();
    state.resume(arrival.link);
    session.note(state);
    session.set_readiness(state);
}
