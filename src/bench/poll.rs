//! Idle polls of devices: GetEimPackage (SGP.32 5.14.5) where nothing waits, over mutual TLS, many devices at a time.
//!
//! A device is a thread with a certificate and an EID of its own. It polls over one connection that is kept, or opens one for
//! each poll, as a device that sleeps in between does; the handshake then is most of the work. Requests are octets that
//! were made before: what is measured is the server, not a client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::client::Resumption;
use rustls_pki_types::ServerName;
use simyard_asn1::iot::esipa::{
    EimPackageError, EsipaRequest, EsipaResponse, GetEimPackageRequest, GetEimPackageResponse,
};
use simyard_asn1::{Decode as _, Encode as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::BenchError;
use super::download::Connections;
use crate::env::Clock;
use crate::ident::Eid;

/// Octets of an answer at most.
const MAX_ANSWER_OCTETS: usize = 16 * 1024;
/// Polls of one device before it has to be idle: an eIM asks eUICCs that it does not know who they are.
const INTRODUCTIONS_MAX: usize = 16;

/// A device of a benchmark.
pub struct Device {
    /// The EID that its certificate names.
    pub eid: Eid,
    /// How it speaks TLS.
    pub tls: rustls::ClientConfig,
}

/// Devices that poll one server.
pub struct Pollers {
    devices: Vec<Poller>,
    clock: Clock,
}

struct Poller {
    connector: TlsConnector,
    name: ServerName<'static>,
    address: SocketAddr,
    /// With a connection that is kept, and with one that ends.
    requests: [Vec<u8>; 2],
}

impl Pollers {
    /// These devices, which call the server `host` at `address`. A session is never resumed: each handshake is whole.
    ///
    /// # Errors
    /// [`BenchError::Handshake`] for a host that is none.
    pub fn new(
        devices: Vec<Device>,
        host: &'static str,
        address: SocketAddr,
        clock: Clock,
    ) -> Result<Self, BenchError> {
        let name = ServerName::try_from(host).map_err(|error| BenchError::Handshake(error.to_string()))?;
        let poller = |device: Device| {
            let Device { eid, mut tls } = device;
            tls.resumption = Resumption::disabled();
            let requests = ["keep-alive", "close"].map(|connection| request(&eid, host, connection));
            Poller { connector: TlsConnector::from(Arc::new(tls)), name: name.clone(), address, requests }
        };
        Ok(Self { devices: devices.into_iter().map(poller).collect(), clock })
    }

    /// Polls with every device until nothing waits for it.
    ///
    /// # Errors
    /// [`BenchError::Poll`] for a device that is never idle; those of a poll that failed.
    pub fn introduce(&self) -> Result<(), BenchError> {
        self.each(|poller, runtime| {
            for _ in 0..INTRODUCTIONS_MAX {
                if runtime.block_on(poller.poll_once())? {
                    return Ok(());
                }
            }
            Err(BenchError::Poll("the eIM goes on asking for something".to_owned()))
        })
        .map(drop)
    }

    /// Makes `count` idle polls, all devices at the same time. Blocks the calling thread, which must not drive a runtime.
    /// Returns how long it took.
    ///
    /// # Errors
    /// [`BenchError::Poll`] for a poll that is not idle; those of a poll that failed.
    pub fn run(&self, count: usize, connections: Connections) -> Result<Duration, BenchError> {
        let done = AtomicUsize::new(0);
        let started = self.clock.monotonic();
        self.each(|poller, runtime| {
            let mut kept = None;
            while done.fetch_add(1, Ordering::Relaxed) < count {
                let is_idle = match connections {
                    Connections::Kept => runtime.block_on(poller.poll_over(&mut kept))?,
                    Connections::NewForEachCall => runtime.block_on(poller.poll_once())?,
                };
                if !is_idle {
                    return Err(BenchError::Poll(
                        "something waits for a device: the poll is not idle".to_owned(),
                    ));
                }
            }
            Ok(())
        })?;
        Ok(self.clock.monotonic().saturating_sub(started))
    }

    /// Each device on a thread of its own.
    fn each(
        &self,
        work: impl Fn(&Poller, &tokio::runtime::Runtime) -> Result<(), BenchError> + Sync,
    ) -> Result<(), BenchError> {
        let work = &work;
        let on_thread = |poller| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            work(poller, &runtime.map_err(|_| BenchError::Thread)?)
        };
        std::thread::scope(|scope| {
            let running: Vec<_> =
                self.devices.iter().map(|poller| scope.spawn(move || on_thread(poller))).collect();
            running.into_iter().try_for_each(|thread| thread.join().map_err(|_| BenchError::Thread)?)
        })
    }
}

/// A poll as octets: head and body.
fn request(eid: &Eid, host: &str, connection: &str) -> Vec<u8> {
    let poll = GetEimPackageRequest::new(eid.to_bcd());
    let body = EsipaRequest::GetEimPackage(poll).to_der();
    let head = format!(
        "POST /gsma/rsp2/asn1 HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-gsma-rsp-asn1\r\n\
         X-Admin-Protocol: gsma/rsp/v2.1.0\r\nUser-Agent: gsma-rsp-ipad\r\nConnection: {connection}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

impl Poller {
    async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        self.connector.connect(self.name.clone(), stream).await
    }

    /// Polls over a connection of its own, until the server has closed it too: then all its work is done.
    async fn poll_once(&self) -> Result<bool, BenchError> {
        let [_, request] = &self.requests;
        let asked = async {
            let mut stream = self.connect().await?;
            stream.write_all(request).await?;
            stream.flush().await?;
            let mut answer = Vec::new();
            let most = u64::try_from(MAX_ANSWER_OCTETS).unwrap_or(u64::MAX);
            (&mut stream).take(most).read_to_end(&mut answer).await?;
            stream.shutdown().await?;
            Ok::<_, std::io::Error>(answer)
        };
        is_idle(&asked.await.map_err(|error| BenchError::Poll(error.to_string()))?)
    }

    /// Polls over the connection that is kept; over a new one if there is none.
    async fn poll_over(&self, kept: &mut Option<TlsStream<TcpStream>>) -> Result<bool, BenchError> {
        let failed = |error: std::io::Error| BenchError::Poll(error.to_string());
        let [request, _] = &self.requests;
        let stream = match kept {
            Some(stream) => stream,
            None => kept.insert(self.connect().await.map_err(failed)?),
        };
        stream.write_all(request).await.map_err(failed)?;
        stream.flush().await.map_err(failed)?;
        let mut answer = Vec::with_capacity(512);
        while !is_whole(&answer) {
            if answer.len() > MAX_ANSWER_OCTETS || stream.read_buf(&mut answer).await.map_err(failed)? == 0 {
                return Err(BenchError::Poll("the server broke off".to_owned()));
            }
        }
        is_idle(&answer)
    }
}

/// Head and body of an answer.
fn parts(answer: &[u8]) -> Option<(&str, &[u8])> {
    const END: &[u8] = b"\r\n\r\n";
    let at = answer.windows(END.len()).position(|window| window == END)?;
    let (head, body) = answer.split_at_checked(at + END.len())?;
    Some((std::str::from_utf8(head).ok()?, body))
}

/// Whether all octets of the body are there that the head announces.
fn is_whole(answer: &[u8]) -> bool {
    let Some((head, body)) = parts(answer) else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_none_or(|length| body.len() >= length)
}

/// Whether the eIM says that nothing waits.
fn is_idle(answer: &[u8]) -> Result<bool, BenchError> {
    let unexpected = || {
        let start = String::from_utf8_lossy(answer.get(..60).unwrap_or(answer)).into_owned();
        BenchError::Poll(format!("the server answered {start:?}"))
    };
    let (head, body) = parts(answer).ok_or_else(unexpected)?;
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(unexpected());
    }
    match EsipaResponse::from_der(body) {
        Ok(EsipaResponse::GetEimPackage(GetEimPackageResponse::Error(code))) => match code {
            EimPackageError::NoEimPackageAvailable => Ok(true),
            _ => Err(unexpected()),
        },
        Ok(EsipaResponse::GetEimPackage(_)) => Ok(false),
        Ok(_) | Err(_) => Err(unexpected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, body: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    #[test]
    fn an_answer_is_whole_and_idle_or_not() {
        let idle = answer("200 OK", &[0xBF, 0x4F, 0x03, 0x02, 0x01, 0x01]);
        for length in 0..idle.len() {
            assert!(!is_whole(&idle[..length]), "{length}");
        }
        assert!(is_whole(&idle) && is_idle(&idle).unwrap());
        let unknown = answer("200 OK", &[0xBF, 0x4F, 0x03, 0x02, 0x01, 0x02]);
        assert!(is_idle(&unknown).is_err());
        assert!(is_idle(&answer("403 Forbidden", b"")).is_err());
        assert!(is_idle(&answer("200 OK", b"{}")).is_err());
    }
}
