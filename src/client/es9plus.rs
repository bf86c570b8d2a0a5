//! ES9+ from the LPA's side (SGP.22 5.6), in either binding.

use std::sync::Arc;

use rustls::client::Resumption;

use super::exchange::Exchange;
use super::reachable::Reach;
use super::{ClientError, ConnectTo, Http};
use crate::binding::asn1::{Asn1Answer, Asn1Request};
use crate::binding::es9plus::{
    AuthenticateClientRequest, AuthenticateClientResponse, CancelSessionRequest, CancelSessionResponse,
    GetBoundProfilePackageRequest, GetBoundProfilePackageResponse, HandleNotificationRequest,
    InitiateAuthenticationRequest, InitiateAuthenticationResponse,
};
use crate::binding::{Body, MessageBinding};
use crate::ident::ServerAddress;

/// The user agent of an LPA in the device (SGP.22 6.2).
const USER_AGENT: &str = "gsma-rsp-lpad";

/// Calls SM-DP+ servers; clones share their connections.
#[derive(Clone, Debug)]
pub struct Es9PlusClient {
    http: Http,
    binding: MessageBinding,
}

impl Es9PlusClient {
    /// A client that trusts what `tls` trusts, and speaks JSON.
    ///
    /// # Errors
    /// [`ClientError::Setup`].
    pub fn new(tls: rustls::ClientConfig, connect_to: &[ConnectTo]) -> Result<Self, ClientError> {
        let http = Http::new(tls, USER_AGENT, connect_to)?;
        Ok(Self { http, binding: MessageBinding::Json })
    }

    /// As [`Es9PlusClient::new`], for servers that somebody else names: calls go as far as `reach` says.
    ///
    /// # Errors
    /// [`ClientError::Setup`].
    pub fn within(
        reach: Reach,
        tls: rustls::ClientConfig,
        connect_to: &[ConnectTo],
    ) -> Result<Self, ClientError> {
        let http = Http::within(reach, tls, USER_AGENT, connect_to)?;
        Ok(Self { http, binding: MessageBinding::Json })
    }

    /// A client over a way out that is there; it speaks JSON.
    #[must_use]
    pub fn over(exchange: Arc<dyn Exchange>) -> Self {
        Self { http: Http::over(exchange), binding: MessageBinding::Json }
    }

    /// The same client, speaking this binding.
    #[must_use]
    pub const fn with_binding(mut self, binding: MessageBinding) -> Self {
        self.binding = binding;
        self
    }

    /// As [`Es9PlusClient::new`], but each call opens a connection of its own and no TLS session is resumed.
    ///
    /// # Errors
    /// [`ClientError::Setup`].
    pub fn without_kept_connections(
        mut tls: rustls::ClientConfig,
        connect_to: &[ConnectTo],
    ) -> Result<Self, ClientError> {
        tls.resumption = Resumption::disabled();
        let http = Http::with_idle_connections(tls, USER_AGENT, connect_to, 0)?;
        Ok(Self { http, binding: MessageBinding::Json })
    }

    /// ES9+.InitiateAuthentication (5.6.1).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn initiate_authentication(
        &self,
        server: &ServerAddress,
        request: &InitiateAuthenticationRequest,
    ) -> Result<InitiateAuthenticationResponse, ClientError> {
        self.call(server, "es9plus/initiateAuthentication", request).await
    }

    /// ES9+.AuthenticateClient (5.6.3).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn authenticate_client(
        &self,
        server: &ServerAddress,
        request: &AuthenticateClientRequest,
    ) -> Result<AuthenticateClientResponse, ClientError> {
        self.call(server, "es9plus/authenticateClient", request).await
    }

    /// ES9+.GetBoundProfilePackage (5.6.2).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get_bound_profile_package(
        &self,
        server: &ServerAddress,
        request: &GetBoundProfilePackageRequest,
    ) -> Result<GetBoundProfilePackageResponse, ClientError> {
        self.call(server, "es9plus/getBoundProfilePackage", request).await
    }

    /// ES9+.HandleNotification (5.6.4): `pending_notification` is its DER.
    ///
    /// # Errors
    /// [`ClientError`]; anything but HTTP 204 means that the notification must be kept.
    pub async fn handle_notification(
        &self,
        server: &ServerAddress,
        pending_notification: &[u8],
    ) -> Result<(), ClientError> {
        let request = HandleNotificationRequest { pending_notification: pending_notification.to_vec() };
        let answer = match self.binding {
            MessageBinding::Json => {
                self.http.post_json(server, "es9plus/handleNotification", &request).await?
            }
            MessageBinding::Asn1 => self.http.post_asn1(server, &request).await?,
        };
        match answer {
            (204, _) => Ok(()),
            (status, _) => Err(ClientError::Http { address: server.to_string(), status }),
        }
    }

    /// ES9+.CancelSession (5.6.5).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn cancel_session(
        &self,
        server: &ServerAddress,
        request: &CancelSessionRequest,
    ) -> Result<(), ClientError> {
        let CancelSessionResponse = self.call(server, "es9plus/cancelSession", request).await?;
        Ok(())
    }

    async fn call<Q: Body + Asn1Request, A: Body + Asn1Answer>(
        &self,
        server: &ServerAddress,
        path: &'static str,
        request: &Q,
    ) -> Result<A, ClientError> {
        match self.binding {
            MessageBinding::Json => self.http.call_for(server, path, request).await,
            MessageBinding::Asn1 => self.http.call_asn1(server, request).await,
        }
    }
}
