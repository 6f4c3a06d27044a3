//! Topic names and topic filters (MQTT 5 section 4.7, MQTT 3.1.1 section 4.7). Any script is fine.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

/// A valid topic name that shares the read buffer it came in; cloning copies no text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Topic(Bytes);

impl Topic {
    /// Copies a topic name.
    ///
    /// # Errors
    /// See [`TopicError`].
    pub fn new(name: &str) -> Result<Topic, TopicError> {
        Topic::from_bytes(Bytes::copy_from_slice(name.as_bytes()))
    }

    /// Checks UTF-8 and the rules for topic names; takes the bytes as they are.
    pub(crate) fn from_bytes(bytes: Bytes) -> Result<Topic, TopicError> {
        if bytes.is_empty() {
            return Err(TopicError::Empty);
        }
        if bytes.len() > usize::from(u16::MAX) {
            return Err(TopicError::TooLong);
        }
        if std::str::from_utf8(&bytes).is_err() {
            return Err(TopicError::NotUtf8);
        }
        match bytes.iter().find(|byte| matches!(byte, b'#' | b'+' | 0)) {
            Some(0) => Err(TopicError::Nul),
            Some(_) => Err(TopicError::Wildcard),
            None => Ok(Topic(bytes)),
        }
    }

    /// The same name in memory of its own, so that the read buffer can go.
    pub(crate) fn detached(&self) -> Topic {
        Topic(Bytes::copy_from_slice(&self.0))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("every constructor checks UTF-8")
    }
}

impl Deref for Topic {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// Why a topic name or filter is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// MQTT-4.7.3-1.
    #[error("the topic is empty: give at least one character")]
    Empty,
    /// MQTT-4.7.3-3.
    #[error("the topic is longer than 65,535 bytes: shorten it")]
    TooLong,
    /// MQTT-1.5.4-1.
    #[error("the topic is not UTF-8: encode it as UTF-8")]
    NotUtf8,
    /// MQTT-1.5.4-2.
    #[error("the topic contains NUL: remove it")]
    Nul,
    /// MQTT-3.3.2-2 for names; MQTT-4.7.1-1 and 4.7.1-2 for filters.
    #[error("a wildcard stands where none may: + alone in its level, # alone and last, none in a name")]
    Wildcard,
    /// MQTT-4.8.2-1 and 4.8.2-2.
    #[error("a shared subscription is $share/group/filter, the group without + and #")]
    Share,
}

/// A topic filter with the wildcards `+` and `#`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TopicFilter(Arc<str>);

impl TopicFilter {
    /// Parses a filter.
    ///
    /// # Errors
    /// See [`TopicError`].
    pub fn parse(filter: &str) -> Result<TopicFilter, TopicError> {
        if filter.is_empty() {
            return Err(TopicError::Empty);
        }
        if filter.len() > usize::from(u16::MAX) {
            return Err(TopicError::TooLong);
        }
        if filter.contains('\0') {
            return Err(TopicError::Nul);
        }
        let mut levels = filter.split('/').peekable();
        while let Some(level) = levels.next() {
            let alone = level.len() == 1;
            if level.contains('+') && !alone {
                return Err(TopicError::Wildcard);
            }
            if level.contains('#') && !(alone && levels.peek().is_none()) {
                return Err(TopicError::Wildcard);
            }
        }
        Ok(TopicFilter(Arc::from(filter)))
    }

    /// The filter as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn text(&self) -> &Arc<str> {
        &self.0
    }

    /// True if the filter stands for one topic only.
    pub(crate) fn is_literal(&self) -> bool {
        !self.0.bytes().any(|byte| matches!(byte, b'#' | b'+'))
    }

    /// True if a wildcard stands in the first level.
    pub(crate) fn begins_with_wildcard(&self) -> bool {
        self.0.starts_with(['#', '+'])
    }

    /// True if a publish to `topic` goes to a subscription with this filter. A leading wildcard
    /// does not match a topic that begins with `$` (MQTT-4.7.2-1).
    pub fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') && self.0.starts_with(['#', '+']) {
            return false;
        }
        let (mut filter, mut topic) = (self.0.as_bytes(), topic.as_bytes());
        loop {
            // a name has no wildcards, so that the two differ at each of the filter's
            let equal = filter.iter().zip(topic).take_while(|(wanted, byte)| wanted == byte).count();
            (filter, topic) = (&filter[equal..], &topic[equal..]);
            match filter {
                [] => return topic.is_empty(),
                [b'#', ..] => return true,
                b"/#" => return topic.is_empty(),
                [b'+', rest @ ..] => {
                    let level = topic.iter().position(|byte| *byte == b'/').unwrap_or(topic.len());
                    (filter, topic) = (rest, &topic[level..]);
                }
                _ => return false,
            }
        }
    }

    /// True if every topic that `other` matches is matched by this filter too.
    pub fn covers(&self, other: &TopicFilter) -> bool {
        if other.0.starts_with('$') && self.0.starts_with(['#', '+']) {
            return false;
        }
        let mut mine = self.0.split('/');
        let mut theirs = other.0.split('/');
        loop {
            match (mine.next(), theirs.next()) {
                (Some("#"), _) | (None, None) => return true,
                (Some("+"), Some(level)) if level != "#" => {}
                (Some(level), Some(their_level)) if level == their_level => {}
                _ => return false,
            }
        }
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a SUBSCRIBE names: a filter, or a filter whose messages a group of sessions shares (MQTT 5 section 4.8.2).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SharedFilter {
    /// The share name; `None` for a subscription of its own.
    pub(crate) group: Option<Arc<str>>,
    pub(crate) filter: TopicFilter,
}

impl SharedFilter {
    /// Parses `$share/{group}/{filter}` or a plain filter.
    ///
    /// # Errors
    /// See [`TopicError`].
    pub(crate) fn parse(text: &str) -> Result<SharedFilter, TopicError> {
        let Some(shared) = text.strip_prefix("$share/") else {
            return Ok(SharedFilter { group: None, filter: TopicFilter::parse(text)? });
        };
        if text.len() > usize::from(u16::MAX) {
            return Err(TopicError::TooLong);
        }
        let (group, filter) = shared.split_once('/').ok_or(TopicError::Share)?;
        if group.is_empty() || group.contains(['#', '+']) {
            return Err(TopicError::Share);
        }
        if group.contains('\0') {
            return Err(TopicError::Nul);
        }
        Ok(SharedFilter { group: Some(Arc::from(group)), filter: TopicFilter::parse(filter)? })
    }
}

/// What a level of a filter with wildcards takes in the tables, bytes.
const LEVEL_BYTES: usize = 512;

impl SharedFilter {
    /// What it takes of a session's limit, bytes.
    pub(crate) fn weight(&self) -> usize {
        let text = self.group.as_ref().map_or(0, |group| group.len()) + self.filter.as_str().len();
        let levels = if self.filter.is_literal() { 0 } else { self.filter.as_str().split('/').count() };
        text + levels * LEVEL_BYTES
    }
}

impl fmt::Display for SharedFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "$share/{group}/{}", self.filter),
            None => self.filter.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::parse(text).unwrap()
    }

    #[test]
    fn filters_match_as_the_standard_says() {
        let table = "
            a/b/c      a/b/c      yes
            a/b/c      a/b        no
            a/+/c      a/b/c      yes
            a/+/c      a/b/d      no
            a/+        a          no
            a/+        a/         yes
            +          a          yes
            +          /a         no
            +/+        /a         yes
            a/#        a          yes
            a/#        a/b/c      yes
            a/#        ab         no
            #          a/b        yes
            #          $SYS/x     no
            +/x        $SYS/x     no
            $SYS/#     $SYS/x     yes
            楼宇/+/警    楼宇/台/警   yes
            楼宇/#      楼宇        yes";
        for line in table.trim().lines() {
            let [pattern, topic, expected] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                panic!("three columns: {line}")
            };
            assert_eq!(filter(pattern).matches(topic), expected == "yes", "{line}");
        }
    }

    #[test]
    fn a_filter_covers_what_it_matches_in_full() {
        let table = "
            a/#      a/b        yes
            a/#      a          yes
            a/#      a/#        yes
            a/#      a/+/b      yes
            a/#      #          no
            a/#      +/b        no
            a/+      a/b        yes
            a/+      a/+        yes
            a/+      a/#        no
            a/+      a/b/c      no
            a/b      a/+        no
            a/b      a/b        yes
            #        a/#        yes
            #        $SYS/#     no
            $SYS/#   $SYS/a     yes";
        for line in table.trim().lines() {
            let [granted, wanted, expected] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                panic!("three columns: {line}")
            };
            assert_eq!(filter(granted).covers(&filter(wanted)), expected == "yes", "{line}");
        }
    }

    #[test]
    fn shared_filters_are_told_from_plain_ones() {
        for (text, group, rest) in [
            ("$share/g/a/+", Some("g"), "a/+"),
            ("$share/组/#", Some("组"), "#"),
            ("$share/g//", Some("g"), "/"),
            ("$share/g/$SYS/#", Some("g"), "$SYS/#"),
            ("$share/$share/a", Some("$share"), "a"),
            ("a/b", None, "a/b"),
            ("$SHARE/g/a", None, "$SHARE/g/a"),
            ("$share", None, "$share"),
            ("x/$share/g/a", None, "x/$share/g/a"),
        ] {
            let shared = SharedFilter::parse(text).unwrap();
            assert_eq!((shared.group.as_deref(), shared.filter.as_str()), (group, rest), "{text}");
            assert_eq!(shared.to_string(), text);
        }
        for (bad, why) in [
            ("$share/", TopicError::Share),
            ("$share/g", TopicError::Share),
            ("$share//a", TopicError::Share),
            ("$share/+/a", TopicError::Share),
            ("$share/g#/a", TopicError::Share),
            ("$share/g/", TopicError::Empty),
            ("$share/g/a#", TopicError::Wildcard),
            ("$share/g/#/a", TopicError::Wildcard),
            ("$share/g\0/a", TopicError::Nul),
            ("$share/g/\0", TopicError::Nul),
        ] {
            assert_eq!(SharedFilter::parse(bad).unwrap_err(), why, "{bad:?}");
        }
        let longest = format!("$share/g/{}", "a".repeat(65_526));
        assert!(SharedFilter::parse(&longest).is_ok());
        assert_eq!(SharedFilter::parse(&(longest + "a")).unwrap_err(), TopicError::TooLong);
    }

    #[test]
    fn bad_names_and_filters_are_refused() {
        for bad in ["", "a#", "#/a", "a/b+", "a/#/b", "++", "a\0b"] {
            assert!(TopicFilter::parse(bad).is_err(), "{bad:?}");
        }
        for (bad, why) in [
            ("", TopicError::Empty),
            ("a/+", TopicError::Wildcard),
            ("#", TopicError::Wildcard),
            ("a\0", TopicError::Nul),
        ] {
            assert_eq!(Topic::new(bad).unwrap_err(), why);
        }
        let surrogate = Bytes::from_static(&[b'a', 0xED, 0xA0, 0x80]);
        assert_eq!(Topic::from_bytes(surrogate).unwrap_err(), TopicError::NotUtf8);
        assert_eq!(&*Topic::new("楼宇/ÿ/\u{FFFF}").unwrap(), "楼宇/ÿ/\u{FFFF}");
    }
}
