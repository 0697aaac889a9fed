//! Signed commits, as `git verify-commit` sees them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use secrecy::SecretString;
use tagboat::git::signing::{GpgKey, KeyError, Keys, SshKey};
use tagboat::git::{GitError, Pushed, Remote as _};
use tagboat::model::commit::{CommitPlan, Identity, Sign};

use crate::git::{edit, main_branch, mirror_of, now, plan};
use crate::support::repository::{Scratch, executable, search_path};

/// Runs a program that keys are made with.
#[expect(clippy::disallowed_methods, reason = "keys are made by the programs that people make them with")]
fn run(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    let output = command.env_clear().env("PATH", search_path()).env("HOME", "/nonexistent").args(arguments).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes an SSH key, and returns the file of its private part.
pub(crate) fn ssh_key(scratch: &Scratch, name: &str, arguments: &[&str]) -> PathBuf {
    let file = scratch.path(name);
    let path = file.display().to_string();
    run("ssh-keygen", &[&["-q", "-N", "", "-C", "ship", "-f", &path], arguments].concat());
    file
}

fn read(file: &Path) -> Result<SshKey, KeyError> {
    SshKey::read(&SecretString::from(fs::read_to_string(file).unwrap().trim()))
}

fn signed(way: Sign) -> CommitPlan {
    let committer = Identity { name: "Ship Bot".to_owned(), email: "ship@acme.example".to_owned() };
    CommitPlan { sign: Some(way), committer, ..plan() }
}

#[test]
fn git_verifies_what_is_signed_by_ssh_and_by_whom() {
    let scratch = Scratch::new();
    let key = ssh_key(&scratch, "key", &["-t", "ed25519"]);
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    let keys = Keys { ssh: Some(Ok(read(&key).unwrap())), gpg: None };
    let mirror = mirror_of(&scratch, "mirror", &remote).with_keys(keys);
    let base = mirror.fetch(&main_branch()).unwrap();
    let commit = mirror.commit(&base, &[edit("a.yaml", "1\n", "2\n")], &signed(Sign::Ssh), now()).unwrap();
    assert!(mirror.is_signed(&commit).unwrap() && !mirror.is_signed(&base).unwrap());
    assert!(mirror.is_signed_here(&commit).unwrap() && !mirror.is_signed_here(&base).unwrap());
    assert_eq!(mirror.push(&main_branch(), &base, &commit).unwrap(), Pushed::Done);
    remote.git(&["fsck", "--strict"]);
    let verify = |who: &Path| {
        let public = fs::read_to_string(who.with_extension("pub")).unwrap();
        let allowed = scratch.path("allowed");
        fs::write(&allowed, format!("ship@acme.example namespaces=\"git\" {public}")).unwrap();
        let allowed = format!("gpg.ssh.allowedSignersFile={}", allowed.display());
        remote.output(&["-c", &allowed, "verify-commit", "main"])
    };
    assert!(verify(&key).is_some());
    let other = ssh_key(&scratch, "other", &["-t", "ed25519"]);
    assert!(verify(&other).is_none(), "another's key verifies nothing");
    let keys = Keys { ssh: Some(Ok(read(&other).unwrap())), gpg: None };
    let elsewhere = mirror_of(&scratch, "elsewhere", &remote).with_keys(keys);
    elsewhere.fetch(&main_branch()).unwrap();
    assert!(elsewhere.is_signed(&commit).unwrap() && !elsewhere.is_signed_here(&commit).unwrap());
    // The same signature over other words.
    let told = remote.git(&["cat-file", "commit", "main"]).replacen("Ship Bot", "Ship Rob", 1);
    let file = scratch.path("forged");
    fs::write(&file, format!("{told}\n")).unwrap();
    let forged = remote.git(&["hash-object", "-t", "commit", "-w", &file.display().to_string()]);
    remote.git(&["update-ref", "refs/heads/main", &forged]);
    let forged = mirror.fetch(&main_branch()).unwrap();
    assert!(mirror.is_signed(&forged).unwrap() && !mirror.is_signed_here(&forged).unwrap());
    remote.git(&["update-ref", "refs/heads/main", commit.as_str()]);
    let shown = remote.git(&["log", "-1", "--format=%an %cn %ce", "main"]);
    assert_eq!(shown, "Tagböat Ship Bot ship@acme.example");
}

#[test]
fn the_same_commit_signed_twice_by_ed25519_is_one() {
    let scratch = Scratch::new();
    let key = ssh_key(&scratch, "key", &["-t", "ed25519"]);
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    let make = |name: &str| {
        let keys = Keys { ssh: Some(read(&key).map_err(|error| error.to_string())), gpg: None };
        let mirror = mirror_of(&scratch, name, &remote).with_keys(keys);
        let base = mirror.fetch(&main_branch()).unwrap();
        mirror.commit(&base, &[edit("a.yaml", "1\n", "2\n")], &signed(Sign::Ssh), now()).unwrap()
    };
    assert_eq!(make("one"), make("other"));
}

#[test]
fn a_key_that_cannot_sign_is_refused_with_what_to_do() {
    let scratch = Scratch::new();
    let locked = scratch.path("locked");
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "hush", "-f", &locked.display().to_string()]);
    assert_eq!(read(&locked).unwrap_err(), KeyError::Passphrase);
    let rsa = ssh_key(&scratch, "rsa", &["-t", "rsa", "-b", "2048"]);
    assert_eq!(read(&rsa).unwrap_err(), KeyError::Kind("ssh-rsa".to_owned()));
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    let mirror = mirror_of(&scratch, "mirror", &remote);
    let base = mirror.fetch(&main_branch()).unwrap();
    for (way, named) in [(Sign::Ssh, "signing.sshKeyFile"), (Sign::Gpg, "signing.gpgKey")] {
        let made = mirror.commit(&base, &[edit("a.yaml", "1\n", "2\n")], &signed(way), now());
        assert!(matches!(made, Err(GitError::Unsigned(reason)) if reason.contains(named)));
    }
}

#[test]
fn git_verifies_what_is_signed_by_gpg() {
    let scratch = Scratch::new();
    let home = scratch.path("gnupg");
    fs::create_dir(&home).unwrap();
    let folder = home.display().to_string();
    let arguments =
        ["--batch", "--homedir", &folder, "--passphrase", "", "--quick-gen-key", "ship@acme.example", "ed25519"];
    run("gpg", &[&arguments[..], &["sign", "never"]].concat());
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    let key = |id: &str| Keys { ssh: None, gpg: Some(GpgKey { id: id.to_owned(), home: Some(home.clone()) }) };
    let mirror = mirror_of(&scratch, "mirror", &remote).with_keys(key("ship@acme.example"));
    let base = mirror.fetch(&main_branch()).unwrap();
    let commit = mirror.commit(&base, &[edit("a.yaml", "1\n", "2\n")], &signed(Sign::Gpg), now()).unwrap();
    assert_eq!(mirror.push(&main_branch(), &base, &commit).unwrap(), Pushed::Done);
    let program = scratch.path("gpg-here");
    executable(&program, &format!("#!/bin/sh\nexec gpg --homedir '{folder}' \"$@\"\n"));
    let program = format!("gpg.program={}", program.display());
    remote.git(&["-c", &program, "verify-commit", "main"]);
    assert!(mirror.is_signed_here(&commit).unwrap() && !mirror.is_signed_here(&base).unwrap());
    // Another key of the same keyring is not the one that signs here.
    run("gpg", &[&arguments[..6], &["mate@acme.example", "ed25519", "sign", "never"]].concat());
    let other = mirror_of(&scratch, "mate", &remote).with_keys(key("mate@acme.example"));
    other.fetch(&main_branch()).unwrap();
    assert!(!other.is_signed_here(&commit).unwrap());
    let mirror = mirror_of(&scratch, "other", &remote).with_keys(key("nobody@acme.example"));
    let base = mirror.fetch(&main_branch()).unwrap();
    let made = mirror.commit(&base, &[edit("a.yaml", "2\n", "3\n")], &signed(Sign::Gpg), now());
    assert!(matches!(made, Err(GitError::Unsigned(reason)) if reason.starts_with("gpg does not sign: ")));
    run("gpgconf", &["--homedir", &folder, "--kill", "all"]);
}
