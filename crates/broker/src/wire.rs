//! Bytes to packets and back. Everything that parses what a client sent is below this module.

pub(crate) mod control;
pub(crate) mod encode;
pub(crate) mod frame;
pub(crate) mod hello;
mod property;
pub mod publish;
mod read;

use crate::topic::TopicError;

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

impl From<TopicError> for Fault {
    /// A name against the rules for names makes its packet malformed. 0x90 would say that it is well formed and not
    /// accepted here (MQTT 5 section 2.4).
    fn from(error: TopicError) -> Fault {
        Fault::malformed(match error {
            TopicError::Empty => "topic name is empty",
            TopicError::TooLong => "topic name is too long",
            TopicError::NotUtf8 => "topic name is not UTF-8",
            TopicError::Nul => "NUL in a topic name",
            TopicError::Wildcard => "wildcard in a topic name",
            TopicError::Share => "a topic name is no shared subscription",
        })
    }
}

#[cfg(test)]
mod tests;
