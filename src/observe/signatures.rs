//! Asking a source what signatures say, once the keys that a policy names have been read from the repository.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};

use crate::model::file::RepoPath;
use crate::model::observation::Observation;
use crate::model::signature::{SignatureWant, Verify};
use crate::observe::files::Files;
use crate::registry::TagSource;
use crate::signature::Requirement;
use crate::signature::key::{MAX_KEY, PublicKey};

/// How many images' signatures are asked for at once, over all registries.
const CONCURRENT: usize = 32;

/// Asks for signatures that decisions want, and keeps in the observation what they say.
///
/// `listed` are the regular files of the repository, sorted: keys are read from nowhere else.
pub async fn ask(
    observation: &mut Observation,
    wants: Vec<SignatureWant>,
    files: &dyn Files,
    listed: &[RepoPath],
    source: &dyn TagSource,
) {
    let mut requirements: BTreeMap<Arc<Verify>, Result<Requirement, String>> = BTreeMap::new();
    for want in &wants {
        requirements.entry(Arc::clone(&want.verify)).or_insert_with(|| requirement(&want.verify, files, listed));
    }
    let requirements = &requirements;
    let mut answers = stream::iter(wants)
        .map(|want| async move {
            let answer = match &requirements[&want.verify] {
                Ok(by) => {
                    source.signed(&want.image, &want.tag, &want.digest, by).await.map_err(|error| error.to_string())
                }
                Err(reason) => Err(reason.clone()),
            };
            (want, answer)
        })
        .buffer_unordered(CONCURRENT);
    while let Some((want, answer)) = answers.next().await {
        observation.signatures.insert(want, answer);
    }
}

/// Reads what a policy names. One key that cannot be read is a failure: which signatures count must not depend on it.
fn requirement(verify: &Verify, files: &dyn Files, listed: &[RepoPath]) -> Result<Requirement, String> {
    match verify {
        Verify::CosignIdentity { identity, issuer } => Ok(Requirement::name(identity.clone(), issuer.clone())),
        Verify::CosignKeys(paths) => {
            paths.iter().map(|path| key(path, files, listed)).collect::<Result<_, _>>().map(Requirement::keys)
        }
    }
}

fn key(path: &RepoPath, files: &dyn Files, listed: &[RepoPath]) -> Result<PublicKey, String> {
    // A link could lead anywhere, and a working tree may hold pipes.
    if listed.binary_search(path).is_err() {
        return Err(format!("the key {path} that `verify` names is no file of the repository"));
    }
    let about = |reason: String| format!("the key {path} that `verify` names: {reason}");
    let bytes = files.read(path, MAX_KEY).map_err(|reason| about(reason.to_string()))?;
    PublicKey::from_pem(&bytes).map_err(|error| about(error.to_string()))
}
