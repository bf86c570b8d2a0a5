//! Revocation lists: what is read has answers, and nothing verifies that its CI did not sign.

#![no_main]

use simyard::env::{Rng, Timestamp};
use simyard::ident::Eid;
use simyard::pki::issue::ListContent;
use simyard::pki::test_pki::{TestPki, TestPkiOptions};
use simyard::pki::{Anchors, RevocationList};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Lists of a test CI: empty, with some certificates, without nextUpdate.
fn seeds() -> Vec<Vec<u8>> {
    let eid = Eid::parse("89049032123451234512345678901235").expect("an EID");
    let options = TestPkiOptions { host_names: vec!["smdp.example.com".to_owned()], eid };
    let pki = TestPki::generate(&Rng::seeded(1), NOW, &options).expect("a test PKI");
    let issuer = pki.ci_issuer().expect("the CI");
    [(None, 0), (Some(NOW), 1), (None, 8)]
        .into_iter()
        .map(|(next_update, count)| {
            let revoked = pki.certificates().into_iter().take(count);
            let revoked = revoked.map(|issued| issued.certificate.serial().to_vec()).collect();
            let content = ListContent { this_update: NOW, next_update, revoked, extensions: Vec::new() };
            issuer.issue_list(&content).expect("a list")
        })
        .collect()
}

simyard_fuzz::target!(seeds: seeds(), |input| {
    let Ok(list) = RevocationList::from_der(input) else { return };
    let _ = (list.len(), list.is_empty(), list.is_late(NOW), list.this_update(), list.next_update());
    let nobody = Anchors::new(Vec::new()).expect("no anchors");
    assert!(nobody.replace_revocation_lists(vec![list]).is_err());
});
