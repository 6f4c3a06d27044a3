//! Orders as the API writes them.

use model::order::{Answer, Asked, OrderCounts, OrderItem, OrderNews, OrderRecord, Stage};
use model::roster::Post;
use model::{AlertId, Colour, OrderBody, OrderId, RegionCode, Roster};
use serde::Serialize;

use crate::shapes::{person_name, region_name};

/// `Order`: the head of an order.
#[derive(Serialize)]
pub(crate) struct OrderShape<'a> {
    id: OrderId,
    kind: &'static str,
    state: &'static str,
    by: &'a str,
    by_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entered_by: Option<&'a str>,
    at_ms: u64,
    region: RegionCode,
    region_name: &'a str,
    colour: Colour,
    exercise: bool,
    text: &'a str,
    posts: &'a [Post],
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<AlertId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
    alerts: &'a [AlertId],
    ends_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<EndShape<'a>>,
    /// Left out where the caller sees a part of the region only.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<CountsShape>,
    history: Vec<ItemShape<'a>>,
}

#[derive(Serialize)]
struct EndShape<'a> {
    at_ms: u64,
    by: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
struct ItemShape<'a> {
    at_ms: u64,
    what: &'a str,
    by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

impl<'a> ItemShape<'a> {
    fn new(item: &'a OrderItem) -> ItemShape<'a> {
        ItemShape { at_ms: item.at_ms, what: &item.what, by: &item.by, note: item.note.as_deref() }
    }
}

impl<'a> OrderShape<'a> {
    /// `whole`: whether the caller sees all of the order's region.
    pub(crate) fn new(record: &'a OrderRecord, roster: &'a Roster, whole: bool) -> OrderShape<'a> {
        let (mut text, mut posts, mut alert, mut to) = ("", &[][..], None, None);
        match &record.order.body {
            OrderBody::Instruct { text: said, posts: asked, alert: about, .. } => {
                (text, posts, alert) = (&**said, asked.as_slice(), *about);
            }
            OrderBody::RollCall { posts: asked, .. } | OrderBody::ChannelTest { posts: asked, .. } => posts = asked,
            OrderBody::Drill { note, .. } => text = note,
            OrderBody::HandOff { alert: about, to: whom, note, .. } => {
                (text, alert, to) = (note.as_deref().unwrap_or(""), Some(*about), Some(&**whom));
            }
            OrderBody::Answer { .. }
            | OrderBody::End { .. }
            | OrderBody::Progress { .. }
            | OrderBody::Silence(_)
            | OrderBody::EndSilence(_) => {}
        }
        OrderShape {
            id: record.id,
            kind: record.order.body.word(),
            state: if record.is_open() { "open" } else { "ended" },
            by: &record.order.person,
            by_name: person_name(roster, &record.order.person),
            entered_by: record.order.entered_by.as_deref(),
            at_ms: record.at_ms,
            region: record.region,
            region_name: region_name(roster, record.region),
            colour: record.colour,
            exercise: record.exercise,
            text,
            posts,
            alert,
            to,
            stage: record.stage,
            alerts: &record.alerts,
            ends_ms: record.ends_ms,
            ended: record.ended.as_ref().map(|end| EndShape { at_ms: end.at_ms, by: &end.by, why: &end.why }),
            counts: whole.then(|| CountsShape::new(&record.counts)),
            history: record.history.iter().map(ItemShape::new).collect(),
        }
    }
}

/// `OrderCounts`.
#[derive(Serialize)]
pub(crate) struct CountsShape {
    asked: u32,
    sent: u32,
    delivered: u32,
    read: u32,
    arrived: u32,
    done: u32,
    cannot: u32,
    silent: u32,
}

impl CountsShape {
    pub(crate) fn new(counts: &OrderCounts) -> CountsShape {
        let OrderCounts { asked, sent, delivered, read, arrived, done, cannot } = *counts;
        CountsShape { asked, sent, delivered, read, arrived, done, cannot, silent: counts.silent() }
    }
}

/// `OrderPlace`: the people of a region below that of the order.
#[derive(Serialize)]
pub(super) struct PlaceShape<'a> {
    pub region: RegionCode,
    pub name: &'a str,
    pub counts: CountsShape,
    /// Share of those asked who answered, 0 to 1.
    pub share: f32,
    /// Median of the time to the first answer, s; `None` without any.
    pub median_s: Option<f32>,
}

/// `AskedPerson`.
#[derive(Serialize)]
pub(super) struct AskedShape<'a> {
    code: &'a str,
    name: &'a str,
    phone: &'a str,
    post: Post,
    region: RegionCode,
    channels: Vec<WayShape<'a>>,
    answers: Vec<AnswerShape<'a>>,
}

#[derive(Serialize)]
struct WayShape<'a> {
    channel: &'a str,
    /// delivered, failed, or waiting.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct AnswerShape<'a> {
    answer: Answer,
    at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    entered_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

impl<'a> AskedShape<'a> {
    pub(super) fn new(asked: &'a Asked, roster: &'a Roster) -> AskedShape<'a> {
        let ways = asked.ways.iter().map(|way| WayShape {
            channel: &way.channel,
            state: way.end.as_ref().map_or("waiting", |end| if end.delivered { "delivered" } else { "failed" }),
            at_ms: way.end.as_ref().map(|end| end.at_ms),
            reason: way.end.as_ref().filter(|end| !end.delivered).map(|end| &*end.reason),
        });
        let answers = asked.answers.iter().map(|answer| AnswerShape {
            answer: answer.what,
            at_ms: answer.at_ms,
            entered_by: answer.entered_by.as_deref(),
            note: answer.note.as_deref(),
        });
        AskedShape {
            code: &asked.code,
            name: &asked.name,
            phone: roster.person(asked.person).map_or("", |person| &person.phone),
            post: asked.post,
            region: asked.region,
            channels: ways.collect(),
            answers: answers.collect(),
        }
    }
}

/// `OrderNews`: an order as the feed tells it.
#[derive(Serialize)]
pub(crate) struct NewsShape<'a> {
    id: OrderId,
    kind: &'a str,
    state: &'static str,
    by: &'a str,
    at_ms: u64,
    region: RegionCode,
    colour: Colour,
    exercise: bool,
    text_zh: &'a str,
    text_en: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<AlertId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
    counts: CountsShape,
}

impl<'a> NewsShape<'a> {
    pub(crate) fn new(news: &'a OrderNews) -> NewsShape<'a> {
        let head = &news.head;
        NewsShape {
            id: head.id,
            kind: &head.kind,
            state: if news.is_open { "open" } else { "ended" },
            by: &head.by,
            at_ms: head.at_ms,
            region: head.region,
            colour: head.colour,
            exercise: head.exercise,
            text_zh: &head.words.zh,
            text_en: &head.words.en,
            alert: head.alert,
            stage: news.stage,
            counts: CountsShape::new(&news.counts),
        }
    }
}
