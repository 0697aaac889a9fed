//! The page about promotion: every configuration on it is one.

use tagboat::config::{holds, repository, service};
use tagboat::manifest::{Limits, Surroundings, scan};
use tagboat::model::file::RepoPath;
use tagboat::model::gate::GateName;

fn page() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/promotion.md");
    std::fs::read_to_string(path).unwrap()
}

fn blocks(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("```yaml\n") {
        let (block, after) = after.split_once("\n```").expect("a block has an end");
        found.push(format!("{block}\n"));
        rest = after;
    }
    found
}

#[test]
fn each_block_of_the_page_about_promotion_is_a_configuration() {
    let page = page();
    let mut gates = Vec::new();
    let mut kinds = [0; 4];
    for block in blocks(&page) {
        // What others read must be their objects at least.
        if block.contains("apiVersion:") {
            kinds[3] += 1;
            let path = RepoPath::new("object.yaml").unwrap();
            // A file without a reference is not parsed.
            let text = format!("{block}---\nimage: ghcr.io/acme/web:1.4.0\n");
            let found = scan(&path, text.as_bytes(), &Surroundings::default(), &Limits::default());
            assert_eq!((found.sites.len(), found.passed_over), (1, Vec::new()), "{block}");
            continue;
        }
        if block.contains("\nholds:") {
            kinds[0] += 1;
            assert_eq!(holds::parse("holds.yaml", block.as_bytes()).unwrap().len(), 1, "{block}");
            continue;
        }
        if block.contains("\nsources:") {
            assert_eq!(service::parse("service.yaml", block.as_bytes()).unwrap().sources.len(), 2, "{block}");
            continue;
        }
        if block.contains("\nrepositories:") {
            assert_eq!(service::parse("service.yaml", block.as_bytes()).unwrap().repositories.len(), 2, "{block}");
            continue;
        }
        let whole = if block.starts_with("gates:") || block.starts_with("onFailure:") {
            kinds[1] += 1;
            let indented: String = block.lines().map(|line| format!("    {line}\n")).collect();
            format!(
                "version: 1\nenvironments:\n  - name: dev\n    files: [dev/**]\n  - name: prod\n    files: [prod/**]\n    after: dev\n{indented}"
            )
        } else {
            kinds[2] += 1;
            block
        };
        let config =
            repository::parse(".tagboat.yaml", whole.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}\n{whole}"));
        let names = config
            .environments
            .0
            .iter()
            .flat_map(|environment| &environment.gates)
            .map(tagboat::model::gate::GateSpec::name);
        gates.extend(names);
    }
    assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
    for gate in GateName::ALL {
        assert!(gates.contains(&gate), "{gate} has no example");
    }
    assert!(page.contains("2,000 commits"));
    assert_eq!(tagboat::pass::record::MOST_READ, 2_000);
}
