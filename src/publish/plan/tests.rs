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
