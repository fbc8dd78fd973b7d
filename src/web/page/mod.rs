//! The web page: files that are part of the binary become answers of pages and assets.
//!
//! Every page is the same small document; which one it shows is decided by its script, from the address. Scripts, styles
//! and words are files of `src/web/assets`, written by hand and served as they are: there is no build step, and nothing
//! comes from elsewhere. What a page shows it asks of the API, as any other client does, so nothing here reads data.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use sha2::{Digest as _, Sha256};

use super::reply;
use crate::exposition;
use crate::wording::hex;

/// The content security policy of the page: scripts, styles and answers of our own, and nothing inline. Names in logs
/// are hostile; the scripts write them as text only, and this is the second lock.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'self'; frame-ancestors 'none'; form-action 'none'";

/// The document of every page; `{base}` in it is the path that all its addresses are relative to.
const SHELL: &str = include_str!("../assets/index.html");

/// A file of the page.
struct Asset {
    /// Below `assets/`.
    path: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($path:literal),* $(,)?) => {
        &[$(Asset { path: $path, bytes: include_bytes!(concat!("../assets/", $path)) }),*]
    };
}

/// Every file but the document itself; a test holds the list against the folder.
static ASSETS: &[Asset] = assets![
    "api.js",
    "captured.js",
    "chart.js",
    "code.js",
    "content.css",
    "copy.js",
    "dom.js",
    "early.js",
    "en.json",
    "figures.js",
    "filter.js",
    "format.js",
    "heat.js",
    "main.js",
    "mark.svg",
    "markdown.js",
    "pages/consumer.js",
    "pages/consumers.js",
    "pages/conversations.js",
    "pages/cost.js",
    "pages/overview.js",
    "pages/request.js",
    "pages/requests.js",
    "pages/session.js",
    "pages/sessions.js",
    "pages/sla.js",
    "pages/status.js",
    "pages/usage.js",
    "panel.js",
    "period.js",
    "place.js",
    "said.js",
    "style.css",
    "table.js",
    "vendor/entities.LICENSE",
    "vendor/highlight/bash.min.js",
    "vendor/highlight/c.min.js",
    "vendor/highlight/core.min.js",
    "vendor/highlight/cpp.min.js",
    "vendor/highlight/css.min.js",
    "vendor/highlight/diff.min.js",
    "vendor/highlight/dockerfile.min.js",
    "vendor/highlight/go.min.js",
    "vendor/highlight/highlight.LICENSE",
    "vendor/highlight/java.min.js",
    "vendor/highlight/javascript.min.js",
    "vendor/highlight/json.min.js",
    "vendor/highlight/python.min.js",
    "vendor/highlight/rust.min.js",
    "vendor/highlight/sql.min.js",
    "vendor/highlight/typescript.min.js",
    "vendor/highlight/xml.min.js",
    "vendor/highlight/yaml.min.js",
    "vendor/linkify-it.LICENSE",
    "vendor/markdown-it.LICENSE",
    "vendor/markdown-it.umd.min.js",
    "vendor/mdurl.LICENSE",
    "vendor/punycode.LICENSE",
    "vendor/uPlot.LICENSE",
    "vendor/uPlot.iife.min.js",
    "vendor/uPlot.min.css",
    "vendor/uc.micro.LICENSE",
    "words.js",
    "zh.json",
];

/// Content types by the end of a file's name.
const KINDS: [(&str, &str); 5] = [
    (".js", "text/javascript; charset=utf-8"),
    (".css", "text/css; charset=utf-8"),
    (".json", "application/json"),
    (".svg", "image/svg+xml"),
    (".LICENSE", "text/plain; charset=utf-8"),
];

/// An asset as it is sent.
struct Packed {
    asset: &'static Asset,
    kind: &'static str,
    /// Weak, since it stands for the compressed form too.
    tag: HeaderValue,
    gzip: Option<Vec<u8>>,
}

/// Packed at the first request for any of them, once: some 500 KiB.
static PACKED: LazyLock<Vec<Packed>> = LazyLock::new(|| {
    let packed = ASSETS.iter().filter_map(|asset| {
        let (_, kind) = KINDS.iter().find(|(end, _)| asset.path.ends_with(end))?;
        let tag = format!("W/\"{}\"", hex(&Sha256::digest(asset.bytes)).get(..24).unwrap_or_default());
        let gzip = exposition::gzip(asset.bytes).ok().filter(|gzip| gzip.len() < asset.bytes.len());
        Some(Packed { asset, kind, tag: HeaderValue::from_str(&tag).ok()?, gzip })
    });
    packed.collect()
});

/// The document of a page. `prefix` is what a proxy puts before our paths: empty, or `/a/b`.
pub(super) fn shell(prefix: &str) -> Response {
    let base = format!("{prefix}/").replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let mut response =
        reply::typed(StatusCode::OK, "text/html; charset=utf-8", Body::from(SHELL.replacen("{base}", &base, 1)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
    response
}

/// The asset of a path such as `/assets/main.js`. Browsers ask each time whether theirs is still good, so that a new
/// version of the program never runs with a script of the old one.
pub(super) fn asset(path: &str, asked: &HeaderMap) -> Response {
    let name = path.strip_prefix("/assets/").unwrap_or_default();
    let Some(packed) = PACKED.iter().find(|packed| packed.asset.path == name) else {
        return reply::error(StatusCode::NOT_FOUND, "not_found", "there is no such asset");
    };
    let mut response = if matches(asked, &packed.tag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let accepted = asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        let gzip = packed.gzip.as_deref().filter(|_| exposition::accepts_gzip(accepted));
        let body = Body::from(gzip.unwrap_or(packed.asset.bytes));
        let mut response = reply::typed(StatusCode::OK, packed.kind, body);
        if gzip.is_some() {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, packed.tag.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}

/// Whether `If-None-Match` names the tag (RFC 9110, 13.1.2, weak comparison).
fn matches(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let strong = |text: &str| text.trim().trim_start_matches("W/").to_owned();
    let Ok(tag) = tag.to_str().map(strong) else { return false };
    let values = asked.get_all(header::IF_NONE_MATCH);
    values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|one| strong(one) == tag)
}

#[cfg(test)]
mod tests;
