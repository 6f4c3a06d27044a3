//! A client's session: subscriptions, messages waiting and in flight, its will, and the connection
//! it has at the moment, if any.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::link::{Link, Order};
use crate::lock;
use crate::outbound::Outbound;
use crate::subscriptions::{Readiness, Subscriber};
use crate::topic::TopicFilter;
use crate::wire::encode::{self, LARGEST, Sending};
use crate::wire::hello::Will;

/// One session. It belongs to one identity for all its life.
pub(crate) struct Session {
    pub(crate) number: u64,
    pub(crate) client_id: Arc<str>,
    pub(crate) identity: Arc<str>,
    pub(crate) state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    /// The live connection.
    pub(crate) link: Option<Arc<Link>>,
    /// Gone for good; nothing may be added any more.
    pub(crate) ended: bool,
    /// Seconds it may live without a connection.
    pub(crate) expiry_s: u32,
    /// When it ends, if it has no connection.
    pub(crate) expires_at: Option<Instant>,
    /// When [`State::will`] is due, if it has no connection.
    pub(crate) will_at: Option<Instant>,
    pub(crate) will: Option<Box<Will>>,
    pub(crate) subscriptions: Vec<(TopicFilter, u8)>,
    /// The client's Receive Maximum, capped by ours.
    pub(crate) window: usize,
    /// The client's Maximum Packet Size, capped by ours, bytes.
    pub(crate) packet_max_bytes: usize,
    queue: VecDeque<Outbound>,
    queue_bytes: usize,
    /// Sent or to be sent again, in the order of first sending (MQTT-4.6.0-1).
    in_flight: VecDeque<(u16, Outbound)>,
    /// How many at the front of `in_flight` are still to be sent again on this connection.
    resend: usize,
    last_packet_id: u16,
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

impl Subscriber for Session {
    fn number(&self) -> u64 {
        self.number
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }
}

/// Limits of a session's queue.
#[derive(Clone, Copy)]
pub(crate) struct QueueLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

impl Session {
    /// Queues a message. A connected client whose queue is full is cut off.
    pub(crate) fn offer(&self, message: Outbound, limits: QueueLimits) -> Offer {
        let mut state = lock(&self.state);
        if state.ended || (state.link.is_none() && message.qos == 0) {
            return Offer::Absent;
        }
        if encode::publish_bytes(&message.parcel, LARGEST) > state.packet_max_bytes {
            return Offer::Shed;
        }
        let bytes = state.queue_bytes + message.bytes();
        if state.queue.len() >= limits.messages || bytes > limits.bytes {
            if let Some(link) = &state.link {
                link.order(Order::SlowReader);
            }
            return Offer::Shed;
        }
        state.queue_bytes = bytes;
        state.queue.push_back(message);
        match &state.link {
            Some(link) => {
                link.nudge();
                Offer::Online
            }
            None => Offer::Queued,
        }
    }

    /// Writes what the client's window has room for, up to about `room_bytes`. Returns how many
    /// messages. Nothing if the session has moved to another connection.
    pub(crate) fn gather(&self, link: &Arc<Link>, v5: bool, out: &mut Vec<u8>, room_bytes: usize) -> usize {
        let mut state = lock(&self.state);
        if !state.link.as_ref().is_some_and(|mine| Arc::ptr_eq(mine, link)) {
            return 0;
        }
        let mut count = 0;
        while state.resend > 0 && out.len() < room_bytes {
            let index = state.in_flight.len() - state.resend;
            let (packet_id, message) = &state.in_flight[index];
            let sending = Sending { qos: 1, packet_id: *packet_id, dup: true, v5, ..Sending::default() };
            encode::publish(out, &message.parcel, sending);
            state.resend -= 1;
            count += 1;
        }
        while out.len() < room_bytes {
            let window_open = state.in_flight.len() < state.window;
            match state.queue.front() {
                Some(message) if message.qos == 0 || window_open => {}
                _ => break,
            }
            let message = state.queue.pop_front().expect("there is a front");
            state.queue_bytes -= message.bytes();
            if encode::publish_bytes(&message.parcel, LARGEST) > state.packet_max_bytes {
                continue; // queued before the client came back with a smaller Maximum Packet Size
            }
            let packet_id = if message.qos > 0 { state.next_packet_id() } else { 0 };
            let sending = Sending { qos: message.qos, packet_id, v5, ..Sending::default() };
            encode::publish(out, &message.parcel, sending);
            if message.qos > 0 {
                state.in_flight.push_back((packet_id, message));
            }
            count += 1;
        }
        if state.queue.is_empty() && state.queue.capacity() > QUEUE_KEPT {
            state.queue = VecDeque::new();
        }
        count
    }

    /// The client acknowledged (or refused) a message.
    pub(crate) fn acknowledged(&self, packet_id: u16, accepted: bool) {
        let mut state = lock(&self.state);
        let Some(index) = state.in_flight.iter().position(|(id, _)| *id == packet_id) else {
            return; // acknowledged before, or never sent: harmless
        };
        let sent = state.in_flight.len() - state.resend;
        if index >= sent {
            state.resend -= 1;
        }
        let (_, message) = state.in_flight.remove(index).expect("the position was just found");
        drop(state);
        if let (true, Some(receipt)) = (accepted, message.receipt) {
            let _full = receipt.try_send(()); // then an earlier receipt says the same
        }
    }
}

/// Queue capacity that an idle session keeps.
const QUEUE_KEPT: usize = 8;

impl State {
    /// Gives the session to a new connection; what is in flight will be sent again.
    pub(crate) fn resume(&mut self, link: Arc<Link>) {
        self.link = Some(link);
        self.expires_at = None;
        self.will_at = None;
        self.resend = self.in_flight.len();
    }

    /// Ends the session for good.
    pub(crate) fn end(&mut self) -> Vec<(TopicFilter, u8)> {
        self.ended = true;
        self.link = None;
        self.queue = VecDeque::new();
        self.queue_bytes = 0;
        self.in_flight = VecDeque::new();
        self.resend = 0;
        std::mem::take(&mut self.subscriptions)
    }

    fn next_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            let id = self.last_packet_id;
            if self.in_flight.iter().all(|(used, _)| *used != id) {
                return id; // the window is smaller than the number of ids
            }
        }
    }
}
