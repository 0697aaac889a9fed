//! Who may act on the board, as `access` in `service.yaml` says: users of a file, or whom a trusted proxy names.
//!
//! Entry point: [`Door::read`]. Sessions are `sessions`' matter; decides nothing about what somebody may do: all or nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use axum::http::{HeaderMap, HeaderName};

use crate::config::fault::Fault;
use crate::config::service::{Access, Service};
use crate::pass::setup::SetupError;

/// The largest file of users, in bytes.
const MAX_FILE: u64 = 256 << 10;

/// The longest name of a user, in characters: it becomes an author's word in Git.
const LONGEST_NAME: usize = 100;

/// How many proxies are believed to be in a row.
const MOST_HOPS: usize = 10;

/// The costs of hashes that are taken: below, they are no protection; above, a login takes minutes.
const COSTS: std::ops::RangeInclusive<u32> = 8..=15;

/// Who may act.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::service) enum Door {
    /// Nobody.
    #[default]
    Closed,
    /// Users with their bcrypt hashes, and the proxies that are believed where they come from.
    Users(BTreeMap<String, String>, Vec<Network>),
    /// Whom a header names, when it comes from one of these networks.
    Header(HeaderName, Vec<Network>),
}

/// Addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    fn holds(&self, other: IpAddr) -> bool {
        match (self.address, other.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl Door {
    /// Reads who may act.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when the file of users cannot be read or holds what is no user, or a proxy's address is none.
    pub(in crate::service) fn read(service: &Service) -> Result<Self, SetupError> {
        match &service.access {
            None => Ok(Self::Closed),
            Some(Access::Users { file, proxies }) => {
                Ok(Self::Users(users(&service.resolve(file))?, networks(service, proxies)?))
            }
            Some(Access::TrustedHeader { header, proxies }) => {
                let fault = |message: String, hint| Fault::of_file(&service.file, message, Some(hint));
                let name = HeaderName::from_bytes(header.as_bytes())
                    .map_err(|_error| {
                        fault("`access.trustedHeader` is no name of a header".to_owned(), "X-Forwarded-User")
                    })
                    .map_err(|fault| SetupError::Configuration(fault.into()))?;
                Ok(Self::Header(name, networks(service, proxies)?))
            }
        }
    }

    /// Returns where a request comes from: the address of its connection, or what proxies that are trusted say is behind them.
    pub(super) fn address(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let Self::Users(_, proxies) = self else { return peer };
        let is_trusted = |address: IpAddr| proxies.iter().any(|network| network.holds(address));
        let mut address = peer;
        let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = values.flat_map(|value| value.split(',')).collect();
        // Each proxy adds at the end whom it saw; what stands before that anybody could have written.
        for hop in hops.iter().rev().take(MOST_HOPS) {
            let before = hop.trim();
            let bare = before.parse().ok().or_else(|| before.parse().ok().map(|socket: SocketAddr| socket.ip()));
            match bare.filter(|_| is_trusted(address)) {
                Some(further) => address = further,
                None => break,
            }
        }
        address.to_canonical()
    }

    /// Whether anybody may act.
    pub(super) fn is_open(&self) -> bool {
        *self != Self::Closed
    }

    /// Returns whom a trusted proxy names.
    pub(super) fn named(&self, headers: &HeaderMap, peer: IpAddr) -> Option<String> {
        let Self::Header(name, networks) = self else { return None };
        let is_trusted = match networks.as_slice() {
            [] => peer.to_canonical().is_loopback(),
            networks => networks.iter().any(|network| network.holds(peer)),
        };
        let mut values = headers.get_all(name).iter();
        // Two of them: somebody sent one past the proxy, and which one is true cannot be told.
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let value = value.to_str().ok()?.trim();
        (is_trusted && is_name(value)).then(|| value.to_owned())
    }
}

fn networks(service: &Service, proxies: &[String]) -> Result<Vec<Network>, SetupError> {
    let read = |proxy: &String| {
        let message = format!("`access.trustedProxies`: `{proxy}` is no address");
        let wrong = || Fault::of_file(&service.file, message, Some("10.0.0.0/8"));
        Network::parse(proxy).ok_or_else(|| SetupError::Configuration(wrong().into()))
    };
    proxies.iter().map(read).collect()
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= LONGEST_NAME && !name.chars().any(char::is_control)
}

/// Reads a file as `htpasswd -B` writes it: `name:$2y$…`, a line each.
fn users(path: &Path) -> Result<BTreeMap<String, String>, SetupError> {
    let unreadable =
        |reason: String| SetupError::Unreadable { what: "the file of users", path: path.to_owned(), reason };
    let length = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if length > MAX_FILE {
        return Err(unreadable(format!("it is larger than {MAX_FILE} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let mut users = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: &str| unreadable(format!("line {}: {what}", index + 1));
        let (name, hash) = line.split_once(':').ok_or_else(|| wrong("write NAME:HASH, as `htpasswd -B` does"))?;
        if !is_name(name) {
            return Err(wrong("the name is empty or too long"));
        }
        let parts: bcrypt::HashParts =
            hash.parse().map_err(|_error| wrong("the hash is not bcrypt's: `htpasswd -B` makes those"))?;
        if !COSTS.contains(&parts.get_cost()) {
            return Err(wrong("the cost of the hash is below 8 or above 15: `htpasswd -B -C 11` is good"));
        }
        if users.insert(name.to_owned(), hash.to_owned()).is_some() {
            return Err(wrong("the name stands there twice"));
        }
    }
    if users.is_empty() {
        return Err(unreadable("it names nobody".to_owned()));
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-forwarded-user", value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_header_counts_once_and_from_trusted_proxies_alone() {
        let name = HeaderName::from_static("x-forwarded-user");
        let loopback = Door::Header(name.clone(), Vec::new());
        let inner =
            Door::Header(name, vec![Network::parse("10.1.0.0/16").unwrap(), Network::parse("fd00::1").unwrap()]);
        let (near, far): (IpAddr, IpAddr) = ("127.0.0.1".parse().unwrap(), "10.1.2.3".parse().unwrap());
        let one = headers(&["robin"]);
        assert_eq!(loopback.named(&one, near).as_deref(), Some("robin"));
        assert_eq!(loopback.named(&one, far), None);
        assert_eq!(inner.named(&one, far).as_deref(), Some("robin"));
        assert_eq!(inner.named(&one, "::ffff:10.1.2.3".parse().unwrap()).as_deref(), Some("robin"));
        assert_eq!(inner.named(&one, "fd00::1".parse().unwrap()).as_deref(), Some("robin"));
        assert_eq!(inner.named(&one, "10.2.0.1".parse().unwrap()), None);
        assert_eq!(loopback.named(&headers(&["robin", "root"]), near), None);
        assert_eq!(loopback.named(&headers(&[" "]), near), None);
        assert_eq!(Door::Closed.named(&one, near), None);
    }

    #[test]
    fn where_a_login_comes_from_is_believed_of_trusted_proxies_alone() {
        let proxies = ["10.1.0.0/16", "127.0.0.1"].map(|text| Network::parse(text).unwrap());
        let door = Door::Users(BTreeMap::new(), proxies.into());
        let from = |peer: &str, values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            door.address(&headers, peer.parse().unwrap()).to_string()
        };
        assert_eq!(from("10.1.0.7", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(
            from("10.1.0.7", &["6.6.6.6, 203.0.113.9"]),
            "203.0.113.9",
            "what the client wrote counts for nothing"
        );
        assert_eq!(from("10.1.0.7", &["6.6.6.6", "203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(from("127.0.0.1", &["203.0.113.9, 10.1.0.8"]), "203.0.113.9", "one proxy behind another");
        assert_eq!(from("10.1.0.7", &["203.0.113.9, nonsense"]), "10.1.0.7");
        assert_eq!(from("10.1.0.7", &[]), "10.1.0.7");
        assert_eq!(from("198.51.100.1", &["203.0.113.9"]), "198.51.100.1", "no proxy of ours");
        assert_eq!(from("::ffff:10.1.0.7", &["203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn what_is_no_network_is_none() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0.0/x", "host"] {
            assert!(Network::parse(text).is_none(), "{text}");
        }
        assert!(Network::parse("0.0.0.0/0").unwrap().holds("9.9.9.9".parse().unwrap()));
    }

    #[test]
    fn a_file_of_users_is_read_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        let good = "robin:$2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01232";
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            users(&path)
        };
        assert_eq!(read(&format!("# people\n{good}\n")).unwrap().len(), 1);
        for bad in
            ["", "robin", "robin:secret", "robin:{SHA}x=", &format!("{good}\n{good}"), &good.replace("$10$", "$31$")]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(!read("robin:secret").unwrap_err().to_string().contains("secret"));
    }
}
