//! Campaigns: waves, pace, budget, people's hands, deaths between; and reports of them.

use std::sync::Arc;
use std::time::Duration;

use simyard::domain::{
    CampaignId, CampaignName, CampaignState, CampaignTask, OldProfile, OperationKind, Pace, Rollback,
    SwitchTarget, TargetState, Task,
};
use simyard::eim::Eim;
use simyard::eim::campaign_report::{contradictions, report_campaign};
use simyard::eim::campaign_retry::{Retried, Retry, retry};
use simyard::eim::campaign_targets::TargetRow;
use simyard::eim::campaigns::{
    CampaignError, NewCampaign, Turn, begin, campaign, cancel, create_campaign, pause, plan_campaign, resume,
    turn,
};
use simyard::eim::operations::end_what_is_due;
use simyard::eim::report::{Report, Verdict, verify, write_report};
use simyard::env::Clock;
use simyard::ident::Eid;
use simyard::jobs::run_campaigns::RunCampaigns;
use simyard::pki::Anchors;
use simyard::store::{Association, DownloadWay, OperationSelection};
use simyard_asn1::iot::esipa::EimPackageResult;
use simyard_asn1::iot::result::{EuiccResultData, RollbackProfileResult};

use super::world::{World, code, eid, iccid, person};
use crate::harness::block_on;
use crate::server::{NOW, PKI};

crate::tests!(
    a_campaign_goes_wave_by_wave_and_stops_by_itself,
    what_was_begun_before_a_death_is_not_begun_again,
    a_campaign_is_paused_and_goes_on,
    a_campaign_is_cancelled_with_what_has_not_left,
    a_report_of_a_campaign_is_checked,
    who_failed_is_asked_once_more_in_one_more_wave,
    a_switch_is_asked_once_more_without_another_download,
    what_is_no_campaign_is_told,
);

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A server that runs campaigns on the store of a world, and its clock.
struct Server {
    jobs: RunCampaigns,
    clock: Clock,
}

impl Server {
    fn of(world: &World, seed: u64) -> Self {
        let World { eim, clock, .. } = World::of(world.eim.store.clone(), Arc::clone(&world.card), seed);
        Self { jobs: RunCampaigns { eim: Arc::new(eim), orders: None }, clock }
    }

    fn eim(&self) -> &Eim {
        &self.jobs.eim
    }

    /// Time passes, and the job has its turn.
    async fn run_after(&self, time: Duration) {
        self.clock.advance(time);
        end_what_is_due(self.eim(), 1000).await.unwrap();
        self.jobs.run_once().await.unwrap();
    }

    /// State of the campaign, and how many targets stand where in its wave.
    async fn look(&self, id: &CampaignId) -> (CampaignState, u32, Vec<(TargetState, u32)>) {
        let view = campaign(self.eim(), id).await.unwrap().unwrap();
        let wave = view.kept.campaign.wave;
        let counts = view.waves.iter().find(|(number, _)| *number == wave).unwrap();
        let counts = TargetState::ALL.iter().map(|state| (*state, counts.1.of(*state)));
        (view.kept.campaign.state, wave, counts.filter(|(_, count)| *count > 0).collect())
    }

    /// How many operations there are.
    async fn operations(&self) -> usize {
        let all = OperationSelection { eid: None, state: None };
        self.eim().store.operations(&all, None, 1000).await.unwrap().len()
    }
}

fn other(number: u32) -> Eid {
    Eid::parse(&format!("8904903212345123451234{number:010}")).unwrap()
}

/// eUICCs whose devices are silent.
async fn silent(world: &World, count: u32) -> Vec<Eid> {
    let eids: Vec<Eid> = (0..count).map(other).collect();
    let association = |eid: &Eid| Association {
        eid: eid.clone(),
        counter: 0,
        association_token: None,
        download: DownloadWay::Direct,
    };
    let all: Vec<Association> = eids.iter().map(association).collect();
    world.eim.store.associate(&all, NOW).await.unwrap();
    eids
}

fn audit_of(eids: Vec<Eid>, pace: Pace) -> NewCampaign {
    NewCampaign {
        name: CampaignName::parse("look at all").unwrap(),
        task: CampaignTask {
            kind: OperationKind::Audit,
            rollback: Rollback::NotGranted,
            old: OldProfile::Keep,
            profile_type: None,
        },
        pace,
        targets: eids.into_iter().map(TargetRow::of).collect(),
    }
}

fn pace() -> Pace {
    Pace {
        shares: vec![100, 1000],
        per_hour: 3600,
        at_most: 5,
        failure_budget: 200,
        soak: 60 * SECOND,
        validity: Some(HOUR),
    }
}

fn a_campaign_goes_wave_by_wave_and_stops_by_itself() {
    block_on(async {
        use TargetState::{Done, Expired, Pending, Refused, UnderWay};
        let world = World::new().await;
        let mut eids = vec![eid(), other(999)];
        eids.extend(silent(&world, 9).await);
        let server = Server::of(&world, 78);
        let new = audit_of(eids, pace());
        let planned = plan_campaign(server.eim(), &new).await.unwrap();
        assert_eq!(planned.waves, [2, 9]);
        assert_eq!(planned.refused, [(other(999), "not_associated".to_owned())]);
        let id = create_campaign(server.eim(), &new, &person()).await.unwrap();

        server.run_after(Duration::ZERO).await;
        let begun = (CampaignState::Running, 1, vec![(Pending, 1), (UnderWay, 1)]);
        assert_eq!(server.look(&id).await, begun, "one a second");
        server.run_after(SECOND).await;
        assert_eq!(server.look(&id).await.2, [(UnderWay, 1), (Refused, 1)]);
        let before = server.eim().store.campaign(&id).await.unwrap();
        server.run_after(SECOND).await;
        assert_eq!(server.eim().store.campaign(&id).await.unwrap(), before, "nothing to write");
        world.turn().await;
        server.run_after(SECOND).await;
        assert_eq!(server.look(&id).await, (CampaignState::Running, 1, vec![(Done, 1), (Refused, 1)]));
        server.run_after(59 * SECOND).await;
        assert_eq!(server.look(&id).await.1, 1, "it soaks");
        server.run_after(SECOND).await;
        let second = (CampaignState::Running, 2, vec![(Pending, 4), (UnderWay, 5)]);
        assert_eq!(server.look(&id).await, second, "as many as may be under way");

        server.run_after(HOUR).await;
        let stopped = (CampaignState::Stopped, 2, vec![(Pending, 4), (Expired, 5)]);
        assert_eq!(server.look(&id).await, stopped);
        let why = server.eim().store.campaign(&id).await.unwrap().unwrap().campaign.reason.unwrap();
        assert_eq!(why, "5 of 9 targets of wave 2 failed, more than 20%");
        let again = resume(server.eim(), &id, None, &person()).await;
        assert!(matches!(again, Err(CampaignError::StopsAgain(_))), "{again:?}");
        resume(server.eim(), &id, Some(1000), &person()).await.unwrap();
        server.run_after(SECOND).await;
        assert_eq!(server.look(&id).await.2, [(UnderWay, 4), (Expired, 5)]);
        server.run_after(HOUR).await;
        assert_eq!(server.look(&id).await, (CampaignState::Done, 2, vec![(Expired, 9)]));
        assert_eq!(server.operations().await, 10, "one for each that was not refused");
        let over = resume(server.eim(), &id, None, &person()).await;
        assert!(matches!(over, Err(CampaignError::State { state: CampaignState::Done, .. })), "{over:?}");
    });
}

fn what_was_begun_before_a_death_is_not_begun_again() {
    block_on(async {
        let world = World::new().await;
        let eids = silent(&world, 4).await;
        let (dying, other) = (Server::of(&world, 78), Server::of(&world, 79));
        let pace = Pace { shares: vec![1000], per_hour: 1_000_000, ..pace() };
        let id = create_campaign(dying.eim(), &audit_of(eids, pace), &person()).await.unwrap();
        dying.clock.advance(SECOND);
        let Turn::Begin(held, targets) = turn(dying.eim(), &id).await.unwrap() else { panic!("it begins") };
        assert_eq!(targets.len(), 4);
        other.run_after(SECOND).await;
        assert_eq!(other.operations().await, 0, "another server leaves it alone while it is held");
        for target in &targets[..2] {
            begin(dying.eim(), &held, target, None).await.unwrap().unwrap();
        }
        // It dies here: two operations are made, and no target is noted.
        drop(dying);
        other.run_after(60 * SECOND).await;
        let all = other.look(&id).await;
        assert_eq!(all, (CampaignState::Running, 1, vec![(TargetState::UnderWay, 4)]));
        assert_eq!(other.operations().await, 4, "none is begun twice");
        let report = report_campaign(other.eim(), &id).await.unwrap().unwrap();
        assert!(report.targets.iter().all(|target| target.operations.len() == 1));
    });
}

fn a_campaign_is_paused_and_goes_on() {
    block_on(async {
        let world = World::new().await;
        let eids = silent(&world, 3).await;
        let server = Server::of(&world, 78);
        let pace = Pace { shares: vec![1000], ..pace() };
        let id = create_campaign(server.eim(), &audit_of(eids, pace), &person()).await.unwrap();
        server.run_after(Duration::ZERO).await;
        pause(server.eim(), &id, &person()).await.unwrap();
        server.run_after(10 * SECOND).await;
        let standing = vec![(TargetState::Pending, 2), (TargetState::UnderWay, 1)];
        assert_eq!(server.look(&id).await, (CampaignState::Paused, 1, standing));
        let twice = pause(server.eim(), &id, &person()).await;
        assert!(matches!(twice, Err(CampaignError::State { .. })), "{twice:?}");
        resume(server.eim(), &id, None, &person()).await.unwrap();
        server.run_after(SECOND).await;
        assert_eq!(server.look(&id).await.2, [(TargetState::UnderWay, 3)]);
    });
}

fn a_campaign_is_cancelled_with_what_has_not_left() {
    block_on(async {
        let world = World::new().await;
        let mut eids = vec![eid()];
        eids.extend(silent(&world, 4).await);
        let server = Server::of(&world, 78);
        let pace = Pace { shares: vec![1000], per_hour: 7200, ..pace() };
        let mut new = audit_of(eids, pace);
        new.task.kind = OperationKind::Download;
        for target in &mut new.targets {
            target.activation_code = Some(code());
        }
        let id = create_campaign(server.eim(), &new, &person()).await.unwrap();
        server.run_after(SECOND).await;
        // The device of the first one has the trigger.
        world.clock.advance(SECOND);
        world.poll().await.unwrap();
        // One more is begun, and whoever did it dies before it is noted.
        server.clock.advance(SECOND);
        let Turn::Begin(held, targets) = turn(server.eim(), &id).await.unwrap() else { panic!("it begins") };
        begin(server.eim(), &held, &targets[0], None).await.unwrap().unwrap();
        cancel(server.eim(), &id, &person()).await.unwrap();
        server.run_after(60 * SECOND).await;
        let (state, _, counts) = server.look(&id).await;
        assert_eq!(state, CampaignState::Cancelling, "a device has its package");
        let expected = [(TargetState::UnderWay, 1), (TargetState::Cancelled, 3), (TargetState::LeftOut, 1)];
        assert_eq!(counts, expected);
        world.download(2).await;
        world.turn().await;
        server.run_after(SECOND).await;
        let (state, _, counts) = server.look(&id).await;
        assert_eq!((state, counts[0]), (CampaignState::Cancelled, (TargetState::Done, 1)), "{counts:?}");
        let report = report_campaign(server.eim(), &id).await.unwrap().unwrap();
        assert_eq!((report.counts["left_out"], report.counts["cancelled"]), (1, 3));
        assert_eq!(server.operations().await, 4);
    });
}

fn a_report_of_a_campaign_is_checked() {
    block_on(async {
        let world = World::new().await;
        let mut eids = vec![eid(), other(999)];
        eids.extend(silent(&world, 2).await);
        let server = Server::of(&world, 78);
        let pace = Pace { shares: vec![1000], per_hour: 1_000_000, failure_budget: 1000, ..pace() };
        let new = audit_of(eids.clone(), pace);
        let id = create_campaign(server.eim(), &new, &person()).await.unwrap();
        server.run_after(SECOND).await;
        world.clock.advance(SECOND);
        world.turn().await;
        server.run_after(HOUR).await;
        let claimed = report_campaign(server.eim(), &id).await.unwrap().unwrap();
        let mut written = Vec::new();
        assert_eq!(write_report(server.eim(), &claimed, &mut written).await.unwrap(), 3);
        let report = Report::read(&written).unwrap();
        assert_eq!(contradictions(&report, Some(&eids)), []);
        let anchors = Anchors::of_cis(vec![PKI.ci.certificate.clone()]).unwrap();
        let verified = verify(&report, &anchors, &[], NOW);
        assert_eq!(verified.iter().filter(|one| one.verdict == Verdict::Proven).count(), 1);
        assert!(verified.iter().all(|one| matches!(one.verdict, Verdict::Proven | Verdict::Consistent)));

        let mut forged = report.clone();
        forged.campaign.as_mut().unwrap().counts.insert("done".to_owned(), 3);
        assert_eq!(contradictions(&forged, None).len(), 1, "a count");
        let mut forged = report.clone();
        let gone = forged.campaign.as_mut().unwrap().targets.remove(2);
        forged.operations.retain(|operation| operation.eid != gone.eid);
        assert!(!contradictions(&forged, Some(&eids)).is_empty(), "a target that is missing");
        let mut forged = report.clone();
        forged.operations.iter_mut().for_each(|operation| operation.state = "done".to_owned());
        assert_eq!(contradictions(&forged, None).len(), 2, "operations that are others");
        let unproven = verify(&forged, &anchors, &[], NOW);
        assert_eq!(unproven.iter().filter(|one| one.verdict == Verdict::Proven).count(), 1);
        let mut forged = report;
        let result = forged.operations[0].packages[0].result.as_mut().unwrap();
        let digit = result.pop().unwrap();
        result.push(if digit == '0' { '1' } else { '0' });
        assert!(matches!(verify(&forged, &anchors, &[], NOW)[0].verdict, Verdict::Refused(_)), "a result");
    });
}

fn who_failed_is_asked_once_more_in_one_more_wave() {
    block_on(async {
        use TargetState::{Done, Expired, UnderWay};
        let world = World::new().await;
        let mut eids = vec![eid()];
        eids.extend(silent(&world, 4).await);
        let server = Server::of(&world, 78);
        let pace = Pace { shares: vec![1000], per_hour: 1_000_000, at_most: 10, ..pace() };
        let id = create_campaign(server.eim(), &audit_of(eids.clone(), pace), &person()).await.unwrap();
        let only = |eids: &[Eid]| Retry {
            targets: Some(eids.iter().cloned().map(TargetRow::of).collect()),
            ..Retry::failed()
        };
        let early = retry(server.eim(), &id, &Retry::failed(), &person()).await;
        assert!(matches!(early, Err(CampaignError::NothingToRetry)), "{early:?}");
        server.run_after(SECOND).await;
        server.run_after(HOUR).await;
        assert_eq!(server.look(&id).await, (CampaignState::Stopped, 1, vec![(Expired, 5)]));

        // Two of five are asked once more: three of three that are left failed, and it stays stopped.
        let retried = retry(server.eim(), &id, &only(&eids[..2]), &person()).await.unwrap();
        assert_eq!(retried, Retried { targets: 2, wave: 2, state: CampaignState::Stopped });
        let again = retry(server.eim(), &id, &only(&eids[..2]), &person()).await;
        assert!(matches!(again, Err(CampaignError::NothingToRetry)), "{again:?}");
        let stopped = resume(server.eim(), &id, None, &person()).await;
        assert!(matches!(stopped, Err(CampaignError::StopsAgain(_))), "{stopped:?}");
        resume(server.eim(), &id, Some(1000), &person()).await.unwrap();
        server.run_after(SECOND).await;
        server.run_after(60 * SECOND).await;
        assert_eq!(server.look(&id).await, (CampaignState::Running, 2, vec![(UnderWay, 2)]));
        world.clock.advance(HOUR + 62 * SECOND);
        world.turn().await;
        server.run_after(HOUR).await;
        assert_eq!(server.look(&id).await, (CampaignState::Done, 2, vec![(Done, 1), (Expired, 1)]));
        assert_eq!(server.operations().await, 7);

        // One that is done goes on; operations of every attempt stand in the report.
        let retried = retry(server.eim(), &id, &only(&eids[1..2]), &person()).await.unwrap();
        assert_eq!((retried.wave, retried.state), (3, CampaignState::Running));
        server.run_after(SECOND).await;
        server.run_after(HOUR).await;
        assert_eq!(server.look(&id).await, (CampaignState::Done, 3, vec![(Expired, 1)]));
        let claimed = report_campaign(server.eim(), &id).await.unwrap().unwrap();
        let asked: Vec<usize> = claimed.targets.iter().map(|target| target.operations.len()).collect();
        assert_eq!((asked, claimed.waves.as_slice()), (vec![2, 3, 1, 1, 1], [3, 1, 1].as_slice()));
        let mut written = Vec::new();
        assert_eq!(write_report(server.eim(), &claimed, &mut written).await.unwrap(), 8);
        assert_eq!(contradictions(&Report::read(&written).unwrap(), Some(&eids)), []);

        let twice = retry(server.eim(), &id, &only(&[eid(), eid()]), &person()).await;
        assert!(matches!(twice, Err(CampaignError::TargetTwice(_))), "{twice:?}");
        let stranger = retry(server.eim(), &id, &only(&[other(999)]), &person()).await;
        assert!(matches!(stranger, Err(CampaignError::NoTarget(_))), "{stranger:?}");
        let refused = Retry { states: vec![TargetState::Refused], targets: None };
        let nobody = retry(server.eim(), &id, &refused, &person()).await;
        assert!(matches!(nobody, Err(CampaignError::NothingToRetry)), "{nobody:?}");
    });
}

fn a_switch_is_asked_once_more_without_another_download() {
    block_on(async {
        let world = World::new().await;
        let server = Server::of(&world, 78);
        let pace = Pace { shares: vec![1000], failure_budget: 1000, validity: None, ..pace() };
        let mut new = audit_of(vec![eid()], pace);
        new.task.kind = OperationKind::Switch;
        new.task.rollback = Rollback::Granted;
        new.targets[0].activation_code = Some(code());
        let id = create_campaign(server.eim(), &new, &person()).await.unwrap();
        server.run_after(SECOND).await;
        world.clock.advance(SECOND);
        world.turn().await;
        world.download(2).await;
        world.turn().await;
        let package = world.package().await;
        let rollback = [EuiccResultData::Rollback(RollbackProfileResult::Ok)];
        let result = world.card.lock().unwrap().say(&package, &rollback);
        world.answer(EimPackageResult::EuiccPackageResult(result)).await.unwrap();
        server.run_after(SECOND).await;
        assert_eq!(server.look(&id).await.2, [(TargetState::RolledBack, 1)]);

        retry(server.eim(), &id, &Retry::failed(), &person()).await.unwrap();
        server.run_after(SECOND).await;
        let target = server.eim().store.campaign_targets(&id, None, 0, 10).await.unwrap().remove(0);
        assert_eq!((target.attempt, target.target.iccid.as_ref()), (2, Some(&iccid(2))));
        let made = world.operation(&target.operation_id.unwrap()).await;
        assert!(matches!(made.task, Task::Switch { to: SwitchTarget::Installed(to), .. } if to == iccid(2)));

        // A download that failed leaves nothing to switch to: its code was used.
        let mut new =
            audit_of(vec![other(0)], Pace { shares: vec![1000], failure_budget: 1000, ..self::pace() });
        silent(&world, 1).await;
        new.task.kind = OperationKind::Download;
        new.targets[0].activation_code = Some(code());
        let id = create_campaign(server.eim(), &new, &person()).await.unwrap();
        server.run_after(SECOND).await;
        server.run_after(HOUR).await;
        let used = retry(server.eim(), &id, &Retry::failed(), &person()).await.unwrap_err().to_string();
        assert!(used.contains("its activation_code was used"), "{used}");
        let mut row = TargetRow::of(other(0));
        row.activation_code = Some(code());
        let wanted = Retry { targets: Some(vec![row]), ..Retry::failed() };
        retry(server.eim(), &id, &wanted, &person()).await.unwrap();
        server.run_after(SECOND).await;
        assert_eq!(server.look(&id).await.2, [(TargetState::UnderWay, 1)]);
        cancel(server.eim(), &id, &person()).await.unwrap();
        let ended = retry(server.eim(), &id, &wanted, &person()).await;
        assert!(matches!(ended, Err(CampaignError::State { .. })), "{ended:?}");
    });
}

fn what_is_no_campaign_is_told() {
    block_on(async {
        let world = World::new().await;
        let server = Server::of(&world, 78);
        let with = |change: &dyn Fn(&mut NewCampaign)| {
            let mut new = audit_of(vec![eid()], pace());
            change(&mut new);
            new
        };
        for (new, says) in [
            (with(&|it| it.targets.clear()), "has no targets"),
            (with(&|it| it.targets.push(TargetRow::of(eid()))), "is a target twice"),
            (with(&|it| it.pace.per_hour = 0), "rate: expected"),
            (with(&|it| it.targets[0].iccid = Some(iccid(1))), "nothing is asked of one"),
            (with(&|it| it.task.kind = OperationKind::Enable), "iccid is missing"),
            (with(&|it| it.task.kind = OperationKind::Download), "it has no activation_code"),
            (with(&|it| it.task.kind = OperationKind::Configure), "does not ask this"),
            (with(&|it| it.targets[0].activation_code = Some(code())), "nothing is downloaded"),
        ] {
            let refused = create_campaign(server.eim(), &new, &person()).await.unwrap_err().to_string();
            assert!(refused.contains(says), "{says}: {refused}");
        }
        let nobody = CampaignId::parse(&"0".repeat(32)).unwrap();
        assert!(matches!(cancel(server.eim(), &nobody, &person()).await, Err(CampaignError::Unknown(_))));
        assert_eq!(server.eim().store.campaigns(None, 10).await.unwrap(), []);
    });
}
