//! What a server says of itself: its modules (`ietf-yang-library`, RFC 8525, with the deprecated `modules-state` that RFC 8040
//! §10.1 asks for), its capabilities and streams (`ietf-restconf-monitoring`, RFC 8040 §9.3), what access control refused.

use crate::access::Counters;
use crate::date;
use crate::escape;
use crate::media;
use crate::patch;
use crate::server::Settings;
use crate::tags::Hash;
use glimpse_yang::read::Reader;
use glimpse_yang::schema::{Module, Schema};
use glimpse_yang::{Encoding, Error, Tree};
use std::fmt::Write;

/// The capabilities of RFC 8040 §9.1 have this before their names.
const CAPABILITY: &str = "urn:ietf:params:restconf:capability:";

/// The module of the YANG library.
pub(crate) const LIBRARY: &str = "ietf-yang-library";

/// Modules whose state is described here.
pub(crate) const DESCRIBED: [&str; 3] = [LIBRARY, "ietf-restconf-monitoring", "ietf-netconf-acm"];

fn features(schema: &'static Schema, module: &Module) -> Vec<&'static str> {
    let first = usize::from(module.features.first);
    (first..first + usize::from(module.features.count))
        .filter_map(|at| schema.texts.get(at))
        .map(|text| schema.text(*text))
        .collect()
}

/// `content-id` and `module-set-id`: another value whenever the set is another.
pub fn content_id(settings: &Settings) -> String {
    let schema = settings.schema;
    let mut hash = Hash::new();
    for module in settings.served() {
        hash.text(schema.text(module.name));
        hash.text(schema.text(module.revision));
        hash.text(if module.implemented {
            "implement"
        } else {
            "import"
        });
        for feature in features(schema, module) {
            hash.text(feature);
        }
    }
    format!("{:016x}", hash.value())
}

/// JSON arrays and objects, written member by member.
struct Json {
    out: String,
    comma: bool,
}

impl Json {
    fn open(&mut self, name: Option<&str>, bracket: char) {
        self.name(name);
        self.out.push(bracket);
        self.comma = false;
    }

    fn close(&mut self, bracket: char) {
        self.out.push(bracket);
        self.comma = true;
    }

    fn name(&mut self, name: Option<&str>) {
        if self.comma {
            self.out.push(',');
        }
        if let Some(name) = name {
            let _ = write!(self.out, "\"{name}\":");
        }
        self.comma = true;
    }

    fn text(&mut self, name: Option<&str>, value: &str) {
        self.name(name);
        self.out.push_str(&escape::json(value));
    }

    fn texts<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a str>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.open(Some(name), '[');
            values.for_each(|value| self.text(None, value));
            self.close(']');
        }
    }
}

/// State of the library, of the monitoring of RESTCONF and of access control, as far as the schema has these modules. `location` says what a path of this server is called from
/// outside.
pub fn describe(
    settings: &Settings,
    counters: Counters,
    location: &dyn Fn(&str) -> String,
) -> Result<Tree, Error> {
    let schema = settings.schema;
    let has = |name: &str| {
        schema
            .module_named(name)
            .is_some_and(|id| schema.module(id).implemented)
    };
    let mut json = Json {
        out: String::new(),
        comma: false,
    };
    json.open(None, '{');
    if has("ietf-yang-library") {
        library(&mut json, settings, location);
        modules_state(&mut json, settings, location);
    }
    if has("ietf-restconf-monitoring") {
        monitoring(&mut json, settings, location);
    }
    if has("ietf-netconf-acm") {
        json.name(Some("ietf-netconf-acm:nacm"));
        let _ = write!(
            json.out,
            "{{\"denied-operations\":{},\"denied-data-writes\":{},\"denied-notifications\":{}}}",
            counters.operations, counters.data_writes, counters.notifications
        );
    }
    json.close('}');
    let mut reader = Reader::new(schema, Encoding::Json);
    reader.state = true;
    reader.data(json.out.as_bytes())
}

/// Where the text of a module is, if it is served.
fn text_of(
    settings: &Settings,
    module: &Module,
    location: &dyn Fn(&str) -> String,
) -> Option<String> {
    let schema = settings.schema;
    let (name, revision) = (schema.text(module.name), schema.text(module.revision));
    let name = if revision.is_empty() {
        name.to_owned()
    } else {
        format!("{name}@{revision}")
    };
    settings
        .modules
        .iter()
        .any(|text| text.name == name)
        .then(|| location(&format!("{}/yang/{name}", settings.root)))
}

fn library(json: &mut Json, settings: &Settings, location: &dyn Fn(&str) -> String) {
    let schema = settings.schema;
    json.open(Some("ietf-yang-library:yang-library"), '{');
    json.open(Some("module-set"), '[');
    json.open(None, '{');
    json.text(Some("name"), "all");
    for (list, implemented) in [("module", true), ("import-only-module", false)] {
        let mut members = settings
            .served()
            .filter(|module| module.implemented == implemented)
            .peekable();
        if members.peek().is_none() {
            continue;
        }
        json.open(Some(list), '[');
        for module in members {
            json.open(None, '{');
            json.text(Some("name"), schema.text(module.name));
            let revision = schema.text(module.revision);
            if !implemented || !revision.is_empty() {
                json.text(Some("revision"), revision);
            }
            json.text(Some("namespace"), schema.text(module.namespace));
            json.texts("location", text_of(settings, module, location).as_deref());
            if implemented {
                json.texts("feature", features(schema, module));
            }
            json.close('}');
        }
        json.close(']');
    }
    json.close('}');
    json.close(']');
    json.open(Some("schema"), '[');
    json.open(None, '{');
    json.text(Some("name"), "all");
    json.texts("module-set", ["all"]);
    json.close('}');
    json.close(']');
    json.open(Some("datastore"), '[');
    for name in ["running", "operational"] {
        json.open(None, '{');
        json.text(Some("name"), &format!("ietf-datastores:{name}"));
        json.text(Some("schema"), "all");
        json.close('}');
    }
    json.close(']');
    json.text(Some("content-id"), &content_id(settings));
    json.close('}');
}

fn modules_state(json: &mut Json, settings: &Settings, location: &dyn Fn(&str) -> String) {
    let schema = settings.schema;
    json.open(Some("ietf-yang-library:modules-state"), '{');
    json.text(Some("module-set-id"), &content_id(settings));
    json.open(Some("module"), '[');
    for module in settings.served() {
        json.open(None, '{');
        json.text(Some("name"), schema.text(module.name));
        json.text(Some("revision"), schema.text(module.revision));
        if let Some(url) = text_of(settings, module, location) {
            json.text(Some("schema"), &url);
        }
        json.text(Some("namespace"), schema.text(module.namespace));
        json.texts("feature", features(schema, module));
        let conformance = if module.implemented {
            "implement"
        } else {
            "import"
        };
        json.text(Some("conformance-type"), conformance);
        json.close('}');
    }
    json.close(']');
    json.close('}');
}

fn monitoring(json: &mut Json, settings: &Settings, location: &dyn Fn(&str) -> String) {
    let replays = settings
        .streams
        .iter()
        .any(|stream| stream.replay_from.is_some());
    let capabilities = [
        ("defaults:1.0?basic-mode=explicit", true),
        ("depth:1.0", true),
        ("fields:1.0", true),
        ("with-defaults:1.0", true),
        ("filter:1.0", !settings.streams.is_empty()),
        ("replay:1.0", replays),
        ("yang-patch:1.0", patch::template(settings.schema).is_some()),
    ];
    json.open(Some("ietf-restconf-monitoring:restconf-state"), '{');
    json.open(Some("capabilities"), '{');
    json.open(Some("capability"), '[');
    for (name, _) in capabilities.iter().filter(|(_, has)| *has) {
        json.text(None, &format!("{CAPABILITY}{name}"));
    }
    json.close(']');
    json.close('}');
    if !settings.streams.is_empty() {
        json.open(Some("streams"), '{');
        json.open(Some("stream"), '[');
        for stream in &settings.streams {
            json.open(None, '{');
            json.text(Some("name"), &stream.name);
            json.text(Some("description"), &stream.description);
            json.name(Some("replay-support"));
            let _ = write!(json.out, "{}", stream.replay_from.is_some());
            if let Some(from) = stream.replay_from {
                let from = date::date_and_time(from);
                json.text(Some("replay-log-creation-time"), &from);
            }
            json.open(Some("access"), '[');
            for encoding in [Encoding::Json, Encoding::Xml] {
                let name = media::name(encoding);
                let stream = escape::percent(&stream.name);
                let path = format!("{}/streams/{stream}/{name}", settings.root);
                json.open(None, '{');
                json.text(Some("encoding"), name);
                json.text(Some("location"), &location(&path));
                json.close('}');
            }
            json.close(']');
            json.close('}');
        }
        json.close(']');
        json.close('}');
    }
    json.close('}');
}
