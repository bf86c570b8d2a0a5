//! A server with the published test certificates of SGP.26 (variant O, NIST P-256 and brainpoolP256r1) and a card with their eUICC key: what
//! a laboratory sets up first.

use std::path::Path;

use serde_json::json;
use simyard::crypto::ecdsa::SigningKey;
use simyard::crypto::keyfile::load_signing_key;
use simyard::env::{Clock, Rng};
use simyard::pki::Certificate;
use simyard::pki::issue::Issuer;
use simyard_asn1::Oid;

use crate::binary::{Running, free_port, simyard};
use crate::harness;

crate::tests!(
    a_profile_is_downloaded_under_the_published_certificates,
    a_profile_is_downloaded_under_the_published_certificates_on_brainpool,
);

const HOST: &str = "testsmdpplus1.example.com";
const ICCID: &str = "89882801000000000014";

fn write_pair(folder: &Path, name: &str, certificate: &Certificate, key: &simyard::pki::issue::PrivateKey) {
    std::fs::write(folder.join(format!("{name}.der")), certificate.der()).unwrap();
    std::fs::write(folder.join(format!("{name}.key.pem")), key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
}

fn a_profile_is_downloaded_under_the_published_certificates() {
    download_with("NIST");
}

fn a_profile_is_downloaded_under_the_published_certificates_on_brainpool() {
    download_with("BRP");
}

/// Server and card have the certificates of this set alone; TLS has a key on P-256 under its CI.
fn download_with(set: &str) {
    let Some(vectors) = harness::vectors("certificates of SGP.26") else { return };
    let sgp26 = vectors.join("sgp26");
    let file = |name: &str| sgp26.join(name.replace("NIST", set)).to_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();

    // The published TLS certificates are short-lived: the test mints its own under the published CI.
    let ci = Certificate::from_der(&std::fs::read(file("CERT_CI_ECDSA_NIST.der")).unwrap()).unwrap();
    let ci_key: SigningKey = load_signing_key(Path::new(&file("SK_CI_ECDSA_NIST.p8"))).unwrap();
    let issuer = Issuer::new(ci, ci_key).unwrap();
    let (rng, now) = (Rng::system(), Clock::system().now());
    let oid = Oid::parse("2.999.10").unwrap();
    let tls = issuer.issue_tls(&[HOST.to_owned()], &oid, &rng, now).unwrap();
    write_pair(folder.path(), "tls", &tls.certificate, &tls.key);
    let operator_oid = Oid::parse("2.999.20").unwrap();
    let operator = issuer.issue_operator("Laboratory", &operator_oid, &rng, now).unwrap();
    write_pair(folder.path(), "operator", &operator.certificate, &operator.key);

    let (es9plus, es2plus) = (free_port(), free_port());
    let tls = "certificate = \"tls.der\"\nkey = \"tls.key.pem\"";
    let ci = file("CERT_CI_ECDSA_NIST.der");
    let settings = format!(
        "mode = \"test\"\naddresses = [\"{HOST}\"]\nci = [\"{ci}\"]\n\
         [[identity]]\ndp_auth_certificate = \"{}\"\ndp_auth_key = \"{}\"\ndp_pb_certificate = \"{}\"\n\
         dp_pb_key = \"{}\"\n[es9plus]\nlisten = \"127.0.0.1:{es9plus}\"\n{tls}\n\
         [es2plus]\nlisten = \"127.0.0.1:{es2plus}\"\n{tls}\nclient_ca = [\"{ci}\"]\n\
         [[operator]]\nname = \"laboratory\"\noid = \"2.999.20\"\n\
         [[profile_type]]\nname = \"iot\"\nowner = \"laboratory\"\n",
        file("CERT_S_SM_DPauth_ECDSA_NIST.der"),
        file("SK_S_SM_DPauth_ECDSA_NIST.p8"),
        file("CERT_S_SM_DPpb_ECDSA_NIST.der"),
        file("SK_S_SM_DPpb_ECDSA_NIST.p8"),
    );
    std::fs::write(folder.path().join("simyard.toml"), settings).unwrap();
    std::fs::write(
        folder.path().join("batch.csv"),
        format!(
            "iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1\n{ICCID},901405100000001,\
             465b5ce8b199b49faa5f0a2ee238a6bc,cd63cb71954a9f4e48a5994e37a02baf,1234,12345678,5678,87654321,11223344\n"
        ),
    )
    .unwrap();
    let run = |arguments: &[&str]| simyard(folder.path(), arguments);
    run(&["ingest", "batch.csv"]).ok();
    let mut server = Running::start(folder.path(), &["serve"]);
    server.wait_for("ES2+ on");

    let connect_to = |port: u16| format!("{HOST}=127.0.0.1:{port}");
    let order = |arguments: &[&str]| {
        let connect_to = connect_to(es2plus);
        let mut all = vec!["es2plus", "--server", HOST, "--connect-to", &connect_to, "--ca", &ci, "--json"];
        all.extend(["--cert", "operator.der", "--key", "operator.key.pem"]);
        all.extend(arguments);
        run(&all).json()
    };
    order(&["download-order", "--iccid", ICCID]);
    let answer = order(&["confirm-order", "--iccid", ICCID]);
    let code = answer["activationCode"].as_str().unwrap();

    let (certificate, key) = (file("CERT_EUICC_ECDSA_NIST.der"), file("SK_EUICC_ECDSA_NIST.p8"));
    let eum = file("CERT_EUM_ECDSA_NIST.der");
    let material = ["--euicc-cert", &certificate, "--euicc-key", &key, "--eum-cert", &eum, "--ci", &ci];
    let told = run(&[&["card", "new", "card"], &material[..]].concat()).ok();
    assert!(told.contains("89049032123451234512345678901235"), "{told}");
    let connect_to = connect_to(es9plus);
    let lpa = ["lpa", "--card", "card", "--connect-to", &connect_to, "--ca", &ci, "--json"];
    let report = run(&[&lpa[..], &["download", code]].concat()).json();
    assert_eq!(report["iccid"], json!(ICCID), "{report}");
    run(&[&lpa[..], &["enable", ICCID]].concat()).ok();
    run(&[&lpa[..], &["notifications", "send"]].concat()).ok();
    assert_eq!(server.terminate(), Some(0));
}
