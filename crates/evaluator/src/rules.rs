//! The rules' settings as operators write them: one TOML text, one table a rule. The journal carries it, so that a replay
//! judges with the rules that were in force.

use crate::rule::RuleSettings;

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
        settings.check().map_err(RulesError::Senseless)?;
        Ok(Rules { text: text.into(), settings })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn settings(&self) -> &RuleSettings {
        &self.settings
    }

    /// Every setting with its value, as TOML.
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

/// A share or a factor that must be a positive number.
pub(crate) fn positive(named: &[(&str, f32)]) -> Result<(), String> {
    match named.iter().find(|(_, value)| !(value.is_finite() && *value > 0.0)) {
        Some((name, value)) => Err(format!("{name} = {value} must be a number above 0")),
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

    #[test]
    fn faults_say_what_is_meant() {
        for (text, told) in [
            ("[smoke]\ntreshold_db_m = 0.3", "did you mean `threshold_db_m`?"),
            ("[smok]\nthreshold_db_m = 0.3", "did you mean `smoke`?"),
            ("[smoke]\nthreshold_db_m = -1", "[smoke] clear_db_m = 0.1 must be below threshold_db_m = -1"),
            ("[smoke]\nthreshold_db_m = \"x\"", "invalid type"),
            ("smoke", "the rules cannot be read"),
        ] {
            let error = Rules::parse(text).expect_err(text).to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
