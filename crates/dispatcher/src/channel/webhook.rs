//! Signed webhooks, after the specification Standard Webhooks 1.0 (<https://www.standardwebhooks.com>).
//!
//! `webhook-id` is the delivery's id, the same in every try; any 2xx means taken; 410 means never again; 429 and 503 are heeded
//! together with `Retry-After`; everything else, redirects included, is tried again and not followed.

mod guard;
mod signature;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

use super::{Channel, MqttPublisher, Opened, Outcome, Try};
use crate::dispatcher::StartError;
use crate::settings::{Settings, Webhook};
use guard::Guarded;
use signature::Signer;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Of an answer that is not 2xx, so much is kept for the receipt, bytes.
const ANSWER_BYTES_MAX: usize = 4096;
const ANSWER_CHARS_MAX: usize = 120;
/// Time limit for a connection, ms.
const CONNECT_LIMIT: Duration = Duration::from_secs(4);
/// An idle connection is kept open so long.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
/// Idle connections kept to one destination.
const IDLE_MAX: usize = 8;

struct Hook {
    url: Uri,
    signer: Signer,
    client: Client<HttpsConnector<HttpConnector<Guarded>>, Full<Bytes>>,
}

/// A channel `webhook:<name>` for each webhook of the settings.
pub(crate) fn open(settings: &Settings, _: &Arc<dyn MqttPublisher>) -> Opened {
    let open = |webhook: &Webhook| {
        let hook = Hook::open(webhook).map_err(|reason| StartError::Webhook { name: webhook.name.clone(), reason })?;
        Ok((format!("webhook:{}", webhook.name), Arc::new(hook) as Arc<dyn Channel>))
    };
    settings.webhook.iter().map(open).collect()
}

impl Hook {
    fn open(webhook: &Webhook) -> Result<Hook, String> {
        if webhook.name.is_empty() || webhook.name.contains(|c: char| c == ';' || c.is_whitespace()) {
            return Err("the name must be a word without blanks and semicolons".into());
        }
        let url = guard::check_url(&webhook.url, webhook.allow_private)?;
        let mut http = HttpConnector::new_with_resolver(Guarded { allow_private: webhook.allow_private });
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_LIMIT));
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls(url.scheme_str() == Some("https"))?);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_LIMIT)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(tls.https_or_http().enable_http1().wrap_connector(http));
        Ok(Hook { url, signer: Signer::new(&webhook.secrets)?, client })
    }

    fn request(&self, attempt: Try<'_>) -> Result<Request<Full<Bytes>>, String> {
        let (id, body) = (attempt.delivery.id.as_str(), attempt.message.json());
        let timestamp = attempt.now_ms / 1000;
        let id_value = HeaderValue::from_str(id).map_err(|_| format!("the id {id:?} cannot be a header"))?;
        let signature = HeaderValue::from_str(&self.signer.sign(id, timestamp, &body))
            .map_err(|_| String::from("the signature cannot be a header"))?;
        let mut request = Request::post(self.url.clone())
            .body(Full::new(body))
            .map_err(|error| format!("the request cannot be made: {error}"))?;
        let headers = request.headers_mut();
        headers.insert(ID, id_value);
        headers.insert(TIMESTAMP, HeaderValue::from(timestamp));
        headers.insert(SIGNATURE, signature);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("fenghuo/", env!("CARGO_PKG_VERSION"))));
        Ok(request)
    }
}

/// TLS 1.2 and 1.3, with the certificates that this machine trusts; they are not asked for where no TLS is spoken.
fn tls(wanted: bool) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = if wanted {
        builder
            .with_native_roots()
            .map_err(|error| format!("no certificates that this machine trusts ({error}): install ca-certificates"))?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}

#[async_trait]
impl Channel for Hook {
    async fn send(&self, attempt: Try<'_>) -> Outcome {
        let request = match self.request(attempt) {
            Ok(request) => request,
            Err(reason) => return Outcome::Failed { reason },
        };
        let answer = match self.client.request(request).await {
            Ok(answer) => answer,
            Err(error) => return Outcome::retry(chain(&error)),
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        // an answer that is read to its end leaves the connection usable
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let said = body.map(|body| excerpt(&body.to_bytes())).unwrap_or_default();
        judge(status, &headers, &said)
    }
}

/// What an answer means.
fn judge(status: StatusCode, headers: &HeaderMap, said: &str) -> Outcome {
    let reason = format!("HTTP {}{}{said}", status.as_u16(), if said.is_empty() { "" } else { ": " });
    match status {
        _ if status.is_success() => Outcome::Delivered { reason: format!("HTTP {}", status.as_u16()) },
        StatusCode::GONE => Outcome::Failed { reason: format!("{reason} (gone: the receiver wants no more)") },
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Outcome::Retry { reason, pause: headers.get(RETRY_AFTER).and_then(seconds) }
        }
        _ if status.is_redirection() => {
            let to = headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
            Outcome::retry(format!("{reason} (redirects are not followed; it points to {to}: correct the url)"))
        }
        _ => Outcome::Retry { reason, pause: None },
    }
}

/// `Retry-After` in seconds; its other form, a date, is not heeded.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(ANSWER_CHARS_MAX)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// An error with its causes.
fn chain(error: &Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        headers.insert(LOCATION, HeaderValue::from_static("http://elsewhere/"));
        let judge = |status: u16| super::judge(StatusCode::from_u16(status).unwrap(), &headers, "so");
        for taken in [200, 202, 204] {
            assert!(matches!(judge(taken), Outcome::Delivered { .. }));
        }
        assert!(matches!(judge(410), Outcome::Failed { .. }));
        for later in [429, 503] {
            assert!(matches!(judge(later), Outcome::Retry { pause: Some(pause), .. } if pause.as_secs() == 7));
        }
        for again in [301, 307, 400, 404, 500, 502] {
            assert!(matches!(judge(again), Outcome::Retry { pause: None, .. }), "{again}");
        }
        assert!(matches!(judge(302), Outcome::Retry { reason, .. } if reason.contains("http://elsewhere/")));
        assert_eq!(seconds(&HeaderValue::from_static("Wed, 21 Oct 2015 07:28:00 GMT")), None);
    }
}
