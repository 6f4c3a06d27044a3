//! One alert from its raising to its closed case file, over the API alone: several people, a photo, a kill in between, and
//! a case file that anybody can check.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::device::Client;
use crate::rig::{ADMIN, OPERATOR, Rig, fenghuo};

/// The smallest file that is known as a photo.
const PICTURE: &[u8] = b"\xff\xd8\xff\xe0 a photo of the fuse box";

/// What a person did, entered at the desk.
async fn done(rig: &Rig, path: &str, body: Value) -> Value {
    let (status, said) = rig.post(path, body).await;
    assert_eq!(status, 200, "{path}: {said}");
    said["alert"]["state"].clone()
}

async fn add_photo(rig: &Rig, id: &str, bytes: &'static [u8]) -> u16 {
    let url = rig.url(&format!("/api/v1/alerts/{id}/photos?note=fuse+box"));
    rig.client.post(url).bearer_auth(OPERATOR).body(bytes).send().await.unwrap().status().as_u16()
}

fn verify(file: &std::path::Path) -> (bool, String) {
    let Output { status, stdout, stderr } =
        Command::new(fenghuo()).args(["case", "verify"]).arg(file).output().unwrap();
    (status.success(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

#[tokio::test]
async fn an_alert_is_carried_to_a_case_file_that_can_be_checked() {
    let mut rig = Rig::start(2).await;
    let mut vendor = Client::connect(&rig, "acme", "gateway");
    vendor.say("fire/v1/acme/s1a/alarm", r#"{"id":"a-1","kind":"smoke"}"#).await;
    let id = rig.alert_of("U1").await["id"].as_str().unwrap().to_owned();
    let path = |verb: &str| format!("/api/v1/alerts/{id}/{verb}");

    assert_eq!(done(&rig, &path("acknowledge"), json!({ "person": "G1" })).await, "acknowledged");
    assert_eq!(done(&rig, &path("arrive"), json!({ "person": "G1" })).await, "arrived");
    let real = json!({ "person": "G1", "verdict": "real", "cause": "wiring", "note": "电表箱冒烟" });
    assert_eq!(done(&rig, &path("verify"), real).await, "verified");
    assert_eq!(add_photo(&rig, &id, PICTURE).await, 200);
    assert_eq!(add_photo(&rig, &id, b"<svg onload='alert(1)'/>").await, 415);
    done(&rig, &path("assign"), json!({ "to": "P1" })).await;
    assert_eq!(done(&rig, &path("begin-work"), json!({ "person": "P1" })).await, "in_work");
    let (status, said) = rig.post(&path("close"), json!({ "person": "P1" })).await;
    assert_eq!(status, 409);
    assert!(said["detail"].as_str().unwrap().contains("have another person close it"), "{said}");

    // what was acknowledged is kept, also the photo
    rig.kill();
    rig.spawn().await;
    let story = rig.get(&format!("/api/v1/alerts/{id}")).await;
    assert_eq!((&story["state"], &story["assigned"]["person"]), (&json!("in_work"), &json!("P1")));
    let photo = rig.url(&path(&format!("photos/{}", story["photos"][0]["sha256"].as_str().unwrap())));
    let answer = rig.client.get(photo).bearer_auth(ADMIN).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "image/jpeg");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.bytes().await.unwrap(), PICTURE);

    done(&rig, &path("finish-work"), json!({ "person": "P1" })).await;
    let (status, _) = rig.post(&path("check"), json!({ "person": "P1", "in_order": true })).await;
    assert_eq!(status, 409, "who worked does not check the work");
    assert_eq!(done(&rig, &path("check"), json!({ "person": "G1", "in_order": true })).await, "checked");
    assert_eq!(done(&rig, &path("close"), json!({ "person": "P2", "note": "已换电表" })).await, "closed");

    let file = rig.folder.path().join("case.json");
    let case = rig.get(&path("case")).await;
    assert_eq!(case["chain"]["fault"], json!(null));
    fs::write(&file, case.to_string()).unwrap();
    let (sound, said) = verify(&file);
    assert!(sound && said.contains(case["alert"]["seal"].as_str().unwrap()), "{said}");

    // somebody makes the verdict another
    let mut forged = case.clone();
    let items = forged["chain"]["items"].as_array_mut().unwrap();
    let verdict = items.iter_mut().find(|item| item["what"] == "alert.verified").unwrap();
    let number = verdict["number"].as_u64().unwrap();
    verdict["note"] = json!("false: steam");
    fs::write(&file, forged.to_string()).unwrap();
    let (sound, said) = verify(&file);
    assert!(!sound && said.contains(&format!("item {number} is not what was written")), "{said}");
    // or cuts off the end, or adds a note that nobody wrote
    let mut cut = case.clone();
    cut["chain"]["items"].as_array_mut().unwrap().pop();
    fs::write(&file, cut.to_string()).unwrap();
    assert!(verify(&file).1.contains("its seal is"), "{}", verify(&file).1);
    let mut noted = case;
    noted["alert"]["notes"] = json!([{ "person": "G1", "name": "", "at_ms": 1, "note": "all was well" }]);
    fs::write(&file, noted.to_string()).unwrap();
    assert!(verify(&file).1.contains("the history does not know it"), "{}", verify(&file).1);

    assert_eq!(rig.complaints(&[]), Vec::<String>::new());
    assert!(rig.stop().await.success());
    let audit = Command::new(fenghuo()).arg("audit").arg("--config").arg(rig.config_path()).status().unwrap();
    assert!(audit.success(), "the journal makes the same alert again");
}
