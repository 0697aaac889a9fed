//! Refusals: whether a person has refused what a pass would bring, and where that is written.
//!
//! Entry point: [`Wish::refused_in`]. It judges what it is given; who looks further is `pass::refusals`.

use crate::model::brought::{Brought, Told};
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::pull_request::{HeadBranch, LABEL_HOLD, LABEL_RETRY, Number, PullRequest, State, USUAL_PREFIX};

/// What a pass would bring, as a person may have refused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The environment.
    pub environment: EnvironmentName,
    /// The hash of the change; empty where none was made yet.
    pub key: String,
    /// What it brings.
    pub brought: Brought,
    /// What the names of head branches begin with that stand for it.
    pub prefix: String,
}

/// How it was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// A person closed the pull request that stood for it.
    Closed(&'a PullRequest),
    /// On plain Git, where there is nothing to close, somebody took it back on a head branch.
    TakenBack(&'a HeadBranch),
}

impl Wish {
    /// Whether a pull request stood for it when it was seen last: by its body, by what it was turned from at that very head, or by
    /// the trailers of its head commit, as far as they are known.
    pub fn stood_in(&self, one: &PullRequest) -> bool {
        self.is_in_body_of(one) || one.told.as_ref().is_some_and(|told| self.is_told_by(told))
    }

    /// Whether the body of a pull request says that it stands for it, or stood for it at that very head.
    pub fn is_in_body_of(&self, one: &PullRequest) -> bool {
        one.marker.as_ref().is_some_and(|marker| {
            let was = marker.was.as_ref().filter(|was| was.commit == one.commit);
            self.is(&marker.key, &marker.environment, &marker.brought)
                || was.is_some_and(|was| self.is(&was.key, &marker.environment, &was.brought))
        })
    }

    /// Whether an open pull request stands for it, and for nothing newer of what it brings: that was opened for what came with it.
    pub fn stands_in(&self, open: &PullRequest) -> bool {
        self.is_in_body_of(open) && !self.came_with_news_in(open)
    }

    /// Whether an open pull request on whose head branch somebody has pushed stands for it: by its body, or, where that does not say
    /// what it brings, by what the commits there tell that Tagboat `made`.
    pub fn is_taken_over_in<'a>(&self, open: &PullRequest, made: impl IntoIterator<Item = &'a Told>) -> bool {
        self.stands_in(open) || (open.is_silent() && made.into_iter().any(|told| self.is_among(told)))
    }

    /// Whether a pull request brought something newer of the same images beside it.
    fn came_with_news_in(&self, one: &PullRequest) -> bool {
        let brought = one.marker.as_ref().map(|marker| &marker.brought);
        let it_among = brought.filter(|brought| self.brought.is_no_news_to(brought));
        it_among.is_some_and(|brought| !brought.is_no_news_to(&self.brought))
    }

    fn is_told_by(&self, told: &Told) -> bool {
        match (&told.key, &told.environment) {
            (Some(key), Some(environment)) => self.is(key, environment, &told.brought),
            _ => false,
        }
    }

    fn is(&self, key: &str, environment: &EnvironmentName, brought: &Brought) -> bool {
        key == self.key || (*environment == self.environment && self.brought.is_no_news_to(brought))
    }

    /// Returns how a person refused it, by the pull requests, or, where there are none, on the head branches.
    pub fn refused_in<'a>(
        &self,
        pull_requests: Option<&'a [PullRequest]>,
        heads: &'a [HeadBranch],
    ) -> Option<Refusal<'a>> {
        match pull_requests {
            Some(pull_requests) => {
                // What somebody else has pushed to is theirs, and takes no word of a person's back.
                let is_theirs = |one: &PullRequest| heads.iter().any(|head| head.name == one.head && !head.is_own);
                let speaking = pull_requests.iter().filter(|one| one.is_refused() || !is_theirs(one));
                self.closed_in(speaking).map(Refusal::Closed)
            }
            None => heads.iter().find(|head| self.is_taken_back_on(head)).map(Refusal::TakenBack),
        }
    }

    /// Returns an open pull request that stands for it and that a person has labelled to be left as it is, or pointed at another base
    /// than the one into which it is to come: that word is about the version, however it is to come now.
    pub fn kept_in<'a>(
        &self,
        base: Option<&BranchName>,
        pull_requests: impl IntoIterator<Item = &'a PullRequest>,
    ) -> Option<&'a PullRequest> {
        let is_called = |one: &PullRequest| one.head.as_str().starts_with(&self.prefix) || !one.is_elsewhere();
        let is_kept = |one: &&PullRequest| {
            let is_pointed = || one.opened_into().is_some() && Some(&one.base) != base && is_called(one);
            one.state == State::Open && (one.labels.contains(LABEL_HOLD) || is_pointed())
        };
        pull_requests.into_iter().filter(is_kept).find(|one| one.is_named() && self.stood_in(one))
    }

    /// Returns the pull request by which a person refused it: the newest that stood for it, if a person closed that and has not
    /// labelled it to be tried again. What came after a refusal and was opened for the same all the same took it back.
    pub fn closed_in<'a>(&self, pull_requests: impl IntoIterator<Item = &'a PullRequest>) -> Option<&'a PullRequest> {
        self.newest_in(pull_requests).filter(|newest| newest.is_refused())
    }

    /// Returns the newest pull request that stood for it and says whether it was refused. Anybody may copy a body, so its head branch
    /// must be called as Tagboat calls those of what the body says: to take a refusal back, under the prefix that counts; to refuse,
    /// under that or the usual one, for who may push a branch of that name may close Tagboat's own as well. What was another prefix
    /// once may be a person's branch as well: there its head commit, where anybody can still read that, must be Tagboat's.
    pub fn newest_in<'a>(&self, pull_requests: impl IntoIterator<Item = &'a PullRequest>) -> Option<&'a PullRequest> {
        let speaks = |one: &&PullRequest| {
            one.is_named()
                && (one.head.as_str().starts_with(&self.prefix) || (one.is_refused() && !one.is_of_somebody_else()))
        };
        // What was opened for something newer, and nobody has merged, asks for that alone.
        let is_meant =
            |one: &&PullRequest| one.is_refused() || one.state == State::Merged || !self.came_with_news_in(one);
        let stood = pull_requests.into_iter().filter(|one| self.stood_in(one));
        stood.filter(speaks).filter(is_meant).max_by_key(|one| one.number)
    }

    /// Whether somebody else has taken it back on a head branch: who does so says no more and no less than who closes.
    fn is_taken_back_on(&self, head: &HeadBranch) -> bool {
        !head.is_own && head.undone.iter().any(|told| self.is_among(told))
    }

    /// Whether somebody else has pushed to a head branch that brings it, where there are no pull requests.
    pub fn is_taken_over_on(&self, head: &HeadBranch) -> bool {
        !head.is_own && head.undone.is_empty() && head.made.iter().any(|told| self.is_among(told))
    }

    /// Whether the trailers of a commit that was taken back, or taken over, name it.
    pub fn is_among(&self, undone: &Told) -> bool {
        undone.environment.as_ref() == Some(&self.environment) && self.brought.is_no_news_to(&undone.brought)
    }
}

impl Refusal<'_> {
    /// Returns the address where it is written, where there is one.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Closed(one) => Some(&one.url),
            Self::TakenBack(_) => None,
        }
    }

    /// Says it, for people.
    pub fn words(&self) -> String {
        match self {
            Self::Closed(one) => closed(one.number),
            Self::TakenBack(head) => taken_back(head.name.as_str()),
        }
    }
}

/// Says by which pull request something is kept from coming.
pub fn kept(one: &PullRequest) -> String {
    let (number, base) = (one.number.0, &one.base);
    match one.opened_into() {
        Some(before) if !one.labels.contains(LABEL_HOLD) => format!(
            "#{number} brings it, and somebody has pointed that at `{base}` instead of `{before}`: it comes in no other way meanwhile"
        ),
        _ => format!("#{number} brings it, and has the label `{LABEL_HOLD}`: it comes in no other way meanwhile"),
    }
}

/// Says on which head branch something was taken over, and by which pull request it is to come, where there are any.
pub fn taken_over(number: Option<Number>, head: &BranchName) -> String {
    match number {
        Some(number) => {
            format!("#{} brings it, and somebody else has pushed to {head}: it is theirs now", number.0)
        }
        None => format!("{head} brings it, and somebody else has pushed to it: it is theirs now"),
    }
}

/// Says by which pull request something was refused.
pub fn closed(number: Number) -> String {
    format!(
        "closed by a person in #{}: refused until something newer comes, or the label `{LABEL_RETRY}` is set there",
        number.0
    )
}

/// Says on which head branch something was taken back.
pub fn taken_back(head: &str) -> String {
    format!("somebody took it back on {head}: it waits for something newer")
}

impl PullRequest {
    /// Whether a person closed it, and nobody has asked for what it stood for again.
    pub fn is_refused(&self) -> bool {
        let is_withdrawn = self.marker.as_ref().is_some_and(|marker| marker.withdrawn);
        self.state == State::Closed && !is_withdrawn && !self.labels.contains(LABEL_RETRY)
    }

    /// Whether a refusal by it is nobody's but its head commit's to confirm, which nobody has looked at so far.
    pub fn is_unproved(&self) -> bool {
        self.is_refused() && self.is_elsewhere() && self.told.is_none() && self.marker.is_some()
    }

    /// Whether its head branch is called, under whatever prefix, as Tagboat calls those of the environment and the group that it
    /// says it is for.
    fn is_named(&self) -> bool {
        let marked = self.marker.as_ref().map(|marker| format!("{}/{}", marker.environment, marker.group));
        let told = || self.told.as_ref().and_then(|told| told.environment.as_ref());
        let is_before = |before: &str| !before.ends_with(|letter: char| letter.is_ascii_alphanumeric());
        let head = self.head.as_str();
        match marked {
            Some(named) => head.strip_suffix(&named).is_some_and(is_before),
            None => told().is_some_and(|name| {
                head.rsplit_once('/').is_some_and(|(place, _)| place.strip_suffix(name.as_str()).is_some_and(is_before))
            }),
        }
    }

    /// Whether its head branch is called as none that Tagboat makes unless it is configured to: then its commit tells whose it is.
    pub fn is_elsewhere(&self) -> bool {
        !self.head.as_str().starts_with(USUAL_PREFIX)
    }

    /// Whether its body was copied to a branch of somebody's own: what stands there is known, and none of Tagboat's commits.
    fn is_of_somebody_else(&self) -> bool {
        self.is_elsewhere() && self.told.as_ref().is_some_and(|told| told.key.is_none())
    }

    /// Whether its body does not say what it brings: then nothing but its head commit can.
    pub fn is_silent(&self) -> bool {
        self.marker.as_ref().is_none_or(|marker| marker.brought.is_empty())
    }
}
