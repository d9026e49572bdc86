//! A short notation for histories, and short ways to look at results.

use glomer_workbench::edn::Edn;
use glomer_workbench::history::{History, Op, OpType, Process};
use glomer_workbench::workload::{Setting, Workloads};

/// Reads a history from lines of `process kind function value`, ten milliseconds apart, such as
///
/// ```text
/// 0 invoke read
/// 0 ok read [1 2] final
/// nemesis info start-partition
/// ```
pub(crate) fn history(lines: &str) -> History {
    let lines = lines.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty())
        .zip(0..)
        .map(|(line, number)| {
            let mut words = line.splitn(4, ' ');
            let process = match words.next().unwrap() {
                "nemesis" => Process::Nemesis,
                number => Process::Client(number.parse().unwrap()),
            };
            let kind = match words.next().unwrap() {
                "invoke" => OpType::Invoke,
                "ok" => OpType::Ok,
                "fail" => OpType::Fail,
                "info" => OpType::Info,
                other => panic!("{other} in {line}"),
            };
            let f = words.next().unwrap();
            let value = words.next().unwrap_or("nil");
            let (value, is_final) = match value.strip_suffix(" final") {
                Some(value) => (value, true),
                None => (value, false),
            };
            let value = Edn::parse(value).unwrap_or_else(|error| panic!("{error} in {line}"));
            Op {
                time: number * 10_000_000,
                is_final,
                ..Op::new(kind, process, f, value)
            }
        })
        .collect()
}

/// What the workload's checker says about the history.
pub(crate) fn check(workload: &str, lines: &str) -> Edn {
    verdict(workload, &history(lines), &Setting::new(1))
}

/// What the workload's checker says about the history, of a run with this setting.
pub(crate) fn verdict(workload: &str, history: &History, setting: &Setting) -> Edn {
    let workloads = Workloads::default();
    let workload = workloads.get(workload).unwrap();
    let verdict = workload.check(setting, history);
    let mut map = verdict.to_edn(history);
    if !verdict.warnings().is_empty() {
        map.insert("warnings", verdict.warnings().to_vec().into());
    }
    map
}

/// Reads a value.
pub(crate) fn edn(text: &str) -> Edn {
    Edn::parse(text).unwrap()
}

/// Asserts that the map has these entries, among others.
#[track_caller]
pub(crate) fn assert_has(map: &Edn, entries: &str) {
    for (key, value) in edn(entries).as_map().unwrap() {
        let found = map.get(key.name().unwrap());
        assert_eq!(found, Some(value), "{key} in {}", map.pretty(100));
    }
}

/// A row of a checker's table: what clients were told, the function of Maelstrom, Jepsen, Elle or
/// Knossos that the verdict follows from, the verdict, and the history.
pub(crate) type Row<'a> = (&'a str, &'a str, &'a str, &'a str);

/// Asserts the verdict of each row.
#[track_caller]
pub(crate) fn assert_table(workload: &str, rows: &[Row<'_>]) {
    for (told, source, valid, lines) in rows {
        let results = check(workload, lines);
        let found = results.get("valid?");
        let results = results.pretty(100);
        assert_eq!(found, Some(&edn(valid)), "{told} ({source}): {results}");
    }
}

/// The only warning of a checker's map.
#[track_caller]
pub(crate) fn warning(map: &Edn) -> String {
    let warnings = map.get("warnings").and_then(Edn::as_seq);
    match warnings {
        Some([warning]) => warning.name().unwrap().to_owned(),
        other => panic!("{other:?} is not one warning, in {}", map.pretty(100)),
    }
}
