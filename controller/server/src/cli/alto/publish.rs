//! `alto publish`.

use super::super::output::Output;
use super::super::{CliError, PlaceFile, open};
use crate::alto::{AltoError, compute, published, supplied};
use crate::clock;
use crate::config::Alto;
use clap::Args;
use glimpse_aggregate::{Metric, Public, Span};
use glimpse_model::time::Timestamp;
use glimpse_store::Store;
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Publish {
    #[command(flatten)]
    place: PlaceFile,
}

#[derive(Serialize)]
struct Shown {
    span: &'static str,
    start: Timestamp,
    end: Timestamp,
    version: usize,
    subscribers: usize,
}

impl Shown {
    fn of(span: Span, public: &Public) -> Self {
        let window = public.window();
        let subscribers = Metric::ALL.iter().map(|m| public.subscribers(*m)).max();
        Self {
            span: span.name(),
            start: Timestamp::from_micros(window.start_us()),
            end: Timestamp::from_micros(window.end_us()),
            version: public.version(),
            subscribers: subscribers.unwrap_or(0),
        }
    }
}

impl Publish {
    pub(super) async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let config = self.place.load()?;
        let store = open(&config).await?;
        let shown = publish(&store, &config.alto).await;
        store.close().await?;
        let shown = shown.map_err(CliError::failed)?;
        let shown: Vec<Shown> = shown
            .iter()
            .map(|(s, public)| Shown::of(*s, public))
            .collect();
        if output.json {
            return Ok(output.json(&shown)?);
        }
        let rows: Vec<Vec<String>> = shown
            .iter()
            .map(|window| {
                vec![
                    window.span.to_owned(),
                    window.start.to_string(),
                    window.end.to_string(),
                    window.version.to_string(),
                    window.subscribers.to_string(),
                ]
            })
            .collect();
        Ok(output.table(&["window", "from", "to", "version", "subscribers"], &rows)?)
    }
}

async fn publish(store: &dyn Store, config: &Alto) -> Result<Vec<(Span, Public)>, AltoError> {
    compute(store, config, &supplied(config)?, clock::now(), None).await?;
    published(store, config).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::cli::{DONE, run};
    use crate::fixture::Fixture;
    use serde_json::Value;

    async fn published(file: &str) -> Value {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let words = [
            "glimpse-controller",
            "alto",
            "publish",
            "--json",
            "--config",
            file,
        ];
        let code = run(words.map(Into::into), &mut out, &mut err).await;
        assert_eq!(code, DONE, "{}", String::from_utf8_lossy(&err));
        serde_json::from_slice(&out).unwrap()
    }

    #[tokio::test]
    async fn an_operator_asks_for_what_is_due() {
        let fixture = Fixture::new().await;
        let file = fixture.directory.path().join("controller.toml");
        std::fs::write(&file, "").unwrap();
        let shown = published(file.to_str().unwrap()).await;
        let mut spans: Vec<&str> = Vec::new();
        for window in shown.as_array().unwrap() {
            spans.push(window["span"].as_str().unwrap());
            assert_eq!(
                (&window["version"], &window["subscribers"]),
                (&1.into(), &0.into())
            );
        }
        assert_eq!(spans, ["7-days", "day", "hour", "month"]);
        assert_eq!(published(file.to_str().unwrap()).await, shown);
        // A server of the same database shows it without having computed anything.
        fixture.shared.renew_publication().await;
        assert!(fixture.shared.publication.load_full().is_some());
        let ledger = fixture.shared.store.alto_ledger("public").await.unwrap();
        assert_eq!(ledger.unwrap().0, 1);
    }
}
