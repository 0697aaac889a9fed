//! Where a URL leads: whether its host is this machine, and whether two URLs are one place.

use std::net::Ipv4Addr;

use url::{Host, Url};

/// Whether a URL leads to this machine: `127.0.0.0/8`, `::1` or `localhost`; or the addresses that stand for "any", which
/// a connection takes for this machine, too, and those of IP version 4 in the form of version 6.
pub fn is_loopback(url: &Url) -> bool {
    let is_local = |address: Ipv4Addr| address.is_loopback() || address.is_unspecified();
    match url.host() {
        Some(Host::Ipv4(address)) => is_local(address),
        Some(Host::Ipv6(address)) => {
            address.is_loopback() || address.is_unspecified() || address.to_ipv4_mapped().is_some_and(is_local)
        }
        Some(Host::Domain(name)) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

/// Whether two URLs have the same scheme, host and port, so that a credential for one may go to the other.
pub fn is_same_place(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// Returns a URL's host with its port, where one is written, for messages.
pub fn host_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => url.scheme().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_this_machine_in_every_form_of_its_address() {
        for (host, expected) in [
            ("127.0.0.1", true),
            ("127.9.9.9:5000", true),
            ("0.0.0.0:5000", true),
            ("0", true),
            ("2130706433", true),
            ("[::1]", true),
            ("[::]", true),
            ("[::ffff:127.0.0.1]:5000", true),
            ("[::ffff:0.0.0.0]", true),
            ("LocalHost", true),
            ("localhost.", true),
            ("[::ffff:10.0.0.1]", false),
            ("10.0.0.1", false),
            ("localhost.example", false),
        ] {
            let url = Url::parse(&format!("https://{host}/")).unwrap();
            assert_eq!(is_loopback(&url), expected, "{host}");
        }
    }
}
