//! What is counted, and a brake for log lines that a client can provoke.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics::Counter;

use crate::access::Attempt;

/// A counter that both the metrics recorder and [`Counts`] see.
pub(crate) struct Tally {
    value: AtomicU64,
    counter: Counter,
}

impl Tally {
    fn new(counter: Counter) -> Tally {
        Tally { value: AtomicU64::new(0), counter }
    }

    pub(crate) fn add(&self, n: usize) {
        if n > 0 {
            self.value.fetch_add(n as u64, Ordering::Relaxed);
            self.counter.increment(n as u64);
        }
    }

    fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// Handles are taken once, at start: install the metrics recorder before.
macro_rules! meters {
    ($($(#[$doc:meta])* $field:ident => $metric:literal $(, $label:literal => $value:literal)*;)*) => {
        pub(crate) struct Meters { $(pub(crate) $field: Tally,)* }

        impl Meters {
            pub(crate) fn new() -> Meters {
                Meters { $($field: Tally::new(metrics::counter!($metric $(, $label => $value)*)),)* }
            }

            pub(crate) fn counts(&self) -> Counts {
                Counts { $($field: self.$field.get(),)* }
            }
        }

        /// What the listener counted since it started.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts { $($(#[$doc])* pub $field: u64,)* }
    };
}

meters! {
    /// Sockets accepted.
    accepted => "fenghuo_broker_connections_accepted_total";
    /// Sockets closed at once because `max_connections` were open.
    turned_away => "fenghuo_broker_connections_turned_away_total";
    /// Failures of accept itself, such as no file descriptor left.
    accept_errors => "fenghuo_broker_accept_errors_total";
    /// Sockets that sent no complete, valid CONNECT in time.
    no_connect => "fenghuo_broker_connects_refused_total", "reason" => "no_connect";
    /// CONNECTs refused with a reason.
    refused => "fenghuo_broker_connects_refused_total", "reason" => "refused";
    /// Clients let in.
    admitted => "fenghuo_broker_connects_admitted_total";
    /// Sessions moved to a new connection while the old one was open.
    taken_over => "fenghuo_broker_takeovers_total";
    /// Publishes handed to the urgent lane.
    publishes_urgent => "fenghuo_broker_publishes_total", "lane" => "urgent";
    /// Publishes handed to the normal lane.
    publishes_normal => "fenghuo_broker_publishes_total", "lane" => "normal";
    /// Publishes that went to other clients.
    publishes_relayed => "fenghuo_broker_publishes_total", "lane" => "relay";
    /// QoS 0 publishes dropped because the normal lane was full.
    shed => "fenghuo_broker_publishes_dropped_total", "reason" => "lane_full";
    /// Publishes to topics that the client may not publish to.
    forbidden => "fenghuo_broker_publishes_dropped_total", "reason" => "not_permitted";
    /// Publishes whose topic is beyond the limits.
    topic_invalid => "fenghuo_broker_publishes_dropped_total", "reason" => "topic_invalid";
    /// Connections ended for breaking the protocol.
    protocol_errors => "fenghuo_broker_connections_ended_total", "cause" => "protocol_error";
    /// Connections ended for silence.
    keep_alive_timeouts => "fenghuo_broker_connections_ended_total", "cause" => "keep_alive";
    /// Connections cut because the client did not take what it was sent.
    slow_readers => "fenghuo_broker_connections_ended_total", "cause" => "slow_reader";
    /// Connections ended by a panic.
    panics => "fenghuo_broker_connections_ended_total", "cause" => "panic";
    /// Connections ended because the consumer dropped a batch without completing it.
    abandoned => "fenghuo_broker_connections_ended_total", "cause" => "abandoned";
    /// Messages sent to subscribers.
    delivered => "fenghuo_broker_deliveries_total";
    /// Messages that a full queue or a small Maximum Packet Size kept from a subscriber.
    undelivered => "fenghuo_broker_deliveries_dropped_total";
    /// Of these, messages that came while all queues together were full.
    over_total => "fenghuo_broker_deliveries_over_total_total";
    /// Messages that had expired before a subscriber could take them.
    delivery_expired => "fenghuo_broker_deliveries_expired_total";
    /// Messages that the log did not keep until a subscriber came for them.
    log_lost => "fenghuo_broker_log_messages_lost_total";
    /// Wills that the consumer was not there for any more.
    wills_lost => "fenghuo_broker_wills_lost_total";
    /// Bytes of packets received.
    bytes_received => "fenghuo_broker_bytes_total", "direction" => "received";
    /// Bytes sent.
    bytes_sent => "fenghuo_broker_bytes_total", "direction" => "sent";
    /// Sessions that were away and had to make room for a new one of the same identity.
    evicted => "fenghuo_broker_sessions_evicted_total";
    /// Sessions that expired while away.
    expired => "fenghuo_broker_sessions_expired_total";
    /// TLS handshakes finished.
    handshakes => "fenghuo_broker_tls_handshakes_total";
    /// TLS handshakes and WebSocket requests that failed or took too long.
    handshakes_failed => "fenghuo_broker_connects_refused_total", "reason" => "handshake";
    /// Sockets closed at once because connections came too fast.
    connects_too_fast => "fenghuo_broker_connects_refused_total", "reason" => "too_fast";
    /// Sockets closed at once because too many had not logged in.
    half_open_full => "fenghuo_broker_connects_refused_total", "reason" => "half_open";
    /// Sockets closed at once because no file descriptor was left.
    shed_no_file => "fenghuo_broker_connects_refused_total", "reason" => "no_file_descriptor";
    /// CONNECTs refused because the client id was taken over too often.
    takeovers_refused => "fenghuo_broker_connects_refused_total", "reason" => "takeovers";
    /// Answers to failed logins that were held back.
    logins_delayed => "fenghuo_broker_logins_delayed_total";
    /// Times that a client was not read from for a while because it sent too fast.
    throttled => "fenghuo_broker_clients_throttled_total";
}

/// Refusals by what was tried and why.
#[derive(Default)]
pub(crate) struct Refusals([[OnceLock<Counter>; REASONS.len() + 1]; 4]);

/// MQTT 5 reason codes with their words; any other is a breach of the protocol.
const REASONS: [(u8, &str); 9] = [
    (0x85, "client_id"),
    (0x86, "bad_credentials"),
    (0x87, "not_authorised"),
    (0x89, "busy"),
    (0x8A, "banned"),
    (0x8D, "too_slow"),
    (0x90, "topic"),
    (0x97, "quota"),
    (0x9F, "rate"),
];

impl Refusals {
    pub(crate) fn count(&self, what: Attempt<'_>, code: u8) {
        let (row, attempt) = match what {
            Attempt::Connect => (0, "connect"),
            Attempt::Publish(_) => (1, "publish"),
            Attempt::Subscribe(_) => (2, "subscribe"),
            Attempt::Connection => (3, "connection"),
        };
        let column = REASONS.iter().position(|(known, _)| *known == code).unwrap_or(REASONS.len());
        let reason = REASONS.get(column).map_or("protocol", |(_, word)| word);
        let counter = self.0[row][column].get_or_init(
            || metrics::counter!("fenghuo_broker_refusals_total", "attempt" => attempt, "reason" => reason),
        );
        counter.increment(1);
    }
}

/// Lets one log line a second through and counts the rest.
pub(crate) struct Gate {
    start: Instant,
    next_ms: AtomicU64,
    muted: AtomicU64,
}

const GATE_PERIOD: Duration = Duration::from_secs(1);

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate { start: Instant::now(), next_ms: AtomicU64::new(0), muted: AtomicU64::new(0) }
    }

    /// `Some(lines kept back since the last one)` if a line may be written now.
    pub(crate) fn pass(&self) -> Option<u64> {
        let now_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let next_ms = self.next_ms.load(Ordering::Relaxed);
        let later_ms = now_ms.saturating_add(GATE_PERIOD.as_millis() as u64);
        let won = now_ms >= next_ms
            && self.next_ms.compare_exchange(next_ms, later_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if won {
            Some(self.muted.swap(0, Ordering::Relaxed))
        } else {
            self.muted.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_lets_one_line_through_and_counts_the_rest() {
        let gate = Gate::new();
        assert_eq!(gate.pass(), Some(0));
        assert_eq!(gate.pass(), None);
        assert_eq!(gate.pass(), None);
        gate.next_ms.store(0, Ordering::Relaxed);
        assert_eq!(gate.pass(), Some(2));
    }
}
