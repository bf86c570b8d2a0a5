//! Faults on demand: a card answers with codes that it would not give by itself, so that others can be tried out against
//! them. A card has none unless it is made with them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use simyard_asn1::iot::card::RollbackCode;
use simyard_asn1::iot::package::{Eco, Psmo};
use simyard_asn1::iot::result::{EuiccPackageErrorCode, EuiccResultData};

/// One answer that is not the card's own. What the function or operation would have done is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The next package of a known eIM is answered with this error.
    Package(EuiccPackageErrorCode),
    /// The next operation whose result this is gets it; processingTerminated fits every operation.
    Operation(EuiccResultData<'static>),
    /// The next ProfileRollback is answered with this code.
    Rollback(RollbackCode),
    /// The next bound profile package is not installed, for this errorReason (SGP.22 2.5.6).
    Installation(u32),
}

/// The faults that a card still has. A copy is of the same ones: who keeps it can add more.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<VecDeque<Fault>>>);

impl Faults {
    /// Adds a fault behind those that wait.
    pub fn add(&self, fault: Fault) {
        self.waiting().push_back(fault);
    }

    /// Takes away those that wait.
    #[must_use]
    pub fn take_all(&self) -> Vec<Fault> {
        self.waiting().drain(..).collect()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting().len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the first fault that `fits`.
    fn take(&self, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut waiting = self.waiting();
        let at = waiting.iter().position(fits)?;
        waiting.remove(at)
    }

    pub(super) fn of_package(&self) -> Option<EuiccPackageErrorCode> {
        match self.take(|fault| matches!(fault, Fault::Package(_)))? {
            Fault::Package(code) => Some(code),
            Fault::Operation(_) | Fault::Rollback(_) | Fault::Installation(_) => None,
        }
    }

    pub(super) fn of_installation(&self) -> Option<u32> {
        match self.take(|fault| matches!(fault, Fault::Installation(_)))? {
            Fault::Installation(reason) => Some(reason),
            Fault::Package(_) | Fault::Operation(_) | Fault::Rollback(_) => None,
        }
    }

    pub(super) fn of_rollback(&self) -> Option<RollbackCode> {
        match self.take(|fault| matches!(fault, Fault::Rollback(_)))? {
            Fault::Rollback(code) => Some(code),
            Fault::Operation(_) | Fault::Package(_) | Fault::Installation(_) => None,
        }
    }

    pub(super) fn of_psmo(&self, operation: &Psmo<'_>) -> Option<EuiccResultData<'static>> {
        self.of_operation(|result| {
            matches!(
                (operation, result),
                (Psmo::Enable { .. }, EuiccResultData::Enable(_))
                    | (Psmo::Disable { .. }, EuiccResultData::Disable(_))
                    | (Psmo::Delete { .. }, EuiccResultData::Delete(_))
                    | (Psmo::ListProfileInfo(_), EuiccResultData::ListProfileInfo(_))
                    | (Psmo::GetRat, EuiccResultData::GetRat(_))
                    | (Psmo::ConfigureImmediateEnable(_), EuiccResultData::ConfigureImmediateEnable(_))
                    | (Psmo::SetFallbackAttribute { .. }, EuiccResultData::SetFallbackAttribute(_))
                    | (Psmo::UnsetFallbackAttribute, EuiccResultData::UnsetFallbackAttribute(_))
                    | (Psmo::SetDefaultDpAddress { .. }, EuiccResultData::SetDefaultDpAddress(_))
            )
        })
    }

    pub(super) fn of_eco(&self, operation: &Eco<'_>) -> Option<EuiccResultData<'static>> {
        self.of_operation(|result| {
            matches!(
                (operation, result),
                (Eco::AddEim(_), EuiccResultData::AddEim(_))
                    | (Eco::DeleteEim { .. }, EuiccResultData::DeleteEim(_))
                    | (Eco::UpdateEim(_), EuiccResultData::UpdateEim(_))
                    | (Eco::ListEim, EuiccResultData::ListEim(_))
            )
        })
    }

    fn of_operation(
        &self,
        answers: impl Fn(&EuiccResultData<'static>) -> bool,
    ) -> Option<EuiccResultData<'static>> {
        let fits = |fault: &Fault| match fault {
            Fault::Operation(result) => {
                matches!(result, EuiccResultData::ProcessingTerminated(_)) || answers(result)
            }
            Fault::Package(_) | Fault::Rollback(_) | Fault::Installation(_) => false,
        };
        match self.take(fits)? {
            Fault::Operation(result) => Some(result),
            Fault::Package(_) | Fault::Rollback(_) | Fault::Installation(_) => None,
        }
    }
}
