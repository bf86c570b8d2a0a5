//! Whether the device of an eUICC may be switched to another operator's profile: all obstacles at once, each with a sentence.
//!
//! What cannot be told refuses nobody, but for what the register must say: a switch is asked for an eUICC that was delivered
//! with Freedom to Switch, and nobody else has it.

use super::architecture::Architecture;
use super::freedom_to_switch::FreedomToSwitch;
use super::name::SubClassName;
use crate::ident::Iccid;

/// What the register says of an eUICC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The standard that it follows.
    pub architecture: Architecture,
    /// What kind of SIM it is, and whether that kind can switch.
    pub sub_class: Option<(SubClassName, Switching)>,
    /// Freedom to Switch, as it is now.
    pub freedom_to_switch: FreedomToSwitch,
}

/// Whether a kind of SIM can switch profiles at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switching {
    /// It can.
    Possible,
    /// It cannot.
    Impossible,
}

/// What is known of the eUICC of a switch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SwitchFacts {
    /// What the register says of it; `None`: it is not there.
    pub registered: Option<Registered>,
    /// Whether it is associated with our eIM.
    pub associated: bool,
    /// Whether its EUICCInfo2 has iotSpecificInfo, once that was read.
    pub iot_specific_info: Option<bool>,
    /// Its free non-volatile memory, in octets.
    pub free_memory: Option<u64>,
    /// What the new profile needs of it.
    pub needed_memory: Option<u64>,
    /// An enabled profile that its policy rules forbid to disable (PPR1).
    pub not_to_disable: Option<Iccid>,
    /// Another switch of the same eUICC that has no end yet, by its number.
    pub other_switch: Option<String>,
    /// The profile to switch to, if it is to be on the eUICC and the last list does not show it.
    pub not_installed: Option<Iccid>,
    /// Whether the device may roll back, and to what.
    pub way_back: WayBack,
}

/// What a rollback of the device would come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WayBack {
    /// There is a profile to go back to, nobody knows, or nobody asks for it.
    #[default]
    NotMissing,
    /// It is asked for, and the last list shows no enabled profile.
    Missing,
}

/// Why a switch is not possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwitchObstacle {
    /// The register does not know the eUICC.
    #[error("the register has no eUICC with this EID: deliver it first, as a batch of eUICCs")]
    NotRegistered,
    /// It follows another standard.
    #[error("the eUICC follows {0}: only an SGP.32 eUICC takes packages of an eIM")]
    Architecture(&'static str),
    /// Nobody said what kind of SIM it is.
    #[error("nobody said which sub-class of SIM it is: deliver it with its sub-class")]
    SubClassUnknown,
    /// Its kind cannot switch.
    #[error("SIMs of sub-class {0} cannot switch profiles")]
    SubClass(String),
    /// Freedom to Switch is not part of it.
    #[error("Freedom to Switch is not part of this SIM")]
    FreedomAbsent,
    /// Freedom to Switch is part of it, and not activated.
    #[error("Freedom to Switch is not activated for this SIM: activate it first")]
    FreedomInactive,
    /// The eUICC does not know our eIM.
    #[error("the eUICC is not associated with this eIM: its counter and token are not known")]
    NotAssociated,
    /// What it says of itself is not what the register says.
    #[error(
        "the EUICCInfo2 of the eUICC has no iotSpecificInfo: it is no SGP.32 eUICC, whatever the register says"
    )]
    NoIotSpecificInfo,
    /// Its memory is too small.
    #[error("the profile needs {needed} octets, and the eUICC has {free} free")]
    Memory {
        /// What the profile needs.
        needed: u64,
        /// What is free.
        free: u64,
    },
    /// The enabled profile may not be disabled.
    #[error("the policy rules of profile {0}, which is enabled, forbid to disable it (PPR1)")]
    PolicyRule(Iccid),
    /// Another switch is under way.
    #[error("another switch of this eUICC is under way: {0}")]
    OtherSwitch(String),
    /// The profile is not there.
    #[error("profile {0} is not on the eUICC, as far as its last list says: download it, or audit first")]
    NotInstalled(Iccid),
    /// Nothing is enabled that the device could go back to; the eUICC answers rollbackNotAvailable (SGP.32 3.4.1).
    #[error(
        "no profile is enabled, as far as the last list of the eUICC says, so there is none to roll back to: it would answer \
         rollbackNotAvailable (20); ask without rollback, or audit first"
    )]
    NothingToRollBackTo,
}

impl SwitchObstacle {
    /// Its name for programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotRegistered => "not_registered",
            Self::Architecture(_) => "architecture",
            Self::SubClassUnknown => "sub_class_unknown",
            Self::SubClass(_) => "sub_class",
            Self::FreedomAbsent => "freedom_to_switch_absent",
            Self::FreedomInactive => "freedom_to_switch_inactive",
            Self::NotAssociated => "not_associated",
            Self::NoIotSpecificInfo => "no_iot_specific_info",
            Self::Memory { .. } => "memory",
            Self::PolicyRule(_) => "policy_rule",
            Self::OtherSwitch(_) => "other_switch",
            Self::NotInstalled(_) => "not_installed",
            Self::NothingToRollBackTo => "nothing_to_roll_back_to",
        }
    }
}

/// Everything that stands in the way of a switch; nothing: it may begin.
#[must_use]
pub fn switch_obstacles(facts: &SwitchFacts) -> Vec<SwitchObstacle> {
    let mut obstacles = Vec::new();
    match &facts.registered {
        None => obstacles.push(SwitchObstacle::NotRegistered),
        Some(registered) => of_register(registered, &mut obstacles),
    }
    if !facts.associated {
        obstacles.push(SwitchObstacle::NotAssociated);
    }
    if facts.iot_specific_info == Some(false) {
        obstacles.push(SwitchObstacle::NoIotSpecificInfo);
    }
    if let (Some(needed), Some(free)) = (facts.needed_memory, facts.free_memory)
        && needed > free
    {
        obstacles.push(SwitchObstacle::Memory { needed, free });
    }
    obstacles.extend(facts.not_to_disable.clone().map(SwitchObstacle::PolicyRule));
    obstacles.extend(facts.other_switch.clone().map(SwitchObstacle::OtherSwitch));
    obstacles.extend(facts.not_installed.clone().map(SwitchObstacle::NotInstalled));
    if facts.way_back == WayBack::Missing {
        obstacles.push(SwitchObstacle::NothingToRollBackTo);
    }
    obstacles
}

fn of_register(registered: &Registered, obstacles: &mut Vec<SwitchObstacle>) {
    match registered.architecture {
        Architecture::Sgp32 => {}
        Architecture::Sgp02 => obstacles.push(SwitchObstacle::Architecture("SGP.02 (M2M)")),
        Architecture::Sgp22 => obstacles.push(SwitchObstacle::Architecture("SGP.22 (consumer)")),
    }
    match &registered.sub_class {
        None => obstacles.push(SwitchObstacle::SubClassUnknown),
        Some((name, Switching::Impossible)) => {
            obstacles.push(SwitchObstacle::SubClass(name.as_str().to_owned()));
        }
        Some((_, Switching::Possible)) => {}
    }
    match registered.freedom_to_switch {
        FreedomToSwitch::Active => {}
        FreedomToSwitch::Inactive => obstacles.push(SwitchObstacle::FreedomInactive),
        FreedomToSwitch::Absent => obstacles.push(SwitchObstacle::FreedomAbsent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eligible() -> SwitchFacts {
        SwitchFacts {
            registered: Some(registered(Architecture::Sgp32, Switching::Possible, FreedomToSwitch::Active)),
            associated: true,
            iot_specific_info: Some(true),
            free_memory: Some(100_000),
            needed_memory: Some(100_000),
            ..SwitchFacts::default()
        }
    }

    fn registered(
        architecture: Architecture,
        switching: Switching,
        freedom_to_switch: FreedomToSwitch,
    ) -> Registered {
        let name = SubClassName::parse("Card Industrial").unwrap();
        Registered { architecture, sub_class: Some((name, switching)), freedom_to_switch }
    }

    fn iccid() -> Iccid {
        Iccid::parse("8988211000000000001").unwrap()
    }

    #[test]
    fn one_obstacle_at_a_time() {
        assert_eq!(switch_obstacles(&eligible()), []);
        let of = |registered: Registered| SwitchFacts { registered: Some(registered), ..eligible() };
        let possible = Switching::Possible;
        let table = [
            (SwitchFacts { registered: None, ..eligible() }, "not_registered"),
            (of(registered(Architecture::Sgp02, possible, FreedomToSwitch::Active)), "architecture"),
            (of(registered(Architecture::Sgp22, possible, FreedomToSwitch::Active)), "architecture"),
            (
                of(Registered {
                    sub_class: None,
                    ..registered(Architecture::Sgp32, possible, FreedomToSwitch::Active)
                }),
                "sub_class_unknown",
            ),
            (
                of(registered(Architecture::Sgp32, Switching::Impossible, FreedomToSwitch::Active)),
                "sub_class",
            ),
            (
                of(registered(Architecture::Sgp32, possible, FreedomToSwitch::Absent)),
                "freedom_to_switch_absent",
            ),
            (
                of(registered(Architecture::Sgp32, possible, FreedomToSwitch::Inactive)),
                "freedom_to_switch_inactive",
            ),
            (SwitchFacts { associated: false, ..eligible() }, "not_associated"),
            (SwitchFacts { iot_specific_info: Some(false), ..eligible() }, "no_iot_specific_info"),
            (SwitchFacts { needed_memory: Some(100_001), ..eligible() }, "memory"),
            (SwitchFacts { not_to_disable: Some(iccid()), ..eligible() }, "policy_rule"),
            (SwitchFacts { other_switch: Some("0a".to_owned()), ..eligible() }, "other_switch"),
            (SwitchFacts { not_installed: Some(iccid()), ..eligible() }, "not_installed"),
            (SwitchFacts { way_back: WayBack::Missing, ..eligible() }, "nothing_to_roll_back_to"),
        ];
        for (facts, expected) in table {
            let names: Vec<&str> = switch_obstacles(&facts).iter().map(SwitchObstacle::name).collect();
            assert_eq!(names, [expected]);
        }
    }

    #[test]
    fn all_obstacles_are_told_at_once_and_what_is_unknown_is_none() {
        let unknown = SwitchFacts { iot_specific_info: None, free_memory: None, ..eligible() };
        assert_eq!(switch_obstacles(&unknown), []);
        let nothing = SwitchFacts {
            registered: Some(registered(Architecture::Sgp22, Switching::Impossible, FreedomToSwitch::Absent)),
            needed_memory: Some(2),
            free_memory: Some(1),
            ..SwitchFacts::default()
        };
        let told: Vec<String> = switch_obstacles(&nothing).iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        the eUICC follows SGP.22 (consumer): only an SGP.32 eUICC takes packages of an eIM
        SIMs of sub-class Card Industrial cannot switch profiles
        Freedom to Switch is not part of this SIM
        the eUICC is not associated with this eIM: its counter and token are not known
        the profile needs 2 octets, and the eUICC has 1 free
        ");
    }
}
