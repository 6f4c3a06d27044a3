//! The contract of this house, version 1: topics `fire/v1/…`, payloads in JSON or protobuf.

mod json;
mod protobuf;

use model::report::Body;

use super::{Decoded, Payload, Vendor, short};
use crate::flaw::{Fault, ID_CHARS_MAX, Reject};
use crate::topic::{self, Address, Kind};

/// Topics and payloads as `proto/asyncapi.yaml` documents them.
pub struct Native;

impl Vendor for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn address<'t>(&self, topic: &'t str) -> Option<Result<Address<'t>, Reject>> {
        topic::parse(topic)
    }

    fn decode(&self, address: &Address<'_>, payload: Payload<'_>, out: &mut Decoded) -> Result<(), Reject> {
        let kind = address.kind;
        if payload.bytes.is_empty() && kind != Kind::Telemetry {
            let detail = format!("the payload of an {} message is empty: send JSON or protobuf", kind.word());
            return Err(Reject::new(Fault::Empty, detail));
        }
        match format_of(payload) {
            Format::Json => json::decode(kind, text_of(payload.bytes), out),
            Format::Protobuf => protobuf::decode(kind, payload.bytes, out).or_else(|reject| {
                // a wrong content type, or blanks in front
                let text = text_of(payload.bytes);
                if text.first() != Some(&b'{') {
                    return Err(reject);
                }
                out.clear();
                json::decode(kind, text, out)
            }),
        }
    }
}

enum Format {
    Json,
    Protobuf,
}

fn format_of(payload: Payload<'_>) -> Format {
    let essence = payload.content_type.map(|given| given.split(';').next().unwrap_or("").trim());
    match (essence, payload.bytes.first()) {
        (Some("application/json"), _) => Format::Json,
        (Some("application/x-protobuf" | "application/protobuf"), _) => Format::Protobuf,
        (_, Some(b'{')) => Format::Json,
        _ => Format::Protobuf,
    }
}

/// The text without byte order mark, blanks around it, and the NULs that end strings in C.
fn text_of(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes[..end].trim_ascii()
}

/// An id as the contract wants it: a longer one is shortened, so that the message is not lost for it.
fn fitting_id(id: &str, out: &mut Decoded) -> Box<str> {
    if id.len() <= ID_CHARS_MAX || id.chars().count() <= ID_CHARS_MAX {
        return id.into();
    }
    let head: String = id.chars().take(ID_CHARS_MAX - 17).collect();
    let shortened = format!("{head}~{:016x}", crate::admission::hash(&[id.as_bytes()]));
    out.flaw(Fault::IdTooLong, &shortened);
    shortened.into()
}

/// Unit of an alarm's value, for people.
fn fitting_unit(unit: &str) -> Box<str> {
    unit.char_indices().nth(UNIT_CHARS_MAX).map_or(unit, |(end, _)| &unit[..end]).into()
}

const UNIT_CHARS_MAX: usize = 16;

/// The contract promises again within some time; 0 promises nothing.
fn state(state: model::DeviceState, next_report_s: Option<u32>) -> Body {
    // whether it came as a will is known to the broker only
    Body::State { state, next_report_s: next_report_s.filter(|seconds| *seconds > 0), will: false }
}

fn unknown_word(fault: Fault, what: &str, given: &str, words: &[&str]) -> Reject {
    Reject::new(fault, format!("{what} {:?} is none of {}", short(given), words.join(", ")))
}
