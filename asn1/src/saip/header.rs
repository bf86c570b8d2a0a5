//! ProfileHeader: the first element. It has no PEHeader.

use super::{ElementKind, ProfileElement};
use crate::oid::Oid;
use crate::rsp::info::uicc_capability as bits;
use crate::tlv::{Error, ErrorKind, Reader, Tag};

/// The largest number of templates and of AIDs that a header may name.
const MAX_LIST: usize = 256;

macro_rules! services {
    ($($number:literal $service:ident $name:literal),* $(,)?) => {
        /// An entry of eUICC-Mandatory-services: the profile cannot be installed where it is not supported.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Service {
            $(#[doc = concat!("`", $name, "`.")] $service,)*
            /// A service that this version does not know, by its context tag number.
            Unknown(u32),
        }

        impl Service {
            /// All known services in the order of the module.
            pub const KNOWN: &'static [Self] = &[$(Self::$service),*];

            /// The service with this context tag number.
            #[must_use]
            pub const fn from_number(number: u32) -> Self {
                match number {
                    $($number => Self::$service,)*
                    other => Self::Unknown(other),
                }
            }

            /// The context tag number.
            #[must_use]
            pub const fn number(self) -> u32 {
                match self {
                    $(Self::$service => $number,)*
                    Self::Unknown(number) => number,
                }
            }

            /// The name in the module.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$service => $name,)*
                    Self::Unknown(_) => "unknown",
                }
            }
        }
    };
}

services! {
    0 Contactless "contactless", 1 Usim "usim", 2 Isim "isim", 3 Csim "csim", 4 Milenage "milenage",
    5 Tuak128 "tuak128", 6 Cave "cave", 7 GbaUsim "gba-usim", 8 GbaIsim "gba-isim", 9 Mbms "mbms", 10 Eap "eap",
    11 Javacard "javacard", 12 Multos "multos", 13 MultipleUsim "multiple-usim", 14 MultipleIsim "multiple-isim",
    15 MultipleCsim "multiple-csim", 16 Tuak256 "tuak256", 17 UsimTestAlgorithm "usim-test-algorithm",
    18 BerTlv "ber-tlv", 19 DfLink "dfLink", 20 CatTp "cat-tp", 21 GetIdentity "get-identity",
    22 ProfileAX25519 "profile-a-x25519", 23 ProfileBP256 "profile-b-p256",
    24 SuciCalculatorApi "suciCalculatorApi", 25 DnsResolution "dns-resolution", 26 Scp11ac "scp11ac",
    27 Scp11cAuthorizationMechanism "scp11c-authorization-mechanism", 28 S16Mode "s16mode", 29 Eaka "eaka",
}

impl Service {
    /// The bit of uiccCapability (SGP.22, EUICCInfo2) by which an eUICC says that it has this service; `None` for a
    /// service that this version does not know.
    #[must_use]
    pub const fn uicc_capability(self) -> Option<u32> {
        Some(match self {
            Self::Contactless => bits::CONTACTLESS,
            Self::Usim => bits::USIM,
            Self::Isim => bits::ISIM,
            Self::Csim => bits::CSIM,
            Self::Milenage => bits::MILENAGE,
            Self::Tuak128 => bits::TUAK_128,
            Self::Cave => bits::CAVE,
            Self::GbaUsim => bits::GBA_USIM,
            Self::GbaIsim => bits::GBA_ISIM,
            Self::Mbms => bits::MBMS,
            Self::Eap => bits::EAP,
            Self::Javacard => bits::JAVACARD,
            Self::Multos => bits::MULTOS,
            Self::MultipleUsim => bits::MULTIPLE_USIM,
            Self::MultipleIsim => bits::MULTIPLE_ISIM,
            Self::MultipleCsim => bits::MULTIPLE_CSIM,
            Self::Tuak256 => bits::TUAK_256,
            Self::UsimTestAlgorithm => bits::USIM_TEST_ALGORITHM,
            Self::BerTlv => bits::BER_TLV_FILES,
            Self::DfLink => bits::DF_LINK,
            Self::CatTp => bits::CAT_TP,
            Self::GetIdentity => bits::GET_IDENTITY,
            Self::ProfileAX25519 => bits::PROFILE_A_X25519,
            Self::ProfileBP256 => bits::PROFILE_B_P256,
            Self::SuciCalculatorApi => bits::SUCI_CALCULATOR_API,
            Self::DnsResolution => bits::DNS_RESOLUTION,
            Self::Scp11ac => bits::SCP11AC,
            Self::Scp11cAuthorizationMechanism => bits::SCP11C_AUTHORIZATION_MECHANISM,
            Self::S16Mode => bits::S16_MODE,
            Self::Eaka => bits::EAKA,
            Self::Unknown(_) => return None,
        })
    }
}

/// What the first element says.
#[derive(Clone, Debug)]
pub struct ProfileHeader<'a> {
    /// The format version's first number: 2 or 3.
    pub major_version: u8,
    /// The format version's second number.
    pub minor_version: u8,
    /// Free text of 1 to 100 characters.
    pub profile_type: Option<&'a str>,
    /// Ten octets of digits in reading order, filled with F.
    pub iccid: &'a [u8; 10],
    /// Where the ICCID's octets start in the package.
    pub iccid_offset: usize,
    /// POL1 of SGP.02.
    pub pol: Option<&'a [u8]>,
    /// What the eUICC must support.
    pub mandatory_services: Vec<Service>,
    /// The file system templates that the eUICC must know.
    pub mandatory_templates: Vec<Oid>,
    /// SMS, BIP and HTTPS parameters.
    pub connectivity_parameters: Option<&'a [u8]>,
    /// eUICC-Mandatory-AIDs: the libraries and packages that must be on the eUICC, by their AIDs.
    pub mandatory_aids: Vec<&'a [u8]>,
}

impl<'a> ProfileElement<'a> {
    /// The element as profile header.
    ///
    /// # Errors
    /// [`Error`] for another element, or members that are missing or not allowed.
    pub fn profile_header(&self) -> Result<ProfileHeader<'a>, Error> {
        const WHAT: &str = "ProfileHeader";
        self.must_be(ElementKind::Header)?;
        let mut members = self.tlv.members(WHAT);
        let version = |tlv: crate::tlv::Tlv<'_>| {
            u8::try_from(tlv.unsigned(WHAT)?).map_err(|_| tlv.error(ErrorKind::Value, WHAT))
        };
        let major_version = version(members.expect(Tag::context(0))?)?;
        let minor_version = version(members.expect(Tag::context(1))?)?;
        let profile_type = match members.optional(Tag::context(2))? {
            Some(tlv) => {
                tlv.sized(1..=400, WHAT)?;
                Some(tlv.text(100, WHAT)?)
            }
            None => None,
        };
        let iccid = members.expect(Tag::context(3))?;
        let pol = members.optional(Tag::context(4))?.map(|tlv| tlv.value);

        let mut services = members.expect(Tag::context_constructed(5))?.members(WHAT);
        let mut mandatory_services = Vec::new();
        while !services.is_empty() {
            let service = services.read()?;
            if mandatory_services.len() == MAX_LIST {
                return Err(service.error(ErrorKind::Value, WHAT));
            }
            // An entry is a NULL under its number's context tag; another class is another tag.
            let number = service.tag.number();
            if service.tag != Tag::context(number) || !service.value.is_empty() {
                return Err(service.error(ErrorKind::Value, WHAT));
            }
            mandatory_services.push(Service::from_number(number));
        }
        let mut templates = members.expect(Tag::context_constructed(6))?.members(WHAT);
        let mut mandatory_templates = Vec::new();
        while !templates.is_empty() {
            let template = templates.expect(Tag::OID)?;
            let oid = Oid::from_content(template.value).filter(|_| mandatory_templates.len() < MAX_LIST);
            mandatory_templates.push(oid.ok_or(template.error(ErrorKind::Value, WHAT))?);
        }
        let connectivity_parameters = members.optional(Tag::context(7))?.map(|tlv| tlv.value);
        let mandatory_aids = match members.optional(Tag::context_constructed(8))? {
            Some(list) => mandatory_aids(list.members("eUICC-Mandatory-AIDs"))?,
            None => Vec::new(),
        };
        members.extensions()?;
        Ok(ProfileHeader {
            major_version,
            minor_version,
            profile_type,
            iccid: iccid.array(WHAT)?,
            iccid_offset: super::value_offset(&iccid),
            pol,
            mandatory_services,
            mandatory_templates,
            connectivity_parameters,
            mandatory_aids,
        })
    }
}

/// The AIDs of a list of pairs of `80` AID and `81` version, two octets.
fn mandatory_aids<'a>(mut list: Reader<'a>) -> Result<Vec<&'a [u8]>, Error> {
    let what = list.what();
    let mut aids = Vec::new();
    while !list.is_empty() {
        let entry = list.expect(Tag::SEQUENCE)?;
        if aids.len() == MAX_LIST {
            return Err(entry.error(ErrorKind::Value, what));
        }
        let mut members = entry.members(what);
        aids.push(members.expect(Tag::context(0))?.sized(5..=16, what)?);
        members.expect(Tag::context(1))?.array::<2>(what)?;
        members.extensions()?;
    }
    Ok(aids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saip::Package;
    use crate::tlv::Writer;

    fn header(services: &[u32]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nested(Tag::context_constructed(0), |w| {
            w.integer(Tag::context(0), 2).integer(Tag::context(1), 3);
            w.tlv(Tag::context(3), &[0x89; 10]);
            w.nested(Tag::context_constructed(5), |w| {
                for service in services {
                    w.tlv(Tag::context(*service), &[]);
                }
            });
            w.nested(Tag::context_constructed(6), |w| {
                w.tlv(Tag::OID, &[0x67, 0x81, 0x0F, 0x01, 0x02, 0x01]);
            });
        });
        writer.finish()
    }

    #[test]
    fn services_are_named_and_unknown_ones_kept() {
        let octets = header(&[1, 4, 29, 40]);
        let package = Package::from_der(&octets).unwrap();
        let header = package.elements()[0].profile_header().unwrap();
        assert_eq!(
            header.mandatory_services,
            [Service::Usim, Service::Milenage, Service::Eaka, Service::Unknown(40)]
        );
        assert_eq!(header.mandatory_templates[0].to_string(), "2.23.143.1.2.1");
        assert_eq!(octets[header.iccid_offset..][..10], *header.iccid);
        let mut bits = std::collections::BTreeSet::new();
        for (number, service) in Service::KNOWN.iter().enumerate() {
            assert_eq!(service.number() as usize, number, "{}", service.name());
            let bit = service.uicc_capability().unwrap();
            assert!(crate::rsp::info::uicc_capability::name(bit).is_some() && bits.insert(bit), "{bit}");
        }
        assert_eq!(Service::Unknown(40).uicc_capability(), None);
    }

    #[test]
    fn a_service_is_an_empty_value_under_a_primitive_context_tag() {
        for entry in [[0x01, 0], [0xA1, 0], [0x41, 0], [0xC1, 0]] {
            let mut octets = header(&[1]);
            let at = octets.windows(4).position(|window| window == [0xA5, 2, 0x81, 0]).unwrap() + 2;
            octets[at..at + 2].copy_from_slice(&entry);
            let package = Package::from_der(&octets).unwrap();
            let error = package.elements()[0].profile_header().unwrap_err();
            assert_eq!((error.kind, error.offset), (ErrorKind::Value, at), "{entry:02X?}");
        }
    }

    #[test]
    fn mandatory_aids_are_read() {
        let with = |list: &[u8]| {
            let mut octets = header(&[]);
            octets.extend([0xA8, u8::try_from(list.len()).unwrap()]);
            octets.extend(list);
            octets[1] = u8::try_from(octets.len() - 2).unwrap();
            let package = Package::from_der(&octets)?;
            let header = package.elements()[0].profile_header()?;
            Ok(header.mandatory_aids.iter().map(|aid| aid.to_vec()).collect::<Vec<_>>())
        };
        let entry = [0x30, 11, 0x80, 5, 0xA0, 0, 0, 0, 9, 0x81, 2, 1, 0];
        assert_eq!(with(&[]), Ok(Vec::new()));
        assert_eq!(with(&entry), Ok(vec![vec![0xA0, 0, 0, 0, 9]]));
        for wrong in
            [&[0x30, 2, 0x80, 0][..], &[0x31, 0], &entry[..12], &[0x30, 7, 0x80, 5, 0xA0, 0, 0, 0, 9]]
        {
            assert!(with(wrong).is_err_and(|error: Error| error.offset > 0), "{wrong:02X?}");
        }
    }

    #[test]
    fn an_iccid_of_another_length_is_refused() {
        let mut octets = header(&[]);
        octets[1] -= 1;
        octets[9] = 9;
        octets.remove(10);
        let package = Package::from_der(&octets).unwrap();
        assert_eq!(package.elements()[0].profile_header().unwrap_err().offset, 8);
    }
}
