//! A card, a test PKI, and the server's side of a download made from pieces: what each message says can be changed.

use std::path::Path;
use std::sync::LazyLock;

use simyard::crypto::bsp::{Bsp, SessionKeys};
use simyard::crypto::ecdsa::{Curve, PublicKey, SigningKey};
use simyard::crypto::ecka::EphemeralKey;
use simyard::device::apdu::{Response, StatusWord};
use simyard::device::card::Card;
use simyard::device::es10_client::parts;
use simyard::device::iot_state::IotSettings;
use simyard::device::isdr::ISD_R_AID;
use simyard::device::state::{CredentialMaterial, Material};
use simyard::env::{Clock, Rng, Timestamp};
use simyard::ident::Eid;
use simyard::pki::test_pki::{Issued, TestPki, TestPkiOptions};
use simyard_asn1::rsp::SIGNATURE;
use simyard_asn1::rsp::authentication::{
    AuthenticateServerRequest, AuthenticateServerResponse, CtxParams1, DeviceInfo, ServerSigned1,
};
use simyard_asn1::rsp::download::{PrepareDownloadRequest, PrepareDownloadResponse, SmdpSigned2};
use simyard_asn1::rsp::metadata::{
    NotificationConfiguration, OperatorId, StoreMetadataRequest, profile_class,
};
use simyard_asn1::rsp::package::{
    BoundProfilePackage, ControlRefTemplate, INSTALL_BOUND_PROFILE_PACKAGE, InitialiseSecureChannelRequest,
};
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::{Decode, Encode, Raw, Tag, Writer};

pub const NOW: Timestamp = Timestamp::from_secs(1_795_329_780);
pub const TRANSACTION: [u8; 16] = [0x5A; 16];
pub const ADDRESS: &str = "smdp.example.com";
pub const HOST_ID: [u8; 4] = [1, 2, 3, 4];

/// One PKI for all tests: its keys take time to draw.
pub static PKI: LazyLock<TestPki> = LazyLock::new(|| {
    let options = TestPkiOptions {
        host_names: vec![ADDRESS.to_owned()],
        eid: Eid::parse("89049032000000000000279973200019").unwrap(),
    };
    TestPki::generate(&Rng::seeded(1), NOW, &options).unwrap()
});

pub fn material() -> Material {
    Material {
        credentials: vec![CredentialMaterial {
            euicc_key: PKI.euicc.key.to_pkcs8_der().unwrap(),
            euicc_certificate: PKI.euicc.certificate.der().to_vec(),
            eum_certificate: PKI.eum.certificate.der().to_vec(),
        }],
        ci_certificates: vec![PKI.ci.certificate.der().to_vec()],
    }
}

/// A card and how its blocks are cut.
pub struct Device {
    pub card: Card,
    pub block: usize,
    channel: u8,
}

impl Device {
    pub fn new() -> Self {
        Self::of(Card::in_memory(&material(), Clock::fixed(NOW), Rng::seeded(7)).unwrap())
    }

    pub fn create(folder: &Path) -> Self {
        Self::of(Card::create(folder, &material(), Clock::fixed(NOW), Rng::seeded(7)).unwrap())
    }

    /// A card of SGP.32.
    pub fn iot() -> Self {
        let (settings, clock, rng) = (IotSettings::default(), Clock::fixed(NOW), Rng::seeded(7));
        Self::of(Card::in_memory_iot(&material(), settings, clock, rng).unwrap())
    }

    pub fn create_iot(folder: &Path) -> Self {
        let (settings, clock, rng) = (IotSettings::default(), Clock::fixed(NOW), Rng::seeded(7));
        Self::of(Card::create_iot(folder, &material(), settings, clock, rng).unwrap())
    }

    pub fn open(folder: &Path) -> Self {
        Self::of(Card::open(folder, Clock::fixed(NOW), Rng::seeded(8)).unwrap())
    }

    fn of(card: Card) -> Self {
        let mut device = Self { card, block: 120, channel: 0 };
        device.select_isd_r();
        device
    }

    pub fn select_isd_r(&mut self) {
        let opened = self.transmit(&[0x00, 0x70, 0x00, 0x00, 0x01]);
        self.channel = opened.data[0];
        let mut select = vec![self.channel, 0xA4, 0x04, 0x00, 0x10];
        select.extend(ISD_R_AID);
        assert!(self.transmit(&select).status.is_ok());
    }

    pub fn transmit(&mut self, apdu: &[u8]) -> Response {
        Response::parse(&self.card.process(apdu)).unwrap()
    }

    /// An APDU in hexadecimal digits, on the basic channel.
    pub fn hex(&mut self, apdu: &str) -> Response {
        self.transmit(&hex::decode(apdu.replace(' ', "")).unwrap())
    }

    /// One command of ES10 as lpac sends it: blocks without Le, GET RESPONSE for the rest.
    pub fn es10(&mut self, request: &[u8]) -> Response {
        let blocks: Vec<&[u8]> = request.chunks(self.block).collect();
        let mut response = Response::from(StatusWord::OK);
        for (number, block) in blocks.iter().enumerate() {
            let p1 = if number + 1 == blocks.len() { 0x91 } else { 0x11 };
            let mut apdu = vec![0x80 | self.channel, 0xE2, p1, number as u8, block.len() as u8];
            apdu.extend_from_slice(block);
            response = self.transmit(&apdu);
            while response.status.sw1() == 0x61 {
                let le = response.status.0.to_be_bytes()[1];
                let more = self.transmit(&[0x80 | self.channel, 0xC0, 0x00, 0x00, le]);
                response.data.extend(more.data);
                response.status = more.status;
            }
            if !response.status.is_ok() {
                return response;
            }
        }
        response
    }

    /// A command that must be answered.
    pub fn call(&mut self, request: &str) -> Vec<u8> {
        let response = self.es10(&hex::decode(request.replace(' ', "")).unwrap());
        assert!(response.status.is_ok(), "{request}: {response:?}");
        response.data
    }
}

pub fn signed(key: &Issued, parts: &[&[u8]]) -> [u8; 64] {
    key.key.signing_key().unwrap().sign(&parts.concat()).unwrap()
}

pub fn signature_tlv(signature: &[u8; 64]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.tlv(SIGNATURE, signature);
    writer.finish()
}

/// What the server says, with everything right.
pub struct Server {
    pub transaction_id: Vec<u8>,
    pub address: String,
    pub cc_required: bool,
    pub dp_auth: Issued,
    pub dp_pb: Issued,
    pub metadata: Vec<u8>,
    pub package: Vec<u8>,
    pub ppk: Option<SessionKeys>,
    pub one_time_key: [u8; 32],
    pub bpp_euicc_otpk: Option<Vec<u8>>,
    pub remote_op_id: u32,
    pub key_type: u8,
    pub bound_transaction_id: Vec<u8>,
}

impl Server {
    pub fn new(metadata: Vec<u8>, package: Vec<u8>) -> Self {
        Self {
            transaction_id: TRANSACTION.to_vec(),
            address: ADDRESS.to_owned(),
            cc_required: false,
            dp_auth: PKI.dp_auth.clone(),
            dp_pb: PKI.dp_pb.clone(),
            metadata,
            package,
            ppk: None,
            one_time_key: [0x11; 32],
            bpp_euicc_otpk: None,
            remote_op_id: INSTALL_BOUND_PROFILE_PACKAGE,
            key_type: 0x88,
            bound_transaction_id: TRANSACTION.to_vec(),
        }
    }

    /// AuthenticateServerRequest for a challenge.
    pub fn authenticate(&self, challenge: &[u8; 16]) -> Vec<u8> {
        let value = ServerSigned1 {
            transaction_id: &self.transaction_id,
            euicc_challenge: challenge,
            server_address: &self.address,
            server_challenge: &[0xC5; 16],
        };
        let octets = value.to_der();
        let signature = signed(&self.dp_auth, &[&octets]);
        let context = CtxParams1 {
            matching_id: Some("T"),
            device_info: DeviceInfo {
                tac: &[0x35, 0x29, 0x06, 0x11],
                device_capabilities: &[],
                imei: None,
                extensions: &[],
            },
        };
        let context_octets = context.to_der();
        AuthenticateServerRequest {
            server_signed1: Raw { bytes: &octets, value },
            server_signature1: &signature,
            ci_pk_id_to_be_used: PKI.ci.certificate.subject_key_identifier().unwrap(),
            server_certificate: self.dp_auth.certificate.der(),
            ctx_params1: Raw { bytes: &context_octets, value: context },
        }
        .to_der()
    }

    /// PrepareDownloadRequest after the card's AuthenticateServerResponse.
    pub fn prepare(&self, response: &[u8]) -> Vec<u8> {
        let AuthenticateServerResponse::Ok(ok) = AuthenticateServerResponse::from_der(response).unwrap()
        else {
            panic!("the card refused the server: {}", hex::encode_upper(response));
        };
        let euicc = PKI.euicc.certificate.public_key().unwrap();
        euicc.verify(ok.euicc_signed1.bytes, ok.euicc_signature1).unwrap();
        assert_eq!(ok.euicc_certificate, PKI.euicc.certificate.der());
        let value = SmdpSigned2 {
            transaction_id: &self.transaction_id,
            cc_required_flag: self.cc_required,
            bpp_euicc_otpk: self.bpp_euicc_otpk.as_deref(),
        };
        let octets = value.to_der();
        let signature = signed(&self.dp_pb, &[&octets, &signature_tlv(ok.euicc_signature1)]);
        PrepareDownloadRequest {
            smdp_signed2: Raw { bytes: &octets, value },
            smdp_signature2: &signature,
            hash_cc: None,
            smdp_certificate: self.dp_pb.certificate.der(),
        }
        .to_der()
    }

    /// otPK.EUICC of the card's PrepareDownloadResponse, whose signature is verified.
    pub fn euicc_one_time_key(request: &[u8], response: &[u8]) -> PublicKey {
        let PrepareDownloadResponse::Ok { euicc_signed2, euicc_signature2 } =
            PrepareDownloadResponse::from_der(response).unwrap()
        else {
            panic!("the card refused the binding: {}", hex::encode_upper(response));
        };
        let request = PrepareDownloadRequest::from_der(request).unwrap();
        let covered = [euicc_signed2.bytes, &signature_tlv(request.smdp_signature2)].concat();
        PKI.euicc.certificate.public_key().unwrap().verify(&covered, euicc_signature2).unwrap();
        PublicKey::from_point(Curve::P256, euicc_signed2.value.euicc_otpk).unwrap()
    }

    /// The bound profile package.
    pub fn bind(&self, euicc: &PublicKey) -> Vec<u8> {
        let one_time = EphemeralKey::from_scalar(Curve::P256, &self.one_time_key).unwrap();
        let otpk = *one_time.public_key();
        let secret = one_time.agree(euicc).unwrap();
        let eid = Eid::parse(PKI.euicc.certificate.serial_number().unwrap()).unwrap();
        let keys = SessionKeys::derive(&secret, &HOST_ID, &eid).unwrap();
        let mut request = InitialiseSecureChannelRequest {
            remote_op_id: self.remote_op_id,
            transaction_id: &self.bound_transaction_id,
            control_ref_template: ControlRefTemplate {
                key_type: &[self.key_type],
                key_len: &[0x10],
                host_id: &HOST_ID,
            },
            smdp_otpk: otpk.as_point(),
            smdp_sign: &[0; 64],
        };
        let signature = signed(&self.dp_pb, &[&request.signed_octets(euicc.as_point())]);
        request.smdp_sign = &signature;
        let mut bsp = Bsp::new(&keys);
        let configure = bsp.protect_87(&[0xBF, 0x24, 0x00]).unwrap();
        let (mut metadata, mut elements) = (Vec::new(), Vec::new());
        bsp.split_88(&self.metadata, &mut metadata);
        let replace = self.ppk.as_ref().map(|ppk| {
            let mut command = Writer::new();
            command.nested(Tag(0xBF26), |members| {
                members
                    .tlv(Tag(0x80), &ppk.initial_chain)
                    .tlv(Tag(0x81), &ppk.s_enc)
                    .tlv(Tag(0x82), &ppk.s_mac);
            });
            let segment = bsp.protect_87(&command.finish()).unwrap();
            bsp.replace_keys(ppk);
            segment
        });
        bsp.split_86(&self.package, &mut elements);
        BoundProfilePackage {
            initialise_secure_channel: &request.to_der(),
            first_sequence_of_87: &configure,
            sequence_of_88: &metadata,
            second_sequence_of_87: replace.as_deref(),
            sequence_of_86: &elements,
        }
        .to_der()
    }

    /// Everything up to the package: the parts that the card is to get.
    pub fn parts(&self, device: &mut Device) -> Vec<Vec<u8>> {
        let challenge = challenge(device);
        let authenticated = device.es10(&self.authenticate(&challenge)).data;
        let prepare = self.prepare(&authenticated);
        let prepared = device.es10(&prepare).data;
        let package = self.bind(&Self::euicc_one_time_key(&prepare, &prepared));
        parts(&package).unwrap().into_iter().map(<[u8]>::to_vec).collect()
    }

    /// A whole download: the card's report.
    pub fn download(&self, device: &mut Device) -> Vec<u8> {
        let parts = self.parts(device);
        load(device, &parts)
    }
}

pub fn challenge(device: &mut Device) -> [u8; 16] {
    device.call("BF2E00")[5..].try_into().unwrap()
}

/// Sends parts until the card answers with data.
pub fn load(device: &mut Device, parts: &[Vec<u8>]) -> Vec<u8> {
    for part in parts {
        let response = device.es10(part);
        assert!(response.status.is_ok(), "{response:?}");
        if !response.data.is_empty() {
            return response.data;
        }
    }
    panic!("the card reported nothing");
}

/// Metadata of an operational profile that tells one address of every event.
pub fn metadata(iccid: &[u8; 10]) -> Vec<u8> {
    described(iccid, profile_class::OPERATIONAL, 0)
}

pub fn described(iccid: &[u8; 10], class: u32, rules: u64) -> Vec<u8> {
    StoreMetadataRequest {
        iccid,
        service_provider_name: "Operator",
        profile_name: "Profile",
        icon: None,
        profile_class: class,
        notification_configurations: vec![NotificationConfiguration {
            events: NamedBits(0b1110),
            address: ADDRESS,
        }],
        profile_owner: Some(OperatorId { mcc_mnc: &[0x09, 0xF1, 0x10], gid1: None, gid2: None }),
        profile_policy_rules: NamedBits(rules),
        extensions: &[],
    }
    .to_der()
}

/// The key of a signer, for what tests sign by themselves.
pub fn key(of: &Issued) -> SigningKey {
    of.key.signing_key().unwrap()
}
