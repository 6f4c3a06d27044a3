//! A receiver that is down is left alone, and heard again soon after it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dispatcher::{Secret, Webhook};
use model::{Colour, DeliveryState};
use tokio::time::Instant;

use crate::fixture::*;
use crate::server::*;

#[tokio::test]
async fn a_receiver_that_is_down_is_asked_by_one_try_at_a_time() {
    let up = Arc::new(AtomicBool::new(false));
    let is_up = Arc::clone(&up);
    let server = Server::start(move |_| {
        Some(status(if is_up.load(Ordering::SeqCst) { "200 OK" } else { "500 Internal Server Error" }))
    })
    .await;
    let mut rig = Rig::new();
    rig.settings.breaker_open_s = vec![1];
    rig.settings.webhook = vec![Webhook {
        name: "brigade".into(),
        url: server.url(),
        secrets: vec![Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into())],
        allow_private: true,
        ca_file: None,
        per_minute: 0,
    }];
    let handle = rig.start();
    rig.owe(&handle, (0..300).map(|n| rig.delivery(&format!("d{n}"), "webhook:brigade", Colour::Red)).collect());
    let begun = Instant::now();
    until("the circuit was broken and probed", || begun.elapsed() > Duration::from_millis(2500) && server.count() > 5)
        .await;
    let late = server.seen.lock().unwrap().iter().filter(|seen| seen.at - begun > Duration::from_millis(800)).count();
    assert!((1..=3).contains(&late), "{late} tries while it was down");
    up.store(true, Ordering::SeqCst);
    let back = Instant::now();
    until("all are delivered", || rig.ledger.count(DeliveryState::Delivered) == 300).await;
    assert!(back.elapsed() < Duration::from_secs(8), "{:?}", back.elapsed());
    handle.shutdown().await;
}
