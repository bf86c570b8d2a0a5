//! The elements in order: which may follow which, and to which application or directory each belongs.

use std::collections::{BTreeMap, BTreeSet};

use simyard_asn1::saip::{
    AkaConfiguration, AkaParameter, ElementKind, FileSystemElement, Package, ProfileElement, Service, status,
};

use super::error::{InstallError, Reason};
use super::plan::{Failure, is_wanted};
use super::{AkaSource, ApplicationKind, NetworkApplication, NodeId, ProfileImage, SUPPORTED, Target};
use crate::ident::Iccid;
use crate::profile::templates::{FileKind, Template};

/// The state between two elements.
struct Installation {
    target: Target,
    image: ProfileImage,
    /// The application that the next elements belong to.
    application: Option<usize>,
    /// The directory that the next PINCodes element is for.
    pins_for: NodeId,
    identifications: BTreeSet<u16>,
}

/// Installs a package, element by element.
pub(super) fn run(package: &Package<'_>, target: Target) -> Result<ProfileImage, InstallError> {
    let Some((header, rest)) = package.elements().split_first() else { return Err(empty()) };
    let mut installation = begin(header, target).map_err(|reason| reason.at(header, header.tlv.offset))?;

    let Some((second, rest)) = rest.split_first() else {
        return Err(Reason::MfPlace.at(header, package.octets().len()));
    };
    if !matches!(second.kind, ElementKind::Mf | ElementKind::Iot) {
        return Err(Reason::MfPlace.at(second, second.tlv.offset));
    }
    installation.step(second)?;
    installation.check_iccid(second)?;

    let mut last = second;
    for element in rest {
        if last.kind == ElementKind::End {
            return Err(Reason::AfterEnd.at(element, element.tlv.offset));
        }
        installation.step(element)?;
        last = element;
    }
    if last.kind != ElementKind::End {
        return Err(Reason::MissingEnd.at(last, package.octets().len()));
    }
    installation.image.by_fid.clear();
    Ok(installation.image)
}

/// A package without elements.
fn empty() -> InstallError {
    InstallError {
        reason: Reason::HeaderPlace,
        element: ElementKind::Header.name(),
        identification: None,
        offset: 0,
        element_offset: 0,
    }
}

/// Checks the header: version, what the eUICC must support, ICCID.
fn begin(element: &ProfileElement<'_>, target: Target) -> Result<Installation, Reason> {
    if element.kind != ElementKind::Header {
        return Err(Reason::HeaderPlace);
    }
    let header = element.profile_header().map_err(Reason::Form)?;
    if !matches!(header.major_version, 2 | 3) {
        return Err(Reason::Version(header.major_version, header.minor_version));
    }
    let lacks = |service: &Service| match target {
        Target::ThisCard => !SUPPORTED.iter().any(|(supported, _)| supported == service),
        Target::AnyCard => matches!(service, Service::Unknown(_)),
    };
    if let Some(service) = header.mandatory_services.iter().copied().find(lacks) {
        return Err(Reason::Service(service));
    }
    if matches!(target, Target::ThisCard) && !header.mandatory_aids.is_empty() {
        return Err(Reason::Libraries(header.mandatory_aids.len()));
    }
    if let Some(unknown) = header.mandatory_templates.iter().find(|oid| Template::find(oid).is_none()) {
        return Err(Reason::Template(unknown.to_string()));
    }
    let iccid = Iccid::from_header(header.iccid).map_err(|_| Reason::HeaderIccid)?;
    Ok(Installation {
        target,
        image: ProfileImage {
            iccid,
            version: (header.major_version, header.minor_version),
            profile_type: header.profile_type.map(str::to_owned),
            connectivity_parameters: header.connectivity_parameters.map(<[u8]>::to_vec),
            applications: Vec::new(),
            puks: Vec::new(),
            skipped: Vec::new(),
            nodes: Vec::new(),
            memory: 0,
            by_fid: BTreeMap::new(),
        },
        application: None,
        pins_for: NodeId::MF,
        identifications: BTreeSet::new(),
    })
}

impl Installation {
    fn step(&mut self, element: &ProfileElement<'_>) -> Result<(), InstallError> {
        self.install(element).map_err(|(reason, offset)| reason.at(element, offset))
    }

    fn install(&mut self, element: &ProfileElement<'_>) -> Result<(), Failure> {
        let at = element.tlv.offset;
        let here = |reason: Reason| (reason, at);
        let form = |error: simyard_asn1::Error| {
            let offset = error.offset;
            (Reason::Form(error), offset)
        };
        if let Some(identification) = element.identification()
            && !self.identifications.insert(identification)
        {
            return Err(here(Reason::SecondIdentification(identification)));
        }
        match element.kind {
            ElementKind::Header => Err(here(Reason::HeaderPlace)),
            ElementKind::Mf | ElementKind::Iot if !self.image.nodes.is_empty() => Err(here(Reason::MfPlace)),
            ElementKind::GenericFileManagement => {
                let management = element.generic_file_management().map_err(form)?;
                self.pins_for = self.image.manage(&management.lists)?;
                Ok(())
            }
            ElementKind::PinCodes => {
                let codes = element.pin_codes().map_err(form)?;
                self.image.add_pins(self.pins_for, &codes).map_err(here)
            }
            ElementKind::PukCodes => {
                let codes = element.puk_codes().map_err(form)?;
                self.image.add_puks(&codes).map_err(here)
            }
            ElementKind::AkaParameter => {
                let aka = element.aka_parameter().map_err(form)?;
                if matches!(self.target, Target::ThisCard) && is_tuak(&aka) {
                    return self.skip(element, status::FEATURE_NOT_SUPPORTED, Reason::Tuak);
                }
                let application = self.application.ok_or(here(Reason::ApplicationPlace("application")))?;
                self.image.add_aka(application, &aka).map_err(here)
            }
            ElementKind::CdmaParameter => self.belongs_to(ApplicationKind::Csim).map(|_| ()).map_err(here),
            ElementKind::SecurityDomain | ElementKind::Rfm | ElementKind::Application => {
                element.application_identity().map(|_| ()).map_err(form)
            }
            ElementKind::End => Ok(()),
            ElementKind::NonStandard | ElementKind::Unknown(_) => {
                self.skip(element, status::PE_NOT_SUPPORTED, Reason::Unsupported)
            }
            ElementKind::Mf
            | ElementKind::Cd
            | ElementKind::Telecom
            | ElementKind::Usim
            | ElementKind::OptUsim
            | ElementKind::Isim
            | ElementKind::OptIsim
            | ElementKind::Phonebook
            | ElementKind::GsmAccess
            | ElementKind::Csim
            | ElementKind::OptCsim
            | ElementKind::Eap
            | ElementKind::Df5gs
            | ElementKind::DfSaip
            | ElementKind::DfSnpn
            | ElementKind::Df5gProse
            | ElementKind::Iot
            | ElementKind::OptIot => self.file_system(element, &element.file_system().map_err(form)?),
        }
    }

    /// Leaves out what is not supported, unless it is mandated or cannot say that it is not.
    fn skip(&mut self, element: &ProfileElement<'_>, status: u16, reason: Reason) -> Result<(), Failure> {
        if element.is_mandated() || element.header.is_none() {
            return Err((reason, element.tlv.offset));
        }
        self.image.skipped.push((element.identification(), status));
        Ok(())
    }

    /// The directory of the application before this element, which must be of this kind.
    fn belongs_to(&self, kind: ApplicationKind) -> Result<NodeId, Reason> {
        let application = self.application.and_then(|place| self.image.applications.get(place));
        application
            .filter(|application| application.kind == kind)
            .map(|application| application.directory)
            .ok_or(Reason::ApplicationPlace(kind.name()))
    }

    /// The directory that the files of an element lie in.
    fn context(&self, kind: ElementKind) -> Result<NodeId, Reason> {
        if let Some(application) = ApplicationKind::of_files(kind) {
            return self.belongs_to(application);
        }
        match kind {
            ElementKind::Eap => {
                let application = self.application.and_then(|place| self.image.applications.get(place));
                application.map(|found| found.directory).ok_or(Reason::ApplicationPlace("application"))
            }
            // All others bring their directory themselves, below the MF.
            _ => Ok(NodeId::MF),
        }
    }

    fn file_system(
        &mut self,
        element: &ProfileElement<'_>,
        files: &FileSystemElement<'_>,
    ) -> Result<(), Failure> {
        let at = element.tlv.offset;
        let Some(template) = Template::find(&files.template) else {
            let reason = Reason::Template(files.template.to_string());
            return match element.kind {
                // Nothing can follow without the MF or the application.
                ElementKind::Mf | ElementKind::Iot => Err((reason, files.template_offset)),
                _ => self.skip(element, status::TEMPLATE_NOT_SUPPORTED, reason),
            };
        };
        if template.kind != element.kind {
            return Err((Reason::TemplateOfAnother(files.template.to_string()), files.template_offset));
        }
        if let Some(field) = files.fields.iter().find(|field| template.row(field.number).is_none()) {
            return Err((Reason::UnknownField(field.number), field.offset));
        }
        let context = self.context(element.kind).map_err(|reason| (reason, at))?;
        let mut created: Vec<(u32, NodeId)> = Vec::new();
        for row in template.rows() {
            let field = files.fields.iter().find(|field| field.number == row.field);
            if !is_wanted(&template, row, field) {
                match field.filter(|_| !template.created_by_default) {
                    Some(field) => return Err((Reason::DoNotCreate, field.offset)),
                    None => continue,
                }
            }
            let parent = match row.parent {
                0 => Some(context),
                number => created.iter().find(|(field, _)| *field == number).map(|(_, id)| *id),
            };
            let offset = field.map_or(at, |field| field.offset);
            let parent = parent.ok_or((Reason::NoDirectory(row.name), offset))?;
            let id = self.image.create_from_template(row, field, parent, at)?;
            created.push((row.field, id));
            if row.kind == FileKind::Adf {
                self.begin_application(element.kind, id);
            }
        }
        self.select(element.kind, created.first().map_or(context, |(_, id)| *id));
        Ok(())
    }

    /// What PINs that follow a file system element are for: its directory, if it stands in the MF or is an
    /// application; the application, for files below one.
    fn select(&mut self, kind: ElementKind, first: NodeId) {
        let in_mf = self.image.node(first).is_some_and(|node| node.parent == NodeId::MF);
        let application = self.application.and_then(|place| self.image.applications.get(place));
        self.pins_for = match kind {
            // PE-IoT brings MF and application at once; the PINs that every profile needs are the global ones.
            ElementKind::Mf | ElementKind::Iot => NodeId::MF,
            _ if in_mf && self.image.directory(first).is_some() => first,
            _ => application.map_or(NodeId::MF, |application| application.directory),
        };
    }

    fn begin_application(&mut self, kind: ElementKind, directory: NodeId) {
        let kind = ApplicationKind::brought_by(kind);
        let aid = self.image.directory(directory).and_then(|adf| adf.aid.clone()).unwrap_or_default();
        self.application = Some(self.image.applications.len());
        let application = NetworkApplication { kind, aid, directory, aka: AkaSource::None };
        self.image.applications.push(application);
    }

    /// Header and EF.ICCID are one number.
    fn check_iccid(&self, mf: &ProfileElement<'_>) -> Result<(), InstallError> {
        let at = mf.tlv.offset;
        let file = self.image.child_by_name(NodeId::MF, "EF.ICCID").and_then(|id| self.image.file(id));
        match file.map(|file| &*file.content) {
            Some(content) if content == self.image.iccid.to_bcd() => Ok(()),
            Some(content) if content.len() == 10 => Err(Reason::IccidMismatch.at(mf, at)),
            Some(_) | None => Err(Reason::NoEfIccid.at(mf, at)),
        }
    }
}

/// Whether keys are for TUAK.
const fn is_tuak(aka: &AkaParameter<'_>) -> bool {
    const TUAK: u8 = 2;
    match &aka.configuration {
        AkaConfiguration::Algorithm(algorithm) => algorithm.algorithm_id == TUAK,
        AkaConfiguration::Mapping { .. } => false,
    }
}
