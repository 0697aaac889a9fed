//! Which place of a file is which of an older version of it, as far as names tell.
//!
//! Entry points: [`by_name`] and [`namesakes`]. What several places are called, or what was renamed, is left to whoever asks.

use std::collections::HashMap;

use crate::model::site::{Named, Site};
use crate::observe::history::versions::Placed;

/// The places of two versions of a file, by their positions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Those that bear one name in both: the old one and the new one.
    pub(super) pairs: Vec<(usize, usize)>,
    /// The rest of the old ones.
    pub(super) left: Vec<usize>,
    /// The rest of the new ones.
    pub(super) came: Vec<usize>,
}

/// Pairs the places of two versions of a file by what names them: wholly, else but for the namespaces, else but for the
/// names of resources, too.
pub(super) fn by_name(old: &[Placed], new: &[Placed]) -> Told {
    let mut told = Told { pairs: Vec::new(), left: (0..old.len()).collect(), came: (0..new.len()).collect() };
    let ways: [fn(Named) -> Named; 3] = [
        |named| named,
        |named| Named { namespace: 0, ..named },
        |named| Named { within: named.within, ..Named::default() },
    ];
    for way in ways {
        let of = |placed: &Placed| Some(way(placed.named)).filter(|named| named.within != 0);
        let (before, after) = (single(old, &told.left, &of), single(new, &told.came, &of));
        let pairs = told.left.iter().filter_map(|at| {
            let named = of(&old[*at])?;
            before.get(&named).copied().flatten()?;
            Some((*at, after.get(&named).copied().flatten()?))
        });
        let pairs: Vec<(usize, usize)> = pairs.collect();
        let (gone, here): (Vec<usize>, Vec<usize>) = pairs.iter().copied().unzip();
        told.left.retain(|at| gone.binary_search(at).is_err());
        let here: std::collections::HashSet<usize> = here.into_iter().collect();
        told.came.retain(|at| !here.contains(at));
        told.pairs.extend(pairs);
    }
    told
}

/// Pairs references of two versions of a file likewise: the old one and the new one, by their positions.
pub fn namesakes(old: &[&Site], new: &[&Site]) -> Vec<(usize, usize)> {
    let placed = |sites: &[&Site]| sites.iter().map(|site| Placed::of(site)).collect::<Vec<_>>();
    by_name(&placed(old), &placed(new)).pairs
}

/// Returns the place of each name; nothing where several bear it.
fn single(placed: &[Placed], among: &[usize], of: &dyn Fn(&Placed) -> Option<Named>) -> HashMap<Named, Option<usize>> {
    let mut found = HashMap::new();
    for at in among {
        if let Some(named) = of(&placed[*at]) {
            found.entry(named).and_modify(|known| *known = None).or_insert(Some(*at));
        }
    }
    found
}
