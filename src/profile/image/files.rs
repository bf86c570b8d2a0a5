//! Files: one from a template's row and an Fcp, or from an Fcp alone; their contents; file management commands.

use std::borrow::Cow;

use simyard_asn1::saip::{Fcp, FileElement, FileField, FileManagementCommand, Fill, ShortFileId};

use super::error::Reason;
use super::{
    Body, Directory, ElementaryFile, MAX_FILES, MAX_MEMORY, Node, NodeId, Octets, ProfileImage,
    SecurityReference, Structure,
};
use crate::profile::templates::{DefaultContent, FileKind, Row};

/// Operational and activated (TS 102 221 11.1.1.4.9).
const ACTIVATED: u8 = 0x05;
/// EF.ARR of the MF, and of applications and directories.
const ARR_OF_MF: u16 = 0x2F06;
const ARR_OF_DIRECTORY: u16 = 0x6F06;

/// Something to write into a file.
#[derive(Clone, Copy)]
enum Write<'a> {
    Skip(u16),
    Octets(Fill<'a>),
}

/// A reason and the octet of the package that it is about.
pub(super) type Failure = (Reason, usize);

/// The file that commands fill, and where the next octet goes.
struct Cursor {
    file: NodeId,
    at: usize,
}

/// What is known about a file before it is created.
struct Plan<'a> {
    row: Option<&'static Row>,
    fcp: Option<&'a Fcp<'a>>,
    /// Where the file is described in the package.
    offset: usize,
}

impl Plan<'_> {
    /// The file's name for errors.
    fn name(&self) -> &'static str {
        self.row.map_or("the file", |row| row.name)
    }

    fn fail<T>(&self, reason: Reason) -> Result<T, Failure> {
        Err((reason, self.offset))
    }

    fn missing<T>(&self, what: &'static str) -> Result<T, Failure> {
        self.fail(Reason::MissingParameter { file: self.name(), what })
    }

    /// Whether the template's attributes are known to us.
    fn is_known(&self) -> bool {
        self.row.is_none_or(|row| row.kind != FileKind::Unknown)
    }

    /// The kind of file, from the descriptor and the row, which must agree.
    fn kind(&self) -> Result<FileKind, Failure> {
        let row = self.row.map_or(FileKind::Unknown, |row| row.kind);
        let Some(byte) = self.fcp.and_then(|fcp| fcp.file_descriptor).and_then(<[u8]>::first) else {
            return if self.row.is_some() { Ok(row) } else { self.missing("a file descriptor") };
        };
        // Bit 7 says whether the file is shareable (TS 102 221 11.1.1.4.3).
        let kind = match byte & 0xBF {
            0x01 => FileKind::Transparent,
            0x02 => FileKind::LinearFixed,
            0x06 => FileKind::Cyclic,
            0x39 => FileKind::BerTlv,
            0x38 if self.fcp.is_some_and(|fcp| fcp.df_name.is_some()) => FileKind::Adf,
            0x38 => FileKind::Df,
            _ => return self.fail(Reason::Descriptor(*byte)),
        };
        let agrees = row == kind || row == FileKind::Unknown || (row.is_directory() && kind.is_directory());
        if !agrees {
            return self.fail(Reason::Descriptor(*byte));
        }
        Ok(if row == FileKind::Unknown { kind } else { row })
    }

    fn fid(&self) -> Result<Option<u16>, Failure> {
        let given = self.fcp.and_then(|fcp| fcp.file_id).or(self.row.and_then(|row| row.fid));
        let range = self.row.and_then(|row| row.fid_range);
        match (given, range) {
            (None, _) if self.is_known() => self.missing("a file identifier"),
            (Some(fid), Some((first, last))) if !(first..=last).contains(&fid) => {
                self.missing("a file identifier of its range")
            }
            (given, _) => Ok(given),
        }
    }

    /// The access rules: given, or the template's record of the EF.ARR that the place implies.
    fn security(&self, parent: NodeId, kind: FileKind) -> Option<SecurityReference> {
        let implied = match kind {
            FileKind::Mf | FileKind::Adf => ARR_OF_MF,
            _ if parent == NodeId::MF => ARR_OF_MF,
            _ => ARR_OF_DIRECTORY,
        };
        match self.fcp.and_then(|fcp| fcp.security_attributes) {
            Some([record]) => Some(SecurityReference { file: implied, record: *record }),
            Some([high, low, record]) => {
                Some(SecurityReference { file: u16::from_be_bytes([*high, *low]), record: *record })
            }
            _ => self.row?.arr.map(|record| SecurityReference { file: implied, record }),
        }
    }

    /// The short file identifier. The files of a phonebook have one that the package chooses (TS 31.102 4.4.2); that
    /// there is none it must say.
    fn sfi(&self, fid: Option<u16>) -> Result<Option<u8>, Failure> {
        let given = self.fcp.and_then(|fcp| fcp.short_file_id);
        if given.is_none() && self.row.is_some_and(|row| row.needs_sfi) {
            return self.missing("a short file identifier");
        }
        Ok(match (self.fcp.and_then(|fcp| fcp.short_file_id), self.row) {
            (Some(ShortFileId::Number(sfi)), _) => Some(sfi),
            (Some(ShortFileId::None), _) => None,
            (None, Some(row)) => row.sfi,
            // Without a template: the five low bits of the identifier (TS 102 221 11.1.1.4.8).
            (None, None) => fid.map(|fid| fid.to_be_bytes()[1] & 0x1F).filter(|sfi| (1..=30).contains(sfi)),
        })
    }

    fn link_path(&self) -> Option<&[u8]> {
        self.fcp.and_then(|fcp| fcp.link_path).filter(|path| !path.is_empty())
    }

    /// Octets of a record, from the descriptor or the row.
    fn record_length(&self) -> Result<u16, Failure> {
        let given = match self.fcp.and_then(|fcp| fcp.file_descriptor) {
            Some([_, _, high, low]) => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        };
        match given.or(self.row.and_then(|row| row.record_length)) {
            Some(length) if (1..=255).contains(&length) => Ok(length),
            Some(_) => self.missing("a record length of 1 to 255 octets"),
            None => self.missing("a record length"),
        }
    }

    fn structure(&self, kind: FileKind) -> Result<Structure, Failure> {
        Ok(match kind {
            FileKind::LinearFixed => Structure::LinearFixed(self.record_length()?),
            FileKind::Cyclic => Structure::Cyclic(self.record_length()?),
            FileKind::BerTlv => Structure::BerTlv,
            FileKind::Mf | FileKind::Df | FileKind::Adf | FileKind::Transparent | FileKind::Unknown => {
                Structure::Transparent
            }
        })
    }

    /// The size of the file; where the template's is unknown and none is given, what its content needs.
    fn size(&self, structure: Structure, needed: usize) -> Result<usize, Failure> {
        let given = self.fcp.and_then(|fcp| fcp.ef_file_size.or(fcp.maximum_file_size));
        let given = given.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        let record = match structure {
            Structure::LinearFixed(length) | Structure::Cyclic(length) => usize::from(length),
            Structure::Transparent | Structure::BerTlv => 1,
        };
        let of_template = || {
            let row = self.row?;
            if row.kind.has_records() {
                row.records.map(|records| usize::from(records) * record)
            } else {
                row.size.map(usize::from)
            }
        };
        let size = match given.or_else(of_template) {
            Some(size) => size,
            None if !self.is_known() => needed.max(1).next_multiple_of(record),
            None => return self.missing("a size"),
        };
        if size > MAX_MEMORY {
            return self.fail(Reason::Memory);
        }
        // The number of a record is one octet of the commands that read it, and 255 of them are too many to address.
        if size % record != 0 || (record > 1 && size / record > 254) {
            return self.fail(Reason::RecordSize { size, record });
        }
        Ok(size)
    }

    /// What the file holds before anything is written: the pattern given, the template's, or FF.
    fn initial(&self, structure: Structure, size: usize) -> Vec<u8> {
        let unit = match structure {
            Structure::BerTlv => return Vec::new(),
            Structure::Transparent => size,
            Structure::LinearFixed(length) | Structure::Cyclic(length) => usize::from(length),
        };
        let given = self.fcp.and_then(|fcp| match (fcp.fill_pattern, fcp.repeat_pattern) {
            (Some(pattern), _) => {
                let last = pattern.last()?;
                Some(pattern.iter().chain(std::iter::repeat(last)).copied().take(unit).collect())
            }
            (None, Some(pattern)) => Some(pattern.iter().cycle().copied().take(unit).collect()),
            (None, None) => None,
        });
        let one: Vec<u8> = given
            .or_else(|| self.row.and_then(|row| row.content.expand(unit)))
            .unwrap_or_else(|| vec![0xFF; unit]);
        one.iter().cycle().copied().take(size).collect()
    }

    fn has_pattern(&self) -> bool {
        self.fcp.is_some_and(|fcp| fcp.fill_pattern.is_some() || fcp.repeat_pattern.is_some())
    }
}

/// Two octets per identifier.
fn fids(path: &[u8]) -> Vec<u16> {
    path.chunks_exact(2).map(|pair| pair.iter().fold(0, |fid, octet| fid << 8 | u16::from(*octet))).collect()
}

impl ProfileImage {
    /// Creates a file of a template. `parent` is the directory that the row's own `parent` stands for.
    pub(super) fn create_from_template(
        &mut self,
        row: &'static Row,
        field: Option<&FileField<'_>>,
        parent: NodeId,
        element_offset: usize,
    ) -> Result<NodeId, Failure> {
        let offset = field.map_or(element_offset, |field| field.offset);
        let fcp = field.and_then(FileField::descriptor);
        let parts = field.map_or(&[][..], |field| &field.parts);
        let writes: Vec<Write<'_>> = parts
            .iter()
            .filter_map(|part| match part {
                FileElement::FillOffset(skip) => Some(Write::Skip(*skip)),
                FileElement::FillContent(fill) => Some(Write::Octets(*fill)),
                FileElement::DoNotCreate | FileElement::Descriptor(_) | FileElement::Unknown(_) => None,
            })
            .collect();
        self.create(&Plan { row: Some(row), fcp, offset }, parent, &writes)
    }

    fn create(&mut self, plan: &Plan<'_>, parent: NodeId, writes: &[Write<'_>]) -> Result<NodeId, Failure> {
        let kind = plan.kind()?;
        let fid = plan.fid()?;
        if self.nodes.len() >= MAX_FILES {
            return plan.fail(Reason::Memory);
        }
        if let Some(taken) = fid.filter(|fid| kind != FileKind::Mf && self.child(parent, *fid).is_some()) {
            return plan.fail(Reason::SecondFile(taken));
        }
        let body = if plan.link_path().is_some() {
            Body::Link(self.link(plan, kind, parent, writes)?)
        } else if kind.is_directory() {
            Body::Directory(self.new_directory(plan, kind, writes)?)
        } else {
            Body::File(self.new_file(plan, kind, writes)?)
        };
        let node = Node {
            name: plan.row.map(|row| Cow::Borrowed(row.name)),
            fid,
            parent,
            sfi: if kind.is_directory() { None } else { plan.sfi(fid)? },
            lcsi: plan.fcp.and_then(|fcp| fcp.lcsi).unwrap_or(ACTIVATED),
            security: plan.security(parent, kind),
            body,
        };
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(node);
        if id != parent
            && let Some(Node { body: Body::Directory(directory), .. }) = self.node_mut(parent)
        {
            directory.children.push(id);
        }
        Ok(id)
    }

    /// The target of a link: it exists, is of the same kind, and does not hold the link itself.
    fn link(
        &self,
        plan: &Plan<'_>,
        kind: FileKind,
        parent: NodeId,
        writes: &[Write<'_>],
    ) -> Result<NodeId, Failure> {
        let path = plan.link_path().unwrap_or_default();
        let found = self.path(&fids(path)).map(|id| self.target(id));
        let Some(target) = found else { return plan.fail(Reason::NoFile(hex::encode_upper(path))) };
        let fits = match kind {
            FileKind::Mf | FileKind::Adf => false,
            FileKind::Df => {
                self.directory(target).is_some() && self.ancestors(parent).all(|above| above != target)
            }
            FileKind::Transparent
            | FileKind::LinearFixed
            | FileKind::Cyclic
            | FileKind::BerTlv
            | FileKind::Unknown => self.file(target).is_some(),
        };
        let bare = plan.fcp.is_some_and(|fcp| fcp.ef_file_size.is_none()) && !plan.has_pattern();
        if fits && bare && writes.is_empty() { Ok(target) } else { plan.fail(Reason::Link) }
    }

    fn new_directory(
        &self,
        plan: &Plan<'_>,
        kind: FileKind,
        writes: &[Write<'_>],
    ) -> Result<Directory, Failure> {
        if !writes.is_empty() {
            return plan.fail(Reason::NothingToFill);
        }
        let aid = plan.fcp.and_then(|fcp| fcp.df_name);
        if kind == FileKind::Adf && aid.is_none() {
            return plan.missing("an AID");
        }
        let taken = |aid: &[u8]| {
            self.nodes().any(|(_, node)| match &node.body {
                Body::Directory(other) => other.aid.as_deref() == Some(aid),
                Body::File(_) | Body::Link(_) => false,
            })
        };
        if aid.is_some_and(taken) {
            return plan.fail(Reason::SecondAid);
        }
        let Some(pin_status) = plan.fcp.and_then(|fcp| fcp.pin_status_template) else {
            return plan.missing("a PIN status template");
        };
        Ok(Directory { aid: aid.map(Octets::from), pin_status: pin_status.into(), ..Directory::default() })
    }

    fn new_file(
        &mut self,
        plan: &Plan<'_>,
        kind: FileKind,
        writes: &[Write<'_>],
    ) -> Result<ElementaryFile, Failure> {
        let structure = plan.structure(kind)?;
        let needed: usize = writes
            .iter()
            .map(|write| match write {
                Write::Skip(skip) => usize::from(*skip),
                Write::Octets(fill) => fill.octets.len(),
            })
            .sum();
        let size = plan.size(structure, needed)?;
        self.memory += size;
        if self.memory > MAX_MEMORY {
            return plan.fail(Reason::Memory);
        }
        // A file that is listed without content is filled with FF: published packages list EF.5GAUTHKEYS so, whose
        // content the template leaves to the package. A file that is not listed at all must have a default.
        let must_give = plan.row.is_some_and(|row| row.content == DefaultContent::MustGive);
        if must_give && plan.fcp.is_none() && writes.is_empty() {
            return plan.missing("content");
        }
        let special = plan.fcp.and_then(|fcp| fcp.special_information);
        let high_update = plan.row.is_some_and(|row| row.high_update);
        let mut file = ElementaryFile {
            structure,
            content: Octets::new(plan.initial(structure, size)),
            size,
            special_information: special.unwrap_or(if high_update { 0x80 } else { 0 }),
        };
        let mut at = 0;
        for write in writes {
            file.write(&mut at, *write, plan.offset)?;
        }
        Ok(file)
    }

    /// Runs the commands of a GenericFileManagement element and returns the directory that is selected at its end.
    pub(super) fn manage(
        &mut self,
        lists: &[Vec<(usize, FileManagementCommand<'_>)>],
    ) -> Result<NodeId, Failure> {
        let mut directory = NodeId::MF;
        let mut cursor: Option<Cursor> = None;
        for (offset, command) in lists.iter().flatten() {
            match command {
                FileManagementCommand::Path(path) => {
                    let found = self.path(&fids(path));
                    let id = found.ok_or_else(|| (Reason::NoFile(hex::encode_upper(path)), *offset))?;
                    if self.directory(id).is_some() {
                        directory = self.target(id);
                        cursor = None;
                    } else {
                        directory = self.node(id).map_or(NodeId::MF, |node| node.parent);
                        cursor = Some(Cursor { file: id, at: 0 });
                    }
                }
                FileManagementCommand::Create(fcp) => {
                    let id =
                        self.create(&Plan { row: None, fcp: Some(fcp), offset: *offset }, directory, &[])?;
                    cursor = Some(Cursor { file: id, at: 0 });
                }
                FileManagementCommand::FillOffset(skip) => {
                    self.fill(cursor.as_mut(), Write::Skip(*skip), *offset)?;
                }
                FileManagementCommand::FillContent(fill) => {
                    self.fill(cursor.as_mut(), Write::Octets(*fill), *offset)?;
                }
                FileManagementCommand::Unknown(tlv) => {
                    let kind = simyard_asn1::ErrorKind::Choice { found: tlv.tag };
                    return Err((Reason::Form(tlv.error(kind, "FileManagement")), *offset));
                }
            }
        }
        Ok(directory)
    }

    fn fill(&mut self, cursor: Option<&mut Cursor>, write: Write<'_>, offset: usize) -> Result<(), Failure> {
        let nothing = (Reason::NothingToFill, offset);
        let Some(cursor) = cursor else { return Err(nothing) };
        match self.node_mut(cursor.file).map(|node| &mut node.body) {
            Some(Body::File(file)) => file.write(&mut cursor.at, write, offset),
            Some(Body::Link(_)) => Err((Reason::Link, offset)),
            Some(Body::Directory(_)) | None => Err(nothing),
        }
    }
}

impl ElementaryFile {
    /// Skips or writes octets at `at` and moves it on. Record files are one stream of octets here.
    fn write(&mut self, at: &mut usize, write: Write<'_>, offset: usize) -> Result<(), Failure> {
        let octets = match write {
            Write::Skip(skip) => {
                *at = at.saturating_add(usize::from(skip));
                return Ok(());
            }
            Write::Octets(fill) => fill.octets,
        };
        let end = at.saturating_add(octets.len());
        let too_long = (Reason::ContentTooLong { end, size: self.size }, offset);
        if end > self.size {
            return Err(too_long);
        }
        if self.structure == Structure::BerTlv && self.content.len() < end {
            self.content.as_vec_mut().resize(end, 0xFF);
        }
        self.content.get_mut(*at..end).ok_or(too_long)?.copy_from_slice(octets);
        *at = end;
        Ok(())
    }
}
