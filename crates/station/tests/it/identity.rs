//! Who comes in: credentials from the first secret to the last, and why somebody was refused.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use rumqttc::QoS;
use serde_json::{Value, json};

use crate::device::{Client, Heard};
use crate::rig::{ADMIN, Rig, fenghuo};

const STATE: &str = r#"{"state":"online","next_report_s":86400}"#;

fn command(roster: &Path, words: &str) -> Output {
    Command::new(fenghuo()).args(words.split(' ')).arg("--roster").arg(roster).arg("--json").output().unwrap()
}

/// The JSON answer of `fenghuo …`.
fn done(rig: &Rig, words: &str) -> Value {
    let output = command(&rig.folder.path().join("roster"), words);
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Does it, and waits until the station has seen it.
async fn done_and_seen(rig: &mut Rig, words: &str) -> Value {
    let loads = |rig: &Rig| rig.log().matches("credentials.csv loaded").count();
    let before = loads(rig);
    let answer = done(rig, words);
    rig.until("the station loads the file", async |rig| (loads(rig) > before).then_some(())).await;
    answer
}

fn text(answer: &Value, member: &str) -> String {
    answer[member].as_str().unwrap().to_owned()
}

async fn connected(rig: &Rig, name: &str, secret: &str, client_id: &str) -> Client {
    let mut client = Client::connect_with(rig, name, secret, client_id);
    match client.heard().await {
        Heard::Connected => client,
        other => panic!("{name} should come in: {other:?}"),
    }
}

#[tokio::test]
async fn a_device_comes_in_with_either_secret_and_goes_when_revoked() {
    let mut rig = Rig::start(1).await;
    let topic = "fire/v1/acme/h1/state";
    let added = done_and_seen(&mut rig, "device add acme/h1").await;
    let (name, first) = (text(&added, "name"), text(&added, "secret"));
    let mut old = connected(&rig, &name, &first, "h1-old").await;
    old.say(topic, STATE).await;

    let second = text(&done_and_seen(&mut rig, "device rotate acme/h1").await, "secret");
    let mut new = connected(&rig, &name, &second, "h1-new").await;
    new.say(topic, STATE).await;
    old.say(topic, STATE).await;

    done_and_seen(&mut rig, "device rotate acme/h1 --finish").await;
    old.end().await;
    Client::connect_with(&rig, &name, &first, "h1-old").end().await;
    let mut new = connected(&rig, &name, &second, "h1-new").await;
    new.say(topic, STATE).await;

    let listed = done(&rig, "device list --vendor acme");
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["acme/h1", "s1a"]);
    assert!(!listed.to_string().contains("sha256"), "{listed}");

    let revoked = std::time::Instant::now();
    done_and_seen(&mut rig, "device revoke acme/h1").await;
    new.end().await;
    assert!(revoked.elapsed().as_secs() < 10, "{:?}", revoked.elapsed());
    Client::connect_with(&rig, &name, &second, "h1-new").end().await;
    assert!(!rig.log().contains(&first) && !rig.log().contains(&second), "no secret is ever logged");
    assert!(rig.stop().await.success());
    assert_eq!(rig.complaints(&["refused"]), Vec::<String>::new());
}

#[tokio::test]
async fn nobody_takes_the_client_id_of_another() {
    let rig = Rig::start(1).await;
    let mut device = connected(&rig, "s1a", "s1a-secret", "acme/s1a").await;
    for client_id in ["acme/s1a", "s1a"] {
        let refused = Client::connect(&rig, "other", client_id).end().await;
        assert!(refused.contains("BadClientId") || refused.contains("IdentifierRejected"), "{refused}");
    }
    device.say("fire/v1/acme/s1a/state", STATE).await;

    // and the vendor can look it up, with its own account and nobody else's
    let (status, page) = rig.get_as("other.other-secret", "/api/v1/vendors/other/refusals").await;
    assert_eq!(status, 200, "{page}");
    let items = page["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[1]["client_id"]), (2, &json!("acme/s1a")), "{page}");
    assert_eq!((&items[0]["reason"], &items[0]["code"]), (&json!("Client Identifier not valid"), &json!(0x85)));
    assert!(items[0]["detail"].as_str().unwrap().contains("belongs to another"), "{page}");
    assert_eq!(rig.get_as("acme.acme-secret", "/api/v1/vendors/other/refusals").await.0, 403);
    assert_eq!(rig.get_as("other.guess", "/api/v1/vendors/other/refusals").await.0, 401);
    let basic = rig.client.get(rig.url("/api/v1/vendors/other/refusals")).basic_auth("other", Some("other-secret"));
    assert_eq!(basic.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn every_refusal_can_be_looked_up() {
    let mut rig = Rig::start(1).await;
    for _ in 0..3 {
        Client::connect_with(&rig, "acme", "wrong", "gw").end().await;
    }
    Client::connect_with(&rig, "acme/nobody", "wrong", "gw").end().await;
    Client::connect_with(&rig, "stranger", "wrong", "gw").end().await;
    let vendor = connected(&rig, "acme", "acme-secret", "gw").await;
    let foreign = "fire/v1/other/x/state";
    vendor.mqtt.publish(foreign, QoS::AtMostOnce, false, STATE.as_bytes().to_vec()).await.unwrap();
    vendor.mqtt.publish("fire/v1/acme/s1a/alarm", QoS::AtMostOnce, false, b"{".to_vec()).await.unwrap();
    vendor.mqtt.subscribe("fire/v1/#", QoS::AtLeastOnce).await.unwrap();
    let path = "/api/v1/vendors/acme/refusals";
    let page = rig
        .until("all five are there", async |rig| {
            let (_, page) = rig.get_as("acme.acme-secret", path).await;
            (page["items"].as_array()?.len() == 5).then_some(page)
        })
        .await;
    let items = page["items"].as_array().unwrap();
    let of = |attempt: &str, who: &str| {
        items.iter().find(|item| item["attempt"] == attempt && item["who"] == who).unwrap_or_else(|| panic!("{page}"))
    };
    assert_eq!((&of("connect", "acme")["count"], &of("connect", "acme")["proved"]), (&json!(3), &json!(false)));
    assert!(of("connect", "acme/nobody")["detail"].as_str().unwrap().contains("no credential is called"));
    assert_eq!((&of("publish", "acme")["topic"], &of("publish", "acme")["proved"]), (&json!(foreign), &json!(true)));
    assert_eq!(of("subscribe", "acme")["topic"], "fire/v1/#");
    assert_eq!(of("payload", "acme")["topic"], "fire/v1/acme/s1a/alarm");
    let strangers = rig.get("/api/v1/vendors/unknown/refusals").await;
    assert_eq!(strangers["items"][0]["who"], "stranger");
    assert_eq!(rig.get_as("acme.acme-secret", "/api/v1/vendors/unknown/refusals").await.0, 403);
    assert!(!page.to_string().contains("wrong") && !rig.log().contains("wrong"), "secrets are kept nowhere");
}

#[tokio::test]
async fn a_file_with_a_fault_changes_nothing() {
    let mut rig = Rig::start(1).await;
    let mut vendor = connected(&rig, "acme", "acme-secret", "gw").await;
    let path = rig.folder.path().join("roster/credentials.csv");
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, good.replace("acme,vendor", "acme,vender")).unwrap();
    rig.until("the fault is told", async |rig| rig.log().contains("kind \\\"vender\\\"").then_some(())).await;
    assert!(rig.log().contains("credentials.csv:2:"), "the line is named");
    vendor.say("fire/v1/acme/s1a/state", STATE).await;
    connected(&rig, "acme", "acme-secret", "gw-2").await;

    // mended and without the second vendor; told by a signal and not by the clock
    let without: String = good.lines().filter(|row| !row.starts_with("other,")).map(|row| format!("{row}\n")).collect();
    fs::write(&path, without).unwrap();
    rig.signal("-HUP");
    rig.until("it is loaded", async |rig| rig.log().contains("credentials.csv loaded").then_some(())).await;
    Client::connect(&rig, "other", "gw-3").end().await;
    vendor.say("fire/v1/acme/s1a/state", STATE).await;
}

#[tokio::test]
async fn a_vendor_registers_devices_where_it_may() {
    let mut rig = Rig::start_with(1, "self_registration = true\nself_registrations_per_day = 2\n---\n").await;
    let key = text(&done_and_seen(&mut rig, "vendor add maker --register").await, "secret");
    let register = async |rig: &Rig, vendor: &str, bearer: &str, device: &str| {
        let path = rig.url(&format!("/api/v1/vendors/{vendor}/devices"));
        let answer = rig.client.post(path).bearer_auth(bearer).json(&json!({ "device": device })).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let bearer = format!("maker.{key}");
    let (status, new) = register(&rig, "maker", &bearer, "d1").await;
    assert_eq!((status, &new["name"], &new["on_roster"]), (201, &json!("maker/d1"), &json!(false)), "{new}");
    let mut device = connected(&rig, "maker/d1", new["secret"].as_str().unwrap(), "maker/d1").await;
    device.say("fire/v1/maker/d1/state", STATE).await;
    for (vendor, bearer, device, expected) in [
        ("maker", &*bearer, "d1", 409),
        ("maker", &*bearer, "a/b", 422),
        ("maker", "maker.guess", "d2", 401),
        ("acme", &*bearer, "d2", 403),
        ("acme", "acme.acme-secret", "d2", 403),
        ("acme", ADMIN, "d2", 201),
        ("maker", &*bearer, "d2", 201),
        ("maker", &*bearer, "d3", 429),
    ] {
        let (status, answer) = register(&rig, vendor, bearer, device).await;
        assert_eq!(status, expected, "{vendor} {device}: {answer}");
    }
    assert!(rig.log().contains("device registered"));
    assert_eq!(done(&rig, "device list --vendor maker").as_array().unwrap().len(), 2);
}

/// `fenghuo roster import`, with the two folders.
fn import(from: &Path, into: &Path, words: &[&str]) -> (bool, Value, String) {
    let mut command = Command::new(fenghuo());
    let output = command.args(["roster", "import"]).arg(from).arg("--into").arg(into).args(words).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), serde_json::from_slice(&output.stdout).unwrap_or_default(), told)
}

#[tokio::test]
async fn a_roster_is_imported_as_a_whole_or_not_at_all() {
    let rig = Rig::start(2).await;
    let into = rig.folder.path().join("roster");
    let from = rig.folder.path().join("new");
    fs::create_dir(&from).unwrap();
    for file in ["regions", "units", "devices", "people"] {
        fs::copy(into.join(format!("{file}.csv")), from.join(format!("{file}.csv"))).unwrap();
    }
    let (fine, answer, _) = import(&from, &into, &["--json"]);
    assert!(fine && answer["written"] == false, "the same again changes nothing: {answer}");

    let devices = fs::read_to_string(from.join("devices.csv")).unwrap();
    let changed =
        devices.replace("acme,s1a,U1,smoke,厅,600", "acme,s1a,U1,smoke,卧室,600").replace("acme,h2,U2", "acme,h9,U2");
    fs::write(from.join("devices.csv"), changed.replace("acme,h9,U2", "acme,h9,U7")).unwrap();
    let (fine, answer, told) = import(&from, &into, &[]);
    assert!(!fine && told.contains("devices.csv:7:") && told.contains("nothing was taken"), "{answer} {told}");

    fs::write(from.join("devices.csv"), changed).unwrap();
    let (fine, answer, _) = import(&from, &into, &["--dry-run", "--json"]);
    let rows = &answer["files"]["devices.csv"];
    assert!(fine && answer["written"] == false, "{answer}");
    assert_eq!((&rows["added"], &rows["changed"], &rows["removed"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(rows["rows"]["changed"], json!([{ "key": "acme/s1a", "columns": ["location"] }]));
    assert_eq!(fs::read_to_string(into.join("devices.csv")).unwrap(), devices, "a dry run writes nothing");

    let station = rig.url("");
    let (fine, answer, told) = import(&from, &into, &["--json", "--station", &station, "--token", ADMIN]);
    assert!(fine, "{told}");
    assert_eq!((&answer["reloaded"]["added"], &answer["reloaded"]["retired"]), (&json!(1), &json!(1)), "{answer}");
    assert_eq!(fs::read_to_string(into.join("devices.csv.bak")).unwrap(), devices);
    assert!(!import(&from, &into, &["--station", &station, "--token", "admin.guess"]).0);
    connected(&rig, "acme", "acme-secret", "gw").await;
}
