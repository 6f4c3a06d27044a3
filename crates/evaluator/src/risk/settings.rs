//! The table `[risk]` of the rules.

use std::collections::BTreeMap;

use model::roster::DeviceClass;
use serde::{Deserialize, Deserializer, Serialize};

use super::indicators::INDICATORS;

/// Row of the tables by category for a category that has none of its own.
pub const DEFAULT_ROW: &str = "default";

/// Classes that a category must have: those usual in the trade. The local authority's own list takes their place.
const COVERAGE: &[(&str, &[DeviceClass])] = {
    use DeviceClass::{Electrical, Gas, Manual, Smoke, Water};
    &[
        (DEFAULT_ROW, &[Smoke]),
        ("出租房", &[Smoke]),
        ("居民自建房", &[Smoke]),
        ("多层住宅", &[Smoke]),
        ("高层住宅", &[Smoke, Manual, Water]),
        ("沿街商铺", &[Smoke, Electrical]),
        ("家庭作坊", &[Smoke, Electrical]),
        ("企业厂房", &[Smoke, Electrical, Manual, Water]),
        ("仓库", &[Smoke, Electrical, Water]),
        ("餐饮场所", &[Smoke, Gas, Electrical]),
        ("民宿", &[Smoke, Manual, Electrical]),
        ("宾馆", &[Smoke, Manual, Electrical, Water]),
        ("养老院", &[Smoke, Manual, Electrical, Water]),
        ("幼儿园", &[Smoke, Manual, Electrical]),
        ("学校", &[Smoke, Manual, Electrical, Water]),
        ("医疗机构", &[Smoke, Manual, Electrical, Water]),
        ("商场超市", &[Smoke, Manual, Electrical, Water]),
        ("公共娱乐场所", &[Smoke, Manual, Electrical, Water]),
        ("办公楼", &[Smoke, Manual, Electrical]),
    ]
};

/// How likely and grave a fire is by category, 0 to 1: a starting point, for the local authority to change.
const CATEGORIES: &[(&str, f64)] = &[
    (DEFAULT_ROW, 0.5),
    ("公共娱乐场所", 1.0),
    ("养老院", 1.0),
    ("家庭作坊", 0.9),
    ("幼儿园", 0.9),
    ("医疗机构", 0.9),
    ("商场超市", 0.85),
    ("出租房", 0.8),
    ("宾馆", 0.8),
    ("企业厂房", 0.75),
    ("仓库", 0.75),
    ("餐饮场所", 0.75),
    ("民宿", 0.7),
    ("学校", 0.7),
    ("居民自建房", 0.6),
    ("高层住宅", 0.6),
    ("沿街商铺", 0.6),
    ("多层住宅", 0.4),
    ("办公楼", 0.4),
];

/// Weights, and the points at which indicators are full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Names weights and points; shown with every score. Change it whenever you change one of them. Default "1".
    pub version: String,
    /// Open hazards from which their indicator is full; one that is orange counts twice. Count, default 3.
    pub hazards_full: f64,
    /// A hazard open for longer than so many days is overdue. Default 7.
    pub overdue_after_days: f64,
    /// Overdue hazards from which their indicator is full. Count, default 2.
    pub overdue_full: f64,
    /// Share of 30 days in fault from which the indicator is full. Default 0.1.
    pub fault_share_full: f64,
    /// Share of 30 days blind from which the indicator is full. Default 0.2.
    pub blind_share_full: f64,
    /// Fire alarms found false in 30 days from which nuisance is full. Count, default 5.
    pub falses_full: f64,
    /// Fire alarms in 30 days from which nuisance is full. Count, default 30.
    pub alarms_full: f64,
    /// A unit with more alarms than this on one day of the last 30 is a chronic source of nuisance: full. Count, default 5:
    /// the check list of remote fire monitoring (GB 50440) has units with more than five false alarms a day agree on a
    /// handling with the centre.
    pub chronic_alarms_a_day: u32,
    /// A real fire counts less each day, and after so many days no longer. Default 365.
    pub fire_memory_days: f64,
    /// People from which occupancy is full. Count, default 50.
    pub people_full: f64,
    /// Vulnerable people from which their indicator is full. Count, default 5.
    pub vulnerable_full: f64,
    /// Storeys from which the indicator is full. Count, default 10.
    pub storeys_full: f64,
    /// A micro station this near counts nothing, m. Default 300.
    pub station_near_m: f64,
    /// A micro station beyond this is none, m. Default 2000: people are expected within three minutes.
    pub station_far_m: f64,
    /// Members from which a micro station is ready. Count, default 3.
    pub station_members_full: f64,
    /// Monitored water this near counts nothing, m. Default 150.
    pub water_near_m: f64,
    /// Monitored water beyond this is none, m. Default 600.
    pub water_far_m: f64,
    /// The index is told when it is off by so many points. Default 0.75.
    pub told_step_points: f64,
    /// A unit's index is computed again after so many seconds at the earliest. s, default 60.
    pub recompute_least_s: u32,
    /// A unit's index is computed again after so many seconds, or up to a sixth less, though nothing changed. s, default 3600.
    pub refresh_every_s: u32,
    /// Units that the sweep looks at in one tick, at most. Count, default 1500; 76,000 units in a minute are 1,267 a second.
    pub visits_per_tick_max: u32,
    /// What each indicator counts; they sum up to 1.
    pub weights: Weights,
    /// Device classes that a category must have. Rows that are given take the place of those of the same category; the row
    /// `default` is for all others; an empty row asks for nothing.
    #[serde(deserialize_with = "coverage_rows")]
    pub coverage: BTreeMap<String, Vec<DeviceClass>>,
    /// How likely and grave a fire is by category, 0 to 1. Rows as in `coverage`.
    #[serde(deserialize_with = "category_rows")]
    pub category: BTreeMap<String, f64>,
}

/// What each indicator counts; they sum up to 1. The defaults sum up by group to a published index of fire risk (historic
/// buildings; analytic hierarchy and entropy weights): hazard 0.184, building 0.216, facilities 0.200, management 0.185,
/// response 0.215. How a group is divided among its indicators is ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Weights {
    /// Hazard. Default 0.114.
    pub open_hazards: f64,
    /// Hazard. Default 0.07.
    pub recent_fire: f64,
    /// Building. Default 0.081.
    pub category: f64,
    /// Building. Default 0.045.
    pub occupancy: f64,
    /// Building. Default 0.055.
    pub vulnerable: f64,
    /// Building. Default 0.035.
    pub storeys: f64,
    /// Facilities. Default 0.1.
    pub coverage: f64,
    /// Facilities. Default 0.04.
    pub fault_time: f64,
    /// Facilities. Default 0.06.
    pub blind_time: f64,
    /// Management. Default 0.1.
    pub overdue_hazards: f64,
    /// Management. Default 0.085.
    pub nuisance: f64,
    /// Response. Default 0.08.
    pub station_distance: f64,
    /// Response. Default 0.05.
    pub station_readiness: f64,
    /// Response. Default 0.085.
    pub water: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Weights {
            open_hazards: 0.114,
            recent_fire: 0.07,
            category: 0.081,
            occupancy: 0.045,
            vulnerable: 0.055,
            storeys: 0.035,
            coverage: 0.1,
            fault_time: 0.04,
            blind_time: 0.06,
            overdue_hazards: 0.1,
            nuisance: 0.085,
            station_distance: 0.08,
            station_readiness: 0.05,
            water: 0.085,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            version: "1".into(),
            hazards_full: 3.0,
            overdue_after_days: 7.0,
            overdue_full: 2.0,
            fault_share_full: 0.1,
            blind_share_full: 0.2,
            falses_full: 5.0,
            alarms_full: 30.0,
            chronic_alarms_a_day: 5,
            fire_memory_days: 365.0,
            people_full: 50.0,
            vulnerable_full: 5.0,
            storeys_full: 10.0,
            station_near_m: 300.0,
            station_far_m: 2000.0,
            station_members_full: 3.0,
            water_near_m: 150.0,
            water_far_m: 600.0,
            told_step_points: 0.75,
            recompute_least_s: 60,
            refresh_every_s: 3600,
            visits_per_tick_max: 1500,
            weights: Weights::default(),
            coverage: default_coverage(),
            category: default_categories(),
        }
    }
}

impl Settings {
    /// Classes that a category must have.
    pub fn required(&self, category: &str) -> &[DeviceClass] {
        row(&self.coverage, category).map_or(&[], Vec::as_slice)
    }

    /// How likely and grave a fire is in a category, 0 to 1; and whether the table knows the category.
    pub fn of_category(&self, category: &str) -> (f64, bool) {
        (row(&self.category, category).copied().unwrap_or(0.5), self.category.contains_key(category))
    }

    /// What is wrong with them, and what to do about it.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.version.is_empty() || self.version.len() > VERSION_BYTES_MAX {
            return Err(format!("version must have 1 to {VERSION_BYTES_MAX} bytes"));
        }
        let weights = INDICATORS.iter().map(|indicator| (indicator.name, (indicator.weight)(&self.weights)));
        if let Some((name, weight)) = weights.clone().find(|(_, weight)| !(0.0..=1.0).contains(weight)) {
            return Err(format!("weights.{name} = {weight} must be from 0 to 1"));
        }
        let sum: f64 = weights.map(|(_, weight)| weight).sum();
        if (sum - 1.0).abs() > SUM_OFF_MOST {
            return Err(format!(
                "the weights sum up to {sum:.6} and must sum up to 1: change weights.* by {:+.6}",
                1.0 - sum
            ));
        }
        let positive = [
            ("hazards_full", self.hazards_full),
            ("overdue_after_days", self.overdue_after_days),
            ("overdue_full", self.overdue_full),
            ("fault_share_full", self.fault_share_full),
            ("blind_share_full", self.blind_share_full),
            ("falses_full", self.falses_full),
            ("alarms_full", self.alarms_full),
            ("fire_memory_days", self.fire_memory_days),
            ("people_full", self.people_full),
            ("vulnerable_full", self.vulnerable_full),
            ("station_members_full", self.station_members_full),
        ];
        if let Some((name, value)) = positive.iter().find(|(_, value)| !(value.is_finite() && *value > 0.0)) {
            return Err(format!("{name} = {value} must be a number above 0"));
        }
        let rising = [
            ("1 storey", 1.0, "storeys_full", self.storeys_full),
            ("station_near_m", self.station_near_m, "station_far_m", self.station_far_m),
            ("water_near_m", self.water_near_m, "water_far_m", self.water_far_m),
            ("0 points", 0.0, "told_step_points", self.told_step_points),
        ];
        if let Some((low, from, high, to)) = rising.iter().find(|(_, from, _, to)| !(0.0 <= *from && from < to)) {
            return Err(format!("{low} = {from} must be 0 or above, and below {high} = {to}"));
        }
        if self.told_step_points > 10.0 {
            return Err("told_step_points must be 10 or below".into());
        }
        if self.visits_per_tick_max == 0 || self.refresh_every_s < 60 {
            return Err("visits_per_tick_max must be 1 or above, refresh_every_s 60 or above".into());
        }
        match self.category.iter().find(|(_, value)| !(0.0..=1.0).contains(*value)) {
            Some((name, value)) => Err(format!("category.{name} = {value} must be from 0 to 1")),
            None => Ok(()),
        }
    }
}

const VERSION_BYTES_MAX: usize = 64;
/// Weights written with a few decimals do not sum up to 1 to the last bit.
const SUM_OFF_MOST: f64 = 1e-6;

fn row<'a, T>(table: &'a BTreeMap<String, T>, category: &str) -> Option<&'a T> {
    table.get(category).or_else(|| table.get(DEFAULT_ROW))
}

fn default_coverage() -> BTreeMap<String, Vec<DeviceClass>> {
    COVERAGE.iter().map(|(category, classes)| ((*category).to_owned(), classes.to_vec())).collect()
}

fn default_categories() -> BTreeMap<String, f64> {
    CATEGORIES.iter().map(|(category, value)| ((*category).to_owned(), *value)).collect()
}

fn coverage_rows<'de, D: Deserializer<'de>>(rows: D) -> Result<BTreeMap<String, Vec<DeviceClass>>, D::Error> {
    over(default_coverage(), rows)
}

fn category_rows<'de, D: Deserializer<'de>>(rows: D) -> Result<BTreeMap<String, f64>, D::Error> {
    over(default_categories(), rows)
}

fn over<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    mut table: BTreeMap<String, T>,
    rows: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    table.extend(BTreeMap::<String, T>::deserialize(rows)?);
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;

    #[test]
    fn the_defaults_sum_up_to_the_published_groups() {
        let Weights { open_hazards, recent_fire, category, occupancy, vulnerable, storeys, .. } = Weights::default();
        let Weights { coverage, fault_time, blind_time, overdue_hazards, nuisance, .. } = Weights::default();
        let Weights { station_distance, station_readiness, water, .. } = Weights::default();
        for (group, expected) in [
            (open_hazards + recent_fire, 0.184),
            (category + occupancy + vulnerable + storeys, 0.216),
            (coverage + fault_time + blind_time, 0.200),
            (overdue_hazards + nuisance, 0.185),
            (station_distance + station_readiness + water, 0.215),
        ] {
            assert!((group - expected).abs() < 1e-9, "{group} {expected}");
        }
        Settings::default().check().expect("sound");
    }

    #[test]
    fn faults_say_what_is_wrong() {
        for (text, told) in [
            ("[risk.weights]\nwater = 0.285", "[risk] the weights sum up to 1.200000 and must sum up to 1"),
            ("[risk.weights]\nwater = -0.1", "weights.water = -0.1 must be from 0 to 1"),
            ("[risk.weights]\nwatter = 0.1", "did you mean `water`?"),
            ("[risk]\nversion = \"\"", "version must have 1 to 64 bytes"),
            ("[risk]\npeople_full = 0", "people_full = 0 must be a number above 0"),
            ("[risk]\nwater_near_m = 700", "water_near_m = 700 must be 0 or above, and below water_far_m = 600"),
            ("[risk.category]\n\"出租房\" = 1.5", "category.出租房 = 1.5 must be from 0 to 1"),
            ("[risk.coverage]\n\"出租房\" = [\"smok\"]", "unknown variant `smok`"),
        ] {
            let error = Rules::parse(text).expect_err(text).to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn rows_that_are_given_take_the_place_of_their_own_alone() {
        let text =
            "[risk.coverage]\n\"出租房\" = [\"smoke\", \"gas\"]\n\"庙宇\" = []\n[risk.category]\ndefault = 0.3\n";
        let rules = Rules::parse(text).expect("sound");
        let settings = &rules.settings().risk;
        assert_eq!(settings.required("出租房"), [DeviceClass::Smoke, DeviceClass::Gas]);
        assert_eq!(settings.required("养老院").len(), 4);
        assert!(settings.required("庙宇").is_empty());
        assert_eq!(settings.required("船"), [DeviceClass::Smoke]);
        assert_eq!((settings.of_category("船"), settings.of_category("养老院")), ((0.3, false), (1.0, true)));
        assert_eq!(Rules::parse(&rules.to_toml()).expect("valid").settings(), rules.settings());
    }
}
