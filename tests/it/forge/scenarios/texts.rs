//! Titles, bodies and messages: templates, release notes.

use tagboat::model::proposal::Action;

use crate::forge::scenarios::{AUTO, HEAD, Kind, PLAIN, Stage, WEB, manifest};
use crate::support::forge::Fault;

pub(in crate::forge) async fn titles_bodies_and_messages_follow_the_templates(kind: Kind) {
    let templates = "commit: {message: \"bump({{ environment }}): {{ summary }}\\n\\nTagboat-Key: forged\", signOff: true}\n\
                     pullRequest:\n  title: \"[{{ environment }}]  {{ images[0].short }} {{ images[0].new }} {{ files | join(' ') }}\"\n  body: |\n    \
                     Please look, @acme/sre.\n    /merge\n    <!-- tagboat: {} -->\n    {{ default }}\n";
    let stage = Stage::new(kind, templates);
    stage.push("main", "prod/my_*web*.yaml", &manifest("1.4.0"));
    assert_eq!(stage.acts(8).await, Some(Action::Opened));
    let pull = stage.only();
    assert_eq!(pull.title, "[prod] web 1.5.0 prod/my_*web*.yaml prod/web.yaml", "a title is no Markdown");
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

/// GitLab looks for closing keywords in the description as it is written, also within code.
pub(in crate::forge) async fn the_name_of_a_file_closes_nothing(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.push("main", "prod/closes #7, !3.yaml", &manifest("1.4.0"));
    assert_eq!(stage.acts(8).await, Some(Action::Opened));
    let body = stage.only().body;
    assert!(body.contains("`prod/closes #\u{2060}7, !\u{2060}3.yaml`") && !body.contains("#7"), "{body}");
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

pub(in crate::forge) async fn release_notes_of_many_images_are_asked_for_ten_times_in_a_pass(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    let host = stage.address.strip_prefix("http://").unwrap();
    for number in 0..12 {
        let image = format!("ghcr.io/acme/web{number}");
        let source = format!("https://{host}/{}acme/web{number}", kind.below);
        for tag in ["1.4.0", "1.5.0"] {
            stage.tags.label(&image, tag, &source, "0123456789abcdef");
        }
        stage.tags.set(&image, ["1.4.0", "1.5.0"]);
        let file = format!("prod/web{number}.yaml");
        stage.push("main", &file, &manifest("1.4.0").replace(WEB, &image));
    }
    stage.requests();
    let outcome = stage.outcome("mirror", 8).await;
    let opened = outcome.proposals.iter().filter(|proposal| proposal.action == Action::Opened).count();
    let asked: Vec<String> = stage
        .store
        .requests()
        .into_iter()
        .filter(|line| line.starts_with("GET ") && line.contains("/releases"))
        .collect();
    assert_eq!((opened, asked.len()), (13, 10), "{asked:#?}");
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

/// Words that close an issue on one of the forges, right before what is one's name.
fn closes_something(text: &str) -> bool {
    let words: Vec<&str> = text.split([' ', '\n']).collect();
    words.windows(2).any(|pair| {
        let keyword = pair[0].trim_end_matches(':').rsplit(|letter: char| !letter.is_ascii_alphanumeric()).next();
        let is_closing = keyword.is_some_and(|word| ["fixes", "closes", "fix"].contains(&word));
        is_closing
            && pair[1].starts_with(|first: char| first.is_ascii_alphanumeric() || "#!".contains(first))
            && pair[1].chars().any(|letter| letter.is_ascii_digit())
    })
}

pub(in crate::forge) async fn no_name_and_no_tag_closes_an_issue(kind: Kind) {
    assert!(
        closes_something("acme/fixes gh-1") && closes_something("x/fix: ACME-1") && closes_something("a-closes 12")
    );
    assert!(!closes_something("acme/fixes from gh-1 to gh-2") && !closes_something("fixes \"gh-1\" -> gh-2"));
    for (image, tag, pins) in
        [("fixes", "gh-", ""), ("shop-closes", "ACME-", ""), ("fix", "", ""), ("fixes", "gh-", ", pin: digest")]
    {
        let stage = Stage::new(kind, AUTO);
        let config = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
        let policy = format!("numeric: asc\n    tags: '^{tag}([0-9]+)$'{}", pins.replace(", ", "\n    "));
        stage.push("main", ".tagboat.yaml", &config.replace("semver: 1.x", &policy));
        let image = format!("ghcr.io/acme/{image}");
        let manifest =
            |tag: &str| format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {image}:{tag}\n");
        stage.push("main", "prod/web.yaml", &manifest(&format!("{tag}1")));
        stage.tags.set(&image, [format!("{tag}1"), format!("{tag}2")].iter().map(String::as_str));
        assert_eq!(stage.acts(8).await, Some(Action::Opened), "{image}");
        let pull = stage.only();
        let message = stage.store.repository.git(&["log", "-1", "--format=%B", &pull.sha]);
        for text in [&message, &pull.title, &pull.body] {
            assert!(!closes_something(text), "{text}");
        }
        stage.check("build", kind.words[0]);
        assert_eq!(stage.acts(9).await, Some(Action::Merged), "{image}");
        // The digest of a tag that stays.
        if !pins.is_empty() {
            stage.push("main", "prod/web.yaml", &manifest(&format!("{tag}2")));
            assert_eq!(stage.acts(10).await, Some(Action::Opened));
            let title = stage.pulls().last().unwrap().title.clone();
            assert!(!closes_something(&title), "{title}");
        }
    }
}

pub(in crate::forge) async fn a_body_is_cut_to_what_the_forge_takes(kind: Kind) {
    let limit = (kind.client)("http://forge.example").body_limit();
    // Each is told in more than 600 characters.
    let name = |number: usize| format!("ghcr.io/acme/{}-{number}", "service-".repeat(25));
    let images: Vec<String> = (0..limit / 600).map(name).collect();
    let rows: String = images.iter().map(|image| format!("  - image: {image}:1.4.0\n")).collect();
    let stage = Stage::new(kind, "groups:\n  - name: all\n    images: [ghcr.io/acme/*]\n");
    for image in &images {
        stage.tags.set(image, ["1.4.0", "1.5.0"]);
    }
    let folder = "folder-".repeat(20);
    let text = format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n{rows}");
    stage.push("main", &format!("prod/{folder}/all.yaml"), &text);
    assert_eq!(stage.acts(8).await, Some(Action::Opened));
    let pull = stage.only();
    let length = pull.body.chars().count();
    assert!(length <= limit && length > limit - limit / 10 - 3_000, "{length} of {limit}");
    assert!(pull.body.contains(" more") && pull.body.contains("What you can do"), "cut at whole rows, with a count");
    assert_eq!(pull.body.matches("<!-- tagboat: ").count(), 1);
    for row in pull.body.lines().filter(|line| line.starts_with("| `")) {
        assert!(row.ends_with('|') && row.contains("`1.5.0`"), "{row}");
    }
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(9).await, Some(Action::Updated));
    assert!(stage.only().body.chars().count() <= limit);
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
}

pub(in crate::forge) async fn versions_are_linked_and_say_when_they_were_published(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    let config = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
    stage.push("main", ".tagboat.yaml", &config.replace("semver: 1.x", "newest: true"));
    stage.tags.made(WEB, "1.4.0", "2026-11-01T08:00:00Z");
    stage.tags.made(WEB, "1.5.0", "2026-11-18T14:02:00Z");
    assert_eq!(stage.acts(8).await, Some(Action::Opened));
    let body = stage.only().body;
    let row = "| `ghcr.io/acme/web` | [`1.4.0`](https://ghcr.io/acme/web) | [`1.5.0`](https://ghcr.io/acme/web) | 2026-11-18 14:02 UTC |";
    assert!(body.contains("| image | from | to | published |") && body.contains(row), "{body}");
    assert_eq!(stage.acts(9).await, Some(Action::Unchanged));
}

pub(in crate::forge) async fn a_title_that_begins_as_a_draft_s_makes_no_draft(kind: Kind) {
    for begin in ["wip: ", "[WIP] ", "draft: ", "[Draft] ", "(draft) ", "Draft : "] {
        let title = format!("pullRequest: {{title: \"{begin}{{{{ default }}}}\"}}\n");
        let stage = Stage::new(kind, &format!("{AUTO}{title}"));
        assert_eq!(stage.acts(8).await, Some(Action::Opened), "{begin}");
        assert!(!stage.only().draft, "{begin}: {}", stage.only().title);
        stage.requests();
        assert_eq!(stage.acts(8).await, Some(Action::Unchanged), "{begin}: {}", stage.only().title);
        assert_eq!(stage.requests().1, Vec::<String>::new(), "{begin}");
        stage.check("build", kind.words[0]);
        assert_eq!(stage.acts(9).await, Some(Action::Merged), "{begin}");
    }
}

pub(in crate::forge) async fn a_title_is_cut_so_that_the_mark_of_a_draft_has_room(kind: Kind) {
    for length in [247, 248, 249, 250, 300] {
        let stage = Stage::new(kind, &format!("pullRequest: {{draft: true, title: \"{}\"}}\n", "ü".repeat(length)));
        let (action, reason) = stage.pass(8).await;
        assert_eq!(action, Some(Action::Opened), "{length}: {reason}");
        assert!(stage.only().draft);
        assert_eq!(stage.only().title.chars().count(), length.min(248));
        stage.requests();
        assert_eq!(stage.acts(8).await, Some(Action::Unchanged));
        assert_eq!(stage.requests().1, Vec::<String>::new(), "{length}");
    }
}

pub(in crate::forge) async fn what_stays_a_draft_says_that_a_person_marks_it_as_ready(kind: Kind) {
    let stage = Stage::new(kind, &format!("{AUTO}pullRequest: {{draft: true}}\n"));
    stage.acts(8).await;
    let says = "Tagboat merges this once a person has marked it as ready, and every gate and every check has passed.";
    assert!(stage.only().body.contains(says), "{}", stage.only().body);
    stage.check("build", kind.words[0]);
    let config = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
    stage.push("main", ".tagboat.yaml", &config.replace("draft: true", "draft: false"));
    let (action, reason) = stage.pass(9).await;
    assert!(action == Some(Action::Unchanged) && reason.contains("until a person has marked it as ready"), "{reason}");
    assert!(stage.only().body.contains(says), "{}", stage.only().body);
    stage.store.change(1, |pull| pull.draft = false);
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
    assert!(!stage.only().body.contains(says), "{}", stage.only().body);
    stage.push("main", ".tagboat.yaml", &config.replace(AUTO, ""));
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    stage.outcome("mirror", 10).await;
    let body = stage.pulls()[1].body.clone();
    assert!(body.contains("\nA person marks this as ready, and merges it."), "{body}");
}
