//! Enabling a profile right after its download, without an eIM: ES10b.ImmediateEnable (SGP.32 5.9.15),
//! ConfigureImmediateProfileEnabling (5.9.17).

use simyard_asn1::Oid;
use simyard_asn1::iot::card::{ImmediateEnableResult, read_refresh_request, tag};
use simyard_asn1::iot::package::ConfigureImmediateEnable;
use simyard_asn1::iot::result::ConfigureImmediateEnableResult;
use simyard_asn1::rsp::card::ProfileIdentifier;
use simyard_asn1::tlv::{Reader, Tag};

use super::apdu::StatusWord;
use super::card::Card;
use super::es10::malformed;
use super::es10_iot::answer;
use super::iot_state::ImmediateEnableRecord;
use super::profiles::Change;
use crate::ident::{InvalidIdentifier, ServerAddress};

/// The profile that the present session has installed, and from where.
pub(super) struct Installed {
    pub(super) iccid: [u8; 10],
    pub(super) smdp_oid: Oid,
    pub(super) server_address: String,
}

/// What the card keeps of a configuration; nothing where it switches immediate enabling off.
pub(super) fn configured(
    configuration: &ConfigureImmediateEnable<'_>,
) -> Result<Option<ImmediateEnableRecord>, InvalidIdentifier> {
    if let Some(address) = configuration.default_smdp_address {
        ServerAddress::parse(address)?;
    }
    Ok(configuration.flag.then(|| ImmediateEnableRecord {
        default_smdp_oid: configuration
            .default_smdp_oid
            .as_ref()
            .map(|oid| oid.as_content().to_vec())
            .unwrap_or_default(),
        default_smdp_address: configuration.default_smdp_address.map(str::to_owned),
    }))
}

impl ImmediateEnableRecord {
    /// Whether a profile from this SM-DP+ may be enabled at once.
    fn allows(&self, installed: &Installed) -> bool {
        let oid =
            self.default_smdp_oid.is_empty() || self.default_smdp_oid == installed.smdp_oid.as_content();
        let address = self.default_smdp_address.as_deref();
        oid && address.is_none_or(|address| address.eq_ignore_ascii_case(&installed.server_address))
    }
}

impl Card {
    pub(super) fn immediate_enable(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let refresh =
            read_refresh_request(tag::IMMEDIATE_ENABLE, request).map_err(|error| malformed(&error))?;
        let result = self.enable_at_once(refresh)?;
        Ok(answer(tag::IMMEDIATE_ENABLE, result.code()))
    }

    fn enable_at_once(&mut self, refresh: bool) -> Result<ImmediateEnableResult, StatusWord> {
        let Some(configuration) = &self.state.iot()?.immediate_enable else {
            return Ok(ImmediateEnableResult::ImmediateEnableNotAvailable);
        };
        let Some(installed) = &self.installed else {
            return Ok(ImmediateEnableResult::NoSessionContext);
        };
        if !configuration.allows(installed) {
            return Ok(ImmediateEnableResult::ImmediateEnableNotAvailable);
        }
        let mut change = Change::of(&self.state);
        if change.enable(&ProfileIdentifier::Iccid(&installed.iccid)).is_err() {
            return Ok(ImmediateEnableResult::UndefinedError);
        }
        let iot = change.state.iot_mut()?;
        iot.fallen_back_from = None;
        if refresh {
            iot.rollback = None;
        }
        self.make(change)?;
        self.installed = None;
        Ok(ImmediateEnableResult::Ok)
    }

    /// By the IPA, as long as no eIM is associated.
    pub(super) fn configure_immediate_profile_enabling(
        &mut self,
        request: &[u8],
    ) -> Result<Vec<u8>, StatusWord> {
        const TAG: Tag = tag::CONFIGURE_IMMEDIATE_PROFILE_ENABLING;
        let read = |tlv| ConfigureImmediateEnable::read(&tlv);
        let configuration = Reader::new(request, "ConfigureImmediateProfileEnablingRequest")
            .expect(TAG)
            .and_then(read)
            .map_err(|error| malformed(&error))?;
        let result = if self.state.is_managed_by_eim() {
            ConfigureImmediateEnableResult::AssociatedEimAlreadyExists
        } else if let Ok(record) = configured(&configuration) {
            let mut state = self.state.clone();
            state.iot_mut()?.immediate_enable = record;
            self.commit(state)?;
            ConfigureImmediateEnableResult::Ok
        } else {
            ConfigureImmediateEnableResult::UndefinedError
        };
        Ok(answer(TAG, result.code()))
    }
}
