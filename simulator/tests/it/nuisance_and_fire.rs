//! The physics: growth, ceiling jet, what detectors meet in fires and in nuisance.

use simulator::{
    ambient::{self, Air},
    category,
    fire::{Burning, Course, FAST, MEDIUM, Room, SCENARIOS, SLOW, ULTRA_FAST, ceiling_jet},
    incident::{Active, Nuisance, Spot, Trouble, What},
};

const ROOM: Room = Room { area_m2: 16.0, height_m: 2.7 };
const NEAR: Spot = Spot { radius_m: 2.0, in_origin: true, in_view: true };

fn scenario(name: &str) -> usize {
    SCENARIOS.iter().position(|s| s.name == name).unwrap()
}

fn course(name: &str, smoulder_s: f64) -> Course {
    Course { scenario: scenario(name), smoulder_s, peak_kw: 1_500.0, fought_s: smoulder_s + 900.0, room: ROOM }
}

fn noon() -> i64 {
    1_763_697_600_000 // 2025-11-21 12:00 in Yuhuan
}

fn quiet() -> Air {
    ambient::quiet(category::find("出租房"), 0.0, noon())
}

/// Air at the detector every second of an incident, up to `seconds`.
fn course_of(what: What, seconds: i64) -> Vec<Air> {
    let mut active = Active::new(what, noon());
    (0..seconds)
        .map(|s| {
            let now = noon() + s * 1_000;
            active.advance(now);
            let mut air = quiet();
            active.apply(now, NEAR, &mut air);
            air
        })
        .collect()
}

#[test]
fn growth_classes_reach_1055_kw_in_their_times() {
    for (alpha, seconds) in [(SLOW, 600.0), (MEDIUM, 300.0), (FAST, 150.0), (ULTRA_FAST, 75.0f64)] {
        let heat_kw: f64 = alpha * seconds * seconds;
        assert!((heat_kw - 1_055.0).abs() < 1.5, "{heat_kw} kW after {seconds} s");
    }
}

#[test]
fn heat_release_grows_with_the_square_of_time_and_dies_when_fought() {
    let c = course("堆放杂物", 100.0);
    assert_eq!(c.heat_kw(100.0), 0.0);
    assert!((c.heat_kw(200.0) - MEDIUM * 10_000.0).abs() < 1e-9);
    assert!((c.heat_kw(300.0) / c.heat_kw(200.0) - 4.0).abs() < 1e-9);
    assert_eq!(c.heat_kw(900.0), 1_500.0, "limited by fuel and air");
    assert!(c.heat_kw(c.fought_s + 60.0) < 0.4 * 1_500.0);
}

#[test]
fn the_ceiling_jet_is_alperts() {
    // worked by hand: 100 kW under 2.4 m, in the plume and 2 m away
    let (plume_k, plume_m_s) = ceiling_jet(100.0, 2.4, 0.2);
    assert!((plume_k - 84.6).abs() < 0.5, "{plume_k}");
    assert!((plume_m_s - 3.284).abs() < 0.01, "{plume_m_s}");
    let (away_k, away_m_s) = ceiling_jet(100.0, 2.4, 2.0);
    assert!((away_k - 30.4).abs() < 0.3, "{away_k}");
    assert!((away_m_s - 0.795).abs() < 0.01, "{away_m_s}");
    assert_eq!(ceiling_jet(0.0, 2.4, 2.0), (0.0, 0.0));
}

#[test]
fn a_flaming_fire_brings_smoke_then_heat_and_carbon_monoxide() {
    let air = course_of(What::Fire { course: course("堆放杂物", 30.0), precursor_s: 0.0 }, 400);
    let first = |test: &dyn Fn(&Air) -> bool| air.iter().position(test).unwrap_or(usize::MAX);
    let smoke = first(&|a| a.smoke_db_m > 0.13);
    let heat = first(&|a| a.jet_c > 57.2);
    let co = first(&|a| a.co_ppm > 30.0);
    assert!((20..150).contains(&smoke), "smoke after {smoke} s");
    assert!(heat > smoke && heat < 250, "57 °C after {heat} s");
    assert!(co < 250, "30 ppm after {co} s");
}

#[test]
fn a_smouldering_fire_brings_smoke_and_carbon_monoxide_long_before_heat() {
    let air = course_of(What::Fire { course: course("卧具阴燃", 1_500.0), precursor_s: 0.0 }, 1_500);
    let smoke = air.iter().position(|a| a.smoke_db_m > 0.13).expect("a smoke detector notices it");
    let co = air.iter().position(|a| a.co_ppm > 50.0).expect("carbon monoxide gathers");
    assert!(smoke < 900 && co < 1_400, "smoke after {smoke} s, 50 ppm after {co} s");
    let warmest = air.iter().map(|a| a.jet_c).fold(f64::MIN, f64::max);
    assert!(warmest < quiet().jet_c + 3.0, "smouldering hardly warms the ceiling: {warmest} °C");
}

#[test]
fn an_electric_bicycle_is_the_fastest() {
    let until_hot = |name: &str| {
        let air = course_of(What::Fire { course: course(name, 30.0), precursor_s: 0.0 }, 400);
        air.iter().position(|a| a.jet_c > 80.0).unwrap()
    };
    assert!(until_hot("电动自行车") * 2 < until_hot("堆放杂物"));
}

#[test]
fn the_room_beside_gets_less_and_later() {
    let mut burning = Burning::new(course("堆放杂物", 30.0));
    burning.advance(200.0);
    let (here, beside) = (burning.exposure(2.0, true), burning.exposure(2.0, false));
    assert!(beside.smoke_db_m > 0.13 && beside.smoke_db_m < 0.5 * here.smoke_db_m, "{beside:?} against {here:?}");
    assert!(beside.warmer_k < 0.5 * here.warmer_k);
}

#[test]
fn electrical_fires_announce_themselves() {
    let air = course_of(What::Fire { course: course("电气线路", 120.0), precursor_s: 900.0 }, 900);
    assert!(air[890].leak_ma > 400.0 && air[890].contact > 5.0);
    assert!(air[450].leak_ma < 150.0, "it comes slowly");
    assert!(air.iter().all(|a| a.smoke_db_m < 0.02), "and nothing burns yet");
}

#[test]
fn nuisance_has_smoke_without_the_carbon_monoxide_and_heat_of_a_fire() {
    for kind in [Nuisance::Cooking, Nuisance::Steam, Nuisance::Dust, Nuisance::Cigarette] {
        for strength in [0.1, 0.5, 1.0] {
            let air = course_of(What::Nuisance { kind, strength }, 1_500);
            let most = |f: &dyn Fn(&Air) -> f64| air.iter().map(f).fold(f64::MIN, f64::max);
            assert!(most(&|a| a.co_ppm) < 10.0, "{kind:?} {strength}: {} ppm", most(&|a| a.co_ppm));
            assert!(most(&|a| a.jet_c) - quiet().jet_c <= 2.0, "{kind:?} {strength}");
            if strength == 1.0 {
                assert!(most(&|a| a.smoke_db_m) > 0.16, "{kind:?} alarms any smoke detector");
            }
            let late = air.last().unwrap();
            assert!(late.smoke_db_m < 0.06, "{kind:?} {strength} goes away: {}", late.smoke_db_m);
        }
    }
    let steam = course_of(What::Nuisance { kind: Nuisance::Steam, strength: 1.0 }, 300);
    assert!(steam.iter().any(|a| a.humidity_pct > quiet().humidity_pct + 20.0), "steam is wet");
}

#[test]
fn hazards_pass_the_limits_at_which_devices_alarm_and_end_when_repaired() {
    let worst = |kind, strength| course_of(What::Trouble { kind, strength, repaired_s: 2_400.0 }, 4_000);
    let leak = worst(Trouble::Insulation, 1.0);
    assert!(leak[2_000].leak_ma > 500.0 && leak[3_900].leak_ma < 10.0);
    let gas = worst(Trouble::GasLeak, 1.0);
    assert!(gas[1_200].gas_lel_pct > 25.0 && gas[3_900].gas_lel_pct < 1.0);
    let pressure = worst(Trouble::PressureLoss, 1.0);
    assert!(0.3 * pressure[2_000].pressure < 0.07);
    assert!(worst(Trouble::GasLeak, 0.0).iter().all(|a| a.gas_lel_pct < 10.0), "a slight leak alarms nobody");
}

#[test]
fn quiet_days_are_plausible() {
    for (name, day) in [("出租房", 0), ("企业厂房", 90), ("养老院", 180), ("沿街商铺", 270)] {
        let category = category::find(name);
        for quarter in 0..96 {
            let now = noon() + day * 86_400_000 + quarter * 900_000;
            let air = ambient::quiet(category, 1.0, now);
            assert!((5.0..38.0).contains(&air.temperature_c), "{name}: {} °C", air.temperature_c);
            assert!(air.smoke_db_m < 0.04 && air.co_ppm < 6.0 && air.gas_lel_pct < 1.0, "{name}: {air:?}");
            assert!((0.0..=1.0).contains(&air.load) && air.pressure > 0.75);
            assert!((30.0..99.0).contains(&air.humidity_pct), "{name}: {}", air.humidity_pct);
        }
    }
}
