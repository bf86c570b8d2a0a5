//! Labels: what the owner of a fleet calls eUICCs by, such as `region=north`. They mean nothing to Simyard; fleets are divided
//! by them.

use std::fmt;

/// The longest name and the longest value, in octets.
pub const LABEL_TEXT_MAX: usize = 64;
/// Labels of one eUICC at most.
pub const LABELS_MAX: usize = 32;
/// Labels that are asked for together at most.
pub const SELECTED_MAX: usize = 4;

/// The name of a label: 1 to 64 of the characters `a` to `z`, digits, `.`, `_` and `-`, beginning with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelName(String);

impl LabelName {
    /// Reads a name; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=LABEL_TEXT_MAX).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-'));
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LabelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The value of a label: 1 to 64 octets without control characters, commas and quotation marks, and without blanks at its ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelValue(String);

impl LabelValue {
    /// Reads a value; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=LABEL_TEXT_MAX).contains(&text.len())
            && text.trim() == text
            && !text.chars().any(|c| c.is_control() || matches!(c, ',' | '"'));
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LabelValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// Its name: an eUICC has one label of a name.
    pub name: LabelName,
    /// Its value.
    pub value: LabelValue,
}

/// Why a text is no label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Another form.
    #[error(
        "expected a label such as region=north: a name of a to z, digits, '.', '_' and '-' that begins with a letter, and a \
         value without commas and quotation marks, each of 1 to {LABEL_TEXT_MAX} octets; found {0:?}"
    )]
    Form(String),
    /// The same name with two values.
    #[error("{0} is named twice: an eUICC has one label of a name")]
    Twice(LabelName),
    /// Too many at once.
    #[error("{0} labels are asked for together, more than {SELECTED_MAX}")]
    TooMany(usize),
    /// None at all.
    #[error("no label is named")]
    None,
}

impl Label {
    /// Reads `NAME=VALUE`.
    ///
    /// # Errors
    /// [`LabelError::Form`] for any other text.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        let parsed = text.split_once('=').and_then(|(name, value)| {
            Some(Self { name: LabelName::parse(name)?, value: LabelValue::parse(value)? })
        });
        parsed.ok_or_else(|| LabelError::Form(text.chars().take(2 * LABEL_TEXT_MAX).collect()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

/// Labels that an eUICC must have all of to be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelection(Vec<Label>);

impl LabelSelection {
    /// Of 1 to [`SELECTED_MAX`] labels, each of another name.
    ///
    /// # Errors
    /// [`LabelError`] of any others.
    pub fn of(labels: Vec<Label>) -> Result<Self, LabelError> {
        if labels.is_empty() {
            return Err(LabelError::None);
        }
        if labels.len() > SELECTED_MAX {
            return Err(LabelError::TooMany(labels.len()));
        }
        for (place, label) in labels.iter().enumerate() {
            if labels.iter().skip(place + 1).any(|other| other.name == label.name) {
                return Err(LabelError::Twice(label.name.clone()));
            }
        }
        Ok(Self(labels))
    }

    /// Reads labels with commas between.
    ///
    /// # Errors
    /// [`LabelError`].
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        Self::of(text.split(',').map(Label::parse).collect::<Result<_, _>>()?)
    }

    /// The label of this place; the first one again behind the last, which asks for nothing more.
    #[must_use]
    pub fn padded(&self, place: usize) -> Option<&Label> {
        self.0.get(place).or_else(|| self.0.first())
    }
}

impl fmt::Display for LabelSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_read_as_it_is_written() {
        for text in ["region=north", "a=b=c", "site.no_7-x=Köln Süd", &format!("{0}={0}", "x".repeat(64))] {
            assert_eq!(Label::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "region",
            "=x",
            "region=",
            "Region=x",
            "7=x",
            "region= x",
            "region=a,b",
            "region=\"a\"",
            "region=a\tb",
            "régio=x",
            &format!("{}=x", "x".repeat(65)),
            &format!("x={}", "x".repeat(65)),
        ] {
            assert!(matches!(Label::parse(text), Err(LabelError::Form(_))), "{text}");
        }
    }

    #[test]
    fn a_selection_is_bounded_and_names_each_label_once() {
        let selection = LabelSelection::parse("a=1,b=2").unwrap();
        assert_eq!(selection.to_string(), "a=1,b=2");
        let padded: Vec<String> = (0..3).map(|place| selection.padded(place).unwrap().to_string()).collect();
        assert_eq!(padded, ["a=1", "b=2", "a=1"]);
        assert!(matches!(LabelSelection::parse("a=1,a=2"), Err(LabelError::Twice(_))));
        assert!(matches!(LabelSelection::parse("a=1,b=1,c=1,d=1,e=1"), Err(LabelError::TooMany(5))));
        assert!(matches!(LabelSelection::parse(""), Err(LabelError::Form(_))));
        assert_eq!(LabelSelection::of(Vec::new()), Err(LabelError::None));
    }
}
