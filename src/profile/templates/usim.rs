//! The templates of the USIM and of the directories below it.
//!
//! The order of the rows is that of the module; their numbers are the context tags.

use super::row::{ANY, Row, adf, ber_tlv, cyclic, df, df_without_id, ef, linear, octets};

/// PE-USIM: ADF.USIM and the files that every USIM has.
pub(super) const USIM: &[Row] = &[
    adf(2, "ADF.USIM"),
    ef(3, "EF.IMSI", 0x6F07, octets(9), 2).sfi(0x07).must_fill().below(2),
    ef(4, "EF.ARR", 0x6F06, linear(ANY, ANY), 10).sfi(0x17).must_fill().below(2),
    ef(5, "EF.Keys", 0x6F08, octets(33), 5).sfi(0x08).content("07FF...FF").high_update().below(2),
    ef(6, "EF.KeysPS", 0x6F09, octets(33), 5).sfi(0x09).content("07FF...FF").high_update().below(2),
    ef(7, "EF.HPPLMN", 0x6F31, octets(1), 2).sfi(0x12).content("0A").below(2),
    ef(8, "EF.UST", 0x6F38, octets(14), 2).sfi(0x04).must_fill().below(2).until(1),
    ef(8, "EF.UST", 0x6F38, octets(17), 2).sfi(0x04).must_fill().below(2).since(2),
    ef(9, "EF.FDN", 0x6F3B, linear(20, 26), 8).content("FF...FF").below(2),
    ef(10, "EF.SMS", 0x6F3C, linear(10, 176), 5).content("00FF...FF").below(2),
    ef(11, "EF.SMSP", 0x6F42, linear(1, 38), 5).content("FF...FF").below(2),
    ef(12, "EF.SMSS", 0x6F43, octets(2), 5).content("FFFF").below(2),
    ef(13, "EF.SPN", 0x6F46, octets(17), 10).must_fill().below(2),
    ef(14, "EF.EST", 0x6F56, octets(1), 8).sfi(0x05).must_fill().below(2),
    ef(15, "EF.START-HFN", 0x6F5B, octets(6), 5).sfi(0x0F).content("F00000F00000").high_update().below(2),
    ef(16, "EF.THRESHOLD", 0x6F5C, octets(3), 2).sfi(0x10).content("FFFFFF").below(2),
    ef(17, "EF.PSLOCI", 0x6F73, octets(14), 5)
        .sfi(0x0C)
        .content("FFFFFFFFFFFFFFFFFFFF0000FF01")
        .high_update()
        .below(2),
    ef(18, "EF.ACC", 0x6F78, octets(2), 2).sfi(0x06).must_fill().below(2),
    ef(19, "EF.FPLMN", 0x6F7B, octets(12), 5).sfi(0x0D).content("FF...FF").below(2),
    ef(20, "EF.LOCI", 0x6F7E, octets(11), 5)
        .sfi(0x0B)
        .content("FFFFFFFFFFFFFF0000FF01")
        .high_update()
        .below(2),
    ef(21, "EF.AD", 0x6FAD, octets(4), 10).sfi(0x03).content("00000002").below(2),
    ef(22, "EF.ECC", 0x6FB7, linear(1, 4), 10).sfi(0x01).must_fill().below(2),
    ef(23, "EF.NETPAR", 0x6FC4, octets(128), 5).content("FF...FF").high_update().below(2),
    ef(24, "EF.EPSLOCI", 0x6FE3, octets(18), 5)
        .sfi(0x1E)
        .content("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFF000001")
        .high_update()
        .below(2),
    ef(25, "EF.EPSNSC", 0x6FE4, linear(1, 80), 5).sfi(0x18).content("FF...FF").high_update().below(2),
];

/// PE-OPT-USIM: files of ADF.USIM that services announce.
pub(super) const OPT_USIM: &[Row] = &[
    ef(2, "EF.LI", 0x6F05, octets(6), 1).sfi(0x02).content("FF...FF"),
    ef(3, "EF.ACMmax", 0x6F37, octets(3), 5).content("000000"),
    ef(4, "EF.ACM", 0x6F39, cyclic(1, 3), 7).content("000000").high_update(),
    ef(5, "EF.GID1", 0x6F3E, octets(8), 2).must_fill(),
    ef(6, "EF.GID2", 0x6F3F, octets(8), 2).must_fill(),
    ef(7, "EF.MSISDN", 0x6F40, linear(1, 24), 2).content("FF...FF"),
    ef(8, "EF.PUCT", 0x6F41, octets(5), 5).content("FFFFFF0000"),
    ef(9, "EF.CBMI", 0x6F45, octets(10), 5).content("FF...FF"),
    ef(10, "EF.CBMID", 0x6F48, octets(10), 2).sfi(0x0E).content("FF...FF"),
    ef(11, "EF.SDN", 0x6F49, linear(10, 24), 2).content("FF...FF"),
    ef(12, "EF.EXT2", 0x6F4B, linear(10, 13), 8).content("00FF...FF"),
    ef(13, "EF.EXT3", 0x6F4C, linear(10, 13), 2).content("00FF...FF"),
    ef(14, "EF.CBMIR", 0x6F50, octets(20), 5).content("FF...FF"),
    ef(15, "EF.PLMNwAcT", 0x6F60, octets(40), 5).sfi(0x0A).repeat("FFFFFF0000"),
    ef(16, "EF.OPLMNwAcT", 0x6F61, octets(40), 2).sfi(0x11).repeat("FFFFFF0000"),
    ef(17, "EF.HPLMNwAcT", 0x6F62, octets(5), 2).sfi(0x13).content("FFFFFF0000"),
    ef(18, "EF.DCK", 0x6F2C, octets(16), 5).content("FF...FF"),
    ef(19, "EF.CNL", 0x6F32, octets(30), 2).content("FF...FF"),
    ef(20, "EF.SMSR", 0x6F47, linear(10, 30), 5).content("00FF...FF"),
    ef(21, "EF.BDN", 0x6F4D, linear(10, 25), 8).content("FF...FF"),
    ef(22, "EF.EXT5", 0x6F4E, linear(10, 13), 5).content("00FF...FF"),
    ef(23, "EF.CCP2", 0x6F4F, linear(5, 15), 5).sfi(0x16).content("FF...FF"),
    ef(24, "EF.EXT4", 0x6F55, linear(10, 13), 8).content("00FF...FF"),
    ef(25, "EF.ACL", 0x6F57, octets(101), 8).content("00FF...FF"),
    ef(26, "EF.CMI", 0x6F58, linear(10, 11), 2).content("FF...FF"),
    ef(27, "EF.ICI", 0x6F80, cyclic(20, 38), 5).sfi(0x14).content("FF...FF0000000001FFFF").high_update(),
    ef(28, "EF.OCI", 0x6F81, cyclic(20, 37), 5).sfi(0x15).content("FF...FF00000001FFFF").high_update(),
    ef(29, "EF.ICT", 0x6F82, cyclic(1, 3), 7).content("000000").high_update(),
    ef(30, "EF.OCT", 0x6F83, cyclic(1, 3), 7).content("000000").high_update(),
    ef(31, "EF.VGCS", 0x6FB1, octets(20), 2).must_fill(),
    ef(32, "EF.VGCSS", 0x6FB2, octets(7), 5).must_fill(),
    ef(33, "EF.VBS", 0x6FB3, octets(20), 2).must_fill(),
    ef(34, "EF.VBSS", 0x6FB4, octets(7), 5).must_fill(),
    ef(35, "EF.eMLPP", 0x6FB5, octets(2), 2).must_fill(),
    ef(36, "EF.AaeM", 0x6FB6, octets(1), 5).content("00"),
    ef(37, "EF.HiddenKey", 0x6FC3, octets(4), 5).content("FF...FF"),
    ef(38, "EF.PNN", 0x6FC5, linear(10, 16), 10).sfi(0x19).must_fill(),
    ef(39, "EF.OPL", 0x6FC6, linear(5, 8), 10).sfi(0x1A).must_fill(),
    ef(40, "EF.MBDN", 0x6FC7, linear(3, 24), 5).must_fill(),
    ef(41, "EF.EXT6", 0x6FC8, linear(10, 13), 5).content("00FF...FF"),
    ef(42, "EF.MBI", 0x6FC9, linear(10, 5), 5).must_fill(),
    ef(43, "EF.MWIS", 0x6FCA, linear(10, 6), 5).content("00...00").high_update(),
    ef(44, "EF.CFIS", 0x6FCB, linear(10, 16), 5).content("0100FF...FF"),
    ef(45, "EF.EXT7", 0x6FCC, linear(10, 13), 5).content("00FF...FF"),
    ef(46, "EF.SPDI", 0x6FCD, octets(17), 2).sfi(0x1B).must_fill(),
    ef(47, "EF.MMSN", 0x6FCE, linear(10, 6), 5).content("000000FF...FF"),
    ef(48, "EF.EXT8", 0x6FCF, linear(10, 13), 5).content("00FF...FF"),
    ef(49, "EF.MMSICP", 0x6FD0, octets(100), 2).content("FF...FF"),
    ef(50, "EF.MMSUP", 0x6FD1, linear(ANY, ANY), 5).content("FF...FF"),
    ef(51, "EF.MMSUCP", 0x6FD2, octets(100), 5).content("FF...FF"),
    ef(52, "EF.NIA", 0x6FD3, linear(5, 11), 2).content("FF...FF"),
    ef(53, "EF.VGCSCA", 0x6FD4, octets(ANY), 2).content("00...00"),
    ef(54, "EF.VBSCA", 0x6FD5, octets(ANY), 2).content("00...00"),
    ef(55, "EF.GBABP", 0x6FD6, octets(ANY), 5).content("FF...FF"),
    ef(56, "EF.MSK", 0x6FD7, linear(ANY, ANY), 2).content("FF...FF").high_update(),
    ef(57, "EF.MUK", 0x6FD8, linear(ANY, ANY), 2).content("FF...FF"),
    ef(58, "EF.EHPLMN", 0x6FD9, octets(15), 2).sfi(0x1D).content("FF...FF"),
    ef(59, "EF.GBANL", 0x6FDA, linear(ANY, ANY), 2).content("FF...FF"),
    ef(60, "EF.EHPLMNPI", 0x6FDB, octets(1), 2).content("00"),
    ef(61, "EF.LRPLMNSI", 0x6FDC, octets(1), 2).content("00"),
    ef(62, "EF.NAFKCA", 0x6FDD, linear(ANY, ANY), 2).content("FF...FF"),
    ef(63, "EF.SPNI", 0x6FDE, octets(ANY), 10).content("00FF...FF"),
    ef(64, "EF.PNNI", 0x6FDF, linear(ANY, ANY), 10).content("00FF...FF"),
    ef(65, "EF.NCP-IP", 0x6FE2, linear(ANY, ANY), 2).must_fill(),
    ef(66, "EF.UFC", 0x6FE6, octets(30), 10)
        .content("801E60C01E900080040000000000000000F0000000004000000000000080"),
    ef(67, "EF.NASCONFIG", 0x6FE8, octets(18), 2).must_fill(),
    ef(68, "EF.UICCIARI", 0x6FE7, linear(ANY, ANY), 2).must_fill(),
    ef(69, "EF.PWS", 0x6FEC, octets(ANY), 10).must_fill(),
    ef(70, "EF.FDNURI", 0x6FED, linear(ANY, ANY), 8).content("FF...FF"),
    ef(71, "EF.BDNURI", 0x6FEE, linear(ANY, ANY), 8).content("FF...FF"),
    ef(72, "EF.SDNURI", 0x6FEF, linear(ANY, ANY), 2).content("FF...FF"),
    ef(73, "EF.IAL", 0x6FF0, linear(ANY, ANY), 3).content("FF...FF"),
    ef(74, "EF.IPS", 0x6FF1, cyclic(ANY, 4), 10).content("FF...FF").high_update(),
    ef(75, "EF.IPD", 0x6FF2, linear(ANY, ANY), 3).content("FF...FF").high_update(),
    ef(76, "EF.EPDGID", 0x6FF3, octets(ANY), 2).must_fill().since(2),
    ef(77, "EF.EPDGSELECTION", 0x6FF4, octets(ANY), 2).must_fill().since(2),
    ef(78, "EF.EPDGIDEM", 0x6FF5, octets(ANY), 2).must_fill().since(2),
    ef(79, "EF.EPDGIDEMSEL", 0x6FF6, octets(ANY), 2).must_fill().since(2),
    ef(80, "EF.FromPreferred", 0x6FF7, octets(1), 2).content("00").since(2),
    ef(81, "EF.IMSConfigData", 0x6FF8, ber_tlv(ANY), 2).must_fill().since(2),
    ef(82, "EF.3GPPPSDataOff", 0x6FF9, octets(4), 2).must_fill().since(2),
    ef(83, "EF.3GPPPSDOSLIST", 0x6FFA, linear(ANY, ANY), 2).must_fill().since(2),
    ef(84, "EF.XCAPConfigData", 0x6FFC, ber_tlv(ANY), 2).must_fill().since(2),
    ef(85, "EF.EARFCNLIST", 0x6FFD, octets(ANY), 10).must_fill().since(2),
    ef(86, "EF.MuDMiDConfigData", 0x6FFE, ber_tlv(ANY), 2).must_fill().since(2),
    ef(87, "EF.eAKA", 0x6F01, octets(1), 3).must_fill().since(3),
];

/// PE-GSM-ACCESS: DF.GSM-ACCESS of ADF.USIM.
pub(super) const GSM_ACCESS: &[Row] = &[
    df(2, "DF.GSM-ACCESS", 0x5F3B),
    ef(3, "EF.Kc", 0x4F20, octets(9), 5).sfi(0x01).content("FF...FF07").high_update().below(2),
    ef(4, "EF.KcGPRS", 0x4F52, octets(9), 5).sfi(0x02).content("FF...FF07").high_update().below(2),
    ef(5, "EF.CPBCCH", 0x4F63, octets(10), 5).content("FF...FF").high_update().below(2),
    ef(6, "EF.InvScan", 0x4F64, octets(1), 2).content("00").below(2),
];

/// PE-DF-5GS: DF.5GS of ADF.USIM.
pub(super) const DF_5GS: &[Row] = &[
    df(2, "DF.5GS", 0x5FC0),
    ef(3, "EF.5GS3GPPLOCI", 0x4F01, octets(20), 5)
        .sfi(0x01)
        .content("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000001")
        .high_update()
        .below(2),
    ef(4, "EF.5GSN3GPPLOCI", 0x4F02, octets(20), 5)
        .sfi(0x02)
        .content("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000001")
        .high_update()
        .below(2),
    ef(5, "EF.5GS3GPPNSC", 0x4F03, linear(1, 57), 5)
        .sfi(0x03)
        .content("FF...FF")
        .high_update()
        .below(2)
        .until(2),
    ef(5, "EF.5GS3GPPNSC", 0x4F03, linear(2, 62), 5)
        .sfi(0x03)
        .content("FF...FF")
        .high_update()
        .below(2)
        .since(3),
    ef(6, "EF.5GSN3GPPNSC", 0x4F04, linear(1, 57), 5)
        .sfi(0x04)
        .content("FF...FF")
        .high_update()
        .below(2)
        .until(2),
    ef(6, "EF.5GSN3GPPNSC", 0x4F04, linear(2, 62), 5)
        .sfi(0x04)
        .content("FF...FF")
        .high_update()
        .below(2)
        .since(3),
    ef(7, "EF.5GAUTHKEYS", 0x4F05, octets(110), 5).sfi(0x05).must_fill().high_update().below(2),
    ef(8, "EF.UAC_AIC", 0x4F06, octets(4), 2).sfi(0x06).must_fill().below(2),
    ef(9, "EF.SUCI_Calc_Info", 0x4F07, octets(ANY), 2).sfi(0x07).content("FF...FF").below(2),
    ef(10, "EF.OPL5G", 0x4F08, linear(ANY, 10), 10).sfi(0x08).content("FF...FF").below(2),
    ef(11, "EF.SUPI_NAI", 0x4F09, octets(ANY), 2).sfi(0x09).must_fill().below(2),
    ef(12, "EF.Routing_Indicator", 0x4F0A, octets(4), 2).sfi(0x0A).content("F0FFFFFF").below(2).until(3),
    ef(12, "EF.Routing_Indicator", 0x4F0A, octets(4), 2).sfi(0x0A).content("F0FF0000").below(2).since(4),
    ef(13, "EF.URSP", 0x4F0B, ber_tlv(ANY), 2).below(2).since(2),
    ef(14, "EF.TN3GPPSNN", 0x4F0C, octets(1), 2).sfi(0x0C).content("00").below(2).since(2),
    ef(15, "EF.CAG", 0x4F0D, octets(2), 2).sfi(0x0D).must_fill().below(2).since(4),
    ef(16, "EF.SOR_CMCI", 0x4F0E, octets(ANY), 2).sfi(0x0E).must_fill().below(2).since(4),
    ef(17, "EF.DRI", 0x4F0F, octets(7), 2).sfi(0x0F).must_fill().below(2).since(4),
    ef(18, "EF.5GSEDRX", 0x4F10, octets(2), 2).sfi(0x10).must_fill().below(2).since(4),
    ef(19, "EF.5GNSWO_CONF", 0x4F11, octets(1), 2).sfi(0x11).must_fill().below(2).since(4),
    ef(20, "EF.MCHPPLMN", 0x4F15, octets(1), 2).sfi(0x15).must_fill().below(2).since(4),
    ef(21, "EF.KAUSF_DERIVATION", 0x4F16, octets(1), 2).sfi(0x16).must_fill().below(2).since(4),
];

/// PE-DF-SAIP: what the USIM needs to conceal its identity by itself.
pub(super) const DF_SAIP: &[Row] =
    &[df(2, "DF.SAIP", 0x5FD0), ef(3, "EF.SUCICalcInfo", 0x4F01, octets(ANY), 3).content("FF...FF").below(2)];

/// PE-DF-SNPN: stand-alone non-public networks.
pub(super) const DF_SNPN: &[Row] =
    &[df(2, "DF.SNPN", 0x5FE0), ef(3, "EF.PWS_SNPN", 0x4F01, octets(1), 10).must_fill().below(2)];

/// PE-DF-5GPROSE: proximity services.
pub(super) const DF_5G_PROSE: &[Row] = &[
    df(2, "DF.5G_ProSe", 0x5FF0),
    ef(3, "EF.5G_PROSE_ST", 0x4F01, octets(1), 2).sfi(0x01).must_fill().below(2),
    ef(4, "EF.5G_PROSE_DD", 0x4F02, octets(26), 2).sfi(0x02).must_fill().below(2),
    ef(5, "EF.5G_PROSE_DC", 0x4F03, octets(12), 2).sfi(0x03).must_fill().below(2),
    ef(6, "EF.5G_PROSE_U2NRU", 0x4F04, octets(32), 2).sfi(0x04).must_fill().below(2),
    ef(7, "EF.5G_PROSE_RU", 0x4F05, octets(29), 2).sfi(0x05).must_fill().below(2),
    ef(8, "EF.5G_PROSE_UIR", 0x4F06, octets(32), 2).sfi(0x06).must_fill().below(2),
];

/// PE-EAP: DF.EAP of the application before it.
pub(super) const EAP: &[Row] = &[
    df_without_id(2, "DF.EAP"),
    ef(3, "EF.EAPKEYS", 0x4F01, octets(ANY), 2).must_fill().high_update().below(2),
    ef(4, "EF.EAPSTATUS", 0x4F02, octets(1), 2).content("00").high_update().below(2),
    ef(5, "EF.PUId", 0x4F03, octets(ANY), 2).must_fill().below(2),
    ef(6, "EF.Ps", 0x4F04, octets(ANY), 5).content("FF...FF").high_update().below(2),
    ef(7, "EF.CurID", 0x4F20, octets(ANY), 5).content("FF...FF").high_update().below(2),
    ef(8, "EF.ReID", 0x4F21, octets(ANY), 5).must_fill().below(2),
    ef(9, "EF.Realm", 0x4F22, octets(ANY), 5).must_fill().below(2),
];
