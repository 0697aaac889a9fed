use super::*;

fn name(text: &str) -> String {
    text.parse::<ImageName>().map_or_else(|error| format!("error: {error}"), |name| name.to_string())
}

#[test]
fn normalises_names_as_docker_does() {
    for (written, normal) in [
        ("nginx", "docker.io/library/nginx"),
        ("acme/web", "docker.io/acme/web"),
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("index.docker.io/acme/web", "docker.io/acme/web"),
        ("registry-1.docker.io/library/nginx", "docker.io/library/nginx"),
        ("registry.hub.docker.com/nginx", "docker.io/library/nginx"),
        ("GHCR.io/acme/web", "ghcr.io/acme/web"),
        ("localhost/web", "localhost/web"),
        ("localhost:5000/a/b/c", "localhost:5000/a/b/c"),
        ("[::1]:5000/web", "[::1]:5000/web"),
        ("127.0.0.1:5000/a__b/c---d", "127.0.0.1:5000/a__b/c---d"),
    ] {
        assert_eq!(name(written), normal, "{written}");
    }
}

#[test]
fn refuses_what_is_no_name() {
    for text in [
        "",
        "/",
        "a//b",
        "Acme/web",
        "a/-b",
        "a/b_",
        "a/b___c",
        "ghcr.io/",
        "ghcr.io:0/a",
        "a b",
        "a/b\n",
        "{{ x }}",
        "${X}/a",
    ] {
        assert!(text.parse::<ImageName>().is_err(), "{text:?}");
    }
    assert_eq!("a".repeat(300).parse::<ImageName>(), Err(ReferenceError::NameTooLong(318)));
}

#[test]
fn splits_references_at_tag_and_digest() {
    let hex = "0".repeat(64);
    let reference: Reference = format!("localhost:5000/a/b:1.2@sha256:{hex}").parse().unwrap();
    assert_eq!(reference.name.as_str(), "localhost:5000/a/b");
    assert_eq!(reference.tag.as_ref().map(Tag::as_str), Some("1.2"));
    assert_eq!(reference.name_length, "localhost:5000/a/b".len());
    assert_eq!(reference.to_string(), format!("localhost:5000/a/b:1.2@sha256:{hex}"));
    let bare: Reference = "localhost:5000/a".parse().unwrap();
    assert_eq!((bare.tag, bare.digest), (None, None));
    for text in ["a:", "a:b:c", "a@sha256:12", "a:-1", "a:1@sha1:00", "a@"] {
        assert!(text.parse::<Reference>().is_err(), "{text:?}");
    }
}

#[test]
fn names_the_group_of_a_single_image() {
    let group = |text: &str| text.parse::<ImageName>().unwrap().group_name();
    assert_eq!(group("nginx"), "nginx");
    assert_eq!(group("acme/web"), "acme-web");
    assert_eq!(group("ghcr.io/acme/web"), "ghcr.io-acme-web");
    assert_eq!(group("localhost:5000/web"), "localhost-5000-web");
    // Git takes no branch that ends as its locks do, and none with a bracket.
    assert_eq!(group("ghcr.io/acme/web.lock"), "ghcr.io-acme-web-lock");
    // What is called as the part of a branch is a file's name in Git, and its lock's with `.lock` behind.
    let long = |length: usize, end: &str| format!("ghcr.io/{}{end}", "a".repeat(length - "ghcr.io/".len() - end.len()));
    assert_eq!(group(&long(120, "")), long(120, "").replace('/', "-"));
    let (one, other) = (group(&long(255, "b")), group(&long(255, ".lock")));
    assert!(one.len() == 120 && other.len() == 120 && one != other && !other.ends_with(".lock"), "{one} {other}");
    // With the longest name of an environment, and a hash where two names come to one, no forge takes a longer branch.
    assert!(format!("refs/heads/tagboat/{}/{one}-01234567", "e".repeat(100)).len() <= 255);
    assert_eq!(group("[::1]:5000/web"), "1--5000-web");
}

#[test]
fn error_messages_never_carry_control_characters() {
    let message = "\u{1b}[31m\n".parse::<Tag>().unwrap_err().to_string();
    assert!(!message.chars().any(char::is_control), "{message:?}");
}

#[test]
fn capital_letters_in_a_path_are_named_as_what_is_wrong() {
    for (text, expected) in
        [("ghcr.io/Acme/web", true), ("Web", true), ("GHCR.io/acme/web", false), ("Acme//web", false)]
    {
        let error = text.parse::<ImageName>().err().map(|error| error.to_string()).unwrap_or_default();
        let words = format!("`{text}` has capital letters in its path");
        assert_eq!(error.starts_with(&words), expected, "{text}: {error}");
    }
}

#[test]
fn the_last_parts_of_a_name_mean_the_only_image_that_ends_so() {
    let known: Vec<ImageName> =
        ["ghcr.io/acme/web", "ghcr.io/other/web", "ghcr.io/acme/api", "nginx", "quay.io/acme/nginx"]
            .map(|name| name.parse().unwrap())
            .to_vec();
    let among = |text: &str| {
        let found = text.parse::<Written>().unwrap().among(&known);
        found.map(|image| image.to_string()).map_err(|error| error.to_string())
    };
    for (text, meant) in [
        ("api", "ghcr.io/acme/api"),
        ("acme/web", "ghcr.io/acme/web"),
        ("ghcr.io/acme/web", "ghcr.io/acme/web"),
        // A whole name is that name, whatever else ends so.
        ("nginx", "docker.io/library/nginx"),
        ("acme/nginx", "quay.io/acme/nginx"),
        // Parts are whole, and what nobody knows is what it says.
        ("pi", "docker.io/library/pi"),
        ("docker.io/acme/api", "docker.io/acme/api"),
        ("redis", "docker.io/library/redis"),
    ] {
        assert_eq!(among(text), Ok(meant.to_owned()), "{text}");
    }
    let told = "`web` may be ghcr.io/acme/web or ghcr.io/other/web: write more of the name";
    assert_eq!(among("web"), Err(told.to_owned()));
}
