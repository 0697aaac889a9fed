//! Flux's markers act by the policies that other files hold.

use tagboat::config::repository::Repository;

use super::{Tree, changes, rows};
use crate::support::memory::MemoryTags;

const POLICIES: &str = "apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: web, namespace: flux-system}
spec:
  image: ghcr.io/acme/web
  interval: 5m
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: web, namespace: flux-system}
spec:
  imageRepositoryRef: {name: web}
  policy: {semver: {range: 1.x}}
---
apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImageRepository
metadata: {name: builds, namespace: flux-system}
spec: {image: ghcr.io/acme/builds}
---
apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImagePolicy
metadata: {name: builds, namespace: flux-system}
spec:
  imageRepositoryRef: {name: builds}
  filterTags:
    pattern: '^main-[a-f0-9]+-(?P<ts>[0-9]+)'
    extract: $ts
  policy: {numerical: {order: asc}}
";

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
      - image: ghcr.io/acme/web:1.4.0 # {\"$imagepolicy\": \"flux-system:web\"}
      - image: ghcr.io/acme/builds:main-abc-100 # {\"$imagepolicy\": \"flux-system:builds\"}
      - image: ghcr.io/acme/web:1.4.0 # {\"$imagepolicy\": \"flux-system:missing\"}
      - image: ghcr.io/acme/other:1.4.0 # {\"$imagepolicy\": \"flux-system:web\"}
";

const VALUES: &str = "image:
  repository: ghcr.io/acme/web # {\"$imagepolicy\": \"flux-system:web:name\"}
  tag: \"1.4.0\" # {\"$imagepolicy\": \"flux-system:web:tag\"}
settings:
  version: 1.4.0 # {\"$imagepolicy\": \"flux-system:web:tag\"}
";

fn tree() -> Tree {
    Tree::of(&[
        ("clusters/policies.yaml", POLICIES),
        ("apps/web.yaml", DEPLOYMENT),
        ("apps/values.yaml", VALUES),
        ("chart/Chart.yaml", "name: web\nversion: 1.0.0\n"),
        (
            "chart/templates/job.yaml",
            "{{- if .x }}\nimage: ghcr.io/acme/web:1.3.0 # {\"$imagepolicy\": \"flux-system:web\"}\n{{- end }}\n",
        ),
    ])
}

#[test]
fn a_marker_gets_the_policy_that_another_file_holds() {
    let found = tree().scan();
    let lines = rows(&found);
    let marked: Vec<&String> = lines.iter().filter(|line| !line.starts_with("clusters/")).collect();
    assert_eq!(
        marked,
        [
            "apps/values.yaml:3 ghcr.io/acme/web:1.4.0 semver 1.x",
            "apps/values.yaml:5 ghcr.io/acme/web:1.4.0 semver 1.x",
            "apps/web.yaml:8 ghcr.io/acme/web:1.4.0 semver 1.x",
            "apps/web.yaml:9 ghcr.io/acme/builds:main-abc-100 numeric asc",
            "apps/web.yaml:10 ghcr.io/acme/web:1.4.0 - names the ImagePolicy flux-system:missing, which no file here holds",
            "apps/web.yaml:11 ghcr.io/acme/other:1.4.0 - its policy is for ghcr.io/acme/web, and only tags and digests are changed here",
            "chart/templates/job.yaml:2 ghcr.io/acme/web:1.3.0 semver 1.x",
        ]
    );
}

#[tokio::test]
async fn marked_lines_are_edited_by_their_policies() {
    let tags = MemoryTags::default();
    tags.set("ghcr.io/acme/web", ["1.3.0", "1.4.0", "1.9.0", "2.0.0"]);
    tags.set("ghcr.io/acme/builds", ["main-abc-100", "main-fff-200", "main-000-150", "zzz-1-999"]);
    let outcome = tree().plan(&Repository::without_configuration(), &tags).await;
    assert_eq!(outcome.errors, []);
    assert_eq!(
        changes(&outcome),
        [
            "apps/values.yaml:3 1.4.0 -> 1.9.0",
            "apps/values.yaml:5 1.4.0 -> 1.9.0",
            "apps/web.yaml:8 1.4.0 -> 1.9.0",
            "apps/web.yaml:9 main-abc-100 -> main-fff-200",
            "chart/templates/job.yaml:2 1.3.0 -> 1.9.0",
        ]
    );
}

/// One marked line, and policies of the same name for two clusters.
fn clusters(marked: &str) -> Vec<String> {
    let policy = |range: &str| POLICIES.replace("range: 1.x", &format!("range: '{range}'"));
    let deployment = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/web:1.4.0 # {\"$imagepolicy\": \"flux-system:web\"}\n";
    let found = Tree::of(&[
        ("clusters/prod/policies.yaml", &policy("~1.4")),
        ("clusters/staging/policies.yaml", &policy(">=1.0.0-0")),
        (marked, deployment),
    ])
    .scan();
    rows(&found).into_iter().filter(|row| row.starts_with(marked)).collect()
}

#[test]
fn the_nearest_policy_of_a_name_holds() {
    assert_eq!(
        clusters("clusters/prod/apps/web.yaml"),
        ["clusters/prod/apps/web.yaml:5 ghcr.io/acme/web:1.4.0 semver ~1.4"]
    );
    assert_eq!(
        clusters("clusters/staging/web.yaml"),
        ["clusters/staging/web.yaml:5 ghcr.io/acme/web:1.4.0 semver >=1.0.0-0"]
    );
    let undecided = clusters("apps/web.yaml");
    assert!(undecided[0].contains("several ImagePolicys are named flux-system:web and differ"), "{undecided:?}");
}

#[test]
fn a_policy_that_cannot_be_used_leaves_its_lines_alone() {
    let deployment = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/web:1.4.0 # {\"$imagepolicy\": \"flux-system:web\"}\n";
    for (from, to, reason) in [
        ("range: 1.x", "range: one", "`one` is not a version range"),
        ("range: 1.x", "range: '${RANGE}'", "`spec.policy.semver.range` holds the variable ${RANGE}"),
        (
            "kind: ImageRepository\nmetadata: {name: web",
            "kind: Other\nmetadata: {name: web",
            "no file here holds its ImageRepository web",
        ),
        ("image: ghcr.io/acme/web\n", "image: https://ghcr.io/acme/web\n", "its ImageRepository: `spec.image`"),
        ("policy: {semver: {range: 1.x}}", "policy: {}", "names neither semver nor alphabetical nor numerical"),
        ("imageRepositoryRef: {name: web}", "suspend: true\n  imageRepositoryRef: {name: web}", "it is suspended"),
    ] {
        let policies = POLICIES.replace(from, to);
        assert_ne!(policies, POLICIES);
        let found = Tree::of(&[("p.yaml", &policies), ("web.yaml", deployment)]).scan();
        let row = rows(&found).pop().unwrap();
        assert!(row.contains(reason), "{row}");
    }
}

#[test]
fn two_markers_beside_one_reference_must_agree() {
    let kustomization = "kind: Kustomization\nimages:\n- name: ghcr.io/acme/web\n  newTag: 1.4.0 # {\"$imagepolicy\": \"flux-system:web:tag\"}\n  digest: sha256:0000000000000000000000000000000000000000000000000000000000000000 # {\"$imagepolicy\": \"flux-system:web:digest\"}\n";
    let policy_of = |text: &str| {
        let found = Tree::of(&[("p.yaml", POLICIES), ("x/kustomization.yaml", text)]).scan();
        rows(&found).pop().unwrap()
    };
    assert!(policy_of(kustomization).ends_with("semver 1.x"), "{}", policy_of(kustomization));
    let torn = kustomization.replace("web:digest", "builds:digest");
    assert!(policy_of(&torn).contains("it names both flux-system:web and flux-system:builds"), "{}", policy_of(&torn));
}

#[tokio::test]
async fn a_digest_in_a_key_of_its_own_moves_with_the_tag_of_its_policy() {
    let old = format!("sha256:{}", "ab".repeat(32));
    let substitute = |lines: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: shop}}\nspec:\n  postBuild:\n    substitute:\n{lines}"
        )
    };
    let marker = |part: &str| format!("# {{\"$imagepolicy\": \"flux-system:web:{part}\"}}");
    let tag = format!("      WEB_TAG: 1.4.0 {}\n", marker("tag"));
    let digest = format!("      WEB_DIGEST: {old} {}\n", marker("digest"));
    let policies = POLICIES.replacen("policy: {semver", "digestReflectionPolicy: IfNotPresent\n  policy: {semver", 1);
    let tree = Tree::of(&[
        ("clusters/policies.yaml", &policies),
        ("apps/both.yaml", &substitute(&format!("{tag}{digest}"))),
        ("apps/alone.yaml", &substitute(&digest)),
    ]);
    let rows = rows(&tree.scan());
    assert!(rows[0].starts_with("apps/alone.yaml:7 ") && rows[0].contains("- a digest alone: no tag"), "{rows:?}");
    assert_eq!(rows[1], format!("apps/both.yaml:7 ghcr.io/acme/web:1.4.0@{old} semver 1.x"));
    let tags = MemoryTags::default();
    tags.set("ghcr.io/acme/web", ["1.4.0", "1.5.0"]);
    let outcome = tree.plan(&Repository::without_configuration(), &tags).await;
    let changes = changes(&outcome);
    assert_eq!(changes.len(), 2, "{changes:?} {:?}", outcome.errors);
    assert_eq!(changes[0], "apps/both.yaml:7 1.4.0 -> 1.5.0");
    assert!(changes[1].starts_with(&format!("apps/both.yaml:8 {old} -> sha256:")), "{changes:?}");
}
