//! A profile from another operator's SM-DP+, of another name and under another PKI, through our eIM onto a card that knows both
//! CIs (SGP.32 3.2.3.2): a whole server on the other side, and real TLS to it.

use std::sync::Arc;
use std::time::Duration;

use simyard::client::ConnectTo;
use simyard::client::es9plus::Es9PlusClient;
use simyard::client::reachable::Reach;
use simyard::device::card::Card;
use simyard::device::es10_client::Es10Client;
use simyard::device::state::{CredentialMaterial, Material};
use simyard::eim::handle_notification::handle_notification;
use simyard::eim::relay::Relay;
use simyard::eim::relay::sessions::{RelayLimits, RelaySessions};
use simyard::eim::status::EsipaError as _;
use simyard::jobs::forward_notifications::{ForwardLimits, ForwardNotifications};
use simyard::pki::Anchors;
use simyard::pki::smdp::SmdpVerifier;
use simyard::pki::test_pki::TestPki;
use simyard::pki::tls::client_config;
use simyard::store::ForwardedSelection;
use simyard_asn1::iot::esipa::{HandleNotification, InitiateAuthenticationOk, InitiateAuthenticationRequest};
use simyard_asn1::rsp::authentication::{AuthenticateServerRequest, CtxParams1, DeviceInfo};
use simyard_asn1::rsp::download::PrepareDownloadRequest;
use simyard_asn1::{Decode as _, Encode as _, Raw, Reader};
use tokio::sync::watch;

use super::relayed::World;
use crate::server::euicc::SMDP_OID;
use crate::server::{FOREIGN_ADDRESS, FOREIGN_PKI, Interface, OrderOptions, PKI, TestServer};

crate::tests!(
    a_profile_comes_from_another_operators_server,
    a_server_that_nobody_vouches_for_is_not_spoken_to,
    an_address_inside_our_own_network_is_not_called,
);

/// What the eIM reaches servers with: ours are trusted, and those under these authorities.
fn relay(server: &TestServer, authorities: &[Vec<u8>], reach: Reach, way: Option<ConnectTo>) -> Relay {
    let anchors = Arc::new(Anchors::of_cis(vec![PKI.ci.certificate.clone()]).unwrap());
    let verifier = SmdpVerifier::new(anchors, authorities, server.clock.clone()).unwrap();
    let tls = client_config(Arc::new(verifier), None).unwrap();
    let way: Vec<ConnectTo> = way.into_iter().collect();
    Relay {
        servers: Es9PlusClient::within(reach, tls, &way).unwrap(),
        sessions: RelaySessions::new(server.clock.clone(), RelayLimits::default()),
    }
}

fn way_to(server: &TestServer) -> Option<ConnectTo> {
    Some(ConnectTo { host: FOREIGN_ADDRESS.to_owned(), address: server.socket(Interface::Es9Plus) })
}

fn credential(pki: &TestPki) -> CredentialMaterial {
    CredentialMaterial {
        euicc_key: pki.euicc.key.to_pkcs8_der().unwrap(),
        euicc_certificate: pki.euicc.certificate.der().to_vec(),
        eum_certificate: pki.eum.certificate.der().to_vec(),
    }
}

/// What a card is made from that has certificates under both CIs.
pub fn material() -> Material {
    Material {
        credentials: vec![credential(&PKI), credential(&FOREIGN_PKI)],
        ci_certificates: [&PKI.ci, &FOREIGN_PKI.ci].map(|ci| ci.certificate.der().to_vec()).to_vec(),
    }
}

fn card(world: &World) -> Es10Client<Card> {
    let card = Card::in_memory(&material(), world.clock.clone(), world.smdp.rng.clone()).unwrap();
    Es10Client::open(card).unwrap()
}

fn begin(card: &mut Es10Client<Card>) -> InitiateAuthenticationRequest {
    InitiateAuthenticationRequest {
        euicc_challenge: card.get_euicc_challenge().unwrap(),
        euicc_info1: Some(card.get_euicc_info1().unwrap()),
        ..World::request(1)
    }
}

/// The content of a TLV that is a signature.
fn signature(tlv: &[u8]) -> &[u8; 64] {
    Reader::new(tlv, "signature").read().unwrap().array("signature").unwrap()
}

/// What the IPA hands to the card.
fn authenticate(card: &mut Es10Client<Card>, initiated: &InitiateAuthenticationOk) -> Vec<u8> {
    let context = CtxParams1 {
        matching_id: initiated.matching_id.as_deref(),
        device_info: DeviceInfo {
            tac: &[0x35, 0x29, 0x06, 0x11],
            device_capabilities: &[],
            imei: None,
            extensions: &[],
        },
    };
    let octets = context.to_der();
    let ci = Reader::new(&initiated.euicc_ci_pk_identifier_to_be_used, "key identifier").read().unwrap();
    card.authenticate_server(&AuthenticateServerRequest {
        server_signed1: Raw::from_der(&initiated.server_signed1).unwrap(),
        server_signature1: signature(&initiated.server_signature1),
        ci_pk_id_to_be_used: ci.value,
        server_certificate: &initiated.server_certificate,
        ctx_params1: Raw { bytes: &octets, value: context },
    })
    .unwrap()
}

fn a_profile_comes_from_another_operators_server() {
    let named = [FOREIGN_PKI.ci.certificate.der().to_vec()];
    let foreign = TestServer::foreign();
    let relay = relay(&foreign, &named, Reach::Public, way_to(&foreign));
    let world = World::with(foreign, |_, _| relay);
    let order = world.smdp.order(OrderOptions::default());
    world.trigger(1, &format!("LPA:1${FOREIGN_ADDRESS}${}${SMDP_OID}", order.matching_id), None);

    let mut card = card(&world);
    let initiated = world.initiate(&begin(&mut card)).unwrap();
    let id = initiated.transaction_id.clone().unwrap();
    let response = authenticate(&mut card, &initiated);
    let offer = world.authenticate(&id, response).unwrap();
    let preparation = card
        .prepare_download(&PrepareDownloadRequest {
            smdp_signed2: Raw::from_der(&offer.smdp_signed2).unwrap(),
            smdp_signature2: signature(&offer.smdp_signature2),
            hash_cc: None,
            smdp_certificate: &offer.smdp_certificate,
        })
        .unwrap();
    let package = world.package(&id, preparation).unwrap();
    let result = card.load_bound_profile_package(&package.bound_profile_package).unwrap();
    let [profile] = card.get_profiles_info().unwrap().try_into().unwrap();
    assert_eq!(profile.iccid, order.iccid);
    assert_eq!(world.smdp.state(&order.iccid), "Downloaded");

    // The result is signed under the other CI, whose SM-DP+ took that key: the operation goes on, and the SM-DP+ hears of it.
    let request = HandleNotification::PendingNotification(result);
    world.run(handle_notification(&world.eim, &world.device(), &request)).unwrap();
    assert_eq!(world.state(1), "downloaded");
    bring(&world);
    assert_eq!(world.smdp.state(&order.iccid), "Installed");
    assert_eq!(world.smdp.notifications(&order.iccid), 1);
}

/// Brings what waits for its receivers.
fn bring(world: &World) {
    let job = ForwardNotifications {
        store: world.eim.store.clone(),
        clock: world.clock.clone(),
        rng: world.eim.rng.clone(),
        servers: world.eim.relay.servers.clone(),
        limits: ForwardLimits::default(),
    };
    let store = world.eim.store.clone();
    let brought = async {
        let (end, ended) = watch::channel(false);
        let job = tokio::spawn(job.run(ended));
        let selection = ForwardedSelection::default();
        while !store.forwarded_notifications(&selection, 0, 10, false).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        end.send(true).unwrap();
        job.await.unwrap();
    };
    world.run(async { tokio::time::timeout(Duration::from_secs(30), brought).await.unwrap() });
}

fn a_server_that_nobody_vouches_for_is_not_spoken_to() {
    // Nobody named its authority; somebody named another one; it is called by a name that its certificate has not.
    let other = PKI.eim_ca.certificate.der().to_vec();
    for (authorities, name) in [
        (Vec::new(), FOREIGN_ADDRESS),
        (vec![other], FOREIGN_ADDRESS),
        (vec![FOREIGN_PKI.ci.certificate.der().to_vec()], "smdp.third.example"),
    ] {
        let foreign = TestServer::foreign();
        let way = way_to(&foreign).map(|way| ConnectTo { host: name.to_owned(), ..way });
        let relay = relay(&foreign, &authorities, Reach::Public, way);
        let world = World::with(foreign, |_, _| relay);
        let order = world.smdp.order(OrderOptions::default());
        world.trigger(1, &format!("1${name}${}", order.matching_id), None);
        let error = world.initiate(&World::request(1)).unwrap_err();
        assert_eq!(error.code().code(), 127, "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
        assert!(world.eim.relay.sessions.is_empty());
    }
}

fn an_address_inside_our_own_network_is_not_called() {
    let foreign = TestServer::foreign();
    let port = foreign.socket(Interface::Es9Plus).port();
    let relay = relay(&foreign, &[], Reach::Public, None);
    let world = World::with(foreign, |_, _| relay);
    for (number, host) in [(1, "127.0.0.1"), (2, "2130706433"), (3, "10.0.0.1"), (4, "localhost")] {
        world.trigger(number, &format!("1${host}:{port}$TOKEN"), None);
        let error = world.initiate(&World::request(number)).unwrap_err();
        assert_eq!(error.code().code(), 127, "{error}");
        assert!(error.to_string().contains("no address of the public Internet"), "{error}");
    }
}
