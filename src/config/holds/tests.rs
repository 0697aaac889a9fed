use super::*;

fn hold(image: &str, tag: &str) -> Hold {
    Hold {
        environment: Some("prod".into()),
        image: image.parse().unwrap(),
        tag: tag.parse().unwrap(),
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
    let flow = "version: 1\nholds: [{image: nginx, tag: '1'}]\n";
    assert!(matches!(add(flow, &bare("redis", "7")), Err(EditError::Form(_))));
    assert!(matches!(release(flow, |_| true), Err(EditError::Form(_))));
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
}
