//! The case file of an alert: all that is known of it in one JSON document, whose history anybody can check without us.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use model::alert::HistoryItem;
use model::chain::{self, Trimmed};
use model::roster::Device;
use model::{Alert, Cursor, Roster};
use serde::Serialize;

use super::story::{Kept, Story, alert_id};
use crate::access::Caller;
use crate::extract::InPath;
use crate::problem::Problem;
use crate::shapes::PersonShape;
use crate::shared::Shared;

#[derive(Serialize)]
struct CaseFile<'a> {
    format: &'static str,
    /// Cursor of the feed when it was made.
    cursor: Cursor,
    alert: Story<'a>,
    unit: UnitCase<'a>,
    chain: ChainShape<'a>,
}

#[derive(Serialize)]
struct UnitCase<'a> {
    code: &'a str,
    name: &'a str,
    category: &'a str,
    address: &'a str,
    owner: Option<PersonShape<'a>>,
    devices: Vec<DeviceCase<'a>>,
}

#[derive(Serialize)]
struct DeviceCase<'a> {
    device: String,
    class: &'static str,
    location: &'a str,
}

impl<'a> UnitCase<'a> {
    fn new(alert: &Alert, roster: &'a Roster) -> UnitCase<'a> {
        let unit = roster.unit(alert.id.unit);
        let device = |device: &'a Device| DeviceCase {
            device: device.key(),
            class: device.class.word(),
            location: &device.location,
        };
        UnitCase {
            code: unit.map_or("", |unit| &unit.code),
            name: unit.map_or("", |unit| &unit.name),
            category: unit.map_or("", |unit| &unit.category),
            address: unit.map_or("", |unit| &unit.address),
            owner: unit.and_then(|unit| roster.person(unit.owner?)).map(PersonShape::new),
            devices: roster.devices_of(alert.id.unit).iter().filter_map(|id| roster.device(*id)).map(device).collect(),
        }
    }
}

/// The history as it is chained.
#[derive(Serialize)]
struct ChainShape<'a> {
    /// Items that people made, and that the station made, which went where the history was full.
    trimmed_people: TrimmedShape,
    trimmed_station: TrimmedShape,
    items: Vec<LinkShape<'a>>,
    seal: String,
    /// Nothing, or the first item that is not what was written.
    fault: Option<String>,
}

#[derive(Serialize)]
struct TrimmedShape {
    count: u32,
    hash: String,
}

impl TrimmedShape {
    fn new(trimmed: Trimmed) -> TrimmedShape {
        TrimmedShape { count: trimmed.count, hash: chain::hex(&trimmed.hash) }
    }
}

#[derive(Serialize)]
struct LinkShape<'a> {
    number: u32,
    at_ms: u64,
    epoch: u64,
    what: &'a str,
    by: &'a str,
    note: Option<&'a str>,
    /// The command's tag, hexadecimal: more than JSON's numbers hold.
    command: Option<String>,
    hash: String,
}

impl<'a> LinkShape<'a> {
    fn new(item: &'a HistoryItem) -> LinkShape<'a> {
        LinkShape {
            number: item.number,
            at_ms: item.at_ms,
            epoch: item.epoch,
            what: &item.what,
            by: &item.by,
            note: item.note.as_deref(),
            command: item.command.map(|tag| format!("{tag:016x}")),
            hash: chain::hex(&item.hash),
        }
    }
}

impl<'a> ChainShape<'a> {
    fn new(alert: &'a Alert) -> ChainShape<'a> {
        let fault = chain::verify(alert.id, &alert.history, &alert.trims).err();
        if let Some(fault) = &fault {
            tracing::error!(alert = %alert.id, %fault, "a history is not what was written");
        }
        ChainShape {
            trimmed_people: TrimmedShape::new(alert.trims.people),
            trimmed_station: TrimmedShape::new(alert.trims.station),
            items: alert.history.iter().map(LinkShape::new).collect(),
            seal: chain::hex(&alert.seal()),
            fault: fault.map(|fault| fault.to_string()),
        }
    }
}

/// `GET /api/v1/alerts/{id}/case`
pub(crate) async fn case(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let id = alert_id(&id)?;
    let cursor = shared.parts.view.cursor();
    let kept = Kept::read(&shared, &caller, id).await?;
    let (roster, summary) = (shared.parts.view.roster(), kept.alert.summary());
    let file = CaseFile {
        format: "fenghuo-case-1",
        cursor,
        alert: Story::new(&kept, &summary, &roster),
        unit: UnitCase::new(&kept.alert, &roster),
        chain: ChainShape::new(&kept.alert),
    };
    let mut response = Json(file).into_response();
    let name = format!("attachment; filename=\"{id}.case.json\"");
    let name = HeaderValue::from_str(&name).expect("an id is visible ASCII");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}
