//! What belongs to one profile: its number, its subscriptions with their keys, its codes, the keys for remote
//! management. It comes in from manufacturers, is stored sealed as [`PersonalData::to_octets`], and goes into a
//! template by [`super::plan`].
//!
//! A profile has one home subscription and any number of further ones ([`FurtherSubscription`]), each with a role and,
//! if it has them, keys of its own. Nothing here has Debug, and all secrets are wiped when dropped.
//!
//! | file | what |
//! |---|---|
//! | [`secret`] | octets that are wiped |
//! | [`code`] | PINs, PUKs, administrative codes |
//! | [`keys`] | K and OPc; the keys of a security domain |
//! | `stored` | the form for sealed storage, in its two formats |

pub mod code;
pub mod keys;
pub mod secret;
mod stored;

pub use code::{Code, CodeError, CodeName, Codes};
pub use keys::{Algorithm, KeySet, KeyType, OtaKeySet};
pub use secret::{Key, Secret};
pub use stored::InvalidPersonalData;

use super::content::{Display, NAME_LEN, spn};
use crate::ident::{Iccid, Imsi};

/// The most subscriptions of one profile.
pub const MAX_SUBSCRIPTIONS: usize = 32;
/// The most sets of keys for remote management.
pub const MAX_OTA_SETS: usize = 16;
/// The longest identity of IMS in octets: with its tag it fits a record.
pub const MAX_IDENTITY: usize = 252;
/// The most public identities of one subscription.
pub const MAX_PUBLIC_IDENTITIES: usize = 16;

/// The name of the first subscription.
pub const HOME: &str = "home";

/// A telephone number: 3 to 20 digits, with a `+` in front where it is an international one (TS 31.102 4.4.2.3).
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Reads digits, with or without a leading `+`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let fits = (3..=20).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
        fits.then(|| Self(text.to_owned()))
    }

    /// The digits as they came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits without the sign.
    #[must_use]
    pub fn digits(&self) -> &str {
        self.0.strip_prefix('+').unwrap_or(&self.0)
    }

    /// Whether it is an international number.
    #[must_use]
    pub fn is_international(&self) -> bool {
        self.0.starts_with('+')
    }
}

/// What a further subscription is for: `brazil`, `imsi2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role(String);

impl Role {
    /// Reads 1 to 32 small letters, digits and hyphens; `None` for anything else, and for [`HOME`], which is taken.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_fit = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let fits = (1..=32).contains(&text.len()) && text.bytes().all(is_fit) && text != HOME;
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name that EF.SPN has room for: 16 letters of the GSM alphabet, or 7 of any other.
#[must_use]
pub fn fits_spn(name: &str) -> bool {
    !name.is_empty()
        && !name.chars().any(char::is_control)
        && spn(Display::default(), name, 1 + NAME_LEN).is_ok()
}

/// An identity of IMS: 1 to [`MAX_IDENTITY`] octets of printable ASCII without blanks (TS 23.003 13).
#[must_use]
pub fn is_identity(text: &str) -> bool {
    (1..=MAX_IDENTITY).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic())
}

/// One subscription, without its keys.
#[derive(Clone)]
pub struct Subscription {
    /// Its number.
    pub imsi: Imsi,
    /// EF.ACC: bit n for access class n (TS 31.102 4.2.15); [`access_class`] gives it where nobody else does.
    pub acc: [u8; 2],
    /// Digits of the IMSI that are its MNC, 2 or 3; `None` leaves EF.AD as the template has it.
    pub mnc_length: Option<u8>,
    /// EF.MSISDN.
    pub msisdn: Option<PhoneNumber>,
    /// The service centre for short messages, in EF.SMSP.
    pub service_centre: Option<PhoneNumber>,
    /// The name of the provider, in EF.SPN ([`fits_spn`]).
    pub service_provider_name: Option<String>,
    /// EF.IMPI ([`is_identity`]); `None` to derive it from the IMSI where the template has an ISIM.
    pub private_identity: Option<String>,
    /// The records of EF.IMPU; none to derive the first from the IMSI where the template has an ISIM.
    pub public_identities: Vec<String>,
}

impl Subscription {
    /// A subscription of which nothing but the number is known.
    #[must_use]
    pub fn new(imsi: Imsi) -> Self {
        Self {
            acc: access_class(&imsi),
            imsi,
            mnc_length: None,
            msisdn: None,
            service_centre: None,
            service_provider_name: None,
            private_identity: None,
            public_identities: Vec::new(),
        }
    }
}

/// A subscription beside the home one.
#[derive(Clone)]
pub struct FurtherSubscription {
    /// What it is for.
    pub role: Role,
    /// Its number and what belongs to it.
    pub subscription: Subscription,
    /// Its keys; `None` if it is used with those of the home subscription.
    pub keys: Option<KeySet>,
}

/// What belongs to one profile.
#[derive(Clone)]
pub struct PersonalData {
    /// The number of the profile.
    pub iccid: Iccid,
    /// The home subscription.
    pub home: Subscription,
    /// The keys of the home subscription.
    pub keys: KeySet,
    /// The other subscriptions in their order.
    pub further: Vec<FurtherSubscription>,
    /// PINs, PUKs and administrative codes.
    pub codes: Codes,
    /// The keys for remote management.
    pub ota: Vec<OtaKeySet>,
}

impl PersonalData {
    /// How many subscriptions there are.
    #[must_use]
    pub const fn subscriptions(&self) -> usize {
        1 + self.further.len()
    }

    /// A subscription by its place, the home one first, with the keys that it is used with.
    #[must_use]
    pub fn subscription(&self, place: usize) -> Option<(&Subscription, &KeySet)> {
        let Some(place) = place.checked_sub(1) else { return Some((&self.home, &self.keys)) };
        self.further
            .get(place)
            .map(|further| (&further.subscription, further.keys.as_ref().unwrap_or(&self.keys)))
    }

    /// The role of a subscription by its place.
    #[must_use]
    pub fn role(&self, place: usize) -> &str {
        let further = place.checked_sub(1).and_then(|place| self.further.get(place));
        further.map_or(HOME, |further| further.role.as_str())
    }
}

/// EF.ACC from the last digit of the IMSI (TS 22.011 4.2).
#[must_use]
pub fn access_class(imsi: &Imsi) -> [u8; 2] {
    1_u16.checked_shl(u32::from(imsi.last_digit())).unwrap_or_default().to_be_bytes()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::env::Rng;

    /// Data in which every member differs from every other, with the members that every template has.
    pub(in crate::profile) fn sample(seed: u64) -> PersonalData {
        let rng = Rng::seeded(seed);
        let digits = || Code::from_octets(rng.array::<8>().map(|octet| b'0' + octet % 10));
        let imsi = Imsi::parse(&format!("90140{:010}", seed % 10_000_000_000)).unwrap();
        PersonalData {
            iccid: Iccid::parse(&format!("8988280{:012}", seed % 1_000_000_000_000)).unwrap(),
            home: Subscription::new(imsi),
            keys: KeySet::random(&rng, Algorithm::Milenage),
            further: Vec::new(),
            codes: Codes::of(
                Code::pin("1234").unwrap(),
                digits(),
                digits(),
                digits(),
                Code::from_octets(rng.array()),
            ),
            ota: vec![OtaKeySet::random(&rng)],
        }
    }

    #[test]
    fn the_access_class_follows_the_last_digit() {
        for (imsi, acc) in
            [("001010123456789", [0x02, 0x00]), ("001010123456780", [0, 1]), ("901405100000003", [0, 8])]
        {
            assert_eq!(access_class(&Imsi::parse(imsi).unwrap()), acc, "{imsi}");
        }
    }

    #[test]
    fn texts_are_read_once_or_not_at_all() {
        let number = PhoneNumber::parse("+491701234567").unwrap();
        assert_eq!((number.digits(), number.is_international()), ("491701234567", true));
        for text in ["", "+", "12", "+12a", "123456789012345678901", "1+23", "１２３"] {
            assert!(PhoneNumber::parse(text).is_none(), "{text}");
        }
        for (text, fits) in [("brazil", true), ("imsi-2", true), ("", false), ("home", false), ("São", false)]
        {
            assert_eq!(Role::parse(text).is_some(), fits, "{text}");
        }
        assert!(Role::parse(&"a".repeat(33)).is_none());
        for (text, fits) in [("a@b", true), ("", false), ("a b", false), ("ü", false)] {
            assert_eq!(is_identity(text), fits, "{text}");
        }
        assert!(!is_identity(&"a".repeat(MAX_IDENTITY + 1)));
        for (name, fits) in [
            ("A name of 16 let", true),
            ("A name of 17 lett", false),
            ("ğğğğğğğ", true),
            ("ğğğğğğğğ", false),
            ("", false),
        ] {
            assert_eq!(fits_spn(name), fits, "{name}");
        }
    }

    #[test]
    fn a_further_subscription_without_keys_is_used_with_those_of_the_home_one() {
        let mut data = sample(1);
        for (role, keys) in [("brazil", None), ("china", Some(sample(2).keys))] {
            data.further.push(FurtherSubscription {
                role: Role::parse(role).unwrap(),
                subscription: Subscription::new(Imsi::parse("724000000000001").unwrap()),
                keys,
            });
        }
        assert_eq!(data.subscriptions(), 3);
        let keys = |place| data.subscription(place).map(|(_, keys)| keys.key().to_vec());
        assert_eq!(keys(0), keys(1));
        assert_eq!(keys(2), Some(sample(2).keys.key().to_vec()));
        assert_eq!(keys(3), None);
        assert_eq!([0, 1, 2].map(|place| data.role(place)), ["home", "brazil", "china"]);
    }
}
