//! Charts of Flux's releases: their names, from the `HelmRepository` that another object or file holds.

use std::collections::HashMap;

use crate::manifest::charts::registry_path;
use crate::manifest::foreign::Foreign;
use crate::manifest::foreign::flux::{ChartRepository, ReleasedChart};
use crate::manifest::foreign::resolve::nearest;
use crate::manifest::reference;
use crate::model::image::{ImageName, shorten};
use crate::model::site::{Format, MarkedPart, PolicyReference, Site, SkipReason};

/// What becomes of a chart that has no name yet.
pub(super) enum Verdict {
    /// It comes from no registry, and is no reference.
    NoImage,
    /// It is listed with a reason.
    Unknown(SkipReason),
}

impl Foreign {
    /// Names the charts that come from a registry; returns what is to become of the others, by their index.
    ///
    /// A marker may name one of those, so that they are closed after the markers.
    pub(super) fn name_charts(&self, sites: &mut [Site]) -> Vec<(usize, Verdict)> {
        let mut by_name: HashMap<&str, Vec<&ChartRepository>> = HashMap::new();
        for repository in &self.chart_repositories {
            by_name.entry(&repository.origin.name).or_default().push(repository);
        }
        let mut open = Vec::new();
        for chart in &self.charts {
            let start = (&chart.origin.file, chart.span.start);
            let first = sites.partition_point(|site| (&site.file, site.bytes().start) < start);
            let is_within = |site: &Site| site.file == chart.origin.file && site.bytes().start < chart.span.end;
            let mut here = (first..sites.len()).take_while(|at| is_within(&sites[*at]));
            let Some(at) = here.find(|at| sites[*at].format == Format::Chart && sites[*at].image.is_none()) else {
                continue;
            };
            match chart.name(&by_name) {
                Ok(image) => {
                    let site = &mut sites[at];
                    site.written = image.to_string();
                    site.image = Some(image);
                    site.skipped.take_if(|reason| matches!(reason, SkipReason::NoName));
                }
                Err(verdict) => open.push((at, verdict)),
            }
        }
        open
    }
}

impl ReleasedChart {
    /// Returns the name under which the chart stands in a registry.
    fn name(&self, by_name: &HashMap<&str, Vec<&ChartRepository>>) -> Result<ImageName, Verdict> {
        let unknown = |reason: String| Err(Verdict::Unknown(SkipReason::Unsupported(reason)));
        let reference = PolicyReference {
            namespace: self.source.0.clone().or_else(|| self.origin.namespace.clone()).unwrap_or_default(),
            name: self.source.1.clone(),
            part: MarkedPart::Whole,
        };
        let of_name = by_name.get(&*reference.name);
        let found = nearest(of_name, |one: &ChartRepository| &one.origin, &reference, &self.origin.file);
        let name = shorten(&reference.name);
        let Some(first) = found.first() else {
            return unknown(format!("no file here holds the HelmRepository {name}, which says where the chart is"));
        };
        if found.iter().any(|other| (&other.url, other.is_registry) != (&first.url, first.is_registry)) {
            return unknown(format!("several HelmRepositorys are named {name} and differ"));
        }
        let Some(path) = registry_path(&first.url).filter(|_| first.is_registry) else {
            return Err(Verdict::NoImage);
        };
        let whole = format!("{path}/{}", self.chart);
        if let Some(reason) = reference::placeholder(&whole) {
            return Err(Verdict::Unknown(reason));
        }
        whole.parse().map_err(|error: crate::model::image::ReferenceError| {
            Verdict::Unknown(SkipReason::NotAReference(error.to_string()))
        })
    }
}

/// Lists the charts that still have no name with their reasons, and leaves out those that are no references.
pub(super) fn close(open: Vec<(usize, Verdict)>, sites: &mut Vec<Site>) {
    let mut gone = vec![false; if open.is_empty() { 0 } else { sites.len() }];
    for (at, verdict) in open {
        let site = &mut sites[at];
        match verdict {
            _ if site.image.is_some() => {}
            Verdict::NoImage => gone[at] = true,
            Verdict::Unknown(reason) => site.skipped = Some(reason),
        }
    }
    if gone.contains(&true) {
        let mut at = 0..;
        sites.retain(|_| !at.next().is_some_and(|at: usize| gone[at]));
    }
}
