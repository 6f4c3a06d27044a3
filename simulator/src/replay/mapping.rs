//! Which column is which device's reading: `COLUMN=VENDOR/DEVICE:QUANTITY[*FACTOR][+OFFSET]`.

use crate::wire::Quantity;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Why a mapping was refused.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum MappingError {
    #[error(
        "mapping {0:?}: there is no `=` between column and device; expected COLUMN=VENDOR/DEVICE:QUANTITY[*FACTOR][+OFFSET]"
    )]
    NoEquals(String),
    #[error("mapping {0:?}: the column's name is empty")]
    NoColumn(String),
    #[error("mapping {0:?}: expected VENDOR/DEVICE:QUANTITY after the `=`")]
    NoDevice(String),
    #[error("mapping {map:?}: {part:?} must have 1 to 64 characters, none of them / + #")]
    BadName { map: String, part: String },
    #[error("mapping {map:?}: {name:?} is not a quantity; there are {}", Quantity::keys())]
    NoQuantity { map: String, name: String },
    #[error("mapping {map:?}: {text:?} is not a number")]
    NoNumber { map: String, text: String },
    #[error("mapping {map:?}: {device} already has {quantity} from another column")]
    Twice { map: String, device: String, quantity: &'static str },
    #[error("the mapping is empty: name at least one column with --map or --map-file")]
    Empty,
    #[error("the mapping file is not TOML with a table [columns]: {0}")]
    Toml(String),
}

/// One column's use.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Index into [`Mapping::columns`].
    pub column: usize,
    pub quantity: Quantity,
    pub factor: f64,
    pub offset: f64,
}

/// A device and the columns that it reports.
#[derive(Debug, Clone, PartialEq)]
pub struct MappedDevice {
    pub vendor: String,
    pub device: String,
    pub lines: Vec<Line>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    columns: Vec<String>,
    devices: Vec<MappedDevice>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TomlFile {
    columns: BTreeMap<String, OneOrMany>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Mapping {
    /// Adds one mapping. The column's name ends at the last `=`.
    pub fn add(&mut self, map: &str) -> Result<(), MappingError> {
        let (column, target) = map.rsplit_once('=').ok_or_else(|| MappingError::NoEquals(map.into()))?;
        self.insert(map, column.trim(), target.trim())
    }

    /// Adds what a TOML file says: `[columns]`, column = target or list of targets.
    pub fn read_toml(&mut self, text: &str) -> Result<(), MappingError> {
        let file: TomlFile = toml::from_str(text).map_err(|e| MappingError::Toml(e.to_string()))?;
        for (column, targets) in &file.columns {
            let targets = match targets {
                OneOrMany::One(target) => std::slice::from_ref(target),
                OneOrMany::Many(targets) => targets,
            };
            for target in targets {
                self.insert(&format!("{column}={target}"), column.trim(), target.trim())?;
            }
        }
        Ok(())
    }

    /// The columns in use, each once.
    pub fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    /// The devices in use, each once.
    pub fn devices(&self) -> Vec<MappedDevice> {
        self.devices.clone()
    }

    fn insert(&mut self, map: &str, column: &str, target: &str) -> Result<(), MappingError> {
        if column.is_empty() {
            return Err(MappingError::NoColumn(map.into()));
        }
        let no_device = || MappingError::NoDevice(map.into());
        let (path, rest) = target.split_once(':').ok_or_else(no_device)?;
        let (vendor, device) = path.split_once('/').ok_or_else(no_device)?;
        for part in [vendor, device] {
            if part.is_empty() || part.chars().count() > 64 || part.contains(['/', '+', '#']) {
                return Err(MappingError::BadName { map: map.into(), part: part.into() });
            }
        }
        let end = rest.find(['*', '+', '-']).unwrap_or(rest.len());
        let (name, arithmetic) = rest.split_at(end);
        let quantity = Quantity::parse(name.trim())
            .ok_or_else(|| MappingError::NoQuantity { map: map.into(), name: name.trim().into() })?;
        let (factor, offset) = arithmetic_of(map, arithmetic)?;
        let column = self.columns.iter().position(|c| c == column).unwrap_or_else(|| {
            self.columns.push(column.into());
            self.columns.len() - 1
        });
        let at = self.devices.iter().position(|d| d.vendor == vendor && d.device == device).unwrap_or_else(|| {
            self.devices.push(MappedDevice { vendor: vendor.into(), device: device.into(), lines: Vec::new() });
            self.devices.len() - 1
        });
        if self.devices[at].lines.iter().any(|l| l.quantity == quantity) {
            return Err(MappingError::Twice { map: map.into(), device: path.into(), quantity: quantity.key() });
        }
        self.devices[at].lines.push(Line { column, quantity, factor, offset });
        Ok(())
    }

    /// Refuses a mapping that maps nothing.
    pub fn check(&self) -> Result<(), MappingError> {
        if self.columns.is_empty() { Err(MappingError::Empty) } else { Ok(()) }
    }
}

/// `[*FACTOR][+OFFSET]`; the offset may also begin with a minus.
fn arithmetic_of(map: &str, text: &str) -> Result<(f64, f64), MappingError> {
    let number = |t: &str| {
        let value = t.trim().parse::<f64>().ok().filter(|v| v.is_finite());
        value.ok_or_else(|| MappingError::NoNumber { map: map.into(), text: t.trim().into() })
    };
    let Some(rest) = text.strip_prefix('*') else {
        return Ok((1.0, if text.is_empty() { 0.0 } else { number(text)? }));
    };
    // a sign that begins the factor or its exponent is not the offset's
    let sign = rest
        .char_indices()
        .skip(1)
        .find(|&(i, c)| matches!(c, '+' | '-') && !rest[..i].ends_with(['e', 'E', '*', '+', '-']));
    let (factor, offset) = rest.split_at(sign.map_or(rest.len(), |(i, _)| i));
    Ok((number(factor)?, if offset.is_empty() { 0.0 } else { number(offset)? }))
}
