//! `simyard card eim`, and what else the command line has for cards of SGP.32.

use simyard::crypto::ecdsa::{Curve, SigningKey};
use simyard::pki::public_key::to_subject_public_key_info;
use simyard_asn1::Encode as _;
use simyard_asn1::iot::Implicit;
use simyard_asn1::iot::configuration::{
    AddInitialEimRequest, EimConfigurationData, EimPublicKey, REQUEST_TOKEN,
};

use crate::binary::Place;

crate::tests!(a_card_of_sgp32_knows_its_eims);

fn a_card_of_sgp32_knows_its_eims() {
    let place = Place::furnished();
    let key = SigningKey::from_scalar(Curve::P256, &[7; 32]).unwrap();
    let spki = to_subject_public_key_info(key.public_key());
    let eim = EimConfigurationData {
        eim_id: "eim.example.com",
        eim_fqdn: Some("eim.example.com:8445"),
        counter_value: Some(5),
        association_token: Some(REQUEST_TOKEN),
        eim_public_key_data: Some(EimPublicKey::Spki(Implicit::from_der(&spki).unwrap())),
        ..EimConfigurationData::default()
    };
    let file = |name: &str, content: &[u8]| std::fs::write(place.path().join(name), content).unwrap();
    file("eim.der", &eim.to_der());
    file(
        "eim.hex",
        format!("{}\n", hex::encode(AddInitialEimRequest { eims: vec![eim.clone()] }.to_der())).as_bytes(),
    );
    file("none.der", &[0xBF, 0x57, 0x02, 0xA0, 0x00]);
    file("key.der", &spki);
    file("high.der", &EimConfigurationData { counter_value: Some(11), ..eim }.to_der());

    place.run("card new consumer --pki pki").ok();
    assert_eq!(place.run("card show consumer --json").json()["sgp32"], serde_json::Value::Null);
    place.run("card eim add consumer eim.der").failed("--sgp32");
    assert_eq!(place.run("card eim list consumer --json").json(), serde_json::json!([]));

    place.run("card new card --pki pki --sgp32").ok();
    assert_eq!(place.run("card eim list card").ok(), "");
    place.run("card eim add card absent.der").failed("absent.der");
    place.run("card eim add card none.der").failed("names no eIM");
    place.run("card eim add card key.der").failed("EimConfigurationData");
    assert!(place.run("card eim add card eim.hex").ok().contains("token 1"));
    place.run("card eim add card eim.der").failed("associatedEimAlreadyExists");
    let listed = place.run("card eim list card");
    assert_eq!(listed.ok().trim(), "eim.example.com at eim.example.com:8445, counter 5, token 1");
    let eims = place.run("card eim list card --json").json();
    assert_eq!(eims[0]["counterValue"], 5);
    let shown = place.run("card show card --json").json();
    assert_eq!(shown["sgp32"]["eims"], eims);
    assert_eq!(shown["sgp32"]["counterLimit"], 0x7F_FFFF);
    assert!(place.run("card show card").ok().contains("counter 5, token 1"));

    place.run("card new another --pki pki --sgp32 --counter-limit 10 --eim eim.der").ok();
    assert_eq!(place.run("card show another --json").json()["sgp32"]["eims"][0]["associationToken"], 1);
    place
        .run("card new third --pki pki --sgp32 --counter-limit 10 --eim high.der")
        .failed("counterValueOutOfRange");
    assert_eq!(place.run("card new fourth --pki pki --eim eim.der").code, Some(2), "--sgp32 is wanted");
}
