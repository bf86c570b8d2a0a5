//! Names of files that file management created: by identifier and directory, from the templates and from a short table.

use simyard_asn1::saip::ElementKind;

use super::File;
use crate::profile::templates::{FileKind, Row, Template};

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

/// The name of a file with this identifier in a directory, and the element whose tables have it.
pub(super) fn find(directory: &File<'_>, fid: u16, kind: FileKind) -> Option<(&'static str, ElementKind)> {
    in_templates(directory, fid, kind).or_else(|| {
        let (.., name) =
            OUTSIDE_TEMPLATES.iter().find(|(above, id, _)| *above == directory.name && *id == fid)?;
        Some((*name, directory.table))
    })
}

fn in_templates(directory: &File<'_>, fid: u16, kind: FileKind) -> Option<(&'static str, ElementKind)> {
    Template::latest().find_map(|template| {
        let is_it = |row: &&'static Row| {
            (row.fid == Some(fid) || row.fid_range.is_some_and(|(first, last)| (first..=last).contains(&fid)))
                && (row.kind == kind || kind == FileKind::Unknown)
                && lies_in(&template, row, directory)
        };
        template.rows().find(is_it).map(|row| (row.name, template.kind))
    })
}

/// Whether files of this row lie in this directory.
fn lies_in(template: &Template, row: &Row, directory: &File<'_>) -> bool {
    if row.parent != 0 {
        let above = template.row(row.parent);
        return directory.table == template.kind && above.is_some_and(|above| above.name == directory.name);
    }
    match template.kind {
        ElementKind::Telecom | ElementKind::Cd => directory.kind == FileKind::Mf,
        ElementKind::OptIsim => directory.kind == FileKind::Adf && directory.table == ElementKind::Isim,
        ElementKind::OptCsim => directory.kind == FileKind::Adf && directory.table == ElementKind::Csim,
        // All others with rows that name no directory are for the USIM.
        _ => directory.kind == FileKind::Adf && directory.table == ElementKind::Usim,
    }
}
