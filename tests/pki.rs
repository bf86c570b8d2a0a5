//! Certificates: the published ones of SGP.26, our own test PKI and its wrong twins, TLS over both.

use std::path::Path;

use simyard::env::Timestamp;
use simyard::pki::{Anchors, Certificate, PathError, Refusal, UnusableKey, VerifiedEum, verify_euicc};

crate::tests!(
    the_published_certificates_verify,
    brainpool_is_refused_by_name,
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
    let eum = anchors.verify_eum(&published(&folder, "CERT_EUM_ECDSA_NIST.der"), NOW).unwrap();
    let certificate = published(&folder, "CERT_EUICC_ECDSA_NIST.der");
    assert_eq!(certificate.not_after().to_string(), "7496-01-24T09:48:58Z");
    let euicc = verify_euicc(&eum, &certificate, NOW).unwrap();
    assert_eq!(euicc.eid().as_str(), "89049032123451234512345678901235");
    assert_eq!(hex::encode_upper(eum.ci_key_identifier()), "F54172BDF98A95D65CBEB88A38A1C11D800A85C3");
    let auth = anchors.verify_dp_auth(&published(&folder, "CERT_S_SM_DPauth_ECDSA_NIST.der"), NOW).unwrap();
    let pb = published(&folder, "CERT_S_SM_DPpb_ECDSA_NIST.der");
    let pb = anchors.verify_dp_pb(&auth, &pb, NOW).unwrap();
    assert_eq!((auth.oid().to_string(), pb.oid().to_string()), ("2.999.10".into(), "2.999.10".into()));
    let tls = published(&folder, "CERT_S_SM_DP_VARO_TLS_NIST.der");
    anchors.verify_dp_tls(&tls, "TestSMDPplus1.example.com", NOW).unwrap();
    assert!(anchors.verify_dp_tls(&tls, "testsmdpplus2.example.com", NOW).is_err());
    anchors.verify_client(&tls, NOW).unwrap();
}

fn brainpool_is_refused_by_name() {
    let Some(folder) = crate::harness::vectors("SGP.26 certificates on brainpoolP256r1") else { return };
    let anchors = published_anchors(&folder);
    let error = anchors.verify_eum(&published(&folder, "CERT_EUM_ECDSA_BRP.der"), NOW).unwrap_err();
    assert_eq!(error.kind(), Refusal::Verification);
    assert_eq!(
        error.to_string(),
        "EUM certificate: the issuer's certificate cannot verify: curve brainpoolP256r1 is not supported: use \
         certificates on P-256"
    );
    for name in [
        "CERT_S_SM_DPauth_ECDSA_BRP.der",
        "CERT_S_SM_DPpb_ECDSA_BRP.der",
        "CERT_S_SM_DP_VARO_TLS_BRP.der",
        "CERT_EUICC_ECDSA_BRP.der",
    ] {
        let certificate = published(&folder, name);
        assert!(matches!(certificate.public_key(), Err(UnusableKey::UnsupportedCurve(_))), "{name}");
        let expected = matches!(
            anchors.verify_dp_auth(&certificate, NOW),
            Err(simyard::pki::ServerCertificateError::Path(
                PathError::IssuerKey(UnusableKey::UnsupportedCurve(_)) | PathError::UnknownIssuer(_)
            ))
        );
        assert!(expected, "{name}");
    }
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
    let certificate = published(&folder, "CERT_EUM_ECDSA_NIST.der");
    let eum: VerifiedEum = anchors.verify_eum(&certificate, NOW).unwrap();
    refused_with_any_octet_changed(&certificate, |changed| anchors.verify_eum(changed, NOW).is_ok());
    let certificate = published(&folder, "CERT_EUICC_ECDSA_NIST.der");
    refused_with_any_octet_changed(&certificate, |changed| verify_euicc(&eum, changed, NOW).is_ok());
}
