//! Silences: for a time, nobody is called for warnings or faults of a place.
//!
//! A silence has an owner and a reason, and an end that was given absolutely: whatever is restarted, late or read again, it
//! ends then and never comes back. Its owner is told before and at its end.

use std::collections::{BTreeMap, BTreeSet};

use model::alert::Refused;
use model::finding::Words;
use model::hold::{SilenceEnd, SilenceOrder, SilenceScope, key};
use model::{
    Alert, Colour, CommandId, DeviceId, Family, FeedKind, HeldBy, KeptKind, Ledger, Order, OrderId, OrderSummary,
    Silence, StoreError,
};
use rustc_hash::FxHashMap;

use crate::hold::{self, put, utc};
use crate::notice;
use crate::policy::SilencePolicy;
use crate::turn::Draft;

/// Silences in force at one time.
const IN_FORCE_MAX: usize = 1000;
/// Ended silences that are kept.
const ENDED_KEPT: usize = 1000;
/// Rules that one silence may name.
const RULES_MAX: usize = 32;
/// Characters of a reason.
const REASON_CHARS_MAX: usize = 500;

/// Every silence that is known.
#[derive(Debug, Default)]
pub(crate) struct Silences {
    all: BTreeMap<OrderId, Silence>,
    in_force: FxHashMap<(Family, SilenceScope), BTreeSet<OrderId>>,
    by_command: FxHashMap<CommandId, OrderId>,
    ended: BTreeSet<OrderId>,
    changed: BTreeSet<OrderId>,
}

impl Silences {
    pub fn restore(ledger: &dyn Ledger) -> Result<Silences, StoreError> {
        let mut silences = Silences::default();
        for (_, value) in ledger.kept(KeptKind::Silence, None, usize::MAX)? {
            silences.insert(hold::read("reading silences", &value)?);
        }
        Ok(silences)
    }

    fn insert(&mut self, silence: Silence) {
        let id = silence.id;
        self.by_command.insert(silence.command.clone(), id);
        if silence.ended.is_some() {
            self.ended.insert(id);
        } else {
            self.in_force.entry((silence.order.family, silence.order.scope)).or_default().insert(id);
        }
        self.all.insert(id, silence);
    }

    fn in_force(&self) -> usize {
        self.all.len() - self.ended.len()
    }

    /// The silence that covers all of what an alert shows, the oldest of its narrowest scope.
    pub fn holder(&self, alert: &Alert, now_ms: u64) -> Option<OrderId> {
        if self.in_force.is_empty() || alert.conditions.is_empty() {
            return None;
        }
        let scopes = one_device(alert).map(SilenceScope::Device).into_iter();
        let scopes = scopes.chain([SilenceScope::Unit(alert.id.unit)]);
        scopes.chain(alert.grid.ancestry().map(SilenceScope::Region)).find_map(|scope| {
            let ids = self.in_force.get(&(alert.family(), scope))?;
            ids.iter().copied().find(|id| self.all.get(id).is_some_and(|silence| covers(silence, alert, now_ms)))
        })
    }

    /// When a silence ends, and what is said of an alert that it holds.
    pub fn words(&self, id: OrderId) -> (Option<u64>, Words) {
        let Some(silence) = self.all.get(&id) else {
            return (None, Words { zh: "已静音".into(), en: "silenced".into() });
        };
        let (by, reason) = (&silence.by, &silence.order.reason);
        let zh = format!("{by} 静音：{reason}").into();
        (Some(silence.order.until_ms), Words { zh, en: format!("silenced by {by}: {reason}").into() })
    }

    /// An alert begins to be held.
    pub fn count(&mut self, id: OrderId) {
        if let Some(silence) = self.all.get_mut(&id) {
            silence.held = silence.held.saturating_add(1);
            self.changed.insert(id);
        }
    }

    fn end(&mut self, id: OrderId, end: SilenceEnd) {
        let Some(silence) = self.all.get_mut(&id) else { return };
        let place = (silence.order.family, silence.order.scope);
        silence.ended = Some(end);
        if let Some(ids) = self.in_force.get_mut(&place) {
            ids.remove(&id);
            if ids.is_empty() {
                self.in_force.remove(&place);
            }
        }
        self.ended.insert(id);
        self.changed.insert(id);
    }

    /// Writes down what changed, and lets go of the oldest that ended. One whose order could still be read again as a new
    /// one, because its time is not over, stays.
    pub fn keep(&mut self, draft: &mut Draft<'_>) {
        if self.changed.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.changed) {
            put(KeptKind::Silence, key::silence(id), self.all.get(&id), draft);
        }
        while self.ended.len() > ENDED_KEPT {
            let over = |id: &&OrderId| self.all.get(id).is_none_or(|silence| silence.order.until_ms <= draft.now_ms);
            let Some(id) = self.ended.iter().find(over).copied() else { break };
            self.ended.remove(&id);
            if let Some(silence) = self.all.remove(&id) {
                self.by_command.remove(&silence.command);
            }
            put::<Silence>(KeptKind::Silence, key::silence(id), None, draft);
        }
        metrics::gauge!("fenghuo_alerts_silences").set(self.in_force() as f64);
    }
}

fn covers(silence: &Silence, alert: &Alert, now_ms: u64) -> bool {
    let rules = &silence.order.rules;
    let is_named = |rule: &str| rules.is_empty() || rules.iter().any(|known| **known == *rule);
    silence.is_in_force(now_ms) && alert.conditions.iter().all(|condition| is_named(&condition.rule))
}

/// The device, where all that an alert shows is one device's.
fn one_device(alert: &Alert) -> Option<DeviceId> {
    let device = alert.conditions.first()?.device?;
    alert.conditions.iter().all(|condition| condition.device == Some(device)).then_some(device)
}

/// Begins a silence. The same order again changes nothing.
pub(crate) fn begin(
    id: OrderId,
    order: &Order,
    asked: &SilenceOrder,
    draft: &mut Draft<'_>,
) -> Result<OrderId, Refused> {
    if let Some(&known) = draft.holds.silences.by_command.get(&order.id) {
        return Ok(known);
    }
    let policy = draft.holds.policy.silence;
    if let Some(why) = refusal(asked, policy, draft) {
        return Err(Refused::Forbidden(why));
    }
    let silence = Silence {
        id,
        command: order.id.clone(),
        by: order.person.clone(),
        order: asked.clone(),
        from_ms: draft.now_ms,
        told_ms: None,
        held: 0,
        ended: None,
    };
    tracing::info!(epoch = draft.epoch, %id, by = %silence.by, region = %asked.region, reason = %asked.reason, "a silence");
    draft.tell_place(FeedKind::SilenceBegan, asked.region, id.to_string().into());
    relook(asked, draft);
    draft.holds.silences.insert(silence);
    draft.holds.silences.changed.insert(id);
    Ok(id)
}

fn refusal(asked: &SilenceOrder, policy: SilencePolicy, draft: &Draft<'_>) -> Option<String> {
    let roster = draft.roster;
    let lasts_s = asked.until_ms.saturating_sub(draft.now_ms).div_ceil(1000);
    let is_there = match asked.scope {
        SilenceScope::Region(region) => region == asked.region,
        SilenceScope::Unit(unit) => roster.unit(unit).is_some_and(|unit| unit.grid == asked.region),
        SilenceScope::Device(device) => {
            let unit = roster.device(device).and_then(|device| roster.unit(device.unit));
            unit.is_some_and(|unit| unit.grid == asked.region)
        }
    };
    if asked.family == Family::Fire {
        Some("a fire cannot be silenced, only verified".to_owned())
    } else if asked.until_ms <= draft.now_ms {
        Some(format!("the silence would have ended at {}: it holds nothing", utc(asked.until_ms)))
    } else if lasts_s > u64::from(policy.max_s) {
        Some(format!("{lasts_s} s are more than the policy's {} s: ask for less", policy.max_s))
    } else if asked.reason.trim().is_empty() || asked.reason.chars().count() > REASON_CHARS_MAX {
        Some(format!("a silence needs a reason of 1 to {REASON_CHARS_MAX} characters"))
    } else if roster.person_by_code(&asked.owner).is_none() {
        Some(format!("there is nobody with the code {} on the roster: a silence needs an owner", asked.owner))
    } else if asked.rules.len() > RULES_MAX {
        Some(format!("{} rules are more than {RULES_MAX}", asked.rules.len()))
    } else if !is_there {
        Some("the place of the silence is not on the roster any more".to_owned())
    } else if draft.holds.silences.in_force() >= IN_FORCE_MAX {
        Some(format!("{IN_FORCE_MAX} silences are in force: end some that are not needed"))
    } else {
        None
    }
}

/// Ends a silence before its time. The same order again changes nothing.
pub(crate) fn end(id: OrderId, order: &Order, draft: &mut Draft<'_>) -> Result<OrderId, Refused> {
    let Some(silence) = draft.holds.silences.all.get(&id) else {
        return Err(Refused::Forbidden(format!("there is no silence {id}, or it ended long ago")));
    };
    if let Some(end) = &silence.ended {
        if end.command.as_ref() == Some(&order.id) {
            return Ok(id);
        }
        let by = end.by.as_ref().map_or_else(|| "by its time".to_owned(), |by| format!("by {by}"));
        return Err(Refused::Forbidden(format!("silence {id} was ended {by} at {}", utc(end.at_ms))));
    }
    let by = Some(order.person.clone());
    finish(id, SilenceEnd { at_ms: draft.now_ms, by, command: Some(order.id.clone()) }, draft);
    Ok(id)
}

/// Tells owners of silences that end soon, and ends those whose time is over.
pub(crate) fn tick(draft: &mut Draft<'_>) {
    let notice_ms = u64::from(draft.holds.policy.silence.notice_s) * 1000;
    let now_ms = draft.now_ms;
    let in_force: BTreeSet<OrderId> = draft.holds.silences.in_force.values().flatten().copied().collect();
    for id in in_force {
        let Some(silence) = draft.holds.silences.all.get_mut(&id) else { continue };
        let until_ms = silence.order.until_ms;
        if until_ms <= now_ms {
            finish(id, SilenceEnd { at_ms: now_ms, by: None, command: None }, draft);
            continue;
        }
        let is_long = until_ms - silence.from_ms > 2 * notice_ms;
        if silence.told_ms.is_none() && is_long && until_ms - now_ms <= notice_ms {
            silence.told_ms = Some(now_ms);
            let silence = silence.clone();
            draft.holds.silences.changed.insert(id);
            draft.tell_place(FeedKind::SilenceEnding, silence.order.region, id.to_string().into());
            let until = utc(until_ms);
            tell_owner(&silence, 1, "即将到期", &format!("ends at {until}"), draft);
        }
    }
}

fn finish(id: OrderId, end: SilenceEnd, draft: &mut Draft<'_>) {
    draft.holds.silences.end(id, end);
    let Some(silence) = draft.holds.silences.all.get(&id).cloned() else { return };
    draft.holds.relook_held(HeldBy::Silence(id));
    draft.tell_place(FeedKind::SilenceEnded, silence.order.region, id.to_string().into());
    let by = silence.ended.as_ref().and_then(|end| end.by.clone());
    let (zh, en) = match &by {
        None => ("已到期".to_owned(), "is over".to_owned()),
        Some(by) => (format!("已由 {by} 解除"), format!("was ended by {by}")),
    };
    if by.as_deref() != Some(&silence.order.owner) {
        tell_owner(&silence, 2, &zh, &en, draft);
    }
}

fn tell_owner(silence: &Silence, number: u32, zh: &str, en: &str, draft: &mut Draft<'_>) {
    let Some(owner) = draft.roster.person_by_code(&silence.order.owner) else { return };
    let (reason, held) = (&silence.order.reason, silence.held);
    let words = Words {
        zh: format!("静音{zh}：{reason}（期间 {held} 条告警未通知，仍存在的将重新通知）").into(),
        en: format!("The silence {en}: {reason} ({held} alerts were held; what still holds rings)").into(),
    };
    let summary = OrderSummary {
        id: silence.id,
        kind: "silence".into(),
        colour: Colour::Yellow,
        region: silence.order.region,
        by: silence.by.clone(),
        at_ms: draft.now_ms,
        words,
        alert: None,
        exercise: false,
        facts: None,
    };
    notice::owe(&summary, "silence_owner", owner, number, draft);
}

fn relook(asked: &SilenceOrder, draft: &mut Draft<'_>) {
    match asked.scope {
        SilenceScope::Region(_) => draft.holds.relook_all(),
        SilenceScope::Unit(unit) => draft.holds.relook_unit(unit, asked.family),
        SilenceScope::Device(device) => {
            if let Some(device) = draft.roster.device(device) {
                draft.holds.relook_unit(device.unit, asked.family);
            }
        }
    }
}
