//! The deliveries that are still owed, and what receipts do to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::alert::{Attempt, ReceiptOutcome};
use model::{Delivery, DeliveryId, DeliveryState, Matter, OrderId, Receipt};

use crate::turn::Draft;

/// Every delivery that is owed, by alert or order.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    by_matter: BTreeMap<(Matter, DeliveryId), Arc<Delivery>>,
    /// Not owed any more, of something that is still open, and not read yet: a person may still say that they have it.
    unread: BTreeMap<(Matter, DeliveryId), Arc<Delivery>>,
}

impl Owed {
    pub fn len(&self) -> usize {
        self.by_matter.len()
    }

    pub fn insert(&mut self, delivery: Arc<Delivery>) {
        self.by_matter.insert((delivery.matter, delivery.id.clone()), delivery);
    }

    /// Takes up what an open alert or order has told before.
    pub fn restore_told(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            if delivery.state != DeliveryState::Owed {
                self.told(Arc::new(delivery));
            }
        }
    }

    fn told(&mut self, delivery: Arc<Delivery>) {
        if delivery.read_ms.is_none() {
            self.unread.insert((delivery.matter, delivery.id.clone()), delivery);
        }
    }

    /// Keeps what is owed after the turn. Until here, what a turn touched is in its draft only. Of an order that has ended,
    /// nothing is remembered once it is told: its report is not answered.
    pub fn keep(&mut self, draft: &Draft<'_>, is_open: impl Fn(OrderId) -> bool) {
        for delivery in &draft.deliveries {
            let lives = match delivery.matter {
                Matter::Alert(_) => true,
                Matter::Order(order) => is_open(order),
            };
            match delivery.state {
                DeliveryState::Owed => self.insert(delivery.clone()),
                DeliveryState::Delivered | DeliveryState::Failed if lives => self.told(delivery.clone()),
                DeliveryState::Delivered | DeliveryState::Failed => {}
            }
        }
    }

    /// Writes down what a try came to. A receipt for a delivery that is not owed is ignored: the dispatcher tries at least
    /// once, so that one may come twice.
    pub fn receipt(&mut self, receipt: &Receipt, draft: &mut Draft<'_>) {
        if receipt.outcome == ReceiptOutcome::Read {
            self.read(receipt, draft);
            return;
        }
        let Some(at) = self.touch(receipt.matter, &receipt.delivery, draft) else {
            tracing::debug!(delivery = %receipt.delivery, "receipt for a delivery that is not owed");
            return;
        };
        add_attempt(&mut draft.deliveries[at], draft.now_ms, receipt.outcome, receipt.reason.clone());
    }

    /// Writes down that a person has it before them; the first time counts. It is ignored for what is not known (any more).
    fn read(&mut self, receipt: &Receipt, draft: &mut Draft<'_>) {
        let key = (receipt.matter, receipt.delivery.clone());
        let at = match draft.delivery_at.get(&key) {
            Some(&at) => at,
            None => match self.by_matter.remove(&key).or_else(|| self.unread.remove(&key)) {
                Some(delivery) => draft.take_in(delivery),
                None => {
                    tracing::debug!(delivery = %receipt.delivery, "a delivery was read that is not known or was read before");
                    return;
                }
            },
        };
        let delivery = &mut draft.deliveries[at];
        if delivery.read_ms.is_none() {
            add_attempt(delivery, draft.now_ms, ReceiptOutcome::Read, receipt.reason.clone());
            Arc::make_mut(delivery).read_ms = Some(draft.now_ms);
        }
    }

    /// Forgets what was told of an alert or order that is over; call it after [`Owed::keep`].
    pub fn forget(&mut self, matter: Matter) {
        let from = (matter, DeliveryId::from(""));
        let told: Vec<_> = self.unread.range(from..).map(|(key, _)| key).take_while(|key| key.0 == matter).collect();
        let told: Vec<_> = told.into_iter().cloned().collect();
        for key in told {
            self.unread.remove(&key);
        }
    }

    /// Gives up whatever is owed of an alert or order that is over.
    pub fn withdraw(&mut self, matter: Matter, reason: &str, draft: &mut Draft<'_>) {
        let from = (matter, DeliveryId::from(""));
        let stored = self.by_matter.range(from.clone()..).map(|(key, _)| key).take_while(|key| key.0 == matter);
        let stored: Vec<DeliveryId> = stored.map(|key| key.1.clone()).collect();
        for id in stored {
            self.touch(matter, &id, draft);
        }
        let touched: Vec<usize> =
            draft.delivery_at.range(from..).take_while(|(key, _)| key.0 == matter).map(|(_, at)| *at).collect();
        for at in touched {
            let delivery = &mut draft.deliveries[at];
            if delivery.state == DeliveryState::Owed {
                add_attempt(delivery, draft.now_ms, ReceiptOutcome::Failed, reason.into());
            }
        }
    }

    /// Moves an owed delivery into the draft, unless it is there; its place in it.
    fn touch(&mut self, matter: Matter, id: &DeliveryId, draft: &mut Draft<'_>) -> Option<usize> {
        let key = (matter, id.clone());
        if let Some(&at) = draft.delivery_at.get(&key) {
            return (draft.deliveries[at].state == DeliveryState::Owed).then_some(at);
        }
        self.by_matter.remove(&key).map(|delivery| draft.take_in(delivery))
    }
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
