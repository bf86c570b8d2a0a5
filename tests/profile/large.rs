//! Packages made to take long: as large as they may be, with as much of one thing as there may be. They are read in
//! seconds; where every command or code was looked for among all the others, these tests would take many minutes.

use simyard::profile::comparison::compare;
use simyard::profile::image::{MAX_FILES, MAX_NESTING, ProfileImage, Reason};
use simyard::profile::lint::{Rule, lint, lint_together};
use simyard::profile::overview::{Overview, Reveal, text};
use simyard::profile::tree::Tree;
use simyard_asn1::saip::{MAX_PACKAGE, Package};
use simyard_asn1::{Tag, Writer};

use super::generic;

crate::tests!(
    files_are_found_among_thousands_a_hundred_thousand_times,
    directories_that_links_nest_without_end_are_left_out,
    thousands_of_codes_and_keys_are_told_apart,
);

/// Commands of one element.
const COMMANDS: usize = 4000;

fn tlv(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.tlv(Tag(tag), value);
    writer.finish()
}

fn path(fids: &[u16]) -> Vec<u8> {
    tlv(0x80, &fids.iter().flat_map(|fid| fid.to_be_bytes()).collect::<Vec<_>>())
}

fn fcp(descriptor: &[u8], fid: u16, more: &[&[u8]]) -> Vec<u8> {
    let access = tlv(0x8B, &[0x2F, 0x06, 0x01]);
    tlv(0x62, &[&tlv(0x82, descriptor), &tlv(0x83, &fid.to_be_bytes()), &access[..], &more.concat()].concat())
}

fn directory(fid: u16, more: &[u8]) -> Vec<u8> {
    fcp(&[0x78, 0x21], fid, &[&tlv(0xC6, &[0x01, 0x0A, 0x0B]), more])
}

/// Header and MF of our own package, then these elements, then End. Elements get identifications of their own.
fn package(elements: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let octets = generic();
    let original = Package::from_der(&octets).unwrap();
    let mut package: Vec<u8> =
        original.elements()[..2].iter().flat_map(|element| element.tlv.raw.to_vec()).collect();
    for (number, (tag, body)) in elements.iter().enumerate() {
        let identification = u16::try_from(1000 + number).unwrap().to_be_bytes();
        let header = tlv(0xA0, &[tlv(0x80, &[]), tlv(0x81, &identification)].concat());
        package.extend(tlv(*tag, &[header, body.clone()].concat()));
    }
    package.extend(original.elements().last().unwrap().tlv.raw);
    assert!(package.len() <= MAX_PACKAGE, "{}", package.len());
    package
}

/// File management in elements of at most [`COMMANDS`] commands.
fn management(commands: &[Vec<u8>]) -> Vec<(u32, Vec<u8>)> {
    commands.chunks(COMMANDS).map(|some| (0xA1, tlv(0xA1, &tlv(0x30, &some.concat())))).collect()
}

/// Lets everything read a package that reads packages.
fn read(octets: &[u8]) -> Vec<Rule> {
    let package = Package::from_der(octets).unwrap();
    let overview = Overview::of(&Tree::of(&package), Reveal::Nothing);
    assert!(text::render(&overview, 80).len() < 32 << 20);
    let other = generic();
    let other = Overview::of(&Tree::of(&Package::from_der(&other).unwrap()), Reveal::Nothing);
    assert!(!compare(&overview, &other).differences.is_empty());
    assert!(compare(&overview, &overview.clone()).differences.is_empty());
    lint(octets).findings.iter().map(|finding| finding.rule).collect()
}

fn files_are_found_among_thousands_a_hundred_thousand_times() {
    let file = |number: u16| fcp(&[0x41, 0x21], 0x4000 + number, &[&tlv(0x80, &[1])]);
    let mut commands: Vec<Vec<u8>> = (0..4000).map(file).collect();
    commands.extend((0..200_000).map(|number| path(&[0x4000 + 3999 - u16::try_from(number % 500).unwrap()])));
    let octets = package(&management(&commands));
    let image = ProfileImage::build_for_any_card(&Package::from_der(&octets).unwrap()).unwrap();
    assert!(image.nodes().count() > 4000);
    read(&octets);
    // One too many.
    commands.splice(0..0, (4000..=u16::try_from(MAX_FILES).unwrap()).map(file));
    let octets = package(&management(&commands[..COMMANDS + 200]));
    assert!(read(&octets).contains(&Rule::FileMemory));
}

fn directories_that_links_nest_without_end_are_left_out() {
    let mut commands = vec![directory(0x5000, &[])];
    let mut place = vec![0x5000];
    for link in 0..900 {
        while place.len() < 4 {
            commands.extend([path(&place), directory(0x5001, &[])]);
            place.push(0x5001);
        }
        let to: Vec<u8> = place.iter().flat_map(|fid: &u16| fid.to_be_bytes()).collect();
        commands.extend([path(&[]), directory(0x6000 + link, &tlv(0xC7, &to))]);
        place = vec![0x6000 + link];
    }
    let octets = package(&management(&commands));
    let package = Package::from_der(&octets).unwrap();
    let tree = Tree::of(&package);
    let deepest = tree.files().map(|(id, _)| tree.ancestors(id).count()).max().unwrap();
    assert_eq!(deepest, MAX_NESTING + 1, "the file in the innermost directory counts too");
    let error = ProfileImage::build_for_any_card(&package).err().unwrap();
    assert_eq!(error.reason, Reason::Memory);
    assert!(read(&octets).contains(&Rule::FileMemory));
}

fn thousands_of_codes_and_keys_are_told_apart() {
    // A PUKCodes element with more codes than there are references, and a key with thousands of components: neither
    // can be read, and both are looked at.
    let puk = |number: u16| tlv(0x30, &tlv(0x80, &(number & 0x7FFF).to_be_bytes()));
    let puks: Vec<u8> = (0..40_000).flat_map(puk).collect();
    let component =
        |number: u32| tlv(0x30, &[tlv(0x80, &[0x88]), tlv(0x86, &u128::from(number).to_be_bytes())].concat());
    let components: Vec<u8> = (0..16_000).flat_map(component).collect();
    let key = [tlv(0x95, &[0x18]), tlv(0x82, &[1]), tlv(0x83, &[1]), tlv(0x30, &components)].concat();
    let mut octets = package(&[(0xA3, tlv(0xA1, &puks)), (0xA6, tlv(0xA2, &tlv(0x30, &key)))]);
    // Keys of a template are to be personalised, and nobody's: another ICCID than zeros.
    let iccid = octets.windows(2).position(|header| header == [0x83, 0x0A]).unwrap();
    octets[iccid + 8] = 0x12;
    let rules = read(&octets);
    assert!(rules.contains(&Rule::PinReferenceTwice) && rules.contains(&Rule::PinReference));
    let reports = lint_together(&[&octets, &octets]);
    assert!(reports[1].findings.iter().any(|finding| finding.rule == Rule::SetKeyShared));
}
