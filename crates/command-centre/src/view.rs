//! The read model: what the screens and lists ask for most, in memory, told by the desk after each commit.
//!
//! Three steps make a batch known, in this order: the state (with the cursor it is exact at), the ring of recent
//! events, the watch that wakes the feed's readers. So whoever has heard of an event finds a state that holds it.

mod pages;
mod picture;
mod ring;
mod state;

use std::sync::{Arc, RwLock};

use model::finding::DeviceChange;
use model::{Alert, AlertId, Cursor, DeviceId, Ledger, LedgerBatch, RegionCode, RiskBands, Roster, StoreError};
use tokio::sync::watch;

pub use pages::{AlertEvent, FeedPage};
pub(crate) use picture::{Picture, RegionFacts};
use ring::Ring;
pub(crate) use ring::{Recent, Told};
use state::State;

use crate::access::Caller;
use crate::actions::{DeviceStatus, Devices};
use crate::settings::Settings;

/// The read model. One writer (the desk's thread), any number of readers; all locks are short and none is held
/// across IO.
pub struct View {
    state: RwLock<State>,
    ring: RwLock<Ring>,
    newest: watch::Sender<Cursor>,
}

/// A byte for each unit as the map has them, with the cursor they are exact at.
pub(crate) struct UnitBytes {
    pub cursor: Cursor,
    pub roster: Arc<Roster>,
    /// By unit number, 0 for a unit of which nothing is known. [`model::Colour::byte`], or the standing risk index plus 1.
    pub bytes: Vec<u8>,
}

/// Units as lists have them, exact at a cursor.
pub(crate) struct UnitsNow {
    pub cursor: Cursor,
    pub at_ms: u64,
    pub roster: Arc<Roster>,
    /// [`model::Colour::byte`] by unit number, 0 for a unit never judged.
    pub colours: Vec<u8>,
    /// Since when it has that colour, ms since 1970.
    pub since_ms: Vec<u64>,
    risks: Vec<u8>,
}

impl UnitsNow {
    /// The standing risk index of the unit with a number.
    pub fn risk(&self, at: usize) -> Option<u8> {
        self.risks.get(at)?.checked_sub(1)
    }
}

const LOCK: &str = "no holder of this lock panics; the desk's thread ends the process when it does";

impl View {
    /// The state that the ledger holds, with the roster in force. To be called before the desk commits again.
    ///
    /// # Errors
    /// [`StoreError`] when the ledger cannot be read.
    pub fn load(ledger: &dyn Ledger, roster: Arc<Roster>, settings: &Settings) -> Result<View, StoreError> {
        let state = State::load(ledger, roster)?;
        let ring = Ring::new(state.cursor, settings.feed_ring_events);
        let newest = watch::Sender::new(state.cursor);
        Ok(View { state: RwLock::new(state), ring: RwLock::new(ring), newest })
    }

    /// Takes in what a journal commit changed; to be called on the desk's thread, after each ledger commit, in order.
    ///
    /// A batch that the ledger already had when this view was loaded changes nothing but the devices, which the ledger
    /// does not keep; so an empty batch with all devices makes them known after a restart. `roster` is the one in force
    /// after the commit.
    pub fn apply(&self, batch: &LedgerBatch, roster: &Arc<Roster>, devices: &[DeviceChange]) {
        let applied = self.state.write().expect(LOCK).apply(batch, roster, devices);
        if !applied.is_new || batch.feed.is_empty() {
            return;
        }
        let newest = {
            let mut ring = self.ring.write().expect(LOCK);
            ring.push(&batch.feed);
            ring.newest()
        };
        self.newest.send_replace(newest);
    }

    /// Cursor of the newest event that the state holds.
    pub fn cursor(&self) -> Cursor {
        self.state.read().expect(LOCK).cursor
    }

    /// The roster in force.
    pub fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.state.read().expect(LOCK).roster)
    }

    /// The newest cursor as it moves, for whoever follows the feed.
    pub fn follow(&self) -> watch::Receiver<Cursor> {
        self.newest.subscribe()
    }

    /// Up to `limit` events after `after`, as far as the ring holds them.
    pub(crate) fn recent(&self, after: Cursor, limit: usize) -> Recent {
        self.ring.read().expect(LOCK).recent(after, limit)
    }

    /// Time of the newest commit taken in, ms since 1970.
    pub(crate) fn at_ms(&self) -> u64 {
        self.state.read().expect(LOCK).at_ms
    }

    /// Open alerts in a region, newest first, exact at a cursor.
    pub(crate) fn open_alerts(&self, region: Option<RegionCode>) -> (Cursor, Arc<Roster>, Vec<Arc<Alert>>) {
        let state = self.state.read().expect(LOCK);
        (state.cursor, Arc::clone(&state.roster), state.open_alerts(region))
    }

    /// An alert, while it is open.
    pub(crate) fn open_alert(&self, id: AlertId) -> Option<Arc<Alert>> {
        self.state.read().expect(LOCK).open.get(&id).cloned()
    }

    /// A region with its children and, when asked, its open alerts, exact at a cursor; `None` for a region that is
    /// not there or that the caller sees no part of. No region: the caller's scope, or the city.
    pub(crate) fn picture(&self, caller: &Caller, region: Option<RegionCode>, with_alerts: bool) -> Option<Picture> {
        self.state.read().expect(LOCK).picture(caller, region, with_alerts)
    }

    /// Since when there is a flood of alerts, and how many are new; `None` for none.
    pub(crate) fn flood(&self) -> Option<(u64, u32)> {
        self.state.read().expect(LOCK).flood
    }

    /// The map's colours.
    pub(crate) fn colours(&self) -> UnitBytes {
        let state = self.state.read().expect(LOCK);
        UnitBytes { cursor: state.cursor, roster: Arc::clone(&state.roster), bytes: state.colours.clone() }
    }

    /// The map's standing risk.
    pub(crate) fn risks(&self) -> UnitBytes {
        let state = self.state.read().expect(LOCK);
        UnitBytes { cursor: state.cursor, roster: Arc::clone(&state.roster), bytes: state.risks.clone() }
    }

    /// All units.
    pub(crate) fn units(&self) -> UnitsNow {
        self.state.read().expect(LOCK).units()
    }

    /// All units, and the standing risk of a region.
    pub(crate) fn units_of(&self, region: RegionCode) -> (UnitsNow, RiskBands) {
        let state = self.state.read().expect(LOCK);
        (state.units(), state.regions.get(&region).map(|region| region.risk).unwrap_or_default())
    }
}

impl Devices for View {
    fn status(&self, device: DeviceId) -> DeviceStatus {
        self.state.read().expect(LOCK).devices.get(device.index()).copied().unwrap_or_default()
    }
}
