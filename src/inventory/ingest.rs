//! A delivery into the store, whole or not at all.
//!
//! What is secret is sealed for its place before the store sees it. The same file again is refused: its numbers are in
//! the stock.

use serde::Serialize;
use simyard_asn1::saip;

use super::csv::{self, Faults, FileError, RowFault, Subscription};
use crate::crypto::hash::sha256;
use crate::crypto::seal::{SealError, Sealer};
use crate::domain::{Mode, Operator, ProfileType};
use crate::env::{Clock, Rng};
use crate::ident::Iccid;
use crate::profile::identity::{IdentityError, PackageIdentity};
use crate::profile::needs::needs;
use crate::profile::plan::Template;
use crate::profile::test_profile::{self, TestProfile};
use crate::store::{
    Batch, BatchError, Constraint, DuplicateOf, NewProfile, Package, PackageKind, Store, StoreError,
};

/// The largest ready-made package.
pub const MAX_PACKAGE_OCTETS: usize = 1024 * 1024;

/// Where deliveries go.
pub struct Inventory {
    /// The store.
    pub store: Store,
    /// Seals what is secret.
    pub sealer: Sealer,
    /// The time.
    pub clock: Clock,
    /// Identifiers of batches.
    pub rng: Rng,
    /// Whether test profiles come in.
    pub mode: Mode,
}

/// Whose profiles are delivered, and of which type.
#[derive(Clone)]
pub struct Delivery {
    /// The operator that will own them.
    pub owner: Operator,
    /// Their type.
    pub profile_type: ProfileType,
    /// What the type makes packages from: rows that do not fit it are refused. `None` where that shows later, when the
    /// first package is made.
    pub template: Option<Template>,
}

/// What the manufacturer gets back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The batch, by which the delivery is known from now on.
    pub batch_id: String,
    /// Profiles that are in the stock now.
    pub profiles: usize,
    /// The ICCID of the first row.
    pub first_iccid: Option<Iccid>,
    /// The ICCID of the last row.
    pub last_iccid: Option<Iccid>,
    /// The operator that owns them.
    pub owner: String,
    /// Their type.
    pub profile_type: String,
    /// The SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// When, as ISO 8601.
    pub received_at: String,
}

/// Why nothing of a delivery was taken.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The file, or rows of it.
    #[error(transparent)]
    File(#[from] FileError),
    /// The package is too large.
    #[error("the package has more than {MAX_PACKAGE_OCTETS} octets")]
    PackageTooLarge,
    /// The octets are no package.
    #[error("the package cannot be read: {0}")]
    PackageForm(#[from] simyard_asn1::Error),
    /// The package does not say which profile it is.
    #[error(transparent)]
    PackageIdentity(#[from] IdentityError),
    /// A test profile, outside test mode (SGP.22 2.4.5.3).
    #[error("the package is a test profile: {0}; only a server with mode = \"test\" takes it")]
    TestProfile(TestProfile),
    /// The package's ICCID or IMSI is in the stock already.
    #[error("the package's {0} is in the stock already")]
    PackageInStock(&'static str),
    /// The secrets could not be sealed.
    #[error("the secrets could not be sealed: {0}")]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Inventory {
    /// Takes a manufacturer's file ([`csv`]). `progress` hears how many profiles went in, of how many.
    ///
    /// # Errors
    /// [`IngestError`]; nothing was taken then.
    pub async fn ingest_csv(
        &self,
        file: &[u8],
        delivery: &Delivery,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Receipt, IngestError> {
        let subscriptions = csv::read(file, delivery.template.as_ref(), &self.rng)?;
        self.refuse_test_profiles(&subscriptions)?;
        let mut profiles = Vec::with_capacity(subscriptions.len());
        for subscription in &subscriptions {
            let place = Package::place(&subscription.data.iccid);
            let sealed = self.sealer.seal(&place, &subscription.data.to_octets())?;
            profiles.push(NewProfile {
                iccid: subscription.data.iccid.clone(),
                imsi: Some(subscription.data.home.imsi.clone()),
                msisdn: subscription.data.home.msisdn.as_ref().map(|number| number.as_str().to_owned()),
                package: Package { kind: PackageKind::PersonalData, sealed, needs: None },
            });
        }
        let total = profiles.len();
        let inserted = self.insert(file, delivery, &profiles, |done| progress(done, total)).await;
        inserted.map_err(|error| match error {
            BatchError::Store(error) => IngestError::Store(error),
            BatchError::Duplicates(duplicates) => {
                let mut faults = Faults::default();
                for duplicate in duplicates {
                    let line = subscriptions.get(duplicate.place).map_or(0, |subscription| subscription.line);
                    faults.add(line, column(duplicate.of), RowFault::InStock);
                }
                match faults.into_result() {
                    Err(error) => IngestError::File(error),
                    Ok(()) => IngestError::Store(StoreError::InUse(Constraint::Iccid)),
                }
            }
        })
    }

    /// Takes a ready-made profile package: its ICCID and IMSI are read from it, and it is sealed whole.
    ///
    /// # Errors
    /// [`IngestError`]; nothing was taken then.
    pub async fn ingest_package(&self, der: &[u8], delivery: &Delivery) -> Result<Receipt, IngestError> {
        if der.len() > MAX_PACKAGE_OCTETS {
            return Err(IngestError::PackageTooLarge);
        }
        let read = saip::Package::from_der(der)?;
        let identity = PackageIdentity::read(&read)?;
        if let (Mode::Production, Some(found)) = (self.mode, test_profile::of_package(&read)) {
            return Err(IngestError::TestProfile(found));
        }
        let sealed = self.sealer.seal(&Package::place(&identity.iccid), der)?;
        let package = Package { kind: PackageKind::ReadyMade, sealed, needs: needs(&read) };
        let profile = NewProfile { iccid: identity.iccid, imsi: identity.imsi, msisdn: None, package };
        self.insert(der, delivery, &[profile], |_| {}).await.map_err(|error| match error {
            BatchError::Store(error) => IngestError::Store(error),
            BatchError::Duplicates(duplicates) => {
                IngestError::PackageInStock(duplicates.first().map_or("number", |first| column(first.of)))
            }
        })
    }

    /// Outside test mode no profile comes in whose keys everybody has.
    fn refuse_test_profiles(&self, subscriptions: &[Subscription]) -> Result<(), FileError> {
        let mut faults = Faults::default();
        if self.mode == Mode::Production {
            for Subscription { line, data } in subscriptions {
                if let Some(found) = test_profile::of_data(data) {
                    faults.add(*line, "ki", RowFault::TestProfile(found));
                }
            }
        }
        faults.into_result()
    }

    async fn insert(
        &self,
        file: &[u8],
        delivery: &Delivery,
        profiles: &[NewProfile],
        progress: impl FnMut(usize),
    ) -> Result<Receipt, BatchError> {
        let digest = sha256(file);
        let batch = Batch {
            batch_id: hex::encode_upper(self.rng.array::<8>()),
            owner: delivery.owner.clone(),
            profile_type: delivery.profile_type.clone(),
            digest,
            received_at: self.clock.now(),
        };
        self.store.insert_batch(&batch, profiles, progress).await?;
        Ok(Receipt {
            batch_id: batch.batch_id,
            profiles: profiles.len(),
            first_iccid: profiles.first().map(|profile| profile.iccid.clone()),
            last_iccid: profiles.last().map(|profile| profile.iccid.clone()),
            owner: delivery.owner.to_string(),
            profile_type: delivery.profile_type.to_string(),
            sha256: hex::encode(digest),
            received_at: batch.received_at.to_string(),
        })
    }
}

const fn column(of: DuplicateOf) -> &'static str {
    match of {
        DuplicateOf::Iccid => "iccid",
        DuplicateOf::Imsi => "imsi",
    }
}
