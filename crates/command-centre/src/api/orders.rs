//! Orders: what is asked of many, what they answered, and hand-off to the fire brigade. Nothing is decided here.

mod answer;
mod give;
mod list;
mod report;
mod shapes;

use model::order::{Asked, OrderRecord};
use model::{KeptKind, Ledger, Order, OrderId, StoreError, wire};

pub(crate) use answer::{accepted, arrived, brigade_arrived, cannot, closed, dispatched, done, end, read, rejected};
pub(crate) use give::{channel_test, drill, hand_off, instruct, roll_call};
pub(crate) use list::{channel_tests, list, one, roll_calls};
pub(crate) use shapes::{NewsShape, OrderShape};

use crate::access::{Caller, Role};
use crate::api::alerts::within_deadline;
use crate::problem::{Kind, Problem};
use crate::shared::Shared;

/// Records read from the ledger at a time.
const PAGE: usize = 1024;

/// The id in a path; 404 when it cannot be one.
fn order_id(text: &str) -> Result<OrderId, Problem> {
    text.parse().map_err(|error: model::ids::IdError| Problem::new(Kind::NotFound, error.to_string()))
}

fn no_order(id: OrderId) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no order {id} within this token's scope"))
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    wire::decode(bytes).map_err(|error| StoreError::Damaged { doing: "reading orders", reason: error.to_string() })
}

/// An order, open or ended.
fn record(ledger: &dyn Ledger, id: OrderId) -> Result<Option<OrderRecord>, StoreError> {
    for is_open in [true, false] {
        if let Some(bytes) = ledger.kept_one(KeptKind::Order, &OrderRecord::key(id, is_open))? {
            return decode(&bytes).map(Some);
        }
    }
    Ok(None)
}

/// Everybody whom an order asked, by number.
fn people(ledger: &dyn Ledger, id: OrderId) -> Result<Vec<Asked>, StoreError> {
    let prefix = Asked::prefix(id);
    let mut people = Vec::new();
    let mut after = prefix.to_vec();
    loop {
        let rows = ledger.kept(KeptKind::Asked, Some(&after), PAGE)?;
        let is_end = rows.len() < PAGE;
        for (key, value) in rows {
            if !key.starts_with(&prefix) {
                return Ok(people);
            }
            people.push(decode(&value)?);
            after = key;
        }
        if is_end {
            return Ok(people);
        }
    }
}

/// Hand-offs of an alert, newest first.
pub(crate) fn hand_offs(ledger: &dyn Ledger, alert: model::AlertId) -> Result<Vec<OrderRecord>, StoreError> {
    let prefix = OrderRecord::hand_off_prefix(alert);
    let rows = ledger.kept(KeptKind::HandOff, Some(&prefix), PAGE)?;
    let of_alert = rows.into_iter().take_while(|(key, _)| key.starts_with(&prefix));
    let mut records = Vec::new();
    for (_, value) in of_alert {
        records.extend(record(ledger, decode(&value)?)?);
    }
    Ok(records)
}

/// Journals an order and waits for what the desk made of it; the order as it is then.
async fn submit(shared: &Shared, order: Order) -> Result<OrderRecord, Problem> {
    let outcome = within_deadline(shared, shared.parts.actions.order(order)).await??;
    let id = outcome.result.map_err(|refused| Problem::new(Kind::Conflict, refused.to_string()))?;
    shared.read(move |ledger| record(ledger, id)).await?.ok_or_else(|| no_order(id))
}

fn is_operator(caller: &Caller) -> bool {
    caller.role >= Role::Operator
}

/// Refuses a text that is empty, too long, or no line.
fn check_line(field: &'static str, text: &str) -> Result<(), Problem> {
    let max = Order::TEXT_CHARS_MAX;
    let chars = text.chars().count();
    if text.trim().is_empty() || chars > max {
        return Err(Problem::field(field, format!("{field}: must have 1 to {max} characters, not {chars}")));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::field(field, format!("{field}: must be one line without control characters")));
    }
    Ok(())
}
