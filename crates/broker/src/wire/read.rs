//! Takes packets apart into what they are made of (MQTT 5 section 1.5): every step checks what is left.

use super::Fault;
use super::frame::variable_byte_integer;

/// A position in the bytes of one packet. Nothing is read beyond their end.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

const SHORT: Fault = Fault::malformed("packet shorter than its parts");

impl<'a> Reader<'a> {
    /// Reads `bytes` from `at` on.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Reader<'a> {
        Reader { bytes, at }
    }

    /// Where it stands.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Refuses bytes after the last part.
    pub(super) fn end(&self) -> Result<(), Fault> {
        if self.is_at_end() { Ok(()) } else { Err(Fault::malformed("bytes after the end of the packet")) }
    }

    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len()).ok_or(SHORT)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        let pair = self.take(2)?;
        Ok(u16::from_be_bytes([pair[0], pair[1]]))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        let four = self.take(4)?;
        Ok(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
    }

    /// A packet identifier, which is never 0 (MQTT-2.2.1-3; MQTT 3.1.1: MQTT-2.3.1-1).
    pub(super) fn packet_id(&mut self) -> Result<u16, Fault> {
        match self.u16()? {
            0 => Err(Fault::protocol("packet identifier 0")),
            packet_id => Ok(packet_id),
        }
    }

    /// A variable byte integer in its shortest form (MQTT-1.5.5-1).
    pub(super) fn varint(&mut self) -> Result<usize, Fault> {
        let (value, width) = variable_byte_integer(&self.bytes[self.at..])?.ok_or(SHORT)?;
        self.at += width;
        Ok(value)
    }

    /// Two bytes of length and that many bytes.
    pub(super) fn data(&mut self) -> Result<&'a [u8], Fault> {
        let length = usize::from(self.u16()?);
        self.take(length)
    }

    /// UTF-8 without surrogates (MQTT-1.5.4-1) and without NUL (MQTT-1.5.4-2). Everything else is text, the code
    /// points that Unicode calls non-characters included.
    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        let text = std::str::from_utf8(self.data()?).map_err(|_| Fault::malformed("text is not UTF-8"))?;
        if text.as_bytes().contains(&0) {
            return Err(Fault::malformed("text contains NUL"));
        }
        Ok(text)
    }

    /// The next `length` bytes, to be read on their own.
    pub(super) fn part(&mut self, length: usize) -> Result<Reader<'a>, Fault> {
        Ok(Reader { bytes: self.take(length)?, at: 0 })
    }

    /// What was read since `from`.
    pub(super) fn since(&self, from: usize) -> &'a [u8] {
        &self.bytes[from..self.at]
    }
}
