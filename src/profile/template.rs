//! Our own profile: a generic subscription for phones and IoT devices, LTE and 5G, with Milenage.
//!
//! It is described here element by element with the names of the file system templates, in version 2.3 of the package
//! format and the first versions of the templates, which every eUICC in the field knows. DF.5GS is not mandated: an
//! eUICC that does not know it leaves it out. Every value that belongs to one subscription is a placeholder;
//! [`super::plan`] finds and replaces them.
//!
//! Access rules are those of the templates: both EF.ARR hold rules 1 to 14 in this order (TCA Profile Package 9.9).

use simyard_asn1::saip::ElementKind;
use simyard_asn1::{Oid, Tag, Writer};

use super::templates::Template;

/// The version of the package format.
const VERSION: (i64, i64) = (2, 3);
/// The name that the header gives.
const PROFILE_TYPE: &str = "Simyard generic profile";
/// The AID of the USIM (TS 101 220 annex E: application code 1002, no country, no provider).
const USIM_AID: [u8; 16] =
    [0xA0, 0, 0, 0, 0x87, 0x10, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0x89, 0x07, 0x09, 0x00, 0x00];
/// The identifier of ADF.USIM inside the package.
const USIM_FID: [u8; 2] = [0x7F, 0xD0];

/// Mandatory services of the header: usim and milenage.
const SERVICES: [u32; 2] = [1, 4];
/// The templates that an eUICC must know.
const MANDATORY: [ElementKind; 4] =
    [ElementKind::Mf, ElementKind::Telecom, ElementKind::Usim, ElementKind::OptUsim];

/// Services of EF.UST (TS 31.102 4.2.8): SMS, its parameters, SPN, PLMN selectors, MSISDN, "shall be set", EHPLMN, EPS,
/// 5GS mobility, 5G keys, access identities.
const UST: [u8; 13] = [10, 12, 19, 20, 21, 33, 42, 43, 71, 85, 122, 123, 126];
/// Octets of EF.UST, so that service 126 has a bit.
const UST_SIZE: usize = 17;

/// The access rules of the templates, by their number (TCA Profile Package 9.9).
const ACCESS_RULES: [&str; 14] = [
    "8001019000800102A406830101950108800158A40683010A950108",
    "800101A40683010195010880015AA40683010A950108",
    "80015BA40683010A950108",
    "800101900080011A9700800140A40683010A950108",
    "800103A406830101950108800158A40683010A950108",
    "800111A40683010195010880014AA40683010A950108",
    "800103A406830101950108800158A40683010A950108840132A406830101950108",
    "800101A406830101950108800102A406830181950108800158A40683010A950108",
    "800101900080011AA406830101950108800140A40683010A950108",
    "800101900080015AA40683010A950108",
    "8001019000800118A40683010A9501088001429700",
    "800101A40683010195010880015A9700",
    "800113A406830101950108800148A40683010A950108",
    "80015EA40683010A950108",
];
/// Octets of the longest rule.
const RULE_LENGTH: usize = 33;

/// Key references (TS 102 221 9.3).
const PIN1: u8 = 0x01;
const PIN2: u8 = 0x81;
const ADM1: u8 = 0x0A;

/// Placeholders of what belongs to one subscription.
const ICCID: &str = "89000000000000000000";
const IMSI: &str = "089910100000000000";
const PLACEHOLDER_CODE: [u8; 8] = *b"00000000";
const PLACEHOLDER_KEY: [u8; 16] = [0; 16];

/// One file of an element: its name in the template, Fcp members, content.
struct File {
    name: &'static str,
    fcp: Vec<(Tag, Vec<u8>)>,
    content: Vec<u8>,
    /// Whether the file is one of the template that this profile does without.
    do_not_create: bool,
}

/// A file with its template's attributes and this content, in hexadecimal digits.
fn file(name: &'static str, content: &str) -> File {
    File { name, fcp: Vec::new(), content: octets(content), do_not_create: false }
}

/// Our own constants in hexadecimal digits; a test reads all of them.
fn octets(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap_or_default()
}

impl File {
    /// Adds a member of the Fcp; they stand in the order of the module.
    fn with(mut self, tag: u32, value: &[u8]) -> Self {
        const ORDER: [u32; 10] = [0x82, 0x83, 0x84, 0x8A, 0x8B, 0x80, 0xC6, 0x88, 0xA5, 0xC7];
        self.fcp.push((Tag(tag), value.to_vec()));
        self.fcp.sort_by_key(|(tag, _)| ORDER.iter().position(|known| *known == tag.0));
        self
    }

    /// Records of `length` octets, as many as the content fills.
    fn records(self, length: u8) -> Self {
        let size = u16::try_from(self.content.len()).unwrap_or(u16::MAX).to_be_bytes();
        let size: Vec<u8> = size.into_iter().skip_while(|octet| *octet == 0).collect();
        self.with(0x82, &[0x42, 0x21, 0x00, length]).with(0x80, &size)
    }

    fn write(&self, writer: &mut Writer, number: u32) {
        writer.nested(Tag::context_constructed(number), |w| {
            if self.do_not_create {
                w.tlv(Tag(0x80), &[]);
            }
            if !self.fcp.is_empty() {
                w.nested(Tag(0xA1), |w| {
                    for (tag, value) in &self.fcp {
                        w.tlv(*tag, value);
                    }
                });
            }
            if !self.content.is_empty() {
                w.tlv(Tag(0x83), &self.content);
            }
        });
    }
}

/// A directory: identifier where the template has none or to be explicit, and its PIN status template DO.
fn directory(name: &'static str, pin_status: &[u8]) -> File {
    file(name, "").with(0xC6, pin_status)
}

/// Writes elements and numbers them.
struct Elements {
    writer: Writer,
    last: i64,
}

impl Elements {
    fn element(&mut self, kind: ElementKind, mandated: Mandated, members: impl FnOnce(&mut Writer)) {
        self.last += 1;
        let identification = self.last;
        self.writer.nested(kind.tag(), |w| {
            w.nested(Tag(0xA0), |w| {
                if matches!(mandated, Mandated::Yes) {
                    w.tlv(Tag(0x80), &[]);
                }
                w.integer(Tag(0x81), identification);
            });
            members(w);
        });
    }

    /// An element of files, which must come in the order of the template.
    fn files(&mut self, kind: ElementKind, mandated: Mandated, files: &[File]) {
        let oid = Template::identifier(kind, 1).and_then(|text| Oid::parse(&text));
        let template = oid.as_ref().and_then(Template::find);
        self.element(kind, mandated, |w| {
            w.tlv(Tag(0x81), oid.as_ref().map_or(&[], Oid::as_content));
            for file in files {
                let row =
                    template.as_ref().and_then(|template| template.rows().find(|row| row.name == file.name));
                if let Some(row) = row {
                    file.write(w, row.field);
                }
            }
        });
    }
}

/// Whether an eUICC may leave an element out.
enum Mandated {
    Yes,
    No,
}

/// The package with placeholders.
#[must_use]
pub fn generic() -> Vec<u8> {
    let mut elements = Elements { writer: header(), last: 0 };
    elements.files(ElementKind::Mf, Mandated::Yes, &mf());
    elements.element(ElementKind::PukCodes, Mandated::Yes, |w| {
        w.nested(Tag(0xA1), |w| {
            puk(w, PIN1);
            puk(w, PIN2);
        });
    });
    elements.element(ElementKind::PinCodes, Mandated::Yes, |w| {
        pins(w, |w| {
            // PIN1 is disabled and can be enabled; ADM1 is enabled and has ten attempts.
            pin(w, PIN1, Some(PIN1), 6, None);
            pin(w, ADM1, None, 3, Some(0xAA));
        });
    });
    let telecom = [directory("DF.TELECOM", &[PIN1, ADM1]).with(0x83, &[0x7F, 0x10])];
    elements.files(ElementKind::Telecom, Mandated::Yes, &telecom);
    elements.files(ElementKind::Usim, Mandated::Yes, &usim());
    elements.files(ElementKind::OptUsim, Mandated::Yes, &opt_usim());
    elements.element(ElementKind::PinCodes, Mandated::Yes, |w| {
        pins(w, |w| pin(w, PIN2, Some(PIN2), 3, None));
    });
    elements.element(ElementKind::AkaParameter, Mandated::Yes, milenage);
    elements.files(ElementKind::Df5gs, Mandated::No, &df_5gs());
    elements.element(ElementKind::SecurityDomain, Mandated::Yes, security_domain);
    elements.element(ElementKind::End, Mandated::Yes, |_| {});
    elements.writer.finish()
}

fn header() -> Writer {
    let mut writer = Writer::new();
    writer.nested(ElementKind::Header.tag(), |w| {
        w.integer(Tag(0x80), VERSION.0).integer(Tag(0x81), VERSION.1);
        w.tlv(Tag(0x82), PROFILE_TYPE.as_bytes()).tlv(Tag(0x83), &octets(ICCID));
        w.nested(Tag(0xA5), |w| {
            for service in SERVICES {
                w.tlv(Tag::context(service), &[]);
            }
        });
        w.nested(Tag(0xA6), |w| {
            for kind in MANDATORY {
                if let Some(oid) = Template::identifier(kind, 1).and_then(|text| Oid::parse(&text)) {
                    w.value(&oid);
                }
            }
        });
    });
    writer
}

/// The access rules as records.
fn access_rules(name: &'static str) -> File {
    let mut file = file(name, "");
    for rule in ACCESS_RULES {
        let mut record = octets(rule);
        record.resize(RULE_LENGTH, 0xFF);
        file.content.extend(record);
    }
    file.records(u8::try_from(RULE_LENGTH).unwrap_or(u8::MAX))
}

fn mf() -> [File; 6] {
    let swapped: String =
        ICCID.as_bytes().chunks(2).flat_map(|pair| pair.iter().rev()).map(|c| char::from(*c)).collect();
    // TS 102 221 13.1: application template with AID and label.
    let mut entry = Writer::new();
    entry.nested(Tag(0x61), |w| {
        w.tlv(Tag(0x4F), &USIM_AID).tlv(Tag(0x50), b"USIM");
    });
    let entry = entry.finish();
    let length = u8::try_from(entry.len()).unwrap_or(u8::MAX);
    [
        directory("MF", &[PIN1, ADM1]),
        file("EF.PL", "656E"),
        file("EF.ICCID", &swapped),
        File { content: entry, ..file("EF.DIR", "") }.records(length),
        access_rules("EF.ARR"),
        file("EF.UMPC", "3C3C000000"),
    ]
}

fn usim() -> Vec<File> {
    let mut services = vec![0_u8; UST_SIZE];
    for service in UST {
        if let Some(octet) = services.get_mut(usize::from(service - 1) / 8) {
            *octet |= 1 << ((service - 1) % 8);
        }
    }
    // TS 31.102 4.2.12: display is not required in the home network; GSM letters, filled with FF.
    let mut name = b"\x01Simyard".to_vec();
    name.resize(17, 0xFF);
    vec![
        directory("ADF.USIM", &[PIN2, PIN1, ADM1]).with(0x83, &USIM_FID).with(0x84, &USIM_AID),
        file("EF.IMSI", IMSI),
        access_rules("EF.ARR"),
        File { content: services, ..file("EF.UST", "") }.with(0x80, &[UST_SIZE.to_le_bytes()[0]]),
        not_created("EF.FDN"),
        File { content: name, ..file("EF.SPN", "") },
        file("EF.EST", "00"),
        file("EF.ACC", "0001"),
        file("EF.AD", "00000002"),
        // TS 31.102 4.2.21: 112 with no service category of its own.
        file("EF.ECC", "11F2FF00"),
    ]
}

/// A file that the template creates by default and this profile does without.
fn not_created(name: &'static str) -> File {
    File { do_not_create: true, ..file(name, "") }
}

fn opt_usim() -> Vec<File> {
    // Each gives its identifier again, so that no field is empty.
    [
        ("EF.LI", 0x6F05_u16),
        ("EF.MSISDN", 0x6F40),
        ("EF.PLMNwAcT", 0x6F60),
        ("EF.OPLMNwAcT", 0x6F61),
        ("EF.HPLMNwAcT", 0x6F62),
        ("EF.EHPLMN", 0x6FD9),
    ]
    .into_iter()
    .map(|(name, fid)| file(name, "").with(0x83, &fid.to_be_bytes()))
    .collect()
}

fn df_5gs() -> Vec<File> {
    let mut files: Vec<File> = vec![directory("DF.5GS", &[PIN2, PIN1, ADM1]).with(0x83, &[0x5F, 0xC0])];
    let defaults = [
        ("EF.5GS3GPPLOCI", 0x4F01_u16),
        ("EF.5GSN3GPPLOCI", 0x4F02),
        ("EF.5GS3GPPNSC", 0x4F03),
        ("EF.5GSN3GPPNSC", 0x4F04),
    ];
    files.extend(defaults.map(|(name, fid)| file(name, "").with(0x83, &fid.to_be_bytes())));
    // fillPattern FF: no keys yet.
    files.push(file("EF.5GAUTHKEYS", "").with(0xA5, &[0xC1, 0x01, 0xFF]));
    files.push(file("EF.UAC_AIC", "00000000"));
    files
}

fn puk(writer: &mut Writer, reference: u8) {
    writer.nested(Tag::SEQUENCE, |w| {
        w.integer(Tag(0x80), i64::from(reference)).tlv(Tag(0x81), &PLACEHOLDER_CODE);
    });
}

fn pins(writer: &mut Writer, list: impl FnOnce(&mut Writer)) {
    writer.nested(Tag(0xA1), |w| {
        w.nested(Tag(0xA0), list);
    });
}

fn pin(writer: &mut Writer, reference: u8, unblocking: Option<u8>, attributes: u8, attempts: Option<u8>) {
    writer.nested(Tag::SEQUENCE, |w| {
        w.integer(Tag(0x80), i64::from(reference)).tlv(Tag(0x81), &PLACEHOLDER_CODE);
        if let Some(puk) = unblocking {
            w.integer(Tag(0x82), i64::from(puk));
        }
        w.integer(Tag(0x83), i64::from(attributes));
        if let Some(attempts) = attempts {
            w.integer(Tag(0x84), i64::from(attempts));
        }
    });
}

/// Milenage with the constants of TS 35.206; sequence numbers start at zero.
fn milenage(writer: &mut Writer) {
    writer.nested(Tag(0xA1), |w| {
        w.nested(Tag(0xA1), |w| {
            w.integer(Tag(0x80), 1).tlv(Tag(0x81), &[0x01]);
            w.tlv(Tag(0x82), &PLACEHOLDER_KEY).tlv(Tag(0x83), &PLACEHOLDER_KEY);
        });
    });
}

/// The MNO-SD with one AES key set for SCP80.
fn security_domain(writer: &mut Writer) {
    writer.nested(Tag(0xA1), |w| {
        // GlobalPlatform: package, class and instance of the issuer's security domain.
        for aid in ["A0000001515350", "A000000151535041", "A000000151000000"] {
            w.tlv(Tag(0x4F), &octets(aid));
        }
        // Privileges; personalised; SCP80, extradition and deletion accepted.
        w.tlv(Tag(0x82), &octets("82DC00")).tlv(Tag(0x83), &[0x0F]);
        w.tlv(Tag(0xC9), &octets("810280008201F08301F08701F0"));
        // TS 102 226 8.2.1.3.2.2: application references B20100 and 000000, minimum security level 16: counter,
        // enciphering and cryptographic checksum.
        w.nested(Tag(0xEA), |w| {
            w.tlv(Tag(0x80), &octets("010000000002011606B2010000000000"));
        });
    });
    writer.nested(Tag(0xA2), |w| {
        // Usage of enciphering, integrity and key encryption keys.
        for (identifier, usage) in [(1, 0x18), (2, 0x14), (3, 0x48)] {
            w.nested(Tag::SEQUENCE, |w| {
                w.tlv(Tag(0x95), &[usage]).tlv(Tag(0x82), &[identifier]).tlv(Tag(0x83), &[0x01]);
                w.nested(Tag::SEQUENCE, |w| {
                    w.nested(Tag::SEQUENCE, |w| {
                        w.tlv(Tag(0x80), &[0x88]).tlv(Tag(0x86), &PLACEHOLDER_KEY);
                    });
                });
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::Package;

    use super::*;
    use crate::profile::identity::PackageIdentity;
    use crate::profile::image::{NodeId, ProfileImage};

    #[test]
    fn our_profile_installs_with_the_files_of_its_services() {
        let octets = generic();
        let package = Package::from_der(&octets).unwrap();
        assert_eq!(PackageIdentity::read(&package).unwrap().iccid.as_str(), ICCID);
        let image = ProfileImage::build(&package).unwrap_or_else(|error| panic!("{error}"));
        assert!(image.skipped.is_empty());
        let usim = image.path(&[0x7FD0]).unwrap();
        assert_eq!(image.directory_by_aid(&USIM_AID[..7]), Some(usim));
        for path in [
            &[0x2F00][..],
            &[0x2F05],
            &[0x2F06],
            &[0x2FE2],
            &[0x7F10],
            &[0x7FD0, 0x6F07],
            &[0x7FD0, 0x6F40],
            &[0x7FD0, 0x6F42],
            &[0x7FD0, 0x6FD9],
            &[0x7FD0, 0x5FC0, 0x4F06],
        ] {
            assert!(image.path(path).is_some(), "{path:04X?}");
        }
        assert!(image.path(&[0x7FD0, 0x6F3B]).is_none(), "EF.FDN is not created");
        assert_eq!(
            &*image.file(image.path(&[0x7FD0, 0x6F62]).unwrap()).unwrap().content,
            [0xFF, 0xFF, 0xFF, 0, 0]
        );
        assert!(image.pin(usim, PIN1).is_some() && image.pin(usim, PIN2).is_some());
        assert!(image.pin(NodeId::MF, PIN2).is_none());
        assert_eq!(image.aka(0).unwrap().algorithm, 1);
    }

    #[test]
    fn every_file_has_an_access_rule_and_none_but_the_longest_fill_their_records() {
        let octets = generic();
        let image = ProfileImage::build(&Package::from_der(&octets).unwrap()).unwrap();
        for (id, node) in image.nodes() {
            let rule = image.access_rule(id);
            assert!(rule.is_some_and(|rule| rule.first() == Some(&0x80)), "{:?}", node.name);
        }
        let lengths = ACCESS_RULES.map(|rule| rule.len() / 2);
        assert_eq!(lengths.into_iter().max(), Some(RULE_LENGTH));
    }

    #[test]
    fn every_constant_is_hexadecimal_and_every_file_is_in_its_template() {
        for text in ACCESS_RULES.into_iter().chain([ICCID, IMSI]) {
            assert!(hex::decode(text).is_ok(), "{text}");
        }
        let octets = generic();
        let package = Package::from_der(&octets).unwrap();
        for (kind, count) in [
            (ElementKind::Mf, mf().len()),
            (ElementKind::Usim, usim().len()),
            (ElementKind::OptUsim, opt_usim().len()),
            (ElementKind::Df5gs, df_5gs().len()),
        ] {
            let element = package.first(kind).unwrap().file_system().unwrap();
            assert_eq!(element.fields.len(), count, "{}", kind.name());
        }
    }
}
