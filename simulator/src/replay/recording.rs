//! Reads a recording: a CSV file with a column of time and columns of values, and the list of its marked moments.

use anyhow::{Context, Result, anyhow, bail};
use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

/// One row: its time in seconds, and the wanted columns; empty cells and `NaN` are none.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub time_s: f64,
    pub values: Vec<Option<f64>>,
}

/// A marked moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// On the recording's own time, s.
    pub time_s: f64,
    pub name: String,
}

/// A file being read.
pub struct Recording {
    path: PathBuf,
    csv: csv::Reader<BufReader<File>>,
    time: usize,
    wanted: Vec<(usize, String)>,
    record: csv::StringRecord,
    last_s: f64,
}

impl Recording {
    /// Opens it and finds the columns.
    pub fn open(path: &Path, time_column: &str, columns: &[String]) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(BufReader::new(file));
        let headers = csv.headers().with_context(|| format!("{} has no header row", path.display()))?.clone();
        let find = |name: &str| {
            let strip = |h: &str| h.trim_start_matches('\u{feff}').to_owned();
            headers.iter().position(|h| strip(h) == name).ok_or_else(|| {
                let known: Vec<String> = headers.iter().map(strip).collect();
                anyhow!("{} has no column {name:?}; it has: {}", path.display(), known.join(", "))
            })
        };
        let time = find(time_column)?;
        let wanted = columns.iter().map(|c| Ok((find(c)?, c.clone()))).collect::<Result<_>>()?;
        Ok(Self { path: path.into(), csv, time, wanted, record: csv::StringRecord::new(), last_s: f64::MIN })
    }

    /// What to subtract from a date (s since 1970) to be on the recording's own time: 0 where its column of time holds dates,
    /// else what the first column of dates says. None where no column holds dates.
    pub fn time_origin(&self) -> Result<Option<f64>> {
        let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(&self.path)?;
        let first = csv.records().next().ok_or_else(|| anyhow!("{} has no rows", self.path.display()))??;
        let time = first.get(self.time).unwrap_or("");
        if date_s(time).is_some() {
            return Ok(Some(0.0));
        }
        let own = moment_s(time).with_context(|| format!("{}: {time:?} is not a time", self.path.display()))?;
        Ok(first.iter().find_map(date_s).map(|date| date - own))
    }

    fn read(&mut self) -> Result<Option<Row>> {
        if !self
            .csv
            .read_record(&mut self.record)
            .with_context(|| format!("{} cannot be read on", self.path.display()))?
        {
            return Ok(None);
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        let at = |what: String| anyhow!("{}, line {line}: {what}", self.path.display());
        let time = self.record.get(self.time).unwrap_or("");
        let time_s =
            moment_s(time).ok_or_else(|| at(format!("{time:?} is neither seconds nor YYYY-MM-DD HH:MM:SS")))?;
        if time_s < self.last_s {
            return Err(at(format!("time goes back, from {} s to {time_s} s", self.last_s)));
        }
        self.last_s = time_s;
        let mut values = Vec::with_capacity(self.wanted.len());
        for (index, name) in &self.wanted {
            let cell = self.record.get(*index).unwrap_or("");
            values.push(match cell.parse::<f64>() {
                Ok(value) => Some(value).filter(|v| v.is_finite()),
                Err(_) if cell.is_empty() || cell.eq_ignore_ascii_case("na") => None,
                Err(_) => return Err(at(format!("{cell:?} in column {name:?} is not a number"))),
            });
        }
        Ok(Some(Row { time_s, values }))
    }
}

impl Iterator for Recording {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Reads the marked moments (columns `Time,Event`); `origin` as [`Recording::time_origin`] gives it.
pub fn events(path: &Path, origin: Option<f64>) -> Result<Vec<Mark>> {
    let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_path(path);
    let csv = csv.as_mut().map_err(|e| anyhow!("cannot read {}: {e}", path.display()))?;
    let mut marks = Vec::new();
    for record in csv.records() {
        let record = record.with_context(|| format!("{} cannot be read", path.display()))?;
        let (Some(time), Some(name)) = (record.get(0), record.get(1)) else { continue };
        let time_s = match (date_s(time), origin) {
            (Some(date), Some(origin)) => date - origin,
            (Some(_), None) => {
                bail!("{}: {time:?} is a date, but the recording has no column of dates", path.display())
            }
            (None, _) => time.parse().with_context(|| format!("{}: {time:?} is not a time", path.display()))?,
        };
        marks.push(Mark { time_s, name: name.into() });
    }
    marks.sort_by(|a, b| a.time_s.total_cmp(&b.time_s));
    Ok(marks)
}

/// Seconds, or a date as seconds since 1970.
pub fn moment_s(text: &str) -> Option<f64> {
    text.parse().ok().filter(|s: &f64| s.is_finite()).or_else(|| date_s(text))
}

/// `YYYY-MM-DD HH:MM:SS`, also with `T` or `-` between, and with a fraction; as if UTC.
pub fn date_s(text: &str) -> Option<f64> {
    if !text.is_ascii() || text.len() < 19 {
        return None;
    }
    let (date, clock) = (text.get(..10)?, text.get(11..)?);
    if !matches!(text.as_bytes()[10], b' ' | b'T' | b'-') {
        return None;
    }
    let mut date = date.split('-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let mut clock = clock.trim_end_matches('Z').split(':');
    let (hour, minute): (i64, i64) = (clock.next()?.parse().ok()?, clock.next()?.parse().ok()?);
    let second: f64 = clock.next()?.parse().ok()?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second >= 61.0 {
        return None;
    }
    Some((days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60) as f64 + second)
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // years from March on, so that the leap day ends them
    let shifted = year - i64::from(month <= 2);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * shifted + shifted.div_euclid(4) - shifted.div_euclid(100) + shifted.div_euclid(400) + of_year - 719_468
}
