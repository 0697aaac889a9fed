//! The edits of one environment's proposals, gathered file by file so that each file is read and verified once.

use std::collections::BTreeMap;

use crate::edit::{Order, edit_file};
use crate::manifest::{Limits, Surroundings};
use crate::model::change::{ChangeSet, Refusal};
use crate::model::file::RepoPath;
use crate::model::proposal::Proposal;
use crate::model::site::Site;

/// Edits every file that the proposals touch.
///
/// `sites` are the observation's, into which the moves point; `read` gives a file's present bytes, or why not.
/// A file that cannot be read or edited is refused with its reason, and the others go on.
pub fn edit(
    sites: &[Site],
    proposals: &[&Proposal],
    surroundings: &Surroundings,
    limits: &Limits,
    read: &dyn Fn(&RepoPath) -> Result<Vec<u8>, String>,
) -> ChangeSet {
    let mut set = ChangeSet::default();
    for (file, orders) in orders_by_file(sites, proposals) {
        match read(file) {
            Ok(before) => {
                let edited = edit_file(file, &before, surroundings, limits, &orders);
                set.changes.extend(edited.changes);
                set.files.extend(edited.file);
                set.refused.extend(edited.refused);
            }
            Err(reason) => set.refused.extend(orders.iter().map(|order| Refusal {
                file: file.clone(),
                position: Some(order.site.position),
                image: order.site.image.clone(),
                reason: reason.clone(),
            })),
        }
    }
    set
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
