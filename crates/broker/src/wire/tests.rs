//! Packets as bytes against what they mean: the table in `tests/vectors.txt`, every truncation of it, and what we write
//! as another decoder understands it.
#![allow(clippy::unwrap_used)]

mod describe;
mod fuzz;
mod peer;

use bytes::Bytes;

use self::describe::{hello, packet};
use super::control::{self, Packet};
use super::frame;
use super::hello::{Rejection, parse};
use crate::topic::Topic;
use crate::wire::Fault;

/// One line of the table.
pub(super) struct Vector {
    pub(super) line: usize,
    /// Of a packet other than CONNECT.
    pub(super) v5: bool,
    pub(super) bytes: Bytes,
    pub(super) expected: &'static str,
}

/// Packets up to this size are taken, bytes.
const LIMIT_BYTES: usize = 64 * 1024;

pub(super) fn vectors() -> Vec<Vector> {
    let rows = include_str!("tests/vectors.txt").lines().enumerate();
    let rows = rows.filter(|(_, row)| !row.is_empty() && !row.starts_with('#'));
    rows.map(|(index, row)| {
        let [version, text, expected, _clause] = row.splitn(4, " | ").collect::<Vec<_>>()[..] else {
            panic!("four columns in line {}: {row}", index + 1)
        };
        Vector { line: index + 1, v5: version == "5", bytes: assemble(text).into(), expected }
    })
    .collect()
}

/// Bytes of a packet as the table writes it.
fn assemble(text: &str) -> Vec<u8> {
    match text.split_once("..") {
        None => sequence(text),
        Some((first, body)) => {
            let body = sequence(body);
            [sequence(first), varint(body.len()), body].concat()
        }
    }
}

fn sequence(mut text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(sign) = text.trim_start().chars().next() {
        text = &text.trim_start()[sign.len_utf8()..];
        let quoted = |end: char| text.split_once(end).expect("a closing sign");
        match sign {
            '"' => {
                let (inner, rest) = quoted('"');
                bytes.extend((inner.len() as u16).to_be_bytes());
                bytes.extend(inner.as_bytes());
                text = rest;
            }
            '\'' => {
                let (inner, rest) = quoted('\'');
                bytes.extend(inner.as_bytes());
                text = rest;
            }
            '{' => {
                let (inner, rest) = quoted('}');
                let inner = sequence(inner);
                bytes.extend(varint(inner.len()));
                bytes.extend(inner);
                text = rest;
            }
            high => {
                let low = text.chars().next().expect("two digits");
                let pair: String = [high, low].into_iter().collect();
                bytes.push(u8::from_str_radix(&pair, 16).unwrap_or_else(|_| panic!("hexadecimal: {pair}")));
                text = &text[low.len_utf8()..];
            }
        }
    }
    bytes
}

pub(super) fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7F) as u8;
        value >>= 7;
        bytes.push(if value == 0 { byte } else { byte | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}

/// What the listener makes of the bytes at the start of a connection (`CONNECT`) or later, in the table's words.
fn outcome(bytes: &Bytes, v5: bool) -> String {
    let frame = match frame::peek(bytes, LIMIT_BYTES) {
        Ok(Some(frame)) => frame,
        Ok(None) => return "wait".to_owned(),
        Err(fault) => return code(fault),
    };
    assert!(frame.total <= bytes.len() && (2..=5).contains(&frame.header), "{frame:?}");
    let body = frame.header..frame.total;
    if frame.first == 0x10 {
        return match parse(&bytes[body]) {
            Ok(understood) => hello(&understood),
            Err(Rejection::Silent(_)) => "close".to_owned(),
            Err(Rejection::Connack { v5, code: 0x84, .. }) => format!("connack 84 v{}", if v5 { 5 } else { 3 }),
            Err(Rejection::Connack { code, .. }) => format!("{code:02X}"),
        };
    }
    match understand(frame.first, bytes, body, v5) {
        Ok(understood) => packet(&understood),
        Err(fault) => code(fault),
    }
}

/// Decodes a packet and checks the topic of a PUBLISH, as a connection does.
pub(super) fn understand(first: u8, bytes: &Bytes, body: std::ops::Range<usize>, v5: bool) -> Result<Packet, Fault> {
    let packet = control::decode(first, bytes, body, v5)?;
    if let Packet::Publish(publish) = &packet
        && !publish.topic.is_empty()
    {
        Topic::from_bytes(publish.topic.clone())?;
    }
    Ok(packet)
}

fn code(fault: Fault) -> String {
    format!("{:02X}", fault.code)
}

#[test]
fn every_packet_of_the_table_is_what_the_table_says() {
    let vectors = vectors();
    assert!(vectors.len() > 250, "{} packets", vectors.len());
    let wrong: Vec<String> = vectors
        .iter()
        .filter_map(|vector| {
            let got = outcome(&vector.bytes, vector.v5);
            let line = vector.line;
            (got != vector.expected).then(|| format!("line {line}: {got:?} instead of {:?}", vector.expected))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Valid packets of the table, as first byte and body.
pub(super) fn valid() -> Vec<(Vector, u8, Bytes)> {
    let valid = |vector: &Vector| vector.expected.split(' ').next().is_some_and(|word| word.len() > 5);
    let vectors = vectors().into_iter().filter(valid).filter(|vector| !vector.expected.starts_with("connack"));
    vectors
        .map(|vector| {
            let frame = frame::peek(&vector.bytes, LIMIT_BYTES).unwrap().expect("a whole packet");
            let body = vector.bytes.slice(frame.header..);
            (vector, frame.first, body)
        })
        .collect()
}

#[test]
fn a_packet_cut_short_waits_and_one_that_lies_about_its_length_is_refused() {
    for (vector, first, body) in valid() {
        let line = vector.line;
        for cut in 0..vector.bytes.len() {
            assert_eq!(outcome(&vector.bytes.slice(..cut), vector.v5), "wait", "line {line} cut at {cut}");
        }
        for cut in 0..body.len() {
            let shorter = [&[first][..], &varint(cut), &body[..cut]].concat();
            let got = outcome(&shorter.into(), vector.v5);
            let refused = got.len() <= 2 || got == "close";
            // What may end earlier: a payload, a list of filters, and optional parts after a packet identifier.
            let may_end = matches!(first >> 4, 3..=8 | 10 | 14);
            assert!(refused || may_end, "line {line} with {cut} bytes of body: {got}");
        }
    }
}

#[test]
fn bytes_after_the_end_of_a_packet_are_refused() {
    for (vector, first, body) in valid() {
        // Enough to be more than a reason code and an empty property list, and not a filter.
        let surplus: &[u8] = if matches!(first >> 4, 4..=7 | 14) { &[0, 0, 0] } else { &[0x80] };
        let longer = [&[first][..], &varint(body.len() + surplus.len()), &body, surplus].concat();
        let got = outcome(&longer.into(), vector.v5);
        let takes_more = first >> 4 == 3; // a longer payload
        let refused = got.len() <= 2 || got == "close";
        assert!(refused || takes_more, "line {}: {got}", vector.line);
    }
}

/// The seeds of the fuzz targets that run over sockets, one packet a file. FENGHUO_WRITE_CORPUS=1 writes them anew.
#[test]
fn the_corpus_is_the_table() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut missing = Vec::new();
    for vector in vectors() {
        let kind = match (vector.bytes[0], vector.v5) {
            (0x10, _) => "connect",
            (_, true) => "v5",
            (_, false) => "v3",
        };
        let name = vector.bytes.iter().fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3) // FNV-1a
        });
        let path = folder.join(kind).join(format!("{:02x}-{name:016x}.bin", vector.bytes[0]));
        if std::env::var_os("FENGHUO_WRITE_CORPUS").is_some() {
            std::fs::create_dir_all(folder.join(kind)).unwrap();
            std::fs::write(&path, &vector.bytes).unwrap();
        }
        if std::fs::read(&path).ok().as_deref() != Some(&vector.bytes[..]) {
            missing.push(vector.line);
        }
    }
    assert!(missing.is_empty(), "lines {missing:?} are not in tests/corpus: run this test with FENGHUO_WRITE_CORPUS=1");
}
