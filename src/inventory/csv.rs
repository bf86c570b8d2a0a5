//! A manufacturer's table with named columns as a delivery. What each column means, [`crate::profile::personal_csv`] says; PINs,
//! PUKs and ADM1 are needed, keys for remote management are drawn where a file has none.

use std::io::Read;
use std::ops::ControlFlow;

use super::ingest::Delivery;
use super::receipt::Refusal;
use super::rows::{Delivered, DeliveredRow, Heading, ReadError, Sink, Source};
use crate::env::Rng;
use crate::profile::personal_csv::{HeaderError, Rows, Settings};
use crate::profile::plan::{Requirements, Template};

/// Reads tables with named columns.
pub struct Csv {
    /// What the template needs, if it is known.
    pub requirements: Option<Requirements>,
    /// Draws the keys for remote management of rows that have none.
    pub rng: Rng,
}

impl Source for Csv {
    fn read(self: Box<Self>, input: &mut dyn Read, sink: &mut dyn Sink) -> Result<(), ReadError> {
        let mut rows = Rows::new(input, Settings::for_stock(self.requirements, &self.rng))?;
        if sink.heading(&Heading::default()).is_break() {
            return Ok(());
        }
        let mut has_rows = false;
        while let Some(row) = rows.next_row()? {
            has_rows = true;
            let outcome = row.outcome.map(|row| Delivered::Subscription(Box::new(row.data)));
            let outcome = outcome.map_err(|errors| errors.into_iter().map(Refusal::from).collect());
            if sink.row(DeliveredRow { line: row.line, outcome }) == ControlFlow::Break(()) {
                return Ok(());
            }
        }
        if has_rows { Ok(()) } else { Err(HeaderError::NoRows.into()) }
    }
}

/// Reads one ready-made package.
pub struct OnePackage;

impl Source for OnePackage {
    fn read(self: Box<Self>, input: &mut dyn Read, sink: &mut dyn Sink) -> Result<(), ReadError> {
        if sink.heading(&Heading::default()).is_break() {
            return Ok(());
        }
        // Room for all of it: a buffer that grows would leave copies of keys behind.
        let mut der = zeroize::Zeroizing::new(Vec::with_capacity(super::prepare::MAX_PACKAGE_OCTETS + 1));
        let limit = u64::try_from(der.capacity()).unwrap_or(u64::MAX);
        input.take(limit).read_to_end(&mut der)?;
        let row = DeliveredRow { line: 1, outcome: Ok(Delivered::Package(der)) };
        let (ControlFlow::Continue(()) | ControlFlow::Break(())) = sink.row(row);
        Ok(())
    }
}

/// The first octet of a profile package: its profile header. No text begins with it.
const PACKAGE_BEGINS: u8 = 0xA0;

/// Reads a package or a table, as the first octet says.
struct EitherSource {
    csv: Csv,
}

impl Source for EitherSource {
    fn read(self: Box<Self>, input: &mut dyn Read, sink: &mut dyn Sink) -> Result<(), ReadError> {
        let mut first = [0];
        let count = input.take(1).read(&mut first)?;
        let mut whole = first.get(..count).unwrap_or_default().chain(input);
        if first == [PACKAGE_BEGINS] {
            Box::new(OnePackage).read(&mut whole, sink)
        } else {
            Box::new(self.csv).read(&mut whole, sink)
        }
    }
}

/// What reads deliveries of a profile type, whatever their form.
#[must_use]
pub fn source_of(delivery: &Delivery, rng: &Rng) -> Box<dyn Source> {
    let requirements = delivery.template.as_ref().map(Template::requirements);
    Box::new(EitherSource { csv: Csv { requirements, rng: rng.clone() } })
}
