//! What a package says about itself: ICCID, IMSIs, version. Read once, when a package is ingested.
//!
//! Of an applet with several IMSIs, those of a table that it can be read from ([`super::multi_imsi`]) are known; what other applets
//! keep in their own form is not.
//!
//! Whether the package can be installed is the matter of [`super::image`].

use simyard_asn1::saip::{ElementKind, FileElement, FileField, Package, ProfileElement};

use super::multi_imsi::{self, Entry, Object};
use super::personal_data::MAX_SUBSCRIPTIONS;
use crate::ident::{Iccid, Imsi, InvalidIdentifier};

/// Field of PE-MF that holds EF.ICCID.
const EF_ICCID: u32 = 4;
/// Field of PE-USIM, and its counterpart of PE-IoT, that holds EF.IMSI.
const EF_IMSI: u32 = 3;
const EF_IMSI_OF_IOT: u32 = 9;
/// Field of PE-IoT that holds EF.ICCID.
const EF_ICCID_OF_IOT: u32 = 4;

/// What a package says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageIdentity {
    /// The number of the profile; header and EF.ICCID agree on it.
    pub iccid: Iccid,
    /// EF.IMSI of the first USIM; `None` without a USIM, or if the file holds no number yet.
    pub imsi: Option<Imsi>,
    /// The IMSIs of the USIMs behind it and of the tables of a multi-IMSI applet, each once, in the order of the package, and
    /// none that is `imsi`.
    pub further_imsis: Vec<PackageImsi>,
    /// The version of the package format: major, minor.
    pub version: (u8, u8),
    /// profileType: free text that may serve as name of the profile.
    pub profile_type: Option<String>,
    /// Octets of the package.
    pub size: usize,
    /// Elements of the package.
    pub elements: usize,
}

/// An IMSI of a package beside that of its first USIM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageImsi {
    /// What it is for: the role in the table, or `imsi2` for that of the second USIM.
    pub role: String,
    /// The number.
    pub imsi: Imsi,
}

/// Why a package says nothing reliable about itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The octets are no package, or a member of it is not what its type says.
    #[error("the package cannot be read: {0}")]
    Form(#[from] simyard_asn1::Error),
    /// The first element is no profile header.
    #[error("the package does not begin with a profile header, but with {0}")]
    NoHeader(&'static str),
    /// The header's ICCID is no number.
    #[error("the profile header has no ICCID: {0}")]
    HeaderIccid(InvalidIdentifier),
    /// No element gives EF.ICCID.
    #[error("the package gives no EF.ICCID of ten octets; every profile needs one in its MF element")]
    NoEfIccid,
    /// More IMSIs than a profile may have.
    #[error("the package has more than {MAX_SUBSCRIPTIONS} IMSIs")]
    TooManyImsis,
    /// Header and EF.ICCID name two numbers.
    #[error("the profile header names ICCID {header}, EF.ICCID says {file}; make them equal")]
    IccidMismatch {
        /// The header's number.
        header: Iccid,
        /// The file's ten octets in hexadecimal digits, nibbles swapped as in the file.
        file: String,
    },
}

impl PackageIdentity {
    /// Reads a package's identity.
    ///
    /// # Errors
    /// [`IdentityError`], one variant per reason.
    pub fn read(package: &Package<'_>) -> Result<Self, IdentityError> {
        let first = package.elements().first().ok_or(IdentityError::NoHeader("nothing"))?;
        if first.kind != ElementKind::Header {
            return Err(IdentityError::NoHeader(first.kind.name()));
        }
        let header = first.profile_header()?;
        let iccid = Iccid::from_header(header.iccid).map_err(IdentityError::HeaderIccid)?;

        let file = Self::ef_iccid(package)?.ok_or(IdentityError::NoEfIccid)?;
        if file != iccid.to_bcd() {
            return Err(IdentityError::IccidMismatch { header: iccid, file: hex::encode_upper(file) });
        }
        let imsi = Self::ef_imsis(package)?.into_iter().next().flatten();
        Ok(Self {
            iccid,
            further_imsis: Self::further_imsis(package, imsi.as_ref())?,
            imsi,
            version: (header.major_version, header.minor_version),
            profile_type: header.profile_type.map(str::to_owned),
            size: package.octets().len(),
            elements: package.elements().len(),
        })
    }

    fn ef_iccid(package: &Package<'_>) -> Result<Option<[u8; 10]>, IdentityError> {
        if let Some(mf) = package.first(ElementKind::Mf) {
            return content(mf, EF_ICCID);
        }
        match package.first(ElementKind::Iot) {
            Some(iot) => content(iot, EF_ICCID_OF_IOT),
            None => Ok(None),
        }
    }

    /// EF.IMSI of each USIM, or, in a package without one, of each PE-IoT.
    fn ef_imsis(package: &Package<'_>) -> Result<Vec<Option<Imsi>>, IdentityError> {
        let of_kind = |kind: ElementKind, field: u32| {
            let elements = package.elements().iter().filter(move |element| element.kind == kind);
            elements.map(move |element| {
                let octets: Option<[u8; 9]> = content(element, field)?;
                Ok(octets.and_then(|octets| Imsi::from_ef(&octets).ok()))
            })
        };
        match package.first(ElementKind::Usim) {
            Some(_) => of_kind(ElementKind::Usim, EF_IMSI).collect(),
            None => of_kind(ElementKind::Iot, EF_IMSI_OF_IOT).collect(),
        }
    }

    fn further_imsis(package: &Package<'_>, first: Option<&Imsi>) -> Result<Vec<PackageImsi>, IdentityError> {
        let of_usims = Self::ef_imsis(package)?.into_iter().enumerate().skip(1);
        let of_usims = of_usims.filter_map(|(place, imsi)| {
            Some(PackageImsi { role: format!("imsi{}", place + 1), imsi: imsi? })
        });
        // A table that cannot be read is one of another applet, as far as anybody knows here.
        let tables = multi_imsi::find(package).into_iter().filter_map(|found| found.read().ok());
        let of_tables = tables.flat_map(|object| match object {
            Object::Table(table) => table.entries,
            Object::Keys(_) => Vec::new(),
        });
        let of_tables = of_tables.map(|Entry { role, imsi, .. }| PackageImsi { role, imsi });
        let mut further: Vec<PackageImsi> = Vec::new();
        for one in of_usims.chain(of_tables) {
            if first == Some(&one.imsi) || further.iter().any(|other| other.imsi == one.imsi) {
                continue;
            }
            // The first USIM's is one of them.
            if further.len() + 1 >= MAX_SUBSCRIPTIONS {
                return Err(IdentityError::TooManyImsis);
            }
            further.push(one);
        }
        Ok(further)
    }
}

/// The `N` octets of a fixed-size file of a template, if the element gives them all.
fn content<const N: usize>(
    element: &ProfileElement<'_>,
    number: u32,
) -> Result<Option<[u8; N]>, IdentityError> {
    let files = element.file_system()?;
    Ok(files.fields.iter().find(|field| field.number == number).and_then(fixed_content))
}

/// Fill pattern, offsets and contents of a transparent file, run over `N` octets.
fn fixed_content<const N: usize>(field: &FileField<'_>) -> Option<[u8; N]> {
    let fcp = field.descriptor();
    let mut octets = [0xFF; N];
    let mut given = false;
    if let Some(pattern) = fcp.and_then(|fcp| fcp.fill_pattern) {
        let last = pattern.last()?;
        octets
            .iter_mut()
            .zip(pattern.iter().chain(std::iter::repeat(last)))
            .for_each(|(to, from)| *to = *from);
        given = true;
    }
    if let Some(pattern) = fcp.and_then(|fcp| fcp.repeat_pattern) {
        octets.iter_mut().zip(pattern.iter().cycle()).for_each(|(to, from)| *to = *from);
        given = true;
    }
    let mut at = 0_usize;
    for part in &field.parts {
        match part {
            FileElement::FillOffset(offset) => at = at.checked_add(usize::from(*offset))?,
            FileElement::FillContent(fill) => {
                let end = at.checked_add(fill.octets.len())?;
                octets.get_mut(at..end)?.copy_from_slice(fill.octets);
                at = end;
                given = true;
            }
            FileElement::DoNotCreate | FileElement::Descriptor(_) | FileElement::Unknown(_) => {}
        }
    }
    given.then_some(octets)
}

#[cfg(test)]
mod tests {
    use simyard_asn1::{Tag, Writer};

    use super::*;

    /// A header and an MF with EF.ICCID given as `parts`.
    fn package(header_iccid: &[u8; 10], parts: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nested(Tag(0xA0), |w| {
            w.integer(Tag(0x80), 2).integer(Tag(0x81), 3).tlv(Tag(0x82), b"ours");
            w.tlv(Tag(0x83), header_iccid).tlv(Tag(0xA5), &[]).tlv(Tag(0xA6), &[]);
        });
        writer.nested(Tag(0xB0), |w| {
            w.nested(Tag(0xA0), |w| {
                w.integer(Tag(0x81), 1);
            });
            w.tlv(Tag(0x81), &[0x67, 0x81, 0x0F, 0x01, 0x02, 0x01]).tlv(Tag(0xA4), parts);
        });
        writer.finish()
    }

    fn read(octets: &[u8]) -> Result<PackageIdentity, IdentityError> {
        PackageIdentity::read(&Package::from_der(octets).unwrap())
    }

    #[test]
    fn the_file_may_be_filled_in_any_way() {
        let iccid = Iccid::parse("8949449999999990924").unwrap();
        let bcd = iccid.to_bcd();
        let whole = [&[0x83, 10][..], &bcd].concat();
        let in_two = [&[0x83, 4][..], &bcd[..4], &[0x82, 1, 0, 0x83, 6], &bcd[4..]].concat();
        let by_pattern = [&[0xA1, 14, 0xA5, 12, 0xC1, 10][..], &bcd].concat();
        for parts in [whole, in_two, by_pattern] {
            let identity = read(&package(&iccid.to_header(), &parts)).unwrap();
            assert_eq!((identity.iccid, identity.imsi), (iccid.clone(), None));
            assert_eq!((identity.version, identity.profile_type.as_deref()), ((2, 3), Some("ours")));
        }
    }

    #[test]
    fn each_disagreement_has_its_error() {
        let iccid = Iccid::parse("8949449999999990924").unwrap();
        let whole = [&[0x83, 10][..], &iccid.to_bcd()].concat();
        let other = Iccid::parse("8949449999999990925").unwrap();
        assert!(matches!(
            read(&package(&other.to_header(), &whole)),
            Err(IdentityError::IccidMismatch { header, .. }) if header == other
        ));
        assert_eq!(read(&package(&iccid.to_header(), &[])), Err(IdentityError::NoEfIccid));
        assert!(matches!(read(&package(&[0xFF; 10], &whole)), Err(IdentityError::HeaderIccid(_))));
        let mut headless = package(&iccid.to_header(), &whole);
        headless.drain(..usize::from(headless[1]) + 2);
        assert_eq!(read(&headless), Err(IdentityError::NoHeader("mf")));
    }
}
