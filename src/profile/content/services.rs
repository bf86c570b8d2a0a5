//! Service tables: EF.UST (TS 31.102 4.2.8), EF.EST (4.2.47), EF.IST (TS 31.103 4.2.7) and those of other directories.
//!
//! The names are short forms of the standards'. The n-th name is service n; an empty name is a number that the standard
//! keeps free. Services above the tables are given by their number.

use super::codec::Codec;

/// EF.UST.
pub(super) const USIM: Codec = Codec::Services(&[
    "local phone book",
    "fixed dialling numbers (FDN)",
    "extension 2",
    "service dialling numbers (SDN)",
    "extension 3",
    "barred dialling numbers (BDN)",
    "extension 4",
    "outgoing call information (OCI, OCT)",
    "incoming call information (ICI, ICT)",
    "short message storage (SMS)",
    "short message status reports (SMSR)",
    "short message service parameters (SMSP)",
    "advice of charge (AoC)",
    "capability configuration parameters 2 (CCP2)",
    "cell broadcast message identifier",
    "cell broadcast message identifier ranges",
    "group identifier level 1",
    "group identifier level 2",
    "service provider name",
    "user controlled PLMN selector with access technology",
    "MSISDN",
    "image (IMG)",
    "localised service areas (SoLSA)",
    "enhanced multi-level precedence and pre-emption (eMLPP)",
    "automatic answer for eMLPP",
    "",
    "GSM access",
    "data download via SMS-PP",
    "data download via SMS-CB",
    "call control by USIM",
    "MO-SMS control by USIM",
    "RUN AT COMMAND",
    "shall be set to 1",
    "enabled services table",
    "APN control list (ACL)",
    "depersonalisation control keys",
    "co-operative network list",
    "GSM security context",
    "CPBCCH information",
    "investigation scan",
    "MExE",
    "operator controlled PLMN selector with access technology",
    "HPLMN selector with access technology",
    "extension 5",
    "PLMN network name",
    "operator PLMN list",
    "mailbox dialling numbers",
    "message waiting indication status",
    "call forwarding indication status",
    "",
    "service provider display information",
    "multimedia messaging service (MMS)",
    "extension 8",
    "call control on GPRS by USIM",
    "MMS user connectivity parameters",
    "network's indication of alerting (NIA)",
    "VGCS group identifier list",
    "VBS group identifier list",
    "pseudonym",
    "user controlled PLMN selector for I-WLAN",
    "operator controlled PLMN selector for I-WLAN",
    "user controlled WSID list",
    "operator controlled WSID list",
    "VGCS security",
    "VBS security",
    "WLAN reauthentication identity",
    "multimedia messages storage",
    "generic bootstrapping architecture (GBA)",
    "MBMS security",
    "data download via USSD",
    "equivalent HPLMN",
    "additional TERMINAL PROFILE after UICC activation",
    "equivalent HPLMN presentation indication",
    "last RPLMN selection indication",
    "OMA BCAST smart card profile",
    "GBA-based local key establishment",
    "terminal applications",
    "service provider name icon",
    "PLMN network name icon",
    "connectivity parameters for USIM IP connections",
    "home I-WLAN specific identifier list",
    "I-WLAN equivalent HPLMN presentation indication",
    "I-WLAN HPLMN priority indication",
    "I-WLAN last registered PLMN",
    "EPS mobility management information",
    "allowed CSG lists",
    "call control on EPS PDN connection by USIM",
    "HPLMN direct access",
    "eCall data",
    "operator CSG lists",
    "SM-over-IP",
    "CSG display control",
    "communication control for IMS by USIM",
    "extended terminal applications",
    "UICC access to IMS",
    "non-access stratum configuration",
    "PWS configuration",
    "",
    "URI support by UICC",
    "extended EARFCN support",
    "ProSe",
    "USAT application pairing",
    "media type support",
    "IMS call disconnection cause",
    "URI support for MO short message control",
    "ePDG configuration information support",
    "ePDG configuration information configured",
    "ACDC support",
    "mission critical services",
    "ePDG configuration information for emergency service support",
    "ePDG configuration information for emergency service configured",
    "eCall data over IMS",
    "URI support for SMS-PP download",
    "From Preferred",
    "IMS configuration data",
    "TV configuration",
    "3GPP PS data off",
    "3GPP PS data off service list",
    "V2X",
    "XCAP configuration data",
    "EARFCN list for MTC/NB-IoT UEs",
    "5GS mobility management information",
    "5G security parameters",
    "subscription identifier privacy",
    "SUCI calculation by the USIM",
    "UAC access identities",
    "control plane-based steering of UE in VPLMN",
    "call control on PDU session by USIM",
    "5GS operator PLMN list",
    "SUPI of type NSI, GLI or GCI",
    "3GPP PS data off separate home and roaming lists",
    "URSP by USIM",
    "5G security parameters extended",
    "MuD and MiD configuration data",
    "trusted non-3GPP access networks",
    "multiple records of NAS security context",
    "pre-configured CAG information list",
    "SOR-CMCI storage",
    "5G ProSe",
    "disaster roaming information",
    "pre-configured eDRX parameters",
    "5G NSWO",
    "PWS configuration for SNPN",
    "multiplier coefficient for higher priority PLMN search via NG-RAN satellite access",
    "K_AUSF derivation configuration",
    "network identifier for SNPN (NID)",
]);

/// EF.EST.
pub(super) const ENABLED: Codec = Codec::Services(&[
    "fixed dialling numbers (FDN)",
    "barred dialling numbers (BDN)",
    "APN control list (ACL)",
]);

/// EF.IST.
pub(super) const ISIM: Codec = Codec::Services(&[
    "P-CSCF address",
    "generic bootstrapping architecture (GBA)",
    "HTTP digest",
    "GBA-based local key establishment",
    "P-CSCF discovery for IMS local break out",
    "short message storage (SMS)",
    "short message status reports (SMSR)",
    "SM-over-IP",
    "communication control for IMS by ISIM",
    "UICC access to IMS",
    "URI support by UICC",
    "media type support",
    "IMS call disconnection cause",
    "URI support for MO short message control",
    "mission critical services",
    "URI support for SMS-PP download",
    "From Preferred",
    "IMS configuration data",
    "XCAP configuration data",
    "WebRTC URI",
    "MuD and MiD configuration data",
]);

/// EF.VST and EF.MST: services of vehicles and of mission critical services, by number.
pub(super) const NUMBERED: Codec = Codec::Services(&[]);

/// EF.5G_PROSE_ST (TS 31.102 4.4.13).
pub(super) const PROXIMITY: Codec = Codec::Services(&[
    "direct discovery",
    "direct communication",
    "UE-to-network remote UE",
    "UE-to-network relay UE",
    "usage information reporting",
]);

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::ElementKind;

    use super::*;
    use crate::profile::content::tests::{agree, toml};
    use crate::profile::content::{decode, encode};

    fn names(codec: &Codec) -> &'static [&'static str] {
        match codec {
            Codec::Services(names) => names,
            _ => &[],
        }
    }

    #[test]
    fn the_tables_number_as_the_standards_do() {
        // TS 31.102 4.2.8, and the services that the catalogue of templates names.
        for (number, name) in [
            (1, "local phone book"),
            (10, "short message storage (SMS)"),
            (12, "short message service parameters (SMSP)"),
            (17, "group identifier level 1"),
            (19, "service provider name"),
            (20, "user controlled PLMN selector with access technology"),
            (21, "MSISDN"),
            (27, "GSM access"),
            (33, "shall be set to 1"),
            (34, "enabled services table"),
            (39, "CPBCCH information"),
            (42, "operator controlled PLMN selector with access technology"),
            (43, "HPLMN selector with access technology"),
            (45, "PLMN network name"),
            (51, "service provider display information"),
            (56, "network's indication of alerting (NIA)"),
            (64, "VGCS security"),
            (68, "generic bootstrapping architecture (GBA)"),
            (71, "equivalent HPLMN"),
            (74, "last RPLMN selection indication"),
            (78, "service provider name icon"),
            (85, "EPS mobility management information"),
            (89, "eCall data"),
            (95, "UICC access to IMS"),
            (97, "PWS configuration"),
            (102, "USAT application pairing"),
            (109, "mission critical services"),
            (114, "From Preferred"),
            (119, "V2X"),
            (121, "EARFCN list for MTC/NB-IoT UEs"),
            (122, "5GS mobility management information"),
            (124, "subscription identifier privacy"),
            (125, "SUCI calculation by the USIM"),
            (129, "5GS operator PLMN list"),
            (130, "SUPI of type NSI, GLI or GCI"),
            (132, "URSP by USIM"),
            (134, "MuD and MiD configuration data"),
            (136, "multiple records of NAS security context"),
            (137, "pre-configured CAG information list"),
            (139, "5G ProSe"),
            (143, "PWS configuration for SNPN"),
            (145, "K_AUSF derivation configuration"),
            (146, "network identifier for SNPN (NID)"),
        ] {
            assert_eq!(names(&USIM)[number - 1], name, "{number}");
        }
        // TS 31.103 4.2.7.
        for (number, name) in [
            (1, "P-CSCF address"),
            (8, "SM-over-IP"),
            (15, "mission critical services"),
            (21, "MuD and MiD configuration data"),
        ] {
            assert_eq!(names(&ISIM)[number - 1], name, "{number}");
        }
        for codec in [USIM, ISIM, ENABLED, PROXIMITY] {
            let mut names: Vec<&str> =
                names(&codec).iter().copied().filter(|name| !name.is_empty()).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "each name once");
        }
    }

    #[test]
    fn a_table_is_a_list_of_names() {
        // TS.48: EF.IST with BER-TLV files; our own profile.
        agree(
            ElementKind::Isim,
            "EF.IST",
            "01001000000000",
            r#"{ value = ["P-CSCF address", "MuD and MiD configuration data"], length = 7 }"#,
        );
        agree(
            ElementKind::Usim,
            "EF.EST",
            "03",
            r#"["fixed dialling numbers (FDN)", "barred dialling numbers (BDN)"]"#,
        );
        agree(ElementKind::Telecom, "EF.VST", "0700", "{ value = [1, 2, 3], length = 2 }");
        // Numbers that the standard keeps free, and numbers above the table.
        agree(ElementKind::Usim, "EF.UST", "00000002000000000000000000000000000000000080", r#"[26, 176]"#);
        // TS.48 v5, octet by octet.
        let ust = hex::decode("9EFFBF1DFF3E0083410310010400407E39").unwrap();
        let value = decode(ElementKind::Usim, "EF.UST", &ust).unwrap();
        let listed = value.as_array().unwrap();
        assert_eq!(listed.len(), ust.iter().map(|octet| octet.count_ones() as usize).sum::<usize>());
        assert_eq!(listed[0], toml(r#""fixed dialling numbers (FDN)""#));
        assert_eq!(listed.last().unwrap(), &toml(r#""MuD and MiD configuration data""#));
        // Names and numbers may be mixed, and doubled.
        let mixed = toml(r#"{ value = [19, "service provider name", "MSISDN"], length = 4 }"#);
        assert_eq!(encode(ElementKind::Usim, "EF.UST", &mixed).unwrap(), [0, 0, 0x14, 0]);
        let error = encode(ElementKind::Usim, "EF.UST", &toml("{ value = [33], length = 4 }")).unwrap_err();
        assert!(error.to_string().contains("takes 5 octets"), "{error}");
    }
}
