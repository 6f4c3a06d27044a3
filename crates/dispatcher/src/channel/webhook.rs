//! Signed webhooks, after the specification Standard Webhooks 1.0 (<https://www.standardwebhooks.com>).
//!
//! `webhook-id` is the delivery's id, the same in every try; any 2xx means taken; 429, 502, 503 and 504 are heeded together with
//! `Retry-After`; everything else, redirects included, is tried again and not followed. After a 410 nothing more is sent until
//! the settings are changed and the station is started anew.

mod post;
mod signature;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};

use super::http::{Answer, Http};
use super::{Channel, Manner, Opened, Outcome, Try, With, check_name};
use crate::dispatcher::StartError;
use crate::settings::Webhook;
pub use post::{Posted, SignedPost};
use signature::Signer;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

struct Hook {
    name: String,
    http: Http,
    signer: Signer,
    per_minute: u32,
    /// Since the receiver answered 410.
    gone: OnceLock<()>,
}

/// A channel `webhook:<name>` for each webhook of the settings.
pub(crate) fn open(with: &With<'_>) -> Opened {
    let open = |webhook: &Webhook| {
        let failed = |reason| StartError::Channel { channel: format!("webhook {:?}", webhook.name), reason };
        let hook = Hook::open(webhook).map_err(failed)?;
        Ok((format!("webhook:{}", webhook.name), Arc::new(hook) as Arc<dyn Channel>))
    };
    with.settings.webhook.iter().map(open).collect()
}

impl Hook {
    fn open(webhook: &Webhook) -> Result<Hook, String> {
        check_name(&webhook.name)?;
        Ok(Hook {
            name: webhook.name.clone(),
            http: Http::open(&webhook.url, webhook.allow_private, webhook.ca_file.as_deref())?,
            signer: Signer::new(&webhook.secrets)?,
            per_minute: webhook.per_minute,
            gone: OnceLock::new(),
        })
    }

    fn request(&self, attempt: Try<'_>) -> Result<Request<Full<Bytes>>, String> {
        let (id, body) = (attempt.delivery.id.as_str(), attempt.message.json());
        signed(&self.http, &self.signer, id, HeaderValue::from_static("application/json"), body, attempt.now_ms)
    }

    fn judge(&self, answer: &Answer, now_ms: u64) -> Outcome {
        match answer.status {
            status if status.is_success() => Outcome::Delivered { reason: format!("HTTP {}", status.as_u16()) },
            StatusCode::GONE => {
                if self.gone.set(()).is_ok() {
                    metrics::gauge!("fenghuo_dispatcher_webhook_gone", "webhook" => self.name.clone()).set(1.0);
                    tracing::warn!(
                        webhook = self.name,
                        "the receiver answered 410 Gone: nothing more is sent to it until the settings are changed and the \
                         station is started anew"
                    );
                }
                Outcome::Failed { reason: format!("{} ({GONE})", answer.words()) }
            }
            _ => answer.refused(now_ms),
        }
    }
}

/// A signed request.
fn signed(
    http: &Http,
    signer: &Signer,
    id: &str,
    content_type: HeaderValue,
    body: Bytes,
    now_ms: u64,
) -> Result<Request<Full<Bytes>>, String> {
    let timestamp = now_ms / 1000;
    let id_value = HeaderValue::from_str(id).map_err(|_| format!("the id {id:?} cannot be a header"))?;
    let signature = HeaderValue::from_str(&signer.sign(id, timestamp, &body))
        .map_err(|_| String::from("the signature cannot be a header"))?;
    let mut request = Request::post(http.url().clone())
        .body(Full::new(body))
        .map_err(|error| format!("the request cannot be made: {error}"))?;
    let headers = request.headers_mut();
    headers.insert(ID, id_value);
    headers.insert(TIMESTAMP, HeaderValue::from(timestamp));
    headers.insert(SIGNATURE, signature);
    headers.insert(CONTENT_TYPE, content_type);
    Ok(request)
}

const GONE: &str = "gone: the receiver wants no more; correct or remove the webhook in the settings and start anew";

#[async_trait]
impl Channel for Hook {
    fn manner(&self) -> Manner {
        Manner { per_minute: self.per_minute, breaks: true, ..Manner::plain("webhook") }
    }

    async fn send(&self, attempt: Try<'_>) -> Outcome {
        if self.gone.get().is_some() {
            return Outcome::Failed { reason: format!("not sent after an earlier HTTP 410 ({GONE})") };
        }
        let request = match self.request(attempt) {
            Ok(request) => request,
            Err(reason) => return Outcome::Failed { reason },
        };
        match self.http.send(request, false).await {
            Ok(answer) => self.judge(&answer, attempt.now_ms),
            Err(reason) => Outcome::retry(reason),
        }
    }
}
