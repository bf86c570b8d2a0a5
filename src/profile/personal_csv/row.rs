//! One row: its values into personal data. All values are read before one is missed, so that every fault is told.

use zeroize::Zeroizing;

use super::columns::{Column, Member};
use super::{Header, OtaSource, RowError, RowFault, Settings};
use crate::crypto::milenage::opc_from_op;
use crate::ident::{Iccid, Imsi};
use crate::profile::personal_data::secret::MAX_KEY;
use crate::profile::personal_data::{
    Algorithm, Codes, FurtherSubscription, Key, KeySet, KeyType, MAX_PUBLIC_IDENTITIES, OtaKeySet,
    PersonalData, PhoneNumber, Role, Subscription, fits_spn, is_identity,
};

/// Reads the values of a row, as many as the header has columns.
pub(super) fn read(
    header: &Header,
    line: usize,
    values: &[&str],
    settings: &Settings<'_>,
) -> Result<PersonalData, Vec<RowError>> {
    let mut row = Reading { header, line, values, settings, errors: Vec::new() };
    let data = row.data();
    match data {
        Some(data) if row.errors.is_empty() => Ok(data),
        _ => Err(row.errors),
    }
}

struct Reading<'a> {
    header: &'a Header,
    line: usize,
    values: &'a [&'a str],
    settings: &'a Settings<'a>,
    errors: Vec<RowError>,
}

impl<'a> Reading<'a> {
    /// The text of a column; empty where there is no such column.
    fn text(&self, column: Column) -> &'a str {
        let at = self.header.columns.iter().position(|other| *other == column);
        at.and_then(|at| self.values.get(at)).copied().unwrap_or_default()
    }

    fn fault(&mut self, column: Column, fault: RowFault) {
        self.errors.push(RowError { line: self.line, column: Some(column.name()), fault });
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

    fn data(&mut self) -> Option<PersonalData> {
        let iccid = self.needed(Column::Iccid, |text| Iccid::parse(text).map_err(|_| RowFault::NotIccid));
        let imsi = self.imsi(0);
        let keys = self.keys(0);
        let codes = self.codes();
        let home = imsi.map(|imsi| self.subscription(0, imsi));
        let ota = self.ota();
        let further = self.further();
        Some(PersonalData { iccid: iccid?, home: home?, keys: keys?, further, codes, ota })
    }

    fn imsi(&mut self, place: usize) -> Option<Imsi> {
        let column = Column::Of(place, Member::Imsi);
        self.needed(column, |text| Imsi::parse(text).map_err(|_| RowFault::NotImsi))
    }

    /// The subscriptions behind the first: those of which the row says anything.
    fn further(&mut self) -> Vec<FurtherSubscription> {
        let mut further = Vec::new();
        for place in 1..self.header.subscriptions {
            let columns = self.header.columns.iter().zip(self.values);
            let is_used = |column: &Column| matches!(column, Column::Of(other, _) if *other == place);
            if columns.clone().all(|(column, text)| !is_used(column) || text.is_empty()) {
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
        let ki_digits = self.text(column(Member::Ki)).len();
        let named =
            self.optional(column(Member::Algorithm), |text| match text.to_ascii_lowercase().as_str() {
                // Which of the two the length of K says.
                "tuak" => Ok(if ki_digits == 64 { Algorithm::Tuak256 } else { Algorithm::Tuak128 }),
                text => Algorithm::parse(text).ok_or(RowFault::NotAlgorithm),
            });
        let algorithm = named.unwrap_or(assumed);
        let ki = self.needed(column(Member::Ki), |text| octets(text, algorithm.key_length()));
        let opc_column = if self.text(column(Member::Opc)).is_empty() { Member::Topc } else { Member::Opc };
        let opc = self.optional(column(opc_column), |text| match algorithm {
            Algorithm::XorTest => Err(RowFault::OpcOfTestAlgorithm),
            _ => octets(text, algorithm.opc_length()),
        });
        let op = self.optional(column(Member::Op), |text| match algorithm {
            Algorithm::Milenage => octets(text, 16),
            _ => Err(RowFault::Top),
        });
        self.optional(column(Member::Top), |_| Err::<(), _>(RowFault::Top));
        let ki = ki?;
        let opc = match (opc, op, algorithm) {
            (Some(opc), ..) => opc,
            (None, Some(op), _) => {
                let opc = opc_from_op(ki.as_octets().try_into().ok()?, op.as_octets().try_into().ok()?);
                Key::from_slice(&*opc)?
            }
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
        let header = self.header;
        for column in &header.columns {
            let Column::Code(name) = *column else { continue };
            let read = |text: &str| Ok(name.read(text)?);
            let is_needed = self.settings.codes.contains(&name);
            let code = if is_needed { self.needed(*column, read) } else { self.optional(*column, read) };
            if let Some(code) = code {
                codes.set(name, code);
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
        let header = self.header;
        for column in &header.columns {
            let Column::OtaKey(version, identifier) = *column else { continue };
            let Some(key) = self.optional(*column, ota_key) else { continue };
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
                    let column = header.ota_column(settings, *version, *identifier);
                    if let Some(column) = column.filter(|column| self.text(*column).is_empty()) {
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

/// A key of any length that DES or AES has.
fn ota_key(text: &str) -> Result<Key, RowFault> {
    match text.len() {
        32 | 48 | 64 => octets(text, text.len() / 2).map_err(|_| RowFault::NotOtaKey),
        _ => Err(RowFault::NotOtaKey),
    }
}
