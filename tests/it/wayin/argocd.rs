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
            "charts/shopping/values.yaml:1 ghcr.io/acme/web:1.4.0 semver minor",
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
