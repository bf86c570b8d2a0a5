//! The tolerant tree of the published packages of GSMA TS.48: it is what is installed, and it goes on where packages
//! are broken.

use simyard::profile::image::{self, ProfileImage};
use simyard::profile::templates::FileKind;
use simyard::profile::tree::{Body, FileId, Tree};
use simyard_asn1::saip::{ElementKind, Package};

use super::{generic, published};

crate::tests!(
    the_tree_of_every_package_is_what_is_installed,
    files_of_file_management_have_the_names_of_the_standards,
    every_element_of_a_published_package_has_its_place,
    a_published_package_without_an_element_still_has_a_tree,
);

/// Every file of an image is in the tree with the same attributes and content, and the other way round.
fn the_tree_of_every_package_is_what_is_installed() {
    let ours = std::iter::once(("our own".to_owned(), generic()));
    for (name, octets) in published().into_iter().chain(ours) {
        let package = Package::from_der(&octets).unwrap();
        let (image, tree) = (ProfileImage::build(&package).unwrap(), Tree::of(&package));
        assert!(tree.problems().is_empty(), "{name}: {:?}", tree.problems());
        assert_eq!(image.nodes().count(), tree.files().count(), "{name}");
        for ((node_id, node), (id, file)) in image.nodes().zip(tree.files()) {
            let name = format!("{name} {}", tree.path(id));
            assert!(node.name.as_ref().is_none_or(|node| *node == file.name), "{name}");
            assert_eq!((node.fid, node.sfi, node.lcsi), (file.fid, file.sfi, file.lcsi), "{name}");
            assert_eq!(node.security, file.security, "{name}");
            match (&node.body, &file.body) {
                (image::Body::File(node), Body::Content(file)) => {
                    assert_eq!((node.structure, node.size), (file.structure, file.size), "{name}");
                    assert!(*node.content == *file.octets, "{name}");
                }
                (image::Body::Directory(node), Body::Directory(file)) => {
                    assert_eq!(node.aid.as_deref(), file.aid, "{name}");
                    assert_eq!(Some(&*node.pin_status), file.pin_status, "{name}");
                    assert_eq!(node.children.len(), file.children.len(), "{name}");
                }
                (image::Body::Link(_), Body::Link { target, .. }) => assert!(target.is_some(), "{name}"),
                _ => panic!("{name}"),
            }
            assert_eq!(image.access_rule(node_id), tree.access_rule(id).map(|(_, rule)| rule), "{name}");
        }
        assert_eq!(tree.puks().count(), image.puks.len(), "{name}");
        for (place, application) in image.applications.iter().enumerate() {
            assert_eq!(tree.applications()[place].aid, Some(&*application.aid), "{name}");
            assert_eq!(tree.aka(place).is_some(), image.aka(place).is_some(), "{name}");
        }
    }
}

fn files_of_file_management_have_the_names_of_the_standards() {
    for (name, octets) in published() {
        let tree = Tree::of(&Package::from_der(&octets).unwrap());
        let telecom = tree.find(&[0x7F10]).unwrap();
        for (fid, expected) in [(0x6F3A, "EF.ADN"), (0x6F40, "EF.MSISDN"), (0x6F44, "EF.LND")] {
            if let Some(id) = tree.child(telecom, fid) {
                assert_eq!(tree.file(id).unwrap().name, expected, "{name}");
            }
        }
        // A directory of one operator's own: no standard names it.
        let own = tree.find(&[0x7F66]).unwrap();
        assert_eq!((tree.path(own).as_str(), tree.file(own).unwrap().has_standard_name), ("MF/7F66", false));
        let ursp = tree.find(&[0x7FD0, 0x5FC0, 0x4F0B]);
        assert!(ursp.is_none_or(|id| tree.path(id) == "ADF.USIM/DF.5GS/EF.URSP"), "{name}");
        assert!(tree.find(&[0x7FD0, 0x5F50]).is_none_or(|id| tree.file(id).unwrap().name == "DF.HNB"));
    }
}

fn every_element_of_a_published_package_has_its_place() {
    for (name, octets) in published() {
        let tree = Tree::of(&Package::from_der(&octets).unwrap());
        for element in tree.elements() {
            let application = element.application.map(|place| tree.applications()[place].kind);
            let expected = match element.element.kind {
                ElementKind::Usim | ElementKind::OptUsim | ElementKind::GsmAccess | ElementKind::Df5gs => {
                    Some(image::ApplicationKind::Usim)
                }
                ElementKind::Isim | ElementKind::OptIsim => Some(image::ApplicationKind::Isim),
                ElementKind::Csim | ElementKind::OptCsim | ElementKind::CdmaParameter => {
                    Some(image::ApplicationKind::Csim)
                }
                ElementKind::Mf | ElementKind::Telecom | ElementKind::SecurityDomain => None,
                _ => continue,
            };
            assert_eq!(application, expected, "{name} {}", element.element.kind.name());
        }
        for application in tree.applications() {
            assert_eq!(tree.file(application.directory).unwrap().kind, FileKind::Adf);
        }
    }
}

fn a_published_package_without_an_element_still_has_a_tree() {
    for (name, octets) in published() {
        let package = Package::from_der(&octets).unwrap();
        let whole = Tree::of(&package).files().count();
        for left_out in 0..package.elements().len() {
            let rest: Vec<&[u8]> = package
                .elements()
                .iter()
                .enumerate()
                .filter(|(place, _)| *place != left_out)
                .map(|(_, element)| element.tlv.raw)
                .collect();
            let rest = rest.concat();
            let package = Package::from_der(&rest).unwrap();
            let tree = Tree::of(&package);
            assert!(tree.files().count() * 4 >= whole, "{name} without {left_out}");
            assert!(tree.file(FileId::MF).is_some(), "{name}");
        }
    }
}
