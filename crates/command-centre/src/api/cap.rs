//! Alerts as CAP 1.2 messages: one, and the open ones as an Atom feed.

use std::io;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use model::{Alert, AlertId, Cursor, RegionCode, Roster};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use serde::Deserialize;

use super::alerts::{alert_id, no_alert};
use crate::access::Caller;
use crate::extract::{InPath, Params, page_limit, region_limit};
use crate::outward::cap::{self, Message, Voice, element, text};
use crate::problem::{Kind, Problem};
use crate::shared::Shared;

const ATOM: &str = "http://www.w3.org/2005/Atom";
const ATOM_MEDIA_TYPE: &str = "application/atom+xml";
/// Namespace of the cursor that the list is exact at.
const FEED: &str = "urn:fenghuo:feed";

/// `GET /api/v1/alerts/{id}/cap`
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let id = alert_id(&id)?;
    let found = shared
        .read(move |ledger| match ledger.alert(id)? {
            Some(alert) => {
                let mut heads = cap::heads(ledger, std::slice::from_ref(&Arc::new(alert)))?;
                Ok(heads.pop())
            }
            None => Ok(None),
        })
        .await?;
    let message = found.filter(|message| caller.sees(message.summary.grid)).ok_or_else(|| no_alert(id))?;
    let voice = Voice::new(&shared.parts.settings);
    let body = cap::document(&message, &shared.parts.view.roster(), &voice);
    Ok(([(header::CONTENT_TYPE, cap::MEDIA_TYPE)], body).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    region: Option<RegionCode>,
    limit: Option<usize>,
    /// An alert's id: older ones follow.
    before: Option<String>,
}

/// `GET /api/v1/cap`: the newest message of each open alert, newest raised first.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let settings = &shared.parts.settings;
    let limit = page_limit(asked.limit, settings.page_default, settings.page_max)?;
    let region = region_limit(&caller, asked.region)?;
    let before = asked.before.as_deref().map(AlertId::from_str).transpose();
    let before = before.map_err(|error| Problem::new(Kind::BadRequest, format!("before: {error}")))?;
    let (cursor, roster, open) = shared.parts.view.open_alerts(region);
    let mut alerts: Vec<Arc<Alert>> =
        open.into_iter().filter(|alert| before.is_none_or(|before| alert.id < before)).collect();
    let has_more = alerts.len() > limit;
    alerts.truncate(limit);
    let next = alerts.last().filter(|_| has_more).map(|last| {
        let region = asked.region.map_or_else(String::new, |region| format!("region={region}&"));
        format!("/api/v1/cap?{region}limit={limit}&before={}", last.id)
    });
    let messages = shared.read(move |ledger| cap::heads(ledger, &alerts)).await?;
    let page = Page { messages, next, cursor, at_ms: shared.parts.view.at_ms() };
    let body = page.document(&roster, &Voice::new(settings)).expect("a growing buffer takes everything");
    Ok(([(header::CONTENT_TYPE, ATOM_MEDIA_TYPE)], body).into_response())
}

struct Page {
    messages: Vec<Message>,
    /// Where the page after this one is.
    next: Option<String>,
    cursor: Cursor,
    at_ms: u64,
}

type Xml = Writer<Vec<u8>>;

impl Page {
    fn document(&self, roster: &Roster, voice: &Voice) -> io::Result<Vec<u8>> {
        let mut xml = Writer::new(Vec::with_capacity(8192 * (self.messages.len() + 1)));
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        element(&mut xml, "feed", Some(ATOM), |xml| {
            text(xml, "id", "urn:fenghuo:cap")?;
            text(xml, "title", "未结告警 Open alerts")?;
            text(xml, "updated", &cap::time::utc(self.at_ms))?;
            element(xml, "author", None, |xml| text(xml, "name", voice.name()))?;
            link(xml, "self", "/api/v1/cap", ATOM_MEDIA_TYPE)?;
            if let Some(next) = &self.next {
                link(xml, "next", next, ATOM_MEDIA_TYPE)?;
            }
            let cursor = self.cursor.to_string();
            xml.create_element("cursor").with_attribute(("xmlns", FEED)).write_text_content(BytesText::new(&cursor))?;
            self.messages.iter().try_for_each(|message| entry(xml, message, roster, voice))
        })?;
        Ok(xml.into_inner())
    }
}

fn entry(xml: &mut Xml, message: &Message, roster: &Roster, voice: &Voice) -> io::Result<()> {
    let alert = message.summary.id;
    element(xml, "entry", None, |xml| {
        text(xml, "id", &format!("urn:fenghuo:cap:{}", message.identifier()))?;
        text(xml, "title", &message.title(roster))?;
        text(xml, "updated", &cap::time::utc(message.sent_ms))?;
        link(xml, "alternate", &format!("/api/v1/alerts/{alert}/cap"), cap::MEDIA_TYPE)?;
        let content = xml.create_element("content").with_attribute(("type", cap::MEDIA_TYPE));
        content.write_inner_content(|xml| cap::write_alert(xml, message, roster, voice))?;
        Ok(())
    })
}

fn link(xml: &mut Xml, relation: &str, href: &str, media_type: &str) -> io::Result<()> {
    let element = xml.create_element("link");
    element.with_attributes([("rel", relation), ("href", href), ("type", media_type)]).write_empty()?;
    Ok(())
}
