//! Telephone numbers: dialling numbers (TS 31.102 4.4.2.3 and 4.2.26), short message parameters (4.2.27) and emergency
//! numbers (4.2.21).
//!
//! A number is written as people do: `+491711234567` is international (type of number and numbering plan `91`), digits
//! alone are of unknown type (`81`), `*` and `#` are themselves, `p` is the separator before DTMF digits, `w` the wild
//! digit and `e` the expansion digit. Any other type of number is said by a member `type`, the octet in hexadecimal
//! digits.

use toml::Value;

use super::codec::{Codec, Field, Form, Layout, fields, named, without_filler};
use super::error::{ContentError, Refusal};
use super::text::{alpha_field, decode_alpha, encode_alpha_value};
use super::value::{self, Encoded, Members};

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

/// What the length in front of an address counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    /// The octets of type and digits (TS 24.011 8.2.5).
    Octets,
    /// The digits (TS 23.040 9.1.2.5).
    Digits,
}

/// A number with its type and the length in front of it.
struct Number<'a> {
    digits: &'a str,
    kind: u8,
    count: u8,
}

impl<'a> Number<'a> {
    /// Reads a number; `kind` and `count` are what members of these names say.
    fn parse(text: &'a str, kind: Option<u8>, count: Option<u8>, counts: Counts) -> Result<Self, Refusal> {
        let (digits, usual) = match text.strip_prefix('+') {
            Some(digits) => (digits, INTERNATIONAL),
            None => (text, UNKNOWN_TYPE),
        };
        let fits = digits.chars().count() <= MAX_DIGITS
            && digits.chars().all(|digit| DIGITS.contains(digit))
            && (usual == UNKNOWN_TYPE || (kind.is_none() && !digits.is_empty()));
        let natural = match counts {
            Counts::Octets => 1 + digits.len().div_ceil(2),
            Counts::Digits => digits.len(),
        };
        let natural = u8::try_from(natural).ok().filter(|_| fits);
        let natural = natural.ok_or_else(|| Refusal::text(EXPECTED_NUMBER, text))?;
        Ok(Self { digits, kind: kind.unwrap_or(usual), count: count.unwrap_or(natural) })
    }

    /// A number of a subscriber or a service centre: it has digits.
    fn dialled(text: &'a str) -> Result<Self, Refusal> {
        let number = Self::parse(text, None, None, Counts::Octets)?;
        if number.digits.is_empty() { Err(Refusal::text(EXPECTED_NUMBER, text)) } else { Ok(number) }
    }

    /// Length, type and ten octets of digits.
    fn address(&self) -> Encoded {
        let digits = to_bcd(self.digits, DIGIT_OCTETS);
        let digits = digits.ok_or_else(|| Refusal::text(EXPECTED_NUMBER, self.digits))?;
        Ok([&[self.count, self.kind][..], &digits].concat())
    }
}

/// What the twelve octets of an address say: a string, or a table of `digits`, `type` and `count` where the string
/// would not give the same octets. `None` where the length is that of no address: the octets are something else.
pub(super) fn decode_address(octets: &[u8], counts: Counts) -> Option<Value> {
    let [count, kind, digits @ ..] = octets else { return None };
    let digits = from_bcd(digits)?;
    let short = match *kind {
        INTERNATIONAL if !digits.is_empty() => Some(format!("+{digits}")),
        UNKNOWN_TYPE => Some(digits.clone()),
        _ => None,
    };
    let largest = match counts {
        Counts::Octets => 1 + DIGIT_OCTETS,
        Counts::Digits => MAX_DIGITS,
    };
    if usize::from(*count) > largest {
        return None;
    }
    let natural = Number::parse(&digits, Some(*kind), None, counts).ok()?.count == *count;
    Some(match short.filter(|_| natural) {
        Some(text) => value::text(text),
        None => value::table([
            ("digits", Some(value::text(digits))),
            ("type", Some(value::hex(&[*kind]))),
            ("count", (!natural).then_some(Value::Integer(i64::from(*count)))),
        ]),
    })
}

/// The twelve octets of an address.
pub(super) fn encode_address(value: &Value, counts: Counts) -> Encoded {
    if let Some(text) = value.as_str() {
        return Number::parse(text, None, None, counts)?.address();
    }
    let members = Members::of(value, EXPECTED_NUMBER, &["digits", "type", "count"])?;
    let kind = members.hex("type", Some(1))?.and_then(|octets| octets.first().copied());
    let digits = members.required_text("digits")?;
    let number = Number::parse(digits, kind, members.octet("count")?, counts);
    number.and_then(|number| number.address()).map_err(|refusal| refusal.within("digits"))
}

/// The record of EF.MSISDN for a number, without alpha identifier, capability and extension.
///
/// # Errors
/// [`ContentError`] if `number` is no number or `record_length` is less than [`DIALLING_NUMBER_LEN`].
pub fn msisdn_record(number: &str, record_length: usize) -> Result<Vec<u8>, ContentError> {
    let record = || {
        let number = Number::dialled(number)?;
        let address = number.address()?;
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
        let number = Number::dialled(service_centre)?;
        let alpha = room(record_length, SHORT_MESSAGE_PARAMETERS_LEN)?;
        let centre = number.address()?;
        let before = [alpha_field(&[], alpha)?, vec![INDICATORS], vec![0xFF; ADDRESS]].concat();
        Ok([before, centre, vec![0xFF; 3]].concat())
    };
    record().map_err(|refusal: Refusal| refusal.about("EF.SMSP", false))
}

/// Octets that a record has before its last `fixed` ones.
fn room(record_length: usize, fixed: usize) -> Result<usize, Refusal> {
    record_length.checked_sub(fixed).ok_or(Refusal::TooLong { needed: fixed, room: record_length })
}

const NUMBER: Field = Field("number", ADDRESS, Form::Address);
const CAPABILITY: Field = Field("capability", 1, Form::Number);
const EXTENSION: Field = Field("extension", 1, Form::Number);

/// A dialling number with its name: the record number of its capabilities and of its extension.
pub(super) const DIALLING_NUMBER: Codec = named(&[NUMBER, CAPABILITY, EXTENSION]);
/// The same with the record of EF.CMI that says how numbers are compared.
pub(super) const BARRED_NUMBER: Codec =
    named(&[NUMBER, CAPABILITY, EXTENSION, Field("comparison", 1, Form::Number)]);
/// An incoming call: EF.ICI (TS 31.102 4.2.33).
pub(super) const INCOMING_CALL: Codec = named(&[
    NUMBER,
    CAPABILITY,
    EXTENSION,
    Field("time", 7, Form::Hex),
    Field("duration", 3, Form::Number),
    Field("status", 1, Form::Word(&[(0, "answered"), (1, "not answered")])),
    Field("link", 3, Form::Hex),
]);
/// An outgoing call: EF.OCI (4.2.34).
pub(super) const OUTGOING_CALL: Codec = named(&[
    NUMBER,
    CAPABILITY,
    EXTENSION,
    Field("time", 7, Form::Hex),
    Field("duration", 3, Form::Number),
    Field("link", 3, Form::Hex),
]);
/// An additional number of the phonebook: EF.ANR (4.4.2.9).
pub(super) const ADDITIONAL_NUMBER: Codec = fields(&[
    Field("description", 1, Form::Number),
    NUMBER,
    CAPABILITY,
    EXTENSION,
    Field("entry_file", 1, Form::Number),
    Field("entry", 1, Form::Number),
]);
/// The state of call forwarding: EF.CFIS (4.2.64).
pub(super) const CALL_FORWARDING: Codec = fields(&[
    Field("profile", 1, Form::Number),
    Field("forwarded", 1, Form::Flags(&[(0x01, "voice"), (0x02, "fax"), (0x04, "data")])),
    NUMBER,
    CAPABILITY,
    EXTENSION,
]);
/// An extension record (TS 31.102 4.4.2.4).
pub(super) const EXTENSION_RECORD: Codec = fields(&[
    Field("type", 1, Form::Word(&[(0, "free"), (1, "called party subaddress"), (2, "additional data")])),
    Field("data", 11, Form::Hex),
    Field("next", 1, Form::Number),
]);
/// An emergency number (4.2.21) with the categories of TS 24.008 10.5.4.33.
pub(super) const EMERGENCY_NUMBER: Codec = Codec::Layout(Layout {
    before: &[Field("number", 3, Form::Digits)],
    named: true,
    after: &[Field(
        "categories",
        1,
        Form::Flags(&[
            (0x01, "police"),
            (0x02, "ambulance"),
            (0x04, "fire brigade"),
            (0x08, "marine guard"),
            (0x10, "mountain rescue"),
            (0x20, "manual eCall"),
            (0x40, "automatic eCall"),
        ]),
    )],
    rest: None,
});

/// EF.ECC of a CSIM: numbers of three octets.
pub(super) const EMERGENCY_NUMBERS_OF_CSIM: Codec = Codec::List(3, Form::Digits);

/// Short message parameters.
pub(super) const SHORT_MESSAGE_PARAMETERS: Codec =
    Codec::Named(decode_short_message_parameters, encode_short_message_parameters);

/// The octets of short message parameters in their order, after the indicators; bit n of the indicators is 0 where
/// the n-th is there.
const PARAMETERS: [(&str, usize); 5] =
    [("destination", ADDRESS), ("service_centre", ADDRESS), ("protocol", 1), ("coding", 1), ("validity", 1)];

fn decode_short_message_parameters(octets: &[u8]) -> Option<Value> {
    let (name, parameters) =
        octets.split_at_checked(octets.len().checked_sub(SHORT_MESSAGE_PARAMETERS_LEN)?)?;
    let (indicators, mut rest) = parameters.split_first()?;
    let mut table = toml::Table::new();
    let name = without_filler(name);
    if !name.is_empty() {
        table.insert("name".to_owned(), decode_alpha(name));
    }
    let mut usual = 0xFF_u8;
    for (at, (name, length)) in PARAMETERS.into_iter().enumerate() {
        let (own, after) = rest.split_at_checked(length)?;
        rest = after;
        if !without_filler(own).is_empty() {
            usual &= !(1 << at);
            let value = match own {
                [octet] => Value::Integer(i64::from(*octet)),
                address if at == 0 => decode_address(address, Counts::Digits)?,
                address => decode_address(address, Counts::Octets)?,
            };
            table.insert(name.to_owned(), value);
        }
    }
    if *indicators != usual {
        table.insert("indicators".to_owned(), value::hex(&[*indicators]));
    }
    Some(Value::Table(table))
}

fn encode_short_message_parameters(value: &Value, length: Option<usize>) -> Encoded {
    const KNOWN: [&str; 7] =
        ["name", "destination", "service_centre", "protocol", "coding", "validity", "indicators"];
    let members = Members::of(value, "a table", &KNOWN)?;
    let alpha = members.read("name", encode_alpha_value)?.unwrap_or_default();
    let room = length.map_or(alpha.len(), |length| length.saturating_sub(SHORT_MESSAGE_PARAMETERS_LEN));
    let mut octets = alpha_field(&alpha, room).map_err(|refusal| refusal.within("name"))?;
    let mut usual = 0xFF_u8;
    let mut parameters = Vec::with_capacity(SHORT_MESSAGE_PARAMETERS_LEN);
    for (at, (name, length)) in PARAMETERS.into_iter().enumerate() {
        let own = members.read(name, |value| match (length, at) {
            (1, _) => value::octet(value).map(|octet| vec![octet]),
            (_, 0) => encode_address(value, Counts::Digits),
            _ => encode_address(value, Counts::Octets),
        })?;
        if own.is_some() {
            usual &= !(1 << at);
        }
        parameters.extend(own.unwrap_or_else(|| vec![0xFF; length]));
    }
    octets.extend(members.hex("indicators", Some(1))?.unwrap_or_else(|| vec![usual]));
    octets.extend(parameters);
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::ElementKind;

    use super::*;
    use crate::profile::content::tests::agree;

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

    #[test]
    fn records_with_numbers() {
        let kind = ElementKind::OptUsim;
        for (name, octets, text) in [
            // TS.48: an entry of the phonebook.
            (
                "EF.ADN",
                "546573746E722E31FFFFFFFFFFFF069194982143F1FFFFFFFFFFFFFF",
                r#"{ name = "Testnr.1", number = "+498912341", length = 28 }"#,
            ),
            ("EF.MSISDN", "0791947111325476FFFFFFFFFFFF", r#"{ number = "+491711234567" }"#),
            (
                "EF.FDN",
                "486F6D65038121F3FFFFFFFFFFFFFFFF0102",
                r#"{ name = "Home", number = "123", capability = 1, extension = 2 }"#,
            ),
            // Other types, other lengths, no digits, signs.
            ("EF.SDN", "03A121F3FFFFFFFFFFFFFFFFFFFF", r#"{ number = { digits = "123", type = "A1" } }"#),
            (
                "EF.SDN",
                "0B8121F3FFFFFFFFFFFFFFFFFFFF",
                r#"{ number = { digits = "123", type = "81", count = 11 } }"#,
            ),
            ("EF.MBDN", "0181FFFFFFFFFFFFFFFFFFFFFFFF", r#"{ number = "" }"#),
            ("EF.SDN", "03811ABCFFFFFFFFFFFFFFFFFFFF", r#"{ number = "*1p#" }"#),
            ("EF.BDN", "038121F3FFFFFFFFFFFFFFFFFFFF05", r#"{ number = "123", comparison = 5 }"#),
            // TS.48.
            (
                "EF.ECC",
                "11F2FF4575726F20456D6572FF00",
                r#"{ number = "112", name = "Euro Emer", categories = [], length = 14 }"#,
            ),
            ("EF.ECC", "11F2FF03", r#"{ number = "112", categories = ["police", "ambulance"] }"#),
            (
                "EF.OCI",
                &["4869FF", &"FF".repeat(21), "00002800FFFF"].concat(),
                r#"{ name = "Hi", duration = 40, link = "00FFFF", length = 30 }"#,
            ),
            // The defaults of the templates.
            ("EF.EXT1", "00FFFFFFFFFFFFFFFFFFFFFFFF", r#"{ type = "free" }"#),
            ("EF.CFIS", "0100FFFFFFFFFFFFFFFFFFFFFFFFFFFF", "{ profile = 1, forwarded = [] }"),
            // TS 31.102 4.2.27: E1 is an address of the service centre and no other parameter, 00 for the rest.
            (
                "EF.SMSP",
                "FDFFFFFFFFFFFFFFFFFFFFFFFF07919403214365F7FFFFFFFFFFFFFF",
                r#"{ service_centre = "+49301234567" }"#,
            ),
            (
                "EF.SMSP",
                "4142FFE1FFFFFFFFFFFFFFFFFFFFFFFF0491214365FFFFFFFFFFFFFF0000FF",
                r#"{ name = "AB", service_centre = "+123456", protocol = 0, coding = 0, indicators = "E1", length = 31 }"#,
            ),
            (
                "EF.SMSP",
                "E606912143F5FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF0000A7",
                r#"{ destination = { digits = "12345", type = "91", count = 6 }, protocol = 0, coding = 0, validity = 167, indicators = "E6" }"#,
            ),
        ] {
            agree(kind, name, octets, text);
        }
        agree(
            ElementKind::OptCsim,
            "EF.ECC",
            "19F1FF11F2FFFFFFFF",
            r#"{ value = ["911", "112"], length = 9 }"#,
        );
    }
}
