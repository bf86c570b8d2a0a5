//! The input file of a vendor: what a batch is to be made of. The vendor's answer has the same name and, in its rows, the
//! numbers that follow from the first ones.

use crate::domain::DeliveryId;
use crate::env::Timestamp;
use crate::ident::{Iccid, Imsi, has_luhn_digit, luhn_digit};
use crate::profile::personal_data::MAX_SUBSCRIPTIONS;

use super::formats::header_line;

/// The most SIMs that are asked for at once.
pub const MAX_QUANTITY: u64 = 2_000_000;

/// What a manufacturer is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// For whom.
    pub customer: String,
    /// The profile type, or the product, in the manufacturer's words.
    pub profile_type: String,
    /// The name of the batch.
    pub batch: DeliveryId,
    /// When it is asked for.
    pub at: Timestamp,
    /// How many SIMs.
    pub quantity: u64,
    /// The first ICCID.
    pub first_iccid: Iccid,
    /// Whether its last digit is a check digit: the numbers behind it count without.
    pub has_check_digit: bool,
    /// The first IMSI of each slot; the first slot is the home subscription's.
    pub first_imsis: Vec<Imsi>,
    /// The transport key of K and OPc; 0 for none.
    pub subscription_key: u32,
    /// The transport key of keys for remote management; 0 for none.
    pub ota_key: u32,
    /// Whether they are eUICCs, whose EIDs the manufacturer fills in.
    pub is_euicc: bool,
}

/// Why nothing is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// None, or more than anybody makes at once.
    #[error("expected 1 to {MAX_QUANTITY} SIMs")]
    Quantity,
    /// No IMSI, or more than a SIM has.
    #[error("expected 1 to {MAX_SUBSCRIPTIONS} first IMSIs, one for each slot")]
    Imsis,
    /// The ICCID's last digit is no check digit.
    #[error(
        "the last digit of the first ICCID is not its check digit; without check digits: --no-check-digit"
    )]
    CheckDigit,
    /// The numbers do not suffice.
    #[error("{0} numbers behind the first {1} are more than its digits can count")]
    Overflow(u64, &'static str),
    /// Two slots give out the same numbers.
    #[error("two slots draw from the same IMSIs: let their first IMSIs lie {0} apart or more")]
    Overlap(u64),
    /// A text that would break the file.
    #[error("{0}: expected 1 to 32 letters, digits, hyphens, dots and underscores")]
    Text(&'static str),
}

impl Request {
    /// Looks whether it can be asked for.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn check(&self) -> Result<(), RequestError> {
        if !(1..=MAX_QUANTITY).contains(&self.quantity) {
            return Err(RequestError::Quantity);
        }
        if !(1..=MAX_SUBSCRIPTIONS).contains(&self.first_imsis.len()) {
            return Err(RequestError::Imsis);
        }
        if self.has_check_digit && !has_luhn_digit(self.first_iccid.as_str()) {
            return Err(RequestError::CheckDigit);
        }
        let is_text = |text: &str| {
            (1..=32).contains(&text.len())
                && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_'))
        };
        for (text, what) in [(self.batch.as_str(), "batch"), (&self.profile_type, "profile type")] {
            if !is_text(text) {
                return Err(RequestError::Text(what));
            }
        }
        if self.customer.is_empty() || self.customer.len() > 64 || self.customer.contains(char::is_control) {
            return Err(RequestError::Text("customer"));
        }
        self.last_iccid().ok_or(RequestError::Overflow(self.quantity, "ICCID"))?;
        let mut firsts = Vec::new();
        for imsi in &self.first_imsis {
            plus(imsi.as_str(), self.quantity - 1).ok_or(RequestError::Overflow(self.quantity, "IMSI"))?;
            firsts.push((imsi.as_str().len(), imsi.as_str().parse::<u64>().unwrap_or_default()));
        }
        firsts.sort_unstable();
        let overlap = firsts.windows(2).any(|pair| match pair {
            [(length, first), (other_length, second)] => {
                length == other_length && second.saturating_sub(*first) < self.quantity
            }
            _ => false,
        });
        if overlap { Err(RequestError::Overlap(self.quantity)) } else { Ok(()) }
    }

    /// The last ICCID of the batch.
    #[must_use]
    pub fn last_iccid(&self) -> Option<Iccid> {
        let steps = self.quantity.checked_sub(1)?;
        let digits = self.first_iccid.as_str();
        if !self.has_check_digit {
            return Iccid::parse(&plus(digits, steps)?).ok().filter(is_iccid);
        }
        let body = plus(digits.get(..digits.len().checked_sub(1)?)?, steps)?;
        let check = luhn_digit(&body)?;
        Iccid::parse(&format!("{body}{check}")).ok().filter(is_iccid)
    }

    /// The classic input file.
    #[must_use]
    pub fn to_classic(&self) -> String {
        let mut columns = vec!["ICCID".to_owned(), "IMSI".to_owned()];
        columns.extend((2..=self.first_imsis.len()).map(|slot| format!("IMSI{slot}")));
        columns.extend(
            ["PIN1", "PUK1", "PIN2", "PUK2", "ADM1", "KI", "OPC", "KIC", "KID", "KIK"].map(str::to_owned),
        );
        if self.is_euicc {
            columns.push("EID".to_owned());
        }
        let imsis = self.first_imsis.iter().enumerate().map(|(slot, imsi)| match slot {
            0 => format!("IMSI: {imsi}\n"),
            slot => format!("IMSI{}: {imsi}\n", slot + 1),
        });
        format!(
            "*HEADER DESCRIPTION\nCustomer : {}\nProfileType : {}\nOrder Date : {}\nBatch No : {}\nQuantity : {}\n\
             Transport_key : {}\nOTA_Transport_key : {}\n*INPUT VARIABLES\nvar_In:\nICCID: {}\n{}*OUTPUT VARIABLES\n\
             var_Out: {}\n",
            self.customer,
            self.profile_type,
            self.at,
            self.batch,
            self.quantity,
            self.subscription_key,
            self.ota_key,
            self.first_iccid.to_es2plus(),
            imsis.collect::<String>(),
            columns.join("/"),
        )
    }

    /// The input file with a header line, and behind it the first ICCID and the first IMSIs: the numbers that the rows count
    /// up from.
    #[must_use]
    pub fn to_header_line(&self) -> String {
        let imsis: Vec<&str> = self.first_imsis.iter().map(Imsi::as_str).collect();
        let sim_type = if self.is_euicc { header_line::EUICC } else { 1 };
        format!(
            "{} {} {} {} {} {} {} {sim_type} 1\n{} {}\n",
            self.batch,
            compact(self.at),
            self.quantity,
            self.profile_type,
            self.first_imsis.len(),
            self.subscription_key,
            self.ota_key,
            self.first_iccid,
            imsis.join(" "),
        )
    }
}

/// Counted up, a number may leave those of telecommunications (E.118 3.1).
fn is_iccid(iccid: &Iccid) -> bool {
    iccid.as_str().starts_with("89")
}

/// A time as header lines have it: yyMMddHHmmss, in UTC.
fn compact(at: Timestamp) -> String {
    at.to_string().chars().filter(char::is_ascii_digit).skip(2).collect()
}

/// Digits counted up by `steps`; `None` where there are not enough of them.
fn plus(digits: &str, steps: u64) -> Option<String> {
    let value = digits.parse::<u128>().ok()?.checked_add(steps.into())?;
    let text = format!("{value:0width$}", width = digits.len());
    (text.len() == digits.len()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            customer: "Acme IoT".to_owned(),
            profile_type: "iot".to_owned(),
            batch: DeliveryId::parse("00233").unwrap(),
            at: Timestamp::from_secs(1_795_329_780),
            quantity: 3,
            first_iccid: Iccid::parse("89882801000000000014").unwrap(),
            has_check_digit: true,
            first_imsis: vec![
                Imsi::parse("901405100000001").unwrap(),
                Imsi::parse("724680000000001").unwrap(),
            ],
            subscription_key: 2,
            ota_key: 0,
            is_euicc: false,
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        let request = request();
        assert_eq!(request.check(), Ok(()));
        assert_eq!(
            request.to_classic(),
            "*HEADER DESCRIPTION\nCustomer : Acme IoT\nProfileType : iot\nOrder Date : 2026-11-22T06:43:00Z\n\
             Batch No : 00233\nQuantity : 3\nTransport_key : 2\nOTA_Transport_key : 0\n*INPUT VARIABLES\nvar_In:\n\
             ICCID: 89882801000000000014\nIMSI: 901405100000001\nIMSI2: 724680000000001\n*OUTPUT VARIABLES\n\
             var_Out: ICCID/IMSI/IMSI2/PIN1/PUK1/PIN2/PUK2/ADM1/KI/OPC/KIC/KID/KIK\n"
        );
        assert_eq!(
            Request { is_euicc: true, ..request }.to_header_line(),
            "00233 261122064300 3 iot 2 2 0 3 1\n89882801000000000014 901405100000001 724680000000001\n"
        );
    }

    #[test]
    fn the_last_number_counts_without_its_check_digit() {
        let last = |request: Request| request.last_iccid().map(|iccid| iccid.as_str().to_owned());
        assert_eq!(last(request()).as_deref(), Some("89882801000000000030"));
        let plain = Request {
            first_iccid: Iccid::parse("8988280100000000001").unwrap(),
            has_check_digit: false,
            ..request()
        };
        assert_eq!(last(plain).as_deref(), Some("8988280100000000003"));
    }

    #[test]
    fn what_cannot_be_made_is_not_asked_for() {
        let imsis = |texts: &[&str]| texts.iter().map(|text| Imsi::parse(text).unwrap()).collect();
        for (request, expected) in [
            (Request { quantity: 0, ..request() }, RequestError::Quantity),
            (Request { quantity: MAX_QUANTITY + 1, ..request() }, RequestError::Quantity),
            (Request { first_imsis: Vec::new(), ..request() }, RequestError::Imsis),
            (
                Request { first_iccid: Iccid::parse("89882801000000000015").unwrap(), ..request() },
                RequestError::CheckDigit,
            ),
            (
                Request { first_imsis: imsis(&["999999999999998"]), ..request() },
                RequestError::Overflow(3, "IMSI"),
            ),
            (
                Request {
                    first_iccid: Iccid::parse("89999999999999999998").unwrap(),
                    has_check_digit: false,
                    ..request()
                },
                RequestError::Overflow(3, "ICCID"),
            ),
            (
                Request { first_imsis: imsis(&["901405100000003", "901405100000001"]), ..request() },
                RequestError::Overlap(3),
            ),
            (Request { profile_type: "a b".to_owned(), ..request() }, RequestError::Text("profile type")),
            (Request { customer: "a\nb".to_owned(), ..request() }, RequestError::Text("customer")),
        ] {
            assert_eq!(request.check(), Err(expected));
        }
        let apart = Request { first_imsis: imsis(&["901405100000001", "901405100000004"]), ..request() };
        assert_eq!(apart.check(), Ok(()));
    }
}
