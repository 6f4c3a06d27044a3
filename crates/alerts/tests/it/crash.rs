//! The same commits make the same batches, wherever the desk was stopped and taken up again.

use alerts::{Desk, Policy};
use model::{Evaluated, Ledger, LedgerBatch};

use crate::books::{Books, bytes_of};
use crate::random::Town;

/// Stops the desk after its first `kept` batches reached the ledger, takes it up again, and gives it everything from the
/// commit `back` before on.
fn stop_and_go_on(evaluated: &[Evaluated], batches: &[LedgerBatch], kept: usize, back: usize) {
    let books = Books::of(&batches[..kept]);
    let mut desk = Desk::restore(Policy::default(), &books).unwrap();
    assert_eq!(desk.applied(), kept as u64);
    for (evaluated, batch) in evaluated.iter().zip(batches).skip(kept.saturating_sub(back)) {
        let turn = desk.step(evaluated);
        if batch.epoch <= kept as u64 {
            assert!(turn.batch.is_empty() && turn.outcomes.is_empty(), "commit {} was had before", batch.epoch);
        } else {
            assert_eq!(bytes_of(&turn.batch), bytes_of(batch), "commit {}, stopped after {kept}", batch.epoch);
        }
        books.commit(&turn.batch).unwrap();
    }
    assert_eq!(books.pages(), Books::of(batches).pages());
}

#[test]
fn a_crash_after_any_commit_changes_nothing() {
    for seed in 0..4 {
        let mut town = Town::new(seed);
        for _ in 0..70 {
            town.live();
        }
        let world = &town.world;
        for kept in 0..=world.batches.len() {
            stop_and_go_on(&world.evaluated, &world.batches, kept, seed as usize * 3);
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_bytes() {
    let run = || {
        let mut town = Town::new(42);
        for _ in 0..300 {
            town.live();
        }
        town.world.batches.iter().map(bytes_of).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
