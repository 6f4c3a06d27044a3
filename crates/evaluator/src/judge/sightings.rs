//! What people report.

use model::finding::Phase;
use model::report::SightingKind;
use model::{Colour, Sighting};
use smallvec::SmallVec;

use super::Judge;
use crate::rule::{self, Note, Told};
use crate::state::{Seen, Traces, Unit};

/// A person's own words are told up to here, characters.
const NOTE_MAX: usize = 200;

impl Judge {
    /// A person reported something of a unit. A report whose id the unit has had already changes nothing.
    pub(super) fn sighting(&mut self, sighting: &Sighting) {
        let (id, at_ms) = (sighting.unit, self.state.at_ms);
        let Some(unit) = self.state.units.get_mut(id.index()).filter(|unit| unit.current) else {
            // of another share, or taken off the roster since the report was admitted
            return;
        };
        let seen =
            Seen { id: tag(&sighting.id), by: tag(&sighting.by) as u32, kind: sighting.kind, at_ms, judged: false };
        let traces = unit.traces.get_or_insert_default();
        if traces.seen.iter().any(|known| known.id == seen.id) {
            return;
        }
        if traces.seen.len() == Traces::SEEN_MAX {
            // who saw a fire that nobody has judged stays as long as he can
            let speaks = |seen: &Seen| !seen.judged && matches!(seen.kind, SightingKind::Fire | SightingKind::Smoke);
            let goes = traces.seen.iter().position(|seen| !speaks(seen)).unwrap_or(0);
            traces.seen.remove(goes);
        }
        traces.seen.push(seen);
        let (within, colour) = rule::sighting::of(sighting.kind);
        let condition = rule::of_units().sighting + within;
        let before = self.draft.findings.len();
        self.draft.touched.push(id.0);
        if sighting.kind == SightingKind::AllClear {
            // told of the fire that is open, where one is; it ends nothing
            let alarm = Some(sighting.id.clone());
            let evidence = (Note::default(), (None, None));
            self.draft.finding(at_ms, id, None, condition, Colour::Blue, Phase::Ended, evidence, alarm);
        } else {
            let times = unit.held.iter().find(|held| held.condition == condition).map_or(0, |held| held.note.n);
            let note = Note { n: times + 1, ..Note::default() };
            let told = Told {
                condition,
                holds: Some(colour),
                note,
                alarm: Some(sighting.id.clone()),
                again: true,
                sign: None,
            };
            self.told_of(id, None, told, (None, None), 0);
        }
        for (_, finding) in &mut self.draft.findings[before..] {
            if finding.alarm.is_some() {
                let said: String = sighting.note.chars().take(NOTE_MAX).collect();
                let (zh, en) = if said.is_empty() {
                    (String::new(), String::new())
                } else {
                    (format!("：{said}"), format!(": {said}"))
                };
                finding.evidence.zh.to_mut().push_str(&format!("（{}{zh}）", sighting.by));
                finding.evidence.en.to_mut().push_str(&format!(" ({}{en})", sighting.by));
            }
        }
        if matches!(sighting.kind, SightingKind::Fire | SightingKind::Smoke) {
            self.ask_unit(id);
        }
        self.evidence_changed(id);
    }
}

/// People who see fire or smoke, each once, for [`rule::coincidence`].
pub(super) fn people(unit: &Unit, now_ms: u64, window_s: u32) -> SmallVec<[u32; 4]> {
    let seen = unit.traces.iter().flat_map(|traces| &traces.seen);
    let counted = seen.filter(|seen| {
        let is_fire = matches!(seen.kind, SightingKind::Fire | SightingKind::Smoke);
        is_fire && !seen.judged && now_ms.saturating_sub(seen.at_ms) <= u64::from(window_s) * 1000
    });
    let mut people: SmallVec<[u32; 4]> = counted.map(|seen| seen.by).collect();
    people.sort_unstable();
    people.dedup();
    people
}

/// FNV-1a.
fn tag(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
