//! TransferEimPackage from the eIM's side (SGP.32 5.14.4): a device that listens is brought a package, in either binding.
//!
//! A device has an address of its own and a certificate of its own, so each has a client of its own.

use std::sync::Arc;

use simyard_asn1::iot::esipa::{Function, TransferEimPackageRequest, TransferEimPackageResponse};
use simyard_asn1::{Decode as _, Encode as _};

use super::exchange::Exchange;
use super::reachable::Reach;
use super::{ClientError, Http};
use crate::binding::{self, MessageBinding, asn1, esipa};
use crate::ident::ServerAddress;

/// The user agent: SGP.32 names none for an eIM.
const USER_AGENT: &str = "simyard-eim";

/// Calls one device.
#[derive(Clone, Debug)]
pub struct IpaClient {
    http: Http,
    device: ServerAddress,
    binding: MessageBinding,
}

impl IpaClient {
    /// A client of the device there that trusts what `tls` trusts and shows its certificate, calls as far as `reach` says, and speaks
    /// ASN.1.
    ///
    /// # Errors
    /// [`ClientError::Setup`].
    pub fn new(reach: Reach, tls: rustls::ClientConfig, device: ServerAddress) -> Result<Self, ClientError> {
        let http = Http::within(reach, tls, USER_AGENT, &[])?;
        Ok(Self { http, device, binding: MessageBinding::Asn1 })
    }

    /// A client over a way out that is there; it speaks ASN.1.
    #[must_use]
    pub fn over(exchange: Arc<dyn Exchange>, device: ServerAddress) -> Self {
        Self { http: Http::over(exchange), device, binding: MessageBinding::Asn1 }
    }

    /// The same client, speaking this binding.
    #[must_use]
    pub const fn with_binding(mut self, binding: MessageBinding) -> Self {
        self.binding = binding;
        self
    }

    /// ESipa.TransferEimPackage. Where no answer came, nobody knows whether the device executed the package: brought again, it is
    /// not executed again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn transfer_eim_package(
        &self,
        request: &TransferEimPackageRequest,
    ) -> Result<TransferEimPackageResponse, ClientError> {
        let (path, content_type, body) = match self.binding {
            MessageBinding::Json => (
                esipa::path(Function::TransferEimPackage),
                binding::CONTENT_TYPE,
                esipa::transfer_request(request),
            ),
            MessageBinding::Asn1 => (asn1::PATH, asn1::CONTENT_TYPE, request.to_der()),
        };
        let address = || self.device.to_string();
        let answer = match self.http.post(&self.device, path, content_type, body).await? {
            (200, answer) => answer,
            (status, _) => return Err(ClientError::Http { address: address(), status }),
        };
        match self.binding {
            MessageBinding::Json => esipa::read_transfer_response(&answer)
                .map_err(|cause| ClientError::Answer { address: address(), cause }),
            MessageBinding::Asn1 => TransferEimPackageResponse::from_der(&answer)
                .map_err(|cause| ClientError::Message { address: address(), cause }),
        }
    }
}
