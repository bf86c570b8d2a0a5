//! Marked data, and the proof that a plan puts them where a card reads them.

use simyard_asn1::saip::Package;

use super::values::Values;
use super::{Datum, PersonaliseError, Plan, Template, TemplateError, read};
use crate::ident::{Iccid, Imsi};
use crate::profile::image::ProfileImage;
use crate::profile::personal_data::{
    Code, FurtherSubscription, Key, KeySet, OtaKeySet, PersonalData, PhoneNumber, Role, Subscription,
};

/// How much marked data say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// What the template cannot do without.
    Least,
    /// Everything that it has a place for.
    Most,
}

impl Template {
    /// Personalises with marked data and reads them back as a card does.
    pub(super) fn verify(&self) -> Result<(), TemplateError> {
        for extent in [Extent::Least, Extent::Most] {
            let data =
                marked(&self.0.plan, extent).ok_or(TemplateError::Personalise(PersonaliseError::Damaged))?;
            let octets = self.personalise(&data)?;
            let package = Package::from_der(&octets)?;
            let image = ProfileImage::build_for_any_card(&package)?;
            let mut values = Values::new();
            values.take(&self.0.plan, &data)?;
            for (number, place) in self.0.plan.places.iter().enumerate() {
                let value = values.get(number);
                let found = read::occurrences(&image, &package, place.datum);
                // Whatever is there beyond the value is filler.
                let shows = |found: &Vec<u8>| {
                    found.strip_prefix(value).is_some_and(|rest| rest.iter().all(|octet| *octet == 0xFF))
                };
                let is_there = !found.is_empty() && found.iter().all(shows);
                if !value.is_empty() && !is_there {
                    return Err(TemplateError::NotReadBack(place.datum));
                }
            }
        }
        Ok(())
    }
}

/// Data in which no member equals another or a placeholder.
fn marked(plan: &Plan, extent: Extent) -> Option<PersonalData> {
    let mut mark = 0_u8;
    let mut next = || {
        mark = mark.wrapping_add(1);
        mark
    };
    let mut subscriptions = Vec::new();
    for (number, algorithm) in plan.algorithms.iter().enumerate() {
        let mut subscription = Subscription::new(Imsi::parse(&format!("999700{number:09}")).ok()?);
        // Both octets of EF.ACC differ from those of any single class.
        subscription.acc = [0xA5, next()];
        if extent == Extent::Most {
            add_optional(plan, number, &mut subscription)?;
        }
        let opc = vec![next() ^ 0xA0; algorithm.opc_length()];
        let keys = KeySet::new(*algorithm, &vec![next() ^ 0xA0; algorithm.key_length()], &opc)?;
        subscriptions.push((subscription, keys));
    }
    let mut subscriptions = subscriptions.into_iter();
    let (home, keys) = subscriptions.next()?;
    let mut data = PersonalData {
        iccid: Iccid::parse("8999701234567890123").ok()?,
        home,
        keys,
        further: Vec::new(),
        codes: super::super::personal_data::Codes::default(),
        ota: Vec::new(),
    };
    for (number, (subscription, keys)) in subscriptions.enumerate() {
        let place = number + 1;
        let role = plan.roles.get(place).and_then(|role| Role::parse(role));
        let role = role.or_else(|| Role::parse(&format!("marked-{number}")))?;
        let keys = (!plan.shared.contains(&place)).then_some(keys);
        data.further.push(FurtherSubscription { role, subscription, keys });
    }
    for datum in &plan.data {
        if let Datum::Code(name) = datum {
            data.codes.set(*name, Code::from_octets([b'#', next(), 0x5A, 0, 1, 2, 3, 4]));
        }
    }
    for need in &plan.ota {
        let mut key = [next(); 16];
        key[0] = 0xEE;
        let key = Key::from_slice(&key)?;
        match data.ota.iter_mut().find(|set| set.version == Some(need.version)) {
            Some(set) => set.set(need.identifier, key),
            None => {
                let mut set = OtaKeySet::new(Some(need.version), None);
                set.set(need.identifier, key);
                data.ota.push(set);
            }
        }
    }
    Some(data)
}

/// Everything that a subscription may have and the template has a place for.
fn add_optional(plan: &Plan, number: usize, subscription: &mut Subscription) -> Option<()> {
    if plan.has(Datum::MncLength(number)) {
        subscription.mnc_length = Some(3);
    }
    if plan.has(Datum::Msisdn(number)) {
        subscription.msisdn = Some(PhoneNumber::parse(&format!("+99970{number:05}"))?);
    }
    if plan.has(Datum::ServiceCentre(number)) {
        subscription.service_centre = Some(PhoneNumber::parse(&format!("99971{number:05}"))?);
    }
    if plan.has(Datum::ServiceProviderName(number)) {
        subscription.service_provider_name = Some(format!("Marked {number}"));
    }
    if plan.has(Datum::PrivateIdentity(number)) {
        // Longer than any file of a template has room for.
        subscription.private_identity = Some(format!("{number}-{}@marked.example", "m".repeat(100)));
    }
    let records = (0..).take_while(|record| plan.has(Datum::PublicIdentity(number, *record)));
    subscription.public_identities =
        records.map(|record| format!("sip:{number}-{record}@marked.example")).collect();
    Some(())
}
