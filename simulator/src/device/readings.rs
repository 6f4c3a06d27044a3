//! The values that a device of a class reports.

use super::{Quirks, sense::Watch};
use crate::{
    ambient::Air,
    roster::Class,
    wire::Quantity::{self, *},
};
use rand::{Rng, rngs::SmallRng};

/// Roughly normal with standard deviation 1.
fn noise(rng: &mut SmallRng) -> f64 {
    (0..4).map(|_| rng.random_range(-1.0..1.0f64)).sum::<f64>() * 0.866
}

/// Rated current of the circuit that an electrical monitor watches, A.
fn rated_a(q: &Quirks) -> f64 {
    40.0 + 25.0 * q.offset
}

/// Natural leakage of a sound installation, mA: 30 to 110, more under load (GB 50116 speaks of 100–200 mA for large ones).
pub fn natural_leak_ma(offset: f64, load: f64) -> f64 {
    70.0 + 40.0 * offset + 25.0 * load
}

/// All values of one report. `watch`: what the sensor feels while something goes on.
pub fn values(
    class: Class,
    air: &Air,
    watch: Option<&Watch>,
    q: &Quirks,
    days: f64,
    sleeps: bool,
    rng: &mut SmallRng,
) -> Vec<(Quantity, f64)> {
    let temperature = watch.map_or(air.temperature_c, |w| w.temperature_c) + 0.4 * q.offset + 0.15 * noise(rng);
    let smoke = watch.map_or(air.smoke_db_m, |w| w.smoke_db_m);
    let smoke = (smoke * (1.0 + 0.1 * q.offset) + 0.004 + 0.004 * q.offset + 0.0015 * noise(rng)).clamp(0.0, 12.0);
    let co = (air.co_ppm + 0.5 * noise(rng)).clamp(0.0, 2_000.0);
    let gas = (air.gas_lel_pct + 0.1 * noise(rng)).clamp(0.0, 100.0);
    let mut values = Vec::with_capacity(5);
    match class {
        Class::Smoke => values.extend([(SmokeDbM, smoke), (TemperatureC, temperature)]),
        Class::Heat => values.push((TemperatureC, temperature)),
        Class::Gas => values.push((GasLelPct, gas)),
        Class::Co => values.extend([(CoPpm, co), (TemperatureC, temperature)]),
        Class::Combined => {
            let humidity = (air.humidity_pct + 1.5 * noise(rng)).clamp(5.0, 99.0);
            values.extend([(SmokeDbM, smoke), (TemperatureC, temperature), (CoPpm, co), (HumidityPct, humidity)]);
        }
        Class::Electrical => {
            let leak = natural_leak_ma(q.offset, air.load) + air.leak_ma + 2.0 * noise(rng);
            let cable = watch.map_or_else(|| cable_c(air), |w| w.cable_c);
            values.extend([
                (ResidualCurrentMa, leak.max(0.0)),
                (CableTemperatureC, cable + 0.2 * noise(rng)),
                (CurrentA, (rated_a(q) * air.load * (1.0 + 0.04 * noise(rng))).max(0.0)),
                (VoltageV, 229.0 - 5.0 * air.load + 1.2 * noise(rng)),
            ]);
        }
        Class::Water if tank(q.offset) => {
            values.push((WaterLevelM, (water_level_m(air) + 0.01 * noise(rng)).max(0.0)));
        }
        Class::Water => values.push((WaterPressureMpa, (water_mpa(q.offset, air) + 0.003 * noise(rng)).max(0.0))),
        Class::Panel => {
            let volts = if air.mains { 228.0 + 1.5 * noise(rng) } else { 0.0 };
            let battery = if air.mains { 27.3 } else { 25.1 };
            values.extend([(VoltageV, volts), (BatteryV, battery + 0.05 * noise(rng))]);
        }
        Class::Manual | Class::Camera => {}
    }
    if sleeps || matches!(class, Class::Manual | Class::Water) {
        // five years of life
        let battery = (q.battery_pct - days / 18.0).max(0.0);
        values.extend([(BatteryPct, battery), (SignalDbm, q.signal_dbm + 2.0 * noise(rng))]);
    }
    values
}

/// Steady temperature of cable and terminals: what the load warms, times what a bad contact adds.
pub fn cable_c(air: &Air) -> f64 {
    air.temperature_c + 28.0 * air.load * air.load * air.contact + 3.0 * (air.contact - 1.0)
}

/// True for the water devices that watch a tank.
pub fn tank(offset: f64) -> bool {
    offset > 0.7
}

/// Level in a roof tank, m; full is 2.4.
pub fn water_level_m(air: &Air) -> f64 {
    2.4 * air.pressure.powf(0.7)
}

/// Pressure in a main, MPa; 0.22 to 0.38 when nothing is wrong.
pub fn water_mpa(offset: f64, air: &Air) -> f64 {
    (0.30 + 0.08 * offset) * air.pressure
}
