//! Scanning with what earlier passes left: nothing is parsed twice, and nothing is found that a fresh look would not find.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tagboat::cache::{Cache, Key32};
use tagboat::clock::SystemClock;
use tagboat::config::repository;
use tagboat::git::{BlobId, Remote};
use tagboat::manifest::stored::Key;
use tagboat::manifest::{Limits, Surroundings};
use tagboat::model::environment::BranchName;
use tagboat::model::file::RepoPath;
use tagboat::model::format::ExtraFormat;
use tagboat::observe::checkout::Checkout;
use tagboat::observe::files::Files;
use tagboat::observe::scan::{Effort, Scanned, scan};
use tagboat::observe::tree::CommitFiles;
use tagboat::pass::setup::no_cache;
use tempfile::TempDir;

use crate::git::mirror_of;
use crate::support::memory::MemoryRemote;
use crate::support::repository::Scratch;

/// A folder of files, and a cache beside it.
struct World {
    folder: TempDir,
    cache: Cache,
}

impl World {
    /// Makes every kind of file once: references, none, a broken file, a template, another updater's object.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("cache.db"), Arc::new(SystemClock));
        let world = Self { folder, cache };
        for number in 0..40 {
            world.write(&format!("apps/{number}.yaml"), &deployment(&format!("ghcr.io/acme/app-{number}:1.4.0")));
            world.write(&format!("docs/{number}.md"), "# Nothing to find here\n");
        }
        for (path, text) in FURTHER {
            world.write(path, text);
        }
        world
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.tree().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn scan(&self) -> Scanned {
        self.scan_with(&[], &Limits::default())
    }

    fn scan_with(&self, formats: &[ExtraFormat], limits: &Limits) -> Scanned {
        scan(&Checkout::new(self.tree()), formats, limits, &self.cache).unwrap()
    }

    /// Looks without any cache.
    fn fresh(&self) -> Scanned {
        scan(&Checkout::new(self.tree()), &[], &Limits::default(), &no_cache()).unwrap()
    }
}

const FURTHER: [(&str, &str); 6] = [
    ("broken.yaml", "image: [ghcr.io/acme/web:1.4.0\n"),
    ("template.yaml", "image: {{ .Values.image }}:1.4.0\n"),
    (
        "marked.yaml",
        "image: ghcr.io/acme/web:1.4.0 # tagboat: semver=1.x\nb: {image: 'ghcr.io/acme/api:1'} # tagboat: ignore\n",
    ),
    ("binary.yaml", "image: \0\n"),
    (
        "flux.yaml",
        "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\nmetadata: {name: web, namespace: flux-system}\nspec: {image: ghcr.io/acme/web}\n---\n\
         apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {name: web, namespace: flux-system}\nspec: {imageRepositoryRef: {name: web}, policy: {semver: {range: 1.x}}}\n",
    ),
    ("flux-marked.yaml", "image: ghcr.io/acme/web:1.4.0 # {\"$imagepolicy\": \"flux-system:web\"}\n"),
];

/// How many files of a `World` may hold a reference.
const PARSED: usize = 45;

fn deployment(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nspec: {{template: {{spec: {{containers: [{{image: '{image}'}}]}}}}}}\n"
    )
}

fn commit_files(remote: &Arc<dyn Remote>) -> CommitFiles {
    let commit = remote.fetch(&BranchName::from("main")).unwrap();
    CommitFiles::new(Arc::clone(remote), &commit).unwrap()
}

#[track_caller]
fn assert_same(one: &Scanned, other: &Scanned) {
    assert_eq!(one.sites, other.sites);
    assert_eq!(one.passed_over, other.passed_over);
    assert_eq!(one.foreign, other.foreign);
}

#[test]
fn a_second_pass_over_an_unchanged_folder_parses_nothing() {
    let world = World::new();
    let first = world.scan();
    assert_eq!((first.effort.parsed, first.effort.known), (PARSED, 0));
    let second = world.scan();
    assert_eq!((second.effort.parsed, second.effort.known), (0, PARSED));
    assert_same(&first, &world.fresh());
    assert_same(&second, &world.fresh());
    assert_eq!(world.cache.warning(), None);
}

#[test]
fn a_file_that_changed_is_the_only_one_that_is_parsed() {
    let world = World::new();
    world.scan();
    world.write("apps/7.yaml", &deployment("ghcr.io/acme/app-7:1.5.0"));
    let next = world.scan();
    assert_eq!((next.effort.parsed, next.effort.known), (1, PARSED - 1));
    assert_same(&next, &world.fresh());
    // Back again, its earlier result is known, too.
    world.write("apps/7.yaml", &deployment("ghcr.io/acme/app-7:1.4.0"));
    assert_eq!(world.scan().effort.parsed, 0);
    assert_same(&world.scan(), &world.fresh());
}

#[test]
fn a_file_is_looked_into_again_when_what_surrounds_it_changed() {
    let world = World::new();
    world.write("shop/templates/web.yaml", "image: ghcr.io/acme/web:1.4.0\n");
    let before = world.scan();
    world.write("shop/Chart.yaml", "name: shop\n");
    let after = world.scan();
    assert_eq!(after.effort.parsed, 1, "what lies in a chart's templates is read as a template");
    assert_eq!(after.sites.len() + 1, before.sites.len());
    assert_same(&after, &world.fresh());
    let formats = "version: 1\nformats: [{files: 'apps/1.yaml', regex: '(?<image>[a-z./0-9-]+):(?<tag>[0-9.]+)'}]\n";
    let formats = repository::parse(".tagboat.yaml", formats.as_bytes()).unwrap().formats;
    assert_eq!(world.scan_with(&formats, &Limits::default()).effort.parsed, 1, "the file that `formats` names");
    let limits = Limits { max_depth: 10, ..Limits::default() };
    assert_eq!(world.scan_with(&[], &limits).effort.known, 0, "limits are a part of every result");
}

#[test]
fn an_unchanged_file_of_a_commit_is_neither_read_nor_parsed() {
    let mut files: Vec<(String, String)> = (0..40)
        .map(|number| (format!("apps/{number}.yaml"), deployment(&format!("acme/app-{number}:1.4.0"))))
        .collect();
    files.extend((0..40).map(|number| (format!("docs/{number}.md"), format!("# Page {number}\n"))));
    files.extend(FURTHER.map(|(path, text)| (path.to_owned(), text.to_owned())));
    let lent = |files: &[(String, String)]| -> Arc<dyn Remote> {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        Arc::new(MemoryRemote::with(&files))
    };
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(&folder.path().join("cache.db"), Arc::new(SystemClock));
    let look =
        |remote: &Arc<dyn Remote>, cache: &Cache| scan(&commit_files(remote), &[], &Limits::default(), cache).unwrap();
    let remote = lent(&files);
    let first = look(&remote, &cache);
    assert_eq!(first.effort, Effort { read: files.len(), parsed: PARSED, known: 0 });
    let second = look(&remote, &cache);
    assert_eq!(second.effort, Effort { read: 0, parsed: 0, known: files.len() });
    assert_same(&first, &second);
    files[3].1 = deployment("acme/app-3:1.5.0");
    files[50].1 = "# Another page\n".to_owned();
    let changed = lent(&files);
    let third = look(&changed, &cache);
    assert_eq!(third.effort, Effort { read: 2, parsed: 1, known: files.len() - 2 });
    assert_same(&third, &look(&changed, &no_cache()));
}

#[test]
fn a_folder_and_a_commit_of_the_same_files_know_what_either_found() {
    let world = World::new();
    let scratch = Scratch::new();
    let paths = Checkout::new(world.tree()).list().unwrap().files;
    let texts: Vec<(String, String)> = paths
        .iter()
        .map(|path| (path.to_string(), fs::read_to_string(world.tree().join(path.as_str())).unwrap()))
        .collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let bare = scratch.bare("manifests.git", &files);
    let mirror: Arc<dyn Remote> = Arc::new(mirror_of(&scratch, "mirror", &bare));
    let found = world.scan();
    let of_commit = scan(&commit_files(&mirror), &[], &Limits::default(), &world.cache).unwrap();
    assert_eq!((of_commit.effort.parsed, of_commit.effort.known), (0, PARSED));
    assert_same(&of_commit, &found);
}

#[test]
fn rows_that_are_damaged_or_another_files_are_found_out_again() {
    let world = World::new();
    world.scan();
    let (limits, tree) = (Limits::default(), Checkout::new(world.tree()));
    let listed = tree.list().unwrap().files;
    let surroundings = Surroundings::new(listed.iter().map(RepoPath::as_str));
    let key = |path: &RepoPath| {
        let content = BlobId::of(&tree.read(path, limits.max_bytes).unwrap()).unwrap();
        Key32(Key::of(path, &content.0, &surroundings, &limits).0)
    };
    let apps: Vec<Key32> = listed.iter().filter(|path| path.folder() == "apps").map(key).collect();
    let known = world.cache.scans(&apps);
    assert_eq!(known.len(), apps.len(), "these are the keys");
    // Noise, half a row, nothing at all, a row of another file's.
    let rows = [
        (apps[0], vec![0xff; 60]),
        (apps[1], known[&apps[1]][..20].to_vec()),
        (apps[2], Vec::new()),
        (apps[3], known[&apps[4]].clone()),
    ];
    world.cache.keep_scans(&rows);
    let again = world.scan();
    assert_eq!((again.effort.parsed, again.effort.known), (4, PARSED - 4));
    assert_same(&again, &world.fresh());
    assert_eq!(world.scan().effort.parsed, 0, "what was found takes the place of what was damaged");
}

#[test]
fn a_cache_that_cannot_serve_changes_nothing_but_the_work() {
    let world = World::new();
    let path = world.folder.path().join("a folder.db");
    fs::create_dir(&path).unwrap();
    let cache = Cache::open(&path, Arc::new(SystemClock));
    for _ in 0..2 {
        let found = scan(&Checkout::new(world.tree()), &[], &Limits::default(), &cache).unwrap();
        assert_eq!((found.effort.parsed, found.effort.known), (PARSED, 0));
        assert_same(&found, &world.fresh());
    }
    assert!(cache.warning().is_some());
}

#[test]
fn the_fixtures_are_found_the_same_with_a_cache_and_without() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/manifest");
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(&folder.path().join("cache.db"), Arc::new(SystemClock));
    let look = |cache: &Cache| scan(&Checkout::new(&fixtures), &[], &Limits::default(), cache).unwrap();
    let (fresh, first, second) = (look(&no_cache()), look(&cache), look(&cache));
    assert_same(&first, &fresh);
    assert_same(&second, &fresh);
    assert_eq!((first.effort.parsed, second.effort.parsed), (fresh.effort.parsed, 0));
    assert!(fresh.effort.parsed > 150, "{:?}", fresh.effort);
}
