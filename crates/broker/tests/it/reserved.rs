//! Topics that a wildcard in the first level neither grants nor matches.

use std::time::Duration;

use broker::Outcome;
use bytes::Bytes;

use crate::support::{Connect, Raw, publish, settings, start_accepting, subscribe};

const SOON: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_leading_wildcard_does_not_reach_them() {
    let broker = start_accepting(settings()).await;
    let mut wide = Raw::login(&broker, &Connect::v5("wide", "all").bytes()).await;
    // its credential may publish and subscribe to `#`
    wide.send(&subscribe(true, 1, &[("#", 0), ("+/x", 0), ("own/x", 0), ("other/x", 0)])).await;
    let codes = wide.packet().await.body;
    assert_eq!(codes[codes.len() - 4..], [0, 0, 0x87, 0]);
    wide.send(&publish(true, "own/x", 2, b"forged")).await;
    assert_eq!(wide.packet().await.body[2], 0x87);

    let told = async |topic: &str| broker.publish(topic, Bytes::from_static(b"m"), 0, None, SOON).await;
    assert_eq!(told("own/x").await, Outcome::NoSubscriber);
    assert_eq!(told("other/x").await, Outcome::Sent);
    assert_eq!(wide.packet().await.publish(true).0, "other/x");
    wide.ping().await;
}
