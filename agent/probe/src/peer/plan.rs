//! What a session is to do: how it is asked for, what it needs at most, and how much of it the limits leave. Pure.

use std::time::Duration;

use glimpse_model::read::{Cursor, Members, Refused};
use glimpse_model::token::{Claims, PeerMethod};
use glimpse_net::count::datagram_bytes;
use glimpse_net::packet::Family;
use glimpse_net::stream::CountedStream;
use serde_json::{Value, json};

use super::datagram::{CHUNK, PACKET_HEADER};
use super::opening::opening_bytes;
use super::report::{ARRIVAL, TRAIN_HEADER};
use super::{Direction, Limits, SILENCE};

/// Times a datagram that is not answered is sent.
pub const TRIES: u32 = 8;
/// From one try to the next, in nanoseconds.
pub const RETRY_NS: u64 = 250_000_000;

/// Smallest segment that worst cases reckon with, in bytes of payload (RFC 9293 §3.7.1).
const LEAST_MSS: u32 = 536;
/// What control frames and closing may cost, in bytes at IP level.
const CONTROL: u64 = 64 << 10;
/// Shortest flow worth measuring, in milliseconds.
const SHORTEST_MS: u32 = 200;
/// How long the sender of a flow waits beyond its time for the receiver to end it, in milliseconds.
pub const GRACE_MS: u32 = 2_000;

/// Bulk flows, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkPlan {
    /// The flows.
    pub directions: Vec<Direction>,
    /// How long each is measured, in milliseconds.
    pub duration_ms: u32,
    /// How long each runs before that, in milliseconds.
    pub ramp_up_ms: u32,
    /// Into how many slices the measured time is cut.
    pub slices: u16,
    /// Payload of each flow at most, in bytes.
    pub payload_bytes: u64,
}

impl Default for BulkPlan {
    fn default() -> Self {
        Self {
            directions: vec![Direction::Down],
            duration_ms: 10_000,
            ramp_up_ms: 1_000,
            slices: 10,
            payload_bytes: u64::MAX,
        }
    }
}

impl BulkPlan {
    /// Most slices of a flow.
    pub const MAX_SLICES: usize = 60;
    /// Longest measured time of a flow, in milliseconds.
    pub const MAX_DURATION_MS: u32 = 60_000;
    /// Longest time before that, in milliseconds.
    pub const MAX_RAMP_UP_MS: u32 = 10_000;

    /// Reads the member `plan` of a start.
    pub fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let members = cursor.object()?;
        members.only(&[
            "directions",
            "duration_ms",
            "ramp_up_ms",
            "slices",
            "payload_bytes",
        ])?;
        let directions = members.required("directions")?;
        let read: Vec<Direction> = directions
            .array(2)?
            .iter()
            .map(|word| {
                Direction::parse(word.text(8)?).ok_or_else(|| word.refuse("must be down or up"))
            })
            .collect::<Result<_, _>>()?;
        if read.is_empty() {
            return Err(directions.refuse("must not be empty"));
        }
        Ok(Self {
            directions: read,
            duration_ms: number(
                &members,
                "duration_ms",
                i64::from(SHORTEST_MS),
                i64::from(Self::MAX_DURATION_MS),
            )?,
            ramp_up_ms: number(&members, "ramp_up_ms", 0, i64::from(Self::MAX_RAMP_UP_MS))?,
            slices: number(&members, "slices", 1, 60)?,
            payload_bytes: members.required("payload_bytes")?.unsigned()?,
        })
    }

    pub(super) fn to_json(&self) -> Value {
        let directions: Vec<&str> = self.directions.iter().map(|way| way.as_str()).collect();
        json!({
            "directions": directions,
            "duration_ms": self.duration_ms,
            "ramp_up_ms": self.ramp_up_ms,
            "slices": self.slices,
            "payload_bytes": self.payload_bytes,
        })
    }

    fn flows(&self) -> u32 {
        u32::try_from(self.directions.len()).unwrap_or(2).max(1)
    }

    /// As much of the plan as the limits allow. Both ends reckon alike.
    ///
    /// # Errors
    /// Why nothing of it is left, as a lower-case fragment.
    pub fn within(mut self, limits: &Limits) -> Result<Self, &'static str> {
        let each_ms = limits.max_duration_ms / self.flows();
        let most_ms = each_ms.saturating_sub(self.ramp_up_ms);
        self.duration_ms = self.duration_ms.min(most_ms);
        if self.duration_ms < SHORTEST_MS {
            return Err("the time allowed is too short for it");
        }
        // Of two flows each also carries the other's acknowledgements, so the same share holds for one flow and for two.
        let overhead = CountedStream::transfer_bytes(Family::V6, LEAST_MSS, u64::from(LEAST_MSS));
        let room = limits.max_bytes.saturating_sub(CONTROL);
        let payload = u128::from(room) * u128::from(LEAST_MSS) / u128::from(overhead.max(1));
        self.payload_bytes = self
            .payload_bytes
            .min(u64::try_from(payload).unwrap_or(u64::MAX));
        if self.payload_bytes == 0 {
            return Err("the bytes allowed are too few for it");
        }
        Ok(self)
    }

    /// Bytes at IP level, both directions together, that the session needs at most.
    pub fn worst_case_bytes(&self) -> u64 {
        let flow = CountedStream::transfer_bytes(Family::V6, LEAST_MSS, self.payload_bytes)
            .saturating_add(CountedStream::opening_bytes(Family::V6));
        flow.saturating_mul(u64::from(self.flows()))
            .saturating_add(CONTROL)
    }

    /// How long one flow runs, its ramp-up included.
    pub fn flow_time(&self) -> Duration {
        Duration::from_millis(u64::from(self.ramp_up_ms) + u64::from(self.duration_ms))
    }

    /// How long the session takes at most, once it has begun.
    pub fn longest(&self) -> Duration {
        let flow = self.flow_time() + Duration::from_millis(GRACE_MS.into()) + SILENCE * 2;
        SILENCE + flow * self.flows()
    }
}

/// Trains of packets, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainPlan {
    /// Which way they go.
    pub direction: Direction,
    /// Bytes of UDP payload of each packet.
    pub packet_size: u16,
    /// Packets of each train.
    pub train_length: u16,
    /// Trains.
    pub iterations: u16,
    /// Rate of the first train, in bytes of UDP payload per second.
    pub rate_min: u64,
    /// Rate of the last train, and of the only one.
    pub rate_max: u64,
    /// From the end of one train to the next, in nanoseconds.
    pub delay_ns: u64,
}

impl Default for TrainPlan {
    fn default() -> Self {
        Self {
            direction: Direction::Up,
            packet_size: 1000,
            train_length: 48,
            iterations: 1,
            rate_min: 10_485_760,
            rate_max: 262_144_000,
            delay_ns: 200_000_000,
        }
    }
}

impl TrainPlan {
    /// Smallest and largest packet, in bytes of UDP payload.
    pub const PACKET_SIZE: (u16, u16) = (32, 1452);
    /// Fewest and most packets of a train.
    pub const TRAIN_LENGTH: (u16, u16) = (2, 1000);
    /// Most trains.
    pub const MAX_ITERATIONS: u16 = 255;
    /// Most packets of all trains together.
    pub const MAX_PACKETS: u32 = 5_000;
    /// Slowest and fastest rate, in bytes per second.
    pub const RATE: (u64, u64) = (1_000, 1_250_000_000);
    /// Longest time from one train to the next, in nanoseconds.
    pub const MAX_DELAY_NS: u64 = 10_000_000_000;
    /// Longest session, in milliseconds.
    const LONGEST_MS: u64 = 600_000;

    /// Reads the members of a request; the member `method` was read by the caller.
    fn read(members: &Members<'_>) -> Result<Self, Refused> {
        members.only(&[
            "method",
            "direction",
            "packet_size",
            "train_length",
            "iterations",
            "rate_min",
            "rate_max",
            "delay_ns",
        ])?;
        let direction = members.required("direction")?;
        let rate = |name| {
            let (least, most) = Self::RATE;
            let member = members.required(name)?;
            match member.unsigned()? {
                rate if (least..=most).contains(&rate) => Ok(rate),
                _ => Err(member.refuse(format_args!("must be {least} to {most}"))),
            }
        };
        let delay = members.required("delay_ns")?;
        let (least, most) = Self::PACKET_SIZE;
        let (shortest, longest) = Self::TRAIN_LENGTH;
        let plan = Self {
            direction: Direction::parse(direction.text(8)?)
                .ok_or_else(|| direction.refuse("must be down or up"))?,
            packet_size: number(members, "packet_size", least.into(), most.into())?,
            train_length: number(members, "train_length", shortest.into(), longest.into())?,
            iterations: number(members, "iterations", 1, Self::MAX_ITERATIONS.into())?,
            rate_min: rate("rate_min")?,
            rate_max: rate("rate_max")?,
            delay_ns: match delay.unsigned()? {
                ns if ns <= Self::MAX_DELAY_NS => ns,
                _ => return Err(delay.refuse("must be at most 10 s")),
            },
        };
        plan.check()?;
        Ok(plan)
    }

    /// Refuses values that are each within bounds but not together.
    pub fn check(&self) -> Result<(), Refused> {
        if self.packets() > Self::MAX_PACKETS {
            return Err(Refused::new(
                "iterations",
                format!(
                    "must not need more than {} packets with this train_length",
                    Self::MAX_PACKETS
                ),
            ));
        }
        if self.rate_max < self.rate_min {
            return Err(Refused::new("rate_max", "must not be less than rate_min"));
        }
        if self.sending_ns() / 1_000_000 > Self::LONGEST_MS {
            return Err(Refused::new(
                "iterations",
                "must not need more than ten minutes with these rates and this delay",
            ));
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        json!({
            "method": PeerMethod::PacketTrains.as_str(),
            "direction": self.direction.as_str(),
            "packet_size": self.packet_size,
            "train_length": self.train_length,
            "iterations": self.iterations,
            "rate_min": self.rate_min,
            "rate_max": self.rate_max,
            "delay_ns": self.delay_ns,
        })
    }

    /// As much of the plan as the limits allow: slower where the rate is limited, not shorter. Both ends reckon alike.
    ///
    /// # Errors
    /// Why nothing of it is left, as a lower-case fragment.
    pub fn within(mut self, limits: &Limits) -> Result<Self, &'static str> {
        let most = limits.max_rate_bps / 8;
        if most < Self::RATE.0 {
            return Err("the rate allowed is too low for it");
        }
        self.rate_max = self.rate_max.min(most);
        self.rate_min = self.rate_min.min(most);
        if self.worst_case_bytes() > limits.max_bytes {
            return Err("the bytes allowed are too few for it");
        }
        if self.sending_ns() / 1_000_000 > u64::from(limits.max_duration_ms) {
            return Err("the time allowed is too short for it");
        }
        Ok(self)
    }

    /// Packets of all trains.
    pub fn packets(&self) -> u32 {
        u32::from(self.train_length) * u32::from(self.iterations)
    }

    /// Rate of a train in bytes per second: from `rate_min` to `rate_max` in equal steps; of one train, `rate_max`.
    pub fn rate(&self, train: u16) -> u64 {
        let steps = u64::from(self.iterations.saturating_sub(1));
        if steps == 0 {
            return self.rate_max;
        }
        self.rate_min + (self.rate_max - self.rate_min) * u64::from(train) / steps
    }

    /// When packet `sequence` of a train is due after its first, in nanoseconds.
    pub fn due_ns(&self, train: u16, sequence: u16) -> u64 {
        let bits = u128::from(self.packet_size) * u128::from(sequence) * 1_000_000_000;
        u64::try_from(bits / u128::from(self.rate(train).max(1))).unwrap_or(u64::MAX)
    }

    fn sending_ns(&self) -> u64 {
        (0..self.iterations)
            .map(|train| {
                self.delay_ns
                    .saturating_add(self.due_ns(train, self.train_length))
            })
            .fold(0, u64::saturating_add)
    }

    /// Bytes at IP level, both directions together, that the session needs at most, with every try of every datagram and
    /// every packet twice.
    pub fn worst_case_bytes(&self) -> u64 {
        let each = |payload: usize| datagram_bytes(Family::V6, payload);
        let packets = 2 * u64::from(self.packets()) * each(self.packet_size.into());
        let tries = u64::from(TRIES);
        let ends = u64::from(self.iterations) * tries * 2 * each(PACKET_HEADER + 8);
        let pieces = self.report_bytes().div_ceil(CHUNK) as u64;
        let report = pieces * tries * (each(CHUNK + 24) + each(PACKET_HEADER));
        packets + opening_bytes() + ends + report
    }

    /// Longest report, in bytes: of every packet that came twice, both times are told.
    pub fn report_bytes(&self) -> usize {
        usize::from(self.iterations) * (TRAIN_HEADER + 2 * usize::from(self.train_length) * ARRIVAL)
    }

    /// How long the session takes at most, once it has begun.
    pub fn longest(&self) -> Duration {
        let pieces = self.report_bytes().div_ceil(CHUNK) as u64;
        // Each exchange may need its tries, but a peer that always needs them all is as good as silent.
        let exchanges = u64::from(self.iterations) + pieces;
        Duration::from_nanos(self.sending_ns().saturating_add(exchanges * RETRY_NS)) + SILENCE * 3
    }
}

/// What is asked for within a START.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Trains.
    Trains(TrainPlan),
    /// Echoes.
    Echo,
}

impl Request {
    /// Reads the JSON of a START.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let document = glimpse_model::read::json(bytes)?;
        let members = Cursor::root(&document).object()?;
        let method = members.required("method")?;
        match PeerMethod::read(&method)? {
            PeerMethod::PacketTrains => TrainPlan::read(&members).map(Self::Trains),
            PeerMethod::Ping => members.only(&["method"]).map(|()| Self::Echo),
            PeerMethod::Btc => Err(method.refuse("goes over tcp")),
        }
    }

    /// The JSON for a START.
    pub fn encode(&self) -> Vec<u8> {
        let document = match self {
            Self::Trains(plan) => plan.to_json(),
            Self::Echo => json!({"method": PeerMethod::Ping.as_str()}),
        };
        document.to_string().into_bytes()
    }

    /// The method it is of.
    pub const fn method(&self) -> PeerMethod {
        match self {
            Self::Trains(_) => PeerMethod::PacketTrains,
            Self::Echo => PeerMethod::Ping,
        }
    }
}

/// Why a token cannot serve for `method`, whoever signed it; the initiator sees for itself before it sends anything.
pub fn fits(claims: &Claims, method: PeerMethod) -> Result<(), Refused> {
    if claims.method == method {
        return Ok(());
    }
    Err(Refused::new(
        "token",
        format!("is for {}", claims.method.as_str()),
    ))
}

fn number<T: TryFrom<i64> + Default>(
    members: &Members<'_>,
    name: &str,
    min: i64,
    max: i64,
) -> Result<T, Refused> {
    let member = members.required(name)?;
    T::try_from(member.integer(min, max)?).map_err(|_| member.refuse("is out of range"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    const WIDE: Limits = Limits {
        max_bytes: u64::MAX,
        max_rate_bps: u64::MAX,
        max_duration_ms: u32::MAX,
    };

    #[test]
    fn requests_read_back() {
        let plan = TrainPlan {
            iterations: 20,
            direction: Direction::Down,
            ..TrainPlan::default()
        };
        for request in [Request::Trains(plan), Request::Echo] {
            let bytes = request.encode();
            assert!(bytes.len() <= super::super::datagram::REQUEST_LIMIT);
            assert_eq!(Request::parse(&bytes), Ok(request));
        }
    }

    #[test]
    fn trains_are_paced_at_rates_in_equal_steps() {
        let plan = TrainPlan {
            train_length: 20,
            iterations: 3,
            rate_min: 200_000,
            rate_max: 400_000,
            ..TrainPlan::default()
        };
        assert_eq!(
            [0, 1, 2].map(|train| plan.rate(train)),
            [200_000, 300_000, 400_000]
        );
        assert_eq!(
            [0, 1, 2].map(|train| plan.due_ns(train, 19)),
            [95_000_000, 63_333_333, 47_500_000]
        );
        assert_eq!(plan.due_ns(2, 0), 0);
        let one = TrainPlan {
            iterations: 1,
            ..plan
        };
        assert_eq!(one.rate(0), 400_000);
    }

    #[test]
    fn what_is_too_much_is_refused_by_name() {
        let good = String::from_utf8(Request::Trains(TrainPlan::default()).encode()).unwrap();
        for (from, to, said) in [
            (
                "\"iterations\":1",
                "\"iterations\":105",
                "iterations: must not need more than 5000 packets with this train_length",
            ),
            (
                "\"rate_max\":262144000",
                "\"rate_max\":1000",
                "rate_max: must not be less than rate_min",
            ),
            (
                "\"train_length\":48",
                "\"train_length\":1",
                "train_length: must be >= 2",
            ),
            (
                "\"packet_size\":1000",
                "\"packet_size\":65507",
                "packet_size: must be <= 1452",
            ),
            (
                "\"delay_ns\":200000000",
                "\"delay_ns\":10000000001",
                "delay_ns: must be at most 10 s",
            ),
            ("\"packettrains\"", "\"btc\"", "method: goes over tcp"),
            (
                "\"iterations\":1",
                "\"iterations\":1,\"port\":9",
                "port: is not known here",
            ),
        ] {
            assert!(good.contains(from), "{good}");
            let refused = Request::parse(good.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert_eq!(refused.to_string(), said);
        }
    }

    #[test]
    fn rates_go_from_the_least_to_the_greatest() {
        let plan = TrainPlan {
            iterations: 3,
            rate_min: 1_000_000,
            rate_max: 3_000_000,
            ..TrainPlan::default()
        };
        assert_eq!(
            [0, 1, 2].map(|train| plan.rate(train)),
            [1_000_000, 2_000_000, 3_000_000]
        );
        assert_eq!(plan.due_ns(1, 10), 5_000_000);
        assert_eq!(TrainPlan::default().rate(0), 262_144_000);
    }

    #[test]
    fn limits_shorten_a_flow_and_slow_a_train() {
        let limits = Limits {
            max_bytes: 1 << 20,
            max_rate_bps: 8_000_000,
            max_duration_ms: 7_000,
        };
        let both = BulkPlan {
            directions: vec![Direction::Down, Direction::Up],
            ..BulkPlan::default()
        };
        assert_eq!(both.within(&limits).unwrap().duration_ms, 2_500);
        let train = TrainPlan::default().within(&limits).unwrap();
        assert_eq!((train.rate_min, train.rate_max), (1_000_000, 1_000_000));
        let short = Limits {
            max_duration_ms: 1_100,
            ..limits
        };
        assert!(BulkPlan::default().within(&short).is_err());
        let few = Limits {
            max_bytes: 60_000,
            ..limits
        };
        assert!(TrainPlan::default().within(&few).is_err());
        assert!(BulkPlan::default().within(&few).is_err());
    }

    proptest! {
        #[test]
        fn a_bulk_session_keeps_to_the_bytes_of_its_token(max_bytes in 65_537_u64..1 << 40, two in any::<bool>()) {
            let limits = Limits { max_bytes, ..WIDE };
            let directions = if two { vec![Direction::Down, Direction::Up] } else { vec![Direction::Up] };
            let plan = BulkPlan { directions, ..BulkPlan::default() };
            if let Ok(plan) = plan.within(&limits) {
                // Both directions together, so at most twice what each may have.
                prop_assert!(plan.worst_case_bytes() <= 2 * max_bytes + 4 * CONTROL);
                let carried = CountedStream::transfer_bytes(Family::V6, LEAST_MSS, plan.payload_bytes);
                prop_assert!(carried <= max_bytes);
            }
        }

        #[test]
        fn no_request_makes_it_panic(text in "[{}\":a-z0-9,]{0,100}") {
            let _ = Request::parse(text.as_bytes());
        }
    }
}
