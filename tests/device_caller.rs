//! Who calls on ESipa: devices by their certificates, over real TLS; each wrong certificate gets its own refusal, which is
//! recorded and counted.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use simyard::domain::Person;
use simyard::eim::caller::{ClientAuth, DeviceCaller, Devices, EidField, Refusal, Unrecognised};
use simyard::eim::refusals::{RefusalReason, Refusals};
use simyard::env::{Clock, Rng};
use simyard::ident::{Eid, Peer};
use simyard::pki::issue::{Issuer, ListContent};
use simyard::pki::test_pki::{Fault, Issued, Kind};
use simyard::pki::tls::{PeerIdentity, peer_identity};
use simyard::store::{DevicePin, EsipaRefusal, OtherPins, Store, StoreUrl};
use simyard_asn1::Encode as _;
use simyard_asn1::iot::esipa::{EsipaRequest, GetEimPackageRequest};

use crate::harness::block_on;
use crate::server::{ADDRESS, NOW, PKI, TestServer, euicc, reply};

crate::tests!(
    a_device_is_let_in_by_its_certificate,
    every_wrong_certificate_gets_its_own_refusal,
    a_listener_may_take_callers_without_a_certificate_but_no_wrong_one,
    a_certificate_that_names_no_eid_may_stand_in_the_list,
    a_revoked_certificate_is_not_let_in,
    a_device_speaks_for_its_own_eid_alone,
    polls_without_a_certificate_are_limited_by_eid,
    refusals_are_counted_in_the_metrics,
    whoever_polls_too_often_without_a_certificate_is_told_when_to_come_again,
);

const SETTINGS: &str = "[eim]\nfqdn = \"smdp.example.com\"\nlisten = \"127.0.0.1:0\"\n";
const OPTIONAL: &str = "[[eim_listener]]\nlisten = \"127.0.0.1:0\"\nclient_auth = \"optional\"\n";

/// Asks for a path that is none: 404 is told to those who are let in.
fn ask(server: &TestServer, client: &reqwest::Client) -> Result<u16, reqwest::Error> {
    let request = client.post(format!("https://{ADDRESS}/nowhere")).body("");
    server.callers.block_on(reply(request)).map(|reply| reply.status)
}

fn ask_as(server: &TestServer, identity: Option<&Issued>, listener: usize) -> Result<u16, reqwest::Error> {
    ask(server, &server.device_http(identity, listener))
}

/// What a server that ended has written down, the oldest first.
fn refusals(server: &TestServer) -> Vec<EsipaRefusal> {
    server.end();
    let store = server.left_store();
    let mut records = server.callers.block_on(store.esipa_refusals(None, 0, 1000)).unwrap();
    records.reverse();
    records.into_iter().map(|record| record.refusal).collect()
}

fn twin(fault: Fault) -> &'static Issued {
    PKI.twin(Kind::Device, fault).unwrap()
}

fn a_device_is_let_in_by_its_certificate() {
    let server = TestServer::with(SETTINGS, None);
    assert_eq!(ask_as(&server, Some(&PKI.device), 0).unwrap(), 404);
    let eid = euicc::eid(3);
    let another = PKI.device_issuer().unwrap().issue_device(&eid, None, &Rng::seeded(8), NOW).unwrap();
    assert_eq!(ask_as(&server, Some(&another), 0).unwrap(), 404);
    assert_eq!(refusals(&server), []);
}

fn every_wrong_certificate_gets_its_own_refusal() {
    let twins: Vec<&Issued> = PKI.twins.iter().filter(|twin| twin.kind == Kind::Device).collect();
    assert_eq!(twins.len(), 8);
    for twin in twins {
        let (status, reason, says) = match twin.fault.unwrap() {
            // Who it is, is right; whom it may speak for, is looked at when it speaks.
            Fault::OtherEid => (Some(404), None, ""),
            Fault::NoEid => (Some(403), Some("no_eid"), "names no EID, and is not in the list"),
            Fault::Expired => (None, Some("handshake"), "was valid until"),
            Fault::GsmaCi | Fault::SelfSigned => (None, Some("handshake"), "is not trusted"),
            Fault::WrongRole => (None, Some("handshake"), "none for the role"),
            Fault::NoClientAuth => (None, Some("handshake"), "lacks clientAuth"),
            Fault::BadSignature => (None, Some("handshake"), "signature does not verify"),
            other => panic!("{other:?} is none of a device"),
        };
        let server = TestServer::with(SETTINGS, None);
        assert_eq!(ask_as(&server, Some(twin), 0).ok(), status, "{twin:?}");
        let refused = refusals(&server);
        let Some(reason) = reason else {
            assert_eq!(refused, [], "{twin:?}");
            continue;
        };
        let [refused] = refused.as_slice() else { panic!("{twin:?}: {refused:?}") };
        assert_eq!((refused.reason.as_str(), refused.peer.as_str()), (reason, "127.0.0.1"), "{twin:?}");
        assert!(refused.detail.contains(says), "{twin:?}: {}", refused.detail);
        let fingerprint = hex::encode(twin.certificate.fingerprint());
        assert_eq!(refused.certificate, Some(fingerprint), "{twin:?}");
    }
    let server = TestServer::with(SETTINGS, None);
    for (what, identity) in
        [("none", None), ("an operator's", Some(&PKI.operator)), ("eUICC", Some(&PKI.euicc))]
    {
        assert!(ask_as(&server, identity, 0).is_err(), "{what}");
    }
    let details: Vec<String> = refusals(&server).into_iter().map(|refused| refused.detail).collect();
    let times = |says: &str| details.iter().filter(|detail| detail.contains(says)).count();
    assert_eq!((details.len(), times("no certificates"), times("is not trusted")), (3, 1, 2), "{details:?}");
}

fn a_listener_may_take_callers_without_a_certificate_but_no_wrong_one() {
    let server = TestServer::with(&format!("{SETTINGS}{OPTIONAL}"), None);
    assert!(ask_as(&server, None, 0).is_err(), "the first listener asks for one");
    assert_eq!(ask_as(&server, None, 1).unwrap(), 404);
    assert_eq!(ask_as(&server, Some(&PKI.device), 1).unwrap(), 404);
    assert!(ask_as(&server, Some(twin(Fault::Expired)), 1).is_err());
    assert!(ask_as(&server, Some(twin(Fault::GsmaCi)), 1).is_err());
    assert_eq!(ask_as(&server, Some(twin(Fault::NoEid)), 1).unwrap(), 403);
}

fn a_certificate_that_names_no_eid_may_stand_in_the_list() {
    let server = TestServer::with(SETTINGS, None);
    let nameless = twin(Fault::NoEid);
    let client = server.device_http(Some(nameless), 0);
    let (store, person) = (server.smdp().store.clone(), Person::parse("anna").unwrap());
    let fingerprint = nameless.certificate.fingerprint();
    assert_eq!(ask(&server, &client).unwrap(), 403);
    let pin = DevicePin { fingerprint, eid: euicc::eid(2) };
    server.wait(store.import_device_certificates(&[pin], OtherPins::Keep, &person, NOW)).unwrap();
    assert_eq!(ask(&server, &client).unwrap(), 404, "on the connection that it has");
    server.wait(store.remove_device_certificate(&fingerprint, &person, NOW)).unwrap();
    assert_eq!(ask(&server, &client).unwrap(), 403, "and no longer");
    drop(store);
    let refused = refusals(&server);
    assert_eq!((refused.len(), refused[0].times), (1, 2));
}

fn a_revoked_certificate_is_not_let_in() {
    let revoked =
        PKI.device_issuer().unwrap().issue_device(&euicc::eid(4), None, &Rng::seeded(9), NOW).unwrap();
    let content = ListContent {
        this_update: NOW,
        next_update: None,
        revoked: vec![revoked.certificate.serial().to_vec()],
        extensions: Vec::new(),
    };
    let issuer =
        Issuer::new(PKI.device_ca.certificate.clone(), PKI.device_ca.key.signing_key().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("devices.crl");
    std::fs::write(&list, issuer.issue_list(&content).unwrap()).unwrap();
    let server = TestServer::with(&format!("{SETTINGS}device_crl = [{:?}]\n", list.to_str().unwrap()), None);
    assert!(ask_as(&server, Some(&revoked), 0).is_err());
    assert_eq!(ask_as(&server, Some(&PKI.device), 0).unwrap(), 404);
    let refused = refusals(&server);
    assert!(refused.len() == 1 && refused[0].detail.contains("is revoked by its issuer"), "{refused:?}");
}

/// Devices of a store of its own.
struct Yard {
    devices: Devices,
    store: Store,
    clock: Clock,
    _folder: tempfile::TempDir,
}

impl Yard {
    async fn new(polls_per_hour: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreUrl::Sqlite(folder.path().join("simyard.db"))).await.unwrap();
        let clock = Clock::fixed(NOW);
        let refusals = Arc::new(Refusals::new(clock.clone()));
        let polls = NonZeroU32::new(polls_per_hour).unwrap();
        let devices = Devices::new(store.clone(), EidField::SerialNumber, polls, refusals, clock.clone());
        Self { devices, store, clock, _folder: folder }
    }

    async fn caller(&self, certificate: Option<&PeerIdentity>) -> DeviceCaller {
        self.devices.recognise(ClientAuth::Optional, peer(), certificate).await.unwrap()
    }

    fn refused(&self, reason: RefusalReason) -> u64 {
        self.devices.refusals().count(reason)
    }
}

fn peer() -> Peer {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)).into()
}

fn identity(issued: &Issued) -> PeerIdentity {
    peer_identity(issued.certificate.der()).unwrap()
}

fn a_device_speaks_for_its_own_eid_alone() {
    block_on(async {
        let yard = Yard::new(60).await;
        let (own, other) = (euicc::eid(0), euicc::eid(1));
        let device = yard.caller(Some(&identity(&PKI.device))).await;
        assert_eq!((device.proven(), device.peer()), (Some(&own), peer()));
        device.may_speak_for(&own).unwrap();
        assert_eq!(device.may_speak_for(&other), Err(Refusal::OtherEid));
        assert_eq!(device.may_poll_for(&other), Err(Refusal::OtherEid));
        assert_eq!(yard.refused(RefusalReason::OtherEid), 2);

        let nobody = yard.caller(None).await;
        assert_eq!(nobody.proven(), None);
        nobody.may_speak_for(&other).unwrap();
        let required = yard.devices.recognise(ClientAuth::Required, peer(), None).await;
        assert!(matches!(required, Err(Unrecognised::Refused(Refusal::NoCertificate))));
        let nameless = identity(twin(Fault::NoEid));
        let refused = yard.devices.recognise(ClientAuth::Optional, peer(), Some(&nameless)).await;
        assert!(matches!(refused, Err(Unrecognised::Refused(Refusal::NoEid))), "{refused:?}");

        yard.devices.refusals().keep(&yard.store).await.unwrap();
        let kept = yard.store.esipa_refusals(Some(&other), 0, 10).await.unwrap();
        let [one] = kept.as_slice() else { panic!("{kept:?}") };
        assert_eq!((one.refusal.reason.as_str(), one.refusal.times), ("other_eid", 2));
        assert_eq!((one.refusal.eid.as_ref(), one.refusal.caller_eid.as_ref()), (Some(&other), Some(&own)));
        let all = yard.store.esipa_refusals(None, 0, 10).await.unwrap();
        let mut reasons: Vec<&str> = all.iter().map(|record| record.refusal.reason.as_str()).collect();
        reasons.sort_unstable();
        assert_eq!(reasons, ["no_certificate", "no_eid", "other_eid"]);
        assert!(matches!(
            {
                yard.store.close().await;
                yard.devices.recognise(ClientAuth::Optional, peer(), Some(&nameless)).await
            },
            Err(Unrecognised::Store(_))
        ));
    });
}

fn polls_without_a_certificate_are_limited_by_eid() {
    block_on(async {
        let yard = Yard::new(4).await;
        let (own, other) = (euicc::eid(0), Eid::parse("89049032000000000000279973200020").unwrap());
        let nobody = yard.caller(None).await;
        for _ in 0..4 {
            nobody.may_poll_for(&own).unwrap();
        }
        let Err(Refusal::TooManyPolls(wait)) = nobody.may_poll_for(&own) else { panic!("it is heard") };
        assert_eq!(wait, Duration::from_secs(900));
        nobody.may_poll_for(&other).unwrap();
        // Whoever can prove who it is, is not kept waiting by those who cannot.
        let device = yard.caller(Some(&identity(&PKI.device))).await;
        for _ in 0..100 {
            device.may_poll_for(&own).unwrap();
        }
        yard.clock.advance(wait);
        nobody.may_poll_for(&own).unwrap();
        assert!(nobody.may_poll_for(&own).is_err());
        assert_eq!(yard.refused(RefusalReason::TooManyPolls), 2);
    });
}

fn refusals_are_counted_in_the_metrics() {
    let server = TestServer::with(&format!("{SETTINGS}[admin]\nlisten = \"127.0.0.1:0\"\n"), None);
    assert!(ask_as(&server, None, 0).is_err());
    assert_eq!(ask_as(&server, Some(twin(Fault::NoEid)), 0).unwrap(), 403);
    let url = format!("http://{}/metrics", server.admin().unwrap());
    let client = server.http(None, server.admin().unwrap());
    let metrics =
        server.callers.block_on(async { client.get(url).send().await.unwrap().text().await.unwrap() });
    for line in [
        "simyard_esipa_refusals_total{reason=\"handshake\"} 1",
        "simyard_esipa_refusals_total{reason=\"no_eid\"} 1",
        "simyard_esipa_refusals_total{reason=\"other_eid\"} 0",
        "simyard_certificate_days_left{certificate=\"eim_signing\",number=\"0\"} 3650",
        "simyard_certificate_days_left{certificate=\"eim\",number=\"0\"} 398",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

fn whoever_polls_too_often_without_a_certificate_is_told_when_to_come_again() {
    let settings = format!("{SETTINGS}polls_of_euicc_per_hour = 1\n{OPTIONAL}");
    let server = TestServer::with(&settings, None);
    let poll = |identity: Option<&Issued>, path: &str, body: Vec<u8>| {
        let request = server.device_http(identity, 1).post(format!("https://{ADDRESS}/gsma/rsp2/{path}"));
        server.callers.block_on(async {
            let response = request.body(body).send().await.unwrap();
            let wait = response.headers().get("retry-after").map(|wait| wait.to_str().unwrap().to_owned());
            (response.status().as_u16(), wait)
        })
    };
    let eid = euicc::eid(0);
    let asn1 = || EsipaRequest::GetEimPackage(GetEimPackageRequest::new(eid.to_bcd())).to_der();
    let json = || format!("{{\"eidValue\":\"{eid}\"}}").into_bytes();
    assert_eq!(poll(None, "asn1", asn1()), (200, None));
    let later = (429, Some("3601".to_owned()));
    assert_eq!(poll(None, "asn1", asn1()), later);
    assert_eq!(poll(None, "esipa/getEimPackage", json()), later);
    // Its device, with its certificate, does not wait for them.
    assert_eq!(poll(Some(&PKI.device), "asn1", asn1()), (200, None));
    let refused = refusals(&server);
    assert!(
        refused.iter().any(|refused| refused.reason == "too_many_polls" && refused.times == 2),
        "{refused:?}"
    );
}
