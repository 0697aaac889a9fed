//! Lists: to the end, or an error.

use futures_util::future::join_all;
use tagboat::registry::TagSource;
use tagboat::registry::client::RegistryClient;
use tagboat::registry::settings::{HostSettings, Limits, Settings};

use super::{anonymous, fill, list, quick, with_limits, with_settings};
use crate::support::registry::{BodyFault, FakeRegistry, LinkStyle};

#[tokio::test]
async fn a_list_of_one_page_costs_one_request() {
    let registry = FakeRegistry::start().await;
    let tags = fill(&registry, "acme/web", 20);
    let client = anonymous();
    assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
    assert_eq!(registry.requests().tags, 1);
    registry.list_tag("acme/web", "2.0.0");
    assert_eq!(list(&client, &registry.image("acme/web")).await, format!("{tags} 2.0.0"));
}

#[tokio::test]
async fn a_host_may_be_written_in_capitals_and_with_its_port() {
    let registry = FakeRegistry::start().await;
    let tags = fill(&registry, "acme/team-a/web_api", 3);
    let port = registry.host().rsplit_once(':').unwrap().1.to_owned();
    let image = format!("LocalHost:{port}/acme/team-a/web_api").parse().unwrap();
    assert_eq!(list(&anonymous(), &image).await, tags);
    assert_eq!(registry.requests().tags, 1);
}

#[tokio::test]
async fn follows_links_to_the_end() {
    for link in [
        LinkStyle::Relative,
        LinkStyle::Absolute,
        LinkStyle::Bare,
        LinkStyle::Query,
        LinkStyle::WrongPath,
        LinkStyle::Cursor,
    ] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| (faults.page_size, faults.link) = (Some(10), link));
        let tags = fill(&registry, "acme/web", 95);
        assert_eq!(list(&anonymous(), &registry.image("acme/web")).await, tags);
        assert_eq!(registry.requests().tags, 10, "{link:?}");
    }
}

#[tokio::test]
async fn asks_on_after_a_full_page_without_a_link() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.link = LinkStyle::Absent);
    let client = with_limits(Limits { page_size: 10, ..quick() });
    let tags = fill(&registry, "acme/web", 30);
    assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
    // Three full pages, and an empty one that ends the list.
    assert_eq!(registry.requests().tags, 4);
}

#[tokio::test]
async fn a_page_larger_than_asked_for_is_everything() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| (faults.link, faults.ignores_n) = (LinkStyle::Absent, true));
    let tags = fill(&registry, "acme/web", 30);
    let client = with_limits(Limits { page_size: 10, ..quick() });
    assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
    assert_eq!(registry.requests().tags, 1);
}

#[tokio::test]
async fn notices_pages_that_go_in_a_circle() {
    let registry = FakeRegistry::start().await;
    fill(&registry, "acme/web", 30);
    let client = with_limits(Limits { page_size: 10, ..quick() });
    let image = registry.image("acme/web");
    let expected = format!("error: {image}: {} pages in a circle", registry.host());
    registry.faults(|faults| faults.link = LinkStyle::Circle);
    assert!(list(&client, &image).await.starts_with(&expected));
    assert_eq!(registry.requests().tags, 1);
    registry.faults(|faults| (faults.link, faults.ignores_last) = (LinkStyle::Absent, true));
    assert!(list(&client, &image).await.starts_with(&expected));
    // A page, the same page again, and one tag less to see whether the registry pages at all.
    assert_eq!(registry.requests().tags, 4);
}

#[tokio::test]
async fn a_registry_without_pages_may_hold_exactly_as_many_tags_as_were_asked_for() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| {
        (faults.link, faults.ignores_n, faults.ignores_last) = (LinkStyle::Absent, true, true);
    });
    let tags = fill(&registry, "acme/web", 10);
    let client = with_limits(Limits { page_size: 10, ..quick() });
    assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
    assert_eq!(registry.requests().tags, 3);
}

#[tokio::test]
async fn never_follows_a_link_to_another_host() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| (faults.page_size, faults.link) = (Some(10), LinkStyle::Foreign));
    fill(&registry, "acme/web", 30);
    let error = list(&anonymous(), &registry.image("acme/web")).await;
    assert!(error.contains("goes on at http://192.0.2.1/"), "{error}");
    assert!(error.contains("which is not followed"), "{error}");
}

#[tokio::test]
async fn never_follows_a_link_to_something_else() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| (faults.page_size, faults.link) = (Some(10), LinkStyle::Elsewhere));
    fill(&registry, "acme/web", 30);
    let error = list(&anonymous(), &registry.image("acme/web")).await;
    assert!(error.contains("goes on at /v2/_catalog, which is not followed"), "{error}");
    assert_eq!(registry.requests().tags, 1);
}

#[tokio::test]
async fn notices_a_page_that_comes_again_under_another_link() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| (faults.page_size, faults.link) = (Some(10), LinkStyle::Wandering));
    fill(&registry, "acme/web", 30);
    let error = list(&anonymous(), &registry.image("acme/web")).await;
    assert!(error.contains("pages in a circle"), "{error}");
    assert_eq!(registry.requests().tags, 2);
}

#[tokio::test]
async fn a_page_that_is_cut_without_a_word_is_no_whole_list() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| (faults.page_size, faults.link) = (Some(100), LinkStyle::Absent));
    let tags = fill(&registry, "acme/web", 250);
    let client = anonymous();
    assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
    // The page, a look at what comes after it, and the two others.
    assert_eq!(registry.requests().tags, 4);
    // From then on, the host is asked for as much as it sends.
    assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
    assert_eq!(registry.requests().tags, 7);
}

#[tokio::test]
async fn a_registry_that_cannot_go_on_is_asked_once_for_what_comes_after() {
    for (ignores_last, refuses_last) in [(true, None), (false, Some(400)), (false, Some(405)), (false, Some(422))] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| {
            (faults.link, faults.ignores_last, faults.refuses_last) = (LinkStyle::Absent, ignores_last, refuses_last);
        });
        let tags = fill(&registry, "acme/web", 100);
        let client = anonymous();
        assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
        assert_eq!(registry.requests().tags, 2);
        assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
        assert_eq!(registry.requests().tags, 3);
    }
}

#[tokio::test]
async fn a_list_of_just_as_many_tags_as_pages_are_cut_to_proves_nothing_of_another() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| (faults.page_size, faults.link) = (Some(100), LinkStyle::Absent));
    let (whole, cut) = (fill(&registry, "acme/whole", 100), fill(&registry, "acme/web", 250));
    let client = anonymous();
    for _ in 0..2 {
        assert_eq!(list(&client, &registry.image("acme/whole")).await, whole);
        assert_eq!(list(&client, &registry.image("acme/web")).await, cut);
    }
    // Of many at once, all are asked about.
    let repositories: Vec<String> = (0..20).map(|number| format!("acme/web-{number}")).collect();
    let tags: Vec<String> = repositories.iter().map(|repository| fill(&registry, repository, 100)).collect();
    let images: Vec<_> = repositories.iter().map(|repository| registry.image(repository)).collect();
    registry.list_tag("acme/web-19", "2.0.0");
    let client = anonymous();
    let lists = join_all(images.iter().map(|image| list(&client, image))).await;
    assert_eq!(lists[..19], tags[..19]);
    assert_eq!(lists[19], format!("{} 2.0.0", tags[19]));
}

#[tokio::test]
async fn a_list_that_only_looks_cut_costs_one_request_more_until_the_host_shows_that_it_does_not_cut() {
    let asked = async |client: &RegistryClient, registry: &FakeRegistry, repository: &str, tags: &str| {
        let before = registry.requests().tags;
        assert_eq!(list(client, &registry.image(repository)).await, tags);
        registry.requests().tags - before
    };
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.link = LinkStyle::Absent);
    let (tags, long) = (fill(&registry, "acme/web", 100), fill(&registry, "acme/long", 101));
    let client = anonymous();
    assert_eq!(asked(&client, &registry, "acme/web", &tags).await, 2);
    assert_eq!(asked(&client, &registry, "acme/web", &tags).await, 2);
    assert_eq!(asked(&client, &registry, "acme/long", &long).await, 1);
    assert_eq!(asked(&client, &registry, "acme/web", &tags).await, 1);
    // One that names further pages is believed where it names none.
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.page_size = Some(50));
    let (tags, long) = (fill(&registry, "acme/web", 50), fill(&registry, "acme/long", 51));
    let client = anonymous();
    assert_eq!(asked(&client, &registry, "acme/long", &long).await, 2);
    assert_eq!(asked(&client, &registry, "acme/web", &tags).await, 1);
}

#[tokio::test]
async fn an_answer_that_means_nothing_leaves_a_list_that_only_looks_cut_whole_and_trouble_does_not() {
    for status in [401, 403, 404, 410, 416, 429, 500] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| (faults.link, faults.refuses_last) = (LinkStyle::Absent, Some(status)));
        let tags = fill(&registry, "acme/web", 100);
        let found = list(&anonymous(), &registry.image("acme/web")).await;
        if matches!(status, 401 | 429 | 500) {
            assert!(found.starts_with("error: "), "{status}: {found}");
        } else {
            assert_eq!(found, tags, "{status}");
        }
    }
}

#[tokio::test]
async fn a_registry_that_sends_everything_whatever_is_asked_for_costs_one_request_a_list() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| {
        (faults.link, faults.ignores_n, faults.ignores_last) = (LinkStyle::Absent, true, true);
    });
    let repositories = ["acme/web", "acme/api", "acme/job"];
    let tags = repositories.map(|repository| fill(&registry, repository, 1000));
    let client = anonymous();
    for (repository, tags) in repositories.iter().zip(&tags) {
        assert_eq!(list(&client, &registry.image(repository)).await, *tags);
    }
    // Two more, once, to see that it knows no pages.
    assert_eq!(registry.requests().tags, 5);
    // Of many at once, one finds that out, and those that had begun ask anew.
    let client = anonymous();
    let images = repositories.map(|repository| registry.image(repository));
    let lists = join_all(images.iter().map(|image| list(&client, image))).await;
    assert_eq!(lists, tags);
    assert_eq!(registry.requests().tags, 5 + 3 + 2 * 2);
}

#[tokio::test]
async fn a_link_that_cannot_be_read_is_no_end_of_the_list() {
    for (link, error) in [(LinkStyle::HalfOpen, true), (LinkStyle::Unrelated, true), (LinkStyle::Titled, false)] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| (faults.page_size, faults.link) = (Some(10), link));
        let tags = fill(&registry, "acme/web", 25);
        let found = list(&anonymous(), &registry.image("acme/web")).await;
        let said = "says in a way that cannot be read where its list of tags goes on";
        assert!(if error { found.contains(said) } else { found == tags }, "{link:?}: {found}");
    }
}

#[tokio::test]
async fn every_status_for_a_page_size_that_is_too_large_is_understood() {
    for refusal in [
        (400, "TOO_MANY_TAGS_REQUESTED"),
        (405, "UNSUPPORTED"),
        (422, "UNKNOWN"),
        (404, "PAGINATION_NUMBER_INVALID"),
        (413, "PAGINATION_NUMBER_INVALID"),
        (414, "PAGINATION_NUMBER_INVALID"),
    ] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| (faults.refuses_n_above, faults.refusal) = (Some(100), Some(refusal)));
        let tags = fill(&registry, "acme/web", 30);
        assert_eq!(list(&anonymous(), &registry.image("acme/web")).await, tags);
        assert_eq!(registry.queries(), ["n=1000", "n=100"]);
    }
}

#[tokio::test]
async fn a_name_that_is_refused_leaves_the_host_its_page_size() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.refused_name = Some("acme/odd".to_owned()));
    let tags = fill(&registry, "acme/web", 3);
    let client = anonymous();
    let error = list(&client, &registry.image("acme/odd")).await;
    assert!(error.contains("answered 400 (NAME_INVALID"), "{error}");
    assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
    assert_eq!(registry.queries(), ["n=1000", "n=100", "", "n=1000"]);
}

#[tokio::test]
async fn a_list_that_fails_midway_is_an_error() {
    for (status, words) in [(400, "answered 400"), (404, "does not know it"), (500, "answered 500")] {
        for link in [LinkStyle::Relative, LinkStyle::Absent] {
            let registry = FakeRegistry::start().await;
            registry.faults(|faults| {
                (faults.page_size, faults.link, faults.fails_from_page) = (Some(10), link, Some((1, status)));
            });
            fill(&registry, "acme/web", 30);
            let client = with_limits(Limits { page_size: 10, ..quick() });
            let error = list(&client, &registry.image("acme/web")).await;
            assert!(error.starts_with("error: ") && error.contains(words), "{status} {link:?}: {error}");
        }
    }
}

#[tokio::test]
async fn asks_for_less_where_a_registry_refuses_the_page_size() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.refuses_n_above = Some(100));
    let tags = fill(&registry, "acme/web", 150);
    let client = anonymous();
    assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
    assert_eq!(registry.requests().tags, 3);
    // The host is known by now.
    assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
    assert_eq!(registry.requests().tags, 5);
    registry.faults(|faults| faults.refuses_n_above = Some(50));
    assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
    assert_eq!(registry.requests().tags, 7);
}

#[tokio::test]
async fn null_is_an_empty_list_and_an_unknown_repository_an_error() {
    let registry = FakeRegistry::start().await;
    registry.make_empty("acme/empty");
    assert_eq!(list(&anonymous(), &registry.image("acme/empty")).await, "");
    registry.faults(|faults| faults.null_tags = true);
    assert_eq!(list(&anonymous(), &registry.image("acme/empty")).await, "");
    let error = list(&anonymous(), &registry.image("acme/absent")).await;
    assert!(error.contains("does not know it (NAME_UNKNOWN: said by"), "{error}");
    assert!(!error.chars().any(char::is_control), "{error:?}");
}

#[tokio::test]
async fn a_list_that_breaks_off_is_an_error_and_never_short() {
    for (fault, words) in [
        (BodyFault::BreaksOff, "broke off"),
        (BodyFault::Truncated, "not a list of tags: it ends in the middle"),
        (BodyFault::Html, "answered with a web page instead of a registry's JSON"),
    ] {
        for page in [0, 2] {
            let registry = FakeRegistry::start().await;
            registry.faults(|faults| {
                (faults.page_size, faults.list, faults.list_from_page) = (Some(10), fault, page);
            });
            fill(&registry, "acme/web", 30);
            let error = list(&anonymous(), &registry.image("acme/web")).await;
            assert!(error.starts_with("error: ") && error.contains(words), "{fault:?} {page}: {error}");
            assert!(error.contains(&registry.host()), "{error}");
            // A connection that breaks is tried once more; what came whole and wrong is not.
            let tries = if fault == BodyFault::BreaksOff { 2 } else { 1 };
            assert_eq!(registry.requests().tags, page + tries, "{fault:?} {page}");
        }
    }
}

#[tokio::test]
async fn a_page_that_breaks_once_is_asked_for_again() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| {
        (faults.page_size, faults.list, faults.list_from_page) = (Some(10), BodyFault::BreaksOff, 1);
        faults.list_times = Some(1);
    });
    let tags = fill(&registry, "acme/web", 30);
    assert_eq!(list(&anonymous(), &registry.image("acme/web")).await, tags);
    assert_eq!(registry.requests().tags, 4);
}

#[tokio::test]
async fn caps_name_the_image_and_the_cap() {
    let registry = FakeRegistry::start().await;
    fill(&registry, "acme/web", 50);
    registry.faults(|faults| faults.page_size = Some(10));
    let image = registry.image("acme/web");
    for (limits, words) in [
        (Limits { pages: 3, ..quick() }, "the cap of 3 pages; raise `limits.maxPages`"),
        (Limits { tags: 25, ..quick() }, "the cap of 25 tags; raise `limits.maxTags`"),
        (Limits { list_bytes: 300, ..quick() }, "the cap of 300 bytes; raise `limits.maxTagListSize`"),
    ] {
        let error = list(&with_limits(limits), &image).await;
        assert!(error.starts_with(&format!("error: {image}: ")) && error.contains(words), "{error}");
    }
    let enough = Limits { pages: 5, tags: 50, ..quick() };
    assert_eq!(list(&with_limits(enough), &image).await.split(' ').count(), 50);
}

#[tokio::test]
async fn reads_a_list_of_a_million_tags_in_one_page() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.generated = Some(1_000_000));
    let image = registry.image("acme/web");
    let tags = anonymous().tags(&image).await.unwrap();
    assert_eq!(tags.list.len(), 1_000_000);
    assert_eq!(tags.list.iter().last().unwrap().1, "1.999999.0");
    registry.faults(|faults| faults.generated = Some(1_000_001));
    assert!(list(&anonymous(), &image).await.contains("the cap of 1000000 tags"));
    let small = Limits { list_bytes: 4 << 20, ..quick() };
    assert!(list(&with_limits(small), &image).await.contains("the cap of 4194304 bytes"));
}

#[tokio::test]
async fn a_text_without_an_end_is_not_held() {
    let registry = FakeRegistry::start().await;
    registry.list_tag("acme/web", "1.0.0");
    registry.list_tag("acme/web", &"x".repeat(3 << 20));
    let error = list(&anonymous(), &registry.image("acme/web")).await;
    assert!(error.contains("not a list of tags: it holds a text that is far too long for a tag"), "{error}");
    // Long texts beside it are, as far as they go, and what is escaped in them ends none.
    let registry = FakeRegistry::start().await;
    let odd = format!("{}\\\"", "\\\"".repeat(9_000));
    (0..60).for_each(|number| registry.list_tag("acme/web", &format!("{odd}{number}")));
    registry.list_tag("acme/web", "1.0.0");
    let tags = anonymous().tags(&registry.image("acme/web")).await.unwrap();
    assert_eq!((tags.list.len(), tags.list.invalid().1), (1, 60));
}

#[tokio::test]
async fn texts_that_are_no_tags_are_kept_apart_and_escaped() {
    let registry = FakeRegistry::start().await;
    for tag in ["1.0.0", "\u{1b}[31mred", "line\nbreak", "-x", "1.1.0"] {
        registry.list_tag("acme/web", tag);
    }
    let tags = anonymous().tags(&registry.image("acme/web")).await.unwrap();
    assert_eq!(tags.list.len(), 2);
    let (examples, count) = tags.list.invalid();
    assert_eq!((examples, count), (["\\u{1b}[31mred", "line\\nbreak", "-x"].map(str::to_owned).as_slice(), 3));
}

#[tokio::test]
async fn a_host_sees_no_more_images_at_once_than_it_is_set_to() {
    let registry = FakeRegistry::start().await;
    let images: Vec<_> = (0..40).map(|number| registry.image(&format!("acme/web-{number}"))).collect();
    (0..40).for_each(|number| registry.list_tag(&format!("acme/web-{number}"), "1.0.0"));
    let host = HostSettings { concurrency: Some(3), ..HostSettings::of(&registry.host()) };
    let client = with_settings(Settings { hosts: vec![host], limits: quick(), ..Settings::default() });
    let lists = join_all(images.iter().map(|image| list(&client, image))).await;
    assert!(lists.iter().all(|list| list == "1.0.0"), "{lists:?}");
    assert_eq!(registry.requests().tags, 40);
    assert!((1..=3).contains(&registry.most_at_once()), "{}", registry.most_at_once());
}
