//! What a person took back stays so, however it was written; and what stands on a head branch is never landed unjudged.

use std::sync::Arc;

use tagboat::git::Remote;
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::order::Order;
use tagboat::pass::run::Mode;

use crate::git::mirror_of;
use crate::support::memory::{MemoryRemote, MemoryTags};
use crate::support::passes::{Passing, Said, on_plain_git};
use crate::support::repository::Scratch;

const WEB: &str = "ghcr.io/acme/web";
const HEAD: &str = "tagboat/prod/ghcr.io-acme-web";

fn manifest(value: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {WEB}{value}\n")
}

fn config(policy: &str, environments: &str) -> String {
    format!("version: 1\nimages:\n  - match: ghcr.io/acme/*\n    {policy}\nenvironments:\n{environments}")
}

async fn pass(remote: Arc<dyn Remote>, tags: &MemoryTags, now: &str) -> Outcome {
    Passing { remote, tags, now, publishing: on_plain_git() }.pass(Mode::Act).await
}

fn listed(tags: &[&str]) -> MemoryTags {
    let source = MemoryTags::default();
    source.set(WEB, tags.iter().copied());
    source
}

#[tokio::test]
async fn a_head_branch_with_more_than_was_planned_is_made_anew_and_never_landed() {
    let forgeries: [(&str, &[&str]); 3] = [
        ("link", &["update-index", "--add", "--cacheinfo", "120000,{blob},evil"]),
        ("submodule", &["update-index", "--add", "--cacheinfo", "160000,1234567890123456789012345678901234567890,sub"]),
        ("mode", &["update-index", "--chmod=+x", "prod/web.yaml"]),
    ];
    for (name, forgery) in forgeries {
        let scratch = Scratch::new();
        let environments = "  - {name: prod, files: [prod/**], publish: autoMerge}\n";
        let files = [(".tagboat.yaml", config("semver: 1.x", environments)), ("prod/web.yaml", manifest(":1.4.0"))];
        let bare = scratch.bare("remote", &[(files[0].0, &files[0].1), (files[1].0, &files[1].1)]);
        let mirror: Arc<dyn Remote> = Arc::new(mirror_of(&scratch, "mirror", &bare));
        let tags = listed(&["1.4.0", "1.5.0"]);
        pass(Arc::clone(&mirror), &tags, "2026-11-20T09:00:00Z").await;
        let honest = bare.tip(HEAD);

        // Somebody writes the same author and the same trailers over a tree of their own.
        let work = scratch.work("forger", &[("readme", "none")]);
        let at = bare.folder.display().to_string();
        work.git(&["fetch", "--quiet", &at, HEAD]);
        work.git(&["checkout", "--quiet", "--detach", &honest]);
        let blob = work.git(&["rev-parse", "HEAD:prod/web.yaml"]);
        let forgery: Vec<String> = forgery.iter().map(|word| word.replace("{blob}", &blob)).collect();
        work.git(&forgery.iter().map(String::as_str).collect::<Vec<_>>());
        let (old, new) = (work.git(&["rev-parse", "HEAD^{tree}"]), work.git(&["write-tree"]));
        assert_ne!(old, new);
        let object = scratch.path("object");
        let commit = format!("{}\n", work.git(&["cat-file", "commit", "HEAD"])).replace(&old, &new);
        std::fs::write(&object, commit).unwrap();
        let forged = work.git(&["hash-object", "-t", "commit", "-w", &object.display().to_string()]);
        work.git(&["push", "--quiet", "--force", &at, &format!("{forged}:refs/heads/{HEAD}")]);

        for hour in 10..13 {
            pass(Arc::clone(&mirror), &tags, &format!("2026-11-20T{hour}:00:00Z")).await;
        }
        let listed = bare.git(&["ls-tree", "-r", "main"]);
        let modes: Vec<&str> = listed.lines().map(|line| &line[..6]).collect();
        assert_eq!(modes, ["100644", "100644"], "{name}: {listed}");
        assert_eq!(bare.show("main", "prod/web.yaml"), manifest(":1.5.0").into_bytes(), "{name}");
    }
}

/// A remote with `prod` alone, committed to, whose policy and registry are these.
struct Prod {
    remote: Arc<MemoryRemote>,
    tags: MemoryTags,
}

impl Prod {
    fn new(policy: &str, value: &str, tags: &[&str]) -> Self {
        let config = config(policy, "  - {name: prod, files: [prod/**], publish: commit}\n");
        let remote = MemoryRemote::with(&[(".tagboat.yaml", &config), ("prod/web.yaml", &manifest(value))]);
        Self { remote: Arc::new(remote), tags: listed(tags) }
    }

    async fn pass(&self, now: &str) -> Outcome {
        let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&self.remote);
        pass(remote, &self.tags, now).await
    }

    fn write(&self, time: &str, message: &str, value: Option<&str>) {
        let text = value.map(manifest);
        self.remote.edit(time, message, &[("prod/web.yaml", text.as_deref())]);
    }

    fn file(&self) -> String {
        self.remote.file("prod/web.yaml")
    }
}

#[tokio::test]
async fn what_was_taken_out_and_put_back_lower_stays_lower() {
    let prod = Prod::new("semver: 1.x", ":1.4.0", &["1.4.0", "1.5.0"]);
    prod.pass("2026-11-20T09:00:00Z").await;
    assert_eq!(prod.file(), manifest(":1.5.0"));
    prod.write("2026-11-20T10:00:00Z", "Take it out", None);
    prod.write("2026-11-20T10:05:00Z", "Put it back", Some(":1.4.0"));
    let outcome = prod.pass("2026-11-20T11:00:00Z").await;
    assert_eq!(prod.file(), manifest(":1.4.0"), "{:?}", outcome.skipped);
    assert!(outcome.skipped.iter().any(|row| row.what == WEB && row.reason.contains("1.5.0")), "{:?}", outcome.skipped);
    prod.tags.set(WEB, ["1.4.0", "1.5.0", "1.6.0"]);
    prod.pass("2026-11-20T12:00:00Z").await;
    assert_eq!(prod.file(), manifest(":1.6.0"), "what never stood there is as good as ever");
}

#[tokio::test]
async fn what_was_taken_back_under_a_message_of_tagboats_own_stays_so() {
    let prod = Prod::new("semver: 1.x", ":1.4.0", &["1.4.0", "1.5.0"]);
    prod.pass("2026-11-20T09:00:00Z").await;
    let own = prod.remote.messages().last().cloned().unwrap();
    assert!(own.contains("1.5.0"), "{own}");
    prod.write("2026-11-20T10:00:00Z", &own, Some(":1.4.0"));
    prod.pass("2026-11-20T11:00:00Z").await;
    assert_eq!(prod.file(), manifest(":1.4.0"));
}

#[tokio::test]
async fn a_commit_with_an_old_clock_does_not_shorten_a_soak() {
    let environments = "  - {name: dev, files: [dev/**], publish: commit}\n  - {name: prod, files: [prod/**], after: \
                        dev, publish: commit, gates: {soak: 1h}}\n";
    let config = config("semver: 1.x", environments);
    let web = manifest(":1.4.0");
    let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), ("prod/web.yaml", &web)];
    let remote = Arc::new(MemoryRemote::with(&files));
    let tags = listed(&["1.4.0", "1.5.0"]);
    remote.edit("2026-11-20T09:00:00Z", "Docs", &[("dev/readme.yaml", Some("none: 1\n"))]);
    remote.edit("2025-01-01T00:00:00Z", "By hand", &[("dev/web.yaml", Some(&manifest(":1.5.0")))]);
    pass(Arc::<MemoryRemote>::clone(&remote), &tags, "2026-11-20T09:30:00Z").await;
    assert_eq!(remote.file("prod/web.yaml"), web);
    pass(Arc::<MemoryRemote>::clone(&remote), &tags, "2026-11-20T10:00:00Z").await;
    assert_eq!(remote.file("prod/web.yaml"), manifest(":1.5.0"));
}

#[tokio::test]
async fn nothing_follows_an_environment_of_which_a_file_is_not_understood() {
    let environments = "  - {name: dev, files: [dev/**], publish: commit}\n  - {name: prod, files: [prod/**], after: \
                        dev, publish: commit}\n";
    let config = config("semver: 1.x", environments);
    let (old, new) = (manifest(":1.4.0"), manifest(":1.5.0"));
    let broken = "apiVersion: v1\nkind: Pod\nspec: [{image: ghcr.io/acme/web:1.4.0\n";
    let files = [
        (".tagboat.yaml", config.as_str()),
        ("dev/web.yaml", &new),
        ("dev/other.yaml", broken),
        ("prod/web.yaml", &old),
    ];
    let remote = Arc::new(MemoryRemote::with(&files));
    let tags = listed(&["1.4.0", "1.5.0"]);
    let outcome = pass(Arc::<MemoryRemote>::clone(&remote), &tags, "2026-11-20T09:30:00Z").await;
    assert_eq!(remote.file("prod/web.yaml"), old);
    let told = outcome.skipped.iter().any(|row| row.reason.contains("dev/other.yaml"));
    assert!(told, "{:?}", outcome.skipped);
    remote.edit("2026-11-20T10:00:00Z", "Mend", &[("dev/other.yaml", Some(&new))]);
    pass(Arc::<MemoryRemote>::clone(&remote), &tags, "2026-11-20T11:00:00Z").await;
    assert_eq!(remote.file("prod/web.yaml"), new);
}

#[tokio::test]
async fn half_of_a_group_that_could_be_edited_is_not_committed() {
    // The tag of one of them stands for something else, too: no digest can be written beside it.
    let shared = "image:\n  repository: ghcr.io/acme/web\n  tag: &tag 1.4.0\nlabel: *tag\n";
    let api = "image:\n  repository: ghcr.io/acme/api\n  tag: 1.4.0\n";
    for (groups, expected) in [("groups:\n  - {name: shop, images: [ghcr.io/acme/*]}\n", "1.4.0"), ("", "1.5.0")] {
        let config = format!(
            "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\n    pin: digest\n{groups}environments:\n  - {{name: dev, \
             files: [dev/**], publish: commit}}\n"
        );
        let remote = Arc::new(MemoryRemote::with(&[
            (".tagboat.yaml", &config),
            ("dev/web/values.yaml", shared),
            ("dev/api/values.yaml", api),
        ]));
        let tags = MemoryTags::default();
        tags.set("ghcr.io/acme/web", ["1.4.0", "1.5.0"]);
        tags.set("ghcr.io/acme/api", ["1.4.0", "1.5.0"]);
        let outcome = pass(Arc::<MemoryRemote>::clone(&remote), &tags, "2026-11-20T09:00:00Z").await;
        assert!(remote.file("dev/web/values.yaml").contains("&tag 1.4.0"));
        assert!(remote.file("dev/api/values.yaml").contains(expected), "{:?}", outcome.errors);
        assert_eq!(outcome.errors.len(), 1, "the refusal is told: {:?}", outcome.errors);
        if !groups.is_empty() {
            assert_eq!(outcome.proposals[0].action, Action::Failed);
            assert_eq!(outcome.proposals[0].reason.as_deref(), Some("not every file of it could be edited"));
            assert_eq!(outcome.changes, []);
        }
    }
}

#[tokio::test]
async fn a_pull_request_that_pins_a_version_goes_when_the_version_is_held() {
    let config = config("semver: 1.x\n    pin: digest", "  - {name: prod, files: [prod/**]}\n");
    let remote = Arc::new(MemoryRemote::with(&[(".tagboat.yaml", &config), ("prod/web.yaml", &manifest(":1.4.0"))]));
    let tags = listed(&["1.4.0"]);
    pass(Arc::<MemoryRemote>::clone(&remote), &tags, "2026-11-20T09:00:00Z").await;
    assert_eq!(remote.heads("tagboat/").unwrap().len(), 1);
    let holds = format!("version: 1\nholds:\n  - image: {WEB}\n    tag: 1.4.0\n");
    remote.edit("2026-11-20T10:00:00Z", "Hold", &[(".tagboat/holds.yaml", Some(&holds))]);
    let outcome = pass(Arc::<MemoryRemote>::clone(&remote), &tags, "2026-11-20T11:00:00Z").await;
    assert_eq!(remote.heads("tagboat/").unwrap(), []);
    assert!(outcome.skipped.iter().any(|row| row.what == WEB && row.reason.contains("held")), "{:?}", outcome.skipped);
}

#[tokio::test]
async fn what_was_taken_back_or_is_held_comes_under_no_other_tag_of_the_same_version() {
    let policy = "semver: 1.x\n    tags: '^v(?<version>[0-9.]+)$'";
    for is_held in [false, true] {
        let prod = Prod::new(policy, ":v1.2.0", &["v1.2", "v1.2.0", "v1.3", "v1.3.0"]);
        if is_held {
            let held = "version: 1\nholds:\n  - {image: ghcr.io/acme/web, tag: v1.3.0, by: ada, reason: slow}\n";
            prod.remote.edit("2026-11-20T08:00:00Z", "Hold it", &[(".tagboat/holds.yaml", Some(held))]);
        } else {
            prod.pass("2026-11-20T09:00:00Z").await;
            assert_eq!(prod.file(), manifest(":v1.3.0"));
            prod.write("2026-11-20T10:00:00Z", "Back", Some(":v1.2.0"));
        }
        let outcome = prod.pass("2026-11-20T11:00:00Z").await;
        assert_eq!(prod.file(), manifest(":v1.2.0"), "{:?}", outcome.skipped);
        let told = outcome.skipped.iter().any(|row| row.reason.contains("the same as v1.3.0: "));
        assert!(told, "{:?}", outcome.skipped);
        prod.tags.set(WEB, ["v1.2.0", "v1.3", "v1.3.0", "v1.3.1"]);
        prod.pass("2026-11-20T12:00:00Z").await;
        assert_eq!(prod.file(), manifest(":v1.3.1"), "another version comes as usual");
    }
}

#[tokio::test]
async fn what_was_taken_back_goes_on_under_no_other_tag_until_somebody_brings_that_one() {
    let environments = ["dev", "stage", "prod"].iter().zip(["", ", after: dev", ", after: stage"]);
    let environments: String = environments
        .map(|(name, after)| format!("  - {{name: {name}, files: [{name}/**], publish: commit{after}}}\n"))
        .collect();
    let config = config("semver: 1.x\n    tags: '^v(?<version>[0-9.]+)$'", &environments);
    let old = manifest(":v1.2.0");
    let files =
        [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &old), ("stage/web.yaml", &old), ("prod/web.yaml", &old)];
    let remote = Arc::new(MemoryRemote::with(&files));
    let write = |time: &str, environment: &str, value: &str| {
        let (path, text) = (format!("{environment}/web.yaml"), manifest(value));
        remote.edit(time, "By hand", &[(path.as_str(), Some(text.as_str()))]);
    };
    let runs = || ["dev", "stage", "prod"].map(|name| remote.file(&format!("{name}/web.yaml")));
    let tags = listed(&["v1.2.0", "v1.3", "v1.3.0"]);
    write("2026-11-20T08:00:00Z", "dev", ":v1.3.0");
    write("2026-11-20T08:00:00Z", "stage", ":v1.3.0");
    write("2026-11-20T09:00:00Z", "stage", ":v1.2.0");
    write("2026-11-20T10:00:00Z", "dev", ":v1.3");
    let outcome = pass(Arc::<MemoryRemote>::clone(&remote), &tags, "2026-11-20T11:00:00Z").await;
    assert_eq!(runs(), [manifest(":v1.3"), old.clone(), old], "{:?}", outcome.proposals);
    let reason = outcome.proposals[0].reason.clone().unwrap();
    assert!(reason.contains("in stage, the same as v1.3.0: "), "{reason}");
    write("2026-11-20T12:00:00Z", "stage", ":v1.3");
    pass(Arc::<MemoryRemote>::clone(&remote), &tags, "2026-11-20T13:00:00Z").await;
    assert_eq!(runs(), [":v1.3"; 3].map(manifest), "somebody brought it again");
}

#[tokio::test]
async fn an_order_goes_past_no_hold_under_another_spelling_of_its_version() {
    let prod = Prod::new("semver: 1.x\n    tags: '^v(?<version>[0-9.]+)$'", ":v1.2.0", &["v1.2", "v1.2.0", "v1.3"]);
    let held = "version: 1\nholds:\n  - {image: ghcr.io/acme/web, tag: v1.3.0, by: ada, reason: slow}\n";
    prod.remote.edit("2026-11-20T08:00:00Z", "Hold it", &[(".tagboat/holds.yaml", Some(held))]);
    let said = || Said { by: Some("sre"), reason: Some("needed"), ..Said::default() };
    let passing = |now| Passing {
        remote: Arc::<MemoryRemote>::clone(&prod.remote),
        tags: &prod.tags,
        now,
        publishing: on_plain_git(),
    };
    let (prod_name, tag) = (|| "prod".into(), || "v1.3".parse().unwrap());
    let promote = Order::Promote {
        what: WEB.to_owned(),
        tag: tag(),
        environment: prod_name(),
        at_once: true,
        skipped: [].into(),
    };
    let refused = passing("2026-11-20T09:00:00Z").order(&promote, said()).await.unwrap_err().to_string();
    assert!(refused.contains("v1.3 is held: the same as v1.3.0: ada holds it: slow"), "{refused}");

    for (hour, value) in [("10", ":v1.3"), ("11", ":v1.4.0")] {
        prod.write(&format!("2026-11-20T{hour}:00:00Z"), "By hand", Some(value));
    }
    let back = |to| Order::Rollback { environment: prod_name(), what: WEB.to_owned(), to };
    let refused = passing("2026-11-20T12:00:00Z").order(&back(Some(tag())), said()).await.unwrap_err().to_string();
    assert!(refused.contains("v1.3 is held in prod: the same as v1.3.0: ada holds it: slow"), "{refused}");
    passing("2026-11-20T13:00:00Z").order(&back(None), said()).await.unwrap();
    assert_eq!(prod.file(), manifest(":v1.2.0"), "what came before is passed over, too");
}

#[tokio::test]
async fn nothing_older_comes_in_the_place_of_what_a_person_took_back_until_a_person_goes_on() {
    let listed = ["1.4.0", "1.4.1", "1.5.0", "1.6.0"];
    for goes_on in ["by hand", "by an order", "by something newer"] {
        let prod = Prod::new("semver: 1.x", ":1.4.0", &["1.4.0", "1.6.0"]);
        prod.pass("2026-11-20T09:00:00Z").await;
        assert_eq!(prod.file(), manifest(":1.6.0"));
        prod.write("2026-11-20T10:00:00Z", "Back", Some(":1.4.0"));
        prod.tags.set(WEB, listed);
        let outcome = prod.pass("2026-11-20T11:00:00Z").await;
        assert_eq!(prod.file(), manifest(":1.4.0"), "1.5.0 never ran there, and is older");
        let told = "in prod: 2 versions are older than 1.6.0, which A person took back to 1.4.0 on 2026-11-20 (commit ";
        assert!(outcome.skipped.iter().any(|row| row.reason.starts_with(told)), "{:?}", outcome.skipped);
        match goes_on {
            "by hand" => prod.write("2026-11-20T12:00:00Z", "On", Some(":1.4.1")),
            "by an order" => {
                let order = Order::Promote {
                    what: WEB.to_owned(),
                    tag: "1.4.1".parse().unwrap(),
                    environment: "prod".into(),
                    at_once: true,
                    skipped: [].into(),
                };
                let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&prod.remote);
                let passing =
                    Passing { remote, tags: &prod.tags, now: "2026-11-20T12:00:00Z", publishing: on_plain_git() };
                passing.order(&order, Said { reason: Some("needed"), ..Said::default() }).await.unwrap();
                assert_eq!(prod.file(), manifest(":1.4.1"));
            }
            _ => prod.tags.set(WEB, listed.into_iter().chain(["1.6.1"])),
        }
        let outcome = prod.pass("2026-11-20T13:00:00Z").await;
        let expected = if goes_on == "by something newer" { ":1.6.1" } else { ":1.5.0" };
        assert_eq!(prod.file(), manifest(expected), "{goes_on}: {:?}", outcome.skipped);
    }
}

#[tokio::test]
async fn a_build_of_what_was_taken_back_comes_only_where_it_was_made_since() {
    let (old, bad, beside, mended) = ("1.4.0-aaaa111", "1.5.0-ddd2222", "1.5.0-ccc3333", "1.5.0-bbb4444");
    for by_order in [false, true] {
        let prod = Prod::new("semver: 1.x", &format!(":{old}"), &[old, bad]);
        for (tag, time) in
            [(bad, "2026-11-20T08:00:00Z"), (beside, "2026-11-20T08:30:00Z"), (mended, "2026-11-20T10:30:00Z")]
        {
            prod.tags.made(WEB, tag, time);
        }
        prod.pass("2026-11-20T09:00:00Z").await;
        assert_eq!(prod.file(), manifest(&format!(":{bad}")));
        prod.tags.set(WEB, [old, bad, beside]);
        if by_order {
            let order = Order::Rollback { environment: "prod".into(), what: WEB.to_owned(), to: None };
            let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&prod.remote);
            let passing = Passing { remote, tags: &prod.tags, now: "2026-11-20T10:00:00Z", publishing: on_plain_git() };
            passing.order(&order, Said { reason: Some("broken"), ..Said::default() }).await.unwrap();
        } else {
            prod.write("2026-11-20T10:00:00Z", "Back", Some(&format!(":{old}")));
        }
        let outcome = prod.pass("2026-11-20T11:00:00Z").await;
        assert_eq!(prod.file(), manifest(&format!(":{old}")), "{:?}", outcome.skipped);
        let told = format!("in prod: {beside} is another build of {bad}, which ");
        let row = outcome.skipped.iter().find(|row| row.reason.starts_with(&told));
        assert!(row.is_some_and(|row| row.reason.ends_with(", and not known to be newer")), "{:?}", outcome.skipped);
        prod.tags.set(WEB, [old, bad, beside, mended]);
        prod.pass("2026-11-20T12:00:00Z").await;
        assert_eq!(prod.file(), manifest(&format!(":{mended}")), "what mends it comes as usual");
    }
}

#[tokio::test]
async fn who_goes_over_to_an_older_line_of_versions_gets_what_is_newest_there() {
    let prod = Prod::new("semver: '>=1.0.0'", ":1.8.0", &["1.8.0", "2.1.0"]);
    prod.pass("2026-11-20T09:00:00Z").await;
    assert_eq!(prod.file(), manifest(":2.1.0"));
    let narrow = config("semver: 1.x", "  - {name: prod, files: [prod/**], publish: commit}\n");
    let old = manifest(":1.8.0");
    let files = [(".tagboat.yaml", Some(narrow.as_str())), ("prod/web.yaml", Some(old.as_str()))];
    prod.remote.edit("2026-11-20T10:00:00Z", "Stay with 1.x", &files);
    prod.tags.set(WEB, ["1.8.0", "1.9.0", "2.1.0", "2.2.0"]);
    prod.pass("2026-11-20T11:00:00Z").await;
    assert_eq!(prod.file(), manifest(":1.9.0"), "nothing of the other line is waited for");
}
