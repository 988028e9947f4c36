//! What the fuzz target and the corpus test do with any bytes: a receiver's configuration, a list of mail addresses, a mail's parts, an
//! SMTP answer. Nothing panics; what goes out cannot break out of its line.

use gauntlet_yaml::{Context, Dialect, Document, ToYaml as _};

use crate::config::{GlobalReceivers, Receiver};
use crate::{mail, smtp};

/// Reads bytes in all these ways.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    configuration(bytes);
    if let Ok(found) = mail::addresses(&text) {
        for address in found {
            assert!(!address.contains(['\r', '\n', '<', '>']) || address.starts_with('"'));
            assert!(!address.contains(['\r', '\n']), "BUG: an address of two lines");
        }
    }
    let mut letter = mail::Mail::new("boundary".to_owned());
    letter.header("Subject", &text);
    let head = letter.finish();
    let breaks = head.windows(2).filter(|pair| *pair == b"\r\n").count();
    assert_eq!(breaks, 3, "BUG: a header of two lines");
    let mut letter = mail::Mail::new("boundary".to_owned());
    letter.part("text/plain", &text);
    assert!(letter.finish().split(|byte| *byte == b'\n').all(|line| line.len() <= 78));
    let sent = smtp::stuffed(bytes);
    let ends = sent.windows(5).filter(|window| *window == b"\r\n.\r\n").count();
    assert!(ends <= 1, "BUG: a mail that ends twice");
    let mut reply = smtp::Reply::default();
    for line in text.lines().take(100) {
        if reply.add(line) != Ok(false) {
            break;
        }
    }
}

/// A receiver that is taken has an echo, which is taken again.
fn configuration(bytes: &[u8]) {
    let Some(receiver) = read(bytes) else { return };
    let echo = gauntlet_yaml::to_string(&receiver.to_yaml());
    // Secrets are masked; and incident.io is taken without credentials only where it has no client of its own, which an echo has.
    let masked = echo.contains("<secret>") || echo.contains("xxxxx");
    if !masked && receiver.incidentio_configs.is_empty() {
        assert!(read(echo.as_bytes()).is_some(), "BUG: the echo is not taken:\n{echo}");
    }
}

fn read(bytes: &[u8]) -> Option<Receiver> {
    let document = Document::parse(bytes, Dialect::V2).ok()?;
    let mut cx = Context::new();
    let globals = GlobalReceivers::default();
    let receiver = Receiver::read(document.root()?, &mut cx, Some(&globals));
    cx.finish(receiver).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases of the configuration tests, whole and damaged.
    #[test]
    fn the_corpus_passes() {
        let verdicts: serde_json::Value =
            serde_json::from_str(include_str!("../tests/data/verdicts.json")).unwrap();
        for case in verdicts["cases"].as_array().unwrap() {
            let text = format!("name: r\n{}\n", case["receiver"].as_str().unwrap());
            check(text.as_bytes());
            for at in (0..text.len()).step_by(7) {
                check(&text.as_bytes()[..at]);
                let mut damaged = text.clone().into_bytes();
                damaged[at] ^= 0x15;
                check(&damaged);
            }
        }
        for text in [
            "a@x, \"b\\\r\n\"@y (c), <d@[1.2.3.4]>",
            ".\r\n..\r\n.\n.",
            "250-a\r\n250 b",
            "é\r\nBcc: x\r\n.\r\n ",
            "",
        ] {
            check(text.as_bytes());
        }
    }
}
