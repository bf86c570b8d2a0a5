//! The services that EF.UST and EF.IST announce, against the files that are there.
//!
//! A service that is announced without its files, and optional files of a service that is not, are worth knowing; both
//! occur on purpose. Files that a mandatory template creates anyway are no sign of a service.

use std::collections::BTreeSet;

use ElementKind::{Df5gProse, Df5gs, DfSaip, DfSnpn, GsmAccess, OptIsim, OptUsim, Telecom, Usim};
use simyard_asn1::saip::ElementKind;

use super::{Lint, Rule};
use crate::profile::image::ApplicationKind;
use crate::profile::tree::{Application, FileId, Tree};

/// The services of files (TCA Profile Package, chapter 9; TS 31.102 4.2.8; TS 31.103 4.2.7): element whose tables name
/// the file, file, services of which one at least announces it.
#[rustfmt::skip]
const SERVICES: &[(ElementKind, &str, &[u16])] = &[
    (Telecom, "EF.PSISMSC", &[12, 91]),
    (Telecom, "EF.MML", &[67]),
    (Telecom, "EF.MMDF", &[67]),
    (Telecom, "EF.MST", &[109]),
    (Telecom, "EF.MCSCONFIG", &[109]),
    (Telecom, "EF.VST", &[119]),
    (Telecom, "EF.V2X_CONFIG", &[119]),
    (Telecom, "EF.V2XP_PC5", &[119]),
    (Telecom, "EF.V2XP_Uu", &[119]),
    (Usim, "EF.FDN", &[2, 89]),
    (Usim, "EF.SMS", &[10]),
    (Usim, "EF.SMSP", &[12]),
    (Usim, "EF.SMSS", &[10]),
    (Usim, "EF.SPN", &[19]),
    (Usim, "EF.EST", &[2, 6, 34, 35]),
    (Usim, "EF.EPSLOCI", &[85]),
    (Usim, "EF.EPSNSC", &[85]),
    (OptUsim, "EF.ACMmax", &[13]),
    (OptUsim, "EF.ACM", &[13]),
    (OptUsim, "EF.GID1", &[17]),
    (OptUsim, "EF.GID2", &[18]),
    (OptUsim, "EF.MSISDN", &[21]),
    (OptUsim, "EF.PUCT", &[13]),
    (OptUsim, "EF.CBMI", &[15]),
    (OptUsim, "EF.CBMID", &[29]),
    (OptUsim, "EF.SDN", &[4, 89]),
    (OptUsim, "EF.EXT2", &[3]),
    (OptUsim, "EF.EXT3", &[5]),
    (OptUsim, "EF.CBMIR", &[16]),
    (OptUsim, "EF.PLMNwAcT", &[20]),
    (OptUsim, "EF.OPLMNwAcT", &[42]),
    (OptUsim, "EF.HPLMNwAcT", &[43]),
    (OptUsim, "EF.DCK", &[36]),
    (OptUsim, "EF.CNL", &[37]),
    (OptUsim, "EF.SMSR", &[11]),
    (OptUsim, "EF.BDN", &[6]),
    (OptUsim, "EF.EXT5", &[44]),
    (OptUsim, "EF.CCP2", &[14]),
    (OptUsim, "EF.EXT4", &[7]),
    (OptUsim, "EF.ACL", &[35]),
    (OptUsim, "EF.CMI", &[6]),
    (OptUsim, "EF.ICI", &[9]),
    (OptUsim, "EF.OCI", &[8]),
    (OptUsim, "EF.ICT", &[9]),
    (OptUsim, "EF.OCT", &[8]),
    (OptUsim, "EF.VGCS", &[57]),
    (OptUsim, "EF.VGCSS", &[57]),
    (OptUsim, "EF.VBS", &[58]),
    (OptUsim, "EF.VBSS", &[58]),
    (OptUsim, "EF.eMLPP", &[24]),
    (OptUsim, "EF.AaeM", &[25]),
    (OptUsim, "EF.PNN", &[45]),
    (OptUsim, "EF.OPL", &[46]),
    (OptUsim, "EF.MBDN", &[47]),
    (OptUsim, "EF.EXT6", &[47]),
    (OptUsim, "EF.MBI", &[47]),
    (OptUsim, "EF.MWIS", &[48]),
    (OptUsim, "EF.CFIS", &[49]),
    (OptUsim, "EF.EXT7", &[49]),
    (OptUsim, "EF.SPDI", &[51]),
    (OptUsim, "EF.MMSN", &[52]),
    (OptUsim, "EF.EXT8", &[53]),
    (OptUsim, "EF.MMSICP", &[52]),
    (OptUsim, "EF.MMSUP", &[52]),
    (OptUsim, "EF.MMSUCP", &[52, 55]),
    (OptUsim, "EF.NIA", &[56]),
    (OptUsim, "EF.VGCSCA", &[64]),
    (OptUsim, "EF.VBSCA", &[65]),
    (OptUsim, "EF.GBABP", &[68]),
    (OptUsim, "EF.MSK", &[69]),
    (OptUsim, "EF.MUK", &[69]),
    (OptUsim, "EF.EHPLMN", &[71]),
    (OptUsim, "EF.GBANL", &[68]),
    (OptUsim, "EF.EHPLMNPI", &[71, 73]),
    (OptUsim, "EF.LRPLMNSI", &[74]),
    (OptUsim, "EF.NAFKCA", &[68, 76]),
    (OptUsim, "EF.SPNI", &[78]),
    (OptUsim, "EF.PNNI", &[79]),
    (OptUsim, "EF.NCP-IP", &[80]),
    (OptUsim, "EF.NASCONFIG", &[96]),
    (OptUsim, "EF.UICCIARI", &[95]),
    (OptUsim, "EF.PWS", &[97]),
    (OptUsim, "EF.FDNURI", &[2, 99]),
    (OptUsim, "EF.BDNURI", &[6, 99]),
    (OptUsim, "EF.SDNURI", &[4, 99]),
    (OptUsim, "EF.IAL", &[102]),
    (OptUsim, "EF.IPS", &[102]),
    (OptUsim, "EF.IPD", &[102]),
    (OptUsim, "EF.EPDGID", &[106, 107]),
    (OptUsim, "EF.EPDGSELECTION", &[106, 107]),
    (OptUsim, "EF.EPDGIDEM", &[110, 111]),
    (OptUsim, "EF.EPDGIDEMSEL", &[110, 111]),
    (OptUsim, "EF.FromPreferred", &[114]),
    (OptUsim, "EF.IMSConfigData", &[115]),
    (OptUsim, "EF.3GPPPSDataOff", &[117]),
    (OptUsim, "EF.3GPPPSDOSLIST", &[118]),
    (OptUsim, "EF.XCAPConfigData", &[120]),
    (OptUsim, "EF.EARFCNLIST", &[121]),
    (OptUsim, "EF.MuDMiDConfigData", &[134]),
    (GsmAccess, "EF.Kc", &[27]),
    (GsmAccess, "EF.KcGPRS", &[27]),
    (GsmAccess, "EF.CPBCCH", &[39]),
    (GsmAccess, "EF.InvScan", &[40]),
    (Df5gs, "EF.5GS3GPPLOCI", &[122]),
    (Df5gs, "EF.5GSN3GPPLOCI", &[122]),
    (Df5gs, "EF.5GS3GPPNSC", &[122, 136]),
    (Df5gs, "EF.5GSN3GPPNSC", &[122, 136]),
    (Df5gs, "EF.5GAUTHKEYS", &[123]),
    (Df5gs, "EF.UAC_AIC", &[126]),
    (Df5gs, "EF.SUCI_Calc_Info", &[124]),
    (Df5gs, "EF.OPL5G", &[129]),
    (Df5gs, "EF.SUPI_NAI", &[130]),
    (Df5gs, "EF.Routing_Indicator", &[124]),
    (Df5gs, "EF.URSP", &[132]),
    (Df5gs, "EF.TN3GPPSNN", &[135]),
    (Df5gs, "EF.CAG", &[137]),
    (Df5gs, "EF.SOR_CMCI", &[138]),
    (Df5gs, "EF.DRI", &[140]),
    (Df5gs, "EF.5GSEDRX", &[141]),
    (Df5gs, "EF.5GNSWO_CONF", &[142]),
    (Df5gs, "EF.MCHPPLMN", &[144]),
    (Df5gs, "EF.KAUSF_DERIVATION", &[145]),
    (DfSaip, "EF.SUCICalcInfo", &[125]),
    (DfSnpn, "EF.PWS_SNPN", &[143]),
    (Df5gProse, "EF.5G_PROSE_ST", &[139]),
    (Df5gProse, "EF.5G_PROSE_DD", &[139]),
    (Df5gProse, "EF.5G_PROSE_DC", &[139]),
    (Df5gProse, "EF.5G_PROSE_U2NRU", &[139]),
    (Df5gProse, "EF.5G_PROSE_RU", &[139]),
    (Df5gProse, "EF.5G_PROSE_UIR", &[139]),
    (OptIsim, "EF.PCSCF", &[1, 5]),
    (OptIsim, "EF.SMS", &[6, 8]),
    (OptIsim, "EF.SMSP", &[8]),
    (OptIsim, "EF.SMSS", &[6, 8]),
    (OptIsim, "EF.SMSR", &[7, 8]),
    (OptIsim, "EF.GBABP", &[2]),
    (OptIsim, "EF.GBANL", &[2]),
    (OptIsim, "EF.NAFKCA", &[2, 4]),
    (OptIsim, "EF.UICCIARI", &[10]),
    (OptIsim, "EF.FromPreferred", &[17]),
    (OptIsim, "EF.ImsConfigData", &[18]),
    (OptIsim, "EF.XcapconfigData", &[19]),
    (OptIsim, "EF.WebRTCURI", &[20]),
    (OptIsim, "EF.MudMidCfgData", &[21]),
];

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    let tree = lint.tree;
    for (place, application) in tree.applications().iter().enumerate() {
        let Some((id, table)) = service_table(tree, application) else { continue };
        let is_isim = application.kind == ApplicationKind::Isim;
        let services = || SERVICES.iter().filter(|(kind, ..)| (*kind == OptIsim) == is_isim);
        let present = files(tree, application.directory, is_isim);
        let has = |kind: ElementKind, name| present.contains(&(kind, name));

        let known: BTreeSet<u16> = services().flat_map(|(.., numbers)| numbers.iter().copied()).collect();
        let mut without_files: Vec<u16> = Vec::new();
        for service in known.into_iter().filter(|service| is_set(table, *service)) {
            let mut files = services().filter(|(.., numbers)| numbers.contains(&service));
            if !files.any(|(kind, name, _)| has(*kind, name)) {
                without_files.push(service);
            }
        }
        if !without_files.is_empty() {
            let numbers: Vec<String> = without_files.iter().map(u16::to_string).collect();
            lint.content(Rule::ContentService, id, 0, format!("services {}", numbers.join(", ")));
        }
        // DF.TELECOM is everybody's.
        let not_announced: Vec<&str> = services()
            .filter(|(kind, name, numbers)| {
                !matches!(*kind, Usim | Telecom)
                    && has(*kind, name)
                    && !numbers.iter().any(|number| has_service(tree, place, *number))
            })
            .map(|(_, name, _)| *name)
            .collect();
        if !not_announced.is_empty() {
            lint.content(Rule::ContentFile, id, 0, not_announced.join(", "));
        }
    }
}

/// EF.UST or EF.IST of an application.
fn service_table<'t>(tree: &'t Tree<'_>, application: &Application<'_>) -> Option<(FileId, &'t [u8])> {
    let name = match application.kind {
        ApplicationKind::Usim => "EF.UST",
        ApplicationKind::Isim => "EF.IST",
        ApplicationKind::Csim => return None,
    };
    let id = tree.child_by_name(application.directory, name)?;
    Some((id, &tree.content(id)?.octets))
}

/// Whether the bit of a service is set: service 1 is the lowest bit of the first octet.
fn is_set(table: &[u8], service: u16) -> bool {
    let Some(bit) = service.checked_sub(1) else { return false };
    table.get(usize::from(bit / 8)).is_some_and(|octet| octet >> (bit % 8) & 1 == 1)
}

/// Whether the application at this place announces a service.
pub(super) fn has_service(tree: &Tree<'_>, place: usize, service: u16) -> bool {
    let application = tree.applications().get(place);
    application
        .and_then(|application| service_table(tree, application))
        .is_some_and(|(_, table)| is_set(table, service))
}

/// The files of an application, and for a USIM those of DF.TELECOM.
fn files<'t>(tree: &'t Tree<'_>, directory: FileId, is_isim: bool) -> Vec<(ElementKind, &'t str)> {
    tree.files()
        .filter(|(id, file)| {
            (file.table == Telecom && !is_isim) || tree.ancestors(*id).any(|above| above == directory)
        })
        .map(|(_, file)| (file.table, file.name.as_str()))
        .collect()
}
