//! Templates: packages whose personal fields have a fixed place. The places are found once ([`Template::compile`]);
//! making a package for a subscription is then a copy and some writes ([`Template::personalise`]).
//!
//! A plan is verified when it is made: a package with marked data is installed and every field read back from the
//! image, so a template that compiles puts each datum where a card looks for it.

use std::ops::Range;

use simyard_asn1::saip::{
    AkaConfiguration, ElementKind, FileElement, FileSystemElement, Package, PinCodes, ProfileElement,
    SecurityDomainKey,
};
use zeroize::Zeroizing;

use super::image::{ApplicationKind, InstallError, NodeId, ProfileImage};
use super::operator_name::{NAME_LEN, to_ef_spn};
use super::personal_data::{Code, OtaKeys, PersonalData, Secret, access_class};
use super::templates;
use crate::ident::{Iccid, Imsi};

/// A personal field of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The ICCID of the profile header, ten octets.
    HeaderIccid,
    /// EF.ICCID, ten octets.
    EfIccid,
    /// EF.IMSI, nine octets.
    EfImsi,
    /// EF.ACC, two octets.
    EfAcc,
    /// K, 16 octets.
    Ki,
    /// OPc, 16 octets.
    Opc,
    /// PIN1, eight octets.
    Pin1,
    /// PIN2, eight octets; in every directory that has one.
    Pin2,
    /// PUK1, eight octets.
    Puk1,
    /// PUK2, eight octets.
    Puk2,
    /// ADM1, eight octets.
    Adm1,
    /// Key 1 of the security domain, 16 octets.
    Kic,
    /// Key 2 of the security domain, 16 octets.
    Kid,
    /// Key 3 of the security domain, 16 octets.
    Kik,
}

impl Field {
    /// The fields that every template must have. Keys of a security domain come with the security domain.
    pub const MANDATORY: [Self; 11] = [
        Self::HeaderIccid,
        Self::EfIccid,
        Self::EfImsi,
        Self::EfAcc,
        Self::Ki,
        Self::Opc,
        Self::Pin1,
        Self::Pin2,
        Self::Puk1,
        Self::Puk2,
        Self::Adm1,
    ];
}

/// Why a package is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The package cannot be installed as it is.
    #[error("the template cannot be installed: {0}")]
    Install(#[from] InstallError),
    /// An element cannot be read.
    #[error("the template cannot be read: {0}")]
    Form(#[from] simyard_asn1::Error),
    /// A field has no place of its length.
    #[error("the template has no place for {0:?}; give the field once, with all its octets in one piece")]
    Missing(Field),
    /// A field has another length than the data.
    #[error("the place for {field:?} at octet {offset} has {found} octets, not {expected}")]
    Length {
        /// The field.
        field: Field,
        /// Where it starts.
        offset: usize,
        /// What it has.
        found: usize,
        /// What it must have.
        expected: usize,
    },
    /// Several USIMs need several subscriptions.
    #[error("the template has {0} USIMs; a template for one subscription has one")]
    Usims(usize),
    /// Several key sets need several sets of keys.
    #[error("the template has {0} keys in security domains; three keys of one key set are supported")]
    Keys(usize),
    /// A file that is to name the operator cannot be changed.
    #[error("the template must give {0} of the USIM with all its octets in one piece to name the operator")]
    NoOperatorFile(&'static str),
    /// Marked data did not come out where a card reads them.
    #[error("{0:?} was written, but the card would read another value; does a later element overwrite it?")]
    NotReadBack(Field),
}

/// A package could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} was not read back from the personalised package; the template's plan is damaged")]
pub struct PersonaliseError(pub Field);

/// Where one field stands.
#[derive(Clone, Debug)]
struct Slot {
    field: Field,
    place: Range<usize>,
}

/// A package with the places of its personal fields.
#[derive(Clone)]
pub struct Template {
    octets: Vec<u8>,
    slots: Vec<Slot>,
}

impl Template {
    /// Our own generic profile ([`super::template::generic`]).
    ///
    /// # Errors
    /// [`TemplateError`]; a test shows that it has none.
    pub fn generic() -> Result<Self, TemplateError> {
        let octets = super::template::generic();
        Self::compile(&Package::from_der(&octets)?)
    }

    /// Finds the places of all personal fields and tries them out.
    ///
    /// # Errors
    /// [`TemplateError`], one variant per reason.
    pub fn compile(package: &Package<'_>) -> Result<Self, TemplateError> {
        ProfileImage::build_for_any_card(package)?;
        let slots = Plan::of(package)?.slots;
        for field in Field::MANDATORY {
            if !slots.iter().any(|slot| slot.field == field) {
                return Err(TemplateError::Missing(field));
            }
        }
        let template = Self { octets: package.octets().to_vec(), slots };
        template.verify()?;
        Ok(template)
    }

    /// The template for the profiles of one operator: EF.SPN shows this name (TS 31.102 4.2.12), EF.AD says how many
    /// digits of the IMSI are its MNC (4.2.18). For our own template; a package of the operator's says both itself.
    ///
    /// # Errors
    /// [`TemplateError::NoOperatorFile`] if PE-USIM does not give both files, each in one piece with all its octets.
    pub fn with_operator(&self, service_provider_name: &str, mnc_length: u8) -> Result<Self, TemplateError> {
        let package = Package::from_der(&self.octets)?;
        let usim = package.first(ElementKind::Usim).ok_or(TemplateError::Usims(0))?;
        let name = to_ef_spn(service_provider_name);
        let mut octets = self.octets.clone();
        // The first octet of EF.SPN is the display condition, the last of the four of EF.AD the length.
        for (file, size, from, value) in
            [("EF.SPN", 1 + NAME_LEN, 1, &name[..]), ("EF.AD", 4, 3, &[mnc_length])]
        {
            let files = usim.file_system()?;
            let row = templates::Template::find(&files.template)
                .and_then(|template| template.rows().find(|row| row.name == file));
            let place =
                row.and_then(|row| only_fill(&files, row.field)).filter(|(_, length)| *length == size);
            let (offset, _) = place.ok_or(TemplateError::NoOperatorFile(file))?;
            let target = octets.get_mut(offset + from..offset + from + value.len());
            target.ok_or(TemplateError::NoOperatorFile(file))?.copy_from_slice(value);
        }
        let template = Self { octets, slots: self.slots.clone() };
        template.verify()?;
        Ok(template)
    }

    /// Octets of every package that the template makes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.octets.len()
    }

    /// The template's own octets, with its placeholders.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The places of the fields in the order of the package.
    pub fn places(&self) -> impl Iterator<Item = (Field, Range<usize>)> {
        self.slots.iter().map(|slot| (slot.field, slot.place.clone()))
    }

    /// A package for one subscription.
    ///
    /// # Errors
    /// [`PersonaliseError`] if a field does not read back as written.
    pub fn personalise(&self, data: &PersonalData) -> Result<Zeroizing<Vec<u8>>, PersonaliseError> {
        let values = Values::of(data);
        let mut octets = Zeroizing::new(self.octets.clone());
        for slot in &self.slots {
            let value = values.get(slot.field);
            let place = octets.get_mut(slot.place.clone()).filter(|place| place.len() == value.len());
            place.ok_or(PersonaliseError(slot.field))?.copy_from_slice(value);
        }
        // Two slots that overlap would have spoilt each other.
        for slot in &self.slots {
            if octets.get(slot.place.clone()) != Some(values.get(slot.field)) {
                return Err(PersonaliseError(slot.field));
            }
        }
        Ok(octets)
    }

    /// Personalises with marked data and reads them back as a card does.
    fn verify(&self) -> Result<(), TemplateError> {
        let data = marked_data().ok_or(TemplateError::Missing(Field::HeaderIccid))?;
        let octets = self.personalise(&data).map_err(|error| TemplateError::NotReadBack(error.0))?;
        let package = Package::from_der(&octets)?;
        let image = ProfileImage::build_for_any_card(&package)?;
        let values = Values::of(&data);
        for slot in &self.slots {
            let is_there = match slot.field {
                // Compared with EF.ICCID when the image was built.
                Field::HeaderIccid => image.iccid == data.iccid,
                // An image holds no keys of security domains; the element's own reader finds them.
                Field::Kic | Field::Kid | Field::Kik => {
                    domain_keys(&package)?.iter().any(|key| key.data == values.get(slot.field))
                }
                field => read_back(&image, field).is_some_and(|read| read == values.get(field)),
            };
            if !is_there {
                return Err(TemplateError::NotReadBack(slot.field));
            }
        }
        Ok(())
    }
}

/// The keys of all security domains.
fn domain_keys<'a>(package: &Package<'a>) -> Result<Vec<SecurityDomainKey<'a>>, simyard_asn1::Error> {
    let domains = package.elements().iter().filter(|element| element.kind == ElementKind::SecurityDomain);
    let keys: Result<Vec<_>, _> = domains.map(ProfileElement::security_domain_keys).collect();
    keys.map(|keys| keys.into_iter().flatten().collect())
}

/// The value of a field in an installed profile, where a card looks for it.
#[must_use]
pub fn read_back(image: &ProfileImage, field: Field) -> Option<&[u8]> {
    let place =
        image.applications.iter().position(|application| application.kind == ApplicationKind::Usim)?;
    let usim = image.applications.get(place)?.directory;
    let file = |directory, name| image.file(image.child_by_name(directory, name)?).map(|file| &*file.content);
    let puk = |reference| image.puks.iter().find(|puk| puk.reference == reference).map(|puk| &*puk.value);
    match field {
        Field::HeaderIccid | Field::Kic | Field::Kid | Field::Kik => None,
        Field::EfIccid => file(NodeId::MF, "EF.ICCID"),
        Field::EfImsi => file(usim, "EF.IMSI"),
        Field::EfAcc => file(usim, "EF.ACC"),
        Field::Ki => image.aka(place).map(|aka| &*aka.key),
        Field::Opc => image.aka(place).map(|aka| &*aka.opc),
        Field::Pin1 => image.pin(usim, PIN1).map(|pin| &*pin.value),
        Field::Pin2 => image.pin(usim, PIN2).map(|pin| &*pin.value),
        Field::Puk1 => puk(PIN1),
        Field::Puk2 => puk(PIN2),
        Field::Adm1 => image.pin(usim, ADM1).map(|pin| &*pin.value),
    }
}

/// Key references (TS 102 221 9.3).
const PIN1: u8 = 0x01;
const PIN2: u8 = 0x81;
const ADM1: u8 = 0x0A;

/// Data in which no field equals another or a placeholder.
fn marked_data() -> Option<PersonalData> {
    let imsi = Imsi::parse("999700123456785").ok()?;
    Some(PersonalData {
        iccid: Iccid::parse("8999701234567890123").ok()?,
        ki: Secret::new([0xA1; 16]),
        opc: Secret::new([0xA2; 16]),
        pin1: Code::from_octets(*b"10000001"),
        pin2: Code::from_octets(*b"20000002"),
        puk1: Code::from_octets(*b"30000003"),
        puk2: Code::from_octets(*b"40000004"),
        adm1: Code::from_octets(*b"50000005"),
        acc: access_class(&imsi),
        imsi,
        ota: OtaKeys {
            kic: Secret::new([0xA3; 16]),
            kid: Secret::new([0xA4; 16]),
            kik: Secret::new([0xA5; 16]),
        },
    })
}

/// The octets of each field.
struct Values<'a> {
    data: &'a PersonalData,
    header_iccid: [u8; 10],
    ef_iccid: [u8; 10],
    ef_imsi: [u8; 9],
}

impl<'a> Values<'a> {
    fn of(data: &'a PersonalData) -> Self {
        Self {
            data,
            header_iccid: data.iccid.to_header(),
            ef_iccid: data.iccid.to_bcd(),
            ef_imsi: data.imsi.to_ef(),
        }
    }

    fn get(&self, field: Field) -> &[u8] {
        match field {
            Field::HeaderIccid => &self.header_iccid,
            Field::EfIccid => &self.ef_iccid,
            Field::EfImsi => &self.ef_imsi,
            Field::EfAcc => &self.data.acc,
            Field::Ki => self.data.ki.as_octets(),
            Field::Opc => self.data.opc.as_octets(),
            Field::Pin1 => self.data.pin1.as_octets(),
            Field::Pin2 => self.data.pin2.as_octets(),
            Field::Puk1 => self.data.puk1.as_octets(),
            Field::Puk2 => self.data.puk2.as_octets(),
            Field::Adm1 => self.data.adm1.as_octets(),
            Field::Kic => self.data.ota.kic.as_octets(),
            Field::Kid => self.data.ota.kid.as_octets(),
            Field::Kik => self.data.ota.kik.as_octets(),
        }
    }
}

/// The length of each field.
const fn length(field: Field) -> usize {
    match field {
        Field::HeaderIccid | Field::EfIccid => 10,
        Field::EfImsi => 9,
        Field::EfAcc => 2,
        Field::Ki | Field::Opc | Field::Kic | Field::Kid | Field::Kik => 16,
        Field::Pin1 | Field::Pin2 | Field::Puk1 | Field::Puk2 | Field::Adm1 => 8,
    }
}

/// Fields of PE-MF and PE-USIM that hold the files (TCA Profile Package 9.2, 9.5.1).
const EF_ICCID: u32 = 4;
const EF_IMSI: u32 = 3;
const EF_ACC: u32 = 18;

/// The places found so far.
#[derive(Default)]
struct Plan {
    slots: Vec<Slot>,
    usims: usize,
    keys: usize,
}

impl Plan {
    fn of(package: &Package<'_>) -> Result<Self, TemplateError> {
        let mut plan = Self::default();
        for element in package.elements() {
            plan.element(element)?;
        }
        if plan.usims != 1 {
            return Err(TemplateError::Usims(plan.usims));
        }
        if !matches!(plan.keys, 0 | 3) {
            return Err(TemplateError::Keys(plan.keys));
        }
        Ok(plan)
    }

    fn element(&mut self, element: &ProfileElement<'_>) -> Result<(), TemplateError> {
        match element.kind {
            ElementKind::Header => {
                let header = element.profile_header()?;
                self.add(Field::HeaderIccid, header.iccid_offset, header.iccid.len())
            }
            ElementKind::Mf => self.file(element, EF_ICCID, Field::EfIccid),
            ElementKind::Usim => {
                self.usims += 1;
                self.file(element, EF_IMSI, Field::EfImsi)?;
                self.file(element, EF_ACC, Field::EfAcc)
            }
            ElementKind::PinCodes => {
                let PinCodes::Pins(pins) = element.pin_codes()? else { return Ok(()) };
                for pin in &pins {
                    let field = match pin.key_reference {
                        PIN1 => Field::Pin1,
                        PIN2 => Field::Pin2,
                        ADM1 => Field::Adm1,
                        _ => continue,
                    };
                    self.add(field, pin.value_offset, pin.value.len())?;
                }
                Ok(())
            }
            ElementKind::PukCodes => {
                for puk in &element.puk_codes()? {
                    let field = match puk.key_reference {
                        PIN1 => Field::Puk1,
                        PIN2 => Field::Puk2,
                        _ => continue,
                    };
                    self.add(field, puk.value_offset, puk.value.len())?;
                }
                Ok(())
            }
            ElementKind::AkaParameter => {
                let AkaConfiguration::Algorithm(algorithm) = element.aka_parameter()?.configuration else {
                    return Ok(());
                };
                self.add(Field::Ki, algorithm.key_offset, algorithm.key.len())?;
                self.add(Field::Opc, algorithm.opc_offset, algorithm.opc.len())
            }
            ElementKind::SecurityDomain => self.security_domain(element),
            // No other element holds a personal field that we know.
            _ => Ok(()),
        }
    }

    fn security_domain(&mut self, element: &ProfileElement<'_>) -> Result<(), TemplateError> {
        for key in element.security_domain_keys()? {
            self.keys += 1;
            let field = match key.identifier {
                1 => Field::Kic,
                2 => Field::Kid,
                3 => Field::Kik,
                _ => return Err(TemplateError::Keys(self.keys)),
            };
            self.add(field, key.data_offset, key.data.len())?;
        }
        Ok(())
    }

    /// A file whose content is given in one piece from its start.
    fn file(&mut self, element: &ProfileElement<'_>, number: u32, field: Field) -> Result<(), TemplateError> {
        let files = element.file_system()?;
        match only_fill(&files, number) {
            Some((offset, length)) => self.add(field, offset, length),
            None => Err(TemplateError::Missing(field)),
        }
    }

    fn add(&mut self, field: Field, offset: usize, found: usize) -> Result<(), TemplateError> {
        let expected = length(field);
        if found != expected {
            return Err(TemplateError::Length { field, offset, found, expected });
        }
        self.slots.push(Slot { field, place: offset..offset + found });
        Ok(())
    }
}

/// Offset and length of a file's content, if it is given in one piece from the file's start.
fn only_fill(files: &FileSystemElement<'_>, number: u32) -> Option<(usize, usize)> {
    let file = files.fields.iter().find(|file| file.number == number);
    let mut fills = file.into_iter().flat_map(|file| &file.parts).filter_map(|part| match part {
        FileElement::FillContent(fill) => Some(Some(fill)),
        FileElement::FillOffset(_) | FileElement::Unknown(_) => Some(None),
        FileElement::DoNotCreate | FileElement::Descriptor(_) => None,
    });
    match (fills.next(), fills.next()) {
        (Some(Some(fill)), None) => Some((fill.offset, fill.octets.len())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::profile::personal_data::tests::sample;

    #[test]
    fn every_field_of_our_template_reads_back() {
        let template = Template::generic().unwrap_or_else(|error| panic!("{error}"));
        for field in Field::MANDATORY.into_iter().chain([Field::Kic, Field::Kid, Field::Kik]) {
            assert_eq!(template.places().filter(|(other, _)| *other == field).count(), 1, "{field:?}");
        }
        let data = sample(7);
        let octets = template.personalise(&data).unwrap();
        let image = ProfileImage::build(&Package::from_der(&octets).unwrap()).unwrap();
        assert_eq!(image.iccid, data.iccid);
        assert_eq!(read_back(&image, Field::EfImsi), Some(&data.imsi.to_ef()[..]));
        assert_eq!(read_back(&image, Field::Ki), Some(&data.ki.as_octets()[..]));
        assert_eq!(read_back(&image, Field::Opc), Some(&data.opc.as_octets()[..]));
        assert_eq!(read_back(&image, Field::EfAcc), Some(&data.acc[..]));
        assert_eq!(read_back(&image, Field::Pin1), Some(&b"1234\xFF\xFF\xFF\xFF"[..]));
        assert_eq!(read_back(&image, Field::Adm1), Some(&data.adm1.as_octets()[..]));
    }

    #[test]
    fn the_profiles_of_an_operator_show_its_name_and_its_mnc() {
        let ours = Template::generic().unwrap();
        for (name, mnc_length) in [("Acme", 2), ("A name of 20 letters", 3)] {
            let template = ours.with_operator(name, mnc_length).unwrap_or_else(|error| panic!("{error}"));
            let octets = template.personalise(&sample(9)).unwrap();
            let image = ProfileImage::build(&Package::from_der(&octets).unwrap()).unwrap();
            let usim = image.applications[0].directory;
            let file = |name| &*image.file(image.child_by_name(usim, name).unwrap()).unwrap().content;
            assert_eq!(file("EF.SPN"), [&[1][..], &to_ef_spn(name)].concat());
            assert_eq!(file("EF.AD"), [0, 0, 0, mnc_length]);
            assert_eq!(template.places().collect::<Vec<_>>(), ours.places().collect::<Vec<_>>());
        }
        // Without EF.SPN in one piece there is nothing to change.
        let spn = ours.octets().windows(10).position(|window| window == b"\x83\x11\x01Simyard").unwrap();
        let pieces = b"\x83\x07\x01Simyar\x83\x08d\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
        let other = changed(|octets| octets[spn..spn + 19].copy_from_slice(pieces))
            .unwrap_or_else(|error| panic!("{error}"));
        let error = other.with_operator("Acme", 2).err();
        assert_eq!(error, Some(TemplateError::NoOperatorFile("EF.SPN")));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_package_differs_from_its_template_in_personal_fields_alone(seed in 0_u64..1_000_000_000) {
            let template = Template::generic().unwrap();
            let octets = template.personalise(&sample(seed)).unwrap();
            prop_assert_eq!(octets.len(), template.size());
            for (at, (ours, theirs)) in octets.iter().zip(template.octets()).enumerate() {
                prop_assert!(ours == theirs || template.places().any(|(_, place)| place.contains(&at)));
            }
        }
    }

    /// The generic template, changed by a function.
    fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Result<Template, TemplateError> {
        let mut octets = super::super::template::generic();
        change(&mut octets);
        Template::compile(&Package::from_der(&octets).unwrap())
    }

    #[test]
    fn a_package_without_a_field_is_no_template() {
        let generic = super::super::template::generic();
        let package = Package::from_der(&generic).unwrap();
        let aka = package.first(ElementKind::AkaParameter).unwrap().tlv;
        let error = changed(|octets| drop(octets.drain(aka.offset..aka.offset + aka.raw.len()))).err();
        assert_eq!(error, Some(TemplateError::Missing(Field::Ki)));

        // The unblocking reference of PIN1 dangles without the PUKs: the card would refuse it, and so do we.
        let puks = package.first(ElementKind::PukCodes).unwrap().tlv;
        let error = changed(|octets| drop(octets.drain(puks.offset..puks.offset + puks.raw.len()))).err();
        assert!(matches!(error, Some(TemplateError::Install(_))));
    }
}
