//! Certificates of every role: what is read, has the octets that were given, and every question has an answer.

#![no_main]

use simyard::env::Timestamp;
use simyard::pki::{Anchors, Certificate};

simyard_fuzz::target!(seeds: simyard_fuzz::seeds::values(|der| Certificate::from_der(der).is_ok()), |input| {
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
