//! The page that a link in a message leads to: the alert and one button. Plain HTML for any telephone: no script, nothing
//! from elsewhere.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{About, Action, Level};

use super::{Heard, Told, find, say};
use crate::extract::{InPath, Peer};
use crate::problem::Problem;
use crate::shapes::region_name;
use crate::shared::Shared;

const STYLE: &str = "body{font:20px/1.5 sans-serif;margin:1.5em auto;max-width:30em;padding:0 1em}\
    h1{font-size:1.3em;color:#b00}button{font:inherit;width:100%;padding:1em;margin-top:1em}";
/// Nothing but the style above, by its hash, and a form to this station.
const POLICY: &str = "default-src 'none'; style-src 'sha256-X/qpQTXo59hMTsG2vA5cAo367RnDvPCsEcs94Gur7LY='; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// `GET /r/{token}`: shows, and changes nothing.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    InPath(token): InPath<String>,
) -> Response {
    match find(&shared, peer, &token).await {
        Ok(told) if told.is_over() => said(Heard::Over),
        Ok(told) => html(StatusCode::OK, &shown(&shared, &told)),
        Err(problem) => sorry(problem),
    }
}

/// `POST /r/{token}`: the person has it before them.
pub(crate) async fn press(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    InPath(token): InPath<String>,
) -> Response {
    let pressed = async { say(&shared, &find(&shared, peer, &token).await?, Action::Acknowledge).await };
    match pressed.await {
        Ok(heard) => said(heard),
        Err(problem) => sorry(problem),
    }
}

/// The alert or order, and the button.
fn shown(shared: &Shared, told: &Told) -> String {
    let roster = shared.parts.view.roster();
    let about = &told.delivery.about;
    let words = match about {
        About::Alert(alert) => &alert.words,
        About::Order(order) => &order.words,
    };
    let place: Vec<&str> = [Level::Township, Level::Village, Level::Grid]
        .into_iter()
        .filter_map(|level| about.region().at(level))
        .map(|region| region_name(&roster, region))
        .collect();
    let unit = about.unit().and_then(|unit| roster.unit(unit));
    let (zh, en) = match about.family() {
        Some(model::Family::Fire) => ("火警", "Fire alarm"),
        Some(model::Family::Warning) => ("预警", "Warning"),
        Some(model::Family::Fault) => ("故障", "Fault"),
        None => ("指令", "Order"),
    };
    let exercise = if about.exercise() { "【演练 EXERCISE】" } else { "" };
    let lines = [
        place.concat(),
        unit.map_or(String::new(), |unit| format!("{} {}", unit.name, unit.address)),
        words.zh.to_string(),
        words.en.to_string(),
    ];
    let mut body = format!("<h1>{exercise}{zh} {en}</h1>");
    for line in lines.iter().filter(|line| !line.trim().is_empty()) {
        body.push_str(&format!("<p>{}</p>", escaped(line)));
    }
    body.push_str("<form method=\"post\"><button>收到 Received</button></form>");
    body
}

fn said(heard: Heard) -> Response {
    let (zh, en) = heard.words();
    html(StatusCode::OK, &format!("<p>{zh}</p><p>{en}</p>"))
}

/// As the problem has it, for people.
fn sorry(problem: Problem) -> Response {
    let mut answer = problem.into_response();
    let (zh, en) = match answer.status() {
        StatusCode::NOT_FOUND => ("链接无效", "This link is not known."),
        StatusCode::TOO_MANY_REQUESTS => ("请求过多，请稍后再试", "Too many requests: try again later."),
        _ => ("未能记录，请直接联系值班室", "It could not be recorded: call the duty room."),
    };
    let mut page = html(answer.status(), &format!("<p>{zh}</p><p>{en}</p>"));
    if let Some(pause) = answer.headers_mut().remove(header::RETRY_AFTER) {
        page.headers_mut().insert(header::RETRY_AFTER, pause);
    }
    page
}

fn html(status: StatusCode, body: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"zh\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"robots\" content=\"noindex\"><title>烽火 Fenghuo</title><style>{STYLE}</style>{body}</html>"
    );
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    (status, headers, page).into_response()
}

/// Text that HTML takes for nothing else.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_policy_lets_this_style_through_and_no_other() {
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        assert!(POLICY.contains(&format!("'sha256-{hash}'")), "the hash of the style is {hash}");
    }

    #[test]
    fn names_cannot_become_elements() {
        assert_eq!(escaped("<b onload='x'>&\"火"), "&lt;b onload=&#39;x&#39;&gt;&amp;&quot;火");
    }
}
