//! Which places of one environment stand for which of another: those of this repository, and of others.
//!
//! Entry point: [`Matching`]. What nobody can tell is not guessed: such a place waits, and is named.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::decision::{Decision, Question};
use crate::model::elsewhere::Elsewhere;
use crate::model::environment::{Environment, EnvironmentName, Environments};
use crate::model::history::Timeline;
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::site::{self, Site, Value};
use crate::promote::candidates::{predecessors, runs};
use crate::promote::places::{Places, Stand, Standing};

/// What an environment before runs at the places that stand for those of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counterpart<'a> {
    /// One value.
    One(&'a Value),
    /// Several.
    Several,
    /// Nothing there stands for the place of this site.
    Missing(usize),
    /// Neither globs nor names tell this site's place from another one, here or there.
    Ambiguous(usize),
}

/// The places of every environment.
pub struct Matching<'a> {
    sites: &'a [Site],
    elsewhere: &'a BTreeMap<EnvironmentName, Elsewhere>,
    environments: &'a Environments,
    /// The sites that are followed here.
    followed: BTreeSet<usize>,
    here: Places<'a>,
    others: BTreeMap<&'a EnvironmentName, Places<'a>>,
}

/// Where the sites of an environment are looked up.
struct Ground<'m, 'a> {
    environment: &'m Environment,
    places: &'m Places<'a>,
    sites: &'a [Site],
    /// Those whose values count.
    counted: &'m BTreeSet<usize>,
}

impl<'a> Matching<'a> {
    /// Takes the places of this repository, with those that are followed, and of what was seen in other repositories.
    pub fn new(
        (sites, followed): (&'a [Site], BTreeSet<usize>),
        elsewhere: &'a BTreeMap<EnvironmentName, Elsewhere>,
        environments: &'a Environments,
    ) -> Self {
        let others = elsewhere.iter().map(|(name, elsewhere)| (name, Places::new(&elsewhere.sites))).collect();
        Self { sites, elsewhere, environments, followed, here: Places::new(sites), others }
    }

    /// Takes the places of what was decided about.
    pub(super) fn of(observation: &'a Observation, environments: &'a Environments, decisions: &[Decision]) -> Self {
        let followed = decisions.iter().flat_map(|decision| decision.question.sites.iter().copied()).collect();
        Self::new((&observation.sites, followed), &observation.elsewhere, environments)
    }

    fn ground<'m>(&'m self, name: &EnvironmentName) -> Option<Ground<'m, 'a>> {
        if let Some(elsewhere) = self.elsewhere.get(name) {
            let places = self.others.get(name)?;
            let environment = elsewhere.environment.as_deref()?;
            return Some(Ground { environment, places, sites: &elsewhere.sites, counted: &elsewhere.counted });
        }
        let environment = self.environments.named(name)?;
        Some(Ground { environment, places: &self.here, sites: self.sites, counted: &self.followed })
    }

    /// Finds what an environment before runs at all the places that stand for those of some sites.
    pub(super) fn counterpart(
        &self,
        environment: &Environment,
        before: &EnvironmentName,
        (image, sites): (&ImageName, &[usize]),
    ) -> Counterpart<'a> {
        let Some(ground) = self.ground(before) else { return Counterpart::Several };
        let (here, there) = (self.here.standing(environment, image), ground.standing(image));
        let mut one = None;
        for site in sites {
            let value = match ground.stand(*site, &here, &there) {
                Stand::Sites(found) => &ground.sites[found[0]].value,
                Stand::Missing => return Counterpart::Missing(*site),
                Stand::Ambiguous => return Counterpart::Ambiguous(*site),
            };
            if *one.get_or_insert(value) != value {
                return Counterpart::Several;
            }
        }
        one.map_or(Counterpart::Several, Counterpart::One)
    }

    /// Groups the sites of a question by what the environments before run at the places that stand for theirs; none where
    /// these run one version each, so that places make no difference.
    fn parts(
        &self,
        (environment, question): (&Environment, &Question),
        is_several: &dyn Fn(&EnvironmentName) -> bool,
    ) -> Vec<Vec<usize>> {
        let several = predecessors(environment).filter(|before| is_several(before));
        let grounds: Vec<Ground<'_, 'a>> = several.filter_map(|before| self.ground(before)).collect();
        if grounds.is_empty() {
            return Vec::new();
        }
        let there: Vec<_> = grounds.iter().map(|ground| (ground, ground.standing(&question.image))).collect();
        let here = self.here.standing(environment, &question.image);
        let mut parts: Vec<(Vec<Option<&Value>>, Vec<usize>)> = Vec::new();
        for site in &question.sites {
            let found = |(ground, there): &(&Ground<'_, 'a>, Standing<'a>)| match ground.stand(*site, &here, there) {
                Stand::Sites(found) => Some(&ground.sites[found[0]].value),
                Stand::Missing | Stand::Ambiguous => None,
            };
            let key: Vec<_> = there.iter().map(found).collect();
            match parts.iter_mut().find(|(known, _)| *known == key) {
                Some((_, sites)) => sites.push(*site),
                None => parts.push((key, vec![*site])),
            }
        }
        parts.into_iter().map(|(_, sites)| sites).collect()
    }

    /// Returns what stood at the places of an environment before that stand for some sites, where it runs several versions and
    /// it is told which stand for which: the past of each alone. Where it runs one, places make no difference.
    pub(super) fn pasts(
        &self,
        environment: &Environment,
        before: &EnvironmentName,
        (image, sites): (&ImageName, &[usize]),
        timeline: &Timeline,
    ) -> Option<Vec<(Value, Timeline)>> {
        let ground = self.ground(before)?;
        let there = ground.standing(image);
        let own = ground.places.at(ground.environment, image).into_iter();
        let values: BTreeSet<&Value> =
            own.filter(|site| ground.counted.contains(site)).map(|site| &ground.sites[site].value).collect();
        if values.len() < 2 {
            return None;
        }
        let here = self.here.standing(environment, image);
        let mut found: BTreeMap<&Value, BTreeSet<usize>> = BTreeMap::new();
        for site in sites {
            let Stand::Sites(own) = ground.stand(*site, &here, &there) else { return None };
            found.entry(&ground.sites[own[0]].value).or_default().extend(own);
        }
        let mut pasts = Vec::new();
        for (value, sites) in found {
            let sites: Vec<usize> = sites.into_iter().collect();
            let spots = site::spots(ground.sites, &sites).into_values().collect();
            pasts.extend(timeline.parted(&spots, value).into_iter().map(|part| (value.clone(), part.timeline)));
        }
        (!pasts.is_empty()).then_some(pasts)
    }
}

impl<'a> Ground<'_, 'a> {
    fn standing(&self, image: &ImageName) -> Standing<'a> {
        self.places.standing(self.environment, image)
    }

    /// Finds what stands for a site among what counts here.
    fn stand(&self, site: usize, here: &Standing<'_>, there: &Standing<'_>) -> Stand {
        match here.stand(site, there) {
            Stand::Sites(mut found) => {
                found.retain(|site| self.counted.contains(site));
                if found.is_empty() { Stand::Missing } else { Stand::Sites(found) }
            }
            other => other,
        }
    }
}

/// Takes decisions apart whose places stand for such of the environment before as run different versions: each place
/// goes where its own counterpart stands.
pub(super) fn apart(
    matching: &Matching<'_>,
    observation: &Observation,
    decisions: Vec<Decision>,
    environments: &Environments,
) -> Vec<Decision> {
    let mut parts: BTreeMap<usize, Vec<Vec<usize>>> = BTreeMap::new();
    for (index, decision) in decisions.iter().enumerate().filter(|(_, decision)| decision.question.sites.len() > 1) {
        let question = &decision.question;
        let Some(environment) = environments.named(&question.environment) else { continue };
        let is_several = |before: &EnvironmentName| runs(observation, &decisions, before, &question.image).len() > 1;
        let own = matching.parts((environment, question), &is_several);
        if own.len() > 1 {
            parts.insert(index, own);
        }
    }
    if parts.is_empty() {
        return decisions;
    }
    let split = |(index, decision): (usize, Decision)| match parts.remove(&index) {
        None => vec![decision],
        Some(parts) => {
            let with =
                |sites| Decision { question: Question { sites, ..decision.question.clone() }, ..decision.clone() };
            parts.into_iter().map(with).collect()
        }
    };
    decisions.into_iter().enumerate().flat_map(split).collect()
}
