//! The command feed as a consumer reads it.

use std::time::Duration;

use serde_json::Value;

use crate::rig::{ADMIN, DEADLINE, Rig};

/// An open `GET /api/v1/feed`.
pub struct Feed {
    response: reqwest::Response,
    text: Vec<u8>,
    pub cursor: Option<u64>,
}

impl Feed {
    /// Follows the city from now on, or after a cursor.
    pub async fn open(rig: &Rig, after: Option<u64>) -> Feed {
        let mut request = rig.client.get(rig.url("/api/v1/feed")).bearer_auth(ADMIN);
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after.to_string());
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Feed { response, text: Vec::new(), cursor: after }
    }

    /// The next event; `None` when the station ended the stream.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.text.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                if let Some(id) = field("id:") {
                    self.cursor = Some(id.parse().unwrap());
                }
                let event: Option<Value> = field("data:").and_then(|data| serde_json::from_str(data).ok());
                if let Some(event) = event.filter(|event| event["type"].is_string()) {
                    return Some(event);
                }
            }
            match tokio::time::timeout(DEADLINE, self.response.chunk()).await.expect("the feed says something") {
                Ok(Some(chunk)) => self.text.extend_from_slice(&chunk),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// The next event of a kind for a unit.
    pub async fn next_of(&mut self, kind: &str, unit: &str) -> Value {
        loop {
            let event = self.next().await.expect("the feed goes on");
            let of_unit = event["alert"]["unit"] == unit || event["unit"]["code"] == unit;
            if event["type"] == kind && of_unit {
                return event;
            }
        }
    }

    /// Whether anything of a kind comes within `quiet`.
    pub async fn hears(&mut self, kind: &str, quiet: Duration) -> bool {
        let hear = async {
            while let Some(event) = self.next().await {
                if event["type"] == kind {
                    return true;
                }
            }
            false
        };
        tokio::time::timeout(quiet, hear).await.unwrap_or(false)
    }
}
