//! A world for relayed downloads: a real SM-DP+, a network that meddles with what passes, an eIM, and an eUICC made from its
//! messages.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use serde_json::Value;
use simyard::client::ClientError;
use simyard::client::es9plus::Es9PlusClient;
use simyard::client::exchange::{Exchange, Exchanging, Limits};
use simyard::crypto::seal::{Sealer, SealingKey};
use simyard::domain::{Deadlines, Operation, OperationId, OperationState, Task};
use simyard::eim::Eim;
use simyard::eim::authenticate_client::{AuthenticateClientError, authenticate_client};
use simyard::eim::caller::{ClientAuth, DeviceCaller, Devices, EidField};
use simyard::eim::cancel_session::{CancelSessionError, cancel_session};
use simyard::eim::get_bound_profile_package::{GetBoundProfilePackageError, get_bound_profile_package};
use simyard::eim::initiate_authentication::{InitiateAuthenticationError, initiate_authentication};
use simyard::eim::introductions::Introductions;
use simyard::eim::keys::EimKeys;
use simyard::eim::laboratory::Laboratory;
use simyard::eim::refusals::Refusals;
use simyard::eim::relay::Relay;
use simyard::eim::relay::sessions::{RelayLimits, RelaySessions};
use simyard::env::{Clock, Rng};
use simyard::ident::{Eid, Peer, TransactionId};
use simyard::pki::Anchors;
use simyard::pki::tls::PeerIdentity;
use simyard::store::{
    Association, CodeScope, DownloadWay, EimChange, EuiccCertificates, Introduction, KeptOperation,
    NewOperation, NewPackage, PackageCommand, Seen, SeenBy, Store, StoreUrl, Urgency,
};
use simyard_asn1::Tag;
use simyard_asn1::iot::EimTransactionId;
use simyard_asn1::iot::data::ipa_feature;
use simyard_asn1::iot::esipa::{
    AuthenticateClientOkDp, AuthenticateClientRequest, CancelSessionRequest, GetBoundProfilePackageOk,
    GetBoundProfilePackageRequest, InitiateAuthenticationOk, InitiateAuthenticationRequest,
};
use simyard_asn1::tlv::NamedBits;

use crate::harness::block_on;
use crate::server::euicc::{Authentication, ci_key, info1, info2_with, nested, otpk, tlv};
use crate::server::{ADDRESS, Euicc, Initiated, Interface, Offer, Ordered, PKI, TestServer};

/// What becomes of the next answer of a function.
pub type Meddling = Box<dyn Fn(Value) -> Met + Send>;

/// What the eIM gets instead.
pub enum Met {
    /// This body, with HTTP 200.
    Body(Vec<u8>),
    /// This HTTP status and nothing.
    Status(u16),
    /// There is no way to the server; it got the call.
    Lost,
}

impl Met {
    /// The same answer with another member.
    pub fn with(mut answer: Value, member: &str, value: Value) -> Self {
        answer[member] = value;
        Self::Body(answer.to_string().into_bytes())
    }
}

/// The way to the SM-DP+.
pub struct Network {
    client: reqwest::Client,
    calls: Mutex<Vec<(String, Value)>>,
    meddling: Mutex<Vec<(String, Meddling)>>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Network")
    }
}

impl Exchange for Network {
    fn exchange(&self, request: Request<Vec<u8>>, _: Limits) -> Exchanging<'_> {
        let uri = request.uri().to_string();
        let function = uri.rsplit('/').next().unwrap().to_owned();
        let call = serde_json::from_slice(request.body()).unwrap();
        self.calls.lock().unwrap().push((function.clone(), call));
        let sent = self.client.post(&uri).headers(request.headers().clone()).body(request.into_body());
        Box::pin(async move {
            let answer = sent.send().await.unwrap();
            let status = answer.status();
            let body = answer.bytes().await.unwrap().to_vec();
            let meddling = {
                let mut all = self.meddling.lock().unwrap();
                all.iter().position(|(of, _)| *of == function).map(|place| all.remove(place).1)
            };
            let (status, body) = match meddling.map(|meddle| meddle(serde_json::from_slice(&body).unwrap())) {
                None => (status, body),
                Some(Met::Body(body)) => (http::StatusCode::OK, body),
                Some(Met::Status(status)) => (http::StatusCode::from_u16(status).unwrap(), Vec::new()),
                Some(Met::Lost) => {
                    let cause = "connection reset".to_owned();
                    return Err(ClientError::Transport { address: ADDRESS.to_owned(), cause });
                }
            };
            Ok(Response::builder().status(status).body(body).unwrap())
        })
    }
}

impl Network {
    /// The next answer of a function becomes this.
    pub fn meddle(&self, function: &str, with: impl Fn(Value) -> Met + Send + 'static) {
        self.meddling.lock().unwrap().push((function.to_owned(), Box::new(with)));
    }

    /// The functions that were called since the last look.
    pub fn called(&self) -> Vec<String> {
        self.calls.lock().unwrap().drain(..).map(|(function, _)| function).collect()
    }

    /// The calls since the last look.
    pub fn calls(&self) -> Vec<(String, Value)> {
        self.calls.lock().unwrap().drain(..).collect()
    }
}

/// All of it.
pub struct World {
    pub smdp: TestServer,
    pub network: Arc<Network>,
    pub eim: Eim,
    pub euicc: Euicc,
    pub clock: Clock,
    _folder: tempfile::TempDir,
}

/// The number of a trigger.
pub fn transaction(number: u8) -> TransactionId {
    TransactionId::from_octets(&[number; 16]).unwrap()
}

/// EUICCInfo1 of the eUICC.
pub fn euicc_info1() -> Vec<u8> {
    info1([2, 2, 2], &[ci_key()], &[ci_key()])
}

/// The members of DeviceInfo that the device told.
fn device_info() -> Vec<u8> {
    [tlv(Tag(0x80), &[0x35, 0x29, 0x06, 0x11]), tlv(Tag(0xA1), &[])].concat()
}

impl World {
    /// An eIM that knows nothing of the eUICC but its association.
    pub fn new() -> Self {
        Self::with(TestServer::start(), |network, clock| relay(network, clock))
    }

    /// The same towards any SM-DP+, with what reaches it.
    pub fn with(smdp: TestServer, relay: impl FnOnce(Arc<Network>, &Clock) -> Relay) -> Self {
        let network = Arc::new(Network {
            client: smdp.client(Interface::Es9Plus),
            calls: Mutex::default(),
            meddling: Mutex::default(),
        });
        let folder = tempfile::tempdir().unwrap();
        let (clock, euicc) = (smdp.clock.clone(), Euicc::new(0));
        let url = StoreUrl::Sqlite(folder.path().join("eim.db"));
        let store = smdp.callers.block_on(Store::open(&url)).unwrap();
        let relay = relay(Arc::clone(&network), &clock);
        let eim = eim(store, clock.clone(), relay);
        let world = Self { smdp, network, eim, euicc, clock, _folder: folder };
        let association = Association {
            eid: world.euicc.eid.clone(),
            counter: 0,
            association_token: None,
            download: DownloadWay::Indirect,
        };
        world.run(world.eim.store.associate(&[association], world.clock.now())).unwrap();
        world
    }

    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.smdp.callers.block_on(future)
    }

    /// The device, with its certificate.
    pub fn device(&self) -> DeviceCaller {
        device(&self.eim, Some(&self.euicc.eid))
    }

    fn change(&self, make: impl FnOnce(&mut EimChange)) {
        let euicc = self.run(self.eim.store.eim_euicc(&self.euicc.eid)).unwrap().unwrap();
        let mut change = EimChange::new(self.euicc.eid.clone(), euicc.version, self.clock.now());
        make(&mut change);
        self.run(self.eim.store.change_eim_euicc(change, &Deadlines::default())).unwrap();
    }

    /// The device tells all that the eIM can know of it; `features` are bits of ipaFeatures.
    pub fn introduce(&self, features: &[u32]) {
        let bits = features.iter().fold(0, |all, bit| all | NamedBits::bit(*bit).0);
        let capabilities = tlv(Tag(0x80), &NamedBits(bits).to_content());
        self.change(|change| {
            change.certificates =
                Some(EuiccCertificates { eum: self.euicc.eum.clone(), own: self.euicc.certificate.clone() });
            change.introduction = Introduction {
                euicc_info1: Some(euicc_info1()),
                euicc_info2: Some(info2_with(|_| {})),
                ipa_capabilities: Some(capabilities),
                device_info: Some(device_info()),
                rules_authorisation_table: None,
            };
        });
    }

    /// The rules authorisation table that the eUICC told.
    pub fn rules(&self, table: Vec<u8>) {
        self.change(|change| change.introduction.rules_authorisation_table = Some(table));
    }

    /// A download whose trigger the device has fetched.
    pub fn trigger(&self, number: u8, activation_code: &str, confirmation_code: Option<&str>) {
        let now = self.clock.now();
        let id = OperationId::parse(&format!("{number:032x}")).unwrap();
        let seal = |place: &str, plain: &str| {
            let place = format!("operation.{place}/{id}");
            self.eim.sealer.seal(&place, plain.as_bytes()).unwrap()
        };
        let mut operation = Operation::new(id, self.euicc.eid.clone(), Task::Download, now, None);
        operation.state = OperationState::Downloading { from: None };
        self.change(|change| {
            change.new_operations.push(NewOperation {
                operation,
                creator: "test".to_owned(),
                call_key: None,
                digest: String::new(),
                campaign_id: None,
                urgency: Urgency::Usual,
                code_scope: CodeScope::AnyEuicc,
                sealed_activation_code: Some(seal("activation_code", activation_code)),
                sealed_confirmation_code: confirmation_code.map(|code| seal("confirmation_code", code)),
            });
            change.package = Some(NewPackage {
                operation_id: id,
                command: PackageCommand::Trigger,
                transaction_id: transaction(number),
                counter: None,
                content: None,
                created_at: now,
                due_at: now,
            });
        });
        self.change(|change| change.handed_over = Some((transaction(number), None)));
    }

    /// The operation of a trigger.
    pub fn operation(&self, number: u8) -> KeptOperation {
        let id = OperationId::parse(&format!("{number:032x}")).unwrap();
        self.run(self.eim.store.operation(&id)).unwrap().unwrap()
    }

    /// Where the operation of a trigger stands, and why.
    pub fn state(&self, number: u8) -> String {
        match self.operation(number).operation.state {
            OperationState::Failed(reason) => format!("failed: {}", reason.detail),
            state => state.name().to_string(),
        }
    }

    /// What the device asks first.
    pub fn request(number: u8) -> InitiateAuthenticationRequest {
        InitiateAuthenticationRequest {
            euicc_challenge: [7; 16],
            smdp_address: None,
            euicc_info1: Some(euicc_info1()),
            eim_transaction_id: EimTransactionId::from_octets(transaction(number).as_octets()),
        }
    }

    pub fn initiate(
        &self,
        request: &InitiateAuthenticationRequest,
    ) -> Result<InitiateAuthenticationOk, InitiateAuthenticationError> {
        self.run(initiate_authentication(&self.eim, &self.device(), request))
    }

    /// As the eUICC signs it in answer to the server.
    pub fn authentication(&self, initiated: &InitiateAuthenticationOk) -> Authentication {
        let matching_id = initiated.matching_id.clone();
        let initiated = Initiated {
            transaction_id: hex::encode_upper(initiated.transaction_id.as_ref().unwrap()),
            server_signed1: initiated.server_signed1.clone(),
        };
        self.euicc.authentication(&self.euicc.signed1(&initiated, matching_id.as_deref()))
    }

    pub fn authenticate(
        &self,
        transaction_id: &[u8],
        response: Vec<u8>,
    ) -> Result<AuthenticateClientOkDp, AuthenticateClientError> {
        let request = AuthenticateClientRequest {
            transaction_id: transaction_id.to_vec(),
            authenticate_server_response: response,
        };
        self.run(authenticate_client(&self.eim, &self.device(), &request))
    }

    /// As the eUICC signs it, with this hashCc.
    pub fn preparation(&self, offer: &AuthenticateClientOkDp, hash_cc: Option<&[u8]>) -> Vec<u8> {
        let id = offer.transaction_id.clone().unwrap();
        self.euicc.preparation(&Offer::relayed(offer), &id, &otpk(1), hash_cc)
    }

    pub fn package(
        &self,
        transaction_id: &[u8],
        response: Vec<u8>,
    ) -> Result<GetBoundProfilePackageOk, GetBoundProfilePackageError> {
        let request = GetBoundProfilePackageRequest {
            transaction_id: transaction_id.to_vec(),
            prepare_download_response: response,
        };
        self.run(get_bound_profile_package(&self.eim, &self.device(), &request))
    }

    pub fn cancel(&self, transaction_id: &[u8], response: Vec<u8>) -> Result<(), CancelSessionError> {
        let request = CancelSessionRequest {
            transaction_id: transaction_id.to_vec(),
            cancel_session_response: response,
        };
        self.run(cancel_session(&self.eim, &self.device(), &request))
    }

    /// An order at the SM-DP+ and its trigger, up to the answer of AuthenticateClient.
    pub fn offered(&self, number: u8) -> (Ordered, AuthenticateClientOkDp) {
        let order = self.smdp.order(crate::server::OrderOptions::default());
        self.trigger(number, &code(&order), None);
        let initiated = self.initiate(&Self::request(number)).unwrap();
        let response = self.authentication(&initiated).to_der();
        let offer = self.authenticate(initiated.transaction_id.as_ref().unwrap(), response).unwrap();
        (order, offer)
    }
}

/// The activation code of an order.
pub fn code(order: &Ordered) -> String {
    format!("1${ADDRESS}${}", order.matching_id)
}

/// All features of an IPA that leaves to the eIM what it can.
pub const LAZY: [u32; 4] = [
    ipa_feature::INDIRECT_RSP_SERVER_COMMUNICATION,
    ipa_feature::EIM_DOWNLOAD_DATA_HANDLING,
    ipa_feature::EIM_CTX_PARAMS1_GENERATION,
    ipa_feature::MINIMIZE_ESIPA_BYTES,
];

/// The eUICC's answer without what the eIM knows: `A2` in `BF38`, with extCardResource alone.
pub fn compact_authentication(whole: &Authentication, info2: &[u8]) -> Vec<u8> {
    let resource = member(info2, Tag(0x84));
    let signed = nested(Tag(0xA0), &[&resource]);
    let signature = tlv(Tag(0x5F37), &whole.signature1);
    nested(Tag(0xBF38), &[&nested(Tag(0xA2), &[&signed, &signature])])
}

/// A member of a TLV, with its tag.
pub fn member(der: &[u8], tag: Tag) -> Vec<u8> {
    let mut outer = simyard_asn1::Reader::new(der, "test");
    let mut members = outer.read().unwrap().members("test");
    loop {
        let found = members.read().unwrap();
        if found.tag == tag {
            return found.raw.to_vec();
        }
    }
}

/// Somebody at an address.
pub fn peer() -> Peer {
    Peer::from(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)))
}

/// Another eUICC's number.
pub fn other_eid() -> Eid {
    crate::server::euicc::eid(1)
}

/// No SM-DP+ is called here.
#[derive(Debug)]
pub struct NoServer;

impl Exchange for NoServer {
    fn exchange(&self, request: Request<Vec<u8>>, _: Limits) -> Exchanging<'_> {
        panic!("{} is called", request.uri());
    }
}

/// What an eIM relays with that reaches SM-DP+ servers so.
pub fn relay(servers: Arc<dyn Exchange>, clock: &Clock) -> Relay {
    let sessions = RelaySessions::new(clock.clone(), RelayLimits::default());
    Relay { servers: Es9PlusClient::over(servers), sessions }
}

/// An eIM on this store.
fn eim(store: Store, clock: Clock, relay: Relay) -> Eim {
    let rng = Rng::seeded(11);
    let sealing_key = SealingKey::generate(&rng);
    Eim {
        store,
        sealer: Sealer::new(&sealing_key, rng.clone()).unwrap(),
        clock,
        rng,
        eim_id: "eim.example.com".to_owned(),
        keys: EimKeys::new(Arc::new(PKI.eim_sign.key.signing_key().unwrap()), []),
        anchors: Arc::new(Anchors::of_cis(vec![PKI.ci.certificate.clone()]).unwrap()),
        download: DownloadWay::Indirect,
        deadlines: Deadlines::default(),
        poll_wanted_after: Duration::from_secs(900),
        laboratory: Laboratory::Closed,
        sub_classes: std::collections::HashMap::new(),
        contacts: Seen::new(SeenBy::Eim),
        introductions: Introductions::default(),
        relay,
    }
}

/// A device whose certificate names this EID, or one without a certificate.
pub fn device(eim: &Eim, eid: Option<&Eid>) -> DeviceCaller {
    let refusals = Arc::new(Refusals::new(eim.clock.clone()));
    let polls = NonZeroU32::new(60).unwrap();
    let devices = Devices::new(eim.store.clone(), EidField::SerialNumber, polls, refusals, eim.clock.clone());
    let identity = eid.map(|eid| PeerIdentity {
        oid: None,
        fingerprint: [1; 32],
        common_name: None,
        serial_number: Some(eid.as_str().to_owned()),
        dns_names: Vec::new(),
    });
    block_on(devices.recognise(ClientAuth::Optional, peer(), identity.as_ref())).unwrap()
}
