//! Which eIM of the eUICC is called, and by what its TLS is known (SGP.32 2.11.1.1, trustedPublicKeyDataTls).

use simyard_asn1::iot::configuration::{
    EimConfigurationData, EimPublicKey, GetEimConfigurationDataResponse, supported_protocol,
};
use simyard_asn1::tlv::Decode as _;

use super::IpaError;
use crate::device::es10_client::Es10Client;
use crate::device::transport::ApduTransport;
use crate::ident::ServerAddress;

/// By what the TLS of an eIM is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsTrust {
    /// Its key: SubjectPublicKeyInfo in DER.
    Key(Vec<u8>),
    /// Its certificate, or that of an authority above it, in DER.
    Certificate(Vec<u8>),
}

/// What the eUICC was told of the TLS of the eIM at this address; `None` if that is nothing.
///
/// # Errors
/// [`IpaError`] if the card does not say it.
pub fn tls_trust<T: ApduTransport>(
    card: &mut Es10Client<T>,
    eim: &ServerAddress,
) -> Result<Option<TlsTrust>, IpaError> {
    let der = card.get_eim_configuration_data(None)?;
    let response = GetEimConfigurationDataResponse::from_der(&der)?;
    let trusted = called(&response.eims, eim).and_then(|eim| eim.trusted_public_key_data_tls);
    Ok(trusted.map(|trusted| match trusted {
        EimPublicKey::Spki(key) => TlsTrust::Key(key.to_der()),
        EimPublicKey::Certificate(certificate) => TlsTrust::Certificate(certificate.to_der()),
    }))
}

/// What the eUICC was told of an eIM that may bring packages by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// eimFqdn: the name that its certificate has.
    pub fqdn: Option<String>,
    /// eimSupportedProtocol: whether packages may be brought over HTTPS; `None` if that was not said.
    pub injects: Option<bool>,
}

/// Who brings packages to this eUICC: the eIM at this address, as the eUICC was told of it.
///
/// # Errors
/// [`IpaError`] if the card does not say it.
pub fn caller<T: ApduTransport>(
    card: &mut Es10Client<T>,
    eim: &ServerAddress,
) -> Result<Option<Caller>, IpaError> {
    let der = card.get_eim_configuration_data(None)?;
    let response = GetEimConfigurationDataResponse::from_der(&der)?;
    Ok(called(&response.eims, eim).map(|eim| Caller {
        fqdn: eim.eim_fqdn.map(str::to_owned),
        injects: eim.eim_supported_protocol.map(|protocols| protocols.has(supported_protocol::INJECT_HTTPS)),
    }))
}

/// What the eUICC knows of the eIM that is called: the one whose FQDN that is, or the only one.
pub(super) fn called<'a, 'b>(
    eims: &'b [EimConfigurationData<'a>],
    eim: &ServerAddress,
) -> Option<&'b EimConfigurationData<'a>> {
    let called = eim.to_string();
    let host = called.rsplit_once(':').map_or(called.as_str(), |(host, _)| host);
    let is_called = |fqdn: &str| fqdn.eq_ignore_ascii_case(&called) || fqdn.eq_ignore_ascii_case(host);
    match eims {
        [only] => Some(only),
        eims => eims.iter().find(|eim| eim.eim_fqdn.is_some_and(is_called)),
    }
}
