//! TransferEimPackage: what the eIM brings to a device that listens, and how it takes the answer, in both bindings.

use simyard_asn1::iot::esipa::TransferEimPackageError;

use super::{BINDINGS, row};
use crate::eim::listening::{data, lost, nobody, package, refused, trigger};

crate::tests!(packages_are_brought_and_answered, errors_in_place_of_answers_are_taken);

fn packages_are_brought_and_answered() {
    for binding in BINDINGS {
        row(binding, "Transfer_Package", || package(binding));
        row(binding, "Transfer_Nobody", || nobody(binding));
        row(binding, "Transfer_Lost", || lost(binding));
        row(binding, "Transfer_Trigger", || trigger(binding));
        row(binding, "Transfer_DataRequest", || data(binding));
    }
}

fn errors_in_place_of_answers_are_taken() {
    for binding in BINDINGS {
        for code in TransferEimPackageError::NAMED {
            row(binding, &format!("Transfer_{}", code.code()), || refused(binding, *code));
        }
    }
}
