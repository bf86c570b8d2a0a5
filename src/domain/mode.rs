//! Whether a server is for tests or for people.

use std::fmt;

/// What a server is for; a setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Laboratories and demonstrations: test profiles come in and go out.
    Test,
    /// Test profiles are refused: everybody has their keys.
    #[default]
    Production,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Test => "test",
            Self::Production => "production",
        })
    }
}
