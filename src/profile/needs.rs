//! What a profile package needs of an eUICC: read from its header and from the files that it makes (TCA Profile Package
//! 8.1.2 ProfileHeader; SGP.22 annex H for the capabilities).
//!
//! The memory is what the profile takes at least: the octets of all files, those of templates with them, and of all
//! load blocks, of elements that the eUICC must not pass over. What an eUICC keeps beside that is its own affair and
//! known to it alone, so a profile that is let through may still not fit.

use simyard_asn1::Tag;
use simyard_asn1::saip::{ElementKind, Package, ProfileElement};

use super::tree::{Body, Tree};
use crate::domain::PackageNeeds;

/// `A1` loadBlock of an Application, and `C4` loadBlockObject in it.
const LOAD_BLOCK: Tag = Tag(0xA1);
const LOAD_BLOCK_OBJECT: Tag = Tag(0xC4);

/// What a package needs; `None` for one without a header that can be read. Services that this version does not know are
/// left to the eUICC.
#[must_use]
pub fn needs(package: &Package<'_>) -> Option<PackageNeeds> {
    let tree = Tree::of(package);
    let header = tree.header()?;
    let bits = header.mandatory_services.iter().filter_map(|service| service.uicc_capability());
    let must = |place: usize| package.elements().get(place).is_some_and(ProfileElement::is_mandated);
    let files = tree.files().filter(|(_, file)| must(file.element)).map(|(_, file)| match &file.body {
        Body::Content(content) => content.size,
        Body::Directory(_) | Body::Link { .. } => 0,
    });
    let code = package
        .elements()
        .iter()
        .filter(|element| element.kind == ElementKind::Application && element.is_mandated())
        .filter_map(load_block_octets);
    let octets = files.chain(code).fold(0_usize, usize::saturating_add);
    Some(PackageNeeds {
        version: (header.major_version, header.minor_version),
        capabilities: bits.fold(0, |all, bit| all | 1 << bit),
        non_volatile_octets: u64::try_from(octets).unwrap_or(u64::MAX),
    })
}

fn load_block_octets(element: &ProfileElement<'_>) -> Option<usize> {
    let mut members = element.body().ok()?;
    let block = members.optional(LOAD_BLOCK).ok()??;
    let mut members = block.members("ApplicationLoadPackage");
    while let Ok(member) = members.read() {
        if member.tag == LOAD_BLOCK_OBJECT {
            return Some(member.value.len());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::shipped;
    use simyard_asn1::rsp::info::uicc_capability;

    #[test]
    fn our_own_template_needs_what_it_holds() {
        let octets = shipped::find("iot").unwrap().build().unwrap();
        let needs = needs(&Package::from_der(&octets).unwrap()).unwrap();
        let has = |bit: u32| needs.capabilities >> bit & 1 == 1;
        assert!(has(uicc_capability::USIM) && has(uicc_capability::MILENAGE), "{needs:?}");
        assert!(!has(uicc_capability::TUAK_128), "{needs:?}");
        // Files alone: EF.IMSI to the phonebook, whatever their number.
        assert!((2_000..60_000).contains(&needs.non_volatile_octets), "{needs:?}");
    }

    #[test]
    fn a_load_block_counts_where_it_must_be_loaded() {
        let octets = shipped::find("iot").unwrap().build().unwrap();
        let plain = needs(&Package::from_der(&octets).unwrap()).unwrap();
        // In front of the end element: an Application with a load block of 1000 octets.
        let application = |mandated: &[u8]| {
            let mut writer = simyard_asn1::Writer::new();
            writer.nested(ElementKind::Application.tag(), |element| {
                element.nested(Tag(0xA0), |header| {
                    header.raw(mandated).integer(Tag(0x81), 999);
                });
                element.nested(LOAD_BLOCK, |block| {
                    block.tlv(Tag(0x4F), &[0xA0, 0, 0, 0, 9]).tlv(LOAD_BLOCK_OBJECT, &[1; 1000]);
                });
            });
            writer.finish()
        };
        for (mandated, more) in [(&[0x80, 0][..], 1000), (&[], 0)] {
            let package = Package::from_der(&octets).unwrap();
            let (end, before) = package.elements().split_last().unwrap();
            let mut longer: Vec<u8> = before.iter().flat_map(|element| element.tlv.raw.to_vec()).collect();
            longer.extend(application(mandated));
            longer.extend(end.tlv.raw);
            let longer = needs(&Package::from_der(&longer).unwrap()).unwrap();
            assert_eq!(longer.non_volatile_octets, plain.non_volatile_octets + more);
        }
    }
}
