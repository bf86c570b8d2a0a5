//! What the contents of files say, in words, both directions.

mod dialling;
mod error;
mod ims;
mod names;
mod network;
mod text;
mod value;

pub use dialling::{
    DIALLING_NUMBER_LEN, MAX_DIGITS, SHORT_MESSAGE_PARAMETERS_LEN, msisdn_record, smsp_record,
};
pub use error::ContentError;
pub use ims::{MAX_IDENTITY, domain, impi, impu};
pub use names::{Display, NAME_LEN, spn, to_ef_spn};
pub use network::{PLMN_LEN, plmn};
pub use text::encode_alpha;

use simyard_asn1::saip::ElementKind;
use toml::Value;

/// What `octets` say: see the agreed interface. Nothing yet.
#[must_use]
pub fn decode(kind: ElementKind, name: &str, octets: &[u8]) -> Option<Value> {
    let _ = (kind, name, octets);
    None
}

/// The octets of a content in words.
///
/// # Errors
/// [`ContentError`] where the value is none of the file's.
pub fn encode(kind: ElementKind, name: &str, value: &Value) -> Result<Vec<u8>, ContentError> {
    let _ = (kind, value);
    Err(ContentError::NoForm { file: name.to_owned() })
}
