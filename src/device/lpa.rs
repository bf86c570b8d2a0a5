//! The procedures of a local profile assistant: download, profile management, delivery of notifications (SGP.22 3.0 to
//! 3.5).
//!
//! The LPA reaches a card through APDUs alone ([`Es10Client`]) and servers over ES9+ alone ([`Es9PlusClient`]). Of what
//! passes through it it verifies what the standard asks of an LPA (`super::install`); all else the card verifies.

use std::time::Duration;

use simyard_asn1::rsp::metadata::StoreMetadataRequest;
use simyard_asn1::rsp::notification::{FinalResult, ProfileInstallationResult};
use simyard_asn1::tlv::Decode;
use simyard_asn1::{Error, Oid};

use super::codes::{command_name, reason_name};
use super::delivery::deliver;
use super::es10_client::{Es10Client, Es10Error, ProfileAction};
use super::install::install;
use super::rsp_server::Direct;
use super::transport::ApduTransport;
use crate::client::ClientError;
use crate::client::es9plus::Es9PlusClient;
use crate::env::Clock;
use crate::ident::{ActivationCode, Iccid, InvalidIdentifier, MatchingId, ServerAddress, TransactionId};
use crate::pki::CertificateError;

/// Why a procedure of the LPA did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum LpaError {
    /// The card failed or refused.
    #[error(transparent)]
    Card(#[from] Es10Error),
    /// The server failed or refused.
    #[error("{function}: {error}")]
    Server {
        /// The function of ES9+.
        function: &'static str,
        /// What it said.
        error: ClientError,
    },
    /// The server's answer has not the form of the standard.
    #[error("the server's {0}")]
    Answer(#[from] Error),
    /// The server's certificate cannot be read.
    #[error("the server's certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The server answers in another name (3.0.1 step 10).
    #[error("the server signed for {found:?}, {expected} was called; the session ends here")]
    OtherAddress {
        /// Who was called.
        expected: ServerAddress,
        /// What serverSigned1 says.
        found: String,
    },
    /// The server is not the one that the activation code names (3.1.3 step 3).
    #[error("the activation code is for SM-DP+ {expected}, the server is {}", found.as_ref().map_or("none".to_owned(), ToString::to_string))]
    OtherOid {
        /// Of the activation code.
        expected: Oid,
        /// Of the certificate.
        found: Option<Oid>,
    },
    /// The order needs a code that only the user knows.
    #[error("the order needs a confirmation code; give it with --confirmation-code")]
    ConfirmationCodeRequired,
    /// The profile has policy rules that nobody agreed to.
    #[error("the profile forbids to be disabled or deleted; agree with --accept-policy-rules")]
    PolicyRules,
    /// The user refused or postponed.
    #[error("the download was {0} by the user")]
    Declined(&'static str),
    /// The package holds other metadata than the user was shown (3.1.3 step 9).
    #[error("the package holds other metadata than the server showed; the download was cancelled")]
    MetadataMismatch,
    /// The card did not install the profile; its report has been sent.
    #[error(
        "the card did not install the profile: {} failed with {} ({reason})",
        command_name(*command),
        reason_name(*reason)
    )]
    NotInstalled {
        /// bppCommandId.
        command: u32,
        /// errorReason.
        reason: u32,
    },
    /// An identifier cannot be used.
    #[error(transparent)]
    Identifier(#[from] InvalidIdentifier),
}

/// What the user says when asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    /// Install it.
    #[default]
    Install,
    /// Not now.
    Postpone,
    /// Never.
    Reject,
}

/// What is to be downloaded and how.
#[derive(Clone, Debug)]
pub struct DownloadRequest {
    /// The SM-DP+.
    pub address: ServerAddress,
    /// The matching identifier; empty in the default SM-DP+ address use case.
    pub matching_id: MatchingId,
    /// The OID that the activation code names.
    pub smdp_oid: Option<Oid>,
    /// The user's confirmation code.
    pub confirmation_code: Option<String>,
    /// Whether the user agrees to profile policy rules.
    pub accept_policy_rules: bool,
    /// What the user says to the profile as such.
    pub decision: Decision,
    /// The device's IMEI: eight octets.
    pub imei: Option<[u8; 8]>,
}

impl DownloadRequest {
    /// A download from `address` with nothing special about it.
    #[must_use]
    pub const fn new(address: ServerAddress, matching_id: MatchingId) -> Self {
        Self {
            address,
            matching_id,
            smdp_oid: None,
            confirmation_code: None,
            accept_policy_rules: false,
            decision: Decision::Install,
            imei: None,
        }
    }
}

impl From<ActivationCode> for DownloadRequest {
    fn from(code: ActivationCode) -> Self {
        Self { smdp_oid: code.smdp_oid, ..Self::new(code.address, code.matching_id) }
    }
}

/// A download that came to its end.
#[derive(Clone, Debug)]
pub struct Report {
    /// The profile.
    pub iccid: Iccid,
    /// serviceProviderName.
    pub service_provider_name: String,
    /// profileName.
    pub profile_name: String,
    /// The session.
    pub transaction_id: TransactionId,
    /// AID of the ISD-P that holds the profile.
    pub isdp_aid: Vec<u8>,
    /// Octets of the bound profile package.
    pub package_octets: usize,
    /// What became of the notifications for this server.
    pub delivery: Delivery,
}

/// What became of notifications.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// seqNumbers that a server took and the card has forgotten.
    pub sent: Vec<u32>,
    /// seqNumbers that wait on, with the reason.
    pub kept: Vec<(u32, String)>,
}

/// Hears of each step: its name in the standard and how long it took.
pub type Observer<'a> = &'a mut (dyn FnMut(&'static str, Duration) + Send);

/// A card and the way to servers.
#[derive(Debug)]
pub struct Lpa<T> {
    card: Es10Client<T>,
    servers: Es9PlusClient,
    clock: Clock,
}

impl<T: ApduTransport> Lpa<T> {
    /// An LPA for an opened card.
    #[must_use]
    pub const fn new(card: Es10Client<T>, servers: Es9PlusClient, clock: Clock) -> Self {
        Self { card, servers, clock }
    }

    /// The card.
    pub const fn card(&mut self) -> &mut Es10Client<T> {
        &mut self.card
    }

    /// Gives the card back.
    #[must_use]
    pub fn into_card(self) -> Es10Client<T> {
        self.card
    }

    /// Downloads and installs a profile (3.1.3), and delivers the card's report.
    ///
    /// # Errors
    /// [`LpaError`], one variant per reason; where the standard says so, the session was cancelled.
    pub async fn download(
        &mut self,
        request: &DownloadRequest,
        observer: Observer<'_>,
    ) -> Result<Report, LpaError> {
        // Steps 1 to 14: both sides are authenticated, the package is fetched, the card has it.
        let server = Direct { client: &self.servers, address: &request.address };
        let installed = install(&mut self.card, &server, request, &self.clock, observer).await?;
        let result = ProfileInstallationResult::from_der(&installed.result)?.data.value;
        // Steps 15 and 16: the report goes to the server; it waits on the card until it has arrived.
        // The profile is there or not whatever becomes of the report, so a card that fails here is told beside it.
        let seq_number = result.notification_metadata.seq_number;
        let delivery =
            self.deliver(Some(result.notification_metadata.address), observer).await.unwrap_or_else(
                |error| Delivery { kept: vec![(seq_number, error.to_string())], ..Delivery::default() },
            );
        let metadata = StoreMetadataRequest::from_der(&installed.metadata)?;
        match result.final_result {
            FinalResult::Success { aid, .. } => Ok(Report {
                iccid: Iccid::from_bcd(metadata.iccid)?,
                service_provider_name: metadata.service_provider_name.to_owned(),
                profile_name: metadata.profile_name.to_owned(),
                transaction_id: installed.transaction_id,
                isdp_aid: aid.to_vec(),
                package_octets: installed.package_octets,
                delivery,
            }),
            FinalResult::Error { bpp_command_id, error_reason, .. } => {
                Err(LpaError::NotInstalled { command: bpp_command_id, reason: error_reason })
            }
        }
    }

    /// Delivers the notifications that wait on the card (3.5): to each recipient one after the other in rising order,
    /// removed as soon as the recipient has taken it; a recipient that fails is not asked again. `only` limits it to
    /// one recipient.
    ///
    /// # Errors
    /// [`LpaError`] if the card fails; what a server says stands in the [`Delivery`].
    pub async fn deliver(
        &mut self,
        only: Option<&str>,
        observer: Observer<'_>,
    ) -> Result<Delivery, LpaError> {
        Ok(deliver(&mut self.card, &self.servers, &self.clock, only, observer).await?)
    }

    /// Enables, disables or deletes a profile; its notifications wait on the card.
    ///
    /// # Errors
    /// [`LpaError::Card`] with the card's result.
    pub fn manage_profile(&mut self, action: ProfileAction, iccid: &Iccid) -> Result<(), LpaError> {
        Ok(self.card.manage_profile(action, iccid)?)
    }
}
