//! The file system and the USIM of the enabled profile (TS 102 221, TS 31.102).

use simyard_asn1::saip::Package;
use zeroize::Zeroizing;

use super::apdu::{Command, Response, StatusWord};
use crate::profile::identity::{IdentityError, PackageIdentity};

/// Why a package makes no profile.
pub(super) enum InstallFailure {
    /// Header and EF.ICCID differ.
    DataMismatch,
    /// An element failed: EUICCResponse as DER.
    Element(Vec<u8>),
}

/// Where a logical channel stands in the file system.
#[derive(Default)]
pub(super) struct Position {}

/// A running profile.
pub(super) struct Uicc {
    iccid: [u8; 10],
}

impl Uicc {
    /// Builds a profile from a package that is being installed.
    pub(super) fn install(package: &[u8]) -> Result<Self, InstallFailure> {
        let package = Package::from_der(package).map_err(|_| InstallFailure::Element(Vec::new()))?;
        match PackageIdentity::read(&package) {
            Ok(identity) => Ok(Self { iccid: identity.iccid.to_bcd() }),
            Err(IdentityError::IccidMismatch { .. }) => Err(InstallFailure::DataMismatch),
            Err(_) => Err(InstallFailure::Element(Vec::new())),
        }
    }

    pub(super) fn start(package: &[u8], _changes: Option<&[u8]>) -> Result<Self, String> {
        Self::install(package).map_err(|_| "the kept package cannot be read".to_owned())
    }

    pub(super) const fn iccid(&self) -> &[u8; 10] {
        &self.iccid
    }

    pub(super) fn take_changes(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        None
    }

    pub(super) fn select_application(&mut self, _aid: &[u8]) -> Result<(Position, Vec<u8>), StatusWord> {
        Err(StatusWord::FILE_NOT_FOUND)
    }

    pub(super) fn command(
        &mut self,
        _position: &mut Position,
        _command: &Command<'_>,
        _proprietary: bool,
    ) -> Response {
        StatusWord::UNKNOWN_INSTRUCTION.into()
    }
}
