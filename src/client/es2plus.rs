//! ES2+ from the operator's side (SGP.22 5.3), and the call back from the SM-DP+'s (5.3.5).

use std::sync::Arc;

use super::exchange::Exchange;
use super::{ClientError, ConnectTo, Http};
use crate::binding::es2plus::{
    CancelOrderRequest, ConfirmOrderRequest, ConfirmOrderResponse, DownloadOrderRequest,
    DownloadOrderResponse, HandleDownloadProgressInfoRequest, ReleaseProfileRequest,
};
use crate::binding::read_answer;
use crate::ident::ServerAddress;

/// Calls an SM-DP+ as an operator, or an operator as an SM-DP+.
#[derive(Clone, Debug)]
pub struct Es2PlusClient {
    http: Http,
    server: ServerAddress,
}

impl Es2PlusClient {
    /// A client of `server`; `tls` holds the operator's certificate.
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

    /// A client of `server` over a way out that is there.
    #[must_use]
    pub fn over(exchange: Arc<dyn Exchange>, server: ServerAddress) -> Self {
        Self { http: Http::over(exchange), server }
    }

    /// ES2+.DownloadOrder (5.3.1).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn download_order(
        &self,
        request: &DownloadOrderRequest,
    ) -> Result<DownloadOrderResponse, ClientError> {
        self.http.call_for(&self.server, "es2plus/downloadOrder", request).await
    }

    /// ES2+.ConfirmOrder (5.3.2).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn confirm_order(
        &self,
        request: &ConfirmOrderRequest,
    ) -> Result<ConfirmOrderResponse, ClientError> {
        self.http.call_for(&self.server, "es2plus/confirmOrder", request).await
    }

    /// ES2+.CancelOrder (5.3.3).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn cancel_order(&self, request: &CancelOrderRequest) -> Result<(), ClientError> {
        self.http.call(&self.server, "es2plus/cancelOrder", request).await.map(drop)
    }

    /// ES2+.ReleaseProfile (5.3.4).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn release_profile(&self, request: &ReleaseProfileRequest) -> Result<(), ClientError> {
        self.http.call(&self.server, "es2plus/releaseProfile", request).await.map(drop)
    }

    /// ES2+.HandleDownloadProgressInfo (5.3.5), called by an SM-DP+: HTTP 204, or 200 with a header that says success.
    ///
    /// # Errors
    /// [`ClientError`]; the operator may have taken it nevertheless, if the answer was lost.
    pub async fn handle_download_progress_info(
        &self,
        request: &HandleDownloadProgressInfoRequest,
    ) -> Result<(), ClientError> {
        let address = || self.server.to_string();
        match self.http.post_json(&self.server, "es2plus/handleDownloadProgressInfo", request).await? {
            (204, _) => Ok(()),
            (200, answer) => read_answer(&answer)
                .map_err(|cause| ClientError::Answer { address: address(), cause })?
                .map(drop)
                .map_err(ClientError::Function),
            (status, _) => Err(ClientError::Http { address: address(), status }),
        }
    }
}
