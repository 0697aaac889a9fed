//! Payloads of the clouds' registries, by their own documentation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::service::hooks::named::{Concern, image};

/// A webhook of Azure Container Registry.
#[derive(Deserialize)]
pub(super) struct Acr {
    action: String,
    target: AcrTarget,
    request: AcrRequest,
}

#[derive(Deserialize)]
struct AcrTarget {
    repository: String,
}

#[derive(Deserialize)]
struct AcrRequest {
    host: String,
}

impl Acr {
    pub(super) fn concerns(self) -> Vec<Concern> {
        // A chart is pushed as `chart_push`, and followed as an image.
        if !matches!(self.action.as_str(), "push" | "chart_push") {
            return Vec::new();
        }
        image(&format!("{}/{}", self.request.host, self.target.repository)).into_iter().collect()
    }
}

/// An event of Amazon ECR, as EventBridge hands it on.
#[derive(Deserialize)]
pub(super) struct Ecr {
    account: String,
    region: String,
    detail: EcrDetail,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct EcrDetail {
    action_type: String,
    repository_name: String,
}

impl Ecr {
    pub(super) fn concerns(self) -> Vec<Concern> {
        let Self { account, region, detail } = self;
        if detail.action_type != "PUSH" {
            return Vec::new();
        }
        let end = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        image(&format!("{account}.dkr.ecr.{region}.{end}/{}", detail.repository_name)).into_iter().collect()
    }
}

/// A message of Google's Pub/Sub, as a push subscription sends it.
#[derive(Deserialize)]
pub(super) struct PubSub {
    message: PubSubMessage,
}

#[derive(Deserialize)]
struct PubSubMessage {
    data: String,
}

/// What Artifact Registry says in a message of the topic `gcr`.
#[derive(Deserialize)]
struct Artifact {
    action: String,
    digest: Option<String>,
    tag: Option<String>,
}

impl PubSub {
    pub(super) fn concerns(self) -> Vec<Concern> {
        let Ok(data) = STANDARD.decode(self.message.data) else { return Vec::new() };
        let Ok(artifact) = serde_json::from_slice::<Artifact>(&data) else { return Vec::new() };
        if artifact.action != "INSERT" {
            return Vec::new();
        }
        artifact.tag.or(artifact.digest).and_then(|name| image(&name)).into_iter().collect()
    }
}
