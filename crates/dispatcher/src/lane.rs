//! What stands between a channel's deliveries and their tries: a pause that the receiver asked for, the breaker, the budget.
//! No IO and no clock: it is told the time.

mod breaker;
mod budget;

use std::collections::BTreeSet;

use tokio::time::{Duration, Instant};

pub(crate) use breaker::{Breaker, Heard};
pub(crate) use budget::{Budget, PersonBudgets};

use crate::channel::Manner;
use crate::settings::Settings;

/// Position in a lane: drills last, else by colour, then by age, then by the number of the job.
pub(crate) type Rank = (u8, u64, u64);

/// The queue of one channel.
pub(crate) struct Lane {
    pub(crate) manner: Manner,
    pub(crate) ready: BTreeSet<Rank>,
    pub(crate) in_flight: usize,
    pub(crate) paused_until: Option<Instant>,
    pub(crate) breaker: Option<Breaker>,
    pub(crate) budget: Budget,
    /// When the next try is possible, where only time stands in its way.
    pub(crate) wake: Option<Instant>,
}

/// Whether a lane may start a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Any number.
    Open,
    /// One, to see whether the channel works again.
    Probe,
    /// None until then.
    Until(Instant),
    /// None until something under way has ended.
    Shut,
}

impl Lane {
    pub(crate) fn new(manner: Manner, settings: &Settings) -> Lane {
        Lane {
            manner,
            ready: BTreeSet::new(),
            in_flight: 0,
            paused_until: None,
            breaker: manner.breaks.then(|| Breaker::new(settings.breaker_failures, &settings.breaker_open_s)),
            budget: Budget::new(manner.per_minute as usize),
            wake: None,
        }
    }

    /// Whether a try may start, budget and places left aside.
    pub(crate) fn gate(&mut self, now: Instant) -> Gate {
        match self.paused_until {
            Some(until) if until > now => return Gate::Until(until),
            Some(_) => self.paused_until = None,
            None => {}
        }
        self.breaker.as_ref().map_or(Gate::Open, |breaker| breaker.gate(now))
    }

    /// Whether the breaker is open.
    pub(crate) fn is_broken(&self) -> bool {
        self.breaker.as_ref().is_some_and(Breaker::is_open)
    }

    /// How many of the first deliveries, all of them red or none, go in one message, given that `left` more messages may be
    /// sent. Where that is less than plenty, they are gathered.
    pub(crate) fn gathered(&self, red: bool, left: usize) -> usize {
        if self.manner.digest_max <= 1 {
            return 1;
        }
        let plenty = left / 2;
        let ready = self.ready.iter().take_while(|rank| (rank.0 == 0) == red).take(plenty + 1).count();
        if ready <= plenty { 1 } else { self.manner.digest_max }
    }
}

/// Seconds of a setting.
pub(crate) fn seconds(value: u32) -> Duration {
    Duration::from_secs(value.into())
}
