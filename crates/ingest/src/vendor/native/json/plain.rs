//! Telemetry as nearly every device spells it: known fields, each once, names without escapes, short decimal numbers.
//!
//! Read byte by byte, several times as fast as a reader that must be ready for all of JSON. What this one does not
//! take is left to [`super::telemetry`], which decides alone what is wrong with a message; what it takes, that one
//! would read the same.

use model::Quantity;

use crate::vendor::Decoded;

/// Digits of a number; with more its value may depend on how it is rounded.
const DIGITS_MAX: u32 = 15;

/// Powers of ten that a double holds exactly, as many as there are digits.
const POWERS: [f64; DIGITS_MAX as usize + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Reads a whole message. `None`: it is spelled otherwise, and what was written into `out` is void.
pub(super) fn read(text: &[u8], out: &mut Decoded) -> Option<()> {
    let mut at = Cursor { rest: text };
    let mut has_values = false;
    at.object(|at, name| {
        match name {
            b"ts" if out.ts_ms.is_none() => out.ts_ms = Some(at.whole()?),
            b"seq" if out.seq.is_none() => {
                let seq = u64::try_from(at.whole()?).ok()?;
                out.seq = Some((seq & u64::from(u32::MAX)) as u32);
            }
            b"values" if !has_values => {
                has_values = true;
                values(at, out)?;
            }
            _ => return None,
        }
        Some(())
    })?;
    at.rest.is_empty().then_some(())
}

fn values(at: &mut Cursor<'_>, out: &mut Decoded) -> Option<()> {
    let (mut seen, mut count) = (0_u32, 0);
    at.object(|at, name| {
        let quantity = Quantity::from_key(std::str::from_utf8(name).ok()?)?;
        let bit = 1 << quantity as u32;
        count += 1;
        if quantity == Quantity::Presence || seen & bit != 0 || count > out.limits.values_max {
            return None;
        }
        seen |= bit;
        let value = at.number()?;
        out.value(quantity, value);
        Some(())
    })
}

/// What is left to read; blanks in front are skipped after each token.
struct Cursor<'t> {
    rest: &'t [u8],
}

impl<'t> Cursor<'t> {
    /// Reads an object; `field` reads the value behind each name.
    fn object(&mut self, mut field: impl FnMut(&mut Self, &'t [u8]) -> Option<()>) -> Option<()> {
        self.token(b'{')?;
        if self.rest.first() == Some(&b'}') {
            return self.token(b'}');
        }
        loop {
            let name = self.name()?;
            self.token(b':')?;
            field(self, name)?;
            if self.rest.first() != Some(&b',') {
                return self.token(b'}');
            }
            self.token(b',')?;
        }
    }

    fn token(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.blanks();
        (*first == wanted).then_some(())
    }

    fn blanks(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// A name between quotation marks. One with an escape is not unescaped, and so is none that is known.
    fn name(&mut self) -> Option<&'t [u8]> {
        let quoted = self.rest.strip_prefix(b"\"")?;
        let end = quoted.iter().position(|byte| *byte == b'"')?;
        let (name, rest) = quoted.split_at(end);
        self.rest = &rest[1..];
        self.blanks();
        Some(name)
    }

    /// A whole number.
    fn whole(&mut self) -> Option<i64> {
        let (negative, digits, decimals) = self.decimal()?;
        let is_plain = decimals == 0 && !(negative && digits == 0);
        is_plain.then_some(if negative { -(digits as i64) } else { digits as i64 })
    }

    /// A number, whole or with decimals. One division of two exact numbers, so that it is rounded once.
    fn number(&mut self) -> Option<f64> {
        let (negative, digits, decimals) = self.decimal()?;
        let value = digits as f64 / POWERS[decimals as usize];
        Some(if negative { -value } else { value })
    }

    /// Sign, digits without the point, and how many of them stand behind it.
    fn decimal(&mut self) -> Option<(bool, u64, u32)> {
        let negative = self.rest.first() == Some(&b'-');
        let bytes = &self.rest[usize::from(negative)..];
        let (mut digits, mut read, mut point) = (0_u64, 0_u32, None);
        let mut length = 0;
        for byte in bytes {
            match byte {
                b'0'..=b'9' => {
                    digits = digits * 10 + u64::from(byte - b'0');
                    read += 1;
                    if read > DIGITS_MAX {
                        return None;
                    }
                }
                b'.' if point.is_none() && read > 0 => point = Some(read),
                b',' | b'}' | b' ' | b'\t' | b'\n' | b'\r' => break,
                _ => return None,
            }
            length += 1;
        }
        let whole = point.unwrap_or(read);
        let leads_with_zero = whole > 1 && bytes[0] == b'0';
        if read == 0 || point == Some(read) || leads_with_zero {
            return None;
        }
        self.rest = &bytes[length..];
        self.blanks();
        Some((negative, digits, read - whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    /// What is compared: everything that a message leaves behind.
    type Said = (Option<i64>, Option<u32>, Vec<(Quantity, u32)>, Vec<String>);

    fn said(out: &Decoded) -> Said {
        let values = out.values.iter().map(|(quantity, value)| (*quantity, value.to_bits())).collect();
        (out.ts_ms, out.seq, values, out.flaws().map(|flaw| flaw.detail()).collect())
    }

    fn read_both(text: &[u8]) -> (Option<Said>, Option<Said>) {
        let mut out = Decoded::new(&Settings::default());
        let plain = read(text, &mut out).map(|()| said(&out));
        out.clear();
        let general = super::super::general(text, &mut out).ok().map(|()| said(&out));
        (plain, general)
    }

    #[test]
    fn what_devices_send_is_plain() {
        for text in [
            r#"{"ts":1763798400123,"seq":17,"values":{"temperature_c":24.1,"smoke_db_m":0.03,"co_ppm":2}}"#,
            r#"{ "values" : { "temperature_c" : -24.125 } , "ts" : 0 }"#,
            r#"{"values":{"temperature_c":9999,"battery_v":-0.0}}"#,
            r#"{"seq":99999999999}"#,
            "{\n\t\"values\": {},\r\n\t\"seq\": 4\n}",
            "{}",
        ] {
            let (plain, general) = read_both(text.as_bytes());
            assert!(plain.is_some(), "{text}");
            assert_eq!(plain, general, "{text}");
        }
    }

    #[test]
    fn everything_else_is_left_to_the_general_reader() {
        for text in [
            "",
            "{",
            "[]",
            "{,}",
            r#"{"ts":1,}"#,
            r#"{"ts":1}x"#,
            r#"{"ts":01}"#,
            r#"{"ts":-0}"#,
            r#"{"ts":1.5}"#,
            r#"{"ts":1e3}"#,
            r#"{"ts":-}"#,
            r#"{"ts":"1"}"#,
            r#"{"ts":1,"ts":1}"#,
            r#"{"seq":-1}"#,
            r#"{"unit":1}"#,
            r#"{"t\u0073":1}"#,
            r#"{"ts" 1}"#,
            r#"{"values":{"temperature_c":1.}}"#,
            r#"{"values":{"temperature_c":.1}}"#,
            r#"{"values":{"temperature_c":1,"temperature_c":2}}"#,
            r#"{"values":{"presence":0}}"#,
            r#"{"values":{"lux":0}}"#,
            r#"{"values":{"temperature_c":null}}"#,
            r#"{"values":[]}"#,
            r#"{"values":{"temperature_c":1234567890.1234567}}"#,
            r#"{"values":{"temperature_c":1.2.3}}"#,
        ] {
            assert_eq!(read_both(text.as_bytes()).0, None, "{text}");
        }
    }

    /// Mutates messages: whatever is read here, the general reader reads the same.
    #[test]
    fn agrees_with_the_general_reader_on_mutated_messages() {
        let samples: [&[u8]; 3] = [
            br#"{"ts":1763798400123,"seq":17,"values":{"temperature_c":-24.1,"smoke_db_m":0.03,"co_ppm":2}}"#,
            br#"{ "values": {"battery_pct": 100, "signal_dbm": -71.25}, "seq": 4294967297, "ts": -5 }"#,
            br#"{"values":{"cable_temperature_c":0.1234567890123,"current_a":10000.000,"humidity_pct":101}}"#,
        ];
        let alphabet = br#"0123456789.-+eE{}[]",: \tsvnaul"#;
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = move |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % below as u64) as usize
        };
        let mut taken = 0;
        for round in 0..120_000 {
            let mut text = samples[round % samples.len()].to_vec();
            for _ in 0..next(4) {
                let (at, byte) = (next(text.len()), alphabet[next(alphabet.len())]);
                match next(3) {
                    0 => text[at] = byte,
                    1 => text.insert(at, byte),
                    _ => drop(text.remove(at)),
                }
            }
            let (plain, general) = read_both(&text);
            if plain.is_some() {
                taken += 1;
                assert_eq!(plain, general, "{}", String::from_utf8_lossy(&text));
            }
        }
        assert!(taken > 30_000, "the mutations must leave enough plain messages: {taken}");
    }
}
