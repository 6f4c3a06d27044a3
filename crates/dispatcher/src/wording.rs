//! What people read: what, where, who, do what. Chinese first, in at most 70 characters, which is one short message.

use model::roster::{Post, Roster};
use model::{Delivery, Family, Level, Verdict};

/// Characters of the Chinese line: one SMS.
pub(crate) const ZH_CHARS_MAX: usize = 70;
/// Characters of the English line.
pub(crate) const EN_CHARS_MAX: usize = 160;

/// A line in two languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) zh: String,
    pub(crate) en: String,
}

/// Words that the lines are made of.
struct Facts<'a> {
    unit: &'a str,
    address: &'a str,
    village: String,
    grid: String,
    person: &'a str,
    post: Option<Post>,
}

/// The lines for a delivery.
pub(crate) fn lines(delivery: &Delivery, roster: &Roster) -> Lines {
    let unit = roster.unit(delivery.summary.unit);
    let name_at = |level| delivery.summary.grid.at(level).map(|code| roster.region_name(code)).unwrap_or_default();
    let facts = Facts {
        unit: unit.map_or("", |unit| &unit.name),
        address: unit.map_or("", |unit| &unit.address),
        village: name_at(Level::Village),
        grid: name_at(Level::Grid),
        person: &delivery.person_name,
        post: roster.person(delivery.person).map(|person| person.post),
    };
    Lines { zh: chinese(delivery, &facts), en: english(delivery, &facts) }
}

fn chinese(delivery: &Delivery, facts: &Facts<'_>) -> String {
    let summary = &delivery.summary;
    let family = match summary.id.family {
        Family::Fire => "火警",
        Family::Warning => "预警",
        Family::Fault => "故障",
    };
    let colour = match summary.colour {
        model::Colour::Red => "红色",
        model::Colour::Orange => "橙色",
        model::Colour::Yellow => "黄色",
        model::Colour::Blue => "蓝色",
        model::Colour::Blind => "失明",
    };
    let prefix = if summary.exercise { "演练·" } else { "" };
    let again = if summary.ring > 1 { "再次" } else { "" };
    let head = format!("【{prefix}{again}{colour}{family}】");
    let real = summary.verdict == Some(Verdict::Real);
    let act = match (summary.id.family, facts.post) {
        (Family::Fire, Some(Post::Owner)) if real => "请立即疏散，拨119",
        (Family::Fire, Some(Post::Owner)) => "请立即查看，着火拨119",
        (Family::Fire, Some(Post::MicroStation)) => "请立即出动",
        (Family::Fire, Some(Post::TownshipChief | Post::Commander)) => "请指挥处置",
        (Family::Fire, _) => "请立即到场核实",
        (Family::Warning, _) => "请尽快排查",
        (Family::Fault, _) => "请安排检修",
    };
    let tail = if facts.person.is_empty() { act.to_owned() } else { format!("{}，{act}", facts.person) };
    fit(
        ZH_CHARS_MAX,
        &head,
        &[(&facts.village, ""), (&facts.grid, ""), (facts.unit, ""), (facts.address, "，")],
        (&summary.words.zh, "："),
        (&tail, "。"),
    )
}

fn english(delivery: &Delivery, facts: &Facts<'_>) -> String {
    let summary = &delivery.summary;
    let family = match summary.id.family {
        Family::Fire => "FIRE ALARM",
        Family::Warning => "WARNING",
        Family::Fault => "FAULT",
    };
    let prefix = if summary.exercise { "EXERCISE: " } else { "" };
    let again = if summary.ring > 1 { " (again)" } else { "" };
    let head = format!("{prefix}{} {family}{again} ", summary.colour.word().to_uppercase());
    let act = match (summary.id.family, facts.post) {
        (Family::Fire, Some(Post::Owner)) => "go and look, call 119 if it burns",
        (Family::Fire, Some(Post::MicroStation)) => "turn out now",
        (Family::Fire, Some(Post::TownshipChief | Post::Commander)) => "take command",
        (Family::Fire, _) => "go and verify now",
        (Family::Warning, _) => "check soon",
        (Family::Fault, _) => "have it repaired",
    };
    let tail = if facts.person.is_empty() { act.to_owned() } else { format!("{}, {act}", facts.person) };
    fit(
        EN_CHARS_MAX,
        &head,
        &[(facts.unit, ""), (&facts.village, ", "), (&facts.grid, " "), (facts.address, ", ")],
        (&summary.words.en, ": "),
        (&tail, ". "),
    )
}

/// Puts the parts together, each behind its own separator, within `max` characters. What was seen is shortened first, then
/// where, from its end; head and tail say what it is and what to do, and stay as long as there is room at all.
fn fit(max: usize, head: &str, place: &[(&str, &str)], evidence: (&str, &str), tail: (&str, &str)) -> String {
    let mut room = max.saturating_sub(count(head) + count(tail.0) + count(tail.1));
    let mut line = head.to_owned();
    let mut first = true;
    for (part, separator) in place.iter().filter(|(part, _)| !part.is_empty()) {
        let separator = if first { "" } else { separator };
        let taken = cut(part, room.saturating_sub(count(separator)));
        if taken.is_empty() {
            break;
        }
        room -= count(separator) + count(&taken);
        line.push_str(separator);
        line.push_str(&taken);
        first = false;
    }
    let seen = cut(evidence.0, room.saturating_sub(count(evidence.1)));
    // half a word says nothing
    if !seen.is_empty() && (seen == evidence.0 || count(&seen) >= 4) {
        line.push_str(evidence.1);
        line.push_str(&seen);
    }
    line.push_str(tail.1);
    line.push_str(tail.0);
    line.chars().take(max).collect()
}

fn count(text: &str) -> usize {
    text.chars().count()
}

/// `text`, without line breaks, cut to `max` characters with a mark where something is missing.
fn cut(text: &str, max: usize) -> String {
    let clean = || text.chars().map(|c| if c.is_control() { ' ' } else { c });
    if count(text) <= max {
        clean().collect()
    } else if max < 2 {
        String::new()
    } else {
        clean().take(max - 1).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests;
