//! SGP.32 v1.2: the messages between eIM, IPA and eUICC (ASN.1 module SGP32Definitions). What v1.3 adds is accepted.
//!
//! | module | messages |
//! |---|---|
//! | [`configuration`] | EimConfigurationData, and the functions that bring it onto an eUICC |
//! | [`package`] | EuiccPackageRequest: the signed operations of an eIM, PSMOs and eCOs |
//! | [`result`] | EuiccPackageResult: what the eUICC signs of them |
//! | [`card`] | the other ES10b functions of SGP.32, and what the ISD-R says when it is selected |
//! | [`compact`] | the short forms of signed objects, and how they are made whole again |
//! | [`trigger`] | ProfileDownloadTriggerRequest and its result |
//! | [`data`] | IpaEuiccDataRequest and its response |
//! | [`esipa`] | what IPA and eIM send each other |
//!
//! # Tags
//!
//! The module is AUTOMATIC TAGS, which ends inside a SEQUENCE or CHOICE as soon as one of its components carries a
//! written tag: its neighbours without one keep their universal tags (`05` rollbackFlag, `02` cmdResult). Where a
//! context tag stands before a SEQUENCE, the `30` of that SEQUENCE is gone ([`Implicit`]). Products differ in both, so
//! what was seen in the field is read beside the form of the standard, and the form of the standard is written. Signed
//! objects are never written again: they are kept as received ([`crate::Raw`]).

/// An enumeration of codes of the standard, which keeps codes of later versions.
macro_rules! codes {
    (
        $(#[$doc:meta])*
        $name:ident { $($variant:ident = $code:literal $text:literal),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`, ", $code, ".")] $variant,)*
            /// A code that the version of the standard does not know.
            Other(i64),
        }

        impl $name {
            /// Every code that has a name, in rising order.
            pub const NAMED: &[Self] = &[$(Self::$variant),*];

            /// The code of a number.
            #[must_use]
            pub const fn from_code(code: i64) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    other => Self::Other(other),
                }
            }

            /// The number.
            #[must_use]
            pub const fn code(self) -> i64 {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Other(code) => code,
                }
            }

            /// The name in the standard; `None` for a code of a later version.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($text),)*
                    Self::Other(_) => None,
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => write!(f, "{name} ({})", self.code()),
                    None => write!(f, "code {}", self.code()),
                }
            }
        }
    };
}

pub mod card;
pub mod compact;
pub mod configuration;
pub mod data;
pub mod esipa;
pub mod package;
pub mod result;
pub mod trigger;
#[cfg(test)]
mod vectors;

use core::fmt;

use crate::rsp::{NUMBER, SIGNATURE};
use crate::tlv::{Error, ErrorKind, Reader, Tag, Tlv, Writer};

/// The longest eimId in characters (v1.1).
pub const MAX_EIM_ID_CHARS: usize = 128;
/// Operations of one package, and results of one, at most: far more than an eIM sends.
pub const MAX_OPERATIONS: usize = 64;
/// eIMs in one list at most: more than any eUICC has room for.
pub const MAX_EIMS: usize = 64;
/// Profiles, notifications or results in one list at most: more than any eUICC has room for.
pub const MAX_ENTRIES: usize = 256;
/// The longest signature that is read, in octets. The standard's form is r and s, 64 octets for a 256-bit curve;
/// software was seen to send the DER form.
pub const MAX_SIGNATURE_LEN: usize = 160;
/// `84`: the associationToken behind what is signed.
pub const ASSOCIATION_TOKEN: Tag = Tag(0x84);

/// eimTransactionId: 1 to 16 octets that an eIM gives to a package and finds in its result.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EimTransactionId {
    octets: [u8; 16],
    len: u8,
}

impl EimTransactionId {
    /// An identifier of 1 to 16 octets.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let mut padded = [0; 16];
        padded.get_mut(..octets.len())?.copy_from_slice(octets);
        let len = u8::try_from(octets.len()).ok()?;
        (len > 0).then_some(Self { octets: padded, len })
    }

    /// Its octets.
    #[must_use]
    pub fn as_octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Reads the identifier from a value, whatever its tag.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for no octet or more than 16.
    pub fn read(tlv: &Tlv<'_>) -> Result<Self, Error> {
        Self::from_octets(tlv.value).ok_or(tlv.error(ErrorKind::Value, "eimTransactionId"))
    }

    fn optional(members: &mut Reader<'_>, tag: Tag) -> Result<Option<Self>, Error> {
        members.optional(tag)?.map(|tlv| Self::read(&tlv)).transpose()
    }
}

impl fmt::Display for EimTransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_octets().iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

impl fmt::Debug for EimTransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The members of a SEQUENCE whose `30` a context tag has replaced: a Certificate or a SubjectPublicKeyInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Implicit<'a>(&'a [u8]);

impl<'a> Implicit<'a> {
    /// The members of a whole SEQUENCE, given with its `30`.
    ///
    /// # Errors
    /// [`Error`] for octets that are not one SEQUENCE.
    pub fn from_der(der: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(der, "SEQUENCE");
        let sequence = reader.expect(Tag::SEQUENCE)?;
        reader.finish()?;
        Ok(Self::without_header(sequence.value))
    }

    /// A value that is one SEQUENCE and nothing else has kept its header: no type that is read here has a SEQUENCE as
    /// its only member.
    fn without_header(mut value: &'a [u8]) -> Self {
        let whole = |value| {
            let mut reader = Reader::new(value, "SEQUENCE");
            let sequence = reader.expect(Tag::SEQUENCE).ok()?;
            reader.is_empty().then_some(sequence.value)
        };
        while let Some(members) = whole(value) {
            value = members;
        }
        Self(value)
    }

    /// Reads the value of a context tag; one that holds the whole SEQUENCE with its `30`, as some products send it,
    /// too.
    ///
    /// # Errors
    /// [`ErrorKind::Form`] or [`ErrorKind::Depth`] for a value that does not consist of TLVs.
    pub fn read(tlv: &Tlv<'a>, what: &'static str) -> Result<Self, Error> {
        let members = tlv.members(what);
        members.clone().extensions()?;
        Ok(Self::without_header(tlv.value))
    }

    /// The members, without the `30`.
    #[must_use]
    pub const fn members(self) -> &'a [u8] {
        self.0
    }

    /// The whole SEQUENCE with its `30`.
    #[must_use]
    pub fn to_der(self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.tlv(Tag::SEQUENCE, self.0);
        writer.finish()
    }
}

/// The value of the associationToken TLV that stands behind signed data: 0 where the eIM has no token (4.3).
fn write_token(writer: &mut Writer, token: Option<i64>) {
    writer.integer(ASSOCIATION_TOKEN, token.unwrap_or_default());
}

/// What a signature of ESep covers: the signed object as received, from its `30` on, and the associationToken of the
/// eIM's association with the eUICC as `84` (4.3). `None` is an association without token.
#[must_use]
pub fn signed_bytes(signed: &[u8], association_token: Option<i64>) -> Vec<u8> {
    let mut writer = Writer::with_capacity(signed.len() + 10);
    writer.raw(signed);
    write_token(&mut writer, association_token);
    writer.finish()
}

/// Reads `5F37`, a signature in any form.
fn signature<'a>(members: &mut Reader<'a>) -> Result<&'a [u8], Error> {
    members.expect(SIGNATURE)?.sized(1..=MAX_SIGNATURE_LEN, "signature")
}

/// Reads `5A` eidValue.
fn eid<'a>(members: &mut Reader<'a>) -> Result<&'a [u8; 16], Error> {
    members.expect(NUMBER)?.array("eidValue")
}

/// Reads `80` eimId.
fn eim_id<'a>(members: &mut Reader<'a>) -> Result<&'a str, Error> {
    members.expect(Tag(0x80))?.text(MAX_EIM_ID_CHARS, "eimId")
}

/// Reads the entries of a list with `read`, at most `limit`.
fn entries<'a, T>(
    mut list: Reader<'a>,
    limit: usize,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut found = Vec::new();
    while !list.is_empty() {
        if found.len() == limit {
            return Err(list.error(ErrorKind::Value));
        }
        found.push(read(&mut list)?);
    }
    Ok(found)
}

/// The one TLV of a CHOICE.
fn choice<'a>(mut alternatives: Reader<'a>) -> Result<Tlv<'a>, Error> {
    let alternative = alternatives.read()?;
    alternatives.finish()?;
    Ok(alternative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_behind_what_is_signed_as_a_der_integer() {
        for (token, expected) in [
            (None, &[0x30, 0x00, 0x84, 0x01, 0x00][..]),
            (Some(0), &[0x30, 0x00, 0x84, 0x01, 0x00]),
            (Some(127), &[0x30, 0x00, 0x84, 0x01, 0x7F]),
            (Some(128), &[0x30, 0x00, 0x84, 0x02, 0x00, 0x80]),
        ] {
            assert_eq!(signed_bytes(&[0x30, 0x00], token), expected);
        }
    }

    #[test]
    fn a_transaction_identifier_has_one_to_sixteen_octets() {
        assert_eq!(EimTransactionId::from_octets(&[]), None);
        assert_eq!(EimTransactionId::from_octets(&[1; 17]), None);
        let id = EimTransactionId::from_octets(&[0x0A, 0x00]).unwrap();
        assert_eq!((id.as_octets(), id.to_string().as_str()), (&[0x0A, 0x00][..], "0A00"));
        assert_eq!(EimTransactionId::from_octets(&[7; 16]).unwrap().as_octets(), [7; 16]);
    }

    #[test]
    fn a_sequence_is_read_with_and_without_its_header() {
        let read = |der: &[u8]| {
            let tlv = Reader::new(der, "x").read().unwrap();
            Implicit::read(&tlv, "x").map(|value| value.to_der())
        };
        let whole = Ok(vec![0x30, 0x04, 0x30, 0x00, 0x03, 0x00]);
        assert_eq!(read(&[0xA1, 0x04, 0x30, 0x00, 0x03, 0x00]), whole);
        assert_eq!(read(&[0xA1, 0x06, 0x30, 0x04, 0x30, 0x00, 0x03, 0x00]), whole);
        assert_eq!(read(&[0xA1, 0x02, 0x30, 0x01]).unwrap_err().kind, ErrorKind::Form);
    }
}
