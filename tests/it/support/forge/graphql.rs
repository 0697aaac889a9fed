//! GitHub's published GraphQL schema, where this machine has it, against questions and their answers.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

use super::description::must_be_empty;
use super::sheet::Sheet;

static SCHEMA: OnceLock<Option<Sheet>> = OnceLock::new();

/// Whether this machine has the schema.
pub(crate) fn is_there() -> bool {
    SCHEMA.get_or_init(|| Sheet::read("graphql")).is_some()
}

/// Ends the tests where the schema does not allow a question, its variables, or the data of its answer.
pub(crate) fn hold(question: &str, variables: &Value, data: &Value) {
    if let Some(types) = SCHEMA.get_or_init(|| Sheet::read("graphql")) {
        must_be_empty(&faults(types, question, variables, data));
    }
}

/// The words of a question: names, values, and single signs.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_name = false;
    for sign in text.chars() {
        let of_name = sign.is_alphanumeric() || matches!(sign, '_' | '$' | '"' | '.');
        match words.last_mut() {
            Some(last) if of_name && is_name => last.push(sign),
            _ if sign.is_whitespace() || sign == ',' => {}
            _ => words.push(sign.to_string()),
        }
        is_name = of_name;
    }
    words
}

struct Reader<'a> {
    types: &'a Sheet,
    words: std::iter::Peekable<std::vec::IntoIter<String>>,
    variables: HashMap<String, String>,
    faults: Vec<String>,
}

/// Finds everything that the types do not allow in a question, its variables, and the data of its answer.
pub(crate) fn faults(types: &Sheet, question: &str, variables: &Value, data: &Value) -> Vec<String> {
    let words = words(question).into_iter().peekable();
    let mut reader = Reader { types, words, variables: HashMap::new(), faults: Vec::new() };
    let root = if reader.next() == "mutation" { "Mutation" } else { "Query" };
    reader.declared();
    let given = variables.as_object().unwrap();
    for (name, kind) in &reader.variables {
        if kind.ends_with('!') && !given.contains_key(&name[1..]) {
            reader.faults.push(format!("the variable {name} is missing"));
        }
    }
    let undeclared = given.keys().filter(|name| !reader.variables.contains_key(&format!("${name}")));
    reader.faults.extend(undeclared.map(|name| format!("nobody declared ${name}")));
    reader.selection(root, data);
    reader.faults
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> String {
        self.words.next().unwrap_or_default()
    }

    fn is_next(&mut self, word: &str) -> bool {
        self.words.peek().is_some_and(|next| next == word)
    }

    /// Reads `($a: String!, …)`.
    fn declared(&mut self) {
        while !self.is_next("{") {
            let name = self.next();
            if name.starts_with('$') {
                self.next();
                let mut kind = self.next();
                if self.is_next("!") {
                    kind += &self.next();
                }
                self.variables.insert(name, kind);
            }
        }
    }

    fn fields(&mut self, kind: &str) -> &'a Value {
        match self.types.get(kind) {
            Some(of) => &of["fields"],
            None => {
                self.faults.push(format!("no type {kind}"));
                &Value::Null
            }
        }
    }

    /// Reads `{ field(argument: …) { … } … }` of a type, beside the data that was answered.
    fn selection(&mut self, kind: &str, data: &Value) {
        let mut asked = vec!["__typename".to_owned()];
        self.selected(kind, data, &mut asked);
        let unasked = data.as_object().into_iter().flat_map(|data| data.keys()).filter(|name| !asked.contains(name));
        self.faults.extend(unasked.map(|name| format!("{kind}.{name} was not asked for")));
    }

    /// Reads one, with the fragments in it; they are of the same data, where that is of their type.
    fn selected(&mut self, kind: &str, data: &Value, asked: &mut Vec<String>) {
        let fields = self.fields(kind);
        self.next();
        while self.words.peek().is_some() && !self.is_next("}") {
            let mut name = self.next();
            if name == "..." {
                self.next();
                let of = self.next();
                let is_other = data["__typename"].as_str().is_some_and(|told| told != of);
                self.selected(&of, if is_other { &Value::Null } else { data }, asked);
                continue;
            }
            let key = name.clone();
            asked.push(key.clone());
            if self.is_next(":") {
                self.next();
                name = self.next();
            }
            if name == "__typename" {
                continue;
            }
            let field = &fields[name.as_str()];
            if field.is_null() {
                self.faults.push(format!("{kind} has no field {name}"));
            }
            if self.is_next("(") {
                self.next();
                self.arguments(&field["arguments"], &format!("{kind}.{name}"), ")");
            }
            let of = field["type"].as_str().unwrap_or_default();
            let value = &data[key.as_str()];
            if value.is_null() && of.ends_with('!') && !data.is_null() {
                self.faults.push(format!("{kind}.{name} is never null"));
            }
            if self.is_next("{") {
                let first = value.as_array().map_or(value, |all| all.first().unwrap_or(&Value::Null));
                self.selection(of.trim_matches(['!', '[', ']']), first);
            }
        }
        self.next();
    }

    /// Reads `name: value …` up to a closing sign.
    fn arguments(&mut self, known: &Value, at: &str, end: &str) {
        let mut given = Vec::new();
        while self.words.peek().is_some() && !self.is_next(end) {
            let name = self.next();
            self.next();
            let kind = known[name.as_str()].as_str().unwrap_or_default().to_owned();
            if kind.is_empty() {
                self.faults.push(format!("{at} takes no {name}"));
            }
            let value = self.next();
            if value == "{" {
                let fields = self.fields(kind.trim_end_matches('!'));
                let fields = fields.as_object().into_iter().flatten();
                let fields: serde_json::Map<String, Value> =
                    fields.map(|(name, field)| (name.clone(), field["type"].clone())).collect();
                self.arguments(&Value::Object(fields), &format!("{at}.{name}"), "}");
            } else if let Some(declared) = self.variables.get(&value)
                && declared.trim_end_matches('!') != kind.trim_end_matches('!')
            {
                self.faults.push(format!("{at}.{name} is {kind}, and {value} is {declared}"));
            }
            given.push(name);
        }
        self.next();
        let wanted = known.as_object().into_iter().flatten();
        let missing = wanted
            .filter(|(name, kind)| kind.as_str().is_some_and(|kind| kind.ends_with('!')) && !given.contains(name));
        self.faults.extend(missing.map(|(name, _)| format!("{at} wants {name}")));
    }
}
