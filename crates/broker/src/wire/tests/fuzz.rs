//! Fuzz targets of every decoder. Inputs are packets of the table, changed as the fuzzer says; FENGHUO_FUZZ_INPUTS sets
//! how many (default 5,000 per target).

use bytes::Bytes;

use super::{peer, understand, valid, varint, vectors};
use crate::outbound::Parcel;
use crate::topic::{SharedFilter, Topic, TopicFilter};
use crate::wire::control::{Options, Packet};
use crate::wire::encode::{self, Sending};
use crate::wire::frame;
use crate::wire::hello::parse;
use crate::wire::publish::Forward;

pub(super) fn inputs() -> usize {
    std::env::var("FENGHUO_FUZZ_INPUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(5_000)
}

/// Bytes that mean something in a packet: lengths, property identifiers, first bytes, text.
const WORDS: [u8; 48] = [
    0, 1, 2, 3, 4, 5, 8, 9, 0x0B, 0x10, 0x11, 0x12, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1C, 0x1F, 0x21, 0x22, 0x23, 0x24,
    0x26, 0x27, 0x2A, 0x30, 0x32, 0x34, 0x40, 0x50, 0x62, 0x70, 0x7F, 0x80, 0x82, 0xA2, 0xC0, 0xC3, 0xE0, 0xED, 0xF0,
    0xFF, b'#', b'+', b'/', b'$', b'a',
];

/// Changes `seed` by a script of four bytes a step.
pub(super) fn mutate(seed: &[u8], script: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for step in script.chunks_exact(4) {
        let [what, x, y, z] = [step[0], step[1], step[2], step[3]];
        let at = usize::from(x) % (bytes.len() + 1);
        let word = WORDS[usize::from(y) % WORDS.len()];
        match what % 8 {
            0 if at < bytes.len() => bytes[at] = word,
            1 if at < bytes.len() => bytes[at] = y,
            2 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(if y & 1 == 0 { 1 } else { 0xFF }),
            3 => bytes.insert(at, if z & 1 == 0 { word } else { y }),
            4 if at < bytes.len() => drop(bytes.drain(at..(at + 1 + usize::from(y % 8)).min(bytes.len()))),
            5 => bytes.truncate(at),
            6 => {
                let part = bytes[at..(at + usize::from(y % 16)).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
            _ if !others.is_empty() => {
                let other = &others[usize::from(y) % others.len()];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[(usize::from(z) % (other.len() + 1))..]);
            }
            _ => {}
        }
    }
    bytes.truncate(4_096);
    bytes
}

/// Runs `each` over changed seeds: the input's first two bytes choose the seed, the rest is the script.
macro_rules! over {
    ($seeds:expr, $each:expr) => {{
        let seeds: Vec<Vec<u8>> = $seeds;
        let each = $each;
        bolero::check!().with_iterations(inputs()).with_max_len(42).for_each(|input: &[u8]| {
            let (choice, script) = input.split_at(input.len().min(2));
            let choice = choice.iter().fold(0, |sum, byte| sum * 256 + usize::from(*byte));
            each(&mutate(&seeds[choice % seeds.len()], script, &seeds));
        });
    }};
}

/// Bodies of the table's packets of these types and this version.
fn bodies(kinds: &[u8], v5: bool) -> Vec<Vec<u8>> {
    let all = vectors().into_iter().filter(|vector| vector.bytes.len() > 2);
    let wanted = all.filter(|vector| kinds.contains(&(vector.bytes[0] >> 4)) && (vector.v5 == v5 || kinds == [1]));
    let bodies: Vec<Vec<u8>> = wanted.map(|vector| vector.bytes[2..].to_vec()).collect();
    assert!(!bodies.is_empty());
    bodies
}

#[test]
fn fuzz_frames() {
    let streams: Vec<Vec<u8>> =
        valid().chunks(4).map(|some| some.iter().flat_map(|v| v.0.bytes.to_vec()).collect()).collect();
    over!(streams, |bytes: &[u8]| {
        let mut at = 0;
        while let Ok(Some(frame)) = frame::peek(&bytes[at..], 2_000) {
            assert!((2..=5).contains(&frame.header) && frame.total >= frame.header && frame.total <= 2_000);
            assert_eq!(frame.first, bytes[at]);
            // The verdict does not depend on how much came along: a part waits, or is refused at once.
            for cut in [1, frame.header - 1, frame.header, frame.total - 1] {
                let part = &bytes[at..at + cut.min(frame.total - 1)];
                assert_eq!(frame::peek(part, 2_000), Ok(None), "{part:?}");
            }
            at += frame.total;
            assert!(at <= bytes.len());
        }
    });
}

#[test]
fn fuzz_connect() {
    over!(bodies(&[1], false), |bytes: &[u8]| {
        if let Ok(hello) = parse(bytes) {
            assert!(!hello.client_id.contains('\0') && hello.receive_maximum > 0 && hello.packet_max_bytes > 0);
            if let Some(will) = &hello.will {
                assert!(will.qos <= 2 && !will.topic.is_empty() && !will.topic.contains(['#', '+', '\0']));
            }
            let password_alone = hello.password.is_some() && hello.username.is_none();
            assert!(password_alone || peer::takes_connect(0x10, bytes), "only we take {bytes:02X?}");
            // Anything less is refused: the parts say where the end is.
            assert!(parse(&bytes[..bytes.len() - 1]).is_err());
        }
    });
}

/// What holds for every packet that is taken.
fn check(first: u8, bytes: &[u8], v5: bool) {
    let buffer = Bytes::copy_from_slice(bytes);
    let Ok(packet) = understand(first, &buffer, 0..buffer.len(), v5) else { return };
    let tolerated = match &packet {
        Packet::Publish(publish) => {
            round_trip(publish, v5);
            publish.topic.is_empty() // the other decoder learns aliases elsewhere
        }
        Packet::Puback { packet_id, .. }
        | Packet::Pubrec { packet_id, .. }
        | Packet::Pubrel { packet_id }
        | Packet::Pubcomp { packet_id } => {
            assert!(*packet_id > 0);
            false
        }
        Packet::Subscribe { packet_id, filters, identifier } => {
            assert!(*packet_id > 0 && !filters.is_empty() && *identifier != Some(0));
            for (_, options) in filters {
                assert_eq!(Options::from_byte(options.to_byte()), Ok(*options));
            }
            filters.iter().any(|(filter, _)| SharedFilter::parse(filter).is_err())
        }
        Packet::Unsubscribe { packet_id, filters } => {
            assert!(*packet_id > 0 && !filters.is_empty());
            filters.iter().any(|filter| SharedFilter::parse(filter).is_err())
        }
        Packet::Pingreq | Packet::Disconnect { .. } => false,
    };
    assert!(tolerated || peer::takes(first, bytes, v5), "only we take {first:02X} {bytes:02X?}");
}

/// What is sent on is what came in.
fn round_trip(publish: &crate::wire::publish::Publish, v5: bool) {
    let parcel = Parcel {
        topic: std::str::from_utf8(&publish.topic).unwrap().into(),
        payload: publish.payload.clone(),
        forward: publish.properties.clone(),
        retain: publish.retain,
        expires_at_ms: None,
    };
    let sending = Sending {
        qos: publish.qos,
        packet_id: publish.packet_id,
        dup: publish.dup,
        retain: publish.retain,
        v5,
        alias: publish.alias.map(encode::Alias::New),
        expiry_s: publish.expiry_s,
        identifiers: &[],
    };
    let mut out = Vec::new();
    encode::publish(&mut out, &parcel, sending);
    assert_eq!(out.len(), encode::publish_bytes(&parcel, sending));
    let out = Bytes::from(out);
    let frame = frame::peek(&out, out.len()).unwrap().unwrap();
    let again = understand(frame.first, &out, frame.header..frame.total, v5).unwrap();
    assert_eq!(again, Packet::Publish(publish.clone()));
    if let Some(forward) = &publish.properties {
        assert_eq!(Forward::decode(forward.encoded()).as_ref(), Ok(forward));
        assert_eq!(forward.user_properties().len(), forward.user_properties().len());
    }
}

/// Targets for one packet type of one version: name, first bytes to try, version.
macro_rules! decoder_targets {
    ($($name:ident: $firsts:expr, $v5:expr;)*) => {$(
        #[test]
        fn $name() {
            let firsts: &[u8] = &$firsts;
            let kinds: Vec<u8> = firsts.iter().map(|first| first >> 4).collect();
            over!(bodies(&kinds, $v5), |bytes: &[u8]| {
                let sum = bytes.iter().fold(0usize, |sum, byte| sum + usize::from(*byte));
                check(firsts[sum % firsts.len()], bytes, $v5);
            });
        }
    )*};
}

decoder_targets! {
    fuzz_publish_v3: [0x30, 0x31, 0x32, 0x3A, 0x34, 0x3D], false;
    fuzz_publish_v5: [0x30, 0x31, 0x32, 0x3A, 0x34, 0x3D], true;
    fuzz_acknowledgements_v3: [0x40, 0x50, 0x62, 0x70], false;
    fuzz_acknowledgements_v5: [0x40, 0x50, 0x62, 0x70], true;
    fuzz_subscribe_v3: [0x82], false;
    fuzz_subscribe_v5: [0x82], true;
    fuzz_unsubscribe_v3: [0xA2], false;
    fuzz_unsubscribe_v5: [0xA2], true;
    fuzz_disconnect_v5: [0xE0], true;
    fuzz_auth_v5: [0xF0], true;
}

#[test]
fn fuzz_any_packet() {
    let packets = vectors().into_iter().map(|vector| vector.bytes.to_vec()).collect();
    over!(packets, |bytes: &[u8]| {
        if let Some((first, body)) = bytes.split_first() {
            check(*first, body, true);
            check(*first, body, false);
        }
    });
}

#[test]
fn fuzz_forwarded_properties() {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for (_, _, body) in valid() {
        if let Ok(Packet::Publish(publish)) = understand(0x30, &body, 0..body.len(), true)
            && let Some(forward) = publish.properties
        {
            seeds.push(forward.encoded().to_vec());
        }
    }
    over!(seeds, |bytes: &[u8]| {
        if let Ok(forward) = Forward::decode(bytes) {
            assert_eq!((forward.encoded(), forward.bytes()), (bytes, bytes.len()));
            let pairs = forward.user_properties();
            assert!(pairs.iter().all(|(name, value)| !name.contains('\0') && !value.contains('\0')));
            assert!(!format!("{forward:?}").is_empty());
        }
    });
}

#[test]
fn fuzz_topics_and_filters() {
    let seeds = ["a/b/c", "a/+/c", "a/#", "#", "+/+", "$SYS/x", "$share/g/a/+", "$share/组/#", "楼宇/+/警", "//", ""];
    let seeds = seeds.iter().map(|text| text.as_bytes().to_vec()).collect();
    over!(seeds, |bytes: &[u8]| {
        let topic = Topic::from_bytes(Bytes::copy_from_slice(bytes));
        let Ok(text) = std::str::from_utf8(bytes) else {
            assert!(topic.is_err());
            return;
        };
        let filter = TopicFilter::parse(text);
        if let Ok(shared) = SharedFilter::parse(text) {
            assert_eq!(shared.to_string(), text);
            assert!(shared.group.is_none_or(|group| !group.is_empty() && !group.contains(['/', '+', '#', '\0'])));
        }
        let all = TopicFilter::parse("#").unwrap();
        if let Ok(topic) = &topic {
            assert_eq!(&**topic, text);
            let filter = filter.as_ref().expect("every topic name is a filter");
            assert!(filter.is_literal() && filter.matches(topic));
            assert_eq!(all.matches(topic), !text.starts_with('$'));
        }
        let Ok(filter) = filter else { return };
        assert!(filter.covers(&filter));
        assert_eq!(all.covers(&filter), !text.starts_with('$'));
        for (name, wide) in [("a/b/c", "a/+/c"), ("a/b/c", "a/#"), ("楼宇/台/警", "楼宇/+/警"), ("$SYS/x", "$SYS/#")]
        {
            let wide = TopicFilter::parse(wide).unwrap();
            if wide.covers(&filter) && filter.matches(name) {
                assert!(wide.matches(name), "{wide} covers {filter}, which matches {name}");
            }
            if filter.covers(&wide) {
                assert!(filter.matches(name), "{filter} covers {wide}, which matches {name}");
            }
        }
    });
}

#[test]
fn scripts_reach_everywhere() {
    let seed = valid().remove(0).0.bytes.to_vec();
    assert_eq!(mutate(&seed, &[], &[]), seed);
    assert_eq!(mutate(&seed, &[5, 0, 0, 0], &[]), Vec::<u8>::new());
    assert_eq!(mutate(b"abc", &[1, 1, b'x', 0], &[]), b"axc");
    assert_eq!(mutate(b"abc", &[3, 3, b'x', 1], &[]), b"abcx");
    assert_eq!(mutate(b"abc", &[7, 1, 0, 1], &[b"xyz".to_vec()]), b"ayz");
    assert_eq!(varint(128), [0x80, 1]);
}
