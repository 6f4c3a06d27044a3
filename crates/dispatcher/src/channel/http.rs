//! One HTTP request at a time for every channel that speaks HTTP: no redirects, no address that the settings do not permit, so
//! much of an answer and no more.

mod guard;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::Outcome;
use guard::Guarded;

/// So much of an answer is read, bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Buffer for the head of an answer, bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Of an answer, so much stands in a receipt, characters.
const ANSWER_CHARS_MAX: usize = 120;
/// Time limit for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(4);
/// The body of an answer whose status says enough is waited for so long.
const BODY_LIMIT: Duration = Duration::from_secs(1);
/// An idle connection is kept open so long.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
/// Idle connections kept to one destination: as many as a channel has places, else a storm opens and closes one for most of its
/// messages.
const IDLE_MAX: usize = 64;

/// Where a channel's requests go.
pub(super) struct Http {
    url: Uri,
    client: Client<HttpsConnector<HttpConnector<Guarded>>, Full<Bytes>>,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Http {
    /// # Errors
    /// A URL that cannot be used, a file of certificates that cannot be read.
    pub(super) fn open(url: &str, allow_private: bool, ca_file: Option<&Path>) -> Result<Http, String> {
        let url = guard::check_url(url, allow_private)?;
        let mut http = HttpConnector::new_with_resolver(Guarded { allow_private });
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_LIMIT));
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls(url.scheme_str() == Some("https"), ca_file)?);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_LIMIT)
            .pool_max_idle_per_host(IDLE_MAX)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(tls.https_or_http().enable_http1().wrap_connector(http));
        Ok(Http { url, client })
    }

    pub(super) fn url(&self) -> &Uri {
        &self.url
    }

    /// Sends a request. An answer that is longer than what is read of it has no body; where the status is that of success and
    /// `body_matters` not, the body is waited for only a moment.
    ///
    /// # Errors
    /// Why there was no answer, in words.
    pub(super) async fn send(&self, mut request: Request<Full<Bytes>>, body_matters: bool) -> Result<Answer, String> {
        let agent = HeaderValue::from_static(concat!("fenghuo/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().entry(USER_AGENT).or_insert(agent);
        let answer = self.client.request(request).await.map_err(|error| chain(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        // an answer that is read to its end leaves the connection usable
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect();
        let body = if body_matters {
            body.await
                .map_err(|error| format!("HTTP {}, and the answer broke off: {error}", status.as_u16()))?
                .to_bytes()
        } else {
            timeout(BODY_LIMIT, body).await.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default()
        };
        Ok(Answer { status, headers, body })
    }
}

impl Answer {
    /// `HTTP 200: what it says`, for a receipt.
    pub(super) fn words(&self) -> String {
        let said = excerpt(&String::from_utf8_lossy(&self.body));
        format!("HTTP {}{}{said}", self.status.as_u16(), if said.is_empty() { "" } else { ": " })
    }

    /// What an answer without success means: too many requests and a server that is overloaded ask for a pause, redirects are
    /// not followed.
    pub(super) fn refused(&self, now_ms: u64) -> Outcome {
        let reason = self.words();
        match self.status {
            StatusCode::TOO_MANY_REQUESTS => Outcome::busy(reason, self.retry_after(now_ms)),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                Outcome::Retry { reason, pause: self.retry_after(now_ms), channel_works: false }
            }
            status if status.is_redirection() => {
                let to = self.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
                Outcome::retry(format!("{reason} (redirects are not followed; it points to {to}: correct the url)"))
            }
            _ => Outcome::retry(reason),
        }
    }

    /// `Retry-After`, seconds or a date.
    fn retry_after(&self, now_ms: u64) -> Option<Duration> {
        let value = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = httpdate::parse_http_date(value).ok()?;
        let since_1970 = date.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(since_1970.saturating_sub(Duration::from_millis(now_ms)))
    }
}

/// Some of what was said, on one line.
pub(super) fn excerpt(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(ANSWER_CHARS_MAX).collect();
    line.trim().to_owned()
}

/// TLS 1.2 and 1.3, with the certificates that this machine trusts and those of a file; they are not asked for where no TLS is
/// spoken.
fn tls(wanted: bool, ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    if wanted {
        for certificate in authorities(ca_file)? {
            roots.add(certificate).map_err(|error| format!("the ca_file holds no usable certificate: {error}"))?;
        }
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        if roots.is_empty() {
            return Err("no certificates that this machine trusts: install ca-certificates".into());
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The certificates of a PEM file.
pub(super) fn authorities(ca_file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, String> {
    let Some(path) = ca_file else { return Ok(Vec::new()) };
    let failed = |error| format!("the ca_file {}: {error}", path.display());
    let read = CertificateDer::pem_file_iter(path).and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>());
    let certificates = read.map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() { Err(failed("it holds no certificate".into())) } else { Ok(certificates) }
}

/// `application/x-www-form-urlencoded`, also for the query of a URL.
pub(super) fn form(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{}={}", percent(key), percent(value))).collect();
    pairs.join("&")
}

fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A URL with something more in its query.
pub(super) fn with_query(url: &Uri, more: &str) -> Result<Uri, String> {
    let text = url.to_string();
    let sign = if url.query().is_some() { '&' } else { '?' };
    format!("{text}{sign}{more}").parse().map_err(|error| format!("the url with its query cannot be read: {error}"))
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

    const NOW_MS: u64 = 1_445_412_480_000; // Wed, 21 Oct 2015 07:28:00 GMT

    fn answer(status: u16, retry_after: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(retry_after));
        headers.insert(LOCATION, HeaderValue::from_static("http://elsewhere/"));
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: Bytes::from_static(b"so\n") }
    }

    #[test]
    fn pauses_are_read_in_seconds_and_as_dates() {
        for (value, expected_s) in [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30)),
            ("Wednesday, 21-Oct-15 07:28:30 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            for status in [429, 502, 503, 504] {
                let outcome = answer(status, value).refused(NOW_MS);
                let Outcome::Retry { pause, reason, channel_works } = outcome else { panic!("{status}") };
                assert_eq!(pause, expected_s.map(Duration::from_secs), "{value}");
                assert_eq!((reason, channel_works), (format!("HTTP {status}: so"), status == 429));
            }
        }
        for status in [301, 307, 400, 404, 500] {
            assert!(matches!(answer(status, "7").refused(0), Outcome::Retry { pause: None, .. }), "{status}");
        }
        assert!(
            matches!(answer(302, "").refused(0), Outcome::Retry { reason, .. } if reason.contains("http://elsewhere/"))
        );
    }

    #[test]
    fn queries_are_encoded() {
        let pairs = [("a b".to_owned(), "1+1=2&".to_owned()), ("字".to_owned(), "~".to_owned())];
        assert_eq!(form(&pairs), "a%20b=1%2B1%3D2%26&%E5%AD%97=~");
        let uri: Uri = "http://x/y".parse().unwrap();
        assert_eq!(with_query(&uri, "a=1").unwrap(), "http://x/y?a=1");
        assert_eq!(with_query(&"http://x/y?b=2".parse().unwrap(), "a=1").unwrap(), "http://x/y?b=2&a=1");
    }
}
