//! What all connections of a listener share, and how it is put together at the start.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::access::{Access, Attempt, Grant, Refused};
use crate::broker::{Parts, StartError};
use crate::clients::Subscribed;
use crate::door::Door;
use crate::follower::Follower;
use crate::keeper::{Keeper, KeeperLimits};
use crate::layout::{self, Restored};
use crate::meter::{Gate, Meters, Refusals};
use crate::registry::Registry;
use crate::retained::{Retained, RetainedLimits};
use crate::session::{Clock, Session};
use crate::settings::Settings;
use crate::topic::TopicFilter;

/// What all connections of a listener share.
pub(crate) struct Hub {
    pub(crate) settings: Settings,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) registry: Registry,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) retained: Mutex<Retained>,
    pub(crate) follower: Option<Arc<Follower>>,
    pub(crate) subscribed: broadcast::Sender<Subscribed>,
    pub(crate) meters: Meters,
    pub(crate) refusals: Refusals,
    pub(crate) gates: Gates,
    pub(crate) door: Door,
    /// Cancelled when clients may come in.
    pub(crate) open: CancellationToken,
    pub(crate) accepting: CancellationToken,
    pub(crate) draining: CancellationToken,
    pub(crate) finished: CancellationToken,
    random: RandomState,
}

/// Brakes for log lines that clients can provoke.
pub(crate) struct Gates {
    pub(crate) ended: Gate,
    pub(crate) accept: Gate,
    pub(crate) retained: Gate,
    pub(crate) total: Gate,
    pub(crate) log: Gate,
}

impl Hub {
    /// An id for a client that sent none; nobody can tell the next one from it.
    pub(crate) fn assign_client_id(&self) -> String {
        let number = self.registry.number();
        format!("auto-{number}-{:016x}", self.random.hash_one(number))
    }

    pub(crate) fn topic_within_limits(&self, topic: &str) -> bool {
        topic.len() <= self.settings.topic_bytes
            && topic.bytes().filter(|byte| *byte == b'/').count() < self.settings.topic_levels
    }

    /// `$` topics are the server's own (MQTT-4.7.2-1), and so are those that come from the log.
    pub(crate) fn may_publish(&self, grant: &Grant, topic: &str) -> bool {
        !topic.starts_with('$')
            && grant.publish.iter().any(|filter| filter.matches(topic) && self.reaches(filter, topic))
            && !self.follower.as_ref().is_some_and(|follower| follower.owns(topic))
    }

    pub(crate) fn may_subscribe(&self, grant: &Grant, wanted: &TopicFilter) -> bool {
        grant.subscribe.iter().any(|filter| filter.covers(wanted) && self.reaches(filter, wanted.as_str()))
    }

    /// Whether a message of this topic may still be handed to a client that was subscribed to it.
    pub(crate) fn may_receive(&self, grant: &Grant, topic: &str) -> bool {
        grant.subscribe.iter().any(|filter| filter.matches(topic) && self.reaches(filter, topic))
    }

    fn reaches(&self, granted: &TopicFilter, topic: &str) -> bool {
        !granted.begins_with_wildcard() || !self.access.reserved(topic)
    }

    /// Both clocks, now.
    pub(crate) fn clock(&self) -> Clock {
        clock(&self.settings, &*self.access)
    }

    /// Tells what was refused to a client that was let in.
    pub(crate) fn tell_refused(&self, session: &Session, peer: SocketAddr, what: Attempt<'_>, code: u8, detail: &str) {
        self.refusals.count(what, code);
        self.access.refused(&Refused {
            who: Some(&session.identity),
            proved: true,
            client_id: Some(&session.client_id),
            peer: Some(peer),
            what,
            code,
            detail,
        });
    }
}

fn clock(settings: &Settings, access: &dyn Access) -> Clock {
    let grace_ms = u64::from(settings.restart_grace_s) * 1_000;
    Clock { now_ms: access.now_ms(), now: Instant::now(), grace_ms }
}

/// Brings kept sessions back and puts everything together.
///
/// # Errors
/// See [`StartError`].
pub(crate) fn build(settings: Settings, parts: Parts) -> Result<Hub, StartError> {
    let Parts { access, vault, log, .. } = parts;
    let door = Door::new(&settings)?;
    let Restored { sessions, retained, next_session, next_retained, leftovers, damaged } = match &vault {
        Some(vault) => layout::restore(&**vault)?,
        None => Restored::default(),
    };
    let keeper = Keeper::start(vault, KeeperLimits::of(&settings)).map_err(StartError::Thread)?;
    let keeper = Arc::new(keeper);
    if damaged > 0 {
        warn!(damaged, "parts of kept sessions cannot be read and were left out; see the lines above");
    }
    keeper.note(leftovers);
    let follower = log.map(|log| Arc::new(Follower::new(log, &*access)));
    let clock = clock(&settings, &*access);
    let registry = Registry::new(&settings, keeper.clone(), follower.clone(), sessions, next_session, clock);
    let gate = Gate::new;
    Ok(Hub {
        door,
        registry,
        keeper,
        retained: Mutex::new(Retained::new(RetainedLimits::of(&settings), retained, next_retained)),
        follower,
        subscribed: broadcast::channel(SUBSCRIBED_KEPT).0,
        access,
        meters: Meters::new(),
        refusals: Refusals::default(),
        gates: Gates { ended: gate(), accept: gate(), retained: gate(), total: gate(), log: gate() },
        open: CancellationToken::new(),
        accepting: CancellationToken::new(),
        draining: CancellationToken::new(),
        finished: CancellationToken::new(),
        random: RandomState::new(),
        settings,
    })
}

/// Subscriptions told to those who listen that they may be behind with.
const SUBSCRIBED_KEPT: usize = 1_024;
