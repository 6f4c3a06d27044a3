//! Evidence: everything that speaks for a fire in a unit, summed as log-odds.
//!
//! `L = L0 + Σ wᵢ·e^(−Δtᵢ/τ)`: each piece of evidence has a weight (natural logarithm of how much likelier it is in a fire than
//! without one) that does not fade while its condition holds, and fades after it ended. What the pieces share is counted once:
//! of one device the strongest piece counts fully, the others little.
//!
//! Where the scale stands: of 1.5 million networked smoke detectors' alarms in Zhejiang, 2020–2023, 0.02 % were fires
//! (余巍 et al., 消防科学与技术 2025 44(2):262-269). `L0` is set so that one such alarm stands exactly there; a second one
//! must then be worth a factor of about 5,000 to reach one half, which is what `smoke` is set to: two independent
//! detectors set a plant in motion (GB 50116-2013 4.1.6). The other weights are relative to it, by judgement, to be
//! replaced by what a station's own closed alerts say.

use model::Family;
use model::finding::Words;
use serde::{Deserialize, Serialize};

use super::{Condition, Note, Rule, words};

/// The condition that a unit's evidence makes a fire likely. What is summed is in [`crate::unit`]'s evidence.
pub struct Evidence;

/// Weights are log-odds (natural logarithms); 0.7 doubles the odds, 2.3 multiplies them by ten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Share of fires among single alarms of smoke detectors. 0.0002 (余巍 et al. 2025).
    pub prior: f64,
    /// From this probability on the unit is red. 0.5.
    pub red_probability: f64,
    /// A device's piece fades with this time constant after its condition ended, s. 300.
    pub fades_s: u32,
    /// A person's report fades with this time constant, s. 900.
    pub person_fades_s: u32,
    /// A neighbour's fire fades with this time constant after it ended, s. 600.
    pub neighbour_fades_s: u32,
    /// Smoke: the device's own alarm, or ours. 8.6: two make one half.
    pub smoke: f64,
    /// Fixed temperature: few nuisances are that hot. 9.2.
    pub heat: f64,
    /// Rate of rise. 8.6.
    pub heat_rise: f64,
    /// Carbon monoxide. 8.6.
    pub co: f64,
    /// Flame. 9.2.
    pub flame: f64,
    /// Manual call point: a person pressed it. 10.2.
    pub manual: f64,
    /// Several quantities of one device that confirm each other (Gottuk et al., Fire Safety J. 37 (2002) 381-394). 10.2.
    pub fused: f64,
    /// A camera's alarm. 7.6.
    pub camera: f64,
    /// Any other fire condition, a panel's for one. 8.6.
    pub other: f64,
    /// A person sees fire. 10.2.
    pub person_fire: f64,
    /// A person sees smoke. 8.6.
    pub person_smoke: f64,
    /// A person finds nothing. −4.0.
    pub person_all_clear: f64,
    /// Gas, or a person who smells it. 2.3.
    pub gas: f64,
    /// Residual current or cable temperature. 2.3.
    pub electrical: f64,
    /// A fire within [`crate::unit::neighbours::Settings::radius_m`]. 3.0.
    pub neighbour: f64,
    /// A fire in the same grid, where a position is not known. 0.7.
    pub same_grid: f64,
    /// Factor for the second and further pieces of one device. 0.3.
    pub same_device: f64,
    /// Added where the device reported a test shortly before. −4.0.
    pub after_test: f64,
    /// Added where the device was silenced shortly before. −1.5.
    pub after_mute: f64,
    /// Subtracted times ln(1 + n) for a device whose alarms were found false n times, as if it gave so many more. 1.0.
    pub often_false: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            prior: 0.0002,
            red_probability: 0.5,
            fades_s: 300,
            person_fades_s: 900,
            neighbour_fades_s: 600,
            smoke: 8.6,
            heat: 9.2,
            heat_rise: 8.6,
            co: 8.6,
            flame: 9.2,
            manual: 10.2,
            fused: 10.2,
            camera: 7.6,
            other: 8.6,
            person_fire: 10.2,
            person_smoke: 8.6,
            person_all_clear: -4.0,
            gas: 2.3,
            electrical: 2.3,
            neighbour: 3.0,
            same_grid: 0.7,
            same_device: 0.3,
            after_test: -4.0,
            after_mute: -1.5,
            often_false: 1.0,
        }
    }
}

impl Settings {
    /// Log-odds without any evidence: one smoke alarm more is [`Settings::prior`].
    pub fn before_any(&self) -> f64 {
        logit(self.prior) - self.smoke
    }

    /// Log-odds from which on the unit is red.
    pub fn red(&self) -> f64 {
        logit(self.red_probability)
    }
}

/// Log-odds of a probability within (0, 1).
pub fn logit(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}

impl Rule for Evidence {
    const CONDITIONS: &'static [Condition] = &[Condition::new("evidence", Family::Fire)];
    type Settings = Settings;
    type Memory = ();

    fn check(settings: &Settings) -> Result<(), String> {
        for (name, share) in [("prior", settings.prior), ("red_probability", settings.red_probability)] {
            if !(share > 0.0 && share < 1.0) {
                return Err(format!("{name} = {share} must lie between 0 and 1, and be neither"));
            }
        }
        let Settings { fades_s, person_fades_s, neighbour_fades_s, .. } = settings;
        if [fades_s, person_fades_s, neighbour_fades_s].contains(&&0) {
            return Err("fades_s, person_fades_s and neighbour_fades_s must be at least 1".into());
        }
        let Settings { smoke, heat, heat_rise, co, flame, manual, fused, camera, other, .. } = *settings;
        let Settings { person_fire, person_smoke, gas, electrical, neighbour, same_grid, .. } = *settings;
        let speak_for = [smoke, heat, heat_rise, co, flame, manual, fused, camera, other, person_fire, person_smoke];
        let little = [gas, electrical, neighbour, same_grid, settings.often_false];
        if speak_for.into_iter().chain(little).any(|weight| !(0.0..=20.0).contains(&weight)) {
            return Err("what speaks for a fire has a weight of 0 to 20".into());
        }
        if !(0.0..=1.0).contains(&settings.same_device) {
            return Err("same_device must lie between 0 and 1".into());
        }
        let against = [settings.person_all_clear, settings.after_test, settings.after_mute];
        if against.into_iter().any(|weight| !(-20.0..=0.0).contains(&weight)) {
            return Err("person_all_clear, after_test and after_mute speak against a fire: -20 to 0".into());
        }
        Ok(())
    }

    /// `a`: probability; `n`: pieces.
    fn words(_: usize, note: &Note) -> (Words, Words) {
        let would_change = words("证据减弱或现场核实", "evidence that fades, or verifying it on the spot");
        if note.n == 0 {
            return (words("火灾证据已减弱", "the evidence for a fire faded"), words("新的证据", "new evidence"));
        }
        let percent = f64::from(note.a) * 100.0;
        let evidence = words(
            format!("{} 项证据合计，火灾概率约 {percent:.0}%", note.n),
            format!("{} pieces of evidence together make a fire likely: about {percent:.0}%", note.n),
        );
        (evidence, would_change)
    }
}
