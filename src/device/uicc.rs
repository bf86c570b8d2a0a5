//! The file system and the USIM of the enabled profile (TS 102 221, TS 31.102).

use super::apdu::{Command, Response, StatusWord};
use crate::profile::image::{NodeId, ProfileImage};

/// Where a logical channel stands in the file system.
pub(super) struct Position {
    /// The current directory.
    pub(super) directory: NodeId,
    /// The current file in it.
    pub(super) file: Option<NodeId>,
}

impl Default for Position {
    fn default() -> Self {
        Self { directory: NodeId::MF, file: None }
    }
}

/// A running profile.
pub(super) struct Uicc {
    image: ProfileImage,
    changed: bool,
}

impl Uicc {
    /// Starts a profile: no PIN is verified.
    pub(super) const fn new(image: ProfileImage) -> Self {
        Self { image, changed: false }
    }

    /// The profile, if a command changed it since the last time.
    pub(super) fn take_changed(&mut self) -> Option<&ProfileImage> {
        std::mem::take(&mut self.changed).then_some(&self.image)
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
