//! Outgoing HTTPS: what an LPA calls at an SM-DP+, what an operator or a manufacturer calls at one, and what an SM-DP+ calls
//! at an operator.
//!
//! `reqwest` keeps the connections; trust is ours: the caller brings a TLS configuration whose verifier knows the
//! certificates of SGP.22. Every answer is bounded in size and time.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use simyard_asn1::Decode as _;
use simyard_asn1::rsp::es9plus::Envelope;

use crate::binding::asn1::{self, Asn1Answer, Asn1Request, Failure};
use crate::binding::{self, Body, MemberError, Members, StatusCodeData};
use crate::ident::ServerAddress;
use reachable::{NotPublic, PublicResolver, Reach};

pub mod es2plus;
pub mod es9plus;
pub mod ingest;
pub mod reachable;

/// The largest answer that is read: a bound profile package in base64, and room.
const MAX_ANSWER_OCTETS: usize = 8 * 1024 * 1024;
/// How long a call may take, its answer included.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection could not be made, or broke.
    #[error("cannot reach {address}: {cause}")]
    Transport {
        /// Who was called.
        address: String,
        /// What the HTTP client says, down to the root cause.
        cause: String,
    },
    /// An HTTP status that says nothing about the function.
    #[error("{address} answered HTTP {status}")]
    Http {
        /// Who was called.
        address: String,
        /// The status.
        status: u16,
    },
    /// The answer is larger than any that is expected.
    #[error("the answer of {0} is too large")]
    TooLarge(String),
    /// The answer has not the form of the standard.
    #[error("the answer of {address} cannot be read: {cause}")]
    Answer {
        /// Who was called.
        address: String,
        /// What is wrong.
        cause: MemberError,
    },
    /// The answer is not the message of the standard.
    #[error("the answer of {address} cannot be read: {cause}")]
    Message {
        /// Who was called.
        address: String,
        /// What is wrong.
        cause: simyard_asn1::Error,
    },
    /// The function was executed and failed.
    #[error("the server answered {0}")]
    Function(StatusCodeData),
    /// The function was executed and failed; the ASN.1 binding has integers for that.
    #[error("the server answered {0}")]
    FunctionCode(Failure),
    /// What was delivered was not taken.
    #[error("{address} did not take it: {reason}")]
    Refused {
        /// Who was called.
        address: String,
        /// As the server says it.
        reason: String,
    },
    /// The server stands where calls do not go.
    #[error(transparent)]
    NotPublic(#[from] NotPublic),
    /// The client itself could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Setup(String),
}

/// `HOST=ADDR:PORT`: where a name that DNS does not know is to be reached. A port in the URL itself wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectTo {
    /// The name.
    pub host: String,
    /// Where it is.
    pub address: SocketAddr,
}

impl FromStr for ConnectTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("{text:?} is not HOST=ADDR:PORT, such as smdp.example.com=127.0.0.1:8443");
        let (host, address) = text.split_once('=').ok_or_else(expected)?;
        let address = address.parse().map_err(|_| expected())?;
        if host.is_empty() {
            return Err(expected());
        }
        Ok(Self { host: host.to_ascii_lowercase(), address })
    }
}

/// The one way out.
#[derive(Clone, Debug)]
struct Http {
    client: reqwest::Client,
    reach: Reach,
}

impl Http {
    fn new(
        tls: rustls::ClientConfig,
        user_agent: &'static str,
        connect_to: &[ConnectTo],
    ) -> Result<Self, ClientError> {
        Self::with_idle_connections(tls, user_agent, connect_to, usize::MAX)
    }

    /// As [`Http::new`], for servers that somebody else names.
    fn within(
        reach: Reach,
        tls: rustls::ClientConfig,
        user_agent: &'static str,
        connect_to: &[ConnectTo],
    ) -> Result<Self, ClientError> {
        Self::build(reach, tls, user_agent, connect_to, usize::MAX)
    }

    /// As [`Http::new`], with so many connections to one server kept for later calls at most.
    fn with_idle_connections(
        tls: rustls::ClientConfig,
        user_agent: &'static str,
        connect_to: &[ConnectTo],
        idle_connections: usize,
    ) -> Result<Self, ClientError> {
        Self::build(Reach::Anywhere, tls, user_agent, connect_to, idle_connections)
    }

    fn build(
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
            .pool_max_idle_per_host(idle_connections)
            .timeout(TIMEOUT);
        if reach == Reach::Public {
            builder = builder.dns_resolver(Arc::new(PublicResolver));
        }
        for entry in connect_to {
            builder = builder.resolve(&entry.host, entry.address);
        }
        let client = builder.build().map_err(|error| ClientError::Setup(root_cause(&error)))?;
        Ok(Self { client, reach })
    }

    /// Sends a JSON body and returns HTTP status and answer body.
    async fn post_json(
        &self,
        server: &ServerAddress,
        path: &'static str,
        body: &impl Body,
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let body = body.to_members().to_json();
        self.post(server, path, "application/json", body).await
    }

    /// Sends a request in the ASN.1 binding and returns HTTP status and answer body.
    async fn post_asn1<Q: Asn1Request>(
        &self,
        server: &ServerAddress,
        request: &Q,
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let body = asn1::body(Q::FUNCTION, &request.to_message());
        self.post(server, asn1::PATH, asn1::CONTENT_TYPE, body).await
    }

    /// Sends a body and returns HTTP status and answer body.
    async fn post(
        &self,
        server: &ServerAddress,
        path: &'static str,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let request = self
            .client
            .post(format!("https://{server}/gsma/rsp2/{path}"))
            .header("Content-Type", content_type)
            .header("X-Admin-Protocol", binding::ADMIN_PROTOCOL)
            .body(body);
        self.answer_of(server, request).await
    }

    /// Puts a file to a path of its own and returns HTTP status and answer body.
    async fn put(
        &self,
        server: &ServerAddress,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let request = self.client.put(format!("https://{server}{path}")).body(body);
        self.answer_of(server, request).await
    }

    /// Calls a function that answers with a body.
    async fn call(
        &self,
        server: &ServerAddress,
        path: &'static str,
        body: &impl Body,
    ) -> Result<Members, ClientError> {
        let (status, answer) = self.post_json(server, path, body).await?;
        if status != 200 {
            return Err(ClientError::Http { address: server.to_string(), status });
        }
        binding::read_answer(&answer)
            .map_err(|cause| ClientError::Answer { address: server.to_string(), cause })?
            .map_err(ClientError::Function)
    }

    /// Calls a function in the ASN.1 binding and reads its answer.
    async fn call_asn1<A: Asn1Answer>(
        &self,
        server: &ServerAddress,
        request: &impl Asn1Request,
    ) -> Result<A, ClientError> {
        match self.post_asn1(server, request).await? {
            (200, answer) => read_asn1(server, &answer),
            (status, _) => Err(ClientError::Http { address: server.to_string(), status }),
        }
    }

    /// Calls a function and reads its answer.
    async fn call_for<T: Body>(
        &self,
        server: &ServerAddress,
        path: &'static str,
        body: &impl Body,
    ) -> Result<T, ClientError> {
        let members = self.call(server, path, body).await?;
        T::from_members(&members).map_err(|cause| ClientError::Answer { address: server.to_string(), cause })
    }

    /// Sends a request and returns HTTP status and answer body.
    async fn answer_of(
        &self,
        server: &ServerAddress,
        request: reqwest::RequestBuilder,
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let transport = |error: &reqwest::Error| ClientError::Transport {
            address: server.to_string(),
            cause: root_cause(error),
        };
        let request = request.build().map_err(|error| transport(&error))?;
        // As the URL has it: numbers in other notations are addresses there.
        self.reach.permits(request.url().host_str().unwrap_or_default())?;
        let mut response = self.client.execute(request).await.map_err(|error| transport(&error))?;
        let status = response.status().as_u16();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| transport(&error))? {
            if answer.len() + chunk.len() > MAX_ANSWER_OCTETS {
                return Err(ClientError::TooLarge(server.to_string()));
            }
            answer.extend_from_slice(&chunk);
        }
        Ok((status, answer))
    }
}

/// Reads the body of an answer in the ASN.1 binding.
fn read_asn1<A: Asn1Answer>(server: &ServerAddress, answer: &[u8]) -> Result<A, ClientError> {
    let unreadable = |cause| ClientError::Message { address: server.to_string(), cause };
    let envelope = Envelope::from_der(answer).map_err(unreadable)?;
    // The message of another function has another tag, and is none of this one.
    A::from_message(envelope.message)
        .map_err(unreadable)?
        .map_err(|code| ClientError::FunctionCode(Failure { function: A::FUNCTION, code }))
}

/// The innermost message of an error: reqwest's own says only which URL failed.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_to_is_read() {
        let entry: ConnectTo = "Smdp.example.com=127.0.0.1:8443".parse().unwrap();
        assert_eq!(entry.host, "smdp.example.com");
        assert_eq!(entry.address.port(), 8443);
        for text in ["", "a", "a=b", "=127.0.0.1:1", "a=127.0.0.1"] {
            assert!(text.parse::<ConnectTo>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_answer_of_another_function_or_of_none_is_refused() {
        use crate::binding::es9plus::CancelSessionResponse;
        let server = ServerAddress::parse("smdp.example.com").unwrap();
        let read = |octets: &[u8]| read_asn1::<CancelSessionResponse>(&server, octets);
        assert!(matches!(read(&[0xA2, 5, 0xBF, 0x41, 2, 0xA0, 0]), Ok(CancelSessionResponse)));
        let error = read(&[0xA2, 6, 0xBF, 0x41, 3, 0x81, 1, 2]).unwrap_err();
        assert_eq!(error.to_string(), "the server answered euiccSignatureInvalid (2)");
        for octets in [&[0xA2, 5, 0xBF, 0x39, 2, 0xA0, 0][..], &[0xA2, 3, 0xBF, 0x41, 0], b"{}", b""] {
            assert!(matches!(read(octets), Err(ClientError::Message { .. })), "{octets:?}");
        }
    }
}
