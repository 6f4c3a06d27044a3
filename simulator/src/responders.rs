//! People who answer alerts, as a state machine: told of an alert, they acknowledge after seconds, arrive after minutes, say what
//! they found, and close. Knows no socket; [`crate::people`] carries its actions.
//!
//! Times are drawn from log-normal distributions. Medians: acknowledgement 25 s (fire), 2 min (others); arrival 4 min, as the
//! three-minute circle of a micro fire station promises plus the stairs; a look around 90 s. One alert in seven is answered late, so
//! that the ladder of escalation is seen at work.

use crate::{incident::Verdict, roster::Roster};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::Deserialize;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

/// Alerts attended to at a time; further ones wait for the next bootstrap.
pub const CASES_MAX: usize = 20_000;
/// Attempts at one action before the people give up on an alert.
const ATTEMPTS_MAX: u32 = 100;

/// What the simulator needs to know of an alert.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AlertSummary {
    pub id: String,
    /// fire, warning or fault.
    pub family: String,
    /// raised, acknowledged, verified, restored or closed.
    pub state: String,
    pub unit: String,
    pub grid: String,
    pub village: String,
    pub verdict: Option<String>,
    pub acknowledged_by: Vec<String>,
}

/// A step of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    Acknowledge,
    Arrive,
    Verify,
    Close,
}

impl Verb {
    /// As in the path.
    pub fn name(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Arrive => "arrive",
            Self::Verify => "verify",
            Self::Close => "close",
        }
    }
}

/// To be posted now.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    pub alert: String,
    pub verb: Verb,
    /// Person code; empty: whoever the token belongs to.
    pub person: String,
    pub verdict: Option<Verdict>,
    /// The same for every attempt at the same step.
    pub key: String,
}

/// How posting went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// 409: the alert's state forbids it.
    Forbidden,
    /// 404: no such alert.
    Unknown,
    /// Could not be posted, or the station is in trouble.
    Failed,
}

#[derive(Debug)]
struct Case {
    alert: AlertSummary,
    next: Verb,
    due_ms: i64,
    attempts: u32,
    /// How often it has rung.
    round: u32,
    /// Posted, outcome not yet known.
    posted: bool,
}

/// Everybody on duty. Times are city time in ms.
#[derive(Debug)]
pub struct Responders {
    cases: HashMap<String, Case>,
    due: BinaryHeap<Reverse<(i64, String)>>,
    rng: StdRng,
    /// Person codes by grid (workers) and by village (members of micro stations, chiefs).
    workers: HashMap<String, Vec<String>>,
    members: HashMap<String, Vec<String>>,
    chiefs: HashMap<String, Vec<String>>,
}

impl Responders {
    /// The people of a roster.
    pub fn new(roster: &Roster, seed: u64) -> Self {
        let by_region = |post: &str| {
            let mut map: HashMap<String, Vec<String>> = HashMap::new();
            for person in roster.people.iter().filter(|p| p.post == post) {
                map.entry(person.region.clone()).or_default().push(person.code.clone());
            }
            map
        };
        Self {
            cases: HashMap::new(),
            due: BinaryHeap::new(),
            rng: StdRng::seed_from_u64(seed ^ 0x7265_7370),
            workers: by_region("grid_worker"),
            members: by_region("micro_station"),
            chiefs: by_region("village_chief"),
        }
    }

    /// Alerts being attended to.
    pub fn open(&self) -> usize {
        self.cases.len()
    }

    /// Takes in an alert as the station shows it. `rang_again`: it has rung anew.
    pub fn observe(&mut self, now_ms: i64, alert: &AlertSummary, rang_again: bool) {
        if alert.state == "closed" {
            self.cases.remove(&alert.id);
            return;
        }
        if let Some(case) = self.cases.get_mut(&alert.id) {
            case.alert = alert.clone();
            if rang_again {
                case.round += 1;
                case.posted = false;
                self.schedule(now_ms, &alert.id, Verb::Acknowledge);
            }
            return;
        }
        if self.cases.len() >= CASES_MAX {
            return;
        }
        let next = match alert.state.as_str() {
            "raised" => Verb::Acknowledge,
            _ if alert.verdict.is_some() => Verb::Close,
            _ if alert.acknowledged_by.is_empty() => Verb::Acknowledge,
            _ => Verb::Arrive,
        };
        let case =
            Case { alert: alert.clone(), next, due_ms: 0, attempts: 0, round: u32::from(rang_again), posted: false };
        self.cases.insert(alert.id.clone(), case);
        self.schedule(now_ms, &alert.id, next);
    }

    /// When the next action is due.
    pub fn next_ms(&self) -> Option<i64> {
        self.due.peek().map(|r| r.0.0)
    }

    /// At most `room` actions to be posted by now. `verdict` tells what one finds in a unit.
    pub fn due(&mut self, now_ms: i64, room: usize, verdict: &dyn Fn(&str) -> Verdict) -> Vec<Action> {
        let mut actions = Vec::new();
        while actions.len() < room
            && let Some(Reverse((at, _))) = self.due.peek()
            && *at <= now_ms
        {
            let Some(Reverse((at, id))) = self.due.pop() else { break };
            let Some(case) = self.cases.get_mut(&id).filter(|c| c.due_ms == at && !c.posted) else { continue };
            case.posted = true;
            let verb = case.next;
            // what somebody reports as broken is broken; of the rest the truth decides
            let found = if case.alert.family == "fault" { Verdict::Real } else { verdict(&case.alert.unit) };
            let (round, alert) = (case.round, case.alert.clone());
            actions.push(Action {
                verb,
                person: self.who(&alert, verb),
                verdict: (verb == Verb::Verify).then_some(found),
                key: format!("sim-{:016x}-{}-{round}", fold(&id), verb.name()),
                alert: id,
            });
        }
        actions
    }

    /// Learns how a posted action went, and plans the next.
    pub fn outcome(&mut self, now_ms: i64, action: &Action, outcome: Outcome) {
        let Some(case) = self.cases.get_mut(&action.alert).filter(|c| c.posted && c.next == action.verb) else {
            return;
        };
        case.posted = false;
        case.attempts += 1;
        let next = match (action.verb, outcome) {
            (_, Outcome::Unknown) => None,
            (Verb::Close, Outcome::Done) => None,
            (verb, Outcome::Failed) => Some(verb),
            // a fire cannot be closed before the detectors are quiet: later again
            (Verb::Close, Outcome::Forbidden) => Some(Verb::Close),
            // somebody else has done that step
            (Verb::Acknowledge, _) if case.alert.family == "fault" => Some(Verb::Verify),
            (Verb::Acknowledge, _) => Some(Verb::Arrive),
            (Verb::Arrive, _) => Some(Verb::Verify),
            (Verb::Verify, _) => Some(Verb::Close),
        };
        match next {
            Some(verb) if verb == action.verb && case.attempts < ATTEMPTS_MAX => {
                let wait_s = if outcome == Outcome::Failed { 5 << case.attempts.min(4) } else { 60 };
                self.put(now_ms + i64::from(wait_s) * 1_000, &action.alert, verb);
            }
            Some(verb) if verb != action.verb => {
                case.attempts = 0;
                self.schedule(now_ms, &action.alert, verb);
            }
            _ => {
                self.cases.remove(&action.alert);
            }
        }
    }

    fn schedule(&mut self, now_ms: i64, id: &str, verb: Verb) {
        let Some(case) = self.cases.get(id) else { return };
        let fire = case.alert.family == "fire";
        let (median_s, spread) = match verb {
            Verb::Acknowledge if self.rng.random_bool(0.14) => (400.0, 0.3),
            Verb::Acknowledge => (if fire { 25.0 } else { 120.0 }, 0.7),
            Verb::Arrive => (if fire { 240.0 } else { 900.0 }, 0.4),
            Verb::Verify => (90.0, 0.5),
            Verb::Close => (if fire { 300.0 } else { 600.0 }, 0.5),
        };
        let wait_s = log_normal(&mut self.rng, median_s, spread);
        self.put(now_ms + (wait_s * 1_000.0) as i64, id, verb);
    }

    fn put(&mut self, at_ms: i64, id: &str, verb: Verb) {
        if let Some(case) = self.cases.get_mut(id) {
            case.next = verb;
            case.due_ms = at_ms;
            self.due.push(Reverse((at_ms, id.to_owned())));
        }
    }

    fn who(&mut self, alert: &AlertSummary, verb: Verb) -> String {
        let village = if alert.village.is_empty() { alert.grid.get(..12).unwrap_or("") } else { &alert.village };
        let lists = match verb {
            Verb::Acknowledge | Verb::Close => [self.workers.get(&alert.grid), self.chiefs.get(village)],
            Verb::Arrive | Verb::Verify => [self.members.get(village), self.workers.get(&alert.grid)],
        };
        let list = lists.into_iter().flatten().find(|l| !l.is_empty());
        list.map_or(String::new(), |l| l[self.rng.random_range(0..l.len())].clone())
    }
}

/// A positive waiting time with this median; `spread` is the standard deviation of its logarithm.
fn log_normal(rng: &mut impl Rng, median: f64, spread: f64) -> f64 {
    let normal = (0..12).map(|_| rng.random_range(0.0..1.0f64)).sum::<f64>() - 6.0;
    median * (spread * normal).exp()
}

fn fold(text: &str) -> u64 {
    text.bytes().fold(17, |hash, byte| crate::world::mix(hash ^ u64::from(byte)))
}
