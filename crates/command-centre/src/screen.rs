//! The screen: the built bundle, embedded, with what a browser needs to trust and to keep it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use include_dir::{Dir, DirEntry, include_dir};

use crate::encoding;
use crate::problem::{Kind, Problem};
use crate::shared::Shared;

static BUNDLE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/screen/dist");

/// Only this station's own files, no inline script or style, in nobody's frame.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'";

const INDEX: &str = "index.html";
/// Below it the build puts files whose names hold a hash of their content.
const HASHED: &str = "assets/";

/// The bundle's files by path.
pub(crate) struct Assets(BTreeMap<&'static str, Asset>);

struct Asset {
    plain: Bytes,
    /// `None` where it would not be smaller.
    gzip: Option<Bytes>,
    etag: String,
    content_type: &'static str,
    cache: &'static str,
}

impl Assets {
    pub(crate) fn load() -> Assets {
        let mut assets = BTreeMap::new();
        let mut folders = vec![&BUNDLE];
        while let Some(folder) = folders.pop() {
            for entry in folder.entries() {
                match entry {
                    DirEntry::Dir(inner) => folders.push(inner),
                    DirEntry::File(file) => {
                        if let Some(path) = file.path().to_str() {
                            assets.insert(path, Asset::new(path, file.contents()));
                        }
                    }
                }
            }
        }
        Assets(assets)
    }
}

impl Asset {
    fn new(path: &str, content: &'static [u8]) -> Asset {
        let packed = encoding::gzip(content, Compression::best());
        Asset {
            plain: Bytes::from_static(content),
            gzip: (packed.len() < content.len()).then_some(packed),
            etag: encoding::etag_of(content),
            content_type: content_type(path),
            cache: if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" },
        }
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wav" => "audio/wav",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether a path belongs to the API, where nothing of the screen is served.
pub(crate) fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

/// A file of the screen; what no route of the API has taken comes here.
pub(crate) async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    let path = request.uri().path();
    if is_api(path) {
        let detail = format!("there is no {path}; /api/v1/openapi.json lists everything");
        return Err(Problem::new(Kind::NotFound, detail));
    }
    let key = if path == "/" { INDEX } else { path.trim_start_matches('/') };
    let Some(asset) = shared.assets.0.get(key) else {
        return Err(Problem::new(Kind::NotFound, format!("there is no {path}; the screen is at /")));
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = axum::http::HeaderValue::from_static("GET,HEAD");
        return Err(
            Problem::new(Kind::MethodNotAllowed, "a file of the screen can only be read").header(header::ALLOW, allow)
        );
    }
    let headers =
        [(header::ETAG, asset.etag.as_str()), (header::CACHE_CONTROL, asset.cache), (header::VARY, "accept-encoding")];
    if encoding::client_has(request.headers(), &asset.etag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let content_type = [(header::CONTENT_TYPE, asset.content_type)];
    Ok(match &asset.gzip {
        Some(packed) if encoding::takes_gzip(request.headers()) => {
            (headers, content_type, [(header::CONTENT_ENCODING, "gzip")], packed.clone()).into_response()
        }
        _ => (headers, content_type, asset.plain.clone()).into_response(),
    })
}
