//! What can be wrong with a message: faults that refuse it, and flaws that are noted while it is taken.

use broker::Reason;
use model::{AlarmKind, Quantity};

use crate::spelling::nearest;

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $word:literal => $reason:ident;)*) => {
        /// What is wrong with a message. Closed set; the words are part of the quarantine's contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Fault {
            $($(#[$doc])* $variant,)*
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &'static [Fault] = &[$(Fault::$variant,)*];

            /// The reason's word for machines.
            pub fn word(self) -> &'static str {
                match self { $(Fault::$variant => $word,)* }
            }

            /// What an MQTT 5 sender is told when the message is refused for it.
            pub fn reason(self) -> Reason {
                match self { $(Fault::$variant => Reason::$reason,)* }
            }
        }
    };
}

faults! {
    /// The topic is none of the contract.
    TopicInvalid = "topic_invalid" => TopicNameInvalid;
    /// The roster has no such device.
    UnknownDevice = "unknown_device" => ImplementationSpecific;
    /// No JSON text.
    NotJson = "not_json" => PayloadFormatInvalid;
    /// No protobuf message of the contract.
    NotProtobuf = "not_protobuf" => PayloadFormatInvalid;
    /// JSON, but a field has the wrong type or stands twice.
    WrongShape = "wrong_shape" => PayloadFormatInvalid;
    /// No payload where one is needed.
    Empty = "empty" => PayloadFormatInvalid;
    TooLarge = "too_large" => PayloadFormatInvalid;
    TooManyValues = "too_many_values" => PayloadFormatInvalid;
    /// A value's key is no quantity of the contract.
    UnknownQuantity = "unknown_quantity" => PayloadFormatInvalid;
    /// A telemetry message has other fields than the contract's and no `values`.
    UnknownField = "unknown_field" => PayloadFormatInvalid;
    /// A value that no working sensor gives.
    ImplausibleValue = "implausible_value" => PayloadFormatInvalid;
    /// `kind` of an alarm or event is none of the contract.
    UnknownKind = "unknown_kind" => PayloadFormatInvalid;
    /// `state` is none of the contract.
    UnknownState = "unknown_state" => PayloadFormatInvalid;
    /// An alarm or event without id.
    NoId = "no_id" => PayloadFormatInvalid;
    /// An id longer than the contract's.
    IdTooLong = "id_too_long" => PayloadFormatInvalid;
    /// A field of an alarm could not be read and was left out.
    FieldIgnored = "field_ignored" => PayloadFormatInvalid;
    /// Text that is not UTF-8.
    NotUtf8 = "not_utf8" => PayloadFormatInvalid;
    /// Our decoder failed on it: a bug of ours.
    DecoderFailed = "decoder_failed" => ImplementationSpecific;
    /// Stands for messages of a sender that were refused and, being too many, only counted.
    Suppressed = "suppressed" => QuotaExceeded;
}

/// Why a message is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    pub fault: Fault,
    /// A sentence for the vendor: what is wrong and what to do.
    pub detail: String,
}

impl Reject {
    pub fn new(fault: Fault, detail: impl Into<String>) -> Reject {
        Reject { fault, detail: detail.into() }
    }
}

/// Something wrong in a message that was taken nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaw<'a> {
    pub fault: Fault,
    /// The key, word or value it is about.
    pub subject: &'a str,
}

impl Flaw<'_> {
    /// A sentence for the vendor: what is wrong, what became of the message, and what to do.
    pub fn detail(&self) -> String {
        let Flaw { fault, subject } = *self;
        match fault {
            Fault::UnknownQuantity => {
                let meant = nearest(subject, known_keys());
                let hint = meant.map_or_else(
                    || format!("the quantities are {}", known_keys().collect::<Vec<_>>().join(", ")),
                    |word| format!("did you mean {word}?"),
                );
                format!("{subject:?} is no quantity of the contract and its value is not used: {hint}")
            }
            Fault::UnknownField => format!(
                "the message has a field {subject:?} and no \"values\": it counts as a sign of life only. \
                 Put measured values into \"values\", as {{\"values\":{{\"temperature_c\":24.1}}}}"
            ),
            Fault::ImplausibleValue => format!(
                "{subject}: no working sensor gives such a value and it is not used. Check the sensor, the unit and the scale"
            ),
            Fault::UnknownKind => format!(
                "kind {subject} is none of {}: the alarm is taken as \"fire\". Send the kind that fits",
                AlarmKind::WORDS.join(", ")
            ),
            Fault::NoId => "the message has no id and one was made for it: a repetition cannot always be told from a \
                            second alarm. Send an \"id\" of your own, the same in a repetition"
                .to_owned(),
            Fault::IdTooLong => {
                format!(
                    "the id has more than {ID_CHARS_MAX} characters and was shortened to {subject:?}: send a shorter one"
                )
            }
            Fault::NotUtf8 => "the text is not UTF-8 and was read with gaps: send UTF-8 (not GBK)".to_owned(),
            _ => format!(
                "{subject} cannot be used as it is; the rest of the message was taken. Send it as the contract shows"
            ),
        }
    }
}

/// Longest id of an alarm or event, characters.
pub const ID_CHARS_MAX: usize = 64;

/// Keys that vendors may use.
fn known_keys() -> impl Iterator<Item = &'static str> {
    Quantity::ALL.iter().filter(|quantity| **quantity != Quantity::Presence).map(|quantity| quantity.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_quantity_names_the_nearest() {
        let detail = Flaw { fault: Fault::UnknownQuantity, subject: "temprature_c" }.detail();
        assert!(detail.contains("\"temprature_c\"") && detail.contains("did you mean temperature_c?"), "{detail}");
        let detail = Flaw { fault: Fault::UnknownQuantity, subject: "lux" }.detail();
        assert!(detail.contains("smoke_db_m") && !detail.contains("presence"), "{detail}");
    }

    #[test]
    fn words_are_distinct() {
        let mut words: Vec<_> = Fault::ALL.iter().map(|fault| fault.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Fault::ALL.len());
    }
}
