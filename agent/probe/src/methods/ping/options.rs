//! What may be asked of `ping`. Bounds are ours: the original has none but those on `timeout` and `payload`, so that one
//! instruction could run for ever.

use std::borrow::Cow;
use std::time::Duration;

use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::read::Refused;
use glimpse_model::token::{MAX_LEN, PeerMethod, Token};
use glimpse_net::count::{
    TCP_ACK, TCP_RESET, TCP_SYN, datagram_bytes, icmp_error_bytes, packet_bytes,
};
use glimpse_net::packet::Family;

use crate::peer::datagram::ECHO_HEADER;
use crate::peer::opening::{LONGEST_OPENING, opening_bytes};
use crate::peer::plan::{GRACE_MS, fits};
use crate::peer::{Limits, PORT, SILENCE};
use crate::resolve::{FamilyChoice, HOST_LIMIT, Host, RESOLVE_LIMIT};

/// Where datagrams go unless told otherwise.
const UDP_PORT: u16 = 33434;
/// Longest payload of the types that send packets of ours, in bytes.
const PAYLOAD_LIMIT: u32 = 1400;
/// Longest run, in milliseconds, from the first packet to the last time-out.
const RUN_LIMIT_MS: u64 = 3_600_000;
/// The system repeats an unanswered SYN after this many milliseconds (RFC 6298 §2); later answers could be to either.
const SYN_REPEAT_MS: u32 = 1000;
/// Sockets that TCP probes may have open at once.
const TCP_WINDOW: u32 = 64;
/// What `ping` sends unless told otherwise, in bytes behind the IP header.
pub(super) const SYSTEM_MESSAGE: usize = 8 + 56;
/// Bytes before the text of an echo to another agent: the header, and the number of the packet.
pub(super) const ECHO_PREFIX: usize = ECHO_HEADER + 4;
/// A responder ends a session that is silent for longer than twice this.
const ECHO_INTERVAL_MS: u32 = 5_000;
const _: () = assert!(SILENCE.as_millis() >= 2 * ECHO_INTERVAL_MS as u128);
/// Beyond the last time-out: start, clean-up, and the coarse timers of the system's `ping`.
const SLACK: Duration = Duration::from_secs(3);

const TYPES: &[Cow<'static, str>] = &[
    Cow::Borrowed("Udp"),
    Cow::Borrowed("Tcp"),
    Cow::Borrowed("Icmp"),
    Cow::Borrowed("System"),
    Cow::Borrowed("Peer"),
];
const FAMILIES: &[Cow<'static, str>] = &[
    Cow::Borrowed("any"),
    Cow::Borrowed("ipv4"),
    Cow::Borrowed("ipv6"),
];

/// The table of options, with the original client's defaults.
pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::text("host", HOST_LIMIT, "name or address to measure"),
    OptionSpec::integer("count", 3, 1, 1000, "packets", "how many packets are sent"),
    OptionSpec::integer(
        "interval",
        1000,
        1,
        60_000,
        "ms",
        "time from one packet to the next",
    ),
    OptionSpec::integer_saying(
        "timeout",
        1000,
        1,
        60_000,
        "ms",
        "how long each answer is waited for; of type Tcp, 1000 at most",
        "receive timeout is too large (> 60 s)",
    ),
    OptionSpec::integer(
        "ttl",
        64,
        0,
        255,
        "hops",
        "time to live of the packets; 0 means 64; not used by type System",
    ),
    OptionSpec::integer(
        "destination_port",
        33434,
        0,
        65535,
        "",
        "port of types Udp, Tcp and Peer; 0 means 33434; of Peer, both mean 5105",
    ),
    OptionSpec::integer(
        "source_port",
        33434,
        0,
        65535,
        "",
        "port the packets of types Udp, Tcp and Peer come from; 0 lets the system choose",
    ),
    OptionSpec::integer(
        "payload",
        74,
        0,
        65_507,
        "bytes",
        "length of the data of types Udp, Icmp and Peer; more than 1400 only with type System, which does not use it",
    ),
    OptionSpec::choice("type", TYPES, "what is sent"),
    OptionSpec::choice(
        "family",
        FAMILIES,
        "which version of the internet protocol is used",
    ),
    OptionSpec::integer(
        "dscp",
        0,
        0,
        63,
        "",
        "differentiated services code point of the packets; not with type System",
    ),
    OptionSpec::optional_text(
        "token",
        "",
        MAX_LEN,
        "the controller's leave to measure with another agent, for type Peer",
    )
    .secret(),
    OptionSpec::boolean(
        "dont_fragment",
        false,
        "whether packets may not be fragmented on the way; not with type System",
    ),
];

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingType {
    /// UDP datagrams.
    Udp,
    /// TCP connection attempts.
    Tcp,
    /// ICMP echo requests.
    Icmp,
    /// What the system's `ping` sends.
    System,
    /// Echoes by another agent's responder.
    Peer,
}

/// The options as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingOptions {
    /// What is measured.
    pub host: Host,
    /// Packets to send: 1 to 1000.
    pub count: u32,
    /// Milliseconds from one packet to the next: 1 to 60 000.
    pub interval_ms: u32,
    /// Milliseconds each answer is waited for: 1 to 60 000, of TCP to 1000.
    pub timeout_ms: u32,
    /// Time to live.
    pub ttl: u8,
    /// Target port of UDP, TCP and of another agent's responder.
    pub destination_port: u16,
    /// Source port of UDP, TCP and to another agent; 0 is an ephemeral one.
    pub source_port: u16,
    /// Bytes of data, but of TCP and of the system's program.
    pub payload: usize,
    /// What is sent.
    pub kind: PingType,
    /// Which addresses may be used.
    pub family: FamilyChoice,
    /// Differentiated services code point (RFC 2474): 0 to 63.
    pub dscp: u8,
    /// Whether packets carry "don't fragment".
    pub dont_fragment: bool,
    /// Leave to measure with another agent: of its type, and of no other.
    pub token: Option<Token>,
}

impl PingOptions {
    /// Makes values of options that the table has accepted.
    ///
    /// # Errors
    /// [`Refused`] with the option's name: no host name, payload too long for the type, more than an hour, a token that
    /// cannot be read, is not for echoes or allows too little.
    pub fn read(options: &Options) -> Result<Self, Refused> {
        let host = Host::parse(options.text("host"))
            .map_err(|error| Refused::new("host", error.to_string()))?;
        let kind = match options.text("type") {
            "Tcp" => PingType::Tcp,
            "Icmp" => PingType::Icmp,
            "System" => PingType::System,
            "Peer" => PingType::Peer,
            _ => PingType::Udp,
        };
        let payload: u32 = number(options, "payload")?;
        if payload > PAYLOAD_LIMIT && kind != PingType::System {
            return Err(Refused::new(
                "payload",
                format!("must be <= {PAYLOAD_LIMIT} unless the type is System"),
            ));
        }
        let (dscp, dont_fragment) = (number(options, "dscp")?, options.boolean("dont_fragment"));
        // Not every system's program can, and none says so in the same words.
        for (name, given) in [("dscp", dscp != 0), ("dont_fragment", dont_fragment)] {
            if given && kind == PingType::System {
                return Err(Refused::new(name, "cannot be had with type System"));
            }
        }
        let token = token(options, kind)?;
        let timeout_ms: u32 = number(options, "timeout")?;
        let port = |name, zero| {
            Ok(Some(number(options, name)?)
                .filter(|&port: &u16| port != 0)
                .unwrap_or(zero))
        };
        let mut read = Self {
            host,
            count: number(options, "count")?,
            interval_ms: number(options, "interval")?,
            timeout_ms: if kind == PingType::Tcp {
                timeout_ms.min(SYN_REPEAT_MS)
            } else {
                timeout_ms
            },
            ttl: Some(number(options, "ttl")?)
                .filter(|&ttl| ttl != 0)
                .unwrap_or(64),
            destination_port: port("destination_port", UDP_PORT)?,
            source_port: port("source_port", 0)?,
            payload: usize::try_from(payload).unwrap_or_default(),
            kind,
            family: match options.text("family") {
                "ipv4" => FamilyChoice::Ipv4,
                "ipv6" => FamilyChoice::Ipv6,
                _ => FamilyChoice::Any,
            },
            dscp,
            dont_fragment,
            token,
        };
        if read.kind == PingType::Peer && read.destination_port == UDP_PORT {
            // The table's default, which is no port of a responder.
            read.destination_port = PORT;
        }
        if let Some(token) = &read.token {
            let limits = Limits::of(token.claims());
            read = read
                .within(&limits)
                .map_err(|reason| Refused::new("token", reason))?;
        }
        if read.sending_and_waiting_ms() > RUN_LIMIT_MS {
            return Err(Refused::new(
                "count",
                "must not need more than an hour with this interval and timeout",
            ));
        }
        Ok(read)
    }

    /// How many packets may be unanswered at once. TCP from a fixed port cannot try again before the attempt before has
    /// ended; from any port each attempt costs a socket.
    pub fn window(&self) -> u32 {
        match self.kind {
            PingType::Tcp if self.source_port != 0 => 1,
            PingType::Tcp => TCP_WINDOW,
            PingType::Udp | PingType::Icmp | PingType::System | PingType::Peer => self.count,
        }
    }

    /// As much of it as another agent's limits allow: slower where the rate is limited, not fewer. The responder reckons at
    /// IP level, as here.
    ///
    /// # Errors
    /// Why nothing of it is left, as a lower-case fragment.
    pub fn within(mut self, limits: &Limits) -> Result<Self, &'static str> {
        let each = datagram_bytes(Family::V6, ECHO_PREFIX + self.payload);
        let least_ms = (each * 8 * 1000).div_ceil(limits.max_rate_bps.max(1));
        self.interval_ms = self
            .interval_ms
            .max(u32::try_from(least_ms).unwrap_or(u32::MAX));
        if self.interval_ms > ECHO_INTERVAL_MS {
            return Err("the rate allowed is too low for it");
        }
        if u64::from(self.count) * each + opening_bytes() > limits.max_bytes {
            return Err("the bytes allowed are too few for it");
        }
        let needed_ms = self.sending_and_waiting_ms() + u64::from(GRACE_MS);
        if needed_ms > u64::from(limits.max_duration_ms) {
            return Err("the time allowed is too short for it");
        }
        Ok(self)
    }

    /// Bytes at IP level that the run can need, in the longer headers of IPv6: those of its packets and their answers, and
    /// an eighth more for copies that the network makes. A run to which still more comes (floods) ends early.
    pub fn worst_case_bytes(&self) -> u64 {
        let copies = match self.kind {
            PingType::Tcp => 0,
            PingType::Udp | PingType::Icmp | PingType::System | PingType::Peer => {
                self.count.div_ceil(8)
            }
        };
        let opening = if self.kind == PingType::Peer {
            opening_bytes() + datagram_bytes(Family::V6, ECHO_PREFIX)
        } else {
            0
        };
        opening + u64::from(self.count + copies) * self.exchange_bytes(Family::V6)
    }

    /// Bytes at IP level of one packet and its answer: itself returned or an ICMP error that quotes it whole, which is longer.
    pub fn exchange_bytes(&self, family: Family) -> u64 {
        match self.kind {
            PingType::Udp => {
                datagram_bytes(family, self.payload) + icmp_error_bytes(family, 8 + self.payload)
            }
            PingType::Peer => {
                let length = ECHO_PREFIX + self.payload;
                datagram_bytes(family, length) + icmp_error_bytes(family, 8 + length)
            }
            PingType::Icmp => {
                packet_bytes(family, 8 + self.payload) + icmp_error_bytes(family, 8 + self.payload)
            }
            PingType::System => {
                packet_bytes(family, SYSTEM_MESSAGE) + icmp_error_bytes(family, SYSTEM_MESSAGE)
            }
            PingType::Tcp => {
                // A second SYN may slip out while the first attempt is being closed.
                let sent = 2 * packet_bytes(family, TCP_SYN)
                    + packet_bytes(family, TCP_ACK)
                    + packet_bytes(family, TCP_RESET);
                sent + icmp_error_bytes(family, TCP_SYN)
            }
        }
    }

    /// How long the run can take, resolving the name included.
    pub fn longest_run(&self) -> Duration {
        let run = match &self.token {
            // Its responder may allow only a lower rate than the token does.
            Some(token) => {
                LONGEST_OPENING + Duration::from_millis(token.claims().max_duration_ms.into())
            }
            None => Duration::from_millis(self.sending_and_waiting_ms()),
        };
        RESOLVE_LIMIT + run + SLACK
    }

    fn sending_and_waiting_ms(&self) -> u64 {
        let rounds = u64::from(self.count.div_ceil(self.window().max(1)));
        let sending = u64::from(self.count.saturating_sub(1)) * u64::from(self.interval_ms);
        // The system's program waits in whole seconds.
        let wait = if self.kind == PingType::System {
            self.timeout_ms.div_ceil(1000) * 1000
        } else {
            self.timeout_ms
        };
        sending + rounds * u64::from(wait)
    }
}

/// The leave that type `Peer` needs and no other has.
fn token(options: &Options, kind: PingType) -> Result<Option<Token>, Refused> {
    let text = options.text("token");
    match (kind, text.is_empty()) {
        (PingType::Peer, true) => Err(Refused::new("token", "is missing for type Peer")),
        (PingType::Peer, false) => {
            let interval_ms = options.integer("interval");
            if interval_ms > ECHO_INTERVAL_MS.into() {
                let words = format!("must be <= {ECHO_INTERVAL_MS} with type Peer");
                return Err(Refused::new("interval", words));
            }
            let token = Token::parse(text)?;
            fits(token.claims(), PeerMethod::Ping)?;
            Ok(Some(token))
        }
        (_, true) => Ok(None),
        (_, false) => Err(Refused::new("token", "is for type Peer alone")),
    }
}

/// The option as a number of the wanted width; the table's bounds make it fit.
fn number<T: TryFrom<i64>>(options: &Options, name: &str) -> Result<T, Refused> {
    T::try_from(options.integer(name)).map_err(|_| Refused::new(name, "is out of range"))
}
