//! An object's fields, each as whatever stands there: the reader of rare messages decides what it can use.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The fields of an alarm, an event or a state.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) id: Option<Loose<'a>>,
    pub(super) ts: Option<Loose<'a>>,
    pub(super) kind: Option<Loose<'a>>,
    pub(super) active: Option<Loose<'a>>,
    pub(super) value: Option<Loose<'a>>,
    pub(super) unit: Option<Loose<'a>>,
    pub(super) state: Option<Loose<'a>>,
    pub(super) next_report_s: Option<Loose<'a>>,
    /// A field that stands twice; the first is kept.
    pub(super) twice: Option<&'static str>,
}

/// One field's value.
pub(super) enum Loose<'a> {
    Text(Cow<'a, str>),
    Whole(i64),
    Number(f64),
    Flag(bool),
    Null,
    /// An array or an object.
    Other,
}

impl<'a> Fields<'a> {
    fn named(&mut self, key: &str) -> Option<(&mut Option<Loose<'a>>, &'static str)> {
        Some(match key {
            "id" => (&mut self.id, "id"),
            "ts" => (&mut self.ts, "ts"),
            "kind" => (&mut self.kind, "kind"),
            "active" => (&mut self.active, "active"),
            "value" => (&mut self.value, "value"),
            "unit" => (&mut self.unit, "unit"),
            "state" => (&mut self.state, "state"),
            "next_report_s" => (&mut self.next_report_s, "next_report_s"),
            _ => return None,
        })
    }
}

pub(super) struct FieldsSeed;

impl<'de> DeserializeSeed<'de> for FieldsSeed {
    type Value = Fields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldsSeed {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(Loose::Text(key)) = map.next_key::<Loose<'de>>()? {
            let value = map.next_value::<Loose<'de>>()?;
            let twice = match fields.named(&key) {
                Some((slot @ None, _)) => {
                    *slot = Some(value);
                    continue;
                }
                Some((_, name)) => name,
                None => continue,
            };
            fields.twice = Some(twice);
        }
        Ok(fields)
    }
}

impl<'de> Deserialize<'de> for Loose<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Loose<'de>, E> {
        Ok(Loose::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Loose<'de>, E> {
        Ok(Loose::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Loose<'de>, E> {
        Ok(Loose::Whole(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Loose<'de>, E> {
        Ok(i64::try_from(value).map_or(Loose::Number(value as f64), Loose::Whole))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Loose<'de>, E> {
        Ok(Loose::Number(value))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Loose<'de>, E> {
        Ok(Loose::Flag(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Loose<'de>, E> {
        Ok(Loose::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Loose<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Other)
    }
}
