//! EsipaMessageFromIpaToEim: what decodes, encodes to the same value.

#![no_main]

simyard_fuzz::message!(simyard_asn1::iot::esipa::EsipaRequest);
