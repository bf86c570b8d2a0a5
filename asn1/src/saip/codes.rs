//! PINCodes and PUKCodes.

use super::{ElementKind, ProfileElement};
use crate::tlv::{Error, ErrorKind, Reader, Tag, Tlv};

/// The largest number of PINs in one element.
pub const MAX_PINS: usize = 26;

/// The attributes of a PIN that gives none: enabled, may be changed, may be disabled.
pub const DEFAULT_PIN_ATTRIBUTES: u8 = 7;
/// The attempts of a PIN that gives none: three, three left.
pub const DEFAULT_PIN_ATTEMPTS: u8 = 0x33;
/// The attempts of a PUK that gives none: ten, ten left.
pub const DEFAULT_PUK_ATTEMPTS: u8 = 0xAA;

/// One PIN. It has no Debug: the value is a secret.
#[derive(Clone, Copy)]
pub struct PinConfiguration<'a> {
    /// 1..8 PIN of an application, 10..14 ADM1..5, 129..136 local PIN, 138..142 ADM6..10.
    pub key_reference: u8,
    /// Eight octets: ASCII digits filled up with FF.
    pub value: &'a [u8; 8],
    /// Where the value starts in the package.
    pub value_offset: usize,
    /// The PUK that unblocks it.
    pub unblocking_reference: Option<u8>,
    /// Bit 1 enabled, bit 2 may be changed, bit 3 may be disabled.
    pub attributes: u8,
    /// High nibble: attempts; low nibble: attempts left.
    pub attempts: u8,
}

/// What a PINCodes element says.
pub enum PinCodes<'a> {
    /// PINs of the current directory.
    Pins(Vec<PinConfiguration<'a>>),
    /// The directory whose PINs the current one shares: a path of file identifiers, two octets each.
    SharedWith(&'a [u8]),
}

/// One PUK. It has no Debug: the value is a secret.
#[derive(Clone, Copy)]
pub struct PukConfiguration<'a> {
    /// 1..8 or 129..136.
    pub key_reference: u8,
    /// Eight octets: ASCII digits.
    pub value: &'a [u8; 8],
    /// Where the value starts in the package.
    pub value_offset: usize,
    /// High nibble: attempts; low nibble: attempts left.
    pub attempts: u8,
}

fn octet(tlv: &Tlv<'_>, what: &'static str) -> Result<u8, Error> {
    u8::try_from(tlv.unsigned(what)?).map_err(|_| tlv.error(ErrorKind::Value, what))
}

fn octet_or(members: &mut Reader<'_>, tag: u32, default: u8, what: &'static str) -> Result<u8, Error> {
    members.optional(Tag::context(tag))?.map_or(Ok(default), |tlv| octet(&tlv, what))
}

fn pin<'a>(tlv: &Tlv<'a>) -> Result<PinConfiguration<'a>, Error> {
    const WHAT: &str = "PINConfiguration";
    let mut members = tlv.members(WHAT);
    let reference = members.expect(Tag::context(0))?;
    let key_reference = octet(&reference, WHAT)?;
    if !matches!(key_reference, 1..=8 | 10..=14 | 129..=136 | 138..=142) {
        return Err(reference.error(ErrorKind::Value, WHAT));
    }
    let value = members.expect(Tag::context(1))?;
    let unblocking_reference = members.optional(Tag::context(2))?.map(|tlv| octet(&tlv, WHAT)).transpose()?;
    let attributes = octet_or(&mut members, 3, DEFAULT_PIN_ATTRIBUTES, WHAT)?;
    let attempts = octet_or(&mut members, 4, DEFAULT_PIN_ATTEMPTS, WHAT)?;
    members.extensions()?;
    Ok(PinConfiguration {
        key_reference,
        value: value.array(WHAT)?,
        value_offset: super::value_offset(&value),
        unblocking_reference,
        attributes,
        attempts,
    })
}

fn puk<'a>(tlv: &Tlv<'a>) -> Result<PukConfiguration<'a>, Error> {
    const WHAT: &str = "PUKConfiguration";
    let mut members = tlv.members(WHAT);
    let reference = members.expect(Tag::context(0))?;
    let key_reference = octet(&reference, WHAT)?;
    if !matches!(key_reference, 1..=8 | 129..=136) {
        return Err(reference.error(ErrorKind::Value, WHAT));
    }
    let value = members.expect(Tag::context(1))?;
    let attempts = octet_or(&mut members, 2, DEFAULT_PUK_ATTEMPTS, WHAT)?;
    members.extensions()?;
    Ok(PukConfiguration {
        key_reference,
        value: value.array(WHAT)?,
        value_offset: super::value_offset(&value),
        attempts,
    })
}

fn list<'a, T>(
    mut members: Reader<'a>,
    read: impl Fn(&Tlv<'a>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut found = Vec::new();
    while !members.is_empty() {
        let one = members.expect(Tag::SEQUENCE)?;
        if found.len() == MAX_PINS {
            return Err(one.error(ErrorKind::Value, members.what()));
        }
        found.push(read(&one)?);
    }
    Ok(found)
}

impl<'a> ProfileElement<'a> {
    /// The element as PINCodes.
    ///
    /// # Errors
    /// [`Error`] for another element, for references out of range, values that have not eight octets.
    pub fn pin_codes(&self) -> Result<PinCodes<'a>, Error> {
        const WHAT: &str = "PINCodes";
        self.must_be(ElementKind::PinCodes)?;
        let mut body = self.body()?;
        let codes = body.expect(Tag::context_constructed(1))?;
        body.extensions()?;
        let mut choice = codes.members(WHAT);
        let chosen = choice.read()?;
        choice.finish()?;
        if chosen.tag == Tag::context_constructed(0) {
            list(chosen.members(WHAT), pin).map(PinCodes::Pins)
        } else if chosen.tag == Tag::context(1) {
            if chosen.value.len() > 8 || !chosen.value.len().is_multiple_of(2) {
                return Err(chosen.error(ErrorKind::Value, WHAT));
            }
            Ok(PinCodes::SharedWith(chosen.value))
        } else {
            Err(chosen.error(ErrorKind::Choice { found: chosen.tag }, WHAT))
        }
    }

    /// The element as PUKCodes.
    ///
    /// # Errors
    /// As [`ProfileElement::pin_codes`].
    pub fn puk_codes(&self) -> Result<Vec<PukConfiguration<'a>>, Error> {
        self.must_be(ElementKind::PukCodes)?;
        let mut body = self.body()?;
        let codes = body.expect(Tag::context_constructed(1))?;
        body.extensions()?;
        list(codes.members("PUKCodes"), puk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saip::Package;

    /// A PINCodes element around one configuration.
    fn element(configuration: &[u8]) -> Vec<u8> {
        let mut writer = crate::tlv::Writer::new();
        writer.nested(Tag(0xA2), |w| {
            w.nested(Tag(0xA0), |w| {
                w.integer(Tag(0x81), 2);
            });
            w.nested(Tag(0xA1), |w| {
                w.tlv(Tag(0xA0), configuration);
            });
        });
        writer.finish()
    }

    const PIN1: [u8; 21] = [
        0x30, 0x13, 0x80, 0x01, 0x01, 0x81, 0x08, 0x30, 0x30, 0x30, 0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x82, 0x01,
        0x01, 0x83, 0x01, 0x06,
    ];

    #[test]
    fn a_pin_is_read_with_its_defaults() {
        let octets = element(&PIN1);
        let package = Package::from_der(&octets).unwrap();
        let Ok(PinCodes::Pins(pins)) = package.elements()[0].pin_codes() else { panic!("PINs") };
        let [pin] = pins.as_slice() else { panic!("one PIN") };
        assert_eq!((pin.key_reference, pin.unblocking_reference, pin.attributes), (1, Some(1), 6));
        assert_eq!(pin.attempts, DEFAULT_PIN_ATTEMPTS);
        assert_eq!(octets[pin.value_offset..][..8], *pin.value);
    }

    #[test]
    fn a_reference_out_of_range_is_refused() {
        for reference in [0, 9, 15, 127] {
            let mut configuration = PIN1;
            configuration[4] = reference;
            let octets = element(&configuration);
            assert!(Package::from_der(&octets).unwrap().elements()[0].pin_codes().is_err(), "{reference}");
        }
    }

    #[test]
    fn another_element_is_not_viewed_as_pins() {
        let octets = [0xAA, 0x05, 0xA0, 0x03, 0x81, 0x01, 0x01];
        assert!(Package::from_der(&octets).unwrap().elements()[0].pin_codes().is_err());
    }
}
