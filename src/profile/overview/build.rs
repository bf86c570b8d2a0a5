//! From the tree to the model: header, elements, applications, codes.

use simyard_asn1::Oid;
use simyard_asn1::saip::aka::{DEFAULT_ROTATION, DEFAULT_XORING};
use simyard_asn1::saip::{
    AkaConfiguration, AkaParameter, AlgoParameter, ApplicationIdentity, ElementKind, ProfileElement,
    ProfileHeader, Service,
};

use super::files::{self, path};
use super::{
    Aka, Algorithm, Application, Element, FORMAT_VERSION, Header, Mapping, NonStandard, Overview, Pin,
    PinSet, Problem, Puk, Reveal, Secret, TemplateName, Unknown, management, words,
};
use crate::ident::Iccid;
use crate::profile::templates::Template;
use crate::profile::tree::{self, Body, Reason, Tree, View};

/// The model of a tree.
pub(super) fn run(tree: &Tree<'_>, reveal: Reveal) -> Overview {
    let applications = applications(tree, reveal);
    let end = tree.elements().last().map_or(0, |last| last.element.tlv.offset + last.element.tlv.raw.len());
    let mut overview = Overview {
        version: FORMAT_VERSION,
        octets: end,
        header: tree.header().map(|it| header(it, reveal)),
        elements: tree.elements().iter().map(|it| element(tree, &applications, it)).collect(),
        pins: pins(tree, &applications, reveal),
        puks: puks(tree, reveal),
        files: files::all(tree, &applications, reveal),
        files_left_out: files::left_out(tree),
        security_domains: Vec::new(),
        remote_file_management: Vec::new(),
        applets: Vec::new(),
        non_standard: Vec::new(),
        unknown: Vec::new(),
        selected: None,
        only_files: false,
        problems: tree
            .problems()
            .iter()
            .map(|problem| Problem {
                element: Some(problem.element),
                offset: problem.offset,
                path: problem.file.map(|file| path(tree, &applications, file)),
                message: match &problem.reason {
                    Reason::Form(error) => form(error),
                    reason => reason.to_string(),
                },
            })
            .collect(),
        applications,
    };
    for (place, element) in tree.elements().iter().enumerate() {
        if let Err(error) = overview.add_element(place, element, reveal) {
            // The tree has told already what it could not read either.
            if !matches!(element.view, View::Unreadable) {
                let message = form(&error);
                overview.problems.push(Problem {
                    element: Some(place),
                    offset: error.offset,
                    path: None,
                    message,
                });
            }
        }
    }
    overview.problems.sort_by_key(|problem| problem.offset);
    overview
}

impl Overview {
    /// Adds what elements of other kinds than files, codes and keys of applications say.
    fn add_element(
        &mut self,
        place: usize,
        element: &tree::Element<'_>,
        reveal: Reveal,
    ) -> Result<(), simyard_asn1::Error> {
        let received = &element.element;
        match received.kind {
            ElementKind::SecurityDomain => {
                self.security_domains.push(management::security_domain(place, received, reveal)?);
            }
            ElementKind::Rfm => {
                self.remote_file_management.push(management::remote_file_management(place, received)?);
            }
            ElementKind::Application => self.applets.push(management::applet(place, received, reveal)?),
            ElementKind::NonStandard => {
                if let View::Identity(ApplicationIdentity::NonStandard(issuer)) = &element.view {
                    let content = Secret::new(body(received), reveal);
                    self.non_standard.push(NonStandard {
                        issuer: issuer.to_string(),
                        content,
                        element: place,
                    });
                }
            }
            ElementKind::Unknown(tag) => self.unknown.push(Unknown {
                tag: tag.to_string(),
                content: Secret::new(received.tlv.value, reveal),
                element: place,
            }),
            _ => {}
        }
        Ok(())
    }
}

/// What is wrong with octets; where they stand is told beside it.
pub(super) fn form(error: &simyard_asn1::Error) -> String {
    format!("{} in {}", error.kind, error.what)
}

/// The members of an element behind its header.
fn body<'a>(element: &ProfileElement<'a>) -> &'a [u8] {
    let Ok(mut members) = element.body() else { return element.tlv.value };
    members.extensions().unwrap_or_default()
}

fn header(header: &ProfileHeader<'_>, reveal: Reveal) -> Header {
    let service = |service: &Service| match service {
        Service::Unknown(number) => format!("service [{number}]"),
        known => known.name().to_owned(),
    };
    Header {
        version: format!("{}.{}", header.major_version, header.minor_version),
        profile_type: header.profile_type.map(str::to_owned),
        iccid: Iccid::from_header(header.iccid)
            .map_or_else(|_| hex::encode_upper(header.iccid), |iccid| iccid.to_string()),
        pol: header.pol.map(hex::encode_upper),
        mandatory_services: header.mandatory_services.iter().map(service).collect(),
        mandatory_templates: header.mandatory_templates.iter().map(template).collect(),
        mandatory_aids: header.mandatory_aids.iter().map(hex::encode_upper).collect(),
        connectivity_parameters: header.connectivity_parameters.map(|octets| Secret::new(octets, reveal)),
    }
}

fn template(oid: &Oid) -> TemplateName {
    let found = Template::find(oid);
    TemplateName {
        identifier: oid.to_string(),
        element: found.map(|template| template.kind.name()),
        version: found.map(|template| template.version),
    }
}

fn element(tree: &Tree<'_>, applications: &[Application], element: &tree::Element<'_>) -> Element {
    let received = &element.element;
    Element {
        kind: received.kind.name(),
        identification: received.identification(),
        mandated: received.is_mandated(),
        offset: received.tlv.offset,
        octets: received.tlv.raw.len(),
        template: match &element.view {
            View::Files(files) => Some(template(&files.template)),
            _ => None,
        },
        application: element.application,
        directory: element.directory.map(|directory| path(tree, applications, directory)),
    }
}

fn applications(tree: &Tree<'_>, reveal: Reveal) -> Vec<Application> {
    let mut models: Vec<Application> = Vec::new();
    for (place, application) in tree.applications().iter().enumerate() {
        let kind = application.kind.name();
        let before = models.iter().filter(|other| other.kind == kind).count();
        let directory = tree.file(application.directory);
        models.push(Application {
            kind,
            path: if before == 0 { format!("ADF.{kind}") } else { format!("ADF.{kind} ({})", before + 1) },
            aid: application.aid.map(hex::encode_upper),
            temporary_identifier: directory.and_then(|file| file.fid).map(|fid| format!("{fid:04X}")),
            element: application.element,
            aka: tree.aka(place).map(|parameter| {
                aka(parameter, application.aka.first().copied().unwrap_or_default(), reveal)
            }),
            cdma: application
                .cdma
                .iter()
                .filter_map(|element| tree.elements().get(*element))
                .map(|element| Secret::new(body(&element.element), reveal))
                .collect(),
        });
    }
    models
}

fn aka(parameter: &AkaParameter<'_>, element: usize, reveal: Reveal) -> Aka {
    let (algorithm, mapping) = match &parameter.configuration {
        AkaConfiguration::Algorithm(own) => (Some(algorithm(own, reveal)), None),
        AkaConfiguration::Mapping { options, source } => {
            let mapping = Mapping { source: hex::encode_upper(source), options: format!("{options:02X}") };
            (None, Some(mapping))
        }
    };
    let mut sqn: Vec<String> = parameter.sqn_init.as_ref().map_or_else(
        || vec![hex::encode_upper([0; 6])],
        |numbers| numbers.iter().map(hex::encode_upper).collect(),
    );
    if sqn.iter().all(|number| Some(number) == sqn.first()) {
        sqn.truncate(1);
    }
    Aka {
        element,
        algorithm,
        mapping,
        sqn_options: format!("{:02X}", parameter.sqn_options),
        sqn_delta: hex::encode_upper(parameter.sqn_delta),
        sqn_age_limit: hex::encode_upper(parameter.sqn_age_limit),
        sqn,
    }
}

fn algorithm(own: &AlgoParameter<'_>, reveal: Reveal) -> Algorithm {
    let other = |octets: &[u8], usual: &[u8]| (octets != usual).then(|| hex::encode_upper(octets));
    let counter = |octets: [u8; 3]| octets.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet));
    Algorithm {
        name: words::algorithm(own.algorithm_id),
        identifier: own.algorithm_id,
        options: format!("{:02X}", own.options),
        key: Secret::new(own.key, reveal),
        opc: Secret::new(own.opc, reveal),
        rotation_constants: other(own.rotation_constants, &DEFAULT_ROTATION),
        xoring_constants: other(own.xoring_constants, &DEFAULT_XORING),
        authentication_counter_maximum: own.auth_counter_max.map(counter),
        number_of_keccak: Some(own.number_of_keccak).filter(|number| *number != 1),
    }
}

fn pins(tree: &Tree<'_>, applications: &[Application], reveal: Reveal) -> Vec<PinSet> {
    let mut sets = Vec::new();
    for (id, file) in tree.files() {
        let Body::Directory(directory) = &file.body else { continue };
        let directory_path = path(tree, applications, id);
        match &directory.pins {
            tree::PinSet::None => {}
            tree::PinSet::Own(pins) => sets.push(PinSet {
                directory: directory_path,
                shared_with: None,
                pins: pins.iter().map(|it| pin(it, reveal)).collect(),
            }),
            tree::PinSet::Shared { path: fids, target, .. } => sets.push(PinSet {
                directory: directory_path,
                shared_with: Some(target.map_or_else(
                    || fids.iter().map(|fid| format!("{fid:04X}")).collect(),
                    |target| path(tree, applications, target),
                )),
                pins: Vec::new(),
            }),
        }
    }
    sets
}

fn pin(pin: &tree::Pin<'_>, reveal: Reveal) -> Pin {
    let configuration = &pin.configuration;
    Pin {
        reference: configuration.key_reference,
        name: words::pin(configuration.key_reference),
        value: Secret::pin(configuration.value, reveal),
        enabled: configuration.attributes & 1 != 0,
        may_be_changed: configuration.attributes & 2 != 0,
        may_be_disabled: configuration.attributes & 4 != 0,
        unblocked_by: configuration.unblocking_reference,
        attempts: configuration.attempts >> 4,
        attempts_left: configuration.attempts & 0x0F,
        element: pin.element,
    }
}

fn puks(tree: &Tree<'_>, reveal: Reveal) -> Vec<Puk> {
    let puk = |(element, puk): (usize, &simyard_asn1::saip::PukConfiguration<'_>)| Puk {
        reference: puk.key_reference,
        name: words::puk(puk.key_reference),
        value: Secret::pin(puk.value, reveal),
        attempts: puk.attempts >> 4,
        attempts_left: puk.attempts & 0x0F,
        element,
    };
    tree.puks().map(puk).collect()
}
