//! Signed messages to one receiver, for whoever has something other than deliveries to post.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::HeaderValue;

use super::signature::Signer;
use super::signed;
use crate::channel::Outcome;
use crate::channel::http::Http;
use crate::settings::Secret;

/// Posts to one receiver as Standard Webhooks ask for; keeps no state but open connections.
pub struct SignedPost {
    http: Http,
    signer: Signer,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// Any 2xx.
    Taken,
    /// 410: the receiver wants no more, of nothing.
    Gone,
    /// Not taken; to be tried again, where the receiver asked for it only after `pause`.
    Retry { reason: String, pause: Option<Duration> },
}

impl SignedPost {
    /// Where to post to; no address that is private or this machine's own unless `allow_private`.
    ///
    /// # Errors
    /// A URL that cannot be used, no secret or a bad one, a file of certificates that cannot be read.
    pub fn open(
        url: &str,
        secrets: &[Secret],
        allow_private: bool,
        ca_file: Option<&Path>,
    ) -> Result<SignedPost, String> {
        Ok(SignedPost { http: Http::open(url, allow_private, ca_file)?, signer: Signer::new(secrets)? })
    }

    /// Tries once. `id`: the same in every try of one message; `now_ms`: ms since 1970. The caller sets the time limit.
    pub async fn post(&self, id: &str, content_type: &'static str, body: Bytes, now_ms: u64) -> Posted {
        let content_type = HeaderValue::from_static(content_type);
        let request = match signed(&self.http, &self.signer, id, content_type, body, now_ms) {
            Ok(request) => request,
            Err(reason) => return Posted::Retry { reason, pause: None },
        };
        match self.http.send(request, false).await {
            Ok(answer) if answer.status.is_success() => Posted::Taken,
            Ok(answer) if answer.status == StatusCode::GONE => Posted::Gone,
            Ok(answer) => match answer.refused(now_ms) {
                Outcome::Retry { reason, pause, .. } => Posted::Retry { reason, pause },
                Outcome::Delivered { reason } | Outcome::Failed { reason } => Posted::Retry { reason, pause: None },
            },
            Err(reason) => Posted::Retry { reason, pause: None },
        }
    }
}
