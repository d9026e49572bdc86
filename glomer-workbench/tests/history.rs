//! Reading and writing histories.

use glomer_workbench::edn::Edn;
use glomer_workbench::history::{History, Op, OpType, Process};

const RECORDED: &str = include_str!("histories/pn_lossy/history.edn");

#[test]
fn a_recorded_history_is_written_as_it_was_read() {
    let history = History::from_edn(RECORDED).unwrap();
    assert_eq!(history.0.len(), 402);
    assert_eq!(history.to_edn(), RECORDED);
}

#[test]
fn a_history_survives_the_way_through_json() {
    let history = History::from_edn(RECORDED).unwrap();
    assert_eq!(
        History::from_jsonl(&history.to_jsonl().unwrap()),
        Ok(history)
    );
}

#[test]
fn a_vector_of_operations_is_a_history_too() {
    let vector = format!("[{RECORDED}]");
    assert_eq!(History::from_edn(&vector), History::from_edn(RECORDED));
}

#[test]
fn a_json_array_of_operations_is_a_history_too() {
    let lines = History::from_edn(RECORDED).unwrap().to_jsonl().unwrap();
    let array = format!("[{}]", lines.trim_end().replace('\n', ","));
    assert_eq!(History::from_jsonl(&array), History::from_edn(RECORDED));
}

#[test]
fn the_notation_is_told_by_the_text() {
    let history = History::from_edn(RECORDED);
    let lines = history.as_ref().unwrap().to_jsonl().unwrap();
    assert_eq!(lines.parse(), history);
    assert_eq!(RECORDED.parse(), history);
    assert_eq!("".parse(), Ok(History::default()));
}

#[test]
fn all_keys_of_an_operation_are_kept() {
    let text = concat!(
        "{:index 3, :time 5, :type :invoke, :process 0, :f :poll, :value [[:poll]], :final? true, ",
        ":poll-ms 1000, :error [:net-timeout \"late\"]}\n",
        "{:index 4, :time 9, :type :info, :process :nemesis, :f :start-partition, :value nil}\n",
    );
    let history = History::from_edn(text).unwrap();
    let [poll, partition] = history.0.as_slice() else {
        panic!("{history:?}");
    };
    assert_eq!(poll.index, 3);
    assert!(poll.is_final);
    assert_eq!(poll.extra, [("poll-ms".to_owned(), Edn::Int(1000))]);
    assert_eq!(
        poll.error,
        Some(Edn::parse("[:net-timeout \"late\"]").unwrap())
    );
    assert_eq!(partition.process, Process::Nemesis);
    assert_eq!(history.to_edn(), text);
}

#[test]
fn missing_indices_and_times_are_filled_in() {
    let history = History::from_edn(
        "{:type :invoke, :process 0, :f :read} {:type :ok, :process 0, :f :read, :value 4}",
    )
    .unwrap();
    let indices: Vec<usize> = history.0.iter().map(|op| op.index).collect();
    assert_eq!(indices, [0, 1]);
}

#[test]
fn invocations_are_paired_with_their_completions() {
    let history: History = [
        Op::new(OpType::Info, Process::Nemesis, "start-partition", Edn::Nil),
        Op::new(OpType::Invoke, Process::Client(0), "read", Edn::Nil),
        Op::new(OpType::Invoke, Process::Client(1), "add", 7.into()),
        Op::new(OpType::Ok, Process::Client(0), "read", 7.into()),
        Op::new(OpType::Invoke, Process::Client(0), "read", Edn::Nil),
        Op::new(OpType::Info, Process::Client(0), "read", Edn::Nil),
    ]
    .into_iter()
    .collect();
    let pairs: Vec<(usize, Option<usize>)> = history
        .pairs()
        .into_iter()
        .map(|(invocation, completion)| (invocation.index, completion.map(|op| op.index)))
        .collect();
    assert_eq!(pairs, [(1, Some(3)), (2, None), (4, Some(5))]);
}

#[test]
fn errors_name_the_operation_and_what_is_wrong_with_it() {
    for (text, expected) in [
        ("{:type :invoke", "line 1, column 1: never closed"),
        ("7", "operation 0: expected an operation map, found 7"),
        (
            "{:process 0, :f :read}",
            "operation 0: {:process 0, :f :read} has no :type",
        ),
        ("{:type :done, :process 0, :f :read}", ":type of"),
        ("{:type :ok, :process -1, :f :read}", ":process of"),
        (
            "{:type :ok, :process 0, :f :read}",
            "process 0 completes an operation it did not invoke",
        ),
        (
            "{:type :invoke, :process 0, :f :read} {:type :invoke, :process 0, :f :read}",
            "operation 1: process 0 still has an operation under way",
        ),
        (
            "{:index 4, :type :invoke, :process 0, :f :x} {:index 4, :type :ok, :process 0, :f :x}",
            "operation 1: index 4 after index 4",
        ),
    ] {
        let error = History::from_edn(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let error = History::from_jsonl("{\"type\":\"invoke\",\"process\":0,\"f\":\"read\"}\n\nnope\n")
        .expect_err("not JSON")
        .to_string();
    assert!(error.contains("at line 3"), "{error}");
}
