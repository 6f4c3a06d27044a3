//! Orders: who is asked, what comes of it, and what is refused.

use alerts::{Policy, Turn};
use model::alert::ReceiptOutcome;
use model::order::{Answer, Asked, OrderRecord, Stage};
use model::roster::Post;
use model::{
    Action, AlertId, AlertState, Colour, Command, Delivery, DeliveryState, Entry, Family, FeedKind, KeptKind, Ledger,
    Order, OrderBody, OrderId, Receipt, Verdict, wire,
};

use crate::world::{GRID, World, code, finding, person, rows};

fn order(key: &str, by: &str, body: OrderBody) -> Entry {
    Entry::Order(Box::new(Order { id: key.into(), person: by.into(), entered_by: None, body }))
}

fn instruct(region: &str, posts: &[Post], text: &str) -> OrderBody {
    OrderBody::Instruct {
        region: code(region),
        posts: posts.to_vec(),
        text: text.into(),
        alert: None,
        colour: Colour::Red,
        expires_s: 600,
        remind_after_s: 60,
        exercise: false,
    }
}

fn answer(order: OrderId, by: &str, answer: Answer) -> Entry {
    let note = (answer == Answer::Cannot).then(|| "道路不通".into());
    self::order(&format!("{by}/{}", answer.word()), by, OrderBody::Answer { order, answer, note })
}

impl World {
    /// One commit with this order alone.
    fn give(&mut self, at_ms: u64, entry: Entry) -> Result<OrderId, String> {
        let turn = self.step(at_ms, vec![entry], vec![], vec![]);
        turn.order_outcomes[0].result.clone().map_err(|refused| refused.to_string())
    }

    fn tick(&mut self, at_ms: u64) -> Turn {
        self.step(at_ms, vec![Entry::Tick], vec![], vec![])
    }

    pub fn record(&self, id: OrderId) -> OrderRecord {
        let read = |is_open| self.books.kept_one(KeptKind::Order, &OrderRecord::key(id, is_open)).unwrap();
        let (open, ended) = (read(true), read(false));
        assert!(open.is_none() || ended.is_none(), "{id} is kept once");
        wire::decode(&open.or(ended).unwrap()).unwrap()
    }

    pub fn asked(&self, id: OrderId) -> Vec<Asked> {
        let rows = self.books.kept(KeptKind::Asked, Some(&Asked::prefix(id)), usize::MAX).unwrap();
        let of_order = rows.into_iter().filter(|(key, _)| key.starts_with(&Asked::prefix(id)));
        of_order.map(|(_, value)| wire::decode(&value).unwrap()).collect()
    }
}

/// Who is told what, as `kind person channel`.
fn told(turn: &Turn) -> Vec<String> {
    let owed = turn.batch.deliveries.iter().filter(|delivery| delivery.state == DeliveryState::Owed);
    owed.map(|delivery| format!("{} {} {}", delivery.whom, delivery.person_code, delivery.channel)).collect()
}

fn kinds(turn: &Turn) -> Vec<&'static str> {
    turn.batch.feed.iter().map(|event| event.kind.word()).collect()
}

fn receipt(delivery: &Delivery, outcome: ReceiptOutcome) -> Entry {
    let reason = "as the channel says".into();
    Entry::Receipt(Receipt { delivery: delivery.id.clone(), matter: delivery.matter, outcome, reason })
}

#[test]
fn an_instruction_reaches_everybody_below_and_counts_what_they_answer() {
    let mut world = World::new();
    let entry = order("centre/1", "C5", instruct("331083001001", &[], "全体到岗，检查出租房"));
    let turn = world.step(0, vec![entry.clone()], vec![], vec![]);
    let id = *turn.order_outcomes[0].result.as_ref().unwrap();
    assert_eq!(told(&turn), ["instruct G1 mqtt", "instruct G1 console", "instruct V2 mqtt", "instruct M4 mqtt"]);
    assert_eq!(kinds(&turn), ["order.given"]);
    assert!(turn.batch.deliveries.iter().all(|delivery| delivery.about.colour() == Colour::Red));

    // sent again: the same order, and nobody is told twice
    let again = world.step(1, vec![entry.clone(), entry], vec![], vec![]);
    assert_eq!(again.order_outcomes.iter().map(|one| one.result.clone().unwrap()).collect::<Vec<_>>(), [id, id]);
    assert!(again.batch.deliveries.is_empty() && again.batch.feed.is_empty());
    let other = order("centre/1", "C5", instruct("331083001001", &[], "别的"));
    assert!(world.give(2, other).unwrap_err().contains("used before"));

    let receipts = turn.batch.deliveries.iter().map(|delivery| {
        let failed = &*delivery.channel == "console" || &*delivery.person_code == "M4";
        receipt(delivery, if failed { ReceiptOutcome::Failed } else { ReceiptOutcome::Delivered })
    });
    let turn = world.step(1_000, receipts.collect(), vec![], vec![]);
    assert!(turn.batch.feed.is_empty(), "counts are told with the tick");
    world.restart();
    world.give(2_000, answer(id, "G1", Answer::Arrived)).unwrap();
    world.give(2_001, answer(id, "G1", Answer::Arrived)).unwrap();
    let turn = world.tick(3_000);
    assert_eq!(kinds(&turn), ["order.receipt"]);
    let counts = turn.batch.feed[0].order.as_ref().unwrap().counts;
    assert_eq!((counts.asked, counts.sent, counts.delivered, counts.read, counts.arrived), (3, 3, 2, 1, 1));
    assert_eq!(counts.silent(), 2);
    assert!(world.tick(4_000).batch.feed.is_empty(), "nothing changed, nothing is told");

    // the silent are told once more, the others left in peace
    let turn = world.tick(60_000);
    assert_eq!(told(&turn), ["reminder V2 mqtt", "reminder M4 mqtt"]);
    assert!(told(&world.tick(61_000)).is_empty());
    // a reminder that comes through counts
    let reminder = turn.batch.deliveries.iter().find(|delivery| &*delivery.person_code == "M4").unwrap();
    world.step(62_000, vec![receipt(reminder, ReceiptOutcome::Delivered)], vec![], vec![]);
    assert_eq!(world.record(id).counts.delivered, 3);

    world.give(63_000, answer(id, "V2", Answer::Cannot)).unwrap();
    world.give(64_000, answer(id, "M4", Answer::Done)).unwrap();
    let turn = world.step(65_000, vec![answer(id, "G1", Answer::Done)], vec![], vec![]);
    assert_eq!(kinds(&turn), ["order.closed"]);
    assert_eq!(told(&turn), ["report V2 mqtt", "report C5 webhook:brigade"], "one report up, one to who gave it");
    let record = world.record(id);
    assert_eq!(&*record.ended.unwrap().why, "everybody has answered");
    assert_eq!((record.counts.done, record.counts.cannot), (2, 1));
    assert_eq!(world.asked(id).len(), 3);
    assert!(world.give(66_000, answer(id, "V2", Answer::Done)).unwrap_err().contains("has ended"));
}

#[test]
fn what_cannot_be_ordered_is_refused_with_what_to_do() {
    let mut world = World::new();
    let refused = |world: &mut World, body| world.give(0, order("centre/x", "C5", body)).unwrap_err();
    for (body, says) in [
        (instruct("331083009", &[], "x"), "there is no region 331083009"),
        (instruct(GRID, &[], ""), "1 to 200 characters"),
        (instruct(GRID, &[], &"长".repeat(201)), "not 201"),
        (instruct(GRID, &[], "一\n二"), "control characters"),
        (instruct(GRID, &[], "\u{1b}[2J"), "control characters"),
        (instruct("331083001002", &[Post::VillageChief], "x"), "nobody on the roster has these posts"),
        (OrderBody::RollCall { region: code(GRID), posts: vec![], window_s: 9, exercise: false }, "10 to 3600, not 9"),
    ] {
        let said = refused(&mut world, body);
        assert!(said.contains(says), "{said}");
    }
    let id = world.give(0, order("centre/1", "C5", instruct(GRID, &[], "到岗"))).unwrap();
    for (entry, says) in [
        (answer(id, "V2", Answer::Read), "V2 was not asked by order-"),
        (answer(id, "stranger", Answer::Read), "stranger was not asked"),
        (answer(OrderId { epoch: 1, at: 99 }, "G1", Answer::Read), "there is no open order"),
        (
            order("k", "G1", OrderBody::Answer { order: id, answer: Answer::Cannot, note: None }),
            "say in the note why it cannot be done",
        ),
        (order("k", "G1", OrderBody::Progress { order: id, stage: Stage::Accepted, reason: None }), "is no hand-off"),
    ] {
        let said = world.give(1, entry).unwrap_err();
        assert!(said.contains(says), "{said}");
    }
    assert_eq!(world.record(id).counts.read, 0);
    let policy = Policy::parse("[orders]\nopen_max = 1\npeople_max = 2").unwrap();
    let mut world = World::with(&rows(), policy);
    let said = world.give(0, order("a", "C5", instruct("331083", &[], "到岗"))).unwrap_err();
    assert!(said.contains("5 people are more than 2"), "{said}");
    world.give(1, order("b", "C5", instruct(GRID, &[], "到岗"))).unwrap();
    let said = world.give(2, order("c", "C5", instruct(GRID, &[], "再到岗"))).unwrap_err();
    assert!(said.contains("1 orders are open"), "{said}");
}

#[test]
fn an_instruction_is_withdrawn() {
    let mut world = World::new();
    let turn = world.step(0, vec![order("1", "C5", instruct("331083001001", &[], "封路"))], vec![], vec![]);
    let id = *turn.order_outcomes[0].result.as_ref().unwrap();
    let to_g1 = &turn.batch.deliveries[0];
    world.step(1, vec![receipt(to_g1, ReceiptOutcome::Delivered)], vec![], vec![]);
    let end = || order("2", "C5", OrderBody::End { order: id, reason: "已解除".into() });
    let turn = world.step(2, vec![end()], vec![], vec![]);
    // who was reached hears of it, who was not is spared both
    assert_eq!(
        told(&turn),
        ["report V2 mqtt", "report C5 webhook:brigade", "withdrawn G1 mqtt", "withdrawn G1 console"]
    );
    let failed = turn.batch.deliveries.iter().filter(|delivery| delivery.state == DeliveryState::Failed);
    assert!(failed.clone().count() >= 3);
    let ended = world.step(3, vec![end()], vec![], vec![]);
    assert_eq!(ended.order_outcomes[0].result, Ok(id), "ended once");
    assert!(ended.batch.is_empty());
}

#[test]
fn a_roll_call_is_answered_in_its_window_and_the_missing_are_told_up_once() {
    let mut world = World::new();
    let body = OrderBody::RollCall { region: code("331083"), posts: vec![], window_s: 120, exercise: false };
    let turn = world.step(0, vec![order("1", "desk", body)], vec![], vec![]);
    let id = *turn.order_outcomes[0].result.as_ref().unwrap();
    assert_eq!(turn.batch.deliveries.len(), 6);
    world.give(30_000, answer(id, "G1", Answer::Read)).unwrap();
    assert!(world.give(30_001, answer(id, "G1", Answer::Done)).unwrap_err().contains("takes no done"));
    world.give(40_000, answer(id, "C5", Answer::Read)).unwrap();
    assert!(kinds(&world.tick(119_999)) == ["order.receipt"]);
    let turn = world.tick(120_000);
    assert_eq!(kinds(&turn), ["order.closed"]);
    assert_eq!(told(&turn), ["report C5 webhook:brigade", "report T3 mqtt"]);
    let report = turn.batch.deliveries.iter().find(|one| &*one.whom == "report" && &*one.person_code == "C5");
    let words = report.unwrap().about.order().unwrap().words.zh.clone();
    assert_eq!(words, "查岗：应到5人，到岗2，缺3：V2、T3、M4");
    assert!(world.give(120_001, answer(id, "V2", Answer::Read)).unwrap_err().contains("has ended"));

    // pressing 1 on the telephone is an answer, once
    let body = OrderBody::RollCall { region: code(GRID), posts: vec![], window_s: 120, exercise: false };
    let turn = world.step(190_000, vec![order("3", "C5", body)], vec![], vec![]);
    let press = || receipt(&turn.batch.deliveries[0], ReceiptOutcome::Read);
    let turn = world.step(191_000, vec![press(), press()], vec![], vec![]);
    assert_eq!(kinds(&turn), ["order.closed"]);
    assert_eq!(turn.batch.feed[0].order.as_ref().unwrap().counts.read, 1);

    // all there: it ends at once
    let body = OrderBody::RollCall { region: code(GRID), posts: vec![], window_s: 120, exercise: false };
    let id = world.give(200_000, order("2", "C5", body)).unwrap();
    let turn = world.step(201_000, vec![answer(id, "G1", Answer::Read)], vec![], vec![]);
    assert_eq!(kinds(&turn), ["order.closed"]);
}

#[test]
fn the_calendar_asks_once_whatever_restarts() {
    let policy = "[roll_call]\nat = [\"08:10\"]\njitter_s = 0\nposts = [\"grid_worker\"]";
    let mut world = World::new(); // the world begins at 08:00 in China
    world.step(0, vec![Entry::Policy(policy.into())], vec![], vec![]);
    let mut given = 0;
    for minute in 1..30 {
        let turn = world.tick(minute * 60_000);
        given += turn.batch.feed.iter().filter(|event| event.kind == FeedKind::OrderGiven).count();
        world.restart();
        assert_eq!(given, usize::from(minute >= 10), "at minute {minute}");
    }
    // a day on, but the station was down at the hour: too late is not at all
    let turn = world.tick(86_400_000 + 25 * 60_000);
    assert!(turn.batch.feed.is_empty());
    assert_eq!(kinds(&world.tick(2 * 86_400_000 + 15 * 60_000)), ["order.given"]);
}

#[test]
fn a_channel_test_finds_the_deaf_channels_and_a_later_one_that_they_hear_again() {
    let mut world = World::new();
    let test =
        |key| order(key, "C5", OrderBody::ChannelTest { region: code("331083001001"), posts: vec![], window_s: 60 });
    let turn = world.step(0, vec![test("1")], vec![], vec![]);
    assert!(turn.batch.deliveries.iter().all(|delivery| delivery.about.exercise()));
    let works = |delivery: &&std::sync::Arc<Delivery>| &*delivery.channel == "mqtt" && &*delivery.person_code != "V2";
    let mut receipts: Vec<Entry> =
        turn.batch.deliveries.iter().filter(works).map(|one| receipt(one, ReceiptOutcome::Delivered)).collect();
    let console = turn.batch.deliveries.iter().find(|delivery| &*delivery.channel == "console").unwrap();
    receipts.push(receipt(console, ReceiptOutcome::Failed));
    world.step(1_000, receipts, vec![], vec![]);
    let turn = world.tick(60_000);
    assert_eq!(kinds(&turn), ["channel.failed", "order.closed"]);
    assert_eq!(turn.batch.feed[0].detail.as_deref(), Some("2 channels"));
    let deaf = |world: &World| -> Vec<String> {
        let rows = world.books.kept(KeptKind::DeafChannel, None, 99).unwrap();
        let read = |value: &[u8]| wire::decode::<model::order::DeafChannel>(value).unwrap();
        rows.iter()
            .map(|(_, value)| read(value))
            .map(|one| format!("{} {}: {}", one.code, one.channel, one.reason))
            .collect()
    };
    assert_eq!(deaf(&world), ["G1 console: as the channel says", "V2 mqtt: no receipt in the window"]);
    world.restart();
    let turn = world.step(100_000, vec![test("2")], vec![], vec![]);
    let all = turn.batch.deliveries.iter().map(|one| receipt(one, ReceiptOutcome::Delivered)).collect();
    world.step(101_000, all, vec![], vec![]);
    assert_eq!(kinds(&world.tick(160_000)), ["order.closed"]);
    assert!(deaf(&world).is_empty());
}

fn drill(units: &[u32], lasts_s: u32) -> OrderBody {
    OrderBody::Drill {
        region: code("331083001"),
        units: units.iter().map(|unit| model::UnitId(*unit)).collect(),
        family: Family::Fire,
        colour: Colour::Orange,
        note: "厨房起火".into(),
        lasts_s,
    }
}

#[test]
fn a_drill_goes_the_real_way_marked_as_exercise() {
    let mut world = World::new();
    let turn = world.step(0, vec![order("1", "C5", drill(&[0], 600))], vec![], vec![]);
    assert_eq!(kinds(&turn), ["order.given", "alert.raised"]);
    assert_eq!(
        told(&turn),
        ["owner O0 mqtt", "grid_worker G1 mqtt", "grid_worker G1 console", "micro_station M4 mqtt"]
    );
    assert!(turn.batch.deliveries.iter().all(|delivery| delivery.about.exercise()));
    assert!(turn.batch.units.is_empty(), "no unit changes its colour");
    let id = *turn.order_outcomes[0].result.as_ref().unwrap();
    let alert: AlertId = "fire-0-1".parse().unwrap();
    assert_eq!(world.record(id).alerts, [alert]);
    world.restart();
    // the ladder goes on by itself
    assert_eq!(told(&world.tick(60_000)), ["village_chief V2 mqtt"]);
    // something of the unit's own, even if it only rings a test: the drill gives way
    let turn = world.step(61_000, vec![], vec![finding(&["began", "U0", "smoke/1", "red", "a-1"], 0)], vec![]);
    assert_eq!(kinds(&turn), ["alert.closed", "alert.raised"]);
    let real = world.alert("fire-0-3");
    assert!(!real.exercise && real.drill.is_none() && real.verdict.is_none());
    assert_eq!(world.alert("fire-0-1").state, AlertState::Closed);
    let turn = world.tick(62_000);
    assert_eq!(kinds(&turn), ["order.closed"], "nothing of the drill is left");

    // an open alert of its own is left in peace; the end of the drill ends the others
    let turn = world.step(70_000, vec![order("2", "C5", drill(&[0, 1, 1], 30))], vec![], vec![]);
    let id = *turn.order_outcomes[0].result.as_ref().unwrap();
    assert_eq!(world.record(id).alerts.len(), 1);
    let turn = world.tick(100_000);
    assert!(kinds(&turn).contains(&"order.closed") && kinds(&turn).contains(&"alert.closed"));
    assert_eq!(world.alert("fire-0-3").state, AlertState::Raised);
    for (body, says) in [(drill(&[77], 60), "unit 77 is not in region"), (drill(&[0], 5), "10 to 14400, not 5")] {
        let said = world.give(101_000, order("3", "C5", body)).unwrap_err();
        assert!(said.contains(says), "{said}");
    }
    // nothing named: the desk finds a place
    world.give(102_000, order("4", "C5", drill(&[], 60))).unwrap();
}

#[test]
fn a_test_of_a_device_calls_nobody_and_ends_a_drill() {
    let mut world = World::new();
    world.give(0, order("1", "C5", drill(&[0], 600))).unwrap();
    let tested = finding(&["began", "U0", "smoke/1", "red", "a-1", "drill"], 0);
    let turn = world.step(1_000, vec![], vec![tested], vec![]);
    assert_eq!(kinds(&turn), ["alert.closed", "alert.raised"]);
    assert!(told(&turn).is_empty() && world.alert("fire-0-2").exercise);
}

fn hand_off(alert: &str, to: &str) -> OrderBody {
    OrderBody::HandOff { alert: alert.parse().unwrap(), to: to.into(), answer_within_s: 60, note: None }
}

fn progress(order: OrderId, stage: Stage) -> Entry {
    let reason = stage.is_end().then(|| "明火扑灭".into());
    self::order("b", "brigade", OrderBody::Progress { order, stage, reason })
}

fn act(alert: &str, action: Action) -> Entry {
    let id = format!("G1/{}", action.word()).as_str().into();
    let alert = alert.parse().unwrap();
    Entry::Command(Command { id, person: "G1".into(), entered_by: None, alert, action, note: None })
}

#[test]
fn the_brigade_is_offered_a_fire_and_carries_it_to_the_end() {
    let mut world = World::new();
    world.step(0, vec![], vec![finding(&["began", "U0", "smoke/1", "red", "a-1"], 0)], vec![]);
    let entry = order("1", "C5", hand_off("fire-0-1", "webhook:119"));
    let turn = world.step(1_000, vec![entry], vec![], vec![]);
    let id = *turn.order_outcomes[0].result.as_ref().unwrap();
    assert_eq!(told(&turn), ["hand_off webhook:119 webhook:119"]);
    let facts = turn.batch.deliveries[0].about.order().unwrap().facts.clone().unwrap();
    assert_eq!((&*facts.unit, facts.verdict, facts.places.len()), ("U0", None, 3));
    assert_eq!(&*facts.evidence[0], "began smoke/1");
    let said = world.give(1_001, order("2", "C5", hand_off("fire-0-1", "webhook:119"))).unwrap_err();
    assert!(said.contains("offered to webhook:119 already"), "{said}");
    let said = world.give(1_002, order("3", "C5", hand_off("fire-0-1", "nobody"))).unwrap_err();
    assert!(said.contains("neither webhook:<name> nor"), "{said}");
    let said = world.give(1_003, order("4", "C5", hand_off("fire-1-1", "webhook:119"))).unwrap_err();
    assert!(said.contains("only an open one"), "{said}");

    // nobody answers: the commander is told once
    assert_eq!(told(&world.tick(61_000)), ["hand_off_overdue C5 webhook:brigade"]);
    assert!(told(&world.tick(62_000)).is_empty());
    world.give(63_000, progress(id, Stage::Accepted)).unwrap();
    world.give(63_001, progress(id, Stage::Accepted)).unwrap();
    world.restart();
    // found to be real: the brigade hears of it
    let turn = world.step(64_000, vec![act("fire-0-1", Action::verified(Verdict::Real))], vec![], vec![]);
    assert!(told(&turn).contains(&"hand_off_update webhook:119 webhook:119".to_owned()), "{:?}", told(&turn));
    world.give(65_000, progress(id, Stage::Arrived)).unwrap();
    for stage in [Stage::Accepted, Stage::Dispatched, Stage::Rejected, Stage::Offered] {
        assert!(world.give(66_000, progress(id, stage)).unwrap_err().contains("cannot become"), "{stage:?}");
    }
    let turn = world.step(67_000, vec![progress(id, Stage::Closed)], vec![], vec![]);
    assert_eq!(kinds(&turn), ["order.closed"]);
    let record = world.record(id);
    let history: Vec<_> = record.history.iter().map(|item| &*item.what).collect();
    assert_eq!(history, ["offered", "overdue", "accepted", "verified_real", "arrived", "closed"]);
}

#[test]
fn a_hand_off_is_rejected_or_taken_back() {
    let mut world = World::new();
    world.step(0, vec![], vec![finding(&["began", "U0", "smoke/1", "red", "a-1"], 0)], vec![]);
    let id = world.give(1_000, order("1", "T3", hand_off("fire-0-1", "webhook:119"))).unwrap();
    let turn = world.step(2_000, vec![progress(id, Stage::Rejected)], vec![], vec![]);
    assert_eq!(told(&turn), ["hand_off_rejected C5 webhook:brigade"]);
    assert_eq!(kinds(&turn), ["order.closed"]);
    // to somebody else, and then there is nothing
    let id = world.give(3_000, order("2", "T3", hand_off("fire-0-1", "C5"))).unwrap();
    let turn = world.step(4_000, vec![act("fire-0-1", Action::verified(Verdict::False))], vec![], vec![]);
    let cancelled = told(&turn).iter().filter(|line| line.starts_with("hand_off_cancelled")).count();
    assert_eq!(cancelled, 1);
    assert_eq!(world.record(id).stage, Some(Stage::Cancelled));
    assert!(world.give(5_000, progress(id, Stage::Accepted)).unwrap_err().contains("has ended"));
}

#[test]
fn an_order_to_ten_thousand_is_one_quick_step() {
    const PEOPLE: usize = 10_000;
    let mut rows = rows();
    for n in 0..PEOPLE {
        rows.people.push(person(&format!("W{n}"), Post::GridWorker, GRID, &["mqtt", "console"]));
    }
    let mut world = World::with(&rows, Policy::default());
    let began = std::time::Instant::now();
    let turn = world.step(
        0,
        vec![order("1", "C5", instruct("331083", &[Post::GridWorker], &"字".repeat(200)))],
        vec![],
        vec![],
    );
    let took = began.elapsed();
    let id = *turn.order_outcomes[0].result.as_ref().unwrap();
    assert_eq!(turn.batch.deliveries.len(), 2 * PEOPLE + 2);
    assert_eq!(turn.batch.feed.len(), 1);
    // unoptimised, and the books encode it too
    assert!(took.as_secs() < 20, "{took:?}");
    let answers: Vec<_> = (0..PEOPLE).map(|n| answer(id, &format!("W{n}"), Answer::Read)).collect();
    let turn = world.step(1_000, answers, vec![], vec![]);
    assert!(turn.order_outcomes.iter().all(|outcome| outcome.result.is_ok()));
    let turn = world.tick(2_000);
    assert_eq!(turn.batch.feed.len(), 1, "one event, whoever answered");
    assert_eq!(turn.batch.feed[0].order.as_ref().unwrap().counts.read, PEOPLE as u32);
}
