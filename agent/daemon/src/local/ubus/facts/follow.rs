//! Keeps the facts up to date.

use super::{Board, Device, Facts, Wan, ask, wifi};
use crate::clock;
use crate::local::ubus::{Bus, Change};
use serde_json::json;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{sleep, timeout};

/// Interfaces come up in several steps: so long after the last one is asked.
const SETTLE: Duration = Duration::from_millis(500);
/// Something changes without a word: asked again at the latest.
const AGAIN: Duration = Duration::from_mins(5);

/// Asks when the bus comes, whenever an interface changes, and now and then. Never returns while the bus is kept.
pub(in crate::local::ubus) async fn follow(
    bus: Bus,
    mut changes: broadcast::Receiver<Change>,
    facts: watch::Sender<Facts>,
) {
    let mut there = false;
    loop {
        match timeout(AGAIN, changes.recv()).await {
            Ok(Ok(Change::Lost)) => {
                // What was told last holds until somebody tells something else: a mobile line stays one.
                there = false;
                continue;
            }
            Ok(Err(RecvError::Closed)) => return,
            Ok(Ok(Change::Connected)) => there = true,
            Ok(Ok(Change::Interface { .. }) | Err(RecvError::Lagged(_))) => sleep(SETTLE).await,
            Err(_) => {}
        }
        if there {
            let before = facts.borrow().clone();
            let fresh = look(&bus, before).await;
            facts.send_replace(fresh);
        }
    }
}

async fn look(bus: &Bus, before: Facts) -> Facts {
    let last = before.wan.as_ref().map(|wan| wan.interface.as_str());
    let dump = ask(bus, "network.interface", "dump", json!({})).await;
    let read = Some(clock::steady());
    // Who does not answer has not said that the line has changed: above all, a mobile one stays one.
    let wan = match dump {
        Ok(dump) => Wan::read(&dump, last),
        Err(_) => before.wan.clone(),
    };
    let device = match wan.as_ref().and_then(|wan| wan.device.as_deref()) {
        Some(name) => device(bus, name).await,
        None => Device::default(),
    };
    let radio = match wan.as_ref().and_then(|wan| wan.l3_device.as_deref()) {
        Some(name) if wifi::devices(bus).await.iter().any(|device| device == name) => {
            wifi::radio(bus, name).await
        }
        _ => None,
    };
    let board = match before.board {
        Some(board) => Some(board),
        None => match ask(bus, "system", "board", json!({})).await {
            Ok(answer) => Board::read(&answer),
            Err(_) => None,
        },
    };
    Facts {
        wan,
        device,
        radio,
        board,
        read,
    }
}

async fn device(bus: &Bus, name: &str) -> Device {
    let status = async |name: &str| {
        let answer = ask(bus, "network.device", "status", json!({ "name": name })).await;
        answer.map_or_else(|_| Device::default(), |answer| Device::read(&answer))
    };
    let device = status(name).await;
    match device.parent.clone() {
        Some(parent) => device.over(&status(&parent).await),
        None => device,
    }
}
