//! What findings do to an alert.

use model::alert::{Evidence, Shelf};
use model::{Alert, AlertId, Colour, FeedKind, Finding, Phase, RegionCode, Verdict};

use crate::ladder::{self, Reach};
use crate::marks;
use crate::policy::Policy;
use crate::turn::Draft;

/// Why an open alert rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ring {
    /// Its conditions had all ended, or it was a drill so far.
    Again,
    /// What it showed so far was found to be nothing: its colour is that of what began now.
    Anew,
    /// It became more urgent than what people were told.
    Louder,
}

/// A new alert, told and ringing.
///
/// `follows`: the alert before it in the same place, where that was closed a short time ago.
pub(crate) fn raise(
    finding: &Finding,
    grid: RegionCode,
    follows: Option<AlertId>,
    policy: &Policy,
    draft: &mut Draft<'_>,
) -> Alert {
    let id = AlertId { epoch: draft.epoch, unit: finding.unit, family: finding.family };
    let mut alert = Alert {
        conditions: vec![finding.key()],
        exercise: finding.exercise,
        drill: draft.drill,
        follows,
        ..Alert::new(id, urgency(finding.colour), grid, draft.now_ms)
    };
    add_evidence(&mut alert, finding, draft);
    let note = follows.map(|before| format!("follows {before}").into());
    draft.record(&mut alert, FeedKind::AlertRaised, &finding.rule, note);
    ladder::set(&mut alert, policy, draft);
    draft.tell(FeedKind::AlertRaised, &mut alert, finding.alarm.clone());
    ladder::climb(&mut alert, Reach::Due, policy.limits, draft);
    alert
}

/// Takes a finding into the open alert of its unit and family; whether anything changed.
pub(crate) fn merge(alert: &mut Alert, finding: &Finding, policy: &Policy, draft: &mut Draft<'_>) -> bool {
    match finding.phase {
        Phase::Began | Phase::Continued => {
            holds(alert, finding, policy, draft);
            true
        }
        Phase::Ended => ended(alert, finding, draft),
    }
}

fn holds(alert: &mut Alert, finding: &Finding, policy: &Policy, draft: &mut Draft<'_>) {
    // a device tested while a real alert is open is evidence, but neither a condition nor a cause to ring
    let is_drill_beside = finding.exercise && !alert.exercise;
    let ring = if is_drill_beside { None } else { ring_of(alert, finding) };
    add_evidence(alert, finding, draft);
    alert.updated_ms = draft.now_ms;
    if !is_drill_beside {
        let key = finding.key();
        if !alert.conditions.contains(&key) {
            alert.conditions.push(key);
        }
        let before = if ring == Some(Ring::Anew) { Colour::Blue } else { alert.colour };
        alert.colour = before.max(urgency(finding.colour));
        alert.exercise &= finding.exercise;
    }
    let is_real = matches!(alert.verdict, Some((Verdict::Real, _)));
    match ring {
        None => {}
        Some(Ring::Again | Ring::Anew) => {
            (alert.verdict, alert.cause, alert.checked) = (None, None, None);
            (alert.arrived, alert.acknowledged) = (Vec::new(), Vec::new());
        }
        Some(Ring::Louder) if is_real => {}
        Some(Ring::Louder) => (alert.verdict, alert.cause) = (None, None),
    }
    if ring.is_some() {
        break_shelf(alert, finding, draft);
    }
    let rings = ring.filter(|_| alert.shelved.is_none() && alert.out_of_service.is_none());
    let kind = match rings {
        None | Some(Ring::Louder) => FeedKind::AlertUpdated,
        Some(Ring::Again | Ring::Anew) => FeedKind::AlertRangAgain,
    };
    if rings.is_some() {
        marks::ring(alert, kind, &finding.rule, policy, draft);
    }
    draft.tell(kind, alert, finding.alarm.clone());
    if rings.is_some() {
        ladder::climb(alert, Reach::Due, policy.limits, draft);
    }
}

/// What is more urgent than what was put aside ends that: on the shelf any more urgent colour, out of service red.
fn break_shelf(alert: &mut Alert, finding: &Finding, draft: &mut Draft<'_>) {
    let colour = urgency(finding.colour);
    let louder = |shelf: &Option<Shelf>| shelf.as_ref().is_some_and(|shelf| colour > shelf.colour);
    let mut over = Vec::new();
    if louder(&alert.shelved) {
        alert.shelved = None;
        over.push(FeedKind::AlertUnshelved);
    }
    if colour == Colour::Red && louder(&alert.out_of_service) {
        alert.out_of_service = None;
        over.push(FeedKind::AlertReturnedToService);
    }
    for kind in over {
        draft.record(alert, kind, &finding.rule, Some(format!("it is {} now", colour.word()).into()));
        draft.tell(kind, alert, None);
    }
}

fn ring_of(alert: &Alert, finding: &Finding) -> Option<Ring> {
    let no_drill_after_all = alert.exercise && !finding.exercise;
    // the verdict is about what there was, not about what begins now
    let found_nothing = matches!(alert.verdict, Some((Verdict::False | Verdict::Test, _)));
    let is_unjudged = found_nothing && finding.phase == Phase::Began;
    if alert.conditions.is_empty() || no_drill_after_all {
        Some(Ring::Again)
    } else if is_unjudged {
        Some(Ring::Anew)
    } else if urgency(finding.colour) > alert.colour {
        Some(Ring::Louder)
    } else {
        None
    }
}

fn ended(alert: &mut Alert, finding: &Finding, draft: &mut Draft<'_>) -> bool {
    let key = finding.key();
    let held = alert.conditions.iter().position(|condition| *condition == key);
    if let Some(at) = held {
        alert.conditions.remove(at);
    }
    if held.is_some() && alert.conditions.is_empty() {
        draft.record(alert, FeedKind::AlertRestored, &finding.rule, None);
        draft.tell(FeedKind::AlertRestored, alert, finding.alarm.clone());
        return true;
    }
    let tells = held.is_some() || finding.alarm.is_some();
    if tells {
        alert.updated_ms = draft.now_ms;
        draft.tell(FeedKind::AlertUpdated, alert, finding.alarm.clone());
    }
    tells
}

/// Adds to the evidence. When that is full the oldest goes, except for the one that speaks for the alert: the newest of
/// the most urgent colour.
fn add_evidence(alert: &mut Alert, finding: &Finding, draft: &Draft<'_>) {
    alert.evidence.push(Evidence {
        at_ms: finding.at_ms,
        epoch: draft.epoch,
        rule: finding.rule.clone(),
        device: finding.device,
        colour: urgency(finding.colour),
        words: finding.evidence.clone(),
        alarm: finding.alarm.clone(),
    });
    alert.evidence_count = alert.evidence_count.saturating_add(1);
    if alert.evidence.len() > Alert::EVIDENCE_MAX {
        let oldest = alert.evidence[0].colour;
        let speaks = alert.evidence[1..].iter().all(|evidence| evidence.colour < oldest);
        alert.evidence.remove(usize::from(speaks));
    }
}

/// A finding's colour as an alert counts it: blind is a unit's colour, not a condition's, and not safe.
fn urgency(colour: Colour) -> Colour {
    match colour {
        Colour::Blue | Colour::Yellow | Colour::Orange | Colour::Red => colour,
        Colour::Blind => Colour::Yellow,
    }
}
