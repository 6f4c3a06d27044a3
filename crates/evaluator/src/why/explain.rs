//! Makes the answers, from the state as it is between two commits.

use std::collections::BTreeMap;

use model::finding::Words;
use model::{AlertId, Colour, ColourCounts, DeviceId, Family, Reason, RegionCode, RiskBands, Roster, UnitId};

use super::explanation::{
    AlertWhy, AsOf, CountedCondition, DeviceShort, DeviceWhy, Ended, Heard, HeldWhy, IncidentWhy, RegionWhy, RuleWhy,
    RulesVersion, Timer, UnitShort, UnitWhy,
};
use super::{Explanation, Question, Standing, Watch};
use crate::judge::Judge;
use crate::rule::{self, Memory, RULES, words};
use crate::state::{Device, Held, Incident, NEVER, NO_DEVICE, Unit};
use crate::unit;

/// Timers told of a unit.
const TIMERS_MAX: usize = 10;

/// The answer, where this worker has what is asked about.
pub(crate) fn explain(judge: &Judge, roster: &Roster, question: Question) -> Option<Explanation> {
    let asked = Asked { judge, roster };
    Some(match question {
        Question::Device(id) => Explanation::Device(Box::new(asked.device(id)?)),
        Question::Unit(id) => Explanation::Unit(Box::new(asked.unit(id)?)),
        Question::Alert(id) => Explanation::Alert(Box::new(asked.alert(id)?)),
        Question::Region(code) => Explanation::Region(Box::new(asked.region(code))),
    })
}

struct Asked<'a> {
    judge: &'a Judge,
    roster: &'a Roster,
}

impl Asked<'_> {
    fn as_of(&self) -> AsOf {
        let state = self.judge.state();
        let in_force = RulesVersion { hash: crate::rules::hash(&state.rules), epoch: state.rules_epoch };
        AsOf { epoch: state.epoch, at_ms: state.at_ms, in_force }
    }

    fn row(&self, id: DeviceId) -> Option<(&Device, &model::roster::Device)> {
        Some((self.judge.state().devices.get(id.index())?, self.roster.device(id)?))
    }

    fn key(&self, id: DeviceId) -> String {
        self.roster.device(id).map_or_else(|| format!("device {}", id.0), model::roster::Device::key)
    }

    fn device(&self, id: DeviceId) -> Option<DeviceWhy> {
        let (device, row) = self.row(id)?;
        let state = self.judge.state();
        let unit = state.units.get(row.unit.index())?;
        let of_rules = Memory::watches(device, self.judge.settings(), state.at_ms, &state.deaf);
        let rules = RULES.iter().zip(of_rules).map(|(info, (_, mut watches))| {
            if rule::judges_units(info.name) {
                watches.iter_mut().for_each(|watch| of_the_unit(watch, unit));
            }
            RuleWhy { rule: info.name, reads: info.reads.iter().map(|quantity| quantity.key()).collect(), watches }
        });
        Some(DeviceWhy {
            as_of: self.as_of(),
            device: row.key(),
            class: row.class,
            location: row.location.to_string(),
            unit: self.roster.unit(row.unit)?.code.to_string(),
            heard: self.heard(device),
            holds: unit.held.iter().filter(|held| held.device == id.0).map(|held| self.held(unit, held)).collect(),
            rules: rules.collect(),
            timer_ms: (device.armed_ms != NEVER).then_some(device.armed_ms),
        })
    }

    fn heard(&self, device: &Device) -> Heard {
        let facts = &device.facts;
        let now_ms = self.judge.state().at_ms;
        let some = |at_ms: u64| (at_ms != 0).then_some(at_ms);
        let promise_s = if facts.next_report_s != 0 { facts.next_report_s } else { facts.report_every_s };
        let (lost, distrusted) =
            (device.holding & rule::lost_bit() != 0, device.holding & self.judge.distrusting() != 0);
        let ago_s = now_ms.saturating_sub(facts.last_ms) / 1000;
        let told = if !facts.current {
            words("已从名册撤下", "taken off the roster")
        } else if !device.heard() {
            words("登记后从未上报", "never heard of since it came on the roster")
        } else if lost {
            words(format!("失联：{ago_s} 秒前最后上报"), format!("lost: last heard of {ago_s} s ago"))
        } else if distrusted {
            words(
                format!("{ago_s} 秒前上报，但处于故障状态，不可信"),
                format!("heard of {ago_s} s ago, but in a fault that blinds it"),
            )
        } else {
            words(
                format!("正常，{ago_s} 秒前上报，承诺周期 {promise_s} 秒"),
                format!("in order: heard of {ago_s} s ago, promises to be within {promise_s} s"),
            )
        };
        Heard {
            words: told,
            trusted: facts.current && device.heard() && !lost && !distrusted,
            silent: facts.silent,
            promise_s,
            on_roster_since_ms: facts.since_ms,
            last_ms: some(facts.last_ms),
            lost_said_ms: some(facts.lost_said_ms),
            test_ms: some(facts.test_ms),
            muted_ms: some(facts.muted_ms),
        }
    }

    fn held(&self, unit: &Unit, held: &Held) -> HeldWhy {
        let condition = rule::condition(held.condition);
        let (evidence, would_change) = rule::words_of(held.condition, &held.note);
        let judged_false = held.in_incident && unit.incident(condition.family).is_some();
        let held_back = held.muted.then(|| {
            if judged_false {
                words(
                    "已被人员核实为误报或测试：解除并再次出现后才重新计入",
                    "a person found it false or a test: it counts again once it has ended and begins anew",
                )
            } else {
                words(
                    "其警情已由人员关闭：解除并再次出现后才重新计入",
                    "a person closed its alert: it counts again once it has ended and begins anew",
                )
            }
        });
        HeldWhy {
            rule: rule::rule_of(held.condition),
            condition: condition.name,
            family: condition.family,
            colour: held.colour,
            since_ms: held.since_ms,
            device: (held.device != NO_DEVICE).then(|| self.key(DeviceId(held.device))),
            evidence: unit::annotated(evidence, (held.after_test_s, held.after_mute_s)),
            would_change,
            held_back,
        }
    }

    fn unit(&self, id: UnitId) -> Option<UnitWhy> {
        let state = self.judge.state();
        let (unit, row) = (state.units.get(id.index()).filter(|unit| unit.current)?, self.roster.unit(id)?);
        let of_unit = self.roster.devices_of(id);
        let reasons = self.judge.judged(self.roster, id, unit).reasons(unit.since_ms);
        let (severity, evidence) = unit::why(state, self.judge.rules(), self.roster, id, state.at_ms);
        let mut timers = Vec::new();
        let mut devices = Vec::new();
        for device_id in of_unit {
            let Some((device, row)) = self.row(*device_id) else { continue };
            if device.armed_ms != NEVER {
                timers.push(Timer { at_ms: device.armed_ms, device: row.key() });
            }
            let heard = self.heard(device);
            devices.push(DeviceShort {
                device: row.key(),
                class: row.class,
                location: row.location.to_string(),
                trusted: heard.trusted,
                last_ms: heard.last_ms,
                words: heard.words,
                holds: rule::names_of(device.holding),
            });
        }
        timers.sort_by(|a, b| (a.at_ms, &a.device).cmp(&(b.at_ms, &b.device)));
        timers.truncate(TIMERS_MAX);
        let would_change = would_change(unit, &reasons);
        Some(UnitWhy {
            as_of: self.as_of(),
            unit: row.code.to_string(),
            name: row.name.to_string(),
            category: row.category.to_string(),
            grid: row.grid,
            colour: unit.colour,
            since_ms: unit.since_ms,
            blind_since_ms: unit.blind_since_ms,
            risk: unit.risk,
            reasons,
            holds: unit.held.iter().map(|held| self.held(unit, held)).collect(),
            incidents: Family::ALL.into_iter().filter_map(|family| incident(unit, family)).collect(),
            severity,
            evidence,
            risk_parts: crate::risk::why(state, self.judge.rules(), self.roster, id, state.at_ms)
                .map_or_else(Vec::new, |why| why.parts),
            devices,
            timers,
            fire_ended: unit
                .fire_ended
                .iter()
                .map(|(device, at_ms)| Ended { at_ms: *at_ms, device: self.key(DeviceId(*device)) })
                .collect(),
            would_change,
        })
    }

    fn alert(&self, id: AlertId) -> Option<AlertWhy> {
        let kept = self.judge.state().units.get(id.unit.index())?;
        let unit = self.unit(id.unit)?;
        let open = kept.incident(id.family).is_some_and(|incident| incident.openings.contains(&id.epoch));
        let conditions: Vec<HeldWhy> = unit.holds.iter().filter(|held| held.family == id.family).cloned().collect();
        let told = match (open, conditions.len()) {
            (false, _) => words("该警情已不再影响单位颜色", "the alert no longer decides about the unit's colour"),
            (true, 0) => {
                words("触发条件均已解除，警情仍未关闭", "none of its conditions holds any more; it is still open")
            }
            (true, count) => words(format!("{count} 个触发条件仍成立"), format!("{count} of its conditions hold")),
        };
        Some(AlertWhy {
            alert: id,
            open,
            incident: incident(kept, id.family).filter(|_| open),
            conditions,
            words: told,
            unit,
        })
    }

    fn region(&self, region: RegionCode) -> RegionWhy {
        let state = self.judge.state();
        let mut why = RegionWhy {
            as_of: self.as_of(),
            region,
            name: self.roster.region_name(region),
            units: 0,
            counts: ColourCounts::default(),
            blind: 0,
            without_device: 0,
            risk: RiskBands::default(),
            conditions: Vec::new(),
            worst: Vec::new(),
        };
        let mut counted: BTreeMap<u8, u32> = BTreeMap::new();
        // (place among the worst, unit): the names are made for those alone that are told
        let mut worst: Vec<((u8, u8, u64), u32)> = Vec::new();
        for (unit, id) in state.units.iter().zip(0_u32..).filter(|(unit, _)| unit.current && region.contains(unit.grid))
        {
            let Some(colour) = unit.colour else { continue };
            why.units += 1;
            *why.counts.of(colour) += 1;
            if unit.blind_since_ms.is_some() {
                why.blind += 1;
                why.without_device += u32::from(self.roster.devices_of(UnitId(id)).is_empty());
            }
            if let Some(index) = unit.risk_told {
                why.risk.count(index, true);
            }
            let mut bits =
                unit.held.iter().filter(|held| !held.muted).fold(0_u64, |bits, held| bits | 1 << held.condition);
            while bits != 0 {
                let place = bits.trailing_zeros() as u8;
                *counted.entry(place).or_default() += 1;
                bits &= bits - 1;
            }
            if colour != Colour::Blue {
                worst.push((self.short(unit, id, colour, false).rank(), id));
            }
        }
        worst.sort_unstable();
        worst.truncate(RegionWhy::WORST_MAX);
        why.conditions = counted
            .into_iter()
            .map(|(place, units)| {
                let condition = rule::condition(place);
                CountedCondition { condition: condition.name, family: condition.family, units }
            })
            .collect();
        why.worst = worst
            .into_iter()
            .filter_map(|(_, id)| {
                let unit = state.units.get(id as usize)?;
                Some(self.short(unit, id, unit.colour?, true))
            })
            .collect();
        why.settle();
        why
    }

    fn short(&self, unit: &Unit, id: u32, colour: Colour, named: bool) -> UnitShort {
        let row = self.roster.unit(UnitId(id)).filter(|_| named);
        let bits = unit.held.iter().filter(|held| !held.muted).fold(0, |bits, held| bits | 1 << held.condition);
        UnitShort {
            unit: row.map_or_else(String::new, |row| row.code.to_string()),
            name: row.map_or_else(String::new, |row| row.name.to_string()),
            colour,
            since_ms: unit.since_ms,
            risk: unit.risk_told,
            conditions: if named { rule::names_of(bits) } else { Vec::new() },
        }
    }
}

/// A condition that its unit as a whole is judged by: what a device alone said says nothing of it.
fn of_the_unit(watch: &mut Watch, unit: &Unit) {
    let holds = unit.held.iter().any(|held| rule::condition(held.condition).name == watch.condition);
    watch.standing = if holds { Standing::Holds } else { Standing::Calm };
    watch.seen = if holds {
        words("按整个单位判断：成立，详见单位", "judged for the unit as a whole: it holds; ask for the unit")
    } else {
        words("按整个单位判断：不成立，详见单位", "judged for the unit as a whole: it does not hold; ask for the unit")
    };
}

/// What would take the unit's colour down: a person's word alone, where a fire keeps it.
fn would_change(unit: &Unit, reasons: &[Reason]) -> Vec<Words> {
    let fire =
        unit.incident(Family::Fire).filter(|fire| unit::kept(fire).is_some_and(|kept| Some(kept) >= unit.colour));
    if let Some(fire) = fire {
        return vec![unit::ends(fire)];
    }
    let mut changes: Vec<Words> = Vec::new();
    for reason in reasons {
        if Some(reason.colour) == unit.colour && !changes.contains(&reason.would_change) {
            changes.push(reason.would_change.clone());
        }
    }
    changes
}

fn incident(unit: &Unit, family: Family) -> Option<IncidentWhy> {
    let incident: &Incident = unit.incident(family)?;
    let keeps = (family == Family::Fire).then(|| unit::kept(incident)).flatten();
    let told = match (incident.real, incident.unjudged, family) {
        (true, ..) => words("经核实为真实火情，关闭前保持红色", "found to be real: it stays red until it is closed"),
        (_, true, Family::Fire) => words(
            "尚无人核实：触发条件解除也不降级",
            "nobody has verified it: it does not fall by itself when its conditions end",
        ),
        (_, false, Family::Fire) => words("已核实为误报或测试", "found false, or a test"),
        _ => words("随条件变化，可自行解除", "follows its conditions, and may end by itself"),
    };
    Some(IncidentWhy {
        family,
        opened_ms: incident.opened_ms,
        colour: incident.colour,
        verdict: incident.verdict,
        keeps,
        words: told,
    })
}
