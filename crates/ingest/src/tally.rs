//! Counts of one commit, told to the metrics recorder once for all.

use metrics::counter;

use crate::flaw::Fault;
use crate::topic::Kind;

/// What a commit's messages came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    admitted: [u64; Kind::ALL.len()],
    repeated: [u64; Kind::ALL.len()],
    /// By position in [`Fault::ALL`].
    refused: [u64; Fault::ALL.len()],
    flawed: [u64; Fault::ALL.len()],
    pub(crate) suppressed: u64,
    pub(crate) alarms_without_id: u64,
    /// Device clock more than a day off.
    pub(crate) clocks_absurd: u64,
}

impl Tally {
    pub(crate) fn admitted(&mut self, kind: Kind) {
        self.admitted[kind as usize] += 1;
    }

    pub(crate) fn repeated(&mut self, kind: Kind) {
        self.repeated[kind as usize] += 1;
    }

    pub(crate) fn refused(&mut self, fault: Fault) {
        self.refused[fault as usize] += 1;
    }

    pub(crate) fn flawed(&mut self, fault: Fault) {
        self.flawed[fault as usize] += 1;
    }

    /// Tells the counts and begins again.
    pub(crate) fn flush(&mut self) {
        let Tally { admitted, repeated, refused, flawed, suppressed, alarms_without_id, clocks_absurd } =
            std::mem::take(self);
        for (kind, (admitted, repeated)) in Kind::ALL.into_iter().zip(admitted.into_iter().zip(repeated)) {
            for (outcome, count) in [("admitted", admitted), ("repeated", repeated)] {
                if count > 0 {
                    counter!("fenghuo_ingest_messages_total", "kind" => kind.word(), "outcome" => outcome)
                        .increment(count);
                }
            }
        }
        for (fault, (refused, flawed)) in Fault::ALL.iter().zip(refused.into_iter().zip(flawed)) {
            for (outcome, count) in [("refused", refused), ("taken", flawed)] {
                if count > 0 {
                    counter!("fenghuo_ingest_faults_total", "reason" => fault.word(), "outcome" => outcome)
                        .increment(count);
                }
            }
        }
        for (name, count) in [
            ("fenghuo_ingest_quarantine_suppressed_total", suppressed),
            ("fenghuo_ingest_alarm_without_id_total", alarms_without_id),
            ("fenghuo_ingest_clock_absurd_total", clocks_absurd),
        ] {
            if count > 0 {
                counter!(name).increment(count);
            }
        }
    }
}

/// Lets one log line through in a while and counts the rest.
#[derive(Debug, Default)]
pub(crate) struct LogBrake {
    next_ms: u64,
    muted: u64,
}

impl LogBrake {
    const EVERY_MS: u64 = 10_000;

    /// `Some(lines kept back since the last one)` if a line may be written now.
    pub(crate) fn pass(&mut self, at_ms: u64) -> Option<u64> {
        if at_ms < self.next_ms {
            self.muted += 1;
            return None;
        }
        self.next_ms = at_ms + LogBrake::EVERY_MS;
        Some(std::mem::take(&mut self.muted))
    }
}
