//! Drills: alerts that nobody's detector raised, through the real ladder, marked as exercise.

use std::sync::Arc;

use model::alert::{Mark, Refused};
use model::finding::Words;
use model::{AlertId, Colour, Family, FeedKind, Finding, Order, OrderBody, OrderId, Phase, RegionCode, UnitId};

use super::{DESK, Open, Orders, check_region, check_text, check_within, note, record, refuse};
use crate::desk::{Desk, key_of};
use crate::turn::Draft;

/// Longest drill, seconds.
const LASTS_S_MAX: u32 = 4 * 3_600;
/// The rule that a drill's alerts name.
const RULE: &str = "drill";

impl Orders {
    pub(super) fn drill(&mut self, id: OrderId, order: &Order, draft: &Draft<'_>) -> Result<Open, Refused> {
        let OrderBody::Drill { region, units, colour, note: said, lasts_s, .. } = &order.body else {
            return refuse("this is no drill");
        };
        check_region(*region, draft)?;
        check_text("note", said)?;
        check_within("lasts_s", *lasts_s, 10, LASTS_S_MAX)?;
        if *colour == Colour::Blind {
            return refuse("colour: a drill is blue, yellow, orange or red");
        }
        if units.len() > Order::DRILL_UNITS_MAX {
            return refuse(format!("{} units are more than {}", units.len(), Order::DRILL_UNITS_MAX));
        }
        for unit in units {
            let known = draft.roster.units().get(unit.index()).filter(|slot| slot.current);
            if !known.is_some_and(|slot| region.contains(slot.row.grid)) {
                return refuse(format!("unit {} is not in region {region}", unit.0));
            }
        }
        if units.is_empty() && draft.roster.units_in(*region) == 0 {
            return refuse(format!("there is no unit in region {region}"));
        }
        let mut record = record(id, order, *region, *colour, true, draft);
        record.ends_ms = Some(draft.now_ms + u64::from(*lasts_s) * 1000);
        self.drills_to_begin.push(id);
        Ok(Open { record, asked: Default::default() })
    }
}

impl Desk {
    /// Begins the drills that were ordered in this commit, and closes the alerts of those that ended. After the findings: a
    /// unit that has an alert of its own is left in peace.
    pub(crate) fn drills(&mut self, ticked: bool, draft: &mut Draft<'_>) {
        if ticked {
            let of_drills = self.orders.open.values().filter(|open| !open.record.alerts.is_empty());
            let all_closed = |alerts: &[AlertId]| !alerts.iter().any(|alert| self.is_open(*alert));
            let done = of_drills.filter(|open| all_closed(&open.record.alerts)).map(|open| open.record.id);
            for id in done.collect::<Vec<_>>() {
                self.orders.close(id, DESK, "all its alerts are closed", &mut self.owed, draft);
            }
        }
        for record in std::mem::take(&mut self.orders.drills_over) {
            for alert in record.alerts {
                self.break_off(alert, "the drill is over", draft);
            }
        }
        for id in std::mem::take(&mut self.orders.drills_to_begin) {
            self.begin_drill(id, draft);
        }
        // those that found no unit
        self.orders.drills_over.clear();
    }

    fn begin_drill(&mut self, id: OrderId, draft: &mut Draft<'_>) {
        let Some(open) = self.orders.open.get(&id) else { return };
        let OrderBody::Drill { region, units, family, colour, note: said, .. } = open.record.order.body.clone() else {
            return;
        };
        let chosen =
            if units.is_empty() { self.any_unit(region, family, id, draft).into_iter().collect() } else { units };
        let (mut alerts, mut left) = (Vec::new(), 0);
        for unit in chosen {
            let alert = AlertId { epoch: draft.epoch, unit, family };
            if self.has_open(unit, family) || alerts.contains(&alert) {
                left += 1;
                continue;
            }
            self.raise_drill(&finding(unit, family, colour, &said, draft.now_ms), id, draft);
            alerts.push(alert);
        }
        let Some(open) = self.orders.open.get_mut(&id) else { return };
        let raised = format!("{} alerts; {left} units left in peace, they have an open alert", alerts.len());
        note(&mut open.record, "begun", DESK, Some(&raised), draft);
        open.record.alerts.clone_from(&alerts);
        self.orders.changed.insert(id);
        if alerts.is_empty() {
            self.orders.close(id, DESK, "every unit named has an open alert of its own", &mut self.owed, draft);
        }
    }

    /// A unit without an open alert of the family; another one for each order, the same after a replay.
    fn any_unit(&self, region: RegionCode, family: Family, id: OrderId, draft: &Draft<'_>) -> Option<UnitId> {
        let units = draft.roster.units();
        let count = u64::try_from(units.len()).ok().filter(|count| *count > 0)?;
        let from = id.epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15) % count;
        let turned = (0..count).map(|at| (from + at) % count);
        let mut fitting = turned.filter_map(|at| {
            let slot = units.get(usize::try_from(at).ok()?)?;
            let unit = UnitId(u32::try_from(at).ok()?);
            (slot.current && region.contains(slot.row.grid) && !self.has_open(unit, family)).then_some(unit)
        });
        fitting.next()
    }
}

impl Desk {
    fn has_open(&self, unit: UnitId, family: Family) -> bool {
        self.open.contains_key(&(unit, family))
    }

    fn is_open(&self, id: AlertId) -> bool {
        self.open.get(&key_of(id)).is_some_and(|open| open.alert.id == id)
    }

    fn raise_drill(&mut self, finding: &Finding, drill: OrderId, draft: &mut Draft<'_>) {
        draft.drill = Some(drill);
        self.finding(finding, draft);
        draft.drill = None;
    }

    /// Closes an alert of a drill.
    pub(crate) fn break_off(&mut self, id: AlertId, why: &str, draft: &mut Draft<'_>) {
        let key = key_of(id);
        let open = self.open.get_mut(&key).filter(|open| open.alert.id == id && open.alert.drill.is_some());
        let Some(open) = open else { return };
        let alert = Arc::make_mut(&mut open.alert);
        alert.closed = Some(Mark::by(DESK, draft.now_ms));
        draft.record(alert, FeedKind::AlertClosed, DESK, Some(why.into()));
        draft.tell(FeedKind::AlertClosed, alert, None);
        self.settle(key, draft);
    }
}

/// The finding that a drill puts in a detector's place.
fn finding(unit: UnitId, family: Family, colour: Colour, said: &str, at_ms: u64) -> Finding {
    Finding {
        at_ms,
        unit,
        device: None,
        rule: RULE.into(),
        family,
        colour,
        phase: Phase::Began,
        evidence: Words { zh: format!("演练：{said}").into(), en: format!("exercise: {said}").into() },
        would_change: Words { zh: "演练结束".into(), en: "the end of the drill".into() },
        alarm: None,
        exercise: true,
    }
}
