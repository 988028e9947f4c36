//! Files of the app: bytes in both forms, entity tag, type, and how long a browser may keep them.

use std::borrow::Cow;

struct Embedded {
    path: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
    hash: u64,
}

static ASSETS: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// What `index.html` holds where the route prefix belongs: its base address.
const PREFIX_MARK: &str = "__GAUNTLET_BASE__";
/// Security policy of every page: nothing but what this host serves, no inline scripts.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     object-src 'none'; base-uri 'self'; frame-ancestors 'none'; form-action 'self'";

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

/// The page that starts the app, with its base address set to `prefix` (no slash at its end; empty for none). `None` where the
/// app was not embedded.
pub fn index(prefix: &str) -> Option<Asset> {
    let file = ASSETS.iter().find(|a| a.path == "index.html")?;
    let html = String::from_utf8_lossy(file.plain);
    let base = format!("{}/", escape(prefix));
    Some(Asset {
        body: Cow::Owned(html.replace(PREFIX_MARK, &base).into_bytes()),
        encoding: None,
        content_type: "text/html; charset=utf-8",
        etag: format!("\"{:016x}-{}\"", file.hash, prefix.len()),
        cache_control: "no-cache",
    })
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
