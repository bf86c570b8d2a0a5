//! The metadata that an order keeps, and the icon in it: what is read is written the same way.

#![no_main]

use libfuzzer_sys::fuzz_target;
use simyard::ident::Iccid;
use simyard::profile::icon::Icon;
use simyard::profile::metadata::ProfileMetadata;

fuzz_target!(|octets: &[u8]| {
    let _ = Icon::new(octets.to_vec());
    let iccid = Iccid::parse("89000123456789012341").expect("twenty digits");
    if let Ok(metadata) = ProfileMetadata::from_store_metadata(octets, &iccid) {
        let again = metadata.to_store_metadata(&iccid);
        assert_eq!(ProfileMetadata::from_store_metadata(&again, &iccid), Ok(metadata));
    }
});
