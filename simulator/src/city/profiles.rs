//! Who lives or works in a unit, how high and how large it is: what a register of premises would say.
//!
//! Ranges are the author's guess at what is usual. One field in twelve is left empty, as in every register.

use super::Settings;
use crate::{category, roster::Roster};
use rand::Rng;
use std::ops::RangeInclusive;

/// One field in this many is not known.
const UNKNOWN: f64 = 1.0 / 12.0;

/// What is usual in a kind of premises.
struct Usual {
    category: &'static str,
    people: RangeInclusive<u32>,
    /// Of the people, those who need help to get out, %.
    vulnerable_pct: RangeInclusive<u32>,
    storeys: RangeInclusive<u16>,
    area_m2: RangeInclusive<u32>,
}

const fn row(
    category: &'static str,
    people: RangeInclusive<u32>,
    vulnerable_pct: RangeInclusive<u32>,
    storeys: RangeInclusive<u16>,
    area_m2: RangeInclusive<u32>,
) -> Usual {
    Usual { category, people, vulnerable_pct, storeys, area_m2 }
}

/// By the names of [`category::CATEGORIES`].
const USUAL: [Usual; 18] = [
    row("出租房", 2..=18, 0..=25, 2..=6, 40..=300),
    row("居民自建房", 2..=7, 0..=60, 1..=5, 80..=320),
    row("沿街商铺", 1..=8, 0..=15, 1..=3, 20..=160),
    row("企业厂房", 10..=260, 0..=0, 1..=5, 600..=8_000),
    row("家庭作坊", 2..=14, 0..=15, 1..=4, 60..=500),
    row("多层住宅", 1..=5, 0..=60, 4..=7, 60..=140),
    row("高层住宅", 1..=5, 0..=50, 11..=33, 80..=160),
    row("餐饮场所", 5..=90, 0..=10, 1..=3, 40..=600),
    row("民宿", 4..=30, 0..=15, 2..=5, 150..=900),
    row("宾馆", 20..=240, 0..=8, 3..=14, 800..=9_000),
    row("仓库", 1..=15, 0..=0, 1..=2, 300..=6_000),
    row("养老院", 20..=180, 70..=95, 2..=6, 800..=7_000),
    row("学校", 200..=1_600, 85..=95, 3..=6, 3_000..=20_000),
    row("幼儿园", 60..=360, 85..=93, 2..=4, 800..=4_000),
    row("医疗机构", 10..=420, 30..=60, 1..=10, 200..=15_000),
    row("商场超市", 30..=900, 5..=20, 1..=6, 800..=20_000),
    row("公共娱乐场所", 20..=240, 0..=5, 1..=5, 200..=2_500),
    row("办公楼", 10..=320, 0..=3, 3..=18, 500..=12_000),
];

/// Fills the profiles of `roster.units`.
pub fn build(settings: &Settings, roster: &mut Roster) {
    let mut rng = settings.rng(6);
    for unit in &mut roster.units {
        let name = category::find(&unit.category).name;
        let usual = USUAL.iter().find(|usual| usual.category == name).unwrap_or(&USUAL[2]);
        let people = rng.random_range(usual.people.clone());
        let vulnerable = people * rng.random_range(usual.vulnerable_pct.clone()) / 100;
        let (storeys, area_m2) = (rng.random_range(usual.storeys.clone()), rng.random_range(usual.area_m2.clone()));
        unit.people = (!rng.random_bool(UNKNOWN)).then_some(people);
        unit.vulnerable = (!rng.random_bool(UNKNOWN)).then_some(vulnerable);
        unit.storeys = (!rng.random_bool(UNKNOWN)).then_some(storeys);
        unit.area_m2 = (!rng.random_bool(UNKNOWN)).then_some(area_m2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_row_of_its_own() {
        for kind in category::CATEGORIES {
            assert_eq!(USUAL.iter().filter(|usual| usual.category == kind.name).count(), 1, "{}", kind.name);
        }
        assert_eq!(USUAL.len(), category::CATEGORIES.len());
    }
}
