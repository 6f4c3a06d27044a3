//! What the robots of group chats have in common: their messages and digests in Markdown, and answers that say with a number in
//! JSON how it went.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Uri};
use model::Colour;
use serde::Deserialize;
use std::time::Duration;

use super::http::{Http, excerpt};
use super::{Outcome, Try};

/// Numbers of persons who are named in one message at most.
const MENTIONS_MAX: usize = 40;
/// Persons who get a link of their own in one message at most.
const LINKS_MAX: usize = 5;

/// Default of `per_minute` of every robot, messages.
pub(super) fn per_minute() -> u32 {
    20
}

/// Default of what is on unless it is turned off.
pub(super) fn yes() -> bool {
    true
}

/// A message to a group.
pub(super) struct Post {
    /// One line for the list of chats.
    pub(super) title: String,
    pub(super) markdown: String,
    /// Telephone numbers of those whom it concerns.
    pub(super) phones: Vec<String>,
    /// Name and link of each who may say that they have it, where it is about one alert alone and they are few. Not in the
    /// Markdown, but there is room for them.
    pub(super) links: Vec<(String, String)>,
}

impl Post {
    /// With the links, as the chats' Markdown writes them.
    pub(super) fn markdown_with_links(&self) -> String {
        let links = self.links.iter().map(|(name, link)| format!("\n[收到·{}]({link})", plain(name)));
        links.fold(self.markdown.clone(), |text, link| text + &link)
    }
}

/// Puts deliveries in one message of at most `bytes_max` bytes. Those of one alert are one item.
pub(super) fn post(attempts: &[Try<'_>], bytes_max: usize, mention: bool) -> Post {
    let mut items: Vec<(&Try<'_>, Vec<&str>)> = Vec::new();
    let mut phones: Vec<String> = Vec::new();
    for attempt in attempts {
        match items.iter_mut().find(|(first, _)| first.delivery.matter == attempt.delivery.matter) {
            Some((_, also)) => also.push(&attempt.delivery.person_name),
            None => items.push((attempt, Vec::new())),
        }
        let phone = super::phone(attempt).ok().filter(|_| mention && phones.len() < MENTIONS_MAX);
        phones.extend(phone.filter(|phone| !phones.contains(phone)));
    }
    let reds = items.iter().filter(|(first, _)| first.delivery.about.colour() == Colour::Red).count();
    let head = match items.as_slice() {
        [(only, _)] => only.message.text_zh().split_inclusive('】').next().unwrap_or_default().to_owned(),
        _ if reds > 0 => format!("【{}条告警汇总，红色{reds}条】", items.len()),
        _ => format!("【{}条告警汇总】", items.len()),
    };
    let mut links = Vec::new();
    if items.len() == 1 && attempts.len() <= LINKS_MAX {
        let of =
            |attempt: &Try<'_>| Some((attempt.delivery.person_name.to_string(), attempt.message.link()?.to_owned()));
        links.extend(attempts.iter().filter_map(of));
    }
    let near: Vec<String> = match items.as_slice() {
        [_] => attempts.iter().map(|attempt| attempt.message.near().shown()).max_by_key(Vec::len).unwrap_or_default(),
        _ => Vec::new(),
    };
    let near: String = near.iter().map(|line| format!("> {}\n", plain(line))).collect();
    let near = if near.len() > bytes_max / 4 { String::new() } else { near };
    let links_bytes: usize = links.iter().map(|(name, link)| name.len() + link.len() + 16).sum();
    let mentions: String = phones.iter().map(|phone| format!(" @{}", national(phone))).collect();
    let room =
        bytes_max.saturating_sub(head.len() + mentions.len() + links_bytes + near.len() + 16) / items.len().max(1);
    let mut markdown = format!("#### {head}\n");
    for (n, (first, also)) in items.iter().enumerate() {
        let text = first.message.text_zh();
        let text = if items.len() == 1 { text.strip_prefix(head.as_str()).unwrap_or(text) } else { text };
        let also = if also.is_empty() { String::new() } else { format!("（同告：{}）", also.join("、")) };
        let mark = if items.len() == 1 { "> ".to_owned() } else { format!("{}. ", n + 1) };
        let line = format!("{mark}{}{}", plain(text), plain(&also));
        markdown.push_str(cut(&line, room.saturating_sub(1)));
        markdown.push('\n');
    }
    markdown.push_str(&near);
    markdown.push_str(mentions.trim_start());
    let phones = phones.iter().map(|phone| national(phone)).collect();
    Post { title: head, markdown: markdown.trim_end().to_owned(), phones, links }
}

/// As the chats know a number: without the prefix of the country.
fn national(phone: &str) -> String {
    phone.strip_prefix("+86").unwrap_or(phone).to_owned()
}

/// Text that Markdown does not take for anything else.
fn plain(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '*' | '_' | '`' | '<' | '>' | '#' | '@' | '\\') { ' ' } else { c }).collect()
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[derive(Deserialize)]
struct Said {
    errcode: i64,
    #[serde(default)]
    errmsg: String,
}

/// Posts a message and judges the answer. `busy_codes` are those that mean too many messages; the whole channel then rests for
/// `rest`.
pub(super) async fn send(
    http: &Http,
    url: Uri,
    body: &serde_json::Value,
    busy_codes: &[i64],
    rest: Duration,
    attempts: &[Try<'_>],
) -> Outcome {
    let now_ms = attempts.first().map_or(0, |attempt| attempt.now_ms);
    let request = Request::post(url)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))
        .body(Full::new(Bytes::from(body.to_string())));
    let request = match request {
        Ok(request) => request,
        Err(error) => return Outcome::Failed { reason: format!("the request cannot be made: {error}") },
    };
    let answer = match http.send(request, true).await {
        Ok(answer) => answer,
        Err(reason) => return Outcome::retry(reason),
    };
    if !answer.status.is_success() {
        return answer.refused(now_ms);
    }
    let Ok(said) = serde_json::from_slice::<Said>(&answer.body) else {
        return Outcome::retry(format!("{} (not the answer of a robot: correct the url)", answer.words()));
    };
    let words = format!("errcode {}: {}", said.errcode, excerpt(&said.errmsg));
    let too_many = ["too fast", "freq out of limit", "over limit"].iter().any(|words| said.errmsg.contains(words));
    match said.errcode {
        0 => Outcome::Delivered { reason: "the robot took it (errcode 0)".into() },
        code if too_many || busy_codes.contains(&code) => {
            Outcome::busy(format!("{words} (too many messages: the channel rests {} s)", rest.as_secs()), Some(rest))
        }
        _ => Outcome::retry(words),
    }
}
