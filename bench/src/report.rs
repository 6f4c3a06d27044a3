//! What was measured, where and how, as Markdown.

use std::fmt;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

use crate::Options;

/// One phase's findings.
pub struct Section {
    title: String,
    lines: Vec<String>,
}

impl Section {
    pub fn new(title: &str) -> Section {
        Section { title: title.to_owned(), lines: Vec::new() }
    }

    pub fn line(&mut self, text: String) {
        self.lines.push(text);
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n", self.title)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "- {line}"))
    }
}

/// The whole report.
pub struct Report {
    text: String,
}

impl Report {
    pub fn new(options: &Options) -> Report {
        let ask = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output();
            output.map_or_else(|_| "unknown".to_owned(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
        };
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .unwrap_or(": unknown")
            .trim_start_matches([' ', '\t', ':']);
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let mut text = String::new();
        let _ = write!(
            text,
            "# Whole-system measurement\n\n\
             - date {}, revision {}\n- {cpu}, {cores} cores, kernel {}\n\
             - generator and station on the same machine over loopback, plain TCP; journal on the disk of the data folder, every commit synced\n\
             - latencies from the planned start of each message in open-loop phases, from the write in the throughput phase (fixed number in flight)\n\
             - made by: `load --scale {} --seconds {} --publishers {} --in-flight {} --background {} --alarms {} --connections {} --phases {}`\n\n",
            ask("date", &["-u", "+%Y-%m-%d"]),
            ask("git", &["rev-parse", "--short", "HEAD"]),
            ask("uname", &["-r"]),
            options.scale,
            options.seconds,
            options.publishers,
            options.in_flight,
            options.background,
            options.alarms,
            options.connections,
            options.phases.join(","),
        );
        Report { text }
    }

    pub fn add(&mut self, section: Section) {
        let _ = writeln!(self.text, "{section}");
    }

    pub fn write(&self, to: &Path) -> Result<()> {
        std::fs::write(to, &self.text).with_context(|| format!("writing {}", to.display()))
    }
}

/// Percentiles of microseconds, in milliseconds.
pub fn latencies(histogram: &Histogram<u64>) -> String {
    let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1e3;
    format!(
        "p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, max {:.2} ms ({} samples)",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        histogram.max() as f64 / 1e3,
        histogram.len()
    )
}

/// 1234567 as 1,234,567.
pub fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// For microseconds up to two minutes, three digits; longer ones count as two minutes.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(120_000_000, 3).expect("the bounds are in order")
}
