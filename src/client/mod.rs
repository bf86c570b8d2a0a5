//! Outgoing HTTPS: what an LPA calls at an SM-DP+ and an IPA at an eIM, what an operator or a manufacturer calls at one, what
//! an SM-DP+ calls at an operator, what an eIM calls at a device that listens, and webhooks.
//!
//! Trust is ours: the caller brings a TLS configuration whose verifier knows the certificates of SGP.22, or a way out
//! ([`exchange`]) that needs none. Every answer is bounded in size and time.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response};
use simyard_asn1::Decode as _;
use simyard_asn1::rsp::es9plus::Envelope;

use crate::binding::asn1::{self, Asn1Answer, Asn1Request, Failure};
use crate::binding::esipa::EsipaCode;
use crate::binding::{self, Body, MemberError, Members, StatusCodeData};
use crate::ident::ServerAddress;
use exchange::{Exchange, Https, Limits};
use reachable::{NotPublic, Reach};

pub mod es2plus;
pub mod es9plus;
pub mod esipa;
pub mod exchange;
pub mod ingest;
pub mod ipa;
pub mod reachable;
pub mod webhook;

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
    /// A function of ESipa was executed and failed.
    #[error("the eIM answered {0}")]
    Esipa(EsipaCode),
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

/// Asks functions of servers, whatever carries the request.
#[derive(Clone, Debug)]
struct Http(Arc<dyn Exchange>);

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
        Ok(Self(Arc::new(Https::new(reach, tls, user_agent, connect_to, usize::MAX)?)))
    }

    /// As [`Http::new`], with so many connections to one server kept for later calls at most.
    fn with_idle_connections(
        tls: rustls::ClientConfig,
        user_agent: &'static str,
        connect_to: &[ConnectTo],
        idle_connections: usize,
    ) -> Result<Self, ClientError> {
        Ok(Self(Arc::new(Https::new(Reach::Anywhere, tls, user_agent, connect_to, idle_connections)?)))
    }

    /// Over a way out that is there.
    fn over(exchange: Arc<dyn Exchange>) -> Self {
        Self(exchange)
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
        let url = format!("https://{server}/gsma/rsp2/{path}");
        let headers = [("Content-Type", content_type), ("X-Admin-Protocol", binding::ADMIN_PROTOCOL)];
        let answer = self.send(Method::POST, &url, &headers, body, Limits::default()).await?;
        Ok((answer.status().as_u16(), answer.into_body()))
    }

    /// Puts a file to a path of its own and returns HTTP status and answer body.
    async fn put(
        &self,
        server: &ServerAddress,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), ClientError> {
        let url = format!("https://{server}{path}");
        let answer = self.send(Method::PUT, &url, &[], body, Limits::default()).await?;
        Ok((answer.status().as_u16(), answer.into_body()))
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

    /// Sends a request and returns its answer, whatever its status.
    async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
        limits: Limits,
    ) -> Result<Response<Vec<u8>>, ClientError> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).map_err(|error| ClientError::Transport {
            // What stands behind it may be secret.
            address: url.split('/').nth(2).unwrap_or_default().to_owned(),
            cause: error.to_string(),
        })?;
        self.0.exchange(request, limits).await
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
