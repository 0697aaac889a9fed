//! A proxy on loopback: tunnels and forwards to the servers that a test names, whatever host is asked for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::tls_front::in_background;

/// The longest head of a request.
const MAX_HEAD: usize = 64 << 10;

/// A running proxy; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct FakeProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for FakeProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.thread.take().map(std::thread::JoinHandle::join));
    }
}

impl FakeProxy {
    /// Starts with the places that it knows: `registry.example:443` to `127.0.0.1:50000`. With a `login`
    /// (`Basic …`) it serves nobody else.
    pub(crate) fn start(places: &[(&str, &str)], login: Option<&str>) -> Self {
        let places: HashMap<String, SocketAddr> =
            places.iter().map(|(name, address)| ((*name).to_owned(), address.parse().unwrap())).collect();
        let (places, login) = (Arc::new(places), login.map(str::to_owned));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = Arc::clone(&asked);
        let (stop, thread) = in_background(listener, async move |listener| {
            while let Ok((client, _)) = listener.accept().await {
                let (places, login, told) = (Arc::clone(&places), login.clone(), Arc::clone(&told));
                // A connection that ends in the middle is the client's to tell.
                tokio::spawn(async move { drop(serve(client, &places, login.as_deref(), &told).await) });
            }
        });
        Self { address, asked, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns its host with the port.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Returns what it was asked for: `CONNECT registry.example:443`, `GET http://…`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    mut client: TcpStream,
    places: &HashMap<String, SocketAddr>,
    login: Option<&str>,
    told: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        head.push(client.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    told.lock().unwrap().push(words.join(" "));
    let shown = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("proxy-authorization").then(|| value.trim())
    });
    if login.is_some_and(|login| shown != Some(login)) {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        return client.write_all(refusal.as_bytes()).await;
    }
    let tunnel = words[0] == "CONNECT";
    let place = if tunnel { words[1].to_owned() } else { place_of(words[1]) };
    let Some(address) = places.get(&place) else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await;
    };
    let mut server = TcpStream::connect(address).await?;
    if tunnel {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        server.write_all(&head).await?;
    }
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}

fn place_of(target: &str) -> String {
    let url = url::Url::parse(target).unwrap();
    format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap())
}
