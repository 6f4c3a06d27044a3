//! The rules' settings as operators write them: one TOML text, one table a rule. The journal carries it, so that a replay
//! judges with the rules that were in force.

use crate::rule::RuleSettings;
use crate::scenario::{Outcome, ScenarioError, Test};

/// Rules' settings, with their text.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    text: Box<str>,
    settings: RuleSettings,
}

/// Why a text cannot be rules' settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    #[error("the rules cannot be read: {0}")]
    Unreadable(String),
    #[error("the rules make no sense: {0}")]
    Senseless(String),
    #[error(transparent)]
    Test(#[from] ScenarioError),
}

impl Default for Rules {
    fn default() -> Self {
        Rules { text: "".into(), settings: RuleSettings::default() }
    }
}

impl Rules {
    /// Reads a TOML text; what it leaves out keeps its default.
    ///
    /// # Errors
    /// [`RulesError`] for a key that is not known (with the one that is meant, where one is near), a value of the wrong
    /// kind, or one that makes no sense.
    pub fn parse(text: &str) -> Result<Rules, RulesError> {
        let settings: RuleSettings = toml::from_str(text).map_err(|error| {
            let mut message = error.to_string();
            if let Some(meant) = suggestion(error.message()) {
                message.push_str(&format!("did you mean `{meant}`?"));
            }
            RulesError::Unreadable(message)
        })?;
        all_finite(&settings).map_err(RulesError::Senseless)?;
        settings.check().map_err(RulesError::Senseless)?;
        settings.test.iter().try_for_each(Test::check)?;
        Ok(Rules { text: text.into(), settings })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn settings(&self) -> &RuleSettings {
        &self.settings
    }

    /// Plays the tests that the text carries.
    pub fn run_tests(&self) -> Vec<Outcome> {
        // parsing has checked that each can be played
        self.settings.test.iter().filter_map(|test| test.play(self).ok()).collect()
    }

    /// Every setting with its value, as TOML; without the tests.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.settings).expect("settings are plain tables of numbers")
    }
}

/// Names a text of rules: its 64-bit FNV-1a in hexadecimal digits.
pub fn hash(text: &str) -> String {
    let mixed = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("{mixed:016x}")
}

/// The expected key nearest to the unknown one that serde's message names: "unknown field `a`, expected one of `b`, `c`".
fn suggestion(message: &str) -> Option<&str> {
    let mut names = message.strip_prefix("unknown field")?.split('`').skip(1).step_by(2);
    let given = names.next()?;
    let near = names.map(|name| (distance(given, name), name)).min_by_key(|(distance, _)| *distance)?;
    (near.0 <= given.len().div_ceil(3)).then_some(near.1)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let least = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], least);
        }
    }
    row[b.len()]
}

/// What is not a number, or beyond all numbers, would make a rule that silently never holds.
fn all_finite(settings: &RuleSettings) -> Result<(), String> {
    let tables = toml::Table::try_from(settings).map_err(|error| error.to_string())?;
    let mut within = tables.iter().map(|(name, value)| (format!("[{name}]"), value)).collect::<Vec<_>>();
    while let Some((name, value)) = within.pop() {
        match value {
            toml::Value::Float(number) if !number.is_finite() => {
                return Err(format!("{name} = {number} must be a number, and not beyond what 32 bits can hold"));
            }
            toml::Value::Table(table) => {
                within.extend(table.iter().map(|(key, value)| (format!("{name} {key}"), value)))
            }
            toml::Value::Array(items) => within.extend(items.iter().map(|value| (name.clone(), value))),
            _ => {}
        }
    }
    Ok(())
}

/// A share or a factor that must be a positive number.
pub(crate) fn positive(named: &[(&str, f32)]) -> Result<(), String> {
    match named.iter().find(|(_, value)| !(value.is_finite() && *value > 0.0)) {
        Some((name, value)) => Err(format!("{name} = {value} must be a number above 0")),
        None => Ok(()),
    }
}

/// Settings of fire rules that must not be above what any detector has: beyond it the rule would silently never hold.
pub(crate) fn at_most(named: &[(&str, f32, f32)]) -> Result<(), String> {
    match named.iter().find(|(_, value, most)| value > most) {
        Some((name, value, most)) => {
            Err(format!("{name} = {value} must be at most {most}: no fire would be found beyond it"))
        }
        None => Ok(()),
    }
}

/// Bounds that must stand in rising order.
pub(crate) fn rising(named: &[(&str, f32)]) -> Result<(), String> {
    match named.windows(2).find(|pair| pair[0].1 >= pair[1].1) {
        Some(pair) => Err(format!("{} = {} must be below {} = {}", pair[0].0, pair[0].1, pair[1].0, pair[1].1)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_keeps_its_default() {
        let rules = Rules::parse("[smoke]\nthreshold_db_m = 0.3\n").expect("valid");
        assert_eq!(rules.settings().smoke.threshold_db_m, 0.3);
        assert_eq!(rules.settings().heat_fixed, Rules::default().settings().heat_fixed);
        assert_eq!(Rules::parse(&rules.to_toml()).expect("valid").settings(), rules.settings());
    }

    const CARRIED: &str = r#"
        [smoke]
        threshold_db_m = 0.30

        [[test]]
        name = "smoke confirms"
        devices = [{ name = "a", class = "smoke" }, { name = "b", class = "heat", unit = "u1" }]
        timeline = """
            0    smoke_db_m=0.02
            5    smoke_db_m=0.33      # the first of three
            10   smoke_db_m=0.35
            16   smoke_db_m=0.34      => a began smoke orange, colour u0 orange, colour u1 blind
            30   u0 verify:false      => colour blue
            """
    "#;

    #[test]
    fn rules_carry_tests() {
        let rules = Rules::parse(CARRIED).expect("valid");
        let outcomes = rules.run_tests();
        assert!(outcomes.len() == 1 && outcomes[0].passed, "{outcomes:#?}");
        assert!(!rules.to_toml().contains("smoke confirms"));

        let duller = Rules::parse(&CARRIED.replace("= 0.30", "= 0.35")).expect("valid");
        let outcomes = duller.run_tests();
        let failed: Vec<u64> =
            outcomes[0].moments.iter().filter(|moment| !moment.passed).map(|moment| moment.at_s).collect();
        assert_eq!((outcomes[0].passed, failed), (false, vec![16]));
    }

    #[test]
    fn tests_that_make_no_sense_are_refused() {
        for (from, to, told) in [
            ("smoke_db_m=0.33", "smoke_db=0.33", "smoke_db=0.33 means nothing; measured values are"),
            ("began smoke", "began smokes", "there is no condition smokes"),
            ("colour u1 blind", "colour u2 blind", "there is no unit u2"),
            ("u0 verify:false", "u0 verify:maybe", "verify:maybe means nothing"),
            ("16   ", "6   ", "it goes back in time, from 10 s"),
            ("class = \"heat\"", "kind = \"heat\"", "unknown field `kind`"),
            ("5    smoke", "5    c smoke", "there is no device c"),
            ("name = \"smoke confirms\"", "", "missing field `name`"),
        ] {
            assert!(CARRIED.contains(from), "{from}");
            let error = Rules::parse(&CARRIED.replace(from, to)).expect_err(to).to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn faults_say_what_is_meant() {
        for (text, told) in [
            ("[smoke]\ntreshold_db_m = 0.3", "did you mean `threshold_db_m`?"),
            ("[smok]\nthreshold_db_m = 0.3", "did you mean `smoke`?"),
            ("[smoke]\nthreshold_db_m = -1", "[smoke] clear_db_m = 0.1 must be below threshold_db_m = -1"),
            ("[smoke]\nthreshold_db_m = \"x\"", "invalid type"),
            ("smoke", "the rules cannot be read"),
            ("[smoke]\nthreshold_db_m = 15.0", "[smoke] threshold_db_m = 15 must be at most 2"),
            ("[heat_fixed]\nthreshold_c = 570", "[heat_fixed] threshold_c = 570 must be at most 160"),
            ("[heat_rise]\nhold_s = 1e9", "[heat_rise] hold_s = 1000000000 must be at most 300"),
            ("[gas]\nalarm_lel_pct = 2000", "[gas] alarm_lel_pct = 2000 must be at most 100"),
            ("[lost_contact]\ndeaf_after_s = 0", "[lost_contact] deaf_after_s must be at least 10"),
            ("[smoke]\nthreshold_db_m = nan", "[smoke] threshold_db_m = NaN must be a number"),
            ("[heat_fixed]\nthreshold_c = 1e300", "[heat_fixed] threshold_c = inf must be a number"),
        ] {
            let error = Rules::parse(text).expect_err(text).to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
