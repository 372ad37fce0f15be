//! "Walk through it" of docs/restconf.md, word by word: our controller, our agent behind a NAT, and the system's curl.
//!
//! ```text
//!   home ── lan ── router ── wan ── town
//!   agent          masquerades      controller, collector, operator
//! ```
//! Blocks of the document are run where it says they are, in its order, each by `sh -e`; what they print must be what stands there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod restconf_walkthrough {
    pub(super) mod document;
    pub(super) mod stage;
}

use restconf_walkthrough::document::{Block, Kind, blocks, misfit};
use restconf_walkthrough::stage::Stage;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/restconf.md");
/// The agent, in the examples.
const EXAMPLE: &str = "a-17";

/// Beyond what is printed: numbers that the document leaves open.
fn look_closer(block: &Block, printed: &str) {
    if !block.text.contains("/invocations") {
        return;
    }
    let (_, rest) = printed.split_once("invocations\":").expect("a counter");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    assert!(digits.parse::<u64>().unwrap() >= 1, "{printed}");
}

#[test]
fn netns_the_walkthrough_does_what_it_says() {
    let mut stage = Stage::new();
    let mut variables = String::new();
    let mut id = String::new();
    let (mut run, mut printed_so_far) = (0, String::new());
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    for block in blocks(&document, "## Walk through it") {
        let text = block.text.replace(EXAMPLE, &id);
        match block.kind {
            Kind::Controller => stage.start_controller(&text),
            Kind::Agent => id = stage.start_agent(&text),
            Kind::Shell if block.is_of_variables() => variables = text,
            Kind::Shell => {
                if text.contains("/etc/init.d/glimpse stop") {
                    stage.stop_agent();
                    continue;
                }
                if text.contains("/etc/init.d/glimpse start") {
                    stage.restart_agent();
                    continue;
                }
                let printed = stage.shell(&format!("{variables}\n{text}"));
                printed_so_far = format!("{printed_so_far}$ {}\n{printed}\n", text.trim_end());
                let expected = block.prints.as_deref().unwrap_or_default();
                let expected = expected.replace(EXAMPLE, &id);
                if let Some(misfit) = misfit(&expected, &printed) {
                    panic!(
                        "docs/restconf.md, line {}: {misfit}\n{printed_so_far}\n{}",
                        block.line,
                        stage.logs()
                    );
                }
                look_closer(&block, &printed);
                run += 1;
            }
        }
    }
    assert!(run >= 18, "only {run} blocks were run");
    // None of it could have come by another way than the agent's own call.
    stage.is_out_of_reach();
}
