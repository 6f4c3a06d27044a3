//! What people answer, and what receipts say of their channels.

use model::alert::{ReceiptOutcome, Refused};
use model::order::{Answer, Answered, Asked, OrderCounts, WayEnd};
use model::{Matter, Order, OrderBody, OrderId, PersonId, Receipt};

use super::tick::withdraw;
use super::{Orders, check_text, keep_asked, refuse};
use crate::deliveries::Owed;
use crate::turn::Draft;

impl Orders {
    pub(super) fn answer(
        &mut self,
        id: OrderId,
        order: &Order,
        answer: Answer,
        note: Option<&str>,
        owed: &mut Owed,
        draft: &mut Draft<'_>,
    ) -> Result<OrderId, Refused> {
        let open = self.open(id)?;
        let allowed = match open.record.order.body {
            OrderBody::Instruct { .. } => true,
            OrderBody::RollCall { .. } | OrderBody::ChannelTest { .. } => answer == Answer::Read,
            _ => false,
        };
        if !allowed {
            return refuse(format!("{id} is a {}: it takes no {}", open.record.order.body.word(), answer.word()));
        }
        if answer == Answer::Cannot && note.is_none() {
            return refuse("say in the note why it cannot be done");
        }
        if let Some(note) = note {
            check_text("note", note)?;
        }
        let person = draft.roster.person_by_code(&order.person);
        let Some(asked) = person.and_then(|person| open.asked.get_mut(&person)) else {
            return refuse(format!("{} was not asked by {id}", order.person));
        };
        let entered_by = order.entered_by.clone();
        let answered = Answered { what: answer, at_ms: draft.now_ms, entered_by, note: note.map(Box::from) };
        if add(asked, answered, &mut open.record.counts) {
            keep_asked(asked, draft);
            self.changed.insert(id);
            self.end_when_all_answered(id, owed, draft);
        }
        Ok(id)
    }

    fn end_when_all_answered(&mut self, id: OrderId, owed: &mut Owed, draft: &mut Draft<'_>) {
        let Some(open) = self.open.get(&id) else { return };
        let counts = &open.record.counts;
        let all = match open.record.order.body {
            OrderBody::RollCall { .. } => counts.read == counts.asked,
            OrderBody::Instruct { .. } => {
                counts.done + counts.cannot >= counts.asked && open.asked.values().all(|asked| asked.is_settled())
            }
            _ => false,
        };
        if all {
            self.close(id, super::DESK, "everybody has answered", owed, draft);
        }
    }

    /// Ends an order by command. Given again, it changes nothing.
    pub(super) fn end(
        &mut self,
        id: OrderId,
        order: &Order,
        reason: &str,
        owed: &mut Owed,
        draft: &mut Draft<'_>,
    ) -> Result<OrderId, Refused> {
        check_text("reason", reason)?;
        if self.ended.contains_key(&id) {
            return Ok(id);
        }
        let open = self.open(id)?;
        if matches!(open.record.order.body, OrderBody::HandOff { .. }) {
            self.cancel(id, &order.person, reason, None, owed, draft);
            return Ok(id);
        }
        if let Some(open) = self.close(id, &order.person, reason, owed, draft) {
            withdraw(&open, draft);
        }
        Ok(id)
    }

    /// Takes in what a delivery came to. A channel that reached its person once has reached them; who has the message before
    /// them has read the order.
    pub fn receipt(&mut self, receipt: &Receipt, owed: &mut Owed, draft: &mut Draft<'_>) {
        let Matter::Order(id) = receipt.matter else { return };
        let Some(open) = self.open.get_mut(&id) else { return };
        let Some((person, channel)) = named(receipt.delivery.as_str()) else { return };
        let Some(asked) = open.asked.get_mut(&person) else { return };
        let (delivered, read) = match receipt.outcome {
            ReceiptOutcome::Delivered => (true, false),
            ReceiptOutcome::Read => (true, true),
            ReceiptOutcome::Failed => (false, false),
            ReceiptOutcome::Retry => return,
        };
        let was_reached = asked.is_reached();
        let Some(way) = asked.ways.iter_mut().find(|way| *way.channel == *channel) else { return };
        let is_news = way.end.as_ref().is_none_or(|end| delivered && !end.delivered);
        if is_news {
            way.end = Some(WayEnd { at_ms: draft.now_ms, delivered, reason: receipt.reason.clone() });
            open.record.counts.delivered += u32::from(delivered && !was_reached);
        }
        let answered = Answered { what: Answer::Read, at_ms: draft.now_ms, entered_by: None, note: None };
        let answers = read && add(asked, answered, &mut open.record.counts);
        if is_news || answers {
            keep_asked(asked, draft);
            self.changed.insert(id);
        }
        if answers {
            self.end_when_all_answered(id, owed, draft);
        }
    }
}

/// Adds an answer and counts it; `false` when it was given before.
fn add(asked: &mut Asked, answered: Answered, counts: &mut OrderCounts) -> bool {
    if asked.answered(answered.what).is_some() {
        return false;
    }
    counts.read += u32::from(asked.answers.is_empty());
    match answered.what {
        Answer::Read => {}
        Answer::Arrived => counts.arrived += 1,
        Answer::Done => counts.done += 1,
        Answer::Cannot => counts.cannot += 1,
    }
    asked.answers.push(answered);
    true
}

/// Person and channel of a delivery that asks or reminds somebody, from its id.
fn named(delivery: &str) -> Option<(PersonId, &str)> {
    let mut parts = delivery.splitn(4, '.').skip(1);
    matches!(parts.next()?, "0" | "1").then_some(())?;
    Some((PersonId(parts.next()?.parse().ok()?), parts.next()?))
}
