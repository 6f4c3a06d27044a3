//! What operators do, as far as colours depend on it. Whether a command is valid is decided as the desk decides it; the
//! desk answers the operator.

use model::alert::Actor;
use model::{Action, Alert, Command, Epoch, Family, UnitId, Verdict};
use smallvec::SmallVec;

use super::Judge;
use crate::rule;
use crate::state::{Device, Held, Incident, NO_DEVICE, State, Unit};
use crate::table::Table;

impl Judge {
    pub(super) fn command(&mut self, command: &Command) {
        let id = command.alert;
        let State { units, devices, at_ms, .. } = &mut self.state;
        let Some(unit) = units.get_mut(id.unit.index()) else { return };
        let Some(incident) = unit.incident_mut(id.family).filter(|incident| names(incident, id.family, id.epoch))
        else {
            return;
        };
        match command.action {
            Action::Acknowledge
            | Action::Arrive
            | Action::Assign(_)
            | Action::FinishWork
            | Action::Check { .. }
            | Action::Note
            | Action::Photo(_)
            | Action::Shelve { .. }
            | Action::Unshelve
            | Action::TakeOutOfService { .. }
            | Action::ReturnToService => return,
            Action::BeginWork => return begin_work(incident, command),
            Action::Verify(verdict, cause) if !cause.fits(verdict) => return,
            Action::Verify(verdict, _) => {
                let tag = tag(command, verdict);
                if incident.verdicts.contains(&tag) {
                    return;
                }
                if incident.verdicts.len() == Incident::VERDICTS_MAX {
                    incident.verdicts.remove(0);
                }
                incident.verdicts.push(tag);
                let was_real = incident.real;
                (incident.verdict, incident.verifier) = (Some(verdict), Some(Actor::of(command)));
                incident.real = verdict == Verdict::Real;
                incident.unjudged = false;
                if id.family == Family::Fire {
                    unit.standing.verdict(verdict, was_real, *at_ms);
                    count_falses(id.unit, unit, devices, verdict);
                }
                if id.family == Family::Fire && verdict != Verdict::Real {
                    mute(unit, id.family);
                    unit.fire_ended.clear();
                }
            }
            Action::Close if id.family == Family::Fire && incident.verdict.is_none() => return,
            Action::Close if !may_close(unit, command) => return,
            Action::Close => {
                unit.set_incident(id.family, None);
                mute(unit, id.family);
                if id.family == Family::Fire {
                    unit.fire_ended.clear();
                }
                for held in unit.held.iter_mut().filter(|held| rule::condition(held.condition).family == id.family) {
                    held.in_incident = false;
                }
                // what people said is settled with it
                unit.held.retain(|held| {
                    let is_of_family = rule::condition(held.condition).family == id.family;
                    !(is_of_family && held.device == NO_DEVICE && rule::is_sighting(held.condition))
                });
            }
        }
        self.draft.touched.push(id.unit.0);
        self.evidence_changed(id.unit);
    }
}

/// Whoever works on an alert may not close it while it holds.
fn begin_work(incident: &mut Incident, command: &Command) {
    let work = (command.alert.epoch, Actor::of(command));
    // of an alert that nobody can name any more
    let Incident { openings, worked, .. } = incident;
    worked.retain(|(epoch, _)| openings.contains(epoch));
    let people = incident.worked.iter().filter(|(epoch, _)| *epoch == work.0).count();
    if !incident.worked.contains(&work) && people < Alert::PEOPLE_MAX {
        incident.worked.push(work);
    }
}

/// As the desk: by sensor evidence, or as the second person.
fn may_close(unit: &Unit, command: &Command) -> bool {
    let family = command.alert.family;
    let Some(incident) = unit.incident(family) else { return false };
    let holds = |held: &Held| held.in_incident && rule::condition(held.condition).family == family;
    let verified = incident.verdict.and(incident.verifier);
    let worked = incident.worked.iter().filter(|(epoch, _)| *epoch == command.alert.epoch).map(|(_, actor)| *actor);
    Actor::of(command).may_close(!unit.held.iter().any(holds), verified.into_iter().chain(worked))
}

/// Devices whose alarms are often found false speak less for a fire, see [`rule::evidence`].
fn count_falses(id: UnitId, unit: &Unit, devices: &mut Table<Device>, verdict: Verdict) {
    let held = unit.held.iter().filter(|held| !held.muted && held.device != NO_DEVICE);
    let fires = held.filter(|held| rule::condition(held.condition).family == Family::Fire).map(|held| held.device);
    let ended = unit.fire_ended.iter().map(|(device, _)| *device);
    let mut of: SmallVec<[u32; 8]> = fires.chain(ended).collect();
    of.sort_unstable();
    of.dedup();
    for device in of {
        // one that was installed elsewhere meanwhile begins anew there
        let Some(device) = devices.get_mut(device as usize).filter(|device| device.facts.unit == id) else { continue };
        match verdict {
            Verdict::False => device.falses = device.falses.saturating_add(1),
            Verdict::Real => device.falses /= 2,
            Verdict::Test => {}
        }
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
    let of_family = |condition: u8| rule::condition(condition).family == family;
    for held in unit.held.iter_mut().filter(|held| of_family(held.condition) && held.untold_ms == 0) {
        held.muted = true;
    }
    if let Some(traces) = &mut unit.traces {
        traces.ended.retain(|ended| !of_family(ended.condition));
        let base = rule::of_units().sighting;
        for seen in traces.seen.iter_mut().filter(|seen| of_family(base + rule::sighting::of(seen.kind).0)) {
            seen.judged = true;
        }
    }
}

/// FNV-1a of the command's id, person and verdict.
fn tag(command: &Command, verdict: Verdict) -> u32 {
    let parts = [command.id.as_str(), &command.person, verdict.word()];
    let bytes = parts.into_iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
