//! The run: the ways to the servers, the idle line, then one load after the other with probes beside it.

use glimpse_model::options::Options;
use glimpse_model::outcome::{ByteCount, Ending, Outcome};
use serde_json::{Map, Value};
use tokio::time::sleep;

use super::machine::{Phase, Prober, Samples};
use super::options::{LatencyLoadOptions, PAUSE, WAY_BYTES};
use super::outcome::{Loaded, distribution};
use super::probes::{Probes, Watch};
use crate::context::Context;
use crate::methods::http::connection::Origin;
use crate::methods::http::error::HttpError;
use crate::methods::http::load::{Direction, Gauge, Order, Transfer, transfer};
use crate::methods::http::way::{Asking, find, permit};

/// Makes the measurement.
pub(super) async fn run(options: &Options, context: &Context) -> Outcome {
    let options = match LatencyLoadOptions::read(options) {
        Ok(options) => options,
        Err(refused) => return Outcome::failed(refused.to_string(), ByteCount::default()),
    };
    let gauge = Gauge::new(&context.meter);
    match measure(&options, context, &gauge).await {
        Ok((map, error)) => Outcome {
            ending: Ending::Done,
            exit: None,
            probe_result: map,
            error,
            bytes: gauge.show(),
        },
        Err(Stop { map, error }) => Outcome {
            probe_result: map,
            ..Outcome::failed(error, gauge.show())
        },
    }
}

/// A measurement that could not be made, with what it had.
struct Stop {
    map: Map<String, Value>,
    error: String,
}

impl From<HttpError> for Stop {
    fn from(error: HttpError) -> Self {
        Self {
            map: Map::new(),
            error: error.to_string(),
        }
    }
}

/// The servers of a run.
struct Servers {
    down: Option<Origin>,
    up: Option<Origin>,
}

impl Servers {
    async fn find(
        options: &LatencyLoadOptions,
        context: &Context,
        gauge: &Gauge,
    ) -> Result<Self, HttpError> {
        let one = async |wanted: bool, url, asking| {
            if !wanted {
                return Ok::<Option<Origin>, HttpError>(None);
            }
            let tally = gauge.tally(WAY_BYTES.min(context.byte_limit / 4));
            let way = find(
                url,
                options.redirects,
                asking,
                options.family,
                context,
                &tally,
            )
            .await?;
            permit(&way.origin, &context.bulk).await?;
            Ok(Some(way.origin))
        };
        let down = options.phases.iter().any(|phase| phase.is_down());
        let up = options.phases.iter().any(|phase| phase.is_up());
        Ok(Self {
            down: one(down, &options.url, Asking::Content).await?,
            up: one(up, &options.upload_url, Asking::Upload).await?,
        })
    }

    /// Whose round trips are taken.
    fn probed(&self) -> Option<&Origin> {
        self.down.as_ref().or(self.up.as_ref())
    }
}

async fn measure(
    options: &LatencyLoadOptions,
    context: &Context,
    gauge: &Gauge,
) -> Result<(Map<String, Value>, Option<String>), Stop> {
    let servers = Servers::find(options, context, gauge).await?;
    let mut map = Map::new();
    let Some(probed) = servers.probed() else {
        return Err(HttpError::Unanswered.into());
    };
    let mut probes = Probes {
        options,
        context,
        tally: gauge.tally(u64::MAX),
        target: probed.address,
        prober: Prober::new(options.probe),
        error: None,
    };
    map.insert(
        "destination_ip".to_owned(),
        probed.address.ip().to_string().into(),
    );
    map.insert("url".to_owned(), probed.url.to_string().into());
    map.insert("dns_us".to_owned(), (probed.dns_ns / 1000).into());
    map.insert("threads".to_owned(), options.threads.into());
    let idle = probes.idle().await;
    let kind = if probes.prober.is_icmp() {
        "Icmp"
    } else {
        "Tcp"
    };
    map.insert("probe".to_owned(), kind.into());
    map.insert("idle".to_owned(), distribution(&idle).into());
    let Some(quantiles) = idle.quantiles() else {
        let error = probes
            .error
            .unwrap_or_else(|| "no probe was answered on the idle line".to_owned());
        return Err(Stop { map, error });
    };
    let (mut faults, mut any) = (Vec::new(), false);
    for &phase in &options.phases {
        sleep(PAUSE).await;
        let loaded = load(phase, &servers, &mut probes, gauge).await;
        any |= loaded.has_figures();
        faults.extend(
            loaded
                .fault()
                .map(|fault| format!("{}: {fault}", phase.as_str())),
        );
        map.insert(
            phase.as_str().to_owned(),
            loaded.into_map(Some(&quantiles)).into(),
        );
    }
    let error = (!faults.is_empty()).then(|| faults.join("; "));
    if any {
        return Ok((map, error));
    }
    let error = error.unwrap_or_else(|| {
        "the line could not be loaded long enough to take round trips: max_bytes was used up, or nothing \
         was transferred after the ramp-up"
            .to_owned()
    });
    Err(Stop { map, error })
}

/// One load, with probes from its ramp-up to its end.
async fn load(phase: Phase, servers: &Servers, probes: &mut Probes<'_>, gauge: &Gauge) -> Loaded {
    let options = probes.options;
    let bytes = options.load_bytes(options.max_bytes.min(probes.context.byte_limit));
    let tally = gauge.tally(bytes);
    let order = |origin: &Origin, direction| Order {
        origin: origin.counting(&tally),
        direction,
        threads: options.threads,
        source_port: 0,
        times_ms: (options.ramp_ms, options.target_ms, 1000),
        avoid_caches: options.avoid_caches,
        fills_queues: direction != Direction::Down,
        seed: probes.context.seed,
    };
    let down = servers
        .down
        .as_ref()
        .filter(|_| phase.is_down())
        .map(|origin| order(origin, Direction::Down));
    let up = Direction::Up { body_bytes: 0 };
    let up = servers
        .up
        .as_ref()
        .filter(|_| phase.is_up())
        .map(|origin| order(origin, up));
    let watch = Watch::default();
    let mut samples = Samples::default();
    let expected = usize::from(phase.is_down()) + usize::from(phase.is_up());
    let (down, up, ()) = tokio::join!(
        one(down, gauge, &watch),
        one(up, gauge, &watch),
        probes.under_load(&watch, expected, &mut samples),
    );
    Loaded { samples, down, up }
}

async fn one(
    order: Option<Order>,
    gauge: &Gauge,
    watch: &Watch,
) -> Option<Result<Transfer, String>> {
    let made = transfer(order?, gauge, |span| watch.begins(span)).await;
    watch.ends();
    Some(made.map_err(|error| error.to_string()))
}
