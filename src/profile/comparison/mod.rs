//! What two packages mean differently: the model behind `simyard profile diff`.
//!
//! [`compare`] compares two [`Overview`]s item by item: files by application and identifiers, PINs by directory and key
//! reference, keys of applications, keys of security domains by AID, version and identifier, and so on. The order of
//! elements, their identification numbers, temporary identifiers, and the way in which a content is written (one fill
//! or several, a pattern, the template's default or the same octets) make no difference. Whether elements are mandated
//! and which templates they name does. Secrets are compared; they show only if the models were built so.
//!
//! # The JSON form
//!
//! [`Comparison`] as JSON is stable in the same way as [`Overview`]. Each of its `differences` has an `area`, a `subject`
//! (a path, an AID), a `member` where one is meant, and a `change`:
//!
//! | `change` | further members |
//! |---|---|
//! | `only_in_first`, `only_in_second` | `files`: how many files lie below a directory |
//! | `changed` | `first`, `second` |
//! | `entries` | `removed`, `added`: entries of a list |
//! | `order` | `first`, `second`: lists with the same entries |
//! | `secret` | `first`, `second`: secrets, masked unless revealed |

mod content;
mod items;
pub mod text;

use std::collections::HashMap;

use serde::Serialize;
use toml::Value;

use super::overview::{Access, Overview, Said, Secret};

/// The version of the JSON form.
pub const FORMAT_VERSION: u32 = 1;

/// What two packages mean differently.
#[derive(Clone, Serialize)]
pub struct Comparison {
    /// The version of the JSON form.
    pub version: u32,
    /// The differences: areas in the order of [`Area`].
    pub differences: Vec<Difference>,
}

/// One difference.
#[derive(Clone, PartialEq, Serialize)]
pub struct Difference {
    /// What kind of thing differs.
    pub area: Area,
    /// Which one.
    pub subject: String,
    /// What about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// How.
    #[serde(flatten)]
    pub change: Change,
}

/// What kind of thing differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// The profile header.
    Header,
    /// An element: mandated or not, its template.
    Element,
    /// A network access application.
    Application,
    /// The keys of an application.
    Aka,
    /// A PIN.
    Pin,
    /// A PUK.
    Puk,
    /// A file or directory.
    File,
    /// A security domain.
    SecurityDomain,
    /// A key of a security domain.
    Key,
    /// Remote file management.
    RemoteFileManagement,
    /// A load package or an instance.
    Applet,
    /// Content that one issuer defines, or an element that is not known.
    Other,
}

/// How a thing differs.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    /// The second package does not have it.
    OnlyInFirst {
        /// How many files lie below it.
        #[serde(skip_serializing_if = "Option::is_none")]
        files: Option<usize>,
    },
    /// The first package does not have it.
    OnlyInSecond {
        /// How many files lie below it.
        #[serde(skip_serializing_if = "Option::is_none")]
        files: Option<usize>,
    },
    /// It has another value.
    Changed {
        /// In the first package; not there, if that says nothing.
        #[serde(skip_serializing_if = "Option::is_none")]
        first: Option<Value>,
        /// In the second package.
        #[serde(skip_serializing_if = "Option::is_none")]
        second: Option<Value>,
    },
    /// The list has other entries.
    Entries {
        /// Those of the first package alone.
        removed: Vec<Value>,
        /// Those of the second package alone.
        added: Vec<Value>,
    },
    /// The list has the same entries in another order.
    Order {
        /// In the first package.
        first: Vec<Value>,
        /// In the second package.
        second: Vec<Value>,
    },
    /// It is a secret.
    Secret {
        /// In the first package.
        #[serde(skip_serializing_if = "Option::is_none")]
        first: Option<Secret>,
        /// In the second package.
        #[serde(skip_serializing_if = "Option::is_none")]
        second: Option<Secret>,
    },
}

/// Something that a package has, and what is known about it.
struct Item<'a> {
    area: Area,
    /// What pairs it with the same thing of the other package.
    key: String,
    /// What people call it.
    subject: String,
    /// What is said about it, by member.
    facts: Vec<(String, Fact<'a>)>,
    /// Whether it is a difference that only one package has it.
    stands_alone: bool,
    /// The key of the directory that it lies in.
    above: Option<String>,
}

/// What is said about an item.
enum Fact<'a> {
    /// A value.
    Words(Value),
    /// A secret.
    Secret(&'a Secret),
    /// A content or a record.
    Said(&'a Said),
    /// Access rules.
    Access(&'a Access),
}

/// Compares what two packages mean.
#[must_use]
pub fn compare(first: &Overview, second: &Overview) -> Comparison {
    let labels = items::labels(first, second);
    let (first, second) = (items::all(first, &labels.0), items::all(second, &labels.1));
    let mut differences = Vec::new();
    let (in_first, in_second) = (Side::new(&first), Side::new(&second));
    for item in &first {
        match in_second.get(&item.key) {
            Some(other) => compare_items(item, other, &mut differences),
            None => {
                only(item, &in_first, &in_second, |files| Change::OnlyInFirst { files }, &mut differences)
            }
        }
    }
    for item in second.iter().filter(|item| in_first.get(&item.key).is_none()) {
        only(item, &in_second, &in_first, |files| Change::OnlyInSecond { files }, &mut differences);
    }
    differences.sort_by_key(|difference: &Difference| difference.area);
    Comparison { version: FORMAT_VERSION, differences }
}

/// The items of one package.
struct Side<'i, 'a> {
    by_key: HashMap<&'i str, &'i Item<'a>>,
    /// How many files lie below a directory, by its key.
    below: HashMap<&'i str, usize>,
}

impl<'i, 'a> Side<'i, 'a> {
    fn new(items: &'i [Item<'a>]) -> Self {
        let by_key = items.iter().map(|item| (item.key.as_str(), item)).collect();
        let mut below: HashMap<&str, usize> = HashMap::new();
        // A directory stands in front of its files.
        for item in items.iter().rev() {
            if let Some(above) = &item.above {
                let own = below.get(item.key.as_str()).copied().unwrap_or_default();
                *below.entry(above).or_default() += 1 + own;
            }
        }
        Self { by_key, below }
    }

    fn get(&self, key: &str) -> Option<&'i Item<'a>> {
        self.by_key.get(key).copied()
    }
}

/// Tells what only one package has; of a directory with all its files, the directory.
fn only(
    item: &Item<'_>,
    own: &Side<'_, '_>,
    others: &Side<'_, '_>,
    change: impl Fn(Option<usize>) -> Change,
    differences: &mut Vec<Difference>,
) {
    let is_told_above =
        item.above.as_ref().is_some_and(|above| others.get(above).is_none() && own.get(above).is_some());
    if !item.stands_alone || is_told_above {
        return;
    }
    differences.push(Difference {
        area: item.area,
        subject: item.subject.clone(),
        member: None,
        change: change(own.below.get(item.key.as_str()).copied()),
    });
}

fn compare_items(first: &Item<'_>, second: &Item<'_>, differences: &mut Vec<Difference>) {
    let mut tell = |member: &str, change: Change| {
        differences.push(Difference {
            area: first.area,
            subject: first.subject.clone(),
            member: Some(member.to_owned()),
            change,
        });
    };
    let by_member = |item: &'_ Item<'_>| -> HashMap<String, usize> {
        item.facts.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect()
    };
    let (in_first, in_second) = (by_member(first), by_member(second));
    for (member, fact) in &first.facts {
        let other = in_second.get(member).and_then(|place| second.facts.get(*place));
        content::compare(member, Some(fact), other.map(|(_, fact)| fact), &mut tell);
    }
    for (member, fact) in second.facts.iter().filter(|(member, _)| !in_first.contains_key(member)) {
        content::compare(member, None, Some(fact), &mut tell);
    }
}
