//! Messages that could not be decoded or admitted, for whoever helps a vendor.
//!
//! Of whom a message is, only its topic can say, and that only where it names a device of the roster: a caller whose scope
//! is less than a city sees those of the devices in its scope, and none that nobody can place.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Level, Quarantined, RegionCode, Roster};
use serde::{Deserialize, Serialize};

use crate::access::Caller;
use crate::extract::{Params, page_limit};
use crate::problem::Problem;
use crate::shared::Shared;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// `next` of the page before.
    after: Option<u64>,
    limit: Option<usize>,
    vendor: Option<String>,
}

#[derive(Serialize)]
struct Page {
    items: Vec<Item>,
    next: Option<u64>,
}

#[derive(Serialize)]
struct Item {
    id: u64,
    at_ms: u64,
    sender: Box<str>,
    topic: Box<str>,
    reason: Box<str>,
    detail: Box<str>,
    payload_base64: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_text: Option<String>,
}

impl Item {
    fn new(id: u64, message: Quarantined) -> Item {
        Item {
            id,
            at_ms: message.at_ms,
            payload_base64: STANDARD.encode(&message.payload),
            payload_text: std::str::from_utf8(&message.payload).ok().map(str::to_owned),
            sender: message.sender,
            topic: message.topic,
            reason: message.reason,
            detail: message.detail,
        }
    }
}

/// `GET /api/v1/quarantine`, newest first.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let settings = &shared.parts.settings;
    let limit = page_limit(asked.limit, settings.page_default, settings.page_max)?;
    let scan_max = settings.scan_max;
    let within = caller.scope.filter(|scope| scope.level() != Level::City);
    let roster = shared.parts.view.roster();
    let page = shared
        .read(move |ledger| {
            let mut page = Page { items: Vec::new(), next: asked.after };
            let mut scanned = 0;
            loop {
                let rows = ledger.quarantine(page.next, limit)?;
                let is_last = rows.len() < limit;
                scanned += rows.len();
                for (id, message) in rows {
                    page.next = Some(id);
                    let fits = asked.vendor.as_deref().is_none_or(|vendor| is_of_vendor(&message, vendor))
                        && within
                            .is_none_or(|scope| place_of(&message.topic, &roster).is_some_and(|at| scope.contains(at)));
                    if fits {
                        page.items.push(Item::new(id, message));
                        if page.items.len() == limit {
                            return Ok(page);
                        }
                    }
                }
                if is_last {
                    page.next = None;
                    return Ok(page);
                }
                if scanned >= scan_max {
                    return Ok(page);
                }
            }
        })
        .await?;
    Ok(Json(page).into_response())
}

/// By the topic's vendor level, or by the sender where the topic is not one of ours.
pub(super) fn is_of_vendor(message: &Quarantined, vendor: &str) -> bool {
    let mut levels = message.topic.split('/');
    match (levels.next(), levels.next(), levels.next()) {
        (Some("fire"), Some(_), Some(named)) => named == vendor,
        _ => message.sender.split('/').next() == Some(vendor),
    }
}

/// Grid of the device that the topic names, where that is on the roster.
pub(super) fn place_of(topic: &str, roster: &Roster) -> Option<RegionCode> {
    let mut levels = topic.strip_prefix("fire/v1/")?.split('/');
    let key = format!("{}/{}", levels.next()?, levels.next()?);
    let device = roster.device(roster.device_by_key(&key)?)?;
    roster.unit(device.unit).map(|unit| unit.grid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_belongs_to_the_vendor_of_its_topic() {
        let message = |topic: &str, sender: &str| Quarantined {
            at_ms: 0,
            sender: sender.into(),
            topic: topic.into(),
            reason: "".into(),
            detail: "".into(),
            payload: Box::default(),
        };
        assert!(is_of_vendor(&message("fire/v1/acme/d1/alarm", "other"), "acme"));
        assert!(!is_of_vendor(&message("fire/v1/acme/d1/alarm", "zeta"), "zeta"));
        assert!(is_of_vendor(&message("strange", "zeta/d9"), "zeta"));
    }
}
