//! Orders that ask people: whom, in which words, through which channels.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::alert::Refused;
use model::finding::Words;
use model::order::{Asked, OrderSummary, Way};
use model::roster::{Person, Post};
use model::{
    About, Alert, Colour, Delivery, DeliveryId, DeliveryState, Order, OrderBody, OrderId, PersonId, RegionCode, Roster,
};

use super::{Open, OrderLimits, Orders, check_region, check_text, check_within, keep_asked, record, refuse, summary};
use crate::turn::Draft;

/// Longest life of an instruction, seconds: 7 days.
const EXPIRES_S_MAX: u32 = 7 * 86_400;
/// Longest window of a roll-call or channel test, seconds.
const WINDOW_S_MAX: u32 = 3_600;

/// What an asking order is about.
struct Asking<'a> {
    region: RegionCode,
    posts: &'a [Post],
    colour: Colour,
    ends_s: u32,
    remind_s: u32,
    exercise: bool,
}

impl Orders {
    /// Asks everybody; each is owed it at once, in each of their channels.
    pub(super) fn ask(
        &mut self,
        id: OrderId,
        order: &Order,
        about: Option<&Alert>,
        limits: &OrderLimits,
        draft: &mut Draft<'_>,
    ) -> Result<Open, Refused> {
        let asking = read(&order.body, about)?;
        check_region(asking.region, draft)?;
        let posts = if asking.posts.is_empty() { &Post::CHAIN[..] } else { asking.posts };
        let on_duty = matches!(order.body, OrderBody::RollCall { .. });
        let people = if on_duty { who_is_on_duty } else { who }(draft.roster, asking.region, posts, draft.now_ms);
        if people.is_empty() {
            let what = if on_duty { "is on duty" } else { "on the roster has these posts" };
            return refuse(format!("nobody {what} in region {}", asking.region));
        }
        if people.len() > limits.people_max as usize {
            let most = limits.people_max;
            let count = people.len();
            return refuse(format!("{count} people are more than {most}: name posts or a smaller region"));
        }
        if self.asked + people.len() > limits.asked_max as usize {
            return refuse("the open orders ask as many people as the policy allows: end one first");
        }
        let mut record = record(id, order, asking.region, asking.colour, asking.exercise, draft);
        let after = |seconds: u32| draft.now_ms + u64::from(seconds) * 1000;
        record.ends_ms = Some(after(asking.ends_s));
        record.remind_ms = (asking.remind_s > 0).then(|| after(asking.remind_s));
        let head = summary(&record, order.body.word(), words_of(&order.body));
        let roster = draft.roster;
        let mut asked = BTreeMap::new();
        for (person, (region, post)) in people {
            let Some(row) = roster.person(person) else { continue };
            let entry = Asked {
                order: id,
                person,
                code: row.code.clone(),
                name: row.name.clone(),
                post,
                region,
                ways: owe(&head, "0", person, row, draft),
                answers: Vec::new(),
            };
            record.counts.count(&entry);
            keep_asked(&entry, draft);
            asked.insert(person, entry);
        }
        record.told = record.counts;
        Ok(Open { record, asked })
    }
}

fn read<'a>(body: &'a OrderBody, about: Option<&Alert>) -> Result<Asking<'a>, Refused> {
    match body {
        OrderBody::Instruct { region, posts, text, alert, colour, expires_s, remind_after_s, exercise } => {
            check_text("text", text)?;
            check_within("expires_s", *expires_s, 10, EXPIRES_S_MAX)?;
            check_within("remind_after_s", *remind_after_s, 0, *expires_s)?;
            if let Some(alert) = alert.filter(|_| about.is_none()) {
                return refuse(format!("there is no open alert {alert}: leave it out, or name one that is open"));
            }
            let drilled = about.is_some_and(|alert| alert.exercise);
            let exercise = *exercise || drilled;
            let (ends_s, remind_s) = (*expires_s, *remind_after_s);
            let colour = if *colour == Colour::Blind { Colour::Yellow } else { *colour };
            Ok(Asking { region: *region, posts, colour, ends_s, remind_s, exercise })
        }
        OrderBody::RollCall { region, posts, window_s, exercise } => {
            check_within("window_s", *window_s, 10, WINDOW_S_MAX)?;
            // not held by quiet hours: who is asked must be able to answer
            let (colour, exercise) = (Colour::Orange, *exercise);
            Ok(Asking { region: *region, posts, colour, ends_s: *window_s, remind_s: 0, exercise })
        }
        OrderBody::ChannelTest { region, posts, window_s } => {
            check_within("window_s", *window_s, 10, WINDOW_S_MAX)?;
            let colour = Colour::Orange;
            Ok(Asking { region: *region, posts, colour, ends_s: *window_s, remind_s: 0, exercise: true })
        }
        other => refuse(format!("{} asks nobody", other.word())),
    }
}

/// People by number, with what they are asked as: where, and in which post.
type People = BTreeMap<PersonId, (RegionCode, Post)>;

/// Everybody with one of the posts in a region and below it; of who is absent, who stands in.
fn who(roster: &Roster, region: RegionCode, posts: &[Post], now_ms: u64) -> People {
    let mut people = People::new();
    for (at, slot) in roster.people().iter().enumerate() {
        let row = &slot.row;
        if !slot.current || !posts.contains(&row.post) || !region.contains(row.region) {
            continue;
        }
        let Ok(at) = u32::try_from(at) else { break };
        if let Some(there) = roster.stands_for(PersonId(at), now_ms) {
            let own = there == PersonId(at);
            if own || !people.contains_key(&there) {
                people.insert(there, (row.region, row.post));
            }
        }
    }
    people
}

/// Everybody who is on duty in one of the posts in a region and below it.
fn who_is_on_duty(roster: &Roster, region: RegionCode, posts: &[Post], now_ms: u64) -> People {
    let mut people = People::new();
    let duties = roster.duties().filter(|duty| posts.contains(&duty.post) && region.contains(duty.region));
    for duty in duties {
        for there in roster.on_duty(duty, now_ms) {
            people.entry(there.person).or_insert((duty.region, duty.post));
        }
    }
    people
}

/// Owes a person something of an order, once in each of their channels. `tag` sets apart what they are told of one order.
pub(super) fn owe(head: &OrderSummary, tag: &str, person: PersonId, row: &Person, draft: &mut Draft<'_>) -> Vec<Way> {
    let mut ways: Vec<Way> = Vec::with_capacity(row.channels.len());
    for channel in &row.channels {
        if ways.iter().any(|way| way.channel == *channel) {
            continue;
        }
        owe_in(head, tag, (person, &row.code, &row.name), channel, draft);
        ways.push(Way { channel: channel.clone(), end: None });
    }
    ways
}

/// Owes it in one channel.
pub(super) fn owe_in(
    head: &OrderSummary,
    tag: &str,
    (person, code, name): (PersonId, &str, &str),
    channel: &str,
    draft: &mut Draft<'_>,
) {
    let id = format!("{}.{tag}.{}.{channel}", head.id, person.0);
    draft.owe(Delivery {
        id: DeliveryId::from(id.as_str()),
        matter: head.id.into(),
        about: About::Order(head.clone()),
        whom: head.kind.clone(),
        person,
        person_code: code.into(),
        person_name: name.into(),
        channel: channel.into(),
        owed_ms: draft.now_ms,
        state: DeliveryState::Owed,
        attempts: Vec::new(),
        attempt_count: 0,
        read_ms: None,
        turn: None,
    });
}

/// What is ordered, in words.
pub(super) fn words_of(body: &OrderBody) -> Words {
    let (zh, en): (Cow<'static, str>, Cow<'static, str>) = match body {
        OrderBody::Instruct { text, .. } => (text.to_string().into(), "".into()),
        OrderBody::RollCall { window_s, .. } => (
            format!("请在{window_s}秒内应答到岗").into(),
            format!("answer within {window_s} s that you are there").into(),
        ),
        OrderBody::ChannelTest { .. } => ("通道测试，无需处理".into(), "channel test, nothing to do".into()),
        OrderBody::Drill { note, .. } => (note.to_string().into(), "".into()),
        OrderBody::HandOff { note, .. } => (note.as_deref().unwrap_or_default().to_owned().into(), "".into()),
        OrderBody::Answer { .. }
        | OrderBody::End { .. }
        | OrderBody::Progress { .. }
        | OrderBody::Silence(_)
        | OrderBody::EndSilence(_) => ("".into(), "".into()),
    };
    Words { zh, en }
}
