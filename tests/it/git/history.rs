//! New repositories, and the history that a mirror tells.

use tagboat::git::access::Access;
use tagboat::git::log::first_parent;
use tagboat::git::mirror::Mirror;
use tagboat::git::url::RemoteUrl;
use tagboat::git::{Pushed, Remote as _, seed};
use tagboat::model::commit::Identity;
use tagboat::model::file::RepoPath;

use crate::git::{MESSAGE, land, now};
use crate::support::repository::{Repository, Scratch, environment};

#[test]
fn a_seeded_repository_takes_pushes_and_tells_its_history() {
    let scratch = Scratch::new();
    let folder = scratch.path("sëed.git");
    let files = [("envs/dev/web.yaml", "tag: 1.4.0\n"), ("readme", "")];
    let files = files.map(|(path, content)| (RepoPath::new(path).unwrap(), content.as_bytes().to_vec()));
    let author = Identity { name: "Demo".to_owned(), email: "demo@acme.example".to_owned() };
    let first = seed::bare_repository(&folder, &"main".into(), &files, &author, now(), "Begin\n").unwrap();
    let repository = Repository { folder: folder.clone() };
    assert_eq!(repository.tip("main"), first.as_str());
    assert_eq!(repository.git(&["rev-parse", "--symbolic-full-name", "HEAD"]), "refs/heads/main");
    assert_eq!(repository.git(&["ls-tree", "-r", "--name-only", "main"]), "envs/dev/web.yaml\nreadme");
    assert_eq!(repository.git(&["fsck", "--full", "--strict", "--no-dangling"]), "");
    assert!(seed::bare_repository(&folder, &"main".into(), &files, &author, now(), "Again\n").is_err());
    assert!(seed::bare_repository(&scratch.path("x"), &"a..b".into(), &files, &author, now(), "Begin\n").is_err());

    let url = RemoteUrl::from_path(&folder);
    let mirror = Mirror::open(&scratch.path("mirror"), url, Access::None, environment(None)).unwrap();
    let (second, pushed) = land(&mirror, "envs/dev/web.yaml", "tag: 1.4.0\n", "tag: 1.5.0\n");
    assert_eq!(pushed, Pushed::Done);
    let (third, _) = land(&mirror, "readme", "", "Read me\n");

    let entries = first_parent(&mirror, &third, 10).unwrap();
    let ids: Vec<_> = entries.iter().map(|entry| entry.id.clone()).collect();
    assert_eq!(ids, [third.clone(), second.clone(), first.clone()]);
    assert_eq!(entries[0].parent.as_ref(), Some(&second));
    assert_eq!((entries[0].message.as_str(), entries[0].time), (MESSAGE, now()));
    assert_eq!((&entries[2].author, entries[2].message.as_str(), &entries[2].parent), (&author, "Begin\n", &None));
    assert_eq!(first_parent(&mirror, &third, 2).unwrap().len(), 2);
    assert!(first_parent(&mirror, &third, 0).unwrap().is_empty());
}

#[test]
fn history_ends_where_the_shallow_mirror_does() {
    let scratch = Scratch::new();
    let remote = scratch.empty("acme.git");
    let work = scratch.work("work", &[("a.yaml", "1\n")]);
    let second = work.commit_files(&[("a.yaml", "2\n")], "Second", 2);
    work.git(&["push", "--quiet", &remote.folder.display().to_string(), "main"]);
    let mirror = crate::git::mirror_of(&scratch, "mirror", &remote);
    let tip = mirror.fetch(&"main".into()).unwrap();
    let entries = first_parent(&mirror, &tip, 10).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].id.as_str(), entries[0].time.to_string().as_str()),
        (second.as_str(), "2026-01-02T12:00:00Z")
    );
    assert!(entries[0].parent.is_some());
}
