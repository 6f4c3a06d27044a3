//! Retained messages: the newest of each topic that was published to be kept for later subscribers (MQTT 5 section
//! 3.3.1.3), in a tree of levels.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::outbound::Parcel;
use crate::settings::Settings;
use crate::topic::TopicFilter;

/// Caps on what is retained. A message larger than what is left is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetainedLimits {
    /// See [`Settings::retained_messages`].
    pub(crate) messages: usize,
    /// See [`Settings::retained_bytes`].
    pub(crate) bytes: usize,
    /// See [`Settings::retained_messages_per_identity`].
    pub(crate) messages_per_identity: usize,
    /// See [`Settings::retained_bytes_per_identity`].
    pub(crate) bytes_per_identity: usize,
}

impl RetainedLimits {
    pub(crate) fn of(settings: &Settings) -> RetainedLimits {
        RetainedLimits {
            messages: settings.retained_messages,
            bytes: settings.retained_bytes,
            messages_per_identity: settings.retained_messages_per_identity,
            bytes_per_identity: settings.retained_bytes_per_identity,
        }
    }
}

/// Why a message is not retained. MQTT 5 reason code 0x97.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RetainedFull {
    #[error("retained_messages are kept already: clear retained messages that nobody needs")]
    Messages,
    #[error("retained_bytes are kept already: clear retained messages that nobody needs")]
    Bytes,
    #[error("this user has retained_messages_per_identity already: clear some of them with an empty payload")]
    IdentityMessages,
    #[error("this user has retained_bytes_per_identity already: clear some of them with an empty payload")]
    IdentityBytes,
}

/// A retained message.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// Its place in the vault; the next message of the same topic takes it over.
    pub(crate) number: u64,
    /// Topic, payload, properties, expiry.
    pub(crate) parcel: Arc<Parcel>,
    /// As published.
    pub(crate) qos: u8,
    /// Who published it.
    pub(crate) identity: Arc<str>,
}

/// All retained messages.
pub(crate) struct Retained {
    limits: RetainedLimits,
    root: Node,
    total: Usage,
    identities: HashMap<Arc<str>, Usage>,
    expiries: BTreeSet<(u64, Arc<str>)>,
    next_number: u64,
}

#[derive(Default)]
struct Node {
    children: BTreeMap<Box<str>, Node>,
    kept: Option<Arc<Kept>>,
}

#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
struct Usage {
    messages: usize,
    bytes: usize,
}

/// What a message takes beside topic, payload and properties, bytes.
const MESSAGE_BYTES: usize = 128;

impl Kept {
    fn bytes(&self) -> usize {
        let forward = self.parcel.forward.as_ref().map_or(0, |forward| forward.bytes());
        MESSAGE_BYTES + self.parcel.topic.len() + self.parcel.payload.len() + forward
    }
}

impl Retained {
    /// Begins with what was kept before, even if it is more than the limits allow now.
    pub(crate) fn new(limits: RetainedLimits, kept: Vec<Kept>, next_number: u64) -> Retained {
        let mut retained = Retained {
            limits,
            root: Node::default(),
            total: Usage::default(),
            identities: HashMap::new(),
            expiries: BTreeSet::new(),
            next_number,
        };
        for kept in kept {
            retained.next_number = retained.next_number.max(kept.number + 1);
            retained.put(Arc::new(kept));
        }
        retained
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.total.messages
    }

    /// Keeps a message in place of the topic's last one. An empty payload is for [`Retained::clear`].
    ///
    /// # Errors
    /// [`RetainedFull`]; the topic's last message stays.
    pub(crate) fn set(
        &mut self,
        parcel: &Arc<Parcel>,
        qos: u8,
        identity: &Arc<str>,
    ) -> Result<Arc<Kept>, RetainedFull> {
        let old = self.root.find(&parcel.topic).and_then(|node| node.kept.as_deref());
        let number = old.map_or(self.next_number, |old| old.number);
        let kept = Kept { number, parcel: parcel.clone(), qos, identity: identity.clone() };
        self.check(&kept, old)?;
        self.next_number = self.next_number.max(number + 1);
        let kept = Arc::new(kept);
        self.put(kept.clone());
        Ok(kept)
    }

    fn check(&self, kept: &Kept, old: Option<&Kept>) -> Result<(), RetainedFull> {
        let RetainedLimits { messages, bytes, messages_per_identity, bytes_per_identity } = self.limits;
        let all = self.total.without(old).with(kept);
        let old_own = old.filter(|old| old.identity == kept.identity);
        let own = self.identities.get(&kept.identity).copied().unwrap_or_default().without(old_own).with(kept);
        if all.messages > messages {
            return Err(RetainedFull::Messages);
        }
        if all.bytes > bytes {
            return Err(RetainedFull::Bytes);
        }
        if own.messages > messages_per_identity {
            return Err(RetainedFull::IdentityMessages);
        }
        if own.bytes > bytes_per_identity {
            return Err(RetainedFull::IdentityBytes);
        }
        Ok(())
    }

    fn put(&mut self, kept: Arc<Kept>) {
        self.clear(&kept.parcel.topic);
        self.total = self.total.with(&kept);
        let own = self.identities.entry(kept.identity.clone()).or_default();
        *own = own.with(&kept);
        if let Some(at_ms) = kept.parcel.expires_at_ms {
            self.expiries.insert((at_ms, kept.parcel.topic.clone()));
        }
        let mut node = &mut self.root;
        for level in kept.parcel.topic.split('/') {
            // Looked up first: most levels are there, and their names need not be copied.
            if !node.children.contains_key(level) {
                node.children.insert(level.into(), Node::default());
            }
            node = node.children.get_mut(level).expect("put in a line above");
        }
        node.kept = Some(kept);
    }

    /// Takes a topic's message out (MQTT-3.3.1-6). `None` if it has none.
    pub(crate) fn clear(&mut self, topic: &str) -> Option<Arc<Kept>> {
        let kept = self.root.remove(Some(topic))?;
        self.total = self.total.without(Some(&kept));
        if let Some(own) = self.identities.get_mut(&kept.identity) {
            *own = own.without(Some(&kept));
            if own.messages == 0 {
                self.identities.remove(&kept.identity);
            }
        }
        if let Some(at_ms) = kept.parcel.expires_at_ms {
            self.expiries.remove(&(at_ms, kept.parcel.topic.clone()));
        }
        Some(kept)
    }

    /// Adds the messages that a new subscription gets, in the order of their topics' levels. Those expired at `now_ms`
    /// are left out.
    pub(crate) fn matching(&self, filter: &TopicFilter, now_ms: u64, into: &mut Vec<Arc<Kept>>) {
        let fresh = |kept: &Arc<Kept>| kept.parcel.expires_at_ms.is_none_or(|at_ms| at_ms > now_ms);
        if filter.is_literal() {
            let kept = self.root.find(filter.as_str()).and_then(|node| node.kept.as_ref());
            into.extend(kept.filter(|kept| fresh(kept)).cloned());
        } else {
            self.root.collect(Some(filter.as_str()), true, &mut |kept| {
                if fresh(kept) {
                    into.push(kept.clone());
                }
            });
        }
    }

    /// When the next message expires, milliseconds since the epoch.
    pub(crate) fn next_expiry_ms(&self) -> Option<u64> {
        self.expiries.first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes out at most `limit` messages that have expired at `now_ms`.
    pub(crate) fn expire(&mut self, now_ms: u64, limit: usize) -> Vec<Arc<Kept>> {
        let due = self.expiries.iter().take(limit).take_while(|(at_ms, _)| *at_ms <= now_ms);
        let topics: Vec<Arc<str>> = due.map(|(_, topic)| topic.clone()).collect();
        topics.iter().filter_map(|topic| self.clear(topic)).collect()
    }
}

impl Usage {
    fn with(self, kept: &Kept) -> Usage {
        Usage { messages: self.messages + 1, bytes: self.bytes + kept.bytes() }
    }

    fn without(self, kept: Option<&Kept>) -> Usage {
        match kept {
            Some(kept) => Usage { messages: self.messages - 1, bytes: self.bytes - kept.bytes() },
            None => self,
        }
    }
}

fn split(levels: &str) -> (&str, Option<&str>) {
    match levels.split_once('/') {
        Some((level, rest)) => (level, Some(rest)),
        None => (levels, None),
    }
}

impl Node {
    fn find(&self, topic: &str) -> Option<&Node> {
        topic.split('/').try_fold(self, |node, level| node.children.get(level))
    }

    fn remove(&mut self, levels: Option<&str>) -> Option<Arc<Kept>> {
        let Some(levels) = levels else { return self.kept.take() };
        let (level, rest) = split(levels);
        let child = self.children.get_mut(level)?;
        let kept = child.remove(rest);
        if child.kept.is_none() && child.children.is_empty() {
            self.children.remove(level);
        }
        kept
    }

    /// `root`: a wildcard here does not stand for a level that begins with `$` (MQTT-4.7.2-1).
    fn collect(&self, filter: Option<&str>, root: bool, each: &mut impl FnMut(&Arc<Kept>)) {
        let Some(filter) = filter else {
            self.kept.iter().for_each(each);
            return;
        };
        let (level, rest) = split(filter);
        let hidden = |name: &str| root && name.starts_with('$');
        match level {
            "#" => {
                self.kept.iter().for_each(&mut *each);
                for (name, child) in &self.children {
                    if !hidden(name) {
                        child.collect(Some("#"), false, each);
                    }
                }
            }
            "+" => {
                for (name, child) in &self.children {
                    if !hidden(name) {
                        child.collect(rest, false, each);
                    }
                }
            }
            _ => {
                if let Some(child) = self.children.get(level) {
                    child.collect(rest, false, each);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
