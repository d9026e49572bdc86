//! The stores on a log that does all that JetStream may do: it answers late or never, tells what
//! was true once, and takes an append after it was given up.

use super::linear::Linear;
use super::log::{Appended, Log, Record};
use super::tso::Timestamps;
use crate::registers::{Answer, Clients, Op, answered, check};
use glomer_runtime::Rng;
use glomer_runtime::sim::service::{Flavour, Request};
use glomer_workbench::history::typed::History;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

/// How often each goes wrong.
#[derive(Clone, Copy)]
struct Weather {
    stale: f64,
    refused: f64,
    unknown: f64,
}

#[derive(Clone)]
struct Unreliable {
    weather: Weather,
    rng: Arc<Mutex<Rng>>,
    log: Arc<Mutex<Written>>,
}

#[derive(Default)]
struct Written {
    last: u64,
    records: HashMap<String, Vec<Record>>,
}

impl Written {
    fn append(&mut self, key: &str, expected: Option<u64>, record: &Record) -> Appended {
        let records = self.records.entry(key.to_owned()).or_default();
        let latest = records.last().map_or(0, |record| record.sequence);
        if expected.is_some_and(|expected| expected != latest) {
            return Appended::Conflict;
        }
        self.last += 1;
        records.push(Record {
            sequence: self.last,
            ..record.clone()
        });
        Appended::At(self.last)
    }
}

impl Unreliable {
    fn new(seed: u64, weather: Weather) -> Unreliable {
        Unreliable {
            weather,
            rng: Arc::new(Mutex::new(Rng::seeded(seed))),
            log: Arc::default(),
        }
    }

    fn chance(&self, p: f64) -> bool {
        self.rng.lock().unwrap().chance(p)
    }

    fn below(&self, bound: u64) -> u64 {
        self.rng.lock().unwrap().below(bound)
    }

    async fn delay(&self) {
        let micros = self.below(3_000);
        sleep(Duration::from_micros(micros)).await;
    }
}

impl Log for Unreliable {
    async fn load(&self, key: &str) -> Result<Record, String> {
        self.delay().await;
        if self.chance(self.weather.refused) {
            return Err("nobody is there".to_owned());
        }
        let stale = self.chance(self.weather.stale);
        let found = {
            let log = self.log.lock().unwrap();
            let records = log.records.get(key).map_or(&[][..], Vec::as_slice);
            let at = match stale {
                true => self.below(records.len() as u64 + 1) as usize,
                false => records.len(),
            };
            records[..at].last().cloned()
        };
        self.delay().await;
        Ok(found.unwrap_or_else(Record::absent))
    }

    async fn append(&self, key: &str, expected: Option<u64>, record: &Record) -> Appended {
        self.delay().await;
        if self.chance(self.weather.refused) {
            return Appended::Refused("nobody is there".to_owned());
        }
        let unknown = self.chance(self.weather.unknown);
        if unknown && self.chance(0.5) {
            // It is on its way, and may arrive when everybody has forgotten it.
            if self.chance(0.7) {
                let (log, key, record) = (Arc::clone(&self.log), key.to_owned(), record.clone());
                let on_its_way = Duration::from_millis(self.below(300));
                tokio::spawn(async move {
                    sleep(on_its_way).await;
                    log.lock().unwrap().append(&key, expected, &record);
                });
            }
            return Appended::Unknown("no acknowledgement".to_owned());
        }
        let appended = self.log.lock().unwrap().append(key, expected, record);
        self.delay().await;
        if unknown {
            return Appended::Unknown("no acknowledgement".to_owned());
        }
        appended
    }

    fn max_value(&self) -> usize {
        100
    }
}

/// Runs in virtual time: nobody waits, and the same seed gives the same run.
fn simulate<F: Future>(run: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run)
}

/// Two instances on such a log, and what clients of theirs saw, some of whom may ask the log
/// itself for what they read.
fn clients(seed: u64, plain_reads: bool) -> History<Op, Answer> {
    let rng = Rng::seeded(seed);
    let weather = Weather {
        stale: rng.unit() * 0.5,
        refused: rng.unit() * 0.2,
        unknown: rng.unit() * 0.3,
    };
    simulate(async {
        let log = Unreliable::new(seed, weather);
        let timeout = Duration::from_millis(100);
        let store = |n| Linear::new(log.clone(), format!("instance {n}"), timeout);
        let instances = [store(0), store(1)];
        let clients = Clients {
            count: 6,
            keys: 2,
            more: |asked| asked < 12,
        };
        let ask = move |client: u64, body: String| {
            let instance = Arc::clone(&instances[client as usize % 2]);
            let log = log.clone();
            async move {
                let request = Request::read(&body).unwrap().unwrap();
                if plain_reads && body.contains("read") {
                    let record = log.load(request.key().text()).await.ok()?;
                    return Some(request.apply(record.value.as_ref(), Flavour::Usual).reply);
                }
                Some(instance.ask(request).await)
            }
        };
        clients.ask(rng, ask).await
    })
}

#[test]
fn whatever_the_log_does_the_store_is_linearizable() {
    let seeds = 50;
    let mut all = 0;
    for seed in 0..seeds {
        let history = clients(seed, false);
        all += answered(&history);
        if let Err(reason) = check(&history) {
            panic!("seed {seed}: {reason}\n{history:#?}");
        }
    }
    // What is given up, is given up for a reason.
    let asked = seeds as usize * 6 * 12;
    assert!(all > asked / 2, "{all} of {asked} requests were answered");
}

#[test]
fn plain_reads_of_the_log_are_not() {
    let wrong = |seed: &u64| check(&clients(*seed, true)).is_err();
    assert!((0..10).filter(wrong).count() > 5);
}

#[test]
fn a_log_that_works_answers_all_that_is_asked() {
    let fine = Weather {
        stale: 0.3,
        refused: 0.0,
        unknown: 0.0,
    };
    let (history, appends) = simulate(async {
        let log = Unreliable::new(1, fine);
        let store = Linear::new(
            log.clone(),
            "the only one".to_owned(),
            Duration::from_secs(1),
        );
        let clients = Clients {
            count: 50,
            keys: 1,
            more: |asked| asked < 10,
        };
        let ask = move |_, body: String| {
            let store = Arc::clone(&store);
            async move {
                let request = Request::read(&body).unwrap().unwrap();
                Some(store.ask(request).await)
            }
        };
        let history = clients.ask(Rng::seeded(1), ask).await;
        let appends = log.log.lock().unwrap().last;
        (history, appends)
    });
    assert_eq!(answered(&history), 500);
    check(&history).unwrap();
    // Those who ask at the same time share a round.
    assert!(appends < 100, "{appends} appends for 500 requests");
}

#[test]
fn no_timestamp_is_told_twice_or_in_the_wrong_order() {
    for seed in 0..50 {
        let weather = Weather {
            stale: 0.0,
            refused: 0.2,
            unknown: 0.3,
        };
        let told = simulate(async {
            let log = Unreliable::new(seed, weather);
            let oracle = Timestamps::new(log, Duration::from_millis(500));
            let mut told = Vec::new();
            for _ in 0..50 {
                let reply: serde_json::Value = serde_json::from_str(&oracle.next().await).unwrap();
                told.extend(reply["ts"].as_u64());
            }
            told
        });
        assert!(told.len() > 40, "seed {seed}: {told:?}");
        assert!(told.is_sorted_by(|a, b| a < b), "seed {seed}: {told:?}");
    }
}

#[test]
fn a_value_that_no_record_can_hold_is_refused_and_nothing_else() {
    let fine = Weather {
        stale: 0.0,
        refused: 0.0,
        unknown: 0.0,
    };
    let replies = simulate(async {
        let log = Unreliable::new(1, fine);
        let store = Linear::new(log, "the only one".to_owned(), Duration::from_secs(1));
        let ask = |body: String| {
            let request = Request::read(&body).unwrap().unwrap();
            store.ask(request)
        };
        let long = "x".repeat(200);
        tokio::join!(
            ask(r#"{"type": "write", "key": 1, "value": 1}"#.to_owned()),
            ask(format!(
                r#"{{"type": "write", "key": 1, "value": "{long}"}}"#
            )),
            ask(r#"{"type": "cas", "key": 1, "from": 1, "to": 2}"#.to_owned()),
            ask(format!(
                r#"{{"type": "read", "key": "{}"}}"#,
                "x".repeat(5_000)
            )),
        )
    });
    assert_eq!(replies.0, r#"{"type":"write_ok"}"#);
    assert_eq!(
        replies.1,
        r#"{"code":12,"text":"the value has 202 bytes, and the server's max_payload leaves room for 100","type":"error"}"#
    );
    assert_eq!(replies.2, r#"{"type":"cas_ok"}"#);
    assert!(replies.3.contains(r#""code":12"#), "{}", replies.3);
}
