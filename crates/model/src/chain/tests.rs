use super::*;
use crate::finding::{Colour, Family};
use crate::ids::UnitId;

fn alert() -> Alert {
    let id = AlertId { epoch: 4711, unit: UnitId(17), family: Family::Fire };
    Alert::new(id, Colour::Red, "331083001001001".parse().expect("valid"), 1)
}

fn item(at_ms: u64, command: Option<u64>) -> HistoryItem {
    let (what, by) = ("alert.noted".into(), "G1".into());
    let note = at_ms.is_multiple_of(3).then(|| format!("note {at_ms}").into());
    HistoryItem { number: 0, at_ms, epoch: at_ms, what, by, note, command, hash: [0; 32] }
}

/// A history of `len` items, of which some are people's.
fn lived(len: u64, people_every: u64) -> Alert {
    let mut alert = alert();
    alert.record(item(0, None));
    for n in 1..len {
        alert.record(item(n, n.is_multiple_of(people_every).then_some(n)));
    }
    alert
}

#[test]
fn what_was_written_is_whole_also_after_trimming() {
    for (len, people_every) in [(1, 2), (2, 1), (100, 3), (257, 2), (600, 2), (600, 1), (2000, 7), (2000, 300)] {
        let alert = lived(len, people_every);
        assert_eq!(verify(alert.id, &alert.history, &alert.trims), Ok(alert.seal()), "{len} items");
        assert_eq!(alert.history.len() as u64, len.min(256));
        let gone = u64::from(alert.trims.people.count + alert.trims.station.count);
        assert_eq!(gone, len.saturating_sub(256));
    }
}

#[test]
fn whatever_is_changed_is_found_where_it_is() {
    for len in [40, 700] {
        let alert = lived(len, 3);
        let check = |history: &[HistoryItem], trims: &Trims| verify(alert.id, history, trims);
        let mut other = alert.id;
        other.epoch += 1;
        assert_eq!(verify(other, &alert.history, &alert.trims), Err(Broken::Item(0)), "another alert's history");
        for at in [0, 1, 7, alert.history.len() - 1] {
            let number = alert.history[at].number;
            type Change = fn(&mut HistoryItem);
            let changes: [Change; 7] = [
                |item| item.note = Some("nothing happened".into()),
                |item| item.by = "somebody".into(),
                |item| item.what = "alert.closed".into(),
                |item| item.at_ms += 1,
                |item| item.epoch += 1,
                |item| item.command = item.command.map(|tag| tag + 1).or(Some(1)),
                |item| item.hash[31] ^= 1,
            ];
            for change in changes {
                let mut history = alert.history.clone();
                change(&mut history[at]);
                assert_eq!(check(&history, &alert.trims), Err(Broken::Item(number)), "item {number} of {len}");
            }
        }
        let mut taken_out = alert.history.clone();
        taken_out.remove(9);
        assert!(check(&taken_out, &alert.trims).is_err(), "one was taken out");
        let mut twice = alert.history.clone();
        twice.insert(9, twice[8].clone());
        assert!(check(&twice, &alert.trims).is_err(), "one stands twice");
        let mut swapped = alert.history.clone();
        swapped.swap(8, 9);
        assert!(check(&swapped, &alert.trims).is_err(), "two changed places");
        let mut more_gone = alert.trims;
        more_gone.station.count += 1;
        assert!(check(&alert.history, &more_gone).is_err(), "not so many went");
        let cut = &alert.history[..alert.history.len() - 1];
        assert_ne!(check(cut, &alert.trims), Ok(alert.seal()), "the seal tells what was cut off");
    }
    assert_eq!(verify(alert().id, &[], &Trims::default()), Err(Broken::Empty));
}

#[test]
fn digests_read_back() {
    let digest = lived(3, 1).seal();
    assert_eq!(unhex(&hex(&digest)), Some(digest));
    for bad in ["", "00", &"g".repeat(64), &"ä".repeat(32)] {
        assert_eq!(unhex(bad), None, "{bad}");
    }
}
