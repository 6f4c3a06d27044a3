//! Ten thousand short lives of a village under fire: stopped and taken up at every commit, with receipts that are lost,
//! doubled and out of order, clocks that stand and jump, people who answer, and policies that change. After every
//! commit the books must say of every delivery what a model of the ladder says that knows nothing of the desk: nobody
//! who must have been told is missing, nobody else was told, nobody twice, nobody late.
//!
//! A seed that fails is printed; `FENGHUO_SEED=n cargo test -p alerts simulate` runs it alone, `FENGHUO_SEEDS=n` the first n.

mod ladder_model;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use alerts::{Desk, Policy};
use model::alert::ReceiptOutcome;
use model::finding::RegionStatus;
use model::roster::{Contact, Post};
use model::{
    Action, AlertId, Cause, Colour, Command, Commit, DeliveryId, DeliveryState, Entry, Evaluated, Finding, Ledger,
    Receipt, Roster, Step, Verdict,
};

use crate::books::{Books, bytes_of};
use crate::random::Dice;
use crate::world::{GRID, START_MS, finding, person, rows};
use ladder_model::{City, Fire, Model, Person, Terms};

const SEEDS: u64 = 10_000;
const COMMITS: usize = 20;

const CITY: City = City { people: Vec::new(), holders };

/// Who holds a post for U0, and for U2 in the village that has neither grid worker nor chief nor station.
fn holders(unit: usize, post: &str) -> Vec<u32> {
    match (post, unit) {
        ("owner", 0) => vec![0],
        // who owns it is the township's chief, too
        ("owner", _) => vec![3],
        ("grid_worker", 0) => vec![1, 7, 8],
        ("village_chief", 0) => vec![2],
        ("micro_station", _) => vec![4],
        ("township_chief", _) => vec![3],
        ("commander", _) => vec![5],
        _ => vec![],
    }
}

fn city() -> City {
    let person = |number, code, level, channels, in_turn| Person { number, code, level, channels, in_turn };
    City {
        people: vec![
            person(0, "O0", 0, &["mqtt"], false),
            person(1, "G1", 0, &["mqtt", "sms:1", "console"], true),
            person(2, "V2", 1, &["mqtt", "console"], false),
            person(3, "T3", 2, &["mqtt"], false),
            person(4, "M4", 0, &["mqtt"], false),
            person(5, "C5", 3, &["webhook:brigade"], false),
            person(7, "G7", 0, &[], false),
            person(8, "G8", 0, &["mqtt"], false),
        ],
        ..CITY
    }
}

fn roster() -> Arc<Roster> {
    static ROSTER: OnceLock<Arc<Roster>> = OnceLock::new();
    let make = || {
        let mut rows = rows();
        rows.people[1].1.channels = ["mqtt", "sms:1", "console"].map(Box::from).to_vec();
        rows.people[1].1.contact = Contact::InTurn;
        rows.people[2].1.channels = ["mqtt", "console"].map(Box::from).to_vec();
        rows.units[2].1.owner = "T3".into();
        rows.people.push(person("G7", Post::GridWorker, GRID, &[]));
        rows.people.push(person("G8", Post::GridWorker, GRID, &["mqtt"]));
        let change = Roster::default().change_to(&rows).unwrap();
        Arc::new(Roster::default().after(&change, 1))
    };
    ROSTER.get_or_init(make).clone()
}

/// A policy for fires as a text, and as the model reads it.
struct Law {
    text: String,
    orange: Terms,
    red: Terms,
}

impl Law {
    fn of(dice: &mut Dice) -> Law {
        let mut text = String::new();
        let [orange, red] = ["orange", "red"].map(|colour| Law::colour(colour, dice, &mut text));
        Law { text, orange, red }
    }

    fn colour(colour: &str, dice: &mut Dice, text: &mut String) -> Terms {
        let pause = dice.of(&[0, 0, 20]);
        let (second, third) = (dice.of(&[5, 60]), dice.of(&[60, 180]));
        let ladders: [&[(u64, &'static [&'static str], u64)]; 3] = [
            &[(0, &["owner", "grid_worker", "micro_station", "village_chief", "township_chief", "commander"], 0)],
            &[
                (0, &["grid_worker"], pause),
                (second, &["village_chief", "micro_station"], 0),
                (third, &["commander"], 0),
            ],
            &[(0, &["owner"], 0), (second, &["grid_worker", "village_chief"], pause), (third, &["township_chief"], 0)],
        ];
        let ladder = ladders[dice.below(3)];
        let step = |(after, posts, pause): &(u64, &[&str], u64)| {
            format!("{{ after_s = {after}, tell = {posts:?}, in_turn_s = {pause} }}")
        };
        let steps: Vec<String> = ladder.iter().map(step).collect();
        let (repeat, repeats) = dice.of(&[(0, 0), (10, 3), (60, 5), (45, 1)]);
        let mut terms = Terms {
            steps: ladder
                .iter()
                .flat_map(|(after, posts, pause)| posts.iter().map(|post| (*after, *post, *pause)))
                .collect(),
            lasts: dice.of(&[10, 30, 120, 300]),
            repeat,
            repeats,
            in_turn: dice.one_in(2),
            failover: dice.of(&[0, 15, 30]),
            unanswered: dice.of(&[0, 0, 30]),
            supervise: dice.of(&[0, 60, 120]),
            limits: Vec::new(),
        };
        let accept = dice.of(&[0, 30, 90]);
        let arrive = dice.of(&[0, 100, 300]);
        let (verify, work, check) = (dice.of(&[0, 300, 600]), dice.of(&[0, 700]), dice.of(&[0, 1000]));
        let channels = if terms.in_turn { "in_turn" } else { "all" };
        let limits = [("accept", accept), ("arrive", arrive), ("verify", verify), ("work", work), ("check", check)];
        write!(
            text,
            "fire.ladder.{colour} = [{}]\nfire.acknowledged_for_s.{colour} = {}\nfire.repeat_s.{colour} = {repeat}\n\
             fire.repeats.{colour} = {repeats}\nfire.failover_s.{colour} = {}\nfire.unanswered_s.{colour} = {}\n\
             fire.supervise_s.{colour} = {}\n",
            steps.join(", "),
            terms.lasts,
            terms.failover,
            terms.unanswered,
            terms.supervise,
        )
        .unwrap();
        for (stage, limit) in limits {
            writeln!(text, "fire.deadlines.{stage}.{colour} = {limit}").unwrap();
        }
        // the manner is the family's, of both colours: that of red, which is written last, is given once
        if colour == "red" {
            writeln!(text, "fire.channels = \"{channels}\"").unwrap();
        }
        terms.limits = limits.into_iter().filter(|limit| limit.1 > 0).map(|(stage, s)| (stage, s * 1000)).collect();
        terms.steps.iter_mut().for_each(|step| (step.0, step.2) = (step.0 * 1000, step.2 * 1000));
        for value in
            [&mut terms.lasts, &mut terms.repeat, &mut terms.failover, &mut terms.unanswered, &mut terms.supervise]
        {
            *value *= 1000;
        }
        terms
    }

    fn of_colour(&self, colour: Colour) -> Terms {
        let terms = if colour == Colour::Red { &self.red } else { &self.orange };
        Terms { in_turn: self.red.in_turn, ..terms.clone() }
    }
}

/// One life: a desk that runs on, one that is taken up from the books before every commit, and the model.
struct Life {
    dice: Dice,
    city: City,
    law: Law,
    /// In force until one is journalled.
    policy: Policy,
    desk: Desk,
    books: Books,
    model: Model,
    fires: BTreeMap<usize, Fire>,
    /// What every open and closed alert was called, for acts that come too late.
    ids: Vec<AlertId>,
    now: u64,
    epoch: u64,
}

impl Life {
    fn new(seed: u64) -> Life {
        let mut dice = Dice::new(seed);
        let law = Law::of(&mut dice);
        let books = Books::default();
        let policy = Policy::parse(&law.text).unwrap();
        let desk = Desk::restore(policy.clone(), &books).unwrap();
        let (fires, ids) = (BTreeMap::new(), Vec::new());
        let (now, epoch) = (START_MS, 0);
        Life { dice, city: city(), law, policy, desk, books, model: Model::default(), fires, ids, now, epoch }
    }

    fn commit(&mut self) {
        self.epoch += 1;
        let jump = [0, 1, 400, 1000, 1000, 1000, 4_700, 10_000, 15_000, 31_000, 61_000, 400_000];
        self.now += self.dice.of(&jump);
        let mut entries = Vec::new();
        if self.dice.one_in(200) {
            self.law = Law::of(&mut self.dice);
            entries.push(Entry::Policy(self.law.text.as_str().into()));
        }
        for _ in 0..self.dice.of(&[0, 0, 1, 2]) {
            entries.extend(self.receipt());
        }
        if self.dice.one_in(4) {
            entries.extend(self.act());
        }
        let (finding, found) = self.find();
        if self.dice.below(10) < 8 {
            entries.push(Entry::Tick);
        }
        if std::env::var("FENGHUO_SEED").is_ok() {
            eprintln!("{} at {} ms: {entries:?} {found:?}", self.epoch, self.now - START_MS);
        }
        let evaluated = self.evaluated(entries.clone(), finding);
        let mut again = Desk::restore(self.policy.clone(), &self.books).unwrap();
        let turn = self.desk.step(&evaluated);
        let bytes = bytes_of(&turn.batch);
        assert!(bytes == bytes_of(&again.step(&evaluated).batch), "a restart before commit {} shows", self.epoch);
        let mut outcomes = turn.outcomes.iter();
        for entry in &entries {
            match entry {
                Entry::Command(command) => {
                    let taken = outcomes.next().unwrap().result.is_ok();
                    self.tell_act(command, taken);
                }
                Entry::Receipt(receipt) => {
                    for fire in self.fires.values_mut() {
                        fire.receipt(receipt.delivery.as_str(), receipt.outcome, self.now, &mut self.model);
                    }
                }
                _ => {}
            }
        }
        if let Some((unit, colour)) = found {
            self.tell_finding(unit, colour);
        }
        if entries.contains(&Entry::Tick) {
            for fire in self.fires.values_mut() {
                fire.tick(self.now, &self.city, &mut self.model);
            }
        }
        for delivery in &turn.batch.deliveries {
            let fresh = self.books.delivery(delivery.matter, &delivery.id).unwrap().is_none();
            assert!(!fresh || delivery.owed_ms == self.now, "{} is new and not of now", delivery.id);
        }
        self.books.commit(&turn.batch).unwrap();
        self.compare(&turn.batch.deliveries);
    }

    /// The books say of every delivery what the model says.
    fn compare(&self, changed: &[Arc<model::Delivery>]) {
        for delivery in changed {
            let expected = self.model.deliveries.get(delivery.id.as_str());
            assert_eq!(expected, Some(&delivery.state), "{} at commit {}", delivery.id, self.epoch);
        }
        let pending = |state: &DeliveryState| matches!(state, DeliveryState::Owed | DeliveryState::Waiting);
        let kept: BTreeMap<String, DeliveryState> =
            self.books.owed().unwrap().iter().map(|kept| (kept.id.as_str().into(), kept.state)).collect();
        let expected: BTreeMap<String, DeliveryState> =
            self.model.deliveries.iter().filter(|(_, state)| pending(state)).map(|(id, s)| (id.clone(), *s)).collect();
        assert_eq!(kept, expected, "at commit {}, {} ms", self.epoch, self.now - START_MS);
    }

    fn evaluated(&self, entries: Vec<Entry>, finding: Option<Finding>) -> Evaluated {
        let commit = Commit { epoch: self.epoch, at_ms: self.now, entries, readings: Vec::new() };
        let regions: Vec<RegionStatus> = Vec::new();
        let step = Step { commit: Arc::new(commit), roster: roster() };
        let findings = finding.into_iter().collect();
        Evaluated { step, findings, units: Vec::new(), regions, devices: Arc::new([]) }
    }

    fn receipt(&mut self) -> Vec<Entry> {
        if self.model.deliveries.is_empty() {
            return Vec::new();
        }
        // mostly of the newest; some of what is done, waits, or never was
        let at = self.dice.below(self.model.deliveries.len());
        let mut id = self.model.deliveries.keys().nth(at).unwrap().clone();
        if self.dice.one_in(20) {
            id.push('x');
        }
        let outcome = self.dice.of(&[
            ReceiptOutcome::Delivered,
            ReceiptOutcome::Delivered,
            ReceiptOutcome::Retry,
            ReceiptOutcome::Failed,
        ]);
        let alert: AlertId = id.split('.').next().unwrap().parse().unwrap();
        let receipt =
            Receipt { delivery: DeliveryId::from(id.as_str()), matter: alert.into(), outcome, reason: "".into() };
        vec![Entry::Receipt(receipt); self.dice.of(&[1, 1, 2])]
    }

    fn act(&mut self) -> Option<Entry> {
        let alert = *self.ids.get(self.ids.len().wrapping_sub(1 + self.dice.below(2)))?;
        let person = self.dice.of(&["O0", "G1", "V2", "T3", "M4", "C5", "G8"]);
        let action = match self.dice.below(12) {
            0..7 => Action::Acknowledge,
            7..9 => Action::Arrive,
            9 => verify(Verdict::Real),
            10 => verify(self.dice.of(&[Verdict::False, Verdict::Test])),
            _ => Action::Close,
        };
        let id = format!("{person}/{}", self.epoch).as_str().into();
        Some(Entry::Command(Command { id, person: person.into(), entered_by: None, alert, action, note: None }))
    }

    fn tell_act(&mut self, command: &Command, taken: bool) {
        let id = command.alert.to_string();
        let Some((&unit, fire)) = self.fires.iter_mut().find(|(_, fire)| fire.id == id) else { return };
        if !taken {
            return;
        }
        if command.action == Action::Close {
            fire.close(&mut self.model);
            self.fires.remove(&unit);
            return;
        }
        let person = self.city.people.iter().find(|person| person.code == &*command.person).unwrap().number;
        fire.act(person, command.action, self.now, &self.city, &mut self.model);
    }

    fn find(&mut self) -> (Option<Finding>, Option<(usize, Option<Colour>)>) {
        if self.epoch > 1 && !self.dice.one_in(6) {
            return (None, None);
        }
        let unit = self.dice.of(&[0, 0, 0, 2]);
        let holds = self.fires.get(&unit).is_some_and(|fire| fire.holds);
        let colour = self.dice.of(&["orange", "orange", "red"]);
        let phase = match (holds, self.dice.one_in(3)) {
            (true, true) => "ended",
            (true, false) => "continued",
            (false, _) => "began",
        };
        let finding = finding(&[phase, &format!("U{unit}"), "smoke/7", colour], self.now);
        let found = (unit, (phase != "ended").then_some(finding.colour));
        (Some(finding), Some(found))
    }

    fn tell_finding(&mut self, unit: usize, colour: Option<Colour>) {
        let fire = self.fires.get_mut(&unit);
        match (fire, colour) {
            (Some(fire), Some(colour)) => {
                let rings_in = colour.max(fire.colour);
                fire.found(colour, &self.law.of_colour(rings_in), self.now, &self.city, &mut self.model);
            }
            (Some(fire), None) => fire.holds = false,
            (None, None) => {}
            (None, Some(colour)) => {
                let id = format!("fire-{unit}-{}", self.epoch);
                let terms = self.law.of_colour(colour);
                self.ids.push(id.parse().unwrap());
                let fire = Fire::raise(id, unit, colour, &terms, self.now, &self.city, &mut self.model);
                self.fires.insert(unit, fire);
            }
        }
    }
}

fn verify(verdict: Verdict) -> Action {
    Action::Verify(verdict, Cause::Unknown)
}

fn live(seed: u64) {
    let mut life = Life::new(seed);
    for _ in 0..COMMITS {
        life.commit();
    }
}

#[test]
fn ten_thousand_lives_are_told_as_the_policy_says() {
    if let Ok(seed) = std::env::var("FENGHUO_SEED") {
        return live(seed.parse().unwrap());
    }
    let seeds = std::env::var("FENGHUO_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(8);
    std::thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                for seed in (first..seeds).step_by(threads as usize) {
                    if std::panic::catch_unwind(|| live(seed)).is_err() {
                        panic!("seed {seed} fails: FENGHUO_SEED={seed} cargo test -p alerts simulate");
                    }
                }
            });
        }
    });
}
