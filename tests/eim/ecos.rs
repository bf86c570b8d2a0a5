//! eCOs: eIMs added, changed and deleted, and eUICCs that go over to another eIM.

use simyard::domain::{OperationId, Task};
use simyard::eim::ecos::{add_eim, delete_eim, list_eims, moved, update_eim, update_key};
use simyard::eim::operations::{CreateOperationError, OperationRequest};
use simyard::pki::public_key::to_subject_public_key_info;
use simyard_asn1::iot::Implicit;
use simyard_asn1::iot::configuration::{AddEimCode, EimConfigurationData, EimPublicKey};
use simyard_asn1::iot::package::{Eco, EuiccPackage, EuiccPackageRequest};
use simyard_asn1::iot::result::{AddEimResult, DeleteEimResult, EimIdInfo, EuiccResultData, UpdateEimResult};
use simyard_asn1::{Decode as _, Encode as _};

use super::world::{EIM_ID, World, eid};
use crate::harness::block_on;
use crate::server::PKI;

crate::tests!(
    an_euicc_goes_over_once_it_signed_that_it_has_the_other_eim,
    an_euicc_that_does_not_add_the_other_eim_stays,
    an_euicc_that_has_another_eim_already_goes_over,
    nobody_has_an_euicc_delete_this_eim_or_change_its_key,
    a_counter_that_is_raised_is_followed,
);

/// What another eIM says of itself.
pub fn configuration(eim_id: &str, counter: Option<i64>) -> Vec<u8> {
    let key = to_subject_public_key_info(PKI.eim_sign.key.signing_key().unwrap().public_key());
    EimConfigurationData {
        eim_id,
        counter_value: counter,
        association_token: Some(-1),
        eim_public_key_data: Some(EimPublicKey::Spki(Implicit::from_der(&key).unwrap())),
        ..EimConfigurationData::default()
    }
    .to_der()
}

fn ecos(package: &[u8]) -> String {
    let request = EuiccPackageRequest::from_der(package).unwrap();
    let EuiccPackage::Eco(ecos) = &request.euicc_package_signed.value.operations else { panic!("eCOs") };
    let shown = |eco: &Eco<'_>| match eco {
        Eco::AddEim(data) => format!("addEim {}", data.eim_id),
        Eco::DeleteEim { eim_id } => format!("deleteEim {eim_id}"),
        other => other.name().to_owned(),
    };
    ecos.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// The operations of the eUICC that have no end yet.
async fn under_way(world: &World) -> Vec<(OperationId, String)> {
    let all = world.eim.store.operations_under_way(&eid()).await.unwrap();
    all.into_iter().map(|kept| (kept.operation.operation_id, kept.creator)).collect()
}

async fn moving(world: &World) -> OperationId {
    let commands = add_eim(&configuration("other.example.com", Some(4))).unwrap();
    world.ask(Task::Move { commands }).await
}

fn an_euicc_goes_over_once_it_signed_that_it_has_the_other_eim() {
    block_on(async {
        let world = World::new().await;
        let id = moving(&world).await;
        assert_eq!(ecos(&world.package().await), "addEim other.example.com");
        // What was asked before is done before it leaves.
        let audit = world.ask(Task::Audit).await;
        let token = EuiccResultData::AddEim(AddEimResult::AssociationToken(9));
        world.turn_saying(&[token]).await;
        assert_eq!(world.state(&id).await, "done");
        world.turn().await;
        assert_eq!(world.state(&audit).await, "done");
        assert_eq!(ecos(&world.package().await), format!("deleteEim {EIM_ID}"));
        let leaving = under_way(&world).await;
        let [(leaves, creator)] = leaving.as_slice() else { panic!("{leaving:?}") };
        assert_eq!(*creator, format!("move:{id}"));
        let (found, _) = moved(&world.eim, None, 100).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].association_token, found[0].counter, found[0].left_at), (Some(9), 4, None));
        // What is asked now could never be done.
        let late = world.ask(Task::Audit).await;
        world.turn_saying(&[EuiccResultData::DeleteEim(DeleteEimResult::Ok)]).await;
        assert_eq!((world.state(leaves).await, world.state(&late).await), ("done", "cancelled"));
        assert!(world.is_idle().await && under_way(&world).await.is_empty());
        let refused = world.request(OperationRequest::new(Task::Audit)).await;
        assert!(matches!(refused, Err(CreateOperationError::Left(..))));
        let (found, next) = moved(&world.eim, None, 100).await.unwrap();
        assert_eq!((found[0].eim_id.as_str(), next), ("other.example.com", None));
        assert_eq!(found[0].left_at, Some(world.clock.now()));
        // It comes back when it is associated anew.
        let euicc = world.eim.store.eim_euicc(&eid()).await.unwrap().unwrap();
        world.eim.store.associate(&[euicc.association], world.clock.now()).await.unwrap();
        world.ask(Task::Audit).await;
    });
}

fn an_euicc_that_does_not_add_the_other_eim_stays() {
    block_on(async {
        let world = World::new().await;
        for code in [AddEimCode::InsufficientMemory, AddEimCode::AssociatedEimAlreadyExists] {
            let id = moving(&world).await;
            world.turn_saying(&[EuiccResultData::AddEim(AddEimResult::Code(code))]).await;
            assert_eq!(world.state(&id).await, "failed");
            assert!(world.is_idle().await, "this eIM is not deleted");
        }
        assert!(moved(&world.eim, None, 100).await.unwrap().0.is_empty());
        for wrong in [configuration("other.example.com", None), vec![0x30, 0x00], Vec::new()] {
            assert!(add_eim(&wrong).is_err(), "{wrong:02X?}");
        }
    });
}

fn an_euicc_that_has_another_eim_already_goes_over() {
    block_on(async {
        let world = World::new().await;
        let eim = |eim_id| EimIdInfo { eim_id, eim_id_type: None };
        let id = world.ask(Task::Move { commands: list_eims() }).await;
        world.turn_saying(&[EuiccResultData::ListEim(Ok(vec![eim(EIM_ID)]))]).await;
        let reason = world.operation(&id).await.state.reason().unwrap().detail.clone();
        assert_eq!(reason, "listEim: the eUICC has no other eIM");
        assert!(world.is_idle().await);
        let id = world.ask(Task::Move { commands: list_eims() }).await;
        world.turn_saying(&[EuiccResultData::ListEim(Ok(vec![eim(EIM_ID), eim("other.example.com")]))]).await;
        assert_eq!(world.state(&id).await, "done");
        assert_eq!(ecos(&world.package().await), format!("deleteEim {EIM_ID}"));
    });
}

fn nobody_has_an_euicc_delete_this_eim_or_change_its_key() {
    block_on(async {
        let world = World::new().await;
        let key = to_subject_public_key_info(PKI.eim_sign.key.signing_key().unwrap().public_key());
        for commands in [
            delete_eim(EIM_ID),
            update_key(EIM_ID, &key).unwrap(),
            update_eim(&configuration(EIM_ID, Some(1))).unwrap(),
        ] {
            let refused = world.request(OperationRequest::new(Task::Configure { commands })).await;
            assert!(matches!(refused, Err(CreateOperationError::OwnEim(_))));
        }
        let others = delete_eim("other.example.com");
        let id = world.ask(Task::Configure { commands: others }).await;
        world.turn_saying(&[EuiccResultData::DeleteEim(DeleteEimResult::EimNotFound)]).await;
        assert_eq!(world.state(&id).await, "failed");
    });
}

fn a_counter_that_is_raised_is_followed() {
    block_on(async {
        let world = World::new().await;
        for (counter, last) in [(500, 500), (3, 501)] {
            let data = EimConfigurationData {
                eim_id: EIM_ID,
                counter_value: Some(counter),
                ..EimConfigurationData::default()
            };
            let commands = update_eim(&data.to_der()).unwrap();
            let id = world.ask(Task::Configure { commands }).await;
            world.turn_saying(&[EuiccResultData::UpdateEim(UpdateEimResult::Ok)]).await;
            assert_eq!(world.state(&id).await, "done");
            let euicc = world.eim.store.eim_euicc(&eid()).await.unwrap().unwrap();
            assert_eq!(euicc.association.counter, last);
        }
    });
}
