//! DER front to back.

use super::{Encode, NamedBits, Tag};

/// Builds DER front to back.
#[derive(Debug, Default)]
pub struct Writer(pub(super) Vec<u8>);

impl Writer {
    /// An empty writer.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// An empty writer with room for `octets`: for secrets, of which a buffer that grows leaves copies in freed
    /// memory. What is written stays in it as long as there is room.
    #[must_use]
    pub fn with_capacity(octets: usize) -> Self {
        Self(Vec::with_capacity(octets))
    }

    /// The octets written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Octets written so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends octets that are TLVs already.
    pub fn raw(&mut self, octets: &[u8]) -> &mut Self {
        self.0.extend_from_slice(octets);
        self
    }

    /// Appends a TLV with these value octets.
    pub fn tlv(&mut self, tag: Tag, value: &[u8]) -> &mut Self {
        tag.write(&mut self.0);
        let (octets, unused) = length_form(value.len());
        self.0.extend(octets.iter().skip(unused));
        self.raw(value)
    }

    /// Appends a TLV whose value octets `members` writes.
    pub fn nested(&mut self, tag: Tag, members: impl FnOnce(&mut Self)) -> &mut Self {
        tag.write(&mut self.0);
        let start = self.0.len();
        members(self);
        // The length stands in front of what it counts, which moves up by one to five octets.
        let (octets, unused) = length_form(self.0.len().saturating_sub(start));
        self.0.splice(start..start, octets.into_iter().skip(unused));
        self
    }

    /// Appends an optional TLV.
    pub fn optional(&mut self, tag: Tag, value: Option<&[u8]>) -> &mut Self {
        match value {
            Some(value) => self.tlv(tag, value),
            None => self,
        }
    }

    /// Appends an INTEGER in minimal form under `tag`.
    pub fn integer(&mut self, tag: Tag, value: i64) -> &mut Self {
        let octets = value.to_be_bytes();
        let sign = if value < 0 { 0xFF } else { 0x00 };
        let skip = octets
            .iter()
            .zip(octets.iter().skip(1))
            .take_while(|(octet, next)| **octet == sign && (**next ^ sign) & 0x80 == 0)
            .count();
        let value: Vec<u8> = octets.iter().skip(skip).copied().collect();
        self.tlv(tag, &value)
    }

    /// Appends a BOOLEAN under `tag`.
    pub fn boolean(&mut self, tag: Tag, value: bool) -> &mut Self {
        self.tlv(tag, &[if value { 0xFF } else { 0x00 }])
    }

    /// Appends a BIT STRING with named bits under `tag`.
    pub fn named_bits(&mut self, tag: Tag, bits: NamedBits) -> &mut Self {
        self.tlv(tag, &bits.to_content())
    }

    /// Appends a value.
    pub fn value(&mut self, value: &impl Encode) -> &mut Self {
        value.encode(self);
        self
    }
}

/// The length octets of DER for a value of `length` octets.
#[must_use]
pub fn length_octets(length: usize) -> Vec<u8> {
    let (octets, unused) = length_form(length);
    octets.into_iter().skip(unused).collect()
}

/// The length octets at the end of an array, and how many in front of them are unused.
fn length_form(length: usize) -> ([u8; 9], usize) {
    let mut octets = [0; 9];
    let [_, number @ ..] = &mut octets;
    let unused = (length as u64).leading_zeros() / 8;
    *number = (length as u64).to_be_bytes();
    let unused = usize::try_from(unused).unwrap_or_default();
    if length < 0x80 {
        return (octets, 8);
    }
    // In front of the significant octets stands their number.
    if let Some(lead) = octets.get_mut(unused) {
        *lead = 0x80 | u8::try_from(8 - unused).unwrap_or_default();
    }
    (octets, unused)
}
