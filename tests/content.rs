//! Contents of files in words: what the published packages of TS.48 hold.

use std::collections::BTreeMap;

use simyard::profile::content;
use simyard::profile::image::{Body, NodeId, ProfileImage, Structure};
use simyard::profile::templates::Template;
use simyard_asn1::Oid;
use simyard_asn1::saip::{ElementKind, Package};

use crate::profile::published;

crate::tests!(contents_of_the_published_packages_have_words);

/// The application or directory that a file lies in, and the file's name; files outside templates are named by the
/// template of their directory where it has their identifier.
fn place(image: &ProfileImage, id: NodeId) -> (ElementKind, String) {
    let node = image.node(id).unwrap();
    let above = |id: NodeId| image.node(id).unwrap().parent;
    let mut directory = node.parent;
    let mut kind = ElementKind::Mf;
    while directory != NodeId::MF {
        match image.node(directory).unwrap().name.as_deref() {
            Some("ADF.USIM") => kind = ElementKind::Usim,
            Some("ADF.ISIM") => kind = ElementKind::Isim,
            Some("ADF.CSIM") => kind = ElementKind::Csim,
            _ => {}
        }
        directory = above(directory);
    }
    let fid = node.fid;
    let name = node.name.as_deref().map(str::to_owned).or_else(|| {
        let directory = image.node(node.parent).unwrap().fid;
        ElementKind::KNOWN.iter().find_map(|kind| {
            let oid = (1..5).rev().find_map(|version| Template::identifier(*kind, version))?;
            let template = Template::find(&Oid::parse(&oid)?)?;
            let within = |row: &simyard::profile::templates::Row| {
                template.row(row.parent).is_some_and(|parent| parent.fid == directory)
            };
            let is = |row: &simyard::profile::templates::Row| {
                row.fid == fid || row.fid_range.zip(fid).is_some_and(|((a, b), fid)| (a..=b).contains(&fid))
            };
            template.rows().find(|row| within(row) && is(row)).map(|row| row.name.to_owned())
        })
    });
    (kind, name.unwrap_or_else(|| fid.map_or_else(|| "?".to_owned(), |fid| format!("{fid:04X}"))))
}

/// Every content: a transparent file or a record, of all eight packages.
fn contents() -> Vec<(ElementKind, String, Vec<u8>)> {
    let mut all = Vec::new();
    for (_, octets) in published() {
        let image = ProfileImage::build(&Package::from_der(&octets).unwrap())
            .unwrap_or_else(|error| panic!("{error}"));
        for (id, node) in image.nodes() {
            let Body::File(file) = &node.body else { continue };
            let (kind, name) = place(&image, id);
            let length = match file.structure {
                Structure::LinearFixed(length) | Structure::Cyclic(length) => usize::from(length),
                Structure::Transparent | Structure::BerTlv => file.content.len().max(1),
            };
            let records = file.content.chunks(length);
            all.extend(records.map(|record| (kind, name.clone(), record.to_vec())));
        }
    }
    all
}

/// Files that remain octets, and why they may.
const WITHOUT_WORDS: &[(ElementKind, &str)] = &[];

fn contents_of_the_published_packages_have_words() {
    let mut octets: BTreeMap<bool, usize> = BTreeMap::new();
    let mut missing: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (kind, name, content) in contents() {
        let words = content::decode(kind, &name, &content);
        *octets.entry(words.is_some()).or_default() += content.len();
        match words {
            Some(words) => {
                assert_eq!(content::encode(kind, &name, &words).as_ref(), Ok(&content), "{name}: {words}");
                if std::env::var_os("SHOW").is_some() {
                    println!("{:?} {name}: {words}", kind);
                }
            }
            None => missing.entry((format!("{kind:?}"), name)).or_default().push(hex::encode_upper(&content)),
        }
    }
    if std::env::var_os("SHOW").is_some() {
        for (key, mut contents) in missing.clone() {
            contents.dedup();
            println!(
                "MISSING {key:?} {}",
                contents.iter().map(|c| &c[..c.len().min(90)]).collect::<Vec<_>>().join(" ")
            );
        }
    }
    println!("{octets:?}");
    let _ = WITHOUT_WORDS;
}
