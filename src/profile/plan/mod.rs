//! Templates: packages that are compiled once into a plan of what to write where ([`Template::compile`]). A package for
//! one profile is then a copy and some writes ([`Template::personalise`], [`Personaliser`] for many).
//!
//! A template is any package that installs: K and OPc, codes, files and keys are found where a card looks for them,
//! however the package gives them. Values may have other lengths than the template's ([`skeleton`]). A plan is verified
//! when it is made: packages with marked data are installed and every datum is read back from the image ([`read`]).
//!
//! A datum that the template has no place for is refused, as is a secret place of the template without datum: no card
//! gets a template's key. All else that the data do not say stays as the template has it.
//!
//! Not personalised: keys of a CSIM ([`Template::has_cdma_keys`]), EF.IMSI_M and its like, security domains behind the
//! first one (refused if they have keys), files that commands of GenericFileManagement create.
//!
//! | file | what |
//! |---|---|
//! | [`datum`] | the data by name |
//! | `compile` | where they stand in a package |
//! | `file` | fields of files, written anew where it must be |
//! | `table` | the table of a multi-IMSI applet |
//! | `skeleton` | the template with slots, for values of certain lengths |
//! | `values` | the octets of each datum |
//! | [`read`] | the slow way back, which the plan is held against |

mod compile;
pub mod datum;
mod file;
pub mod read;
mod skeleton;
mod table;
mod values;
mod verify;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use simyard_asn1::saip::Package;
use zeroize::Zeroizing;

pub use datum::Datum;

use self::file::{FilePlan, Value};
use self::skeleton::{Edit, Output};
use self::values::{ABSENT, Values};
use super::content::to_ef_spn;
use super::image::{InstallError, ProfileImage};
use super::personal_data::{Algorithm, CodeName, FurtherSubscription, KeyType, OtaKeySet, PersonalData};

/// Skeletons that a template keeps: one for each shape of data that came last.
const MAX_SKELETONS: usize = 16;

/// Why a package is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The package cannot be installed as it is.
    #[error("the template cannot be installed: {0}")]
    Install(#[from] InstallError),
    /// An element cannot be read.
    #[error("the template cannot be read: {0}")]
    Form(#[from] simyard_asn1::Error),
    /// A datum that every profile has finds no place.
    #[error("the template has no place for {0}; every template needs one")]
    Missing(Datum),
    /// No USIM.
    #[error("the template has no USIM")]
    NoUsim,
    /// More applications of a kind than there can be subscriptions.
    #[error("the template has {found} {name}, but places for {usims} subscriptions: one for each USIM")]
    Applications {
        /// The kind in plural.
        name: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        usims: usize,
    },
    /// Keys for an algorithm that is none.
    #[error("the keys at octet {0} are for an algorithm or have a length that is not known")]
    Algorithm(usize),
    /// Two applications of one subscription have keys for different algorithms.
    #[error("the keys at octet {0} are for another algorithm than those before of the same subscription")]
    Algorithms(usize),
    /// A security domain behind the first one has keys.
    #[error(
        "the key at octet {0} is one of a further security domain; only those of the first one are personalised"
    )]
    FurtherDomain(usize),
    /// A key of a security domain is of a type that is not known.
    #[error(
        "the key of the security domain at octet {offset} has type {found:02X}; 80 (DES) and 88 (AES) are known"
    )]
    KeyType {
        /// Where it stands.
        offset: usize,
        /// Its type.
        found: u8,
    },
    /// Two keys of a security domain have one identifier and version.
    #[error("the key of the security domain at octet {0} has the version and identifier of an earlier one")]
    SecondKey(usize),
    /// A multi-IMSI table and its key sets do not fit together.
    #[error("key set {0} of the multi-IMSI table is missing, or not for exactly one entry")]
    KeySet(u8),
    /// An entry of a multi-IMSI table has no role for a subscription.
    #[error("entry {0} of the multi-IMSI table needs a role of small letters, digits and hyphens")]
    Role(usize),
    /// A file that is to name the operator cannot be changed.
    #[error("the template has no {0} of the USIM to name the operator")]
    NoOperatorFile(&'static str),
    /// Marked data did not fit.
    #[error("marked data do not fit the template: {0}")]
    Personalise(#[from] PersonaliseError),
    /// Marked data did not come out where a card reads them.
    #[error("{0} was written, but the card would read another value; does a later element overwrite it?")]
    NotReadBack(Datum),
}

/// Why data cannot be put into a template. No value is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PersonaliseError {
    /// A datum without a place.
    #[error("the data have {0}, but the template has no place for it")]
    NoPlace(Datum),
    /// A secret place without a datum: the template's own would be in every package.
    #[error("the template has {0}, but the data do not: every package would have the template's")]
    NoDatum(Datum),
    /// A value that has no room.
    #[error("{datum} has room for {most} octets or digits, not for {found}")]
    TooLong {
        /// What it is.
        datum: Datum,
        /// What came.
        found: usize,
        /// What fits.
        most: usize,
    },
    /// Another number of subscriptions.
    #[error(
        "the template is for {expected} subscriptions (one for each USIM and entry of a multi-IMSI table), the data \
         have {found}"
    )]
    Subscriptions {
        /// USIMs of the template, or entries of its table where there are more.
        expected: usize,
        /// Subscriptions of the data.
        found: usize,
    },
    /// A further subscription for another purpose.
    #[error("entry {} of the multi-IMSI table is for another role than the data's subscription", .0 + 1)]
    Role(usize),
    /// Keys for another algorithm.
    #[error(
        "the template's {} is for {}, the data's for {}: use a template for this algorithm",
        Datum::Key(*subscription), expected.name(), found.name()
    )]
    Algorithm {
        /// Of which subscription.
        subscription: usize,
        /// The template's.
        expected: Algorithm,
        /// The data's.
        found: Algorithm,
    },
    /// A key for remote management of another type or of a length that the type does not have.
    #[error("{datum} is a key for {}, with a length of its own", expected.name())]
    KeyType {
        /// Which key.
        datum: Datum,
        /// The template's type.
        expected: KeyType,
    },
    /// Keys of two sets for one.
    #[error("the data have two sets of keys for {0}")]
    SecondKey(Datum),
    /// Keys for remote management without a version, for a template with several sets or with none.
    #[error("the data have OTA keys without a version, but the template has {0} key sets")]
    Version(usize),
    /// The template's plan is damaged.
    #[error("the template's plan is damaged")]
    Damaged,
}

impl PersonaliseError {
    /// The column of a file that is at fault, if it is one.
    #[must_use]
    pub fn column(&self) -> Option<String> {
        match self {
            Self::NoPlace(datum) | Self::NoDatum(datum) | Self::SecondKey(datum) => Some(datum.column()),
            Self::TooLong { datum, .. } | Self::KeyType { datum, .. } => Some(datum.column()),
            Self::Algorithm { subscription, .. } => Some(Datum::Key(*subscription).column()),
            Self::Subscriptions { .. } => Some("imsi".to_owned()),
            Self::Role(subscription) => Some(format!("role{}", subscription + 1)),
            Self::Version(_) => Some("kic".to_owned()),
            Self::Damaged => None,
        }
    }
}

/// One place for a datum.
#[derive(Clone)]
struct Place {
    datum: Datum,
    /// Octets of the template in front of the value, written with it.
    lead: Vec<u8>,
    target: Target,
}

/// Where a place is.
#[derive(Clone)]
enum Target {
    /// The value of a TLV of its own.
    Octets(Range<usize>),
    /// Octets of a file.
    File {
        /// The number of the file in the plan.
        file: usize,
        /// The first octet in the file.
        at: usize,
        /// Octets that a value fills; a shorter one is filled up with FF.
        room: usize,
        /// Whether the file may become longer.
        grows: bool,
    },
}

/// A key of the MNO-SD that a template has.
#[derive(Clone, Copy)]
struct OtaNeed {
    version: u8,
    identifier: u8,
    key_type: KeyType,
}

/// What to write where.
#[derive(Clone, Default)]
struct Plan {
    places: Vec<Place>,
    files: Vec<FilePlan>,
    /// All data with a place, sorted.
    data: Vec<Datum>,
    /// The algorithm of each subscription.
    algorithms: Vec<Algorithm>,
    /// The digits of the MNC that the template says, of each subscription.
    mnc_lengths: Vec<u8>,
    ota: Vec<OtaNeed>,
    /// The roles of the entries of a multi-IMSI table.
    roles: Vec<String>,
    /// The subscriptions that are used with the keys of the home one.
    shared: Vec<usize>,
    has_cdma_keys: bool,
}

impl Plan {
    fn has(&self, datum: Datum) -> bool {
        self.data.binary_search(&datum).is_ok()
    }

    /// The number of key sets.
    fn sets(&self) -> usize {
        let is_new = |(at, need): (usize, &OtaNeed)| {
            !self.ota.iter().take(at).any(|other| other.version == need.version)
        };
        self.ota.iter().enumerate().filter(|entry| is_new(*entry)).count()
    }

    /// Whether a set of keys is the one with this version.
    fn is_version(&self, set: &OtaKeySet, version: u8) -> bool {
        // A set without version is looked at only where the template has one set.
        set.version.is_none_or(|other| other == version)
    }

    /// Holds data against the plan: everything that they have must have a place.
    fn check(&self, data: &PersonalData) -> Result<(), PersonaliseError> {
        let (expected, found) = (self.algorithms.len(), data.subscriptions());
        if expected != found {
            return Err(PersonaliseError::Subscriptions { expected, found });
        }
        for (number, algorithm) in self.algorithms.iter().enumerate() {
            let Some((subscription, keys)) = data.subscription(number) else { continue };
            if keys.algorithm() != *algorithm {
                let (expected, found) = (*algorithm, keys.algorithm());
                return Err(PersonaliseError::Algorithm { subscription: number, expected, found });
            }
            let further = number.checked_sub(1).and_then(|place| data.further.get(place));
            if further.is_some_and(|further| self.is_another_role(number, further)) {
                return Err(PersonaliseError::Role(number));
            }
            let brings_keys = further.is_some_and(|further| further.keys.is_some());
            for (is_there, datum) in [
                (brings_keys && self.shared.contains(&number), Datum::Key(number)),
                (subscription.mnc_length.is_some(), Datum::MncLength(number)),
                (subscription.msisdn.is_some(), Datum::Msisdn(number)),
                (subscription.service_centre.is_some(), Datum::ServiceCentre(number)),
                (subscription.service_provider_name.is_some(), Datum::ServiceProviderName(number)),
                (subscription.private_identity.is_some(), Datum::PrivateIdentity(number)),
            ] {
                if is_there && !self.has(datum) {
                    return Err(PersonaliseError::NoPlace(datum));
                }
            }
            if let Some(last) = subscription.public_identities.len().checked_sub(1)
                && !self.has(Datum::PublicIdentity(number, last))
            {
                return Err(PersonaliseError::NoPlace(Datum::PublicIdentity(number, last)));
            }
        }
        for (name, _) in data.codes.iter() {
            if !self.has(Datum::Code(name)) {
                return Err(PersonaliseError::NoPlace(Datum::Code(name)));
            }
        }
        self.check_ota(&data.ota)
    }

    /// Whether the table has an entry for another role than a subscription's; a role that only counts is none.
    fn is_another_role(&self, number: usize, further: &FurtherSubscription) -> bool {
        let role = further.role.as_str();
        let counts = role.strip_prefix("imsi").is_some_and(|number| number.parse::<usize>().is_ok());
        self.roles.get(number).is_some_and(|expected| expected != role && !counts)
    }

    fn check_ota(&self, sets: &[OtaKeySet]) -> Result<(), PersonaliseError> {
        for (at, set) in sets.iter().enumerate() {
            let version = match (set.version, self.ota.first()) {
                (Some(version), _) => version,
                (None, Some(need)) if self.sets() == 1 => need.version,
                (None, _) => return Err(PersonaliseError::Version(self.sets())),
            };
            for (identifier, key) in set.iter() {
                let datum = Datum::OtaKey { version, identifier };
                let need =
                    self.ota.iter().find(|need| (need.version, need.identifier) == (version, identifier));
                let need = need.ok_or(PersonaliseError::NoPlace(datum))?;
                let expected = need.key_type;
                let is_type = set.key_type.is_none_or(|key_type| key_type == expected);
                if !is_type || !expected.fits(key.as_octets().len()) {
                    return Err(PersonaliseError::KeyType { datum, expected });
                }
                if sets.iter().take(at).any(|other| self.is_version(other, version)) {
                    return Err(PersonaliseError::SecondKey(datum));
                }
            }
        }
        Ok(())
    }
}

/// The template with slots, for data of one shape.
struct Skeleton {
    shape: Vec<usize>,
    output: Output,
}

/// What all copies of a template share.
struct Compiled {
    octets: Vec<u8>,
    plan: Plan,
    skeletons: Mutex<VecDeque<Arc<Skeleton>>>,
}

/// A package with the places of the data of one profile. A clone costs nothing.
#[derive(Clone)]
pub struct Template(Arc<Compiled>);

/// What data must have for a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// The algorithm of each subscription, the home one first.
    pub algorithms: Vec<Algorithm>,
    /// PINs, PUKs and administrative codes.
    pub codes: Vec<CodeName>,
    /// Keys of the MNO-SD: version, identifier.
    pub ota: Vec<(u8, u8)>,
}

impl Template {
    /// Finds the places of all data and tries them out.
    ///
    /// # Errors
    /// [`TemplateError`], one variant per reason.
    pub fn compile(package: &Package<'_>) -> Result<Self, TemplateError> {
        let image = ProfileImage::build_for_any_card(package)?;
        let plan = compile::plan(package, &image)?;
        let octets = package.octets().to_vec();
        let template = Self(Arc::new(Compiled { octets, plan, skeletons: Mutex::default() }));
        template.verify()?;
        Ok(template)
    }

    /// The template for the profiles of one operator: EF.SPN shows this name (TS 31.102 4.2.12), EF.AD says how many
    /// digits of the IMSI are its MNC (4.2.18). For our own template; a package of the operator's says both itself.
    ///
    /// # Errors
    /// [`TemplateError::NoOperatorFile`] if there is no such file.
    pub fn with_operator(&self, service_provider_name: &str, mnc_length: u8) -> Result<Self, TemplateError> {
        let plan = &self.0.plan;
        for (datum, file) in [(Datum::ServiceProviderName(0), "EF.SPN"), (Datum::MncLength(0), "EF.AD")] {
            if !plan.has(datum) {
                return Err(TemplateError::NoOperatorFile(file));
            }
        }
        let mut values = Values::new();
        let name = to_ef_spn(service_provider_name);
        let new = [(Datum::ServiceProviderName(0), &name[..]), (Datum::MncLength(0), &[mnc_length])];
        values.take_alone(plan, &new);
        let skeleton = self.skeleton(&values.shape)?;
        let mut octets = Zeroizing::new(Vec::new());
        write(&skeleton, &values, &mut octets)?;
        Self::compile(&Package::from_der(&octets)?)
    }

    /// The template's own octets, with its placeholders.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0.octets
    }

    /// What data must have.
    #[must_use]
    pub fn requirements(&self) -> Requirements {
        let plan = &self.0.plan;
        let codes = plan.data.iter().filter_map(|datum| match datum {
            Datum::Code(name) => Some(*name),
            _ => None,
        });
        Requirements {
            algorithms: plan.algorithms.clone(),
            codes: codes.collect(),
            ota: plan.ota.iter().map(|need| (need.version, need.identifier)).collect(),
        }
    }

    /// Whether data can have a datum: whether the template has a place for it.
    #[must_use]
    pub fn has(&self, datum: Datum) -> bool {
        self.0.plan.has(datum)
    }

    /// Whether the template has keys for CDMA, which stay the same in every package.
    #[must_use]
    pub fn has_cdma_keys(&self) -> bool {
        self.0.plan.has_cdma_keys
    }

    /// A package for one profile. For many, a [`Personaliser`] is faster.
    ///
    /// # Errors
    /// [`PersonaliseError`] for data that do not fit the template.
    pub fn personalise(&self, data: &PersonalData) -> Result<Zeroizing<Vec<u8>>, PersonaliseError> {
        let mut octets = Zeroizing::new(Vec::new());
        Personaliser::new(self).personalise(data, &mut octets)?;
        Ok(octets)
    }

    /// The skeleton for values of these lengths: one that is kept, or a new one.
    fn skeleton(&self, shape: &[usize]) -> Result<Arc<Skeleton>, PersonaliseError> {
        {
            // Whoever held the lock left the list whole: nothing in here can fail halfway.
            let kept = self.0.skeletons.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(skeleton) = kept.iter().find(|skeleton| skeleton.shape == shape) {
                return Ok(skeleton.clone());
            }
        }
        let output = self.output(shape).map_err(|_| PersonaliseError::Damaged)?;
        let skeleton = Arc::new(Skeleton { shape: shape.to_vec(), output });
        let mut kept = self.0.skeletons.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(MAX_SKELETONS - 1);
        kept.push_front(skeleton.clone());
        Ok(skeleton)
    }

    /// The template with slots of these lengths.
    fn output(&self, shape: &[usize]) -> Result<Output, simyard_asn1::Error> {
        let Compiled { octets, plan, .. } = &*self.0;
        let mut edits = Vec::new();
        let mut in_files: Vec<Vec<Value>> = vec![Vec::new(); plan.files.len()];
        let present = plan.places.iter().zip(shape).enumerate().filter(|(_, (_, length))| **length != ABSENT);
        for (place, (target, length)) in
            present.map(|(place, (found, length))| (place, (&found.target, *length)))
        {
            match target {
                Target::Octets(range) => edits.push(Edit::value(place, range.clone(), length)),
                Target::File { file, at, .. } => {
                    if let Some(values) = in_files.get_mut(*file) {
                        values.push(Value { place, at: *at, length });
                    }
                }
            }
        }
        for (file, values) in plan.files.iter().zip(&in_files).filter(|(_, values)| !values.is_empty()) {
            edits.extend(file.edits(octets, values)?);
        }
        skeleton::apply(octets, edits)
    }
}

/// Makes packages from one template, with buffers that are used again and again.
pub struct Personaliser<'a> {
    template: &'a Template,
    values: Values,
    last: Option<Arc<Skeleton>>,
}

impl<'a> Personaliser<'a> {
    /// For one template.
    #[must_use]
    pub fn new(template: &'a Template) -> Self {
        Self { template, values: Values::new(), last: None }
    }

    /// Holds data against the template, as if a package were made.
    ///
    /// # Errors
    /// [`PersonaliseError`] for data that do not fit the template.
    pub fn check(&mut self, data: &PersonalData) -> Result<(), PersonaliseError> {
        let plan = &self.template.0.plan;
        plan.check(data)?;
        self.values.take(plan, data)
    }

    /// Writes the package for one profile over what `package` holds, without freeing it where it is large enough.
    ///
    /// # Errors
    /// [`PersonaliseError`] for data that do not fit the template; `package` is then not changed.
    pub fn personalise(
        &mut self,
        data: &PersonalData,
        package: &mut Zeroizing<Vec<u8>>,
    ) -> Result<(), PersonaliseError> {
        self.check(data)?;
        let skeleton = match self.last.take() {
            Some(last) if last.shape == self.values.shape => last,
            _ => self.template.skeleton(&self.values.shape)?,
        };
        let written = write(&skeleton, &self.values, package);
        self.last = Some(skeleton);
        written
    }
}

/// Copies a skeleton and writes the values over its slots.
fn write(
    skeleton: &Skeleton,
    values: &Values,
    package: &mut Zeroizing<Vec<u8>>,
) -> Result<(), PersonaliseError> {
    let Output { octets, slots } = &skeleton.output;
    if package.capacity() < octets.len() {
        // The old one is wiped as it is dropped; growing it in place would leave a copy.
        *package = Zeroizing::new(Vec::with_capacity(octets.len()));
    }
    package.clear();
    package.extend_from_slice(octets);
    for slot in slots {
        let value = values.get(slot.place);
        let target =
            package.get_mut(slot.range.clone()).and_then(|slot| slot.split_at_mut_checked(value.len()));
        let (target, filler) = target.ok_or(PersonaliseError::Damaged)?;
        target.copy_from_slice(value);
        filler.fill(0xFF);
    }
    Ok(())
}
