//! What has been admitted already: the last ids and counts of every device, so that a repetition is not evaluated
//! twice.
//!
//! The table follows from the journal alone: the live way and [`Admission::apply`] end in the same two functions,
//! which look at nothing but what a commit keeps.

use std::sync::Arc;

use model::journal::{Commit, Entry};
use model::report::{Body, Report};
use model::wire::{self, WireError};
use model::{DeviceId, Reading};
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// Whether a message is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    New,
    /// The journal has it already.
    Repeated,
}

/// Memory of all devices, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    devices: Vec<Device>,
    #[serde(skip)]
    id_within_ms: u64,
    #[serde(skip)]
    seq_within_ms: u64,
}

/// Memory of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Device {
    seq: Option<SeqWindow>,
    /// Oldest first, [`IDS_MAX`] at most. Shared with a copy that is being stored, so that copying the table is quick.
    ids: Option<Arc<Vec<Seen>>>,
}

/// Ids remembered of one device.
const IDS_MAX: usize = 16;

/// The newest count and which of the 31 before it were there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct SeqWindow {
    newest: u32,
    /// Bit n: `newest - n` was there.
    seen: u32,
    /// When the last of them came, ms since 1970.
    at_ms: u64,
}

/// An alarm's or event's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    hash: u64,
    at_ms: u64,
    /// What the newest message with this id said; true for an event.
    active: bool,
    /// Device clock of the newest message that said so, for "not active" and "active", where it can be trusted.
    ts_ms: [Option<u64>; 2],
}

/// A device clock further off than this says nothing about which message is which (it may stand still).
const TRUSTED_SKEW_MS: u32 = 3_600_000;

/// The device's clock at the report, where it can be trusted.
pub(crate) fn trusted_ts_ms(at_ms: u64, skew_ms: Option<i32>) -> Option<u64> {
    skew_ms.filter(|skew| skew.unsigned_abs() <= TRUSTED_SKEW_MS).map(|skew| at_ms.saturating_add_signed(skew.into()))
}

impl Admission {
    /// An empty memory.
    pub fn new(settings: &Settings) -> Admission {
        Admission::default().within(settings)
    }

    /// Puts the settings' limits in force, which are not stored.
    pub(crate) fn within(mut self, settings: &Settings) -> Admission {
        self.id_within_ms = settings.duplicate_id_within_s.saturating_mul(1_000);
        self.seq_within_ms = settings.duplicate_seq_within_s.saturating_mul(1_000);
        self
    }

    /// Reads something of what is remembered of each of these devices, so that all of it is there when it is needed.
    pub(crate) fn look_ahead(&self, devices: impl Iterator<Item = DeviceId>) {
        let rows = devices.filter_map(|device| self.devices.get(device.index()));
        std::hint::black_box(rows.filter(|row| row.seq.is_some()).count());
    }

    /// Judges a telemetry message and, if it is new, remembers it.
    pub fn telemetry(&mut self, device: DeviceId, seq: Option<u32>, at_ms: u64) -> Verdict {
        let Some(seq) = seq else { return Verdict::New };
        let within_ms = self.seq_within_ms;
        let known = &mut self.device(device).seq;
        if known.is_some_and(|window| window.has(seq, at_ms, within_ms)) {
            return Verdict::Repeated;
        }
        *known = Some(SeqWindow::after(*known, seq, at_ms, within_ms));
        Verdict::New
    }

    /// Judges an alarm, event or state and, if it is new, remembers it. A state is always new.
    pub fn report(&mut self, report: &Report) -> Verdict {
        let Some((hash, active)) = identity(&report.body) else { return Verdict::New };
        let ts_ms = trusted_ts_ms(report.at_ms, report.skew_ms);
        let within_ms = self.id_within_ms;
        let ids = self.device(report.device).ids.get_or_insert_default();
        let known = ids.iter().position(|seen| seen.hash == hash);
        if known.is_some_and(|at| ids[at].repeats(active, ts_ms, report.at_ms, within_ms)) {
            return Verdict::Repeated;
        }
        let ids = Arc::make_mut(ids);
        match known {
            Some(at) => ids[at].note(active, ts_ms, report.at_ms, within_ms),
            None => {
                if ids.len() == IDS_MAX {
                    ids.remove(0);
                }
                let mut seen = Seen { hash, at_ms: report.at_ms, active, ts_ms: [None; 2] };
                seen.ts_ms[usize::from(active)] = ts_ms;
                ids.push(seen);
            }
        }
        Verdict::New
    }

    /// Brings the memory to the state after a commit of the journal.
    pub fn apply(&mut self, commit: &Commit) {
        for entry in &commit.entries {
            if let Entry::Report(report) = entry {
                self.report(report);
            }
        }
        // a message's readings stand together: each after the first changes nothing
        for Reading { device, seq, at_ms, .. } in &commit.readings {
            self.telemetry(*device, *seq, *at_ms);
        }
    }

    /// The memory in the store's encoding.
    pub fn snapshot(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// The memory that [`Admission::snapshot`] encoded.
    ///
    /// # Errors
    /// [`WireError`] when the bytes are of another layout version or damaged.
    pub fn restored(settings: &Settings, bytes: &[u8]) -> Result<Admission, WireError> {
        Ok(wire::decode::<Admission>(bytes)?.within(settings))
    }

    fn device(&mut self, id: DeviceId) -> &mut Device {
        let index = id.index();
        if index >= self.devices.len() {
            self.devices.resize(index + 1, Device::default());
        }
        &mut self.devices[index]
    }
}

impl SeqWindow {
    /// Whether `seq` was there, lately.
    fn has(&self, seq: u32, at_ms: u64, within_ms: u64) -> bool {
        let back = self.newest.wrapping_sub(seq);
        back < u32::BITS && self.seen & (1 << back) != 0 && at_ms.saturating_sub(self.at_ms) <= within_ms
    }

    fn after(known: Option<SeqWindow>, seq: u32, at_ms: u64, within_ms: u64) -> SeqWindow {
        let fresh = SeqWindow { newest: seq, seen: 1, at_ms };
        let Some(window) = known else { return fresh };
        let forward = seq.wrapping_sub(window.newest);
        let back = window.newest.wrapping_sub(seq);
        let at_ms = at_ms.max(window.at_ms);
        if (1..=i32::MAX as u32).contains(&forward) {
            let seen = window.seen.checked_shl(forward).unwrap_or(0) | 1;
            SeqWindow { newest: seq, seen, at_ms }
        } else if back < u32::BITS && at_ms - window.at_ms <= within_ms {
            // late, by another way
            SeqWindow { seen: window.seen | 1 << back, at_ms, ..window }
        } else {
            // much lower, or as low after a while: the device restarted
            fresh
        }
    }
}

impl Seen {
    /// Whether a message repeats what was said with this id: the same as the last, or an earlier one by its own clock.
    fn repeats(&self, active: bool, ts_ms: Option<u64>, at_ms: u64, within_ms: u64) -> bool {
        let lately = at_ms.saturating_sub(self.at_ms) <= within_ms;
        let same_clock = ts_ms.is_some() && ts_ms == self.ts_ms[usize::from(active)];
        lately && (active == self.active || same_clock)
    }

    fn note(&mut self, active: bool, ts_ms: Option<u64>, at_ms: u64, within_ms: u64) {
        if at_ms.saturating_sub(self.at_ms) > within_ms {
            self.ts_ms = [None; 2];
        }
        self.at_ms = at_ms;
        self.active = active;
        self.ts_ms[usize::from(active)] = ts_ms;
    }
}

fn identity(body: &Body) -> Option<(u64, bool)> {
    match body {
        Body::Alarm { id, active, .. } => Some((hash(&[b"alarm", id.as_bytes()]), *active)),
        Body::Event { id, .. } => Some((hash(&[b"event", id.as_bytes()]), true)),
        Body::State { .. } => None,
    }
}

/// FNV-1a, 64 bits: it is stored, so it must be the same in every build.
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.iter().chain(&[0xFF]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AlarmKind, EventKind};

    const DEVICE: DeviceId = DeviceId(7);
    const HOUR_MS: u64 = 3_600_000;

    fn admission() -> Admission {
        Admission::new(&Settings::default())
    }

    fn alarm(id: &str, active: bool, at_ms: u64, skew_ms: Option<i32>) -> Report {
        let body = Body::Alarm { id: id.into(), kind: AlarmKind::Smoke, active, value: None, unit: "".into() };
        Report { device: DEVICE, at_ms, skew_ms, body }
    }

    fn seqs(admission: &mut Admission, at_ms: u64, seqs: &[u32]) -> Vec<Verdict> {
        seqs.iter().map(|seq| admission.telemetry(DEVICE, Some(*seq), at_ms)).collect()
    }

    #[test]
    fn a_repeated_seq_is_told_also_late_and_across_the_wrap() {
        use Verdict::{New, Repeated};
        let mut memory = admission();
        assert_eq!(
            seqs(&mut memory, 1_000, &[1, 2, 4, 3, 3, 2, 4]),
            [New, New, New, New, Repeated, Repeated, Repeated]
        );
        let mut memory = admission();
        let wrap = [u32::MAX - 1, u32::MAX, 0, 1, u32::MAX, 0];
        assert_eq!(seqs(&mut memory, 1_000, &wrap), [New, New, New, New, Repeated, Repeated]);
        assert_eq!(memory.telemetry(DEVICE, None, 1_000), New);
    }

    #[test]
    fn a_device_that_restarted_is_heard() {
        use Verdict::{New, Repeated};
        let mut memory = admission();
        assert_eq!(seqs(&mut memory, 1_000, &[5_000, 5_001, 1, 2, 1]), [New, New, New, New, Repeated]);
        // an hourly device that restarts after its third message
        let mut memory = admission();
        for (hour, seq) in [1, 2, 3, 1, 2, 3, 4].into_iter().enumerate() {
            let at_ms = hour as u64 * HOUR_MS;
            assert_eq!(memory.telemetry(DEVICE, Some(seq), at_ms), New, "hour {hour}");
            assert_eq!(memory.telemetry(DEVICE, Some(seq), at_ms + 2_000), Repeated, "hour {hour}");
        }
    }

    #[test]
    fn the_end_of_an_alarm_is_no_repetition_of_it() {
        use Verdict::{New, Repeated};
        let mut memory = admission();
        for (report, verdict) in [
            (alarm("a", true, 1_000, None), New),
            (alarm("a", true, 2_000, None), Repeated),
            (alarm("a", false, 3_000, None), New),
            (alarm("a", false, 3_500, None), Repeated),
            (alarm("b", true, 3_600, None), New),
            // a panel that always says "a": it burns again
            (alarm("a", true, 4_000, None), New),
            (alarm("a", true, 4_000 + 25 * HOUR_MS, None), New),
        ] {
            assert_eq!(memory.report(&report), verdict, "{report:?}");
        }
    }

    #[test]
    fn an_old_message_sent_again_is_told_by_its_own_clock() {
        use Verdict::{New, Repeated};
        let mut memory = admission();
        assert_eq!(memory.report(&alarm("a", true, 10_000, Some(-100))), New);
        assert_eq!(memory.report(&alarm("a", false, 20_000, Some(-100))), New);
        // both again after a reconnect, ten seconds later
        assert_eq!(memory.report(&alarm("a", true, 30_000, Some(-20_100))), Repeated);
        assert_eq!(memory.report(&alarm("a", false, 30_000, Some(-10_100))), Repeated);
        // a clock that stands still at 1970 proves nothing
        let mut memory = admission();
        let now_ms = 1_763_798_400_000;
        for (active, at_ms) in [(true, now_ms), (false, now_ms + 1), (true, now_ms + 2)] {
            assert_eq!(memory.report(&alarm("a", active, at_ms, Some(i32::MIN))), New);
        }
    }

    #[test]
    fn alarms_and_events_have_their_own_ids() {
        let mut memory = admission();
        assert_eq!(memory.report(&alarm("1", true, 1, None)), Verdict::New);
        let event = |at_ms| Report {
            body: Body::Event { id: "1".into(), kind: EventKind::Test },
            ..alarm("1", true, at_ms, None)
        };
        assert_eq!(memory.report(&event(2)), Verdict::New);
        assert_eq!(memory.report(&event(3)), Verdict::Repeated);
    }

    #[test]
    fn memory_of_a_device_is_bounded_and_survives_the_store() {
        let mut memory = admission();
        for n in 0..100_u64 {
            assert_eq!(memory.report(&alarm(&n.to_string(), true, n, None)), Verdict::New);
        }
        seqs(&mut memory, 5, &[1, 2, 3]);
        assert_eq!(memory.devices[DEVICE.index()].ids.as_ref().map(|ids| ids.len()), Some(IDS_MAX));
        let mut stored = Admission::restored(&Settings::default(), &memory.snapshot()).expect("reads back");
        assert_eq!(stored, memory);
        assert_eq!(stored.report(&alarm("99", true, 100, None)), Verdict::Repeated);
        Admission::restored(&Settings::default(), &[9, 9]).expect_err("a foreign layout");
    }
}
