//! Where the data of one profile stand in a template.
//!
//! The elements are walked in their order, as an eUICC installs them; the image that it would build says which files
//! there are and how large. Several USIMs are for several subscriptions: the n-th USIM, the n-th ISIM and the n-th CSIM
//! are those of the n-th subscription.

use simyard_asn1::saip::{
    AkaConfiguration, ElementKind, FileElement, FileSystemElement, Package, PinCodes, ProfileElement,
};

use super::file::FilePlan;
use super::table::{self, TablePlaces};
use super::{Datum, OtaNeed, Place, Plan, Target, TemplateError};
use crate::profile::image::{ApplicationKind, Body, ElementaryFile, NodeId, ProfileImage};
use crate::profile::personal_data::{Algorithm, CodeName, KeyType, MAX_PUBLIC_IDENTITIES, MAX_SUBSCRIPTIONS};
use crate::profile::templates::Template as FileTemplate;

/// Octets of EF.MSISDN behind the alpha identifier (TS 31.102 4.2.26).
pub(super) const NUMBER_LENGTH: usize = 14;
/// Octets of a record of EF.SMSP behind the alpha identifier (TS 31.102 4.2.27).
pub(super) const SMSP_LENGTH: usize = 28;
/// Octets of them up to the service centre: indicators, destination.
pub(super) const SMSP_LEAD: usize = 13;
/// Octets of the service centre's address.
pub(super) const ADDRESS_LENGTH: usize = 12;
/// Octets of EF.SPN.
const SPN_LENGTH: usize = 17;
/// The octet of EF.AD with the length of the MNC.
pub(super) const AD_MNC: usize = 3;

/// The files that data go into, by the elements that give them and their names in the templates.
const FILES: &[(ElementKind, &str)] = &[
    (ElementKind::Mf, "EF.ICCID"),
    (ElementKind::Iot, "EF.ICCID"),
    (ElementKind::Usim, "EF.IMSI"),
    (ElementKind::Iot, "EF.IMSI"),
    (ElementKind::Usim, "EF.ACC"),
    (ElementKind::Iot, "EF.ACC"),
    (ElementKind::Usim, "EF.AD"),
    (ElementKind::Iot, "EF.AD"),
    (ElementKind::Usim, "EF.SPN"),
    (ElementKind::OptIot, "EF.SPN"),
    (ElementKind::Usim, "EF.SMSP"),
    (ElementKind::OptIsim, "EF.SMSP"),
    (ElementKind::OptIot, "EF.SMSP"),
    (ElementKind::OptUsim, "EF.MSISDN"),
    (ElementKind::Isim, "EF.IMPI"),
    (ElementKind::Isim, "EF.IMPU"),
    (ElementKind::Isim, "EF.Domain"),
];

/// Finds all places of a package that installs.
pub(super) fn plan(package: &Package<'_>, image: &ProfileImage) -> Result<Plan, TemplateError> {
    let mut finder = Finder {
        template: package.octets(),
        image,
        application: None,
        begun: 0,
        domains: 0,
        algorithms: Vec::new(),
        plan: Plan::default(),
    };
    for element in package.elements() {
        finder.element(element)?;
    }
    finder.finish(&table::places(package)?)
}

struct Finder<'a> {
    template: &'a [u8],
    image: &'a ProfileImage,
    /// The application that the element belongs to, by its place in the image.
    application: Option<usize>,
    /// Applications so far.
    begun: usize,
    /// Security domains so far.
    domains: usize,
    /// The algorithm of each subscription.
    algorithms: Vec<Option<Algorithm>>,
    plan: Plan,
}

impl Finder<'_> {
    /// Which subscription the current application is for.
    fn subscription(&self) -> Option<usize> {
        subscription_of(self.image, self.application?)
    }

    fn directory(&self) -> Option<NodeId> {
        self.image.applications.get(self.application?).map(|application| application.directory)
    }

    fn octets(&mut self, datum: Datum, offset: usize, length: usize) {
        self.plan.places.push(Place {
            datum,
            lead: Vec::new(),
            target: Target::Octets(offset..offset + length),
        });
    }

    fn element(&mut self, element: &ProfileElement<'_>) -> Result<(), TemplateError> {
        match element.kind {
            ElementKind::Header => {
                let header = element.profile_header()?;
                self.octets(Datum::HeaderIccid, header.iccid_offset, header.iccid.len());
            }
            ElementKind::PinCodes => {
                let PinCodes::Pins(pins) = element.pin_codes()? else { return Ok(()) };
                for pin in &pins {
                    let name = CodeName::Pin(pin.key_reference);
                    self.octets(Datum::Code(name), pin.value_offset, pin.value.len());
                }
            }
            ElementKind::PukCodes => {
                for puk in &element.puk_codes()? {
                    let name = CodeName::Puk(puk.key_reference);
                    self.octets(Datum::Code(name), puk.value_offset, puk.value.len());
                }
            }
            ElementKind::AkaParameter => self.keys(element)?,
            ElementKind::SecurityDomain => self.security_domain(element)?,
            ElementKind::CdmaParameter => self.plan.has_cdma_keys = true,
            kind if kind.is_file_system() => self.file_system(element)?,
            // The table of a multi-IMSI applet may stand in several elements and is looked for on its own.
            _ => {}
        }
        Ok(())
    }

    fn keys(&mut self, element: &ProfileElement<'_>) -> Result<(), TemplateError> {
        let AkaConfiguration::Algorithm(aka) = element.aka_parameter()?.configuration else { return Ok(()) };
        let Some(place) = self.subscription() else { return Ok(()) };
        let algorithm = Algorithm::of(aka.algorithm_id, aka.key.len());
        let algorithm = algorithm.ok_or(TemplateError::Algorithm(aka.key_offset))?;
        self.octets(Datum::Key(place), aka.key_offset, aka.key.len());
        if algorithm.opc_length() > 0 {
            self.octets(Datum::Opc(place), aka.opc_offset, aka.opc.len());
        }
        if self.algorithms.len() <= place {
            self.algorithms.resize(place + 1, None);
        }
        match self.algorithms.get_mut(place) {
            Some(Some(other)) if *other != algorithm => Err(TemplateError::Algorithms(aka.key_offset)),
            Some(entry) => {
                *entry = Some(algorithm);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn security_domain(&mut self, element: &ProfileElement<'_>) -> Result<(), TemplateError> {
        self.domains += 1;
        for key in element.security_domain_keys()? {
            if self.domains > 1 {
                return Err(TemplateError::FurtherDomain(key.data_offset));
            }
            let key_type = KeyType::of(key.key_type)
                .ok_or(TemplateError::KeyType { offset: key.data_offset, found: key.key_type })?;
            let need = OtaNeed { version: key.version, identifier: key.identifier, key_type };
            if self
                .plan
                .ota
                .iter()
                .any(|other| (other.version, other.identifier) == (need.version, need.identifier))
            {
                return Err(TemplateError::SecondKey(key.data_offset));
            }
            self.plan.ota.push(need);
            let datum = Datum::OtaKey { version: key.version, identifier: key.identifier };
            self.octets(datum, key.data_offset, key.data.len());
        }
        Ok(())
    }

    fn file_system(&mut self, element: &ProfileElement<'_>) -> Result<(), TemplateError> {
        let files = element.file_system()?;
        // An element whose template is unknown was left out.
        let Some(template) = FileTemplate::find(&files.template) else { return Ok(()) };
        if matches!(
            element.kind,
            ElementKind::Usim | ElementKind::Isim | ElementKind::Csim | ElementKind::Iot
        ) {
            self.application = Some(self.begun);
            self.begun += 1;
        }
        for (_, name) in FILES.iter().filter(|(kind, _)| *kind == element.kind) {
            let directory = if *name == "EF.ICCID" { Some(NodeId::MF) } else { self.directory() };
            let Some(row) = template.rows().find(|row| row.name == *name) else { continue };
            let id = directory.and_then(|directory| self.image.child_by_name(directory, name));
            let node = id.and_then(|id| self.image.node(id));
            // A link has its content elsewhere.
            let Some(Body::File(file)) = node.map(|node| &node.body) else { continue };
            let plan = self.file_plan(element, &files, row.field, file)?;
            let number = self.plan.files.len();
            if self.places(name, number, &plan, file) {
                self.plan.files.push(plan);
            }
        }
        Ok(())
    }

    fn file_plan(
        &self,
        element: &ProfileElement<'_>,
        files: &FileSystemElement<'_>,
        number: u32,
        file: &ElementaryFile,
    ) -> Result<FilePlan, simyard_asn1::Error> {
        let end = element.tlv.offset + element.tlv.raw.len();
        let after = |number: u32| {
            files.fields.iter().find(|field| field.number > number).map_or(end, |field| field.offset)
        };
        let listed = files.fields.iter().find(|field| {
            field.number == number && !matches!(field.parts.as_slice(), [FileElement::DoNotCreate])
        });
        let listed = listed.map(|field| (field, after(number)));
        FilePlan::of(self.template, element.tlv.offset, listed, number, after(number), file)
    }

    /// The places in one file; `false` if it has none.
    fn places(&mut self, name: &str, number: usize, plan: &FilePlan, file: &ElementaryFile) -> bool {
        let subscription = self.subscription().unwrap_or(0);
        let unit = plan.unit();
        let content = &*file.content;
        let before = self.plan.places.len();
        let mut add = |datum: Datum, at: usize, room: usize, lead: Vec<u8>, grows: bool| {
            let target = Target::File { file: number, at, room, grows };
            self.plan.places.push(Place { datum, lead, target });
        };
        match name {
            "EF.ICCID" if plan.size == 10 => add(Datum::EfIccid, 0, 10, Vec::new(), false),
            "EF.IMSI" if plan.size == 9 => add(Datum::Imsi(subscription), 0, 9, Vec::new(), false),
            "EF.ACC" if plan.size == 2 => add(Datum::Acc(subscription), 0, 2, Vec::new(), false),
            "EF.AD" if plan.size > AD_MNC => {
                add(Datum::MncLength(subscription), AD_MNC, 1, Vec::new(), false)
            }
            "EF.SPN" if plan.size >= SPN_LENGTH => {
                // Bit 1: display of the network's own name is required; a file without content says nothing of it.
                let condition = content.first().copied().filter(|octet| *octet != 0xFF).unwrap_or(0x01);
                add(Datum::ServiceProviderName(subscription), 0, SPN_LENGTH, vec![condition], false);
            }
            "EF.MSISDN" if (NUMBER_LENGTH..=content.len()).contains(&unit) => {
                add(Datum::Msisdn(subscription), unit - NUMBER_LENGTH, NUMBER_LENGTH, Vec::new(), false);
            }
            "EF.SMSP" if (SMSP_LENGTH..=content.len()).contains(&unit) => {
                let at = unit - SMSP_LENGTH;
                let mut lead = content.get(at..at + SMSP_LEAD).unwrap_or_default().to_vec();
                // Bit 2 of the indicators: 0 for a service centre that is there.
                if let Some(indicators) = lead.first_mut() {
                    *indicators &= !0x02;
                }
                add(Datum::ServiceCentre(subscription), at, SMSP_LEAD + ADDRESS_LENGTH, lead, false);
            }
            "EF.IMPI" => add(Datum::PrivateIdentity(subscription), 0, plan.size, Vec::new(), true),
            "EF.Domain" => add(Datum::HomeDomain(subscription), 0, plan.size, Vec::new(), true),
            "EF.IMPU" => {
                let records = file.records().unwrap_or(0).min(MAX_PUBLIC_IDENTITIES);
                for record in 0..records {
                    let datum = Datum::PublicIdentity(subscription, record);
                    add(datum, record * unit, unit, Vec::new(), true);
                }
            }
            _ => {}
        }
        self.plan.places.len() > before
    }

    /// Checks that everything is there that no profile can do without.
    fn finish(mut self, table: &TablePlaces) -> Result<Plan, TemplateError> {
        let count = |kind| self.image.applications.iter().filter(|found| found.kind == kind).count();
        let usims = count(ApplicationKind::Usim);
        if usims == 0 {
            return Err(TemplateError::NoUsim);
        }
        for (kind, name) in [(ApplicationKind::Isim, "ISIMs"), (ApplicationKind::Csim, "CSIMs")] {
            if count(kind) > usims {
                return Err(TemplateError::Applications { name, found: count(kind), usims });
            }
        }
        if usims > MAX_SUBSCRIPTIONS {
            return Err(TemplateError::Applications {
                name: "USIMs",
                found: usims,
                usims: MAX_SUBSCRIPTIONS,
            });
        }
        self.table(table, usims)?;
        let mut plan = self.plan;
        let has = |datum| plan.places.iter().any(|place| place.datum == datum);
        let of_each = (0..usims).flat_map(|place| [Datum::Imsi(place), Datum::Acc(place), Datum::Key(place)]);
        for datum in [Datum::HeaderIccid, Datum::EfIccid].into_iter().chain(of_each) {
            if !has(datum) {
                return Err(TemplateError::Missing(datum));
            }
        }
        plan.algorithms = self.algorithms.into_iter().flatten().collect();
        plan.roles = table.entries.iter().map(|entry| entry.role.clone()).collect();
        plan.mnc_lengths = (0..usims).map(|place| mnc_length(self.image, place)).collect();
        plan.data = plan.places.iter().map(|place| place.datum).collect();
        plan.data.sort_unstable();
        plan.data.dedup();
        Ok(plan)
    }
}

impl Finder<'_> {
    /// The places of a multi-IMSI table. Entries beyond the USIMs are for further subscriptions.
    fn table(&mut self, table: &TablePlaces, usims: usize) -> Result<(), TemplateError> {
        if table.entries.len() > MAX_SUBSCRIPTIONS {
            let found = table.entries.len();
            return Err(TemplateError::Applications {
                name: "table entries",
                found,
                usims: MAX_SUBSCRIPTIONS,
            });
        }
        for (number, entry) in table.entries.iter().enumerate() {
            self.octets(Datum::Imsi(number), entry.imsi.start, entry.imsi.len());
            let keys = table.keys_of(number);
            if let Some(keys) = keys {
                self.octets(Datum::Key(number), keys.key.start, keys.key.len());
                self.octets(Datum::Opc(number), keys.opc.start, keys.opc.len());
            }
            let own = self.algorithms.get(number).copied().flatten();
            let home = self.algorithms.first().copied().flatten();
            let algorithm = match (number < usims, keys) {
                (true, Some(keys)) if own != Some(keys.algorithm) => {
                    return Err(TemplateError::Algorithms(keys.key.start));
                }
                (true, _) => continue,
                (false, Some(keys)) => Some(keys.algorithm),
                (false, None) => {
                    self.plan.shared.push(number);
                    home
                }
            };
            self.algorithms.resize(self.algorithms.len().max(number + 1), None);
            self.algorithms.get_mut(number).into_iter().for_each(|entry| *entry = algorithm);
        }
        Ok(())
    }
}

/// Which subscription an application of an image is for: its number among those of its kind.
pub(super) fn subscription_of(image: &ProfileImage, application: usize) -> Option<usize> {
    let kind = image.applications.get(application)?.kind;
    Some(image.applications.iter().take(application).filter(|other| other.kind == kind).count())
}

/// The digits of the MNC as EF.AD of a subscription's USIM gives them; 2 where it does not say so.
fn mnc_length(image: &ProfileImage, subscription: usize) -> u8 {
    let usim = image
        .applications
        .iter()
        .filter(|application| application.kind == ApplicationKind::Usim)
        .nth(subscription);
    let file = usim.and_then(|usim| image.file(image.child_by_name(usim.directory, "EF.AD")?));
    let given = file.and_then(|file| file.content.get(AD_MNC).copied());
    given.filter(|length| matches!(length, 2 | 3)).unwrap_or(2)
}
