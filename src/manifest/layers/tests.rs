use super::*;
use crate::manifest::{Limits, Surroundings, scan};

/// Scans files and returns `file:line note` for every reference with a note.
fn noted(files: &[(&str, &str)]) -> Vec<String> {
    let (mut sites, mut layers) = (Vec::new(), Vec::new());
    let mut files = files.to_vec();
    files.sort_unstable();
    for (name, text) in files {
        let path = RepoPath::new(name).unwrap();
        let mut found = scan(&path, text.as_bytes(), &Surroundings::default(), &Limits::default());
        sites.append(&mut found.sites);
        layers.append(&mut found.layers);
    }
    let notes = deciders(&layers, &sites);
    let shown = sites
        .iter()
        .zip(notes)
        .filter_map(|(site, note)| note.map(|note| format!("{}:{} {note}", site.file, site.position.line)));
    shown.collect()
}

const WEB: &str =
    "apiVersion: apps/v1\nkind: Deployment\nspec:\n  image: ghcr.io/acme/web:1.3.0\n  other: {image: redis}\n";

#[test]
fn an_overlay_decides_for_its_base_and_the_base_for_its_files() {
    let files = [
        ("base/web.yaml", WEB),
        ("base/kustomization.yaml", "resources: [web.yaml]\nimages:\n  - name: ghcr.io/acme/web\n    newTag: 1.4.0\n"),
        (
            "envs/prod/kustomization.yaml",
            "resources:\n  - ../../base\nimages:\n- {name: ghcr.io/acme/web, newTag: 1.5.0}\n",
        ),
        ("envs/dev/kustomization.yaml", "resources: [../../base/]\nimages: [{name: redis, newTag: '7'}]\n"),
    ];
    assert_eq!(
        noted(&files),
        [
            "base/kustomization.yaml:4 envs/prod/kustomization.yaml:4 decides for it",
            "base/web.yaml:4 base/kustomization.yaml:4 and envs/prod/kustomization.yaml:4 decide for it",
            "base/web.yaml:5 envs/dev/kustomization.yaml:2 decides for it",
        ]
    );
}

#[test]
fn a_layer_without_images_passes_on_what_is_above_it() {
    let files = [
        ("web.yaml", WEB),
        ("kustomization.yml", "resources: [web.yaml]\n"),
        ("mid/Kustomization", "bases: [..]\n"),
        ("top/kustomization.yaml", "resources: [../mid]\nimages: [{name: ghcr.io/acme/web, digest: sha256:x}]\n"),
    ];
    assert_eq!(noted(&files), ["web.yaml:4 top/kustomization.yaml:2 decides for it"]);
}

#[test]
fn a_new_name_is_what_the_layers_above_look_for() {
    let base =
        "resources: [web.yaml]\nimages: [{name: ghcr.io/acme/web, newName: mirror.example/web, newTag: 1.4.0}]\n";
    let over = |name: &str| format!("resources: [../base]\nimages: [{{name: {name}, newTag: 1.5.0}}]\n");
    let (old, new) = (over("ghcr.io/acme/web"), over("mirror.example/web"));
    let of = |top: &str| {
        noted(&[("base/web.yaml", WEB), ("base/kustomization.yaml", base), ("top/kustomization.yaml", top)])
    };
    assert_eq!(of(&old), ["base/web.yaml:4 base/kustomization.yaml:2 decides for it"]);
    assert_eq!(
        of(&new),
        [
            "base/kustomization.yaml:2 top/kustomization.yaml:2 decides for it",
            "base/web.yaml:4 base/kustomization.yaml:2 and top/kustomization.yaml:2 decide for it",
        ]
    );
    let renamed_only = "resources: [../base]\nimages: [{name: mirror.example/web, newName: other.example/web}]\n";
    assert_eq!(of(renamed_only), of(&old), "what gives only a name decides about no version");
}

#[test]
fn a_component_decides_for_what_stands_beside_it() {
    let files = [
        ("base/web.yaml", WEB),
        ("pin/kustomization.yaml", "kind: Component\nimages: [{name: ghcr.io/acme/web, newTag: 1.4.0}]\n"),
        ("prod/kustomization.yaml", "resources: [../base/web.yaml]\ncomponents: [../pin]\n"),
    ];
    assert_eq!(noted(&files), ["base/web.yaml:4 pin/kustomization.yaml:2 decides for it"]);
}

#[test]
fn circles_addresses_and_ways_out_of_the_repository_end() {
    let around = "resources: [../b, https://git.example/acme/base?ref=v1, ../../../x, /etc, .]\nimages: [{name: web, newTag: 1.4.0}]\n";
    let files = [("a/kustomization.yaml", around), ("b/kustomization.yaml", &around.replace("../b", "../a"))];
    assert_eq!(
        noted(&files),
        [
            "a/kustomization.yaml:2 b/kustomization.yaml:2 decides for it",
            "b/kustomization.yaml:2 a/kustomization.yaml:2 decides for it",
        ]
    );
}

#[test]
fn many_that_decide_are_counted() {
    let tops: Vec<(String, &str)> = (0..6)
        .map(|at| {
            let text = "resources: [../base]\nimages: [{name: ghcr.io/acme/web, newTag: 1.4.0}]\n";
            (format!("o{at}/kustomization.yaml"), text)
        })
        .collect();
    let mut files = vec![("base/web.yaml", WEB), ("base/kustomization.yaml", "resources: [web.yaml]\n")];
    files.extend(tops.iter().map(|(name, text)| (name.as_str(), *text)));
    assert_eq!(
        noted(&files),
        [
            "base/web.yaml:4 o0/kustomization.yaml:2, o1/kustomization.yaml:2, o2/kustomization.yaml:2 and 3 more decide for it"
        ]
    );
}

#[test]
fn a_patch_decides_for_the_same_image_below_and_images_beside_it_for_the_patch() {
    let patch = "apiVersion: apps/v1\nkind: Deployment\nspec: {image: ghcr.io/acme/web:1.5.0}\n";
    let files = [
        ("base/web.yaml", WEB),
        ("base/kustomization.yaml", "resources: [web.yaml]\nimages: [{name: redis, newTag: '7'}]\n"),
        (
            "dev/kustomization.yaml",
            "resources: [../base]\npatches:\n- patch: |-\n    - op: replace\n      path: /spec/image\n      value: \
             ghcr.io/acme/web:1.6.0\nimages: [{name: ghcr.io/acme/web, newTag: 1.7.0}]\n",
        ),
        ("prod/kustomization.yaml", "resources: [../base]\npatches: [{path: web.yaml}]\n"),
        ("prod/web.yaml", patch),
        ("top/kustomization.yaml", "resources: [../prod]\npatchesStrategicMerge: [web.yaml]\n"),
        ("top/web.yaml", patch),
    ];
    assert_eq!(
        noted(&files),
        [
            "base/web.yaml:4 dev/kustomization.yaml:6 (a patch, where it applies), dev/kustomization.yaml:7, \
             prod/web.yaml:3 (a patch, where it applies) and 1 more decide for it",
            "base/web.yaml:5 base/kustomization.yaml:2 decides for it",
            "dev/kustomization.yaml:6 dev/kustomization.yaml:7 decides for it",
            "prod/web.yaml:3 top/web.yaml:3 (a patch, where it applies) decides for it",
        ]
    );
}

#[test]
fn the_patch_of_a_component_decides_for_what_stands_beside_the_component() {
    let files = [
        ("app/kustomization.yaml", "resources: [web.yaml]\ncomponents: [../debug]\n"),
        ("app/web.yaml", WEB),
        ("debug/kustomization.yaml", "kind: Component\npatches:\n  - path: patch.yaml\n"),
        ("debug/patch.yaml", "[{op: replace, path: /spec/image, value: \"ghcr.io/acme/web:1.5.0\"}]\n"),
    ];
    assert_eq!(noted(&files), ["app/web.yaml:4 debug/patch.yaml:1 (a patch, where it applies) decides for it"]);
}
