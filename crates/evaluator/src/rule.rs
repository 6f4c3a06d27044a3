//! The seam for detection rules: [`Rule`], and the table of those there are.
//!
//! A rule sees one device's samples and reports in the order of their receipt, keeps what it wants to remember of the
//! device in its `Memory`, and says when a condition holds and when no longer ([`Scene`]). What follows (findings, colours,
//! reasons, alerts) is not its business; nor are threads, epochs and timely. It may ask to be called again at a time
//! ([`Scene::wake`]); that happens at the first tick of the clock at or after it.
//!
//! A new rule is a file under `rule/` with its settings, units, sources and a table of scenarios, a `mod` line and a line in
//! the table at the end of this file.

pub mod alarm_message;
pub mod battery;
pub mod chatter;
pub mod coincidence;
pub mod contact;
pub mod coverage;
pub mod device_event;
pub mod electrical;
pub mod evidence;
pub mod fusion;
pub mod gas;
pub mod gateway;
pub mod heat_fixed;
pub mod heat_rise;
pub mod hydrant;
pub mod leakage;
pub mod link;
pub mod lost_contact;
mod nouns;
mod scene;
pub mod sighting;
mod slot;
pub mod smoke;
pub mod stuck;
pub mod water_level;
pub mod water_pressure;

use model::Quantity;
use model::finding::Words;
use model::report::Body;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::state::{Deaf, Device};
use crate::why::Watch;

pub use nouns::{Condition, Note, Sample, Turn, UnitView, Watching};
pub use scene::Scene;
pub(crate) use scene::Told;
use slot::{Has, Keeps, Slot};

/// A detection rule. Every function is pure: what it decides depends on its arguments alone.
pub trait Rule {
    /// The conditions that it can find; their places are the `condition` numbers below.
    const CONDITIONS: &'static [Condition];
    /// The quantities that it reads.
    const READS: &'static [Quantity] = &[];
    /// Of these, the ones that make a device its memory; the others are read only by a device that has one.
    const STARTS: &'static [Quantity] = Self::READS;
    /// It listens to reports (alarms, events, states) and to a device being heard of again.
    const LISTENS: bool = false;
    /// One TOML table; every key with default, unit and source.
    type Settings: Clone + Default + PartialEq + std::fmt::Debug + Serialize + DeserializeOwned;
    /// What it remembers of one device; made when the device first gives it something to remember.
    type Memory: Clone + Default + PartialEq + std::fmt::Debug + Serialize + DeserializeOwned;

    /// What is wrong with the settings, and what to do about it.
    fn check(_: &Self::Settings) -> Result<(), String> {
        Ok(())
    }

    /// A value of one of the quantities that it reads. Finite; times never go back.
    fn reading(_: &Self::Settings, _: &mut Self::Memory, _: Sample, _: &mut Scene<'_>) {}

    /// Reads something of each cache line (64 bytes) of what it remembers, so that all of it is there when it is needed.
    /// A rule that reads quantities has this; the result means nothing.
    fn look(_: &Self::Memory) -> u64 {
        0
    }

    /// A report of the device, received at `scene.now_ms`.
    fn report(_: &Self::Settings, _: &mut Self::Memory, _: &Body, _: &mut Scene<'_>) {}

    /// The device, which was silent (never heard of, or lost), was heard of.
    fn heard(_: &Self::Settings, _: &mut Self::Memory, _: &mut Scene<'_>) {}

    /// The device came on the roster, or its promise or the settings changed.
    fn adopted(_: &Self::Settings, _: &mut Self::Memory, _: &mut Scene<'_>) {}

    /// A time that some rule asked for has come. All requests of the device are void: ask again.
    fn tick(_: &Self::Settings, _: &mut Self::Memory, _: &mut Scene<'_>) {}

    /// A condition of the device, of any rule, began or ended. For rules that listen.
    fn turned(_: &Self::Settings, _: &mut Self::Memory, _: Turn, _: &mut Scene<'_>) {}

    /// A fire condition began or ended in the unit, or a device gave a sign. `condition` numbers here are conditions of
    /// the unit.
    fn unit(_: &Self::Settings, _: &UnitView<'_>, _: &mut Scene<'_>) {}

    /// What was seen, and what would end it.
    fn words(condition: usize, note: &Note) -> (Words, Words);

    /// What it looks at now, for each condition that the device can give rise to: what was last seen, what is asked for, how
    /// far it is and when its timer is due. It tells why the rule did not fire. `memory` is `None` for a device that gave it
    /// nothing to remember.
    fn watches(_: &Self::Settings, _: Option<&Self::Memory>, _: &Watching<'_>) -> Vec<Watch> {
        Vec::new()
    }
}

/// Chinese and English of one sentence.
pub fn words(zh: impl Into<std::borrow::Cow<'static, str>>, en: impl Into<std::borrow::Cow<'static, str>>) -> Words {
    Words { zh: zh.into(), en: en.into() }
}

/// A rule as the table knows it.
#[derive(Debug, Clone, Copy)]
pub struct RuleInfo {
    /// Name of its file and of its table in the settings.
    pub name: &'static str,
    pub conditions: &'static [Condition],
    pub reads: &'static [Quantity],
    pub(crate) words: fn(usize, &Note) -> (Words, Words),
}

const fn mask(quantities: &[Quantity]) -> u32 {
    let (mut mask, mut at) = (0, 0);
    while at < quantities.len() {
        mask |= 1 << quantities[at] as u32;
        at += 1;
    }
    mask
}

/// Calls a rule with what it remembers. Most devices never give most rules anything to remember, and cost them nothing.
#[inline]
fn remembering<M: Default + PartialEq>(slot: &mut impl Slot<M>, call: impl FnOnce(&mut M)) {
    if let Some(memory) = slot.get_mut() {
        call(memory);
        return;
    }
    let mut fresh = M::default();
    call(&mut fresh);
    if fresh != M::default() {
        slot.put(fresh);
    }
}

/// Makes of the table: the settings of all rules, a device's memory of all rules, and their calls in the table's order.
macro_rules! rules {
    (tables { $($table:ident: $of:ty,)* } $($name:ident: $rule:ty,)*) => {
        /// Every rule.
        pub static RULES: &[RuleInfo] = &[$(RuleInfo {
            name: stringify!($name),
            conditions: <$rule>::CONDITIONS,
            reads: <$rule>::READS,
            words: <$rule>::words,
        },)*];

        /// Settings of all rules, one table each, and of what follows from them.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct RuleSettings {
            $(pub $name: <$rule as Rule>::Settings,)*
            /// The standing risk.
            pub risk: crate::risk::Settings,
            /// Tests that the text carries.
            #[serde(skip_serializing)]
            pub test: Vec<crate::scenario::Test>,
            $(pub $table: $of,)*
        }

        impl RuleSettings {
            /// What is wrong with them.
            pub(crate) fn check(&self) -> Result<(), String> {
                $(<$rule>::check(&self.$name).map_err(|why| format!("[{}] {why}", stringify!($name)))?;)*
                self.risk.check().map_err(|why| format!("[risk] {why}"))?;
                $(self.$table.check().map_err(|why| format!("[{}] {why}", stringify!($table)))?;)*
                Ok(())
            }
        }

        /// What the rules remember of one device.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Memory {
            $($name: <Has<{ size_of::<<$rule as Rule>::Memory>() > 0 }> as Keeps<<$rule as Rule>::Memory>>::Slot,)*
        }

        impl Memory {
            #[inline]
            pub(crate) fn reading(&mut self, settings: &RuleSettings, sample: Sample, scene: &mut Scene<'_>) {
                let bit = 1_u32 << sample.quantity as u32;
                scene.base = 0;
                $(
                    if const { mask(<$rule>::READS) } & bit != 0 {
                        let starts = const { mask(<$rule>::STARTS) } & bit != 0;
                        if starts && Slot::<<$rule as Rule>::Memory>::get(&self.$name).is_none() {
                            self.$name.put(<$rule as Rule>::Memory::default());
                        }
                        if let Some(memory) = Slot::<<$rule as Rule>::Memory>::get_mut(&mut self.$name) {
                            <$rule>::reading(&settings.$name, memory, sample, scene);
                        }
                    }
                    scene.base += const { <$rule>::CONDITIONS.len() as u8 };
                )*
            }

            /// Whether anything is remembered: reads the row alone.
            #[inline]
            pub(crate) fn place(&self) -> u64 {
                let mut seen = 0;
                $(seen ^= u64::from(Slot::<<$rule as Rule>::Memory>::get(&self.$name).is_some());)*
                seen
            }

            /// [`Rule::look`] of every rule that remembers something.
            #[inline]
            pub(crate) fn look(&self) -> u64 {
                let mut seen = 0;
                $(
                    if const { !<$rule>::READS.is_empty() } {
                        seen ^= self.$name.get().map_or(0, |memory| <$rule>::look(memory));
                    }
                )*
                seen
            }

            pub(crate) fn report(&mut self, settings: &RuleSettings, body: &Body, scene: &mut Scene<'_>) {
                scene.base = 0;
                $(
                    if <$rule>::LISTENS {
                        remembering(&mut self.$name, |memory| <$rule>::report(&settings.$name, memory, body, scene));
                    }
                    scene.base += const { <$rule>::CONDITIONS.len() as u8 };
                )*
            }

            pub(crate) fn heard(&mut self, settings: &RuleSettings, scene: &mut Scene<'_>) {
                scene.base = 0;
                $(
                    if <$rule>::LISTENS {
                        remembering(&mut self.$name, |memory| <$rule>::heard(&settings.$name, memory, scene));
                    }
                    scene.base += const { <$rule>::CONDITIONS.len() as u8 };
                )*
            }

            pub(crate) fn adopted(&mut self, settings: &RuleSettings, scene: &mut Scene<'_>) {
                scene.base = 0;
                $(
                    if <$rule>::LISTENS {
                        remembering(&mut self.$name, |memory| <$rule>::adopted(&settings.$name, memory, scene));
                    }
                    scene.base += const { <$rule>::CONDITIONS.len() as u8 };
                )*
            }

            pub(crate) fn tick(&mut self, settings: &RuleSettings, scene: &mut Scene<'_>) {
                scene.base = 0;
                $(
                    if <$rule>::LISTENS {
                        remembering(&mut self.$name, |memory| <$rule>::tick(&settings.$name, memory, scene));
                    } else if let Some(memory) = self.$name.get_mut() {
                        <$rule>::tick(&settings.$name, memory, scene);
                    }
                    scene.base += const { <$rule>::CONDITIONS.len() as u8 };
                )*
            }

            pub(crate) fn turned(&mut self, settings: &RuleSettings, turn: Turn, scene: &mut Scene<'_>) {
                scene.base = 0;
                $(
                    if <$rule>::LISTENS {
                        remembering(&mut self.$name, |memory| <$rule>::turned(&settings.$name, memory, turn, scene));
                    }
                    scene.base += const { <$rule>::CONDITIONS.len() as u8 };
                )*
            }

            /// [`Rule::watches`] of every rule, by name.
            pub fn watches(device: &Device, settings: &RuleSettings, now_ms: u64, deaf: &Deaf) -> Vec<(&'static str, Vec<Watch>)> {
                let mut of_rules = Vec::new();
                let mut watching = Watching { now_ms, device: &device.facts, deaf, holding: device.holding, base: 0 };
                $(
                    let memory = device.memory.$name.get();
                    let mut watches = <$rule>::watches(&settings.$name, memory, &watching);
                    if watches.is_empty() {
                        watches = watching.plain(<$rule>::CONDITIONS, memory.is_some());
                    }
                    of_rules.push((stringify!($name), watches));
                    watching.base += const { <$rule>::CONDITIONS.len() as u8 };
                )*
                debug_assert!(watching.base <= 64, "each condition has a bit");
                of_rules
            }

            pub(crate) fn unit(settings: &RuleSettings, view: &UnitView<'_>, scene: &mut Scene<'_>) {
                scene.base = 0;
                $(
                    <$rule>::unit(&settings.$name, view, scene);
                    scene.base += const { <$rule>::CONDITIONS.len() as u8 };
                )*
            }
        }
    };
}

/// A condition with its place among all.
pub(crate) fn condition(place: u8) -> &'static Condition {
    let (rule, within) = locate(place);
    &rule.conditions[within]
}

/// Name of the rule of a condition.
pub(crate) fn rule_of(place: u8) -> &'static str {
    locate(place).0.name
}

/// Names of the conditions whose bits are set.
pub(crate) fn names_of(bits: u64) -> Vec<&'static str> {
    (0..64_u8).filter(|place| bits >> place & 1 == 1).map(|place| condition(place).name).collect()
}

/// What was seen, and what would end it.
pub(crate) fn words_of(place: u8, note: &Note) -> (Words, Words) {
    let (rule, within) = locate(place);
    (rule.words)(within, note)
}

fn locate(place: u8) -> (&'static RuleInfo, usize) {
    let mut within = usize::from(place);
    for rule in RULES {
        if within < rule.conditions.len() {
            return (rule, within);
        }
        within -= rule.conditions.len();
    }
    panic!("condition {place} is beyond the table: the state was made by another build")
}

/// One bit for each condition for which `which` holds.
pub(crate) fn bits(which: impl Fn(&Condition) -> bool) -> u64 {
    let all = RULES.iter().flat_map(|rule| rule.conditions).zip(0..);
    all.fold(0, |bits, (condition, place)| bits | u64::from(which(condition)) << place)
}

/// The bit of the condition that a device is lost.
pub(crate) fn lost_bit() -> u64 {
    static BIT: std::sync::LazyLock<u64> =
        std::sync::LazyLock::new(|| bits(|condition| condition.name == lost_contact::LostContact::CONDITIONS[0].name));
    *BIT
}

/// Place of a rule's first condition.
fn base_of(name: &str) -> u8 {
    let before = RULES.iter().take_while(|rule| rule.name != name);
    before.map(|rule| rule.conditions.len() as u8).sum()
}

/// Places of the conditions of whole units.
pub(crate) struct OfUnits {
    pub sighting: u8,
    pub coverage: u8,
    pub gateway: u8,
    pub evidence: u8,
}

/// Places of the conditions of whole units: those of a rule's first.
pub(crate) fn of_units() -> &'static OfUnits {
    static PLACES: std::sync::LazyLock<OfUnits> = std::sync::LazyLock::new(|| OfUnits {
        sighting: base_of("sighting"),
        coverage: base_of("coverage"),
        gateway: base_of("gateway"),
        evidence: base_of("evidence"),
    });
    &PLACES
}

/// Whether a rule looks at whole units, and not at a device alone.
pub(crate) fn judges_units(name: &str) -> bool {
    ["coincidence", "sighting", "coverage", "gateway", "evidence"].contains(&name)
}

/// Whether a condition is a person's report.
pub(crate) fn is_sighting(condition: u8) -> bool {
    let base = of_units().sighting;
    (base..base + sighting::Sighting::CONDITIONS.len() as u8).contains(&condition)
}

/// Names the layout of [`Memory`] and of condition numbers. A rule whose memory changes its shape gets a new number here.
pub(crate) fn layout() -> String {
    let mut layout = String::from("5");
    for rule in RULES {
        layout.push_str(&format!(" {}({})", rule.name, rule.conditions.len()));
    }
    layout
}

rules! {
    tables {
        colour: crate::unit::colour::Settings,
        neighbours: crate::unit::neighbours::Settings,
    }
    alarm_message: alarm_message::AlarmMessage,
    smoke: smoke::Smoke,
    heat_fixed: heat_fixed::HeatFixed,
    heat_rise: heat_rise::HeatRise,
    fusion: fusion::Fusion,
    gas: gas::Gas,
    electrical: electrical::Electrical,
    leakage: leakage::Leakage,
    contact: contact::Contact,
    water_pressure: water_pressure::WaterPressure,
    water_level: water_level::WaterLevel,
    hydrant: hydrant::Hydrant,
    device_event: device_event::DeviceEvent,
    battery: battery::Battery,
    stuck: stuck::Stuck,
    link: link::Link,
    chatter: chatter::Chatter,
    lost_contact: lost_contact::LostContact,
    coincidence: coincidence::Coincidence,
    sighting: sighting::Sighting,
    coverage: coverage::Coverage,
    gateway: gateway::Gateway,
    evidence: evidence::Evidence,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn conditions_have_names_of_their_own_and_fit_into_64_bits() {
        let all: Vec<&str> = RULES.iter().flat_map(|rule| rule.conditions).map(|condition| condition.name).collect();
        let distinct: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), distinct.len());
        assert!(all.len() <= 64);
    }

    #[test]
    fn every_condition_has_words_in_both_languages() {
        for (place, _) in (0_u8..).zip(RULES.iter().flat_map(|rule| rule.conditions)) {
            let (evidence, would_change) = words_of(place, &Note { a: 1.0, b: 2.0, c: 3.0, n: 2 });
            for sentence in [evidence, would_change] {
                assert!(!sentence.zh.is_ascii(), "{place}: {sentence:?}");
                assert!(sentence.en.is_ascii() || sentence.en.contains('°'), "{place}: {sentence:?}");
                assert!(!sentence.en.is_empty());
            }
        }
    }
}
