//! Asks a running station over HTTP.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

/// The station has so long to answer.
const LIMIT: Duration = Duration::from_secs(60);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Which station, and who asks.
#[derive(Debug, Args)]
pub struct Station {
    /// Running station.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    station: String,
    /// Bearer of a token, `<name>.<secret>`; else the variable FENGHUO_TOKEN.
    #[arg(long)]
    token: Option<String>,
}

impl Station {
    /// GET; the answer.
    ///
    /// # Errors
    /// A station that does not answer, or refuses, with what it said.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.done("GET", path, "")
    }

    /// POST; the answer.
    ///
    /// # Errors
    /// As [`Station::get`].
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.done("POST", path, &body.to_string())
    }

    fn done(&self, method: &str, path: &str, body: &str) -> Result<Value> {
        let token = self.token.clone().or_else(|| std::env::var("FENGHUO_TOKEN").ok());
        let Some(token) = token else {
            bail!("a token is needed: --token <name>.<secret>, or the variable FENGHUO_TOKEN")
        };
        let (status, answer) = request(method, &self.station, &token, path, body)?;
        match (status, &answer) {
            (200..300, _) => Ok(answer),
            (_, Value::Object(problem)) if problem.contains_key("detail") => {
                bail!("the station refuses ({status}): {}", problem["detail"].as_str().unwrap_or(""))
            }
            _ => bail!("the station refuses ({status}): {answer}"),
        }
    }
}

/// One request; status and answer.
///
/// # Errors
/// An address that is none, a station that does not answer, an answer that is no JSON.
pub fn request(method: &str, station: &str, token: &str, path: &str, body: &str) -> Result<(u16, Value)> {
    let Some(authority) = station.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')) else {
        bail!("--station {station:?} must be http://host:port; for https use curl -X {method} …{path}");
    };
    if authority.is_empty() || authority.contains(['/', '@', ' ', '\r', '\n']) || token.contains(['\r', '\n']) {
        bail!("--station {station:?} must be http://host:port and nothing more");
    }
    let address = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let asked = format!("no answer from the station at {authority}: is it running there?");
    let mut stream = TcpStream::connect(&address).context(asked.clone())?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\n{kind}Content-Length: \
         {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).context(asked.clone())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).context(asked)?;
    read(&answer)
}

fn read(answer: &[u8]) -> Result<(u16, Value)> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").context("the station's answer is not HTTP")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.context("the station's answer is not HTTP")?;
    let body = serde_json::from_str(body.trim()).unwrap_or_else(|_| Value::String(body.trim().to_owned()));
    Ok((status, body))
}

/// A name as one step of a path.
pub fn step(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let good = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"version\":7}";
        assert_eq!(read(good).unwrap(), (200, serde_json::json!({ "version": 7 })));
        assert_eq!(read(b"HTTP/1.1 503 Busy\r\n\r\n").unwrap(), (503, Value::String(String::new())));
        assert!(read(b"nonsense").is_err());
        assert!(
            request("GET", "https://x", "t", "/", "").is_err() && request("GET", "http://a/b", "t", "/", "").is_err()
        );
    }

    #[test]
    fn a_name_is_one_step_of_a_path() {
        assert_eq!(step("acme-1.x"), "acme-1.x");
        assert_eq!(step("a/b 烟"), "a%2Fb%20%E7%83%9F");
    }
}
