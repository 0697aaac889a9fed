//! Stage 4: which bytes change, verified.
//!
//! Entry point: [`edit_file`]. An edit is a splice, never a re-emit; afterwards the file is parsed and scanned again,
//! and anything but the intended values that differs refuses the whole edit of that file. No file is written here.

mod pin;
mod quote;
mod set;
mod splice;
#[cfg(test)]
mod tests;
mod verify;

pub use self::set::edit;

use crate::edit::splice::Splice;
use crate::manifest::{self, Limits, Surroundings};
use crate::model::change::{Change, FileEdit, Refusal};
use crate::model::environment::EnvironmentName;
use crate::model::file::{Positions, RepoPath};
use crate::model::policy::{Pin, Step};
use crate::model::site::{Site, Value};

/// One site and the value that it should hold.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// Where, as the scan of the same bytes found it.
    pub site: &'a Site,
    /// The value to write. Its digest must be given where one stands or `pin` asks for one.
    pub to: &'a Value,
    /// Whether a digest is added where none stands.
    pub pin: Pin,
    /// The environment, for the report.
    pub environment: &'a EnvironmentName,
    /// The group, for the report.
    pub group: &'a str,
    /// The largest part that changes, for the report.
    pub step: Option<Step>,
}

/// What became of a file's orders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edited {
    /// The replaced spans, by offset.
    pub changes: Vec<Change>,
    /// The new content; `None` where nothing changes.
    pub file: Option<FileEdit>,
    /// The orders that were not carried out.
    pub refused: Vec<Refusal>,
}

/// Carries out all orders on one file.
///
/// An order that cannot be carried out is refused by itself. Where the verified result is not exactly what was
/// intended, every order is refused and the file stays as it is.
pub fn edit_file(
    path: &RepoPath,
    before: &[u8],
    surroundings: &Surroundings,
    limits: &Limits,
    orders: &[Order<'_>],
) -> Edited {
    let mut edited = Edited::default();
    let text = match manifest::text(path, before, surroundings, limits) {
        Ok(text) => text,
        Err(reason) => {
            edited.refused = orders.iter().map(|order| refusal(order, reason.clone())).collect();
            return edited;
        }
    };
    let mut splices: Vec<(Splice, usize)> = Vec::new();
    let mut pins = pin::Pins::new(path, text, limits, surroundings);
    for (index, order) in orders.iter().enumerate() {
        let found = splice::of(text, order).and_then(|mut found| {
            if splice::lacks_place(order) {
                found.push(pins.digest(order)?);
            }
            Ok(found)
        });
        match found {
            Ok(found) => splices.extend(found.into_iter().map(|splice| (splice, index))),
            Err(reason) => edited.refused.push(refusal(order, reason)),
        }
    }
    let clashing = splice::settle(&mut splices);
    for index in clashing {
        edited.refused.push(refusal(&orders[index], "another order wants something else at the same place".to_owned()));
    }
    if splices.is_empty() {
        return edited;
    }
    if let Err(reason) = quote::add_where_needed(path, text, limits, surroundings, &mut splices) {
        return refuse_all(edited, orders, &splices, &reason);
    }
    let after = splice::apply(text, &splices);
    let proof = verify::Proof { path, before: text, after: &after, surroundings, limits, splices: &splices, orders };
    let outcome = if after.len() as u64 > limits.max_bytes {
        Err("the file would be longer than the limit".to_owned())
    } else {
        proof.verify()
    };
    if let Err(reason) = outcome {
        return refuse_all(edited, orders, &splices, &reason);
    }
    let mut positions = Positions::new(text);
    for (splice, index) in &splices {
        let order = &orders[*index];
        let (Some(image), site) = (order.site.image.clone(), order.site) else { continue };
        edited.changes.push(Change {
            file: path.clone(),
            position: positions.at(splice.span.start),
            bytes: splice.span.clone(),
            replaces: text[splice.span.clone()].to_owned(),
            with: splice.written.clone(),
            environment: order.environment.clone(),
            group: order.group.to_owned(),
            image,
            from: site.value.clone(),
            to: splice::target(order),
            step: order.step,
            published: None,
            uses: site.uses.clone(),
        });
    }
    edited.file = Some(FileEdit { file: path.clone(), before: before.to_vec(), after: after.into_bytes() });
    edited
}

fn refusal(order: &Order<'_>, reason: String) -> Refusal {
    let site = order.site;
    Refusal { file: site.file.clone(), position: Some(site.position), image: site.image.clone(), reason }
}

fn refuse_all(mut edited: Edited, orders: &[Order<'_>], splices: &[(Splice, usize)], reason: &str) -> Edited {
    let mut indexes: Vec<usize> = splices.iter().map(|(_, index)| *index).collect();
    indexes.sort_unstable();
    indexes.dedup();
    edited.refused.extend(indexes.into_iter().map(|index| refusal(&orders[index], reason.to_owned())));
    edited
}
