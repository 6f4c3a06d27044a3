//! `fenghuo order`, `drill`: what is asked of many, from the command line of a running station.

use std::fmt::Write as _;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::commands::http::{self, Station};

#[derive(Debug, Subcommand)]
pub enum Order {
    /// Orders something of everybody in a region and below it.
    Give(Give),
    /// Calls the roll.
    RollCall(Ask),
    /// Sends a test message through every channel of everybody.
    ChannelTest(Ask),
    /// What an order came to so far.
    Show(Show),
    /// Ends an order before its time.
    End(End),
}

#[derive(Debug, Args)]
pub struct Give {
    /// Code of the region.
    region: String,
    /// One line, 200 characters at most.
    text: String,
    /// grid_worker, village_chief, township_chief, micro_station, commander, owner; none: everybody but the owners.
    #[arg(long, value_delimiter = ',')]
    posts: Vec<String>,
    /// red, orange, yellow, blue.
    #[arg(long)]
    colour: Option<String>,
    /// A rehearsal.
    #[arg(long)]
    exercise: bool,
    #[command(flatten)]
    station: Station,
}

#[derive(Debug, Args)]
pub struct Ask {
    /// Code of the region.
    region: String,
    /// As of `order give`.
    #[arg(long, value_delimiter = ',')]
    posts: Vec<String>,
    /// Time to answer in, s.
    #[arg(long)]
    window_s: Option<u32>,
    #[command(flatten)]
    station: Station,
}

#[derive(Debug, Args)]
pub struct Show {
    /// `order-0-4711`.
    id: String,
    #[command(flatten)]
    station: Station,
    /// Answers as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct End {
    id: String,
    reason: String,
    #[command(flatten)]
    station: Station,
}

#[derive(Debug, Args)]
pub struct Drill {
    /// Code of the region.
    region: String,
    /// What is rehearsed, one line.
    note: String,
    /// Codes of units in the region; none: the station chooses one.
    #[arg(long, value_delimiter = ',')]
    units: Vec<String>,
    /// fire, warning, fault.
    #[arg(long)]
    family: Option<String>,
    /// red, orange, yellow, blue.
    #[arg(long)]
    colour: Option<String>,
    #[arg(long)]
    lasts_s: Option<u32>,
    #[command(flatten)]
    station: Station,
}

/// Does it and prints what came of it.
///
/// # Errors
/// A station that does not answer, or refuses, with what it said.
pub fn run(order: &Order) -> Result<()> {
    match order {
        Order::Give(give) => {
            let mut body = asked(&give.region, &give.posts);
            body.insert("text".into(), json!(give.text));
            body.insert("exercise".into(), json!(give.exercise));
            body.extend(give.colour.iter().map(|colour| ("colour".to_owned(), json!(colour))));
            taken(&give.station.post("/api/v1/orders", &body.into())?);
        }
        Order::RollCall(ask) => taken(&ask.station.post("/api/v1/roll-calls", &of(ask))?),
        Order::ChannelTest(ask) => taken(&ask.station.post("/api/v1/channel-tests", &of(ask))?),
        Order::Show(show) => {
            let order = show.station.get(&format!("/api/v1/orders/{}", http::step(&show.id)))?;
            if show.json { println!("{order}") } else { print!("{}", words(&order)) }
        }
        Order::End(end) => {
            let path = format!("/api/v1/orders/{}/end", http::step(&end.id));
            taken(&end.station.post(&path, &json!({ "reason": end.reason }))?);
        }
    }
    Ok(())
}

/// Begins a drill.
///
/// # Errors
/// As [`run`].
pub fn drill(drill: &Drill) -> Result<()> {
    let mut body = Map::new();
    body.insert("region".into(), json!(drill.region));
    body.insert("note".into(), json!(drill.note));
    body.insert("units".into(), json!(drill.units));
    let words = [("family", &drill.family), ("colour", &drill.colour)];
    body.extend(words.into_iter().filter_map(|(name, word)| Some((name.to_owned(), json!(word.as_ref()?)))));
    body.extend(drill.lasts_s.map(|seconds| ("lasts_s".to_owned(), json!(seconds))));
    taken(&drill.station.post("/api/v1/drills", &body.into())?);
    Ok(())
}

fn asked(region: &str, posts: &[String]) -> Map<String, Value> {
    Map::from_iter([("region".to_owned(), json!(region)), ("posts".to_owned(), json!(posts))])
}

fn of(ask: &Ask) -> Value {
    let mut body = asked(&ask.region, &ask.posts);
    body.extend(ask.window_s.map(|seconds| ("window_s".to_owned(), json!(seconds))));
    body.into()
}

fn taken(answer: &Value) {
    let order = &answer["order"];
    println!("{} {}, {}", word(&order["id"]), word(&order["state"]), counts(&order["counts"]));
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn counts(counts: &Value) -> String {
    let number = |name: &str| counts[name].as_u64().unwrap_or(0);
    format!(
        "{} asked, {} reached, {} read, {} arrived, {} done, {} cannot, {} silent",
        number("asked"),
        number("delivered"),
        number("read"),
        number("arrived"),
        number("done"),
        number("cannot"),
        number("silent")
    )
}

fn words(order: &Value) -> String {
    let mut text = format!("{} {} {}\n", word(&order["id"]), word(&order["kind"]), word(&order["state"]));
    let _ = writeln!(text, "{} {}", word(&order["region_name"]), word(&order["text"]));
    let _ = writeln!(text, "{}", counts(&order["totals"]));
    for place in order["places"].as_array().into_iter().flatten() {
        let share = place["share"].as_f64().unwrap_or(0.0) * 100.0;
        let _ = writeln!(text, "  {} {}: {share:.0} % answered", word(&place["region"]), word(&place["name"]));
    }
    for person in order["people"].as_array().into_iter().flatten() {
        let _ =
            writeln!(text, "  silent: {} {} {}", word(&person["code"]), word(&person["name"]), word(&person["phone"]));
    }
    text
}
