//! Alerts, what people do with them, and the deliveries they owe.

mod cause;
mod life;

use serde::{Deserialize, Serialize};

pub use life::{Action, Actor, AlertState, Assignment, Cause, Mark, Media, Photo, PhotoMark, Shelf, Verdict, Work};

use crate::chain::{Digest, Trims};
use crate::finding::{Colour, ConditionKey, Family, Words};
use crate::hold::Held;
use crate::ids::{AlertId, CommandId, DeliveryId, DeviceId, Epoch, Matter, OrderId, PersonId, RegionCode, UnitId};
use crate::order::OrderSummary;

pub use crate::ladder::{Call, Deadline, Overdue, Stage, Terms};

/// One fire, hazard or fault in one unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub id: AlertId,
    /// The most urgent colour that it had, or since what it showed was found to be nothing.
    pub colour: Colour,
    pub state: AlertState,
    /// The unit's grid when it was raised.
    pub grid: RegionCode,
    pub raised_ms: u64,
    pub updated_ms: u64,
    /// How often it rang: 1 when raised, one more each time it fires again after it was restored.
    pub ring: u16,
    /// When the present ring began.
    pub rang_ms: u64,
    /// Acknowledgements of the present ring that are in force; each lasts as its mark says.
    pub acknowledged: Vec<Mark>,
    pub arrived: Vec<Mark>,
    pub verdict: Option<(Verdict, Mark)>,
    /// Of the verdict.
    pub cause: Option<Cause>,
    /// Conditions that hold now, in the order in which they began.
    pub conditions: Vec<ConditionKey>,
    /// The newest [`Alert::EVIDENCE_MAX`] findings merged into it, oldest first.
    pub evidence: Vec<Evidence>,
    /// All findings merged into it.
    pub evidence_count: u32,
    /// The ladder of the present ring.
    pub ladder: Vec<Rung>,
    /// The newest [`Alert::HISTORY_MAX`] changes, oldest first.
    pub history: Vec<HistoryItem>,
    /// Nothing but tests and drills: shown, but nobody is called out, unless by an ordered drill.
    pub exercise: bool,
    /// The drill that raised it: its ladder is told, marked as exercise.
    pub drill: Option<OrderId>,
    /// What went from the history where it was full.
    pub trims: Trims,
    /// Who is to do something about it.
    pub assigned: Option<Assignment>,
    /// Who worked on it, in any ring, in the order in which they began.
    pub work: Vec<Work>,
    /// Who found the work done, in the present ring.
    pub checked: Option<Mark>,
    pub closed: Option<Mark>,
    pub shelved: Option<Shelf>,
    pub out_of_service: Option<Shelf>,
    /// What people wrote for the record, oldest first.
    pub notes: Vec<Mark>,
    pub photos: Vec<PhotoMark>,
    /// The alert of the same unit and family that was closed a short time before this one was raised.
    pub follows: Option<AlertId>,
    /// What the policy said when the present ring began.
    pub terms: Terms,
    /// Until when acknowledgements of the present ring hold the steps that still wait; their times are moved already. 0:
    /// nothing was held.
    pub held_until_ms: u64,
    /// Who of the present ring was told, and when they are told again.
    pub calls: Vec<Call>,
    /// What is expected of the present ring by when, in the order of the stages.
    pub deadlines: Vec<Deadline>,
    /// Why its ladder waits, while it does.
    pub held: Option<Held>,
    /// The incident that it is part of.
    pub storm: Option<OrderId>,
}

impl Alert {
    /// Findings kept of one alert.
    pub const EVIDENCE_MAX: usize = 64;
    /// Changes kept of one alert.
    pub const HISTORY_MAX: usize = 256;
    /// People who may acknowledge, arrive at or work on one alert.
    pub const PEOPLE_MAX: usize = 256;
    /// Notes of one alert.
    pub const NOTES_MAX: usize = 256;
    /// Photos of one alert.
    pub const PHOTOS_MAX: usize = 20;

    /// An alert that rings for the first time, and of which nothing else is known.
    pub fn new(id: AlertId, colour: Colour, grid: RegionCode, now_ms: u64) -> Alert {
        Alert {
            id,
            colour,
            state: AlertState::Raised,
            grid,
            raised_ms: now_ms,
            updated_ms: now_ms,
            ring: 1,
            rang_ms: now_ms,
            acknowledged: Vec::new(),
            arrived: Vec::new(),
            verdict: None,
            cause: None,
            conditions: Vec::new(),
            evidence: Vec::new(),
            evidence_count: 0,
            ladder: Vec::new(),
            history: Vec::new(),
            trims: Trims::default(),
            exercise: false,
            drill: None,
            assigned: None,
            work: Vec::new(),
            checked: None,
            closed: None,
            shelved: None,
            out_of_service: None,
            notes: Vec::new(),
            photos: Vec::new(),
            follows: None,
            terms: Terms::default(),
            held_until_ms: 0,
            calls: Vec::new(),
            deadlines: Vec::new(),
            held: None,
            storm: None,
        }
    }
}

/// A finding as an alert keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub at_ms: u64,
    pub epoch: Epoch,
    pub rule: std::borrow::Cow<'static, str>,
    pub device: Option<DeviceId>,
    pub colour: Colour,
    pub words: Words,
    /// The device's own alarm id, where the finding is an alarm message.
    pub alarm: Option<Box<str>>,
}

/// One step of a ladder: some people, told at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// Whom: "township", "village", "grid", "owner", "micro_station", "command_centre".
    pub whom: Box<str>,
    pub due_ms: u64,
    /// When its (first) delivery was written down as owed; `None` while it waits.
    pub told_ms: Option<u64>,
    /// Whom the roster named at that moment.
    pub people: Vec<PersonId>,
    /// Its people are told one after the other, every so many ms, until somebody acknowledges; 0: all at once.
    pub in_turn_ms: u64,
    /// How many of `people` had their turn.
    pub reached: u16,
    /// When the next of them is told; `None`: nobody waits for a turn.
    pub next_ms: Option<u64>,
}

/// What happened to an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryItem {
    /// Place among all that ever stood in the history, from 0.
    pub number: u32,
    pub at_ms: u64,
    pub epoch: Epoch,
    /// A word of [`crate::ledger::FeedKind`].
    pub what: Box<str>,
    /// Person or rule that caused it.
    pub by: Box<str>,
    /// In words for people.
    pub note: Option<Box<str>>,
    /// The command that caused it, as [`Command::tag`]: by this, one that comes twice is known. `None` where no command
    /// did. Of no use to people.
    pub command: Option<u64>,
    /// Chains it to the items before, see [`crate::chain`].
    pub hash: Digest,
}

/// The head of an alert, as lists and feeds show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertSummary {
    pub id: AlertId,
    pub colour: Colour,
    pub state: AlertState,
    pub unit: UnitId,
    pub grid: RegionCode,
    pub raised_ms: u64,
    pub updated_ms: u64,
    pub ring: u16,
    /// The newest evidence of the most urgent colour.
    pub words: Words,
    pub acknowledged_by: Vec<Box<str>>,
    pub verdict: Option<Verdict>,
    pub evidence_count: u32,
    pub exercise: bool,
    /// When the next time limit of its stages runs out (or the first did, unmet); `None`: none is open.
    pub due_ms: Option<u64>,
    /// Why its ladder waits, while it does.
    pub held: Option<Held>,
    /// The incident that it is part of.
    pub storm: Option<OrderId>,
}

impl Alert {
    pub fn family(&self) -> Family {
        self.id.family
    }

    /// The head of this alert.
    pub fn summary(&self) -> AlertSummary {
        // `max_by_key` returns the last of equal maxima: in this order, the newest
        let newest_worst = self.evidence.iter().max_by_key(|evidence| evidence.colour);
        AlertSummary {
            id: self.id,
            colour: self.colour,
            state: self.state,
            unit: self.id.unit,
            grid: self.grid,
            raised_ms: self.raised_ms,
            updated_ms: self.updated_ms,
            ring: self.ring,
            words: newest_worst
                .map_or_else(|| Words { zh: "".into(), en: "".into() }, |evidence| evidence.words.clone()),
            acknowledged_by: self.acknowledged.iter().map(|mark| mark.person.clone()).collect(),
            verdict: self.verdict.as_ref().map(|(verdict, _)| *verdict),
            evidence_count: self.evidence_count,
            exercise: self.exercise,
            due_ms: self.due_ms(),
            held: self.held.clone(),
            storm: self.storm,
        }
    }
}

/// An operator's act on an alert, as it enters the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub id: CommandId,
    /// Code of the person (or name of the service) whose act it is.
    pub person: Box<str>,
    /// Who entered it, where that is somebody else.
    pub entered_by: Option<Box<str>>,
    pub alert: AlertId,
    pub action: Action,
    pub note: Option<Box<str>>,
}

impl Command {
    /// Names the command among those of its person: 64-bit FNV-1a of its id, a byte 0xff, and the word of its action.
    /// Stored in [`HistoryItem::command`], so it must never change.
    pub fn tag(&self) -> u64 {
        let bytes = self.id.as_str().bytes().chain([0xff]).chain(self.action.word().bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }
}

/// What became of a command. Not stored: it follows from the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandOutcome {
    pub id: CommandId,
    /// The alert after it, or why it was refused.
    pub result: Result<AlertSummary, Refused>,
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no alert {0}")]
    Unknown(AlertId),
    #[error("{0}")]
    Forbidden(String),
}

/// Something that a person is owed to be told, in one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    pub id: DeliveryId,
    pub matter: Matter,
    /// The matter when the delivery became owed.
    pub about: About,
    /// Step of the ladder that asks for it; for an order its kind.
    pub whom: Box<str>,
    pub person: PersonId,
    pub person_code: Box<str>,
    pub person_name: Box<str>,
    /// A name of the dispatcher's channel table: "mqtt", "webhook:brigade", "console".
    pub channel: Box<str>,
    /// When it became owed, or began to wait.
    pub owed_ms: u64,
    pub state: DeliveryState,
    /// The newest [`Delivery::ATTEMPTS_MAX`] attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// All attempts.
    pub attempt_count: u32,
    /// When the person first said that they had it before them: pressed the button of the page, or a digit.
    pub read_ms: Option<u64>,
    /// Where the person's channels are used one after the other: its place among them, and when it is its turn.
    pub turn: Option<ChannelTurn>,
}

/// A delivery's place in a chain of channels of one person, all telling the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelTurn {
    /// From 0; the next one waits for this one.
    pub place: u8,
    /// While [`DeliveryState::Waiting`]: when it becomes owed, unless the one before was delivered; [`u64::MAX`] while that one
    /// waits, too.
    pub at_ms: u64,
    /// The next one's wait for a receipt of this one, ms; 0: until this one failed for good.
    pub failover_ms: u64,
    /// The next one's wait for an acknowledgement, once this one was delivered, ms; 0: delivered is enough.
    pub unanswered_ms: u64,
}

impl Delivery {
    /// Attempts kept of one delivery.
    pub const ATTEMPTS_MAX: usize = 32;
}

/// What a delivery tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum About {
    Alert(AlertSummary),
    Order(OrderSummary),
}

impl About {
    /// How urgent it is.
    pub fn colour(&self) -> Colour {
        match self {
            About::Alert(alert) => alert.colour,
            About::Order(order) => order.colour,
        }
    }

    /// The alert, where it is one.
    pub fn alert(&self) -> Option<&AlertSummary> {
        match self {
            About::Alert(alert) => Some(alert),
            About::Order(_) => None,
        }
    }

    /// The order, where it is one.
    pub fn order(&self) -> Option<&OrderSummary> {
        match self {
            About::Alert(_) => None,
            About::Order(order) => Some(order),
        }
    }

    /// The alert's family; `None` for an order.
    pub fn family(&self) -> Option<Family> {
        self.alert().map(|alert| alert.id.family)
    }

    /// Where it is: the grid of an alert, the region of an order.
    pub fn region(&self) -> RegionCode {
        match self {
            About::Alert(alert) => alert.grid,
            About::Order(order) => order.region,
        }
    }

    /// The unit, for an alert.
    pub fn unit(&self) -> Option<UnitId> {
        self.alert().map(|alert| alert.unit)
    }

    /// Nothing but a test or a drill.
    pub fn exercise(&self) -> bool {
        match self {
            About::Alert(alert) => alert.exercise,
            About::Order(order) => order.exercise,
        }
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be tried (again).
    Owed,
    /// The channel took it and says that it arrived.
    Delivered,
    /// Given up; the reason stands in the last attempt.
    Failed,
    /// Not to be tried before the person's channel before it failed, or had no receipt in time.
    Waiting,
    /// Waited, and was not needed: a channel before it arrived, or the person answered.
    Spared,
}

/// One try of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When the receipt was journalled.
    pub at_ms: u64,
    pub outcome: ReceiptOutcome,
    pub reason: Box<str>,
}

/// What a try of a delivery came to, as it enters the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub delivery: DeliveryId,
    pub matter: Matter,
    pub outcome: ReceiptOutcome,
    /// Why, in words for the person who looks after the channel.
    pub reason: Box<str>,
}

/// Try again or not is part of the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptOutcome {
    Delivered,
    /// Failed, and will be tried again.
    Retry,
    /// Failed for good.
    Failed,
    /// The person has it before them. Not a try; counts as delivered, whatever the channel said.
    Read,
}
