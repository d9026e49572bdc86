//! `latency.svg` and `rate.svg`.

use roxmltree::{Document, Node};

use super::sample::Report;

const OK: &str = "#2F81C9";
const INFO: &str = "#D98A04";
const FAIL: &str = "#D91E6B";
const FAULT: &str = "#8B5CF6";

fn number(node: &Node<'_, '_>, attribute: &str) -> f64 {
    node.attribute(attribute).unwrap().parse().unwrap()
}

fn nodes<'a>(svg: &'a Document<'_>, tag: &str) -> Vec<Node<'a, 'a>> {
    svg.descendants()
        .filter(|node| node.tag_name().name() == tag)
        .collect()
}

fn texts<'a>(svg: &'a Document<'_>, text: &str) -> Vec<Node<'a, 'a>> {
    let mut texts = nodes(svg, "text");
    texts.retain(|node| node.text().is_some_and(|t| t.trim() == text));
    texts
}

/// Where the time axis has the moment `at`, read off two of its figures.
fn x(svg: &Document<'_>, at: f64) -> f64 {
    let mark = |text: &str| {
        let marks = texts(svg, text);
        let mut marks = marks
            .iter()
            .filter(|node| node.attribute("text-anchor") == Some("middle"));
        number(marks.next_back().unwrap(), "x")
    };
    let (zero, ten) = (mark("0"), mark("10"));
    zero + (ten - zero) * at / 10.0
}

/// Where the scale of a function's panel, the first or second, has `figure`.
fn y(svg: &Document<'_>, panel: usize, figure: &str) -> f64 {
    let marks = texts(svg, figure);
    let marks = marks
        .iter()
        .filter(|node| node.attribute("text-anchor") == Some("end"));
    number(marks.collect::<Vec<_>>()[panel], "y")
}

#[track_caller]
fn assert_at(found: (f64, f64), expected: (f64, f64)) {
    let off = (found.0 - expected.0)
        .abs()
        .max((found.1 - expected.1).abs());
    assert!(off <= 2.0, "{found:?} is not at {expected:?}");
}

/// The signs below the legend.
fn below_legend(node: &Node<'_, '_>, attribute: &str) -> bool {
    number(node, attribute) > 40.0
}

#[test]
fn every_operation_is_a_point_at_its_time_and_latency() {
    let svg = Report::new().file("latency.svg");
    let svg = &Document::parse(&svg).unwrap();
    for function in ["broadcast", "read"] {
        assert_eq!(texts(svg, function).len(), 1, "a panel for {function}");
    }

    let mut ok = nodes(svg, "circle");
    ok.retain(|node| below_legend(node, "cy"));
    assert_eq!(ok.len(), 2);
    let at = |node: &Node<'_, '_>| (number(node, "cx"), number(node, "cy"));
    assert_at(at(&ok[0]), (x(svg, 1.0), y(svg, 0, "10")));
    assert_at(at(&ok[1]), (x(svg, 9.99), y(svg, 1, "10")));
    assert!(ok.iter().all(|node| node.attribute("fill") == Some(OK)));

    let points = |node: &Node<'_, '_>| -> Vec<(f64, f64)> {
        (node.attribute("points").unwrap().split_whitespace())
            .map(|point| point.split_once(',').unwrap())
            .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
            .collect()
    };
    let mut info: Vec<Vec<(f64, f64)>> = nodes(svg, "polygon")
        .iter()
        .filter(|node| node.attribute("fill") == Some(INFO))
        .map(points)
        .collect();
    info.retain(|triangle| triangle[0].1 > 40.0);
    assert_eq!(info.len(), 1);
    let middle = info[0]
        .iter()
        .fold((0.0, 0.0), |sum, p| (sum.0 + p.0 / 3.0, sum.1 + p.1 / 3.0));
    assert_at(middle, (x(svg, 4.0), y(svg, 0, "1000")));

    let mut fail = nodes(svg, "line");
    fail.retain(|node| node.attribute("stroke") == Some(FAIL) && below_legend(node, "y1"));
    assert_eq!(fail.len(), 2, "the two strokes of a cross");
    for stroke in fail {
        let middle = |a, b| (number(&stroke, a) + number(&stroke, b)) / 2.0;
        assert_at(
            (middle("x1", "x2"), middle("y1", "y2")),
            (x(svg, 3.0), y(svg, 1, "100")),
        );
    }
}

#[test]
fn what_took_no_time_is_not_drawn() {
    let report = Report::with(|parts| {
        parts.history = "
            {:time 0, :type :invoke, :process 0, :f :read}
            {:time 1000000, :type :ok, :process 0, :f :read}
            {:time 2000000, :type :invoke, :process 1, :f :crash}
            {:time 2000000, :type :info, :process 1, :f :crash}
        "
        .to_string();
    });
    let svg = report.file("latency.svg");
    let svg = Document::parse(&svg).unwrap();
    assert_eq!(texts(&svg, "read").len(), 1);
    assert_eq!(texts(&svg, "crash").len(), 0);
}

#[test]
fn rates_are_counted_by_outcome_and_window() {
    let svg = Report::new().file("rate.svg");
    let svg = &Document::parse(&svg).unwrap();
    assert_eq!(
        texts(svg, "completed operations a second, over 0.5 s").len(),
        1
    );
    let lines = |color: &str| -> Vec<Vec<(f64, f64)>> {
        nodes(svg, "polyline")
            .iter()
            .filter(|node| node.attribute("stroke") == Some(color))
            .map(|node| {
                (node.attribute("points").unwrap().split_whitespace())
                    .map(|point| point.split_once(',').unwrap())
                    .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
                    .collect::<Vec<(f64, f64)>>()
            })
            .filter(|line| line[0].1 > 40.0)
            .collect()
    };
    let peak = |line: &[(f64, f64)]| {
        line.iter()
            .copied()
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap()
    };
    // One operation in a window of half a second: two a second.
    let [broadcast, read] = &lines(OK)[..] else {
        panic!("an ok line per function")
    };
    assert_at(peak(broadcast), (x(svg, 1.25), y(svg, 0, "2")));
    assert_at(peak(read), (x(svg, 10.1), y(svg, 1, "2")));
    let [fail] = &lines(FAIL)[..] else {
        panic!("only reads failed")
    };
    assert_at(peak(fail), (x(svg, 3.25), y(svg, 1, "2")));
    let [info] = &lines(INFO)[..] else {
        panic!("only broadcasts stayed open")
    };
    assert_at(peak(info), (x(svg, 5.25), y(svg, 0, "2")));
}

/// From where to where the rectangles of a fault reach.
fn shading(svg: &Document<'_>, color: &str) -> Vec<(f64, f64)> {
    nodes(svg, "rect")
        .iter()
        .filter(|node| node.attribute("fill") == Some(color))
        .map(|node| (number(node, "x"), number(node, "x") + number(node, "width")))
        .collect()
}

#[test]
fn the_time_of_a_fault_is_shaded_in_every_panel_and_named() {
    let report = Report::new();
    for file in ["latency.svg", "rate.svg"] {
        let svg = report.file(file);
        let svg = &Document::parse(&svg).unwrap();
        assert_eq!(texts(svg, "partition").len(), 1);
        let rects = shading(svg, FAULT);
        assert_eq!(rects.len(), 3, "{file}: beside the name and in two panels");
        for rect in rects {
            assert_at(rect, (x(svg, 2.0), x(svg, 6.001)));
        }
    }
}

#[test]
fn each_kind_of_fault_has_its_own_shading_and_one_that_never_ends_reaches_the_edge() {
    let report = Report::with(|parts| {
        parts.history = r#"
            {:time 0, :type :invoke, :process 0, :f :read}
            {:time 1000000000, :type :info, :process :nemesis, :f :kill, :value ["n1"]}
            {:time 1100000000, :type :info, :process :nemesis, :f :kill, :value {"n1" :killed}}
            {:time 2000000000, :type :info, :process :nemesis, :f :start-loss, :value 0.1}
            {:time 2100000000, :type :info, :process :nemesis, :f :start-loss, :value 0.1}
            {:time 3000000000, :type :info, :process :nemesis, :f :start, :value nil}
            {:time 3100000000, :type :info, :process :nemesis, :f :start, :value nil}
            {:time 4000000000, :type :info, :process :nemesis, :f :start, :value nil}
            {:time 4100000000, :type :info, :process :nemesis, :f :start, :value nil}
            {:time 10000000000, :type :ok, :process 0, :f :read, :value 1}
        "#
        .to_string();
    });
    let svg = report.file("latency.svg");
    let svg = &Document::parse(&svg).unwrap();
    assert_eq!((texts(svg, "kill").len(), texts(svg, "loss").len()), (1, 1));
    for kill in shading(svg, FAULT) {
        assert_at(kill, (x(svg, 1.0), x(svg, 3.1)));
    }
    let loss = shading(svg, "#EA7A17");
    assert_eq!(loss.len(), 2);
    for loss in loss {
        assert_at(loss, (x(svg, 2.0), x(svg, 10.1)));
    }
}

#[test]
fn points_in_one_place_are_drawn_once_and_outliers_stay() {
    let report = Report::with(|parts| {
        let op = |time: usize, latency: usize| {
            let (end, op) = (time + latency, ":process 0, :f :read");
            format!("{{:time {time}, :type :invoke, {op}}} {{:time {end}, :type :ok, {op}}}\n")
        };
        let mut history: String = (0..20_000).map(|i| op(i * 50_000, 20_000)).collect();
        history += &op(1_000_000_000, 5_000_000_000);
        parts.history = history;
    });
    let svg = report.file("latency.svg");
    assert!(svg.len() < 200_000, "{} bytes", svg.len());
    let svg = &Document::parse(&svg).unwrap();
    let top = nodes(svg, "circle")
        .iter()
        .filter(|node| below_legend(node, "cy"))
        .map(|node| (number(node, "cx"), number(node, "cy")))
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap();
    assert!(
        top.1 > y(svg, 0, "10000") && top.1 < y(svg, 0, "1000"),
        "{top:?}"
    );
}

#[test]
fn a_run_without_operations_says_so() {
    let report = Report::with(|parts| parts.history.clear());
    for file in ["latency.svg", "rate.svg"] {
        let svg = report.file(file);
        assert_eq!(
            texts(&Document::parse(&svg).unwrap(), "no operations").len(),
            1
        );
    }
}
