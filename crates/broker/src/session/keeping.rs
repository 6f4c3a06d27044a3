//! A session in the vault: what changes, and how it comes back after a restart.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::incoming::Received;
use super::{Following, Held, Session, State};
use crate::keeper::Keeper;
use crate::layout::{self, RestoredSession, SessionRecord, SubscriptionRecord};
use crate::stock::Stock;
use crate::vault::Change;

pub(crate) use crate::layout::{drop_received as mark_gone, keep_received as mark};

impl Session {
    /// Keeps what the session's record says now, if it is kept at all. With the state locked.
    pub(crate) fn note(&self, state: &State) {
        if state.durable && !state.ended {
            self.keeper.note([layout::keep_session(self.number, &record(self, state))]);
        }
    }

    /// It ends with its connection from now on: nothing of it is kept. With the state locked.
    pub(crate) fn stop_keeping(&self, state: &mut State) {
        if state.durable {
            self.keeper.note(removal(self, state));
            state.durable = false;
            state.outgoing.hold_nothing();
        }
    }

    /// A session as it was before a restart, without a connection. One that had a connection then has lost it now.
    pub(crate) fn restored(kept: RestoredSession, keeper: Arc<Keeper>, stock: Arc<Stock>, clock: Clock) -> Session {
        let SessionRecord { client_id, identity, expiry_s, expires_at_ms, will, will_at_ms, subscriptions } =
            kept.record;
        let session = Session::new(kept.number, client_id, identity, (keeper, stock));
        let was_connected = expires_at_ms.is_none() && will_at_ms.is_none();
        let expires_at_ms = expires_at_ms.or_else(|| clock.after_s(expiry_s));
        let will_at_ms = match &will {
            Some(will) if was_connected => Some(clock.now_ms + clock.grace_ms.max(u64::from(will.delay_s) * 1_000)),
            Some(_) => Some(will_at_ms.unwrap_or(clock.now_ms)),
            None => None,
        };
        let mut state = State {
            v5: true,
            durable: true,
            expiry_s,
            expires_at: expires_at_ms.map(|at_ms| clock.instant(at_ms)),
            will_at: will_at_ms.map(|at_ms| clock.instant(at_ms)),
            expires_at_ms,
            will_at_ms,
            will,
            subscriptions: subscriptions.into_iter().map(held).collect(),
            received: Received::restored(kept.received.into_iter()),
            following: kept.cursor.map(|cursor| Box::new(Following::at(cursor))),
            ..State::default()
        };
        state.outgoing.restore(kept.queue);
        session.take_stock(&mut state.outgoing);
        if was_connected {
            session.note(&state);
        }
        *crate::lock(&session.state) = state;
        session
    }
}

fn held(record: SubscriptionRecord) -> Held {
    let SubscriptionRecord { filter, options, identifier } = record;
    Held { filter, wants: crate::subscriptions::Subscription { options, identifier } }
}

/// Wall clock and the clock of timers, read together.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) now_ms: u64,
    pub(crate) now: Instant,
    /// How long a client that was connected before a restart has to come back before its will is published.
    pub(crate) grace_ms: u64,
}

impl Clock {
    /// `u32::MAX` is for ever (MQTT 5 section 3.1.2.11.2).
    pub(crate) fn after_s(&self, seconds: u32) -> Option<u64> {
        (seconds < u32::MAX).then(|| self.now_ms + u64::from(seconds) * 1_000)
    }

    pub(crate) fn instant(&self, at_ms: u64) -> Instant {
        self.now + Duration::from_millis(at_ms.saturating_sub(self.now_ms))
    }
}

fn record(session: &Session, state: &State) -> SessionRecord {
    let one = |held: &Held| SubscriptionRecord {
        filter: held.filter.clone(),
        options: held.wants.options,
        identifier: held.wants.identifier,
    };
    SessionRecord {
        client_id: session.client_id.clone(),
        identity: session.identity.clone(),
        expiry_s: state.expiry_s,
        expires_at_ms: state.expires_at_ms,
        will: state.will.clone(),
        will_at_ms: state.will_at_ms,
        subscriptions: state.subscriptions.iter().map(one).collect(),
    }
}

/// Everything of a session in the vault.
pub(super) fn removal(session: &Session, state: &State) -> Vec<Change> {
    let number = session.number;
    let mut changes = vec![layout::drop_session(number)];
    changes.extend(state.following.as_ref().map(|_| layout::drop_cursor(number)));
    changes.extend(state.outgoing.kept().map(|sequence| layout::drop_entry(number, sequence)));
    changes.extend(state.received.ids().map(|id| mark_gone(number, id)));
    changes
}
