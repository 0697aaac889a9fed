//! Starting real servers: each on a free loopback port with its own folder, stopped when it is dropped.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Certificate, Client, RequestBuilder};
use sha2::{Digest as _, Sha256};
use tagboat::model::image::ImageName;
use tempfile::TempDir;

use crate::authority::{Authority, Signed};

/// The one user that [`Login::Htpasswd`] knows.
pub(crate) const USER: &str = "acme";
/// That user's password.
pub(crate) const PASSWORD: &str = "secret";
/// Its bcrypt hash, at the lowest cost.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

/// Whether the registry asks for a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    /// Nobody needs one.
    Open,
    /// User and password.
    Htpasswd,
}

/// How a registry is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind<'a> {
    /// Whether it asks for a login.
    pub(crate) login: Login,
    /// Whom it speaks TLS as, and whose authority's certificate that is.
    pub(crate) tls: Option<(&'a Signed, &'a Authority)>,
    /// Whether manifests may be deleted.
    pub(crate) delete: bool,
    /// The registry that it is a pull-through cache of. That one has to be open: `docker-registry` 2.8 shows an
    /// upstream no user and password, only tokens.
    pub(crate) upstream: Option<&'a DockerRegistry>,
    /// Where it tells of what is pushed, and the secret that it shows there.
    pub(crate) notifies: Option<(&'a str, &'a str)>,
}

impl Default for Kind<'_> {
    fn default() -> Self {
        Self { login: Login::Open, tls: None, delete: false, upstream: None, notifies: None }
    }
}

/// A running `docker-registry`.
#[derive(Debug)]
pub(crate) struct DockerRegistry {
    child: Child,
    host: String,
    scheme: &'static str,
    login: Login,
    client: Client,
    _folder: TempDir,
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        // A registry that has ended by itself cannot be stopped: nothing is left to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl DockerRegistry {
    /// Starts an empty registry and waits until it listens.
    pub(crate) fn start(login: Login) -> Self {
        Self::of(Kind { login, ..Kind::default() })
    }

    /// Starts a registry of a kind and waits until it listens.
    pub(crate) fn of(kind: Kind<'_>) -> Self {
        let program = find("docker-registry")
            .expect("the program `docker-registry` is missing; install it: apt-get install docker-registry");
        let folder = tempfile::tempdir().unwrap();
        let tls = kind.tls.map_or_else(String::new, |(signed, _)| {
            let (certificate, key) = signed.write(folder.path(), "server");
            format!(", tls: {{certificate: {}, key: {}}}", certificate.display(), key.display())
        });
        let mut config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: {}}}}}\nhttp: {{addr: \"127.0.0.1:0\"{tls}}}\n",
            folder.path().join("data").display(),
            kind.delete,
        );
        if let Some(upstream) = kind.upstream {
            writeln!(config, "proxy: {{remoteurl: \"{}://{}\"}}", upstream.scheme, upstream.host).unwrap();
        }
        if let Some((url, secret)) = kind.notifies {
            let headers = format!("headers: {{Authorization: [Bearer {secret}]}}");
            let endpoint =
                format!("{{name: tagboat, url: \"{url}\", {headers}, timeout: 1s, threshold: 5, backoff: 1s}}");
            writeln!(config, "notifications: {{endpoints: [{endpoint}]}}").unwrap();
        }
        if kind.login == Login::Htpasswd {
            let file = folder.path().join("htpasswd");
            std::fs::write(&file, format!("{USER}:{HASH}\n")).unwrap();
            writeln!(config, "auth: {{htpasswd: {{realm: acme, path: {}}}}}", file.display()).unwrap();
        }
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config).unwrap();
        #[expect(clippy::disallowed_methods, reason = "these tests are about real programs")]
        let mut child = Command::new(program)
            .arg("serve")
            .arg(file)
            .env_clear()
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let host = loop {
            let mut line = String::new();
            if log.read_line(&mut line).unwrap() == 0 {
                drop(child.kill());
                panic!("docker-registry ended before it listened; it said:\n{said}");
            }
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.chars().take_while(|character| !matches!(character, '"' | ' ' | '\n' | ',')).collect();
            }
            said.push_str(&line);
        };
        // A full pipe would stop the server: somebody has to read on.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let trusted = kind.tls.map(|(_, authority)| Certificate::from_der(&authority.der()).unwrap());
        let client = Client::builder().no_proxy().tls_certs_only(trusted).build().unwrap();
        let scheme = if kind.tls.is_some() { "https" } else { "http" };
        Self { child, host, scheme, login: kind.login, client, _folder: folder }
    }

    /// Returns its host with the port.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Returns the name of an image in it.
    pub(crate) fn image(&self, repository: &str) -> ImageName {
        format!("{}/{repository}", self.host).parse().unwrap()
    }

    /// Pushes an image of linux/amd64 over HTTP; returns its digest.
    pub(crate) async fn push(&self, repository: &str, tag: &str, created: &str) -> String {
        let config = format!(
            r#"{{"created": "{created}", "os": "linux", "architecture": "amd64", "config": {{}}, "rootfs": {{"type": "layers", "diff_ids": []}}}}"#
        );
        let config_digest = digest(config.as_bytes());
        let uploads = format!("{}://{}/v2/{repository}/blobs/uploads/", self.scheme, self.host);
        let begun = self.send(self.client.post(&uploads)).await;
        let location = begun.headers()[LOCATION].to_str().unwrap();
        let mut upload = reqwest::Url::parse(&uploads).unwrap().join(location).unwrap();
        upload.query_pairs_mut().append_pair("digest", &config_digest);
        let size = config.len();
        self.send(self.client.put(upload).body(config)).await;
        let kind = "application/vnd.docker.distribution.manifest.v2+json";
        let manifest = format!(
            r#"{{"schemaVersion": 2, "mediaType": "{kind}", "config": {{"mediaType": "application/vnd.docker.container.image.v1+json", "size": {size}, "digest": "{config_digest}"}}, "layers": []}}"#
        );
        let manifest_digest = digest(manifest.as_bytes());
        let url = format!("{}://{}/v2/{repository}/manifests/{tag}", self.scheme, self.host);
        self.send(self.client.put(url).header(CONTENT_TYPE, kind).body(manifest)).await;
        manifest_digest
    }

    /// Asks for a manifest to be deleted; returns the status.
    pub(crate) async fn delete(&self, repository: &str, digest: &str) -> u16 {
        let url = format!("{}://{}/v2/{repository}/manifests/{digest}", self.scheme, self.host);
        self.with_login(self.client.delete(url)).send().await.unwrap().status().as_u16()
    }

    fn with_login(&self, request: RequestBuilder) -> RequestBuilder {
        match self.login {
            Login::Open => request,
            Login::Htpasswd => request.basic_auth(USER, Some(PASSWORD)),
        }
    }

    async fn send(&self, request: RequestBuilder) -> reqwest::Response {
        let response = self.with_login(request).send().await.unwrap();
        let status = response.status();
        assert!(status.is_success(), "{status}: {:?}", response.text().await);
        response
    }
}

#[expect(clippy::disallowed_methods, reason = "the programs stand on the PATH of whoever runs the tests")]
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn digest(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    Sha256::digest(bytes).iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
    text
}
