//! The octets of each datum, one behind the other in a buffer that is used again and again.

use zeroize::Zeroizing;

use super::compile::{ADDRESS_LENGTH, NUMBER_LENGTH, SMSP_LEAD, SMSP_LENGTH};
use super::{Datum, PersonaliseError, Place, Plan, Target};
use crate::profile::content::{ContentError, MAX_DIGITS, msisdn_record, smsp_record, to_ef_spn};
use crate::profile::personal_data::{PersonalData, PhoneNumber, Subscription};

/// Room for the values of most templates; a larger one is made where it is not enough.
const ROOM: usize = 4096;
/// The length of a place whose datum the data do not have: the template's octets stay.
pub(super) const ABSENT: usize = usize::MAX;

/// The values of one profile for the places of one plan.
pub(super) struct Values {
    octets: Zeroizing<Vec<u8>>,
    /// Where the value of each place ends; a place without value ends where the one before ends.
    ends: Vec<usize>,
    /// The room that each value takes in a package, or [`ABSENT`].
    pub(super) shape: Vec<usize>,
}

impl Values {
    pub(super) fn new() -> Self {
        Self { octets: Zeroizing::new(Vec::with_capacity(ROOM)), ends: Vec::new(), shape: Vec::new() }
    }

    /// Takes the values of `data`. All data that a secret place needs must be there.
    pub(super) fn take(&mut self, plan: &Plan, data: &PersonalData) -> Result<(), PersonaliseError> {
        self.octets.clear();
        self.ends.clear();
        self.shape.clear();
        for place in &plan.places {
            let start = self.octets.len();
            let is_there = self.value(plan, place, data)?;
            let length = self.octets.len() - start;
            self.ends.push(self.octets.len());
            self.shape.push(match &place.target {
                _ if !is_there && place.datum.is_secret() => {
                    return Err(PersonaliseError::NoDatum(place.datum));
                }
                _ if !is_there => ABSENT,
                Target::Octets(_) => length,
                Target::File { room, grows, .. } => match length <= *room {
                    true => *room,
                    false if *grows => length,
                    false => {
                        let (datum, most) = (place.datum, *room);
                        return Err(PersonaliseError::TooLong { datum, found: length, most });
                    }
                },
            });
        }
        Ok(())
    }

    /// Takes a value for the places of one datum alone.
    pub(super) fn take_alone(&mut self, plan: &Plan, values: &[(Datum, &[u8])]) {
        self.octets.clear();
        self.ends.clear();
        self.shape.clear();
        for place in &plan.places {
            let value = values.iter().find(|(datum, _)| *datum == place.datum);
            if let Some((_, value)) = value {
                self.push(&place.lead);
                self.push(value);
            }
            self.ends.push(self.octets.len());
            self.shape.push(match (&place.target, value) {
                (_, None) => ABSENT,
                (Target::Octets(range), Some(_)) => range.len(),
                (Target::File { room, .. }, Some(_)) => *room,
            });
        }
    }

    /// The value of a place.
    pub(super) fn get(&self, place: usize) -> &[u8] {
        let start = place.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(place).copied().unwrap_or(start);
        self.octets.get(start..end).unwrap_or_default()
    }

    /// Appends octets. A buffer that is too small is replaced, and the old one wiped.
    fn push(&mut self, octets: &[u8]) {
        let needed = self.octets.len() + octets.len();
        if needed > self.octets.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two()));
            larger.extend_from_slice(&self.octets);
            self.octets = larger;
        }
        self.octets.extend_from_slice(octets);
    }

    /// Appends the value of one place; `false` if the data have none.
    fn value(&mut self, plan: &Plan, place: &Place, data: &PersonalData) -> Result<bool, PersonaliseError> {
        match place.datum {
            Datum::HeaderIccid => self.push(&data.iccid.to_header()),
            Datum::EfIccid => self.push(&data.iccid.to_bcd()),
            Datum::Code(name) => {
                let Some(code) = data.codes.get(name) else { return Ok(false) };
                self.push(code.as_octets());
            }
            Datum::OtaKey { version, identifier } => {
                let set = data.ota.iter().find(|set| plan.is_version(set, version));
                let Some(key) = set.and_then(|set| set.get(identifier)) else { return Ok(false) };
                self.push(key.as_octets());
            }
            _ => return self.of_subscription(plan, place, data),
        }
        Ok(true)
    }

    fn of_subscription(
        &mut self,
        plan: &Plan,
        place: &Place,
        data: &PersonalData,
    ) -> Result<bool, PersonaliseError> {
        let number = place.datum.subscription().unwrap_or(0);
        let Some((subscription, keys)) = data.subscription(number) else { return Ok(false) };
        let mnc_length = subscription.mnc_length.or(plan.mnc_lengths.get(number).copied()).unwrap_or(2);
        match place.datum {
            Datum::Imsi(_) => self.push(&subscription.imsi.to_ef()),
            Datum::Acc(_) => self.push(&subscription.acc),
            Datum::MncLength(_) => match subscription.mnc_length {
                Some(length) => self.push(&[length]),
                None => return Ok(false),
            },
            Datum::ServiceProviderName(_) => match &subscription.service_provider_name {
                Some(name) => {
                    self.push(&place.lead);
                    self.push(&to_ef_spn(name));
                }
                None => return Ok(false),
            },
            Datum::Msisdn(_) => match &subscription.msisdn {
                Some(number) => {
                    self.number(place.datum, number, msisdn_record(number.as_str(), NUMBER_LENGTH))?
                }
                None => return Ok(false),
            },
            Datum::ServiceCentre(_) => match &subscription.service_centre {
                Some(number) => {
                    self.push(&place.lead);
                    let record = smsp_record(number.as_str(), SMSP_LENGTH);
                    let address = SMSP_LEAD..SMSP_LEAD + ADDRESS_LENGTH;
                    let record = record.map(|record| record.get(address).unwrap_or_default().to_vec());
                    self.number(place.datum, number, record)?;
                }
                None => return Ok(false),
            },
            Datum::Key(_) => self.push(keys.key()),
            Datum::Opc(_) => self.push(keys.opc()),
            Datum::PrivateIdentity(_) => self.private_identity(subscription, mnc_length),
            Datum::PublicIdentity(_, record) => {
                return Ok(self.public_identity(subscription, mnc_length, record));
            }
            Datum::HomeDomain(_) => self.home_domain(subscription, mnc_length),
            Datum::HeaderIccid | Datum::EfIccid | Datum::Code(_) | Datum::OtaKey { .. } => return Ok(false),
        }
        Ok(true)
    }

    /// A telephone number as its file holds it.
    fn number(
        &mut self,
        datum: Datum,
        number: &PhoneNumber,
        coded: Result<Vec<u8>, ContentError>,
    ) -> Result<(), PersonaliseError> {
        let (found, most) = (number.digits().len(), MAX_DIGITS);
        self.push(&coded.map_err(|_| PersonaliseError::TooLong { datum, found, most })?);
        Ok(())
    }

    /// A data object with tag 80 (TS 31.103 4.2.2 to 4.2.4) around the octets that `write` appends.
    fn data_object(&mut self, write: impl FnOnce(&mut Self)) {
        self.push(&[0x80, 0x00]);
        let start = self.octets.len();
        write(self);
        let length = self.octets.len() - start;
        let length_octet = length.to_le_bytes()[0];
        if length >= 0x80 {
            // Two octets of length: everything behind moves up by one.
            self.push(&[0]);
            self.octets.copy_within(start..start + length, start + 1);
            if let Some(place) = self.octets.get_mut(start) {
                *place = length_octet;
            }
        }
        if let Some(place) = self.octets.get_mut(start - 1) {
            *place = if length >= 0x80 { 0x81 } else { length_octet };
        }
    }

    fn private_identity(&mut self, subscription: &Subscription, mnc_length: u8) {
        self.data_object(|values| match &subscription.private_identity {
            Some(text) => values.push(text.as_bytes()),
            // TS 23.003 13.3.
            None => {
                values.push(subscription.imsi.as_str().as_bytes());
                values.push(b"@");
                values.derived_domain(subscription, mnc_length);
            }
        });
    }

    fn public_identity(&mut self, subscription: &Subscription, mnc_length: u8, record: usize) -> bool {
        match (subscription.public_identities.get(record), record) {
            (Some(text), _) => self.data_object(|values| values.push(text.as_bytes())),
            // TS 23.003 13.4B.
            (None, 0) => self.data_object(|values| {
                values.push(b"sip:");
                values.push(subscription.imsi.as_str().as_bytes());
                values.push(b"@");
                values.derived_domain(subscription, mnc_length);
            }),
            (None, _) => return false,
        }
        true
    }

    /// What stands behind the private identity's `@`, or the domain that follows from the IMSI.
    fn home_domain(&mut self, subscription: &Subscription, mnc_length: u8) {
        let given = subscription.private_identity.as_ref().and_then(|text| text.rsplit_once('@'));
        self.data_object(|values| match given {
            Some((_, domain)) if !domain.is_empty() => values.push(domain.as_bytes()),
            _ => values.derived_domain(subscription, mnc_length),
        });
    }

    /// ims.mnc<MNC>.mcc<MCC>.3gppnetwork.org (TS 23.003 13.2); an MNC of two digits gets a zero in front.
    fn derived_domain(&mut self, subscription: &Subscription, mnc_length: u8) {
        let digits = subscription.imsi.as_str().as_bytes();
        let (mcc, rest) = digits.split_at_checked(3).unwrap_or((digits, &[]));
        let mnc = rest.get(..usize::from(mnc_length)).unwrap_or(rest);
        self.push(b"ims.mnc");
        if mnc.len() < 3 {
            self.push(b"0");
        }
        self.push(mnc);
        self.push(b".mcc");
        self.push(mcc);
        self.push(b".3gppnetwork.org");
    }
}
