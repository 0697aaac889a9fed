//! Quotes where a plain scalar would no longer read as text.
//!
//! Rules of YAML 1.1 and 1.2 together: readers of both kinds are in use. A value that needs no quotes keeps the
//! style that stands; quotes are never taken away.

use crate::edit::splice::Splice;
use crate::manifest::yaml::tree::Tree;
use crate::manifest::yaml::{Detail, build, split};
use crate::manifest::{Limits, Surroundings, names};
use crate::model::file::RepoPath;
use crate::model::site::ScalarStyle;

/// Puts quotes around the plain scalars that need them.
///
/// Double quotes, unless the scalars beside it in the same map use single quotes alone.
pub(super) fn add_where_needed(
    path: &RepoPath,
    text: &str,
    limits: &Limits,
    surroundings: &Surroundings,
    splices: &mut [(Splice, usize)],
) -> Result<(), String> {
    let needy: Vec<usize> = (0..splices.len()).filter(|index| needs(text, &splices[*index].0)).collect();
    if needy.is_empty() || !names::is_yaml(path) || surroundings.is_template(path) {
        return Ok(());
    }
    let chunks = split::chunks(text);
    let mut parsed: Option<(usize, Tree<'_>)> = None;
    for index in needy {
        let splice = &mut splices[index].0;
        if splice.span != splice.token {
            return Err("the new value needs quotes, and something else stands in the same scalar".to_owned());
        }
        let at = chunks.partition_point(|chunk| chunk.end <= splice.span.start);
        if parsed.as_ref().is_none_or(|(chunk, _)| *chunk != at) {
            let chunk = chunks.get(at).ok_or("the file has changed since it was scanned")?;
            let tree = build::parse(text, chunk, limits, Detail::Nodes)
                .map_err(|_fault| "the file has changed since it was scanned".to_owned())?;
            parsed = Some((at, tree));
        }
        let quote = match &parsed {
            Some((_, tree)) => quote_beside(tree, splice.span.start),
            None => '"',
        };
        splice.written = format!("{quote}{}{quote}", splice.value);
    }
    Ok(())
}

fn needs(text: &str, splice: &Splice) -> bool {
    if splice.style != ScalarStyle::Plain {
        return false;
    }
    let before = &text[splice.token.start..splice.span.start];
    let after = &text[splice.span.end..splice.token.end];
    reads_as_other_than_text(&format!("{before}{}{after}", splice.value))
}

fn quote_beside(tree: &Tree<'_>, offset: usize) -> char {
    let scalar = tree.scalar_at(offset);
    // YAML within quotes takes the other ones; what stands beside a block scalar says nothing about the YAML in it.
    match scalar.and_then(|id| tree.style(id)) {
        Some(ScalarStyle::DoubleQuoted) => return '\'',
        Some(ScalarStyle::SingleQuoted | ScalarStyle::Literal | ScalarStyle::Folded) => return '"',
        _ => {}
    }
    let parent = scalar.and_then(|id| tree.parent(id));
    let styles: Vec<ScalarStyle> =
        parent.into_iter().flat_map(|map| tree.children(map)).filter_map(|child| tree.style(child)).collect();
    let single = styles.contains(&ScalarStyle::SingleQuoted) && !styles.contains(&ScalarStyle::DoubleQuoted);
    if single { '\'' } else { '"' }
}

/// Whether a plain scalar reads as a number, a date, a boolean or null to some YAML reader.
pub(super) fn reads_as_other_than_text(text: &str) -> bool {
    const WORDS: [&str; 13] = ["", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"];
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    WORDS.contains(&lower.as_str())
        || matches!(bare, ".inf" | "inf" | "infinity" | "nan" | "=" | "<<")
        || is_radix(bare)
        || is_decimal(bare)
        || is_sexagesimal(bare)
        || is_date(&lower)
}

/// `0x1f`, `0o17`, `0b101`, with underscores as YAML 1.1 has them.
fn is_radix(text: &str) -> bool {
    let digits = |prefix: &str, radix: u32| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c == '_' || c.is_digit(radix)))
    };
    digits("0x", 16) || digits("0o", 8) || digits("0b", 2)
}

/// `12`, `1_000`, `1.20`, `.5`, `1.`, `1e3`, `1.2e+3`: everything that begins as a number and has one point at most.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part),
        None => digits(mantissa),
    };
    let has_digit = mantissa.bytes().any(|byte| byte.is_ascii_digit()) && !mantissa.starts_with('_');
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && has_digit && exponent_fits
}

/// `12:30:45`, a number in base 60 to YAML 1.1.
fn is_sexagesimal(text: &str) -> bool {
    text.contains(':')
        && text.split(':').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_'))
        })
}

/// `2026-11-20` and what begins so and goes on with a time.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let number = |part: &str, least: usize, most: usize| {
        (least..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let day = rest.bytes().take_while(u8::is_ascii_digit).count();
    let goes_on_as_time = matches!(rest.as_bytes().get(day), None | Some(b't' | b' ' | b'\t'));
    number(year, 4, 4) && number(month, 1, 2) && (1..=2).contains(&day) && goes_on_as_time
}
