#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const ROOMY: RetainedLimits =
    RetainedLimits { messages: 1_000, bytes: 1_000_000, messages_per_identity: 1_000, bytes_per_identity: 1_000_000 };

fn parcel(topic: &str, payload: &str, expires_at_ms: Option<u64>) -> Arc<Parcel> {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    Arc::new(Parcel { topic: topic.into(), payload, forward: None, retain: true, expires_at_ms })
}

fn set(retained: &mut Retained, topic: &str, payload: &str, who: &str) -> Result<u64, RetainedFull> {
    retained.set(&parcel(topic, payload, None), 1, &who.into()).map(|kept| kept.number)
}

fn found(retained: &Retained, filter: &str, now_ms: u64) -> Vec<(String, String)> {
    let mut found = Vec::new();
    retained.matching(&TopicFilter::parse(filter).unwrap(), now_ms, &mut found);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    found.iter().map(|kept| (kept.parcel.topic.to_string(), text(&kept.parcel.payload))).collect()
}

fn topics() -> impl Strategy<Value = String> {
    let level = "(a|b|楼|\\$SYS|)";
    proptest::string::string_regex(&format!("{level}(/{level}){{0,3}}"))
        .unwrap()
        .prop_filter("empty", |t| !t.is_empty())
}

fn filters() -> impl Strategy<Value = String> {
    let level = "(a|b|楼|\\$SYS||\\+|\\+)";
    proptest::string::string_regex(&format!("({level}(/{level}){{0,3}}(/#)?|#)"))
        .unwrap()
        .prop_filter("empty", |t| !t.is_empty())
}

#[derive(Clone, Debug)]
enum Step {
    Set(String, u8, Option<u64>),
    Clear(String),
    Expire(u64),
    Look(String, u64),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (topics(), any::<u8>(), proptest::option::of(0u64..50)).prop_map(|(t, p, e)| Step::Set(t, p, e)),
        2 => topics().prop_map(Step::Clear),
        1 => (0u64..50).prop_map(Step::Expire),
        4 => (filters(), 0u64..50).prop_map(|(f, now)| Step::Look(f, now)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_tree_agrees_with_a_plain_map(steps in proptest::collection::vec(steps(), 1..60)) {
        let mut retained = Retained::new(ROOMY, Vec::new(), 0);
        let mut oracle = BTreeMap::<String, (String, Option<u64>)>::new();
        for step in steps {
            match step {
                Step::Set(topic, payload, expires_at_ms) => {
                    let payload = payload.to_string();
                    retained.set(&parcel(&topic, &payload, expires_at_ms), 0, &"i".into()).unwrap();
                    oracle.insert(topic, (payload, expires_at_ms));
                }
                Step::Clear(topic) => {
                    prop_assert_eq!(retained.clear(&topic).is_some(), oracle.remove(&topic).is_some());
                }
                Step::Expire(now_ms) => {
                    retained.expire(now_ms, usize::MAX);
                    oracle.retain(|_, (_, at_ms)| at_ms.is_none_or(|at_ms| at_ms > now_ms));
                }
                Step::Look(text, now_ms) => {
                    let filter = TopicFilter::parse(&text).unwrap();
                    let expected: Vec<_> = oracle
                        .iter()
                        .filter(|(topic, (_, at_ms))| filter.matches(topic) && at_ms.is_none_or(|at_ms| at_ms > now_ms))
                        .map(|(topic, (payload, _))| (topic.clone(), payload.clone()))
                        .collect();
                    let mut found = found(&retained, &text, now_ms);
                    found.sort();
                    prop_assert_eq!(found, expected, "{}", text);
                }
            }
            prop_assert_eq!(retained.len(), oracle.len());
        }
        for topic in oracle.keys() {
            prop_assert!(retained.clear(topic).is_some());
        }
        prop_assert!(retained.root.children.is_empty() && retained.expiries.is_empty() && retained.identities.is_empty());
        prop_assert_eq!(retained.total, Usage::default());
    }
}

#[test]
fn a_topic_keeps_its_place_in_the_vault_and_a_new_one_gets_a_new_place() {
    let mut retained = Retained::new(ROOMY, Vec::new(), 7);
    assert_eq!(set(&mut retained, "a", "1", "i"), Ok(7));
    assert_eq!(set(&mut retained, "b", "1", "i"), Ok(8));
    assert_eq!(set(&mut retained, "a", "2", "other"), Ok(7));
    assert_eq!(retained.clear("a").unwrap().number, 7);
    assert_eq!(set(&mut retained, "a", "3", "i"), Ok(9), "the removal of 7 may still be under way");
    assert_eq!(found(&retained, "#", 0), [("a".into(), "3".into()), ("b".into(), "1".into())]);
}

#[test]
fn each_cap_refuses_one_more_and_says_why_but_a_replacement_fits() {
    let weight = MESSAGE_BYTES + 2;
    let rows = [
        (RetainedLimits { messages: 2, ..ROOMY }, "other", RetainedFull::Messages),
        (RetainedLimits { bytes: 2 * weight, ..ROOMY }, "other", RetainedFull::Bytes),
        (RetainedLimits { messages_per_identity: 2, ..ROOMY }, "i", RetainedFull::IdentityMessages),
        (RetainedLimits { bytes_per_identity: 2 * weight, ..ROOMY }, "i", RetainedFull::IdentityBytes),
    ];
    for (limits, third, full) in rows {
        let mut retained = Retained::new(limits, Vec::new(), 0);
        set(&mut retained, "a", "1", "i").unwrap();
        set(&mut retained, "b", "1", "i").unwrap();
        assert_eq!(set(&mut retained, "c", "1", third), Err(full));
        assert_eq!(retained.len(), 2);
        set(&mut retained, "a", "2", "i").unwrap();
        assert_eq!(found(&retained, "a", 0), [("a".into(), "2".into())]);
        retained.clear("b").unwrap();
        set(&mut retained, "c", "1", third).unwrap();
        assert!(full.to_string().contains("retained_"), "names the setting: {full}");
    }
}

#[test]
fn a_message_that_another_takes_over_counts_for_the_other() {
    let limits = RetainedLimits { messages_per_identity: 1, ..ROOMY };
    let mut retained = Retained::new(limits, Vec::new(), 0);
    set(&mut retained, "a", "1", "i").unwrap();
    set(&mut retained, "a", "2", "j").unwrap();
    set(&mut retained, "b", "1", "i").unwrap();
    assert_eq!(set(&mut retained, "c", "1", "j"), Err(RetainedFull::IdentityMessages));
}

#[test]
fn what_was_kept_before_is_there_again_even_above_the_caps() {
    let mut retained = Retained::new(ROOMY, Vec::new(), 0);
    for topic in ["a", "b", "c"] {
        set(&mut retained, topic, "1", "i").unwrap();
    }
    let mut kept = Vec::new();
    retained.matching(&TopicFilter::parse("#").unwrap(), 0, &mut kept);
    let kept = kept.iter().map(|kept| Kept::clone(kept)).collect();
    let mut again = Retained::new(RetainedLimits { messages: 2, ..ROOMY }, kept, 0);
    assert_eq!(again.len(), 3);
    assert_eq!(set(&mut again, "d", "1", "i"), Err(RetainedFull::Messages));
    again.clear("a").unwrap();
    again.clear("b").unwrap();
    assert_eq!(set(&mut again, "d", "1", "i"), Ok(3), "no number is given twice");
}

#[test]
fn expiry_takes_out_the_due_ones_oldest_first() {
    let mut retained = Retained::new(ROOMY, Vec::new(), 0);
    for (topic, at_ms) in [("a", Some(30)), ("b", Some(10)), ("c", None), ("d", Some(20))] {
        retained.set(&parcel(topic, "1", at_ms), 1, &"i".into()).unwrap();
    }
    assert_eq!(retained.next_expiry_ms(), Some(10));
    let topics = |gone: Vec<Arc<Kept>>| gone.iter().map(|kept| kept.parcel.topic.to_string()).collect::<Vec<_>>();
    assert_eq!(topics(retained.expire(25, 1)), ["b"]);
    assert_eq!(topics(retained.expire(25, 9)), ["d"]);
    assert_eq!(topics(retained.expire(25, 9)), [""; 0]);
    assert_eq!(retained.next_expiry_ms(), Some(30));
    retained.set(&parcel("a", "2", None), 1, &"i".into()).unwrap();
    assert_eq!(retained.next_expiry_ms(), None, "the newer message has no expiry");
}
