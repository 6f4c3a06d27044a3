//! Limits and deadlines of the command centre.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings, each with its unit in its name and its default in [`Settings::default`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections at a time; one more is answered 503 and closed.
    pub connections_max: usize,
    /// Time for a request's head to arrive, also the time that an idle connection is kept, ms.
    pub head_deadline_ms: u64,
    /// Time for a request's answer to begin, ms; then 504. Not for the feed's stream.
    pub request_deadline_ms: u64,
    /// Time for an operator's act to pass journal and desk, ms; then 504. Below `request_deadline_ms`.
    pub action_deadline_ms: u64,
    /// Body of a request, bytes; above it 413.
    pub body_limit_bytes: usize,
    /// A photo of an alert, bytes; above it 413.
    pub photo_limit_bytes: usize,
    /// Note of an operator's act, characters.
    pub note_limit_chars: usize,
    /// Send buffer of a socket in the kernel, bytes: how far a reader may lag behind what was written for it.
    pub send_buffer_bytes: u32,
    /// Feed consumers at a time; one more is answered 503.
    pub feed_consumers_max: usize,
    /// A socket that takes no byte of what waits for it in this time is cut, ms.
    pub feed_write_deadline_ms: u64,
    /// An idle consumer is told its cursor this often, ms.
    pub feed_heartbeat_ms: u64,
    /// A consumer that lost its connection is asked to come back after this time, ms.
    pub feed_retry_ms: u64,
    /// Newest events kept in memory for the feed's readers; older ones are read from the ledger.
    pub feed_ring_events: usize,
    /// Events taken at a time for one consumer.
    pub feed_chunk_events: usize,
    /// A socket's consumer that counts its credit and has none left while events wait is cut after this time, ms.
    pub feed_credit_deadline_ms: u64,
    /// Credit that a socket's consumer may have, events.
    pub feed_credit_max_events: u64,
    /// Message of a socket's consumer, bytes.
    pub feed_message_limit_bytes: usize,
    /// Who tells the events: `source` of CloudEvents, a URI reference.
    pub feed_source: String,
    /// Who sends the messages of CAP: one name in the world, without blanks, commas, `<` and `&`.
    pub cap_sender: String,
    /// The same for people.
    pub cap_sender_name: String,
    /// Local time, in which CAP tells times, is so far ahead of UTC, min.
    pub cap_utc_offset_min: i32,
    /// Entries of a page when the caller does not say.
    pub page_default: usize,
    /// Entries of a page at most; ten times as many events.
    pub page_max: usize,
    /// Rows looked at for one page at most, where a filter leaves most of them out.
    pub scan_max: usize,
    /// Reads of the ledger at a time.
    pub reads_max: usize,
    /// Copies of the map's geometry kept, one for each scope in use.
    pub geometry_cache_max: usize,
    /// Failed sign-ins of one address in `sign_in_window_ms` before further failures are answered 429.
    pub sign_in_failures_max: u32,
    /// ms.
    pub sign_in_window_ms: u64,
    /// Addresses with failed sign-ins remembered.
    pub sign_in_addresses_max: usize,
    /// Adds `Secure` to the session cookie: set it when browsers come over https only.
    pub cookie_secure: bool,
    /// The station's address as people's browsers reach it, `https://fire.example.org`, for the links in messages; empty: no
    /// links.
    pub public_url: String,
    /// Time that open requests get at shutdown, ms.
    pub shutdown_grace_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            connections_max: 4096,
            head_deadline_ms: 30_000,
            request_deadline_ms: 15_000,
            action_deadline_ms: 10_000,
            body_limit_bytes: 64 * 1024,
            photo_limit_bytes: 5 * 1024 * 1024,
            note_limit_chars: 1000,
            send_buffer_bytes: 256 * 1024,
            feed_consumers_max: 1024,
            feed_write_deadline_ms: 5000,
            feed_heartbeat_ms: 15_000,
            feed_retry_ms: 2000,
            feed_ring_events: 65_536,
            feed_chunk_events: 128,
            feed_credit_deadline_ms: 30_000,
            feed_credit_max_events: 65_536,
            feed_message_limit_bytes: 4096,
            feed_source: "urn:fenghuo:station".to_owned(),
            cap_sender: "fenghuo.station".to_owned(),
            cap_sender_name: "烽火消防物联网 Fenghuo".to_owned(),
            cap_utc_offset_min: 480,
            page_default: 100,
            page_max: 1000,
            scan_max: 20_000,
            reads_max: 16,
            geometry_cache_max: 32,
            sign_in_failures_max: 20,
            sign_in_window_ms: 60_000,
            sign_in_addresses_max: 4096,
            cookie_secure: false,
            public_url: String::new(),
            shutdown_grace_ms: 5000,
        }
    }
}

impl Settings {
    /// What cannot work, each as a sentence that names the setting; empty when all is well.
    pub fn faults(&self) -> Vec<String> {
        let positive = [
            ("connections_max", self.connections_max),
            ("body_limit_bytes", self.body_limit_bytes),
            ("feed_ring_events", self.feed_ring_events),
            ("feed_chunk_events", self.feed_chunk_events),
            ("feed_message_limit_bytes", self.feed_message_limit_bytes),
            ("page_default", self.page_default),
            ("scan_max", self.scan_max),
            ("reads_max", self.reads_max),
            ("geometry_cache_max", self.geometry_cache_max),
            ("sign_in_addresses_max", self.sign_in_addresses_max),
        ];
        let mut faults: Vec<String> = positive
            .iter()
            .filter(|(_, value)| *value == 0)
            .map(|(name, _)| format!("http.{name} must be at least 1"))
            .collect();
        let deadlines = [
            ("head_deadline_ms", self.head_deadline_ms),
            ("request_deadline_ms", self.request_deadline_ms),
            ("action_deadline_ms", self.action_deadline_ms),
            ("feed_write_deadline_ms", self.feed_write_deadline_ms),
            ("feed_heartbeat_ms", self.feed_heartbeat_ms),
            ("feed_credit_deadline_ms", self.feed_credit_deadline_ms),
            ("feed_credit_max_events", self.feed_credit_max_events),
        ];
        let none = deadlines.iter().filter(|(_, value)| *value == 0);
        faults.extend(none.map(|(name, _)| format!("http.{name} must be at least 1")));
        let is_apart = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | '<' | '&');
        if self.cap_sender.is_empty() || self.cap_sender.contains(is_apart) {
            faults.push("http.cap_sender must be a name without blanks, commas, < and &".to_owned());
        }
        if self.feed_source.is_empty() || self.feed_source.contains(|c: char| c.is_whitespace() || c.is_control()) {
            faults.push("http.feed_source must be a URI reference, such as urn:fenghuo:station".to_owned());
        }
        if !(-14 * 60..=14 * 60).contains(&self.cap_utc_offset_min) {
            faults.push("http.cap_utc_offset_min must be -840 to 840".to_owned());
        }
        if self.page_default > self.page_max {
            faults.push("http.page_default must not be above page_max".to_owned());
        }
        if self.action_deadline_ms >= self.request_deadline_ms {
            faults.push("http.action_deadline_ms must be below request_deadline_ms".to_owned());
        }
        faults
    }

    pub(crate) fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_have_no_fault() {
        assert_eq!(Settings::default().faults(), Vec::<String>::new());
    }

    #[test]
    fn faults_name_the_setting() {
        let settings = Settings { reads_max: 0, feed_heartbeat_ms: 0, page_default: 2000, ..Settings::default() };
        let faults = settings.faults().join("; ");
        for name in ["reads_max", "feed_heartbeat_ms", "page_default"] {
            assert!(faults.contains(name), "{name} not in {faults}");
        }
    }

    #[test]
    fn unknown_settings_are_refused() {
        let error = serde_json::from_str::<Settings>(r#"{"page_maximum": 3}"#).expect_err("no such setting");
        assert!(error.to_string().contains("page_maximum"));
    }
}
