//! eIMs on the card: eIM configuration operations of packages (SGP.32 2.11.1.1, 3.5), ES10b.AddInitialEim (5.9.4) and
//! ES10b.GetEimConfigurationData (5.9.18).

use simyard_asn1::iot::configuration::{
    AddEimCode, AddInitialEimRequest, AddInitialEimResponse, EimConfigurationData,
    GetEimConfigurationDataRequest, GetEimConfigurationDataResponse, REQUEST_TOKEN,
};
use simyard_asn1::iot::package::Eco;
use simyard_asn1::iot::result::{
    AddEimResult, DeleteEimResult, EimIdInfo, EuiccResultData, ProcessingTerminated, UpdateEimResult,
};
use simyard_asn1::tlv::{Decode, Encode};

use super::apdu::StatusWord;
use super::card::{Card, Identity};
use super::es10::malformed;
use super::iot_state::{EimRecord, IotState, MAX_ASSOCIATED_EIMS, verification_key};

/// Runs one eCO.
pub(super) fn run_eco<'a>(
    iot: &'a mut IotState,
    identity: &Identity,
    operation: &Eco<'_>,
) -> EuiccResultData<'a> {
    match operation {
        Eco::AddEim(eim) => EuiccResultData::AddEim(match add(iot, identity, eim) {
            Ok(Some(token)) => AddEimResult::AssociationToken(token),
            Ok(None) => AddEimResult::Code(AddEimCode::Ok),
            Err(code) => AddEimResult::Code(code),
        }),
        Eco::DeleteEim { eim_id } => EuiccResultData::DeleteEim(delete(iot, eim_id)),
        Eco::UpdateEim(eim) => EuiccResultData::UpdateEim(update(iot, identity, eim)),
        Eco::ListEim => {
            let info = |eim: &'a EimRecord| EimIdInfo {
                eim_id: &eim.eim_id,
                eim_id_type: eim.configuration().eim_id_type,
            };
            EuiccResultData::ListEim(Ok(iot.eims.iter().map(info).collect()))
        }
        Eco::Unknown(_) => {
            EuiccResultData::ProcessingTerminated(ProcessingTerminated::UnknownOrDamagedCommand)
        }
    }
}

/// Associates an eIM, and gives its token if it asked for one.
fn add(
    iot: &mut IotState,
    identity: &Identity,
    eim: &EimConfigurationData<'_>,
) -> Result<Option<i64>, AddEimCode> {
    let (Some(counter_value), Some(key)) = (eim.counter_value, &eim.eim_public_key_data) else {
        return Err(AddEimCode::CommandError);
    };
    if eim.eim_id.is_empty() || verification_key(key).is_err() {
        return Err(AddEimCode::CommandError);
    }
    if iot.eim(eim.eim_id).is_some() {
        return Err(AddEimCode::AssociatedEimAlreadyExists);
    }
    if !knows_ci(identity, eim) {
        return Err(AddEimCode::CiPkUnknown);
    }
    if eim.association_token.is_some_and(|token| token != REQUEST_TOKEN) {
        return Err(AddEimCode::InvalidAssociationToken);
    }
    if !(0..=iot.counter_limit).contains(&counter_value) {
        return Err(AddEimCode::CounterValueOutOfRange);
    }
    if iot.eims.len() >= MAX_ASSOCIATED_EIMS {
        return Err(AddEimCode::InsufficientMemory);
    }
    let association_token = eim.association_token.map(|_| {
        iot.last_association_token = iot.last_association_token.saturating_add(1);
        iot.last_association_token
    });
    iot.eims.push(EimRecord {
        eim_id: eim.eim_id.to_owned(),
        counter_value,
        association_token,
        configuration: eim.to_der(),
    });
    Ok(association_token)
}

/// Whether the card has a certificate under the CI that the eIM wants signatures under.
fn knows_ci(identity: &Identity, eim: &EimConfigurationData<'_>) -> bool {
    eim.euicc_ci_pk_id.is_none_or(|ci| identity.signing_keys().contains(&ci))
}

fn delete(iot: &mut IotState, eim_id: &str) -> DeleteEimResult {
    if iot.eim(eim_id).is_none() {
        return DeleteEimResult::EimNotFound;
    }
    iot.eims.retain(|eim| eim.eim_id != eim_id);
    if iot.eims.is_empty() { DeleteEimResult::LastEimDeleted } else { DeleteEimResult::Ok }
}

/// Replaces what the operation carries. The token is no part of it: it belongs to the association.
fn update(iot: &mut IotState, identity: &Identity, eim: &EimConfigurationData<'_>) -> UpdateEimResult {
    let limit = iot.counter_limit;
    let Some(record) = iot.eims.iter_mut().find(|record| record.eim_id == eim.eim_id) else {
        return UpdateEimResult::EimNotFound;
    };
    let key_fits = eim.eim_public_key_data.as_ref().is_none_or(|key| verification_key(key).is_ok());
    if eim.association_token.is_some() || !key_fits {
        return UpdateEimResult::CommandError;
    }
    if !knows_ci(identity, eim) {
        return UpdateEimResult::CiPkUnknown;
    }
    if eim.counter_value.is_some_and(|counter| !(0..=limit).contains(&counter)) {
        return UpdateEimResult::CounterValueOutOfRange;
    }
    let old = EimConfigurationData::from_der(&record.configuration).unwrap_or_default();
    let merged = EimConfigurationData {
        eim_id: eim.eim_id,
        eim_fqdn: eim.eim_fqdn.or(old.eim_fqdn),
        eim_id_type: eim.eim_id_type.or(old.eim_id_type),
        counter_value: eim.counter_value.or(old.counter_value),
        association_token: old.association_token,
        eim_public_key_data: eim.eim_public_key_data.or(old.eim_public_key_data),
        trusted_public_key_data_tls: eim.trusted_public_key_data_tls.or(old.trusted_public_key_data_tls),
        eim_supported_protocol: eim.eim_supported_protocol.or(old.eim_supported_protocol),
        euicc_ci_pk_id: eim.euicc_ci_pk_id.or(old.euicc_ci_pk_id),
        indirect_profile_download: eim.indirect_profile_download || old.indirect_profile_download,
        extensions: if eim.extensions.is_empty() { old.extensions } else { eim.extensions },
    }
    .to_der();
    record.configuration = merged;
    record.counter_value = eim.counter_value.unwrap_or(record.counter_value);
    UpdateEimResult::Ok
}

impl Card {
    /// Associates the first eIMs: all of the list, or none.
    pub(super) fn add_initial_eim(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let mut state = self.state.clone();
        let iot = state.iot_mut()?;
        let added = match AddInitialEimRequest::from_der(request) {
            _ if !iot.eims.is_empty() => Err(AddEimCode::AssociatedEimAlreadyExists),
            Ok(request) if !request.eims.is_empty() => {
                request.eims.iter().map(|eim| add(iot, &self.identity, eim)).collect()
            }
            Ok(_) | Err(_) => Err(AddEimCode::CommandError),
        };
        let response = match added {
            Ok(tokens) => {
                self.commit(state)?;
                AddInitialEimResponse::Ok(tokens)
            }
            Err(code) => AddInitialEimResponse::Error(code),
        };
        Ok(response.to_der())
    }

    pub(super) fn get_eim_configuration_data(&self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let request = GetEimConfigurationDataRequest::from_der(request).map_err(|error| malformed(&error))?;
        let eims = &self.state.iot()?.eims;
        let chosen = eims.iter().filter(|eim| request.eim_id.is_none_or(|eim_id| eim.eim_id == eim_id));
        Ok(GetEimConfigurationDataResponse { eims: chosen.map(EimRecord::configuration).collect() }.to_der())
    }
}
