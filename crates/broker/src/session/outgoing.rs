//! Messages to the client: waiting, in flight, acknowledged.
//!
//! Messages with QoS 1 and 2 are numbered in the order in which they came; the packet identifier follows from the
//! number, so that it is the same after a restart.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;

use super::pen::{Pen, packet_id, sending};
use super::{Session, State};
use crate::layout::{self, QueueEntry, QueuedMessage};
use crate::link::{Link, Order};
use crate::lock;
use crate::outbound::Outbound;
use crate::relay::Round;
use crate::wire::encode::{self, AckKind};

#[derive(Default)]
pub(crate) struct Outgoing {
    /// The client's Receive Maximum, capped by ours.
    pub(crate) window: usize,
    /// The client's Maximum Packet Size, capped by ours, bytes.
    pub(crate) packet_max_bytes: usize,
    queue: VecDeque<Entry>,
    /// Of the queue: messages that its limits count, and their bytes.
    counted: usize,
    counted_bytes: usize,
    /// What the limit of messages is.
    limit: usize,
    /// Of all messages that wait or are in flight, and what the [`crate::stock::Stock`] knows of it, bytes.
    pub(super) weight: usize,
    told: usize,
    /// Sent or to be sent again, in the order of first sending (MQTT-4.6.0-1).
    pub(super) in_flight: VecDeque<Flight>,
    /// How many at the end of `in_flight` are still to be sent again on this connection.
    pub(super) resend: usize,
    next_sequence: u64,
}

struct Entry {
    message: Outbound,
    sequence: u64,
    /// Not to be sent before it is on the disk.
    held: bool,
    /// The limits do not count it.
    exempt: bool,
    /// May have been sent before a restart.
    again: bool,
}

pub(super) struct Flight {
    pub(super) sequence: u64,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    /// PUBLISH was sent.
    Sent(Outbound),
    /// PUBREC came, which is on its way to the disk.
    Releasing,
    /// PUBREL is due until PUBCOMP comes.
    Released,
}

/// What became of a message offered to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// On its way to a connected client.
    Online,
    /// Kept until the client comes back.
    Queued,
    /// Not taken: queue full, or larger than the client takes.
    Shed,
    /// Nobody there: the session ended, or it is away and the message is QoS 0.
    Absent,
}

/// Limits of a session's queue.
#[derive(Clone, Copy)]
pub(crate) struct QueueLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    /// Messages that the other two do not count.
    pub(crate) exempt: usize,
}

/// What [`Session::gather`] did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gathered {
    /// Messages written.
    pub(crate) sent: usize,
    /// Messages that had expired.
    pub(crate) expired: usize,
    /// Messages larger than the client takes.
    pub(crate) too_large: usize,
    /// There is room for more from the log.
    pub(crate) wants_more: bool,
}

impl Session {
    /// Queues a message. A connected client whose queue is full is cut off, unless the message is QoS 0.
    pub(crate) fn offer(self: &Arc<Self>, message: Outbound, round: &mut Round) -> Offer {
        self.offer_to(&mut lock(&self.state), message, round)
    }

    /// [`Session::offer`] with the state locked.
    pub(super) fn offer_to(self: &Arc<Self>, state: &mut State, message: Outbound, round: &mut Round) -> Offer {
        if state.ended || (state.link.is_none() && message.qos == 0) {
            return Offer::Absent;
        }
        let out = &mut state.outgoing;
        let bytes = encode::publish_bytes(&message.parcel, sending(&message, state.v5, 0, 1, false));
        if bytes > out.packet_max_bytes {
            return Offer::Shed;
        }
        if !round.ours && self.stock.is_full() {
            round.over_total += 1;
            return Offer::Shed;
        }
        out.limit = round.limits.messages;
        if round.exempt && out.queue.len() - out.counted >= round.limits.exempt {
            return Offer::Shed;
        }
        if !round.exempt && out.is_full(message.bytes(), round.limits) {
            match &state.link {
                Some(link) if message.qos > 0 => link.order(Order::SlowReader),
                _ => {}
            }
            return Offer::Shed;
        }
        let held = state.durable && message.qos > 0 && self.keep(&message, out.next_sequence, round);
        out.push(message, held, round.exempt);
        self.take_stock(out);
        self.set_readiness(state);
        match &state.link {
            Some(link) => {
                link.nudge();
                Offer::Online
            }
            None => Offer::Queued,
        }
    }

    /// Forgets what waits from these topics; how many messages that was.
    pub(crate) fn drop_waiting(&self, topics: &HashSet<Arc<str>>) -> usize {
        let mut state = lock(&self.state);
        let gone = state.outgoing.remove(|message| topics.contains(&message.parcel.topic));
        for sequence in gone.iter().flatten() {
            self.forget(&state, *sequence);
        }
        self.take_stock(&mut state.outgoing);
        self.set_readiness(&state);
        gone.len()
    }

    /// Has the stock know what waits. With the state locked.
    pub(super) fn take_stock(&self, out: &mut Outgoing) {
        if out.told != out.weight {
            self.stock.change(out.told, out.weight);
            out.told = out.weight;
        }
    }

    /// Gives a message to the vault; true if it may not be sent before it is there.
    fn keep(self: &Arc<Self>, message: &Outbound, sequence: u64, round: &mut Round) -> bool {
        let queued = QueuedMessage {
            parcel: message.parcel.clone(),
            qos: message.qos,
            retain: message.retain,
            identifiers: message.identifiers.clone(),
            shared: message.shared.as_deref().cloned(),
        };
        let change = layout::keep_message(self.number, sequence, &queued);
        let held = round.exact || message.qos == 2;
        match round.exact {
            true => round.changes.push(change),
            false => self.keeper.note([change]),
        }
        round.noted = true;
        if held {
            round.held.push((self.clone(), sequence));
        }
        held
    }

    /// A message that [`Session::offer`] held back is on the disk.
    pub(crate) fn kept(&self, sequence: u64) {
        let mut state = lock(&self.state);
        if state.ended || !state.durable {
            // It came to the vault after the session had gone from there.
            return self.keeper.note([layout::drop_entry(self.number, sequence)]);
        }
        let queue = &mut state.outgoing.queue;
        let index = queue.partition_point(|entry| entry.sequence < sequence);
        let same = queue.iter_mut().skip(index).take_while(|entry| entry.sequence == sequence);
        if let Some(entry) = same.into_iter().find(|entry| entry.message.qos > 0) {
            entry.held = false;
        }
        if let Some(link) = &state.link {
            link.nudge();
        }
    }

    pub(super) fn forget(&self, state: &State, sequence: u64) {
        if state.durable {
            self.keeper.note([layout::drop_entry(self.number, sequence)]);
        }
    }

    /// Writes what the client's window has room for, up to about `room_bytes`. Nothing if the session has moved to
    /// another connection.
    pub(crate) fn gather(
        &self,
        link: &Arc<Link>,
        pen: &mut Pen,
        out: &mut Vec<u8>,
        room_bytes: usize,
        now_ms: u64,
    ) -> Gathered {
        let mut state = lock(&self.state);
        if !state.is_on(link) {
            return Gathered::default();
        }
        let state = &mut *state;
        let mut done = Gathered::default();
        for sequence in state.outgoing.send_again(pen, out, room_bytes, now_ms, &mut done) {
            self.forget(state, sequence);
        }
        while out.len() < room_bytes {
            let Some(entry) = state.outgoing.next() else { break };
            let Entry { message, sequence, again, .. } = entry;
            let id = if message.qos > 0 { packet_id(sequence) } else { 0 };
            let expired = message.parcel.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms);
            let max_bytes = state.outgoing.packet_max_bytes;
            let sending = sending(&message, pen.v5, now_ms, id, again && message.qos > 0);
            let written = !expired && pen.publish(out, &message, sending, max_bytes);
            match (written, expired) {
                (true, _) => done.sent += 1,
                (false, true) => done.expired += 1,
                (false, false) => done.too_large += 1,
            }
            if message.qos > 0 && written {
                state.outgoing.in_flight.push_back(Flight { sequence, stage: Stage::Sent(message) });
                continue;
            }
            state.outgoing.weight -= message.weight();
            if message.qos > 0 {
                self.forget(state, sequence);
            }
        }
        self.take_stock(&mut state.outgoing);
        state.outgoing.give_memory_back();
        done.wants_more = state.outgoing.queue.len() <= LOW_WATER
            && state.following.as_mut().is_some_and(|following| following.call());
        self.set_readiness(state);
        done
    }
}

/// Queue capacity that an idle session keeps.
const QUEUE_KEPT: usize = 8;
/// With so few messages waiting, a session asks the log for more.
pub(super) const LOW_WATER: usize = 32;

impl Outgoing {
    /// Begins with what was kept before a restart.
    pub(super) fn restore(&mut self, kept: Vec<(u64, QueueEntry)>) {
        for (sequence, entry) in kept {
            self.next_sequence = sequence + 1;
            match entry {
                QueueEntry::Released => self.in_flight.push_back(Flight { sequence, stage: Stage::Released }),
                QueueEntry::Message(queued) => {
                    let QueuedMessage { parcel, qos, retain, identifiers, shared } = queued;
                    let shared = shared.map(Box::new);
                    let message = Outbound { parcel, qos, retain, identifiers, shared, receipt: None };
                    self.counted += 1;
                    self.counted_bytes += message.bytes();
                    self.weight += message.weight();
                    self.queue.push_back(Entry { message, sequence, held: false, exempt: false, again: true });
                }
            }
        }
        self.packet_max_bytes = usize::MAX;
    }

    /// A new connection: what is in flight is to be sent again.
    pub(super) fn start_over(&mut self) {
        self.resend = self.in_flight.len();
    }

    /// Forgets all. Gives what another member of a shared subscription may get instead (MQTT 5 section 4.8.2): what
    /// was not sent, and what was sent with QoS 1.
    pub(super) fn clear(&mut self) -> Vec<Outbound> {
        let gone = std::mem::take(self);
        self.told = gone.told;
        let sent = gone.in_flight.into_iter().filter_map(|flight| match flight.stage {
            Stage::Sent(message) if message.qos == 1 => Some(message),
            _ => None,
        });
        let unsent = gone.queue.into_iter().filter(|entry| entry.message.qos == 1 || !entry.again);
        let all = sent.chain(unsent.map(|entry| entry.message));
        all.filter(|message| message.shared.is_some() && message.qos > 0).collect()
    }

    /// The sequence numbers that the vault may hold.
    pub(super) fn kept(&self) -> impl Iterator<Item = u64> + '_ {
        let waiting = self.queue.iter().filter(|entry| entry.message.qos > 0).map(|entry| entry.sequence);
        self.in_flight.iter().map(|flight| flight.sequence).chain(waiting)
    }

    /// Topics of what waits.
    pub(crate) fn topics(&self) -> HashSet<Arc<str>> {
        self.queue.iter().map(|entry| entry.message.parcel.topic.clone()).collect()
    }

    /// Removes messages that wait; their sequence numbers, where the vault may hold them.
    fn remove(&mut self, gone: impl Fn(&Outbound) -> bool) -> Vec<Option<u64>> {
        let mut removed = Vec::new();
        let (mut counted, mut counted_bytes, mut weight) = (0, 0, 0);
        self.queue.retain(|Entry { message, sequence, exempt, .. }| {
            if !gone(message) {
                return true;
            }
            counted += usize::from(!exempt);
            counted_bytes += if *exempt { 0 } else { message.bytes() };
            weight += message.weight();
            removed.push((message.qos > 0).then_some(*sequence));
            false
        });
        self.counted -= counted;
        self.counted_bytes -= counted_bytes;
        self.weight -= weight;
        removed
    }

    /// Nothing is kept any more, so that nothing waits for the disk.
    pub(super) fn hold_nothing(&mut self) {
        self.queue.iter_mut().for_each(|entry| entry.held = false);
    }

    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// More than half full.
    pub(super) fn is_crowded(&self) -> bool {
        self.limit > 0 && self.counted > self.limit / 2
    }

    fn is_full(&self, more_bytes: usize, limits: QueueLimits) -> bool {
        self.counted >= limits.messages || self.counted_bytes + more_bytes > limits.bytes
    }

    fn push(&mut self, message: Outbound, held: bool, exempt: bool) {
        if !exempt {
            self.counted += 1;
            self.counted_bytes += message.bytes();
        }
        self.weight += message.weight();
        let sequence = self.next_sequence;
        self.next_sequence += u64::from(message.qos > 0);
        self.queue.push_back(Entry { message, sequence, held, exempt, again: false });
    }

    /// Takes the next message that may be sent.
    fn next(&mut self) -> Option<Entry> {
        let front = self.queue.front()?;
        if front.message.qos > 0 {
            if front.held || self.in_flight.len() >= self.window {
                return None;
            }
            if self.find(packet_id(front.sequence)).is_some() {
                return None; // still in use by the message 65,535 before, which keeps it
            }
        }
        let entry = self.queue.pop_front().expect("there is a front");
        if !entry.exempt {
            self.counted -= 1;
            self.counted_bytes -= entry.message.bytes();
        }
        Some(entry)
    }

    /// Sends again what was in flight when the last connection ended; gives what was larger than the client takes now
    /// and counts as sent (MQTT-3.1.2-25).
    fn send_again(
        &mut self,
        pen: &mut Pen,
        out: &mut Vec<u8>,
        room_bytes: usize,
        now_ms: u64,
        done: &mut Gathered,
    ) -> SmallVec<[u64; 1]> {
        let mut dropped = SmallVec::new();
        while self.resend > 0 && out.len() < room_bytes {
            let index = self.in_flight.len() - self.resend;
            let flight = &self.in_flight[index];
            let id = packet_id(flight.sequence);
            self.resend -= 1;
            match &flight.stage {
                Stage::Sent(message) => {
                    let sending = sending(message, pen.v5, now_ms, id, true);
                    if pen.publish(out, message, sending, self.packet_max_bytes) {
                        done.sent += 1;
                    } else {
                        done.too_large += 1;
                        self.weight -= message.weight();
                        dropped.push(flight.sequence);
                        self.in_flight.remove(index);
                    }
                }
                Stage::Releasing => {}
                Stage::Released => encode::ack(out, AckKind::Pubrel, id, 0),
            }
        }
        dropped
    }

    pub(super) fn find(&self, id: u16) -> Option<usize> {
        self.in_flight.iter().position(|flight| packet_id(flight.sequence) == id)
    }

    fn give_memory_back(&mut self) {
        if self.queue.is_empty() && self.queue.capacity() > QUEUE_KEPT {
            self.queue = VecDeque::new();
        }
    }
}
