//! What templates are filled in with, and what they are held to.

use super::*;
use crate::model::template::growth::LONGEST_TAG;

fn parse(source: &str) -> Result<Template, TemplateFault> {
    Template::parse(source, Wording::Body)
}

#[test]
fn a_template_is_filled_in_with_what_it_names() {
    let source = "{{ environment|upper }}: {% for image in images %}{{ image.short }} {{ image.old }}→{{ image.new }}\
                  {% if not loop.last %}, {% endif %}{% endfor %} ({{ files|join(\", \") }})";
    let facts = Facts::sample();
    assert_eq!(parse(source).unwrap().render(&facts).unwrap(), "DEV: web 1.4.0→1.5.0 (dev/web.yaml)");
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_what_to_do() {
    let fault = |source: &str| parse(source).unwrap_err();
    let unknown = fault("a\n{{ enviroment }}");
    assert_eq!((unknown.line, unknown.reason.as_str()), (Some(2), "there is no variable `enviroment`"));
    assert!(unknown.hint.unwrap().contains("environment"));
    assert_eq!(fault("\n{{ images[0].nam }}").line, Some(2));
    assert_eq!(fault("a\n{{ environment ~ summary }}\nb").line, Some(2));
    assert!(fault("{{ environment").reason.starts_with("this is no template"));
    assert!(fault("{{ environment|tojson }}").reason.contains("no such filter"));
    assert!(Template::parse("{{ gates }}", Wording::Title).unwrap_err().reason.contains("`gates`"));
    assert!(fault(&"x".repeat(LONGEST_SOURCE + 1)).reason.contains("bytes"));
}

fn many() -> Facts {
    let image = ImageFacts { name: "n".repeat(200), ..Facts::sample().images[0].clone() };
    Facts {
        default: "x".repeat(60_000),
        notes: "é".repeat(30_000),
        files: (0..300).map(|index| format!("dev/{index}.yaml")).collect(),
        images: vec![image; 300],
        ..Facts::sample()
    }
}

#[test]
fn nothing_lets_a_short_template_grow_into_a_long_text() {
    for source in [
        "{% set a = default %}{{ a }}",
        "{% with a = default %}{{ a }}{% endwith %}",
        "{{ \"x\" * 1000000 }}",
        "{% for a in [default, default] %}{{ a }}{% endfor %}",
        "{% for a in (default, default) %}{{ a }}{% endfor %}",
        "{{ {\"a\": default} }}",
        "{% for a in images recursive %}{{ loop(images) }}{% endfor %}",
        "{% filter upper %}x{% endfilter %}",
        "{{ '\\'' }}{{ [1] }}",
        "{% for a in [default] %}{{ a }}{% endfor %}",
        "{% if environment in [default] %}{% endif %}",
        "{{ default if (environment, group) else group }}",
        "{{ default ~ default }}",
        "{{ default + default }}",
        "{{ default + 1|upper }}",
        "{{ files.0 + default }}",
        "{{ default + 1 [0] }}",
        "{{ files|join(default ~ default) }}",
        "{{- '+' + default -}}",
        // What hides a tag from who looks at it hides it from nobody who fills it in.
        "{# {{ ' #}{{ default ~ default }}",
        "{# {% \" #}{% set a = default %}{{ a }}",
        "{% raw %}{{ ' {% endraw %}{{ default ~ default }}",
        // What the library does not stand: it ends the process.
        "{{ default[::-1] }}",
        "{{ default[ 0 : 1 : 1 ] }}",
        "{% for image in images %}{{ loop.cycle( ) }}{% endfor %}",
    ] {
        let fault = parse(source).unwrap_err();
        assert!(fault.reason.contains("cannot be used") || fault.reason.contains("no template"), "{source}: {fault:?}");
    }
    for source in [
        "{{ images[0].name }}",
        "{{ (environment) }}",
        "{{ files|join(', ') }}",
        "a, [b] * {c} ~ + d",
        "{{ '[* ~ + {{' }}",
        "{%+ if images|length + 1 > 2 +%}a{% endif %}{{+ default +}}",
        "{% for image in images %}{{ 1 + loop.index }}{{ loop.cycle('a', 'b') }}{% endfor %}",
        "{# {{ ' #}{{ default[:3] }}{# it's [a, b] ~ {{ c #}",
    ] {
        assert!(parse(source).is_ok(), "{source}: {:?}", parse(source));
    }
}

#[test]
fn no_tag_nests_deeper_than_any_stack() {
    for (source, repeated) in [
        ("{{ @1 }}", "-"),
        ("{{ 0@ }}", "-1"),
        ("{{ 0@ }}", "<1"),
        ("{{ default@ }}", "|trim"),
        ("{{ default@ }}", "[0]"),
        ("{% for a in images@ %}{% endfor %}", "[:]"),
        ("{{ @default }}", "not "),
        ("{{ 0@ }}", " or 0"),
        ("{{ 0@ }}", " if 0 else 1"),
    ] {
        let of = |length: usize| parse(&source.replace('@', &repeated.repeat(length / repeated.len())));
        assert!(of(LONGEST_SOURCE - 100).unwrap_err().reason.contains("a tag of more than"), "{source} {repeated}");
        assert!(of(LONGEST_TAG - 30).is_ok(), "{source} {repeated}: {:?}", of(LONGEST_TAG - 30));
    }
    let chain = format!("{{% if not default %}}{}{{% endif %}}", "{% elif 0 %}".repeat(1300));
    assert_eq!(parse(&chain).unwrap().render(&many()).unwrap(), "");
}

#[test]
fn whatever_a_template_does_is_bounded() {
    let (long, slow) = ("come out", "too long");
    let each = |inner: &str| format!("{{% for a in images %}}{inner}{{% endfor %}}");
    let all = |inner: &str| each(&inner.repeat(100));
    for (source, outcome) in [
        // What comes out, and what is put together on the way.
        ("{{ default }}".repeat(18), Err(long)),
        (each("{{ default }}"), Err(long)),
        ("{{ images }}".repeat(20), Err(long)),
        ("{{ files|join(default) }}".to_owned(), Err(long)),
        ("{{ files|join(d=default)|length }}".to_owned(), Err(long)),
        ("{{ files|join(files|join(notes)) }}".to_owned(), Err(long)),
        ("{{ images|join(default, attribute='name')|length }}".to_owned(), Err(long)),
        ("{{ default|join(default) }}".to_owned(), Err("`join` takes a list, and this is a string")),
        (format!("{{{{ default{} }}}}", "|join(default)".repeat(13)), Err("`join` takes a list")),
        ("{{ images|join(', ', attribute='none') }}".to_owned(), Err("not there")),
        ("{{ images|join(other=1) }}".to_owned(), Err("other")),
        // What filters go over.
        (all("{% if default|upper %}{% endif %}"), Err(slow)),
        (all("{% if notes|lower %}{% endif %}"), Err(slow)),
        (all("{% if notes|trim %}{% endif %}"), Err(slow)),
        ("{{ default|trim(default) }}".to_owned(), Err(slow)),
        (all("{% if ''|trim(default) %}{% endif %}"), Err(slow)),
        (all("{% if default|length %}{% endif %}"), Err(slow)),
        (all("{% if images|last %}{% endif %}"), Err(slow)),
        (all("{% if images|first %}{% endif %}"), Err(slow)),
        (all("{% if images|upper %}{% endif %}"), Err(slow)),
        (all("{% if files|join %}{% endif %}"), Err(slow)),
        // What single instructions go over.
        (all("{% if 'xy' in default %}{% endif %}"), Err(slow)),
        (all("{% if a in images %}{% endif %}"), Err(slow)),
        (all("{% if images in a.name %}{% endif %}"), Err(slow)),
        (all("{% if default|upper == default %}{% endif %}"), Err(slow)),
        (all("{% if a == loop.cycle(images, images) or (images) == images %}{% endif %}"), Err(slow)),
        (all("{% if images == images %}{% endif %}"), Err(slow)),
        (all("{% if loop.changed(images) %}{% endif %}"), Err(slow)),
        (all("{% if default[1:] %}{% endif %}"), Err(slow)),
        (all("{% if default[-1] %}{% endif %}"), Err(slow)),
        // What is found with no sample.
        (all("{% if loop.index > 1 and default.50000 %}{% endif %}"), Err(slow)),
        ("{% for a in images %}{% for b in images %}{{ b.new }}{% endfor %}{% endfor %}".to_owned(), Err(slow)),
        ("{% for a in default %}{{ a }}{% endfor %}".to_owned(), Err(slow)),
        // What people write.
        (
            each(
                "{{ a.new }} {{ a.old }} {% if a.step == 'minor' and a.new != a.old %}{{ a.name|upper|trim }}{% endif %}",
            ),
            Ok(300 * 212),
        ),
        (
            each(
                "{{ images|length }}{% if 'n' in a.name and images|length != files|length - 1 %}{{ a.new[:3] }}{% endif %}",
            ),
            Ok(300 * 6),
        ),
        ("{{ default }}{{ default|lower }}{{ images|join(', ', attribute='new') }}".to_owned(), Ok(122_098)),
        ("{{ files|join }}{{ files|join(', ')|length }}".to_owned(), Ok(3494)),
    ] {
        // What is wrong with any facts is found with those of the sample.
        let filled = parse(&source).map_err(|fault| fault.reason).and_then(|parsed| parsed.render(&many()));
        let (found, filled) = (filled.as_ref().map(String::len), filled.as_ref().err());
        match outcome {
            Ok(length) => assert_eq!(found.ok(), Some(length), "{source}: {filled:?}"),
            Err(words) => {
                assert!(filled.is_some_and(|error| error.contains(words)), "{source}: {filled:?} {found:?}");
            }
        }
    }
}
