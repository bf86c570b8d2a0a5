//! Notifications that devices bring to the eIM: whose they are, what becomes of them, and what a download's result changes.

use simyard::domain::ProfileEvent;
use simyard::eim::caller::DeviceCaller;
use simyard::eim::forward::{Bringer, Taken, take};
use simyard::eim::handle_notification::{HandleNotificationError, handle_notification};
use simyard::store::{FORWARDED_OF_EUICC_MAX, Forwarded, ForwardedSelection};
use simyard_asn1::iot::compact::SIMA_RESPONSE_OK;
use simyard_asn1::iot::esipa::HandleNotification;
use simyard_asn1::rsp::notification::{FinalResult, NotificationMetadata, ProfileInstallationResultData};
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::{Encode as _, Oid, Tag};

use super::relayed::{World, device, member, other_eid};
use crate::server::euicc::{SMDP_OID, flipped, nested, tlv};
use crate::server::{ADDRESS, BETA, Euicc, Ordered, PKI};

crate::tests!(
    the_result_of_a_relayed_download_goes_to_its_server_and_to_its_operation,
    a_result_that_tells_of_failure_ends_the_download,
    a_profile_that_an_earlier_session_installed_is_installed,
    a_compact_result_is_made_whole,
    a_compact_notification_gets_the_certificates_that_are_known,
    what_the_euicc_signed_is_taken_from_anybody,
    what_does_not_verify_is_refused_and_kept_for_people,
    a_device_brings_its_own_alone,
    what_nobody_can_verify_is_taken_from_a_device_with_a_certificate,
    what_comes_with_a_signed_result_is_its_euiccs,
    an_euicc_whose_receivers_are_away_keeps_the_next,
);

fn bring(world: &World, caller: &DeviceCaller, notification: &[u8]) -> Result<(), HandleNotificationError> {
    let request = HandleNotification::PendingNotification(notification.to_vec());
    world.run(handle_notification(&world.eim, caller, &request))
}

fn kept(world: &World) -> Vec<Forwarded> {
    let selection = ForwardedSelection::default();
    world.run(world.eim.store.forwarded_notifications(&selection, 0, 1000, true)).unwrap()
}

/// Why notifications were refused, the newest first.
fn refused(world: &World) -> Vec<String> {
    let all = world.run(world.eim.store.refused_notifications(0, 1000)).unwrap();
    all.into_iter().map(|refused| refused.reason).collect()
}

/// A package that was handed to the device.
fn handed_over(world: &World, number: u8) -> (Ordered, Vec<u8>) {
    let (order, offer) = world.offered(number);
    let id = offer.transaction_id.clone().unwrap();
    world.package(&id, world.preparation(&offer, None)).unwrap();
    (order, id)
}

/// A result as an eUICC makes it, with the AID of a real ISD-P.
fn result(world: &World, order: &Ordered, id: &[u8], smdp_oid: Option<&str>) -> Vec<u8> {
    let iccid = order.iccid.to_bcd();
    let mut aid = vec![0xA0, 0, 0, 5, 0x59, 0x10, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x89, 0];
    aid.extend([0x12, 0x34, 0]);
    let data = ProfileInstallationResultData {
        transaction_id: id,
        notification_metadata: NotificationMetadata {
            seq_number: 5,
            operation: NamedBits::bit(0),
            address: ADDRESS,
            iccid: Some(&iccid),
        },
        smdp_oid: smdp_oid.map(|oid| Oid::parse(oid).unwrap()),
        final_result: FinalResult::Success { aid: &aid, sima_response: &SIMA_RESPONSE_OK },
    }
    .to_der();
    let signature = world.euicc.key.sign(&data).unwrap();
    nested(Tag(0xBF37), &[&data, &tlv(Tag(0x5F37), &signature)])
}

fn the_result_of_a_relayed_download_goes_to_its_server_and_to_its_operation() {
    let world = World::new();
    let (order, id) = handed_over(&world, 1);
    let notification = world.euicc.result(&id, &order.iccid, 3, None);
    for _ in 0..2 {
        bring(&world, &world.device(), &notification).unwrap();
    }
    let [row] = kept(&world).try_into().unwrap();
    assert_eq!((&row.raw, &row.eid, row.seq_number), (&notification, &world.euicc.eid, 3));
    assert_eq!((row.address.as_str(), row.event, row.repetitions), (ADDRESS, ProfileEvent::Install, 1));
    assert_eq!(row.iccid, Some(order.iccid));
    assert_eq!(world.state(1), "downloaded", "its list decides");
    assert_eq!(refused(&world), Vec::<String>::new());
}

fn a_result_that_tells_of_failure_ends_the_download() {
    let world = World::new();
    let (order, id) = handed_over(&world, 1);
    // peProcessingError: it will not go better another time.
    let notification = world.euicc.result(&id, &order.iccid, 3, Some(12));
    bring(&world, &world.device(), &notification).unwrap();
    assert!(world.state(1).contains("installFailedDueToPEProcessingError (12)"), "{}", world.state(1));
    assert_eq!(kept(&world).len(), 1);
}

fn a_profile_that_an_earlier_session_installed_is_installed() {
    let world = World::new();
    let (order, id) = handed_over(&world, 1);
    // installFailedDueToIccidAlreadyExistsOnEuicc: the result of the first session has not come yet.
    bring(&world, &world.device(), &world.euicc.result(&id, &order.iccid, 4, Some(9))).unwrap();
    assert_eq!(world.state(1), "downloaded", "its list decides");
    bring(&world, &world.device(), &world.euicc.result(&id, &order.iccid, 3, None)).unwrap();
    assert_eq!(world.state(1), "downloaded");
    assert_eq!(kept(&world).len(), 2);
}

fn a_compact_result_is_made_whole() {
    // With the OID in what is signed, and without, as some eUICCs have it.
    for smdp_oid in [Some(SMDP_OID), None] {
        let world = World::new();
        let (order, id) = handed_over(&world, 1);
        let whole = result(&world, &order, &id, smdp_oid);
        let signature = member(&whole, Tag(0x5F37));
        let aid = nested(Tag(0xA0), &[&tlv(Tag(0x4F), &[0x12, 0x34])]);
        let data =
            nested(Tag(0xA0), &[&tlv(Tag(0x80), &id), &tlv(Tag::INTEGER, &[5]), &nested(Tag(0xA2), &[&aid])]);
        let compact = nested(Tag(0xA0), &[&data, &signature]);
        assert!(compact.len() < whole.len());
        bring(&world, &world.device(), &compact).unwrap();
        assert_eq!(refused(&world), Vec::<String>::new());
        let [row] = kept(&world).try_into().unwrap();
        assert_eq!(row.raw, whole);
        assert_eq!(world.state(1), "downloaded");

        // One of a transaction that nobody relayed cannot be made whole.
        let unknown = nested(
            Tag(0xA0),
            &[
                &nested(
                    Tag(0xA0),
                    &[&tlv(Tag(0x80), &[9; 16]), &tlv(Tag::INTEGER, &[6]), &nested(Tag(0xA2), &[&aid])],
                ),
                &signature,
            ],
        );
        bring(&world, &world.device(), &unknown).unwrap();
        assert_eq!(refused(&world), ["a compact one, and its eUICC is not known"]);
        // Nor one whose signature is over something else.
        let bent = nested(Tag(0xA0), &[&data, &flipped(&signature, 40)]);
        bring(&world, &world.device(), &bent).unwrap();
        assert_eq!(refused(&world)[0], "its signature does not verify");
        assert_eq!(kept(&world).len(), 1);
    }
}

fn a_compact_notification_gets_the_certificates_that_are_known() {
    let world = World::new();
    let order = world.smdp.order(crate::server::OrderOptions::default());
    let whole = world.euicc.notification(&order.iccid, 8, 1);
    let (tbs, signature) = (member(&whole, Tag(0xBF2F)), member(&whole, Tag(0x5F37)));
    let named = nested(Tag(0xA1), &[&tlv(Tag(0x5A), &world.euicc.eid.to_bcd()), &tbs, &signature]);
    let nameless = nested(Tag(0xA1), &[&tbs, &signature]);
    bring(&world, &world.device(), &named).unwrap();
    assert!(refused(&world)[0].contains("whose certificates are not known"), "{:?}", refused(&world));
    world.introduce(&[]);
    bring(&world, &world.device(), &nameless).unwrap();
    bring(&world, &device(&world.eim, None), &named).unwrap();
    bring(&world, &device(&world.eim, None), &nameless).unwrap();
    assert_eq!(refused(&world)[0], "a compact one, and its eUICC is not known");
    let [row] = kept(&world).try_into().unwrap();
    assert_eq!((row.raw, row.repetitions, row.event), (whole, 1, ProfileEvent::Enable));
}

fn what_the_euicc_signed_is_taken_from_anybody() {
    let world = World::new();
    let anonymous = device(&world.eim, None);
    let order = world.smdp.order(crate::server::OrderOptions::default());
    bring(&world, &anonymous, &world.euicc.notification(&order.iccid, 8, 2)).unwrap();
    // The SM-DP+ of a relayed download took the key that signs its result.
    let (order, id) = handed_over(&world, 1);
    bring(&world, &anonymous, &world.euicc.result(&id, &order.iccid, 9, None)).unwrap();
    let numbers: Vec<u32> = kept(&world).iter().map(|row| row.seq_number).collect();
    assert_eq!((numbers, world.state(1).as_str()), (vec![8, 9], "downloaded"));
    // A result of a download that nobody relayed does not say whose it is.
    bring(&world, &anonymous, &world.euicc.result(&[4; 16], &order.iccid, 10, None)).unwrap();
    assert!(refused(&world)[0].starts_with("nothing proves whose it is"), "{:?}", refused(&world));
    assert_eq!(kept(&world).len(), 2);
}

fn what_does_not_verify_is_refused_and_kept_for_people() {
    let world = World::new();
    world.introduce(&[]);
    let (order, id) = handed_over(&world, 1);
    let own = world.device();
    let forged = |notification: &[u8]| flipped(notification, notification.len() - 20);
    let other = world.euicc.notification(&order.iccid, 8, 1);
    let tbs = member(&other, Tag(0xBF2F));
    let rest = other.len() - world.euicc.certificate.len() - world.euicc.eum.len();
    let nowhere = {
        let iccid = order.iccid.to_bcd();
        let metadata = NotificationMetadata {
            seq_number: 9,
            operation: NamedBits::bit(1),
            address: "https://not.a.server/",
            iccid: Some(&iccid),
        }
        .to_der();
        let signature = world.euicc.key.sign(&metadata).unwrap();
        nested(
            Tag::SEQUENCE,
            &[&metadata, &tlv(Tag(0x5F37), &signature), &world.euicc.certificate, &world.euicc.eum],
        )
    };
    let long = nested(Tag::SEQUENCE, &[&tbs, &tlv(Tag(0x04), &[0; 17_000])]);
    for (notification, expected) in [
        (forged(&world.euicc.result(&id, &order.iccid, 3, None)), "its signature does not verify"),
        // An installation that nobody relayed, of an eUICC whose key is known.
        (forged(&world.euicc.result(&[4; 16], &order.iccid, 3, None)), "its signature does not verify"),
        (flipped(&other, rest - 10), "its signature does not verify"),
        (nowhere, "its receiver is no server"),
        (long, "more than the 16384 that are kept"),
        (vec![0x30, 0x00], "it cannot be read"),
        (vec![0xBF, 0x37, 0x00], "it cannot be read"),
        (nested(Tag(0xA0), &[]), "it cannot be read"),
        (nested(Tag(0xA1), &[]), "it cannot be read"),
    ] {
        // Answered all the same: the device would send it for ever.
        bring(&world, &own, &notification).unwrap();
        assert!(refused(&world)[0].contains(expected), "{expected}: {:?}", refused(&world));
    }
    assert_eq!((kept(&world).len(), world.state(1).as_str()), (0, "downloading"));
}

fn a_device_brings_its_own_alone() {
    let world = World::new();
    let stranger = device(&world.eim, Some(&other_eid()));
    let (order, id) = handed_over(&world, 1);
    for notification in
        [world.euicc.result(&id, &order.iccid, 3, None), world.euicc.notification(&order.iccid, 4, 1)]
    {
        bring(&world, &stranger, &notification).unwrap();
        let expected =
            format!("it is of eUICC {}, brought by the device of {}", world.euicc.eid, other_eid());
        assert_eq!(refused(&world)[0], expected);
    }
    assert_eq!((kept(&world).len(), world.state(1).as_str()), (0, "downloading"));
}

fn what_nobody_can_verify_is_taken_from_a_device_with_a_certificate() {
    let world = World::new();
    // An eUICC under a CI that the eIM does not know: its own word is all there is.
    let mut foreign = Euicc::new(0);
    foreign.eum = BETA.certificate.der().to_vec();
    let order = world.smdp.order(crate::server::OrderOptions::default());
    let notification = foreign.notification(&order.iccid, 8, 3);
    bring(&world, &device(&world.eim, None), &notification).unwrap();
    assert!(refused(&world)[0].starts_with("nothing proves whose it is"), "{:?}", refused(&world));
    bring(&world, &world.device(), &notification).unwrap();
    let [row] = kept(&world).try_into().unwrap();
    assert_eq!((row.raw, row.event), (notification, ProfileEvent::Delete));
    // Its word must hold in itself: its own certificate, its own signature, an EID.
    let own = std::mem::replace(&mut foreign.certificate, PKI.operator.certificate.der().to_vec());
    bring(&world, &world.device(), &foreign.notification(&order.iccid, 9, 3)).unwrap();
    assert_eq!(refused(&world)[0], "its certificate names no EID");
    foreign.certificate = own;
    foreign.key = Euicc::new(1).key;
    bring(&world, &world.device(), &foreign.notification(&order.iccid, 9, 3)).unwrap();
    assert_eq!(refused(&world)[0], "its signature does not verify");
    assert_eq!(kept(&world).len(), 1);
    // A direct download's result, of an eUICC whose key is not known: it is brought, and changes nothing.
    bring(&world, &world.device(), &world.euicc.result(&[4; 16], &order.iccid, 10, None)).unwrap();
    assert_eq!(kept(&world).len(), 2);
}

fn what_comes_with_a_signed_result_is_its_euiccs() {
    let world = World::new();
    let anonymous = device(&world.eim, None);
    let bringer = Bringer { caller: &anonymous, signed_for: Some(&world.euicc.eid) };
    let order = world.smdp.order(crate::server::OrderOptions::default());
    let direct = world.euicc.result(&[4; 16], &order.iccid, 10, None);
    let other = Euicc::new(1).notification(&order.iccid, 11, 1);
    let notifications = [direct, vec![0x30, 0x00], other, world.euicc.notification(&order.iccid, 12, 1)];
    let taken = world.run(take(&world.eim, &bringer, &notifications)).unwrap();
    assert_eq!(
        taken,
        [Taken::Kept { seq_number: 10 }, Taken::Refused, Taken::Refused, Taken::Kept { seq_number: 12 }]
    );
}

fn an_euicc_whose_receivers_are_away_keeps_the_next() {
    let world = World::new();
    let order = world.smdp.order(crate::server::OrderOptions::default());
    let most = u32::try_from(FORWARDED_OF_EUICC_MAX).unwrap();
    for seq_number in 0..most {
        bring(&world, &world.device(), &world.euicc.notification(&order.iccid, seq_number, 1)).unwrap();
    }
    let next = bring(&world, &world.device(), &world.euicc.notification(&order.iccid, most, 1));
    assert!(matches!(next, Err(HandleNotificationError::Full)), "{next:?}");
    assert_eq!(kept(&world).len(), FORWARDED_OF_EUICC_MAX);
}
