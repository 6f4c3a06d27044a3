//! Messages a minute: of a channel, and to a person.

use std::collections::{HashMap, VecDeque};

use tokio::time::{Duration, Instant};

/// A minute, and a second for clocks and networks that differ.
const WINDOW: Duration = Duration::from_secs(61);

/// Never more messages than the limit within any minute. A quarter of them may go at once, the rest at even pace, so that a message
/// waits for its place for seconds and not for the rest of the minute; a quarter of them is kept for red.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    sent: VecDeque<Instant>,
}

impl Budget {
    /// `limit` messages a minute; 0: without limit.
    pub(crate) fn new(limit: usize) -> Budget {
        Budget { limit, sent: VecDeque::new() }
    }

    /// How many messages more may be sent, of which one now.
    ///
    /// # Errors
    /// The time from which on one may be sent.
    pub(crate) fn gate(&mut self, red: bool, now: Instant) -> Result<usize, Instant> {
        if self.limit == 0 {
            return Ok(usize::MAX);
        }
        forget(&mut self.sent, now);
        let limit = if red { self.limit } else { self.limit - self.limit / 4 };
        let used = self.sent.len();
        if used >= limit {
            return Err(self.sent[used - limit] + WINDOW);
        }
        let at_once = limit.div_ceil(4);
        if used < at_once {
            return Ok(limit - used);
        }
        let pace = WINDOW / u32::try_from(limit - at_once).unwrap_or(u32::MAX).max(1);
        match self.sent.back().map(|last| *last + pace) {
            Some(due) if due > now => Err(due),
            _ => Ok(limit - used),
        }
    }

    /// Notes that a message is sent.
    pub(crate) fn spend(&mut self, now: Instant) {
        if self.limit > 0 {
            self.sent.push_back(now);
        }
    }
}

/// The budget of each person, over all channels that reach people themselves. Red is counted and never held.
#[derive(Debug)]
pub(crate) struct PersonBudgets {
    limit: usize,
    sent: HashMap<Box<str>, VecDeque<Instant>>,
    tidy_at: Option<Instant>,
}

impl PersonBudgets {
    /// `limit` messages a minute to one person; 0: without limit.
    pub(crate) fn new(limit: usize) -> PersonBudgets {
        PersonBudgets { limit, sent: HashMap::new(), tidy_at: None }
    }

    /// Counts a message to a person, unless it is one too many and not red.
    ///
    /// # Errors
    /// The time from which on one may be sent.
    pub(crate) fn spend(&mut self, person: &str, red: bool, now: Instant) -> Result<(), Instant> {
        if self.limit == 0 {
            return Ok(());
        }
        if self.tidy_at.is_none_or(|at| at <= now) {
            self.sent.retain(|_, sent| sent.back().is_some_and(|last| *last + WINDOW > now));
            self.tidy_at = Some(now + WINDOW);
        }
        if !self.sent.contains_key(person) {
            self.sent.insert(person.into(), VecDeque::new());
        }
        let Some(sent) = self.sent.get_mut(person) else { return Ok(()) };
        forget(sent, now);
        if sent.len() >= self.limit && !red {
            return Err(sent[sent.len() - self.limit] + WINDOW);
        }
        // of red ones beyond the limit, the newest are remembered
        if sent.len() >= self.limit * 2 {
            sent.pop_front();
        }
        sent.push_back(now);
        Ok(())
    }
}

fn forget(sent: &mut VecDeque<Instant>, now: Instant) {
    while sent.front().is_some_and(|at| *at + WINDOW <= now) {
        sent.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends as often as it may for `seconds`; the times, ms.
    fn storm(budget: &mut Budget, from: Instant, seconds: u64, red: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut sent = Vec::new();
        for ms in (0..seconds * 1000).step_by(100) {
            let now = from + Duration::from_millis(ms);
            while budget.gate(red(ms), now).is_ok() {
                budget.spend(now);
                sent.push(ms);
            }
        }
        sent
    }

    #[test]
    fn no_minute_has_more_than_the_limit_and_little_is_wasted() {
        for limit in [1, 2, 3, 5, 20, 60] {
            let sent = storm(&mut Budget::new(limit), Instant::now(), 600, |_| true);
            for (n, at) in sent.iter().enumerate() {
                let within = sent[n..].iter().take_while(|later| **later < at + 60_000).count();
                assert!(within <= limit, "{limit}: {within} from {at}");
            }
            let least = if limit < 20 { limit * 10 / 2 } else { limit * 10 * 7 / 10 };
            assert!(sent.len() >= least, "{limit}: {}", sent.len());
        }
    }

    #[test]
    fn a_red_one_waits_a_few_seconds_at_most_in_a_storm_of_others() {
        let (mut budget, begun) = (Budget::new(20), Instant::now());
        let sent = storm(&mut budget, begun, 30, |_| false);
        assert!((8..=10).contains(&sent.len()), "{sent:?}");
        // a red one every ten seconds while the others go on
        for n in 0..30 {
            let at = begun + Duration::from_secs(30 + 10 * n);
            let due = budget.gate(true, at).err().unwrap_or(at);
            assert!(due - at <= Duration::from_millis(4_100), "{:?}", due - at);
            budget.spend(due);
            while budget.gate(false, due).is_ok() {
                budget.spend(due);
            }
        }
    }

    #[test]
    fn a_person_is_spared_but_for_red() {
        let (mut people, begun) = (PersonBudgets::new(2), Instant::now());
        let at = |s| begun + Duration::from_secs(s);
        assert!(people.spend("P", false, at(0)).is_ok() && people.spend("P", true, at(10)).is_ok());
        assert_eq!(people.spend("P", false, at(20)), Err(at(61)));
        assert!(people.spend("P", true, at(30)).is_ok(), "red is never held");
        assert_eq!(people.spend("P", false, at(61)), Err(at(71)), "but counted");
        assert!(people.spend("Q", false, at(61)).is_ok());
        assert!(people.spend("P", false, at(200)).is_ok());
        assert_eq!(people.sent.len(), 1, "Q is forgotten");
    }
}
