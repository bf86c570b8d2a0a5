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
