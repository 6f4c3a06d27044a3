//! Tells a running station to load its roster folder again.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::commands::http;

/// POST /api/v1/roster/reload; the answer.
///
/// # Errors
/// A station that does not answer, or refuses, with what it said.
pub fn tell(station: &str, token: &str) -> Result<Value> {
    let (status, answer) = http::request("POST", station, token, "/api/v1/roster/reload", "")?;
    if status != 200 {
        bail!("the files are written, and the station refused to load them ({status}): {answer}");
    }
    Ok(answer)
}
