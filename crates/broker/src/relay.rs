//! Messages from clients to clients and from the process to clients: matched, retained, handed to sessions, and
//! acknowledged when what has to be kept is on the disk.

use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::warn;

use crate::hub::Hub;
use crate::keeper::Changes;
use crate::layout;
use crate::lock;
use crate::outbound::{Outbound, Parcel};
use crate::retained::{Kept, RetainedFull};
use crate::session::{Offer, QueueLimits, Remains, Session};
use crate::subscriptions::Matches;

/// Messages handed out together, and what of them must be on the disk before their publisher is answered.
pub(crate) struct Round {
    /// In one write with what its publisher's session keeps: a message with QoS 2 is in all queues or in none.
    pub(crate) exact: bool,
    /// Not counted by the limits of queues, because something else bounds it: retained messages, pages of the log.
    pub(crate) exempt: bool,
    pub(crate) limits: QueueLimits,
    pub(crate) changes: Changes,
    /// Something is on its way to the disk.
    pub(crate) noted: bool,
    /// Messages that wait for it, by session and sequence number.
    pub(crate) held: Vec<(Arc<Session>, u64)>,
    /// The process's own, which the limit of all queues together does not hold back.
    pub(crate) ours: bool,
    /// Messages that a session did not take.
    pub(crate) shed: usize,
    /// Of these, for that limit.
    pub(crate) over_total: usize,
    matches: Matches,
}

impl Round {
    pub(crate) fn new(hub: &Hub, exact: bool) -> Round {
        let settings = &hub.settings;
        Round {
            exact,
            exempt: false,
            ours: false,
            limits: QueueLimits {
                messages: settings.outbound_queue_messages,
                bytes: settings.outbound_queue_bytes,
                exempt: settings.retained_messages,
            },
            changes: Changes::new(),
            noted: false,
            held: Vec::new(),
            shed: 0,
            over_total: 0,
            matches: Matches::default(),
        }
    }

    /// Whether anything has to be on the disk first.
    pub(crate) fn must_wait(&self) -> bool {
        self.noted || !self.changes.is_empty()
    }

    /// Calls `done` when all is on the disk; at once if nothing has to be. Not with a session locked.
    pub(crate) fn finish(self, hub: &Hub, done: impl FnOnce() + Send + 'static) {
        if !self.must_wait() {
            self.count(hub);
            return done();
        }
        self.commit(hub, done);
    }

    /// Calls `done` when all that was given to the vault before is on the disk.
    pub(crate) fn commit(self, hub: &Hub, done: impl FnOnce() + Send + 'static) {
        self.count(hub);
        let held = self.held;
        let done = move || {
            for (session, sequence) in held {
                session.kept(sequence);
            }
            done();
        };
        hub.keeper.commit(self.changes, Box::new(done));
    }
}

impl Round {
    fn count(&self, hub: &Hub) {
        hub.meters.undelivered.add(self.shed);
        hub.meters.over_total.add(self.over_total);
        if self.over_total > 0
            && let Some(muted) = hub.gates.total.pass()
        {
            warn!(
                messages = self.over_total,
                muted,
                "all queues together are full: messages between clients are dropped until sessions are read or ended \
                 (outbound_total_bytes)"
            );
        }
    }
}

/// How many sessions took a message, and how.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) matched: usize,
    pub(crate) online_qos_1: usize,
    pub(crate) online_qos_0: usize,
    pub(crate) queued: usize,
}

impl Taken {
    pub(crate) fn subscribers(&self) -> usize {
        self.online_qos_1 + self.online_qos_0 + self.queued
    }
}

impl Hub {
    /// Hands a message to all who are subscribed. `publisher` is the number of the session that published it.
    pub(crate) fn spread(
        &self,
        parcel: &Arc<Parcel>,
        qos: u8,
        publisher: Option<u64>,
        receipt: Option<&mpsc::Sender<()>>,
        round: &mut Round,
    ) -> Taken {
        let mut taken = Taken::default();
        let mut matches = std::mem::take(&mut round.matches);
        match self.access.reserved(&parcel.topic) {
            true => self.registry.matching_by_name(&parcel.topic, publisher, &mut matches),
            false => self.registry.matching(&parcel.topic, publisher, &mut matches),
        }
        for found in matches.drain() {
            taken.matched += 1;
            let qos = qos.min(found.qos);
            let message = Outbound {
                parcel: parcel.clone(),
                qos,
                retain: parcel.retain && found.retain_as_published,
                identifiers: found.identifiers,
                shared: found.shared.map(Box::new),
                receipt: receipt.filter(|_| qos > 0).cloned(),
            };
            match found.session.offer(message, round) {
                Offer::Online if qos > 0 => taken.online_qos_1 += 1,
                Offer::Online => taken.online_qos_0 += 1,
                Offer::Queued => taken.queued += 1,
                Offer::Shed => round.shed += 1,
                Offer::Absent => {}
            }
        }
        round.matches = matches;
        taken
    }

    /// Gives what a session that ended had not acknowledged to other members of its shared subscriptions.
    pub(crate) fn pass_on(&self, remains: Option<Remains>) {
        let Some(Remains { number, shared, .. }) = remains.filter(|remains| !remains.shared.is_empty()) else { return };
        let mut round = Round::new(self, false);
        for message in shared {
            let group = message.shared.as_deref();
            let Some(found) = group.and_then(|group| self.registry.another(group, number)) else { continue };
            let message = Outbound { identifiers: found.identifiers, qos: message.qos.min(found.qos), ..message };
            if found.session.offer(message, &mut round) == Offer::Shed {
                round.shed += 1;
            }
        }
        round.finish(self, || {});
    }

    /// Keeps a message for later subscribers, or with an empty payload forgets the topic's last one (MQTT-3.3.1-5 to 7).
    pub(crate) fn retain(
        &self,
        parcel: &Arc<Parcel>,
        qos: u8,
        identity: &Arc<str>,
        round: &mut Round,
    ) -> Result<(), RetainedFull> {
        let mut retained = lock(&self.retained);
        // Noted with the lock held, so that the vault sees the order that memory saw.
        let change = match parcel.payload.is_empty() {
            true => retained.clear(&parcel.topic).map(|kept| layout::drop_retained(kept.number)),
            false => Some(layout::keep_retained(&*retained.set(parcel, qos, identity)?)),
        };
        if let Some(change) = change {
            self.keeper.note([change]);
            round.noted |= self.keeper.is_durable();
        }
        Ok(())
    }

    /// Whether whoever published a retained message may still do so.
    pub(crate) fn may_hand_out(&self, kept: &Kept) -> bool {
        kept.parcel.topic.starts_with('$') || self.access.may_retain(&kept.identity, &kept.parcel.topic)
    }

    /// Forgets retained messages that have expired.
    pub(crate) fn expire_retained(&self) {
        let now_ms = self.access.now_ms();
        let mut retained = lock(&self.retained);
        if retained.next_expiry_ms().is_some_and(|at_ms| at_ms <= now_ms) {
            let gone = retained.expire(now_ms, EXPIRED_AT_A_TIME);
            self.keeper.note(gone.iter().map(|kept| layout::drop_retained(kept.number)));
        }
        metrics::gauge!("fenghuo_broker_retained_messages").set(retained.len() as f64);
    }

    /// Tells that the log could not give all.
    pub(crate) fn log_lost(&self, lost: u64) {
        self.meters.log_lost.add(usize::try_from(lost).unwrap_or(usize::MAX));
        if let Some(muted) = self.gates.log.pass() {
            warn!(
                lost,
                muted, "subscribers were away longer than the log keeps its messages; they see newer ones only"
            );
        }
    }
}

/// How many expired retained messages go at a time.
const EXPIRED_AT_A_TIME: usize = 1_000;
