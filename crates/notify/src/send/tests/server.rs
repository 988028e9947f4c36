//! A server that keeps what it gets and answers like the services would.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Got {
    pub(super) method: String,
    /// With its query.
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

type Answers = dyn Fn(&Got) -> (u16, &'static str, String) + Send + Sync;

/// Runs until it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Answers with status, content type and body.
    pub(super) async fn start(
        answers: impl Fn(&Got) -> (u16, &'static str, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let (kept, answers): (_, Arc<Answers>) = (Arc::clone(&got), Arc::new(answers));
        let router = Router::new().fallback(move |request: Request| {
            handle(request, Arc::clone(&kept), Arc::clone(&answers))
        });
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self { address, got, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came since the last call.
    pub(super) fn take(&self) -> Vec<Got> {
        std::mem::take(&mut self.got.lock())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn handle(request: Request, kept: Arc<Mutex<Vec<Got>>>, answers: Arc<Answers>) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 16 << 20).await.unwrap();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let method = parts.method.to_string();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let got = Got { method, path, headers, body };
    let (status, content_type, text) = answers(&got);
    kept.lock().push(got);
    let _: Uri = parts.uri;
    (StatusCode::from_u16(status).unwrap(), [("content-type", content_type)], text).into_response()
}

/// The answer of a service that is content.
pub(super) fn content(got: &Got, issue_is_open: bool) -> (u16, &'static str, String) {
    let path = got.path.as_str();
    let json = |text: &str| (200, "application/json", text.to_owned());
    match path {
        _ if path.contains("gettoken") => json(r#"{"errcode":0,"access_token":"tok en"}"#),
        _ if path.contains("/message/send") => json(r#"{"errcode":0,"errmsg":"ok"}"#),
        _ if path.contains("chat.") => {
            json(r#"{"ok":true,"success":true,"channel":"C1","ts":"123.456"}"#)
        }
        _ if path.contains("/bot") => json(r#"{"ok":true,"result":{"message_id":1}}"#),
        _ if path.contains("/search") && issue_is_open => json(
            r#"{"issues":[{"key":"OPS-1","fields":{"status":{"statusCategory":{"key":"new"}}}}]}"#,
        ),
        _ if path.contains("/search") => json(r#"{"issues":[]}"#),
        _ if path.contains("/transitions") && got.method == "GET" => {
            json(r#"{"transitions":[{"id":"31","name":"Done"},{"id":"11","name":"Reopen"}]}"#)
        }
        _ => (200, "text/plain", "ok".to_owned()),
    }
}
