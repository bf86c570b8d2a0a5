//! Reports: what a third party can check, and what it does not believe.

use std::time::Duration;

use simyard::domain::{OldProfile, Task};
use simyard::eim::report::{Report, ReportError, Verdict, report, verify};
use simyard::pki::Anchors;
use simyard_asn1::iot::esipa::EimPackageResult;
use simyard_asn1::iot::result::{EuiccResultData, RollbackProfileResult};

use super::world::{World, iccid};
use crate::harness::block_on;
use crate::server::{BRAINPOOL, NOW, PKI};

crate::tests!(
    a_switch_is_proven_without_the_store,
    what_does_not_follow_is_not_proven,
    a_download_is_proven_by_the_installation_that_the_euicc_signed,
    evidence_that_was_changed_is_refused,
    what_is_no_report_is_told,
);

fn anchors() -> Anchors {
    Anchors::of_cis(vec![PKI.ci.certificate.clone()]).unwrap()
}

/// A switch to its end, and one that is rolled back, as a report that was written and read.
async fn reported() -> Report {
    let world = World::new().await;
    let (done, _) = world.switching(World::switch(OldProfile::Keep)).await;
    world.turn().await;
    world.turn().await;
    assert_eq!(world.state(&done).await, "done");
    let world = World::new().await;
    let (back, package) = world.switching(World::switch(OldProfile::Keep)).await;
    let rollback = [EuiccResultData::Rollback(RollbackProfileResult::Ok)];
    let result = world.card.lock().unwrap().say(&package, &rollback);
    world.answer(EimPackageResult::EuiccPackageResult(result)).await.unwrap();
    let audit = world.ask(Task::Audit).await;
    let mut report = report(&world.eim, &[back, audit]).await.unwrap();
    report.operations.push(done_report().await);
    Report::read(serde_json::to_string_pretty(&report).unwrap().as_bytes()).unwrap()
}

async fn done_report() -> simyard::eim::report::ReportedOperation {
    let world = World::new().await;
    let (done, _) = world.switching(World::switch(OldProfile::Keep)).await;
    world.turn().await;
    world.turn().await;
    report(&world.eim, &[done]).await.unwrap().operations.remove(0)
}

fn verdicts(report: &Report, anchors: &Anchors) -> Vec<Verdict> {
    let key = PKI.eim_sign.key.signing_key().unwrap();
    verify(report, anchors, &[*key.public_key()], NOW).into_iter().map(|verified| verified.verdict).collect()
}

fn a_switch_is_proven_without_the_store() {
    block_on(async {
        let report = reported().await;
        assert_eq!(verdicts(&report, &anchors()), [Verdict::Proven, Verdict::Consistent, Verdict::Proven]);
        let told = &verify(&report, &anchors(), &[], NOW)[2].signed;
        let (old, new) = (iccid(1), iccid(2));
        assert_eq!(
            *told,
            [
                format!("package 8: 1 profiles, enabled: {old}"),
                format!("package 9: 2 profiles, enabled: {old}"),
                "package 10: executed".to_owned(),
                format!("package 11: 2 profiles, enabled: {new}"),
                format!("download: {new} was installed"),
            ]
        );
        let text = serde_json::to_string(&report).unwrap();
        assert!(!text.contains("M-1"), "no activation code stands in a report");
    });
}

fn what_does_not_follow_is_not_proven() {
    block_on(async {
        let mut report = reported().await;
        report.operations[0].state = "done".to_owned();
        report.operations[1].state = "done".to_owned();
        report.operations[2].to = Some(iccid(3).as_str().to_owned());
        let verdicts = verdicts(&report, &anchors());
        assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::NotProven(_))), "{verdicts:?}");
    });
}

fn a_download_is_proven_by_the_installation_that_the_euicc_signed() {
    block_on(async {
        let mut download = reported().await;
        download.operations.drain(..2);
        let operation = &mut download.operations[0];
        operation.packages.clear();
        operation.kind = "download".to_owned();
        assert_eq!(verdicts(&download, &anchors()), [Verdict::Proven]);
        let installation = hex::decode(&download.operations[0].installations[0]).unwrap();
        assert_eq!(simyard::eim::answers::told(&installation), ["profile installed"]);
        let mut other = download.clone();
        other.operations[0].to = Some(iccid(3).as_str().to_owned());
        assert!(matches!(verdicts(&other, &anchors())[..], [Verdict::NotProven(_)]));
        download.operations[0].installations.clear();
        assert!(matches!(verdicts(&download, &anchors())[..], [Verdict::NotProven(_)]));
    });
}

fn evidence_that_was_changed_is_refused() {
    block_on(async {
        let report = reported().await;
        let changed = |change: &dyn Fn(&mut simyard::eim::report::ReportedOperation)| {
            let mut report = report.clone();
            change(&mut report.operations[2]);
            match verdicts(&report, &anchors()).remove(2) {
                Verdict::Refused(why) => why,
                other => panic!("{other:?}"),
            }
        };
        let last = |text: &mut String| {
            let digit = text.pop().unwrap();
            text.push(if digit == '0' { '1' } else { '0' });
        };
        for (what, why, says) in [
            (
                "a result",
                changed(&|it| last(it.packages[3].result.as_mut().unwrap())),
                "signature does not verify",
            ),
            ("a package", changed(&|it| last(&mut it.packages[0].signature)), "is not the eIM's"),
            ("a token", changed(&|it| it.packages[0].association_token = None), "is not the eIM's"),
            (
                "an EID",
                changed(&|it| it.eid = "89049032123451234512345678909999".to_owned()),
                "another eUICC",
            ),
            (
                "no certificate",
                changed(&|it| it.euicc_certificate = None),
                "certificates are not in the report",
            ),
            (
                "another answer",
                changed(&|it| it.packages[3].result = it.packages[1].result.clone()),
                "no such package",
            ),
            ("the order", changed(&|it| it.packages.swap(0, 1)), "not in order"),
            (
                "an installation",
                changed(&|it| last(&mut it.installations[0])),
                "a ProfileInstallationResult is not believed: its signature does not verify",
            ),
            (
                "no installation",
                changed(&|it| it.installations[0] = "BF3700".to_owned()),
                "a ProfileInstallationResult is not believed",
            ),
            ("the state", changed(&|it| it.state = "splendid".to_owned()), "state or kind is unknown"),
            ("no digits", changed(&|it| it.packages[0].content = "xyz".to_owned()), "content cannot be read"),
        ] {
            assert!(why.contains(says), "{what}: {why}");
        }
        let others = Anchors::of_cis(vec![BRAINPOOL.ci.certificate.clone()]).unwrap();
        assert!(matches!(verdicts(&report, &others)[2], Verdict::Refused(_)), "another CI");
        // Certificates count at the time of the check.
        let later = NOW.plus(Duration::from_secs(100 * 365 * 24 * 3600));
        let verified = verify(&report, &anchors(), &[], later);
        assert!(matches!(verified[2].verdict, Verdict::Refused(_)));
    });
}

fn what_is_no_report_is_told() {
    assert!(matches!(Report::read(b"{}"), Err(ReportError::Form(_))));
    let other = br#"{"simyard_report":2,"made_at":"","eim_id":"","operations":[]}"#;
    assert!(matches!(Report::read(other), Err(ReportError::Version(2))));
}
