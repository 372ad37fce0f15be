//! The table's interpreter against libyang: 20 000 and more documents, valid and with one fault each, must get the same verdict, the
//! same defaults and the same JSON and XML from both. Longer than a second: libyang reads each of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod exception;
mod fault;
mod instance;
mod normal;
mod pattern;
mod table;
mod value;

use fastrand::Rng;
use fault::Fault;
use glimpse_gen_yang::oracle::{self, Defaults, Oracle, Purpose};
use glimpse_gen_yang::{AGENT, CONTROLLER, Folders, Set};
use glimpse_yang::defaults::{WithDefaults, with_defaults};
use glimpse_yang::read::Reader;
use glimpse_yang::schema::{Kind, NodeId, Schema};
use glimpse_yang::validate::{Check, validate};
use glimpse_yang::write::Writer;
use glimpse_yang::{Encoding, Part, Tree};
use instance::{Entry, Maker};
use normal::Normal;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Differences that are shown before a test gives up.
const SHOWN: usize = 12;

pub(crate) fn folders() -> Folders {
    Folders {
        ours: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../yang/modules"),
        canonical: None,
    }
}

/// One run: a schema, both engines, and what came of it.
struct Run {
    schema: &'static Schema,
    oracle: Oracle,
    purpose: Purpose,
    /// The input node, for operations.
    top: NodeId,
    accepted: u32,
    refused: BTreeMap<Fault, (u32, u32)>,
    exceptions: BTreeMap<&'static str, u32>,
    /// By what differs: how often, and one example.
    differences: BTreeMap<String, (u32, String)>,
}

impl Run {
    fn new(set: &Set, schema: &'static Schema, purpose: Purpose) -> Self {
        Self {
            schema,
            oracle: Oracle::new(set, &folders()).unwrap(),
            purpose,
            top: NodeId::NONE,
            accepted: 0,
            refused: BTreeMap::new(),
            exceptions: BTreeMap::new(),
            differences: BTreeMap::new(),
        }
    }

    /// The document as both engines want it.
    fn print(&self, entries: &[Entry], encoding: Encoding) -> (String, String) {
        let (module, operation) = if self.top == NodeId::NONE {
            (String::new(), String::new())
        } else {
            let rpc = self.schema.node(self.top).parent;
            (
                self.schema.module_name(rpc).to_owned(),
                self.schema.name(rpc).to_owned(),
            )
        };
        let datastore = self.top == NodeId::NONE;
        match encoding {
            Encoding::Json if datastore => {
                let text = instance::json(self.schema, entries, "");
                (text.clone(), text)
            }
            Encoding::Xml if datastore => {
                let text = instance::xml(self.schema, entries, None);
                (text.clone(), text)
            }
            Encoding::Json => {
                let inner = instance::json(self.schema, entries, &module);
                (
                    format!("{{\"{module}:input\":{inner}}}"),
                    format!("{{\"{module}:{operation}\":{{\"input\":{inner}}}}}"),
                )
            }
            Encoding::Xml => {
                let inner = instance::xml(self.schema, entries, Some(&module));
                let names = format!(
                    " xmlns=\"{}\"{}",
                    self.schema.text(
                        self.schema
                            .module(self.schema.node(self.top).module)
                            .namespace
                    ),
                    instance::prefixes(self.schema)
                );
                (
                    format!("<input{names}>{inner}</input>"),
                    format!("<{operation}{names}><input>{inner}</input></{operation}>"),
                )
            }
        }
    }

    fn ours(&self, encoding: Encoding, document: &str) -> Result<Tree, String> {
        let reader = Reader::new(self.schema, encoding);
        let (tree, check) = match self.purpose {
            Purpose::Configuration => (reader.data(document.as_bytes()), Check::Configuration),
            Purpose::Everything => (
                reader.with_state().data(document.as_bytes()),
                Check::Everything,
            ),
            Purpose::Operation => (
                reader.operation(self.top, document.as_bytes()),
                Check::Operation,
            ),
        };
        let tree = tree.map_err(|error| format!("{error:?}"))?;
        match validate(&tree, check, None).first() {
            None => Ok(tree),
            Some(error) => Err(format!("{error:?}")),
        }
    }

    /// Gives one document to both.
    fn judge(&mut self, entries: &[Entry], fault: Option<Fault>, rng: &mut Rng) {
        let encoding = if rng.bool() {
            Encoding::Json
        } else {
            Encoding::Xml
        };
        // XML has no document for nothing.
        let encoding = if entries.is_empty() && self.top == NodeId::NONE {
            Encoding::Json
        } else {
            encoding
        };
        let (mut for_us, mut for_them) = self.print(entries, encoding);
        if fault == Some(Fault::Syntax) {
            if self.top != NodeId::NONE {
                return;
            }
            for_us = fault::break_text(&for_us, rng);
            for_them.clone_from(&for_us);
        }
        let theirs = self.oracle.read(self.purpose, other(encoding), &for_them);
        let ours = self.ours(encoding, &for_us);
        if let Some(fault) = fault {
            let counts = self.refused.entry(fault).or_default();
            counts.0 += 1;
            counts.1 += u32::from(theirs.is_err());
        }
        let mut difference = String::new();
        match (&ours, &theirs) {
            (Err(_), Err(_)) => {}
            (Ok(tree), Ok(accepted)) => {
                self.accepted += 1;
                let modes = [
                    (WithDefaults::Trim, Defaults::Trim),
                    (WithDefaults::ReportAll, Defaults::ReportAll),
                    (WithDefaults::Explicit, Defaults::Explicit),
                ];
                // Operations are state in libyang's hands, whose defaults count as explicit there.
                let known = modes.len() - usize::from(self.purpose == Purpose::Operation);
                {
                    let (mode, name) = modes[rng.usize(..known)];
                    for printed in [Encoding::Json, Encoding::Xml] {
                        let a = self.our_output(tree, mode, printed);
                        let b = accepted.print(other(printed), name).unwrap_or_default();
                        let left = self.normal(printed, &a, false);
                        let right = self.normal(printed, &b, true);
                        if left.is_none() || left != right {
                            let _ = writeln!(
                                difference,
                                "{name:?} {printed:?}: {}",
                                normal::difference(left.as_ref(), right.as_ref())
                            );
                        }
                    }
                }
            }
            (Ok(_), Err(refused)) => {
                let _ = writeln!(difference, "only libyang refuses: {refused:?}");
            }
            (Err(error), Ok(_)) => {
                let _ = writeln!(difference, "only we refuse: {error}");
            }
        }
        if difference.is_empty() {
            return;
        }
        let known = match (&ours, &theirs) {
            (_, Ok(_)) => exception::named(&for_us, ours.as_ref().err().map(String::as_str)),
            (_, Err(_)) => None,
        };
        if let Some(name) = known {
            *self.exceptions.entry(name).or_default() += 1;
            return;
        }
        // The same again, with other values, is not shown twice.
        let line = difference.lines().next().unwrap_or_default();
        let kind = line.split(['[', '"']).step_by(2).collect::<String>();
        self.differences
            .entry(kind)
            .or_insert_with(|| (0, format!("{fault:?} {encoding:?}\n{difference}{for_us}\n")))
            .0 += 1;
    }

    fn our_output(&self, tree: &Tree, mode: WithDefaults, encoding: Encoding) -> String {
        let part = if self.purpose == Purpose::Configuration {
            Part::Config
        } else {
            Part::All
        };
        let filled = with_defaults(tree, mode, part);
        let writer = Writer::new(self.schema, encoding);
        if self.top == NodeId::NONE {
            writer.data(&filled)
        } else {
            writer.operation(&filled)
        }
    }

    /// What a printed document says.
    fn normal(&self, encoding: Encoding, text: &str, theirs: bool) -> Option<Normal> {
        let empty = || Normal::Branch(BTreeMap::new());
        match encoding {
            Encoding::Json => {
                if text.is_empty() {
                    return Some(empty());
                }
                let mut value: serde_json::Value = serde_json::from_str(text).ok()?;
                let depth = match (self.top == NodeId::NONE, theirs) {
                    (true, _) => 0,
                    (false, false) => 1,
                    (false, true) => 2,
                };
                for _ in 0..depth {
                    match value.as_object()?.values().next() {
                        Some(inner) => value = inner.clone(),
                        None => return Some(empty()),
                    }
                }
                normal::json(self.schema, self.top, &value)
            }
            Encoding::Xml => {
                let text = format!("<x>{text}</x>");
                let document = roxmltree::Document::parse(&text).ok()?;
                let mut element = document.root_element();
                let depth = match (self.top == NodeId::NONE, theirs) {
                    (true, _) => 0,
                    (false, false) => 1,
                    (false, true) => 2,
                };
                for _ in 0..depth {
                    match element.first_element_child() {
                        Some(inner) => element = inner,
                        None => return Some(empty()),
                    }
                }
                normal::from_xml(self.schema, self.top, element)
            }
        }
    }

    /// Makes and judges `count` documents.
    fn documents(&mut self, count: u32, seed: u64) {
        let mut rng = Rng::with_seed(seed);
        let mut made = 0;
        while made < count && self.differences.len() < SHOWN {
            let density = [4, 12, 30, 60][rng.usize(..4)];
            let mut maker = Maker {
                schema: self.schema,
                rng: &mut rng,
                state: self.purpose != Purpose::Configuration,
                density,
                budget: 120,
            };
            let entries = maker.document(self.top);
            self.judge(&entries, None, &mut rng);
            made += 1;
            for _ in 0..3 {
                let fault = fault::ALL[rng.usize(..fault::ALL.len())];
                let mut broken = entries.clone();
                if fault::inject(fault, self.schema, &mut rng, &mut broken) {
                    self.judge(&broken, Some(fault), &mut rng);
                    made += 1;
                }
            }
        }
    }

    /// Fails with the differences, or with what was never tried.
    fn verdict(self, least_accepted: u32) {
        println!("accepted {}", self.accepted);
        println!("faults (tried, refused): {:?}", self.refused);
        println!("named exceptions: {:?}", self.exceptions);
        assert!(
            self.differences.is_empty(),
            "{} differences:\n{}",
            self.differences.len(),
            self.differences
                .values()
                .map(|(count, example)| format!("{count} times: {example}"))
                .collect::<Vec<_>>()
                .join("\n")
        );
        assert!(
            self.accepted >= least_accepted,
            "only {} documents were valid",
            self.accepted
        );
        for fault in [Fault::UnknownNode, Fault::ContainerForLeaf] {
            assert!(
                self.refused.get(&fault).is_some_and(|counts| counts.1 > 0),
                "{fault:?} was never refused"
            );
        }
    }
}

fn other(encoding: Encoding) -> oracle::Encoding {
    match encoding {
        Encoding::Json => oracle::Encoding::Json,
        Encoding::Xml => oracle::Encoding::Xml,
    }
}

fn configurations(seed: u64) {
    let mut run = Run::new(&AGENT, &glimpse_yang::table::AGENT, Purpose::Configuration);
    run.documents(2_000, seed);
    run.verdict(400);
}

fn everything(seed: u64) {
    let mut run = Run::new(
        &CONTROLLER,
        &glimpse_yang::table::CONTROLLER,
        Purpose::Everything,
    );
    run.documents(1_600, seed);
    run.verdict(250);
}

fn operations(seed: u64) {
    let schema = &glimpse_yang::table::CONTROLLER;
    let mut run = Run::new(&CONTROLLER, schema, Purpose::Operation);
    let inputs: Vec<NodeId> = schema
        .operations()
        .into_iter()
        .filter_map(|operation| schema.part(operation, Kind::Input))
        .collect();
    assert!(inputs.len() >= 5);
    let report = schema.operation("ietf-lmap-report", "report").unwrap();
    for input in inputs {
        run.top = input;
        let count = if schema.node(input).parent == report {
            1_000
        } else {
            150
        };
        run.documents(count, seed + u64::from(input.0));
    }
    run.verdict(300);
}

/// One test per seed: they run side by side.
macro_rules! runs {
    ($($name:ident = $what:ident($seed:literal);)*) => {
        $(#[test]
        fn $name() {
            $what($seed);
        })*
    };
}

// 10 000 configurations, 6 400 with state, 6 400 operations.
runs! {
    configurations_get_the_same_verdict_1 = configurations(1);
    configurations_get_the_same_verdict_2 = configurations(2);
    configurations_get_the_same_verdict_3 = configurations(3);
    configurations_get_the_same_verdict_4 = configurations(4);
    configurations_get_the_same_verdict_5 = configurations(5);
    state_gets_the_same_verdict_1 = everything(11);
    state_gets_the_same_verdict_2 = everything(12);
    state_gets_the_same_verdict_3 = everything(13);
    state_gets_the_same_verdict_4 = everything(14);
    operations_get_the_same_verdict_1 = operations(1_000);
    operations_get_the_same_verdict_2 = operations(2_000);
    operations_get_the_same_verdict_3 = operations(3_000);
    operations_get_the_same_verdict_4 = operations(4_000);
}
