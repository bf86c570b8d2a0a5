//! Tags, a strict DER reader that keeps what it received, and a writer.
//!
//! The reader can be told to take BER with definite lengths ([`Rules::Ber`]), for input that is looked at and not
//! installed or verified.
//!
//! Readers know their offset in the whole input, so that an error can name the octet. Every constructed value is read
//! by a [`Reader`] of its own: members that the type knows are asked for in order, and what follows them is an
//! extension, which [`Reader::extensions`] checks to be well formed and returns as received.

mod writer;

use core::fmt;

mod header;

use header::{ber_header, header};

pub use writer::{Writer, length_octets};

/// The deepest nesting that is walked when unknown members are checked for form.
pub const MAX_DEPTH: usize = 32;

/// A tag by its literal identifier octets: `Tag(0xBF38)` is what the standards print as BF38.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u32);

impl Tag {
    /// INTEGER.
    pub const INTEGER: Self = Self(0x02);
    /// BIT STRING.
    pub const BIT_STRING: Self = Self(0x03);
    /// OCTET STRING.
    pub const OCTET_STRING: Self = Self(0x04);
    /// NULL.
    pub const NULL: Self = Self(0x05);
    /// OBJECT IDENTIFIER.
    pub const OID: Self = Self(0x06);
    /// BOOLEAN.
    pub const BOOLEAN: Self = Self(0x01);
    /// UTF8String.
    pub const UTF8_STRING: Self = Self(0x0C);
    /// SEQUENCE and SEQUENCE OF.
    pub const SEQUENCE: Self = Self(0x30);

    /// The primitive context tag `[number]`.
    #[must_use]
    pub const fn context(number: u32) -> Self {
        Self::of(0x80, number)
    }

    /// The constructed context tag `[number]`.
    #[must_use]
    pub const fn context_constructed(number: u32) -> Self {
        Self::of(0xA0, number)
    }

    const fn of(class: u32, number: u32) -> Self {
        match number {
            0..=30 => Self(class | number),
            31..=127 => Self((class | 0x1F) << 8 | number),
            _ => Self((class | 0x1F) << 16 | (0x80 | (number >> 7 & 0x7F)) << 8 | (number & 0x7F)),
        }
    }

    /// Whether the value holds further TLVs.
    #[must_use]
    pub const fn is_constructed(self) -> bool {
        let lead = match self.0 {
            0..=0xFF => self.0,
            0x100..=0xFFFF => self.0 >> 8,
            0x1_0000..=0xFF_FFFF => self.0 >> 16,
            _ => self.0 >> 24,
        };
        lead & 0x20 != 0
    }

    /// The number of a context tag, without class and form.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self.0 {
            0..=0xFF => self.0 & 0x1F,
            0x100..=0xFFFF => self.0 & 0x7F,
            _ => (self.0 >> 8 & 0x7F) << 7 | (self.0 & 0x7F),
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        let octets = self.0.to_be_bytes();
        let skip = octets.iter().take_while(|octet| **octet == 0).count().min(3);
        out.extend(octets.iter().skip(skip));
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}", self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// How strictly octets are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rules {
    /// DER (X.690 chapter 10).
    #[default]
    Der,
    /// BER with definite lengths: lengths and INTEGERs may be longer than they need be, true may be any octet but 00.
    /// Lengths of the indefinite form are refused.
    Ber,
}

/// Why octets are not the type that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} in {what} at octet {offset}")]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// The type or member being read, by its name in the standard.
    pub what: &'static str,
    /// Octets from the start of the input.
    pub offset: usize,
}

/// The kinds of decoding error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// The input ends inside a TLV, or a header is not DER.
    #[error("no complete DER value")]
    Form,
    /// A length of the indefinite form (X.690 8.1.3.6).
    #[error("length of the indefinite form, where only definite lengths are read; encode it as DER")]
    IndefiniteLength,
    /// Another tag than the expected one.
    #[error("tag {found} where {expected} is expected")]
    Tag {
        /// What the type asks for.
        expected: Tag,
        /// What is there.
        found: Tag,
    },
    /// A mandatory member is not there.
    #[error("mandatory {expected} missing")]
    Missing {
        /// The tag of the member.
        expected: Tag,
    },
    /// None of the alternatives of a CHOICE.
    #[error("unknown alternative {found}")]
    Choice {
        /// What is there.
        found: Tag,
    },
    /// The value has a length or content that the type does not allow.
    #[error("value not allowed")]
    Value,
    /// Octets follow where the type ends.
    #[error("unexpected octets after the end")]
    Trailing,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested too deep")]
    Depth,
}

/// One TLV as received.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Its tag.
    pub tag: Tag,
    /// Its value octets.
    pub value: &'a [u8],
    /// Tag, length and value as received: what signatures cover.
    pub raw: &'a [u8],
    /// Where the TLV starts in the input.
    pub offset: usize,
    /// How it was read, and how its members are.
    pub rules: Rules,
}

impl fmt::Debug for Tlv<'_> {
    /// Tag and length only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]@{}", self.tag, self.value.len(), self.offset)
    }
}

impl<'a> Tlv<'a> {
    /// A reader over the members of a constructed value.
    #[must_use]
    pub const fn members(&self, what: &'static str) -> Reader<'a> {
        let offset = self.offset + (self.raw.len() - self.value.len());
        Reader { input: self.value, offset, what, rules: self.rules }
    }

    /// An error about this value.
    #[must_use]
    pub const fn error(&self, kind: ErrorKind, what: &'static str) -> Error {
        Error { kind, what, offset: self.offset }
    }

    /// The value with exactly `N` octets.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for any other length.
    pub fn array<const N: usize>(&self, what: &'static str) -> Result<&'a [u8; N], Error> {
        self.value.try_into().map_err(|_| self.error(ErrorKind::Value, what))
    }

    /// The value, if its length lies in `range`.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for any other length.
    pub fn sized(
        &self,
        range: impl core::ops::RangeBounds<usize>,
        what: &'static str,
    ) -> Result<&'a [u8], Error> {
        if range.contains(&self.value.len()) {
            Ok(self.value)
        } else {
            Err(self.error(ErrorKind::Value, what))
        }
    }

    /// The value as UTF-8 text of at most `max` characters.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for text that is longer or not UTF-8.
    pub fn text(&self, max: usize, what: &'static str) -> Result<&'a str, Error> {
        core::str::from_utf8(self.value)
            .ok()
            .filter(|text| text.len() <= max || text.chars().count() <= max)
            .ok_or(self.error(ErrorKind::Value, what))
    }

    /// The value as a BOOLEAN; DER true is FF.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for anything but 00 and FF; under [`Rules::Ber`], for anything but one octet.
    pub fn boolean(&self, what: &'static str) -> Result<bool, Error> {
        match self.value {
            [0x00] => Ok(false),
            [0xFF] => Ok(true),
            [_] if self.rules == Rules::Ber => Ok(true),
            _ => Err(self.error(ErrorKind::Value, what)),
        }
    }

    /// Whether the value is an INTEGER in its shortest form (X.690 8.3.2).
    #[must_use]
    pub const fn is_minimal_integer(&self) -> bool {
        match self.value {
            [] => false,
            [0x00, next, ..] => *next & 0x80 != 0,
            [0xFF, next, ..] => *next & 0x80 == 0,
            _ => true,
        }
    }

    /// The value as an INTEGER of at most eight octets in minimal form; under [`Rules::Ber`], in any form.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for an empty, longer or padded value.
    pub fn integer(&self, what: &'static str) -> Result<i64, Error> {
        let fits = match self.rules {
            Rules::Der => self.is_minimal_integer(),
            Rules::Ber => !self.value.is_empty(),
        };
        if !fits || self.value.len() > 8 {
            return Err(self.error(ErrorKind::Value, what));
        }
        let negative = self.value.first().is_some_and(|lead| lead & 0x80 != 0);
        Ok(self.value.iter().fold(if negative { -1 } else { 0 }, |sum, octet| sum << 8 | i64::from(*octet)))
    }

    /// The value as a non-negative INTEGER.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] as [`Tlv::integer`], and for values outside 0..2³².
    pub fn unsigned(&self, what: &'static str) -> Result<u32, Error> {
        u32::try_from(self.integer(what)?).map_err(|_| self.error(ErrorKind::Value, what))
    }

    /// The value as a BIT STRING with named bits: bit 0 is the first. Trailing zero bits and unknown bits are
    /// accepted, as they occur in the field.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for a value that is no BIT STRING or has more than 64 bits.
    pub fn named_bits(&self, what: &'static str) -> Result<NamedBits, Error> {
        match self.value.split_first() {
            Some((unused, octets))
                if *unused < 8 && octets.len() <= 8 && (*unused == 0 || !octets.is_empty()) =>
            {
                let mut bits = 0_u64;
                for (index, octet) in octets.iter().enumerate() {
                    bits |= u64::from(octet.reverse_bits()) << (8 * index);
                }
                Ok(NamedBits(bits))
            }
            _ => Err(self.error(ErrorKind::Value, what)),
        }
    }
}

/// A BIT STRING whose bits have names: bit `n` of the standard is bit `n` of the number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamedBits(pub u64);

impl NamedBits {
    /// The set that holds bit `n` alone.
    #[must_use]
    pub const fn bit(n: u32) -> Self {
        Self(1 << n)
    }

    /// Whether bit `n` is set.
    #[must_use]
    pub const fn has(self, n: u32) -> bool {
        n < 64 && self.0 >> n & 1 == 1
    }

    /// The content octets of the DER form: no trailing zero bits (X.690 11.2.2).
    #[must_use]
    pub fn to_content(self) -> Vec<u8> {
        let count = 64 - self.0.leading_zeros();
        let octets = count.div_ceil(8);
        let unused = octets * 8 - count;
        let mut content = vec![unused.to_le_bytes()[0]];
        content.extend(self.0.to_le_bytes().iter().take(octets as usize).map(|octet| octet.reverse_bits()));
        content
    }
}

/// A cursor over the TLVs of one constructed value, or of a whole input.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    offset: usize,
    what: &'static str,
    rules: Rules,
}

impl<'a> Reader<'a> {
    /// Reads `input` as DER from its start; `what` names it in errors.
    #[must_use]
    pub const fn new(input: &'a [u8], what: &'static str) -> Self {
        Self::with_rules(input, what, Rules::Der)
    }

    /// Reads `input` by these rules from its start.
    #[must_use]
    pub const fn with_rules(input: &'a [u8], what: &'static str, rules: Rules) -> Self {
        Self { input, offset: 0, what, rules }
    }

    /// The name that errors carry.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        self.what
    }

    /// Octets from the start of the whole input.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    /// An error at the present place.
    #[must_use]
    pub const fn error(&self, kind: ErrorKind) -> Error {
        Error { kind, what: self.what, offset: self.offset }
    }

    /// The tag of the next TLV, if one follows with a readable header.
    #[must_use]
    pub fn peek(&self) -> Option<Tag> {
        self.clone().read().ok().map(|tlv| tlv.tag)
    }

    /// The next TLV, whatever it is.
    ///
    /// # Errors
    /// [`ErrorKind::Form`] where no complete TLV follows; [`ErrorKind::IndefiniteLength`] under [`Rules::Ber`].
    pub fn read(&mut self) -> Result<Tlv<'a>, Error> {
        let form = self.error(ErrorKind::Form);
        let header = match self.rules {
            Rules::Der => header(self.input).ok_or_else(|| form.clone())?,
            Rules::Ber => ber_header(self.input).map_err(|kind| self.error(kind))?,
        };
        let (tag_len, header_len, value_len) = header;
        let end = header_len.checked_add(value_len).ok_or_else(|| form.clone())?;
        let (raw, rest) = self.input.split_at_checked(end).ok_or_else(|| form.clone())?;
        let value = raw.get(header_len..).ok_or(form)?;
        let tag = Tag(raw.iter().take(tag_len).fold(0, |tag, octet| tag << 8 | u32::from(*octet)));
        let tlv = Tlv { tag, value, raw, offset: self.offset, rules: self.rules };
        self.offset += raw.len();
        self.input = rest;
        Ok(tlv)
    }

    /// The next TLV, which must have this tag.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`] at the end, [`ErrorKind::Tag`] for another tag, [`ErrorKind::Form`].
    pub fn expect(&mut self, tag: Tag) -> Result<Tlv<'a>, Error> {
        if self.is_empty() {
            return Err(self.error(ErrorKind::Missing { expected: tag }));
        }
        let mut after = self.clone();
        let tlv = after.read()?;
        if tlv.tag != tag {
            return Err(self.error(ErrorKind::Tag { expected: tag, found: tlv.tag }));
        }
        *self = after;
        Ok(tlv)
    }

    /// The next TLV if it has this tag.
    ///
    /// # Errors
    /// [`ErrorKind::Form`] where octets follow that are no complete TLV.
    pub fn optional(&mut self, tag: Tag) -> Result<Option<Tlv<'a>>, Error> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut after = self.clone();
        let tlv = after.read()?;
        if tlv.tag != tag {
            return Ok(None);
        }
        *self = after;
        Ok(Some(tlv))
    }

    /// What follows the known members of an extensible type: well-formed TLVs, as received.
    ///
    /// # Errors
    /// [`ErrorKind::Form`] or [`ErrorKind::Depth`] where what follows is not well formed.
    pub fn extensions(&mut self) -> Result<&'a [u8], Error> {
        let rest = self.input;
        well_formed(self.clone(), 0)?;
        self.offset += rest.len();
        self.input = &[];
        Ok(rest)
    }

    /// As [`Reader::extensions`], for a type that leaves default values out when it is written: one of its own members
    /// in a wrong place or for a second time is no extension. Kept among them, it would be read as the member when the
    /// value is written and read again.
    ///
    /// # Errors
    /// As [`Reader::extensions`], and [`ErrorKind::Trailing`] at a member of `known`.
    pub fn extensions_without(&mut self, known: &[Tag]) -> Result<&'a [u8], Error> {
        let mut rest = self.clone();
        while !rest.is_empty() {
            let tlv = rest.read()?;
            if known.contains(&tlv.tag) {
                return Err(tlv.error(ErrorKind::Trailing, self.what));
            }
        }
        self.extensions()
    }

    /// Confirms that nothing is left.
    ///
    /// # Errors
    /// [`ErrorKind::Trailing`] if octets are left.
    pub const fn finish(self) -> Result<(), Error> {
        if self.is_empty() { Ok(()) } else { Err(self.error(ErrorKind::Trailing)) }
    }
}

fn well_formed(mut reader: Reader<'_>, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(reader.error(ErrorKind::Depth));
    }
    while !reader.is_empty() {
        let tlv = reader.read()?;
        if tlv.tag.is_constructed() {
            well_formed(tlv.members(reader.what), depth + 1)?;
        }
    }
    Ok(())
}

/// Reads a type from a reader that stands before its first TLV.
pub trait Decode<'a>: Sized {
    /// The name of the type in its module, for errors.
    const NAME: &'static str;

    /// Reads one value and leaves the reader behind it.
    ///
    /// # Errors
    /// [`Error`] with the offset of the first octet that does not fit.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error>;

    /// Reads one value that fills the whole input.
    ///
    /// # Errors
    /// As [`Decode::decode`], and [`ErrorKind::Trailing`] if octets follow.
    fn from_der(input: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(input, Self::NAME);
        let value = Self::decode(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}

/// Writes a type as DER.
pub trait Encode {
    /// Appends the value's TLV.
    fn encode(&self, writer: &mut Writer);

    /// The value's DER alone.
    fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.encode(&mut writer);
        writer.finish()
    }
}

/// A decoded value next to the octets it was read from: verify the octets, read the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a, T> {
    /// The TLV as received.
    pub bytes: &'a [u8],
    /// What it says.
    pub value: T,
}

impl<'a, T: Decode<'a>> Decode<'a> for Raw<'a, T> {
    const NAME: &'static str = T::NAME;

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let bytes = reader.clone().read()?.raw;
        Ok(Self { bytes, value: T::decode(reader)? })
    }
}

impl<T> Encode for Raw<'_, T> {
    fn encode(&self, writer: &mut Writer) {
        writer.raw(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_written_as_the_standards_print_them() {
        for (tag, octets) in [
            (Tag(0x30), vec![0x30]),
            (Tag(0xBF38), vec![0xBF, 0x38]),
            (Tag(0x9F70), vec![0x9F, 0x70]),
            (Tag::context_constructed(31), vec![0xBF, 0x1F]),
            (Tag::context(0), vec![0x80]),
            (Tag::context_constructed(200), vec![0xBF, 0x81, 0x48]),
        ] {
            let mut out = Vec::new();
            tag.write(&mut out);
            assert_eq!(out, octets);
        }
        assert!(Tag(0xBF38).is_constructed() && !Tag(0x5F37).is_constructed());
        assert_eq!(Tag(0xBF38).number(), 0x38);
        assert_eq!(Tag::context_constructed(200).number(), 200);
    }

    #[test]
    fn lengths_are_minimal() {
        assert_eq!(length_octets(0), [0]);
        assert_eq!(length_octets(127), [0x7F]);
        assert_eq!(length_octets(128), [0x81, 0x80]);
        assert_eq!(length_octets(65536), [0x83, 1, 0, 0]);
    }

    #[test]
    fn a_length_that_is_not_minimal_is_refused() {
        assert!(Reader::new(&[0x80, 0x81, 0x01, 0x00], "x").read().is_err());
        assert!(Reader::new(&[0x80, 0x80, 0x00, 0x00], "x").read().is_err());
        assert!(Reader::new(&[0x80, 0x01, 0x00], "x").read().is_ok());
    }

    #[test]
    fn a_length_that_is_not_minimal_is_ber() {
        let read = |octets: &[u8]| {
            Reader::with_rules(octets, "x", Rules::Ber)
                .read()
                .map(|tlv| (tlv.tag, tlv.value.to_vec()))
                .map_err(|error| error.kind)
        };
        let value = |tag| Ok((Tag(tag), vec![0x05]));
        assert_eq!(read(&[0x80, 0x01, 0x05]), value(0x80));
        assert_eq!(read(&[0x80, 0x81, 0x01, 0x05]), value(0x80));
        assert_eq!(read(&[0x80, 0x86, 0, 0, 0, 0, 0, 0x01, 0x05]), value(0x80));
        assert_eq!(read(&[0xBF, 0x21, 0x82, 0, 0x01, 0x05]), value(0xBF21));
        assert_eq!(read(&[0xA0, 0x80, 0x00, 0x00]), Err(ErrorKind::IndefiniteLength));
        for form in [
            &[][..],
            &[0x80],
            &[0x80, 0x81],
            &[0x80, 0x81, 0x02, 0x00],
            &[0x80, 0x85, 1, 0, 0, 0, 1],
            &[0x80, 0xFF],
            &[0x00, 0x00],
            &[0xBF, 0x1E, 0x00],
            &[0xBF, 0x80, 0x01, 0x00],
            &[0xBF, 0x81, 0x81, 0x81, 0x01, 0x00],
            &[0xBF, 0x81],
        ] {
            assert_eq!(read(form), Err(ErrorKind::Form), "{form:02X?}");
        }
    }

    #[test]
    fn ber_is_read_by_the_same_rules_down_to_its_leaves() {
        let octets = [0x30, 0x81, 0x09, 0x02, 0x81, 0x02, 0x00, 0x01, 0x01, 0x81, 0x01, 0x05];
        let outer = Reader::with_rules(&octets, "x", Rules::Ber).read().unwrap();
        let mut members = outer.members("x");
        let number = members.expect(Tag::INTEGER).unwrap();
        assert_eq!((number.unsigned("x"), number.is_minimal_integer()), (Ok(1), false));
        assert_eq!(members.expect(Tag::BOOLEAN).unwrap().boolean("x"), Ok(true));
        assert!(members.is_empty());
    }

    #[test]
    fn what_is_der_is_the_same_by_both_rules() {
        let mut writer = Writer::new();
        writer.nested(Tag(0xBF21), |w| {
            w.tlv(Tag(0x80), &[0; 300]).integer(Tag::INTEGER, -129).boolean(Tag::BOOLEAN, true);
        });
        let der = writer.finish();
        for end in 0..=der.len() {
            let both = [Rules::Der, Rules::Ber].map(|rules| {
                let tlv = Reader::with_rules(&der[..end], "x", rules).read();
                tlv.map(|tlv| (tlv.tag, tlv.value, tlv.raw)).map_err(|error| error.offset)
            });
            assert_eq!(both[0], both[1], "{end}");
        }
    }

    #[test]
    fn a_writer_with_room_does_not_move_what_it_holds() {
        let mut writer = Writer::with_capacity(300);
        writer.tlv(Tag(0x80), &[1]);
        let start = writer.0.as_ptr();
        writer.nested(Tag(0xBF38), |w| {
            w.raw(&[0; 290]);
        });
        assert_eq!(writer.0.as_ptr(), start);
        assert_eq!(writer.finish().len(), 3 + 5 + 290);
    }

    #[test]
    fn integers_go_both_ways() {
        for value in [0_i64, 1, 127, 128, 255, 256, 65535, -1, -128, -129, i64::MAX, i64::MIN] {
            let mut writer = Writer::new();
            writer.integer(Tag::INTEGER, value);
            let der = writer.finish();
            assert_eq!(Reader::new(&der, "x").read().unwrap().integer("x").unwrap(), value, "{der:?}");
        }
        assert!(Reader::new(&[0x02, 0x02, 0x00, 0x01], "x").read().unwrap().integer("x").is_err());
    }

    #[test]
    fn named_bits_drop_trailing_zeros_and_accept_them() {
        assert_eq!(NamedBits::bit(1).to_content(), [0x06, 0x40]);
        assert_eq!(NamedBits::bit(0).to_content(), [0x07, 0x80]);
        assert_eq!(NamedBits::default().to_content(), [0x00]);
        let tlv = Reader::new(&[0x99, 0x02, 0x04, 0x40], "x").read().unwrap();
        assert_eq!(tlv.named_bits("x").unwrap(), NamedBits::bit(1));
        let wide = Reader::new(&[0x85, 0x03, 0x06, 0x80, 0x40], "x").read().unwrap();
        assert_eq!(wide.named_bits("x").unwrap(), NamedBits(1 | 1 << 9));
    }

    #[test]
    fn errors_name_the_octet_of_the_whole_input() {
        let input = [0x30, 0x05, 0x80, 0x01, 0x00, 0x81, 0x00];
        let mut outer = Reader::new(&input, "Outer").expect(Tag::SEQUENCE).unwrap().members("Outer");
        outer.expect(Tag(0x80)).unwrap();
        let error = outer.expect(Tag(0x82)).unwrap_err();
        assert_eq!(error.offset, 5);
        assert_eq!(error.to_string(), "tag 81 where 82 is expected in Outer at octet 5");
    }

    #[test]
    fn extensions_must_be_well_formed() {
        let mut good = Reader::new(&[0xA9, 0x02, 0x80, 0x00, 0x81, 0x00], "x");
        assert_eq!(good.extensions().unwrap().len(), 6);
        assert!(Reader::new(&[0xA9, 0x02, 0x80, 0x05], "x").extensions().is_err());
        let mut deep = vec![0x30, 0x00];
        for _ in 0..MAX_DEPTH + 2 {
            let mut writer = Writer::new();
            writer.tlv(Tag::SEQUENCE, &deep);
            deep = writer.finish();
        }
        assert_eq!(Reader::new(&deep, "x").extensions().unwrap_err().kind, ErrorKind::Depth);
    }
}
