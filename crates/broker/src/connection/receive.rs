//! What a connection makes of the bytes that its client sent.

use bytes::{Buf, Bytes};
use smallvec::SmallVec;
use tokio::time::Instant;
use tracing::warn;

use super::relaying::Relayed;
use super::subscribing::Changing;
use super::{CONSUMER_GONE, Connection, End, advice};
use crate::access::{Attempt, Lane, Route};
use crate::inbound::{AckHandle, DownCause, Inbound, Message, PacketIds};
use crate::link::Done;
use crate::session::{Begun, Receipt, Release};
use crate::topic::{SharedFilter, Topic};
use crate::vault::Change;
use crate::wire::control::{self, Packet};
use crate::wire::encode::{self, AckKind};
use crate::wire::publish::Publish;
use crate::wire::{Fault, frame};

/// What came with one read.
#[derive(Default)]
struct Sorted {
    urgent: Batch,
    normal: Batch,
    relayed: Vec<Relayed>,
    settling: Settling,
    changing: Changing,
}

#[derive(Default)]
struct Batch {
    messages: Vec<Message>,
    ids: PacketIds,
    /// The identifiers of QoS 2.
    exact: SmallVec<[u16; 8]>,
}

/// Steps of QoS 2 exchanges that go on when they are on the disk.
#[derive(Default)]
struct Settling {
    changes: Vec<Change>,
    /// PUBREL came.
    released: SmallVec<[u16; 8]>,
    /// PUBREC came.
    received: SmallVec<[u16; 8]>,
}

impl From<Fault> for End {
    fn from(fault: Fault) -> End {
        End { cause: DownCause::ProtocolError, code: fault.code, what: fault.what }
    }
}

impl Connection {
    /// Takes in what one read brought. Publishes before a fault are handed over all the same.
    pub(super) fn receive(&mut self, bytes: Bytes) -> Result<(), End> {
        let mut sorted = Sorted::default();
        let outcome = self.packets(bytes, &mut sorted);
        let urgent = self.deliver(Lane::Urgent, sorted.urgent);
        let normal = self.deliver(Lane::Normal, sorted.normal);
        self.relay(sorted.relayed);
        self.settle(sorted.settling);
        self.keep_changes(sorted.changing);
        outcome.and(urgent).and(normal)
    }

    fn packets(&mut self, mut bytes: Bytes, sorted: &mut Sorted) -> Result<(), End> {
        let received_ms = self.hub.access.now_ms();
        let limit_bytes = self.hub.settings.packet_limit_bytes;
        let (mut at, mut count, mut publishes, mut retained) = (0, 0, 0, 0);
        while retained < RETAINED_AT_A_TIME
            && let Some(frame) = frame::peek(&bytes[at..], limit_bytes)?
        {
            let body = at + frame.header..at + frame.total;
            let first = if self.is_3_1 { control::without_dup(frame.first) } else { frame.first };
            let packet = control::decode(first, &bytes, body, self.v5)?;
            at += frame.total;
            count += 1;
            match packet {
                Packet::Publish(publish) => {
                    publishes += 1;
                    self.publish(publish, received_ms, sorted)?;
                }
                other => {
                    if matches!(other, Packet::Subscribe { .. } | Packet::Unsubscribe { .. }) {
                        // what came before is for the subscriptions of before
                        self.relay(std::mem::take(&mut sorted.relayed));
                    }
                    retained += self.control(other, sorted)?;
                }
            }
        }
        if at > 0 {
            self.hub.meters.bytes_received.add(at);
            self.class_publishes.increment(publishes);
            self.heard_at = Instant::now();
            self.mid_packet_since = None;
            bytes.advance(at);
            self.ration(count + retained / RETAINED_PER_PACKET, at);
            self.fresh = retained >= RETAINED_AT_A_TIME;
        }
        if !bytes.is_empty() {
            self.socket.keep(bytes);
        }
        Ok(())
    }

    /// Slows a client down that sends too much.
    fn ration(&mut self, packets: usize, bytes: usize) {
        let door = &self.hub.door;
        if self.limits.spend(&door.limits, packets, bytes, self.heard_at).is_none() {
            return;
        }
        self.hub.meters.throttled.add(1);
        if let Some(muted) = door.throttled.pass() {
            let (client, identity) = (&*self.session.client_id, &*self.session.identity);
            let peer = self.socket.peer;
            warn!(client, identity, %peer, muted, "client sends too fast and is read from more slowly; nothing is lost (packets_per_s, bytes_per_s)");
        }
    }

    /// Retained messages that the packet asked for.
    fn control(&mut self, packet: Packet, sorted: &mut Sorted) -> Result<usize, End> {
        let out = &mut self.socket.out;
        let settling = &mut sorted.settling;
        match packet {
            Packet::Publish(_) => {} // goes to `publish`
            Packet::Pingreq => out.extend_from_slice(&encode::PINGRESP),
            Packet::Puback { packet_id, accepted } => {
                self.session.acknowledged(packet_id, 1, accepted)?;
                self.gather = true;
            }
            Packet::Pubrec { packet_id, accepted: false } => {
                self.session.acknowledged(packet_id, 2, false)?;
                self.gather = true;
            }
            Packet::Pubrec { packet_id, .. } => match self.session.received_by_client(packet_id)? {
                Receipt::Release(reason) => {
                    encode::ack(out, AckKind::Pubrel, packet_id, if self.v5 { reason } else { 0 });
                }
                Receipt::Later => settling.received.push(packet_id),
                Receipt::Nothing => {}
            },
            Packet::Pubcomp { packet_id } => {
                self.session.completed(packet_id)?;
                self.gather = true;
            }
            Packet::Pubrel { packet_id } => match self.session.release(packet_id) {
                Release::Now => {
                    encode::ack(out, AckKind::Pubcomp, packet_id, 0);
                    self.open = self.open.saturating_sub(1);
                }
                Release::Later(change) => {
                    settling.changes.push(change);
                    settling.released.push(packet_id);
                }
                Release::Underway => {}
                Release::Unknown => {
                    encode::ack(out, AckKind::Pubcomp, packet_id, if self.v5 { NOT_FOUND } else { 0 });
                }
            },
            Packet::Subscribe { packet_id, filters, identifier } => {
                self.well_formed(filters.iter().map(|(filter, _)| filter))?;
                return Ok(self.subscribe(packet_id, &filters, identifier, &mut sorted.changing));
            }
            Packet::Unsubscribe { packet_id, filters } => {
                self.well_formed(filters.iter())?;
                self.unsubscribe(packet_id, &filters, &mut sorted.changing);
            }
            Packet::Disconnect { reason, session_expiry_s } => {
                return Err(self.disconnect(reason, session_expiry_s));
            }
        }
        Ok(0)
    }

    /// A filter against the grammar breaks the protocol; one that is only not permitted gets its code in the SUBACK
    /// (MQTT-4.7.1-1, MQTT-4.7.3-1, MQTT-4.8.2-1).
    fn well_formed<'a>(&self, mut filters: impl ExactSizeIterator<Item = &'a String>) -> Result<(), End> {
        let end = |code, what| Err(End { cause: DownCause::ProtocolError, code, what });
        if filters.len() > self.hub.settings.filters_per_packet {
            return end(0x97, "too many filters in one packet (filters_per_packet)");
        }
        match filters.any(|filter| SharedFilter::parse(filter).is_err()) {
            true => end(0x81, "topic filter against the grammar"),
            false => Ok(()),
        }
    }

    /// Goes on with QoS 2 exchanges when what they need is on the disk.
    fn settle(&mut self, settling: Settling) {
        let Settling { changes, released, received } = settling;
        if released.is_empty() && received.is_empty() {
            return;
        }
        self.unsettled += 1;
        let (session, link) = (self.session.clone(), self.link.clone());
        let done = move || {
            session.released(&released, &link);
            session.release_sent(&received);
            link.acknowledge(|_| Done::settled());
        };
        self.hub.keeper.commit(changes, Box::new(done));
    }

    fn disconnect(&self, reason: u8, session_expiry_s: Option<u32>) -> End {
        if let Some(wanted) = session_expiry_s {
            let expiry_s = wanted.min(self.hub.settings.session_expiry_max_s);
            if !self.hub.registry.set_expiry(&self.session, &self.link, expiry_s) {
                return Fault::protocol("session expiry set at goodbye for a session without").into();
            }
        }
        let cause = match reason {
            0 => DownCause::Disconnected,
            _ => DownCause::DisconnectedWithWill,
        };
        End { cause, code: 0, what: "goodbye" }
    }

    fn publish(&mut self, publish: Publish, received_ms: u64, sorted: &mut Sorted) -> Result<(), End> {
        let content_type = publish.content_type().map(Box::from);
        let Publish { topic, packet_id, qos, .. } = publish;
        let topic = self.topic(topic, publish.alias)?;
        let name = topic.as_str();
        if !self.hub.topic_within_limits(name) {
            self.hub.meters.topic_invalid.add(1);
            return self.refuse(qos, packet_id, 0x90, name);
        }
        if !self.hub.may_publish(&self.grant, name) {
            self.hub.meters.forbidden.add(1);
            return self.refuse(qos, packet_id, 0x87, name);
        }
        let route = self.hub.access.route(name);
        if qos > 0 && !self.begin(qos, packet_id)? {
            return Ok(());
        }
        let batch = match route {
            Route::Consumer(Lane::Urgent) => &mut sorted.urgent,
            Route::Consumer(Lane::Normal) => &mut sorted.normal,
            Route::Relay => {
                let expires_at_ms = publish.expiry_s.map(|seconds| received_ms + u64::from(seconds) * 1_000);
                let (payload, forward, retain) = (&publish.payload, publish.properties, publish.retain);
                sorted.relayed.push(Relayed::new(&topic, payload, forward, retain, expires_at_ms, qos, packet_id));
                return Ok(());
            }
        };
        batch.ids.push(packet_id);
        if qos == 2 {
            batch.exact.push(packet_id);
        }
        batch.messages.push(Message {
            topic,
            payload: publish.payload,
            qos,
            retain: publish.retain,
            dup: publish.dup,
            content_type,
            received_ms,
            is_will: false,
        });
        Ok(())
    }

    /// Begins an exchange; false if this publish was taken in before.
    fn begin(&mut self, qos: u8, packet_id: u16) -> Result<bool, End> {
        let settings = &self.hub.settings;
        let too_many = Fault { code: 0x93, what: "receive maximum exceeded" };
        if qos == 2 {
            match self.session.begin(packet_id, settings.qos_2_open_max) {
                Begun::New => {}
                Begun::Pending => return Ok(false),
                Begun::Again => {
                    encode::ack(&mut self.socket.out, AckKind::Pubrec, packet_id, 0);
                    return Ok(false);
                }
                Begun::TooMany => return Err(too_many.into()),
            }
        }
        if self.v5 && self.open >= usize::from(settings.receive_maximum) {
            if qos == 2 {
                self.session.not_taken_in(std::iter::once(packet_id));
            }
            return Err(too_many.into());
        }
        self.open += 1;
        self.unanswered += 1;
        Ok(true)
    }

    /// The topic of a publish, its alias resolved or learnt (MQTT 5 section 3.3.2.3.4).
    fn topic(&mut self, name: Bytes, alias: Option<u16>) -> Result<Topic, End> {
        let invalid_alias = |what| End::from(Fault { code: 0x94, what });
        let slot = match alias {
            None => None,
            Some(alias) if alias > self.hub.settings.topic_alias_maximum => {
                return Err(invalid_alias("topic alias above the maximum"));
            }
            Some(alias) => {
                let index = usize::from(alias) - 1; // 0 was refused by the decoder
                if self.aliases.len() <= index {
                    self.aliases.resize(index + 1, None);
                }
                Some(&mut self.aliases[index])
            }
        };
        if name.is_empty() {
            let known = slot.and_then(|slot| slot.clone());
            // MQTT 5 section 3.3.2.3.4
            return known.ok_or_else(|| Fault::protocol("topic alias never set").into());
        }
        let topic = Topic::from_bytes(name).map_err(Fault::from)?;
        if let Some(slot) = slot {
            // One beyond the limits is refused, and not kept either.
            *slot = self.hub.topic_within_limits(&topic).then(|| topic.detached());
        }
        Ok(topic)
    }

    /// Turns one publish down: v5 QoS 1 and 2 with a PUBACK or PUBREC, QoS 0 by dropping it, v3.1.1 by ending the
    /// connection, since its acknowledgement cannot say no. To `$` topics nobody publishes what matters: that is
    /// acknowledged.
    fn refuse(&mut self, qos: u8, packet_id: u16, code: u8, topic: &str) -> Result<(), End> {
        let todo = advice::refused_publish(code);
        self.hub.tell_refused(&self.session, self.socket.peer, Attempt::Publish(topic), code, todo);
        if qos == 0 {
            return Ok(());
        }
        if !self.v5 && !topic.starts_with('$') {
            return Err(End { cause: DownCause::NotPermitted, code: 0, what: "publish not permitted" });
        }
        let kind = if qos == 1 { AckKind::Puback } else { AckKind::Pubrec };
        let out = &mut self.socket.out;
        match self.explains {
            true => encode::ack_because(out, kind, packet_id, code, todo, self.packet_max_bytes),
            false => encode::ack(out, kind, packet_id, if self.v5 { code } else { 0 }),
        }
        Ok(())
    }

    fn deliver(&mut self, lane: Lane, batch: Batch) -> Result<(), End> {
        let count = batch.messages.len();
        if count == 0 {
            return Ok(());
        }
        let Batch { messages, ids, exact } = batch;
        let (marks, ack) = match exact.is_empty() {
            true => (Vec::new(), AckHandle::new(self.link.clone(), self.v5, ids)),
            false => {
                let wanted = ids.iter().enumerate().filter(|(_, id)| exact.contains(id));
                let marks = wanted.filter_map(|(index, id)| Some((index, self.session.mark(*id)?))).collect();
                (marks, AckHandle::exact(self.link.clone(), self.session.clone(), self.v5, ids, exact))
            }
        };
        let batch = Inbound {
            identity: self.session.identity.clone(),
            client_id: self.session.client_id.clone(),
            messages,
            ack,
            marks,
        };
        let (tally, waiting) = match lane {
            Lane::Urgent => (&self.hub.meters.publishes_urgent, &mut self.urgent),
            Lane::Normal => (&self.hub.meters.publishes_normal, &mut self.normal),
        };
        let Some(batch) = waiting.offer(self.outlets.lane(lane), batch).map_err(|_| CONSUMER_GONE)? else {
            tally.add(count);
            return Ok(());
        };
        let held = match lane {
            Lane::Urgent => Some(batch),
            Lane::Normal => without_qos_0(batch),
        };
        let kept = held.as_ref().map_or(0, |batch| batch.messages.len());
        self.hub.meters.shed.add(count - kept);
        tally.add(kept);
        if let Some(batch) = held {
            waiting.push(batch);
        }
        Ok(())
    }
}

/// Packet identifier not found.
const NOT_FOUND: u8 = 0x92;
/// Retained messages that subscriptions of one read may ask for before others get their turn.
const RETAINED_AT_A_TIME: usize = 10_000;
/// So many of them cost as much as a packet.
const RETAINED_PER_PACKET: usize = 16;

/// What of a batch is held while the normal lane is full.
fn without_qos_0(mut batch: Inbound) -> Option<Inbound> {
    for (index, _) in &mut batch.marks {
        *index = batch.messages[..*index].iter().filter(|message| message.qos > 0).count();
    }
    batch.messages.retain(|message| message.qos > 0);
    batch.ack.retain_answerable();
    (!batch.messages.is_empty()).then_some(batch)
}
