//! The fixed header: packet type, flags and remaining length (MQTT 2.1).

use super::Fault;

/// Where a packet lies at the start of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Type in the upper, flags in the lower four bits.
    pub(crate) first: u8,
    /// Bytes of the fixed header.
    pub(crate) header: usize,
    /// Bytes of the whole packet.
    pub(crate) total: usize,
}

/// Finds the packet at the start of `buffer`; `None` if part of it is still to come. The limit is
/// checked as soon as the length is known, before a byte of the body is waited for.
pub(crate) fn peek(buffer: &[u8], limit_bytes: usize) -> Result<Option<Frame>, Fault> {
    let Some((&first, rest)) = buffer.split_first() else {
        return Ok(None);
    };
    let Some((length, width)) = variable_byte_integer(rest)? else {
        return Ok(None);
    };
    let header = 1 + width;
    let total = header + length;
    if total > limit_bytes {
        return Err(Fault { code: 0x95, what: "packet too large" });
    }
    Ok((buffer.len() >= total).then_some(Frame { first, header, total }))
}

/// Decodes a variable byte integer: its value and width; `None` if more bytes are needed.
pub(crate) fn variable_byte_integer(buffer: &[u8]) -> Result<Option<(usize, usize)>, Fault> {
    let mut value = 0usize;
    for (index, byte) in buffer.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            if *byte == 0 && index > 0 {
                return Err(Fault::malformed("length not in its shortest form"));
            }
            return Ok(Some((value, index + 1)));
        }
    }
    if buffer.len() >= 4 {
        return Err(Fault::malformed("length longer than four bytes"));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_found_bounded_and_never_trusted() {
        assert_eq!(peek(&[], 100), Ok(None));
        assert_eq!(peek(&[0xC0], 100), Ok(None));
        assert_eq!(peek(&[0xC0, 0], 100), Ok(Some(Frame { first: 0xC0, header: 2, total: 2 })));
        assert_eq!(peek(&[0x30, 3, 1, 2], 100), Ok(None));
        assert_eq!(peek(&[0x30, 0x80], 100), Ok(None));
        assert_eq!(peek(&[0x30, 99], 100).unwrap_err().code, 0x95);
        assert_eq!(peek(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], 100).unwrap_err().code, 0x95);
        assert_eq!(peek(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF], 100).unwrap_err().code, 0x81);
        assert_eq!(peek(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], 100).unwrap_err().code, 0x81);
        assert_eq!(peek(&[0xC0, 0x80, 0x00], 100).unwrap_err().code, 0x81);
    }
}
