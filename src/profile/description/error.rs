//! What is wrong with a description, and where.

use toml::Value;

use crate::profile::content::ContentError;

/// A description cannot become a package. Values are not repeated, for they may be keys, except those of files that hold none.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// The text is longer than [`super::MAX_TEXT`].
    #[error("the description has {0} octets, at most {max} are read", max = super::MAX_TEXT)]
    TooLong(usize),
    /// The text is no TOML.
    #[error("the description is no TOML: line {line}, column {column}: {message}")]
    Toml {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there, without the line itself.
        message: String,
    },
    /// The text is TOML and no description.
    #[error(transparent)]
    Place(#[from] Box<Fault>),
    /// What was made cannot be read as a package: a `der` or `hex` in it is not well formed.
    #[error("the elements do not make a package")]
    Package(#[from] simyard_asn1::Error),
}

impl DescriptionError {
    /// No TOML. What the parser prints by itself shows the line, which may hold a key.
    pub(super) fn toml(text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self::Toml {
            line: 1 + before.matches('\n').count(),
            column: 1 + line.chars().count(),
            message: error.message().to_owned(),
        }
    }
}

/// What is wrong at one place.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Fault {
    /// Element, file, member.
    pub place: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a value.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A value of another kind.
    #[error("{expected} expected, not {found}")]
    Kind {
        /// What is expected.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// Text that is spelt in another way.
    #[error("{0} expected")]
    Spelling(&'static str),
    /// A value that is not allowed.
    #[error("{0}")]
    Value(String),
    /// A member that is not known.
    #[error("unknown member {name}; there are {known}")]
    Unknown {
        /// Its name.
        name: String,
        /// Those that are known.
        known: String,
    },
    /// A member that must be there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The content of a file cannot be written.
    #[error("{0}")]
    Content(#[from] ContentError),
    /// A problem further inside.
    #[error("{place}: {problem}")]
    Under {
        /// The member.
        place: String,
        /// What is wrong there.
        problem: Box<Self>,
    },
}

impl Problem {
    /// Another kind of value than expected.
    pub(super) const fn expected(expected: &'static str, found: &Value) -> Self {
        let found = match found {
            Value::String(_) => "text",
            Value::Integer(_) => "a number",
            Value::Float(_) => "a decimal fraction",
            Value::Boolean(_) => "true or false",
            Value::Datetime(_) => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        };
        Self::Kind { expected, found }
    }

    /// None of the names that are known.
    pub(super) fn one_of(names: String) -> Self {
        Self::Value(format!("one of {names} expected"))
    }

    /// A member that is not known.
    pub(super) fn unknown(name: &str, known: &[&str]) -> Self {
        Self::Unknown { name: name.to_owned(), known: known.join(", ") }
    }

    /// The same problem, seen from further out.
    pub(super) fn under(self, place: impl Into<String>) -> Self {
        Self::Under { place: place.into(), problem: Box::new(self) }
    }
}
