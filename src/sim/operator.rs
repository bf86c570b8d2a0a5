//! The operator: orders one profile for each errand over ES2+, and asks again, under the same call identifier, until it is
//! answered.

use std::sync::Arc;
use std::time::Duration;

use super::device::Notebook;
use super::network::{Asks, Caller};
use crate::binding::RequestHeader;
use crate::binding::es2plus::{ConfirmOrderRequest, DownloadOrderRequest};
use crate::client::ClientError;
use crate::client::es2plus::Es2PlusClient;
use crate::ident::{Iccid, MatchingId, ServerAddress};

/// How long the operator waits before it asks again.
const PAUSE: Duration = Duration::from_secs(5);
/// How often it asks: more than any storm takes.
const TRIES_MAX: usize = 100;

/// One order.
pub(super) struct Order {
    /// Where it calls from, and its certificate.
    pub(super) caller: Caller,
    /// The SM-DP+.
    pub(super) server: ServerAddress,
    /// The profile.
    pub(super) iccid: Iccid,
    /// Who gets the matching identifier.
    pub(super) notebook: Arc<Notebook>,
}

impl Order {
    /// Reserves the profile, confirms and releases the order, and hands the matching identifier to the device.
    pub(super) async fn place(self, asks: Asks) {
        let client = Es2PlusClient::over(asks.line(self.caller.clone()), self.server.clone());
        let answer = match self.ordered(&client, &asks).await {
            Ok(matching_id) => Ok(matching_id),
            Err(error) => Err(error.to_string()),
        };
        self.notebook.ordered(self.iccid, answer);
    }

    async fn ordered(&self, client: &Es2PlusClient, asks: &Asks) -> Result<MatchingId, ClientError> {
        let header = |function: &str| RequestHeader {
            function_requester_identifier: "acme".to_owned(),
            function_call_identifier: format!("{function}-{}", self.iccid),
        };
        let download = DownloadOrderRequest {
            header: header("download"),
            eid: None,
            iccid: Some(self.iccid.clone()),
            profile_type: None,
        };
        until_answered(asks, async || client.download_order(&download).await).await?;
        let confirm = ConfirmOrderRequest {
            header: header("confirm"),
            iccid: self.iccid.clone(),
            eid: None,
            matching_id: None,
            confirmation_code: None,
            smds_address: None,
            release_flag: true,
        };
        let confirmed = until_answered(asks, async || client.confirm_order(&confirm).await).await?;
        Ok(confirmed.matching_id)
    }
}

/// Calls until somebody answers; what the server refuses is not asked again.
async fn until_answered<T>(
    asks: &Asks,
    call: impl AsyncFn() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let mut tries = 1;
    loop {
        match call().await {
            Err(ClientError::Transport { .. }) if tries < TRIES_MAX => {
                tries += 1;
                asks.pause(PAUSE).await;
            }
            answer => return answer,
        }
    }
}
