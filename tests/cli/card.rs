//! `simyard card new`: which CIs of a test PKI a card has, and in which order it prefers them.

use crate::binary::Place;

crate::tests!(a_card_prefers_the_curve_that_is_named_first);

fn a_card_prefers_the_curve_that_is_named_first() {
    let place = Place::furnished();
    let cis = |card: &str, curves: &str| {
        place.run(&format!("card new {card} --pki pki {curves}")).ok();
        let shown = place.run(&format!("card show {card} --json")).json();
        assert_eq!(shown["signingCiKeys"], shown["trustedCiKeys"]);
        shown["signingCiKeys"].as_array().unwrap().clone()
    };
    let [p256, brainpool] = cis("both", "").try_into().unwrap();
    place.run("card new second --pki pki --curve brainpool --curve p256").ok();
    assert_eq!(cis("other", "--curve brainpool --curve p256"), [brainpool.clone(), p256]);
    assert_eq!(cis("one", "--curve brainpool"), [brainpool]);
}
