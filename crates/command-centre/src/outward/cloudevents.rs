//! CloudEvents 1.0 (<https://github.com/cloudevents/spec>), structured mode, with the extensions `sequence`, `severity` and
//! `partitionkey` of its registry.

use bytes::Bytes;
use model::{Colour, FeedEvent, Roster};
use serde::Serialize;

use super::cap::time;
use super::colour;

/// One event.
pub(crate) const MEDIA_TYPE: &str = "application/cloudevents+json";
/// Several of them, as a JSON array.
pub(crate) const BATCH_MEDIA_TYPE: &str = "application/cloudevents-batch+json";

/// All but the data, which comes last.
#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: &'a str,
    subject: &'a str,
    time: &'a str,
    datacontenttype: &'static str,
    sequence: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    severitytext: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severitynumber: Option<u8>,
    partitionkey: &'a str,
}

/// Names an event for good: its cursor, and its time, so that a feed that was set back to a backup does not use a name again.
pub(super) fn id_of(event: &FeedEvent) -> String {
    format!("{}-{}", event.cursor, event.at_ms)
}

/// The event in its envelope, on one line; `json` is its data.
pub(super) fn envelope(event: &FeedEvent, json: &[u8], roster: &Roster, source: &str) -> Bytes {
    let unit = event.alert.as_deref().map(|alert| alert.unit).or(event.unit.map(|change| change.unit));
    let code = unit.map(|id| roster.unit(id).map_or_else(|| id.0.to_string(), |unit| unit.code.to_string()));
    let alert = event.alert.as_deref().map(|alert| alert.id.to_string());
    let matter = alert.or_else(|| event.order.as_deref().map(|order| order.head.id.to_string()));
    let place = code.unwrap_or_else(|| event.grid.to_string());
    let severity = colour(event);
    let head = Envelope {
        specversion: "1.0",
        id: &id_of(event),
        source,
        r#type: &type_of(event.kind.word()),
        subject: matter.as_deref().unwrap_or(&place),
        time: &time::utc(event.at_ms),
        datacontenttype: "application/json",
        sequence: &sequence(event.cursor),
        severitytext: severity.map(Colour::word),
        severitynumber: severity.map(severity_number),
        // what happens in one unit stays in order
        partitionkey: &place,
    };
    with_data(&head, json)
}

/// `cn.fenghuo.alert.raised.v1`
fn type_of(word: &str) -> String {
    format!("cn.fenghuo.{word}.v1")
}

/// The cursor as text whose order is that of the numbers, as the extension `sequence` asks for.
fn sequence(cursor: model::Cursor) -> String {
    format!("{cursor:020}")
}

/// Severity as OpenTelemetry numbers it: FATAL, ERROR, WARN, INFO.
fn severity_number(colour: Colour) -> u8 {
    match colour {
        Colour::Red => 21,
        Colour::Orange => 17,
        Colour::Yellow | Colour::Blind => 13,
        Colour::Blue => 9,
    }
}

/// An event about the feed itself, at a cursor and time.
pub(super) fn about_feed(word: &str, id: &str, cursor: model::Cursor, at_ms: u64, json: &[u8], source: &str) -> Bytes {
    let head = Envelope {
        specversion: "1.0",
        id,
        source,
        r#type: &type_of(word),
        subject: "feed",
        time: &time::utc(at_ms),
        datacontenttype: "application/json",
        sequence: &sequence(cursor),
        severitytext: None,
        severitynumber: None,
        partitionkey: "feed",
    };
    with_data(&head, json)
}

fn with_data(head: &Envelope<'_>, json: &[u8]) -> Bytes {
    let mut body = serde_json::to_vec(head).expect("an envelope has string keys only");
    body.pop();
    body.extend_from_slice(b",\"data\":");
    body.extend_from_slice(json);
    body.push(b'}');
    body.into()
}
