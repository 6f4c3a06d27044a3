//! One device as a state machine: `step(now, air)` says what it sends and when it wants to be woken.
//!
//! It keeps its reporting promise with a little to spare, reports more often while something goes on, raises its own alarm
//! by the thresholds of its class ([`sense`]), repeats it under one id while it lasts, and takes it back. It has a clock that is
//! wrong, a battery, and a bad day now and then. It knows no socket, no other device, and no wall clock.

mod readings;
mod sense;

use crate::{
    ambient::Air,
    clock::Timebase,
    roster::{Class, DeviceRow},
    vendor::{self, Power, Style},
    wire::{self, EventKind, Order, Publish, Report, State},
};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use sense::Watch;

/// A lively device looks at its sensor this often, ms.
pub const LOOK_MS: i64 = 2_000;
/// While something goes on, values are reported this often, ms.
const LIVELY_REPORT_MS: i64 = 10_000;
/// A standing alarm is repeated this often, ms.
const REPEAT_MS: i64 = 60_000;
/// "Never", for wake-up times.
const NEVER_MS: i64 = i64::MAX;

/// What a step brings about.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    Say(Report),
    /// The device vanishes without a word; a connection of its own breaks.
    Vanish,
    /// It is back; a connection of its own is made again.
    Return,
}

/// What is particular about one device; drawn once from its name.
#[derive(Debug, Clone)]
struct Quirks {
    /// Its clock minus real time at the start, ms.
    skew_ms: i64,
    /// How its clock runs away, parts per million.
    drift_ppm: f64,
    /// Reports after this share of the promised time.
    period: f64,
    /// -1..=1: where its sensor stands among its kind.
    offset: f64,
    battery_pct: f64,
    signal_dbm: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Life {
    /// Has not said a word in this run.
    Unheard,
    Up,
    /// No power; back at the given time once power has returned.
    Dark {
        back_ms: Option<i64>,
    },
    /// Silent for a reason nobody knows, until then.
    Dead {
        until_ms: i64,
    },
}

#[derive(Debug, Clone, PartialEq)]
struct Standing {
    id: String,
    kind: wire::AlarmKind,
    repeat_ms: i64,
}

/// A device of any class.
#[derive(Debug)]
pub struct Device {
    pub vendor: Box<str>,
    pub name: Box<str>,
    pub class: Class,
    pub style: Style,
    promise_s: u32,
    quirks: Quirks,
    rng: SmallRng,
    life: Life,
    /// Knows that mains are away (standby battery only).
    on_standby: bool,
    seq: u32,
    alarms: u32,
    report_ms: i64,
    fault: Option<(EventKind, i64)>,
    /// Waits until the device wakes.
    order: Option<Order>,
    /// The command obeyed last; the station may send it twice.
    obeyed: String,
    standing: Option<Standing>,
    watch: Option<Box<Watch>>,
}

impl Device {
    /// A device as it stands before its first word. `wake_ms`: when that is.
    pub fn new(row: &DeviceRow, seed: u64, wake_ms: i64, time: &Timebase) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed ^ fnv(&row.vendor) ^ fnv(&row.device).rotate_left(17));
        let quirks = quirks(&mut rng);
        Self {
            vendor: row.vendor.as_str().into(),
            name: row.device.as_str().into(),
            class: row.class,
            style: vendor::style(&row.vendor, row.class, row.report_every_s),
            promise_s: row.report_every_s.max(1),
            quirks,
            rng,
            life: Life::Unheard,
            on_standby: false,
            // goes on rising from one run to the next, as a device that keeps its counter
            seq: (time.start_ms / 1_000) as u32,
            alarms: 0,
            report_ms: wake_ms,
            fault: None,
            order: None,
            obeyed: String::new(),
            standing: None,
            watch: None,
        }
    }

    /// Turns a report into a message.
    pub fn publish(&self, report: &Report) -> Publish {
        let kind = report.kind();
        Publish {
            topic: wire::topic(&self.vendor, &self.name, kind),
            payload: report.encode(self.style.encoding),
            qos1: kind != wire::Kind::Telemetry || self.style.telemetry_qos1,
            kind,
        }
    }

    /// True for a device that sleeps between its reports.
    pub fn sleeps(&self) -> bool {
        self.style.power == Power::Battery && self.promise_s >= 3_600
    }

    /// A fault until then; the device reports it at its next step.
    pub fn befall(&mut self, kind: EventKind, until_ms: i64, now_ms: i64, time: &Timebase, out: &mut Vec<Output>) {
        if self.life == Life::Up && self.fault.is_none() {
            self.fault = Some((kind, until_ms));
            self.event(kind, now_ms, time, out);
        }
    }

    /// Falls silent until then.
    pub fn die(&mut self, until_ms: i64, out: &mut Vec<Output>) {
        if self.life == Life::Up {
            self.life = Life::Dead { until_ms };
            self.watch = None;
            out.push(Output::Vanish);
        }
    }

    /// Lives until `now_ms` (city time); returns when it wants to be woken, in city time.
    pub fn step(&mut self, now_ms: i64, air: &Air, time: &Timebase, out: &mut Vec<Output>) -> i64 {
        match self.life {
            Life::Unheard if now_ms < self.report_ms => return self.report_ms,
            Life::Unheard => self.first_word(now_ms, air, time, out),
            Life::Dead { until_ms } if now_ms < until_ms => return until_ms,
            Life::Dead { .. } => self.come_back(now_ms, air, time, out),
            Life::Dark { back_ms } => {
                if !air.mains {
                    self.life = Life::Dark { back_ms: None };
                    return NEVER_MS; // woken when power returns
                }
                // not all at the same moment
                let back_ms = back_ms.unwrap_or_else(|| now_ms + self.rng.random_range(1_000..60_000));
                if now_ms < back_ms {
                    self.life = Life::Dark { back_ms: Some(back_ms) };
                    return back_ms;
                }
                self.come_back(now_ms, air, time, out);
            }
            Life::Up => {}
        }
        if self.power(now_ms, air, time, out) {
            return NEVER_MS;
        }
        if let Some((_, until_ms)) = self.fault
            && now_ms >= until_ms
        {
            self.fault = None;
            self.event(EventKind::Restored, now_ms, time, out);
        }
        if air.lively || self.standing.is_some() {
            if self.look(now_ms, air, time, out) {
                return NEVER_MS;
            }
        } else {
            self.watch = None;
        }
        if now_ms >= self.report_ms {
            self.report(now_ms, air, time, out);
            let period = f64::from(self.promise_s) * 1_000.0 * self.quirks.period;
            self.report_ms = now_ms + (period * self.rng.random_range(0.98..1.0)) as i64;
        }
        let mut wake = self.report_ms;
        if air.lively || self.standing.is_some() {
            wake = wake.min(now_ms + LOOK_MS);
        }
        self.fault.map_or(wake, |(_, until_ms)| wake.min(until_ms))
    }

    /// The first report of a run: state at once, values too from those that would else be silent for a day.
    fn first_word(&mut self, now_ms: i64, air: &Air, time: &Timebase, out: &mut Vec<Output>) {
        self.life = Life::Up;
        if !air.mains && self.style.power == Power::Mains {
            return;
        }
        self.state(out);
        if self.sleeps() {
            self.report(now_ms, air, time, out);
        }
        // from here on evenly over the promised time
        let promise_ms = f64::from(self.promise_s) * 1_000.0 * self.quirks.period;
        self.report_ms = now_ms + (promise_ms * self.rng.random_range(0.0..1.0)) as i64;
    }

    fn come_back(&mut self, now_ms: i64, air: &Air, time: &Timebase, out: &mut Vec<Output>) {
        let dark = matches!(self.life, Life::Dark { .. });
        self.life = Life::Up;
        if air.mains || self.style.power != Power::Mains {
            out.push(Output::Return);
            self.state(out);
            if dark {
                self.event(EventKind::Restored, now_ms, time, out);
            }
            self.report_ms = now_ms + 1_000;
        }
    }

    /// Follows the mains; true when the device has gone dark.
    fn power(&mut self, now_ms: i64, air: &Air, time: &Timebase, out: &mut Vec<Output>) -> bool {
        match self.style.power {
            Power::Battery => false,
            Power::Backed => {
                if self.on_standby == air.mains {
                    self.on_standby = !air.mains;
                    let kind = if air.mains { EventKind::Restored } else { EventKind::PowerLost };
                    self.event(kind, now_ms, time, out);
                }
                false
            }
            Power::Mains if air.mains => false,
            Power::Mains => {
                // a capacitor is enough for a last gasp
                if matches!(self.class, Class::Electrical | Class::Combined) {
                    self.event(EventKind::PowerLost, now_ms, time, out);
                }
                self.life = Life::Dark { back_ms: None };
                self.watch = None;
                self.standing = None;
                out.push(Output::Vanish);
                true
            }
        }
    }

    /// Looks at the sensor; raises, repeats and takes back the alarm. True when the device has just been destroyed.
    fn look(&mut self, now_ms: i64, air: &Air, time: &Timebase, out: &mut Vec<Output>) -> bool {
        let offset = self.quirks.offset;
        let watch = self.watch.get_or_insert_with(|| Box::new(Watch::new(self.class, air, now_ms)));
        watch.feel(self.class, air, now_ms);
        if watch.destroyed(self.class) {
            self.life = Life::Dead { until_ms: now_ms + 24 * 3_600_000 }; // somebody hangs up a new one
            self.standing = None;
            self.watch = None;
            out.push(Output::Vanish);
            return true;
        }
        let over = watch.over(self.class, air, offset);
        let restored = watch.restored(self.class, air, offset);
        let report = watch.changed(self.class, air) && now_ms >= watch.reported_ms + LIVELY_REPORT_MS;
        let value = watch.value(self.class, air);
        match (&mut self.standing, over) {
            (None, Some(kind)) => {
                self.alarms += 1;
                let id = format!("a{:x}-{}", time.start_ms / 1_000, self.alarms);
                self.standing = Some(Standing { id: id.clone(), kind, repeat_ms: now_ms + REPEAT_MS });
                out.push(Output::Say(Report::Alarm { id, ts: self.stamp(now_ms, time), kind, active: true, value }));
            }
            (Some(standing), _) if restored => {
                let (id, kind) = (std::mem::take(&mut standing.id), standing.kind);
                self.standing = None;
                out.push(Output::Say(Report::Alarm { id, ts: self.stamp(now_ms, time), kind, active: false, value }));
            }
            (Some(standing), _) if now_ms >= standing.repeat_ms => {
                standing.repeat_ms = now_ms + REPEAT_MS;
                let (id, kind) = (standing.id.clone(), standing.kind);
                out.push(Output::Say(Report::Alarm { id, ts: self.stamp(now_ms, time), kind, active: true, value }));
            }
            _ => {}
        }
        if report && !matches!(self.class, Class::Camera | Class::Manual) {
            self.report(now_ms, air, time, out);
            if let Some(watch) = &mut self.watch {
                watch.reported_ms = now_ms;
            }
        }
        false
    }

    fn report(&mut self, now_ms: i64, air: &Air, time: &Timebase, out: &mut Vec<Output>) {
        if self.class == Class::Camera {
            return self.state(out);
        }
        let days = (now_ms - time.start_ms) as f64 / 86_400_000.0;
        let values =
            readings::values(self.class, air, self.watch.as_deref(), &self.quirks, days, self.sleeps(), &mut self.rng);
        if let Some(order) = self.order.take() {
            self.awake(order, now_ms, time, out);
        }
        self.seq = self.seq.wrapping_add(1);
        let seq = self.style.numbers.then_some(self.seq);
        out.push(Output::Say(Report::Telemetry { ts: self.stamp(now_ms, time), seq, values }));
    }

    fn state(&self, out: &mut Vec<Output>) {
        let state = if self.sleeps() { State::Sleeping } else { State::Online };
        out.push(Output::Say(Report::State { state, next_report_s: Some(self.promise_s) }));
    }

    fn event(&mut self, kind: EventKind, now_ms: i64, time: &Timebase, out: &mut Vec<Output>) {
        self.alarms += 1;
        let id = format!("e{:x}-{}", time.start_ms / 1_000, self.alarms);
        out.push(Output::Say(Report::Event { id, ts: self.stamp(now_ms, time), kind }));
    }

    /// A command arrives. A sleeping device hears it at its next report, unless something keeps it awake.
    pub fn obey(&mut self, order: Order, now_ms: i64, time: &Timebase, out: &mut Vec<Output>) {
        if self.life != Life::Up || order.id == self.obeyed {
            return;
        }
        if self.sleeps() && self.watch.is_none() {
            self.order = Some(order);
            return;
        }
        self.awake(order, now_ms, time, out);
    }

    fn awake(&mut self, order: Order, now_ms: i64, time: &Timebase, out: &mut Vec<Output>) {
        match order.command.as_str() {
            "mute" => self.event(EventKind::Muted, now_ms, time, out),
            "self_test" => self.event(EventKind::Test, now_ms, time, out),
            _ => {} // taken note of; nothing that one could see from outside
        }
        self.obeyed = order.id;
    }

    /// The detector's test button.
    pub fn test(&mut self, now_ms: i64, time: &Timebase, out: &mut Vec<Output>) {
        if self.life == Life::Up {
            self.event(EventKind::Test, now_ms, time, out);
        }
    }

    /// What its clock shows, where it sends that.
    fn stamp(&self, now_ms: i64, time: &Timebase) -> Option<i64> {
        let real_ms = time.real_ms(now_ms);
        let run_away = ((real_ms - time.start_ms) as f64 * self.quirks.drift_ppm / 1e6) as i64;
        self.style.stamps.then_some(real_ms + self.quirks.skew_ms + run_away)
    }
}

/// Clocks: most are set by the network; some are minutes off, a few show the year in which they were built.
fn quirks(rng: &mut SmallRng) -> Quirks {
    let skew_ms = match rng.random_range(0..1_000) {
        0..=799 => rng.random_range(-400..400),
        800..=949 => rng.random_range(-30_000..30_000),
        950..=995 => rng.random_range(-7_200_000..7_200_000),
        _ => -440_000_000_000, // some fourteen years
    };
    Quirks {
        skew_ms,
        drift_ppm: rng.random_range(-60.0..60.0),
        period: rng.random_range(0.93..0.98),
        offset: rng.random_range(-1.0..1.0),
        battery_pct: rng.random_range(35.0..100.0),
        signal_dbm: rng.random_range(-118.0..-72.0),
    }
}

fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
