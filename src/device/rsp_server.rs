//! Whom an installation is negotiated with: an SM-DP+ over ES9+ (SGP.22 5.6), or an eIM that relays to one over ESipa
//! (SGP.32 5.14). The procedure is the same; an eIM may know more than the activation code says.

use simyard_asn1::rsp::es9plus::Function;

use crate::binding::es9plus::{
    AuthenticateClientRequest, CancelSessionRequest, GetBoundProfilePackageRequest,
    InitiateAuthenticationRequest, InitiateAuthenticationResponse,
};
use crate::client::ClientError;
use crate::client::es9plus::Es9PlusClient;
use crate::ident::ServerAddress;

/// What the server offers after it has authenticated the eUICC.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    /// profileMetadata: DER, `BF25`; an eIM that has verified them keeps them.
    pub(super) profile_metadata: Option<Vec<u8>>,
    /// smdpSigned2: DER, `30`.
    pub(super) smdp_signed2: Vec<u8>,
    /// smdpSignature2: TLV, `5F37`.
    pub(super) smdp_signature2: Vec<u8>,
    /// smdpCertificate: CERT.DPpb.
    pub(super) smdp_certificate: Vec<u8>,
    /// hashCc, where an eIM knows the confirmation code.
    pub(super) hash_cc: Option<Vec<u8>>,
}

/// A server that profiles come from. Each function fails with [`ClientError`].
pub(super) trait RspServer {
    /// A function by its full name.
    fn name(&self, function: Function) -> &'static str;

    /// InitiateAuthentication.
    fn initiate_authentication(
        &self,
        request: InitiateAuthenticationRequest,
    ) -> impl Future<Output = Result<InitiateAuthenticationResponse, ClientError>> + Send;

    /// AuthenticateClient.
    fn authenticate_client(
        &self,
        request: AuthenticateClientRequest,
    ) -> impl Future<Output = Result<Offer, ClientError>> + Send;

    /// GetBoundProfilePackage: the package.
    fn get_bound_profile_package(
        &self,
        request: GetBoundProfilePackageRequest,
    ) -> impl Future<Output = Result<Vec<u8>, ClientError>> + Send;

    /// CancelSession.
    fn cancel_session(
        &self,
        request: CancelSessionRequest,
    ) -> impl Future<Output = Result<(), ClientError>> + Send;
}

/// An SM-DP+ itself.
#[derive(Debug)]
pub(super) struct Direct<'a> {
    /// Calls it.
    pub(super) client: &'a Es9PlusClient,
    /// Where it is.
    pub(super) address: &'a ServerAddress,
}

impl RspServer for Direct<'_> {
    fn name(&self, function: Function) -> &'static str {
        match function {
            Function::InitiateAuthentication => "ES9+.InitiateAuthentication",
            Function::GetBoundProfilePackage => "ES9+.GetBoundProfilePackage",
            Function::AuthenticateClient => "ES9+.AuthenticateClient",
            Function::HandleNotification => "ES9+.HandleNotification",
            Function::CancelSession => "ES9+.CancelSession",
        }
    }

    async fn initiate_authentication(
        &self,
        request: InitiateAuthenticationRequest,
    ) -> Result<InitiateAuthenticationResponse, ClientError> {
        self.client.initiate_authentication(self.address, &request).await
    }

    async fn authenticate_client(&self, request: AuthenticateClientRequest) -> Result<Offer, ClientError> {
        let answer = self.client.authenticate_client(self.address, &request).await?;
        Ok(Offer {
            profile_metadata: Some(answer.profile_metadata),
            smdp_signed2: answer.smdp_signed2,
            smdp_signature2: answer.smdp_signature2,
            smdp_certificate: answer.smdp_certificate,
            hash_cc: None,
        })
    }

    async fn get_bound_profile_package(
        &self,
        request: GetBoundProfilePackageRequest,
    ) -> Result<Vec<u8>, ClientError> {
        let answer = self.client.get_bound_profile_package(self.address, &request).await?;
        Ok(answer.bound_profile_package)
    }

    async fn cancel_session(&self, request: CancelSessionRequest) -> Result<(), ClientError> {
        self.client.cancel_session(self.address, &request).await
    }
}
