//! Shapes of what would have differed.

use model::{AlertId, Colour, Family, Verdict};
use serde::Serialize;

/// Alerts told of each sort, and units; the counts are whole.
pub const TOLD_MAX: usize = 1000;

/// What would have differed. Times are ms since 1970.
#[derive(Debug, Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub run: Run,
    pub notes: Vec<Note>,
    pub alerts: Alerts,
    /// Fires that people verified as real, and that the other rules would not have raised, or only after they were verified.
    pub lost_fires: Vec<AlertShape>,
    /// Fires that people verified as real, and when the other rules would have raised them.
    pub real_fires: usize,
    pub families: Vec<FamilyCount>,
    /// Findings that began.
    pub rules: Vec<RuleCount>,
    pub colours: ColourReport,
}

/// What was replayed.
#[derive(Debug, Serialize)]
pub struct Run {
    pub from_ms: u64,
    pub to_ms: u64,
    pub commits: u64,
    pub readings: u64,
    pub took_ms: u64,
    /// Nothing of what was asked for was skipped.
    pub whole: bool,
    /// Names the rules that were tried.
    pub rules: String,
}

/// Something to know about the comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    pub zh: String,
    pub en: String,
}

pub fn note(zh: String, en: String) -> Note {
    Note { zh, en }
}

/// The limit of time came before the end.
pub fn cut(at_ms: u64, to_ms: u64) -> Note {
    let skipped_s = to_ms.saturating_sub(at_ms) / 1000;
    note(
        format!("已到时限：之后的 {skipped_s} 秒记录未重放"),
        format!("the limit of time came: the last {skipped_s} s of the record were not replayed"),
    )
}

#[derive(Debug, Default, Serialize)]
pub struct Alerts {
    /// Raised at the same commit.
    pub same: usize,
    pub gained_count: usize,
    pub lost_count: usize,
    pub earlier_count: usize,
    pub later_count: usize,
    pub gained: Vec<AlertShape>,
    pub lost: Vec<AlertShape>,
    pub earlier: Vec<AlertShape>,
    pub later: Vec<AlertShape>,
}

/// An alert of either side.
#[derive(Debug, Clone, Serialize)]
pub struct AlertShape {
    /// As it was recorded, or as the other rules would have named it.
    pub id: AlertId,
    pub family: Family,
    pub unit: String,
    pub unit_name: String,
    pub raised_ms: u64,
    /// By how much later the other rules raise it, s; negative: earlier. `None` where only one side has it.
    pub later_s: Option<f64>,
    pub colour: Colour,
    pub rule: String,
    pub evidence_zh: String,
    pub evidence_en: String,
    pub verdict: Option<Verdict>,
    pub exercise: bool,
}

#[derive(Debug, Serialize)]
pub struct FamilyCount {
    pub family: Family,
    pub before: usize,
    pub after: usize,
}

#[derive(Debug, Serialize)]
pub struct RuleCount {
    pub rule: String,
    pub before: u64,
    pub after: u64,
}

#[derive(Debug, Serialize)]
pub struct ColourReport {
    /// Share of the units' time with each colour, %: of all units together.
    pub shares: Vec<ColourShare>,
    pub changed: Vec<ColourChange>,
    pub units_changed: usize,
    /// Units by how long their colour differs, longest first.
    pub units: Vec<UnitChange>,
}

#[derive(Debug, Serialize)]
pub struct ColourShare {
    pub colour: Colour,
    pub before_pct: f64,
    pub after_pct: f64,
}

#[derive(Debug, Serialize)]
pub struct ColourChange {
    pub before: Colour,
    pub after: Colour,
    /// Units times hours.
    pub unit_hours: f64,
}

#[derive(Debug, Serialize)]
pub struct UnitChange {
    pub unit: String,
    pub name: String,
    pub hours: f64,
}
