//! `{"ts":1763798400123,"seq":17,"values":{"temperature_c":24.1}}`, read straight into [`Decoded`]: no map, no string.

use std::fmt;

use model::Quantity;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::flaw::Fault;
use crate::vendor::Decoded;

/// Reads the whole message.
pub(super) struct Seed<'o> {
    pub(super) out: &'o mut Decoded,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with ts, seq and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let out = self.out;
        let mut has_values = false;
        let mut stranger = false;
        while let Some(field) = map.next_key_seed(FieldSeed { out, stranger: !stranger })? {
            match field {
                Field::Ts if out.ts_ms.is_none() => out.ts_ms = Some(map.next_value_seed(Clock)?),
                Field::Seq if out.seq.is_none() => out.seq = Some(map.next_value_seed(Count)?),
                Field::Values if !has_values => {
                    has_values = true;
                    map.next_value_seed(Values { out })?;
                }
                Field::Ts => return Err(A::Error::custom("ts stands twice")),
                Field::Seq => return Err(A::Error::custom("seq stands twice")),
                Field::Values => return Err(A::Error::custom("values stands twice")),
                Field::Other => {
                    stranger = true;
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if has_values {
            out.forget_strangers();
        }
        Ok(())
    }
}

enum Field {
    Ts,
    Seq,
    Values,
    Other,
}

/// Reads a key. The first stranger is noted as a flaw, to be forgotten when there are values.
struct FieldSeed<'o> {
    out: &'o mut Decoded,
    stranger: bool,
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = Field;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for FieldSeed<'_> {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Field, E> {
        Ok(match key {
            "ts" => Field::Ts,
            "seq" => Field::Seq,
            "values" => Field::Values,
            other => {
                if self.stranger {
                    self.out.flaw(Fault::UnknownField, other);
                }
                Field::Other
            }
        })
    }
}

/// Reads `ts`: any number.
struct Clock;

impl<'de> DeserializeSeed<'de> for Clock {
    type Value = i64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<i64, D::Error> {
        deserializer.deserialize_i64(self)
    }
}

impl Visitor<'_> for Clock {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ts as a number of milliseconds since 1970")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<i64, E> {
        Ok(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<i64, E> {
        Ok(i64::try_from(value).unwrap_or(i64::MAX))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<i64, E> {
        Ok(value as i64)
    }
}

/// Reads `seq`: a whole number, its low 32 bits.
struct Count;

impl<'de> DeserializeSeed<'de> for Count {
    type Value = u32;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u32, D::Error> {
        deserializer.deserialize_u64(self)
    }
}

impl Visitor<'_> for Count {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seq as a whole number, 0 or more")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u32, E> {
        Ok((value & u64::from(u32::MAX)) as u32)
    }
}

/// Reads `values`.
struct Values<'o> {
    out: &'o mut Decoded,
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("values as an object of quantities and numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let out = self.out;
        let mut seen = 0_u32;
        let mut count = 0;
        while let Some(quantity) = map.next_key_seed(QuantitySeed { out })? {
            count += 1;
            if count > out.limits.values_max {
                out.limits.exceeded = true;
                return Err(A::Error::custom("too many values"));
            }
            let Some(quantity) = quantity else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let bit = 1 << quantity as u32;
            if seen & bit != 0 {
                return Err(A::Error::custom(format_args!("{} stands twice", quantity.key())));
            }
            seen |= bit;
            let value = map.next_value_seed(Number(quantity))?;
            out.value(quantity, value);
        }
        Ok(())
    }
}

/// Reads a key of `values`; one that is no quantity is noted as a flaw.
struct QuantitySeed<'o> {
    out: &'o mut Decoded,
}

impl<'de> DeserializeSeed<'de> for QuantitySeed<'_> {
    type Value = Option<Quantity>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for QuantitySeed<'_> {
    type Value = Option<Quantity>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        let quantity = Quantity::from_key(key).filter(|quantity| *quantity != Quantity::Presence);
        if quantity.is_none() {
            self.out.flaw(Fault::UnknownQuantity, key);
        }
        Ok(quantity)
    }
}

/// Reads a value: a number, whole or not.
struct Number(Quantity);

impl<'de> DeserializeSeed<'de> for Number {
    type Value = f64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_f64(self)
    }
}

impl Visitor<'_> for Number {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number for {}, without quotation marks", self.0.key())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }
}
