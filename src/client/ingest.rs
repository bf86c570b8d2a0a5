//! The ingestion API from the manufacturer's side: a delivery goes to a Simyard over mutual TLS.

use serde::Deserialize;

use super::{ClientError, ConnectTo, Http};
use crate::domain::ProfileType;
use crate::ident::ServerAddress;

/// Delivers to a Simyard.
#[derive(Clone, Debug)]
pub struct IngestClient {
    http: Http,
    server: ServerAddress,
}

/// What the server says of a delivery, as far as a person wants to know it at once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct DeliveryReceipt {
    /// The batch, by which the delivery is known there.
    pub batch_id: String,
    /// Profiles that are in the stock now.
    pub profiles: u64,
    /// Whether the same delivery had been taken before.
    pub repeated: bool,
}

/// The problem document of a delivery that was not taken.
#[derive(Deserialize)]
struct Problem {
    title: String,
    #[serde(default)]
    detail: Option<String>,
}

impl IngestClient {
    /// A client of `server`; `tls` holds the manufacturer's certificate.
    ///
    /// # Errors
    /// [`ClientError::Setup`].
    pub fn new(
        tls: rustls::ClientConfig,
        server: ServerAddress,
        connect_to: &[ConnectTo],
    ) -> Result<Self, ClientError> {
        Ok(Self { http: Http::new(tls, "simyard", connect_to)?, server })
    }

    /// Delivers a file under a name of letters, digits, hyphens and dots; the same file again changes nothing.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if it was not taken; others if nobody knows whether it was.
    pub async fn deliver(
        &self,
        name: &str,
        profile_type: &ProfileType,
        file: Vec<u8>,
    ) -> Result<DeliveryReceipt, ClientError> {
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
        if name.is_empty() || !name.bytes().chain(profile_type.as_str().bytes()).all(plain) {
            let reason =
                "names of deliveries and types go into an address: letters, digits, hyphens and dots";
            return Err(ClientError::Refused { address: self.server.to_string(), reason: reason.to_owned() });
        }
        let path = format!("/v1/deliveries/{name}?profile_type={profile_type}");
        let (status, answer) = self.http.put(&self.server, &path, file).await?;
        let address = || self.server.to_string();
        match (status, serde_json::from_slice(&answer)) {
            (200 | 201, Ok(receipt)) => Ok(receipt),
            (200 | 201, Err(_)) => Err(ClientError::Http { address: address(), status }),
            (_, _) => Err(match serde_json::from_slice::<Problem>(&answer) {
                Ok(Problem { title, detail }) => {
                    ClientError::Refused { address: address(), reason: detail.unwrap_or(title) }
                }
                Err(_) => ClientError::Http { address: address(), status },
            }),
        }
    }
}
