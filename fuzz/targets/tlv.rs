//! TLVs of any kind: what the reader finds, the writer writes as received, and values go both ways.

#![no_main]

use simyard_asn1::{Reader, Tag, Writer};

fn rewrite(mut reader: Reader<'_>, depth: usize) -> Vec<u8> {
    let mut writer = Writer::new();
    while let Ok(tlv) = reader.read() {
        if tlv.tag.is_constructed() && depth < 32 {
            let members = rewrite(tlv.members("TLV"), depth + 1);
            // Members that are not well formed end the walk: what was read before them is compared.
            assert!(tlv.value.starts_with(&members), "other members");
        }
        writer.tlv(tlv.tag, tlv.value);
        let mut value = Writer::new();
        if let Ok(number) = tlv.integer("TLV") {
            value.integer(tlv.tag, number);
            assert_eq!(value.finish(), tlv.raw, "another integer");
        }
        let mut value = Writer::new();
        if let Ok(boolean) = tlv.boolean("TLV") {
            value.boolean(tlv.tag, boolean);
            assert_eq!(value.finish(), tlv.raw, "another boolean");
        }
        if let Ok(bits) = tlv.named_bits("TLV") {
            let mut value = Writer::new();
            value.named_bits(Tag::BIT_STRING, bits);
            let der = value.finish();
            let again = Reader::new(&der, "TLV").read().and_then(|tlv| tlv.named_bits("TLV"));
            assert_eq!(again, Ok(bits), "other bits");
        }
    }
    writer.finish()
}

simyard_fuzz::target!(seeds: simyard_fuzz::seeds::values(|_| true), |input| {
    let written = rewrite(Reader::new(input, "TLV"), 0);
    assert!(input.starts_with(&written), "other octets");
    if let Ok(rest) = Reader::new(input, "TLV").extensions() {
        assert_eq!((rest, written.as_slice()), (input, input));
    }
});
