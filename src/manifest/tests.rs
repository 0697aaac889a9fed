use super::*;

#[test]
fn dismisses_by_name_only_what_is_no_text() {
    for name in ["a/logo.PNG", "chart.tgz", "x.jpeg", "x.zip", "x.7z", "x.woff2", "a/.git/config"] {
        assert!(!may_hold_reference(name), "{name}");
    }
    for name in ["web.yaml", "values.yml", "Dockerfile", "main.tf", "Kustomization", "x.service", "a.b/c", "notes.md"] {
        assert!(may_hold_reference(name), "{name}");
    }
}

#[test]
fn a_chart_makes_its_template_folder_one() {
    let paths = ["Chart.yaml", "apps/shop/Chart.yaml", "apps/notChart.yaml"];
    let surroundings = Surroundings::new(paths.into_iter());
    let is_template = |path: &str| surroundings.is_template(&RepoPath::new(path).unwrap());
    assert!(is_template("templates/web.yaml"));
    assert!(is_template("apps/shop/templates/deep/web.yaml"));
    assert!(!is_template("apps/shop/values.yaml"));
    assert!(!is_template("apps/other/templates/web.yaml"));
    assert!(!is_template("apps/templates/web.yaml"));
}

#[test]
fn a_lock_file_belongs_to_the_chart_beside_it() {
    let paths = ["Chart.yaml", "apps/shop/Chart.yaml", "apps/shop/Chart.lock", "old/requirements.lock"];
    let surroundings = Surroundings::new(paths.into_iter());
    let has_lock = |path: &str| surroundings.has_lock(&RepoPath::new(path).unwrap());
    assert!(has_lock("apps/shop/Chart.yaml"));
    assert!(has_lock("old/requirements.yaml"));
    assert!(!has_lock("Chart.yaml"));
    assert!(!has_lock("old/Chart.yaml"));
    let paths = ["shop/Chart.yaml", "shop/charts/web/Chart.yaml", "charts/web/Chart.yaml"];
    let surroundings = Surroundings::new(paths.into_iter());
    let has_copy = |path: &str, name: &str| surroundings.has_copy(&RepoPath::new(path).unwrap(), name);
    assert!(has_copy("shop/Chart.yaml", "web") && has_copy("Chart.yaml", "web"));
    assert!(!has_copy("shop/Chart.yaml", "worker") && !has_copy("other/Chart.yaml", "web"));
}

#[test]
fn a_chart_version_is_one_version_and_no_range() {
    for (text, tag) in [("1.4.0", "1.4.0"), ("v1.4.0-rc.1", "v1.4.0-rc.1"), ("1.4.0+build.7", "1.4.0_build.7")] {
        let value = reference::read_chart_version(text).unwrap();
        assert_eq!(value.tag.unwrap().as_str(), tag);
    }
    for text in ["1.4", "1", "~1.4.0", "^1", "1.x.x", "1.4.*", ">=1.0.0 <2.0.0", "latest", "1.4.0 - 2", "1..0"] {
        assert!(reference::read_chart_version(text).is_err(), "{text}");
    }
    for text in [">=1.0.0", "^1", "~1.2", "1.*", "*", "1.x", "1 || 2", "1.2 - 1.4"] {
        assert!(reference::is_range(text), "{text}");
    }
    for text in ["1.4.0", "latest", "v1", "1.4.0-x86"] {
        assert!(!reference::is_range(text), "{text}");
    }
}

#[test]
fn contents_without_a_telling_word_are_dismissed() {
    for text in [
        "kind: Service",
        "imagePullPolicy: Always",
        "imagePullSecrets: []",
        "damage: 1",
        "text: the image to run",
        "a: [image, x]",
        "repoURL: https://git.acme.example/apps.git",
        "a: db.acme.example/orders:5432",
        "a: web:1.4.0",
        "a: ./b.c/d:e",
        "a: https://acme.example:8080/x",
    ] {
        assert!(!contents::may_hold(text.as_bytes()), "{text}");
    }
    for text in [
        "image: x",
        "? image\n: x",
        "\"image\" : x",
        "image\t:",
        "images2 : x",
        "webImage: x",
        "images:",
        "imagePullPolicy: x\nimage: y",
        "repository: x",
        "a: b # tagboat: x",
        "url: oci://x",
        "patch: '[{\"path\": \"/spec/image\", \"value\": \"x\"}]'",
        "repoURL: ghcr.io/acme\nchart: x",
        "repoURL: x\nname: image.tag",
        "bundle: x",
        "a: ghcr.io/acme/web:1.4.0",
        "a: [ghcr.io/acme/web@sha256:ab]",
        "ghcr.io/a:v1",
    ] {
        assert!(contents::may_hold(text.as_bytes()), "{text}");
    }
}

#[test]
fn a_file_beyond_the_limit_is_passed_over() {
    let path = RepoPath::new("web.yaml").unwrap();
    let limits = Limits { max_bytes: 10, ..Limits::default() };
    let found = scan(&path, b"image: nginx:1.25", &Surroundings::default(), &limits);
    let reason = PassedOverReason::TooLarge { size: 17, limit: 10 };
    assert_eq!(found.passed_over, [PassedOver { file: "web.yaml".to_owned(), reason }]);
    let limits = Limits { max_nodes: 100, ..Limits::default() };
    let text = format!("image: [{}]", "a,".repeat(200));
    let found = scan(&path, text.as_bytes(), &Surroundings::default(), &limits);
    assert!(
        matches!(&found.passed_over[0].reason, PassedOverReason::TooComplex(reason) if reason.contains("100 nodes"))
    );
}
