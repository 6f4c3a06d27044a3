//! What one connection has in hand: messages on their way to the consumer, and acknowledgements on their way back.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use broker::{AckHandle, Inbound, Lane, Message, Topic};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Connection;
use crate::lock;
use crate::window::Window;
use crate::wire::{ACKS_QUEUED_MAX, Client, Stuck, Taken};

/// Answers of the consumer, left here from its own thread.
#[derive(Default)]
pub(super) struct Answers {
    list: Mutex<Vec<Answer>>,
    changed: Notify,
}

struct Answer {
    numbers: Vec<u64>,
    handed_at: Instant,
    answered: bool,
}

impl Answers {
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn push(&self, answer: Answer) {
        lock(&self.list).push(answer);
        self.changed.notify_one();
    }
}

/// Messages of a lane that wait for the batch before them.
#[derive(Default)]
struct Held {
    messages: VecDeque<(Message, Option<u64>)>,
    /// Of those that need no acknowledgement.
    optional: usize,
}

impl Held {
    /// The oldest, as one batch, and the numbers of those that need an acknowledgement.
    fn batch(&mut self, messages_max: usize) -> (Vec<Message>, Vec<u64>) {
        let count = self.messages.len().min(messages_max);
        let (mut messages, mut numbers) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (message, number) in self.messages.drain(..count) {
            self.optional -= usize::from(number.is_none());
            numbers.extend(number);
            messages.push(message);
        }
        (messages, numbers)
    }
}

type Sending = Pin<Box<dyn Future<Output = bool> + Send>>;

/// One lane: what waits, and the batch that is being handed over.
#[derive(Default)]
struct Way {
    held: Held,
    sending: Option<Sending>,
}

pub(super) struct Life<'a> {
    of: &'a Connection,
    client: Client,
    window: Window,
    urgent: Way,
    normal: Way,
    answers: Arc<Answers>,
    batches_out: usize,
    /// Acknowledgements that rumqttc has not sent yet.
    acks_queued: usize,
    heard: bool,
    leaving: bool,
    goodbye: bool,
    gone: bool,
}

impl<'a> Life<'a> {
    pub(super) fn new(of: &'a Connection, client: Client) -> Life<'a> {
        Life {
            of,
            client,
            window: Window::default(),
            urgent: Way::default(),
            normal: Way::default(),
            answers: Arc::default(),
            batches_out: 0,
            acks_queued: 0,
            heard: false,
            leaving: false,
            goodbye: false,
            gone: false,
        }
    }

    pub(super) fn answers(&self) -> &Arc<Answers> {
        &self.answers
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }

    pub(super) fn subscribe(&self, session_present: bool) -> Result<(), String> {
        let (settings, number) = (&self.of.settings, self.of.number);
        let leftovers = if session_present { settings.leftovers(number) } else { Vec::new() };
        self.client.subscribe(settings.subscriptions(number), leftovers).map_err(stuck)
    }

    /// Whether there is room for another message. A batch that can be handed on and is full goes first.
    pub(super) fn may_read(&self) -> bool {
        let limit = usize::from(self.of.settings.receive_window) * 2;
        let waiting = self.urgent.held.messages.len() + self.normal.held.messages.len();
        let batch = self.of.settings.batch_messages_max;
        let full = |way: &Way| way.sending.is_none() && way.held.messages.len() >= batch;
        // sending acknowledgements and reading are one to rumqttc
        let unsent = self.acks_queued > 0;
        self.leaving
            || unsent
            || (self.window.len() < limit && waiting < limit && !full(&self.urgent) && !full(&self.normal))
    }

    pub(super) fn may_hand_on(&self) -> bool {
        let ready = |way: &Way| way.sending.is_none() && !way.held.messages.is_empty();
        ready(&self.urgent) || ready(&self.normal)
    }

    /// Whether a publish came since this was last asked, or is waited for by the consumer.
    pub(super) fn has_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard) || self.batches_out > 0
    }

    /// Takes a publish in. While leaving none is: the broker keeps it for the next time.
    pub(super) fn take(&mut self, taken: Taken) -> Result<(), String> {
        if self.leaving {
            return Ok(());
        }
        self.heard = true;
        let Taken { topic, payload, ack, retain, dup, content_type } = taken;
        let topic = match std::str::from_utf8(&topic).map_err(|error| error.to_string()).and_then(|text| {
            let topic = Topic::new(text);
            topic.map_err(|error| error.to_string())
        }) {
            Ok(topic) => topic,
            Err(why) => {
                self.of.topic_invalid(&topic, &why);
                return self.skip(ack);
            }
        };
        let lane = (self.of.route)(&topic);
        let way = match lane {
            Lane::Urgent => &mut self.urgent,
            Lane::Normal => &mut self.normal,
        };
        let behind = way.held.optional >= usize::from(self.of.settings.receive_window);
        if ack.qos == 0 && lane == Lane::Normal && behind {
            self.of.meters.dropped_full.increment(1);
            return Ok(());
        }
        let number = (ack.qos > 0).then(|| self.window.take(ack));
        way.held.optional += usize::from(number.is_none());
        let received_ms = (self.of.now_ms)();
        let message = Message { topic, payload, qos: ack.qos, retain, dup, content_type, received_ms, is_will: false };
        way.held.messages.push_back((message, number));
        Ok(())
    }

    /// Acknowledges a message that nobody can use.
    fn skip(&mut self, ack: crate::window::Ack) -> Result<(), String> {
        if ack.qos > 0 {
            let number = self.window.take(ack);
            self.of.meters.unacknowledged.increment(1.0);
            self.window.answered(number);
            self.acknowledge()?;
        }
        Ok(())
    }

    /// Begins to hand over what is held, urgent first.
    pub(super) fn hand_on(&mut self) {
        for lane in [Lane::Urgent, Lane::Normal] {
            let way = match lane {
                Lane::Urgent => &mut self.urgent,
                Lane::Normal => &mut self.normal,
            };
            if way.sending.is_some() || way.held.messages.is_empty() {
                continue;
            }
            let (messages, numbers) = way.held.batch(self.of.settings.batch_messages_max);
            let counted = if lane == Lane::Urgent { &self.of.meters.urgent } else { &self.of.meters.normal };
            counted.increment(messages.len() as u64);
            self.of.meters.unacknowledged.increment(numbers.len() as f64);
            let batch = batch(self.of, messages, numbers, Arc::clone(&self.answers));
            self.batches_out += 1;
            let outlets = self.of.outlets.clone();
            way.sending = Some(Box::pin(async move { outlets.send(lane, batch).await }));
        }
    }

    /// Waits until a batch has been handed over.
    pub(super) async fn sent(&mut self) -> Result<(), String> {
        std::future::poll_fn(|context| {
            for way in [0, 1] {
                let way: &mut Option<Sending> = match way {
                    0 => &mut self.urgent.sending,
                    _ => &mut self.normal.sending,
                };
                if let Some(sending) = way
                    && let std::task::Poll::Ready(sent) = sending.as_mut().poll(context)
                {
                    *way = None;
                    let gone = "the ingest stage is gone: the station stops".to_owned();
                    return std::task::Poll::Ready(if sent { Ok(()) } else { Err(gone) });
                }
            }
            std::task::Poll::Pending
        })
        .await
    }

    /// Takes the consumer's answers and acknowledges what they allow.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        let answers = std::mem::take(&mut *lock(&self.answers.list));
        for Answer { numbers, handed_at, answered } in answers {
            self.batches_out -= 1;
            if !answered {
                return Err("a batch was dropped unanswered: the broker sends it again".to_owned());
            }
            self.of.meters.lag.record(handed_at.elapsed().as_secs_f64());
            for number in numbers {
                self.window.answered(number);
            }
        }
        self.acknowledge()
    }

    fn acknowledge(&mut self) -> Result<(), String> {
        let mut left = 0.0;
        while self.acks_queued < ACKS_QUEUED_MAX
            && let Some(ack) = self.window.next()
        {
            self.client.ack(ack).map_err(stuck)?;
            self.acks_queued += 1;
            left += 1.0;
        }
        self.of.meters.unacknowledged.decrement(left);
        Ok(())
    }

    /// rumqttc has sent an acknowledgement.
    pub(super) fn acknowledged(&mut self) -> Result<(), String> {
        // the answer to a PUBREL of QoS 2 is rumqttc's own and counts as nothing
        self.acks_queued = self.acks_queued.saturating_sub(1);
        self.acknowledge()
    }

    /// Takes nothing more.
    pub(super) fn leave(&mut self) {
        self.leaving = true;
    }

    /// Our goodbye was sent.
    pub(super) fn gone(&mut self) {
        self.gone = true;
    }

    /// While leaving: says goodbye once everything taken in is answered. True when it is over.
    pub(super) fn step_out(&mut self) -> bool {
        if !self.leaving {
            return false;
        }
        let idle = self.batches_out == 0 && self.acks_queued == 0 && !self.may_hand_on();
        if idle && !self.goodbye {
            self.goodbye = true;
            self.gone |= self.client.leave().is_err();
        }
        self.gone
    }

    /// Says what the broker will send again.
    pub(super) fn tell_what_is_left(&self) {
        let unanswered = self.window.len();
        if unanswered > 0 {
            tracing::info!(
                source = self.of.settings.name,
                connection = self.of.number,
                unanswered,
                "stopped before everything was committed: the broker sends it again"
            );
        }
    }
}

impl Drop for Life<'_> {
    fn drop(&mut self) {
        let waiting = |way: &Way| way.held.messages.len() - way.held.optional;
        let held = waiting(&self.urgent) + waiting(&self.normal);
        self.of.meters.unacknowledged.decrement((self.window.len() - held) as f64);
    }
}

fn batch(of: &Connection, messages: Vec<Message>, numbers: Vec<u64>, answers: Arc<Answers>) -> Inbound {
    let (handed_at, count) = (Instant::now(), messages.len());
    let then = move |reasons: Option<&[broker::Reason]>| {
        let answered = reasons.is_some_and(|reasons| reasons.len() >= count);
        answers.push(Answer { numbers, handed_at, answered });
    };
    Inbound {
        identity: Arc::clone(&of.identity),
        client_id: Arc::clone(&of.client_id),
        messages,
        ack: AckHandle::calling(Box::new(then), count),
        marks: Vec::new(),
    }
}

fn stuck(_: Stuck) -> String {
    "the connection takes no acknowledgements: the broker does not read".to_owned()
}
