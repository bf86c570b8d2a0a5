//! How profiles come onto an eUICC: three standards, three kinds of eUICC, and one does not do what another is asked.

use std::fmt;

/// The standard that an eUICC follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// M2M: an SM-SR pushes.
    Sgp02,
    /// Consumer: an LPA pulls.
    Sgp22,
    /// IoT: an IPA pulls, an eIM decides.
    Sgp32,
}

impl Architecture {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sgp02, Self::Sgp22, Self::Sgp32];

    /// Its name in files and settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sgp02 => "sgp02",
            Self::Sgp22 => "sgp22",
            Self::Sgp32 => "sgp32",
        }
    }

    /// Reads a name, in any case, with or without a dot: `SGP.32`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain: String = text.chars().filter(|c| *c != '.').map(|c| c.to_ascii_lowercase()).collect();
        Self::ALL.into_iter().find(|architecture| architecture.name() == plain)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_people_write_them() {
        for (text, expected) in [
            ("sgp22", Some(Architecture::Sgp22)),
            ("SGP.32", Some(Architecture::Sgp32)),
            ("Sgp02", Some(Architecture::Sgp02)),
            ("sgp42", None),
            ("", None),
        ] {
            assert_eq!(Architecture::parse(text), expected, "{text}");
        }
    }
}
