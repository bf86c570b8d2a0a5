//! Activation codes and identifiers: what parses, prints as text that parses to the same identifier.

#![no_main]

use std::fmt::Display;
use std::str::FromStr;

use simyard::ident::{ActivationCode, Eid, Iccid, Imsi, MatchingId, ServerAddress, TransactionId};
use simyard_asn1::Oid;

fn round_trip<T: FromStr + Display + PartialEq>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    let printed = value.to_string();
    assert!(printed.parse::<T>().is_ok_and(|again| again == value), "{text:?} prints as {printed:?}");
}

const SAMPLES: [&str; 10] = [
    "LPA:1$smdp.example.com$AB-12$2.999.10$1",
    "LPA:1$smdp.example.com:8443$AB-12",
    "1$smdp.example.com$$$1",
    "89000123456789012341",
    "8900012345678901234F",
    "89049032123451234512345678901235",
    "001010123456063",
    "0102030405060708090A0B0C0D0E0F10",
    "2.999.10",
    "AB-12",
];

simyard_fuzz::target!(seeds: SAMPLES.map(|text| text.as_bytes().to_vec()), |input| {
    if let Some(octets) = input.first_chunk() {
        if let Ok(iccid) = Iccid::from_bcd(octets) {
            assert_eq!(Iccid::from_bcd(&iccid.to_bcd()).as_ref(), Ok(&iccid));
        }
        if let Ok(iccid) = Iccid::from_header(octets) {
            assert_eq!(Iccid::from_header(&iccid.to_header()).as_ref(), Ok(&iccid));
        }
    }
    if let Some(Ok(eid)) = input.first_chunk().map(Eid::from_bcd) {
        assert_eq!(Eid::from_bcd(&eid.to_bcd()).as_ref(), Ok(&eid));
    }
    if let Some(Ok(imsi)) = input.first_chunk().map(Imsi::from_ef) {
        assert_eq!(Imsi::from_ef(&imsi.to_ef()).as_ref(), Ok(&imsi));
    }
    if let Some(oid) = Oid::from_content(input) {
        let _ = oid.to_string();
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    round_trip::<ActivationCode>(text);
    round_trip::<Eid>(text);
    round_trip::<Iccid>(text);
    round_trip::<Imsi>(text);
    round_trip::<MatchingId>(text);
    round_trip::<ServerAddress>(text);
    round_trip::<TransactionId>(text);
    if let Some(oid) = Oid::parse(text) {
        assert_eq!(Oid::parse(&oid.to_string()), Some(oid));
    }
});
