//! What can be set, with unit and default.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::embedded::Embedded;

/// Where device traffic comes from beside the station's own listener. Default: nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Brokers to subscribe to.
    pub mqtt: Vec<Mqtt>,
    /// A rumqttd inside this process, subscribed to like the others. Default: none.
    pub embedded: Option<Embedded>,
}

/// One broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mqtt {
    /// Name in logs, metrics and as the messages' identity `source:<name>`. Letters, digits, `-`, `_`. Needed.
    pub name: String,
    /// Host name or address. Default "127.0.0.1".
    pub host: String,
    /// TCP port. Default 1883.
    pub port: u16,
    /// "5" or "3.1.1". Default "5".
    pub protocol: Protocol,
    /// TLS; absent: plain TCP.
    pub tls: Option<Tls>,
    /// User name; absent: none is sent.
    pub user: Option<String>,
    /// Password; `password_file` is the better place.
    pub password: Option<String>,
    /// File with the password, read at every connection; a line end after it is left out.
    pub password_file: Option<PathBuf>,
    /// Connections, which share the load by a shared subscription when there is more than one. Default 1.
    pub connections: usize,
    /// Client ids begin with this; `-<name>-<number>` follows. No other client of that broker may use them. Default
    /// "fenghuo".
    pub client_id: String,
    /// What is subscribed to. Default "fire/v1/#".
    pub filter: String,
    /// Name of the shared subscription. Default "fenghuo".
    pub group: String,
    /// With more than one connection, the first also subscribes to this plainly, because brokers lose what is shared more
    /// easily: Mosquitto 2.0.11 forgets shared subscriptions when it restarts, until each client is back. What comes
    /// both ways is a repetition. Empty: nothing. Default "fire/v1/+/+/alarm".
    pub urgent_filter: String,
    /// Seconds of silence after which a ping is sent, 5 at least. Default 30.
    pub keep_alive_s: u16,
    /// How long the broker keeps our session while we are away, seconds (protocol 5; a 3.1.1 broker decides itself).
    /// Default 604,800.
    pub session_expiry_s: u32,
    /// Messages taken in and not yet acknowledged, of one connection (protocol 5 tells the broker; a 3.1.1 broker has a
    /// limit of its own, and above twice this number it is not read from). Default 1000.
    pub receive_window: u16,
    /// Messages handed on in one batch. Default 512.
    pub batch_messages_max: usize,
    /// Largest packet taken, bytes (protocol 5 tells the broker; a larger one ends a 3.1.1 connection). Default 262,144.
    pub packet_limit_bytes: u32,
    /// From opening the socket to the granted subscription, milliseconds. Default 5000.
    pub connect_deadline_ms: u64,
    /// First wait before connecting again, milliseconds; doubles up to `back_off_max_ms`, half of it by chance. Default
    /// 200.
    pub back_off_min_ms: u64,
    /// Longest wait before connecting again, milliseconds. Default 30,000.
    pub back_off_max_ms: u64,
    /// A connection that is down for longer makes the station not ready, milliseconds. Default 10,000.
    pub unready_after_ms: u64,
    /// Longest wait at shutdown for what was taken in to be acknowledged, milliseconds. Default 10,000.
    pub drain_deadline_ms: u64,
}

/// The protocol's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// MQTT 5.0.
    #[serde(rename = "5")]
    V5,
    /// MQTT 3.1.1.
    #[serde(rename = "3.1.1")]
    V311,
}

/// TLS towards a broker. Files are PEM and read at every connection, so that they can be renewed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The authorities that may have signed the broker's certificate. Needed.
    pub ca: PathBuf,
    /// Our certificate (chain), if the broker asks for one.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

impl Default for Mqtt {
    fn default() -> Mqtt {
        Mqtt {
            name: String::new(),
            host: "127.0.0.1".into(),
            port: 1883,
            protocol: Protocol::V5,
            tls: None,
            user: None,
            password: None,
            password_file: None,
            connections: 1,
            client_id: "fenghuo".into(),
            filter: "fire/v1/#".into(),
            group: "fenghuo".into(),
            urgent_filter: "fire/v1/+/+/alarm".into(),
            keep_alive_s: 30,
            session_expiry_s: 604_800,
            receive_window: 1000,
            batch_messages_max: 512,
            packet_limit_bytes: 262_144,
            connect_deadline_ms: 5000,
            back_off_min_ms: 200,
            back_off_max_ms: 30_000,
            unready_after_ms: 10_000,
            drain_deadline_ms: 10_000,
        }
    }
}

/// Why settings are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Names tell brokers apart.
    #[error("[[source.mqtt]] name = {0:?}: give each broker a name of its own, of letters, digits, - and _")]
    Name(String),
    /// A number is out of range.
    #[error("[[source.mqtt]] {name:?}: {key} = {value}: it must be {range}")]
    OutOfRange {
        /// Of the broker.
        name: String,
        /// The setting.
        key: &'static str,
        /// What was given.
        value: u64,
        /// What is taken.
        range: &'static str,
    },
    /// Text that cannot be used, or settings that do not go together.
    #[error("[[source.mqtt]] {name:?}: {what}")]
    Unfit {
        /// Of the broker.
        name: String,
        /// What to change.
        what: String,
    },
    /// [`Embedded::listen`] is not on this machine alone, or has no port.
    #[error(
        "[source.embedded] listen = {0}: rumqttd checks no permissions, so it must be a loopback address with a port, \
         such as 127.0.0.1:1884"
    )]
    Embedded(SocketAddr),
}

impl Settings {
    /// Checks all values.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(&self) -> Result<(), SettingsError> {
        let mut names: Vec<&str> = Vec::new();
        for mqtt in &self.mqtt {
            let word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
            if mqtt.name.is_empty() || !mqtt.name.chars().all(word) || names.contains(&mqtt.name.as_str()) {
                return Err(SettingsError::Name(mqtt.name.clone()));
            }
            names.push(&mqtt.name);
            mqtt.check()?;
        }
        match &self.embedded {
            Some(embedded) if names.contains(&crate::embedded::NAME) => {
                let _ = embedded;
                Err(SettingsError::Name(crate::embedded::NAME.to_owned()))
            }
            Some(embedded) => embedded.check(),
            None => Ok(()),
        }
    }

    /// True if there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.mqtt.is_empty() && self.embedded.is_none()
    }
}

impl Mqtt {
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let limits: [(&'static str, u64, std::ops::RangeInclusive<u64>, &'static str); 9] = [
            ("port", self.port.into(), 1..=65_535, "1 to 65,535"),
            ("connections", self.connections as u64, 1..=64, "1 to 64"),
            ("keep_alive_s", self.keep_alive_s.into(), 5..=65_535, "5 to 65,535 s"),
            ("receive_window", self.receive_window.into(), 1..=65_535, "1 to 65,535 messages"),
            ("batch_messages_max", self.batch_messages_max as u64, 1..=65_536, "1 to 65,536 messages"),
            ("packet_limit_bytes", self.packet_limit_bytes.into(), 1024..=268_435_455, "1024 to 268,435,455 bytes"),
            ("connect_deadline_ms", self.connect_deadline_ms, 100..=600_000, "100 to 600,000 ms"),
            ("back_off_min_ms", self.back_off_min_ms, 10..=600_000, "10 to 600,000 ms"),
            ("back_off_max_ms", self.back_off_max_ms, self.back_off_min_ms..=3_600_000, "back_off_min_ms to an hour"),
        ];
        for (key, value, range, words) in limits {
            if !range.contains(&value) {
                return Err(SettingsError::OutOfRange { name: self.name.clone(), key, value, range: words });
            }
        }
        self.check_texts().map_err(|what| SettingsError::Unfit { name: self.name.clone(), what })
    }

    fn check_texts(&self) -> Result<(), String> {
        if self.host.is_empty() || self.client_id.is_empty() {
            return Err("host and client_id must not be empty".into());
        }
        if self.group.is_empty() || self.group.contains(['/', '+', '#', '\0']) {
            return Err(format!("group = {:?}: it must not be empty nor contain / + #", self.group));
        }
        let filters = [("filter", &self.filter), ("urgent_filter", &self.urgent_filter)];
        for (key, filter) in filters.into_iter().filter(|(key, filter)| *key == "filter" || !filter.is_empty()) {
            if filter.starts_with('$') {
                return Err(format!("{key} = {filter:?}: give the plain filter; sharing is added by `connections`"));
            }
            broker::TopicFilter::parse(filter).map_err(|error| format!("{key} = {filter:?}: {error}"))?;
        }
        if self.password.is_some() && self.password_file.is_some() {
            return Err("password and password_file are both set: keep one".into());
        }
        if self.user.is_none() && (self.password.is_some() || self.password_file.is_some()) {
            return Err("a password without user: set user".into());
        }
        match &self.tls {
            Some(tls) if tls.ca.as_os_str().is_empty() => {
                Err("tls.ca is needed: the broker's CA certificate, PEM".into())
            }
            Some(tls) if tls.certificate.is_some() != tls.key.is_some() => {
                Err("tls.certificate and tls.key go together: set both or none".into())
            }
            _ => Ok(()),
        }
    }

    /// What one of the connections subscribes to.
    pub(crate) fn subscriptions(&self, number: usize) -> Vec<String> {
        if self.connections == 1 {
            return vec![self.filter.clone()];
        }
        let urgent = (number == 1 && !self.urgent_filter.is_empty()).then(|| self.urgent_filter.clone());
        std::iter::once(self.shared()).chain(urgent).collect()
    }

    /// What another configuration of the same session may have left behind.
    pub(crate) fn leftovers(&self, number: usize) -> Vec<String> {
        let wanted = self.subscriptions(number);
        let all = [self.filter.clone(), self.shared(), self.urgent_filter.clone()];
        all.into_iter().filter(|filter| !filter.is_empty() && !wanted.contains(filter)).collect()
    }

    fn shared(&self) -> String {
        format!("$share/{}/{}", self.group, self.filter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Mqtt {
        Mqtt { name: name.into(), ..Mqtt::default() }
    }

    fn refused(change: impl FnOnce(&mut Mqtt)) -> String {
        let mut mqtt = named("plant");
        change(&mut mqtt);
        Settings { mqtt: vec![mqtt], embedded: None }.check().expect_err("refused").to_string()
    }

    #[test]
    fn defaults_with_a_name_will_do() {
        assert_eq!(Settings { mqtt: vec![named("plant"), named("port-2")], embedded: None }.check(), Ok(()));
    }

    #[test]
    fn connections_share_all_and_the_first_also_has_the_urgent_for_itself() {
        let (one, two) = (named("plant"), Mqtt { connections: 2, ..named("plant") });
        let (plain, shared, urgent) = ("fire/v1/#", "$share/fenghuo/fire/v1/#", "fire/v1/+/+/alarm");
        assert_eq!((one.subscriptions(1), one.leftovers(1)), (vec![plain.into()], vec![shared.into(), urgent.into()]));
        assert_eq!((two.subscriptions(1), two.leftovers(1)), (vec![shared.into(), urgent.into()], vec![plain.into()]));
        assert_eq!((two.subscriptions(2), two.leftovers(2)), (vec![shared.into()], vec![plain.into(), urgent.into()]));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_what_to_do() {
        assert!(refused(|mqtt| mqtt.name = "a b".into()).contains("letters"));
        assert!(refused(|mqtt| mqtt.connections = 0).contains("connections = 0"));
        assert!(refused(|mqtt| mqtt.keep_alive_s = 1).contains("keep_alive_s = 1"));
        assert!(refused(|mqtt| mqtt.back_off_max_ms = 1).contains("back_off_max_ms = 1"));
        assert!(refused(|mqtt| mqtt.filter = "fire/#/x".into()).contains("wildcard"));
        assert!(refused(|mqtt| mqtt.filter = "$share/g/fire/#".into()).contains("plain filter"));
        assert!(refused(|mqtt| mqtt.group = "a/b".into()).contains("group"));
        assert!(refused(|mqtt| mqtt.password = Some("x".into())).contains("set user"));
        assert!(refused(|mqtt| mqtt.tls = Some(Tls::default())).contains("tls.ca"));
        let twice = Settings { mqtt: vec![named("a"), named("a")], embedded: None };
        assert_eq!(twice.check(), Err(SettingsError::Name("a".into())));
    }

    #[test]
    fn an_embedded_broker_stays_on_this_machine() {
        let open = Embedded { listen: ([0, 0, 0, 0], 1884).into(), ..Embedded::default() };
        let settings = Settings { mqtt: Vec::new(), embedded: Some(open) };
        assert!(settings.check().expect_err("refused").to_string().contains("loopback"));
    }

    #[test]
    fn settings_read_as_documented() {
        let text = "[[mqtt]]\nname = \"plant\"\nprotocol = \"3.1.1\"\n[mqtt.tls]\nca = \"ca.pem\"\n[embedded]\n";
        let settings: Settings = toml::from_str(text).expect("valid");
        assert_eq!(settings.mqtt[0].protocol, Protocol::V311);
        assert_eq!(settings.embedded, Some(Embedded::default()));
        assert!(toml::from_str::<Settings>("[[mqtt]]\nhots = \"x\"\n").is_err());
    }
}
