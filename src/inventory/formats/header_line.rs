//! The file with a header line of numbers, as operators' order systems write and read it:
//!
//! `batchId timestamp quantity productId imsisPerIccid [aucTransportKeyIndex otaTransportKeyIndex simType step]`
//!
//! Index 0 means that keys are not enciphered. Which columns the rows have is an agreement between operator and vendor
//! that is not public: [`columns`] is ours, in the order of the classic files, and an option names others.

use std::io::Read;

use super::divided::DividedRows;
use super::{FormatError, Options, RowSource};
use crate::domain::DeliveryId;
use crate::inventory::rows::Heading;
use crate::profile::personal_data::MAX_SUBSCRIPTIONS;
use crate::profile::personal_row::{Layout, Lines, RowReader};

/// The simType of an eUICC.
pub const EUICC: u32 = 3;
/// The longest batch identifier.
const MAX_BATCH_ID: usize = 32;

/// The columns of rows where nobody names others: ICCID, the IMSIs, PIN1, PUK1, PIN2, PUK2, ADM1, KI, OPC; behind them KIC,
/// KID, KIK where the header has a transport key index for them (0 too), and the EID where the simType is [`EUICC`].
#[must_use]
pub fn columns(heading: &Heading) -> Vec<String> {
    let imsis = heading.imsis_per_iccid.unwrap_or(1);
    let mut names = vec!["iccid".to_owned(), "imsi".to_owned()];
    names.extend((2..=imsis).map(|number| format!("imsi{number}")));
    names.extend(["pin1", "puk1", "pin2", "puk2", "adm1", "ki", "opc"].map(str::to_owned));
    if heading.ota_key.is_some() {
        names.extend(["kic", "kid", "kik"].map(str::to_owned));
    }
    if heading.sim_type == Some(EUICC) {
        names.push("eid".to_owned());
    }
    names
}

/// Reads the header line.
pub(super) fn open<'a, R: Read + 'a>(
    input: R,
    options: &'a Options,
) -> Result<(Heading, Box<dyn RowSource + 'a>), FormatError> {
    let mut lines = Lines::new(input);
    let heading = loop {
        let line = lines.next_line()?.ok_or(FormatError::Empty)?;
        if !line.is_blank() {
            let text = line.octets.and_then(|octets| std::str::from_utf8(octets).ok()).unwrap_or_default();
            break read(line.number, text)?;
        }
    };
    let named = if options.columns.is_empty() { columns(&heading) } else { options.columns.clone() };
    let layout = Layout::new(named.iter().map(String::as_str), &options.passed_over)?;
    let passed_over = named.iter().zip(layout.names()).filter(|(_, read)| read.is_none());
    let heading =
        Heading { passed_over: passed_over.map(|(name, _)| name.clone()).collect(), ..heading.clone() };
    let rows = RowReader::new(layout, options.settings(&heading)?)?;
    Ok((heading, Box::new(DividedRows { lines, rows })))
}

fn read(line: usize, text: &str) -> Result<Heading, FormatError> {
    let wrong = |expected| FormatError::Header { line, expected };
    let mut words = text.split_whitespace();
    let mut word = |expected| words.next().ok_or(wrong(expected));
    let batch = word("expected batchId timestamp quantity productId imsisPerIccid and up to 4 numbers")?;
    let is_id = batch.len() <= MAX_BATCH_ID
        && batch.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_'));
    if !is_id {
        return Err(wrong("batchId: expected 1 to 32 letters, digits, hyphens, dots and underscores"));
    }
    let time = word("no timestamp behind the batchId")?;
    if !(6..=14).contains(&time.len()) || !time.bytes().all(|c| c.is_ascii_digit()) {
        return Err(wrong("timestamp: expected 6 to 14 digits"));
    }
    let quantity = word("no quantity behind the timestamp")?.parse();
    let quantity = quantity.map_err(|_| wrong("quantity: expected a number of rows"))?;
    let product = word("no productId behind the quantity")?;
    if product.len() > MAX_BATCH_ID {
        return Err(wrong("productId: expected at most 32 characters"));
    }
    let imsis = word("no imsisPerIccid behind the productId")?.parse().ok();
    let imsis = imsis.filter(|imsis| (1..=MAX_SUBSCRIPTIONS).contains(imsis));
    let imsis = imsis.ok_or(wrong("imsisPerIccid: expected 1 to 32"))?;
    let mut numbers = [None; 4];
    for place in &mut numbers {
        let Some(word) = words.next() else { break };
        *place = Some(word.parse().map_err(|_| wrong("expected numbers behind imsisPerIccid"))?);
    }
    if words.next().is_some() {
        return Err(wrong("expected 9 fields at most"));
    }
    let [subscription_key, ota_key, sim_type, step] = numbers;
    Ok(Heading {
        delivery_id: DeliveryId::parse(batch),
        time: Some(time.to_owned()),
        quantity: Some(quantity),
        profile_type: Some(product.to_owned()),
        imsis_per_iccid: Some(imsis),
        subscription_key,
        ota_key,
        sim_type,
        step,
        ..Heading::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_stand_in_their_order() {
        let heading = read(1, "00567 112318151552 30 5014 3 0 0 3 1").unwrap();
        assert_eq!(heading.delivery_id, DeliveryId::parse("00567"));
        assert_eq!((heading.quantity, heading.imsis_per_iccid), (Some(30), Some(3)));
        assert_eq!((heading.subscription_key, heading.ota_key), (Some(0), Some(0)));
        assert_eq!((heading.sim_type, heading.step), (Some(EUICC), Some(1)));
        let names = columns(&heading).join(" ");
        assert_eq!(names, "iccid imsi imsi2 imsi3 pin1 puk1 pin2 puk2 adm1 ki opc kic kid kik eid");
        let short = read(1, "00233 141114091800 5000 0605 2").unwrap();
        assert_eq!((short.subscription_key, short.sim_type), (None, None));
        assert_eq!(columns(&short).join(" "), "iccid imsi imsi2 pin1 puk1 pin2 puk2 adm1 ki opc");
    }

    #[test]
    fn a_field_of_another_form_is_named() {
        for (text, expected) in [
            ("", "batchId timestamp"),
            ("a/b 141114091800 1 5 1", "batchId"),
            ("1 yesterday 1 5 1", "timestamp"),
            ("1 141114091800 many 5 1", "quantity"),
            ("1 141114091800 1", "productId"),
            ("1 141114091800 1 5", "imsisPerIccid"),
            ("1 141114091800 1 5 0", "1 to 32"),
            ("1 141114091800 1 5 33", "1 to 32"),
            ("1 141114091800 1 5 1 x", "numbers"),
            ("1 141114091800 1 5 1 0 0 0 0 0", "9 fields"),
        ] {
            let error = read(7, text).unwrap_err().to_string();
            assert!(error.starts_with("line 7: ") && error.contains(expected), "{text}: {error}");
        }
    }
}
