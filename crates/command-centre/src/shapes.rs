//! Nouns of the model as the API writes them. Field order and names are the public contract of `openapi.json`.

use model::alert::Mark;
use model::finding::Words;
use model::roster::Post;
use model::{
    Alert, AlertId, AlertState, AlertSummary, Colour, ColourCounts, Cursor, DeviceId, Family, FeedEvent, Held, HeldBy,
    Level, OrderId, Reason, RegionCode, Roster, UnitId, Verdict,
};
use serde::Serialize;

use crate::api::orders::NewsShape;
use crate::view::RegionFacts;

/// A region's name; empty for one without.
pub(crate) fn region_name(roster: &Roster, code: RegionCode) -> &str {
    roster.regions().get(&code).map_or("", |name| name)
}

/// `vendor/device`, as in the topic.
pub(crate) fn device_key(roster: &Roster, device: Option<DeviceId>) -> Option<String> {
    device.and_then(|id| roster.device(id)).map(model::roster::Device::key)
}

/// Head of an alert (`AlertSummary`).
#[derive(Serialize)]
pub(crate) struct AlertShape<'a> {
    id: AlertId,
    family: Family,
    colour: Colour,
    state: AlertState,
    unit: &'a str,
    unit_name: &'a str,
    address: &'a str,
    grid: RegionCode,
    village: RegionCode,
    village_name: &'a str,
    township: RegionCode,
    township_name: &'a str,
    raised_ms: u64,
    updated_ms: u64,
    ring: u16,
    summary_zh: &'a str,
    summary_en: &'a str,
    acknowledged_by: &'a [Box<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    evidence_count: u32,
    exercise: bool,
    /// When the next time limit of a stage runs out, or the first did, unmet.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<HeldShape<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storm: Option<OrderId>,
}

impl<'a> AlertShape<'a> {
    pub(crate) fn new(summary: &'a AlertSummary, roster: &'a Roster) -> AlertShape<'a> {
        let unit = roster.unit(summary.unit);
        let village = summary.grid.at(Level::Village).unwrap_or(summary.grid);
        let township = summary.grid.at(Level::Township).unwrap_or(summary.grid);
        AlertShape {
            id: summary.id,
            family: summary.id.family,
            colour: summary.colour,
            state: summary.state,
            unit: unit.map_or("", |unit| &unit.code),
            unit_name: unit.map_or("", |unit| &unit.name),
            address: unit.map_or("", |unit| &unit.address),
            grid: summary.grid,
            village,
            village_name: region_name(roster, village),
            township,
            township_name: region_name(roster, township),
            raised_ms: summary.raised_ms,
            updated_ms: summary.updated_ms,
            ring: summary.ring,
            summary_zh: &summary.words.zh,
            summary_en: &summary.words.en,
            acknowledged_by: &summary.acknowledged_by,
            verdict: summary.verdict,
            evidence_count: summary.evidence_count,
            exercise: summary.exercise,
            due_ms: summary.due_ms,
            held: summary.held.as_ref().map(HeldShape::new),
            storm: summary.storm,
        }
    }
}

/// `Held`: why an alert's ladder waits.
#[derive(Serialize)]
struct HeldShape<'a> {
    /// silence, alert, storm.
    by: &'static str,
    /// Its id.
    id: String,
    since_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
    text_zh: &'a str,
    text_en: &'a str,
}

impl<'a> HeldShape<'a> {
    fn new(held: &'a Held) -> HeldShape<'a> {
        let (by, id) = match held.by {
            HeldBy::Silence(id) => ("silence", id.to_string()),
            HeldBy::Alert(id) => ("alert", id.to_string()),
            HeldBy::Storm(id) => ("storm", id.to_string()),
        };
        let Words { zh, en } = &held.words;
        HeldShape { by, id, since_ms: held.since_ms, until_ms: held.until_ms, text_zh: zh, text_en: en }
    }
}

/// Heads of alerts, which the shapes borrow from.
pub(crate) struct Heads(Vec<AlertSummary>);

impl Heads {
    pub(crate) fn of<A: AsRef<Alert>>(alerts: impl IntoIterator<Item = A>) -> Heads {
        Heads(alerts.into_iter().map(|alert| alert.as_ref().summary()).collect())
    }

    pub(crate) fn shapes<'a>(&'a self, roster: &'a Roster) -> Vec<AlertShape<'a>> {
        self.0.iter().map(|summary| AlertShape::new(summary, roster)).collect()
    }
}

/// `FeedEvent`.
#[derive(Serialize)]
pub(crate) struct FeedEventShape<'a> {
    cursor: Cursor,
    #[serde(rename = "type")]
    kind: &'static str,
    at_ms: u64,
    region: RegionCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<AlertShape<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<UnitColourShape<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<NewsShape<'a>>,
}

#[derive(Serialize)]
struct UnitColourShape<'a> {
    id: UnitId,
    code: &'a str,
    colour: Colour,
    since_ms: u64,
}

impl<'a> FeedEventShape<'a> {
    pub(crate) fn new(event: &'a FeedEvent, roster: &'a Roster) -> FeedEventShape<'a> {
        FeedEventShape {
            cursor: event.cursor,
            kind: event.kind.word(),
            at_ms: event.at_ms,
            region: event.grid,
            alert: event.alert.as_deref().map(|alert| AlertShape::new(alert, roster)),
            unit: event.unit.map(|change| UnitColourShape {
                id: change.unit,
                code: roster.unit(change.unit).map_or("", |unit| &unit.code),
                colour: change.colour,
                since_ms: change.since_ms,
            }),
            detail: event.detail.as_deref(),
            order: event.order.as_deref().map(NewsShape::new),
        }
    }
}

/// `Region`.
#[derive(Serialize)]
pub(crate) struct RegionShape<'a> {
    code: RegionCode,
    name: &'a str,
    level: Level,
    parent: Option<RegionCode>,
    units: u32,
    devices: u32,
    counts: CountsShape,
    risk_mean: Option<f32>,
    open_alerts: u32,
}

#[derive(Serialize)]
struct CountsShape {
    red: u32,
    orange: u32,
    yellow: u32,
    blue: u32,
    blind: u32,
}

impl<'a> RegionShape<'a> {
    pub(crate) fn new(facts: &RegionFacts, roster: &'a Roster) -> RegionShape<'a> {
        let ColourCounts { blue, yellow, orange, red, blind } = facts.counts;
        RegionShape {
            code: facts.code,
            name: region_name(roster, facts.code),
            level: facts.code.level(),
            parent: facts.code.parent(),
            units: facts.units,
            devices: facts.devices,
            counts: CountsShape { red, orange, yellow, blue, blind },
            risk_mean: facts.risk_mean,
            open_alerts: facts.open_alerts,
        }
    }
}

/// `UnitSummary`.
#[derive(Serialize)]
pub(crate) struct UnitShape<'a> {
    code: &'a str,
    name: &'a str,
    category: &'a str,
    address: &'a str,
    grid: RegionCode,
    /// "none" for a unit never judged.
    colour: &'static str,
    since_ms: Option<u64>,
    /// Standing risk index, 0 to 100.
    risk: Option<u8>,
}

impl<'a> UnitShape<'a> {
    pub(crate) fn new(unit: &'a model::roster::Unit, colour: Option<(Colour, u64)>, risk: Option<u8>) -> UnitShape<'a> {
        UnitShape {
            code: &unit.code,
            name: &unit.name,
            category: &unit.category,
            address: &unit.address,
            grid: unit.grid,
            colour: colour.map_or("none", |(colour, _)| colour.word()),
            since_ms: colour.map(|(_, since_ms)| since_ms),
            risk,
        }
    }
}

/// `Reason`.
#[derive(Serialize)]
pub(crate) struct ReasonShape<'a> {
    rule: &'a str,
    family: Family,
    colour: Colour,
    text_zh: &'a str,
    text_en: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    since_ms: u64,
    evidence: &'a Words,
    would_change_zh: &'a str,
    would_change_en: &'a str,
}

impl<'a> ReasonShape<'a> {
    pub(crate) fn new(reason: &'a Reason, roster: &Roster) -> ReasonShape<'a> {
        ReasonShape {
            rule: &reason.rule,
            family: reason.family,
            colour: reason.colour,
            text_zh: &reason.evidence.zh,
            text_en: &reason.evidence.en,
            device: device_key(roster, reason.device),
            since_ms: reason.since_ms,
            evidence: &reason.evidence,
            would_change_zh: &reason.would_change.zh,
            would_change_en: &reason.would_change.en,
        }
    }
}

/// `PersonRef`.
#[derive(Serialize)]
pub(crate) struct PersonShape<'a> {
    code: &'a str,
    name: &'a str,
    phone: &'a str,
    post: &'static str,
}

impl<'a> PersonShape<'a> {
    pub(crate) fn new(person: &'a model::roster::Person) -> PersonShape<'a> {
        PersonShape { code: &person.code, name: &person.name, phone: &person.phone, post: Post::word(person.post) }
    }
}

/// `Mark`: who did something, when.
#[derive(Serialize)]
pub(crate) struct MarkShape<'a> {
    person: &'a str,
    name: &'a str,
    at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entered_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
}

impl<'a> MarkShape<'a> {
    pub(crate) fn new(mark: &'a Mark, roster: &'a Roster) -> MarkShape<'a> {
        MarkShape {
            person: &mark.person,
            name: person_name(roster, &mark.person),
            at_ms: mark.at_ms,
            note: mark.note.as_deref(),
            entered_by: mark.entered_by.as_deref(),
            until_ms: mark.until_ms,
        }
    }
}

/// A person's name, or the code where the roster has none (a service, or somebody who left).
pub(crate) fn person_name<'a>(roster: &'a Roster, code: &'a str) -> &'a str {
    roster.person_by_code(code).and_then(|id| roster.person(id)).map_or(code, |person| &person.name)
}
