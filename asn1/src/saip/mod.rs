//! eUICC profile packages (TCA "Profile Package: Interoperable Format"): a lossless model and typed views.
//!
//! A package is a concatenation of profile elements without a wrapper. [`Package::from_der`] finds them, checks that
//! every octet belongs to a well-formed TLV, and reads nothing else; [`Package::to_der`] returns what was received.
//! [`Package::from_ber`] and [`Package::read_what_can_be`] take more, for those who look at packages of others.
//! What an element says is decoded on demand by the views of this module, so that unknown elements, fields and tags
//! survive. Whether a package can be installed is not decided here.
//!
//! | file | elements |
//! |---|---|
//! | [`header`] | ProfileHeader and its mandatory services |
//! | [`mod@file`] | file system elements, File, Fcp, GenericFileManagement |
//! | [`codes`] | PINCodes, PUKCodes |
//! | [`aka`] | AKAParameter |
//! | [`application`] | SecurityDomain, RFM, Application, NonStandard: identities only |
//! | [`management`] | SecurityDomain, RFM, Application in full |
//! | [`response`] | EUICCResponse, the result of an installation |

pub mod aka;
pub mod application;
pub mod codes;
pub mod file;
pub mod header;
pub mod management;
pub mod response;

pub use aka::{AkaConfiguration, AkaParameter, AlgoParameter};
pub use application::{ApplicationIdentity, SecurityDomainKey};
pub use codes::{PinCodes, PinConfiguration, PukConfiguration};
pub use file::{
    Fcp, FileElement, FileField, FileManagementCommand, FileSystemElement, Fill, GenericFileManagement,
    ShortFileId,
};
pub use header::{ProfileHeader, Service};
pub use response::{EuiccResponse, PeStatus, status};

use crate::tlv::{Error, ErrorKind, Reader, Rules, Tag, Tlv};

/// The largest package that is read, in octets. Real ones have 5 to 60 kB, with applets some hundred.
pub const MAX_PACKAGE: usize = 1 << 20;
/// The largest number of profile elements that is read.
pub const MAX_ELEMENTS: usize = 1024;

macro_rules! kinds {
    ($($number:literal $kind:ident $name:literal $doc:literal),* $(,)?) => {
        /// The alternatives of ProfileElement. The module has automatic tags: the number of the alternative is its tag.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ElementKind {
            $(#[doc = $doc] $kind,)*
            /// An alternative that this version does not know; it is kept as received.
            Unknown(Tag),
        }

        impl ElementKind {
            /// All known alternatives in the order of the module.
            pub const KNOWN: &'static [Self] = &[$(Self::$kind),*];

            /// The alternative with this tag.
            #[must_use]
            pub const fn from_tag(tag: Tag) -> Self {
                $(if tag.0 == Tag::context_constructed($number).0 {
                    return Self::$kind;
                })*
                Self::Unknown(tag)
            }

            /// The tag of the alternative.
            #[must_use]
            pub const fn tag(self) -> Tag {
                match self {
                    $(Self::$kind => Tag::context_constructed($number),)*
                    Self::Unknown(tag) => tag,
                }
            }

            /// The name of the alternative in the module.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                    Self::Unknown(_) => "unknown",
                }
            }
        }
    };
}

kinds! {
    0 Header "header" "ProfileHeader: identity, version and what the eUICC must support.",
    1 GenericFileManagement "genericFileManagement" "Files outside templates, links, changes.",
    2 PinCodes "pinCodes" "PINs of the current directory, or the directory to share them with.",
    3 PukCodes "pukCodes" "PUKs, global.",
    4 AkaParameter "akaParameter" "Keys and algorithm of the application before it.",
    5 CdmaParameter "cdmaParameter" "Keys of the CSIM before it.",
    6 SecurityDomain "securityDomain" "MNO-SD first, then supplementary ones.",
    7 Rfm "rfm" "A remote file management instance.",
    8 Application "application" "Load file and instances.",
    9 NonStandard "nonStandard" "Content that one issuer defines.",
    10 End "end" "The last element.",
    16 Mf "mf" "MF and files below.",
    17 Cd "cd" "DF.CD.",
    18 Telecom "telecom" "DF.TELECOM.",
    19 Usim "usim" "ADF.USIM with its mandatory files.",
    20 OptUsim "opt-usim" "Optional files of ADF.USIM.",
    21 Isim "isim" "ADF.ISIM with its mandatory files.",
    22 OptIsim "opt-isim" "Optional files of ADF.ISIM.",
    23 Phonebook "phonebook" "DF.PHONEBOOK of ADF.USIM.",
    24 GsmAccess "gsm-access" "DF.GSM-ACCESS.",
    25 Csim "csim" "ADF.CSIM with its mandatory files.",
    26 OptCsim "opt-csim" "Optional files of ADF.CSIM.",
    27 Eap "eap" "DF.EAP.",
    28 Df5gs "df-5gs" "DF.5GS.",
    29 DfSaip "df-saip" "DF.SAIP.",
    30 DfSnpn "df-snpn" "DF.SNPN.",
    31 Df5gProse "df-5gprose" "DF.5G_ProSe.",
    32 Iot "iot" "The IoT minimal profile: MF and ADF.USIM in one.",
    33 OptIot "opt-iot" "Optional files of the IoT minimal profile.",
}

impl ElementKind {
    /// Whether the element has the common form of file system elements: header, template, files.
    #[must_use]
    pub const fn is_file_system(self) -> bool {
        matches!(self.tag().number(), 16..=33) && !matches!(self, Self::Unknown(_))
    }
}

/// The PEHeader that every element but the first begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeHeader {
    /// Whether installation fails if the eUICC does not support the element.
    pub mandated: bool,
    /// 0..32767, unique in the package; it names the element in the result.
    pub identification: u16,
}

impl PeHeader {
    fn decode(tlv: &Tlv<'_>) -> Result<Self, Error> {
        const WHAT: &str = "PEHeader";
        let mut members = tlv.members(WHAT);
        let mandated = members.optional(Tag::context(0))?;
        if let Some(mandated) = &mandated {
            mandated.sized(0..=0, WHAT)?;
        }
        let identification = members.expect(Tag::context(1))?;
        members.extensions()?;
        let number = u16::try_from(identification.unsigned(WHAT)?).ok().filter(|number| *number <= 0x7FFF);
        Ok(Self {
            mandated: mandated.is_some(),
            identification: number.ok_or(identification.error(ErrorKind::Value, WHAT))?,
        })
    }
}

/// One element of a package as received.
#[derive(Clone, Copy, Debug)]
pub struct ProfileElement<'a> {
    /// The whole element: its octets, its tag, its offset in the package.
    pub tlv: Tlv<'a>,
    /// Which alternative it is.
    pub kind: ElementKind,
    /// Its PEHeader; `None` for the profile header, which has none, and for unknown elements without one.
    pub header: Option<PeHeader>,
}

impl<'a> ProfileElement<'a> {
    fn read(tlv: Tlv<'a>) -> Result<Self, Error> {
        let kind = ElementKind::from_tag(tlv.tag);
        if !tlv.tag.is_constructed() {
            return Err(tlv.error(ErrorKind::Choice { found: tlv.tag }, "ProfileElement"));
        }
        tlv.members(kind.name()).extensions()?;
        let first = tlv.members(kind.name()).optional(Tag::context_constructed(0))?;
        let header = match (kind, first) {
            (ElementKind::Header, _) | (ElementKind::Unknown(_), None) => None,
            (ElementKind::Unknown(_), Some(first)) => PeHeader::decode(&first).ok(),
            (_, Some(first)) => Some(PeHeader::decode(&first)?),
            (_, None) => {
                let expected = Tag::context_constructed(0);
                return Err(tlv.error(ErrorKind::Missing { expected }, kind.name()));
            }
        };
        Ok(Self { tlv, kind, header })
    }

    /// The number that names the element in the installation result.
    #[must_use]
    pub fn identification(&self) -> Option<u16> {
        self.header.map(|header| header.identification)
    }

    /// Whether the eUICC must support the element.
    #[must_use]
    pub fn is_mandated(&self) -> bool {
        self.header.is_some_and(|header| header.mandated)
    }

    /// A reader over the members behind the PEHeader; over all members where there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Form`]; cannot occur for an element of a decoded package.
    pub fn body(&self) -> Result<Reader<'a>, Error> {
        let mut members = self.tlv.members(self.kind.name());
        if self.header.is_some() {
            members.expect(Tag::context_constructed(0))?;
        }
        Ok(members)
    }

    /// Refuses to view the element as `kind`, if it is another one.
    fn must_be(&self, kind: ElementKind) -> Result<(), Error> {
        if self.kind == kind {
            return Ok(());
        }
        let kinds = ErrorKind::Tag { expected: kind.tag(), found: self.tlv.tag };
        Err(self.tlv.error(kinds, "ProfileElement"))
    }
}

/// A profile package: its elements in order.
#[derive(Clone, Debug)]
pub struct Package<'a> {
    octets: &'a [u8],
    elements: Vec<ProfileElement<'a>>,
}

/// What [`Package::read_what_can_be`] made of some octets.
#[derive(Clone, Debug)]
pub struct Reading<'a> {
    /// The elements that could be read, in order.
    pub package: Package<'a>,
    /// Why the others could not, in order.
    pub problems: Vec<Error>,
}

impl<'a> Package<'a> {
    /// Reads a package of at most [`MAX_PACKAGE`] octets and [`MAX_ELEMENTS`] elements. Every element must be well
    /// formed DER down to its leaves; order, End and contents are the matter of whoever installs or checks it.
    ///
    /// # Errors
    /// [`Error`] with the offset in the package.
    pub fn from_der(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(octets, "ProfilePackage");
        if octets.is_empty() || octets.len() > MAX_PACKAGE {
            return Err(reader.error(ErrorKind::Value));
        }
        let mut elements = Vec::new();
        while !reader.is_empty() {
            if elements.len() == MAX_ELEMENTS {
                return Err(reader.error(ErrorKind::Value));
            }
            elements.push(ProfileElement::read(reader.read()?)?);
        }
        Ok(Self { octets, elements })
    }

    /// As [`Package::from_der`], for tools that look at packages of others: lengths and numbers may be longer than they
    /// need be ([`Rules::Ber`]). The octets are kept as they are.
    ///
    /// # Errors
    /// [`Error`] with the offset in the package.
    pub fn from_ber(octets: &'a [u8]) -> Result<Self, Error> {
        let Reading { package, mut problems } = Self::read_what_can_be(octets);
        if problems.is_empty() { Ok(package) } else { Err(problems.swap_remove(0)) }
    }

    /// As [`Package::from_ber`], but an element that cannot be read is left out and told as a problem. Reading ends
    /// where no element can be found any more.
    #[must_use]
    pub fn read_what_can_be(octets: &'a [u8]) -> Reading<'a> {
        let mut reader = Reader::with_rules(octets, "ProfilePackage", Rules::Ber);
        let mut reading = Reading { package: Self { octets, elements: Vec::new() }, problems: Vec::new() };
        if octets.is_empty() || octets.len() > MAX_PACKAGE {
            reading.problems.push(reader.error(ErrorKind::Value));
            return reading;
        }
        while !reader.is_empty() {
            if reading.package.elements.len() + reading.problems.len() == MAX_ELEMENTS {
                reading.problems.push(reader.error(ErrorKind::Value));
                break;
            }
            let tlv = match reader.read() {
                Ok(tlv) => tlv,
                Err(error) => {
                    reading.problems.push(error);
                    break;
                }
            };
            match ProfileElement::read(tlv) {
                Ok(element) => reading.package.elements.push(element),
                Err(error) => reading.problems.push(error),
            }
        }
        reading
    }

    /// The package as received.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        self.elements.iter().flat_map(|element| element.tlv.raw).copied().collect()
    }

    /// The octets that were read.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The elements in order.
    #[must_use]
    pub fn elements(&self) -> &[ProfileElement<'a>] {
        &self.elements
    }

    /// The first element of a kind.
    #[must_use]
    pub fn first(&self, kind: ElementKind) -> Option<&ProfileElement<'a>> {
        self.elements.iter().find(|element| element.kind == kind)
    }
}

/// Where the value octets of `tlv` start in the input.
#[must_use]
pub const fn value_offset(tlv: &Tlv<'_>) -> usize {
    tlv.offset + (tlv.raw.len() - tlv.value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_follow_the_number_of_the_alternative() {
        for (kind, tag) in [
            (ElementKind::Header, 0xA0),
            (ElementKind::End, 0xAA),
            (ElementKind::Mf, 0xB0),
            (ElementKind::DfSnpn, 0xBE),
            (ElementKind::Df5gProse, 0xBF1F),
            (ElementKind::OptIot, 0xBF21),
        ] {
            assert_eq!(kind.tag(), Tag(tag));
            assert_eq!(ElementKind::from_tag(Tag(tag)), kind);
        }
        assert_eq!(ElementKind::from_tag(Tag(0xAB)), ElementKind::Unknown(Tag(0xAB)));
        assert_eq!(ElementKind::KNOWN.iter().filter(|kind| kind.is_file_system()).count(), 18);
    }

    #[test]
    fn the_end_of_the_reference_is_read() {
        let octets = [0xAA, 0x05, 0xA0, 0x03, 0x81, 0x01, 0x01];
        let package = Package::from_der(&octets).unwrap();
        let [end] = package.elements() else { panic!("one element") };
        assert_eq!((end.kind, end.identification(), end.is_mandated()), (ElementKind::End, Some(1), false));
        assert_eq!(package.to_der(), octets);
    }

    #[test]
    fn unknown_elements_survive_and_broken_ones_are_refused_with_their_offset() {
        let unknown = [0xAA, 0x05, 0xA0, 0x03, 0x81, 0x01, 0x01, 0xBF, 0x50, 0x03, 0x99, 0x01, 0x00];
        let package = Package::from_der(&unknown).unwrap();
        assert_eq!(package.elements()[1].kind, ElementKind::Unknown(Tag(0xBF50)));
        assert_eq!(package.to_der(), unknown);
        for (octets, offset) in [
            (&[][..], 0),
            (&[0xAA, 0x05, 0xA0, 0x03, 0x81, 0x01], 0),
            (&[0xAA, 0x06, 0xA0, 0x04, 0x81, 0x02, 0x00, 0x01], 4),
            (&[0xAA, 0x07, 0xA0, 0x05, 0x81, 0x03, 0x00, 0x80, 0x00], 4),
            (&[0xAA, 0x00], 0),
            (&[0xAA, 0x02, 0xA0, 0x00], 4),
            (&[0xAA, 0x05, 0xA0, 0x03, 0x81, 0x02, 0x01], 4),
            (&[0x8A, 0x00], 0),
        ] {
            assert_eq!(Package::from_der(octets).unwrap_err().offset, offset, "{octets:02X?}");
        }
    }

    #[test]
    fn longer_lengths_and_numbers_are_read_as_ber_and_kept() {
        let octets = [0xAA, 0x82, 0x00, 0x07, 0xA0, 0x81, 0x04, 0x81, 0x02, 0x00, 0x01];
        assert_eq!(Package::from_der(&octets).unwrap_err().offset, 0);
        let package = Package::from_ber(&octets).unwrap();
        assert_eq!(package.elements()[0].identification(), Some(1));
        assert_eq!(package.to_der(), octets);
        let indefinite = [0xAA, 0x80, 0xA0, 0x03, 0x81, 0x01, 0x01, 0x00, 0x00];
        let error = Package::from_ber(&indefinite).unwrap_err();
        assert_eq!((error.kind, error.offset), (ErrorKind::IndefiniteLength, 0));
    }

    #[test]
    fn what_can_be_read_is_read() {
        let end = [0xAA, 0x05, 0xA0, 0x03, 0x81, 0x01, 0x01];
        let without_header = [0xA2, 0x00];
        let deep = {
            let mut octets = vec![0x30, 0x00];
            for _ in 0..crate::tlv::MAX_DEPTH + 2 {
                let mut writer = crate::tlv::Writer::new();
                writer.tlv(Tag(0xA1), &octets);
                octets = writer.finish();
            }
            octets
        };
        let octets = [&end[..], &without_header, &deep, &end, &[0xA2, 0x05]].concat();
        let Reading { package, problems } = Package::read_what_can_be(&octets);
        let offsets: Vec<usize> = package.elements().iter().map(|element| element.tlv.offset).collect();
        assert_eq!(offsets, [0, 9 + deep.len()]);
        assert_eq!(problems[0].offset, 7);
        assert_eq!(problems[1].kind, ErrorKind::Depth);
        assert_eq!((problems[2].offset, problems.len()), (16 + deep.len(), 3));
        assert!(Package::from_ber(&octets).is_err());
        assert_eq!(Package::read_what_can_be(&[]).problems.len(), 1);
        assert_eq!(Package::read_what_can_be(&end.repeat(MAX_ELEMENTS + 1)).problems.len(), 1);
    }
}
