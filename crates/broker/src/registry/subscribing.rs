//! Who is subscribed to what, through sessions.

use std::sync::{Arc, PoisonError, RwLockReadGuard, RwLockWriteGuard};

use super::Registry;
use crate::layout;
use crate::lock;
use crate::session::{Following, Held, Remains, Session, State};
use crate::subscriptions::{Match, Matches, Subscription, Subscriptions};
use crate::topic::{SharedFilter, TopicFilter};

/// What came of a SUBSCRIBE's filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subscribed {
    /// Whether the session has not had this subscription before.
    Yes { is_new: bool },
    /// It has as many as it may, or as long ones.
    Full,
}

/// How much a session may subscribe to.
#[derive(Clone, Copy)]
pub(crate) struct SubscriptionLimits {
    pub(crate) filters: usize,
    /// By [`SharedFilter::weight`].
    pub(crate) bytes: usize,
}

impl Registry {
    /// Adds a subscription unless the session has as many as it may. To be kept with [`Session::note`].
    pub(crate) fn subscribe(
        &self,
        session: &Arc<Session>,
        filter: &SharedFilter,
        wants: Subscription,
        limits: SubscriptionLimits,
    ) -> Subscribed {
        let mut state = lock(&session.state);
        if state.ended {
            return Subscribed::Yes { is_new: false }; // being thrown out; what it hears does not matter
        }
        let held = Held { filter: filter.clone(), wants };
        let known = state.subscriptions.iter().position(|known| known.filter == *filter);
        match known {
            Some(index) => state.subscriptions[index] = held,
            None if state.subscriptions.len() >= limits.filters => return Subscribed::Full,
            None if state.filter_bytes() + filter.weight() > limits.bytes => return Subscribed::Full,
            None => state.subscriptions.push(held),
        }
        self.index(session, filter, wants);
        self.follow_from_now(session, &mut state);
        self.follow(session, &mut state);
        Subscribed::Yes { is_new: known.is_none() }
    }

    /// Removes a subscription; false if there was none. To be kept with [`Session::note`].
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
        true
    }

    /// Makes publishes find the session. What comes from the log is not published.
    pub(super) fn index(&self, session: &Arc<Session>, filter: &SharedFilter, wants: Subscription) {
        if !self.follower.as_ref().is_some_and(|follower| follower.covers(&filter.filter)) {
            self.subscriptions_mut().insert(filter, session, wants);
        }
    }

    /// Puts a session that is subscribed to topics of the log, and not followed yet, at the log's end.
    pub(super) fn follow_from_now(&self, session: &Session, state: &mut State) {
        let Some(follower) = &self.follower else { return };
        let is_new = state.following.is_none();
        if is_new && state.subscriptions.iter().any(|held| follower.touches(&held.filter.filter)) {
            let cursor = follower.newest();
            state.following = Some(Box::new(Following::at(cursor)));
            if state.durable {
                self.keeper.note([layout::keep_cursor(session.number, cursor)]);
            }
        }
    }

    /// Has the log read for a session that follows it. With the state locked.
    pub(super) fn follow(&self, session: &Arc<Session>, state: &mut State) {
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

    pub(super) fn forget(&self, remains: &Remains) {
        if remains.subscriptions.is_empty() {
            return;
        }
        let mut subscriptions = self.subscriptions_mut();
        for held in &remains.subscriptions {
            subscriptions.remove(&held.filter, remains.number);
        }
    }

    /// Another member of a shared subscription.
    pub(crate) fn another(&self, shared: &SharedFilter, leaving: u64) -> Option<Match> {
        self.subscriptions().another(shared, leaving)
    }

    /// Takes away subscriptions that the credential does not permit any more, and what they have brought. How many messages
    /// that was.
    pub(crate) fn prune(
        &self,
        session: &Session,
        may_subscribe: impl Fn(&TopicFilter) -> bool,
        may_receive: impl Fn(&str) -> bool,
    ) -> usize {
        let (filters, mut topics) = {
            let state = lock(&session.state);
            let filters: Vec<SharedFilter> = state.subscriptions.iter().map(|held| held.filter.clone()).collect();
            (filters, state.outgoing.topics())
        };
        // asked with nothing locked
        let forbidden: Vec<&SharedFilter> = filters.iter().filter(|held| !may_subscribe(&held.filter)).collect();
        for filter in &forbidden {
            self.unsubscribe(session, &filter.to_string());
        }
        if !forbidden.is_empty() {
            session.note(&lock(&session.state));
        }
        topics.retain(|topic| !may_receive(topic));
        if topics.is_empty() { 0 } else { session.drop_waiting(&topics) }
    }

    fn subscriptions(&self) -> RwLockReadGuard<'_, Subscriptions> {
        self.subscriptions.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscriptions_mut(&self) -> RwLockWriteGuard<'_, Subscriptions> {
        self.subscriptions.write().unwrap_or_else(PoisonError::into_inner)
    }
}
