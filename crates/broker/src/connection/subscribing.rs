//! SUBSCRIBE and UNSUBSCRIBE.

use super::{Connection, advice};
use crate::access::Attempt;
use crate::clients;
use crate::link::Done;
use crate::lock;
use crate::outbound::Outbound;
use crate::registry::Subscribed;
use crate::relay::Round;
use crate::session::Offer;
use crate::subscriptions::Subscription;
use crate::topic::SharedFilter;
use crate::wire::control::Options;
use crate::wire::encode;

impl Connection {
    /// Answers when the subscriptions are on the disk, if the session is kept. Retained messages follow the SUBACK.
    pub(super) fn subscribe(&mut self, packet_id: u16, filters: &[(String, Options)], identifier: Option<u32>) {
        let mut round = Round::new(&self.hub, false);
        round.exempt = true;
        let mut codes = Vec::with_capacity(filters.len());
        for (filter, options) in filters {
            codes.push(self.subscribe_to(filter, *options, identifier.unwrap_or(0), &mut round));
        }
        self.gather = true;
        let (v5, session, link) = (self.v5, self.session.clone(), self.link.clone());
        if !lock(&session.state).durable {
            encode::suback(&mut self.socket.out, v5, packet_id, &codes);
            return round.finish(&self.hub, || {});
        }
        self.unsettled += 1;
        self.gated += 1;
        round.commit(&self.hub, move || {
            link.acknowledge(|out| {
                encode::suback(out, v5, packet_id, &codes);
                Done { settled: 1, opened: 1, ..Done::default() }
            });
        });
    }

    /// The SUBACK code for one filter (MQTT 5 table 3-8).
    fn subscribe_to(&self, filter: &str, options: Options, identifier: u32, round: &mut Round) -> u8 {
        let code = match self.try_subscribe(filter, options, identifier, round) {
            Ok(()) => return options.qos,
            Err(code) => code,
        };
        let todo = advice::refused_subscription(code);
        self.hub.tell_refused(&self.session, self.socket.peer, Attempt::Subscribe(filter), code, todo);
        code
    }

    fn try_subscribe(&self, text: &str, options: Options, identifier: u32, round: &mut Round) -> Result<(), u8> {
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
        let limit = hub.settings.subscriptions_per_session;
        let is_new = match hub.registry.subscribe(&self.session, &wanted, wants, limit) {
            Subscribed::Yes { is_new } => is_new,
            Subscribed::Full => return Err(0x97),
        };
        let retained_wanted = match options.retain_handling {
            0 => true,
            1 => is_new,
            _ => false,
        };
        if retained_wanted && wanted.group.is_none() {
            self.offer_retained(&wanted, wants, round);
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

    /// Queues the retained messages for a subscription (MQTT-3.3.1-9 to 13). What bounds them bounds the queue too.
    fn offer_retained(&self, wanted: &SharedFilter, wants: Subscription, round: &mut Round) {
        let now_ms = self.hub.access.now_ms();
        let mut kept = Vec::new();
        lock(&self.hub.retained).matching(&wanted.filter, now_ms, &mut kept);
        for one in kept {
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
    }

    /// Answers when it is on the disk, if the session is kept.
    pub(super) fn unsubscribe(&mut self, packet_id: u16, filters: &[String]) {
        let code = |filter: &String| match self.hub.registry.unsubscribe(&self.session, filter) {
            true => 0x00,
            false => NO_SUBSCRIPTION_EXISTED,
        };
        let codes: Vec<u8> = filters.iter().map(code).collect();
        let (v5, link) = (self.v5, self.link.clone());
        if !lock(&self.session.state).durable {
            return encode::unsuback(&mut self.socket.out, v5, packet_id, &codes);
        }
        self.unsettled += 1;
        let done = move || {
            link.acknowledge(|out| {
                encode::unsuback(out, v5, packet_id, &codes);
                Done::settled()
            });
        };
        self.hub.keeper.commit([], Box::new(done));
    }
}

const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;
