//! The outcome as Markdown and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Outcome;
use super::judged::{Alone, Verdict, median};
use super::library::Case;
use super::margins::Moved;
use super::quiet::{KITS, Segment};
use super::recordings::Kind;

const KINDS: [Kind; 3] = [Kind::Furniture, Kind::Burner, Kind::Home];

const RECORDINGS: &str = "\n## Recordings\n\nSeconds after ignition. One device a room or quadrant with what is measured under \
                          its ceiling; gain: seconds before the fixed temperature, and before the fastest real alarm.\n\n";
const ROOMS: &str = "\n## Rooms\n\nEach room that has a smoke meter and had a real smoke alarm, as a unit of its own: what the \
                     judge hears of that room alone, against the fastest real alarm in it. Many are far from the fire.\n\n";

fn shown(seconds: Option<f64>) -> String {
    seconds.map_or("–".into(), |seconds| format!("{seconds:.0}"))
}

fn signed(seconds: Option<f64>) -> String {
    seconds.map_or("–".into(), |seconds| format!("{seconds:+.0}"))
}

pub fn markdown(outcome: &Outcome) -> String {
    let mut text = String::from("# Fires and quiet hours through the judge\n");
    if outcome.combined.is_empty() {
        text.push_str("\nNo recordings were at hand.\n");
    } else {
        recordings(RECORDINGS, &outcome.combined, &mut text);
        recordings(ROOMS, &outcome.rooms, &mut text);
        summaries(outcome, &mut text);
    }
    moved(&outcome.moved, &mut text);
    quiet(outcome, &mut text);
    confusion(outcome, &mut text);
    text
}

fn recordings(title: &str, verdicts: &[Verdict], text: &mut String) {
    text.push_str(title);
    text.push_str(
        "| recording | kind | found | rule | pre-alarm | two devices | fixed 57.2 °C | ion | photo | gain on fixed | gain on \
         real | before ignition |\n|---|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for verdict in verdicts {
        let Verdict { name, kind, rule, early, .. } = verdict;
        let found = verdict.found_s.map_or("**missed**".into(), |seconds| format!("{seconds:.0}"));
        let cells = [verdict.warned_s, verdict.red_s, verdict.fixed_s, verdict.ion_s, verdict.photo_s].map(shown);
        let gains = [verdict.gain_on_fixed_s(), verdict.gain_on_real_s()].map(signed);
        let kind = kind.word();
        _ = writeln!(
            text,
            "| {name} | {kind} | {found} | {rule} | {} | {} | {early} |",
            cells.join(" | "),
            gains.join(" | ")
        );
    }
}

/// Found, recordings, false before ignition, and medians: found, fixed, gain on it, real, gain on it.
fn line(verdicts: &[&Verdict]) -> (usize, usize, usize, [Option<f64>; 5]) {
    let of = |get: &dyn Fn(&Verdict) -> Option<f64>| median(verdicts.iter().filter_map(|verdict| get(verdict)));
    let found = verdicts.iter().filter(|verdict| verdict.found_s.is_some()).count();
    let early = verdicts.iter().map(|verdict| verdict.early).sum();
    let medians = [
        of(&|verdict| verdict.found_s),
        of(&|verdict| verdict.fixed_s),
        of(&Verdict::gain_on_fixed_s),
        of(&Verdict::real_s),
        of(&Verdict::gain_on_real_s),
    ];
    (found, verdicts.len(), early, medians)
}

fn summary(name: &str, verdicts: &[Verdict], text: &mut String) {
    for kind in KINDS {
        let of_kind: Vec<&Verdict> = verdicts.iter().filter(|verdict| verdict.kind == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        let (found, all, early, [median_s, fixed_s, on_fixed_s, real_s, on_real_s]) = line(&of_kind);
        let kind = kind.word();
        let (cells, gains) = ([median_s, fixed_s].map(shown).join(" | "), signed(on_fixed_s));
        let (real, on_real) = (shown(real_s), signed(on_real_s));
        _ = writeln!(text, "| {name} | {kind} | {found} of {all} | {early} | {cells} | {gains} | {real} | {on_real} |");
    }
}

fn summaries(outcome: &Outcome, text: &mut String) {
    text.push_str(
        "\n## Summary by kind\n\nMedians in seconds. \"Real\" is the fastest real smoke alarm.\n\n\
         | sensors | kind | found | fire before ignition | time | fixed 57.2 °C | gain | real | gain |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    summary("one device a room", &outcome.combined, text);
    summary("each room alone", &outcome.rooms, text);
    for (name, verdicts) in outcome.others.iter().chain(&outcome.changed) {
        summary(name, verdicts, text);
    }
    for (alone, which) in outcome.alone.iter().zip(["down to 0.9 m below the ceiling", "lower than that"]) {
        let Alone { sensors, missed, early } = alone;
        _ = writeln!(
            text,
            "\nEach thermocouple {which}, alone: {sensors} sensors, {missed} missed the fire, {early} alarmed before ignition."
        );
    }
}

fn moved(all: &[Moved], text: &mut String) {
    if all.is_empty() {
        return;
    }
    text.push_str(
        "\n## Settings moved\n\nEach setting alone, times 0.6 to 1.6. A setting that sits close to one recording's own number \
         loses a fire, or rings before ignition, with a small step. Gains are medians in seconds: before the fixed temperature \
         (furniture), before the fastest real alarm (homes). False alerts: of a small part of the nuisances below.\n\n\
         | setting | value | found | fire before ignition | gain on fixed | gain on real | false alerts |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    );
    for of in all {
        let Moved { setting, value, recordings, found, early, false_alerts, .. } = of;
        let gains = [of.on_fixed_s, of.on_real_s].map(signed).join(" | ");
        _ = writeln!(text, "| {setting} | {value:.3} | {found} of {recordings} | {early} | {gains} | {false_alerts} |");
    }
}

fn total<'a>(segments: impl Iterator<Item = &'a Segment>) -> (f64, usize, usize) {
    segments.fold((0.0, 0, 0), |(days, alerts, warnings), segment| {
        (days + segment.device_days, alerts + segment.alerts(), warnings + segment.warnings())
    })
}

fn rate(alerts: usize, days: f64) -> f64 {
    if days > 0.0 { alerts as f64 * 1000.0 / days } else { 0.0 }
}

/// The largest mean that would show so few events with a chance of 5 %: Poisson's one-sided bound of 95 %.
fn most(events: usize) -> f64 {
    let chance = |mean: f64| {
        let mut term = -mean;
        let mut sum = term.exp();
        for event in 1..=events {
            term += (mean / event as f64).ln();
            sum += term.exp();
        }
        sum
    };
    let (mut low, mut high) = (0.0, 10.0 + 3.0 * events as f64);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        (low, high) = if chance(middle) > 0.05 { (middle, high) } else { (low, middle) };
    }
    high
}

fn quiet(outcome: &Outcome, text: &mut String) {
    text.push_str(
        "\n## Hours without fire\n\nFalse alerts of the family fire. Every case is played at one sample each 1, 5, 10 and 60 \
         s.\n\n| segment | what happens | sensors | device-days | false fire alerts | for 1,000 device-days | below, with 95 % | warnings \
         |\n|---|---|---|--:|--:|--:|--:|--:|\n",
    );
    let mut row = |name: &str, meaning: &str, kit: &str, segments: Vec<&Segment>| {
        let (days, alerts, warnings) = total(segments.into_iter());
        if days > 0.0 {
            let (rate, most) = (rate(alerts, days), most(alerts) * 1000.0 / days);
            _ = writeln!(
                text,
                "| {name} | {meaning} | {kit} | {days:.0} | {alerts} | {rate:.2} | {most:.2} | {warnings} |"
            );
        }
    };
    let of = |name: &str, kit: &str, beyond: bool| -> Vec<&Segment> {
        let all = outcome.segments.iter().filter(|segment| segment.name == name && segment.kit == kit);
        all.filter(|segment| segment.beyond == beyond).collect()
    };
    let looped = "before ignition, looped";
    row(looped, "stretches of the recordings, with noise", "heat", of(looped, "heat", false));
    let homes = "homes before the first kelvin, looped";
    let meaning = "the noise of meters and analysers, all rooms one unit";
    row(homes, meaning, "heat, smoke, CO", of(homes, "heat, smoke, CO", false));
    for case in Case::ALL {
        for (kit, _) in KITS {
            row(case.word(), case.meaning(), kit, of(case.word(), kit, false));
        }
    }
    row("**all**", "", "", outcome.segments.iter().filter(|segment| !segment.beyond).collect());
    for case in Case::ALL {
        for (kit, _) in KITS {
            row(&format!("_{}_", case.word()), case.meaning(), kit, of(case.word(), kit, true));
        }
    }
    row("_with those_", "", "", outcome.segments.iter().collect());
    text.push_str(
        "\nRows in italics: dense aerosol at a device that has no quantity to tell it from smouldering. It alarms, as every \
         detector of that kind must, and is not counted below.\n",
    );
    for segment in outcome.segments.iter().filter(|segment| segment.alerts() > 0) {
        let mut rules: Vec<&str> =
            segment.found.iter().filter(|found| found.opens).map(|found| found.rule.as_str()).collect();
        rules.sort_unstable();
        rules.dedup();
        let Segment { name, kit, every_s, .. } = segment;
        let alerts = segment.alerts();
        _ = writeln!(text, "\n- {name}, {kit}, each {every_s} s: {alerts} by {}", rules.join(", "));
    }
}

/// Fires found and missed, false alerts, days and readings without fire.
struct Counts {
    found: usize,
    missed: usize,
    wrong: usize,
    days: f64,
    readings: u64,
}

fn counts(outcome: &Outcome) -> Counts {
    let counted = || outcome.segments.iter().filter(|segment| !segment.beyond);
    let found = outcome.combined.iter().filter(|verdict| verdict.found_s.is_some()).count();
    let early: usize = outcome.combined.iter().map(|verdict| verdict.early).sum();
    let (days, alerts, _) = total(counted());
    let readings = counted().map(|segment| segment.readings).sum();
    Counts { found, missed: outcome.combined.len() - found, wrong: alerts + early, days, readings }
}

fn confusion(outcome: &Outcome, text: &mut String) {
    let Counts { found, missed, wrong, days, readings } = counts(outcome);
    text.push_str("\n## Confusion\n\n| | alert | no alert |\n|---|--:|--:|\n");
    _ = writeln!(text, "| fire (recordings) | {found} | {missed} |");
    _ = writeln!(text, "| no fire | {wrong} alerts | {days:.0} device-days, {readings} readings |");
    let (precision, recall) = scores(outcome);
    _ = writeln!(
        text,
        "\nRecall {}, precision {} of this mixture; in the field fires are rarer and precision is lower. False fire alerts \
         for 1,000 device-days: {:.2}, below {:.2} with 95 % confidence (Poisson).",
        recall.map_or("–".into(), |share| format!("{share:.3}")),
        precision.map_or("–".into(), |share| format!("{share:.3}")),
        rate(wrong, days),
        if days > 0.0 { most(wrong) * 1000.0 / days } else { 0.0 },
    );
}

/// Precision and recall of the recordings and segments together.
fn scores(outcome: &Outcome) -> (Option<f64>, Option<f64>) {
    let Counts { found, missed, wrong, .. } = counts(outcome);
    let (found, missed, wrong) = (found as f64, missed as f64, wrong as f64);
    let share = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    (share(found, found + wrong), share(found, found + missed))
}

pub fn json(outcome: &Outcome) -> Value {
    let verdict = |verdict: &Verdict| {
        json!({
            "name": verdict.name, "kind": verdict.kind.word(), "found_s": verdict.found_s, "rule": verdict.rule,
            "prealarm_s": verdict.warned_s, "two_devices_s": verdict.red_s, "fixed_s": verdict.fixed_s,
            "ion_s": verdict.ion_s, "photo_s": verdict.photo_s, "before_ignition": verdict.early,
        })
    };
    let verdicts = |verdicts: &[Verdict]| verdicts.iter().map(verdict).collect::<Vec<_>>();
    let named = |all: &[(&str, Vec<Verdict>)]| -> Value {
        all.iter()
            .map(|(name, of)| ((*name).to_owned(), Value::from(verdicts(of))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let segment = |segment: &Segment| {
        json!({
            "name": segment.name, "sensors": segment.kit, "every_s": segment.every_s, "device_days": segment.device_days,
            "readings": segment.readings, "beyond": segment.beyond, "false_fire_alerts": segment.alerts(), "warnings": segment.warnings(),
        })
    };
    let (precision, recall) = scores(outcome);
    let Counts { wrong, days, .. } = counts(outcome);
    json!({
        "recordings": verdicts(&outcome.combined),
        "rooms": verdicts(&outcome.rooms),
        "sensors": named(&outcome.others),
        "changed": named(&outcome.changed),
        "alone": outcome.alone.map(|alone| json!({
            "sensors": alone.sensors, "missed": alone.missed, "before_ignition": alone.early,
        })),
        "segments": outcome.segments.iter().map(segment).collect::<Vec<_>>(),
        "device_days": days, "false_fire_alerts": wrong, "false_for_1000_device_days": rate(wrong, days),
        "false_for_1000_device_days_most": if days > 0.0 { most(wrong) * 1000.0 / days } else { 0.0 },
        "precision": precision, "recall": recall,
    })
}
