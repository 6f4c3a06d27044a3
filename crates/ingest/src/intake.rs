//! One message at a time, from bytes to a commit's readings and reports: decode, admit, or quarantine. Pure: no
//! thread, no clock, no disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use broker::{Message, Reason};
use model::journal::{Commit, Entry, Mark, Quarantined};
use model::report::{Body, Reading, Report};
use model::{DeviceId, Epoch, Roster, RosterChange};
use smallvec::SmallVec;

use crate::admission::{Admission, Verdict, trusted_ts_ms};
use crate::flaw::{Fault, Reject};
use crate::quarantine::Quarantine;
use crate::settings::Settings;
use crate::tally::{LogBrake, Tally};
use crate::topic::{self, Address, Kind};
use crate::vendor::{Decoded, Payload, VENDORS, Vendor};

/// A commit in the making.
#[derive(Debug, Default)]
pub struct Draft {
    pub commit: Commit,
    /// How far the clock that stamped the messages is behind the commit's, ms.
    pub behind_ms: u64,
    pub quarantined: Vec<Quarantined>,
    /// Written with the commit, see [`Mark`].
    pub marks: Vec<Mark>,
}

impl Draft {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.commit.entries.is_empty()
            && self.commit.readings.is_empty()
            && self.quarantined.is_empty()
            && self.marks.is_empty()
    }
}

/// Decodes and admits.
#[derive(Debug)]
pub struct Intake {
    settings: Settings,
    roster: Arc<Roster>,
    admission: Admission,
    quarantine: Quarantine,
    decoded: Decoded,
    tally: Tally,
    alarm_brake: LogBrake,
    bug_brake: LogBrake,
}

impl Intake {
    /// `admission` and `roster` are those after the journal's last commit.
    pub fn new(settings: &Settings, roster: Arc<Roster>, admission: Admission) -> Intake {
        Intake {
            settings: settings.clone(),
            roster,
            admission,
            quarantine: Quarantine::new(settings),
            decoded: Decoded::new(settings),
            tally: Tally::default(),
            alarm_brake: LogBrake::default(),
            bug_brake: LogBrake::default(),
        }
    }

    /// The roster in force.
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// What is remembered of every device.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Puts the roster after `change` in force, for the messages that follow.
    pub fn change_roster(&mut self, change: &RosterChange, epoch: Epoch) {
        self.roster = Arc::new(self.roster.after(change, epoch));
    }

    /// Takes one message of `sender` into the draft (whose `commit.at_ms` is set) and says what the sender is told.
    ///
    /// The answer may be given once the draft is written; at once if it is empty.
    pub fn take(&mut self, sender: &Arc<str>, message: &Message, draft: &mut Draft) -> Reason {
        let mut told = Vec::with_capacity(1);
        self.take_all(sender, std::slice::from_ref(message), draft, &mut told);
        told.pop().expect("one message, one answer")
    }

    /// As [`Intake::take`] for messages of one sender, in their order; pushes what the sender is told of each.
    ///
    /// Their devices are looked up together: a city's do not fit into the processor's caches, and so their rows come
    /// together and not one after the other.
    pub fn take_all(&mut self, sender: &Arc<str>, messages: &[Message], draft: &mut Draft, told: &mut Vec<Reason>) {
        for few in messages.chunks(FEW) {
            let addressed: SmallVec<[_; FEW]> = few.iter().map(|message| self.address(message)).collect();
            let found: SmallVec<[_; FEW]> = addressed.into_iter().map(|to| to.and_then(|to| self.find(to))).collect();
            self.admission.look_ahead(found.iter().flatten().map(|found| found.device));
            for (message, found) in few.iter().zip(found) {
                told.push(self.take_found(sender, message, found, draft));
            }
        }
    }

    fn take_found(
        &mut self,
        sender: &Arc<str>,
        message: &Message,
        found: Result<Found<'_>, Reject>,
        draft: &mut Draft,
    ) -> Reason {
        let before = (draft.commit.entries.len(), draft.commit.readings.len(), draft.quarantined.len());
        let attempt = AssertUnwindSafe(|| found.and_then(|found| self.try_take(sender, message, &found, draft)));
        // no sender may end the process: a bug of ours costs one message, which is kept
        let taken = catch_unwind(attempt).unwrap_or_else(|_| {
            draft.commit.entries.truncate(before.0);
            draft.commit.readings.truncate(before.1);
            draft.quarantined.truncate(before.2);
            Err(self.failed(message))
        });
        match taken {
            Ok(()) => Reason::Success,
            Err(reject) => {
                self.refuse(sender, message, &reject, draft);
                reject.fault.reason()
            }
        }
    }

    /// What is due at a tick beside the evaluator's timers.
    pub(crate) fn tick(&mut self, draft: &mut Draft) {
        self.quarantine.summarise(draft.commit.at_ms, &mut draft.quarantined);
    }

    pub(crate) fn flush_metrics(&mut self) {
        self.tally.flush();
    }

    fn address<'t>(&mut self, message: &'t Message) -> Result<Addressed<'t>, Reject> {
        let read = || vendor_of(message.topic.as_str());
        catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(self.failed(message)))
    }

    #[inline]
    fn find<'t>(&self, (vendor, address): Addressed<'t>) -> Result<Found<'t>, Reject> {
        match self.roster.device_by_key(&address.device_key) {
            Some(device) => Ok(Found { vendor, address, device }),
            None => Err(unknown_device(&address.device_key)),
        }
    }

    fn try_take(
        &mut self,
        sender: &Arc<str>,
        message: &Message,
        found: &Found<'_>,
        draft: &mut Draft,
    ) -> Result<(), Reject> {
        let Found { vendor, address, device } = found;
        let device = *device;
        self.check_size(address.kind, message)?;
        self.decode(*vendor, address, message)?;
        for flaw in self.decoded.flaws() {
            self.tally.flawed(flaw.fault);
            let at_ms = draft.commit.at_ms;
            self.quarantine.flawed(sender, message, device, flaw, at_ms, &mut draft.quarantined);
        }
        // a clock that was put back must make a message neither younger than its commit nor much older
        let at_ms = message.received_ms.saturating_add(draft.behind_ms).min(draft.commit.at_ms);
        let skew_ms = self.decoded.ts_ms.map(|ts_ms| skew(ts_ms, at_ms));
        self.tally.clocks_absurd += u64::from(skew_ms.is_some_and(|skew| skew.unsigned_abs() > DAY_MS));
        self.admit_values(device, at_ms, skew_ms, draft);
        self.admit_bodies(device, at_ms, skew_ms, message, sender, draft);
        Ok(())
    }

    fn check_size(&self, kind: Kind, message: &Message) -> Result<(), Reject> {
        let limit_bytes = match kind {
            Kind::Alarm => self.settings.alarm_payload_bytes_max,
            _ => self.settings.payload_bytes_max,
        };
        let bytes = message.payload.len();
        if bytes <= limit_bytes {
            return Ok(());
        }
        let detail = format!("the payload has {bytes} bytes, at most {limit_bytes} are taken: send less at a time");
        Err(Reject::new(Fault::TooLarge, detail))
    }

    fn decode(&mut self, vendor: &dyn Vendor, address: &Address<'_>, message: &Message) -> Result<(), Reject> {
        self.decoded.clear();
        let payload = Payload { bytes: &message.payload, content_type: message.content_type.as_deref() };
        vendor.decode(address, payload, &mut self.decoded)
    }

    fn failed(&mut self, message: &Message) -> Reject {
        self.decoded = Decoded::new(&self.settings);
        if let Some(muted) = self.bug_brake.pass(message.received_ms) {
            let topic = message.topic.as_str();
            tracing::error!(
                topic,
                muted,
                "ingest panicked on a message; it is in the quarantine, report it with its bytes"
            );
        }
        Reject::new(Fault::DecoderFailed, "this message met a bug of ours: it is kept and will be looked at")
    }

    fn admit_values(&mut self, device: DeviceId, at_ms: u64, skew_ms: Option<i32>, draft: &mut Draft) {
        let Decoded { values, seq, .. } = &self.decoded;
        if values.is_empty() {
            return;
        }
        if self.admission.telemetry(device, *seq, at_ms) == Verdict::Repeated {
            self.tally.repeated(Kind::Telemetry);
            return;
        }
        self.tally.admitted(Kind::Telemetry);
        let reading = |&(quantity, value)| Reading { device, quantity, value, at_ms, skew_ms, seq: *seq };
        draft.commit.readings.extend(values.iter().map(reading));
    }

    fn admit_bodies(
        &mut self,
        device: DeviceId,
        at_ms: u64,
        skew_ms: Option<i32>,
        message: &Message,
        sender: &Arc<str>,
        draft: &mut Draft,
    ) {
        for mut body in self.decoded.bodies.drain(..) {
            let kind = match &mut body {
                Body::Alarm { id, kind, .. } => {
                    if id.is_empty() {
                        *id = made_id(kind.word(), at_ms, skew_ms);
                        self.tally.alarms_without_id += 1;
                        let flaw = crate::flaw::Flaw { fault: Fault::NoId, subject: "id" };
                        let now_ms = draft.commit.at_ms;
                        self.quarantine.flawed(sender, message, device, flaw, now_ms, &mut draft.quarantined);
                    }
                    Kind::Alarm
                }
                Body::Event { id, kind } => {
                    if id.is_empty() {
                        *id = made_id(kind.word(), at_ms, skew_ms);
                    }
                    Kind::Event
                }
                Body::State { will, .. } => {
                    *will = message.is_will;
                    Kind::State
                }
            };
            let report = Report { device, at_ms, skew_ms, body };
            match self.admission.report(&report) {
                Verdict::New => {
                    self.tally.admitted(kind);
                    draft.commit.entries.push(Entry::Report(report));
                }
                Verdict::Repeated => self.tally.repeated(kind),
            }
        }
    }

    fn refuse(&mut self, sender: &Arc<str>, message: &Message, reject: &Reject, draft: &mut Draft) {
        self.tally.refused(reject.fault);
        let at_ms = draft.commit.at_ms;
        if !self.quarantine.refused(sender, message, reject, at_ms, &mut draft.quarantined) {
            self.tally.suppressed += 1;
        }
        if message.topic.as_str().ends_with("/alarm")
            && let Some(muted) = self.alarm_brake.pass(at_ms)
        {
            tracing::warn!(
                topic = message.topic.as_str(),
                sender = &**sender,
                reason = reject.fault.word(),
                detail = reject.detail,
                muted,
                "an alarm was refused; it is in the quarantine"
            );
        }
    }
}

const DAY_MS: u32 = 86_400_000;

/// Messages whose devices are looked up together.
const FEW: usize = 16;

/// Who reads a message, and what its topic says.
type Addressed<'t> = (&'static dyn Vendor, Address<'t>);

/// The same, with the device.
struct Found<'t> {
    vendor: &'static dyn Vendor,
    address: Address<'t>,
    device: DeviceId,
}

fn vendor_of(topic: &str) -> Result<Addressed<'_>, Reject> {
    for vendor in VENDORS {
        if let Some(address) = vendor.address(topic) {
            return Ok((*vendor, address?));
        }
    }
    Err(Reject::new(Fault::TopicInvalid, topic::grammar(topic)))
}

fn unknown_device(key: &str) -> Reject {
    let detail = format!(
        "device {key} is not on the roster: add a row with its vendor, device and unit to devices.csv and reload the roster, \
         or correct the topic"
    );
    Reject::new(Fault::UnknownDevice, detail)
}

fn skew(ts_ms: i64, at_ms: u64) -> i32 {
    let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
    let skew_ms = ts_ms.saturating_sub(at_ms);
    i32::try_from(skew_ms).unwrap_or(if skew_ms < 0 { i32::MIN } else { i32::MAX })
}

/// An id for an alarm or event without one: by the device's clock where it can be trusted, so that a repetition gets the
/// same, and else by the time of receipt, so that nothing is taken for a repetition that is none.
fn made_id(word: &str, at_ms: u64, skew_ms: Option<i32>) -> Box<str> {
    let made_at_ms = trusted_ts_ms(at_ms, skew_ms).unwrap_or(at_ms);
    format!("made-{word}-{made_at_ms}").into()
}
