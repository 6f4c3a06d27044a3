//! Who is subscribed to what. Filters without wildcards, which is nearly all of them, lie in a map; the others in a tree
//! of levels. Members of a shared subscription stand beside the plain subscribers of the same filter.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use smallvec::SmallVec;

use crate::session::Session;
use crate::topic::SharedFilter;
use crate::wire::control::Options;

/// Somebody who subscribes.
pub(crate) trait Subscriber {
    /// Told apart by this number.
    fn number(&self) -> u64;

    /// How well it could take a message now. Called with the subscriptions locked: it must not lock anything.
    fn readiness(&self) -> Readiness;
}

/// Which member of a shared subscription is preferred: the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Readiness {
    /// Connected and with room.
    Ready,
    /// Connected, but slow at the moment.
    Busy,
    /// Without a connection.
    Away,
}

/// What a subscription asks for (MQTT 5 section 3.8.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// QoS, no-local, retain as published.
    pub(crate) options: Options,
    /// Subscription identifier, 0 for none.
    pub(crate) identifier: u32,
}

/// Subscriptions of all sessions.
pub(crate) struct Subscriptions<S = Session> {
    /// By first level, then whole: a topic of which nobody takes the first level costs one short look.
    literal: HashMap<Box<str>, HashMap<Arc<str>, Leaf<S>>>,
    tree: Node<S>,
}

/// One subscriber's place in a [`Leaf`].
struct Entry<S> {
    number: u64,
    wants: Subscription,
    session: Arc<S>,
}

/// Rising by number.
type Entries<S> = SmallVec<[Entry<S>; 1]>;

/// The members of one shared subscription.
struct Group<S> {
    shared: SharedFilter,
    members: Entries<S>,
    /// Index of the member whose turn it is.
    turn: AtomicUsize,
}

struct Leaf<S> {
    plain: Entries<S>,
    #[expect(clippy::box_collection, reason = "most leaves have none")]
    groups: Option<Box<Vec<Group<S>>>>,
}

struct Node<S> {
    children: HashMap<Box<str>, Node<S>>,
    plus: Option<Box<Node<S>>>,
    here: Leaf<S>,
    hash: Leaf<S>,
}

/// Who gets a message. To be used again and again, so that it allocates once.
pub(crate) struct Matches<S = Session> {
    found: Vec<Match<S>>,
}

/// One delivery of a message.
pub(crate) struct Match<S = Session> {
    /// To whom.
    pub(crate) session: Arc<S>,
    /// The highest QoS that its matching subscriptions grant (MQTT-3.3.4-2).
    pub(crate) qos: u8,
    /// Whether the retain flag is passed on as it was published.
    pub(crate) retain_as_published: bool,
    /// Of all its matching subscriptions that have one (MQTT-3.3.4-3 to 5).
    pub(crate) identifiers: SmallVec<[u32; 2]>,
    /// The shared subscription through which it was chosen. A session that is subscribed both ways gets the message
    /// both ways.
    pub(crate) shared: Option<SharedFilter>,
    number: u64,
}

impl<S> Default for Matches<S> {
    fn default() -> Self {
        Matches { found: Vec::new() }
    }
}

impl<S> Matches<S> {
    /// The deliveries, each of its own.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Match<S>> + '_ {
        self.found.drain(..)
    }

    /// The deliveries.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Match<S>> {
        self.found.iter()
    }
}

impl<S> Default for Subscriptions<S> {
    fn default() -> Self {
        Subscriptions { literal: HashMap::new(), tree: Node::default() }
    }
}

impl<S> Default for Node<S> {
    fn default() -> Self {
        Node { children: HashMap::new(), plus: None, here: Leaf::default(), hash: Leaf::default() }
    }
}

impl<S> Default for Leaf<S> {
    fn default() -> Self {
        Leaf { plain: SmallVec::new(), groups: None }
    }
}

impl<S: Subscriber> Subscriptions<S> {
    /// Adds or replaces a subscription. True if there was none before.
    pub(crate) fn insert(&mut self, filter: &SharedFilter, session: &Arc<S>, wants: Subscription) -> bool {
        let topics = &filter.filter;
        let leaf = if topics.is_literal() {
            let (level, _) = split(topics.as_str());
            self.literal.entry(level.into()).or_default().entry(topics.text().clone()).or_default()
        } else {
            let mut node = &mut self.tree;
            let mut levels = topics.as_str().split('/');
            loop {
                match levels.next() {
                    None => break &mut node.here,
                    Some("#") => break &mut node.hash,
                    Some("+") => node = node.plus.get_or_insert_default(),
                    Some(level) => node = node.children.entry(level.into()).or_default(),
                }
            }
        };
        put(leaf.entries_mut(filter), Entry { number: session.number(), wants, session: session.clone() })
    }

    /// Removes a session's subscription. False if there was none.
    pub(crate) fn remove(&mut self, filter: &SharedFilter, session: u64) -> bool {
        let topics = &filter.filter;
        if !topics.is_literal() {
            let levels: SmallVec<[&str; 16]> = topics.as_str().split('/').collect();
            return self.tree.remove(&levels, filter, session);
        }
        let (level, _) = split(topics.as_str());
        let Some(literal) = self.literal.get_mut(level) else { return false };
        let Some(leaf) = literal.get_mut(topics.as_str()) else { return false };
        let removed = leaf.remove(filter, session);
        if leaf.is_empty() {
            literal.remove(topics.as_str());
        }
        if literal.is_empty() {
            self.literal.remove(level);
        }
        removed
    }

    /// Who gets a publish to `topic`, in place of what `into` held: each session once for all its plain subscriptions,
    /// and one member of every shared one. `publisher`, a session's number, is left out where it asked for no-local.
    pub(crate) fn matching(&self, topic: &str, publisher: Option<u64>, into: &mut Matches<S>) {
        into.found.clear();
        let mut search = Search { publisher, leaves: 0, found: &mut into.found };
        if let Some(leaf) = self.literal(topic) {
            search.leaf(leaf);
        }
        search.node(&self.tree, Some(topic), topic.starts_with('$'));
        if search.leaves > 1 {
            merge(&mut into.found);
        }
    }

    /// Another member of a shared subscription than the session `leaving`, for a message which that one did not
    /// acknowledge; `shared` is [`Match::shared`].
    pub(crate) fn another(&self, shared: &SharedFilter, leaving: u64) -> Option<Match<S>> {
        let topics = &shared.filter;
        let leaf =
            if topics.is_literal() { self.literal(topics.as_str())? } else { self.tree.leaf(topics.as_str())? };
        let groups = leaf.groups.as_ref()?;
        groups.iter().find(|group| group.shared == *shared)?.choose(Some(leaving))
    }

    fn literal(&self, topic: &str) -> Option<&Leaf<S>> {
        self.literal.get(split(topic).0)?.get(topic)
    }
}

/// The first level, and those below it.
fn split(levels: &str) -> (&str, Option<&str>) {
    match levels.split_once('/') {
        Some((level, rest)) => (level, Some(rest)),
        None => (levels, None),
    }
}

/// One run through the tables.
struct Search<'a, S> {
    publisher: Option<u64>,
    /// Leaves that added somebody.
    leaves: usize,
    found: &'a mut Vec<Match<S>>,
}

impl<S: Subscriber> Search<'_, S> {
    /// `rest` holds the levels below `node`, `None` when there are no more. A topic that begins with `$` is not matched
    /// by a wildcard in the first level (MQTT-4.7.2-1).
    fn node(&mut self, node: &Node<S>, rest: Option<&str>, no_wildcard: bool) {
        if !no_wildcard {
            self.leaf(&node.hash);
        }
        let Some(rest) = rest else {
            self.leaf(&node.here);
            return;
        };
        if node.children.is_empty() && node.plus.is_none() {
            return;
        }
        let (level, rest) = split(rest);
        if let Some(child) = node.children.get(level) {
            self.node(child, rest, false);
        }
        if let (Some(plus), false) = (&node.plus, no_wildcard) {
            self.node(plus, rest, false);
        }
    }

    fn leaf(&mut self, leaf: &Leaf<S>) {
        let before = self.found.len();
        for entry in &leaf.plain {
            if !(entry.wants.options.no_local && self.publisher == Some(entry.number)) {
                self.found.push(entry.chosen(None));
            }
        }
        for group in leaf.groups.iter().flat_map(|groups| groups.iter()) {
            self.found.extend(group.choose(None));
        }
        self.leaves += usize::from(self.found.len() > before);
    }
}

/// Makes one of a session's several plain matches; those through a group stay apart.
fn merge<S>(found: &mut Vec<Match<S>>) {
    found.sort_by_key(|found| (found.number, found.shared.is_some()));
    found.dedup_by(|later, kept| {
        let same = later.number == kept.number && later.shared.is_none() && kept.shared.is_none();
        if same {
            kept.qos = kept.qos.max(later.qos);
            kept.retain_as_published |= later.retain_as_published;
            kept.identifiers.extend(later.identifiers.drain(..));
        }
        same
    });
}

impl<S> Entry<S> {
    fn chosen(&self, shared: Option<SharedFilter>) -> Match<S> {
        let Subscription { options: Options { qos, retain_as_published, .. }, identifier } = self.wants;
        let identifiers = (identifier > 0).then_some(identifier).into_iter().collect();
        Match { session: self.session.clone(), qos, retain_as_published, identifiers, shared, number: self.number }
    }
}

impl<S: Subscriber> Group<S> {
    /// The readiest member, in turn among those that are equally ready.
    fn choose(&self, leaving: Option<u64>) -> Option<Match<S>> {
        let count = self.members.len();
        let turn = self.turn.load(Ordering::Relaxed);
        let mut best: Option<(Readiness, usize)> = None;
        for step in 0..count {
            let index = (turn + step) % count;
            let member = &self.members[index];
            if leaving == Some(member.number) {
                continue;
            }
            let readiness = member.session.readiness();
            if best.is_none_or(|(known, _)| readiness < known) {
                best = Some((readiness, index));
            }
            if readiness == Readiness::Ready {
                break;
            }
        }
        let (_, index) = best?;
        self.turn.store((index + 1) % count, Ordering::Relaxed);
        Some(self.members[index].chosen(Some(self.shared.clone())))
    }
}

impl<S> Leaf<S> {
    fn entries_mut(&mut self, filter: &SharedFilter) -> &mut Entries<S> {
        if filter.group.is_none() {
            return &mut self.plain;
        }
        let groups = self.groups.get_or_insert_default();
        let index = groups.iter().position(|group| group.shared == *filter).unwrap_or_else(|| {
            groups.push(Group { shared: filter.clone(), members: SmallVec::new(), turn: AtomicUsize::new(0) });
            groups.len() - 1
        });
        &mut groups[index].members
    }

    fn remove(&mut self, filter: &SharedFilter, session: u64) -> bool {
        if filter.group.is_none() {
            return take(&mut self.plain, session);
        }
        let Some(groups) = &mut self.groups else { return false };
        let Some(index) = groups.iter().position(|group| group.shared == *filter) else { return false };
        let removed = take(&mut groups[index].members, session);
        if groups[index].members.is_empty() {
            groups.swap_remove(index);
        }
        if groups.is_empty() {
            self.groups = None;
        }
        removed
    }

    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.groups.is_none()
    }
}

fn put<S>(entries: &mut Entries<S>, entry: Entry<S>) -> bool {
    match entries.binary_search_by_key(&entry.number, |known| known.number) {
        Ok(index) => {
            entries[index] = entry;
            false
        }
        Err(index) => {
            entries.insert(index, entry);
            true
        }
    }
}

fn take<S>(entries: &mut Entries<S>, session: u64) -> bool {
    let found = entries.binary_search_by_key(&session, |known| known.number);
    if let Ok(index) = found {
        entries.remove(index);
    }
    found.is_ok()
}

impl<S> Node<S> {
    fn remove(&mut self, levels: &[&str], filter: &SharedFilter, session: u64) -> bool {
        let (level, rest) = match levels.split_first() {
            None => return self.here.remove(filter, session),
            Some((&"#", _)) => return self.hash.remove(filter, session),
            Some((level, rest)) => (*level, rest),
        };
        if level == "+" {
            let Some(plus) = &mut self.plus else { return false };
            let removed = plus.remove(rest, filter, session);
            if plus.is_empty() {
                self.plus = None;
            }
            return removed;
        }
        let Some(child) = self.children.get_mut(level) else { return false };
        let removed = child.remove(rest, filter, session);
        if child.is_empty() {
            self.children.remove(level);
        }
        removed
    }

    /// The leaf of a filter with wildcards.
    fn leaf(&self, filter: &str) -> Option<&Leaf<S>> {
        let mut node = self;
        for level in filter.split('/') {
            match level {
                "#" => return Some(&node.hash),
                "+" => node = node.plus.as_ref()?,
                _ => node = node.children.get(level)?,
            }
        }
        Some(&node.here)
    }

    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.plus.is_none() && self.here.is_empty() && self.hash.is_empty()
    }
}

#[cfg(test)]
mod tests;
