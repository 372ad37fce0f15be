//! The costs of a window, metric by metric.

use super::AltoError;
use super::pids::{Numbers, Pids};
use glimpse_aggregate::{
    AGGREGATION, Calendar as Kind, DelayMethod, Metric, Public, PublicCell, Statistic, TOTAL, Unit,
    Window,
};
use glimpse_alto::{
    Calendar, CalendarKind, Column, Cost, CostContext, CostMap, CostMaps, CostMetric, Edition,
    Parameter, Preference,
};
use std::collections::BTreeMap;

/// Which side of a cell is the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The sender of the data (RFC 9439 §4): the cluster of a download.
    Sender,
    /// The subscribers, whatever was measured.
    Subscriber,
}

/// A cost metric and what its figures are made of.
struct View {
    /// Without a statistical operator, which is the median then (RFC 9439 §3.2).
    metric: &'static str,
    of: &'static [Metric],
    source: Source,
    method: &'static str,
    description: &'static str,
}

const fn view(
    metric: &'static str,
    of: &'static [Metric],
    method: &'static str,
    description: &'static str,
) -> View {
    View {
        metric,
        of,
        source: Source::Sender,
        method,
        description,
    }
}

const DOWNLOAD: &str = "bulk transfer of subscribers from a cluster over one TCP connection, bytes per second; the row is the subscribers'";
const DOWNLOAD_MT: &str = "bulk transfer of subscribers from a cluster over several TCP connections, bytes per second; the row is the subscribers'";

const VIEWS: [View; 12] = [
    view(
        "delay-rt",
        &[Metric::DelayRt],
        "udp-icmp-echo",
        "round-trip time of UDP and ICMP echoes, microseconds",
    ),
    view(
        "priv:glimpse-delay-rt-tcp",
        &[Metric::DelayRtTcp],
        "tcp-syn-syn-ack",
        "round-trip time of TCP SYN and its answer, microseconds",
    ),
    view(
        "delay-variation",
        &[Metric::DelayVariation],
        "udp-one-way",
        "one-way delay variation against the minimum, microseconds",
    ),
    view(
        "priv:glimpse-loss-rt",
        &[Metric::LossRt],
        "echo",
        "round-trip loss of echoes, percent",
    ),
    view(
        "priv:glimpse-pdv-rt",
        &[Metric::PdvRt],
        "echo",
        "round-trip delay variation of echoes, microseconds",
    ),
    view(
        "hopcount",
        &[Metric::HopCount],
        "traceroute",
        "routers on the way to a destination that was reached, and the destination",
    ),
    view(
        "tput",
        &[Metric::TputDown, Metric::TputUp],
        "tcp-bulk-1-connection",
        "bulk transfer over one TCP connection, bytes per second; the source is the sender",
    ),
    View {
        source: Source::Subscriber,
        ..view(
            "priv:glimpse-dl",
            &[Metric::TputDown],
            "tcp-bulk-1-connection",
            DOWNLOAD,
        )
    },
    view(
        "priv:glimpse-tput-mt",
        &[Metric::TputMtDown, Metric::TputMtUp],
        "tcp-bulk-many-connections",
        "bulk transfer over several TCP connections, bytes per second; the source is the sender",
    ),
    View {
        source: Source::Subscriber,
        ..view(
            "priv:glimpse-dl-mt",
            &[Metric::TputMtDown],
            "tcp-bulk-many-connections",
            DOWNLOAD_MT,
        )
    },
    view(
        "priv:glimpse-ppt",
        &[Metric::PacketPair],
        "packet-trains",
        "dispersion rate of packet trains, bytes per second; experimental",
    ),
    view(
        "priv:glimpse-dns-rt",
        &[Metric::DnsRt],
        "dns",
        "time of a DNS look-up, the resolver's work included, microseconds",
    ),
];

/// All costs of the window between PIDs of the map. `routingcost` and `delay-rt` are always there, others where there are figures. What
/// a column of that name had `before` is kept only once, from the moment that it is made.
pub(super) fn columns(
    public: &Public,
    pids: &Pids<'_>,
    before: Option<&Edition>,
) -> Result<Vec<Column>, AltoError> {
    let share = |mut column: Column| {
        let mut known = before.into_iter().flat_map(|before| &before.columns);
        if let Some(before) = known.find(|before| before.name == column.name) {
            column.share(before);
        }
        column
    };
    let mut columns = Vec::new();
    let numbers = Numbers::of(pids);
    let mut maps = CostMaps::new(numbers.names());
    for view in &VIEWS {
        let mut found = view.cells(public, &numbers);
        if view.of == [Metric::DelayRt] {
            found.entry(Statistic::Median).or_default();
        }
        for (statistic, Cells { costs, calendars }) in found {
            let costs = maps.map(&costs);
            if view.of == [Metric::DelayRt] && statistic == Statistic::Median {
                columns.insert(0, share(routingcost(public, &costs)?));
            }
            let calendars = calendars.into_iter();
            let calendars = calendars.filter_map(|(kind, cells)| {
                let window = public.window();
                calendar(kind, &window, &cells, &mut maps)
            });
            let calendars = calendars.collect();
            columns.push(share(view.column(public, statistic, costs, calendars)?));
        }
    }
    columns.extend(beside(public, &numbers, &mut maps)?.into_iter().map(share));
    Ok(columns)
}

/// Cells of a calendar: numbers of source and destination, and for each pair a value for each interval.
#[derive(Default)]
struct Intervals {
    pairs: Vec<(u32, u32)>,
    costs: Vec<Cost>,
}

/// The cells of one statistic, with their calendars.
#[derive(Default)]
struct Cells {
    /// Numbers of source and destination, cost.
    costs: Vec<(u32, u32, Cost)>,
    calendars: Calendars,
}

type Calendars = BTreeMap<Kind, Intervals>;

impl View {
    fn cells(&self, public: &Public, numbers: &Numbers<'_>) -> BTreeMap<Statistic, Cells> {
        let mut found: BTreeMap<Statistic, Cells> = BTreeMap::new();
        for metric in self.of {
            let from_cluster = self.source == Source::Sender && metric.is_from_cluster();
            for (place, cluster, cell) in public.cells(*metric) {
                // Between everybody and everywhere nobody could tell up from down.
                let both = place.pid == TOTAL && cluster == TOTAL && self.of.len() > 1;
                let pair = numbers.pair(place, cluster).filter(|_| !both);
                let Some((place, cluster)) = pair else {
                    continue;
                };
                let (source, destination) = if from_cluster {
                    (cluster, place)
                } else {
                    (place, cluster)
                };
                for figure in cell.figures() {
                    let cells = found.entry(figure.statistic).or_default();
                    let cost = cost(*metric, figure.value);
                    cells.costs.push((source, destination, cost));
                }
                for (kind, statistic, values) in cell.calendars() {
                    // A calendar stands beside the figure that it is of.
                    let has_figure = cell.figure(statistic).is_some();
                    let Some(cells) = found.get_mut(&statistic).filter(|_| has_figure) else {
                        continue;
                    };
                    let costs = values.iter().map(|value| cost(*metric, *value));
                    let calendar = cells.calendars.entry(kind).or_default();
                    calendar.pairs.push((source, destination));
                    calendar.costs.extend(costs);
                }
            }
        }
        found
    }

    fn column(
        &self,
        public: &Public,
        statistic: Statistic,
        costs: CostMap,
        calendars: Vec<Calendar>,
    ) -> Result<Column, AltoError> {
        let metric = match statistic {
            Statistic::Median => self.metric.to_owned(),
            other => format!("{}:{other}", self.metric),
        };
        let window = public.window();
        let higher = self.of.iter().any(|metric| metric.higher_is_better());
        // Of a spread less is better, whatever of.
        let preference = if higher && statistic != Statistic::Stddev {
            Preference::Higher
        } else {
            Preference::Lower
        };
        Ok(Column {
            name: name(&metric),
            metric: CostMetric::new(&metric)?,
            preference,
            context: context(&window, self.method, None),
            description: format!("{statistic} over subscribers: {}", self.description),
            costs,
            calendars,
            fetched: true,
            samples: self.of.iter().map(|m| public.samples(*m)).sum(),
            subscribers: subscribers(public, self.of),
        })
    }
}

/// Name of a column: the metric's, as far as ids of resources have its characters.
fn name(metric: &str) -> String {
    let short = metric.strip_prefix("priv:glimpse-").unwrap_or(metric);
    short.replace(':', "-").replace('.', "_")
}

fn cost(metric: Metric, value: u64) -> Cost {
    match metric.unit() {
        Unit::PartsPerMillion => Cost::ten_thousandths(value),
        Unit::Microseconds | Unit::Hops | Unit::BytesPerSecond => Cost::new(value),
    }
}

fn subscribers(public: &Public, of: &[Metric]) -> u64 {
    let most = of.iter().map(|metric| public.subscribers(*metric)).max();
    most.unwrap_or(0) as u64
}

/// Nothing of it changes from window to window.
fn context(window: &Window, method: &str, of: Option<&str>) -> CostContext {
    let seconds = window.end_us().abs_diff(window.start_us()) / 1_000_000;
    let length = BTreeMap::from([("seconds".to_owned(), Parameter::Number(seconds))]);
    let parameters = [
        ("aggregation", Parameter::from(AGGREGATION)),
        // Endpoint costs share these cost types: where a pair has no figure, that of everybody stands in.
        ("endpoint-fallback", Parameter::from(TOTAL)),
        ("method", Parameter::from(method)),
        ("window", Parameter::Object(length)),
    ];
    CostContext::new(parameters.into_iter().chain(of.map(|of| ("of", of.into()))))
}

fn calendar(
    kind: Kind,
    window: &Window,
    cells: &Intervals,
    maps: &mut CostMaps,
) -> Option<Calendar> {
    let intervals = kind.intervals(window)?;
    Some(Calendar {
        kind: match kind {
            Kind::HourOfDay => CalendarKind::HourOfDay,
            Kind::DayOfWindow => CalendarKind::DayOfWindow,
        },
        start_us: window.start_us(),
        interval_s: kind.interval_s(),
        intervals,
        cells: maps.intervals(intervals, &cells.pairs, &cells.costs),
    })
}

/// The mandatory metric (RFC 7285 §6.1.1.1), out of median delays.
fn routingcost(public: &Public, delays: &CostMap) -> Result<Column, AltoError> {
    let of = [Metric::DelayRt];
    Ok(Column {
        name: "routingcost".to_owned(),
        metric: CostMetric::new("routingcost")?,
        preference: Preference::Lower,
        context: context(
            &public.window(),
            DelayMethod::Datagram.name(),
            Some("delay-rt"),
        ),
        description: "grows with the median round-trip time; without a unit".to_owned(),
        costs: delays.routingcost(),
        calendars: Vec::new(),
        fetched: true,
        samples: public.samples(Metric::DelayRt),
        subscribers: subscribers(public, &of),
    })
}

/// What stands beside the median of `delay-rt`, to be asked for together with it (RFC 8189).
fn beside(
    public: &Public,
    numbers: &Numbers<'_>,
    maps: &mut CostMaps,
) -> Result<Vec<Column>, AltoError> {
    type Value = fn(PublicCell<'_>) -> Option<u64>;
    const BESIDE: [(&str, Preference, &str, Value); 4] = [
        (
            "priv:glimpse-n",
            Preference::Higher,
            "round-trip times behind delay-rt",
            |cell| Some(cell.samples()),
        ),
        (
            "priv:glimpse-subs",
            Preference::Higher,
            "subscribers behind delay-rt, rounded down to fives outside the laboratory",
            |cell| Some(cell.subscribers() as u64),
        ),
        (
            "priv:glimpse-ci95-lo",
            Preference::Lower,
            "lower end of the 95 % confidence interval of delay-rt, microseconds",
            |cell| Some(cell.figure(Statistic::Median)?.confidence?.low),
        ),
        (
            "priv:glimpse-ci95-hi",
            Preference::Lower,
            "upper end of the 95 % confidence interval of delay-rt, microseconds",
            |cell| Some(cell.figure(Statistic::Median)?.confidence?.high),
        ),
    ];
    let mut columns = Vec::new();
    for (metric, preference, description, value) in BESIDE {
        let cells = public.cells(Metric::DelayRt).filter_map(|(p, c, cell)| {
            let value = value(cell)?;
            let (place, cluster) = numbers.pair(p, c)?;
            Some((place, cluster, Cost::new(value)))
        });
        let costs = maps.map(&cells.collect::<Vec<_>>());
        if costs.is_empty() {
            continue;
        }
        columns.push(Column {
            name: name(metric),
            metric: CostMetric::new(metric)?,
            preference,
            context: context(
                &public.window(),
                DelayMethod::Datagram.name(),
                Some("delay-rt"),
            ),
            description: description.to_owned(),
            costs,
            calendars: Vec::new(),
            fetched: false,
            samples: public.samples(Metric::DelayRt),
            subscribers: subscribers(public, &[Metric::DelayRt]),
        });
    }
    Ok(columns)
}
