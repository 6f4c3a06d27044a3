//! What goes out to others: which events, in which words. The same for every way out: stream, socket, pages, webhooks.

pub(crate) mod cap;
pub(crate) mod cloudevents;
mod pages;

use std::str::FromStr;
use std::sync::LazyLock;

use bytes::Bytes;
use model::{Colour, FeedEvent, FeedKind, RegionCode, Roster};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

pub use pages::{Outgoing, Pages, Stretch, Wording};

use crate::view::Told;

/// Every kind of event, read off the encoding of what is stored, so that a new kind cannot be forgotten here.
static KINDS: LazyLock<Vec<FeedKind>> = LazyLock::new(|| {
    let kinds = (0..0x80).map_while(|number| model::wire::decode(&[model::wire::VERSION, number]).ok());
    kinds.collect()
});

/// The kind with this word.
pub(crate) fn kind_of(word: &str) -> Option<FeedKind> {
    KINDS.iter().copied().find(|kind| kind.word() == word)
}

/// In which words an event goes out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `FeedEvent` of the API's contract.
    #[default]
    Native,
    /// CloudEvents 1.0, structured mode, with a `FeedEvent` as its data.
    Cloudevents,
}

impl Format {
    /// The event as JSON on one line. `source`: who tells it, a URI reference.
    pub(crate) fn json(self, told: &Told, roster: &Roster, source: &str) -> Bytes {
        match self {
            Format::Native => told.json(roster).clone(),
            Format::Cloudevents => cloudevents::envelope(&told.event, told.json(roster), roster, source),
        }
    }
}

/// Which events go out.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only what happens in this region; `None`: everywhere.
    pub region: Option<RegionCode>,
    /// Only alerts and orders of this colour or a more urgent one, and units that turn it; a blind unit counts as yellow.
    pub min: Option<Colour>,
    pub kinds: Kinds,
}

impl Filter {
    pub(crate) fn takes(&self, event: &FeedEvent) -> bool {
        self.region.is_none_or(|region| region.contains(event.grid))
            && self.min.is_none_or(|min| colour(event).is_some_and(|colour| colour >= min))
            && self.kinds.have(event.kind)
    }
}

/// Reads a colour that [`Filter::min`] can have.
///
/// # Errors
/// What is no colour, and `blind`, which stands apart from the others.
pub fn min_colour<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Colour>, D::Error> {
    match Option::<Colour>::deserialize(deserializer)? {
        Some(Colour::Blind) => Err(D::Error::custom("min must be blue, yellow, orange or red")),
        colour => Ok(colour),
    }
}

/// The colour that an event speaks of.
pub(crate) fn colour(event: &FeedEvent) -> Option<Colour> {
    let alert = event.alert.as_deref().map(|alert| alert.colour);
    let order = event.order.as_deref().map(|order| order.head.colour);
    let colour = alert.or(event.unit.map(|unit| unit.colour)).or(order)?;
    Some(match colour {
        Colour::Blue | Colour::Yellow | Colour::Orange | Colour::Red => colour,
        // unknown is not safe
        Colour::Blind => Colour::Yellow,
    })
}

/// Kinds of events by their words, apart by commas: `alert.raised,unit`, where `unit` stands for all that begin with it.
/// Nothing stands for all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Kinds(Option<Vec<FeedKind>>);

impl Kinds {
    fn have(&self, kind: FeedKind) -> bool {
        self.0.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    /// Whether this is all kinds.
    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }
}

impl TryFrom<String> for Kinds {
    type Error = String;

    fn try_from(text: String) -> Result<Kinds, String> {
        text.parse()
    }
}

impl FromStr for Kinds {
    type Err = String;

    fn from_str(text: &str) -> Result<Kinds, String> {
        let mut kinds = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let before = kinds.len();
            let meant = |kind: &FeedKind| {
                kind.word().strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            kinds.extend(KINDS.iter().copied().filter(meant));
            if kinds.len() == before {
                let words: Vec<&str> = KINDS.iter().map(|kind| kind.word()).collect();
                return Err(format!("there is no kind of event {word:?}, there are {}", words.join(", ")));
            }
        }
        Ok(Kinds((!kinds.is_empty()).then_some(kinds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_word() {
        assert!(KINDS.len() >= 10);
        for kind in KINDS.iter() {
            assert_eq!(kind_of(kind.word()), Some(*kind));
        }
        assert!(KINDS.contains(&FeedKind::AlertRaised) && KINDS.contains(&FeedKind::UnitColour));
        assert_eq!(kind_of("alert"), None);
    }

    #[test]
    fn kinds_are_chosen_by_word_or_by_what_they_begin_with() {
        let kinds = |text: &str| text.parse::<Kinds>();
        assert!(kinds("").expect("all").is_all() && kinds(" , ").expect("all").is_all());
        let some = kinds("alert.raised, unit").expect("known");
        assert!(some.have(FeedKind::AlertRaised) && some.have(FeedKind::UnitColour));
        assert!(!some.have(FeedKind::AlertClosed));
        let alerts = kinds("alert").expect("known");
        assert!(alerts.have(FeedKind::AlertClosed) && !alerts.have(FeedKind::UnitColour));
        for bad in ["alert.rais", "alerts", "unit.", "alert.raised,x"] {
            assert!(kinds(bad).expect_err(bad).contains("alert.raised"), "{bad}");
        }
    }
}
