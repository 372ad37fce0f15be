//! What may be asked of `traceroute`. Names and defaults are the original's where it has the option, but for `interval`:
//! the original waits a second after every packet, we send twenty a second, as the tools of today do. Bounds are ours.

use std::borrow::Cow;
use std::time::Duration;

use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::read::Refused;
use glimpse_net::count::{
    TCP_ACK, TCP_RESET, TCP_SYN, datagram_bytes, icmp_error_bytes, packet_bytes,
};
use glimpse_net::packet::Family;

use super::machine::{Confidence, Mode, Pace};
use crate::resolve::{FamilyChoice, HOST_LIMIT, Host, RESOLVE_LIMIT};

/// Shortest payload in bytes: what names a packet, and what gives it its checksum.
const PAYLOAD_MIN: i64 = 12;
/// Longest payload in bytes.
const PAYLOAD_LIMIT: i64 = 1400;
/// Longest time of sending and waiting, in milliseconds; a run that needs more ends with `limit`.
const RUN_LIMIT_MS: u64 = 3_600_000;
/// The system repeats an unanswered SYN after this many milliseconds (RFC 6298 §2); later answers could be to either.
const SYN_REPEAT_MS: u32 = 1000;
/// Beyond the last time-out: start and clean-up.
const SLACK: Duration = Duration::from_secs(3);
/// Bytes of a packet that routers with extensions quote at least (RFC 4884 §4.1), padded.
const QUOTE_PADDED: usize = 128;
/// Bytes of the extensions themselves (RFC 4884 §7, RFC 4950): room for thirty labels.
const EXTENSIONS: usize = 128;

const TYPES: &[Cow<'static, str>] = &[
    Cow::Borrowed("Udp"),
    Cow::Borrowed("Tcp"),
    Cow::Borrowed("Icmp"),
];
const FAMILIES: &[Cow<'static, str>] = &[
    Cow::Borrowed("any"),
    Cow::Borrowed("ipv4"),
    Cow::Borrowed("ipv6"),
];
const CONFIDENCES: &[Cow<'static, str>] = &[
    Cow::Borrowed("95"),
    Cow::Borrowed("90"),
    Cow::Borrowed("99"),
];

/// The table of options.
pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::text("host", HOST_LIMIT, "name or address to trace the way to"),
    OptionSpec::integer(
        "count",
        3,
        1,
        100,
        "packets",
        "packets per hop; with multipath, tries of an unanswered packet",
    ),
    OptionSpec::integer(
        "interval",
        50,
        1,
        60_000,
        "ms",
        "least time from one packet to the next",
    ),
    OptionSpec::integer_saying(
        "receive_timeout",
        1000,
        1,
        60_000,
        "ms",
        "how long each answer is waited for; of type Tcp, 1000 at most",
        "receive timeout is too large (> 60 s)",
    ),
    OptionSpec::integer(
        "destination_port",
        33434,
        0,
        65535,
        "",
        "port of types Udp and Tcp; 0 means 33434",
    ),
    OptionSpec::integer(
        "source_port",
        33434,
        0,
        65535,
        "",
        "port the packets of types Udp and Tcp come from; 0 chooses one for the run",
    ),
    OptionSpec::integer(
        "payload",
        74,
        PAYLOAD_MIN,
        PAYLOAD_LIMIT,
        "bytes",
        "length of the data of types Udp and Icmp",
    ),
    OptionSpec::choice("ping_type", TYPES, "what is sent"),
    OptionSpec::integer("first_hop", 1, 1, 255, "hops", "time to live to begin with"),
    OptionSpec::integer("max_hops", 30, 1, 255, "hops", "time to live to end with"),
    OptionSpec::integer(
        "in_flight",
        16,
        1,
        64,
        "packets",
        "packets that may be unanswered at once",
    ),
    OptionSpec::integer(
        "gap_limit",
        5,
        1,
        255,
        "hops",
        "silent hops in a row after which the way is given up",
    ),
    OptionSpec::boolean(
        "paris",
        true,
        "keep the flow identifier of all packets the same, so that balancers send them one way",
    ),
    OptionSpec::boolean(
        "multipath",
        false,
        "find all ways, by flows of different identifiers",
    ),
    OptionSpec::choice(
        "confidence",
        CONFIDENCES,
        "per cent; how surely multipath finds every next hop of each node",
    ),
    OptionSpec::integer(
        "max_probes",
        2000,
        1,
        20_000,
        "packets",
        "packets that multipath may send",
    ),
    OptionSpec::choice(
        "family",
        FAMILIES,
        "which version of the internet protocol is used",
    ),
];

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeType {
    /// UDP datagrams.
    Udp,
    /// TCP connection attempts.
    Tcp,
    /// ICMP echo requests.
    Icmp,
}

/// The options as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracerouteOptions {
    /// Where the way leads.
    pub host: Host,
    /// Packets per hop, or tries: 1 to 100.
    pub count: u8,
    /// Least milliseconds from one packet to the next: 1 to 60 000.
    pub interval_ms: u32,
    /// Milliseconds each answer is waited for: 1 to 60 000, of TCP to 1000.
    pub receive_timeout_ms: u32,
    /// Target port of UDP and TCP.
    pub destination_port: u16,
    /// Source port of UDP and TCP; 0 is one that the run chooses.
    pub source_port: u16,
    /// Bytes of data of UDP and ICMP.
    pub payload: usize,
    /// What is sent.
    pub kind: ProbeType,
    /// First time to live.
    pub first_hop: u8,
    /// Last time to live.
    pub max_hops: u8,
    /// How many packets may be unanswered at once.
    pub in_flight: u32,
    /// Silent hops in a row that end the run.
    pub gap_limit: u8,
    /// Whether all packets of a path have one flow identifier.
    pub paris: bool,
    /// One path, or all.
    pub mode: Mode,
    /// Which addresses may be used.
    pub family: FamilyChoice,
}

impl TracerouteOptions {
    /// Makes values of options that the table has accepted.
    ///
    /// # Errors
    /// [`Refused`] with the option's name: no host name, first hop behind the last, multipath without flow identifiers.
    pub fn read(options: &Options) -> Result<Self, Refused> {
        let host = Host::parse(options.text("host"))
            .map_err(|error| Refused::new("host", error.to_string()))?;
        let kind = match options.text("ping_type") {
            "Tcp" => ProbeType::Tcp,
            "Icmp" => ProbeType::Icmp,
            _ => ProbeType::Udp,
        };
        let (first_hop, max_hops): (u8, u8) =
            (number(options, "first_hop")?, number(options, "max_hops")?);
        if first_hop > max_hops {
            return Err(Refused::new("first_hop", "must be <= max_hops"));
        }
        let paris = options.boolean("paris");
        let mode = if options.boolean("multipath") {
            if !paris {
                return Err(Refused::new(
                    "multipath",
                    "needs paris: flows must keep their ways",
                ));
            }
            Mode::Multipath {
                confidence: match options.text("confidence") {
                    "90" => Confidence::Percent90,
                    "99" => Confidence::Percent99,
                    _ => Confidence::Percent95,
                },
                max_probes: number(options, "max_probes")?,
            }
        } else {
            Mode::Single
        };
        let timeout_ms: u32 = number(options, "receive_timeout")?;
        let destination_port: u16 = number(options, "destination_port")?;
        Ok(Self {
            host,
            count: number(options, "count")?,
            interval_ms: number(options, "interval")?,
            receive_timeout_ms: match kind {
                ProbeType::Tcp => timeout_ms.min(SYN_REPEAT_MS),
                ProbeType::Udp | ProbeType::Icmp => timeout_ms,
            },
            destination_port: if destination_port == 0 {
                33434
            } else {
                destination_port
            },
            source_port: number(options, "source_port")?,
            payload: number(options, "payload")?,
            kind,
            first_hop,
            max_hops,
            in_flight: number(options, "in_flight")?,
            gap_limit: number(options, "gap_limit")?,
            paris,
            mode,
            family: match options.text("family") {
                "ipv4" => FamilyChoice::Ipv4,
                "ipv6" => FamilyChoice::Ipv6,
                _ => FamilyChoice::Any,
            },
        })
    }

    /// How the machine is to go about it.
    pub fn pace(&self) -> Pace {
        self.pace_within(self.sending_and_waiting_ms() * 1_000_000)
    }

    fn pace_within(&self, run_limit_ns: u64) -> Pace {
        Pace {
            count: self.count,
            interval_ns: u64::from(self.interval_ms) * 1_000_000,
            timeout_ns: u64::from(self.receive_timeout_ms) * 1_000_000,
            run_limit_ns,
            first_hop: self.first_hop,
            max_hops: self.max_hops,
            in_flight: self.in_flight,
            gap_limit: self.gap_limit,
            paris: self.paris,
            // The kernel has one TCP connection per pair of addresses and ports.
            exclusive_flows: self.kind == ProbeType::Tcp,
            mode: self.mode,
        }
    }

    /// Packets that the run sends at most.
    pub fn most_probes(&self) -> u32 {
        self.pace_within(0).most_probes()
    }

    /// Bytes at IP level of one packet and its answer, in the longer headers of IPv6 and with the longest quote.
    pub fn bytes_each(&self) -> u64 {
        let family = Family::V6;
        let answer = |body: usize| icmp_error_bytes(family, body.max(QUOTE_PADDED) + EXTENSIONS);
        match self.kind {
            ProbeType::Udp => datagram_bytes(family, self.payload) + answer(8 + self.payload),
            ProbeType::Icmp => packet_bytes(family, 8 + self.payload) + answer(8 + self.payload),
            ProbeType::Tcp => {
                // A second SYN may slip out while the attempt is being closed.
                2 * packet_bytes(family, TCP_SYN)
                    + packet_bytes(family, TCP_ACK)
                    + packet_bytes(family, TCP_RESET)
                    + answer(TCP_SYN)
            }
        }
    }

    /// Bytes at IP level that the run can need.
    pub fn worst_case_bytes(&self) -> u64 {
        u64::from(self.most_probes()) * self.bytes_each()
    }

    /// How long the run can take, resolving the name included.
    pub fn longest_run(&self) -> Duration {
        RESOLVE_LIMIT
            + Duration::from_millis(
                self.sending_and_waiting_ms() + u64::from(self.receive_timeout_ms),
            )
            + SLACK
    }

    /// When answers cannot be told apart, packets go one by one, each after the time-out of the one before.
    fn sending_and_waiting_ms(&self) -> u64 {
        let each = u64::from(self.interval_ms.max(self.receive_timeout_ms));
        (u64::from(self.most_probes()) * each).min(RUN_LIMIT_MS)
    }
}

/// The option as a number of the wanted width; the table's bounds make it fit.
fn number<T: TryFrom<i64>>(options: &Options, name: &str) -> Result<T, Refused> {
    T::try_from(options.integer(name)).map_err(|_| Refused::new(name, "is out of range"))
}
