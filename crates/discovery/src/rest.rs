//! Asking an API for JSON: status and decoding, once for all kinds.

use std::time::Duration;

pub(crate) use gauntlet_net::percent::{escape, query};
use serde::de::DeserializeOwned;

use crate::discoverer::Client;
use crate::fetch::{Answer, Ask};

/// Most pages of one list; with the bound of a body it bounds what a refresh reads.
pub(crate) const MAX_PAGES: usize = 1000;
/// How much of an error's body is shown, in bytes.
const SHOWN_BYTES: usize = 300;

/// A client with the time an answer may take.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) client: Client,
    pub(crate) timeout: Duration,
}

impl Api {
    /// An answer with a good status (2xx).
    pub(crate) async fn send(&self, ask: Ask) -> Result<Answer, String> {
        let url = shown_url(&ask.url).to_owned();
        let answer = self.client.send(ask).await.map_err(|err| err.to_string())?;
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(refusal(&url, &answer)) }
    }

    pub(crate) async fn json<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, String> {
        let url = shown_url(&ask.url).to_owned();
        let answer = self.send(ask).await?;
        decode(&answer.body).map_err(|err| format!("{url}: {err}"))
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        url: impl Into<String>,
    ) -> Result<T, String> {
        self.json(Ask::get(url, self.timeout).header("accept", "application/json")).await
    }

    pub(crate) fn get_ask(&self, url: impl Into<String>) -> Ask {
        Ask::get(url, self.timeout)
    }

    pub(crate) fn post_ask(&self, url: impl Into<String>, body: impl Into<Vec<u8>>) -> Ask {
        Ask::post(url, body, self.timeout)
    }
}

pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|err| format!("cannot decode answer: {err}"))
}

/// What a bad status says, with the beginning of its body.
pub(crate) fn refusal(url: &str, answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(SHOWN_BYTES)]);
    let body = body.trim();
    let colon = if body.is_empty() { "" } else { ": " };
    format!("{url}: server returned HTTP status {}{colon}{body}", answer.status)
}

/// A URL without its query, which may hold secrets.
fn shown_url(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}
