//! A receiver of webhooks: keeps what it is told and answers as it is bidden.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use simyard::client::webhook::Secret;
use simyard::crypto::hmac::hmac_sha256;
use simyard::env::Rng;
use simyard::pki::tls::TlsIdentity;
use simyard_asn1::Oid;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::server::listen::serve;
use crate::server::{NOW, PKI, tls_identity};

/// What the receiver answers.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// A status, without a body.
    Status(u16),
    /// 503, and after so many seconds again.
    RetryAfter(u64),
    /// A redirection to itself.
    Moved,
    /// Nothing, ever.
    Nothing,
    /// Success, and a body without an end.
    Endless,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    pub id: String,
    pub timestamp: String,
    pub signatures: Vec<String>,
    pub text: String,
}

impl Heard {
    pub fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn event_type(&self) -> String {
        self.body()["type"].as_str().unwrap().to_owned()
    }

    /// Whether it is signed with these secrets, in this order, and with no other.
    pub fn is_signed_with(&self, secrets: &[&Secret]) -> bool {
        let signed = format!("{}.{}.{}", self.id, self.timestamp, self.text);
        let expected: Vec<String> = secrets
            .iter()
            .map(|secret| {
                let key = STANDARD.decode(secret.text().strip_prefix("whsec_").unwrap()).unwrap();
                format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &[signed.as_bytes()])))
            })
            .collect();
        self.signatures == expected
    }
}

/// A body without an end.
struct EndlessBody;

impl HttpBody for EndlessBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(&[b'x'; 4096])))))
    }
}

struct Desk {
    answers: Mutex<VecDeque<Answer>>,
    heard: mpsc::UnboundedSender<Heard>,
}

/// The receiver.
pub struct Receiver {
    runtime: Option<Runtime>,
    port: u16,
    desk: Arc<Desk>,
    heard: Mutex<mpsc::UnboundedReceiver<Heard>>,
    _end: watch::Sender<bool>,
}

async fn take(State(desk): State<Arc<Desk>>, headers: HeaderMap, text: String) -> Response {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/json");
    let heard = Heard {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signatures: header("webhook-signature").split(' ').map(str::to_owned).collect(),
        text,
    };
    // Answers that are given once it was heard are for later messages.
    let answer = desk.answers.lock().unwrap().pop_front().unwrap_or(Answer::Status(204));
    // Who drops the receiver does not listen any more.
    let _ = desk.heard.send(heard);
    match answer {
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::RetryAfter(seconds) => {
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, seconds.to_string())]).into_response()
        }
        Answer::Moved => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/hook")]).into_response(),
        Answer::Nothing => std::future::pending().await,
        Answer::Endless => Response::new(Body::new(EndlessBody)),
    }
}

impl Receiver {
    /// A receiver at `localhost`, under the CI of the test PKI.
    pub fn start() -> Self {
        let oid = Oid::parse("2.999.30").unwrap();
        let own = PKI.ci_issuer().unwrap().issue_tls(&["localhost".to_owned()], &oid, &Rng::seeded(6), NOW);
        Self::with(&tls_identity(&own.unwrap()))
    }

    /// With this certificate.
    pub fn with(identity: &TlsIdentity) -> Self {
        let (sender, inbox) = mpsc::unbounded_channel();
        let desk = Arc::new(Desk { answers: Mutex::default(), heard: sender });
        let router = Router::new().route("/hook", post(take)).with_state(Arc::clone(&desk));
        let (runtime, port, end) = serve("receiver", identity, router);
        Self { runtime: Some(runtime), port, desk, heard: Mutex::new(inbox), _end: end }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("https://localhost:{}/hook", self.port)
    }

    /// What the next messages are answered, each with one; then 204 again.
    pub fn answers(&self, answers: &[Answer]) {
        self.desk.answers.lock().unwrap().extend(answers);
    }

    /// Waits for the next message.
    pub fn heard(&self) -> Heard {
        let mut heard = self.heard.lock().unwrap();
        let next = self
            .runtime
            .as_ref()
            .unwrap()
            .block_on(async { tokio::time::timeout(Duration::from_secs(30), heard.recv()).await });
        next.expect("nothing was heard").unwrap()
    }

    /// That no message came that nobody asked for.
    #[track_caller]
    pub fn heard_nothing_more(&self) {
        if let Ok(heard) = self.heard.lock().unwrap().try_recv() {
            panic!("heard: {heard:?}");
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
