//! Whether a device is lost: at some tick since its last word its time was over.

use model::report::{Body, DeviceState};

use super::history::{History, Moment, What};

pub fn is_lost(history: &History) -> bool {
    let begin = history.moments.iter().rposition(Moment::is_life).map_or(0, |last| last + 1);
    let (before, silence) = history.moments.split_at(begin);
    let heard_ms = before.last().map_or(history.since_ms, |last| last.at_ms.max(history.since_ms));
    // the last promise that it gave itself
    let own_s = history.moments.iter().rev().find_map(|moment| match moment.what {
        What::Report(Body::State { state, next_report_s, will: false }) if state != DeviceState::Lost => {
            Some(next_report_s.unwrap_or(0))
        }
        _ => None,
    });
    let own_s = own_s.unwrap_or(0);
    let mut said_ms = None;
    for moment in silence {
        if let What::Report(Body::State { state: DeviceState::Lost, .. }) = moment.what {
            said_ms = Some(moment.at_ms);
        }
        let set = &moment.settings.lost_contact;
        let promise_s = u64::from(if own_s != 0 { own_s } else { moment.promise_s });
        let beyond_s = promise_s * u64::from(set.factor_pct - 100) / 100;
        let grace_s = beyond_s.clamp(u64::from(set.grace_least_s), u64::from(set.grace_most_s));
        let mut from_ms = heard_ms;
        for [deaf_ms, resumed_ms] in moment.deaf_ms.iter().filter(|[_, resumed_ms]| heard_ms < *resumed_ms) {
            let deaf_for_ms = resumed_ms - deaf_ms;
            let long = deaf_for_ms / 100 >= promise_s;
            from_ms = if long { *resumed_ms } else { *resumed_ms.min(&(from_ms + deaf_for_ms)) };
        }
        let silent_ms = from_ms + (promise_s + grace_s) * 1000;
        let settled_ms = said_ms.map_or(u64::MAX, |said_ms: u64| said_ms + u64::from(set.settle_s) * 1000);
        if matches!(moment.what, What::Tick) && silent_ms.min(settled_ms) <= moment.now_ms {
            return true;
        }
    }
    false
}

/// Whether it was ever heard of.
pub fn was_heard(history: &History) -> bool {
    history.moments.iter().any(Moment::is_life)
}
