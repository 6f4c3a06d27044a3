//! Random acts on the store and on plain maps: both say the same at every step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::*;
use store::Store;

use crate::fixture::*;

#[derive(Default)]
struct Plain {
    journal: Vec<Commit>,
    quarantine: Vec<Quarantined>,
    applied: Epoch,
    alerts: BTreeMap<AlertId, Alert>,
    deliveries: BTreeMap<(Matter, DeliveryId), Delivery>,
    units: BTreeMap<UnitId, UnitStatus>,
    feed: Vec<FeedEvent>,
    policy: Option<String>,
}

impl Plain {
    fn commit(&mut self, batch: &LedgerBatch) {
        if batch.epoch <= self.applied {
            return;
        }
        self.applied = batch.epoch;
        self.alerts.extend(batch.alerts.iter().map(|alert| (alert.id, alert.as_ref().clone())));
        let deliveries = batch.deliveries.iter().map(|d| ((d.matter, d.id.clone()), d.as_ref().clone()));
        self.deliveries.extend(deliveries);
        self.units.extend(batch.units.iter().map(|unit| (unit.unit, unit.as_ref().clone())));
        self.feed.extend(batch.feed.iter().map(|event| event.as_ref().clone()));
        self.policy = batch.policy.as_ref().map(|text| text.to_string()).or(self.policy.take());
    }

    fn check(&self, store: &Store, dice: &mut Dice) {
        assert_eq!(store.last_epoch(), self.journal.len() as u64);
        assert_eq!(store.applied(), self.applied);
        assert_eq!(store.newest_cursor(), self.feed.len() as u64);
        let from = 1 + dice.below(self.journal.len() as u64 + 1);
        let read: Vec<Commit> = store.read(from).collect::<Result<_, _>>().unwrap();
        assert_eq!(read, self.journal[from as usize - 1..]);
        let after = dice.below(self.feed.len() as u64 + 1);
        let limit = dice.below(20) as usize;
        let feed: Vec<_> = self.feed.iter().skip(after as usize).take(limit).cloned().collect();
        assert_eq!(store.feed(after, limit).unwrap(), feed);
        let open: Vec<_> = self.alerts.values().filter(|alert| alert.state.is_open()).cloned().collect();
        assert_eq!(store.open_alerts().unwrap(), open);
        let before = dice.below(self.journal.len() as u64 + 2);
        let alerts = self.alerts.values().rev().filter(|alert| alert.id.epoch < before).take(limit).cloned();
        assert_eq!(store.alerts(Some(before), limit).unwrap(), alerts.collect::<Vec<_>>());
        let unit = UnitId(dice.below(10) as u32);
        let alerts = self.alerts.values().rev().filter(|alert| alert.id.unit == unit).take(limit).cloned();
        assert_eq!(store.alerts_of_unit(unit, limit).unwrap(), alerts.collect::<Vec<_>>());
        let owed = self.deliveries.values().filter(|delivery| delivery.state == DeliveryState::Owed);
        assert_eq!(store.owed().unwrap(), owed.cloned().collect::<Vec<_>>());
        assert_eq!(store.units().unwrap(), self.units.values().cloned().collect::<Vec<_>>());
        assert_eq!(store.policy().unwrap(), self.policy);
        let before = 1 + dice.below(self.quarantine.len() as u64 + 1);
        let quarantine = self.quarantine.iter().enumerate().rev().map(|(at, m)| (m, at as u64 + 1));
        let quarantine: Vec<_> =
            quarantine.filter(|(_, n)| *n < before).take(limit).map(|(m, n)| (n, m.clone())).collect();
        assert_eq!(store.quarantine(Some(before), limit).unwrap(), quarantine);
        for id in self.alerts.keys().take(3) {
            let deliveries: BTreeSet<_> = store.deliveries((*id).into()).unwrap().into_iter().map(|d| d.id).collect();
            let expected =
                self.deliveries.keys().filter(|(matter, _)| *matter == (*id).into()).map(|(_, id)| id.clone());
            assert_eq!(deliveries, expected.collect());
        }
    }

    fn random_batch(&self, epoch: Epoch, dice: &mut Dice) -> LedgerBatch {
        let mut batch = LedgerBatch { epoch, at_ms: START_MS + epoch, ..LedgerBatch::default() };
        for _ in 0..dice.below(4) {
            let unit = dice.below(10) as u32;
            let known = self.alerts.keys().nth(dice.below(self.alerts.len() as u64 + 1) as usize);
            let id = known.copied().unwrap_or(alert_id(epoch, unit));
            let state = [AlertState::Raised, AlertState::Restored, AlertState::Closed][dice.below(3) as usize];
            batch.alerts.push(Arc::new(alert(id, state)));
            let state = [DeliveryState::Owed, DeliveryState::Delivered, DeliveryState::Failed][dice.below(3) as usize];
            let name = ["a", "b", "c"][dice.below(3) as usize];
            batch.deliveries.push(Arc::new(delivery(id, name, state, epoch)));
            let colour = Colour::ALL[dice.below(5) as usize];
            batch.units.push(Arc::new(unit_status(unit, colour)));
            let cursor = self.feed.len() as u64 + batch.feed.len() as u64 + 1;
            batch.feed.push(Arc::new(event(cursor, epoch)));
        }
        batch.policy = (dice.below(5) == 0).then(|| format!("policy {epoch}").into());
        batch
    }
}

#[test]
fn random_acts_agree_with_plain_maps() {
    for seed in 1..=3 {
        let folder = tempfile::tempdir().unwrap();
        let mut dice = Dice::new(seed);
        let mut plain = Plain::default();
        let mut store = open(folder.path());
        for _ in 0..400 {
            let last = plain.journal.len() as u64;
            match dice.below(20) {
                0..=8 => {
                    let commit = commit(last + 1, START_MS + (last + 1) * DAY_MS / (20 + dice.below(20)));
                    let held: Vec<_> = (0..dice.below(3)).map(|n| quarantined(n, dice.below(300) as usize)).collect();
                    store.append(&commit, &held, &[]).unwrap();
                    plain.journal.push(commit);
                    plain.quarantine.extend(held);
                }
                9..=16 if plain.applied < last => {
                    let epoch = plain.applied + 1 + dice.below(last - plain.applied);
                    let batch = plain.random_batch(epoch, &mut dice);
                    store.commit(&batch).unwrap();
                    plain.commit(&batch);
                }
                17 => {
                    drop(store);
                    store = open(folder.path());
                }
                18 => {
                    // nothing is old enough to go, whatever the day
                    store.retain(START_MS + 3 * DAY_MS, dice.below(last + 2)).unwrap();
                }
                _ => plain.check(&store, &mut dice),
            }
        }
        plain.check(&store, &mut dice);
    }
}
