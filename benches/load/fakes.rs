//! What the service under load speaks to: a registry, and a Git server over HTTP, both on loopback and in this process.
//!
//! Where a repository stands as it began, Git's protocol (version 2) is answered from memory, so that what is measured is the
//! service. One that was pushed to is answered by `git http-backend` from then on.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};

/// How many tags each image has at first.
pub(crate) const TAGS: usize = 20;

/// How much is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) repositories: usize,
    pub(crate) images: usize,
}

/// One repository as it began.
struct Beginning {
    tip: String,
    pack: Bytes,
}

/// Everything that is served.
pub(crate) struct Fakes {
    size: Size,
    folder: PathBuf,
    beginnings: Vec<Beginning>,
    /// Repositories that were pushed to.
    moved: Mutex<HashSet<usize>>,
    /// How many tags images have beyond the first ones.
    grown: Mutex<HashMap<(usize, usize), usize>>,
    pub(crate) lists: AtomicU64,
    pub(crate) git: AtomicU64,
    pub(crate) pushes: AtomicU64,
    /// How many requests are being answered, and the most there were since that was asked.
    busy: AtomicU64,
    most: AtomicU64,
}

impl Fakes {
    /// Makes the repositories in a folder; `host` is what manifests call the registry.
    pub(crate) fn new(size: Size, folder: &Path, host: &str) -> io::Result<Arc<Self>> {
        let all = folder.join("all.git");
        git(folder, &["init", "--quiet", "--bare", "-b", "main", "all.git"], &[])?;
        git(&all, &["fast-import", "--quiet"], stream(size, host).as_bytes())?;
        let heads = git(&all, &["for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads/"], &[])?;
        let heads = String::from_utf8_lossy(&heads).into_owned();
        let tips: HashMap<&str, &str> = heads.lines().filter_map(|line| line.split_once(' ')).collect();
        let mut beginnings = Vec::with_capacity(size.repositories);
        for number in 0..size.repositories {
            let tip = tips[format!("r{number}").as_str()].to_owned();
            let wanted = format!("{tip}\n");
            let pack = git(&all, &["pack-objects", "--revs", "--stdout", "--quiet"], wanted.as_bytes())?;
            bare(&folder.join(format!("r{number}.git")), &all, &tip)?;
            beginnings.push(Beginning { tip, pack: pack.into() });
        }
        Ok(Arc::new(Self {
            size,
            folder: folder.to_owned(),
            beginnings,
            moved: Mutex::default(),
            grown: Mutex::default(),
            lists: AtomicU64::new(0),
            git: AtomicU64::new(0),
            pushes: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            most: AtomicU64::new(0),
        }))
    }

    /// Pushes a newer tag of one image of each of these repositories.
    pub(crate) fn grow(&self, repositories: impl Iterator<Item = usize>) {
        let mut grown = self.grown.lock().unwrap_or_else(PoisonError::into_inner);
        for repository in repositories {
            *grown.entry((repository, repository % self.size.images)).or_default() += 1;
        }
    }

    /// Returns the most requests that were being answered at once.
    pub(crate) fn most_at_once(&self) -> u64 {
        self.most.swap(0, Ordering::Relaxed)
    }

    /// Returns both servers.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        Router::new().fallback(answer).with_state(Arc::clone(self))
    }

    fn list(&self, repository: usize, image: usize) -> String {
        self.lists.fetch_add(1, Ordering::Relaxed);
        let grown = self.grown.lock().unwrap_or_else(PoisonError::into_inner);
        let count = TAGS + grown.get(&(repository, image)).copied().unwrap_or_default();
        let tags: Vec<String> = (0..count).map(|tag| format!("\"1.{tag}.0\"")).collect();
        format!("{{\"name\":\"r{repository}/i{image}\",\"tags\":[{}]}}", tags.join(","))
    }

    fn has_moved(&self, repository: usize) -> bool {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).contains(&repository)
    }
}

/// The text that `git fast-import` makes all repositories of, a branch each.
fn stream(size: Size, host: &str) -> String {
    let mut text = String::new();
    let config = format!(
        "version: 1\nimages: [{{match: \"{host}/**\", semver: minor}}]\nenvironments: [{{name: dev, files: [\"dev/**\"], publish: commit}}]\n"
    );
    for repository in 0..size.repositories {
        let _ = write!(
            text,
            "commit refs/heads/r{repository}\ncommitter Robin <robin@acme.example> 1790000000 +0000\ndata 5\nBegin\n"
        );
        let _ = write!(text, "M 644 inline .tagboat.yaml\ndata {}\n{config}\n", config.len());
        for image in 0..size.images {
            let manifest = format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: i{image}}}\nspec:\n  template:\n    spec:\n      containers:\n        - {{name: i{image}, image: \"{host}/r{repository}/i{image}:1.{}.0\"}}\n",
                TAGS - 1
            );
            let _ = write!(text, "M 644 inline dev/i{image}.yaml\ndata {}\n{manifest}\n", manifest.len());
        }
    }
    text
}

/// Makes a bare repository whose objects are another's.
fn bare(folder: &Path, all: &Path, tip: &str) -> io::Result<()> {
    fs::create_dir_all(folder.join("objects/info"))?;
    fs::create_dir_all(folder.join("refs/heads"))?;
    fs::write(folder.join("HEAD"), "ref: refs/heads/main\n")?;
    fs::write(
        folder.join("config"),
        "[core]\n\trepositoryformatversion = 0\n\tbare = true\n[http]\n\treceivepack = true\n",
    )?;
    fs::write(folder.join("objects/info/alternates"), format!("{}\n", all.join("objects").display()))?;
    fs::write(folder.join("refs/heads/main"), format!("{tip}\n"))
}

fn git(folder: &Path, arguments: &[&str], input: &[u8]) -> io::Result<Vec<u8>> {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(folder).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    fed(command, input)
}

fn fed(mut command: Command, input: &[u8]) -> io::Result<Vec<u8>> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut pipe = child.stdin.take().expect("the pipe was asked for");
    let input = input.to_vec();
    let feeding = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output()?;
    drop(feeding.join());
    if output.status.success() { Ok(output.stdout) } else { Err(io::Error::other("git failed")) }
}

async fn answer(State(fakes): State<Arc<Fakes>>, request: Request) -> Response<Body> {
    let busy = fakes.busy.fetch_add(1, Ordering::Relaxed) + 1;
    fakes.most.fetch_max(busy, Ordering::Relaxed);
    // Others have their turn in between, as over a network.
    tokio::task::yield_now().await;
    let answer = answer_to(Arc::clone(&fakes), request).await;
    fakes.busy.fetch_sub(1, Ordering::Relaxed);
    answer
}

async fn answer_to(fakes: Arc<Fakes>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    if path == "/v2/" {
        return typed("application/json", "{}".into());
    }
    let number = |text: &str, prefix: &str| text.strip_prefix(prefix)?.parse::<usize>().ok();
    let mut parts = path.trim_start_matches('/').split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("v2"), Some(repository), Some(image), Some("tags"), Some("list")) => {
            match (number(repository, "r"), number(image, "i")) {
                (Some(repository), Some(image)) => typed("application/json", fakes.list(repository, image).into()),
                _ => status(404),
            }
        }
        (Some(repository), Some(service), ..) => {
            match repository.strip_suffix(".git").and_then(|name| number(name, "r")) {
                Some(repository) if repository < fakes.size.repositories => {
                    let service = service.to_owned();
                    of_git(fakes, repository, &service, request).await
                }
                _ => status(404),
            }
        }
        _ => status(404),
    }
}

fn status(code: u16) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

fn typed(kind: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

async fn of_git(fakes: Arc<Fakes>, repository: usize, service: &str, request: Request) -> Response<Body> {
    fakes.git.fetch_add(1, Ordering::Relaxed);
    let query = request.uri().query().unwrap_or_default().to_owned();
    let pushes = service == "git-receive-pack" || query.contains("git-receive-pack");
    if !pushes && !fakes.has_moved(repository) {
        let begun = &fakes.beginnings[repository];
        if service == "info" {
            return typed("application/x-git-upload-pack-advertisement", advertised());
        }
        let Ok(asked) = to_bytes(request.into_body(), 1 << 20).await else { return status(400) };
        let lists = asked.windows(15).any(|window| window == b"command=ls-refs");
        let told = if lists { listed(&begun.tip) } else { packed(&begun.pack) };
        return typed("application/x-git-upload-pack-result", told);
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 64 << 20).await else { return status(400) };
    let text =
        |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &fakes.folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "somebody")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", &query)
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("CONTENT_TYPE", text("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
        .env("GIT_PROTOCOL", text("git-protocol"))
        .stderr(Stdio::null());
    let Ok(Ok(output)) = tokio::task::spawn_blocking(move || fed(command, &body)).await else { return status(500) };
    if service == "git-receive-pack" {
        fakes.pushes.fetch_add(1, Ordering::Relaxed);
        fakes.moved.lock().unwrap_or_else(PoisonError::into_inner).insert(repository);
    }
    from_cgi(&output)
}

fn from_cgi(output: &[u8]) -> Response<Body> {
    let Some(end) = output.windows(4).position(|window| window == b"\r\n\r\n") else { return status(500) };
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let mut response = Response::new(Body::from(output[end + 4..].to_vec()));
    for line in head.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(500);
            *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        } else if let (Ok(name), Ok(value)) = (name.parse::<header::HeaderName>(), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Adds a line of Git's protocol (gitprotocol-common: four hexadecimal digits of length, then the content).
fn line(to: &mut Vec<u8>, content: &[u8]) {
    to.extend(format!("{:04x}", content.len() + 4).bytes());
    to.extend(content);
}

const FLUSH: &[u8] = b"0000";

/// The capabilities of version 2 (gitprotocol-v2).
fn advertised() -> Bytes {
    let mut told = Vec::new();
    line(&mut told, b"# service=git-upload-pack\n");
    told.extend(FLUSH);
    for words in ["version 2\n", "agent=git/fake\n", "ls-refs=unborn\n", "fetch=shallow\n", "object-format=sha1\n"] {
        line(&mut told, words.as_bytes());
    }
    told.extend(FLUSH);
    told.into()
}

fn listed(tip: &str) -> Bytes {
    let mut told = Vec::new();
    line(&mut told, format!("{tip} HEAD symref-target:refs/heads/main\n").as_bytes());
    line(&mut told, format!("{tip} refs/heads/main\n").as_bytes());
    told.extend(FLUSH);
    told.into()
}

/// A whole pack on the first side band, after a shallow boundary that is none: the one commit has no parent.
fn packed(pack: &[u8]) -> Bytes {
    let mut told = Vec::new();
    line(&mut told, b"packfile\n");
    for part in pack.chunks(60_000) {
        line(&mut told, &[&[1], part].concat());
    }
    told.extend(FLUSH);
    told.into()
}
