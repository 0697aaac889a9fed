//! New repositories, and the history that a mirror tells.

use tagboat::git::access::Access;
use tagboat::git::local::LocalHistory;
use tagboat::git::log::Line;
use tagboat::git::mirror::Mirror;
use tagboat::git::url::RemoteUrl;
use tagboat::git::{Pushed, Remote as _, seed};
use tagboat::model::commit::Identity;
use tagboat::model::file::RepoPath;

use crate::git::{MESSAGE, land, now};
use crate::support::git_server::{GitServer, Rules};
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

    let line = mirror.history(&"main".into(), &third, 10, &|_| true).unwrap();
    assert!(line.whole);
    let entries: Vec<_> = line.steps.iter().map(|step| &step.entry).collect();
    let ids: Vec<_> = entries.iter().map(|entry| entry.id.clone()).collect();
    assert_eq!(ids, [third.clone(), second.clone(), first.clone()]);
    assert_eq!(entries[0].parent.as_ref(), Some(&second));
    assert_eq!((entries[0].message.as_str(), entries[0].time), (MESSAGE, now()));
    assert_eq!((&entries[2].author, entries[2].message.as_str(), &entries[2].parent), (&author, "Begin\n", &None));
    assert_eq!(
        changes(&line),
        ["readme: changed", "envs/dev/web.yaml: changed", "envs/dev/web.yaml: new", "readme: new"]
    );
    let short = mirror.history(&"main".into(), &third, 2, &|path| path.starts_with("envs/")).unwrap();
    assert_eq!((short.steps.len(), short.whole), (2, false));
    assert_eq!(changes(&short), ["envs/dev/web.yaml: changed"]);
}

fn changes(line: &Line) -> Vec<String> {
    let steps = line.steps.iter().flat_map(|step| &step.changed);
    let told = steps.map(|changed| {
        let what = match (&changed.before, &changed.after) {
            (None, _) => "new",
            (_, None) => "gone",
            _ => "changed",
        };
        format!("{}: {what}", changed.path)
    });
    told.collect()
}

/// A remote with so many commits, the newest last, each of which changes one file.
fn long(scratch: &Scratch, commits: u8) -> Repository {
    let remote = scratch.empty("acme.git");
    let work = scratch.work("work", &[("a.yaml", "0\n"), ("deep/er/b.yaml", "0\n")]);
    for number in 1..commits {
        work.commit_files(&[("a.yaml", &format!("{number}\n"))], &format!("Number {number}"), number);
    }
    work.git(&["push", "--quiet", &remote.folder.display().to_string(), "main"]);
    remote
}

fn told(line: &Line) -> (usize, bool, String) {
    let oldest = line.steps.last().map(|step| step.entry.message.trim().to_owned());
    (line.steps.len(), line.whole, oldest.unwrap_or_default())
}

/// Asks for more and more, and fetches anew in between, when somebody pushed.
fn deepens(scratch: &Scratch, remote: &Repository, mirror: &Mirror) {
    let main = "main".into();
    let tip = mirror.fetch(&main).unwrap();
    assert_eq!(told(&mirror.history(&main, &tip, 3, &|_| true).unwrap()), (3, false, "Number 17".to_owned()));
    assert_eq!(told(&mirror.history(&main, &tip, 10, &|_| true).unwrap()), (10, false, "Number 10".to_owned()));
    let work = Repository { folder: scratch.path("work") };
    work.commit_files(&[("a.yaml", "20\n")], "Number 20", 20);
    work.commit_files(&[("a.yaml", "21\n")], "Number 21", 21);
    work.git(&["push", "--quiet", &remote.folder.display().to_string(), "main"]);
    let tip = mirror.fetch(&main).unwrap();
    assert_eq!(told(&mirror.history(&main, &tip, 12, &|_| true).unwrap()), (12, false, "Number 10".to_owned()));
    let all = mirror.history(&main, &tip, 100, &|path| path == "deep/er/b.yaml").unwrap();
    assert_eq!((all.steps.len(), all.whole), (22, true));
    assert_eq!(changes(&all), ["deep/er/b.yaml: new"]);
}

#[test]
fn a_shallow_mirror_is_deepened_as_far_as_history_is_asked_for() {
    let scratch = Scratch::new();
    let remote = long(&scratch, 20);
    deepens(&scratch, &remote, &crate::git::mirror_of(&scratch, "mirror", &remote));
}

#[test]
fn a_shallow_mirror_is_deepened_over_http_too() {
    let scratch = Scratch::new();
    let remote = long(&scratch, 20);
    let server = GitServer::start(scratch.path("").as_path(), Rules::default());
    let url = server.url("acme.git").parse().unwrap();
    let mirror = Mirror::open(&scratch.path("mirror"), url, Access::None, environment(None)).unwrap();
    deepens(&scratch, &remote, &mirror);
    let tip = mirror.fetch(&"main".into()).unwrap();
    assert_ne!(server.requests().len(), 0);
    mirror.history(&"main".into(), &tip, 15, &|_| true).unwrap();
    assert_eq!(server.requests(), [""; 0], "what is at hand is asked of nobody");
}

#[test]
fn the_history_of_a_checkout_is_seen_from_the_folder_that_is_looked_at() {
    let scratch = Scratch::new();
    let work = scratch.work("work", &[("a.yaml", "0\n"), ("deep/er/b.yaml", "0\n")]);
    work.commit_files(&[("deep/er/b.yaml", "1\n")], "Second", 2);
    let history = LocalHistory::open(&work.folder.join("deep")).unwrap();
    let line = history.line(10, &|_| true).unwrap();
    assert_eq!(changes(&line), ["er/b.yaml: changed", "er/b.yaml: new"]);
    assert_eq!((line.steps.len(), line.whole), (2, true));
    let blob = line.steps[0].changed[0].after.clone().unwrap();
    assert_eq!(history.read(&blob, 100).unwrap(), b"1\n");
    assert!(LocalHistory::open(&scratch.path("")).is_err());
}
