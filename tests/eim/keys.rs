//! The keys that sign packages: eUICCs are told of the next one under the one that they know.

use std::sync::Arc;

use simyard::crypto::ecdsa::{Curve, SigningKey};
use simyard::domain::Task;
use simyard::eim::get_eim_package::GetEimPackageError;
use simyard::eim::keys::{EimKeys, RotateError, Rotated, key_digest, rotate};
use simyard::eim::report::{Verdict, report, verify};
use simyard::pki::Anchors;
use simyard_asn1::iot::data::IpaEuiccDataResponse;
use simyard_asn1::iot::esipa::{EimPackage, EimPackageResult};
use simyard_asn1::iot::package::EuiccPackageRequest;
use simyard_asn1::iot::result::{
    EuiccPackageErrorUnsigned, EuiccPackageResult, EuiccResultData, UpdateEimResult,
};
use simyard_asn1::iot::signed_bytes;
use simyard_asn1::{Decode as _, Encode as _};

use super::world::{EIM_ID, TOKEN, World, eid, person, transaction_of};
use crate::harness::block_on;
use crate::server::{NOW, PKI};

crate::tests!(
    an_euicc_goes_on_under_its_old_key_until_it_signed_that_it_has_the_new_one,
    an_euicc_that_has_the_new_key_already_is_asked_for_what_it_kept,
    an_euicc_that_refuses_the_new_key_stays_with_the_old_one,
    a_key_that_the_settings_do_not_have_signs_nothing,
    a_report_across_a_rotation_is_checked_with_both_keys,
);

fn old() -> Arc<SigningKey> {
    Arc::new(PKI.eim_sign.key.signing_key().unwrap())
}

fn new() -> Arc<SigningKey> {
    Arc::new(SigningKey::from_scalar(Curve::P256, &[7; 32]).unwrap())
}

fn digest(key: &SigningKey) -> String {
    key_digest(key.public_key())
}

/// A world whose settings name a next key.
async fn world() -> World {
    let mut world = World::new().await;
    world.eim.keys = EimKeys::new(old(), [new()]);
    world
}

fn is_under(package: &[u8], key: &SigningKey) -> bool {
    let request = EuiccPackageRequest::from_der(package).unwrap();
    let message = signed_bytes(request.euicc_package_signed.bytes, Some(TOKEN));
    key.public_key().verify(&message, request.eim_signature.try_into().unwrap()).is_ok()
}

async fn known(world: &World) -> Option<String> {
    world.eim.store.eim_euicc(&eid()).await.unwrap().unwrap().signing_key
}

async fn told(world: &World) -> simyard::domain::OperationId {
    match rotate(&world.eim, &eid(), &digest(&new()), &person()).await.unwrap() {
        Rotated::Asked(id) => id,
        other => panic!("{other:?}"),
    }
}

const TAKEN: EuiccResultData<'_> = EuiccResultData::UpdateEim(UpdateEimResult::Ok);

fn an_euicc_goes_on_under_its_old_key_until_it_signed_that_it_has_the_new_one() {
    block_on(async {
        let world = world().await;
        let id = told(&world).await;
        let again = rotate(&world.eim, &eid(), &digest(&new()), &person()).await.unwrap();
        assert_eq!(again, Rotated::UnderWay(id));
        // The first key may be another one in the settings of tomorrow.
        assert_eq!(known(&world).await, Some(digest(&old())));
        let package = world.package().await;
        assert!(is_under(&package, &old()) && !is_under(&package, &new()));
        assert_eq!(world.package().await, package, "the same octets until the result came");
        let audit = world.ask(Task::Audit).await;
        world.turn_saying(&[TAKEN]).await;
        assert_eq!((world.state(&id).await, known(&world).await), ("done", Some(digest(&new()))));
        let package = world.package().await;
        assert!(is_under(&package, &new()) && !is_under(&package, &old()));
        assert_eq!(world.state(&audit).await, "checking");
        let again = rotate(&world.eim, &eid(), &digest(&new()), &person()).await.unwrap();
        assert_eq!(again, Rotated::Known);
        assert_eq!(world.eim.store.count_signing_keys().await.unwrap(), [(Some(digest(&new())), 1)]);
        let unknown = rotate(&world.eim, &eid(), "00", &person()).await;
        assert!(matches!(unknown, Err(RotateError::UnknownKey)));
    });
}

fn an_euicc_that_has_the_new_key_already_is_asked_for_what_it_kept() {
    block_on(async {
        let world = world().await;
        let id = told(&world).await;
        let package = world.package().await;
        // The result is lost on the way, and the package is executed again: it is under a key that the eUICC forgot.
        let kept = world.card.lock().unwrap().say(&package, &[TAKEN]);
        let error = EuiccPackageResult::ErrorUnsigned(EuiccPackageErrorUnsigned {
            eim_id: EIM_ID,
            eim_transaction_id: transaction_of(&EimPackage::EuiccPackageRequest(package)),
            association_token: Some(TOKEN),
            code: None,
        });
        world.answer(EimPackageResult::EuiccPackageResult(error.to_der())).await.unwrap();
        assert_eq!((world.state(&id).await, known(&world).await), ("acting", Some(digest(&old()))));
        let asked = world.poll().await.unwrap();
        assert!(matches!(asked, EimPackage::IpaEuiccDataRequest(_)));
        let data = simyard_asn1::iot::data::IpaEuiccData {
            euicc_package_results: Some(vec![&kept]),
            eim_transaction_id: transaction_of(&asked),
            ..Default::default()
        };
        let response = IpaEuiccDataResponse::Data(Box::new(data)).to_der();
        world.answer(EimPackageResult::IpaEuiccDataResponse(response)).await.unwrap();
        assert_eq!((world.state(&id).await, known(&world).await), ("done", Some(digest(&new()))));
        assert!(world.is_idle().await);
    });
}

fn an_euicc_that_refuses_the_new_key_stays_with_the_old_one() {
    block_on(async {
        let world = world().await;
        let id = told(&world).await;
        world.turn_saying(&[EuiccResultData::UpdateEim(UpdateEimResult::CommandError)]).await;
        assert_eq!((world.state(&id).await, known(&world).await), ("failed", Some(digest(&old()))));
        // It can be told anew.
        told(&world).await;
        assert!(is_under(&world.package().await, &old()));
    });
}

fn a_key_that_the_settings_do_not_have_signs_nothing() {
    block_on(async {
        let mut world = world().await;
        told(&world).await;
        world.turn_saying(&[TAKEN]).await;
        world.eim.keys = EimKeys::new(old(), []);
        let id = world.ask(Task::Audit).await;
        assert!(matches!(world.poll().await, Err(GetEimPackageError::KeyMissing)));
        // Once the new key is the first one, all is well.
        world.eim.keys = EimKeys::new(new(), [old()]);
        assert!(is_under(&world.package().await, &new()));
        assert_eq!(world.state(&id).await, "checking");
    });
}

fn a_report_across_a_rotation_is_checked_with_both_keys() {
    block_on(async {
        let world = world().await;
        let before = world.ask(Task::Audit).await;
        world.turn().await;
        let rotation = told(&world).await;
        world.turn_saying(&[TAKEN]).await;
        world.card.lock().unwrap().eim_key = *new().public_key();
        let after = world.ask(Task::Audit).await;
        world.turn().await;
        let report = report(&world.eim, &[before, rotation, after]).await.unwrap();
        assert_eq!(report.eim_keys, [digest(&old()), digest(&new())]);
        let anchors = Anchors::of_cis(vec![PKI.ci.certificate.clone()]).unwrap();
        let (old, new) = (old(), new());
        let checked = verify(&report, &anchors, &[*old.public_key(), *new.public_key()], NOW);
        assert!(checked.iter().all(|one| one.verdict == Verdict::Proven), "{checked:?}");
        let under: Vec<&[String]> = checked.iter().map(|one| one.eim_keys.as_slice()).collect();
        assert_eq!(under, [[digest(&old)], [digest(&old)], [digest(&new)]]);
        for (key, refused) in [(&old, [false, false, true]), (&new, [true, true, false])] {
            let checked = verify(&report, &anchors, &[*key.public_key()], NOW);
            let are: Vec<bool> = checked
                .iter()
                .map(|one| matches!(&one.verdict, Verdict::Refused(why) if why.contains("is not the eIM's")))
                .collect();
            assert_eq!(are, refused);
        }
        // Without a key from elsewhere, what the report says of keys is believed no more than the rest.
        let unchecked = verify(&report, &anchors, &[], NOW);
        assert!(unchecked.iter().all(|one| one.eim_keys.is_empty() && one.verdict == Verdict::Proven));
    });
}
