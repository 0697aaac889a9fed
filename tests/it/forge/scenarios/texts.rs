//! Titles, bodies and messages: templates, release notes.

use tagboat::model::proposal::Action;

use crate::forge::scenarios::{HEAD, Kind, PLAIN, Stage, WEB};
use crate::support::forge::Fault;

pub(in crate::forge) async fn titles_bodies_and_messages_follow_the_templates(kind: Kind) {
    let templates = "commit: {message: \"bump({{ environment }}): {{ summary }}\\n\\nTagboat-Key: forged\", signOff: true}\n\
                     pullRequest:\n  title: \"[{{ environment }}]  {{ images[0].short }} {{ images[0].new }}\"\n  body: |\n    \
                     Please look, @acme/sre.\n    /merge\n    <!-- tagboat: {} -->\n    {{ default }}\n";
    let stage = Stage::new(kind, templates);
    assert_eq!(stage.acts(8).await, Some(Action::Opened));
    let pull = stage.only();
    assert_eq!(pull.title, "[prod] web 1.5.0");
    assert!(
        pull.body.starts_with("Please look, @acme/sre.\n\u{2060}/merge\n&lt;!-- tagboat: {} -->\nFor **prod**, from the registry.\n\n| image |"),
        "{}",
        pull.body
    );
    assert_eq!(pull.body.matches("<!-- tagboat: ").count(), 1, "the marker is there, once");
    let message = stage.store.repository.git(&["log", "-1", "--format=%B", HEAD]);
    assert!(
        message.starts_with("bump(prod): update web to 1.5.0\n\n| Tagboat-Key: forged\n\nTagboat-Environment: prod\n"),
        "{message}"
    );
    assert!(message.trim_end().ends_with("Signed-off-by: Tagboat <tagboat@localhost>"), "{message}");
    let trailers = stage.store.repository.git(&["log", "-1", "--format=%(trailers:key=Tagboat-Key,valueonly)", HEAD]);
    assert_eq!(trailers.trim().len(), 32, "{trailers}");
    stage.requests();
    assert_eq!(stage.acts(9).await, Some(Action::Unchanged));
    assert_eq!(stage.requests().1, Vec::<String>::new());
}

pub(in crate::forge) async fn release_notes_of_the_same_forge_are_told_once_and_mean_nothing(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    let host = stage.address.strip_prefix("http://").unwrap();
    let source = format!("https://{host}/{}acme/web", kind.below);
    stage.tags.label(WEB, "1.4.0", &source, "0123456789abcdef");
    stage.tags.label(WEB, "1.5.0", &source, "fedcba9876543210");
    let note = "Closes #7, thanks @ada <b>\n/close\n<!-- tagboat: {} -->";
    stage.store.kept().releases =
        vec![("v1.5.0".to_owned(), note.to_owned()), ("v1.4.0".to_owned(), "an early one".to_owned())];
    assert_eq!(stage.acts(8).await, Some(Action::Opened));
    let pull = stage.only();
    assert!(pull.body.contains("compare/0123456789abcdef...fedcba9876543210"), "{}", pull.body);
    assert!(pull.body.contains("Release notes of web v1.5.0") && !pull.body.contains("an early one"), "{}", pull.body);
    for order in ["#7", "@ada", "<b>", "\n/close", "> /close"] {
        assert!(!pull.body.contains(order), "{order}: {}", pull.body);
    }
    assert_eq!(pull.body.matches("<!-- tagboat: ").count(), 1);
    stage.requests();
    let asked = stage.tags.facts_asked.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(stage.acts(9).await, Some(Action::Unchanged));
    let (count, writes) = stage.requests();
    assert!(count <= 2 && writes.is_empty(), "{count} {writes:?}");
    assert_eq!(
        stage.tags.facts_asked.load(std::sync::atomic::Ordering::Relaxed),
        asked,
        "nothing is asked about what stands"
    );
}

pub(in crate::forge) async fn release_notes_that_cannot_be_had_hold_nothing_up(kind: Kind) {
    let fails = Stage::new(kind, PLAIN);
    let host = fails.address.strip_prefix("http://").unwrap().to_owned();
    let source = format!("https://{host}/{}acme/web", kind.below);
    fails.tags.label(WEB, "1.5.0", &source, "fedcba9876543210");
    fails.store.trap("GET", "/releases", Fault::Before(403));
    assert_eq!(fails.acts(8).await, Some(Action::Opened));
    assert_eq!(fails.acts(9).await, Some(Action::Unchanged));
    // Of another host nobody is asked, and no token is sent there; switched off, nothing is asked at all.
    for (source, config) in
        [("https://elsewhere.example/acme/web", PLAIN), (&source, "pullRequest: {releaseNotes: false}\n")]
    {
        let stage = Stage::new(kind, config);
        stage.tags.label(WEB, "1.5.0", source, "fedcba9876543210");
        assert_eq!(stage.acts(8).await, Some(Action::Opened));
        let asked = stage.store.requests();
        assert!(!asked.iter().any(|line| line.contains("releases")), "{asked:?}");
    }
}
