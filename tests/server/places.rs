//! Where a server of the tests is: its folder, and the interfaces that it has by its settings.

use std::net::SocketAddr;
use std::path::Path;

use super::TestServer;

impl TestServer {
    /// Where manufacturers deliver, if they may.
    pub fn ingest_api(&self) -> Option<SocketAddr> {
        self.running.borrow().as_ref().unwrap().ingest
    }

    /// Where the admin API is, if it is served.
    pub fn admin_api(&self) -> Option<SocketAddr> {
        self.running.borrow().as_ref().unwrap().admin_api
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where metrics and health are, if they are served.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.running.borrow().as_ref().unwrap().admin
    }
}
