//! Inhibition: which alert explains which others. Rules are the policy's, see [`Inhibit`].

use model::alert::Verdict;
use model::roster::Device;
use model::{Alert, DeviceId, Level, RegionCode, Roster, UnitId};

use crate::policy::{Inhibit, Scope};

/// Where an alert explains others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Unit(UnitId),
    Region(RegionCode),
    /// Devices on one line: `vendor/gateway/village`, or `vendor//village` for those without a gateway.
    Line(Box<str>),
}

/// Rules, by their number, whose cause the alert is, and where.
pub(crate) fn causes(rules: &[Inhibit], alert: &Alert, roster: &Roster) -> Vec<(usize, Place)> {
    if alert.exercise {
        return Vec::new();
    }
    let mut causes = Vec::new();
    for (at, rule) in rules.iter().enumerate().filter(|(_, rule)| is_cause(rule, alert)) {
        let mut places = places(rule.scope, alert, roster);
        if rule.scope == Scope::Gateway {
            // a gateway that is a device itself explains those that speak through it
            places.extend(devices(alert, roster).map(|(_, device)| line(device, &device.name, alert.grid)));
        }
        for place in places {
            if !causes.contains(&(at, place.clone())) {
                causes.push((at, place));
            }
        }
    }
    causes
}

fn is_cause(rule: &Inhibit, alert: &Alert) -> bool {
    let cause = &rule.cause;
    let is_real = matches!(alert.verdict, Some((Verdict::Real, _)));
    let holds = alert.conditions.iter().any(|condition| is_named(&cause.rules, &condition.rule));
    // what people found to be real stays so, whatever its burnt detectors say
    let counts = if cause.confirmed { is_real && (holds || cause.rules.is_empty()) } else { holds };
    alert.family() == cause.family && counts
}

/// Whether the alert waits while the rule's cause holds near it.
pub(crate) fn is_effect(rule: &Inhibit, alert: &Alert) -> bool {
    let all = alert.conditions.iter().all(|condition| is_named(&rule.hold.rules, &condition.rule));
    rule.hold.families.contains(&alert.family()) && !alert.conditions.is_empty() && all
}

fn is_named(rules: &[Box<str>], rule: &str) -> bool {
    rules.is_empty() || rules.iter().any(|known| **known == *rule)
}

/// Where an alert is, in terms of a scope. An alert whose conditions are on several lines is on none.
pub(crate) fn places(scope: Scope, alert: &Alert, roster: &Roster) -> Vec<Place> {
    if let Some(level) = scope.level() {
        return alert.grid.at(level).map(Place::Region).into_iter().collect();
    }
    if scope == Scope::Unit {
        return vec![Place::Unit(alert.id.unit)];
    }
    let mut lines = devices(alert, roster).map(|(_, device)| match scope {
        Scope::Gateway if !device.gateway.is_empty() => Some(line(device, &device.gateway, alert.grid)),
        Scope::Vendor if device.gateway.is_empty() => Some(line(device, "", alert.grid)),
        _ => None,
    });
    let Some(Some(first)) = lines.next() else { return Vec::new() };
    if lines.all(|line| line.as_ref() == Some(&first)) { vec![first] } else { Vec::new() }
}

/// Devices whose conditions hold.
fn devices<'a>(alert: &'a Alert, roster: &'a Roster) -> impl Iterator<Item = (DeviceId, &'a Device)> {
    let ids = alert.conditions.iter().filter_map(|condition| condition.device);
    ids.filter_map(|id| Some((id, roster.device(id)?)))
}

fn line(device: &Device, gateway: &str, grid: RegionCode) -> Place {
    let village = grid.at(Level::Village).unwrap_or(grid);
    Place::Line(format!("{}/{gateway}/{village}", device.vendor).into())
}
