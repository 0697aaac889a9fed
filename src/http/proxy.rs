//! Proxies: which one a request goes through, as `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say.
//!
//! Entry point: [`Proxies::of`]. Reads no environment: whoever builds it hands the values over. A proxy's URL
//! may hold a password, so that neither messages nor `Debug` show more of it than host and port.

use std::fmt;
use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::http::error::HttpError;
use crate::http::target::{host_of, is_loopback};

/// A proxy, perhaps with a login for it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(Url);

impl ProxyUrl {
    /// Reads a proxy's URL; without a scheme it is `http://`, as curl has it.
    ///
    /// # Errors
    ///
    /// What is wrong, in words that never repeat the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&whole).map_err(|_may_hold_a_secret| "it is no URL")?;
        match url.scheme() {
            "http" | "https" if url.host().is_some() => Ok(Self(url)),
            "http" | "https" => Err("it names no host"),
            _ => Err("only http:// and https:// proxies are spoken to"),
        }
    }

    /// Returns the URL with its login.
    pub(crate) fn url(&self) -> Url {
        self.0.clone()
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&host_of(&self.0))
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ProxyUrl({self})")
    }
}

/// Which proxy a host is reached through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ProxyChoice {
    /// The environment's, unless `NO_PROXY` exempts the host. Never for loopback hosts.
    #[default]
    Environment,
    /// None.
    Never,
    /// This one, whatever `NO_PROXY` says; also for a loopback host.
    Through(ProxyUrl),
}

/// A variable's name with what it holds.
#[derive(Debug, Clone)]
pub struct NamedProxy {
    /// Its name, for messages.
    pub variable: String,
    /// The proxy's URL, which may hold a password.
    pub value: SecretString,
}

type Found = Option<(String, Result<ProxyUrl, &'static str>)>;

/// The environment's proxies.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    http: Found,
    https: Found,
    exempt: NoProxy,
}

impl Proxies {
    /// Takes what the environment says: the proxy for `http://`, the one for `https://`, and `NO_PROXY`.
    pub fn of(http: Option<NamedProxy>, https: Option<NamedProxy>, no_proxy: Option<&str>) -> Self {
        let read = |named: NamedProxy| (named.variable, ProxyUrl::parse(named.value.expose_secret()));
        Self { http: http.map(read), https: https.map(read), exempt: NoProxy::parse(no_proxy.unwrap_or("")) }
    }

    /// Returns the proxy for a URL; `None` for a direct connection.
    ///
    /// # Errors
    ///
    /// [`HttpError::Proxy`] when the variable that counts holds no proxy. Going around it is not what was asked for.
    pub(crate) fn of_url(&self, url: &Url) -> Result<Option<&ProxyUrl>, HttpError> {
        let found = if url.scheme() == "https" { &self.https } else { &self.http };
        match found {
            None => Ok(None),
            Some(_) if is_loopback(url) || is_metadata(url) || self.exempt.covers(url) => Ok(None),
            Some((_, Ok(proxy))) => Ok(Some(proxy)),
            Some((variable, Err(reason))) => {
                Err(HttpError::Proxy { host: host_of(url), variable: variable.clone(), reason })
            }
        }
    }
}

/// Whether a URL leads to the network's own segment or to a cloud's metadata server: what is told there is told to
/// this machine, and a proxy would ask for itself.
fn is_metadata(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_link_local(),
        Some(Host::Ipv6(address)) => address.is_unicast_link_local() || address.segments()[..2] == [0xfd00, 0x0ec2],
        Some(Host::Domain(name)) => name == "metadata.google.internal",
        None => false,
    }
}

/// One entry of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exempt {
    /// `*`.
    Everything,
    /// A name and everything below it, at one port or at all.
    Domain(String, Option<u16>),
    /// An address, at one port or at all.
    Address(IpAddr, Option<u16>),
    /// A network by its first address and its number of leading bits.
    Network(IpAddr, u32),
}

/// The hosts that are reached without a proxy.
#[derive(Debug, Clone, Default)]
struct NoProxy(Vec<Exempt>);

impl NoProxy {
    /// Reads names, addresses and networks, between commas or spaces. What is none of them exempts nothing.
    fn parse(text: &str) -> Self {
        let words = text.split([',', ' ', '\t']).map(str::trim).filter(|word| !word.is_empty());
        Self(words.filter_map(entry).collect())
    }

    fn covers(&self, url: &Url) -> bool {
        let port = url.port_or_known_default();
        let fits = |wanted: &Option<u16>| wanted.is_none() || *wanted == port;
        let (address, name) = match url.host() {
            Some(Host::Ipv4(address)) => (Some(IpAddr::V4(address)), None),
            Some(Host::Ipv6(address)) => (Some(IpAddr::V6(address).to_canonical()), None),
            Some(Host::Domain(name)) => (None, Some(name.trim_end_matches('.').to_ascii_lowercase())),
            None => (None, None),
        };
        self.0.iter().any(|entry| match entry {
            Exempt::Everything => true,
            Exempt::Domain(domain, wanted) => {
                name.as_deref().is_some_and(|name| is_within(name, domain) && fits(wanted))
            }
            Exempt::Address(exempt, wanted) => address == Some(*exempt) && fits(wanted),
            Exempt::Network(network, bits) => address.is_some_and(|address| is_in_network(address, *network, *bits)),
        })
    }
}

fn entry(word: &str) -> Option<Exempt> {
    if word == "*" {
        return Some(Exempt::Everything);
    }
    if let Some((network, bits)) = word.split_once('/') {
        let network = unbracketed(network).parse::<IpAddr>().ok()?;
        let bits = bits.parse::<u32>().ok()?;
        let widest = if network.is_ipv4() { 32 } else { 128 };
        return (bits <= widest).then_some(Exempt::Network(network, bits));
    }
    // An address of version 6 has colons of its own, so it is tried before a port is split off.
    if let Ok(address) = unbracketed(word).parse::<IpAddr>() {
        return Some(Exempt::Address(address.to_canonical(), None));
    }
    let (host, port) = match word.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse::<u16>().ok()?)),
        None => (word, None),
    };
    if let Ok(address) = unbracketed(host).parse::<IpAddr>() {
        return Some(Exempt::Address(address.to_canonical(), port));
    }
    let name = host.trim_start_matches("*.").trim_matches('.').to_ascii_lowercase();
    (!name.is_empty()).then_some(Exempt::Domain(name, port))
}

fn unbracketed(text: &str) -> &str {
    text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text)
}

fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn is_in_network(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(variable: &str, value: &str) -> Option<NamedProxy> {
        Some(NamedProxy { variable: variable.to_owned(), value: value.into() })
    }

    fn way(no_proxy: &str, url: &str) -> String {
        let http = named("HTTP_PROXY", "one.lan:3128");
        let proxies = Proxies::of(http, named("HTTPS_PROXY", "http://acme:hush@two.lan:3129"), Some(no_proxy));
        let url = Url::parse(url).unwrap();
        proxies.of_url(&url).unwrap().map_or_else(|| "direct".to_owned(), ToString::to_string)
    }

    #[test]
    fn each_scheme_has_its_proxy_and_this_machine_has_none() {
        assert_eq!(way("", "http://registry.example/"), "one.lan:3128");
        assert_eq!(way("", "https://registry.example/"), "two.lan:3129");
        for url in [
            "http://localhost:5000/",
            "https://127.0.0.1:5000/",
            "https://[::1]/",
            "http://169.254.169.254/",
            "http://[fd00:ec2::254]/",
            "http://metadata.google.internal/",
        ] {
            assert_eq!(way("", url), "direct", "{url}");
        }
    }

    #[test]
    fn no_proxy_names_hosts_addresses_and_networks() {
        for (no_proxy, url, exempt) in [
            ("*", "https://ghcr.io/", true),
            ("ghcr.io", "https://ghcr.io/", true),
            ("GHCR.io", "https://ghcr.io/", true),
            ("ghcr.io", "https://ghcr.io.evil.example/", false),
            ("ghcr.io", "https://notghcr.io/", false),
            ("example", "https://registry.example/", true),
            (".registry.example", "https://a.registry.example/", true),
            (".registry.example", "https://registry.example/", true),
            ("*.registry.example", "https://a.registry.example/", true),
            ("a.example, registry.example", "https://registry.example/", true),
            ("a.example registry.example", "https://registry.example/", true),
            ("registry.example:5000", "https://registry.example:5000/", true),
            ("registry.example:5000", "https://registry.example/", false),
            ("registry.example:443", "https://registry.example/", true),
            ("10.0.0.1", "https://10.0.0.1/", true),
            ("10.0.0.0/8", "https://10.9.8.7:5000/", true),
            ("10.0.0.0/8", "https://11.0.0.1/", false),
            ("10.0.0.0/33", "https://10.0.0.1/", false),
            ("0.0.0.0/0", "https://10.0.0.1/", true),
            ("0.0.0.0/0", "https://[2001:db8::1]/", false),
            ("2001:db8::1", "https://[2001:db8::1]:5000/", true),
            ("[2001:db8::1]", "https://[2001:db8::1]:5000/", true),
            ("[2001:db8::1]:5000", "https://[2001:db8::1]:5000/", true),
            ("[2001:db8::1]:5000", "https://[2001:db8::1]/", false),
            ("2001:db8::/32", "https://[2001:db8:ffff::1]/", true),
            ("2001:db8::/32", "https://[2001:db9::1]/", false),
            ("::ffff:10.0.0.1", "https://10.0.0.1/", true),
            (",, :x a:b:c /8", "https://ghcr.io/", false),
        ] {
            assert_eq!(way(no_proxy, url) == "direct", exempt, "{no_proxy} {url}");
        }
    }

    #[test]
    fn a_variable_that_names_no_proxy_is_an_error_without_its_value() {
        for value in ["socks5://acme:hush@proxy.lan", "http://acme:hush@", "http://[hush"] {
            let proxies = Proxies::of(None, named("https_proxy", value), Some("exempt.example"));
            let ask = |url: &str| proxies.of_url(&Url::parse(url).unwrap()).map(|found| found.is_some());
            let error = ask("https://ghcr.io/").unwrap_err().to_string();
            assert!(error.contains("https_proxy") && !error.contains("hush"), "{error}");
            assert_eq!(ask("https://exempt.example/"), Ok(false));
            assert!(!format!("{proxies:?}").contains("hush"));
        }
        let proxy = ProxyUrl::parse("http://acme:hush@proxy.lan:3128").unwrap();
        assert_eq!(format!("{proxy} {proxy:?}"), "proxy.lan:3128 ProxyUrl(proxy.lan:3128)");
    }
}
