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
fn contents_without_a_telling_word_are_dismissed() {
    for text in [
        "kind: Service",
        "imagePullPolicy: Always",
        "imagePullSecrets: []",
        "damage: 1",
        "text: the image to run",
        "a: [image, x]",
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
