//! The last check is the profile itself: read back by APDU, and authenticated like a network does.

use anyhow::{Context as _, bail};

use super::steps::Steps;
use super::subscription::Subscription;
use crate::device::card::Card;
use crate::device::terminal::{Authentication, PIN1, Terminal};
use crate::env::Rng;
use crate::ident::{Iccid, Imsi};
use crate::profile::content::{NAME_LEN, to_ef_spn};

/// EF.ICCID in the MF.
const EF_ICCID: &[u8] = &[0x2F, 0xE2];
/// EF.DIR in the MF: the AIDs of the applications.
const EF_DIR: &[u8] = &[0x2F, 0x00];
/// EF.IMSI of the USIM.
const EF_IMSI: u16 = 0x6F07;
/// EF.SPN of the USIM.
const EF_SPN: u16 = 0x6F46;
/// What the AID of every USIM starts with (TS 101 220 annex E).
const USIM: [u8; 7] = [0xA0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02];
/// A sequence number that a fresh card accepts.
const SQN: [u8; 6] = [0, 0, 0, 0, 0, 0x20];
/// The authentication management field of a network: separation bit off.
const AMF: [u8; 2] = [0, 0];

/// EF.ICCID and EF.IMSI are those of the subscription, EF.SPN is the operator's, and AUTHENTICATE gives the RES of its keys.
pub(super) fn check(
    card: &mut Card,
    subscription: &Subscription,
    rng: &Rng,
    steps: &mut Steps,
) -> anyhow::Result<()> {
    let mut terminal = Terminal::new(card);
    terminal.select_path(EF_ICCID)?;
    let iccid = Iccid::from_bcd(&terminal.read_binary()?)?;
    steps.check("EF.ICCID by APDU", iccid == subscription.iccid, || iccid.to_string())?;

    terminal.select_path(EF_DIR)?;
    let aid = usim_aid(&mut terminal)?;
    terminal.select_application(&aid)?;
    terminal.verify_pin(PIN1, &subscription.pin1).or_else(|error| {
        // A PIN that is disabled needs no verification.
        terminal.select_application(&aid).map_err(|_| error)
    })?;
    terminal.select_file(EF_IMSI)?;
    let imsi = Imsi::from_ef(&terminal.read_binary()?)?;
    steps.check("EF.IMSI by APDU", imsi == subscription.imsi, || imsi.to_string())?;

    if let Some(name) = subscription.name {
        terminal.select_file(EF_SPN)?;
        let [_, shown @ ..]: [u8; 1 + NAME_LEN] = terminal.read_binary()?;
        steps.check("EF.SPN by APDU", shown == to_ef_spn(name), || name.to_owned())?;
    }

    terminal.select_application(&aid)?;
    let rand: [u8; 16] = rng.array();
    let expected = subscription.aka.generate(&rand);
    let autn = subscription.aka.autn(&rand, &SQN, &AMF);
    let Authentication::Success { res, ck, ik } = terminal.authenticate(&rand, &autn)? else {
        bail!("the card does not accept the sequence number");
    };
    let held = res == expected.res && ck == expected.ck && ik == expected.ik;
    steps.check("AUTHENTICATE: RES, CK and IK of the keys", held, || {
        format!("RES {}", hex::encode_upper(&res))
    })
}

/// The AID of the USIM, from the records of EF.DIR: `61 { 4F aid, 50 label }`.
fn usim_aid(terminal: &mut Terminal<&mut Card>) -> anyhow::Result<Vec<u8>> {
    for record in 1..=16 {
        let Ok(content) = terminal.read_record(record) else { break };
        if let [0x61, _, 0x4F, length, rest @ ..] = content.as_slice()
            && let Some(aid) = rest.get(..usize::from(*length))
            && aid.starts_with(&USIM)
        {
            return Ok(aid.to_vec());
        }
    }
    None.context("EF.DIR names no USIM")
}
