//! What a run asked and broke, run again.

use std::sync::Arc;

use glomer_workbench::run::nemesis::Duplicate;
use glomer_workbench::workload::Workloads;

use super::draws::forgetful;
use super::*;

fn troubled(workload: &AnyWorkload) -> Plan {
    let mut plan = plan_of(workload, 3);
    plan.interval = Some(ms(25));
    plan.setting.concurrency = 6;
    plan.latency = Latency::exponential(ms(5));
    plan.faults = (
        Partition,
        Kill,
        Pause,
        Loss,
        Duplicate,
        Slow,
        OneWayPartition,
        Skew,
    )
        .into();
    plan
}

fn again(schedule: &Schedule, plan: &Plan) -> Ran {
    let plan = Arc::new(schedule.clone()).plan(plan).unwrap();
    run(plan, &mut forgetful())
}

#[test]
fn a_schedule_asks_and_breaks_the_same_again_for_every_workload() {
    for workload in Workloads::default().iter() {
        let plan = troubled(workload);
        let first = run(plan.clone(), &mut forgetful());
        assert_eq!(first.problem, None, "{workload}");
        assert!(first.schedule.operations.len() > 100, "{workload}");
        assert!(first.schedule.faults.len() > 8, "{workload}");
        let json = first.schedule.to_json().unwrap();
        let schedule = Schedule::from_json(&json).unwrap();
        assert_eq!(schedule, first.schedule, "{json}");
        // Whatever else the plan would have drawn, and whatever faults it knows.
        let other = Plan {
            seed: 1,
            interval: None,
            faults: plan.faults.clone(),
            ..plan.clone()
        };
        let second = again(&schedule, &other);
        assert_eq!(second.history, first.history, "{workload}");
        assert_eq!(second.journal.events(), first.journal.events());
        assert_eq!(second.schedule, first.schedule, "{workload}");
    }
}

#[test]
fn what_is_left_out_does_not_move_what_remains() {
    let workload = AnyWorkload::new(LinKv::default());
    let plan = troubled(&workload);
    let first = run(plan.clone(), &mut forgetful());
    let mut fewer = first.schedule.clone();
    fewer.operations.retain(|op| op.thread != 2);
    fewer.faults.remove(3);
    let second = again(&fewer, &plan);
    assert_eq!(second.problem, None);
    assert!(second.history.0.len() < first.history.0.len());
    for (index, fault) in fewer.faults.iter().enumerate() {
        assert_eq!(*fault, second.schedule.faults[index]);
    }
    // What was asked of nodes that answer at once was asked when it had been asked before.
    let times = |ran: &Ran| -> Vec<i64> {
        let ops = ran.ops(OpType::Invoke);
        let of_thread = ops.filter(|op| matches!(op.process, Process::Client(p) if p % 6 == 1));
        of_thread.map(|op| op.time).collect()
    };
    assert_eq!(times(&second)[..15], times(&first)[..15]);
}

const SMALL: &str = r#"{
    "workload": "echo", "seed": 3, "nodes": ["a", "b"], "concurrency": 3, "time-limit": 8.0,
    "operations": [
        {"thread": 0, "at": 1.0, "f": "echo", "value": "\"slow\""},
        {"thread": 0, "at": 1.25, "f": "echo", "value": "\"waits\""},
        {"thread": 2, "at": 0.5, "f": "echo", "value": "7"}
    ],
    "faults": [{"fault": "pause", "value": ":one", "begin": 0.5, "effects": [{"pause": "b"}]}]
}"#;

#[test]
fn a_schedule_written_by_hand_is_run_and_an_operation_waits_for_its_thread() {
    let plan = plan(Echo, 5);
    let mut paused = Vec::new();
    let mut late = |_: usize, src: &str, body: &Value| {
        if src.is_empty() {
            let src = body["src"].as_str().unwrap();
            return vec![ok(src, &body["of"], json!({"echo": body["of"]["echo"]}))];
        }
        match body["type"].as_str().unwrap() {
            "echo" if body["echo"] == "slow" => {
                vec![(String::new(), json!({"after": 750, "src": src, "of": body}))]
            }
            "echo" => vec![ok(src, body, json!({"echo": body["echo"]}))],
            _ => vec![ok(src, body, json!({}))],
        }
    };
    let small = Arc::new(Schedule::from_json(SMALL).unwrap());
    let ran = run(small.plan(&plan).unwrap(), &mut late);
    assert_eq!(ran.problem, None);
    let asked: Vec<String> = ran
        .ops(OpType::Invoke)
        .map(|op| format!("{} {} {}", op.time / 1_000_000, op.process, op.value))
        .collect();
    assert_eq!(asked, ["500 2 7", "1000 0 \"slow\"", "1750 0 \"waits\""]);
    paused.extend(ran.of_nemesis().iter().map(|op| op.value.to_string()));
    assert_eq!(paused, [":one", r#"{"b" :paused}"#]);
}

#[test]
fn a_schedule_that_does_not_fit_says_why() {
    let plan = plan(Echo, 5);
    let complaint = |from: &str, to: &str| {
        assert!(SMALL.contains(from), "{from}");
        match Schedule::from_json(&SMALL.replace(from, to)) {
            Ok(schedule) => Arc::new(schedule).plan(&plan).unwrap_err(),
            Err(error) => error.to_string(),
        }
    };
    for (from, to, said) in [
        (
            r#""echo", "seed""#,
            r#""kafka", "seed""#,
            "the schedule is for workload kafka, not echo; add -w kafka",
        ),
        (r#"["a", "b"]"#, "[]", "the schedule has no nodes"),
        (
            r#"{"pause": "b"}"#,
            r#"{"pause": "c"}"#,
            "a fault strikes c, and no node is called that",
        ),
        (
            r#""pause", "value""#,
            r#""fire", "value""#,
            "fault \"fire\" must be one of partition, ",
        ),
        (
            r#""thread": 2"#,
            r#""thread": 3"#,
            "an operation of thread 3, and its concurrency is 3",
        ),
        (
            r#""at": 0.5"#,
            r#""at": -0.5"#,
            "-0.5 is no time; give seconds from 0 upwards",
        ),
        (
            r#""value": "7""#,
            r#""value": "(""#,
            "the value \"(\" is no EDN",
        ),
        (r#""seed": 3"#, r#""sede": 3"#, "unknown field `sede`"),
    ] {
        let found = complaint(from, to);
        assert!(found.contains(said), "{found}");
    }
}
