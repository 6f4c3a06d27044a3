//! What should have happened by now and has not, told from what is on record and the clock alone.
//!
//! The auditor needs no desk: it works out each open alert's next step from the alert itself, and beside that asks by rules of
//! its own whether anybody was told at all. A desk that stalls, forgets a step or never came to tell a fire is found by it.

use model::{Alert, AlertId, AlertState, Colour, Delivery, DeliveryState, Family, Matter};

use crate::{hold, ladder};

/// How late is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditLimits {
    /// After a step was due, s.
    pub step_s: u64,
    /// A red delivery that was never tried, s.
    pub red_untried_s: u64,
    /// Any other delivery, s: quiet hours and budgets may hold those.
    pub untried_s: u64,
}

/// What is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LateKind {
    /// A fire that nobody was told of.
    UntoldFire,
    /// A step of a ladder.
    Step,
    /// A ladder that waits beyond the time it was to wait.
    Release,
    /// A delivery that was never tried.
    Delivery,
}

impl LateKind {
    pub const ALL: [LateKind; 4] = [LateKind::UntoldFire, LateKind::Step, LateKind::Release, LateKind::Delivery];

    pub fn word(self) -> &'static str {
        match self {
            LateKind::UntoldFire => "untold_fire",
            LateKind::Step => "step",
            LateKind::Release => "release",
            LateKind::Delivery => "delivery",
        }
    }
}

/// Something that is late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    pub kind: LateKind,
    pub about: Matter,
    /// When it should have happened, ms since 1970.
    pub due_ms: u64,
    /// For the log.
    pub detail: String,
}

/// Everything that is late at `now_ms`, what matters most first.
pub fn audit(open: &[Alert], owed: &[Delivery], now_ms: u64, limits: AuditLimits) -> Vec<Late> {
    let mut late: Vec<Late> = open.iter().filter_map(|alert| of_alert(alert, now_ms, limits)).collect();
    late.extend(owed.iter().filter_map(|delivery| of_delivery(delivery, now_ms, limits)));
    late.sort_by_key(|late| (late.kind, late.due_ms, late.about));
    late
}

fn of_alert(alert: &Alert, now_ms: u64, limits: AuditLimits) -> Option<Late> {
    let step_ms = limits.step_s * 1000;
    let late = |kind, due_ms: u64, detail| {
        (due_ms + step_ms < now_ms).then_some(Late { kind, about: alert.id.into(), due_ms, detail })
    };
    let nobody = alert.ladder.iter().all(|rung| rung.told_ms.is_none()) && alert.acknowledged.is_empty();
    let rings = alert.state == AlertState::Raised && !alert.exercise;
    if alert.family() == Family::Fire && rings && nobody {
        let detail = format!("fire {} rings since {} and nobody was told of it", alert.id, hold::utc(alert.rang_ms));
        return late(LateKind::UntoldFire, alert.rang_ms, detail);
    }
    if let Some(until_ms) = alert.held.as_ref().and_then(|held| held.until_ms)
        && until_ms + step_ms < now_ms
    {
        let detail = format!("the ladder of {} was to wait until {} and waits still", alert.id, hold::utc(until_ms));
        return late(LateKind::Release, until_ms, detail);
    }
    let due_ms = ladder::next_due(alert)?;
    late(LateKind::Step, due_ms, format!("the next step of {} was due at {}", alert.id, hold::utc(due_ms)))
}

fn of_delivery(delivery: &Delivery, now_ms: u64, limits: AuditLimits) -> Option<Late> {
    let is_red = delivery.about.colour() == Colour::Red;
    let limit_ms = if is_red { limits.red_untried_s } else { limits.untried_s } * 1000;
    let due_ms = delivery.owed_ms + limit_ms;
    (delivery.state == DeliveryState::Owed && delivery.attempts.is_empty() && due_ms < now_ms).then(|| Late {
        kind: LateKind::Delivery,
        about: delivery.matter,
        due_ms,
        detail: format!("{} to {} was never tried", delivery.id, delivery.person_code),
    })
}

impl Late {
    /// The alert, where it is one.
    pub fn alert(&self) -> Option<AlertId> {
        self.about.alert()
    }
}
