//! What operators do, as far as colours depend on it. Whether a command is valid is decided as the desk decides it; the
//! desk answers the operator.

use model::{Action, Command, Epoch, Family, Verdict};

use super::Judge;
use crate::rule;
use crate::state::{Incident, Unit};

impl Judge {
    pub(super) fn command(&mut self, command: &Command) {
        let id = command.alert;
        let Some(unit) = self.state.units.get_mut(id.unit.index()) else { return };
        let Some(incident) = unit.incident_mut(id.family).filter(|incident| names(incident, id.family, id.epoch))
        else {
            return;
        };
        match command.action {
            Action::Acknowledge | Action::Arrive => return,
            Action::Verify(verdict) => {
                let tag = tag(command, verdict);
                if incident.verdicts.contains(&tag) {
                    return;
                }
                if incident.verdicts.len() == Incident::VERDICTS_MAX {
                    incident.verdicts.remove(0);
                }
                incident.verdicts.push(tag);
                let was_real = incident.real;
                incident.verdict = Some(verdict);
                incident.real = verdict == Verdict::Real;
                incident.unjudged = false;
                if id.family == Family::Fire {
                    unit.standing.verdict(verdict, was_real, self.state.at_ms);
                }
                if id.family == Family::Fire && verdict != Verdict::Real {
                    mute(unit, id.family);
                    unit.fire_ended.clear();
                }
            }
            Action::Close if id.family == Family::Fire && incident.verdict.is_none() => return,
            Action::Close => {
                unit.set_incident(id.family, None);
                mute(unit, id.family);
                if id.family == Family::Fire {
                    unit.fire_ended.clear();
                }
                for held in unit.held.iter_mut().filter(|held| rule::condition(held.condition).family == id.family) {
                    held.in_incident = false;
                }
            }
        }
        self.draft.touched.push(id.unit.0);
    }
}

/// Whether the command's alert is this incident. A fire's has the commit that opened it. Warnings and faults also close by
/// themselves at the desk, some time after they ended, and the next finding raises a new alert there.
fn names(incident: &Incident, family: Family, epoch: Epoch) -> bool {
    match family {
        Family::Fire => incident.openings.first() == Some(&epoch),
        Family::Warning | Family::Fault => incident.openings.contains(&epoch),
    }
}

/// What holds now counts no longer, until it ends and begins again.
fn mute(unit: &mut Unit, family: Family) {
    for held in unit.held.iter_mut().filter(|held| rule::condition(held.condition).family == family) {
        held.muted = true;
    }
}

/// FNV-1a of the command's id, person and verdict.
fn tag(command: &Command, verdict: Verdict) -> u32 {
    let parts = [command.id.as_str(), &command.person, verdict.word()];
    let bytes = parts.into_iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
