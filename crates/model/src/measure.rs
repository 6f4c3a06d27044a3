//! What is measured, in which unit, and what a sensor can plausibly say.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

macro_rules! quantities {
    ($($(#[$doc:meta])* $name:ident = $key:literal, $unit:literal, $range:expr;)*) => {
        /// A measured quantity, with its unit fixed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Quantity {
            $($(#[$doc])* $name,)*
        }

        impl Quantity {
            /// Every quantity, in the order of the contract.
            pub const ALL: &'static [Quantity] = &[$(Quantity::$name,)*];

            /// Key of the JSON contract, which ends in the unit.
            pub fn key(self) -> &'static str {
                match self { $(Quantity::$name => $key,)* }
            }

            /// Unit as people write it.
            pub fn unit(self) -> &'static str {
                match self { $(Quantity::$name => $unit,)* }
            }

            /// Values outside cannot come from a working sensor of the field; they are quarantined.
            pub fn plausible(self) -> RangeInclusive<f32> {
                match self { $(Quantity::$name => $range,)* }
            }

            /// The quantity with this JSON key.
            pub fn from_key(key: &str) -> Option<Quantity> {
                match key { $($key => Some(Quantity::$name),)* _ => None }
            }
        }
    };
}

quantities! {
    /// Air at the detector. The upper end is above any compartment fire's gas layer.
    TemperatureC = "temperature_c", "°C", -60.0..=1500.0;
    /// Obscuration (EN 54-7, GB 4715 express thresholds so).
    SmokeDbM = "smoke_db_m", "dB/m", -1.0..=100.0;
    /// Carbon monoxide by volume.
    CoPpm = "co_ppm", "ppm", -50.0..=100_000.0;
    /// Combustible gas, share of the lower explosive limit.
    GasLelPct = "gas_lel_pct", "%LEL", -5.0..=200.0;
    /// Residual current (GB 14287.2).
    ResidualCurrentMa = "residual_current_ma", "mA", 0.0..=100_000.0;
    /// Cable or terminal (GB 14287.3).
    CableTemperatureC = "cable_temperature_c", "°C", -60.0..=1000.0;
    CurrentA = "current_a", "A", 0.0..=10_000.0;
    VoltageV = "voltage_v", "V", 0.0..=1000.0;
    /// Static pressure of hydrant or sprinkler main (GB 50974).
    WaterPressureMpa = "water_pressure_mpa", "MPa", -0.2..=20.0;
    WaterLevelM = "water_level_m", "m", -1.0..=100.0;
    BatteryPct = "battery_pct", "%", 0.0..=100.0;
    BatteryV = "battery_v", "V", 0.0..=60.0;
    SignalDbm = "signal_dbm", "dBm", -200.0..=50.0;
    HumidityPct = "humidity_pct", "%", 0.0..=100.0;
    /// A telemetry message without values: the device is there.
    Presence = "presence", "", 0.0..=0.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_are_distinct() {
        for &quantity in Quantity::ALL {
            assert_eq!(Quantity::from_key(quantity.key()), Some(quantity));
        }
        assert_eq!(Quantity::from_key("temprature_c"), None);
    }
}
