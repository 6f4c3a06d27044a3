//! The ladder policy: whom to tell of which alert and when. TOML, journalled when it changes.

use serde::Deserialize;

use model::roster::Post;
use model::{Colour, Family};

use crate::orders::{Calendar, OrderLimits};

/// The policy that is in force where none was given; also the documentation of the format.
pub const DEFAULT_POLICY: &str = include_str!("default-policy.toml");

/// Whom the desk tells, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub limits: Limits,
    pub duty: DutyPolicy,
    pub fire: FamilyPolicy,
    pub warning: FamilyPolicy,
    pub fault: FamilyPolicy,
    pub orders: OrderLimits,
    pub roll_call: Calendar,
    pub channel_test: Calendar,
}

/// How many people one step may tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// People of one step; default 64, at most 1,000.
    pub people_per_step: u16,
    /// Micro fire stations told where the village has none; default 3, at most 100.
    pub micro_stations: u16,
}

/// How far ahead duty plans are looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DutyPolicy {
    /// A hole in a duty plan is told so long before it begins, s; default 3,600, at most 7 days.
    pub look_ahead_s: u32,
}

/// How the alerts of one family are carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyPolicy {
    /// Seconds after which a restored alert closes by itself; `None`: never, as for a fire.
    pub auto_close_s: Option<u32>,
    /// Whether a verdict of real tells every step that still waits.
    pub real_tells_all: bool,
    pub ladder: Ladders,
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
}

/// Why a policy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("the policy is not readable: {0}")]
    Syntax(String),
    #[error("policy key {key}: {what}")]
    Value { key: String, what: String },
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

impl Default for Policy {
    fn default() -> Policy {
        let quiet = FamilyPolicy { auto_close_s: None, real_tells_all: false, ladder: Ladders::default() };
        let blank = Policy {
            limits: Limits { people_per_step: 0, micro_stations: 0 },
            duty: DutyPolicy { look_ahead_s: 0 },
            fire: quiet.clone(),
            warning: quiet.clone(),
            fault: quiet,
            orders: OrderLimits::default(),
            roll_call: Calendar::default(),
            channel_test: Calendar::default(),
        };
        blank.with(DEFAULT_POLICY).expect("the policy that is built in is tested")
    }
}

impl Policy {
    /// Steps of one ladder.
    pub const STEPS_MAX: usize = 16;
    /// Longest wait before a step or a closing, in seconds: 30 days.
    pub const WAIT_S_MAX: u32 = 30 * 86_400;

    /// Reads a policy; what the text leaves out stays as in [`DEFAULT_POLICY`].
    ///
    /// # Errors
    /// [`PolicyError`] with the line of an unknown key or a wrong type, or with the key of a value that cannot be.
    pub fn parse(text: &str) -> Result<Policy, PolicyError> {
        Policy::default().with(text)
    }

    /// How alerts of a family are carried.
    pub fn of(&self, family: Family) -> &FamilyPolicy {
        match family {
            Family::Fire => &self.fire,
            Family::Warning => &self.warning,
            Family::Fault => &self.fault,
        }
    }

    fn with(mut self, text: &str) -> Result<Policy, PolicyError> {
        let text: PolicyText = toml::from_str(text).map_err(|error| PolicyError::Syntax(error.to_string()))?;
        if text.fire.auto_close_s.is_some() {
            let what = "a fire is closed by people, never by time; take the line out".to_owned();
            return Err(PolicyError::Value { key: "fire.auto_close_s".into(), what });
        }
        set(&mut self.limits.people_per_step, text.limits.people_per_step);
        set(&mut self.limits.micro_stations, text.limits.micro_stations);
        set(&mut self.duty.look_ahead_s, text.duty.look_ahead_s);
        self.fire.take(text.fire);
        self.warning.take(text.warning);
        self.fault.take(text.fault);
        self.orders = text.orders;
        self.roll_call = text.roll_call;
        self.channel_test = text.channel_test;
        self.check()?;
        Ok(self)
    }

    fn check(&self) -> Result<(), PolicyError> {
        within("limits.people_per_step", u32::from(self.limits.people_per_step), 1, 1_000)?;
        within("limits.micro_stations", u32::from(self.limits.micro_stations), 1, 100)?;
        within("duty.look_ahead_s", self.duty.look_ahead_s, 60, 7 * 86_400)?;
        let tables = [
            ("orders", self.orders.fault()),
            ("roll_call", self.roll_call.fault()),
            ("channel_test", self.channel_test.fault()),
        ];
        for (table, fault) in tables {
            if let Some((name, what)) = fault {
                return Err(PolicyError::Value { key: format!("{table}.{name}"), what });
            }
        }
        for family in Family::ALL {
            let policy = self.of(family);
            if let Some(auto_close_s) = policy.auto_close_s {
                within(&format!("{}.auto_close_s", family.word()), auto_close_s, 1, Policy::WAIT_S_MAX)?;
            }
            for colour in [Colour::Red, Colour::Orange, Colour::Yellow, Colour::Blue] {
                let key = format!("{}.ladder.{}", family.word(), colour.word());
                let steps = policy.ladder.of(colour);
                check_ladder(steps, family).map_err(|what| PolicyError::Value { key, what })?;
            }
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

fn within(key: &str, value: u32, least: u32, most: u32) -> Result<(), PolicyError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(PolicyError::Value { key: key.into(), what: format!("{value} is not between {least} and {most}") })
}

fn set<T>(value: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *value = given;
    }
}

impl FamilyPolicy {
    fn take(&mut self, text: FamilyText) {
        self.auto_close_s = text.auto_close_s.or(self.auto_close_s);
        set(&mut self.real_tells_all, text.real_tells_all);
        set(&mut self.ladder.red, text.ladder.red);
        set(&mut self.ladder.orange, text.ladder.orange);
        set(&mut self.ladder.yellow, text.ladder.yellow);
        set(&mut self.ladder.blue, text.ladder.blue);
    }
}

/// A policy as it is written: everything may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PolicyText {
    limits: LimitsText,
    duty: DutyText,
    fire: FamilyText,
    warning: FamilyText,
    fault: FamilyText,
    orders: OrderLimits,
    roll_call: Calendar,
    channel_test: Calendar,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsText {
    people_per_step: Option<u16>,
    micro_stations: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DutyText {
    look_ahead_s: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FamilyText {
    auto_close_s: Option<u32>,
    real_tells_all: Option<bool>,
    ladder: LaddersText,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LaddersText {
    red: Option<Vec<LadderStep>>,
    orange: Option<Vec<LadderStep>>,
    yellow: Option<Vec<LadderStep>>,
    blue: Option<Vec<LadderStep>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_that_is_built_in_says_everything() {
        let text: PolicyText = toml::from_str(DEFAULT_POLICY).expect("reads");
        for (name, family) in [("fire", &text.fire), ("warning", &text.warning), ("fault", &text.fault)] {
            let ladder = &family.ladder;
            for steps in [&ladder.red, &ladder.orange, &ladder.yellow, &ladder.blue] {
                assert!(steps.is_some(), "{name} leaves a colour out");
            }
        }
        let policy = Policy::default();
        assert_eq!(policy.fire.auto_close_s, None);
        assert_eq!((policy.warning.auto_close_s, policy.fault.auto_close_s), (Some(1800), Some(300)));
        assert_eq!(policy.fire.ladder.red.len(), 1, "red tells everybody at once");
        assert_eq!(policy.limits, Limits { people_per_step: 64, micro_stations: 3 });
    }

    #[test]
    fn what_is_left_out_stays() {
        let text = "[fire.ladder]\norange = [{ after_s = 0, tell = [\"commander\"] }]\n[fault]\nauto_close_s = 60\n";
        let policy = Policy::parse(text).expect("valid");
        assert_eq!(policy.fire.ladder.orange, [LadderStep { after_s: 0, tell: vec![Post::Commander] }]);
        assert_eq!(policy.fault.auto_close_s, Some(60));
        assert_eq!(policy.fire.ladder.red, Policy::default().fire.ladder.red);
        assert_eq!(Policy::parse("").expect("valid"), Policy::default());
    }

    #[test]
    fn a_wrong_policy_is_refused_with_what_to_do() {
        for (text, expected) in [
            ("[fire]\nlader = 1", "unknown field `lader`"),
            ("[fire]\nauto_close_s = 60", "fire.auto_close_s: a fire is closed by people"),
            ("[fire.ladder]\nred = []", "fire.ladder.red: a fire must be told to somebody at once"),
            ("[fire.ladder]\nred = [{ after_s = 5, tell = [\"owner\"] }]", "begin with a step of after_s = 0"),
            ("[fault.ladder]\nred = [{ after_s = 0, tell = [\"mayor\"] }]", "unknown variant `mayor`"),
            (
                "[fault.ladder]\nred = [{ after_s = 0, tell = [] }]",
                "fault.ladder.red: the step after_s = 0 tells nobody",
            ),
            ("[fault.ladder]\nred = [{ after_s = 0, tell = [\"owner\", \"owner\"] }]", "owner stands here twice"),
            (
                "[fault.ladder]\nred = [{ after_s = 9, tell = [\"owner\"] }, { after_s = 8, tell = [\"commander\"] }]",
                "after_s = 8 stands after 9",
            ),
            ("[fault.ladder]\nred = [{ after_s = 2592001, tell = [\"owner\"] }]", "is more than 2592000"),
            ("[warning]\nauto_close_s = 0", "warning.auto_close_s: 0 is not between 1 and"),
            ("[duty]\nlook_ahead_s = 59", "duty.look_ahead_s: 59 is not between 60 and 604800"),
            ("[limits]\npeople_per_step = 0", "limits.people_per_step: 0 is not between 1 and 1000"),
        ] {
            let error = Policy::parse(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text:?} was refused with {error:?}");
        }
        let many = (0..17).map(|n| format!("{{ after_s = {n}, tell = [\"owner\"] }}")).collect::<Vec<_>>().join(",");
        let error = Policy::parse(&format!("[fault.ladder]\nred = [{many}]")).expect_err("17 steps").to_string();
        assert!(error.contains("17 steps are more than 16"), "{error}");
    }
}
