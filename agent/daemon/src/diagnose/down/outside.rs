//! What lies behind the way: names, pages, long packets, certificates.

use super::super::finding::{FindingCode as F, Judged, Reach, Reason, State};
use super::super::values::{Families, Values};
use super::apart;

/// Name servers of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Servers asked.
    pub asked: u32,
    /// Those that gave an answer to work with.
    pub answered: u32,
    /// How long the fastest took.
    pub us: Option<u64>,
}

impl Asked {
    fn works(self) -> bool {
        self.answered > 0
    }

    fn fails(self) -> bool {
        self.asked > 0 && self.answered == 0
    }
}

/// The name servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The name asked for.
    pub name: String,
    /// The provider's servers.
    pub provider: Asked,
    /// The router's own.
    pub router: Asked,
    /// A public one, where the household allows it.
    pub public: Asked,
    /// What one that does not answer says of it.
    pub error: Option<String>,
}

impl Names {
    /// What it means.
    pub fn judge(&self) -> Judged {
        let mut values = Values::new()
            .text("name", Some(&self.name))
            .text("error", self.error.as_ref());
        let kinds = [
            ("provider", self.provider),
            ("router", self.router),
            ("public", self.public),
        ];
        for (word, asked) in kinds {
            if asked.asked > 0 {
                let name = |name: &str| format!("{word}_{name}");
                values = values
                    .number(&name("asked"), Some(asked.asked))
                    .number(&name("answered"), Some(asked.answered))
                    .number(&name("us"), asked.us);
            }
        }
        if kinds.iter().all(|(_, asked)| asked.asked == 0) {
            return Judged::skipped(&Reason::NoFacts);
        }
        let reach = if self.public.works() {
            Some(Reach::Outside)
        } else {
            self.provider.works().then_some(Reach::Provider)
        };
        // By which version they were asked makes no difference: an answer came in.
        let reach = Families {
            ipv4: reach,
            ipv6: None,
        };
        let figures = Values::new()
            .number("provider_asked", Some(self.provider.asked))
            .number("public_asked", Some(self.public.asked))
            .number("public_answered", Some(self.public.answered))
            .number("public_us", self.public.us);
        let judged = if self.provider.fails() && self.router.works() {
            // The router asks somebody else, or still remembers: the home has its names.
            Judged::found(State::Fair, values, F::ProviderNamesDown, figures)
        } else if self.provider.fails() && !self.public.fails() {
            Judged::found(State::Bad, values, F::ProviderNamesDown, figures)
        } else if self.provider.fails() || (self.provider.asked == 0 && self.public.fails()) {
            Judged::found(State::Bad, values, F::NamesDown, figures)
        } else if self.router.fails() && (self.provider.works() || self.public.works()) {
            Judged::found(State::Bad, values, F::RouterNamesHang, Values::new())
        } else if self.router.fails() {
            Judged::found(State::Bad, values, F::NamesDown, figures)
        } else {
            Judged::good(values)
        };
        judged.reaching(reach)
    }
}

/// What came instead of the known page, or that it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// The page.
    Expected,
    /// Something else.
    Other {
        /// Status of HTTP.
        status: u16,
        /// Where it points.
        location: Option<String>,
    },
    /// Nothing, and why.
    None(String),
}

/// The known page over each version; what has no address for its host is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its address.
    pub url: String,
    /// What came.
    pub came: Families<Came>,
}

impl Page {
    /// What it means.
    pub fn judge(&self) -> Judged {
        let mut values = Values::new().text("url", Some(&self.url));
        let mut reach = Families::none();
        let mut other = None;
        let mut why = None;
        for (version, came) in self.came.each() {
            let word = match came {
                None => continue,
                Some(Came::Expected) => "expected",
                Some(Came::Other { status, location }) => {
                    other = Some((*status, location.clone()));
                    "other"
                }
                Some(Came::None(error)) => {
                    why = Some(error);
                    "none"
                }
            };
            values = values.text(version.as_str(), Some(word));
            reach.set(version, (word != "none").then_some(Reach::Outside));
        }
        let about = Values::new().text("url", Some(&self.url));
        if let Some((status, location)) = other {
            let seen = Values::new()
                .number("status", Some(status))
                .text("location", location);
            let figures = about.and(seen.clone());
            return Judged::found(State::Bad, values.and(seen), F::LoginPage, figures)
                .reaching(reach);
        }
        if self.came.iter().next().is_none() {
            return Judged::skipped(&Reason::NoTarget);
        }
        let error = Values::new().text("error", why);
        let figures = about.and(error.clone());
        let works = |came: &Came| *came == Came::Expected;
        let values = values.and(error);
        apart(
            &self.came,
            works,
            values,
            "page",
            F::PageUnreachable,
            figures,
        )
        .reaching(reach)
    }
}

/// What becomes of long packets on their way to a target that answers short ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Longest {
    /// The longest packet that was answered, in bytes of IP.
    pub mtu_bytes: u32,
    /// Whether a router, or this one, said that longer ones do not fit.
    pub told: bool,
}

/// Long packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketSize {
    /// The longest packet that the interface takes.
    pub interface_mtu_bytes: u32,
    /// What the way takes.
    pub longest: Families<Longest>,
}

impl PacketSize {
    /// What it means.
    pub fn judge(&self) -> Judged {
        let mut values =
            Values::new().number("interface_mtu_bytes", Some(self.interface_mtu_bytes));
        let mut lost = None;
        for (version, one) in self.longest.each() {
            let Some(one) = one else { continue };
            let name = |name: &str| format!("{}_{name}", version.as_str());
            let shorter = one.mtu_bytes < self.interface_mtu_bytes;
            values = values
                .number(&name("mtu_bytes"), Some(one.mtu_bytes))
                .flag(&name("told"), shorter.then_some(one.told));
            if shorter && !one.told {
                lost = Some(one.mtu_bytes.min(lost.unwrap_or(u32::MAX)));
            }
        }
        if self.longest.iter().next().is_none() {
            return Judged::skipped(&Reason::NoAnswer(None));
        }
        let Some(mtu_bytes) = lost else {
            return Judged::good(values);
        };
        let figures = Values::new()
            .number("mtu_bytes", Some(mtu_bytes))
            .number("interface_mtu_bytes", Some(self.interface_mtu_bytes));
        Judged::found(State::Bad, values, F::LargePacketsLost, figures)
    }
}

/// What the check of a server's certificate came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// It proves who the server is.
    Valid,
    /// By this clock it will be valid later.
    NotYetValid,
    /// By this clock it was valid.
    Expired,
    /// It proves nothing, and why.
    Refused(String),
    /// There was none to check, and why.
    Unchecked(Option<String>),
}

/// Clock and certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The time by this clock, RFC 3339.
    pub now: String,
    /// Whether it can be believed.
    pub trusted: bool,
    /// The server whose certificate was checked.
    pub host: Option<String>,
    /// What came of it.
    pub certificate: Certificate,
}

impl Clock {
    /// What it means.
    pub fn judge(&self) -> Judged {
        let (word, error) = match &self.certificate {
            Certificate::Valid => ("valid", None),
            Certificate::NotYetValid => ("not_yet_valid", None),
            Certificate::Expired => ("expired", None),
            Certificate::Refused(error) => ("refused", Some(error)),
            Certificate::Unchecked(error) => ("unchecked", error.as_ref()),
        };
        let now = Values::new().text("now", Some(&self.now));
        let values = now
            .clone()
            .flag("trusted", Some(self.trusted))
            .text("host", self.host.as_ref())
            .text("certificate", Some(word))
            .text("error", error);
        // No server shows a certificate before its time; one that has run out may be the server's own neglect.
        let wrong = !self.trusted || self.certificate == Certificate::NotYetValid;
        if wrong {
            return Judged::found(State::Bad, values, F::ClockWrong, now);
        }
        let why = match &self.certificate {
            Certificate::Refused(error) => error.clone(),
            Certificate::Expired => "the certificate has expired".to_owned(),
            _ => return Judged::good(values),
        };
        let figures = Values::new()
            .text("host", self.host.as_ref())
            .text("error", Some(why));
        Judged::found(State::Bad, values, F::CertificateRefused, figures)
    }
}
