//! Certificates: the published ones of SGP.26, our own test PKI and its wrong twins, TLS over both.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use rustls::pki_types::ServerName;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::SingleCertAndKey;
use simyard::crypto::ecdsa::Curve;
use simyard::crypto::keyfile::{load_certificates, load_signing_key};
use simyard::env::{Clock, Rng, Timestamp};
use simyard::ident::Eid;
use simyard::pki::issue::{Content, Criticality, Issuer, PrivateKey, Subject, TlsSide, Validity, issue_root};
use simyard::pki::test_pki::{CurveSet, Fault, Issued, Kind, TestPki, TestPkiOptions};
use simyard::pki::tls::{
    ClientVerifier, ServerVerifier, TlsError, TlsIdentity, client_config, peer_identity, server_config,
};
use simyard::pki::{
    AnchorError, Anchors, Certificate, EuiccError, EumError, PathError, Refusal, Role,
    ServerCertificateError, VerifiedEum, is_test_ci, verify_euicc,
};
use simyard_asn1::Oid;

crate::tests!(
    the_generated_pki_verifies,
    the_generated_pki_on_brainpool_verifies,
    what_pki_init_makes_is_known_as_a_test_ci,
    every_wrong_twin_is_refused_for_its_fault,
    every_wrong_twin_under_other_roots_is_refused_for_its_fault,
    a_device_is_certified_no_longer_than_its_ca,
    a_ci_is_no_ca_of_devices,
    one_changed_octet_of_a_generated_certificate_is_refused,
    truncated_and_extended_certificates_are_refused,
    tls_runs_between_our_server_and_our_client,
    tls_accepts_critical_policies,
    tls_refuses_wrong_servers,
    tls_refuses_wrong_clients,
    tls_refuses_a_leaf_whose_key_the_server_lacks,
    a_tls_leaf_minted_from_the_published_ci_verifies,
    the_command_writes_a_pki_that_is_read_back,
    the_published_certificates_verify,
    tls_is_refused_on_brainpool,
    one_changed_octet_of_a_published_certificate_is_refused,
);

/// 2026-11-22, when all published certificates but the yearly TLS ones are valid.
const NOW: Timestamp = Timestamp::from_secs(1_795_329_780);

fn published(folder: &Path, name: &str) -> Certificate {
    let der = std::fs::read(folder.join("sgp26").join(name)).unwrap();
    Certificate::from_der(&der).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn published_anchors(folder: &Path) -> Anchors {
    let names = ["CERT_CI_ECDSA_NIST.der", "CERT_CI_ECDSA_BRP.der"];
    Anchors::new(names.map(|name| published(folder, name)).to_vec()).unwrap()
}

fn the_published_certificates_verify() {
    let Some(folder) = crate::harness::vectors("SGP.26 certificates") else { return };
    let anchors = published_anchors(&folder);
    for (set, curve, ci_key_identifier) in [
        ("NIST", Curve::P256, "F54172BDF98A95D65CBEB88A38A1C11D800A85C3"),
        ("BRP", Curve::BrainpoolP256r1, "C0BC70BA36929D43B467FF57570530E57AB8FCD8"),
    ] {
        let published = |name: &str| published(&folder, &format!("CERT_{name}_{set}.der"));
        let eum = anchors.verify_eum(&published("EUM_ECDSA"), NOW).unwrap();
        let certificate = published("EUICC_ECDSA");
        assert_eq!(certificate.not_after().to_string(), "7496-01-24T09:48:58Z");
        let euicc = verify_euicc(&eum, &certificate, NOW).unwrap();
        assert_eq!(euicc.eid().as_str(), "89049032123451234512345678901235");
        assert_eq!(euicc.public_key().curve(), curve);
        assert_eq!(hex::encode_upper(eum.ci_key_identifier()), ci_key_identifier);
        let auth = anchors.verify_dp_auth(&published("S_SM_DPauth_ECDSA"), NOW).unwrap();
        let pb = anchors.verify_dp_pb(&auth, &published("S_SM_DPpb_ECDSA"), NOW).unwrap();
        assert_eq!((auth.oid().to_string(), pb.oid().to_string()), ("2.999.10".into(), "2.999.10".into()));
        let tls = published("S_SM_DP_VARO_TLS");
        anchors.verify_dp_tls(&tls, "TestSMDPplus1.example.com", NOW).unwrap();
        assert!(anchors.verify_dp_tls(&tls, "testsmdpplus2.example.com", NOW).is_err());
        anchors.verify_client(&tls, NOW).unwrap();
    }
    // The pair of one SM-DP+ lies under one CI, though name and OID are the same.
    let auth = anchors.verify_dp_auth(&published(&folder, "CERT_S_SM_DPauth_ECDSA_NIST.der"), NOW).unwrap();
    let pb = published(&folder, "CERT_S_SM_DPpb_ECDSA_BRP.der");
    assert_eq!(anchors.verify_dp_pb(&auth, &pb, NOW).unwrap_err(), ServerCertificateError::OtherCi);
}

fn tls_is_refused_on_brainpool() {
    let Some(folder) = crate::harness::vectors("the SGP.26 TLS certificate on brainpoolP256r1") else {
        return;
    };
    let leaf = published(&folder, "CERT_S_SM_DP_VARO_TLS_BRP.der");
    let key = Arc::new(load_signing_key(&folder.join("sgp26/SK_S_SM_DP_TLS_BRP.p8")).unwrap());
    let error = TlsIdentity::new(vec![leaf.der().to_vec()], key).unwrap_err();
    assert_eq!(error, TlsError::Curve(Curve::BrainpoolP256r1));
    assert!(error.to_string().contains("on brainpoolP256r1; TLS needs one on P-256"), "{error}");
}

/// Every octet of the certificate is changed in turn; none of the changed certificates may pass.
fn refused_with_any_octet_changed(certificate: &Certificate, verifies: impl Fn(&Certificate) -> bool) {
    assert!(verifies(certificate));
    let mut der = certificate.der().to_vec();
    for at in 0..der.len() {
        der[at] ^= 1;
        let passes = Certificate::from_der(&der).is_ok_and(|changed| verifies(&changed));
        assert!(!passes, "octet {at} of {certificate:?}");
        der[at] ^= 1;
    }
}

fn one_changed_octet_of_a_published_certificate_is_refused() {
    let Some(folder) = crate::harness::vectors("changed SGP.26 certificates") else { return };
    let anchors = published_anchors(&folder);
    for set in ["NIST", "BRP"] {
        let certificate = published(&folder, &format!("CERT_EUM_ECDSA_{set}.der"));
        let eum: VerifiedEum = anchors.verify_eum(&certificate, NOW).unwrap();
        refused_with_any_octet_changed(&certificate, |changed| anchors.verify_eum(changed, NOW).is_ok());
        let certificate = published(&folder, &format!("CERT_EUICC_ECDSA_{set}.der"));
        refused_with_any_octet_changed(&certificate, |changed| verify_euicc(&eum, changed, NOW).is_ok());
    }
}

const EID: &str = "89049032000000000000279973200019";

fn options() -> TestPkiOptions {
    TestPkiOptions {
        host_names: vec!["localhost".to_owned(), "smdp.example".to_owned()],
        eid: Eid::parse(EID).unwrap(),
    }
}

fn generated() -> TestPki {
    TestPki::generate(&Rng::seeded(11), NOW, &options()).unwrap()
}

fn generated_on_brainpool() -> CurveSet {
    CurveSet::generate(&Rng::seeded(13), NOW, &options(), Curve::BrainpoolP256r1).unwrap()
}

fn anchors(pki: &CurveSet) -> Anchors {
    Anchors::new(vec![pki.ci.certificate.clone()]).unwrap()
}

/// Trusts the test PKI's CA of devices.
fn device_anchors(pki: &TestPki) -> Anchors {
    Anchors::new(vec![pki.device_ca.certificate.clone()]).unwrap()
}

fn the_generated_pki_verifies() {
    let pki = generated();
    let anchors = anchors(&pki);
    let eum = anchors.verify_eum(&pki.eum.certificate, NOW).unwrap();
    let euicc = verify_euicc(&eum, &pki.euicc.certificate, NOW).unwrap();
    assert_eq!(euicc.eid().as_str(), EID);
    let auth = anchors.verify_dp_auth(&pki.dp_auth.certificate, NOW).unwrap();
    assert_eq!(auth.oid().to_string(), "2.999.10");
    anchors.verify_dp_pb(&auth, &pki.dp_pb.certificate, NOW).unwrap();
    anchors.verify_dp_tls(&pki.dp_tls.certificate, "smdp.example", NOW).unwrap();
    anchors.verify_client(&pki.operator.certificate, NOW).unwrap();
    let devices = device_anchors(&pki);
    devices.verify_client(&pki.device.certificate, NOW).unwrap();
    assert!(anchors.verify_client(&pki.device.certificate, NOW).is_err(), "the CI vouches for no device");
    let eim = Anchors::new(vec![pki.eim_ca.certificate.clone()]).unwrap();
    eim.verify_web_server(&pki.eim_tls.certificate, "smdp.example", NOW).unwrap();
    eim.verify_client(&pki.eim_tls.certificate, NOW).unwrap();
    assert_eq!(pki.eim_sign.certificate.authority_key_identifier(), eim.key_identifiers().next());
    let operator = peer_identity(pki.operator.certificate.der()).unwrap();
    assert_eq!(operator.oid.unwrap().to_string(), "2.999.20");
    let device = peer_identity(pki.device.certificate.der()).unwrap();
    assert_eq!((device.oid, device.common_name.as_deref()), (None, Some("Simyard TEST device")));
    assert_eq!(device.serial_number.as_deref(), Some(EID));
    assert_eq!(device.fingerprint, pki.device.certificate.fingerprint());
    issues_a_second_euicc(&pki);
}

fn issues_a_second_euicc(pki: &CurveSet) {
    let eum = anchors(pki).verify_eum(&pki.eum.certificate, NOW).unwrap();
    let second = Eid::with_check_digits("890490321111111111111111111111").unwrap();
    let second = pki.eum_issuer().unwrap().issue_euicc(&second, &Rng::seeded(12), NOW).unwrap();
    let verified = verify_euicc(&eum, &second.certificate, NOW).unwrap();
    assert_eq!(verified.public_key().curve(), pki.eum.key.curve());
}

fn the_generated_pki_on_brainpool_verifies() {
    let set = generated_on_brainpool();
    let anchors = anchors(&set);
    let eum = anchors.verify_eum(&set.eum.certificate, NOW).unwrap();
    assert_eq!(verify_euicc(&eum, &set.euicc.certificate, NOW).unwrap().eid().as_str(), EID);
    let auth = anchors.verify_dp_auth(&set.dp_auth.certificate, NOW).unwrap();
    anchors.verify_dp_pb(&auth, &set.dp_pb.certificate, NOW).unwrap();
    for issued in set.certificates() {
        assert_eq!(issued.certificate.public_key().unwrap().curve(), Curve::BrainpoolP256r1, "{issued:?}");
    }
    issues_a_second_euicc(&set);
    // A chain ends at its own CI, whatever else is trusted.
    let both = Anchors::new(vec![generated().ci.certificate.clone(), set.ci.certificate.clone()]).unwrap();
    let eum = both.verify_eum(&set.eum.certificate, NOW).unwrap();
    assert_eq!(Some(eum.ci_key_identifier()), set.ci.certificate.subject_key_identifier());
}

fn what_pki_init_makes_is_known_as_a_test_ci() {
    let pki = generated();
    let set = generated_on_brainpool();
    for ci in [&pki.ci, &set.ci, &pki.other_ci] {
        assert!(is_test_ci(&ci.certificate), "{ci:?}");
        assert!(ci.certificate.common_name().unwrap().contains("TEST"), "{ci:?}");
    }
    let rng = Rng::seeded(4);
    let key = PrivateKey::draw(&rng, Curve::P256).signing_key().unwrap();
    let validity = Validity { not_before: NOW, not_after: NOW };
    let root = Content::new(Subject::default(), validity).signs_certificates_and_lists().authority(None);
    let root = root.names(&[], Oid::parse("1.3.6.1.4.1.31746").as_ref());
    let without_role = issue_root(&root, &key, &rng).unwrap();
    assert!(!is_test_ci(&without_role));
    let ci = issue_root(&root.role(Role::Ci, Criticality::Critical), &key, &rng).unwrap();
    assert!(Anchors::of_cis(vec![ci]).is_ok());
    assert!(matches!(Anchors::of_cis(vec![without_role]), Err(AnchorError::Role { .. })));
    let Some(folder) = crate::harness::vectors("the CIs of SGP.26") else { return };
    for name in ["CERT_CI_ECDSA_NIST.der", "CERT_CI_ECDSA_BRP.der"] {
        let ci = published(&folder, name);
        assert!(is_test_ci(&ci));
        assert!(Anchors::of_cis(vec![ci]).is_ok(), "{name}");
    }
}

/// What the rules say about a certificate of this kind.
fn verdict(pki: &CurveSet, anchors: &Anchors, issued: &Issued) -> Result<(), (Refusal, String)> {
    let certificate = &issued.certificate;
    let server = |error: ServerCertificateError| (error.kind(), format!("{error:?}"));
    match issued.kind {
        Kind::Ci => unreachable!("the CI has no twins"),
        Kind::Eum => match anchors.verify_eum(certificate, NOW) {
            Ok(_) => Ok(()),
            Err(error) => Err((error.kind(), format!("{error:?}"))),
        },
        Kind::Euicc => {
            let eum = anchors.verify_eum(&pki.eum.certificate, NOW).unwrap();
            match verify_euicc(&eum, certificate, NOW) {
                Ok(_) => Ok(()),
                Err(error) => Err((error.kind(), format!("{error:?}"))),
            }
        }
        Kind::DpAuth => anchors.verify_dp_auth(certificate, NOW).map(drop).map_err(server),
        Kind::DpPb => {
            let auth = anchors.verify_dp_auth(&pki.dp_auth.certificate, NOW).unwrap();
            anchors.verify_dp_pb(&auth, certificate, NOW).map(drop).map_err(server)
        }
        Kind::DpTls => anchors.verify_dp_tls(certificate, "localhost", NOW).map_err(server),
        Kind::Operator | Kind::Manufacturer => anchors.verify_client(certificate, NOW).map_err(server),
        Kind::EimCa | Kind::EimSign | Kind::EimTls | Kind::DeviceCa | Kind::Device => {
            unreachable!("they lie under roots of their own")
        }
    }
}

/// Whether the certificate lies under the GSMA CI.
fn is_below_ci(issued: &Issued) -> bool {
    ![Kind::Ci, Kind::EimCa, Kind::EimSign, Kind::EimTls, Kind::DeviceCa, Kind::Device].contains(&issued.kind)
}

fn every_wrong_twin_is_refused_for_its_fault() {
    let (pki, brainpool) = (generated(), generated_on_brainpool());
    assert_eq!((pki.twins.len(), brainpool.twins.len()), (53, 23));
    every_wrong_twin_of(&pki);
    every_wrong_twin_of(&brainpool);
}

fn every_wrong_twin_of(pki: &CurveSet) {
    let anchors = anchors(pki);
    let euicc = Kind::Euicc;
    for twin in pki.twins.iter().filter(|twin| is_below_ci(twin)) {
        let (kind, rule) = match (twin.kind, twin.fault.unwrap()) {
            (_, Fault::Expired) => (Refusal::Expired, "Path(Expired {"),
            (of, Fault::UnknownCi | Fault::SelfSigned) if of == euicc => {
                (Refusal::Verification, "Path(UnknownIssuer(")
            }
            (_, Fault::UnknownCi | Fault::SelfSigned) => (Refusal::UnknownCi, "Path(UnknownIssuer("),
            (_, Fault::WrongRole) => (Refusal::Verification, "Path(Role {"),
            (_, Fault::OutsideRange) => (Refusal::Verification, "OutsideRange {"),
            (_, Fault::OtherOid) => (Refusal::Verification, "OtherObjectIdentifier {"),
            (_, Fault::WrongHost) => (Refusal::Verification, "HostName {"),
            (_, Fault::NoAuthorityKeyIdentifier) => {
                (Refusal::Verification, "Path(AuthorityKeyIdentifierMissing)")
            }
            (_, Fault::BadSignature) => (Refusal::Verification, "Path(Signature)"),
            (_, Fault::GsmaCi | Fault::NoEid | Fault::OtherEid | Fault::NoClientAuth) => {
                panic!("{twin:?} is none of a certificate under the CI")
            }
        };
        let (found_kind, found) = verdict(pki, &anchors, twin).unwrap_err();
        assert_eq!(found_kind, kind, "{twin:?}: {found}");
        assert!(found.starts_with(rule), "{twin:?}: {found}");
    }
    // The other PKI is a whole one: its eUICC is refused for nothing but its CI.
    let other = Anchors::new(vec![pki.other_ci.certificate.clone()]).unwrap();
    let twin = |kind| &pki.twin(kind, Fault::UnknownCi).unwrap().certificate;
    let eum = other.verify_eum(twin(Kind::Eum), NOW).unwrap();
    assert!(verify_euicc(&eum, twin(Kind::Euicc), NOW).is_ok());
    assert!(matches!(
        other.verify_eum(&pki.eum.certificate, NOW),
        Err(EumError::Path(PathError::UnknownIssuer(_)))
    ));
    assert!(matches!(
        verify_euicc(&eum, &pki.euicc.certificate, NOW),
        Err(EuiccError::Path(PathError::UnknownIssuer(_)))
    ));
}

/// What an eIM and a device refuse of each other. An EID is no matter of the chain: who is let in may still be nobody.
fn every_wrong_twin_under_other_roots_is_refused_for_its_fault() {
    let pki = generated();
    let eim = Anchors::new(vec![pki.eim_ca.certificate.clone()]).unwrap();
    let devices = device_anchors(&pki);
    let mut let_in = Vec::new();
    let others = |twin: &&Issued| !is_below_ci(twin) && twin.kind != Kind::EimSign;
    for twin in pki.twins.iter().filter(others) {
        let verified = match twin.kind {
            Kind::EimTls => eim.verify_web_server(&twin.certificate, "localhost", NOW),
            _ => devices.verify_client(&twin.certificate, NOW),
        };
        let expected = match twin.fault.unwrap() {
            Fault::Expired => "was valid until",
            Fault::UnknownCi | Fault::GsmaCi | Fault::SelfSigned => "is not trusted",
            Fault::WrongRole => "none for the role",
            Fault::WrongHost => "not for \"localhost\"",
            Fault::NoClientAuth => "lacks clientAuth",
            Fault::BadSignature => "signature does not verify",
            Fault::NoEid | Fault::OtherEid => {
                verified.unwrap();
                let_in.push(twin.certificate.serial_number().map(str::to_owned));
                continue;
            }
            other => panic!("{other:?} is none of these certificates"),
        };
        let error = verified.unwrap_err().to_string();
        assert!(error.contains(expected), "{twin:?}: {error}");
    }
    let other = Eid::with_check_digits("890490390000000000002799732000").unwrap();
    assert_eq!(let_in, [None, Some(other.to_string())]);
}

fn one_changed_octet_of_a_generated_certificate_is_refused() {
    let pki = generated();
    let devices = device_anchors(&pki);
    refused_with_any_octet_changed(&pki.device.certificate, |changed| {
        devices.verify_client(changed, NOW).is_ok()
    });
    for right in pki.certificates().into_iter().filter(|issued| is_below_ci(issued)) {
        refused_with_any_octet_changed(&right.certificate, |changed| {
            let changed = Issued { certificate: changed.clone(), ..right.clone() };
            // Anchors of its own: nothing is remembered from the right certificate.
            verdict(&pki, &anchors(&pki), &changed).is_ok()
        });
    }
}

fn truncated_and_extended_certificates_are_refused() {
    let pki = generated();
    for issued in pki.certificates() {
        let der = issued.certificate.der();
        for length in 0..der.len() {
            assert!(Certificate::from_der(&der[..length]).is_err(), "{length} octets of {issued:?}");
        }
        assert!(Certificate::from_der(&[der, &[0]].concat()).is_err());
    }
    assert!(Certificate::from_der(&vec![0x30; 20_000]).is_err());
}

fn tls_identity(issued: &Issued) -> TlsIdentity {
    let key = Arc::new(issued.key.signing_key().unwrap());
    TlsIdentity::new(vec![issued.certificate.der().to_vec()], key).unwrap()
}

fn server_of(pki: &TestPki, identity: &TlsIdentity) -> rustls::ServerConfig {
    let verifier = ClientVerifier::new(Arc::new(anchors(pki)), Clock::fixed(NOW));
    server_config(identity, Some(Arc::new(verifier) as Arc<dyn ClientCertVerifier>)).unwrap()
}

fn verifier_of(pki: &TestPki) -> Arc<ServerVerifier> {
    Arc::new(ServerVerifier::new(Arc::new(anchors(pki)), Clock::fixed(NOW)))
}

/// Our client, which prefers TLS 1.3, and one with the same verifier that knows TLS 1.2 alone.
fn clients_of(pki: &TestPki, identity: Option<&TlsIdentity>) -> [rustls::ClientConfig; 2] {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier_of(pki));
    let old = match identity {
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key())))
        }
        None => builder.with_no_client_auth(),
    };
    [client_config(verifier_of(pki), identity).unwrap(), old]
}

/// A handshake in memory: the connection of the server, or the error of the side that gave up first.
fn handshake(
    server: rustls::ServerConfig,
    client: rustls::ClientConfig,
    host: &'static str,
) -> Result<rustls::ServerConnection, rustls::Error> {
    let name = ServerName::try_from(host).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = rustls::ServerConnection::new(Arc::new(server)).unwrap();
    for _ in 0..4 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut octets = wire.as_slice();
        while !octets.is_empty() {
            server.read_tls(&mut octets).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut octets = wire.as_slice();
        while !octets.is_empty() {
            client.read_tls(&mut octets).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(server)
}

fn tls_runs_between_our_server_and_our_client() {
    let pki = generated();
    let server = tls_identity(&pki.dp_tls);
    for client in clients_of(&pki, None) {
        let connection = handshake(server_config(&server, None).unwrap(), client, "LOCALHOST").unwrap();
        assert_eq!(connection.peer_certificates(), None);
    }
    let operator = tls_identity(&pki.operator);
    let versions = clients_of(&pki, Some(&operator)).map(|client| {
        let connection = handshake(server_of(&pki, &server), client, "smdp.example").unwrap();
        let leaf = &connection.peer_certificates().unwrap()[0];
        assert_eq!(peer_identity(leaf).unwrap().oid.unwrap().to_string(), "2.999.20");
        connection.protocol_version().unwrap()
    });
    assert_eq!(versions, [rustls::ProtocolVersion::TLSv1_3, rustls::ProtocolVersion::TLSv1_2]);
    for client in clients_of(&pki, None) {
        let refused =
            handshake(server_config(&tls_identity(&pki.dp_auth), None).unwrap(), client, "localhost");
        assert!(refused.unwrap_err().to_string().contains("dp-tls"));
    }
}

fn tls_accepts_critical_policies() {
    let pki = generated();
    let rng = Rng::seeded(4);
    let validity = Validity { not_before: NOW, not_after: NOW };
    let content = Content::new(Subject::default(), validity)
        .signs_messages()
        .tls(TlsSide::ServerAndClient)
        .role(Role::DpTls, Criticality::Critical)
        .names(&["localhost".to_owned()], None);
    let key = PrivateKey::draw(&rng, Curve::P256).signing_key().unwrap();
    let leaf = pki.ci_issuer().unwrap().issue(&content, key.public_key(), &rng).unwrap();
    let both = TlsIdentity::new(vec![leaf.der().to_vec()], Arc::new(key)).unwrap();
    for client in clients_of(&pki, Some(&both)) {
        assert!(handshake(server_of(&pki, &both), client, "localhost").is_ok());
    }
}

/// Where a client asks for `host` of a server with this certificate.
fn refusal_of_server(pki: &TestPki, server: &Issued, host: &'static str) -> Vec<String> {
    clients_of(pki, None)
        .into_iter()
        .map(|client| {
            let server = server_config(&tls_identity(server), None).unwrap();
            handshake(server, client, host).unwrap_err().to_string()
        })
        .collect()
}

fn tls_refuses_wrong_servers() {
    let pki = generated();
    let mut refused = 0;
    for twin in pki.twins.iter().filter(|twin| twin.kind == Kind::DpTls) {
        let expected = match twin.fault.unwrap() {
            Fault::Expired => "was valid until",
            Fault::UnknownCi | Fault::SelfSigned => "is not trusted",
            Fault::WrongRole => "none for the role dp-tls",
            Fault::WrongHost => "not for \"localhost\"",
            Fault::BadSignature => "signature does not verify",
            other => panic!("{other:?} is none of a TLS certificate"),
        };
        for error in refusal_of_server(&pki, twin, "localhost") {
            assert!(error.contains(expected), "{twin:?}: {error}");
            refused += 1;
        }
    }
    assert_eq!(refused, 12);
    for host in ["elsewhere.example", "127.0.0.1"] {
        for error in refusal_of_server(&pki, &pki.dp_tls, host) {
            assert!(error.contains("not for"), "{error}");
        }
    }
}

fn tls_refuses_wrong_clients() {
    let pki = generated();
    let server = tls_identity(&pki.dp_tls);
    let mut refused = 0;
    for twin in pki.twins.iter().filter(|twin| [Kind::Operator, Kind::Manufacturer].contains(&twin.kind)) {
        let expected = match twin.fault.unwrap() {
            Fault::Expired => "was valid until",
            Fault::UnknownCi | Fault::SelfSigned => "is not trusted",
            Fault::WrongRole => "none for the role",
            Fault::BadSignature => "signature does not verify",
            other => panic!("{other:?} is none of a client certificate"),
        };
        for client in clients_of(&pki, Some(&tls_identity(twin))) {
            let error = handshake(server_of(&pki, &server), client, "localhost").unwrap_err().to_string();
            assert!(error.contains(expected), "{twin:?}: {error}");
            refused += 1;
        }
    }
    assert_eq!(refused, 20);
    for client in clients_of(&pki, Some(&tls_identity(&pki.euicc))) {
        assert!(handshake(server_of(&pki, &server), client, "localhost").is_err());
    }
    for client in clients_of(&pki, None) {
        let error = handshake(server_of(&pki, &server), client, "localhost").unwrap_err();
        assert_eq!(error, rustls::Error::NoCertificatesPresented);
    }
}

fn tls_refuses_a_leaf_whose_key_the_server_lacks() {
    let pki = generated();
    let chain = vec![pki.dp_tls.certificate.der().to_vec()];
    let other = Arc::new(pki.operator.key.signing_key().unwrap());
    assert_eq!(
        TlsIdentity::new(chain.clone(), other).unwrap_err(),
        TlsError::OtherKey("localhost".to_owned())
    );
    assert_eq!(
        TlsIdentity::new(Vec::new(), Arc::new(pki.operator.key.signing_key().unwrap())).unwrap_err(),
        TlsError::NoCertificate
    );
    let key = pki.operator.key.to_pkcs8_der().unwrap().to_vec();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&key).unwrap();
    let chain = chain.into_iter().map(Into::into).collect();
    let stolen = Arc::new(rustls::sign::CertifiedKey::new(chain, key));
    for client in clients_of(&pki, None) {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(stolen.clone())));
        assert_eq!(
            handshake(server, client, "localhost").unwrap_err(),
            rustls::Error::InvalidCertificate(rustls::CertificateError::BadSignature)
        );
    }
}

fn a_tls_leaf_minted_from_the_published_ci_verifies() {
    let Some(folder) = crate::harness::vectors("a TLS leaf under the SGP.26 CI") else { return };
    let key = load_signing_key(&folder.join("sgp26/SK_CI_ECDSA_NIST.p8")).unwrap();
    let issuer = Issuer::new(published(&folder, "CERT_CI_ECDSA_NIST.der"), key).unwrap();
    let rng = Rng::seeded(3);
    let hosts = ["localhost".to_owned()];
    let leaf = issuer.issue_tls(&hosts, &Oid::parse("2.999.10").unwrap(), &rng, NOW).unwrap();
    let anchors = published_anchors(&folder);
    anchors.verify_dp_tls(&leaf.certificate, "localhost", NOW).unwrap();
    let operator = issuer.issue_operator("Operator", &Oid::parse("2.999.21").unwrap(), &rng, NOW).unwrap();
    anchors.verify_client(&operator.certificate, NOW).unwrap();
    assert_eq!(operator.certificate.organization(), Some("Operator"));
}

fn a_device_is_certified_no_longer_than_its_ca() {
    let pki = generated();
    let (issuer, devices) = (pki.device_issuer().unwrap(), device_anchors(&pki));
    let (rng, eid) = (Rng::seeded(5), Eid::with_check_digits("890490321111111111111111111111").unwrap());
    let key = PrivateKey::draw(&rng, Curve::P256).signing_key().unwrap();
    let certificate = issuer.certify_device(&eid, key.public_key(), Some(1), &rng, NOW).unwrap();
    assert!(certificate.is_of(&key));
    assert_eq!(certificate.serial_number(), Some(eid.as_str()));
    assert_eq!(certificate.organization(), Some("Simyard TEST Device Maker"));
    devices.verify_client(&certificate, NOW.plus(Duration::from_secs(86_400))).unwrap();
    assert!(devices.verify_client(&certificate, NOW.plus(Duration::from_secs(86_401))).is_err());
    let issued = issuer.issue_device(&eid, Some(u32::MAX), &rng, NOW).unwrap();
    assert!(issued.certificate.is_of(&issued.key.signing_key().unwrap()));
    assert_eq!(issued.certificate.not_after(), pki.device_ca.certificate.not_after());
}

fn a_ci_is_no_ca_of_devices() {
    let pki = generated();
    let ca = pki.device_ca.certificate.clone();
    let ci = pki.ci.certificate.clone();
    let cis = Anchors::of_cis(vec![ci.clone()]).unwrap();
    let refused = |certificate: &Certificate, cis: &Anchors| {
        matches!(
            Anchors::of_device_cas(vec![ca.clone(), certificate.clone()], cis),
            Err(AnchorError::GsmaCi(_))
        )
    };
    assert_eq!(Anchors::of_device_cas(vec![ca.clone()], &cis).unwrap().certificates().len(), 1);
    assert!(refused(&ci, &cis), "the one that is trusted");
    assert!(refused(&pki.other_ci.certificate, &cis), "one that is not");
    assert!(refused(&pki.eum.certificate, &cis), "another role");
    // Nothing of it says that it is one, but its key is trusted as one.
    let twice = Anchors::new(vec![pki.eim_ca.certificate.clone()]).unwrap();
    assert!(refused(&pki.eim_ca.certificate, &twice) && !refused(&pki.eim_ca.certificate, &cis));
    let Some(folder) = crate::harness::vectors("the CIs of SGP.26") else { return };
    assert!(refused(&published(&folder, "CERT_CI_ECDSA_NIST.der"), &cis));
}

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    pki: simyard::cli::pki::PkiArgs,
}

fn run(arguments: &[&str]) -> anyhow::Result<()> {
    let arguments = ["pki", "init"].iter().chain(arguments);
    simyard::cli::pki::run(Command::try_parse_from(arguments)?.pki)
}

fn the_command_writes_a_pki_that_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("pki");
    let path = target.to_str().unwrap();
    run(&[path, "--host", "a.example", "--host", "b.example", "--eid", "89044045930000000000000000000036"])
        .unwrap();
    let read = |name: &str| {
        let certificates = load_certificates(&target.join(name)).unwrap();
        Certificate::from_der(&certificates[0]).unwrap()
    };
    let now = Clock::system().now();
    let anchors = Anchors::new(vec![read("ci.pem")]).unwrap();
    let eum = anchors.verify_eum(&read("eum.pem"), now).unwrap();
    let euicc = verify_euicc(&eum, &read("euicc.pem"), now).unwrap();
    assert_eq!(euicc.eid().as_str(), "89044045930000000000000000000036");
    assert_eq!(read("dp-tls.pem").dns_names(), ["a.example", "b.example"]);
    assert_eq!(read("eim-tls.pem").dns_names(), ["a.example", "b.example"]);
    assert_eq!(read("device.pem").serial_number(), Some("89044045930000000000000000000036"));
    assert!(anchors.verify_eum(&read("wrong/eum-expired.pem"), now).is_err());
    let brainpool = Anchors::of_cis(vec![read("ci-brp.pem")]).unwrap();
    let eum = brainpool.verify_eum(&read("eum-brp.pem"), now).unwrap();
    let euicc = verify_euicc(&eum, &read("euicc-brp.pem"), now).unwrap();
    assert_eq!(euicc.eid().as_str(), "89044045930000000000000000000036");
    for name in [
        "ci",
        "eum",
        "euicc",
        "dp-auth",
        "dp-pb",
        "dp-tls",
        "operator",
        "manufacturer",
        "eim-ca",
        "eim-sign",
        "eim-tls",
        "device-ca",
        "device",
        "wrong/device-other-eid",
        "wrong/euicc-expired",
        "ci-brp",
        "eum-brp",
        "euicc-brp",
        "dp-auth-brp",
        "dp-pb-brp",
        "wrong/dp-pb-brp-other-oid",
    ] {
        let key = load_signing_key(&target.join(format!("{name}.key.pem"))).unwrap();
        assert!(read(&format!("{name}.pem")).is_of(&key), "{name}");
    }
    let before = std::fs::read(target.join("ci.pem")).unwrap();
    let error = run(&[path]).unwrap_err().to_string();
    assert!(error.contains("is not empty") && error.contains("--force"), "{error}");
    assert_eq!(std::fs::read(target.join("ci.pem")).unwrap(), before);
    run(&[path, "--force"]).unwrap();
    assert_ne!(std::fs::read(target.join("ci.pem")).unwrap(), before);
    for host in ["", "a:443", "a b", "ä"] {
        let error = run(&[path, "--force", "--host", "localhost", "--host", host]).unwrap_err().to_string();
        assert!(error.contains("is no host name"), "{error}");
    }
    assert!(run(&[path, "--eid", "123"]).is_err());
}
