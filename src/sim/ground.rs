//! What all seeds have in common: a test PKI, an eUICC for each device, the profile type, and the manufacturer's file.
//!
//! It is made once: keys and certificates take longer than a small run.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use simyard_asn1::Encode as _;
use simyard_asn1::iot::Implicit;
use simyard_asn1::iot::configuration::{AddInitialEimRequest, EimConfigurationData, EimIdType, EimPublicKey};
use simyard_asn1::saip::Package;

use super::SimulationError;
use crate::crypto::ecdsa::SigningKey;
use crate::device::state::{CredentialMaterial, Material};
use crate::domain::{Operator, ProfileType, SubClassName};
use crate::env::{Rng, Timestamp};
use crate::http::listener::ClientCertificate;
use crate::ident::{Eid, Iccid, ServerAddress};
use crate::pki::Anchors;
use crate::pki::public_key::to_subject_public_key_info;
use crate::pki::test_pki::{Issued, TestPki, TestPkiOptions};
use crate::profile::metadata::{NotificationEvent, ProfileMetadata, Recipient};
use crate::profile::plan::Template;
use crate::profile::shipped;
use crate::smdp::identity::{Credential, Identity};

/// When every story begins.
pub const BEGIN: Timestamp = Timestamp::from_secs(1_795_329_780);
/// The name of the SM-DP+.
pub(super) const SMDP: &str = "smdp.example.com";
/// The name of the eIM, and its eimId.
pub(super) const EIM: &str = "eim.example.com";
/// The counter of every association to begin with.
pub(super) const FIRST_COUNTER: i64 = 1;
/// What certificates and cards are drawn with: they are no part of the story.
const GROUND_SEED: u64 = 1;
/// The range of EIDs of the test PKI's EUM.
const EID_RANGE: &str = "89049032";

/// What all seeds have in common.
pub struct Ground {
    pub(super) anchors: Arc<Anchors>,
    pub(super) identity: Arc<Identity>,
    pub(super) template: Template,
    pub(super) address: ServerAddress,
    pub(super) owner: Operator,
    pub(super) profile_type: ProfileType,
    /// Keys and certificates of one eUICC for each device.
    pub(super) euiccs: Vec<Material>,
    /// The certificate of each device.
    pub(super) devices: Vec<ClientCertificate>,
    /// That of the operator.
    pub(super) operator: ClientCertificate,
    /// The eIM as devices call it.
    pub(super) eim: ServerAddress,
    /// What the eIM signs with.
    pub(super) eim_key: Arc<SigningKey>,
    /// The kind of SIMs that switch.
    pub(super) sub_class: SubClassName,
}

impl Ground {
    /// Makes it, for so many devices.
    ///
    /// # Errors
    /// [`SimulationError`] only for faults of ours.
    pub fn new(devices: usize) -> Result<Self, SimulationError> {
        let rng = Rng::seeded(GROUND_SEED);
        let eid = |number: usize| Eid::with_check_digits(&format!("{EID_RANGE}{number:022}"));
        let options = TestPkiOptions { host_names: vec![SMDP.to_owned()], eid: eid(0)? };
        let pki = TestPki::generate(&rng, BEGIN, &options)?;
        let anchors = Anchors::of_cis(vec![pki.ci.certificate.clone()])?;
        let identity = Identity::new(credential(&pki.dp_auth)?, credential(&pki.dp_pb)?, &anchors, BEGIN)?;
        let shipped = shipped::find(shipped::DEFAULT).ok_or(SimulationError::BuiltIn("its template"))?;
        let template = Template::compile(&Package::from_der(&shipped.build()?)?)?;
        let issuer = pki.eum_issuer()?;
        let euicc = |number: usize| {
            let issued = issuer.issue_euicc(&eid(number)?, &rng, BEGIN)?;
            Ok(Material {
                credentials: vec![CredentialMaterial {
                    euicc_key: issued.key.to_pkcs8_der()?,
                    euicc_certificate: issued.certificate.der().to_vec(),
                    eum_certificate: pki.eum.certificate.der().to_vec(),
                }],
                ci_certificates: vec![pki.ci.certificate.der().to_vec()],
            })
        };
        let euiccs = (0..devices).map(euicc).collect::<Result<_, SimulationError>>()?;
        let device_issuer = pki.device_issuer()?;
        let device = |number: usize| {
            let issued = device_issuer.issue_device(&eid(number)?, None, &rng, BEGIN)?;
            Ok(ClientCertificate::of(issued.certificate.der()))
        };
        let sub_class = SubClassName::parse("Card Industrial");
        Ok(Self {
            devices: (0..devices).map(device).collect::<Result<_, SimulationError>>()?,
            operator: ClientCertificate::of(pki.operator.certificate.der()),
            eim: ServerAddress::parse(EIM)?,
            eim_key: Arc::new(pki.eim_sign.key.signing_key()?),
            sub_class: sub_class.ok_or(SimulationError::BuiltIn("its kind of SIMs"))?,
            anchors: Arc::new(anchors),
            identity: Arc::new(identity),
            template,
            address: ServerAddress::parse(SMDP)?,
            owner: Operator::parse("acme").ok_or(SimulationError::BuiltIn("its operator's name"))?,
            profile_type: ProfileType::parse("iot").ok_or(SimulationError::BuiltIn("its profile type"))?,
            euiccs,
        })
    }

    /// How many devices there are.
    #[must_use]
    pub const fn devices(&self) -> usize {
        self.euiccs.len()
    }

    /// How long devices take to begin, one after the other: many at a time, never all of them.
    pub(super) fn beginning(&self) -> Duration {
        Duration::from_millis(20).saturating_mul(u32::try_from(self.devices()).unwrap_or(u32::MAX))
            + Duration::from_secs(30)
    }

    /// AddInitialEimRequest for the card of a device: every other one downloads through the eIM.
    pub(super) fn association(&self, number: usize) -> Result<Vec<u8>, SimulationError> {
        let key = to_subject_public_key_info(self.eim_key.public_key());
        let configuration = EimConfigurationData {
            eim_id: EIM,
            eim_fqdn: Some(EIM),
            eim_id_type: Some(EimIdType::Fqdn),
            counter_value: Some(FIRST_COUNTER),
            eim_public_key_data: Some(EimPublicKey::Spki(Implicit::from_der(&key)?)),
            indirect_profile_download: is_indirect(number),
            ..EimConfigurationData::default()
        };
        Ok(AddInitialEimRequest { eims: vec![configuration] }.to_der())
    }

    /// The EIDs of all devices.
    pub(super) fn eids(&self) -> Result<Vec<Eid>, SimulationError> {
        let eid = |number: usize| Eid::with_check_digits(&format!("{EID_RANGE}{number:022}"));
        Ok((0..self.devices()).map(eid).collect::<Result<_, _>>()?)
    }

    /// A file of an EUM: the eUICCs of all devices.
    pub(super) fn euiccs(&self) -> Result<Vec<u8>, SimulationError> {
        let mut file = String::from("eid,architecture,memory,eum_certificate,euicc_certificate");
        for (number, material) in self.euiccs.iter().enumerate() {
            let Some(credential) = material.credentials.first() else { continue };
            let [eum, own] =
                [&credential.eum_certificate, &credential.euicc_certificate].map(|der| STANDARD.encode(der));
            let eid = Eid::with_check_digits(&format!("{EID_RANGE}{number:022}"))?;
            // Writing to a text does not fail.
            let _ = write!(file, "\n{eid},sgp32,2000000,{eum},{own}");
        }
        Ok(file.into_bytes())
    }

    /// What is told of the profiles: every event is to be reported to the SM-DP+.
    pub(super) fn metadata(&self) -> ProfileMetadata {
        ProfileMetadata {
            service_provider_name: "Acme".to_owned(),
            profile_name: "Acme IoT".to_owned(),
            recipients: vec![Recipient {
                address: self.address.clone(),
                events: NotificationEvent::DEFAULT.to_vec(),
            }],
            ..ProfileMetadata::default()
        }
    }
}

/// Whether a device downloads through the eIM.
pub(super) const fn is_indirect(number: usize) -> bool {
    number % 2 == 1
}

fn credential(issued: &Issued) -> Result<Credential, SimulationError> {
    Ok(Credential { certificate: issued.certificate.clone(), key: issued.key.signing_key()? })
}

/// The number of a profile in the stock.
pub(super) fn iccid(number: usize) -> Result<Iccid, SimulationError> {
    Ok(Iccid::parse(&format!("8988280100{number:09}"))?)
}

/// A manufacturer's file with so many profiles, in the order of their numbers.
pub(super) fn delivery(count: usize, rng: &Rng) -> Result<Vec<u8>, SimulationError> {
    let mut file = String::from("iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1");
    for number in 0..count {
        let [ki, opc] = [rng.array::<16>(), rng.array::<16>()].map(hex::encode);
        // Writing to a text does not fail.
        let _ = write!(
            file,
            "\n{},90140{number:010},{ki},{opc},1234,12345678,5678,87654321,11223344",
            iccid(number)?
        );
    }
    Ok(file.into_bytes())
}
