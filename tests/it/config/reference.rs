//! The configuration reference: a page made from the schemas' own texts.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value as Json;
use tagboat::config::schema::{Which, schema};

use super::{ROOT, assert_kept};

/// A page in the making, from one schema.
struct Page {
    root: Json,
    text: String,
    /// Where a definition is linked to; names of several schemas must not meet.
    prefix: &'static str,
    told: BTreeSet<String>,
}

impl Page {
    /// Writes a mapping as a table, then everything that it refers to.
    fn mapping(&mut self, of: &Json) {
        let required: Vec<&str> = of["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let mut further = Vec::new();
        self.text.push_str("| key | takes | what it is |\n|---|---|---|\n");
        for (key, value) in of["properties"].as_object().unwrap() {
            let what = value["description"].as_str().unwrap_or_else(|| panic!("{key} is not described"));
            let need = if required.contains(&key.as_str()) { " **Required.**" } else { "" };
            let takes = self.takes(value, &mut further);
            let _infallible = writeln!(self.text, "| `{key}` | {takes} | {}{need} |", what.replace('|', "\\|"));
        }
        self.text.push('\n');
        for name in further {
            if self.told.insert(name.clone()) {
                let of = self.root["$defs"][&name].clone();
                let what = of["description"].as_str().unwrap_or_else(|| panic!("{name} is not described"));
                let _infallible = writeln!(self.text, "### <a id=\"{}{name}\"></a>{name}\n\n{what}\n", self.prefix);
                self.mapping(&of);
            }
        }
    }

    /// Says what a value may be, and notes the definitions that it refers to.
    fn takes(&self, value: &Json, further: &mut Vec<String>) -> String {
        if let Some(reference) = value["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap().to_owned();
            let link = format!("[{name}](#{}{name})", self.prefix);
            further.push(name);
            return link;
        }
        if let Some(cases) = value["anyOf"].as_array() {
            let mut told: Vec<String> = Vec::new();
            for case in cases {
                let case = self.takes(case, further);
                if !told.contains(&case) {
                    told.push(case);
                }
            }
            return told.join(" or ");
        }
        if let Some(words) = value["enum"].as_array() {
            let mut words: Vec<String> =
                words.iter().map(|word| word.as_str().map_or(word.to_string(), str::to_owned)).collect();
            words.dedup();
            return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        }
        if value["items"].is_object() {
            return format!("list of {}", self.takes(&value["items"], further));
        }
        match value["type"].as_str() {
            Some("string") => "text".to_owned(),
            Some("integer") => "number".to_owned(),
            Some("boolean") => "`true`, `false`".to_owned(),
            Some("object") => "mapping".to_owned(),
            Some("array") => "list".to_owned(),
            _ => match value.get("const") {
                Some(word) => format!("`{}`", word.as_str().map_or(word.to_string(), str::to_owned)),
                None => "text".to_owned(),
            },
        }
    }
}

#[test]
fn the_reference_says_what_the_schemas_say() {
    let mut text = String::from(
        "# Configuration reference\n\nEvery key of the three files, as their JSON schemas describe it; `tagboat schema repository` and its kind print those for \
         editors.\nUnknown keys are errors, and all faults of a file are told at once, with their places.\n\n",
    );
    for (which, prefix, title) in [
        (Which::Repository, "", "`.tagboat.yaml`, in the manifest repository"),
        (Which::Service, "service-", "`service.yaml`, the operator's"),
        (Which::Holds, "holds-", "`.tagboat/holds.yaml`, what people hold"),
    ] {
        let root: Json = serde_json::from_str(&schema(which)).unwrap();
        let _infallible = writeln!(text, "## {title}\n\n{}\n", root["description"].as_str().unwrap());
        let mut page = Page { root: root.clone(), text: std::mem::take(&mut text), prefix, told: BTreeSet::new() };
        page.mapping(&root);
        text = page.text;
    }
    let text = format!("{}\n", text.trim_end());
    assert_kept(&Path::new(ROOT).join("docs/configuration.md"), &text);
}
