//! An eUICC made from its messages: what each of them says, and who signs it, can be changed.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use simyard::binding::MessageBinding;
use simyard::crypto::ecdsa::{Curve, SigningKey};
use simyard::crypto::ecka::EphemeralKey;
use simyard::crypto::hash;
use simyard::device::state::{CredentialMaterial, Material};
use simyard::env::Rng;
use simyard::ident::{Eid, Iccid, TransactionId};
use simyard::pki::test_pki::Issued;
use simyard_asn1::iot::esipa::AuthenticateClientOkDp;
use simyard_asn1::rsp::SIGNATURE;
use simyard_asn1::rsp::Version;
use simyard_asn1::rsp::authentication::ServerSigned1;
use simyard_asn1::rsp::info::{EuiccInfo1, EuiccInfo2, rsp_capability};
use simyard_asn1::rsp::notification::FinalResult;
use simyard_asn1::rsp::notification::{NotificationMetadata, ProfileInstallationResultData};
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::{Decode as _, Encode as _, Oid, Reader, Tag, Writer};

use super::{ADDRESS, Interface, NOW, PKI, TestServer};

/// The OID of the SM-DP+ in the test PKI.
pub const SMDP_OID: &str = "2.999.10";

/// The EID of a number; 0 is the test PKI's own eUICC.
pub fn eid(number: u32) -> Eid {
    Eid::with_check_digits(&format!("8904903200000000000027997320{:02}", number)).unwrap()
}

/// DER in a JSON member.
pub fn base64(octets: &[u8]) -> Value {
    BASE64.encode(octets).into()
}

/// A JSON member that holds DER.
pub fn from_base64(value: &Value) -> Vec<u8> {
    BASE64.decode(value.as_str().unwrap()).unwrap()
}

/// One TLV.
pub fn tlv(tag: Tag, value: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.tlv(tag, value);
    writer.finish()
}

/// A TLV around others.
pub fn nested(tag: Tag, members: &[&[u8]]) -> Vec<u8> {
    tlv(tag, &members.concat())
}

/// The point of a one-time key by its number.
pub fn otpk(number: u8) -> [u8; 65] {
    let key = EphemeralKey::from_scalar(Curve::P256, &[number; 32]).unwrap();
    *key.public_key().as_point()
}

/// The same octets with one bit changed.
pub fn flipped(octets: &[u8], at: usize) -> Vec<u8> {
    let mut octets = octets.to_vec();
    octets[at] ^= 1;
    octets
}

/// Keys and certificates of an eUICC.
pub struct Euicc {
    pub eid: Eid,
    pub key: SigningKey,
    pkcs8: zeroize::Zeroizing<Vec<u8>>,
    pub certificate: Vec<u8>,
    pub eum: Vec<u8>,
    /// CIs under which it verifies servers, preferred first.
    pub verifies: Vec<Vec<u8>>,
    /// CIs under which it says that it signs, preferred first.
    pub signs: Vec<Vec<u8>>,
}

/// What InitiateAuthentication answered.
#[derive(Clone, Debug)]
pub struct Initiated {
    pub transaction_id: String,
    pub server_signed1: Vec<u8>,
}

/// What AuthenticateClient answered.
#[derive(Clone, Debug)]
pub struct Offer {
    pub transaction_id: String,
    pub smdp_signed2: Vec<u8>,
    pub smdp_signature2: Vec<u8>,
    pub answer: Value,
}

impl Offer {
    /// What AuthenticateClient answered over ESipa.
    pub fn relayed(ok: &AuthenticateClientOkDp) -> Self {
        Self {
            transaction_id: hex::encode_upper(ok.transaction_id.as_ref().unwrap()),
            smdp_signed2: ok.smdp_signed2.clone(),
            smdp_signature2: ok.smdp_signature2.clone(),
            answer: Value::Null,
        }
    }
}

/// What euiccSigned1 says.
#[derive(Clone, Debug)]
pub struct Signed1 {
    pub transaction_id: Vec<u8>,
    pub address: String,
    pub challenge: Vec<u8>,
    pub info2: Vec<u8>,
    pub matching_id: Option<String>,
    pub tac: Vec<u8>,
    /// Members of DeviceCapabilities.
    pub device_capabilities: Vec<u8>,
    /// Members behind those of DeviceInfo.
    pub device_info_extensions: Vec<u8>,
}

impl Signed1 {
    pub fn to_der(&self) -> Vec<u8> {
        let device_info = nested(
            Tag(0xA1),
            &[
                &tlv(Tag(0x80), &self.tac),
                &tlv(Tag(0xA1), &self.device_capabilities),
                &self.device_info_extensions,
            ],
        );
        let matching_id =
            self.matching_id.as_ref().map(|id| tlv(Tag(0x80), id.as_bytes())).unwrap_or_default();
        nested(
            Tag::SEQUENCE,
            &[
                &tlv(Tag(0x80), &self.transaction_id),
                &tlv(Tag(0x83), self.address.as_bytes()),
                &tlv(Tag(0x84), &self.challenge),
                &self.info2,
                &nested(Tag(0xA0), &[&matching_id, &device_info]),
            ],
        )
    }
}

/// The parts of AuthenticateServerResponse.
#[derive(Clone, Debug)]
pub struct Authentication {
    pub signed1: Vec<u8>,
    pub signature1: Vec<u8>,
    pub euicc: Vec<u8>,
    pub eum: Vec<u8>,
}

impl Authentication {
    pub fn to_der(&self) -> Vec<u8> {
        let signature = tlv(SIGNATURE, &self.signature1);
        let ok = nested(Tag(0xA0), &[&self.signed1, &signature, &self.euicc, &self.eum]);
        nested(Tag(0xBF38), &[&ok])
    }
}

static SECOND: LazyLock<Vec<Issued>> = LazyLock::new(|| {
    let issuer = PKI.eum_issuer().unwrap();
    (1..8).map(|number| issuer.issue_euicc(&eid(number), &Rng::seeded(3), NOW).unwrap()).collect()
});

impl Euicc {
    /// An eUICC of the test PKI: 0 to 7.
    pub fn new(number: usize) -> Self {
        match number {
            0 => Self::of(&PKI.euicc, &PKI.eum),
            _ => Self::of(&SECOND[number - 1], &PKI.eum),
        }
    }

    pub fn of(euicc: &Issued, eum: &Issued) -> Self {
        Self {
            eid: Eid::parse(euicc.certificate.serial_number().unwrap()).unwrap(),
            key: euicc.key.signing_key().unwrap(),
            pkcs8: euicc.key.to_pkcs8_der().unwrap(),
            certificate: euicc.certificate.der().to_vec(),
            eum: eum.certificate.der().to_vec(),
            verifies: vec![ci_key().to_vec()],
            signs: vec![ci_key().to_vec()],
        }
    }

    /// What a virtual card of this eUICC is made from.
    pub fn material(&self) -> Material {
        Material {
            credentials: vec![CredentialMaterial {
                euicc_key: self.pkcs8.clone(),
                euicc_certificate: self.certificate.clone(),
                eum_certificate: self.eum.clone(),
            }],
            ci_certificates: vec![PKI.ci.certificate.der().to_vec()],
        }
    }

    /// The body of InitiateAuthentication.
    pub fn initiation(&self) -> Value {
        let verifies: Vec<&[u8]> = self.verifies.iter().map(Vec::as_slice).collect();
        let signs: Vec<&[u8]> = self.signs.iter().map(Vec::as_slice).collect();
        json!({
            "euiccChallenge": base64(&[7; 16]),
            "euiccInfo1": base64(&info1([2, 2, 2], &verifies, &signs)),
            "smdpAddress": ADDRESS,
        })
    }

    /// euiccSigned1 of an honest eUICC.
    pub fn signed1(&self, initiated: &Initiated, matching_id: Option<&str>) -> Signed1 {
        let server = ServerSigned1::from_der(&initiated.server_signed1).unwrap();
        Signed1 {
            transaction_id: server.transaction_id.to_vec(),
            address: server.server_address.to_owned(),
            challenge: server.server_challenge.to_vec(),
            info2: info2_with(|_| {}),
            matching_id: matching_id.map(str::to_owned),
            tac: vec![0x35, 0x29, 0x06, 0x11],
            device_capabilities: Vec::new(),
            device_info_extensions: Vec::new(),
        }
    }

    /// Signs euiccSigned1.
    pub fn authentication(&self, signed1: &Signed1) -> Authentication {
        let signed1 = signed1.to_der();
        Authentication {
            signature1: self.key.sign(&signed1).unwrap().to_vec(),
            signed1,
            euicc: self.certificate.clone(),
            eum: self.eum.clone(),
        }
    }

    /// PrepareDownloadResponse with this transactionId, one-time key and hashCc.
    pub fn preparation(&self, offer: &Offer, id: &[u8], otpk: &[u8], hash_cc: Option<&[u8]>) -> Vec<u8> {
        let hash_cc = hash_cc.map(|hash| tlv(Tag::OCTET_STRING, hash)).unwrap_or_default();
        let signed2 = nested(Tag::SEQUENCE, &[&tlv(Tag(0x80), id), &tlv(Tag(0x5F49), otpk), &hash_cc]);
        let signature = self.key.sign(&[&signed2[..], &offer.smdp_signature2].concat()).unwrap();
        nested(Tag(0xBF21), &[&nested(Tag(0xA0), &[&signed2, &tlv(SIGNATURE, &signature)])])
    }

    /// CancelSessionResponse.
    pub fn cancellation(&self, id: &[u8], oid: &str, reason: u32) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nested(Tag::SEQUENCE, |members| {
            members
                .tlv(Tag(0x80), id)
                .tlv(Tag(0x81), Oid::parse(oid).unwrap().as_content())
                .integer(Tag(0x82), i64::from(reason));
        });
        let signed = writer.finish();
        let signature = self.key.sign(&signed).unwrap();
        nested(Tag(0xBF41), &[&nested(Tag(0xA0), &[&signed, &tlv(SIGNATURE, &signature)])])
    }

    /// ProfileInstallationResult: `None` for success, or an errorReason.
    pub fn result(&self, id: &[u8], iccid: &Iccid, seq_number: u32, error: Option<u32>) -> Vec<u8> {
        self.result_of(id, iccid, seq_number, error, SMDP_OID)
    }

    /// As [`Euicc::result`], naming any SM-DP+.
    pub fn result_of(
        &self,
        id: &[u8],
        iccid: &Iccid,
        seq_number: u32,
        error: Option<u32>,
        oid: &str,
    ) -> Vec<u8> {
        let iccid = iccid.to_bcd();
        let data = ProfileInstallationResultData {
            transaction_id: id,
            notification_metadata: metadata(&iccid, seq_number, 0),
            smdp_oid: Oid::parse(oid),
            final_result: match error {
                None => FinalResult::Success { aid: &[0xA0; 16], sima_response: &[0x30, 0x00] },
                Some(reason) => {
                    FinalResult::Error { bpp_command_id: 5, error_reason: reason, sima_response: None }
                }
            },
        }
        .to_der();
        let signature = self.key.sign(&data).unwrap();
        nested(Tag(0xBF37), &[&data, &tlv(SIGNATURE, &signature)])
    }

    /// OtherSignedNotification of an event: 1 enable, 2 disable, 3 delete.
    pub fn notification(&self, iccid: &Iccid, seq_number: u32, event: u32) -> Vec<u8> {
        let iccid = iccid.to_bcd();
        let tbs = metadata(&iccid, seq_number, event).to_der();
        let signature = self.key.sign(&tbs).unwrap();
        nested(Tag::SEQUENCE, &[&tbs, &tlv(SIGNATURE, &signature), &self.certificate, &self.eum])
    }
}

fn metadata(iccid: &[u8; 10], seq_number: u32, event: u32) -> NotificationMetadata<'_> {
    NotificationMetadata {
        seq_number,
        operation: NamedBits::bit(event),
        address: ADDRESS,
        iccid: Some(iccid),
    }
}

/// The key identifier of the trusted CI.
pub fn ci_key() -> &'static [u8] {
    PKI.ci.certificate.subject_key_identifier().unwrap()
}

/// EUICCInfo1.
pub fn info1(svn: [u8; 3], verification: &[&[u8]], signing: &[&[u8]]) -> Vec<u8> {
    EuiccInfo1 {
        svn: Version(svn),
        ci_pk_ids_for_verification: verification.to_vec(),
        ci_pk_ids_for_signing: signing.to_vec(),
        extensions: &[],
    }
    .to_der()
}

/// EUICCInfo2 with these abilities and room for one more profile, and members of later versions behind it.
pub fn info2(rsp_capability: NamedBits, extensions: &[u8]) -> Vec<u8> {
    info2_with(|info| {
        info.rsp_capability = NamedBits(rsp_capability.0 | 1 << rsp_capability::ADDITIONAL_PROFILE);
        let mut reader = Reader::new(extensions, "extensions");
        while !reader.is_empty() {
            info.others.push(reader.read().unwrap().raw);
        }
    })
}

/// EUICCInfo2 of an eUICC that can do what our templates ask for, changed.
pub fn info2_with<'a>(change: impl FnOnce(&mut EuiccInfo2<'a>)) -> Vec<u8> {
    let mut info = EuiccInfo2 {
        profile_version: Some(Version([2, 3, 1])),
        svn: Some(Version([2, 2, 2])),
        firmware_version: Some(Version([1, 0, 0])),
        uicc_capability: NamedBits(0xFFFF_FDFF),
        rsp_capability: NamedBits(
            1 << rsp_capability::ADDITIONAL_PROFILE | 1 << rsp_capability::TEST_PROFILE_SUPPORT,
        ),
        ci_pk_ids_for_verification: vec![ci_key()],
        ci_pk_ids_for_signing: vec![ci_key()],
        pp_version: Some(Version([0, 0, 1])),
        sas_accreditation_number: "TEST",
        ..EuiccInfo2::default()
    };
    change(&mut info);
    info.to_der()
}

/// A transactionId's octets.
pub fn octets(transaction_id: &str) -> Vec<u8> {
    hex::decode(transaction_id).unwrap()
}

/// hashCc of a confirmation code in a session.
pub fn hash_cc(code: &str, transaction_id: &str) -> [u8; 32] {
    hash::hash_cc(&hash::code_hash(code), &TransactionId::parse(transaction_id).unwrap())
}

impl TestServer {
    /// InitiateAuthentication of an honest eUICC.
    pub fn initiate(&self, euicc: &Euicc) -> Initiated {
        let answer = self.es9plus("initiateAuthentication", &euicc.initiation()).unwrap();
        Initiated {
            transaction_id: answer["transactionId"].as_str().unwrap().to_owned(),
            server_signed1: from_base64(&answer["serverSigned1"]),
        }
    }

    /// AuthenticateClient with a response made elsewhere.
    pub fn authenticate_with(&self, transaction_id: &str, response: &[u8]) -> Result<Offer, String> {
        let body = json!({ "transactionId": transaction_id, "authenticateServerResponse": base64(response) });
        let answer = self.es9plus("authenticateClient", &body)?;
        assert_eq!(answer["transactionId"], transaction_id);
        Ok(Offer {
            transaction_id: transaction_id.to_owned(),
            smdp_signed2: from_base64(&answer["smdpSigned2"]),
            smdp_signature2: from_base64(&answer["smdpSignature2"]),
            answer,
        })
    }

    /// InitiateAuthentication and AuthenticateClient of an honest eUICC.
    pub fn authenticate(&self, euicc: &Euicc, matching_id: Option<&str>) -> Result<Offer, String> {
        let initiated = self.initiate(euicc);
        let response = euicc.authentication(&euicc.signed1(&initiated, matching_id)).to_der();
        self.authenticate_with(&initiated.transaction_id, &response)
    }

    /// GetBoundProfilePackage with a response made elsewhere.
    pub fn package_with(&self, transaction_id: &str, response: &[u8]) -> Result<Vec<u8>, String> {
        let body = json!({ "transactionId": transaction_id, "prepareDownloadResponse": base64(response) });
        let answer = self.es9plus("getBoundProfilePackage", &body)?;
        assert_eq!(answer["transactionId"], transaction_id);
        Ok(from_base64(&answer["boundProfilePackage"]))
    }

    /// GetBoundProfilePackage of an honest eUICC with this one-time key.
    pub fn package(
        &self,
        euicc: &Euicc,
        offer: &Offer,
        otpk: &[u8],
        code: Option<&str>,
    ) -> Result<Vec<u8>, String> {
        let id = octets(&offer.transaction_id);
        let hash_cc = code.map(|code| hash_cc(code, &offer.transaction_id));
        let response = euicc.preparation(offer, &id, otpk, hash_cc.as_ref().map(|hash| &hash[..]));
        self.package_with(&offer.transaction_id, &response)
    }

    /// CancelSession.
    pub fn cancel_with(&self, transaction_id: &str, response: &[u8]) -> Result<Value, String> {
        let body = json!({ "transactionId": transaction_id, "cancelSessionResponse": base64(response) });
        self.es9plus("cancelSession", &body)
    }

    /// CancelSession of an honest eUICC.
    pub fn cancel(&self, euicc: &Euicc, transaction_id: &str, reason: u32) -> Result<Value, String> {
        let response = euicc.cancellation(&octets(transaction_id), SMDP_OID, reason);
        self.cancel_with(transaction_id, &response)
    }

    /// HandleNotification: the HTTP status.
    pub fn notify(&self, notification: &[u8]) -> u16 {
        let body = json!({ "pendingNotification": base64(notification) });
        let reply = match self.binding.get() {
            MessageBinding::Json => self.post(Interface::Es9Plus, "handleNotification", body.to_string()),
            MessageBinding::Asn1 => self.post_asn1(super::asn1::request("handleNotification", &body)),
        };
        assert!(reply.status != 204 || reply.body.is_empty(), "204 has no body");
        reply.status
    }
}
