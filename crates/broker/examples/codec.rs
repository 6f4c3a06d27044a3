//! What one received PUBLISH costs: decoded in place, as the listener does, against
//! `mqtt-protocol-core`'s packet decoder and its connection. No sockets.
//!
//! `cargo run --release -p broker --example codec`
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::packet::v3_1_1;
use mqtt_protocol_core::mqtt::{Connection, Version, role};

const COUNT: usize = 1_000_000;
const BATCH: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let mut body = b"\x00\x20v1/acme/device-000001/telemetry/\x00\x01".to_vec();
    body.extend_from_slice(&[b'x'; 100]);
    let mut packet = vec![0x32, (body.len() & 0x7F) as u8 | 0x80, (body.len() >> 7) as u8];
    packet.extend_from_slice(&body);
    let batch = packet.repeat(BATCH);

    let began = Instant::now();
    for _ in 0..COUNT / BATCH {
        let buffer = Bytes::copy_from_slice(&batch);
        for n in 0..BATCH {
            let range = n * packet.len() + 3..(n + 1) * packet.len();
            let publish = broker::measure::parse(0x32, &buffer, range, false);
            drop(black_box(publish.map_err(|fault| fault.what)?));
        }
    }
    report("decoded in place", began);

    let began = Instant::now();
    for _ in 0..COUNT {
        let data: Arc<[u8]> = Arc::from(&body[..]);
        drop(black_box(v3_1_1::Publish::parse(2, data).map_err(|_| "parse")?));
    }
    report("mqtt-protocol-core, packet", began);

    let mut connection = Connection::<role::Server>::new(Version::V3_1_1);
    let connect = b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x00\x00\x01c";
    connection.recv(&mut Cursor::new(&connect[..]));
    let connack = v3_1_1::Connack::builder()
        .session_present(false)
        .return_code(mqtt_protocol_core::mqtt::result_code::ConnectReturnCode::Accepted)
        .build()
        .map_err(|_| "CONNACK")?;
    connection.send(connack.into());
    let began = Instant::now();
    let mut events = 0;
    for _ in 0..COUNT / BATCH {
        let mut cursor = Cursor::new(&batch[..]);
        while (cursor.position() as usize) < batch.len() {
            events += black_box(connection.recv(&mut cursor)).len();
        }
    }
    report("mqtt-protocol-core, connection", began);
    println!("{events} events");
    Ok(())
}

fn report(what: &str, began: Instant) {
    println!("{what:32} {:6.0} ns", began.elapsed().as_secs_f64() * 1e9 / COUNT as f64);
}
