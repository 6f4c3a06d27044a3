//! What speaks for a fire in a unit, weighed. See [`crate::rule::evidence`] for the scale.

use model::Family;
use model::finding::Words;
use model::report::SightingKind;
use model::roster::DeviceClass;

use crate::rule::evidence::Settings;
use crate::rule::{self, words};
use crate::state::{Device, Held, NO_DEVICE, Unit};
use crate::table::Table;

/// Whose word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A device, and the place of its condition.
    Device(u32, u8),
    /// Somebody; not who, but the same for the same.
    Person(u32),
    /// Another unit.
    Neighbour(u32),
}

/// What kind of evidence it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Smoke,
    Heat,
    HeatRise,
    Co,
    Flame,
    Manual,
    Fused,
    Camera,
    Other,
    PersonFire,
    PersonSmoke,
    PersonAllClear,
    Gas,
    Electrical,
    Neighbour,
    SameGrid,
}

/// One piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    pub source: Source,
    pub kind: Kind,
    /// Log-odds when fresh, with all that lowers it.
    pub weight: f64,
    /// Time since its condition ended, or since the person said it; 0 while it holds. ms.
    pub age_ms: u64,
    /// What it adds now: log-odds.
    pub points: f64,
    /// Something stronger of the same device counts already.
    pub beside: bool,
}

/// A unit's evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighed {
    /// Log-odds without any.
    pub before_any: f64,
    /// In the order in which they are summed.
    pub pieces: Vec<Piece>,
    pub log_odds: f64,
}

/// A fire in a unit near by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbour {
    pub unit: u32,
    /// Within the radius; else only of the same grid.
    pub near: bool,
    /// Time since it ended; 0 while it holds. ms.
    pub age_ms: u64,
}

/// Bounds of a sum, so that no amount of evidence is certainty.
const LOG_ODDS_MAX: f64 = 20.0;

/// Pieces that add less than this are not counted any longer.
const LEAST: f64 = 0.1;

/// Weighs a unit's evidence; `None` where nothing speaks for a fire.
pub fn weigh(
    settings: &Settings,
    unit: &Unit,
    devices: &Table<Device>,
    neighbours: &[Neighbour],
    now_ms: u64,
) -> Option<Weighed> {
    let mut pieces = Vec::new();
    for held in unit.held.iter().filter(|held| held.device != NO_DEVICE && !held.muted) {
        pieces.extend(of_device(settings, devices, held.condition, held.device, after(held), 0));
    }
    if let Some(traces) = &unit.traces {
        for ended in &traces.ended {
            // also what ended just now fades
            let age_ms = now_ms.saturating_sub(ended.at_ms).max(1);
            pieces.extend(of_device(settings, devices, ended.condition, ended.device, ended.after, age_ms));
        }
        for seen in traces.seen.iter().filter(|seen| !seen.judged) {
            pieces.extend(of_person(settings, seen.kind, seen.by, now_ms.saturating_sub(seen.at_ms)));
        }
    }
    if !pieces.iter().any(|piece| piece.kind.is_fire()) {
        return None;
    }
    for near in neighbours {
        let (kind, weight) =
            if near.near { (Kind::Neighbour, settings.neighbour) } else { (Kind::SameGrid, settings.same_grid) };
        let points = faded(weight, near.age_ms, settings.neighbour_fades_s);
        let source = Source::Neighbour(near.unit);
        pieces.push(Piece { source, kind, weight, age_ms: near.age_ms, points, beside: false });
    }
    count_once(settings, &mut pieces);
    pieces.retain(|piece| piece.points.abs() >= LEAST);
    let before_any = settings.before_any();
    let sum = pieces.iter().fold(before_any, |sum, piece| sum + piece.points);
    Some(Weighed { before_any, pieces, log_odds: sum.clamp(-LOG_ODDS_MAX, LOG_ODDS_MAX) })
}

/// What one device, one person or one neighbourhood says several times counts little after the first.
fn count_once(settings: &Settings, pieces: &mut [Piece]) {
    let whose = |piece: &Piece| match piece.source {
        Source::Device(device, _) => (0_u8, device),
        Source::Person(by) => (1 + u8::from(piece.kind == Kind::PersonAllClear), by),
        // fires near by are one another's neighbours too: the nearest counts
        Source::Neighbour(_) => (3, 0),
    };
    pieces.sort_by(|a, b| {
        let strongest_first = b.points.abs().total_cmp(&a.points.abs());
        whose(a).cmp(&whose(b)).then(strongest_first).then(a.source.cmp(&b.source))
    });
    let mut before = None;
    for piece in pieces {
        let of = whose(piece);
        if before == Some(of) {
            piece.beside = true;
            piece.points *= if of.0 == 0 { settings.same_device } else { 0.0 };
        }
        before = Some(of);
    }
}

fn after(held: &Held) -> (bool, bool) {
    (held.after_test_s.is_some(), held.after_mute_s.is_some())
}

fn of_device(
    settings: &Settings,
    devices: &Table<Device>,
    condition: u8,
    device: u32,
    (after_test, after_mute): (bool, bool),
    age_ms: u64,
) -> Option<Piece> {
    let row = devices.get(device as usize);
    let is_camera = row.is_some_and(|row| row.facts.class == DeviceClass::Camera);
    let kind = Kind::of(condition, is_camera)?;
    let falses = row.map_or(0, |row| row.falses);
    let mut weight = kind.weight(settings) - settings.often_false * f64::from(falses).ln_1p();
    weight += if after_test { settings.after_test } else { 0.0 };
    weight += if after_mute { settings.after_mute } else { 0.0 };
    let weight = weight.max(0.0);
    let points = faded(weight, age_ms, settings.fades_s);
    Some(Piece { source: Source::Device(device, condition), kind, weight, age_ms, points, beside: false })
}

fn of_person(settings: &Settings, kind: SightingKind, by: u32, age_ms: u64) -> Option<Piece> {
    let kind = match kind {
        SightingKind::Fire => Kind::PersonFire,
        SightingKind::Smoke => Kind::PersonSmoke,
        SightingKind::Gas => Kind::Gas,
        SightingKind::AllClear => Kind::PersonAllClear,
        SightingKind::Hazard => return None,
    };
    let weight = kind.weight(settings);
    let points = faded(weight, age_ms, settings.person_fades_s);
    Some(Piece { source: Source::Person(by), kind, weight, age_ms, points, beside: false })
}

fn faded(weight: f64, age_ms: u64, fades_s: u32) -> f64 {
    weight * (-(age_ms as f64) / (f64::from(fades_s) * 1000.0)).exp()
}

impl Weighed {
    /// 0 to 1.
    pub fn probability(&self) -> f64 {
        1.0 / (1.0 + (-self.log_odds).exp())
    }

    /// The same to half a unit of log-odds: finer changes are not worth telling.
    pub fn step(&self) -> i32 {
        (self.log_odds * 2.0).round() as i32
    }

    /// Whether any of it fades.
    pub fn fades(&self) -> bool {
        self.pieces.iter().any(|piece| piece.age_ms > 0 || matches!(piece.source, Source::Person(_)))
    }

    /// The probability and what it is made of.
    pub fn words(&self) -> Words {
        let percent = percent(self.probability());
        let mut zh = format!("火灾概率约 {percent}%：");
        let mut en = format!("fire probability about {percent}%: ");
        let mut between = "";
        for piece in &self.pieces {
            let (name_zh, name_en) = piece.kind.names();
            let (fading_zh, fading_en) = if piece.age_ms > 0 { ("（减弱中）", " (fading)") } else { ("", "") };
            let (same_zh, same_en) = if piece.beside { ("（同一来源）", " (same source)") } else { ("", "") };
            zh.push_str(&format!("{between}{name_zh} {:+.1}{same_zh}{fading_zh}", piece.points));
            en.push_str(&format!("{between}{name_en} {:+.1}{same_en}{fading_en}", piece.points));
            between = ", ";
        }
        Words { zh: zh.replace(", ", "，").into(), en: en.into() }
    }
}

/// Two figures of a share, in %.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        10.0.. => format!("{percent:.0}"),
        1.0..10.0 => format!("{percent:.1}"),
        0.1..1.0 => format!("{percent:.2}"),
        0.01..0.1 => format!("{percent:.3}"),
        _ => "<0.01".into(),
    }
}

impl Kind {
    /// Of a device's condition; `None` for one that says nothing of a fire.
    fn of(condition: u8, is_camera: bool) -> Option<Kind> {
        let condition = rule::condition(condition);
        let name = condition.name.strip_prefix("alarm_").unwrap_or(condition.name);
        let kind = match name {
            "gas" => Kind::Gas,
            "co" if condition.family == Family::Warning => Kind::Gas,
            "electrical" | "residual_current" | "cable_temperature" => Kind::Electrical,
            _ if condition.family != Family::Fire => return None,
            _ if is_camera => Kind::Camera,
            "co" => Kind::Co,
            "flame" => Kind::Flame,
            "manual" => Kind::Manual,
            "heat" | "heat_fixed" => Kind::Heat,
            "heat_rise" => Kind::HeatRise,
            _ if name.starts_with("smoke") => Kind::Smoke,
            _ if name.starts_with("fusion") => Kind::Fused,
            _ => Kind::Other,
        };
        Some(kind)
    }

    /// Whether a fire condition belongs to it.
    fn is_fire(self) -> bool {
        !matches!(self, Kind::Gas | Kind::Electrical | Kind::PersonAllClear | Kind::Neighbour | Kind::SameGrid)
    }

    fn weight(self, settings: &Settings) -> f64 {
        match self {
            Kind::Smoke => settings.smoke,
            Kind::Heat => settings.heat,
            Kind::HeatRise => settings.heat_rise,
            Kind::Co => settings.co,
            Kind::Flame => settings.flame,
            Kind::Manual => settings.manual,
            Kind::Fused => settings.fused,
            Kind::Camera => settings.camera,
            Kind::Other => settings.other,
            Kind::PersonFire => settings.person_fire,
            Kind::PersonSmoke => settings.person_smoke,
            Kind::PersonAllClear => settings.person_all_clear,
            Kind::Gas => settings.gas,
            Kind::Electrical => settings.electrical,
            Kind::Neighbour => settings.neighbour,
            Kind::SameGrid => settings.same_grid,
        }
    }

    /// Chinese and English.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Kind::Smoke => ("烟雾", "smoke"),
            Kind::Heat => ("定温", "fixed temperature"),
            Kind::HeatRise => ("温升", "rate of rise"),
            Kind::Co => ("一氧化碳", "carbon monoxide"),
            Kind::Flame => ("火焰", "flame"),
            Kind::Manual => ("手动报警", "manual call point"),
            Kind::Fused => ("多参量复合", "several quantities"),
            Kind::Camera => ("摄像机", "camera"),
            Kind::Other => ("火警", "fire alarm"),
            Kind::PersonFire => ("人员报告明火", "a person sees fire"),
            Kind::PersonSmoke => ("人员报告烟雾", "a person sees smoke"),
            Kind::PersonAllClear => ("人员报告无异常", "a person finds nothing"),
            Kind::Gas => ("可燃气体或一氧化碳", "gas or carbon monoxide"),
            Kind::Electrical => ("电气异常", "electrical precursor"),
            Kind::Neighbour => ("邻近单位火警", "fire near by"),
            Kind::SameGrid => ("同网格火警", "fire in the same grid"),
        }
    }

    /// Word for machines.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Smoke => "smoke",
            Kind::Heat => "heat",
            Kind::HeatRise => "heat_rise",
            Kind::Co => "co",
            Kind::Flame => "flame",
            Kind::Manual => "manual",
            Kind::Fused => "fused",
            Kind::Camera => "camera",
            Kind::Other => "other",
            Kind::PersonFire => "person_fire",
            Kind::PersonSmoke => "person_smoke",
            Kind::PersonAllClear => "person_all_clear",
            Kind::Gas => "gas",
            Kind::Electrical => "electrical",
            Kind::Neighbour => "neighbour",
            Kind::SameGrid => "same_grid",
        }
    }
}

/// Whether anything in the unit can speak for a fire.
pub fn speaks(unit: &Unit) -> bool {
    let is_fire = |condition: u8| rule::condition(condition).family == Family::Fire;
    let traces = unit.traces.as_deref();
    unit.held.iter().any(|held| !held.muted && is_fire(held.condition))
        || traces.is_some_and(|traces| {
            traces.ended.iter().any(|ended| is_fire(ended.condition)) || traces.seen.iter().any(|seen| !seen.judged)
        })
}

/// How a fire in this unit counts for its neighbours: time since it ended, 0 while it holds; `None` for no fire. ms.
pub fn burning_ms(unit: &Unit, now_ms: u64) -> Option<u64> {
    let is_fire = |held: &Held| rule::condition(held.condition).family == Family::Fire;
    // conditions that are summed of others are no evidence of their own
    let own = |held: &Held| held.device != NO_DEVICE || rule::is_sighting(held.condition);
    if unit.held.iter().any(|held| !held.muted && is_fire(held) && own(held)) {
        return Some(0);
    }
    let ended = unit.traces.as_ref()?.ended.iter();
    ended
        .filter(|ended| rule::condition(ended.condition).family == Family::Fire)
        .map(|ended| now_ms.saturating_sub(ended.at_ms).max(1))
        .min()
}

/// Where it came from, for people.
pub fn whence(source: Source, device: impl Fn(u32) -> String, unit: impl Fn(u32) -> String) -> Words {
    match source {
        Source::Device(number, condition) => {
            let name = rule::condition(condition).name;
            let key = device(number);
            words(format!("设备 {key}，{name}"), format!("device {key}, {name}"))
        }
        Source::Person(_) => words("人员报告", "a person's report"),
        Source::Neighbour(number) => {
            let code = unit(number);
            words(format!("单位 {code}"), format!("unit {code}"))
        }
    }
}
