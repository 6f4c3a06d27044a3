//! Orders: what people ask of many at once, or of the desk, without it being an act on one alert.

use serde::{Deserialize, Serialize};

use crate::alert::Refused;
use crate::finding::{Colour, Words};
use crate::ids::{AlertId, CommandId, OrderId, RegionCode};

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
    /// An instruction to everybody with a post in a region and below it.
    Instruct {
        region: RegionCode,
        /// In the words of who ordered it.
        text: Box<str>,
        /// Alert that it is about, if any.
        alert: Option<AlertId>,
        /// A rehearsal: marked so everywhere.
        exercise: bool,
    },
}

/// The head of an order, as deliveries and feeds show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSummary {
    pub id: OrderId,
    /// One word for its kind: "instruct"…
    pub kind: Box<str>,
    /// How urgent its deliveries are.
    pub colour: Colour,
    pub region: RegionCode,
    pub by: Box<str>,
    pub at_ms: u64,
    pub words: Words,
    pub alert: Option<AlertId>,
    pub exercise: bool,
}

/// What became of an order. Not stored: it follows from the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderOutcome {
    pub id: CommandId,
    /// The order's name, or why it was refused.
    pub result: Result<OrderId, Refused>,
}
