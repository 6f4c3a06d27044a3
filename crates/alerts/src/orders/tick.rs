//! What time does to orders: the calendar, reminders, ends, and the counts on the feed.

use model::{FeedKind, KeptKind, Level, Order, OrderBody, OrderId, RegionCode, wire};

use super::ask::{owe, words_of};
use super::{DESK, Open, Orders, keep, news, note, summary};
use crate::deliveries::Owed;
use crate::orders::Calendar;
use crate::policy::Policy;
use crate::turn::Draft;

impl Orders {
    /// Does what is due.
    pub fn tick(&mut self, policy: &Policy, owed: &mut Owed, draft: &mut Draft<'_>) {
        self.begin_by_calendar(policy, owed, draft);
        let ids: Vec<OrderId> = self.open.keys().copied().collect();
        for id in ids {
            let Some(open) = self.open.get(&id) else { continue };
            if open.record.ends_ms.is_some_and(|ends_ms| ends_ms <= draft.now_ms) {
                self.close(id, DESK, "its time is over", owed, draft);
                continue;
            }
            if open.record.remind_ms.is_some_and(|remind_ms| remind_ms <= draft.now_ms) {
                self.remind(id, draft);
            }
            let Some(open) = self.open.get_mut(&id) else { continue };
            if open.record.counts != open.record.told {
                open.record.told = open.record.counts;
                draft.tell_order(FeedKind::OrderReceipt, news(&open.record), None);
                self.changed.insert(id);
            }
        }
    }

    /// Tells the silent once more.
    fn remind(&mut self, id: OrderId, draft: &mut Draft<'_>) {
        let Some(open) = self.open.get_mut(&id) else { return };
        self.changed.insert(id);
        open.record.remind_ms = None;
        if open.record.stage.is_some() {
            self.overdue(id, draft);
            return;
        }
        let head = summary(&open.record, "reminder", words_of(&open.record.order.body));
        let silent = open.asked.values().filter(|asked| asked.answers.is_empty());
        let mut reminded = 0;
        for asked in silent {
            if let Some(row) = draft.roster.person(asked.person) {
                reminded += u32::from(!owe(&head, "1", asked.person, row, draft).is_empty());
            }
        }
        note(&mut open.record, "reminded", DESK, Some(&format!("{reminded} people")), draft);
    }

    fn begin_by_calendar(&mut self, policy: &Policy, owed: &mut Owed, draft: &mut Draft<'_>) {
        for (at, calendar) in [&policy.roll_call, &policy.channel_test].into_iter().enumerate() {
            let Some(due_ms) = calendar.newest_due_ms(at as u64, draft.now_ms) else { continue };
            if due_ms <= self.begun_ms[at] || draft.now_ms - due_ms > Calendar::LATE_MAX_MS {
                continue;
            }
            self.begun_ms[at] = due_ms;
            keep(draft, KeptKind::Calendar, Box::new([at as u8]), Some(wire::encode(&due_ms)));
            let cities = draft.roster.regions().keys().copied().filter(|code| code.level() == Level::City);
            for region in cities.collect::<Vec<RegionCode>>() {
                let (posts, window_s) = (calendar.posts.clone(), calendar.window_s);
                let body = if at == 0 {
                    OrderBody::RollCall { region, posts, window_s, exercise: false }
                } else {
                    OrderBody::ChannelTest { region, posts, window_s }
                };
                let id = format!("{DESK}/{}-{region}-{due_ms}", body.word()).as_str().into();
                let order = Order { id, person: DESK.into(), entered_by: None, body };
                let id = draft.next_order();
                if let Err(refused) = self.give(id, &order, None, policy, owed, draft) {
                    tracing::warn!(%region, order = order.body.word(), %refused, "what the calendar asks for did not begin");
                }
            }
        }
    }
}

/// Tells those who still work on an instruction that it is withdrawn.
pub(super) fn withdraw(open: &Open, draft: &mut Draft<'_>) {
    if !matches!(open.record.order.body, OrderBody::Instruct { .. }) {
        return;
    }
    let head = summary(&open.record, "withdrawn", words_of(&open.record.order.body));
    let told = open.asked.values().filter(|asked| !asked.is_settled());
    for asked in told.filter(|asked| asked.is_reached() || !asked.answers.is_empty()) {
        if let Some(row) = draft.roster.person(asked.person) {
            owe(&head, "w", asked.person, row, draft);
        }
    }
}
