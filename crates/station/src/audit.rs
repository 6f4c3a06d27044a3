//! "Same journal, same alerts", checked on the spot: the whole journal once more, from nothing, into a fresh ledger.

use std::sync::Arc;

use anyhow::{Result, bail};
use model::order::OrderRecord;
use model::{Epoch, Evaluated, Journal, KeptKind, Ledger, Step};
use store::Store;

use crate::config::Config;

/// Differences told at most.
const TOLD_MAX: usize = 20;
/// Events compared at a time.
const PAGE: usize = 4096;

/// Replays and compares.
///
/// # Errors
/// When the two ledgers differ, when the journal does not begin at its first commit, or the store is in use.
pub fn run(config: &Config) -> Result<()> {
    let kept = Arc::new(Store::open(&config.station.data, config.store.clone())?);
    if kept.first_epoch() > 1 {
        bail!(
            "the journal begins with commit {}: what followed from the commits before cannot be replayed",
            kept.first_epoch()
        );
    }
    let folder = config.station.data.with_extension("audit");
    let _ = std::fs::remove_dir_all(&folder);
    let fresh = Arc::new(Store::open(&folder, config.store.clone())?);
    replay(&kept, &fresh, config)?;
    let faults = compare(&*kept, &*fresh)?;
    drop(fresh);
    std::fs::remove_dir_all(&folder)?;
    if !faults.is_empty() {
        bail!("the journal replays to another ledger:\n{}", faults.join("\n"));
    }
    println!(
        "{} commits replay to the same ledger: {} open alerts, {} feed events, {} units",
        kept.last_epoch(),
        kept.open_alerts()?.len(),
        kept.newest_cursor(),
        kept.units()?.len()
    );
    Ok(())
}

/// Evaluator and desk from nothing. The fresh store gets the journal too: a ledger is never ahead of its journal.
fn replay(kept: &Store, fresh: &Arc<Store>, config: &Config) -> Result<()> {
    let mut desk = alerts::Desk::restore(alerts::Policy::default(), &**fresh)?;
    let (judged, results) = std::sync::mpsc::sync_channel::<Evaluated>(64);
    let ledger = Arc::clone(fresh);
    let writer = std::thread::Builder::new().name("audit".to_owned()).spawn(move || -> Result<()> {
        while let Ok(evaluated) = results.recv() {
            ledger.commit(&desk.step(&evaluated).batch)?;
        }
        Ok(())
    })?;
    let out = Box::new(move |evaluated| {
        // the writer's own error is told below
        let _ = judged.send(evaluated);
    });
    let rules = evaluator::Rules::default();
    let checkpoints = Arc::clone(fresh) as Arc<dyn model::Checkpoints>;
    let evaluator = evaluator::Evaluator::start(config.evaluator.clone(), rules, None, out, checkpoints)?;
    let mut roster = Arc::new(model::Roster::default());
    let last: Epoch = kept.applied();
    for commit in kept.read(1) {
        let commit = Arc::new(commit?);
        if commit.epoch > last {
            break;
        }
        for entry in &commit.entries {
            if let model::Entry::Roster(change) = entry {
                roster = Arc::new(roster.after(change, commit.epoch));
            }
        }
        fresh.append(&commit, &[], &[])?;
        evaluator.submit(Step { commit, roster: Arc::clone(&roster) })?;
    }
    evaluator.finish()?;
    writer.join().map_err(|_| anyhow::anyhow!("the audit's writer broke"))?
}

fn compare(kept: &dyn Ledger, fresh: &dyn Ledger) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut fault = |what: String| {
        if faults.len() < TOLD_MAX {
            faults.push(what);
        }
    };
    if kept.applied() != fresh.applied() {
        fault(format!("applied {} against {}", kept.applied(), fresh.applied()));
    }
    if kept.newest_cursor() != fresh.newest_cursor() {
        fault(format!("feed ends at {} against {}", kept.newest_cursor(), fresh.newest_cursor()));
    }
    let mut after = kept.oldest_cursor().saturating_sub(1);
    loop {
        let (left, right) = (kept.feed(after, PAGE)?, fresh.feed(after, PAGE)?);
        for (left, right) in left.iter().zip(&right).filter(|(left, right)| left != right) {
            fault(format!("feed event {left:?} against {right:?}"));
        }
        match left.last() {
            Some(event) if left.len() == right.len() => after = event.cursor,
            _ => break,
        }
    }
    let mut before = None;
    loop {
        let (left, right) = (kept.alerts(before, PAGE)?, fresh.alerts(before, PAGE)?);
        if left.len() != right.len() {
            fault(format!("{} alerts against {}", left.len(), right.len()));
        }
        for (left, right) in left.iter().zip(&right) {
            if left != right {
                fault(format!("alert {left:?} against {right:?}"));
            }
            if kept.deliveries(left.id.into())? != fresh.deliveries(left.id.into())? {
                fault(format!("deliveries of alert {}", left.id));
            }
        }
        match left.last() {
            Some(alert) if left.len() == PAGE => before = Some(alert.id.epoch),
            _ => break,
        }
    }
    compare_records(kept, fresh, &mut fault)?;
    if kept.units()? != fresh.units()? {
        fault("units' colours or reasons".to_owned());
    }
    if kept.regions()? != fresh.regions()? {
        fault("regions' counts".to_owned());
    }
    Ok(faults)
}

/// The records of the desk, and the deliveries of its orders.
fn compare_records(kept: &dyn Ledger, fresh: &dyn Ledger, fault: &mut impl FnMut(String)) -> Result<()> {
    for kind in KeptKind::ALL {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let (left, right) = (kept.kept(kind, after.as_deref(), PAGE)?, fresh.kept(kind, after.as_deref(), PAGE)?);
            if left != right {
                fault(format!("records of the kind {kind:?}, {} against {} on a page", left.len(), right.len()));
                break;
            }
            for (_, value) in left.iter().filter(|_| kind == KeptKind::Order) {
                let Ok(order) = model::wire::decode::<OrderRecord>(value) else { continue };
                if kept.deliveries(order.id.into())? != fresh.deliveries(order.id.into())? {
                    fault(format!("deliveries of {}", order.id));
                }
            }
            match left.last() {
                Some((key, _)) if left.len() == PAGE => after = Some(key.clone()),
                _ => break,
            }
        }
    }
    Ok(())
}
