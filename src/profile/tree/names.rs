//! Names of files that file management created: by identifier and directory, from the templates and from a short table.

use simyard_asn1::saip::ElementKind;

use super::{Body, File, FileId, Tree};
use crate::profile::content::phonebook_files;
use crate::profile::templates::{self, FileKind, Row};

/// Files of TS 31.102 4.4 and TS 51.011 10 that no template has: directory, identifier, name.
const OUTSIDE_TEMPLATES: &[(&str, u16, &str)] = &[
    ("DF.TELECOM", 0x6F3A, "EF.ADN"),
    ("DF.TELECOM", 0x6F3B, "EF.FDN"),
    ("DF.TELECOM", 0x6F3C, "EF.SMS"),
    ("DF.TELECOM", 0x6F3D, "EF.CCP"),
    ("DF.TELECOM", 0x6F40, "EF.MSISDN"),
    ("DF.TELECOM", 0x6F42, "EF.SMSP"),
    ("DF.TELECOM", 0x6F43, "EF.SMSS"),
    ("DF.TELECOM", 0x6F44, "EF.LND"),
    ("DF.TELECOM", 0x6F47, "EF.SMSR"),
    ("DF.TELECOM", 0x6F49, "EF.SDN"),
    ("DF.TELECOM", 0x6F4A, "EF.EXT1"),
    ("DF.TELECOM", 0x6F4B, "EF.EXT2"),
    ("DF.TELECOM", 0x6F4C, "EF.EXT3"),
    ("DF.TELECOM", 0x6F4D, "EF.BDN"),
    ("DF.TELECOM", 0x6F4E, "EF.EXT4"),
    ("MF", 0x7F20, "DF.GSM"),
    ("ADF.USIM", 0x5F40, "DF.WLAN"),
    ("ADF.USIM", 0x5F50, "DF.HNB"),
    ("ADF.USIM", 0x5F70, "DF.SoLSA"),
    ("ADF.USIM", 0x5F90, "DF.ProSe"),
    ("ADF.USIM", 0x5FA0, "DF.ACDC"),
    ("ADF.USIM", 0x5FB0, "DF.TV"),
    ("DF.HNB", 0x4F81, "EF.ACSGL"),
    ("DF.HNB", 0x4F82, "EF.CSGT"),
    ("DF.HNB", 0x4F83, "EF.HNBN"),
    ("DF.HNB", 0x4F84, "EF.OCSGL"),
    ("DF.HNB", 0x4F85, "EF.OCSGT"),
    ("DF.HNB", 0x4F86, "EF.OHNBN"),
];

/// The name of a file with this identifier in a directory, and the element whose tables have it. A file of another kind
/// than the tables say is not the one that they mean.
pub(super) fn find(
    tree: &Tree<'_>,
    directory: FileId,
    fid: u16,
    kind: FileKind,
) -> Option<(&'static str, ElementKind)> {
    let directories: Vec<&File<'_>> = tree.ancestors(directory).filter_map(|id| tree.file(id)).collect();
    let mut path: Vec<u16> =
        directories.iter().filter(|file| file.kind != FileKind::Mf).filter_map(|file| file.fid).collect();
    path.reverse();
    path.push(fid);
    let application = directories.iter().find(|file| file.kind == FileKind::Adf);
    let application: Vec<(u16, ElementKind)> =
        application.and_then(|adf| Some((adf.fid?, adf.table))).into_iter().collect();
    // Files of a phonebook have the identifiers that EF.PBR gives them: see `name_phonebooks`.
    let is_it = |row: &Row| row.kind == kind && row.fid_range.is_none();
    let in_templates = templates::at_path(&path, &application).filter(|(_, row)| is_it(row));
    if let Some((table, row)) = in_templates {
        return Some((row.name, table));
    }
    let above = directories.first()?;
    let (.., name) = OUTSIDE_TEMPLATES.iter().find(|(name, id, _)| *name == above.name && *id == fid)?;
    Some((*name, above.table))
}

/// Names the files that file management created in phonebooks: what they are says EF.PBR, not their identifiers
/// ([`phonebook_files`]).
pub(super) fn name_phonebooks(tree: &mut Tree<'_>) {
    let phonebooks: Vec<FileId> =
        tree.files().filter(|(_, file)| file.name == "DF.PHONEBOOK").map(|(id, _)| id).collect();
    for phonebook in phonebooks {
        let Some(structure) = tree.child_by_name(phonebook, "EF.PBR").and_then(|id| tree.content(id)) else {
            continue;
        };
        let named: Vec<(u16, &'static str)> = structure.records().flat_map(phonebook_files).collect();
        for (fid, name) in named {
            let Some(id) = tree.child(phonebook, fid) else { continue };
            let Some(file) = tree.files.get_mut(id.0).filter(|file| file.row.is_none()) else { continue };
            name.clone_into(&mut file.name);
            file.has_standard_name = true;
            if let Some(File { body: Body::Directory(directory), .. }) = tree.files.get_mut(phonebook.0) {
                let first = directory.by_name.entry(name.to_owned()).or_insert(id);
                *first = id.min(*first);
            }
        }
    }
}
