//! Units and regions, counted anew from what was told of devices and units.

use std::collections::{BTreeMap, BTreeSet};

use evaluator::rule::RULES;
use model::report::Body;
use model::{
    Action, Colour, DeviceId, Entry, Evaluated, Family, Phase, RegionCode, RegionStatus, RiskBands, UnitId, UnitStatus,
    Verdict,
};

/// What was told so far.
#[derive(Default)]
pub struct Town {
    /// Conditions that hold: unit, device, name.
    held: BTreeMap<(UnitId, Option<DeviceId>, String), Family>,
    units: BTreeMap<UnitId, UnitStatus>,
    regions: BTreeMap<RegionCode, RegionStatus>,
    /// Devices that are heard of.
    alive: BTreeSet<DeviceId>,
    /// Units in which somebody judged a fire since the last one began.
    judged: BTreeSet<UnitId>,
}

impl Town {
    pub fn holds(&self, device: DeviceId, name: &str) -> bool {
        self.held.keys().any(|(_, of, held)| *of == Some(device) && held == name)
    }

    pub fn trust(&mut self, device: DeviceId, alive: bool) {
        if alive {
            self.alive.insert(device);
        } else {
            self.alive.remove(&device);
        }
    }

    /// Takes in what a commit told. A condition begins only where it does not hold, and goes on or ends only where it does.
    pub fn take(&mut self, out: &Evaluated) {
        let commit = &out.step.commit;
        for entry in &commit.entries {
            if let Entry::Command(command) = entry
                && command.alert.family == Family::Fire
                && !matches!(
                    command.action,
                    Action::Acknowledge | Action::Arrive | Action::BeginWork | Action::Verify(Verdict::Real, _)
                )
            {
                self.judged.insert(command.alert.unit);
            }
        }
        for finding in &out.findings {
            let key = (finding.unit, finding.device, finding.rule.to_string());
            let told = format!("commit {}: {finding:?}", commit.epoch);
            match finding.phase {
                Phase::Began => {
                    assert!(self.held.insert(key, finding.family).is_none(), "began twice, {told}");
                    if finding.family == Family::Fire {
                        self.judged.remove(&finding.unit);
                    }
                }
                Phase::Continued => assert!(self.held.contains_key(&key), "never began, {told}"),
                Phase::Ended => {
                    let held = self.held.remove(&key).is_some();
                    assert!(held || finding.alarm.is_some(), "never began, {told}");
                }
            }
        }
        for status in &out.units {
            self.units.insert(status.unit, status.clone());
        }
        let roster = &out.step.roster;
        self.units.retain(|unit, _| roster.units()[unit.index()].current);
        for status in &out.regions {
            self.regions.insert(status.region, *status);
        }
        for entry in &commit.entries {
            let Entry::Report(report) = entry else { continue };
            let Body::Alarm { id, active: true, .. } = &report.body else { continue };
            let named = out.findings.iter().any(|finding| finding.alarm.as_ref() == Some(id));
            assert!(named || roster.device(report.device).is_none(), "alarm {id} is lost in commit {}", commit.epoch);
        }
    }

    /// Counts again.
    pub fn check(&self, out: &Evaluated) {
        let (roster, epoch) = (&out.step.roster, out.step.commit.epoch);
        let distrusting = RULES.iter().flat_map(|rule| rule.conditions).filter(|condition| condition.distrusts);
        let distrusting: Vec<&str> = distrusting.map(|condition| condition.name).collect();
        let mut counts: BTreeMap<RegionCode, RegionStatus> = BTreeMap::new();
        for (slot, id) in roster.units().iter().zip(0..).filter(|(slot, _)| slot.current) {
            let unit = UnitId(id);
            let status = self.units.get(&unit).unwrap_or_else(|| panic!("commit {epoch}: nothing told of unit {id}"));
            let trusted = roster.devices_of(unit).iter().filter(|device| {
                self.alive.contains(device) && !distrusting.iter().any(|name| self.holds(**device, name))
            });
            let blind = trusted.count() == 0;
            assert_eq!(status.blind_since_ms.is_some(), blind, "commit {epoch}: {status:?}");
            assert!(!(blind && status.colour == Colour::Blue), "commit {epoch}: unknown is not safe: {status:?}");
            let fires = self.held.iter().filter(|((of, ..), family)| *of == unit && **family == Family::Fire);
            if fires.count() > 0 && !self.judged.contains(&unit) {
                assert!(
                    matches!(status.colour, Colour::Orange | Colour::Red),
                    "commit {epoch}: a fire that nobody judged: {status:?}"
                );
            }
            for region in slot.row.grid.ancestry() {
                let none = RegionStatus { region, counts: Default::default(), blind: 0, risk: RiskBands::default() };
                let count = counts.entry(region).or_insert(none);
                *count.counts.of(status.colour) += 1;
                count.blind += u32::from(blind);
                if let Some(risk) = status.risk {
                    count.risk.count(risk, true);
                }
            }
        }
        for (region, told) in &self.regions {
            let counted =
                counts.remove(region).map_or(Default::default(), |status| (status.counts, status.blind, status.risk));
            assert_eq!((told.counts, told.blind, told.risk), counted, "commit {epoch}: region {region}");
        }
        assert!(counts.is_empty(), "commit {epoch}: nothing told of {:?}", counts.keys());
    }
}
