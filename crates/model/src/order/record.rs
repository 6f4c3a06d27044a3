//! Orders as the desk keeps them: one record an order, and one for everybody who was asked.

use serde::{Deserialize, Serialize};

use super::{Answer, Order, OrderSummary, Stage};
use crate::finding::Colour;
use crate::ids::{AlertId, OrderId, PersonId, RegionCode};
use crate::roster::Post;

/// An order and what came of it so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderRecord {
    pub id: OrderId,
    pub order: Order,
    pub at_ms: u64,
    pub region: RegionCode,
    pub colour: Colour,
    pub exercise: bool,
    /// When it ends by itself; `None`: with its alert.
    pub ends_ms: Option<u64>,
    /// When the silent are told once more, or the commander of a hand-off without answer; `None`: done, or never.
    pub remind_ms: Option<u64>,
    pub counts: OrderCounts,
    /// The counts that the feed was told last.
    pub told: OrderCounts,
    /// The newest [`OrderRecord::HISTORY_MAX`] things that happened, oldest first.
    pub history: Vec<OrderItem>,
    /// Of a hand-off.
    pub stage: Option<Stage>,
    /// Of a drill: what it raised.
    pub alerts: Vec<AlertId>,
    pub ended: Option<OrderEnd>,
}

impl OrderRecord {
    /// Things kept of one order.
    pub const HISTORY_MAX: usize = 64;

    /// Key among the records of [`crate::KeptKind::Order`]. Open orders stand before those that ended; of each, the newest
    /// comes first.
    pub fn key(id: OrderId, is_open: bool) -> Box<[u8]> {
        [&[u8::from(!is_open)][..], &newest_first(id)].concat().into()
    }

    /// What all keys of open (or ended) orders begin with.
    pub fn prefix(is_open: bool) -> [u8; 1] {
        [u8::from(!is_open)]
    }

    /// Key among the records of [`crate::KeptKind::HandOff`], which name the hand-offs of an alert, newest first.
    pub fn hand_off_key(alert: AlertId, id: OrderId) -> Box<[u8]> {
        [&OrderRecord::hand_off_prefix(alert)[..], &newest_first(id)].concat().into()
    }

    /// What the keys of all hand-offs of an alert begin with.
    pub fn hand_off_prefix(alert: AlertId) -> [u8; 13] {
        let mut key = [0; 13];
        key[..8].copy_from_slice(&alert.epoch.to_be_bytes());
        key[8..12].copy_from_slice(&alert.unit.0.to_be_bytes());
        key[12] = alert.family as u8;
        key
    }

    pub fn is_open(&self) -> bool {
        self.ended.is_none()
    }
}

fn newest_first(id: OrderId) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&(!id.epoch).to_be_bytes());
    key[8..].copy_from_slice(&(!id.at).to_be_bytes());
    key
}

/// People of an order, counted. Whoever answered anything has read it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCounts {
    pub asked: u32,
    /// Have at least one channel.
    pub sent: u32,
    /// Were reached in at least one channel, as that says.
    pub delivered: u32,
    pub read: u32,
    pub arrived: u32,
    pub done: u32,
    pub cannot: u32,
}

impl OrderCounts {
    /// Those who have answered nothing.
    pub fn silent(&self) -> u32 {
        self.asked.saturating_sub(self.read)
    }

    /// Counts one person in.
    pub fn count(&mut self, asked: &Asked) {
        self.asked += 1;
        self.sent += u32::from(!asked.ways.is_empty());
        self.delivered += u32::from(asked.is_reached());
        self.read += u32::from(!asked.answers.is_empty());
        self.arrived += u32::from(asked.answered(Answer::Arrived).is_some());
        self.done += u32::from(asked.answered(Answer::Done).is_some());
        self.cannot += u32::from(asked.answered(Answer::Cannot).is_some());
    }
}

/// Something that happened to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderItem {
    pub at_ms: u64,
    /// One word: "reminded", "overdue", a stage of a hand-off…
    pub what: Box<str>,
    pub by: Box<str>,
    pub note: Option<Box<str>>,
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderEnd {
    pub at_ms: u64,
    /// Code of the person, or "desk".
    pub by: Box<str>,
    pub why: Box<str>,
}

/// Somebody who was asked, as the roster had them then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub order: OrderId,
    pub person: PersonId,
    pub code: Box<str>,
    pub name: Box<str>,
    pub post: Post,
    pub region: RegionCode,
    pub ways: Vec<Way>,
    /// Each kind once, in the order in which they came.
    pub answers: Vec<Answered>,
}

impl Asked {
    /// Key among the records of [`crate::KeptKind::Asked`].
    pub fn key(order: OrderId, person: PersonId) -> Box<[u8]> {
        [&Asked::prefix(order)[..], &person.0.to_be_bytes()].concat().into()
    }

    /// What the keys of all people of an order begin with.
    pub fn prefix(order: OrderId) -> [u8; 12] {
        newest_first(order)
    }

    /// Their answer of that kind.
    pub fn answered(&self, what: Answer) -> Option<&Answered> {
        self.answers.iter().find(|answer| answer.what == what)
    }

    /// Whether a channel says that it reached them.
    pub fn is_reached(&self) -> bool {
        self.ways.iter().any(|way| way.end.as_ref().is_some_and(|end| end.delivered))
    }

    /// Nothing more is to come from them.
    pub fn is_settled(&self) -> bool {
        self.answers.iter().any(|answer| matches!(answer.what, Answer::Done | Answer::Cannot))
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    pub what: Answer,
    pub at_ms: u64,
    /// Who entered it, where that is somebody else.
    pub entered_by: Option<Box<str>>,
    pub note: Option<Box<str>>,
}

/// One of the channels that somebody was asked through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    pub channel: Box<str>,
    /// What the delivery came to; `None`: no receipt yet.
    pub end: Option<WayEnd>,
}

/// What a delivery came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayEnd {
    pub at_ms: u64,
    pub delivered: bool,
    pub reason: Box<str>,
}

/// A channel of a person that the newest test did not get through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeafChannel {
    pub person: PersonId,
    pub code: Box<str>,
    pub name: Box<str>,
    pub region: RegionCode,
    pub channel: Box<str>,
    /// When a test found it first.
    pub since_ms: u64,
    /// The newest test that found it so.
    pub test: OrderId,
    pub reason: Box<str>,
}

impl DeafChannel {
    /// Key among the records of [`crate::KeptKind::DeafChannel`].
    pub fn key(&self) -> Box<[u8]> {
        [&self.person.0.to_be_bytes()[..], self.channel.as_bytes()].concat().into()
    }
}

/// An order as the feed tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderNews {
    pub head: OrderSummary,
    pub counts: OrderCounts,
    pub stage: Option<Stage>,
    pub is_open: bool,
}
