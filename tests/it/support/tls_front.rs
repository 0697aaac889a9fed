//! Speaks TLS before a server that does not, and tells which client certificates were shown.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::authority::{Authority, Signed};

/// Which client certificates are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clients<'a> {
    /// None.
    Anybody,
    /// One of this authority, or nobody is let in.
    Of(&'a Authority),
    /// One of this authority; whoever shows none is let in, too.
    PerhapsOf(&'a Authority),
}

/// A running front; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct TlsFront {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// How many sessions there were, and how many of them with a client certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) sessions: usize,
    pub(crate) with_certificate: usize,
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.thread.take().map(std::thread::JoinHandle::join));
    }
}

impl TlsFront {
    /// Starts on a free port of 127.0.0.1 before the server at `behind`, as whom `signed` says.
    pub(crate) fn before(behind: &str, signed: &Signed, clients: Clients<'_>) -> Self {
        Self::at("127.0.0.1:0", behind, signed, clients)
    }

    /// Starts on an address.
    pub(crate) fn at(address: &str, behind: &str, signed: &Signed, clients: Clients<'_>) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config(signed, clients)));
        let behind: SocketAddr = behind.parse().unwrap();
        let listener = std::net::TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let told = Arc::clone(&seen);
        let (stop, thread) = in_background(listener, async move |listener| {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, told) = (acceptor.clone(), Arc::clone(&told));
                tokio::spawn(async move {
                    // A client that does not want this certificate, or has none itself, says so where it is tested.
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    {
                        let mut told = told.lock().unwrap();
                        told.sessions += 1;
                        told.with_certificate += usize::from(client.get_ref().1.peer_certificates().is_some());
                    }
                    let Ok(mut server) = TcpStream::connect(behind).await else { return };
                    drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
                });
            }
        });
        Self { address, seen, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns its host with the port.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Returns what came in so far.
    pub(crate) fn seen(&self) -> Seen {
        *self.seen.lock().unwrap()
    }
}

fn config(signed: &Signed, clients: Clients<'_>) -> ServerConfig {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let verifier = |authority: &Authority| {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der()).unwrap();
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
    };
    let builder = match clients {
        Clients::Anybody => builder.unwrap().with_no_client_auth(),
        Clients::Of(authority) => builder.unwrap().with_client_cert_verifier(verifier(authority).build().unwrap()),
        Clients::PerhapsOf(authority) => {
            let verifier = verifier(authority).allow_unauthenticated().build().unwrap();
            builder.unwrap().with_client_cert_verifier(verifier)
        }
    };
    let (certificates, key) = signed.for_rustls();
    builder.with_single_cert(certificates, key).unwrap()
}

/// Runs a server on a thread of its own, until the sender is dropped.
pub(crate) fn in_background<F: Future<Output = ()>>(
    listener: std::net::TcpListener,
    serve: impl FnOnce(TcpListener) -> F + Send + 'static,
) -> (oneshot::Sender<()>, std::thread::JoinHandle<()>) {
    listener.set_nonblocking(true).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            tokio::select! {
                () = serve(listener) => {}
                _ = stopped => {}
            }
        });
    });
    (stop, thread)
}
