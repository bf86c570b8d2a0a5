//! ReplaceSessionKeysRequest: what decodes, encodes to the same value.

#![no_main]

simyard_fuzz::message_of_secrets!(simyard_asn1::rsp::package::ReplaceSessionKeysRequest<'_>);
