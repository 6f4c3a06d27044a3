//! Sessions by client id and by owner.

use std::collections::HashMap;
use std::collections::btree_map::{BTreeMap, Entry};
use std::ops::Bound;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::lock;
use crate::session::Session;

/// The sessions there are.
#[derive(Default)]
pub(super) struct Table {
    /// So that they can be told page by page.
    by_client_id: BTreeMap<Arc<str>, Arc<Session>>,
    /// Of each identity, rising by number: the oldest first.
    by_owner: HashMap<Arc<str>, SmallVec<[Arc<Session>; 1]>>,
}

/// How many of an identity's oldest sessions are looked at for one that is away.
const OLDEST_LOOKED_AT: usize = 64;

impl Table {
    pub(super) fn len(&self) -> usize {
        self.by_client_id.len()
    }

    pub(super) fn get(&self, client_id: &str) -> Option<&Arc<Session>> {
        self.by_client_id.get(client_id)
    }

    /// Sessions after this client id, in order.
    pub(super) fn after(&self, client_id: Option<&str>) -> impl Iterator<Item = &Arc<Session>> {
        let from = client_id.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_client_id.range::<str, _>((from, Bound::Unbounded)).map(|(_, session)| session)
    }

    /// An identity's sessions.
    pub(super) fn of(&self, identity: &str) -> &[Arc<Session>] {
        self.by_owner.get(identity).map_or(&[], |own| own.as_slice())
    }

    /// The oldest of an identity's sessions that is away, if one of its oldest is.
    pub(super) fn oldest_away(&self, identity: &str) -> Option<Arc<Session>> {
        let oldest = self.of(identity).iter().take(OLDEST_LOOKED_AT);
        oldest.into_iter().find(|session| lock(&session.state).link.is_none()).cloned()
    }

    /// Adds a session, in place of one with the same client id.
    pub(super) fn insert(&mut self, session: Arc<Session>) {
        let own = self.by_owner.entry(session.identity.clone()).or_default();
        let at = own.partition_point(|other| other.number < session.number);
        own.insert(at, session.clone());
        if let Some(replaced) = self.by_client_id.insert(session.client_id.clone(), session) {
            self.disown(&replaced);
        }
    }

    /// Removes a session, unless another has its client id.
    pub(super) fn remove(&mut self, session: &Session) {
        if let Entry::Occupied(entry) = self.by_client_id.entry(session.client_id.clone())
            && entry.get().number == session.number
        {
            entry.remove();
        }
        self.disown(session);
    }

    fn disown(&mut self, session: &Session) {
        let Some(own) = self.by_owner.get_mut(&session.identity) else { return };
        if let Ok(at) = own.binary_search_by_key(&session.number, |other| other.number) {
            own.remove(at);
        }
        if own.is_empty() {
            self.by_owner.remove(&session.identity);
        }
    }
}
