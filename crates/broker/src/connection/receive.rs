//! What a connection makes of the bytes that its client sent.

use bytes::{Buf, Bytes};
use tokio::time::Instant;
use tracing::warn;

use super::{CONSUMER_GONE, Connection, End};
use crate::access::{Attempt, Lane, Refused, Route};
use crate::inbound::{AckHandle, DownCause, Inbound, Message, PacketIds};
use crate::topic::{Topic, TopicError, TopicFilter};
use crate::wire::control::{self, Packet};
use crate::wire::publish::Publish;
use crate::wire::{Fault, encode, frame};

/// The publishes of one read, by lane.
#[derive(Default)]
struct Sorted {
    urgent: Batch,
    normal: Batch,
}

#[derive(Default)]
struct Batch {
    messages: Vec<Message>,
    ids: PacketIds,
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
        outcome.and(urgent).and(normal)
    }

    fn packets(&mut self, mut bytes: Bytes, sorted: &mut Sorted) -> Result<(), End> {
        let received_ms = self.hub.access.now_ms();
        let limit_bytes = self.hub.settings.packet_limit_bytes;
        let mut at = 0;
        while let Some(frame) = frame::peek(&bytes[at..], limit_bytes)? {
            let body = at + frame.header..at + frame.total;
            let packet = control::decode(frame.first, &bytes, body, self.v5)?;
            at += frame.total;
            match packet {
                Packet::Publish(publish) => self.publish(publish, received_ms, sorted)?,
                other => self.control(other)?,
            }
        }
        if at > 0 {
            self.heard_at = Instant::now();
            self.mid_packet_since = None;
            bytes.advance(at);
        }
        if !bytes.is_empty() {
            self.socket.keep(bytes);
        }
        Ok(())
    }

    fn control(&mut self, packet: Packet) -> Result<(), End> {
        match packet {
            Packet::Publish(_) => {} // goes to `publish`
            Packet::Pingreq => self.socket.out.extend_from_slice(&encode::PINGRESP),
            Packet::Puback { packet_id, accepted } => {
                self.session.acknowledged(packet_id, accepted);
                self.gather = true;
            }
            Packet::Subscribe { packet_id, filters } => {
                let codes: Vec<u8> = filters.iter().map(|(filter, options)| self.subscribe(filter, *options)).collect();
                self.socket.out.extend(encode::suback(self.v5, packet_id, &codes));
            }
            Packet::Unsubscribe { packet_id, filters } => {
                let existed: Vec<bool> =
                    filters.iter().map(|filter| self.hub.registry.unsubscribe(&self.session, filter)).collect();
                self.socket.out.extend(encode::unsuback(self.v5, packet_id, &existed));
            }
            Packet::Disconnect { reason, session_expiry_s } => {
                return Err(self.disconnect(reason, session_expiry_s));
            }
        }
        Ok(())
    }

    /// The SUBACK code for one filter (MQTT 5 table 3-8).
    fn subscribe(&self, filter: &str, options: u8) -> u8 {
        let settings = &self.hub.settings;
        if filter.starts_with("$share/") {
            return 0x9E;
        }
        if !self.hub.topic_within_limits(filter) {
            return 0x8F;
        }
        let Ok(wanted) = TopicFilter::parse(filter) else { return 0x8F };
        if !self.hub.may_subscribe(&self.grant, &wanted) {
            self.tell_refused(Attempt::Subscribe(filter), 0x87, "subscription not permitted");
            if let Some(muted) = self.hub.gates.forbidden.pass() {
                let identity = &*self.grant.identity;
                warn!(identity, filter, muted, "subscription not permitted; see its credential");
            }
            return 0x87;
        }
        let qos = (options & 3).min(1);
        let limit = settings.subscriptions_per_session;
        match self.hub.registry.subscribe(&self.session, &wanted, qos, limit) {
            true => qos,
            false => 0x97,
        }
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
        if publish.qos == 2 {
            return Err(Fault { code: 0x9B, what: "QoS 2 is not offered" }.into());
        }
        let receive_maximum = usize::from(self.hub.settings.receive_maximum);
        if self.v5 && publish.qos > 0 && self.unacked >= receive_maximum {
            return Err(Fault { code: 0x93, what: "receive maximum exceeded" }.into());
        }
        let topic = self.topic(publish.topic, publish.alias)?;
        let name = topic.as_str();
        if !self.hub.topic_within_limits(name) {
            self.hub.meters.topic_invalid.add(1);
            return self.refuse(publish.qos, publish.packet_id, 0x90, name);
        }
        if !self.hub.may_publish(&self.grant, name) {
            self.hub.meters.forbidden.add(1);
            return self.refuse(publish.qos, publish.packet_id, 0x87, name);
        }
        let batch = match self.hub.access.route(name) {
            Route::Consumer(Lane::Urgent) => &mut sorted.urgent,
            Route::Consumer(Lane::Normal) => &mut sorted.normal,
            Route::Relay => {
                self.hub.meters.topic_invalid.add(1);
                return self.refuse(publish.qos, publish.packet_id, 0x90, name);
            }
        };
        self.unacked += usize::from(publish.qos > 0);
        batch.ids.push(publish.packet_id);
        batch.messages.push(Message {
            topic,
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            content_type: publish.content_type,
            received_ms,
            is_will: false,
        });
        Ok(())
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
            return known.ok_or_else(|| invalid_alias("topic alias never set"));
        }
        let topic = Topic::from_bytes(name).map_err(|error| match error {
            TopicError::Wildcard => Fault { code: 0x90, what: "wildcard in a topic name" },
            TopicError::Nul => Fault::malformed("NUL in a topic name"),
            _ => Fault::malformed("topic name is not UTF-8"),
        })?;
        if let Some(slot) = slot {
            // One beyond the limits is refused, and not kept either.
            *slot = self.hub.topic_within_limits(&topic).then(|| topic.detached());
        }
        Ok(topic)
    }

    /// Turns one publish down: v5 QoS 1 with a PUBACK, QoS 0 by dropping it, v3.1.1 QoS 1 by ending
    /// the connection, since its PUBACK cannot say no.
    fn refuse(&mut self, qos: u8, packet_id: u16, code: u8, topic: &str) -> Result<(), End> {
        self.tell_refused(Attempt::Publish(topic), code, "publish not permitted");
        if let Some(muted) = self.hub.gates.forbidden.pass() {
            let identity = &*self.grant.identity;
            warn!(identity, topic, code, muted, "publish refused; see its credential and limits");
        }
        if qos == 0 {
            return Ok(());
        }
        if self.v5 {
            encode::puback(&mut self.socket.out, packet_id, code);
            return Ok(());
        }
        Err(End { cause: DownCause::NotPermitted, code: 0, what: "publish not permitted" })
    }

    fn tell_refused(&self, what: Attempt<'_>, code: u8, detail: &str) {
        self.hub.access.refused(&Refused {
            who: Some(&self.grant.identity),
            proved: true,
            client_id: Some(&self.session.client_id),
            peer: Some(self.socket.peer),
            what,
            code,
            detail,
        });
    }

    fn deliver(&mut self, lane: Lane, batch: Batch) -> Result<(), End> {
        let count = batch.messages.len();
        if count == 0 {
            return Ok(());
        }
        let batch = Inbound {
            identity: self.session.identity.clone(),
            client_id: self.session.client_id.clone(),
            messages: batch.messages,
            ack: AckHandle::new(self.link.clone(), self.v5, batch.ids),
            marks: Vec::new(),
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

/// What of a batch is held while the normal lane is full.
fn without_qos_0(mut batch: Inbound) -> Option<Inbound> {
    batch.messages.retain(|message| message.qos > 0);
    batch.ack.retain_answerable();
    (!batch.messages.is_empty()).then_some(batch)
}
