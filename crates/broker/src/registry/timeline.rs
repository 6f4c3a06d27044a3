//! What falls due while a client is away: the end of its session, its will.

use std::sync::Arc;

use tokio::time::Instant;

use super::Registry;
use crate::lock;
use crate::session::{Remains, Session, State};
use crate::wire::hello::Will;

/// A session whose time has come.
pub(crate) struct Due {
    pub(crate) session: Arc<Session>,
    pub(crate) will: Option<Box<Will>>,
    pub(crate) expired: bool,
    pub(crate) remains: Option<Remains>,
}

impl Registry {
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
            let mut remains = None;
            if expired {
                let ended = state.end(&session);
                drop(state);
                sessions.remove(&session);
                drop(sessions);
                self.forget(&ended);
                remains = Some(ended);
            } else {
                if will_due {
                    (state.will_at, state.will_at_ms) = (None, None);
                    session.note(&state);
                }
                self.schedule(&session, &state);
                drop(state);
            }
            found.push(Due { session, will, expired, remains });
        }
    }

    fn pop_due(&self, now: Instant) -> Option<(Instant, Arc<Session>)> {
        let mut timeline = lock(&self.timeline);
        let entry = timeline.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, _), session) = entry.remove_entry();
        Some((at, session))
    }

    pub(super) fn schedule(&self, session: &Arc<Session>, state: &State) {
        if let Some(at) = next_due(state) {
            lock(&self.timeline).insert((at, session.number), session.clone());
        }
    }

    pub(super) fn unschedule(&self, session: &Session, state: &State) {
        if let Some(at) = next_due(state) {
            lock(&self.timeline).remove(&(at, session.number));
        }
    }
}

fn next_due(state: &State) -> Option<Instant> {
    match (state.expires_at, state.will_at) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
