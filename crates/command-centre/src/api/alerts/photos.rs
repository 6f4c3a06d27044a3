//! Photos of an alert: what comes is looked at before it is kept, and goes out as a picture and as nothing else.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use model::alert::{Media, Photo};
use model::{Action, chain};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::acts::{Act, check_act, check_in_sight, idempotency_key, submit};
use super::story::{alert_id, no_alert};
use crate::access::Caller;
use crate::extract::{InPath, Params, read_body};
use crate::problem::{Kind, Problem};
use crate::shared::Shared;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Caption {
    note: Option<Box<str>>,
    person: Option<Box<str>>,
}

/// `POST /api/v1/alerts/{id}/photos`: the file itself is the body.
pub(crate) async fn add(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath(id): InPath<String>,
    Params(caption): Params<Caption>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let alert = alert_id(&id)?;
    let act = Act { note: caption.note, person: caption.person };
    // all that can be wrong is looked for before the disk is asked
    idempotency_key(&headers)?;
    check_act(&shared, &act)?;
    check_in_sight(&shared, &caller, alert).await?;
    let bytes = read_body(request, shared.parts.settings.photo_limit_bytes).await?;
    let Some(media) = Media::of(&bytes) else {
        let detail = "the body is no JPEG, PNG or WebP file: send the picture's own bytes, and nothing else";
        return Err(Problem::new(Kind::PhotoType, detail));
    };
    let photo = Photo { sha256: Sha256::digest(&bytes).into(), media, bytes: bytes.len() as u32 };
    let photos = Arc::clone(&shared.parts.photos);
    shared.disk(move || photos.put(alert, &photo, &bytes)).await?;
    submit(&shared, caller, &id, &headers, Action::Photo(photo), act).await
}

/// `GET /api/v1/alerts/{id}/photos/{sha}`
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    InPath((id, digest)): InPath<(String, String)>,
) -> Result<Response, Problem> {
    let id = alert_id(&id)?;
    let alert = shared.read(move |ledger| ledger.alert(id)).await?;
    let alert = alert.filter(|alert| caller.sees(alert.grid)).ok_or_else(|| no_alert(id))?;
    let known = |sha256| alert.photos.iter().map(|known| known.photo).find(|photo| photo.sha256 == sha256);
    let no_photo = || Problem::new(Kind::NotFound, format!("alert {id} has no photo {digest}"));
    let photo = chain::unhex(&digest).and_then(known).ok_or_else(no_photo)?;
    let photos = Arc::clone(&shared.parts.photos);
    let bytes = shared.disk(move || photos.get(id, &photo)).await?.ok_or_else(no_photo)?;
    let name = format!("inline; filename=\"{}.{}\"", photo.name(), photo.media.ending());
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(photo.media.mime()));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).expect("hexadecimal is visible ASCII"));
    // the digest names the bytes: they never change
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    Ok(response)
}
