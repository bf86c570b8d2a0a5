//! The description of a package: TOML that people read, change and keep under version control, and the same package
//! again, octet by octet.
//!
//! ```toml
//! format = 1
//!
//! [[element]]
//! kind = "usim"
//! header = { mandated = true, identification = 8 }
//! templateID = "usim"
//!
//! [[element.file]]
//! name = "EF.SPN"
//! content = { display = [], name = "Acme", length = 17 }
//! ```
//!
//! Elements, members and files have the names of the module; files of a template that are not listed keep what the
//! template gives them. [`extract`] describes any package, and [`build`] makes the package of a description. What no
//! decoder knows is `{ hex = "…" }`; what is not even coded as the module says is `{ der = "…" }`, or `der` in place of
//! the element's members. So `build(extract(x)) = x` for every package that can be read, of any version.
//!
//! In a description written by hand, `header` may be left out: the element is mandated then and gets the next free
//! identification. A dialling number needs no `length`: it fills its record. A load file may be named:
//! `loadBlockObject = { file = "applet.cap" }`.
//!
//! | file | what |
//! |---|---|
//! | [`grammar`] | the types of the module as data |
//! | [`structure`] | types into tables and back |
//! | [`leaf`], [`toolkit`] | single values |
//! | [`file`](mod@file) | files and their contents |
//! | [`multi_imsi`] | the data of a multi-IMSI applet |
//! | [`text`] | tables into TOML that is good to read |
//! | [`error`] | what is wrong with a description |

mod error;
mod file;
mod grammar;
mod leaf;
pub(in crate::profile) mod multi_imsi;
mod structure;
#[cfg(test)]
mod tests;
mod text;
pub(in crate::profile) mod toolkit;

pub use error::{DescriptionError, Fault, Problem};

use simyard_asn1::saip::{ElementKind, MAX_ELEMENTS, MAX_PACKAGE, Package, ProfileElement};
use simyard_asn1::{Oid, Reader, Rules, Tag, Writer};
use toml::{Table, Value};
use zeroize::{Zeroize as _, Zeroizing};

use crate::profile::templates::{Row, Template};

/// The longest description in octets.
pub const MAX_TEXT: usize = 8 << 20;
/// Where a description would be too long: the letters that an element may take for each of its octets, and besides.
const MORE_THAN_OCTETS: usize = 7;
const MORE_FOR_ELEMENT: usize = 512;
const _: () = assert!(MORE_THAN_OCTETS * MAX_PACKAGE + MORE_FOR_ELEMENT * MAX_ELEMENTS < MAX_TEXT);
/// The version of the form of descriptions.
const FORMAT: i64 = 1;

const ELEMENT: &str = "element";
const KIND: &str = "kind";
const DER: &str = "der";
const FILE: &str = "file";
const HEADER: &str = "header";

/// The text of a file, if it is a description and no package.
#[must_use]
pub fn text_of(content: &[u8]) -> Option<&str> {
    // The first octet of a package is its header's tag; no text begins with it.
    let is_package = content.first() == Some(&0xA0);
    core::str::from_utf8(content).ok().filter(|text| !is_package && text.contains("[[element]]"))
}

/// Reads a file that a description names: a load file.
pub type Load<'l> = dyn Fn(&str) -> Result<Vec<u8>, String> + 'l;

/// What is known around a value.
#[derive(Clone, Copy)]
struct Context<'l> {
    /// The template of the element.
    template: Option<Template>,
    /// The file whose attributes are read.
    subject: file::Subject<'l>,
    /// The applications before the element: the temporary identifier of each, and its kind.
    applications: &'l [(u16, ElementKind)],
    load: &'l Load<'l>,
}

impl<'l> Context<'l> {
    const fn with(&self, subject: file::Subject<'l>) -> Self {
        Self { subject, ..*self }
    }

    /// The file of a template that has this path.
    fn named(&self, path: &[u16]) -> Option<(ElementKind, &'static Row)> {
        crate::profile::templates::at_path(path, self.applications)
    }
}

/// Describes a package.
#[must_use]
pub fn extract(package: &Package<'_>) -> Zeroizing<String> {
    let mut applications = Vec::new();
    let mut elements: Vec<Wiped> = Vec::new();
    for element in package.elements() {
        let context = Context {
            template: template_of(element.tlv.raw),
            subject: file::Subject::default(),
            applications: &applications,
            load: &|_| Err(String::new()),
        };
        elements.push(Wiped(match structure::read_element(element.kind, &element.tlv, &context) {
            Some(members) => {
                let mut table = Table::from_iter([(KIND.to_owned(), leaf::text(element.kind.name()))]);
                table.extend(members);
                table
            }
            None => in_octets(element),
        }));
        applications.extend(application_of(element.tlv.raw));
    }
    let text = Zeroizing::new(text::document(FORMAT, ELEMENT, elements.iter().map(|element| &element.0)));
    if text.len() <= MAX_TEXT {
        return text;
    }
    // Empty files and commands by the thousand: in words they would be longer than what is built again.
    for (table, element) in elements.iter_mut().zip(package.elements()) {
        let words = text::document(FORMAT, ELEMENT, core::iter::once(&table.0)).len();
        if words > MORE_THAN_OCTETS * element.tlv.raw.len() + MORE_FOR_ELEMENT {
            *table = Wiped(in_octets(element));
        }
    }
    Zeroizing::new(text::document(FORMAT, ELEMENT, elements.iter().map(|element| &element.0)))
}

/// An element that words do not fit.
fn in_octets(element: &ProfileElement<'_>) -> Table {
    Table::from_iter([(DER.to_owned(), leaf::digits(element.tlv.raw))])
}

/// Makes the package of a description. `load` reads the files that it names.
///
/// # Errors
/// [`DescriptionError`] with the place and what is expected there.
pub fn build(description: &str, load: &Load<'_>) -> Result<Vec<u8>, DescriptionError> {
    if description.len() > MAX_TEXT {
        return Err(DescriptionError::TooLong(description.len()));
    }
    let document: Table =
        toml::from_str(description).map_err(|error| DescriptionError::toml(description, &error))?;
    let Wiped(document) = &Wiped(document);
    let place = |place: &str| {
        let place = place.to_owned();
        move |problem: Problem| Box::new(Fault { place, problem })
    };
    if let Some(unknown) = document.keys().find(|key| ![FORMAT_KEY, ELEMENT].contains(&key.as_str())) {
        return Err(place(unknown)(Problem::unknown(unknown, &[FORMAT_KEY, ELEMENT])).into());
    }
    match document.get(FORMAT_KEY) {
        None | Some(Value::Integer(FORMAT)) => {}
        Some(_) => {
            return Err(place(FORMAT_KEY)(Problem::Spelling("1, the only form of descriptions")).into());
        }
    }
    let elements = document.get(ELEMENT).ok_or(Problem::Missing("[[element]]")).and_then(leaf::array_of);
    let elements = elements.map_err(place(ELEMENT))?;
    if elements.len() > MAX_ELEMENTS {
        let problem = Problem::Value(format!("a package has at most {MAX_ELEMENTS} elements"));
        return Err(place(ELEMENT)(problem).into());
    }
    let mut octets = Writer::new();
    let mut applications = Vec::new();
    let mut numbers = Numbers::of(elements);
    for (number, element) in (1..).zip(elements) {
        let kind = element.as_table().and_then(|table| table.get(KIND)).and_then(Value::as_str);
        let name = format!("element {number}{}", kind.map_or_else(String::new, |kind| format!(" ({kind})")));
        let element = write_element(element, &applications, &mut numbers, load).map_err(place(&name))?;
        let element = Zeroizing::new(element);
        applications.extend(application_of(&element));
        octets.raw(&element);
        structure::within_package(&octets).map_err(place(&name))?;
    }
    let octets = octets.finish();
    Package::from_ber(&octets)?;
    Ok(octets)
}

const FORMAT_KEY: &str = "format";

fn write_element(
    element: &Value,
    applications: &[(u16, ElementKind)],
    numbers: &mut Numbers,
    load: &Load<'_>,
) -> Result<Vec<u8>, Problem> {
    if structure::is_too_deep(element, 0) {
        return Err(Problem::Value("nested too deep".to_owned()));
    }
    let table = structure::table_of(element)?;
    if let Some(der) = table.get(DER).filter(|_| !table.contains_key(KIND)) {
        return leaf::octets_of(der).map_err(|problem| problem.under(DER));
    }
    let name = table.get(KIND).ok_or(Problem::Missing(KIND)).and_then(leaf::text_of)?;
    let kind = ElementKind::KNOWN.iter().copied().find(|kind| kind.name() == name).ok_or_else(|| {
        let names: Vec<&str> = ElementKind::KNOWN.iter().map(|kind| kind.name()).collect();
        Problem::one_of(names.join(", ")).under(KIND)
    })?;
    let mut members = Wiped(table.clone());
    let members = &mut members.0;
    members.remove(KIND);
    if kind != ElementKind::Header && !members.contains_key(HEADER) {
        members.insert(HEADER.to_owned(), numbers.header());
    }
    let nothing = Context { template: None, subject: file::Subject::default(), applications, load };
    let context = Context { template: template_in_words(members, &nothing), ..nothing };
    let mut writer = Writer::new();
    structure::write_element(kind, members, &context, &mut writer)?;
    Ok(writer.finish())
}

/// The identifications that are free.
struct Numbers {
    taken: std::collections::BTreeSet<i64>,
    last: i64,
}

impl Numbers {
    fn of(elements: &[Value]) -> Self {
        let taken = elements.iter().filter_map(|element| {
            element.as_table()?.get(HEADER)?.as_table()?.get("identification")?.as_integer()
        });
        Self { taken: taken.collect(), last: 0 }
    }

    /// A PEHeader with the next free identification.
    fn header(&mut self) -> Value {
        self.last += 1;
        while self.taken.contains(&self.last) {
            self.last += 1;
        }
        Value::Table(Table::from_iter([
            ("mandated".to_owned(), Value::Boolean(true)),
            ("identification".to_owned(), Value::Integer(self.last)),
        ]))
    }
}

/// A table that is wiped when it is dropped: keys and codes stand in it. What is copied on the way from a text and to
/// one is not wiped.
struct Wiped(Table);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| wipe(value));
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| wipe(value)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

/// The template that an element names in words, or as octets.
fn template_in_words(members: &Table, context: &Context<'_>) -> Option<Template> {
    let mut octets = Writer::new();
    let value = members.get(grammar::TEMPLATE.name)?;
    structure::write(&grammar::TEMPLATE, value, context, &mut octets).ok()?;
    let octets = octets.finish();
    let tlv =
        Reader::with_rules(&octets, "templateID", Rules::Ber).expect(Tag(grammar::TEMPLATE.tag)).ok()?;
    Template::find(&Oid::from_content(tlv.value)?)
}

/// The template that an element names.
fn template_of(element: &[u8]) -> Option<Template> {
    let element = Package::from_ber(element).ok()?;
    let mut body = element.elements().first().filter(|element| element.kind.is_file_system())?.body().ok()?;
    let oid = Oid::from_content(body.expect(Tag::context(1)).ok()?.value)?;
    Template::find(&oid)
}

/// The application that an element brings: the temporary identifier of its directory, and its kind.
fn application_of(element: &[u8]) -> Option<(u16, ElementKind)> {
    let package = Package::from_ber(element).ok()?;
    let element = package.elements().first()?;
    if !matches!(element.kind, ElementKind::Usim | ElementKind::Isim | ElementKind::Csim) {
        return None;
    }
    let files = element.file_system().ok()?;
    Some((files.fields.first()?.descriptor()?.file_id?, element.kind))
}
