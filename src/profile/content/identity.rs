//! Who the subscriber is and what the card is for: EF.ICCID (TS 102 221 13.2), EF.IMSI (TS 31.102 4.2.2), EF.ACC
//! (4.2.15), EF.AD (4.2.18; TS 31.103 4.2.5).

use toml::Value;

use super::codec::{Codec, Field, Form, fields_and};
use super::error::Refusal;
use super::value;
use crate::ident::{Iccid, Imsi};

/// EF.ICCID: its digits.
pub(super) const ICCID: Codec = Codec::Words(
    |octets| Some(value::text(Iccid::from_bcd(octets.try_into().ok()?).ok()?.as_str())),
    |value, _| {
        let iccid = Iccid::parse(value::string(value)?);
        iccid.map(|iccid| iccid.to_bcd().to_vec()).map_err(|error| Refusal::value(error.expected, value))
    },
);

/// EF.IMSI: its digits.
pub(super) const IMSI: Codec = Codec::Words(
    |octets| Some(value::text(Imsi::from_ef(octets.try_into().ok()?).ok()?.as_str())),
    |value, _| {
        let imsi = Imsi::parse(value::string(value)?);
        imsi.map(|imsi| imsi.to_ef().to_vec()).map_err(|error| Refusal::value(error.expected, value))
    },
);

/// EF.ACC: the numbers of the access classes, 0 to 15.
pub(super) const ACCESS_CLASSES: Codec = Codec::Words(
    |octets| {
        let bits = u16::from_be_bytes(octets.try_into().ok()?);
        let classes = (0..16).filter(|class| bits >> class & 1 == 1);
        Some(Value::Array(classes.map(Value::Integer).collect()))
    },
    |value, _| {
        let mut bits = 0_u16;
        for (index, entry) in value::list(value, "a list of access classes")?.iter().enumerate() {
            let class = value::number(entry, 0..=15).map_err(|refusal| refusal.entry(index))?;
            bits |= 1 << class;
        }
        Ok(bits.to_be_bytes().to_vec())
    },
);

/// The operation modes of the terminal.
const MODE: Field = Field(
    "mode",
    1,
    Form::Word(&[
        (0x00, "normal"),
        (0x80, "type approval"),
        (0x01, "normal with specific facilities"),
        (0x81, "type approval with specific facilities"),
        (0x02, "maintenance"),
        (0x04, "cell test"),
    ]),
);
const INFORMATION: Field = Field("information", 2, Form::Hex);

/// EF.AD of a USIM: the last octet is the number of digits of the network's part of the IMSI.
pub(super) const ADMINISTRATIVE_DATA: Codec =
    fields_and(&[MODE, INFORMATION, Field("mnc_length", 1, Form::Number)], "more");
/// EF.AD of an ISIM.
pub(super) const ADMINISTRATIVE_DATA_OF_ISIM: Codec = fields_and(&[MODE, INFORMATION], "more");
