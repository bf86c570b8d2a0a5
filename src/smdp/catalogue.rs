//! The profile types: what is told of their profiles, and how a profile's package is made.

use std::borrow::Cow;
use std::collections::HashMap;

use simyard_asn1::saip;
use zeroize::Zeroizing;

use crate::crypto::seal::{SealError, Sealer};
use crate::domain::{Demands, KeyMode, Mode, NotEligible, Order, PackageNeeds, ProfileType};
use crate::profile::metadata::{InvalidMetadata, ProfileMetadata};
use crate::profile::personal_data::{InvalidPersonalData, PersonalData};
use crate::profile::plan::{PersonaliseError, Template};
use crate::profile::test_profile::{TestProfile, of_data, of_package};
use crate::store::{Package, PackageKind};

/// One profile type.
pub struct Product {
    /// What is told of its profiles.
    pub metadata: ProfileMetadata,
    /// The keys of its profiles' segments.
    pub key_mode: KeyMode,
    /// What personal data is put into; `None` for a type whose profiles come as ready-made packages.
    pub template: Option<Template>,
    /// What packages of the template need of an eUICC.
    pub needs: Option<PackageNeeds>,
    /// What else the operator demands of eUICCs and devices.
    pub demands: Demands,
    /// What becomes of an order whose profile does not fit.
    pub not_eligible: NotEligible,
}

impl Product {
    /// What the package of a profile needs of an eUICC, if anybody knows.
    #[must_use]
    pub const fn needs_of(&self, content: &Package) -> Option<PackageNeeds> {
        match content.kind {
            PackageKind::PersonalData => self.needs,
            PackageKind::ReadyMade => content.needs,
        }
    }
}

/// All profile types by name.
#[derive(Default)]
pub struct Catalogue {
    products: HashMap<ProfileType, Product>,
    mode: Mode,
}

/// Why a profile's package could not be made: faults of the server.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The sealed content could not be opened.
    #[error("the content of the profile could not be opened: {0}")]
    Seal(#[from] SealError),
    /// The opened content is no personal data.
    #[error("the content of the profile is no personal data: {0}")]
    Data(#[from] InvalidPersonalData),
    /// The profile is personal data, but its type has no template.
    #[error("profile type {0} has no template")]
    NoTemplate(ProfileType),
    /// A test profile, outside test mode (2.4.5.3).
    #[error("it is a test profile, which leaves a server with mode = \"test\" alone: {0}")]
    TestProfile(TestProfile),
    /// The data does not fit the template.
    #[error("the personal data does not fit the template: {0}")]
    Personalise(#[from] PersonaliseError),
}

impl Product {
    /// What is told of an order's profile: as the order says, or this type.
    ///
    /// # Errors
    /// [`InvalidMetadata`] for what another version of Simyard wrote down with the order.
    pub fn metadata_of<'a>(&'a self, order: &Order) -> Result<Cow<'a, ProfileMetadata>, InvalidMetadata> {
        match order.terms().and_then(|terms| terms.metadata.as_ref()) {
            Some(own) => ProfileMetadata::from_store_metadata(own, &order.iccid).map(Cow::Owned),
            None => Ok(Cow::Borrowed(&self.metadata)),
        }
    }
}

impl Catalogue {
    /// Without a profile type yet.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self { products: HashMap::new(), mode }
    }

    /// Adds a profile type, or replaces it.
    pub fn add(&mut self, name: ProfileType, product: Product) {
        self.products.insert(name, product);
    }

    /// A profile type.
    #[must_use]
    pub fn product(&self, name: &ProfileType) -> Option<&Product> {
        self.products.get(name)
    }

    /// The keys of the segments of an order's profile: as the order says, or its type.
    #[must_use]
    pub fn key_mode(&self, order: &Order) -> KeyMode {
        let own = order.terms().and_then(|terms| terms.key_mode);
        let of_type = || self.product(&order.profile_type).map(|product| product.key_mode);
        own.or_else(of_type).unwrap_or_default()
    }

    /// The unprotected profile package of an order. Outside test mode no test profile leaves, even if it came in before
    /// the mode was changed.
    ///
    /// # Errors
    /// [`PackageError`].
    pub fn package(
        &self,
        sealer: &Sealer,
        order: &Order,
        content: &Package,
    ) -> Result<Zeroizing<Vec<u8>>, PackageError> {
        let opened = sealer.open(&Package::place(&order.iccid), &content.sealed)?;
        match content.kind {
            PackageKind::ReadyMade => {
                if self.mode == Mode::Production {
                    let found = saip::Package::from_der(&opened).ok().and_then(|read| of_package(&read));
                    refuse(found)?;
                }
                Ok(opened)
            }
            PackageKind::PersonalData => {
                let template = self
                    .product(&order.profile_type)
                    .and_then(|product| product.template.as_ref())
                    .ok_or_else(|| PackageError::NoTemplate(order.profile_type.clone()))?;
                let data = PersonalData::from_octets(&opened)?;
                if self.mode == Mode::Production {
                    refuse(of_data(&data))?;
                }
                Ok(template.personalise(&data)?)
            }
        }
    }
}

fn refuse(found: Option<TestProfile>) -> Result<(), PackageError> {
    found.map_or(Ok(()), |found| Err(PackageError::TestProfile(found)))
}
