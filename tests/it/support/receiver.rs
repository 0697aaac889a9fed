//! Somebody who is told: an HTTP server that keeps what it is sent, and answers as it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Sent {
    /// Returns a header, which must be there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| other == name);
        &found.unwrap_or_else(|| panic!("no header {name}: {self:?}")).1
    }

    /// Returns the body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// How it answers: a status, a body, and headers that end in line ends.
#[derive(Debug, Clone)]
pub(crate) struct Answer(pub(crate) u16, pub(crate) String, pub(crate) &'static str);

struct Kept {
    sent: Vec<Sent>,
    answer: Answer,
}

/// The server.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    kept: Arc<(Mutex<Kept>, Condvar)>,
}

impl Receiver {
    /// Opens one that takes everything.
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let kept =
            Arc::new((Mutex::new(Kept { sent: Vec::new(), answer: Answer(200, "ok".to_owned(), "") }), Condvar::new()));
        let of_server = Arc::clone(&kept);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&of_server);
                std::thread::spawn(move || drop(talk(stream, &kept)));
            }
        });
        Self { address, kept }
    }

    /// Returns the URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers in another way from now on.
    pub(crate) fn answer(&self, answer: Answer) {
        self.kept.0.lock().unwrap().answer = answer;
    }

    /// Returns everything that came to a path so far, taken or not.
    pub(crate) fn sent(&self, path: &str) -> Vec<Sent> {
        self.kept.0.lock().unwrap().sent.iter().filter(|sent| sent.path == path).cloned().collect()
    }

    /// Waits until something has come that fits, and returns the first of it.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, fits: impl Fn(&Sent) -> bool) -> Sent {
        self.wait_after(0, what, fits)
    }

    /// Waits until something has come after so many requests that fits, and returns the first of it.
    #[track_caller]
    pub(crate) fn wait_after(&self, count: usize, what: &str, fits: impl Fn(&Sent) -> bool) -> Sent {
        let until = Instant::now() + PATIENCE;
        let mut kept = self.kept.0.lock().unwrap();
        loop {
            if let Some(found) = kept.sent.iter().skip(count).find(|sent| fits(sent)) {
                return found.clone();
            }
            let rest = until.saturating_duration_since(Instant::now());
            assert!(!rest.is_zero(), "nothing came that is {what}: {:#?}", kept.sent);
            kept = self.kept.1.wait_timeout(kept, rest).unwrap().0;
        }
    }
}

fn talk(stream: TcpStream, kept: &(Mutex<Kept>, Condvar)) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
        reader.read_exact(&mut body)?;
        let answer = {
            let mut kept = kept.0.lock().unwrap();
            kept.sent.push(Sent { path, headers, body: String::from_utf8(body).unwrap() });
            kept.answer.clone()
        };
        kept.1.notify_all();
        let Answer(status, body, further) = answer;
        write!(writer, "HTTP/1.1 {status} Told\r\nContent-Length: {}\r\n{further}\r\n{body}", body.len())?;
    }
}
