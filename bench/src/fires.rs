//! The table of recordings: real fires and hours without fire through the judge, in virtual time. It needs no station.
//!
//! It reports what an accuracy would hide: fires found and missed, seconds against a fixed temperature and against real
//! smoke alarms, false alerts for 1,000 device-days, precision and recall.

mod change;
mod judged;
#[path = "../../crates/evaluator/tests/it/library.rs"]
mod library;
mod margins;
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
    /// Also each recording changed in many ways, each room alone, and each setting of the rules moved; takes minutes.
    #[arg(long)]
    perturb: bool,
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
    /// Each room with a smoke meter and a real alarm, alone.
    rooms: Vec<judged::Verdict>,
    others: Vec<(&'static str, Vec<judged::Verdict>)>,
    changed: Vec<(&'static str, Vec<judged::Verdict>)>,
    /// Thermocouples high and low, each alone.
    alone: [judged::Alone; 2],
    segments: Vec<quiet::Segment>,
    moved: Vec<margins::Moved>,
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
    use change::{Change, Layout};
    let all = |layout, change| judged::all(recordings, layout, change, rules);
    let others = Layout::OTHERS.map(|layout| Ok((layout.name, all(layout, Change::NONE)?)));
    let changes: &[Change] = if options.perturb { &Change::ALL } else { &Change::FEW };
    let changed = changes.iter().map(|change| Ok((change.name, all(Layout::COMBINED, *change)?)));
    let mut alone = [judged::Alone::default(); 2];
    for recording in recordings {
        for (sum, of) in alone.iter_mut().zip(judged::alone(recording, rules)?) {
            sum.add(of);
        }
    }
    let rooms: Vec<_> = recordings.iter().flat_map(recordings::Recording::rooms).collect();
    let mut segments = quiet::before_ignition(recordings, options.hours, rules)?;
    segments.extend(quiet::before_the_first_kelvin(recordings, options.hours, rules)?);
    segments.extend(quiet::nuisances(&quiet::PACES, options.scale, rules)?);
    Ok(Outcome {
        combined: all(Layout::COMBINED, Change::NONE)?,
        rooms: judged::all(&rooms, Layout::COMBINED, Change::NONE, rules)?,
        others: others.into_iter().collect::<Result<_>>()?,
        changed: changed.collect::<Result<_>>()?,
        alone,
        segments,
        moved: if options.perturb { margins::all(recordings)? } else { Vec::new() },
    })
}
