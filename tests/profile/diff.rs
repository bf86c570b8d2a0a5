//! `simyard profile diff`: what makes no difference, and each kind of change as exactly that difference.

use simyard::profile::comparison::{Area, Change, Comparison, compare, text};
use simyard::profile::overview::Reveal;
use simyard::profile::shipped;
use simyard::profile::tree::{Initial, Tree};
use simyard_asn1::saip::{AkaConfiguration, ElementKind, Package, PinCodes};
use simyard_asn1::{Reader, Tag, Writer};

use super::show::overview;
use super::{generic, published};

crate::tests!(
    a_package_is_like_itself,
    numbers_of_elements_make_no_difference,
    the_order_of_elements_makes_no_difference,
    contents_in_several_pieces_make_no_difference,
    the_default_of_the_template_in_words_makes_no_difference,
    each_changed_octet_is_exactly_that_difference,
    each_changed_element_is_exactly_that_difference,
    what_only_one_package_has_is_told_once,
    secrets_are_compared_and_not_shown,
    the_fifth_test_profile_differs_from_the_fourth_as_its_history_says,
    the_json_form_says_the_same,
);

fn compared(first: &[u8], second: &[u8]) -> Comparison {
    compare(&overview(first, Reveal::Nothing), &overview(second, Reveal::Nothing))
}

/// The differences as lines for people.
fn page(first: &[u8], second: &[u8]) -> String {
    text::render(&compared(first, second), 100)
}

/// Our own profile, the shipped ones and the published ones.
fn packages() -> Vec<(String, Vec<u8>)> {
    let mut packages = published();
    packages.extend(shipped::ALL.iter().map(|one| (one.name.to_owned(), one.build().unwrap().to_vec())));
    packages
}

/// A TLV that can be changed.
#[derive(Clone)]
enum Node {
    Members(Tag, Vec<Node>),
    Value(Tag, Vec<u8>),
}

impl Node {
    fn all(octets: &[u8]) -> Vec<Self> {
        let mut reader = Reader::new(octets, "test");
        let mut nodes = Vec::new();
        while !reader.is_empty() {
            let tlv = reader.read().unwrap();
            nodes.push(if tlv.tag.is_constructed() {
                Self::Members(tlv.tag, Self::all(tlv.value))
            } else {
                Self::Value(tlv.tag, tlv.value.to_vec())
            });
        }
        nodes
    }

    fn write(nodes: &[Self]) -> Vec<u8> {
        let mut writer = Writer::new();
        for node in nodes {
            match node {
                Self::Members(tag, members) => writer.tlv(*tag, &Self::write(members)),
                Self::Value(tag, value) => writer.tlv(*tag, value),
            };
        }
        writer.finish()
    }

    fn tag(&self) -> Tag {
        match self {
            Self::Members(tag, _) | Self::Value(tag, _) => *tag,
        }
    }

    fn members(&mut self) -> &mut Vec<Self> {
        let Self::Members(_, members) = self else { panic!("{:?} has no members", self.tag()) };
        members
    }

    fn member(&mut self, tag: u32) -> &mut Self {
        self.members().iter_mut().find(|member| member.tag() == Tag(tag)).unwrap()
    }
}

/// The package with one of its elements changed; the first of that kind.
fn with_element(octets: &[u8], kind: ElementKind, change: impl FnOnce(&mut Node)) -> Vec<u8> {
    let mut nodes = Node::all(octets);
    change(nodes.iter_mut().find(|node| node.tag() == kind.tag()).unwrap());
    Node::write(&nodes)
}

/// The package with one octet changed.
fn with_octet(octets: &[u8], at: usize) -> Vec<u8> {
    let mut octets = octets.to_vec();
    octets[at] ^= 1;
    octets
}

fn a_package_is_like_itself() {
    for (name, octets) in packages() {
        assert_eq!(page(&octets, &octets), "", "{name}");
    }
}

fn numbers_of_elements_make_no_difference() {
    for (name, octets) in packages() {
        let mut nodes = Node::all(&octets);
        for (number, node) in nodes.iter_mut().enumerate().skip(1) {
            let identification = vec![1, u8::try_from(number).unwrap()];
            *node.member(0xA0).member(0x81) = Node::Value(Tag(0x81), identification);
        }
        let other = Node::write(&nodes);
        assert_ne!(octets, other, "{name}");
        assert_eq!(page(&octets, &other), "", "{name}");
    }
}

fn the_order_of_elements_makes_no_difference() {
    for (name, octets) in published() {
        let mut nodes = Node::all(&octets);
        let rfm: Vec<usize> =
            (0..nodes.len()).filter(|place| nodes[*place].tag() == ElementKind::Rfm.tag()).collect();
        nodes.swap(rfm[0], rfm[3]);
        // The CSIM and all that belongs to it stands before the ISIM, and behind it just as well.
        let at =
            |nodes: &[Node], kind: ElementKind| nodes.iter().position(|it| it.tag() == kind.tag()).unwrap();
        let csim = at(&nodes, ElementKind::Csim);
        let isim = at(&nodes, ElementKind::Isim);
        let end =
            isim + nodes[isim..].iter().position(|it| it.tag() == ElementKind::AkaParameter.tag()).unwrap();
        nodes[csim..=end].rotate_left(isim - csim);
        let other = Node::write(&nodes);
        assert_ne!(octets, other, "{name}");
        assert_eq!(page(&octets, &other), "", "{name}");
    }
}

fn contents_in_several_pieces_make_no_difference() {
    for (name, octets) in packages() {
        let mut nodes = Node::all(&octets);
        let mut pieces = 0;
        for node in &mut nodes {
            if !ElementKind::from_tag(node.tag()).is_file_system() {
                continue;
            }
            for field in node.members().iter_mut().filter(|member| member.tag().is_constructed()).skip(1) {
                let parts = std::mem::take(field.members());
                for part in parts {
                    match part {
                        Node::Value(Tag(0x83), octets) if octets.len() > 2 => {
                            let (head, tail) = octets.split_at(octets.len() / 2);
                            field.members().push(Node::Value(Tag(0x83), head.to_vec()));
                            // Nothing is skipped in between.
                            field.members().push(Node::Value(Tag(0x82), vec![0]));
                            field.members().push(Node::Value(Tag(0x83), tail.to_vec()));
                            pieces += 1;
                        }
                        other => field.members().push(other),
                    }
                }
            }
        }
        assert!(pieces > 5, "{name}: {pieces}");
        assert_eq!(page(&octets, &Node::write(&nodes)), "", "{name}");
    }
}

fn the_default_of_the_template_in_words_makes_no_difference() {
    for (name, octets) in packages() {
        let tree = Tree::of(&Package::from_der(&octets).unwrap());
        let mut nodes = Node::all(&octets);
        let mut written = 0;
        for (id, file) in tree.files() {
            let (Some(row), Some(content)) = (file.row, tree.content(id)) else { continue };
            let is_link = tree.target(id) != id;
            if is_link
                || content.initial != Initial::Template
                || !content.writes.is_empty()
                || content.size > 60_000
            {
                continue;
            }
            let tag = Tag::context_constructed(row.field);
            let fill = Node::Value(Tag(0x83), content.octets.to_vec());
            let fields = nodes[file.element].members();
            match fields.iter_mut().find(|field| field.tag() == tag) {
                Some(field) => field.members().push(fill),
                None => {
                    let number = |field: &Node| field.tag().number();
                    let behind = fields.iter().skip(2).position(|field| number(field) > row.field);
                    let place = behind.map_or(fields.len(), |behind| behind + 2);
                    fields.insert(place, Node::Members(tag, vec![fill]));
                }
            }
            written += 1;
        }
        assert!(written > 3, "{name}: {written}");
        assert_eq!(page(&octets, &Node::write(&nodes)), "", "{name}");
    }
}

/// Where a file's content stands in the package: its first octet.
fn content_of(octets: &[u8], path: &str) -> usize {
    let tree = Tree::of(&Package::from_der(octets).unwrap());
    let (id, _) = tree.files().find(|(id, _)| tree.path(*id) == path).unwrap();
    tree.content(id).unwrap().writes[0].fill.offset
}

fn each_changed_octet_is_exactly_that_difference() {
    let octets = generic();
    let package = Package::from_der(&octets).unwrap();
    let header = package.elements()[0].profile_header().unwrap();
    let aka = package.first(ElementKind::AkaParameter).unwrap().aka_parameter().unwrap();
    let AkaConfiguration::Algorithm(own) = aka.configuration else { panic!("no keys") };
    let PinCodes::Pins(pins) = package.first(ElementKind::PinCodes).unwrap().pin_codes().unwrap() else {
        panic!("no PINs")
    };
    let puks = package.first(ElementKind::PukCodes).unwrap().puk_codes().unwrap();
    let keys = package.first(ElementKind::SecurityDomain).unwrap().security_domain_keys().unwrap();
    let cases = [
        (
            header.iccid_offset + 9,
            "Header\n  header\n    ICCID: 89000000000000000000 → 89000000000000000001\n",
        ),
        (own.key_offset, "Keys of applications\n  keys of ADF.USIM\n    K: changed, not shown\n"),
        (own.opc_offset, "Keys of applications\n  keys of ADF.USIM\n    OPc: changed, not shown\n"),
        (pins[0].value_offset, "PINs\n  PIN1 of MF\n    value: changed, not shown\n"),
        (puks[1].value_offset, "PUKs\n  PUK2\n    value: changed, not shown\n"),
        (
            keys[0].data_offset,
            "Keys of security domains\n  key 01/01 of A000000151000000\n    value: changed, not shown\n",
        ),
        (
            content_of(&octets, "ADF.USIM/EF.IMSI") + 8,
            "Files\n  ADF.USIM/EF.IMSI\n    content: 001010000000000 → 001010000000010\n",
        ),
        (
            content_of(&octets, "ADF.USIM/EF.SPN") + 1,
            "Files\n  ADF.USIM/EF.SPN\n    content.name: Simyard → Rimyard\n",
        ),
        (
            content_of(&octets, "ADF.USIM/EF.UST") + 3,
            "Files\n  ADF.USIM/EF.UST\n    content: + automatic answer for eMLPP\n",
        ),
    ];
    for (at, expected) in cases {
        assert_eq!(page(&octets, &with_octet(&octets, at)), expected);
    }
    // A rule is told by its record.
    let arr = content_of(&octets, "MF/EF.ARR");
    let found = page(&octets, &with_octet(&octets, arr + 2));
    assert!(found.starts_with("Files\n  MF/EF.ARR\n    record 1: − read always + "), "{found}");
}

fn each_changed_element_is_exactly_that_difference() {
    let octets = generic();
    let fcp = |tag: u32, value: &'static [u8]| {
        with_element(&octets, ElementKind::Usim, move |element| {
            // EF.FPLMN: the field is not there, so that its attributes are the template's.
            let fields = element.members();
            let behind = fields.iter().skip(2).position(|field| field.tag().number() > 19).unwrap() + 2;
            let fcp = Node::Members(Tag(0xA1), vec![Node::Value(Tag(tag), value.to_vec())]);
            fields.retain(|field| field.tag() != Tag(0xB3));
            fields.insert(behind, Node::Members(Tag(0xB3), vec![fcp]));
        })
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (
            with_element(&octets, ElementKind::Df5gs, |element| {
                element.member(0xA0).members().insert(0, Node::Value(Tag(0x80), vec![]));
            }),
            "Elements\n  df-5gs of ADF.USIM\n    mandated: no → yes\n",
        ),
        (
            with_element(&octets, ElementKind::OptUsim, |element| {
                let Node::Value(_, oid) = element.member(0x81) else { panic!("no template") };
                oid.push(2);
            }),
            "Elements\n  opt-usim of ADF.USIM\n    template: 2.23.143.1.2.5 → 2.23.143.1.2.5.2\n",
        ),
        (
            with_element(&octets, ElementKind::Usim, |element| {
                *element.member(0xAD).members() = vec![Node::Value(Tag(0x80), vec![])];
            }),
            "Files\n− ADF.USIM/EF.SPN\n",
        ),
        (fcp(0x80, &[24]), "Files\n  ADF.USIM/EF.FPLMN\n    size: 12 → 24\n"),
        (fcp(0x8A, &[4]), "Files\n  ADF.USIM/EF.FPLMN\n    life cycle: activated → deactivated\n"),
        (fcp(0x88, &[0x58]), "Files\n  ADF.USIM/EF.FPLMN\n    SFI: 0D → 0B\n"),
        (
            fcp(0x8B, &[2]),
            "Files\n  ADF.USIM/EF.FPLMN\n    access: read, update PIN1; deactivate, activate, delete ADM1 (record 5 of 6F06) → \
             read PIN1;\n            update, deactivate, activate, delete ADM1 (record 2 of 6F06)\n",
        ),
        (
            with_element(&octets, ElementKind::PinCodes, |element| {
                let pin = &mut element.member(0xA1).member(0xA0).members()[1];
                pin.members().retain(|member| member.tag() != Tag(0x83));
            }),
            "PINs\n  ADM1 of MF\n    may be disabled: false → true\n",
        ),
        (
            with_element(&octets, ElementKind::AkaParameter, |element| {
                element.members().push(Node::Value(Tag(0x82), vec![0x0E]));
            }),
            "Keys of applications\n  keys of ADF.USIM\n    SQN options: 02 → 0E\n",
        ),
        (
            with_element(&octets, ElementKind::SecurityDomain, |element| {
                element.member(0xA2).members().pop();
            }),
            "Keys of security domains\n− key 01/03 of A000000151000000\n",
        ),
        (
            with_element(&octets, ElementKind::Header, |element| {
                element.member(0xA5).members().push(Node::Value(Tag(0x92), vec![]));
            }),
            "Header\n  header\n    services: + ber-tlv\n",
        ),
    ];
    for (other, expected) in cases {
        assert_eq!(page(&octets, &other), expected);
    }
}

fn what_only_one_package_has_is_told_once() {
    let octets = generic();
    let mut nodes = Node::all(&octets);
    nodes.retain(|node| node.tag() != ElementKind::Df5gs.tag());
    let without = Node::write(&nodes);
    assert_eq!(page(&octets, &without), "Files\n− ADF.USIM/DF.5GS with 6 files\n");
    assert_eq!(page(&without, &octets), "Files\n+ ADF.USIM/DF.5GS with 6 files\n");
    // A whole application, with its keys and PINs.
    let kinds = [ElementKind::Usim, ElementKind::OptUsim, ElementKind::AkaParameter, ElementKind::Df5gs];
    let mut nodes = Node::all(&octets);
    let pins = nodes.iter().rposition(|node| node.tag() == ElementKind::PinCodes.tag()).unwrap();
    nodes.remove(pins);
    nodes.retain(|node| kinds.iter().all(|kind| kind.tag() != node.tag()));
    let areas: Vec<Area> = compared(&octets, &Node::write(&nodes))
        .differences
        .iter()
        .map(|difference| difference.area)
        .collect();
    assert_eq!(areas, [Area::Application, Area::Aka, Area::Pin, Area::File]);
}

fn secrets_are_compared_and_not_shown() {
    let octets = generic();
    let package = Package::from_der(&octets).unwrap();
    let aka = package.first(ElementKind::AkaParameter).unwrap().aka_parameter().unwrap();
    let AkaConfiguration::Algorithm(own) = aka.configuration else { panic!("no keys") };
    let mut other = octets.clone();
    let key: Vec<u8> = (0..16).map(|number| 0xC3 ^ (number * 11)).collect();
    other[own.key_offset..own.key_offset + 16].copy_from_slice(&key);
    let digits = hex::encode_upper(&key);
    let hidden = compared(&octets, &other);
    assert!(matches!(hidden.differences[0].change, Change::Secret { .. }));
    let everything = format!("{}{}", text::render(&hidden, 100), serde_json::to_string(&hidden).unwrap());
    assert!(!everything.contains(&digits) && !everything.contains(&digits.to_lowercase()), "{everything}");
    let shown = compare(&overview(&octets, Reveal::Secrets), &overview(&other, Reveal::Secrets));
    let page = text::render(&shown, 200);
    assert!(page.contains(&format!(" → {digits}")), "{page}");
    assert!(serde_json::to_string(&shown).unwrap().contains(&digits));
}

fn the_fifth_test_profile_differs_from_the_fourth_as_its_history_says() {
    let find =
        |name: &str| published().into_iter().find(|(other, _)| other == name).map(|(_, octets)| octets);
    let (Some(fourth), Some(fifth)) =
        (find("TS48v4_SAIP2.3_BERTLV.der"), find("TS48v5_SAIP2.3_BERTLV_SUCI.der"))
    else {
        return;
    };
    insta::assert_snapshot!(page(&fourth, &fifth), @r"
    Files
      MF/DF.TELECOM/DF.V2X/EF.VST
        content: + 2 + 3
      ADF.USIM/EF.ARR
        record 15: nothing → read, update, write, deactivate, activate, delete ADM1; resize ADM1
      ADF.USIM/EF.UST
        content: + SUCI calculation by the USIM + URSP by USIM + 5G security parameters extended + MuD
                 and MiD configuration data
      ADF.USIM/EF.MSISDN
        record length: 28 → 39
      ADF.USIM/DF.SAIP/EF.SUCICalcInfo
        access: update, write, deactivate, activate, delete ADM1; resize ADM1 (record 13 of 6F06) →
                read, update, write, deactivate, activate, delete ADM1; resize ADM1 (record 15 of 6F06)
      ADF.ISIM/EF.IST
        content: + MuD and MiD configuration data
    + ADF.USIM/EF.MuDMiDConfigData
    + ADF.ISIM/EF.MudMidCfgData
    ");
}

fn the_json_form_says_the_same() {
    let octets = generic();
    let other = with_octet(&octets, content_of(&octets, "ADF.USIM/EF.IMSI") + 8);
    let json = serde_json::to_value(compared(&octets, &other)).unwrap();
    let expected = serde_json::json!({
        "version": 1,
        "differences": [{
            "area": "file",
            "subject": "ADF.USIM/EF.IMSI",
            "member": "content",
            "change": "changed",
            "first": "001010000000000",
            "second": "001010000000010",
        }],
    });
    assert_eq!(json, expected);
}
