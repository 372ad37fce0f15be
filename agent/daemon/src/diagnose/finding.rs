//! From what the steps came to, to the one sentence that answers the household. Pure.
//!
//! The finding is the ✗ that explains the most of the later ones, the first from the top among equals: a dead line
//! explains everything behind it, while a weak Wi-Fi signal does not explain that the router itself gets little from its
//! provider. What a later step has disproved is no candidate: many first boxes never answer a ping, and yet carry
//! everything. The others are listed but for those that are explained already.

mod code;

pub use code::{FindingCode, State};

use super::chain::{Kind, StepCode};
use super::values::{Families, Values, Version};
use FindingCode as F;
use serde_json::{Value, json};

/// What was found, and by how much.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What.
    pub code: FindingCode,
    /// Good, fair or bad.
    pub state: State,
    /// Its figures.
    pub values: Values,
}

impl Finding {
    fn json(&self) -> Value {
        json!({
            "code": self.code.as_str(),
            "state": self.state.as_str(),
            "values": self.values.0,
        })
    }
}

/// How far packets were seen to get, and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Nowhere.
    #[default]
    Nowhere,
    /// Beyond the first box.
    Provider,
    /// Beyond the provider.
    Outside,
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Good, fair, bad or skipped.
    pub state: State,
    /// What was seen.
    pub values: Values,
    /// What it means, if anything is wrong.
    pub finding: Option<Finding>,
    /// What it proves to work.
    pub reach: Families<Reach>,
    /// Whether the question of the chain was looked at by it.
    pub tells: bool,
}

impl Judged {
    /// Nothing wrong.
    pub fn good(values: Values) -> Self {
        Self {
            state: State::Good,
            values,
            finding: None,
            reach: Families::none(),
            tells: false,
        }
    }

    /// Something wrong.
    pub fn found(state: State, values: Values, code: FindingCode, figures: Values) -> Self {
        Self {
            state,
            finding: Some(Finding {
                code,
                state,
                values: figures,
            }),
            ..Self::good(values)
        }
    }

    /// Not looked at, for this reason.
    pub fn skipped(reason: &Reason) -> Self {
        Self {
            state: State::Skipped,
            ..Self::good(reason.values())
        }
    }

    /// The same with what it proves.
    #[must_use]
    pub fn reaching(mut self, reach: Families<Reach>) -> Self {
        self.reach = reach;
        self
    }

    /// The same as one that answers the question of the chain.
    #[must_use]
    pub fn telling(mut self) -> Self {
        self.tells = true;
        self
    }
}

/// Why a step was not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// This option of the settings is not set.
    NotConfigured(&'static str),
    /// There is no way out.
    NoRoute,
    /// No target has an address.
    NoTarget,
    /// What was to be measured with does not answer, and why, if that is known.
    NoAnswer(Option<String>),
    /// This build lacks the method.
    NoMethod(&'static str),
    /// Only one version of the Internet Protocol is there.
    NoIpv6,
    /// Nobody knows which device asks.
    NoClient,
    /// It is not on this router's Wi-Fi.
    NotWireless,
    /// This system does not tell.
    NoFacts,
    /// There is nothing to compare with.
    NoHistory,
    /// Its time is over.
    TooLong,
}

impl Reason {
    fn values(&self) -> Values {
        let (word, values) = match self {
            Self::NotConfigured(option) => (
                "not_configured",
                Values::new().text("option", Some(*option)),
            ),
            Self::NoRoute => ("no_route", Values::new()),
            Self::NoTarget => ("no_target", Values::new()),
            Self::NoAnswer(error) => ("no_answer", Values::new().text("error", error.as_ref())),
            Self::NoMethod(method) => ("no_method", Values::new().text("method", Some(*method))),
            Self::NoIpv6 => ("no_ipv6", Values::new()),
            Self::NoClient => ("no_client", Values::new()),
            Self::NotWireless => ("not_wireless", Values::new()),
            Self::NoFacts => ("no_facts", Values::new()),
            Self::NoHistory => ("no_history", Values::new()),
            Self::TooLong => ("too_long", Values::new()),
        };
        values.text("reason", Some(word))
    }
}

/// The end of a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Conclusion {
    /// The finding.
    pub finding: Finding,
    /// What else is wrong and not explained by it.
    pub others: Vec<Finding>,
}

impl Conclusion {
    /// As `run_status` has it.
    pub fn json(&self) -> Value {
        let mut finding = self.finding.json();
        finding["others"] = self.others.iter().map(Finding::json).collect();
        finding
    }
}

/// Takes the finding from what the steps came to. A step that a later one has disproved becomes [`State::Fair`].
pub fn conclude(kind: Kind, steps: &mut [(StepCode, Judged)]) -> Conclusion {
    refute(steps);
    let found: Vec<Finding> = steps
        .iter()
        .filter_map(|(_, judged)| judged.finding.clone())
        .collect();
    let worst = |state| strongest(&found, state).map(|place| found[place].clone());
    let answer = answer(kind, steps);
    let fair = worst(State::Fair).filter(|_| answer.code != F::NotChecked);
    let finding = worst(State::Bad).or(fair).unwrap_or_else(|| answer.clone());
    let mut others: Vec<Finding> = Vec::new();
    for other in found {
        let known = others.iter().any(|known| known.code == other.code);
        if other != finding && !known && !explains(finding.code, other.code) {
            others.push(other);
        }
    }
    if kind == Kind::Speed && answer.code == F::Speed && finding != answer {
        others.push(answer);
    }
    Conclusion { finding, others }
}

/// The place of the finding in `state` that explains the most of the later ones.
fn strongest(found: &[Finding], state: State) -> Option<usize> {
    let explained = |place: usize| {
        let later = found[place + 1..].iter();
        let same = later.filter(|other| other.state == state);
        same.filter(|other| explains(found[place].code, other.code))
            .count()
    };
    let places = (0..found.len()).filter(|&place| found[place].state == state);
    // Of equals `max_by_key` takes the last; the first is wanted.
    places.rev().max_by_key(|&place| explained(place))
}

/// Takes back what a later step has disproved.
fn refute(steps: &mut [(StepCode, Judged)]) {
    let mut reached: Families<Reach> = Families::none();
    for (_, judged) in steps.iter_mut().rev() {
        if let Some(finding) = &judged.finding {
            let at_least = |reach| reached.iter().any(|&seen| seen >= reach);
            let of = |version| {
                reached
                    .of(version)
                    .is_some_and(|&seen| seen > Reach::Nowhere)
            };
            let disproved = match finding.code {
                F::InterfaceDown
                | F::NoCarrier
                | F::NoAddress
                | F::LoginRefused
                | F::SimRefused
                | F::GatewaySilent => at_least(Reach::Provider),
                F::ProviderNetwork | F::BeyondProvider => at_least(Reach::Outside),
                F::Ipv4Broken => of(Version::V4),
                F::Ipv6Broken => of(Version::V6),
                _ => false,
            };
            if disproved {
                judged.finding = None;
                judged.state = State::Fair;
            }
        }
        for version in Version::BOTH {
            let seen = judged.reach.of(version).copied();
            if seen > reached.of(version).copied() {
                reached.set(version, seen);
            }
        }
    }
}

/// Whether `effect`, seen later, follows from `cause`.
fn explains(cause: FindingCode, effect: FindingCode) -> bool {
    match cause {
        F::InterfaceDown
        | F::NoCarrier
        | F::NoAddress
        | F::LoginRefused
        | F::SimRefused
        | F::GatewaySilent
        | F::ProviderNetwork
        | F::BeyondProvider
        | F::NoConnection => true,
        F::NamesDown | F::ProviderNamesDown | F::RouterNamesHang => matches!(
            effect,
            F::PageUnreachable | F::ClockWrong | F::CertificateRefused
        ),
        F::LoginPage => matches!(effect, F::CertificateRefused | F::LargePacketsLost),
        F::PageUnreachable | F::LargePacketsLost => effect == F::CertificateRefused,
        F::LineInUse => matches!(
            effect,
            F::RouterBusy
                | F::AccessDisturbed
                | F::TroubleBeyond
                | F::LessThanPaid
                | F::SlowerThanUsual
                | F::QueueBloat
                | F::NamesSlow
                | F::Ipv4Slow
                | F::Ipv6Slow
        ),
        F::RouterBusy => matches!(effect, F::LessThanPaid | F::SlowerThanUsual | F::QueueBloat),
        F::AccessDisturbed => matches!(
            effect,
            F::TroubleBeyond | F::LessThanPaid | F::SlowerThanUsual | F::QueueBloat | F::NamesSlow
        ),
        F::TroubleBeyond => matches!(
            effect,
            F::LessThanPaid | F::SlowerThanUsual | F::NamesSlow | F::PathChanged
        ),
        // The same family fails at several steps.
        F::Ipv4Broken | F::Ipv6Broken => cause == effect,
        _ => false,
    }
}

/// What is to be said where nothing is wrong.
fn answer(kind: Kind, steps: &[(StepCode, Judged)]) -> Finding {
    let told = steps.iter().any(|(_, judged)| {
        judged.tells || judged.reach.iter().any(|&reach| reach == Reach::Outside)
    });
    let good = |code, values| Finding {
        code,
        state: State::Good,
        values,
    };
    match kind {
        Kind::Speed if !told && is_silent(steps) => Finding {
            state: State::Bad,
            ..good(F::NoConnection, Values::new())
        },
        _ if !told => {
            let option = steps
                .iter()
                .find_map(|(_, judged)| judged.values.0.get("option")?.as_str());
            Finding {
                code: F::NotChecked,
                state: State::Fair,
                values: Values::new().text("option", option),
            }
        }
        Kind::Down => good(F::Works, Values::new()),
        Kind::Slow => good(F::NotSlow, Values::new()),
        Kind::Speed => good(F::Speed, speeds(steps)),
    }
}

/// Whether nothing answered, neither echoes nor a server.
fn is_silent(steps: &[(StepCode, Judged)]) -> bool {
    let silent = |wanted| {
        steps.iter().any(|(code, judged)| {
            let reason = judged.values.0.get("reason");
            *code == wanted && reason.is_some_and(|reason| reason == "no_answer")
        })
    };
    silent(StepCode::Idle) && silent(StepCode::Down)
}

/// The figures of the one sentence about the speed.
fn speeds(steps: &[(StepCode, Judged)]) -> Values {
    let figure = |step, name: &str| {
        let (_, judged) = steps.iter().find(|(code, _)| *code == step)?;
        judged.values.0.get(name)?.as_i64()
    };
    let added = [
        figure(StepCode::Down, "added_down_us"),
        figure(StepCode::Up, "added_up_us"),
    ];
    Values::new()
        .number("down_kbps", figure(StepCode::Down, "down_kbps"))
        .number("up_kbps", figure(StepCode::Up, "up_kbps"))
        .number("delay_us", figure(StepCode::Idle, "median_us"))
        .number("added_us", added.into_iter().flatten().max())
}

#[cfg(test)]
mod tests;
