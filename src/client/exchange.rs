//! The way out: one request to a server, one answer back.
//!
//! Clients know what they ask and what an answer means; what carries both is an [`Exchange`]. That of a server and of a
//! device is [`Https`]. The simulation has one of its own, which calls the same servers within the process, and loses,
//! doubles and delays what passes.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};

use super::reachable::{PublicResolver, Reach};
use super::{ClientError, ConnectTo};

/// What an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time from the beginning of the call to the last octet of its answer.
    pub time: Duration,
    /// Octets of its body.
    pub answer_octets: usize,
}

impl Default for Limits {
    /// A minute, and a bound profile package in base64 with room.
    fn default() -> Self {
        Self { time: super::TIMEOUT, answer_octets: 8 * 1024 * 1024 }
    }
}

/// An answer that is on its way.
pub type Exchanging<'a> = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, ClientError>> + Send + 'a>>;

/// Carries requests to servers. The request's URI is absolute, `https://HOST[:PORT]/…`.
pub trait Exchange: fmt::Debug + Send + Sync {
    /// Sends a request and brings its answer, whatever its status. Where no answer came, nobody knows whether the server
    /// got the request.
    ///
    /// The future fails with [`ClientError::Transport`], [`ClientError::TooLarge`] or [`ClientError::NotPublic`].
    fn exchange(&self, request: Request<Vec<u8>>, limits: Limits) -> Exchanging<'_>;
}

/// HTTPS with HTTP/1.1. `reqwest` keeps the connections.
#[derive(Debug)]
pub(super) struct Https {
    client: reqwest::Client,
    reach: Reach,
}

impl Https {
    /// With so many connections to one server kept for later calls at most.
    pub(super) fn new(
        reach: Reach,
        tls: rustls::ClientConfig,
        user_agent: &'static str,
        connect_to: &[ConnectTo],
        idle_connections: usize,
    ) -> Result<Self, ClientError> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(user_agent)
            .http1_only()
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .pool_max_idle_per_host(idle_connections);
        if reach == Reach::Public {
            builder = builder.dns_resolver(Arc::new(PublicResolver));
        }
        for entry in connect_to {
            builder = builder.resolve(&entry.host, entry.address);
        }
        let client = builder.build().map_err(|error| ClientError::Setup(root_cause(&error)))?;
        Ok(Self { client, reach })
    }

    async fn send(
        &self,
        request: Request<Vec<u8>>,
        limits: Limits,
    ) -> Result<Response<Vec<u8>>, ClientError> {
        let address = request.uri().authority().map_or_else(String::new, ToString::to_string);
        let transport = |error: reqwest::Error| ClientError::Transport {
            address: address.clone(),
            cause: root_cause(&error),
        };
        let mut request = reqwest::Request::try_from(request).map_err(transport)?;
        *request.timeout_mut() = Some(limits.time);
        // As the URL has it: numbers in other notations are addresses there.
        self.reach.permits(request.url().host_str().unwrap_or_default())?;
        let mut received = self.client.execute(request).await.map_err(transport)?;
        let mut body = Vec::new();
        while let Some(chunk) = received.chunk().await.map_err(transport)? {
            if body.len() + chunk.len() > limits.answer_octets {
                return Err(ClientError::TooLarge(address));
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = Response::new(body);
        *answer.status_mut() = received.status();
        *answer.headers_mut() = std::mem::take(received.headers_mut());
        Ok(answer)
    }
}

impl Exchange for Https {
    fn exchange(&self, request: Request<Vec<u8>>, limits: Limits) -> Exchanging<'_> {
        Box::pin(self.send(request, limits))
    }
}

/// The innermost message of an error: reqwest's own says only which URL failed.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
