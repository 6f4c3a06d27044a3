//! What people read: what, where, who, do what. Chinese first, in at most 70 characters, which is one short message.
//!
//! The texts are templates. Those of the settings go before the built-in ones, the more particular before the more general.
//! Whatever the values, a text is shortened and never grows too long: what was seen is shortened first, then where, from its
//! end; the rest says what it is and what to do, and stays as long as there is room at all.

use model::roster::{Post, Roster};
use model::{About, Colour, Delivery, Family, Level, Verdict};
use serde::{Deserialize, Serialize};

use crate::dispatcher::StartError;
use crate::near::NearWords;
use crate::template::{self, Part};

/// Characters of the Chinese line: one SMS.
pub(crate) const ZH_CHARS_MAX: usize = 70;
/// Characters of the English line.
pub(crate) const EN_CHARS_MAX: usize = 160;
/// Characters that a template must leave for its values.
const ROOM_CHARS_MIN: usize = 30;

const ZH: &str =
    "【{exercise}{again}{colour}{family}】{village}{grid}{unit}[，{address}][：{evidence}]。[{person}，]{act}";
const EN: &str =
    "{exercise}{colour} {family}{again} [{unit}, ]{village}[ {grid}][, {address}][: {evidence}]. [{person}, ]{act}";

/// A text in place of a built-in one, for those deliveries that meet all its conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wording {
    /// `zh` or `en`.
    pub language: Language,
    /// Only for this family: fire, warning, fault; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Only for people of this post: owner, grid_worker, village_chief, township_chief, micro_station, commander; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<Post>,
    /// Only for this colour: red, orange, yellow, blue, blind; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// The text, with `{exercise}` (must be there, so that nobody takes a drill for real), `{again}`, `{colour}`, `{family}`,
    /// `{township}`, `{village}`, `{grid}`, `{unit}`, `{address}`, `{evidence}`, `{person}`, `{act}`; for fires, to commanders,
    /// chiefs and micro stations, `{stations}`, `{hydrants}`, `{cameras}`, and to micro stations `{from_station}`. What is in `[…]`
    /// around one of them is left out when it is empty.
    pub text: String,
}

/// Language of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    Zh,
    En,
}

/// A line in two languages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) zh: String,
    pub(crate) en: String,
}

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Exercise,
    Again,
    Colour,
    Family,
    Township,
    Village,
    Grid,
    Unit,
    Address,
    Evidence,
    Person,
    Act,
    Stations,
    Hydrants,
    Cameras,
    FromStation,
}

const SLOTS: [(&str, Slot); 16] = [
    ("exercise", Slot::Exercise),
    ("again", Slot::Again),
    ("colour", Slot::Colour),
    ("family", Slot::Family),
    ("township", Slot::Township),
    ("village", Slot::Village),
    ("grid", Slot::Grid),
    ("unit", Slot::Unit),
    ("address", Slot::Address),
    ("evidence", Slot::Evidence),
    ("person", Slot::Person),
    ("act", Slot::Act),
    ("stations", Slot::Stations),
    ("hydrants", Slot::Hydrants),
    ("cameras", Slot::Cameras),
    ("from_station", Slot::FromStation),
];

type Template = Vec<Part<Slot>>;

/// Every text.
pub(crate) struct Words {
    zh: Template,
    en: Template,
    /// The most particular first.
    own: Vec<(Wording, Template)>,
}

impl Words {
    /// # Errors
    /// A text that cannot be read or is too long, two for the same deliveries.
    pub(crate) fn new(own: &[Wording]) -> Result<Words, StartError> {
        let mut read: Vec<(Wording, Template)> = Vec::new();
        for wording in own {
            let failed =
                |reason| StartError::Setting { key: "wording", reason: format!("{:?}: {reason}", wording.text) };
            if read.iter().any(|(other, _)| other.conditions() == wording.conditions()) {
                return Err(failed("there is another one with the same conditions: keep one".into()));
            }
            read.push((wording.clone(), check(wording).map_err(failed)?));
        }
        read.sort_by_key(|(wording, _)| std::cmp::Reverse(wording.weight()));
        let built_in = |text| template::parse(text, &SLOTS, true).expect("the built-in texts are tested");
        Ok(Words { zh: built_in(ZH), en: built_in(EN), own: read })
    }

    /// The lines for a delivery.
    pub(crate) fn lines(&self, delivery: &Delivery, roster: &Roster, near: &NearWords) -> Lines {
        let unit = delivery.about.unit().and_then(|unit| roster.unit(unit));
        let region = delivery.about.region();
        let name_at = |level| region.at(level).map(|code| roster.region_name(code)).unwrap_or_default();
        let facts = Facts {
            unit: unit.map_or("", |unit| &unit.name),
            address: unit.map_or("", |unit| &unit.address),
            township: name_at(Level::Township),
            village: name_at(Level::Village),
            grid: name_at(Level::Grid),
            person: &delivery.person_name,
            post: roster.person(delivery.person).map(|person| person.post),
            near,
        };
        Lines { zh: self.line(Language::Zh, delivery, &facts), en: self.line(Language::En, delivery, &facts) }
    }

    fn line(&self, language: Language, delivery: &Delivery, facts: &Facts<'_>) -> String {
        let own = self.own.iter().find(|(wording, _)| wording.is_for(language, delivery, facts.post));
        let (built_in, chars_max) = match language {
            Language::Zh => (&self.zh, ZH_CHARS_MAX),
            Language::En => (&self.en, EN_CHARS_MAX),
        };
        fit(own.map_or(built_in, |(_, own)| own), chars_max, &|slot| value(slot, language, delivery, facts))
    }
}

impl Wording {
    fn conditions(&self) -> (Language, Option<Family>, Option<Post>, Option<Colour>) {
        (self.language, self.family, self.post, self.colour)
    }

    /// A family says more than a post, a post more than a colour.
    fn weight(&self) -> u8 {
        u8::from(self.family.is_some()) * 4 + u8::from(self.post.is_some()) * 2 + u8::from(self.colour.is_some())
    }

    fn is_for(&self, language: Language, delivery: &Delivery, post: Option<Post>) -> bool {
        self.language == language
            && self.family.is_none_or(|family| Some(family) == delivery.about.family())
            && self.post.is_none_or(|asked| Some(asked) == post)
            && self.colour.is_none_or(|colour| colour == delivery.about.colour())
    }
}

/// Reads a text of the settings.
fn check(wording: &Wording) -> Result<Template, String> {
    let parts = template::parse(&wording.text, &SLOTS, true)?;
    let is_exercise = |part: &Part<Slot>| matches!(part, Part::Slot { slot: Slot::Exercise, .. });
    if !parts.iter().any(is_exercise) {
        return Err("{exercise} must be in it, so that nobody takes a drill for real".into());
    }
    let chars_max = if wording.language == Language::Zh { ZH_CHARS_MAX } else { EN_CHARS_MAX };
    let own = parts.iter().map(|part| match part {
        Part::Text(text) => count(text),
        Part::Slot { before, after, .. } => count(before) + count(after),
    });
    let own: usize = own.sum();
    if own + ROOM_CHARS_MIN > chars_max {
        return Err(format!("its own {own} characters leave too little of {chars_max} for the values"));
    }
    Ok(parts)
}

/// Words that the lines are made of.
struct Facts<'a> {
    unit: &'a str,
    address: &'a str,
    township: String,
    village: String,
    grid: String,
    person: &'a str,
    post: Option<Post>,
    near: &'a NearWords,
}

fn value<'a>(slot: Slot, language: Language, delivery: &'a Delivery, facts: &'a Facts<'_>) -> &'a str {
    let about = &delivery.about;
    let zh = language == Language::Zh;
    let either = |chinese: &'static str, english: &'static str| if zh { chinese } else { english };
    let words = match about {
        About::Alert(alert) => &alert.words,
        About::Order(order) => &order.words,
    };
    let of = |lines: &'a Lines| if zh { &*lines.zh } else { &*lines.en };
    match slot {
        Slot::Exercise if about.exercise() => either("演练·", "EXERCISE: "),
        Slot::Again if about.alert().is_some_and(|alert| alert.ring > 1) => either("再次", " (again)"),
        Slot::Exercise | Slot::Again => "",
        Slot::Colour => colour(about.colour(), language),
        Slot::Family => match about.family() {
            Some(Family::Fire) => either("火警", "FIRE ALARM"),
            Some(Family::Warning) => either("预警", "WARNING"),
            Some(Family::Fault) => either("故障", "FAULT"),
            None => kind_of(about.order().map_or("", |order| &*order.kind), language),
        },
        Slot::Township => &facts.township,
        Slot::Village => &facts.village,
        Slot::Grid => &facts.grid,
        Slot::Unit => facts.unit,
        Slot::Address => facts.address,
        Slot::Evidence if zh => &words.zh,
        // what a person wrote has one language
        Slot::Evidence if words.en.is_empty() => &words.zh,
        Slot::Evidence => &words.en,
        Slot::Person => facts.person,
        Slot::Act => act(language, delivery, facts.post),
        Slot::Stations => of(&facts.near.stations),
        Slot::Hydrants => of(&facts.near.hydrants),
        Slot::Cameras => of(&facts.near.cameras),
        Slot::FromStation => of(&facts.near.from_station),
    }
}

fn colour(colour: Colour, language: Language) -> &'static str {
    let (zh, en) = match colour {
        Colour::Red => ("红色", "RED"),
        Colour::Orange => ("橙色", "ORANGE"),
        Colour::Yellow => ("黄色", "YELLOW"),
        Colour::Blue => ("蓝色", "BLUE"),
        Colour::Blind => ("失明", "BLIND"),
    };
    if language == Language::Zh { zh } else { en }
}

/// What the person is to do.
fn act(language: Language, delivery: &Delivery, post: Option<Post>) -> &'static str {
    let Some(alert) = delivery.about.alert() else {
        return act_on(delivery.about.order().map_or("", |order| &*order.kind), language);
    };
    let real = alert.verdict == Some(Verdict::Real);
    let (zh, en) = match (alert.id.family, post) {
        (Family::Fire, Some(Post::Owner)) if real => ("请立即疏散，拨119", "get everybody out, call 119"),
        (Family::Fire, Some(Post::Owner)) => ("请立即查看，着火拨119", "go and look, call 119 if it burns"),
        (Family::Fire, Some(Post::MicroStation)) => ("请立即出动", "turn out now"),
        (Family::Fire, Some(Post::TownshipChief | Post::Commander)) => ("请指挥处置", "take command"),
        (Family::Fire, _) => ("请立即到场核实", "go and verify now"),
        (Family::Warning, _) => ("请尽快排查", "check soon"),
        (Family::Fault, _) => ("请安排检修", "have it repaired"),
    };
    if language == Language::Zh { zh } else { en }
}

/// What an order tells, in its place of the family.
fn kind_of(kind: &str, language: Language) -> &'static str {
    let (zh, en) = match kind {
        "reminder" => ("指令·催办", "ORDER, reminder"),
        "withdrawn" => ("指令·撤销", "ORDER WITHDRAWN"),
        "roll_call" => ("查岗", "ROLL-CALL"),
        "channel_test" => ("测试", "TEST"),
        "report" => ("报告", "REPORT"),
        "hand_off" => ("警情移交", "HAND-OFF"),
        "hand_off_update" => ("警情更新", "HAND-OFF, update"),
        "hand_off_cancelled" => ("移交取消", "HAND-OFF CANCELLED"),
        "hand_off_rejected" => ("移交被拒", "HAND-OFF REJECTED"),
        "hand_off_overdue" => ("移交无应答", "HAND-OFF UNANSWERED"),
        _ => ("指令", "ORDER"),
    };
    if language == Language::Zh { zh } else { en }
}

/// What the person is to do about an order.
fn act_on(kind: &str, language: Language) -> &'static str {
    let (zh, en) = match kind {
        "withdrawn" | "hand_off_cancelled" => ("请停止执行", "stand down"),
        "roll_call" => ("请应答到岗", "answer that you are there"),
        "channel_test" => ("无需处理", "nothing to do"),
        "report" | "hand_off_update" => ("请知悉", "for your information"),
        "hand_off" => ("请回复是否受理", "say whether you take it"),
        "hand_off_rejected" | "hand_off_overdue" => ("请指挥处置", "take command"),
        _ => ("请确认收到", "confirm receipt"),
    };
    if language == Language::Zh { zh } else { en }
}

fn is_place(slot: Slot) -> bool {
    matches!(slot, Slot::Township | Slot::Village | Slot::Grid | Slot::Unit | Slot::Address)
}

/// What is shortened before anything else.
fn is_detail(slot: Slot) -> bool {
    matches!(slot, Slot::Evidence | Slot::Stations | Slot::Hydrants | Slot::Cameras | Slot::FromStation)
}

/// A value that is on its way into a text.
struct Piece<'a> {
    value: &'a str,
    chars: usize,
    /// Shortened: it ends with a mark where something is missing.
    marked: bool,
    /// Characters that stand or fall with it.
    own: usize,
}

/// Puts a text together within `chars_max` characters, as the head of this file says.
fn fit<'a>(template: &Template, chars_max: usize, value: &impl Fn(Slot) -> &'a str) -> String {
    let mut fixed = 0;
    let mut pieces: Vec<Piece<'_>> = Vec::with_capacity(template.len());
    for part in template {
        let Part::Slot { before, slot, after, optional } = part else {
            fixed += part.chars();
            pieces.push(Piece { value: "", chars: 0, marked: false, own: 0 });
            continue;
        };
        let value = value(*slot);
        let (chars, around) = (count(value), count(before) + count(after));
        let shortened = is_place(*slot) || is_detail(*slot);
        // what stays in any case
        fixed += if shortened { 0 } else { chars };
        fixed += if *optional && (chars == 0 || shortened) { 0 } else { around };
        pieces.push(Piece { value, chars, marked: false, own: if *optional { around } else { 0 } });
    }
    let mut room = chars_max.saturating_sub(fixed);
    let mut full = false;
    for (part, piece) in template.iter().zip(&mut pieces) {
        if part.slot().is_some_and(is_place) && piece.chars > 0 {
            piece.cut(if full { 0 } else { room.saturating_sub(piece.own) });
            full |= piece.chars == 0;
            room -= if full { 0 } else { piece.own + piece.chars };
        }
    }
    for (part, piece) in template.iter().zip(&mut pieces) {
        if part.slot().is_some_and(is_detail) && piece.chars > 0 {
            piece.cut(room.saturating_sub(piece.own));
            // half a word says nothing
            if piece.marked && piece.chars < 4 {
                piece.cut(0);
            }
            room -= if piece.chars == 0 { 0 } else { piece.own + piece.chars };
        }
    }
    let mut line = String::with_capacity(chars_max * 3);
    for (part, piece) in template.iter().zip(&pieces) {
        match part {
            Part::Text(text) => line.push_str(text),
            Part::Slot { optional: true, .. } if piece.chars == 0 => {}
            Part::Slot { before, after, .. } => {
                line.push_str(before);
                // without line breaks
                line.extend(piece.value.chars().map(|c| if c.is_control() { ' ' } else { c }));
                line.push_str(if piece.marked { "…" } else { "" });
                line.push_str(after);
            }
        }
    }
    match line.char_indices().nth(chars_max) {
        Some((end, _)) => line[..end].to_owned(),
        None => line,
    }
}

impl Piece<'_> {
    /// Leaves `max` characters at most, the mark included.
    fn cut(&mut self, max: usize) {
        if self.chars <= max && !self.marked {
            return;
        }
        let kept = if max < 2 { 0 } else { max - 1 };
        let end = self.value.char_indices().nth(kept).map_or(self.value.len(), |(end, _)| end);
        self.value = &self.value[..end];
        self.marked = kept > 0;
        self.chars = if kept > 0 { max } else { 0 };
    }
}

impl Part<Slot> {
    fn chars(&self) -> usize {
        match self {
            Part::Text(text) => count(text),
            Part::Slot { .. } => 0,
        }
    }

    fn slot(&self) -> Option<Slot> {
        match self {
            Part::Text(_) => None,
            Part::Slot { slot, .. } => Some(*slot),
        }
    }
}

fn count(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
pub(crate) mod tests;
