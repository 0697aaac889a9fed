//! A Git server on loopback: `git http-backend` behind a small bridge, with a required header and fault switches.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use futures_util::StreamExt as _;

use crate::support::gate::Gate;
use crate::support::repository::{git_program, search_path};

/// Largest request body that is taken.
const BODY_LIMIT: usize = 64 << 20;

/// What the server does beside serving.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// The `Authorization` header that is asked for.
    pub(crate) authorization: Option<String>,
    /// Whether pushing is forbidden (403).
    pub(crate) read_only: bool,
    /// A status that every request gets.
    pub(crate) fault: Option<u16>,
    /// Whether paths without `.git` are redirected to those with it, as GitLab does.
    pub(crate) suffix: bool,
    /// Whether what is fetched stops short of its end, and the connection stays open.
    pub(crate) stalls: bool,
}

struct Shared {
    root: PathBuf,
    rules: Mutex<Rules>,
    requests: Mutex<Vec<String>>,
    shown: Mutex<Vec<String>>,
}

/// A running server; it ends with the test's process.
pub(crate) struct GitServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

impl GitServer {
    /// Serves the bare repositories of a folder.
    pub(crate) fn start(root: &Path, rules: Rules) -> Self {
        Self::start_behind(&Gate::default(), root, rules)
    }

    /// Serves the bare repositories of a folder behind a gate.
    pub(crate) fn start_behind(gate: &Gate, root: &Path, rules: Rules) -> Self {
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            rules: Mutex::new(rules),
            requests: Mutex::default(),
            shown: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = gate.guard(Router::new().fallback(serve).with_state(Arc::clone(&shared)));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, shared, _runtime: runtime }
    }

    /// Returns the URL of a repository.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Changes the rules.
    pub(crate) fn set(&self, rules: Rules) {
        *self.shared.rules.lock().unwrap() = rules;
    }

    /// Takes the requests so far, `GET /path?query`.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.requests.lock().unwrap())
    }

    /// Takes the `Authorization` headers that came so far.
    pub(crate) fn shown(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.shown.lock().unwrap())
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    shared.requests.lock().unwrap().push(format!("{} {}", parts.method, parts.uri));
    let credential = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    shared.shown.lock().unwrap().extend(credential.map(str::to_owned));
    let rules = shared.rules.lock().unwrap().clone();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let answer = |status: u16| {
        let mut answer = Response::new(Body::from("answered by the bridge"));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        answer
    };
    if let Some(status) = rules.fault {
        return answer(status);
    }
    if rules.suffix && !path.contains(".git/") {
        let mut redirect = answer(301);
        let place = format!("{}?{query}", path.replacen("/info/refs", ".git/info/refs", 1));
        redirect.headers_mut().insert("location", place.parse().unwrap());
        return redirect;
    }
    if rules.authorization.as_ref().is_some_and(|wanted| wanted != header("authorization")) {
        let mut refusal = answer(401);
        refusal.headers_mut().insert("www-authenticate", "Basic realm=\"git\"".parse().unwrap());
        return refusal;
    }
    if rules.read_only && (path.ends_with("receive-pack") || query.contains("receive-pack")) {
        return answer(403);
    }
    let variables = [
        ("PATH_INFO", path.clone()),
        ("QUERY_STRING", query),
        ("REQUEST_METHOD", parts.method.to_string()),
        ("CONTENT_TYPE", header("content-type").to_owned()),
        ("HTTP_CONTENT_ENCODING", header("content-encoding").to_owned()),
        ("GIT_PROTOCOL", header("git-protocol").to_owned()),
    ];
    let body = to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
    let root = shared.root.clone();
    let output = tokio::task::spawn_blocking(move || backend(&root, &variables, &body)).await.unwrap();
    let (head, mut sent) = from_cgi(&output).into_parts();
    let body = if rules.stalls && sent.windows(4).any(|window| window == b"PACK") {
        // Without the pack's checksum, of 20 bytes, and the frames around it.
        sent.truncate(sent.len() - 30);
        let most = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(sent)]);
        Body::from_stream(most.chain(futures_util::stream::pending()))
    } else {
        Body::from(sent)
    };
    Response::from_parts(head, body)
}

#[expect(clippy::disallowed_methods, reason = "the server is the real program")]
fn backend(root: &Path, variables: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    use std::io::Write as _;

    let mut child = Command::new(git_program())
        .arg("http-backend")
        .env_clear()
        .env("PATH", search_path())
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "somebody")
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let body = body.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&body));
    let output = child.wait_with_output().unwrap();
    // The backend may close its input early, when it refuses.
    drop(writer.join().unwrap());
    output.stdout
}

/// Turns an answer of the Common Gateway Interface (RFC 3875, section 6) into one of HTTP.
fn from_cgi(output: &[u8]) -> Response<Vec<u8>> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let mut answer = Response::new(output[end + 4..].to_vec());
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "Status" {
            *answer.status_mut() = StatusCode::from_bytes(&value.as_bytes()[..3]).unwrap();
        } else {
            let name: axum::http::HeaderName = name.parse().unwrap();
            answer.headers_mut().insert(name, value.parse().unwrap());
        }
    }
    answer
}

/// Answers the first question of a fetch for ever, byte by byte, and returns the URL.
pub(crate) fn trickling() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/acme.git", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            drop(stream.read(&mut [0; 4096]));
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n\
                        001e# service=git-upload-pack\n0000fff0";
            let mut sent = stream.write_all(head.as_bytes());
            // A byte for each moment in which the client has not hung up.
            drop(stream.set_read_timeout(Some(Duration::from_millis(20))));
            while sent.is_ok() && stream.read(&mut [0; 1]).is_err() {
                sent = stream.write_all(b"0");
            }
        }
    });
    url
}
