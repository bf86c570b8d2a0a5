//! What an eUICC builds from a package at installation: files with their contents, codes, keys.
//!
//! [`ProfileImage::build`] runs the elements in order as the standard says an eUICC does (TCA Profile Package,
//! chapters 8 and 9), within limits, and gives up at the first error with a PEStatus. The image is
//! what a card keeps: it can be stored, selected from, read and updated. APDUs are not its matter, nor are access
//! conditions: it finds the rule of a file ([`ProfileImage::access_rule`]), others evaluate it.
//!
//! Applications, security domains and remote file management are accepted, and nothing of them is run; what the card
//! supports at all is [`SUPPORTED`]. Files of
//! templates whose defaults are unknown (CSIM, IoT) hold what the package gives; a file without identifier is kept by
//! its name and cannot be selected.
//!
//! | file | what |
//! |---|---|
//! | [`error`] | why an installation fails, and its status |
//! | `build` | the order of the elements; who belongs to whom |
//! | `files` | one file from template and Fcp; file management commands |
//! | `plan` | what attributes a file has, from template and Fcp |
//! | `codes` | PINs, PUKs and keys |

mod build;
mod codes;
pub mod error;
mod files;
mod octets;
pub(in crate::profile) mod plan;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use simyard_asn1::rsp::info::uicc_capability;
use simyard_asn1::saip::{ElementKind, Package, PeStatus, Service};

pub use error::{InstallError, Reason};
pub use octets::Octets;

use crate::crypto::aka::AkaAlgorithm;
use crate::crypto::milenage::{Constants, Milenage};
use crate::crypto::xor_test::{ResLength, XorTest};
use crate::ident::Iccid;

/// The largest number of files, directories included.
pub const MAX_FILES: usize = 4096;
/// How many directories lie in one another at most, the MF included: paths name four (TS 102 221 8.4.1), links lead on.
pub const MAX_NESTING: usize = 16;
/// The largest sum of the sizes of all files, in octets.
pub const MAX_MEMORY: usize = 1 << 20;

/// What the card supports: the entry of eUICC-Mandatory-services that a package may demand, and the bit of
/// uiccCapability that says so in EUICCInfo2 (SGP.22 annex H). All else is refused when it is mandatory.
///
/// Three entries say more than the card does, because TS.48 test profiles demand them and every one of them must be
/// installable: javacard, though applications are accepted and never run; ber-tlv, whose files are kept and have no
/// data object commands; and get-identity with both of its key profiles, whose files are kept and whose command is
/// not there. A profile that works by them alone is installed and does not work.
pub const SUPPORTED: [(Service, u32); 11] = [
    (Service::Usim, uicc_capability::USIM),
    (Service::Isim, uicc_capability::ISIM),
    (Service::Csim, uicc_capability::CSIM),
    (Service::Milenage, uicc_capability::MILENAGE),
    (Service::UsimTestAlgorithm, uicc_capability::USIM_TEST_ALGORITHM),
    (Service::Javacard, uicc_capability::JAVACARD),
    (Service::BerTlv, uicc_capability::BER_TLV_FILES),
    (Service::DfLink, uicc_capability::DF_LINK),
    (Service::GetIdentity, uicc_capability::GET_IDENTITY),
    (Service::ProfileAX25519, uicc_capability::PROFILE_A_X25519),
    (Service::ProfileBP256, uicc_capability::PROFILE_B_P256),
];

/// Whose abilities a package is compared with.
#[derive(Clone, Copy)]
enum Target {
    /// Those of [`SUPPORTED`]; no TUAK, no libraries.
    ThisCard,
    /// Those that any eUICC may have.
    AnyCard,
}

/// One file of an image, by its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(u32);

impl NodeId {
    /// The master file.
    pub const MF: Self = Self(0);

    fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// An installed profile.
#[derive(Clone, Serialize, Deserialize)]
pub struct ProfileImage {
    /// The number of the profile.
    pub iccid: Iccid,
    /// The version of the package format: major, minor.
    pub version: (u8, u8),
    /// profileType of the header.
    pub profile_type: Option<String>,
    /// connectivityParameters of the header, for an IPA in the eUICC.
    #[serde(default)]
    pub connectivity_parameters: Option<Vec<u8>>,
    /// The network access applications in the order of the package.
    pub applications: Vec<NetworkApplication>,
    /// The PUKs, by their references.
    pub puks: Vec<Puk>,
    /// Elements that were not mandated, are not supported and were left out: identification and status.
    pub skipped: Vec<(Option<u16>, u16)>,
    nodes: Vec<Node>,
    memory: usize,
    /// Files by directory and identifier, while the profile is installed: a package may look for its files a hundred
    /// thousand times.
    #[serde(skip)]
    by_fid: BTreeMap<(NodeId, u16), NodeId>,
}

/// A file or directory.
#[derive(Clone, Serialize, Deserialize)]
pub struct Node {
    /// Its name in the standards, if a template gives it.
    pub name: Option<Cow<'static, str>>,
    /// Its identifier; of an ADF the temporary one. `None` for files of templates that are known by name only.
    pub fid: Option<u16>,
    /// The directory that it lies in; the MF lies in itself.
    pub parent: NodeId,
    /// The short file identifier.
    pub sfi: Option<u8>,
    /// The life cycle status: 5 operational and activated, 4 deactivated, 1 creation, 3 initialisation.
    pub lcsi: u8,
    /// Where its access rules stand.
    pub security: Option<SecurityReference>,
    /// What kind of file it is.
    pub body: Body,
}

/// The access rules of a file: a record of an EF.ARR (tag 8B of TS 102 221 11.1.1.4.7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityReference {
    /// The identifier of the EF.ARR: 2F06 in the MF, 6F06 in the application or directory.
    pub file: u16,
    /// The number of the record, from 1.
    pub record: u8,
}

/// What kind of file a node is.
#[derive(Clone, Serialize, Deserialize)]
pub enum Body {
    /// MF, DF or ADF.
    Directory(Directory),
    /// A file with content.
    File(ElementaryFile),
    /// Another name for a file or directory elsewhere, never for another link.
    Link(NodeId),
}

/// MF, DF or ADF.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Directory {
    /// The AID of an ADF.
    pub aid: Option<Octets>,
    /// Its files in the order of their creation.
    pub children: Vec<NodeId>,
    /// The key references of its PIN status template DO.
    pub pin_status: Octets,
    /// Its PINs.
    pub pins: PinSet,
}

/// The PINs that a directory brings.
#[derive(Clone, Default, Serialize, Deserialize)]
pub enum PinSet {
    /// None: those of the directory above are used.
    #[default]
    None,
    /// Its own.
    Own(Vec<Pin>),
    /// Those of another directory.
    SharedWith(NodeId),
}

/// How the content of a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Structure {
    /// Octets.
    Transparent,
    /// Records of this length in octets.
    LinearFixed(u16),
    /// Records of this length in octets, the newest first.
    Cyclic(u16),
    /// Data objects.
    BerTlv,
}

/// A file with content.
#[derive(Clone, Serialize, Deserialize)]
pub struct ElementaryFile {
    /// How the content is laid out.
    pub structure: Structure,
    /// All octets, record after record; of a BER-TLV file only what is used.
    pub content: Octets,
    /// The size of the file in octets.
    pub size: usize,
    /// Special file information: 80 high update activity, 40 readable and updatable when deactivated.
    pub special_information: u8,
}

/// One PIN.
#[derive(Clone, Serialize, Deserialize)]
pub struct Pin {
    /// Its key reference.
    pub reference: u8,
    /// Eight octets: ASCII digits filled up with FF.
    pub value: Octets,
    /// The PUK that unblocks it.
    pub unblocking: Option<u8>,
    /// Bit 1 enabled, bit 2 may be changed, bit 3 may be disabled.
    pub attributes: u8,
    /// Attempts in all.
    pub attempts: u8,
    /// Attempts left.
    pub left: u8,
}

impl Pin {
    /// Whether it must be verified at all.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.attributes & 1 != 0
    }
}

/// One PUK.
#[derive(Clone, Serialize, Deserialize)]
pub struct Puk {
    /// Its key reference, which PINs name.
    pub reference: u8,
    /// Eight octets: ASCII digits.
    pub value: Octets,
    /// Attempts in all.
    pub attempts: u8,
    /// Attempts left.
    pub left: u8,
}

/// The kinds of network access application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApplicationKind {
    /// TS 31.102.
    Usim,
    /// TS 31.103.
    Isim,
    /// 3GPP2 C.S0065.
    Csim,
}

impl ApplicationKind {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usim => "USIM",
            Self::Isim => "ISIM",
            Self::Csim => "CSIM",
        }
    }

    /// The application that an element with an ADF brings.
    pub(in crate::profile) const fn brought_by(element: ElementKind) -> Self {
        match element {
            ElementKind::Isim => Self::Isim,
            ElementKind::Csim => Self::Csim,
            // PE-USIM and PE-IoT.
            _ => Self::Usim,
        }
    }

    /// The application whose directory the files of an element lie in; `None` for elements that bring their directory
    /// themselves, and for PE-EAP, which fits any application.
    pub(in crate::profile) const fn of_files(element: ElementKind) -> Option<Self> {
        match element {
            ElementKind::OptUsim
            | ElementKind::Phonebook
            | ElementKind::GsmAccess
            | ElementKind::Df5gs
            | ElementKind::DfSaip
            | ElementKind::DfSnpn
            | ElementKind::Df5gProse
            | ElementKind::OptIot => Some(Self::Usim),
            ElementKind::OptIsim => Some(Self::Isim),
            ElementKind::OptCsim => Some(Self::Csim),
            _ => None,
        }
    }
}

/// A USIM, ISIM or CSIM.
#[derive(Clone, Serialize, Deserialize)]
pub struct NetworkApplication {
    /// Which it is.
    pub kind: ApplicationKind,
    /// Its AID.
    pub aid: Octets,
    /// Its directory.
    pub directory: NodeId,
    /// Its keys.
    pub aka: AkaSource,
}

/// Where the keys of an application come from.
#[derive(Clone, Default, Serialize, Deserialize)]
pub enum AkaSource {
    /// It has none.
    #[default]
    None,
    /// Its own.
    Own(Box<Aka>),
    /// Those of another application, with its sequence numbers (mappingParameter).
    Mapped {
        /// The place of the other one in [`ProfileImage::applications`].
        application: usize,
        /// mappingOptions.
        options: u8,
    },
}

/// Keys, constants and sequence numbers of authentication and key agreement (TS 33.102).
#[derive(Clone, Serialize, Deserialize)]
pub struct Aka {
    /// 1 Milenage, 2 TUAK, 3 the test algorithm of TS 34.108.
    pub algorithm: u8,
    /// Depends on the algorithm.
    pub options: u8,
    /// K.
    pub key: Octets,
    /// OPc or TOPc.
    pub opc: Octets,
    /// r1 to r5 of Milenage.
    pub rotation: Octets,
    /// c1 to c5 of Milenage, 16 octets each.
    pub xoring: Octets,
    /// Iterations of Keccak.
    pub keccak: u8,
    /// How many authentications are allowed at all.
    pub counter_max: Option<u32>,
    /// Options of the sequence number check.
    pub sqn_options: u8,
    /// The largest step of the sequence number.
    pub sqn_delta: u64,
    /// The age of the oldest accepted sequence number.
    pub sqn_age_limit: u64,
    /// The array of sequence numbers by index (IND), without IND.
    pub sqn: Vec<u64>,
}

impl Aka {
    /// The algorithm with these keys and constants; `None` for TUAK, which is not there, for an unknown algorithm, and
    /// for keys of another length.
    #[must_use]
    pub fn to_algorithm(&self) -> Option<AkaAlgorithm> {
        let key: &[u8; 16] = self.key[..].try_into().ok()?;
        match self.algorithm {
            1 => {
                let rotation = self.rotation[..].try_into().ok()?;
                let constants = Constants::new(rotation, self.xoring[..].try_into().ok()?).ok()?;
                let opc = self.opc[..].try_into().ok()?;
                Some(Milenage::with_constants(key, opc, constants).into())
            }
            3 => Some(XorTest::new(key, ResLength::from_algorithm_options(self.options)).into()),
            _ => None,
        }
    }
}

impl ProfileImage {
    /// Installs a package.
    ///
    /// # Errors
    /// [`InstallError`] at the first element that cannot be installed.
    pub fn build(package: &Package<'_>) -> Result<Self, InstallError> {
        build::run(package, Target::ThisCard)
    }

    /// As [`ProfileImage::build`], but does not ask whether the virtual card supports what the package demands: for
    /// packages that go to other eUICCs.
    ///
    /// # Errors
    /// [`InstallError`] at the first element that no eUICC can install.
    pub fn build_for_any_card(package: &Package<'_>) -> Result<Self, InstallError> {
        build::run(package, Target::AnyCard)
    }

    /// The results that go into the EUICCResponse of this installation: what was left out, or `ok`.
    #[must_use]
    pub fn statuses(&self) -> Vec<PeStatus> {
        if self.skipped.is_empty() {
            return vec![PeStatus::default()];
        }
        let status = |(identification, status): &(Option<u16>, u16)| PeStatus {
            status: *status,
            identification: *identification,
            ..PeStatus::default()
        };
        self.skipped.iter().map(status).collect()
    }

    /// A file or directory; `None` for an identifier of another image.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())
    }

    fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(id.index())
    }

    /// All files and directories, the MF first, in the order of their creation.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        (0_u32..).map(NodeId).zip(&self.nodes)
    }

    /// Octets that the files take.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.memory
    }

    /// Where a link leads; any other file is its own target.
    #[must_use]
    pub fn target(&self, id: NodeId) -> NodeId {
        match self.node(id).map(|node| &node.body) {
            Some(Body::Link(target)) => *target,
            _ => id,
        }
    }

    /// The directory behind `id`, links followed.
    #[must_use]
    pub fn directory(&self, id: NodeId) -> Option<&Directory> {
        match &self.node(self.target(id))?.body {
            Body::Directory(directory) => Some(directory),
            Body::File(_) | Body::Link(_) => None,
        }
    }

    /// The file behind `id`, links followed.
    #[must_use]
    pub fn file(&self, id: NodeId) -> Option<&ElementaryFile> {
        match &self.node(self.target(id))?.body {
            Body::File(file) => Some(file),
            Body::Directory(_) | Body::Link(_) => None,
        }
    }

    /// The file behind `id`, links followed, to update it.
    #[must_use]
    pub fn file_mut(&mut self, id: NodeId) -> Option<&mut ElementaryFile> {
        let target = self.target(id);
        match &mut self.node_mut(target)?.body {
            Body::File(file) => Some(file),
            Body::Directory(_) | Body::Link(_) => None,
        }
    }

    /// The file with this identifier in a directory.
    #[must_use]
    pub fn child(&self, directory: NodeId, fid: u16) -> Option<NodeId> {
        if self.by_fid.is_empty() {
            return self.find_child(directory, |node| node.fid == Some(fid));
        }
        self.by_fid.get(&(self.target(directory), fid)).copied()
    }

    /// The file with this short file identifier in a directory.
    #[must_use]
    pub fn child_by_sfi(&self, directory: NodeId, sfi: u8) -> Option<NodeId> {
        self.find_child(directory, |node| node.sfi == Some(sfi))
    }

    /// The file with this name in a directory.
    #[must_use]
    pub fn child_by_name(&self, directory: NodeId, name: &str) -> Option<NodeId> {
        self.find_child(directory, |node| node.name.as_deref() == Some(name))
    }

    fn find_child(&self, directory: NodeId, wanted: impl Fn(&Node) -> bool) -> Option<NodeId> {
        let children = &self.directory(directory)?.children;
        children.iter().copied().find(|id| self.node(*id).is_some_and(&wanted))
    }

    /// The file at a path from the MF, whose own identifier is not written.
    #[must_use]
    pub fn path(&self, fids: &[u16]) -> Option<NodeId> {
        fids.iter().try_fold(NodeId::MF, |directory, fid| self.child(directory, *fid))
    }

    /// The directory of the application whose AID begins with `aid` (TS 102 221 11.1.1.2).
    #[must_use]
    pub fn directory_by_aid(&self, aid: &[u8]) -> Option<NodeId> {
        self.nodes().find_map(|(id, node)| match &node.body {
            Body::Directory(directory)
                if directory.aid.as_deref().is_some_and(|whole| whole.starts_with(aid)) =>
            {
                Some(id)
            }
            _ => None,
        })
    }

    /// The place in [`ProfileImage::applications`] of the application that a directory is or lies in.
    #[must_use]
    pub fn application_of(&self, directory: NodeId) -> Option<usize> {
        self.ancestors(directory)
            .find_map(|id| self.applications.iter().position(|application| application.directory == id))
    }

    /// The record `number`, from 1, of a file with records.
    #[must_use]
    pub fn record(&self, id: NodeId, number: u8) -> Option<&[u8]> {
        let file = self.file(id)?;
        let length = file.record_length()?;
        let start = usize::from(number).checked_sub(1)?.checked_mul(length)?;
        file.content.get(start..start.checked_add(length)?)
    }

    /// The access rules of a file: the record of EF.ARR that it names. An EF.ARR is looked for in the directory of the
    /// file, then upwards (TS 102 221 9.2.7).
    #[must_use]
    pub fn access_rule(&self, id: NodeId) -> Option<&[u8]> {
        let reference = self.node(id)?.security?;
        let is_directory = self.directory(id).is_some();
        let start = if is_directory { id } else { self.node(id)?.parent };
        self.ancestors(start)
            .filter_map(|directory| self.child(directory, reference.file))
            .find_map(|arr| self.record(arr, reference.record))
    }

    /// A directory and those above it, up to the MF.
    fn ancestors(&self, from: NodeId) -> impl Iterator<Item = NodeId> {
        let above = |id: &NodeId| {
            let parent = self.node(*id)?.parent;
            (parent < *id).then_some(parent)
        };
        // The parent of a node is older than the node, or a stored image was tampered with: no ring either way.
        std::iter::successors(Some(from), above)
    }

    /// The directory whose own PINs hold for `directory`, and the place of the PIN in them.
    fn pin_place(&self, directory: NodeId, reference: u8) -> Option<(NodeId, usize)> {
        self.ancestors(self.target(directory)).find_map(|id| {
            let owner = match self.directory(id)?.pins {
                PinSet::SharedWith(other) => other,
                PinSet::None | PinSet::Own(_) => id,
            };
            let PinSet::Own(pins) = &self.directory(owner)?.pins else { return None };
            Some((owner, pins.iter().position(|pin| pin.reference == reference)?))
        })
    }

    /// The PIN with this reference as seen from a directory: local ones of the nearest directory, global ones of the
    /// MF.
    #[must_use]
    pub fn pin(&self, directory: NodeId, reference: u8) -> Option<&Pin> {
        let (owner, place) = self.pin_place(directory, reference)?;
        match &self.directory(owner)?.pins {
            PinSet::Own(pins) => pins.get(place),
            PinSet::None | PinSet::SharedWith(_) => None,
        }
    }

    /// The directory, to give it other PINs.
    #[cfg(test)]
    pub(crate) fn directory_mut(&mut self, id: NodeId) -> Option<&mut Directory> {
        match &mut self.node_mut(id)?.body {
            Body::Directory(directory) => Some(directory),
            Body::File(_) | Body::Link(_) => None,
        }
    }

    /// The directory whose PIN [`ProfileImage::pin`] gives. Directories that share PINs have one owner.
    #[must_use]
    pub fn pin_owner(&self, directory: NodeId, reference: u8) -> Option<NodeId> {
        self.pin_place(directory, reference).map(|(owner, _)| owner)
    }

    /// As [`ProfileImage::pin`], to count attempts and change the value.
    #[must_use]
    pub fn pin_mut(&mut self, directory: NodeId, reference: u8) -> Option<&mut Pin> {
        let (owner, place) = self.pin_place(directory, reference)?;
        match &mut self.node_mut(owner)?.body {
            Body::Directory(Directory { pins: PinSet::Own(pins), .. }) => pins.get_mut(place),
            _ => None,
        }
    }

    /// The place in [`ProfileImage::applications`] of the application whose keys `application` uses.
    fn aka_place(&self, application: usize) -> Option<usize> {
        match self.applications.get(application)?.aka {
            AkaSource::None => None,
            AkaSource::Own(_) => Some(application),
            AkaSource::Mapped { application, .. } => Some(application),
        }
    }

    /// The keys that the application at this place uses.
    #[must_use]
    pub fn aka(&self, application: usize) -> Option<&Aka> {
        match &self.applications.get(self.aka_place(application)?)?.aka {
            AkaSource::Own(aka) => Some(aka),
            AkaSource::None | AkaSource::Mapped { .. } => None,
        }
    }

    /// As [`ProfileImage::aka`], to move the sequence numbers on.
    #[must_use]
    pub fn aka_mut(&mut self, application: usize) -> Option<&mut Aka> {
        let place = self.aka_place(application)?;
        match &mut self.applications.get_mut(place)?.aka {
            AkaSource::Own(aka) => Some(aka),
            AkaSource::None | AkaSource::Mapped { .. } => None,
        }
    }
}

impl ElementaryFile {
    /// Octets of a record; `None` for a file without records.
    #[must_use]
    pub fn record_length(&self) -> Option<usize> {
        match self.structure {
            Structure::LinearFixed(length) | Structure::Cyclic(length) => Some(usize::from(length)),
            Structure::Transparent | Structure::BerTlv => None,
        }
    }

    /// Number of records; `None` for a file without records.
    #[must_use]
    pub fn records(&self) -> Option<usize> {
        self.content.len().checked_div(self.record_length()?)
    }
}
