//! The ladder policy: whom to tell of which alert and when. TOML, journalled when it changes.

mod family;
mod storms;
mod when;

use std::sync::LazyLock;

use serde::Deserialize;

use model::Family;

pub use family::{ByColour, Channels, Deadlines, FamilyPolicy, LadderStep, Ladders};
pub use when::When;

use family::FamilyText;
use when::WhenText;

use crate::orders::{Calendar, OrderLimits};
pub use storms::{Cause, Effect, FloodPolicy, Inhibit, Scope, SilencePolicy, StormPolicy, StormsPolicy};

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
    /// What is different at some times and places, in the order of the file.
    pub whens: Vec<When>,
    pub storms: StormsPolicy,
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

/// Why a policy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("the policy is not readable: {0}")]
    Syntax(String),
    #[error("policy key {key}: {what}")]
    Value { key: String, what: String },
}

impl Default for Policy {
    fn default() -> Policy {
        static BUILT_IN: LazyLock<Policy> = LazyLock::new(Policy::built_in);
        BUILT_IN.clone()
    }
}

impl Policy {
    /// Steps of one ladder.
    pub const STEPS_MAX: usize = 16;
    /// Longest wait before a step or a closing, in seconds: 30 days.
    pub const WAIT_S_MAX: u32 = 30 * 86_400;
    /// Longest pause between one person and the next, in seconds: an hour.
    pub const IN_TURN_S_MAX: u32 = 3_600;
    /// Times that somebody is told again in one ring.
    pub const REPEATS_MAX: u32 = 100;
    /// Latest deadline of a stage, in seconds from the ring on: 90 days.
    pub const DEADLINE_S_MAX: u32 = 90 * 86_400;
    /// `[[when]]` tables of a policy.
    pub const WHENS_MAX: usize = 64;

    fn built_in() -> Policy {
        let blank = Policy {
            limits: Limits { people_per_step: 0, micro_stations: 0 },
            duty: DutyPolicy { look_ahead_s: 0 },
            fire: FamilyPolicy::default(),
            warning: FamilyPolicy::default(),
            fault: FamilyPolicy::default(),
            orders: OrderLimits::default(),
            roll_call: Calendar::default(),
            channel_test: Calendar::default(),
            whens: Vec::new(),
            storms: StormsPolicy::default(),
        };
        blank.with(DEFAULT_POLICY).expect("the policy that is built in is tested")
    }

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
        self.orders = text.orders;
        self.roll_call = text.roll_call;
        self.channel_test = text.channel_test;
        self.fire.take(&text.fire);
        self.warning.take(&text.warning);
        self.fault.take(&text.fault);
        for when in text.when {
            let when = When::read(when)?;
            if self.whens.iter().any(|other| other.name == when.name) {
                let (key, what) =
                    (format!("when {:?}: name", when.name), "another has this name: alerts carry it".into());
                return Err(PolicyError::Value { key, what });
            }
            self.whens.push(when);
        }
        self.storms.take(text.silence, text.inhibit, text.storm, text.flood);
        self.check()?;
        Ok(self)
    }

    fn check(&self) -> Result<(), PolicyError> {
        self.storms.check()?;
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
        within("when", u32::try_from(self.whens.len()).unwrap_or(u32::MAX), 0, Policy::WHENS_MAX as u32)?;
        for family in Family::ALL {
            self.of(family).check(family, "")?;
        }
        self.whens.iter().try_for_each(|when| when.check(self))
    }
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
    when: Vec<WhenText>,
    silence: Option<SilencePolicy>,
    inhibit: Option<Vec<Inhibit>>,
    storm: Option<StormPolicy>,
    flood: Option<FloodPolicy>,
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

#[cfg(test)]
mod tests {
    use model::roster::Post;

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
        let lasts = policy.fire.acknowledged_for_s;
        assert_eq!((lasts.red, lasts.orange, lasts.yellow, lasts.blue), (120, 300, 1800, 7200));
        assert_eq!((policy.fire.repeat_s.red, policy.fire.repeats.red), (60, 5));
        assert_eq!(policy.fire.deadlines.verify.of(model::Colour::Orange), 900);
        assert_eq!(policy.fault.deadlines, Deadlines::default(), "faults stand in the queue");
        assert_eq!(policy.limits, Limits { people_per_step: 64, micro_stations: 3 });
    }

    #[test]
    fn what_is_left_out_stays() {
        let text = "[fire.ladder]\norange = [{ after_s = 0, tell = [\"commander\"] }]\n[fault]\nauto_close_s = 60\n";
        let policy = Policy::parse(text).expect("valid");
        assert_eq!(policy.fire.ladder.orange, [LadderStep { after_s: 0, tell: vec![Post::Commander], in_turn_s: 0 }]);
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
            ("[fire]\nacknowledged_for_s = { red = 0 }", "fire.acknowledged_for_s.red: an acknowledgement must expire"),
            (
                "[fire]\nacknowledged_for_s = { red = 9 }",
                "fire.acknowledged_for_s.red: 9 is not between 10 and 2592000",
            ),
            ("[fire]\nrepeat_s = { red = 0 }", "fire.repeat_s.red: repeat_s = 0 and repeats = 5: give both"),
            ("[fire]\nrepeats = { red = 101 }", "fire.repeats.red: 101 is not between 1 and 100"),
            ("[fire]\nchannels = \"some\"", "unknown variant `some`, expected `all` or `in_turn`"),
            ("[fire.deadlines]\narive = { red = 1 }", "unknown field `arive`"),
            ("[fire.deadlines]\nverify = { red = 100 }", "fire.deadlines.verify.red: 100 is before arrive (300)"),
            (
                "[fault.ladder]\nred = [{ after_s = 0, tell = [\"owner\"], in_turn_s = 3601 }]",
                "in_turn_s = 3601 is more than 3600",
            ),
            ("[[when]]\nname = \"x\"", "when \"x\": regions: it fits always"),
            ("[[when]]\nname = \"\"\ndays = \"sat\"", "give it a name of 1 to 40 characters"),
            ("[[when]]\nname = \"x\"\nhours = \"22-6\"", "when \"x\": hours: \"22-6\" is not like \"22:00-06:00\""),
            ("[[when]]\nname = \"x\"\nhours = \"06:00-06:00\"", "is all day or no time at all"),
            ("[[when]]\nname = \"x\"\ndays = \"weekend\"", "when \"x\": days: write daily, or days"),
            ("[[when]]\nname = \"x\"\nregions = [\"33\"]", "region code \"33\" must have 6, 9, 12 or 15 digits"),
            ("[[when]]\nname = \"x\"\nhour = \"06:00-07:00\"", "unknown field `hour`"),
            ("[[when]]\nname = \"x\"\ndays = \"sat\"\n[[when]]\nname = \"x\"\ndays = \"sun\"", "another has this name"),
            (
                "[[when]]\nname = \"x\"\ndays = \"sat\"\n[when.warning]\nauto_close_s = 9",
                "when \"x\": warning.auto_close_s: closing by itself is the same",
            ),
            (
                "[[when]]\nname = \"x\"\ndays = \"sat\"\n[when.fire.ladder]\nred = []",
                "when \"x\": fire.ladder.red: a fire must be told to somebody at once",
            ),
            ("[silence]\nmax_s = 59", "silence.max_s: 59 is not between 60 and"),
            ("[flood]\nalerts = 4", "flood.over_alerts: 5 is not between 1 and 4"),
            (
                "[[inhibit]]\nname = \"x\"\nwhile = { family = \"fault\" }\nscope = \"unit\"\nhold = { families = [\"fire\"] }",
                "a fire is never held, only verified",
            ),
            ("[limits]\npeople_per_step = 0", "limits.people_per_step: 0 is not between 1 and 1000"),
        ] {
            let error = Policy::parse(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text:?} was refused with {error:?}");
        }
        let many = (0..17).map(|n| format!("{{ after_s = {n}, tell = [\"owner\"] }}")).collect::<Vec<_>>().join(",");
        let error = Policy::parse(&format!("[fault.ladder]\nred = [{many}]")).expect_err("17 steps").to_string();
        assert!(error.contains("17 steps are more than 16"), "{error}");
    }
    /// Seconds of an orange fire's acknowledgement, which tell the tables of this test apart.
    fn lasts(policy: &Policy, grid: &str, local: &str) -> (u32, String) {
        let clock = model::roster::UtcOffset::default();
        let at_ms = clock.at_ms(local.parse::<model::roster::LocalTime>().expect("valid").0);
        let (family, names) = policy.at(Family::Fire, grid.parse().expect("valid"), at_ms, clock);
        (family.acknowledged_for_s.orange, names)
    }

    #[test]
    fn the_most_particular_table_has_the_last_word() {
        let table = |name: &str, keys: &str, seconds: u32| {
            format!("[[when]]\nname = \"{name}\"\n{keys}\n[when.fire]\nacknowledged_for_s = {{ orange = {seconds} }}\n")
        };
        let text = [
            table("village", "regions = [\"331083001001\"]", 11),
            table("village night", "regions = [\"331083001001\", \"331083002\"]\nhours = \"22:00-06:00\"", 12),
            table("township", "regions = [\"331083001\"]\nhours = \"22:00-06:00\"\ndays = \"daily\"", 13),
            table("night", "hours = \"22:00-06:00\"", 14),
            table("weekend night", "hours = \"22:00-06:00\"\ndays = \"sat;sun\"", 15),
            table("weekend", "days = \"sat;sun\"", 16),
            table("later weekend", "days = \"sat;sun\"", 17),
        ]
        .concat();
        let policy = Policy::parse(&text).expect("valid");
        let (here, near, far) = ("331083001001001", "331083001002001", "331083009001001");
        // 2026-11-23 is a Monday
        for (grid, local, expected, names) in [
            (far, "2026-11-23 12:00", 300, ""),
            (far, "2026-11-23 21:59", 300, ""),
            (far, "2026-11-23 22:00", 14, "night"),
            (far, "2026-11-24 05:59", 14, "night"),
            (far, "2026-11-24 06:00", 300, ""),
            (far, "2026-11-28 12:00", 17, "weekend + later weekend"),
            (far, "2026-11-28 23:00", 15, "weekend + later weekend + night + weekend night"),
            // Sunday's night goes on into Monday, Friday's into Saturday is none of the weekend's
            (far, "2026-11-30 05:00", 15, "night + weekend night"),
            (far, "2026-11-28 05:00", 14, "weekend + later weekend + night"),
            (near, "2026-11-23 12:00", 300, ""),
            (near, "2026-11-23 23:00", 13, "night + township"),
            (here, "2026-11-23 12:00", 11, "village"),
            (here, "2026-11-23 23:00", 12, "night + township + village + village night"),
            ("331083002009009", "2026-11-23 23:00", 12, "night + village night"),
        ] {
            assert_eq!(lasts(&policy, grid, local), (expected, names.to_owned()), "{grid} at {local}");
        }
    }
}
