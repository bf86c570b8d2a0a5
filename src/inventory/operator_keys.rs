//! OP of operators: brought once, sealed, opened only where OPc of a subscription is made (TS 35.206 4.1).

use zeroize::Zeroizing;

use crate::crypto::milenage::opc_from_op;
use crate::crypto::seal::{SealError, Sealer};
use crate::domain::{Mode, Operator, Person};
use crate::env::Clock;
use crate::profile::personal_data::Secret;
use crate::profile::published;
use crate::store::{OperatorKey, Store, StoreError};

/// Octets of OP.
pub const OP_LEN: usize = 16;

/// Where OPs are kept.
pub struct OperatorKeys {
    /// The store.
    pub store: Store,
    /// Seals and opens them.
    pub sealer: Sealer,
    /// The time.
    pub clock: Clock,
    /// Whether published keys are taken.
    pub mode: Mode,
}

/// Why OP was not taken, or not given.
#[derive(Debug, thiserror::Error)]
pub enum OperatorKeyError {
    /// The text is none.
    #[error("OP has 32 hexadecimal digits")]
    Form,
    /// Everybody has it.
    #[error("this OP is published: {0}; only a server with mode = \"test\" takes it")]
    Published(String),
    /// All octets are the same.
    #[error("this OP has the same octet sixteen times; only a server with mode = \"test\" takes it")]
    Weak,
    /// There is one already.
    #[error("operator {0} has an OP already: profiles were made with it, so it is not written over")]
    There(Operator),
    /// There is none.
    #[error("operator {0} has no OP: `simyard operator-key import` brings it")]
    Absent(Operator),
    /// It cannot be sealed or opened.
    #[error("OP cannot be sealed or opened: {0}")]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// OP, opened; wiped when dropped. No `Debug`.
pub struct Op(Secret<OP_LEN>);

impl Op {
    /// OPc of the subscription with this K.
    #[must_use]
    pub fn opc(&self, key: &Secret<16>) -> Secret<16> {
        Secret::new(*opc_from_op(key.as_octets(), self.0.as_octets()))
    }
}

impl OperatorKeys {
    /// Takes OP of an operator, as 32 hexadecimal digits.
    ///
    /// # Errors
    /// [`OperatorKeyError`]; the value is in none of them.
    pub async fn import(
        &self,
        operator: &Operator,
        text: &str,
        person: &Person,
    ) -> Result<(), OperatorKeyError> {
        let mut op = Zeroizing::new([0; OP_LEN]);
        hex::decode_to_slice(text.trim(), op.as_mut_slice()).map_err(|_| OperatorKeyError::Form)?;
        if self.mode == Mode::Production {
            if let Some(source) = published::find(op.as_slice()) {
                return Err(OperatorKeyError::Published(source));
            }
            if op.iter().all(|octet| Some(octet) == op.first()) {
                return Err(OperatorKeyError::Weak);
            }
        }
        let key = OperatorKey {
            operator: operator.clone(),
            sealed: self.sealer.seal(&OperatorKey::place(operator), op.as_slice())?,
            person: person.clone(),
            imported_at: self.clock.now(),
        };
        if self.store.keep_operator_key(&key).await? {
            Ok(())
        } else {
            Err(OperatorKeyError::There(operator.clone()))
        }
    }

    /// OP of an operator, to make OPcs with.
    ///
    /// # Errors
    /// [`OperatorKeyError::Absent`] if nobody brought it; others if it cannot be opened.
    pub async fn open(&self, operator: &Operator) -> Result<Op, OperatorKeyError> {
        let key = self.store.operator_key(operator).await?;
        let key = key.ok_or_else(|| OperatorKeyError::Absent(operator.clone()))?;
        let octets = self.sealer.open(&OperatorKey::place(operator), &key.sealed)?;
        Secret::from_slice(&octets).map(Op).ok_or(OperatorKeyError::Form)
    }
}
