//! Telephone numbers: dialling numbers (TS 31.102 4.4.2.3 and 4.2.26), short message parameters (4.2.27) and emergency
//! numbers (4.2.21).
//!
//! A number is written as people do: `+491711234567` is international (type of number and numbering plan `91`), digits
//! alone are of unknown type (`81`), `*` and `#` are themselves, `p` is the separator before DTMF digits, `w` the wild
//! digit and `e` the expansion digit. Any other type of number is said by a member `type`, the octet in hexadecimal
//! digits.

use toml::Value;

use super::error::{ContentError, Refusal};
use super::text::{alpha_field, decode_alpha, encode_alpha_value};
use super::value::{self, Encoded, Flags, Members};

/// Octets of a dialling number after its alpha identifier: length, type, ten of digits, capability, extension.
pub const DIALLING_NUMBER_LEN: usize = 14;
/// Digits of a dialling number without an extension record.
pub const MAX_DIGITS: usize = 20;
/// Octets of short message parameters after their alpha identifier.
pub const SHORT_MESSAGE_PARAMETERS_LEN: usize = 28;
/// Octets of an address in short message parameters: length, type, ten of digits.
const ADDRESS: usize = 12;
/// Octets of digits in a dialling number or address.
const DIGIT_OCTETS: usize = 10;
/// International number, ISDN numbering plan.
const INTERNATIONAL: u8 = 0x91;
/// Unknown type of number, ISDN numbering plan.
const UNKNOWN_TYPE: u8 = 0x81;
/// The characters of the nibbles 0 to E; F is the end.
const DIGITS: &str = "0123456789*#pwe";

const EXPECTED_NUMBER: &str = "a number of at most 20 digits, with + in front where it is international";

/// The nibbles of digits, two in an octet, the first in the low nibble, filled up with F.
pub(super) fn to_bcd(digits: &str, length: usize) -> Option<Vec<u8>> {
    let nibble =
        |c: char| DIGITS.chars().position(|digit| digit == c).and_then(|nibble| u8::try_from(nibble).ok());
    let nibbles: Vec<u8> = digits.chars().map(nibble).collect::<Option<_>>()?;
    let mut octets: Vec<u8> = nibbles
        .chunks(2)
        .map(|pair| pair.get(1).unwrap_or(&0x0F) << 4 | pair.first().unwrap_or(&0x0F))
        .collect();
    let fits = octets.len() <= length;
    octets.resize(length, 0xFF);
    fits.then_some(octets)
}

/// The digits up to the first filler; `None` if anything but filler follows.
pub(super) fn from_bcd(octets: &[u8]) -> Option<String> {
    let mut digits = String::new();
    let mut ended = false;
    for nibble in octets.iter().flat_map(|octet| [octet & 0x0F, octet >> 4]) {
        match DIGITS.chars().nth(usize::from(nibble)) {
            None => ended = true,
            Some(digit) if !ended => digits.push(digit),
            Some(_) => return None,
        }
    }
    Some(digits)
}

/// A number with its type.
struct Number<'a> {
    digits: &'a str,
    kind: u8,
}

impl<'a> Number<'a> {
    /// Reads a number; `kind` is what a member `type` says.
    fn parse(text: &'a str, kind: Option<u8>) -> Result<Self, Refusal> {
        let (digits, international) = match text.strip_prefix('+') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let usual = if international { INTERNATIONAL } else { UNKNOWN_TYPE };
        let fits = digits.len() <= MAX_DIGITS
            && !(digits.is_empty() && international)
            && digits.chars().all(|digit| DIGITS.contains(digit))
            && (kind.is_none() || !international);
        if !fits {
            return Err(Refusal::text(EXPECTED_NUMBER, text));
        }
        Ok(Self { digits, kind: kind.unwrap_or(usual) })
    }

    /// Octets of type and digits.
    fn coded_length(&self) -> usize {
        1 + self.digits.len().div_ceil(2)
    }

    /// Length, type and ten octets of digits; the length counts octets, or digits where the standard says so.
    fn address(&self, length: usize) -> Encoded {
        let digits = to_bcd(self.digits, DIGIT_OCTETS);
        let length = u8::try_from(length).ok();
        match (digits, length) {
            (Some(digits), Some(length)) => Ok([&[length, self.kind][..], &digits].concat()),
            _ => Err(Refusal::text(EXPECTED_NUMBER, self.digits)),
        }
    }
}

/// The record of EF.MSISDN for a number, without alpha identifier, capability and extension.
///
/// # Errors
/// [`ContentError`] if `number` is no number or `record_length` is less than [`DIALLING_NUMBER_LEN`].
pub fn msisdn_record(number: &str, record_length: usize) -> Result<Vec<u8>, ContentError> {
    let record = || {
        let number = Number::parse(number, None)?;
        if number.digits.is_empty() {
            return Err(Refusal::text(EXPECTED_NUMBER, number.digits));
        }
        let address = number.address(number.coded_length())?;
        let alpha = room(record_length, DIALLING_NUMBER_LEN)?;
        Ok([alpha_field(&[], alpha)?, address, vec![0xFF, 0xFF]].concat())
    };
    record().map_err(|refusal: Refusal| refusal.about("EF.MSISDN", false))
}

/// The record of EF.SMSP that gives the address of the service centre and nothing else.
///
/// # Errors
/// [`ContentError`] if `service_centre` is no number or `record_length` is less than
/// [`SHORT_MESSAGE_PARAMETERS_LEN`].
pub fn smsp_record(service_centre: &str, record_length: usize) -> Result<Vec<u8>, ContentError> {
    /// All parameters are absent but the address of the service centre.
    const INDICATORS: u8 = 0xFD;
    let record = || {
        let number = Number::parse(service_centre, None)?;
        if number.digits.is_empty() {
            return Err(Refusal::text(EXPECTED_NUMBER, number.digits));
        }
        let alpha = room(record_length, SHORT_MESSAGE_PARAMETERS_LEN)?;
        let centre = number.address(number.coded_length())?;
        let before = [alpha_field(&[], alpha)?, vec![INDICATORS], vec![0xFF; ADDRESS]].concat();
        Ok([before, centre, vec![0xFF; 3]].concat())
    };
    record().map_err(|refusal: Refusal| refusal.about("EF.SMSP", false))
}

/// Octets that a record has before its last `fixed` ones.
fn room(record_length: usize, fixed: usize) -> Result<usize, Refusal> {
    record_length.checked_sub(fixed).ok_or(Refusal::TooLong { needed: fixed, room: record_length })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(octets: Result<Vec<u8>, ContentError>) -> String {
        hex::encode_upper(octets.unwrap_or_else(|error| panic!("{error}")))
    }

    #[test]
    fn records_for_one_subscription() {
        // TS 31.102 4.2.26: X octets of alpha identifier, then the fourteen of TS 51.011 10.5.1.
        assert_eq!(hex(msisdn_record("+491711234567", 14)), "0791947111325476FFFFFFFFFFFF");
        assert_eq!(hex(msisdn_record("491711234567", 16)), "FFFF0781947111325476FFFFFFFFFFFF");
        assert_eq!(hex(msisdn_record("+12345678901234567890", 14)), "0B9121436587092143658709FFFF");
        // TS 31.102 4.2.27: indicators, destination, service centre (TS 24.011 8.2.5.1), three parameters.
        assert_eq!(
            hex(smsp_record("+49301234567", 28)),
            "FDFFFFFFFFFFFFFFFFFFFFFFFF07919403214365F7FFFFFFFFFFFFFF"
        );
        assert_eq!(smsp_record("+49301234567", 42).unwrap().len(), 42);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for number in ["", "+", "123456789012345678901", "49 171", "+49a", "++49", "１２"] {
            let error = msisdn_record(number, 24).unwrap_err().to_string();
            assert!(error.starts_with("EF.MSISDN: expected a number of at most 20 digits"), "{error}");
            assert!(smsp_record(number, 42).is_err(), "{number}");
        }
        let short = ContentError::TooLong { file: "EF.MSISDN".to_owned(), needed: 14, room: 13 };
        assert_eq!(msisdn_record("+49", 13), Err(short));
        assert!(matches!(smsp_record("+49", 27), Err(ContentError::TooLong { needed: 28, room: 27, .. })));
    }
}
