//! On the same tags, the plan before (what others left) and after (the migrated configuration) is the same.

use tagboat::config::repository;
use tagboat::config::repository::Repository;
use tagboat::manifest::Limits;
use tagboat::pass::migrate::{From, draft};

use super::{Tree, changes};
use crate::support::memory::MemoryTags;

pub(crate) fn migrated(tree: &Tree, from: From) -> (String, Vec<String>, Repository) {
    let draft = draft(from, tree, &tagboat::pass::setup::no_cache(), &Limits::default()).unwrap();
    let text = draft.text();
    let config = repository::parse(".tagboat.yaml", text.as_bytes())
        .unwrap_or_else(|faults| panic!("{}\n{text}", faults.render(false, 100)));
    (text, draft.notes.iter().map(ToString::to_string).collect(), config)
}

fn object(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: image.toolkit.fluxcd.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: flux-system}}\nspec: {spec}\n---\n"
    )
}

fn flux_objects() -> String {
    let repository =
        |name: &str| object("ImageRepository", name, &format!("{{image: ghcr.io/acme/{name}, interval: 1m}}"));
    let policy = |name: &str, spec: &str| {
        object("ImagePolicy", name, &format!("{{imageRepositoryRef: {{name: {name}}}, {spec}}}"))
    };
    [
        repository("web"),
        policy("web", "policy: {semver: {range: '>=1.0.0 <2.0.0'}}"),
        repository("worker"),
        policy("worker", "filterTags: {pattern: '^main-[a-f0-9]+-(?P<ts>[0-9]+)', extract: $ts}, policy: {numerical: {order: asc}}"),
        repository("site"),
        policy("site", "filterTags: {pattern: \"^it's-(.*)$\"}, policy: {alphabetical: {}}"),
        repository("pinned"),
        policy("pinned", "policy: {semver: {range: 1.x}}, digestReflectionPolicy: IfNotPresent"),
        repository("unused"),
        policy("unused", "policy: {semver: {range: 1.x}}"),
        repository("broken"),
        policy("broken", "policy: {semver: {range: later}}"),
        object(
            "ImageUpdateAutomation",
            "all",
            "{update: {path: ./apps}, git: {checkout: {ref: {branch: main}}, push: {branch: main}, commit: {author: {name: Flux Bot, email: flux@acme.example}, messageTemplate: 'Update {{ .Images }}'}}}",
        ),
    ]
    .concat()
}

const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn manifests() -> [(String, String); 3] {
    let marker = |name: &str| format!("# {{\"$imagepolicy\": \"flux-system:{name}\"}}");
    let pod = |lines: &[String]| format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n{}", lines.concat());
    let image = |text: &str, name: &str| format!("  - image: ghcr.io/acme/{text} {}\n", marker(name));
    [
        (
            "apps/web.yaml".to_owned(),
            pod(&[image("web:1.4.0", "web"), image("worker:main-abc-100", "worker"), image("site:it's-a", "site")]),
        ),
        (
            "apps/values.yaml".to_owned(),
            format!(
                "image:\n  repository: ghcr.io/acme/web {}\n  tag: 1.3.0 {}\n",
                marker("web:name"),
                marker("web:tag")
            ),
        ),
        ("apps/pinned.yaml".to_owned(), pod(&[image(&format!("pinned:1.0.0@{DIGEST}"), "pinned")])),
    ]
}

fn tags() -> MemoryTags {
    let tags = MemoryTags::default();
    tags.set("ghcr.io/acme/web", ["1.3.0", "1.4.0", "1.9.0", "2.0.0", "1.10.0-rc.1"]);
    tags.set("ghcr.io/acme/worker", ["main-abc-100", "main-abc-300", "main-fff-200", "other-9-900"]);
    tags.set("ghcr.io/acme/site", ["it's-a", "it-b"]);
    tags.set("ghcr.io/acme/pinned", ["1.0.0", "1.2.0", "2.0.0"]);
    tags
}

fn tree(files: &[(String, String)]) -> Tree {
    Tree::of(&files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>())
}

#[tokio::test]
async fn flux_plans_the_same_before_and_after() {
    let mut files = manifests().to_vec();
    files[0].1 = files[0].1.replace("it's-a", "its-a");
    let tags = tags();
    tags.set("ghcr.io/acme/site", ["its-a", "its-b", "zzz"]);
    let objects = flux_objects().replace("\"^it's-(.*)$\"", "'^its-(.*)$'");
    let with_objects = tree(&[&files[..], &[("clusters/flux.yaml".to_owned(), objects)]].concat());
    let before = with_objects.plan(&Repository::without_configuration(), &tags).await;
    let (text, notes, config) = migrated(&with_objects, From::Flux);
    // As the heading says: objects and markers are removed.
    for (_, text) in &mut files {
        *text = text
            .lines()
            .map(|line| format!("{}\n", line.split(" # {\"$imagepolicy\"").next().unwrap()))
            .collect::<String>();
        assert!(!text.contains("imagepolicy"));
    }
    let after = tree(&files).plan(&config, &tags).await;
    assert_eq!(changes(&before).len(), 5, "{:?}", changes(&before));
    assert_eq!(changes(&after), changes(&before), "{text}");
    assert_eq!(after.errors, []);
    assert_eq!(config.commit.author.name, "Flux Bot");
    let said = notes.join("\n");
    for expected in [
        "clusters/flux.yaml:56: the ImagePolicy broken (clusters/flux.yaml:56): `later` is not a version range",
        "the ImagePolicy unused for ghcr.io/acme/unused: no marker names it",
        "`messageTemplate` is a Go template",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    // Several objects say `1.x`; each rule names its own.
    assert!(text.contains("  # pinned (clusters/flux.yaml:36); 1 line\n  - match: ghcr.io/acme/pinned\n"), "{text}");
    for note in &notes {
        assert!(text.contains(&format!("# - {note}")), "{note}\n{text}");
    }
}

#[test]
fn flux_lines_of_one_image_with_several_policies_are_told() {
    let objects = [
        object("ImageRepository", "web", "{image: ghcr.io/acme/web}"),
        object("ImagePolicy", "stable", "{imageRepositoryRef: {name: web}, policy: {semver: {range: 1.x}}}"),
        object("ImagePolicy", "early", "{imageRepositoryRef: {name: web}, policy: {semver: {range: '>=1.0.0-0 <3'}}}"),
    ]
    .concat();
    let pod = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/web:1.0.0 # {{\"$imagepolicy\": \"flux-system:{name}\"}}\n"
        )
    };
    let plain = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/web:1.0.0\n";
    let tree = Tree::of(&[
        ("flux.yaml", &objects),
        ("a.yaml", &pod("early")),
        ("b.yaml", &pod("stable")),
        ("c.yaml", &pod("stable")),
        ("d.yaml", plain),
    ]);
    let (_, notes, config) = migrated(&tree, From::Flux);
    assert_eq!(config.rules.0[0].policy.to_string(), "semver 1.x");
    assert_eq!(
        notes,
        [
            "a.yaml:5: ghcr.io/acme/web has another policy here than elsewhere: write `# tagboat: semver=\">=1.0.0-0 <3\"` beside it",
            "d.yaml:5: ghcr.io/acme/web has no marker here, and the rule will follow it: write `# tagboat: ignore` beside it to leave it alone",
        ]
    );
}

#[tokio::test]
async fn argocd_plans_the_same_before_and_after() {
    let application = "apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: shop
  annotations:
    argocd-image-updater.argoproj.io/image-list: web=ghcr.io/acme/web:~1.4
    argocd-image-updater.argoproj.io/web.ignore-tags: '*-debug, latest'
    argocd-image-updater.argoproj.io/web.pull-secret: pullsecret:argocd/ghcr
    argocd-image-updater.argoproj.io/web.helm.image-tag: image.tag
    argocd-image-updater.argoproj.io/write-back-method: git
    argocd-image-updater.argoproj.io/web.force-update: \"true\"
spec:
  source:
    helm:
      valuesObject:
        image: {repository: ghcr.io/acme/web, tag: 1.4.0}
";
    let tags = tags();
    tags.set("ghcr.io/acme/web", ["1.4.0", "1.4.7", "1.4.9-debug", "1.5.0"]);
    let with = Tree::of(&[("apps/shop.yaml", application)]);
    let before = with.plan(&Repository::without_configuration(), &tags).await;
    assert_eq!(changes(&before), ["apps/shop.yaml:16 1.4.0 -> 1.4.7"]);
    let (text, notes, config) = migrated(&with, From::ArgoCd);
    let without: String = application
        .lines()
        .filter(|line| !line.contains("argocd-image-updater") && !line.contains("annotations:"))
        .map(|line| format!("{line}\n"))
        .collect();
    let after = Tree::of(&[("apps/shop.yaml", &without)]).plan(&config, &tags).await;
    assert_eq!(changes(&after), ["apps/shop.yaml:9 1.4.0 -> 1.4.7"], "{text}");
    let said = notes.join("\n");
    for expected in ["helm.image-tag `image.tag`", "pull-secret", "write-back-method `git`", "force-update `true`"] {
        assert!(said.contains("apps/shop.yaml:1: ") && said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn argocd_plans_the_same_for_bases_the_root_and_image_updaters() {
    let source =
        |path: &str| format!("spec: {{source: {{repoURL: 'https://example.com/acme/gitops.git', path: {path}}}}}\n");
    let application = |name: &str, path: &str, annotations: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\n{annotations}{}",
            source(path)
        )
    };
    let annotated = |list: &str| format!("  annotations: {{argocd-image-updater.argoproj.io/image-list: '{list}'}}\n");
    let updater = "apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {name: all}
spec: {applicationRefs: [{namePattern: 'tools*', images: [{alias: pinned, imageName: 'ghcr.io/acme/pinned:<2'}]}]}
";
    let pod =
        |image: &str| format!("apiVersion: v1\nkind: Pod\nspec: {{containers: [{{image: 'ghcr.io/acme/{image}'}}]}}\n");
    let files = |with: bool| {
        let said = |list: &str| if with { annotated(list) } else { String::new() };
        let mut files = vec![
            ("argo/shop.yaml".to_owned(), application("shop", "overlays/prod", &said("ghcr.io/acme/web:~1.4"))),
            ("argo/root.yaml".to_owned(), application("root", ".", &said("ghcr.io/acme/worker:1.x"))),
            ("argo/tools.yaml".to_owned(), application("tools-eu", "tools", "")),
            ("overlays/prod/kustomization.yaml".to_owned(), "resources: [../../base]\n".to_owned()),
            ("base/kustomization.yaml".to_owned(), "resources: [web.yaml]\n".to_owned()),
            ("base/web.yaml".to_owned(), pod("web:1.4.0")),
            ("worker.yaml".to_owned(), pod("worker:1.0.0")),
            ("tools/pod.yaml".to_owned(), pod("pinned:1.0.0")),
        ];
        if with {
            files.push(("argo/updater.yaml".to_owned(), updater.to_owned()));
        }
        tree(&files)
    };
    let tags = MemoryTags::default();
    tags.set("ghcr.io/acme/web", ["1.4.0", "1.4.7", "1.5.0"]);
    tags.set("ghcr.io/acme/worker", ["1.0.0", "1.2.0", "2.0.0"]);
    tags.set("ghcr.io/acme/pinned", ["1.0.0", "1.3.0", "2.0.0"]);
    let before = files(true).plan(&Repository::without_configuration(), &tags).await;
    assert_eq!(
        changes(&before),
        ["base/web.yaml:3 1.4.0 -> 1.4.7", "tools/pod.yaml:3 1.0.0 -> 1.3.0", "worker.yaml:3 1.0.0 -> 1.2.0"]
    );
    let (text, notes, config) = migrated(&files(true), From::ArgoCd);
    let after = files(false).plan(&config, &tags).await;
    assert_eq!(changes(&after), changes(&before), "{text}");
    assert!(!notes.iter().any(|note| note.contains("no application here deploys")), "{notes:?}");
    // What no application deploys is told, since the rule holds there, too.
    let mut more = files(true);
    more.add("elsewhere/pod.yaml", &pod("pinned:1.0.0"));
    let (_, notes, _) = migrated(&more, From::ArgoCd);
    assert!(
        notes.iter().any(|note| note.starts_with("elsewhere/pod.yaml:3: ghcr.io/acme/pinned: no application")),
        "{notes:?}"
    );
}

#[test]
fn renovate_rules_become_rules_in_renovates_order() {
    let renovate = "// what Renovate does
{
\t\"extends\": [\"config:recommended\"], /* presets
\tof theirs */
\t\"ignoreDeps\": [\"ghcr.io/acme/frozen\"],
\t\"minimumReleaseAge\": \"3 days\",
\tpackageRules: [
\t\t{matchDatasources: ['docker'], matchPackageNames: ['ghcr.io/acme/**'], pinDigests: true},
\t\t{matchPackageNames: ['/acme/web$/'], allowedVersions: '<2.0.0', pinDigests: false},
\t\t{matchPackageNames: ['nginx'], matchUpdateTypes: ['major'], enabled: false},
\t\t{matchPackageNames: ['redis'], allowedVersions: '/^7\\\\./', automerge: true},
\t\t{matchDatasources: ['npm'], matchPackageNames: ['left-pad'], enabled: false},
\t\t{matchDatasources: ['docker'], matchPackageNames: ['ghcr.io/other'], enabled: false},
\t],
\tcustomManagers: [
\t\t{customType: 'regex', managerFilePatterns: ['/\\\\.env$/'], matchStrings: ['IMAGE=(?<depName>[^:]+):(?<currentValue>.+)'], datasourceTemplate: 'docker'},
\t\t{customType: 'regex', fileMatch: ['(a|b)x?'], matchStrings: ['x']},
\t],
}
";
    let pod = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/web:1.4.0\n  - image: nginx:1.25.0\n  - image: redis:7.0.0\n  - image: ghcr.io/acme/frozen:1.0.0\n  - image: quay.io/acme/other:1.0.0\n";
    let tree = Tree::of(&[("renovate.json5", renovate), ("pod.yaml", pod)]);
    let (text, notes, config) = migrated(&tree, From::Renovate);
    let rules: Vec<String> = config
        .rules
        .0
        .iter()
        .map(|rule| format!("{} {} {:?}", rule.images.as_str(), rule.policy, rule.policy.pin))
        .collect();
    assert_eq!(
        rules,
        [
            "docker.io/library/nginx semver minor AsWritten",
            "docker.io/library/redis semver major AsWritten",
            "ghcr.io/acme/web semver <2.0.0 AsWritten",
            "quay.io/acme/other semver major AsWritten",
        ],
        "{text}"
    );
    assert!(config.rules.0.iter().all(|rule| rule.policy.min_age.is_some()));
    assert_eq!(config.rules.0[1].policy.tags.as_ref().unwrap().0.as_str(), r"^7\.");
    assert_eq!(config.formats.len(), 1);
    assert!(text.contains("Left out, since ignored or disabled there: ghcr.io/acme/frozen."), "{text}");
    let said = notes.join("\n");
    for expected in [
        "renovate.json5:3: presets are not looked into",
        "renovate.json5:11: `automerge` is not carried over",
        "renovate.json5:12: a packageRule about other things than images",
        "renovate.json5:13: a packageRule that matches no image of this repository",
        "renovate.json5:17: a custom manager: its file patterns are expressions",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}

#[test]
fn renovate_keeps_both_an_allowed_range_and_a_limit_of_steps() {
    let renovate = r#"{
  "packageRules": [
    {"matchPackageNames": ["ghcr.io/acme/{web,worker}"], "allowedVersions": "<1.5 || >1.7"},
    {"matchPackageNames": ["ghcr.io/acme/{web,worker}"], "matchUpdateTypes": ["major"], "enabled": false},
    {"matchPackageNames": ["ghcr.io/acme/api"], "allowedVersions": "!/beta/", "enabled": false}
  ],
  "customManagers": [{"customType": "regex", "managerFilePatterns": [".env"], "matchStrings": ["I=(?<depName>[^:]+):(?<currentValue>.+)"], "datasourceTemplate": "docker"}]
}"#;
    let pod = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/web:v1.4.0\n  - image: ghcr.io/acme/worker:1.4.0\n  - image: ghcr.io/acme/api:1.0.0\n";
    let other = "image: ghcr.io/acme/worker:2.0.0\n";
    let tree = Tree::of(&[("renovate.json", renovate), ("pod.yaml", pod), ("values.yaml", other)]);
    let (text, notes, config) = migrated(&tree, From::Renovate);
    let rules: Vec<String> =
        config.rules.0.iter().map(|rule| format!("{} {}", rule.images.as_str(), rule.policy)).collect();
    assert_eq!(
        rules,
        ["ghcr.io/acme/web semver <1.5 <2.0.0 || >1.7 <2.0.0", "ghcr.io/acme/worker semver minor"],
        "{text}"
    );
    let said = notes.join("\n");
    for expected in ["the tags in use have no limit in common", "the images that only it finds have no rule yet"] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}

#[test]
fn init_proposes_environments_in_their_order() {
    let pod = |image: &str| format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {image}\n");
    let (dev, prod) = (pod("ghcr.io/acme/web:1.5.0"), pod("nginx:1.25.0"));
    let tree = Tree::of(&[
        ("envs/prod-eu/web.yaml", &prod),
        ("envs/prod-us/web.yaml", &prod),
        ("envs/dev/web.yaml", &dev),
        ("envs/staging/web.yaml", &dev),
        ("base/web.yaml", &dev),
        ("chart/values-dev.yaml", "image: ghcr.io/acme/web:1.5.0\n"),
    ]);
    let (text, _, config) = migrated(&tree, From::Nothing);
    let environments: Vec<String> = config
        .environments
        .0
        .iter()
        .map(|one| {
            let after: Vec<String> = one.after.iter().map(|after| format!("{after:?}")).collect();
            format!("{} {} {:?} after {}", one.name, one.files.patterns().join(" "), one.publish, after.len())
        })
        .collect();
    assert_eq!(
        environments,
        [
            "dev chart/values-dev.yaml envs/dev/** Commit after 0",
            "staging envs/staging/** PullRequest after 1",
            "prod-eu envs/prod-eu/** PullRequest after 1",
            "prod-us envs/prod-us/** PullRequest after 1",
        ],
        "{text}"
    );
    assert!(text.contains("never changed: base/."), "{text}");
    let rules: Vec<&str> = config.rules.0.iter().map(|rule| rule.images.as_str()).collect();
    assert_eq!(rules, ["docker.io/**", "ghcr.io/**"]);
}

#[test]
fn init_proposes_no_environment_that_would_hold_back_or_leave_out_what_is_there() {
    let pod = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/web:1.5.0\n";
    let overlay = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../../base]\n";
    let names = |tree: &Tree| {
        let (text, _, config) = migrated(tree, From::Nothing);
        (config.environments.0.iter().map(|one| one.name.to_string()).collect::<Vec<_>>(), text)
    };
    // Everything stands in what the overlays share.
    let (shared, text) = names(&Tree::of(&[
        ("base/web.yaml", pod),
        ("overlays/dev/kustomization.yaml", overlay),
        ("overlays/prod/kustomization.yaml", overlay),
    ]));
    assert_eq!(shared, ["default"], "{text}");
    assert!(text.contains("# Folders tell of dev, prod, too; give each an environment once"), "{text}");
    // Nothing would ever come through staging.
    let (through, text) = names(&Tree::of(&[
        ("envs/dev/web.yaml", pod),
        ("envs/staging/kustomization.yaml", overlay),
        ("envs/prod/web.yaml", pod),
    ]));
    assert_eq!(through, ["dev", "prod"], "{text}");
    assert!(text.contains("after: dev") && text.contains("# Folders tell of staging, too"), "{text}");
}
