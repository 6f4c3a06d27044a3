//! SMS and voice through a gateway with an HTTP interface of its own.

use dispatcher::{Dispatcher, Gateway, Secret};
use hmac::{Hmac, Mac};
use model::alert::ReceiptOutcome;
use model::{Colour, DeliveryId, DeliveryState};
use serde_json::json;
use sha2::Sha256;

use crate::fixture::*;
use crate::server::*;

fn gateway(server: &Server, text: &str) -> Gateway {
    toml::from_str(&format!("allow_private = true\nurl = \"http://{}/send?v=2\"\n{text}", server.address)).unwrap()
}

const SMS: &str = r#"
name = "sms"
kind = "sms"
success_pointer = "/result/code"
success_values = ["0", "OK"]
failed_values = ["1004"]
busy_values = ["1008"]
busy_rest_s = 1
sign_secret = "shared"
secrets = { apikey = "k-123" }
headers = { authorization = "Bearer {apikey}" }
[body]
to = ["{phone}"]
text = "{text_zh}"
id = "{delivery}"
[body.options]
flash = true
sent = "{timestamp}"
"#;

#[tokio::test]
async fn an_sms_goes_as_the_gateway_wants_it() {
    let server = Server::start(|_| Some(says(r#"{"result": {"code": 0}}"#))).await;
    let mut rig = Rig::new();
    rig.settings.gateway = vec![gateway(&server, SMS)];
    let shown = format!("{:?}{}", rig.settings, toml::to_string(&rig.settings).unwrap());
    assert!(!shown.contains("k-123") && !shown.contains("shared"), "{shown}");
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("own", "sms", Colour::Red)]);
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 1).await;
    rig.owe(&handle, vec![rig.delivery("other", "sms:13900000002", Colour::Red)]);
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 2).await;
    assert_eq!(rig.desk.last_reason("own"), "the gateway took it: /result/code = 0");
    let seen = server.request(0);
    let mut expected = json!({
        "to": ["+8613800000001"], "id": "own", "options": {"flash": true, "sent": "0"},
        "text": "【红色火警】南门社区3网格兴旺旅馆，城中路12号：烟雾报警。王某，请立即到场核实",
    });
    expected["options"]["sent"] = seen.headers["x-timestamp"].clone().into();
    assert_eq!(seen.json(), expected);
    assert_eq!(seen.headers["authorization"], "Bearer k-123");
    let mut mac = Hmac::<Sha256>::new_from_slice(b"shared").unwrap();
    mac.update(format!("{}.", seen.headers["x-timestamp"]).as_bytes());
    mac.update(&seen.body);
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(seen.headers["x-signature"], expected);
    assert_eq!(server.request(1).json()["to"], json!(["13900000002"]));
    handle.shutdown().await;
}

#[tokio::test]
async fn a_value_in_the_answer_decides() {
    let codes =
        [r#"{"result": {"code": "1004"}}"#, r#"{"result": {"code": 1008}}"#, r#"{"result": {"code": 7}}"#, "{}", "no"];
    for (code, outcome) in codes.into_iter().zip([
        ReceiptOutcome::Failed,
        ReceiptOutcome::Retry,
        ReceiptOutcome::Retry,
        ReceiptOutcome::Retry,
        ReceiptOutcome::Retry,
    ]) {
        let server =
            Server::start(move |n| Some(says(if n == 0 { code } else { r#"{"result": {"code": "OK"}}"# }))).await;
        let mut rig = Rig::new();
        rig.settings.gateway = vec![gateway(&server, SMS)];
        let handle = rig.start();
        rig.owe(&handle, vec![rig.delivery("d1", "sms", Colour::Red)]);
        until("it is settled", || rig.ledger.count(DeliveryState::Owed) == 0).await;
        assert_eq!(rig.desk.outcomes("d1")[0], outcome, "{code}");
        handle.shutdown().await;
    }
}

#[tokio::test]
async fn forms_and_queries_are_written() {
    let server = Server::start(|_| Some(status("202 Accepted"))).await;
    let mut rig = Rig::new();
    let text = "[body]\nmobile = \"{phone}\"\ncontent = \"{colour} {unit}&\"\nn = 1\n";
    rig.settings.gateway = vec![
        gateway(&server, &format!("name = \"sms-form\"\nkind = \"sms\"\nformat = \"form\"\n{text}")),
        gateway(&server, &format!("name = \"sms-get\"\nkind = \"sms\"\nmethod = \"get\"\n{text}")),
    ];
    let handle = rig.start();
    let fields = "content=red%20%E5%85%B4%E6%97%BA%E6%97%85%E9%A6%86%26&mobile=110&n=1";
    rig.owe(&handle, vec![rig.delivery("d1", "sms-form:110", Colour::Red)]);
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 1).await;
    rig.owe(&handle, vec![rig.delivery("d2", "sms-get:110", Colour::Red)]);
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 2).await;
    assert_eq!(server.request(0).body, fields.as_bytes());
    assert_eq!(server.request(0).headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(server.request(1).line.trim_end(), format!("GET /send?v=2&{fields} HTTP/1.1"));
    handle.shutdown().await;
}

#[tokio::test]
async fn a_call_carries_a_token_that_proves_the_delivery() {
    let server = Server::start(|_| Some(status("200 OK"))).await;
    let mut rig = Rig::new();
    rig.settings.callback_secret = Some(Secret("s".repeat(32)));
    let text = "name = \"voice\"\nkind = \"voice\"\nbody = { callee = \"{phone}\", say = \"{text_zh}\", token = \"{callback}\" }\n";
    rig.settings.gateway = vec![gateway(&server, text)];
    let handle = rig.start();
    let delivery = rig.delivery("fire-0-4711.1.0.7.voice", "voice", Colour::Red);
    rig.owe(&handle, vec![delivery.clone()]);
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 1).await;
    let token = server.request(0).json()["token"].as_str().unwrap().to_owned();
    assert_eq!(handle.confirmed(&token), Some((delivery.matter, delivery.id)));
    assert_eq!(handle.confirmed(&token.replace('.', "A.")), None);
    handle.shutdown().await;
    rig.settings.callback_secret = None;
    let error = Dispatcher::start(rig.parts()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("callback_secret"), "{error}");
}

#[tokio::test]
async fn messages_carry_a_link_of_their_own_where_the_station_has_an_address() {
    let server = Server::start(|_| Some(says(r#"{"errcode":0,"errmsg":"ok"}"#))).await;
    let mut rig = Rig::new();
    let text = "name = \"sms\"\nkind = \"sms\"\nbody = { to = \"{phone}\", text = \"{text_zh} {link}\" }\n";
    rig.settings.gateway = vec![gateway(&server, text)];
    rig.settings.callback_secret = Some(Secret("s".repeat(32)));
    let error = Dispatcher::start(rig.parts()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("public_url"), "{error}");

    rig.public_url = "https://fire.example.org".into();
    let robot = |kind: &str| format!("name = \"s\"\nallow_private = true\nurl = \"http://{}/{kind}\"", server.address);
    rig.settings.dingtalk = vec![toml::from_str(&robot("dingtalk")).unwrap()];
    rig.settings.wecom = vec![toml::from_str(&robot("wecom")).unwrap()];
    let handle = rig.start();
    let channels = ["sms", "dingtalk:s", "wecom:s"];
    let ids = channels.map(|channel| format!("fire-0-4711.1.0.7.{channel}"));
    rig.owe(&handle, ids.iter().zip(channels).map(|(id, to)| rig.delivery(id, to, Colour::Red)).collect());
    until("all are delivered", || rig.ledger.count(DeliveryState::Delivered) == 3).await;
    let mut linked = Vec::new();
    for at in 0..server.count() {
        let body = server.request(at).json().to_string();
        let link = body.split("https://fire.example.org/r/").nth(1).expect("each has a link");
        let end = link.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap();
        linked.push(handle.confirmed(&link[..end]).expect("a token of ours").1);
    }
    linked.sort();
    let mut expected = ids.map(|id| DeliveryId::from(id.as_str())).to_vec();
    expected.sort();
    assert_eq!(linked, expected);
    handle.shutdown().await;
}

#[tokio::test]
async fn numbers_and_settings_are_checked() {
    let server = Server::start(|_| Some(status("200 OK"))).await;
    let mut rig = Rig::new();
    rig.settings.gateway = vec![gateway(&server, "name = \"sms\"\nkind = \"sms\"\nbody = { to = \"{phone}\" }\n")];
    let handle = rig.start();
    let mut unknown = rig.delivery("unknown", "sms", Colour::Red);
    unknown.person = model::PersonId(99);
    rig.owe(
        &handle,
        vec![rig.delivery("bad", "sms:12a34", Colour::Red), unknown, rig.delivery("near", "smss", Colour::Red)],
    );
    until("both failed", || rig.ledger.count(DeliveryState::Failed) == 2 && !rig.desk.outcomes("near").is_empty())
        .await;
    assert!(rig.desk.last_reason("bad").contains("\"12a34\" is no telephone number"));
    assert!(rig.desk.last_reason("unknown").contains("has no telephone number"));
    assert!(rig.desk.last_reason("near").contains("is \"sms\" meant?"), "{}", rig.desk.last_reason("near"));
    assert_eq!(server.count(), 0);
    handle.shutdown().await;
    for (text, word) in [
        ("name = \"a:b\"\nkind = \"sms\"\nbody = {}", "a word"),
        (
            "name = \"a\"\nkind = \"sms\"\nbody = { to = \"{phnoe}\" }",
            "body.to: there is no placeholder {phnoe}: is {phone} meant?",
        ),
        ("name = \"a\"\nkind = \"sms\"\nbody = { to = [1] }\nformat = \"form\"", "in a form"),
        ("name = \"a\"\nkind = \"sms\"\nbody = {}\nsuccess_pointer = \"code\"", "begin with /"),
        ("name = \"a\"\nkind = \"sms\"\nbody = {}\nfailed_values = [\"1\"]", "success_pointer"),
        ("name = \"a\"\nkind = \"sms\"\nbody = {}\nheaders = { \"a b\" = \"x\" }", "name of a header"),
        ("name = \"a\"\nkind = \"sms\"\nbody = {}\nsecrets = { phone = \"x\" }", "has a meaning already"),
        ("name = \"console\"\nkind = \"sms\"\nbody = {}", "two channels are named \"console\""),
    ] {
        let mut rig = Rig::new();
        rig.settings.gateway = vec![gateway(&server, text)];
        let error = Dispatcher::start(rig.parts()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
