//! What people may ask of the standing risk of regions while the workers run: the version of the weights, and the trends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use model::RegionCode;

use super::trend::{Day, Trends};

/// The board is written anew every so many ms of commit time, and at the end of a day.
const EVERY_MS: u64 = 60_000;

/// A copy of what the workers know, at most a minute old. It decides nothing and is no part of the outputs.
#[derive(Debug)]
pub struct Board {
    of_workers: Vec<Mutex<Sheet>>,
}

#[derive(Debug, Default)]
struct Sheet {
    at_ms: u64,
    version: String,
    trends: Trends,
}

impl Board {
    pub(crate) fn new(workers: usize) -> Board {
        Board { of_workers: (0..workers.max(1)).map(|_| Mutex::default()).collect() }
    }

    /// Version of the weights in force; empty before the first commit.
    pub fn version(&self) -> String {
        self.sheet(0).version.clone()
    }

    /// Ends of past days of a region, oldest first, at most [`super::DAYS_MAX`]; the last is today as it stands.
    pub fn trend(&self, region: RegionCode) -> Vec<Day> {
        let mut whole: Vec<Day> = Vec::new();
        for worker in 0..self.of_workers.len() {
            for part in self.sheet(worker).trends.of(region) {
                match whole.binary_search_by_key(&part.day, |day| day.day) {
                    Ok(at) => {
                        (whole[at].units, whole[at].sum) = (whole[at].units + part.units, whole[at].sum + part.sum)
                    }
                    Err(at) => whole.insert(at, part),
                }
            }
        }
        whole
    }

    /// Writes a worker's sheet anew, where it is time to.
    pub(crate) fn take(&self, worker: usize, at_ms: u64, version: &str, trends: &Trends) {
        let mut sheet = self.sheet(worker);
        let is_new = sheet.at_ms == 0 || sheet.version != version || sheet.trends.today() != trends.today();
        if is_new || at_ms.saturating_sub(sheet.at_ms) >= EVERY_MS {
            *sheet = Sheet { at_ms, version: version.to_owned(), trends: trends.clone() };
        }
    }

    fn sheet(&self, worker: usize) -> MutexGuard<'_, Sheet> {
        // whoever panicked left a whole sheet in it
        self.of_workers[worker].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use model::Colour;

    use super::*;
    use crate::judge::Counted;

    #[test]
    fn workers_are_added_up_and_written_once_a_minute() {
        let grid: RegionCode = "331083001001001".parse().expect("valid");
        let unit = |risk| Counted { grid, colour: Colour::Blue, blind: false, risk: Some(risk) };
        let (board, t0) = (Board::new(2), 1_763_798_400_000);
        let mut each = [Trends::default(), Trends::default()];
        for (trends, index) in each.iter_mut().zip([10, 30]) {
            trends.tick(t0);
            trends.count(None, Some(&unit(index)));
        }
        board.take(0, t0, "1", &each[0]);
        board.take(1, t0, "1", &each[1]);
        assert_eq!(board.trend(grid).last().and_then(Day::mean), Some(20.0));
        each[1].count(Some(&unit(30)), Some(&unit(70)));
        board.take(1, t0 + 59_999, "1", &each[1]);
        assert_eq!(board.trend(grid).last().and_then(Day::mean), Some(20.0));
        board.take(1, t0 + 60_000, "1", &each[1]);
        assert_eq!(board.trend(grid).last().and_then(Day::mean), Some(40.0));
        board.take(0, t0 + 1, "2", &each[0]);
        assert_eq!(board.version(), "2");
    }
}
