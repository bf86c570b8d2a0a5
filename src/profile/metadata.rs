//! The metadata of a profile as the SM-DP+ keeps it (SGP.22 2.4a.1, 5.5.3).

use simyard_asn1::Encode as _;
use simyard_asn1::rsp::metadata::{
    NotificationConfiguration, OperatorId, StoreMetadataRequest, profile_class,
};
use simyard_asn1::tlv::NamedBits;

use crate::ident::{Iccid, ServerAddress};

/// profileClass of the metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileClass {
    /// A test profile (2.4.5.3): installed only where the eUICC supports test profiles.
    Test,
    /// A provisioning profile (2.4.5.2).
    Provisioning,
    /// An operational profile.
    #[default]
    Operational,
}

impl ProfileClass {
    const fn code(self) -> u32 {
        match self {
            Self::Test => profile_class::TEST,
            Self::Provisioning => profile_class::PROVISIONING,
            Self::Operational => profile_class::OPERATIONAL,
        }
    }
}

/// What is told of every profile of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileMetadata {
    /// serviceProviderName, at most 32 characters.
    pub service_provider_name: String,
    /// profileName, at most 64 characters.
    pub profile_name: String,
    /// profileClass.
    pub profile_class: ProfileClass,
    /// profileOwner: mccMnc in the coding of TS 24.008.
    pub mcc_mnc: Option<[u8; 3]>,
    /// Who is told when the profile is enabled, disabled or deleted.
    pub notification_addresses: Vec<ServerAddress>,
    /// profilePolicyRules.
    pub profile_policy_rules: NamedBits,
}

impl ProfileMetadata {
    /// Whether it is a test profile.
    #[must_use]
    pub const fn is_test(&self) -> bool {
        matches!(self.profile_class, ProfileClass::Test)
    }

    /// Digits of the operator's MNC: 2 or 3; 2 where the operator is not named.
    #[must_use]
    pub const fn mnc_length(&self) -> u8 {
        match self.mcc_mnc {
            // The third digit stands in the upper half of the second octet; F is none.
            Some([_, second, _]) if second >> 4 != 0xF => 3,
            Some(_) | None => 2,
        }
    }

    /// The StoreMetadataRequest of the profile with this ICCID: DER, `BF25`.
    #[must_use]
    pub fn to_store_metadata(&self, iccid: &Iccid) -> Vec<u8> {
        /// enable, disable and delete. The result of the installation comes to the SM-DP+ that delivered the package
        /// anyway (2.5.6).
        const EVENTS: NamedBits = NamedBits(0b1110);
        let iccid = iccid.to_bcd();
        let request = StoreMetadataRequest {
            iccid: &iccid,
            service_provider_name: &self.service_provider_name,
            profile_name: &self.profile_name,
            icon: None,
            profile_class: self.profile_class.code(),
            notification_configurations: self
                .notification_addresses
                .iter()
                .map(|address| NotificationConfiguration { events: EVENTS, address: address.as_str() })
                .collect(),
            profile_owner: self.mcc_mnc.as_ref().map(|mcc_mnc| OperatorId {
                mcc_mnc,
                gid1: None,
                gid2: None,
            }),
            profile_policy_rules: self.profile_policy_rules,
            extensions: &[],
        };
        request.to_der()
    }
}

#[cfg(test)]
mod tests {
    use simyard_asn1::Decode as _;

    use super::*;

    #[test]
    fn what_is_told_is_what_the_type_says() {
        let mut metadata = ProfileMetadata {
            service_provider_name: "Simyard".into(),
            profile_name: "IoT".into(),
            profile_class: ProfileClass::Test,
            mcc_mnc: Some([0x09, 0xF1, 0x10]),
            notification_addresses: vec!["smdp.example.com".parse().unwrap()],
            profile_policy_rules: NamedBits::default(),
        };
        let iccid = Iccid::parse("89000123456789012341").unwrap();
        let der = metadata.to_store_metadata(&iccid);
        let read = StoreMetadataRequest::from_der(&der).unwrap();
        assert_eq!(read.iccid, &iccid.to_bcd());
        assert_eq!(read.profile_class, profile_class::TEST);
        assert_eq!(read.notification_configurations[0].events, NamedBits(0b1110));
        assert_eq!(read.profile_owner.unwrap().mcc_mnc, &[0x09, 0xF1, 0x10]);
        for (mcc_mnc, length) in [(Some([0x09, 0xF1, 0x10]), 2), (Some([0x13, 0x00, 0x62]), 3), (None, 2)] {
            metadata.mcc_mnc = mcc_mnc;
            assert_eq!(metadata.mnc_length(), length, "{mcc_mnc:?}");
        }
    }
}
