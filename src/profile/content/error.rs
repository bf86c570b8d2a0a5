//! Why a content in words cannot be turned into octets.

use std::fmt::Display;

use toml::Value;

/// Characters of a value that an error repeats.
const SHOWN: usize = 64;

/// Why a value is no content of a file. It says which file, what was expected and what came; of files that hold keys
/// it does not repeat what came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// The file's content has no form in words.
    #[error("the content of {file} has no form in words: give its octets in hexadecimal digits")]
    NoForm {
        /// The file's name.
        file: String,
    },
    /// A value has another type, is no word of the list, or lies outside its limits.
    #[error("{file}{}: expected {expected}, found {found}", place(.member))]
    Value {
        /// The file's name.
        file: String,
        /// The member of the value, in the notation of TOML; empty for the value itself.
        member: String,
        /// What the member may be.
        expected: String,
        /// What came.
        found: String,
    },
    /// The content does not fit.
    #[error(
        "{file}: the content takes {needed} octets, but there are {room}: shorten it, or make the file larger"
    )]
    TooLong {
        /// The file's name.
        file: String,
        /// Octets that the content takes.
        needed: usize,
        /// Octets that there are.
        room: usize,
    },
}

fn place(member: &str) -> String {
    if member.is_empty() { String::new() } else { format!(", {member}") }
}

/// A refusal by a codec, which does not know the name of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A member of a value is not what it should be.
    Value {
        /// The member; empty for the value itself.
        member: String,
        /// What it may be.
        expected: String,
        /// What came.
        found: Found,
    },
    /// The content takes more octets than there are.
    TooLong {
        /// Octets that the content takes.
        needed: usize,
        /// Octets that there are.
        room: usize,
    },
}

/// What came: shown where the file is not secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The kind of value.
    kind: &'static str,
    /// The value as text, cut.
    text: String,
}

impl Refusal {
    /// `value` is not what was expected.
    pub(super) fn value(expected: impl Display, value: &Value) -> Self {
        let text: String = value.to_string().chars().take(SHOWN).collect();
        Self::Value {
            member: String::new(),
            expected: expected.to_string(),
            found: Found { kind: value.type_str(), text },
        }
    }

    /// `text` is not what was expected.
    pub(super) fn text(expected: impl Display, text: &str) -> Self {
        Self::value(expected, &Value::String(text.to_owned()))
    }

    /// A member that must be there is not.
    pub(super) fn missing(member: &str, expected: impl Display) -> Self {
        let found = Found { kind: "nothing", text: "nothing".to_owned() };
        Self::Value { member: member.to_owned(), expected: expected.to_string(), found }
    }

    /// The same about a member: `member` is put in front of what is named already.
    pub(super) fn within(self, outer: impl Display) -> Self {
        match self {
            Self::Value { member, expected, found } => {
                let dot = if member.is_empty() || member.starts_with('[') { "" } else { "." };
                Self::Value { member: format!("{outer}{dot}{member}"), expected, found }
            }
            too_long @ Self::TooLong { .. } => too_long,
        }
    }

    /// The same about an entry of a list, which are counted from 1.
    pub(super) fn entry(self, index: usize) -> Self {
        self.within(format_args!("[{}]", index.saturating_add(1)))
    }

    /// The error about a file; `secret` files do not show what came.
    pub(super) fn about(self, file: &str, secret: bool) -> ContentError {
        let file = file.to_owned();
        match self {
            Self::Value { member, expected, found } => {
                let found = if secret { format!("another {}", found.kind) } else { found.text };
                ContentError::Value { file, member, expected, found }
            }
            Self::TooLong { needed, room } => ContentError::TooLong { file, needed, room },
        }
    }
}
