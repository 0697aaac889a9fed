use super::*;
use crate::model::change::Change;
use crate::model::file::{Position, RepoPath};

fn change(image: &str, from: &str, to: &str) -> Change {
    let value = |text: &str| Value { tag: Some(text.parse().unwrap()), digest: None };
    Change {
        file: RepoPath::new("dev/web.yaml").unwrap(),
        position: Position { line: 1, column: 1 },
        bytes: 0..5,
        replaces: from.to_owned(),
        with: to.to_owned(),
        environment: "dev".into(),
        group: "web".into(),
        image: image.parse().unwrap(),
        from: value(from),
        to: value(to),
        step: None,
        published: None,
        uses: Vec::new(),
    }
}

fn planned(changes: Vec<Change>) -> String {
    let file = RepoPath::new("dev/web.yaml").unwrap();
    let files = vec![FileEdit { file, before: b"a".to_vec(), after: b"b".to_vec() }];
    let set = ChangeSet { changes, files, refused: Vec::new() };
    let style = CommitStyle { trailers: vec![("Team".into(), "shop".into())], ..CommitStyle::default() };
    commits(&[("dev".into(), set)], &style).remove(0).plan.message
}

#[test]
fn a_commit_names_its_image_and_carries_trailers() {
    insta::assert_snapshot!(planned(vec![change("ghcr.io/acme/web", "1.4.0", "1.5.0")]), @"
    dev: update web to 1.5.0

    - ghcr.io/acme/web from 1.4.0 to 1.5.0

    Tagboat-Environment: dev
    Tagboat-Image: ghcr.io/acme/web 1.4.0 -> 1.5.0
    Tagboat-Key: 4ebfb139ca766f0c51a0c88b5d8153a8
    Team: shop
    ");
}

#[test]
fn several_images_are_counted_in_the_subject_and_listed_below() {
    let message = planned(vec![
        change("nginx", "1.24", "1.25"),
        change("nginx", "1.24", "1.25"),
        change("ghcr.io/acme/web", "1.4.0", "1.5.0"),
    ]);
    assert!(
        message.starts_with("dev: update 2 images\n\n- docker.io/library/nginx from 1.24 to 1.25\n- ghcr.io"),
        "{message}"
    );
    assert_eq!(message.matches(TRAILER_IMAGE).count(), 2);
}

#[test]
fn an_environment_without_changed_files_makes_no_commit() {
    assert_eq!(commits(&[("dev".into(), ChangeSet::default())], &CommitStyle::default()), Vec::new());
}

/// Words that close an issue on one of the forges right before what is one's name, and mentions.
fn means_something(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_name = |word: &str| {
        let is_key = word.split_once('-').is_some_and(|(project, number)| {
            project.chars().all(|letter| letter.is_ascii_alphabetic())
                && number.starts_with(|one: char| one.is_ascii_digit())
        });
        word.contains("://")
            || is_key
            || word.split_once(['#', '!']).is_some_and(|(_, rest)| rest.starts_with(|one: char| one.is_ascii_digit()))
    };
    let closes = words.windows(2).any(|pair| {
        let last = pair[0].trim_end_matches(':').rsplit(|letter: char| !letter.is_ascii_alphanumeric()).next();
        let is_keyword =
            last.is_some_and(|last| CLOSING.iter().any(|stem| last.to_ascii_lowercase().starts_with(stem)));
        is_keyword && is_name(pair[1])
    });
    let mentions =
        text.match_indices('@').any(|(at, _)| text[at + 1..].starts_with(|one: char| one.is_ascii_alphanumeric()));
    closes || mentions
}

fn returned(failed: &str, reason: &str) -> String {
    let note = OrderNote {
        order: Ordered::Rollback,
        holds: Vec::new(),
        skipped: BTreeSet::new(),
        publish: Publish::Commit,
        by: None,
        reason: Some(reason.to_owned()),
        failed: Some(failed.to_owned()),
        notes: Vec::new(),
    };
    let changes = [change("ghcr.io/acme/fixes", "gh-2", "gh-1")];
    ordered_commit(&"dev".into(), &changes, Vec::new(), &CommitStyle::default(), &note).plan.message
}

#[test]
fn what_strangers_call_their_checks_means_nothing_in_a_commit() {
    for named in [
        "ci/fixes #3",
        "Closes: GH-1",
        "resolves acme/web#4",
        "fixes https://forge.acme.example/1",
        "fix !2",
        "@ada",
        "closes ACME-1",
    ] {
        assert!(means_something(named), "{named}");
        let message = returned(named, named);
        assert!(!means_something(&message), "{message}");
        // It is still told, with nothing but joiners between its letters.
        assert_eq!(message.replace('\u{2060}', "").matches(named).count(), 3, "{message}");
    }
}

#[test]
fn no_tag_and_no_image_means_anything_in_a_commit() {
    for image in ["ghcr.io/acme/fixes", "ghcr.io/acme/web-closes", "fix", "ghcr.io/acme/resolved"] {
        for (from, to) in [("gh-1", "gh-2"), ("ACME-1", "ACME-2"), ("1", "2"), ("fixes", "closes"), ("fixes-1", "gh-1")]
        {
            let message = planned(vec![change(image, from, to)]);
            assert!(!means_something(&message), "{message}");
        }
    }
    for forbidden in ["#12", "@user", "fixes #3", "a!1", "a/b"] {
        assert!(forbidden.parse::<crate::model::image::Tag>().is_err(), "{forbidden} is no tag");
    }
}
