//! `fenghuo roster import`: a folder of CSV files takes the place of the roster in force, checked as a whole before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use model::roster::RosterFault;
use serde::Serialize;
use serde_json::{Value, json};

use crate::commands::changes::{Changes, FILES};
use crate::commands::duty::{self, Duty, Gaps};
use crate::commands::reload;
use crate::credentials::{self, Credentials};
use crate::folder::{self, Locked};
use crate::roster_files;
use crate::table::Table;

/// What can be done with a roster as a whole.
#[derive(Debug, Subcommand)]
pub enum RosterCommand {
    /// Checks a folder of CSV files, shows what it changes, and puts it in the place of the roster in force.
    Import(Import),
    /// Who is responsible for a region, now or at another moment.
    Duty(Duty),
    /// Where duty plans leave nobody, now or soon.
    Gaps(Gaps),
}

#[derive(Debug, Args)]
pub struct Import {
    /// Folder with the new files. stations.csv, cameras.csv, shifts.csv, absences.csv and hydrants.csv may be missing, which
    /// removes their rows; without credentials.csv the present one stays.
    from: PathBuf,
    /// Roster folder of the station.
    #[arg(long)]
    into: PathBuf,
    /// Checks and shows, and writes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Answers as JSON.
    #[arg(long)]
    json: bool,
    /// Rows shown of each sort and file.
    #[arg(long, default_value_t = 20)]
    rows: usize,
    /// Running station that is told to load the roster, e.g. http://127.0.0.1:8080.
    #[arg(long)]
    station: Option<String>,
    /// Bearer of an administrator's token, for `--station`; else the variable FENGHUO_TOKEN.
    #[arg(long, requires = "station")]
    token: Option<String>,
}

#[derive(Debug, Serialize)]
struct Summary {
    file: &'static str,
    added: usize,
    changed: usize,
    removed: usize,
    rows: Changes,
}

/// Does what was asked for and prints what came of it.
///
/// # Errors
/// Faults of the new files, each with its line; files that cannot be written; a station that refuses.
pub fn run(command: &RosterCommand) -> Result<()> {
    match command {
        RosterCommand::Import(import) => take(import),
        RosterCommand::Duty(asked) => duty::duty(asked),
        RosterCommand::Gaps(asked) => duty::gaps(asked),
    }
}

fn take(import: &Import) -> Result<()> {
    let token = import.token.clone().or_else(|| std::env::var("FENGHUO_TOKEN").ok());
    if import.station.is_some() && token.is_none() {
        bail!("--station needs the token of an administrator: --token, or the variable FENGHUO_TOKEN");
    }
    let faults = faults_of(&import.from);
    if !faults.is_empty() {
        return Err(refuse(import, &faults));
    }
    std::fs::create_dir_all(&import.into).with_context(|| format!("cannot make {}", import.into.display()))?;
    let locked = folder::lock(&import.into)?;
    let (summaries, files) = compare(import, &locked)?;
    let will_write = !import.dry_run && !files.is_empty();
    if will_write {
        locked.replace(&files)?;
    }
    drop(locked);
    let reloaded = match (&import.station, token) {
        (Some(station), Some(token)) if !import.dry_run => Some(reload::tell(station, &token)?),
        _ => None,
    };
    show(import, summaries, will_write, reloaded.as_ref());
    Ok(())
}

/// Everything that a station would refuse.
fn faults_of(from: &Path) -> Vec<RosterFault> {
    let mut faults = match roster_files::read(from) {
        Ok(rows) => model::Roster::default().change_to(&rows).err().unwrap_or_default(),
        Err(faults) => faults,
    };
    if from.join(credentials::FILE).exists()
        && let Err(more) = Credentials::read(from)
    {
        faults.extend(more.0);
    }
    faults
}

fn refuse(import: &Import, faults: &[RosterFault]) -> anyhow::Error {
    if import.json {
        let told = |fault: &RosterFault| json!({ "file": fault.file, "line": fault.line, "what": fault.what });
        println!("{}", json!({ "faults": faults.iter().map(told).collect::<Vec<_>>() }));
        return anyhow::anyhow!("{} faults, nothing was taken", faults.len());
    }
    crate::serve::told(faults).context("nothing was taken")
}

/// Files to be written, by name.
type Files = Vec<(&'static str, Vec<u8>)>;

/// What the new folder changes, and the files to be written.
fn compare(import: &Import, locked: &Locked) -> Result<(Vec<Summary>, Files)> {
    let (mut summaries, mut files) = (Vec::new(), Vec::new());
    for (file, keys) in FILES {
        let (old, new) = (locked.read(file)?, folder::read(&import.from, file)?);
        if new.is_none() && (file == credentials::FILE || old.is_none()) {
            continue;
        }
        let table = |text: &Option<Vec<u8>>| text.as_ref().map(|text| Table::parse(file, text)).transpose();
        let (before, after) = (table(&old), table(&new)?);
        // a present file that cannot be read is one that everything is new against
        let before = before.ok().flatten();
        let mut rows = Changes::between(keys, before.as_ref(), after.as_ref());
        let [added, changed, removed] = [rows.added.len(), rows.changed.len(), rows.removed.len()];
        let is_empty = rows.is_empty();
        rows.shorten(import.rows);
        summaries.push(Summary { file, added, changed, removed, rows });
        if is_empty && old.is_some() {
            continue;
        }
        let text = match (new, before) {
            (Some(new), _) => new,
            (None, Some(before)) => Table::new(&before.header().collect::<Vec<_>>()).to_bytes()?,
            (None, None) => continue,
        };
        files.push((file, text));
    }
    Ok((summaries, files))
}

fn show(import: &Import, summaries: Vec<Summary>, written: bool, reloaded: Option<&Value>) {
    if import.json {
        let files: BTreeMap<&str, Summary> = summaries.into_iter().map(|summary| (summary.file, summary)).collect();
        println!("{}", json!({ "files": files, "written": written, "reloaded": reloaded }));
        return;
    }
    for summary in &summaries {
        let Summary { file, added, changed, removed, rows } = summary;
        println!("{file}: {added} added, {changed} changed, {removed} removed");
        let sorts = [
            ("+", *added, rows.added.clone()),
            (
                "~",
                *changed,
                rows.changed.iter().map(|row| format!("{} ({})", row.key, row.columns.join(", "))).collect(),
            ),
            ("-", *removed, rows.removed.clone()),
        ];
        for (sign, count, keys) in sorts {
            keys.iter().for_each(|key| println!("  {sign} {key}"));
            if count > keys.len() {
                println!("  {sign} … and {} more", count - keys.len());
            }
        }
    }
    match (import.dry_run, written) {
        (true, _) => println!("nothing was written (--dry-run)"),
        (_, true) => println!("written to {}; the files before are beside them as .bak", import.into.display()),
        (_, false) => println!("nothing to write: {} has the same", import.into.display()),
    }
    match reloaded {
        Some(answer) => println!("the station loaded it: {answer}"),
        None if written => {
            println!("a running station loads it on POST /api/v1/roster/reload (--station), else when it starts");
        }
        None => {}
    }
}
