//! Towns where anything happens, and what must hold whatever happens.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use alerts::{DEFAULT_POLICY, Policy, Turn};
use model::alert::{Media, Photo, ReceiptOutcome};
use model::hold::{SilenceOrder, SilenceScope};
use model::order::{Answer, OrderCounts, OrderRecord, Stage};
use model::roster::{Post, RosterRows};
use model::{
    Action, Alert, AlertId, AlertState, Cause, Colour, DeliveryId, DeliveryState, Entry, Family, FeedKind, HeldBy,
    KeptKind, Ledger, LedgerBatch, Matter, Order, OrderBody, OrderId, Phase, Silence, UnitId, Verdict, chain, wire,
};

use crate::books::Books;
use crate::world::{GRID, START_MS, World, code, finding, rows, status};

/// Numbers that follow from a seed (an MMIX linear congruential generator).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        // a few steps apart from the next seed
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    pub fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub fn of<T: Copy>(&mut self, table: &[T]) -> T {
        table[self.below(table.len())]
    }
}

/// Incidents of few alerts, so that there are some among four units.
const SMALL: &str = "[storm]\nvillage_alerts = 2\ntownship_alerts = 3\narea_quiet_s = 60\nrepeat_s = 600\n\
                     [flood]\nseats = 1\nalerts = 3\nover_alerts = 2\n[silence]\nnotice_s = 60";

/// The units of each village are one building.
fn two_buildings() -> RosterRows {
    let mut rows = rows();
    for (at, (_, unit)) in rows.units.iter_mut().enumerate() {
        unit.address = if at < 2 { "1 Dock Road".into() } else { " 2 Dock Road".into() };
    }
    rows
}

/// A world with seeded events.
pub struct Town {
    pub world: World,
    dice: Dice,
    at_ms: u64,
    /// Conditions that hold, as `U0 smoke/7`.
    conditions: BTreeSet<String>,
    /// Alarm ids given out.
    alarms: usize,
    /// Seen so far, for what must hold.
    alerts: BTreeMap<AlertId, Alert>,
    deliveries: BTreeMap<(Matter, DeliveryId), DeliveryState>,
    orders: Vec<OrderId>,
    /// Silences that were ordered, and those of them that are over.
    silences: Vec<Order>,
    over: BTreeSet<OrderId>,
}

impl Town {
    pub fn new(seed: u64) -> Town {
        Town {
            world: World::with(&two_buildings(), Policy::default()),
            dice: Dice(seed),
            at_ms: 0,
            conditions: BTreeSet::new(),
            alarms: 0,
            alerts: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            orders: Vec::new(),
            silences: Vec::new(),
            over: BTreeSet::new(),
        }
    }

    /// One commit, and a look at everything that must hold after it.
    pub fn live(&mut self) {
        self.at_ms += self.dice.of(&[0, 1, 3, 1_000, 20_000, 61_000, 400_000]);
        let entries = self.entries();
        let findings = self.findings();
        let mut units = Vec::new();
        if self.dice.one_in(4) {
            let unit = format!("U{}", self.dice.below(4));
            units.push(status(&unit, self.dice.of(&["blue", "yellow", "orange", "red", "blind"]), self.at_ms));
        }
        let alarms: Vec<_> = findings.iter().filter(|finding| finding.phase != Phase::Ended).cloned().collect();
        let turn = self.world.step(self.at_ms, entries.clone(), findings, units);
        for alarm in alarms.iter().filter_map(|finding| finding.alarm.as_ref()) {
            let told = turn.batch.feed.iter().filter(|event| event.detail.as_ref() == Some(alarm)).count();
            assert_eq!(told, 1, "alarm {alarm} is on the feed once");
        }
        self.check(&turn, &entries);
    }

    fn findings(&mut self) -> Vec<model::Finding> {
        let mut findings = Vec::new();
        for _ in 0..self.dice.of(&[0, 0, 1, 1, 2, 5]) {
            let rule = self.dice.of(&["smoke", "heat", "alarm", "water", "lost_contact"]);
            let condition = format!("U{} {rule}/{}", self.dice.below(4), self.dice.below(2));
            let phase = match (self.conditions.contains(&condition), self.dice.one_in(2)) {
                (false, _) => "began",
                (true, true) => "continued",
                (true, false) => "ended",
            };
            if phase == "ended" {
                self.conditions.remove(&condition);
            } else {
                self.conditions.insert(condition.clone());
            }
            let mut line = format!("{phase} {condition} {}", self.dice.of(&["blue", "yellow", "orange", "red"]));
            if self.dice.one_in(2) {
                self.alarms += 1;
                write!(line, " a-{}", self.alarms).unwrap();
            }
            if self.dice.one_in(8) {
                line.push_str(" drill");
            }
            findings.push(finding(&line.split(' ').collect::<Vec<_>>(), START_MS + self.at_ms));
        }
        findings
    }

    fn entries(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        if self.dice.one_in(2) {
            entries.push(Entry::Tick);
        }
        let ids: Vec<AlertId> = self.alerts.keys().copied().collect();
        for _ in 0..self.dice.below(3) {
            if ids.is_empty() {
                break;
            }
            // mostly the newest, which are open
            let reach = if self.dice.one_in(4) { 99 } else { 4 };
            let alert = ids[ids.len() - 1 - self.dice.below(ids.len().min(reach))];
            let person = self.dice.of(&["O0", "G1", "V2", "M4"]);
            let until_ms = START_MS + self.at_ms + 70_000;
            let photo = Photo { sha256: [self.dice.below(30) as u8; 32], media: Media::Webp, bytes: 12 };
            let action = match self.dice.below(18) {
                0..4 => Action::Acknowledge,
                4 => Action::Arrive,
                5 => Action::Verify(Verdict::Real, Cause::Unknown),
                6 => Action::Verify(Verdict::False, Cause::Unknown),
                7 => Action::Verify(Verdict::Test, Cause::Unknown),
                8 => Action::Assign(model::PersonId(self.dice.below(9) as u32)),
                9 => Action::BeginWork,
                10 => Action::FinishWork,
                11 => Action::Check { in_order: !self.dice.one_in(3) },
                12 => self.dice.of(&[Action::Note, Action::Photo(photo)]),
                13 => self.dice.of(&[Action::Shelve { until_ms }, Action::Unshelve]),
                14 => {
                    let until_ms = self.dice.of(&[None, Some(until_ms)]);
                    self.dice.of(&[Action::TakeOutOfService { until_ms }, Action::ReturnToService])
                }
                _ => Action::Close,
            };
            // few keys, so that some come twice
            let id = format!("{person}/{}", self.dice.below(40)).as_str().into();
            entries.push(Entry::Command(model::Command {
                id,
                person: person.into(),
                entered_by: self.dice.of(&[None, None, Some("V2"), Some("app")]).map(Box::from),
                alert,
                action,
                note: self.dice.of(&[None, Some("words")]).map(Box::from),
            }));
        }
        let owed = self.deliveries.iter().filter(|(_, state)| **state == DeliveryState::Owed);
        let owed: Vec<_> = owed.map(|(key, _)| key.clone()).collect();
        for _ in 0..self.dice.below(4) {
            if owed.is_empty() {
                break;
            }
            let (matter, delivery) = owed[self.dice.below(owed.len())].clone();
            let outcome = self.dice.of(&[ReceiptOutcome::Delivered, ReceiptOutcome::Retry, ReceiptOutcome::Failed]);
            entries.push(Entry::Receipt(model::Receipt { delivery, matter, outcome, reason: "".into() }));
        }
        if self.dice.one_in(3) {
            entries.push(self.order());
        }
        if !self.deliveries.is_empty() && self.dice.one_in(4) {
            let at = self.dice.below(self.deliveries.len());
            let (matter, delivery) = self.deliveries.keys().nth(at).expect("below their number").clone();
            let outcome = ReceiptOutcome::Read;
            entries.push(Entry::Receipt(model::Receipt { delivery, matter, outcome, reason: "".into() }));
        }
        if self.dice.one_in(40) {
            let calendar = "[roll_call]\nat = [\"08:30\", \"09:00\", \"10:00\"]\n[channel_test]\nat = [\"08:20\"]";
            let texts = [
                DEFAULT_POLICY,
                SMALL,
                "[warning]\nauto_close_s = 5\n[fire]\nchannels = \"in_turn\"",
                "[[when]]\nname = \"n\"\nhours = \"08:00-08:10\"\n[when.fire]\nrepeat_s = { orange = 20 }",
                "nonsense",
                calendar,
            ];
            entries.push(Entry::Policy(self.dice.of(&texts).into()));
        }
        if self.world.evaluated.is_empty() {
            entries.push(Entry::Policy(SMALL.into()));
        }
        self.silence(&mut entries);
        entries
    }

    /// Something ordered, answered or ended; mostly what can be.
    fn order(&mut self) -> Entry {
        let region = code(self.dice.of(&["331083", "331083001", "331083001001", GRID, "331083009"]));
        let person = self.dice.of(&["O0", "G1", "V2", "T3", "M4", "C5", "nobody"]);
        let newest = self.orders.len().min(6);
        let of = if newest == 0 || self.dice.one_in(9) {
            OrderId { epoch: 1, at: 7 }
        } else {
            self.orders[self.orders.len() - 1 - self.dice.below(newest)]
        };
        let ids: Vec<AlertId> = self.alerts.keys().copied().collect();
        let alert = (!ids.is_empty()).then(|| ids[ids.len() - 1 - self.dice.below(ids.len().min(4))]);
        let window_s = self.dice.of(&[10, 60, 3_600, 1]);
        let family = self.dice.of(&Family::ALL);
        let colour = self.dice.of(&[Colour::Red, Colour::Yellow]);
        let body = match self.dice.below(14) {
            0 => OrderBody::Instruct {
                region,
                posts: vec![],
                text: "全体到岗".into(),
                alert: alert.filter(|_| self.dice.one_in(2)),
                colour,
                expires_s: 600,
                remind_after_s: self.dice.of(&[0, 20]),
                exercise: false,
            },
            1 => OrderBody::RollCall {
                region,
                posts: vec![Post::GridWorker, Post::VillageChief],
                window_s,
                exercise: false,
            },
            2 => OrderBody::ChannelTest { region, posts: vec![], window_s },
            3 | 4 => OrderBody::Drill { region, units: vec![], family, colour, note: "演练".into(), lasts_s: 60 },
            5 if alert.is_some() => {
                let to = self.dice.of(&["webhook:brigade", "C5", "nobody"]).into();
                OrderBody::HandOff { alert: alert.unwrap(), to, answer_within_s: 60, note: None }
            }
            6 | 7 => {
                let stages = [Stage::Accepted, Stage::Rejected, Stage::Dispatched, Stage::Arrived, Stage::Closed];
                OrderBody::Progress { order: of, stage: self.dice.of(&stages), reason: Some("…".into()) }
            }
            8 => OrderBody::End { order: of, reason: "够了".into() },
            _ => OrderBody::Answer { order: of, answer: self.dice.of(&Answer::ALL), note: Some("好".into()) },
        };
        let id = format!("{person}/o-{}", self.dice.below(200)).as_str().into();
        Entry::Order(Box::new(Order { id, person: person.into(), entered_by: None, body }))
    }

    /// Orders a silence, one again that was ordered before, or the end of one.
    fn silence(&mut self, entries: &mut Vec<Entry>) {
        match self.dice.below(30) {
            0 | 1 => {
                let scope = match self.dice.below(3) {
                    0 => SilenceScope::Region(code(self.dice.of(&["331083001", GRID, "331083001002"]))),
                    1 => SilenceScope::Unit(UnitId(self.dice.below(4) as u32)),
                    _ => SilenceScope::Region(code("331083")),
                };
                let region = match scope {
                    SilenceScope::Region(region) => region,
                    _ => code(if self.dice.one_in(2) { GRID } else { "331083001002001" }),
                };
                let rules = if self.dice.one_in(2) { vec!["water".into()] } else { Vec::new() };
                let family = self.dice.of(&[Family::Fire, Family::Warning, Family::Warning, Family::Fault]);
                let lasts_ms = self.dice.of(&[30_000, 300_000, 3_600_000, 90_000_000]);
                let order = Order {
                    id: format!("G1/silence-{}", self.silences.len()).as_str().into(),
                    person: "G1".into(),
                    entered_by: None,
                    body: OrderBody::Silence(Box::new(SilenceOrder {
                        scope,
                        region,
                        family,
                        rules,
                        until_ms: START_MS + self.at_ms + lasts_ms,
                        reason: "works".into(),
                        owner: self.dice.of(&["V2", "O6", "nobody"]).into(),
                    })),
                };
                self.silences.push(order.clone());
                entries.push(Entry::Order(Box::new(order)));
            }
            2 if !self.silences.is_empty() => {
                let order = self.silences[self.dice.below(self.silences.len())].clone();
                entries.push(Entry::Order(Box::new(order)));
            }
            3 => {
                let rows = self.world.books.kept(KeptKind::Silence, None, 99).unwrap();
                if !rows.is_empty() {
                    let silence: Silence = wire::decode(&rows[self.dice.below(rows.len())].1).unwrap();
                    let id = format!("G1/end-{}", self.at_ms).as_str().into();
                    let body = OrderBody::EndSilence(silence.id);
                    entries.push(Entry::Order(Box::new(Order { id, person: "G1".into(), entered_by: None, body })));
                }
            }
            _ => {}
        }
    }

    /// What is over stays over; what a silence holds is neither a fire nor red, and the silence is in force.
    fn check_held(&mut self, batch: &LedgerBatch, ticked: bool) {
        let rows = self.world.books.kept(KeptKind::Silence, None, 9999).unwrap();
        let silences: BTreeMap<OrderId, Silence> =
            rows.iter().map(|(_, value)| wire::decode::<Silence>(value).unwrap()).map(|s| (s.id, s)).collect();
        for silence in silences.values() {
            let is_over = silence.ended.is_some() || silence.order.until_ms <= batch.at_ms;
            assert!(is_over || !self.over.contains(&silence.id), "silence {} came back", silence.id);
            assert!(silence.ended.is_some() || !ticked || !is_over, "silence {} outlives its time", silence.id);
            if is_over {
                self.over.insert(silence.id);
            }
        }
        for alert in self.alerts.values().filter(|alert| alert.state.is_open()) {
            let Some(held) = &alert.held else { continue };
            assert!(alert.id.family != Family::Fire && alert.colour != Colour::Red, "{} is held", alert.id);
            if let HeldBy::Silence(id) = held.by {
                assert!(silences[&id].ended.is_none(), "{} is held by a silence that is over", alert.id);
            }
        }
    }

    fn check(&mut self, turn: &Turn, entries: &[Entry]) {
        let batch = &turn.batch;
        let ordered = entries.iter().filter(|entry| matches!(entry, Entry::Order(_))).count();
        assert_eq!(turn.order_outcomes.len(), ordered, "every order is answered");
        for record in batch.kept.iter().filter(|kept| kept.kind == KeptKind::Order) {
            let Some(value) = &record.value else { continue };
            let record: OrderRecord = wire::decode(value).unwrap();
            let mut counts = OrderCounts::default();
            self.world.asked(record.id).iter().for_each(|asked| counts.count(asked));
            assert_eq!(record.counts, counts, "{} counts its people", record.id);
            assert!(record.ended.is_none() || record.counts == record.told, "{} told its end", record.id);
        }
        for event in batch.feed.iter().filter(|event| event.kind == FeedKind::OrderGiven) {
            self.orders.push(event.order.as_ref().unwrap().head.id);
        }
        let commands = entries.iter().filter(|entry| matches!(entry, Entry::Command(_))).count();
        assert_eq!(turn.outcomes.len(), commands, "every command is answered");
        assert!(batch.alerts.is_sorted_by_key(|alert| alert.id), "alerts stand in the order of their ids");
        for alert in &batch.alerts {
            let before = self.alerts.insert(alert.id, Alert::clone(alert));
            check_alert(alert, before.as_ref(), entries);
        }
        let open: Vec<&Alert> = self.alerts.values().filter(|alert| alert.state.is_open()).collect();
        let places: BTreeSet<_> = open.iter().map(|alert| (alert.id.unit, alert.id.family)).collect();
        assert_eq!(places.len(), open.len(), "one open alert for a unit and family");
        if entries.contains(&Entry::Tick) {
            for alert in open {
                check_not_late(alert, batch.at_ms);
            }
        }
        for delivery in &batch.deliveries {
            let before = self.deliveries.insert((delivery.matter, delivery.id.clone()), delivery.state);
            match before {
                None => assert_eq!(delivery.owed_ms, batch.at_ms, "{} is new", delivery.id),
                Some(_) if delivery.read_ms == Some(batch.at_ms) => {}
                Some(before) => {
                    let was_done = !matches!(before, DeliveryState::Owed | DeliveryState::Waiting);
                    assert!(!was_done, "{} was done", delivery.id);
                }
            }
            let gave_up = entries.iter().any(|entry| matches!(entry, Entry::Receipt(r) if r.delivery == delivery.id));
            let closed = delivery.matter.alert().is_none_or(|id| self.alerts[&id].state == AlertState::Closed);
            let taken_back =
                !matches!(delivery.state, DeliveryState::Owed | DeliveryState::Waiting | DeliveryState::Spared);
            assert!(!taken_back || gave_up || closed, "{} is taken back", delivery.id);
        }
        self.check_held(batch, entries.contains(&Entry::Tick));
        for event in &batch.feed {
            if let Some(alert) = event.alert.as_ref().filter(|_| event.kind == FeedKind::AlertClosed) {
                let by_people = alert.id.family == Family::Fire && !alert.exercise;
                assert!(!by_people || alert.verdict.is_some(), "{} closed unverified", alert.id);
            }
        }
    }
}

fn check_alert(alert: &Alert, before: Option<&Alert>, entries: &[Entry]) {
    let id = alert.id;
    assert!(alert.history.len() <= Alert::HISTORY_MAX && alert.evidence.len() <= Alert::EVIDENCE_MAX);
    assert_eq!(alert.state, alert.standing(), "{id}: the state follows from the facts");
    assert_eq!(chain::verify(id, &alert.history, &alert.trims), Ok(alert.seal()), "{id}: the history is whole");
    let aside = alert.shelved.is_some() || alert.out_of_service.is_some();
    assert!(!aside || alert.family() != Family::Fire, "{id}: a fire is never put aside");
    let quiet = alert.state.is_restored() && !alert.conditions.is_empty();
    assert!(!quiet, "{id} is restored while {:?} hold", alert.conditions);
    assert!(alert.state != AlertState::Acknowledged || !alert.acknowledged.is_empty(), "{id}: acknowledged by whom?");
    assert!(alert.state != AlertState::Raised || alert.acknowledged.is_empty(), "{id} rings though acknowledged");
    assert!(alert.state != AlertState::Verified || alert.verdict.is_some(), "{id}: verified as what?");
    assert!(!alert.exercise || alert.ladder.is_empty() || alert.drill.is_some(), "{id}: a test calls people out");
    let Some(before) = before else { return };
    assert_ne!(before.state, AlertState::Closed, "{id} changed after it was closed");
    check_kept(alert, before);
    assert!(alert.ring >= before.ring && alert.evidence_count >= before.evidence_count);
    let rang_anew = alert.ring > before.ring && alert.verdict.is_none();
    // what was found to be nothing counts no longer; put aside, what begins after it rings nobody
    let judged_now = entries
        .iter()
        .any(|entry| matches!(entry, Entry::Command(c) if c.alert == id && matches!(c.action, Action::Verify(..))));
    let anew_aside = (before.verdict.is_some() || judged_now) && alert.verdict.is_none() && aside;
    assert!(alert.colour >= before.colour || rang_anew || anew_aside, "{id} became less urgent, and nothing rang");
    assert!(alert.history.len() >= before.history.len(), "{id}: history shrank");
    let of_people = |alert: &Alert| {
        let people = alert.history.iter().filter(|item| item.command.is_some());
        people.cloned().collect::<Vec<_>>()
    };
    assert!(of_people(alert).starts_with(&of_people(before)), "{id}: what people did is lost");
    let waited = matches!(before.held.as_ref().map(|held| held.by), Some(HeldBy::Silence(_) | HeldBy::Alert(_)));
    let rings = alert.state == AlertState::Raised && !alert.conditions.is_empty();
    if waited && alert.held.is_none() && rings {
        assert!(alert.ring > before.ring, "{id} waits no more and does not ring");
    }
    let told = |alert: &Alert| alert.ladder.iter().filter(|rung| rung.told_ms.is_some()).count();
    let verified = entries
        .iter()
        .any(|entry| matches!(entry, Entry::Command(c) if c.alert == id && matches!(c.action, Action::Verify(Verdict::Real, _))));
    if alert.ring == before.ring && alert.held_until_ms > alert.updated_ms && !verified {
        assert_eq!(told(alert), told(before), "{id} went upward though acknowledged");
    }
}

/// What people wrote stays, and nobody closes alone what still holds.
fn check_kept(alert: &Alert, before: &Alert) {
    let id = alert.id;
    assert!(alert.notes.starts_with(&before.notes) && alert.photos.starts_with(&before.photos), "{id}: notes are lost");
    assert!(before.assigned.is_none() || alert.assigned.is_some(), "{id}: nobody is in charge any longer");
    let worked = |alert: &Alert| alert.work.iter().map(|work| work.mark.person.clone()).collect::<Vec<_>>();
    assert!(worked(alert).starts_with(&worked(before)), "{id}: who worked is lost");
    let Some(closed) = alert.closed.as_ref().filter(|closed| *closed.person != *"desk") else { return };
    // commands come first in a commit: what held before it held when it was closed
    if !before.conditions.is_empty() {
        let others = alert.verdict.iter().map(|(_, mark)| mark).chain(alert.work.iter().map(|work| &work.mark));
        let others: Vec<_> = others.map(|mark| (&mark.person, mark.entered_by.as_ref())).collect();
        assert!(!others.is_empty(), "{id} was closed by one person alone");
        for (person, entered_by) in others {
            assert_ne!(person, &closed.person, "{id} was closed by who verified it or worked on it");
            assert_ne!(entered_by, Some(&closed.person), "{id} was closed by who entered that");
            assert_ne!(closed.entered_by.as_ref(), Some(person), "{id}: who did that entered the closing");
        }
    }
}

/// No step of a ladder, no closing, no expiry and no end of a time aside waits beyond its time.
fn check_not_late(alert: &Alert, now_ms: u64) {
    let shelves = [&alert.shelved, &alert.out_of_service].into_iter().flatten();
    assert!(shelves.clone().all(|shelf| shelf.until_ms > now_ms), "{} is aside for too long", alert.id);
    if shelves.count() > 0 {
        return;
    }
    let idle =
        alert.arrived.is_empty() && alert.verdict.is_none() && alert.work.iter().all(|work| work.done_ms.is_some());
    if idle && !alert.conditions.is_empty() {
        let expired = alert.acknowledged.iter().find(|mark| mark.until_ms.is_some_and(|until_ms| until_ms <= now_ms));
        assert_eq!(expired, None, "{} at {now_ms}", alert.id);
    }
    let over = alert.state.is_restored() && alert.id.family != Family::Fire;
    let is_nothing = matches!(alert.verdict, Some((Verdict::False | Verdict::Test, _)));
    if !over && !is_nothing {
        let goes_on = |whom: &str| match alert.held.as_ref().map(|held| held.by) {
            None => true,
            Some(HeldBy::Storm(_)) => whom == "owner",
            Some(_) => false,
        };
        let rungs = || alert.ladder.iter().filter(|rung| goes_on(&rung.whom));
        let steps = rungs().filter(|rung| rung.told_ms.is_none()).map(|rung| rung.due_ms);
        let turns = rungs().filter_map(|rung| rung.next_ms);
        let calls = alert.calls.iter().filter(|call| goes_on(&alert.ladder[usize::from(call.rung)].whom));
        let calls = calls.filter_map(|call| call.next_ms);
        let late = steps.chain(turns).chain(calls).find(|due_ms| *due_ms <= now_ms);
        assert_eq!(late, None, "{} at {now_ms}", alert.id);
    }
    let late = alert
        .deadlines
        .iter()
        .filter(|_| alert.held.is_none())
        .filter_map(|deadline| deadline.next_ms)
        .find(|due_ms| *due_ms <= now_ms);
    assert_eq!(late, None, "a deadline of {} at {now_ms}", alert.id);
    if over {
        assert!(alert.updated_ms + 1_800_000 > now_ms, "{} should have been closed", alert.id);
    }
}

#[test]
fn whatever_happens() {
    for seed in 0..120 {
        let mut town = Town::new(seed * 7919 + 1);
        let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for step in 0..150 {
                town.live();
                if town.dice.below(1000) < 30 && step > 0 {
                    town.world.restart();
                }
            }
        }));
        if let Err(panic) = lived {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
        assert_eq!(
            Books::of(&town.world.batches).pages(),
            town.world.books.pages(),
            "seed {seed}: the batches are all there is"
        );
    }
}
