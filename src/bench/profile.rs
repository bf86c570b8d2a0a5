//! Profile packages in memory, on one core: read, written, personalised, and what copying as many octets costs.
//!
//! *Decode* reads a package down to its leaves, and every element by its typed view. *Encode* writes the same package
//! from the leaves: all tags and lengths anew. *Lint* holds it against every rule, *extract* describes it, *build* makes
//! it from its description. *Personalise* makes packages from the compiled template, each for other
//! data; *rows* does so from the text of a manufacturer's file, with all its checks. *Copy* copies the octets of a
//! personalised package. No file is written.

use std::hint::black_box;
use std::time::Duration;

use serde::Serialize;
use simyard_asn1::saip::{ElementKind, Package, ProfileElement};
use simyard_asn1::{Error, Reader, Tag, Writer};
use zeroize::Zeroizing;

use super::{BenchError, batch};
use crate::env::{Clock, Rng};
use crate::profile::description::{build, extract};
use crate::profile::lint::lint;
use crate::profile::personal_csv::{Rows, Settings};
use crate::profile::plan::{Personaliser, Template};

/// Profiles whose data are prepared; they are used in turns.
const PROFILES: usize = 1024;

/// How long one operation takes.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// What was done.
    pub operation: &'static str,
    /// Packages in all.
    pub packages: u64,
    /// Microseconds for one package.
    pub each_us: f64,
    /// Packages in a second.
    pub per_second: f64,
    /// Megabytes (10⁶ octets) of packages in a second.
    pub mb_per_second: f64,
}

/// All figures of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Octets of the package that is read and written.
    pub package_octets: usize,
    /// Its elements.
    pub elements: usize,
    /// Octets of a personalised package.
    pub personalised_octets: usize,
    /// The operations in their order.
    pub operations: Vec<Measured>,
}

/// Measures each operation for about `time`.
///
/// # Errors
/// A package that cannot be read, or is no template.
pub fn measure(octets: &[u8], clock: &Clock, rng: &Rng, time: Duration) -> Result<Figures, BenchError> {
    let package = Package::from_der(octets)?;
    let template = Template::compile(&package)?;
    let profiles = batch::profiles(&template, PROFILES, rng)?;
    let one = template.personalise(profiles.first().ok_or(BenchError::Thread)?)?;
    let timer = Timer { clock, time };
    let mut operations = Vec::new();

    operations.push(timer.run("decode", octets.len(), 1, || {
        black_box(decode(black_box(octets))?);
        Ok(())
    })?);
    let (_, leaves) = decode(octets)?;
    operations.push(timer.run("encode", octets.len(), 1, || {
        black_box(encode(black_box(&leaves), octets.len()));
        Ok(())
    })?);
    operations.push(timer.run("lint", octets.len(), 1, || {
        black_box(lint(black_box(octets)));
        Ok(())
    })?);
    let text = extract(&package);
    operations.push(timer.run("extract", octets.len(), 1, || {
        black_box(extract(black_box(&package)));
        Ok(())
    })?);
    operations.push(timer.run("build", octets.len(), 1, || {
        black_box(build(black_box(&text), &|_| Err(String::new()))?);
        Ok(())
    })?);
    let mut personaliser = Personaliser::new(&template);
    let mut out = Zeroizing::new(Vec::new());
    let mut next = profiles.iter().cycle();
    operations.push(timer.run("personalise", one.len(), 1, || {
        let data = next.next().ok_or(BenchError::Thread)?;
        personaliser.personalise(black_box(data), &mut out)?;
        black_box(&out);
        Ok(())
    })?);
    let file = batch::to_csv(&profiles, &template);
    operations.push(timer.run("rows", one.len(), u64::try_from(PROFILES).unwrap_or(1), || {
        let mut rows = Rows::new(file.as_bytes(), Settings::for_template(template.requirements()))?;
        while let Some(row) = rows.next_row().map_err(|_| BenchError::Thread)? {
            let data = row.outcome.map_err(|_| BenchError::Thread)?.data;
            personaliser.personalise(&data, &mut out)?;
            black_box(&out);
        }
        Ok(())
    })?);
    let mut copy: Vec<u8> = Vec::with_capacity(one.len());
    operations.push(timer.run("copy", one.len(), 1, || {
        copy.clear();
        copy.extend_from_slice(black_box(&one));
        black_box(&copy);
        Ok(())
    })?);
    Ok(Figures {
        package_octets: octets.len(),
        elements: package.elements().len(),
        personalised_octets: one.len(),
        operations,
    })
}

/// Measures operations.
struct Timer<'a> {
    clock: &'a Clock,
    time: Duration,
}

impl Timer<'_> {
    /// Repeats an operation on `packages` packages at a time, first a tenth of the time to warm up.
    fn run(
        &self,
        operation: &'static str,
        octets: usize,
        packages: u64,
        mut repeat: impl FnMut() -> Result<(), BenchError>,
    ) -> Result<Measured, BenchError> {
        let mut done = |time: Duration| {
            let start = self.clock.monotonic();
            let (mut count, mut batch) = (0_u64, 1_u64);
            loop {
                for _ in 0..batch {
                    repeat()?;
                }
                count += batch;
                // The clock is looked at seldom: reading it takes as long as a copy.
                batch = (batch * 2).min(256);
                let took = self.clock.monotonic().saturating_sub(start);
                if took >= time {
                    return Ok::<_, BenchError>((count * packages, took));
                }
            }
        };
        done(self.time / 10)?;
        let (count, took) = done(self.time)?;
        let per_second = figure(count) / took.as_secs_f64();
        let mb_per_second = per_second * figure(u64::try_from(octets).unwrap_or(u64::MAX)) / 1e6;
        Ok(Measured { operation, packages: count, each_us: 1e6 / per_second, per_second, mb_per_second })
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people; no count of a run is that large")]
fn figure(count: u64) -> f64 {
    count as f64
}

/// A TLV that was read down to its leaves.
enum Node<'a> {
    Leaf(Tag, &'a [u8]),
    Branch(Tag, Vec<Self>),
}

/// Reads a package: every leaf, and every element by its view. The number is that of the views' members, so that
/// nothing of them is left out.
fn decode(octets: &[u8]) -> Result<(usize, Vec<Node<'_>>), Error> {
    let package = Package::from_der(octets)?;
    let mut members = 0;
    for element in package.elements() {
        members += view(element)?;
    }
    Ok((members, nodes(Reader::new(octets, "package"))?))
}

/// Reads an element by its view and says how many members it has.
fn view(element: &ProfileElement<'_>) -> Result<usize, Error> {
    fn one<T>(view: Result<T, Error>) -> Result<usize, Error> {
        black_box(view?);
        Ok(1)
    }
    match element.kind {
        ElementKind::Header => element.profile_header().map(|header| header.mandatory_services.len()),
        ElementKind::GenericFileManagement => {
            element.generic_file_management().map(|commands| commands.lists.iter().map(Vec::len).sum())
        }
        ElementKind::PinCodes => one(element.pin_codes()),
        ElementKind::PukCodes => element.puk_codes().map(|codes| codes.len()),
        ElementKind::AkaParameter => one(element.aka_parameter()),
        ElementKind::SecurityDomain => {
            Ok(one(element.security_domain())? + element.security_domain_keys()?.len())
        }
        ElementKind::Rfm => one(element.remote_file_management()),
        ElementKind::Application => one(element.application()),
        ElementKind::NonStandard => one(element.application_identity()),
        kind if kind.is_file_system() => element.file_system().map(|files| files.fields.len()),
        _ => one(element.body()),
    }
}

/// The TLVs of one level and below; the depth was bounded when the package was read.
fn nodes<'a>(mut reader: Reader<'a>) -> Result<Vec<Node<'a>>, Error> {
    let mut found = Vec::new();
    while !reader.is_empty() {
        let tlv = reader.read()?;
        found.push(if tlv.tag.is_constructed() {
            Node::Branch(tlv.tag, nodes(tlv.members("package"))?)
        } else {
            Node::Leaf(tlv.tag, tlv.value)
        });
    }
    Ok(found)
}

/// Writes a package from its leaves.
fn encode(nodes: &[Node<'_>], octets: usize) -> Vec<u8> {
    let mut writer = Writer::with_capacity(octets);
    nodes.iter().for_each(|node| write(node, &mut writer));
    writer.finish()
}

fn write(node: &Node<'_>, writer: &mut Writer) {
    match node {
        Node::Leaf(tag, value) => {
            writer.tlv(*tag, value);
        }
        Node::Branch(tag, members) => {
            writer.nested(*tag, |w| members.iter().for_each(|member| write(member, w)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::shipped::generic;

    #[test]
    fn what_is_measured_is_what_it_says() {
        let octets = generic();
        let (members, leaves) = decode(&octets).unwrap();
        assert!(members > 40, "{members}");
        assert_eq!(encode(&leaves, 0), octets);
        // The rows of the file make the same packages as the data.
        let template = Template::compile(&Package::from_der(&generic()).unwrap()).unwrap();
        let profiles = batch::profiles(&template, 3, &Rng::seeded(1)).unwrap();
        let text = batch::to_csv(&profiles, &template);
        let mut rows = Rows::new(text.as_bytes(), Settings::for_template(template.requirements())).unwrap();
        for data in &profiles {
            let row = rows.next_row().unwrap().unwrap().outcome.unwrap_or_else(|errors| panic!("{errors:?}"));
            assert!(*template.personalise(&row.data).unwrap() == *template.personalise(data).unwrap());
        }
        let figures = measure(&octets, &Clock::system(), &Rng::seeded(1), Duration::from_millis(5)).unwrap();
        let names: Vec<&str> = figures.operations.iter().map(|measured| measured.operation).collect();
        assert_eq!(names, ["decode", "encode", "lint", "extract", "build", "personalise", "rows", "copy"]);
        assert!(figures.operations.iter().all(|measured| measured.packages > 0 && measured.each_us > 0.0));
    }
}
