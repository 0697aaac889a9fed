//! Charts of Flux's releases get their names from the `HelmRepository` that another file holds.

use tagboat::config::repository::Repository;

use super::{Tree, changes, rows};
use crate::support::memory::MemoryTags;

fn repository(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {{name: {name}, namespace: flux-system}}\nspec: {spec}\n"
    )
}

fn release(chart: &str, version: &str, source: &str) -> String {
    format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {{name: {chart}, namespace: shop}}
spec:
  chart:
    spec:
      chart: {chart}
      version: {version}
      sourceRef: {{kind: HelmRepository, name: {source}, namespace: flux-system}}
"
    )
}

#[tokio::test]
async fn a_release_follows_its_chart_in_a_registry_that_another_file_names() {
    let tree = Tree::of(&[
        ("sources/acme.yaml", &repository("acme", "{type: oci, url: 'oci://ghcr.io/acme/charts'}")),
        ("apps/web.yaml", &release("web", "1.4.0+b1", "acme")),
        ("apps/ranged.yaml", &release("ranged", "'1.x'", "acme")),
    ]);
    assert_eq!(
        rows(&tree.scan()),
        [
            "apps/ranged.yaml:8 ghcr.io/acme/charts/ranged:no tag - a range of versions, which is resolved elsewhere",
            "apps/web.yaml:8 ghcr.io/acme/charts/web:1.4.0_b1 semver minor",
        ]
    );
    let tags = MemoryTags::default();
    tags.set("ghcr.io/acme/charts/web", ["1.4.0_b1", "1.5.0_b1", "1.5.0_b2"]);
    let outcome = tree.plan(&Repository::without_configuration(), &tags).await;
    let [change] = &changes(&outcome)[..] else { panic!("{:?}", changes(&outcome)) };
    assert!(change.starts_with("apps/web.yaml:8 1.4.0+b1 -> 1.5.0+b"), "{change}");
}

#[test]
fn a_release_from_another_place_than_a_registry_holds_no_reference() {
    let tree = Tree::of(&[
        ("sources/acme.yaml", &repository("acme", "{url: 'https://charts.acme.example'}")),
        ("apps/web.yaml", &release("web", "1.4.0", "acme")),
    ]);
    assert_eq!(rows(&tree.scan()), Vec::<String>::new());
}

#[test]
fn a_release_whose_repository_is_unknown_is_listed_with_the_reason() {
    let registry = "{type: oci, url: 'oci://ghcr.io/acme/charts'}";
    for (files, reason) in [
        (vec![], "no file here holds the HelmRepository acme"),
        (vec![repository("other", registry)], "no file here holds the HelmRepository acme"),
        (
            vec![repository("acme", registry), repository("acme", "{type: oci, url: 'oci://ghcr.io/other'}")],
            "several HelmRepositorys are named acme and differ",
        ),
        (vec![repository("acme", "{type: oci, url: 'oci://${HOST}/charts'}")], "holds the variable ${HOST}"),
    ] {
        let text = files.join("---\n");
        let tree = Tree::of(&[("sources/acme.yaml", &text), ("apps/web.yaml", &release("web", "1.4.0", "acme"))]);
        let rows = rows(&tree.scan());
        assert!(rows.len() == 1 && rows[0].contains(reason), "{rows:?}");
    }
}

#[test]
fn a_marker_names_a_chart_whose_repository_is_unknown() {
    let objects = "apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: web, namespace: flux-system}
spec: {image: ghcr.io/acme/charts/web}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: web, namespace: flux-system}
spec: {imageRepositoryRef: {name: web}, policy: {semver: {range: 1.x}}}
";
    let release = release("web", "1.4.0 # {\"$imagepolicy\": \"flux-system:web:tag\"}", "acme");
    let tree = Tree::of(&[("flux.yaml", objects), ("apps/web.yaml", &release)]);
    assert_eq!(rows(&tree.scan())[0], "apps/web.yaml:8 ghcr.io/acme/charts/web:1.4.0 semver 1.x");
}
