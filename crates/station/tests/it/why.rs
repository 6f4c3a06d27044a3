//! Why, rules under change, and what other rules would have made of the record: the real binary.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::device::Client;
use crate::rig::{ADMIN, OPERATOR, Rig, VIEWER, fenghuo};

const KEEN: &str = "[smoke]\nconfirm_samples = 1\nconfirm_s = 0\n";

/// Rules under which the first fire of [`burnt`] would not have been found.
const BLIND: &str = "[smoke]\nclear_db_m = 1.0\nthreshold_db_m = 2.0\n";

/// A station with a file of rules, which it looks at only when it is told to.
async fn rig(rules: &str) -> Rig {
    let folder = tempfile::tempdir().unwrap().keep();
    let path = folder.join("rules.toml");
    fs::write(&path, rules).unwrap();
    Rig::start_with(2, &format!("rules = {path:?}\n---[mqtt_access]\ncredentials_reload_s = 0\n")).await
}

fn run(rig: &Rig, token: &str, words: &[&str]) -> Output {
    let station = rig.url("");
    let mut command = Command::new(fenghuo());
    command.args(words).env("FENGHUO_TOKEN", token);
    if ["explain", "rules"].contains(&words[0]) && words[1] != "check" {
        command.args(["--station", &station]);
    }
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn rules_path(rig: &Rig) -> String {
    let config: toml::Table = fs::read_to_string(rig.config_path()).unwrap().parse().unwrap();
    config["station"]["rules"].as_str().unwrap().to_owned()
}

async fn smoke(vendor: &mut Client, device: &str, value: f64) {
    let values = json!({ "values": { "smoke_db_m": value } });
    vendor.say(&format!("fire/v1/acme/{device}/telemetry"), &values.to_string()).await;
}

#[tokio::test]
async fn people_are_told_why() {
    let mut rig = rig(KEEN).await;
    let mut vendor = Client::connect(&rig, "acme", "gateway");
    smoke(&mut vendor, "s1a", 0.02).await;
    smoke(&mut vendor, "s1b", 0.4).await;
    let alert = rig.alert_of("U1").await["id"].as_str().unwrap().to_owned();

    let calm = run(&rig, ADMIN, &["explain", "device", "acme/s1a"]);
    assert!(calm.status.success(), "{}", text(&calm));
    assert!(text(&calm).contains("smoke") && text(&calm).contains("各规则所见"), "{}", text(&calm));
    let unit = run(&rig, VIEWER, &["explain", "unit", "U1"]);
    assert!(text(&unit).contains("橙 orange") && text(&unit).contains("acme/s1b"), "{}", text(&unit));
    let told = run(&rig, VIEWER, &["explain", "alert", &alert, "--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((&told["open"], &told["unit"]["unit"]), (&json!(true), &json!("U1")), "{told}");
    assert_eq!(told["conditions"][0]["condition"], "smoke");
    let region = run(&rig, VIEWER, &["explain", "region", "331083"]);
    assert!(text(&region).contains("331083001"), "a viewer of a township is told of the township: {}", text(&region));

    let unknown = run(&rig, ADMIN, &["explain", "device", "acme/s1c"]);
    assert!(!unknown.status.success() && text(&unknown).contains("did you mean acme/s1"), "{}", text(&unknown));
    let elsewhere = run(&rig, VIEWER, &["explain", "unit", "U2"]);
    assert!(!elsewhere.status.success() && text(&elsewhere).contains("404"), "{}", text(&elsewhere));
    assert!(rig.stop().await.success());
    let gone = run(&rig, ADMIN, &["explain", "unit", "U1"]);
    assert!(text(&gone).contains("is it running there?"), "{}", text(&gone));
    assert_eq!(rig.complaints(&[]), Vec::<String>::new());
}

/// Reloads by the command line; whether it was done, and what was said.
fn reload(rig: &Rig, more: &[&str]) -> (bool, Value) {
    let words: Vec<&str> = ["rules", "reload", "--json"].iter().chain(more).copied().collect();
    let output = run(rig, ADMIN, &words);
    let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    (output.status.success(), said)
}

#[tokio::test]
async fn rules_are_loaded_while_it_runs_and_refused_where_they_cannot_be_used() {
    let mut rig = rig(KEEN).await;
    let path = rules_path(&rig);
    let mut vendor = Client::connect(&rig, "acme", "gateway");
    for value in [0.01, 0.01, 0.12] {
        smoke(&mut vendor, "s1a", value).await;
    }

    fs::write(&path, "[smoke]\ntreshold_db_m = 0.1\n").unwrap();
    let (done, said) = reload(&rig, &[]);
    assert!(!done && said["detail"].as_str().unwrap().contains("did you mean `threshold_db_m`?"), "{said}");
    let ready = rig.get("/readyz").await;
    assert!(ready["ready"] == true && ready.to_string().contains("the rules' file was refused"), "{ready}");

    let failing = format!("{KEEN}[[test]]\nname = \"x\"\ntimeline = \"0 smoke_db_m=0.2\"\n");
    fs::write(&path, &failing).unwrap();
    let (done, said) = reload(&rig, &[]);
    assert!(!done && said["detail"].as_str().unwrap().contains("found began smoke orange"), "{said}");
    let tested = run(&rig, ADMIN, &["test-rules", &path]);
    assert!(!tested.status.success() && text(&tested).contains("未过 FAIL"), "{}", text(&tested));
    assert_eq!(rig.get("/api/v1/units/U1").await["colour"], "blue");

    // a lower threshold, loaded by SIGHUP, fires at the next sample; what was said before is not judged again
    let keener = format!("{KEEN}clear_db_m = 0.09\nthreshold_db_m = 0.1\n");
    fs::write(&path, &keener).unwrap();
    rig.signal("-HUP");
    rig.until("the rules are loaded", async |rig| {
        (rig.get("/api/v1/rules").await["text"] == keener.as_str()).then_some(())
    })
    .await;
    assert_eq!(rig.get("/api/v1/rules").await["last"]["by"], "SIGHUP");
    smoke(&mut vendor, "s1a", 0.12).await;
    rig.alert_of("U1").await;
    let (done, said) = reload(&rig, &[]);
    assert!(done && said["outcome"] == "same", "{said}");
    let shown = run(&rig, OPERATOR, &["rules", "show"]);
    assert!(text(&shown).contains("threshold_db_m = 0.1"), "{}", text(&shown));

    // the journal has them: a restart goes on with what it holds, and says nothing twice
    rig.kill();
    rig.spawn().await;
    assert_eq!(rig.get("/api/v1/rules").await["text"], keener.as_str());
    assert!(rig.stop().await.success());
    assert_eq!(rig.complaints(&["the rules' file was refused"]), Vec::<String>::new());
    assert!(Command::new(fenghuo()).arg("audit").arg("--config").arg(rig.config_path()).status().unwrap().success());
}

/// A fire in U1 that was found by its smoke, verified as real and closed.
async fn burnt(rig: &mut Rig) -> String {
    let mut vendor = Client::connect(rig, "acme", "gateway");
    smoke(&mut vendor, "s1a", 0.02).await;
    smoke(&mut vendor, "s1a", 0.8).await;
    let id = rig.alert_of("U1").await["id"].as_str().unwrap().to_owned();
    let (status, said) =
        rig.post(&format!("/api/v1/alerts/{id}/verify"), json!({ "verdict": "real", "person": "G1" })).await;
    assert_eq!(status, 200, "{said}");
    // by another person, for the smoke is still there
    let (status, said) = rig.post(&format!("/api/v1/alerts/{id}/close"), json!({ "person": "G1" })).await;
    assert_eq!(status, 409, "{said}");
    let (status, said) = rig.post(&format!("/api/v1/alerts/{id}/close"), json!({ "person": "P1" })).await;
    assert_eq!(status, 200, "{said}");
    id
}

/// What became of the rules' file when the station started.
async fn tried_at_start(rig: &mut Rig) -> Value {
    rig.until("the file was tried", async |rig| {
        let rules = rig.get("/api/v1/rules").await;
        (rules["last"]["by"] == "start").then(|| rules["last"].clone())
    })
    .await
}

#[tokio::test]
async fn rules_that_would_lose_a_verified_fire_are_refused() {
    let mut rig = rig(KEEN).await;
    let path = rules_path(&rig);
    let id = burnt(&mut rig).await;
    let data = rig.folder.path().join("store");
    let data = data.to_str().unwrap();

    // beside the running station
    let blind = rig.folder.path().join("blind.toml");
    fs::write(&blind, BLIND).unwrap();
    let blind = blind.to_str().unwrap();
    let checked = run(&rig, ADMIN, &["rules", "check", blind, "--against", data]);
    assert!(!checked.status.success() && text(&checked).contains(&id), "{}", text(&checked));
    assert!(run(&rig, ADMIN, &["rules", "check", &path, "--against", data]).status.success());
    let replayed = run(&rig, ADMIN, &["replay", "--data", data, "--rules", blind, "--json"]);
    let report: Value = serde_json::from_slice(&replayed.stdout).unwrap_or_else(|_| panic!("{}", text(&replayed)));
    assert_eq!(report["lost_fires"][0]["id"], id.as_str(), "{report}");
    assert_eq!((&report["real_fires"], &report["alerts"]["lost_count"]), (&json!(1), &json!(1)), "{report}");
    let table = run(&rig, ADMIN, &["replay", "--data", data, "--rules", blind, "--from", "24h"]);
    assert!(text(&table).contains("将漏掉的真实火灾"), "{}", text(&table));

    fs::copy(blind, &path).unwrap();
    let (done, said) = reload(&rig, &[]);
    assert!(!done && said["detail"].as_str().unwrap().contains(&id), "{said}");
    assert_eq!(said["gate"]["lost"][0]["unit"], "U1");
    assert_eq!(rig.get("/api/v1/rules").await["text"], KEEN, "those before stay in force");

    assert!(rig.stop().await.success());
    rig.spawn().await;
    let at_start = tried_at_start(&mut rig).await;
    assert!(at_start["outcome"] == "refused" && at_start["detail"].as_str().unwrap().contains(&id), "{at_start}");
    assert_eq!(rig.get("/api/v1/rules").await["text"], KEEN, "a start is no way round the gate");

    let (done, said) = reload(&rig, &["--force"]);
    assert!(done && said["outcome"] == "in_force", "{said}");
    let text = rig.get("/api/v1/rules").await["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("# loaded by force by CMD") && text.contains(&id), "{text}");
    assert!(rig.stop().await.success());
    rig.spawn().await;
    assert_eq!(tried_at_start(&mut rig).await["outcome"], "same", "forced once is forced");
    assert_eq!(rig.get("/api/v1/rules").await["text"], text.as_str());
    assert!(rig.stop().await.success());
    let expected = ["the rules' file was refused", "the rules were not tried on every verified fire"];
    assert_eq!(rig.complaints(&expected), Vec::<String>::new());
}
