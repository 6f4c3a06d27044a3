//! What each device went through, whole: the naive rules read it from the beginning every time.

use std::rc::Rc;

use evaluator::Rules;
use evaluator::rule::RuleSettings;
use model::report::{Body, DeviceState};
use model::{Commit, DeviceId, Entry, Quantity, Report, Roster, Step, UnitId};

/// One thing that happened to a device.
#[derive(Debug, Clone)]
pub struct Moment {
    /// Time of the commit, ms since 1970.
    pub now_ms: u64,
    /// Time of receipt, never before what was received earlier, ms since 1970.
    pub at_ms: u64,
    /// From when until when nobody was heard, oldest first, ms since 1970.
    pub deaf_ms: Rc<Vec<[u64; 2]>>,
    /// The roster's promise, s.
    pub promise_s: u32,
    pub settings: Rc<RuleSettings>,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    Sample(Quantity, f32),
    Report(Body),
    Tick,
}

/// A device on the roster, since it is where it is.
#[derive(Debug, Clone)]
pub struct History {
    pub unit: UnitId,
    pub promise_s: u32,
    pub since_ms: u64,
    pub moments: Vec<Moment>,
}

impl History {
    /// When it was last heard of, or last said to be lost: later words are not earlier, ms since 1970.
    fn last_ms(&self) -> u64 {
        self.moments.iter().filter(|moment| moment.is_life()).map(|moment| moment.at_ms).max().unwrap_or(0)
    }

    /// Samples of a quantity, with ticks between them.
    pub fn of(&self, quantity: Quantity) -> impl Iterator<Item = (&Moment, Option<f32>)> {
        self.moments.iter().filter_map(move |moment| match moment.what {
            What::Sample(of, value) if of == quantity && value.is_finite() => Some((moment, Some(value))),
            What::Tick => Some((moment, None)),
            _ => None,
        })
    }
}

impl Moment {
    /// A word of the device itself.
    pub fn is_life(&self) -> bool {
        match &self.what {
            What::Sample(..) => true,
            What::Report(Body::State { state, will, .. }) => *state != DeviceState::Lost && !will,
            What::Report(_) => true,
            What::Tick => false,
        }
    }
}

/// All that was said, by device.
#[derive(Debug, Default)]
pub struct Record {
    roster: u64,
    pub devices: Vec<Option<History>>,
    times_ms: Vec<u64>,
    deaf_ms: Rc<Vec<[u64; 2]>>,
    settings: Rc<RuleSettings>,
}

impl Record {
    /// Takes in a commit: roster and rules, reports, readings, tick.
    pub fn take(&mut self, step: &Step) {
        let Commit { at_ms, entries, readings, .. } = &*step.commit;
        let deaf_ms = u64::from(self.settings.lost_contact.deaf_after_s) * 1000;
        if let Some(last_ms) = self.times_ms.last().filter(|last_ms| at_ms - **last_ms >= deaf_ms) {
            let mut deaf_ms = self.deaf_ms.to_vec();
            deaf_ms.push([*last_ms, *at_ms]);
            // so many are kept: the oldest two become one, as long as both
            if let [[from, until], [next, end], rest @ ..] = deaf_ms.as_slice()
                && rest.len() == 63
            {
                deaf_ms = [&[[next - (until - from), *end]], rest].concat();
            }
            self.deaf_ms = Rc::new(deaf_ms);
        }
        self.times_ms.push(*at_ms);
        for entry in entries {
            if let Entry::Rules(text) = entry
                && let Ok(rules) = Rules::parse(text)
            {
                self.settings = Rc::new(rules.settings().clone());
            }
        }
        if step.roster.version() != self.roster {
            self.adopt(&step.roster, *at_ms);
        }
        for entry in entries {
            if let Entry::Report(Report { device, at_ms, body, .. }) = entry {
                self.say(*device, *at_ms, What::Report(body.clone()));
            }
        }
        for reading in readings {
            self.say(reading.device, reading.at_ms, What::Sample(reading.quantity, reading.value));
        }
        if entries.contains(&Entry::Tick) {
            for device in 0..self.devices.len() as u32 {
                self.say(DeviceId(device), *at_ms, What::Tick);
            }
        }
    }

    fn adopt(&mut self, roster: &Roster, at_ms: u64) {
        self.roster = roster.version();
        self.devices.resize(roster.devices().len(), None);
        for (slot, device) in roster.devices().iter().zip(&mut self.devices) {
            let row = &slot.row;
            if !slot.current {
                *device = None;
                continue;
            }
            match device {
                Some(known) if known.unit == row.unit => known.promise_s = row.report_every_s,
                _ => {
                    let (unit, promise_s) = (row.unit, row.report_every_s);
                    *device = Some(History { unit, promise_s, since_ms: at_ms, moments: Vec::new() });
                }
            }
        }
    }

    fn say(&mut self, device: DeviceId, at_ms: u64, what: What) {
        let Some(Some(history)) = self.devices.get_mut(device.index()) else { return };
        let now_ms = *self.times_ms.last().unwrap();
        let at_ms = if matches!(what, What::Tick) { at_ms } else { at_ms.max(history.last_ms()) };
        let (deaf_ms, promise_s) = (Rc::clone(&self.deaf_ms), history.promise_s);
        history.moments.push(Moment { now_ms, at_ms, deaf_ms, promise_s, settings: Rc::clone(&self.settings), what });
    }
}
