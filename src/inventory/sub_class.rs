//! SIM sub-classes: the kinds of cards and chips that an operator sells, and what each of them can do.
//!
//! Simyard brings eight of them ([`shipped`]); settings change members of these, or add others. What a sub-class says of the
//! applet on the card ([`AppletRules`]) is recorded for people and for templates: the server does not run it.

use serde::{Deserialize, Serialize};

use crate::domain::{Architecture, FreedomToSwitch, PoolName, SubClassName};
use crate::ident::Eid;
use crate::profile::personal_data::{HOME, Role};

/// The most slots of a sub-class.
pub const MAX_SLOTS: usize = 8;
/// The most IMSIs of one slot.
pub const MAX_IMSIS_OF_SLOT: u32 = 16;

/// The shape of a card or chip (TS 102 221 4.0, TS 102 671).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum FormFactor {
    /// Plug-in, "mini".
    #[serde(rename = "2FF")]
    Ff2,
    /// Mini-UICC, "micro".
    #[serde(rename = "3FF")]
    Ff3,
    /// "Nano".
    #[serde(rename = "4FF")]
    Ff4,
    /// One card out of which either shape is broken.
    #[serde(rename = "2FF/3FF")]
    Ff2And3,
    /// Soldered, 5 × 6 mm.
    #[serde(rename = "MFF2")]
    Mff2,
    /// Soldered, eight contacts.
    #[serde(rename = "QFN8")]
    Qfn8,
}

impl FormFactor {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ff2 => "2FF",
            Self::Ff3 => "3FF",
            Self::Ff4 => "4FF",
            Self::Ff2And3 => "2FF/3FF",
            Self::Mff2 => "MFF2",
            Self::Qfn8 => "QFN8",
        }
    }
}

/// The name of what has no eUICC.
const NO_ARCHITECTURE: &str = "none";

/// What a sub-class or a range of EIDs says of its architecture: `none`, where there is no eUICC, or its name.
#[must_use]
pub fn architecture_name(architecture: Option<Architecture>) -> &'static str {
    architecture.map_or(NO_ARCHITECTURE, Architecture::name)
}

/// Reads such a name; `None` if it is none.
#[must_use]
pub fn parse_architecture(text: &str) -> Option<Option<Architecture>> {
    if text == NO_ARCHITECTURE { Some(None) } else { Architecture::parse(text).map(Some) }
}

fn serialize_architecture<S: serde::Serializer>(
    architecture: &Option<Architecture>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(architecture_name(*architecture))
}

/// eUICCs with these EIDs have another architecture than their sub-class says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EidRange {
    /// The first EID.
    pub first: Eid,
    /// The last EID, which belongs to the range.
    pub last: Eid,
    /// The architecture.
    #[serde(serialize_with = "serialize_architecture")]
    pub architecture: Option<Architecture>,
}

/// A place for IMSIs on the card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImsiSlot {
    /// What the IMSIs are for: [`HOME`] for that of EF.IMSI when the card is new, a role of further subscriptions otherwise.
    pub role: String,
    /// The pool that they are drawn from; an empty slot has none.
    #[serde(serialize_with = "pool_name")]
    pub pool: Option<PoolName>,
    /// How many there are; 0 for a slot that is reserved.
    pub count: u32,
    /// Days until the applet goes on to the next one of the slot.
    pub rotation_days: Option<u32>,
}

#[expect(clippy::ref_option, reason = "serde hands a member over as it is")]
fn pool_name<S: serde::Serializer>(pool: &Option<PoolName>, serializer: S) -> Result<S::Ok, S::Error> {
    pool.as_ref().map(PoolName::as_str).serialize(serializer)
}

/// What the applet on the card does by itself; recorded, never run here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AppletRules {
    /// It goes on to the next slot without service, or with limited service.
    pub leaves_without_service: bool,
    /// Hours after which it is back at the first slot.
    pub return_hours: Option<u32>,
    /// Mobile country codes in which the first slot is always used.
    pub first_slot_in_mcc: Vec<String>,
}

/// A SIM sub-class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubClass {
    /// Its name.
    #[serde(serialize_with = "sub_class_name")]
    pub name: SubClassName,
    /// The shapes that it comes in.
    pub form_factors: Vec<FormFactor>,
    /// Whether it bears heat, cold and vibration.
    pub ruggedised: bool,
    /// Whether it holds an eUICC.
    pub euicc: bool,
    /// How profiles come onto it, unless a range of EIDs says otherwise; `None` without an eUICC.
    #[serde(serialize_with = "serialize_architecture")]
    pub architecture: Option<Architecture>,
    /// EIDs for which it is otherwise; no two ranges have an EID in common.
    pub eid_ranges: Vec<EidRange>,
    /// Freedom to Switch, as it is delivered.
    pub freedom_to_switch: FreedomToSwitch,
    /// Whether it can switch profiles at all.
    pub switchable: bool,
    /// Its IMSIs; the first slot is the home one.
    pub imsi_slots: Vec<ImsiSlot>,
    /// What its applet does.
    pub applet: AppletRules,
}

fn sub_class_name<S: serde::Serializer>(name: &SubClassName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

impl SubClass {
    /// A sub-class of which nothing but the name is said: a card with one IMSI.
    #[must_use]
    pub fn new(name: SubClassName) -> Self {
        Self {
            name,
            form_factors: Vec::new(),
            ruggedised: false,
            euicc: false,
            architecture: None,
            eid_ranges: Vec::new(),
            freedom_to_switch: FreedomToSwitch::Absent,
            switchable: false,
            imsi_slots: Vec::new(),
            applet: AppletRules::default(),
        }
    }

    /// How many IMSIs a subscription of this sub-class has.
    #[must_use]
    pub fn imsis(&self) -> usize {
        self.imsi_slots.iter().map(|slot| usize::try_from(slot.count).unwrap_or(usize::MAX)).sum()
    }

    /// The architecture of the eUICC with this EID.
    #[must_use]
    pub fn architecture_of(&self, eid: &Eid) -> Option<Architecture> {
        let range = self.eid_ranges.iter().find(|range| range.first <= *eid && *eid <= range.last);
        range.map_or(self.architecture, |range| range.architecture)
    }

    /// What is contradictory in it.
    ///
    /// # Errors
    /// [`SubClassError`]: the first contradiction.
    pub fn check(&self) -> Result<(), SubClassError> {
        if self.form_factors.is_empty() {
            return Err(SubClassError::NoFormFactor);
        }
        if self.euicc != self.architecture.is_some() {
            return Err(SubClassError::Architecture);
        }
        if !self.euicc && (self.switchable || self.freedom_to_switch != FreedomToSwitch::Absent) {
            return Err(SubClassError::SwitchWithoutEuicc);
        }
        if !self.switchable && self.freedom_to_switch != FreedomToSwitch::Absent {
            return Err(SubClassError::FreedomWithoutSwitch);
        }
        self.check_slots()?;
        for (number, range) in self.eid_ranges.iter().enumerate() {
            if range.first > range.last || !self.euicc || range.architecture.is_none() {
                return Err(SubClassError::EidRange);
            }
            let others = self.eid_ranges.iter().skip(number + 1);
            if others.clone().any(|other| range.first <= other.last && other.first <= range.last) {
                return Err(SubClassError::EidRangesOverlap);
            }
        }
        Ok(())
    }

    fn check_slots(&self) -> Result<(), SubClassError> {
        let home = self.imsi_slots.first().ok_or(SubClassError::NoHome)?;
        if home.role != HOME || home.count != 1 {
            return Err(SubClassError::NoHome);
        }
        if self.imsi_slots.len() > MAX_SLOTS {
            return Err(SubClassError::Slots);
        }
        for slot in self.imsi_slots.iter().skip(1) {
            if Role::parse(&slot.role).is_none() {
                return Err(SubClassError::Role);
            }
        }
        let mut roles: Vec<&str> = self.imsi_slots.iter().map(|slot| slot.role.as_str()).collect();
        roles.sort_unstable();
        roles.dedup();
        if roles.len() != self.imsi_slots.len() {
            return Err(SubClassError::Role);
        }
        for slot in &self.imsi_slots {
            if slot.count > MAX_IMSIS_OF_SLOT || (slot.count > 0) != slot.pool.is_some() {
                return Err(SubClassError::Count);
            }
            if slot.rotation_days.is_some_and(|days| !(1..=255).contains(&days) || slot.count < 2) {
                return Err(SubClassError::Rotation);
            }
        }
        Ok(())
    }
}

/// What is contradictory in a sub-class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubClassError {
    /// No form factor.
    #[error("at least one form factor is needed")]
    NoFormFactor,
    /// eUICC and architecture do not fit.
    #[error("an eUICC has one of the architectures sgp02, sgp22 and sgp32; what is none has none")]
    Architecture,
    /// Switching without eUICC.
    #[error("what has no eUICC can neither switch nor have Freedom to Switch")]
    SwitchWithoutEuicc,
    /// Freedom to Switch on what cannot switch.
    #[error("what is not switchable has no Freedom to Switch")]
    FreedomWithoutSwitch,
    /// The first slot.
    #[error("the first slot has the role \"home\" and one IMSI: that of EF.IMSI")]
    NoHome,
    /// Too many slots.
    #[error("more than {MAX_SLOTS} slots")]
    Slots,
    /// The roles of slots.
    #[error("each slot has a role of its own, of small letters, digits and hyphens, 32 at most")]
    Role,
    /// The number of IMSIs of a slot.
    #[error("a slot has a pool and up to {MAX_IMSIS_OF_SLOT} IMSIs, or neither pool nor IMSI")]
    Count,
    /// The rotation of a slot.
    #[error("rotation_days are 1 to 255, in a slot with two IMSIs or more")]
    Rotation,
    /// A range of EIDs.
    #[error("a range of EIDs belongs to an eUICC, goes from the first to the last, and has an architecture")]
    EidRange,
    /// Two ranges of EIDs.
    #[error("two ranges of EIDs have an EID in common")]
    EidRangesOverlap,
}

/// The sub-classes that Simyard brings, as they are published. The architecture of the eUICC ones is sgp02; an operator says
/// so where other silicon is delivered. Their slots name pools that the operator's settings have to define.
#[must_use]
pub fn shipped() -> Vec<SubClass> {
    let cards = [FormFactor::Ff2, FormFactor::Ff3, FormFactor::Ff4];
    let chips = [FormFactor::Mff2, FormFactor::Qfn8];
    let brazil = || {
        vec![
            slot(HOME, Some("imsi-brazil"), 1, None),
            slot("global", Some("imsi-global"), 3, Some(60)),
            slot("reserved", None, 0, None),
        ]
    };
    let brazil_applet = || AppletRules {
        leaves_without_service: true,
        return_hours: Some(24),
        first_slot_in_mcc: vec!["724".to_owned()],
    };
    let home = || vec![slot(HOME, Some("imsi-global"), 1, None)];
    let card = |name: &'static str| base(name, &cards, home());
    let industrial = |name: &'static str, form_factors: &[FormFactor], slots| SubClass {
        ruggedised: true,
        euicc: true,
        architecture: Some(Architecture::Sgp02),
        freedom_to_switch: FreedomToSwitch::Inactive,
        switchable: true,
        ..base(name, form_factors, slots)
    };
    vec![
        card("Card Business"),
        industrial("Card Industrial", &cards, home()),
        industrial("Chip Industrial", &chips, home()),
        SubClass {
            imsi_slots: vec![
                slot(HOME, Some("imsi-global"), 1, None),
                slot("china", Some("imsi-china"), 1, None),
            ],
            ..card("Card Business China+")
        },
        card("Card Business Unbranded"),
        SubClass {
            applet: brazil_applet(),
            ..base("Card Business Brazil", &[FormFactor::Ff2And3, FormFactor::Ff4], brazil())
        },
        SubClass { applet: brazil_applet(), ..industrial("Chip Industrial Brazil", &chips, brazil()) },
        SubClass { ruggedised: true, ..base("Chip Industrial Classic", &chips, home()) },
    ]
}

fn base(name: &'static str, form_factors: &[FormFactor], imsi_slots: Vec<ImsiSlot>) -> SubClass {
    SubClass { form_factors: form_factors.to_vec(), imsi_slots, ..SubClass::new(SubClassName::shipped(name)) }
}

fn slot(role: &str, pool: Option<&str>, count: u32, rotation_days: Option<u32>) -> ImsiSlot {
    ImsiSlot { role: role.to_owned(), pool: pool.and_then(PoolName::parse), count, rotation_days }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(name: &str) -> SubClass {
        shipped().into_iter().find(|sub_class| sub_class.name.as_str() == name).unwrap()
    }

    #[test]
    fn what_is_shipped_is_sound() {
        let shipped = shipped();
        assert_eq!(shipped.len(), 8);
        for sub_class in &shipped {
            assert_eq!(sub_class.check(), Ok(()), "{}", sub_class.name);
            let home = &sub_class.imsi_slots[0];
            assert_eq!((home.role.as_str(), home.count), (HOME, 1), "{}", sub_class.name);
            assert_eq!(
                sub_class.euicc,
                sub_class.architecture == Some(Architecture::Sgp02),
                "{}",
                sub_class.name
            );
        }
        for name in ["Card Industrial", "Chip Industrial"] {
            let industrial = find(name);
            assert!(industrial.ruggedised && industrial.euicc && industrial.switchable);
            assert_eq!(industrial.freedom_to_switch, FreedomToSwitch::Inactive);
        }
        assert!(!find("Chip Industrial Classic").switchable);
        assert_eq!(find("Card Business China+").imsis(), 2);
    }

    #[test]
    fn an_iccid_of_brazil_owns_four_imsis() {
        for name in ["Card Business Brazil", "Chip Industrial Brazil"] {
            let brazil = find(name);
            assert_eq!(brazil.imsis(), 4);
            let counts: Vec<u32> = brazil.imsi_slots.iter().map(|slot| slot.count).collect();
            assert_eq!(counts, [1, 3, 0]);
            assert_eq!(brazil.imsi_slots[1].rotation_days, Some(60));
            assert_eq!(brazil.applet.return_hours, Some(24));
            assert_eq!(brazil.applet.first_slot_in_mcc, ["724"]);
        }
    }

    #[test]
    fn an_eid_says_its_architecture() {
        let eid = |last: u32| Eid::parse(&format!("890490320000000000000000{last:08}")).unwrap();
        let mut sub_class = find("Chip Industrial");
        let range = |first, last| EidRange {
            first: eid(first),
            last: eid(last),
            architecture: Some(Architecture::Sgp32),
        };
        sub_class.eid_ranges = vec![range(100, 199), range(300, 300)];
        assert_eq!(sub_class.check(), Ok(()));
        for (number, architecture) in [
            (99, Architecture::Sgp02),
            (100, Architecture::Sgp32),
            (199, Architecture::Sgp32),
            (200, Architecture::Sgp02),
            (300, Architecture::Sgp32),
        ] {
            assert_eq!(sub_class.architecture_of(&eid(number)), Some(architecture), "{number}");
        }
        sub_class.eid_ranges.push(range(199, 250));
        assert_eq!(sub_class.check(), Err(SubClassError::EidRangesOverlap));
        sub_class.eid_ranges = vec![range(2, 1)];
        assert_eq!(sub_class.check(), Err(SubClassError::EidRange));
    }

    #[test]
    fn contradictions_are_told() {
        let with = |change: fn(&mut SubClass)| {
            let mut sub_class = find("Chip Industrial Brazil");
            change(&mut sub_class);
            sub_class.check()
        };
        assert_eq!(with(|own| own.form_factors.clear()), Err(SubClassError::NoFormFactor));
        assert_eq!(with(|own| own.architecture = None), Err(SubClassError::Architecture));
        assert_eq!(with(|own| own.switchable = false), Err(SubClassError::FreedomWithoutSwitch));
        assert_eq!(with(|own| own.imsi_slots[0].role = "brazil".to_owned()), Err(SubClassError::NoHome));
        assert_eq!(with(|own| own.imsi_slots[0].count = 2), Err(SubClassError::NoHome));
        assert_eq!(with(|own| own.imsi_slots[1].role = "Global".to_owned()), Err(SubClassError::Role));
        assert_eq!(with(|own| own.imsi_slots[2].role = "global".to_owned()), Err(SubClassError::Role));
        assert_eq!(with(|own| own.imsi_slots[1].pool = None), Err(SubClassError::Count));
        assert_eq!(with(|own| own.imsi_slots[1].count = 17), Err(SubClassError::Count));
        assert_eq!(with(|own| own.imsi_slots[1].count = 1), Err(SubClassError::Rotation));
        let mut card = find("Card Business");
        card.switchable = true;
        assert_eq!(card.check(), Err(SubClassError::SwitchWithoutEuicc));
    }
}
