//! What a person took back stays so, however it was written; and what stands on a head branch is never landed unjudged.

use std::sync::Arc;

use tagboat::git::Remote;
use tagboat::manifest::Limits;
use tagboat::model::environment::BranchName;
use tagboat::model::outcome::Outcome;
use tagboat::pass::propose::Publishing;
use tagboat::pass::run::{Mode, Run, run};

use crate::git::mirror_of;
use crate::support::memory::{MemoryRemote, MemoryTags};
use crate::support::repository::Scratch;

const WEB: &str = "ghcr.io/acme/web";
const HEAD: &str = "tagboat/prod/ghcr.io-acme-web";

fn manifest(value: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {WEB}{value}\n")
}

fn config(policy: &str, environments: &str) -> String {
    format!("version: 1\nimages:\n  - match: ghcr.io/acme/*\n    {policy}\nenvironments:\n{environments}")
}

const PROD: &str = "  - {name: prod, files: [prod/**], publish: commit}\n";

async fn pass(remote: Arc<dyn Remote>, tags: &MemoryTags, now: &str) -> Outcome {
    run(&Run {
        remote,
        branch: &BranchName::from("main"),
        config: None,
        source: tags,
        cache: &tagboat::pass::setup::no_cache(),
        limits: &Limits::default(),
        now: now.parse().unwrap(),
        publishing: Publishing::Plain,
        mode: Mode::Act,
        progress: &|_| {},
        read_config: &|_| {},
    })
    .await
    .unwrap()
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
