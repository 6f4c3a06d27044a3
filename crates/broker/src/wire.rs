//! Bytes to packets and back. Everything that parses what a client sent is below this module.

pub(crate) mod control;
pub(crate) mod encode;
pub(crate) mod frame;
pub(crate) mod hello;
pub mod publish;

/// What a client did wrong, as the reason code of the DISCONNECT that a v5 client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// MQTT 5 reason code.
    pub code: u8,
    /// For the log.
    pub what: &'static str,
}

impl Fault {
    pub(crate) const fn malformed(what: &'static str) -> Fault {
        Fault { code: 0x81, what }
    }

    pub(crate) const fn protocol(what: &'static str) -> Fault {
        Fault { code: 0x82, what }
    }
}
