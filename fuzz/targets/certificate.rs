//! Certificates of every role: what is read, has the octets that were given, and every question has an answer.

#![no_main]

use simyard::env::{Rng, Timestamp};
use simyard::ident::Eid;
use simyard::pki::test_pki::{TestPki, TestPkiOptions};
use simyard::pki::{Anchors, Certificate};

/// The published certificates, and a test PKI with its wrong twins.
fn seeds() -> Vec<Vec<u8>> {
    let eid = Eid::parse("89049032123451234512345678901235").expect("an EID");
    let options = TestPkiOptions { host_names: vec!["smdp.example.com".to_owned()], eid };
    let now = Timestamp::from_secs(1_800_000_000);
    let pki = TestPki::generate(&Rng::seeded(1), now, &options).expect("a test PKI");
    let right =
        [&pki.ci, &pki.eum, &pki.euicc, &pki.dp_auth, &pki.dp_pb, &pki.dp_tls, &pki.operator, &pki.device];
    let ours = right.into_iter().chain(&pki.twins).map(|issued| issued.certificate.der().to_vec());
    ours.chain(simyard_fuzz::seeds::values(|der| Certificate::from_der(der).is_ok())).collect()
}

simyard_fuzz::target!(seeds: seeds(), |input| {
    let Ok(certificate) = Certificate::from_der(input) else { return };
    assert_eq!(certificate.der(), input);
    let _ = (certificate.public_key(), certificate.signed_part(), certificate.fingerprint());
    let now = certificate.not_before();
    // It may be its own issuer: no path may be walked twice.
    if let Ok(anchors) = Anchors::new(vec![certificate.clone()]) {
        for now in [now, Timestamp::from_secs(0)] {
            let _ = anchors.verify_eum(&certificate, now);
            let _ = anchors.verify_dp_auth(&certificate, now);
            let _ = anchors.verify_client(&certificate, now);
            let _ = anchors.verify_dp_tls(&certificate, "smdp.example.com", now);
        }
    }
});
