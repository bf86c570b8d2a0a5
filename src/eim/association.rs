//! What eUICCs and our eIM have of each other.
//!
//! An eUICC has EimConfigurationData of each of its eIMs (SGP.32 2.11.1.1.1): [`EimIdentity::configuration`] makes ours, for the
//! factory (AddInitialEim) or for another eIM, which adds ours (addEim). Our eIM has the last counterValue that it used for
//! each eUICC, and the associationToken that the eUICC gave out: manufacturers deliver them, or people bring them
//! ([`associate`]). An eUICC takes packages alone whose counterValue is higher than all before, and whose signature covers
//! its token.

use std::collections::HashMap;

use simyard_asn1::iot::Implicit;
use simyard_asn1::iot::configuration::{
    AddInitialEimRequest, EimConfigurationData, EimIdType, EimPublicKey, REQUEST_TOKEN, supported_protocol,
};
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::{Decode as _, Encode as _, Tag, Writer};

use crate::domain::{Action, Actor, AuditSubject, NewAuditEntry, Person};
use crate::env::Timestamp;
use crate::ident::{Eid, ServerAddress};
use crate::pki::Certificate;
use crate::pki::public_key::to_subject_public_key_info;
pub use crate::store::{Association, DownloadWay};
use crate::store::{Store, StoreError};

pub use super::package::COUNTER_MAX;
/// Lines of a list at most.
pub const ROWS_MAX: usize = 100_000;
/// Octets of a list at most.
pub const MAX_FILE_OCTETS: u64 = 16 * 1024 * 1024;

/// Who our eIM is, to eUICCs.
pub struct EimIdentity<'a> {
    /// eimId.
    pub id: &'a str,
    /// What kind of name that is.
    pub id_type: EimIdType,
    /// eimFqdn.
    pub fqdn: &'a ServerAddress,
    /// The certificate of the key that signs packages.
    pub signing_certificate: &'a Certificate,
}

/// How the key that signs packages is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyForm {
    /// The key alone: the eUICC never looks at a date.
    #[default]
    Key,
    /// Its certificate.
    Certificate,
}

/// How packages come to devices (eimSupportedProtocol).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocols {
    /// They poll.
    #[default]
    Retrieve,
    /// They poll, or listen, and our eIM brings them.
    RetrieveAndInject,
}

impl Protocols {
    const fn bits(self) -> NamedBits {
        let retrieve = NamedBits::bit(supported_protocol::RETRIEVE_HTTPS);
        match self {
            Self::Retrieve => retrieve,
            Self::RetrieveAndInject => {
                NamedBits(retrieve.0 | NamedBits::bit(supported_protocol::INJECT_HTTPS).0)
            }
        }
    }
}

/// What is told of our eIM to an eUICC, beside who it is.
#[derive(Clone, Debug)]
pub struct ConfigurationOptions {
    /// counterValue: the first package has a higher one.
    pub counter: i64,
    /// Whether the eUICC is to give out an associationToken.
    pub asks_token: bool,
    /// How the key is told.
    pub key_form: KeyForm,
    /// The certificate by which the IPA knows our TLS server, or the one of its CA.
    pub tls_trust: Option<Certificate>,
    /// How profiles are downloaded.
    pub download: DownloadWay,
    /// How packages come to devices.
    pub protocols: Protocols,
    /// The key identifier of the CI under which the eUICC is to sign for us.
    pub euicc_ci: Option<Vec<u8>>,
}

/// In what EimConfigurationData travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// Alone, `30`.
    Plain,
    /// ES10b.AddInitialEim, `BF57`: while an eUICC has no eIM.
    AddInitialEim,
    /// An ecoList with addEim, `A1`: another eIM adds ours.
    AddEim,
    /// An ecoList with updateEim, `A1`: what an eUICC has of ours is changed.
    UpdateEim,
}

impl EimIdentity<'_> {
    /// EimConfigurationData of our eIM, in DER.
    ///
    /// # Errors
    /// [`simyard_asn1::Error`] never in practice: the certificates were read before.
    pub fn configuration(
        &self,
        options: &ConfigurationOptions,
        envelope: Envelope,
    ) -> Result<Vec<u8>, simyard_asn1::Error> {
        let key = self.signing_certificate.public_key().ok().map(to_subject_public_key_info);
        let public_key = match (&key, options.key_form) {
            (Some(key), KeyForm::Key) => EimPublicKey::Spki(Implicit::from_der(key)?),
            (None, _) | (_, KeyForm::Certificate) => {
                EimPublicKey::Certificate(Implicit::from_der(self.signing_certificate.der())?)
            }
        };
        let tls = match &options.tls_trust {
            Some(certificate) => Some(EimPublicKey::Certificate(Implicit::from_der(certificate.der())?)),
            None => None,
        };
        let data = EimConfigurationData {
            eim_id: self.id,
            eim_fqdn: Some(self.fqdn.as_str()),
            eim_id_type: Some(self.id_type),
            counter_value: Some(options.counter),
            association_token: options.asks_token.then_some(REQUEST_TOKEN),
            eim_public_key_data: Some(public_key),
            trusted_public_key_data_tls: tls,
            eim_supported_protocol: Some(options.protocols.bits()),
            euicc_ci_pk_id: options.euicc_ci.as_deref(),
            indirect_profile_download: options.download == DownloadWay::Indirect,
            extensions: &[],
        };
        Ok(enveloped(&data, envelope))
    }
}

/// EimConfigurationData in what they travel in.
#[must_use]
pub fn enveloped(data: &EimConfigurationData<'_>, envelope: Envelope) -> Vec<u8> {
    let eco = |tag| {
        let mut writer = Writer::new();
        writer.nested(Tag(0xA1), |list| data.write(list, tag));
        writer.finish()
    };
    match envelope {
        Envelope::Plain => data.to_der(),
        Envelope::AddInitialEim => AddInitialEimRequest { eims: vec![data.clone()] }.to_der(),
        Envelope::AddEim => eco(Tag(0xA8)),
        Envelope::UpdateEim => eco(Tag(0xAA)),
    }
}

/// Reads EimConfigurationData that travel alone or as the only ones of an AddInitialEimRequest.
///
/// # Errors
/// What was expected.
pub fn read_configuration(der: &[u8]) -> Result<EimConfigurationData<'_>, String> {
    match AddInitialEimRequest::from_der(der) {
        Ok(request) => {
            let mut eims = request.eims;
            match (eims.pop(), eims.is_empty()) {
                (Some(one), true) => Ok(one),
                _ => Err("one eIM is expected in the AddInitialEimRequest".to_owned()),
            }
        }
        Err(_) => EimConfigurationData::from_der(der)
            .map_err(|error| format!("no EimConfigurationData and no AddInitialEimRequest: {error}")),
    }
}

/// Why eUICCs are not associated; none of them was.
#[derive(Debug, thiserror::Error)]
pub enum AssociationError {
    /// The first line does not name the columns.
    #[error("line 1: expected the columns eid,counter,token, found {0:?}")]
    Header(String),
    /// A line has another form.
    #[error("line {line}: {message}")]
    Row {
        /// Its number.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// Longer than [`ROWS_MAX`].
    #[error("more than {ROWS_MAX} lines: divide the list")]
    TooLong,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads a counterValue.
///
/// # Errors
/// What was expected.
pub fn parse_counter(text: &str) -> Result<i64, String> {
    let expected = || format!("{text:?} is no counterValue: a number from 0 to {COUNTER_MAX} is expected");
    text.parse().ok().filter(|counter| (0..=COUNTER_MAX).contains(counter)).ok_or_else(expected)
}

/// Reads an associationToken.
///
/// # Errors
/// What was expected.
pub fn parse_token(text: &str) -> Result<i64, String> {
    let expected = || format!("{text:?} is no associationToken: a number from 1 on is expected");
    text.parse().ok().filter(|token| *token >= 1).ok_or_else(expected)
}

/// Reads a list of what eUICCs have of our eIM: CSV with the columns `eid`, `counter` and `token`, the last of them empty for
/// eUICCs that gave out none.
///
/// # Errors
/// [`AssociationError`] at the first line that cannot be used.
pub fn read_list(text: &str, download: DownloadWay) -> Result<Vec<Association>, AssociationError> {
    let mut lines = text.strip_prefix('\u{FEFF}').unwrap_or(text).lines();
    let header = lines.next().unwrap_or_default();
    if header.split(',').map(str::trim).ne(["eid", "counter", "token"]) {
        return Err(AssociationError::Header(header.chars().take(80).collect()));
    }
    let mut associations = Vec::new();
    let mut seen: HashMap<Eid, usize> = HashMap::new();
    for (line, text) in (2..).zip(lines).filter(|(_, text)| !text.trim().is_empty()) {
        if associations.len() >= ROWS_MAX {
            return Err(AssociationError::TooLong);
        }
        let refused = |message: String| AssociationError::Row { line, message };
        let columns: Vec<&str> = text.split(',').map(str::trim).collect();
        let [eid, counter, token] = columns.as_slice() else {
            return Err(refused("expected three columns".to_owned()));
        };
        let eid = Eid::parse(eid).map_err(|error| refused(error.to_string()))?;
        let counter = parse_counter(counter).map_err(refused)?;
        let association_token =
            if token.is_empty() { None } else { Some(parse_token(token).map_err(refused)?) };
        if let Some(before) = seen.insert(eid.clone(), line) {
            return Err(refused(format!("the eUICC stands in line {before} too")));
        }
        associations.push(Association { eid, counter, association_token, download });
    }
    Ok(associations)
}

/// Associates eUICCs with our eIM, anew where they are associated already: what counters and tokens were before is gone.
///
/// # Errors
/// [`StoreError`] if the store fails; then none of them is associated.
pub async fn associate(
    store: &Store,
    associations: &[Association],
    person: &Person,
    now: Timestamp,
) -> Result<(), StoreError> {
    let entry = |association: &Association| {
        let actor = Actor::Person(person.clone());
        let subject = AuditSubject::new("eid", association.eid.as_str());
        let token =
            association.association_token.map_or_else(|| "none".to_owned(), |token| token.to_string());
        NewAuditEntry::new(now, actor, Action::EIM_ASSOCIATE, subject)
            .detail(format!("counter {}, token {token}", association.counter))
    };
    let entries: Vec<NewAuditEntry> = associations.iter().map(entry).collect();
    store.associate_and_tell(associations, &entries, now).await
}

#[cfg(test)]
mod tests {
    use simyard_asn1::iot::package::{Eco, EuiccPackage};

    use super::*;
    use crate::crypto::ecdsa::Curve;
    use crate::env::Rng;
    use crate::pki::issue::{Content, PrivateKey, Subject, Validity, issue_root};

    const EID: &str = "89049032000000000000279973200019";

    fn certificate() -> Certificate {
        let (rng, at) = (Rng::seeded(1), Timestamp::from_secs(0));
        let key = PrivateKey::draw(&rng, Curve::P256).signing_key().unwrap();
        let content = Content::new(Subject::default(), Validity { not_before: at, not_after: at });
        issue_root(&content.signs_messages(), &key, &rng).unwrap()
    }

    fn options() -> ConfigurationOptions {
        ConfigurationOptions {
            counter: 7,
            asks_token: false,
            key_form: KeyForm::Key,
            tls_trust: None,
            download: DownloadWay::Direct,
            protocols: Protocols::Retrieve,
            euicc_ci: None,
        }
    }

    fn made(certificate: &Certificate, options: &ConfigurationOptions, envelope: Envelope) -> Vec<u8> {
        let fqdn = ServerAddress::parse("eim.example.com:8447").unwrap();
        let identity = EimIdentity {
            id: "2.999.40",
            id_type: EimIdType::Oid,
            fqdn: &fqdn,
            signing_certificate: certificate,
        };
        identity.configuration(options, envelope).unwrap()
    }

    #[test]
    fn what_is_made_is_read_again() {
        let certificate = certificate();
        let der = made(&certificate, &options(), Envelope::Plain);
        let data = read_configuration(&der).unwrap();
        assert_eq!((data.eim_id, data.eim_id_type), ("2.999.40", Some(EimIdType::Oid)));
        assert_eq!((data.eim_fqdn, data.counter_value), (Some("eim.example.com:8447"), Some(7)));
        assert_eq!((data.association_token, data.trusted_public_key_data_tls), (None, None));
        let Some(EimPublicKey::Spki(key)) = data.eim_public_key_data else { panic!("a key") };
        assert_eq!(key.to_der(), to_subject_public_key_info(certificate.public_key().unwrap()));
        assert!(certificate.der().windows(key.to_der().len()).any(|part| part == key.to_der()));
        assert!(!data.indirect_profile_download);
        let injects = |data: &EimConfigurationData<'_>| {
            let protocols = data.eim_supported_protocol.unwrap();
            assert!(protocols.has(supported_protocol::RETRIEVE_HTTPS));
            protocols.has(supported_protocol::INJECT_HTTPS)
        };
        assert!(!injects(&data));

        let all = ConfigurationOptions {
            asks_token: true,
            key_form: KeyForm::Certificate,
            tls_trust: Some(certificate.clone()),
            download: DownloadWay::Indirect,
            protocols: Protocols::RetrieveAndInject,
            euicc_ci: Some(vec![1; 20]),
            ..options()
        };
        let request = made(&certificate, &all, Envelope::AddInitialEim);
        let data = read_configuration(&request).unwrap();
        assert_eq!((data.association_token, data.indirect_profile_download), (Some(-1), true));
        assert_eq!(data.euicc_ci_pk_id, Some(&[1; 20][..]));
        assert!(injects(&data));
        for key in [data.eim_public_key_data, data.trusted_public_key_data_tls] {
            let Some(EimPublicKey::Certificate(told)) = key else { panic!("a certificate") };
            assert_eq!(told.to_der(), certificate.der());
        }
        assert!(read_configuration(&der[..der.len() - 1]).is_err());
    }

    #[test]
    fn other_eims_are_told_in_their_own_words() {
        let certificate = certificate();
        let plain = made(&certificate, &options(), Envelope::Plain);
        let data = read_configuration(&plain).unwrap();
        for (envelope, expected) in [(Envelope::AddEim, "addEim"), (Envelope::UpdateEim, "updateEim")] {
            let list = made(&certificate, &options(), envelope);
            let mut package = Writer::new();
            package.nested(Tag::SEQUENCE, |members| {
                members.tlv(Tag(0x80), b"x").tlv(Tag(0x5A), &[0x89; 16]).integer(Tag(0x81), 1).raw(&list);
            });
            let package = package.finish();
            let read = simyard_asn1::iot::package::EuiccPackageSigned::from_der(&package).unwrap();
            let EuiccPackage::Eco(all) = &read.operations else { panic!("eCOs") };
            let [one] = all.as_slice() else { panic!("one") };
            let (Eco::AddEim(told) | Eco::UpdateEim(told)) = one else { panic!("{one:?}") };
            assert_eq!((one.name(), &**told), (expected, &data));
        }
    }

    #[test]
    fn a_list_of_associations_is_read_or_refused_with_its_line() {
        let list = read_list(&format!("eid,counter,token\n{EID},0,\n"), DownloadWay::Direct).unwrap();
        assert_eq!((list[0].counter, list[0].association_token), (0, None));
        let list = read_list(&format!("eid, counter, token\r\n{EID},8388607,3\r\n"), DownloadWay::Indirect);
        let [one] = &list.unwrap()[..] else { panic!("one") };
        assert_eq!(
            (one.counter, one.association_token, one.download),
            (COUNTER_MAX, Some(3), DownloadWay::Indirect)
        );
        for (text, says) in [
            ("eid,counter\n".to_owned(), "line 1: expected the columns"),
            (format!("eid,counter,token\n{EID},1\n"), "line 2: expected three columns"),
            (format!("eid,counter,token\n{EID},8388608,\n"), "line 2: \"8388608\" is no counterValue"),
            (format!("eid,counter,token\n{EID},1,0\n"), "line 2: \"0\" is no associationToken"),
            ("eid,counter,token\n1,1,1\n".to_owned(), "line 2: "),
            (format!("eid,counter,token\n{EID},1,\n{EID},2,\n"), "line 3: the eUICC stands in line 2 too"),
        ] {
            let refused = read_list(&text, DownloadWay::Direct).unwrap_err().to_string();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }
}
