//! Orders: what people ask of many at once, or of the desk, without it being an act on one alert.

mod record;

use serde::{Deserialize, Serialize};

pub use record::{Answered, Asked, DeafChannel, OrderCounts, OrderEnd, OrderItem, OrderNews, OrderRecord, Way, WayEnd};

use crate::alert::{AlertState, Refused, Verdict};
use crate::finding::{Colour, Family, Words};
use crate::hold::SilenceOrder;
use crate::ids::{AlertId, CommandId, OrderId, RegionCode, UnitId};
use crate::roster::Post;

/// An order as it enters the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub id: CommandId,
    /// Code of the person (or name of the service) whose order it is.
    pub person: Box<str>,
    /// Who entered it, where that is somebody else.
    pub entered_by: Option<Box<str>>,
    pub body: OrderBody,
}

/// What is ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderBody {
    /// An instruction to everybody with one of the posts in a region and below it.
    Instruct {
        region: RegionCode,
        /// None: everybody of the chain, see [`Post::CHAIN`].
        posts: Vec<Post>,
        /// In the words of who ordered it; [`Order::TEXT_CHARS_MAX`].
        text: Box<str>,
        /// Alert that it is about, if any.
        alert: Option<AlertId>,
        colour: Colour,
        /// Ends by itself after this, seconds.
        expires_s: u32,
        /// Those who have not answered are told once more after this, seconds; 0: never.
        remind_after_s: u32,
        /// A rehearsal: marked so everywhere.
        exercise: bool,
    },
    /// A person who was asked answers.
    Answer { order: OrderId, answer: Answer, note: Option<Box<str>> },
    /// Ends an order before its time.
    End { order: OrderId, reason: Box<str> },
    /// 查岗: everybody on duty with one of the posts says within the window that they are there.
    RollCall { region: RegionCode, posts: Vec<Post>, window_s: u32, exercise: bool },
    /// Every channel of everybody with one of the posts gets a test message.
    ChannelTest { region: RegionCode, posts: Vec<Post>, window_s: u32 },
    /// 演练: alerts that go through the real ladder, marked as exercise.
    Drill {
        region: RegionCode,
        /// None: the desk chooses one in the region that has no open alert.
        units: Vec<UnitId>,
        family: Family,
        colour: Colour,
        note: Box<str>,
        /// Ends by itself after this, seconds.
        lasts_s: u32,
    },
    /// An alert is offered to the fire brigade.
    HandOff {
        alert: AlertId,
        /// `webhook:<name>`, or the code of a person of the roster.
        to: Box<str>,
        /// The commander is told when there is no answer within this, seconds.
        answer_within_s: u32,
        note: Option<Box<str>>,
    },
    /// What the brigade says to an alert that it was offered.
    Progress { order: OrderId, stage: Stage, reason: Option<Box<str>> },
    /// For a time, nobody is called for what the silence covers.
    Silence(Box<SilenceOrder>),
    /// A silence is over before its time.
    EndSilence(OrderId),
}

impl Order {
    /// Characters of an instruction's text, and of a drill's note, at most.
    pub const TEXT_CHARS_MAX: usize = 200;
    /// Units of one drill at most.
    pub const DRILL_UNITS_MAX: usize = 64;
}

impl OrderBody {
    /// One word for its kind.
    pub fn word(&self) -> &'static str {
        match self {
            OrderBody::Instruct { .. } => "instruct",
            OrderBody::Answer { .. } => "answer",
            OrderBody::End { .. } => "end",
            OrderBody::RollCall { .. } => "roll_call",
            OrderBody::ChannelTest { .. } => "channel_test",
            OrderBody::Drill { .. } => "drill",
            OrderBody::HandOff { .. } => "hand_off",
            OrderBody::Progress { .. } => "progress",
            OrderBody::Silence(_) => "silence",
            OrderBody::EndSilence(_) => "end_silence",
        }
    }
}

/// What somebody who was asked says. Each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Read; to a roll-call: present.
    Read,
    /// At the place.
    Arrived,
    Done,
    /// Cannot do it; the note says why.
    Cannot,
}

impl Answer {
    pub const ALL: [Answer; 4] = [Answer::Read, Answer::Arrived, Answer::Done, Answer::Cannot];

    pub fn word(self) -> &'static str {
        match self {
            Answer::Read => "read",
            Answer::Arrived => "arrived",
            Answer::Done => "done",
            Answer::Cannot => "cannot",
        }
    }
}

/// Where the hand-off of an alert to the fire brigade stands, as in ASAP-to-PSAP (APCO/TMA 2.101.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Offered,
    Accepted,
    /// The reason stands in its history.
    Rejected,
    Dispatched,
    Arrived,
    /// The disposition stands in its history.
    Closed,
    /// Taken back: the alert was found to be none, or was closed.
    Cancelled,
}

impl Stage {
    pub fn word(self) -> &'static str {
        match self {
            Stage::Offered => "offered",
            Stage::Accepted => "accepted",
            Stage::Rejected => "rejected",
            Stage::Dispatched => "dispatched",
            Stage::Arrived => "arrived",
            Stage::Closed => "closed",
            Stage::Cancelled => "cancelled",
        }
    }

    /// Whether nothing follows.
    pub fn is_end(self) -> bool {
        matches!(self, Stage::Rejected | Stage::Closed | Stage::Cancelled)
    }
}

/// The head of an order, as deliveries and feeds show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderSummary {
    pub id: OrderId,
    /// One word for what is told: "instruct", "reminder", "withdrawn", "roll_call", "channel_test", "report", "hand_off"…
    pub kind: Box<str>,
    /// How urgent its deliveries are.
    pub colour: Colour,
    pub region: RegionCode,
    pub by: Box<str>,
    pub at_ms: u64,
    /// English may be empty: what a person wrote has one language.
    pub words: Words,
    pub alert: Option<AlertId>,
    pub exercise: bool,
    /// What the fire brigade must know, for a hand-off.
    pub facts: Option<Box<Facts>>,
}

/// What the fire brigade is told of an alert, as of the moment of telling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub alert: AlertId,
    pub family: Family,
    pub colour: Colour,
    pub state: AlertState,
    /// `None`: nobody has been there yet.
    pub verdict: Option<Verdict>,
    pub raised_ms: u64,
    pub unit: Box<str>,
    pub unit_name: Box<str>,
    /// Kind of building or business.
    pub category: Box<str>,
    pub address: Box<str>,
    /// Names of township, village and grid.
    pub places: [Box<str>; 3],
    /// Metres east and north of the operator's local origin.
    pub position_m: Option<(f32, f32)>,
    /// People who live or stay there, of them those who need help to get out, and storeys. Counts.
    pub people: Option<u32>,
    pub vulnerable: Option<u32>,
    pub storeys: Option<u16>,
    /// The newest [`Facts::EVIDENCE_MAX`] things seen, newest first.
    pub evidence: Vec<Box<str>>,
    /// Names of those who have arrived.
    pub present: Vec<Box<str>>,
    pub contacts: Vec<Contact>,
    pub note: Option<Box<str>>,
}

impl Facts {
    /// Things seen that are told.
    pub const EVIDENCE_MAX: usize = 8;
}

/// Somebody to call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub name: Box<str>,
    pub post: Post,
    pub phone: Box<str>,
}

/// What became of an order. Not stored: it follows from the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderOutcome {
    pub id: CommandId,
    /// The order's name (of an answer: that of what it answers), or why it was refused.
    pub result: Result<OrderId, Refused>,
}
