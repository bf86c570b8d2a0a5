//! The elements in order: what each says, and to which application or directory it belongs.

use simyard_asn1::saip::{
    ApplicationIdentity, ElementKind, FileSystemElement, Package, PinCodes, ProfileElement,
};

use super::files::Origin;
use super::{
    Application, ApplicationKind, Body, Directory, Element, File, FileId, MAX_PINS, Pin, PinSet, Reason,
    Tree, View, names,
};
use crate::profile::image::plan::{fids, is_wanted};
use crate::profile::templates::{FileKind, Template};

/// The state between two elements.
struct Reading<'a> {
    tree: Tree<'a>,
    /// The application that the next elements belong to.
    application: Option<usize>,
    /// The directory that the next PINCodes element is for.
    pins_for: FileId,
}

/// Resolves a package, element by element.
pub(super) fn run<'a>(package: &Package<'a>) -> Tree<'a> {
    let tree = Tree {
        elements: Vec::new(),
        applications: Vec::new(),
        files: vec![implied_mf()],
        left_out: Vec::new(),
        problems: Vec::new(),
        memory: 0,
    };
    let mut reading = Reading { tree, application: None, pins_for: FileId::MF };
    for (place, element) in package.elements().iter().enumerate() {
        reading.step(place, element);
    }
    names::name_phonebooks(&mut reading.tree);
    reading.tree
}

/// The MF before the package has created it.
fn implied_mf<'a>() -> File<'a> {
    File {
        name: "MF".to_owned(),
        has_standard_name: true,
        table: ElementKind::Mf,
        row: None,
        element: 0,
        offset: 0,
        is_listed: false,
        fcp: None,
        parent: None,
        kind: FileKind::Mf,
        fid: Some(0x3F00),
        sfi: None,
        lcsi: 5,
        security: None,
        special_information: 0,
        body: Body::Directory(Directory::default()),
    }
}

impl<'a> Reading<'a> {
    fn step(&mut self, place: usize, element: &ProfileElement<'a>) {
        let mut read = Element {
            element: *element,
            view: View::Opaque,
            template: None,
            application: None,
            directory: None,
        };
        let at = element.tlv.offset;
        let origin = Origin { element: place, kind: element.kind, offset: at };
        match self.read(origin, element) {
            Ok(view) => read.view = view,
            Err(error) => {
                read.view = View::Unreadable;
                self.tree.problem(place, error.offset, Reason::Form(error), None);
            }
        }
        match &read.view {
            View::Files(files) => self.file_system(origin, files, &mut read.template),
            View::FileManagement(management) => {
                let directory = self.tree.manage(origin, &management.lists);
                self.pins_for = directory;
            }
            View::Pins(codes) => self.add_pins(origin, codes),
            View::Aka(_) => self.add_aka(origin),
            View::Opaque if element.kind == ElementKind::CdmaParameter => self.add_cdma(origin),
            // An application that cannot be read ends the one before it.
            View::Unreadable if brings_application(element.kind) => self.application = None,
            _ => {}
        }
        read.application = self.belonging(element.kind);
        read.directory = match &read.view {
            View::Files(_) | View::FileManagement(_) | View::Pins(_) => Some(self.pins_for),
            _ => None,
        };
        self.tree.elements.push(read);
    }

    /// What an element says, as far as it can be read.
    fn read(
        &mut self,
        origin: Origin,
        element: &ProfileElement<'a>,
    ) -> Result<View<'a>, simyard_asn1::Error> {
        let mut note = |errors: Vec<simyard_asn1::Error>| {
            for error in errors {
                self.tree.problem(origin.element, error.offset, Reason::Form(error), None);
            }
        };
        Ok(match element.kind {
            ElementKind::Header => View::Header(Box::new(element.profile_header()?)),
            ElementKind::GenericFileManagement => {
                let (management, errors) = element.generic_file_management_leniently()?;
                note(errors);
                View::FileManagement(management)
            }
            ElementKind::PinCodes => View::Pins(element.pin_codes()?),
            ElementKind::PukCodes => View::Puks(element.puk_codes()?),
            ElementKind::AkaParameter => View::Aka(Box::new(element.aka_parameter()?)),
            ElementKind::SecurityDomain
            | ElementKind::Rfm
            | ElementKind::Application
            | ElementKind::NonStandard => {
                let identity: Option<ApplicationIdentity<'a>> = element.application_identity()?;
                identity.map_or(View::Opaque, View::Identity)
            }
            kind if kind.is_file_system() => {
                let (files, errors) = element.file_system_leniently()?;
                note(errors);
                View::Files(files)
            }
            _ => View::Opaque,
        })
    }

    /// The application that an element brings or belongs to.
    fn belonging(&self, kind: ElementKind) -> Option<usize> {
        match kind {
            ElementKind::AkaParameter | ElementKind::CdmaParameter => self.application,
            ElementKind::PinCodes => self.tree.application_of(self.pins_for),
            ElementKind::Mf | ElementKind::Cd | ElementKind::Telecom => None,
            kind if kind.is_file_system() => self.application,
            _ => None,
        }
    }

    /// The directory of the application that files of an element lie in; the last one of the right kind, if the one
    /// before the element is of another.
    fn context(&mut self, origin: Origin) -> Option<FileId> {
        let kind = ApplicationKind::of_files(origin.kind);
        if kind.is_none() && origin.kind != ElementKind::Eap {
            // It brings its directory itself, below the MF.
            return Some(FileId::MF);
        }
        let fits = |application: &Application<'_>| kind.is_none_or(|kind| application.kind == kind);
        let current =
            self.application.and_then(|place| self.tree.applications.get(place)).filter(|it| fits(it));
        if let Some(application) = current {
            return Some(application.directory);
        }
        let last =
            self.tree.applications.iter().rfind(|it| fits(it)).map(|application| application.directory);
        self.tree.problem(
            origin.element,
            origin.offset,
            Reason::ApplicationPlace(kind.map_or("application", ApplicationKind::name)),
            None,
        );
        last
    }

    /// The template of an element; the latest of its own, if the package names none that is known.
    fn template(&mut self, origin: Origin, files: &FileSystemElement<'a>) -> Option<Template> {
        let named = Template::find(&files.template);
        if let Some(template) = named.filter(|template| template.kind == origin.kind) {
            return Some(template);
        }
        let text = files.template.to_string();
        let reason = if named.is_some() { Reason::TemplateOfAnother(text) } else { Reason::Template(text) };
        self.tree.problem(origin.element, files.template_offset, reason, None);
        Template::latest().find(|template| template.kind == origin.kind)
    }

    fn file_system(
        &mut self,
        origin: Origin,
        files: &FileSystemElement<'a>,
        template_of_element: &mut Option<Template>,
    ) {
        let Some(template) = self.template(origin, files) else { return };
        *template_of_element = Some(template);
        let is_mf = matches!(origin.kind, ElementKind::Mf | ElementKind::Iot);
        if is_mf && self.tree.files.first().is_some_and(|mf| mf.is_listed) {
            self.tree.problem(origin.element, origin.offset, Reason::MfPlace, None);
        }
        let context = self.context(origin);
        let mut created: Vec<(u32, FileId)> = Vec::new();
        for row in template.rows() {
            let field = files.fields.iter().find(|field| field.number == row.field);
            if !is_wanted(&template, row, field) {
                if let Some(field) = field {
                    self.tree.leave_out(origin, row, field, template.created_by_default);
                }
                continue;
            }
            let parent = match row.parent {
                0 if row.kind == FileKind::Mf => None,
                0 => context,
                number => created.iter().find(|(field, _)| *field == number).map(|(_, id)| *id),
            };
            if parent.is_none() && row.parent != 0 {
                let offset = field.map_or(origin.offset, |field| field.offset);
                self.tree.problem(origin.element, offset, Reason::NoDirectory(row.name), None);
            }
            let Some(id) = self.tree.create_from_template(origin, row, field, parent) else { continue };
            created.push((row.field, id));
            if row.kind == FileKind::Adf {
                self.begin_application(origin, id);
            }
        }
        let first = created.first().map(|(_, id)| *id);
        let directory = first.filter(|id| self.tree.directory(*id).is_some()).or(context);
        for field in &files.fields {
            if template.row(field.number).is_none() {
                self.tree.create_unknown_field(origin, field, directory);
            }
        }
        self.select(origin.kind, first.or(context).unwrap_or(FileId::MF));
    }

    /// What PINs that follow a file system element are for: its directory, if it stands in the MF or is an
    /// application; the application, for files below one.
    fn select(&mut self, kind: ElementKind, first: FileId) {
        let in_mf = self.tree.file(first).is_some_and(|file| file.parent == Some(FileId::MF));
        let application = self.application.and_then(|place| self.tree.applications.get(place));
        self.pins_for = match kind {
            // PE-IoT brings MF and application at once; the PINs that every profile needs are the global ones.
            ElementKind::Mf | ElementKind::Iot => FileId::MF,
            _ if in_mf && self.tree.directory(first).is_some() => first,
            _ => application.map_or(FileId::MF, |application| application.directory),
        };
    }

    fn begin_application(&mut self, origin: Origin, directory: FileId) {
        let kind = ApplicationKind::brought_by(origin.kind);
        let aid = self.tree.directory(directory).and_then(|adf| adf.aid);
        self.application = Some(self.tree.applications.len());
        let element = origin.element;
        let application = Application { kind, aid, directory, element, aka: Vec::new(), cdma: Vec::new() };
        self.tree.applications.push(application);
    }

    fn add_pins(&mut self, origin: Origin, codes: &PinCodes<'a>) {
        let tree = &mut self.tree;
        let pins = match codes {
            PinCodes::Pins(pins) => {
                let mut own = match tree.directory(self.pins_for).map(|directory| &directory.pins) {
                    Some(PinSet::Own(pins)) => pins.clone(),
                    _ => Vec::new(),
                };
                own.extend(
                    pins.iter()
                        .map(|pin| Pin { element: origin.element, configuration: *pin })
                        .take(MAX_PINS.saturating_sub(own.len())),
                );
                PinSet::Own(own)
            }
            PinCodes::SharedWith(path) => {
                let fids = fids(path);
                let target = tree.find(&fids).map(|id| tree.target(id));
                if target.is_none() {
                    let reason = Reason::NoFile(hex::encode_upper(path));
                    tree.problem(origin.element, origin.offset, reason, Some(self.pins_for));
                }
                PinSet::Shared { element: origin.element, path: fids, target }
            }
        };
        if let Some(Body::Directory(directory)) =
            tree.files.get_mut(self.pins_for.0).map(|file| &mut file.body)
        {
            directory.pins = pins;
        }
    }

    fn add_aka(&mut self, origin: Origin) {
        match self.application.and_then(|place| self.tree.applications.get_mut(place)) {
            Some(application) => application.aka.push(origin.element),
            None => {
                let reason = Reason::ApplicationPlace("application");
                self.tree.problem(origin.element, origin.offset, reason, None);
            }
        }
    }

    fn add_cdma(&mut self, origin: Origin) {
        match self.application.and_then(|place| self.tree.applications.get_mut(place)) {
            Some(application) if application.kind == ApplicationKind::Csim => {
                application.cdma.push(origin.element);
            }
            _ => {
                let reason = Reason::ApplicationPlace("CSIM");
                self.tree.problem(origin.element, origin.offset, reason, None);
            }
        }
    }
}

const fn brings_application(kind: ElementKind) -> bool {
    matches!(kind, ElementKind::Usim | ElementKind::Isim | ElementKind::Csim | ElementKind::Iot)
}
