//! Bodies that are worth compressing, and answers that the client already has.

use std::io::{Read, Write};

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// Whether the client takes gzip.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q == 0.0));
        matches!(name.trim(), "gzip" | "*") && !refused
    })
}

/// Compresses.
pub(crate) fn gzip(plain: &[u8], level: Compression) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), level);
    encoder.write_all(plain).expect("a growing buffer takes everything");
    encoder.finish().expect("a growing buffer takes everything").into()
}

/// Undoes [`gzip`].
pub(crate) fn gunzip(packed: &[u8]) -> Bytes {
    let mut plain = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut plain).expect("the bytes are our own");
    plain.into()
}

/// Entity tag of a content. Weak, since the same tag stands for the plain and the compressed bytes.
pub(crate) fn etag_of(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let hex: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{hex}\"")
}

/// Whether `If-None-Match` names this tag (weak comparison, RFC 9110 section 13.1.2).
pub(crate) fn client_has(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let ours = opaque(etag);
    let theirs = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    theirs.flat_map(|value| value.split(',')).any(|tag| tag.trim() == "*" || opaque(tag) == ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().expect("valid"))])
    }

    #[test]
    fn accepted_codings_are_read_with_their_weights() {
        for (value, takes) in [
            ("gzip", true),
            ("br, gzip;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("br", false),
            ("identity, gzip; q=0.0", false),
        ] {
            assert_eq!(takes_gzip(&headers(header::ACCEPT_ENCODING, value)), takes, "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn packed_bytes_unpack() {
        let plain = "烽火".repeat(1000);
        let packed = gzip(plain.as_bytes(), Compression::default());
        assert!(packed.len() < plain.len() / 10);
        assert_eq!(gunzip(&packed), plain.as_bytes());
    }

    #[test]
    fn tags_compare_weakly() {
        let tag = etag_of(b"content");
        assert_ne!(tag, etag_of(b"other"));
        assert!(client_has(&HeaderMap::from_iter([(header::IF_NONE_MATCH, tag.parse().expect("valid"))]), &tag));
        assert!(client_has(&headers(header::IF_NONE_MATCH, "\"x\", *"), &tag));
        assert!(!client_has(&headers(header::IF_NONE_MATCH, "\"x\""), &tag));
    }
}
