//! A session's place in the log.

use std::sync::Arc;

use smallvec::SmallVec;

use super::outgoing::LOW_WATER;
use super::{Offer, Session, State};
use crate::layout;
use crate::lock;
use crate::outbound::{Outbound, Parcel};
use crate::relay::Round;

/// How far a session has read the log.
pub(crate) struct Following {
    cursor: u64,
    /// The follower has it on one of its lists.
    called: bool,
}

/// What the follower does with a session next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Read on after this number for it.
    Read(u64),
    /// Nothing, until the session calls again.
    LetGo,
}

impl Following {
    pub(crate) fn at(cursor: u64) -> Following {
        Following { cursor, called: false }
    }

    /// True if the follower is to be told of the session.
    pub(crate) fn call(&mut self) -> bool {
        !std::mem::replace(&mut self.called, true)
    }
}

impl Session {
    /// Where to read for this session.
    pub(crate) fn next_read(&self) -> Next {
        let mut state = lock(&self.state);
        let ready = state.link.is_some() && state.outgoing.waiting() <= LOW_WATER;
        let Some(following) = &mut state.following else { return Next::LetGo };
        if ready {
            return Next::Read(following.cursor);
        }
        following.called = false;
        Next::LetGo
    }

    /// Queues what of the log after `after` the session is subscribed to, and moves its cursor to `read_to`.
    /// `by_name`: filters that begin with a wildcard do not count.
    pub(crate) fn read(
        self: &Arc<Self>,
        (after, read_to): (u64, u64),
        parcels: &[Arc<Parcel>],
        by_name: bool,
        round: &mut Round,
    ) {
        let mut state = lock(&self.state);
        let state = &mut *state;
        if state.ended || state.following.as_ref().is_none_or(|following| following.cursor != after) {
            return;
        }
        for parcel in parcels {
            let Some(message) = subscribed(state, parcel, by_name) else { continue };
            if self.offer_to(state, message, round) == Offer::Shed {
                round.shed += 1;
            }
        }
        let following = state.following.as_mut().expect("looked at above, with the state locked since");
        following.cursor = read_to;
        if state.durable {
            round.changes.push(layout::keep_cursor(self.number, read_to));
            round.noted = true;
        }
    }
}

/// The message for this session, if it is subscribed to the topic.
fn subscribed(state: &State, parcel: &Arc<Parcel>, by_name: bool) -> Option<Outbound> {
    let mut qos = None;
    let mut identifiers = SmallVec::new();
    let held = state.subscriptions.iter().filter(|held| held.filter.group.is_none());
    let held = held.filter(|held| !(by_name && held.filter.filter.begins_with_wildcard()));
    for held in held.filter(|held| held.filter.filter.matches(&parcel.topic)) {
        qos = qos.max(Some(held.wants.options.qos));
        identifiers.extend((held.wants.identifier > 0).then_some(held.wants.identifier));
    }
    let qos = qos?;
    Some(Outbound { parcel: parcel.clone(), qos, retain: false, identifiers, shared: None, receipt: None })
}
