//! What a card of SGP.32 remembers beside what every card does: its eIMs, the results that wait, and what is under way.

use serde::{Deserialize, Serialize};
use simyard_asn1::Decode as _;
use simyard_asn1::iot::configuration::{EimConfigurationData, EimPublicKey};
use simyard_asn1::iot::{EimTransactionId, Implicit};

use super::apdu::StatusWord;
use super::state::{CardState, hex_octets};
use crate::crypto::ecdsa::PublicKey;
use crate::pki::public_key::from_subject_public_key_info;
use crate::pki::{Certificate, UnusableKey};

/// eIMs on one card at most.
pub const MAX_ASSOCIATED_EIMS: usize = 8;
/// Results kept at most; the lowest sequence numbers are dropped first, as those of notifications are.
pub const MAX_RESULTS: usize = 32;
/// Operations that the card runs of one package at most.
pub const MAX_OPERATIONS_RUN: usize = 16;
/// The counter value that every eUICC takes (2.11.1.1.1), and the highest that a card takes unless it is told otherwise.
pub const COUNTER_LIMIT: i64 = 0x7F_FFFF;

/// What can be chosen when a card of SGP.32 is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IotSettings {
    /// The highest counterValue that the card takes.
    pub counter_limit: i64,
}

impl Default for IotSettings {
    fn default() -> Self {
        Self { counter_limit: COUNTER_LIMIT }
    }
}

/// An associated eIM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EimRecord {
    /// eimId.
    pub eim_id: String,
    /// The counterValue of the last package that was run, or the first one.
    pub counter_value: i64,
    /// associationToken, if the eIM asked for one.
    pub association_token: Option<i64>,
    /// EimConfigurationData as DER, with counter and token as they came.
    #[serde(with = "hex_octets")]
    pub configuration: Vec<u8>,
}

impl EimRecord {
    /// The configuration data with the counter and the token of now.
    #[must_use]
    pub fn configuration(&self) -> EimConfigurationData<'_> {
        EimConfigurationData {
            counter_value: Some(self.counter_value),
            association_token: self.association_token,
            ..EimConfigurationData::from_der(&self.configuration).unwrap_or_default()
        }
    }

    /// The key that verifies the eIM's packages; `None` where there is none that can be used.
    pub(super) fn public_key(&self) -> Option<PublicKey> {
        verification_key(&self.configuration().eim_public_key_data?).ok()
    }

    /// The CI under which the card signs for this eIM; empty is the preferred one.
    pub(super) fn ci_key_identifier(&self) -> Vec<u8> {
        self.configuration().euicc_ci_pk_id.unwrap_or_default().to_vec()
    }
}

/// The key of eimPublicKeyData.
pub(super) fn verification_key(key: &EimPublicKey<'_>) -> Result<PublicKey, UnusableKey> {
    match key {
        EimPublicKey::Spki(info) => from_subject_public_key_info(&info.to_der()),
        EimPublicKey::Certificate(certificate) => {
            let certificate =
                Certificate::from_der(&Implicit::to_der(*certificate)).map_err(|_| UnusableKey::Algorithm)?;
            certificate.public_key().copied()
        }
    }
}

/// The result of a package that no eIM has confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultRecord {
    /// seqNumber.
    pub seq_number: u32,
    /// EuiccPackageResult as DER.
    #[serde(with = "hex_octets")]
    pub der: Vec<u8>,
}

/// What results repeat of a package, and how they are signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageIdentity {
    /// eimId.
    pub eim_id: String,
    /// counterValue.
    pub counter_value: i64,
    /// eimTransactionId; empty without one.
    #[serde(with = "hex_octets")]
    pub eim_transaction_id: Vec<u8>,
    /// associationToken of the eIM when the package came.
    pub association_token: Option<i64>,
    /// The CI under which the results are signed; empty is the preferred one.
    #[serde(with = "hex_octets")]
    pub ci_key_identifier: Vec<u8>,
}

impl PackageIdentity {
    pub(super) fn eim_transaction_id(&self) -> Option<EimTransactionId> {
        EimTransactionId::from_octets(&self.eim_transaction_id)
    }
}

/// Which profile was enabled, so that it can be again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnabledBefore {
    /// Its ICCID; empty if none was.
    #[serde(with = "hex_octets")]
    pub iccid: Vec<u8>,
    /// The operational profile that it had displaced; empty without.
    #[serde(with = "hex_octets")]
    pub displaced: Vec<u8>,
}

impl EnabledBefore {
    pub(super) fn of(state: &CardState) -> Self {
        Self {
            iccid: state.enabled().map(|profile| profile.iccid.clone()).unwrap_or_default(),
            displaced: state.displaced.clone(),
        }
    }
}

/// The grant of an eIM that the IPA may go back to the profile that was enabled before a package (3.4.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackGrant {
    /// What was enabled before the package.
    pub before: EnabledBefore,
    /// The package.
    pub package: PackageIdentity,
    /// seqNumber of its result, with whose removal the grant ends.
    pub seq_number: u32,
    /// seqNumbers of its notifications.
    pub notifications: Vec<u32>,
}

/// The configuration of immediate enabling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImmediateEnableRecord {
    /// defaultSmdpOid, its content octets; empty is any.
    #[serde(with = "hex_octets")]
    pub default_smdp_oid: Vec<u8>,
    /// defaultSmdpAddress; `None` is any.
    pub default_smdp_address: Option<String>,
}

/// What a card of SGP.32 remembers beside what every card does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IotState {
    /// The highest counterValue that the card takes.
    pub counter_limit: i64,
    /// The associated eIMs in the order of their association.
    pub eims: Vec<EimRecord>,
    /// The last associationToken that was given; never reset.
    pub last_association_token: i64,
    /// The results that wait, in rising order.
    pub results: Vec<ResultRecord>,
    /// Whether and how the IPA may roll back.
    pub rollback: Option<RollbackGrant>,
    /// ICCID of the profile with the fallback attribute; empty without.
    #[serde(with = "hex_octets")]
    pub fallback_profile: Vec<u8>,
    /// What was enabled before the fallback mechanism was executed.
    pub fallen_back_from: Option<EnabledBefore>,
    /// What was enabled before the emergency profile.
    pub emergency_since: Option<EnabledBefore>,
    /// How profiles may be enabled at once; `None` is not at all.
    pub immediate_enable: Option<ImmediateEnableRecord>,
}

impl IotState {
    /// A card that no eIM has seen.
    #[must_use]
    pub const fn new(settings: IotSettings) -> Self {
        Self {
            counter_limit: settings.counter_limit,
            eims: Vec::new(),
            last_association_token: 0,
            results: Vec::new(),
            rollback: None,
            fallback_profile: Vec::new(),
            fallen_back_from: None,
            emergency_since: None,
            immediate_enable: None,
        }
    }

    /// The eIM with this eimId.
    #[must_use]
    pub fn eim(&self, eim_id: &str) -> Option<&EimRecord> {
        self.eims.iter().find(|eim| eim.eim_id == eim_id)
    }

    /// Keeps a result; the lowest number goes where there is no room, and with it the grant that it carries.
    pub(super) fn keep(&mut self, result: ResultRecord) {
        if self.results.len() >= MAX_RESULTS {
            let first = self.results.remove(0);
            self.end_grant_of(first.seq_number);
        }
        self.results.push(result);
    }

    /// Removes a result; the eIM has it, so there is nothing to roll back any more.
    pub(super) fn remove_result(&mut self, seq_number: u32) {
        self.results.retain(|result| result.seq_number != seq_number);
        self.end_grant_of(seq_number);
    }

    fn end_grant_of(&mut self, seq_number: u32) {
        self.rollback.take_if(|grant| grant.seq_number == seq_number);
    }
}

impl CardState {
    /// What the card remembers as one of SGP.32.
    pub(super) fn iot(&self) -> Result<&IotState, StatusWord> {
        self.iot.as_ref().ok_or(StatusWord::WRONG_DATA)
    }

    pub(super) fn iot_mut(&mut self) -> Result<&mut IotState, StatusWord> {
        self.iot.as_mut().ok_or(StatusWord::WRONG_DATA)
    }

    /// Whether an emergency profile is enabled, which stops all else.
    pub(super) fn has_active_ecall(&self) -> bool {
        self.iot.as_ref().is_some_and(|iot| iot.emergency_since.is_some())
    }

    /// Whether an eIM manages the profiles.
    pub(super) fn is_managed_by_eim(&self) -> bool {
        self.iot.as_ref().is_some_and(|iot| !iot.eims.is_empty())
    }
}
