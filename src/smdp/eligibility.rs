//! The eligibility check of AuthenticateClient (SGP.22 3.1.3, annex F): what the eUICC and the LPA say is put before
//! [`crate::domain::eligibility`], which has the rules.

use simyard_asn1::Tag;
use simyard_asn1::rsp::authentication::{DeviceInfo, EuiccSigned1};
use simyard_asn1::rsp::info::rsp_capability;
use simyard_asn1::tlv::NamedBits;

use crate::domain::eligibility::Metadata;
use crate::domain::{Abilities, RadioAccess};
use crate::profile::metadata::ProfileMetadata;

/// The radio accesses that a setting can ask for.
const RADIO: [RadioAccess; 6] = [
    RadioAccess::Gsm,
    RadioAccess::Utran,
    RadioAccess::EutranEpc,
    RadioAccess::NrEpc,
    RadioAccess::Nr5gc,
    RadioAccess::Eutran5gc,
];

/// What EUICCInfo2 and DeviceInfo say.
pub(super) fn abilities(signed: &EuiccSigned1<'_>) -> Abilities {
    let info = &signed.euicc_info2.value;
    let device = &signed.ctx_params1.value.device_info;
    let capability = info.rsp_capability;
    // An eUICC without any capability left the member out, or does not fill it.
    let is_said = capability != NamedBits::default();
    Abilities {
        svn: info.svn,
        profile_version: info.profile_version,
        additional_profile_versions: info.additional_profile_versions(),
        free_non_volatile_octets: info.free_non_volatile_memory(),
        uicc_capabilities: info.uicc_capability.0,
        has_room: is_said.then(|| capability.has(rsp_capability::ADDITIONAL_PROFILE)),
        supports_test_profiles: capability.has(rsp_capability::TEST_PROFILE_SUPPORT),
        forbidden_policy_rules: info.forbidden_profile_policy_rules.0,
        pp_version: info.pp_version,
        tac: device.tac.try_into().ok(),
        radio: radio(device),
    }
}

fn radio(device: &DeviceInfo<'_>) -> Vec<RadioAccess> {
    RADIO.into_iter().filter(|radio| device.capability(Tag(radio.tag())).is_some()).collect()
}

/// What the metadata of a profile ask of the eUICC.
pub(super) const fn asked(metadata: &ProfileMetadata) -> Metadata {
    Metadata { policy_rules: metadata.profile_policy_rules.0, is_test: metadata.is_test() }
}
