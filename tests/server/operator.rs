//! An operator's own ES2+ server, which an SM-DP+ calls back: it asks for the SM-DP+'s certificate, keeps what it is told
//! and answers as it is bidden.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::{Value, json};
use simyard::env::{Clock, Rng};
use simyard::http::listener::{ClientCertificate, Listener, ListenerLimits};
use simyard::http::meter::Meter;
use simyard::pki::Anchors;
use simyard::pki::tls::{ClientVerifier, server_config};
use simyard_asn1::Oid;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use super::{NOW, PKI, runtime, tls_identity};

/// What the operator answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// HTTP 204, as the standard has it.
    NoContent,
    /// HTTP 200 with a header that says success.
    Header,
    /// HTTP 200 with a header that says failure.
    Failed,
    /// Another HTTP status.
    Status(u16),
    /// Nothing, ever.
    Nothing,
    /// An answer that breaks off.
    Broken,
}

struct Desk {
    answers: Mutex<VecDeque<Answer>>,
    told: mpsc::UnboundedSender<Value>,
}

/// The server.
pub struct OperatorServer {
    runtime: Option<Runtime>,
    port: u16,
    desk: Arc<Desk>,
    told: Mutex<mpsc::UnboundedReceiver<Value>>,
    _end: watch::Sender<bool>,
}

/// A body that breaks off.
struct BrokenBody;

impl HttpBody for BrokenBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::other("broken"))))
    }
}

async fn take(
    State(desk): State<Arc<Desk>>,
    Extension(certificate): Extension<ClientCertificate>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    assert_eq!(certificate.identity().unwrap().oid, Oid::parse("2.999.10"), "who calls");
    assert_eq!(headers["content-type"], "application/json");
    assert!(headers["x-admin-protocol"].to_str().unwrap().starts_with("gsma/rsp/v2."));
    let told: Value = serde_json::from_slice(&body).unwrap();
    // Who drops the server does not listen any more.
    let _ = desk.told.send(told);
    let answer = desk.answers.lock().unwrap().pop_front().unwrap_or(Answer::NoContent);
    let header = |status: Value| {
        json!({ "header": { "functionExecutionStatus": status } }).to_string().into_response()
    };
    match answer {
        Answer::NoContent => StatusCode::NO_CONTENT.into_response(),
        Answer::Header => header(json!({ "status": "Executed-Success" })),
        Answer::Failed => header(json!({ "status": "Failed", "statusCodeData": {
            "subjectCode": "8.2.1", "reasonCode": "3.9", "message": "never heard of it" } })),
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Nothing => std::future::pending().await,
        Answer::Broken => Response::new(Body::new(BrokenBody)),
    }
}

impl OperatorServer {
    /// A server at `localhost`, under the CI of the test PKI.
    pub fn start() -> Self {
        let runtime = runtime("operator", 1);
        let (told, inbox) = mpsc::unbounded_channel();
        let desk = Arc::new(Desk { answers: Mutex::default(), told });
        let oid = Oid::parse("2.999.20").unwrap();
        let own = PKI.ci_issuer().unwrap().issue_tls(&["localhost".to_owned()], &oid, &Rng::seeded(5), NOW);
        let anchors = Arc::new(Anchors::new(vec![PKI.ci.certificate.clone()]).unwrap());
        let verifier = ClientVerifier::new(anchors, Clock::fixed(NOW));
        let tls = server_config(&tls_identity(&own.unwrap()), Some(Arc::new(verifier))).unwrap();
        let socket = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = socket.local_addr().unwrap().port();
        let path = "/gsma/rsp2/es2plus/handleDownloadProgressInfo";
        let router = Router::new().route(path, post(take)).with_state(Arc::clone(&desk));
        let (end, ended) = watch::channel(false);
        let limits = ListenerLimits::new(256);
        let meter = Arc::new(Meter::new(Clock::fixed(NOW)));
        let listener = Listener { name: "operator", socket, tls: Some(Arc::new(tls)), router, limits, meter };
        runtime.spawn(listener.serve(ended));
        Self { runtime: Some(runtime), port, desk, told: Mutex::new(inbox), _end: end }
    }

    /// The member of `[[operator]]` that names this server.
    pub fn address(&self) -> String {
        format!("es2plus_address = \"localhost:{}\"", self.port)
    }

    /// What the next calls are answered, each with one; then 204 again.
    pub fn answers(&self, answers: &[Answer]) {
        self.desk.answers.lock().unwrap().extend(answers);
    }

    /// Waits for the next call.
    pub fn told(&self) -> Value {
        let mut told = self.told.lock().unwrap();
        let next = self
            .runtime
            .as_ref()
            .unwrap()
            .block_on(async { tokio::time::timeout(Duration::from_secs(30), told.recv()).await });
        next.expect("nothing was told").unwrap()
    }

    /// The next so many calls.
    pub fn told_many(&self, calls: usize) -> Vec<Value> {
        (0..calls).map(|_| self.told()).collect()
    }

    /// The calls that came and nobody asked for yet.
    pub fn told_so_far(&self) -> Vec<Value> {
        let mut told = self.told.lock().unwrap();
        std::iter::from_fn(|| told.try_recv().ok()).collect()
    }

    /// That no call came that nobody asked for.
    pub fn heard_nothing_more(&self) {
        if let Ok(told) = self.told.lock().unwrap().try_recv() {
            panic!("told: {told}");
        }
    }
}

impl Drop for OperatorServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What a call says: `point pair`, with `passed` for no pair.
pub fn summary(told: &Value) -> String {
    let status = &told["notificationPointStatus"];
    let point = &told["notificationPointId"];
    match status["status"].as_str().unwrap() {
        "Executed-Success" => {
            assert!(status.get("statusCodeData").is_none(), "{told}");
            format!("{point} passed")
        }
        "Failed" => {
            let data = &status["statusCodeData"];
            assert!(!data["message"].as_str().unwrap().is_empty(), "{told}");
            let code = |name: &str| data[name].as_str().unwrap().to_owned();
            format!("{point} {}/{}", code("subjectCode"), code("reasonCode"))
        }
        other => panic!("status {other}"),
    }
}
