//! What belongs to one subscription: numbers, keys, codes. It comes in from manufacturers, is stored sealed as
//! [`PersonalData::to_octets`], and goes into a template by [`super::personalise`].
//!
//! Nothing here has Debug, and all secrets are wiped when dropped.

use simyard_asn1::{Reader, Tag, Writer};
use zeroize::Zeroizing;

use crate::env::Rng;
use crate::ident::{Iccid, Imsi};

/// The version of [`PersonalData::to_octets`].
const FORMAT: u8 = 1;
/// Octets of [`PersonalData::to_octets`]: the format, eleven headers, the members.
const STORED: usize = 1 + 11 * 2 + 10 + 9 + 16 + 16 + 5 * 8 + 2 + 48;

/// `N` secret octets, wiped when dropped.
#[derive(Clone)]
pub struct Secret<const N: usize>(Zeroizing<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Takes octets over.
    #[must_use]
    pub fn new(octets: [u8; N]) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// Fresh random octets.
    #[must_use]
    pub fn random(rng: &Rng) -> Self {
        Self::new(rng.array())
    }

    /// Copies exactly `N` octets.
    #[must_use]
    pub fn from_slice(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self::new)
    }

    /// The octets.
    #[must_use]
    pub fn as_octets(&self) -> &[u8; N] {
        &self.0
    }
}

/// Why a text is no code. It does not repeat the text, which is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// A PIN is something else.
    #[error("a PIN has 4 to 8 decimal digits")]
    Pin,
    /// A PUK is something else.
    #[error("a PUK has 8 decimal digits")]
    Puk,
    /// An administrative code is something else.
    #[error("an ADM code has 4 to 8 decimal digits or 16 hexadecimal digits")]
    Adm,
}

/// A code as the card compares it: eight octets (TS 102 221 9.5.1).
#[derive(Clone)]
pub struct Code(Secret<8>);

impl Code {
    /// A PIN: 4 to 8 digits, filled up with FF.
    ///
    /// # Errors
    /// [`CodeError::Pin`].
    pub fn pin(digits: &str) -> Result<Self, CodeError> {
        Self::digits(digits, 4).ok_or(CodeError::Pin)
    }

    /// A PUK: 8 digits.
    ///
    /// # Errors
    /// [`CodeError::Puk`].
    pub fn puk(digits: &str) -> Result<Self, CodeError> {
        Self::digits(digits, 8).ok_or(CodeError::Puk)
    }

    /// An administrative code: 4 to 8 digits, or eight octets as 16 hexadecimal digits.
    ///
    /// # Errors
    /// [`CodeError::Adm`].
    pub fn adm(text: &str) -> Result<Self, CodeError> {
        let mut octets = Zeroizing::new([0; 8]);
        if text.len() == 16 && hex::decode_to_slice(text, &mut *octets).is_ok() {
            return Ok(Self(Secret(octets)));
        }
        Self::digits(text, 4).ok_or(CodeError::Adm)
    }

    /// Eight octets as they stand in a package.
    #[must_use]
    pub fn from_octets(octets: [u8; 8]) -> Self {
        Self(Secret::new(octets))
    }

    fn digits(digits: &str, least: usize) -> Option<Self> {
        let fits = (least..=8).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
        let mut octets = Zeroizing::new([0xFF; 8]);
        octets.iter_mut().zip(digits.bytes()).for_each(|(to, from)| *to = from);
        fits.then_some(Self(Secret(octets)))
    }

    /// The eight octets.
    #[must_use]
    pub fn as_octets(&self) -> &[u8; 8] {
        self.0.as_octets()
    }
}

/// The keys of the MNO-SD for SCP80 in the order of their identifiers: enciphering, integrity, key encryption.
#[derive(Clone)]
pub struct OtaKeys {
    /// KIC, key identifier 1.
    pub kic: Secret<16>,
    /// KID, key identifier 2.
    pub kid: Secret<16>,
    /// KIK, key identifier 3.
    pub kik: Secret<16>,
}

impl OtaKeys {
    /// Fresh keys, for subscriptions that come without.
    #[must_use]
    pub fn random(rng: &Rng) -> Self {
        Self { kic: Secret::random(rng), kid: Secret::random(rng), kik: Secret::random(rng) }
    }
}

/// What belongs to one subscription.
#[derive(Clone)]
pub struct PersonalData {
    /// The number of the profile.
    pub iccid: Iccid,
    /// The number of the subscription.
    pub imsi: Imsi,
    /// K.
    pub ki: Secret<16>,
    /// OPc, never OP.
    pub opc: Secret<16>,
    /// PIN1, global.
    pub pin1: Code,
    /// PIN2, of the USIM.
    pub pin2: Code,
    /// Unblocks PIN1.
    pub puk1: Code,
    /// Unblocks PIN2.
    pub puk2: Code,
    /// The administrative code.
    pub adm1: Code,
    /// EF.ACC: bit n for access class n (TS 31.102 4.2.15); [`access_class`] gives it where nobody else does.
    pub acc: [u8; 2],
    /// The keys for remote management.
    pub ota: OtaKeys,
}

/// EF.ACC from the last digit of the IMSI (TS 22.011 4.2).
#[must_use]
pub fn access_class(imsi: &Imsi) -> [u8; 2] {
    1_u16.checked_shl(u32::from(imsi.last_digit())).unwrap_or_default().to_be_bytes()
}

/// Octets that hold no personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "stored personal data of format {FORMAT} expected; member {member} is missing, doubled or has another length"
)]
pub struct InvalidPersonalData {
    /// The number of the member; 0 for the format itself.
    pub member: u32,
}

impl PersonalData {
    /// The form for sealed storage: the format's number, then one TLV per member with context tags 1 to 11.
    #[must_use]
    pub fn to_octets(&self) -> Zeroizing<Vec<u8>> {
        let iccid = self.iccid.to_header();
        let imsi = self.imsi.to_ef();
        let mut ota = Zeroizing::new(Vec::with_capacity(48));
        for key in [&self.ota.kic, &self.ota.kid, &self.ota.kik] {
            ota.extend_from_slice(key.as_octets());
        }
        let members: [&[u8]; 11] = [
            &iccid,
            &imsi,
            self.ki.as_octets(),
            self.opc.as_octets(),
            self.pin1.as_octets(),
            self.pin2.as_octets(),
            self.puk1.as_octets(),
            self.puk2.as_octets(),
            self.adm1.as_octets(),
            &self.acc,
            &ota,
        ];
        let mut writer = Writer::with_capacity(STORED);
        writer.raw(&[FORMAT]);
        for (number, member) in (1..).zip(members) {
            writer.tlv(Tag::context(number), member);
        }
        Zeroizing::new(writer.finish())
    }

    /// Reads what [`PersonalData::to_octets`] wrote.
    ///
    /// # Errors
    /// [`InvalidPersonalData`] with the number of the member that is wrong.
    pub fn from_octets(octets: &[u8]) -> Result<Self, InvalidPersonalData> {
        let [FORMAT, members @ ..] = octets else { return Err(InvalidPersonalData { member: 0 }) };
        let mut reader = Reader::new(members, "PersonalData");
        let iccid = Iccid::from_header(&member(&mut reader, 1)?);
        let imsi = Imsi::from_ef(&member(&mut reader, 2)?);
        let mut data = Self {
            iccid: iccid.map_err(|_| InvalidPersonalData { member: 1 })?,
            imsi: imsi.map_err(|_| InvalidPersonalData { member: 2 })?,
            ki: Secret::new(member(&mut reader, 3)?),
            opc: Secret::new(member(&mut reader, 4)?),
            pin1: Code::from_octets(member(&mut reader, 5)?),
            pin2: Code::from_octets(member(&mut reader, 6)?),
            puk1: Code::from_octets(member(&mut reader, 7)?),
            puk2: Code::from_octets(member(&mut reader, 8)?),
            adm1: Code::from_octets(member(&mut reader, 9)?),
            acc: member(&mut reader, 10)?,
            ota: OtaKeys { kic: Secret::new([0; 16]), kid: Secret::new([0; 16]), kik: Secret::new([0; 16]) },
        };
        let ota: Zeroizing<[u8; 48]> = Zeroizing::new(member(&mut reader, 11)?);
        let (keys, _) = ota.as_chunks::<16>();
        if let [kic, kid, kik] = keys {
            data.ota = OtaKeys { kic: Secret::new(*kic), kid: Secret::new(*kid), kik: Secret::new(*kik) };
        }
        reader.finish().map_err(|_| InvalidPersonalData { member: 12 })?;
        Ok(data)
    }
}

fn member<const N: usize>(reader: &mut Reader<'_>, number: u32) -> Result<[u8; N], InvalidPersonalData> {
    let tlv = reader.expect(Tag::context(number)).ok();
    let octets = tlv.and_then(|tlv| tlv.array::<N>("PersonalData").ok().copied());
    octets.ok_or(InvalidPersonalData { member: number })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Data in which every member differs from every other.
    pub(in crate::profile) fn sample(seed: u64) -> PersonalData {
        let rng = Rng::seeded(seed);
        let digits = |rng: &Rng| rng.array::<8>().map(|octet| b'0' + octet % 10);
        let imsi = format!("90140{:010}", seed % 10_000_000_000);
        let imsi = Imsi::parse(&imsi).unwrap();
        PersonalData {
            iccid: Iccid::parse(&format!("8988280{:012}", seed % 1_000_000_000_000)).unwrap(),
            ki: Secret::random(&rng),
            opc: Secret::random(&rng),
            pin1: Code::pin("1234").unwrap(),
            pin2: Code::from_octets(digits(&rng)),
            puk1: Code::from_octets(digits(&rng)),
            puk2: Code::from_octets(digits(&rng)),
            adm1: Code::from_octets(rng.array()),
            acc: access_class(&imsi),
            imsi,
            ota: OtaKeys::random(&rng),
        }
    }

    #[test]
    fn stored_data_come_back_and_nothing_else_is_taken_for_them() {
        let octets = sample(42).to_octets();
        let back = PersonalData::from_octets(&octets).ok().unwrap();
        assert_eq!(*back.to_octets(), *octets);
        // Keys are written once, at their place: the buffer had its room from the start.
        assert_eq!((octets.len(), octets.capacity()), (STORED, STORED));
        for end in 0..octets.len() {
            assert!(PersonalData::from_octets(&octets[..end]).is_err(), "{end}");
        }
        let with = |at: usize, octet: u8| {
            let mut changed = octets.to_vec();
            changed[at] = octet;
            PersonalData::from_octets(&changed).err().map(|error| error.member)
        };
        assert_eq!(with(0, 2), Some(0));
        assert_eq!(with(1, 0x82), Some(1));
        assert_eq!(with(2, 9), Some(1));
        assert_eq!(with(3, 0xAA), Some(1));
        let mut longer = octets.to_vec();
        longer.push(0);
        assert!(PersonalData::from_octets(&longer).is_err());
    }

    #[test]
    fn codes_have_the_form_of_their_kind() {
        assert_eq!(Code::pin("1234").unwrap().as_octets(), b"1234\xFF\xFF\xFF\xFF");
        assert_eq!(Code::puk("12345678").unwrap().as_octets(), b"12345678");
        assert_eq!(Code::adm("0123456789ABCDEF").unwrap().as_octets()[7], 0xEF);
        assert_eq!(Code::adm("55555555").unwrap().as_octets(), b"55555555");
        for text in ["", "123", "123456789", "12a4", "١٢٣٤"] {
            assert_eq!(Code::pin(text).err(), Some(CodeError::Pin), "{text}");
            assert_eq!(Code::puk(text).err(), Some(CodeError::Puk), "{text}");
            assert_eq!(Code::adm(text).err(), Some(CodeError::Adm), "{text}");
        }
        assert_eq!(Code::puk("1234567").err(), Some(CodeError::Puk));
    }

    #[test]
    fn the_access_class_follows_the_last_digit() {
        for (imsi, acc) in
            [("001010123456789", [0x02, 0x00]), ("001010123456780", [0, 1]), ("901405100000003", [0, 8])]
        {
            assert_eq!(access_class(&Imsi::parse(imsi).unwrap()), acc, "{imsi}");
        }
    }
}
