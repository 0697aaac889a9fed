//! Reads a source file as tokens and says which paths it names.
//!
//! Comments and the insides of strings are gone by then, and what macros are given is read like everything else.
//! Nothing is resolved beyond `crate`, `super` and `self`: names that come by another name are the caller's business.

use std::str::FromStr;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A path as it stands in a source file, with `crate`, `super` and `self` resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedPath {
    /// The path's parts; a part of this crate's own paths starts with `crate`, a glob ends in `*`.
    pub(crate) parts: Vec<String>,
    /// The line on which it ends, counted from 1.
    pub(crate) line: usize,
    /// Whether it is imported under another name.
    pub(crate) renamed: bool,
}

/// What one source file names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Every path, of one part or more.
    pub(crate) paths: Vec<NamedPath>,
    /// Every macro that is called, by the last part of its name, with its line.
    pub(crate) macros: Vec<(String, usize)>,
    /// Every attribute's tokens, with the line of its name.
    pub(crate) attributes: Vec<(Vec<String>, usize)>,
}

/// Reads the text of a file whose module is `module` (`["git", "push"]` for `src/git/push.rs`).
///
/// # Errors
///
/// The lexer's message when the text is no Rust.
pub(crate) fn read(text: &str, module: &[String]) -> Result<Names, String> {
    let tokens = TokenStream::from_str(text).map_err(|e| e.to_string())?;
    let mut names = Names::default();
    walk(tokens, module, &mut names);
    Ok(names)
}

fn walk(tokens: TokenStream, module: &[String], names: &mut Names) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => {
                if group.delimiter() == Delimiter::Bracket && follows_hash(&tokens, at) {
                    names.attributes.push((flat(group), line_of(&tokens[at])));
                }
                walk(group.stream(), module, names);
                at += 1;
            }
            TokenTree::Ident(word) if word == "mod" => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    let mut inner = module.to_vec();
                    inner.push(name.to_string());
                    walk(body.stream(), &inner, names);
                    at += 3;
                } else {
                    at += 1;
                }
            }
            // A method's receiver, no path.
            TokenTree::Ident(word) if word == "self" && !is_path_separator(&tokens, at + 1) => at += 1,
            TokenTree::Ident(word) if word == "pub" => at += 1 + visibility(&tokens, at + 1),
            TokenTree::Ident(_) => at = path(&tokens, at, &[], module, names),
            _ => at += 1,
        }
    }
}

/// Says how many tokens `(crate)`, `(super)` or `(in …)` take after `pub`.
fn visibility(tokens: &[TokenTree], at: usize) -> usize {
    let Some(TokenTree::Group(group)) = tokens.get(at) else { return 0 };
    let inside: Vec<String> = group.stream().into_iter().map(|token| token.to_string()).collect();
    let restricted = match inside.first().map(String::as_str) {
        Some("in") => true,
        Some("crate" | "super" | "self") => inside.len() == 1,
        _ => false,
    };
    usize::from(group.delimiter() == Delimiter::Parenthesis && restricted)
}

/// Reads one path, or one tree of a `use`, that starts at `at`, and returns where reading goes on.
fn path(tokens: &[TokenTree], at: usize, base: &[String], module: &[String], names: &mut Names) -> usize {
    let mut parts = base.to_vec();
    let mut next = at;
    loop {
        match tokens.get(next) {
            Some(TokenTree::Ident(word)) => extend(&mut parts, &word.to_string(), module),
            Some(TokenTree::Punct(star)) if star.as_char() == '*' && next > at => parts.push("*".to_owned()),
            Some(TokenTree::Group(tree)) if tree.delimiter() == Delimiter::Brace => {
                branches(tree, &parts, module, names);
                return next + 1;
            }
            // A turbofish or a cast: the path ends before it.
            _ => break,
        }
        next += 1;
        if !is_path_separator(tokens, next) {
            break;
        }
        next += 2;
    }
    let line = line_of(&tokens[next.clamp(1, tokens.len()) - 1]);
    if let (Some(last), true, Some(TokenTree::Group(_))) =
        (parts.last(), is_punct(tokens, next, '!'), tokens.get(next + 1))
    {
        names.macros.push((last.clone(), line));
    }
    let renamed = matches!(tokens.get(next), Some(TokenTree::Ident(word)) if word == "as");
    names.paths.push(NamedPath { parts, line, renamed });
    next.max(at + 1)
}

/// Reads `{a, b::c, d as e}` behind a path.
fn branches(tree: &Group, base: &[String], module: &[String], names: &mut Names) {
    let tokens: Vec<TokenTree> = tree.stream().into_iter().collect();
    for branch in tokens.split(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == ',')) {
        match branch.first() {
            Some(TokenTree::Punct(star)) if star.as_char() == '*' => {
                let mut parts = base.to_vec();
                parts.push("*".to_owned());
                names.paths.push(NamedPath { parts, line: line_of(&branch[0]), renamed: false });
            }
            Some(TokenTree::Ident(_)) => {
                path(branch, 0, base, module, names);
            }
            _ => {}
        }
    }
}

/// Adds one word to a path: `super` goes up, `self` stays, everything else goes down.
fn extend(parts: &mut Vec<String>, word: &str, module: &[String]) {
    let here = || std::iter::once("crate".to_owned()).chain(module.iter().cloned());
    match (word, parts.is_empty()) {
        ("self", true) => parts.extend(here()),
        ("super", true) => {
            parts.extend(here());
            parts.pop();
        }
        ("super", false) => {
            parts.pop();
        }
        ("self", false) => {}
        _ => parts.push(word.trim_start_matches("r#").to_owned()),
    }
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens, at, ':') && is_punct(tokens, at + 1, ':')
}

fn is_punct(tokens: &[TokenTree], at: usize, sign: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == sign)
}

fn follows_hash(tokens: &[TokenTree], at: usize) -> bool {
    at > 0
        && (is_punct(tokens, at - 1, '#') || (at > 1 && is_punct(tokens, at - 1, '!') && is_punct(tokens, at - 2, '#')))
}

fn line_of(token: &TokenTree) -> usize {
    token.span().start().line
}

/// The words of an attribute, groups opened, punctuation kept.
fn flat(group: &Group) -> Vec<String> {
    let mut words = Vec::new();
    for token in group.stream() {
        match token {
            TokenTree::Group(inner) => words.extend(flat(&inner)),
            other => words.push(other.to_string()),
        }
    }
    words
}
