//! The feed in stretches, each event as the message that somebody else is sent: for whoever carries it there.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use model::{AlertId, Cursor, Epoch, FeedKind, Ledger, StoreError, UnitId};
use serde::{Deserialize, Serialize};

use super::{Filter, Format, cap, cloudevents, colour};
use crate::settings::Settings;
use crate::view::{Told, View};

/// In which words messages are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wording {
    /// `FeedEvent` of the API's contract, one an event.
    #[default]
    Native,
    /// CloudEvents 1.0, one an event.
    Cloudevents,
    /// CAP 1.2, one a commit that changed an alert's colour or state.
    Cap,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Everything of the feed up to here is told once this is taken.
    pub cursor: Cursor,
    /// What it is about; what is about one unit is to be told in order.
    pub unit: Option<UnitId>,
    /// Names the message, the same for ever.
    pub id: String,
    pub content_type: &'static str,
    pub body: Bytes,
}

/// A stretch of the feed.
#[derive(Debug, Clone, Default)]
pub struct Stretch {
    /// In order.
    pub messages: Vec<Outgoing>,
    /// Where to read on once all of them are taken.
    pub read_to: Cursor,
}

/// Reads the feed for one receiver.
pub struct Pages {
    view: Arc<View>,
    ledger: Arc<dyn Ledger>,
    filter: Filter,
    wording: Wording,
    source: Box<str>,
    voice: cap::Voice,
}

/// Told instead of events that are no longer kept.
#[derive(Serialize)]
struct Gap {
    cursor: Cursor,
    r#type: &'static str,
    at_ms: u64,
    /// Cursor of the last event that was told.
    after: Cursor,
    /// Cursor of the oldest event that is kept.
    oldest: Cursor,
}

const GAP: &str = "feed.gap";

impl Pages {
    pub fn new(
        view: Arc<View>,
        ledger: Arc<dyn Ledger>,
        filter: Filter,
        wording: Wording,
        settings: &Settings,
    ) -> Pages {
        let (source, voice) = (settings.feed_source.as_str().into(), cap::Voice::new(settings));
        Pages { view, ledger, filter, wording, source, voice }
    }

    /// What follows `after`, of some `limit` events; may block for milliseconds. Where events were lost, to retention or
    /// because the feed was set back to a backup, the first message says so.
    ///
    /// # Errors
    /// [`StoreError`] when the ledger cannot be read.
    pub fn read(&self, after: Cursor, limit: usize) -> Result<Stretch, StoreError> {
        let newest = self.view.cursor();
        if after > newest {
            return Ok(Stretch { messages: vec![self.gap(after, newest + 1, self.view.at_ms())], read_to: newest });
        }
        let mut told = self.view.told_after(&*self.ledger, after, limit)?;
        let mut stretch = Stretch { messages: Vec::new(), read_to: after };
        if let Some(first) = told.first().filter(|first| first.event.cursor > after + 1) {
            stretch.messages.push(self.gap(after, first.event.cursor, first.event.at_ms));
        }
        match self.wording {
            Wording::Native => stretch.messages.extend(self.events(&told, Format::Native)),
            Wording::Cloudevents => stretch.messages.extend(self.events(&told, Format::Cloudevents)),
            Wording::Cap => {
                self.complete(&mut told, limit)?;
                stretch.messages.extend(self.alerts(&told)?);
            }
        }
        stretch.read_to = told.last().map_or(after, |last| last.event.cursor);
        Ok(stretch)
    }

    fn events(&self, told: &[Arc<Told>], format: Format) -> Vec<Outgoing> {
        let roster = self.view.roster();
        let content_type = match format {
            Format::Native => "application/json",
            Format::Cloudevents => cloudevents::MEDIA_TYPE,
        };
        let taken = told.iter().filter(|told| self.filter.takes(&told.event));
        let message = |told: &Arc<Told>| Outgoing {
            cursor: told.event.cursor,
            unit: told.event.alert.as_deref().map(|alert| alert.unit).or(told.event.unit.map(|change| change.unit)),
            id: cloudevents::id_of(&told.event),
            content_type,
            body: format.json(told, &roster, &self.source),
        };
        taken.map(message).collect()
    }

    /// Reads on to the end of the last event's commit.
    fn complete(&self, told: &mut Vec<Arc<Told>>, limit: usize) -> Result<(), StoreError> {
        while let Some(last) = told.last().map(|last| Arc::clone(&last.event)) {
            let more = self.view.told_after(&*self.ledger, last.cursor, limit)?;
            let count = more.len();
            let same = more.into_iter().take_while(|told| told.event.epoch == last.epoch);
            let before = told.len();
            told.extend(same);
            if count == 0 || told.len() - before < count {
                break;
            }
        }
        Ok(())
    }

    /// One message for each alert in each commit, as it stood after it.
    fn alerts(&self, told: &[Arc<Told>]) -> Result<Vec<Outgoing>, StoreError> {
        let mut last: BTreeMap<(Epoch, AlertId), (usize, Vec<FeedKind>)> = BTreeMap::new();
        for (at, told) in told.iter().enumerate() {
            if let Some(alert) = &told.event.alert {
                let (newest, kinds) = last.entry((told.event.epoch, alert.id)).or_default();
                *newest = at;
                kinds.push(told.event.kind);
            }
        }
        let roster = self.view.roster();
        let mut by_place: Vec<_> = last.into_iter().map(|((_, alert), (at, kinds))| (at, alert, kinds)).collect();
        by_place.sort_unstable_by_key(|(at, _, _)| *at);
        let mut messages = Vec::new();
        for (at, id, kinds) in by_place {
            let event = &told[at].event;
            if !cap::may_tell(&kinds) {
                continue;
            }
            let in_region = self.filter.region.is_none_or(|region| region.contains(event.grid));
            if !in_region || self.filter.min.is_some_and(|min| colour(event).is_none_or(|colour| colour < min)) {
                continue;
            }
            let alert = self.ledger.alert(id)?;
            let Some(summary) = event.alert.as_deref().filter(|_| cap::is_told(alert.as_ref(), event.epoch, &kinds))
            else {
                continue;
            };
            let message = cap::Message::new(alert.as_ref(), event.epoch, event.at_ms, summary.clone());
            messages.push(Outgoing {
                cursor: event.cursor,
                unit: Some(id.unit),
                id: cloudevents::id_of(event),
                content_type: cap::MEDIA_TYPE,
                body: cap::document(&message, &roster, &self.voice),
            });
        }
        Ok(messages)
    }

    fn gap(&self, after: Cursor, oldest: Cursor, at_ms: u64) -> Outgoing {
        let cursor = oldest - 1;
        let id = format!("gap-{oldest}-{at_ms}");
        let gap = Gap { cursor, r#type: GAP, at_ms, after, oldest };
        let json = serde_json::to_vec(&gap).expect("a shape has string keys only");
        let (content_type, body) = match self.wording {
            Wording::Native => ("application/json", json.into()),
            Wording::Cloudevents => {
                let body = cloudevents::about_feed(GAP, &id, cursor, at_ms, &json, &self.source);
                (cloudevents::MEDIA_TYPE, body)
            }
            Wording::Cap => (cap::MEDIA_TYPE, cap::about_feed(&id, at_ms, oldest, &self.voice)),
        };
        Outgoing { cursor, unit: None, id, content_type, body }
    }
}
