//! How hosts are connected to: time limits, authorities, client certificates, proxies; one client for each way.
//!
//! Entry point: [`Connections`]. What is said of one host holds for its host and port alone, so that no redirect
//! shows another host a client certificate or has it trusted by a private authority. Clients are built when they
//! are first needed, and again when a file that they were built from has changed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, Identity, Proxy};
use url::Url;

use crate::http::client::Timeouts;
use crate::http::error::{HttpError, UnusableFile, innermost};
use crate::http::proxy::{Proxies, ProxyChoice, ProxyUrl};
use crate::http::target::host_of;

/// The name under which requests are made.
const USER_AGENT: &str = concat!("tagboat/", env!("CARGO_PKG_VERSION"));

/// How long a file with certificates or a key may be: the bundles of whole systems have some 250 kB.
const MAX_FILE: u64 = 4 << 20;

/// A certificate that is shown to a host, with its key. Both are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and those between it and the authority.
    pub certificate_file: PathBuf,
    /// Its private key, not encrypted.
    pub key_file: PathBuf,
}

/// How one host is connected to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// Its time limits.
    pub timeouts: Timeouts,
    /// Authorities that are trusted beside the machine's own, as PEM.
    pub ca_file: Option<PathBuf>,
    /// What is shown to it.
    pub client_certificate: Option<ClientCertificate>,
    /// What it is reached through.
    pub proxy: ProxyChoice,
}

impl Connection {
    /// Whether something is said that only TLS has a use for.
    pub fn is_about_tls(&self) -> bool {
        self.ca_file.is_some() || self.client_certificate.is_some()
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        let client = self.client_certificate.iter().flat_map(|client| [&client.certificate_file, &client.key_file]);
        self.ca_file.iter().chain(client).map(PathBuf::as_path)
    }
}

/// A host with its port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place(String, u16);

impl Place {
    fn of(url: &Url) -> Option<Self> {
        Some(Self(url.host_str()?.to_owned(), url.port_or_known_default()?))
    }
}

/// A way to some hosts, for which one client is enough.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Way {
    /// The host, where something is said of it.
    place: Option<Place>,
    tls: bool,
    proxied: bool,
}

/// A client, and the files that it was built from.
#[derive(Debug)]
struct Built {
    stamps: Vec<Option<Stamp>>,
    client: Result<Client, HttpError>,
}

/// What tells one state of a file from the next: device, number, length, and both times in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp([i128; 5]);

impl Stamp {
    /// Looks at a file; `None` where there is none.
    fn of(file: &Path) -> Option<Self> {
        let data = fs::metadata(file).ok()?;
        let time = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        Some(Self([
            data.dev().into(),
            data.ino().into(),
            data.len().into(),
            time(data.mtime(), data.mtime_nsec()),
            time(data.ctime(), data.ctime_nsec()),
        ]))
    }
}

/// A client for one request, with what its errors are told by.
pub(crate) struct Reached {
    /// The client.
    pub(crate) client: Client,
    /// The host, and the proxy before it if any.
    pub(crate) label: String,
    /// Without a single byte coming in.
    pub(crate) silence: Duration,
}

/// The connections to all hosts.
#[derive(Debug, Default)]
pub struct Connections {
    default: Connection,
    places: HashMap<Place, Connection>,
    proxies: Proxies,
    clients: Mutex<HashMap<Way, Built>>,
    machine_has_roots: OnceLock<bool>,
}

impl Connections {
    /// Connects to every host in one way.
    pub fn new(default: Connection, proxies: Proxies) -> Self {
        Self { default, proxies, ..Self::default() }
    }

    /// Says how the host and port of a URL are connected to.
    pub fn set(&mut self, origin: &Url, connection: Connection) {
        self.places.extend(Place::of(origin).map(|place| (place, connection)));
    }

    /// Returns the client for a URL.
    pub(crate) fn to(&self, url: &Url) -> Result<Reached, HttpError> {
        let own = Place::of(url).and_then(|place| self.places.get_key_value(&place));
        let (place, connection) = own.map_or((None, &self.default), |(place, own)| (Some(place.clone()), own));
        let proxy = match &connection.proxy {
            ProxyChoice::Environment => self.proxies.of_url(url)?,
            ProxyChoice::Never => None,
            ProxyChoice::Through(proxy) => Some(proxy),
        };
        let way = Way { place, tls: url.scheme() == "https", proxied: proxy.is_some() };
        let host = host_of(url);
        let label = proxy.map_or_else(|| host.clone(), |proxy| format!("{host} (through the proxy {proxy})"));
        let stamps: Vec<_> = if way.tls { connection.files().map(Stamp::of).collect() } else { Vec::new() };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match clients.get(&way).filter(|built| built.stamps == stamps) {
            Some(built) => built.client.clone(),
            None => {
                let client = match way.tls {
                    true => self.tls(connection, proxy, &host),
                    false => plain(connection, proxy),
                };
                clients.insert(way, Built { stamps, client: client.clone() });
                client
            }
        }?;
        Ok(Reached { client, label, silence: connection.timeouts.silence })
    }

    /// Builds a client for TLS. Certificates of the machine count, or the built-in ones where it has none; those of
    /// `ca_file` come on top, as Docker and containerd have it.
    fn tls(&self, connection: &Connection, proxy: Option<&ProxyUrl>, host: &str) -> Result<Client, HttpError> {
        let unusable = |what, file: &Path, reason| {
            HttpError::File(Box::new(UnusableFile { host: host.to_owned(), what, file: file.to_owned(), reason }))
        };
        let builder = || -> Result<ClientBuilder, HttpError> {
            let builder = base(connection, proxy)?.https_only(true);
            Ok(builder.tls_version_min(reqwest::tls::Version::TLS_1_2))
        };
        let own = match &connection.ca_file {
            None => Vec::new(),
            Some(file) => authorities(file).map_err(|reason| unusable("authority's certificate", file, reason))?,
        };
        let with_roots = |builtin: bool| -> Result<ClientBuilder, HttpError> {
            Ok(match (builtin, own.is_empty()) {
                (true, _) => builder()?.tls_certs_only(built_in().chain(own.clone())),
                (false, true) => builder()?,
                (false, false) => builder()?.tls_certs_merge(own.clone()),
            })
        };
        // With authorities of its own a client builds also where the machine has none, so that is looked at first.
        let lacks_roots = !own.is_empty() && !*self.machine_has_roots.get_or_init(|| Client::builder().build().is_ok());
        let (built, builtin) = match with_roots(lacks_roots)?.build() {
            Err(error) if !lacks_roots && own.is_empty() => {
                tracing::debug!(error = %innermost(&error), "no certificate authorities on this machine, the built-in ones serve");
                (with_roots(true)?.build(), true)
            }
            other => (other, lacks_roots),
        };
        let client = built.map_err(|error| match &connection.ca_file {
            Some(file) => unusable("authority's certificate", file, innermost(&error)),
            None => HttpError::Setup(innermost(&error)),
        })?;
        let Some(own) = &connection.client_certificate else { return Ok(client) };
        let identity = identity(own).map_err(|(file, reason)| unusable("client certificate", file, reason))?;
        let built = with_roots(builtin)?.identity(identity).build();
        built.map_err(|error| unusable("client certificate", &own.certificate_file, innermost(&error)))
    }
}

fn base(connection: &Connection, proxy: Option<&ProxyUrl>) -> Result<ClientBuilder, HttpError> {
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(connection.timeouts.connect)
        .read_timeout(connection.timeouts.silence)
        .no_proxy();
    let Some(proxy) = proxy else { return Ok(builder) };
    let proxy = Proxy::all(proxy.url()).map_err(|error| HttpError::Setup(innermost(&error)))?;
    Ok(builder.proxy(proxy))
}

/// Builds the client for plain HTTP. An empty set of authorities keeps it from reading the machine's, unless the
/// proxy is spoken to over TLS.
fn plain(connection: &Connection, proxy: Option<&ProxyUrl>) -> Result<Client, HttpError> {
    let builder = base(connection, proxy)?.http1_only();
    let needs_roots = proxy.is_some_and(|proxy| proxy.url().scheme() == "https");
    let builder = if needs_roots { builder } else { builder.tls_certs_only([]) };
    builder.build().map_err(|error| HttpError::Setup(innermost(&error)))
}

fn built_in() -> impl Iterator<Item = Certificate> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|root| Certificate::from_der(root).ok())
}

fn authorities(file: &Path) -> Result<Vec<Certificate>, String> {
    let bytes = read(file)?;
    let found = Certificate::from_pem_bundle(&bytes).map_err(|_not_pem| "it is not PEM".to_owned())?;
    if found.is_empty() { Err("it holds no certificate in PEM form".to_owned()) } else { Ok(found) }
}

fn identity(own: &ClientCertificate) -> Result<Identity, (&Path, String)> {
    let mut whole = read(&own.certificate_file).map_err(|reason| (own.certificate_file.as_path(), reason))?;
    whole.push(b'\n');
    whole.extend(read(&own.key_file).map_err(|reason| (own.key_file.as_path(), reason))?);
    // The error's words are left out: they could quote the key.
    Identity::from_pem(&whole).map_err(|_may_quote| {
        let reason =
            format!("with {} it is no certificate and key, both PEM and not encrypted", own.key_file.display());
        (own.certificate_file.as_path(), reason)
    })
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let open = File::open(file).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    open.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE { Err("it is longer than 4 MiB".to_owned()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::proxy::NamedProxy;

    #[test]
    fn a_host_s_own_choice_of_proxy_goes_before_the_environment_s() {
        let environment = NamedProxy { variable: "HTTP_PROXY".to_owned(), value: "http://one.lan".into() };
        let proxies = Proxies::of(Some(environment), None, Some("exempt.example"));
        let mut connections = Connections::new(Connection::default(), proxies);
        let own = ProxyUrl::parse("http://two.lan:3128").unwrap();
        for (url, proxy) in [
            ("http://direct.example/", ProxyChoice::Never),
            ("http://exempt.example:5000/", ProxyChoice::Through(own.clone())),
            ("http://127.0.0.1:5000/", ProxyChoice::Through(own)),
        ] {
            connections.set(&Url::parse(url).unwrap(), Connection { proxy, ..Connection::default() });
        }
        for (url, expected) in [
            ("http://registry.example/", "registry.example (through the proxy one.lan)"),
            ("http://direct.example/v2/", "direct.example"),
            ("http://exempt.example/v2/", "exempt.example"),
            ("http://exempt.example:5000/v2/", "exempt.example:5000 (through the proxy two.lan:3128)"),
            ("http://127.0.0.1:5000/v2/", "127.0.0.1:5000 (through the proxy two.lan:3128)"),
            ("http://127.0.0.1:5001/v2/", "127.0.0.1:5001"),
        ] {
            assert_eq!(connections.to(&Url::parse(url).unwrap()).unwrap().label, expected);
        }
    }
}
