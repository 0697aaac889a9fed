use super::*;

fn hold(image: &str, tag: &str) -> Hold {
    Hold {
        environment: Some("prod".into()),
        image: image.parse().unwrap(),
        tag: tag.parse().unwrap(),
        digest: None,
        until: Some("2026-12-01T00:00:00Z".parse().unwrap()),
        by: Some("Jo \"J\" Doe".to_owned()),
        reason: Some("loses sessions: see #12".to_owned()),
    }
}

fn bare(image: &str, tag: &str) -> Hold {
    Hold { environment: None, until: None, by: None, reason: None, ..hold(image, tag) }
}

const WRITTEN: &str = "version: 1
holds:
  - image: ghcr.io/acme/web
    tag: \"1.5.0\"
    environment: \"prod\"
    until: 2026-12-01T00:00:00Z
    by: \"Jo \\\"J\\\" Doe\"
    reason: \"loses sessions: see #12\"
";

#[test]
fn a_hold_that_was_written_is_read_back() {
    let text = add("", &hold("ghcr.io/acme/web", "1.5.0")).unwrap();
    assert_eq!(text, WRITTEN);
    assert_eq!(parse(HOLDS_FILE, text.as_bytes()).unwrap(), [hold("ghcr.io/acme/web", "1.5.0")]);
    let (released, gone) = release(&text, |_| true).unwrap();
    assert_eq!((released.as_str(), gone.len()), ("version: 1\nholds: []\n", 1));
    let again = add(&released, &hold("ghcr.io/acme/web", "1.5.0")).unwrap();
    assert_eq!(again, WRITTEN);
}

#[test]
fn an_edit_leaves_every_other_line_as_it_is() {
    let text = "# who may hold: sre\r\nversion: 1\r\nholds: # the list\r\n- tag:   '1.0'   # odd\r\n  image: nginx\r\n\r\n- {image: redis, tag: \"7\"}\r\n# the end";
    let added = add(text, &bare("ghcr.io/acme/web", "2.0.0")).unwrap();
    assert_eq!(
        added,
        "# who may hold: sre\r\nversion: 1\r\nholds: # the list\r\n- tag:   '1.0'   # odd\r\n  image: nginx\r\n\r\n- {image: redis, tag: \"7\"}\r\n- image: ghcr.io/acme/web\r\n  tag: \"2.0.0\"\r\n# the end"
    );
    let (back, gone) = release(&added, |hold| hold.image.as_str() == "ghcr.io/acme/web").unwrap();
    assert_eq!((back.as_str(), gone.len()), (text, 1));
    let (less, _) = release(text, |hold| hold.image.as_str() == "docker.io/library/nginx").unwrap();
    assert_eq!(less, text.replace("- tag:   '1.0'   # odd\r\n  image: nginx\r\n", ""));
    assert_eq!(release(text, |_| false).unwrap().0, text);
}

#[test]
fn lists_are_begun_where_there_is_none() {
    let entry = "  - image: docker.io/library/nginx\n    tag: \"1.27\"\n";
    for (before, after) in [
        ("version: 1\n", format!("version: 1\nholds:\n{entry}")),
        ("version: 1", format!("version: 1\nholds:\n{entry}")),
        ("version: 1\nholds: []\n", format!("version: 1\nholds:\n{entry}")),
        ("version: 1\nholds: []", format!("version: 1\nholds:\n{entry}")),
        ("holds: [] # none\nversion: 1\n", format!("holds: # none\n{entry}version: 1\n")),
        ("version: 1\nholds:\n", format!("version: 1\nholds:\n{entry}")),
        (
            "version: 1\nholds: # none\n#- image: redis\n",
            format!("version: 1\nholds: # none\n{entry}#- image: redis\n"),
        ),
        ("# nothing yet\n", format!("# nothing yet\nversion: 1\nholds:\n{entry}")),
    ] {
        assert_eq!(add(before, &bare("nginx", "1.27")).map_err(|error| error.to_string()), Ok(after), "{before:?}");
    }
}

#[test]
fn a_list_of_which_every_entry_is_commented_out_holds_nothing() {
    for text in ["version: 1\nholds:\n#  - image: nginx\n#    tag: '1'\n", "version: 1\nholds: ~\n"] {
        assert_eq!(parse(HOLDS_FILE, text.as_bytes()).unwrap(), []);
        assert_eq!(release(text, |_| true).unwrap(), (text.to_owned(), Vec::new()));
    }
}

#[test]
fn an_entry_of_an_environment_that_there_is_not_is_a_fault_with_its_place() {
    let text = "version: 1\nholds:\n- {image: nginx, tag: '1', environment: prd}\n- {image: nginx, tag: '1', environment: prod}\n";
    let prod = crate::config::repository::parse(
        "a",
        b"version: 1\nenvironments:\n- {name: prod, files: ['**']}\nimages:\n- {match: '**', semver: minor}\n",
    );
    let faults = parse_for(HOLDS_FILE, text.as_bytes(), &prod.unwrap().environments).unwrap_err();
    assert_eq!(
        faults.to_string(),
        ".tagboat/holds.yaml:3:41: there is no environment `prd`, so this holds nothing (did you mean `prod`?)"
    );
    assert_eq!(parse(HOLDS_FILE, text.as_bytes()).unwrap().len(), 2, "what is to be released is read all the same");
}

#[test]
fn what_cannot_be_edited_safely_is_left_to_people() {
    let named = "version: 1\nholds:\n- &a\n  image: nginx\n  tag: '1'\n- *a\n";
    assert_eq!(parse(HOLDS_FILE, named.as_bytes()).unwrap().len(), 2);
    let is_first = std::cell::Cell::new(true);
    let (less, gone) = release(named, |_| !is_first.replace(false)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((less.as_str(), gone.len()), ("version: 1\nholds:\n- &a\n  image: nginx\n  tag: '1'\n", 1));
    let is_first = std::cell::Cell::new(true);
    assert!(matches!(release(named, |_| is_first.replace(false)), Err(EditError::Form(_))), "the other one needs it");
    let wrong = "version: 1\nholds:\n- image: nginx\n  tags: 1\n";
    let faults = parse(HOLDS_FILE, wrong.as_bytes()).unwrap_err();
    let told = faults.to_string();
    assert!(told.contains("tags"), "{told}");
    assert!(matches!(add(wrong, &bare("redis", "7")), Err(EditError::Faults(_))));
}

#[test]
fn a_hold_ends_at_its_time_and_reaches_the_environments_after_its_own() {
    let held = hold("ghcr.io/acme/web", "1.5.0");
    let (image, tag) = (held.image.clone(), held.tag.clone());
    let before = "2026-11-30T23:59:59Z".parse().unwrap();
    let (prod, staging): (EnvironmentName, EnvironmentName) = ("prod".into(), "staging".into());
    assert!(held.covers(&[&prod], &image, &tag, before));
    assert!(held.covers(&[&"late".into(), &prod], &image, &tag, before));
    assert!(!held.covers(&[&staging], &image, &tag, before));
    assert!(!held.covers(&[&prod], &image, &tag, "2026-12-01T00:00:00Z".parse().unwrap()));
    assert!(!held.covers(&[&prod], &image, &"1.5.1".parse().unwrap(), before));
    assert!(held.covers(&[&prod], &image, &"v1.5.0".parse().unwrap(), before), "people write both");
    let worded = Hold { tag: "vnext".parse().unwrap(), ..held };
    assert!(!worded.covers(&[&prod], &image, &"next".parse().unwrap(), before), "that is a word");
}

/// Every layout holds nginx 1, then redis 7.
const LAYOUTS: [&str; 19] = [
    "version: 1\nholds:\n- image: nginx\n  tag: '1'\n- image: redis\n  tag: 7\n",
    "version: 1\nholds:\n  -\n    image: nginx # why\n    tag: '1'\n\n  - # second\n    image: redis\n    tag: 7",
    "holds:\n- {image: nginx, tag: '1'}   # a - b\n# - {image: gone, tag: 1}\n- {image: redis, tag: 7}\n\nversion: 1 # end",
    "version: 1\nholds: [{image: nginx, tag: '1'}, {image: redis, tag: 7}] # a, b\n",
    "version: 1\nholds: [ {image: nginx, tag: '1'}, {image: redis, tag: 7}, ]\n",
    "version: 1\nholds: [\n  {image: nginx, tag: '1'}, # why, indeed\n  # and\n  {image: redis, tag: 7}, # ]\n]\n",
    "version: 1\nholds: [\n  {image: nginx, tag: '1'},\n  {image: redis, tag: 7} # last\n]\n",
    "version: 1\nholds:\n  [{image: nginx, tag: '1'},\n   {image: redis, tag: 7}]\n",
    "{version: 1, holds: [{image: nginx, tag: '1'}, {image: redis, tag: 7}]}\n",
    "{\"version\": 1,\r\n \"holds\": [\r\n  {\"image\": \"nginx\", \"tag\": \"1\"},\r\n  {\"image\": \"redis\", \"tag\": \"7\"}\r\n ]}\r\n",
    "\u{feff}version: 1\r\nholds:\r\n# first\r\n- image: nginx\r\n  tag: '1'\r\n- image: redis\r\n  tag: 7",
    "version: 1\nholds:\n- &a\n  image: nginx\n  tag: '1'\n- image: &b redis\n  tag: 7\n  reason: *b\n",
    "version: 1\n'holds' : # a: b\n- image: nginx\n  tag: '1'\n  reason: >\n    long, - and\n\n    # no comment\n- image: redis\n  tag: 7\n  reason: |+\n    kept\n\n",
    "---\nversion: 1\nholds:\n- tag: '1'\n  image: nginx\n  reason:\n- tag: 7\n  until: ~\n  image: redis\n...\n",
    "version: !!str 1\nholds:\n- {tag: !!str 1, image: nginx}\n- {tag: 7, image: redis, by: 42, reason: yes}\n",
    "version: 1\nholds: &all\n- image: \"nginx\"\n  tag: \"1\"\n- image: 'redis'\n  tag: '7'\n  by: \"two\\nlines\"\n",
    "version: 1\nholds: [{image: nginx, tag: '1', reason: 'a, ] b'}\n,{image: redis, tag: 7}\n]\n",
    "version: 1\nholds:\n  - image: nginx\n    tag: '1'\n    reason: |\n      text\n  # of the next one\n  - image: redis\n    tag: 7\n    reason: >-\n      text\n\n  # last\n",
    "holds:\n- image: nginx\n  tag: '1'\n  reason: |2\n    # no comment\n\n# of the next\n\n# one\n- image: redis\n  tag: 7\n  reason: |\n    text\n# of the key\nversion: 1\n",
];

#[test]
fn every_layout_that_yaml_allows_is_read_and_edited_around() {
    for text in LAYOUTS {
        let held = parse(HOLDS_FILE, text.as_bytes()).unwrap_or_else(|faults| panic!("{faults}: {text}"));
        let names: Vec<String> = held.iter().map(|hold| format!("{}:{}", hold.image, hold.tag)).collect();
        assert_eq!(names, ["docker.io/library/nginx:1", "docker.io/library/redis:7"], "{text}");
        let new = hold("localhost:5000/acme/web", "1.5.0");
        let added = add(text, &new).unwrap_or_else(|error| panic!("{error}: {text}"));
        let expected: Vec<Hold> = held.iter().cloned().chain([new.clone()]).collect();
        assert_eq!(parse(HOLDS_FILE, added.as_bytes()).unwrap(), expected, "{added}");
        // Every byte that was there still is, in its order; what came between them is the entry.
        assert!(is_within(text, &added), "{text:?} is not within {added:?}");
        assert_eq!(added.contains("\r\n"), text.contains("\r\n"));
        assert!(!added.replace("\r\n", "").contains('\n') || !text.contains("\r\n"), "{added:?}");
        let (back, gone) = release(&added, |hold| *hold == new).unwrap_or_else(|error| panic!("{error}: {added}"));
        assert_eq!(gone, std::slice::from_ref(&new));
        let plain = |text: &str| text.replace(",", "").trim_end().to_owned();
        assert_eq!(plain(&back), plain(text), "only a comma or the end of the last line may be another");
        for one in &held {
            let (less, gone) = release(text, |hold| hold == one).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(gone, std::slice::from_ref(one));
            assert!(is_within(&less, text), "{less:?} is not within {text:?}");
            assert_eq!(comments(&less), comments(text), "{less}");
        }
        let (none, gone) = release(text, |_| true).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!((gone.len(), parse(HOLDS_FILE, none.as_bytes()).unwrap().len()), (2, 0), "{none}");
        let again = add(&none, &new).unwrap_or_else(|error| panic!("{error}: {none:?}"));
        assert_eq!(parse(HOLDS_FILE, again.as_bytes()).unwrap(), [new], "{again}");
    }
}

/// Whether all of a text stands in another one, in its order.
fn is_within(text: &str, other: &str) -> bool {
    let mut letters = other.chars();
    text.chars().all(|letter| letters.any(|other| other == letter))
}

/// Counts the lines of a text that are nothing but a comment.
fn comments(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| line.starts_with('#') && !line.contains("no comment")).collect()
}

#[test]
fn a_list_is_begun_in_every_layout() {
    for text in [
        "{version: 1}",
        "{version: 1, holds: []}\n",
        "{version: 1, holds: }\n",
        "{version: 1, holds: ~, }\n",
        "version: 1\nholds: [ # none\n]\n",
        "version: 1\nholds: [\n]",
        "version: 1\nholds: null # none\n",
        "\u{feff}version: 1",
        "\u{feff}",
        "version: 1\n...\n",
        "# only a comment",
        "---\n",
    ] {
        let new = hold("ghcr.io/acme/web", "1.5.0");
        let added = add(text, &new).unwrap_or_else(|error| panic!("{error}: {text:?}"));
        assert_eq!(parse(HOLDS_FILE, added.as_bytes()).unwrap(), [new], "{added:?}");
    }
}

#[test]
fn what_people_say_may_be_any_text_and_is_one_line() {
    let entry = |fields: &str| {
        let text = format!("version: 1\nholds:\n- image: nginx\n  tag: 1.50\n{fields}");
        parse(HOLDS_FILE, text.as_bytes()).map_err(|faults| faults.to_string()).map(|mut holds| holds.remove(0))
    };
    for (written, said) in [
        ("  reason: >\n    loses\n    sessions\n", Some("loses sessions")),
        ("  reason: |\n    loses:\n      - sessions\n\n", Some("loses: - sessions")),
        ("  reason: loses\n    sessions # not this\n", Some("loses sessions")),
        ("  reason: \"a\\tb\\e[31m\"\n", Some("a b [31m")),
        ("  reason: 42\n", Some("42")),
        ("  reason: yes\n", Some("yes")),
        ("  reason: true\n", Some("true")),
        ("  reason: ''\n", None),
        ("  reason:\n", None),
        ("  reason: ~\n", None),
    ] {
        assert_eq!(entry(written).map(|hold| hold.reason), Ok(said.map(str::to_owned)), "{written}");
    }
    assert_eq!(entry("").unwrap().tag.as_str(), "1.50", "as it is written");
    assert_eq!(entry(&format!("  reason: {}\n", "x".repeat(5_000))).unwrap().reason.unwrap().len(), 1_000);
    for (until, read) in [
        ("2026-12-01", Some("2026-12-01T00:00:00Z")),
        ("'2026-12-01T18:00:00+01:00'", Some("2026-12-01T17:00:00Z")),
        ("2026-12-01 18:00:00Z", Some("2026-12-01T18:00:00Z")),
        ("2026-12-01T18:00:00", None),
        ("tomorrow", None),
    ] {
        let told = entry(&format!("  until: {until}\n")).map(|hold| hold.until.map(|until| until.to_string()));
        match read {
            Some(read) => assert_eq!(told, Ok(Some(read.to_owned())), "{until}"),
            None => assert!(told.unwrap_err().starts_with(".tagboat/holds.yaml:5:10: "), "{until}"),
        }
    }
    // Without its environment it would hold everywhere.
    assert!(entry("  environment:\n").unwrap_err().contains(".tagboat/holds.yaml:5:3"));
}
