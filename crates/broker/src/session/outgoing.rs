//! Messages to the client: waiting, in flight, acknowledged.
//!
//! Messages with QoS 1 and 2 are numbered in the order in which they came; the packet identifier follows from the
//! number, so that it is the same after a restart.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;

use super::{Session, State};
use crate::layout::{self, QueueEntry, QueuedMessage};
use crate::link::{Done, Link, Order};
use crate::lock;
use crate::outbound::{Outbound, Parcel};
use crate::relay::Round;
use crate::wire::encode::{self, AckKind, Alias, Sending};

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
    /// Sent or to be sent again, in the order of first sending (MQTT-4.6.0-1).
    in_flight: VecDeque<Flight>,
    /// How many at the end of `in_flight` are still to be sent again on this connection.
    resend: usize,
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

struct Flight {
    sequence: u64,
    stage: Stage,
}

enum Stage {
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

/// What to do about a PUBREC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// PUBREL with this reason.
    Release(u8),
    /// When what was noted is on the disk, call [`Session::release_sent`].
    Later,
    /// Nothing.
    Nothing,
}

/// How messages are written for one connection.
pub(crate) struct Pen {
    pub(crate) v5: bool,
    aliases: Option<Box<Aliases>>,
}

/// Topics that got an alias on this connection: the first so many.
struct Aliases {
    limit: u16,
    known: HashMap<Arc<str>, u16>,
}

impl Pen {
    /// `alias_limit`: how many topic aliases the client takes, capped by ours.
    pub(crate) fn new(v5: bool, alias_limit: u16) -> Pen {
        let aliases = (v5 && alias_limit > 0).then(|| Box::new(Aliases { limit: alias_limit, known: HashMap::new() }));
        Pen { v5, aliases }
    }

    /// False if the packet is larger than the client takes.
    fn publish(&mut self, out: &mut Vec<u8>, message: &Outbound, sending: Sending<'_>, max_bytes: usize) -> bool {
        let bytes = encode::publish_bytes(&message.parcel, sending);
        if bytes > max_bytes {
            return false;
        }
        let roomy = bytes + ALIAS_BYTES <= max_bytes;
        let alias = self.aliases.as_mut().filter(|_| roomy).and_then(|aliases| aliases.of(&message.parcel));
        encode::publish(out, &message.parcel, Sending { alias, ..sending });
        true
    }
}

/// What the property takes, and by how much it may lengthen the lengths.
const ALIAS_BYTES: usize = 5;

impl Aliases {
    fn of(&mut self, parcel: &Parcel) -> Option<Alias> {
        if let Some(alias) = self.known.get(&parcel.topic) {
            return Some(Alias::Known(*alias));
        }
        let alias = u16::try_from(self.known.len() + 1).ok().filter(|alias| *alias <= self.limit)?;
        self.known.insert(parcel.topic.clone(), alias);
        Some(Alias::New(alias))
    }
}

fn packet_id(sequence: u64) -> u16 {
    (sequence % 65_535) as u16 + 1
}

fn sending<'a>(message: &'a Outbound, v5: bool, now_ms: u64, packet_id: u16, dup: bool) -> Sending<'a> {
    let left_ms = message.parcel.expires_at_ms.map(|at_ms| at_ms.saturating_sub(now_ms));
    Sending {
        qos: message.qos,
        packet_id,
        dup,
        retain: message.retain,
        v5,
        alias: None,
        identifiers: &message.identifiers,
        expiry_s: left_ms.map(|left_ms| u32::try_from(left_ms.div_ceil(1_000)).unwrap_or(u32::MAX)),
    }
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
        out.limit = round.limits.messages;
        if !round.exempt && out.is_full(message.bytes(), round.limits) {
            match &state.link {
                Some(link) if message.qos > 0 => link.order(Order::SlowReader),
                _ => {}
            }
            return Offer::Shed;
        }
        let held = state.durable && message.qos > 0 && self.keep(&message, out.next_sequence, round);
        out.push(message, held, round.exempt);
        self.set_readiness(state);
        match &state.link {
            Some(link) => {
                link.nudge();
                Offer::Online
            }
            None => Offer::Queued,
        }
    }

    /// Gives a message to the vault; true if it may not be sent before it is there.
    fn keep(self: &Arc<Self>, message: &Outbound, sequence: u64, round: &mut Round) -> bool {
        let queued = QueuedMessage {
            parcel: message.parcel.clone(),
            qos: message.qos,
            retain: message.retain,
            identifiers: message.identifiers.clone(),
            shared: None,
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
            if message.qos > 0 {
                if written {
                    state.outgoing.in_flight.push_back(Flight { sequence, stage: Stage::Sent(message) });
                } else {
                    self.forget(state, sequence);
                }
            }
        }
        state.outgoing.give_memory_back();
        done.wants_more = state.outgoing.queue.len() <= LOW_WATER
            && state.following.as_mut().is_some_and(|following| following.call());
        self.set_readiness(state);
        done
    }

    /// PUBACK, or a PUBREC that refuses: the message is done with.
    pub(crate) fn acknowledged(&self, packet_id: u16, accepted: bool) {
        self.settle(packet_id, accepted, |stage| matches!(stage, Stage::Sent(_)));
    }

    /// PUBCOMP.
    pub(crate) fn completed(&self, packet_id: u16) {
        self.settle(packet_id, true, |stage| !matches!(stage, Stage::Sent(_)));
    }

    fn settle(&self, packet_id: u16, accepted: bool, at_stage: impl Fn(&Stage) -> bool) {
        let mut state = lock(&self.state);
        let out = &mut state.outgoing;
        let Some(index) = out.find(packet_id).filter(|index| at_stage(&out.in_flight[*index].stage)) else {
            return; // acknowledged before, or never sent: harmless
        };
        let sent = out.in_flight.len() - out.resend;
        if index >= sent {
            out.resend -= 1;
        }
        let flight = out.in_flight.remove(index).expect("the position was just found");
        self.forget(&state, flight.sequence);
        drop(state);
        if let (true, Stage::Sent(Outbound { receipt: Some(receipt), .. })) = (accepted, flight.stage) {
            let _full = receipt.try_send(()); // then an earlier receipt says the same
        }
    }

    fn forget(&self, state: &State, sequence: u64) {
        if state.durable {
            self.keeper.note([layout::drop_entry(self.number, sequence)]);
        }
    }

    /// PUBREC that accepts.
    pub(crate) fn received_by_client(&self, packet_id: u16) -> Receipt {
        let mut state = lock(&self.state);
        let state = &mut *state;
        let Some(index) = state.outgoing.find(packet_id) else { return Receipt::Release(NOT_FOUND) };
        let flight = &mut state.outgoing.in_flight[index];
        match &flight.stage {
            Stage::Released => return Receipt::Release(0),
            Stage::Releasing => return Receipt::Nothing,
            Stage::Sent(message) if message.qos < 2 => return Receipt::Release(NOT_FOUND),
            Stage::Sent(message) => {
                if let Some(receipt) = &message.receipt {
                    let _full = receipt.try_send(());
                }
            }
        }
        if !state.durable {
            flight.stage = Stage::Released;
            return Receipt::Release(0);
        }
        flight.stage = Stage::Releasing;
        self.keeper.note([layout::keep_released(self.number, flight.sequence)]);
        Receipt::Later
    }

    /// That the client has these messages is on the disk: PUBREL may leave.
    pub(crate) fn release_sent(&self, packet_ids: &[u16]) {
        let mut state = lock(&self.state);
        let state = &mut *state;
        let sent = state.outgoing.in_flight.len() - state.outgoing.resend;
        let mut ready: SmallVec<[u16; 16]> = SmallVec::new();
        for id in packet_ids {
            let Some(index) = state.outgoing.find(*id) else { continue };
            let flight = &mut state.outgoing.in_flight[index];
            if matches!(flight.stage, Stage::Releasing) {
                flight.stage = Stage::Released;
                if index < sent {
                    ready.push(*id); // the others are sent again in their turn
                }
            }
        }
        let Some(link) = &state.link else { return };
        link.acknowledge(|out| {
            for id in &ready {
                encode::ack(out, AckKind::Pubrel, *id, 0);
            }
            Done::default()
        });
    }
}

/// Packet identifier not found.
const NOT_FOUND: u8 = 0x92;
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
                    let QueuedMessage { parcel, qos, retain, identifiers, .. } = queued;
                    let message = Outbound { parcel, qos, retain, identifiers, receipt: None };
                    self.counted += 1;
                    self.counted_bytes += message.bytes();
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

    pub(super) fn clear(&mut self) {
        *self = Outgoing::default();
    }

    /// The sequence numbers that the vault may hold.
    pub(super) fn kept(&self) -> impl Iterator<Item = u64> + '_ {
        let waiting = self.queue.iter().filter(|entry| entry.message.qos > 0).map(|entry| entry.sequence);
        self.in_flight.iter().map(|flight| flight.sequence).chain(waiting)
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

    fn find(&self, id: u16) -> Option<usize> {
        self.in_flight.iter().position(|flight| packet_id(flight.sequence) == id)
    }

    fn give_memory_back(&mut self) {
        if self.queue.is_empty() && self.queue.capacity() > QUEUE_KEPT {
            self.queue = VecDeque::new();
        }
    }
}
