use super::*;

fn describe(tag: &str) -> String {
    let Some(shape) = Shape::parse(tag) else { return "none".to_owned() };
    let frame: String = shape
        .frame()
        .map(|byte| match byte {
            1 => 'N',
            2 => '#',
            3 => 'D',
            4 => 'H',
            other => char::from(other),
        })
        .collect();
    let pre = if shape.is_pre_release() { format!(" pre {}", shape.pre_release()) } else { String::new() };
    let build = if shape.build > 0 { format!(" build {}", shape.build) } else { String::new() };
    format!("{:?} {:?} {frame}{pre}{build}", shape.scheme(), shape.numbers())
}

#[test]
fn splits_tags_into_version_and_family() {
    for (tag, expected) in [
        ("1.2.3", "Plain [1, 2, 3] N"),
        ("v1.2.3", "Plain [1, 2, 3] vN"),
        ("7", "Plain [7] N"),
        ("1.2.3.4", "Plain [1, 2, 3, 4] N"),
        ("release-1.2", "Plain [1, 2] release-N"),
        ("release1.2", "Plain [1, 2] releaseN"),
        ("1.2.3-alpine3.19", "Plain [1, 2, 3] N-alpine3.19"),
        ("1.2.0-rc1-alpine", "Plain [1, 2, 0] N-alpine pre rc1"),
        ("1.2.0-alpine-rc1", "Plain [1, 2, 0] N-alpine pre rc1"),
        ("2.0.0-rc.1", "Plain [2, 0, 0] N pre rc.1"),
        ("2.0.0-rc-1", "Plain [2, 0, 0] N pre rc-1"),
        ("1.27rc3", "Plain [1, 27] N pre rc3"),
        ("3.14.0a2-slim", "Plain [3, 14, 0] N-slim pre a2"),
        ("1.2.3-SNAPSHOT", "Plain [1, 2, 3] N pre SNAPSHOT"),
        ("1.2.3-M1", "Plain [1, 2, 3] N pre M1"),
        ("1.2.3.Final", "Plain [1, 2, 3] N.Final"),
        ("5.0.0.Alpha1", "Plain [5, 0, 0] N pre Alpha1"),
        ("1.2.3-45", "Plain [1, 2, 3] N-# build 45"),
        ("1.2.3-20260101", "Plain [1, 2, 3] N-D build 20260101"),
        ("15.2.0-debian-11-r5", "Plain [15, 2, 0] N-debian-11-r# build 5"),
        ("11.0.12_7-jdk-windowsservercore-1809", "Plain [11, 0, 12] N_#-jdk-windowsservercore-1809 build 7"),
        ("1.17.0-windowsservercore-1809", "Plain [1, 17, 0] N-windowsservercore-1809"),
        ("8u302-b08-jdk", "JavaUpdate [8, 302] N-b#-jdk build 8"),
        ("v1.28.2-k3s1", "Plain [1, 28, 2] vN-k3s# build 1"),
        ("v1.28.2-eksbuild.3", "Plain [1, 28, 2] vN-eksbuild.# build 3"),
        ("main-20260101-abc1234", "Date [20260101] main-N-H"),
        ("main-1234-abc1234", "Plain [1234] main-N-H"),
        ("1.2.3-12-gabc1234", "Plain [1, 2, 3] N-#-H build 12"),
        ("main-abc1234", "Hash [] main-H"),
        ("sha-1234567", "Hash [] sha-H"),
        ("abc1234", "Hash [] H"),
        ("abc1234-20260101", "Date [20260101] H-N"),
        ("RELEASE.2026-01-31T10-20-30Z", "Date [20260131, 102030] RELEASE.N"),
        ("RELEASE.2026-01-31T10-20-30Z-cpuv1", "Date [20260131, 102030] RELEASE.N-cpuv1"),
        ("2026-01-31", "Date [20260131] N"),
        ("20260131.1", "Date [20260131, 1] N"),
        ("20260131102030", "Date [20260131102030] N"),
        ("20269931", "Plain [20269931] N"),
        ("2026.1", "Calendar [2026, 1] N"),
        ("22.04", "Plain [22, 4] N"),
        ("pg16-1.2.3", "Plain [1, 2, 3] pg16-N"),
        ("v8-linux-arm64", "Plain [8] vN-linux-arm64"),
        ("0.45.0-kafka-3.9.0", "Plain [0, 45, 0] N-kafka-3.9.0"),
        ("1.2.3_v4", "Plain [1, 2, 3] N_v# build 4"),
        ("cli-2.12.0-php8.5", "Plain [2, 12, 0] cli-N-php8.5"),
        ("beta-5.7-RC1-php7.4", "Plain [5, 7] beta-N-php7.4 pre RC1"),
        ("alpine3.19", "none"),
        ("php8.2-fpm", "none"),
        ("latest", "none"),
        ("1.2.3.4.5.6.7", "none"),
        ("99999999999999999999", "none"),
        ("", "none"),
    ] {
        assert_eq!(describe(tag), expected, "{tag}");
    }
}

#[test]
fn never_puts_strangers_into_one_family() {
    let family = |a: &str, b: &str| {
        let (a, b) = (Shape::parse(a).expect("a shape"), Shape::parse(b).expect("a shape"));
        assert_eq!(a.is_family(&b), b.is_family(&a));
        a.is_family(&b)
    };
    for (a, b) in [
        ("1.9", "20240101"),
        ("7", "20240101"),
        ("7", "7.2"),
        ("v1", "1"),
        ("1.2.3", "1.2.3-alpine"),
        ("1.2.3-alpine3.19", "1.2.4-alpine3.20"),
        ("1.2.3-45", "1.2.3-20240101"),
        ("1.2.3", "1.2.3-r1"),
        ("1.9.2", "2024.1.0"),
        ("main-20260101-abc1234", "dev-20260102-abc1234"),
        ("8u302-b08", "8.302-b08"),
    ] {
        assert!(!family(a, b), "{a} and {b}");
    }
    for (a, b) in [
        ("1.2.3", "1.3.0"),
        ("1.2.0-rc1-alpine", "1.2.0-alpine"),
        ("15.2.0-debian-11-r5", "15.3.0-debian-11-r0"),
        ("main-20260101-abc1234", "main-20260102-def5678"),
        ("3.14.0a2", "3.14.0"),
        ("1.2.0-rc1-alpine", "1.2.0-alpine-rc1"),
        ("1.2.0-rc1-alpine-r2", "1.2.0-alpine-rc1-r3"),
    ] {
        assert!(family(a, b), "{a} and {b}");
    }
}

#[test]
fn orders_versions_as_their_authors_mean_them() {
    let ascending = [
        "1.9.0-SNAPSHOT",
        "1.9.0-alpha",
        "1.9.0-alpha.2",
        "1.9.0-beta1",
        "1.9.0-M1",
        "1.9.0-rc9",
        "1.9.0-rc10",
        "1.9.0",
        "1.9.0-1",
        "1.9.0-12",
        "1.10.0",
        "1.10.0.1",
        "2",
    ];
    for pair in ascending.windows(2) {
        let (a, b) = (Shape::parse(pair[0]).expect("a shape"), Shape::parse(pair[1]).expect("a shape"));
        assert_eq!(a.order(&b), Ordering::Less, "{pair:?}");
        assert_eq!(b.order(&a), Ordering::Greater, "{pair:?}");
    }
}
