//! Where the subscriber was, and the keys of that time: TS 31.102 4.2.3, 4.2.4, 4.2.17, 4.2.23, 4.2.51 to 4.2.53,
//! 4.2.91, 4.4.3, 4.4.11. Templates fill these files with values that say "nowhere" and "no key".

use super::codec::{Codec, Field, Form, fields};
use super::network::PLMN_LEN;

const AREA: Field = Field("plmn", PLMN_LEN, Form::Plmn);
const UPDATED: (u8, &str) = (0, "updated");
const NOT_UPDATED: (u8, &str) = (1, "not updated");

/// EF.LOCI.
pub(super) const CIRCUIT_SWITCHED: Codec = fields(&[
    Field("tmsi", 4, Form::Hex),
    AREA,
    Field("location_area", 2, Form::Hex),
    Field("unused", 1, Form::Hex),
    Field(
        "status",
        1,
        Form::Word(&[UPDATED, NOT_UPDATED, (2, "network not allowed"), (3, "location area not allowed")]),
    ),
]);

/// EF.PSLOCI.
pub(super) const PACKET_SWITCHED: Codec = fields(&[
    Field("p_tmsi", 4, Form::Hex),
    Field("signature", 3, Form::Hex),
    AREA,
    Field("location_area", 2, Form::Hex),
    Field("routing_area", 1, Form::Hex),
    Field(
        "status",
        1,
        Form::Word(&[UPDATED, NOT_UPDATED, (2, "network not allowed"), (3, "routing area not allowed")]),
    ),
]);

/// EF.EPSLOCI.
pub(super) const EVOLVED: Codec = fields(&[
    Field("guti", 12, Form::Hex),
    AREA,
    Field("tracking_area", 2, Form::Hex),
    Field("status", 1, Form::Word(&[UPDATED, NOT_UPDATED, (2, "roaming not allowed")])),
]);

/// EF.5GS3GPPLOCI and EF.5GSN3GPPLOCI.
pub(super) const FIFTH_GENERATION: Codec = fields(&[
    Field("guti", 13, Form::Hex),
    AREA,
    Field("tracking_area", 3, Form::Hex),
    Field("status", 1, Form::Word(&[UPDATED, NOT_UPDATED, (2, "roaming not allowed")])),
]);

const NO_KEY: Form = Form::Word(&[(7, "none")]);

/// EF.Keys and EF.KeysPS.
pub(super) const KEYS: Codec =
    fields(&[Field("key_set", 1, NO_KEY), Field("ck", 16, Form::Hex), Field("ik", 16, Form::Hex)]);

/// EF.Kc and EF.KcGPRS.
pub(super) const GSM_KEY: Codec = fields(&[Field("kc", 8, Form::Hex), Field("key_set", 1, NO_KEY)]);

/// EF.START-HFN.
pub(super) const HYPERFRAME_NUMBERS: Codec =
    fields(&[Field("circuit_switched", 3, Form::Hex), Field("packet_switched", 3, Form::Hex)]);
