//! The table of recordings: real fires and hours without fire through the judge, in virtual time. It needs no station.
//!
//! It reports what an accuracy would hide: fires found and missed, seconds against a fixed temperature and against real
//! smoke alarms, false alerts for 1,000 device-days, precision and recall.

mod judged;
#[path = "../../crates/evaluator/tests/it/library.rs"]
mod library;
mod play;
mod quiet;
#[path = "../../crates/evaluator/tests/it/recordings.rs"]
mod recordings;
mod table;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use evaluator::Rules;

/// Plays recordings of real fires and hours without fire through the judge, and prints what it found.
#[derive(Debug, Clone, Args)]
pub struct FireOptions {
    /// Folder of recordings (with `fires/` in it); by default the variable FENGHUO_DATA.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Rules' settings to judge with; by default the built-in ones.
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Hours for which each stretch before ignition is looped.
    #[arg(long, default_value_t = 6.0)]
    hours: f64,
    /// Size of the library of nuisances; 1 is 3,600 device-days.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Where the Markdown goes; it is printed in any case.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Where the JSON goes.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// All that was measured.
struct Outcome {
    combined: Vec<judged::Verdict>,
    others: Vec<(&'static str, Vec<judged::Verdict>)>,
    changed: Vec<(&'static str, Vec<judged::Verdict>)>,
    alone: (usize, usize, usize),
    segments: Vec<quiet::Segment>,
}

pub fn run(options: &FireOptions) -> Result<()> {
    let rules = match &options.rules {
        Some(path) => Rules::parse(&std::fs::read_to_string(path).with_context(|| path.display().to_string())?)?,
        None => Rules::default(),
    };
    let recordings = recordings(options)?;
    let outcome = outcome(options, &recordings, &rules)?;
    let text = table::markdown(&outcome);
    println!("{text}");
    if let Some(path) = &options.out {
        std::fs::write(path, &text).with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &options.json {
        let json = serde_json::to_string_pretty(&table::json(&outcome))?;
        std::fs::write(path, json).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn recordings(options: &FireOptions) -> Result<Vec<recordings::Recording>> {
    let Some(data) = options.data.clone().or_else(recordings::data) else {
        println!(
            "SKIPPED: no recordings: give --data or FENGHUO_DATA a folder with fires/ in it. Nuisances alone follow."
        );
        return Ok(Vec::new());
    };
    anyhow::ensure!(data.join("fires").is_dir(), "{} has no folder fires/: give --data another", data.display());
    let recordings = recordings::all(&data).map_err(anyhow::Error::msg)?;
    anyhow::ensure!(!recordings.is_empty(), "{} holds no recording that can be read", data.join("fires").display());
    Ok(recordings)
}

fn outcome(options: &FireOptions, recordings: &[recordings::Recording], rules: &Rules) -> Result<Outcome> {
    use judged::{Change, Layout};
    let all = |layout, change| -> Result<Vec<judged::Verdict>> {
        let verdicts = recordings.iter().map(|recording| judged::judge(recording, layout, change, rules));
        verdicts.filter_map(Result::transpose).collect()
    };
    let layouts = [
        ("one device a sensor", Layout::Separate),
        ("temperature alone", Layout::HeatAlone),
        ("smoke alone", Layout::SmokeAlone),
    ];
    let others = layouts.map(|(name, layout)| Ok((name, all(layout, Change::NONE)?)));
    let changed = Change::ALL.map(|change| Ok((change.name, all(Layout::Combined, change)?)));
    let mut alone = (0, 0, 0);
    for recording in recordings {
        let (sensors, missed, early) = judged::alone(recording, rules)?;
        alone = (alone.0 + sensors, alone.1 + missed, alone.2 + early);
    }
    let mut segments = quiet::before_ignition(recordings, options.hours, rules)?;
    segments.extend(quiet::before_the_first_kelvin(recordings, options.hours, rules)?);
    segments.extend(quiet::nuisances(options.scale, rules)?);
    Ok(Outcome {
        combined: all(Layout::Combined, Change::NONE)?,
        others: others.into_iter().collect::<Result<_>>()?,
        changed: changed.into_iter().collect::<Result<_>>()?,
        alone,
        segments,
    })
}
