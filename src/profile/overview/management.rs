//! Security domains, remote file management and applets of the model.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use simyard_asn1::Error;
use simyard_asn1::saip::management::ApplicationInstance;
use simyard_asn1::saip::{ProfileElement, SecurityDomainKey};

use toml::Value;

use super::{Reveal, Secret, words};
use crate::profile::description::multi_imsi::{TABLE, read_command};
use crate::profile::description::toolkit::ToolkitParameters;
use crate::profile::multi_imsi::{self, stored_data};

/// A security domain.
#[derive(Clone, Serialize)]
pub struct SecurityDomain {
    /// What it has in common with applications.
    #[serde(flatten)]
    pub instance: Instance,
    /// The protocols that its installation parameters name: `SCP80 (00)`.
    pub protocols: Vec<String>,
    /// Its keys.
    pub keys: Vec<Key>,
    /// Blocks of STORE DATA.
    pub personalisation: Vec<Secret>,
    /// openPersoData.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_personalisation: Option<Secret>,
    /// catTpParameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cat_tp: Option<String>,
    /// The element that brings it.
    pub element: usize,
}

/// An instance of a security domain or applet.
#[derive(Clone, Serialize)]
pub struct Instance {
    /// Its AID.
    pub aid: String,
    /// The AID of its load package.
    pub load_package: String,
    /// The AID of its class.
    pub class: String,
    /// The security domain that it belongs to, if it says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_domain: Option<String>,
    /// Its privileges by name.
    pub privileges: Vec<String>,
    /// Its life cycle state.
    pub life_cycle: String,
    /// Installation parameters (C9) of a security domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install_parameters: Option<String>,
    /// Installation parameters (C9) of an applet, which may hold keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applet_parameters: Option<Secret>,
    /// System specific parameters (EF).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_parameters: Option<String>,
    /// UICC toolkit parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toolkit: Option<Toolkit>,
    /// UICC access parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_parameters: Option<String>,
    /// UICC administrative access parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub administrative_access_parameters: Option<String>,
    /// Control reference template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_reference: Option<String>,
    /// What is sent to the instance after installation.
    pub process_data: Vec<Command>,
}

/// A command to an instance: a table or key sets of a multi-IMSI applet ([`multi_imsi`]), or octets, which may
/// hold keys.
#[derive(Clone, Serialize)]
pub struct Command {
    /// The table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_imsi: Option<Value>,
    /// The key sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_imsi_keys: Option<Vec<KeySet>>,
    /// Any other command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Secret>,
}

/// A key set of a multi-IMSI applet.
#[derive(Clone, Serialize)]
pub struct KeySet {
    /// By which entries of the table name it.
    pub reference: u8,
    /// The name of the algorithm.
    pub algorithm: String,
    /// K.
    pub key: Secret,
    /// OPc or TOPc.
    pub opc: Secret,
}

/// UICC toolkit parameters (TS 102 226 8.2.1.3.2.1).
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Toolkit {
    /// As they stand.
    pub octets: String,
    /// The toolkit application references, if the parameters can be read.
    pub tars: Vec<String>,
    /// The minimum security level, if they can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_security_level: Option<String>,
}

/// A key of a security domain.
#[derive(Clone, Serialize)]
pub struct Key {
    /// The version of its key set.
    pub version: u8,
    /// Its identifier.
    pub identifier: u8,
    /// The protocol of key sets of that version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<&'static str>,
    /// What it is for in that protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<&'static str>,
    /// Its type.
    #[serde(rename = "type")]
    pub key_type: String,
    /// keyUsageQualifier.
    pub usage: String,
    /// keyAccess.
    pub access: String,
    /// Octets of its MACs.
    pub mac_length: u8,
    /// The key.
    pub value: Secret,
}

/// An instance of remote file management.
#[derive(Clone, Serialize)]
pub struct RemoteFileManagement {
    /// Its AID.
    pub aid: String,
    /// The security domain whose keys protect it, if it says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_domain: Option<String>,
    /// The toolkit application references.
    pub tars: Vec<String>,
    /// The minimum security level.
    pub minimum_security_level: String,
    /// Access to the files of the UICC.
    pub access_domain: String,
    /// Administrative access to the files of the UICC.
    pub administrative_access_domain: String,
    /// The application that it works in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adf: Option<Adf>,
    /// The element that brings it.
    pub element: usize,
}

/// The application that remote file management works in.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Adf {
    /// Its AID.
    pub aid: String,
    /// Access to its files.
    pub access_domain: String,
    /// Administrative access to its files.
    pub administrative_access_domain: String,
}

/// What an Application element brings.
#[derive(Clone, Serialize)]
pub struct Applet {
    /// The package that it loads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_package: Option<LoadPackage>,
    /// The instances that it makes.
    pub instances: Vec<Instance>,
    /// The element that brings it.
    pub element: usize,
}

/// A load package.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct LoadPackage {
    /// Its AID.
    pub aid: String,
    /// The security domain that it belongs to, if it says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_domain: Option<String>,
    /// Octets of code.
    pub octets: usize,
    /// SHA-256 of the code.
    pub sha256: String,
}

/// What a SecurityDomain element says.
pub(super) fn security_domain(
    place: usize,
    element: &ProfileElement<'_>,
    reveal: Reveal,
) -> Result<SecurityDomain, Error> {
    let domain = element.security_domain()?;
    let keys = element.security_domain_keys()?;
    let mut common = instance(&domain.instance, reveal);
    common.life_cycle = words::domain_life_cycle(domain.instance.life_cycle);
    // What a domain is told are protocols and rights, no keys: those are in its key list.
    common.applet_parameters = None;
    common.install_parameters = Some(hex::encode_upper(domain.instance.install_parameters));
    Ok(SecurityDomain {
        instance: common,
        protocols: protocols(domain.instance.install_parameters),
        keys: keys.iter().map(|one| key(one, reveal)).collect(),
        personalisation: domain.personalisation.iter().map(|block| Secret::new(block, reveal)).collect(),
        open_personalisation: domain.open_personalisation.map(|octets| Secret::new(octets, reveal)),
        cat_tp: domain.cat_tp.map(hex::encode_upper),
        element: place,
    })
}

fn key(key: &SecurityDomainKey<'_>, reveal: Reveal) -> Key {
    Key {
        version: key.version,
        identifier: key.identifier,
        protocol: words::key_set(key.version),
        purpose: words::key_purpose(key.version, key.identifier),
        key_type: words::key_type(key.key_type),
        usage: hex::encode_upper(key.usage),
        access: format!("{:02X}", key.access),
        mac_length: key.mac_length,
        value: Secret::new(key.data, reveal),
    }
}

fn instance(instance: &ApplicationInstance<'_>, reveal: Reveal) -> Instance {
    let parameters = instance.install_parameters;
    Instance {
        aid: hex::encode_upper(instance.instance),
        load_package: hex::encode_upper(instance.load_package),
        class: hex::encode_upper(instance.class),
        security_domain: instance.security_domain.map(hex::encode_upper),
        privileges: words::privileges(instance.privileges),
        life_cycle: words::application_life_cycle(instance.life_cycle),
        install_parameters: None,
        applet_parameters: (!parameters.is_empty()).then(|| Secret::new(parameters, reveal)),
        system_parameters: instance.system_parameters.map(hex::encode_upper),
        toolkit: instance.toolkit_parameters.map(toolkit),
        access_parameters: instance.access_parameters.map(hex::encode_upper),
        administrative_access_parameters: instance.administrative_access_parameters.map(hex::encode_upper),
        control_reference: instance.control_reference.map(hex::encode_upper),
        process_data: instance.process_data.iter().map(|fill| command(fill.octets, reveal)).collect(),
    }
}

fn command(octets: &[u8], reveal: Reveal) -> Command {
    let mut command = Command { multi_imsi: None, multi_imsi_keys: None, data: None };
    let data = stored_data(octets);
    if let Some(Ok(sets)) = data.map(multi_imsi::key_sets) {
        let set = |set: &multi_imsi::KeySet<'_>| KeySet {
            reference: set.reference,
            algorithm: words::algorithm(set.algorithm),
            key: Secret::new(set.key, reveal),
            opc: Secret::new(set.opc, reveal),
        };
        command.multi_imsi_keys = Some(sets.iter().map(set).collect());
    } else if let Some(Value::Table(mut words)) = read_command(octets) {
        command.multi_imsi = words.remove(TABLE);
    }
    if command.multi_imsi.is_none() && command.multi_imsi_keys.is_none() {
        command.data = Some(Secret::new(octets, reveal));
    }
    command
}

/// The secure channel protocols in the installation parameters of a security domain: tag 81, protocol and option
/// (GlobalPlatform Card, UICC configuration).
fn protocols(parameters: &[u8]) -> Vec<String> {
    let mut rest = parameters;
    let mut found = Vec::new();
    while let [tag, length, following @ ..] = rest {
        let Some((value, after)) = following.split_at_checked(usize::from(*length)) else { break };
        if let (0x81, [protocol, option, ..]) = (tag, value) {
            found.push(format!("SCP{protocol:02X} ({option:02X})"));
        }
        rest = after;
    }
    found
}

/// UICC toolkit parameters: priority, timers, length and number of menu entries, position and identifier of each,
/// channels, minimum security level behind its length, references behind theirs, services (TS 102 226 8.2.1.3.2.1).
fn toolkit(octets: &[u8]) -> Toolkit {
    let found = ToolkitParameters::read(octets);
    Toolkit {
        octets: hex::encode_upper(octets),
        tars: found.iter().flat_map(|found| found.tars).map(hex::encode_upper).collect(),
        minimum_security_level: found
            .filter(|found| !found.security_level.is_empty())
            .map(|found| hex::encode_upper(found.security_level)),
    }
}

/// What an RFM element says.
pub(super) fn remote_file_management(
    place: usize,
    element: &ProfileElement<'_>,
) -> Result<RemoteFileManagement, Error> {
    let management = element.remote_file_management()?;
    Ok(RemoteFileManagement {
        aid: hex::encode_upper(management.instance),
        security_domain: management.security_domain.map(hex::encode_upper),
        tars: management.tars.iter().map(hex::encode_upper).collect(),
        minimum_security_level: hex::encode_upper(management.minimum_security_level),
        access_domain: words::access_domain(management.access_domain),
        administrative_access_domain: words::access_domain(management.administrative_access_domain),
        adf: management.adf.map(|adf| Adf {
            aid: hex::encode_upper(adf.aid),
            access_domain: words::access_domain(adf.access_domain),
            administrative_access_domain: words::access_domain(adf.administrative_access_domain),
        }),
        element: place,
    })
}

/// What an Application element says.
pub(super) fn applet(place: usize, element: &ProfileElement<'_>, reveal: Reveal) -> Result<Applet, Error> {
    let application = element.application()?;
    Ok(Applet {
        load_package: application.load_block.map(|block| LoadPackage {
            aid: hex::encode_upper(block.load_package),
            security_domain: block.security_domain.map(hex::encode_upper),
            octets: block.object.len(),
            sha256: hex::encode_upper(Sha256::digest(block.object)),
        }),
        instances: application.instances.iter().map(|one| instance(one, reveal)).collect(),
        element: place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toolkit_parameters_are_read_or_kept() {
        let known = toolkit(&hex::decode("010000000002010206B2010000000000").unwrap());
        assert_eq!(known.tars, ["B20100", "000000"]);
        assert_eq!(known.minimum_security_level.as_deref(), Some("0102"));
        let entries = toolkit(&hex::decode("FF0010020101020200").unwrap());
        assert_eq!((entries.tars.len(), entries.minimum_security_level), (0, None));
        for cut in 0..16 {
            let octets = hex::decode("010000000002010206B2010000000000").unwrap();
            assert!(toolkit(&octets[..cut]).octets.len() == 2 * cut);
        }
    }

    #[test]
    fn protocols_are_named() {
        let parameters = hex::decode("810280008201F08301F08701F0").unwrap();
        assert_eq!(protocols(&parameters), ["SCP80 (00)"]);
        assert_eq!(protocols(&[0x81, 2, 3, 0x70]), ["SCP03 (70)"]);
        assert!(protocols(&[0x81, 9, 3]).is_empty());
    }
}
