//! The states of an alert, the facts that they follow from, and the acts that make those facts.

use serde::{Deserialize, Serialize};

use super::{Alert, Command};
use crate::finding::Colour;
use crate::ids::PersonId;

/// Where an alert stands: the states of ISA-18.2 (shelved and out of service among them), and between verification and
/// closing the steps of the grid flow 受理→派遣→处置→核查→结案. Closed set. It follows from the alert's facts alone, see
/// [`Alert::standing`]; who acknowledged, arrived and verified is kept per person beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Ringing: nobody's acknowledgement of this ring is in force.
    Raised,
    /// Somebody has acknowledged, and that has not expired (受理).
    Acknowledged,
    /// Somebody is on the spot.
    Arrived,
    /// Somebody was there and said what it is.
    Verified,
    /// Its sensors are back to normal, and nobody has acknowledged.
    RestoredUnacknowledged,
    /// Its sensors are back to normal; it is still open.
    Restored,
    /// Somebody works on it, or the work waits to be checked (处置).
    InWork,
    /// Somebody who did not do the work has found it done (核查).
    Checked,
    /// Done (结案). A finding in the same unit raises a new alert.
    Closed,
    /// Put aside for some hours; rings again after that if it still holds. Never a fire.
    Shelved,
    /// What is found of this family in the unit is expected for a time: building works. Never a fire.
    OutOfService,
}

impl AlertState {
    /// All, in the order of life.
    pub const ALL: [AlertState; 11] = [
        AlertState::Raised,
        AlertState::Acknowledged,
        AlertState::Arrived,
        AlertState::Verified,
        AlertState::RestoredUnacknowledged,
        AlertState::Restored,
        AlertState::InWork,
        AlertState::Checked,
        AlertState::Closed,
        AlertState::Shelved,
        AlertState::OutOfService,
    ];

    pub fn word(self) -> &'static str {
        match self {
            AlertState::Raised => "raised",
            AlertState::Acknowledged => "acknowledged",
            AlertState::Arrived => "arrived",
            AlertState::Verified => "verified",
            AlertState::RestoredUnacknowledged => "restored_unacknowledged",
            AlertState::Restored => "restored",
            AlertState::InWork => "in_work",
            AlertState::Checked => "checked",
            AlertState::Closed => "closed",
            AlertState::Shelved => "shelved",
            AlertState::OutOfService => "out_of_service",
        }
    }

    pub fn is_open(self) -> bool {
        self != AlertState::Closed
    }

    /// Its sensors are back to normal, and nothing further was done.
    pub fn is_restored(self) -> bool {
        matches!(self, AlertState::Restored | AlertState::RestoredUnacknowledged)
    }
}

impl Alert {
    /// The state that follows from the facts. What is said first goes before what is said later; acts before a ring speak
    /// only once the ring is acknowledged, so that a ring always shows.
    pub fn standing(&self) -> AlertState {
        let is_answered = !self.acknowledged.is_empty();
        let counts = |work: &Work| work.done_ms.is_none() || work.ring == self.ring;
        if self.closed.is_some() {
            AlertState::Closed
        } else if self.out_of_service.is_some() {
            AlertState::OutOfService
        } else if self.shelved.is_some() {
            AlertState::Shelved
        } else if self.checked.is_some() {
            AlertState::Checked
        } else if is_answered && self.work.iter().any(counts) {
            AlertState::InWork
        } else if self.verdict.is_some() {
            AlertState::Verified
        } else if self.conditions.is_empty() {
            if is_answered { AlertState::Restored } else { AlertState::RestoredUnacknowledged }
        } else if is_answered && !self.arrived.is_empty() {
            AlertState::Arrived
        } else if is_answered {
            AlertState::Acknowledged
        } else {
            AlertState::Raised
        }
    }
}

/// What somebody found on the spot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Real,
    False,
    Test,
}

impl Verdict {
    pub const ALL: [Verdict; 3] = [Verdict::Real, Verdict::False, Verdict::Test];

    pub fn word(self) -> &'static str {
        match self {
            Verdict::Real => "real",
            Verdict::False => "false",
            Verdict::Test => "test",
        }
    }
}

/// An act of one person on an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Code of the person, or name of the service that acted.
    pub person: Box<str>,
    pub at_ms: u64,
    pub note: Option<Box<str>>,
    /// Who entered it, where that is somebody else.
    pub entered_by: Option<Box<str>>,
    /// Until when an acknowledgement lasts while nothing further happens; `None`: until the next ring.
    pub until_ms: Option<u64>,
}

impl Mark {
    /// What a command does, at a time.
    pub fn of(command: &Command, at_ms: u64) -> Mark {
        let entered_by = command.entered_by.clone().filter(|by| *by != command.person);
        Mark { person: command.person.clone(), at_ms, note: command.note.clone(), entered_by, until_ms: None }
    }

    /// An act without words.
    pub fn by(person: &str, at_ms: u64) -> Mark {
        Mark { person: person.into(), at_ms, note: None, entered_by: None, until_ms: None }
    }

    /// Who did it.
    pub fn actor(&self) -> Actor {
        Actor::new(&self.person, self.entered_by.as_deref())
    }
}

/// One person's work on an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Who began it, and when.
    pub mark: Mark,
    /// When it was done; `None` while it goes on.
    pub done_ms: Option<u64>,
    /// The ring in which it was begun.
    pub ring: u16,
}

/// Who is to do something about an alert (派遣).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Code of the person.
    pub person: Box<str>,
    /// Who assigned them.
    pub by: Mark,
}

/// An alert that was put aside for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelf {
    /// Who did so; the note is the reason.
    pub by: Mark,
    pub until_ms: u64,
    /// The alert's colour then: what is more urgent ends it.
    pub colour: Colour,
}

/// A photo of the spot. Its bytes are kept beside the store, under their digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Photo {
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    pub media: Media,
    /// Length, bytes.
    pub bytes: u32,
}

impl Photo {
    /// The digest in hexadecimal.
    pub fn name(&self) -> String {
        crate::chain::hex(&self.sha256)
    }
}

/// What kind of file a photo is. Nothing else is taken: each of these is recognised by its first bytes and shows a
/// picture, without script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    Jpeg,
    Png,
    Webp,
}

impl Media {
    /// By the first bytes of a file; `None` for any other.
    pub fn of(bytes: &[u8]) -> Option<Media> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Media::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Media::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Media::Webp),
            _ => None,
        }
    }

    /// The media type of RFC 6838.
    pub fn mime(self) -> &'static str {
        match self {
            Media::Jpeg => "image/jpeg",
            Media::Png => "image/png",
            Media::Webp => "image/webp",
        }
    }

    /// Ending of a file's name.
    pub fn ending(self) -> &'static str {
        match self {
            Media::Jpeg => "jpg",
            Media::Png => "png",
            Media::Webp => "webp",
        }
    }
}

/// A photo with who took it; the note is its caption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhotoMark {
    pub photo: Photo,
    pub by: Mark,
}

/// What can be done with an alert. Texts (reasons, captions, words of a note) are the command's note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// 受理: I have heard of it.
    Acknowledge,
    /// I am on the spot.
    Arrive,
    /// I was there: this is what it is.
    Verify(Verdict, Cause),
    /// 结案.
    Close,
    /// 派遣: this person is to do something about it.
    Assign(PersonId),
    /// 处置 begins.
    BeginWork,
    /// My work is done.
    FinishWork,
    /// 核查 by somebody who did not work on it. Not in order: back to work; the note says why.
    Check {
        in_order: bool,
    },
    /// Words for the record.
    Note,
    /// A photo for the record.
    Photo(Photo),
    /// Put aside; the note is the reason.
    Shelve {
        until_ms: u64,
    },
    Unshelve,
    /// What this family finds in the unit is expected; the note is the reason. `None`: as long as is allowed.
    TakeOutOfService {
        until_ms: Option<u64>,
    },
    ReturnToService,
}

impl Action {
    /// A verdict whose cause is not known.
    pub fn verified(verdict: Verdict) -> Action {
        Action::Verify(verdict, Cause::Unknown)
    }

    /// The act's name; of a verdict, the verdict's word. Part of [`Command::tag`], so they never change.
    pub fn word(self) -> &'static str {
        match self {
            Action::Acknowledge => "acknowledge",
            Action::Arrive => "arrive",
            Action::Verify(verdict, _) => verdict.word(),
            Action::Close => "close",
            Action::Assign(_) => "assign",
            Action::BeginWork => "begin_work",
            Action::FinishWork => "finish_work",
            Action::Check { in_order: true } => "check",
            Action::Check { in_order: false } => "check_failed",
            Action::Note => "note",
            Action::Photo(_) => "photo",
            Action::Shelve { .. } => "shelve",
            Action::Unshelve => "unshelve",
            Action::TakeOutOfService { .. } => "take_out_of_service",
            Action::ReturnToService => "return_to_service",
        }
    }
}

/// Who did something: whose act it is, and who entered it. Both as 64-bit FNV-1a, so that whoever repeats a rule about
/// them can keep them in few bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub person: u64,
    /// `None` where they entered it themselves.
    pub entered_by: Option<u64>,
}

impl Actor {
    pub fn new(person: &str, entered_by: Option<&str>) -> Actor {
        let entered_by = entered_by.filter(|by| *by != person);
        Actor { person: fnv(person), entered_by: entered_by.map(fnv) }
    }

    /// Who gave a command.
    pub fn of(command: &Command) -> Actor {
        Actor::new(&command.person, command.entered_by.as_deref())
    }

    /// Whether this is another person than `first`: neither are they the same, nor did one of them enter the other's act.
    /// A service (or a dispatcher on the telephone) that enters the acts of two people is neither of them.
    pub fn is_second_to(self, first: Actor) -> bool {
        self.person != first.person && Some(self.person) != first.entered_by && self.entered_by != Some(first.person)
    }

    /// Whether this person may close an alert, as far as persons go: by sensor evidence, which is that no condition holds
    /// any more (`is_quiet`), or as the second person, where somebody verified it or worked on it and this one did neither.
    pub fn may_close(self, is_quiet: bool, did: impl IntoIterator<Item = Actor>) -> bool {
        let mut did = did.into_iter().peekable();
        is_quiet || did.peek().is_some() && did.all(|first| self.is_second_to(first))
    }
}

fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

pub use super::cause::Cause;
