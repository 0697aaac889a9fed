//! The edits of one environment's proposals, gathered file by file so that each file is read and verified once.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use crate::cores;
use crate::edit::{Edited, Order, edit_file};
use crate::manifest::{Limits, Surroundings};
use crate::model::change::{ChangeSet, Refusal};
use crate::model::file::RepoPath;
use crate::model::image::ImageName;
use crate::model::proposal::Proposal;
use crate::model::site::{Site, Value};

/// Edits every file that the proposals touch.
///
/// `sites` are the observation's, into which the moves point; `read` gives a file's present bytes, or why not.
/// A file that cannot be read or edited is refused with its reason, and the others go on.
pub fn edit(
    sites: &[Site],
    proposals: &[&Proposal],
    surroundings: &Surroundings,
    limits: &Limits,
    read: &(dyn Fn(&RepoPath) -> Result<Vec<u8>, String> + Sync),
) -> ChangeSet {
    let edit_one = |(file, orders): (&RepoPath, Vec<Order<'_>>)| match read(file) {
        Ok(before) => edit_file(file, &before, surroundings, limits, &orders),
        Err(reason) => Edited { refused: refuse(file, &orders, &reason), ..Edited::default() },
    };
    let mut set = ChangeSet::default();
    for one in cores::map(orders_by_file(sites, proposals).into_iter().collect(), edit_one) {
        set.changes.extend(one.changes);
        set.files.extend(one.file);
        set.refused.extend(one.refused);
    }
    let mut published: HashMap<(&ImageName, &Value), Option<Timestamp>> = HashMap::new();
    for step in proposals.iter().flat_map(|proposal| &proposal.moves) {
        published.entry((&step.image, &step.to)).or_insert(step.published);
    }
    for change in &mut set.changes {
        change.published = published.get(&(&change.image, &change.to)).copied().flatten();
    }
    set
}

fn refuse(file: &RepoPath, orders: &[Order<'_>], reason: &str) -> Vec<Refusal> {
    let refusal = |order: &Order<'_>| Refusal {
        file: file.clone(),
        position: Some(order.site.position),
        image: order.site.image.clone(),
        reason: reason.to_owned(),
    };
    orders.iter().map(refusal).collect()
}

fn orders_by_file<'a>(sites: &'a [Site], proposals: &[&'a Proposal]) -> BTreeMap<&'a RepoPath, Vec<Order<'a>>> {
    let mut orders: BTreeMap<&RepoPath, Vec<Order<'_>>> = BTreeMap::new();
    for proposal in proposals {
        for step in &proposal.moves {
            for site in step.sites.iter().filter_map(|site| sites.get(*site)) {
                orders.entry(&site.file).or_default().push(Order {
                    site,
                    to: &step.to,
                    pin: step.pin,
                    environment: &proposal.environment,
                    group: &proposal.group,
                    step: step.step,
                });
            }
        }
    }
    orders
}
