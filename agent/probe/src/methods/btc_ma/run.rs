//! The initiator: a control connection, and one more for each flow.

use std::net::SocketAddr;

use glimpse_model::options::Options;
use glimpse_model::outcome::{ByteCount, Ending, Outcome};
use glimpse_model::token::MeasureId;
use glimpse_net::packet::Family;
use glimpse_net::stream::{CountedStream, Tally};
use tokio::net::TcpStream;

use super::options::{BtcOptions, CONNECT_LIMIT};
use crate::context::Context;
use crate::peer::bulk::{Account, Unheard, exchange, hear, tell};
use crate::peer::frame::{Frame, send};
use crate::peer::{Direction, rates, session_id};

/// Makes the measurement.
pub(super) async fn run(options: &Options, context: &Context) -> Outcome {
    let options = match BtcOptions::read(options) {
        Ok(options) => options,
        Err(refused) => return Outcome::failed(refused.to_string(), ByteCount::default()),
    };
    let address = match options.peer.host.locate(options.peer.family, context).await {
        Ok(address) => address,
        Err(reason) => return Outcome::failed(reason, ByteCount::default()),
    };
    let limit = options.plan.worst_case_bytes().min(context.byte_limit);
    let account = Account {
        tally: Tally::limited(limit),
        meter: context.meter.clone(),
    };
    let remote = SocketAddr::new(address, options.peer.port);
    let session = session_id(context.seed);
    let mut flows = Vec::new();
    let measured = measure(&options, context, remote, session, &account, &mut flows).await;
    account.show();
    Outcome {
        exit: None,
        ending: match measured {
            Ok(()) => Ending::Done,
            Err(_) => rates::after_fault(&flows),
        },
        probe_result: rates::probe_result(session, options.peer.token.claims().id, address, &flows),
        error: measured.err(),
        bytes: context.meter.read(),
    }
}

/// What was measured before a fault stays in `flows`.
async fn measure(
    options: &BtcOptions,
    context: &Context,
    remote: SocketAddr,
    session: MeasureId,
    account: &Account,
    flows: &mut Vec<(Direction, rates::Flow)>,
) -> Result<(), String> {
    let stream = connect(remote, context, account).await?;
    let mut control = CountedStream::new(stream, account.tally.clone());
    let start = Frame::Start {
        token: options.peer.token.as_str().to_owned(),
        session,
        plan: options.plan.clone(),
    };
    tell(&mut control, &start).await?;
    let (key, granted) = match hear(&mut control).await {
        Ok(Frame::Accepted { key, limits }) => (key, limits),
        Ok(Frame::Refused { reason }) => return Err(format!("the responder refuses: {reason}")),
        Ok(_) => return Err("the peer said what was not asked".to_owned()),
        Err(Unheard::Garbage(words)) => {
            return Err(format!("{remote} is not a GLIMPSE responder: {words}"));
        }
        Err(error) => {
            return Err(format!("{error}: it may not know this token, or no longer"));
        }
    };
    let plan = options.plan.clone().within(&granted)?;
    for &direction in &plan.directions {
        let mut flow = connect(remote, context, account).await?;
        let first = Frame::Flow {
            session,
            key,
            direction,
        };
        send(&mut flow, &first)
            .await
            .map_err(|error| error.to_string())?;
        let sending = direction == Direction::Up;
        let measured = exchange(
            &mut control,
            flow,
            sending,
            &plan,
            &granted,
            account,
            context.seed,
        )
        .await
        .map_err(|fault| match flows.len() {
            0 => fault,
            _ => format!("{}: {fault}", direction.as_str()),
        })?;
        flows.push((direction, measured));
    }
    Ok(())
}

async fn connect(
    remote: SocketAddr,
    context: &Context,
    account: &Account,
) -> Result<TcpStream, String> {
    (context.admit)(remote.ip()).map_err(|reason| format!("{}: {reason}", remote.ip()))?;
    if account.tally.room() < CountedStream::opening_bytes(Family::from(remote.ip())) {
        return Err(format!(
            "stopped at its limit of {} bytes",
            account.tally.limit()
        ));
    }
    match tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(remote)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("{remote}: {error}")),
        Err(_) => Err(format!(
            "{remote} did not accept within {} s",
            CONNECT_LIMIT.as_secs()
        )),
    }
}
