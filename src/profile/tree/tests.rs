//! Trees agree with images where packages install, and go on where they do not.

use proptest::prelude::*;
use simyard_asn1::saip::Package;
use simyard_asn1::{Oid, Tag, Writer};

use super::*;
use crate::profile::shipped::generic;

/// Elements written by hand, behind a header and in front of an End.
fn package(elements: &[Vec<u8>]) -> Vec<u8> {
    let generic = generic();
    let package = Package::from_der(&generic).unwrap();
    let header = package.elements()[0].tlv.raw;
    [header, &elements.concat(), &element(ElementKind::End, &[])].concat()
}

fn tlv(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.tlv(Tag(tag), value);
    writer.finish()
}

fn element(kind: ElementKind, members: &[&[u8]]) -> Vec<u8> {
    let header = tlv(0xA0, &[0x80, 0, 0x81, 1, 99]);
    tlv(kind.tag().0, &[&header, members.concat().as_slice()].concat())
}

fn template(arcs: &str) -> Vec<u8> {
    tlv(0x81, Oid::parse(&format!("2.23.143.1.2.{arcs}")).unwrap().as_content())
}

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).unwrap()
}

/// The master file of these tests, with nothing to give but what it must.
fn mf() -> Vec<u8> {
    element(
        ElementKind::Mf,
        &[
            &template("1"),
            &hex("A2 05 A1 03 C6 01 01"),
            &hex("A4 0C 83 0A 98001032547698103214"),
            &hex("A5 0C A1 0A 82 04 42 21 00 10 80 02 00 20"),
            &hex("A6 0F A1 09 82 04 42 21 00 06 80 01 0C 83 02 80 01"),
        ],
    )
}

fn reasons(octets: &[u8]) -> Vec<(usize, Reason)> {
    let tree = Tree::of(&Package::from_der(octets).unwrap());
    tree.problems().iter().map(|problem| (problem.element, problem.reason.clone())).collect()
}

#[test]
fn effective_attributes_come_from_the_fcp_or_else_from_the_template() {
    let octets = package(&[mf()]);
    let tree = Tree::of(&Package::from_der(&octets).unwrap());
    assert!(tree.problems().is_empty(), "{:?}", tree.problems());
    let find = |name| tree.child_by_name(FileId::MF, name).unwrap();
    let iccid = tree.file(find("EF.ICCID")).unwrap();
    assert_eq!((iccid.fid, iccid.sfi, iccid.is_listed), (Some(0x2FE2), None, true));
    let content = tree.content(find("EF.ICCID")).unwrap();
    assert_eq!((content.size, content.initial, content.writes.len()), (10, Initial::Filler, 1));
    let fill = content.writes[0].fill;
    assert_eq!(octets[fill.offset..fill.offset + fill.octets.len()], *fill.octets);
    let pl = tree.content(find("EF.PL")).unwrap();
    assert_eq!((pl.initial, &*pl.octets), (Initial::Template, &[0xFF; 2][..]));
    assert!(!tree.file(find("EF.PL")).unwrap().is_listed);
    let arr = tree.content(find("EF.ARR")).unwrap();
    assert_eq!(arr.record_length(), Some(6));
    assert_eq!(arr.record(1).unwrap(), [0x80, 1, 0xFF, 0xFF, 0xFF, 0xFF]);
}

#[test]
fn what_cannot_be_read_is_a_problem_and_the_rest_is_there() {
    // EF.PL with a short file identifier that is none, and a size.
    let broken = hex("A3 08 A1 06 88 01 07 80 01 03");
    let mut mf = mf();
    let at = mf.windows(2).position(|window| window == [0xA4, 0x0C]).unwrap();
    mf.splice(at..at, broken.clone());
    mf[1] += u8::try_from(broken.len()).unwrap();
    let octets = package(&[mf]);
    let tree = Tree::of(&Package::from_der(&octets).unwrap());
    let [problem] = tree.problems() else { panic!("{:?}", tree.problems()) };
    assert!(matches!(problem.reason, Reason::Form(_)));
    assert_eq!(problem.element, 1);
    assert_eq!(octets[problem.offset..problem.offset + 3], [0x88, 1, 7]);
    let pl = tree.child_by_name(FileId::MF, "EF.PL").unwrap();
    assert_eq!((tree.file(pl).unwrap().sfi, tree.content(pl).unwrap().size), (Some(5), 3));
    assert!(tree.child_by_name(FileId::MF, "EF.ICCID").is_some());
}

#[test]
fn each_problem_has_its_reason_and_does_not_stop() {
    let usim = hex("A2 15 A1 13 83 02 7F D0 84 0A A0000000871002FF49FF C6 01 01");
    let usim = |fields: &[u8]| element(ElementKind::Usim, &[&template("4"), &usim, fields]);
    let manage =
        |commands: &[u8]| element(ElementKind::GenericFileManagement, &[&tlv(0xA1, &tlv(0x30, commands))]);
    let cases: Vec<(Vec<Vec<u8>>, Reason)> = vec![
        (vec![mf(), mf()], Reason::MfPlace),
        (vec![mf(), element(ElementKind::OptUsim, &[&template("5")])], Reason::ApplicationPlace("USIM")),
        (
            vec![mf(), element(ElementKind::Telecom, &[&template("99")])],
            Reason::Template("2.23.143.1.2.99".to_owned()),
        ),
        (
            vec![mf(), element(ElementKind::Telecom, &[&template("4")])],
            Reason::TemplateOfAnother("2.23.143.1.2.4".to_owned()),
        ),
        (vec![mf(), manage(&hex("80 02 7F 99"))], Reason::NoFile("7F99".to_owned())),
        (vec![mf(), manage(&hex("81 01 00"))], Reason::NothingToFill),
        (
            vec![mf(), manage(&hex("80 02 2F E2 81 0B 0000000000000000000000"))],
            Reason::ContentTooLong { end: 11, size: 10 },
        ),
        (
            vec![mf(), manage(&hex("62 0F 82 04 42 21 00 04 83 02 2F FB 80 01 06 8B 00"))],
            Reason::RecordSize { size: 6, record: 4 },
        ),
        (
            vec![mf(), manage(&hex("62 07 82 02 41 21 83 01 2F"))],
            Reason::MissingParameter { file: "the file", what: "a file identifier" },
        ),
        (vec![mf(), manage(&hex("62 0B 82 02 41 21 83 02 2F E2 80 01 01"))], Reason::SecondFile(0x2FE2)),
        (
            vec![mf(), manage(&hex("62 0C 82 02 41 21 83 02 2F FB C7 02 7F 99"))],
            Reason::NoFile("7F99".to_owned()),
        ),
        (vec![mf(), usim(&hex("BF 60 00"))], Reason::UnknownField(96)),
        (vec![mf(), usim(&[])], Reason::MissingParameter { file: "EF.IMSI", what: "content" }),
        (vec![mf(), element(ElementKind::Cd, &[&template("2"), &hex("A3 02 80 00")])], Reason::DoNotCreate),
    ];
    for (elements, expected) in cases {
        let octets = package(&elements);
        let found = reasons(&octets);
        assert!(found.iter().any(|(_, reason)| *reason == expected), "{expected:?}: {found:?}");
        let tree = Tree::of(&Package::from_der(&octets).unwrap());
        assert!(tree.child_by_name(FileId::MF, "EF.ICCID").is_some(), "{expected:?}");
    }
}

#[test]
fn file_management_updates_names_and_links() {
    let commands = [
        "80 00 62 0B 82 02 41 21 83 02 2F FB 80 01 02 81 02 1234",
        // EF.ICCID again: one octet, then two more behind one that stays.
        "80 02 2F E2 81 01 AA 02 01 01 81 02 BBCC",
        "80 00 62 0C 82 02 41 21 83 02 2F FC C7 02 2F E2",
    ];
    let lists: Vec<u8> = commands.iter().flat_map(|list| tlv(0x30, &hex(list))).collect();
    let octets = package(&[mf(), element(ElementKind::GenericFileManagement, &[&tlv(0xA1, &lists)])]);
    let tree = Tree::of(&Package::from_der(&octets).unwrap());
    assert!(tree.problems().is_empty(), "{:?}", tree.problems());
    let created = tree.child(FileId::MF, 0x2FFB).unwrap();
    let file = tree.file(created).unwrap();
    assert_eq!((file.name.as_str(), file.has_standard_name, file.element), ("2FFB", false, 2));
    assert_eq!(&*tree.content(created).unwrap().octets, [0x12, 0x34]);
    let iccid = tree.child_by_name(FileId::MF, "EF.ICCID").unwrap();
    let content = tree.content(iccid).unwrap();
    assert_eq!(hex::encode_upper(&*content.octets), "AA00BBCC547698103214");
    let places: Vec<(usize, usize)> = content.writes.iter().map(|write| (write.element, write.at)).collect();
    assert_eq!(places, [(1, 0), (2, 0), (2, 2)]);
    let link = tree.child(FileId::MF, 0x2FFC).unwrap();
    assert_eq!(tree.target(link), iccid);
}

#[test]
fn limits_hold() {
    let create = hex("62 0C 82 02 41 21 83 02 2F FB 80 02 FF FF");
    let lists: Vec<u8> = (0..20).flat_map(|_| tlv(0x30, &create)).collect();
    let octets = package(&[mf(), element(ElementKind::GenericFileManagement, &[&tlv(0xA1, &lists)])]);
    let tree = Tree::of(&Package::from_der(&octets).unwrap());
    let all: usize =
        tree.files().filter_map(|(id, _)| tree.content(id)).map(|content| content.octets.len()).sum();
    assert!(all <= MAX_MEMORY);
    assert!(tree.problems().iter().any(|problem| problem.reason == Reason::Memory));
}

proptest! {
    #[test]
    fn changed_octets_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut octets = generic();
        for (index, octet) in changes {
            let at = index.index(octets.len());
            octets[at] = octet;
        }
        if let Ok(package) = Package::from_der(&octets) {
            let tree = Tree::of(&package);
            for (id, _) in tree.files() {
                let _ = (tree.path(id), tree.access_rule(id), tree.application_of(id));
            }
            prop_assert!(tree.problems().iter().all(|problem| problem.offset <= octets.len()));
        }
    }
}
