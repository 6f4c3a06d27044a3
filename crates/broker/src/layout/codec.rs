//! Bytes of a value: a version, then fields. Decoding trusts nothing and allocates no more than what is there.

use crate::topic::SharedFilter;

/// What is wrong with a key or value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged or of a later version: {0}")]
pub(crate) struct Damaged(pub(crate) &'static str);

pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new(version: u8) -> Writer {
        Writer(vec![version])
    }

    pub(super) fn finish(self) -> Box<[u8]> {
        self.0.into()
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn flag(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.u32(u32::try_from(value.len()).expect("no packet is that large"));
        self.0.extend_from_slice(value);
    }

    pub(super) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    pub(super) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Writer, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }
}

pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(value: &'a [u8], version: u8) -> Result<Reader<'a>, Damaged> {
        match value.split_first() {
            Some((found, rest)) if *found == version => Ok(Reader(rest)),
            _ => Err(Damaged("version")),
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Damaged("cut short"))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Damaged> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(super) fn qos(&mut self) -> Result<u8, Damaged> {
        self.u8().and_then(|qos| if qos <= 2 { Ok(qos) } else { Err(Damaged("QoS")) })
    }

    pub(super) fn flag(&mut self) -> Result<bool, Damaged> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damaged("flag")),
        }
    }

    pub(super) fn u32(&mut self) -> Result<u32, Damaged> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Damaged> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = self.u32()? as usize;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Damaged("cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Damaged> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Damaged("UTF-8"))
    }

    pub(super) fn filter(&mut self) -> Result<SharedFilter, Damaged> {
        SharedFilter::parse(self.text()?).map_err(|_| Damaged("topic filter"))
    }

    pub(super) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, Damaged>,
    ) -> Result<Option<T>, Damaged> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    pub(super) fn end(self) -> Result<(), Damaged> {
        if self.0.is_empty() { Ok(()) } else { Err(Damaged("bytes after the end")) }
    }
}
