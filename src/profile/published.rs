//! Keys that are no secrets: those that everybody can read somewhere, each with where, and those made from a pattern.
//!
//! Test sets of standards and example configurations of network software find their way into real profiles. The table
//! holds single numbers of public documents.

/// K, OP and OPc of test sets of Milenage (TS 35.208 4.3; set 2 is set 1 again, 15 to 17 are not here). OPc follows from
/// the other two.
#[rustfmt::skip]
pub const MILENAGE_TEST_SETS: &[(u8, &str, &str, &str)] = &[
    (1, "465b5ce8b199b49faa5f0a2ee238a6bc", "cdc202d5123e20f62b6d676ac72cb318", "cd63cb71954a9f4e48a5994e37a02baf"),
    (3, "fec86ba6eb707ed08905757b1bb44b8f", "dbc59adcb6f9a0ef735477b7fadf8374", "1006020f0a478bf6b699f15c062e42b3"),
    (4, "9e5944aea94b81165c82fbf9f32db751", "223014c5806694c007ca1eeef57f004f", "a64a507ae1a2a98bb88eb4210135dc87"),
    (5, "4ab1deb05ca6ceb051fc98e77d026a84", "2d16c5cd1fdf6b22383584e3bef2a8d8", "dcf07cbd51855290b92a07a9891e523e"),
    (6, "6c38a116ac280c454f59332ee35c8c4f", "1ba00a1a7c6700ac8c3ff3e96ad08725", "3803ef5363b947c6aaa225e58fae3934"),
    (7, "2d609d4db0ac5bf0d2c0de267014de0d", "460a48385427aa39264aac8efc9e73e8", "c35a0ab0bcbfc9252caff15f24efbde0"),
    (8, "a530a7fe428fad1082c45eddfce13884", "511c6c4e83e38c89b1c5d8dde62426fa", "27953e49bc8af6dcc6e730eb80286be3"),
    (9, "d9151cf04896e25830bf2e08267b8360", "75fc2233a44294ee8e6de25c4353d26b", "c4c93effe8a08138c203d4c27ce4e3d9"),
    (10, "a0e2971b6822e8d354a18cc235624ecb", "323792faca21fb4d5d6f13c145a9d2c1", "82a26f22bba9e9488f949a10d98e9cc4"),
    (11, "0da6f7ba86d5eac8a19cf563ac58642d", "4b9a26fa459e3acbff36f4015de3bdc1", "0db1071f8767562ca43a0a64c41e8d08"),
    (12, "77b45843c88e58c10d202684515ed430", "bf3286c7a51409ce95724d503bfe6e70", "d483afae562409a326b5bb0b20c4d762"),
    (13, "729b17729270dd87ccdf1bfe29b4e9bb", "d04c9c35bd2262fa810d2924d036fd13", "228c2f2f06ac3268a9e616ee16db4ba1"),
    (14, "d32dd23e89dc662354ca12eb79dd32fa", "fe75905b9da47d356236d0314e09c32e", "d22a4b4180a5325708a5ff70d9f67ec7"),
    (18, "b73a90cbcf3afb622dba83c58a8415df", "b672047e003bb952dca6cb8af0e5b779", "df0c67868fa25f748b7044c6e7c245b8"),
    (19, "5122250214c33e723a5dd523fc145fc0", "c9e8763286b5b9ffbdf56e1297d0887b", "981d464c7c52eb6e5036234984ad0bcf"),
    (20, "90dca4eda45b53cf0f12d7c9c3bc6a89", "3ffcfe5b7b1111589920d3528e84e655", "cb9cccc4b9258e6dca4760379fb82581"),
];

/// Other keys that are published: the key, where.
pub const OTHERS: &[(&str, &str)] = &[
    ("000102030405060708090a0b0c0d0e0f", "TS.48 and TS 34.108 8.1.2"),
    ("404142434445464748494a4b4c4d4e4f", "the default key of GlobalPlatform cards"),
    ("0123456789abcdeffedcba9876543210", "examples of many standards"),
    ("0123456789abcdef0123456789abcdef", "examples of many standards"),
    ("00112233445566778899aabbccddeeff", "FIPS 197 annex C, and configurations of srsRAN"),
    ("2b7e151628aed2a6abf7158809cf4f3c", "FIPS 197 annex A"),
    ("63bfa50ee6523365ff14c1f45f88737d", "configurations of srsRAN"),
    ("8baf473f2f8fd09487cccbd7097c6862", "configurations of OpenAirInterface, free5GC and UERANSIM"),
    ("8e27b6af0e692e750f32667a3b14605d", "configurations of OpenAirInterface, free5GC and UERANSIM"),
    ("e734f8734007d6c5ce7a0508809e7e9c", "configurations of OpenAirInterface"),
    ("e8ed289deba952e4283b54e88e6183ca", "configurations of Open5GS and UERANSIM"),
    ("00000000ffffffff", "TS.48"),
    ("66778899aabbccdd1122334455eeff10", "TS.48, versions 1 to 3"),
    ("112233445566778899aabbccddeeff10", "TS.48, versions 1 to 3"),
    ("99aabbccddeeff101122334455667788", "TS.48, versions 1 to 3"),
];

/// Where a key is published; none, if this table does not know it.
#[must_use]
pub fn find(key: &[u8]) -> Option<String> {
    let is = |text: &str| text.len() == 2 * key.len() && hex_is(text, key);
    for (number, k, op, opc) in MILENAGE_TEST_SETS {
        if [k, op, opc].into_iter().any(|text| is(text)) {
            return Some(format!("TS 35.208, test set {number}"));
        }
    }
    OTHERS.iter().find(|(text, _)| is(text)).map(|(_, source)| (*source).to_owned())
}

/// The pattern of a key, if it has one: octets or halves that repeat, or that count.
#[must_use]
pub fn pattern(key: &[u8]) -> Option<&'static str> {
    let has_period = |period: usize| {
        key.len() > period && key.iter().zip(key.iter().skip(period)).all(|(one, next)| one == next)
    };
    let counts = || {
        let mut steps = key.windows(2).map(|pair| match pair {
            [one, next] => next.wrapping_sub(*one),
            _ => 0,
        });
        let first = steps.next();
        first.is_some() && steps.all(|step| Some(step) == first)
    };
    if has_period(1) {
        Some("all octets are equal")
    } else if counts() {
        Some("the octets count")
    } else if (2..=8).any(has_period) {
        Some("the octets repeat")
    } else {
        None
    }
}

/// Whether octets are those of lower case hexadecimal digits.
fn hex_is(text: &str, octets: &[u8]) -> bool {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    text.bytes().eq(octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 0x0F)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::milenage::opc_from_op;

    #[test]
    fn every_opc_follows_from_k_and_op() {
        for (number, k, op, opc) in MILENAGE_TEST_SETS {
            let octets = |text: &str| <[u8; 16]>::try_from(hex::decode(text).unwrap()).unwrap();
            assert_eq!(*opc_from_op(&octets(k), &octets(op)), octets(opc), "test set {number}");
        }
    }

    #[test]
    fn keys_are_found_by_their_octets() {
        for (text, source) in OTHERS {
            assert_eq!(find(&hex::decode(text).unwrap()).as_deref(), Some(*source));
        }
        let opc = hex::decode("cd63cb71954a9f4e48a5994e37a02baf").unwrap();
        assert_eq!(find(&opc).as_deref(), Some("TS 35.208, test set 1"));
        assert_eq!(find(&opc[..15]), None);
        assert_eq!(find(&[]), None);
    }

    #[test]
    fn patterns_are_seen_and_others_are_not() {
        let of = |text: &str| pattern(&hex::decode(text).unwrap());
        assert_eq!(of("00000000000000000000000000000000"), Some("all octets are equal"));
        assert_eq!(of("00112233445566778899AABBCCDDEEFF"), Some("the octets count"));
        assert_eq!(of("0F0E0D0C0B0A09080706050403020100"), Some("the octets count"));
        assert_eq!(of("00010203040506070001020304050607"), Some("the octets repeat"));
        assert_eq!(of("465B5CE8B199B49FAA5F0A2EE238A6BC"), None);
        assert_eq!(of("000102030405060708090A0B0C0D0E0E"), None);
        assert_eq!(of(""), None);
    }
}
