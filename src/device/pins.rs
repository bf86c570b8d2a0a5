//! PINs of the enabled profile: verify, change, disable, enable, unblock (TS 102 221 9.5, 11.1.9 to 11.1.13).
//!
//! A wrong value costs an attempt, which is written to disk before the answer. Values are compared in constant time.

use subtle::ConstantTimeEq as _;

use super::apdu::{Command, StatusWord};
use super::uicc::{Position, Uicc};
use crate::profile::image::{NodeId, Octets, Pin};

/// Octets of a PIN or PUK.
const VALUE: usize = 8;
/// Bits of pinAttributes.
const ENABLED: u8 = 0x01;
const MAY_BE_CHANGED: u8 = 0x02;
const MAY_BE_DISABLED: u8 = 0x04;

/// Four to eight digits, filled up with FF.
fn is_pin(value: &[u8]) -> bool {
    let digits = value.iter().take_while(|octet| octet.is_ascii_digit()).count();
    value.len() == VALUE && digits >= 4 && value.iter().skip(digits).all(|octet| *octet == 0xFF)
}

/// Compares, and counts the attempt.
fn attempt(kept: &Octets, given: &[u8], attempts: u8, left: &mut u8) -> Result<(), StatusWord> {
    if *left == 0 {
        return Err(StatusWord::BLOCKED);
    }
    if bool::from(kept.ct_eq(given)) {
        *left = attempts;
        return Ok(());
    }
    *left -= 1;
    Err(if *left == 0 { StatusWord::BLOCKED } else { StatusWord::retries(*left) })
}

impl Uicc {
    /// How a verified PIN is remembered: by the directory that owns it, so that directories that share PINs share
    /// what was verified, and one with a PIN of its own does not inherit that of its application.
    fn remembered(&self, position: &Position, reference: u8) -> Option<(NodeId, u8)> {
        Some((self.image.pin_owner(position.directory, reference)?, reference))
    }

    /// Whether a PIN or ADM key was verified, or need not be.
    pub(super) fn is_authenticated(&self, position: &Position, reference: u8) -> bool {
        let disabled = self.image.pin(position.directory, reference).is_some_and(|pin| !pin.is_enabled());
        disabled || self.remembered(position, reference).is_some_and(|key| self.verified.contains(&key))
    }

    fn pin(&mut self, position: &Position, reference: u8) -> Result<&mut Pin, StatusWord> {
        self.image.pin_mut(position.directory, reference).ok_or(StatusWord::REFERENCE_NOT_FOUND)
    }

    /// Presents a value for a PIN; what it costs is kept.
    fn present(&mut self, position: &Position, reference: u8, value: &[u8]) -> Result<(), StatusWord> {
        let pin = self.pin(position, reference)?;
        let outcome = attempt(&pin.value, value, pin.attempts, &mut pin.left);
        // Written whatever came of it: a disk that takes no writes must not tell the right value from a wrong one.
        self.changed = true;
        if outcome.is_err()
            && let Some(key) = self.remembered(position, reference)
        {
            self.verified.remove(&key);
        }
        outcome
    }

    fn remember(&mut self, position: &Position, reference: u8) {
        self.verified.extend(self.remembered(position, reference));
    }

    /// VERIFY PIN; without data it asks for the attempts left.
    pub(super) fn verify_pin(
        &mut self,
        position: &Position,
        command: &Command<'_>,
    ) -> Result<Vec<u8>, StatusWord> {
        let pin = self.pin(position, checked(command)?)?;
        if command.data.is_empty() {
            return Err(if pin.left == 0 { StatusWord::BLOCKED } else { StatusWord::retries(pin.left) });
        }
        if command.data.len() != VALUE {
            return Err(StatusWord::WRONG_LENGTH);
        }
        if !pin.is_enabled() {
            return Err(StatusWord::INVALIDATED);
        }
        self.present(position, command.p2, command.data)?;
        self.remember(position, command.p2);
        Ok(Vec::new())
    }

    /// CHANGE PIN: the old value and the new one.
    pub(super) fn change_pin(
        &mut self,
        position: &Position,
        command: &Command<'_>,
    ) -> Result<Vec<u8>, StatusWord> {
        let reference = checked(command)?;
        let (old, new) = two_values(command)?;
        let pin = self.pin(position, reference)?;
        if !pin.is_enabled() {
            return Err(StatusWord::INVALIDATED);
        }
        if pin.attributes & MAY_BE_CHANGED == 0 {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        self.present(position, reference, old)?;
        self.pin(position, reference)?.value = Octets::from(new);
        self.changed = true;
        self.remember(position, reference);
        Ok(Vec::new())
    }

    /// DISABLE PIN.
    pub(super) fn disable_pin(
        &mut self,
        position: &Position,
        command: &Command<'_>,
    ) -> Result<Vec<u8>, StatusWord> {
        self.switch_pin(position, command, false)
    }

    /// ENABLE PIN.
    pub(super) fn enable_pin(
        &mut self,
        position: &Position,
        command: &Command<'_>,
    ) -> Result<Vec<u8>, StatusWord> {
        self.switch_pin(position, command, true)
    }

    fn switch_pin(
        &mut self,
        position: &Position,
        command: &Command<'_>,
        enable: bool,
    ) -> Result<Vec<u8>, StatusWord> {
        let reference = checked(command)?;
        if command.data.len() != VALUE {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let pin = self.pin(position, reference)?;
        if pin.is_enabled() == enable || (!enable && pin.attributes & MAY_BE_DISABLED == 0) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        self.present(position, reference, command.data)?;
        let pin = self.pin(position, reference)?;
        pin.attributes = if enable { pin.attributes | ENABLED } else { pin.attributes & !ENABLED };
        self.changed = true;
        self.remember(position, reference);
        Ok(Vec::new())
    }

    /// UNBLOCK PIN: the PUK and a new PIN; without data it asks for the PUK's attempts left.
    pub(super) fn unblock_pin(
        &mut self,
        position: &Position,
        command: &Command<'_>,
    ) -> Result<Vec<u8>, StatusWord> {
        let reference = match checked(command)? {
            // PIN1 by its old name.
            0x00 => 0x01,
            reference => reference,
        };
        let unblocking = self.pin(position, reference)?.unblocking.ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        let puk = self.image.puks.iter_mut().find(|puk| puk.reference == unblocking);
        let puk = puk.ok_or(StatusWord::REFERENCE_NOT_FOUND)?;
        if command.data.is_empty() {
            return Err(if puk.left == 0 { StatusWord::BLOCKED } else { StatusWord::retries(puk.left) });
        }
        let (value, new) = two_values(command)?;
        let outcome = attempt(&puk.value, value, puk.attempts, &mut puk.left);
        self.changed = true;
        outcome?;
        let pin = self.pin(position, reference)?;
        pin.value = Octets::from(new);
        pin.left = pin.attempts;
        pin.attributes |= ENABLED;
        self.changed = true;
        self.remember(position, reference);
        Ok(Vec::new())
    }
}

const fn checked(command: &Command<'_>) -> Result<u8, StatusWord> {
    if command.p1 == 0x00 { Ok(command.p2) } else { Err(StatusWord::WRONG_PARAMETERS) }
}

/// Two values of eight octets, the second a new PIN.
fn two_values<'a>(command: &Command<'a>) -> Result<(&'a [u8], &'a [u8]), StatusWord> {
    let values = command.data.split_at_checked(VALUE).filter(|(_, new)| new.len() == VALUE);
    let (first, new) = values.ok_or(StatusWord::WRONG_LENGTH)?;
    if is_pin(new) { Ok((first, new)) } else { Err(StatusWord::WRONG_DATA) }
}

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::Package;

    use super::*;
    use crate::profile::image::{PinSet, ProfileImage};
    use crate::profile::shipped::generic;

    const PIN2: u8 = 0x81;

    /// Our profile with PIN2 of ADF.USIM, and what DF.5GS has for PINs.
    fn uicc(below: impl FnOnce(NodeId, &PinSet) -> PinSet) -> (Uicc, Position, Position) {
        let package = generic();
        let mut image = ProfileImage::build(&Package::from_der(&package).unwrap()).unwrap();
        let usim = image.path(&[0x7FD0]).unwrap();
        let df = image.path(&[0x7FD0, 0x5FC0]).unwrap();
        let pins = below(usim, &image.directory(usim).unwrap().pins);
        image.directory_mut(df).unwrap().pins = pins;
        let at = |directory| Position { directory, ..Position::default() };
        (Uicc::new(image), at(usim), at(df))
    }

    fn verify(uicc: &mut Uicc, position: &Position, value: &[u8; 8]) -> bool {
        let command = Command { cla: 0, ins: 0x20, p1: 0, p2: PIN2, data: value, le: None };
        uicc.verify_pin(position, &command).is_ok()
    }

    #[test]
    fn a_directory_with_a_pin_of_its_own_asks_for_it() {
        let (mut uicc, usim, df) = uicc(|_, pins| {
            let PinSet::Own(pins) = pins else { panic!("PIN2 is the application's own") };
            let mut pin = pins[0].clone();
            pin.value = Octets::from(&b"99999999"[..]);
            PinSet::Own(vec![pin])
        });
        assert!(verify(&mut uicc, &usim, b"00000000"));
        assert!(uicc.is_authenticated(&usim, PIN2) && !uicc.is_authenticated(&df, PIN2));
        assert!(!verify(&mut uicc, &df, b"00000000"));
        assert!(uicc.is_authenticated(&usim, PIN2), "an attempt at another PIN takes nothing away");
        assert!(verify(&mut uicc, &df, b"99999999"));
        assert!(uicc.is_authenticated(&usim, PIN2) && uicc.is_authenticated(&df, PIN2));
    }

    #[test]
    fn directories_that_share_a_pin_share_what_was_verified() {
        let (mut uicc, usim, df) = uicc(|usim, _| PinSet::SharedWith(usim));
        assert!(verify(&mut uicc, &df, b"00000000"));
        assert!(uicc.is_authenticated(&usim, PIN2) && uicc.is_authenticated(&df, PIN2));
        assert!(!verify(&mut uicc, &usim, b"11111111"));
        assert!(!uicc.is_authenticated(&usim, PIN2) && !uicc.is_authenticated(&df, PIN2));
    }

    #[test]
    fn a_pin_that_no_directory_has_is_never_verified() {
        let (mut uicc, usim, _) = uicc(|_, _| PinSet::None);
        uicc.remember(&usim, 0x82);
        assert!(!uicc.is_authenticated(&usim, 0x82) && uicc.verified.is_empty());
    }
}
