//! Personal data as the store holds them, in both formats: what is read, is written as octets that say the same.

#![no_main]

use simyard::env::Rng;
use simyard::ident::{Iccid, Imsi};
use simyard::profile::personal_data::{
    Algorithm, Code, Codes, FurtherSubscription, KeySet, OtaKeySet, PersonalData, PhoneNumber, Role,
    Subscription,
};

fn seeds() -> Vec<Vec<u8>> {
    let rng = Rng::seeded(1);
    let code = || Code::from_octets(rng.array());
    let mut data = PersonalData {
        iccid: Iccid::parse("8988280000000000001").expect("an ICCID"),
        home: Subscription::new(Imsi::parse("901400000000001").expect("an IMSI")),
        keys: KeySet::random(&rng, Algorithm::Milenage),
        further: Vec::new(),
        codes: Codes::of(code(), code(), code(), code(), code()),
        ota: vec![OtaKeySet::random(&rng)],
    };
    let mut seeds = vec![data.to_octets().to_vec()];
    data.home.msisdn = PhoneNumber::parse("+491701234567");
    data.home.private_identity = Some("a@b".to_owned());
    data.home.public_identities = vec!["sip:a@b".to_owned(); 2];
    data.further.push(FurtherSubscription {
        role: Role::parse("brazil").expect("a role"),
        subscription: data.home.clone(),
        keys: Some(KeySet::random(&rng, Algorithm::Tuak256)),
    });
    seeds.push(data.to_octets().to_vec());
    // Format 1: members 1 to 11.
    let mut first = vec![1];
    let mut member = |number: u8, octets: &[u8]| {
        first.extend([0x80 | number, u8::try_from(octets.len()).expect("short")]);
        first.extend(octets);
    };
    member(1, &data.iccid.to_header());
    member(2, &data.home.imsi.to_ef());
    for (number, length) in [(3, 16), (4, 16), (5, 8), (6, 8), (7, 8), (8, 8), (9, 8), (10, 2), (11, 48)] {
        member(number, &vec![number; length]);
    }
    seeds.push(first);
    seeds
}

simyard_fuzz::target!(seeds: seeds(), |input| {
    let Ok(data) = PersonalData::from_octets(input) else { return };
    let octets = data.to_octets();
    let again = PersonalData::from_octets(&octets).expect("what was stored is read");
    assert!(*again.to_octets() == *octets, "other octets after reading");
});
