//! What a rule sees beside the sample, and where it says what it found.

use model::{Colour, Quantity};

use super::Note;
use crate::state::{Deaf, Facts};

/// What a rule says of a condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    /// Place in the table of conditions.
    pub condition: u8,
    /// How urgent it is while it holds; `None`: it holds no longer.
    pub holds: Option<Colour>,
    pub note: Note,
    pub alarm: Option<Box<str>>,
    /// Worth telling although it holds already.
    pub again: bool,
    /// No condition at all, but a sign for the rules that look at several devices.
    pub sign: Option<(Quantity, f32)>,
}

/// What a rule sees beside the sample, and where it says what it found.
pub struct Scene<'a> {
    pub now_ms: u64,
    pub device: &'a Facts,
    /// When the station last heard nobody: silence then is not the device's.
    pub deaf: &'a Deaf,
    pub(crate) holding: u64,
    /// Place of the rule's first condition.
    pub(crate) base: u8,
    pub(crate) told: &'a mut Vec<Told>,
    pub(crate) wake_ms: u64,
}

impl Scene<'_> {
    /// Whether a condition of this rule holds.
    pub fn holds(&self, condition: usize) -> bool {
        self.holding >> (usize::from(self.base) + condition) & 1 == 1
    }

    /// A condition holds. Told for one that holds already, it changes the colour, where that differs.
    pub fn begin(&mut self, condition: usize, colour: Colour, note: Note) {
        self.tell(condition, Some(colour), note, None, false);
    }

    /// As [`Scene::begin`], and worth telling also where it holds already: it grew.
    pub fn again(&mut self, condition: usize, colour: Colour, note: Note) {
        self.tell(condition, Some(colour), note, None, true);
    }

    /// As [`Scene::begin`], by a device's own alarm message; always told.
    pub fn begin_by_alarm(&mut self, condition: usize, colour: Colour, note: Note, id: &str) {
        self.tell(condition, Some(colour), note, Some(id.into()), true);
    }

    /// A condition holds no longer.
    pub fn end(&mut self, condition: usize, note: Note) {
        self.tell(condition, None, note, None, false);
    }

    /// As [`Scene::end`], by a device's own message; always told.
    pub fn end_by_alarm(&mut self, condition: usize, note: Note, id: &str) {
        self.tell(condition, None, note, Some(id.into()), false);
    }

    /// The device's `quantity` is so far above what it was, 0 for no longer: too little to be a condition, told to nobody,
    /// but seen by the rules that look at several devices ([`super::UnitView::signs`]).
    pub fn sign(&mut self, quantity: Quantity, above: f32) {
        let sign = Some((quantity, above));
        self.told.push(Told {
            condition: self.base,
            holds: None,
            note: Note::default(),
            alarm: None,
            again: false,
            sign,
        });
    }

    /// Asks for [`Rule::tick`] at the first tick of the clock at or after `at_ms`.
    pub fn wake(&mut self, at_ms: u64) {
        self.wake_ms = self.wake_ms.min(at_ms);
    }

    fn tell(&mut self, condition: usize, holds: Option<Colour>, note: Note, alarm: Option<Box<str>>, again: bool) {
        let condition = self.base + u8::try_from(condition).expect("a rule has a few conditions");
        let bit = 1_u64 << condition;
        self.holding = if holds.is_some() { self.holding | bit } else { self.holding & !bit };
        self.told.push(Told { condition, holds, note, alarm, again, sign: None });
    }
}
