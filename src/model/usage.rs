//! What asking registries cost: requests, waits and bytes of each host.
//!
//! Plain numbers; `crate::registry` counts them, and logs, `explain` and metrics tell them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The shortest wait that is worth a word.
const TOLD_WAIT: Duration = Duration::from_millis(100);

/// What each registry was asked, by its host as image names have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage(pub BTreeMap<String, RegistryUsage>);

/// What one registry was asked. Every try counts as a request, redirects do not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryUsage {
    /// Pages of tag lists.
    pub lists: u64,
    /// HEAD requests for manifests, which registries do not count as pulls.
    pub heads: u64,
    /// GET requests for manifests, which some registries count as pulls.
    pub manifests: u64,
    /// Blobs.
    pub blobs: u64,
    /// Tokens, also from a login server elsewhere.
    pub tokens: u64,
    /// Everything else.
    pub others: u64,
    /// Answers that needed no request, because they were known already.
    pub cached: u64,
    /// Answers `429 Too Many Requests`.
    pub throttled: u64,
    /// Tries after the first one.
    pub retries: u64,
    /// The time that requests were held back, added up: before further tries, and for limits of either side.
    pub waited: Duration,
    /// Bytes of bodies.
    pub bytes: u64,
    /// What the registry said of its limits last, where it said anything.
    pub limit: Option<ToldLimit>,
}

/// A limit that a registry told of in its answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ToldLimit {
    /// How many requests it allows.
    pub limit: Option<u64>,
    /// How many are left.
    pub remaining: u64,
    /// In which time, where it says so.
    pub window: Option<Duration>,
}

impl RegistryUsage {
    /// Returns the requests of all kinds together.
    pub fn requests(&self) -> u64 {
        self.lists + self.heads + self.manifests + self.blobs + self.tokens + self.others
    }

    fn since(&self, earlier: &Self) -> Self {
        Self {
            lists: self.lists.saturating_sub(earlier.lists),
            heads: self.heads.saturating_sub(earlier.heads),
            manifests: self.manifests.saturating_sub(earlier.manifests),
            blobs: self.blobs.saturating_sub(earlier.blobs),
            tokens: self.tokens.saturating_sub(earlier.tokens),
            others: self.others.saturating_sub(earlier.others),
            cached: self.cached.saturating_sub(earlier.cached),
            throttled: self.throttled.saturating_sub(earlier.throttled),
            retries: self.retries.saturating_sub(earlier.retries),
            waited: self.waited.saturating_sub(earlier.waited),
            bytes: self.bytes.saturating_sub(earlier.bytes),
            limit: self.limit,
        }
    }
}

impl Usage {
    /// Returns what was added after an earlier reading; registries that were left alone meanwhile are not in it.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let none = RegistryUsage::default();
        let added = self.0.iter().map(|(host, usage)| {
            let usage = usage.since(earlier.0.get(host).unwrap_or(&none));
            (host.clone(), usage)
        });
        Self(added.filter(|(_, usage)| usage.requests() + usage.cached > 0).collect())
    }
}

/// Prints in one line what there is to say, without the host: `3 requests (2 lists, 1 token), 4096 bytes`.
impl fmt::Display for RegistryUsage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = |number: u64, one: &str, many: &str| {
            (number > 0).then(|| format!("{number} {}", if number == 1 { one } else { many }))
        };
        let requests = self.requests();
        write!(formatter, "{requests} {}", if requests == 1 { "request" } else { "requests" })?;
        let kinds = [
            some(self.lists, "list", "lists"),
            some(self.heads, "head", "heads"),
            some(self.manifests, "manifest", "manifests"),
            some(self.blobs, "blob", "blobs"),
            some(self.tokens, "token", "tokens"),
            some(self.others, "other", "others"),
        ];
        let kinds: Vec<String> = kinds.into_iter().flatten().collect();
        if !kinds.is_empty() {
            write!(formatter, " ({})", kinds.join(", "))?;
        }
        write!(formatter, ", {} bytes", self.bytes)?;
        let rest = [
            some(self.cached, "cached answer", "cached answers"),
            some(self.throttled, "answer 429", "answers 429"),
            some(self.retries, "retry", "retries"),
        ];
        for part in rest.into_iter().flatten() {
            write!(formatter, ", {part}")?;
        }
        if self.waited >= TOLD_WAIT {
            write!(formatter, ", waited {:.1} s", self.waited.as_secs_f64())?;
        }
        if let Some(told) = &self.limit {
            write!(formatter, ", {told}")?;
        }
        Ok(())
    }
}

/// Prints as `76 of 100 left in 6 h`.
impl fmt::Display for ToldLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.remaining)?;
        if let Some(limit) = self.limit {
            write!(formatter, " of {limit}")?;
        }
        write!(formatter, " left")?;
        match self.window.map(|window| window.as_secs()) {
            Some(seconds) if seconds >= 3600 && seconds % 3600 == 0 => write!(formatter, " in {} h", seconds / 3600),
            Some(seconds) => write!(formatter, " in {seconds} s"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_there_is_to_say() {
        let mut usage = RegistryUsage { lists: 2, tokens: 1, bytes: 4096, ..RegistryUsage::default() };
        assert_eq!(usage.to_string(), "3 requests (2 lists, 1 token), 4096 bytes");
        (usage.throttled, usage.retries, usage.waited) = (1, 2, Duration::from_millis(3200));
        let window = Some(Duration::from_secs(21_600));
        usage.limit = Some(ToldLimit { limit: Some(100), remaining: 76, window });
        let expected =
            "3 requests (2 lists, 1 token), 4096 bytes, 1 answer 429, 2 retries, waited 3.2 s, 76 of 100 left in 6 h";
        assert_eq!(usage.to_string(), expected);
    }

    #[test]
    fn tells_what_was_added_after_an_earlier_reading() {
        let reading = |lists, bytes| {
            let usage = RegistryUsage { lists, bytes, ..RegistryUsage::default() };
            Usage(BTreeMap::from([("ghcr.io".to_owned(), usage)]))
        };
        assert_eq!(reading(5, 900).since(&reading(2, 400)), reading(3, 500));
        assert_eq!(reading(5, 900).since(&reading(5, 900)), Usage::default());
        assert_eq!(reading(5, 900).since(&Usage::default()), reading(5, 900));
    }
}
