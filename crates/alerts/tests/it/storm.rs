//! A township's worth of fires at once.

use alerts::Policy;
use model::{Action, Command, DeliveryState, Entry, Verdict};

use crate::world::{GRID, World, finding, rows, unit};

const FIRES: usize = 10_000;

#[test]
fn ten_thousand_fires_in_one_commit_are_raised_told_and_closed() {
    let mut rows = rows();
    rows.units = (0..FIRES).map(|n| unit(&format!("U{n}"), GRID, "O0", None)).collect();
    let mut world = World::with(&rows, Policy::default());
    let findings = (0..FIRES).map(|n| finding(&["began", &format!("U{n}"), "smoke/1", "red", &format!("a-{n}")], 0));
    let turn = world.step(0, vec![], findings.collect(), vec![]);
    assert_eq!(turn.batch.alerts.len(), FIRES);
    // and one that declares the flood
    assert_eq!(turn.batch.feed.len(), FIRES + 1);
    // owner, grid worker twice, micro station, chiefs of village and township, commander
    assert_eq!(turn.batch.deliveries.len(), 7 * FIRES);
    assert!(turn.batch.alerts.is_sorted_by_key(|alert| alert.id));

    let act = |action, word: &str, person: &str| {
        let command = |n: usize| {
            Entry::Command(Command {
                id: format!("{person}/{word}-{n}").as_str().into(),
                person: person.into(),
                entered_by: None,
                alert: format!("fire-{n}-1").parse().unwrap(),
                action,
                note: None,
            })
        };
        (0..FIRES).map(command).collect::<Vec<_>>()
    };
    let turn =
        world.step(1_000, act(Action::Verify(Verdict::Test, model::Cause::Test), "verify", "G1"), vec![], vec![]);
    assert!(turn.outcomes.iter().all(|outcome| outcome.result.is_ok()));
    let turn = world.step(2_000, act(Action::Close, "close", "V2"), vec![], vec![]);
    assert_eq!(turn.batch.alerts.len(), FIRES);
    assert_eq!(turn.batch.deliveries.len(), 7 * FIRES);
    assert!(turn.batch.deliveries.iter().all(|delivery| delivery.state == DeliveryState::Failed));
    let turn = world.step(3_000, vec![Entry::Tick], vec![], vec![]);
    assert!(turn.batch.is_empty());
}
