//! The wire types of remote SIM provisioning and their DER.
//!
//! | module | what |
//! |---|---|
//! | [`tlv`] | tags, a strict reader that keeps received bytes, a writer |
//! | [`oid`] | object identifiers by their content octets |
//! | [`rsp`] | SGP.22: the messages of ES8+, ES9+ and ES10 |
//! | [`iot`] | SGP.32: the messages of ESipa, ESep and ES10b of IoT eUICCs |
//! | [`saip`] | TCA profile packages: the profile elements |
//!
//! # Why the members are read by hand over `der`
//!
//! Headers and lengths are read by the `der` crate, which enforces DER. Its derive macros are not used, for two
//! measured reasons. The modules of SGP.22 and of the profile package are EXTENSIBILITY IMPLIED: a receiver must
//! accept and keep members it does not know, and the derived decoders refuse them. And `const-oid` limits the second
//! arc of an object identifier to 39, while every test certificate and every test SM-DP+ lives below 2.999. So each
//! type here reads and writes its members in the order of the ASN.1, in two functions next to each other.
//!
//! Nothing here does I/O, knows a clock or draws a random number. Decoding is not verifying.

pub mod iot;
pub mod oid;
pub mod rsp;
pub mod saip;
pub mod tlv;

pub use oid::Oid;
pub use tlv::{Decode, Encode, Error, ErrorKind, Raw, Reader, Rules, Tag, Tlv, Writer};
