//! Git by every way that it is reached, from a file's address to SSH and HTTPS, also beside a forge: each story ends as over HTTP.

use std::path::PathBuf;

use crate::program::life::{
    Life, MERGED_ONCE_ITS_GATES_OPEN, OPENED_RENEWED_AND_CLOSED, Place, Story, TWO_MERGED_AT_ONCE,
};
use crate::support::authority::Authority;
use crate::support::repository::search_path;
use crate::support::ssh_server::SshServer;
use crate::support::tls_front::{Clients, TlsFront};

/// A way to the repository.
struct Way {
    url: String,
    /// What is said of it in the operator's file.
    service: Option<String>,
    variables: Vec<(&'static str, std::ffi::OsString)>,
}

impl Life {
    /// Runs by this way until nothing changes any more.
    #[track_caller]
    fn settle_by(&self, way: &Way) {
        for _ in 0..6 {
            let before = self.told();
            let mut command = self.command(&["run"], &way.url, "another");
            if let Some(text) = &way.service {
                command.args(["--service", &self.world.beside("reached.yaml", text)]);
            }
            command.envs(way.variables.iter().cloned());
            command.stderr(std::process::Stdio::piped());
            let ran = command.spawn().unwrap().wait_with_output().unwrap();
            assert_eq!(ran.status.code(), Some(0), "{}: {}", way.url, String::from_utf8_lossy(&ran.stderr));
            if self.told() == before {
                return;
            }
        }
        panic!("six passes, and each still writes something: {:#?}", self.told());
    }

    fn folder(&self) -> String {
        self.store.repository.folder.display().to_string()
    }
}

fn tell(story: &Story, way: impl Fn(&Life) -> Way) {
    tell_at(Place::Plain, story, way);
}

fn tell_at(place: Place, story: &Story, way: impl Fn(&Life) -> Way) {
    Life::tell(place, story, |life, before, ends_well| {
        life.restore(before);
        let way = way(life);
        life.settle_by(&way);
        assert_eq!(life.settle(), [""; 0], "nothing is left for a pass over HTTP");
        ends_well(&format!("by {}", way.url));
    });
}

fn by_file(life: &Life) -> Way {
    Way { url: format!("file://{}", life.folder()), service: None, variables: Vec::new() }
}

fn by_ssh(story: &Story) {
    by_ssh_at(Place::Plain, story);
}

fn by_ssh_at(place: Place, story: &Story) {
    let folder = tempfile::tempdir().unwrap();
    let server = SshServer::start(&folder.path().join("ssh"));
    tell_at(place, story, |life| {
        let url = format!("ssh://{}{}", server.host, life.folder());
        let service =
            format!("version: 1\nrepositories: [{{url: '{url}', auth: {{sshKeyFile: {}}}}}]\n", server.key.display());
        let mut folders: Vec<PathBuf> = vec![server.bin.clone()];
        folders.extend(std::env::split_paths(&search_path()));
        Way { url, service: Some(service), variables: vec![("PATH", std::env::join_paths(folders).unwrap())] }
    });
}

fn by_https(story: &Story) {
    let authority = Authority::new("Acme");
    let signed = authority.server(&["127.0.0.1"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    authority.write(&file);
    let front = std::cell::OnceCell::new();
    tell(story, |life| {
        let (host, path) = life.url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let front = front.get_or_init(|| TlsFront::before(host, &signed, Clients::Anybody));
        let url = format!("https://{}/{path}", front.host());
        Way { url, service: None, variables: vec![("SSL_CERT_FILE", file.clone().into_os_string())] }
    });
}

#[test]
fn a_file_s_address_opens_renews_and_closes() {
    tell(&OPENED_RENEWED_AND_CLOSED, by_file);
}

#[test]
fn a_file_s_address_merges_once_gates_open() {
    tell(&MERGED_ONCE_ITS_GATES_OPEN, by_file);
}

#[test]
fn a_file_s_address_merges_two_at_once() {
    tell(&TWO_MERGED_AT_ONCE, by_file);
}

#[test]
fn ssh_opens_renews_and_closes() {
    by_ssh(&OPENED_RENEWED_AND_CLOSED);
}

#[test]
fn ssh_merges_once_gates_open() {
    by_ssh(&MERGED_ONCE_ITS_GATES_OPEN);
}

/// The deploy key is for Git alone, and the token for the forge.
#[test]
fn a_deploy_key_and_a_token_open_renew_and_close_on_github() {
    by_ssh_at(Place::GitHub, &OPENED_RENEWED_AND_CLOSED);
}

#[test]
fn a_deploy_key_and_a_token_merge_once_gates_open_on_gitea() {
    by_ssh_at(Place::Gitea, &MERGED_ONCE_ITS_GATES_OPEN);
}

#[test]
fn https_of_a_private_authority_opens_renews_and_closes() {
    by_https(&OPENED_RENEWED_AND_CLOSED);
}

#[test]
fn https_of_a_private_authority_merges_once_gates_open() {
    by_https(&MERGED_ONCE_ITS_GATES_OPEN);
}
