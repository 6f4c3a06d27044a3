use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use alerts::LateKind;
use dispatcher::Secret;
use model::alert::Rung;
use model::{AlertId, Colour, Family, UnitId};

use super::*;

const NOW_MS: u64 = 1_767_225_600_000;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const DEADLINE: Duration = Duration::from_secs(20);

fn seen(committed: Epoch, applied: Epoch, committed_ms: u64) -> Result<Seen, StoreError> {
    Ok(Seen { committed, applied, committed_ms, ..Seen::default() })
}

fn names(verdict: &Verdict) -> Vec<&'static str> {
    verdict.faults.iter().map(|(name, _)| *name).collect()
}

/// A fire whose chief should have been told a minute after it rang.
fn fire() -> Alert {
    let rung = |whom: &str, after_ms: u64, told_ms| Rung {
        whom: whom.into(),
        due_ms: NOW_MS + after_ms,
        told_ms,
        ..Rung::default()
    };
    let id = AlertId { epoch: 7, unit: UnitId(3), family: Family::Fire };
    Alert {
        ladder: vec![rung("owner", 0, Some(NOW_MS)), rung("village_chief", 60_000, None)],
        ..Alert::new(id, Colour::Orange, "331083001001001".parse().expect("a code"), NOW_MS)
    }
}

#[test]
fn a_pipeline_that_stands_is_told_apart_from_one_that_works() {
    let mut looker = Looker::new(Auditor::default());
    let began = Instant::now();
    let mut look =
        |after_s: u64, seen| looker.look(seen, NOW_MS + after_s * 1000, began + Duration::from_secs(after_s));
    let at = |after_s: u64| NOW_MS + after_s * 1000;
    assert_eq!(names(&look(0, seen(10, 10, at(0)))), [""; 0]);
    assert_eq!(names(&look(10, seen(20, 20, at(10)))), [""; 0]);
    // ticks are committed and the desk does not judge them
    assert_eq!(names(&look(20, seen(30, 20, at(20)))), [""; 0], "ten seconds are not yet long");
    let verdict = look(30, seen(40, 20, at(30)));
    assert_eq!(verdict.faults, [("desk", "20 commits are not judged, the newest that is for 20 s".into())]);
    assert!(!verdict.is_alive() && verdict.carries().is_err());
    assert_eq!(names(&look(40, seen(50, 50, at(40)))), [""; 0], "it works again");
    // no commit comes any more
    assert_eq!(names(&look(56, seen(50, 50, at(40)))), ["ticks"]);
    let broken = StoreError::Disk { doing: "read", reason: "gone".into() };
    let verdict = look(57, Err(broken));
    assert_eq!(names(&verdict), ["store"]);
    assert!(!verdict.is_alive());
}

#[test]
fn a_wall_clock_that_jumps_is_told() {
    let mut looker = Looker::new(Auditor::default());
    let began = Instant::now();
    let mut look = |after_s: u64, wall_s: u64, committed_s: u64| {
        let seen = seen(after_s, after_s, NOW_MS + committed_s * 1000);
        looker.look(seen, NOW_MS + wall_s * 1000, began + Duration::from_secs(after_s))
    };
    assert!(look(10, 10, 10).is_well());
    let forward = look(20, 3620, 3620);
    assert_eq!(
        forward.faults,
        [("clock", "the wall clock jumped forward by 3600 s: look at its synchronisation".into())]
    );
    assert!(forward.is_alive(), "the pipeline works all the same");
    let back = look(30, 30, 3620);
    assert_eq!(names(&back), ["clock", "clock"], "{:?}", back.faults);
    assert!(back.faults[1].1.contains("3590 s ahead of the wall clock"), "{:?}", back.faults);
}

/// Answers every request with 204 and hands its head and body on.
fn receiver() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/beat", listener.local_addr().expect("bound"));
    let (told, heard) = sync_channel(64);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let told = told.clone();
            std::thread::spawn(move || {
                let mut text = String::new();
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut bytes) {
                    text.push_str(&String::from_utf8_lossy(&bytes[..read]));
                    let body = text.split_once("\r\n\r\n").map(|(head, body)| (head.to_lowercase(), body.len()));
                    let length = body
                        .as_ref()
                        .and_then(|(head, _)| head.split_once("content-length: ")?.1.lines().next()?.parse().ok());
                    if body.zip(length).is_some_and(|((_, has), wants): (_, usize)| has >= wants) {
                        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
                        if told.send(std::mem::take(&mut text)).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    (url, heard)
}

fn hook(url: &str) -> Webhook {
    Webhook {
        name: "watch".into(),
        url: url.into(),
        secrets: vec![Secret(SECRET.into())],
        allow_private: true,
        ca_file: None,
        per_minute: 0,
    }
}

/// A station whose journal and desk are two numbers, audited once a second.
struct Bench {
    committed: Arc<AtomicU64>,
    applied: Arc<AtomicU64>,
    alert: Arc<Mutex<Option<Alert>>>,
    auditing: Auditing,
    beats: Receiver<String>,
    told: Receiver<String>,
}

/// Every look is a second later by the wall, and the journal has one commit more, unless it stands.
fn bench(stands: Arc<std::sync::atomic::AtomicBool>) -> Bench {
    let (url, beats) = receiver();
    let (hook_url, told) = receiver();
    let heartbeat = Heartbeat {
        url: Some(url),
        secret: Some(Secret(SECRET.into())),
        every_s: 1,
        allow_private: true,
        ..Heartbeat::default()
    };
    let settings = Auditor { every_s: 1, pipeline_s: 2, tell: vec!["webhook:watch".into()], ..Auditor::default() };
    let (committed, applied) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(1)));
    let alert = Arc::new(Mutex::new(None));
    let (of_journal, of_desk, open) = (Arc::clone(&committed), Arc::clone(&applied), Arc::clone(&alert));
    let read: Read = Box::new(move || {
        let committed = of_journal.fetch_add(1, Ordering::SeqCst) + 1;
        if !stands.load(Ordering::SeqCst) {
            of_desk.store(committed, Ordering::SeqCst);
        }
        let open = open.lock().expect("no holder panics").clone();
        Ok(Seen {
            committed,
            committed_ms: NOW_MS + committed * 1000,
            applied: of_desk.load(Ordering::SeqCst),
            cursor: 5,
            open: open.into_iter().collect(),
            owed: Vec::new(),
        })
    });
    let wall = Arc::clone(&committed);
    let clock: Arc<dyn Clock> = Arc::new(move || NOW_MS + wall.load(Ordering::SeqCst) * 1000);
    let stop = CancellationToken::new();
    let auditing = start_with((&settings, &heartbeat, &[hook(&hook_url)]), read, &clock, &stop).expect("starts");
    Bench { committed, applied, alert, auditing, beats, told }
}

fn json_of(request: &str) -> serde_json::Value {
    serde_json::from_str(request.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
}

#[test]
fn the_heart_beats_signed_while_the_pipeline_lives_and_stops_with_it() {
    let stands = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let bench = bench(Arc::clone(&stands));
    let beat = bench.beats.recv_timeout(DEADLINE).expect("a heartbeat");
    let head = beat.to_lowercase();
    assert!(head.starts_with("post /beat http/1.1") && head.contains("webhook-signature: v1,"), "{beat}");
    let body = json_of(&beat);
    assert_eq!((&body["type"], &body["cursor"], &body["well"]), (&"heartbeat".into(), &5.into(), &true.into()));
    assert!(bench.auditing.check()().is_ok());

    // the desk stalls: commits come, none is judged
    stands.store(true, Ordering::SeqCst);
    let late = bench.told.recv_timeout(DEADLINE).expect("the auditor tells of the desk");
    assert_eq!(json_of(&late)["faults"][0]["check"], "desk");
    let why = bench.auditing.check()().expect_err("not ready");
    assert!(why.starts_with("desk: "), "{why}");
    // whatever was sent before it was noticed is over; then silence, for several intervals
    while bench.beats.try_recv().is_ok() {}
    let before = bench.committed.load(Ordering::SeqCst);
    assert!(bench.beats.recv_timeout(Duration::from_millis(3500)).is_err(), "a dead pipeline has no heartbeat");
    assert!(bench.committed.load(Ordering::SeqCst) > before + 1, "the auditor looked meanwhile");

    stands.store(false, Ordering::SeqCst);
    bench.beats.recv_timeout(DEADLINE).expect("it beats again");
    assert_eq!(json_of(&bench.told.recv_timeout(DEADLINE).expect("told"))["type"], "auditor.well");
    assert!(bench.applied.load(Ordering::SeqCst) > before);
}

#[test]
fn a_step_that_a_working_pipeline_forgot_is_told_and_the_heart_says_so() {
    let bench = bench(Arc::default());
    bench.beats.recv_timeout(DEADLINE).expect("a heartbeat");
    *bench.alert.lock().expect("no holder panics") = Some(fire());
    bench.committed.store(90, Ordering::SeqCst); // ninety seconds on
    let told = json_of(&bench.told.recv_timeout(DEADLINE).expect("told"));
    // the jump of this clock is told, too
    let late = |told: &serde_json::Value| told["late"][0]["kind"] == "step" && told["late"][0]["about"] == "fire-3-7";
    assert!(late(&told), "{told}");
    let why = bench.auditing.check()().expect_err("not ready");
    assert!(why.contains("fire-3-7"), "{why}");
    let beats = std::iter::from_fn(|| bench.beats.recv_timeout(DEADLINE).ok());
    let beat = beats.map(|beat| json_of(&beat)).find(|beat| beat["late"] == 1).expect("a heartbeat that says so");
    assert_eq!((&beat["well"], &beat["open_alerts"]), (&false.into(), &1.into()));
}

#[test]
fn what_cannot_be_used_is_refused_with_what_to_do() {
    let webhooks = [hook("http://127.0.0.1:9/")];
    for (way, expected) in [
        ("webhook:nobody", "no [[dispatcher.webhook]] with the name \"nobody\""),
        ("pigeon", "neither console nor webhook:<name>"),
    ] {
        let error = Teller::open(&[way.to_owned()], &webhooks, 60).err().expect(way);
        assert!(error.contains(expected), "{error}");
    }
    let heartbeat = Heartbeat { url: Some("https://example.org".into()), ..Heartbeat::default() };
    assert!(Heart::open(&heartbeat).err().expect("refused").contains("needs a secret"));
    let inside =
        Heartbeat { url: Some("http://127.0.0.1:9/".into()), secret: Some(Secret(SECRET.into())), ..heartbeat };
    assert!(Heart::open(&inside).err().expect("refused").contains("private"));
    assert!(Auditor { pipeline_s: 1, ..Auditor::default() }.check().is_err());
}

#[test]
fn deliveries_that_a_channel_does_not_take_do_not_take_the_station_out_of_service() {
    let late = |kind| Late { kind, about: fire().id.into(), due_ms: 0, detail: "late".into() };
    let verdict = Verdict { late: vec![late(LateKind::Delivery)], ..Verdict::default() };
    assert!(verdict.carries().is_ok() && !verdict.is_well());
    let verdict = Verdict { late: vec![late(LateKind::UntoldFire)], ..Verdict::default() };
    assert_eq!(verdict.carries(), Err("late".into()));
}
