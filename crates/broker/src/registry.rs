//! All sessions by client id, all live connections, and what falls due while a client is away.
//!
//! Lock order: sessions, then one session's state, then the timeline or the subscriptions.

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::link::{Link, Order};
use crate::lock;
use crate::session::{Session, State};
use crate::subscriptions::Subscriptions;
use crate::topic::TopicFilter;
use crate::wire::hello::Will;

/// Sessions and connections of one listener.
#[derive(Default)]
pub(crate) struct Registry {
    sessions: Mutex<HashMap<Arc<str>, Arc<Session>>>,
    subscriptions: RwLock<Subscriptions>,
    timeline: Mutex<BTreeMap<(Instant, u64), Arc<Session>>>,
    links: Mutex<HashMap<u64, Arc<Link>>>,
    numbers: AtomicU64,
    sessions_max: usize,
}

/// A client that may come in.
pub(crate) struct Arrival {
    pub(crate) client_id: Arc<str>,
    pub(crate) identity: Arc<str>,
    pub(crate) clean_start: bool,
    pub(crate) expiry_s: u32,
    pub(crate) window: usize,
    pub(crate) packet_max_bytes: usize,
    pub(crate) will: Option<Will>,
    pub(crate) link: Arc<Link>,
}

/// What came of an arrival.
pub(crate) struct Attached {
    pub(crate) session: Arc<Session>,
    pub(crate) present: bool,
    /// A connection was thrown out.
    pub(crate) took_over: bool,
    /// The will of the connection or session that this arrival ended.
    pub(crate) old_will: Option<Box<Will>>,
}

/// Why an arrival has no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttachError {
    /// The client id belongs to another identity.
    ForeignClientId,
    /// `sessions_max` sessions exist.
    Full,
}

/// A session whose time has come.
pub(crate) struct Due {
    pub(crate) session: Arc<Session>,
    pub(crate) will: Option<Box<Will>>,
    pub(crate) expired: bool,
}

impl Registry {
    pub(crate) fn new(sessions_max: usize) -> Registry {
        Registry { sessions_max, ..Registry::default() }
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
                let session = self.fresh(&arrival);
                settle(&mut lock(&session.state), arrival);
                slot.insert(session.clone());
                return Ok(Attached { session, present: false, took_over: false, old_will: None });
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
        // MQTT-3.1.3-9: back before the will delay has passed, the will is not sent.
        let old_will = state.will.take().filter(|will| !resumed || will.delay_s == 0);
        if let Some(link) = &old_link {
            link.order(Order::TakenOver);
        }
        let took_over = old_link.is_some();
        if resumed {
            settle(&mut state, arrival);
            drop(state);
            return Ok(Attached { session: old, present: true, took_over, old_will });
        }
        let subscriptions = state.end();
        drop(state);
        let session = self.fresh(&arrival);
        settle(&mut lock(&session.state), arrival);
        slot.insert(session.clone());
        drop(sessions);
        self.forget(&subscriptions, old.number);
        Ok(Attached { session, present: false, took_over, old_will })
    }

    fn fresh(&self, arrival: &Arrival) -> Arc<Session> {
        Arc::new(Session {
            number: self.number(),
            client_id: arrival.client_id.clone(),
            identity: arrival.identity.clone(),
            state: Mutex::default(),
        })
    }

    /// Ends the session's connection. `None` if the session has moved to another connection, which
    /// has reported the end of this one; else the will to publish now, if one is due now.
    pub(crate) fn detach(
        &self,
        session: &Arc<Session>,
        link: &Arc<Link>,
        will_is_due: bool,
    ) -> Option<Option<Box<Will>>> {
        let mut sessions = lock(&self.sessions);
        let mut state = lock(&session.state);
        if !state.link.as_ref().is_some_and(|mine| Arc::ptr_eq(mine, link)) {
            return None;
        }
        state.link = None;
        if !will_is_due {
            state.will = None;
        }
        if state.expiry_s == 0 {
            let will = state.will.take();
            let subscriptions = state.end();
            drop(state);
            sessions.remove(&session.client_id);
            drop(sessions);
            self.forget(&subscriptions, session.number);
            return Some(will);
        }
        let now = Instant::now();
        state.expires_at = Some(now + Duration::from_secs(u64::from(state.expiry_s)));
        let will = state.will.take_if(|will| will.delay_s == 0);
        state.will_at = state.will.as_ref().map(|will| now + Duration::from_secs(u64::from(will.delay_s)));
        self.schedule(session, &state);
        Some(will)
    }

    /// Sets a new expiry, as a v5 DISCONNECT may ask for. False if it may not (MQTT 5 3.14.2.2.2).
    pub(crate) fn set_expiry(&self, session: &Session, link: &Arc<Link>, expiry_s: u32) -> bool {
        let mut state = lock(&session.state);
        if state.link.as_ref().is_some_and(|mine| Arc::ptr_eq(mine, link)) {
            if state.expiry_s == 0 && expiry_s != 0 {
                return false;
            }
            state.expiry_s = expiry_s;
        }
        true
    }

    /// Adds a subscription unless the session has `limit` others. False if it has.
    pub(crate) fn subscribe(&self, session: &Arc<Session>, filter: &TopicFilter, qos: u8, limit: usize) -> bool {
        let mut state = lock(&session.state);
        if state.ended {
            return true; // the client is being thrown out; whatever it hears does not matter
        }
        match state.subscriptions.iter().position(|(known, _)| known == filter) {
            Some(index) => state.subscriptions[index].1 = qos,
            None if state.subscriptions.len() >= limit => return false,
            None => state.subscriptions.push((filter.clone(), qos)),
        }
        self.subscriptions_mut().insert(filter, session, qos);
        true
    }

    /// Removes a subscription; false if there was none.
    pub(crate) fn unsubscribe(&self, session: &Session, filter: &str) -> bool {
        let mut state = lock(&session.state);
        let found = state.subscriptions.iter().position(|(known, _)| known.as_str() == filter);
        let Some(index) = found else { return false };
        let (filter, _) = state.subscriptions.swap_remove(index);
        self.subscriptions_mut().remove(&filter, session.number);
        true
    }

    /// The sessions that get a publish to `topic`, with the QoS granted.
    pub(crate) fn subscribers(&self, topic: &str) -> Vec<(Arc<Session>, u8)> {
        self.subscriptions().matching(topic)
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
                let subscriptions = state.end();
                drop(state);
                sessions.remove(&session.client_id);
                drop(sessions);
                self.forget(&subscriptions, session.number);
            } else {
                if will_due {
                    state.will_at = None;
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

    fn forget(&self, filters: &[(TopicFilter, u8)], session: u64) {
        if filters.is_empty() {
            return;
        }
        let mut subscriptions = self.subscriptions_mut();
        for (filter, _) in filters {
            subscriptions.remove(filter, session);
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

    /// Tells every connection of `identity` to end; how many there were.
    pub(crate) fn kick(&self, identity: &str) -> usize {
        let sessions: Vec<Arc<Session>> =
            lock(&self.sessions).values().filter(|session| &*session.identity == identity).cloned().collect();
        let links = sessions.iter().filter_map(|session| lock(&session.state).link.clone());
        links.map(|link| link.order(Order::Dismissed)).count()
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

fn settle(state: &mut State, arrival: Arrival) {
    state.expiry_s = arrival.expiry_s;
    state.window = arrival.window;
    state.packet_max_bytes = arrival.packet_max_bytes;
    state.will = arrival.will.map(Box::new);
    state.resume(arrival.link);
}
