//! The form of personal data for sealed storage: the number of the format, then one TLV per member with context tags.
//!
//! Format 2 is written: members in a fixed order, those that repeat one after the other; a role begins a further
//! subscription. Format 1, which knew one subscription and one set of keys without version, is read.

use simyard_asn1::{Reader, Tag};
use zeroize::Zeroizing;

use super::code::MAX_CODES;
use super::keys::{KIC, KID, KIK, MAX_KEYS};
use super::{
    Algorithm, Code, CodeName, Codes, FurtherSubscription, Key, KeySet, KeyType, MAX_OTA_SETS,
    MAX_PUBLIC_IDENTITIES, MAX_SUBSCRIPTIONS, OtaKeySet, PersonalData, PhoneNumber, Role, Subscription,
    fits_spn, is_identity,
};
use crate::ident::{Iccid, Imsi};

/// The format that is written.
const FORMAT: u8 = 2;
/// The format of the first release.
const FORMAT_1: u8 = 1;

/// Members of format 2, by the number of their context tag.
mod member {
    /// Ten octets as in the profile header.
    pub(super) const ICCID: u32 = 1;
    /// Kind (0 PIN, 1 PUK), key reference, eight octets; repeats.
    pub(super) const CODE: u32 = 2;
    /// Version or 0, key type or 0; the keys of the set follow. Repeats.
    pub(super) const OTA_SET: u32 = 3;
    /// Identifier, then the key; repeats.
    pub(super) const OTA_KEY: u32 = 4;
    /// The role of a further subscription, whose members follow; repeats.
    pub(super) const ROLE: u32 = 5;
    /// Nine octets as in EF.IMSI.
    pub(super) const IMSI: u32 = 6;
    /// Two octets.
    pub(super) const ACC: u32 = 7;
    /// Algorithm, then K, then OPc.
    pub(super) const KEYS: u32 = 8;
    /// One octet.
    pub(super) const MNC_LENGTH: u32 = 9;
    /// Text.
    pub(super) const MSISDN: u32 = 10;
    /// Text.
    pub(super) const SERVICE_CENTRE: u32 = 11;
    /// Text.
    pub(super) const SERVICE_PROVIDER_NAME: u32 = 12;
    /// Text.
    pub(super) const PRIVATE_IDENTITY: u32 = 13;
    /// Text; repeats.
    pub(super) const PUBLIC_IDENTITY: u32 = 14;
    /// What follows the last member.
    pub(super) const END: u32 = 15;
}

/// Octets that hold no personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "stored personal data of format {FORMAT_1} or {FORMAT} expected; member {member} is missing, doubled or has \
     another form"
)]
pub struct InvalidPersonalData {
    /// The number of the member; 0 for the format itself.
    pub member: u32,
}

const fn invalid(member: u32) -> InvalidPersonalData {
    InvalidPersonalData { member }
}

/// The number of an algorithm in storage.
const fn number(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Milenage => 1,
        Algorithm::Tuak128 => 2,
        Algorithm::XorTest => 3,
        Algorithm::Tuak256 => 4,
    }
}

/// Takes members, each in parts that follow each other.
type Sink<'a> = dyn FnMut(u32, &[&[u8]]) + 'a;

impl PersonalData {
    /// The form for sealed storage.
    #[must_use]
    pub fn to_octets(&self) -> Zeroizing<Vec<u8>> {
        // Measured first: a buffer that grows would leave copies of keys in freed memory.
        let mut length = 1;
        self.members(&mut |_, parts| {
            let value: usize = parts.iter().map(|part| part.len()).sum();
            length += 1 + if value < 0x80 { 1 } else { 2 } + value;
        });
        let mut octets = Zeroizing::new(Vec::with_capacity(length));
        octets.push(FORMAT);
        self.members(&mut |number, parts| {
            let value: usize = parts.iter().map(|part| part.len()).sum();
            octets.push(0x80 | number.to_le_bytes()[0]);
            if value >= 0x80 {
                octets.push(0x81);
            }
            // No member has more than 255 octets: texts are shorter than that, keys much.
            octets.push(value.to_le_bytes()[0]);
            parts.iter().for_each(|part| octets.extend_from_slice(part));
        });
        octets
    }

    fn members(&self, sink: &mut Sink<'_>) {
        sink(member::ICCID, &[&self.iccid.to_header()]);
        for (name, code) in self.codes.iter() {
            let head = match name {
                CodeName::Pin(reference) => [0, reference],
                CodeName::Puk(reference) => [1, reference],
            };
            sink(member::CODE, &[&head, code.as_octets()]);
        }
        for set in &self.ota {
            sink(member::OTA_SET, &[&[set.version.unwrap_or(0), set.key_type.map_or(0, KeyType::octet)]]);
            for (identifier, key) in set.iter() {
                sink(member::OTA_KEY, &[&[identifier], key.as_octets()]);
            }
        }
        self.home.members(Some(&self.keys), sink);
        for further in &self.further {
            sink(member::ROLE, &[further.role.as_str().as_bytes()]);
            further.subscription.members(further.keys.as_ref(), sink);
        }
    }

    /// Reads what [`PersonalData::to_octets`] wrote, in this release or an earlier one.
    ///
    /// # Errors
    /// [`InvalidPersonalData`] with the number of the member that is wrong.
    pub fn from_octets(octets: &[u8]) -> Result<Self, InvalidPersonalData> {
        match octets {
            [FORMAT, members @ ..] => Members(Reader::new(members, "PersonalData")).read(),
            [FORMAT_1, members @ ..] => format_1(members),
            _ => Err(invalid(0)),
        }
    }
}

impl Subscription {
    fn members(&self, keys: Option<&KeySet>, sink: &mut Sink<'_>) {
        sink(member::IMSI, &[&self.imsi.to_ef()]);
        sink(member::ACC, &[&self.acc]);
        if let Some(keys) = keys {
            sink(member::KEYS, &[&[number(keys.algorithm())], keys.key(), keys.opc()]);
        }
        if let Some(length) = self.mnc_length {
            sink(member::MNC_LENGTH, &[&[length]]);
        }
        let texts = [
            (member::MSISDN, self.msisdn.as_ref().map(PhoneNumber::as_str)),
            (member::SERVICE_CENTRE, self.service_centre.as_ref().map(PhoneNumber::as_str)),
            (member::SERVICE_PROVIDER_NAME, self.service_provider_name.as_deref()),
            (member::PRIVATE_IDENTITY, self.private_identity.as_deref()),
        ];
        let identities =
            self.public_identities.iter().map(|text| (member::PUBLIC_IDENTITY, Some(text.as_str())));
        for (number, text) in texts.into_iter().chain(identities) {
            if let Some(text) = text {
                sink(number, &[text.as_bytes()]);
            }
        }
    }
}

/// Reads the members of format 2 in their order.
struct Members<'a>(Reader<'a>);

impl<'a> Members<'a> {
    fn optional(&mut self, number: u32) -> Result<Option<&'a [u8]>, InvalidPersonalData> {
        let tlv = self.0.optional(Tag::context(number)).map_err(|_| invalid(number))?;
        Ok(tlv.map(|tlv| tlv.value))
    }

    fn needed(&mut self, number: u32) -> Result<&'a [u8], InvalidPersonalData> {
        self.optional(number)?.ok_or(invalid(number))
    }

    fn array<const N: usize>(&mut self, number: u32) -> Result<[u8; N], InvalidPersonalData> {
        self.needed(number)?.try_into().map_err(|_| invalid(number))
    }

    /// An optional text in a form that `read` knows.
    fn text<T>(
        &mut self,
        number: u32,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, InvalidPersonalData> {
        let Some(octets) = self.optional(number)? else { return Ok(None) };
        std::str::from_utf8(octets).ok().and_then(read).map(Some).ok_or(invalid(number))
    }

    fn read(mut self) -> Result<PersonalData, InvalidPersonalData> {
        let iccid = Iccid::from_header(&self.array(member::ICCID)?).map_err(|_| invalid(member::ICCID))?;
        let (codes, ota) = (self.codes()?, self.ota()?);
        let (home, keys) = self.subscription()?;
        let keys = keys.ok_or(invalid(member::KEYS))?;
        let mut further = Vec::new();
        while let Some(role) = self.text(member::ROLE, Role::parse)? {
            let (subscription, keys) = self.subscription()?;
            further.push(FurtherSubscription { role, subscription, keys });
            if further.len() >= MAX_SUBSCRIPTIONS {
                return Err(invalid(member::ROLE));
            }
        }
        self.0.finish().map_err(|_| invalid(member::END))?;
        Ok(PersonalData { iccid, home, keys, further, codes, ota })
    }

    fn codes(&mut self) -> Result<Codes, InvalidPersonalData> {
        let mut codes = Codes::default();
        let mut count = 0;
        while let Some(octets) = self.optional(member::CODE)? {
            let [kind, reference, value @ ..] = octets else { return Err(invalid(member::CODE)) };
            let name = match kind {
                0 => CodeName::Pin(*reference),
                1 => CodeName::Puk(*reference),
                _ => return Err(invalid(member::CODE)),
            };
            let value = value.try_into().map_err(|_| invalid(member::CODE))?;
            count += 1;
            if count > MAX_CODES || codes.get(name).is_some() {
                return Err(invalid(member::CODE));
            }
            codes.set(name, Code::from_octets(value));
        }
        Ok(codes)
    }

    fn ota(&mut self) -> Result<Vec<OtaKeySet>, InvalidPersonalData> {
        let mut sets = Vec::new();
        while let Some(head) = self.optional(member::OTA_SET)? {
            let [version, key_type] = head else { return Err(invalid(member::OTA_SET)) };
            let key_type = match key_type {
                0 => None,
                octet => Some(KeyType::of(*octet).ok_or(invalid(member::OTA_SET))?),
            };
            let mut set = OtaKeySet::new(Some(*version).filter(|version| *version != 0), key_type);
            let mut count = 0;
            while let Some(octets) = self.optional(member::OTA_KEY)? {
                let [identifier, key @ ..] = octets else { return Err(invalid(member::OTA_KEY)) };
                count += 1;
                if count > MAX_KEYS || set.get(*identifier).is_some() {
                    return Err(invalid(member::OTA_KEY));
                }
                set.set(*identifier, Key::from_slice(key).ok_or(invalid(member::OTA_KEY))?);
            }
            if sets.len() == MAX_OTA_SETS {
                return Err(invalid(member::OTA_SET));
            }
            sets.push(set);
        }
        Ok(sets)
    }

    fn subscription(&mut self) -> Result<(Subscription, Option<KeySet>), InvalidPersonalData> {
        let imsi = Imsi::from_ef(&self.array(member::IMSI)?).map_err(|_| invalid(member::IMSI))?;
        let mut subscription = Subscription::new(imsi);
        subscription.acc = self.array(member::ACC)?;
        let keys = self.optional(member::KEYS)?.map(keys).transpose()?;
        if let Some(length) = self.optional(member::MNC_LENGTH)? {
            let [length @ 2..=3] = length else { return Err(invalid(member::MNC_LENGTH)) };
            subscription.mnc_length = Some(*length);
        }
        let identity = |text: &str| is_identity(text).then(|| text.to_owned());
        subscription.msisdn = self.text(member::MSISDN, PhoneNumber::parse)?;
        subscription.service_centre = self.text(member::SERVICE_CENTRE, PhoneNumber::parse)?;
        let name = |text: &str| fits_spn(text).then(|| text.to_owned());
        subscription.service_provider_name = self.text(member::SERVICE_PROVIDER_NAME, name)?;
        subscription.private_identity = self.text(member::PRIVATE_IDENTITY, identity)?;
        while let Some(text) = self.text(member::PUBLIC_IDENTITY, identity)? {
            if subscription.public_identities.len() == MAX_PUBLIC_IDENTITIES {
                return Err(invalid(member::PUBLIC_IDENTITY));
            }
            subscription.public_identities.push(text);
        }
        Ok((subscription, keys))
    }
}

fn keys(octets: &[u8]) -> Result<KeySet, InvalidPersonalData> {
    let read = || {
        let (head, rest) = octets.split_first()?;
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| number(*algorithm) == *head)?;
        let (key, opc) = rest.split_at_checked(algorithm.key_length())?;
        KeySet::new(algorithm, key, opc)
    };
    read().ok_or(invalid(member::KEYS))
}

/// Format 1: eleven members, each once: ICCID, IMSI, K, OPc, PIN1, PIN2, PUK1, PUK2, ADM1, ACC, three keys.
fn format_1(members: &[u8]) -> Result<PersonalData, InvalidPersonalData> {
    fn member<const N: usize>(
        members: &mut Members<'_>,
        number: u32,
    ) -> Result<Zeroizing<[u8; N]>, InvalidPersonalData> {
        members.array(number).map(Zeroizing::new)
    }
    let mut members = Members(Reader::new(members, "PersonalData"));
    let iccid = Iccid::from_header(&*member(&mut members, 1)?).map_err(|_| invalid(1))?;
    let imsi = Imsi::from_ef(&*member(&mut members, 2)?).map_err(|_| invalid(2))?;
    let (key, opc) = (member::<16>(&mut members, 3)?, member::<16>(&mut members, 4)?);
    let keys = KeySet::new(Algorithm::Milenage, &*key, &*opc).ok_or(invalid(3))?;
    let mut codes = Codes::default();
    for (number, name) in
        (5..).zip([CodeName::PIN1, CodeName::PIN2, CodeName::PUK1, CodeName::PUK2, CodeName::ADM1])
    {
        codes.set(name, Code::from_octets(*member(&mut members, number)?));
    }
    let mut home = Subscription::new(imsi);
    home.acc = *member(&mut members, 10)?;
    let ota = member::<48>(&mut members, 11)?;
    // The keys were those of the only set of the template, whatever its version.
    let mut set = OtaKeySet::new(None, None);
    for (identifier, key) in [KIC, KID, KIK].into_iter().zip(ota.chunks_exact(16)) {
        set.set(identifier, Key::from_slice(key).ok_or(invalid(11))?);
    }
    members.0.finish().map_err(|_| invalid(12))?;
    Ok(PersonalData { iccid, home, keys, further: Vec::new(), codes, ota: vec![set] })
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;
    use crate::env::Rng;

    /// Data with every member.
    fn full() -> PersonalData {
        let mut data = sample(42);
        let rng = Rng::seeded(43);
        data.codes.set(CodeName::adm(2).unwrap(), Code::adm("0123456789ABCDEF").unwrap());
        let mut second = OtaKeySet::new(Some(2), Some(KeyType::Des));
        second.set(KIC, Key::random(&rng, 24));
        data.ota.push(second);
        data.home.mnc_length = Some(3);
        data.home.msisdn = PhoneNumber::parse("+491701234567");
        data.home.service_centre = PhoneNumber::parse("+4917000");
        data.home.service_provider_name = Some("Télécom".to_owned());
        data.home.private_identity = Some("a".repeat(200));
        data.home.public_identities = vec!["sip:a@b".to_owned(), "tel:+49170".to_owned()];
        for (role, algorithm) in
            [("brazil", None), ("china", Some(Algorithm::Tuak256)), ("test", Some(Algorithm::XorTest))]
        {
            data.further.push(FurtherSubscription {
                role: Role::parse(role).unwrap(),
                subscription: Subscription::new(Imsi::parse("724000000000001").unwrap()),
                keys: algorithm.map(|algorithm| KeySet::random(&rng, algorithm)),
            });
        }
        data
    }

    #[test]
    fn stored_data_come_back_and_nothing_else_is_taken_for_them() {
        for data in [sample(1), full()] {
            let octets = data.to_octets();
            // Keys are written once, at their place: the buffer had its room from the start.
            assert_eq!(octets.len(), octets.capacity());
            let back = PersonalData::from_octets(&octets).ok().unwrap();
            assert_eq!(*back.to_octets(), *octets);
        }
        let octets = sample(1).to_octets();
        for end in 0..octets.len() {
            assert!(PersonalData::from_octets(&octets[..end]).is_err(), "{end}");
        }
        let mut longer = octets.to_vec();
        longer.push(0);
        assert!(PersonalData::from_octets(&longer).is_err());
        longer[0] = 3;
        assert_eq!(PersonalData::from_octets(&longer).err(), Some(InvalidPersonalData { member: 0 }));
    }

    #[test]
    fn what_stands_twice_or_has_another_form_is_refused() {
        let octets = full().to_octets();
        for (number, value) in [
            (member::CODE, &[2, 1][..]),
            (member::OTA_SET, &[1, 0x55]),
            (member::ROLE, b"Home"),
            (member::ACC, &[0]),
            (member::KEYS, &[1, 2, 3]),
            (member::MNC_LENGTH, &[4]),
            (member::MSISDN, b"12a4"),
            (member::PRIVATE_IDENTITY, b"a b"),
        ] {
            // The first member of this number gets this value.
            let mut changed = vec![octets[0]];
            let mut reader = Reader::new(&octets[1..], "test");
            let mut done = false;
            while !reader.is_empty() {
                let tlv = reader.read().unwrap();
                if tlv.tag == Tag::context(number) && !done {
                    changed.extend([tlv.raw[0], u8::try_from(value.len()).unwrap()]);
                    changed.extend(value);
                    done = true;
                } else {
                    changed.extend(tlv.raw);
                }
            }
            assert!(done, "{number}");
            assert_eq!(PersonalData::from_octets(&changed).err(), Some(invalid(number)));
        }
        let mut twice = vec![octets[0]];
        let mut reader = Reader::new(&octets[1..], "test");
        while !reader.is_empty() {
            let tlv = reader.read().unwrap();
            twice.extend(tlv.raw);
            if tlv.tag == Tag::context(member::CODE) {
                twice.extend(tlv.raw);
            }
        }
        assert_eq!(PersonalData::from_octets(&twice).err(), Some(invalid(member::CODE)));
    }

    /// A blob as the first release wrote it: each member with its number as its octets.
    fn stored_by_the_first_release() -> Vec<u8> {
        let mut octets = vec![1];
        octets.extend(hex::decode("810A8988280000000000001F").unwrap());
        octets.extend(hex::decode("8209089910040000000010").unwrap());
        for (number, length) in [(3, 16), (4, 16), (5, 8), (6, 8), (7, 8), (8, 8), (9, 8), (10, 2)] {
            octets.extend([0x80 | number, length]);
            octets.extend(vec![number; usize::from(length)]);
        }
        octets.extend([0x8B, 48]);
        octets.extend([[0x11_u8; 16], [0x12; 16], [0x13; 16]].concat());
        octets
    }

    #[test]
    fn data_that_the_first_release_stored_are_read() {
        let octets = stored_by_the_first_release();
        let data = PersonalData::from_octets(&octets).ok().unwrap();
        assert_eq!(
            (data.iccid.as_str(), data.home.imsi.as_str()),
            ("8988280000000000001", "901400000000001")
        );
        assert_eq!((data.keys.key(), data.keys.opc()), (&[3; 16][..], &[4; 16][..]));
        let codes = [CodeName::PIN1, CodeName::PIN2, CodeName::PUK1, CodeName::PUK2, CodeName::ADM1];
        let found = codes.map(|name| data.codes.get(name).unwrap().as_octets()[0]);
        assert_eq!((found, data.home.acc), ([5, 6, 7, 8, 9], [10, 10]));
        let keys = [KIC, KID, KIK].map(|identifier| data.ota[0].get(identifier).unwrap().as_octets()[0]);
        assert_eq!((keys, data.ota[0].version), ([0x11, 0x12, 0x13], None));
        assert_eq!(
            *PersonalData::from_octets(&data.to_octets()).ok().unwrap().to_octets(),
            *data.to_octets()
        );
        for end in 0..octets.len() {
            assert!(PersonalData::from_octets(&octets[..end]).is_err(), "{end}");
        }
        for (at, octet, member) in [(1, 0x82, 1), (2, 9, 1), (3, 0xAA, 1)] {
            let mut changed = octets.clone();
            changed[at] = octet;
            assert_eq!(PersonalData::from_octets(&changed).err(), Some(invalid(member)));
        }
    }
}
