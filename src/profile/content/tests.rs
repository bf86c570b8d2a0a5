//! What holds for every file: no loss, no panic, limits, and what is refused with which words.

use proptest::prelude::*;

use super::*;

/// The value of a text in TOML.
pub(super) fn toml(text: &str) -> Value {
    let table: Table =
        toml::from_str(&format!("v = {text}")).unwrap_or_else(|error| panic!("{text}: {error}"));
    table.get("v").unwrap().clone()
}

/// Octets and what they say, both directions.
pub(super) fn agree(kind: ElementKind, name: &str, octets: &str, text: &str) {
    let (octets, value) = (hex::decode(octets).unwrap(), toml(text));
    assert_eq!(decode(kind, name, &octets), Some(value.clone()), "{name}");
    assert_eq!(encode(kind, name, &value), Ok(octets), "{name}");
}

/// The error of a value.
pub(super) fn refused(kind: ElementKind, name: &str, text: &str) -> String {
    match encode(kind, name, &toml(text)) {
        Ok(octets) => panic!("{name}: {text} is {}", hex::encode_upper(octets)),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_name_is_edited_without_a_change_of_size() {
    let kind = ElementKind::Usim;
    agree(
        kind,
        "EF.SPN",
        "0147534D411154455354FF",
        r#"{ display = ["network name at home"], name = "GSMA_TEST", length = 11 }"#,
    );
    agree(
        kind,
        "EF.SPN",
        "0147534D411154455354FFFFFFFFFFFFFF",
        r#"{ display = ["network name at home"], name = "GSMA_TEST" }"#,
    );
    let edited = toml(r#"{ display = [], name = "Acme", length = 20 }"#);
    assert_eq!(encode(kind, "EF.SPN", &edited).unwrap().len(), 20);
    let error = encode(kind, "EF.SPN", &toml(r#"{ name = "A name of 17 let." }"#)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "EF.SPN: the content takes 18 octets, but there are 17: shorten it, or make the file larger"
    );
}

#[test]
fn filler_has_one_form_in_every_file() {
    for name in ["EF.MSISDN", "EF.URSP", "6FAB", "EF.IMSI"] {
        agree(ElementKind::Usim, name, &"FF".repeat(24), "{ empty = 24 }");
    }
    agree(ElementKind::Csim, "EF.ZNREGI", "0000000000000000", r#"{ empty = 8, filler = "00" }"#);
    agree(ElementKind::Usim, "EF.IMSI", "ABABAB", r#"{ empty = 3, filler = "AB" }"#);
    assert_eq!(decode(ElementKind::Usim, "6FAB", &[0]), None, "one octet is no filler");
    assert_eq!(decode(ElementKind::Usim, "6FAB", &[]), None);
    // Where FF has a meaning it is said.
    agree(ElementKind::Usim, "EF.EST", "00", "{ value = [], length = 1 }");
    let classes: Vec<String> = (0..16).map(|class| class.to_string()).collect();
    agree(ElementKind::Usim, "EF.ACC", "FFFF", &format!("[{}]", classes.join(", ")));
    assert_eq!(
        refused(ElementKind::Usim, "EF.IMSI", "{ empty = 65536 }"),
        "EF.IMSI, empty: expected a number from 1 to 65535, found 65536"
    );
    assert!(refused(ElementKind::Usim, "EF.IMSI", "{ empty = 3, value = 1 }").contains("found \"value\""));
}

#[test]
fn a_size_that_the_file_gives_needs_no_length() {
    let kind = ElementKind::Usim;
    let record = hex::decode(["800101A406830101950108", &"FF".repeat(43)].concat()).unwrap();
    let value = decode_sized(kind, "EF.ARR", &record).unwrap();
    assert_eq!(value, toml(r#"[{ access = ["read"], condition = "PIN1" }]"#));
    assert_eq!(encode_sized(kind, "EF.ARR", &value, record.len()), Ok(record));
    let entry = toml(r#"{ name = "Home", number = "+49301234567" }"#);
    let record = encode_sized(kind, "EF.ADN", &entry, 24).unwrap();
    assert_eq!((record.len(), decode_sized(kind, "EF.ADN", &record)), (24, Some(entry.clone())));
    assert!(matches!(encode_sized(kind, "EF.ADN", &entry, 17), Err(ContentError::TooLong { .. })));
    assert_eq!(encode_sized(kind, "EF.ADN", &toml("{ empty = 3 }"), 4), Ok(vec![0xFF; 4]));
}

#[test]
fn errors_name_the_place_and_never_show_keys() {
    let kind = ElementKind::Usim;
    for (name, text, error) in [
        ("EF.IMSI", "7", "EF.IMSI: expected a text, found 7"),
        ("EF.IMSI", r#""12345""#, r#"EF.IMSI: expected 6 to 15 decimal digits, found "12345""#),
        ("EF.ACC", "[1, 16]", "EF.ACC, [2]: expected a number from 0 to 15, found 16"),
        (
            "EF.AD",
            r#"{ mod = "normal" }"#,
            "EF.AD: expected the members mode, information, mnc_length, more, found \"mod\"",
        ),
        ("EF.AD", "{ mnc_length = 256 }", "EF.AD, mnc_length: expected a number from 0 to 255, found 256"),
        (
            "EF.PLMNwAcT",
            r#"{ networks = [{ plmn = "262-01", technologies = ["5G"] }] }"#,
            "EF.PLMNwAcT, networks[1].technologies[1]: expected one of UTRAN, E-UTRAN, WB-S1, NB-S1, NG-RAN, GSM, \
             GSM COMPACT, cdma2000 HRPD, cdma2000 1xRTT, EC-GSM-IoT, GSM without EC-GSM-IoT, or a bit as 4 hexadecimal \
             digits, found \"5G\"",
        ),
        (
            "EF.UST",
            r#"["nonsense"]"#,
            "EF.UST, [1]: expected the name of a service, or its number, found \"nonsense\"",
        ),
        (
            "EF.Keys",
            r#"{ ck = "0123" }"#,
            "EF.Keys, ck: expected 16 octets in hexadecimal digits, found another string",
        ),
        ("EF.Kc", r#"{ secret = "0123" }"#, "EF.Kc: expected the members kc, key_set, found another string"),
        (
            "EF.URSP",
            "1",
            "the content of EF.URSP has no form in words: give its octets in hexadecimal digits",
        ),
        (
            "EF.LI",
            r#"{ value = ["en"], length = 0 }"#,
            "EF.LI, length: expected a number from 1 to 65535, found 0",
        ),
        (
            "EF.ADN",
            r#"{ number = "+49x" }"#,
            "EF.ADN, number: expected a number of at most 20 digits, with + in front where it is international, found \"+49x\"",
        ),
    ] {
        assert_eq!(refused(kind, name, text), error, "{name}");
    }
}

#[test]
fn every_line_of_the_registry_is_reached_and_uses_no_common_member() {
    for (kind, name, entry) in registry::files() {
        let found = registry::find(kind, name).unwrap();
        assert!(std::ptr::eq(found, entry), "{name} is hidden by a line above");
        for member in entry.codec.members() {
            assert!(![LENGTH, VALUE, EMPTY, FILLER].contains(&member), "{name}: {member}");
        }
        for wrong in ["true", "1.5", "{ nonsense = 1 }", "[true]", "1979-05-27"] {
            let error = refused(kind, name, wrong);
            assert!(error.starts_with(name) && error.contains("expected"), "{error}");
        }
    }
}

#[test]
fn files_are_found_in_every_spelling_of_the_templates() {
    for (kind, name) in [
        (ElementKind::Iot, "EF.KEYSPS"),
        (ElementKind::OptIot, "EF.SUCI-CALC-INFO"),
        (ElementKind::OptIot, "EF.HPLMNWACT"),
        (ElementKind::OptIot, "EF.ROUTING-INDICATOR"),
        (ElementKind::Iot, "EF.ARR-USIM"),
        (ElementKind::Csim, "EF.ARR"),
        (ElementKind::OptIsim, "EF.SMSP"),
    ] {
        assert!(registry::find(kind, name).is_some(), "{name}");
    }
    assert!(registry::find(ElementKind::OptCsim, "EF.SPN").is_none(), "coded otherwise");
    assert!(registry::find(ElementKind::Isim, "EF.IMSI").is_none());
}

/// Octets as files have them: arbitrary ones, and ones with much filler.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![
        3 => any::<u8>(),
        3 => Just(0xFF_u8),
        1 => Just(0_u8),
        2 => prop_oneof![Just(0x80_u8), Just(0x81), Just(0x91), Just(0xA0), Just(0xA1), Just(0xA4), Just(0x61)],
        2 => 0_u8..20,
    ];
    (proptest::collection::vec(octet, 0..70), 0_usize..40).prop_map(|(mut octets, filler)| {
        octets.extend(std::iter::repeat_n(0xFF, filler));
        octets
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_said_says_the_same_octets_again(octets in octets()) {
        for (kind, name, _) in registry::files() {
            if let Some(value) = decode(kind, name, &octets) {
                let again = encode(kind, name, &value);
                prop_assert_eq!(again.as_ref(), Ok(&octets), "{} {}", name, value);
            }
            if let Some(value) = decode_sized(kind, name, &octets) {
                let again = encode_sized(kind, name, &value, octets.len());
                prop_assert_eq!(again.as_ref(), Ok(&octets), "{} {}", name, value);
            }
        }
    }
}

proptest! {
    // Each case tries all pairs of files.
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn the_value_of_one_file_in_another_never_panics(octets in octets()) {
        for (kind, name, _) in registry::files() {
            let Some(value) = decode(kind, name, &octets) else { continue };
            for (other_kind, other, _) in registry::files() {
                let _ = encode(other_kind, other, &value);
            }
        }
    }
}
