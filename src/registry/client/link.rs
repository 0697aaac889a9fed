//! The `Link` header: where the next page of a list stands (RFC 8288).
//!
//! One that cannot be read is not the same as none: the list may go on where nobody could tell.

use reqwest::header::{HeaderMap, LINK};

/// A `Link` that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Returns the target of the first link with the relation `next` of all such headers.
pub(super) fn next_of(headers: &HeaderMap) -> Result<Option<String>, Unreadable> {
    let mut outcome = Ok(None);
    for value in headers.get_all(LINK) {
        // Titles are written in any encoding: only the target has to be text.
        match next(&String::from_utf8_lossy(value.as_bytes())) {
            Ok(Some(target)) if target.contains(char::REPLACEMENT_CHARACTER) => outcome = Err(Unreadable),
            Ok(Some(target)) => return Ok(Some(target.to_owned())),
            Ok(None) => {}
            Err(unreadable) => outcome = Err(unreadable),
        }
    }
    outcome
}

/// Returns the target of the first link with the relation `next`.
///
/// Angle brackets may be missing, the relation may be quoted or not, and several links may share a header.
fn next(header: &str) -> Result<Option<&str>, Unreadable> {
    const SPACE: [char; 2] = [' ', '\t'];
    let mut rest = header.trim_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (target, mut after) = match rest.strip_prefix('<') {
            Some(inside) => inside.split_once('>').ok_or(Unreadable)?,
            // Without brackets, a comma is the address's own: what follows it would have to begin with one.
            None => rest.split_at(rest.find(';').unwrap_or(rest.len())),
        };
        let target = target.trim();
        if target.is_empty() || target.contains([' ', '\t', '<', '"']) {
            return Err(Unreadable);
        }
        let mut relation = None;
        loop {
            after = after.trim_start_matches(SPACE);
            let Some(parameter) = after.strip_prefix(';') else { break };
            let parameter = parameter.trim_start_matches(SPACE);
            let (name, behind) = parameter.split_at(parameter.find(['=', ';', ',']).unwrap_or(parameter.len()));
            let Some(value) = behind.strip_prefix('=') else {
                after = behind;
                continue;
            };
            let (value, behind) = value_of(value.trim_start_matches(SPACE))?;
            // Of several, the first counts.
            if name.trim().eq_ignore_ascii_case("rel") && relation.is_none() {
                relation = Some(value);
            }
            after = behind;
        }
        // A link without a relation says nothing, and may have been meant to say where the list goes on.
        let relation = relation.ok_or(Unreadable)?;
        if relation.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("next")) {
            return Ok(Some(target));
        }
        rest = match after.strip_prefix(',') {
            Some(following) => following.trim_start_matches([' ', '\t', ',']),
            None if after.is_empty() => after,
            None => return Err(Unreadable),
        };
    }
    Ok(None)
}

/// Splits a parameter's value, quoted or not, from what follows it.
fn value_of(text: &str) -> Result<(&str, &str), Unreadable> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, after) = text.split_at(text.find([';', ',']).unwrap_or(text.len()));
        // Single quotes are no quotes to HTTP, and a registry that writes them means some.
        return Ok((value.trim().trim_matches('\''), after));
    };
    let mut is_escaped = false;
    for (at, character) in quoted.char_indices() {
        match character {
            '"' if !is_escaped => return Ok((&quoted[..at], &quoted[at + 1..])),
            _ => is_escaped = character == '\\' && !is_escaped,
        }
    }
    Err(Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_next_page_in_every_spelling() {
        for (header, expected) in [
            (r#"</v2/a/tags/list?last=x&n=2>; rel="next""#, Some("/v2/a/tags/list?last=x&n=2")),
            (r#"<https://a.example/v2/a/tags/list?n=2>; rel=next"#, Some("https://a.example/v2/a/tags/list?n=2")),
            (r#"<a>; rel="prev", <b?x=1,2>; title="t"; rel="last next""#, Some("b?x=1,2")),
            (r#"/v2/a/tags/list?last=x; rel="next""#, Some("/v2/a/tags/list?last=x")),
            (r#"/v2/a/tags/list?a=1,2&last=x; rel="next""#, Some("/v2/a/tags/list?a=1,2&last=x")),
            (r#"<a>; title="one, <b>; \"two\""; rel="next""#, Some("a")),
            (r#"< a > ; rel = "next""#, Some("a")),
            ("<a>; REL=NEXT", Some("a")),
            ("<a>; rel='next'", Some("a")),
            ("<a>; rel='prev'; title='x', <b>; rel='next'", Some("b")),
            ("<a>; rel=preconnect; crossorigin, <b>; rel=\"help\"", None),
            ("", None),
            (" , ", None),
        ] {
            assert_eq!(next(header), Ok(expected), "{header}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_nothing() {
        for header in
            [r#"<a; rel="next""#, r#"<a>; rel="next"#, "<a>", "a", ",,;=", "one two; rel=next", r#"<>; rel="next""#]
        {
            assert_eq!(next(header), Err(Unreadable), "{header}");
        }
    }

    #[test]
    fn one_good_header_is_enough_and_a_bad_one_alone_is_an_error() {
        let headers = |rows: &[&[u8]]| {
            let row = |text: &&[u8]| (LINK, reqwest::header::HeaderValue::from_bytes(text).unwrap());
            next_of(&rows.iter().map(row).collect())
        };
        let good: &[u8] = b"<a>; title=\"\xe9\"; rel=next";
        assert_eq!(headers(&[b"<a", good]), Ok(Some("a".to_owned())));
        assert_eq!(headers(&[b"<a", b"<b>; rel=first"]), Err(Unreadable));
        assert_eq!(headers(&[b"<\xe9>; rel=next"]), Err(Unreadable));
        assert_eq!(headers(&[]), Ok(None));
    }
}
