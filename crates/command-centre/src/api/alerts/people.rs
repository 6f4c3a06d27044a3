//! What people did with an alert, as its page and its case file show it.

use model::Roster;
use model::alert::{Assignment, Cause, HistoryItem, PhotoMark, Shelf, Work};
use serde::Serialize;

use crate::shapes::{MarkShape, person_name};

/// A coded cause with its words.
#[derive(Serialize)]
pub(super) struct CauseShape {
    code: &'static str,
    text_zh: String,
    text_en: String,
}

impl CauseShape {
    pub(super) fn new(cause: Cause) -> CauseShape {
        let words = cause.words();
        CauseShape { code: cause.word(), text_zh: words.zh.into(), text_en: words.en.into() }
    }
}

/// Who is to do something about it.
#[derive(Serialize)]
pub(super) struct AssignedShape<'a> {
    person: &'a str,
    name: &'a str,
    by: MarkShape<'a>,
}

impl<'a> AssignedShape<'a> {
    pub(super) fn new(assigned: &'a Assignment, roster: &'a Roster) -> AssignedShape<'a> {
        AssignedShape {
            person: &assigned.person,
            name: person_name(roster, &assigned.person),
            by: MarkShape::new(&assigned.by, roster),
        }
    }
}

/// Who works on it, or did.
#[derive(Serialize)]
pub(super) struct WorkShape<'a> {
    #[serde(flatten)]
    begun: MarkShape<'a>,
    ring: u16,
    done_ms: Option<u64>,
}

impl<'a> WorkShape<'a> {
    pub(super) fn new(work: &'a Work, roster: &'a Roster) -> WorkShape<'a> {
        WorkShape { begun: MarkShape::new(&work.mark, roster), ring: work.ring, done_ms: work.done_ms }
    }
}

/// Who put it aside, and until when.
#[derive(Serialize)]
pub(super) struct ShelfShape<'a> {
    by: MarkShape<'a>,
    until_ms: u64,
}

impl<'a> ShelfShape<'a> {
    pub(super) fn new(shelf: &'a Shelf, roster: &'a Roster) -> ShelfShape<'a> {
        ShelfShape { by: MarkShape::new(&shelf.by, roster), until_ms: shelf.until_ms }
    }
}

#[derive(Serialize)]
pub(super) struct PhotoShape<'a> {
    sha256: String,
    media_type: &'static str,
    bytes: u32,
    by: MarkShape<'a>,
}

impl<'a> PhotoShape<'a> {
    pub(super) fn new(kept: &'a PhotoMark, roster: &'a Roster) -> PhotoShape<'a> {
        PhotoShape {
            sha256: kept.photo.name(),
            media_type: kept.photo.media.mime(),
            bytes: kept.photo.bytes,
            by: MarkShape::new(&kept.by, roster),
        }
    }
}

/// Everything that one person did.
#[derive(Serialize)]
pub(super) struct ActorShape<'a> {
    person: &'a str,
    name: &'a str,
    acts: Vec<ActShape<'a>>,
}

#[derive(Serialize)]
struct ActShape<'a> {
    at_ms: u64,
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

impl<'a> ActorShape<'a> {
    /// Of all people whose acts the history holds.
    pub(super) fn all(history: &'a [HistoryItem], roster: &'a Roster) -> Vec<ActorShape<'a>> {
        let mut people: Vec<ActorShape<'a>> = Vec::new();
        for item in history.iter().filter(|item| item.command.is_some()) {
            let act = ActShape { at_ms: item.at_ms, what: &item.what, note: item.note.as_deref() };
            match people.iter_mut().find(|known| *known.person == *item.by) {
                Some(known) => known.acts.push(act),
                None => {
                    let name = person_name(roster, &item.by);
                    people.push(ActorShape { person: &item.by, name, acts: vec![act] });
                }
            }
        }
        people
    }
}
