//! Rules and policy as the files give them.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use evaluator::Rules;
use evaluator::scenario::Outcome;

use crate::config::Station;

/// Rules and policy as text, checked.
pub struct Laws {
    pub rules: String,
    /// The rules are from a file of the operator's, not this build's own.
    pub has_rules_file: bool,
    pub policy: String,
}

impl Laws {
    /// Reads the files that the configuration names, or takes the defaults.
    ///
    /// # Errors
    /// A file that cannot be read or used, or whose own tests fail.
    pub fn read(station: &Station) -> Result<Laws> {
        let read = |path: &Option<PathBuf>, default: &str| match path {
            Some(path) => std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display())),
            None => Ok(default.to_owned()),
        };
        let laws = Laws {
            rules: read(&station.rules, &Rules::default().to_toml())?,
            has_rules_file: station.rules.is_some(),
            policy: read(&station.policy, alerts::DEFAULT_POLICY)?,
        };
        rules(&laws.rules)?;
        alerts::Policy::parse(&laws.policy).context("the ladder policy")?;
        Ok(laws)
    }
}

/// Rules that can be used: read, and their own tests pass.
///
/// # Errors
/// A key that is not known, a value that makes no sense, a test that fails.
pub fn rules(text: &str) -> Result<Rules> {
    let rules = Rules::parse(text).context("the rules")?;
    let outcomes = rules.run_tests();
    let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.passed).collect();
    if !failed.is_empty() {
        let told: Vec<String> = failed.iter().map(|outcome| fault(outcome)).collect();
        bail!("{} of the rules' {} tests fail: {}", failed.len(), outcomes.len(), told.join("; "));
    }
    Ok(rules)
}

/// Where a test failed first.
pub fn fault(outcome: &Outcome) -> String {
    let list = |words: &[String]| if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
    match outcome.moments.iter().find(|moment| !moment.passed) {
        None => format!("{:?} passed", outcome.name),
        Some(moment) => format!(
            "{:?} at {} s: expected {}, found {}",
            outcome.name,
            moment.at_s,
            list(&moment.expected),
            list(&moment.found)
        ),
    }
}
