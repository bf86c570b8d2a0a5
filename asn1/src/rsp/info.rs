//! What an eUICC says of itself: EUICCInfo1 and EUICCInfo2 (SGP.22 4.3, 5.7.8).

use super::{Version, key_identifiers, write_key_identifiers};
use crate::tlv::{Decode, Encode, Error, ErrorKind, NamedBits, Reader, Tag, Tlv, Writer};

/// EUICCInfo1, `BF20`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EuiccInfo1<'a> {
    /// svn: the version of SGP.22 that the eUICC supports.
    pub svn: Version,
    /// euiccCiPKIdListForVerification: CI keys under which the eUICC verifies servers, preferred first.
    pub ci_pk_ids_for_verification: Vec<&'a [u8]>,
    /// euiccCiPKIdListForSigning: CI keys under which the eUICC has certificates, preferred first.
    pub ci_pk_ids_for_signing: Vec<&'a [u8]>,
    /// Members of later versions, as received.
    pub extensions: &'a [u8],
}

impl EuiccInfo1<'_> {
    /// The tag of the message.
    pub const TAG: Tag = Tag(0xBF20);

    /// highestSvn, which version 3 appended: only its eUICCs state it, and `svn` is then the lowest one they can work
    /// with. `None` also where the member has another form than three octets.
    #[must_use]
    pub fn highest_svn(&self) -> Option<Version> {
        let mut members = Reader::new(self.extensions, Self::NAME);
        while let Ok(member) = members.read() {
            if member.tag == Tag(0x93) {
                return member.array("highestSvn").ok().copied().map(Version);
            }
        }
        None
    }
}

impl<'a> Decode<'a> for EuiccInfo1<'a> {
    const NAME: &'static str = "EUICCInfo1";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let mut members = reader.expect(EuiccInfo1::TAG)?.members(Self::NAME);
        Ok(Self {
            svn: Version(*members.expect(Tag(0x82))?.array("svn")?),
            ci_pk_ids_for_verification: key_identifiers(&members.expect(Tag(0xA9))?)?,
            ci_pk_ids_for_signing: key_identifiers(&members.expect(Tag(0xAA))?)?,
            extensions: members.extensions()?,
        })
    }
}

impl Encode for EuiccInfo1<'_> {
    fn encode(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members.tlv(Tag(0x82), &self.svn.0);
            write_key_identifiers(members, Tag(0xA9), &self.ci_pk_ids_for_verification);
            write_key_identifiers(members, Tag(0xAA), &self.ci_pk_ids_for_signing);
            members.raw(self.extensions);
        });
    }
}

/// Bits of `uiccCapability` (SGP.22 annex H, UICCCapability; later ones as in the profile package's module).
pub mod uicc_capability {
    macro_rules! capabilities {
        ($($constant:ident $bit:literal $name:literal),* $(,)?) => {
            $(#[doc = concat!("`", $name, "`.")] pub const $constant: u32 = $bit;)*

            /// The name of a bit; `None` for one that is reserved or of a later version.
            #[must_use]
            pub const fn name(bit: u32) -> Option<&'static str> {
                match bit {
                    $($bit => Some($name),)*
                    _ => None,
                }
            }
        };
    }

    capabilities! {
        CONTACTLESS 0 "contactlessSupport", USIM 1 "usimSupport", ISIM 2 "isimSupport",
        CSIM 3 "csimSupport", MILENAGE 4 "akaMilenage", CAVE 5 "akaCave", TUAK_128 6 "akaTuak128",
        TUAK_256 7 "akaTuak256", USIM_TEST_ALGORITHM 8 "usimTestAlgorithm", GBA_USIM 10 "gbaAuthenUsim",
        GBA_ISIM 11 "gbaAuthenISim", MBMS 12 "mbmsAuthenUsim", EAP 13 "eapClient", JAVACARD 14 "javacard",
        MULTOS 15 "multos", MULTIPLE_USIM 16 "multipleUsimSupport", MULTIPLE_ISIM 17 "multipleIsimSupport",
        MULTIPLE_CSIM 18 "multipleCsimSupport", BER_TLV_FILES 19 "berTlvFileSupport",
        DF_LINK 20 "dfLinkSupport", CAT_TP 21 "catTp", GET_IDENTITY 22 "getIdentity",
        PROFILE_A_X25519 23 "profile-a-x25519", PROFILE_B_P256 24 "profile-b-p256",
        SUCI_CALCULATOR_API 25 "suciCalculatorApi", DNS_RESOLUTION 26 "dns-resolution",
        SCP11AC 27 "scp11ac", SCP11C_AUTHORIZATION_MECHANISM 28 "scp11c-authorization-mechanism",
        S16_MODE 29 "s16mode", EAKA 30 "eaka", IOT_MINIMAL 31 "iotminimal",
    }
}

/// Bits of `rspCapability` (RspCapability).
pub mod rsp_capability {
    /// additionalProfile: room for one more profile.
    pub const ADDITIONAL_PROFILE: u32 = 0;
    /// crlSupport.
    pub const CRL_SUPPORT: u32 = 1;
    /// testProfileSupport.
    pub const TEST_PROFILE_SUPPORT: u32 = 3;
    /// deviceInfoExtensibilitySupport.
    pub const DEVICE_INFO_EXTENSIBILITY: u32 = 4;
    /// serviceSpecificDataSupport.
    pub const SERVICE_SPECIFIC_DATA: u32 = 5;
}

/// IoTSpecificInfo, `B4` of EUICCInfo2 (SGP.32 5.9.2): that the eUICC is one of SGP.32, and what it can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IotSpecificInfo {
    /// `A0` iotVersion: the versions of SGP.32 that the eUICC supports.
    pub iot_version: Vec<Version>,
    /// `81` ecallSupported.
    pub ecall_supported: bool,
    /// `82` fallbackSupported.
    pub fallback_supported: bool,
}

impl IotSpecificInfo {
    const TAG: Tag = Tag(0xB4);

    fn read(tlv: &Tlv<'_>) -> Result<Self, Error> {
        /// More versions than there will be.
        const MAX_VERSIONS: usize = 32;
        const WHAT: &str = "IoTSpecificInfo";
        let mut members = tlv.members(WHAT);
        let mut info = Self::default();
        let mut versions = members.expect(Tag(0xA0))?.members("iotVersion");
        while !versions.is_empty() {
            if info.iot_version.len() == MAX_VERSIONS {
                return Err(versions.error(ErrorKind::Value));
            }
            info.iot_version.push(Version(*versions.expect(Tag::OCTET_STRING)?.array("VersionType")?));
        }
        // A NULL; false in the form of a BOOLEAN is false.
        let mut flag = |tag| Ok(members.optional(tag)?.is_some_and(|tlv| tlv.value != [0x00]));
        info.ecall_supported = flag(Tag(0x81))?;
        info.fallback_supported = flag(Tag(0x82))?;
        members.extensions()?;
        Ok(info)
    }

    fn write(&self, writer: &mut Writer) {
        writer.nested(Self::TAG, |members| {
            members.nested(Tag(0xA0), |list| {
                for version in &self.iot_version {
                    list.tlv(Tag::OCTET_STRING, &version.0);
                }
            });
            for (tag, supported) in [(Tag(0x81), self.ecall_supported), (Tag(0x82), self.fallback_supported)]
            {
                if supported {
                    members.tlv(tag, &[]);
                }
            }
        });
    }
}

/// EUICCInfo2, `BF22`. Clients differ in what they leave out and add, so only what every version has is demanded, the
/// members may come in any order, and unknown ones are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EuiccInfo2<'a> {
    /// `81` profileVersion: the highest version of the profile package that is supported.
    pub profile_version: Option<Version>,
    /// `82` svn.
    pub svn: Option<Version>,
    /// `83` euiccFirmwareVer.
    pub firmware_version: Option<Version>,
    /// `84` extCardResource (TS 102 226), as received.
    pub ext_card_resource: &'a [u8],
    /// `85` uiccCapability.
    pub uicc_capability: NamedBits,
    /// `86` ts102241Version.
    pub ts102241_version: Option<Version>,
    /// `87` globalplatformVersion.
    pub globalplatform_version: Option<Version>,
    /// `88` rspCapability.
    pub rsp_capability: NamedBits,
    /// `A9` euiccCiPKIdListForVerification.
    pub ci_pk_ids_for_verification: Vec<&'a [u8]>,
    /// `AA` euiccCiPKIdListForSigning.
    pub ci_pk_ids_for_signing: Vec<&'a [u8]>,
    /// `8B` euiccCategory.
    pub category: Option<u32>,
    /// `99` forbiddenProfilePolicyRules.
    pub forbidden_profile_policy_rules: NamedBits,
    /// `04` ppVersion.
    pub pp_version: Option<Version>,
    /// `0C` sasAcreditationNumber.
    pub sas_accreditation_number: &'a str,
    /// `90` ipaMode (SGP.32): 0 in the device, 1 in the eUICC. An eUICC of SGP.22 version 3 states its LPA here.
    pub ipa_mode: Option<u32>,
    /// `B4` iotSpecificInfo (SGP.32).
    pub iot_specific_info: Option<IotSpecificInfo>,
    /// Members that are not modelled (certificationDataObject, treProperties and those of later versions), as received.
    pub others: Vec<&'a [u8]>,
}

impl EuiccInfo2<'_> {
    /// The tag of the message.
    pub const TAG: Tag = Tag(0xBF22);

    /// additionalEuiccProfilePackageVersions, `AF`: the highest versions of other generations of the profile package
    /// that are supported. What cannot be read is left out.
    #[must_use]
    pub fn additional_profile_versions(&self) -> Vec<Version> {
        let mut versions = Vec::new();
        for member in &self.others {
            let Ok(list) = Reader::new(member, "additionalEuiccProfilePackageVersions").read() else {
                continue;
            };
            if list.tag != Tag(0xAF) {
                continue;
            }
            let mut entries = list.members("additionalEuiccProfilePackageVersions");
            while let Ok(entry) = entries.read() {
                versions.extend(entry.array("VersionType").ok().map(|octets| Version(*octets)));
            }
        }
        versions
    }

    /// Free non-volatile memory in octets: member `82` of extCardResource, if it can be read.
    #[must_use]
    pub fn free_non_volatile_memory(&self) -> Option<u64> {
        let mut reader = Reader::new(self.ext_card_resource, "extCardResource");
        while !reader.is_empty() {
            let tlv = reader.read().ok()?;
            if tlv.tag == Tag(0x82) && tlv.value.len() <= 8 {
                return Some(tlv.value.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet)));
            }
        }
        None
    }
}

impl<'a> Decode<'a> for EuiccInfo2<'a> {
    const NAME: &'static str = "EUICCInfo2";

    fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let outer = reader.expect(EuiccInfo2::TAG)?;
        let mut members = outer.members(Self::NAME);
        let mut info = Self::default();
        let mut lists = (false, false);
        while !members.is_empty() {
            let tlv = members.read()?;
            let version = || tlv.array("VersionType").map(|octets| Some(Version(*octets)));
            match tlv.tag.0 {
                0x81 => info.profile_version = version()?,
                0x82 => info.svn = version()?,
                0x83 => info.firmware_version = version()?,
                0x84 => info.ext_card_resource = tlv.value,
                0x85 => info.uicc_capability = tlv.named_bits("uiccCapability")?,
                0x86 => info.ts102241_version = version()?,
                0x87 => info.globalplatform_version = version()?,
                0x88 => info.rsp_capability = tlv.named_bits("rspCapability")?,
                0xA9 => {
                    info.ci_pk_ids_for_verification = key_identifiers(&tlv)?;
                    lists.0 = true;
                }
                0xAA => {
                    info.ci_pk_ids_for_signing = key_identifiers(&tlv)?;
                    lists.1 = true;
                }
                0x8B => info.category = Some(tlv.unsigned("euiccCategory")?),
                0x99 => {
                    info.forbidden_profile_policy_rules = tlv.named_bits("forbiddenProfilePolicyRules")?;
                }
                0x04 => info.pp_version = version()?,
                0x0C => info.sas_accreditation_number = tlv.text(64, "sasAcreditationNumber")?,
                0x90 => info.ipa_mode = Some(tlv.unsigned("ipaMode")?),
                0xB4 => info.iot_specific_info = Some(IotSpecificInfo::read(&tlv)?),
                _ => info.others.push(tlv.raw),
            }
        }
        match lists {
            (true, true) => Ok(info),
            (false, _) => Err(outer.error(ErrorKind::Missing { expected: Tag(0xA9) }, Self::NAME)),
            (_, false) => Err(outer.error(ErrorKind::Missing { expected: Tag(0xAA) }, Self::NAME)),
        }
    }
}

impl Encode for EuiccInfo2<'_> {
    fn encode(&self, writer: &mut Writer) {
        let version = |value: &Option<Version>| value.map(|version| version.0);
        writer.nested(Self::TAG, |members| {
            members
                .optional(Tag(0x81), version(&self.profile_version).as_ref().map(|v| &v[..]))
                .optional(Tag(0x82), version(&self.svn).as_ref().map(|v| &v[..]))
                .optional(Tag(0x83), version(&self.firmware_version).as_ref().map(|v| &v[..]))
                .tlv(Tag(0x84), self.ext_card_resource)
                .named_bits(Tag(0x85), self.uicc_capability)
                .optional(Tag(0x86), version(&self.ts102241_version).as_ref().map(|v| &v[..]))
                .optional(Tag(0x87), version(&self.globalplatform_version).as_ref().map(|v| &v[..]))
                .named_bits(Tag(0x88), self.rsp_capability);
            write_key_identifiers(members, Tag(0xA9), &self.ci_pk_ids_for_verification);
            write_key_identifiers(members, Tag(0xAA), &self.ci_pk_ids_for_signing);
            if let Some(category) = self.category {
                members.integer(Tag(0x8B), i64::from(category));
            }
            if self.forbidden_profile_policy_rules != NamedBits::default() {
                members.named_bits(Tag(0x99), self.forbidden_profile_policy_rules);
            }
            members
                .optional(Tag::OCTET_STRING, version(&self.pp_version).as_ref().map(|v| &v[..]))
                .tlv(Tag::UTF8_STRING, self.sas_accreditation_number.as_bytes());
            for other in &self.others {
                members.raw(other);
            }
            if let Some(mode) = self.ipa_mode {
                members.integer(Tag(0x90), i64::from(mode));
            }
            if let Some(info) = &self.iot_specific_info {
                info.write(members);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_package_versions_are_read_and_kept() {
        let list = [0xAF, 14, 4, 3, 2, 3, 1, 4, 2, 9, 9, 4, 3, 2, 1, 0];
        let others = vec![&[0x8D, 1, 0][..], &list];
        let der = EuiccInfo2 { others, ..EuiccInfo2::default() }.to_der();
        let read = EuiccInfo2::from_der(&der).unwrap();
        assert_eq!(read.additional_profile_versions(), [Version([2, 3, 1]), Version([2, 1, 0])]);
        assert_eq!(read.to_der(), der);
        assert_eq!(EuiccInfo2::default().additional_profile_versions(), []);
    }

    #[test]
    fn an_euicc_of_sgp32_says_so() {
        let info = IotSpecificInfo {
            iot_version: vec![Version([1, 2, 0])],
            ecall_supported: false,
            fallback_supported: true,
        };
        let euicc = EuiccInfo2 { ipa_mode: Some(0), iot_specific_info: Some(info), ..EuiccInfo2::default() };
        let der = euicc.to_der();
        assert!(der.ends_with(&[0x90, 1, 0, 0xB4, 9, 0xA0, 5, 4, 3, 1, 2, 0, 0x82, 0]), "{der:02X?}");
        assert_eq!(EuiccInfo2::from_der(&der).unwrap(), euicc);
        assert_eq!(EuiccInfo2::default().iot_specific_info, None);
    }

    #[test]
    fn free_memory_is_read_where_it_can_be() {
        for (resources, expected) in [
            (&[0x81, 1, 5, 0x82, 3, 1, 0, 0, 0x83, 1, 9][..], Some(0x1_0000)),
            (&[0x82, 1, 0], Some(0)),
            (&[], None),
            (&[0x81, 1, 5], None),
            (&[1, 2, 3], None),
        ] {
            let der = EuiccInfo2 { ext_card_resource: resources, ..EuiccInfo2::default() }.to_der();
            assert_eq!(EuiccInfo2::from_der(&der).unwrap().free_non_volatile_memory(), expected);
        }
    }
}
