//! The ladder as the policy's documentation tells it, without any thought of restarts, books or speed: who must have been
//! told what by now. Time is counted on the ladder's own clock, which stands still while an acknowledgement lasts.

use std::collections::{BTreeMap, BTreeSet};

use model::DeliveryState::{self, Delivered, Failed, Owed, Spared, Waiting};
use model::alert::ReceiptOutcome;
use model::{Action, Colour, Verdict};

/// Post, people by number with their channels and whether these are used one after the other.
pub struct Person {
    pub number: u32,
    pub code: &'static str,
    pub level: usize,
    pub channels: &'static [&'static str],
    pub in_turn: bool,
}

/// What a policy says for one colour. Times in ms.
#[derive(Clone, Debug)]
pub struct Terms {
    pub steps: Vec<(u64, &'static str, u64)>,
    pub lasts: u64,
    pub repeat: u64,
    pub repeats: u64,
    pub in_turn: bool,
    pub failover: u64,
    pub unanswered: u64,
    pub supervise: u64,
    /// Stage by its word, and when it is due.
    pub limits: Vec<(&'static str, u64)>,
}

struct Step {
    post: &'static str,
    after: u64,
    pause: u64,
    told: bool,
    /// Who still waits for a turn, and when it comes, by the ladder's clock.
    queue: Vec<u32>,
    turn: u64,
}

struct Told {
    step: usize,
    count: u64,
    next: Option<u64>,
}

struct Limit {
    stage: &'static str,
    next: Option<u64>,
    superior: Option<usize>,
}

/// Deliveries of one telling, in the order of the person's channels.
struct Chain {
    person: u32,
    ids: Vec<String>,
    next_ms: Option<u64>,
    failover: u64,
    unanswered: u64,
}

/// One open fire.
pub struct Fire {
    pub id: String,
    unit: usize,
    pub holds: bool,
    pub colour: Colour,
    ring: u32,
    rang: u64,
    terms: Terms,
    steps: Vec<Step>,
    told: BTreeMap<u32, Told>,
    limits: Vec<Limit>,
    pauses: Vec<(u64, u64)>,
    /// When, and until when.
    acknowledged: BTreeMap<u32, (u64, u64)>,
    arrived: BTreeMap<u32, u64>,
    verdict: Option<(Verdict, u32, u64)>,
    chains: Vec<Chain>,
}

/// Everything that was ever owed to anybody.
#[derive(Default)]
pub struct Model {
    pub deliveries: BTreeMap<String, DeliveryState>,
}

pub struct City {
    pub people: Vec<Person>,
    /// By unit and post.
    pub holders: fn(usize, &str) -> Vec<u32>,
}

impl City {
    pub fn person(&self, number: u32) -> &Person {
        self.people.iter().find(|person| person.number == number).unwrap()
    }
}

const SUPERIORS: [&str; 3] = ["village_chief", "township_chief", "commander"];

impl Fire {
    pub fn raise(
        id: String,
        unit: usize,
        colour: Colour,
        terms: &Terms,
        now: u64,
        city: &City,
        model: &mut Model,
    ) -> Fire {
        let mut fire = Fire {
            id,
            unit,
            holds: true,
            colour,
            ring: 0,
            rang: 0,
            terms: terms.clone(),
            steps: vec![],
            told: BTreeMap::new(),
            limits: vec![],
            pauses: vec![],
            acknowledged: BTreeMap::new(),
            arrived: BTreeMap::new(),
            verdict: None,
            chains: vec![],
        };
        fire.ring(terms, now, city, model);
        fire
    }

    fn ring(&mut self, terms: &Terms, now: u64, city: &City, model: &mut Model) {
        (self.ring, self.rang, self.terms) = (self.ring + 1, now, terms.clone());
        self.acknowledged.clear();
        self.told.clear();
        self.pauses.clear();
        let step = |&(after, post, pause): &_| Step { post, after, pause, told: false, queue: vec![], turn: 0 };
        self.steps = terms.steps.iter().map(step).collect();
        let limit = |&(stage, due): &_| Limit { stage, next: Some(now + due), superior: None };
        self.limits = terms.limits.iter().map(limit).collect();
        self.meet();
        self.climb(now, city, model);
    }

    /// The detector says that it holds, in a colour.
    pub fn found(&mut self, colour: Colour, terms: &Terms, now: u64, city: &City, model: &mut Model) {
        let again = !self.holds;
        let louder = colour > self.colour;
        self.holds = true;
        self.colour = self.colour.max(colour);
        if again {
            self.verdict = None;
            self.arrived.clear();
        } else if louder && !matches!(self.verdict, Some((Verdict::Real, ..))) {
            self.verdict = None;
        }
        if again || louder {
            self.ring(terms, now, city, model);
        }
    }

    /// How far the ladder's clock has run by now, and whether it stands.
    fn clock(&self, now: u64) -> (u64, bool) {
        let mut stood = 0;
        let mut end = self.rang;
        let mut pauses = self.pauses.clone();
        pauses.sort_unstable();
        for (from, to) in pauses {
            let (from, to) = (from.max(end), to.min(now));
            if to > from {
                stood += to - from;
                end = to;
            }
        }
        (now - self.rang - stood, self.pauses.iter().any(|(from, to)| (*from..*to).contains(&now)))
    }

    fn is_over(&self) -> bool {
        matches!(self.verdict, Some((Verdict::False | Verdict::Test, ..)))
    }

    pub fn act(&mut self, person: u32, action: Action, now: u64, city: &City, model: &mut Model) {
        let until = now + self.terms.lasts;
        let lasts = self.acknowledged.get(&person).is_some_and(|(_, until)| *until > now);
        let mut pause = until;
        match action {
            Action::Acknowledge if lasts => return,
            Action::Acknowledge => {
                if let Some(told) = self.told.get_mut(&person) {
                    told.next = told.next.map(|next| next.max(until));
                }
            }
            Action::Arrive if self.arrived.contains_key(&person) => return,
            Action::Arrive => {
                let verify = self.terms.limits.iter().find(|limit| limit.0 == "verify");
                pause = verify.map_or(until, |limit| until.max(self.rang + limit.1));
                self.arrived.insert(person, now);
            }
            Action::Verify(verdict, _) => self.verdict = Some((verdict, person, now)),
            _ => unreachable!(),
        }
        let (clock, stands) = self.clock(now);
        if !stands {
            self.steps.iter_mut().for_each(|step| step.turn = step.turn.max(clock));
        }
        self.pauses.push((now, pause));
        if action == Action::Acknowledge {
            self.acknowledged.insert(person, (now, until));
        } else {
            self.acknowledged.entry(person).or_insert((now, 0)).1 = u64::MAX;
            if let Some(told) = self.told.get_mut(&person) {
                told.next = None;
            }
        }
        self.meet();
        for chain in self.chains.iter_mut().filter(|chain| chain.person == person) {
            model.spare(chain);
        }
        if matches!(action, Action::Verify(Verdict::Real, _)) {
            self.climb(now, city, model);
        }
    }

    fn meet(&mut self) {
        let there = !self.arrived.is_empty() || self.verdict.is_some();
        for limit in &mut self.limits {
            let met = match limit.stage {
                "accept" => !self.acknowledged.is_empty() || there,
                "arrive" => there,
                "verify" => self.verdict.is_some(),
                "work" => matches!(self.verdict, Some((Verdict::False | Verdict::Test, ..))),
                _ => false,
            };
            if met {
                limit.next = None;
            }
        }
    }

    pub fn close(&mut self, model: &mut Model) {
        let ids: BTreeSet<&String> = self.chains.iter().flat_map(|chain| &chain.ids).collect();
        for (id, state) in model.deliveries.iter_mut().filter(|(id, _)| ids.contains(id)) {
            assert!(id.starts_with(&self.id));
            *state = match *state {
                Owed => Failed,
                Waiting => Spared,
                other => other,
            };
        }
    }

    pub fn receipt(&mut self, id: &str, outcome: ReceiptOutcome, now: u64, model: &mut Model) {
        let Some(chain) = self.chains.iter_mut().find(|chain| chain.ids.iter().any(|known| known == id)) else {
            return;
        };
        if model.deliveries[id] != Owed || outcome == ReceiptOutcome::Retry {
            return;
        }
        let place = chain.ids.iter().position(|known| known == id).unwrap();
        let waits = chain.ids.iter().position(|id| model.deliveries[id] == Waiting);
        if outcome == ReceiptOutcome::Failed {
            model.deliveries.insert(id.into(), Failed);
            if waits == Some(place + 1) {
                model.begin(chain, now);
            }
            return;
        }
        model.deliveries.insert(id.into(), Delivered);
        if chain.unanswered > 0 && waits.is_some() {
            chain.next_ms = Some(now + chain.unanswered);
        } else if waits.is_some() {
            model.spare(chain);
        }
    }

    pub fn tick(&mut self, now: u64, city: &City, model: &mut Model) {
        if self.arrived.is_empty() && self.verdict.is_none() {
            self.acknowledged.retain(|_, (_, until)| *until > now);
        }
        if !self.is_over() {
            let asks = self.terms.limits.iter().any(|limit| limit.0 == "verify");
            if asks || self.arrived.values().all(|at| *at <= self.rang) {
                self.climb(now, city, model);
            }
            self.tell_again(now, city, model);
        }
        self.supervise(now, city, model);
        for chain in &mut self.chains {
            if chain.next_ms.is_some_and(|next| next <= now) {
                model.begin(chain, now);
            }
        }
    }

    fn climb(&mut self, now: u64, city: &City, model: &mut Model) {
        let (clock, stands) = self.clock(now);
        let all = matches!(self.verdict, Some((Verdict::Real, ..)));
        let mut pass = false;
        for at in 0..self.steps.len() {
            if !self.steps[at].told {
                if !(all || pass || clock >= self.steps[at].after && !stands) {
                    break;
                }
                let people = (city.holders)(self.unit, self.steps[at].post);
                let step = &mut self.steps[at];
                step.told = true;
                // turns begin at the step's time; one that was held when it came had nothing to go
                step.turn = step.turn.max(step.after).min(clock);
                step.queue = people;
                let may = |_: &Step| true;
                pass = self.turns(at, clock, all, may, now, city, model) == 0;
            } else if !stands || all {
                self.turns(at, clock, all, |step| step.turn <= clock, now, city, model);
            }
        }
    }

    /// Tells whose turn it is; how many of them know of it now.
    #[allow(clippy::too_many_arguments)]
    fn turns(
        &mut self,
        at: usize,
        clock: u64,
        all: bool,
        first: impl Fn(&Step) -> bool,
        now: u64,
        city: &City,
        model: &mut Model,
    ) -> usize {
        let mut know = 0;
        let mut may = first(&self.steps[at]);
        while !self.steps[at].queue.is_empty() && (may || all || self.steps[at].pause == 0) {
            let person = self.steps[at].queue.remove(0);
            let until = self.needs_not(person);
            if let std::collections::btree_map::Entry::Vacant(told) = self.told.entry(person) {
                if until > now {
                    told.insert(Told { step: at, count: 0, next: (until < u64::MAX).then_some(until) });
                } else if city.person(person).channels.is_empty() {
                    continue;
                } else {
                    let next = (self.terms.repeats > 0).then_some(now + self.terms.repeat);
                    told.insert(Told { step: at, count: 1, next });
                    self.owe(&format!("{at}.{person}"), &[], person, now, city, model);
                    self.steps[at].turn += self.steps[at].pause;
                    may = self.steps[at].turn <= clock;
                }
            }
            know += 1;
        }
        know
    }

    fn needs_not(&self, person: u32) -> u64 {
        let there = self.arrived.get(&person).is_some_and(|at| *at > self.rang);
        let judged = self.verdict.is_some_and(|(_, by, at)| by == person && at > self.rang);
        let acknowledged = self.acknowledged.get(&person).filter(|(at, _)| *at > self.rang);
        if there || judged { u64::MAX } else { acknowledged.map_or(0, |(_, until)| *until) }
    }

    fn tell_again(&mut self, now: u64, city: &City, model: &mut Model) {
        let due: Vec<u32> =
            self.told.iter().filter(|(_, t)| t.next.is_some_and(|at| at <= now)).map(|(p, _)| *p).collect();
        for person in due {
            let told = &self.told[&person];
            let (step, count, was) = (told.step, told.count, told.next.unwrap());
            let name = |n: u64| if n == 0 { format!("{step}.{person}") } else { format!("{step}.{person}r{n}") };
            let before: Vec<String> = (0..count).map(name).collect();
            self.owe(&name(count), &before, person, now, city, model);
            let in_time = was + self.terms.repeat;
            let next = if in_time > now { in_time } else { now + self.terms.repeat };
            let told = self.told.get_mut(&person).unwrap();
            told.count += 1;
            told.next = (told.count <= self.terms.repeats).then_some(next);
        }
    }

    fn supervise(&mut self, now: u64, city: &City, model: &mut Model) {
        for at in 0..self.limits.len() {
            while let Some(due) = self.limits[at].next.filter(|due| *due <= now) {
                let marks = self.acknowledged.keys().chain(self.arrived.keys());
                let lowest = marks.map(|person| city.person(*person).level).min().unwrap_or(0);
                let mut level = self.limits[at].superior.map_or(lowest, |level| level + 1);
                let stage = self.limits[at].stage;
                let reachable = |level: usize| (city.holders)(self.unit, SUPERIORS[level]).pop();
                while level < 3 && reachable(level).is_none() {
                    level += 1;
                }
                if let Some(person) = (level < 3).then(|| reachable(level)).flatten() {
                    self.owe(&format!("{stage}{}.{person}", level + 1), &[], person, now, city, model);
                }
                self.limits[at].superior = Some(level);
                let more = level + 1 < 3 && self.terms.supervise > 0;
                self.limits[at].next = more.then_some(due + self.terms.supervise);
            }
        }
    }

    fn owe(&mut self, name: &str, before: &[String], person: u32, now: u64, city: &City, model: &mut Model) {
        let row = city.person(person);
        let id = |name: &str, channel: &str| format!("{}.{}.{name}.{channel}", self.id, self.ring);
        let under_way = |channel: &str| {
            before.iter().any(|name| matches!(model.deliveries.get(&id(name, channel)), Some(Owed | Waiting)))
        };
        let busy: Vec<bool> = row.channels.iter().map(|channel| under_way(channel)).collect();
        if !(row.in_turn || self.terms.in_turn) {
            for (channel, _) in row.channels.iter().zip(busy).filter(|(_, busy)| !busy) {
                let id = id(name, channel);
                assert_eq!(model.deliveries.insert(id.clone(), Owed), None, "{id} twice");
                self.chains.push(Chain { person, ids: vec![id], next_ms: None, failover: 0, unanswered: 0 });
            }
        } else if !busy.contains(&true) {
            let ids: Vec<String> = row.channels.iter().map(|channel| id(name, channel)).collect();
            for (place, id) in ids.iter().enumerate() {
                let state = if place == 0 { Owed } else { Waiting };
                assert_eq!(model.deliveries.insert(id.clone(), state), None, "{id} twice");
            }
            let (failover, unanswered) = (self.terms.failover, self.terms.unanswered);
            let next_ms = (failover > 0 && ids.len() > 1).then_some(now + failover);
            self.chains.push(Chain { person, ids, next_ms, failover, unanswered });
        }
    }
}

impl Model {
    fn begin(&mut self, chain: &mut Chain, now: u64) {
        chain.next_ms = None;
        let mut waits = chain.ids.iter().filter(|id| self.deliveries[*id] == Waiting);
        let (first, further) = (waits.next().cloned(), waits.next().is_some());
        if let Some(first) = first {
            self.deliveries.insert(first, Owed);
            chain.next_ms = (further && chain.failover > 0).then_some(now + chain.failover);
        }
    }

    fn spare(&mut self, chain: &mut Chain) {
        chain.next_ms = None;
        for id in &chain.ids {
            let state = self.deliveries.get_mut(id).unwrap();
            if *state == Waiting {
                *state = Spared;
            }
        }
    }
}
