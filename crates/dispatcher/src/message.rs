//! The message to people: one JSON object, the same in every channel.

use bytes::Bytes;
use model::order::Facts;
use model::{About, AlertId, AlertState, Colour, Delivery, Family, Level, OrderId, Roster};
use serde::Serialize;

use crate::near::{Near, NearWords, Surroundings};
use crate::wording::{Lines, Words};

/// The message of one try.
pub(crate) struct Message {
    json: Bytes,
    lines: Lines,
    unit: Box<str>,
    address: Box<str>,
    phone: Box<str>,
    link: Option<String>,
    near: NearWords,
}

/// What a message is made with.
pub(crate) struct Making<'a> {
    pub(crate) roster: &'a Roster,
    pub(crate) words: &'a Words,
    pub(crate) surroundings: &'a Surroundings,
    /// The person's own link; `None`: there are none.
    pub(crate) link: Option<String>,
    pub(crate) now_ms: u64,
}

#[derive(Serialize)]
struct Body<'a> {
    delivery: &'a str,
    #[serde(flatten)]
    matter: MatterBody<'a>,
    colour: Colour,
    unit: UnitBody<'a>,
    place: Place,
    text_zh: &'a str,
    text_en: &'a str,
    whom: &'a str,
    exercise: bool,
    /// Where the person says that they have it before them.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    /// What is near a fire, for those who command or turn out.
    #[serde(skip_serializing_if = "Option::is_none")]
    near: Option<&'a Near>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum MatterBody<'a> {
    Alert {
        alert: AlertId,
        family: Family,
        state: AlertState,
        ring: u16,
        raised_ms: u64,
    },
    Order {
        order: OrderId,
        kind: &'a str,
        by: &'a str,
        about: Option<AlertId>,
        ordered_ms: u64,
        /// In the words of who ordered it, whole.
        text: &'a str,
        /// What the fire brigade must know.
        #[serde(skip_serializing_if = "Option::is_none")]
        hand_off: Option<&'a Facts>,
    },
}

impl MatterBody<'_> {
    fn of(about: &About) -> MatterBody<'_> {
        match about {
            About::Alert(alert) => MatterBody::Alert {
                alert: alert.id,
                family: alert.id.family,
                state: alert.state,
                ring: alert.ring,
                raised_ms: alert.raised_ms,
            },
            About::Order(order) => MatterBody::Order {
                order: order.id,
                kind: &order.kind,
                by: &order.by,
                about: order.alert,
                ordered_ms: order.at_ms,
                text: &order.words.zh,
                hand_off: order.facts.as_deref(),
            },
        }
    }
}

#[derive(Serialize)]
struct UnitBody<'a> {
    code: &'a str,
    name: &'a str,
    address: &'a str,
}

/// Names of the regions that the unit is in.
#[derive(Serialize)]
struct Place {
    township: String,
    village: String,
    grid: String,
}

impl Message {
    /// The message as of this roster, in these words.
    pub(crate) fn new(delivery: &Delivery, making: Making<'_>) -> Message {
        let Making { roster, words, surroundings, link, now_ms } = making;
        let near = surroundings.of(delivery, roster, now_ms);
        let near_words = near.as_ref().map(Near::words).unwrap_or_default();
        let about = &delivery.about;
        let region = about.region();
        let lines = words.lines(delivery, roster, &near_words);
        let name_at = |level| region.at(level).map(|code| roster.region_name(code)).unwrap_or_default();
        let unit = about.unit().and_then(|unit| roster.unit(unit));
        let body = Body {
            delivery: delivery.id.as_str(),
            matter: MatterBody::of(about),
            colour: about.colour(),
            unit: UnitBody {
                code: unit.map_or("", |unit| &unit.code),
                name: unit.map_or("", |unit| &unit.name),
                address: unit.map_or("", |unit| &unit.address),
            },
            place: Place {
                township: name_at(Level::Township),
                village: name_at(Level::Village),
                grid: name_at(Level::Grid),
            },
            text_zh: &lines.zh,
            text_en: &lines.en,
            whom: &delivery.whom,
            exercise: about.exercise(),
            link: link.as_deref(),
            near: near.as_ref(),
        };
        let json = serde_json::to_vec(&body).expect("strings, numbers and names of variants are always JSON");
        Message {
            json: json.into(),
            lines,
            unit: unit.map(|unit| unit.name.clone()).unwrap_or_default(),
            address: unit.map(|unit| unit.address.clone()).unwrap_or_default(),
            phone: roster.person(delivery.person).map(|person| person.phone.clone()).unwrap_or_default(),
            link,
            near: near_words,
        }
    }

    /// What is near the fire, in words; empty where it is not for this person.
    pub(crate) fn near(&self) -> &NearWords {
        &self.near
    }

    /// The page where the person says that they have it before them; `None`: there are no links.
    pub(crate) fn link(&self) -> Option<&str> {
        self.link.as_deref()
    }

    pub(crate) fn json(&self) -> Bytes {
        self.json.clone()
    }

    pub(crate) fn text_zh(&self) -> &str {
        &self.lines.zh
    }

    pub(crate) fn text_en(&self) -> &str {
        &self.lines.en
    }

    /// What it is and where, without what was seen.
    pub(crate) fn subject(&self) -> String {
        let head = self.lines.zh.split_inclusive('】').next().unwrap_or_default();
        format!("{head}{}", self.unit)
    }

    /// The unit's name; empty where the roster has none.
    pub(crate) fn unit(&self) -> &str {
        &self.unit
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The person's telephone number; empty where the roster has none.
    pub(crate) fn phone(&self) -> &str {
        &self.phone
    }
}
