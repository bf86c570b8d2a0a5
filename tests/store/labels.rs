//! Labels of eUICCs, in the store.

use simyard::domain::{
    Action, Actor, AuditSubject, LABELS_MAX, Label, LabelName, LabelSelection, NewAuditEntry,
};
use simyard::ident::Eid;
use simyard::store::{Association, AuditSelection, DownloadWay, LabelChange, Labelled, Store};

use super::{EID, OTHER_EID, now, on_both};

crate::tests!(labels_change_all_or_none, euiccs_are_found_by_all_their_labels,);

fn eid(text: &str) -> Eid {
    Eid::parse(text).unwrap()
}

fn set(eid_text: &str, label: &str) -> LabelChange {
    let Label { name, value } = Label::parse(label).unwrap();
    LabelChange { eid: eid(eid_text), name, value: Some(value) }
}

fn remove(eid_text: &str, name: &str) -> LabelChange {
    LabelChange { eid: eid(eid_text), name: LabelName::parse(name).unwrap(), value: None }
}

fn entry(change: &LabelChange) -> NewAuditEntry {
    let subject = AuditSubject::new("eid", change.eid.as_str());
    NewAuditEntry::new(now(), Actor::Server, Action::LABEL_SET, subject).detail(change.name.as_str())
}

async fn change(store: &Store, changes: &[LabelChange]) -> Labelled {
    store.change_labels(changes, &entry).await.unwrap()
}

async fn labels(store: &Store, eid_text: &str) -> Vec<String> {
    store.labels(&eid(eid_text)).await.unwrap().iter().map(ToString::to_string).collect()
}

async fn associate(store: &Store, eids: &[String]) {
    let association = |text: &String| Association {
        eid: eid(text),
        counter: 0,
        association_token: None,
        download: DownloadWay::Direct,
    };
    let all: Vec<Association> = eids.iter().map(association).collect();
    store.associate(&all, now()).await.unwrap();
}

fn labels_change_all_or_none() {
    on_both(|store, _| async move {
        associate(&store, &[EID.to_owned()]).await;
        let unknown = change(&store, &[set(EID, "a=1"), set(OTHER_EID, "a=1")]).await;
        assert_eq!(unknown, Labelled::Unknown(vec![eid(OTHER_EID)]));
        assert!(labels(&store, EID).await.is_empty(), "nothing of it was written");
        let both = [set(EID, "region=north"), set(EID, "site=7")];
        assert_eq!(change(&store, &both).await, Labelled::Done(2));
        assert_eq!(change(&store, &both).await, Labelled::Done(0), "they are so already");
        let mixed = [set(EID, "site=8"), remove(EID, "region"), remove(EID, "absent"), set(EID, "x=y")];
        assert_eq!(change(&store, &mixed).await, Labelled::Done(3));
        assert_eq!(labels(&store, EID).await, ["site=8", "x=y"]);
        let many: Vec<LabelChange> =
            (0..LABELS_MAX).map(|number| set(EID, &format!("l{number}=1"))).collect();
        assert_eq!(change(&store, &many).await, Labelled::TooMany(eid(EID)));
        assert_eq!(labels(&store, EID).await, ["site=8", "x=y"]);
        assert_eq!(change(&store, &many[..LABELS_MAX - 2]).await, Labelled::Done(LABELS_MAX - 2));
        let entries = store.audit_entries(&AuditSelection::default(), 0, 1000).await.unwrap();
        let told: Vec<&str> = entries.iter().take(5).map(|entry| entry.detail.as_str()).collect();
        assert_eq!(told, ["region", "site", "site", "region", "x"], "what changed, and nothing else");
        assert_eq!(entries.len(), 5 + LABELS_MAX - 2);
    });
}

fn euiccs_are_found_by_all_their_labels() {
    on_both(|store, _| async move {
        // More than one statement takes.
        let eids: Vec<String> = (0..1200).map(|number| format!("{}{number:08}", &EID[..24])).collect();
        associate(&store, &eids).await;
        let mut changes = Vec::new();
        for (number, eid) in eids.iter().enumerate() {
            changes.push(set(eid, if number % 2 == 0 { "region=north" } else { "region=south" }));
            if number % 3 == 0 {
                changes.push(set(eid, "site=7"));
            }
        }
        assert_eq!(change(&store, &changes).await, Labelled::Done(1600));
        let found = async |labels: &str, after: &str, limit| {
            let selection = LabelSelection::parse(labels).unwrap();
            let found = store.labelled(&selection, after, limit).await.unwrap();
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(found("region=north", "", 1000).await.len(), 600);
        let both: Vec<&String> = eids.iter().step_by(6).collect();
        assert_eq!(found("region=north,site=7", "", 1000).await.iter().collect::<Vec<_>>(), both);
        assert_eq!(found("site=7,region=north", both[1], 2).await.iter().collect::<Vec<_>>(), both[2..4]);
        assert!(found("region=east", "", 10).await.is_empty());
        assert!(found("region=north,site=7,a=b,c=d", "", 10).await.is_empty());
        let register = LabelSelection::parse("region=north").unwrap();
        let registered = store.euiccs_labelled(&register, "", 10).await.unwrap();
        assert!(registered.is_empty(), "these are associated, and no manufacturer delivered them");
    });
}
