//! The record of long histories, each told by commits with hours: how far back it is read changes nothing of what is told.

use serde_json::Value;

use crate::program::{Ran, World, deployment};
use crate::support::repository::Repository;

const CONFIG: &str = "version: 1
images:
  - match: ghcr.io/acme/**
    semver: 1.x
environments:
  - name: dev
    files: [dev/**]
    publish: commit
  - name: prod
    files: [prod/**]
    after: dev
    publish: commit
";

/// The first of September 2026, in seconds since 1970.
const BEGIN: i64 = 1_788_220_800;

const HOUR: i64 = 3_600;

/// A repository with a history.
struct Story {
    world: World,
    remote: Repository,
}

impl Story {
    /// Tells a history: at an hour, the versions that a commit writes to files (`dev/web=1.4.0`). Between them, something else
    /// is committed each hour.
    fn new(told: &[(i64, &str)]) -> Self {
        let world = World::new();
        let remote = world.scratch.empty("manifests.git");
        let mut commits: Vec<(i64, Vec<(String, String)>)> = Vec::new();
        for (hour, files) in told {
            let mut before = commits.last().map_or(*hour, |(hour, _)| *hour) + 1;
            while before < *hour {
                commits.push((before, vec![("readme".to_owned(), before.to_string())]));
                before += 1;
            }
            let file = |file: &str| {
                let (path, tag) = file.split_once('=').unwrap();
                (format!("{path}.yaml"), deployment(&format!("ghcr.io/acme/web:{tag}")))
            };
            commits.push((*hour, files.split_whitespace().map(file).collect()));
        }
        commits[0].1.push((".tagboat.yaml".to_owned(), CONFIG.to_owned()));
        let files: Vec<Vec<(&str, &str)>> = commits
            .iter()
            .map(|(_, files)| files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect())
            .collect();
        let commits: Vec<_> = commits
            .iter()
            .zip(&files)
            .map(|((hour, _), files)| (BEGIN + hour * HOUR, "By hand", files.as_slice()))
            .collect();
        remote.land_all("main", &commits);
        Self { world, remote }
    }

    fn call(&self, arguments: &[&str]) -> Ran {
        let url = self.remote.folder.display().to_string();
        self.world.tagboat(&[arguments, &["--repo", &url, "--branch", "main"]].concat())
    }

    /// Tells the record of an environment in short, the newest first: kind and versions.
    fn history(&self, arguments: &[&str]) -> Vec<String> {
        let json = self.call(&[&["history", "--output", "json"], arguments].concat()).ended(0).json();
        let tag = |value: &Value| value["tag"].as_str().unwrap_or("-").to_owned();
        let entries = json["entries"].as_array().unwrap().clone();
        let told = |entry: &Value| {
            format!("{} {} {}", entry["kind"].as_str().unwrap(), tag(&entry["from"]), tag(&entry["to"]))
        };
        entries.iter().map(told).collect()
    }

    /// Returns the figures of an environment between two hours, with times in hours: deployments, lead time, failures, time to
    /// restore.
    fn figures(&self, environment: &str, from: i64, to: i64) -> (u64, Option<i64>, Option<f64>, Option<i64>) {
        let (since, until) = (time(from), time(to));
        let json = self.call(&["report", "--since", &since, "--until", &until, "--output", "json"]).ended(0).json();
        let own = json["environments"].as_array().unwrap().iter().find(|own| own["name"] == environment).unwrap();
        let hours = |name: &str| own[name]["median"].as_i64().map(|seconds| seconds / HOUR);
        let deployments = own["deployments"].as_u64().unwrap();
        (deployments, hours("leadTime"), own["changeFailureRate"].as_f64(), hours("timeToRestore"))
    }
}

/// Returns an hour as arguments write it.
fn time(hour: i64) -> String {
    jiff::Timestamp::from_second(BEGIN + hour * HOUR).unwrap().to_string()
}

#[test]
fn what_a_commit_was_is_told_alike_however_far_back_is_asked() {
    // dev has left 1.4.0 long before a person brings it to prod.
    let story = Story::new(&[
        (0, "dev/web=1.3.0 prod/web=1.3.0"),
        (10, "dev/web=1.4.0"),
        (20, "dev/web=1.5.0"),
        (250, "prod/web=1.4.0"),
        (255, "prod/web=1.4.5"),
    ]);
    let whole = story.history(&["--environment", "prod"]);
    assert_eq!(whole, ["manual 1.4.0 1.4.5", "promotion 1.3.0 1.4.0", "manual - 1.3.0"]);
    let lately = story.history(&["--environment", "prod", "--since", &time(240)]);
    assert_eq!(lately, whole[..2]);

    // Hashes have no order: that one comes back is told by what stood there before.
    let story = Story::new(&[(0, "dev/web=aaa1111"), (10, "dev/web=bbb2222"), (250, "dev/web=aaa1111")]);
    let whole = story.history(&[]);
    assert_eq!(whole, ["rollback bbb2222 aaa1111", "manual aaa1111 bbb2222", "manual - aaa1111"]);
    assert_eq!(story.history(&["--since", &time(240)]), whole[..1]);
    assert_eq!(story.figures("dev", 240, 251), (0, None, None, None));
    assert_eq!(story.figures("dev", 5, 15), (1, None, Some(1.0), Some(240)));
}

#[test]
fn a_version_that_nobody_moved_since_stood_there_all_the_time_also_where_a_clone_ends() {
    let story = Story::new(&[(0, "dev/web=1.4.0 prod/web=1.3.0"), (60, "prod/web=1.4.0")]);
    let folder = story.world.scratch.path("shallow").display().to_string();
    let url = format!("file://{}", story.remote.folder.display());
    story.remote.git(&["clone", "--quiet", "--depth", "5", &url, &folder]);
    let ran = story.world.tagboat(&["history", "--environment", "prod", "-C", &folder, "--output", "csv"]).ended(0);
    assert!(ran.out.contains(",1.3.0,1.4.0,promotion,"), "{ran:?}");
}

#[test]
fn a_lead_time_counts_from_the_last_arrival_before_however_far_back_the_period_begins() {
    for (dev, hours) in [
        // It was taken back there at first.
        (vec![(10, "dev/web=1.5.0"), (20, "dev/web=1.4.0"), (200, "dev/web=1.5.0")], 50),
        // It had been left for a newer one.
        (vec![(10, "dev/web=1.5.0"), (20, "dev/web=1.6.0")], 240),
    ] {
        let begin = [(0, "dev/web=1.4.0 prod/web=1.4.0")];
        let end = [(250, "prod/web=1.5.0"), (252, "dev/web=1.7.0"), (254, "dev/web=1.5.0")];
        let story = Story::new(&[&begin[..], &dev[..], &end[..]].concat());
        for from in [1, 30, 245] {
            assert_eq!(story.figures("prod", from, 256), (1, Some(hours), Some(0.0), None), "{dev:?} {from}");
        }
    }
}

#[test]
fn a_failure_is_laid_to_what_came_to_the_place_that_went_back() {
    let both = |tag: &str| format!("prod/shop={tag} prod/blog={tag}");
    let (old, new) = (both("1.4.0"), both("1.5.0"));
    // The other place had gone on before.
    let story = Story::new(&[(0, &old), (48, &new), (72, "prod/shop=1.6.0"), (96, "prod/blog=1.4.0")]);
    assert_eq!(story.figures("prod", 24, 120), (2, None, Some(0.5), Some(48)));
    // What went back had come to its place long before.
    let story = Story::new(&[
        (0, "prod/shop=1.4.0 prod/blog=1.3.0"),
        (10, "prod/blog=1.5.0"),
        (48, "prod/shop=1.5.0"),
        (72, "prod/blog=1.4.0"),
    ]);
    assert_eq!(story.figures("prod", 24, 120), (1, None, Some(0.0), None));
    assert_eq!(story.figures("prod", 1, 24), (1, None, Some(1.0), Some(62)));
    // Places that go back one after another: it is mended when all have.
    let story = Story::new(&[(0, &old), (48, &new), (72, "prod/shop=1.4.0"), (96, "prod/blog=1.4.0")]);
    assert_eq!(story.figures("prod", 24, 120), (1, None, Some(1.0), Some(48)));
}

#[test]
fn a_clock_that_was_behind_makes_no_duration_less_than_nothing() {
    let story = Story::new(&[
        (0, "dev/web=1.4.0 prod/web=1.4.0"),
        (90, "dev/web=1.5.0"),
        (72, "prod/web=1.5.0"),
        (48, "prod/web=1.4.0"),
    ]);
    assert_eq!(story.figures("prod", 24, 120), (1, Some(0), Some(1.0), Some(0)));
}

#[test]
fn a_digest_that_is_written_beside_a_tag_is_no_other_version() {
    let pinned = format!("1.5.0@sha256:{}", "5".repeat(64));
    let story = Story::new(&[
        (0, "dev/web=1.4.0 prod/web=1.4.0"),
        (10, "dev/web=1.5.0"),
        (48, &format!("dev/web={pinned}")),
        (50, &format!("prod/web={pinned}")),
        (60, "prod/web=1.5.0"),
        (72, "prod/web=1.4.0"),
    ]);
    assert_eq!(story.figures("dev", 1, 90), (1, None, Some(0.0), None));
    assert_eq!(story.figures("prod", 1, 90), (1, Some(40), Some(1.0), Some(22)));
    // Another build of the same tag is.
    let rebuilt = format!("dev/web=1.5.0@sha256:{}", "6".repeat(64));
    let story = Story::new(&[(0, &format!("dev/web={pinned}")), (48, &rebuilt)]);
    assert_eq!(story.figures("dev", 24, 72).0, 1);
}

#[test]
fn a_hold_with_a_short_name_is_told_of_the_image_that_it_holds() {
    let story = Story::new(&[(0, "dev/web=1.4.0"), (48, "dev/web=1.5.0")]);
    let write = |text: &str| story.remote.land("main", &[(".tagboat/holds.yaml", text)], "By hand", 31);
    write("version: 1\nholds:\n- {image: web, tag: 1.6.0, environment: dev, reason: slow}\n");
    write("version: 1\nholds:\n- {image: ghcr.io/acme/web, tag: 1.6.0, environment: dev, reason: slow}\n");
    write("version: 1\nholds: []\n");
    let told = ["release - 1.6.0", "hold - 1.6.0", "manual 1.4.0 1.5.0", "manual - 1.4.0"];
    for image in ["web", "acme/web", "ghcr.io/acme/web"] {
        assert_eq!(story.history(&["--image", image]), told, "{image}");
    }
}

#[test]
fn an_image_that_never_was_there_is_no_image_without_a_history() {
    let story = Story::new(&[(0, "dev/web=1.4.0"), (60, "dev/web=1.5.0")]);
    for (written, said) in [
        ("wbe", "did you mean ghcr.io/acme/web?"),
        ("ghcr.io/acme/wbe", "did you mean ghcr.io/acme/web?"),
        ("ghcr.io/other/web", "did you mean ghcr.io/acme/web?"),
        ("postgres", "there are: ghcr.io/acme/web"),
    ] {
        let ran = story.call(&["history", "--image", written, "--since", &time(50)]).ended(2);
        assert!(ran.err.contains(&format!("no image `{written}` stands in what is read")), "{ran:?}");
        assert!(ran.err.contains(said), "{ran:?}");
    }
    // One that is gone, however long ago, is none of these.
    let gone = story.remote.land("main", &[("dev/web.yaml", "kind: none\n")], "By hand", 31);
    assert_eq!(story.history(&["--image", "web"])[0], "manual 1.5.0 -", "{gone}");
    assert_eq!(story.history(&["--image", "web", "--since", "2027-01-01"]), [""; 0]);
}
