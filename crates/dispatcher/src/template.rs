//! Texts with placeholders. `{name}` stands for a value; what is in `[…]` around one placeholder is left out when its value is
//! empty; `{{`, `[[` and `]]` stand for the signs themselves. Braces around anything but a name are text.

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part<S> {
    Text(String),
    /// A value, with what stands before and after it. Where the value is empty, they are left out too if `optional`.
    Slot {
        before: String,
        slot: S,
        after: String,
        optional: bool,
    },
}

/// Reads a text. `slots` are the names that are known. `groups`: whether `[…]` has a meaning.
///
/// # Errors
/// An unknown name, with the nearest known one; a group that is not closed or holds not exactly one placeholder.
pub(crate) fn parse<S: Clone>(text: &str, slots: &[(&str, S)], groups: bool) -> Result<Vec<Part<S>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut literal = String::new();
    while let Some(c) = rest.chars().next() {
        if let Some((name, after)) = placeholder(rest) {
            flush(&mut literal, &mut parts);
            parts.push(Part::Slot {
                before: String::new(),
                slot: find(name, slots)?,
                after: String::new(),
                optional: false,
            });
            rest = after;
        } else if let Some(after) = doubled(rest, groups) {
            literal.push(c);
            rest = after;
        } else if groups && c == '[' {
            flush(&mut literal, &mut parts);
            let (part, after) = group(rest, slots)?;
            parts.push(part);
            rest = after;
        } else if groups && c == ']' {
            return Err("a ] without its [ (write ]] for the sign itself)".into());
        } else {
            literal.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    flush(&mut literal, &mut parts);
    Ok(parts)
}

fn flush<S>(literal: &mut String, parts: &mut Vec<Part<S>>) {
    if !literal.is_empty() {
        parts.push(Part::Text(std::mem::take(literal)));
    }
}

/// `{name}` at the beginning, and what follows it.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('{')?;
    let end = inner.find('}')?;
    let name = &inner[..end];
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    is_name.then(|| (name, &inner[end + 1..]))
}

fn doubled(text: &str, groups: bool) -> Option<&str> {
    let signs: &[&str] = if groups { &["{{", "[[", "]]"] } else { &["{{"] };
    signs.iter().find_map(|sign| text.strip_prefix(sign))
}

/// `[…{name}…]` at the beginning, and what follows it.
fn group<'t, S: Clone>(text: &'t str, slots: &[(&str, S)]) -> Result<(Part<S>, &'t str), String> {
    let inner = &text[1..];
    let end = inner.find(']').ok_or("a [ without its ] (write [[ for the sign itself)")?;
    let (inner, after_group) = (&inner[..end], &inner[end + 1..]);
    let one = || format!("[{inner}] must hold exactly one placeholder");
    let at = inner.char_indices().find_map(|(at, _)| placeholder(&inner[at..]).map(|found| (at, found)));
    let (at, (name, after)) = at.ok_or_else(one)?;
    if after.char_indices().any(|(at, _)| placeholder(&after[at..]).is_some()) {
        return Err(one());
    }
    let part = Part::Slot { before: inner[..at].into(), slot: find(name, slots)?, after: after.into(), optional: true };
    Ok((part, after_group))
}

fn find<S: Clone>(name: &str, slots: &[(&str, S)]) -> Result<S, String> {
    slots.iter().find(|(known, _)| *known == name).map(|(_, slot)| slot.clone()).ok_or_else(|| {
        match nearest(name, slots.iter().map(|(known, _)| *known)) {
            Some(near) => format!("there is no placeholder {{{name}}}: is {{{near}}} meant?"),
            None => {
                let known: Vec<String> = slots.iter().map(|(known, _)| format!("{{{known}}}")).collect();
                format!("there is no placeholder {{{name}}}: there are {}", known.join(", "))
            }
        }
    })
}

/// The known word nearest to an unknown one, if any is near.
pub(crate) fn nearest<'k>(unknown: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let nearest = known.map(|known| (strsim::damerau_levenshtein(unknown, known), known)).min()?;
    (nearest.0 <= (unknown.chars().count() / 2).clamp(1, 4)).then_some(nearest.1)
}

/// The text with its values; for texts without groups.
pub(crate) fn fill<S>(parts: &[Part<S>], value: impl Fn(&S) -> String) -> String {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Slot { slot, .. } => text.push_str(&value(slot)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOTS: &[(&str, u8)] = &[("unit", 1), ("address", 2)];

    #[test]
    fn texts_are_read() {
        let slot = |slot| Part::Slot { before: String::new(), slot, after: String::new(), optional: false };
        let text = |text: &str| Part::Text(text.into());
        let group = Part::Slot { before: ", ".into(), slot: 2, after: "!".into(), optional: true };
        for (from, groups, expected) in [
            ("", true, vec![]),
            ("在{unit}[, {address}!]。", true, vec![text("在"), slot(1), group, text("。")]),
            ("[[{unit}]] {{unit}", true, vec![text("["), slot(1), text("] {unit}")]),
            ("{\"a\": {}, [\"{unit}\"]", false, vec![text("{\"a\": {}, [\""), slot(1), text("\"]")]),
            ("{Unit} {", true, vec![text("{Unit} {")]),
        ] {
            assert_eq!(parse(from, SLOTS, groups).unwrap(), expected, "{from}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (from, expected) in [
            ("{adress}", "there is no placeholder {adress}: is {address} meant?"),
            ("{x}", "there is no placeholder {x}: there are {unit}, {address}"),
            ("[, ]", "[, ] must hold exactly one placeholder"),
            ("[{unit}{address}]", "[{unit}{address}] must hold exactly one placeholder"),
            ("[{unit}", "a [ without its ] (write [[ for the sign itself)"),
            ("{unit}]", "a ] without its [ (write ]] for the sign itself)"),
        ] {
            assert_eq!(parse(from, SLOTS, true).unwrap_err(), expected);
        }
    }

    #[test]
    fn texts_are_filled() {
        let parts = parse("a{unit}b{address}", SLOTS, false).unwrap();
        assert_eq!(fill(&parts, |slot| slot.to_string()), "a1b2");
    }
}
