//! What an IPA or an eUICC answered, as lines for people (SGP.32 2.11.1.2, 2.11.2). Nothing is verified here.

use simyard_asn1::Decode as _;
use simyard_asn1::iot::data::{IpaEuiccData, IpaEuiccDataResponse};
use simyard_asn1::iot::esipa::EimPackageResult;
use simyard_asn1::iot::result::{AddEimResult, EuiccPackageResult, EuiccResultData};
use simyard_asn1::iot::trigger::{ProfileDownloadTriggerOutcome, ProfileDownloadTriggerResult};
use simyard_asn1::rsp::metadata::ProfileInfo;
use simyard_asn1::rsp::notification::{FinalResult, ProfileInstallationResult};

use crate::ident::{Iccid, counted};

/// What an answer says, one line for each thing.
#[must_use]
pub fn told(answer: &[u8]) -> Vec<String> {
    match EimPackageResult::from_der(answer) {
        Ok(EimPackageResult::EuiccPackageResult(octets)) => of_package(&octets),
        Ok(EimPackageResult::EprAndNotifications { euicc_package_result, notifications }) => {
            let mut lines = of_package(&euicc_package_result);
            lines.push(counted(notifications.len(), "notification"));
            lines
        }
        Ok(EimPackageResult::IpaEuiccDataResponse(octets)) => of_data(&octets),
        Ok(EimPackageResult::ProfileDownloadTriggerResult(octets)) => of_trigger(&octets),
        Ok(EimPackageResult::ResponseError { code, .. }) => vec![format!("error of the IPA: {code}")],
        // What is kept of a download is what the eUICC signed, without the IPA's words around it.
        Err(_) if ProfileInstallationResult::from_der(answer).is_ok() => vec![of_installation(answer)],
        Err(error) => vec![format!("it cannot be read: {error}")],
    }
}

fn of_package(octets: &[u8]) -> Vec<String> {
    match EuiccPackageResult::from_der(octets) {
        Ok(EuiccPackageResult::Signed { data, .. }) => {
            let data = &data.value;
            let mut lines = vec![format!(
                "signed result {} to counter {} of {}",
                data.seq_number, data.counter_value, data.eim_id
            )];
            lines.extend(data.results.iter().flat_map(of_result));
            lines
        }
        Ok(EuiccPackageResult::ErrorSigned { data, .. }) => vec![format!(
            "signed error {} to counter {} of {}",
            data.value.code, data.value.counter_value, data.value.eim_id
        )],
        Ok(EuiccPackageResult::ErrorUnsigned(error)) => {
            let token = error.association_token.map(|token| format!(", token {token}")).unwrap_or_default();
            let code = error.code.map(|code| format!(", {code}")).unwrap_or_default();
            vec![format!("unsigned error to {}{token}{code}", error.eim_id)]
        }
        Err(error) => vec![format!("it cannot be read: {error}")],
    }
}

fn of_result(result: &EuiccResultData<'_>) -> Vec<String> {
    let one = |name: &str, code: &dyn std::fmt::Display| vec![format!("{name}: {code}")];
    match result {
        EuiccResultData::Enable(code) => one("enable", code),
        EuiccResultData::Disable(code) => one("disable", code),
        EuiccResultData::Delete(code) => one("delete", code),
        EuiccResultData::ListProfileInfo(Err(code)) => one("listProfileInfo", code),
        EuiccResultData::ListProfileInfo(Ok(profiles)) => {
            let mut lines = vec![format!("listProfileInfo: {}", counted(profiles.len(), "profile"))];
            lines.extend(profiles.iter().map(of_profile));
            lines
        }
        EuiccResultData::GetRat(_) => one("getRAT", &"a table of rules"),
        EuiccResultData::ConfigureImmediateEnable(code) => one("configureImmediateEnable", code),
        EuiccResultData::AddEim(AddEimResult::AssociationToken(token)) => {
            vec![format!("addEim: associationToken {token}")]
        }
        EuiccResultData::AddEim(AddEimResult::Code(code)) => one("addEim", code),
        EuiccResultData::DeleteEim(code) => one("deleteEim", code),
        EuiccResultData::UpdateEim(code) => one("updateEim", code),
        EuiccResultData::ListEim(Err(code)) => one("listEim", code),
        EuiccResultData::ListEim(Ok(eims)) => {
            let mut lines = vec![format!("listEim: {} eIMs", eims.len())];
            lines.extend(eims.iter().map(|eim| format!("  {}", eim.eim_id)));
            lines
        }
        EuiccResultData::Rollback(code) => one("rollback", code),
        EuiccResultData::SetFallbackAttribute(code) => one("setFallbackAttribute", code),
        EuiccResultData::UnsetFallbackAttribute(code) => one("unsetFallbackAttribute", code),
        EuiccResultData::SetDefaultDpAddress(code) => one("setDefaultDpAddress", code),
        EuiccResultData::ProcessingTerminated(code) => one("processingTerminated", code),
        EuiccResultData::Unknown(octets) => vec![format!("unknown: {}", hex::encode_upper(octets))],
    }
}

fn of_profile(profile: &ProfileInfo<'_>) -> String {
    let iccid = profile.iccid.and_then(|iccid| Iccid::from_bcd(iccid).ok());
    let iccid = iccid.map_or_else(|| "without ICCID".to_owned(), |iccid| iccid.to_string());
    let state = match profile.profile_state {
        Some(1) => "enabled",
        Some(_) => "disabled",
        None => "state not told",
    };
    let fallback = if profile.fallback_attribute == Some(true) { ", fallback" } else { "" };
    format!("  {iccid} {state}{fallback}")
}

fn of_data(octets: &[u8]) -> Vec<String> {
    match IpaEuiccDataResponse::from_der(octets) {
        Ok(IpaEuiccDataResponse::Error { code, .. }) => vec![format!("error of data: {code}")],
        Ok(IpaEuiccDataResponse::Data(data)) => of_members(&data),
        Err(error) => vec![format!("it cannot be read: {error}")],
    }
}

fn of_members(data: &IpaEuiccData<'_>) -> Vec<String> {
    let mut lines = vec!["data".to_owned()];
    let mut put = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("  {name}: {value}")));
    };
    let count = |list: &Option<Vec<&[u8]>>| list.as_ref().map(|list| list.len().to_string());
    let digits = |octets: Option<&[u8]>| octets.map(hex::encode_upper);
    put("notificationsList", count(&data.notifications));
    put("defaultSmdpAddress", data.default_smdp_address.map(str::to_owned));
    put("euiccPackageResultList", count(&data.euicc_package_results));
    put("euiccInfo1", digits(data.euicc_info1));
    put("euiccInfo2", digits(data.euicc_info2));
    put("rootSmdsAddress", data.root_smds_address.map(str::to_owned));
    put("associationToken", data.association_token.map(|token| token.to_string()));
    put("eumCertificate", data.eum_certificate.map(|der| hex::encode_upper(der.to_der())));
    put("euiccCertificate", data.euicc_certificate.map(|der| hex::encode_upper(der.to_der())));
    put("ipaCapabilities", data.ipa_capabilities.as_ref().map(|all| hex::encode_upper(all.to_members())));
    put("deviceInfo", data.device_info.as_ref().map(|_| "present".to_owned()));
    put("others", (!data.others.is_empty()).then(|| data.others.len().to_string()));
    lines
}

fn of_trigger(octets: &[u8]) -> Vec<String> {
    let result = match ProfileDownloadTriggerResult::from_der(octets) {
        Ok(result) => result,
        Err(error) => return vec![format!("it cannot be read: {error}")],
    };
    vec![match result.outcome {
        ProfileDownloadTriggerOutcome::Error { reason, .. } => format!("download failed: {reason}"),
        ProfileDownloadTriggerOutcome::InstallationResult(pir) => of_installation(pir),
    }]
}

fn of_installation(pir: &[u8]) -> String {
    match ProfileInstallationResult::from_der(pir) {
        Ok(result) => match result.data.value.final_result {
            FinalResult::Success { .. } => "profile installed".to_owned(),
            FinalResult::Error { bpp_command_id, error_reason, .. } => {
                format!("profile not installed: command {bpp_command_id}, reason {error_reason}")
            }
        },
        Err(error) => format!("it cannot be read: {error}"),
    }
}

/// The associationToken that an addEim in this answer drew, with whether there was an addEim that went well.
#[must_use]
pub fn added_eim(answer: &[u8]) -> Option<Option<i64>> {
    let Ok(EuiccPackageResult::Signed { data, .. }) = EuiccPackageResult::from_der(answer) else {
        return None;
    };
    data.value.results.iter().find_map(|result| match result {
        EuiccResultData::AddEim(AddEimResult::AssociationToken(token)) => Some(Some(*token)),
        EuiccResultData::AddEim(AddEimResult::Code(_)) if result.is_success() => Some(None),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(hex: &str) -> String {
        told(&hex::decode(hex).unwrap()).join("; ")
    }

    #[test]
    fn answers_are_told_in_words() {
        let signed = |results: &str| {
            let (rest, size) = ("5F3704AAAAAAAA", results.len() / 2);
            let members = format!("800465696D318101018208010203040506070883010730{size:02X}{results}");
            let data = format!("30{:02X}{members}", members.len() / 2);
            let both = format!("{data}{rest}");
            format!("BF51{:02X}A0{:02X}{both}", both.len() / 2 + 2, both.len() / 2)
        };
        let head = "signed result 7 to counter 1 of eim1";
        for (hex, says) in [
            (signed("830100"), format!("{head}; enable: ok (0)")),
            (signed("A803840102"), format!("{head}; addEim: associationToken 2")),
            (signed("AB0DA00B3009800465696D31820102"), format!("{head}; listEim: 1 eIMs;   eim1")),
            (
                signed("BF2D14A012E3105A0A980010325476981032149F700101"),
                format!("{head}; listProfileInfo: 1 profile;   89000123456789012341 enabled"),
            ),
            (
                "BF5117A115300C800465696D318101010201045F3704AAAAAAAA".to_owned(),
                "signed error replayError (4) to counter 1 of eim1".to_owned(),
            ),
            ("BF510BA209800465696D31840101".to_owned(), "unsigned error to eim1, token 1".to_owned()),
            (
                "BF520FA10D80080102030405060708020101".to_owned(),
                "error of data: incorrectTagList (1)".to_owned(),
            ),
            ("BF5206A01784010187".to_owned(), String::new()),
            (
                "BF540F82080102030405060708300380017F".to_owned(),
                "download failed: undefinedError (127)".to_owned(),
            ),
            (
                "A00D80080102030405060708020101".to_owned(),
                "error of the IPA: invalidPackageFormat (1)".to_owned(),
            ),
        ] {
            if says.is_empty() {
                assert!(lines(&hex).contains("cannot be read"), "{hex}");
            } else {
                assert_eq!(lines(&hex), says, "{hex}");
            }
        }
    }

    #[test]
    fn the_token_of_an_added_eim_is_found() {
        let result = |item: &str| {
            let members = format!("800465696D3181010183010730{:02X}{item}", item.len() / 2);
            let both = format!("30{:02X}{members}5F3704AAAAAAAA", members.len() / 2);
            hex::decode(format!("BF51{:02X}A0{:02X}{both}", both.len() / 2 + 2, both.len() / 2)).unwrap()
        };
        assert_eq!(added_eim(&result("A803840102")), Some(Some(2)));
        assert_eq!(added_eim(&result("A803020100")), Some(None));
        assert_eq!(added_eim(&result("A803020102")), None);
        assert_eq!(added_eim(&[]), None);
    }
}
