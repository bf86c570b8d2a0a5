//! The doors under abuse: real sockets, short limits. Who takes more than it may is cut off and counted, and an honest
//! caller is answered meanwhile and afterwards.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use rustls_pki_types::ServerName;
use simyard::env::Clock;
use simyard::http::listener::{Listener, ListenerLimits};
use simyard::http::meter::{Cut, Meter};
use simyard::pki::Anchors;
use simyard::pki::tls::{ServerVerifier, client_config, server_config};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{block_on, left_out};
use crate::server::{ADDRESS, NOW, PKI, tls_identity};

crate::tests!(
    a_peer_that_has_its_share_gets_no_more_until_it_gives_some_back,
    the_end_comes_though_every_place_is_taken,
    a_client_that_asks_and_does_not_read_is_cut_off,
    a_connection_ends_at_its_age,
    a_handshake_that_is_not_finished_is_cut_off,
    what_is_no_tls_is_cut_off,
    a_head_that_comes_drop_by_drop_is_cut_off,
    a_body_that_comes_drop_by_drop_is_cut_off,
    a_body_over_the_limit_is_refused_before_it_is_read,
    what_is_no_http_is_cut_off,
    idle_connections_are_closed,
    a_client_that_stops_half_way_through_a_request_is_let_go,
    pipelined_requests_are_answered_one_after_the_other,
    tls_is_not_renegotiated,
);

const NAME: &str = "test";
const SHORT: Duration = Duration::from_millis(200);
/// Much longer than anything that is waited for, much shorter than the defaults.
const LONG: Duration = Duration::from_secs(8);
const MAX_BODY: usize = 1000;
const HEAD: &str = "Host: smdp.example.com\r\n";

struct Fixture {
    address: SocketAddr,
    connector: TlsConnector,
    meter: Arc<Meter>,
    end: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<()>,
}

impl Fixture {
    async fn start(limits: ListenerLimits) -> Self {
        let clock = Clock::fixed(NOW);
        let anchors = Arc::new(Anchors::new(vec![PKI.ci.certificate.clone()]).unwrap());
        let verifier = Arc::new(ServerVerifier::new(anchors, clock.clone()));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let meter = Arc::new(Meter::new(clock));
        let listener = Listener {
            name: NAME,
            socket,
            tls: Some(Arc::new(server_config(&tls_identity(&PKI.dp_tls), None).unwrap())),
            router: Router::new()
                // More than the sockets on the way take in.
                .route("/large", get(|| async { vec![0_u8; 64 << 20] }))
                .route("/length", post(|body: Bytes| async move { body.len().to_string() })),
            limits: ListenerLimits { body_octets: MAX_BODY, ..limits },
            meter: Arc::clone(&meter),
        };
        let (end, ended) = watch::channel(false);
        let serving = tokio::spawn(listener.serve(ended));
        let connector = TlsConnector::from(Arc::new(client_config(verifier, None).unwrap()));
        Self { address, connector, meter, end, serving }
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn try_tls(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(ADDRESS).unwrap();
        let connected = self.connector.connect(name, self.tcp().await);
        tokio::time::timeout(LONG, connected).await.expect("a place")
    }

    async fn tls(&self) -> TlsStream<TcpStream> {
        self.try_tls().await.unwrap()
    }

    /// Waits until so many connections were cut for this.
    async fn cut(&self, cut: Cut, times: u64) {
        let cut_so_often = async {
            while self.meter.cuts(NAME, cut) < times {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, cut_so_often).await.unwrap_or_else(|_| panic!("no {cut:?}"));
        assert_eq!(self.meter.cuts(NAME, cut), times);
    }

    /// That nobody was cut for another reason.
    fn only(&self, cut: Cut) {
        for other in Cut::ALL {
            assert!(other == cut || self.meter.cuts(NAME, other) == 0, "{other:?}");
        }
    }

    /// An honest caller is served.
    async fn serves(&self) {
        let mut stream = self.tls().await;
        send(&mut stream, &format!("POST /length HTTP/1.1\r\n{HEAD}Content-Length: 3\r\n\r\nabc")).await;
        assert!(answer(&mut stream).await.ends_with("\r\n\r\n3"));
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

/// One small answer.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut octets = [0; 4096];
    let read = tokio::time::timeout(LONG, stream.read(&mut octets)).await.expect("an answer").unwrap();
    String::from_utf8(octets[..read].to_vec()).unwrap()
}

/// All that comes until the server closes the connection.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut octets = Vec::new();
    let end = tokio::time::timeout(LONG, stream.read_to_end(&mut octets)).await;
    let said = String::from_utf8(octets).unwrap();
    // Whether the close is orderly is not what is asked here.
    assert!(end.is_ok(), "no end after {said:?}");
    said
}

/// Sends one octet after the other, each as soon as the server had a chance to cut the connection, and gives back what
/// it said.
async fn drip(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), octet: u8) -> String {
    let dripped = async {
        let mut said = Vec::new();
        loop {
            let mut octets = [0; 1024];
            match tokio::time::timeout(SHORT / 8, stream.read(&mut octets)).await {
                Ok(Ok(0) | Err(_)) => return said,
                Ok(Ok(read)) => said.extend_from_slice(&octets[..read]),
                Err(_) => {
                    if stream.write_all(&[octet]).await.is_err() || stream.flush().await.is_err() {
                        return said;
                    }
                }
            }
        }
    };
    let said = tokio::time::timeout(LONG, dripped).await.expect("the end");
    String::from_utf8(said).unwrap()
}

/// Whether the connection is open, as far as can be seen without speaking.
async fn is_open(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    tokio::time::timeout(SHORT, stream.read(&mut [0; 1])).await.is_err()
}

fn a_peer_that_has_its_share_gets_no_more_until_it_gives_some_back() {
    block_on(async {
        let limits = ListenerLimits { connections_of_one_peer: 2, ..ListenerLimits::new(8) };
        let fixture = Fixture::start(limits).await;
        let (first, mut second) = (fixture.tls().await, fixture.tls().await);
        assert_eq!(rest(&mut fixture.tcp().await).await, "");
        fixture.cut(Cut::PeerShare, 1).await;
        fixture.only(Cut::PeerShare);
        drop(first);
        let mut third = loop {
            if let Ok(stream) = fixture.try_tls().await {
                break stream;
            }
        };
        assert!(is_open(&mut third).await && is_open(&mut second).await);
    });
}

fn the_end_comes_though_every_place_is_taken() {
    block_on(async {
        let limits = ListenerLimits { orderly_end: SHORT, ..ListenerLimits::new(1) };
        let fixture = Fixture::start(limits).await;
        let _stuck = fixture.tcp().await;
        fixture.end.send_replace(true);
        tokio::time::timeout(LONG, fixture.serving).await.expect("the end").unwrap();
    });
}

fn a_client_that_asks_and_does_not_read_is_cut_off() {
    block_on(async {
        let fixture = Fixture::start(ListenerLimits { write_stall: SHORT, ..ListenerLimits::new(1) }).await;
        let mut deaf = fixture.tls().await;
        send(&mut deaf, &format!("GET /large HTTP/1.1\r\n{HEAD}\r\n").repeat(4)).await;
        fixture.cut(Cut::WriteStall, 1).await;
        fixture.only(Cut::WriteStall);
        fixture.serves().await;
    });
}

fn a_connection_ends_at_its_age() {
    block_on(async {
        let fixture = Fixture::start(ListenerLimits { age: SHORT, ..ListenerLimits::new(1) }).await;
        assert_eq!(rest(&mut fixture.tls().await).await, "");
        fixture.serves().await;
    });
}

fn a_handshake_that_is_not_finished_is_cut_off() {
    block_on(async {
        let fixture = Fixture::start(ListenerLimits { handshake: SHORT, ..ListenerLimits::new(8) }).await;
        let mut silent = fixture.tcp().await;
        let mut half = fixture.tcp().await;
        // The head of a record that announces a ClientHello, and its first octets.
        half.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]).await.unwrap();
        fixture.serves().await;
        assert_eq!(rest(&mut silent).await, "");
        assert_eq!(drip(&mut half, 0).await, "");
        fixture.cut(Cut::HandshakeTime, 2).await;
        fixture.only(Cut::HandshakeTime);
        fixture.serves().await;
    });
}

fn what_is_no_tls_is_cut_off() {
    block_on(async {
        let fixture = Fixture::start(ListenerLimits::new(8)).await;
        let mut plain = fixture.tcp().await;
        send(&mut plain, &format!("GET /large HTTP/1.1\r\n{HEAD}\r\n")).await;
        let mut said = Vec::new();
        let _ = tokio::time::timeout(LONG, plain.read_to_end(&mut said)).await.expect("the end");
        assert!(said.len() < 16, "an alert at most");
        fixture.cut(Cut::Handshake, 1).await;
        fixture.only(Cut::Handshake);
        fixture.serves().await;
    });
}

fn a_head_that_comes_drop_by_drop_is_cut_off() {
    block_on(async {
        let fixture = Fixture::start(ListenerLimits { head: SHORT, ..ListenerLimits::new(8) }).await;
        let mut slow = fixture.tls().await;
        send(&mut slow, "POST /length HTTP/1.1\r\nX-A: ").await;
        assert_eq!(drip(&mut slow, b'a').await, "");
        fixture.cut(Cut::HeadTime, 1).await;
        fixture.only(Cut::HeadTime);
        fixture.serves().await;
    });
}

fn a_body_that_comes_drop_by_drop_is_cut_off() {
    block_on(async {
        let fixture = Fixture::start(ListenerLimits { request: SHORT, ..ListenerLimits::new(8) }).await;
        let mut slow = fixture.tls().await;
        send(&mut slow, &format!("POST /length HTTP/1.1\r\n{HEAD}Content-Length: 900\r\n\r\n")).await;
        let said = drip(&mut slow, b'a').await;
        assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("connection: close"), "{said}");
        fixture.cut(Cut::RequestTime, 1).await;
        fixture.only(Cut::RequestTime);
        fixture.serves().await;
    });
}

fn a_body_over_the_limit_is_refused_before_it_is_read() {
    block_on(async {
        let fixture = Fixture::start(ListenerLimits::new(8)).await;
        let mut announced = fixture.tls().await;
        let head = format!("POST /length HTTP/1.1\r\n{HEAD}");
        send(&mut announced, &format!("{head}Content-Length: 99999999999\r\n\r\n")).await;
        let said = rest(&mut announced).await;
        assert!(said.starts_with("HTTP/1.1 413 ") && said.contains("connection: close"), "{said}");
        fixture.cut(Cut::Body, 1).await;
        let mut chunked = fixture.tls().await;
        let chunk = format!("3e8\r\n{}\r\n", "a".repeat(1000));
        send(&mut chunked, &format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}")).await;
        let said = rest(&mut chunked).await;
        assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
        fixture.cut(Cut::Body, 2).await;
        // One that is not far above it hears the answer behind all that it sends.
        let mut sent = fixture.tls().await;
        send(&mut sent, &format!("{head}Content-Length: 3000\r\n\r\n{}", "a".repeat(3000))).await;
        assert!(rest(&mut sent).await.starts_with("HTTP/1.1 413 "));
        fixture.cut(Cut::Body, 3).await;
        fixture.only(Cut::Body);
        fixture.serves().await;
    });
}

fn what_is_no_http_is_cut_off() {
    block_on(async {
        let fixture = Fixture::start(ListenerLimits::new(8)).await;
        for (times, nonsense) in (1..).zip([
            "\x16\x03\x01\r\n\r\n".to_owned(),
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            format!("POST /length HTTP/1.1\r\n{HEAD}Content-Length: three\r\n\r\n"),
            format!("POST /length HTTP/1.1\r\n{HEAD}X-Large: {}\r\n\r\n", "a".repeat(300_000)),
        ]) {
            let mut stream = fixture.tls().await;
            // The server may close before it has all of it.
            let _ = stream.write_all(nonsense.as_bytes()).await;
            let _ = stream.flush().await;
            let said = rest(&mut stream).await;
            assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
            fixture.cut(Cut::NoHttp, times).await;
        }
        fixture.only(Cut::NoHttp);
        fixture.serves().await;
    });
}

fn idle_connections_are_closed() {
    block_on(async {
        let fixture = Fixture::start(ListenerLimits { head: SHORT, ..ListenerLimits::new(64) }).await;
        let mut idle = Vec::new();
        for _ in 0..16 {
            let mut stream = fixture.tls().await;
            send(&mut stream, &format!("POST /length HTTP/1.1\r\n{HEAD}Content-Length: 1\r\n\r\na")).await;
            assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
            idle.push(stream);
        }
        for mut stream in idle {
            assert_eq!(rest(&mut stream).await, "");
        }
        fixture.serves().await;
    });
}

/// Its half-open connection is closed from this side too.
fn a_client_that_stops_half_way_through_a_request_is_let_go() {
    block_on(async {
        let fixture = Fixture::start(ListenerLimits::new(1)).await;
        for begun in [
            "POST /length HT".to_owned(),
            format!("POST /length HTTP/1.1\r\n{HEAD}Content-Length: 900\r\n\r\nabc"),
            String::new(),
        ] {
            let mut stream = fixture.tls().await;
            send(&mut stream, &begun).await;
            stream.shutdown().await.unwrap();
            rest(&mut stream).await;
        }
        // The only place is free again.
        fixture.serves().await;
    });
}

fn pipelined_requests_are_answered_one_after_the_other() {
    block_on(async {
        let fixture = Fixture::start(ListenerLimits::new(8)).await;
        let mut stream = fixture.tls().await;
        let body = |number: usize| "a".repeat(number);
        let requests: String = (0..200)
            .map(|number| {
                format!("POST /length HTTP/1.1\r\n{HEAD}Content-Length: {number}\r\n\r\n{}", body(number))
            })
            .collect();
        send(&mut stream, &requests).await;
        send(&mut stream, &format!("POST /length HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n")).await;
        let said = rest(&mut stream).await;
        let answers: Vec<&str> =
            said.split("\r\n\r\n").skip(1).map(|part| part.split("HTTP").next().unwrap()).collect();
        let expected: Vec<String> =
            (0..200).map(|number| number.to_string()).chain(["0".to_owned()]).collect();
        assert_eq!(answers, expected);
        fixture.serves().await;
    });
}

/// A client that asks for it in TLS 1.2 gets no second handshake, and the others do not notice.
fn tls_is_not_renegotiated() {
    if Command::new("openssl").arg("version").output().is_err() {
        left_out("TLS renegotiation", "no openssl on this machine to ask for it");
        return;
    }
    block_on(async {
        let fixture = Fixture::start(ListenerLimits::new(8)).await;
        let address = fixture.address.to_string();
        let asked = tokio::task::spawn_blocking(move || {
            let mut client = Command::new("openssl")
                .args(["s_client", "-tls1_2", "-legacy_renegotiation", "-connect", &address])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            // A line of its own with R asks for a handshake; the client ends when it does not get one.
            client.stdin.as_mut().unwrap().write_all(b"R\n").unwrap();
            let (mut said, mut errors) = (String::new(), String::new());
            client.stdout.take().unwrap().read_to_string(&mut said).unwrap();
            client.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
            client.wait().unwrap();
            said + &errors
        });
        let said = tokio::time::timeout(LONG, asked).await.expect("the end").unwrap();
        assert!(said.contains("RENEGOTIATING") && said.contains("no renegotiation"), "{said}");
        fixture.serves().await;
    });
}
