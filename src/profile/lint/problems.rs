//! What the tree could not read or resolve, by its rule.

use simyard_asn1::saip::ElementKind;

use super::{Lint, Rule, Severity};
use crate::profile::image::Reason;
use crate::profile::tree::{Body, Problem, View};

pub(super) fn check(lint: &mut Lint<'_, '_>) {
    for problem in lint.tree.problems() {
        if let Reason::Form(error) = &problem.reason {
            if !is_told(lint, problem) {
                let message = format!("{} in {}", error.kind, error.what);
                report(lint, Rule::EncodingElement, problem, message);
            }
        } else if let Some(rule) = rule(lint, problem) {
            report(lint, rule, problem, problem.reason.to_string());
        }
    }
}

fn report(lint: &mut Lint<'_, '_>, rule: Rule, problem: &Problem, message: String) {
    match problem.file {
        // The problem may be one of another element than the file's.
        Some(file) if lint.tree.file(file).is_some_and(|file| file.element == problem.element) => {
            lint.file_at(rule, file, problem.offset, message);
        }
        _ => lint.at(rule, problem.element, problem.offset, message),
    }
}

/// Whether a check has said already, and better, why octets cannot be read: at that octet, or somewhere in an element of
/// which nothing could be read.
fn is_told(lint: &Lint<'_, '_>, problem: &Problem) -> bool {
    let Some(element) = lint.tree.elements().get(problem.element) else { return false };
    if matches!(element.view, View::Unreadable) {
        let tlv = &element.element.tlv;
        return lint.has_error_within(tlv.offset..tlv.offset + tlv.raw.len());
    }
    // Unknown parts of a file are no error, and told by the encoding.
    let is_told = |rule: Rule| rule.severity() == Severity::Error || rule == Rule::EncodingUnknownMember;
    lint.report.findings.iter().any(|finding| finding.offset == problem.offset && is_told(finding.rule))
}

/// The rule of a problem; none where a check of this module's siblings speaks of the same in more detail.
fn rule(lint: &Lint<'_, '_>, problem: &Problem) -> Option<Rule> {
    Some(match &problem.reason {
        Reason::Template(_) => Rule::TemplateUnknown,
        Reason::TemplateOfAnother(_) => Rule::TemplateOfAnother,
        Reason::UnknownField(_) => Rule::TemplateUnknownFile,
        Reason::NoDirectory(_) => Rule::TemplateDirectoryMissing,
        Reason::MissingParameter { what: "content", .. } => Rule::TemplateFileMissing,
        Reason::MissingParameter { .. } => Rule::TemplateParameterMissing,
        Reason::SecondFile(_) => Rule::FileIdTwice,
        Reason::ContentTooLong { .. } => Rule::FileContentTooLong,
        Reason::RecordSize { .. } => Rule::FileRecordSize,
        Reason::Descriptor(_) => Rule::FileDescriptor,
        Reason::DoNotCreate => Rule::FileDoNotCreate,
        Reason::NothingToFill => Rule::ManagementNothingToFill,
        Reason::Memory => Rule::FileMemory,
        Reason::NoFile(_) => {
            let element = lint.tree.elements().get(problem.element)?;
            let file = problem.file.and_then(|file| lint.tree.file(file));
            let is_link = file.is_some_and(|file| matches!(file.body, Body::Link { .. }));
            if is_link || element.element.kind == ElementKind::PinCodes {
                return None;
            }
            Rule::ManagementPath
        }
        // Told by encoding, order, header, services, links, codes, keys and applications.
        Reason::Form(_)
        | Reason::HeaderPlace
        | Reason::MfPlace
        | Reason::MissingEnd
        | Reason::AfterEnd
        | Reason::ApplicationPlace(_)
        | Reason::SecondAka
        | Reason::SecondIdentification(_)
        | Reason::Version(..)
        | Reason::Service(_)
        | Reason::Libraries(_)
        | Reason::Unsupported
        | Reason::HeaderIccid
        | Reason::IccidMismatch
        | Reason::NoEfIccid
        | Reason::SecondAid
        | Reason::Link
        | Reason::PinPlace(_)
        | Reason::SecondKeyReference(_)
        | Reason::Attempts(_)
        | Reason::NoPinsToShare
        | Reason::NoPuk { .. }
        | Reason::KeyLength(_)
        | Reason::Algorithm(_)
        | Reason::Tuak
        | Reason::Mapping => return None,
    })
}
