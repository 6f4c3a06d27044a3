//! A message as XML, in the order of elements that the schema of CAP 1.2 asks for.

use std::io;

use bytes::Bytes;
use model::{AlertId, Cursor, Epoch, Level, RegionCode, Roster};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::chain::Message;
use super::terms::{self, Language, MsgType};
use super::time;
use crate::settings::Settings;
use crate::shapes::region_name;

const NAMESPACE: &str = "urn:oasis:names:tc:emergency:cap:1.2";
/// Kind of code that an area is named by: GB/T 2260 and GB/T 10114.
const DIVISION: &str = "CN-DIVISION";
const SCOPE: &str = "Restricted";
const RESTRICTION: &str = "消防与应急指挥内部使用 For fire and emergency command only";

type Xml = Writer<Vec<u8>>;

/// Who speaks, as every message says.
#[derive(Debug, Clone)]
pub(crate) struct Voice {
    sender: Box<str>,
    sender_name: Box<str>,
    utc_offset_min: i32,
}

impl Voice {
    pub(crate) fn new(settings: &Settings) -> Voice {
        Voice {
            sender: settings.cap_sender.as_str().into(),
            sender_name: settings.cap_sender_name.as_str().into(),
            utc_offset_min: settings.cap_utc_offset_min,
        }
    }

    /// Who it is, for people.
    pub(crate) fn name(&self) -> &str {
        &self.sender_name
    }

    fn time(&self, at_ms: u64) -> String {
        time::local(at_ms, self.utc_offset_min)
    }
}

/// Names a message: `fire-17-4711.4720`, its alert and the commit that it is about.
fn identifier(alert: AlertId, epoch: Epoch) -> String {
    format!("{alert}.{epoch}")
}

impl Message {
    /// Its name, the same for ever.
    pub(crate) fn identifier(&self) -> String {
        identifier(self.summary.id, self.epoch)
    }

    /// A line that says what it is about.
    pub(crate) fn title(&self, roster: &Roster) -> String {
        self.headline(roster, Language::Chinese)
    }

    fn headline(&self, roster: &Roster, language: Language) -> String {
        let summary = &self.summary;
        let (colour, event) = (terms::colour(summary.colour, language), terms::event(summary.id.family, language));
        let name = roster.unit(summary.unit).map_or("", |unit| &*unit.name);
        let mark = self.exercise.map_or("", |exercise| exercise.mark(language));
        match language {
            Language::Chinese => format!("{mark}{colour}{event}：{name}"),
            Language::English => format!("{mark}{event} ({colour}): {name}"),
        }
    }
}

/// A message as a document of its own.
pub(crate) fn document(message: &Message, roster: &Roster, voice: &Voice) -> Bytes {
    as_document(|xml| write_alert(xml, message, roster, voice))
}

/// Says that part of the feed is no longer kept: a message about the way of alerting itself.
pub(crate) fn about_feed(identifier: &str, at_ms: u64, oldest: Cursor, voice: &Voice) -> Bytes {
    as_document(|xml| {
        element(xml, "alert", Some(NAMESPACE), |xml| {
            text(xml, "identifier", identifier)?;
            text(xml, "sender", &voice.sender)?;
            text(xml, "sent", &voice.time(at_ms))?;
            text(xml, "status", "System")?;
            text(xml, "msgType", "Alert")?;
            text(xml, "scope", SCOPE)?;
            text(xml, "restriction", RESTRICTION)?;
            let note = format!(
                "cursor {oldest} 之前的消息已不再保留，请从 /api/v1/cap 取回 Messages before cursor {oldest} are no longer \
                 kept: read the open ones from /api/v1/cap"
            );
            text(xml, "note", &note)
        })
    })
}

fn as_document(write: impl FnOnce(&mut Xml) -> io::Result<()>) -> Bytes {
    let mut xml = Writer::new(Vec::with_capacity(4096));
    let declared = xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
    declared.and_then(|()| write(&mut xml)).expect("a growing buffer takes everything");
    xml.into_inner().into()
}

/// Writes the element `alert`.
pub(crate) fn write_alert(xml: &mut Xml, message: &Message, roster: &Roster, voice: &Voice) -> io::Result<()> {
    let summary = &message.summary;
    element(xml, "alert", Some(NAMESPACE), |xml| {
        text(xml, "identifier", &message.identifier())?;
        text(xml, "sender", &voice.sender)?;
        text(xml, "sent", &voice.time(message.sent_ms))?;
        text(xml, "status", terms::status(message.exercise))?;
        text(xml, "msgType", message.kind.word())?;
        text(xml, "scope", SCOPE)?;
        text(xml, "restriction", RESTRICTION)?;
        match (message.exercise, message.kind) {
            (Some(exercise), _) => text(xml, "note", exercise.note())?,
            (None, MsgType::Cancel) => {
                let standing = Language::ALL.map(|language| terms::standing(summary, language));
                text(xml, "note", &standing.join(" "))?;
            }
            (None, MsgType::Alert | MsgType::Update) => {}
        }
        if !message.references.is_empty() {
            let reference = |(epoch, sent_ms): &(Epoch, u64)| {
                format!("{},{},{}", voice.sender, identifier(summary.id, *epoch), voice.time(*sent_ms))
            };
            let references: Vec<String> = message.references.iter().map(reference).collect();
            text(xml, "references", &references.join(" "))?;
        }
        text(xml, "incidents", &summary.id.to_string())?;
        for language in Language::ALL {
            write_info(xml, message, roster, voice, language)?;
        }
        Ok(())
    })
}

fn write_info(xml: &mut Xml, message: &Message, roster: &Roster, voice: &Voice, language: Language) -> io::Result<()> {
    let summary = &message.summary;
    let unit = roster.unit(summary.unit);
    let code = unit.map_or("", |unit| &*unit.code);
    element(xml, "info", None, |xml| {
        text(xml, "language", language.tag())?;
        text(xml, "category", terms::category(summary.id.family))?;
        text(xml, "event", terms::event(summary.id.family, language))?;
        text(xml, "responseType", terms::response(summary))?;
        text(xml, "urgency", terms::urgency(summary))?;
        text(xml, "severity", terms::severity(summary.colour))?;
        text(xml, "certainty", terms::certainty(summary))?;
        text(xml, "effective", &voice.time(message.sent_ms))?;
        text(xml, "onset", &voice.time(summary.raised_ms))?;
        text(xml, "senderName", &voice.sender_name)?;
        text(xml, "headline", &message.headline(roster, language))?;
        let seen = language.of(&summary.words.zh, &summary.words.en);
        let stop = if seen.is_empty() { "" } else { language.of("。", ". ") };
        text(xml, "description", &format!("{seen}{stop}{}", terms::standing(summary, language)))?;
        text(xml, "instruction", terms::instruction(summary, language))?;
        let (id, grid) = (summary.id.to_string(), summary.grid.to_string());
        let parameters = [
            ("FENGHUO-ALERT", id.as_str()),
            ("FENGHUO-COLOUR", summary.colour.word()),
            ("FENGHUO-STATE", summary.state.word()),
            ("FENGHUO-UNIT", code),
            ("FENGHUO-GRID", &grid),
        ];
        for (parameter, value) in parameters.into_iter().filter(|(_, value)| !value.is_empty()) {
            named(xml, "parameter", parameter, value)?;
        }
        element(xml, "area", None, |xml| {
            text(xml, "areaDesc", &area(summary.grid, unit, roster))?;
            // a grid is the operator's own division: the village that it lies in is the nearest that others know
            let known = summary.grid.at(Level::Village).unwrap_or(summary.grid);
            named(xml, "geocode", DIVISION, &known.to_string())
        })
    })
}

/// Township, village, grid, address and name, as far as they are known.
fn area(grid: RegionCode, unit: Option<&model::roster::Unit>, roster: &Roster) -> String {
    let mut regions: Vec<RegionCode> = grid.ancestry().collect();
    regions.reverse();
    let mut parts: Vec<&str> = regions.iter().map(|code| region_name(roster, *code)).collect();
    parts.extend(unit.map(|unit| &*unit.address));
    parts.extend(unit.map(|unit| &*unit.name));
    parts.retain(|part| !part.is_empty());
    if parts.is_empty() { grid.to_string() } else { parts.join(" ") }
}

fn named(xml: &mut Xml, element_name: &str, name: &str, value: &str) -> io::Result<()> {
    element(xml, element_name, None, |xml| {
        text(xml, "valueName", name)?;
        text(xml, "value", value)
    })
}

/// An element with elements in it.
pub(crate) fn element(
    xml: &mut Xml,
    name: &str,
    namespace: Option<&str>,
    write: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<()> {
    let mut element = xml.create_element(name);
    if let Some(namespace) = namespace {
        element = element.with_attribute(("xmlns", namespace));
    }
    element.write_inner_content(write)?;
    Ok(())
}

/// An element with text in it, without the characters that XML 1.0 does not know.
pub(crate) fn text(xml: &mut Xml, name: &str, value: &str) -> io::Result<()> {
    let is_known =
        |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let known: String = value.chars().filter(is_known).collect();
    xml.create_element(name).write_text_content(BytesText::new(&known))?;
    Ok(())
}
