//! Docker's credential helpers: the program `docker-credential-NAME`, asked `get` with the host on its input.
//!
//! Beside `git`, the one place that starts a program. It sees no environment but what the settings give it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::model::image::{DOCKER_HUB, shorten};
use crate::registry::credentials::docker_config::HUB_KEY;
use crate::registry::credentials::login::Fetched;
use crate::registry::credentials::{CredentialError, Secret};
use crate::registry::settings::HelperSettings;

/// How much a helper may print; tokens of clouds have some kilobytes.
const MAX_OUTPUT: u64 = 256 << 10;

/// How long an answer is kept. Helpers of clouds keep their tokens themselves and renew them in time.
const LIFE: Duration = Duration::from_secs(600);

/// What helpers print when they hold nothing for a host; fixed by docker's protocol.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// The user that stands for an identity token; fixed by docker's protocol.
const IDENTITY_USER: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawAnswer {
    username: String,
    secret: SecretString,
}

/// Asks a helper; `None` when it holds nothing for the host.
pub(super) async fn ask(name: &str, host: &str, settings: &HelperSettings) -> Result<Option<Fetched>, CredentialError> {
    let program = format!("docker-credential-{}", shorten(name));
    let failed = |reason: String| CredentialError::Helper { program: program.clone(), reason };
    let file = locate(name, settings)
        .ok_or_else(|| failed("is not on the PATH; install it, or take it out of the configuration".to_owned()))?;
    let key = if host == DOCKER_HUB { HUB_KEY } else { host };
    let time = settings.time;
    let (success, output) = tokio::time::timeout(time, run(file, key, settings))
        .await
        .map_err(|_elapsed| failed(format!("gave no answer for {host} within {} s", time.as_secs_f64())))?
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    if output.len() as u64 > MAX_OUTPUT {
        return Err(failed(format!("printed more than {MAX_OUTPUT} bytes")));
    }
    if !success {
        // Only the protocol's one fixed sentence is looked at; anything else may hold a secret and is not shown.
        return match String::from_utf8_lossy(&output).trim() {
            NOT_FOUND => Ok(None),
            _ => Err(failed(format!("failed for {host}; run it by hand: echo {key} | {program} get"))),
        };
    }
    let answer: RawAnswer = serde_json::from_slice(&output)
        .map_err(|_may_quote_a_secret| failed(format!("did not answer with the JSON of a credential for {host}")))?;
    // Nothing at all means that nothing is held, to docker and to others that ask helpers.
    if answer.username.is_empty() && answer.secret.expose_secret().is_empty() {
        return Ok(None);
    }
    let secret = match answer.username.as_str() {
        IDENTITY_USER => Secret::Identity(answer.secret),
        _ => Secret::Password { user: answer.username, password: answer.secret },
    };
    let advice = "renew the login that it keeps";
    Ok(Some(Fetched { secret, origin: program, advice, life: LIFE }))
}

/// Finds the program on the path that the settings name; a name with a path in it finds nothing.
fn locate(name: &str, settings: &HelperSettings) -> Option<PathBuf> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(plain) {
        return None;
    }
    let file = format!("docker-credential-{name}");
    let folders = std::env::split_paths(settings.path.as_ref()?).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(&file)).find(|file| file.is_file())
}

async fn run(program: PathBuf, key: &str, settings: &HelperSettings) -> std::io::Result<(bool, Vec<u8>)> {
    #[expect(clippy::disallowed_methods, reason = "credential helpers are programs; this is their one door")]
    let command = std::process::Command::new(program);
    let mut child = tokio::process::Command::from(command)
        .arg("get")
        .env_clear()
        .envs(settings.environment.iter().map(|(name, value)| (name, value)))
        .envs(settings.path.iter().map(|path| ("PATH", path)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A helper that answers without reading closes its input: its answer counts, not this.
        drop(input.write_all(format!("{key}\n").as_bytes()).await);
    }
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_OUTPUT + 1).read_to_end(&mut output).await?;
    }
    if output.len() as u64 > MAX_OUTPUT {
        child.start_kill()?;
    }
    let status = child.wait().await?;
    Ok((status.success(), output))
}
