//! How devices are, for the command centre: asked of the evaluator, which knows more than the changes that it tells.

use std::sync::Arc;

use command_centre::{DeviceStatus, Devices};
use evaluator::Liveness;
use model::DeviceId;

/// The evaluator's knowledge of devices.
pub struct Heard(pub Arc<Liveness>);

impl Devices for Heard {
    fn status(&self, device: DeviceId) -> DeviceStatus {
        DeviceStatus { alive: self.0.alive(device), last_seen_ms: self.0.last_seen_ms(device) }
    }
}
