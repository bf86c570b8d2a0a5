//! What a package says, read to its end: elements, applications, files with their effective attributes and contents.
//!
//! [`Tree::of`] resolves a package as an installation would (TCA Profile Package, chapters 8 and 9; the rules of single
//! files are those of [`super::image`]) but never fails: what cannot be read or resolved becomes a [`Problem`] with its
//! element and offset, and reading goes on with what is left. So a tree says what a package means, not that a card
//! would take it: that is the matter of [`super::image`] and of a check. Everything keeps the number of the element that
//! it comes from and where it stands.
//!
//! A tree holds secrets as the package does; it has no Debug, and the contents of its files are wiped.
//!
//! | file | what |
//! |---|---|
//! | `build` | the elements in order: which application and directory each belongs to |
//! | `files` | one file from template and Fcp; file management commands |
//! | `names` | names of files that no template row created |

mod build;
mod files;
mod names;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use simyard_asn1::saip::{
    AkaParameter, ApplicationIdentity, ElementKind, Fcp, FileSystemElement, Fill, GenericFileManagement,
    Package, PinCodes, PinConfiguration, ProfileElement, ProfileHeader, PukConfiguration,
};

pub use super::image::{
    ApplicationKind, MAX_FILES, MAX_MEMORY, MAX_NESTING, Octets, Reason, SecurityReference, Structure,
};
use super::templates::{FileKind, Row, Template};

/// The largest number of problems that a tree keeps.
pub const MAX_PROBLEMS: usize = 1000;

/// The largest number of PINs that a directory keeps.
pub const MAX_PINS: usize = 256;

/// A file of a tree, by its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(usize);

impl FileId {
    /// The master file, which every tree has.
    pub const MF: Self = Self(0);
}

/// A package, resolved as far as it can be.
pub struct Tree<'a> {
    elements: Vec<Element<'a>>,
    applications: Vec<Application<'a>>,
    files: Vec<File<'a>>,
    left_out: Vec<LeftOut>,
    problems: Vec<Problem>,
    memory: usize,
}

/// One element of the package.
pub struct Element<'a> {
    /// The element as received: kind, identification, mandated or not, octets, offset.
    pub element: ProfileElement<'a>,
    /// What it says.
    pub view: View<'a>,
    /// The template of its files; the latest version of the element's own where the package names another one.
    pub template: Option<Template>,
    /// The place in [`Tree::applications`] of the application that it brings or belongs to.
    pub application: Option<usize>,
    /// The directory that a PINCodes element is for, that a file system element creates its files in, or that file
    /// management has selected at its end.
    pub directory: Option<FileId>,
}

/// What an element says.
pub enum View<'a> {
    /// The profile header.
    Header(Box<ProfileHeader<'a>>),
    /// Files of a template.
    Files(FileSystemElement<'a>),
    /// File management.
    FileManagement(GenericFileManagement<'a>),
    /// PINs.
    Pins(PinCodes<'a>),
    /// PUKs.
    Puks(Vec<PukConfiguration<'a>>),
    /// Keys of an application.
    Aka(Box<AkaParameter<'a>>),
    /// A security domain, remote file management, applications or non-standard content.
    Identity(ApplicationIdentity<'a>),
    /// An element without members that are read here: End, CDMA parameters, those that are not known.
    Opaque,
    /// An element that is not coded as the module says; a problem says why.
    Unreadable,
}

/// A network access application: USIM, ISIM or CSIM.
pub struct Application<'a> {
    /// Which it is.
    pub kind: ApplicationKind,
    /// Its AID, if the package gives it.
    pub aid: Option<&'a [u8]>,
    /// Its directory.
    pub directory: FileId,
    /// The element that brings it.
    pub element: usize,
    /// The AKAParameter elements that belong to it: one, in a package that is in order.
    pub aka: Vec<usize>,
    /// The CDMAParameter elements that belong to it.
    pub cdma: Vec<usize>,
}

/// A file or directory with its effective attributes.
pub struct File<'a> {
    /// Its name in the standards ("EF.IMSI"), or the four digits of its identifier.
    pub name: String,
    /// Whether `name` is one of the standards.
    pub has_standard_name: bool,
    /// The element whose tables name it: of a file that file management created the one whose template has such a
    /// file, or else that of its directory.
    pub table: ElementKind,
    /// Its row, if it is a file of a template.
    pub row: Option<&'static Row>,
    /// The element that created it.
    pub element: usize,
    /// Where the package describes it: its field or command; the element, if the file is not listed.
    pub offset: usize,
    /// Whether the package lists it, or it is there by default.
    pub is_listed: bool,
    /// What the package says about its attributes.
    pub fcp: Option<Fcp<'a>>,
    /// The directory that it lies in. None for the MF, and for files whose directory does not exist.
    pub parent: Option<FileId>,
    /// What kind of file it is; unknown, if neither package nor template says it.
    pub kind: FileKind,
    /// Its identifier; of an ADF the temporary one.
    pub fid: Option<u16>,
    /// Its short file identifier.
    pub sfi: Option<u8>,
    /// Its life cycle status: 5 operational and activated, 4 deactivated, 1 creation, 3 initialisation.
    pub lcsi: u8,
    /// Where its access rules stand.
    pub security: Option<SecurityReference>,
    /// Special file information: 80 high update activity, 40 readable and updatable when deactivated.
    pub special_information: u8,
    /// What it holds.
    pub body: Body<'a>,
}

/// What a file holds.
pub enum Body<'a> {
    /// MF, DF or ADF.
    Directory(Directory<'a>),
    /// A file with content.
    Content(Content<'a>),
    /// Another name for a file or directory elsewhere.
    Link {
        /// The path in the package.
        path: Vec<u16>,
        /// Where it leads, if there is such a file before the link; never to another link.
        target: Option<FileId>,
    },
}

/// MF, DF or ADF.
#[derive(Default)]
pub struct Directory<'a> {
    /// The AID of an ADF.
    pub aid: Option<&'a [u8]>,
    /// The key references of its PIN status template DO.
    pub pin_status: Option<&'a [u8]>,
    /// Its PINs.
    pub pins: PinSet<'a>,
    /// Its files in the order of their creation.
    pub children: Vec<FileId>,
    /// The first of its files with an identifier, and with a name: packages may look for theirs a hundred thousand
    /// times.
    by_fid: BTreeMap<u16, FileId>,
    by_name: BTreeMap<String, FileId>,
}

/// The PINs that a directory brings.
#[derive(Default)]
pub enum PinSet<'a> {
    /// None: those of the directory above are used.
    #[default]
    None,
    /// Its own.
    Own(Vec<Pin<'a>>),
    /// Those of another directory.
    Shared {
        /// The element that says so.
        element: usize,
        /// The path in the package.
        path: Vec<u16>,
        /// The other directory, if it exists.
        target: Option<FileId>,
    },
}

/// One PIN and the element that gives it.
#[derive(Clone, Copy)]
pub struct Pin<'a> {
    /// The element.
    pub element: usize,
    /// Reference, value, attributes.
    pub configuration: PinConfiguration<'a>,
}

/// The content of a file.
pub struct Content<'a> {
    /// How it is laid out; a file whose record length is not known counts as transparent.
    pub structure: Structure,
    /// The size of the file in octets.
    pub size: usize,
    /// What the file holds after installation, record after record; of a BER-TLV file only what is written.
    pub octets: Octets,
    /// What it held before anything was written.
    pub initial: Initial,
    /// What is written to it, in order.
    pub writes: Vec<Write<'a>>,
}

/// Where a content comes from, as far as nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// The default of the template.
    Template,
    /// fillPattern or repeatPattern of the package.
    Pattern,
    /// FF, because neither says anything; of a BER-TLV file, nothing.
    Filler,
}

/// Octets that the package writes into a file.
#[derive(Clone, Copy)]
pub struct Write<'a> {
    /// The element that writes them.
    pub element: usize,
    /// The first octet of the file that is written.
    pub at: usize,
    /// The octets, and where they stand in the package.
    pub fill: Fill<'a>,
}

/// A file of a template that the package does not want (doNotCreate).
#[derive(Clone, Copy, Debug)]
pub struct LeftOut {
    /// The element that says so.
    pub element: usize,
    /// Where it says so.
    pub offset: usize,
    /// The file.
    pub row: &'static Row,
}

/// What could not be read or resolved.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The element, by its place in [`Tree::elements`].
    pub element: usize,
    /// Octets from the start of the package.
    pub offset: usize,
    /// The rule that is broken.
    pub reason: Reason,
    /// The file that it is about, if it came into being.
    pub file: Option<FileId>,
}

impl<'a> Tree<'a> {
    /// Resolves a package. Files beyond [`MAX_FILES`] or [`MAX_NESTING`] are left out, contents beyond [`MAX_MEMORY`] in all are empty;
    /// a problem says so.
    #[must_use]
    pub fn of(package: &Package<'a>) -> Self {
        build::run(package)
    }

    /// The elements in order.
    #[must_use]
    pub fn elements(&self) -> &[Element<'a>] {
        &self.elements
    }

    /// The profile header, if it can be read.
    #[must_use]
    pub fn header(&self) -> Option<&ProfileHeader<'a>> {
        self.elements.iter().find_map(|element| match &element.view {
            View::Header(header) => Some(&**header),
            _ => None,
        })
    }

    /// The network access applications in the order of the package.
    #[must_use]
    pub fn applications(&self) -> &[Application<'a>] {
        &self.applications
    }

    /// All files and directories, the MF first, in the order of their creation.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &File<'a>)> {
        self.files.iter().enumerate().map(|(place, file)| (FileId(place), file))
    }

    /// A file; `None` for an identifier of another tree.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&File<'a>> {
        self.files.get(id.0)
    }

    /// The files that packages may leave out and this one does.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// What could not be read or resolved, in the order of the elements; at most [`MAX_PROBLEMS`].
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The PUKs and the elements that give them.
    pub fn puks(&self) -> impl Iterator<Item = (usize, &PukConfiguration<'a>)> {
        self.elements.iter().enumerate().flat_map(|(place, element)| {
            let puks = match &element.view {
                View::Puks(puks) => puks.as_slice(),
                _ => &[],
            };
            puks.iter().map(move |puk| (place, puk))
        })
    }

    /// The keys of the application at this place.
    #[must_use]
    pub fn aka(&self, application: usize) -> Option<&AkaParameter<'a>> {
        let element = self.applications.get(application)?.aka.first()?;
        match &self.elements.get(*element)?.view {
            View::Aka(aka) => Some(aka),
            _ => None,
        }
    }

    /// Where a link leads; any other file is its own target, as is a link that leads nowhere.
    #[must_use]
    pub fn target(&self, id: FileId) -> FileId {
        match self.file(id).map(|file| &file.body) {
            Some(Body::Link { target: Some(target), .. }) => *target,
            _ => id,
        }
    }

    /// The directory behind `id`, links followed.
    #[must_use]
    pub fn directory(&self, id: FileId) -> Option<&Directory<'a>> {
        match &self.file(self.target(id))?.body {
            Body::Directory(directory) => Some(directory),
            Body::Content(_) | Body::Link { .. } => None,
        }
    }

    /// The content behind `id`, links followed.
    #[must_use]
    pub fn content(&self, id: FileId) -> Option<&Content<'a>> {
        match &self.file(self.target(id))?.body {
            Body::Content(content) => Some(content),
            Body::Directory(_) | Body::Link { .. } => None,
        }
    }

    /// The file with this identifier in a directory; the first, if there are several.
    #[must_use]
    pub fn child(&self, directory: FileId, fid: u16) -> Option<FileId> {
        self.directory(directory)?.by_fid.get(&fid).copied()
    }

    /// The file with this name in a directory; the first, if there are several.
    #[must_use]
    pub fn child_by_name(&self, directory: FileId, name: &str) -> Option<FileId> {
        self.directory(directory)?.by_name.get(name).copied()
    }

    /// The file at a path from the MF, whose own identifier is not written.
    #[must_use]
    pub fn find(&self, fids: &[u16]) -> Option<FileId> {
        fids.iter().try_fold(FileId::MF, |directory, fid| self.child(directory, *fid))
    }

    /// A file and the directories above it, up to the MF.
    pub fn ancestors(&self, from: FileId) -> impl Iterator<Item = FileId> {
        // A directory is older than its files.
        std::iter::successors(Some(from), |id| self.file(*id)?.parent.filter(|parent| parent < id))
    }

    /// The place in [`Tree::applications`] of the application whose directory a file is or lies in.
    #[must_use]
    pub fn application_of(&self, id: FileId) -> Option<usize> {
        self.ancestors(id)
            .find_map(|above| self.applications.iter().position(|application| application.directory == above))
    }

    /// The names from the MF or the application to the file, with slashes: `MF/DF.TELECOM/EF.ARR`,
    /// `ADF.USIM/EF.IMSI`. Several applications of one kind have the same names.
    #[must_use]
    pub fn path(&self, id: FileId) -> String {
        let mut names: Vec<&str> = Vec::new();
        for above in self.ancestors(id) {
            let Some(file) = self.file(above) else { break };
            names.push(&file.name);
            if file.kind == FileKind::Adf {
                break;
            }
        }
        names.reverse();
        names.join("/")
    }

    /// The record of EF.ARR with the access rules of a file: the EF.ARR and its octets. An EF.ARR is looked for in the
    /// directory of the file, then upwards (TS 102 221 9.2.7).
    #[must_use]
    pub fn access_rule(&self, id: FileId) -> Option<(FileId, &[u8])> {
        let reference = self.file(id)?.security?;
        let start = if self.directory(id).is_some() { id } else { self.file(id)?.parent? };
        self.ancestors(start)
            .filter_map(|directory| self.child(directory, reference.file))
            .find_map(|arr| Some((arr, self.content(arr)?.record(usize::from(reference.record))?)))
    }

    fn problem(&mut self, element: usize, offset: usize, reason: Reason, file: Option<FileId>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { element, offset, reason, file });
        }
    }
}

impl Directory<'_> {
    /// Takes a file in that was created last.
    fn add(&mut self, id: FileId, fid: Option<u16>, name: &str) {
        self.children.push(id);
        if let Some(fid) = fid {
            self.by_fid.entry(fid).or_insert(id);
        }
        self.by_name.entry(name.to_owned()).or_insert(id);
    }
}

impl Content<'_> {
    /// Octets of a record; `None` for a file without records.
    #[must_use]
    pub fn record_length(&self) -> Option<usize> {
        match self.structure {
            Structure::LinearFixed(length) | Structure::Cyclic(length) => Some(usize::from(length)),
            Structure::Transparent | Structure::BerTlv => None,
        }
    }

    /// The records in order; none for a file without records.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let length = self.record_length().filter(|length| *length > 0);
        length.into_iter().flat_map(|length| self.octets.chunks_exact(length))
    }

    /// The record `number`, from 1.
    #[must_use]
    pub fn record(&self, number: usize) -> Option<&[u8]> {
        self.records().nth(number.checked_sub(1)?)
    }
}
