//! QoS 2 from the client: which packet identifiers were received and not released yet (MQTT 5 section 4.3.3).

use std::sync::Arc;

use super::{Session, keeping};
use crate::link::{Done, Link};
use crate::lock;
use crate::vault::Change;
use crate::wire::encode::{self, AckKind};

/// Packet identifiers in use, in rising order.
#[derive(Default)]
pub(crate) struct Received(
    #[expect(clippy::box_collection, reason = "most sessions have none")] Option<Box<Vec<(u16, Stage)>>>,
);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Handed over, not answered.
    Pending,
    /// PUBREC is due again whenever the PUBLISH comes again.
    Received,
    /// PUBREL has come; PUBCOMP leaves when that is on the disk.
    Releasing,
}

/// What a PUBLISH with QoS 2 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Seen for the first time: to be handed over.
    New,
    /// Handed over before and not answered yet: nothing to do.
    Pending,
    /// Taken in before: PUBREC again.
    Again,
    /// More identifiers in use than the limit allows.
    TooMany,
}

/// What to do about a PUBREL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// PUBCOMP.
    Now,
    /// PUBCOMP when this is on the disk; then call [`Session::released`].
    Later(Change),
    /// PUBCOMP is on its way.
    Underway,
    /// No such identifier.
    Unknown,
}

impl Received {
    /// Begins with what was received before a restart.
    pub(super) fn restored(ids: impl Iterator<Item = u16>) -> Received {
        let mut all: Vec<_> = ids.map(|id| (id, Stage::Received)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        Received((!all.is_empty()).then(|| Box::new(all)))
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().flat_map(|all| all.iter().map(|(id, _)| *id))
    }

    fn find(&self, id: u16) -> Option<Stage> {
        let all = self.0.as_ref()?;
        all.binary_search_by_key(&id, |(id, _)| *id).ok().map(|index| all[index].1)
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |all| all.len())
    }

    fn set(&mut self, id: u16, stage: Stage) {
        let all = self.0.get_or_insert_default();
        match all.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(index) => all[index].1 = stage,
            Err(index) => all.insert(index, (id, stage)),
        }
    }

    fn remove(&mut self, id: u16) -> bool {
        let Some(all) = &mut self.0 else { return false };
        let found = all.binary_search_by_key(&id, |(id, _)| *id);
        if let Ok(index) = found {
            all.remove(index);
            if all.is_empty() {
                self.0 = None;
            }
        }
        found.is_ok()
    }
}

impl Session {
    /// A PUBLISH with QoS 2 has come; at most `limit` may be open.
    pub(crate) fn begin(&self, id: u16, limit: usize) -> Begun {
        let mut state = lock(&self.state);
        match state.received.find(id) {
            Some(Stage::Pending) => Begun::Pending,
            Some(Stage::Received | Stage::Releasing) => Begun::Again,
            None if state.received.len() >= limit => Begun::TooMany,
            None => {
                state.received.set(id, Stage::Pending);
                Begun::New
            }
        }
    }

    /// The mark for the vault that a publish was taken in, if the session is kept there.
    pub(crate) fn mark(&self, id: u16) -> Option<Change> {
        lock(&self.state).durable.then(|| keeping::mark(self.number, id))
    }

    /// Publishes with QoS 2 that came through the connection `origin` were answered, each with a reason code. Whatever
    /// connection the session has now gets the PUBRECs.
    pub(crate) fn taken_in(&self, answers: &[(u16, u8)], origin: &Arc<Link>) {
        let mut state = lock(&self.state);
        if state.ended {
            if state.durable {
                self.keeper.note(answers.iter().map(|(id, _)| keeping::mark_gone(self.number, *id)));
            }
            return;
        }
        for (id, reason) in answers {
            // A v3.1.1 client cannot be told no: its exchange goes on to the end.
            match *reason >= 0x80 && state.v5 {
                true => drop(state.received.remove(*id)),
                false => state.received.set(*id, Stage::Received),
            }
        }
        let Some(link) = &state.link else { return };
        let (v5, counts) = (state.v5, usize::from(Arc::ptr_eq(link, origin)));
        link.acknowledge(|out| {
            let mut done = Done::default();
            for (id, reason) in answers {
                encode::ack(out, AckKind::Pubrec, *id, if v5 { *reason } else { 0 });
                done.answered += counts;
                done.closed += if *reason >= 0x80 { counts } else { 0 };
            }
            done
        });
    }

    /// Publishes with QoS 2 were lost on the way to the consumer: they count as new when they come again.
    pub(crate) fn not_taken_in(&self, ids: impl Iterator<Item = u16>) {
        let mut state = lock(&self.state);
        for id in ids {
            state.received.remove(id);
        }
    }

    /// PUBREL has come.
    pub(crate) fn release(&self, id: u16) -> Release {
        let mut state = lock(&self.state);
        match state.received.find(id) {
            Some(Stage::Received) if state.durable => {
                state.received.set(id, Stage::Releasing);
                Release::Later(keeping::mark_gone(self.number, id))
            }
            Some(Stage::Received) => {
                state.received.remove(id);
                Release::Now
            }
            Some(Stage::Releasing) => Release::Underway,
            Some(Stage::Pending) | None => Release::Unknown,
        }
    }

    /// The end of these exchanges is on the disk.
    pub(crate) fn released(&self, ids: &[u16], origin: &Arc<Link>) {
        let mut state = lock(&self.state);
        for id in ids {
            state.received.remove(*id);
        }
        let Some(link) = &state.link else { return };
        let counts = usize::from(Arc::ptr_eq(link, origin));
        link.acknowledge(|out| {
            for id in ids {
                encode::ack(out, AckKind::Pubcomp, *id, 0);
            }
            Done { closed: ids.len() * counts, ..Done::default() }
        });
    }
}
