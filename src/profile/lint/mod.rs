//! What is wrong with a package, rule by rule: errors that an eUICC would find, and what people regret later.
//!
//! [`lint`] reads a package as far as it can be read and holds it against every rule of the catalogue ([`Rule`]). A
//! finding names rule, element, file and octet, says what was expected and what was found, and never a secret. Every
//! check is a plain function over the package and its resolved [`Tree`]; what a tree could not resolve is a finding by
//! [`problems`]. [`lint_together`] compares packages that go onto one eUICC.
//!
//! A package whose ICCID and IMSI are placeholders (nothing but zeros behind the issuer or network) is a template: what
//! is zero in it (keys, codes, the check digit) is to be personalised, and no finding.
//!
//! | file | rules |
//! |---|---|
//! | [`rules`] | the catalogue |
//! | `encoding` | `encoding/…`: DER, member by member |
//! | `order` | `order/…`, `element/…` |
//! | `header` | `header/…` |
//! | `services` | `service/…` |
//! | `problems` | what the tree could not resolve: `template/…`, `file/…`, `link/…`, `management/…` |
//! | `files` | attributes of files and directories |
//! | `access` | `access/…`: EF.ARR and who refers to it |
//! | `codes` | `pin/…` |
//! | `aka` | `aka/…`, `cdma/…` |
//! | `domains` | `domain/…` |
//! | `remote` | `remote/…`, `application/…` |
//! | `identity` | `identity/…`: ICCID, IMSI and what hangs on them |
//! | `contents` | `content/…` |
//! | `announced` | services of EF.UST and EF.IST against files |
//! | `keys` | `key/…`; the table of published keys is [`super::published`] |
//! | `together` | `set/…` |
//! | [`sarif`] | findings in the form that code scanners exchange |
//!
//! Not checked: connectivityParameters, STORE DATA blocks and processData, whose contents other standards define; which
//! attributes of template files may be changed at all (8.3.3 is not transcribed); code beyond the frame of its
//! components; what TUAK's algorithmOptions say.

mod access;
mod aka;
mod announced;
mod codes;
mod contents;
mod domains;
mod encoding;
mod files;
mod header;
mod identity;
mod keys;
mod multi_imsi;
mod order;
mod problems;
mod raw;
mod remote;
pub mod rules;
pub mod sarif;
mod services;
#[cfg(test)]
mod tests;
mod together;

use std::fmt;

use simyard_asn1::saip::{ElementKind, Package, Reading};
use simyard_asn1::{Error, ErrorKind};

pub use rules::Rule;
pub use together::lint_together;

use super::tree::{FileId, Tree};

/// The largest number of findings of one rule; the others are counted.
pub const MAX_FINDINGS_OF_A_RULE: usize = 200;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// An eUICC will take it, and somebody may regret it.
    Warning,
    /// An eUICC will refuse it, or the profile will not work.
    Error,
}

impl Severity {
    /// All severities, the mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Error];

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The element that a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementName {
    /// Its number from 0 among the elements that can be read, as `simyard profile show` counts them.
    pub number: usize,
    /// Its kind by its name in the module: "usim".
    pub kind: &'static str,
    /// Its identification; the header has none.
    pub identification: Option<u16>,
}

impl fmt::Display for ElementName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "element {} ({}", self.number, self.kind)?;
        match self.identification {
            Some(identification) => write!(f, ", identification {identification})"),
            None => f.write_str(")"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that is broken: it has severity, clause and what to do.
    pub rule: Rule,
    /// The element; none for what is wrong with the package as a whole.
    pub element: Option<ElementName>,
    /// The file, by the names on its path: "ADF.USIM/EF.IMSI".
    pub file: Option<String>,
    /// Octets from the start of the package.
    pub offset: usize,
    /// What was found and what was expected. It holds no secrets.
    pub message: String,
}

/// The findings about one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The findings by offset.
    pub findings: Vec<Finding>,
    /// How many more there were than [`MAX_FINDINGS_OF_A_RULE`] of one rule.
    pub left_out: usize,
}

impl Report {
    /// The worst severity; none without findings.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.rule.severity()).max()
    }

    /// The number of findings of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.rule.severity() == severity).count()
    }

    /// Drops the findings of some rules.
    pub fn allow(&mut self, rules: &[Rule]) {
        self.findings.retain(|finding| !rules.contains(&finding.rule));
    }
}

/// Holds a package against all rules but those that compare packages. Any octets have a report.
#[must_use]
pub fn lint(octets: &[u8]) -> Report {
    let reading = Package::read_what_can_be(octets);
    let tree = Tree::of(&reading.package);
    let mut lint = Lint::new(&reading, &tree);
    for check in CHECKS {
        check(&mut lint);
    }
    lint.report
}

/// The checks in the order in which they run. [`problems`] comes last: it reports only what nothing else did.
const CHECKS: [fn(&mut Lint<'_, '_>); 17] = [
    encoding::check,
    order::check,
    header::check,
    services::check,
    files::check,
    access::check,
    codes::check,
    aka::check,
    domains::check,
    remote::check,
    identity::check,
    contents::check,
    announced::check,
    keys::check,
    multi_imsi::check,
    problems::check,
    finish,
];

/// What the checks share: the package, and what was found so far.
struct Lint<'t, 'a> {
    package: &'t Package<'a>,
    tree: &'t Tree<'a>,
    /// Why elements could not be read.
    unread: &'t [Error],
    /// Whether the package is to be personalised.
    is_template: bool,
    report: Report,
    counts: Vec<usize>,
}

/// Where a finding is.
#[derive(Clone, Copy)]
struct Place {
    element: Option<usize>,
    file: Option<FileId>,
    offset: usize,
}

impl<'t, 'a> Lint<'t, 'a> {
    fn new(reading: &'t Reading<'a>, tree: &'t Tree<'a>) -> Self {
        Self {
            package: &reading.package,
            tree,
            unread: &reading.problems,
            is_template: identity::is_template(&reading.package, tree),
            report: Report::default(),
            counts: vec![0; Rule::ALL.len()],
        }
    }

    /// Whether every element could be read: only then is something missing that is not there.
    const fn is_complete(&self) -> bool {
        self.unread.is_empty()
    }

    /// Reports what is wrong at an octet of an element.
    fn at(&mut self, rule: Rule, element: usize, offset: usize, message: impl Into<String>) {
        self.push(rule, Place { element: Some(element), file: None, offset }, message.into());
    }

    /// Reports what is wrong with an element as a whole.
    fn element(&mut self, rule: Rule, element: usize, message: impl Into<String>) {
        let offset = self.package.elements().get(element).map_or(0, |element| element.tlv.offset);
        self.at(rule, element, offset, message);
    }

    /// Reports what is wrong with a file, where the package describes it.
    fn file(&mut self, rule: Rule, file: FileId, message: impl Into<String>) {
        let offset = self.tree.file(file).map_or(0, |file| file.offset);
        self.file_at(rule, file, offset, message);
    }

    /// Reports what is wrong with a file, at an octet of the package.
    fn file_at(&mut self, rule: Rule, file: FileId, offset: usize, message: impl Into<String>) {
        let element = self.tree.file(file).map(|file| file.element);
        self.push(rule, Place { element, file: Some(file), offset }, message.into());
    }

    /// Reports what is wrong with an octet of a file's content, where the package writes it.
    fn content(&mut self, rule: Rule, file: FileId, octet: usize, message: impl Into<String>) {
        // Where the octet was written is looked for among all that is written into the file.
        if self.has_enough(rule) {
            return self.file(rule, file, message);
        }
        let written = self.tree.content(file).and_then(|content| {
            let covers =
                |from: usize, length: usize| (from..from.saturating_add(length.max(1))).contains(&octet);
            let writes = content.writes.iter().rev();
            writes.clone().find(|write| covers(write.at, write.fill.octets.len())).map(|write| {
                let offset = write.fill.offset + (octet - write.at);
                Place { element: Some(write.element), file: Some(file), offset }
            })
        });
        match written {
            Some(place) => self.push(rule, place, message.into()),
            None => self.file(rule, file, message),
        }
    }

    /// Whether further findings of a rule are only counted.
    fn has_enough(&self, rule: Rule) -> bool {
        self.counts.get(rule as usize).is_some_and(|count| *count >= MAX_FINDINGS_OF_A_RULE)
    }

    fn push(&mut self, rule: Rule, place: Place, message: String) {
        if self.has_enough(rule) {
            self.report.left_out += 1;
            return;
        }
        if let Some(count) = self.counts.get_mut(rule as usize) {
            *count += 1;
        }
        let element = place.element.and_then(|number| {
            let element = self.package.elements().get(number)?;
            let identification = element.identification();
            Some(ElementName { number, kind: element.kind.name(), identification })
        });
        let file = place.file.map(|file| self.tree.path(file));
        self.report.findings.push(Finding { rule, element, file, offset: place.offset, message });
    }

    /// Whether something was found between two octets of the package.
    fn has_error_within(&self, octets: std::ops::Range<usize>) -> bool {
        self.report
            .findings
            .iter()
            .any(|finding| finding.rule.severity() == Severity::Error && octets.contains(&finding.offset))
    }

    /// The places of the elements of a kind.
    fn all(&self, kind: ElementKind) -> impl Iterator<Item = usize> + use<'t, 'a> {
        let elements = self.package.elements().iter().enumerate();
        elements.filter(move |(_, element)| element.kind == kind).map(|(place, _)| place)
    }
}

/// Elements that could not be read at all, and the findings in the order of the package.
fn finish(lint: &mut Lint<'_, '_>) {
    for error in lint.unread {
        let (rule, message) = match error.kind {
            ErrorKind::Value if error.what == "ProfilePackage" => (Rule::EncodingFraming, too_much(error)),
            ErrorKind::Form | ErrorKind::IndefiniteLength | ErrorKind::Depth => {
                (Rule::EncodingFraming, format!("{} in {}", error.kind, error.what))
            }
            _ => (Rule::EncodingElement, format!("{} in {}", error.kind, error.what)),
        };
        lint.push(rule, Place { element: None, file: None, offset: error.offset }, message);
    }
    lint.report.findings.sort_by_key(|finding| (finding.offset, finding.rule));
}

fn too_much(error: &Error) -> String {
    use simyard_asn1::saip::{MAX_ELEMENTS, MAX_PACKAGE};
    if error.offset == 0 {
        format!("a package has 1 to {}", raw::octets(MAX_PACKAGE))
    } else {
        format!("a package has at most {MAX_ELEMENTS} elements")
    }
}
