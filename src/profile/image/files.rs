//! Files: one from a template's row and an Fcp, or from an Fcp alone; their contents; file management commands. What
//! attributes a file has says `plan`.

use std::borrow::Cow;

use simyard_asn1::saip::{FileElement, FileField, FileManagementCommand, Fill};

use super::error::Reason;
use super::plan::{Failure, Plan, fids};
use super::{
    Body, Directory, ElementaryFile, MAX_FILES, MAX_MEMORY, MAX_NESTING, Node, NodeId, Octets, ProfileImage,
    Structure,
};
use crate::profile::templates::{FileKind, Row};

/// Something to write into a file.
#[derive(Clone, Copy)]
enum Write<'a> {
    Skip(u16),
    Octets(Fill<'a>),
}

/// The file that commands fill, and where the next octet goes.
struct Cursor {
    file: NodeId,
    at: usize,
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
        // Files of a linked directory are those of its target.
        let parent = self.target(parent);
        if self.nodes.len() >= MAX_FILES || self.ancestors(parent).nth(MAX_NESTING).is_some() {
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
            lcsi: plan.lcsi(),
            security: plan.security(parent == NodeId::MF, kind),
            body,
        };
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(node);
        if id != parent
            && let Some(Node { body: Body::Directory(directory), .. }) = self.node_mut(parent)
        {
            directory.children.push(id);
            if let Some(fid) = fid {
                self.by_fid.entry((parent, fid)).or_insert(id);
            }
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
        plan.must_give(writes.is_empty())?;
        let mut file = ElementaryFile {
            structure,
            content: Octets::new(plan.initial(structure, size)),
            size,
            special_information: plan.special_information(),
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
