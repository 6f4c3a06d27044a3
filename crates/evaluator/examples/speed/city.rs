//! The city that is measured: 76,000 units, 81,400 devices of all classes, and what they say on an ordinary day.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use model::roster::{DeviceClass, DeviceRow, RosterRows, UnitRow};
use model::{Commit, DeviceId, Entry, Quantity, Reading, Roster, Step};

pub const UNITS: usize = 76_000;
pub const DEVICES: usize = 81_400;

/// When it begins, ms since 1970.
const T0_MS: u64 = 1_763_798_400_000;

/// Class, how many, promise in s, what one message has.
const MODELS: [(DeviceClass, usize, u32, &[Quantity]); 10] = [
    (DeviceClass::Panel, 4_000, 30, &[Quantity::Presence]),
    (DeviceClass::Electrical, 20_000, 10, &ELECTRICAL),
    (DeviceClass::Water, 5_000, 1_800, &[Quantity::WaterPressureMpa, Quantity::BatteryPct]),
    (DeviceClass::Gas, 8_300, 600, &[Quantity::GasLelPct]),
    (DeviceClass::Combined, 2_500, 60, &[Quantity::TemperatureC, Quantity::SmokeDbM, Quantity::CoPpm]),
    (DeviceClass::Heat, 2_700, 120, &[Quantity::TemperatureC, Quantity::BatteryPct]),
    (DeviceClass::Co, 700, 300, &[Quantity::CoPpm, Quantity::BatteryPct]),
    (DeviceClass::Manual, 800, 3_600, &[Quantity::BatteryPct]),
    (DeviceClass::Smoke, 26_000, 86_400, &SMOKE),
    (DeviceClass::Camera, 11_400, 300, &[Quantity::Presence]),
];
const ELECTRICAL: [Quantity; 4] =
    [Quantity::ResidualCurrentMa, Quantity::CableTemperatureC, Quantity::CurrentA, Quantity::VoltageV];
const SMOKE: [Quantity; 4] = [Quantity::SmokeDbM, Quantity::TemperatureC, Quantity::BatteryPct, Quantity::SignalDbm];

/// Who speaks when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Each device after its promise.
    Promise,
    /// Every device in turn, whatever its promise: hardest on the processor's caches.
    Turn,
}

impl Order {
    pub fn words(self) -> &'static str {
        match self {
            Order::Promise => "by promise",
            Order::Turn => "every device in turn",
        }
    }
}

/// The city and its time.
pub struct City {
    pub roster: Arc<Roster>,
    models: Vec<&'static (DeviceClass, usize, u32, &'static [Quantity])>,
    order: Order,
    /// Next message of each device, ms.
    due: BinaryHeap<Reverse<(u64, u32)>>,
    turn: usize,
    epoch: u64,
    at_ms: u64,
    ticked_ms: u64,
    dice: u64,
}

impl City {
    pub fn new(order: Order) -> City {
        let of_class =
            |model: &'static (DeviceClass, usize, u32, &'static [Quantity])| (0..model.1).map(move |_| model);
        let mut models: Vec<_> = MODELS.iter().flat_map(of_class).collect();
        assert_eq!(models.len(), DEVICES);
        // classes lie mixed over the numbers, as a roster's rows do
        let mut dice = 7_u64;
        for at in (1..models.len()).rev() {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            models.swap(at, (dice >> 33) as usize % (at + 1));
        }
        let roster = roster(&models);
        let due = models.iter().zip(0..).map(|(model, device)| {
            let every_ms = u64::from(model.2) * 1000;
            Reverse((T0_MS + u64::from(device) * 7919 * 1013 % every_ms, device))
        });
        let due = if order == Order::Promise { due.collect() } else { BinaryHeap::new() };
        City { roster, models, order, due, turn: 0, epoch: 0, at_ms: T0_MS, ticked_ms: T0_MS, dice }
    }

    /// Time of the last step, ms since 1970.
    pub fn at_ms(&self) -> u64 {
        self.at_ms
    }

    fn roll(&mut self) -> f32 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 40) as f32 / (1 << 24) as f32
    }

    /// The next commit: about so many readings (whole messages), and a tick each second. `passes_ms`: how much later it is
    /// than the one before, where devices speak in turn.
    pub fn step(&mut self, readings: usize, passes_ms: u64) -> Step {
        self.epoch += 1;
        self.at_ms += if self.order == Order::Turn { passes_ms } else { 0 };
        let mut of_commit = Vec::with_capacity(readings + 4);
        while of_commit.len() < readings {
            let device = match self.order {
                Order::Turn => {
                    self.turn += 1;
                    (self.turn * 7919 % DEVICES) as u32
                }
                Order::Promise => {
                    let Reverse((at_ms, device)) = self.due.pop().expect("every device speaks again");
                    self.at_ms = self.at_ms.max(at_ms);
                    let every_ms = u64::from(self.models[device as usize].2) * 1000;
                    self.due.push(Reverse((at_ms + every_ms, device)));
                    device
                }
            };
            for &quantity in self.models[device as usize].3 {
                let value = self.calm(quantity);
                let device = DeviceId(device);
                of_commit.push(Reading { device, quantity, value, at_ms: self.at_ms, skew_ms: None, seq: None });
            }
        }
        let ticks = self.at_ms >= self.ticked_ms + 1000;
        if ticks {
            self.ticked_ms = self.at_ms;
        }
        let entries = ticks.then_some(Entry::Tick).into_iter().collect();
        let commit = Commit { epoch: self.epoch, at_ms: self.at_ms, entries, readings: of_commit };
        Step { commit: Arc::new(commit), roster: Arc::clone(&self.roster) }
    }

    /// A value that wanders below every threshold.
    fn calm(&mut self, quantity: Quantity) -> f32 {
        let wander = self.roll();
        match quantity {
            Quantity::TemperatureC => 22.0 + wander,
            Quantity::SmokeDbM => 0.03 * wander,
            Quantity::CoPpm => wander,
            Quantity::GasLelPct => 2.0 * wander,
            Quantity::ResidualCurrentMa => 20.0 + 30.0 * wander,
            Quantity::CableTemperatureC => 30.0 + 8.0 * wander,
            Quantity::CurrentA => 4.0 + 3.0 * wander,
            Quantity::VoltageV => 225.0 + 6.0 * wander,
            Quantity::WaterPressureMpa => 0.35 + 0.02 * wander,
            Quantity::BatteryPct => 90.0 + wander,
            Quantity::SignalDbm => -90.0 + 10.0 * wander,
            _ => 0.0,
        }
    }
}

/// 11 townships, 221 villages, 1,326 grids.
fn roster(models: &[&'static (DeviceClass, usize, u32, &'static [Quantity])]) -> Arc<Roster> {
    let mut rows = RosterRows::default();
    let mut region = |code: &str| rows.regions.push((0, code.parse().expect("a region code"), code.into()));
    region("331083");
    let mut grids = Vec::new();
    for village in 0..221 {
        let township = format!("331083{:03}", village % 11 + 1);
        if village < 11 {
            region(&township);
        }
        let village = format!("{township}{:03}", village / 11 + 1);
        region(&village);
        for grid in 1..=6 {
            let grid = format!("{village}{grid:03}");
            region(&grid);
            grids.push(grid);
        }
    }
    let unit = |number: usize| UnitRow {
        code: format!("U{number}").into(),
        name: "店".into(),
        category: "沿街商铺".into(),
        address: "".into(),
        grid: grids[number % grids.len()].parse().expect("a region code"),
        owner: "".into(),
        position_m: None,
        profile: Default::default(),
    };
    rows.units = (0..UNITS).map(|number| (0, unit(number))).collect();
    let device = |(number, model): (usize, &&(DeviceClass, usize, u32, &[Quantity]))| DeviceRow {
        vendor: "acme".into(),
        name: format!("d{number}").into(),
        unit: format!("U{}", number % UNITS).into(),
        class: model.0,
        location: "".into(),
        report_every_s: model.2,
        gateway: "".into(),
    };
    rows.devices = models.iter().enumerate().map(|row| (0, device(row))).collect();
    let empty = Roster::default();
    Arc::new(empty.after(&empty.change_to(&rows).expect("no faults"), 1))
}
