//! How far each threshold may be moved before a fire is lost or late, or something rings that is none: a setting that sits
//! close to one recording's own number shows here.

use anyhow::Result;
use evaluator::Rules;

use super::change::{Change, Layout};
use super::judged::{self, median};
use super::quiet;
use super::recordings::{Kind, Recording};

/// Settings, with the values that are built in.
const SETTINGS: [(&str, &str, f64); 14] = [
    ("heat_rise", "rate_k_min", 8.3),
    ("heat_rise", "rise_k", 4.15),
    ("heat_rise", "hold_s", 14.0),
    ("heat_fixed", "threshold_c", 57.2),
    ("smoke", "threshold_db_m", 0.15),
    ("smoke", "dense_db_m", 0.25),
    ("smoke", "confirm_s", 10.0),
    ("smoke", "doubtful_factor", 4.5),
    ("fusion", "heat_k", 2.5),
    ("fusion", "smoke_db_m", 0.04),
    ("fusion", "smoke_heat", 0.25),
    ("fusion", "co_ppm", 15.0),
    ("fusion", "smoke_co", 80.0),
    ("fusion", "follow_k_min", 4.0),
];

const FACTORS: [f64; 6] = [0.6, 0.8, 0.9, 1.1, 1.25, 1.6];

/// What came of one setting moved.
#[derive(Debug, Clone)]
pub struct Moved {
    pub setting: String,
    pub value: f64,
    pub recordings: usize,
    pub found: usize,
    /// Fire before ignition, all devices and each thermocouple alone.
    pub early: usize,
    /// Seconds before the fixed temperature (furniture) and before the fastest real alarm (homes), medians.
    pub on_fixed_s: Option<f64>,
    pub on_real_s: Option<f64>,
    /// False alerts in a small part of the library of nuisances.
    pub false_alerts: usize,
}

/// Of the library of nuisances, what is played for each: seconds between samples, and detectors.
const PACES: [(f32, u32); 2] = [(10.0, 1), (60.0, 3)];

pub fn all(recordings: &[Recording]) -> Result<Vec<Moved>> {
    let mut all = vec![judge("as built in".into(), 0.0, &Rules::default(), recordings)?];
    for (rule, setting, usual) in SETTINGS {
        for factor in FACTORS {
            let value = usual * factor;
            let is_count = setting == "confirm_s";
            let text = if is_count { format!("{value:.0}") } else { format!("{value:?}") };
            // a value that the rules refuse is no neighbour of theirs
            if let Ok(rules) = Rules::parse(&format!("[{rule}]\n{setting} = {text}\n")) {
                all.push(judge(format!("{rule}.{setting}"), value, &rules, recordings)?);
            }
        }
    }
    Ok(all)
}

fn judge(setting: String, value: f64, rules: &Rules, recordings: &[Recording]) -> Result<Moved> {
    let verdicts = judged::all(recordings, Layout::COMBINED, Change::NONE, rules)?;
    let mut early: usize = verdicts.iter().map(|verdict| verdict.early).sum();
    for recording in recordings {
        early += judged::alone_until(recording, rules, 0)?[0].early;
    }
    let of = |kind| verdicts.iter().filter(move |verdict| verdict.kind == kind);
    let segments = quiet::nuisances(&PACES, 1.0, rules)?;
    Ok(Moved {
        setting,
        value,
        recordings: verdicts.len(),
        found: verdicts.iter().filter(|verdict| verdict.found_s.is_some()).count(),
        early,
        on_fixed_s: median(of(Kind::Furniture).filter_map(|verdict| verdict.gain_on_fixed_s())),
        on_real_s: median(of(Kind::Home).filter_map(|verdict| verdict.gain_on_real_s())),
        false_alerts: segments.iter().filter(|segment| !segment.beyond).map(quiet::Segment::alerts).sum(),
    })
}
