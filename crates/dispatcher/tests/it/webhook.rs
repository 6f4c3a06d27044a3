//! Webhooks against a real server on the loopback, in real time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dispatcher::{Secret, Webhook};
use hmac::{Hmac, Mac};
use model::alert::ReceiptOutcome;
use model::{Colour, DeliveryState};
use sha2::Sha256;

use crate::authority::Authority;
use crate::fixture::*;
use crate::server::*;

const SECRETS: [&str; 2] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="];

fn hook(url: String, allow_private: bool) -> Webhook {
    let secrets = SECRETS.map(|secret| Secret(secret.into())).into();
    Webhook { name: "brigade".into(), url, secrets, allow_private, ca_file: None, per_minute: 0 }
}

fn rig(url: String) -> Rig {
    let mut rig = Rig::new();
    rig.settings.webhook = vec![hook(url, true)];
    rig
}

/// As a receiver checks it.
fn verify(seen: &Seen, secret: &str) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(&secret["whsec_".len()..]).unwrap()).unwrap();
    mac.update(format!("{}.{}.", seen.headers["webhook-id"], seen.headers["webhook-timestamp"]).as_bytes());
    mac.update(&seen.body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    seen.headers["webhook-signature"].split(' ').any(|signature| signature == expected)
}

#[tokio::test]
async fn a_message_is_signed_by_every_secret() {
    let server = Server::start(|_| Some(status("204 No Content"))).await;
    let rig = rig(server.url());
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("fire-0-4711.1.0.7", "webhook:brigade", Colour::Red)]);
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 1).await;
    let seen = server.request(0);
    assert!(seen.line.starts_with("POST /hook?from=fenghuo HTTP/1.1"), "{}", seen.line);
    assert_eq!(seen.headers["webhook-id"], "fire-0-4711.1.0.7");
    assert_eq!(seen.headers["content-type"], "application/json");
    let timestamp: u64 = seen.headers["webhook-timestamp"].parse().unwrap();
    assert!((START_MS / 1000..START_MS / 1000 + 60).contains(&timestamp));
    assert!(SECRETS.iter().all(|secret| verify(&seen, secret)));
    let mut forged = seen.clone();
    forged.body[5] ^= 1;
    assert!(!SECRETS.iter().any(|secret| verify(&forged, secret)));
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    let expected = serde_json::json!({
        "delivery": "fire-0-4711.1.0.7", "alert": "fire-0-4711", "colour": "red", "family": "fire", "state": "raised",
        "unit": {"code": "U1", "name": "兴旺旅馆", "address": "城中路12号"},
        "place": {"township": "玉城街道", "village": "南门社区", "grid": "3网格"},
        "text_zh": "【红色火警】南门社区3网格兴旺旅馆，城中路12号：烟雾报警。王某，请立即到场核实",
        "text_en": "RED FIRE ALARM 兴旺旅馆, 南门社区 3网格, 城中路12号: smoke alarm. 王某, go and verify now",
        "whom": "grid", "ring": 1, "raised_ms": START_MS, "exercise": false,
    });
    assert_eq!(body, expected);
    assert_eq!(rig.desk.last_reason("fire-0-4711.1.0.7"), "HTTP 204");
    handle.shutdown().await;
}

#[tokio::test]
async fn retry_after_is_heeded_by_the_whole_channel() {
    let server = Server::start(|n| {
        Some(if n == 0 { status("429 Too Many Requests") + "retry-after: 3\r\n" } else { status("200 OK") })
    })
    .await;
    let rig = rig(server.url());
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "webhook:brigade", Colour::Red)]);
    until("the first try is recorded", || rig.desk.outcomes("d1").len() == 1).await;
    // another one for the same receiver waits as well, one for the console does not
    rig.owe(
        &handle,
        vec![rig.delivery("d2", "webhook:brigade", Colour::Red), rig.delivery("d3", "console", Colour::Red)],
    );
    until("all are delivered", || rig.ledger.count(DeliveryState::Delivered) == 3).await;
    assert_eq!(server.count(), 3);
    for n in [1, 2] {
        let pause = server.request(n).at - server.request(0).at;
        assert!(pause >= Duration::from_millis(2990), "{pause:?}");
    }
    assert_eq!(rig.desk.outcomes("d1"), [ReceiptOutcome::Retry, ReceiptOutcome::Delivered]);
    assert_eq!(&*rig.ledger.get("d1").attempts[0].reason, "HTTP 429: ok");
    handle.shutdown().await;
}

#[tokio::test]
async fn gone_is_gone() {
    let server = Server::start(|_| Some(status("410 Gone"))).await;
    let rig = rig(server.url());
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "webhook:brigade", Colour::Blue)]);
    until("it failed", || rig.ledger.count(DeliveryState::Failed) == 1).await;
    assert_eq!(rig.desk.outcomes("d1"), [ReceiptOutcome::Failed]);
    assert!(rig.desk.last_reason("d1").contains("410"));
    handle.shutdown().await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::start(|_| Some(status("200 OK"))).await;
    let location = format!("location: {}\r\n", elsewhere.url());
    let server = Server::start(move |_| Some(status("307 Temporary Redirect") + &location)).await;
    let rig = rig(server.url());
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "webhook:brigade", Colour::Red)]);
    until("it was tried twice", || rig.desk.outcomes("d1").len() == 2).await;
    assert_eq!(rig.desk.outcomes("d1"), [ReceiptOutcome::Retry; 2]);
    assert!(rig.desk.last_reason("d1").contains("redirects are not followed"));
    assert_eq!(elsewhere.count(), 0);
    handle.shutdown().await;
}

#[tokio::test]
async fn a_crash_between_sending_and_receipt_sends_again_under_the_same_id() {
    let server = Server::start(|_| Some(status("200 OK"))).await;
    let mut rig = rig(server.url());
    rig.settings.shutdown_limit_ms = 0;
    rig.desk.stuck.store(true, Ordering::SeqCst);
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "webhook:brigade", Colour::Red)]);
    until("it is sent", || server.count() == 1).await;
    handle.shutdown().await;
    assert_eq!(rig.ledger.get("d1").state, DeliveryState::Owed);
    rig.desk.stuck.store(false, Ordering::SeqCst);
    let handle = rig.start();
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 1).await;
    assert_eq!(server.count(), 2);
    for n in [0, 1] {
        assert_eq!(server.request(n).headers["webhook-id"], "d1");
    }
    handle.shutdown().await;
}

#[tokio::test]
async fn a_receiver_that_never_answers_or_is_not_there_is_tried_again() {
    let server = Server::start(|n| (n > 0).then(|| status("200 OK"))).await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut rig = rig(server.url());
    rig.settings.try_limit_red_ms = 300;
    rig.settings.webhook.push(Webhook { name: "away".into(), ..hook(format!("http://{closed}/"), true) });
    rig.settings
        .webhook
        .push(Webhook { name: "inner".into(), ..hook(format!("http://localhost:{}/", closed.port()), false) });
    let handle = rig.start();
    let away = rig.delivery("d2", "webhook:away", Colour::Red);
    let inner = rig.delivery("d3", "webhook:inner", Colour::Red);
    rig.owe(&handle, vec![rig.delivery("d1", "webhook:brigade", Colour::Red), away, inner]);
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 1).await;
    assert_eq!(&*rig.ledger.get("d1").attempts[0].reason, "no answer within 300 ms");
    until("the others were tried", || !rig.desk.outcomes("d2").is_empty() && !rig.desk.outcomes("d3").is_empty()).await;
    assert!(rig.desk.last_reason("d2").to_lowercase().contains("connect"), "{}", rig.desk.last_reason("d2"));
    assert!(rig.desk.last_reason("d3").contains("is private"), "{}", rig.desk.last_reason("d3"));
    handle.shutdown().await;
}

#[tokio::test]
async fn a_date_to_try_again_is_heeded() {
    // three seconds after the beginning of the rig's clock
    let later = "retry-after: Sun, 22 Nov 2026 00:00:03 GMT\r\n";
    let server =
        Server::start(move |n| Some(if n == 0 { status("503 Service Unavailable") + later } else { status("200 OK") }))
            .await;
    let rig = rig(server.url());
    let begun = tokio::time::Instant::now();
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "webhook:brigade", Colour::Red)]);
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 1).await;
    let at = server.request(1).at - begun;
    assert!((2900..4500).contains(&at.as_millis()), "{at:?}");
    handle.shutdown().await;
}

#[tokio::test]
async fn after_gone_nothing_more_is_sent() {
    let server = Server::start(|n| Some(status(if n == 0 { "410 Gone" } else { "200 OK" }))).await;
    let rig = rig(server.url());
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "webhook:brigade", Colour::Red)]);
    until("it failed", || rig.ledger.count(DeliveryState::Failed) == 1).await;
    rig.owe(&handle, vec![rig.delivery("d2", "webhook:brigade", Colour::Red)]);
    until("the next failed too", || rig.ledger.count(DeliveryState::Failed) == 2).await;
    assert_eq!(server.count(), 1);
    let reason = rig.desk.last_reason("d2");
    assert!(reason.starts_with("not sent after an earlier HTTP 410") && reason.contains("settings"), "{reason}");
    handle.shutdown().await;
    // a new start is how it comes back
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d3", "webhook:brigade", Colour::Red)]);
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 1).await;
    handle.shutdown().await;
}

#[tokio::test]
async fn a_long_or_lazy_answer_holds_nothing_up() {
    let server = Server::start(|n| {
        Some(match n {
            // 2xx is enough, whether or not the rest ever comes
            0 => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegins".into(),
            1 => format!("HTTP/1.1 500 Oh\r\ncontent-length: 1000000\r\n\r\n{}", "x".repeat(1_000_000)),
            _ => status("200 OK"),
        })
    })
    .await;
    let rig = rig(server.url());
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "webhook:brigade", Colour::Red)]);
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 1).await;
    assert_eq!(rig.desk.outcomes("d1"), [ReceiptOutcome::Delivered]);
    rig.owe(&handle, vec![rig.delivery("d2", "webhook:brigade", Colour::Red)]);
    until("it is delivered", || rig.ledger.count(DeliveryState::Delivered) == 2).await;
    assert_eq!(&*rig.ledger.get("d2").attempts[0].reason, "HTTP 500");
    handle.shutdown().await;
}

#[tokio::test]
async fn https_needs_a_certificate_that_is_trusted_and_fits_the_name() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let named = Server::start_tls(authority.acceptor("localhost"), |_| Some(status("200 OK"))).await;
    let misnamed = Server::start_tls(authority.acceptor("elsewhere.example"), |_| Some(status("200 OK"))).await;
    let mut rig = Rig::new();
    let url = |server: &Server| format!("https://localhost:{}/", server.address.port());
    for (name, url, ca) in [
        ("good", url(&named), &authority),
        ("misnamed", url(&misnamed), &authority),
        ("stranger", url(&named), &stranger),
    ] {
        rig.settings.webhook.push(Webhook { name: name.into(), ca_file: Some(ca.path()), ..hook(url, true) });
    }
    let handle = rig.start();
    let names = ["good", "misnamed", "stranger"];
    rig.owe(&handle, names.map(|name| rig.delivery(name, &format!("webhook:{name}"), Colour::Red)).into());
    until("all were tried", || names.iter().all(|name| !rig.desk.outcomes(name).is_empty())).await;
    assert_eq!(rig.desk.outcomes("good"), [ReceiptOutcome::Delivered]);
    for (name, word) in [("misnamed", "not valid for name"), ("stranger", "invalid peer certificate")] {
        assert_eq!(rig.desk.outcomes(name)[0], ReceiptOutcome::Retry);
        assert!(rig.desk.last_reason(name).contains(word), "{}", rig.desk.last_reason(name));
    }
    assert_eq!((named.count(), misnamed.count()), (1, 0));
    handle.shutdown().await;
}

/// The other side of an `https` address must speak TLS, with a certificate that this machine trusts.
#[tokio::test]
async fn https_is_spoken_where_it_is_asked_for() {
    let server = Server::start(|_| Some(status("200 OK"))).await;
    let mut rig = rig(server.url().replace("http:", "https:"));
    rig.settings.give_up_red_s = 0;
    let handle = rig.start();
    rig.owe(&handle, vec![rig.delivery("d1", "webhook:brigade", Colour::Red)]);
    // the server takes the beginning of the handshake for a line and says what TLS is not
    until("it failed", || rig.ledger.count(DeliveryState::Failed) == 1).await;
    assert_eq!(server.count(), 0);
    handle.shutdown().await;
}
