//! Ways to reach people. A new way is one file and one line in [`CHANNELS`].
//!
//! A person's channel is written `mqtt`, `webhook:brigade` (one of several that are set up) or `email:zhang@example.org` (a
//! target of this person's own). A name that is set up goes before a target.

pub(crate) mod console;
pub mod dingtalk;
pub mod email;
pub mod gateway;
mod http;
pub mod mqtt;
mod robot;
pub(crate) mod webhook;
pub mod wecom;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::Delivery;

pub use mqtt::MqttPublisher;

use crate::callback::Callbacks;
use crate::dispatcher::StartError;
use crate::message::Message;
use crate::settings::Settings;

/// Characters of a target at most.
const TARGET_CHARS_MAX: usize = 254;

/// One try of one delivery.
#[derive(Clone, Copy)]
pub(crate) struct Try<'a> {
    pub(crate) delivery: &'a Delivery,
    pub(crate) message: &'a Message,
    /// What stands behind the channel's name: an address, a number.
    pub(crate) target: Option<&'a str>,
    /// Now, ms since 1970.
    pub(crate) now_ms: u64,
    /// The try is broken off after this.
    pub(crate) limit: Duration,
}

/// What a try came to. Whether to try again is part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The other side confirmed it.
    Delivered { reason: String },
    /// Not confirmed; to be tried again, where the other side asked for it only after `pause`, which holds for the whole channel.
    /// `channel_works`: the cause lies with this one receiver.
    Retry { reason: String, pause: Option<Duration>, channel_works: bool },
    /// It will never be taken.
    Failed { reason: String },
}

impl Outcome {
    /// The channel itself failed.
    pub(crate) fn retry(reason: impl Into<String>) -> Outcome {
        Outcome::Retry { reason: reason.into(), pause: None, channel_works: false }
    }

    /// The channel works, but this receiver cannot take it now.
    pub(crate) fn later(reason: impl Into<String>) -> Outcome {
        Outcome::Retry { reason: reason.into(), pause: None, channel_works: true }
    }

    /// The other side asks for a pause.
    pub(crate) fn busy(reason: impl Into<String>, pause: Option<Duration>) -> Outcome {
        Outcome::Retry { reason: reason.into(), pause, channel_works: true }
    }
}

/// What is peculiar to a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Name of the kind: label of its metrics, word in `quiet_kinds`.
    pub(crate) kind: &'static str,
    /// Whether names may carry a target: `email:zhang@example.org`.
    pub(crate) target: bool,
    /// Messages within any minute, 0: without limit.
    pub(crate) per_minute: u32,
    /// Deliveries that one message may carry.
    pub(crate) digest_max: usize,
    /// Whether failures in a row break the circuit: there is one other side, and not one for each person.
    pub(crate) breaks: bool,
    /// Whether each message rings at one person, who has a budget.
    pub(crate) to_person: bool,
}

impl Manner {
    /// A channel without limits.
    pub(crate) const fn plain(kind: &'static str) -> Manner {
        Manner { kind, target: false, per_minute: 0, digest_max: 1, breaks: false, to_person: false }
    }

    /// Names that no channel has.
    pub(crate) const NONE: Manner = Manner::plain("none");
}

/// A way to reach people.
#[async_trait]
pub(crate) trait Channel: Send + Sync + 'static {
    fn manner(&self) -> Manner;

    /// Tries once. May be dropped at any moment; the delivery is then tried again.
    async fn send(&self, attempt: Try<'_>) -> Outcome;

    /// As [`Channel::send`], several deliveries in one message: called only where [`Manner::digest_max`] is above 1, with two
    /// or more.
    async fn send_digest(&self, _: &[Try<'_>]) -> Outcome {
        Outcome::Failed { reason: "this channel cannot put several deliveries in one message".into() }
    }
}

/// Channels of one kind, with their names.
pub(crate) type Opened = Result<Vec<(String, Arc<dyn Channel>)>, StartError>;

/// What channels are made with.
pub(crate) struct With<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) mqtt: &'a Arc<dyn MqttPublisher>,
    pub(crate) callbacks: Option<&'a Callbacks>,
}

/// Makes the channels of one kind, as the settings ask for.
type Open = fn(&With<'_>) -> Opened;

/// Every kind of channel.
const CHANNELS: &[Open] =
    &[console::open, mqtt::open, webhook::open, email::open, dingtalk::open, wecom::open, gateway::open];

/// Every channel that is set up, each with a number.
pub(crate) struct Channels {
    list: Vec<Arc<dyn Channel>>,
    numbers: HashMap<Box<str>, usize>,
}

impl Channels {
    /// Makes every channel that the settings ask for.
    pub(crate) fn open(with: &With<'_>) -> Result<Channels, StartError> {
        let mut channels = Channels { list: Vec::new(), numbers: HashMap::new() };
        for open in CHANNELS {
            for (name, channel) in open(with)? {
                if channels.numbers.insert(name.clone().into(), channels.list.len()).is_some() {
                    return Err(StartError::Twice(name));
                }
                channels.list.push(channel);
            }
        }
        Ok(channels)
    }

    /// In the order of their numbers.
    pub(crate) fn manners(&self) -> impl Iterator<Item = Manner> {
        self.list.iter().map(|channel| channel.manner())
    }

    /// The number of the channel with this name, with or without target.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.find(name).map(|(number, _)| number)
    }

    /// The channel with this name, with or without target.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<dyn Channel>> {
        self.find(name).map(|(number, _)| Arc::clone(&self.list[number]))
    }

    /// The target in a channel's name.
    pub(crate) fn target<'a>(&self, name: &'a str) -> Option<&'a str> {
        self.find(name).and_then(|(_, target)| target)
    }

    /// The kind of channel that a name means.
    pub(crate) fn kind(&self, name: &str) -> &'static str {
        self.number(name).map_or(Manner::NONE.kind, |number| self.list[number].manner().kind)
    }

    /// A name without its target.
    pub(crate) fn bare<'a>(&self, name: &'a str) -> &'a str {
        match self.target(name) {
            Some(target) => name.strip_suffix(target).map_or(name, |bare| bare.trim_end_matches(':')),
            None => name,
        }
    }

    fn find<'a>(&self, name: &'a str) -> Option<(usize, Option<&'a str>)> {
        if let Some(&number) = self.numbers.get(name) {
            return Some((number, None));
        }
        let (kind, target) = name.split_once(':')?;
        let &number = self.numbers.get(kind)?;
        let fits = self.list[number].manner().target && target.chars().count() <= TARGET_CHARS_MAX;
        fits.then_some((number, Some(target)))
    }

    /// Why there is no channel of this name, and what to do.
    pub(crate) fn missing(&self, name: &str) -> String {
        let mut names: Vec<&str> = self.numbers.keys().map(AsRef::as_ref).collect();
        names.sort_unstable();
        let near = crate::template::nearest(name, names.into_iter()).map(|near| format!(" (is {near:?} meant?)"));
        let near = near.unwrap_or_default();
        format!("there is no channel {name:?}{near}: name it in the settings or correct the roster")
    }
}

/// Checks the name that a channel has in people's channels.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty()
        || name.chars().count() > 64
        || name.contains(|c: char| c == ';' || c == ':' || c.is_whitespace())
    {
        return Err("the name must be a word of at most 64 characters without blanks, colons and semicolons".into());
    }
    Ok(())
}

/// The telephone number of a try, digits with or without `+`: the target, else the person's own.
///
/// # Errors
/// Why there is none.
pub(crate) fn phone(attempt: &Try<'_>) -> Result<String, String> {
    let written = attempt.target.unwrap_or(attempt.message.phone());
    let number: String = written.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')')).collect();
    let digits = number.strip_prefix('+').unwrap_or(&number);
    if (3..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(number)
    } else if written.is_empty() {
        Err("the person has no telephone number: add it to the roster".into())
    } else {
        Err(format!("{written:?} is no telephone number: correct the roster"))
    }
}
