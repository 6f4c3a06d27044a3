//! Tells a running station to load its roster folder again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The station has so long to answer.
const LIMIT: Duration = Duration::from_secs(60);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// POST /api/v1/roster/reload; the answer.
///
/// # Errors
/// A station that does not answer, or refuses, with what it said.
pub fn tell(station: &str, token: &str) -> Result<Value> {
    let Some(authority) = station.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')) else {
        bail!("--station {station:?} must be http://host:port; for https use curl -X POST …/api/v1/roster/reload");
    };
    if authority.is_empty() || authority.contains(['/', '@', ' ', '\r', '\n']) || token.contains(['\r', '\n']) {
        bail!("--station {station:?} must be http://host:port and nothing more");
    }
    let address = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let asked = format!("no answer from the station at {authority}: is it running there?");
    let mut stream = TcpStream::connect(&address).context(asked.clone())?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let request = format!(
        "POST /api/v1/roster/reload HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\nContent-Length: \
         0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).context(asked.clone())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).context(asked)?;
    read(&answer)
}

fn read(answer: &[u8]) -> Result<Value> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").context("the station's answer is not HTTP")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status == "200" {
        return serde_json::from_str(body.trim()).context("the station's answer is not JSON");
    }
    bail!("the files are written, and the station refused to load them ({status}): {}", body.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_refusals_told() {
        let good = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"version\":7}";
        assert_eq!(read(good).unwrap()["version"], 7);
        let bad = read(b"HTTP/1.1 403 Forbidden\r\n\r\n{\"detail\":\"role\"}").unwrap_err().to_string();
        assert!(bad.contains("403") && bad.contains("role"), "{bad}");
        assert!(tell("https://x", "t").is_err() && tell("http://a/b", "t").is_err());
    }
}
