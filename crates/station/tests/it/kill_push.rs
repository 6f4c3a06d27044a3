//! Webhooks across kill -9: receivers that fail now and then get every event of their part of the feed, in order, a repeated one
//! the same; and the messages of CAP that they hold are those that the API has.
//!
//! FENGHUO_KILL_ROUNDS sets the rounds, 100 at most.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::device::Client;
use crate::kill::{Lcg, rounds};
use crate::receiver::{Receiver, Seen};
use crate::rig::{OPERATOR, Rig};

const UNITS: usize = 20;
const ALARMS: usize = 40;

fn configuration(receivers: &[(&str, &str, &Receiver)]) -> String {
    let mut text = "[feed]\nretry_ms = [10, 20, 50]\ntry_limit_ms = 1000\n".to_owned();
    for (name, more, receiver) in receivers {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        text.push_str(&format!(
            "[[feed.webhooks]]\nname = {name:?}\nurl = {:?}\nsecrets = [{secret:?}]\nallow_private = true\nfrom = \"oldest\"\n{more}\n",
            receiver.url
        ));
    }
    text
}

/// What came, each once, in the order of its first coming; what came again was the same.
fn once(who: &str, seen: Vec<Seen>) -> Vec<Seen> {
    let mut known: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut first = Vec::new();
    for seen in seen {
        match known.get(seen.id()) {
            Some(body) => assert!(*body == seen.body, "{who}: another text under {}", seen.id()),
            None => {
                known.insert(seen.id().to_owned(), seen.body.clone());
                first.push(seen);
            }
        }
    }
    first
}

fn cursors(seen: &[Seen], at: &str) -> Vec<u64> {
    seen.iter().map(|seen| seen.json().pointer(at).unwrap().as_u64().unwrap()).collect()
}

async fn events(rig: &Rig) -> Vec<Value> {
    let page = rig.get("/api/v1/events?limit=10000").await;
    page["events"].as_array().unwrap().clone()
}

/// The newest message of each alert that a receiver holds, and how many there are of it.
fn newest(seen: &[Seen]) -> BTreeMap<String, (usize, Vec<u8>)> {
    let mut newest = BTreeMap::new();
    for seen in seen {
        let text = String::from_utf8_lossy(&seen.body);
        let alert = text.split("<incidents>").nth(1).unwrap().split('<').next().unwrap().to_owned();
        let is_first = !newest.contains_key(&alert);
        assert_eq!(text.contains("<msgType>Alert</msgType>"), is_first, "{alert}: {text}");
        let (count, body) = newest.entry(alert).or_insert((0, Vec::new()));
        *count += 1;
        body.clone_from(&seen.body);
    }
    newest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_get_everything_in_order_across_kills() {
    let moody = |n: usize| match n % 13 {
        3 => Some("500 Internal Server Error\r\n"),
        7 => Some("429 Too Many Requests\r\nretry-after: 0\r\n"),
        _ => Some("200 OK\r\n"),
    };
    let (native, events_1, cap) =
        (Receiver::start(moody).await, Receiver::takes_all().await, Receiver::start(moody).await);
    let hooks = [
        ("native", "", &native),
        ("township", "format = \"cloudevents\"\nregion = \"331083001\"\nkinds = [\"alert\"]", &events_1),
        ("cap", "format = \"cap\"", &cap),
    ];
    let mut rig = Rig::start_with(UNITS, &configuration(&hooks)).await;
    let mut random = Lcg(11);
    for round in 0..rounds().min(100) {
        let mut vendor = Client::connect(&rig, "acme", "rings");
        for at in 0..ALARMS {
            let (unit, detector) = (at % UNITS + 1, ["a", "b"][at / UNITS % 2]);
            let payload = format!(r#"{{"id":"f-{round}-{at}","kind":"smoke"}}"#);
            vendor.say(&format!("fire/v1/acme/s{unit}{detector}/alarm"), &payload).await;
        }
        let alert = rig.alert_of(&format!("U{}", round % UNITS + 1)).await["id"].as_str().unwrap().to_owned();
        let (status, _) = rig.post(&format!("/api/v1/alerts/{alert}/verify"), json!({ "verdict": "real" })).await;
        assert_eq!(status, 200, "as {OPERATOR}");
        tokio::time::sleep(Duration::from_millis(random.below(300))).await;
        rig.kill();
        rig.spawn().await;
    }
    // the ladder goes on telling: what there is by now is wanted, what comes later is welcome
    let wanted = events(&rig).await;
    let last = wanted.last().unwrap()["cursor"].as_u64().unwrap();
    for name in ["native", "township", "cap"] {
        let path = rig.folder.path().join("store/webhooks").join(format!("{name}.cursor"));
        rig.until("a webhook has all", async |_| {
            let mark: u64 = std::fs::read_to_string(&path).ok()?.trim().parse().ok()?;
            (mark >= last).then_some(())
        })
        .await;
    }
    let seen = once("native", native.seen());
    let came = cursors(&seen, "/cursor");
    assert!(came.is_sorted_by(|a, b| a + 1 == *b) && came[0] == 1, "a gap: {came:?}");
    for (event, seen) in wanted.iter().zip(&seen) {
        assert_eq!(*event, seen.json(), "another text than over HTTP");
    }
    let came = cursors(&once("township", events_1.seen()), "/data/cursor");
    let mine = wanted
        .iter()
        .filter(|event| event["region"].as_str().unwrap().starts_with("331083001") && event.get("alert").is_some());
    let mine: BTreeSet<u64> = mine.map(|event| event["cursor"].as_u64().unwrap()).collect();
    assert!(came.is_sorted_by(|a, b| a < b) && mine.iter().all(|cursor| came.binary_search(cursor).is_ok()));

    let alerts = newest(&once("cap", cap.seen()));
    assert!(alerts.len() >= UNITS && alerts.values().any(|(count, _)| *count > 1));
    for (alert, (_, body)) in &alerts {
        let answer = rig.client.get(rig.url(&format!("/api/v1/alerts/{alert}/cap"))).bearer_auth(OPERATOR).send().await;
        let said = answer.unwrap().bytes().await.unwrap();
        assert!(
            said == body.as_slice(),
            "{alert}:\n{}\n{}",
            String::from_utf8_lossy(&said),
            String::from_utf8_lossy(body)
        );
    }
    assert!(rig.stop().await.success());
}
