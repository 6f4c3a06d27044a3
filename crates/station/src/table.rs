//! A CSV file as a table that is edited or compared: columns by name, those that we do not know kept as they are.

use anyhow::{Context, Result};
use csv::StringRecord;

/// Header and rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(header: &[&str]) -> Table {
        Table { header: header.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    /// # Errors
    /// A file that is no CSV, with its line.
    pub fn parse(name: &str, text: &[u8]) -> Result<Table> {
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
        let owned = |record: &StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
        let header = owned(reader.headers().with_context(|| format!("{name}:1: the header cannot be read"))?);
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| {
                let line = error.position().map_or(0, csv::Position::line);
                anyhow::anyhow!("{name}:{line}: cannot be read: {error}")
            })?;
            rows.push(owned(&record));
        }
        Ok(Table { header, rows })
    }

    /// The file's content.
    ///
    /// # Errors
    /// None that happens: it is written to memory.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
        writer.write_record(&self.header)?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        Ok(writer.into_inner()?)
    }

    pub fn header(&self) -> impl Iterator<Item = &str> {
        self.header.iter().map(String::as_str)
    }

    pub fn rows(&self) -> std::ops::Range<usize> {
        0..self.rows.len()
    }

    /// A field; empty where the table has no such column.
    pub fn get(&self, row: usize, column: &str) -> &str {
        let at = self.header.iter().position(|name| name == column);
        at.and_then(|at| self.rows[row].get(at)).map_or("", String::as_str)
    }

    /// Sets a field, adding the column where it is missing.
    pub fn set(&mut self, row: usize, column: &str, value: &str) {
        if self.get(row, column) == value {
            return;
        }
        let at = self.header.iter().position(|name| name == column).unwrap_or_else(|| {
            self.header.push(column.to_owned());
            self.rows.iter_mut().for_each(|row| row.push(String::new()));
            self.header.len() - 1
        });
        self.rows[row][at] = value.to_owned();
    }

    /// Adds an empty row; its number.
    pub fn push(&mut self) -> usize {
        self.rows.push(vec![String::new(); self.header.len()]);
        self.rows.len() - 1
    }

    pub fn remove(&mut self, row: usize) {
        self.rows.remove(row);
    }
}
