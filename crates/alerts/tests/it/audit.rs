//! The auditor: what it finds when the desk does not do its work, and that it finds nothing when it does.

use alerts::{AuditLimits, Late, LateKind, audit};
use model::{Ledger, LedgerBatch};

use crate::random::Town;
use crate::world::{START_MS, World, finding};

const LIMITS: AuditLimits = AuditLimits { step_s: 15, red_untried_s: 60, untried_s: 3600 };

fn late(world: &World, at_s: u64) -> Vec<Late> {
    let (open, owed) = (world.books.open_alerts().unwrap(), world.books.owed().unwrap());
    audit(&open, &owed, START_MS + at_s * 1000, LIMITS)
}

fn words(late: &[Late]) -> Vec<(&'static str, String)> {
    late.iter().map(|late| (late.kind.word(), late.about.to_string())).collect()
}

#[test]
fn a_desk_that_stalls_is_found_by_the_clock_alone() {
    let mut world = World::new();
    world.step(0, vec![], vec![finding(&["began", "U0", "smoke/7", "orange"], 0)], vec![]);
    assert_eq!(late(&world, 59), []);
    assert_eq!(late(&world, 75), [], "fifteen seconds of grace");
    // no tick comes: the step to the village's chief is not told
    let found = late(&world, 76);
    assert_eq!(words(&found), [("step", "fire-0-1".into())]);
    assert_eq!(found[0].due_ms, START_MS + 60_000);
    assert_eq!(found[0].detail, "the next step of fire-0-1 was due at 2026-01-01 00:01 UTC");
    // nor does the dispatcher try anything
    let kinds: Vec<LateKind> = late(&world, 3_700).iter().map(|late| late.kind).collect();
    assert_eq!(kinds, [vec![LateKind::Step], vec![LateKind::Delivery; 4]].concat());
}

#[test]
fn a_fire_that_nobody_was_told_of_is_found_whatever_its_ladder_says() {
    let mut world = World::new();
    world.step(0, vec![], vec![finding(&["began", "U0", "smoke/7", "red"], 0)], vec![]);
    let mut alert = world.alert("fire-0-1");
    alert.ladder.clear();
    let batch = LedgerBatch { epoch: 99, at_ms: START_MS, alerts: vec![alert.into()], ..LedgerBatch::default() };
    world.books.commit(&batch).unwrap();
    assert_eq!(words(&late(&world, 20)), [("untold_fire", "fire-0-1".into())]);
}

#[test]
fn red_that_was_never_tried_is_late_after_a_minute() {
    let mut world = World::new();
    world.step(0, vec![], vec![finding(&["began", "U3", "smoke/7", "red"], 0)], vec![]);
    let found = late(&world, 61);
    assert!(!found.is_empty() && found.iter().all(|late| late.kind == LateKind::Delivery), "{found:?}");
}

/// A desk that gets its ticks leaves nothing for the auditor to find, whatever happens.
#[test]
fn of_a_desk_that_works_nothing_is_said() {
    for seed in 0..20 {
        let mut town = Town::new(seed * 31 + 5);
        for _ in 0..100 {
            town.live();
            let evaluated = town.world.evaluated.last().unwrap();
            if !evaluated.step.commit.entries.contains(&model::Entry::Tick) {
                continue;
            }
            let now_ms = evaluated.step.commit.at_ms;
            let limits = AuditLimits { step_s: 0, red_untried_s: u64::MAX / 4000, untried_s: u64::MAX / 4000 };
            let found = audit(&town.world.books.open_alerts().unwrap(), &[], now_ms, limits);
            assert_eq!(found, [], "seed {seed} at {now_ms}");
        }
    }
}
