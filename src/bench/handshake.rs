//! TLS handshakes alone: connections that are opened and closed, with nothing asked. Beside downloads that open a
//! connection for each call, they say how much of the server's CPU time is the handshakes' own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::client::Resumption;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::BenchError;

/// Makes `count` whole handshakes, `at_a_time` of them at a time, with the server `host` at `address`. Blocks the calling
/// thread, which must not drive a runtime.
///
/// # Errors
/// [`BenchError`] of a handshake that failed.
pub fn run(
    count: usize,
    at_a_time: usize,
    host: &'static str,
    address: SocketAddr,
    mut tls: rustls::ClientConfig,
) -> Result<(), BenchError> {
    tls.resumption = Resumption::disabled();
    let name = ServerName::try_from(host).map_err(|error| BenchError::Handshake(error.to_string()))?;
    let connector = TlsConnector::from(Arc::new(tls));
    let done = AtomicUsize::new(0);
    let worker = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|_| BenchError::Thread)?;
        while done.fetch_add(1, Ordering::Relaxed) < count {
            let shaken = runtime.block_on(shake_hands(&connector, name.clone(), address));
            shaken.map_err(|error| BenchError::Handshake(error.to_string()))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..at_a_time).map(|_| scope.spawn(worker)).collect();
        running.into_iter().try_for_each(|thread| thread.join().map_err(|_| BenchError::Thread)?)
    })
}

/// One handshake; returns when the server has closed the connection too, so that all its work is done.
async fn shake_hands(
    connector: &TlsConnector,
    name: ServerName<'static>,
    address: SocketAddr,
) -> std::io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut stream = connector.connect(name, stream).await?;
    stream.shutdown().await?;
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}
