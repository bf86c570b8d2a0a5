//! Accepts connections and serves a router on them, over TLS but for the interface of the machine's own.
//!
//! Everything a stranger may take is bounded: connections at a time, in all and for one peer; the time for a handshake,
//! for a request's head and between two requests, for the request with its body, for taking an answer, and for a
//! connection altogether; and the size of a request. Whoever takes more is cut off and counted, by what it did. A peer,
//! and a client certificate if the interface asks for one, are put into the request's extensions for [`super::caller`].
//!
//! TLS is not renegotiated: rustls does not know how to.

use std::convert::Infallible;
use std::error::Error as _;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

use self::peers::Peers;
use self::unstalled::Unstalled;
use super::function;
use super::meter::{Answered, Cut, Meter};
use crate::ident::Peer;
use crate::pki::tls::{CertificateRefusal, PeerIdentity, peer_identity};

mod peers;
mod unstalled;

/// Pause after the system refused a connection (too many open files): trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Octets of a request's head and read buffer.
const MAX_HEAD_OCTETS: usize = 64 * 1024;

/// How many times the largest body is taken from a client that announces it, only to tell it that it is too much.
const DISCARDED_BODIES: usize = 4;

/// The certificate that the client of this connection proved to hold: what it says is read once for all requests.
#[derive(Clone)]
pub struct ClientCertificate(Arc<Option<PeerIdentity>>);

impl ClientCertificate {
    /// That of the first certificate of a client's chain.
    #[must_use]
    pub fn of(leaf: &[u8]) -> Self {
        Self(Arc::new(peer_identity(leaf).ok()))
    }

    /// Who it says that calls; `None` if it cannot be read.
    #[must_use]
    pub fn identity(&self) -> Option<&PeerIdentity> {
        Option::as_ref(&self.0)
    }
}

/// What strangers may take of an interface.
#[derive(Clone, Copy, Debug)]
pub struct ListenerLimits {
    /// Connections at a time; more wait for their turn.
    pub connections: usize,
    /// Connections at a time of one IPv4 address, or of one IPv6 network of 64 bits; more are closed at once.
    pub connections_of_one_peer: usize,
    /// Octets of a request's body.
    pub body_octets: usize,
    /// Time for a TLS handshake.
    pub handshake: Duration,
    /// Time for the head of a request, which is also how long an idle connection is kept.
    pub head: Duration,
    /// Time for a request with its body and its answer.
    pub request: Duration,
    /// Time in which a client that is sent something takes some of it.
    pub write_stall: Duration,
    /// Age at which a connection takes no more requests.
    pub age: Duration,
    /// Time that open requests get when the connection or the server ends.
    pub orderly_end: Duration,
}

impl ListenerLimits {
    /// The limits of an interface with so many connections: a quarter of them, but 64 at least, for one peer.
    #[must_use]
    pub fn new(connections: usize) -> Self {
        Self {
            connections,
            connections_of_one_peer: (connections / 4).max(64),
            body_octets: function::MAX_REQUEST_OCTETS,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(60),
            request: Duration::from_secs(30),
            write_stall: Duration::from_secs(30),
            age: Duration::from_secs(600),
            orderly_end: Duration::from_secs(10),
        }
    }

    /// As [`ListenerLimits::new`], with the time that large bodies take; they end where nothing comes for a while.
    #[must_use]
    pub fn of_deliveries(connections: usize) -> Self {
        let hours = Duration::from_secs(6 * 3600);
        Self { request: hours, age: hours, ..Self::new(connections) }
    }
}

/// Hears of clients that were turned away at the door.
pub trait DoorWatch: Send + Sync {
    /// The client's certificate was not taken, or it showed none where one is needed.
    fn certificate_refused(&self, peer: Peer, refusal: CertificateRefusal);
}

/// One interface of the server.
pub struct Listener {
    /// Its name in the log and in metrics.
    pub name: &'static str,
    /// Where it accepts connections.
    pub socket: TcpListener,
    /// Its side of TLS; `None` for plain HTTP, on the loopback alone.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// What it serves.
    pub router: Router,
    /// What strangers may take of it.
    pub limits: ListenerLimits,
    /// Counts what happens on it.
    pub meter: Arc<Meter>,
}

/// What all connections of a listener share.
#[derive(Clone)]
struct Shared {
    name: &'static str,
    acceptor: Option<TlsAcceptor>,
    guarded: Arc<Guarded>,
    limits: ListenerLimits,
    meter: Arc<Meter>,
    watch: Option<Arc<dyn DoorWatch>>,
    end: watch::Receiver<bool>,
}

impl Listener {
    /// Serves until `end` turns true, then lets open requests finish.
    pub async fn serve(self, end: watch::Receiver<bool>) {
        self.serve_watched(end, None).await;
    }

    /// As [`Listener::serve`]; `watch` hears of clients that are turned away.
    pub async fn serve_watched(self, mut end: watch::Receiver<bool>, watch: Option<Arc<dyn DoorWatch>>) {
        let Self { name, socket, tls, router, limits, meter } = self;
        let guarded = Guarded { name, router, limits, meter: Arc::clone(&meter) };
        let shared = Shared {
            name,
            acceptor: tls.map(TlsAcceptor::from),
            guarded: Arc::new(guarded),
            limits,
            meter,
            watch,
            end: end.clone(),
        };
        let places = Arc::new(Semaphore::new(limits.connections));
        let peers = Peers::new(limits.connections_of_one_peer);
        let mut connections = JoinSet::new();
        loop {
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
                socket.accept().await.map(|(stream, address)| (place, stream, Peer::from(address.ip())))
            };
            let accepted = tokio::select! {
                accepted = accepted => accepted,
                () = ended(&mut end) => break,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((place, stream, peer)) => {
                    let Some(share) = peers.admit(peer) else {
                        shared.cut(Cut::PeerShare);
                        continue;
                    };
                    let shared = shared.clone();
                    connections.spawn(async move {
                        let counted = shared.meter.connection(shared.name);
                        shared.connection(stream, peer).await;
                        drop((counted, place, share));
                    });
                }
                Err(error) => {
                    tracing::warn!(interface = name, %error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(limits.orderly_end, all).await.is_err() {
            tracing::warn!(interface = name, "requests were cut off at the end");
        }
    }
}

/// The router, and what stands before it.
struct Guarded {
    name: &'static str,
    router: Router,
    limits: ListenerLimits,
    meter: Arc<Meter>,
}

/// A client that announces too much is not waited for, and one that sends its body drop by drop does not hold a
/// connection for ever. Where a body is refused unread, the connection ends with the answer, and the client hears so:
/// its next request would be lost. A layer of the router could do all this, but boxes and copies the whole router for each
/// request.
async fn guard(guarded: Arc<Guarded>, mut request: Request) -> Result<Response, Infallible> {
    let started = guarded.meter.started();
    let served = async {
        let announced = usize::try_from(request.body().size_hint().lower()).unwrap_or(usize::MAX);
        if announced <= guarded.limits.body_octets {
            // What a body has that announces nothing is counted as it is read.
            DefaultBodyLimit::max(guarded.limits.body_octets).apply(&mut request);
            let Ok(response) = guarded.router.clone().call(request).await;
            return response;
        }
        if announced <= guarded.limits.body_octets.saturating_mul(DISCARDED_BODIES) {
            discard(request.into_body()).await;
        }
        StatusCode::PAYLOAD_TOO_LARGE.into_response()
    };
    let mut response = match tokio::time::timeout(guarded.limits.request, served).await {
        Ok(response) => response,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let answered = response.extensions().get::<Answered>().copied();
    guarded.meter.call(guarded.name, answered, response.status(), started);
    let cut = match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Some(Cut::Body),
        StatusCode::REQUEST_TIMEOUT => Some(Cut::RequestTime),
        _ => None,
    };
    if let Some(cut) = cut {
        guarded.meter.cut(guarded.name, cut);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Takes what a client sends, and forgets it: one that is cut off while it sends hears no answer.
async fn discard(mut body: axum::body::Body) {
    while let Some(Ok(_)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {}
}

/// Waits until the server is to end.
async fn ended(end: &mut watch::Receiver<bool>) {
    // The guard that `wait_for` returns must not live across an await.
    drop(end.wait_for(|end| *end).await);
}

impl Shared {
    fn cut(&self, cut: Cut) {
        tracing::debug!(interface = self.name, cause = cut.name(), "connection cut");
        self.meter.cut(self.name, cut);
    }

    async fn connection(self, stream: TcpStream, peer: Peer) {
        let _ = stream.set_nodelay(true);
        let stream = Unstalled::new(stream, self.limits.write_stall);
        let Some(acceptor) = &self.acceptor else { return self.serve(stream, peer, None).await };
        match tokio::time::timeout(self.limits.handshake, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let certificate = stream
                    .get_ref()
                    .1
                    .peer_certificates()
                    .and_then(<[CertificateDer<'_>]>::first)
                    .map(|leaf| ClientCertificate::of(leaf));
                self.serve(stream, peer, certificate).await;
            }
            Ok(Err(error)) => {
                tracing::debug!(interface = self.name, %error, "TLS handshake failed");
                let cause = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
                if let (Some(watch), Some(refusal)) = (&self.watch, cause.and_then(CertificateRefusal::of)) {
                    watch.certificate_refused(peer, refusal);
                }
                self.cut(Cut::Handshake);
            }
            Err(_) => self.cut(Cut::HandshakeTime),
        }
    }

    async fn serve<S>(mut self, stream: S, peer: Peer, certificate: Option<ClientCertificate>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let guarded = Arc::clone(&self.guarded);
        let service = service_fn(move |request: axum::http::Request<Incoming>| {
            let mut request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(peer);
            if let Some(certificate) = &certificate {
                request.extensions_mut().insert(certificate.clone());
            }
            guard(Arc::clone(&guarded), request)
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.limits.head).max_buf_size(MAX_HEAD_OCTETS);
        let served = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(served);
        let last_request = async {
            tokio::select! {
                () = ended(&mut self.end) => {}
                () = tokio::time::sleep(self.limits.age) => {}
            }
        };
        let result = tokio::select! {
            result = &mut served => Ok(result),
            () = last_request => {
                served.as_mut().graceful_shutdown();
                tokio::time::timeout(self.limits.orderly_end, served).await
            }
        };
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(interface = self.name, %error, "connection ended");
                if let Some(cut) = cut_by(&error) {
                    self.cut(cut);
                }
            }
            Err(_) => self.cut(Cut::End),
        }
    }
}

/// What we ended a connection for; `None` if the client did.
fn cut_by(error: &hyper::Error) -> Option<Cut> {
    let stalled = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
    };
    if error.source().is_some_and(stalled) {
        Some(Cut::WriteStall)
    } else if error.is_timeout() {
        Some(Cut::HeadTime)
    } else if error.is_parse() {
        Some(Cut::NoHttp)
    } else {
        None
    }
}
