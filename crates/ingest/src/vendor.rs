//! Vendors' formats: an open set. A new one is a file in this folder and a line in [`VENDORS`].

mod native;

use std::fmt::{Display, Write};
use std::ops::Range;

use model::Quantity;
use model::report::Body;

use crate::flaw::{Fault, Flaw, Reject};
use crate::settings::Settings;
use crate::topic::Address;

/// One vendor's way to say what devices say.
pub trait Vendor: Sync {
    /// Name for logs.
    fn name(&self) -> &'static str;

    /// Reads a topic. `None`: none of this vendor's; an error: it begins like one of this vendor's and is not.
    fn address<'t>(&self, topic: &'t str) -> Option<Result<Address<'t>, Reject>>;

    /// Reads a message into `out`, which is empty before. On the way of telemetry it does not allocate.
    ///
    /// # Errors
    /// Nothing of the message can be used; what was written into `out` is forgotten.
    fn decode(&self, address: &Address<'_>, payload: Payload<'_>, out: &mut Decoded) -> Result<(), Reject>;
}

/// Every vendor's format; the first whose topic fits decodes.
pub static VENDORS: &[&dyn Vendor] = &[&native::Native];

/// A message's bytes and what MQTT 5 says they are.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'p> {
    pub bytes: &'p [u8],
    pub content_type: Option<&'p str>,
}

/// What a message says, before admission. One is used again and again, so that nothing is allocated for a message.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Device clock, ms since 1970, unjudged.
    pub ts_ms: Option<i64>,
    /// The device's count of its telemetry messages; a larger count is cut to its low 32 bits.
    pub seq: Option<u32>,
    /// Plausible values.
    pub values: Vec<(Quantity, f32)>,
    /// Alarms, events and states. An empty id is made up for by admission.
    pub bodies: Vec<Body>,
    pub(crate) limits: Limits,
    flaws: Vec<(Fault, Range<usize>)>,
    text: String,
    pub(crate) wire: proto::v1::Telemetry,
}

/// What a decoder has to keep to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) values_max: usize,
    /// The message at hand has more.
    pub(crate) exceeded: bool,
}

impl Decoded {
    /// Room for one message at a time.
    pub fn new(settings: &Settings) -> Decoded {
        Decoded {
            limits: Limits { values_max: settings.values_per_message_max, exceeded: false },
            ..Decoded::default()
        }
    }

    /// Forgets the last message and keeps its room.
    pub fn clear(&mut self) {
        self.ts_ms = None;
        self.seq = None;
        self.limits.exceeded = false;
        self.values.clear();
        self.bodies.clear();
        self.flaws.clear();
        self.text.clear();
    }

    /// Notes something wrong that does not keep the rest from being used. `subject` is cut to 64 characters.
    pub fn flaw(&mut self, fault: Fault, subject: impl Display) {
        if self.flaws.len() < FLAWS_PER_MESSAGE_MAX {
            let start = self.text.len();
            let wrote = write!(self.text, "{subject}");
            debug_assert!(wrote.is_ok(), "a String takes every text");
            self.text.truncate(start + short(&self.text[start..]).len());
            self.flaws.push((fault, start..self.text.len()));
        }
    }

    /// A message with values may have fields of a later version beside them.
    pub(crate) fn forget_strangers(&mut self) {
        self.flaws.retain(|(fault, _)| *fault != Fault::UnknownField);
    }

    /// What was noted.
    pub fn flaws(&self) -> impl Iterator<Item = Flaw<'_>> {
        self.flaws.iter().map(|(fault, range)| Flaw { fault: *fault, subject: &self.text[range.clone()] })
    }

    /// That a message has more values than are taken.
    pub(crate) fn too_many_values(&self) -> Reject {
        let max = self.limits.values_max;
        Reject::new(Fault::TooManyValues, format!("more than {max} values in one message: split it"))
    }

    /// Takes a value of a quantity, or notes why not.
    pub(crate) fn value(&mut self, quantity: Quantity, value: f64) {
        let narrow = value as f32;
        if quantity.plausible().contains(&narrow) {
            self.values.push((quantity, narrow));
        } else {
            self.flaw(Fault::ImplausibleValue, format_args!("{} = {value}", quantity.key()));
        }
    }

    /// A telemetry message is read to its end: without values it is a sign of life; with none that is any good it is refused.
    pub(crate) fn finish_telemetry(&mut self) -> Result<(), Reject> {
        if !self.values.is_empty() {
            return Ok(());
        }
        let worst = self.flaws().find(|flaw| flaw.fault != Fault::UnknownField);
        match worst.map(|flaw| Reject::new(flaw.fault, flaw.detail())) {
            Some(reject) => Err(reject),
            None => {
                self.values.push((Quantity::Presence, 0.0));
                Ok(())
            }
        }
    }
}

/// Flaws noted of one message.
const FLAWS_PER_MESSAGE_MAX: usize = 8;

/// The first 64 characters.
pub(crate) fn short(text: &str) -> &str {
    text.char_indices().nth(64).map_or(text, |(end, _)| &text[..end])
}
