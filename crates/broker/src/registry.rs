//! All sessions by client id, all live connections, and what falls due while a client is away.
//!
//! Lock order: sessions, then one session's state, then one of: timeline, subscriptions, a link, the keeper, the
//! follower's callers. Nothing is locked across an await, and [`crate::Access`] is called with nothing locked.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::time::Instant;

use crate::follower::Follower;
use crate::keeper::Keeper;
use crate::layout::{self, RestoredSession};
use crate::link::{Link, Order};
use crate::lock;
use crate::session::{Card, Clock, Following, Held, Session, State};
use crate::subscriptions::{Matches, Subscription, Subscriptions};
use crate::topic::SharedFilter;
use crate::wire::hello::Will;

/// Sessions and connections of one listener.
pub(crate) struct Registry {
    /// By client id, so that they can be told page by page.
    sessions: Mutex<BTreeMap<Arc<str>, Arc<Session>>>,
    subscriptions: RwLock<Subscriptions>,
    timeline: Mutex<BTreeMap<(Instant, u64), Arc<Session>>>,
    links: Mutex<HashMap<u64, Arc<Link>>>,
    numbers: AtomicU64,
    sessions_max: usize,
    keeper: Arc<Keeper>,
    follower: Option<Arc<Follower>>,
}

/// A client that may come in.
pub(crate) struct Arrival {
    pub(crate) client_id: Arc<str>,
    pub(crate) identity: Arc<str>,
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
    /// The session is kept, or an older one is not kept any more: CONNACK may leave when that is on the disk.
    pub(crate) must_wait: bool,
}

/// What came of a SUBSCRIBE's filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subscribed {
    /// Whether the session has not had this subscription before.
    Yes { is_new: bool },
    /// It has as many as it may.
    Full,
}

/// Why an arrival has no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttachError {
    /// The client id belongs to another identity.
    ForeignClientId,
    /// `sessions_max` sessions exist.
    Full,
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

/// A session whose time has come.
pub(crate) struct Due {
    pub(crate) session: Arc<Session>,
    pub(crate) will: Option<Box<Will>>,
    pub(crate) expired: bool,
}

impl Registry {
    /// Begins with what was kept before a restart.
    pub(crate) fn new(
        sessions_max: usize,
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
            sessions_max,
            keeper,
            follower,
        };
        for one in kept {
            let session = Arc::new(Session::restored(one, registry.keeper.clone(), clock));
            let state = lock(&session.state);
            for held in &state.subscriptions {
                registry.index(&session, &held.filter, held.wants);
            }
            registry.schedule(&session, &state);
            drop(state);
            lock(&registry.sessions).insert(session.client_id.clone(), session);
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
        let count = sessions.len();
        let mut slot = match sessions.entry(arrival.client_id.clone()) {
            Entry::Vacant(_) if count >= self.sessions_max => return Err(AttachError::Full),
            Entry::Vacant(slot) => {
                let session = self.fresh(arrival);
                let must_wait = lock(&session.state).durable;
                slot.insert(session.clone());
                return Ok(Attached { session, present: false, took_over: false, old_will: None, must_wait });
            }
            Entry::Occupied(slot) => slot,
        };
        let old = slot.get().clone();
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
            return Ok(Attached { session: old, present: true, took_over, old_will, must_wait: false });
        }
        let was_kept = state.durable;
        let subscriptions = state.end(&old);
        drop(state);
        let session = self.fresh(arrival);
        let must_wait = was_kept || lock(&session.state).durable;
        slot.insert(session.clone());
        drop(sessions);
        self.forget(&subscriptions, old.number);
        Ok(Attached { session, present: false, took_over, old_will, must_wait })
    }

    fn fresh(&self, arrival: Arrival) -> Arc<Session> {
        let (client_id, identity) = (arrival.client_id.clone(), arrival.identity.clone());
        let session = Arc::new(Session::new(self.number(), client_id, identity, self.keeper.clone()));
        let mut state = lock(&session.state);
        state.durable = arrival.expiry_s > 0 && self.keeper.is_durable();
        settle(&session, &mut state, arrival);
        drop(state);
        session
    }

    /// Ends the session's connection. `None` if the session has moved to another connection, which
    /// has reported the end of this one; else the will to publish now, if one is due now.
    pub(crate) fn detach(
        &self,
        session: &Arc<Session>,
        link: &Arc<Link>,
        fate: WillFate,
        clock: Clock,
    ) -> Option<Option<Box<Will>>> {
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
            let subscriptions = state.end(session);
            drop(state);
            sessions.remove(&session.client_id);
            drop(sessions);
            self.forget(&subscriptions, session.number);
            return Some(will);
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
        Some(will)
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

    /// Adds a subscription unless the session has `limit` others.
    pub(crate) fn subscribe(
        &self,
        session: &Arc<Session>,
        filter: &SharedFilter,
        wants: Subscription,
        limit: usize,
    ) -> Subscribed {
        let mut state = lock(&session.state);
        if state.ended {
            return Subscribed::Yes { is_new: false }; // being thrown out; what it hears does not matter
        }
        let held = Held { filter: filter.clone(), wants };
        let known = state.subscriptions.iter().position(|known| known.filter == *filter);
        match known {
            Some(index) => state.subscriptions[index] = held,
            None if state.subscriptions.len() >= limit => return Subscribed::Full,
            None => state.subscriptions.push(held),
        }
        session.note(&state);
        self.index(session, filter, wants);
        if let Some(follower) = self.follower.as_ref().filter(|follower| follower.touches(&filter.filter)) {
            if state.following.is_none() {
                let cursor = follower.newest();
                state.following = Some(Box::new(Following::at(cursor)));
                if state.durable {
                    self.keeper.note([layout::keep_cursor(session.number, cursor)]);
                }
            }
            self.follow(session, &mut state);
        }
        Subscribed::Yes { is_new: known.is_none() }
    }

    /// Removes a subscription; false if there was none.
    pub(crate) fn unsubscribe(&self, session: &Session, filter: &str) -> bool {
        let Ok(filter) = SharedFilter::parse(filter) else { return false };
        let mut state = lock(&session.state);
        let found = state.subscriptions.iter().position(|known| known.filter == filter);
        let Some(index) = found else { return false };
        state.subscriptions.remove(index);
        self.subscriptions_mut().remove(&filter, session.number);
        if let Some(follower) = &self.follower {
            let follows = state.subscriptions.iter().any(|held| follower.touches(&held.filter.filter));
            if !follows && state.following.take().is_some() && state.durable {
                self.keeper.note([layout::drop_cursor(session.number)]);
            }
        }
        session.note(&state);
        true
    }

    /// Makes publishes find the session. What comes from the log is not published.
    fn index(&self, session: &Arc<Session>, filter: &SharedFilter, wants: Subscription) {
        if !self.follower.as_ref().is_some_and(|follower| follower.covers(&filter.filter)) {
            self.subscriptions_mut().insert(filter, session, wants);
        }
    }

    /// Has the log read for a session that follows it. With the state locked.
    fn follow(&self, session: &Arc<Session>, state: &mut State) {
        if let (Some(follower), Some(following)) = (&self.follower, &mut state.following)
            && following.call()
        {
            follower.call(session.clone());
        }
    }

    /// The sessions that get a publish to `topic`.
    pub(crate) fn matching(&self, topic: &str, publisher: Option<u64>, into: &mut Matches) {
        self.subscriptions().matching(topic, publisher, into);
    }

    /// As [`Registry::matching`], less those whose filter begins with a wildcard.
    pub(crate) fn matching_by_name(&self, topic: &str, publisher: Option<u64>, into: &mut Matches) {
        self.subscriptions().matching_by_name(topic, publisher, into);
    }

    /// Sessions after this client id, in order, at most `limit`.
    pub(crate) fn page(&self, after: Option<&str>, limit: usize) -> Vec<Arc<Session>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        lock(&self.sessions).range::<str, _>((from, Bound::Unbounded)).take(limit).map(|(_, one)| one.clone()).collect()
    }

    /// Orders an identity's connections to end. Returns how many.
    pub(crate) fn kick(&self, identity: &str) -> usize {
        let own: Vec<_> =
            lock(&self.sessions).values().filter(|session| &*session.identity == identity).cloned().collect();
        let links = own.iter().filter_map(|session| lock(&session.state).link.clone());
        links.inspect(|link| link.order(Order::Revoked)).count()
    }

    /// Takes out what is due at `now`.
    pub(crate) fn due(&self, now: Instant) -> Vec<Due> {
        let mut found = Vec::new();
        loop {
            let Some((at, session)) = self.pop_due(now) else { return found };
            let mut sessions = lock(&self.sessions);
            let mut state = lock(&session.state);
            if state.link.is_some() || state.ended || next_due(&state) != Some(at) {
                continue; // came back a moment ago
            }
            let expired = state.expires_at.is_some_and(|at| at <= now);
            let will_due = expired || state.will_at.is_some_and(|at| at <= now);
            let will = if will_due { state.will.take() } else { None };
            if expired {
                let subscriptions = state.end(&session);
                drop(state);
                sessions.remove(&session.client_id);
                drop(sessions);
                self.forget(&subscriptions, session.number);
            } else {
                if will_due {
                    (state.will_at, state.will_at_ms) = (None, None);
                    session.note(&state);
                }
                self.schedule(&session, &state);
                drop(state);
            }
            found.push(Due { session, will, expired });
        }
    }

    fn pop_due(&self, now: Instant) -> Option<(Instant, Arc<Session>)> {
        let mut timeline = lock(&self.timeline);
        let entry = timeline.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, _), session) = entry.remove_entry();
        Some((at, session))
    }

    fn schedule(&self, session: &Arc<Session>, state: &State) {
        if let Some(at) = next_due(state) {
            lock(&self.timeline).insert((at, session.number), session.clone());
        }
    }

    fn unschedule(&self, session: &Session, state: &State) {
        if let Some(at) = next_due(state) {
            lock(&self.timeline).remove(&(at, session.number));
        }
    }

    fn forget(&self, filters: &[Held], session: u64) {
        if filters.is_empty() {
            return;
        }
        let mut subscriptions = self.subscriptions_mut();
        for held in filters {
            subscriptions.remove(&held.filter, session);
        }
    }

    fn subscriptions(&self) -> RwLockReadGuard<'_, Subscriptions> {
        self.subscriptions.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscriptions_mut(&self) -> RwLockWriteGuard<'_, Subscriptions> {
        self.subscriptions.write().unwrap_or_else(PoisonError::into_inner)
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

    /// Tells every connection to finish what it has and end.
    pub(crate) fn drain_all(&self) {
        let links: Vec<Arc<Link>> = lock(&self.links).values().cloned().collect();
        for link in links {
            link.drain();
        }
    }
}

fn next_due(state: &State) -> Option<Instant> {
    match (state.expires_at, state.will_at) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
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
    state.resume(arrival.link);
    session.note(state);
    session.set_readiness(state);
}
