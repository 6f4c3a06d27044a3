//! Scenarios as text: what devices of a few units say, second by second, and what is to be found. Rules carry them as
//! `[[test]]` tables in their own file.
//!
//! ```text
//! 0     smoke_db_m=0.02
//! 5     a smoke_db_m=0.20 temperature_c=31
//! 9     b alarm:manual:m-1      => began alarm_manual orange m-1
//! 20    u0 verify:real          => colour red
//! ```
//!
//! A line: seconds, the device or unit that it is about (`a` where none is named), one or more words, and after `=>` the
//! findings of that moment, in order, between commas: `began`, `continued` or `ended`, the condition, its colour, the
//! device's own alarm id where it has one; the device may stand before it. `colour <colour>`, or `colour <unit> <colour>`,
//! is what the unit has after that moment. Without `=>` nothing must be found. Between lines the clock ticks.
//!
//! | word | means |
//! |---|---|
//! | `key=value` | a measured value, by its key in the JSON contract |
//! | `presence` | a message without values |
//! | `alarm:kind:id`, `!alarm:kind:id` | the device's own alarm, and its end |
//! | `event:kind` | an event |
//! | `state:word[:next_report_s]` | a state |
//! | `sighting:kind:id` | a person's report of the unit |
//! | `verify:real`, `verify:false`, `verify:test`, `close` | what people do with the unit's fire alert; `close:warning` with its warning |
//! | `tick` | nothing |

mod play;
mod words;

use model::roster::{DeviceClass, DeviceRow, Roster, RosterRows, UnitRow};
use serde::{Deserialize, Serialize};

use crate::rules::Rules;

pub use play::{Moment, Outcome};
#[cfg(test)]
pub(crate) use words::{line, parse};

/// When scenarios begin, ms since 1970.
pub const T0: u64 = 1_763_798_400_000;

/// Ticks of one scenario, at most.
const TICKS_MAX: u64 = 200_000;

/// A test that rules carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    pub name: String,
    /// Without any: one of class `combined`, named `a`.
    #[serde(default)]
    pub devices: Vec<TestDevice>,
    /// Category of the units.
    #[serde(default)]
    pub category: String,
    /// Only these conditions are looked at; all, where there are none.
    #[serde(default)]
    pub only: Vec<String>,
    /// These conditions are not looked at.
    #[serde(default = "ignored")]
    pub ignore: Vec<String>,
    /// Between two lines the clock ticks so often, s; 0: it does not.
    #[serde(default = "every")]
    pub ticks_s: u64,
    pub timeline: String,
}

fn ignored() -> Vec<String> {
    vec!["lost_contact".to_owned()]
}

fn every() -> u64 {
    10
}

/// A device of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestDevice {
    pub name: String,
    #[serde(default = "combined")]
    pub class: DeviceClass,
    /// Units are made as they are named.
    #[serde(default = "first")]
    pub unit: String,
    /// Reporting promise, s.
    #[serde(default = "minute")]
    pub promise_s: u32,
    /// The gateway that it speaks through.
    #[serde(default)]
    pub gateway: String,
}

fn combined() -> DeviceClass {
    DeviceClass::Combined
}

fn first() -> String {
    "u0".to_owned()
}

fn minute() -> u32 {
    60
}

/// What is wrong with a scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    #[error("test {test:?}: {reason}")]
    Setting { test: String, reason: String },
    #[error("test {test:?}, line {text:?}: {reason}")]
    Line { test: String, text: String, reason: String },
}

/// A line of a scenario, read.
struct Line<'a> {
    text: &'a str,
    at_s: u64,
    /// Device or unit.
    subject: &'a str,
    words: Vec<&'a str>,
    expected: Vec<&'a str>,
}

impl Test {
    /// Whether it can be played.
    ///
    /// # Errors
    /// The first thing that makes no sense.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let roster = self.roster()?;
        let known = |name: &String| crate::rule::names_of(crate::rule::bits(|_| true)).contains(&name.as_str());
        if let Some(name) = self.only.iter().chain(&self.ignore).find(|name| !known(name)) {
            return Err(self.fault(format!("there is no condition {name}")));
        }
        for line in self.lines()? {
            self.expectations(&line, &roster)?;
            for word in &line.words {
                self.understood(&line, word, &roster)?;
            }
        }
        Ok(())
    }

    /// Plays it by these rules.
    ///
    /// # Errors
    /// [`ScenarioError`], as [`Test::check`].
    pub fn play(&self, rules: &Rules) -> Result<Outcome, ScenarioError> {
        self.check()?;
        play::play(self, rules)
    }

    fn fault(&self, reason: impl Into<String>) -> ScenarioError {
        ScenarioError::Setting { test: self.name.clone(), reason: reason.into() }
    }

    fn line_fault(&self, line: &Line<'_>, reason: impl Into<String>) -> ScenarioError {
        ScenarioError::Line { test: self.name.clone(), text: line.text.to_owned(), reason: reason.into() }
    }

    fn devices(&self) -> Vec<TestDevice> {
        if !self.devices.is_empty() {
            return self.devices.clone();
        }
        let (class, promise_s) = (combined(), minute());
        vec![TestDevice { name: "a".to_owned(), class, unit: first(), promise_s, gateway: String::new() }]
    }

    /// Its devices and units; all units in one grid.
    fn roster(&self) -> Result<Roster, ScenarioError> {
        let mut rows = RosterRows::default();
        let codes = ["331083", "331083001", "331083001001", "331083001001001"];
        rows.regions = codes.map(|code| (1, code.parse().expect("a code"), code.into())).into();
        let mut units: Vec<String> = Vec::new();
        for (device, at) in self.devices().into_iter().zip(1..) {
            if !units.contains(&device.unit) {
                units.push(device.unit.clone());
            }
            let row = DeviceRow {
                vendor: "v".into(),
                name: device.name.into(),
                unit: device.unit.into(),
                class: device.class,
                location: "".into(),
                report_every_s: device.promise_s,
                gateway: device.gateway.into(),
            };
            rows.devices.push((at, row));
        }
        for (code, at) in units.into_iter().zip(1..) {
            let row = UnitRow {
                code: code.into(),
                name: "".into(),
                category: self.category.as_str().into(),
                address: "".into(),
                grid: "331083001001001".parse().expect("a code"),
                owner: "".into(),
                position_m: None,
                profile: Default::default(),
            };
            rows.units.push((at, row));
        }
        let change = Roster::default().change_to(&rows).map_err(|faults| {
            let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
            self.fault(format!("its devices cannot be: {}", told.join("; ")))
        })?;
        Ok(Roster::default().after(&change, 1))
    }

    fn lines(&self) -> Result<Vec<Line<'_>>, ScenarioError> {
        let mut lines = Vec::new();
        let mut before_s = 0;
        let texts = self.timeline.lines().map(|text| text.split('#').next().unwrap_or("").trim());
        for text in texts.filter(|text| !text.is_empty()) {
            let mut line = Line { text, at_s: 0, subject: "a", words: Vec::new(), expected: Vec::new() };
            let (given, expected) = text.split_once("=>").unwrap_or((text, ""));
            line.expected = expected.split(',').map(str::trim).filter(|text| !text.is_empty()).collect();
            let mut given = given.split_whitespace();
            let at_s = given.next().and_then(|at_s| at_s.parse().ok());
            line.at_s = at_s.ok_or_else(|| self.line_fault(&line, "it begins with the time in whole seconds"))?;
            line.words = given.collect();
            let plain =
                |word: &str| word.contains(['=', ':']) || ["tick", "nothing", "presence", "close"].contains(&word);
            if let Some(subject) = line.words.first().copied().filter(|word| !plain(word)) {
                line.subject = subject;
                line.words.remove(0);
            }
            if line.words.is_empty() {
                return Err(self.line_fault(&line, "it says nothing; write `tick` for a moment in which nothing comes"));
            }
            if line.at_s < before_s {
                return Err(self.line_fault(&line, format!("it goes back in time, from {before_s} s")));
            }
            before_s = line.at_s;
            lines.push(line);
        }
        match lines.last() {
            None => Err(self.fault("its timeline is empty")),
            Some(last) if self.ticks_s > 0 && last.at_s / self.ticks_s > TICKS_MAX => Err(self.fault(format!(
                "its timeline has more than {TICKS_MAX} ticks: raise ticks_s, or set it to 0 for none between lines"
            ))),
            Some(_) => Ok(lines),
        }
    }

    fn understood(&self, line: &Line<'_>, word: &str, roster: &Roster) -> Result<(), ScenarioError> {
        if words::is_of_unit(word) {
            let known = words::unit_of(line.subject, roster).is_some();
            let act = words::act(word).is_some() || words::sighting(word).is_some();
            return match (known, act) {
                (true, true) => Ok(()),
                (false, _) => Err(self.line_fault(line, format!("there is no device or unit {}", line.subject))),
                (_, false) => Err(self.line_fault(line, format!("{word} means nothing"))),
            };
        }
        let device = roster.device_by_key(&format!("v/{}", line.subject));
        let device = device.ok_or_else(|| self.line_fault(line, format!("there is no device {}", line.subject)))?;
        words::parse(device, T0, word).map_err(|reason| self.line_fault(line, reason)).map(drop)
    }

    fn expectations(&self, line: &Line<'_>, roster: &Roster) -> Result<(), ScenarioError> {
        for expected in &line.expected {
            words::check_expected(expected, roster).map_err(|reason| self.line_fault(line, reason))?;
        }
        Ok(())
    }
}
