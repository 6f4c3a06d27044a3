use model::Family;

use super::*;
use crate::wording::tests::{alert_of, delivery};

const SMS: Manner = Manner { target: true, to_person: true, ..Manner::plain("sms") };
const ROBOT: Manner = Manner { per_minute: 20, digest_max: 40, breaks: true, ..Manner::plain("dingtalk") };

struct Rig {
    schedule: Schedule,
    begun: Instant,
}

impl Rig {
    fn new(manner: Manner) -> Rig {
        let settings = Settings { person_per_minute: 2, breaker_failures: 2, ..Settings::default() };
        Rig { schedule: Schedule::new([manner].into_iter(), &settings), begun: Instant::now() }
    }

    fn at(&self, s: u64) -> Instant {
        self.begun + Duration::from_secs(s)
    }

    /// Owes a delivery about an alert of its own.
    fn owe(&mut self, id: &str, person: &str, colour: Colour, epoch: u64) {
        let mut delivery = delivery(Family::Fire, "x");
        (delivery.id, delivery.person_code) = (id.into(), person.into());
        let alert = alert_of(&mut delivery);
        (alert.colour, alert.id.epoch) = (colour, epoch);
        (delivery.matter, delivery.owed_ms) = (alert.id.into(), epoch);
        self.schedule.admit(&Arc::new(delivery), Some(0), Duration::ZERO, self.begun);
    }

    fn start(&mut self, s: u64) -> Vec<Vec<String>> {
        let now = self.at(s);
        let batches = self.schedule.start(now, 1000, |_, _| None);
        batches.iter().map(|batch| batch.iter().map(|delivery| delivery.id.to_string()).collect()).collect()
    }

    fn end(&mut self, id: &str, heard: Heard, s: u64) {
        let (id, now) = (DeliveryId::from(id), self.at(s));
        self.schedule.heard(&id, heard, None, now);
        self.schedule.tried(&id);
        if heard == Heard::Works {
            self.schedule.settle(&id, now);
        } else {
            self.schedule.wait(&id, Duration::from_secs(1), now);
        }
    }
}

#[test]
fn a_person_is_not_rung_at_too_often_but_for_red() {
    let mut rig = Rig::new(SMS);
    for n in 0..4 {
        rig.owe(&format!("o{n}"), "P", Colour::Orange, n);
    }
    rig.owe("q", "Q", Colour::Orange, 9);
    rig.owe("red", "P", Colour::Red, 9);
    assert_eq!(rig.start(0), [["red"], ["o0"], ["q"]]);
    assert_eq!(rig.schedule.next_wake(), Some(rig.at(61)));
    assert!(rig.start(60).is_empty());
    assert_eq!(rig.start(61), [["o1"], ["o2"]]);
    assert_eq!(rig.start(122), [["o3"]]);
}

#[test]
fn few_go_alone_and_many_together_never_red_with_others() {
    let mut rig = Rig::new(ROBOT);
    for n in 0..3 {
        rig.owe(&format!("o{n}"), "P", Colour::Orange, n);
    }
    assert_eq!(rig.start(0).iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    for n in 3..20 {
        rig.owe(&format!("o{n}"), "P", Colour::Orange, n);
        rig.owe(&format!("r{n}"), "Q", Colour::Red, n);
    }
    let batches = rig.start(1);
    // 17 red ones in one message, as many orange ones at the pace that is left for them
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [17]);
    assert!(batches[0].iter().all(|id| id.starts_with('r')));
    let due = rig.schedule.next_wake().unwrap() - rig.begun;
    assert!(due > Duration::from_secs(1) && due < Duration::from_secs(8), "{due:?}");
    assert_eq!(rig.start(8).iter().map(Vec::len).collect::<Vec<_>>(), [17]);
}

#[test]
fn people_of_one_alert_share_a_message() {
    let mut rig = Rig::new(ROBOT);
    for n in 0..3 {
        rig.owe(&format!("a{n}"), &format!("P{n}"), Colour::Red, 1);
        rig.owe(&format!("b{n}"), &format!("P{n}"), Colour::Red, 2);
    }
    assert_eq!(rig.start(0), [["a0", "a1", "a2"], ["b0", "b1", "b2"]]);
}

#[test]
fn a_broken_channel_is_probed_and_what_grew_too_old_is_given_up() {
    let mut rig = Rig::new(Manner { breaks: true, ..Manner::plain("webhook") });
    for n in 0..4 {
        rig.owe(&format!("d{n}"), "P", Colour::Red, n);
    }
    assert_eq!(rig.start(0).len(), 4);
    for n in 0..4 {
        rig.end(&format!("d{n}"), Heard::Down, 1);
    }
    assert!(rig.start(2).is_empty(), "it is broken");
    assert_eq!(rig.schedule.next_wake(), Some(rig.at(6)));
    assert_eq!(rig.start(6), [["d0"]]);
    assert!(rig.start(7).is_empty() && rig.schedule.next_wake().is_none(), "nothing until the probe is back");
    rig.owe("new", "P", Colour::Red, 9);
    rig.end("d0", Heard::Down, 7);
    assert!(rig.start(7).is_empty());
    let old = rig.schedule.overdue(&"d0".into(), 10, |_| true);
    let old: Vec<_> = old.iter().map(|(delivery, tries)| (delivery.id.as_str(), *tries)).collect();
    assert_eq!(old, [("d1", 1), ("d2", 1), ("d3", 1)], "not what was never tried, nor what waits for its next try");
    assert_eq!(rig.start(17), [["d0"]]);
    rig.end("d0", Heard::Works, 17);
    assert_eq!(rig.start(17), [["new"]]);
    assert!(rig.schedule.overdue(&"new".into(), 10, |_| true).is_empty());
}

#[test]
fn a_pause_that_is_over_does_not_keep_the_loop_awake() {
    let mut rig = Rig::new(Manner::plain("webhook"));
    for n in 0..300 {
        rig.owe(&format!("d{n}"), "P", Colour::Red, n);
    }
    let under_way = rig.start(0).len();
    assert!(under_way < 300);
    let now = rig.at(1);
    rig.schedule.heard(&"d0".into(), Heard::Works, Some(Duration::from_secs(2)), now);
    assert!(rig.start(1).is_empty());
    assert!(rig.start(4).is_empty(), "all places are taken");
    assert_eq!(rig.schedule.next_wake(), None, "only the end of a try changes that");
}

impl Rig {
    /// Owes the message of one ring of one alert.
    fn owe_ring(&mut self, ring: u16, colour: Colour, s: u64) {
        let mut delivery = delivery(Family::Fire, "x");
        let alert = alert_of(&mut delivery);
        (alert.colour, alert.ring, delivery.id) = (colour, ring, format!("ring{ring}").as_str().into());
        let now = self.at(s);
        self.schedule.admit(&Arc::new(delivery), Some(0), Duration::ZERO, now);
    }

    fn superseded(&mut self) -> Vec<String> {
        self.schedule.take_superseded().iter().map(|(delivery, _)| delivery.id.to_string()).collect()
    }
}

#[test]
fn what_a_person_hears_of_one_alert_keeps_its_order_and_the_older_gets_the_urgency_of_the_newer() {
    let mut rig = Rig::new(Manner::plain("webhook"));
    rig.owe("other", "Q", Colour::Red, 7);
    rig.owe_ring(1, Colour::Blue, 0);
    rig.owe_ring(2, Colour::Red, 0);
    rig.owe("orange", "Q", Colour::Orange, 1);
    assert_eq!(rig.start(0), [["ring1"], ["other"], ["orange"]], "as urgent as ring 2, and older than the other");
    assert!(rig.start(1).is_empty(), "ring 2 stands behind");
    rig.end("ring1", Heard::Works, 1);
    assert_eq!(rig.start(1), [["ring2"]]);
    assert!(rig.superseded().is_empty());
}

#[test]
fn the_ledger_may_tell_of_the_newer_one_first() {
    let mut rig = Rig::new(Manner::plain("webhook"));
    rig.owe_ring(2, Colour::Red, 0);
    rig.owe_ring(1, Colour::Blue, 0);
    assert_eq!(rig.start(0), [["ring1"]]);
    rig.owe_ring(0, Colour::Blue, 0);
    rig.end("ring1", Heard::Works, 1);
    assert_eq!(rig.start(1), [["ring0"]], "late, but before what is newest");
    rig.end("ring0", Heard::Works, 1);
    assert_eq!(rig.start(1), [["ring2"]]);
}

#[test]
fn what_failed_or_is_held_gives_way_to_what_is_newer() {
    let mut rig = Rig::new(Manner::plain("webhook"));
    rig.owe_ring(1, Colour::Red, 0);
    assert_eq!(rig.start(0), [["ring1"]]);
    rig.owe_ring(2, Colour::Red, 0);
    assert!(rig.schedule.has_newer(&"ring1".into()));
    // its receipt says that it was tried in vain
    rig.end("ring1", Heard::Down, 1);
    assert_eq!(rig.superseded(), ["ring1"]);
    assert!(rig.start(2).is_empty(), "the receipt comes first");
    let now = rig.at(2);
    rig.schedule.settle(&"ring1".into(), now);
    assert_eq!(rig.start(2), [["ring2"]]);
    // waits for its next try
    rig.end("ring2", Heard::Down, 2);
    rig.owe_ring(3, Colour::Red, 2);
    assert_eq!(rig.superseded(), ["ring2"]);
    let now = rig.at(2);
    rig.schedule.settle(&"ring2".into(), now);
    assert_eq!(rig.start(2), [["ring3"]]);
    rig.end("ring3", Heard::Works, 2);

    // held by the hour of the day, for its own colour
    let night =
        |delivery: &Delivery, _: Manner| (delivery.about.colour() != Colour::Red).then_some(Duration::from_secs(900));
    rig.owe_ring(4, Colour::Yellow, 3);
    let now = rig.at(3);
    assert!(rig.schedule.start(now, 1000, night).is_empty());
    rig.owe_ring(5, Colour::Yellow, 3);
    assert!(rig.superseded().is_empty(), "the newer one would be held, too");
    rig.owe_ring(6, Colour::Red, 3);
    assert_eq!(rig.superseded(), ["ring4"]);
    rig.schedule.settle(&"ring4".into(), now);
    assert!(rig.schedule.start(now, 1000, night).is_empty());
    assert_eq!(rig.superseded(), ["ring5"]);
    rig.schedule.settle(&"ring5".into(), now);
    assert_eq!(rig.schedule.start(now, 1000, night).len(), 1);
}
