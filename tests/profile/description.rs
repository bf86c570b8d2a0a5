//! Descriptions: the same package comes back, and a change in the text changes just that.

use simyard::profile::description::{build, extract};
use simyard_asn1::saip::Package;
use simyard_asn1::{Reader, Tag, Writer};

/// Changes of each element of the published packages.
const STEPS: usize = 2;

crate::tests!(
    every_published_package_is_built_from_its_description,
    elements_and_fields_that_nobody_knows_are_built_again,
    longer_lengths_than_der_has_are_built_again,
    changed_octets_are_built_again,
    published_elements_with_a_change_anywhere_are_built_again,
    a_change_in_the_text_changes_just_that,
    what_is_wrong_with_a_description_is_said_with_its_place,
    a_description_by_hand_needs_no_headers,
    an_edit_of_a_published_package_changes_one_thing_of_the_card,
    what_words_would_make_too_long_stays_octets,
);

/// Builds without files beside the description.
fn built(text: &str) -> Result<Vec<u8>, String> {
    build(text, &|name| Err(format!("no file {name}"))).map_err(|error| error.to_string())
}

fn described(octets: &[u8]) -> String {
    extract(&Package::from_ber(octets).unwrap_or_else(|error| panic!("{error}"))).to_string()
}

#[track_caller]
fn comes_back(name: &str, octets: &[u8]) -> String {
    let text = described(octets);
    let back = built(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
    assert!(back == octets, "{name} comes back changed\n{text}");
    text
}

fn every_published_package_is_built_from_its_description() {
    for (name, octets) in super::published() {
        let text = comes_back(&name, &octets);
        assert!(
            !text.contains("{ der = ") && !text.contains("\nder = "),
            "{name}: a type is not in the grammar"
        );
    }
}

/// An element with these members behind its PEHeader.
fn element(tag: u32, members: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    let header = [0xA0, 0x05, 0x80, 0x00, 0x81, 0x01, 0x63];
    writer.tlv(Tag(tag), &[&header[..], members].concat());
    writer.finish()
}

/// Our generic package with elements before its last one.
fn with_elements(more: &[u8]) -> Vec<u8> {
    let generic = crate::profile::generic();
    let package = Package::from_der(&generic).unwrap();
    let end = package.elements().last().unwrap().tlv.offset;
    [&generic[..end], more, &generic[end..]].concat()
}

fn elements_and_fields_that_nobody_knows_are_built_again() {
    for (name, more) in [
        ("non-standard", element(0xA9, &[0x81, 0x03, 0x88, 0x37, 0x01, 0x82, 0x02, 0xDE, 0xAD])),
        ("an element of another version", element(0xBF50, &[0x99, 0x01, 0x07])),
        ("an element without header", vec![0xBF, 0x51, 0x03, 0x99, 0x01, 0x07]),
        ("an unknown template", element(0xB4, &[0x81, 0x03, 0x88, 0x37, 0x01, 0xA2, 0x03, 0x83, 0x01, 0x00])),
        ("an unknown field", element(0xB7, &[0x81, 0x06, 0x67, 0x81, 0x0F, 1, 2, 6, 0xBF, 0x60, 0x00])),
        ("an unknown member", element(0xA4, &[0xA1, 0x05, 0xA0, 0x03, 0x80, 0x01, 0x06, 0x99, 0x01, 0x07])),
        ("a member twice", element(0xA4, &[0x82, 0x01, 0x02, 0x82, 0x01, 0x02])),
        ("members out of order", element(0xA5, &[0x82, 0x01, 0x02, 0x81, 0x01, 0x02])),
        ("a long INTEGER", element(0xA3, &[0xA1, 0x06, 0x30, 0x04, 0x80, 0x02, 0x00, 0x01])),
        ("no choice", element(0xA2, &[0xA1, 0x00])),
        ("empty commands", element(0xA1, &[0xA1, 0x02, 0x30, 0x00])),
        (
            "two lists of commands",
            element(0xA1, &[0xA1, 0x08, 0x30, 0x02, 0x80, 0x00, 0x30, 0x02, 0x80, 0x00]),
        ),
        (
            "parts out of order",
            element(0xB0, &[0x81, 6, 0x67, 0x81, 0x0F, 1, 2, 1, 0xA4, 4, 0x82, 0, 0x83, 0]),
        ),
        ("an unknown part", element(0xB0, &[0x81, 6, 0x67, 0x81, 0x0F, 1, 2, 1, 0xA4, 3, 0x8F, 1, 0])),
    ] {
        comes_back(name, &with_elements(&more));
    }
}

fn longer_lengths_than_der_has_are_built_again() {
    let generic = crate::profile::generic();
    let package = Package::from_der(&generic).unwrap();
    for element in package.elements() {
        // A length of one octet becomes one of three.
        let (tag, rest) = element.tlv.raw.split_at(if element.tlv.raw[0] & 0x1F == 0x1F { 2 } else { 1 });
        let value = &rest[rest.len() - element.tlv.value.len()..];
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        let longer = [tag, &[0x83, 0, length[0], length[1]], value].concat();
        let (before, behind) =
            (&generic[..element.tlv.offset], &generic[element.tlv.offset + element.tlv.raw.len()..]);
        let octets = [before, &longer, behind].concat();
        assert!(Package::from_der(&octets).is_err(), "{}", element.kind.name());
        comes_back(element.kind.name(), &octets);
    }
}

fn changed_octets_are_built_again() {
    let generic = crate::profile::generic();
    let mut read = 0;
    for at in (0..generic.len()).step_by(9) {
        for change in [0x01, 0x80] {
            let mut octets = generic.clone();
            octets[at] ^= change;
            if Package::from_ber(&octets).is_ok() {
                read += 1;
                comes_back(&format!("octet {at}"), &octets);
            }
        }
    }
    assert!(read > generic.len() / 9, "most changes leave a package that can be read");
}

/// The TLVs of a value with a change in the one that is `left` further on: doubled, left out, emptied, with a longer
/// length than it needs, primitive instead of constructed or the other way about, or with octets behind its value.
fn with_change(value: &[u8], left: &mut Option<usize>, change: usize) -> Vec<u8> {
    let mut reader = Reader::new(value, "change");
    let mut out = Vec::new();
    while let Ok(tlv) = reader.read() {
        let is_it = *left == Some(0);
        *left = left.and_then(|left| left.checked_sub(1));
        let value =
            if tlv.tag.is_constructed() { with_change(tlv.value, left, change) } else { tlv.value.to_vec() };
        let mut writer = Writer::new();
        match change {
            0 if is_it => writer.tlv(tlv.tag, &value).tlv(tlv.tag, &value),
            1 if is_it => &mut writer,
            2 if is_it => writer.tlv(tlv.tag, &[]),
            3 if is_it => {
                let length = u16::try_from(value.len()).unwrap().to_be_bytes();
                let tag = &tlv.raw[..if tlv.tag.0 > 0xFF { 2 } else { 1 }];
                writer.raw(tag).raw(&[0x83, 0]).raw(&length).raw(&value)
            }
            4 if is_it => {
                writer.tlv(Tag(if tlv.tag.0 > 0xFF { tlv.tag.0 } else { tlv.tag.0 ^ 0x20 }), &value)
            }
            5 if is_it => writer.tlv(tlv.tag, &[&value[..], &[0x05, 0x00]].concat()),
            _ => writer.tlv(tlv.tag, &value),
        };
        out.extend(writer.finish());
    }
    out
}

fn published_elements_with_a_change_anywhere_are_built_again() {
    let (mut read, mut number) = (0, 0_usize);
    for (name, octets) in super::published() {
        for element in Package::from_der(&octets).unwrap().elements() {
            // Members of large elements are passed over, each time others.
            for _ in 0..STEPS {
                number += 1;
                let at = 1 + number * 7919 % element.tlv.raw.len().div_ceil(4);
                let changed = with_change(element.tlv.raw, &mut Some(at), number % 6);
                if changed != element.tlv.raw && Package::from_ber(&changed).is_ok() {
                    read += 1;
                    comes_back(&format!("{name}, change {number}"), &changed);
                }
            }
        }
    }
    assert!(read > 200, "{read}");
}

/// Where two packages of one length differ.
fn differences(a: &[u8], b: &[u8]) -> Vec<usize> {
    assert_eq!(a.len(), b.len());
    (0..a.len()).filter(|at| a[*at] != b[*at]).collect()
}

fn a_change_in_the_text_changes_just_that() {
    let generic = crate::profile::generic();
    let text = described(&generic);
    // A PIN of the same length: eight octets at most, at the place of the PIN.
    let changed = built(&text.replacen("pinValue = \"00000000\"", "pinValue = \"1234\"", 1)).unwrap();
    assert_eq!(differences(&generic, &changed).len(), 8);
    // Names of another length keep the length of the file.
    assert_eq!(text.matches("\"Simyard\"").count(), 1, "{text}");
    let changed = built(&text.replacen("\"Simyard\"", "\"Acme\"", 1)).unwrap();
    assert_eq!(differences(&generic, &changed).len(), 6);
    for (name, octets) in super::published() {
        let text = described(&octets);
        // The USIM's IMSI, and nothing else; the second packages have another one.
        let imsi = &text[text.find("name = \"EF.IMSI\"").unwrap()..];
        let imsi = imsi.split('"').find(|word| word.starts_with("00101")).unwrap();
        let content = format!("content = \"{imsi}\"");
        assert_eq!(text.matches(&content).count(), 1, "{name}");
        let changed = built(&text.replace(&content, "content = \"262011111111111\"")).unwrap();
        assert!(differences(&octets, &changed).len() <= 8, "{name}");
        // A rule that becomes shorter or longer leaves its neighbours where they are.
        let mut document: toml::Table = toml::from_str(&text).unwrap();
        let rules = rules(&mut document);
        rules[0] = rules[1].clone();
        rules[2] = rules[4].clone();
        let changed =
            built(&toml::to_string(&document).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (before, after) = (records(&octets), records(&changed));
        let mut expected = before.clone();
        expected[0] = before[1].clone();
        expected[2] = before[4].clone();
        assert_eq!(after, expected, "{name}");
    }
}

/// The records of the first EF.ARR in a description.
fn rules(document: &mut toml::Table) -> &mut Vec<toml::Value> {
    let elements = document["element"].as_array_mut().unwrap();
    let mf = elements.iter_mut().find(|element| element["kind"].as_str() == Some("mf")).unwrap();
    let files = mf["file"].as_array_mut().unwrap();
    let arr = files.iter_mut().find(|file| file["name"].as_str() == Some("EF.ARR")).unwrap();
    arr["records"].as_array_mut().unwrap()
}

/// The records of the first EF.ARR as an eUICC has them.
fn records(octets: &[u8]) -> Vec<Vec<u8>> {
    use simyard::profile::image::{NodeId, ProfileImage};
    let image = ProfileImage::build_for_any_card(&Package::from_der(octets).unwrap()).unwrap();
    let arr = image.child_by_name(NodeId::MF, "EF.ARR").unwrap();
    (1..=u8::try_from(image.file(arr).unwrap().records().unwrap()).unwrap())
        .map(|number| image.record(arr, number).unwrap().to_vec())
        .collect()
}

fn what_is_wrong_with_a_description_is_said_with_its_place() {
    let element = |members: &str| format!("[[element]]\n{members}");
    for (text, expected) in [
        ("[[element]", "the description is no TOML: line 1, column 11: "),
        ("", "element: [[element]] is missing"),
        ("format = 2", "format: 1, the only form of descriptions expected"),
        ("elements = 1", "elements: unknown member elements; there are format, element"),
        (&element(""), "element 1: kind is missing"),
        (&element("kind = \"usin\""), "element 1 (usin): kind: one of header, genericFileManagement"),
        (&element("kind = \"end\"\nx = 1"), "element 1 (end): unknown member x; there are header"),
        (&element("kind = \"end\"\nheader = 1"), "element 1 (end): header: a table expected, not a number"),
        (
            &element("kind = \"usim\"\ntemplateID = \"usim/9\""),
            "templateID: the name of a template such as usim or usim/2, or its object identifier expected",
        ),
        (
            &element("kind = \"usim\"\ntemplateID = \"usim\"\n[[element.file]]\nname = \"EF.IMSY\""),
            "element 1 (usim): file: EF.IMSY: the template has no such file; it has ADF.USIM, EF.IMSI",
        ),
        (
            &element(
                "kind = \"usim\"\ntemplateID = \"usim\"\n[[element.file]]\nname = \"EF.IMSI\"\ncontent = \"0010101234567890\"",
            ),
            "element 1 (usim): file: EF.IMSI: content: ",
        ),
        (
            &element(
                "kind = \"usim\"\ntemplateID = \"usim\"\n[[element.file]]\nname = \"EF.IMSI\"\nrecords = []",
            ),
            "file: EF.IMSI: records: the file has no records; give its content",
        ),
        (
            &element(
                "kind = \"pukCodes\"\n[[element.pukCodes]]\nkeyReference = \"pukAppl1\"\npukValue = \"12345678X\"",
            ),
            "element 1 (pukCodes): pukCodes: number 1: pukValue: up to 8 decimal digits",
        ),
        (
            &element("kind = \"application\"\nloadBlock = { loadBlockObject = { file = \"a.cap\" } }"),
            "loadBlock: loadBlockObject: a.cap: no file a.cap",
        ),
        (&element("der = \"AA05\""), "the elements do not make a package"),
        (&element("der = \"XX\""), "element 1: der: an even number of hexadecimal digits expected"),
    ] {
        let error = built(text).expect_err(text);
        assert!(error.contains(expected), "{text}\n{error}\n{expected}");
    }
    let error = built(&element("kind = \"end\"\n").repeat(1025)).unwrap_err();
    assert!(error.contains("element: a package has at most 1024 elements"), "{error}");
    let error =
        built(&element(&format!("kind = \"end\"\n{} = 1", vec!["a"; 100_000].join(".")))).unwrap_err();
    assert!(error.contains("recursion"), "{error}");
    // Few words cannot stand for more octets than a package has.
    let many = "{ hex = \"\" }, ".repeat(255);
    let fcp = "fcp = { descriptor = \"linear-fixed/65535\" }\nlayout = \"joined\"";
    let file = format!("[[element.file]]\nname = \"EF.ARR\"\n{fcp}\nrecords = [{many}]\n");
    let error = built(&element(&format!("kind = \"mf\"\ntemplateID = \"mf\"\n{file}"))).unwrap_err();
    assert!(error.contains("record 255: a file has at most 254 records"), "{error}");
    let file = file.replacen("{ hex = \"\" }, ", "", 1);
    let error =
        built(&element(&format!("kind = \"mf\"\ntemplateID = \"mf\"\n{}", file.repeat(100)))).unwrap_err();
    assert!(error.contains("EF.ARR: a package has at most 1048576 octets"), "{error}");
    // Keys are not repeated.
    for line in ["\"00112233\" x", "\"00112233", "00112233", "{ \"00112233\" }", "1\nkey = 00112233"] {
        let error = built(&element(&format!("kind = \"akaParameter\"\nkey = {line}"))).unwrap_err();
        assert!(error.contains("line 3") || error.contains("line 4"), "{line}: {error}");
        assert!(!error.contains("0011"), "{line}: {error}");
    }
    let error =
        built(&element("kind = \"cdmaParameter\"\nauthenticationKey = \"00112233445566XX\"")).unwrap_err();
    assert!(error.contains("authenticationKey") && !error.contains("0011"), "{error}");
}

fn a_description_by_hand_needs_no_headers() {
    let text = "[[element]]\nkind = \"end\"\n[[element]]\nkind = \"end\"\nheader = { identification = 1 }\n[[element]]\nkind = \"end\"";
    let octets = built(text).unwrap();
    let package = Package::from_der(&octets).unwrap();
    let numbers: Vec<_> =
        package.elements().iter().map(|e| (e.identification().unwrap(), e.is_mandated())).collect();
    assert_eq!(numbers, [(2, true), (1, false), (3, true)]);
}

fn what_words_would_make_too_long_stays_octets() {
    // A key reference is one octet, and up to 18 letters.
    let mut writer = Writer::new();
    writer.nested(Tag(0xB0), |w| {
        w.raw(&[0xA0, 3, 0x81, 1, 1, 0x81, 6, 0x67, 0x81, 0x0F, 1, 2, 1]);
        w.nested(Tag(0xA2), |w| {
            w.nested(Tag(0xA1), |w| {
                w.tlv(Tag(0xC6), &[0x88; 600_000]);
            });
        });
    });
    let octets = with_elements(&writer.finish());
    let text = comes_back("empty files", &octets);
    assert!(
        text.contains("\nder = ") && text.contains("kind = \"usim\""),
        "the other elements stay in words"
    );
}

/// A change in the description of a package: of one element of this kind, or of one of its files.
struct Edit {
    kinds: &'static [&'static str],
    /// The file and what of it is written anew, in TOML.
    file: &'static str,
    words: &'static str,
    /// What of the card's view it changes, and what the card has there then, in hexadecimal digits.
    shows: &'static str,
    content: &'static str,
}

const USIM: &[&str] = &["usim", "opt-usim"];
const EDITS: &[Edit] = &[
    Edit {
        kinds: USIM,
        file: "EF.IMSI",
        words: "content = \"310410123456789\"",
        shows: "Usim0/EF.IMSI content",
        content: "083901141032547698",
    },
    Edit {
        kinds: USIM,
        file: "EF.SPN",
        words: "content = { display = [\"not when roaming\"], name = \"Acme\" }",
        shows: "Usim0/EF.SPN content",
        content: "0241636d65",
    },
    // The name of a number takes the room that is left in the record.
    Edit {
        kinds: USIM,
        file: "EF.MSISDN",
        words: "records = [{ number = \"+491711234567\" }]",
        shows: "Usim0/EF.MSISDN content",
        content: "ffffffff0791947111325476ffffffffffff",
    },
    Edit {
        kinds: USIM,
        file: "EF.PLMNwAcT",
        words: "content = { networks = [{ plmn = \"262-01\", technologies = [\"E-UTRAN\"] }], free = 33 }",
        shows: "Usim0/EF.PLMNwAcT content",
        content: "62f2104000ffffff0000",
    },
    Edit {
        kinds: USIM,
        file: "EF.EHPLMN",
        words: "content = [\"262-01\", \"310-410\"]",
        shows: "Usim0/EF.EHPLMN content",
        content: "62f210130014",
    },
];

fn an_edit_of_a_published_package_changes_one_thing_of_the_card() {
    for (name, octets) in super::published() {
        let before = crate::personalise::view(&octets);
        let description: toml::Table = toml::from_str(&described(&octets)).unwrap();
        let shows = |document: &toml::Table| {
            let text = toml::to_string(document).unwrap();
            let after =
                crate::personalise::view(&built(&text).unwrap_or_else(|error| panic!("{name}: {error}")));
            let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            let changed = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
            changed.map(|key| (key.clone(), after[key].clone())).collect::<Vec<_>>()
        };
        for edit in EDITS {
            let mut document = description.clone();
            let file = files(&mut document, edit.kinds).find(|file| file["name"].as_str() == Some(edit.file));
            let Some(file) = file else { panic!("{name} has no {}", edit.file) };
            for content in ["content", "records", "layout", "parts"] {
                file.remove(content);
            }
            file.extend(toml::from_str::<toml::Table>(edit.words).unwrap());
            let changed = shows(&document);
            let [(key, content)] = changed.as_slice() else { panic!("{name} {}: {changed:?}", edit.file) };
            assert!(key.ends_with(edit.shows), "{name}: {key}");
            assert!(content.contains(edit.content), "{name}: {key} {content}");
        }
        // A PIN, and one service more and one less.
        let mut document = description.clone();
        let pins = elements(&mut document, &["pinCodes"]).next().unwrap();
        pins["pinCodes"]["pinconfig"][0]["pinValue"] = toml::Value::from("4711");
        let changed = shows(&document);
        let [(key, value)] = changed.as_slice() else { panic!("{name}: {changed:?}") };
        assert!(key.ends_with("PIN 01 value") && value == "34373131ffffffff", "{name}: {key} {value}");

        let mut document = description.clone();
        let ust = files(&mut document, USIM).find(|file| file["name"].as_str() == Some("EF.UST")).unwrap();
        let services = match &mut ust["content"] {
            toml::Value::Table(table) => table["value"].as_array_mut().unwrap(),
            list => list.as_array_mut().unwrap(),
        };
        let first = services.remove(0);
        assert!(!services.contains(&"multimedia messaging service (MMS)".into()), "{name}");
        services.push("multimedia messaging service (MMS)".into());
        let changed = shows(&document);
        let [(key, value)] = changed.as_slice() else { panic!("{name} {first}: {changed:?}") };
        assert!(key.ends_with("Usim0/EF.UST content"), "{name}: {key}");
        let bits =
            |text: &str| hex::decode(text).unwrap().iter().map(|octet| octet.count_ones()).sum::<u32>();
        assert_eq!((bits(value), value.len()), (bits(&before[key]), before[key].len()), "{name}");
    }
}

fn elements<'t>(
    document: &'t mut toml::Table,
    kinds: &'t [&str],
) -> impl Iterator<Item = &'t mut toml::Table> {
    let elements = document["element"].as_array_mut().unwrap().iter_mut();
    let tables = elements.map(|element| element.as_table_mut().unwrap());
    tables.filter(|element| element["kind"].as_str().is_some_and(|kind| kinds.contains(&kind)))
}

fn files<'t>(document: &'t mut toml::Table, kinds: &'t [&str]) -> impl Iterator<Item = &'t mut toml::Table> {
    let files =
        elements(document, kinds).flat_map(|element| element["file"].as_array_mut().unwrap().iter_mut());
    files.map(|file| file.as_table_mut().unwrap())
}
