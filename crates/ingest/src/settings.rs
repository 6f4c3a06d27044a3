//! Every limit of this room with its default and unit.

use serde::{Deserialize, Serialize};

/// Limits of the ingest stage. Unknown keys are refused; a missing key takes its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Messages of one lane that go into one commit; the batch that reaches it goes in whole. Default 8,192.
    pub batch_messages_max: usize,
    /// Payload bytes of one lane that go into one commit; the batch that reaches it goes in whole. Default 4,194,304.
    pub batch_bytes_max: usize,
    /// Time between two ticks, milliseconds. An idle station commits at each. Default 1,000.
    pub tick_ms: u64,
    /// Submissions (commands, receipts, roster changes…) that wait for a commit. Default 1,024.
    pub submissions_queue: usize,
    /// Payload of a telemetry, event or state message, bytes. Default 16,384.
    pub payload_bytes_max: usize,
    /// Payload of an alarm, bytes; larger because an alarm is worth it. Default 65,536.
    pub alarm_payload_bytes_max: usize,
    /// Values in one telemetry message. Default 64.
    pub values_per_message_max: usize,
    /// An alarm or event with an id that the device used within this time is a repetition, seconds. Default 86,400.
    pub duplicate_id_within_s: u64,
    /// Telemetry with a `seq` that the device used within this time is a repetition, seconds. Short, because a device
    /// that restarts counts from the beginning again. Default 60.
    pub duplicate_seq_within_s: u64,
    /// Time between two checkpoints of what admission remembers, seconds. Default 10.
    pub checkpoint_every_s: u64,
    /// First wait after a failed append, milliseconds; doubles up to `append_retry_max_ms`. Default 50.
    pub append_retry_min_ms: u64,
    /// Longest wait between two attempts of an append, milliseconds. Default 2,000.
    pub append_retry_max_ms: u64,
    /// Bytes of a quarantined payload that are kept. Default 16,384.
    pub quarantine_payload_bytes_max: usize,
    /// Quarantine records a second that one sender may cause for long; beyond it they are counted. Default 10.
    pub quarantine_sender_per_s: u64,
    /// Quarantine records that one sender may cause at once. Default 100.
    pub quarantine_sender_burst: u64,
    /// Quarantine records a second that all senders together may cause for long. Default 200.
    pub quarantine_total_per_s: u64,
    /// Quarantine records that all senders together may cause at once. Default 2,000.
    pub quarantine_total_burst: u64,
    /// Time between two records that say how many messages of a sender were counted only, seconds. Default 60.
    pub quarantine_summary_every_s: u64,
    /// Senders whose quarantine rate is watched at a time; more share one allowance. Default 10,000.
    pub quarantine_senders_max: usize,
    /// The same flaw of the same device is written to the quarantine once in so many seconds. Default 86,400.
    pub flaw_repeat_after_s: u64,
    /// Flaws of devices that are remembered, so that each is told once. Default 65,536.
    pub flaws_remembered_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            batch_messages_max: 8_192,
            batch_bytes_max: 4 * 1024 * 1024,
            tick_ms: 1_000,
            submissions_queue: 1_024,
            payload_bytes_max: 16 * 1024,
            alarm_payload_bytes_max: 64 * 1024,
            values_per_message_max: 64,
            duplicate_id_within_s: 86_400,
            duplicate_seq_within_s: 60,
            checkpoint_every_s: 10,
            append_retry_min_ms: 50,
            append_retry_max_ms: 2_000,
            quarantine_payload_bytes_max: 16 * 1024,
            quarantine_sender_per_s: 10,
            quarantine_sender_burst: 100,
            quarantine_total_per_s: 200,
            quarantine_total_burst: 2_000,
            quarantine_summary_every_s: 60,
            quarantine_senders_max: 10_000,
            flaw_repeat_after_s: 86_400,
            flaws_remembered_max: 65_536,
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
            ("batch_messages_max", self.batch_messages_max as u64),
            ("batch_bytes_max", self.batch_bytes_max as u64),
            ("tick_ms", self.tick_ms),
            ("submissions_queue", self.submissions_queue as u64),
            ("payload_bytes_max", self.payload_bytes_max as u64),
            ("alarm_payload_bytes_max", self.alarm_payload_bytes_max as u64),
            ("values_per_message_max", self.values_per_message_max as u64),
            ("checkpoint_every_s", self.checkpoint_every_s),
            ("append_retry_min_ms", self.append_retry_min_ms),
            ("quarantine_sender_per_s", self.quarantine_sender_per_s),
            ("quarantine_sender_burst", self.quarantine_sender_burst),
            ("quarantine_total_per_s", self.quarantine_total_per_s),
            ("quarantine_total_burst", self.quarantine_total_burst),
        ];
        if let Some((key, value)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(SettingsError { key, value, range: "1 or more" });
        }
        if self.append_retry_max_ms < self.append_retry_min_ms {
            let value = self.append_retry_max_ms;
            return Err(SettingsError { key: "append_retry_max_ms", value, range: "append_retry_min_ms or more" });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_range_and_unknown_keys_are_refused() {
        assert_eq!(Settings::default().check(), Ok(()));
        let some: Settings = serde_json::from_str(r#"{"tick_ms": 7}"#).expect("a key alone is enough");
        assert_eq!(some, Settings { tick_ms: 7, ..Settings::default() });
        let error = serde_json::from_str::<Settings>(r#"{"tick_s": 7}"#).expect_err("no such key");
        assert!(error.to_string().contains("tick_s"), "{error}");
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_name() {
        let error = Settings { tick_ms: 0, ..Settings::default() }.check().expect_err("zero");
        assert_eq!(error.key, "tick_ms");
        let error = Settings { append_retry_max_ms: 1, ..Settings::default() }.check().expect_err("below the first");
        assert_eq!(error.key, "append_retry_max_ms");
    }
}
