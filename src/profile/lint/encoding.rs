//! DER, member by member: lengths, INTEGERs, DEFAULT values, the order of file control parameters, unknown members.
//!
//! A package that breaks these rules once usually does it everywhere: lengths, numbers and defaults are told once, with
//! how often.

use simyard_asn1::saip::ElementKind;
use simyard_asn1::saip::aka::{DEFAULT_ROTATION, DEFAULT_SQN_LIMIT, DEFAULT_SQN_OPTIONS, DEFAULT_XORING};
use simyard_asn1::tlv::length_octets;
use simyard_asn1::{Tag, Tlv};

use super::{Lint, Rule, raw};

/// The members of an Fcp in the order of the module.
const FCP: [u32; 10] = [0x82, 0x83, 0x84, 0x8A, 0x8B, 0x80, 0xC6, 0x88, 0xA5, 0xC7];
/// The members of proprietaryEFInfo.
const PROPRIETARY: [u32; 5] = [0xC0, 0xC1, 0xC2, 0x86, 0x84];
/// The parts of a File.
const FILE: [u32; 4] = [0x80, 0xA1, 0x82, 0x83];
/// The members of a PEHeader.
const PE_HEADER: [u32; 2] = [0x80, 0x81];
/// Security attributes in forms that the module does not have; [`Rule::AccessTwoForms`] speaks of them.
const OTHER_SECURITY: [u32; 3] = [0x8C, 0x8D, 0xAB];

/// In place of a tag of a path: the tag of any file.
const ANY_FILE: u32 = 0;

/// Where INTEGERs stand: element, path of tags.
const INTEGERS: &[(ElementKind, &[u32])] = &[
    (ElementKind::Header, &[0x80]),
    (ElementKind::Header, &[0x81]),
    (ElementKind::PinCodes, &[0xA1, 0xA0, 0x30, 0x80]),
    (ElementKind::PinCodes, &[0xA1, 0xA0, 0x30, 0x82]),
    (ElementKind::PinCodes, &[0xA1, 0xA0, 0x30, 0x83]),
    (ElementKind::PinCodes, &[0xA1, 0xA0, 0x30, 0x84]),
    (ElementKind::PukCodes, &[0xA1, 0x30, 0x80]),
    (ElementKind::PukCodes, &[0xA1, 0x30, 0x82]),
    (ElementKind::AkaParameter, &[0xA1, 0xA1, 0x80]),
    (ElementKind::AkaParameter, &[0xA1, 0xA1, 0x87]),
    (ElementKind::GenericFileManagement, &[0xA1, 0x30, 0x02]),
    (ElementKind::SecurityDomain, &[0xA2, 0x30, 0x30, 0x30, 0x87]),
    (ElementKind::SecurityDomain, &[0xA5, 0x80]),
    (ElementKind::SecurityDomain, &[0xA5, 0x81]),
];
/// The identification of every element but the header.
const IDENTIFICATION: &[u32] = &[0xA0, 0x81];
/// fillFileOffset of every file.
const FILL_OFFSET: &[u32] = &[ANY_FILE, 0x82];

/// Members with DEFAULT values: element, path of tags, value octets in their shortest form.
const DEFAULTS: &[(ElementKind, &[u32], &[u8])] = &[
    (ElementKind::PinCodes, &[0xA1, 0xA0, 0x30, 0x83], &[0x07]),
    (ElementKind::PinCodes, &[0xA1, 0xA0, 0x30, 0x84], &[0x33]),
    (ElementKind::PukCodes, &[0xA1, 0x30, 0x82], &[0x00, 0xAA]),
    (ElementKind::AkaParameter, &[0xA1, 0xA1, 0x84], &DEFAULT_ROTATION),
    (ElementKind::AkaParameter, &[0xA1, 0xA1, 0x85], &DEFAULT_XORING),
    (ElementKind::AkaParameter, &[0xA1, 0xA1, 0x87], &[0x01]),
    (ElementKind::AkaParameter, &[0x82], &[DEFAULT_SQN_OPTIONS]),
    (ElementKind::AkaParameter, &[0x83], &DEFAULT_SQN_LIMIT),
    (ElementKind::AkaParameter, &[0x84], &DEFAULT_SQN_LIMIT),
    (ElementKind::SecurityDomain, &[0xA1, 0x83], &[0x07]),
    (ElementKind::SecurityDomain, &[0xA2, 0x30, 0x96], &[0x00]),
    (ElementKind::SecurityDomain, &[0xA2, 0x30, 0x30, 0x30, 0x87], &[0x08]),
    (ElementKind::Application, &[0xA2, 0x30, 0x83], &[0x07]),
    (ElementKind::GenericFileManagement, &[0xA1, 0x30, 0x62, 0x8A], &[0x05]),
    (ElementKind::GenericFileManagement, &[0xA1, 0x30, 0x62, 0xA5, 0x84], &[0x01]),
];
/// The same for every file.
const FILE_DEFAULTS: [(&[u32], &[u8]); 2] =
    [(&[ANY_FILE, 0xA1, 0x8A], &[0x05]), (&[ANY_FILE, 0xA1, 0xA5, 0x84], &[0x01])];
/// sqnInit, whose default is zeros throughout.
const SQN_INIT: &[u32] = &[0xA5];

/// The first place where something is wrong, and how often it is.
#[derive(Default)]
struct Count {
    first: Option<(usize, usize, String)>,
    times: usize,
}

impl Count {
    fn add(&mut self, element: usize, offset: usize, message: impl FnOnce() -> String) {
        self.times += 1;
        if self.first.is_none() {
            self.first = Some((element, offset, message()));
        }
    }

    fn report(self, lint: &mut Lint<'_, '_>, rule: Rule) {
        let Some((element, offset, mut message)) = self.first else { return };
        if self.times > 1 {
            message.push_str(&format!("; and {} more", self.times - 1));
        }
        lint.at(rule, element, offset, message);
    }
}

/// What a walk through an element collects.
struct Walk<'l, 't, 'a> {
    lint: &'l mut Lint<'t, 'a>,
    element: usize,
    kind: ElementKind,
    path: Vec<u32>,
    /// Where the first member of the element stands: its header, unless it has none.
    first: usize,
    lengths: Count,
    integers: Count,
    defaults: Count,
}

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    let package = lint.package;
    let mut walk = Walk {
        lint,
        element: 0,
        kind: ElementKind::End,
        path: Vec::new(),
        first: 0,
        lengths: Count::default(),
        integers: Count::default(),
        defaults: Count::default(),
    };
    for (place, element) in package.elements().iter().enumerate() {
        (walk.element, walk.kind) = (place, element.kind);
        walk.first = raw::members(&element.tlv).next().map_or(0, |first| first.offset);
        walk.tlv(&element.tlv, true);
    }
    let Walk { lint, lengths, integers, defaults, .. } = walk;
    lengths.report(lint, Rule::EncodingLength);
    integers.report(lint, Rule::EncodingInteger);
    defaults.report(lint, Rule::EncodingDefault);
}

impl Walk<'_, '_, '_> {
    fn tlv(&mut self, tlv: &Tlv<'_>, is_element: bool) {
        let header = tlv.raw.len() - tlv.value.len();
        let needed = tag_length(tlv.tag) + length_octets(tlv.value.len()).len();
        if header != needed {
            let (element, length) = (self.element, tlv.value.len());
            self.lengths.add(element, tlv.offset, || {
                format!(
                    "the length {length} of {} takes {} octets more than it needs",
                    tlv.tag,
                    header - needed
                )
            });
        }
        if !is_element {
            self.path.push(self.step(tlv.tag));
            self.member(tlv);
        }
        for member in raw::members(tlv) {
            self.tlv(&member, false);
        }
        if !is_element {
            self.path.pop();
        }
    }

    /// A tag of the path: files count as one.
    fn step(&self, tag: Tag) -> u32 {
        let is_file = self.kind.is_file_system()
            && self.path.is_empty()
            && tag == Tag::context_constructed(tag.number())
            && tag.number() >= 2;
        if is_file { ANY_FILE } else { tag.0 }
    }

    fn member(&mut self, tlv: &Tlv<'_>) {
        if self.is_integer() && !tlv.is_minimal_integer() && !tlv.value.is_empty() {
            let (element, octets) = (self.element, tlv.value.len());
            self.integers.add(element, tlv.offset, || {
                format!("the number in {} has {}", tlv.tag, raw::octets(octets))
            });
        }
        if self.is_default(tlv) {
            let element = self.element;
            self.defaults.add(element, tlv.offset, || format!("{} has its DEFAULT value", tlv.tag));
        }
        let is_file_system = self.kind.is_file_system();
        let known: &[u32] = match self.path.as_slice() {
            [0xA0] if self.kind != ElementKind::Header && tlv.offset == self.first => &PE_HEADER,
            [ANY_FILE] if is_file_system => &FILE,
            [ANY_FILE, 0xA1] if is_file_system => &FCP,
            [ANY_FILE, 0xA1, 0xA5] if is_file_system => &PROPRIETARY,
            [0xA1, 0x30, 0x62] if self.kind == ElementKind::GenericFileManagement => &FCP,
            [0xA1, 0x30, 0x62, 0xA5] if self.kind == ElementKind::GenericFileManagement => &PROPRIETARY,
            _ => return,
        };
        let is_fcp = known == FCP;
        let mut last = 0;
        for member in raw::members(tlv) {
            let Some(place) = known.iter().position(|tag| *tag == member.tag.0) else {
                if !(is_fcp && OTHER_SECURITY.contains(&member.tag.0)) {
                    let message = format!("member {} is not known in {}", member.tag, tlv.tag);
                    self.lint.at(Rule::EncodingUnknownMember, self.element, member.offset, message);
                }
                continue;
            };
            if is_fcp && place < last {
                let message = format!("{} stands behind a member that follows it in the module", member.tag);
                self.lint.at(Rule::EncodingMemberOrder, self.element, member.offset, message);
            }
            last = last.max(place);
        }
    }

    fn is_integer(&self) -> bool {
        let path = self.path.as_slice();
        INTEGERS.iter().any(|(kind, integer)| *kind == self.kind && *integer == path)
            || (path == IDENTIFICATION && self.kind != ElementKind::Header)
            || (path == FILL_OFFSET && self.kind.is_file_system())
    }

    fn is_default(&self, tlv: &Tlv<'_>) -> bool {
        let path = self.path.as_slice();
        let is_value = |default: &[u8]| {
            // A number may be written longer than it needs to be.
            default == tlv.value || (self.is_integer() && raw::number(tlv) == Some(big_endian(default)))
        };
        if self.kind == ElementKind::AkaParameter && path == SQN_INIT {
            return raw::members(tlv).all(|entry| entry.value.iter().all(|octet| *octet == 0));
        }
        if self.kind.is_file_system() {
            return FILE_DEFAULTS.iter().any(|(place, default)| *place == path && is_value(default));
        }
        DEFAULTS
            .iter()
            .any(|(kind, place, default)| *kind == self.kind && *place == path && is_value(default))
    }
}

/// Octets of a tag.
const fn tag_length(tag: Tag) -> usize {
    match tag.0 {
        0..=0xFF => 1,
        0x100..=0xFFFF => 2,
        0x1_0000..=0xFF_FFFF => 3,
        _ => 4,
    }
}

fn big_endian(octets: &[u8]) -> u32 {
    octets.iter().fold(0, |number, octet| number << 8 | u32::from(*octet))
}
