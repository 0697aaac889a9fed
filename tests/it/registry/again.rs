//! Lists that are asked for again: 304 where nothing changed, and never anything but the whole list.

use tagboat::model::image::ImageName;
use tagboat::registry::client::RegistryClient;
use tagboat::registry::settings::Limits;
use tagboat::registry::{Pages, TagSource};

use super::{anonymous, fill, list, quick, with_limits};
use crate::support::registry::{Counts, FakeRegistry, LinkStyle};

/// Asks with what was left behind; returns the list in one line, and what is left behind now.
async fn again(client: &RegistryClient, image: &ImageName, pages: Option<Vec<u8>>) -> (String, Pages) {
    match client.tags_again(image, pages).await {
        Ok(listed) => (listed.tags.list.iter().map(|(_, tag)| tag).collect::<Vec<_>>().join(" "), listed.pages),
        Err(error) => (format!("error: {error}"), Pages::Forgotten),
    }
}

#[track_caller]
fn left(pages: Pages) -> Option<Vec<u8>> {
    match pages {
        Pages::New(bytes) => Some(bytes),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_list_that_did_not_change_is_taken_as_it_was() {
    for link in [LinkStyle::Relative, LinkStyle::Absolute, LinkStyle::Absent] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| (faults.etags, faults.link) = (true, link));
        let tags = fill(&registry, "acme/web", 25);
        let client = with_limits(Limits { page_size: 10, ..quick() });
        let image = registry.image("acme/web");
        let (first, pages) = again(&client, &image, None).await;
        assert_eq!((first, registry.requests()), (tags.clone(), Counts { tags: 3, ..Counts::default() }), "{link:?}");
        let pages = left(pages);
        assert_eq!(again(&client, &image, pages.clone()).await, (tags.clone(), Pages::Same), "{link:?}");
        assert_eq!(registry.requests(), Counts { tags: 6, unchanged: 3, ..Counts::default() }, "{link:?}");
    }
}

#[tokio::test]
async fn only_pages_that_changed_are_sent() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.etags = true);
    let tags = fill(&registry, "acme/web", 25);
    let client = with_limits(Limits { page_size: 10, ..quick() });
    let image = registry.image("acme/web");
    let pages = left(again(&client, &image, None).await.1);
    registry.list_tag("acme/web", "2.0.0");
    let (second, pages) = again(&client, &image, pages).await;
    assert_eq!(second, format!("{tags} 2.0.0"));
    assert_eq!(registry.requests(), Counts { tags: 6, unchanged: 2, ..Counts::default() });
    // A list that grows by a page, whose link is new then.
    (0..5).for_each(|number| registry.list_tag("acme/web", &format!("3.{number}.0")));
    let (third, pages) = again(&client, &image, left(pages)).await;
    assert_eq!(third, format!("{tags} 2.0.0 3.0.0 3.1.0 3.2.0 3.3.0 3.4.0"));
    assert_eq!(again(&client, &image, left(pages)).await, (third, Pages::Same));
}

#[tokio::test]
async fn a_list_whose_last_page_was_full_is_seen_to_grow() {
    // The validator is made of the page's text alone, so that a new page after it changes nothing about it.
    for (page, count) in [(10, 20), (10, 10), (100, 100)] {
        for links_unchanged in [false, true] {
            let case = format!("{page} {count} {links_unchanged}");
            let registry = FakeRegistry::start().await;
            registry.faults(|faults| {
                (faults.etags, faults.page_size, faults.links_unchanged) = (true, Some(page), links_unchanged);
            });
            let (tags, other) = (fill(&registry, "acme/web", count), fill(&registry, "acme/other", 15 * page));
            let image = registry.image("acme/web");
            let pages = left(again(&anonymous(), &image, None).await.1);
            registry.list_tag("acme/web", "2.0.0");
            let grown = format!("{tags} 2.0.0");
            // A page of an odd length alone tells of itself that it was full by the links of other images.
            let client = anonymous();
            if (count, links_unchanged) == (10, false) {
                assert_eq!(list(&client, &registry.image("acme/other")).await, other);
            }
            let (found, pages) = again(&client, &image, pages).await;
            assert_eq!(found, grown, "{case}");
            assert_eq!(again(&client, &image, left(pages)).await.0, grown, "{case}");
        }
    }
}

#[tokio::test]
async fn what_was_left_behind_by_others_is_the_same_as_nothing() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.etags = true);
    let tags = fill(&registry, "acme/web", 5);
    fill(&registry, "acme/other", 9);
    let (client, image) = (anonymous(), registry.image("acme/web"));
    let other = left(again(&client, &registry.image("acme/other"), None).await.1);
    for pages in [None, Some(Vec::new()), Some(b"\xff".to_vec()), Some(b"pages 1\nx".to_vec()), other] {
        assert_eq!(again(&client, &image, pages.clone()).await.0, tags, "{pages:?}");
    }
    assert_eq!(registry.requests().unchanged, 0);
}

#[tokio::test]
async fn without_a_validator_everything_is_asked_for_and_nothing_is_left_behind() {
    let registry = FakeRegistry::start().await;
    let tags = fill(&registry, "acme/web", 5);
    let image = registry.image("acme/web");
    assert_eq!(again(&anonymous(), &image, None).await, (tags.clone(), Pages::Forgotten));
    registry.faults(|faults| faults.etags = true);
    let pages = left(again(&anonymous(), &image, None).await.1);
    registry.faults(|faults| faults.etags = false);
    assert_eq!(again(&anonymous(), &image, pages).await, (tags, Pages::Forgotten));
}

#[tokio::test]
async fn a_time_of_change_serves_where_it_lies_well_before_the_answer() {
    let registry = FakeRegistry::start().await;
    let tags = fill(&registry, "acme/web", 5);
    let image = registry.image("acme/web");
    let times = |date: &str| Some(("Sat, 21 Nov 2026 10:00:00 GMT".to_owned(), date.to_owned()));
    registry.faults(|faults| faults.last_modified = times("Sat, 21 Nov 2026 10:00:30 GMT"));
    assert_eq!(again(&anonymous(), &image, None).await.1, Pages::Forgotten);
    registry.faults(|faults| faults.last_modified = times("Sat, 21 Nov 2026 11:00:00 GMT"));
    let pages = left(again(&anonymous(), &image, None).await.1);
    assert_eq!(again(&anonymous(), &image, pages).await, (tags, Pages::Same));
    assert_eq!(registry.requests().unchanged, 1);
}

#[tokio::test]
async fn pages_that_are_known_count_against_the_cap_as_others_do() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.etags = true);
    fill(&registry, "acme/web", 25);
    let image = registry.image("acme/web");
    let pages = left(again(&anonymous(), &image, None).await.1);
    let client = with_limits(Limits { tags: 20, ..quick() });
    let (error, _) = again(&client, &image, pages).await;
    assert!(error.contains("passes the cap of 20 tags"), "{error}");
}

#[tokio::test]
async fn an_answer_of_304_that_nobody_asked_for_is_an_error() {
    let registry = FakeRegistry::start().await;
    fill(&registry, "acme/web", 5);
    registry.faults(|faults| faults.statuses = vec![(304, None)]);
    let error = list(&anonymous(), &registry.image("acme/web")).await;
    assert!(error.contains("answered 304"), "{error}");
}
