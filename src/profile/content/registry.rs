//! Which file has which codec.
//!
//! Files without a line here are not decoded, for one of these reasons: their content is opaque (security contexts,
//! keys of 5G), it belongs to an operator or a manufacturer (EF.LAUNCH_SCWS, EF.SPNI), it is data objects of another
//! standard (EF.URSP, EF.IMSConfigData, EF.MLPL), its form depends on other files (EF.EMAIL, EF.SNE), or its coding is
//! not settled by the texts that these tables were checked against (most of CSIM).

use simyard_asn1::saip::ElementKind;

use super::codec::Codec;
use super::{
    access, card, dialling, five_g, identity, ims, location, names, network, phonebook, services, settings,
};

/// A codec and the files that it is for.
pub(super) struct Entry {
    scope: Scope,
    names: &'static [&'static str],
    pub(super) codec: Codec,
    /// Whether errors must not repeat what came.
    pub(super) secret: bool,
    /// Whether FF alone is a value of its own and not filler.
    pub(super) ones_are_a_value: bool,
}

/// The elements that a file name stands for one kind of content in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// All.
    Any,
    /// All but CSIM.
    NotCsim,
    /// All but ISIM and CSIM.
    Usim,
    /// ISIM.
    Isim,
    /// CSIM.
    Csim,
}

impl Scope {
    const fn holds(self, kind: ElementKind) -> bool {
        let csim = matches!(kind, ElementKind::Csim | ElementKind::OptCsim);
        let isim = matches!(kind, ElementKind::Isim | ElementKind::OptIsim);
        match self {
            Self::Any => true,
            Self::NotCsim => !csim,
            Self::Usim => !csim && !isim,
            Self::Isim => isim,
            Self::Csim => csim,
        }
    }
}

const fn entry(scope: Scope, names: &'static [&'static str], codec: Codec) -> Entry {
    Entry { scope, names, codec, secret: false, ones_are_a_value: false }
}

const fn usim(names: &'static [&'static str], codec: Codec) -> Entry {
    entry(Scope::Usim, names, codec)
}

impl Entry {
    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn ones_are_a_value(mut self) -> Self {
        self.ones_are_a_value = true;
        self
    }
}

/// All files with a codec.
pub(super) const REGISTRY: &[Entry] = &[
    entry(Scope::Any, &["EF.ARR", "EF.ARR-USIM"], access::RULES),
    // The card.
    usim(&["EF.ICCID"], identity::ICCID),
    usim(&["EF.DIR"], card::DIRECTORY),
    usim(&["EF.PL", "EF.LI"], card::LANGUAGES),
    usim(&["EF.UMPC"], card::POWER),
    // Identity and services.
    usim(&["EF.IMSI"], identity::IMSI),
    usim(&["EF.ACC"], identity::ACCESS_CLASSES).ones_are_a_value(),
    usim(&["EF.AD"], identity::ADMINISTRATIVE_DATA),
    usim(&["EF.UST"], services::USIM).ones_are_a_value(),
    usim(&["EF.EST"], services::ENABLED).ones_are_a_value(),
    usim(&["EF.MST", "EF.VST"], services::NUMBERED).ones_are_a_value(),
    usim(&["EF.5G_PROSE_ST"], services::PROXIMITY).ones_are_a_value(),
    // Names and networks.
    usim(&["EF.SPN"], names::SERVICE_PROVIDER),
    usim(&["EF.PNN"], names::NETWORK_NAMES),
    usim(&["EF.OPL"], network::OPERATOR_LIST),
    usim(&["EF.OPL5G"], network::OPERATOR_LIST_5G),
    usim(&["EF.SPDI"], network::PROVIDER_NETWORKS),
    usim(&["EF.PLMNwAcT", "EF.OPLMNwAcT", "EF.HPLMNwAcT"], network::SELECTORS),
    usim(&["EF.FPLMN", "EF.EHPLMN"], network::NETWORKS),
    usim(&["EF.HPPLMN"], network::SEARCH_PERIOD),
    usim(&["EF.EHPLMNPI"], settings::HOME_PRESENTATION),
    usim(&["EF.LRPLMNSI"], settings::LAST_NETWORK),
    // Numbers and calls.
    usim(&["EF.MSISDN", "EF.ADN", "EF.FDN", "EF.SDN", "EF.MBDN", "EF.ICE_DN"], dialling::DIALLING_NUMBER),
    usim(&["EF.BDN"], dialling::BARRED_NUMBER),
    usim(&["EF.ANR"], dialling::ADDITIONAL_NUMBER),
    usim(&["EF.ECC"], dialling::EMERGENCY_NUMBER),
    usim(&["EF.ICI"], dialling::INCOMING_CALL),
    usim(&["EF.OCI"], dialling::OUTGOING_CALL),
    usim(&["EF.CFIS"], dialling::CALL_FORWARDING),
    usim(
        &["EF.EXT1", "EF.EXT2", "EF.EXT3", "EF.EXT4", "EF.EXT5", "EF.EXT6", "EF.EXT7", "EF.EXT8"],
        dialling::EXTENSION_RECORD,
    ),
    usim(&["EF.ACM", "EF.ACMmax", "EF.ICT", "EF.OCT", "EF.THRESHOLD"], settings::COUNTER),
    usim(&["EF.PUCT"], settings::PRICE),
    usim(&["EF.MBI"], settings::MAILBOXES),
    usim(&["EF.MWIS"], settings::MESSAGES_WAITING),
    usim(&["EF.eMLPP"], settings::PRECEDENCE),
    usim(&["EF.AaeM"], settings::AUTOMATIC_ANSWER),
    usim(&["EF.VGCS", "EF.VBS"], settings::GROUPS),
    usim(&["EF.GID1", "EF.GID2"], settings::GROUP_IDENTIFIER),
    usim(&["EF.CNL"], settings::COOPERATIVE_NETWORKS),
    usim(&["EF.NIA"], settings::ALERTING),
    usim(&["EF.CMI"], settings::COMPARISON_METHOD),
    usim(&["EF.VGCSCA", "EF.VBSCA"], settings::GROUP_ALGORITHMS),
    usim(&["EF.VGCSS", "EF.VBSS"], settings::ACTIVE_GROUPS),
    // Messages.
    entry(Scope::Any, &["EF.SMS"], settings::SHORT_MESSAGE),
    entry(Scope::NotCsim, &["EF.SMSP"], dialling::SHORT_MESSAGE_PARAMETERS),
    entry(Scope::NotCsim, &["EF.SMSS"], settings::SHORT_MESSAGE_STATUS),
    entry(Scope::NotCsim, &["EF.SMSR"], settings::SHORT_MESSAGE_REPORT),
    entry(Scope::NotCsim, &["EF.PSISMSC"], ims::TEXT_OBJECT),
    usim(&["EF.CBMI", "EF.CBMID"], settings::BROADCAST_MESSAGES),
    usim(&["EF.CBMIR"], settings::BROADCAST_RANGES),
    entry(Scope::Any, &["EF.MMSN"], settings::MULTIMEDIA_NOTIFICATION),
    // Location, keys, the terminal.
    usim(&["EF.LOCI"], location::CIRCUIT_SWITCHED),
    usim(&["EF.PSLOCI"], location::PACKET_SWITCHED),
    usim(&["EF.EPSLOCI"], location::EVOLVED),
    usim(&["EF.5GS3GPPLOCI", "EF.5GSN3GPPLOCI"], location::FIFTH_GENERATION),
    usim(&["EF.Keys", "EF.KeysPS"], location::KEYS).secret(),
    usim(&["EF.Kc", "EF.KcGPRS"], location::GSM_KEY).secret(),
    usim(&["EF.START-HFN"], location::HYPERFRAME_NUMBERS),
    usim(&["EF.InvScan"], settings::INVESTIGATION_SCAN),
    usim(&["EF.NASCONFIG"], settings::NON_ACCESS_STRATUM),
    usim(&["EF.ACL"], settings::ACCESS_POINTS),
    entry(Scope::NotCsim, &["EF.FromPreferred"], settings::FROM_PREFERRED),
    // 5G.
    usim(&["EF.SUCI_Calc_Info", "EF.SUCICalcInfo", "EF.SUCI-CALC-INFO-USIM"], five_g::CONCEALMENT),
    usim(&["EF.Routing_Indicator"], five_g::ROUTING_INDICATOR),
    usim(&["EF.UAC_AIC"], five_g::ACCESS_IDENTITIES),
    usim(&["EF.SUPI_NAI"], five_g::NETWORK_ACCESS_IDENTIFIER),
    // The phonebook and DF.TELECOM.
    usim(&["EF.PBR"], phonebook::STRUCTURE),
    usim(&["EF.AAS", "EF.GAS"], phonebook::NAME),
    usim(&["EF.PSC"], phonebook::SYNCHRONISATION),
    usim(&["EF.CC", "EF.PUID", "EF.UID"], phonebook::IDENTIFIER),
    usim(&["EF.PBC"], phonebook::CONTROL),
    usim(&["EF.IAP", "EF.GRP"], phonebook::RECORDS),
    usim(&["EF.SUME"], phonebook::MENU_TITLE),
    usim(&["EF.IMG"], phonebook::IMAGES),
    // ISIM.
    entry(Scope::Isim, &["EF.AD"], identity::ADMINISTRATIVE_DATA_OF_ISIM),
    entry(Scope::Isim, &["EF.IST"], services::ISIM).ones_are_a_value(),
    entry(Scope::Isim, &["EF.IMPI", "EF.IMPU", "EF.Domain"], ims::TEXT_OBJECT),
    entry(Scope::Isim, &["EF.PCSCF"], ims::CALL_SESSION_CONTROL),
    // CSIM: the files that 3GPP2 C.S0065 codes as a USIM does.
    entry(Scope::Csim, &["EF.AD"], identity::ADMINISTRATIVE_DATA_OF_ISIM),
    entry(Scope::Csim, &["EF.ECC"], dialling::EMERGENCY_NUMBERS_OF_CSIM),
    entry(Scope::Csim, &["EF.CSIM-ST"], services::NUMBERED).ones_are_a_value(),
    entry(Scope::Csim, &["EF.FDN", "EF.SDN"], dialling::DIALLING_NUMBER),
    entry(Scope::Csim, &["EF.EXT2", "EF.EXT3", "EF.EXT5", "EF.EXT8"], dialling::EXTENSION_RECORD),
    entry(Scope::Csim, &["EF.EST"], services::ENABLED).ones_are_a_value(),
];

/// The line for a file in an element. Case, hyphens and underscores do not matter: templates differ in them.
pub(super) fn find(kind: ElementKind, name: &str) -> Option<&'static Entry> {
    REGISTRY
        .iter()
        .find(|entry| entry.scope.holds(kind) && entry.names.iter().any(|known| same_name(known, name)))
}

fn same_name(one: &str, other: &str) -> bool {
    let plain = |octet: u8| if octet == b'_' { b'-' } else { octet.to_ascii_lowercase() };
    one.bytes().map(plain).eq(other.bytes().map(plain))
}

/// Every file with a codec, and an element that it stands in.
#[cfg(test)]
pub(super) fn files() -> impl Iterator<Item = (ElementKind, &'static str, &'static Entry)> {
    REGISTRY.iter().flat_map(|entry| {
        let kind = match entry.scope {
            Scope::Isim => ElementKind::Isim,
            Scope::Any | Scope::Csim => ElementKind::OptCsim,
            Scope::NotCsim => ElementKind::OptIsim,
            Scope::Usim => ElementKind::Usim,
        };
        entry.names.iter().map(move |name| (kind, *name, entry))
    })
}
