//! A PostgreSQL server for the tests, started for the first that asks and stopped behind all of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use simyard::store::StoreUrl;

use crate::harness::left_out;

static RUNNING: Mutex<Option<Arc<Server>>> = Mutex::new(None);
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// An empty database of its own for one test.
pub struct Database {
    server: Arc<Server>,
    name: String,
}

impl Database {
    /// Where the store finds it.
    pub fn url(&self) -> StoreUrl {
        let folder = self.server.folder.path().display();
        StoreUrl::Postgres(format!("postgres://simyard@localhost/{}?host={folder}", self.name))
    }
}

/// A fresh database; `None`, and said so, where PostgreSQL or its user are absent.
pub fn database() -> Option<Database> {
    let server = {
        let mut running = running();
        if running.is_none() {
            *running = Some(Arc::new(Server::start()?));
        }
        Arc::clone(running.as_ref()?)
    };
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::SeqCst));
    let host = server.folder.path().to_str().unwrap();
    let mut create = server.command("createdb", &["-h", host, "-U", "simyard", &name]);
    assert!(run(&mut create), "createdb");
    Some(Database { server, name })
}

/// Stops the server, once no test runs any more.
pub fn stop() {
    drop(running().take());
}

fn running() -> MutexGuard<'static, Option<Arc<Server>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server in a folder of its own, without a port: it listens on a Unix socket there.
struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
}

impl Server {
    fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            left_out("the store on PostgreSQL", "no initdb: install the package postgresql");
            return None;
        };
        let server = Self { folder: tempfile::tempdir().unwrap(), programs };
        let path = server.folder.path();
        if is_root() && !run(Command::new("chown").arg("postgres").arg(path)) {
            left_out("the store on PostgreSQL", "no user postgres, and the server refuses to run as root");
            return None;
        }
        let data = server.data();
        let arguments =
            ["-D", &data, "-A", "trust", "-U", "simyard", "--no-sync", "-E", "UTF8", "--locale=C"];
        assert!(run(&mut server.command("initdb", &arguments)), "initdb");
        let options =
            format!("-k {} -c listen_addresses='' -c fsync=off -c max_connections=400", path.display());
        let log = path.join("log");
        let arguments = ["-D", &data, "-w", "-l", log.to_str().unwrap(), "-o", &options, "start"];
        assert!(run(&mut server.command("pg_ctl", &arguments)), "pg_ctl start");
        Some(server)
    }

    fn data(&self) -> String {
        self.folder.path().join("data").to_str().unwrap().to_owned()
    }

    /// A program as the user that the server wants to be.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments).current_dir(self.folder.path());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        run(&mut self.command("pg_ctl", &["-D", &self.data(), "-m", "immediate", "stop"]));
    }
}

/// The folder of PostgreSQL's programs: Debian keeps it out of the search path.
fn programs() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let has = |folder: &Path, program: &str| folder.join(program).is_file();
    folders
        .into_iter()
        .find(|folder| has(folder, "initdb") && has(folder, "pg_ctl") && has(folder, "createdb"))
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn run(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
