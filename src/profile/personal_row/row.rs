//! One row: its values into personal data. All values are read before one is missed, so that every fault is told.

use zeroize::Zeroizing;

use super::columns::{Column, KeyKind, Member};
use super::fault::{length, masked};
use super::layout::Layout;
use super::{KeyForm, OtaSource, RowData, RowError, RowFault, Settings};
use crate::crypto::milenage::opc_from_op;
use crate::crypto::transport::TransportError;
use crate::ident::{Eid, Iccid, Imsi};
use crate::profile::personal_data::secret::MAX_KEY;
use crate::profile::personal_data::{
    Algorithm, Codes, FurtherSubscription, Key, KeySet, KeyType, MAX_PUBLIC_IDENTITIES, OtaKeySet,
    PersonalData, PhoneNumber, Role, Subscription, fits_spn, is_identity,
};

/// Octets of the longest key with a block before it.
const MAX_ENCIPHERED: usize = MAX_KEY + 16;

/// Reads the values of a row, as many as the layout has columns.
pub(super) fn read(
    layout: &Layout,
    line: usize,
    values: &[&str],
    settings: &Settings<'_>,
) -> Result<RowData, Vec<RowError>> {
    let forms = [KeyKind::Subscription, KeyKind::Ota].map(|kind| layout.marks(kind));
    let mut row = Reading { layout, line, values, settings, is_marked: forms, errors: Vec::new() };
    let data = row.row();
    match data {
        Some(data) if row.errors.is_empty() => Ok(data),
        _ => Err(row.errors),
    }
}

struct Reading<'a> {
    layout: &'a Layout,
    line: usize,
    values: &'a [&'a str],
    settings: &'a Settings<'a>,
    /// Whether columns of subscriptions' keys, and of keys for remote management, are marked as enciphered.
    is_marked: [bool; 2],
    errors: Vec<RowError>,
}

impl<'a> Reading<'a> {
    /// The text of a column; empty where there is no such column.
    fn text(&self, column: Column) -> &'a str {
        self.layout.place(column).and_then(|at| self.values.get(at)).copied().unwrap_or_default()
    }

    fn fault(&mut self, column: Column, fault: RowFault) {
        let text = self.text(column);
        let value = match column {
            _ if text.is_empty() => None,
            _ if column.is_secret() => Some(length(text)),
            _ => Some(masked(text)),
        };
        self.errors.push(RowError { line: self.line, column: Some(column.name()), value, fault });
    }

    /// How the keys of a column are written.
    fn form(&self, column: Column) -> KeyForm<'a> {
        let (form, is_marked) = match column.key_kind() {
            Some(KeyKind::Subscription) => (self.settings.subscription_keys, self.is_marked[0]),
            Some(KeyKind::Ota) => (self.settings.ota_keys, self.is_marked[1]),
            None => return KeyForm::Clear,
        };
        let is_enciphered = self.is_enciphered(column);
        match form {
            KeyForm::Enciphered { clear, .. } if is_marked && !is_enciphered => {
                if clear {
                    KeyForm::Clear
                } else {
                    KeyForm::Refused
                }
            }
            KeyForm::Clear if is_enciphered => KeyForm::Refused,
            form => form,
        }
    }

    /// A key of exactly `length` octets, deciphered.
    fn key(&self, column: Column, text: &str, length: usize) -> Result<Key, RowFault> {
        match self.form(column) {
            KeyForm::Clear => octets(text, length),
            KeyForm::Refused if self.is_enciphered(column) => Err(RowFault::NoTransportKey),
            KeyForm::Refused => Err(RowFault::ClearKey),
            KeyForm::Enciphered { cipher, .. } => {
                let block = cipher.scheme().algorithm.block();
                let wrong = RowFault::Transport(TransportError::ValueLength { block });
                let expected = cipher.enciphered_len(length).ok_or(wrong)?;
                let mut octets = Zeroizing::new([0; MAX_ENCIPHERED]);
                let place = octets.get_mut(..expected).ok_or(RowFault::NotHex(2 * expected))?;
                hex::decode_to_slice(text, place).map_err(|_| RowFault::NotHex(2 * expected))?;
                Key::from_slice(cipher.decipher(place)?).ok_or(RowFault::NotHex(2 * expected))
            }
        }
    }

    fn is_enciphered(&self, column: Column) -> bool {
        let place = self.layout.place(column).and_then(|at| self.layout.places.get(at));
        place.is_some_and(|place| place.enciphered)
    }

    /// Octets of the key that a text of hexadecimal digits holds.
    fn key_len(&self, column: Column, text: &str) -> Option<usize> {
        match self.form(column) {
            KeyForm::Clear | KeyForm::Refused => Some(text.len() / 2),
            KeyForm::Enciphered { cipher, .. } => cipher.plain_len(text.len() / 2),
        }
    }

    /// A value that may be empty. What is wrong with one that is there is noted, and it counts as absent.
    fn optional<T>(&mut self, column: Column, read: impl FnOnce(&str) -> Result<T, RowFault>) -> Option<T> {
        let text = self.text(column);
        if text.is_empty() {
            return None;
        }
        read(text).map_err(|fault| self.fault(column, fault)).ok()
    }

    fn needed<T>(&mut self, column: Column, read: impl FnOnce(&str) -> Result<T, RowFault>) -> Option<T> {
        if self.text(column).is_empty() {
            self.fault(column, RowFault::Empty);
            return None;
        }
        self.optional(column, read)
    }

    fn row(&mut self) -> Option<RowData> {
        let eid = self.optional(Column::Eid, |text| {
            let eid = Eid::parse(text).ok().filter(Eid::has_valid_check_digits);
            eid.ok_or(RowFault::NotEid)
        });
        Some(RowData { data: self.data()?, eid })
    }

    fn data(&mut self) -> Option<PersonalData> {
        let iccid =
            self.needed(Column::Iccid, |text| Iccid::parse_notation(text).map_err(|_| RowFault::NotIccid));
        let imsi = self.imsi(0);
        let keys = self.keys(0);
        let codes = self.codes();
        let home = imsi.map(|imsi| self.subscription(0, imsi));
        let ota = self.ota();
        let further = self.further();
        Some(PersonalData { iccid: iccid?, home: home?, keys: keys?, further, codes, ota })
    }

    fn optional_key(&mut self, column: Column, length: usize) -> Option<Key> {
        let text = self.text(column);
        if text.is_empty() {
            return None;
        }
        self.key(column, text, length).map_err(|fault| self.fault(column, fault)).ok()
    }

    fn needed_key(&mut self, column: Column, length: usize) -> Option<Key> {
        if self.text(column).is_empty() {
            self.fault(column, RowFault::Empty);
        }
        self.optional_key(column, length)
    }

    /// A key of any length that DES or AES has.
    fn ota_key(&mut self, column: Column) -> Option<Key> {
        let text = self.text(column);
        if text.is_empty() {
            return None;
        }
        let wrong = match self.form(column) {
            KeyForm::Enciphered { .. } => RowFault::NotEncipheredOtaKey,
            KeyForm::Clear | KeyForm::Refused => RowFault::NotOtaKey,
        };
        let length = self.key_len(column, text).filter(|length| matches!(length, 16 | 24 | 32));
        let key = length.ok_or_else(|| wrong.clone()).and_then(|length| self.key(column, text, length));
        let key = key.map_err(|fault| if matches!(fault, RowFault::NotHex(_)) { wrong } else { fault });
        key.map_err(|fault| self.fault(column, fault)).ok()
    }

    fn imsi(&mut self, place: usize) -> Option<Imsi> {
        let column = Column::Of(place, Member::Imsi);
        self.needed(column, |text| Imsi::parse_notation(text).map_err(|_| RowFault::NotImsi))
    }

    /// The subscriptions behind the first: those of which the row says anything.
    fn further(&mut self) -> Vec<FurtherSubscription> {
        let mut further = Vec::new();
        for place in 1..self.layout.subscriptions {
            let mut columns = self.layout.places.iter().zip(self.values);
            let is_used = |column| matches!(column, Some(Column::Of(other, _)) if other == place);
            if columns.all(|(place, text)| !is_used(place.column) || text.is_empty()) {
                continue;
            }
            let imsi = self.imsi(place);
            let has_keys = [Member::Ki, Member::Opc, Member::Topc, Member::Op, Member::Top]
                .into_iter()
                .any(|member| !self.text(Column::Of(place, member)).is_empty());
            let keys = if has_keys { self.keys(place) } else { None };
            let role = self
                .optional(Column::Of(place, Member::Role), |text| Role::parse(text).ok_or(RowFault::NotRole));
            let role = role.or_else(|| Role::parse(&format!("imsi{}", place + 1)));
            if let (Some(imsi), Some(role)) = (imsi, role) {
                let subscription = self.subscription(place, imsi);
                further.push(FurtherSubscription { role, subscription, keys });
            }
        }
        further
    }

    /// K and OPc, by the algorithm that the row names or the settings assume.
    fn keys(&mut self, place: usize) -> Option<KeySet> {
        let column = |member| Column::Of(place, member);
        let assumed = self.settings.algorithm(place);
        let ki_len = self.key_len(column(Member::Ki), self.text(column(Member::Ki)));
        let named =
            self.optional(column(Member::Algorithm), |text| match text.to_ascii_lowercase().as_str() {
                // Which of the two the length of K says.
                "tuak" => Ok(if ki_len == Some(32) { Algorithm::Tuak256 } else { Algorithm::Tuak128 }),
                text => Algorithm::parse(text).ok_or(RowFault::NotAlgorithm),
            });
        let algorithm = named.unwrap_or(assumed);
        let ki = self.needed_key(column(Member::Ki), algorithm.key_length());
        let opc_column = if self.text(column(Member::Opc)).is_empty() { Member::Topc } else { Member::Opc };
        let opc = match algorithm {
            Algorithm::XorTest => self.optional(column(opc_column), |_| Err(RowFault::OpcOfTestAlgorithm)),
            _ => self.optional_key(column(opc_column), algorithm.opc_length()),
        };
        let op = match algorithm {
            Algorithm::Milenage => self.optional_key(column(Member::Op), 16),
            _ => self.optional(column(Member::Op), |_| Err(RowFault::Top)),
        };
        self.optional(column(Member::Top), |_| Err::<(), _>(RowFault::Top));
        let ki = ki?;
        let of_op = match &op {
            Some(op) => Some(opc_from_op(ki.as_octets().try_into().ok()?, op.as_octets().try_into().ok()?)),
            None => None,
        };
        let opc = match (opc, of_op, algorithm) {
            (Some(opc), Some(of_op), _) if opc.as_octets() != of_op.as_slice() => {
                self.fault(column(opc_column), RowFault::NotOfOp);
                return None;
            }
            (Some(opc), ..) => opc,
            (None, Some(of_op), _) => Key::from_slice(&*of_op)?,
            (None, None, Algorithm::XorTest) => Key::from_slice(&[])?,
            (None, None, _) => {
                let is_tuak = algorithm != Algorithm::Milenage;
                let absent = column(if is_tuak { Member::Topc } else { Member::Opc });
                // A value that is there has its own fault.
                let texts = [opc_column, Member::Op, Member::Top];
                if texts.into_iter().all(|member| self.text(column(member)).is_empty()) {
                    self.fault(absent, RowFault::Empty);
                }
                return None;
            }
        };
        KeySet::new(algorithm, ki.as_octets(), opc.as_octets())
    }

    fn codes(&mut self) -> Codes {
        let mut codes = Codes::default();
        let (layout, settings) = (self.layout, self.settings);
        for column in layout.columns() {
            let Column::Code(name) = column else { continue };
            let read = |text: &str| Ok(name.read(text)?);
            let is_needed = settings.codes.contains(&name);
            let code = if is_needed { self.needed(column, read) } else { self.optional(column, read) };
            if let Some(code) = code {
                codes.set(name, code);
            }
        }
        // Rows that name their values for themselves may leave one out.
        for name in settings.codes.iter().filter(|name| codes.get(**name).is_none()) {
            if layout.place(Column::Code(*name)).is_none() {
                self.fault(Column::Code(*name), RowFault::Empty);
            }
        }
        codes
    }

    /// What a subscription may have beside number and keys.
    fn subscription(&mut self, place: usize, imsi: Imsi) -> Subscription {
        let column = |member| Column::Of(place, member);
        let mut subscription = Subscription::new(imsi);
        let acc = self.optional(column(Member::Acc), |text| {
            let mut acc = [0; 2];
            hex::decode_to_slice(text, &mut acc).map_err(|_| RowFault::NotHex(4)).map(|()| acc)
        });
        subscription.acc = acc.unwrap_or(subscription.acc);
        subscription.mnc_length = self.optional(column(Member::MncLength), |text| match text {
            "2" => Ok(2),
            "3" => Ok(3),
            _ => Err(RowFault::NotMncLength),
        });
        subscription.msisdn = self.optional(column(Member::Msisdn), |text| {
            let number = PhoneNumber::parse(text).filter(|number| (5..=15).contains(&number.digits().len()));
            number.ok_or(RowFault::NotMsisdn)
        });
        subscription.service_centre = self.optional(column(Member::ServiceCentre), |text| {
            PhoneNumber::parse(text).ok_or(RowFault::NotNumber)
        });
        subscription.service_provider_name = self.optional(column(Member::ServiceProviderName), |text| {
            if fits_spn(text) { Ok(text.to_owned()) } else { Err(RowFault::NotSpn) }
        });
        let identity =
            |text: &str| if is_identity(text) { Ok(text.to_owned()) } else { Err(RowFault::NotIdentity) };
        subscription.private_identity = self.optional(column(Member::PrivateIdentity), identity);
        let identities = self.optional(column(Member::PublicIdentities), |text| {
            let identities: Result<Vec<String>, _> = text.split_whitespace().map(identity).collect();
            identities.and_then(|all| {
                if all.len() <= MAX_PUBLIC_IDENTITIES { Ok(all) } else { Err(RowFault::NotIdentity) }
            })
        });
        subscription.public_identities = identities.unwrap_or_default();
        subscription
    }

    /// The keys for remote management: those of the row, set by set.
    fn ota(&mut self) -> Vec<OtaKeySet> {
        let mut sets: Vec<OtaKeySet> = Vec::new();
        let layout = self.layout;
        for column in layout.columns() {
            let Column::OtaKey(version, identifier) = column else { continue };
            let Some(key) = self.ota_key(column) else { continue };
            match sets.iter_mut().find(|set| set.version == version) {
                Some(set) => set.set(identifier, key),
                None => {
                    let key_type = self.optional(Column::OtaType(version), |text| {
                        match text.to_ascii_lowercase().as_str() {
                            "aes" => Ok(KeyType::Aes),
                            "des" | "3des" => Ok(KeyType::Des),
                            _ => Err(RowFault::NotOtaType),
                        }
                    });
                    let mut set = OtaKeySet::new(version, key_type);
                    set.set(identifier, key);
                    sets.push(set);
                }
            }
        }
        let settings = self.settings;
        match &settings.ota {
            OtaSource::Row(keys) => {
                for (version, identifier) in keys {
                    let column = layout.ota_column(settings, *version, *identifier);
                    let column = column.unwrap_or(Column::OtaKey(Some(*version), *identifier));
                    if self.text(column).is_empty() {
                        self.fault(column, RowFault::Empty);
                    }
                }
            }
            OtaSource::Drawn(rng, keys) if sets.is_empty() => sets = OtaKeySet::drawn(rng, keys),
            OtaSource::Drawn(..) => {}
        }
        sets
    }
}

/// A key of exactly `length` octets.
fn octets(text: &str, length: usize) -> Result<Key, RowFault> {
    let mut octets = Zeroizing::new([0; MAX_KEY]);
    let place = octets.get_mut(..length).ok_or(RowFault::NotHex(2 * length))?;
    hex::decode_to_slice(text, place).map_err(|_| RowFault::NotHex(2 * length))?;
    Key::from_slice(place).ok_or(RowFault::NotHex(2 * length))
}
