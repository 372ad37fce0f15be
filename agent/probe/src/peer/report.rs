//! What came of the trains, as the receiver tells the sender at the end, so that both reckon the same figures. Pure.

use super::datagram::SentTrain;
use super::plan::TrainPlan;

/// Bytes before the arrivals of a train.
pub const TRAIN_HEADER: usize = 16;
/// Bytes of an arrival.
pub const ARRIVAL: usize = 10;

/// A packet that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its number in the train.
    pub sequence: u16,
    /// When, in nanoseconds after the first arrival of the train.
    pub at_ns: u64,
}

/// A train as both ends know it together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Train {
    /// What was sent.
    pub sent: SentTrain,
    /// Whether the kernel's stamps gave the times of arrival.
    pub kernel: bool,
    /// What came, in the order of coming.
    pub arrivals: Vec<Arrival>,
}

/// The trains as bytes.
pub fn encode(trains: &[Train]) -> Vec<u8> {
    let mut out = Vec::new();
    for train in trains {
        let arrivals = u16::try_from(train.arrivals.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&train.sent.train.to_be_bytes());
        out.extend_from_slice(&train.sent.packets.to_be_bytes());
        out.extend_from_slice(&train.sent.span_ns.to_be_bytes());
        out.push(u8::from(train.sent.kernel));
        out.push(u8::from(train.kernel));
        out.extend_from_slice(&arrivals.to_be_bytes());
        for arrival in train.arrivals.iter().take(arrivals.into()) {
            out.extend_from_slice(&arrival.sequence.to_be_bytes());
            out.extend_from_slice(&arrival.at_ns.to_be_bytes());
        }
    }
    out
}

/// Reads them back. `None` when they are not those of `plan`: other trains, more packets than it can have.
pub fn decode(mut bytes: &[u8], plan: &TrainPlan) -> Option<Vec<Train>> {
    let mut trains = Vec::new();
    while !bytes.is_empty() {
        let (head, mut rest) = bytes.split_first_chunk::<TRAIN_HEADER>()?;
        let [
            t0,
            t1,
            p0,
            p1,
            n0,
            n1,
            n2,
            n3,
            n4,
            n5,
            n6,
            n7,
            sent_kernel,
            kernel,
            a0,
            a1,
        ] = *head;
        let sent = SentTrain {
            train: u16::from_be_bytes([t0, t1]),
            packets: u16::from_be_bytes([p0, p1]),
            span_ns: u64::from_be_bytes([n0, n1, n2, n3, n4, n5, n6, n7]),
            kernel: sent_kernel == 1,
        };
        let count = u16::from_be_bytes([a0, a1]);
        let fitting = usize::from(sent.train) == trains.len()
            && sent.train < plan.iterations
            && sent.packets <= plan.train_length
            && u32::from(count) <= 2 * u32::from(plan.train_length);
        if !fitting {
            return None;
        }
        let mut arrivals = Vec::with_capacity(count.into());
        for _ in 0..count {
            let (arrival, after) = rest.split_first_chunk::<ARRIVAL>()?;
            let [s0, s1, at @ ..] = *arrival;
            let sequence = u16::from_be_bytes([s0, s1]);
            if sequence >= plan.train_length {
                return None;
            }
            arrivals.push(Arrival {
                sequence,
                at_ns: u64::from_be_bytes(at),
            });
            rest = after;
        }
        trains.push(Train {
            sent,
            kernel: kernel == 1,
            arrivals,
        });
        bytes = rest;
    }
    Some(trains)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    fn plan() -> TrainPlan {
        TrainPlan {
            iterations: 3,
            ..TrainPlan::default()
        }
    }

    fn train(number: u16, arrivals: u16) -> Train {
        Train {
            sent: SentTrain {
                train: number,
                packets: 48,
                span_ns: 1 << 40,
                kernel: true,
            },
            kernel: number == 1,
            arrivals: (0..arrivals)
                .map(|sequence| Arrival {
                    sequence: sequence % 48,
                    at_ns: u64::from(sequence) << 36,
                })
                .collect(),
        }
    }

    #[test]
    fn what_is_written_reads_back_within_its_bound() {
        let trains = vec![train(0, 96), train(1, 0), train(2, 48)];
        let bytes = encode(&trains);
        assert!(bytes.len() <= plan().report_bytes());
        assert_eq!(decode(&bytes, &plan()), Some(trains));
    }

    #[test]
    fn what_the_plan_cannot_have_is_refused() {
        for bad in [
            vec![train(1, 1)],
            vec![train(0, 97)],
            vec![train(0, 1), train(1, 1), train(2, 1), train(3, 1)],
        ] {
            assert_eq!(decode(&encode(&bad), &plan()), None);
        }
        let whole = encode(&[train(0, 5)]);
        for length in 1..whole.len() {
            assert_eq!(decode(&whole[..length], &plan()), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, &plan());
        }
    }
}
