//! Files of a tree: from a template's row and an Fcp, or from an Fcp alone; what is written into them; file management.

use std::borrow::Cow;

use simyard_asn1::saip::{ElementKind, Fcp, FileElement, FileField, FileManagementCommand, Fill};

use super::{
    Body, Content, Directory, File, FileId, Initial, LeftOut, MAX_FILES, MAX_MEMORY, MAX_NESTING, Octets,
    Reason, Structure, Tree, Write, names,
};
use crate::profile::image::plan::{Failure, Plan, fids};
use crate::profile::templates::{DefaultContent, FileKind, Row};

/// Where a file comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    /// The element that creates it.
    pub(super) element: usize,
    /// The alternative of that element.
    pub(super) kind: ElementKind,
    /// Where the element starts in the package.
    pub(super) offset: usize,
}

/// The file that commands fill, and where the next octet goes.
struct Cursor {
    file: FileId,
    at: usize,
}

/// Takes the value, or the fallback and its problem.
fn or<T>(result: Result<T, Failure>, fallback: T, failures: &mut Vec<Failure>) -> T {
    result.unwrap_or_else(|failure| {
        failures.push(failure);
        fallback
    })
}

/// What the parts of a file write, with the skipped octets counted.
fn writes<'a>(element: usize, parts: &[FileElement<'a>]) -> Vec<Write<'a>> {
    let mut at = 0_usize;
    let mut writes = Vec::new();
    for part in parts {
        match part {
            FileElement::FillOffset(skip) => at = at.saturating_add(usize::from(*skip)),
            FileElement::FillContent(fill) => {
                writes.push(Write { element, at, fill: *fill });
                at = at.saturating_add(fill.octets.len());
            }
            FileElement::DoNotCreate | FileElement::Descriptor(_) | FileElement::Unknown(_) => {}
        }
    }
    writes
}

impl<'a> Tree<'a> {
    /// Creates a file of a template in `parent`; none, if there is no room for it.
    pub(super) fn create_from_template(
        &mut self,
        origin: Origin,
        row: &'static Row,
        field: Option<&FileField<'a>>,
        parent: Option<FileId>,
    ) -> Option<FileId> {
        let offset = field.map_or(origin.offset, |field| field.offset);
        let fcp = field.and_then(FileField::descriptor).cloned();
        let parts = field.map_or(&[][..], |field| &field.parts);
        let writes = writes(origin.element, parts);
        let id = self.create(origin, Some(row), fcp, offset, field.is_some(), parent, writes)?;
        for part in parts {
            if let FileElement::Unknown(tlv) = part {
                let kind = simyard_asn1::ErrorKind::Choice { found: tlv.tag };
                self.problem(origin.element, tlv.offset, Reason::Form(tlv.error(kind, "File")), Some(id));
            }
        }
        Some(id)
    }

    /// Keeps a field that the template does not have: what it says about itself is all there is.
    pub(super) fn create_unknown_field(
        &mut self,
        origin: Origin,
        field: &FileField<'a>,
        parent: Option<FileId>,
    ) {
        let reason = Reason::UnknownField(field.number);
        let fcp = field.descriptor().cloned();
        let writes = writes(origin.element, &field.parts);
        let id = self.create(origin, None, fcp, field.offset, true, parent, writes);
        if let Some(file) = id.and_then(|id| self.files.get_mut(id.0)).filter(|file| file.fid.is_none()) {
            file.name = format!("[{}]", field.number);
        }
        self.problem(origin.element, field.offset, reason, id);
    }

    #[expect(clippy::too_many_arguments, reason = "one call per way to describe a file")]
    fn create(
        &mut self,
        origin: Origin,
        row: Option<&'static Row>,
        fcp: Option<Fcp<'a>>,
        offset: usize,
        is_listed: bool,
        parent: Option<FileId>,
        writes: Vec<Write<'a>>,
    ) -> Option<FileId> {
        if self.files.len() >= MAX_FILES || self.is_too_deep(parent) {
            self.problem(origin.element, offset, Reason::Memory, None);
            return None;
        }
        let mut failures = Vec::new();
        let plan = Plan { row, fcp: fcp.as_ref(), offset };
        let assumed = row.map_or(FileKind::Unknown, |row| row.kind);
        let kind = or(plan.kind(), assumed, &mut failures);
        let given = plan.fcp.and_then(|fcp| fcp.file_id).or(row.and_then(|row| row.fid));
        let fid = or(plan.fid(), given, &mut failures);
        if let Some(taken) = fid.filter(|fid| parent.is_some_and(|parent| self.child(parent, *fid).is_some()))
        {
            failures.push((Reason::SecondFile(taken), offset));
        }
        let body = if let Some(path) = plan.link_path() {
            self.link(&plan, path, kind, &writes, &mut failures)
        } else if kind.is_directory() {
            let mut directory = new_directory(&plan, kind, &writes, &mut failures);
            directory.aid = fcp.as_ref().and_then(|fcp| fcp.df_name);
            directory.pin_status = fcp.as_ref().and_then(|fcp| fcp.pin_status_template);
            Body::Directory(directory)
        } else {
            Body::Content(self.content_of(&plan, kind, writes, &mut failures))
        };
        let sfi = if kind.is_directory() { None } else { or(plan.sfi(fid), None, &mut failures) };
        let (name, table) = self.name(origin, row, parent, fid, kind);
        let security = plan.security(parent == Some(FileId::MF), kind);
        let (lcsi, special_information) = (plan.lcsi(), plan.special_information());
        let file = File {
            has_standard_name: name.is_some(),
            name: name
                .map_or_else(|| fid.map_or("?".to_owned(), |fid| format!("{fid:04X}")), Cow::into_owned),
            table,
            row,
            element: origin.element,
            offset,
            is_listed,
            fcp,
            parent,
            kind,
            fid,
            sfi,
            lcsi,
            security,
            special_information,
            body,
        };
        let id = self.place(file);
        for (reason, offset) in failures {
            self.problem(origin.element, offset, reason, Some(id));
        }
        Some(id)
    }

    /// Whether a directory is nested so deep that no more fits into it.
    fn is_too_deep(&self, directory: Option<FileId>) -> bool {
        // A file is younger than its directory, and a link than its target.
        let above = |id: &FileId| self.file(self.target(*id))?.parent;
        std::iter::successors(directory, above).nth(MAX_NESTING).is_some()
    }

    /// Puts a file where it belongs. The MF of the package takes the place of the one that every tree has.
    fn place(&mut self, mut file: File<'a>) -> FileId {
        if file.kind == FileKind::Mf
            && let Some(root) = self.files.first_mut()
            && !root.is_listed
        {
            if let (Body::Directory(new), Body::Directory(old)) = (&mut file.body, &mut root.body) {
                new.children = std::mem::take(&mut old.children);
                new.by_fid = std::mem::take(&mut old.by_fid);
                new.by_name = std::mem::take(&mut old.by_name);
            }
            file.is_listed = true;
            *root = file;
            return FileId::MF;
        }
        let id = FileId(self.files.len());
        let parent = file.parent.map(|parent| self.target(parent));
        if let Some(File { body: Body::Directory(directory), .. }) =
            parent.and_then(|parent| self.files.get_mut(parent.0))
        {
            directory.add(id, file.fid, &file.name);
        }
        self.files.push(file);
        id
    }

    fn name(
        &self,
        origin: Origin,
        row: Option<&'static Row>,
        parent: Option<FileId>,
        fid: Option<u16>,
        kind: FileKind,
    ) -> (Option<Cow<'static, str>>, ElementKind) {
        if let Some(row) = row {
            return (Some(Cow::Borrowed(row.name)), origin.kind);
        }
        let parent = parent.map(|parent| self.target(parent));
        let Some((id, directory)) = parent.and_then(|id| Some((id, self.file(id)?))) else {
            return (None, origin.kind);
        };
        match fid.and_then(|fid| names::find(self, id, fid, kind)) {
            Some((name, table)) => (Some(Cow::Borrowed(name)), table),
            None => (None, directory.table),
        }
    }

    fn link(
        &self,
        plan: &Plan<'_>,
        path: &[u8],
        kind: FileKind,
        writes: &[Write<'_>],
        failures: &mut Vec<Failure>,
    ) -> Body<'a> {
        let fids = fids(path);
        let target = self.find(&fids).map(|id| self.target(id));
        let target =
            target.filter(|id| !matches!(self.file(*id), Some(File { body: Body::Link { .. }, .. })));
        match target {
            None => failures.push((Reason::NoFile(hex::encode_upper(path)), plan.offset)),
            Some(target) => {
                let fits = match kind {
                    FileKind::Mf | FileKind::Adf => false,
                    FileKind::Df => self.directory(target).is_some(),
                    _ => self.content(target).is_some(),
                };
                let bare = plan.fcp.is_some_and(|fcp| fcp.ef_file_size.is_none()) && !plan.has_pattern();
                if !(fits && bare && writes.is_empty()) {
                    failures.push((Reason::Link, plan.offset));
                }
            }
        }
        Body::Link { path: fids, target }
    }

    fn content_of(
        &mut self,
        plan: &Plan<'_>,
        kind: FileKind,
        writes: Vec<Write<'a>>,
        failures: &mut Vec<Failure>,
    ) -> Content<'a> {
        let structure = or(plan.structure(kind), Structure::Transparent, failures);
        let needed =
            writes.iter().map(|write| write.at.saturating_add(write.fill.octets.len())).max().unwrap_or(0);
        let given = plan.fcp.and_then(|fcp| fcp.ef_file_size.or(fcp.maximum_file_size));
        let given = given.and_then(|size| usize::try_from(size).ok());
        let mut size = or(plan.size(structure, needed), given.unwrap_or(needed), failures);
        if self.memory.saturating_add(size) > MAX_MEMORY {
            if !failures.iter().any(|(reason, _)| *reason == Reason::Memory) {
                failures.push((Reason::Memory, plan.offset));
            }
            size = 0;
        }
        self.memory += size;
        or(plan.must_give(writes.is_empty()), (), failures);
        let initial = if plan.has_pattern() {
            Initial::Pattern
        } else if plan
            .row
            .is_some_and(|row| matches!(row.content, DefaultContent::Notation(_) | DefaultContent::Repeat(_)))
        {
            Initial::Template
        } else {
            Initial::Filler
        };
        let octets = Octets::new(plan.initial(structure, size));
        let mut content = Content { structure, size, octets, initial, writes: Vec::new() };
        for write in writes {
            or(content.write(write, plan.offset), (), failures);
        }
        content
    }

    /// Keeps in mind that a file is not wanted.
    pub(super) fn leave_out(
        &mut self,
        origin: Origin,
        row: &'static Row,
        field: &FileField<'a>,
        allowed: bool,
    ) {
        if allowed {
            self.left_out.push(LeftOut { element: origin.element, offset: field.offset, row });
        } else {
            self.problem(origin.element, field.offset, Reason::DoNotCreate, None);
        }
    }

    /// Runs the commands of a GenericFileManagement element and returns the directory that is selected at its end.
    pub(super) fn manage(
        &mut self,
        origin: Origin,
        lists: &[Vec<(usize, FileManagementCommand<'a>)>],
    ) -> FileId {
        let mut directory = FileId::MF;
        let mut cursor: Option<Cursor> = None;
        for (offset, command) in lists.iter().flatten() {
            match command {
                FileManagementCommand::Path(path) => {
                    cursor = None;
                    let Some(id) = self.find(&fids(path)) else {
                        let reason = Reason::NoFile(hex::encode_upper(path));
                        self.problem(origin.element, *offset, reason, None);
                        continue;
                    };
                    if self.directory(id).is_some() {
                        directory = self.target(id);
                    } else {
                        directory = self.file(id).and_then(|file| file.parent).unwrap_or(FileId::MF);
                        cursor = Some(Cursor { file: id, at: 0 });
                    }
                }
                FileManagementCommand::Create(fcp) => {
                    let fcp = Some(fcp.as_ref().clone());
                    let id = self.create(origin, None, fcp, *offset, true, Some(directory), Vec::new());
                    cursor = id.map(|file| Cursor { file, at: 0 });
                }
                FileManagementCommand::FillOffset(skip) => match &mut cursor {
                    Some(cursor) => cursor.at = cursor.at.saturating_add(usize::from(*skip)),
                    None => self.problem(origin.element, *offset, Reason::NothingToFill, None),
                },
                FileManagementCommand::FillContent(fill) => {
                    self.fill(origin, cursor.as_mut(), *fill, *offset);
                }
                FileManagementCommand::Unknown(tlv) => {
                    let kind = simyard_asn1::ErrorKind::Choice { found: tlv.tag };
                    let reason = Reason::Form(tlv.error(kind, "FileManagement"));
                    self.problem(origin.element, *offset, reason, None);
                }
            }
        }
        directory
    }

    fn fill(&mut self, origin: Origin, cursor: Option<&mut Cursor>, fill: Fill<'a>, offset: usize) {
        let Some(cursor) = cursor else {
            return self.problem(origin.element, offset, Reason::NothingToFill, None);
        };
        let write = Write { element: origin.element, at: cursor.at, fill };
        cursor.at = cursor.at.saturating_add(fill.octets.len());
        let result = match self.files.get_mut(cursor.file.0).map(|file| &mut file.body) {
            Some(Body::Content(content)) => content.write(write, offset),
            Some(Body::Link { .. }) => Err((Reason::Link, offset)),
            Some(Body::Directory(_)) | None => Err((Reason::NothingToFill, offset)),
        };
        if let Err((reason, offset)) = result {
            self.problem(origin.element, offset, reason, Some(cursor.file));
        }
    }
}

fn new_directory<'a>(
    plan: &Plan<'_>,
    kind: FileKind,
    writes: &[Write<'a>],
    failures: &mut Vec<Failure>,
) -> Directory<'a> {
    if !writes.is_empty() {
        failures.push((Reason::NothingToFill, plan.offset));
    }
    let fcp = plan.fcp;
    if kind == FileKind::Adf && fcp.is_none_or(|fcp| fcp.df_name.is_none()) {
        or(plan.missing("an AID"), (), failures);
    }
    if fcp.is_none_or(|fcp| fcp.pin_status_template.is_none()) {
        or(plan.missing("a PIN status template"), (), failures);
    }
    Directory::default()
}

impl<'a> Content<'a> {
    /// Writes what has room, and says so if that is not all. Record files are one stream of octets here.
    fn write(&mut self, write: Write<'a>, offset: usize) -> Result<(), Failure> {
        self.writes.push(write);
        let end = write.at.saturating_add(write.fill.octets.len());
        let last = end.min(self.size);
        if self.structure == Structure::BerTlv && self.octets.len() < last {
            self.octets.as_vec_mut().resize(last, 0xFF);
        }
        if let Some(place) = self.octets.get_mut(write.at.min(last)..last) {
            place.iter_mut().zip(write.fill.octets).for_each(|(to, from)| *to = *from);
        }
        if end > self.size { Err((Reason::ContentTooLong { end, size: self.size }, offset)) } else { Ok(()) }
    }
}
