#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_model::outcome::Ending;
use serde_json::json;

use super::*;

/// A method from outside this crate, as a plug-in host would register it.
struct Stuck;

impl Method for Stuck {
    fn check(&self, options: &Options) -> Result<(), Refused> {
        if options.integer("weight") == 13 {
            Err(Refused::new("weight", "is unlucky"))
        } else {
            Ok(())
        }
    }

    fn worst_case_bytes(&self, options: &Options) -> u64 {
        u64::try_from(options.integer("weight")).unwrap()
    }

    fn longest_run(&self, _: &Options) -> Duration {
        Duration::from_secs(1)
    }

    fn run<'a>(&'a self, _: &'a Options, _: &'a Context) -> Run<'a> {
        Box::pin(std::future::pending())
    }
}

const OPTIONS: &[OptionSpec] = &[OptionSpec::integer("weight", 1, 0, 100, "kg", "how heavy")];

fn stuck(name: &str) -> Descriptor {
    Descriptor {
        name: name.to_owned().into(),
        functions: vec![format!("{FUNCTION_BASE}Priv_Stuck").into()].into(),
        options: Cow::Borrowed(OPTIONS),
        needs: Cow::Borrowed(&[Need::Peer]),
        method: Arc::new(Stuck),
    }
}

#[test]
fn a_registered_method_is_found_and_announced_like_a_built_in_one() {
    let mut registry = Registry::built_in();
    let before = registry.capabilities().len();
    registry.register(stuck("stuck")).unwrap();
    assert_eq!(registry.find("stuck").unwrap().name, "stuck");
    let capabilities = registry.capabilities();
    assert_eq!(capabilities.len(), before + 1);
    let announced = serde_json::to_value(capabilities.last().unwrap()).unwrap();
    assert_eq!(announced["name"], "stuck");
    assert_eq!(announced["needs"], json!(["peer"]));
    assert_eq!(announced["options"]["properties"]["weight"]["maximum"], 100);
    assert!(registry.find("Stuck").is_none());
}

#[test]
fn a_method_never_replaces_another() {
    let mut registry = Registry::built_in();
    let name = registry.iter().next().unwrap().name.to_string();
    assert_eq!(registry.register(stuck(&name)), Err(Duplicate(name)));
}

#[test]
fn options_are_read_by_the_table_and_then_together() {
    let descriptor = stuck("stuck");
    let read = |value: Value| descriptor.read(value.as_object().unwrap());
    assert_eq!(
        descriptor.worst_case_bytes(&read(json!({"weight": 7})).unwrap()),
        7
    );
    assert_eq!(read(json!({"weight": 101})).unwrap_err().path, "weight");
    assert_eq!(
        read(json!({"weight": 13})).unwrap_err().to_string(),
        "weight: is unlucky"
    );
    assert_eq!(
        read(json!({"height": 1})).unwrap_err().to_string(),
        "height: is not an option here"
    );
}

#[tokio::test(start_paused = true)]
async fn a_method_that_does_not_end_is_stopped_at_the_time_limit() {
    let descriptor = stuck("stuck");
    let options = descriptor.read(&Map::new()).unwrap();
    let outcome = descriptor
        .run(&options, &Context::unlimited(Duration::from_secs(5), 1))
        .await;
    assert_eq!(outcome.ending, Ending::Aborted);
    assert_eq!(
        outcome.error.as_deref(),
        Some("stopped at its time limit of 5000 ms")
    );
}

#[tokio::test]
async fn options_that_were_not_checked_do_not_run() {
    let descriptor = stuck("stuck");
    let options = Options::from_words(&descriptor.options, ["weight=13"]).unwrap();
    let outcome = descriptor
        .run(&options, &Context::unlimited(Duration::from_secs(5), 1))
        .await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert_eq!(outcome.error.as_deref(), Some("weight: is unlucky"));
}

#[test]
fn runs_can_be_handed_to_another_task() {
    fn is_send<T: Send>(_: T) {}
    let (descriptor, context) = (stuck("stuck"), Context::unlimited(Duration::ZERO, 1));
    let options = descriptor.read(&Map::new()).unwrap();
    is_send(descriptor.run(&options, &context));
}
