//! The options that `dnslookup` and `reversednslookup` share, and what a run with them can cost.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::read::Refused;
use glimpse_net::count::{TCP_SYN, datagram_bytes, packet_bytes};
use glimpse_net::packet::Family;
use glimpse_net::stream::CountedStream;
use rustls_pki_types::ServerName;

use super::query::{QUERY_LIMIT, Wishes};
use super::server;

/// Longest run, in milliseconds, of all time-outs together.
const RUN_LIMIT_MS: u64 = 3_600_000;
/// Beyond the last time-out: start, waiting for kernel stamps, clean-up.
const SLACK: Duration = Duration::from_secs(3);
/// Datagrams of the offered size that one try takes, forged ones and quotes of errors included.
const DATAGRAMS_PER_TRY: u64 = 4;
/// Longest message over TCP, with its length (RFC 1035 §4.2.2).
const STREAM_MESSAGE: u64 = 2 + 65_535;
/// What a TLS handshake and the framing of records may need, in bytes.
const TLS_BYTES: u64 = 24_576;
/// Heads of HTTP messages, in bytes.
#[cfg(feature = "doh")]
const HTTP_BYTES: u64 = 2 * 16_384;
/// Segment size that worst cases are reckoned with, in bytes.
const SEGMENT: u32 = 512;
/// SYN packets in a minute, the longest time-out (RFC 6298).
const SYNS: u64 = 7;

const TRANSPORTS: &[Cow<'static, str>] = &[
    Cow::Borrowed("Udp"),
    Cow::Borrowed("Tcp"),
    Cow::Borrowed("Tls"),
    #[cfg(feature = "doh")]
    Cow::Borrowed("Https"),
];
#[cfg(feature = "doh")]
const HTTP_METHODS: &[Cow<'static, str>] = &[Cow::Borrowed("POST"), Cow::Borrowed("GET")];

pub(crate) const DNS_SERVER: OptionSpec = OptionSpec::optional_text(
    "dns_server",
    "",
    64,
    "address of the server, with its port if it is not the usual one; empty for the system's servers",
);
pub(crate) const TRANSPORT: OptionSpec =
    OptionSpec::choice("transport", TRANSPORTS, "how the query travels");
pub(crate) const TLS_NAME: OptionSpec = OptionSpec::optional_text(
    "tls_name",
    "",
    253,
    "name that the server's certificate must carry; empty for its address",
);
#[cfg(feature = "doh")]
pub(crate) const HTTP_PATH: OptionSpec =
    OptionSpec::optional_text("http_path", "/dns-query", 255, "path of transport Https");
#[cfg(feature = "doh")]
pub(crate) const HTTP_METHOD: OptionSpec =
    OptionSpec::choice("http_method", HTTP_METHODS, "method of transport Https");
pub(crate) const TIMEOUT: OptionSpec = OptionSpec::integer(
    "timeout",
    5000,
    1,
    60_000,
    "ms",
    "how long each try may take, connecting included",
);
pub(crate) const RETRIES: OptionSpec = OptionSpec::integer(
    "retries",
    1,
    0,
    5,
    "",
    "further tries of a query that was not answered, at the system's next server if there is one",
);
pub(crate) const EDNS_SIZE: OptionSpec = OptionSpec::integer(
    "edns_size",
    1232,
    0,
    65_535,
    "bytes",
    "longest answer by UDP that is offered to be taken, from 512; 0 asks without EDNS",
);
pub(crate) const DNSSEC: OptionSpec =
    OptionSpec::boolean("dnssec", false, "ask for DNSSEC records (the DO bit)");
pub(crate) const NSID: OptionSpec = OptionSpec::boolean(
    "nsid",
    false,
    "ask the server for its identifier (RFC 5001)",
);
pub(crate) const RECURSION: OptionSpec = OptionSpec::boolean(
    "recursion",
    true,
    "ask the server to look further (the RD bit)",
);
pub(crate) const TCP_RETRY: OptionSpec = OptionSpec::boolean(
    "tcp_retry",
    true,
    "ask again over TCP when an answer by UDP was truncated",
);

/// The options that both methods share, as a table; `own` are those that one has alone, which come first.
macro_rules! asking_options {
    ($($own:expr),* $(,)?) => {
        &[
            $($own,)*
            $crate::methods::dns::options::DNS_SERVER,
            $crate::methods::dns::options::TRANSPORT,
            $crate::methods::dns::options::TLS_NAME,
            #[cfg(feature = "doh")]
            $crate::methods::dns::options::HTTP_PATH,
            #[cfg(feature = "doh")]
            $crate::methods::dns::options::HTTP_METHOD,
            $crate::methods::dns::options::TIMEOUT,
            $crate::methods::dns::options::RETRIES,
            $crate::methods::dns::options::EDNS_SIZE,
            $crate::methods::dns::options::DNSSEC,
            $crate::methods::dns::options::NSID,
            $crate::methods::dns::options::RECURSION,
            $crate::methods::dns::options::TCP_RETRY,
        ]
    };
}
pub(crate) use asking_options;

/// How a query travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A TCP connection.
    Tcp,
    /// TLS (RFC 7858).
    Tls,
    /// HTTPS (RFC 8484), by HTTP/1.1.
    #[cfg(feature = "doh")]
    Https,
}

impl Transport {
    /// Word for options and records.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "Udp",
            Self::Tcp => "Tcp",
            Self::Tls => "Tls",
            #[cfg(feature = "doh")]
            Self::Https => "Https",
        }
    }

    /// The port where servers listen.
    pub(crate) const fn port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 53,
            Self::Tls => 853,
            #[cfg(feature = "doh")]
            Self::Https => 443,
        }
    }

    /// Bytes at IP level that one try can need, in the longer headers of IPv6.
    fn worst_case_bytes(self, edns_bytes: u16) -> u64 {
        let family = Family::V6;
        if self == Self::Udp {
            let offered = usize::from(edns_bytes.max(512));
            return datagram_bytes(family, QUERY_LIMIT)
                + DATAGRAMS_PER_TRY * datagram_bytes(family, offered);
        }
        let (sent, received) = match self {
            Self::Udp | Self::Tcp => (2, 0),
            Self::Tls => (TLS_BYTES, TLS_BYTES),
            #[cfg(feature = "doh")]
            Self::Https => (TLS_BYTES + HTTP_BYTES, TLS_BYTES + HTTP_BYTES),
        };
        let carried = |payload| CountedStream::transfer_bytes(family, SEGMENT, payload);
        SYNS * packet_bytes(family, TCP_SYN)
            + CountedStream::opening_bytes(family)
            + carried(sent + QUERY_LIMIT as u64)
            + carried(received + STREAM_MESSAGE)
    }
}

/// The options as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// The server; `None` for the system's.
    pub server: Option<SocketAddr>,
    /// How queries travel.
    pub transport: Transport,
    /// Name the certificate must carry; `None` for the server's address.
    pub tls_name: Option<ServerName<'static>>,
    /// Path of DNS over HTTPS.
    #[cfg(feature = "doh")]
    pub http_path: String,
    /// Whether DNS over HTTPS goes by GET.
    #[cfg(feature = "doh")]
    pub http_get: bool,
    /// Milliseconds each try may take: 1 to 60 000.
    pub timeout_ms: u32,
    /// Tries after the first: 0 to 5.
    pub retries: u32,
    /// What is said beside the question.
    pub wishes: Wishes,
    /// Whether a truncated answer is asked for again over TCP.
    pub tcp_retry: bool,
}

impl Asking {
    /// Makes values of options that the table has accepted, for `questions` questions.
    ///
    /// # Errors
    /// [`Refused`] with the option's name.
    pub(crate) fn read(options: &Options, questions: usize) -> Result<Self, Refused> {
        let transport = match options.text("transport") {
            "Tcp" => Transport::Tcp,
            "Tls" => Transport::Tls,
            #[cfg(feature = "doh")]
            "Https" => Transport::Https,
            _ => Transport::Udp,
        };
        let server = match options.text("dns_server") {
            "" => None,
            text => Some(
                server::parse(text, transport.port())
                    .map_err(|error| Refused::new("dns_server", error.to_string()))?,
            ),
        };
        let tls_name = match options.text("tls_name") {
            "" => None,
            name => Some(
                ServerName::try_from(name.to_owned())
                    .map_err(|_| Refused::new("tls_name", "must be a host name or an address"))?,
            ),
        };
        let edns_bytes = u16::try_from(options.integer("edns_size")).unwrap_or(u16::MAX);
        if (1..512).contains(&edns_bytes) {
            return Err(Refused::new("edns_size", "must be 0, or 512 at least"));
        }
        for name in ["dnssec", "nsid"] {
            if edns_bytes == 0 && options.boolean(name) {
                return Err(Refused::new(name, "needs EDNS: edns_size must not be 0"));
            }
        }
        #[cfg(feature = "doh")]
        let http_path = options.text("http_path").to_owned();
        #[cfg(feature = "doh")]
        if !http_path.starts_with('/')
            || !http_path
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'#')
        {
            return Err(Refused::new(
                "http_path",
                "must begin with / and be plain ASCII",
            ));
        }
        let number = |name| u32::try_from(options.integer(name)).unwrap_or_default();
        let read = Self {
            server,
            transport,
            tls_name,
            #[cfg(feature = "doh")]
            http_path,
            #[cfg(feature = "doh")]
            http_get: options.text("http_method") == "GET",
            timeout_ms: number("timeout"),
            retries: number("retries"),
            wishes: Wishes {
                recursion: options.boolean("recursion"),
                edns_bytes: Some(edns_bytes).filter(|&size| size > 0),
                dnssec: options.boolean("dnssec"),
                nsid: options.boolean("nsid"),
            },
            tcp_retry: options.boolean("tcp_retry"),
        };
        if read.waiting_ms(questions) > RUN_LIMIT_MS {
            return Err(Refused::new(
                "timeout",
                "must not need more than an hour with this many types and retries",
            ));
        }
        Ok(read)
    }

    fn tries(&self) -> u64 {
        1 + u64::from(self.retries)
    }

    fn asks_over_tcp_when_truncated(&self) -> bool {
        self.transport == Transport::Udp && self.tcp_retry
    }

    fn waiting_ms(&self, questions: usize) -> u64 {
        let tries = self.tries() + u64::from(self.asks_over_tcp_when_truncated());
        questions as u64 * tries * u64::from(self.timeout_ms)
    }

    /// Bytes at IP level that the run can need.
    pub(crate) fn worst_case_bytes(&self, questions: usize) -> u64 {
        let edns_bytes = self.wishes.edns_bytes.unwrap_or_default();
        let again = if self.asks_over_tcp_when_truncated() {
            Transport::Tcp.worst_case_bytes(edns_bytes)
        } else {
            0
        };
        questions as u64 * (self.tries() * self.transport.worst_case_bytes(edns_bytes) + again)
    }

    /// How long the run can take; no name is resolved, since servers are named by address.
    pub(crate) fn longest_run(&self, questions: usize) -> Duration {
        Duration::from_millis(self.waiting_ms(questions)) + SLACK
    }
}
