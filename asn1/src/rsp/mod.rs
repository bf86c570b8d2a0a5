//! SGP.22 v2.x: the messages between SM-DP+, LPA and eUICC (ASN.1 module RSPDefinitions).
//!
//! | module | messages |
//! |---|---|
//! | [`info`] | EUICCInfo1, EUICCInfo2 |
//! | [`authentication`] | what AuthenticateServer and AuthenticateClient carry |
//! | [`download`] | what PrepareDownload, GetBoundProfilePackage and CancelSession carry |
//! | [`metadata`] | StoreMetadataRequest, ProfileInfo |
//! | [`package`] | BoundProfilePackage and its commands |
//! | [`notification`] | installation results and notifications |
//! | [`card`] | the other ES10 commands |
//! | [`rules`] | RulesAuthorisationTable |
//! | [`es9plus`] | ES9+ in the ASN.1 binding: envelopes, requests, responses |
//!
//! The module is AUTOMATIC TAGS and EXTENSIBILITY IMPLIED: members that follow the known ones are accepted, and what is
//! signed is kept as received ([`crate::Raw`]). A v3 peer appends members and alternatives; none of them is modelled.

pub mod authentication;
pub mod card;
pub mod download;
pub mod es9plus;
pub mod info;
pub mod metadata;
pub mod notification;
pub mod package;
pub mod rules;

use crate::tlv::{Error, ErrorKind, Reader, Tag, Tlv, Writer};

/// `5F37`: a signature, 64 octets for a 256-bit curve.
pub const SIGNATURE: Tag = Tag(0x5F37);
/// `5F49`: a one-time public key, 65 octets for a 256-bit curve.
pub const ONE_TIME_KEY: Tag = Tag(0x5F49);
/// `5A`: an ICCID or an EID.
pub const NUMBER: Tag = Tag(0x5A);
/// `4F`: an application identifier.
pub const AID: Tag = Tag(0x4F);

/// Octets of a challenge.
pub const CHALLENGE_LEN: usize = 16;
/// The longest address accepted: a host name with a port.
pub const MAX_ADDRESS_CHARS: usize = 260;

/// A version: major, minor, revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub [u8; 3]);

impl core::fmt::Display for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let [major, minor, revision] = self.0;
        write!(f, "{major}.{minor}.{revision}")
    }
}

/// Reads `80` transactionId: 1 to 16 octets.
pub(crate) fn transaction_id<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Error> {
    reader.expect(Tag(0x80))?.sized(1..=16, "transactionId")
}

fn signature<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8; 64], Error> {
    reader.expect(SIGNATURE)?.array("signature")
}

/// A certificate as received. What it says is not read here.
fn certificate<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Error> {
    Ok(reader.expect(Tag::SEQUENCE)?.raw)
}

/// Reads a SEQUENCE OF key identifiers under `tag`: octet strings of any length.
fn key_identifiers<'a>(list: &Tlv<'a>) -> Result<Vec<&'a [u8]>, Error> {
    /// More CI keys than any eUICC holds.
    const MAX_KEYS: usize = 64;
    let mut members = list.members("SubjectKeyIdentifier");
    let mut keys = Vec::new();
    while !members.is_empty() {
        if keys.len() == MAX_KEYS {
            return Err(list.error(ErrorKind::Value, "SubjectKeyIdentifier"));
        }
        keys.push(members.expect(Tag::OCTET_STRING)?.value);
    }
    Ok(keys)
}

fn write_key_identifiers(writer: &mut Writer, tag: Tag, keys: &[&[u8]]) {
    writer.nested(tag, |list| {
        for key in keys {
            list.tlv(Tag::OCTET_STRING, key);
        }
    });
}
