//! Every limit of the listener with its default and unit.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Limits and addresses of the listener. Unknown keys are refused; a missing key takes its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port of the plain TCP listener. Default 127.0.0.1:1883. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections the kernel keeps while we accept others. Default 4,096.
    pub listen_backlog: u32,
    /// Open sockets, logged in or not. One more is closed at once. A process needs about 900 files beside.
    pub max_connections: usize,
    /// From accept to a complete CONNECT, milliseconds. Default 5,000.
    pub connect_deadline_ms: u64,
    /// Size of a CONNECT packet, bytes. Default 16,384.
    pub connect_limit_bytes: usize,
    /// Size of any later packet, in either direction, bytes. Default 65,536.
    pub packet_limit_bytes: usize,
    /// From the first byte of a packet to its last, milliseconds. Default 30,000.
    pub packet_deadline_ms: u64,
    /// Unacknowledged QoS 1 and 2 messages per connection, in each direction. A v5 client that sends more
    /// is disconnected (0x93). Default 64.
    pub receive_maximum: u16,
    /// Unanswered QoS 1 and 2 publishes after which a v3.1.1 client, which cannot be told a limit, is not read from.
    /// Default 1,024.
    pub unanswered_max_v3: usize,
    /// QoS 2 publishes of one session that were taken in and not released by PUBREL. A client with more is
    /// disconnected (0x93). Default 1,024.
    pub qos_2_open_max: usize,
    /// Topic aliases per connection that a v5 client may define, and that we define towards one. Default 16.
    pub topic_alias_maximum: u16,
    /// Longest keep-alive a v5 client gets, seconds; it also replaces 0 (none). A v3.1.1 client
    /// cannot be told and keeps its own. Default 3,600.
    pub max_keep_alive_s: u16,
    /// Bytes that a client does not take for this long cut it off, milliseconds. Default 10,000.
    pub write_deadline_ms: u64,
    /// How long a closing socket waits for the peer to take our last words, milliseconds.
    /// Default 500.
    pub linger_ms: u64,
    /// Messages waiting for one session, away or slow. Default 1,000.
    pub outbound_queue_messages: usize,
    /// Topic and payload bytes waiting for one session. Default 1,048,576.
    pub outbound_queue_bytes: usize,
    /// Topic filters per session. Default 64.
    pub subscriptions_per_session: usize,
    /// Levels of a topic name or filter. Default 16.
    pub topic_levels: usize,
    /// Bytes of a topic name or filter. Default 512.
    pub topic_bytes: usize,
    /// Bytes of a client id. Default 256.
    pub client_id_bytes: usize,
    /// Longest life of a session without a connection, seconds. Default 86,400. 0 keeps none.
    pub session_expiry_max_s: u32,
    /// Sessions, with and without a connection. One more is refused as busy. Default 100,000.
    pub sessions_max: usize,
    /// Retained messages in all. One more is refused (0x97). Default 100,000.
    pub retained_messages: usize,
    /// Topic, payload and property bytes of all retained messages. Default 67,108,864.
    pub retained_bytes: usize,
    /// Retained messages that one identity has published. Default 10,000.
    pub retained_messages_per_identity: usize,
    /// Bytes of the retained messages that one identity has published. Default 16,777,216.
    pub retained_bytes_per_identity: usize,
    /// Longest wait of a change to a session that nobody waits for, before it is written to the disk, milliseconds.
    /// Default 100.
    pub vault_flush_ms: u64,
    /// Bytes of changes to sessions that are written without waiting for more. Default 1,048,576.
    pub vault_batch_bytes: usize,
    /// Bytes of changes to sessions waiting for the disk; above it connections are not read. Default 33,554,432.
    pub vault_backlog_bytes: usize,
    /// Longest pause between two tries to write to a disk that fails, milliseconds. Default 1,000.
    pub vault_retry_max_ms: u64,
    /// How long a client that was connected when this process ended has to come back before its will is published,
    /// seconds. Default 60.
    pub restart_grace_s: u32,
    /// Messages of the log read at a time. Default 128.
    pub log_page_entries: usize,
    /// How often the listener publishes its own state under `$SYS/broker/`, seconds. Default 10. 0 never.
    pub sys_every_s: u32,
    /// Batches waiting for the consumer in the urgent lane. Default 1,024.
    pub inbound_queue_batches_urgent: usize,
    /// Batches waiting for the consumer in the normal lane. Default 1,024.
    pub inbound_queue_batches_normal: usize,
    /// Session gains and losses waiting for the consumer. Default 4,096.
    pub session_events_queue: usize,
    /// Socket reads of one connection before others get their turn. Default 4.
    pub reads_per_wake: usize,
    /// From the order to shut down until connections are cut, milliseconds. Default 10,000.
    pub drain_deadline_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 1883)),
            listen_backlog: 4_096,
            max_connections: 19_000,
            connect_deadline_ms: 5_000,
            connect_limit_bytes: 16 * 1024,
            packet_limit_bytes: 64 * 1024,
            packet_deadline_ms: 30_000,
            receive_maximum: 64,
            unanswered_max_v3: 1_024,
            qos_2_open_max: 1_024,
            topic_alias_maximum: 16,
            max_keep_alive_s: 3_600,
            write_deadline_ms: 10_000,
            linger_ms: 500,
            outbound_queue_messages: 1_000,
            outbound_queue_bytes: 1024 * 1024,
            subscriptions_per_session: 64,
            topic_levels: 16,
            topic_bytes: 512,
            client_id_bytes: 256,
            session_expiry_max_s: 86_400,
            sessions_max: 100_000,
            retained_messages: 100_000,
            retained_bytes: 64 * 1024 * 1024,
            retained_messages_per_identity: 10_000,
            retained_bytes_per_identity: 16 * 1024 * 1024,
            vault_flush_ms: 100,
            vault_batch_bytes: 1024 * 1024,
            vault_backlog_bytes: 32 * 1024 * 1024,
            vault_retry_max_ms: 1_000,
            restart_grace_s: 60,
            log_page_entries: 128,
            sys_every_s: 10,
            inbound_queue_batches_urgent: 1_024,
            inbound_queue_batches_normal: 1_024,
            session_events_queue: 4_096,
            reads_per_wake: 4,
            drain_deadline_ms: 10_000,
        }
    }
}

/// A setting outside its range.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{key} = {value} is out of range: use {range}")]
pub struct SettingsError {
    /// The key in the settings file.
    pub key: &'static str,
    /// What it was set to.
    pub value: u64,
    /// What is accepted.
    pub range: &'static str,
}

impl Settings {
    /// Checks ranges that the types do not.
    ///
    /// # Errors
    /// The first setting out of range.
    pub fn check(&self) -> Result<(), SettingsError> {
        let positive = [
            ("listen_backlog", u64::from(self.listen_backlog)),
            ("max_connections", self.max_connections as u64),
            ("connect_deadline_ms", self.connect_deadline_ms),
            ("packet_deadline_ms", self.packet_deadline_ms),
            ("receive_maximum", u64::from(self.receive_maximum)),
            ("unanswered_max_v3", self.unanswered_max_v3 as u64),
            ("qos_2_open_max", self.qos_2_open_max as u64),
            ("log_page_entries", self.log_page_entries as u64),
            ("max_keep_alive_s", u64::from(self.max_keep_alive_s)),
            ("write_deadline_ms", self.write_deadline_ms),
            ("outbound_queue_messages", self.outbound_queue_messages as u64),
            ("outbound_queue_bytes", self.outbound_queue_bytes as u64),
            ("subscriptions_per_session", self.subscriptions_per_session as u64),
            ("topic_levels", self.topic_levels as u64),
            ("topic_bytes", self.topic_bytes as u64),
            ("client_id_bytes", self.client_id_bytes as u64),
            ("sessions_max", self.sessions_max as u64),
            ("vault_batch_bytes", self.vault_batch_bytes as u64),
            ("vault_backlog_bytes", self.vault_backlog_bytes as u64),
            ("vault_retry_max_ms", self.vault_retry_max_ms),
            ("inbound_queue_batches_urgent", self.inbound_queue_batches_urgent as u64),
            ("inbound_queue_batches_normal", self.inbound_queue_batches_normal as u64),
            ("session_events_queue", self.session_events_queue as u64),
            ("reads_per_wake", self.reads_per_wake as u64),
            ("drain_deadline_ms", self.drain_deadline_ms),
        ];
        if let Some((key, value)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(SettingsError { key, value, range: "1 or more" });
        }
        const PACKET_BYTES_MAX: usize = 268_435_455; // MQTT 2.2.3: four bytes of remaining length
        for (key, value) in
            [("connect_limit_bytes", self.connect_limit_bytes), ("packet_limit_bytes", self.packet_limit_bytes)]
        {
            if !(128..=PACKET_BYTES_MAX).contains(&value) {
                return Err(SettingsError { key, value: value as u64, range: "128 to 268435455" });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn defaults_are_in_range_and_unknown_keys_are_refused() {
        Settings::default().check().unwrap();
        let some: Settings = toml::from_str("receive_maximum = 8").unwrap();
        assert_eq!(some.receive_maximum, 8);
        assert_eq!(some.packet_limit_bytes, 65_536);
        let error = toml::from_str::<Settings>("recieve_maximum = 8").unwrap_err();
        assert!(error.to_string().contains("recieve_maximum"), "{error}");
    }

    #[test]
    fn zero_and_tiny_limits_are_refused_by_name() {
        let error = Settings { receive_maximum: 0, ..Settings::default() }.check().unwrap_err();
        assert_eq!(error.key, "receive_maximum");
        let error = Settings { packet_limit_bytes: 5, ..Settings::default() }.check().unwrap_err();
        assert_eq!(error.key, "packet_limit_bytes");
    }
}
