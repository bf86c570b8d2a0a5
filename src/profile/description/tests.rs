//! Packages that no issuer would write: random values of every type of the module, with faults in them.

use simyard_asn1::saip::{ElementKind, Package};
use simyard_asn1::tlv::length_octets;
use simyard_asn1::{Oid, Tag, Writer};

use super::grammar::{self, Form, Member};
use super::{build, extract};
use crate::profile::templates::{Row, Template};

/// Packages of one run; they take about half a second.
const PACKAGES: u64 = 500;

/// Numbers that look random and are the same in every run (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap() % end
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn octets(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        // Runs of FF, digits and small numbers are what contents are made of.
        match self.below(5) {
            0 => vec![0xFF; length],
            1 => (0..length).map(|_| b'0' + u8::try_from(self.below(10)).unwrap()).collect(),
            2 => (0..length).map(|_| u8::try_from(self.below(4)).unwrap()).collect(),
            3 => {
                let mut octets: Vec<u8> = (0..length).map(|_| self.next().to_le_bytes()[0]).collect();
                let filled = self.below(length + 1);
                octets[filled..].fill(0xFF);
                octets
            }
            _ => (0..length).map(|_| self.next().to_le_bytes()[0]).collect(),
        }
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// A TLV, now and then with a longer length than it needs, or with another tag.
    fn tlv(&mut self, tag: u32, value: &[u8]) -> Vec<u8> {
        let tag = match self.below(200) {
            0 => tag ^ 0x20,
            1 => *self.of(&[0x99, 0x9F7F, 0x9F8101, 0xDF818101, 0x5F20, 0x04, 0x81, 0xC1]),
            _ => tag,
        };
        let mut writer = Writer::new();
        writer.tlv(Tag(tag), &[]);
        let mut octets = writer.finish();
        octets.pop();
        if self.one_in(300) {
            octets.extend([0x84, 0]);
            octets.extend(&u32::try_from(value.len()).unwrap().to_be_bytes()[1..]);
        } else {
            octets.extend(length_octets(value.len()));
        }
        octets.extend(value);
        octets
    }

    fn value(&mut self, form: Form) -> Vec<u8> {
        if self.one_in(60) {
            return self.octets(20);
        }
        match form {
            Form::Null => Vec::new(),
            Form::Integer | Form::Named(_) | Form::Attempts => self.number(),
            Form::Oid | Form::Template => {
                Oid::parse(self.of::<&str>(&["2.23.143.1.2.4", "1.2.840", "2.23.143.1.2.99"]))
                    .unwrap()
                    .as_content()
                    .to_vec()
            }
            Form::Iccid => vec![0x98, 0x00, 0x10, 0x32, 0x54, 0x76, 0x98, 0x10, 0x32, 0x54],
            Form::Code => self.code(),
            Form::Path => {
                self.of(&[&[][..], &[0x7F, 0x10], &[0x7F, 0xF0, 0x6F, 0x07], &[0x2F, 0x06], &[0x7F]]).to_vec()
            }
            Form::Descriptor => self
                .of(&[
                    &[0x41, 0x21][..],
                    &[0x42, 0x21, 0, 5],
                    &[0x42, 0x21, 0, 26],
                    &[0x46, 0x21, 0, 3],
                    &[0x42, 0x21, 0, 0],
                    &[0x78, 0x21],
                    &[0x38, 0x21],
                    &[0x02, 0x21, 0, 9],
                    &[0x42, 0x22, 0, 9],
                    &[0x79, 0x21],
                ])
                .to_vec(),
            Form::Access => self.octets(3),
            Form::Size => self.octets(4),
            Form::ShortFileId => self.octets(1),
            Form::Special => self.octets(1),
            Form::Services => {
                let count = self.below(6);
                (0..count).flat_map(|_| [0x80 | u8::try_from(self.below(25)).unwrap(), 0]).collect()
            }
            Form::Toolkit => self
                .of(&[
                    &[1, 0, 0, 0, 0, 2, 1, 2, 3, 0xB2, 1, 0, 0][..],
                    &[1, 0, 0, 1, 4, 0, 0, 0, 0],
                    &[1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4],
                ])
                .to_vec(),
            Form::Octets | Form::Text | Form::LoadFile | Form::Pattern | Form::PinStatus => self.octets(24),
            Form::Command => {
                let table =
                    [0x80, 0xE2, 0x90, 0, 18, 0xFF, 0x4D, 15, 0x80, 1, 1, 0x81, 1, 1, 0x82, 2, 0, 9, 0xA4, 0];
                if self.one_in(3) { table.to_vec() } else { self.octets(24) }
            }
            Form::Record(members) => self.members(members),
            Form::List(item) => {
                let count = self.below(4);
                (0..count).flat_map(|_| self.member(item)).collect()
            }
            Form::Choice(members) => {
                let member = self.of(members);
                self.member(member)
            }
            Form::Files => Vec::new(),
            Form::Commands => {
                let lists = self.below(3);
                (0..lists)
                    .flat_map(|_| {
                        let commands = self.commands();
                        self.tlv(0x30, &commands)
                    })
                    .collect()
            }
        }
    }

    fn number(&mut self) -> Vec<u8> {
        let mut writer = Writer::new();
        let number =
            *self.of(&[0, 1, 2, 10, 16, 0x33, 127, 128, 129, 255, 256, 65535, 65536, -1, 1 << 31, i64::MIN]);
        writer.integer(Tag::INTEGER, number);
        let octets = writer.finish().split_off(2);
        if self.one_in(30) { [vec![0], octets].concat() } else { octets }
    }

    fn code(&mut self) -> Vec<u8> {
        let digits = self.below(10);
        let mut octets = vec![b'7'; digits];
        octets.resize(digits.max(8), 0xFF);
        octets
    }

    fn member(&mut self, member: &Member) -> Vec<u8> {
        let value = self.value(member.form);
        self.tlv(member.tag, &value)
    }

    /// Most members in their order; now and then one twice, two of them the other way about, or an unknown one.
    fn members(&mut self, members: &[Member]) -> Vec<u8> {
        let mut all = Vec::new();
        for member in members {
            for _ in 0..if self.one_in(40) { 2 } else { usize::from(!self.one_in(4)) } {
                all.push(self.member(member));
            }
        }
        if self.one_in(12) {
            let octets = self.octets(5);
            all.push(self.tlv(0x9F55, &octets));
        }
        if self.one_in(30) && all.len() > 1 {
            let at = self.below(all.len() - 1);
            all.swap(at, at + 1);
        }
        all.concat()
    }

    /// Offsets and contents, of records and across them.
    fn fills(&mut self, record: usize, tags: [u32; 2]) -> Vec<u8> {
        let mut octets = Vec::new();
        for _ in 0..self.below(6) {
            if self.one_in(3) {
                let skip = *self.of(&[0, 1, record, 2 * record, 3 * record + 1, 65535, 1 << 31]);
                let mut writer = Writer::new();
                writer.integer(Tag::INTEGER, i64::try_from(skip).unwrap());
                octets.extend(self.tlv(tags[0], &writer.finish()[2..]));
            } else {
                let length = *self.of(&[0, 1, record / 2, record, record + 1, 2 * record, 3 * record]);
                let mut fill = self.octets(length);
                if !self.one_in(3) {
                    fill.resize(length, 0xFF);
                }
                octets.extend(self.tlv(tags[1], &fill));
            }
        }
        octets
    }

    fn file(&mut self, template: Option<&Template>) -> Vec<u8> {
        let rows: Vec<&Row> = template.into_iter().flat_map(Template::rows).collect();
        let row = (!rows.is_empty() && !self.one_in(10)).then(|| *self.of(&rows));
        let number = row.map_or_else(|| u32::try_from(self.below(200)).unwrap(), |row| row.field);
        let record = row.and_then(|row| row.record_length).map_or(9, usize::from).max(1);
        let mut value = Vec::new();
        if self.one_in(3) {
            let fcp = self.members(grammar::FCP);
            value.extend(self.tlv(0xA1, &fcp));
        }
        if self.one_in(20) {
            value.extend([0x80, 0x00]);
        }
        value.extend(self.fills(record, [0x82, 0x83]));
        self.tlv(Tag::context_constructed(number).0, &value)
    }

    fn commands(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        for _ in 0..self.below(5) {
            match self.below(4) {
                0 => {
                    let path = self.value(Form::Path);
                    octets.extend(self.tlv(0x80, &path));
                }
                1 => {
                    let fcp = self.members(grammar::FCP);
                    octets.extend(self.tlv(0x62, &fcp));
                }
                _ => {
                    let record = self.below(12) + 1;
                    octets.extend(self.fills(record, [0x02, 0x81]));
                }
            }
        }
        octets
    }

    fn element(&mut self) -> Vec<u8> {
        let kind = *self.of(ElementKind::KNOWN);
        let header = [0xA0, 0x05, 0x80, 0x00, 0x81, 0x01, u8::try_from(self.below(100)).unwrap()];
        let members = grammar::members(kind).unwrap();
        let value = if kind.is_file_system() {
            let version = *self.of(&[1, 1, 1, 2, 3]);
            let name = Template::identifier(kind, version);
            let oid = name.and_then(|name| Oid::parse(&name));
            let oid = oid.or_else(|| Oid::parse("2.23.143.1.2.77")).unwrap();
            let mut value = [&header[..], &self.tlv(0x81, oid.as_content())].concat();
            let template = Template::find(&oid);
            for _ in 0..self.below(8) {
                value.extend(self.file(template.as_ref()));
            }
            value
        } else if kind == ElementKind::Header {
            self.members(members)
        } else {
            [&header[..], &self.members(&members[1..])].concat()
        };
        self.tlv(kind.tag().0, &value)
    }
}

#[test]
fn packages_that_nobody_would_write_are_built_from_their_descriptions() {
    let mut random = Random(0x5149_4D59_4152_4431);
    let (mut read, mut in_words) = (0_u64, 0);
    for number in 0..PACKAGES {
        let octets: Vec<u8> = (0..1 + random.below(4)).flat_map(|_| random.element()).collect();
        let Ok(package) = Package::from_ber(&octets) else { continue };
        read += 1;
        let text = extract(&package);
        let back = build(&text, &|_| Err(String::new())).unwrap_or_else(|error| panic!("{error}\n{}", *text));
        assert!(back == octets, "package {number}: {}\n{}", hex::encode_upper(&octets), *text);
        in_words += u64::from(!text.contains("\nder = "));
    }
    assert!(read > PACKAGES / 2 && in_words > PACKAGES / 4, "{read} read, {in_words} in words");
}
