//! The life of a transport key: brought in by one person, approved by another, used, retired.

use std::collections::BTreeSet;

use simyard::crypto::transport::{Algorithm, Chaining, CheckMethod, Scheme};
use simyard::domain::{KeyPurpose, KeyState, Mode, Person};
use simyard::inventory::transport_keys::{NewTransportKey, TransportKeyError, combine};
use simyard::profile::personal_data::Key;

use super::{Yard, acme, person};
use crate::harness::block_on;

crate::tests!(a_transport_key_takes_two_people);

fn a_transport_key_takes_two_people() {
    block_on(async {
        let yard = Yard::new(Mode::Production).await;
        let inventory = &yard.inventory;
        let new = |key: &str, index, check_value: &str| NewTransportKey {
            partner: acme(),
            index,
            purpose: KeyPurpose::Both,
            scheme: Scheme { algorithm: Algorithm::Aes128, chaining: Chaining::Ecb },
            key: Key::from_slice(&hex::decode(key).unwrap()).unwrap(),
            check_method: CheckMethod::Zeros,
            check_value: hex::decode(check_value).unwrap().try_into().unwrap(),
        };
        let secret = "8f1d0c35a7e94b62d0537c1e9ab24f68";
        for (key, index, value, says) in [
            (secret, 0, "2f4cf3", "index 0 means that nothing is enciphered"),
            (secret, 1, "2f4cf4", "the check value is not that of the key"),
            ("000102030405060708090a0b0c0d0e0f", 1, "c6a13b", "the key is no secret: it is published"),
            ("0101", 1, "000000", "a key for aes-128 has 16 octets, and this one has 2"),
        ] {
            let refused = inventory.import_transport_key(new(key, index, value), person("alice")).await;
            let told = refused.err().unwrap().to_string();
            assert!(told.contains(says) && !told.contains(secret), "{says}: {told}");
        }
        let nobody = inventory.import_transport_key(new(secret, 1, "2f4cf3"), Person::unknown()).await;
        assert!(matches!(nobody, Err(TransportKeyError::Refused(_))));
        let key = inventory.import_transport_key(new(secret, 1, "2f4cf3"), person("alice")).await.unwrap();
        assert_eq!((key.state.name(), key.sealed.len() > 16), ("waiting", true));
        assert!(!format!("{key:?}").contains(secret));
        let twice = inventory.import_transport_key(new(secret, 1, "2f4cf3"), person("alice")).await;
        assert!(matches!(twice, Err(TransportKeyError::InUse)));
        let same = inventory.approve_transport_key(&key.key_id, None, person("Alice")).await.err().unwrap();
        assert_eq!(same.to_string(), "Alice imported the key: another person must approve it");
        let wrong = inventory.approve_transport_key(&key.key_id, Some([0; 3]), person("bob")).await;
        assert!(matches!(wrong, Err(TransportKeyError::CheckValue(_))));
        let done = inventory.approve_transport_key(&key.key_id, Some(key.check_value), person("bob")).await;
        assert!(matches!(done.unwrap().state, KeyState::Approved(deed) if deed.by == person("bob")));
        let unknown = inventory.approve_transport_key("00", None, person("bob")).await;
        assert!(matches!(unknown, Err(TransportKeyError::Unknown)));
        // Retired, its index is free for another key.
        inventory.retire_transport_key(&key.key_id, person("bob")).await.unwrap();
        let next = inventory.import_transport_key(new(secret, 1, "2f4cf3"), person("carol")).await.unwrap();
        let kept = inventory.store.transport_keys(Some(&acme()), "", 10).await.unwrap();
        let kept: BTreeSet<_> = kept.iter().map(|key| (key.state.name(), key.key_id.as_str())).collect();
        assert_eq!(kept, [("retired", key.key_id.as_str()), ("waiting", next.key_id.as_str())].into());
        // The parts of a key say nothing of it.
        let parts = ["ff".repeat(16), "70e2f3ca5816b49d2fac83e1654db097".to_owned()];
        let parts = parts.map(|part| Key::from_slice(&hex::decode(part).unwrap()).unwrap());
        assert_eq!(hex::encode(combine(&parts).unwrap().as_octets()), secret);
        let odd = [parts[0].clone(), Key::from_slice(&[1; 24]).unwrap()];
        assert!(matches!(combine(&odd), Err(TransportKeyError::Components)));
        assert!(matches!(combine(&[]), Err(TransportKeyError::Components)));
    });
}
