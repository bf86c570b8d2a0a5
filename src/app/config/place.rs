//! Where a setting stands, and what is told of one that cannot be used.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {cause}; `simyard serve --config FILE` names another one")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file of an order's metadata cannot be read.
    #[error("cannot read {path}: {cause}")]
    Metadata {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The text is not TOML, a setting is unknown, or a value has another form; the text shows the line.
    #[error("{path}: {cause}")]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with line and column.
        cause: toml::de::Error,
    },
    /// A value that no server can work with.
    #[error("{place}: {message}")]
    Value {
        /// Where it stands.
        place: Place,
        /// What is wrong, and what was expected.
        message: String,
    },
}

/// Where a setting stands: file and line, or the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub(super) path: PathBuf,
    pub(super) line: Option<usize>,
    pub(super) setting: &'static str,
}

impl Place {
    /// An error about what stands there.
    #[must_use]
    pub fn error(&self, message: impl Into<String>) -> ConfigError {
        ConfigError::Value { place: self.clone(), message: message.into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path.display(), self.setting),
            None => write!(f, "{}: {} (not set in the file)", self.path.display(), self.setting),
        }
    }
}

/// A file that a setting names, and where the setting stands.
#[derive(Clone, Debug)]
pub struct FileSetting {
    /// The file.
    pub path: PathBuf,
    /// The setting.
    pub place: Place,
}

impl FileSetting {
    /// A file that the command line names.
    #[must_use]
    pub fn of_command_line(path: &Path) -> Self {
        let place = Place { path: "command line".into(), line: None, setting: "file" };
        Self { path: path.to_owned(), place }
    }

    /// An error about this file.
    #[must_use]
    pub fn error(&self, cause: &dyn fmt::Display) -> ConfigError {
        ConfigError::Value { place: self.place.clone(), message: cause.to_string() }
    }
}
