//! The real binary for tests: runs of it, and servers that end with the test.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a line of a running program may take in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// `simyard` with these arguments, in a folder.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simyard"));
    command.current_dir(folder).args(arguments).env_remove("RUST_LOG").env("NO_COLOR", "1");
    command
}

/// What a run came to.
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// The output of a run that must have gone well.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stdout
    }

    /// The JSON that a run that must have gone well printed.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// What a run that must have failed told.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stderr
    }
}

/// Runs `simyard` to its end.
pub fn simyard(folder: &Path, arguments: &[&str]) -> Run {
    command(folder, arguments).stdin(Stdio::null()).output().unwrap().into()
}

/// A program that runs until the test ends it, or ends.
pub struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    /// What it has printed so far.
    pub printed: Vec<String>,
}

impl Running {
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child =
            command(folder, arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, printed: Vec::new() }
    }

    /// Waits for a line that holds `text` and returns it.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.printed.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("no line with {text:?}; printed was: {}", self.printed.join("\n")),
            }
        }
    }

    /// Asks it to end, as a service manager does, and returns its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        // The shell's own kill: the program is not on every machine.
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A folder with a test PKI, settings and a batch, and the server that runs on it.
pub struct Yard {
    folder: tempfile::TempDir,
    pub es9plus: u16,
    pub es2plus: u16,
}

/// The rows of the batch: K and OPc of TS 35.208 test set 1.
pub const ICCIDS: [&str; 3] = ["89882801000000000014", "89882801000000000022", "8988280100000000003"];

impl Yard {
    pub fn new() -> Self {
        let yard = Self { folder: tempfile::tempdir().unwrap(), es9plus: free_port(), es2plus: free_port() };
        yard.run(&["pki", "init", "pki"]).ok();
        let settings = format!(
            "addresses = [\"localhost:{0}\"]\n[es9plus]\nlisten = \"127.0.0.1:{0}\"\n[es2plus]\n\
             listen = \"127.0.0.1:{1}\"\n[[operator]]\nname = \"acme\"\noid = \"2.999.20\"\n[[profile_type]]\n\
             name = \"iot\"\nowner = \"acme\"\nservice_provider_name = \"Acme\"\nprofile_name = \"Acme IoT\"\n",
            yard.es9plus, yard.es2plus
        );
        std::fs::write(yard.path().join("simyard.toml"), settings).unwrap();
        let mut batch = String::from("iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1\n");
        for (at, iccid) in ICCIDS.iter().enumerate() {
            batch.push_str(&format!(
                "{iccid},90140510000000{at},465b5ce8b199b49faa5f0a2ee238a6bc,cd63cb71954a9f4e48a5994e37a02baf,\
                 1234,12345678,5678,87654321,11223344\n"
            ));
        }
        std::fs::write(yard.path().join("batch.csv"), batch).unwrap();
        yard
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        simyard(self.path(), arguments)
    }

    /// The server over this folder.
    pub fn serve(&self) -> Running {
        let mut server = Running::start(self.path(), &["serve", "--config", "simyard.toml"]);
        server.wait_for("ES2+ on");
        server
    }

    /// An operator's call; the answer is JSON.
    pub fn es2plus(&self, arguments: &[&str]) -> Run {
        let server = format!("localhost:{}", self.es2plus);
        let mut all = vec!["es2plus", "--server", &server, "--json"];
        all.extend(arguments);
        self.run(&all)
    }

    /// Orders and releases a profile; gives its activation code.
    pub fn order(&self, iccid: &str) -> String {
        self.es2plus(&["download-order", "--iccid", iccid]).ok();
        let answer = self.es2plus(&["confirm-order", "--iccid", iccid]).json();
        answer["activationCode"].as_str().unwrap().to_owned()
    }
}

/// Everything that a stream has until its end.
pub fn read_all(mut stream: impl std::io::Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
