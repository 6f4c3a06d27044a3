#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU8;

use proptest::prelude::*;

use super::*;

/// A subscriber that is a number and a readiness.
struct Someone {
    number: u64,
    readiness: AtomicU8,
}

impl Subscriber for Someone {
    fn number(&self) -> u64 {
        self.number
    }

    fn readiness(&self) -> Readiness {
        match self.readiness.load(Ordering::Relaxed) {
            0 => Readiness::Ready,
            1 => Readiness::Busy,
            _ => Readiness::Away,
        }
    }
}

fn someone(number: u64) -> Arc<Someone> {
    Arc::new(Someone { number, readiness: AtomicU8::new(0) })
}

fn filter(text: &str) -> SharedFilter {
    SharedFilter::parse(text).unwrap()
}

fn qos(qos: u8) -> Subscription {
    Subscription { options: Options { qos, ..Options::default() }, identifier: 0 }
}

fn find(index: &Subscriptions<Someone>, topic: &str) -> Vec<Match<Someone>> {
    let mut found = Matches::default();
    index.matching(topic, None, &mut found);
    found.drain().collect()
}

/// What a delivery amounts to: session, group; QoS, retain as published, identifiers.
type Seen = BTreeMap<(u64, Option<String>), (u8, bool, Vec<u32>)>;

/// The list that the tables must agree with.
#[derive(Default)]
struct Oracle(BTreeMap<(u64, String), Subscription>);

impl Oracle {
    /// Plain deliveries, and for each shared subscription its members.
    fn matching(&self, topic: &str, publisher: u64) -> (Seen, BTreeMap<String, Vec<u64>>) {
        let mut plain = Seen::new();
        let mut groups = BTreeMap::<String, Vec<u64>>::new();
        for ((number, text), wants) in &self.0 {
            let parsed = filter(text);
            if !parsed.filter.matches(topic) {
                continue;
            }
            if parsed.group.is_some() {
                groups.entry(text.clone()).or_default().push(*number);
                continue;
            }
            if wants.options.no_local && *number == publisher {
                continue;
            }
            let seen = plain.entry((*number, None)).or_default();
            seen.0 = seen.0.max(wants.options.qos);
            seen.1 |= wants.options.retain_as_published;
            seen.2.extend((wants.identifier > 0).then_some(wants.identifier));
            seen.2.sort_unstable();
        }
        (plain, groups)
    }
}

const LEVELS: &str = "(a|b|楼|\\$SYS|)";

fn topics() -> impl Strategy<Value = String> {
    proptest::string::string_regex(&format!("{LEVELS}(/{LEVELS}){{0,3}}"))
        .unwrap()
        .prop_filter("empty", |t| !t.is_empty())
}

fn filters() -> impl Strategy<Value = String> {
    let level = "(a|b|楼|\\$SYS||\\+|\\+)";
    let plain = proptest::string::string_regex(&format!("({level}(/{level}){{0,3}}(/#)?|#)"))
        .unwrap()
        .prop_filter("empty", |t| !t.is_empty() && t != "/#/");
    (prop_oneof![4 => Just(""), 1 => Just("$share/g/"), 1 => Just("$share/h/")], plain)
        .prop_map(|(group, filter)| format!("{group}{filter}"))
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64, String, Subscription),
    Remove(u64, String),
    Publish(String, u64),
}

fn steps() -> impl Strategy<Value = Step> {
    let wants =
        (0u8..3, any::<bool>(), any::<bool>(), 0u32..5).prop_map(|(qos, no_local, retain_as_published, identifier)| {
            let options = Options { qos, no_local, retain_as_published, ..Options::default() };
            Subscription { options, identifier }
        });
    prop_oneof![
        3 => (0u64..5, filters(), wants).prop_map(|(n, f, s)| Step::Insert(n, f, s)),
        2 => (0u64..5, filters()).prop_map(|(n, f)| Step::Remove(n, f)),
        4 => (topics(), 0u64..5).prop_map(|(t, n)| Step::Publish(t, n)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_tables_agree_with_a_plain_list(steps in proptest::collection::vec(steps(), 1..60)) {
        let sessions: Vec<_> = (0..5).map(someone).collect();
        let mut index = Subscriptions::default();
        let mut oracle = Oracle::default();
        let mut found = Matches::default();
        for step in steps {
            match step {
                Step::Insert(number, text, wants) => {
                    let new = index.insert(&filter(&text), &sessions[number as usize], wants);
                    prop_assert_eq!(new, oracle.0.insert((number, text), wants).is_none());
                }
                Step::Remove(number, text) => {
                    let removed = index.remove(&filter(&text), number);
                    prop_assert_eq!(removed, oracle.0.remove(&(number, text)).is_some());
                }
                Step::Publish(topic, publisher) => {
                    index.matching(&topic, Some(publisher), &mut found);
                    let (plain, mut groups) = oracle.matching(&topic, publisher);
                    let mut seen = Seen::new();
                    for one in found.iter() {
                        if let Some(shared) = &one.shared {
                            let members = groups.remove(&shared.to_string());
                            prop_assert!(members.is_some_and(|m| m.contains(&one.session.number)), "{topic} {shared}");
                            continue;
                        }
                        let mut identifiers = one.identifiers.to_vec();
                        identifiers.sort_unstable();
                        let what = (one.qos, one.retain_as_published, identifiers);
                        prop_assert!(seen.insert((one.session.number, None), what).is_none(), "twice: {topic}");
                    }
                    prop_assert_eq!(seen, plain, "{}", topic);
                    prop_assert!(groups.is_empty(), "{topic} reached no member of {groups:?}");
                }
            }
        }
        for ((number, text), _) in oracle.0 {
            prop_assert!(index.remove(&filter(&text), number));
        }
        prop_assert!(index.tree.is_empty() && index.literal.is_empty(), "nothing may stay behind");
    }
}

#[test]
fn overlapping_filters_give_one_delivery_with_the_higher_qos_and_all_identifiers() {
    let mut index = Subscriptions::default();
    let one = someone(1);
    for (text, granted, identifier) in [("a/b", 0, 7), ("a/+", 1, 0), ("#", 0, 9)] {
        index.insert(&filter(text), &one, Subscription { identifier, ..qos(granted) });
    }
    let found = find(&index, "a/b");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].qos, 1);
    assert_eq!(found[0].identifiers.to_vec(), [9, 7].into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn a_subscription_made_again_replaces_the_old_one() {
    let mut index = Subscriptions::default();
    let one = someone(1);
    assert!(index.insert(&filter("a"), &one, Subscription { identifier: 3, ..qos(2) }));
    assert!(!index.insert(&filter("a"), &one, qos(0)));
    let found = find(&index, "a");
    assert_eq!((found.len(), found[0].qos, found[0].identifiers.len()), (1, 0, 0));
}

#[test]
fn no_local_holds_back_what_the_publisher_itself_subscribed_so() {
    let mut index = Subscriptions::default();
    let wants = Subscription { options: Options { qos: 1, no_local: true, ..Options::default() }, identifier: 0 };
    index.insert(&filter("a"), &someone(1), wants);
    index.insert(&filter("a"), &someone(2), wants);
    let mut found = Matches::default();
    index.matching("a", Some(1), &mut found);
    assert_eq!(found.iter().map(|one| one.session.number).collect::<Vec<_>>(), [2]);
    index.matching("a", None, &mut found);
    assert_eq!(found.iter().count(), 2);
}

#[test]
fn a_shared_subscription_goes_round_its_members() {
    let mut index = Subscriptions::default();
    for number in 1..=4 {
        index.insert(&filter("$share/g/a/+"), &someone(number), qos(1));
    }
    let mut counts = BTreeMap::<u64, usize>::new();
    for _ in 0..400 {
        let found = find(&index, "a/b");
        assert_eq!(found.len(), 1);
        *counts.entry(found[0].session.number).or_default() += 1;
    }
    assert_eq!(counts, BTreeMap::from([(1, 100), (2, 100), (3, 100), (4, 100)]));
}

#[test]
fn members_that_cannot_take_it_now_are_passed_over_fairly() {
    let mut index = Subscriptions::default();
    let members: Vec<_> = (0..4).map(someone).collect();
    for member in &members {
        index.insert(&filter("$share/g/a"), member, qos(1));
    }
    members[1].readiness.store(2, Ordering::Relaxed);
    members[3].readiness.store(1, Ordering::Relaxed);
    let next = || find(&index, "a")[0].session.number;
    assert_eq!((0..6).map(|_| next()).collect::<Vec<_>>(), [0, 2, 0, 2, 0, 2]);
    members[0].readiness.store(2, Ordering::Relaxed);
    members[2].readiness.store(2, Ordering::Relaxed);
    assert_eq!((next(), next()), (3, 3), "slow, but connected");
    members[3].readiness.store(2, Ordering::Relaxed);
    let mut away: Vec<_> = (0..4).map(|_| next()).collect();
    away.sort_unstable();
    assert_eq!(away, [0, 1, 2, 3], "one of those away keeps it");
}

#[test]
fn groups_and_plain_subscriptions_are_apart() {
    let mut index = Subscriptions::default();
    let one = someone(1);
    for (text, identifier) in [("a", 1), ("#", 2), ("$share/g/a", 3), ("$share/h/a", 4), ("$share/g/#", 5)] {
        index.insert(&filter(text), &one, Subscription { identifier, ..qos(1) });
    }
    let mut found: Vec<_> = find(&index, "a")
        .into_iter()
        .map(|one| (one.shared.map(|shared| shared.to_string()).unwrap_or_default(), one.identifiers.to_vec()))
        .collect();
    found.sort();
    let expected = [("", vec![1, 2]), ("$share/g/#", vec![5]), ("$share/g/a", vec![3]), ("$share/h/a", vec![4])];
    assert_eq!(found.len(), 4);
    for ((group, identifiers), (expected_group, expected_identifiers)) in found.iter().zip(&expected) {
        let mut identifiers = identifiers.clone();
        identifiers.sort_unstable();
        assert_eq!((group.as_str(), &identifiers), (*expected_group, expected_identifiers));
    }
}

#[test]
fn what_a_leaving_member_did_not_acknowledge_goes_to_another() {
    let mut index = Subscriptions::default();
    for text in ["$share/g/a/+", "$share/g/a"] {
        let shared = filter(text);
        assert!(index.another(&shared, 1).is_none(), "nobody at all");
        index.insert(&shared, &someone(1), qos(1));
        assert!(index.another(&shared, 1).is_none(), "nobody else");
        index.insert(&shared, &someone(2), qos(2));
        let other = index.another(&shared, 1).unwrap();
        assert_eq!((other.session.number, other.qos), (2, 2));
        assert_eq!(other.shared, Some(shared.clone()));
        assert!(index.another(&filter("$share/other/a"), 1).is_none());
    }
}
