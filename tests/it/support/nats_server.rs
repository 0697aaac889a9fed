//! A real `nats-server` with JetStream on a port of loopback, over a store that outlives it.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::repository::search_path;

/// How long it may take to be ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server; it is killed when it is dropped.
pub(crate) struct NatsServer {
    program: PathBuf,
    configuration: PathBuf,
    address: SocketAddr,
    child: Option<Child>,
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns where the program is.
fn program() -> Option<PathBuf> {
    let path = search_path();
    // Debian has it where an ordinary user's path does not lead.
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("nats-server")).find(|file| file.is_file())
}

#[expect(clippy::disallowed_methods, reason = "what may be missing here may not be missing there")]
fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

impl NatsServer {
    /// Prepares one in a folder, with further lines of configuration; `None`, said aloud, where the program is not installed.
    #[expect(clippy::print_stdout, reason = "whoever reads the report of the tests is to know what is missing")]
    pub(crate) fn prepare(folder: &Path, further: &str) -> Option<Self> {
        let Some(program) = program() else {
            assert!(!is_ci(), "`nats-server` is missing: install it");
            println!("skipped: `nats-server` is not installed (its Debian package has the same name)");
            return None;
        };
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let configuration = folder.join("nats.conf");
        let store = folder.join("nats-store");
        let text = format!("listen: \"{address}\"\njetstream {{ store_dir: \"{}\" }}\n{further}\n", store.display());
        std::fs::write(&configuration, text).unwrap();
        Some(Self { program, configuration, address, child: None })
    }

    /// Returns where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts it, and waits until it speaks.
    #[expect(clippy::disallowed_methods, reason = "the server is a program of its own")]
    pub(crate) fn start(&mut self) {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(&self.configuration).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let ends = Instant::now() + PATIENCE;
        loop {
            if let Ok(stream) = TcpStream::connect(self.address) {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut line = String::new();
                BufReader::new(stream).read_line(&mut line).unwrap();
                assert!(line.starts_with("INFO "), "{line}");
                return;
            }
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < ends, "nats-server does not come up: {ended:?}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Stops it, and waits for its end.
    #[expect(clippy::disallowed_methods, reason = "signals are sent by the real program")]
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        child.wait().unwrap();
    }

    /// Kills it, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
    }
}
