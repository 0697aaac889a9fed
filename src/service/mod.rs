//! The service: passes of many repositories, for ever, by schedule, opening gates and webhooks.
//!
//! Entry point: [`serve`]. `timetable` says whose pass is due, `engine` runs it, `server` answers over HTTP, `board` shows
//! what passes found, `notify` tells it to others, `live` is the configuration in force, `joining` the way to other replicas. Keeps no state that a
//! restart would miss, and knows no stage of a pass.

mod board;
mod engine;
mod exchanges;
mod exposition;
mod figures;
mod guests;
mod hooks;
mod joining;
mod live;
mod metrics;
mod notify;
mod room;
mod schedule;
mod server;
mod timetable;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use crate::clock::{Clock, SystemClock};
use crate::config::environment::Environment;
use crate::config::service::log::Log;
use crate::pass::setup::{self, SetupError};
use crate::queue::{Health, Queue};
use crate::service::board::Board;
use crate::service::engine::Engine;
use crate::service::hooks::Hastened;
use crate::service::joining::Joined;
use crate::service::live::{Live, Reading};
use crate::service::metrics::Metrics;
use crate::service::notify::Notifier;
use crate::service::timetable::Timetable;

/// How long passes and orders that run may go on after SIGTERM: Kubernetes waits for 30 s before it kills.
const GRACE: Duration = Duration::from_secs(25);

/// How often the configuration's files are looked at. A change of one that is mounted into a container tells nobody.
const LOOK_AT_FILES: Duration = Duration::from_secs(2);

/// The longest that the loop rests, so that a clock that was set, or a machine that slept, is noticed.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// Threads that drive the network; passes have threads of their own.
const NETWORK_THREADS: usize = 2;

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Its configuration cannot be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// It cannot listen where it is told to.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        reason: std::io::Error,
    },
    /// The system gives it no threads or signals.
    #[error("cannot start: {0}")]
    Start(#[source] std::io::Error),
}

/// What the loop and the server share.
struct Shared {
    clock: Arc<dyn Clock>,
    timetable: Mutex<Timetable>,
    /// Told when a pass became due.
    wake: Notify,
    metrics: Metrics,
    board: Board,
    notifier: Notifier,
    live: RwLock<Arc<Live>>,
    queue: Arc<dyn Queue>,
    others: Joined,
    /// Whether a first pass has ended, well or not.
    had_a_pass: AtomicBool,
    /// Whether the cache of the configuration in force was open once.
    had_a_cache: AtomicBool,
    is_stopping: AtomicBool,
}

impl Shared {
    fn new(live: Live, clock: Arc<dyn Clock>, metrics: Metrics, others: Joined) -> Self {
        let now = clock.now();
        let shared = Self {
            timetable: Mutex::new(Timetable::new(now)),
            clock,
            wake: Notify::new(),
            metrics,
            board: Board::new(),
            notifier: Notifier::default(),
            live: RwLock::new(Arc::new(others.share(live))),
            queue: Arc::clone(&others.queue),
            others,
            had_a_pass: AtomicBool::new(false),
            had_a_cache: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
        };
        shared.configure();
        shared
    }

    /// Returns the configuration in force.
    fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn timetable(&self) -> MutexGuard<'_, Timetable> {
        self.timetable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts another configuration in force.
    fn replace(&self, live: Live) {
        if live.watcher.service().cache != self.live().watcher.service().cache {
            self.had_a_cache.store(false, Ordering::Relaxed);
        }
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(self.others.share(live));
        self.configure();
    }

    /// Brings the timetable and the metrics to the configuration in force.
    fn configure(&self) {
        let (live, now) = (self.live(), self.clock.now());
        let service = live.watcher.service();
        let gone = self.timetable().configure(service, now);
        gone.iter().for_each(|url| self.metrics.forget(url));
        service.repositories.iter().for_each(|repository| self.metrics.watch(&repository.url));
        self.board.watch(service.repositories.iter().map(|repository| repository.url.as_str()));
        self.queue.watch(&service.repositories.iter().map(|repository| repository.url.clone()).collect::<Vec<_>>());
        let environment = live.watcher.environment();
        let sharing = (self.others.sharing.as_ref(), self.others.name.as_str());
        self.notifier.configure(service, environment, &self.clock, &self.metrics.notices, sharing);
        self.metrics.reloaded(true, now);
        self.wake.notify_one();
    }

    /// Marks the passes that a webhook is about as wanted; returns how many.
    fn hasten(&self, hastened: &Hastened) -> usize {
        let now = self.clock.now();
        let mut timetable = self.timetable();
        let concerned = |(url, images): (&String, Option<&_>)| hastened.concerns(url, images).then(|| url.clone());
        let urls: Vec<String> = timetable.followed().filter_map(concerned).collect();
        urls.iter().for_each(|url| timetable.hasten(url, now));
        drop(timetable);
        self.wake.notify_one();
        urls.len()
    }

    /// Returns what is not as it should be although everything goes on, if so.
    fn trouble(&self) -> Option<String> {
        match self.queue.health() {
            Health::Working => None,
            Health::Waiting(reason) => Some(format!("it cannot reach the other replicas, and waits: {reason}")),
            Health::Alone(reason) => Some(format!("it cannot reach the other replicas, and goes on alone: {reason}")),
        }
    }

    /// Whether nothing begins any more.
    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Returns why nobody should send requests here, if so.
    async fn unready(&self) -> Option<String> {
        if self.is_stopping() {
            return Some("stopping".to_owned());
        }
        if !self.had_a_pass.load(Ordering::Relaxed) {
            return Some("the first pass has not ended yet".to_owned());
        }
        if self.had_a_cache.load(Ordering::Relaxed) {
            return None;
        }
        // It is looked at until it is there: a place for it that is wrong shows with the first start, and one that is lost later
        // is no reason to send webhooks away.
        let live = self.live();
        let look = move || setup::cache(live.watcher.service(), live.watcher.environment()).warning();
        let warning = tokio::task::spawn_blocking(look).await.unwrap_or_default();
        self.had_a_cache.store(warning.is_none(), Ordering::Relaxed);
        warning.map(|warning| format!("the cache is not open: {warning}"))
    }
}

/// Whether what this thread logs belongs to a pass, whose one line tells it.
pub fn is_caught() -> bool {
    board::caught::is_catching()
}

/// Returns the layer of the log by which the board shows what passes log.
pub fn caught<S: tracing::Subscriber>() -> impl tracing_subscriber::Layer<S> + Send + Sync {
    board::caught::layer()
}

/// Serves until a signal ends it. `log` is told how to log, at the start and whenever the configuration has changed; `handled` is told
/// once signals find somebody.
///
/// # Errors
///
/// [`ServeError`] when it could not start; once it runs, nothing ends it but a signal.
pub fn serve(file: &Path, environment: &Environment, log: &dyn Fn(Log), handled: &dyn Fn()) -> Result<(), ServeError> {
    // Before all else, so that a signal during the start ends it as one does later; and before there are threads, which would hold
    // back what is held back here, and the programs that they start, too.
    let signals = Signals::new().map_err(ServeError::Start)?;
    handled();
    let runtime = Builder::new_multi_thread().worker_threads(NETWORK_THREADS).enable_all().build();
    let runtime = runtime.map_err(ServeError::Start)?;
    let metrics = Metrics::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let live = Live::read(file, environment, &clock, metrics.witness()).1?;
    log(live.watcher.service().log);
    let result = runtime.block_on(Box::pin(run((live, clock, metrics), file, environment, log, signals)));
    // A pass that was abandoned still has its thread: it ends with the process, and needs the runtime until then.
    std::mem::forget(runtime);
    result
}

async fn run(
    (live, clock, metrics): (Live, Arc<dyn Clock>, Metrics),
    file: &Path,
    environment: &Environment,
    log: &dyn Fn(Log),
    Signals { mut end, mut hangup }: Signals,
) -> Result<(), ServeError> {
    let listen = live.watcher.service().listen;
    let failed = |reason| ServeError::Listen { address: listen, reason };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let mut reading = Reading { file, environment, log, listen, files: live.files.clone() };
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
    let others = joining::join(&live, environment, Arc::clone(&clock))?;
    let shared = Arc::new(Shared::new(live, clock, metrics, others));
    let (end_serving, served) = oneshot::channel();
    let server = tokio::spawn(server::serve(listener, Arc::clone(&shared), served));
    let handle = Handle::current();
    let of_loop = Arc::clone(&shared);
    let work = move |url: &str, impulse, now, answered: &(dyn Fn() + Sync)| {
        let _catching = of_loop.board.catch(url);
        handle.block_on(Box::pin(of_loop.live().watcher.pass(url, impulse, now, answered)))
    };
    let mut engine = Engine::new(Arc::clone(&shared), Arc::new(work));
    let queue = Arc::clone(&shared.queue);
    let mut look = tokio::time::interval(LOOK_AT_FILES);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let rest = engine.begin();
        tokio::select! {
            () = engine.ended(), if engine.is_busy() => {}
            () = shared.wake.notified() => {}
            () = queue.changed() => {}
            () = tokio::time::sleep(rest.min(LONGEST_REST)) => {}
            _ = look.tick() => {
                if reading.files.have_changed() {
                    reading.again(&shared);
                }
            }
            _ = hangup.recv() => reading.again(&shared),
            () = end.comes() => break,
        }
    }
    finish(&shared, &mut engine, &mut end).await;
    queue.close().await;
    shared.board.close();
    // Nobody listens where the server is gone already.
    let _is_gone = end_serving.send(());
    drop(server.await);
    Ok(())
}

/// Lets passes that run end within the grace period; a second signal ends it.
async fn finish(shared: &Shared, engine: &mut Engine, end: &mut End) {
    shared.is_stopping.store(true, Ordering::Relaxed);
    shared.timetable().stop();
    shared.queue.room(0);
    tracing::info!(running = engine.running(), orders = shared.board.orders.count(), "stopping");
    let ends = Instant::now() + GRACE;
    while engine.is_busy() || shared.board.orders.count() > 0 {
        tokio::select! {
            () = engine.ended(), if engine.is_busy() => {}
            () = shared.board.orders.ended() => {}
            () = tokio::time::sleep_until(ends) => break,
            () = end.comes() => break,
        }
    }
    if shared.board.orders.count() > 0 {
        tracing::warn!(orders = shared.board.orders.count(), "orders were cut off: what became of them is in Git");
    }
    if engine.is_busy() {
        // Nothing is half done by that: a push names the commit it replaces, and the next pass begins anew.
        tracing::warn!(running = engine.running(), "passes were abandoned");
    }
    shared.notifier.rest().await;
    tracing::info!("stopped");
}

/// The signals that the service handles.
struct Signals {
    end: End,
    hangup: Signal,
}

impl Signals {
    /// Handles them from now on, for as long as the process lasts: any runtime hears of them, and this first one is only to begin it.
    fn new() -> std::io::Result<Self> {
        let first = Builder::new_current_thread().enable_all().build()?;
        let _within = first.enter();
        Ok(Self { end: End::new()?, hangup: signal(SignalKind::hangup())? })
    }
}

/// The signals that end the service.
struct End {
    terminate: Signal,
    interrupt: Signal,
}

impl End {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of them.
    async fn comes(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
