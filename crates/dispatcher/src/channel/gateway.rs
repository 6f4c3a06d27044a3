//! Gateways to the telephone network, SMS or voice, each with the HTTP interface of its operator: what to send is a table of the
//! settings with placeholders, and what an answer means is a value in it.
//!
//! A voice gateway that lets people confirm by pressing 1 gives back the token that `{callback}` stands for; it proves which
//! delivery is meant ([`crate::Handle::confirmed`]).

mod request;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::http::{Answer, Http};
use super::{Channel, Manner, Opened, Outcome, Try, With, check_name, phone};
use crate::callback::Callbacks;
use crate::dispatcher::StartError;
use crate::settings::Secret;
use request::Forms;

/// A gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Name in the channels of people: `<name>` for the person's own number, or `<name>:<number>`.
    pub name: String,
    /// What it carries: `sms` or `voice`.
    pub kind: GatewayKind,
    pub url: String,
    /// `post` or `get`. Default `post`; with `get` the fields of `body` are the query.
    #[serde(default)]
    pub method: Method,
    /// `json` or `form`. Default `json`.
    #[serde(default)]
    pub format: BodyFormat,
    /// Fields of the request. Texts may hold placeholders: `{phone}`, `{text_zh}`, `{text_en}`, `{person}`, `{unit}`, `{address}`,
    /// `{colour}`, `{family}`, `{delivery}` (the same in every try), `{alert}`, `{timestamp}` (s), `{timestamp_ms}`, `{callback}`,
    /// `{link}` (a page with the alert and the button "received"), `{stations}`, `{hydrants}`, `{cameras}`,
    /// `{from_station}` (what is near a fire, to those who command or turn out), and the names in `secrets`. With `form` and `get` every field is a text, a number or true/false.
    pub body: BTreeMap<String, Value>,
    /// Further headers; placeholders as in `body`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Keys that the operator of the gateway gave, by the names of their placeholders.
    #[serde(default, skip_serializing)]
    pub secrets: BTreeMap<String, Secret>,
    /// JSON pointer (RFC 6901) to the value in the answer that says how it went: `/code`; absent: any 2xx is success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_pointer: Option<String>,
    /// Values there that mean success, as text. Default `["0"]`.
    #[serde(default = "success_values")]
    pub success_values: Vec<String>,
    /// Values there that mean never: no such number, refused. Default none.
    #[serde(default)]
    pub failed_values: Vec<String>,
    /// Values there that mean too many messages. Default none.
    #[serde(default)]
    pub busy_values: Vec<String>,
    /// After such an answer the channel rests, s. Default 60.
    #[serde(default = "busy_rest_s")]
    pub busy_rest_s: u64,
    /// Secret for a signature: HMAC-SHA256 over `timestamp.body` in hexadecimal, in `x-signature`, with `x-timestamp` (s); absent:
    /// none.
    #[serde(default, skip_serializing)]
    pub sign_secret: Option<Secret>,
    /// Messages within any minute, messages; 0: without limit. Default 60; a quarter of them is kept for red.
    #[serde(default = "per_minute")]
    pub per_minute: u32,
    /// Whether the address may be private or this machine's own. Default false.
    #[serde(default)]
    pub allow_private: bool,
    /// PEM file with certificate authorities that are trusted beside those of this machine; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// What a gateway carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayKind {
    Sms,
    Voice,
}

/// How a gateway is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    #[default]
    Post,
    Get,
}

/// How the fields of a request are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyFormat {
    #[default]
    Json,
    Form,
}

fn success_values() -> Vec<String> {
    vec!["0".into()]
}
fn busy_rest_s() -> u64 {
    60
}
fn per_minute() -> u32 {
    60
}

struct Line {
    http: Http,
    forms: Forms,
    settings: Gateway,
}

/// A channel `<name>` for each gateway of the settings.
pub(crate) fn open(with: &With<'_>) -> Opened {
    let open = |gateway: &Gateway| {
        let failed = |reason| StartError::Channel { channel: format!("gateway {:?}", gateway.name), reason };
        let line = Line::open(gateway, with.callbacks.cloned()).map_err(failed)?;
        Ok((gateway.name.clone(), Arc::new(line) as Arc<dyn Channel>))
    };
    with.settings.gateway.iter().map(open).collect()
}

impl Line {
    fn open(settings: &Gateway, callbacks: Option<Callbacks>) -> Result<Line, String> {
        check_name(&settings.name)?;
        if settings.success_pointer.as_ref().is_some_and(|pointer| !pointer.starts_with('/')) {
            return Err("success_pointer must begin with /, as in /code".into());
        }
        if settings.success_pointer.is_none() && !(settings.failed_values.is_empty() && settings.busy_values.is_empty())
        {
            return Err("failed_values and busy_values need a success_pointer that says where to look".into());
        }
        Ok(Line {
            http: Http::open(&settings.url, settings.allow_private, settings.ca_file.as_deref())?,
            forms: Forms::new(settings, callbacks)?,
            settings: settings.clone(),
        })
    }

    fn judge(&self, answer: &Answer, now_ms: u64) -> Outcome {
        if !answer.status.is_success() {
            return answer.refused(now_ms);
        }
        let Some(pointer) = &self.settings.success_pointer else {
            return Outcome::Delivered { reason: format!("the gateway took it: HTTP {}", answer.status.as_u16()) };
        };
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let value = match said.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => return Outcome::retry(format!("{} (it has no {pointer})", answer.words())),
        };
        let is_in = |values: &[String]| values.contains(&value);
        if is_in(&self.settings.success_values) {
            Outcome::Delivered { reason: format!("the gateway took it: {pointer} = {value}") }
        } else if is_in(&self.settings.failed_values) {
            Outcome::Failed { reason: format!("the gateway refuses it: {}", answer.words()) }
        } else if is_in(&self.settings.busy_values) {
            Outcome::busy(answer.words(), Some(Duration::from_secs(self.settings.busy_rest_s)))
        } else {
            Outcome::retry(answer.words())
        }
    }
}

#[async_trait]
impl Channel for Line {
    fn manner(&self) -> Manner {
        let kind = match self.settings.kind {
            GatewayKind::Sms => "sms",
            GatewayKind::Voice => "voice",
        };
        let per_minute = self.settings.per_minute;
        Manner { per_minute, target: true, breaks: true, to_person: true, ..Manner::plain(kind) }
    }

    async fn send(&self, attempt: Try<'_>) -> Outcome {
        let request = phone(&attempt).and_then(|phone| self.forms.request(self.http.url(), &attempt, phone));
        let request = match request {
            Ok(request) => request,
            Err(reason) => return Outcome::Failed { reason },
        };
        match self.http.send(request, self.settings.success_pointer.is_some()).await {
            Ok(answer) => self.judge(&answer, attempt.now_ms),
            Err(reason) => Outcome::retry(reason),
        }
    }
}
