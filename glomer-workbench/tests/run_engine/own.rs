//! Workloads of one's own: how the engine performs what they say.

use std::collections::BTreeMap;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use glomer_runtime::handler;
use glomer_runtime::sim::{ms, secs};
use glomer_workbench::edn::Edn;
use glomer_workbench::history::{OpType, Process};
use glomer_workbench::prelude::*;
use glomer_workbench::run::problem::ProblemKind;
use glomer_workbench::workload::{AnyWorkload, Broadcast, LinKv, Workloads};
use serde_json::{Value, json};

use super::{Ran, echo, ok, plan, run};

/// Takes a lock for whoever asks.
#[handler("acquire", reply = "granted")]
fn acquire(lock: u64) -> bool {
    true
}

fn verdict(workload: impl Workload, ran: &Ran) -> Verdict {
    AnyWorkload::new(workload).check(&Setting::new(2), &ran.history)
}

/// What a workload does with its client, for the tests below.
#[derive(Clone)]
struct Does<P>(P);

/// A way to perform an operation, whose number is given.
trait Way: Clone + Send + Sync + 'static {
    /// Whether clients outlive their processes.
    const KEEPS: bool = false;

    /// How often the client performed an operation before, and the client.
    fn perform(done: &mut u64, client: &Client) -> impl Future<Output = Result<Value, Error>>;

    fn errors() -> Errors {
        Errors::Definite
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Go;

impl<P: Way> Workload for Does<P> {
    const NAME: &'static str = "does";
    const ABOUT: &'static str = "Does something";
    type Op = Go;
    type Output = Value;
    type Session = u64;

    fn next(&mut self, _: &mut Turn<'_, Self>) -> Option<Go> {
        Some(Go)
    }

    async fn perform(done: &mut u64, client: &Client, _: &Go) -> Result<Value, Error> {
        P::perform(done, client).await
    }

    fn errors(_: &Go) -> Errors {
        P::errors()
    }

    fn keeps_clients(&self) -> bool {
        P::KEEPS
    }

    fn check(&self, _: &History<Go, Value>) -> Verdict {
        Verdict::new(true)
    }
}

fn ping() -> Value {
    json!({"type": "ping"})
}

/// The completions: kind, value and error.
fn completions(ran: &Ran) -> Vec<(OpType, String, String)> {
    let ops = ran
        .history
        .client_ops()
        .filter(|op| op.kind != OpType::Invoke);
    ops.map(|op| {
        let error = op.error.clone().unwrap_or_default();
        (op.kind, op.value.to_string(), error.to_string())
    })
    .collect()
}

/// Asks all nodes at once.
#[derive(Clone)]
struct All;

impl Way for All {
    async fn perform(_: &mut u64, client: &Client) -> Result<Value, Error> {
        let [n0, n1] = client.nodes() else {
            panic!("{:?}", client.nodes());
        };
        let (n0, n1) = (client.node(n0), client.node(n1));
        let (mut one, mut other) = (pin!(n0.json(ping())), pin!(n1.json(ping())));
        let (mut first, mut second) = (None, None);
        poll_fn(|cx| {
            if first.is_none()
                && let Poll::Ready(answer) = one.as_mut().poll(cx)
            {
                first = Some(answer);
            }
            if second.is_none()
                && let Poll::Ready(answer) = other.as_mut().poll(cx)
            {
                second = Some(answer);
            }
            if first.is_some() && second.is_some() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        let (first, second) = (first.unwrap()?, second.unwrap()?);
        Ok(json!([first["node"], second["node"]]))
    }
}

#[test]
fn one_operation_asks_several_nodes_at_once() {
    let mut node =
        |number: usize, src: &str, body: &Value| vec![ok(src, body, json!({"node": number}))];
    let ran = run(plan(Does(All), 2), &mut node);
    assert_eq!(ran.problem, None);
    let completions = completions(&ran);
    assert!(completions.len() > 50);
    for completion in completions {
        assert_eq!(completion, (OpType::Ok, "[0 1]".into(), "nil".into()));
    }
}

/// Asks twice, the second time in vain.
#[derive(Clone)]
struct Twice<const LAST: bool>;

impl<const LAST: bool> Way for Twice<LAST> {
    async fn perform(_: &mut u64, client: &Client) -> Result<Value, Error> {
        client.json(ping()).await?;
        client.json(json!({"type": "refuse"})).await?;
        Ok(Value::Null)
    }

    fn errors() -> Errors {
        if LAST {
            Errors::LastDefinite
        } else {
            Errors::Definite
        }
    }
}

fn refuse(number: usize, src: &str, body: &Value) -> Vec<(String, Value)> {
    match body["type"].as_str() {
        Some("refuse") => {
            let error = json!({
                "type": "error", "in_reply_to": body["msg_id"], "code": 22, "text": "no",
            });
            vec![(src.to_owned(), error)]
        }
        _ => echo(number, src, body),
    }
}

#[test]
fn an_error_after_another_request_leaves_the_outcome_unknown_unless_told_otherwise() {
    let error = r#"[:precondition-failed "no"]"#.to_owned();
    let ran = run(plan(Does(Twice::<false>), 1), &mut refuse);
    for completion in completions(&ran) {
        assert_eq!(completion, (OpType::Info, "nil".into(), error.clone()));
    }
    let ran = run(plan(Does(Twice::<true>), 1), &mut refuse);
    for completion in completions(&ran) {
        assert_eq!(completion, (OpType::Fail, "nil".into(), error.clone()));
    }
}

/// Is refused, after a request that was not if there was one, and has an error of its own.
#[derive(Clone)]
struct Objects<const AFTER: bool>;

impl<const AFTER: bool> Way for Objects<AFTER> {
    async fn perform(_: &mut u64, client: &Client) -> Result<Value, Error> {
        if AFTER {
            client.json(ping()).await?;
        }
        let refused = client.json(json!({"type": "refuse"})).await;
        Err(Error::abort(format!("instead of {}", refused.is_err())))
    }
}

#[test]
fn an_error_of_the_client_s_own_counts_the_requests_that_were_not_refused() {
    let error = r#"[:abort "instead of true"]"#.to_owned();
    for (ran, kind) in [
        (
            run(plan(Does(Objects::<false>), 1), &mut refuse),
            OpType::Fail,
        ),
        (
            run(plan(Does(Objects::<true>), 1), &mut refuse),
            OpType::Info,
        ),
    ] {
        let completions = completions(&ran);
        assert!(!completions.is_empty());
        for completion in completions {
            assert_eq!(completion, (kind, "nil".into(), error.clone()));
        }
    }
}

/// Is refused.
#[derive(Clone)]
struct Refused;

impl Way for Refused {
    async fn perform(_: &mut u64, client: &Client) -> Result<Value, Error> {
        client.json(json!({"type": "refuse"})).await
    }
}

#[test]
fn an_error_without_a_text_is_noted_without_one() {
    let mut silently = |number: usize, src: &str, body: &Value| {
        let mut answers = refuse(number, src, body);
        for (_, answer) in &mut answers {
            answer.as_object_mut().unwrap().remove("text");
        }
        answers
    };
    let ran = run(plan(Does(Refused), 1), &mut silently);
    let expected = (
        OpType::Fail,
        "nil".into(),
        "[:precondition-failed nil]".into(),
    );
    assert_eq!(completions(&ran)[0], expected);
}

/// Counts in its session, and crashes after three.
#[derive(Clone)]
struct Counts;

impl Way for Counts {
    async fn perform(done: &mut u64, client: &Client) -> Result<Value, Error> {
        *done += 1;
        if *done == 4 {
            client.crash::<()>().await;
        }
        Ok((*done).into())
    }
}

#[test]
fn a_crash_ends_the_client_and_its_session() {
    let ran = run(plan(Does(Counts), 1), &mut echo);
    let completions = completions(&ran);
    let cycle = [
        (OpType::Ok, "1"),
        (OpType::Ok, "2"),
        (OpType::Ok, "3"),
        (OpType::Info, "nil"),
    ];
    for (completion, (kind, value)) in completions.iter().zip(cycle.iter().cycle()) {
        assert_eq!(completion, &(*kind, (*value).to_owned(), "nil".to_owned()));
    }
    assert!(completions.len() > 50);
    let mut processes = ran.ops(OpType::Invoke).map(|op| op.process);
    assert_eq!(processes.next(), Some(Process::Client(0)));
    assert_eq!(processes.nth(3), Some(Process::Client(1)));
}

/// Asks, and crashes every third time.
#[derive(Clone)]
struct Staggers<const KEEPS: bool>;

impl<const KEEPS: bool> Way for Staggers<KEEPS> {
    const KEEPS: bool = KEEPS;

    async fn perform(done: &mut u64, client: &Client) -> Result<Value, Error> {
        *done += 1;
        let answer = client.json(ping()).await;
        if *done == 3 {
            client.crash::<()>().await;
        }
        answer
    }
}

#[test]
fn each_process_has_a_client_of_its_own_unless_the_workload_keeps_them() {
    let clients = |plan| {
        let mut clients: Vec<String> = Vec::new();
        let ran = run(plan, &mut |number, src, body| {
            if body["type"] == "ping" {
                clients.push(src.to_owned());
            }
            echo(number, src, body)
        });
        let mut processes: Vec<Process> = ran.ops(OpType::Invoke).map(|op| op.process).collect();
        assert_eq!(clients.len(), processes.len());
        clients.dedup();
        processes.dedup();
        (clients.len(), processes.len())
    };
    let (own, processes) = clients(plan(Does(Staggers::<false>), 1));
    assert!(processes > 10);
    assert_eq!(own, processes);
    let (kept, processes) = clients(plan(Does(Staggers::<true>), 1));
    assert!(processes > 10);
    assert_eq!(kept, 1);
}

/// Waits for a node that does not answer.
#[derive(Clone)]
struct Waits;

impl Way for Waits {
    async fn perform(done: &mut u64, client: &Client) -> Result<Value, Error> {
        *done += 1;
        client.json(json!({"type": "silence"})).await?;
        Ok(Value::Null)
    }

    fn errors() -> Errors {
        Errors::Harmless
    }
}

#[test]
fn an_overdue_answer_drops_the_future_and_the_session_lives_as_long_as_the_process() {
    let mut silent = |number: usize, src: &str, body: &Value| match body["type"].as_str() {
        Some("silence") => Vec::new(),
        _ => echo(number, src, body),
    };
    let ran = run(plan(Does(Waits), 1), &mut silent);
    assert_eq!(ran.problem, None);
    let completions = completions(&ran);
    assert_eq!(
        completions,
        vec![(OpType::Fail, "nil".to_owned(), ":net-timeout".to_owned()); 2]
    );
    let (ends, begins): (Vec<i64>, Vec<i64>) = (
        ran.ops(OpType::Fail).map(|op| op.time).collect(),
        ran.ops(OpType::Invoke).map(|op| op.time).collect(),
    );
    assert_eq!(ends[0] - begins[0], secs(5).as_nanos() as i64);
}

/// Waits for nothing in particular.
#[derive(Clone)]
struct Sleeps;

impl Way for Sleeps {
    async fn perform(_: &mut u64, _: &Client) -> Result<Value, Error> {
        pending::<()>().await;
        Ok(Value::Null)
    }
}

#[test]
fn waiting_for_anything_but_answers_ends_the_run() {
    let ran = run(plan(Does(Sleeps), 1), &mut echo);
    let problem = ran.problem.unwrap();
    assert!(matches!(problem.kind, ProblemKind::Workload { .. }));
    assert!(
        problem
            .headline()
            .contains("`perform` of workload does waits for something other"),
        "{problem}"
    );
}

/// Asks, loses interest in the answer, and waits for nothing in particular.
#[derive(Clone)]
struct LosesInterest;

impl Way for LosesInterest {
    async fn perform(_: &mut u64, client: &Client) -> Result<Value, Error> {
        {
            let mut asked = pin!(client.json(json!({"type": "silence"})));
            poll_fn(|cx| {
                assert!(asked.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
        }
        pending::<()>().await;
        Ok(Value::Null)
    }
}

#[test]
fn an_answer_that_nobody_wants_any_more_is_not_waited_for() {
    let mut silent = |number: usize, src: &str, body: &Value| match body["type"].as_str() {
        Some("silence") => Vec::new(),
        _ => echo(number, src, body),
    };
    let problem = run(plan(Does(LosesInterest), 1), &mut silent)
        .problem
        .unwrap();
    assert!(
        matches!(problem.kind, ProblemKind::Workload { .. }),
        "{problem}"
    );
}

/// Asks the last node for a lock that is granted in another form.
#[derive(Clone)]
struct Typed;

impl Way for Typed {
    async fn perform(_: &mut u64, client: &Client) -> Result<Value, Error> {
        let last = client.node(client.nodes().last().unwrap());
        Ok(last.call(Acquire { lock: 1 }).await?.into())
    }
}

#[test]
fn an_answer_that_is_no_reply_is_told() {
    let mut node = |_: usize, src: &str, body: &Value| vec![ok(src, body, json!({"granted": 1}))];
    let ran = run(plan(Does(Typed), 2), &mut node);
    let completions = completions(&ran);
    let (kind, _, error) = &completions[0];
    assert_eq!(*kind, OpType::Info);
    assert!(
        error.contains("answer to `acquire`: field `granted`"),
        "{error}"
    );
    // The history has all of them; the first few are told while the run goes on.
    assert!(completions.len() > 5);
    assert_eq!(ran.warnings.len(), 5);
    let told = r#"n1 answered op with {"granted":1,"in_reply_to":1,"type":"acquire_ok"}, but"#;
    assert!(ran.warnings[0].starts_with(told), "{}", ran.warnings[0]);
}

/// Asks a node that is not there.
#[derive(Clone)]
struct Astray;

impl Way for Astray {
    async fn perform(_: &mut u64, client: &Client) -> Result<Value, Error> {
        client.node("n7").json(ping()).await
    }
}

#[test]
fn a_node_that_does_not_exist_is_a_definite_error() {
    let ran = run(plan(Does(Astray), 1), &mut echo);
    for (kind, _, error) in completions(&ran) {
        assert_eq!(kind, OpType::Fail);
        assert_eq!(error, r#"[:node-not-found "there is no such node"]"#);
    }
}

#[test]
fn reads_must_be_up_to_date_where_maelstrom_checks_that() {
    let workloads = Workloads::default();
    let matters = workloads.iter().filter(|it| it.stale_reads_matter());
    let matters: Vec<&str> = matters.map(AnyWorkload::name).collect();
    assert_eq!(
        matters,
        ["lin-kv", "kafka", "txn-list-append", "txn-rw-register"]
    );
}

/// A workload with everything that is optional: it sets nodes up, and ends with a read.
#[derive(Clone)]
struct Whole {
    ended: u64,
}

impl Workload for Whole {
    const NAME: &'static str = "whole";
    const ABOUT: &'static str = "Sets up, works, and ends with a read";
    type Op = Go;
    type Output = u64;
    type Session = ();

    async fn set_up(&self, client: &Client) -> Result<(), Error> {
        client.json(json!({"type": "first"})).await?;
        client.json(json!({"type": "second"})).await?;
        Ok(())
    }

    fn next(&mut self, turn: &mut Turn<'_, Self>) -> Option<Go> {
        (turn.at < secs(1)).then_some(Go)
    }

    async fn perform((): &mut (), client: &Client, _: &Go) -> Result<u64, Error> {
        client.json(ping()).await?;
        Ok(1)
    }

    fn completed(&mut self, operation: &Operation<Go, u64>) {
        self.ended += operation.output().unwrap();
    }

    fn has_final_phase(&self) -> bool {
        true
    }

    fn final_step(&mut self, turn: FinalTurn<'_>) -> FinalStep<Go> {
        // As often as the main phase did something, which it was told of.
        if turn.done < 2 && self.ended > 0 {
            FinalStep::Invoke(Go)
        } else {
            FinalStep::Done
        }
    }

    fn timeout(&self) -> Duration {
        ms(100)
    }

    fn check(&self, history: &History<Go, u64>) -> Verdict {
        let ended = history.iter().filter(|op| op.is_final).count();
        Verdict::new(ended == 2).figure("final-count", ended)
    }
}

#[test]
fn set_up_turns_that_pass_and_the_final_phase() {
    let mut heard = Vec::new();
    let ran = run(
        plan(Whole { ended: 0 }, 1),
        &mut |_: usize, src: &str, body: &Value| {
            heard.push(body["type"].as_str().unwrap().to_owned());
            vec![ok(src, body, json!({}))]
        },
    );
    assert_eq!(ran.problem, None);
    assert_eq!(heard[..4], ["init", "first", "second", "ping"]);
    let begun: Vec<i64> = ran
        .ops(OpType::Invoke)
        .map(|op| op.time / 1_000_000_000)
        .collect();
    assert!(begun.len() > 5);
    assert!(
        begun.iter().all(|second| [0, 20].contains(second)),
        "{begun:?}"
    );
    assert_eq!(
        verdict(Whole { ended: 0 }, &ran).get("final-count"),
        Some(&Edn::Int(2))
    );
}

#[test]
fn a_set_up_that_fails_ends_the_run() {
    let ran = run(
        plan(Whole { ended: 0 }, 1),
        &mut |number: usize, src: &str, body: &Value| {
            let mut body = body.clone();
            if body["type"] == "second" {
                body["type"] = "refuse".into();
            }
            refuse(number, src, &body)
        },
    );
    let Some(ProblemKind::SetupFailed { request, problem }) = ran.problem.map(|it| it.kind) else {
        panic!("it went on");
    };
    assert_eq!(request, "second");
    assert!(problem.contains("it answered {"), "{problem}");
}

#[test]
fn a_workload_is_the_same_without_its_types() {
    let setting = Setting::new(3);
    let mut crowded = Setting::new(3);
    crowded.concurrency = 7;
    let lin_kv = AnyWorkload::new(LinKv::default());
    assert_eq!(lin_kv.about(), LinKv::ABOUT);
    assert_eq!(lin_kv.can_run(&crowded), LinKv::can_run(&crowded));
    assert!(lin_kv.can_run(&crowded).is_err());
    assert_eq!(lin_kv.meaning("op"), LinKv::meaning("op"));
    assert!(lin_kv.meaning("op").is_some());
    assert_eq!(
        (lin_kv.to_string(), format!("{lin_kv:?}")),
        ("lin-kv".to_owned(), "lin-kv".to_owned())
    );
    let broadcast = AnyWorkload::new(Broadcast::default());
    let depends_on = [("topology", "grid".to_owned())];
    assert_eq!(broadcast.depends_on(&setting), depends_on);
}

/// Asks the node that the client belongs to.
#[derive(Clone)]
struct Asks;

impl Way for Asks {
    async fn perform(_: &mut u64, client: &Client) -> Result<Value, Error> {
        Ok(client.json(ping()).await?["node"].clone())
    }
}

#[test]
fn the_clients_take_turns_at_the_nodes() {
    let mut node =
        |number: usize, src: &str, body: &Value| vec![ok(src, body, json!({"node": number}))];
    let ran = run(plan(Does(Asks), 3), &mut node);
    let mut asked = [0; 3];
    for op in ran.ops(OpType::Ok) {
        let Process::Client(process) = op.process else {
            unreachable!("these are clients' operations");
        };
        assert_eq!(op.value.as_int(), Some(process as i64 % 3));
        asked[process as usize % 3] += 1;
    }
    assert!(!asked.contains(&0), "{asked:?}");
}

/// Is refused every second time, and keeps what became of its operations.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Outcome<u64>>>>);

impl Workload for Told {
    const NAME: &'static str = "told";
    const ABOUT: &'static str = "Is told what became of its operations";
    type Op = Go;
    type Output = u64;
    type Session = u64;

    fn next(&mut self, _: &mut Turn<'_, Self>) -> Option<Go> {
        Some(Go)
    }

    async fn perform(done: &mut u64, client: &Client, _: &Go) -> Result<u64, Error> {
        *done += 1;
        match *done {
            3 => drop(client.json(json!({"type": "refuse"})).await?),
            4 => client.crash().await,
            _ => {}
        }
        Ok(*done)
    }

    fn completed(&mut self, operation: &Operation<Go, u64>) {
        self.0.lock().unwrap().push(operation.outcome.clone());
    }

    fn check(&self, _: &History<Go, u64>) -> Verdict {
        Verdict::new(true)
    }
}

#[test]
fn a_workload_is_told_what_became_of_its_operations() {
    let told = Told::default();
    let outcomes = told.0.clone();
    let ran = run(plan(told, 1), &mut refuse);
    let ended = ran
        .history
        .client_ops()
        .filter(|op| op.kind != OpType::Invoke);
    let ended: Vec<Outcome<u64>> = ended
        .map(|op| match op.kind {
            OpType::Ok => Outcome::Ok(op.value.as_int().unwrap() as u64),
            OpType::Fail => Outcome::Fail,
            _ => Outcome::Info,
        })
        .collect();
    assert_eq!(*outcomes.lock().unwrap(), ended);
    for outcome in [Outcome::Ok(2), Outcome::Fail, Outcome::Info] {
        assert!(ended.contains(&outcome), "{outcome:?}");
    }
}

/// Returns what has no form in the history.
#[derive(Clone)]
struct Formless;

impl Workload for Formless {
    const NAME: &'static str = "formless";
    const ABOUT: &'static str = "Returns what has no form in the history";
    type Op = Go;
    type Output = BTreeMap<(u8, u8), u8>;
    type Session = ();

    fn next(&mut self, _: &mut Turn<'_, Self>) -> Option<Go> {
        Some(Go)
    }

    async fn perform(_: &mut (), _: &Client, _: &Go) -> Result<Self::Output, Error> {
        Ok(BTreeMap::from([((1, 2), 3)]))
    }

    fn check(&self, _: &History<Go, Self::Output>) -> Verdict {
        Verdict::new(true)
    }
}

#[test]
fn an_output_that_cannot_be_noted_ends_the_run() {
    let problem = run(plan(Formless, 1), &mut echo).problem.unwrap();
    let told = "an output of workload formless cannot be noted in the history: ";
    assert!(problem.headline().contains(told), "{problem}");
}
