//! Looking into TLVs without asking whether all of them is in order: the checks want to say what exactly is not.

use simyard_asn1::saip::{Package, ProfileElement};
use simyard_asn1::{Reader, Tag, Tlv};

/// What readers here are called in errors, which nobody sees.
const WHAT: &str = "lint";

/// The members of a constructed value as far as they can be read; none of a primitive one.
pub(super) fn members<'a>(tlv: &Tlv<'a>) -> impl Iterator<Item = Tlv<'a>> + use<'a> {
    let mut reader = tlv.members(WHAT);
    let is_constructed = tlv.tag.is_constructed();
    std::iter::from_fn(move || if is_constructed { reader.read().ok() } else { None })
}

/// The first member with this tag.
pub(super) fn member<'a>(tlv: &Tlv<'a>, tag: u32) -> Option<Tlv<'a>> {
    members(tlv).find(|member| member.tag == Tag(tag))
}

/// The member at the end of a path of tags.
pub(super) fn at<'a>(tlv: &Tlv<'a>, path: &[u32]) -> Option<Tlv<'a>> {
    path.iter().try_fold(*tlv, |tlv, tag| member(&tlv, *tag))
}

/// The value as a number that is not negative, however it is written.
pub(super) fn number(tlv: &Tlv<'_>) -> Option<u32> {
    tlv.unsigned(WHAT).ok()
}

/// The single octet of a value.
pub(super) fn octet(tlv: &Tlv<'_>) -> Option<u8> {
    tlv.array::<1>(WHAT).ok().map(|[octet]| *octet)
}

/// Where the value octets start in the package.
pub(super) const fn value_offset(tlv: &Tlv<'_>) -> usize {
    tlv.offset + (tlv.raw.len() - tlv.value.len())
}

/// The data objects in some octets; none, if they are no sequence of data objects.
pub(super) fn objects(octets: &[u8]) -> Option<Vec<Tlv<'_>>> {
    let mut reader = Reader::with_rules(octets, WHAT, simyard_asn1::Rules::Ber);
    let mut found = Vec::new();
    while !reader.is_empty() {
        found.push(reader.read().ok()?);
    }
    Some(found)
}

/// The element at a place.
pub(super) fn element<'t, 'a>(package: &'t Package<'a>, place: usize) -> Option<&'t ProfileElement<'a>> {
    package.elements().get(place)
}

/// "1 octet", "2 octets".
pub(super) fn octets(count: impl std::fmt::Display) -> String {
    let count = count.to_string();
    if count == "1" { "1 octet".to_owned() } else { format!("{count} octets") }
}

/// Octets as upper case hexadecimal digits, the first of many.
pub(super) fn hex(octets: &[u8]) -> String {
    const SHOWN: usize = 20;
    let mut text = hex::encode_upper(octets.get(..SHOWN).unwrap_or(octets));
    if octets.len() > SHOWN {
        text.push_str("...");
    }
    text
}
