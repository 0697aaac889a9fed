//! What configuration says of signatures, and what `docs/signatures.md` shows of it.

use std::path::Path;
use std::sync::Arc;

use tagboat::config::{repository, service};
use tagboat::model::signature::{SignerName, Verify};

fn rule(cosign: &str) -> Result<Arc<Verify>, String> {
    let text = format!(
        "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: minor\n    verify: {{cosign: {cosign}}}\n"
    );
    let read = repository::parse("f.yaml", text.as_bytes()).map_err(|faults| faults.to_string())?;
    assert_eq!(read.inactive, [], "it acts");
    Ok(read.rules.0[0].policy.verify.clone().unwrap())
}

#[test]
fn every_configuration_that_the_document_shows_is_accepted() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/signatures.md");
    let text = std::fs::read_to_string(document).unwrap();
    let blocks: Vec<&str> = text.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    let (of_service, of_repository): (Vec<&str>, Vec<&str>) =
        blocks.into_iter().partition(|block| block.contains("sigstore:"));
    assert_eq!((of_service.len(), of_repository.len()), (1, 2));
    let read = service::parse("/etc/tagboat/service.yaml", of_service[0].as_bytes()).unwrap();
    let root = read.trusted_root.as_ref().map(|path| read.resolve(path)).unwrap();
    assert_eq!(root, Path::new("/etc/tagboat/trusted_root.json"));
    let verify = of_repository.iter().map(|block| {
        let read = repository::parse(".tagboat.yaml", block.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
        read.rules.0[0].policy.verify.clone().unwrap()
    });
    let [by_key, by_name] = &verify.collect::<Vec<_>>()[..] else { panic!("two rules") };
    assert!(matches!(&**by_key, Verify::CosignKeys(paths) if paths[0].as_str() == "keys/cosign.pub"));
    let Verify::CosignIdentity { identity, issuer } = &**by_name else { panic!("by name") };
    let workflow = "https://github.com/acme/web/.github/workflows/release.yml@refs/tags/v1.0.0";
    assert!(identity.matches(workflow) && !identity.matches(&format!("{workflow} ")[1..]));
    assert!(issuer.matches("https://token.actions.githubusercontent.com"));
}

#[test]
fn names_are_exact_or_patterns_and_keys_are_one_or_several() {
    let exact = |name: &str| SignerName::Exact(name.to_owned());
    assert_eq!(
        *rule("{identity: dev@acme.example, issuer: https://a.example}").unwrap(),
        Verify::CosignIdentity { identity: exact("dev@acme.example"), issuer: exact("https://a.example") }
    );
    let Verify::CosignIdentity { identity, .. } = &*rule("{identity: {pattern: a+}, issuer: {pattern: .*}}").unwrap()
    else {
        panic!("by name")
    };
    assert!(identity.matches("aaa") && !identity.matches("baaa"));
    assert!(matches!(&*rule("{key: [a.pub, b.pub]}").unwrap(), Verify::CosignKeys(paths) if paths.len() == 2));
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    let many = format!("{{key: [{}]}}", vec!["a.pub"; 21].join(", "));
    for (cosign, words) in [
        ("{key: []}", "0 keys are named, and it takes 1 to 20"),
        (&many, "21 keys are named"),
        ("{key: ../a.pub}", "is no path within the repository"),
        ("{identity: {pattern: '('}, issuer: b}", "`(` is no regular expression: "),
        ("{identity: {pattern: 'a)|(?:b'}, issuer: b}", "is no regular expression: "),
        ("{identity: {}, issuer: b}", "pattern"),
        ("{identity: a}", "`identity` needs `issuer` beside it"),
        ("{key: a.pub, issuer: b}", "`issuer` says nothing beside `key`"),
    ] {
        let fault = rule(cosign).unwrap_err();
        assert!(fault.contains(words) && fault.contains("f.yaml:5:"), "{cosign}\n{fault}");
    }
}
