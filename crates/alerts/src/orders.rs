//! Orders: who is asked, what they answer, and how it ends.
//!
//! An order that asks people (an instruction, a roll-call, a channel test) owes everybody their deliveries in the commit
//! that holds it, and keeps one record a person beside its own. It ends when everybody has answered, at its time, or by
//! command; then what is still owed is withdrawn and one report goes up. A drill raises alerts, a hand-off follows one.
//!
//! An order's id is its caller's idempotency key: given again, it is the order that there is. An answer counts once for its
//! person and kind.
//!
//! In memory are the open orders with their people, and the newest [`ENDED_KEPT`] that ended.

mod answer;
mod ask;
mod drill;
mod hand_off;
mod report;
mod settings;
mod tick;

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use model::alert::Refused;
use model::finding::Words;
use model::order::{Asked, DeafChannel, OrderCounts, OrderEnd, OrderItem, OrderNews, OrderRecord, OrderSummary, Stage};
use model::{
    Alert, AlertId, Colour, CommandId, FeedKind, Kept, KeptKind, Ledger, Order, OrderBody, OrderId, PersonId,
    RegionCode, StoreError, wire,
};

pub use settings::{Calendar, OrderLimits, TimeOfDay};

use crate::deliveries::Owed;
use crate::policy::Policy;
use crate::turn::Draft;

/// Orders that ended whose ids are kept in memory, newest first: one that is sent again after more than these is a new one.
const ENDED_KEPT: usize = 1024;
/// Records read at a time.
const PAGE: usize = 4096;
/// What acts when nobody does.
const DESK: &str = "desk";

/// All orders that are open, and what is remembered of others.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    open: BTreeMap<OrderId, Open>,
    ended: BTreeMap<OrderId, Order>,
    ids: FxHashMap<CommandId, OrderId>,
    /// Open hand-offs of an alert.
    offered: BTreeMap<AlertId, Vec<OrderId>>,
    deaf: BTreeMap<(PersonId, Box<str>), DeafChannel>,
    /// When the last roll-call and channel test by the calendar were to begin, ms since 1970; 0: never.
    begun_ms: [u64; 2],
    /// People of all open orders.
    asked: usize,
    /// Open orders whose record is to be written with this commit.
    changed: BTreeSet<OrderId>,
    /// Drills of this commit that have raised nothing yet, and those that ended in it.
    drills_to_begin: Vec<OrderId>,
    drills_over: Vec<OrderRecord>,
}

#[derive(Debug)]
struct Open {
    record: OrderRecord,
    asked: BTreeMap<PersonId, Asked>,
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Forbidden(why.into()))
}

impl Orders {
    /// The orders that the ledger holds.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub fn restore(ledger: &dyn Ledger) -> Result<Orders, StoreError> {
        let mut orders = Orders::default();
        for record in read_all::<OrderRecord>(ledger, KeptKind::Order, &OrderRecord::prefix(true), usize::MAX)? {
            let people = read_all::<Asked>(ledger, KeptKind::Asked, &Asked::prefix(record.id), usize::MAX)?;
            let asked: BTreeMap<_, _> = people.into_iter().map(|asked| (asked.person, asked)).collect();
            orders.insert(Open { record, asked });
        }
        for record in read_all::<OrderRecord>(ledger, KeptKind::Order, &OrderRecord::prefix(false), ENDED_KEPT)? {
            orders.ids.insert(record.order.id.clone(), record.id);
            orders.ended.insert(record.id, record.order);
        }
        for deaf in read_all::<DeafChannel>(ledger, KeptKind::DeafChannel, &[], usize::MAX)? {
            orders.deaf.insert((deaf.person, deaf.channel.clone()), deaf);
        }
        for (at, begun_ms) in orders.begun_ms.iter_mut().enumerate() {
            if let Some(bytes) = ledger.kept_one(KeptKind::Calendar, &[at as u8])? {
                *begun_ms = decode(&bytes)?;
            }
        }
        Ok(orders)
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Takes an order, an answer to one, or the end of one. `about` is the alert that it names, while that is open.
    pub fn give(
        &mut self,
        id: OrderId,
        order: &Order,
        about: Option<&Alert>,
        policy: &Policy,
        owed: &mut Owed,
        draft: &mut Draft<'_>,
    ) -> Result<OrderId, Refused> {
        match &order.body {
            OrderBody::Answer { order: of, answer, note } => {
                return self.answer(*of, order, *answer, note.as_deref(), owed, draft);
            }
            OrderBody::End { order: of, reason } => return self.end(*of, order, reason, owed, draft),
            OrderBody::Progress { order: of, stage, reason } => {
                return self.progress(*of, order, *stage, reason.as_deref(), owed, draft);
            }
            OrderBody::Silence(_) | OrderBody::EndSilence(_) => return refuse("a silence is no such order".to_owned()),
            OrderBody::Instruct { .. }
            | OrderBody::RollCall { .. }
            | OrderBody::ChannelTest { .. }
            | OrderBody::Drill { .. }
            | OrderBody::HandOff { .. } => {}
        }
        if let Some(&known) = self.ids.get(&order.id) {
            let same = self.order(known).is_some_and(|given| given.body == order.body && given.person == order.person);
            let why = || format!("this Idempotency-Key was used before, for {known}: take a new one");
            return if same { Ok(known) } else { refuse(why()) };
        }
        let limits = &policy.orders;
        if self.open.len() >= limits.open_max as usize {
            return refuse(format!("{} orders are open, which is the policy's limit: end one first", self.open.len()));
        }
        let open = match &order.body {
            OrderBody::HandOff { .. } => self.offer(id, order, about, draft)?,
            OrderBody::Drill { .. } => self.drill(id, order, draft)?,
            _ => self.ask(id, order, about, limits, draft)?,
        };
        draft.tell_order(FeedKind::OrderGiven, news(&open.record), None);
        self.insert(open);
        self.changed.insert(id);
        Ok(id)
    }

    fn order(&self, id: OrderId) -> Option<&Order> {
        self.open.get(&id).map(|open| &open.record.order).or_else(|| self.ended.get(&id))
    }

    fn insert(&mut self, open: Open) {
        let record = &open.record;
        self.ids.insert(record.order.id.clone(), record.id);
        self.asked += open.asked.len();
        if let OrderBody::HandOff { alert, .. } = record.order.body {
            self.offered.entry(alert).or_default().push(record.id);
        }
        self.open.insert(record.id, open);
    }

    /// The open order, or why there is none.
    fn open(&mut self, id: OrderId) -> Result<&mut Open, Refused> {
        let ended = self.ended.contains_key(&id);
        self.open.get_mut(&id).ok_or_else(|| {
            Refused::Forbidden(if ended { format!("{id} has ended") } else { format!("there is no open order {id}") })
        })
    }

    /// Ends an order: what is owed is withdrawn, the report goes up. The order as it ended; what else it tells must come
    /// after this, which withdraws what is owed.
    fn close(&mut self, id: OrderId, by: &str, why: &str, owed: &mut Owed, draft: &mut Draft<'_>) -> Option<Open> {
        let mut open = self.open.remove(&id)?;
        owed.withdraw(id.into(), "the order ended before it was delivered", draft);
        self.changed.remove(&id);
        self.asked -= open.asked.len();
        let record = &mut open.record;
        record.ended = Some(OrderEnd { at_ms: draft.now_ms, by: by.into(), why: why.into() });
        record.told = record.counts;
        match record.order.body {
            OrderBody::HandOff { alert, .. } => {
                if let Some(ids) = self.offered.get_mut(&alert) {
                    ids.retain(|offered| *offered != id);
                }
                self.offered.retain(|_, ids| !ids.is_empty());
            }
            OrderBody::Drill { .. } => self.drills_over.push(record.clone()),
            OrderBody::ChannelTest { .. } => self.judge_channels(&open, draft),
            _ => {}
        }
        report::on_end(&open, draft);
        let record = &open.record;
        draft.tell_order(FeedKind::OrderClosed, news(record), Some(why.into()));
        keep(draft, KeptKind::Order, OrderRecord::key(id, true), None);
        keep(draft, KeptKind::Order, OrderRecord::key(id, false), Some(wire::encode(record)));
        self.ended.insert(id, record.order.clone());
        let forgotten = (self.ended.len() > ENDED_KEPT).then(|| self.ended.pop_first()).flatten();
        if let Some((_, order)) = forgotten {
            self.ids.remove(&order.id);
        }
        Some(open)
    }

    /// Every order that is open.
    pub fn open_ids(&self) -> impl Iterator<Item = OrderId> {
        self.open.keys().copied()
    }

    pub fn is_open(&self, id: OrderId) -> bool {
        self.open.contains_key(&id)
    }

    /// Writes down what changed in this commit.
    pub fn keep(&mut self, draft: &mut Draft<'_>) {
        for id in std::mem::take(&mut self.changed) {
            if let Some(open) = self.open.get(&id) {
                keep(draft, KeptKind::Order, OrderRecord::key(id, true), Some(wire::encode(&open.record)));
            }
        }
    }
}

/// A record of an order that begins now.
fn record(
    id: OrderId,
    order: &Order,
    region: RegionCode,
    colour: Colour,
    exercise: bool,
    draft: &Draft<'_>,
) -> OrderRecord {
    OrderRecord {
        id,
        order: order.clone(),
        at_ms: draft.now_ms,
        region,
        colour,
        exercise,
        ends_ms: None,
        remind_ms: None,
        counts: OrderCounts::default(),
        told: OrderCounts::default(),
        history: Vec::new(),
        stage: None,
        alerts: Vec::new(),
        ended: None,
    }
}

/// Adds to an order's history.
fn note(record: &mut OrderRecord, what: &str, by: &str, note: Option<&str>, draft: &Draft<'_>) {
    if record.history.len() >= OrderRecord::HISTORY_MAX {
        record.history.remove(0);
    }
    let note = note.map(Box::from);
    record.history.push(OrderItem { at_ms: draft.now_ms, what: what.into(), by: by.into(), note });
}

/// What deliveries and the feed show of an order. `kind` says what is told of it.
fn summary(record: &OrderRecord, kind: &str, words: Words) -> OrderSummary {
    let alert = match &record.order.body {
        OrderBody::Instruct { alert, .. } => *alert,
        OrderBody::HandOff { alert, .. } => Some(*alert),
        _ => None,
    };
    OrderSummary {
        id: record.id,
        kind: kind.into(),
        colour: record.colour,
        region: record.region,
        by: record.order.person.clone(),
        at_ms: record.at_ms,
        words,
        alert,
        exercise: record.exercise,
        facts: None,
    }
}

fn news(record: &OrderRecord) -> OrderNews {
    OrderNews {
        head: summary(record, record.order.body.word(), ask::words_of(&record.order.body)),
        counts: record.counts,
        stage: record.stage,
        is_open: record.is_open() && !record.stage.is_some_and(Stage::is_end),
    }
}

fn keep(draft: &mut Draft<'_>, kind: KeptKind, key: Box<[u8]>, value: Option<Vec<u8>>) {
    draft.kept.push(Kept { kind, key, value: value.map(Vec::into_boxed_slice) });
}

fn keep_asked(asked: &Asked, draft: &mut Draft<'_>) {
    keep(draft, KeptKind::Asked, Asked::key(asked.order, asked.person), Some(wire::encode(asked)));
}

/// Refuses a text that is empty, too long, or holds what would break a line.
fn check_text(name: &str, text: &str) -> Result<(), Refused> {
    let chars = text.chars().count();
    if text.trim().is_empty() || chars > Order::TEXT_CHARS_MAX {
        return refuse(format!("{name} must have 1 to {} characters, not {chars}", Order::TEXT_CHARS_MAX));
    }
    if text.chars().any(char::is_control) {
        return refuse(format!("{name} must be one line without control characters"));
    }
    Ok(())
}

fn check_within(name: &str, value: u32, least: u32, most: u32) -> Result<(), Refused> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        refuse(format!("{name} must be {least} to {most}, not {value}"))
    }
}

fn check_region(region: RegionCode, draft: &Draft<'_>) -> Result<(), Refused> {
    let known = draft.roster.regions().contains_key(&region);
    if known { Ok(()) } else { refuse(format!("there is no region {region} on the roster")) }
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    wire::decode(bytes)
        .map_err(|error| StoreError::Damaged { doing: "reading the desk's orders", reason: error.to_string() })
}

fn read_all<T: serde::de::DeserializeOwned>(
    ledger: &dyn Ledger,
    kind: KeptKind,
    prefix: &[u8],
    limit: usize,
) -> Result<Vec<T>, StoreError> {
    let mut all = Vec::new();
    let mut after = (!prefix.is_empty()).then(|| prefix.to_vec());
    loop {
        let rows = ledger.kept(kind, after.as_deref(), PAGE.min(limit - all.len()))?;
        let is_end = rows.len() < PAGE;
        for (key, value) in rows {
            if !key.starts_with(prefix) || all.len() >= limit {
                return Ok(all);
            }
            all.push(decode(&value)?);
            after = Some(key);
        }
        if is_end {
            return Ok(all);
        }
    }
}
