//! Robots of DingTalk groups (钉钉自定义机器人): Markdown, a signature by time, persons named by their telephone numbers.
//!
//! A robot may send 20 messages a minute and is blocked for ten minutes when it sends more. So red goes first, and what does not
//! fit is gathered in digests.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use hyper::Uri;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;

use super::http::{Http, form, with_query};
use super::{Channel, Manner, Opened, Outcome, Try, With, check_name, robot};
use crate::dispatcher::StartError;
use crate::settings::Secret;

/// A robot of a DingTalk group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dingtalk {
    /// Name in the channels of people: `dingtalk:<name>`.
    pub name: String,
    /// Address that DingTalk gave, with its `access_token`.
    #[serde(skip_serializing)]
    pub url: Secret,
    /// Secret for signing (加签), `SEC…`; absent: the robot is protected by keyword or address.
    #[serde(default, skip_serializing)]
    pub secret: Option<Secret>,
    /// Messages within any minute, messages. Default 20; a quarter of them is kept for red.
    #[serde(default = "robot::per_minute")]
    pub per_minute: u32,
    /// Deliveries in one digest at most, deliveries. Default 40.
    #[serde(default = "digest_max")]
    pub digest_max: usize,
    /// Whether persons are named (@) by their telephone numbers. Default true.
    #[serde(default = "robot::yes")]
    pub mention: bool,
    /// Numbers in an answer that mean too many messages. Default 130101, 410100, 302033, 90030.
    #[serde(default = "busy_codes")]
    pub busy_codes: Vec<i64>,
    /// After such an answer the channel rests, s. Default 600.
    #[serde(default = "busy_rest_s")]
    pub busy_rest_s: u64,
    /// Whether the address may be private or this machine's own. Default false.
    #[serde(default)]
    pub allow_private: bool,
    /// PEM file with certificate authorities that are trusted beside those of this machine; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

fn digest_max() -> usize {
    40
}
fn busy_codes() -> Vec<i64> {
    vec![130_101, 410_100, 302_033, 90_030]
}
fn busy_rest_s() -> u64 {
    600
}

/// Bytes of a message.
const BYTES_MAX: usize = 15_000;

struct Robot {
    http: Http,
    key: Option<(String, Hmac<Sha256>)>,
    settings: Dingtalk,
}

/// A channel `dingtalk:<name>` for each robot of the settings.
pub(crate) fn open(with: &With<'_>) -> Opened {
    let open = |robot: &Dingtalk| {
        let failed = |reason| StartError::Channel { channel: format!("dingtalk {:?}", robot.name), reason };
        let channel = Robot::open(robot).map_err(failed)?;
        Ok((format!("dingtalk:{}", robot.name), Arc::new(channel) as Arc<dyn Channel>))
    };
    with.settings.dingtalk.iter().map(open).collect()
}

impl Robot {
    fn open(settings: &Dingtalk) -> Result<Robot, String> {
        check_name(&settings.name)?;
        if settings.per_minute == 0 || settings.digest_max == 0 {
            return Err("per_minute and digest_max must be 1 or more".into());
        }
        let key = |secret: &Secret| match Hmac::new_from_slice(secret.0.as_bytes()) {
            Ok(key) if !secret.0.is_empty() => Ok((secret.0.clone(), key)),
            _ => Err(String::from("the secret is empty: leave it out where the robot does not sign")),
        };
        Ok(Robot {
            http: Http::open(&settings.url.0, settings.allow_private, settings.ca_file.as_deref())?,
            key: settings.secret.as_ref().map(key).transpose()?,
            settings: settings.clone(),
        })
    }

    /// The address with time and signature: base64 of HMAC-SHA256 over `time\nsecret`, with the secret as key.
    fn signed(&self, now_ms: u64) -> Result<Uri, String> {
        let Some((secret, key)) = &self.key else { return Ok(self.http.url().clone()) };
        let mut mac = key.clone();
        mac.update(format!("{now_ms}\n{secret}").as_bytes());
        let sign = STANDARD.encode(mac.finalize().into_bytes());
        with_query(self.http.url(), &form(&[("timestamp".into(), now_ms.to_string()), ("sign".into(), sign)]))
    }
}

#[async_trait]
impl Channel for Robot {
    fn manner(&self) -> Manner {
        let Dingtalk { per_minute, digest_max, .. } = self.settings;
        Manner { per_minute, digest_max, breaks: true, ..Manner::plain("dingtalk") }
    }

    async fn send(&self, attempt: Try<'_>) -> Outcome {
        self.send_digest(&[attempt]).await
    }

    async fn send_digest(&self, attempts: &[Try<'_>]) -> Outcome {
        let post = robot::post(attempts, BYTES_MAX, self.settings.mention);
        let body = json!({
            "msgtype": "markdown",
            "markdown": {"title": post.title, "text": post.markdown_with_links()},
            "at": {"atMobiles": post.phones, "isAtAll": false},
        });
        let url = match self.signed(attempts.first().map_or(0, |attempt| attempt.now_ms)) {
            Ok(url) => url,
            Err(reason) => return Outcome::Failed { reason },
        };
        let rest = Duration::from_secs(self.settings.busy_rest_s);
        robot::send(&self.http, url, &body, &self.settings.busy_codes, rest, attempts).await
    }
}
