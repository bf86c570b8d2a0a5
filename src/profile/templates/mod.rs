//! The file system templates of the standard: tables of files that a profile element names by number only
//! (TCA Profile Package, chapter 9).
//!
//! Values in which a published catalogue is known to err stand here as 3GPP TS 31.102 and TS 31.103 give
//! them. The tables say what is created, not which services announce it.

mod common;
mod isim;
mod row;
mod unknown;
mod usim;

pub use row::{DefaultContent, FileKind, Row};

use simyard_asn1::Oid;
use simyard_asn1::saip::ElementKind;

/// The arc under which all templates are: tca(143) of 2.23, then templates.
const ARC: &str = "2.23.143.1.2";
/// The same as content octets.
const ARC_OCTETS: &[u8] = &[0x67, 0x81, 0x0F, 0x01, 0x02];

/// A file system template in one of its versions.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// The element that it belongs to.
    pub kind: ElementKind,
    /// 1, or the last arc of identifiers that have one more.
    pub version: u8,
    /// Whether its files are created without being listed.
    pub created_by_default: bool,
    rows: &'static [Row],
}

/// One line of the catalogue: arc below [`ARC`], latest version, element, creation by default, rows.
struct Entry(u8, u8, ElementKind, bool, &'static [Row]);

/// All templates in the order of their identifiers.
const CATALOGUE: &[Entry] = &[
    Entry(1, 1, ElementKind::Mf, true, common::MF),
    Entry(2, 1, ElementKind::Cd, false, common::CD),
    Entry(3, 2, ElementKind::Telecom, false, common::TELECOM),
    Entry(4, 2, ElementKind::Usim, true, usim::USIM),
    Entry(5, 3, ElementKind::OptUsim, false, usim::OPT_USIM),
    Entry(6, 1, ElementKind::Phonebook, false, common::PHONEBOOK),
    Entry(7, 1, ElementKind::GsmAccess, false, usim::GSM_ACCESS),
    Entry(8, 1, ElementKind::Isim, true, isim::ISIM),
    Entry(9, 2, ElementKind::OptIsim, false, isim::OPT_ISIM),
    Entry(10, 2, ElementKind::Csim, true, unknown::CSIM),
    Entry(11, 2, ElementKind::OptCsim, false, unknown::OPT_CSIM),
    Entry(12, 1, ElementKind::Eap, false, usim::EAP),
    Entry(13, 4, ElementKind::Df5gs, false, usim::DF_5GS),
    Entry(14, 1, ElementKind::DfSaip, false, usim::DF_SAIP),
    Entry(15, 1, ElementKind::DfSnpn, false, usim::DF_SNPN),
    Entry(16, 1, ElementKind::Df5gProse, false, usim::DF_5G_PROSE),
    Entry(17, 1, ElementKind::Iot, true, unknown::IOT),
    Entry(18, 1, ElementKind::OptIot, false, unknown::OPT_IOT),
];

impl Template {
    /// The template with this identifier, if it is known in that version.
    #[must_use]
    pub fn find(oid: &Oid) -> Option<Self> {
        // By octets: what is printed is for people. All arcs and versions of the catalogue are single octets.
        let (arc, version) = match oid.as_content().strip_prefix(ARC_OCTETS)? {
            [arc] => (*arc, 1),
            [arc, version @ 2..=0x7F] => (*arc, *version),
            _ => return None,
        };
        let Entry(_, latest, kind, created_by_default, rows) =
            CATALOGUE.iter().find(|entry| entry.0 == arc)?;
        (version <= *latest).then_some(Self {
            kind: *kind,
            version,
            created_by_default: *created_by_default,
            rows,
        })
    }

    /// Every template in its latest version.
    pub fn latest() -> impl Iterator<Item = Self> {
        CATALOGUE.iter().map(|Entry(_, latest, kind, created_by_default, rows)| Self {
            kind: *kind,
            version: *latest,
            created_by_default: *created_by_default,
            rows,
        })
    }

    /// The identifier of a template, in dotted decimals.
    #[must_use]
    pub fn identifier(kind: ElementKind, version: u8) -> Option<String> {
        let Entry(arc, latest, ..) = CATALOGUE.iter().find(|entry| entry.2 == kind)?;
        match version {
            1 => Some(format!("{ARC}.{arc}")),
            later if (2..=*latest).contains(&later) => Some(format!("{ARC}.{arc}.{later}")),
            _ => None,
        }
    }

    /// The files of this version in the order of their fields.
    pub fn rows(&self) -> impl Iterator<Item = &'static Row> + use<> {
        let version = self.version;
        self.rows.iter().filter(move |row| (row.since..=row.until).contains(&version))
    }

    /// The file with this field number.
    #[must_use]
    pub fn row(&self, field: u32) -> Option<&'static Row> {
        self.rows().find(|row| row.field == field)
    }
}

/// The file of a template at a path from the MF, which is not written. `applications` are the directories of the
/// applications by their temporary identifiers. Of several templates that know the path, the last version counts. Files
/// whose identifier the package chooses from a range are not found.
#[must_use]
pub fn at_path(path: &[u16], applications: &[(u16, ElementKind)]) -> Option<(ElementKind, &'static Row)> {
    let (first, rest) = path.split_first()?;
    let application = applications.iter().find(|(fid, _)| fid == first).map(|(_, kind)| *kind);
    let Some(application) = application else {
        // Below the MF: its own files, and directories that elements bring.
        return CATALOGUE.iter().filter(|entry| entry.is_of(None)).find_map(|entry| entry.walk(path));
    };
    let is_adf = |entry: &&Entry| entry.2 == application;
    if rest.is_empty() {
        let adf = CATALOGUE.iter().find(is_adf)?;
        return Some((application, adf.4.iter().find(|row| row.kind == FileKind::Adf)?));
    }
    CATALOGUE.iter().filter(|entry| entry.is_of(Some(application))).find_map(|entry| entry.walk(rest))
}

impl Entry {
    /// Whether the files of the element lie below an application of this kind; below none with `None`.
    fn is_of(&self, application: Option<ElementKind>) -> bool {
        let of = match self.2 {
            ElementKind::Usim
            | ElementKind::OptUsim
            | ElementKind::Phonebook
            | ElementKind::GsmAccess
            | ElementKind::Df5gs
            | ElementKind::DfSaip
            | ElementKind::DfSnpn
            | ElementKind::Df5gProse => Some(ElementKind::Usim),
            ElementKind::Isim | ElementKind::OptIsim => Some(ElementKind::Isim),
            ElementKind::Csim | ElementKind::OptCsim => Some(ElementKind::Csim),
            ElementKind::Mf | ElementKind::Cd | ElementKind::Telecom => None,
            // PE-IoT brings both, DF.EAP has no identifier of its own.
            _ => return false,
        };
        of == application
    }

    /// The file at a path from the directory that the element stands in.
    fn walk(&self, path: &[u16]) -> Option<(ElementKind, &'static Row)> {
        // The files of the MF and of an application lie below the first row, which the path does not name.
        let top = self.4.first().filter(|row| matches!(row.kind, FileKind::Mf | FileKind::Adf));
        let mut parent = top.map_or(0, |row| row.field);
        let mut found = None;
        for fid in path {
            let is_it = |row: &&Row| row.parent == parent && row.fid == Some(*fid) && row.until == u8::MAX;
            let row = self.4.iter().find(is_it)?;
            parent = row.field;
            found = Some((self.2, row));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all() -> Vec<Template> {
        CATALOGUE
            .iter()
            .flat_map(|entry| (1..=entry.1).map(|version| Template::identifier(entry.2, version).unwrap()))
            .map(|oid| Template::find(&Oid::parse(&oid).unwrap()).unwrap())
            .collect()
    }

    #[test]
    fn every_template_numbers_its_fields_without_gap_and_names_each_file_once() {
        for template in all() {
            let fields: Vec<u32> = template.rows().map(|row| row.field).collect();
            let expected: Vec<u32> = (2..).take(fields.len()).collect();
            assert_eq!(fields, expected, "{:?} {}", template.kind, template.version);
            let mut ids = BTreeSet::new();
            for row in template.rows() {
                assert!(row.fid.is_none_or(|fid| ids.insert((row.parent, fid))), "{} twice", row.name);
                assert!(
                    row.parent == 0 || template.row(row.parent).unwrap().kind.is_directory(),
                    "{} lies in no directory",
                    row.name
                );
                let sized = row.size.or(row.record_length).unwrap_or(20);
                assert_eq!(
                    row.content.expand(usize::from(sized)).is_some(),
                    matches!(row.content, DefaultContent::Notation(_) | DefaultContent::Repeat(_)),
                    "{}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn default_contents_fill_their_files_exactly() {
        for template in all() {
            for row in template.rows() {
                let (DefaultContent::Notation(text), Some(size)) =
                    (row.content, row.size.or(row.record_length))
                else {
                    continue;
                };
                let fits = text.contains("...") || text.len() == 2 * usize::from(size);
                assert!(fits, "{}: {text} for {size} octets", row.name);
            }
        }
    }

    #[test]
    fn templates_are_found_by_octets() {
        assert_eq!(Oid::parse(ARC).unwrap().as_content(), ARC_OCTETS);
        let found = |rest: &[u8]| {
            Template::find(&Oid::from_content(&[ARC_OCTETS, rest].concat()).unwrap())
                .map(|template| (template.kind, template.version))
        };
        assert_eq!(found(&[4]), Some((ElementKind::Usim, 1)));
        assert_eq!(found(&[4, 2]), Some((ElementKind::Usim, 2)));
        // An arc whose low bits alone are 4, with 128 bits and more in front of them.
        let long = [&[0x84][..], &[0x80; 18], &[0x04]].concat();
        for rest in [&[][..], &[4, 0], &[4, 1], &[4, 3], &[4, 2, 1], &[0x81, 0x04], &[19], &long] {
            assert_eq!(found(rest), None, "{rest:02X?}");
        }
    }

    #[test]
    fn files_are_found_by_path() {
        let applications = [(0x7FD0, ElementKind::Usim), (0x7FB0, ElementKind::Isim)];
        let name = |path: &[u16]| at_path(path, &applications).map(|(kind, row)| (kind.name(), row.name));
        assert_eq!(name(&[0x2FE2]), Some(("mf", "EF.ICCID")));
        assert_eq!(name(&[0x7F10]), Some(("telecom", "DF.TELECOM")));
        assert_eq!(name(&[0x7F10, 0x5F3A, 0x4F30]), Some(("telecom", "EF.PBR")));
        // A phonebook's own EF.PBR says what the files of a range are.
        assert_eq!(name(&[0x7F10, 0x5F3A, 0x4F3A]), None);
        assert_eq!(name(&[0x7FD0]), Some(("usim", "ADF.USIM")));
        assert_eq!(name(&[0x7FD0, 0x6F07]), Some(("usim", "EF.IMSI")));
        assert_eq!(name(&[0x7FD0, 0x6F40]), Some(("opt-usim", "EF.MSISDN")));
        assert_eq!(name(&[0x7FD0, 0x5FC0, 0x4F0B]), Some(("df-5gs", "EF.URSP")));
        assert_eq!(name(&[0x7FB0, 0x6F07]), Some(("isim", "EF.IST")));
        for unknown in [&[][..], &[0x3F00], &[0x7F10, 0x6F07], &[0x7FD1, 0x6F07], &[0x6F07]] {
            assert_eq!(name(unknown), None, "{unknown:04X?}");
        }
    }

    #[test]
    fn versions_differ_where_the_standard_says() {
        let find = |oid: &str| Template::find(&Oid::parse(oid).unwrap());
        let last = |oid: &str| find(oid).unwrap().rows().last().unwrap().name;
        assert_eq!(last("2.23.143.1.2.5"), "EF.IPD");
        assert_eq!(last("2.23.143.1.2.5.2"), "EF.MuDMiDConfigData");
        assert_eq!(last("2.23.143.1.2.5.3"), "EF.eAKA");
        assert_eq!(last("2.23.143.1.2.13"), "EF.Routing_Indicator");
        assert_eq!(last("2.23.143.1.2.13.3"), "EF.TN3GPPSNN");
        assert_eq!(last("2.23.143.1.2.13.4"), "EF.KAUSF_DERIVATION");
        assert_eq!(last("2.23.143.1.2.3"), "EF.MMSSMODE");
        assert_eq!(last("2.23.143.1.2.9"), "EF.UICCIARI");
        let ust = |oid: &str| find(oid).unwrap().row(8).unwrap().size;
        assert_eq!((ust("2.23.143.1.2.4"), ust("2.23.143.1.2.4.2")), (Some(14), Some(17)));
        let nsc = |oid: &str| find(oid).unwrap().row(5).unwrap();
        assert_eq!(nsc("2.23.143.1.2.13.2").record_length, Some(57));
        assert_eq!(nsc("2.23.143.1.2.13.3").record_length, Some(62));
        for unknown in ["2.23.143.1.2.1.2", "2.23.143.1.2.19", "2.23.143.1.2.4.1", "2.23.143.1.3.1", "2.999"]
        {
            assert!(find(unknown).is_none(), "{unknown}");
        }
    }
}
