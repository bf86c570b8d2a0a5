//! The templates of the ISIM.
//!
//! The order of the rows is that of the module; their numbers are the context tags.

use super::row::{ANY, Row, adf, ber_tlv, ef, linear, octets};

/// PE-ISIM: ADF.ISIM and the files that every ISIM has.
pub(super) const ISIM: &[Row] = &[
    adf(2, "ADF.ISIM"),
    ef(3, "EF.IMPI", 0x6F02, octets(ANY), 2).sfi(0x02).must_fill().below(2),
    ef(4, "EF.IMPU", 0x6F04, linear(1, ANY), 2).sfi(0x04).must_fill().below(2),
    ef(5, "EF.Domain", 0x6F03, octets(ANY), 2).sfi(0x05).must_fill().below(2),
    ef(6, "EF.IST", 0x6F07, octets(14), 2).sfi(0x07).must_fill().below(2),
    ef(7, "EF.AD", 0x6FAD, octets(3), 10).sfi(0x03).content("000000").below(2),
    ef(8, "EF.ARR", 0x6F06, linear(ANY, ANY), 10).sfi(0x06).must_fill().below(2),
];

/// PE-OPT-ISIM: files of ADF.ISIM that services announce.
pub(super) const OPT_ISIM: &[Row] = &[
    ef(2, "EF.PCSCF", 0x6F09, linear(1, ANY), 2).must_fill(),
    ef(3, "EF.SMS", 0x6F3C, linear(10, 176), 5).content("00FF...FF"),
    ef(4, "EF.SMSP", 0x6F42, linear(1, 38), 5).content("FF...FF"),
    ef(5, "EF.SMSS", 0x6F43, octets(2), 5).content("FFFF"),
    ef(6, "EF.SMSR", 0x6F47, linear(10, 30), 5).content("00FF...FF"),
    ef(7, "EF.GBABP", 0x6FD5, octets(ANY), 5).content("FF...FF"),
    ef(8, "EF.GBANL", 0x6FD7, linear(ANY, ANY), 2).content("FF...FF"),
    ef(9, "EF.NAFKCA", 0x6FDD, linear(ANY, ANY), 2).content("FF...FF"),
    ef(10, "EF.UICCIARI", 0x6FE7, linear(ANY, ANY), 2).must_fill(),
    ef(11, "EF.FromPreferred", 0x6FF7, octets(1), 2).content("00").since(2),
    ef(12, "EF.ImsConfigData", 0x6FF8, ber_tlv(ANY), 2).must_fill().since(2),
    ef(13, "EF.XcapconfigData", 0x6FFC, ber_tlv(ANY), 2).must_fill().since(2),
    ef(14, "EF.WebRTCURI", 0x6FFA, linear(ANY, ANY), 2).must_fill().since(2),
    ef(15, "EF.MudMidCfgData", 0x6FFE, ber_tlv(ANY), 2).must_fill().since(2),
];
