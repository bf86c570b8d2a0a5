//! A session that another implementation recorded with every input fixed (`vectors/rsp-session`): from the same inputs
//! our builders give the same octets. The EUM certificate of the recording names another issuer and its CI lists are
//! empty, so the services refuse it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use simyard::app::config::Config;
use simyard::app::{App, Sockets};
use simyard::binding::es9plus::{
    AuthenticateClientRequest, GetBoundProfilePackageRequest, HandleNotificationRequest,
    InitiateAuthenticationRequest,
};
use simyard::crypto::bsp::SessionKeys;
use simyard::crypto::ecdsa::{Curve, PublicKey, SigningKey};
use simyard::crypto::ecka::EphemeralKey;
use simyard::env::{Clock, Rng, Timestamp};
use simyard::ident::{Peer, TransactionId};
use simyard::pki::Certificate;
use simyard::pki::test_pki::{Existing, TestPki, TestPkiOptions};
use simyard::profile::bind::{Binding, BindingKeys, bind};
use simyard::smdp::Smdp;
use simyard::smdp::authenticate_client::authenticate_client;
use simyard::smdp::get_bound_profile_package::get_bound_profile_package;
use simyard::smdp::handle_notification::handle_notification;
use simyard::smdp::identity::OfferedCis;
use simyard::smdp::initiate_authentication::initiate_authentication;
use simyard::smdp::sessions::{Initiated, Session};
use simyard::smdp::status::{FunctionError as _, Reason, Subject};
use simyard_asn1::rsp::SIGNATURE;
use simyard_asn1::rsp::authentication::{AuthenticateServerResponse, ServerSigned1};
use simyard_asn1::rsp::download::{PrepareDownloadResponse, SmdpSigned2};
use simyard_asn1::rsp::es9plus::{AuthenticateClientOk, Response};
use simyard_asn1::saip::Package;
use simyard_asn1::{Decode as _, Encode as _, Reader, Tag, Writer};

use crate::harness;

crate::tests!(
    server_signed1_and_its_signature_are_those_recorded,
    smdp_signed2_and_its_signature_are_those_recorded,
    the_recorded_response_is_one_of_the_asn1_binding,
    the_bound_profile_package_is_the_one_recorded,
    the_recorded_package_is_refused,
    the_services_refuse_the_recording,
);

/// Of the test PKI, whose TLS certificate the server needs to start.
const EID: &str = "89049032000000000000279973200019";

struct Recording(PathBuf);

impl Recording {
    fn find() -> Option<Self> {
        harness::vectors("recorded session").map(|folder| Self(folder.join("rsp-session")))
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).unwrap()
    }

    fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.read(name).try_into().unwrap()
    }

    fn transaction_id(&self) -> TransactionId {
        TransactionId::from_octets(&self.read("transaction-id.bin")).unwrap()
    }

    /// The value of the first member with this tag, at the top level of a recorded message.
    fn member(&self, name: &str, path: &[Tag], tag: Tag) -> (Vec<u8>, Vec<u8>) {
        let message = self.read(name);
        let mut reader = Reader::new(&message, "recording").read().unwrap().members("recording");
        for step in path {
            reader = loop {
                let tlv = reader.read().unwrap();
                if tlv.tag == *step {
                    break tlv.members("recording");
                }
            };
        }
        loop {
            let tlv = reader.read().unwrap();
            if tlv.tag == tag {
                return (tlv.raw.to_vec(), tlv.value.to_vec());
            }
        }
    }

    fn deterministic_key(&self, name: &str) -> SigningKey {
        SigningKey::deterministic_from_der(&self.read(name)).unwrap()
    }
}

fn server_signed1_and_its_signature_are_those_recorded() {
    let Some(recording) = Recording::find() else { return };
    let built = ServerSigned1 {
        transaction_id: recording.transaction_id().as_octets(),
        euicc_challenge: &recording.array("euicc-challenge.bin"),
        server_address: "smdp.example.com",
        server_challenge: &recording.array("server-challenge.bin"),
    }
    .to_der();
    let (recorded, _) = recording.member("initiate-response.der", &[], Tag::SEQUENCE);
    assert_eq!(built, recorded);
    let signature = recording.deterministic_key("sgp26-dpauth-key.p8").sign(&built).unwrap();
    let (_, recorded) = recording.member("initiate-response.der", &[], SIGNATURE);
    assert_eq!(signature.to_vec(), recorded);
}

fn smdp_signed2_and_its_signature_are_those_recorded() {
    let Some(recording) = Recording::find() else { return };
    let response = recording.read("auth-server-response.der");
    let AuthenticateServerResponse::Ok(ok) = AuthenticateServerResponse::from_der(&response).unwrap() else {
        panic!("the recorded response is an error")
    };
    let built = SmdpSigned2 {
        transaction_id: recording.transaction_id().as_octets(),
        cc_required_flag: false,
        bpp_euicc_otpk: None,
    }
    .to_der();
    let (recorded, _) = recording.member("authenticate-response.der", &[Tag(0xA0)], Tag::SEQUENCE);
    assert_eq!(built, recorded);
    let mut signed = Writer::new();
    signed.raw(&built).tlv(SIGNATURE, ok.euicc_signature1);
    let signature = recording.deterministic_key("sgp26-dppb-key.p8").sign(&signed.finish()).unwrap();
    let (_, recorded) = recording.member("authenticate-response.der", &[Tag(0xA0)], SIGNATURE);
    assert_eq!(signature.to_vec(), recorded);
}

/// The response of AuthenticateClient was kept with its own tag, as the envelope of the ASN.1 binding holds it.
fn the_recorded_response_is_one_of_the_asn1_binding() {
    let Some(recording) = Recording::find() else { return };
    let recorded = recording.read("authenticate-response.der");
    let response = Response::<AuthenticateClientOk<'_>>::from_der(&recorded).unwrap();
    assert_eq!(response.to_der(), recorded);
    let Response::Ok(ok) = response else { panic!("the recorded response is an error") };
    assert_eq!(ok.transaction_id, recording.transaction_id().as_octets());
    assert_eq!(ok.profile_metadata, recording.read("store-metadata.der"));
    assert_eq!(ok.smdp_certificate, recording.read("sgp26-dppb.der"));
}

fn the_bound_profile_package_is_the_one_recorded() {
    let Some(recording) = Recording::find() else { return };
    let response = recording.read("prepare-download-response.der");
    let PrepareDownloadResponse::Ok { euicc_signed2, .. } =
        PrepareDownloadResponse::from_der(&response).unwrap()
    else {
        panic!("the recorded response is an error")
    };
    let euicc_otpk = PublicKey::from_point(Curve::P256, euicc_signed2.value.euicc_otpk).unwrap();
    let one_time = EphemeralKey::from_scalar(Curve::P256, &recording.array("otsk-dp.bin")).unwrap();
    let smdp_otpk = *one_time.public_key();
    let euicc = Certificate::from_der(&recording.read("sgp26-euicc.der")).unwrap();
    let eid = euicc.serial_number().unwrap().parse().unwrap();
    let host_id = b"euicc-rsp";
    let session = SessionKeys::derive(&one_time.agree(&euicc_otpk).unwrap(), host_id, &eid).unwrap();
    let keys = BindingKeys { session, random: None };
    let binding = Binding {
        transaction_id: &recording.transaction_id(),
        host_id,
        smdp_otpk: &smdp_otpk,
        euicc_otpk: &euicc_otpk,
        keys: &keys,
    };
    let built = bind(
        &recording.deterministic_key("sgp26-dppb-key.p8"),
        &binding,
        &recording.read("store-metadata.der"),
        &recording.read("upp.der"),
    )
    .unwrap();
    assert_eq!(hex::encode(built), hex::encode(recording.read("bound-profile-package.der")));
}

fn the_recorded_package_is_refused() {
    let Some(recording) = Recording::find() else { return };
    let upp = recording.read("upp.der");
    assert!(Package::from_der(&upp).is_err(), "24 octets of text");
}

/// A server of the recording's certificates and address.
async fn server(recording: &Recording, folder: &Path) -> Arc<Smdp> {
    let file = |name: &str| recording.0.join(name).display().to_string();
    let pki = TestPki::generate(
        &Rng::seeded(1),
        Timestamp::from_secs(1_795_000_000),
        &TestPkiOptions { host_names: vec!["smdp.example.com".into()], eid: EID.parse().unwrap() },
    );
    pki.unwrap().write_to(&folder.join("pki"), Existing::Refuse).unwrap();
    let settings = format!(
        "addresses = [\"smdp.example.com\"]\nci = [\"{}\"]\n[[identity]]\ndp_auth_certificate = \"{}\"\n\
         dp_auth_key = \"{}\"\ndp_pb_certificate = \"{}\"\ndp_pb_key = \"{}\"\n\
         [es9plus]\nlisten = \"127.0.0.1:0\"\n[es2plus]\nlisten = \"127.0.0.1:0\"\n",
        file("sgp26-ci.der"),
        file("sgp26-dpauth.der"),
        file("sgp26-dpauth-key.p8"),
        file("sgp26-dppb.der"),
        file("sgp26-dppb-key.p8"),
    );
    let config = Config::parse(&settings, &folder.join("simyard.toml")).unwrap();
    let sockets = Sockets::bind(&config).await.unwrap();
    let clock = Clock::fixed(Timestamp::from_secs(1_795_000_000));
    App::open(&config, sockets, clock, Rng::seeded(2)).await.unwrap().smdp
}

fn peer() -> Peer {
    std::net::IpAddr::from([192, 0, 2, 1]).into()
}

/// Its CI lists are empty; in a session made by hand its eUICC is authentic, but nobody ordered for it.
fn the_services_refuse_the_recording() {
    let Some(recording) = Recording::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    harness::block_on(async {
        let smdp = server(&recording, folder.path()).await;
        let request = InitiateAuthenticationRequest {
            euicc_challenge: recording.array("euicc-challenge.bin"),
            euicc_info1: recording.read("euicc-info1.der"),
            smdp_address: "smdp.example.com".to_owned(),
        };
        let error = initiate_authentication(&smdp, peer(), &OfferedCis::all(), &request).unwrap_err();
        assert_eq!(error.status(), (Subject::SecurityConfiguration, Reason::Unsupported), "8.8.2/3.1");

        let request = AuthenticateClientRequest {
            transaction_id: recording.transaction_id(),
            authenticate_server_response: recording.read("auth-server-response.der"),
        };
        let error = authenticate_client(&smdp, peer(), &request).await.unwrap_err();
        assert_eq!(error.status(), (Subject::TransactionId, Reason::Unknown), "8.10.1/3.9");

        let session = Initiated {
            server_challenge: recording.array("server-challenge.bin"),
            identity: Arc::clone(&smdp.identities[0]),
        };
        smdp.sessions.open(recording.transaction_id(), peer(), Session::Initiated(session)).unwrap();
        let error = authenticate_client(&smdp, peer(), &request).await.unwrap_err();
        assert_eq!(error.status(), (Subject::Eid, Reason::Refused), "8.1.1/3.8: {error}");

        let request = GetBoundProfilePackageRequest {
            transaction_id: recording.transaction_id(),
            prepare_download_response: recording.read("prepare-download-response.der"),
        };
        let error = get_bound_profile_package(&smdp, peer(), &request).await.unwrap_err();
        assert_eq!(error.status(), (Subject::TransactionId, Reason::Unknown), "8.10.1/3.9");

        // Taken, as every notification is, and refused: no package was bound in this transaction.
        let request =
            HandleNotificationRequest { pending_notification: recording.read("pending-notification.der") };
        handle_notification(&smdp, peer(), &request).await.unwrap();
        assert!(smdp.store.counts().await.unwrap().is_empty());
    });
}
