//! Publishes and wills that go to other clients.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;
use tracing::warn;

use super::{Connection, advice, panicked};
use crate::access::{Attempt, Lane, Route};
use crate::hub::Hub;
use crate::inbound::{AckHandle, Inbound, Message, Outlets, PacketIds, Reason};
use crate::link::Done;
use crate::outbound::Parcel;
use crate::relay::Round;
use crate::session::Session;
use crate::topic::Topic;
use crate::wire::hello::Will;
use crate::wire::publish::Forward;

/// A publish on its way to other clients.
pub(super) struct Relayed {
    parcel: Arc<Parcel>,
    qos: u8,
    packet_id: u16,
}

impl Relayed {
    /// Copies topic and payload out of the read buffer: they may wait for long.
    pub(super) fn new(
        topic: &Topic,
        payload: &Bytes,
        forward: Option<Forward>,
        retain: bool,
        expires_at_ms: Option<u64>,
        qos: u8,
        packet_id: u16,
    ) -> Relayed {
        let payload = Bytes::copy_from_slice(payload);
        let parcel = Parcel { topic: Arc::from(topic.as_str()), payload, forward, retain, expires_at_ms };
        Relayed { parcel: Arc::new(parcel), qos, packet_id }
    }
}

impl Connection {
    /// Hands publishes to other clients and answers them when what has to be kept is on the disk.
    pub(super) fn relay(&mut self, batch: Vec<Relayed>) {
        if batch.is_empty() {
            return;
        }
        self.hub.meters.publishes_relayed.add(batch.len());
        let exact = batch.iter().any(|relayed| relayed.qos == 2);
        let mut round = Round::new(&self.hub, exact);
        let mut ids = PacketIds::new();
        let mut exact_ids: SmallVec<[u16; 8]> = SmallVec::new();
        let mut reasons: SmallVec<[Reason; 16]> = SmallVec::new();
        for Relayed { parcel, qos, packet_id } in batch {
            let reason = self.relay_one(&parcel, qos, &mut round);
            reasons.push(reason);
            ids.push(packet_id);
            if qos == 2 {
                exact_ids.push(packet_id);
                let taken_in = (reason as u8) < 0x80;
                round.changes.extend(taken_in.then(|| self.session.mark(packet_id)).flatten());
            }
        }
        let ack = match exact_ids.is_empty() {
            true => AckHandle::new(self.link.clone(), self.v5, ids),
            false => AckHandle::exact(self.link.clone(), self.session.clone(), self.v5, ids, exact_ids),
        };
        // Behind earlier ones that still wait, so that acknowledgements keep their order (MQTT-4.6.0-2).
        if !round.must_wait() && self.unsettled == 0 {
            return round.finish(&self.hub, move || ack.complete(&reasons));
        }
        self.unsettled += 1;
        let link = self.link.clone();
        round.commit(&self.hub, move || {
            ack.complete(&reasons);
            link.acknowledge(|_| Done::settled());
        });
    }

    fn relay_one(&self, parcel: &Arc<Parcel>, qos: u8, round: &mut Round) -> Reason {
        if parcel.retain && self.grant.retain {
            let kept = self.hub.retain(parcel, qos, &self.session.identity, round);
            if let Err(error) = kept {
                let (topic, identity) = (&*parcel.topic, &*self.grant.identity);
                if let Some(muted) = self.hub.gates.retained.pass() {
                    warn!(identity, topic, %error, muted, "a retained message was not kept");
                }
                let todo = advice::refused_publish(0x97);
                self.hub.tell_refused(&self.session, self.socket.peer, Attempt::Publish(topic), 0x97, todo);
                if self.v5 && qos > 0 {
                    return Reason::QuotaExceeded;
                }
            }
        }
        let taken = self.hub.spread(parcel, qos, Some(self.session.number), None, round);
        // A server may tell (MQTT 5 sections 3.4.2.1 and 3.5.2.1); it is told where clients are used to it.
        if taken.matched == 0 && qos == 1 { Reason::NoMatchingSubscribers } else { Reason::Success }
    }
}

/// Publishes the will of a session as its owner's message.
pub(crate) async fn publish_will(hub: &Hub, outlets: &Outlets, session: &Session, will: Will) {
    let verdict = std::panic::catch_unwind(AssertUnwindSafe(|| (hub.access.route(&will.topic), hub.access.now_ms())));
    let Ok((route, received_ms)) = verdict else {
        return panicked(hub, &session.client_id);
    };
    let lane = match route {
        Route::Consumer(lane) => lane,
        Route::Relay => return relay_will(hub, session, will, received_ms),
    };
    hand_over_will(hub, outlets, session, will, lane, received_ms).await;
}

async fn hand_over_will(hub: &Hub, outlets: &Outlets, session: &Session, will: Will, lane: Lane, received_ms: u64) {
    let batch = Inbound {
        identity: session.identity.clone(),
        client_id: session.client_id.clone(),
        messages: vec![Message {
            topic: will.topic,
            payload: will.payload,
            qos: will.qos,
            retain: will.retain,
            dup: false,
            content_type: will.properties.as_ref().and_then(|all| all.content_type()).map(Box::from),
            received_ms,
            is_will: true,
        }],
        ack: AckHandle::nowhere(),
        marks: Vec::new(),
    };
    if outlets.lane(lane).send(batch).await.is_err() {
        hub.meters.wills_lost.add(1); // the consumer is gone
    }
}

/// A will is kept for later subscribers if it says so: whether it may was decided at CONNECT.
fn relay_will(hub: &Hub, session: &Session, will: Will, now_ms: u64) {
    let Will { topic, payload, qos, retain, expiry_s, properties, .. } = will;
    let expires_at_ms = expiry_s.map(|seconds| now_ms + u64::from(seconds) * 1_000);
    let parcel = Parcel { topic: Arc::from(topic.as_str()), payload, forward: properties, retain, expires_at_ms };
    let parcel = Arc::new(parcel);
    let mut round = Round::new(hub, false);
    if retain && let Err(error) = hub.retain(&parcel, qos, &session.identity, &mut round) {
        let (topic, identity) = (&*parcel.topic, &*session.identity);
        if let Some(muted) = hub.gates.retained.pass() {
            warn!(identity, topic, %error, muted, "a will was not kept as a retained message");
        }
    }
    hub.spread(&parcel, qos, Some(session.number), None, &mut round);
    round.finish(hub, || {});
}
