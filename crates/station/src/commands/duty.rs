//! `fenghuo roster duty`, `roster gaps`: who is responsible, and where nobody will be, from a running station.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::commands::http::{self, Station};
use crate::commands::times;

#[derive(Debug, Args)]
pub struct Duty {
    /// Code of the region.
    region: String,
    /// When, e.g. 2026-11-22T08:30 in the city's time; also in the past. Without it now.
    #[arg(long)]
    at: Option<String>,
    #[command(flatten)]
    station: Station,
    /// Answers as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Gaps {
    /// How far to look ahead, h.
    #[arg(long, default_value_t = 24)]
    within_h: u64,
    #[command(flatten)]
    station: Station,
    /// Answers as JSON.
    #[arg(long)]
    json: bool,
}

/// Asks and prints who is responsible.
///
/// # Errors
/// A station that does not answer, or does not know the region or the moment.
pub fn duty(command: &Duty) -> Result<()> {
    let at = command.at.as_ref().map_or_else(String::new, |at| format!("?at={}", http::step(at)));
    let answer = command.station.get(&format!("/api/v1/regions/{}/duty{at}", http::step(&command.region)))?;
    if command.json {
        println!("{answer}");
    } else {
        print!("{}", duty_text(&answer));
    }
    Ok(())
}

/// Asks and prints where nobody will be.
///
/// # Errors
/// A station that does not answer.
pub fn gaps(command: &Gaps) -> Result<()> {
    let within_s = command.within_h.saturating_mul(3600);
    let answer = command.station.get(&format!("/api/v1/duty/gaps?within_s={within_s}"))?;
    if command.json {
        println!("{answer}");
    } else {
        print!("{}", gaps_text(&answer));
    }
    Ok(())
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or("")
}

fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map_or(&[], Vec::as_slice)
}

fn place(value: &Value) -> String {
    let (code, name) = match value["station"].as_str() {
        Some(station) => (station, text(value, "station_name")),
        None => (text(value, "region"), text(value, "region_name")),
    };
    format!("{} {code} {name}", text(value, "post"))
}

fn duty_text(answer: &Value) -> String {
    let at = answer["at_ms"].as_u64().map_or_else(String::new, times::shown);
    let mut lines =
        vec![format!("{at} {} {}, roster {}", text(answer, "code"), text(answer, "name"), answer["roster_version"])];
    for duty in list(answer, "duties") {
        let planned = if duty["planned"] == true { "" } else { " (无排班 no plan)" };
        lines.push(format!("{}{planned}", place(duty)));
        for person in list(duty, "people") {
            let how = match text(person, "duty") {
                "on_duty" => "在岗 on duty",
                "in_place" => "代班 in place",
                "away" => "请假 away",
                _ => "未当班 off duty",
            };
            let absent = match person["in_place_of"]["name"].as_str() {
                Some(name) => format!(" {name}"),
                None => String::new(),
            };
            let until =
                person["until_ms"].as_u64().map_or_else(String::new, |at| format!(" 至 until {}", times::shown(at)));
            let (code, name, phone) = (text(person, "code"), text(person, "name"), text(person, "phone"));
            lines.push(format!("  {how}{absent}: {code} {name} {phone}{until}"));
        }
        if list(duty, "people").iter().all(|person| !matches!(text(person, "duty"), "on_duty" | "in_place")) {
            lines.push("  无人值班 nobody on duty".to_owned());
        }
    }
    lines.join("\n") + "\n"
}

fn gaps_text(answer: &Value) -> String {
    let mut lines = Vec::new();
    for gap in list(answer, "gaps") {
        let shown = |member: &str| gap[member].as_u64().map_or_else(|| "?".to_owned(), times::shown);
        lines.push(format!("{}: {} 至 to {} 无人值班 nobody on duty", place(gap), shown("from_ms"), shown("until_ms")));
    }
    if lines.is_empty() {
        lines.push("排班无空档 no gap in any plan".to_owned());
    }
    for post in list(answer, "without_plan") {
        let without = list(post, "without_anybody").len();
        lines.push(format!(
            "{}: {} 处无排班 without a plan, 其中 {without} 处无人 without anybody",
            text(post, "post"),
            post["count"]
        ));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_are_told_in_words() {
        let answer = json!({ "code": "331083001001001", "name": "第1网格", "at_ms": 1_767_225_600_000_u64, "roster_version": 7,
            "duties": [
                { "post": "grid_worker", "region": "331083001001001", "region_name": "第1网格", "planned": true, "people": [
                    { "code": "G2", "name": "李", "phone": "1", "duty": "in_place", "in_place_of": { "name": "王" },
                      "until_ms": 1_767_229_200_000_u64 },
                    { "code": "G1", "name": "王", "phone": "2", "duty": "away" } ] },
                { "post": "micro_station", "station": "S1", "station_name": "站", "planned": false, "people": [] } ] });
        assert_eq!(
            duty_text(&answer),
            "2026-01-01 08:00:00 331083001001001 第1网格, roster 7\n\
             grid_worker 331083001001001 第1网格\n\
             \u{20} 代班 in place 王: G2 李 1 至 until 2026-01-01 09:00:00\n\
             \u{20} 请假 away: G1 王 2\n\
             micro_station S1 站 (无排班 no plan)\n\
             \u{20} 无人值班 nobody on duty\n"
        );
        let gaps = json!({ "gaps": [{ "post": "grid_worker", "region": "331083001001001", "region_name": "第1网格",
            "from_ms": 1_767_225_600_000_u64, "until_ms": null }],
            "without_plan": [{ "post": "commander", "count": 1, "without_anybody": [] }] });
        assert_eq!(
            gaps_text(&gaps),
            "grid_worker 331083001001001 第1网格: 2026-01-01 08:00:00 至 to ? 无人值班 nobody on duty\n\
             commander: 1 处无排班 without a plan, 其中 0 处无人 without anybody\n"
        );
        assert!(gaps_text(&json!({ "gaps": [] })).starts_with("排班无空档"));
    }
}
