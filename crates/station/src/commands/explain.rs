//! `fenghuo explain`: why something is as it is, from a running station, in words.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::commands::http::{self, Station};
use crate::commands::times;

/// What can be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Noun {
    Device,
    Unit,
    Alert,
    Region,
}

#[derive(Debug, Args)]
pub struct Explain {
    noun: Noun,
    /// `vendor/device`, a unit's code, an alert's id, a region's code.
    name: String,
    #[command(flatten)]
    station: Station,
    /// Answers as JSON.
    #[arg(long)]
    json: bool,
}

/// Asks and prints.
///
/// # Errors
/// A station that does not answer, or does not know of it.
pub fn run(command: &Explain) -> Result<()> {
    let name = &command.name;
    let path = match (command.noun, name.split_once('/')) {
        (Noun::Device, Some((vendor, device))) => {
            format!("/api/v1/devices/{}/{}/why", http::step(vendor), http::step(device))
        }
        (Noun::Device, None) => bail!("a device is named vendor/device, as in devices.csv: {name:?} has no /"),
        (Noun::Unit, _) => format!("/api/v1/units/{}/why", http::step(name)),
        (Noun::Alert, _) => format!("/api/v1/alerts/{}/why", http::step(name)),
        (Noun::Region, _) => format!("/api/v1/regions/{}/why", http::step(name)),
    };
    let answer = command.station.get(&path)?;
    if command.json {
        println!("{answer}");
        return Ok(());
    }
    let mut text = String::new();
    match command.noun {
        Noun::Device => device(&answer, &mut text),
        Noun::Unit => unit(&answer, &mut text),
        Noun::Alert => alert(&answer, &mut text),
        Noun::Region => region(&answer, &mut text),
    }
    print!("{text}");
    Ok(())
}

fn put(text: &mut String, line: impl AsRef<str>) {
    text.push_str(line.as_ref());
    text.push('\n');
}

fn word<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or("—")
}

fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map_or(&[], Vec::as_slice)
}

fn time(value: &Value, member: &str) -> String {
    value[member].as_u64().map_or_else(|| "—".to_owned(), times::shown)
}

/// Chinese first, English beside it.
fn both(words: &Value) -> String {
    format!("{} / {}", word(words, "zh"), word(words, "en"))
}

fn colour(value: &Value) -> String {
    let word = value.as_str().unwrap_or("none");
    let zh = match word {
        "red" => "红",
        "orange" => "橙",
        "yellow" => "黄",
        "blue" => "蓝",
        "blind" => "失明",
        _ => "未判",
    };
    format!("{zh} {word}")
}

fn as_of(value: &Value, text: &mut String) {
    let (rules, epoch) = (&value["in_force"], &value["epoch"]);
    put(
        text,
        format!(
            "截至 as of   {} (第 {epoch} 次提交 / commit {epoch}), 规则 rules {} (第 {} 次提交 / commit {})",
            time(value, "at_ms"),
            word(rules, "hash"),
            rules["epoch"],
            rules["epoch"]
        ),
    );
}

fn holds(of: &[Value], text: &mut String) {
    for held in of {
        let device = held["device"].as_str().map_or_else(String::new, |device| format!(" {device}"));
        put(
            text,
            format!(
                "  {} {}{device}, 自 since {}",
                colour(&held["colour"]),
                word(held, "condition"),
                time(held, "since_ms")
            ),
        );
        put(text, format!("      {}", both(&held["evidence"])));
        put(text, format!("      会改变 would change: {}", both(&held["would_change"])));
        if held["held_back"].is_object() {
            put(text, format!("      不计入 does not count: {}", both(&held["held_back"])));
        }
    }
}

fn device(why: &Value, text: &mut String) {
    put(text, format!("设备 device  {} ({}, {})", word(why, "device"), word(why, "class"), word(why, "location")));
    put(text, format!("单位 unit    {}", word(why, "unit")));
    as_of(why, text);
    let heard = &why["heard"];
    put(text, format!("联络 contact {}", both(&heard["words"])));
    for (member, what) in [
        ("last_ms", "最后上报 last heard of"),
        ("lost_said_ms", "被报失联 said to be lost"),
        ("test_ms", "最近自检 last test"),
        ("muted_ms", "最近消音 last silenced"),
    ] {
        if heard[member].is_u64() {
            put(text, format!("             {what} {}", time(heard, member)));
        }
    }
    let held = list(why, "holds");
    put(text, format!("成立 holds   {}", if held.is_empty() { "无 / nothing" } else { "" }));
    holds(held, text);
    put(text, "各规则所见 what each rule looks at");
    for rule in list(why, "rules") {
        for watch in list(rule, "watches") {
            let standing = match word(watch, "standing") {
                "holds" => "成立 holds  ",
                "forming" => "形成中 forming",
                "calm" => "平静 calm   ",
                _ => "无数据 no data",
            };
            put(text, format!("  {standing}  {}: {}", word(watch, "condition"), both(&watch["seen"])));
            if watch["due_ms"].is_u64() {
                put(text, format!("      定时 decided at {}", time(watch, "due_ms")));
            }
        }
    }
    put(text, format!("下次定时 next timer {}", time(why, "timer_ms")));
}

fn unit(why: &Value, text: &mut String) {
    put(text, format!("单位 unit    {} {} ({})", word(why, "unit"), word(why, "name"), word(why, "category")));
    as_of(why, text);
    put(text, format!("颜色 colour  {}, 自 since {}", colour(&why["colour"]), time(why, "since_ms")));
    if why["blind_since_ms"].is_u64() {
        put(text, format!("失明 blind   自 since {}", time(why, "blind_since_ms")));
    }
    if why["risk"].is_u64() {
        put(text, format!("风险指数 standing risk {}", why["risk"]));
    }
    put(text, "原因 reasons");
    for reason in list(why, "reasons") {
        put(text, format!("  {} {}: {}", colour(&reason["colour"]), word(reason, "rule"), both(&reason["evidence"])));
    }
    put(text, "成立的条件 conditions that hold");
    holds(list(why, "holds"), text);
    for incident in list(why, "incidents") {
        put(
            text,
            format!(
                "警情 incident {} 自 since {}: {}",
                word(incident, "family"),
                time(incident, "opened_ms"),
                both(&incident["words"])
            ),
        );
    }
    for (member, what) in [
        ("severity", "严重度 severity"),
        ("evidence", "火灾证据 evidence of a fire, log-odds"),
        ("risk_parts", "风险构成 standing risk"),
    ] {
        let parts = list(why, member);
        if !parts.is_empty() {
            put(text, what);
        }
        for part in parts {
            let points = part["points"].as_f64().unwrap_or(0.0);
            put(text, format!("  {points:+.2}  {}: {}", word(part, "name"), both(&part["words"])));
        }
    }
    put(text, "设备 devices");
    for device in list(why, "devices") {
        let trusted = if device["trusted"] == true { "可信 trusted  " } else { "不可信 not trusted" };
        put(
            text,
            format!("  {trusted} {} ({}): {}", word(device, "device"), word(device, "class"), both(&device["words"])),
        );
    }
    put(text, "会改变颜色的事 what would change the colour");
    for words in list(why, "would_change") {
        put(text, format!("  {}", both(words)));
    }
    for timer in list(why, "timers").iter().take(3) {
        put(text, format!("定时 timer   {} {}", time(timer, "at_ms"), word(timer, "device")));
    }
}

fn alert(why: &Value, text: &mut String) {
    put(text, format!("警情 alert   {}: {}", word(why, "alert"), both(&why["words"])));
    if why["incident"].is_object() {
        put(text, format!("             {}", both(&why["incident"]["words"])));
    }
    holds(list(why, "conditions"), text);
    put(text, "");
    unit(&why["unit"], text);
}

fn region(why: &Value, text: &mut String) {
    put(text, format!("区域 region  {} {}", word(why, "region"), word(why, "name")));
    as_of(why, text);
    let counts = &why["counts"];
    put(
        text,
        format!(
            "单位 units   {}: 红 red {}, 橙 orange {}, 黄 yellow {}, 蓝 blue {}, 失明 blind {}",
            why["units"], counts["red"], counts["orange"], counts["yellow"], counts["blue"], counts["blind"]
        ),
    );
    put(
        text,
        format!(
            "无可信设备 without a trustworthy device {}, 无设备 without any {}",
            why["blind"], why["without_device"]
        ),
    );
    put(text, "条件 conditions (单位数 units)");
    for counted in list(why, "conditions") {
        put(text, format!("  {:>6}  {} ({})", counted["units"], word(counted, "condition"), word(counted, "family")));
    }
    put(text, "最差的单位 worst units");
    for unit in list(why, "worst") {
        let conditions: Vec<&str> = list(unit, "conditions").iter().filter_map(Value::as_str).collect();
        put(
            text,
            format!(
                "  {} {} {}: {}",
                colour(&unit["colour"]),
                word(unit, "unit"),
                word(unit, "name"),
                conditions.join(", ")
            ),
        );
    }
}
