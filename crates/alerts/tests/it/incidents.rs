//! Incidents: many alerts of one cause are told as one, and nobody's fire is lost in it.

use std::collections::BTreeMap;

use alerts::Policy;
use model::hold::{StormKind, key};
use model::roster::{PersonRow, Post, RosterRows};
use model::{
    Action, AlertId, Cause, Command, Delivery, DeliveryState, Entry, Family, FeedKind, Finding, HeldBy, KeptKind,
    Ledger, Matter, OrderId, Storm, Verdict, wire,
};

use crate::world::{GRID, World, code, finding, person, rows, unit};

/// Units U0 to U99 in the first village, U100 to U199 in the second; U0 to U9 are one building.
fn town() -> RosterRows {
    let mut rows = rows();
    rows.units = (0..200)
        .map(|n| {
            let mut unit = unit(&format!("U{n}"), if n < 100 { GRID } else { "331083001002001" }, "O0", None);
            if n < 10 {
                unit.1.address = "1 Dock Road".into();
            }
            unit
        })
        .collect();
    rows.people.push(second_chief());
    rows
}

fn second_chief() -> (usize, PersonRow) {
    person("W7", Post::VillageChief, "331083001002", &["mqtt"])
}

fn town_world() -> World {
    World::with(&town(), Policy::default())
}

fn began(units: impl Iterator<Item = u32>, what: &str) -> Vec<Finding> {
    units.map(|n| finding(&format!("began U{n} {what}").split(' ').collect::<Vec<_>>(), 0)).collect()
}

fn storms(world: &World) -> Vec<Storm> {
    let rows = world.books.kept(KeptKind::Storm, Some(key::STORMS), 99).unwrap();
    let storms = rows.iter().take_while(|(key, _)| key.as_slice() < key::STORMS_END);
    storms.map(|(_, value)| wire::decode(value).unwrap()).collect()
}

/// Deliveries by person, of incidents or of alerts.
fn owed(deliveries: &[std::sync::Arc<Delivery>], of_orders: bool) -> BTreeMap<String, usize> {
    let mut people = BTreeMap::new();
    let owed = deliveries.iter().filter(|delivery| delivery.state == DeliveryState::Owed);
    for delivery in owed.filter(|delivery| matches!(delivery.matter, Matter::Order(_)) == of_orders) {
        *people.entry(delivery.person_code.to_string()).or_default() += 1;
    }
    people
}

fn people(names: &[(&str, usize)]) -> BTreeMap<String, usize> {
    names.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn verified(alert: &str, verdict: Verdict) -> Entry {
    Entry::Command(Command {
        id: format!("G1/{alert}-{}", verdict.word()).as_str().into(),
        person: "G1".into(),
        entered_by: None,
        alert: alert.parse().unwrap(),
        action: Action::Verify(verdict, Cause::Unknown),
        note: None,
    })
}

#[test]
fn fires_of_one_building_are_one_incident_for_the_chiefs_alone() {
    let mut world = town_world();
    let first = world.step(0, vec![], began(0..1, "smoke/1 red"), vec![]);
    assert_eq!(owed(&first.batch.deliveries, false)["C5"], 1, "the first fire is told to all");
    assert!(storms(&world).is_empty());

    let second = world.step(60_000, vec![], began(1..2, "smoke/2 red"), vec![]);
    let own = people(&[("O0", 1), ("G1", 2), ("M4", 1)]);
    assert_eq!(owed(&second.batch.deliveries, false), own, "owner, grid worker and micro station of the second fire");
    let chiefs = people(&[("V2", 1), ("T3", 1), ("C5", 1)]);
    assert_eq!(owed(&second.batch.deliveries, true), chiefs, "the chiefs are told of the building");
    let storm = storms(&world).remove(0);
    assert_eq!((storm.kind, storm.members, &*storm.address), (StormKind::Building, 2, "1 Dock Road"));
    assert!(world.alert("fire-0-1").storm == Some(storm.id) && world.alert("fire-1-2").storm == Some(storm.id));
    assert!(world.alert("fire-1-2").ladder.iter().all(|rung| rung.told_ms.is_some()), "no step of it waits");
    assert_eq!(world.alert("fire-1-2").held, None, "a fire is never held");

    let third = world.step(120_000, vec![], began(2..3, "smoke/3 red"), vec![]);
    assert_eq!(owed(&third.batch.deliveries, false), own);
    assert!(owed(&third.batch.deliveries, true).is_empty());
    let fourth = world.step(180_000, vec![], began(3..4, "smoke/4 orange"), vec![]);
    assert_eq!(owed(&fourth.batch.deliveries, true), chiefs, "it has doubled");

    let real = world.step(190_000, vec![verified("fire-2-3", Verdict::Real)], vec![], vec![]);
    assert_eq!(owed(&real.batch.deliveries, true), chiefs, "one is real");
    let real = world.step(191_000, vec![verified("fire-1-2", Verdict::Real)], vec![], vec![]);
    assert!(real.batch.deliveries.is_empty(), "they know");
    // the fire that was not verified goes upward; the chiefs know of it, and are told of what is overdue alone
    let later = world.step(1_000_000, vec![Entry::Tick], vec![], vec![]);
    let chiefs = |delivery: &&std::sync::Arc<Delivery>| matches!(&*delivery.person_code, "V2" | "T3" | "C5");
    let is_overdue = |delivery: &std::sync::Arc<Delivery>| {
        let step = delivery.id.as_str().split('.').nth(2).unwrap();
        step.parse::<u32>().is_err()
    };
    assert!(later.batch.deliveries.iter().filter(chiefs).all(is_overdue));
    let elsewhere = world.step(1_001_000, vec![], began(50..51, "smoke/9 red"), vec![]);
    assert_eq!(owed(&elsewhere.batch.deliveries, false)["C5"], 1, "a fire elsewhere is told to all");
}

#[test]
fn a_chief_who_was_not_told_of_the_building_is_told_of_the_fire() {
    let mut rows = town();
    let township_chief = rows.people.iter_mut().find(|(_, row)| &*row.code == "T3").unwrap();
    township_chief.1.channels.clear();
    let mut world = World::with(&rows, Policy::default());
    let turn = world.step(0, vec![], began(0..2, "smoke/1 red"), vec![]);
    assert_eq!(owed(&turn.batch.deliveries, true), people(&[("V2", 1), ("C5", 1)]));
    let note =
        world.alert("fire-1-1").history.iter().find_map(|item| item.note.clone().filter(|n| n.contains("channel")));
    assert!(note.is_some(), "that nobody of the township has a channel stands in the history");
}

#[test]
fn a_building_is_over_when_its_fires_are_closed_or_none() {
    let mut world = town_world();
    world.step(0, vec![], began(0..2, "smoke/1 red"), vec![]);
    let none = vec![verified("fire-0-1", Verdict::False), verified("fire-1-1", Verdict::Test), Entry::Tick];
    let turn = world.step(10_000, none, vec![], vec![]);
    assert!(turn.batch.feed.iter().any(|event| event.kind == FeedKind::StormEnded));
    assert!(storms(&world)[0].ended_ms.is_some());
    // what comes after it is news
    let turn = world.step(20_000, vec![], began(2..3, "smoke/1 red"), vec![]);
    assert_eq!(owed(&turn.batch.deliveries, false)["C5"], 1);
}

#[test]
fn fires_far_apart_in_time_or_without_address_are_no_incident() {
    let mut world = town_world();
    world.step(0, vec![], began(0..1, "smoke/1 red"), vec![]);
    world.step(601_000, vec![], began(1..2, "smoke/1 red"), vec![]);
    world.step(601_000, vec![], began(50..60, "smoke/1 red"), vec![]);
    assert!(storms(&world).is_empty());
}

#[test]
fn a_drill_is_no_incident() {
    let mut world = town_world();
    world.step(0, vec![], began(0..10, "smoke/1 red drill"), vec![]);
    assert!(storms(&world).is_empty());
}

#[test]
fn many_warnings_of_one_rule_in_a_village_are_one_incident() {
    let mut world = town_world();
    let turn = world.step(0, vec![], began(20..39, "water/1 yellow"), vec![]);
    assert_eq!(owed(&turn.batch.deliveries, false), people(&[("O0", 19), ("G1", 38)]));
    let turn = world.step(1_000, vec![], began(40..50, "water/1 yellow"), vec![]);
    let id = OrderId { epoch: 2, at: 0 };
    assert_eq!(owed(&turn.batch.deliveries, true), people(&[("V2", 1)]), "the village's chief is told once");
    assert_eq!(owed(&turn.batch.deliveries, false), people(&[("O0", 10)]), "of each one, the owner alone");
    let storm = storms(&world).remove(0);
    assert_eq!((storm.id, storm.kind, storm.members, &*storm.rule), (id, StormKind::Area, 29, "water"));
    assert_eq!(storm.villages, [(code("331083001001"), 29)]);
    let alert = world.alert("warning-20-1");
    assert_eq!((alert.storm, alert.held.map(|held| held.by)), (Some(id), Some(HeldBy::Storm(id))));

    let turn = world.step(1_801_000, vec![Entry::Tick], vec![], vec![]);
    assert!(owed(&turn.batch.deliveries, false).is_empty(), "the steps beyond the owner wait");
    let turn = world.step(3_601_000, vec![Entry::Tick], vec![], vec![]);
    assert_eq!(owed(&turn.batch.deliveries, true), people(&[("V2", 1)]), "it lasts");

    // a red one is told as ever
    let turn = world.step(3_602_000, vec![], began(60..61, "water/1 red"), vec![]);
    assert_eq!(owed(&turn.batch.deliveries, false), people(&[("O0", 1), ("G1", 2), ("M4", 1)]));

    // most come back: it is over, and what still holds goes on where it stood
    let back = (20..50).filter(|n| *n != 39 && *n != 20).collect::<Vec<u32>>();
    let ended = back.iter().map(|n| finding(&["ended", &format!("U{n}"), "water/1", "yellow"], 0)).collect();
    let turn = world.step(3_700_000, vec![Entry::Tick], ended, vec![]);
    assert!(turn.batch.feed.iter().any(|event| event.kind == FeedKind::StormEnded));
    assert_eq!(owed(&turn.batch.deliveries, false), people(&[("V2", 1)]));
    assert_eq!(world.alert("warning-20-1").held, None);
}

#[test]
fn a_township_takes_its_villages_incidents_in() {
    let mut world = town_world();
    world.step(0, vec![], began(20..45, "water/1 yellow"), vec![]);
    let turn = world.step(1_000, vec![], began(120..160, "water/1 yellow"), vec![]);
    let storms = storms(&world);
    let open: Vec<_> = storms.iter().filter(|storm| storm.ended_ms.is_none()).collect();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].region, open[0].members), (code("331083001"), 65));
    assert_eq!(open[0].villages, [(code("331083001001"), 25), (code("331083001002"), 40)]);
    assert!(storms.iter().filter(|storm| storm.ended_ms.is_some()).all(|s| s.merged_into == Some(open[0].id)));
    let told = owed(&turn.batch.deliveries, true);
    assert_eq!((told.get("T3"), told.get("W7")), (Some(&1), Some(&1)));
    // members' ids are all on record, page by page
    let pages = key::all_members(open[0]).map(|key| world.books.kept_one(KeptKind::Storm, &key).unwrap().unwrap());
    let members: Vec<AlertId> = pages.flat_map(|page| wire::decode::<Vec<AlertId>>(&page).unwrap()).collect();
    assert_eq!(members.len(), 65);
}

#[test]
fn a_power_cut_of_ten_thousand_in_one_commit_is_one_incident() {
    let mut rows = rows();
    rows.units = (0..10_000).map(|n| unit(&format!("U{n}"), GRID, "O0", None)).collect();
    let mut world = World::with(&rows, Policy::default());
    let turn = world.step(0, vec![], began(0..10_000, "water/1 yellow"), vec![]);
    assert_eq!(turn.batch.alerts.len(), 10_000);
    // the owner of each; the grid worker of those before it was known to be a cut
    let told = owed(&turn.batch.deliveries, false);
    assert_eq!((told["O0"], told["G1"]), (10_000, 2 * 19));
    assert_eq!(owed(&turn.batch.deliveries, true), people(&[("V2", 1), ("T3", 1)]));
    world.restart();
    let turn = world.step(1_000, vec![Entry::Tick], vec![], vec![]);
    assert!(turn.batch.is_empty());
}

#[test]
fn a_confirmed_fire_holds_the_faults_and_warnings_of_its_unit() {
    let mut world = town_world();
    world.step(0, vec![], began(50..51, "smoke/1 red"), vec![]);
    world.step(1_000, vec![verified("fire-50-1", Verdict::Real)], vec![], vec![]);
    let turn = world.step(2_000, vec![], began(50..51, "water/2 yellow"), vec![]);
    assert!(turn.batch.deliveries.is_empty());
    let fire: AlertId = "fire-50-1".parse().unwrap();
    assert_eq!(world.alert("warning-50-3").held.unwrap().by, HeldBy::Alert(fire));
    let turn = world.step(3_000, vec![], began(51..52, "water/2 yellow"), vec![]);
    assert_eq!(turn.batch.deliveries.len(), 3, "the neighbour's warning is told");
    world.restart();
    let close = Entry::Command(Command {
        id: "G1/close".into(),
        person: "M4".into(),
        entered_by: None,
        alert: fire,
        action: Action::Close,
        note: None,
    });
    let ended = vec![finding(&["ended", "U50", "smoke/1", "red"], 0)];
    world.step(4_000, vec![], ended, vec![]);
    let turn = world.step(5_000, vec![close], vec![], vec![]);
    assert!(turn.outcomes[0].result.is_ok(), "{:?}", turn.outcomes);
    let alert = world.alert("warning-50-3");
    assert_eq!((alert.held, alert.ring), (None, 2));
    assert_eq!(owed(&turn.batch.deliveries, false), people(&[("O0", 1), ("G1", 2)]));
}

#[test]
fn one_alert_holds_others_of_its_village_where_the_policy_says_so() {
    let policy = "[[inhibit]]\nname = \"mains\"\nwhile = { family = \"fault\", rules = [\"lost_contact\"] }\n\
                  scope = \"village\"\nhold = { families = [\"warning\"], rules = [\"water\"] }";
    let mut world = World::with(&town(), Policy::parse(policy).unwrap());
    world.step(0, vec![Entry::Policy(policy.into())], began(0..1, "water/1 yellow"), vec![]);
    world.step(1_000, vec![], began(5..6, "lost_contact/9 yellow"), vec![]);
    world.step(2_000, vec![], began(6..7, "electrical/3 yellow"), vec![]);
    world.step(2_000, vec![], began(101..102, "water/3 yellow"), vec![]);
    let fault: AlertId = "fault-5-2".parse().unwrap();
    assert_eq!(world.alert("warning-0-1").held.unwrap().by, HeldBy::Alert(fault));
    assert_eq!((world.alert("warning-6-3").held, world.alert("warning-101-4").held), (None, None));
    world.restart();
    let ended = vec![finding(&["ended", "U5", "lost_contact/9", "yellow"], 0)];
    world.step(3_000, vec![], ended, vec![]);
    let alert = world.alert("warning-0-1");
    assert_eq!((alert.held, alert.ring), (None, 2));
    assert_eq!(alert.id.family, Family::Warning);
}

#[test]
fn a_flood_is_declared_counted_and_over() {
    let mut world = town_world();
    let turn = world.step(0, vec![], began(10..40, "water/1 yellow"), vec![]);
    assert!(turn.batch.feed.iter().all(|event| event.kind != FeedKind::FloodBegan), "30 at three seats are none");
    let turn = world.step(300_000, vec![], began(0..1, "smoke/1 red"), vec![]);
    let flood = turn.batch.feed.iter().find(|event| event.kind == FeedKind::FloodBegan).unwrap();
    let words = "31 in 600 s at 3 seats; fire 1, warning 30; red 1, yellow 30; water 30, smoke 1";
    assert_eq!((flood.detail.as_deref(), flood.grid), (Some(words), code("331083")));
    assert!(turn.batch.alerts.iter().any(|alert| alert.id.family == Family::Fire), "nothing is hidden");
    world.restart();
    let turn = world.step(500_000, vec![Entry::Tick], vec![], vec![]);
    let of_floods = |kind| matches!(kind, FeedKind::FloodBegan | FeedKind::FloodEnded);
    assert!(turn.batch.feed.iter().all(|event| !of_floods(event.kind)));
    let turn = world.step(620_000, vec![Entry::Tick], vec![], vec![]);
    assert!(turn.batch.feed.iter().any(|event| event.kind == FeedKind::FloodEnded));
}
