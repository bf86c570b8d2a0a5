//! Devices that call a server's listeners of ESipa, and what a server that ended has left in its store.

use std::net::SocketAddr;
use std::sync::Arc;

use simyard::pki::test_pki::Issued;
use simyard::pki::tls::client_config;
use simyard::pki::web::WebVerifier;
use simyard::store::Store;

use super::{ADDRESS, PKI, TestServer, tls_identity};

impl TestServer {
    /// Where a listener of ESipa is.
    pub fn eim_socket(&self, listener: usize) -> SocketAddr {
        self.running.borrow().as_ref().unwrap().eim[listener]
    }

    /// How a device speaks TLS, with a certificate or without.
    pub fn device_tls(&self, identity: Option<&Issued>) -> rustls::ClientConfig {
        let authority = PKI.eim_ca.certificate.der().to_vec();
        let verifier = WebVerifier::new(&[authority], self.clock.clone()).unwrap();
        client_config(Arc::new(verifier), identity.map(tls_identity).as_ref()).unwrap()
    }

    /// A device that calls a listener of ESipa, with a certificate or without; it keeps its connection.
    pub fn device_http(&self, identity: Option<&Issued>, listener: usize) -> reqwest::Client {
        reqwest::Client::builder()
            .tls_backend_preconfigured(self.device_tls(identity))
            .http1_only()
            .no_proxy()
            .resolve(ADDRESS, self.eim_socket(listener))
            .build()
            .unwrap()
    }

    /// The store that a server which ended has left.
    pub fn left_store(&self) -> Store {
        self.callers.block_on(Store::open(&self.url)).unwrap()
    }
}
