//! `WWW-Authenticate`: which login a registry asks for (RFC 9110, section 11.6.1).

/// A login that a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from the realm.
    Bearer {
        /// Where tokens are given out.
        realm: String,
        /// What the realm calls the registry.
        service: Option<String>,
        /// What the token has to allow.
        scope: Option<String>,
    },
}

impl Challenge {
    /// Returns what the token has to allow, where the challenge says so.
    pub(super) fn scope(&self) -> Option<&str> {
        match self {
            Self::Basic => None,
            Self::Bearer { scope, .. } => scope.as_deref(),
        }
    }

    /// Whether both are answered at the same place, whatever they are for.
    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Basic, Self::Basic) => true,
            (Self::Bearer { realm, service, .. }, Self::Bearer { realm: of, service: by, .. }) => {
                realm == of && service == by
            }
            _ => false,
        }
    }

    /// Whether its realm names a part of a registry, as JFrog's do for each of its repositories.
    pub(super) fn names(&self, part: &str) -> bool {
        let Self::Bearer { realm, .. } = self else { return false };
        let path = realm.split(['?', '#']).next().unwrap_or_default();
        !part.is_empty() && path.split('/').any(|named| named == part)
    }

    /// Whether its realm is that of one image alone: it names what the token is for.
    pub(super) fn is_for_one_image(&self) -> bool {
        let Self::Bearer { realm, .. } = self else { return false };
        let query = realm.split_once('?').map_or("", |(_, query)| query);
        query.split('&').any(|pair| pair.starts_with("scope="))
    }
}

/// Picks the login to use from all headers: Bearer with a realm that can be used before Basic, before any other Bearer;
/// `None` when none is there.
///
/// Several challenges may stand in one header, and parameters may be quoted or not, in any order.
pub(super) fn choose<'a>(
    headers: impl Iterator<Item = &'a str>,
    is_usable: impl Fn(&str) -> bool,
) -> Option<Challenge> {
    let (mut basic, mut unusable) = (false, None);
    for (scheme, parameters) in headers.flat_map(parse) {
        if scheme.eq_ignore_ascii_case("bearer") {
            let named = |name: &str| {
                let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
            };
            if let Some(realm) = named("realm") {
                let is_usable = is_usable(&realm);
                let bearer = Challenge::Bearer { realm, service: named("service"), scope: named("scope") };
                if is_usable {
                    return Some(bearer);
                }
                unusable = unusable.or(Some(bearer));
            }
        }
        basic |= scheme.eq_ignore_ascii_case("basic");
    }
    if basic { Some(Challenge::Basic) } else { unusable }
}

/// A scheme with its parameters.
type Parsed = (String, Vec<(String, String)>);

fn parse(header: &str) -> Vec<Parsed> {
    let mut challenges: Vec<Parsed> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return challenges;
        }
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let after_space = after.trim_start_matches([' ', '\t']);
        match after_space.strip_prefix('=') {
            // `word = value` belongs to the challenge before it; a word alone begins the next one.
            Some(value) if !word.is_empty() => {
                let (value, after) = value_of(value.trim_start_matches([' ', '\t']));
                if let Some((_, parameters)) = challenges.last_mut() {
                    parameters.push((word.to_owned(), value));
                }
                rest = after;
            }
            Some(after) => rest = after,
            None => {
                challenges.push((word.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// Reads a token or a quoted string; returns it and what stands after it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    // A quote that is never closed: the rest is the value, as lenient clients read it.
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Some(Challenge::Bearer { realm: realm.to_owned(), service: own(service), scope: own(scope) })
    }

    #[test]
    fn reads_challenges_as_registries_write_them() {
        for (headers, expected) in [
            (
                vec![
                    r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                ],
                bearer("https://auth.docker.io/token", Some("registry.docker.io"), Some("repository:a/b:pull,push")),
            ),
            (
                vec![r#"bearer service=x , realm = "https://a/t?x=\"1\"""#],
                bearer("https://a/t?x=\"1\"", Some("x"), None),
            ),
            (vec![r#"Basic realm="a, Bearer realm=b", Bearer realm="https://a/t""#], bearer("https://a/t", None, None)),
            (vec![r#"Basic realm="x""#, r#"Bearer realm="https://a/t""#], bearer("https://a/t", None, None)),
            (vec!["Basic"], Some(Challenge::Basic)),
            (vec![r#"Bearer service="no realm", Basic realm="x""#], Some(Challenge::Basic)),
            (vec!["Negotiate", "NTLM"], None),
            (vec!["", ",,, ,", "=", "= =\"", "Bearer realm=\"", "Bearer realm"], None),
            (vec![r#"Bearer realm="https://never/closed"#], bearer("https://never/closed", None, None)),
        ] {
            assert_eq!(choose(headers.iter().copied(), |_| true), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_realm_that_cannot_be_used_stands_behind_every_other_way() {
        let choose = |headers: &[&'static str]| choose(headers.iter().copied(), |realm| realm.starts_with("https:"));
        let bad = r#"Bearer realm="ftp://bad/token""#;
        assert_eq!(choose(&[bad, "Basic"]), Some(Challenge::Basic));
        assert_eq!(choose(&[bad, r#"Bearer realm="https://a/t""#]), bearer("https://a/t", None, None));
        assert_eq!(choose(&[bad, "Negotiate"]), bearer("ftp://bad/token", None, None));
    }
}
