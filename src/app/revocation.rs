//! The revocation lists that the setting `crl` names: loaded when the server starts, and read again every ten minutes.
//!
//! At the start, a list that cannot be read or does not verify keeps the server from starting. Later the lists before
//! stay in force and an error says why: an operator replaces files while the server runs, and half a file must not let
//! revoked manufacturers in. A list past its nextUpdate counts on, with a warning each time. A certificate of our own
//! that is revoked is warned about: eUICCs will refuse it, and the operator must know why.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::config::{ConfigError, FileSetting};
use crate::crypto::keyfile::load_revocation_lists;
use crate::env::Clock;
use crate::pki::{Anchors, Certificate, RevocationList};
use crate::smdp::identity::Identity;

/// How often the files are read again.
const READ_AGAIN: Duration = Duration::from_secs(600);

/// The lists that files hold, each with its file and verified under its CI.
///
/// # Errors
/// [`ConfigError`] at the first file that cannot be used.
pub fn revocation_lists<'f>(
    files: &'f [FileSetting],
    cis: &Anchors,
) -> Result<Vec<(&'f FileSetting, RevocationList)>, ConfigError> {
    let mut lists = Vec::new();
    for file in files {
        for der in load_revocation_lists(&file.path).map_err(|error| file.error(&error))? {
            let list = RevocationList::from_der(&der).map_err(|error| file.error(&error))?;
            cis.verify_revocation_list(&list).map_err(|error| file.error(&error))?;
            lists.push((file, list));
        }
    }
    Ok(lists)
}

/// The files, and who heeds them.
#[derive(Clone)]
pub(super) struct RevocationFiles {
    files: Vec<FileSetting>,
    cis: Arc<Anchors>,
    client_cas: Vec<Arc<Anchors>>,
    clock: Clock,
}

impl RevocationFiles {
    /// The files of the setting, for the CIs and the CAs of operators and manufacturers.
    pub(super) fn new(
        files: &[FileSetting],
        cis: Arc<Anchors>,
        client_cas: Vec<Arc<Anchors>>,
        clock: Clock,
    ) -> Self {
        Self { files: files.to_vec(), cis, client_cas, clock }
    }

    /// Reads all files; their lists take the place of those before.
    ///
    /// # Errors
    /// [`ConfigError`] at the file that cannot be used; the lists before stay then.
    pub(super) fn load(&self) -> Result<(), ConfigError> {
        let now = self.clock.now();
        let lists = revocation_lists(&self.files, &self.cis)?;
        for (file, list) in lists.iter().filter(|(_, list)| list.is_late(now)) {
            let next_update = list.next_update().map(|at| at.to_string()).unwrap_or_default();
            tracing::warn!(file = %file.path.display(), next_update, "the revocation list is out of date");
        }
        let Some((file, _)) = lists.first() else { return Ok(()) };
        for client_cas in &self.client_cas {
            // Clients may have CAs of their own, of which the CIs' lists say nothing.
            let of_clients = lists.iter().filter(|(_, list)| client_cas.ci(list.issuer()).is_some());
            let of_clients = of_clients.map(|(_, list)| list.clone()).collect();
            client_cas.replace_revocation_lists(of_clients).map_err(|error| file.error(&error))?;
        }
        let all = lists.iter().map(|(_, list)| list.clone()).collect();
        self.cis.replace_revocation_lists(all).map_err(|error| file.error(&error))
    }

    /// Says of each certificate of our own that it is revoked.
    pub(super) fn warn_of_own(&self, identities: &[Arc<Identity>]) {
        let own = identities.iter().flat_map(|identity| {
            [("CERT.DPauth", &identity.dp_auth().certificate), ("CERT.DPpb", &identity.dp_pb().certificate)]
        });
        for (which, certificate) in own.filter(|(_, certificate)| self.cis.is_revoked(certificate)) {
            warn_of(which, certificate);
        }
    }

    /// Reads the files again from time to time, until `end` turns true.
    pub(super) async fn watch(self, mut end: watch::Receiver<bool>) {
        if self.files.is_empty() {
            return;
        }
        while !*end.borrow() {
            tokio::select! {
                () = tokio::time::sleep(READ_AGAIN) => {}
                changed = end.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    continue;
                }
            }
            let files = self.clone();
            let loaded = tokio::task::spawn_blocking(move || files.load()).await;
            if let Ok(Err(error)) = loaded {
                tracing::error!(%error, "the revocation lists stay as they were");
            }
        }
    }
}

fn warn_of(which: &'static str, certificate: &Certificate) {
    let name = certificate.common_name().unwrap_or_default();
    tracing::warn!(which, name, "a certificate of this server is revoked: eUICCs will refuse it");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::env::{Rng, Timestamp};
    use crate::ident::Eid;
    use crate::pki::issue::ListContent;
    use crate::pki::test_pki::{TestPki, TestPkiOptions};

    const NOW: Timestamp = Timestamp::from_secs(1_795_329_780);

    fn pki() -> TestPki {
        let eid = Eid::parse("89049032000000000000279973200019").unwrap();
        let options = TestPkiOptions { host_names: vec!["localhost".to_owned()], eid };
        TestPki::generate(&Rng::seeded(1), NOW, &options).unwrap()
    }

    fn files(pki: &TestPki, paths: &[&Path]) -> RevocationFiles {
        let anchors = || Arc::new(Anchors::of_cis(vec![pki.ci.certificate.clone()]).unwrap());
        let settings: Vec<_> = paths.iter().map(|path| FileSetting::of_command_line(path)).collect();
        RevocationFiles::new(&settings, anchors(), vec![anchors()], Clock::fixed(NOW))
    }

    fn list(pki: &TestPki, revoked: &[&Certificate], next_update: Timestamp) -> Vec<u8> {
        let content = ListContent {
            this_update: NOW,
            next_update: Some(next_update),
            revoked: revoked.iter().map(|certificate| certificate.serial().to_vec()).collect(),
            extensions: Vec::new(),
        };
        pki.ci_issuer().unwrap().issue_list(&content).unwrap()
    }

    #[test]
    fn lists_are_read_again_and_a_broken_one_changes_nothing() {
        let pki = pki();
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a.crl", "b.crl"].map(|name| folder.path().join(name));
        let files = files(&pki, &[&a, &b]);
        assert!(files.load().unwrap_err().to_string().contains("a.crl"));
        // The second is out of date, and counts all the same.
        std::fs::write(&a, list(&pki, &[&pki.eum.certificate], NOW)).unwrap();
        std::fs::write(&b, list(&pki, &[&pki.operator.certificate], Timestamp::from_secs(5))).unwrap();
        files.load().unwrap();
        let both = [&pki.eum.certificate, &pki.operator.certificate];
        assert!(both.iter().all(|certificate| files.cis.is_revoked(certificate)));
        assert!(files.client_cas[0].verify_client(&pki.operator.certificate, NOW).is_err());
        assert!(!files.cis.is_revoked(&pki.dp_auth.certificate));
        std::fs::write(&b, b"half a file").unwrap();
        assert!(files.load().unwrap_err().to_string().contains("b.crl"));
        assert!(both.iter().all(|certificate| files.cis.is_revoked(certificate)));
        std::fs::write(&b, list(&pki, &[], NOW)).unwrap();
        files.load().unwrap();
        assert!(files.cis.is_revoked(both[0]) && !files.cis.is_revoked(both[1]));
    }

    #[test]
    fn a_list_of_another_ci_is_refused_by_its_file() {
        let (own, other) = (pki(), pki());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.crl");
        let stranger = crate::pki::issue::Issuer::new(
            other.other_ci.certificate.clone(),
            other.other_ci.key.signing_key().unwrap(),
        );
        let content =
            ListContent { this_update: NOW, next_update: None, revoked: Vec::new(), extensions: Vec::new() };
        std::fs::write(&path, stranger.unwrap().issue_list(&content).unwrap()).unwrap();
        let error = files(&own, &[&path]).load().unwrap_err().to_string();
        assert!(error.contains("not among the trusted CIs"), "{error}");
    }
}
