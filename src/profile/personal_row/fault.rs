//! What may be wrong with a row. Values of secrets do not stand here.

use std::borrow::Cow;
use std::fmt;

use super::columns::KNOWN;
use crate::crypto::transport::TransportError;
use crate::ident::IssuerFault;
use crate::profile::personal_data::CodeError;
use crate::profile::plan::PersonaliseError;
use crate::profile::test_profile::TestProfile;

/// Digits of a number that are shown in front.
const SHOWN_FIRST: usize = 7;
/// Digits of a number that are shown at the end.
const SHOWN_LAST: usize = 3;

/// What is wrong with one value or one line. Values do not stand here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// The line is longer than any row.
    #[error("longer than {0} octets")]
    LineTooLong(usize),
    /// The line is no UTF-8.
    #[error("not UTF-8")]
    NotText,
    /// The line is no JSON object of named values.
    #[error("expected one JSON object with a text for each name")]
    NotObject,
    /// A name that is no column.
    #[error("member {0} is none of {KNOWN}")]
    UnknownMember(usize),
    /// A column that stands twice.
    #[error("stands twice")]
    RepeatedMember,
    /// Another number of values than there are columns.
    #[error("{found} values, expected {expected} as the columns are named")]
    Values {
        /// Columns of the file.
        expected: usize,
        /// Values of this line.
        found: usize,
    },
    /// A needed value is empty.
    #[error("empty")]
    Empty,
    /// An ICCID of another form. The value is not told, in case the columns were mixed up and it is a key.
    #[error("expected 18 to 20 decimal digits, 19 may be followed by F")]
    NotIccid,
    /// An ICCID that its issuer does not give out.
    #[error(transparent)]
    Issuer(#[from] IssuerFault),
    /// An IMSI of another form; the value is not told either.
    #[error("expected 6 to 15 decimal digits, or the 18 digits of EF.IMSI")]
    NotImsi,
    /// An EID of another form.
    #[error("expected 32 decimal digits, the last two of which are check digits")]
    NotEid,
    /// A key of another form.
    #[error("expected {0} hexadecimal digits")]
    NotHex(usize),
    /// A key for remote management of another form.
    #[error("expected 32, 48 or 64 hexadecimal digits")]
    NotOtaKey,
    /// An enciphered key for remote management of another form.
    #[error("expected a key of 16, 24 or 32 octets, enciphered under the transport key")]
    NotEncipheredOtaKey,
    /// A key in the clear where they are enciphered.
    #[error(
        "a key in the clear: only a server with mode = \"test\" takes it; otherwise name the transport key that it is \
         enciphered under"
    )]
    ClearKey,
    /// An enciphered key without a transport key.
    #[error("enciphered, but neither the file nor the command names the transport key")]
    NoTransportKey,
    /// What is enciphered is no whole number of blocks.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A PIN, PUK or ADM of another form.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// An MSISDN of another form.
    #[error("expected 5 to 15 decimal digits, with or without a leading +")]
    NotMsisdn,
    /// The number of a service centre of another form.
    #[error("expected 3 to 20 decimal digits, with or without a leading +")]
    NotNumber,
    /// A name that EF.SPN has no room for.
    #[error("expected at most 16 letters of the GSM alphabet, or 7 of any other")]
    NotSpn,
    /// An identity of IMS of another form.
    #[error("expected 1 to 252 printable ASCII characters without blanks")]
    NotIdentity,
    /// A length of the MNC that there is not.
    #[error("expected 2 or 3")]
    NotMncLength,
    /// A role of another form.
    #[error("expected 1 to 32 small letters, digits and hyphens, and not home")]
    NotRole,
    /// A test profile, outside test mode (SGP.22 2.4.5.3).
    #[error("a test profile: {0}; only a server with mode = \"test\" takes it")]
    TestProfile(TestProfile),
    /// A key that everybody can read somewhere.
    #[error("the key is published: {0}; only a server with mode = \"test\" takes it")]
    PublishedKey(String),
    /// A key that is made from a pattern.
    #[error("no random key: {0}; only a server with mode = \"test\" takes it")]
    WeakKey(&'static str),
    /// An algorithm that is not known.
    #[error("expected milenage, tuak or xor")]
    NotAlgorithm,
    /// A type of keys that is not known.
    #[error("expected AES or DES")]
    NotOtaType,
    /// OPc for an algorithm that has none.
    #[error("the test algorithm (xor) has no OPc: leave it empty, or name another algorithm")]
    OpcOfTestAlgorithm,
    /// OP or TOP for an algorithm whose TOPc is not made here.
    #[error("TOPc is not made from TOP here, and no other algorithm than Milenage has OP: give topc")]
    Top,
    /// OPc is not the one that K and OP give.
    #[error("not the OPc that ki and op of this row give")]
    NotOfOp,
    /// Another number of IMSIs than ordered.
    #[error("{found} IMSIs, expected {expected}")]
    Imsis {
        /// As the header or the sub-class says.
        expected: usize,
        /// In the row.
        found: usize,
    },
    /// Another number of rows than the header says.
    #[error("the file ends after {found} rows, and its header says {expected}")]
    Quantity {
        /// As the header says.
        expected: u64,
        /// Rows of the file.
        found: u64,
    },
    /// The number stands in an earlier line too.
    #[error("stands in line {0} already")]
    Repeated(usize),
    /// The number is in the stock already.
    #[error("is in the stock already")]
    InStock,
    /// The row is in order, but does not fit the template.
    #[error(transparent)]
    Template(#[from] PersonaliseError),
    /// A package with this number is there already.
    #[error("{0} is there already")]
    FileThere(String),
    /// What is wrong with a package or with the data of an eUICC.
    #[error("{0}")]
    Other(String),
}

/// A fault and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// The line, from 1.
    pub line: usize,
    /// The column, if one value is at fault.
    pub column: Option<Cow<'static, str>>,
    /// The value, if one is at fault, as far as it may be shown ([`masked`]).
    pub value: Option<String>,
    /// What is wrong.
    pub fault: RowFault,
}

impl RowError {
    /// A fault of a whole line, or of a value that is not shown.
    #[must_use]
    pub const fn new(line: usize, column: Option<Cow<'static, str>>, fault: RowFault) -> Self {
        Self { line, column, value: None, fault }
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "line {}, {column}: {}", self.line, self.fault),
            None => write!(f, "line {}: {}", self.line, self.fault),
        }
    }
}

/// A number of which nobody sees more than the issuer and the last digits.
#[must_use]
pub fn masked_number(number: &str) -> String {
    let first = number.get(..SHOWN_FIRST).unwrap_or_default();
    let last = number.len().checked_sub(SHOWN_LAST).filter(|at| *at > SHOWN_FIRST);
    format!("{first}…{}", last.and_then(|at| number.get(at..)).unwrap_or_default())
}

/// What stands where a number is expected, as far as it may be shown: masked if it has the digits of an IMSI (15), an
/// ICCID (18 to 20) or an EID (32). Of anything else its length alone: it may be a secret in the wrong column.
#[must_use]
pub fn masked(text: &str) -> String {
    let is_number =
        matches!(text.len(), 15 | 18..=20 | 32) && text.bytes().all(|digit| digit.is_ascii_digit());
    if is_number { masked_number(text) } else { length(text) }
}

/// The length of a value that is not shown.
pub(super) fn length(text: &str) -> String {
    format!("({} characters)", text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_not_shown() {
        for (text, shown) in [
            ("89882801000000000014", "8988280…014"),
            ("901405100000001", "9014051…001"),
            ("89049032000000000000279973200019", "8904903…019"),
            ("12345678", "(8 characters)"),
            ("465b5ce8b199b49faa5f0a2ee238a6bc", "(32 characters)"),
            ("8988280100000000001F", "(20 characters)"),
            ("٠١٢٣٤٥٦٧٨٩", "(10 characters)"),
            ("", "(0 characters)"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
        }
        for (number, expected) in
            [("89882801000000000014", "8988280…014"), ("12345678", "1234567…"), ("1234", "…")]
        {
            assert_eq!(masked_number(number), expected);
        }
    }
}
