//! The annotations of Argo CD Image Updater act for the references in their own application and its folders.

use super::{Tree, rows};

fn application(annotations: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: shop
  namespace: argocd
  annotations:
{annotations}
spec:
  source:
    repoURL: https://example.com/acme/gitops.git
    path: apps/shop
    helm:
      valuesObject:
        image: {{repository: ghcr.io/acme/web, tag: 1.4.0}}
        worker:
          image: ghcr.io/acme/worker:1.0.0
"
    )
}

fn found(annotations: &str) -> Vec<String> {
    rows(&Tree::of(&[("apps/shop.yaml", &application(annotations))]).scan())
}

#[test]
fn annotations_are_policies_within_their_application() {
    let rows = found(
        "    argocd-image-updater.argoproj.io/image-list: web=ghcr.io/acme/web:~1.4, ghcr.io/acme/worker
    argocd-image-updater.argoproj.io/web.allow-tags: regexp:^[0-9.]+$
    argocd-image-updater.argoproj.io/update-strategy: alphabetical
    argocd-image-updater.argoproj.io/web.update-strategy: semver",
    );
    assert_eq!(
        rows,
        [
            "apps/shop.yaml:17 ghcr.io/acme/web:1.4.0 semver ~1.4",
            "apps/shop.yaml:19 ghcr.io/acme/worker:1.0.0 alphabetical asc",
        ]
    );
}

#[test]
fn annotations_that_cannot_be_used_leave_the_reference_alone() {
    for (annotations, reason) in [
        ("image-list: ghcr.io/acme/web:one", "`one` is not a version range"),
        (
            "image-list: w=ghcr.io/acme/web:1.x\n    argocd-image-updater.argoproj.io/w.update-strategy: best",
            "`best` is no update strategy",
        ),
        (
            "image-list: ghcr.io/acme/web\n    argocd-image-updater.argoproj.io/update-strategy: digest",
            "needs a tag behind the name",
        ),
        (
            "image-list: ghcr.io/acme/web\n    argocd-image-updater.argoproj.io/allow-tags: ^v",
            "neither `any` nor `regexp:",
        ),
        ("image-list: ghcr.io/acme/web\n    argocd-image-updater.argoproj.io/platforms: windows", "is not a platform"),
    ] {
        let rows = found(&format!("    argocd-image-updater.argoproj.io/{annotations}"));
        assert!(rows[0].contains(reason), "{rows:?}");
        assert!(rows[1].ends_with("semver minor"), "{rows:?}");
    }
}

/// An application that takes a folder of this repository, and says how the image in it is followed.
fn of_folder(name: &str, path: &str, constraint: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: {name}
  annotations: {{argocd-image-updater.argoproj.io/image-list: 'ghcr.io/acme/web:{constraint}'}}
spec:
  source: {{repoURL: 'https://example.com/acme/gitops.git', path: {path}}}
"
    )
}

const VALUES: &str =
    "web: {image: {repository: ghcr.io/acme/web, tag: 1.4.0}}\napi: {image: 'ghcr.io/acme/api:1.0.0'}\n";

#[test]
fn annotations_are_policies_within_the_folders_of_their_application() {
    let tree = Tree::of(&[
        ("argo/shop.yaml", &of_folder("shop", "./charts/shop/", "~1.4")),
        ("argo/eu.yaml", &of_folder("eu", "charts/shop/eu", "1.x")),
        ("argo/all.yaml", &of_folder("all", ".", "<1.2")),
        ("charts/shop/values.yaml", VALUES),
        ("charts/shop/eu/deep/values.yaml", VALUES),
        ("charts/shopping/values.yaml", VALUES),
    ]);
    assert_eq!(
        rows(&tree.scan()),
        [
            "charts/shop/eu/deep/values.yaml:1 ghcr.io/acme/web:1.4.0 semver 1.x",
            "charts/shop/eu/deep/values.yaml:2 ghcr.io/acme/api:1.0.0 semver minor",
            "charts/shop/values.yaml:1 ghcr.io/acme/web:1.4.0 semver ~1.4",
            "charts/shop/values.yaml:2 ghcr.io/acme/api:1.0.0 semver minor",
            // An application of the whole repository comes last.
            "charts/shopping/values.yaml:1 ghcr.io/acme/web:1.4.0 semver <1.2",
            "charts/shopping/values.yaml:2 ghcr.io/acme/api:1.0.0 semver minor",
        ]
    );
}

#[test]
fn applications_of_one_folder_that_differ_leave_its_references_alone() {
    let tree = Tree::of(&[
        ("argo/eu.yaml", &of_folder("eu", "charts/shop", "~1.4")),
        ("argo/us.yaml", &of_folder("us", "charts/shop", "1.x")),
        ("charts/shop/values.yaml", VALUES),
    ]);
    let rows = rows(&tree.scan());
    assert!(rows[0].contains("the applications eu and us deploy this folder and differ"), "{rows:?}");
    assert!(rows[1].ends_with("semver minor"), "{rows:?}");
}

/// An application without annotations.
fn plain(name: &str, path: &str, metadata: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: {name}, namespace: argocd{metadata}}}
spec:
  source: {{repoURL: 'https://example.com/acme/gitops.git', path: {path}}}
"
    )
}

fn updater(references: &str) -> String {
    format!(
        "apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {{name: all, namespace: argocd}}
spec:
  applicationRefs:
{references}"
    )
}

#[test]
fn an_image_updater_acts_in_the_applications_that_it_selects() {
    let tree = Tree::of(&[
        ("argo/eu.yaml", &plain("shop-eu", "apps/eu", ", labels: {tier: front}")),
        ("argo/us.yaml", &plain("shop-us", "apps/us", "")),
        ("argo/other.yaml", &plain("other", "apps/other", "")),
        (
            "argo/elsewhere.yaml",
            &plain("shop-x", "apps/elsewhere", "").replace("namespace: argocd", "namespace: another"),
        ),
        (
            "argo/updater.yaml",
            &updater(
                "  - {namePattern: 'shop-*', images: [{alias: web, imageName: 'ghcr.io/acme/web:~1.4'}]}
  - {namePattern: 'shop-us', images: [{alias: web, imageName: 'ghcr.io/acme/web:1.x'}]}
  - {namePattern: other, labelSelectors: {matchLabels: {tier: front}}, images: [{alias: web, imageName: 'ghcr.io/acme/web:<1'}]}
",
            ),
        ),
        ("apps/elsewhere/values.yaml", VALUES),
        ("apps/eu/values.yaml", VALUES),
        ("apps/other/values.yaml", VALUES),
        ("apps/us/values.yaml", VALUES),
    ]);
    let web: Vec<String> = rows(&tree.scan()).into_iter().filter(|row| row.contains("acme/web")).collect();
    assert_eq!(
        web,
        [
            "apps/elsewhere/values.yaml:1 ghcr.io/acme/web:1.4.0 semver minor",
            "apps/eu/values.yaml:1 ghcr.io/acme/web:1.4.0 semver ~1.4",
            "apps/other/values.yaml:1 ghcr.io/acme/web:1.4.0 semver minor",
            // The selection that says more of the name holds.
            "apps/us/values.yaml:1 ghcr.io/acme/web:1.4.0 semver 1.x",
        ]
    );
}

#[test]
fn an_image_updater_that_asks_for_annotations_leaves_them_the_word() {
    let labelled = |selector: &str, uses: bool| {
        let tree = Tree::of(&[
            (
                "argo/shop.yaml",
                &of_folder("shop", "apps/shop", "1.x").replace("name: shop", "name: shop\n  labels: {tier: front}"),
            ),
            (
                "argo/updater.yaml",
                &updater(&format!(
                    "  - namePattern: '*'\n    useAnnotations: {uses}\n    labelSelectors: {{matchExpressions: [{selector}]}}\n    images: [{{alias: web, imageName: 'ghcr.io/acme/web:~1.4'}}]\n"
                )),
            ),
            ("apps/shop/values.yaml", VALUES),
        ]);
        rows(&tree.scan())[0].rsplit_once("semver ").unwrap().1.to_owned()
    };
    for (selector, constraint) in [
        ("{key: tier, operator: In, values: [front, back]}", "~1.4"),
        ("{key: tier, operator: NotIn, values: [front]}", "1.x"),
        ("{key: tier, operator: Exists}", "~1.4"),
        ("{key: tier, operator: DoesNotExist}", "1.x"),
        ("{key: tier, operator: Like, values: [front]}", "1.x"),
    ] {
        assert_eq!(labelled(selector, false), constraint, "{selector}");
        assert_eq!(labelled(selector, true), "1.x", "{selector}");
    }
}

#[test]
fn annotations_are_policies_for_what_a_folder_is_built_on() {
    let tree = Tree::of(&[
        ("argo/shop.yaml", &of_folder("shop", "overlays/prod", "~1.4")),
        ("overlays/prod/kustomization.yaml", "resources: [../../base, ../../extra/pod.yaml]\n"),
        ("base/kustomization.yaml", "resources: [deep]\n"),
        ("base/deep/kustomization.yaml", "resources: [pod.yaml]\n"),
        ("base/deep/pod.yaml", "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: 'ghcr.io/acme/web:1.4.0'}]}\n"),
        ("extra/pod.yaml", "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: 'ghcr.io/acme/web:1.4.0'}]}\n"),
        ("extra/other.yaml", "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: 'ghcr.io/acme/web:1.4.0'}]}\n"),
    ]);
    assert_eq!(
        rows(&tree.scan()),
        [
            "base/deep/pod.yaml:3 ghcr.io/acme/web:1.4.0 semver ~1.4",
            "extra/other.yaml:3 ghcr.io/acme/web:1.4.0 semver minor",
            "extra/pod.yaml:3 ghcr.io/acme/web:1.4.0 semver ~1.4",
        ]
    );
}
