//! Robots of WeCom groups (企业微信群机器人). Only their plain texts can name persons by telephone number, so a red alert goes as
//! text; everything else is Markdown. They may send 20 messages a minute, as those of DingTalk.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::Colour;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::http::Http;
use super::{Channel, Manner, Opened, Outcome, Try, With, check_name, robot};
use crate::dispatcher::StartError;
use crate::settings::Secret;

/// A robot of a WeCom group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wecom {
    /// Name in the channels of people: `wecom:<name>`.
    pub name: String,
    /// Address that WeCom gave, with its `key`.
    #[serde(skip_serializing)]
    pub url: Secret,
    /// Messages within any minute, messages. Default 20; a quarter of them is kept for red.
    #[serde(default = "robot::per_minute")]
    pub per_minute: u32,
    /// Deliveries in one digest at most, deliveries. Default 12.
    #[serde(default = "digest_max")]
    pub digest_max: usize,
    /// Whether persons are named (@) by their telephone numbers in red alerts. Default true.
    #[serde(default = "robot::yes")]
    pub mention: bool,
    /// Numbers in an answer that mean too many messages. Default 45009, 45033.
    #[serde(default = "busy_codes")]
    pub busy_codes: Vec<i64>,
    /// After such an answer the channel rests, s. Default 60.
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
    12
}
fn busy_codes() -> Vec<i64> {
    vec![45_009, 45_033]
}
fn busy_rest_s() -> u64 {
    60
}

/// Bytes of a message in Markdown, and of a plain one.
const MARKDOWN_BYTES_MAX: usize = 4096;
const TEXT_BYTES_MAX: usize = 2048;

struct Robot {
    http: Http,
    settings: Wecom,
}

/// A channel `wecom:<name>` for each robot of the settings.
pub(crate) fn open(with: &With<'_>) -> Opened {
    let open = |robot: &Wecom| {
        let failed = |reason| StartError::Channel { channel: format!("wecom {:?}", robot.name), reason };
        let channel = Robot::open(robot).map_err(failed)?;
        Ok((format!("wecom:{}", robot.name), Arc::new(channel) as Arc<dyn Channel>))
    };
    with.settings.wecom.iter().map(open).collect()
}

impl Robot {
    fn open(settings: &Wecom) -> Result<Robot, String> {
        check_name(&settings.name)?;
        if settings.per_minute == 0 || settings.digest_max == 0 {
            return Err("per_minute and digest_max must be 1 or more".into());
        }
        let http = Http::open(&settings.url.0, settings.allow_private, settings.ca_file.as_deref())?;
        Ok(Robot { http, settings: settings.clone() })
    }
}

#[async_trait]
impl Channel for Robot {
    fn manner(&self) -> Manner {
        let Wecom { per_minute, digest_max, .. } = self.settings;
        Manner { per_minute, digest_max, breaks: true, ..Manner::plain("wecom") }
    }

    async fn send(&self, attempt: Try<'_>) -> Outcome {
        self.send_digest(&[attempt]).await
    }

    async fn send_digest(&self, attempts: &[Try<'_>]) -> Outcome {
        let matter = attempts.first().map(|first| first.delivery.matter);
        let red = attempts.first().is_some_and(|first| first.delivery.about.colour() == Colour::Red);
        let one_matter = attempts.iter().all(|attempt| Some(attempt.delivery.matter) == matter);
        let calls = self.settings.mention && red && one_matter;
        let post = robot::post(attempts, if calls { TEXT_BYTES_MAX } else { MARKDOWN_BYTES_MAX }, calls);
        let body = if calls && !post.phones.is_empty() {
            // the text names them by itself
            let text: Vec<&str> = post.markdown.lines().filter(|line| !line.starts_with('@')).collect();
            let mut text = text.join("\n").replace("#### ", "").replace("> ", "");
            for (name, link) in &post.links {
                text.push_str(&format!("\n{name} 收到：{link}"));
            }
            json!({"msgtype": "text", "text": {"content": text, "mentioned_mobile_list": post.phones}})
        } else {
            json!({"msgtype": "markdown", "markdown": {"content": post.markdown_with_links()}})
        };
        let rest = Duration::from_secs(self.settings.busy_rest_s);
        robot::send(&self.http, self.http.url().clone(), &body, &self.settings.busy_codes, rest, attempts).await
    }
}
