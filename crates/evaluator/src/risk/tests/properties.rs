//! What holds for every unit, whatever is known of it.

use super::*;

fn seen() -> impl Strategy<Value = Seen<'static>> {
    let profile = (prop::option::of(0..200_u32), prop::option::of(0..20_u32), prop::option::of(0..40_u16))
        .prop_map(|(people, vulnerable, storeys)| UnitProfile { people, vulnerable, storeys, area_m2: None });
    let water = prop_oneof![
        Just(Water::OwnInTrouble),
        Just(Water::NotKnown),
        (1..4_u32).prop_map(Water::InTrouble),
        prop::option::of(0.0..600.0_f64).prop_map(Water::Within),
    ];
    let station = prop::option::of((prop::option::of(0.0..2000.0_f64), 0..8_u32))
        .prop_map(|reach| reach.map(|(distance_m, members)| Reach { distance_m, members }));
    let counts = (0..6_u32, 0..6_u32, 0..6_u32, 0..50_u32, 0..9_u32, 0..9_u32, prop::option::of(0..400_u32));
    let category = prop_oneof![Just("出租房"), Just("养老院"), Just("船")];
    (counts, (0.0..1.0_f64, 0.0..1.0_f64), profile, water, station, category, 0..3_usize, 0..2_usize).prop_map(
        |(counts, (fault_share, blind_share), profile, water, station, category, missing, dead)| {
            let (hazards, open, overdue, alarms, falses, alarms_of_worst_day, days_since_fire) = counts;
            Seen {
                hazards: hazards.max(open),
                open,
                overdue: overdue.min(open),
                oldest_days: f64::from(overdue),
                fault_share,
                blind_share,
                alarms,
                falses,
                alarms_of_worst_day,
                days_since_fire,
                category,
                profile,
                required: 4,
                missing: SmallVec::from_elem(DeviceClass::Gas, missing),
                dead: SmallVec::from_elem(DeviceClass::Smoke, dead),
                station,
                water,
            }
        },
    )
}

proptest! {
    #[test]
    fn worse_never_lowers_the_index(seen in seen(), by in 1..5_u32) {
        let settings = Settings::default();
        let index = score(&seen, &settings);
        prop_assert!((0.0..=100.0).contains(&index));
        for indicator in INDICATORS {
            let value = (indicator.value)(&seen, &settings);
            prop_assert!((0.0..=1.0).contains(&value), "{} {value}", indicator.name);
        }
        let more = |count: Option<u32>| count.map(|count| count + by);
        let mut worse = vec![seen.clone(); 10];
        (worse[0].open, worse[0].hazards) = (seen.open + by, seen.hazards + by);
        worse[1].overdue += by;
        worse[2].fault_share += 0.1;
        worse[3].blind_share += 0.1;
        worse[4].falses += by;
        worse[5].alarms += by;
        worse[6].alarms_of_worst_day += by;
        worse[7].missing.push(DeviceClass::Smoke);
        worse[7].required += 1;
        worse[8].profile.people = more(seen.profile.people);
        worse[9].profile.vulnerable = more(seen.profile.vulnerable);
        for (at, worse) in worse.iter().enumerate() {
            prop_assert!(score(worse, &settings) >= index - 1e-9, "{at}: {worse:?}");
        }
        let mut later = seen.clone();
        later.days_since_fire = more(seen.days_since_fire);
        prop_assert!(score(&later, &settings) <= index + 1e-9);
    }

    #[test]
    fn a_nearer_or_further_station_never_raises_it(
        here in (-3000.0..3000.0_f32, -3000.0..3000.0_f32),
        mut stations in prop::collection::vec(((-4000.0..4000.0_f32, -4000.0..4000.0_f32), 0..5_usize), 1..6),
        which in any::<prop::sample::Index>(),
        nearer in 0.0..1.0_f32,
    ) {
        let index = |stations: &[((f32, f32), usize)]| {
            let stations: Vec<_> = stations.iter().map(|(at, members)| (1, Some(*at), *members)).collect();
            let roster = roster(&[Place::new("出租房", 1, here)], &[], &stations);
            let mut bench = Bench::new("", roster);
            bench.word_of_clock(0);
            explain(&bench, 0).exact
        };
        let before = index(&stations);
        let moved = which.index(stations.len());
        let at = &mut stations[moved].0;
        *at = (here.0 + (at.0 - here.0) * nearer, here.1 + (at.1 - here.1) * nearer);
        let after = index(&stations);
        prop_assert!(after <= before + 1e-3, "{before} {after}");
        stations.push(((0.0, 0.0), 1));
        prop_assert!(index(&stations) <= after + 1e-9);
    }
}
