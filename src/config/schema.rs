//! JSON schemas (draft 2020-12) of the files, from the types that read them.
//!
//! Entry point: [`schema`]. The schema knows keys, types and words; what takes a grammar or a look
//! at other keys is checked by the reader alone.

use serde_json::{Map, Value as Json, json};

use crate::config::holds::RawHolds;
use crate::config::reader::{Choice, Need, Read};
use crate::config::repository::raw::RawRepository;
use crate::config::service::raw::RawService;

/// Which file a schema is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// `.tagboat.yaml`.
    Repository,
    /// `service.yaml`.
    Service,
    /// `.tagboat/holds.yaml`.
    Holds,
}

/// Returns the schema of a file, pretty, with a final newline.
pub fn schema(which: Which) -> String {
    let mut schemas = Schemas::default();
    let (file, title, root) = match which {
        Which::Repository => ("tagboat", "Tagboat: .tagboat.yaml", RawRepository::schema(&mut schemas)),
        Which::Holds => ("holds", "Tagboat: .tagboat/holds.yaml", RawHolds::schema(&mut schemas)),
        Which::Service => ("service", "Tagboat: service.yaml", RawService::schema(&mut schemas)),
    };
    let mut whole = Map::new();
    whole.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    // Where the newest one is kept, for catalogues of schemas.
    let address = concat!(env!("CARGO_PKG_REPOSITORY"), "/raw/main/config/");
    whole.insert("$id".to_owned(), json!(format!("{address}{file}.schema.json")));
    whole.insert("title".to_owned(), json!(title));
    let name = root["$ref"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default().to_owned();
    if let Some(Json::Object(root)) = schemas.definitions.remove(&name) {
        whole.extend(root);
    }
    whole.insert("$defs".to_owned(), Json::Object(schemas.definitions));
    let mut text = serde_json::to_string_pretty(&whole).expect("a JSON value with text keys serialises");
    text.push('\n');
    text
}

/// One key of a mapping.
pub(crate) struct Property {
    pub(crate) key: &'static str,
    pub(crate) need: Need,
    pub(crate) description: &'static str,
    pub(crate) schema: Json,
}

/// The mappings described so far.
#[derive(Default)]
pub(crate) struct Schemas {
    definitions: Map<String, Json>,
}

impl Schemas {
    /// Describes a mapping once and returns a reference to it.
    pub(crate) fn object(
        &mut self,
        name: &str,
        about: &str,
        choice: Choice,
        properties: impl FnOnce(&mut Self) -> Vec<Property>,
    ) -> Json {
        let name = name.trim_start_matches("Raw").to_owned();
        let reference = json!({"$ref": format!("#/$defs/{name}")});
        if self.definitions.contains_key(&name) {
            return reference;
        }
        let properties = properties(self);
        let required: Vec<&str> =
            properties.iter().filter(|property| property.need == Need::Required).map(|property| property.key).collect();
        let mut object = json!({"type": "object", "description": paragraph(about), "additionalProperties": false});
        if !required.is_empty() {
            object["required"] = json!(required);
        }
        let each = |keys: &[&str]| keys.iter().map(|key| json!({"required": [key]})).collect::<Vec<_>>();
        match choice {
            Choice::Free => {}
            Choice::ExactlyOne(keys) => object["oneOf"] = json!(each(keys)),
        }
        let mut described = Map::new();
        for Property { key, description, schema, .. } in properties {
            let mut property = Map::new();
            property.insert("description".to_owned(), json!(paragraph(description)));
            if let Json::Object(schema) = schema {
                property.extend(schema);
            }
            described.insert(key.to_owned(), Json::Object(property));
        }
        object["properties"] = Json::Object(described);
        self.definitions.insert(name, object);
        reference
    }
}

/// Joins the lines of a doc comment; an empty line stays a break.
fn paragraph(doc: &str) -> String {
    let paragraphs: Vec<String> = doc
        .split("\n\n")
        .map(|part| part.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" "))
        .collect();
    paragraphs.join("\n").trim().to_owned()
}
