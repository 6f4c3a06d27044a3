//! How the alerts of one family are carried: their ladders, and everything that is timed.

use serde::Deserialize;

use model::alert::{Stage, Terms};
use model::roster::Post;
use model::{Colour, Family};

use super::{Policy, PolicyError, set};

/// How the alerts of one family are carried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FamilyPolicy {
    /// Seconds after which a restored alert closes by itself; `None`: never, as for a fire.
    pub auto_close_s: Option<u32>,
    /// Whether a verdict of real tells every step that still waits.
    pub real_tells_all: bool,
    /// How the channels of a person are used whose roster row does not ask for `in_turn`.
    pub channels: Channels,
    pub ladder: Ladders,
    /// How long an acknowledgement holds what still waits, s; never 0.
    pub acknowledged_for_s: ByColour,
    /// Who has not acknowledged is told again every so long, s; 0: never.
    pub repeat_s: ByColour,
    /// So often at most, count.
    pub repeats: ByColour,
    /// The next channel is used so long after the one before had no delivered receipt, s; 0: only when it failed for good.
    pub failover_s: ByColour,
    /// The next channel is used so long after the one before was delivered, without an acknowledgement, s; 0: never.
    pub unanswered_s: ByColour,
    /// An overdue deadline is told to the next superior after so long, s; 0: to the first one only.
    pub supervise_s: ByColour,
    pub deadlines: Deadlines,
}

/// How a person's channels are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// All at once.
    #[default]
    All,
    /// The first one first; the next when that failed, or had no receipt in time.
    InTurn,
}

/// A number for each colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByColour {
    pub red: u32,
    pub orange: u32,
    pub yellow: u32,
    pub blue: u32,
}

/// By when each stage is to be reached, in seconds from the ring on; 0: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deadlines {
    pub accept: ByColour,
    pub assign: ByColour,
    pub arrive: ByColour,
    pub verify: ByColour,
    pub work: ByColour,
    pub check: ByColour,
}

/// A ladder for each colour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ladders {
    pub red: Vec<LadderStep>,
    pub orange: Vec<LadderStep>,
    pub yellow: Vec<LadderStep>,
    pub blue: Vec<LadderStep>,
}

/// Some posts, told at one time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LadderStep {
    /// Seconds without acknowledgement, from the ring on.
    pub after_s: u32,
    pub tell: Vec<Post>,
    /// The people of each post are told one after the other, every so many seconds, until somebody acknowledges; 0: all
    /// at once.
    #[serde(default)]
    pub in_turn_s: u32,
}

/// The colours of alerts, most urgent first.
const COLOURS: [Colour; 4] = [Colour::Red, Colour::Orange, Colour::Yellow, Colour::Blue];

impl ByColour {
    /// The number of a colour.
    pub fn of(&self, colour: Colour) -> u32 {
        match colour {
            Colour::Red => self.red,
            Colour::Orange => self.orange,
            Colour::Yellow => self.yellow,
            // an alert is never blind: see `life::urgency`
            Colour::Blue | Colour::Blind => self.blue,
        }
    }

    fn ms(&self, colour: Colour) -> u64 {
        u64::from(self.of(colour)) * 1000
    }
}

impl Deadlines {
    /// Limits of a stage.
    pub fn of(&self, stage: Stage) -> &ByColour {
        match stage {
            Stage::Accept => &self.accept,
            Stage::Assign => &self.assign,
            Stage::Arrive => &self.arrive,
            Stage::Verify => &self.verify,
            Stage::Work => &self.work,
            Stage::Check => &self.check,
        }
    }
}

impl Ladders {
    /// The ladder of a colour.
    pub fn of(&self, colour: Colour) -> &[LadderStep] {
        match colour {
            Colour::Red => &self.red,
            Colour::Orange => &self.orange,
            Colour::Yellow => &self.yellow,
            // an alert is never blind: see `life::urgency`
            Colour::Blue | Colour::Blind => &self.blue,
        }
    }
}

impl FamilyPolicy {
    /// What an alert keeps of it when it rings in a colour.
    pub(crate) fn terms(&self, colour: Colour, when: Box<str>) -> Terms {
        Terms {
            when,
            acknowledged_for_ms: self.acknowledged_for_s.ms(colour),
            repeat_ms: self.repeat_s.ms(colour),
            repeats: u16::try_from(self.repeats.of(colour)).unwrap_or(u16::MAX),
            in_turn: self.channels == Channels::InTurn,
            failover_ms: self.failover_s.ms(colour),
            unanswered_ms: self.unanswered_s.ms(colour),
            supervise_ms: self.supervise_s.ms(colour),
            real_tells_all: self.real_tells_all,
        }
    }

    pub(super) fn take(&mut self, text: &FamilyText) {
        self.auto_close_s = text.auto_close_s.or(self.auto_close_s);
        set(&mut self.real_tells_all, text.real_tells_all);
        set(&mut self.channels, text.channels);
        set(&mut self.ladder.red, text.ladder.red.clone());
        set(&mut self.ladder.orange, text.ladder.orange.clone());
        set(&mut self.ladder.yellow, text.ladder.yellow.clone());
        set(&mut self.ladder.blue, text.ladder.blue.clone());
        let (own, given) = (&mut self.deadlines, &text.deadlines);
        for (value, given) in [
            (&mut self.acknowledged_for_s, &text.acknowledged_for_s),
            (&mut self.repeat_s, &text.repeat_s),
            (&mut self.repeats, &text.repeats),
            (&mut self.failover_s, &text.failover_s),
            (&mut self.unanswered_s, &text.unanswered_s),
            (&mut self.supervise_s, &text.supervise_s),
            (&mut own.accept, &given.accept),
            (&mut own.assign, &given.assign),
            (&mut own.arrive, &given.arrive),
            (&mut own.verify, &given.verify),
            (&mut own.work, &given.work),
            (&mut own.check, &given.check),
        ] {
            set(&mut value.red, given.red);
            set(&mut value.orange, given.orange);
            set(&mut value.yellow, given.yellow);
            set(&mut value.blue, given.blue);
        }
    }

    /// Whether every value can be; `prefix` stands before the keys of what cannot.
    pub(super) fn check(&self, family: Family, prefix: &str) -> Result<(), PolicyError> {
        let wrong = |key: String, what: String| Err(PolicyError::Value { key: format!("{prefix}{key}"), what });
        let word = family.word();
        if let Some(auto_close_s) = self.auto_close_s
            && !(1..=Policy::WAIT_S_MAX).contains(&auto_close_s)
        {
            let what = format!("{auto_close_s} is not between 1 and {}", Policy::WAIT_S_MAX);
            return wrong(format!("{word}.auto_close_s"), what);
        }
        for colour in COLOURS {
            if let Err(what) = check_ladder(self.ladder.of(colour), family) {
                return wrong(format!("{word}.ladder.{}", colour.word()), what);
            }
            if self.acknowledged_for_s.of(colour) == 0 {
                let key = format!("{word}.acknowledged_for_s.{}", colour.word());
                return wrong(
                    key,
                    "an acknowledgement must expire, or one person's answer stops the ladder for good".into(),
                );
            }
            for (name, least, most, values) in self.ranges() {
                let value = values.of(colour);
                if value != 0 && !(least..=most).contains(&value) {
                    let what = format!("{value} is not between {least} and {most} (0 turns it off)");
                    return wrong(format!("{word}.{name}.{}", colour.word()), what);
                }
            }
            let (repeat_s, repeats) = (self.repeat_s.of(colour), self.repeats.of(colour));
            if (repeat_s == 0) != (repeats == 0) {
                let what = format!("repeat_s = {repeat_s} and repeats = {repeats}: give both, or set both to 0");
                return wrong(format!("{word}.repeat_s.{}", colour.word()), what);
            }
            self.check_order(colour)
                .or_else(|(stage, what)| wrong(format!("{word}.deadlines.{}.{}", stage.word(), colour.word()), what))?;
        }
        Ok(())
    }

    /// Key, least, most and values of everything that has a number for each colour; 0 is allowed everywhere.
    fn ranges(&self) -> [(&'static str, u32, u32, &ByColour); 12] {
        let wait = Policy::WAIT_S_MAX;
        let limits = &self.deadlines;
        [
            ("acknowledged_for_s", 10, wait, &self.acknowledged_for_s),
            ("repeat_s", 10, wait, &self.repeat_s),
            ("repeats", 1, Policy::REPEATS_MAX, &self.repeats),
            ("failover_s", 1, wait, &self.failover_s),
            ("unanswered_s", 1, wait, &self.unanswered_s),
            ("supervise_s", 10, wait, &self.supervise_s),
            ("deadlines.accept", 1, Policy::DEADLINE_S_MAX, &limits.accept),
            ("deadlines.assign", 1, Policy::DEADLINE_S_MAX, &limits.assign),
            ("deadlines.arrive", 1, Policy::DEADLINE_S_MAX, &limits.arrive),
            ("deadlines.verify", 1, Policy::DEADLINE_S_MAX, &limits.verify),
            ("deadlines.work", 1, Policy::DEADLINE_S_MAX, &limits.work),
            ("deadlines.check", 1, Policy::DEADLINE_S_MAX, &limits.check),
        ]
    }

    /// A stage is never due before an earlier one.
    fn check_order(&self, colour: Colour) -> Result<(), (Stage, String)> {
        let mut before: Option<(Stage, u32)> = None;
        for stage in Stage::ALL {
            let limit_s = self.deadlines.of(stage).of(colour);
            if limit_s == 0 {
                continue;
            }
            if let Some((earlier, earlier_s)) = before.filter(|(_, earlier_s)| *earlier_s > limit_s) {
                let what =
                    format!("{limit_s} is before {} ({earlier_s}): all are counted from the ring on", earlier.word());
                return Err((stage, what));
            }
            before = Some((stage, limit_s));
        }
        Ok(())
    }
}

fn check_ladder(steps: &[LadderStep], family: Family) -> Result<(), String> {
    if steps.len() > Policy::STEPS_MAX {
        return Err(format!("{} steps are more than {}", steps.len(), Policy::STEPS_MAX));
    }
    if family == Family::Fire && steps.first().is_none_or(|step| step.after_s != 0) {
        return Err("a fire must be told to somebody at once: begin with a step of after_s = 0".into());
    }
    let mut told: Vec<Post> = Vec::new();
    let mut before_s = 0;
    for step in steps {
        if step.after_s < before_s {
            return Err(format!("after_s = {} stands after {before_s}: put the steps in order", step.after_s));
        }
        if step.after_s > Policy::WAIT_S_MAX {
            return Err(format!("after_s = {} is more than {} (30 days)", step.after_s, Policy::WAIT_S_MAX));
        }
        if step.in_turn_s > Policy::IN_TURN_S_MAX {
            return Err(format!("in_turn_s = {} is more than {} (an hour)", step.in_turn_s, Policy::IN_TURN_S_MAX));
        }
        before_s = step.after_s;
        if step.tell.is_empty() {
            return Err(format!("the step after_s = {} tells nobody: name a post or take it out", step.after_s));
        }
        for &post in &step.tell {
            if told.contains(&post) {
                return Err(format!("{} stands here twice: a post is told once in a ring", post.word()));
            }
            told.push(post);
        }
    }
    Ok(())
}

/// A family as it is written: everything may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FamilyText {
    pub auto_close_s: Option<u32>,
    pub real_tells_all: Option<bool>,
    pub channels: Option<Channels>,
    pub ladder: LaddersText,
    pub acknowledged_for_s: ByColourText,
    pub repeat_s: ByColourText,
    pub repeats: ByColourText,
    pub failover_s: ByColourText,
    pub unanswered_s: ByColourText,
    pub supervise_s: ByColourText,
    pub deadlines: DeadlinesText,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LaddersText {
    pub red: Option<Vec<LadderStep>>,
    pub orange: Option<Vec<LadderStep>>,
    pub yellow: Option<Vec<LadderStep>>,
    pub blue: Option<Vec<LadderStep>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ByColourText {
    pub red: Option<u32>,
    pub orange: Option<u32>,
    pub yellow: Option<u32>,
    pub blue: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DeadlinesText {
    pub accept: ByColourText,
    pub assign: ByColourText,
    pub arrive: ByColourText,
    pub verify: ByColourText,
    pub work: ByColourText,
    pub check: ByColourText,
}
