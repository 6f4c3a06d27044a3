//! One alert with all that led to it and all that was done.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use model::alert::{Deadline, Evidence, HistoryItem, Mark, ReceiptOutcome, Rung};
use model::order::OrderRecord;
use model::{Alert, AlertId, AlertSummary, Colour, Delivery, DeliveryState, Roster, UnitStatus, chain};
use serde::Serialize;

use super::people::{ActorShape, AssignedShape, CauseShape, PhotoShape, ShelfShape, WorkShape};
use crate::access::Caller;
use crate::api::orders::{OrderShape, hand_offs};
use crate::api::units::reasons;
use crate::extract::InPath;
use crate::problem::{Kind, Problem};
use crate::shapes::{AlertShape, MarkShape, PersonShape, ReasonShape, device_key, person_name};
use crate::shared::Shared;

#[derive(Serialize)]
pub(super) struct Story<'a> {
    #[serde(flatten)]
    head: AlertShape<'a>,
    /// When the present ring began.
    rang_ms: u64,
    acknowledged: Vec<MarkShape<'a>>,
    arrived: Vec<MarkShape<'a>>,
    /// Who said what it is.
    verified: Option<MarkShape<'a>>,
    cause: Option<CauseShape>,
    assigned: Option<AssignedShape<'a>>,
    work: Vec<WorkShape<'a>>,
    checked: Option<MarkShape<'a>>,
    closed: Option<MarkShape<'a>>,
    shelved: Option<ShelfShape<'a>>,
    out_of_service: Option<ShelfShape<'a>>,
    notes: Vec<MarkShape<'a>>,
    photos: Vec<PhotoShape<'a>>,
    follows: Option<AlertId>,
    /// What each person did, in the order in which they first did something.
    people: Vec<ActorShape<'a>>,
    /// Digest of the whole history.
    seal: String,
    evidence: Vec<EvidenceShape<'a>>,
    history: Vec<HistoryShape<'a>>,
    ladder: Vec<RungShape<'a>>,
    /// What is expected of the present ring by when.
    deadlines: Vec<DeadlineShape<'a>>,
    deliveries: Vec<DeliveryShape<'a>>,
    /// Why the unit has its colour now.
    reasons: Vec<ReasonShape<'a>>,
    /// What the fire brigade was offered of it, newest first.
    hand_offs: Vec<OrderShape<'a>>,
}

impl<'a> Story<'a> {
    pub(super) fn new(kept: &'a Kept, summary: &'a AlertSummary, roster: &'a Roster) -> Story<'a> {
        let alert = &kept.alert;
        let marks = |marks: &'a [Mark]| marks.iter().map(|mark| MarkShape::new(mark, roster)).collect();
        let mark = |mark: &'a Option<Mark>| mark.as_ref().map(|mark| MarkShape::new(mark, roster));
        Story {
            head: AlertShape::new(summary, roster),
            rang_ms: alert.rang_ms,
            acknowledged: marks(&alert.acknowledged),
            arrived: marks(&alert.arrived),
            verified: alert.verdict.as_ref().map(|(_, mark)| MarkShape::new(mark, roster)),
            cause: alert.cause.map(CauseShape::new),
            assigned: alert.assigned.as_ref().map(|assigned| AssignedShape::new(assigned, roster)),
            work: alert.work.iter().map(|work| WorkShape::new(work, roster)).collect(),
            checked: mark(&alert.checked),
            closed: mark(&alert.closed),
            shelved: alert.shelved.as_ref().map(|shelf| ShelfShape::new(shelf, roster)),
            out_of_service: alert.out_of_service.as_ref().map(|shelf| ShelfShape::new(shelf, roster)),
            notes: marks(&alert.notes),
            photos: alert.photos.iter().map(|photo| PhotoShape::new(photo, roster)).collect(),
            follows: alert.follows,
            people: ActorShape::all(&alert.history, roster),
            seal: chain::hex(&alert.seal()),
            evidence: alert.evidence.iter().map(|evidence| EvidenceShape::new(evidence, roster)).collect(),
            history: alert.history.iter().map(|item| HistoryShape::new(item, roster)).collect(),
            ladder: alert.ladder.iter().map(|rung| RungShape::new(rung, roster)).collect(),
            deadlines: alert.deadlines.iter().map(|deadline| DeadlineShape::new(deadline, roster)).collect(),
            deliveries: kept.deliveries.iter().map(DeliveryShape::new).collect(),
            reasons: reasons(kept.unit.as_ref().map_or(&[], |status| &status.reasons), roster),
            hand_offs: kept.hand_offs.iter().map(|record| OrderShape::new(record, roster, true)).collect(),
        }
    }
}

#[derive(Serialize)]
struct EvidenceShape<'a> {
    at_ms: u64,
    rule: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
    colour: Colour,
    text_zh: &'a str,
    text_en: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    alarm: Option<&'a str>,
}

impl<'a> EvidenceShape<'a> {
    fn new(evidence: &'a Evidence, roster: &'a Roster) -> EvidenceShape<'a> {
        EvidenceShape {
            at_ms: evidence.at_ms,
            rule: &evidence.rule,
            device: device_key(roster, evidence.device),
            location: evidence.device.and_then(|id| roster.device(id)).map(|device| &*device.location),
            colour: evidence.colour,
            text_zh: &evidence.words.zh,
            text_en: &evidence.words.en,
            alarm: evidence.alarm.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct HistoryShape<'a> {
    at_ms: u64,
    what: &'a str,
    by: &'a str,
    by_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

impl<'a> HistoryShape<'a> {
    fn new(item: &'a HistoryItem, roster: &'a Roster) -> HistoryShape<'a> {
        HistoryShape {
            at_ms: item.at_ms,
            what: &item.what,
            by: &item.by,
            by_name: person_name(roster, &item.by),
            note: item.note.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct DeadlineShape<'a> {
    stage: &'a str,
    stage_zh: &'a str,
    due_ms: u64,
    met_ms: Option<u64>,
    overdue: Vec<OverdueShape<'a>>,
}

#[derive(Serialize)]
struct OverdueShape<'a> {
    at_ms: u64,
    whom: &'a str,
    people: Vec<PersonShape<'a>>,
}

impl<'a> DeadlineShape<'a> {
    fn new(deadline: &'a Deadline, roster: &'a Roster) -> DeadlineShape<'a> {
        let overdue = deadline.overdue.iter().map(|told| OverdueShape {
            at_ms: told.at_ms,
            whom: &told.whom,
            people: told.people.iter().filter_map(|id| roster.person(*id)).map(PersonShape::new).collect(),
        });
        DeadlineShape {
            stage: deadline.stage.word(),
            stage_zh: deadline.stage.zh(),
            due_ms: deadline.due_ms,
            met_ms: deadline.met_ms,
            overdue: overdue.collect(),
        }
    }
}

#[derive(Serialize)]
struct RungShape<'a> {
    whom: &'a str,
    due_ms: u64,
    told_ms: Option<u64>,
    people: Vec<PersonShape<'a>>,
}

impl<'a> RungShape<'a> {
    fn new(rung: &'a Rung, roster: &'a Roster) -> RungShape<'a> {
        RungShape {
            whom: &rung.whom,
            due_ms: rung.due_ms,
            told_ms: rung.told_ms,
            people: rung.people.iter().filter_map(|id| roster.person(*id)).map(PersonShape::new).collect(),
        }
    }
}

#[derive(Serialize)]
struct DeliveryShape<'a> {
    id: &'a str,
    whom: &'a str,
    person: &'a str,
    person_name: &'a str,
    channel: &'a str,
    state: DeliveryState,
    owed_ms: u64,
    attempts: Vec<AttemptShape<'a>>,
    attempt_count: u32,
}

#[derive(Serialize)]
struct AttemptShape<'a> {
    at_ms: u64,
    outcome: ReceiptOutcome,
    reason: &'a str,
}

impl<'a> DeliveryShape<'a> {
    fn new(delivery: &'a Delivery) -> DeliveryShape<'a> {
        let attempts = delivery.attempts.iter().map(|attempt| AttemptShape {
            at_ms: attempt.at_ms,
            outcome: attempt.outcome,
            reason: &attempt.reason,
        });
        DeliveryShape {
            id: delivery.id.as_str(),
            whom: &delivery.whom,
            person: &delivery.person_code,
            person_name: &delivery.person_name,
            channel: &delivery.channel,
            state: delivery.state,
            owed_ms: delivery.owed_ms,
            attempts: attempts.collect(),
            attempt_count: delivery.attempt_count,
        }
    }
}

/// What the ledger holds of one alert.
pub(super) struct Kept {
    pub alert: Alert,
    deliveries: Vec<Delivery>,
    unit: Option<UnitStatus>,
    hand_offs: Vec<OrderRecord>,
}

impl Kept {
    /// Reads all of it; 404 for an alert that the caller does not see.
    pub(super) async fn read(shared: &Shared, caller: &Caller, id: AlertId) -> Result<Kept, Problem> {
        let read = move |ledger: &dyn model::Ledger| {
            let Some(alert) = ledger.alert(id)? else { return Ok(None) };
            let (deliveries, unit) = (ledger.deliveries(id.into())?, ledger.unit(id.unit)?);
            Ok(Some(Kept { deliveries, unit, hand_offs: hand_offs(ledger, id)?, alert }))
        };
        shared.read(read).await?.filter(|kept| caller.sees(kept.alert.grid)).ok_or_else(|| no_alert(id))
    }
}

/// `GET /api/v1/alerts/{id}`
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let kept = Kept::read(&shared, &caller, alert_id(&id)?).await?;
    let (roster, summary) = (shared.parts.view.roster(), kept.alert.summary());
    Ok(Json(Story::new(&kept, &summary, &roster)).into_response())
}

/// The id in a path; 404 when it cannot be one.
pub(crate) fn alert_id(text: &str) -> Result<AlertId, Problem> {
    text.parse().map_err(|error: model::ids::IdError| Problem::new(Kind::NotFound, error.to_string()))
}

pub(crate) fn no_alert(id: AlertId) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no alert {id} within this token's scope"))
}
