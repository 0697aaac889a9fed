//! `tagboat plan` against a registry: memory, time beside a bare download, and time on a slow line.
//!
//! `cargo bench --bench registry` starts itself a second time as the registry and again as the clients that only download, so
//! that none of them is in the measured process. Everything is generated, always the same, and goes over loopback.

#![expect(
    clippy::disallowed_methods,
    reason = "it starts the programs that it measures, looks at their memory each millisecond, and answers late on purpose"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt, TryStreamExt};

#[path = "registry/lists.rs"]
mod lists;

use lists::{Form, Lists, Load};

/// How many connections at once: what Tagboat opens to a registry on this machine.
const CONNECTIONS: usize = 16;

/// How often each figure is taken; the best counts, since whatever else runs only makes it worse.
const ROUNDS: usize = 5;

#[expect(clippy::print_stdout, reason = "a bench tells what it measured")]
fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", load] => serve(&Load::parse(load)),
        ["download", load, address] => download(&Load::parse(load), address),
        ["fetch", load, address] => fetch(&Load::parse(load), address),
        _ => {
            let nothing = Load { images: 0, tags: 0, latency: Duration::ZERO, form: Form::Mixed };
            let empty = measure(nothing, Kept::Folder, &[])?;
            println!("nothing to do: {:.3} s, peak {:.1} MiB", empty.seconds, empty.mebibytes);
            let many = Load { images: 5_000, tags: 2_000_000, ..nothing };
            let long = Load { form: Form::Long, ..many };
            let slow = Load { images: 500, tags: 5_000, latency: Duration::from_millis(20), ..nothing };
            let json = ["--output", "json"].as_slice();
            let rows = [
                (many, Kept::Folder, [].as_slice()),
                (long, Kept::Folder, &[]),
                (many, Kept::Commit, &[]),
                (long, Kept::Commit, &[]),
                (many, Kept::Folder, json),
                (long, Kept::Folder, json),
                (slow, Kept::Folder, &[]),
            ];
            for (load, kept, arguments) in rows {
                let plan = measure(load, kept, arguments)?;
                let (load_average, above) = (load_average(), plan.mebibytes - empty.mebibytes);
                let form = if arguments.is_empty() { "" } else { "as JSON " };
                let place = if kept == Kept::Commit { "in a Git checkout " } else { "" };
                println!("{load} {form}{place}(load average {load_average})");
                println!("  the plan: {:.3} s, peak {:.1} MiB, {above:.1} above", plan.seconds, plan.mebibytes);
                println!(
                    "  a client on bare sockets: {:.3} s, on the HTTP library: {:.3} s",
                    plan.bare_seconds, plan.http_seconds
                );
                if !load.latency.is_zero() {
                    let ideal = load.images as f64 / CONNECTIONS as f64 * load.latency.as_secs_f64();
                    println!("  the ideal: {ideal:.3} s; the plan took {:.2} times that", plan.seconds / ideal);
                }
            }
            Ok(())
        }
    }
}

/// Where the manifests are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// In a folder.
    Folder,
    /// In a folder, and in the one commit of its Git repository: what somebody took back is looked for in its history.
    Commit,
}

/// The best of some rounds.
struct Figures {
    seconds: f64,
    bare_seconds: f64,
    http_seconds: f64,
    mebibytes: f64,
}

/// Returns how many wanted to run over the last minute, as the kernel tells it.
fn load_average() -> String {
    let told = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    told.split(' ').next().unwrap_or_default().to_owned()
}

fn measure(load: Load, kept: Kept, arguments: &[&str]) -> io::Result<Figures> {
    let registry = Registry::start(load)?;
    let folder = tempfile::tempdir()?;
    manifests(folder.path(), load, &registry.address)?;
    if kept == Kept::Commit {
        commit(folder.path())?;
    }
    let mut best = Figures { seconds: f64::MAX, bare_seconds: f64::MAX, http_seconds: f64::MAX, mebibytes: f64::MAX };
    for _ in 0..ROUNDS {
        best.bare_seconds = best.bare_seconds.min(client("download", load, &registry)?);
        best.http_seconds = best.http_seconds.min(client("fetch", load, &registry)?);
        let (seconds, mebibytes) = plan(folder.path(), load, arguments)?;
        best.seconds = best.seconds.min(seconds);
        best.mebibytes = best.mebibytes.min(mebibytes);
    }
    Ok(best)
}

/// Runs one of the clients that only download, and returns its seconds.
fn client(kind: &str, load: Load, registry: &Registry) -> io::Result<f64> {
    let started = Instant::now();
    let mut program = Command::new(std::env::current_exe()?);
    let status = program.args([kind, &load.word(), &registry.address]).stdin(Stdio::null()).status()?;
    assert!(status.success(), "the client failed");
    Ok(started.elapsed().as_secs_f64())
}

/// Runs the program, and returns its seconds and its peak of resident memory.
fn plan(folder: &Path, load: Load, arguments: &[&str]) -> io::Result<(f64, f64)> {
    let output = tempfile::tempfile()?;
    let started = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_tagboat"))
        .args(["plan", "--exit-code"])
        .args(arguments)
        .arg(folder)
        .env_clear()
        .env("HOME", folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(Stdio::null())
        .spawn()?;
    let mut peak = 0;
    let status = loop {
        peak = peak.max(high_water(program.id()));
        match program.try_wait()? {
            Some(status) => break status,
            None => thread::sleep(Duration::from_millis(1)),
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    // 10 says that there is something to change; every image has a newer tag.
    assert_eq!(status.code(), Some(if load.images == 0 { 0 } else { 10 }), "the plan went wrong");
    Ok((seconds, peak as f64 / 1024.0))
}

/// Reads the most memory, in KiB, that a process has held so far; the kernel keeps the count.
fn high_water(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Writes a Pod for each image, a hundred in a file.
fn manifests(folder: &Path, load: Load, address: &str) -> io::Result<()> {
    let all: Vec<usize> = (0..load.images).collect();
    for (number, images) in all.chunks(100).enumerate() {
        let mut text = String::new();
        for image in images {
            let _infallible = write!(
                text,
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: app-{image}}}\nspec:\n  containers:\n    - name: app\n      image: {address}/acme/app-{image}:1.0.0\n"
            );
        }
        fs::write(folder.join(format!("pods-{number}.yaml")), text)?;
    }
    Ok(())
}

/// Makes a Git repository of the folder, with one commit of all that is in it.
fn commit(folder: &Path) -> io::Result<()> {
    let person = ["-c", "user.name=A Person", "-c", "user.email=person@acme.example"];
    let commands: [&[&str]; 3] =
        [&["init", "--quiet"], &["add", "--all"], &["commit", "--quiet", "--message", "Begin"]];
    for command in commands {
        let status =
            Command::new("git").arg("-C").arg(folder).args(person).args(command).stdin(Stdio::null()).status()?;
        assert!(status.success(), "git {command:?} failed");
    }
    Ok(())
}

/// The registry's process; ended with this.
struct Registry {
    process: Child,
    address: String,
}

impl Registry {
    fn start(load: Load) -> io::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", &load.word()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut address = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output).read_line(&mut address)?;
        }
        Ok(Self { process, address: address.trim().to_owned() })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

/// Serves the lists until it is killed; tells its address first.
#[expect(clippy::print_stdout, reason = "whoever started it waits for the address")]
fn serve(load: &Load) -> io::Result<()> {
    let lists = Lists::new(load);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    thread::scope(|scope| {
        for connection in listener.incoming() {
            let connection = connection?;
            let lists = &lists;
            // A client that goes away ends its thread, and nothing else.
            scope.spawn(move || answer(connection, lists, load.latency).is_ok());
        }
        Ok(())
    })
}

/// Answers the requests of one connection, one after the other.
fn answer(connection: TcpStream, lists: &Lists, latency: Duration) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut writer = connection;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        while line.trim_end() != "" {
            line.clear();
            reader.read_line(&mut line)?;
        }
        thread::sleep(latency);
        let (status, link, body) = match lists.page(&target) {
            Some((body, link)) => ("200 OK", link, body),
            None => ("404 Not Found", String::new(), b"{}".as_slice()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{link}Content-Length: {}\r\n\r\n",
            body.len()
        );
        writer.write_all(&[head.as_bytes(), body].concat())?;
    }
}

/// Downloads every page over so many connections and throws it away: what no client can be faster than.
fn download(load: &Load, address: &str) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(|| download_some(load, address, &next))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })
}

/// Downloads every page by the HTTP library that Tagboat uses, over as many connections and on one thread, and throws it
/// away.
fn fetch(load: &Load, address: &str) -> io::Result<()> {
    let client = reqwest::Client::builder().no_proxy().http1_only().build().map_err(io::Error::other)?;
    let image = async |image: usize| {
        for target in lists::targets(load, image) {
            let mut answer = client.get(format!("http://{address}{target}")).send().await?;
            while answer.chunk().await?.is_some() {}
        }
        Ok::<(), reqwest::Error>(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let all = stream::iter(0..load.images).map(image).buffer_unordered(CONNECTIONS);
    runtime.block_on(all.try_collect::<()>()).map_err(io::Error::other)
}

fn download_some(load: &Load, address: &str, next: &AtomicUsize) -> io::Result<()> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(64 << 10, connection.try_clone()?);
    let mut sink = vec![0; 64 << 10];
    let mut line = String::new();
    loop {
        let image = next.fetch_add(1, Ordering::Relaxed);
        if image >= load.images {
            return Ok(());
        }
        for target in lists::targets(load, image) {
            connection.write_all(format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())?;
            let mut left = 0;
            loop {
                line.clear();
                reader.read_line(&mut line)?;
                if let Some(length) = line.strip_prefix("Content-Length: ") {
                    left = length.trim().parse().map_err(io::Error::other)?;
                }
                if line.trim_end().is_empty() {
                    break;
                }
            }
            while left > 0 {
                let most = left.min(sink.len());
                match reader.read(&mut sink[..most])? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    read => left -= read,
                }
            }
        }
    }
}
