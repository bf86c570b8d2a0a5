//! A listener of the tests' own, with TLS: somebody whom the server calls.

use std::sync::Arc;

use axum::Router;
use simyard::env::Clock;
use simyard::http::listener::{Listener, ListenerLimits};
use simyard::http::meter::Meter;
use simyard::pki::tls::{TlsIdentity, server_config};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::NOW;

/// Serves on the loopback, on a runtime of its own, until the end is told or forgotten: the runtime, the port, and the end.
pub fn serve(
    name: &'static str,
    identity: &TlsIdentity,
    router: Router,
) -> (Runtime, u16, watch::Sender<bool>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let tls = server_config(identity, None).unwrap();
    let socket = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = socket.local_addr().unwrap().port();
    let (end, ended) = watch::channel(false);
    let limits = ListenerLimits::new(256);
    let meter = Arc::new(Meter::new(Clock::fixed(NOW)));
    let listener = Listener { name, socket, tls: Some(Arc::new(tls)), router, limits, meter };
    runtime.spawn(listener.serve(ended));
    (runtime, port, end)
}
