//! Every setting of the dispatcher, with unit and default.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use model::Colour;
use serde::{Deserialize, Serialize};

pub use crate::channel::dingtalk::Dingtalk;
pub use crate::channel::email::{Email, Security};
pub use crate::channel::gateway::{BodyFormat, Gateway, GatewayKind, Method};
pub use crate::channel::wecom::Wecom;
pub use crate::wording::{Language, Wording};

/// Settings of the [`crate::Dispatcher`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Hints that may wait, hints: one a commit with new deliveries, one a person who begins to listen. Beyond it the ledger is
    /// read again.
    pub hints_max: usize,
    /// Deliveries that are kept in mind, deliveries; the rest stay in the ledger until there is room. Red may take as many again.
    pub owed_max: usize,
    /// Tries under way at one time, tries. Each channel has an even share of them.
    pub in_flight_max: usize,
    /// Tries under way at one time in one channel, tries.
    pub in_flight_per_channel_max: usize,
    /// Receipts that may wait for the journal, receipts. Beyond it nothing new is sent.
    pub receipts_pending_max: usize,
    /// Time between two readings of the ledger without cause, s.
    pub rescan_every_s: u64,
    /// Time after which a delivery that is done but still owed in the ledger is sent again, s.
    pub settled_kept_s: u64,
    /// Pauses before the first, second… try of a red alert's delivery, s; the last one repeats.
    pub retry_red_s: Vec<u32>,
    /// Pauses before the first, second… try of any other delivery, s; the last one repeats.
    pub retry_s: Vec<u32>,
    /// How much a pause may be longer or shorter by chance, percent.
    pub retry_jitter_pct: u32,
    /// Age at which a red alert's delivery is given up, s; it has been tried once at least.
    pub give_up_red_s: u64,
    /// As above, orange, s.
    pub give_up_orange_s: u64,
    /// As above, other colours, s.
    pub give_up_other_s: u64,
    /// What is owed to a person who begins to listen over MQTT is tried at once; the same delivery not more often than this, s.
    pub listen_retry_every_s: u64,
    /// Longest pause that a receiver may ask for (`Retry-After`), s.
    pub retry_after_max_s: u64,
    /// Time limit of one try of a red alert's delivery, ms.
    pub try_limit_red_ms: u64,
    /// Time limit of one try of any other delivery, ms.
    pub try_limit_ms: u64,
    /// Longest pause between two attempts to journal a receipt, or to read the ledger, ms.
    pub journal_pause_max_ms: u64,
    /// How long tries under way may go on when the dispatcher is shut down, ms.
    pub shutdown_limit_ms: u64,
    /// Messages to one person within any minute, over e-mail, SMS and voice together, messages; 0: without limit. Red is counted
    /// and never held.
    pub person_per_minute: u32,
    /// A channel that failed so often in a row is left alone for a while, tries.
    pub breaker_failures: u32,
    /// How long it is left alone, the first, second… time in a row, s; the last one repeats. Then one try goes ahead of the others.
    pub breaker_open_s: Vec<u32>,
    /// Quiet hours, local time, `hh:mm`: in them, faults and warnings below orange wait. A fire and anything red never do. Both
    /// empty: none.
    pub quiet_from: String,
    /// As above, their end.
    pub quiet_until: String,
    /// Kinds of channels that are quiet then: console, mqtt, webhook, email, dingtalk, wecom, sms, voice.
    pub quiet_kinds: Vec<String>,
    /// Local time is so far ahead of UTC, min.
    pub utc_offset_min: i32,
    /// Key for the tokens by which a gateway names a delivery that a person has confirmed by pressing 1, and for the links in
    /// messages, 32 characters or more; absent: `{callback}` and `{link}` cannot be used.
    #[serde(skip_serializing)]
    pub callback_secret: Option<Secret>,
    /// Texts in place of the built-in ones.
    pub wording: Vec<Wording>,
    /// Webhooks, which people's channels name as `webhook:<name>`.
    pub webhook: Vec<Webhook>,
    /// The mail server, which people's channels name as `email:<address>`; absent: no e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// Robots of DingTalk groups (钉钉), which people's channels name as `dingtalk:<name>`.
    pub dingtalk: Vec<Dingtalk>,
    /// Robots of WeCom groups (企业微信), which people's channels name as `wecom:<name>`.
    pub wecom: Vec<Wecom>,
    /// Gateways to the telephone network, which people's channels name as `<name>` (the person's own number) or
    /// `<name>:<number>`.
    pub gateway: Vec<Gateway>,
}

/// Where signed webhooks go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Name in the channels of people: `webhook:<name>`.
    pub name: String,
    /// Where to post to, `https://…` or `http://…`, without user name and password.
    pub url: String,
    /// Signing secrets, `whsec_` and base64 of 24 to 64 bytes. Each message carries a signature by each, so that a secret can be
    /// replaced while both are known.
    #[serde(skip_serializing)]
    pub secrets: Vec<Secret>,
    /// Whether the address may be private or this machine's own.
    #[serde(default)]
    pub allow_private: bool,
    /// PEM file with certificate authorities that are trusted beside those of this machine; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Messages within any minute, messages; 0: without limit. Default 0.
    #[serde(default)]
    pub per_minute: u32,
}

/// A secret: never printed, never written.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            hints_max: 1024,
            owed_max: 100_000,
            in_flight_max: 256,
            in_flight_per_channel_max: 64,
            receipts_pending_max: 1024,
            rescan_every_s: 300,
            settled_kept_s: 60,
            retry_red_s: vec![0, 1, 2, 4, 8, 16, 30],
            retry_s: vec![0, 5, 30, 120, 600],
            retry_jitter_pct: 20,
            give_up_red_s: 2 * 3600,
            give_up_orange_s: 6 * 3600,
            give_up_other_s: 24 * 3600,
            listen_retry_every_s: 5,
            retry_after_max_s: 600,
            try_limit_red_ms: 5_000,
            try_limit_ms: 15_000,
            journal_pause_max_ms: 5_000,
            shutdown_limit_ms: 3_000,
            person_per_minute: 10,
            breaker_failures: 5,
            breaker_open_s: vec![5, 10, 20, 30],
            quiet_from: "22:00".into(),
            quiet_until: "07:00".into(),
            quiet_kinds: ["email", "dingtalk", "wecom", "sms", "voice"].map(String::from).into(),
            utc_offset_min: 480,
            callback_secret: None,
            wording: Vec::new(),
            webhook: Vec::new(),
            email: None,
            dingtalk: Vec::new(),
            wecom: Vec::new(),
            gateway: Vec::new(),
        }
    }
}

impl Settings {
    /// Time limit of one try.
    pub(crate) fn try_limit(&self, colour: Colour) -> Duration {
        Duration::from_millis(if colour == Colour::Red { self.try_limit_red_ms } else { self.try_limit_ms })
    }

    /// Age at which a delivery is given up.
    pub(crate) fn give_up_ms(&self, colour: Colour) -> u64 {
        let seconds = match colour {
            Colour::Red => self.give_up_red_s,
            Colour::Orange => self.give_up_orange_s,
            Colour::Yellow | Colour::Blue | Colour::Blind => self.give_up_other_s,
        };
        seconds.saturating_mul(1000)
    }
}
