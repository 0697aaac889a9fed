//! What `docs/registries.md` says: each block is a whole `service.yaml`, and each vendor has one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tagboat::config::service::{self, RegistryAuth};

use super::ROOT;

/// Returns the blocks of YAML, each with the heading above it.
fn blocks() -> Vec<(String, String)> {
    let document = fs::read_to_string(Path::new(ROOT).join("docs/registries.md")).unwrap();
    let (mut heading, mut blocks, mut open) = (String::new(), Vec::new(), None);
    for line in document.lines() {
        match (&mut open, line) {
            (None, "```yaml") => open = Some(String::new()),
            (None, _) => heading = line.strip_prefix("## ").map_or(heading, str::to_owned),
            (Some(_), "```") => blocks.extend(open.take().map(|block| (heading.clone(), block))),
            (Some(block), _) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block is never closed");
    blocks
}

#[test]
fn every_block_about_registries_is_a_file_that_acts() {
    let blocks = blocks();
    let mut kinds = BTreeSet::new();
    for (heading, block) in &blocks {
        let read = service::parse("service.yaml", block.as_bytes());
        let read = read.unwrap_or_else(|faults| panic!("{heading}:\n{}", faults.render(false, 100)));
        assert!(!read.registries.is_empty(), "{heading}");
        for registry in &read.registries {
            let auth = registry.auth.as_ref().unwrap_or_else(|| panic!("{heading}: {} has no login", registry.host));
            kinds.insert(match auth {
                RegistryAuth::DockerConfig(_) => "dockerConfig",
                RegistryAuth::Variables { .. } => "usernameEnv",
                RegistryAuth::Basic(_) => "basic",
                RegistryAuth::TokenFile(_) => "tokenFile",
                RegistryAuth::Helper(_) => "helper",
                RegistryAuth::Aws { .. } => "aws",
                RegistryAuth::Gcp { .. } => "gcp",
                RegistryAuth::Azure { .. } => "azure",
            });
        }
    }
    let headings: Vec<&str> = blocks.iter().map(|(heading, _)| heading.as_str()).collect();
    for vendor in
        ["Docker Hub", "GitHub", "Quay", "ECR", "Artifact", "Azure", "Harbor", "GitLab", "Nexus", "JFrog", "your own"]
    {
        assert!(headings.iter().any(|heading| heading.contains(vendor)), "{vendor} in {headings:?}");
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["aws", "azure", "basic", "dockerConfig", "gcp", "helper", "usernameEnv"]
    );
}

#[test]
fn a_manifest_repository_names_no_credential() {
    for text in [
        "version: 1\nregistries: [{host: ghcr.io, auth: {usernameEnv: A, passwordEnv: B}}]\n",
        "version: 1\nimages: [{match: ghcr.io/acme/web, semver: minor, auth: {aws: {}}}]\n",
        "version: 1\nimages: [{match: ghcr.io/acme/web, semver: minor, tokenFile: /run/secrets/token}]\n",
    ] {
        let faults = tagboat::config::repository::parse(".tagboat.yaml", text.as_bytes()).unwrap_err().to_string();
        assert!(faults.contains("unknown key") || faults.contains("does not know"), "{faults}");
    }
}
