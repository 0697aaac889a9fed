//! Payloads of registries that stand by themselves, by their own documentation.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::service::hooks::named::{Concern, image};

/// GitHub's events `package` and `registry_package`.
#[derive(Deserialize)]
pub(super) struct PackageEvent {
    package: Option<Package>,
    registry_package: Option<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    namespace: String,
}

impl PackageEvent {
    pub(super) fn concerns(self) -> Vec<Concern> {
        let packages = [self.package, self.registry_package].into_iter().flatten();
        packages
            .filter_map(|package| {
                let (namespace, name) = (package.namespace.to_lowercase(), package.name.to_lowercase());
                image(&format!("ghcr.io/{namespace}/{name}"))
            })
            .collect()
    }
}

#[derive(Deserialize)]
pub(super) struct DockerHub {
    repository: DockerHubRepository,
}

#[derive(Deserialize)]
struct DockerHubRepository {
    repo_name: String,
}

impl DockerHub {
    pub(super) fn concerns(self) -> Vec<Concern> {
        image(&format!("docker.io/{}", self.repository.repo_name)).into_iter().collect()
    }
}

#[derive(Deserialize)]
pub(super) struct Quay {
    docker_url: String,
}

impl Quay {
    pub(super) fn concerns(self) -> Vec<Concern> {
        image(&self.docker_url).into_iter().collect()
    }
}

/// Harbor's own payload, or the event as CloudEvents wraps it.
#[derive(Deserialize)]
pub(super) struct Harbor {
    #[serde(rename = "type")]
    kind: String,
    event_data: Option<HarborData>,
    data: Option<HarborData>,
}

#[derive(Deserialize)]
struct HarborData {
    repository: HarborRepository,
}

#[derive(Deserialize)]
struct HarborRepository {
    repo_full_name: String,
}

impl Harbor {
    pub(super) fn concerns(self) -> Vec<Concern> {
        // Pulls are told, too: also those of the pass that would come of it. Scans, deletions and quotas bring nothing new.
        if !["PUSH_ARTIFACT", "harbor.artifact.pushed"].contains(&self.kind.as_str()) {
            return Vec::new();
        }
        let data = [self.event_data, self.data].into_iter().flatten();
        data.map(|data| Concern::ImagePath(data.repository.repo_full_name)).collect()
    }
}

/// Notifications of the distribution registry, several in an envelope.
#[derive(Deserialize)]
pub(super) struct Distribution {
    events: Vec<DistributionEvent>,
}

#[derive(Deserialize)]
struct DistributionEvent {
    action: String,
    target: DistributionTarget,
}

#[derive(Deserialize)]
struct DistributionTarget {
    repository: Option<String>,
}

impl Distribution {
    pub(super) fn concerns(self) -> Vec<Concern> {
        // Pulls are told, too: also those of the pass that would come of it.
        let pushed = self.events.into_iter().filter(|event| event.action == "push");
        let paths: BTreeSet<String> = pushed.filter_map(|event| event.target.repository).collect();
        paths.into_iter().map(Concern::ImagePath).collect()
    }
}

/// Nexus' webhooks of a repository: of a component, or of an asset of one.
#[derive(Deserialize)]
pub(super) struct Nexus {
    action: String,
    component: Option<NexusPart>,
    asset: Option<NexusPart>,
}

#[derive(Deserialize)]
struct NexusPart {
    format: String,
    name: String,
}

impl Nexus {
    pub(super) fn concerns(self) -> Vec<Concern> {
        if self.action == "DELETED" {
            return Vec::new();
        }
        let component = self.component.filter(NexusPart::is_docker).map(|part| part.name);
        // An asset is a path of the registry's API: `v2/acme/web/manifests/1.5.0`.
        let asset = self.asset.filter(NexusPart::is_docker).and_then(|part| {
            let (name, _) = part.name.trim_start_matches('/').strip_prefix("v2/")?.rsplit_once("/manifests/")?;
            Some(name.to_owned())
        });
        component.or(asset).map(Concern::ImagePath).into_iter().collect()
    }
}

impl NexusPart {
    fn is_docker(&self) -> bool {
        self.format == "docker"
    }
}

/// Artifactory's events of the domain `docker`.
#[derive(Deserialize)]
pub(super) struct JFrog {
    domain: String,
    event_type: String,
    data: JFrogData,
}

#[derive(Deserialize)]
struct JFrogData {
    repo_key: String,
    image_name: String,
}

impl JFrog {
    pub(super) fn concerns(self) -> Vec<Concern> {
        if self.domain != "docker" || self.event_type == "deleted" {
            return Vec::new();
        }
        // Manifests name the repository in the path or in the host, as Artifactory was set up.
        let JFrogData { repo_key, image_name } = self.data;
        let with_key = format!("{repo_key}/{image_name}");
        vec![Concern::ImagePath(with_key), Concern::ImagePath(image_name)]
    }
}
