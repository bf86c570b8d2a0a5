//! The templates of files outside applications: MF, DF.CD, DF.TELECOM.
//!
//! The order of the rows is that of the module; their numbers are the context tags.

use super::row::{ANY, Row, ber_tlv, df, ef, linear, mf, octets};

/// PE-MF: the MF and the files that every profile has.
pub(super) const MF: &[Row] = &[
    mf(2, "MF", 0x3F00),
    ef(3, "EF.PL", 0x2F05, octets(2), 1).sfi(0x05).content("FF...FF").below(2),
    ef(4, "EF.ICCID", 0x2FE2, octets(10), 11).must_fill().below(2),
    ef(5, "EF.DIR", 0x2F00, linear(ANY, ANY), 10).sfi(0x1E).must_fill().below(2),
    ef(6, "EF.ARR", 0x2F06, linear(ANY, ANY), 10).must_fill().below(2),
    ef(7, "EF.UMPC", 0x2F08, octets(5), 10).sfi(0x08).below(2),
];

/// PE-CD: configuration data.
pub(super) const CD: &[Row] = &[
    df(2, "DF.CD", 0x7F11),
    ef(3, "EF.LAUNCHPAD", 0x6F01, octets(ANY), 2).must_fill().below(2),
    ef(4, "EF.ICON", 0, octets(ANY), 2).ids(0x6F40, 0x6F7E).must_fill().below(2),
];

/// PE-TELECOM (9.4): DF.TELECOM and its directories; DF.MCS and DF.V2X since version 2.
pub(super) const TELECOM: &[Row] = &[
    df(2, "DF.TELECOM", 0x7F10),
    ef(3, "EF.ARR", 0x6F06, linear(ANY, ANY), 10).must_fill().below(2),
    ef(4, "EF.RMA", 0x6F53, linear(ANY, ANY), 3).must_fill().below(2),
    ef(5, "EF.SUME", 0x6F54, octets(22), 3).must_fill().below(2),
    ef(6, "EF.ICE_DN", 0x6FE0, linear(50, 24), 9).content("FF...FF").below(2),
    ef(7, "EF.ICE_FF", 0x6FE1, linear(ANY, ANY), 9).content("FF...FF").below(2),
    ef(8, "EF.PSISMSC", 0x6FE5, linear(ANY, ANY), 5).must_fill().below(2),
    df(9, "DF.GRAPHICS", 0x5F50).below(2),
    ef(10, "EF.IMG", 0x4F20, linear(ANY, ANY), 2).content("00FF...FF").below(9),
    ef(11, "EF.IIDF", 0, octets(ANY), 2).ids(0x4F40, 0x4F7F).content("FF...FF").below(9),
    ef(12, "EF.ICE_GRAPHICS", 0x4F21, ber_tlv(ANY), 9).below(9),
    ef(13, "EF.LAUNCH_SCWS", 0x4F01, octets(ANY), 10).must_fill().below(9),
    ef(14, "EF.ICON", 0, octets(ANY), 10).ids(0x4F80, 0x4FBF).must_fill().below(9),
    df(15, "DF.PHONEBOOK", 0x5F3A).below(2),
    ef(16, "EF.PBR", 0x4F30, linear(ANY, ANY), 2).must_fill().below(15),
    ef(17, "EF.EXT1", 0, linear(ANY, 13), 5).ids(0x4F38, 0x4F3F).content("00FF...FF").needs_sfi().below(15),
    ef(18, "EF.AAS", 0, linear(ANY, ANY), 5).ids(0x4F40, 0x4F47).content("FF...FF").below(15),
    ef(19, "EF.GAS", 0, linear(ANY, ANY), 5).ids(0x4F48, 0x4F4F).content("FF...FF").below(15),
    ef(20, "EF.PSC", 0x4F22, octets(4), 5).content("00000000").needs_sfi().below(15),
    ef(21, "EF.CC", 0x4F23, octets(2), 5).content("0000").needs_sfi().high_update().below(15),
    ef(22, "EF.PUID", 0x4F24, octets(2), 5).content("0000").needs_sfi().high_update().below(15),
    ef(23, "EF.IAP", 0, linear(ANY, ANY), 5).ids(0x4F50, 0x4F57).content("FF...FF").needs_sfi().below(15),
    ef(24, "EF.ADN", 0, linear(ANY, ANY), 5).ids(0x4F58, 0x4F5F).content("FF...FF").needs_sfi().below(15),
    ef(25, "EF.PBC", 0, linear(ANY, 2), 5).ids(0x4F60, 0x4F67).content("00...00").needs_sfi().below(15),
    ef(26, "EF.ANR", 0, linear(ANY, ANY), 5).ids(0x4F68, 0x4F6F).content("FF...FF").needs_sfi().below(15),
    ef(27, "EF.PURI", 0, linear(ANY, ANY), 5).ids(0x4F70, 0x4F77).must_fill().needs_sfi().below(15),
    ef(28, "EF.EMAIL", 0, linear(ANY, ANY), 5).ids(0x4F78, 0x4F7F).content("FF...FF").needs_sfi().below(15),
    ef(29, "EF.SNE", 0, linear(ANY, ANY), 5).ids(0x4F80, 0x4F87).content("FF...FF").needs_sfi().below(15),
    ef(30, "EF.UID", 0, linear(ANY, 2), 5).ids(0x4F88, 0x4F8F).content("0000").needs_sfi().below(15),
    ef(31, "EF.GRP", 0, linear(ANY, ANY), 5).ids(0x4F90, 0x4F97).content("00...00").needs_sfi().below(15),
    ef(32, "EF.CCP1", 0, linear(ANY, ANY), 5).ids(0x4F98, 0x4F9F).content("FF...FF").needs_sfi().below(15),
    df(33, "DF.MULTIMEDIA", 0x5F3B).below(2),
    ef(34, "EF.MML", 0x4F47, ber_tlv(ANY), 5).below(33),
    ef(35, "EF.MMDF", 0x4F48, ber_tlv(ANY), 5).below(33),
    df(36, "DF.MMSS", 0x5F3C).below(2),
    ef(37, "EF.MLPL", 0x4F20, octets(ANY), 2).sfi(0x01).must_fill().below(36),
    ef(38, "EF.MSPL", 0x4F21, octets(ANY), 2).sfi(0x02).must_fill().below(36),
    ef(39, "EF.MMSSMODE", 0x4F22, octets(1), 2).sfi(0x03).must_fill().below(36),
    df(40, "DF.MCS", 0x5F3D).below(2).since(2),
    ef(41, "EF.MST", 0x4F01, octets(ANY), 2).sfi(0x01).must_fill().below(40).since(2),
    ef(42, "EF.MCSCONFIG", 0x4F02, ber_tlv(ANY), 2).sfi(0x02).must_fill().below(40).since(2),
    df(43, "DF.V2X", 0x5F3E).below(2).since(2),
    ef(44, "EF.VST", 0x4F01, octets(ANY), 2).sfi(0x01).must_fill().below(43).since(2),
    ef(45, "EF.V2X_CONFIG", 0x4F02, ber_tlv(ANY), 2).sfi(0x02).must_fill().below(43).since(2),
    ef(46, "EF.V2XP_PC5", 0x4F03, octets(ANY), 2).must_fill().below(43).since(2),
    ef(47, "EF.V2XP_Uu", 0x4F04, octets(ANY), 2).must_fill().below(43).since(2),
];

/// PE-PHONEBOOK: DF.PHONEBOOK of ADF.USIM, with the same files as that of DF.TELECOM.
pub(super) const PHONEBOOK: &[Row] = &[
    df(2, "DF.PHONEBOOK", 0x5F3A),
    ef(3, "EF.PBR", 0x4F30, linear(ANY, ANY), 2).must_fill().below(2),
    ef(4, "EF.EXT1", 0, linear(ANY, 13), 5).ids(0x4F38, 0x4F3F).content("00FF...FF").needs_sfi().below(2),
    ef(5, "EF.AAS", 0, linear(ANY, ANY), 5).ids(0x4F40, 0x4F47).content("FF...FF").below(2),
    ef(6, "EF.GAS", 0, linear(ANY, ANY), 5).ids(0x4F48, 0x4F4F).content("FF...FF").below(2),
    ef(7, "EF.PSC", 0x4F22, octets(4), 5).content("00000000").needs_sfi().below(2),
    ef(8, "EF.CC", 0x4F23, octets(2), 5).content("0000").needs_sfi().high_update().below(2),
    ef(9, "EF.PUID", 0x4F24, octets(2), 5).content("0000").needs_sfi().high_update().below(2),
    ef(10, "EF.IAP", 0, linear(ANY, ANY), 5).ids(0x4F50, 0x4F57).content("FF...FF").needs_sfi().below(2),
    ef(11, "EF.ADN", 0, linear(ANY, ANY), 5).ids(0x4F58, 0x4F5F).content("FF...FF").needs_sfi().below(2),
    ef(12, "EF.PBC", 0, linear(ANY, 2), 5).ids(0x4F60, 0x4F67).content("00...00").needs_sfi().below(2),
    ef(13, "EF.ANR", 0, linear(ANY, ANY), 5).ids(0x4F68, 0x4F6F).content("FF...FF").needs_sfi().below(2),
    ef(14, "EF.PURI", 0, linear(ANY, ANY), 5).ids(0x4F70, 0x4F77).must_fill().needs_sfi().below(2),
    ef(15, "EF.EMAIL", 0, linear(ANY, ANY), 5).ids(0x4F78, 0x4F7F).content("FF...FF").needs_sfi().below(2),
    ef(16, "EF.SNE", 0, linear(ANY, ANY), 5).ids(0x4F80, 0x4F87).content("FF...FF").needs_sfi().below(2),
    ef(17, "EF.UID", 0, linear(ANY, 2), 5).ids(0x4F88, 0x4F8F).content("0000").needs_sfi().below(2),
    ef(18, "EF.GRP", 0, linear(ANY, ANY), 5).ids(0x4F90, 0x4F97).content("00...00").needs_sfi().below(2),
    ef(19, "EF.CCP1", 0, linear(ANY, ANY), 5).ids(0x4F98, 0x4F9F).content("FF...FF").needs_sfi().below(2),
];
