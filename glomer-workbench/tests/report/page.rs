//! `index.html`, as it is written.

use std::borrow::Cow;

use std::time::Duration;

use glomer_runtime::Rng;
use glomer_workbench::checked::check;
use glomer_workbench::history::History;
use glomer_workbench::run::engine::Hits;
use glomer_workbench::run::nemesis::{Fault, Kill, Strike};
use glomer_workbench::run::node_errors::NodeErrors;
use glomer_workbench::run::plan::Plan;
use glomer_workbench::run::schedule::Schedule;
use glomer_workbench::run::{Run, Timing};
use glomer_workbench::why::Why;
use glomer_workbench::workload::{AnyWorkload, Setting, TxnListAppend, Workloads};
use scraper::{ElementRef, Html, Selector};

use super::sample::{Parts, Report};

fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    page.select(&Selector::parse(selector).unwrap()).collect()
}

fn text(element: &ElementRef<'_>) -> String {
    element
        .text()
        .collect::<Vec<_>>()
        .join("")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    all(page, selector).iter().map(text).collect()
}

fn page(report: &Report) -> Html {
    Html::parse_document(&report.file("index.html"))
}

#[test]
fn the_verdict_and_its_reasons_come_first() {
    let page = page(&Report::new());
    assert_eq!(texts(&page, "h1"), ["broadcast invalid"]);
    assert_eq!(
        texts(&page, ".closing"),
        ["Analysis invalid! (ﾉಥ益ಥ）ﾉ ┻━┻"]
    );
    assert_eq!(texts(&page, ".problem p"), [":workload is not valid:"]);
    let facts = texts(&page, ".facts dt")
        .into_iter()
        .zip(texts(&page, ".facts dd"));
    let facts: Vec<String> = facts.map(|(name, fact)| format!("{name} {fact}")).collect();
    assert_eq!(
        facts,
        [
            ":lost-count 1",
            ":lost (7)",
            ":stable-latencies {0 0, 0.5 12, 1 40}"
        ],
        "nothing that is 0 or true"
    );
    assert_eq!(
        texts(&page, ".meanings b"),
        ["lost", "stable-latencies"],
        "what needs to be told"
    );
}

#[test]
fn a_reason_is_told_where_it_stands_and_its_anomalies_by_name() {
    let page = page(&Report::with(|parts| {
        parts.workload = AnyWorkload::new(TxnListAppend::default());
        parts.results = "{:stats {:valid? true, :by-f {:crash {:valid? false, :count 5}}},
            :workload {:valid? false, :results {3 {:valid? false, :op {:f :read}},
                                                4 {:valid? true, :op {:f :read}}}},
            :txn {:valid? false, :anomaly-types (:G1a :G-single-item-realtime)},
            :valid? false}"
            .to_string();
    }));
    assert_eq!(
        texts(&page, ".problem p"),
        [":workload :results 3 is not valid:", ":txn is not valid:"],
        "neither the valid, nor what is within it, nor what a part of it says already"
    );
    assert_eq!(
        texts(&page, ".meanings li"),
        [
            "G1a: a read saw the write of a transaction that failed (aborted read).",
            "G-single-item-realtime: transactions form a circle through one read of what was \
             since overwritten (read skew), given that one ended before another began.",
        ],
        "in the words of the workload, which has none for :op"
    );
}

/// Has the last read of the run miss a value, with the reasons that follow.
pub(crate) fn why_seven_is_lost(parts: &mut Parts) {
    let end = parts.history.find("{:index 10").unwrap();
    parts.history.truncate(end);
    parts.history += "{:index 10, :time 9990000000, :type :invoke, :process 1, :f :read}
        {:index 11, :time 10000000000, :type :ok, :process 1, :f :read, :value [8]}";
    let setting = Setting::new(2);
    let run = Run {
        history: History::from_edn(&parts.history).unwrap(),
        journal: std::mem::take(&mut parts.journal),
        warnings: Vec::new(),
        node_errors: NodeErrors::default(),
        problem: None,
        lacks_final_phase: false,
        timing: Timing::Virtual {
            turn_latency: Duration::ZERO,
            turns: 0,
            unrepeatable: None,
        },
        startup: Duration::ZERO,
        hits: Hits::default(),
        schedule: Schedule::default(),
    };
    let checked = check(&parts.workload, &setting, &run.history, None);
    parts.why = Why::of_run(checked.most_telling(), &run, &setting, &parts.nemesis);
    parts.journal = run.journal;
}

#[test]
fn why_it_is_not_valid_comes_before_the_figures_and_leads_to_the_operations() {
    let page = page(&Report::with(why_seven_is_lost));
    assert_eq!(texts(&page, ".reason b"), ["value 7 is lost."]);
    assert_eq!(
        texts(&page, ".reason .because"),
        [
            "n0 acknowledged it at 1.010 s (operation 0), and no read ever returned it.",
            "The read of 9.990 s by n1 (operation 10) does not have it.",
            "Its messages are marked in the diagram.",
        ]
    );
    let links = all(&page, ".reason a");
    let links = links.iter().map(|link| link.attr("href").unwrap());
    let links: Vec<&str> = links.collect();
    assert_eq!(links, ["#op-0", "#op-10", "#event-0"]);
    assert_eq!(all(&page, "#op-0, #op-10").len(), 2);
    assert_eq!(texts(&page, ".note .told"), ["Orange"]);
    let figures = texts(&page, ".problem details p");
    assert_eq!(figures, [":workload is not valid:"]);
}

#[test]
fn each_workload_says_what_its_names_mean() {
    let workloads = Workloads::default();
    for (workload, name, meaning) in [
        ("broadcast", "lost", "missing from the last reads"),
        ("g-set", "stale", "there again in the end"),
        ("unique-ids", "duplicated", "more than once"),
        ("g-counter", "acceptable", "in which a final read may lie"),
        ("pn-counter", "acceptable", "in which a final read may lie"),
        ("lin-kv", "op", "fits into no order"),
        ("kafka", "unseen", "in no poll"),
        ("kafka", "G1c-realtime", "given that one ended"),
        ("txn-list-append", "incompatible-order", "disagree"),
        (
            "txn-list-append",
            "G0-process",
            "dirty write), given the order",
        ),
        ("txn-rw-register", "G2-item", "write skew)"),
    ] {
        let said = workloads.get(workload).unwrap().meaning(name);
        assert!(
            said.is_some_and(|said| said.contains(meaning)),
            "{workload} says of {name}: {said:?}"
        );
    }
    for workload in workloads.iter() {
        assert_eq!(workload.meaning("count"), None, "{workload}");
    }
}

#[test]
fn a_valid_run_has_no_reasons_and_an_unfinished_one_its_problem() {
    let valid = page(&Report::with(|parts| {
        parts.results = "{:valid? true}".to_string()
    }));
    assert_eq!(texts(&valid, "h1"), ["broadcast valid"]);
    assert_eq!(
        texts(&valid, ".closing"),
        ["Everything looks good! ヽ(‘ー`)ノ"]
    );
    assert!(all(&valid, ".problem").is_empty());

    let cut = page(&Report::with(|parts| {
        parts.results = "{:valid? :unknown}".to_string();
        parts.problem = Some("n1 wrote no JSON: <oops>".to_string());
    }));
    assert_eq!(texts(&cut, "h1"), ["broadcast unknown"]);
    assert_eq!(texts(&cut, ".problem pre"), ["n1 wrote no JSON: <oops>"]);
}

#[test]
fn the_figures_options_seed_and_replay_are_there() {
    let page = page(&Report::new());
    let tiles: Vec<String> = texts(&page, ".tiles div");
    for tile in [
        "operations4",
        "ok50.0 %",
        "messages1,234",
        "server messages per op2.25",
        "median stable latency12.0 ms",
        "max stable latency40.0 ms",
        "run time10.000 s",
    ] {
        assert!(tiles.contains(&tile.to_string()), "{tile} in {tiles:?}");
    }
    assert_eq!(texts(&page, ".figures tbody th"), ["broadcast", "read"]);
    let broadcast = [
        "2", "1", "1", "0", "1.000 s", "1.000 s", "1.000 s", "1.000 s",
    ];
    let read = [
        "2", "1", "0", "1", "100.0 ms", "100.0 ms", "100.0 ms", "100.0 ms",
    ];
    assert_eq!(
        texts(&page, ".figures tbody td"),
        [broadcast, read].concat()
    );
    assert_eq!(
        texts(&page, ".options div"),
        ["node-count2", "bina<b", "seed4711"]
    );
    assert_eq!(
        texts(&page, ".replay"),
        ["glomer test -w broadcast --seed 4711 -- 'a && b'"]
    );
}

#[test]
fn the_pictures_are_in_the_page() {
    let report = Report::new();
    let html = report.file("index.html");
    for file in ["latency.svg", "rate.svg"] {
        assert!(html.contains(&report.file(file)), "{file}");
    }
}

#[test]
fn nothing_is_loaded_and_nothing_foreign_is_markup() {
    let report = Report::with(|parts| {
        parts.problem = Some("</pre><script>document.title = 'owned'</script>".to_string());
        parts.log = "</pre><script>document.title = 'owned'</script>\n".to_string();
        let value = r#""</td><script>document.title = 'owned'</script>""#;
        parts.history = format!(
            "{{:time 1, :type :invoke, :process 0, :f :<u>, :value {value}}}
             {{:time 2, :type :info, :process :nemesis, :f :start-<i>, :value {value}}}"
        );
        parts.results = format!("{{:valid? false, :workload {{:valid? false, :lost [{value}]}}}}");
    });
    let page = page(&report);
    assert_eq!(
        all(&page, "script").len(),
        3,
        "the page's own, and its data"
    );
    assert_eq!(texts(&page, "title"), ["broadcast: invalid · glomer"]);
    assert!(all(&page, "u, i, td script").is_empty());
    let loading = all(&page, "[src], link, img, iframe, object, form[action]");
    assert!(loading.is_empty(), "{loading:?}");
    for link in all(&page, "a") {
        let href = link.attr("href").unwrap();
        assert!(
            !href.contains(':') && !href.starts_with("//"),
            "{href} leads outside"
        );
    }
    assert!(texts(&page, "#logs pre")[0].contains("document.title"));
}

#[test]
fn faults_are_listed_with_their_time_and_what_they_did() {
    let page = page(&Report::new());
    assert_eq!(
        texts(&page, "#faults tbody td, #faults tbody th"),
        [
            "partition",
            "2.000 s",
            "6.001 s",
            r#"[:isolated {"n1" #{"n0"}}]"#
        ]
    );
    let first = all(&page, "#faults a")[0].attr("href");
    assert_eq!(first, Some("#event-8"), "the first event under it");
}

#[test]
fn a_fault_that_is_started_again_ends_where_the_new_one_begins() {
    let page = page(&Report::with(|parts| {
        let op = |ms, f, value| {
            format!("{{:time {ms}000000, :type :info, :process :nemesis, :f {f}, :value {value}}}")
        };
        parts.history = [
            op(10, ":start-partition", ":one"),
            op(20, ":start-partition", "[:isolated 1]"),
            op(30, ":start-partition", ":majority"),
            op(40, ":start-partition", "[:isolated 2]"),
        ]
        .concat();
    }));
    assert_eq!(
        texts(&page, "#faults tbody td"),
        [
            "10.0 ms",
            "30.0 ms",
            "[:isolated 1]",
            "30.0 ms",
            "the end",
            "[:isolated 2]"
        ]
    );
}

#[test]
fn a_fault_of_ones_own_is_listed_by_its_name() {
    #[derive(Debug)]
    struct Fire;
    impl Fault for Fire {
        fn name(&self) -> &str {
            "fire"
        }
        fn about(&self) -> &str {
            "the first node burns"
        }
        fn functions(&self) -> (Cow<'_, str>, Cow<'_, str>) {
            ("kindle".into(), "quench".into())
        }
        fn begin(&self, _: &Plan, _: &Rng) -> Strike {
            unreachable!("nothing runs here")
        }
        fn end(&self, _: &Plan) -> Strike {
            unreachable!("nothing runs here")
        }
    }
    let page = page(&Report::with(|parts| {
        let op = |ms, f| {
            format!("{{:time {ms}000000, :type :info, :process :nemesis, :f {f}, :value nil}}")
        };
        let ops = [
            (10, ":kindle"),
            (20, ":kindle"),
            (30, ":quench"),
            (40, ":quench"),
        ];
        parts.history = ops.map(|(ms, f)| op(ms, f)).concat();
        parts.nemesis = (Kill, Fire).into();
    }));
    assert_eq!(
        texts(&page, "#faults tbody td, #faults tbody th"),
        ["fire", "10.0 ms", "40.0 ms", ""]
    );
}

#[test]
fn errors_of_nodes_stand_on_the_page_of_a_valid_run_too() {
    let page = page(&Report::with(|parts| {
        parts.results =
            r#"{:node-errors {:count 1200, :causes [{:node "n1", :cause "`put` at <main>.rs:9",
            :count 1200, :sample "`put` at <main>.rs:9: no"}], :other-lines []}, :valid? true}"#
                .to_string();
    }));
    assert!(texts(&page, ".problem h2").contains(&"What nodes reported as errors".to_string()));
    assert_eq!(
        texts(&page, ".problem tbody td"),
        [
            "n1",
            "1,200",
            "`put` at <main>.rs:9",
            "`put` at <main>.rs:9: no"
        ]
    );
}

#[test]
fn the_history_has_a_row_per_operation() {
    let page = page(&Report::new());
    let rows: Vec<Vec<String>> = all(&page, "#history tbody tr")
        .iter()
        .map(|row| {
            row.select(&Selector::parse("td").unwrap())
                .map(|cell| text(&cell))
                .collect()
        })
        .collect();
    assert_eq!(rows.len(), 4 + 4, "operations and what the nemesis did");
    assert_eq!(
        rows[0],
        ["0", "1.000 s", "0", "broadcast", "7", "ok", "10.0 ms"]
    );
    assert_eq!(
        rows[3],
        [
            "4",
            "3.000 s",
            "1",
            "read",
            r#"[:unavailable "cut <b>off</b>"]"#,
            "fail",
            "100.0 ms"
        ]
    );
    assert_eq!(
        rows[7],
        ["10", "9.990 s", "1", "read", "→ [7 8]", "ok", "10.0 ms"]
    );
}

#[test]
fn a_long_history_is_cut_and_says_so() {
    let report = Report::with(|parts| {
        parts.history = (0..5_000)
            .map(|i| format!("{{:time {i}, :type :invoke, :process {i}, :f :read}}\n"))
            .collect();
    });
    let page = page(&report);
    assert_eq!(all(&page, "#history tbody tr").len(), 2_000);
    assert_eq!(
        texts(&page, "#history .note"),
        ["The first 2,000 of 5,000 operations. All are in history.edn."]
    );
}

#[test]
fn an_operation_that_the_results_name_is_in_a_long_history_too() {
    let op = |index: usize| {
        format!(
            "{{:index {index}, :time 1, :type :ok, :process 1, :f :read, :value [{index}], \
             :error nil}}"
        )
    };
    let report = Report::with(|parts| {
        parts.history = (0..5_000)
            .map(|i| {
                let kind = ["invoke", "ok"][i % 2];
                format!("{{:time {i}, :type :{kind}, :process 1, :f :read, :value [{i}]}}\n")
            })
            .collect();
        parts.results = format!(
            "{{:workload {{:valid? false, :anomaly-types (:G1a),
                           :anomalies {{:G1a ({{:op {} :writer {}}})}}}}, :valid? false}}",
            op(4_997),
            op(1),
        );
    });
    let page = page(&report);
    assert_eq!(
        texts(&page, "#history .note"),
        [
            "The first 2,000 of 2,500 operations, and 1 that the results name. \
          All are in history.edn."
        ]
    );
    for link in all(&page, ".facts .op a") {
        let link = link.attr("href").unwrap();
        assert_eq!(texts(&page, &format!("tr:has({link})")).len(), 1, "{link}");
    }
    assert_eq!(all(&page, ".facts .op a").len(), 2);
}

#[test]
fn results_can_be_folded_and_show_what_is_false() {
    let report = Report::with(|parts| {
        let lost: Vec<String> = (0..1_000).map(|i| i.to_string()).collect();
        parts.results = format!(
            "{{:workload {{:valid? false, :lost ({})}}, :valid? false}}",
            lost.join(" ")
        );
    });
    let page = page(&report);
    assert_eq!(
        texts(&page, "#results details > summary"),
        [":workload {…} 2", ":lost (…) 1,000"]
    );
    let open: Vec<bool> = all(&page, "#results details")
        .iter()
        .map(|d| d.attr("open").is_some())
        .collect();
    assert_eq!(open, [true, false], "what is large starts folded");
    assert_eq!(
        texts(&page, "#results .more"),
        ["… and 600 more in results.edn"]
    );
    assert_eq!(all(&page, "#results .false").len(), 2);
}

#[test]
fn node_logs_show_their_last_lines_and_lead_to_the_whole() {
    let report = Report::with(|parts| {
        let lines: String = (0..10_000)
            .map(|i| format!("\u{1b}[2mline {i}\u{1b}[0m\n"))
            .collect();
        parts.log = lines;
    });
    let page = page(&report);
    let links: Vec<&str> = all(&page, "#logs a")
        .iter()
        .map(|link| link.attr("href").unwrap())
        .collect();
    assert_eq!(links, ["node-logs/n0.log"], "n1 never started");
    let tail = all(&page, "#logs pre")[0].text().collect::<String>();
    let lines: Vec<&str> = tail.lines().collect();
    assert_eq!(lines.len(), 40);
    assert_eq!((lines[0], lines[39]), ("line 9960", "line 9999"));
}

#[test]
fn the_report_of_a_run_that_never_began_is_whole() {
    let report = Report::with(|parts| {
        parts.history.clear();
        parts.journal = Default::default();
        parts.results = "{:valid? :unknown}".to_string();
        parts.problem = Some("n0 did not answer init".to_string());
    });
    let page = page(&report);
    assert_eq!(texts(&page, ".problem pre"), ["n0 did not answer init"]);
    assert_eq!(
        texts(&page, ".closing"),
        ["The run could not be completed."]
    );
    assert_eq!(texts(&page, ".tiles div"), ["operations0", "run time0 ms"]);
    assert_eq!(
        texts(&page, "nav a"),
        ["Overview", "Messages", "Results", "Node logs"]
    );
}

#[test]
fn anomalies_stand_on_the_page_with_the_operations_that_show_them() {
    let op = |index: usize, value: &str| {
        format!(
            "#jepsen.history.Op{{:index {index}, :time 5000000, :type :ok, :process 1, :f :read, \
             :value {value}, :error nil}}"
        )
    };
    let (first, second) = (op(11, "[7 8]"), op(1, "7"));
    let g1a = format!("{{:op {first}, :writer {second}}} ").repeat(5);
    let cycle = format!("{{:cycle [{}]}}", format!("{second} ").repeat(7));
    let page = page(&Report::with(|parts| {
        parts.results = format!(
            "{{:workload {{:valid? false, :anomaly-types (:G1a :G0),
                           :anomalies {{:G1a ({g1a}), :G0 ({cycle})}}}}, :valid? false}}"
        );
    }));
    let ops = texts(&page, ".facts .op");
    // Two of five pieces of evidence, and the cycle as a whole.
    assert_eq!(ops.len(), 2 * 2 + 7, "{ops:?}");
    assert_eq!(ops[0], "#11 process 1 ok read [7 8]");
    assert_eq!(
        texts(&page, ".facts .more"),
        ["… and 3 more in results.edn"]
    );
    assert!(all(&page, ".facts details:not([open])").is_empty());
    // An operation leads to its line of the history.
    let link = all(&page, ".facts .op a")[0].attr("href").unwrap();
    let lines = texts(&page, &format!("tr:has({link})"));
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("[7 8]"), "{lines:?}");
}

#[test]
fn warnings_stand_on_the_page_even_of_a_valid_run() {
    let page = page(&Report::with(|parts| {
        parts.results = r#"{:warnings ["n1 wrote <b>as</b> c1"], :valid? true}"#.to_owned();
    }));
    assert_eq!(texts(&page, ".problem p"), ["n1 wrote <b>as</b> c1"]);
}
