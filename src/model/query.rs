//! The text of a query, with variables that stand for what moves: `sum(errors{version=$tag})`.
//!
//! Owns the grammar. A variable becomes a text in quotes, wherever it stands, so that no value can change what is asked.

use std::fmt;
use std::str::FromStr;

/// The longest query, in bytes: it is asked for within a URL.
const LONGEST: usize = 6_000;

/// What a variable stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// `$tag`: the tag that would come.
    Tag,
    /// `$image`: the image that moves.
    Image,
    /// `$environment`: the environment that it would come to.
    Environment,
}

impl Variable {
    const ALL: [(&'static str, Self); 3] =
        [("tag", Self::Tag), ("image", Self::Image), ("environment", Self::Environment)];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(word, _)| *word == name).map(|(_, variable)| *variable)
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Variable(Variable),
}

/// A query, in which variables stand outside of quotes.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryText {
    text: String,
    parts: Vec<Part>,
}

impl QueryText {
    /// Whether it asks something else for each image.
    pub fn has_variables(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Variable(_)))
    }

    /// Returns the query with every variable as a text in quotes.
    pub fn with(&self, value: &dyn Fn(Variable) -> String) -> String {
        let mut whole = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => whole.push_str(text),
                Part::Variable(variable) => {
                    whole.push('"');
                    for character in value(*variable).chars().filter(|character| !character.is_control()) {
                        if matches!(character, '"' | '\\') {
                            whole.push('\\');
                        }
                        whole.push(character);
                    }
                    whole.push('"');
                }
            }
        }
        whole
    }
}

impl fmt::Display for QueryText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

/// A text that is no query; why, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QueryError(String);

impl FromStr for QueryText {
    type Err = QueryError;

    /// Knows of the query's own language only what quotes and comments are (PromQL's lexical rules).
    fn from_str(text: &str) -> Result<Self, QueryError> {
        if text.len() > LONGEST {
            return Err(QueryError(format!("a query has at most {LONGEST} bytes: make it a recording rule")));
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut quote: Option<char> = None;
        let mut is_comment = false;
        let mut rest = text.char_indices();
        while let Some((at, character)) = rest.next() {
            if character == '$' {
                let name = &text[at + 1..];
                let end = name.find(|next: char| !next.is_ascii_alphanumeric() && next != '_').unwrap_or(name.len());
                let (name, variable) = (&name[..end], Variable::named(&name[..end]));
                match (quote, variable) {
                    _ if is_comment => {}
                    (Some(_), Some(_)) => {
                        return Err(QueryError(format!(
                            "`${name}` brings its own quotes: it stands where a text in quotes would"
                        )));
                    }
                    (Some(_), None) => {}
                    (None, None) => {
                        let words = "there are `$tag`, `$image` and `$environment`";
                        return Err(QueryError(format!("a variable with another name stands there: {words}")));
                    }
                    (None, Some(variable)) => {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                        parts.push(Part::Variable(variable));
                        // The name's letters are of one byte each.
                        rest.nth(name.len() - 1);
                        continue;
                    }
                }
            }
            plain.push(character);
            match (quote, character) {
                _ if is_comment => is_comment = character != '\n',
                (None, '"' | '\'' | '`') => quote = Some(character),
                (None, '#') => is_comment = true,
                // Between backquotes, a backslash is a character like any other.
                (Some('"' | '\''), '\\') => plain.extend(rest.next().map(|(_, escaped)| escaped)),
                (Some(open), _) if open == character => quote = None,
                _ => {}
            }
        }
        parts.push(Part::Text(plain));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self { text: text.to_owned(), parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str, tag: &str) -> Result<String, String> {
        let value = |variable| match variable {
            Variable::Tag => tag.to_owned(),
            Variable::Image => "ghcr.io/acme/web".to_owned(),
            Variable::Environment => "prod".to_owned(),
        };
        text.parse::<QueryText>().map(|query| query.with(&value)).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_become_texts_in_quotes() {
        assert_eq!(
            rendered("sum(up{v=$tag,i=~$image}) / $environment", "1.5.0").unwrap(),
            r#"sum(up{v="1.5.0",i=~"ghcr.io/acme/web"}) / "prod""#
        );
        assert_eq!(rendered("up{v=$tag}", "1\"} or vector(0) #\\\n").unwrap(), r#"up{v="1\"} or vector(0) #\\"}"#);
        for whole in ["up", "up{a=~\"^x$\"}", "up{a=~'$'} # $tag\n", "up{a=`\\`, b=\"\\\"$x\"}", "größe"] {
            assert_eq!(rendered(whole, "1").unwrap(), whole);
        }
        assert_eq!(rendered("up # it's\n{v=$tag}", "1").unwrap(), "up # it's\n{v=\"1\"}");
    }

    #[test]
    fn variables_in_quotes_and_unknown_ones_are_refused() {
        for (text, expected) in [
            ("up{v=\"$tag\"}", "own quotes"),
            ("up{v=~'a$image.*'}", "own quotes"),
            ("up{v=`$environment`}", "own quotes"),
            ("up{v=$version}", "another name"),
            ("up{v=$tags}", "another name"),
            ("up $", "another name"),
            ("up{v=${tag}}", "another name"),
        ] {
            let error = rendered(text, "1").unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(rendered(&"x".repeat(LONGEST + 1), "1").unwrap_err().contains("recording rule"));
    }
}
