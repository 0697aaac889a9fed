//! Scratch repositories, made with the real `git` program: hermetic configuration, dated commits.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use rustix::fs::StatVfsMountFlags;
use tagboat::git::program::ProgramEnvironment;
use tempfile::TempDir;

/// What holds for every `git` of the tests: nothing is tidied up behind a command, and nothing outlives a power cut.
const SETTINGS: [(&str, &str); 4] =
    [("protocol.file.allow", "always"), ("maintenance.auto", "false"), ("gc.auto", "0"), ("core.fsync", "none")];

/// Noon of the first of January 2026, in seconds since 1970.
const NOON: i64 = 1_767_268_800;

/// Where files need no disk, if there is room for those of all tests that run at once and programs may be started:
/// containers often have little, and forbid it.
fn roomy_memory() -> Option<PathBuf> {
    const ROOM: u64 = 1 << 30;
    let memory = PathBuf::from("/dev/shm");
    let there = rustix::fs::statvfs(&memory).ok()?;
    let has_room = there.f_bavail.saturating_mul(there.f_frsize) >= ROOM;
    (has_room && !there.f_flag.contains(StatVfsMountFlags::NOEXEC)).then_some(memory)
}

/// Files by their paths.
type Files<'a> = &'a [(&'a str, &'a str)];

/// A folder of its own for one test, gone when it is dropped.
pub(crate) struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// Makes the folder.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir_in(roomy_memory().unwrap_or_else(std::env::temp_dir)).expect("a folder") }
    }

    /// Returns a path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a bare repository whose branch `main` holds one commit of the files.
    pub(crate) fn bare(&self, name: &str, files: &[(&str, &str)]) -> Repository {
        let bare = self.empty(name);
        bare.land("main", files, "Begin", 1);
        bare
    }

    /// Makes a bare repository without any commit, its HEAD on `main`.
    pub(crate) fn empty(&self, name: &str) -> Repository {
        let folder = self.path(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let repository = Repository { folder };
        repository.git(&["init", "--quiet", "--template=", "--bare", "--initial-branch=main"]);
        // What is pushed to it, and by whatever, is not tidied up either.
        let mut config = std::fs::read_to_string(repository.folder.join("config")).expect("a configuration");
        config.push_str("[receive]\n\tautogc = false\n[core]\n\tfsync = none\n");
        std::fs::write(repository.folder.join("config"), config).expect("a configuration");
        repository
    }

    /// Makes a working tree whose branch `main` holds one commit of the files; without files, no commit.
    pub(crate) fn work(&self, name: &str, files: &[(&str, &str)]) -> Repository {
        let folder = self.path(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let repository = Repository { folder };
        repository.git(&["init", "--quiet", "--template=", "--initial-branch=main"]);
        if !files.is_empty() {
            repository.commit_files(files, "Begin", 1);
        }
        repository
    }
}

/// A repository of the test's own.
pub(crate) struct Repository {
    /// Its folder: of the working tree, or the bare repository itself.
    pub(crate) folder: PathBuf,
}

impl Repository {
    /// Runs `git` in it and returns what it printed, trimmed; fails the test when `git` fails.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = self.try_git(arguments, 0);
        let printed = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {printed}{stderr}");
        printed
    }

    /// Runs `git` in it and returns what it printed, or `None` when `git` fails.
    pub(crate) fn output(&self, arguments: &[&str]) -> Option<String> {
        let output = self.try_git(arguments, 0);
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Writes files of the working tree and commits them on a day of January 2026; returns the commit's id.
    pub(crate) fn commit_files(&self, files: &[(&str, &str)], message: &str, day: u8) -> String {
        for (path, content) in files {
            let path = self.folder.join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, content).expect("a file");
        }
        self.git(&["add", "--all"]);
        let output = self.try_git(&["commit", "--quiet", "--message", message], day);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let head = std::fs::read_to_string(self.folder.join(".git/HEAD")).unwrap_or_default();
        match head.trim_end().strip_prefix("ref: refs/heads/").and_then(|branch| self.at(branch)) {
            Some(tip) => tip,
            None => self.git(&["rev-parse", "HEAD"]),
        }
    }

    /// Puts a commit of files on top of a branch of a bare repository, as a push would, on a day of January 2026; returns
    /// its id. One program does it, where a clone, a commit and a push would start twenty.
    pub(crate) fn land(&self, branch: &str, files: &[(&str, &str)], message: &str, day: u8) -> String {
        self.land_all(branch, &[(NOON + i64::from(day - 1) * 86_400, message, files)])
    }

    /// Puts commits on top of a branch of a bare repository, each with its time in seconds since 1970; returns the last one's id.
    pub(crate) fn land_all(&self, branch: &str, commits: &[(i64, &str, Files<'_>)]) -> String {
        let reference = format!("refs/heads/{branch}");
        let mut from = self.at(branch).map(|_| format!("from {reference}^0\n")).unwrap_or_default();
        let mut told = String::new();
        for (at, message, files) in commits {
            let person = format!("A Person <person@acme.example> {at} +0000");
            let length = message.len() + 1;
            told.push_str(&format!(
                "commit {reference}\nauthor {person}\ncommitter {person}\ndata {length}\n{message}\n"
            ));
            told.push_str(&std::mem::take(&mut from));
            for (path, content) in *files {
                told.push_str(&format!("M 100644 inline \"{path}\"\ndata {}\n{content}\n", content.len()));
            }
        }
        let import = ["fast-import", "--quiet"];
        let mut program = self.command(&import, 0).stdin(Stdio::piped()).spawn().expect("the git program");
        program.stdin.take().expect("a pipe").write_all(told.as_bytes()).expect("the program reads");
        assert!(program.wait().expect("the git program").success(), "{told}");
        self.tip(branch)
    }

    /// Returns the commit of a branch, if there is one.
    pub(crate) fn at(&self, branch: &str) -> Option<String> {
        // Most branches stand in a file of their own: no program need be started to read that.
        let git =
            [self.folder.join(".git"), self.folder.clone()].into_iter().find(|folder| folder.join("refs").is_dir())?;
        if let Ok(tip) = std::fs::read_to_string(git.join("refs/heads").join(branch)) {
            return Some(tip.trim_end().to_owned());
        }
        let listed = self.git(&["for-each-ref", "--format=%(objectname)", &format!("refs/heads/{branch}")]);
        listed.lines().next().map(str::to_owned)
    }

    /// Returns the commit of a branch.
    pub(crate) fn tip(&self, branch: &str) -> String {
        self.at(branch).unwrap_or_else(|| panic!("{} has no branch {branch}", self.folder.display()))
    }

    /// Returns a file's content at a revision, byte for byte.
    pub(crate) fn show(&self, revision: &str, path: &str) -> Vec<u8> {
        self.try_git(&["show", &format!("{revision}:{path}")], 0).stdout
    }

    /// Lets nobody delete a branch.
    pub(crate) fn keep_branches(&self) {
        self.git(&["config", "receive.denyDeletes", "true"]);
    }

    /// Whether nobody may delete a branch.
    pub(crate) fn keeps_branches(&self) -> bool {
        self.git(&["config", "--default", "false", "--get", "receive.denyDeletes"]).trim() == "true"
    }

    /// Installs a hook.
    pub(crate) fn hook(&self, name: &str, script: &str) {
        let folder = self.folder.join("hooks");
        std::fs::create_dir_all(&folder).expect("a folder");
        executable(&folder.join(name), script);
    }

    fn try_git(&self, arguments: &[&str], day: u8) -> Output {
        self.command(arguments, day).output().expect("the git program")
    }

    #[expect(clippy::disallowed_methods, reason = "scratch repositories are made by the real program")]
    fn command(&self, arguments: &[&str], day: u8) -> Command {
        let date = format!("2026-01-{:02}T12:00:00Z", day.max(1));
        let mut program = Command::new(git_program());
        program
            .arg("-C")
            .arg(&self.folder)
            .args(arguments)
            .env_clear()
            .env("PATH", search_path())
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_CONFIG_COUNT", SETTINGS.len().to_string())
            .envs(SETTINGS.iter().enumerate().flat_map(|(index, (key, value))| {
                [(format!("GIT_CONFIG_KEY_{index}"), *key), (format!("GIT_CONFIG_VALUE_{index}"), *value)]
            }))
            .env("GIT_AUTHOR_NAME", "A Person")
            .env("GIT_AUTHOR_EMAIL", "person@acme.example")
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_NAME", "A Person")
            .env("GIT_COMMITTER_EMAIL", "person@acme.example")
            .env("GIT_COMMITTER_DATE", &date);
        program
    }
}

/// Returns where the machine's `git` is: by its path, a process is started without a copy of this one's page tables.
pub(crate) fn git_program() -> &'static Path {
    static FOUND: LazyLock<PathBuf> = LazyLock::new(|| {
        let folders = search_path();
        let mut found = std::env::split_paths(&folders).map(|folder| folder.join("git"));
        found.find(|path| path.is_file()).expect("git on the PATH")
    });
    &FOUND
}

/// Returns the `PATH` of the test run.
#[expect(clippy::disallowed_methods, reason = "tests find programs where the machine has them")]
pub(crate) fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// Returns an environment for the `git` program, with a folder searched first.
pub(crate) fn environment(first: Option<&Path>) -> ProgramEnvironment {
    let mut folders: Vec<PathBuf> = first.map(Path::to_owned).into_iter().collect();
    folders.extend(std::env::split_paths(&search_path()));
    ProgramEnvironment { path: std::env::join_paths(folders).expect("plain folders"), ..Default::default() }
}

/// Writes a script that can be run.
pub(crate) fn executable(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;

    // Renamed into place, so that no process forked meanwhile holds it open for writing ("text file busy").
    let fresh = path.with_extension("fresh");
    std::fs::write(&fresh, script).expect("a script");
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    std::fs::rename(&fresh, path).expect("a script");
}

/// Returns every path in a folder with its content, symbolic links not followed.
pub(crate) fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push((entry.path(), std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    found.sort();
    found
}
