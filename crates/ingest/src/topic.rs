//! The grammar of the native topics: `fire/v1/{vendor}/{device}/{alarm|telemetry|event|state}`.

use std::borrow::Cow;

use broker::Lane;

use crate::flaw::{Fault, Reject};

/// What a message is about, told by its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Alarm,
    Telemetry,
    Event,
    State,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 4] = [Kind::Alarm, Kind::Telemetry, Kind::Event, Kind::State];

    /// The last level of the topic.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Alarm => "alarm",
            Kind::Telemetry => "telemetry",
            Kind::Event => "event",
            Kind::State => "state",
        }
    }

    fn from_word(word: &str) -> Option<Kind> {
        Some(match word {
            "alarm" => Kind::Alarm,
            "telemetry" => Kind::Telemetry,
            "event" => Kind::Event,
            "state" => Kind::State,
            _ => return None,
        })
    }
}

/// Which device a topic speaks of, and what about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address<'t> {
    /// `vendor/device`: key of the roster.
    pub device_key: Cow<'t, str>,
    pub kind: Kind,
}

/// First levels of every native topic.
pub const PREFIX: &str = "fire/v1/";

/// Longest vendor or device name, characters.
const LEVEL_CHARS_MAX: usize = 64;

/// Reads a native topic without copying. `None`: it does not begin as one.
pub fn parse(topic: &str) -> Option<Result<Address<'_>, Reject>> {
    let rest = topic.strip_prefix(PREFIX)?;
    Some(parse_rest(rest).ok_or_else(|| Reject::new(Fault::TopicInvalid, grammar(topic))))
}

fn parse_rest(rest: &str) -> Option<Address<'_>> {
    let (device_key, word) = rest.rsplit_once('/')?;
    let kind = Kind::from_word(word)?;
    let (vendor, device) = device_key.split_once('/')?;
    (level_fits(vendor) && level_fits(device)).then_some(Address { device_key: Cow::Borrowed(device_key), kind })
}

fn level_fits(level: &str) -> bool {
    let short = level.len() <= LEVEL_CHARS_MAX || level.chars().count() <= LEVEL_CHARS_MAX;
    let barred = |byte: u8| matches!(byte, b'/' | b'+' | b'#' | 0);
    !level.is_empty() && short && !level.starts_with('$') && !level.bytes().any(barred)
}

/// What a sender of a wrong topic is told.
pub(crate) fn grammar(topic: &str) -> String {
    let shown: String = topic.chars().take(200).collect();
    format!(
        "topic {shown:?} has no meaning here: publish to fire/v1/{{vendor}}/{{device}}/ and one of alarm, telemetry, event, state; \
         vendor and device have 1 to {LEVEL_CHARS_MAX} characters, none of / + # and NUL, no $ in front"
    )
}

/// The broker's lane for a topic: alarms and events go first, telemetry and states (wills too) wait their turn.
pub fn lane(topic: &str) -> Lane {
    match topic.rsplit_once('/') {
        Some((_, "alarm" | "event")) => Lane::Urgent,
        _ => Lane::Normal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_of_any_script_are_read() {
        for (topic, key, kind) in [
            ("fire/v1/acme/a1/telemetry", "acme/a1", Kind::Telemetry),
            ("fire/v1/海湾/烟感-7/alarm", "海湾/烟感-7", Kind::Alarm),
            ("fire/v1/a b/ü$/event", "a b/ü$", Kind::Event),
            ("fire/v1/alarm/state/state", "alarm/state", Kind::State),
        ] {
            let address = parse(topic).expect("begins right").expect(topic);
            assert_eq!((&*address.device_key, address.kind), (key, kind));
            assert!(matches!(address.device_key, Cow::Borrowed(_)));
        }
    }

    #[test]
    fn other_topics_are_refused_with_the_grammar() {
        let long = format!("fire/v1/acme/{}/alarm", "器".repeat(65));
        for topic in [
            "fire/v1/",
            "fire/v1/acme",
            "fire/v1/acme/alarm",
            "fire/v1/acme/a/b/alarm",
            "fire/v1//a/alarm",
            "fire/v1/acme//alarm",
            "fire/v1/acme/a/command",
            "fire/v1/acme/a/Alarm",
            "fire/v1/$acme/a/alarm",
            "fire/v1/acme/+/alarm",
            "fire/v1/acme/a/alarm/",
            &long,
        ] {
            let reject = parse(topic).expect("begins right").expect_err(topic);
            assert_eq!(reject.fault, Fault::TopicInvalid);
            assert!(reject.detail.contains("fire/v1/{vendor}/{device}/"), "{}", reject.detail);
        }
        assert!(parse("feed/v1/x").is_none() && parse("").is_none() && parse("fire/v2/a/b/alarm").is_none());
    }

    #[test]
    fn alarms_and_events_go_first() {
        assert_eq!(lane("fire/v1/acme/a/alarm"), Lane::Urgent);
        assert_eq!(lane("fire/v1/acme/a/event"), Lane::Urgent);
        assert_eq!(lane("fire/v1/acme/a/telemetry"), Lane::Normal);
        assert_eq!(lane("fire/v1/acme/a/state"), Lane::Normal);
        assert_eq!(lane("alarm"), Lane::Normal);
    }
}
