//! The deliveries that are still owed or wait for their turn, and what receipts do to them.
//!
//! Where a person's channels are used one after the other, their deliveries of one telling are a chain. The first is owed at
//! once; the next becomes owed when the one before failed for good, or was owed for `failover_s` without a delivered receipt.
//! Once one was delivered those after it are spared, or, where `unanswered_s` is set, wait that long for an answer. A
//! person who acknowledges spares what waits for them. Receipts that are lost, doubled or out of order can at most make
//! the next channel be used: one for a delivery that is not owed does nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::alert::{Attempt, ReceiptOutcome};
use model::{Delivery, DeliveryId, DeliveryState, Matter, Receipt};

use crate::turn::Draft;

/// Every delivery that is owed or waits, by alert or order.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    by_matter: BTreeMap<(Matter, DeliveryId), Arc<Delivery>>,
    /// Not owed any more, of something that is still open, and not read yet: a person may still say that they have it.
    unread: BTreeMap<(Matter, DeliveryId), Arc<Delivery>>,
    /// What ended in this commit.
    over: Vec<Matter>,
    /// When those that wait become owed.
    turns: BTreeSet<(u64, Matter, DeliveryId)>,
    /// Those of them that wait, counted.
    waiting: usize,
}

impl Owed {
    /// Those that are owed now, counted.
    pub fn len(&self) -> usize {
        self.by_matter.len() - self.waiting
    }

    pub fn insert(&mut self, delivery: Arc<Delivery>) {
        if delivery.state == DeliveryState::Waiting {
            self.waiting += 1;
            if let Some(turn) = delivery.turn.filter(|turn| turn.at_ms < u64::MAX) {
                self.turns.insert((turn.at_ms, delivery.matter, delivery.id.clone()));
            }
        }
        self.by_matter.insert((delivery.matter, delivery.id.clone()), delivery);
    }

    /// Takes up what an open alert or order has told before.
    pub fn restore_told(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            if was_told(&delivery) {
                self.told(Arc::new(delivery));
            }
        }
    }

    fn remove(&mut self, key: &(Matter, DeliveryId)) -> Option<Arc<Delivery>> {
        let delivery = self.by_matter.remove(key)?;
        if delivery.state == DeliveryState::Waiting {
            self.waiting -= 1;
            if let Some(turn) = delivery.turn {
                self.turns.remove(&(turn.at_ms, key.0, key.1.clone()));
            }
        }
        Some(delivery)
    }

    fn told(&mut self, delivery: Arc<Delivery>) {
        if delivery.read_ms.is_none() {
            self.unread.insert((delivery.matter, delivery.id.clone()), delivery);
        }
    }

    /// Keeps what is owed or waits after the turn, and what was told of what `is_open`. Until here, what a turn touched is in
    /// its draft only.
    pub fn keep(&mut self, draft: &Draft<'_>, is_open: impl Fn(Matter) -> bool) {
        for delivery in &draft.deliveries {
            if is_pending(delivery) {
                self.insert(delivery.clone());
            } else if was_told(delivery) && is_open(delivery.matter) {
                self.told(delivery.clone());
            }
        }
        for matter in std::mem::take(&mut self.over) {
            self.forget(matter);
        }
    }

    /// Whether a delivery is owed or waits.
    pub fn is_pending(&self, matter: Matter, id: &DeliveryId, draft: &Draft<'_>) -> bool {
        let key = (matter, id.clone());
        match draft.delivery_at.get(&key) {
            Some(&at) => is_pending(&draft.deliveries[at]),
            None => self.by_matter.contains_key(&key),
        }
    }

    /// Writes down what a try came to. A receipt for a delivery that is not owed is ignored: the dispatcher tries at least
    /// once, so that one may come twice.
    pub fn receipt(&mut self, receipt: &Receipt, draft: &mut Draft<'_>) {
        if receipt.outcome == ReceiptOutcome::Read {
            self.read(receipt, draft);
            return;
        }
        let waits = |delivery: &Arc<Delivery>| delivery.state == DeliveryState::Waiting;
        let is_early = self.by_matter.get(&(receipt.matter, receipt.delivery.clone())).is_some_and(waits);
        let at = if is_early { None } else { self.touch(receipt.matter, &receipt.delivery, draft) };
        let Some(at) = at.filter(|at| !waits(&draft.deliveries[*at])) else {
            tracing::debug!(delivery = %receipt.delivery, "receipt for a delivery that is not owed");
            return;
        };
        let delivery = &mut draft.deliveries[at];
        add_attempt(delivery, draft.now_ms, receipt.outcome, receipt.reason.clone());
        let delivery = delivery.clone();
        match (receipt.outcome, delivery.turn) {
            (_, None) | (ReceiptOutcome::Retry | ReceiptOutcome::Read, _) => {}
            (ReceiptOutcome::Failed, Some(turn)) => {
                let next =
                    self.after(&delivery, draft).filter(|next| place(&draft.deliveries[*next]) == turn.place + 1);
                if let Some(next) = next {
                    self.begin(next, draft);
                }
            }
            (ReceiptOutcome::Delivered, Some(turn)) if turn.unanswered_ms > 0 => {
                if let Some(next) = self.after(&delivery, draft) {
                    set_turn(&mut draft.deliveries[next], draft.now_ms + turn.unanswered_ms);
                }
            }
            (ReceiptOutcome::Delivered, Some(_)) => self.spare_chain(&delivery, draft),
        }
    }

    /// Begins those whose turn has come.
    pub fn tick(&mut self, draft: &mut Draft<'_>) {
        while let Some((at_ms, matter, id)) = self.turns.first().cloned() {
            if at_ms > draft.now_ms {
                break;
            }
            self.touch(matter, &id, draft);
        }
        for at in 0..draft.deliveries.len() {
            let delivery = &draft.deliveries[at];
            let is_due = delivery.turn.is_some_and(|turn| turn.at_ms <= draft.now_ms);
            if is_due && delivery.state == DeliveryState::Waiting {
                self.begin(at, draft);
            }
        }
    }

    /// Spares whatever waits for a person who answered.
    pub fn answered(&mut self, matter: Matter, person: &str, draft: &mut Draft<'_>) {
        let is_own = |delivery: &Delivery| delivery.state == DeliveryState::Waiting && *delivery.person_code == *person;
        for at in self.touch_all(matter, is_own, draft) {
            spare(&mut draft.deliveries[at]);
        }
    }

    /// Writes down that a person has it before them; the first time counts. It is ignored for what is not known (any more).
    fn read(&mut self, receipt: &Receipt, draft: &mut Draft<'_>) {
        let key = (receipt.matter, receipt.delivery.clone());
        let at = match draft.delivery_at.get(&key) {
            Some(&at) => at,
            None => match self.remove(&key).or_else(|| self.unread.remove(&key)) {
                Some(delivery) => draft.take_in(delivery),
                None => {
                    tracing::debug!(delivery = %receipt.delivery, "a delivery was read that is not known or was read before");
                    return;
                }
            },
        };
        let delivery = &mut draft.deliveries[at];
        let can_be_read = delivery.state == DeliveryState::Owed || was_told(delivery);
        if delivery.read_ms.is_none() && can_be_read {
            add_attempt(delivery, draft.now_ms, ReceiptOutcome::Read, receipt.reason.clone());
            Arc::make_mut(delivery).read_ms = Some(draft.now_ms);
            // whoever has it before them needs it in no other channel
            let delivery = delivery.clone();
            if delivery.turn.is_some() {
                self.spare_chain(&delivery, draft);
            }
        }
    }

    fn forget(&mut self, matter: Matter) {
        let from = (matter, DeliveryId::from(""));
        let told: Vec<_> = self.unread.range(from..).map(|(key, _)| key).take_while(|key| key.0 == matter).collect();
        let told: Vec<_> = told.into_iter().cloned().collect();
        for key in told {
            self.unread.remove(&key);
        }
    }

    /// Gives up whatever is owed of an alert or order that is over; nothing of it can be read any more.
    pub fn withdraw(&mut self, matter: Matter, reason: &str, draft: &mut Draft<'_>) {
        self.over.push(matter);
        for at in self.touch_all(matter, is_pending, draft) {
            let delivery = &mut draft.deliveries[at];
            if delivery.state == DeliveryState::Waiting {
                spare(delivery);
            } else {
                add_attempt(delivery, draft.now_ms, ReceiptOutcome::Failed, reason.into());
            }
        }
    }

    /// Makes one that waits owed, and lets the next of its chain wait for it.
    fn begin(&mut self, at: usize, draft: &mut Draft<'_>) {
        let now_ms = draft.now_ms;
        let delivery = Arc::make_mut(&mut draft.deliveries[at]);
        (delivery.state, delivery.owed_ms) = (DeliveryState::Owed, now_ms);
        let delivery = delivery.clone();
        let failover_ms = delivery.turn.map_or(0, |turn| turn.failover_ms);
        if let Some(next) = self.after(&delivery, draft).filter(|_| failover_ms > 0) {
            set_turn(&mut draft.deliveries[next], now_ms + failover_ms);
        }
    }

    fn spare_chain(&mut self, delivery: &Delivery, draft: &mut Draft<'_>) {
        while let Some(next) = self.after(delivery, draft) {
            spare(&mut draft.deliveries[next]);
        }
    }

    /// The one of a delivery's chain that waits and comes first, moved into the draft.
    fn after(&mut self, delivery: &Delivery, draft: &mut Draft<'_>) -> Option<usize> {
        let chain = delivery.id.as_str().strip_suffix(&*delivery.channel)?;
        let from = (delivery.matter, DeliveryId::from(chain));
        let belongs = |key: &(Matter, DeliveryId)| key.0 == delivery.matter && key.1.as_str().starts_with(chain);
        let stored = self.by_matter.range(from.clone()..).take_while(|(key, _)| belongs(key)).map(|(_, other)| other);
        let touched = draft.delivery_at.range(from..).take_while(|(key, _)| belongs(key));
        let touched = touched.map(|(_, at)| &draft.deliveries[*at]);
        let waiting = stored.chain(touched).filter(|other| {
            let is_of_chain = other.id.as_str().strip_suffix(&*other.channel) == Some(chain);
            is_of_chain && other.state == DeliveryState::Waiting
        });
        let next = waiting.min_by_key(|other| place(other))?.id.clone();
        self.touch(delivery.matter, &next, draft)
    }

    /// Moves all of a matter that `wanted` names into the draft; their places in it, in the order of their ids.
    fn touch_all(&mut self, matter: Matter, wanted: impl Fn(&Delivery) -> bool, draft: &mut Draft<'_>) -> Vec<usize> {
        let from = (matter, DeliveryId::from(""));
        let stored = self.by_matter.range(from.clone()..).take_while(|(key, _)| key.0 == matter);
        let stored: Vec<_> = stored.filter(|(_, delivery)| wanted(delivery)).map(|(key, _)| key.clone()).collect();
        for key in stored {
            if let Some(delivery) = self.remove(&key) {
                draft.take_in(delivery);
            }
        }
        let touched = draft.delivery_at.range(from..).take_while(|(key, _)| key.0 == matter).map(|(_, at)| *at);
        touched.filter(|at| wanted(&draft.deliveries[*at])).collect()
    }

    /// Moves a delivery that is owed or waits into the draft, unless it is there; its place in it.
    fn touch(&mut self, matter: Matter, id: &DeliveryId, draft: &mut Draft<'_>) -> Option<usize> {
        let key = (matter, id.clone());
        if let Some(&at) = draft.delivery_at.get(&key) {
            return is_pending(&draft.deliveries[at]).then_some(at);
        }
        self.remove(&key).map(|delivery| draft.take_in(delivery))
    }
}

fn is_pending(delivery: &Delivery) -> bool {
    match delivery.state {
        DeliveryState::Owed | DeliveryState::Waiting => true,
        DeliveryState::Delivered | DeliveryState::Failed | DeliveryState::Spared => false,
    }
}

/// Whether a person may still say that they have it, though it is owed no more.
fn was_told(delivery: &Delivery) -> bool {
    match delivery.state {
        DeliveryState::Delivered | DeliveryState::Failed => true,
        DeliveryState::Owed | DeliveryState::Waiting | DeliveryState::Spared => false,
    }
}

fn place(delivery: &Delivery) -> u8 {
    delivery.turn.map_or(0, |turn| turn.place)
}

fn set_turn(delivery: &mut Arc<Delivery>, at_ms: u64) {
    if let Some(turn) = &mut Arc::make_mut(delivery).turn {
        turn.at_ms = at_ms;
    }
}

fn spare(delivery: &mut Arc<Delivery>) {
    Arc::make_mut(delivery).state = DeliveryState::Spared;
}

fn add_attempt(delivery: &mut Arc<Delivery>, at_ms: u64, outcome: ReceiptOutcome, reason: Box<str>) {
    let delivery = Arc::make_mut(delivery);
    delivery.attempts.push(Attempt { at_ms, outcome, reason });
    if delivery.attempts.len() > Delivery::ATTEMPTS_MAX {
        delivery.attempts.remove(0);
    }
    delivery.attempt_count = delivery.attempt_count.saturating_add(1);
    delivery.state = match outcome {
        ReceiptOutcome::Delivered | ReceiptOutcome::Read => DeliveryState::Delivered,
        ReceiptOutcome::Retry => DeliveryState::Owed,
        ReceiptOutcome::Failed => DeliveryState::Failed,
    };
}
