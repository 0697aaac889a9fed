//! `tagboat serve` over a thousand repositories: memory over many passes, passes a second, how the board and metrics answer meanwhile,
//! and what an idle minute costs.
//!
//! `cargo bench --bench load -- [--repositories 1000] [--images 20] [--rounds 10] [--idle 60]`. Everything goes over loopback; the fakes are
//! in this process, so that the figures of the service are its own. A few repositories of each round get a newer tag, and are pushed to.

#![expect(
    clippy::disallowed_methods,
    reason = "it starts the program that it measures, and looks at it from time to time"
)]
#![expect(clippy::print_stdout, reason = "a bench tells what it measured")]

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[path = "load/fakes.rs"]
mod fakes;

use fakes::{Fakes, Size};

/// How many repositories of each round get a newer tag.
const MOVING: usize = 10;

/// How often the service is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The kernel's ticks a second in `/proc` (`getconf CLK_TCK` on all Linux that Rust runs on).
const TICKS: f64 = 100.0;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    let size = Size { repositories: number("--repositories", 1_000), images: number("--images", 20) };
    let (rounds, idle) = (number("--rounds", 10), number("--idle", 60));
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let host = listener.local_addr()?.to_string();
    let fakes = Fakes::new(size, folder.path(), &host)?;
    runtime.spawn(axum::serve(listener, fakes.router()).into_future());
    println!(
        "{} repositories × {} images of {} tags; load average {}",
        size.repositories,
        size.images,
        fakes::TAGS,
        load()
    );
    let service = Service::start(folder.path(), &host, size)?;
    let probes = Probes::start(service.address);
    let begun = Instant::now();
    let mut before = (Instant::now(), 0_u64, service.cpu());
    for round in 1..=rounds {
        service.wait_for_passes((round * size.repositories) as u64)?;
        let (now, passes, cpu) = (Instant::now(), service.passes()?, service.cpu());
        let seconds = now.duration_since(before.0).as_secs_f64();
        println!(
            "round {round}: {} passes in {seconds:.1} s, {:.0} a second, {:.1} ms CPU each; RSS {:.1} MiB (peak {:.1}); {} files open; {} requests at once",
            passes - before.1,
            (passes - before.1) as f64 / seconds,
            (cpu - before.2) * 1000.0 / (passes - before.1) as f64,
            service.memory("VmRSS:"),
            service.memory("VmHWM:"),
            service.files(),
            fakes.most_at_once(),
        );
        before = (now, passes, cpu);
        fakes.grow((0..MOVING).map(|step| (round * MOVING + step) % size.repositories));
    }
    println!(
        "in {:.0} s: {} lists, {} requests of Git, {} pushes; load average {}",
        begun.elapsed().as_secs_f64(),
        fakes.lists.load(Ordering::Relaxed),
        fakes.git.load(Ordering::Relaxed),
        fakes.pushes.load(Ordering::Relaxed),
        load()
    );
    probes.tell();
    service.configure(folder.path(), &host, size, "every 24h")?;
    service.wait_for_rest()?;
    let (cpu, lists, memory) = (service.cpu(), fakes.lists.load(Ordering::Relaxed), service.memory("VmRSS:"));
    thread::sleep(Duration::from_secs(idle as u64));
    println!(
        "idle for {idle} s: {:.2} s CPU, RSS {memory:.1} MiB before and {:.1} MiB after; {} requests",
        service.cpu() - cpu,
        service.memory("VmRSS:"),
        fakes.lists.load(Ordering::Relaxed) - lists,
    );
    service.end()
}

fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// The service that is measured.
struct Service {
    child: Child,
    address: SocketAddr,
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn write(folder: &Path, address: SocketAddr, host: &str, size: Size, schedule: &str) -> io::Result<()> {
    let rows: String = (0..size.repositories)
        .map(|number| format!("  - {{url: \"http://{host}/r{number}.git\", branch: main}}\n"))
        .collect();
    let text = format!(
        "version: 1\nschedule: {schedule}\nlisten: {address}\ncache: cache.db\nlog: {{level: error}}\nrepositories:\n{rows}"
    );
    fs::write(folder.join("fresh.yaml"), text)?;
    fs::rename(folder.join("fresh.yaml"), folder.join("service.yaml"))
}

impl Service {
    fn start(folder: &Path, host: &str, size: Size) -> io::Result<Self> {
        // A port that was free a moment ago.
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        write(folder, address, host, size, "every 1s")?;
        let child = Command::new(env!("CARGO_BIN_EXE_tagboat"))
            .args(["serve", "--config", "service.yaml"])
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder)
            .env("TAGBOAT_TOKEN", "not-asked-for")
            .envs(std::env::var_os("MALLOC_ARENA_MAX").map(|most| ("MALLOC_ARENA_MAX", most)))
            .stdin(Stdio::null())
            .spawn()?;
        let service = Self { child, address };
        let until = Instant::now() + Duration::from_secs(60);
        while get(address, "/healthz").is_err() {
            if Instant::now() > until {
                return Err(io::Error::other("it does not answer"));
            }
            thread::sleep(LOOK);
        }
        Ok(service)
    }

    fn configure(&self, folder: &Path, host: &str, size: Size, schedule: &str) -> io::Result<()> {
        write(folder, self.address, host, size, schedule)
    }

    /// Returns the sum of the series of a metric.
    fn sum(&self, metric: &str) -> io::Result<f64> {
        let text = get(self.address, "/metrics")?;
        let of = text.lines().filter(|line| line.starts_with(metric));
        Ok(of.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum())
    }

    fn passes(&self) -> io::Result<u64> {
        Ok(self.sum("tagboat_pass_duration_seconds_count")? as u64)
    }

    fn wait_for_passes(&self, count: u64) -> io::Result<()> {
        while self.passes()? < count {
            thread::sleep(LOOK);
        }
        let failed = self.sum("tagboat_consecutive_failures")?;
        if failed > 0.0 { Err(io::Error::other(format!("{failed} passes failed"))) } else { Ok(()) }
    }

    fn wait_for_rest(&self) -> io::Result<()> {
        let mut still = 0;
        let mut passes = self.passes()?;
        while still < 8 {
            thread::sleep(LOOK);
            let now = self.passes()?;
            still = if now == passes { still + 1 } else { 0 };
            passes = now;
        }
        Ok(())
    }

    /// Returns a line of the kernel's status of it, in MiB.
    fn memory(&self, line: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let found = status.lines().find_map(|text| text.strip_prefix(line));
        found.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default() / 1024.0
    }

    /// Returns the seconds of CPU time that it has taken, with those of the programs that it started.
    fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // Behind the name in brackets; utime, stime, cutime and cstime are the 14th to the 17th field (proc(5)).
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default();
        fields.split(' ').skip(11).take(4).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS
    }

    fn files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).map(Iterator::count).unwrap_or_default()
    }

    fn end(mut self) -> io::Result<()> {
        let begun = Instant::now();
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let status = self.child.wait()?;
        println!("SIGTERM: {status} after {:.2} s", begun.elapsed().as_secs_f64());
        if told.success() && status.success() { Ok(()) } else { Err(io::Error::other("it did not end well")) }
    }
}

fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no answer"))?;
    if head.starts_with("HTTP/1.1 200") { Ok(body.to_owned()) } else { Err(io::Error::other(head.to_owned())) }
}

/// Asks the service from time to time as browsers and Prometheus do, and notes how long that takes.
struct Probes {
    is_over: Arc<AtomicBool>,
    asking: thread::JoinHandle<Vec<(&'static str, Vec<Duration>, usize)>>,
}

impl Probes {
    fn start(address: SocketAddr) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let asking = thread::spawn(move || {
            let paths = ["/healthz", "/metrics", "/", "/promotions", "/passes", "/repositories", "/api/v1/status"];
            let mut found: Vec<(&str, Vec<Duration>, usize)> = paths.map(|path| (path, Vec::new(), 0)).into();
            while !ends.load(Ordering::Relaxed) {
                for (path, times, bytes) in &mut found {
                    let begun = Instant::now();
                    if let Ok(body) = get(address, path) {
                        times.push(begun.elapsed());
                        *bytes = body.len();
                    }
                }
                thread::sleep(LOOK);
            }
            found
        });
        Self { is_over, asking }
    }

    fn tell(self) {
        self.is_over.store(true, Ordering::Relaxed);
        let Ok(found) = self.asking.join() else { return };
        for (path, mut times, bytes) in found {
            times.sort_unstable();
            let at = |part: f64| {
                times.get((times.len() as f64 * part) as usize).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
            };
            let worst = times.last().map_or(0.0, |time| time.as_secs_f64() * 1000.0);
            println!(
                "GET {path}: median {:.1} ms, 95 % {:.1} ms, worst {worst:.1} ms of {}, {} KiB",
                at(0.5),
                at(0.95),
                times.len(),
                bytes / 1024
            );
        }
    }
}
