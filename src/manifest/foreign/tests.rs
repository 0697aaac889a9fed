use super::*;
use crate::manifest::{Limits, Surroundings, scan};
use crate::model::site::{MarkedPart, Marker};

#[test]
fn reads_markers_as_flux_does() {
    let part = |comment: &str| match flux::marker(comment) {
        Some(Marker::Named(reference)) => Some((reference.to_string(), reference.part)),
        _ => None,
    };
    let named = |part| Some(("flux-system:web".to_owned(), part));
    assert_eq!(part(r#"{"$imagepolicy": "flux-system:web"}"#), named(MarkedPart::Whole));
    assert_eq!(part(r#" {"$imagepolicy":"flux-system:web:tag"} # more"#), named(MarkedPart::Tag));
    assert_eq!(part(r#"{"$imagepolicy": "flux-system:web:name"}"#), named(MarkedPart::Name));
    assert_eq!(part(r#"{"$imagepolicy": "flux-system:web:digest"}"#), named(MarkedPart::Digest));
    for faulty in
        [r#"{"$imagepolicy": "web"}"#, r#"{"$imagepolicy": "a:b:c"}"#, r#"{"$imagepolicy": 1}"#, r#"{"$imagepolicy""#]
    {
        assert!(matches!(flux::marker(faulty), Some(Marker::Faulty(_))), "{faulty}");
    }
    for other in ["a comment", r#"{"$openapi": "x"}"#, ""] {
        assert_eq!(flux::marker(other), None, "{other}");
    }
}

fn foreign(text: &str) -> Foreign {
    let path = RepoPath::new("clusters/flux.yaml").unwrap();
    scan(&path, text.as_bytes(), &Surroundings::default(), &Limits::default()).foreign
}

#[test]
fn reads_where_flux_writes_and_how() {
    let found = foreign(
        "apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {name: all, namespace: flux-system}
spec:
  git:
    checkout: {ref: {branch: main}}
    push: {branch: updates, refspec: 'refs/x'}
    commit:
      author: {email: fluxcdbot@users.noreply.example, name: fluxcdbot}
      messageTemplate: '{{range .Changed.Objects}}x{{end}}'
  update: {path: ./clusters/prod/, strategy: Setters}
",
    );
    let automation = &found.automations[0];
    assert_eq!(automation.path, "clusters/prod");
    assert_eq!((automation.branch.as_deref(), automation.push_branch.as_deref()), (Some("main"), Some("updates")));
    assert_eq!(automation.author, Some(("fluxcdbot".to_owned(), "fluxcdbot@users.noreply.example".to_owned())));
    assert_eq!(automation.further, ["`git.push.refspec`"]);
}

#[test]
fn reads_the_resource_of_argo_cd_image_updater() {
    let found = foreign(
        "apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {name: shop, namespace: argocd}
spec:
  commonUpdateSettings: {updateStrategy: newest-build, ignoreTags: ['*-debug']}
  writeBackConfig: {method: git}
  applicationRefs:
  - namePattern: shop-*
    images:
    - alias: web
      imageName: ghcr.io/acme/web:1.x
      commonUpdateSettings: {updateStrategy: semver}
      manifestTargets: {helm: {name: web.image, tag: web.tag}}
    - alias: worker
      imageName: ghcr.io/acme/worker
",
    );
    let updater = &found.updaters[0];
    let selection = &updater.selections[0];
    assert_eq!((&*selection.pattern, &selection.labels), ("shop-*", &Ok(Vec::new())));
    let images = &selection.images;
    let policies: Vec<String> =
        images.iter().map(|one| format!("{} {}", one.alias, one.policy.as_ref().unwrap())).collect();
    assert_eq!(policies, ["web semver 1.x", "worker newest"]);
    assert!(images[0].policy.as_ref().unwrap().ignore[0].0.is_match("1-debug"));
    assert_eq!(images[0].further[1], ("manifestTargets.helm.tag", "web.tag".to_owned()));
    assert_eq!(updater.further, [("writeBackConfig.method", "git".to_owned())]);
}

#[test]
fn finds_objects_in_lists() {
    let found = foreign(
        "apiVersion: v1
kind: List
items:
- apiVersion: image.toolkit.fluxcd.io/v1
  kind: ImageRepository
  metadata: {name: web}
  spec: {image: ghcr.io/acme/web, secretRef: {name: x}, exclusionList: ['^pr-']}
",
    );
    assert_eq!(found.repositories[0].operators, ["secretRef"]);
    assert_eq!(
        (found.repositories[0].origin.position.line, found.repositories[0].exclusions.as_ref().unwrap().len()),
        (4, 1)
    );
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "(apiVersion: (image.toolkit.fluxcd.io/v1|argoproj.io/v1alpha1|argocd-image-updater.argoproj.io/v1)\n|kind: (ImagePolicy|ImageRepository|Application|ImageUpdater|ImageUpdateAutomation)\n|metadata: \\{name: a, annotations: \\{argocd-image-updater.argoproj.io/image-list: [a-z=:,/~@ ]{0,12}\\}\\}\n|spec: [-{}\\[\\]a-z: ,*&]{0,30}\n|---\n){0,8}", noise in "[-/*'\"{}\\[\\]a-z:,\\\\ \n\t]{0,60}") {
        let _ = foreign(&text);
        let path = RepoPath::new("renovate.json5").unwrap();
        let _ = renovate::read(&path, noise.as_bytes(), &Limits::default());
        let rules = format!("{{packageRules: [{{matchPackageNames: ['{noise}']}}], customManagers: [{noise}]}}");
        let _ = renovate::read(&path, rules.as_bytes(), &Limits::default());
    }
}
