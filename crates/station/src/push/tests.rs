//! The pushers against real receivers that fail, delay, redirect, and have enough.
#![allow(clippy::unwrap_used)]

mod receiver;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use model::alert::{Evidence, HistoryItem};
use model::finding::Words;
use model::{
    Alert, AlertId, AlertState, Commit, Family, FeedEvent, FeedKind, Journal as _, LedgerBatch, Roster, UnitId,
};
use store::Store;

use super::*;
use receiver::{Receiver, Seen};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW_MS: u64 = 1_763_798_400_000;
const GRID: &str = "331083001001001";
const OTHER_GRID: &str = "331083002001001";
/// Events that the ledger keeps.
const KEPT: u64 = 30;

/// A ledger and a view that are told what happens.
struct City {
    folder: tempfile::TempDir,
    store: Arc<Store>,
    view: Arc<View>,
}

impl City {
    fn new() -> City {
        City::over(tempfile::tempdir().unwrap())
    }

    fn over(folder: tempfile::TempDir) -> City {
        let settings = store::Settings { feed_events_max: KEPT, ..store::Settings::default() };
        let store = Arc::new(Store::open(folder.path().join("store"), settings).unwrap());
        // the ring is small, so that most of what is pushed comes from the disk
        let http = command_centre::Settings { feed_ring_events: 8, ..command_centre::Settings::default() };
        let view = Arc::new(View::load(&*store, Arc::default(), &http).unwrap());
        City { folder, store, view }
    }

    fn commit(&self, alerts: &[(FeedKind, Alert)]) {
        let epoch = self.store.last_epoch() + 1;
        self.store.append(&Commit { epoch, ..Commit::default() }, &[], &[]).unwrap();
        let mut batch = LedgerBatch { epoch, at_ms: NOW_MS + epoch, ..LedgerBatch::default() };
        for (at, (kind, alert)) in alerts.iter().enumerate() {
            let cursor = self.store.newest_cursor() + 1 + at as u64;
            let (kind, grid, summary) = (*kind, alert.grid, alert.summary());
            let at_ms = NOW_MS + epoch;
            let alert_now = Some(Box::new(summary));
            let event =
                FeedEvent { cursor, epoch, at_ms, kind, grid, alert: alert_now, unit: None, detail: None, order: None };
            batch.feed.push(Arc::new(event));
            batch.alerts.push(Arc::new(alert.clone()));
        }
        self.store.commit(&batch).unwrap();
        self.view.apply(&batch, &Arc::new(Roster::default()), &[]);
    }

    /// A new alert; its event's cursor follows the last.
    fn raise(&self, grid: &str, colour: Colour) -> Alert {
        self.raise_in(UnitId(7), grid, colour)
    }

    fn raise_in(&self, unit: UnitId, grid: &str, colour: Colour) -> Alert {
        let epoch = self.store.last_epoch() + 1;
        let id = AlertId { epoch, unit, family: Family::Fire };
        let mut alert = Alert::new(id, colour, grid.parse().unwrap(), NOW_MS + epoch);
        alert.evidence.push(Evidence {
            at_ms: NOW_MS + epoch,
            epoch,
            rule: "smoke".into(),
            device: None,
            colour,
            words: Words { zh: "烟".into(), en: "smoke".into() },
            alarm: None,
        });
        note(&mut alert, FeedKind::AlertRaised, epoch);
        self.commit(&[(FeedKind::AlertRaised, alert.clone())]);
        alert
    }

    fn raise_many(&self, count: usize) {
        for _ in 0..count {
            self.raise(GRID, Colour::Red);
        }
    }

    fn close(&self, alert: &Alert) {
        let epoch = self.store.last_epoch() + 1;
        let mut alert = Alert { state: AlertState::Closed, ..alert.clone() };
        note(&mut alert, FeedKind::AlertClosed, epoch);
        self.commit(&[(FeedKind::AlertClosed, alert)]);
    }

    fn start(&self, settings: &Settings) -> Running {
        let (stop, clock) = (CancellationToken::new(), Arc::new(|| NOW_MS) as Arc<dyn Clock>);
        let http = command_centre::Settings::default();
        let (data, view, ledger) = (self.folder.path(), &self.view, Arc::clone(&self.store) as _);
        let parts = Parts { settings, http: &http, data, view, ledger, clock: &clock };
        let task = start(&parts, &stop).unwrap();
        Running { stop, task }
    }

    fn mark(&self, name: &str) -> u64 {
        let path = self.folder.path().join(FOLDER).join(format!("{name}.cursor"));
        std::fs::read_to_string(path).unwrap().trim().parse().unwrap()
    }

    fn pages(&self, wording: Wording) -> Pages {
        let (view, ledger) = (Arc::clone(&self.view), Arc::clone(&self.store) as _);
        Pages::new(view, ledger, Filter::default(), wording, &command_centre::Settings::default())
    }
}

fn note(alert: &mut Alert, kind: FeedKind, epoch: u64) {
    let (what, by) = (kind.word().into(), "smoke".into());
    let (number, at_ms, hash) = (0, NOW_MS + epoch, [0; 32]);
    alert.record(HistoryItem { number, at_ms, epoch, what, by, note: None, command: None, hash });
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(std::time::Duration::from_secs(20), self.task).await.unwrap().unwrap();
    }
}

fn webhook(name: &str, receiver: &Receiver) -> Webhook {
    Webhook {
        name: name.into(),
        url: receiver.url.clone(),
        secrets: vec![Secret(SECRET.into())],
        allow_private: true,
        ca_file: None,
        region: None,
        min: None,
        kinds: Vec::new(),
        format: Wording::Native,
        from: Begin::Oldest,
        in_flight: 1,
    }
}

fn settings(webhooks: Vec<Webhook>) -> Settings {
    Settings { retry_ms: vec![1, 2, 5], try_limit_ms: 300, mark_every_ms: 0, webhooks, ..Settings::default() }
}

fn cursors(seen: &[Seen]) -> Vec<u64> {
    seen.iter().map(|seen| seen.json()["cursor"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn the_feed_is_pushed_in_order_and_signed() {
    let city = City::new();
    let receiver = Receiver::takes_all().await;
    city.raise_many(20);
    let running = city.start(&settings(vec![webhook("brigade", &receiver)]));
    receiver.wait_for(20).await;
    // and what happens from now on
    city.raise_many(5);
    let seen = receiver.wait_for(25).await;
    assert_eq!(cursors(&seen), (1..=25).collect::<Vec<u64>>());
    for seen in &seen {
        assert_eq!(seen.headers["content-type"], "application/json");
        let timestamp = &seen.headers["webhook-timestamp"];
        assert_eq!(*timestamp, (NOW_MS / 1000).to_string());
        let key = STANDARD.decode(&SECRET["whsec_".len()..]).unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{timestamp}.", seen.id()).as_bytes());
        mac.update(&seen.body);
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(seen.headers["webhook-signature"], expected);
    }
    running.stop().await;
    assert_eq!(city.mark("brigade"), 25);
}

#[tokio::test]
async fn each_has_its_own_part_in_its_own_words() {
    let city = City::new();
    let receivers = [Receiver::takes_all().await, Receiver::takes_all().await, Receiver::takes_all().await];
    let local = Webhook { region: "331083002".parse().ok(), ..webhook("local", &receivers[0]) };
    let events = Webhook {
        min: Some(Colour::Orange),
        kinds: vec!["alert.raised".into()],
        format: Wording::Cloudevents,
        ..webhook("events", &receivers[1])
    };
    let cap =
        Webhook { format: Wording::Cap, secrets: vec![Secret(SECRET.into()); 2], ..webhook("cap", &receivers[2]) };
    let running = city.start(&settings(vec![local, events, cap]));
    let first = city.raise(GRID, Colour::Red);
    city.raise(OTHER_GRID, Colour::Yellow);
    // more evidence, of which CAP says nothing
    city.commit(&[(FeedKind::AlertUpdated, first.clone()), (FeedKind::AlertEscalated, first.clone())]);
    city.close(&first);

    let seen = receivers[0].wait_for(1).await;
    assert_eq!(cursors(&seen), [2]);
    let seen = receivers[1].wait_for(1).await;
    assert_eq!(seen[0].headers["content-type"], "application/cloudevents+json");
    let event = seen[0].json();
    assert_eq!((&event["type"], &event["data"]["cursor"]), (&"cn.fenghuo.alert.raised.v1".into(), &1.into()));
    assert_eq!(event["id"], seen[0].id(), "both name the event the same");
    let seen = receivers[2].wait_for(3).await;
    let said: Vec<String> = seen.iter().map(|seen| String::from_utf8(seen.body.clone()).unwrap()).collect();
    let types = |text: &str| text.split("<msgType>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(said.iter().map(|text| types(text)).collect::<Vec<_>>(), ["Alert", "Alert", "Cancel"]);
    assert!(said[2].contains(&format!("<references>fenghuo.station,{}.1,", first.id)), "{}", said[2]);
    assert_eq!(seen[2].headers["content-type"], "application/cap+xml");
    assert_eq!(seen[2].headers["webhook-signature"].split(' ').count(), 2);
    running.stop().await;
    assert_eq!([receivers[0].seen().len(), receivers[1].seen().len(), receivers[2].seen().len()], [1, 1, 3]);
    // what is none of a receiver's business is behind it too
    assert_eq!([city.mark("local"), city.mark("events"), city.mark("cap")], [5, 5, 5]);
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_the_same_and_in_order() {
    let city = City::new();
    let script = [
        Some("500 Internal Server Error\r\n"),
        Some("302 Found\r\nlocation: /elsewhere\r\n"),
        None,
        Some("400 Bad Request\r\n"),
        Some("200 OK\r\n"),
        Some("503 Service Unavailable\r\nretry-after: soon\r\n"),
        Some("204 No Content\r\n"),
    ];
    let receiver = Receiver::start(move |n| script.get(n).copied().unwrap_or(Some("202 Accepted\r\n"))).await;
    city.raise_many(3);
    let running = city.start(&settings(vec![webhook("rude", &receiver)]));
    let seen = receiver.wait_for(8).await;
    assert_eq!(cursors(&seen), [1, 1, 1, 1, 1, 2, 2, 3]);
    assert!(seen.iter().all(|seen| seen.path == "/hook"), "redirects are not followed");
    for again in &seen[1..5] {
        assert_eq!((again.id(), &again.body), (seen[0].id(), &seen[0].body));
    }
    assert!(seen[4].id() != seen[6].id());
    running.stop().await;
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_pause_gets_it() {
    let city = City::new();
    let script = |n| Some(if n == 0 { "429 Too Many Requests\r\nretry-after: 1\r\n" } else { "200 OK\r\n" });
    let receiver = Receiver::start(script).await;
    city.raise_many(2);
    let running = city.start(&settings(vec![webhook("busy", &receiver)]));
    let seen = receiver.wait_for(3).await;
    assert_eq!(cursors(&seen), [1, 1, 2]);
    let pause_ms = (seen[1].at - seen[0].at).as_millis();
    assert!(pause_ms >= 1000, "{pause_ms} ms");
    running.stop().await;

    // but no longer than the settings allow
    let script = |n| Some(if n == 0 { "429 Too Many Requests\r\nretry-after: 86400\r\n" } else { "200 OK\r\n" });
    let receiver = Receiver::start(script).await;
    let patient = Settings { retry_after_max_s: 0, ..settings(vec![webhook("long", &receiver)]) };
    let running = city.start(&patient);
    receiver.wait_for(3).await;
    running.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_sent_no_more_until_the_next_start() {
    let city = City::new();
    let script = |n| Some(if n == 1 { "410 Gone\r\n" } else { "200 OK\r\n" });
    let (gone, other) = (Receiver::start(script).await, Receiver::takes_all().await);
    let settings = settings(vec![webhook("gone", &gone), webhook("other", &other)]);
    let running = city.start(&settings);
    city.raise_many(2);
    gone.wait_for(2).await;
    city.raise_many(3);
    other.wait_for(5).await;
    running.stop().await;
    assert_eq!(gone.seen().len(), 2);
    let running = city.start(&settings);
    let seen = gone.wait_for(6).await;
    assert_eq!(cursors(&seen), [1, 2, 2, 3, 4, 5], "nothing is lost to it");
    running.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was_and_a_crash_sends_the_same_again() {
    let city = City::new();
    let receiver = Receiver::takes_all().await;
    let seldom = Settings { mark_every_ms: 3_600_000, ..settings(vec![webhook("b", &receiver)]) };
    city.raise_many(10);
    let running = city.start(&seldom);
    receiver.wait_for(10).await;
    running.stop().await;
    city.raise_many(5);
    let running = city.start(&seldom);
    receiver.wait_for(15).await;
    // a crash: nobody writes down how far it was
    running.task.abort();
    let _ = running.task.await;
    assert_eq!(city.mark("b"), 10);
    city.raise_many(1);
    let running = city.start(&seldom);
    let seen = receiver.wait_for(21).await;
    assert_eq!(cursors(&seen), [(1..=15).collect::<Vec<u64>>(), (11..=16).collect()].concat());
    for (first, again) in seen[10..15].iter().zip(&seen[15..20]) {
        assert_eq!((first.id(), &first.body), (again.id(), &again.body));
    }
    running.stop().await;
}

#[tokio::test]
async fn who_was_away_too_long_is_told_what_is_gone() {
    let city = City::new();
    let is_up = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let script =
        move |_| Some(if up.load(std::sync::atomic::Ordering::SeqCst) { "200 OK\r\n" } else { "500 Down\r\n" });
    let receiver = Receiver::start(script).await;
    let one_by_one = Settings { chunk_events: 1, ..settings(vec![webhook("away", &receiver)]) };
    city.raise_many(1);
    let running = city.start(&one_by_one);
    receiver.wait_for(2).await;
    city.raise_many(99);
    assert_eq!(city.store.retain(NOW_MS, 100).unwrap().events, 100 - KEPT);
    is_up.store(true, std::sync::atomic::Ordering::SeqCst);
    let down = receiver.seen().len();
    let seen = receiver.wait_for(down + 32).await;
    let taken: Vec<Seen> = seen.into_iter().skip_while(|seen| seen.json()["type"] != "feed.gap").collect();
    let gap = taken[0].json();
    let oldest = 100 - KEPT + 1;
    assert_eq!((&gap["after"], &gap["oldest"], &gap["cursor"]), (&1.into(), &oldest.into(), &(oldest - 1).into()));
    assert_eq!(cursors(&taken[1..]), (oldest..=100).collect::<Vec<u64>>());
    running.stop().await;
    assert_eq!(city.mark("away"), 100);
}

#[tokio::test]
async fn one_that_never_answers_holds_up_nobody() {
    let city = City::new();
    let (silent, quick) = (Receiver::start(|_| None).await, Receiver::takes_all().await);
    let hooks = vec![webhook("silent", &silent), webhook("quick", &quick)];
    let running = city.start(&Settings { try_limit_ms: 3_600_000, ..settings(hooks) });
    for round in 1..=10 {
        city.raise_many(2);
        quick.wait_for(2 * round).await;
    }
    assert_eq!(cursors(&quick.seen()), (1..=20).collect::<Vec<u64>>());
    assert_eq!(silent.seen().len(), 1);
    // nor the end of the station
    running.stop().await;
    assert_eq!(city.mark("silent"), 0);
}

#[tokio::test]
async fn several_units_go_side_by_side_and_each_in_its_order() {
    let city = City::new();
    // the first of unit 0 fails for a while, everything takes its time
    let script = |n| Some(if n == 0 { "after 10;500 No\r\n" } else { "after 10;200 OK\r\n" });
    let receiver = Receiver::start(script).await;
    for at in 0..KEPT as u32 {
        city.raise_in(UnitId(at % 5), GRID, Colour::Red);
    }
    let wide = Webhook { in_flight: 3, ..webhook("wide", &receiver) };
    let running = city.start(&settings(vec![wide.clone()]));
    let seen = receiver.wait_for(31).await;
    running.stop().await;
    assert_eq!(city.mark("wide"), KEPT);
    for unit in 0..5 {
        let mine = cursors(&seen).into_iter().filter(|cursor| (cursor - 1) % 5 == unit).collect::<Vec<_>>();
        assert!(mine.is_sorted(), "{mine:?}");
    }
    let all: BTreeSet<u64> = cursors(&seen).into_iter().collect();
    assert_eq!(all.len(), 30);
    assert!(!cursors(&seen).is_sorted(), "unit 0 held up the others");

    // one that is never answered holds up its unit alone, and the mark stays before it, whatever was taken behind it
    let stuck = Receiver::start(|n| if n == 0 { None } else { Some("200 OK\r\n") }).await;
    let hook = Webhook { url: stuck.url.clone(), name: "stuck".into(), ..wide };
    let running = city.start(&Settings { try_limit_ms: 3_600_000, ..settings(vec![hook]) });
    let seen = stuck.wait_for(25).await;
    running.stop().await;
    assert_eq!(cursors(&seen).into_iter().filter(|cursor| (cursor - 1) % 5 == 0).collect::<Vec<_>>(), [1]);
    assert_eq!(city.mark("stuck"), 0);
}

#[tokio::test]
async fn a_feed_that_was_set_back_is_told_as_a_gap() {
    let city = City::new();
    let receiver = Receiver::takes_all().await;
    let settings = settings(vec![webhook("back", &receiver)]);
    std::fs::create_dir_all(city.folder.path().join(FOLDER)).unwrap();
    std::fs::write(city.folder.path().join(FOLDER).join("back.cursor"), "500").unwrap();
    city.raise_many(3);
    let running = city.start(&settings);
    let seen = receiver.wait_for(1).await;
    assert_eq!((&seen[0].json()["after"], &seen[0].json()["oldest"]), (&500.into(), &4.into()));
    city.raise_many(1);
    assert_eq!(cursors(&receiver.wait_for(2).await), [3, 4]);
    running.stop().await;
}

#[test]
fn a_gap_is_told_in_every_wording() {
    let city = City::new();
    city.raise_many(50);
    city.store.retain(NOW_MS, 50).unwrap();
    for (wording, expected) in [
        (Wording::Native, "\"type\":\"feed.gap\""),
        (Wording::Cloudevents, "\"type\":\"cn.fenghuo.feed.gap.v1\""),
        (Wording::Cap, "<status>System</status>"),
    ] {
        let stretch = city.pages(wording).read(3, 4).unwrap();
        let body = String::from_utf8(stretch.messages[0].body.to_vec()).unwrap();
        assert!(body.contains(expected), "{body}");
        assert_eq!((stretch.messages[0].cursor, stretch.messages.len(), stretch.read_to), (20, 5, 24));
        let again = city.pages(wording).read(3, 4).unwrap();
        assert_eq!(stretch.messages[0].body, again.messages[0].body);
    }
}

#[test]
fn messages_of_cap_follow_from_whole_commits() {
    let city = City::new();
    let first = city.raise(GRID, Colour::Red);
    let epoch = city.store.last_epoch() + 1;
    // verified and closed in one commit, cut in two by the limit: one message, as it stood after it
    let mut verified = first.clone();
    verified.state = AlertState::Verified;
    note(&mut verified, FeedKind::AlertVerified, epoch);
    let mut closed = Alert { state: AlertState::Closed, ..verified.clone() };
    note(&mut closed, FeedKind::AlertClosed, epoch);
    city.commit(&[(FeedKind::AlertVerified, verified), (FeedKind::AlertClosed, closed)]);
    for limit in [1, 2, 3, 10] {
        let pages = city.pages(Wording::Cap);
        let (mut after, mut said) = (0, Vec::new());
        loop {
            let stretch = pages.read(after, limit).unwrap();
            if stretch.read_to == after {
                break;
            }
            after = stretch.read_to;
            said.extend(stretch.messages.into_iter().map(|message| (message.cursor, message.body)));
        }
        assert_eq!(said.iter().map(|(cursor, _)| *cursor).collect::<Vec<_>>(), [1, 3], "{limit}");
        assert!(String::from_utf8_lossy(&said[1].1).contains("<msgType>Cancel</msgType>"));
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_told() {
    let receiver = Receiver::takes_all().await;
    let good = webhook("a", &receiver);
    assert_eq!(settings(vec![good.clone()]).check(), Ok(()));
    for (expected, bad) in [
        ("letters, digits", Webhook { name: "a b".into(), ..good.clone() }),
        ("letters, digits", Webhook { name: "../a".into(), ..good.clone() }),
        ("there is no kind", Webhook { kinds: vec!["alarm".into()], ..good.clone() }),
        ("leave kinds out", Webhook { kinds: vec!["alert".into()], format: Wording::Cap, ..good.clone() }),
    ] {
        let fault = settings(vec![bad]).check().unwrap_err();
        assert!(fault.contains(expected), "{fault}");
    }
    let twice = settings(vec![good.clone(), Webhook { name: "A".into(), ..good.clone() }]);
    assert!(twice.check().unwrap_err().contains("two webhooks"));
    assert!(Settings { retry_ms: Vec::new(), ..Settings::default() }.check().is_err());

    let city = City::new();
    let (clock, stop) = (Arc::new(|| NOW_MS) as Arc<dyn Clock>, CancellationToken::new());
    for (expected, bad) in [
        ("private", Webhook { allow_private: false, ..good.clone() }),
        ("secret", Webhook { secrets: Vec::new(), ..good.clone() }),
        ("http", Webhook { url: "ftp://x/".into(), ..good.clone() }),
    ] {
        let (http, settings) = (command_centre::Settings::default(), settings(vec![bad]));
        let (data, view, ledger) = (city.folder.path(), &city.view, Arc::clone(&city.store) as _);
        let parts = Parts { settings: &settings, http: &http, data, view, ledger, clock: &clock };
        let fault = start(&parts, &stop).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(fault.contains(expected) && fault.contains("feed.webhooks"), "{expected}: {fault}");
    }
    std::fs::write(city.folder.path().join(FOLDER).join("a.cursor"), "many").unwrap();
    let (http, settings) = (command_centre::Settings::default(), settings(vec![good]));
    let (data, view, ledger) = (city.folder.path(), &city.view, Arc::clone(&city.store) as _);
    let parts = Parts { settings: &settings, http: &http, data, view, ledger, clock: &clock };
    assert!(start(&parts, &stop).err().is_some_and(|error| error.to_string().contains("holds no cursor")));
}
