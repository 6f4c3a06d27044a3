//! Configuration: one TOML file, read once. Each stage's settings stand in its own crate, with unit and default.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::auditor::{Auditor, Heartbeat};

/// Everything that can be set. deploy/fenghuo.toml shows every key with its default.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub station: Station,
    pub mqtt: broker::Settings,
    pub mqtt_access: MqttAccess,
    pub source: source::Settings,
    pub ingest: ingest::Settings,
    pub store: store::Settings,
    pub evaluator: evaluator::Settings,
    pub dispatcher: dispatcher::Settings,
    pub http: command_centre::Settings,
    pub feed: crate::push::Settings,
    pub auditor: Auditor,
    pub heartbeat: Heartbeat,
}

/// What no stage owns.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Station {
    /// Folder of the store; made when absent.
    pub data: PathBuf,
    /// Folder of the roster's CSV files and credentials.csv.
    pub roster: PathBuf,
    /// Settings of the detection rules; absent: the defaults.
    pub rules: Option<PathBuf>,
    /// New rules must find the fires that people verified as real within so many days, or they are not loaded, days. 0: none.
    pub rules_gate_days: u32,
    /// The record of those fires is judged for so long, the newest first, s.
    pub rules_gate_limit_s: u64,
    /// Ladder of the alerts; absent: the default policy.
    pub policy: Option<PathBuf>,
    /// "text" or "json".
    pub log_format: LogFormat,
    /// As tracing's filter: "info", "info,broker=debug". The variable FENGHUO_LOG wins.
    pub log: String,
    /// Old journal days, feed events and quarantine are trimmed so often, s.
    pub retention_every_s: u64,
    /// A stage that does not end within so long at shutdown is left behind, ms.
    pub shutdown_limit_ms: u64,
    /// Whether vendors whose row of credentials.csv says `register=yes` may register devices over HTTP.
    pub self_registration: bool,
    /// Devices that one vendor may register in a day (UTC).
    pub self_registrations_per_day: u32,
}

/// Who comes in at the MQTT listener, and what is kept of those who were refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MqttAccess {
    /// Credential (of kind client) that clients without user name get; absent: they are refused.
    pub anonymous: Option<Box<str>>,
    /// credentials.csv is looked at so often, s; a change is in force at once. 0: only SIGHUP and the API load it.
    pub credentials_reload_s: u64,
    /// Sessions that a credential of kind device may have; one more ends the oldest that is away.
    pub sessions_per_device: usize,
    /// Newest refusals kept of each vendor.
    pub refusals_per_vendor: usize,
    /// Vendors whose refusals are kept apart; those of more are filed under `unknown`.
    pub refusal_vendors_max: usize,
    /// The log tells of refusals of one identity once in so many seconds.
    pub refusal_log_every_s: u64,
    /// Identities whose last line in the log is remembered; those beyond share one.
    pub refusal_log_identities_max: usize,
}

impl Default for MqttAccess {
    fn default() -> Self {
        MqttAccess {
            anonymous: None,
            credentials_reload_s: 2,
            sessions_per_device: 16,
            refusals_per_vendor: 200,
            refusal_vendors_max: 256,
            refusal_log_every_s: 60,
            refusal_log_identities_max: 4096,
        }
    }
}

impl MqttAccess {
    fn check(&self) -> Result<(), String> {
        let positive = [
            ("sessions_per_device", self.sessions_per_device),
            ("refusals_per_vendor", self.refusals_per_vendor),
            ("refusal_vendors_max", self.refusal_vendors_max),
            ("refusal_log_identities_max", self.refusal_log_identities_max),
        ];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => Err(format!("{key} = 0 is out of range: use 1 or more")),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for Station {
    fn default() -> Self {
        Station {
            data: "data/store".into(),
            roster: "data/roster".into(),
            rules: None,
            policy: None,
            rules_gate_days: 30,
            rules_gate_limit_s: 60,
            log_format: LogFormat::Text,
            log: "info".into(),
            retention_every_s: 600,
            shutdown_limit_ms: 20_000,
            self_registration: false,
            self_registrations_per_day: 1000,
        }
    }
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path} cannot be read: {reason}")]
    Unreadable { path: String, reason: std::io::Error },
    #[error("{path}: {reason}{suggestion}")]
    Invalid { path: String, reason: String, suggestion: String },
}

impl Config {
    /// Reads the file. Paths in it are relative to the working folder.
    ///
    /// # Errors
    /// Unknown keys (with the nearest known one), wrong types, values out of range.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let shown = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|reason| ConfigError::Unreadable { path: shown.clone(), reason })?;
        Config::parse(&text).map_err(|error| match error {
            ConfigError::Invalid { reason, suggestion, .. } => ConfigError::Invalid { path: shown, reason, suggestion },
            other => other,
        })
    }

    /// As [`Config::read`], from text.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        let invalid = |reason: String| {
            let suggestion = nearest_key(&reason).map_or_else(String::new, |key| format!("\ndid you mean `{key}`?"));
            ConfigError::Invalid { path: "configuration".into(), reason, suggestion }
        };
        let config: Config = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        config.mqtt.check().map_err(|error| invalid(format!("[mqtt] {error}")))?;
        config.mqtt_access.check().map_err(|error| invalid(format!("[mqtt_access] {error}")))?;
        config.auditor.check().map_err(|error| invalid(format!("[auditor] {error}")))?;
        config.source.check().map_err(|error| invalid(error.to_string()))?;
        config.feed.check().map_err(|error| invalid(format!("[feed] {error}")))?;
        Ok(config)
    }
}

/// From serde's "unknown field `a`, expected one of `b`, `c`": the known name nearest to the unknown one.
pub fn nearest_key(message: &str) -> Option<&str> {
    let message = &message[message.find("unknown field")?..];
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    quoted
        .map(|known| (strsim::damerau_levenshtein(unknown, known), known))
        .min()
        .filter(|(far, _)| *far <= 4)
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest() {
        let error = Config::parse("[station]\nlog_fromat = \"json\"\n").expect_err("unknown").to_string();
        assert!(error.contains("line 2") && error.ends_with("did you mean `log_format`?"), "{error}");
    }

    #[test]
    fn a_value_out_of_range_is_refused() {
        let error = Config::parse("[mqtt]\nreceive_maximum = 0\n").expect_err("zero").to_string();
        assert!(error.contains("receive_maximum = 0"), "{error}");
    }

    /// deploy/fenghuo.toml is documentation that must stay true: every key, each with its default.
    #[test]
    fn the_annotated_file_shows_every_key_with_its_default() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/fenghuo.toml");
        let shown: toml::Table = std::fs::read_to_string(path).expect("readable").parse().expect("TOML");
        let defaults = toml::Table::try_from(Config::default()).expect("serialises");
        let mut faults = Vec::new();
        compare("", &toml::Value::Table(defaults), &toml::Value::Table(shown), &mut faults);
        assert!(faults.is_empty(), "deploy/fenghuo.toml:\n{}", faults.join("\n"));
    }

    #[test]
    fn the_annotated_rules_and_policy_are_the_defaults() {
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
        let read = |name: &str| std::fs::read_to_string(deploy.join(name)).expect("readable");
        let shown: toml::Table = read("rules.toml").parse().expect("TOML");
        let defaults: toml::Table = evaluator::Rules::default().to_toml().parse().expect("TOML");
        let mut faults = Vec::new();
        compare("", &toml::Value::Table(defaults), &toml::Value::Table(shown), &mut faults);
        assert!(faults.is_empty(), "deploy/rules.toml:\n{}", faults.join("\n"));
        assert!(
            read("policy.toml") == alerts::DEFAULT_POLICY,
            "deploy/policy.toml: `fenghuo defaults policy` writes it anew"
        );
    }

    fn compare(at: &str, default: &toml::Value, shown: &toml::Value, faults: &mut Vec<String>) {
        match (default, shown) {
            (toml::Value::Table(default), toml::Value::Table(shown)) => {
                for (key, value) in default {
                    match shown.get(key) {
                        Some(shown) => compare(&format!("{at}.{key}"), value, shown, faults),
                        None => faults.push(format!("{at}.{key} is missing, default {value}")),
                    }
                }
                for key in shown.keys().filter(|key| !default.contains_key(*key)) {
                    faults.push(format!("{at}.{key} is no setting"));
                }
            }
            _ if default != shown => faults.push(format!("{at} shows {shown}, default {default}")),
            _ => {}
        }
    }
}
