use super::*;

fn image(name: &str) -> ImageName {
    name.parse().unwrap()
}

fn url(vendor: Vendor, name: &str, cursor: &Cursor) -> String {
    let image = image(name);
    let origin = Url::parse(&format!("https://{}/", image.host())).unwrap();
    vendor.page(&origin, &image, cursor).map_or_else(|| "none".to_owned(), |ask| ask.url.to_string())
}

fn read(vendor: Vendor, body: &str, link: Option<&str>) -> (Vec<String>, Option<Cursor>) {
    let page = vendor.read(body.as_bytes(), &Cursor::Page(1), link).unwrap();
    let row = |(tag, pushed): &(String, PushTime)| {
        let digest = pushed.digest.as_ref().map_or_else(String::new, |digest| format!(" {}", &digest.as_str()[..11]));
        format!("{tag} {}{digest}", pushed.at)
    };
    (page.times.iter().map(row).collect(), page.next)
}

#[test]
fn vendors_are_known_by_their_host_or_by_how_they_ask_for_a_login() {
    let harbor = Realm { realm: "https://harbor.example/service/token", service: "harbor-registry" };
    let gitlab = Realm { realm: "https://gitlab.example/jwt/auth", service: "container_registry" };
    for (host, seen, vendor) in [
        ("docker.io", None, Vendor::DockerHub),
        ("quay.io", None, Vendor::Quay),
        ("registry.gitlab.com", None, Vendor::GitLab),
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", None, Vendor::Ecr),
        ("public.ecr.aws", None, Vendor::Ecr),
        ("harbor.example", Some(harbor), Vendor::Harbor),
        ("registry.example", Some(gitlab), Vendor::GitLab),
        ("registry.example", Some(Realm { realm: "https://a.example/token", ..gitlab }), Vendor::Other),
        ("registry.example", None, Vendor::Other),
        ("docker.io.evil.example", None, Vendor::Other),
        // What the host's name tells is not talked away.
        ("quay.io", Some(harbor), Vendor::Quay),
    ] {
        assert_eq!(Vendor::of(host, seen), vendor, "{host}");
    }
}

#[test]
fn asks_each_vendor_at_its_documented_place() {
    let first = Cursor::Page(1);
    for (vendor, name, cursor, expected) in [
        (
            Vendor::DockerHub,
            "nginx",
            Cursor::Page(2),
            "https://hub.docker.com/v2/namespaces/library/repositories/nginx/tags?page_size=100&page=2&ordering=last_updated",
        ),
        (
            Vendor::Quay,
            "quay.io/acme/web",
            first.clone(),
            "https://quay.io/api/v1/repository/acme/web/tag/?limit=100&page=1&onlyActiveTags=true",
        ),
        (
            Vendor::Harbor,
            "harbor.example/acme/team/web",
            first.clone(),
            "https://harbor.example/api/v2.0/projects/acme/repositories/team%252Fweb/artifacts?page=1&page_size=100&with_tag=true&sort=-push_time",
        ),
        (
            Vendor::GitLab,
            "registry.gitlab.com/acme/web",
            Cursor::After("a|b".to_owned()),
            "https://registry.gitlab.com/gitlab/v1/repositories/acme/web/tags/list/?n=100&sort=-published_at&last=a%7Cb",
        ),
        (Vendor::Other, "registry.example/acme/web", first.clone(), "none"),
        (Vendor::Ecr, "public.ecr.aws/acme/web", first, "none"),
    ] {
        assert_eq!(url(vendor, name, &cursor), expected);
    }
}

#[test]
fn reads_what_each_vendor_sends() {
    let hub = r#"{"count": 2, "next": "https://elsewhere.example/", "previous": null, "results": [
        {"name": "1.5.0", "tag_last_pushed": "2026-11-01T08:00:00.5Z", "last_updated": "2026-11-02T08:00:00Z", "images": []},
        {"name": "1.4.0", "tag_last_pushed": null}, {"name": "1.3.0", "tag_last_pushed": ""}]}"#;
    let (rows, next) = read(Vendor::DockerHub, hub, None);
    assert_eq!((rows, next), (vec!["1.5.0 2026-11-01T08:00:00.5Z".to_owned()], Some(Cursor::Page(2))));

    let quay = r#"{"tags": [{"name": "1.5.0", "start_ts": 1793520000, "manifest_digest": "sha256:0"},
        {"name": "1.4.0", "start_ts": 1, "end_ts": 2}, {"name": "1.3.0", "start_ts": 99999999999999999}],
        "page": 1, "has_additional": false}"#;
    assert_eq!(read(Vendor::Quay, quay, None), (vec!["1.5.0 2026-11-01T08:00:00Z".to_owned()], None));

    let harbor = r#"[{"digest": "sha256:0", "push_time": "2026-01-01T00:00:00Z",
        "tags": [{"name": "1.5.0", "push_time": "2026-11-01T08:00:00.000Z"}, {"name": "latest"}]}, {"tags": null}, {}]"#;
    assert_eq!(read(Vendor::Harbor, harbor, None), (vec!["1.5.0 2026-11-01T08:00:00Z".to_owned()], None));
    let full = format!("[{}]", vec!["{}"; PAGE].join(","));
    assert_eq!(read(Vendor::Harbor, &full, None), (vec![], Some(Cursor::Page(2))));

    let digest = format!("sha256:{}", "abcd".repeat(16));
    for (vendor, body) in [
        (
            Vendor::DockerHub,
            r#"{"next": null, "results": [{"name": "1.5.0", "tag_last_pushed": "TIME", "digest": "DIGEST"}]}"#,
        ),
        (Vendor::Quay, r#"{"tags": [{"name": "1.5.0", "start_ts": 1793520000, "manifest_digest": "DIGEST"}]}"#),
        (Vendor::Harbor, r#"[{"digest": "DIGEST", "tags": [{"name": "1.5.0", "push_time": "TIME"}]}]"#),
        (Vendor::GitLab, r#"[{"name": "1.5.0", "digest": "DIGEST", "published_at": "TIME"}]"#),
    ] {
        let body = body.replace("TIME", "2026-11-01T08:00:00Z").replace("DIGEST", &digest);
        assert_eq!(read(vendor, &body, None).0, ["1.5.0 2026-11-01T08:00:00Z sha256:abcd"], "{vendor:?}");
    }

    let gitlab = r#"[{"name": "1.5.0", "created_at": "2026-10-01T08:00:00Z", "published_at": "2026-11-01T08:00:00.123Z"},
        {"name": "1.4.0", "created_at": "2026-10-01T08:00:00Z", "updated_at": "2026-10-02T08:00:00Z"}]"#;
    let (rows, next) = read(Vendor::GitLab, gitlab, Some("https://elsewhere.example/x?n=2&last=MjA%3D"));
    assert_eq!(rows, ["1.5.0 2026-11-01T08:00:00.123Z", "1.4.0 2026-10-02T08:00:00Z"]);
    assert_eq!(next, Some(Cursor::After("MjA=".to_owned())));
}

#[test]
fn nonsense_is_told_and_never_taken_for_a_list() {
    for vendor in [Vendor::DockerHub, Vendor::Quay, Vendor::Harbor, Vendor::GitLab] {
        for body in ["", "null", "<html>", "7", r#"{"results": [{"name": 7}]}"#, r#"[{"tags": 7}]"#, "[7]"] {
            assert!(vendor.read(body.as_bytes(), &Cursor::Page(1), None).is_err(), "{vendor:?} {body}");
        }
    }
}

#[test]
fn a_time_that_stands_for_none_is_none() {
    for (text, expected) in [
        (Some("2026-11-01T08:00:00Z"), true),
        (Some("0001-01-01T00:00:00Z"), false),
        (Some("1970-01-01T00:00:00Z"), false),
        (Some("yesterday"), false),
        (None, false),
    ] {
        assert_eq!(time(text).is_some(), expected, "{text:?}");
    }
}
