//! Somebody between the eIM and its SM-DP+, who passes calls on, or answers as a test bids: an SM-DP+ of another make.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::eim::relayed::{Meddling, Met};
use crate::server::listen::serve;
use crate::server::{ADDRESS, Interface, PKI, TestServer, tls_identity};

#[derive(Default)]
struct Desk {
    target: Mutex<Option<reqwest::Client>>,
    meddling: Mutex<Vec<(String, Meddling)>>,
    called: Mutex<Vec<String>>,
}

/// What stands between.
pub struct Proxy {
    runtime: Option<Runtime>,
    pub port: u16,
    desk: Arc<Desk>,
    _end: watch::Sender<bool>,
}

async fn pass(State(desk): State<Arc<Desk>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let function = uri.path().rsplit('/').next().unwrap().to_owned();
    desk.called.lock().unwrap().push(function.clone());
    let client = desk.target.lock().unwrap().clone().unwrap();
    let mut request = client.post(format!("https://{ADDRESS}{}", uri.path())).body(body);
    for name in ["content-type", "x-admin-protocol", "user-agent"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value.as_bytes());
        }
    }
    let answer = request.send().await.unwrap();
    let (status, content_type) = (answer.status(), answer.headers().get("content-type").cloned());
    let body = answer.bytes().await.unwrap();
    let meddling = {
        let mut all = desk.meddling.lock().unwrap();
        all.iter().position(|(of, _)| *of == function).map(|place| all.remove(place).1)
    };
    match meddling.map(|meddle| meddle(serde_json::from_slice(&body).unwrap())) {
        None => match content_type {
            Some(content_type) => (status, [("content-type", content_type)], body).into_response(),
            None => (status, body).into_response(),
        },
        Some(Met::Body(body)) => {
            (StatusCode::OK, [("content-type", "application/json;charset=UTF-8")], body).into_response()
        }
        Some(Met::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Met::Lost) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

impl Proxy {
    /// In the name of the SM-DP+.
    pub fn start() -> Self {
        let desk = Arc::<Desk>::default();
        let router = Router::new().fallback(pass).with_state(Arc::clone(&desk));
        let (runtime, port, end) = serve("proxy", &tls_identity(&PKI.dp_tls), router);
        Self { runtime: Some(runtime), port, desk, _end: end }
    }

    /// Passes calls on to this server.
    pub fn leads_to(&self, server: &TestServer) {
        *self.desk.target.lock().unwrap() = Some(server.client(Interface::Es9Plus));
    }

    /// The next answer of a function becomes this.
    pub fn meddle(&self, function: &str, with: impl Fn(Value) -> Met + Send + 'static) {
        self.desk.meddling.lock().unwrap().push((function.to_owned(), Box::new(with)));
    }

    /// The next answer of a function is a refusal with this pair.
    pub fn refuse(&self, function: &str, subject: &str, reason: &str) {
        let data = json!({ "subjectCode": subject, "reasonCode": reason, "message": "as the test bids" });
        let status = json!({ "status": "Failed", "statusCodeData": data });
        let body = json!({ "header": { "functionExecutionStatus": status } }).to_string();
        self.meddle(function, move |_| Met::Body(body.clone().into_bytes()));
    }

    /// The functions that were called since the last look.
    pub fn called(&self) -> Vec<String> {
        self.desk.called.lock().unwrap().drain(..).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
