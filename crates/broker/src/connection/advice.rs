//! What to tell whoever looks after a client that was refused or cut off.

use crate::inbound::DownCause;

/// After a refused publish.
pub(super) fn refused_publish(code: u8) -> &'static str {
    match code {
        0x90 => {
            "the topic is longer or deeper than this server takes: shorten it, or raise topic_bytes and topic_levels"
        }
        0x97 => "too many retained messages: clear some with an empty payload, or publish without the retain flag",
        _ => "this credential may not publish to this topic: use a topic that it permits, or have the right added",
    }
}

/// After a refused subscription.
pub(super) fn refused_subscription(code: u8) -> &'static str {
    match code {
        0x8F => "the filter is not valid or beyond topic_bytes and topic_levels: correct or shorten it",
        0x97 => "the session has subscriptions_per_session filters: unsubscribe from some, or use wildcards",
        0x9E => "topics of the log cannot be shared: subscribe without $share",
        _ => "this credential may not subscribe to this filter: use one that it covers, or have the right added",
    }
}

/// After the end of a connection.
pub(super) fn after(cause: DownCause, code: u8) -> &'static str {
    match (cause, code) {
        (DownCause::KeepAliveTimeout, _) => "send PINGREQ within the keep-alive, and packets in one piece",
        (DownCause::SlowReader, _) => {
            "have the client read faster, subscribe to less, or raise outbound_queue_messages"
        }
        (DownCause::Abandoned, _) => "nothing on the client's side; its publishes come again",
        (_, 0x93) => "wait for acknowledgements: CONNACK says how many may be open (receive_maximum)",
        (_, 0x94) => "use topic aliases from 1 to the maximum in CONNACK (topic_alias_maximum)",
        (_, 0x95) => "send smaller packets: CONNACK says how large they may be (packet_limit_bytes)",
        (_, 0x81) => "the packet cannot be decoded: update the client's MQTT library or what it sends by hand",
        _ => "the client breaks a rule of MQTT: update its library or what it sends by hand",
    }
}
