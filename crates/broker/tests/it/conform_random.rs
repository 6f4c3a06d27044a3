//! Random steps of four clients, two of them with sessions that last, against a model of what each must get.

use std::collections::BTreeMap;

use broker::TopicFilter;

use crate::conform::{Client, Got, Hello, Peer, message};

/// A small generator of numbers, so that a failing seed fails again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

/// Payload, QoS, retain flag.
type Delivery = (String, u8, bool);

struct Model {
    hello: Hello,
    lasting: bool,
    client: Option<Client>,
    filters: BTreeMap<&'static str, u8>,
    expected: Vec<Delivery>,
}

const TOPICS: [&str; 6] = ["relay/r/a", "relay/r/b", "relay/r/a/b", "relay/r/a/c", "relay/r", "relay/r/楼"];
const FILTERS: [&str; 8] =
    ["relay/r/a", "relay/r/+", "relay/r/#", "relay/r/a/+", "relay/r/+/b", "+/r/楼", "relay/r", "relay/+/a/#"];

fn matches(filter: &str, topic: &str) -> bool {
    TopicFilter::parse(filter).unwrap().matches(topic)
}

impl Model {
    /// The highest QoS granted for a topic.
    fn granted(&self, topic: &str) -> Option<u8> {
        self.filters.iter().filter(|(filter, _)| matches(filter, topic)).map(|(_, qos)| *qos).max()
    }

    fn client(&mut self) -> &mut Client {
        self.client.as_mut().expect("it is connected")
    }

    /// Takes all that is on its way and compares.
    async fn settle(&mut self, ordered: bool, what: &str) {
        if self.client.is_none() {
            return;
        }
        let mut expected = std::mem::take(&mut self.expected);
        let mut found = Vec::new();
        for _ in 0..expected.len() {
            let Got { payload, qos, retain, dup, .. } = self.client().take().await;
            assert!(!dup, "{what}");
            found.push((payload, qos, retain));
        }
        if !ordered {
            expected.sort();
            found.sort();
        }
        assert_eq!(found, expected, "{what}");
        self.client().ping().await;
    }
}

async fn play(seed: u64) {
    let peer = Peer::start().await;
    let mut dice = Dice(seed);
    let mut retained = BTreeMap::<&str, (String, u8)>::new();
    let mut models = Vec::new();
    for (index, (v5, lasting)) in [(false, true), (true, true), (false, false), (true, false)].into_iter().enumerate() {
        let id = format!("random-{seed}-{index}");
        let hello = if lasting { Hello::lasting(v5, &id) } else { Hello::new(v5, &id) };
        let client = Some(peer.client(&hello).await);
        models.push(Model { hello, lasting, client, filters: BTreeMap::new(), expected: Vec::new() });
    }
    let mut publisher = peer.plain(seed.is_multiple_of(2), &format!("random-{seed}-publisher")).await;
    for step in 0..60 {
        let what = format!("seed {seed}, step {step}");
        let who = dice.roll(models.len());
        let mut ordered = true;
        match dice.roll(10) {
            0..=2 if models[who].client.is_some() => {
                let (filter, qos) = (dice.pick(&FILTERS), u8::try_from(dice.roll(3)).unwrap());
                let model = &mut models[who];
                model.client().subscribe(filter, qos).await;
                model.filters.insert(filter, qos);
                ordered = false;
                let kept = retained.iter().filter(|(topic, _)| matches(filter, topic));
                model.expected.extend(kept.map(|(_, (payload, kept))| (payload.clone(), qos.min(*kept), true)));
            }
            3 if models[who].client.is_some() => {
                let filter = dice.pick(&FILTERS);
                let model = &mut models[who];
                let codes = model.client().unsubscribe(&[filter]).await;
                let known = model.filters.remove(filter).is_some();
                assert!(codes.is_empty() || codes == [if known { 0 } else { 0x11 }], "{what}: {codes:x?}");
            }
            4 | 5 => {
                let model = &mut models[who];
                match model.client.take() {
                    Some(client) if dice.roll(2) == 0 => client.goodbye().await,
                    Some(client) => client.cut().await,
                    None => {
                        let (client, connack) = peer.welcome(&model.hello).await;
                        assert_eq!(connack.present, model.lasting, "{what}");
                        model.client = Some(client);
                        if !model.lasting {
                            model.filters.clear();
                            model.expected.clear();
                        }
                    }
                }
                // A broken connection is noticed a moment later: the next one takes over, so nothing depends on it.
                if model.client.is_none() {
                    let (client, _) = peer.welcome(&model.hello).await;
                    client.goodbye().await;
                    if !model.lasting {
                        model.filters.clear();
                    }
                }
            }
            _ => {
                let (topic, qos, keep) = (dice.pick(&TOPICS), u8::try_from(dice.roll(3)).unwrap(), dice.roll(4) == 0);
                let payload = if keep && dice.roll(3) == 0 { String::new() } else { format!("{step}") };
                let sent = message(topic, &payload).qos(qos, 1);
                publisher.publish_through(&if keep { sent.retained() } else { sent }).await;
                match (keep, payload.is_empty()) {
                    (true, true) => drop(retained.remove(topic)),
                    (true, false) => drop(retained.insert(topic, (payload.clone(), qos))),
                    (false, _) => {}
                }
                for model in &mut models {
                    let Some(granted) = model.granted(topic) else { continue };
                    let qos = qos.min(granted);
                    if model.client.is_some() || (model.lasting && qos > 0) {
                        model.expected.push((payload.clone(), qos, false));
                    }
                }
            }
        }
        for model in &mut models {
            model.settle(ordered, &what).await;
        }
    }
}

#[tokio::test]
async fn random_steps_bring_what_the_model_says() {
    if std::env::var("FENGHUO_CONFORM_PEER").is_ok() {
        return; // it knows one copy for overlapping subscriptions only
    }
    for seed in 0..40 {
        play(seed).await;
    }
}
