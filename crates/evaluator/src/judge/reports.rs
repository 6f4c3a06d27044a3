//! What devices report, and signs of life.

use model::report::{Body, DeviceState, EventKind};
use model::{DeviceId, Report, Step};

use super::Judge;

impl Judge {
    /// The device was silent and was heard of.
    pub(super) fn heard(&mut self, id: DeviceId, at_ms: u64) {
        self.stir(id);
        if let Some(device) = self.state.devices.get_mut(id.index()) {
            let facts = &mut device.facts;
            facts.last_ms = facts.last_ms.max(at_ms).max(1);
            facts.lost_said_ms = 0;
            facts.silent = false;
            self.draft.touched.push(facts.unit.0);
        }
        self.ask(id, |memory, settings, scene| memory.heard(settings, scene));
        self.trust_changed(id);
    }

    pub(super) fn report(&mut self, report: &Report, step: &Step) {
        let id = report.device;
        if !self.is_ours(id) {
            return;
        }
        let Some(device) = self.state.devices.get_mut(id.index()).filter(|device| device.facts.current) else {
            self.of_no_device(report, step);
            return;
        };
        let at_ms = device.facts.last_ms.max(report.at_ms);
        let facts = &mut device.facts;
        match &report.body {
            Body::State { state: DeviceState::Lost, .. } => {
                facts.lost_said_ms = at_ms;
                facts.silent = true;
            }
            Body::State { next_report_s, will: false, .. } => facts.next_report_s = next_report_s.unwrap_or(0),
            Body::Event { kind: EventKind::Test, .. } => facts.test_ms = at_ms,
            Body::Event { kind: EventKind::Muted, .. } => facts.muted_ms = at_ms,
            Body::State { .. } | Body::Event { .. } | Body::Alarm { .. } => {}
        }
        // what the broker says on a device's behalf is no sign of life
        let sign_of_life =
            !matches!(&report.body, Body::State { state: DeviceState::Lost, .. } | Body::State { will: true, .. });
        if sign_of_life {
            if facts.silent {
                self.heard(id, at_ms);
            } else {
                facts.last_ms = at_ms;
            }
        }
        self.ask(id, |memory, settings, scene| memory.report(settings, &report.body, scene));
    }
}
