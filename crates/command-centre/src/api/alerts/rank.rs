//! What matters most first: colour, then what a person confirmed, then what several sensors say, then what waits longest.

use std::cmp::Reverse;
use std::sync::Arc;

use model::alert::Verdict;
use model::{Alert, AlertId, Colour};

use crate::problem::{Kind, Problem};
use crate::shapes::Heads;

/// In front of the id in `next`: the pages after it are ranked, too.
pub(super) const PREFIX: &str = "rank:";

type Rank = (Reverse<Colour>, Reverse<bool>, Reverse<bool>, u64, AlertId);

fn rank(alert: &Alert) -> Rank {
    let is_confirmed = matches!(alert.verdict, Some((Verdict::Real, _)));
    let first = alert.conditions.first().and_then(|condition| condition.device);
    let several = alert.conditions.iter().any(|condition| condition.device.is_some() && condition.device != first);
    (Reverse(alert.colour), Reverse(is_confirmed), Reverse(several), alert.raised_ms, alert.id)
}

/// A page of open alerts by rank, after the one named `before`, and what names the next page.
pub(super) fn page(
    mut alerts: Vec<Arc<Alert>>,
    before: Option<&str>,
    limit: usize,
) -> Result<(Heads, Option<String>), Problem> {
    alerts.sort_by_cached_key(|alert| rank(alert));
    let from = match before {
        None => 0,
        Some(text) => {
            let gone = || {
                let detail = format!(
                    "before: alert {text} is not open any more, and with it its rank: begin with the first page"
                );
                Problem::new(Kind::BadRequest, detail).with("field", "before")
            };
            let id: AlertId = text.parse().map_err(|_| gone())?;
            alerts.iter().position(|alert| alert.id == id).ok_or_else(gone)? + 1
        }
    };
    let shown = &alerts[from..alerts.len().min(from + limit)];
    let is_last = from + shown.len() == alerts.len();
    let next = shown.last().filter(|_| !is_last).map(|last| format!("{PREFIX}{}", last.id));
    Ok((Heads::of(shown), next))
}
