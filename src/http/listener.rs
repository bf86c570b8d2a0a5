//! Accepts TLS connections and serves a router on them.
//!
//! Everything a stranger may take is bounded: connections at a time, in all and for one address; the time for a
//! handshake, for a request's head and between two requests, for taking an answer, and for a connection altogether; and
//! the size of a request. A client certificate, if the interface asks for one, is put into the request's extensions for
//! [`super::caller`].

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
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
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::ident::Peer;

/// Time for the head of a request, which is also how long an idle connection is kept.
const REQUEST_HEAD: Duration = Duration::from_secs(60);
/// Time for a request with its body and its answer.
const REQUEST: Duration = Duration::from_secs(30);
/// Pause after the system refused a connection (too many open files): trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Octets of a request's head and read buffer.
const MAX_HEAD_OCTETS: usize = 64 * 1024;

/// The certificate that the client of this connection proved to hold.
#[derive(Clone)]
pub struct ClientCertificate(pub CertificateDer<'static>);

/// What strangers may take of an interface.
#[derive(Clone, Copy, Debug)]
pub struct ListenerLimits {
    /// Connections at a time; more wait for their turn.
    pub connections: usize,
    /// Connections at a time of one IPv4 address, or of one IPv6 network of 64 bits; more are closed at once.
    pub connections_of_one_peer: usize,
    /// Time for a TLS handshake.
    pub handshake: Duration,
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
            handshake: Duration::from_secs(10),
            write_stall: Duration::from_secs(30),
            age: Duration::from_secs(600),
            orderly_end: Duration::from_secs(10),
        }
    }
}

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
    /// What strangers may take of it.
    pub limits: ListenerLimits,
}

impl Listener {
    /// Serves until `end` turns true, then lets open requests finish.
    pub async fn serve(self, mut end: watch::Receiver<bool>) {
        let acceptor = TlsAcceptor::from(self.tls);
        let router = self.router.layer(middleware::from_fn(in_time));
        let limits = self.limits;
        let places = Arc::new(Semaphore::new(limits.connections));
        let peers = Peers { open: Arc::default(), most: limits.connections_of_one_peer };
        let mut connections = JoinSet::new();
        loop {
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
                self.socket.accept().await.map(|(stream, address)| (place, stream, Peer::from(address.ip())))
            };
            let accepted = tokio::select! {
                accepted = accepted => accepted,
                () = ended(&mut end) => break,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((place, stream, peer)) => {
                    let Some(share) = peers.admit(peer) else {
                        tracing::debug!(interface = self.name, %peer, "too many connections of one peer");
                        continue;
                    };
                    let (acceptor, router, end) = (acceptor.clone(), router.clone(), end.clone());
                    connections.spawn(async move {
                        connection(self.name, stream, peer, acceptor, router, end, limits).await;
                        drop((place, share));
                    });
                }
                Err(error) => {
                    tracing::warn!(interface = self.name, %error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(limits.orderly_end, all).await.is_err() {
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
    peer: Peer,
    acceptor: TlsAcceptor,
    router: Router,
    mut end: watch::Receiver<bool>,
    limits: ListenerLimits,
) {
    let _ = stream.set_nodelay(true);
    let stream = Unstalled { stream, most: limits.write_stall, waiting: None };
    let stream = match tokio::time::timeout(limits.handshake, acceptor.accept(stream)).await {
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
        request.extensions_mut().insert(peer);
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        request.map(axum::body::Body::new)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(REQUEST_HEAD).max_buf_size(MAX_HEAD_OCTETS);
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(served);
    let last_request = async {
        tokio::select! {
            () = ended(&mut end) => {}
            () = tokio::time::sleep(limits.age) => {}
        }
    };
    let result = tokio::select! {
        result = &mut served => Ok(result),
        () = last_request => {
            served.as_mut().graceful_shutdown();
            tokio::time::timeout(limits.orderly_end, served).await
        }
    };
    match result {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(interface = name, %error, "connection ended"),
        Err(_) => tracing::debug!(interface = name, "connection was cut off at its end"),
    }
}

/// Who has how many connections.
struct Peers {
    open: Arc<Mutex<HashMap<Peer, usize>>>,
    most: usize,
}

impl Peers {
    /// A connection's share of what its peer may have; `None` if the peer has all of it.
    fn admit(&self, peer: Peer) -> Option<Share> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(peer).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share { open: Arc::clone(&self.open), peer })
    }
}

/// Given back when the connection ends.
struct Share {
    open: Arc<Mutex<HashMap<Peer, usize>>>,
    peer: Peer,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

/// A stream whose reader must go on reading: what cannot be written for so long fails.
struct Unstalled<S> {
    stream: S,
    most: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncWrite + Unpin> Unstalled<S> {
    fn in_time<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = poll(Pin::new(&mut self.stream), context) {
            self.waiting = None;
            return Poll::Ready(done);
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.most)));
        waiting.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unstalled<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unstalled<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().in_time(context, |stream, context| stream.poll_write(context, octets))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().in_time(context, |stream, context| stream.poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().in_time(context, |stream, context| stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().in_time(context, |stream, context| stream.poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use rustls_pki_types::ServerName;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;

    use super::*;
    use crate::env::{Clock, Rng, Timestamp};
    use crate::ident::Eid;
    use crate::pki::Anchors;
    use crate::pki::test_pki::{TestPki, TestPkiOptions};
    use crate::pki::tls::{ServerVerifier, TlsIdentity, client_config, server_config};

    const NOW: Timestamp = Timestamp::from_secs(1_795_329_780);
    const HOST: &str = "smdp.example.com";
    const SHORT: Duration = Duration::from_millis(200);
    /// Much longer than anything that is waited for, much shorter than the defaults.
    const LONG: Duration = Duration::from_secs(5);

    struct Fixture {
        address: std::net::SocketAddr,
        connector: TlsConnector,
        end: watch::Sender<bool>,
        serving: tokio::task::JoinHandle<()>,
    }

    impl Fixture {
        async fn start(limits: ListenerLimits) -> Self {
            let options = TestPkiOptions {
                host_names: vec![HOST.to_owned()],
                eid: Eid::parse("89049032000000000000279973200019").unwrap(),
            };
            let pki = TestPki::generate(&Rng::seeded(1), NOW, &options).unwrap();
            let chain = vec![pki.dp_tls.certificate.der().to_vec()];
            let identity = TlsIdentity::new(chain, Arc::new(pki.dp_tls.key.signing_key().unwrap())).unwrap();
            let anchors = Arc::new(Anchors::new(vec![pki.ci.certificate.clone()]).unwrap());
            let verifier = Arc::new(ServerVerifier::new(anchors, Clock::fixed(NOW)));
            let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = socket.local_addr().unwrap();
            let listener = Listener {
                name: "test",
                socket,
                tls: Arc::new(server_config(&identity, None).unwrap()),
                // More than the sockets on the way take in.
                router: Router::new().route("/", get(|| async { vec![0_u8; 64 << 20] })),
                limits,
            };
            let (end, ended) = watch::channel(false);
            let serving = tokio::spawn(listener.serve(ended));
            let connector = TlsConnector::from(Arc::new(client_config(verifier, None).unwrap()));
            Self { address, connector, end, serving }
        }

        async fn tcp(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }

        async fn tls(&self) -> TlsStream<TcpStream> {
            let name = ServerName::try_from(HOST).unwrap();
            let connected = self.connector.connect(name, self.tcp().await);
            tokio::time::timeout(LONG, connected).await.expect("a place").unwrap()
        }
    }

    /// Whether the server closes the connection before long.
    async fn is_closed(stream: &mut (impl AsyncRead + Unpin)) -> bool {
        let mut octets = [0; 64];
        tokio::time::timeout(2 * SHORT, stream.read(&mut octets))
            .await
            .is_ok_and(|read| read.unwrap_or(0) == 0)
    }

    #[tokio::test]
    async fn a_peer_that_has_its_share_gets_no_more_until_it_gives_some_back() {
        let fixture =
            Fixture::start(ListenerLimits { connections_of_one_peer: 2, ..ListenerLimits::new(8) }).await;
        let (mut first, mut second) = (fixture.tls().await, fixture.tls().await);
        assert!(is_closed(&mut fixture.tcp().await).await);
        assert!(!is_closed(&mut first).await);
        drop(first);
        tokio::time::sleep(SHORT).await;
        let mut third = fixture.tls().await;
        assert!(!is_closed(&mut third).await && !is_closed(&mut second).await);
    }

    #[test]
    fn a_share_is_of_one_peer_until_it_is_given_back() {
        let peers = Peers { open: Arc::default(), most: 1 };
        let admit = |address: &str| peers.admit(Peer::from(address.parse::<std::net::IpAddr>().unwrap()));
        let _first = admit("2001:db8::1").unwrap();
        assert!(admit("2001:db8::ffff:2").is_none());
        let _other = admit("192.0.2.1").unwrap();
        drop(admit("192.0.2.2"));
        assert!(admit("192.0.2.2").is_some());
    }

    #[tokio::test]
    async fn the_end_comes_though_every_place_is_taken() {
        let limits = ListenerLimits { orderly_end: SHORT, ..ListenerLimits::new(1) };
        let fixture = Fixture::start(limits).await;
        let _stuck = fixture.tcp().await;
        tokio::time::sleep(SHORT).await;
        fixture.end.send_replace(true);
        tokio::time::timeout(LONG, fixture.serving).await.expect("the end").unwrap();
    }

    #[tokio::test]
    async fn a_client_that_asks_and_does_not_read_is_cut_off() {
        let limits = ListenerLimits { write_stall: SHORT, ..ListenerLimits::new(1) };
        let fixture = Fixture::start(limits).await;
        let mut deaf = fixture.tls().await;
        for _ in 0..4 {
            deaf.write_all(b"GET / HTTP/1.1\r\nHost: smdp.example.com\r\n\r\n").await.unwrap();
        }
        deaf.flush().await.unwrap();
        let _next = fixture.tls().await;
    }

    #[tokio::test]
    async fn a_connection_ends_at_its_age() {
        let fixture = Fixture::start(ListenerLimits { age: SHORT, ..ListenerLimits::new(1) }).await;
        let mut old = fixture.tls().await;
        let mut octets = [0; 64];
        let read = tokio::time::timeout(LONG, old.read(&mut octets)).await.expect("the end");
        assert_eq!(read.unwrap_or(0), 0);
    }
}
