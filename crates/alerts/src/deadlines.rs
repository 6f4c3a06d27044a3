//! Deadlines of the stages (受理 派遣 到场 核实 处置 核查), and whom their breach is told (督办).
//!
//! All are counted from the ring on and held by no acknowledgement. A breach is told to the superior of whoever has the alert in hand:
//! the village chief above owner, grid worker and micro station, the township chief above the village's, the commander above
//! the township's; where that one does not help, the next one above after `supervise_s`. Each superior is told once for a
//! stage. A superior whom nobody is, or whom nothing reaches, passes it on at once. In hand has it, of those who
//! acknowledged or arrived in this ring, whoever has the lowest post; where nobody did, it lies in the grid.

use model::alert::{Deadline, Overdue, Stage};
use model::finding::Words;
use model::roster::Post;
use model::{Alert, FeedKind, PersonId};

use crate::policy::{Deadlines, Limits};
use crate::tell::{self, Telling};
use crate::turn::Draft;
use crate::{ladder, people};

/// Superiors, from the lowest.
const SUPERIORS: [Post; 3] = [Post::VillageChief, Post::TownshipChief, Post::Commander];

/// Writes down what is expected of a ring by when.
pub(crate) fn set(alert: &mut Alert, limits: &Deadlines) {
    for stage in Stage::ALL {
        let limit_s = limits.of(stage).of(alert.colour);
        if limit_s > 0 {
            let due_ms = alert.rang_ms + u64::from(limit_s) * 1000;
            let overdue = Vec::new();
            alert.deadlines.push(Deadline { stage, due_ms, met_ms: None, overdue, next_ms: Some(due_ms) });
        }
    }
}

/// Notes which stages are reached. Call it after every change of an alert.
pub(crate) fn meet(alert: &mut Alert, now_ms: u64) {
    for at in 0..alert.deadlines.len() {
        if alert.deadlines[at].met_ms.is_none() && alert.has_reached(alert.deadlines[at].stage) {
            let deadline = &mut alert.deadlines[at];
            (deadline.met_ms, deadline.next_ms) = (Some(now_ms), None);
        }
    }
}

/// When a superior is told next; nobody is of what is put aside, or waits for a silence, another alert or an incident.
pub(crate) fn next_due(alert: &Alert) -> Option<u64> {
    if alert.is_aside() || alert.held.is_some() {
        return None;
    }
    alert.deadlines.iter().filter_map(|deadline| deadline.next_ms).min()
}

/// By when a stage of the present ring is to be reached.
pub(crate) fn by_ms(alert: &Alert, stage: Stage) -> Option<u64> {
    alert.deadlines.iter().find(|deadline| deadline.stage == stage).map(|deadline| deadline.due_ms)
}

/// Tells the breaches that are due.
pub(crate) fn tick(alert: &mut Alert, limits: Limits, draft: &mut Draft<'_>) {
    if alert.is_aside() || alert.held.is_some() {
        return;
    }
    for at in 0..alert.deadlines.len() {
        while let Some(due_ms) = alert.deadlines[at].next_ms.filter(|next_ms| *next_ms <= draft.now_ms) {
            let above = tell_superior(alert, at, limits, draft);
            let supervise_ms = alert.terms.supervise_ms;
            alert.deadlines[at].next_ms = (above && supervise_ms > 0).then_some(due_ms + supervise_ms);
        }
    }
}

/// Tells the next superior; whether there is one above them.
fn tell_superior(alert: &mut Alert, at: usize, limits: Limits, draft: &mut Draft<'_>) -> bool {
    let stage = alert.deadlines[at].stage;
    let first = match alert.deadlines[at].overdue.last() {
        Some(last) => SUPERIORS.iter().position(|post| post.word() == &*last.whom).map_or(SUPERIORS.len(), |at| at + 1),
        None => in_hand(alert, draft),
    };
    let asked = ladder::asked(alert, limits, draft);
    let about = {
        let mut about = alert.summary();
        about.words = words(alert, stage, &about.words, draft.now_ms);
        about
    };
    let mut passed_on = Vec::new();
    for (level, post) in SUPERIORS.into_iter().enumerate().skip(first) {
        let named = people::named(&asked, post).into_iter().map(|named| named.person);
        let mut named: Vec<PersonId> = named.collect();
        named.truncate(limits.people_per_step.into());
        let mut reached = 0;
        for &person in &named {
            let step = format!("{}{}.{}", stage.word(), level + 1, person.0).into();
            let telling = Telling { step, whom: post.word(), person, about: about.clone() };
            reached += usize::from(tell::owe(alert, &telling, draft));
        }
        let overdue = Overdue { at_ms: draft.now_ms, whom: post.word().into(), people: named };
        alert.deadlines[at].overdue.push(overdue);
        if reached > 0 {
            let whom = post.word();
            passed_on.push(format!("{whom}, {reached} told"));
            record(alert, stage, &passed_on.join("; "), draft);
            draft.tell(FeedKind::AlertOverdue, alert, Some(format!("{} {whom}", stage.word()).into()));
            return level + 1 < SUPERIORS.len();
        }
        passed_on.push(format!("nobody to reach for {}", post.word()));
    }
    passed_on.push("nobody is above".to_owned());
    record(alert, stage, &passed_on.join("; "), draft);
    draft.tell(FeedKind::AlertOverdue, alert, Some(stage.word().into()));
    false
}

fn record(alert: &mut Alert, stage: Stage, whom: &str, draft: &Draft<'_>) {
    let note = format!("{}超时（{} overdue）督办: {whom}", stage.zh(), stage.word());
    draft.record(alert, FeedKind::AlertOverdue, "desk", Some(note.into()));
}

/// Place of the first superior of whoever has the alert in hand.
fn in_hand(alert: &Alert, draft: &Draft<'_>) -> usize {
    let marks = alert.acknowledged.iter().chain(&alert.arrived);
    let posts = marks.filter_map(|mark| draft.roster.person_by_code(&mark.person));
    let posts = posts.filter_map(|person| draft.roster.person(person)).map(|row| row.post);
    let levels = posts.map(|post| match post {
        Post::Owner | Post::GridWorker | Post::MicroStation => 0,
        Post::VillageChief => 1,
        Post::TownshipChief => 2,
        Post::Commander => 3,
    });
    levels.min().unwrap_or(0)
}

fn words(alert: &Alert, stage: Stage, words: &Words, now_ms: u64) -> Words {
    let minutes = now_ms.saturating_sub(alert.rang_ms) / 60_000;
    Words {
        zh: format!("督办：响起 {minutes} 分钟，{}超时；{}", stage.zh(), words.zh).into(),
        en: format!("overdue ({}): {minutes} min since it rang; {}", stage.word(), words.en).into(),
    }
}
