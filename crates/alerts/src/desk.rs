//! The desk's state, and the order of things within one commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use model::alert::{HistoryItem, Mark, Refused};
use model::ledger::UnitColour;
use model::{
    Alert, AlertId, AlertSummary, Command, CommandOutcome, Cursor, Entry, Epoch, Evaluated, Family, FeedKind, Finding,
    Ledger, LedgerBatch, Matter, Order, OrderBody, OrderId, OrderOutcome, Phase, StoreError, UnitId,
};

use crate::before::Before;
use crate::deliveries::Owed;
use crate::duty::{self, Gaps};
use crate::hold::Holds;
use crate::ladder;
use crate::orders::Orders;
use crate::policy::{Policy, PolicyError};
use crate::turn::{Draft, Turn};
use crate::{act, deadlines, hold, life, marks, silence};

/// The ledger's state cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the policy that the ledger has in force cannot be read: {0}. Put a policy in force that this build reads")]
    Policy(#[from] PolicyError),
    #[error(
        "the ledger holds two open alerts of one unit and family, {0} and {1}: it is damaged, rebuild it from the journal"
    )]
    Twice(AlertId, AlertId),
}

/// The single writer of alerts.
///
/// In memory are the open alerts, the deliveries still owed, the colour of every unit, and the heads of the
/// [`Desk::CLOSED_KEPT`] newest closed alerts, so that a command that comes too late is told so.
#[derive(Debug)]
pub struct Desk {
    policy: Policy,
    applied: Epoch,
    cursor: Cursor,
    pub(crate) open: FxHashMap<(UnitId, Family), Open>,
    /// When a tick has something to do with an open alert: a step of its ladder, or its closing.
    due: BTreeSet<(u64, AlertId)>,
    pub(crate) owed: Owed,
    pub(crate) orders: Orders,
    gaps: Gaps,
    holds: Holds,
    /// By unit; [`model::Colour::byte`], 0 for a unit never judged.
    colours: Vec<u8>,
    closed: BTreeMap<AlertId, Closed>,
    /// The alert that was closed last in each place.
    before: Before,
}

#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) alert: Arc<Alert>,
    /// Its entry in [`Desk::due`].
    due_ms: Option<u64>,
}

#[derive(Debug)]
struct Closed {
    summary: AlertSummary,
    /// The history's last item.
    by: Option<HistoryItem>,
}

impl Desk {
    /// Closed alerts whose heads are kept, newest raised first. A command on one that is older is answered as for an
    /// alert that never was; nothing else depends on it.
    pub const CLOSED_KEPT: usize = 4096;

    /// The desk as it was after the ledger's last batch. `policy` is in force until one was journalled
    /// ([`Entry::Policy`]); the ledger's own goes before it.
    ///
    /// # Errors
    /// [`DeskError`] when the ledger cannot be read or holds what cannot be.
    pub fn restore(policy: Policy, ledger: &dyn Ledger) -> Result<Desk, DeskError> {
        let policy = match ledger.policy()? {
            Some(text) => Policy::parse(&text)?,
            None => policy,
        };
        let mut desk = Desk {
            holds: Holds::restore(&policy, ledger)?,
            policy,
            applied: ledger.applied(),
            cursor: ledger.newest_cursor(),
            open: FxHashMap::default(),
            due: BTreeSet::new(),
            owed: Owed::default(),
            gaps: Gaps::restore(ledger)?,
            orders: Orders::restore(ledger)?,
            colours: Vec::new(),
            closed: BTreeMap::new(),
            before: Before::restore(ledger)?,
        };
        for alert in ledger.open_alerts()? {
            let (id, key) = (alert.id, key_of(alert.id));
            desk.owed.restore_told(ledger.deliveries(id.into())?);
            if let Some(other) = desk.open.insert(key, Open { alert: Arc::new(alert), due_ms: None }) {
                return Err(DeskError::Twice(other.alert.id, id));
            }
            desk.reschedule(key);
        }
        for order in desk.orders.open_ids() {
            desk.owed.restore_told(ledger.deliveries(order.into())?);
        }
        for delivery in ledger.owed()? {
            desk.owed.insert(Arc::new(delivery));
        }
        for status in ledger.units()? {
            *desk.colour_of(status.unit) = status.colour.byte();
        }
        for alert in ledger.alerts(None, Desk::CLOSED_KEPT)? {
            if !alert.state.is_open() {
                desk.remember_closed(&alert);
            }
        }
        Ok(desk)
    }

    /// Epoch of the last commit taken in.
    pub fn applied(&self) -> Epoch {
        self.applied
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Decides what follows from one commit. Call it for every commit, in order; one that the desk had before (told again
    /// after a restart) is answered with an empty turn.
    ///
    /// Within a commit: entries in their order (policy, commands, receipts), then findings in theirs, then, with a tick, the
    /// ladder steps and closings that are due, then colours and counts. Colours of units go to the feed when they differ
    /// from the one before; a unit's first colour does not (a roster's import would tell of every unit at once): whoever
    /// keeps a map takes it anew when the roster's version changes.
    pub fn step(&mut self, evaluated: &Evaluated) -> Turn {
        let commit = &evaluated.step.commit;
        if commit.epoch <= self.applied {
            let batch = LedgerBatch { epoch: commit.epoch, at_ms: commit.at_ms, ..LedgerBatch::default() };
            return Turn { batch, ..Turn::default() };
        }
        if commit.epoch != self.applied + 1 && self.applied != 0 {
            tracing::error!(epoch = commit.epoch, applied = self.applied, "commits are missing, and alarms with them");
        }
        let mut draft = Draft::new(evaluated, self.cursor);
        self.holds.prepare(self.open.values().map(|open| &*open.alert), draft.roster);
        draft.holds = std::mem::take(&mut self.holds);
        let mut ticked = false;
        for entry in &commit.entries {
            match entry {
                Entry::Policy(text) => self.adopt(text, &mut draft),
                Entry::Command(command) => {
                    let result = self.command(command, &mut draft);
                    draft.outcomes.push(CommandOutcome { id: command.id.clone(), result });
                }
                Entry::Receipt(receipt) => {
                    self.owed.receipt(receipt, &mut draft);
                    self.orders.receipt(receipt, &mut self.owed, &mut draft);
                }
                Entry::Order(order) => {
                    let id = draft.next_order();
                    let result = self.order(id, order, &mut draft);
                    draft.order_outcomes.push(OrderOutcome { id: order.id.clone(), result });
                }
                Entry::Tick => ticked = true,
                Entry::Roster(change) => duty::record(change, &mut draft),
                Entry::Report(_)
                | Entry::Session { .. }
                | Entry::Rules(_)
                | Entry::Sighting(_)
                | Entry::DeviceCommand { .. } => {}
            }
        }
        for finding in &evaluated.findings {
            self.finding(finding, &mut draft);
        }
        if ticked {
            self.tick(&mut draft);
            self.gaps.look(self.policy.duty.look_ahead_s, &mut draft);
            self.orders.tick(&self.policy, &mut self.owed, &mut draft);
        }
        self.drills(ticked, &mut draft);
        self.release(ticked, &mut draft);
        self.judge_units(evaluated, &mut draft);
        self.finish(draft, evaluated)
    }

    fn adopt(&mut self, text: &str, draft: &mut Draft<'_>) {
        match Policy::parse(text) {
            Ok(policy) => {
                tracing::info!(epoch = draft.epoch, "another ladder policy is in force");
                self.policy = policy;
                draft.holds.adopt(&self.policy, self.open.values().map(|open| &*open.alert), draft.roster);
                draft.policy = Some(text.into());
                let keys: Vec<_> = self.open.keys().copied().collect();
                for key in keys {
                    self.reschedule(key);
                }
            }
            Err(error) => {
                tracing::error!(epoch = draft.epoch, %error, "a policy was refused; the one before stays in force")
            }
        }
    }

    fn command(&mut self, command: &Command, draft: &mut Draft<'_>) -> Result<AlertSummary, Refused> {
        let key = key_of(command.alert);
        let open = self.open.get_mut(&key).filter(|open| open.alert.id == command.alert);
        let Some(open) = open else { return self.too_late(command) };
        if act::is_done(&open.alert.history, command) {
            return Ok(open.alert.summary());
        }
        if let Some(why) = act::refusal(&open.alert, command, draft) {
            return Err(Refused::Forbidden(why));
        }
        let alert = Arc::make_mut(&mut open.alert);
        let changed = act::apply(alert, command, &self.policy, draft);
        alert.state = alert.standing();
        let summary = alert.summary();
        if changed {
            if ladder::is_answer(command.action) {
                self.owed.answered(command.alert.into(), &command.person, draft);
            }
            self.settle(key, draft);
        }
        Ok(summary)
    }

    fn order(&mut self, id: OrderId, order: &Order, draft: &mut Draft<'_>) -> Result<OrderId, Refused> {
        let about = match &order.body {
            OrderBody::Silence(asked) => return silence::begin(id, order, asked, draft),
            OrderBody::EndSilence(silence) => return silence::end(*silence, order, draft),
            OrderBody::Instruct { alert, .. } => *alert,
            OrderBody::HandOff { alert, .. } => Some(*alert),
            _ => None,
        };
        let about = about.and_then(|id| self.open.get(&key_of(id)).filter(|open| open.alert.id == id));
        self.orders.give(id, order, about.map(|open| &*open.alert), &self.policy, &mut self.owed, draft)
    }

    /// The answer to a command on an alert that is not open.
    fn too_late(&self, command: &Command) -> Result<AlertSummary, Refused> {
        let Some(closed) = self.closed.get(&command.alert) else { return Err(Refused::Unknown(command.alert)) };
        if act::is_done(closed.by.as_slice(), command) {
            return Ok(closed.summary.clone());
        }
        let by = closed.by.as_ref().map_or("", |item| &*item.by);
        let why = format!("alert {} was closed by {by}: a new finding in the unit raises a new alert", command.alert);
        Err(Refused::Forbidden(why))
    }

    pub(crate) fn finding(&mut self, finding: &Finding, draft: &mut Draft<'_>) {
        let key = (finding.unit, finding.family);
        if let Some(drill) = self.open.get(&key).filter(|open| open.alert.drill.is_some()).map(|open| open.alert.id) {
            if finding.phase == Phase::Ended {
                return;
            }
            self.break_off(drill, "something of the unit's own ends the drill here", draft);
        }
        if let Some(open) = self.open.get_mut(&key) {
            if life::merge(Arc::make_mut(&mut open.alert), finding, &self.policy, draft) {
                self.settle(key, draft);
            }
            return;
        }
        match finding.phase {
            Phase::Ended => return,
            Phase::Began | Phase::Continued => {}
        }
        let Some(unit) = draft.roster.unit(finding.unit) else {
            tracing::error!(unit = finding.unit.0, rule = %finding.rule, "a finding in a unit that the roster never had");
            return;
        };
        let follows = self.before.of(key, draft.now_ms);
        let alert = life::raise(finding, unit.grid, follows, &self.policy, draft);
        self.open.insert(key, Open { alert: Arc::new(alert), due_ms: None });
        self.settle(key, draft);
    }

    fn tick(&mut self, draft: &mut Draft<'_>) {
        while let Some(&(due_ms, id)) = self.due.first() {
            if due_ms > draft.now_ms {
                break;
            }
            let key = key_of(id);
            let open = self.open.get_mut(&key).expect("only open alerts are due");
            let alert = Arc::make_mut(&mut open.alert);
            if closes_ms(alert, &self.policy).is_some_and(|closes_ms| closes_ms <= draft.now_ms) {
                alert.closed = Some(Mark::by("desk", draft.now_ms));
                let note = "back to normal, and nothing happened since".into();
                draft.record(alert, FeedKind::AlertClosed, "desk", Some(note));
                draft.tell(FeedKind::AlertClosed, alert, None);
            } else {
                marks::pass(alert, &self.policy, draft);
                alert.state = alert.standing();
                ladder::tick(alert, &self.owed, self.policy.limits, draft);
            }
            self.settle(key, draft);
        }
        self.owed.tick(draft);
    }

    /// Looks at what holds the alerts that changed, or whose reasons to wait did.
    fn release(&mut self, ticked: bool, draft: &mut Draft<'_>) {
        if ticked {
            hold::tick(draft);
        }
        let mut asked: BTreeSet<_> = draft.changed.iter().map(|id| key_of(*id)).collect();
        loop {
            match draft.holds.asked() {
                Some(more) => asked.extend(more),
                None => asked.extend(self.open.keys().copied()),
            }
            if asked.is_empty() {
                break;
            }
            for key in std::mem::take(&mut asked) {
                let Some(open) = self.open.get_mut(&key) else { continue };
                if hold::is_settled(&open.alert, draft) {
                    continue;
                }
                hold::settle(Arc::make_mut(&mut open.alert), &self.policy, &self.owed, draft);
                self.settle(key, draft);
            }
        }
        hold::keep(ticked, draft);
    }

    fn judge_units(&mut self, evaluated: &Evaluated, draft: &mut Draft<'_>) {
        for status in &evaluated.units {
            let byte = status.colour.byte();
            let before = std::mem::replace(self.colour_of(status.unit), byte);
            if before == 0 || before == byte {
                continue;
            }
            if let Some(unit) = draft.roster.unit(status.unit) {
                let colour = UnitColour { unit: status.unit, colour: status.colour, since_ms: status.since_ms };
                draft.tell_colour(unit.grid, colour);
            }
        }
    }

    fn finish(&mut self, mut draft: Draft<'_>, evaluated: &Evaluated) -> Turn {
        self.orders.keep(&mut draft);
        metrics::gauge!("fenghuo_orders_open").set(self.orders.len() as f64);
        self.holds = std::mem::take(&mut draft.holds);
        self.applied = draft.epoch;
        self.cursor = draft.cursor;
        let (open, orders) = (&self.open, &self.orders);
        self.owed.keep(&draft, |matter| match matter {
            Matter::Alert(id) => open.get(&key_of(id)).is_some_and(|open| open.alert.id == id),
            Matter::Order(id) => orders.is_open(id),
        });
        if !draft.changed.is_empty() || !draft.closed.is_empty() || !draft.deliveries.is_empty() {
            metrics::gauge!("fenghuo_alerts_open").set(self.open.len() as f64);
            metrics::gauge!("fenghuo_alerts_deliveries_owed").set(self.owed.len() as f64);
        }
        if !draft.feed.is_empty() {
            metrics::counter!("fenghuo_alerts_feed_events_total").increment(draft.feed.len() as u64);
        }
        let changed = draft.changed.iter().filter_map(|id| self.open.get(&key_of(*id))).map(|open| open.alert.clone());
        let changed = changed.collect();
        draft.finish(changed, evaluated)
    }

    /// After an alert changed: notes that, and when it is due next, or takes it out when it was closed.
    pub(crate) fn settle(&mut self, key: (UnitId, Family), draft: &mut Draft<'_>) {
        let Some(open) = self.open.get_mut(&key) else { return };
        let alert = Arc::make_mut(&mut open.alert);
        alert.state = alert.standing();
        deadlines::meet(alert, draft.now_ms);
        let (id, state) = (alert.id, alert.state);
        self.orders.alert_changed(&open.alert, &mut self.owed, draft);
        if state.is_open() {
            draft.changed.insert(id);
            draft.holds.note(&open.alert, draft.roster, draft.now_ms);
            self.reschedule(key);
            return;
        }
        let open = self.open.remove(&key).expect("was there a moment ago");
        if let Some(due_ms) = open.due_ms {
            self.due.remove(&(due_ms, id));
        }
        draft.changed.remove(&id);
        draft.holds.forget(&open.alert);
        self.owed.withdraw(id.into(), "the alert was closed before it was delivered", draft);
        self.remember_closed(&open.alert);
        self.before.closed(&open.alert, draft);
        draft.closed.push(open.alert);
    }

    fn reschedule(&mut self, key: (UnitId, Family)) {
        let Some(open) = self.open.get_mut(&key) else { return };
        let times = [ladder::next_due(&open.alert), marks::next_ms(&open.alert), closes_ms(&open.alert, &self.policy)];
        let next = times.into_iter().flatten().min();
        if next == open.due_ms {
            return;
        }
        if let Some(due_ms) = std::mem::replace(&mut open.due_ms, next) {
            self.due.remove(&(due_ms, open.alert.id));
        }
        if let Some(due_ms) = next {
            self.due.insert((due_ms, open.alert.id));
        }
    }

    fn remember_closed(&mut self, alert: &Alert) {
        let closed = Closed { summary: alert.summary(), by: alert.history.last().cloned() };
        self.closed.insert(alert.id, closed);
        if self.closed.len() > Desk::CLOSED_KEPT {
            self.closed.pop_first();
        }
    }

    fn colour_of(&mut self, unit: UnitId) -> &mut u8 {
        if unit.index() >= self.colours.len() {
            self.colours.resize(unit.index() + 1, 0);
        }
        &mut self.colours[unit.index()]
    }
}

pub(crate) fn key_of(id: AlertId) -> (UnitId, Family) {
    (id.unit, id.family)
}

/// When a restored alert closes by itself: so many seconds after its last change.
fn closes_ms(alert: &Alert, policy: &Policy) -> Option<u64> {
    let auto_close_s = policy.of(alert.family()).auto_close_s?;
    alert.state.is_restored().then(|| alert.updated_ms + u64::from(auto_close_s) * 1000)
}
