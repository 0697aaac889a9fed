//! An SSH server on loopback: the real `sshd`, one process for each connection, as the account that runs the tests.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::repository::{executable, search_path};

/// A running server; it ends with the test's process.
pub(crate) struct SshServer {
    /// `name@127.0.0.1:port`.
    pub(crate) host: String,
    /// The private key that it lets in.
    pub(crate) key: PathBuf,
    /// A folder with an `ssh` that knows the server, to be searched first: the real one takes its known hosts from the account.
    pub(crate) bin: PathBuf,
}

impl SshServer {
    /// Starts, with keys of its own in a folder.
    pub(crate) fn start(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let (key, host_key) = (folder.join("key"), folder.join("host_key"));
        for file in [&key, &host_key] {
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &file.display().to_string()]);
        }
        let name = run("id", &["-un"]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = folder.join("sshd_config");
        let lines = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\n",
            host_key.display(),
            folder.join("key.pub").display()
        );
        std::fs::write(&config, lines).unwrap();
        let public = std::fs::read_to_string(folder.join("host_key.pub")).unwrap();
        std::fs::write(folder.join("known_hosts"), format!("[127.0.0.1]:{port} {public}")).unwrap();
        let bin = folder.join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let script = format!(
            "#!/bin/sh\nexec '{}' -o UserKnownHostsFile='{}' -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes \"$@\"\n",
            program("ssh").display(),
            folder.join("known_hosts").display()
        );
        executable(&bin.join("ssh"), &script);
        let server = program("sshd");
        // As root it wants this folder, which the system's own service makes elsewhere.
        if name == "root" {
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(&server, &config, stream.unwrap().into());
            }
        });
        Self { host: format!("{name}@127.0.0.1:{port}"), key, bin }
    }
}

#[expect(clippy::disallowed_methods, reason = "the server is the real program")]
fn serve(server: &Path, config: &Path, stream: OwnedFd) {
    let other = stream.try_clone().unwrap();
    let mut child = Command::new(server)
        .args(["-i", "-e", "-f"])
        .arg(config)
        .stdin(Stdio::from(stream))
        .stdout(Stdio::from(other))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::spawn(move || child.wait());
}

#[expect(clippy::disallowed_methods, reason = "keys and names come from the real programs")]
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Finds a program, also among those of the system; `sshd` wants to be started by its whole path.
fn program(name: &str) -> PathBuf {
    let path = search_path();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("`{name}` is missing: install openssh-server and openssh-client"))
}
