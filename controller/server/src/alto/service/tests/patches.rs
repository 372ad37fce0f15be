//! What update streams tell of a small group, day after day.

use super::*;
use glimpse_alto::{
    Limits, Next, Request, ResourceKind, Serving, Stream, StreamLimits, Turn, answer, merge_patch,
};

const SMALL: &str = "as2";
/// Each kind of calendar, and so each kind of question about costs.
const CALENDARS: &str = "[alto.calendars]\ndelay-rt = [\"hour-of-day\", \"day-of-window\"]";
const COSTS: &str = r#"{"cost-type":{"cost-metric":"delay-rt","cost-mode":"numerical"}"#;

impl World {
    fn shown(&self) -> Arc<Publication> {
        let shown = self.fixture.shared.publication.load_full().unwrap();
        Arc::clone(&shown.publication)
    }
}

/// What all that streams tell of is asked: `None` where it is fetched.
fn followed(publication: &Publication) -> BTreeMap<String, Option<String>> {
    let kinds = publication.resource_kinds();
    let streamed = kinds.filter(ResourceKind::is_streamed);
    let asked = streamed.filter_map(|kind| {
        let input = match kind.accepts {
            None => None,
            Some("application/alto-costmapfilter+json") => {
                Some(format!(r#"{COSTS},"calendared":[true]}}"#))
            }
            Some("application/alto-networkmapfilter+json") => Some(r#"{"pids":[]}"#.to_owned()),
            Some(_) => return None,
        };
        Some((kind.id.to_string(), input))
    });
    asked.collect()
}

/// What a resource answers now.
fn current(publication: &Publication, id: &str, input: Option<&str>) -> Value {
    let mut kinds = publication.resource_kinds();
    let kind = kinds.find(|kind| kind.id.as_str() == id).unwrap();
    let request = Request {
        method: if input.is_some() { "POST" } else { "GET" },
        path: kind.path,
        content_type: kind.accepts,
        body: input.unwrap_or_default().as_bytes(),
        ..Request::default()
    };
    let serving = Serving {
        now_us: 0,
        next_us: 0,
        limits: Limits::default(),
    };
    let response = answer(publication, &request, &serving);
    assert_eq!(response.status, 200, "{id}");
    serde_json::from_slice(&response.body).unwrap()
}

/// Somebody who follows everything, and has patches only once it has begun.
struct Follower {
    turn: Turn,
    stream: Stream,
    asked: BTreeMap<String, Option<String>>,
    held: BTreeMap<String, Value>,
}

impl Follower {
    fn of(publication: &Arc<Publication>) -> Self {
        let turn = Turn::first(Arc::clone(publication), 1);
        let asked = followed(publication);
        let add: BTreeMap<&String, Value> = asked
            .iter()
            .map(|(id, input)| {
                let mut substream = json!({"resource-id": id});
                if let Some(input) = input {
                    substream["input"] = serde_json::from_str(input).unwrap();
                }
                (id, substream)
            })
            .collect();
        let body = json!({"add": add}).to_string();
        let control = "updates/control/x";
        let stream = Stream::open(body.as_bytes(), control, None, &turn, &Self::limits());
        let mut follower = Self {
            turn,
            stream: stream.unwrap(),
            asked,
            held: BTreeMap::new(),
        };
        let told = follower.drain(publication);
        assert_eq!(told.len(), 1 + follower.asked.len(), "the control's URI");
        follower
    }

    fn limits() -> StreamLimits {
        StreamLimits {
            substreams: 1_000,
            ..StreamLimits::default()
        }
    }

    /// What is told of the publication after: name of the substream, data.
    fn then(&mut self, publication: &Arc<Publication>) -> Vec<(String, Value)> {
        let number = self.turn.number() + 1;
        self.turn = self.turn.then(Arc::clone(publication), number);
        self.turn.prepare();
        let told = self.drain(publication);
        assert!(
            told.iter().all(|(id, _)| self.asked.contains_key(id)),
            "nothing was withdrawn"
        );
        told
    }

    fn drain(&mut self, publication: &Publication) -> Vec<(String, Value)> {
        let mut told = Vec::new();
        while let Next::Event(event) = self.stream.next(&self.turn, &Self::limits()) {
            let data: Value = serde_json::from_slice(&event.data).unwrap();
            let (kind, id) = event.name.split_once(',').unwrap_or((&event.name, ""));
            if kind == "application/merge-patch+json" {
                merge_patch::apply(self.held.get_mut(id).unwrap(), data.clone());
            } else if !id.is_empty() {
                self.held.insert(id.to_owned(), data.clone());
            }
            told.push((id.to_owned(), data));
        }
        for (id, input) in &self.asked {
            assert_eq!(
                self.held[id],
                current(publication, id, input.as_deref()),
                "{id} is what it is for those who ask now"
            );
        }
        told
    }
}

/// Whether the small group is named otherwise than as something that is gone.
fn is_told(data: &Value) -> bool {
    match data {
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name.contains(SMALL) && !value.is_null() || is_told(value)),
        Value::Array(elements) => elements.iter().any(is_told),
        Value::String(text) => text.contains(SMALL),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The editions of which something is told that names the small group.
fn naming(told: &[(String, Value)]) -> BTreeSet<&str> {
    let naming = told
        .iter()
        .filter(|(_, data)| data.to_string().contains(SMALL));
    naming.map(|(id, _)| of(id)).collect()
}

/// The edition that a resource belongs to.
fn of(id: &str) -> &str {
    let longer = ["nm-seg", "nm-day", "nm-hour"];
    let found = longer.into_iter().find(|edition| id.starts_with(edition));
    found.unwrap_or("nm")
}

/// Takes some seconds: households upload a thousand results a day, and four days are published.
#[tokio::test]
async fn alto_check_66_a_pid_below_k_is_in_no_patch() {
    for (small, shown) in [(9, false), (10, true)] {
        let world = World::new(CALENDARS).await;
        let large = world.households("as1", "x", 20).await;
        let few = world.households(SMALL, "y", small).await;
        let everybody: Vec<&String> = large.iter().chain(&few).collect();
        let all_but_one = &everybody[..everybody.len() - 1];
        world.day(1, &everybody[..large.len()]).await;
        let mut follower = Follower::of(&world.shown());
        assert!(!follower.held.values().any(is_told));

        world.day(2, &everybody).await;
        let told = follower.then(&world.shown());
        assert!(told.len() > 20, "the check looks at something: {told:?}");
        let all = BTreeSet::from(["nm", "nm-day", "nm-hour", "nm-seg"]);
        let expected = if shown { all.clone() } else { BTreeSet::new() };
        assert_eq!(naming(&told), expected, "{small} households");
        if !shown {
            continue;
        }

        // In the seven days there are still ten.
        world.day(3, all_but_one).await;
        let told = follower.then(&world.shown());
        let short = |id: &str| ["nm-day", "nm-hour"].contains(&of(id));
        assert!(naming(&told).is_superset(&["nm-day", "nm-hour"].into()));
        let leak = told.iter().find(|(id, data)| short(id) && is_told(data));
        assert_eq!(leak, None);
        let held = follower.held.iter().filter(|(id, _)| short(id));
        assert!(!naming_any(held.map(|(_, data)| data)));

        // In these there are nine.
        world.day(10, all_but_one).await;
        let told = follower.then(&world.shown());
        assert!(naming(&told).is_superset(&["nm", "nm-seg"].into()));
        assert_eq!(told.iter().find(|(_, data)| is_told(data)), None);
        assert!(!naming_any(follower.held.values()));
    }
}

fn naming_any<'a>(mut documents: impl Iterator<Item = &'a Value>) -> bool {
    documents.any(|document| document.to_string().contains(SMALL))
}
