//! Silences: who is not called for what, for how long, and what happens then.

use model::alert::Refused;
use model::hold::{SilenceOrder, SilenceScope};
use model::{
    Alert, DeliveryState, Entry, Family, FeedKind, HeldBy, KeptKind, Ledger, Order, OrderBody, OrderId, Silence, wire,
};

use crate::world::{GRID, START_MS, World, code, finding};

fn order(key: &str, body: OrderBody) -> Entry {
    let id = format!("G1/{key}").as_str().into();
    Entry::Order(Box::new(Order { id, person: "G1".into(), entered_by: None, body }))
}

/// A silence of warnings in the first grid, for so many seconds from the start.
fn warnings(until_s: u64) -> SilenceOrder {
    SilenceOrder {
        scope: SilenceScope::Region(code(GRID)),
        region: code(GRID),
        family: Family::Warning,
        rules: Vec::new(),
        until_ms: START_MS + until_s * 1000,
        reason: "hydrants are being tested".into(),
        owner: "V2".into(),
    }
}

fn silence(key: &str, asked: SilenceOrder) -> Entry {
    order(key, OrderBody::Silence(Box::new(asked)))
}

/// Orders one at a time; its name, or why it was refused.
fn ordered(world: &mut World, at_s: u64, entry: Entry) -> Result<OrderId, Refused> {
    world.step(at_s * 1000, vec![entry], vec![], vec![]).order_outcomes.remove(0).result
}

fn kept(world: &World) -> Vec<Silence> {
    let rows = world.books.kept(KeptKind::Silence, None, 99).unwrap();
    rows.iter().map(|(_, value)| wire::decode(value).unwrap()).collect()
}

fn told(world: &World, alert: &Alert) -> usize {
    world.books.deliveries(alert.id.into()).unwrap().len()
}

#[test]
fn what_is_silenced_is_raised_and_shown_and_calls_nobody_until_the_end() {
    let mut world = World::new();
    ordered(&mut world, 0, silence("s", warnings(3600))).unwrap();
    world.play(
        "
        > 10 began U0 water/7 yellow a-1
        2 alert.raised warning-0-2 yellow raised ring 1 [a-1]
        3 alert.held warning-0-2 yellow raised ring 1
        > 2000 tick
        > 2700 tick
        4 silence.ending [order-0-1]
        owes silence_owner V2 as 1.2.mqtt
        > 3600 tick
        5 silence.ended [order-0-1]
        6 alert.released warning-0-2 yellow raised ring 1
        7 alert.rang_again warning-0-2 yellow raised ring 2
        owes silence_owner V2 as 2.2.mqtt
        owes owner O0 as 2.0.0.mqtt
        owes grid_worker G1 as 2.1.1.mqtt
        owes grid_worker G1 as 2.1.1.console
        > 3601 tick
        > 7000 tick
        8 alert.escalated warning-0-2 yellow raised ring 2 [village_chief]
        owes village_chief V2 as 2.2.2.mqtt
        ",
    );
    let history = world.alert("warning-0-2").history;
    let note = history[1].note.as_deref().unwrap();
    assert_eq!(note, "silenced by G1: hydrants are being tested until 2026-01-01 01:00 UTC");
    assert_eq!(kept(&world)[0].held, 1);
}

#[test]
fn a_fire_cannot_be_silenced() {
    let mut world = World::new();
    let fire = SilenceOrder { family: Family::Fire, ..warnings(60) };
    let refused = ordered(&mut world, 0, silence("s", fire)).unwrap_err();
    assert_eq!(refused, Refused::Forbidden("a fire cannot be silenced, only verified".into()));
    ordered(&mut world, 1, silence("t", warnings(3600))).unwrap();
    ordered(&mut world, 1, silence("u", SilenceOrder { family: Family::Fault, ..warnings(3600) })).unwrap();
    world.step(2_000, vec![], vec![finding(&["began", "U0", "smoke/7", "yellow"], 0)], vec![]);
    assert_eq!(told(&world, &world.alert("fire-0-4")), 3);
}

#[test]
fn a_rise_to_red_ends_the_wait() {
    let mut world = World::new();
    ordered(&mut world, 0, silence("s", warnings(3600))).unwrap();
    world.play(
        "
        > 10 began U0 water/7 orange
        2 alert.raised warning-0-2 orange raised ring 1
        3 alert.held warning-0-2 orange raised ring 1
        > 20 continued U0 water/7 red
        4 alert.updated warning-0-2 red raised ring 2
        5 alert.released warning-0-2 red raised ring 2
        owes owner O0 as 2.0.0.mqtt
        owes grid_worker G1 as 2.1.1.mqtt
        owes grid_worker G1 as 2.1.1.console
        owes micro_station M4 as 2.2.4.mqtt
        ",
    );
}

#[test]
fn what_is_wrong_with_a_silence_is_said() {
    let mut world = World::new();
    let cases = [
        (warnings(8 * 3600 + 1), "28801 s are more than the policy's 28800 s"),
        (warnings(0), "would have ended at 2026-01-01 00:00 UTC"),
        (SilenceOrder { reason: " ".into(), ..warnings(60) }, "needs a reason"),
        (SilenceOrder { owner: "X9".into(), ..warnings(60) }, "nobody with the code X9"),
        (SilenceOrder { scope: SilenceScope::Unit(model::UnitId(2)), ..warnings(60) }, "not on the roster"),
        (SilenceOrder { rules: vec!["x".into(); 33], ..warnings(60) }, "33 rules are more than 32"),
    ];
    for (at, (asked, expected)) in cases.into_iter().enumerate() {
        let refused = ordered(&mut world, 0, silence(&at.to_string(), asked)).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
    assert!(kept(&world).is_empty());
    let no_silence = OrderBody::EndSilence(OrderId { epoch: 1, at: 0 });
    let refused = ordered(&mut world, 1, order("end", no_silence)).unwrap_err().to_string();
    assert!(refused.contains("there is no silence order-0-1"), "{refused}");
}

#[test]
fn one_that_is_open_waits_from_then_on_and_the_rest_goes_on() {
    let mut world = World::new();
    world.step(0, vec![], vec![finding(&["began", "U0", "water/7", "yellow"], 0)], vec![]);
    world.step(0, vec![], vec![finding(&["began", "U1", "electrical/9", "yellow"], 0)], vec![]);
    let only_water = SilenceOrder { rules: vec!["water".into()], ..warnings(3600) };
    let id = ordered(&mut world, 60, silence("s", only_water)).unwrap();
    assert_eq!(world.alert("warning-0-1").held.unwrap().by, HeldBy::Silence(id));
    assert_eq!(world.alert("warning-1-2").held, None);
    // something that the silence does not name joins: it is another matter, and rings
    let turn = world.step(70_000, vec![], vec![finding(&["began", "U0", "electrical/8", "yellow"], 0)], vec![]);
    assert!(turn.batch.feed.iter().any(|event| event.kind == FeedKind::AlertRangAgain));
    assert_eq!(world.alert("warning-0-1").held, None);
}

#[test]
fn it_is_ended_by_a_person_once_and_its_owner_is_told() {
    let mut world = World::new();
    let id = ordered(&mut world, 0, silence("s", warnings(1200))).unwrap();
    world.step(1_000, vec![], vec![finding(&["began", "U0", "water/7", "yellow"], 0)], vec![]);
    world.step(2_000, vec![], vec![finding(&["began", "U1", "water/9", "yellow"], 0)], vec![]);
    world.step(3_000, vec![], vec![finding(&["ended", "U1", "water/9", "yellow"], 0)], vec![]);
    assert_eq!(ordered(&mut world, 10, order("end", OrderBody::EndSilence(id))), Ok(id));
    assert_eq!(ordered(&mut world, 11, order("end", OrderBody::EndSilence(id))), Ok(id), "the same order again");
    let refused = ordered(&mut world, 12, order("other", OrderBody::EndSilence(id))).unwrap_err().to_string();
    assert!(refused.contains("was ended by G1"), "{refused}");
    assert_eq!(world.alert("warning-0-2").ring, 2);
    assert_eq!(world.alert("warning-1-3").ring, 1, "what is over does not ring");
    let owed = world.books.owed().unwrap();
    let of_owner: Vec<_> = owed.iter().filter(|delivery| &*delivery.whom == "silence_owner").collect();
    assert_eq!(of_owner.len(), 1);
    assert_eq!((of_owner[0].id.as_str(), of_owner[0].state), ("order-0-1.2.2.mqtt", DeliveryState::Owed));
}

/// Read again, restarted, and ticked hours too late: it is over at its time, once, and says so.
#[test]
fn one_that_is_over_never_comes_back() {
    let mut world = World::new();
    let entry = silence("s", warnings(600));
    let id = ordered(&mut world, 0, entry.clone()).unwrap();
    assert_eq!(ordered(&mut world, 1, entry.clone()), Ok(id), "the same order again is the same silence");
    assert_eq!(kept(&world).len(), 1);
    world.restart();
    // its time is over, and no tick has come since
    world.step(700_000, vec![], vec![finding(&["began", "U0", "water/7", "yellow"], 0)], vec![]);
    assert_eq!(world.alert("warning-0-3").held, None);
    world.restart();
    let turn = world.step(9_000_000, vec![Entry::Tick, entry.clone()], vec![], vec![]);
    assert_eq!(turn.batch.feed.iter().filter(|event| event.kind == FeedKind::SilenceEnded).count(), 1);
    world.restart();
    assert_eq!(ordered(&mut world, 9_001, entry), Ok(id));
    let turn = world.step(9_002_000, vec![Entry::Tick], vec![], vec![]);
    assert!(turn.batch.is_empty());
    assert!(kept(&world)[0].ended.is_some());
    world.step(9_003_000, vec![], vec![finding(&["began", "U1", "water/9", "yellow"], 0)], vec![]);
    assert_eq!(world.alert("warning-1-7").held, None);
}

#[test]
fn of_two_silences_the_other_goes_on() {
    let mut world = World::new();
    ordered(&mut world, 0, silence("a", warnings(100))).unwrap();
    let unit = SilenceOrder { scope: SilenceScope::Unit(model::UnitId(0)), ..warnings(200) };
    let other = ordered(&mut world, 0, silence("b", unit)).unwrap();
    world.step(1_000, vec![], vec![finding(&["began", "U0", "water/7", "yellow"], 0)], vec![]);
    world.step(100_000, vec![Entry::Tick], vec![], vec![]);
    let alert = world.alert("warning-0-3");
    assert_eq!((alert.held.map(|held| held.by), alert.ring), (Some(HeldBy::Silence(other)), 1));
    world.step(200_000, vec![Entry::Tick], vec![], vec![]);
    let alert = world.alert("warning-0-3");
    assert_eq!((alert.held, alert.ring), (None, 2));
    assert_eq!(world.books.deliveries(alert.id.into()).unwrap().len(), 3);
}

#[test]
fn who_has_received_it_meanwhile_is_not_called_at_the_end() {
    let mut world = World::new();
    ordered(&mut world, 0, silence("s", warnings(100))).unwrap();
    world.play(
        "
        > 10 began U0 water/7 yellow
        2 alert.raised warning-0-2 yellow raised ring 1
        3 alert.held warning-0-2 yellow raised ring 1
        > 20 ack warning-0-2 O0
        done: warning-0-2 is acknowledged
        4 alert.acknowledged warning-0-2 yellow acknowledged ring 1 [O0]
        > 100 tick
        5 silence.ended [order-0-1]
        6 alert.released warning-0-2 yellow acknowledged ring 1
        owes silence_owner V2 as 2.2.mqtt
        ",
    );
}
