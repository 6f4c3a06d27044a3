//! `fenghuo rules`: shown, checked, loaded.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use store::Store;

use crate::commands::http::Station;
use crate::laws;
use crate::replay;
use crate::rules_gate::{self, Limits, Passage, Record};

/// How often a running station is asked what became of an attempt.
const ASK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Prints the rules that a running station has in force, and what became of the last attempt to change them.
    Show {
        #[command(flatten)]
        station: Station,
        /// Answers as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Checks a file of rules and runs its tests; with `--against`, tries it on the recorded fires that people verified.
    Check(Check),
    /// Tells a running station to load its file of rules, and waits for what becomes of it.
    Reload {
        #[command(flatten)]
        station: Station,
        /// Also where the rules would lose a fire that people verified as real; the journal keeps who did it.
        #[arg(long)]
        force: bool,
        /// Waits so long, s.
        #[arg(long, default_value_t = 120)]
        wait_s: u64,
        /// Answers as JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Check {
    rules: PathBuf,
    /// Folder of the store whose record they are tried on; the station may run.
    #[arg(long)]
    against: Option<PathBuf>,
    /// Fires of so many days.
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// Looks for so long, s.
    #[arg(long, default_value_t = 600)]
    limit_s: u64,
    /// Answers as JSON.
    #[arg(long)]
    json: bool,
}

/// Does what was asked for and prints what came of it.
///
/// # Errors
/// A station that does not answer; rules that cannot be used, or would lose a verified fire.
pub fn run(command: &RulesCommand) -> Result<()> {
    match command {
        RulesCommand::Show { station, json } => {
            let rules = station.get("/api/v1/rules")?;
            if *json {
                println!("{rules}");
            } else {
                println!("# {} {}", word(&rules, "hash"), told(&rules["last"]));
                print!("{}", word(&rules, "text"));
            }
            Ok(())
        }
        RulesCommand::Check(check) => checked(check),
        RulesCommand::Reload { station, force, wait_s, json } => reload(station, *force, *wait_s, *json),
    }
}

fn checked(check: &Check) -> Result<()> {
    let path = check.rules.display();
    let text = std::fs::read_to_string(&check.rules).with_context(|| format!("reading {path}"))?;
    let rules = laws::rules(&text).with_context(|| path.to_string())?;
    let tests = rules.settings().test.len();
    let mut gate = None;
    if let Some(data) = &check.against {
        let store = Store::open_read_only(data, store::Settings::default())?;
        let roster = ingest::roster_at(&store, &store, model::Journal::last_epoch(&store)).context("the roster")?;
        let in_force = replay::rules_in_force(&store, &store)?;
        let record = Record { journal: &store, ledger: &store, checkpoints: &store, roster, rules: in_force };
        let limits = Limits { days: check.days, time: Duration::from_secs(check.limit_s) };
        gate = Some(rules_gate::pass(&record, &rules, limits)?);
    }
    let hash = evaluator::rules::hash(&text);
    if check.json {
        println!("{}", json!({ "hash": hash, "tests": tests, "gate": gate }));
    } else {
        println!("可用 / can be used: {path} {hash}, {tests} 项测试通过 / tests pass");
        if let Some(gate) = &gate {
            println!("{}", gate.told());
        }
    }
    match gate {
        Some(gate) if !gate.lost.is_empty() => bail!("{}", lost(&gate)),
        _ => Ok(()),
    }
}

fn lost(gate: &Passage) -> String {
    let fires = gate.lost.iter().map(|fire| {
        let at = crate::commands::times::shown(fire.raised_ms);
        format!("  {at}  {}  {} {}", fire.id, fire.unit, fire.unit_name)
    });
    let fires: Vec<String> = fires.collect();
    format!(
        "将漏掉经核实的火灾 {} 起 / they would lose {} fires that people verified as real:\n{}",
        fires.len(),
        fires.len(),
        fires.join("\n")
    )
}

fn reload(station: &Station, force: bool, wait_s: u64, as_json: bool) -> Result<()> {
    let begun = station.post("/api/v1/rules/reload", &json!({ "force": force }))?;
    let attempt = begun["attempt"].as_u64().context("the station's answer has no number")?;
    let end = Instant::now() + Duration::from_secs(wait_s);
    let last = loop {
        let rules = station.get("/api/v1/rules")?;
        if rules["last"]["attempt"].as_u64() >= Some(attempt) {
            break rules["last"].clone();
        }
        if Instant::now() > end {
            bail!("attempt {attempt} is not done after {wait_s} s; `fenghuo rules show` tells what becomes of it");
        }
        std::thread::park_timeout(ASK_EVERY);
    };
    if as_json {
        println!("{last}");
    } else {
        println!("{}", told(&last));
    }
    if last["outcome"] == "refused" {
        bail!("the rules were refused; those before stay in force");
    }
    Ok(())
}

fn word<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or("")
}

fn told(last: &Value) -> String {
    let zh = match word(last, "outcome") {
        "in_force" => "已生效",
        "same" => "与现行相同",
        "refused" => "被拒绝",
        _ => return String::new(),
    };
    format!("{zh} / {} ({}): {}", word(last, "outcome"), word(last, "by"), word(last, "detail"))
}
