//! The `git` program: the one place of this layer that starts a process.
//!
//! The entry point is `Program`. A process gets an environment that is made from nothing, a deadline and
//! a bound on what it may print; nothing of it is ever written to disk here.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::{ExposeSecret as _, SecretString};

use crate::clock::PassEnd;
use crate::git::GitError;
use crate::model::image::shorten;

/// The oldest `git` that works: 2.32 is the first that knows both `GIT_CONFIG_COUNT` and `GIT_CONFIG_GLOBAL`.
pub const MINIMUM_VERSION: (u32, u32) = (2, 32);

/// The variables that the caller should hand on in [`ProgramEnvironment::passed`] where they are set: proxies,
/// certificate authorities, the SSH agent. Everything else of the caller's environment stays behind.
pub const PASSED_THROUGH: &[&str] = &[
    "ALL_PROXY",
    "GIT_SSL_CAINFO",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSH_AUTH_SOCK",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Longer than any honest push of a few files takes, shorter than a person's patience with a hung server.
const DEADLINE: Duration = Duration::from_secs(120);

/// How much of each output is kept; the rest is read and thrown away.
const OUTPUT_LIMIT: usize = 1 << 20;

/// The programs that this process has found to be new enough, by their paths.
static NEW_ENOUGH: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// What a started program gets of the caller's environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramEnvironment {
    /// `PATH`: where `git` and `ssh` are looked for.
    pub path: OsString,
    /// `HOME`; the mirror's own folder where it is `None`, so that no `.netrc` is found.
    pub home: Option<PathBuf>,
    /// Further variables, by [`PASSED_THROUGH`].
    pub passed: Vec<(OsString, OsString)>,
}

impl ProgramEnvironment {
    /// Returns where a program is: the first file of its name on the `PATH` that can be run.
    ///
    /// Looked for here rather than by whoever starts it: with a `PATH` that is not this process's own, the standard library would
    /// copy the page tables of the whole process for each start (`fork`), which a path spares it (`posix_spawn`).
    fn find(&self, name: &str) -> Option<PathBuf> {
        let folders = std::env::split_paths(&self.path).filter(|folder| !folder.as_os_str().is_empty());
        folders
            .map(|folder| folder.join(name))
            .find(|path| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0))
    }

    fn found(&self, name: &str) -> Result<PathBuf, GitError> {
        self.find(name)
            .ok_or_else(|| GitError::Broken(format!("the `{name}` program is not on the PATH: install {name}")))
    }
}

/// What a program did.
#[derive(Debug)]
pub(super) struct Finished {
    /// The exit code; `None` when a signal ended it.
    pub(super) code: Option<i32>,
    /// What it printed.
    pub(super) stdout: Vec<u8>,
    /// What it printed beside.
    pub(super) stderr: Vec<u8>,
}

impl Finished {
    /// Whether it ended well.
    pub(super) fn succeeded(&self) -> bool {
        self.code == Some(0)
    }
}

/// The `git` program on one repository.
pub(super) struct Program {
    repository: PathBuf,
    environment: ProgramEnvironment,
    ssh_command: OsString,
    header: Option<SecretString>,
    path: OnceLock<Result<PathBuf, GitError>>,
    deadline: Duration,
    ends: PassEnd,
}

impl Program {
    /// Prepares the program for a bare repository. Starts nothing yet.
    pub(super) fn new(
        repository: PathBuf,
        environment: ProgramEnvironment,
        ssh_command: OsString,
        header: Option<SecretString>,
    ) -> Self {
        Self {
            repository,
            environment,
            ssh_command,
            header,
            path: OnceLock::new(),
            deadline: DEADLINE,
            ends: PassEnd::default(),
        }
    }

    /// Runs programs until a pass is over.
    pub(super) fn until(self, ends: PassEnd) -> Self {
        Self { ends, ..self }
    }

    /// Runs `git` with arguments, none of which may hold a secret.
    ///
    /// A deadline that passes kills `git` with all that it has started: a transfer that trickles would go on with the mirror.
    pub(super) fn run(&self, arguments: &[&OsStr]) -> Result<Finished, GitError> {
        let path = self.path()?;
        self.start(path, arguments)
    }

    /// Checks once that the program is there and new enough.
    pub(super) fn ready(&self) -> Result<(), GitError> {
        self.path().map(drop)
    }

    fn path(&self) -> Result<&Path, GitError> {
        let found = self.path.get_or_init(|| {
            let path = self.environment.found("git")?;
            if !NEW_ENOUGH.lock().unwrap_or_else(PoisonError::into_inner).contains(&path) {
                self.check_version(&path)?;
                NEW_ENOUGH.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
            }
            Ok(path)
        });
        found.as_deref().map_err(Clone::clone)
    }

    fn check_version(&self, path: &Path) -> Result<(), GitError> {
        let finished = self.start(path, &["version".as_ref()])?;
        let text = String::from_utf8_lossy(&finished.stdout).into_owned();
        let (major, minor) = MINIMUM_VERSION;
        match parse_version(&text) {
            Some(version) if version >= MINIMUM_VERSION => Ok(()),
            Some(_) => {
                let found = shorten(text.trim());
                Err(GitError::Broken(format!("{found} is too old: install git {major}.{minor} or newer")))
            }
            None => {
                let found = shorten(text.trim());
                Err(GitError::Broken(format!("`git version` answered `{found}`: install git {major}.{minor} or newer")))
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place of the layer that starts a process")]
    fn start(&self, path: &Path, arguments: &[&OsStr]) -> Result<Finished, GitError> {
        let mut command = Command::new(path);
        command.env_clear();
        for (name, value) in self.variables() {
            command.env(name, value);
        }
        command.arg("--git-dir").arg(&self.repository).args(arguments);
        // A group of its own, so that it ends as a whole.
        command.process_group(0);
        self.follow(command, "git", None)
    }

    /// Runs `gpg` on an input with arguments, none of which may hold a secret; `home` is the folder of its keyring.
    #[expect(clippy::disallowed_methods, reason = "this is the one place of the layer that starts a process")]
    pub(super) fn gpg(&self, arguments: &[&OsStr], home: Option<&Path>, input: &[u8]) -> Result<Finished, GitError> {
        let mut command = Command::new(self.environment.found("gpg")?);
        command.env_clear().env("PATH", &self.environment.path).env("LC_ALL", "C");
        command.env("HOME", self.environment.home.as_ref().unwrap_or(&self.repository));
        if let Some(home) = home {
            command.env("GNUPGHOME", home);
        }
        command.args(arguments);
        self.follow(command, "gpg", Some(input.to_vec()))
    }

    /// Starts a program and waits for its end.
    fn follow(&self, mut command: Command, name: &str, input: Option<Vec<u8>>) -> Result<Finished, GitError> {
        if self.ends.is_over() {
            return Err(GitError::Unreachable(self.ends.reason()));
        }
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|fault| match fault.kind() {
            std::io::ErrorKind::NotFound => {
                GitError::Broken(format!("the `{name}` program is not on the PATH: install {name}"))
            }
            _ => GitError::Broken(format!("the `{name}` program could not be started: {fault}")),
        })?;
        if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
            // A program that ends before it has read everything says why by its code.
            std::thread::spawn(move || drop(pipe.write_all(&input)));
        }
        let (at_end, ends) = mpsc::channel();
        let stdout = child.stdout.take().map(|pipe| collect(pipe, at_end.clone()));
        let stderr = child.stderr.take().map(|pipe| collect(pipe, at_end));
        let begun = Instant::now();
        for _ in 0..2 {
            match ends.recv_timeout(self.ends.within(self.deadline.saturating_sub(begun.elapsed()))) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
                Err(RecvTimeoutError::Timeout) => {
                    end(&mut child);
                    return Err(GitError::Unreachable(match self.ends.is_over() {
                        true => self.ends.reason(),
                        false => format!("no end after {} seconds", self.deadline.as_secs()),
                    }));
                }
            }
        }
        let status =
            child.wait().map_err(|fault| GitError::Broken(format!("the `{name}` program was lost: {fault}")))?;
        Ok(Finished { code: status.code(), stdout: taken(stdout), stderr: taken(stderr) })
    }

    fn variables(&self) -> Vec<(OsString, OsString)> {
        let mut variables: Vec<(OsString, OsString)> = Vec::new();
        // A git that is built with GnuTLS (Debian's) knows no SSL_CERT_FILE, while fetching here does.
        let authorities = self.environment.passed.iter().find(|(name, _)| name == "SSL_CERT_FILE");
        variables.extend(authorities.map(|(_, file)| ("GIT_SSL_CAINFO".into(), file.clone())));
        variables.extend(self.environment.passed.iter().cloned());
        let mut set = |name: &str, value: &OsStr| variables.push((name.into(), value.to_owned()));
        set("PATH", &self.environment.path);
        set("HOME", self.environment.home.as_ref().unwrap_or(&self.repository).as_os_str());
        set("LC_ALL", "C".as_ref());
        set("GIT_TERMINAL_PROMPT", "0".as_ref());
        set("GIT_CONFIG_NOSYSTEM", "1".as_ref());
        set("GIT_CONFIG_GLOBAL", "/dev/null".as_ref());
        set("GIT_ALLOW_PROTOCOL", "file:http:https:ssh".as_ref());
        set("GIT_SSH_COMMAND", &self.ssh_command);
        set("GIT_SSH_VARIANT", "ssh".as_ref());
        let mut settings = vec![
            ("credential.helper", ""),
            ("core.hooksPath", "/dev/null"),
            // Objects come as one pack that appears at once, never as loose ones of which a kill leaves half.
            ("fetch.unpackLimit", "1"),
            ("gc.auto", "0"),
            ("http.lowSpeedLimit", "1"),
            ("http.lowSpeedTime", "60"),
            ("maintenance.auto", "false"),
        ];
        if let Some(header) = &self.header {
            settings.push(("http.extraHeader", header.expose_secret()));
            // A redirect would carry the header along, to whatever host it names.
            settings.push(("http.followRedirects", "false"));
        }
        set("GIT_CONFIG_COUNT", settings.len().to_string().as_ref());
        for (index, (key, value)) in settings.iter().enumerate() {
            set(&format!("GIT_CONFIG_KEY_{index}"), key.as_ref());
            set(&format!("GIT_CONFIG_VALUE_{index}"), value.as_ref());
        }
        variables
    }
}

/// Ends a program, with its group where it leads one. That may fail only where it is gone already, which is what is wanted.
fn end(child: &mut Child) {
    if let Some(id) = i32::try_from(child.id()).ok().and_then(Pid::from_raw)
        && rustix::process::getpgid(Some(id)) == Ok(id)
    {
        let _is_gone = kill_process_group(id, Signal::KILL);
    }
    drop(child.kill());
    drop(child.wait());
}

/// Reads a pipe to its end in a thread of its own, and tells when it is there.
fn collect(mut pipe: impl Read + Send + 'static, at_end: mpsc::Sender<()>) -> Arc<Mutex<Vec<u8>>> {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let filling = Arc::clone(&kept);
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = pipe.read(&mut buffer) {
            let mut kept = filling.lock().unwrap_or_else(PoisonError::into_inner);
            let room = OUTPUT_LIMIT.saturating_sub(kept.len());
            kept.extend_from_slice(&buffer[..length.min(room)]);
        }
        // Nobody listens any more once the deadline has passed.
        let _ = at_end.send(());
    });
    kept
}

fn taken(kept: Option<Arc<Mutex<Vec<u8>>>>) -> Vec<u8> {
    kept.map(|kept| std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner))).unwrap_or_default()
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let version = text.strip_prefix("git version ")?;
    let mut parts = version.split(['.', ' ', '\n']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Turns what a program or a server printed into one bounded line for messages.
pub(super) fn words(output: &[u8]) -> String {
    const SHOWN: usize = 600;
    let text = String::from_utf8_lossy(output);
    let mut line = String::new();
    for part in text.lines().map(str::trim).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push_str("; ");
        }
        line.extend(part.chars().filter(|character| !is_unprintable(*character)).take(SHOWN));
        if line.len() > SHOWN {
            line = line.chars().take(SHOWN).collect();
            line.push('…');
            break;
        }
    }
    if line.is_empty() { "no reason given".to_owned() } else { line }
}

/// Whether a character could move the cursor, change colours or turn the direction of what follows.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a program whose `git` is a script.
    fn scripted(folder: &Path, script: &str, deadline: Duration) -> Program {
        use std::os::unix::fs::PermissionsExt as _;

        let fresh = folder.join("fresh");
        std::fs::write(&fresh, script).unwrap();
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(&fresh, folder.join("git")).unwrap();
        let path = std::env::join_paths([folder, "/usr/bin".as_ref(), "/bin".as_ref()]).unwrap();
        let environment = ProgramEnvironment { path, ..ProgramEnvironment::default() };
        Program { deadline, ..Program::new(folder.to_owned(), environment, OsString::new(), None) }
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let program = scripted(folder.path(), "#!/bin/sh\nexec sleep 600\n", Duration::from_millis(50));
        assert!(matches!(program.start(&folder.path().join("git"), &[]), Err(GitError::Unreachable(_))));
    }

    #[test]
    fn output_without_end_is_kept_to_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let script = "#!/bin/sh\nyes | head -c 3000000\nyes | head -c 3000000 >&2\nexit 7\n";
        let program = scripted(folder.path(), script, DEADLINE);
        let finished = program.start(&folder.path().join("git"), &[]).unwrap();
        assert_eq!(finished.code, Some(7));
        assert_eq!((finished.stdout.len(), finished.stderr.len()), (OUTPUT_LIMIT, OUTPUT_LIMIT));
    }

    #[test]
    fn reads_the_versions_that_vendors_print() {
        assert_eq!(parse_version("git version 2.47.3\n"), Some((2, 47)));
        assert_eq!(parse_version("git version 2.39.5 (Apple Git-154)\n"), Some((2, 39)));
        assert_eq!(parse_version("git version 2.45\n"), Some((2, 45)));
        assert_eq!(parse_version("jit version 2.45\n"), None);
    }

    #[test]
    fn words_are_one_bounded_printable_line() {
        assert_eq!(words(b"a\x1b[31m\n\n  b\x07\r\n"), "a[31m; b");
        assert_eq!(words(b"\n"), "no reason given");
        assert!(words(&[b'x'; 100_000]).chars().count() <= 601);
        assert!(words("ü\n".repeat(50_000).as_bytes()).chars().count() <= 601);
    }
}
