//! The `Link` header: where the next page of a list stands (RFC 8288).

/// Returns the target of the first link with the relation `next`.
///
/// Angle brackets may be missing, the relation may be quoted or not, and several links may share a header.
pub(super) fn next(header: &str) -> Option<&str> {
    let mut rest = header.trim();
    while !rest.is_empty() {
        let (target, after) = match rest.strip_prefix('<') {
            Some(inside) => inside.split_once('>')?,
            None => rest.split_at(rest.find([';', ',']).unwrap_or(rest.len())),
        };
        let end = after.find(',').unwrap_or(after.len());
        let (parameters, following) = after.split_at(end);
        let is_next = parameters.split(';').any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel") && relations.any(|word| word.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target.trim());
        }
        rest = following.trim_start_matches([',', ' ', '\t']);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn finds_the_next_page_in_every_spelling() {
        for (header, expected) in [
            (r#"</v2/a/tags/list?last=x&n=2>; rel="next""#, Some("/v2/a/tags/list?last=x&n=2")),
            (r#"<https://a.example/v2/a/tags/list?n=2>; rel=next"#, Some("https://a.example/v2/a/tags/list?n=2")),
            (r#"<a>; rel="prev", <b?x=1,2>; title="t"; rel="last next""#, Some("b?x=1,2")),
            (r#"/v2/a/tags/list?last=x; rel="next""#, Some("/v2/a/tags/list?last=x")),
            ("<a>; REL=NEXT", Some("a")),
            ("<a>", None),
            (r#"<a; rel="next""#, None),
            ("", None),
            (",,;=", None),
        ] {
            assert_eq!(next(header), expected, "{header}");
        }
    }
}
