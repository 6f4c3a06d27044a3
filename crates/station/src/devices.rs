//! How devices are and how risk moved, for the command centre: asked of the evaluator, which knows more than the changes that
//! it tells.

use std::sync::Arc;

use command_centre::{DeviceStatus, Devices, RiskDay, RiskHistory};
use evaluator::Liveness;
use evaluator::risk::Board;
use model::{DeviceId, RegionCode};

/// The evaluator's knowledge of devices.
pub struct Heard(pub Arc<Liveness>);

impl Devices for Heard {
    fn status(&self, device: DeviceId) -> DeviceStatus {
        DeviceStatus { alive: self.0.alive(device), last_seen_ms: self.0.last_seen_ms(device) }
    }
}

/// The evaluator's knowledge of regions' standing risk.
pub struct Moved(pub Arc<Board>);

impl RiskHistory for Moved {
    fn version(&self) -> String {
        self.0.version()
    }

    fn days(&self, region: RegionCode) -> Vec<RiskDay> {
        let known = self.0.trend(region).into_iter().filter(|day| day.units > 0);
        known
            .map(|day| RiskDay { begins_ms: day.begins_ms(), units: day.units.unsigned_abs(), mean: day.mean() })
            .collect()
    }
}
