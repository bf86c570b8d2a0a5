//! What the fuzz targets share: the property that every message has, and the inputs to start from.
//!
//! Each file in `targets/` is one target. `cargo fuzz run -s none TARGET` runs one for as long as it finds nothing; it
//! needs no nightly toolchain. Before the fuzzer reads its corpus, the target writes its seeds into that folder, so
//! that a fresh clone starts from real messages.

pub mod bodies;
pub mod samples;
pub mod seeds;

pub use simyard_asn1::{Decode, Encode};

/// A target: which seeds to start from, and what to do with an input.
#[macro_export]
macro_rules! target {
    (seeds: $seeds:expr, |$input:ident| $fuzz:expr) => {
        libfuzzer_sys::fuzz_target!(init: { $crate::seeds::write($seeds) }, |$input: &[u8]| $fuzz);
    };
}

/// The target of messages: no input makes a decoder panic, and what decodes, encodes to DER that decodes to the same value
/// and is encoded to the same octets again. Of messages of secrets, which cannot be compared, the octets are.
#[macro_export]
macro_rules! messages {
    (values: [$($value:ident),* $(,)?], secrets: [$($secret:ident),* $(,)?] $(,)?) => {
        fn is_one(der: &[u8]) -> bool {
            $(<$value as $crate::Decode>::from_der(der).is_ok() ||)*
            $(<$secret as $crate::Decode>::from_der(der).is_ok() ||)* false
        }

        $crate::target!(seeds: $crate::seeds::values(is_one), |input| {
            $(if let Ok(value) = <$value as $crate::Decode>::from_der(input) {
                let der = $crate::Encode::to_der(&value);
                let again = <$value as $crate::Decode>::from_der(&der).expect("what was encoded decodes");
                assert!(value == again, "another value after encoding");
                assert_eq!($crate::Encode::to_der(&again), der, "other octets after decoding");
            })*
            $(if let Ok(value) = <$secret as $crate::Decode>::from_der(input) {
                let der = $crate::Encode::to_der(&value);
                let again = <$secret as $crate::Decode>::from_der(&der).expect("what was encoded decodes");
                assert!($crate::Encode::to_der(&again) == der, "other octets after decoding");
                assert!(input.starts_with(&der[..2]), "another tag");
            })*
        });
    };
}
