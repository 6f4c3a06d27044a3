//! kill -9: what was confirmed is there.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use model::{Checkpoints, Journal, Ledger};

use crate::fixture::*;
use crate::front::{keep_pair, mark, marked, pairs, records};

const FOLDER: &str = "FENGHUO_STORE_CRASH_FOLDER";

/// Appends without end, beside writes of the front door; says after each that it returned. Crosses a day every 200 commits.
#[test]
#[ignore = "the process that kill_9_loses_nothing_confirmed kills"]
fn child() {
    let folder = std::env::var(FOLDER).expect("set by the parent");
    let store = open(Path::new(&folder));
    let say = |what: &str, number: u64| {
        let mut out = std::io::stdout().lock();
        write!(out, "\n{what} {number}\n").unwrap();
        out.flush().unwrap();
    };
    let kept = pairs(&records(&store)).len() as u64;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in kept + 1.. {
                keep_pair(&store, n).unwrap();
                say("kept", n);
            }
        });
        append_for_ever(&store, &|epoch| say("acked", epoch));
    });
}

fn append_for_ever(store: &store::Store, acked: &dyn Fn(u64)) {
    loop {
        let epoch = store.last_epoch() + 1;
        let at_ms = START_MS + epoch * DAY_MS / 200;
        let applied = store.applied();
        for missing in applied + 1..epoch {
            store.commit(&batch(missing, missing)).unwrap();
        }
        store.append(&commit(epoch, at_ms), &[quarantined(epoch, 50)], &[mark(epoch)]).unwrap();
        acked(epoch);
        if epoch.is_multiple_of(50) {
            store.put("desk", epoch, &vec![epoch as u8; 200_000]).unwrap();
            store.retain(at_ms, epoch).unwrap();
        }
    }
}

#[test]
fn kill_9_loses_nothing_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(2);
    let (mut confirmed, mut kept) = (0, 0);
    for round in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut wanted = 1 + dice.below(120);
        let mut acked = |lines: &mut dyn Iterator<Item = std::io::Result<String>>, wanted: &mut u64| {
            while *wanted > 0 {
                let Some(line) = lines.next() else { return false };
                let line = line.unwrap();
                if let Some(epoch) = line.strip_prefix("acked ") {
                    confirmed = epoch.parse().unwrap();
                    *wanted -= 1;
                } else if let Some(number) = line.strip_prefix("kept ") {
                    kept = number.parse().unwrap();
                }
            }
            true
        };
        assert!(acked(&mut lines, &mut wanted), "round {round}: the child ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
        // what it said between our last look and its end counts too
        acked(&mut lines, &mut u64::MAX.clone());

        let store = open(folder.path());
        let last = store.last_epoch();
        assert!(last == confirmed || last == confirmed + 1, "round {round}: {confirmed} confirmed, {last} there");
        let read = all(&store);
        assert_eq!(read.len() as u64, last);
        for commit_read in read {
            let epoch = commit_read.epoch;
            assert_eq!(commit_read, commit(epoch, START_MS + epoch * DAY_MS / 200));
        }
        let applied = store.applied();
        assert!(applied <= last && applied + 2 >= confirmed, "applied {applied}, confirmed {confirmed}");
        assert_eq!(store.newest_cursor(), applied);
        assert_eq!(store.feed(0, usize::MAX).unwrap().len() as u64, applied);
        assert_eq!(store.owed().unwrap().len() as u64, applied);
        assert_eq!(store.quarantine(None, usize::MAX).unwrap().len() as u64, last);
        let records = records(&store);
        assert_eq!(
            marked(&records),
            (1..=last).collect::<Vec<_>>(),
            "round {round}: a mark for each commit, none without"
        );
        let pairs = pairs(&records);
        assert!(
            pairs == (1..=kept).collect::<Vec<_>>() || pairs == (1..=kept + 1).collect::<Vec<_>>(),
            "round {round}: {kept} kept"
        );
        if let Some((epoch, state)) = store.newest("desk", last).unwrap() {
            assert!(epoch % 50 == 0 && state == vec![epoch as u8; 200_000]);
        }
    }
}
