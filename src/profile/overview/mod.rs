//! What a package means, in words: the model behind `simyard profile show` and `simyard profile diff`.
//!
//! [`Overview::of`] turns a [`Tree`] into a model that can be serialised: contents of files are decoded by
//! [`super::content`], numbers have the names of the standards, and every item names the element that it comes from.
//! Secrets (K, OPc, PINs, PUKs, keys, contents that hold keys, data for applets) are of the type [`Secret`], which shows
//! them only if the model was built so. Nothing is judged here.
//!
//! # The JSON form
//!
//! [`Overview`] as JSON is a stable format of version [`FORMAT_VERSION`]: members are added, never renamed or removed,
//! without a new version. Members are in snake_case, as in all JSON of this program; only ASN.1 names (`opt-usim`,
//! `pinCodes`) are those of the module. A member that a package gives no value for is left out. Octets are upper case hexadecimal
//! digits. An `element` is the place of an element in `elements`, from 0; an `offset` counts octets from the start of the
//! package. A secret is `{"secret": true, "length": 16}`, with a `value` if it is revealed.
//!
//! | member | what |
//! |---|---|
//! | `version` | of this format |
//! | `octets` | size of the package |
//! | `header` | [`Header`]: version, type, ICCID, what the eUICC must support |
//! | `elements` | [`Element`], in order |
//! | `applications` | [`Application`]: USIM, ISIM, CSIM with their keys |
//! | `pins`, `puks` | [`PinSet`] by directory, [`Puk`] |
//! | `files` | [`File`]: depth first, with effective attributes and content |
//! | `files_left_out` | files of templates that the package does not want |
//! | `security_domains`, `remote_file_management`, `applets` | with keys by version and identifier |
//! | `non_standard`, `unknown` | elements that only their issuers understand, and that nobody here knows |
//! | `problems` | what could not be read or resolved |

mod access;
mod build;
mod files;
mod management;
mod management_text;
pub mod plain;
mod secret;
mod select;
pub mod text;
mod tree_lines;
pub(super) mod words;

use serde::Serialize;
use toml::Value;

pub use management::{
    Adf, Applet, Command, Instance, Key, KeySet, LoadPackage, RemoteFileManagement, SecurityDomain, Toolkit,
};
pub use secret::{Reveal, Secret};
pub use select::NothingSelected;
pub(super) use text::{rules_in_short, without_length};

use super::image::Octets;
use super::tree::Tree;

/// The version of the JSON form.
pub const FORMAT_VERSION: u32 = 1;

/// What a package means.
#[derive(Clone, Serialize)]
pub struct Overview {
    /// The version of the JSON form.
    pub version: u32,
    /// The size of the package.
    pub octets: usize,
    /// What the header says, if it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// The elements in order.
    pub elements: Vec<Element>,
    /// The network access applications in order.
    pub applications: Vec<Application>,
    /// The PINs by directory.
    pub pins: Vec<PinSet>,
    /// The PUKs.
    pub puks: Vec<Puk>,
    /// Files and directories, each directory before its files.
    pub files: Vec<File>,
    /// Files of templates that the package does not want.
    pub files_left_out: Vec<LeftOut>,
    /// The security domains, the MNO-SD first.
    pub security_domains: Vec<SecurityDomain>,
    /// Instances of remote file management.
    pub remote_file_management: Vec<RemoteFileManagement>,
    /// Load packages and instances.
    pub applets: Vec<Applet>,
    /// Elements whose content one issuer defines.
    pub non_standard: Vec<NonStandard>,
    /// Elements that are not known.
    pub unknown: Vec<Unknown>,
    /// What could not be read or resolved.
    pub problems: Vec<Problem>,
    /// The element that the model was cut down to.
    #[serde(skip)]
    pub(super) selected: Option<usize>,
    /// Whether the model was cut down to files.
    #[serde(skip)]
    pub(super) only_files: bool,
}

/// The profile header.
#[derive(Clone, Serialize)]
pub struct Header {
    /// The version of the package format: `2.3`.
    pub version: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_type: Option<String>,
    /// The digits; the octets as they stand, if they are no ICCID.
    pub iccid: String,
    /// POL1 of SGP.02.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pol: Option<String>,
    /// eUICC-Mandatory-services by name.
    pub mandatory_services: Vec<String>,
    /// eUICC-Mandatory-GFSTEList.
    pub mandatory_templates: Vec<TemplateName>,
    /// eUICC-Mandatory-AIDs.
    pub mandatory_aids: Vec<String>,
    /// Parameters for SMS, BIP and HTTPS, which may hold credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connectivity_parameters: Option<Secret>,
}

/// A file system template.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct TemplateName {
    /// In dotted decimals.
    pub identifier: String,
    /// The element that it is for, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<&'static str>,
    /// Its version, if it is known.
    #[serde(rename = "template_version", skip_serializing_if = "Option::is_none")]
    pub version: Option<u8>,
}

/// One element.
#[derive(Clone, Serialize)]
pub struct Element {
    /// The name of the alternative in the module: `opt-usim`.
    pub kind: &'static str,
    /// Its number in the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identification: Option<u16>,
    /// Whether installation fails if the eUICC does not support it.
    pub mandated: bool,
    /// Where it starts.
    pub offset: usize,
    /// Its size with tag and length.
    pub octets: usize,
    /// The template that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateName>,
    /// The application that it brings or belongs to: a place in `applications`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<usize>,
    /// The directory that PINs are for, or that files lie in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
}

/// A network access application.
#[derive(Clone, Serialize)]
pub struct Application {
    /// `USIM`, `ISIM` or `CSIM`.
    pub kind: &'static str,
    /// The path of its directory: `ADF.USIM`, `ADF.USIM (2)`.
    pub path: String,
    /// Its AID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aid: Option<String>,
    /// The temporary identifier of its directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temporary_identifier: Option<String>,
    /// The element that brings it.
    pub element: usize,
    /// Its keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aka: Option<Aka>,
    /// The contents of its CDMAParameter elements.
    pub cdma: Vec<Secret>,
}

/// Keys of authentication and key agreement.
#[derive(Clone, PartialEq, Serialize)]
pub struct Aka {
    /// The element that gives them.
    pub element: usize,
    /// Keys of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// The application whose keys are used instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Mapping>,
    /// Options of the sequence number check.
    pub sqn_options: String,
    /// The largest step of the sequence number.
    pub sqn_delta: String,
    /// The age of the oldest accepted sequence number.
    pub sqn_age_limit: String,
    /// The sequence numbers; one entry, if all are the same.
    pub sqn: Vec<String>,
}

/// An algorithm with its keys and constants.
#[derive(Clone, PartialEq, Serialize)]
pub struct Algorithm {
    /// Its name.
    pub name: String,
    /// Its number.
    pub identifier: u8,
    /// Depends on the algorithm.
    pub options: String,
    /// K.
    pub key: Secret,
    /// OPc or TOPc.
    pub opc: Secret,
    /// r1 to r5 of Milenage, if they are not those of TS 35.206.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_constants: Option<String>,
    /// c1 to c5 of Milenage, if they are not those of TS 35.206.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xoring_constants: Option<String>,
    /// How many authentications are allowed at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication_counter_maximum: Option<u32>,
    /// Iterations of Keccak, if not one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_of_keccak: Option<u8>,
}

/// Keys of another application.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Mapping {
    /// Its AID.
    pub source: String,
    /// mappingOptions.
    pub options: String,
}

/// The PINs of a directory.
#[derive(Clone, Serialize)]
pub struct PinSet {
    /// The path of the directory.
    pub directory: String,
    /// The path of the directory whose PINs it shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_with: Option<String>,
    /// Its own PINs.
    pub pins: Vec<Pin>,
}

/// One PIN.
#[derive(Clone, Serialize)]
pub struct Pin {
    /// Its key reference.
    pub reference: u8,
    /// The name of that.
    pub name: String,
    /// Its digits.
    pub value: Secret,
    /// Whether it must be verified.
    pub enabled: bool,
    /// Whether the user may change it.
    pub may_be_changed: bool,
    /// Whether the user may disable it.
    pub may_be_disabled: bool,
    /// The key reference of the PUK that unblocks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unblocked_by: Option<u8>,
    /// Attempts in all.
    pub attempts: u8,
    /// Attempts left.
    pub attempts_left: u8,
    /// The element that gives it.
    pub element: usize,
}

/// One PUK.
#[derive(Clone, Serialize)]
pub struct Puk {
    /// Its key reference.
    pub reference: u8,
    /// The name of that.
    pub name: String,
    /// Its digits.
    pub value: Secret,
    /// Attempts in all.
    pub attempts: u8,
    /// Attempts left.
    pub attempts_left: u8,
    /// The element that gives it.
    pub element: usize,
}

/// A file or directory with its effective attributes.
#[derive(Clone, Serialize)]
pub struct File {
    /// The names from the MF or the application to the file, with slashes.
    pub path: String,
    /// Its name in the standards, or its identifier.
    pub name: String,
    /// How many directories it lies in.
    pub depth: usize,
    /// The application that it lies in: a place in `applications`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<usize>,
    /// Its identifier; not that of an ADF, which is temporary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// `MF`, `DF`, `ADF`, `transparent`, `linear fixed`, `cyclic`, `BER-TLV` or `unknown`.
    pub kind: &'static str,
    /// Octets of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Number of records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<usize>,
    /// Octets of a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_length: Option<usize>,
    /// Short file identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short_file_identifier: Option<u8>,
    /// Life cycle status.
    pub life_cycle: String,
    /// Whether several logical channels may select it at once.
    pub shareable: bool,
    /// Whether it is updated often.
    pub high_update_activity: bool,
    /// Whether it can be read and updated when it is deactivated.
    pub usable_when_deactivated: bool,
    /// Who may do what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Where a link leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// The AID of an ADF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aid: Option<String>,
    /// The PIN status template DO of a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin_status_template: Option<String>,
    /// What the file holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Whether the package lists it, or it is there by default.
    pub listed: bool,
    /// The element that creates it.
    pub element: usize,
    /// Where the package describes it.
    pub offset: usize,
    /// What pairs files of two packages: application, then identifiers (names, where there are none).
    #[serde(skip)]
    pub(super) key: String,
}

/// The access rules of a file.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Access {
    /// The identifier of the EF.ARR.
    pub file: String,
    /// The number of the record.
    pub record: u8,
    /// The rules of that record, if it can be found and read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<AccessRule>>,
    /// The octets of the record without filler, to compare.
    #[serde(skip)]
    pub(super) octets: Option<Vec<u8>>,
}

/// One access rule.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct AccessRule {
    /// What may be done: `read`, `update`.
    pub access: Vec<String>,
    /// What it needs: `always`, `PIN1`, `ADM1 or ADM2`.
    pub condition: String,
}

/// A link.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// The path in the package, with temporary identifiers.
    pub identifiers: String,
    /// The path of the file that it leads to, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What a file holds.
#[derive(Clone, Serialize)]
pub struct Content {
    /// `package`, `pattern` (of the package), `template`, or `none`: filled with FF.
    pub origin: &'static str,
    /// The elements that write it, each once.
    pub written_by: Vec<usize>,
    /// A content without records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole: Option<Said>,
    /// The records.
    #[serde(rename = "records", skip_serializing_if = "Vec::is_empty")]
    pub each: Vec<Said>,
}

/// Octets and what they say. The octets are wiped; they are shown unless they hold a secret that is not revealed.
///
/// As JSON: `length`, `secret` if it is one, `octets`, and `decoded` where there is a decoder.
#[derive(Clone)]
pub struct Said {
    pub(super) octets: Octets,
    pub(super) value: Option<Value>,
    pub(super) secret: Option<Reveal>,
}

/// A file of a template that the package does not want.
#[derive(Clone, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub name: &'static str,
    /// The application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<usize>,
    /// The element that says so.
    pub element: usize,
}

/// An element whose content one issuer defines.
#[derive(Clone, Serialize)]
pub struct NonStandard {
    /// The issuer.
    pub issuer: String,
    /// All members behind the header, as they stand.
    pub content: Secret,
    /// The element.
    pub element: usize,
}

/// An element that is not known.
#[derive(Clone, Serialize)]
pub struct Unknown {
    /// Its tag.
    pub tag: String,
    /// All of it.
    pub content: Secret,
    /// The element.
    pub element: usize,
}

/// What could not be read or resolved.
#[derive(Clone, Serialize)]
pub struct Problem {
    /// The element, if it is one that could be read at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<usize>,
    /// Octets from the start of the package.
    pub offset: usize,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What is wrong, for people.
    pub message: String,
}

impl Overview {
    /// The model of a package with its tree.
    #[must_use]
    pub fn of(tree: &Tree<'_>, reveal: Reveal) -> Self {
        build::run(tree, reveal)
    }

    /// Adds what could not be read at all.
    pub fn add_unreadable(&mut self, errors: &[simyard_asn1::Error]) {
        self.problems.extend(errors.iter().map(|error| Problem {
            element: None,
            offset: error.offset,
            path: None,
            message: build::form(error),
        }));
        self.problems.sort_by_key(|problem| problem.offset);
    }

    /// The name of an application, by its place.
    #[must_use]
    pub fn application(&self, place: usize) -> Option<&Application> {
        self.applications.get(place)
    }
}

impl Overview {
    /// The AID of the security domain or instance that an element brings.
    pub(super) fn aid_of(&self, element: usize) -> Option<&str> {
        let domains = self.security_domains.iter().map(|it| (it.element, it.instance.aid.as_str()));
        let management = self.remote_file_management.iter().map(|it| (it.element, it.aid.as_str()));
        let packages =
            self.applets.iter().filter_map(|it| Some((it.element, it.load_package.as_ref()?.aid.as_str())));
        let instances =
            self.applets.iter().filter_map(|it| Some((it.element, it.instances.first()?.aid.as_str())));
        let mut all = domains.chain(management).chain(packages).chain(instances);
        all.find(|(place, _)| *place == element).map(|(_, aid)| aid)
    }
}

impl File {
    /// What pairs files of two packages below one application or the MF: identifiers, or names where there are none.
    pub(super) fn pairing_key(&self) -> &str {
        &self.key
    }
}

impl Access {
    /// Whether both name rules that say the same.
    pub(super) fn same_rules(&self, other: &Self) -> bool {
        self.octets.is_some() && self.octets == other.octets
    }
}
