//! URLs: which schemes pass, percent escapes, and `srcset`.

use super::FAILSAFE;

/// Relative references, and http, https and mailto in any case.
pub(super) fn is_safe(s: &[u8]) -> bool {
    let Some(colon) = s.iter().position(|b| *b == b':') else { return true };
    let scheme = &s[..colon];
    if scheme.contains(&b'/') {
        return true;
    }
    // Go folds: the long s is an s.
    let scheme = String::from_utf8_lossy(scheme).replace('ſ', "s").to_ascii_lowercase();
    matches!(scheme.as_str(), "http" | "https" | "mailto")
}

/// Percent escapes; with `normal` what a URL is made of stays, escapes included.
pub(super) fn process(s: &[u8], normal: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.len());
    for (at, byte) in s.iter().enumerate() {
        let stays = match byte {
            b'!' | b'#' | b'$' | b'&' | b'*' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?'
            | b'@' | b'[' | b']' => normal,
            b'-' | b'.' | b'_' | b'~' => true,
            b'%' => {
                let is_hex = |i: usize| s.get(at + i).is_some_and(u8::is_ascii_hexdigit);
                normal && is_hex(1) && is_hex(2)
            }
            byte => byte.is_ascii_alphanumeric(),
        };
        if stays {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02x}").as_bytes());
        }
    }
    out
}

/// A list of URLs with sizes: each URL filtered and normalised.
pub(super) fn srcset(s: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.len());
    for (i, element) in s.split(|b| *b == b',').enumerate() {
        if i > 0 {
            out.push(b',');
        }
        push_element(&mut out, element);
    }
    out
}

fn push_element(out: &mut Vec<u8>, element: &[u8]) {
    let is_space = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | 0x0c | b'\r');
    let start = element.iter().take_while(|b| is_space(b)).count();
    let length = element[start..].iter().take_while(|b| !is_space(b)).count();
    let (url, sizes) = element[start..].split_at(length);
    if is_safe(url) && sizes.iter().all(|b| is_space(b) || b.is_ascii_alphanumeric()) {
        out.extend_from_slice(&element[..start]);
        out.extend_from_slice(&process(url, true));
        out.extend_from_slice(sizes);
    } else {
        out.push(b'#');
        out.extend_from_slice(FAILSAFE.as_bytes());
    }
}
