//! Scanning and editing: fixture folders with goldens, and properties over generated and damaged files.

#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod cases;
mod document;
mod languages;
mod properties;
mod robustness;
mod stored;

use tagboat::edit::{Edited, Order, edit_file};
use tagboat::manifest::{FileScan, Limits, Surroundings, scan};
use tagboat::model::environment::EnvironmentName;
use tagboat::model::file::RepoPath;
use tagboat::model::policy::Pin;
use tagboat::model::site::{Site, SkipReason, Value};

/// What one test asks of one image, wherever it stands.
#[derive(Debug, Clone)]
struct Wish {
    image: String,
    to: Value,
    pin: Pin,
}

fn wish(image: &str, tag: &str, digest: Option<&str>, pin: Pin) -> Wish {
    let to = Value { tag: Some(tag.parse().unwrap()), digest: digest.map(|digest| digest.parse().unwrap()) };
    Wish { image: image.to_owned(), to, pin }
}

fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

fn scan_alone(name: &str, bytes: &[u8]) -> FileScan {
    scan(&path(name), bytes, &Surroundings::default(), &Limits::default())
}

/// Whether a site is only listed, since it stands under a key that no format knows.
fn is_listed_only(site: &Site) -> bool {
    site.skipped == Some(SkipReason::Unmarked("a key that no format knows"))
}

/// Scans and carries out every wish on the sites that it names, but for those that are only listed.
fn carry_out(file: &RepoPath, bytes: &[u8], surroundings: &Surroundings, wishes: &[Wish]) -> Edited {
    let found = scan(file, bytes, surroundings, &Limits::default());
    let environment = EnvironmentName::from("test");
    let orders: Vec<Order<'_>> = wishes
        .iter()
        .flat_map(|wish| {
            let wanted = |site: &&Site| {
                site.image.as_ref().is_some_and(|image| image.as_str() == wish.image) && !is_listed_only(site)
            };
            found.sites.iter().filter(wanted).map(move |site| (site, wish))
        })
        .map(|(site, wish)| Order {
            site,
            to: &wish.to,
            pin: wish.pin,
            environment: &environment,
            group: "group",
            step: None,
        })
        .collect();
    edit_file(file, bytes, surroundings, &Limits::default(), &orders)
}
