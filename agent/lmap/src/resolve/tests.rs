#![allow(clippy::unwrap_used)]

use super::*;
use crate::bench::{LAB, methods};
use crate::control::{Function, Parameters};
use crate::function::of_method;

const CONTROLLER: &str = "https://c.example:8440";

fn known() -> Collectors {
    Collectors::new(Some(CONTROLLER), [("lab", LAB)])
}

fn option(name: &str, value: &str) -> OptionEntry {
    OptionEntry {
        id: value.to_owned(),
        name: Some(name.to_owned()),
        value: Some(value.to_owned()),
    }
}

/// What a reporting task with these options comes to.
fn reporting(options: Vec<OptionEntry>) -> Result<Vec<String>, Unresolved> {
    let task = Task {
        functions: vec![Function {
            uri: REPORT_FUNCTION.to_owned(),
            roles: Vec::new(),
        }],
        options,
        ..Task::default()
    };
    match resolve(Some(&task), &Action::default(), &methods(), &known())? {
        Resolved::Report { collectors, .. } => Ok(collectors),
        Resolved::Measure { .. } => panic!("it reports"),
    }
}

#[test]
fn reports_go_to_the_controller_and_to_channels() {
    let to = reporting(vec![
        option("collector", "https://C.example:8440/restconf/"),
        option("channel", "lab"),
        option("collector", LAB),
    ]);
    assert_eq!(to.unwrap(), ["https://C.example:8440/restconf", LAB]);
}

#[test]
fn reports_go_to_nobody_else() {
    for url in [
        "https://victim.example",
        "https://c.example",
        "https://c.example:22/",
        "https://127.0.0.1:8440",
        "https://192.168.1.1:22",
        "https://[::ffff:192.168.1.1]",
        "https://c.example:8440@victim.example",
    ] {
        let refused = reporting(vec![option("collector", url)]).unwrap_err();
        assert_eq!(refused.status, 126, "{url}");
        assert_eq!(
            refused.message,
            format!("collector {url} is not the controller's nor a channel of this agent")
        );
    }
    let refused = reporting(vec![option("channel", "labor")]).unwrap_err();
    assert_eq!(
        (refused.status, refused.message.as_str()),
        (127, "the household has no channel 'labor'")
    );
    // One that is wrong is not made up for by one that is right.
    let both = vec![
        option("channel", "lab"),
        option("collector", "https://victim.example"),
    ];
    assert!(reporting(both).is_err());
}

#[test]
fn an_action_has_few_collectors() {
    let of = |count: usize| -> Vec<OptionEntry> {
        (0..count)
            .map(|n| option("collector", &format!("{CONTROLLER}/{n}")))
            .collect()
    };
    assert_eq!(reporting(of(8)).unwrap().len(), 8);
    assert_eq!(reporting(of(9)).unwrap_err().status, 126);
}

/// Methods that measure the same and take different options.
fn lookups() -> Vec<Method> {
    const NAMES: &[OptionSpec] = &[
        OptionSpec::text("host", 253, "name"),
        OptionSpec::integer("retries", 1, 0, 3, "", "more tries"),
    ];
    const ADDRESSES: &[OptionSpec] = &[
        OptionSpec::text("ip", 45, "address"),
        OptionSpec::integer("retries", 1, 0, 3, "", "more tries"),
    ];
    let method = |name: &str, options: &'static [OptionSpec]| Method {
        name: name.to_owned(),
        functions: of_method(name),
        options: options.into(),
        needs: Vec::new(),
    };
    vec![
        method("dnslookup", NAMES),
        method("reversednslookup", ADDRESSES),
    ]
}

#[test]
fn methods_that_measure_one_thing_are_told_apart_by_their_options() {
    let uri = of_method("dnslookup").remove(0);
    let task = |options| Task {
        functions: vec![Function {
            uri: uri.clone(),
            roles: Vec::new(),
        }],
        options,
        ..Task::default()
    };
    let resolved =
        |task: &Task, action: &Action| match resolve(Some(task), action, &lookups(), &known()) {
            Ok(Resolved::Measure { method, .. }) => method,
            other => format!("{other:?}"),
        };
    let action = Action::default();
    assert_eq!(
        resolved(&task(vec![option("host", "a")]), &action),
        "dnslookup"
    );
    let by_address = vec![option("retries", "2"), option("ip", "192.0.2.1")];
    assert_eq!(resolved(&task(by_address), &action), "reversednslookup");
    let typed = Action {
        parameters: Some(Parameters {
            method: "reversednslookup".to_owned(),
            values: vec![("ip".to_owned(), "192.0.2.1".to_owned())],
        }),
        ..Action::default()
    };
    assert_eq!(resolved(&task(Vec::new()), &typed), "reversednslookup");
    // Options of neither are told by the first.
    let unknown = resolved(&task(vec![option("speed", "1")]), &action);
    assert!(
        unknown.contains("speed: is not an option here"),
        "{unknown}"
    );
}

#[test]
fn a_function_chooses_the_variant_and_options_overrule_it() {
    const TYPES: &[Cow<'static, str>] = &[
        Cow::Borrowed("Udp"),
        Cow::Borrowed("Tcp"),
        Cow::Borrowed("Icmp"),
    ];
    const PING: &[OptionSpec] = &[
        OptionSpec::text("host", 253, "target"),
        OptionSpec::choice("type", TYPES, "what is sent"),
    ];
    let ping = Method {
        options: PING.into(),
        functions: of_method("ping"),
        ..methods().remove(0)
    };
    let resolved = |uri: &str, given: &[(&str, &str)]| {
        let given = given.iter().map(|(name, value)| option(name, value));
        let task = Task {
            functions: vec![Function {
                uri: uri.to_owned(),
                roles: Vec::new(),
            }],
            options: given.collect(),
            ..Task::default()
        };
        let ping = std::slice::from_ref(&ping);
        match resolve(Some(&task), &Action::default(), ping, &known()) {
            Ok(Resolved::Measure {
                options, functions, ..
            }) => (options.get("type").cloned(), functions),
            other => panic!("{other:?}"),
        }
    };
    let tcp = of_method("ping").remove(1);
    assert!(tcp.contains("IP-TCP-HS"));
    let host = ("host", "192.0.2.1");
    let chosen = resolved(&tcp, &[host]);
    assert_eq!(chosen, (Some("Tcp".into()), vec![tcp.clone()]));
    let (kind, functions) = resolved(&tcp, &[host, ("type", "Udp")]);
    assert_eq!(kind, Some("Udp".into()));
    assert!(functions[0].contains("IP-UDP-Periodic"));
}

#[test]
fn secrets_are_secret_whatever_the_method() {
    const KEY: &[OptionSpec] = &[OptionSpec::text("key", 10, "opens a door").secret()];
    let with = vec![Method {
        options: KEY.into(),
        ..methods().remove(0)
    }];
    assert!(is_secret(&with, "key") && is_secret(&with, "token") && is_secret(&[], "token"));
    assert!(!is_secret(&with, "host") && !is_secret(&methods(), "key"));
}
