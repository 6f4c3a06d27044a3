//! What the policy says of silences, inhibition, incidents and floods.

use serde::Deserialize;

use model::{Family, Level};

use super::{PolicyError, within};

/// Silences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SilencePolicy {
    /// Longest silence, s; default 28,800 (8 h), at most 7 days.
    pub max_s: u32,
    /// Its owner is told so long before its end, when it lasts longer than twice that, s; default 900.
    pub notice_s: u32,
}

impl Default for SilencePolicy {
    fn default() -> Self {
        SilencePolicy { max_s: 8 * 3600, notice_s: 900 }
    }
}

/// While one thing holds, the ladders of others wait.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inhibit {
    /// One word, for the alert's history.
    pub name: Box<str>,
    /// What explains the others.
    #[serde(rename = "while")]
    pub cause: Cause,
    /// How near the others must be.
    pub scope: Scope,
    pub hold: Effect,
}

/// An alert that explains others.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    pub family: Family,
    /// Conditions by their rule's name, one of which holds; empty: any.
    #[serde(default)]
    pub rules: Vec<Box<str>>,
    /// Only when a person found it to be real.
    #[serde(default)]
    pub confirmed: bool,
}

/// Alerts that wait.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    /// Never fire.
    pub families: Vec<Family>,
    /// Conditions by their rule's name: all that hold must be among them; empty: any.
    #[serde(default)]
    pub rules: Vec<Box<str>>,
}

/// How near two alerts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Unit,
    /// Devices that speak through one gateway.
    Gateway,
    /// One vendor's devices of a village that have no gateway.
    Vendor,
    Grid,
    Village,
    Township,
}

impl Scope {
    /// The level of the tree, for scopes that are regions.
    pub(crate) fn level(self) -> Option<Level> {
        match self {
            Scope::Unit | Scope::Gateway | Scope::Vendor => None,
            Scope::Grid => Some(Level::Grid),
            Scope::Village => Some(Level::Village),
            Scope::Township => Some(Level::Township),
        }
    }
}

/// When many alerts are one incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StormPolicy {
    /// Units of one address whose fires are one incident, count; default 2.
    pub building_units: u16,
    /// Their fires began to ring within this time, s; default 600.
    pub building_window_s: u32,
    /// Alerts of one rule in a village, count; default 20.
    pub village_alerts: u16,
    /// In a township, count; default 60.
    pub township_alerts: u16,
    /// They began to ring within this time, s; default 300.
    pub area_window_s: u32,
    /// An area's incident is over when none joined for so long and fewer than half of what began it still hold, s; default 900.
    pub area_quiet_s: u32,
    /// The chiefs are told of an area's incident again so often while it lasts, s; default 3,600.
    pub repeat_s: u32,
}

impl Default for StormPolicy {
    fn default() -> Self {
        StormPolicy {
            building_units: 2,
            building_window_s: 600,
            village_alerts: 20,
            township_alerts: 60,
            area_window_s: 300,
            area_quiet_s: 900,
            repeat_s: 3600,
        }
    }
}

/// When alerts are more than people can answer: ISA-18.2 calls 10 in 10 minutes for each operator a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FloodPolicy {
    /// People who answer alerts, count; default 3.
    pub seats: u16,
    /// Alerts for each of them in the window, count; more are a flood. Default 10.
    pub alerts: u16,
    /// Of a flood that lasts, fewer than this end it, count; default 5.
    pub over_alerts: u16,
    /// s; default 600, at most 3,600.
    pub window_s: u32,
}

impl Default for FloodPolicy {
    fn default() -> Self {
        FloodPolicy { seats: 3, alerts: 10, over_alerts: 5, window_s: 600 }
    }
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StormsPolicy {
    pub silence: SilencePolicy,
    pub inhibit: Vec<Inhibit>,
    pub storm: StormPolicy,
    pub flood: FloodPolicy,
}

impl StormsPolicy {
    /// Rules of inhibition.
    pub const INHIBIT_MAX: usize = 64;

    /// Takes what a text says; a section that it has not stays.
    pub(super) fn take(
        &mut self,
        silence: Option<SilencePolicy>,
        inhibit: Option<Vec<Inhibit>>,
        storm: Option<StormPolicy>,
        flood: Option<FloodPolicy>,
    ) {
        self.silence = silence.unwrap_or(self.silence);
        self.storm = storm.unwrap_or(self.storm);
        self.flood = flood.unwrap_or(self.flood);
        if let Some(inhibit) = inhibit {
            self.inhibit = inhibit;
        }
    }

    pub(super) fn check(&self) -> Result<(), PolicyError> {
        let week_s = 7 * 86_400;
        within("silence.max_s", self.silence.max_s, 60, week_s)?;
        within("silence.notice_s", self.silence.notice_s, 60, 86_400)?;
        let storm = self.storm;
        within("storm.building_units", storm.building_units.into(), 2, 1_000)?;
        within("storm.building_window_s", storm.building_window_s, 10, 86_400)?;
        within("storm.village_alerts", storm.village_alerts.into(), 2, 10_000)?;
        within("storm.township_alerts", storm.township_alerts.into(), 2, 10_000)?;
        within("storm.area_window_s", storm.area_window_s, 10, 86_400)?;
        within("storm.area_quiet_s", storm.area_quiet_s, 10, 86_400)?;
        within("storm.repeat_s", storm.repeat_s, 60, week_s)?;
        within("flood.seats", self.flood.seats.into(), 1, 1_000)?;
        within("flood.alerts", self.flood.alerts.into(), 1, 1_000)?;
        within("flood.over_alerts", self.flood.over_alerts.into(), 1, self.flood.alerts.into())?;
        within("flood.window_s", self.flood.window_s, 60, 3_600)?;
        let value = |key: String, what: String| Err(PolicyError::Value { key, what });
        if self.inhibit.len() > Self::INHIBIT_MAX {
            let what = format!("{} rules are more than {}", self.inhibit.len(), Self::INHIBIT_MAX);
            return value("inhibit".into(), what);
        }
        for rule in &self.inhibit {
            let key = format!("inhibit {:?}", rule.name);
            if rule.hold.families.is_empty() {
                return value(key, "hold.families is empty: it would hold nothing; name warning, fault or both".into());
            }
            if rule.hold.families.contains(&Family::Fire) {
                return value(key, "hold.families: a fire is never held, only verified; take fire out".into());
            }
        }
        Ok(())
    }
}
