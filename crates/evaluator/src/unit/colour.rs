//! How a unit's colour follows from what holds: settings, and what lingers.
//!
//! | what holds | colour |
//! |---|---|
//! | a fire verified as real, until it is closed | red |
//! | fire seen by two independent sources, or evidence for it beyond the threshold | red |
//! | a fire condition, or a fire incident that nobody has judged | at least orange |
//! | a warning (gas, electrical, water, tampering, a person's report) | orange or yellow, as its rule says |
//! | a device's fault | yellow |
//! | a warning that has held for longer than it may, closed or not | yellow (`overdue_colour`) |
//! | a standing risk index at or above the setting | yellow |
//! | none of it | blue |
//!
//! Severity is of seconds, standing risk of days; the colour is the worst of both. Blind (no device that is heard of and
//! without fault) is a state beside: it is counted whatever the colour, and shown where the colour would be yellow or blue.
//!
//! It rises at once. It falls when the cause has been away for a hold time; a fire's cause is away when a person has said so.
//! What a person judged or closed counts no longer from that moment on.

use model::{Colour, Family};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A unit whose standing risk index is at least this is yellow at least. 80; 0: never.
    pub standing_risk: u8,
    /// and stays so until the index has fallen by this much below it. 5.
    pub standing_risk_falls_by: u8,
    /// A warning's colour stays so long after its condition ended, s. 60.
    pub warning_hold_s: u32,
    /// A fault's colour stays so long after its condition ended, s. 60.
    pub fault_hold_s: u32,
    /// A warning that holds for so long is overdue, also where a person closed it, s. 604800 (7 days); 0: never.
    pub overdue_s: u32,
    /// What an overdue warning asks for: "yellow" or "orange". Yellow.
    pub overdue_colour: Colour,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            standing_risk: 80,
            standing_risk_falls_by: 5,
            warning_hold_s: 60,
            fault_hold_s: 60,
            overdue_s: 7 * 86_400,
            overdue_colour: Colour::Yellow,
        }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.standing_risk > 100 {
            return Err("standing_risk must be 0 to 100".into());
        }
        if self.standing_risk != 0 && self.standing_risk_falls_by >= self.standing_risk {
            return Err("standing_risk_falls_by must be below standing_risk".into());
        }
        if !matches!(self.overdue_colour, Colour::Yellow | Colour::Orange) {
            return Err("overdue_colour must be \"yellow\" or \"orange\"".into());
        }
        Ok(())
    }

    /// How long a condition of the family counts after it ended, ms. A fire's incident is latched by itself.
    pub fn hold_ms(&self, family: Family) -> u64 {
        match family {
            Family::Fire => 0,
            Family::Warning => u64::from(self.warning_hold_s) * 1000,
            Family::Fault => u64::from(self.fault_hold_s) * 1000,
        }
    }

    /// Whether a standing risk asks for yellow; `before`: whether it did.
    pub fn is_risky(&self, index: Option<u8>, before: bool) -> bool {
        let least = self.standing_risk.saturating_sub(if before { self.standing_risk_falls_by } else { 0 });
        self.standing_risk != 0 && index.is_some_and(|index| index >= least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standing_risk_rises_at_the_setting_and_falls_below_it() {
        let settings = Settings::default();
        let mut risky = false;
        for (index, expected) in [(79, false), (80, true), (76, true), (75, true), (74, false), (79, false)] {
            risky = settings.is_risky(Some(index), risky);
            assert_eq!(risky, expected, "{index}");
        }
        assert!(!settings.is_risky(None, true));
        assert!(!Settings { standing_risk: 0, ..settings }.is_risky(Some(100), true));
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        for (text, told) in [
            ("[colour]\nstanding_risk = 101", "standing_risk must be 0 to 100"),
            ("[colour]\nstanding_risk = 4", "must be below standing_risk"),
            ("[colour]\noverdue_colour = \"red\"", "must be \"yellow\" or \"orange\""),
            ("[colour]\nwarning_hold = 4", "did you mean `warning_hold_s`?"),
            ("[neighbours]\nradius_m = -1", "radius_m must be 0 to 1000"),
        ] {
            let error = crate::Rules::parse(text).expect_err(text).to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
