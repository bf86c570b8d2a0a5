//! Conformance suites whose eUICCs sign with dummies (cargo feature `laboratory`): what does not verify is recorded, as
//! unverified, in place of being refused. Only where the settings permit a laboratory, and never in a release build: the
//! feature does not compile there.

use simyard_asn1::iot::result::EuiccPackageResult;

use crate::eim::Eim;
use crate::eim::verify::{Unbelieved, VerifiedResult};
use crate::store::EimPackage;

/// What is taken in place of a result that was refused.
///
/// # Errors
/// Why it was refused, or another rule that is broken.
#[cfg(feature = "laboratory")]
pub(in crate::eim) fn in_place<'a>(
    eim: &Eim,
    result: &EuiccPackageResult<'a>,
    eim_id: &str,
    package: &EimPackage,
    refused: Unbelieved,
) -> Result<VerifiedResult<'a>, Unbelieved> {
    let is_of_signature =
        matches!(refused, Unbelieved::Signature | Unbelieved::NoCertificate | Unbelieved::Certificate(_));
    if eim.laboratory != super::Laboratory::Open || !is_of_signature {
        return Err(refused);
    }
    tracing::warn!(eid = %package.eid, why = %refused, "a result is recorded as unverified");
    crate::eim::verify::unverified_result(result, eim_id, package)
}

/// Why it was refused: this build is not for laboratories.
///
/// # Errors
/// Always.
#[cfg(not(feature = "laboratory"))]
pub(in crate::eim) const fn in_place<'a>(
    _: &Eim,
    _: &EuiccPackageResult<'a>,
    _: &str,
    _: &EimPackage,
    refused: Unbelieved,
) -> Result<VerifiedResult<'a>, Unbelieved> {
    Err(refused)
}
