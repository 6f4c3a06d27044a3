//! Every limit of the listener with its default and unit.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Limits and addresses of the listener. Unknown keys are refused; a missing key takes its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port of the plain TCP listener. Default 127.0.0.1:1883. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections the kernel keeps while we accept others. Default 4,096.
    pub listen_backlog: u32,
    /// Open sockets, logged in or not. One more is refused as busy (0x89) or, where that would cost more than its CONNECT,
    /// closed at once. A process needs about 960 files beside.
    pub max_connections: usize,
    /// From accept to a complete CONNECT, milliseconds. Default 5,000.
    pub connect_deadline_ms: u64,
    /// Size of a CONNECT packet, bytes. Default 16,384.
    pub connect_limit_bytes: usize,
    /// Size of any later packet, in either direction, bytes. Default 262,144.
    pub packet_limit_bytes: usize,
    /// From the first byte of a packet to its last, milliseconds. Default 30,000.
    pub packet_deadline_ms: u64,
    /// Unacknowledged QoS 1 and 2 messages per connection, in each direction. A v5 client that sends more
    /// is disconnected (0x93). Default 64.
    pub receive_maximum: u16,
    /// Unanswered QoS 1 and 2 publishes after which a v3.1.1 client, which cannot be told a limit, is not read from.
    /// Default 1,024.
    pub unanswered_max_v3: usize,
    /// Topic and payload bytes of one client's publishes that wait for room in the normal lane, after which it is not read
    /// from. Default 1,048,576.
    pub held_bytes_max: usize,
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
    /// Bytes of messages waiting for all sessions together, 128 for each place counted in. Beyond it messages between clients
    /// are dropped; the process's own and those of the log are not. Default 1,073,741,824.
    pub outbound_total_bytes: usize,
    /// Topic filters per session. Default 64.
    pub subscriptions_per_session: usize,
    /// Bytes of a session's topic filters; each level of those with wildcards counts for 512. Default 524,288.
    pub subscription_bytes_per_session: usize,
    /// Topic filters in one SUBSCRIBE or UNSUBSCRIBE. A client with more is disconnected (0x97). Default 1,024.
    pub filters_per_packet: usize,
    /// Levels of a topic name or filter, at most 256. Default 256.
    pub topic_levels: usize,
    /// Bytes of a topic name or filter. Default 65,535.
    pub topic_bytes: usize,
    /// Bytes of a client id. Default 256.
    pub client_id_bytes: usize,
    /// Longest life of a session without a connection, seconds. Default 86,400. 0 keeps none.
    pub session_expiry_max_s: u32,
    /// Sessions, with and without a connection. One more is refused as busy. Default 100,000.
    pub sessions_max: usize,
    /// Sessions of one identity. One more ends the oldest that is away; if none is, it is refused (0x97). Default 20,000.
    pub sessions_per_identity: usize,
    /// Retained messages in all. One more is refused (0x97). No more of them wait for one session. Default 100,000.
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
    /// Bytes of changes to sessions waiting for the disk; above it connections that wait for them are not read from.
    /// Default 33,554,432.
    pub vault_backlog_bytes: usize,
    /// Writes to the disk that the answers to one client wait for; with more, it is not read from. Default 64.
    pub unsettled_max: usize,
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

    /// Lets `listen` and `websocket_listen` be reached from other machines, where passwords and messages are then read
    /// by whoever is on the way. Default false.
    pub plain_beyond_loopback: bool,
    /// Address and port of the TLS listener. Default none.
    pub tls_listen: Option<SocketAddr>,
    /// Address and port of the WebSocket listener. Default none.
    pub websocket_listen: Option<SocketAddr>,
    /// Address and port of the WebSocket listener with TLS. Default none.
    pub websocket_tls_listen: Option<SocketAddr>,
    /// PEM file with the server's certificate and those between it and its root. Needed for TLS.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the private key of the certificate. Needed for TLS.
    pub tls_key: Option<PathBuf>,
    /// PEM file with the authorities whose client certificates are trusted.
    pub client_ca: Option<PathBuf>,
    /// Client certificates: "none" (not asked for), "optional" or "required". Default none.
    pub client_certificates: ClientCertificates,
    /// PEM files with revocation lists (CRL) of the client authorities. A certificate whose issuer has no list here
    /// counts as not revoked. Default none.
    pub client_revocations: Vec<PathBuf>,
    /// How often the files above are looked at and, if one has changed, read again, seconds. Default 10. 0 is never.
    pub tls_reload_s: u64,
    /// TLS handshakes at work at a time; others wait in turn. Default 256.
    pub tls_handshakes_max: usize,
    /// How long a handshake keeps its turn from a client that takes its time, milliseconds. Default 50.
    pub tls_handshake_turn_ms: u64,
    /// Size of a WebSocket opening request, bytes. Default 8,192.
    pub websocket_request_bytes: usize,
    /// Packets that a client may send, per second. It is read from no faster; nothing is dropped. Default 10,000.
    /// 0 is no limit.
    pub packets_per_s: u64,
    /// Bytes that a client may send, per second, likewise. Default 4,194,304. 0 is no limit.
    pub bytes_per_s: u64,
    /// Packets that all clients of one address may send, per second, likewise. Default 0: a gateway may stand for
    /// thousands of devices.
    pub address_packets_per_s: u64,
    /// Bytes that all clients of one address may send, per second, likewise. Default 0.
    pub address_bytes_per_s: u64,
    /// How much of the four rates above may come at once, seconds. Default 2.
    pub rate_burst_s: u64,
    /// New connections, per second; beyond it they are closed at once. Default 20,000. 0 is no limit.
    pub connects_per_s: u64,
    /// New connections at once. Default 40,000.
    pub connects_burst: u64,
    /// New connections of one address, per second, likewise. Default 10,000. 0 is no limit.
    pub connects_per_address_per_s: u64,
    /// New connections of one address at once. Default 20,000.
    pub connects_per_address_burst: u64,
    /// Connections that have not logged in yet; one more is closed at once. Default 16,384.
    pub half_open_max: usize,
    /// The same for one address, so that nobody takes all the places. Default 12,288.
    pub half_open_per_address_max: usize,
    /// Failed logins of one address, per minute, that are answered at once; the answers to more of them wait. Default
    /// 60. 0 is no limit.
    pub login_failures_per_minute: u32,
    /// Longest wait of such an answer, milliseconds. Default 5,000.
    pub login_delay_max_ms: u64,
    /// Answers waiting at a time; further ones leave at once. Default 1,024.
    pub login_delays_max: usize,
    /// Addresses remembered; IPv6 by /64. Those beyond share the limits of one. Default 65,536.
    pub addresses_max: usize,
    /// Addresses without limits of their own, such as a load balancer. Default none.
    pub unlimited_addresses: Vec<IpAddr>,
    /// How often a live connection may lose its client id to another, per minute. Default 30. 0 is no limit.
    pub takeovers_per_minute: u32,
    /// How long nobody is let in under a client id that was taken over too often, milliseconds. Default 10,000.
    pub takeover_pause_ms: u64,
}

/// What is asked of clients on TLS ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// Not asked for.
    #[default]
    None,
    /// Verified if there is one.
    Optional,
    /// No connection without.
    Required,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 1883)),
            listen_backlog: 4_096,
            max_connections: 19_000,
            connect_deadline_ms: 5_000,
            connect_limit_bytes: 16 * 1024,
            packet_limit_bytes: 256 * 1024,
            packet_deadline_ms: 30_000,
            receive_maximum: 64,
            unanswered_max_v3: 1_024,
            held_bytes_max: 1024 * 1024,
            qos_2_open_max: 1_024,
            topic_alias_maximum: 16,
            max_keep_alive_s: 3_600,
            write_deadline_ms: 10_000,
            linger_ms: 500,
            outbound_queue_messages: 1_000,
            outbound_queue_bytes: 1024 * 1024,
            outbound_total_bytes: 1024 * 1024 * 1024,
            subscriptions_per_session: 64,
            subscription_bytes_per_session: 512 * 1024,
            filters_per_packet: 1_024,
            topic_levels: 256,
            topic_bytes: 65_535,
            client_id_bytes: 256,
            session_expiry_max_s: 86_400,
            sessions_max: 100_000,
            sessions_per_identity: 20_000,
            retained_messages: 100_000,
            retained_bytes: 64 * 1024 * 1024,
            retained_messages_per_identity: 10_000,
            retained_bytes_per_identity: 16 * 1024 * 1024,
            vault_flush_ms: 100,
            vault_batch_bytes: 1024 * 1024,
            vault_backlog_bytes: 32 * 1024 * 1024,
            unsettled_max: 64,
            vault_retry_max_ms: 1_000,
            restart_grace_s: 60,
            log_page_entries: 128,
            sys_every_s: 10,
            inbound_queue_batches_urgent: 1_024,
            inbound_queue_batches_normal: 1_024,
            session_events_queue: 4_096,
            reads_per_wake: 4,
            drain_deadline_ms: 10_000,

            plain_beyond_loopback: false,
            tls_listen: None,
            websocket_listen: None,
            websocket_tls_listen: None,
            tls_certificate: None,
            tls_key: None,
            client_ca: None,
            client_certificates: ClientCertificates::None,
            client_revocations: Vec::new(),
            tls_reload_s: 10,
            tls_handshakes_max: 256,
            tls_handshake_turn_ms: 50,
            websocket_request_bytes: 8 * 1024,
            packets_per_s: 10_000,
            bytes_per_s: 4 * 1024 * 1024,
            address_packets_per_s: 0,
            address_bytes_per_s: 0,
            rate_burst_s: 2,
            connects_per_s: 20_000,
            connects_burst: 40_000,
            connects_per_address_per_s: 10_000,
            connects_per_address_burst: 20_000,
            half_open_max: 16_384,
            half_open_per_address_max: 12_288,
            login_failures_per_minute: 60,
            login_delay_max_ms: 5_000,
            login_delays_max: 1_024,
            addresses_max: 65_536,
            unlimited_addresses: Vec::new(),
            takeovers_per_minute: 30,
            takeover_pause_ms: 10_000,
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
    pub value: String,
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
            ("held_bytes_max", self.held_bytes_max as u64),
            ("qos_2_open_max", self.qos_2_open_max as u64),
            ("log_page_entries", self.log_page_entries as u64),
            ("max_keep_alive_s", u64::from(self.max_keep_alive_s)),
            ("write_deadline_ms", self.write_deadline_ms),
            ("outbound_queue_messages", self.outbound_queue_messages as u64),
            ("outbound_queue_bytes", self.outbound_queue_bytes as u64),
            ("subscriptions_per_session", self.subscriptions_per_session as u64),
            ("subscription_bytes_per_session", self.subscription_bytes_per_session as u64),
            ("filters_per_packet", self.filters_per_packet as u64),
            ("unsettled_max", self.unsettled_max as u64),
            ("topic_levels", self.topic_levels as u64),
            ("topic_bytes", self.topic_bytes as u64),
            ("client_id_bytes", self.client_id_bytes as u64),
            ("sessions_max", self.sessions_max as u64),
            ("sessions_per_identity", self.sessions_per_identity as u64),
            ("outbound_total_bytes", self.outbound_total_bytes as u64),
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
            return Err(SettingsError { key, value: value.to_string(), range: "1 or more" });
        }
        const PACKET_BYTES_MAX: usize = 268_435_455; // MQTT 2.2.3: four bytes of remaining length
        for (key, value) in
            [("connect_limit_bytes", self.connect_limit_bytes), ("packet_limit_bytes", self.packet_limit_bytes)]
        {
            if !(128..=PACKET_BYTES_MAX).contains(&value) {
                return Err(SettingsError { key, value: value.to_string(), range: "128 to 268435455" });
            }
        }
        // tables of topics go down one call a level
        const LEVELS_MAX: usize = 256;
        if self.topic_levels > LEVELS_MAX {
            let value = self.topic_levels.to_string();
            return Err(SettingsError { key: "topic_levels", value, range: "1 to 256" });
        }
        self.check_ports()?;
        self.check_rates()
    }

    fn check_ports(&self) -> Result<(), SettingsError> {
        let plain = [("listen", Some(self.listen)), ("websocket_listen", self.websocket_listen)];
        for (key, address) in plain {
            if let Some(address) = address.filter(|address| !address.ip().to_canonical().is_loopback())
                && !self.plain_beyond_loopback
            {
                let range = "a loopback address such as 127.0.0.1:1883, or tls_listen, or set plain_beyond_loopback";
                return Err(SettingsError { key, value: address.to_string(), range });
            }
        }
        let missing = |key, range| SettingsError { key, value: "nothing".to_owned(), range };
        if self.tls_listen.or(self.websocket_tls_listen).is_some() {
            if self.tls_certificate.is_none() {
                return Err(missing("tls_certificate", "the server's certificate (PEM file)"));
            }
            if self.tls_key.is_none() {
                return Err(missing("tls_key", "the private key of the certificate (PEM file)"));
            }
        }
        if self.client_certificates != ClientCertificates::None && self.client_ca.is_none() {
            return Err(missing("client_ca", "the authorities of client certificates (PEM file)"));
        }
        Ok(())
    }

    fn check_rates(&self) -> Result<(), SettingsError> {
        const RATE_MAX: u64 = 1_000_000_000;
        let rates = [
            ("packets_per_s", self.packets_per_s),
            ("bytes_per_s", self.bytes_per_s),
            ("address_packets_per_s", self.address_packets_per_s),
            ("address_bytes_per_s", self.address_bytes_per_s),
            ("connects_per_s", self.connects_per_s),
            ("connects_per_address_per_s", self.connects_per_address_per_s),
        ];
        if let Some((key, value)) = rates.into_iter().find(|(_, value)| *value > RATE_MAX) {
            return Err(SettingsError { key, value: value.to_string(), range: "0 to 1000000000" });
        }
        let positive = [
            ("tls_handshakes_max", self.tls_handshakes_max as u64),
            ("tls_handshake_turn_ms", self.tls_handshake_turn_ms),
            ("rate_burst_s", self.rate_burst_s),
            ("connects_burst", self.connects_burst),
            ("connects_per_address_burst", self.connects_per_address_burst),
            ("half_open_max", self.half_open_max as u64),
            ("half_open_per_address_max", self.half_open_per_address_max as u64),
            ("login_delays_max", self.login_delays_max as u64),
            ("addresses_max", self.addresses_max as u64),
        ];
        if let Some((key, value)) = positive.into_iter().find(|(_, value)| !(1..=RATE_MAX).contains(value)) {
            return Err(SettingsError { key, value: value.to_string(), range: "1 to 1000000000" });
        }
        const REQUEST_BYTES: std::ops::RangeInclusive<usize> = 512..=65_536;
        let value = self.websocket_request_bytes;
        if !REQUEST_BYTES.contains(&value) {
            let value = value.to_string();
            return Err(SettingsError { key: "websocket_request_bytes", value, range: "512 to 65536" });
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
        assert_eq!(some.packet_limit_bytes, 262_144);
        let error = toml::from_str::<Settings>("recieve_maximum = 8").unwrap_err();
        assert!(error.to_string().contains("recieve_maximum"), "{error}");
    }

    #[test]
    fn zero_and_tiny_limits_are_refused_by_name() {
        let error = Settings { receive_maximum: 0, ..Settings::default() }.check().unwrap_err();
        assert_eq!(error.key, "receive_maximum");
        let error = Settings { packet_limit_bytes: 5, ..Settings::default() }.check().unwrap_err();
        assert_eq!(error.key, "packet_limit_bytes");
        let error = Settings { half_open_max: 0, ..Settings::default() }.check().unwrap_err();
        assert_eq!(error.key, "half_open_max");
    }

    #[test]
    fn a_plain_port_stays_on_this_machine_unless_told_otherwise() {
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 1883));
        let plain = Settings { listen: everywhere, ..Settings::default() };
        let error = plain.check().unwrap_err();
        assert_eq!((error.key, error.value.as_str()), ("listen", "0.0.0.0:1883"));
        assert!(error.to_string().contains("plain_beyond_loopback"), "{error}");
        Settings { plain_beyond_loopback: true, ..plain }.check().unwrap();
        let websocket = Settings { websocket_listen: Some(everywhere), ..Settings::default() };
        assert_eq!(websocket.check().unwrap_err().key, "websocket_listen");
    }

    #[test]
    fn tls_needs_its_files() {
        let everywhere = Some(SocketAddr::from(([0, 0, 0, 0], 8883)));
        let tls = Settings { tls_listen: everywhere, ..Settings::default() };
        assert_eq!(tls.check().unwrap_err().key, "tls_certificate");
        let tls = Settings { tls_certificate: Some("a.pem".into()), ..tls };
        assert_eq!(tls.check().unwrap_err().key, "tls_key");
        let tls = Settings { tls_key: Some("a.key".into()), ..tls };
        tls.check().unwrap();
        let asking = Settings { client_certificates: ClientCertificates::Required, ..tls };
        assert_eq!(asking.check().unwrap_err().key, "client_ca");
        let parsed: Settings = toml::from_str("client_certificates = \"required\"").unwrap();
        assert_eq!(parsed.client_certificates, ClientCertificates::Required);
    }
}
