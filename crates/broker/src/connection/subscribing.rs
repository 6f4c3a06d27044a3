//! SUBSCRIBE and UNSUBSCRIBE.

use super::{Connection, advice};
use crate::access::Attempt;
use crate::clients;
use crate::link::Done;
use crate::lock;
use crate::outbound::Outbound;
use crate::registry::{Subscribed, SubscriptionLimits};
use crate::relay::Round;
use crate::session::Offer;
use crate::subscriptions::Subscription;
use crate::topic::SharedFilter;
use crate::wire::control::Options;
use crate::wire::encode;

/// SUBSCRIBEs and UNSUBSCRIBEs that came with one read: one write keeps all that they change.
#[derive(Default)]
pub(super) struct Changing {
    /// What brings retained messages.
    round: Option<Round>,
    /// The answers, to leave when it is on the disk.
    answers: Vec<u8>,
}

impl Connection {
    /// Answers when the subscriptions are on the disk, if the session is kept. Retained messages follow the SUBACK; how
    /// many there were.
    pub(super) fn subscribe(
        &mut self,
        packet_id: u16,
        filters: &[(String, Options)],
        identifier: Option<u32>,
        changing: &mut Changing,
    ) -> usize {
        let mut round = changing.round.take().unwrap_or_else(|| {
            let mut round = Round::new(&self.hub, false);
            round.exempt = true;
            round
        });
        let mut codes = Vec::with_capacity(filters.len());
        let mut retained = 0;
        for (filter, options) in filters {
            codes.push(self.subscribe_to(filter, *options, identifier.unwrap_or(0), &mut round, &mut retained));
        }
        self.gather = true;
        if lock(&self.session.state).durable {
            encode::suback(&mut changing.answers, self.v5, packet_id, &codes);
            changing.round = Some(round);
        } else {
            encode::suback(&mut self.socket.out, self.v5, packet_id, &codes);
            round.finish(&self.hub, || {});
        }
        retained
    }

    /// Has what was changed written, and answers then.
    pub(super) fn keep_changes(&mut self, changing: Changing) {
        let Changing { round, answers } = changing;
        if answers.is_empty() {
            return;
        }
        self.session.note(&lock(&self.session.state));
        self.unsettled += 1;
        let gated = usize::from(round.is_some());
        self.gated += gated;
        let link = self.link.clone();
        let done = move || {
            link.acknowledge(|out| {
                out.extend_from_slice(&answers);
                Done { settled: 1, opened: gated, ..Done::default() }
            });
        };
        match round {
            Some(round) => round.commit(&self.hub, done),
            None => self.hub.keeper.commit([], Box::new(done)),
        }
    }

    /// The SUBACK code for one filter (MQTT 5 table 3-8).
    fn subscribe_to(
        &self,
        filter: &str,
        options: Options,
        identifier: u32,
        round: &mut Round,
        retained: &mut usize,
    ) -> u8 {
        let code = match self.try_subscribe(filter, options, identifier, round, retained) {
            Ok(()) => return options.qos,
            Err(code) => code,
        };
        let todo = advice::refused_subscription(code);
        self.hub.tell_refused(&self.session, self.socket.peer, Attempt::Subscribe(filter), code, todo);
        code
    }

    fn try_subscribe(
        &self,
        text: &str,
        options: Options,
        identifier: u32,
        round: &mut Round,
        retained: &mut usize,
    ) -> Result<(), u8> {
        let hub = &self.hub;
        let wanted = SharedFilter::parse(text).map_err(|_| 0x8F)?;
        if !hub.topic_within_limits(wanted.filter.as_str()) || text.len() > 2 * hub.settings.topic_bytes {
            return Err(0x8F);
        }
        if !hub.may_subscribe(&self.grant, &wanted.filter) {
            return Err(0x87);
        }
        if wanted.group.is_some() && hub.follower.as_ref().is_some_and(|follower| follower.touches(&wanted.filter)) {
            return Err(0x9E);
        }
        let wants = Subscription { options, identifier };
        let limits = SubscriptionLimits {
            filters: hub.settings.subscriptions_per_session,
            bytes: hub.settings.subscription_bytes_per_session,
        };
        let is_new = match hub.registry.subscribe(&self.session, &wanted, wants, limits) {
            Subscribed::Yes { is_new } => is_new,
            Subscribed::Full => return Err(0x97),
        };
        let retained_wanted = match options.retain_handling {
            0 => true,
            1 => is_new,
            _ => false,
        };
        if retained_wanted && wanted.group.is_none() {
            *retained += self.offer_retained(&wanted, wants, round);
        }
        if hub.subscribed.receiver_count() > 0 {
            let told = clients::Subscribed {
                identity: self.session.identity.clone(),
                client_id: self.session.client_id.clone(),
                filter: text.into(),
            };
            drop(hub.subscribed.send(told)); // nobody listens any more
        }
        Ok(())
    }

    /// Queues the retained messages for a subscription (MQTT-3.3.1-9 to 13); how many there are. What bounds them bounds
    /// the queue too.
    fn offer_retained(&self, wanted: &SharedFilter, wants: Subscription, round: &mut Round) -> usize {
        let now_ms = self.hub.access.now_ms();
        let mut kept = Vec::new();
        lock(&self.hub.retained).matching(&wanted.filter, now_ms, &mut kept);
        let count = kept.len();
        for one in kept.into_iter().filter(|kept| self.hub.may_hand_out(kept)) {
            let message = Outbound {
                parcel: one.parcel.clone(),
                qos: one.qos.min(wants.options.qos),
                retain: true,
                identifiers: (wants.identifier > 0).then_some(wants.identifier).into_iter().collect(),
                shared: None,
                receipt: None,
            };
            round.shed += usize::from(self.session.offer(message, round) == Offer::Shed);
        }
        count
    }

    /// Answers when it is on the disk, if the session is kept.
    pub(super) fn unsubscribe(&mut self, packet_id: u16, filters: &[String], changing: &mut Changing) {
        let code = |filter: &String| match self.hub.registry.unsubscribe(&self.session, filter) {
            true => 0x00,
            false => NO_SUBSCRIPTION_EXISTED,
        };
        let codes: Vec<u8> = filters.iter().map(code).collect();
        let out = match lock(&self.session.state).durable {
            true => &mut changing.answers,
            false => &mut self.socket.out,
        };
        encode::unsuback(out, self.v5, packet_id, &codes);
    }
}

const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;
