//! The feed: a bootstrap exact at a cursor, the stream from a cursor on, the same over a socket, and the same events in pages.

mod follow;
mod socket;
mod stream;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use model::{Colour, Cursor, RegionCode};
use serde::{Deserialize, Serialize};

pub(crate) use socket::socket;
pub(crate) use stream::feed;

use super::regions::picture;
use crate::access::Caller;
use crate::extract::{Params, page_limit, region_limit};
use crate::outward::{Filter, Format, Kinds, cloudevents, min_colour};
use crate::problem::Problem;
use crate::shapes::{AlertShape, Heads, RegionShape};
use crate::shared::Shared;

/// Pages of events are so many times as long as others.
const LONG_PAGE: usize = 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedRegion {
    region: Option<RegionCode>,
}

#[derive(Serialize)]
struct Bootstrap<'a> {
    cursor: Cursor,
    at_ms: u64,
    alerts: Vec<AlertShape<'a>>,
    region: RegionShape<'a>,
    children: Vec<RegionShape<'a>>,
}

/// `GET /api/v1/bootstrap`
pub(crate) async fn bootstrap(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<AskedRegion>,
) -> Result<Response, Problem> {
    let picture = picture(&shared, &caller, asked.region, true)?;
    let heads = Heads::of(&picture.alerts);
    let answer = Bootstrap {
        cursor: picture.cursor,
        at_ms: picture.at_ms,
        alerts: heads.shapes(&picture.roster),
        region: RegionShape::new(&picture.region, &picture.roster),
        children: picture.children.iter().map(|child| RegionShape::new(child, &picture.roster)).collect(),
    };
    Ok(Json(answer).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedEvents {
    region: Option<RegionCode>,
    #[serde(default, deserialize_with = "min_colour")]
    min: Option<Colour>,
    #[serde(default)]
    kinds: Kinds,
    format: Option<Format>,
    after: Option<Cursor>,
    limit: Option<usize>,
}

/// `GET /api/v1/events`
pub(crate) async fn events(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Params(asked): Params<AskedEvents>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let settings = &shared.parts.settings;
    let limit = page_limit(asked.limit, settings.page_default, settings.page_max * LONG_PAGE)?;
    let filter = Filter { region: region_limit(&caller, asked.region)?, min: asked.min, kinds: asked.kinds };
    let format = format_of(asked.format, &headers);
    let from_oldest = || shared.parts.ledger.oldest_cursor().saturating_sub(1).min(shared.parts.view.cursor());
    let mut next = asked.after.unwrap_or_else(from_oldest);
    shared.check_cursor(next)?;
    let roster = shared.parts.view.roster();
    let mut body = vec![b'['];
    let mut taken = 0;
    let mut scanned = 0;
    while taken < limit && scanned < settings.scan_max * LONG_PAGE {
        let Some(events) = shared.events_after(next, limit.max(settings.feed_chunk_events)).await? else {
            // what was there a moment ago has been given up meanwhile
            shared.check_cursor(next)?;
            break;
        };
        if events.is_empty() {
            break;
        }
        for told in events {
            if taken == limit {
                break;
            }
            next = told.event.cursor;
            scanned += 1;
            if filter.takes(&told.event) {
                if taken > 0 {
                    body.push(b',');
                }
                body.extend_from_slice(&format.json(&told, &roster, &settings.feed_source));
                taken += 1;
            }
        }
    }
    body.push(b']');
    Ok(match format {
        Format::Native => {
            let page = [b"{\"events\":", &*body, format!(",\"next\":{next}}}").as_bytes()].concat();
            ([(header::CONTENT_TYPE, "application/json")], page).into_response()
        }
        Format::Cloudevents => {
            let others = uri.query().unwrap_or("").split('&').filter(|pair| !pair.starts_with("after="));
            let query: String = others.filter(|pair| !pair.is_empty()).map(|pair| format!("{pair}&")).collect();
            let next = format!("</api/v1/events?{query}after={next}>; rel=\"next\"");
            let named = [(header::CONTENT_TYPE, cloudevents::BATCH_MEDIA_TYPE.to_owned()), (header::LINK, next)];
            (named, body).into_response()
        }
    })
}

/// The format asked for by name, or by what is accepted.
fn format_of(asked: Option<Format>, headers: &HeaderMap) -> Format {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepted.flat_map(|value| value.split(',')).map(|one| one.split(';').next().unwrap_or("").trim());
    let is_cloudevents = types.any(|one| matches!(one, cloudevents::MEDIA_TYPE | cloudevents::BATCH_MEDIA_TYPE));
    asked.unwrap_or(if is_cloudevents { Format::Cloudevents } else { Format::Native })
}
