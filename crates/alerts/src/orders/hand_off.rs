//! Hand-off of an alert to the fire brigade: offered, accepted or rejected, dispatched, arrived, closed.

use model::alert::Refused;
use model::finding::Words;
use model::order::{Contact, Facts, OrderRecord, Stage};
use model::roster::Post;
use model::{
    Alert, AlertState, FeedKind, KeptKind, Level, Order, OrderBody, OrderId, PersonId, RegionCode, Verdict, wire,
};

use super::ask::{owe, owe_in};
use super::{DESK, Open, Orders, check_text, check_within, keep, news, note, record, refuse, summary};
use crate::deliveries::Owed;
use crate::turn::Draft;

/// Who is no person of the roster: a channel by itself.
const NOBODY: PersonId = PersonId(u32::MAX);
/// Characters of a webhook's name.
const NAME_CHARS_MAX: usize = 64;
/// The word that an alert was found to be real, in a hand-off's history.
const FOUND_REAL: &str = "verified_real";

impl Orders {
    /// Offers an alert.
    pub(super) fn offer(
        &mut self,
        id: OrderId,
        order: &Order,
        about: Option<&Alert>,
        draft: &mut Draft<'_>,
    ) -> Result<Open, Refused> {
        let OrderBody::HandOff { alert: named, to, answer_within_s, note: said } = &order.body else {
            return refuse("this offers no alert");
        };
        let Some(alert) = about else {
            return refuse(format!("there is no open alert {named}: only an open one can be handed off"));
        };
        check_within("answer_within_s", *answer_within_s, 10, 3_600)?;
        if let Some(said) = said {
            check_text("note", said)?;
        }
        if !is_addressee(to, draft) {
            return refuse(format!("{to} is neither webhook:<name> nor the code of a person who has a channel"));
        }
        for other in self.offered.get(named).into_iter().flatten() {
            let given = self.open.get(other).map(|open| &open.record.order.body);
            if matches!(given, Some(OrderBody::HandOff { to: other_to, .. }) if other_to == to) {
                return refuse(format!("alert {named} is offered to {to} already, as {other}"));
            }
        }
        let mut record = record(id, order, alert.grid, alert.colour, alert.exercise, draft);
        record.stage = Some(Stage::Offered);
        record.remind_ms = Some(draft.now_ms + u64::from(*answer_within_s) * 1000);
        note(&mut record, Stage::Offered.word(), &order.person, said.as_deref(), draft);
        if alert.verdict.as_ref().is_some_and(|(verdict, _)| *verdict == Verdict::Real) {
            note(&mut record, FOUND_REAL, DESK, None, draft);
        }
        keep(draft, KeptKind::HandOff, OrderRecord::hand_off_key(alert.id, id), Some(wire::encode(&id)));
        tell_brigade(&record, "hand_off", "0", offered_words(alert), Some(facts(alert, said.as_deref(), draft)), draft);
        Ok(Open { record, asked: Default::default() })
    }

    /// Takes in what the brigade says. The same again changes nothing; nothing goes back.
    pub(super) fn progress(
        &mut self,
        id: OrderId,
        order: &Order,
        stage: Stage,
        reason: Option<&str>,
        owed: &mut Owed,
        draft: &mut Draft<'_>,
    ) -> Result<OrderId, Refused> {
        if let Some(reason) = reason {
            check_text("reason", reason)?;
        }
        let open = self.open(id)?;
        let Some(now) = open.record.stage else { return refuse(format!("{id} is no hand-off")) };
        if now == stage {
            return Ok(id);
        }
        let allowed = match stage {
            Stage::Offered | Stage::Cancelled => false,
            Stage::Rejected => now == Stage::Offered,
            Stage::Accepted | Stage::Dispatched | Stage::Arrived | Stage::Closed => stage > now,
        };
        if !allowed {
            return refuse(format!("{id} is {}: it cannot become {}", now.word(), stage.word()));
        }
        if matches!(stage, Stage::Rejected | Stage::Closed) && reason.is_none() {
            return refuse(format!("say in the reason why it is {}", stage.word()));
        }
        open.record.stage = Some(stage);
        open.record.remind_ms = None;
        note(&mut open.record, stage.word(), &order.person, reason, draft);
        self.changed.insert(id);
        if stage.is_end() {
            let why = reason.unwrap_or_default();
            let ended = self.close(id, &order.person, why, owed, draft);
            if let Some(open) = ended.filter(|_| stage == Stage::Rejected) {
                tell_commander(&open.record, "hand_off_rejected", "x", why, draft);
            }
        } else if let Some(open) = self.open.get(&id) {
            draft.tell_order(FeedKind::OrderReceipt, news(&open.record), Some(stage.word().into()));
        }
        Ok(id)
    }

    /// No answer in time.
    pub(super) fn overdue(&mut self, id: OrderId, draft: &mut Draft<'_>) {
        let Some(open) = self.open.get_mut(&id) else { return };
        note(&mut open.record, "overdue", DESK, None, draft);
        draft.tell_order(FeedKind::OrderReceipt, news(&open.record), Some("overdue".into()));
        tell_commander(&open.record, "hand_off_overdue", "o", "", draft);
    }

    /// Follows an alert that changed: the brigade is told when it is real, and that it need not come when it is none.
    pub fn alert_changed(&mut self, alert: &Alert, owed: &mut Owed, draft: &mut Draft<'_>) {
        let Some(ids) = self.offered.get(&alert.id).cloned() else { return };
        let verdict = alert.verdict.as_ref().map(|(verdict, _)| *verdict);
        for id in ids {
            if alert.state == AlertState::Closed {
                self.cancel(id, DESK, "the alert was closed", Some(alert), owed, draft);
            } else if matches!(verdict, Some(Verdict::False | Verdict::Test)) {
                self.cancel(id, DESK, "the alert was found to be none", Some(alert), owed, draft);
            } else if verdict == Some(Verdict::Real) {
                self.found_real(id, alert, draft);
            }
        }
    }

    fn found_real(&mut self, id: OrderId, alert: &Alert, draft: &mut Draft<'_>) {
        let Some(open) = self.open.get_mut(&id) else { return };
        if open.record.history.iter().any(|item| *item.what == *FOUND_REAL) {
            return;
        }
        note(&mut open.record, FOUND_REAL, DESK, None, draft);
        let facts = facts(alert, None, draft);
        tell_brigade(&open.record, "hand_off_update", "u", offered_words(alert), Some(facts), draft);
        self.changed.insert(id);
    }

    /// Takes a hand-off back.
    pub(super) fn cancel(
        &mut self,
        id: OrderId,
        by: &str,
        why: &str,
        alert: Option<&Alert>,
        owed: &mut Owed,
        draft: &mut Draft<'_>,
    ) {
        let Some(open) = self.open.get_mut(&id) else { return };
        open.record.stage = Some(Stage::Cancelled);
        open.record.remind_ms = None;
        note(&mut open.record, Stage::Cancelled.word(), by, Some(why), draft);
        let Some(Open { record, .. }) = self.close(id, by, why, owed, draft) else { return };
        let words =
            Words { zh: format!("移交取消：{why}").into(), en: format!("hand-off cancelled: {why}").into() };
        tell_brigade(&record, "hand_off_cancelled", "c", words, alert.map(|alert| facts(alert, None, draft)), draft);
    }
}

fn tell_commander(record: &OrderRecord, kind: &str, tag: &str, why: &str, draft: &mut Draft<'_>) {
    let OrderBody::HandOff { to, alert, .. } = &record.order.body else { return };
    let words = match kind {
        "hand_off_rejected" => Words {
            zh: format!("{to}拒绝接收警情{alert}：{why}").into(),
            en: format!("{to} rejected alert {alert}: {why}").into(),
        },
        _ => Words {
            zh: format!("{to}未应答警情{alert}，请电话联系").into(),
            en: format!("{to} has not answered for alert {alert}, call them").into(),
        },
    };
    let mut head = summary(record, kind, words);
    head.colour = model::Colour::Red;
    let roster = draft.roster;
    let commanders = record.region.at(Level::City).map_or(&[][..], |city| roster.people_at(city, Post::Commander));
    for &person in commanders {
        if let Some(row) = roster.person(person) {
            owe(&head, tag, person, row, draft);
        }
    }
}

fn is_addressee(to: &str, draft: &Draft<'_>) -> bool {
    if let Some(name) = to.strip_prefix("webhook:") {
        return (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    }
    let person = draft.roster.person_by_code(to).and_then(|person| draft.roster.person(person));
    person.is_some_and(|row| !row.channels.is_empty())
}

fn tell_brigade(
    record: &OrderRecord,
    kind: &str,
    tag: &str,
    words: Words,
    facts: Option<Facts>,
    draft: &mut Draft<'_>,
) {
    let OrderBody::HandOff { to, .. } = &record.order.body else { return };
    let mut head = summary(record, kind, words);
    head.facts = facts.map(Box::new);
    let roster = draft.roster;
    match roster.person_by_code(to).and_then(|person| Some((person, roster.person(person)?))) {
        Some((person, row)) => {
            owe(&head, tag, person, row, draft);
        }
        None => owe_in(&head, tag, (NOBODY, to, to), to, draft),
    }
}

fn offered_words(alert: &Alert) -> Words {
    let found = match alert.verdict.as_ref().map(|(verdict, _)| *verdict) {
        Some(Verdict::Real) => ("现场已核实", "verified on the spot"),
        _ => ("尚未核实", "not verified"),
    };
    let words = alert.summary().words;
    Words { zh: format!("{}，{}", found.0, words.zh).into(), en: format!("{}; {}", found.1, words.en).into() }
}

/// What the brigade must know of an alert.
fn facts(alert: &Alert, said: Option<&str>, draft: &Draft<'_>) -> Facts {
    let roster = draft.roster;
    let unit = roster.unit(alert.id.unit);
    let blank = || Box::<str>::from("");
    let name_at = |level| alert.grid.at(level).map_or_else(blank, |code| roster.region_name(code).into());
    let profile = unit.map(|unit| unit.profile).unwrap_or_default();
    let evidence =
        alert.evidence.iter().rev().take(Facts::EVIDENCE_MAX).map(|evidence| evidence.words.zh.as_ref().into());
    let name_of = |code: &str| {
        let row = roster.person_by_code(code).and_then(|person| roster.person(person));
        row.map_or_else(|| code.into(), |row| row.name.clone())
    };
    Facts {
        alert: alert.id,
        family: alert.id.family,
        colour: alert.colour,
        state: alert.state,
        verdict: alert.verdict.as_ref().map(|(verdict, _)| *verdict),
        raised_ms: alert.raised_ms,
        unit: unit.map_or_else(blank, |unit| unit.code.clone()),
        unit_name: unit.map_or_else(blank, |unit| unit.name.clone()),
        category: unit.map_or_else(blank, |unit| unit.category.clone()),
        address: unit.map_or_else(blank, |unit| unit.address.clone()),
        places: [name_at(Level::Township), name_at(Level::Village), name_at(Level::Grid)],
        position_m: unit.and_then(|unit| unit.position_m),
        people: profile.people,
        vulnerable: profile.vulnerable,
        storeys: profile.storeys,
        evidence: evidence.collect(),
        present: alert.arrived.iter().map(|mark| name_of(&mark.person)).collect(),
        contacts: contacts(alert.grid, unit.and_then(|unit| unit.owner), draft),
        note: said.map(Box::from),
    }
}

/// Owner, grid workers and the village's chief: whom the brigade calls on its way.
fn contacts(grid: RegionCode, owner: Option<PersonId>, draft: &Draft<'_>) -> Vec<Contact> {
    let roster = draft.roster;
    let village = grid.at(Level::Village).unwrap_or(grid);
    let chiefs = roster.people_at(village, Post::VillageChief);
    let workers = roster.people_at(grid, Post::GridWorker);
    let people = owner.iter().chain(workers).chain(chiefs).filter_map(|person| roster.person(*person));
    let reachable = people.filter(|row| !row.phone.is_empty());
    reachable.map(|row| Contact { name: row.name.clone(), post: row.post, phone: row.phone.clone() }).take(8).collect()
}
