//! `fenghuo replay`: what other rules would have made of the record.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use model::Journal;
use store::Store;

use crate::commands::times;
use crate::laws;
use crate::replay::{self, AlertShape, Plan, Report};

#[derive(Debug, Args)]
pub struct Replay {
    /// Folder of the store; the station may run, it is opened for reading alone.
    #[arg(long)]
    data: PathBuf,
    /// File of rules to try.
    #[arg(long)]
    rules: PathBuf,
    /// The rules are tried from then on: 2026-11-22, 2026-11-22T16:05 (UTC+8, or with an offset), or 24h, 7d before the
    /// record's end; without it from the first commit kept.
    #[arg(long)]
    from: Option<String>,
    /// Until then.
    #[arg(long)]
    to: Option<String>,
    /// Both rules see so much before `--from`, so that their memories are warm, h.
    #[arg(long, default_value_t = 24)]
    warm_up_h: u64,
    /// Ends after so long, wherever it is then, s.
    #[arg(long)]
    limit_s: Option<u64>,
    /// Alerts printed of each sort.
    #[arg(long, default_value_t = 20)]
    rows: usize,
    /// Answers as JSON.
    #[arg(long)]
    json: bool,
}

/// Replays and prints.
///
/// # Errors
/// Rules that cannot be used, a store that cannot be read.
pub fn run(command: &Replay) -> Result<()> {
    let path = command.rules.display();
    let text = std::fs::read_to_string(&command.rules).with_context(|| format!("reading {path}"))?;
    let rules = laws::rules(&text).with_context(|| path.to_string())?;
    let store = Store::open_read_only(&command.data, store::Settings::default())?;
    ensure!(store.last_epoch() > 0, "the journal in {} is empty", command.data.display());
    let last = store.read(store.last_epoch()).next().context("the journal's last commit is missing")??;
    let mut plan = Plan::new(rules);
    if let Some(from) = &command.from {
        plan.from_ms = times::parse(from, last.at_ms).context("--from")?;
    }
    if let Some(to) = &command.to {
        plan.to_ms = times::parse(to, last.at_ms).context("--to")?;
    }
    ensure!(plan.from_ms < plan.to_ms, "--from must be before --to");
    plan.warm_up_ms = command.warm_up_h * 3_600_000;
    plan.limit = command.limit_s.map(Duration::from_secs);
    let report = replay::run(&store, &store, &plan)?;
    if command.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", shown(&report, command.rows));
    }
    Ok(())
}

/// The report as tables, Chinese first, English beside it.
fn shown(report: &Report, rows: usize) -> String {
    let mut lines = Vec::new();
    let (run, alerts) = (&report.run, &report.alerts);
    lines.push(format!("时段 from {} to {} (UTC+8)", times::shown(run.from_ms), times::shown(run.to_ms)));
    lines.push(format!(
        "{} 次提交 commits, {} 条读数 readings, {:.1} s",
        run.commits,
        run.readings,
        run.took_ms as f64 / 1000.0
    ));
    lines.extend(report.notes.iter().map(|note| format!("注 note  {} / {}", note.zh, note.en)));
    lines.push(String::new());
    lines.push(format!(
        "警情 alerts   相同 same {}  新增 gained {}  消失 lost {}  提前 earlier {}  推迟 later {}",
        alerts.same, alerts.gained_count, alerts.lost_count, alerts.earlier_count, alerts.later_count
    ));
    lines.push(format!(
        "经核实火灾 verified fires {}, 其中将漏掉 of them lost {}",
        report.real_fires,
        report.lost_fires.len()
    ));
    for (what, of) in [
        ("将漏掉的真实火灾 lost real fires", &report.lost_fires),
        ("新增 gained", &alerts.gained),
        ("消失 lost", &alerts.lost),
        ("提前 earlier", &alerts.earlier),
        ("推迟 later", &alerts.later),
    ] {
        if !of.is_empty() {
            lines.push(String::new());
            lines.push(what.to_owned());
            lines.extend(of.iter().take(rows).map(alert));
        }
    }
    lines.push(String::new());
    lines.push(format!("{:<24}{:>12}{:>12}", "类别 family", "现行 now", "新规则 new"));
    lines.extend(
        report
            .families
            .iter()
            .map(|family| format!("{:<24}{:>12}{:>12}", family.family.word(), family.before, family.after)),
    );
    lines.push(format!("{:<24}{:>12}{:>12}", "规则 rule (began)", "现行 now", "新规则 new"));
    lines.extend(report.rules.iter().map(|rule| format!("{:<24}{:>12}{:>12}", rule.rule, rule.before, rule.after)));
    lines.push(format!("{:<24}{:>12}{:>12}", "颜色 colour", "现行 now %", "新规则 new %"));
    lines.extend(
        report
            .colours
            .shares
            .iter()
            .map(|share| format!("{:<24}{:>12.4}{:>12.4}", share.colour.word(), share.before_pct, share.after_pct)),
    );
    if !report.colours.changed.is_empty() {
        lines.push(String::new());
        lines.push(format!("颜色变化 colours changed: {} 个单位 units", report.colours.units_changed));
        lines.extend(report.colours.changed.iter().map(|change| {
            format!(
                "  {} → {}: {:.2} 单位·小时 unit-hours",
                change.before.word(),
                change.after.word(),
                change.unit_hours
            )
        }));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn alert(alert: &AlertShape) -> String {
    let later = alert.later_s.map_or_else(String::new, |later_s| format!("  {later_s:+.1} s"));
    let verdict = alert.verdict.map_or_else(String::new, |verdict| format!("  [{}]", verdict.word()));
    format!(
        "  {}  {} {} {}  {} {}{later}{verdict}  {} / {}",
        times::shown(alert.raised_ms),
        alert.family.word(),
        alert.colour.word(),
        alert.rule,
        alert.unit,
        alert.unit_name,
        alert.evidence_zh,
        alert.evidence_en
    )
}
