//! Files of the app: bytes in both forms, entity tag, type, and how long a browser may keep them.

use std::borrow::Cow;

struct Embedded {
    path: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
    hash: u64,
}

static ASSETS: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// What `index.html` holds where its base address belongs.
const BASE_MARK: &str = "__GAUNTLET_BASE__";
/// Security policy of the app: nothing but what this host serves, neither scripts nor styles inline.
pub const APP_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; \
     frame-ancestors 'none'; form-action 'self'";
/// Security policy of the plain page, which has its few styles inside and nothing else.
pub const PLAIN_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
     frame-ancestors 'none'; form-action 'none'";

/// One file to be sent.
#[derive(Clone, Debug)]
pub struct Asset {
    pub body: Cow<'static, [u8]>,
    /// `gzip` where `body` is compressed.
    pub encoding: Option<&'static str>,
    pub content_type: &'static str,
    pub etag: String,
    pub cache_control: &'static str,
}

/// Whether the app was embedded.
pub fn is_built() -> bool {
    !ASSETS.is_empty()
}

/// The file at `path` (no leading slash), compressed where the client takes it. `index.html` is not served by name.
pub fn asset(path: &str, accepts_gzip: bool) -> Option<Asset> {
    if path == "index.html" {
        return None;
    }
    let file = ASSETS.iter().find(|a| a.path == path)?;
    let gzip = accepts_gzip && file.gzip.len() < file.plain.len();
    Some(Asset {
        body: Cow::Borrowed(if gzip { file.gzip } else { file.plain }),
        encoding: gzip.then_some("gzip"),
        content_type: content_type(path),
        etag: format!("\"{:016x}{}\"", file.hash, if gzip { "-gz" } else { "" }),
        // Names under assets/ carry a hash of their content.
        cache_control: if path.starts_with("assets/") {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        },
    })
}

/// The page that starts the app, for an address whose part below the route prefix is `path` (no leading slash). `None` where the
/// app was not embedded.
///
/// Its base is written relative to the page, so the app works under any prefix, also one that a proxy adds and we never see.
pub fn index(path: &str) -> Option<Asset> {
    let file = ASSETS.iter().find(|a| a.path == "index.html")?;
    let depth = path.matches('/').count().min(MAX_DEPTH);
    let html = String::from_utf8_lossy(file.plain);
    Some(Asset {
        body: Cow::Owned(html.replace(BASE_MARK, &base(depth)).into_bytes()),
        encoding: None,
        content_type: "text/html; charset=utf-8",
        etag: format!("\"{:016x}-{depth}\"", file.hash),
        cache_control: "no-cache",
    })
}

/// Slashes of an address that still lead back to the root of the app: its own pages have none.
const MAX_DEPTH: usize = 32;

fn base(depth: usize) -> String {
    if depth == 0 { "./".to_owned() } else { "../".repeat(depth) }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or("") {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "map" | "webmanifest" => "application/json",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// Escapes text for HTML, inside attributes too.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_finds_the_root_from_any_depth() {
        assert_eq!([base(0), base(1), base(2)], ["./", "../", "../../"]);
    }

    #[test]
    fn the_app_needs_no_inline_code() {
        assert!(!APP_POLICY.contains("unsafe"));
        assert!(!PLAIN_POLICY.contains("script-src"));
    }
}
