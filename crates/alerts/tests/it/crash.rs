//! The same commits make the same batches, wherever the desk was stopped and taken up again.

use alerts::{Desk, Policy};
use model::{Evaluated, Ledger};

use crate::books::{Books, Pages, bytes_of};
use crate::random::Town;

/// A town's life, with the ledger as it stood after each commit.
struct Lived {
    evaluated: Vec<Evaluated>,
    batches: Vec<Vec<u8>>,
    pages: Vec<Pages>,
}

impl Lived {
    fn of(seed: u64, commits: usize) -> Lived {
        let mut town = Town::new(seed);
        let mut pages = vec![town.world.books.pages()];
        for _ in 0..commits {
            town.live();
            pages.push(town.world.books.pages());
        }
        let batches = town.world.batches.iter().map(bytes_of).collect();
        Lived { evaluated: town.world.evaluated, batches, pages }
    }

    /// Stops the desk after its first `kept` batches reached the ledger, takes it up again, and gives it every commit
    /// from `from` up to `to`.
    fn stop_and_go_on(&self, kept: usize, from: usize, to: usize) {
        let books = Books::with(self.pages[kept].clone());
        let mut desk = Desk::restore(Policy::default(), &books).unwrap();
        assert_eq!(desk.applied(), kept as u64);
        for at in from..to {
            let turn = desk.step(&self.evaluated[at]);
            if at < kept {
                assert!(turn.batch.is_empty() && turn.outcomes.is_empty(), "commit {} was had before", at + 1);
            } else {
                assert!(bytes_of(&turn.batch) == self.batches[at], "commit {}, stopped after {kept}", at + 1);
            }
            books.commit(&turn.batch).unwrap();
        }
        assert!(books.pages() == self.pages[to.max(kept)], "the ledger differs, stopped after {kept}");
    }
}

#[test]
fn a_crash_after_any_commit_changes_nothing() {
    for seed in 0..4 {
        let lived = Lived::of(seed, 60);
        for kept in 0..=60 {
            lived.stop_and_go_on(kept, kept.saturating_sub(seed as usize), (kept + 6).min(60));
        }
    }
}

#[test]
fn a_crash_long_ago_changes_nothing() {
    let lived = Lived::of(7, 120);
    for kept in [0, 1, 17, 60, 119, 120] {
        lived.stop_and_go_on(kept, 0, 120);
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
