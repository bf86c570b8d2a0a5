//! Whether a profile fits an eUICC and its device: the eligibility check of AuthenticateClient (SGP.22 3.1.3, annex F).
//!
//! What cannot be told refuses nobody: a member that the eUICC leaves out, a package whose needs nobody has computed.
//! The eUICC itself judges what is left when it installs. Not judged: versions of Java Card and GlobalPlatform and the
//! libraries that a package names, since EUICCInfo2 does not list what an eUICC holds.

use simyard_asn1::rsp::Version;
use simyard_asn1::rsp::info::uicc_capability;

/// What a profile package needs of an eUICC, computed once for a template or a ready-made package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackageNeeds {
    /// Major and minor version of the package's format, from its header.
    pub version: (u8, u8),
    /// eUICC-Mandatory-services as bits of uiccCapability.
    pub capabilities: u64,
    /// Octets of non-volatile memory that the profile takes at least.
    pub non_volatile_octets: u64,
}

/// What an operator demands of eUICCs and devices beside what a package needs; settings of a profile type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// The device must have one of these; empty: none is asked for.
    pub radio: Vec<RadioAccess>,
    /// Type allocation codes, four octets as in DeviceInfo, of devices that get no profile.
    pub denied_tacs: Vec<[u8; 4]>,
    /// ppVersions of eUICCs that get no profile, such as FF.FF.FF of those that are not certified.
    pub denied_pp_versions: Vec<Version>,
}

/// What the metadata of the profile ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// profilePolicyRules, as bits.
    pub policy_rules: u64,
    /// profileClass is test.
    pub is_test: bool,
}

/// A member of DeviceCapabilities: a radio access that the device says it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RadioAccess {
    /// `80` gsmSupportedRelease.
    Gsm,
    /// `81` utranSupportedRelease.
    Utran,
    /// `85` eutranEpcSupportedRelease.
    EutranEpc,
    /// `88` nrEpcSupportedRelease.
    NrEpc,
    /// `89` nr5gcSupportedRelease.
    #[serde(rename = "nr-5gc")]
    Nr5gc,
    /// `8A` eutran5gcSupportedRelease.
    #[serde(rename = "eutran-5gc")]
    Eutran5gc,
}

impl RadioAccess {
    /// The context tag of the member.
    #[must_use]
    pub const fn tag(self) -> u32 {
        match self {
            Self::Gsm => 0x80,
            Self::Utran => 0x81,
            Self::EutranEpc => 0x85,
            Self::NrEpc => 0x88,
            Self::Nr5gc => 0x89,
            Self::Eutran5gc => 0x8A,
        }
    }
}

/// What EUICCInfo2 and DeviceInfo say; `None` and empty where they say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// svn: the lowest version of SGP.22 that the eUICC works with.
    pub svn: Option<Version>,
    /// profileVersion: the highest version of the package format.
    pub profile_version: Option<Version>,
    /// additionalEuiccProfilePackageVersions: the highest ones of other generations.
    pub additional_profile_versions: Vec<Version>,
    /// Free non-volatile memory in octets, from extCardResource.
    pub free_non_volatile_octets: Option<u64>,
    /// uiccCapability.
    pub uicc_capabilities: u64,
    /// rspCapability is there, and says that there is room for one more profile.
    pub has_room: Option<bool>,
    /// rspCapability says that test profiles are supported.
    pub supports_test_profiles: bool,
    /// forbiddenProfilePolicyRules.
    pub forbidden_policy_rules: u64,
    /// ppVersion.
    pub pp_version: Option<Version>,
    /// The type allocation code of the device.
    pub tac: Option<[u8; 4]>,
    /// The radio accesses of the device, of those that a setting can ask for.
    pub radio: Vec<RadioAccess>,
}

/// Why a profile does not fit; one variant for each rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ineligible {
    /// svn of EUICCInfo2 is of another generation (3.1.3).
    #[error("it works with SGP.22 {0}, not with version 2")]
    Svn(Version),
    /// The package's format is newer than profileVersion, or of a generation that is not listed.
    #[error("it reads profile packages up to {highest}; this one has version {}.{}", .package.0, .package.1)]
    PackageVersion {
        /// The package's.
        package: (u8, u8),
        /// The eUICC's, of the same generation if it lists that.
        highest: Version,
    },
    /// An entry of eUICC-Mandatory-services is no bit of uiccCapability.
    #[error("it lacks {} of its UICC capabilities, which the package demands", capability_name(*.0))]
    UiccCapability(u32),
    /// A rule of the profile is one of forbiddenProfilePolicyRules (2.9.1).
    #[error("it forbids {} of the profile", policy_rule_name(*.0))]
    PolicyRule(u32),
    /// The profile is a test profile, and testProfileSupport is not set (2.4.5.3).
    #[error("it does not support test profiles")]
    TestProfile,
    /// The device has none of the radio accesses of the setting.
    #[error("the device has none of the radio accesses that the profile type asks for")]
    Radio,
    /// The device's TAC is on the list of the setting.
    #[error("devices with TAC {} get no profile of this type", hex::encode(.0))]
    Device([u8; 4]),
    /// The eUICC's ppVersion is on the list of the setting.
    #[error("eUICCs with ppVersion {0} get no profile of this type")]
    PpVersion(Version),
    /// additionalProfile of rspCapability is not set.
    #[error("it says that it has no room for one more profile")]
    AdditionalProfile,
    /// Less free memory than the profile takes.
    #[error("it has {free} octets of free memory; the profile takes {needed} at least")]
    Memory {
        /// What the profile takes at least.
        needed: u64,
        /// tag `82` of extCardResource.
        free: u64,
    },
}

/// The name of a rule of [`Ineligible`]: what is kept with an order that ended by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EligibilityRule {
    /// [`Ineligible::Svn`].
    Svn,
    /// [`Ineligible::PackageVersion`].
    PackageVersion,
    /// [`Ineligible::UiccCapability`].
    UiccCapability,
    /// [`Ineligible::PolicyRule`].
    PolicyRule,
    /// [`Ineligible::TestProfile`].
    TestProfile,
    /// [`Ineligible::Radio`].
    Radio,
    /// [`Ineligible::Device`].
    Device,
    /// [`Ineligible::PpVersion`].
    PpVersion,
    /// [`Ineligible::AdditionalProfile`].
    AdditionalProfile,
    /// [`Ineligible::Memory`].
    Memory,
}

impl EligibilityRule {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Svn,
        Self::PackageVersion,
        Self::UiccCapability,
        Self::PolicyRule,
        Self::TestProfile,
        Self::Radio,
        Self::Device,
        Self::PpVersion,
        Self::AdditionalProfile,
        Self::Memory,
    ];

    /// Its name in the store: never changed once written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Svn => "svn",
            Self::PackageVersion => "package_version",
            Self::UiccCapability => "uicc_capability",
            Self::PolicyRule => "policy_rule",
            Self::TestProfile => "test_profile",
            Self::Radio => "radio",
            Self::Device => "device",
            Self::PpVersion => "pp_version",
            Self::AdditionalProfile => "additional_profile",
            Self::Memory => "memory",
        }
    }

    /// Whether what is missing is memory: 8.1/4.8, all else is 8.2.5/4.3 (5.6.3).
    #[must_use]
    pub const fn is_memory(self) -> bool {
        match self {
            Self::AdditionalProfile | Self::Memory => true,
            Self::Svn
            | Self::PackageVersion
            | Self::UiccCapability
            | Self::PolicyRule
            | Self::TestProfile
            | Self::Radio
            | Self::Device
            | Self::PpVersion => false,
        }
    }
}

impl Ineligible {
    /// The name of the rule.
    #[must_use]
    pub const fn rule(&self) -> EligibilityRule {
        match self {
            Self::Svn(_) => EligibilityRule::Svn,
            Self::PackageVersion { .. } => EligibilityRule::PackageVersion,
            Self::UiccCapability(_) => EligibilityRule::UiccCapability,
            Self::PolicyRule(_) => EligibilityRule::PolicyRule,
            Self::TestProfile => EligibilityRule::TestProfile,
            Self::Radio => EligibilityRule::Radio,
            Self::Device(_) => EligibilityRule::Device,
            Self::PpVersion(_) => EligibilityRule::PpVersion,
            Self::AdditionalProfile => EligibilityRule::AdditionalProfile,
            Self::Memory { .. } => EligibilityRule::Memory,
        }
    }
}

/// What a refusal by these rules does to the order (5.6.3); a setting of a profile type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotEligible {
    /// It ends in state Error, as the standard has it.
    #[default]
    Error,
    /// It stays as it is for an eUICC that fits; the attempt counts.
    KeepReleased,
}

/// Holds a profile against an eUICC and its device. The first rule that is broken is told, memory last: what another
/// phone would not cure comes first.
///
/// # Errors
/// [`Ineligible`].
pub fn check(
    needs: Option<&PackageNeeds>,
    metadata: Metadata,
    demands: &Demands,
    abilities: &Abilities,
) -> Result<(), Ineligible> {
    match abilities.svn {
        Some(svn @ Version([major, ..])) if major != 2 => return Err(Ineligible::Svn(svn)),
        Some(_) | None => {}
    }
    if let Some(needs) = needs {
        check_package(needs, abilities)?;
    }
    if let Some(rule) = lowest_bit(metadata.policy_rules & abilities.forbidden_policy_rules) {
        return Err(Ineligible::PolicyRule(rule));
    }
    if metadata.is_test && !abilities.supports_test_profiles {
        return Err(Ineligible::TestProfile);
    }
    check_demands(demands, abilities)?;
    if abilities.has_room == Some(false) {
        return Err(Ineligible::AdditionalProfile);
    }
    match (needs, abilities.free_non_volatile_octets) {
        (Some(PackageNeeds { non_volatile_octets: needed, .. }), Some(free)) if *needed > free => {
            Err(Ineligible::Memory { needed: *needed, free })
        }
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

/// Versions are compared within their generation. An older generation than profileVersion's is taken to be supported
/// unless the eUICC lists which others are; versions below 2 are none and say nothing.
fn check_package(needs: &PackageNeeds, abilities: &Abilities) -> Result<(), Ineligible> {
    let (major, minor) = needs.version;
    let listed = &abilities.additional_profile_versions;
    if let Some(first @ Version([highest, ..])) = abilities.profile_version
        && highest >= 2
    {
        let same = std::iter::once(&first).chain(listed).find(|Version([other, ..])| *other == major);
        let fits = match same {
            Some(Version([_, other, _])) => minor <= *other,
            None => major < highest && listed.is_empty(),
        };
        if !fits {
            let highest = same.copied().unwrap_or(first);
            return Err(Ineligible::PackageVersion { package: needs.version, highest });
        }
    }
    // An eUICC that names nothing at all does not mean that it can do nothing.
    match lowest_bit(needs.capabilities & !abilities.uicc_capabilities) {
        Some(bit) if abilities.uicc_capabilities != 0 => Err(Ineligible::UiccCapability(bit)),
        Some(_) | None => Ok(()),
    }
}

fn check_demands(demands: &Demands, abilities: &Abilities) -> Result<(), Ineligible> {
    if !demands.radio.is_empty() && !demands.radio.iter().any(|radio| abilities.radio.contains(radio)) {
        return Err(Ineligible::Radio);
    }
    if let Some(tac) = abilities.tac.filter(|tac| demands.denied_tacs.contains(tac)) {
        return Err(Ineligible::Device(tac));
    }
    match abilities.pp_version.filter(|version| demands.denied_pp_versions.contains(version)) {
        Some(version) => Err(Ineligible::PpVersion(version)),
        None => Ok(()),
    }
}

fn lowest_bit(bits: u64) -> Option<u32> {
    (bits != 0).then(|| bits.trailing_zeros())
}

fn capability_name(bit: u32) -> String {
    uicc_capability::name(bit).map_or_else(|| format!("bit {bit}"), str::to_owned)
}

fn policy_rule_name(bit: u32) -> String {
    match bit {
        0 => "pprUpdateControl".to_owned(),
        bit => format!("policy rule PPR{bit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: PackageNeeds =
        PackageNeeds { version: (2, 3), capabilities: 1 << 1 | 1 << 4, non_volatile_octets: 20_000 };

    fn able() -> Abilities {
        Abilities {
            svn: Some(Version([2, 2, 2])),
            profile_version: Some(Version([2, 3, 1])),
            free_non_volatile_octets: Some(100_000),
            uicc_capabilities: 1 << 1 | 1 << 2 | 1 << 4,
            has_room: Some(true),
            supports_test_profiles: true,
            pp_version: Some(Version([1, 0, 0])),
            tac: Some([0x35, 0x29, 0x06, 0x11]),
            radio: vec![RadioAccess::Gsm, RadioAccess::EutranEpc],
            ..Abilities::default()
        }
    }

    const RULES: Metadata = Metadata { policy_rules: 1 << 1, is_test: true };

    fn refused(abilities: &Abilities) -> Ineligible {
        check(Some(&NEEDS), RULES, &Demands::default(), abilities).unwrap_err()
    }

    #[test]
    fn an_euicc_that_can_all_or_says_nothing_gets_the_profile() {
        let demands = Demands {
            radio: vec![RadioAccess::EutranEpc, RadioAccess::Nr5gc],
            denied_tacs: vec![[0x35, 0x29, 0x06, 0x12]],
            denied_pp_versions: vec![Version([255; 3])],
        };
        check(Some(&NEEDS), RULES, &demands, &able()).unwrap();
        let silent = Abilities::default();
        check(Some(&NEEDS), Metadata::default(), &Demands::default(), &silent).unwrap();
        check(None, RULES, &demands, &Abilities { free_non_volatile_octets: Some(0), ..able() }).unwrap();
        let exact = Abilities { free_non_volatile_octets: Some(20_000), ..able() };
        check(Some(&NEEDS), RULES, &demands, &exact).unwrap();
    }

    #[test]
    fn each_rule_refuses_by_its_own_name() {
        let version = |major| Some(Version([major, 0, 0]));
        for (abilities, expected) in [
            (Abilities { svn: version(3), ..able() }, Ineligible::Svn(Version([3, 0, 0]))),
            (
                Abilities { profile_version: Some(Version([2, 2, 9])), ..able() },
                Ineligible::PackageVersion { package: (2, 3), highest: Version([2, 2, 9]) },
            ),
            (Abilities { uicc_capabilities: 1 << 1, ..able() }, Ineligible::UiccCapability(4)),
            (Abilities { forbidden_policy_rules: 0b110, ..able() }, Ineligible::PolicyRule(1)),
            (Abilities { supports_test_profiles: false, ..able() }, Ineligible::TestProfile),
            (Abilities { has_room: Some(false), ..able() }, Ineligible::AdditionalProfile),
            (
                Abilities { free_non_volatile_octets: Some(19_999), ..able() },
                Ineligible::Memory { needed: 20_000, free: 19_999 },
            ),
        ] {
            assert_eq!(refused(&abilities), expected);
        }
        let demanding = |demands: Demands| check(None, Metadata::default(), &demands, &able()).unwrap_err();
        let radio = vec![RadioAccess::Nr5gc];
        assert_eq!(demanding(Demands { radio, ..Demands::default() }), Ineligible::Radio);
        let tac = [0x35, 0x29, 0x06, 0x11];
        let denied = Demands { denied_tacs: vec![tac], ..Demands::default() };
        assert_eq!(demanding(denied), Ineligible::Device(tac));
        let denied = Demands { denied_pp_versions: vec![Version([1, 0, 0])], ..Demands::default() };
        assert_eq!(demanding(denied), Ineligible::PpVersion(Version([1, 0, 0])));
    }

    #[test]
    fn package_versions_are_compared_within_a_generation() {
        for (package, highest, listed, fits) in [
            ((2, 3), [2, 3, 1], vec![], true),
            ((2, 1), [2, 3, 1], vec![], true),
            ((2, 4), [2, 3, 1], vec![], false),
            ((3, 1), [2, 3, 1], vec![], false),
            ((3, 1), [2, 3, 1], vec![[3, 1, 0]], true),
            ((3, 2), [2, 3, 1], vec![[3, 1, 0]], false),
            ((2, 3), [3, 1, 0], vec![], true),
            ((2, 3), [3, 1, 0], vec![[2, 3, 1]], true),
            ((2, 3), [3, 1, 0], vec![[2, 1, 0]], false),
            ((2, 3), [3, 1, 0], vec![[4, 0, 0]], false),
            // No version of the format at all.
            ((2, 3), [0, 0, 0], vec![], true),
            ((3, 3), [1, 9, 9], vec![], true),
        ] {
            let needs = PackageNeeds { version: package, ..NEEDS };
            let abilities = Abilities {
                profile_version: Some(Version(highest)),
                additional_profile_versions: listed.iter().copied().map(Version).collect(),
                ..able()
            };
            let checked = check(Some(&needs), Metadata::default(), &Demands::default(), &abilities);
            assert_eq!(checked.is_ok(), fits, "{package:?} {highest:?} {listed:?}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_missing() {
        let texts: Vec<String> = [
            refused(&Abilities { uicc_capabilities: 1 << 1, ..able() }),
            refused(&Abilities { forbidden_policy_rules: 0b110, ..able() }),
            refused(&Abilities { free_non_volatile_octets: Some(5), ..able() }),
            refused(&Abilities { profile_version: Some(Version([2, 1, 0])), ..able() }),
            Ineligible::UiccCapability(60),
            Ineligible::Device([0x35, 0x29, 0x06, 0x11]),
        ]
        .iter()
        .map(ToString::to_string)
        .collect();
        insta::assert_snapshot!(texts.join("\n"), @r"
        it lacks akaMilenage of its UICC capabilities, which the package demands
        it forbids policy rule PPR1 of the profile
        it has 5 octets of free memory; the profile takes 20000 at least
        it reads profile packages up to 2.1.0; this one has version 2.3
        it lacks bit 60 of its UICC capabilities, which the package demands
        devices with TAC 35290611 get no profile of this type
        ");
    }

    #[test]
    fn names_of_rules_are_their_own() {
        let names: std::collections::BTreeSet<&str> =
            EligibilityRule::ALL.into_iter().map(EligibilityRule::name).collect();
        assert_eq!(names.len(), EligibilityRule::ALL.len());
    }
}
