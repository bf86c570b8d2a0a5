//! An eIM in a folder of its own, an eUICC whose keys are of the test PKI, and the device around it: what it polls for, it
//! answers under the eUICC's signature, or as a test bids.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use simyard::crypto::ecdsa::{PublicKey, SigningKey};
use simyard::crypto::seal::{Sealer, SealingKey};
use simyard::domain::{
    Actor, Architecture, Deadlines, FreedomToSwitch, ListedProfile, OldProfile, Operation, OperationId,
    Operator, Person, ProfileType, Rollback, SubClassName, SwitchTarget, Switching, Task,
};
use simyard::eim::caller::{ClientAuth, DeviceCaller, Devices, EidField, POLLS_PER_HOUR};
use simyard::eim::get_eim_package::{GetEimPackageError, get_eim_package};
use simyard::eim::introductions::Introductions;
use simyard::eim::keys::EimKeys;
use simyard::eim::laboratory::Laboratory;
use simyard::eim::operations::{CreateOperationError, OperationRequest, create_operation};
use simyard::eim::provide_eim_package_result::{ProvideEimPackageResultError, provide_eim_package_result};
use simyard::eim::refusals::Refusals;
use simyard::eim::{Eim, POLL_WANTED_AFTER};
use simyard::env::{Clock, Rng};
use simyard::ident::{ActivationCode, Eid, Iccid, Peer};
use simyard::pki::Anchors;
use simyard::pki::tls::peer_identity;
use simyard::store::{
    Association, Batch, BatchKind, DownloadWay, EimAssociation, EimChange, EuiccFacts, EumCertificate,
    Introduction, Lease, NewEuicc, Seen, SeenBy, Store, StoreUrl, Totals,
};
use simyard_asn1::iot::EimTransactionId;
use simyard_asn1::iot::esipa::{
    EimPackage, EimPackageResult, GetEimPackageRequest, ProvideEimPackageResultRequest,
};
use simyard_asn1::iot::package::{EuiccPackage, EuiccPackageRequest, Psmo};
use simyard_asn1::iot::result::{
    EnableProfileResult, EuiccPackageErrorCode, EuiccPackageErrorDataSigned, EuiccPackageResult,
    EuiccPackageResultDataSigned, EuiccResultData,
};
use simyard_asn1::iot::signed_bytes;
use simyard_asn1::rsp::metadata::ProfileInfo;
use simyard_asn1::{Decode as _, Encode as _, Raw};

use super::relayed;
use crate::server::{NOW, PKI, euicc};

/// The eimId of the worlds.
pub const EIM_ID: &str = "eim.example.com";
/// The association token of the worlds: one whose DER has a sign octet.
pub const TOKEN: i64 = 128;

pub struct World {
    pub eim: Eim,
    pub clock: Clock,
    pub devices: Devices,
    pub card: Arc<Mutex<Card>>,
    /// Where its store is, if it goes with the world.
    _folder: Option<tempfile::TempDir>,
}

/// The eUICC: what it holds, and what it signs with.
pub struct Card {
    pub key: SigningKey,
    /// The key that it knows the eIM by.
    pub eim_key: PublicKey,
    pub token: i64,
    pub counter: i64,
    pub seq_number: u32,
    /// Each profile, and whether it is enabled.
    pub profiles: Vec<(Iccid, bool)>,
}

pub fn eid() -> Eid {
    euicc::eid(0)
}

pub fn iccid(number: u8) -> Iccid {
    Iccid::parse(&format!("898821100000000000{number}")).unwrap()
}

pub fn peer() -> Peer {
    std::net::IpAddr::from([192, 0, 2, 1]).into()
}

pub fn person() -> Actor {
    Actor::Person(Person::parse("tester").unwrap())
}

pub fn code() -> ActivationCode {
    ActivationCode::parse("LPA:1$smdp.example.com$M-1").unwrap()
}

/// Whether the certificates of the eUICC were delivered with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    WithCertificates,
    Bare,
}

impl World {
    /// An eUICC with profile 1 enabled, delivered with its certificates and Freedom to Switch.
    pub async fn new() -> Self {
        Self::with(Delivered::WithCertificates, FreedomToSwitch::Active).await
    }

    pub async fn with(delivered: Delivered, freedom: FreedomToSwitch) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreUrl::Sqlite(folder.path().join("simyard.db"))).await.unwrap();
        deliver(&store, delivered, freedom).await;
        let card = Arc::new(Mutex::new(Card::new()));
        Self { _folder: Some(folder), ..Self::of(store, card, 77) }
    }

    /// What works with a store that has an eUICC already; all that is drawn begins with the seed.
    pub fn of(store: Store, card: Arc<Mutex<Card>>, seed: u64) -> Self {
        let (clock, rng) = (Clock::fixed(NOW), Rng::seeded(seed));
        let refusals = Arc::new(Refusals::new(clock.clone()));
        let devices =
            Devices::new(store.clone(), EidField::SerialNumber, POLLS_PER_HOUR, refusals, clock.clone());
        let eim = Eim {
            store,
            sealer: Sealer::new(&SealingKey::generate(&Rng::seeded(76)), rng.clone()).unwrap(),
            clock: clock.clone(),
            rng,
            eim_id: EIM_ID.to_owned(),
            keys: EimKeys::new(Arc::new(PKI.eim_sign.key.signing_key().unwrap()), []),
            anchors: Arc::new(Anchors::of_cis(vec![PKI.ci.certificate.clone()]).unwrap()),
            download: DownloadWay::Direct,
            deadlines: Deadlines::default(),
            poll_wanted_after: POLL_WANTED_AFTER,
            laboratory: Laboratory::Closed,
            sub_classes: HashMap::from([(
                SubClassName::parse("Card Industrial").unwrap(),
                Switching::Possible,
            )]),
            contacts: Seen::new(SeenBy::Eim),
            introductions: Introductions::default(),
            relay: relayed::relay(Arc::new(relayed::NoServer), &clock),
        };
        Self { eim, clock, devices, card, _folder: None }
    }

    /// The device, with its certificate.
    pub async fn device(&self) -> DeviceCaller {
        let identity = peer_identity(PKI.device.certificate.der()).unwrap();
        self.devices.recognise(ClientAuth::Required, peer(), Some(&identity)).await.unwrap()
    }

    /// Somebody without a certificate.
    pub async fn anybody(&self) -> DeviceCaller {
        self.devices.recognise(ClientAuth::Optional, peer(), None).await.unwrap()
    }

    pub async fn ask(&self, task: Task) -> OperationId {
        self.request(OperationRequest::new(task)).await.unwrap()
    }

    pub async fn request(&self, request: OperationRequest) -> Result<OperationId, CreateOperationError> {
        create_operation(&self.eim, &eid(), &request, &person()).await.map(|created| created.operation_id)
    }

    /// A switch to a profile that is downloaded first.
    pub fn switch(old: OldProfile) -> OperationRequest {
        let task = Task::Switch { to: SwitchTarget::Downloaded, rollback: Rollback::Granted, old };
        OperationRequest { activation_code: Some(code()), ..OperationRequest::new(task) }
    }

    /// What the eUICC and its IPA said of themselves, beside all operations.
    pub async fn introduced(&self, introduction: Introduction) {
        let (store, now) = (&self.eim.store, self.clock.now());
        store.associate_delivered(&eid(), &self.eim.eim_id, self.eim.download, now).await.unwrap();
        let known = store.eim_euicc(&eid()).await.unwrap().unwrap();
        let mut change = EimChange::new(eid(), known.version, now);
        change.introduction = introduction;
        store.change_eim_euicc(change, &self.eim.deadlines).await.unwrap();
    }

    pub async fn operation(&self, id: &OperationId) -> Operation {
        self.eim.store.operation(id).await.unwrap().unwrap().operation
    }

    /// Where an operation stands, in one word.
    pub async fn state(&self, id: &OperationId) -> &'static str {
        self.operation(id).await.state.name().as_str()
    }

    /// What was told of an operation.
    pub async fn told(&self, id: &OperationId) -> Vec<&'static str> {
        let events = self.eim.store.events_of_operation(id, 0, 1000).await.unwrap();
        events.iter().map(|event| event.kind.unwrap().name()).collect()
    }

    pub async fn poll(&self) -> Result<EimPackage, GetEimPackageError> {
        self.poll_with(GetEimPackageRequest::new(eid().to_bcd())).await
    }

    pub async fn poll_with(&self, request: GetEimPackageRequest) -> Result<EimPackage, GetEimPackageError> {
        get_eim_package(&self.eim, &self.device().await, &request).await
    }

    /// Whether a poll finds nothing.
    pub async fn is_idle(&self) -> bool {
        matches!(self.poll().await, Err(GetEimPackageError::NoEimPackageAvailable))
    }

    /// The eUICC package that is outstanding.
    pub async fn package(&self) -> Vec<u8> {
        match self.poll().await.unwrap() {
            EimPackage::EuiccPackageRequest(octets) => octets,
            other => panic!("{other:02X?}"),
        }
    }

    pub async fn answer(&self, result: EimPackageResult) -> Result<Vec<u32>, ProvideEimPackageResultError> {
        self.answer_as(&self.device().await, result).await
    }

    pub async fn answer_as(
        &self,
        caller: &DeviceCaller,
        result: EimPackageResult,
    ) -> Result<Vec<u32>, ProvideEimPackageResultError> {
        let request =
            ProvideEimPackageResultRequest { eid_value: Some(eid().to_bcd()), eim_package_result: result };
        provide_eim_package_result(&self.eim, caller, &request).await.map(|taken| taken.0)
    }

    /// The device polls, its eUICC does what the package says, and the answer is brought.
    pub async fn turn(&self) -> Vec<u32> {
        let package = self.package().await;
        let result = self.card.lock().unwrap().execute(&package);
        self.answer(EimPackageResult::EuiccPackageResult(result)).await.unwrap()
    }

    /// As [`World::turn`], and the eUICC says this, whatever the package is.
    pub async fn turn_saying(&self, results: &[EuiccResultData<'_>]) -> Vec<u8> {
        let package = self.package().await;
        let result = self.card.lock().unwrap().say(&package, results);
        self.answer(EimPackageResult::EuiccPackageResult(result.clone())).await.unwrap();
        result
    }

    /// As [`World::turn`], and the eUICC signs this error.
    pub async fn turn_with_error(&self, code: EuiccPackageErrorCode) {
        let package = self.package().await;
        let result = self.card.lock().unwrap().error(&package, code);
        self.answer(EimPackageResult::EuiccPackageResult(result)).await.unwrap();
    }

    /// The device polls for a trigger, and brings the result of the installation of profile `number`.
    pub async fn download(&self, number: u8) {
        let EimPackage::ProfileDownloadTriggerRequest(_) = self.poll().await.unwrap() else {
            panic!("no trigger")
        };
        let pir = {
            let mut card = self.card.lock().unwrap();
            card.profiles.push((iccid(number), false));
            card.installation_result(&iccid(number))
        };
        let octets = [&[0xBF, 0x54][..], &length(pir.len()), &pir].concat();
        self.answer(EimPackageResult::ProfileDownloadTriggerResult(octets)).await.unwrap();
    }

    /// Brings a switch as far as its enable package has left: the octets of the package.
    pub async fn switching(&self, request: OperationRequest) -> (OperationId, Vec<u8>) {
        let id = self.request(request).await.unwrap();
        self.turn().await;
        self.download(2).await;
        self.turn().await;
        let package = self.package().await;
        assert_eq!(self.state(&id).await, "switching");
        (id, package)
    }

    pub async fn profiles(&self) -> Vec<(Iccid, bool)> {
        let profiles = self.eim.store.profiles_of_euicc(&eid()).await.unwrap();
        profiles.into_iter().map(|ListedProfile { iccid, enabled, .. }| (iccid, enabled)).collect()
    }
}

pub fn length(octets: usize) -> Vec<u8> {
    match u8::try_from(octets) {
        Ok(short) if short < 0x80 => vec![short],
        Ok(long) => vec![0x81, long],
        Err(_) => [&[0x82][..], &u16::try_from(octets).unwrap().to_be_bytes()].concat(),
    }
}

impl Card {
    /// One as it was delivered.
    pub fn new() -> Self {
        Self {
            key: PKI.euicc.key.signing_key().unwrap(),
            eim_key: *PKI.eim_sign.key.signing_key().unwrap().public_key(),
            token: TOKEN,
            counter: 7,
            seq_number: 40,
            profiles: vec![(iccid(1), true)],
        }
    }

    /// The operations of a package, once its signature and counter are right.
    fn open<'a>(&self, package: &'a [u8]) -> EuiccPackageRequest<'a> {
        let request = EuiccPackageRequest::from_der(package).unwrap();
        assert!(self.believes(package), "the eIM signed it with this token");
        assert_eq!(request.euicc_package_signed.value.eid, &eid().to_bcd());
        request
    }

    /// Whether a package is signed under the key that it knows, with its token.
    pub fn believes(&self, package: &[u8]) -> bool {
        let request = EuiccPackageRequest::from_der(package).unwrap();
        let message = signed_bytes(request.euicc_package_signed.bytes, Some(self.token));
        let signature = request.eim_signature.try_into().unwrap();
        self.eim_key.verify(&message, signature).is_ok()
    }

    /// Does what a package says; answers a replay with the error for it.
    pub fn execute(&mut self, package: &[u8]) -> Vec<u8> {
        let request = self.open(package);
        let signed = &request.euicc_package_signed.value;
        if signed.counter_value <= self.counter {
            return self.error(package, EuiccPackageErrorCode::ReplayError);
        }
        self.counter = signed.counter_value;
        let EuiccPackage::Psmo(operations) = &signed.operations else {
            return self.say(package, &[EuiccResultData::ListEim(Ok(Vec::new()))]);
        };
        let [operation] = operations.as_slice() else { panic!("one operation") };
        let result = match operation {
            Psmo::Enable { iccid, .. } => {
                let wanted = Iccid::from_bcd(iccid).unwrap();
                self.profiles.iter_mut().for_each(|(iccid, enabled)| *enabled = *iccid == wanted);
                EuiccResultData::Enable(EnableProfileResult::Ok)
            }
            Psmo::Disable { iccid } => {
                let wanted = Iccid::from_bcd(iccid).unwrap();
                self.profiles.iter_mut().for_each(|(iccid, enabled)| *enabled &= *iccid != wanted);
                EuiccResultData::Disable(simyard_asn1::iot::result::DisableProfileResult::Ok)
            }
            Psmo::Delete { iccid } => {
                let wanted = Iccid::from_bcd(iccid).unwrap();
                self.profiles.retain(|(iccid, _)| *iccid != wanted);
                EuiccResultData::Delete(simyard_asn1::iot::result::DeleteProfileResult::Ok)
            }
            Psmo::ListProfileInfo(_) => return self.list(package),
            other => panic!("{other:?}"),
        };
        self.say(package, &[result])
    }

    /// Its profiles, signed.
    pub fn list(&mut self, package: &[u8]) -> Vec<u8> {
        let profiles: Vec<([u8; 10], bool)> =
            self.profiles.iter().map(|(iccid, enabled)| (iccid.to_bcd(), *enabled)).collect();
        let list = profiles.iter().map(|(iccid, enabled)| ProfileInfo {
            iccid: Some(iccid),
            profile_state: Some(u32::from(*enabled)),
            profile_name: Some("Acme IoT"),
            ..ProfileInfo::default()
        });
        let results = [EuiccResultData::ListProfileInfo(Ok(list.collect()))];
        self.say(package, &results)
    }

    /// Signs results for a package.
    pub fn say(&mut self, package: &[u8], results: &[EuiccResultData<'_>]) -> Vec<u8> {
        let request = self.open(package);
        let signed = &request.euicc_package_signed.value;
        self.counter = self.counter.max(signed.counter_value);
        self.seq_number += 1;
        let data = EuiccPackageResultDataSigned {
            eim_id: signed.eim_id,
            counter_value: signed.counter_value,
            eim_transaction_id: signed.eim_transaction_id,
            seq_number: self.seq_number,
            results: results.to_vec(),
        }
        .to_der();
        self.sign_results(&data)
    }

    pub fn sign_results(&self, data: &[u8]) -> Vec<u8> {
        let signature = self.key.sign(&signed_bytes(data, Some(self.token))).unwrap();
        EuiccPackageResult::Signed { data: Raw::from_der(data).unwrap(), signature: &signature }.to_der()
    }

    /// Signs an error for a package.
    pub fn error(&self, package: &[u8], code: EuiccPackageErrorCode) -> Vec<u8> {
        let request = self.open(package);
        let signed = &request.euicc_package_signed.value;
        let data = EuiccPackageErrorDataSigned {
            eim_id: signed.eim_id,
            counter_value: signed.counter_value,
            eim_transaction_id: signed.eim_transaction_id,
            code,
        }
        .to_der();
        let signature = self.key.sign(&signed_bytes(&data, Some(self.token))).unwrap();
        EuiccPackageResult::ErrorSigned { data: Raw::from_der(&data).unwrap(), signature: &signature }
            .to_der()
    }

    /// A ProfileInstallationResult of a profile.
    pub fn installation_result(&mut self, iccid: &Iccid) -> Vec<u8> {
        use simyard_asn1::rsp::notification::{
            FinalResult, NotificationMetadata, ProfileInstallationResult, ProfileInstallationResultData,
        };
        use simyard_asn1::tlv::NamedBits;
        self.seq_number += 1;
        let bcd = iccid.to_bcd();
        let data = ProfileInstallationResultData {
            transaction_id: &[1; 16],
            notification_metadata: NotificationMetadata {
                seq_number: self.seq_number,
                operation: NamedBits(1),
                address: "smdp.example.com",
                iccid: Some(&bcd),
            },
            smdp_oid: Some(simyard_asn1::Oid::parse("2.999.10").unwrap()),
            final_result: FinalResult::Success {
                aid: &[0xA0, 0, 0, 5, 0x59],
                sima_response: &[0x30, 0x07, 0xA0, 0x05, 0x30, 0x03, 0x80, 0x01, 0x00],
            },
        }
        .to_der();
        let signature = self.key.sign(&data).unwrap();
        ProfileInstallationResult { data: Raw::from_der(&data).unwrap(), signature: &signature }.to_der()
    }
}

/// The eimTransactionId of a package.
pub fn transaction_of(package: &EimPackage) -> Option<EimTransactionId> {
    use simyard_asn1::iot::data::IpaEuiccDataRequest;
    use simyard_asn1::iot::trigger::ProfileDownloadTriggerRequest;
    match package {
        EimPackage::EuiccPackageRequest(octets) => {
            EuiccPackageRequest::from_der(octets).unwrap().euicc_package_signed.value.eim_transaction_id
        }
        EimPackage::IpaEuiccDataRequest(octets) => {
            IpaEuiccDataRequest::from_der(octets).unwrap().eim_transaction_id
        }
        EimPackage::ProfileDownloadTriggerRequest(octets) => {
            ProfileDownloadTriggerRequest::from_der(octets).unwrap().eim_transaction_id
        }
    }
}

/// The eUICC comes into the register as a manufacturer delivers it.
pub async fn deliver(store: &Store, delivered: Delivered, freedom_to_switch: FreedomToSwitch) {
    let owner = Operator::parse("operator").unwrap();
    let mut batch = Batch::local("euiccs", owner, ProfileType::parse("P1").unwrap(), NOW);
    batch.kind = BatchKind::Euiccs;
    batch.sub_class = SubClassName::parse("Card Industrial");
    // A server that runs meanwhile takes what is leased no more for given up.
    let until = NOW.plus(std::time::Duration::from_secs(3600));
    let lease = Lease { receiver: "tests".to_owned(), until };
    store.begin_batch(&batch, &lease).await.unwrap();
    let eum = PKI.eum.certificate.der().to_vec();
    let certificates = (
        EumCertificate { digest: hex::encode(PKI.eum.certificate.fingerprint()), der: eum },
        PKI.euicc.certificate.der().to_vec(),
    );
    let euicc = NewEuicc {
        facts: EuiccFacts {
            eid: eid(),
            architecture: Architecture::Sgp32,
            euicc_type: None,
            form_factor: None,
            package_version: None,
            non_volatile_octets: None,
            ci_keys: String::new(),
            eim: Some(EimAssociation {
                eim_id: EIM_ID.to_owned(),
                counter: 7,
                association_token: Some(TOKEN),
            }),
            freedom_to_switch,
            enabled: Some(iccid(1)),
        },
        certificates: (delivered == Delivered::WithCertificates).then_some(certificates),
        preloaded: vec![iccid(1)],
    };
    store.add_euiccs_to_batch(&batch, &lease, &Arc::new(vec![euicc])).await.unwrap();
    let totals =
        Totals { rows: 1, taken: 1, refused: 0, digest: [1; 32], first_iccid: None, last_iccid: None };
    store.publish_batch(&batch, &lease, &totals, None, None).await.unwrap();
}

/// An association of an eUICC that nobody delivered.
pub fn association(counter: i64) -> Association {
    Association { eid: eid(), counter, association_token: Some(TOKEN), download: DownloadWay::Direct }
}
