#![allow(clippy::unwrap_used)]
use std::collections::HashMap as Map;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::task::Wake;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

const QUICK: KeeperLimits = KeeperLimits {
    flush: Duration::from_millis(5),
    batch_bytes: 1 << 20,
    backlog_bytes: 1 << 20,
    retry_max: Duration::from_millis(5),
    close_deadline: Duration::from_millis(50),
};

/// A vault in memory whose every write waits for leave, if it was told to.
#[derive(Default)]
struct Shelf {
    state: Mutex<ShelfState>,
    changed: Condvar,
    failing: AtomicBool,
    panicking: AtomicBool,
    tries: AtomicUsize,
}

#[derive(Default)]
struct ShelfState {
    content: Map<Vec<u8>, Vec<u8>>,
    batches: Vec<usize>,
    held: bool,
    waiting: usize,
}

impl Vault for Shelf {
    fn load(&self, _: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), VaultError> {
        Ok(())
    }

    fn write(&self, changes: &[Change]) -> Result<(), VaultError> {
        self.tries.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panicking.load(Ordering::SeqCst), "asked to");
        if self.failing.load(Ordering::SeqCst) {
            return Err(VaultError("disk full".into()));
        }
        let mut state = lock(&self.state);
        state.waiting += 1;
        self.changed.notify_all();
        while state.held {
            state = self.changed.wait(state).unwrap();
        }
        state.waiting -= 1;
        state.batches.push(changes.len());
        for change in changes {
            match &change.value {
                Some(value) => state.content.insert(change.key.to_vec(), value.to_vec()),
                None => state.content.remove(&change.key.to_vec()),
            };
        }
        self.changed.notify_all();
        Ok(())
    }
}

impl Shelf {
    fn hold(&self, held: bool) {
        lock(&self.state).held = held;
        self.changed.notify_all();
    }

    fn until(&self, what: &str, condition: impl Fn(&ShelfState) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = lock(&self.state);
        while !condition(&state) {
            assert!(Instant::now() < deadline, "in time: {what}");
            state = self.changed.wait_timeout(state, Duration::from_millis(5)).unwrap().0;
        }
    }

    fn get(&self, key: &str) -> Option<Vec<u8>> {
        lock(&self.state).content.get(key.as_bytes()).cloned()
    }

    fn until_tried(&self, times: usize) {
        self.until("the vault is tried", |_| self.tries.load(Ordering::SeqCst) >= times);
    }
}

fn start(limits: KeeperLimits) -> (Arc<Shelf>, Keeper) {
    let shelf = Arc::new(Shelf::default());
    let keeper = Keeper::start(Some(shelf.clone()), limits).unwrap();
    (shelf, keeper)
}

fn change(key: &str, value: &[u8]) -> Change {
    Change { key: key.as_bytes().into(), value: Some(value.into()) }
}

fn told(to: &SyncSender<u32>, number: u32) -> Done {
    let to = to.clone();
    Box::new(move || to.send(number).unwrap())
}

fn next(from: &Receiver<u32>) -> u32 {
    from.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn done_is_called_only_after_the_write_returned() {
    let (shelf, keeper) = start(QUICK);
    let (to, from) = sync_channel(8);
    shelf.hold(true);
    keeper.commit([change("a", b"1")], told(&to, 1));
    shelf.until("the write is under way", |state| state.waiting == 1);
    assert!(from.try_recv().is_err());
    shelf.hold(false);
    assert_eq!(next(&from), 1);
    assert_eq!(shelf.get("a").unwrap(), b"1");
}

#[test]
fn what_comes_during_a_write_goes_with_the_next_one() {
    let (shelf, keeper) = start(QUICK);
    let (to, from) = sync_channel(1_000);
    shelf.hold(true);
    keeper.commit([change("first", b"1")], told(&to, 0));
    shelf.until("the write is under way", |state| state.waiting == 1);
    for number in 1..=500u32 {
        keeper.commit([change(&number.to_string(), b"1")], told(&to, number));
    }
    shelf.hold(false);
    assert_eq!((0..=500).map(|_| next(&from)).collect::<Vec<_>>(), (0..=500).collect::<Vec<_>>());
    assert_eq!(lock(&shelf.state).batches, [1, 500]);
}

#[test]
fn a_note_is_written_in_time_and_before_a_later_commit() {
    let (shelf, keeper) = start(QUICK);
    keeper.note([change("lazy", b"1")]);
    shelf.until("the note is written", |state| !state.batches.is_empty());
    keeper.close();

    let (shelf, keeper) = start(KeeperLimits { flush: Duration::from_secs(3_600), ..QUICK });
    let (to, from) = sync_channel(8);
    keeper.note([change("k", b"noted")]);
    keeper.note([Change { key: b"k".as_slice().into(), value: None }]);
    keeper.note([change("k", b"noted again"), change("l", b"noted")]);
    keeper.commit([change("k", b"committed")], told(&to, 1));
    assert_eq!(next(&from), 1);
    assert_eq!(shelf.get("k").unwrap(), b"committed");
    assert_eq!(shelf.get("l").unwrap(), b"noted");
    assert_eq!(lock(&shelf.state).batches, [5]);
}

#[test]
fn a_commit_of_nothing_waits_for_what_was_noted() {
    let (shelf, keeper) = start(KeeperLimits { flush: Duration::from_secs(3_600), ..QUICK });
    let (to, from) = sync_channel(8);
    keeper.commit([], told(&to, 1));
    assert_eq!(next(&from), 1);
    keeper.note([change("k", b"1")]);
    keeper.commit([], told(&to, 2));
    assert_eq!(next(&from), 2);
    assert!(shelf.get("k").is_some());
}

#[test]
fn changes_of_one_key_are_written_in_the_order_given_by_many_threads() {
    let (shelf, keeper) = start(QUICK);
    let (to, from) = sync_channel(10_000);
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let (keeper, to) = (&keeper, &to);
            scope.spawn(move || {
                for round in 0..500u32 {
                    let change = change(&thread.to_string(), &round.to_be_bytes());
                    if round % 3 == 0 {
                        keeper.note([change]);
                    } else {
                        keeper.commit([change], told(to, thread));
                    }
                }
            });
        }
    });
    keeper.close();
    assert_eq!(from.try_iter().count(), 4 * 333);
    for thread in 0..4 {
        assert_eq!(shelf.get(&thread.to_string()).unwrap(), 499u32.to_be_bytes());
    }
}

#[test]
fn a_vault_that_fails_is_tried_again_and_nothing_is_acknowledged_before() {
    let (shelf, keeper) = start(QUICK);
    let (to, from) = sync_channel(8);
    shelf.failing.store(true, Ordering::SeqCst);
    keeper.commit([change("a", b"1")], told(&to, 1));
    shelf.until_tried(3);
    keeper.commit([change("b", b"1")], told(&to, 2));
    shelf.panicking.store(true, Ordering::SeqCst);
    shelf.until_tried(shelf.tries.load(Ordering::SeqCst) + 2);
    assert!(from.try_recv().is_err());
    shelf.panicking.store(false, Ordering::SeqCst);
    shelf.failing.store(false, Ordering::SeqCst);
    assert_eq!((next(&from), next(&from)), (1, 2));
    assert!(shelf.get("a").is_some() && shelf.get("b").is_some());
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn connections_wait_while_the_backlog_is_full_and_are_woken_once() {
    let (shelf, keeper) = start(KeeperLimits { backlog_bytes: 1_000, ..QUICK });
    let (to, from) = sync_channel(8);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    assert!(!keeper.wait_if_behind(1, &waker));
    shelf.hold(true);
    keeper.commit([change("a", &[0; 600])], told(&to, 1));
    keeper.commit([change("b", &[0; 600])], told(&to, 2));
    assert!(keeper.is_behind());
    for _ in 0..3 {
        assert!(keeper.wait_if_behind(1, &waker));
        assert!(keeper.wait_if_behind(2, &waker));
    }
    assert_eq!(bell.0.load(Ordering::SeqCst), 0);
    shelf.hold(false);
    assert_eq!((next(&from), next(&from)), (1, 2));
    shelf.until("both are woken", |_| bell.0.load(Ordering::SeqCst) == 2);
    assert!(!keeper.is_behind());
}

#[test]
fn closing_writes_what_was_noted_and_lets_nobody_wait_after() {
    let (shelf, keeper) = start(KeeperLimits { flush: Duration::from_secs(3_600), ..QUICK });
    keeper.note((0..100).map(|number: u32| change(&number.to_string(), b"1")));
    keeper.close();
    assert_eq!(lock(&shelf.state).content.len(), 100);
    let (to, from) = sync_channel(8);
    keeper.commit([change("late", b"1")], told(&to, 1));
    drop(to);
    assert!(from.recv_timeout(PATIENCE).is_err(), "dropped uncalled");
    keeper.note([change("late", b"1")]);
    keeper.close();
    assert!(shelf.get("late").is_none());
}

#[test]
fn a_vault_that_fails_at_the_end_does_not_hold_it_up_for_ever() {
    let (shelf, keeper) = start(QUICK);
    let (to, from) = sync_channel(8);
    shelf.failing.store(true, Ordering::SeqCst);
    keeper.commit([change("a", b"1")], told(&to, 1));
    drop(to);
    keeper.close();
    assert!(from.recv_timeout(PATIENCE).is_err(), "never acknowledged");
    assert!(shelf.get("a").is_none());
}

#[test]
fn a_panic_in_done_harms_no_other_acknowledgement() {
    let (_shelf, keeper) = start(QUICK);
    let (to, from) = sync_channel(8);
    keeper.commit([change("a", b"1")], Box::new(|| panic!("asked to")));
    keeper.commit([change("b", b"1")], told(&to, 1));
    assert_eq!(next(&from), 1);
    keeper.commit([change("c", b"1")], told(&to, 2));
    assert_eq!(next(&from), 2);
}

#[test]
fn done_may_commit_again_and_drop_the_keeper() {
    let (shelf, keeper) = start(QUICK);
    let keeper = Arc::new(keeper);
    let (to, from) = sync_channel(8);
    let again = keeper.clone();
    keeper.commit([change("a", b"1")], Box::new(move || again.commit([change("b", b"1")], told(&to, 1))));
    drop(keeper);
    assert_eq!(next(&from), 1);
    assert!(shelf.get("b").is_some());
}

#[test]
fn without_a_vault_all_is_done_at_once() {
    let keeper = Keeper::start(None, QUICK).unwrap();
    let (to, from) = sync_channel(8);
    keeper.commit([change("a", b"1")], told(&to, 1));
    assert_eq!(from.try_recv(), Ok(1));
    keeper.note([change("a", b"1")]);
    assert!(!keeper.is_durable() && !keeper.is_behind());
    keeper.close();
}
