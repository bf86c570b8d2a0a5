//! Accepts TLS connections and serves a router on them.
//!
//! Everything a stranger may take is bounded: connections at a time, the time for a handshake, for a request's head
//! and between two requests, and the size of a request. A client certificate, if the interface asks for one, is put
//! into the request's extensions for [`super::caller`].

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls_pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// Time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time for the head of a request, which is also how long an idle connection is kept.
const REQUEST_HEAD: Duration = Duration::from_secs(60);
/// Time for a request with its body and its answer.
const REQUEST: Duration = Duration::from_secs(30);
/// Time that open requests get when the server ends.
const ORDERLY_END: Duration = Duration::from_secs(10);
/// Pause after the system refused a connection (too many open files): trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Octets of a request's head and read buffer.
const MAX_HEAD_OCTETS: usize = 64 * 1024;

/// The certificate that the client of this connection proved to hold.
#[derive(Clone)]
pub struct ClientCertificate(pub CertificateDer<'static>);

/// One interface of the server.
pub struct Listener {
    /// Its name in the log.
    pub name: &'static str,
    /// Where it accepts connections.
    pub socket: TcpListener,
    /// Its side of TLS.
    pub tls: Arc<rustls::ServerConfig>,
    /// What it serves.
    pub router: Router,
    /// Connections at a time; more wait for their turn.
    pub max_connections: usize,
}

impl Listener {
    /// Serves until `end` turns true, then lets open requests finish.
    pub async fn serve(self, mut end: watch::Receiver<bool>) {
        let acceptor = TlsAcceptor::from(self.tls);
        let router = self.router.layer(middleware::from_fn(in_time));
        let places = Arc::new(Semaphore::new(self.max_connections));
        let mut connections = JoinSet::new();
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = ended(&mut end) => break,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    let (acceptor, router) = (acceptor.clone(), router.clone());
                    connections.spawn(connection(self.name, stream, acceptor, router, end.clone(), place));
                }
                Err(error) => {
                    tracing::warn!(interface = self.name, %error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(ORDERLY_END, all).await.is_err() {
            tracing::warn!(interface = self.name, "requests were cut off at the end");
        }
    }
}

/// A client that sends its body drop by drop does not hold a connection for ever. Where a body is refused unread, the
/// connection ends with the answer, and the client hears so: its next request would be lost.
async fn in_time(request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    if matches!(response.status(), StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Waits until the server is to end.
async fn ended(end: &mut watch::Receiver<bool>) {
    // The guard that `wait_for` returns must not live across an await.
    drop(end.wait_for(|end| *end).await);
}

async fn connection(
    name: &'static str,
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    mut end: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(interface = name, %error, "TLS handshake failed");
            return;
        }
        Err(_) => return,
    };
    let certificate = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[CertificateDer<'_>]>::first)
        .map(|certificate| ClientCertificate(certificate.clone().into_owned()));
    let service = router.map_request(move |mut request: Request<Incoming>| {
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        request.map(axum::body::Body::new)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(REQUEST_HEAD).max_buf_size(MAX_HEAD_OCTETS);
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(served);
    let result = tokio::select! {
        result = &mut served => result,
        () = ended(&mut end) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(interface = name, %error, "connection ended");
    }
}
