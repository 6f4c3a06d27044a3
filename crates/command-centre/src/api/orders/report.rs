//! What a drill came to: who was reached, answered and came, and how quickly.

use std::collections::BTreeMap;

use model::alert::{Mark, ReceiptOutcome};
use model::order::OrderRecord;
use model::{Alert, AlertId, AlertState, Delivery, Ledger, Roster, StoreError};
use serde::Serialize;

use crate::shapes::person_name;

/// An alert of a drill, and whom it was owed to.
pub(super) struct Drilled {
    alert: Alert,
    deliveries: Vec<Delivery>,
}

/// `DrillReport`.
#[derive(Serialize)]
pub(super) struct DrillReport {
    alert: AlertId,
    state: AlertState,
    raised_ms: u64,
    people: Vec<DrilledPerson>,
}

/// Seconds from the alert on; `None`: never.
#[derive(Serialize)]
struct DrilledPerson {
    person: Box<str>,
    name: String,
    told_s: Option<f32>,
    reached_s: Option<f32>,
    acknowledged_s: Option<f32>,
    arrived_s: Option<f32>,
}

/// The alerts of a drill; none for other orders.
pub(super) fn read(ledger: &dyn Ledger, record: &OrderRecord) -> Result<Vec<Drilled>, StoreError> {
    let mut drilled = Vec::new();
    for id in &record.alerts {
        if let Some(alert) = ledger.alert(*id)? {
            drilled.push(Drilled { deliveries: ledger.deliveries((*id).into())?, alert });
        }
    }
    Ok(drilled)
}

impl Drilled {
    pub(super) fn report(&self, roster: &Roster) -> DrillReport {
        let raised_ms = self.alert.raised_ms;
        let after = |at_ms: u64| at_ms.saturating_sub(raised_ms) as f32 / 1000.0;
        let mut people: BTreeMap<&str, DrilledPerson> = BTreeMap::new();
        let blank = |code: &str| DrilledPerson {
            person: code.into(),
            name: person_name(roster, code).to_owned(),
            told_s: None,
            reached_s: None,
            acknowledged_s: None,
            arrived_s: None,
        };
        for delivery in &self.deliveries {
            let person = people.entry(&delivery.person_code).or_insert_with(|| blank(&delivery.person_code));
            person.told_s = earlier(person.told_s, after(delivery.owed_ms));
            let reached = delivery.attempts.iter().find(|attempt| attempt.outcome == ReceiptOutcome::Delivered);
            if let Some(attempt) = reached {
                person.reached_s = earlier(person.reached_s, after(attempt.at_ms));
            }
        }
        for Mark { person: code, at_ms, .. } in &self.alert.acknowledged {
            people.entry(code).or_insert_with(|| blank(code)).acknowledged_s = Some(after(*at_ms));
        }
        for Mark { person: code, at_ms, .. } in &self.alert.arrived {
            people.entry(code).or_insert_with(|| blank(code)).arrived_s = Some(after(*at_ms));
        }
        DrillReport { alert: self.alert.id, state: self.alert.state, raised_ms, people: people.into_values().collect() }
    }
}

fn earlier(known: Option<f32>, at_s: f32) -> Option<f32> {
    Some(known.map_or(at_s, |known| known.min(at_s)))
}
