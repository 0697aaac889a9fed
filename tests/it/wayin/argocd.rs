//! The annotations of Argo CD Image Updater act for the references in their own application.

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
