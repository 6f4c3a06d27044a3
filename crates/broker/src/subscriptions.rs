//! Who is subscribed to what. Filters without wildcards, which is nearly all of them, lie in a map;
//! the others in a tree of levels.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::session::Session;
use crate::topic::TopicFilter;

/// Subscriptions of all sessions.
#[derive(Default)]
pub(crate) struct Subscriptions {
    literal: HashMap<Arc<str>, Subscribers>,
    tree: Node,
}

type Subscribers = SmallVec<[(Arc<Session>, u8); 1]>;

#[derive(Default)]
struct Node {
    children: HashMap<Box<str>, Node>,
    plus: Option<Box<Node>>,
    here: Subscribers,
    hash: Subscribers,
}

impl Subscriptions {
    /// Adds or replaces a subscription with its granted QoS.
    pub(crate) fn insert(&mut self, filter: &TopicFilter, session: &Arc<Session>, qos: u8) {
        let subscribers = if filter.is_literal() {
            self.literal.entry(filter.text().clone()).or_default()
        } else {
            let mut node = &mut self.tree;
            let mut levels = filter.as_str().split('/');
            loop {
                match levels.next() {
                    None => break &mut node.here,
                    Some("#") => break &mut node.hash,
                    Some("+") => node = node.plus.get_or_insert_default(),
                    Some(level) => node = node.children.entry(level.into()).or_default(),
                }
            }
        };
        match subscribers.iter_mut().find(|(other, _)| other.number == session.number) {
            Some(known) => known.1 = qos,
            None => subscribers.push((session.clone(), qos)),
        }
    }

    /// Removes a session's subscription; nothing happens if there is none.
    pub(crate) fn remove(&mut self, filter: &TopicFilter, session: u64) {
        if filter.is_literal() {
            if let Some(subscribers) = self.literal.get_mut(filter.as_str()) {
                subscribers.retain(|(other, _)| other.number != session);
                if subscribers.is_empty() {
                    self.literal.remove(filter.as_str());
                }
            }
        } else {
            let levels: SmallVec<[&str; 16]> = filter.as_str().split('/').collect();
            self.tree.remove(&levels, session);
        }
    }

    /// The sessions that get a publish to `topic`, each once, with the highest QoS granted.
    pub(crate) fn matching(&self, topic: &str) -> Vec<(Arc<Session>, u8)> {
        let mut found: Vec<(Arc<Session>, u8)> = Vec::new();
        if let Some(subscribers) = self.literal.get(topic) {
            found.extend(subscribers.iter().cloned());
        }
        let levels: SmallVec<[&str; 16]> = topic.split('/').collect();
        self.tree.collect(&levels, topic.starts_with('$'), &mut found);
        found.sort_by_key(|(session, qos)| (session.number, std::cmp::Reverse(*qos)));
        found.dedup_by_key(|(session, _)| session.number);
        found
    }
}

impl Node {
    fn collect(&self, levels: &[&str], no_wildcard: bool, found: &mut Vec<(Arc<Session>, u8)>) {
        if !no_wildcard {
            found.extend(self.hash.iter().cloned());
        }
        let Some((level, rest)) = levels.split_first() else {
            found.extend(self.here.iter().cloned());
            return;
        };
        if let Some(child) = self.children.get(*level) {
            child.collect(rest, false, found);
        }
        if let (Some(plus), false) = (&self.plus, no_wildcard) {
            plus.collect(rest, false, found);
        }
    }

    fn remove(&mut self, levels: &[&str], session: u64) {
        match levels.split_first() {
            None => self.here.retain(|(other, _)| other.number != session),
            Some((&"#", _)) => self.hash.retain(|(other, _)| other.number != session),
            Some((&"+", rest)) => {
                if let Some(plus) = &mut self.plus {
                    plus.remove(rest, session);
                    if plus.is_empty() {
                        self.plus = None;
                    }
                }
            }
            Some((level, rest)) => {
                if let Some(child) = self.children.get_mut(*level) {
                    child.remove(rest, session);
                    if child.is_empty() {
                        self.children.remove(*level);
                    }
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.plus.is_none() && self.here.is_empty() && self.hash.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Mutex;

    use super::*;

    fn session(number: u64) -> Arc<Session> {
        Arc::new(Session { number, client_id: "c".into(), identity: "i".into(), state: Mutex::default() })
    }

    const FILTERS: [&str; 12] =
        ["a/b", "a/+", "a/#", "#", "+", "+/b", "a/+/c", "a/b/c", "楼/+/#", "$SYS/#", "/", "+/+"];
    const TOPICS: [&str; 10] = ["a", "a/b", "a/b/c", "a/x/c", "b", "楼", "楼/层/室", "$SYS/x", "/", "a//c"];

    #[test]
    fn the_tree_finds_what_each_filter_matches_and_forgets_what_is_removed() {
        let mut index = Subscriptions::default();
        let sessions: Vec<_> = (0..FILTERS.len() as u64).map(session).collect();
        let filters: Vec<_> = FILTERS.iter().map(|f| TopicFilter::parse(f).unwrap()).collect();
        for (filter, session) in filters.iter().zip(&sessions) {
            index.insert(filter, session, 1);
        }
        for removed in 0..=FILTERS.len() {
            for topic in TOPICS {
                let found: Vec<u64> = index.matching(topic).iter().map(|s| s.0.number).collect();
                let expected: Vec<u64> =
                    (removed..FILTERS.len()).filter(|i| filters[*i].matches(topic)).map(|i| i as u64).collect();
                assert_eq!(found, expected, "{topic} after {removed} removals");
            }
            if let Some(filter) = filters.get(removed) {
                index.remove(filter, removed as u64);
            }
        }
        assert!(index.tree.is_empty() && index.literal.is_empty(), "nothing may stay behind");
    }

    #[test]
    fn overlapping_filters_give_one_delivery_with_the_higher_qos() {
        let mut index = Subscriptions::default();
        let one = session(1);
        for (filter, qos) in [("a/b", 0), ("a/+", 1), ("#", 0)] {
            index.insert(&TopicFilter::parse(filter).unwrap(), &one, qos);
        }
        let found = index.matching("a/b");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1, 1);
    }
}
