//! Segments of a Bound Profile Package: those of a stranger are refused, those of the sender open to what was sent.

#![no_main]

use simyard::crypto::bsp::{Bsp, SessionKeys};
use simyard_asn1::Reader;

fn receiver() -> Bsp {
    Bsp::new(&SessionKeys::from_octets(&[7; 48]))
}

fn seeds() -> Vec<Vec<u8>> {
    let mut sender = receiver();
    let segments =
        [sender.protect_87(b"configure"), sender.authenticate_88(b"metadata"), sender.protect_86(b"")];
    segments.into_iter().map(|segment| segment.expect("a short segment")).collect()
}

simyard_fuzz::target!(seeds: seeds(), |input| {
    let (mut encrypted, mut authenticated) = (receiver(), receiver());
    let mut reader = Reader::new(input, "segment");
    while let Ok(tlv) = reader.read() {
        let _ = encrypted.open_encrypted(tlv.raw);
        let _ = authenticated.open_authenticated(tlv.raw);
    }
    let _ = receiver().open_encrypted(input);
    let _ = receiver().open_authenticated(input);

    if let Ok(tlv) = receiver().protect_86(input) {
        assert!(receiver().open_encrypted(&tlv).is_ok_and(|plain| *plain == input), "another plaintext");
        for at in [0, 1, tlv.len() / 2, tlv.len() - 1] {
            let mut changed = tlv.clone();
            changed[at] ^= 1;
            assert!(receiver().open_encrypted(&changed).is_err(), "octet {at} changed and not noticed");
        }
    }
    if let Ok(tlv) = receiver().authenticate_88(input) {
        assert!(receiver().open_authenticated(&tlv).is_ok_and(|data| data == input), "other data");
    }
});
