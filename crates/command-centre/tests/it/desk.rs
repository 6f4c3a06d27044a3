//! A desk in little: keeps alerts, colours and counts as the real one would, commits to the ledger and tells the view.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use command_centre::{ActionError, Actions, Callbacks, DeviceOrder, DeviceSent, RosterReloaded, View};
use model::alert::{Assignment, Evidence, HistoryItem, Mark, PhotoMark, Refused, Rung, Shelf, Work};
use model::finding::{ConditionKey, DeviceChange, Words};
use model::hold::{SilenceOrder, SilenceScope, StormKind, key};
use model::ledger::UnitColour;
use model::order::{OrderNews, OrderSummary};
use model::{About, DeliveryId, Matter, Order, OrderId, OrderOutcome, Receipt, Sighting};
use model::{
    Action, Alert, AlertId, Colour, ColourCounts, Command, CommandId, CommandOutcome, Delivery, DeliveryState,
    DeviceId, Family, FeedEvent, FeedKind, Kept, KeptKind, Ledger, LedgerBatch, PersonId, Reason, RegionCode,
    RegionStatus, RiskBands, Roster, Silence, Storm, UnitId, UnitStatus, wire,
};

use crate::ledger::MemoryLedger;

pub const START_MS: u64 = 1_763_798_400_000;

pub struct Desk {
    pub ledger: Arc<MemoryLedger>,
    pub view: Arc<View>,
    pub roster: Arc<Roster>,
    books: Mutex<Books>,
    /// Acts never return.
    pub hangs: AtomicBool,
    pub orders: Mutex<Vec<DeviceOrder>>,
    pub given: Mutex<Vec<Order>>,
    pub sightings: Mutex<Vec<Sighting>>,
    pub commands: Mutex<Vec<Command>>,
    pub submitted: AtomicUsize,
    pub reads: AtomicUsize,
}

#[derive(Default)]
struct Books {
    epoch: u64,
    cursor: u64,
    alerts: BTreeMap<AlertId, Alert>,
    colours: BTreeMap<UnitId, Colour>,
    counts: BTreeMap<RegionCode, ColourCounts>,
    risks: BTreeMap<UnitId, u8>,
    bands: BTreeMap<RegionCode, RiskBands>,
    outcomes: BTreeMap<CommandId, CommandOutcome>,
    batch: LedgerBatch,
}

impl Books {
    fn event(&mut self, kind: FeedKind, grid: RegionCode, alert: Option<&Alert>, unit: Option<UnitColour>) {
        self.cursor += 1;
        let alert = alert.map(|alert| Box::new(alert.summary()));
        let (cursor, epoch, at_ms) = (self.cursor, self.epoch, START_MS + self.epoch);
        self.batch.feed.push(Arc::new(FeedEvent {
            cursor,
            epoch,
            at_ms,
            kind,
            grid,
            alert,
            unit,
            detail: None,
            order: None,
        }));
    }

    fn put(&mut self, kind: FeedKind, mut alert: Alert) {
        alert.updated_ms = START_MS + self.epoch;
        let (at_ms, epoch) = (alert.updated_ms, self.epoch);
        let (what, by) = (kind.word().into(), "P2".into());
        alert.record(HistoryItem { number: 0, at_ms, epoch, what, by, note: None, command: Some(1), hash: [0; 32] });
        self.event(kind, alert.grid, Some(&alert), None);
        self.alerts.insert(alert.id, alert);
    }
}

impl Desk {
    pub fn new(ledger: Arc<MemoryLedger>, view: Arc<View>, roster: Arc<Roster>) -> Desk {
        Desk {
            ledger,
            view,
            roster,
            books: Mutex::default(),
            hangs: AtomicBool::new(false),
            orders: Mutex::default(),
            given: Mutex::default(),
            sightings: Mutex::default(),
            commands: Mutex::default(),
            submitted: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
        }
    }

    /// One commit of records and events.
    pub fn keep(&self, kept: Vec<Kept>, news: Vec<(FeedKind, OrderNews)>) {
        self.commit(&[], |books| {
            books.batch.kept = kept;
            for (kind, news) in news {
                books.event(kind, news.head.region, None, None);
                Arc::make_mut(books.batch.feed.last_mut().unwrap()).order = Some(Box::new(news));
            }
        });
    }

    /// The next commit's number.
    pub fn next_epoch(&self) -> u64 {
        self.books.lock().unwrap().epoch + 1
    }

    /// One journal commit: `work` on the books, then ledger and view.
    fn commit<T>(&self, devices: &[DeviceChange], work: impl FnOnce(&mut Books) -> T) -> T {
        let mut books = self.books.lock().unwrap();
        books.epoch += 1;
        books.batch = LedgerBatch { epoch: books.epoch, at_ms: START_MS + books.epoch, ..LedgerBatch::default() };
        let done = work(&mut books);
        let batch = std::mem::take(&mut books.batch);
        self.ledger.commit(&batch).unwrap();
        self.view.apply(&batch, &self.roster, devices);
        done
    }

    fn grid(&self, unit: UnitId) -> RegionCode {
        self.roster.unit(unit).unwrap().grid
    }

    /// One commit with records of the desk, and a time of its own.
    pub fn keep_at(&self, at_ms: u64, kept: Vec<Kept>) {
        self.commit(&[], |books| {
            books.batch.at_ms = at_ms;
            books.batch.kept = kept;
        });
    }

    /// A silence `order-0-1` of faults in the first unit, and an incident `order-1-1` of its fires.
    pub fn keep_silence_and_storm(&self) {
        let (silence, storm) = (silence(self.grid(UnitId(0))), storm(self.grid(UnitId(0))));
        let of = |kind, key, value: Vec<u8>| Kept { kind, key, value: Some(value.into()) };
        let members: Vec<AlertId> = self.books.lock().unwrap().alerts.keys().copied().collect();
        let storm = Storm { members: u32::try_from(members.len()).unwrap(), ..storm };
        self.keep_at(
            START_MS + 100,
            vec![
                of(KeptKind::Silence, key::silence(silence.id), wire::encode(&silence)),
                of(KeptKind::Storm, key::storm(storm.id), wire::encode(&storm)),
                of(KeptKind::Storm, key::members(storm.id, 0), wire::encode(&members)),
            ],
        );
    }

    /// Fire alerts in these units, in one commit.
    pub fn raise_all(&self, units: &[u32]) -> Vec<AlertId> {
        self.commit(&[], |books| {
            let raised = units.iter().map(|unit| self.new_alert(UnitId(*unit), books.epoch));
            let raised: Vec<Alert> = raised.collect();
            let ids = raised.iter().map(|alert| alert.id).collect();
            for alert in raised {
                books.batch.deliveries.push(Arc::new(delivery(&alert)));
                let id = alert.id;
                books.put(FeedKind::AlertRaised, alert);
                let alert = books.alerts[&id].clone();
                books.batch.alerts.push(Arc::new(alert));
            }
            ids
        })
    }

    pub fn raise(&self, unit: u32) -> AlertId {
        self.raise_all(&[unit])[0]
    }

    fn new_alert(&self, unit: UnitId, epoch: u64) -> Alert {
        let device = self.roster.devices_of(unit).first().copied();
        let at_ms = START_MS + epoch;
        let words = Words { zh: "烟雾浓度 0.18 dB/m".into(), en: "smoke 0.18 dB/m".into() };
        let evidence = Evidence {
            at_ms,
            epoch,
            rule: "smoke".into(),
            device,
            colour: Colour::Red,
            words,
            alarm: Some("a-1".into()),
        };
        let id = AlertId { epoch, unit, family: Family::Fire };
        Alert {
            conditions: vec![ConditionKey { rule: "smoke".into(), device }],
            evidence: vec![evidence],
            evidence_count: 1,
            ladder: vec![
                Rung {
                    whom: "grid".into(),
                    due_ms: at_ms,
                    told_ms: Some(at_ms),
                    people: vec![PersonId(1)],
                    ..Rung::default()
                },
                Rung { whom: "township".into(), due_ms: at_ms + 60_000, ..Rung::default() },
            ],
            ..Alert::new(id, Colour::Red, self.grid(unit), at_ms)
        }
    }

    /// A unit's colour, with the counts of all its regions.
    pub fn paint(&self, unit: u32, colour: Colour) {
        self.commit(&[], |books| {
            let unit = UnitId(unit);
            let grid = self.grid(unit);
            let before = books.colours.insert(unit, colour);
            for region in grid.ancestry() {
                let counts = books.counts.entry(region).or_default();
                if let Some(before) = before {
                    *counts.of(before) -= 1;
                }
                *counts.of(colour) += 1;
                let counts = *counts;
                books.batch.regions.push(RegionStatus {
                    region,
                    counts,
                    blind: counts.blind,
                    risk: RiskBands::default(),
                });
            }
            let since_ms = START_MS + books.epoch;
            books.batch.units.push(Arc::new(UnitStatus {
                unit,
                colour,
                since_ms,
                blind_since_ms: None,
                risk: None,
                reasons: self.reasons(unit, colour),
            }));
            if before != Some(colour) {
                books.event(FeedKind::UnitColour, grid, None, Some(UnitColour { unit, colour, since_ms }));
            }
        });
    }

    /// A unit's standing risk, with that of all its regions; the unit is blue.
    pub fn risk(&self, unit: u32, index: u8) {
        self.commit(&[], |books| {
            let unit = UnitId(unit);
            let before = books.risks.insert(unit, index);
            for region in self.grid(unit).ancestry() {
                let bands = books.bands.entry(region).or_default();
                bands.count(index, true);
                if let Some(before) = before {
                    bands.count(before, false);
                }
                let (counts, risk) = (books.counts.get(&region).copied().unwrap_or_default(), *bands);
                books.batch.regions.push(RegionStatus { region, counts, blind: counts.blind, risk });
            }
            books.batch.units.push(Arc::new(UnitStatus {
                unit,
                colour: Colour::Blue,
                since_ms: START_MS,
                blind_since_ms: None,
                risk: Some(index),
                reasons: vec![],
            }));
        });
    }

    fn reasons(&self, unit: UnitId, colour: Colour) -> Vec<Reason> {
        if colour == Colour::Blue {
            return vec![];
        }
        vec![Reason {
            rule: "smoke".into(),
            device: self.roster.devices_of(unit).first().copied(),
            family: Family::Fire,
            colour,
            since_ms: START_MS,
            evidence: Words { zh: "烟雾".into(), en: "smoke".into() },
            would_change: Words { zh: "低于 0.05".into(), en: "below 0.05".into() },
        }]
    }

    /// Something happens to an alert. What the desk only tells, as more evidence, does not stand in its history.
    pub fn change(&self, id: AlertId, kind: FeedKind, is_recorded: bool, change: impl FnOnce(&mut Alert)) {
        self.commit(&[], |books| {
            let mut alert = books.alerts[&id].clone();
            change(&mut alert);
            if is_recorded {
                books.put(kind, alert);
            } else {
                books.event(kind, alert.grid, Some(&alert), None);
                books.alerts.insert(id, alert);
            }
            let alert = books.alerts[&id].clone();
            books.batch.alerts.push(Arc::new(alert));
        });
    }

    /// More evidence of the same, in other words.
    pub fn see_more(&self, id: AlertId, zh: &str, en: &str) {
        let epoch = self.ledger.applied() + 1;
        self.change(id, FeedKind::AlertUpdated, false, |alert| {
            let words = Words { zh: zh.to_owned().into(), en: en.to_owned().into() };
            let like = alert.evidence[0].clone();
            alert.evidence.push(Evidence { epoch, at_ms: START_MS + epoch, words, ..like });
        });
    }

    /// An order that P2 is told of.
    pub fn owe_order(&self) -> OrderId {
        let order = self.instruct("331083001");
        let alert = self.new_alert(UnitId(0), 1);
        self.commit(&[], |books| {
            let about = OrderSummary {
                id: order,
                kind: "instruct".into(),
                by: "P1".into(),
                alert: None,
                region: alert.grid,
                colour: Colour::Orange,
                at_ms: START_MS,
                words: Words { zh: "请到岗".into(), en: "take your posts".into() },
                exercise: false,
                facts: None,
            };
            let id = DeliveryId::from(order.to_string().as_str());
            let (matter, about) = (order.into(), About::Order(about));
            books.batch.deliveries.push(Arc::new(Delivery { id, matter, about, ..delivery(&alert) }));
        });
        order
    }

    pub fn close(&self, id: AlertId) {
        self.act(id, Action::Close, "P2").unwrap();
    }

    pub fn device(&self, device: u32, alive: bool, last_seen_ms: u64) {
        self.commit(&[DeviceChange { device: DeviceId(device), alive, last_seen_ms }], |_| ());
    }

    fn act(&self, id: AlertId, action: Action, person: &str) -> Result<model::AlertSummary, Refused> {
        self.commit(&[], |books| {
            let Some(mut alert) = books.alerts.get(&id).cloned() else { return Err(Refused::Unknown(id)) };
            if !alert.state.is_open() {
                return Err(Refused::Forbidden(format!("alert {id} is closed")));
            }
            let mark = Mark::by(person, START_MS + books.epoch);
            let kind = match action {
                Action::Acknowledge => {
                    alert.acknowledged.push(mark);
                    FeedKind::AlertAcknowledged
                }
                Action::Arrive => {
                    alert.arrived.push(mark);
                    FeedKind::AlertArrived
                }
                Action::Verify(verdict, cause) => {
                    (alert.verdict, alert.cause) = (Some((verdict, mark)), Some(cause));
                    FeedKind::AlertVerified
                }
                Action::Close => {
                    alert.closed = Some(mark);
                    FeedKind::AlertClosed
                }
                Action::Assign(_) => {
                    alert.assigned = Some(Assignment { person: "P2".into(), by: mark });
                    FeedKind::AlertAssigned
                }
                Action::BeginWork => {
                    alert.acknowledged.push(mark.clone());
                    alert.work.push(Work { mark, done_ms: None, ring: 1 });
                    FeedKind::AlertWorkBegun
                }
                Action::FinishWork => {
                    alert.work.iter_mut().for_each(|work| work.done_ms = Some(mark.at_ms));
                    FeedKind::AlertWorkFinished
                }
                Action::Check { .. } => {
                    alert.checked = Some(mark);
                    FeedKind::AlertChecked
                }
                Action::Note => {
                    alert.notes.push(Mark { note: Some("…".into()), ..mark });
                    FeedKind::AlertNoted
                }
                Action::Photo(photo) => {
                    alert.photos.push(PhotoMark { photo, by: mark });
                    FeedKind::AlertPhotographed
                }
                Action::Shelve { until_ms } => {
                    alert.shelved = Some(Shelf { by: mark, until_ms, colour: Colour::Red });
                    FeedKind::AlertShelved
                }
                Action::TakeOutOfService { until_ms } => {
                    let until_ms = until_ms.unwrap_or(mark.at_ms + 1);
                    alert.out_of_service = Some(Shelf { by: mark, until_ms, colour: Colour::Red });
                    FeedKind::AlertOutOfService
                }
                Action::Unshelve => {
                    alert.shelved = None;
                    FeedKind::AlertUnshelved
                }
                Action::ReturnToService => {
                    alert.out_of_service = None;
                    FeedKind::AlertReturnedToService
                }
            };
            alert.state = alert.standing();
            books.put(kind, alert);
            let alert = books.alerts[&id].clone();
            let summary = alert.summary();
            books.batch.alerts.push(Arc::new(alert));
            Ok(summary)
        })
    }
}

fn delivery(alert: &Alert) -> Delivery {
    Delivery {
        id: delivery_id(alert.id),
        matter: alert.id.into(),
        about: About::Alert(alert.summary()),
        whom: "grid".into(),
        person: PersonId(1),
        person_code: "P2".into(),
        person_name: "李网格".into(),
        channel: "mqtt".into(),
        owed_ms: alert.raised_ms,
        state: DeliveryState::Owed,
        attempts: vec![model::alert::Attempt {
            at_ms: alert.raised_ms,
            outcome: model::alert::ReceiptOutcome::Retry,
            reason: "nobody is connected".into(),
        }],
        attempt_count: 1,
        read_ms: None,
        turn: None,
    }
}

/// A token is the id of an alert or order, and names its one delivery.
#[async_trait]
impl Callbacks for Desk {
    fn named(&self, token: &str) -> Option<(Matter, DeliveryId)> {
        let matter: Matter = token.parse().ok()?;
        Some((matter, matter.alert().map_or_else(|| DeliveryId::from(token), delivery_id)))
    }

    async fn read(&self, receipt: Receipt) -> Result<(), ActionError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let mut delivery = self.ledger.delivery(receipt.matter, &receipt.delivery).unwrap().expect("it was looked up");
        self.commit(&[], |books| {
            let at_ms = START_MS + books.epoch;
            delivery.read_ms = Some(at_ms);
            let (outcome, reason) = (receipt.outcome, receipt.reason);
            delivery.attempts.push(model::alert::Attempt { at_ms, outcome, reason });
            books.batch.deliveries.push(Arc::new(delivery));
        });
        Ok(())
    }
}

fn delivery_id(alert: AlertId) -> DeliveryId {
    format!("{alert}/1/grid/P2/mqtt").as_str().into()
}

#[async_trait]
impl Actions for Desk {
    async fn submit(&self, command: Command) -> Result<CommandOutcome, ActionError> {
        self.submitted.fetch_add(1, Ordering::SeqCst);
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let known = self.books.lock().unwrap().outcomes.get(&command.id).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let result = self.act(command.alert, command.action, &command.person);
        let outcome = CommandOutcome { id: command.id.clone(), result };
        self.books.lock().unwrap().outcomes.insert(command.id.clone(), outcome.clone());
        self.commands.lock().unwrap().push(command);
        Ok(outcome)
    }

    async fn order(&self, order: Order) -> Result<OrderOutcome, ActionError> {
        self.given.lock().unwrap().push(order.clone());
        let id = order.id.clone();
        Ok(OrderOutcome { id, result: crate::orders::take(self, order) })
    }

    async fn device_command(&self, order: DeviceOrder) -> Result<DeviceSent, ActionError> {
        let is_first = order.device == DeviceId(0);
        self.orders.lock().unwrap().push(order);
        Ok(DeviceSent { sent: is_first, reason: (!is_first).then(|| "the device is not connected".to_owned()) })
    }

    async fn sighting(&self, sighting: Sighting) -> Result<u64, ActionError> {
        let mut sightings = self.sightings.lock().unwrap();
        sightings.push(sighting);
        Ok(sightings.len() as u64)
    }

    async fn reload_roster(&self, by: &str) -> Result<RosterReloaded, ActionError> {
        if by == "faulty" {
            let faults = vec!["units.csv:3: owner nobody is not in people.csv".to_owned()];
            return Err(ActionError::Invalid { detail: "the roster folder has a fault".into(), faults });
        }
        Ok(RosterReloaded { version: 2, added: 1, changed: 2, retired: 3 })
    }
}

fn silence(grid: RegionCode) -> Silence {
    Silence {
        id: OrderId { epoch: 1, at: 0 },
        command: "P2/s".into(),
        by: "P2".into(),
        order: SilenceOrder {
            scope: SilenceScope::Unit(UnitId(0)),
            region: grid,
            family: Family::Fault,
            rules: vec!["lost_contact".into()],
            until_ms: START_MS + 3_600_000,
            reason: "a battery is being changed".into(),
            owner: "P2".into(),
        },
        from_ms: START_MS,
        told_ms: None,
        held: 3,
        ended: None,
    }
}

fn storm(grid: RegionCode) -> Storm {
    let village = grid.at(model::Level::Village).unwrap();
    Storm {
        id: OrderId { epoch: 1, at: 1 },
        kind: StormKind::Building,
        region: village,
        address: "1 Dock Road".into(),
        rule: "".into(),
        family: Family::Fire,
        colour: Colour::Red,
        began_ms: START_MS,
        joined_ms: START_MS,
        ended_ms: None,
        merged_into: None,
        members: 0,
        villages: vec![(village, 1)],
        confirmed: false,
        told: vec![PersonId(0)],
        tellings: 1,
        told_ms: START_MS,
        told_members: 1,
        words: Words { zh: "烟雾".into(), en: "smoke".into() },
    }
}
