//! `messages.svg`.

use std::collections::HashMap;

use glomer_workbench::run::journal::Journal;
use roxmltree::{Document, Node};

use super::sample::{HOSTILE, Net, Report};

/// An arrow as it stands in the picture.
struct Arrow {
    class: String,
    tooltip: String,
    label: Option<String>,
    /// The numbers of the path, in order: of the line first, then of its end.
    path: Vec<f64>,
}

impl Arrow {
    fn start(&self) -> (f64, f64) {
        (self.path[0], self.path[1])
    }

    fn end(&self) -> (f64, f64) {
        (self.path[2], self.path[3])
    }
}

fn picture(journal: Journal) -> String {
    Report::with(|parts| parts.journal = journal).file("messages.svg")
}

fn has_class(node: &Node<'_, '_>, class: &str) -> bool {
    node.attribute("class")
        .is_some_and(|all| all.split(' ').any(|one| one == class))
}

fn text(node: Node<'_, '_>) -> String {
    node.text().unwrap_or_default().to_string()
}

fn arrows(svg: &Document<'_>) -> Vec<Arrow> {
    let child = |node: Node<'_, '_>, tag: &str| {
        node.children()
            .find(|child| child.has_tag_name(("http://www.w3.org/2000/svg", tag)))
            .map(text)
    };
    svg.descendants()
        .filter(|node| has_class(node, "message"))
        .map(|node| {
            let path = node
                .children()
                .find_map(|child| child.attribute("d"))
                .unwrap();
            Arrow {
                class: node.attribute("class").unwrap().to_string(),
                tooltip: child(node, "title").unwrap(),
                label: child(node, "text"),
                path: path
                    .split(['M', 'L', 'C', ' '])
                    .filter(|number| !number.is_empty())
                    .map(|number| number.parse().unwrap())
                    .collect(),
            }
        })
        .collect()
}

fn arrow<'a>(arrows: &'a [Arrow], tooltip: &str) -> &'a Arrow {
    let found: Vec<&Arrow> = arrows
        .iter()
        .filter(|arrow| arrow.tooltip.contains(tooltip))
        .collect();
    assert_eq!(found.len(), 1, "arrows whose tooltip has {tooltip:?}");
    found[0]
}

/// The columns from left to right, each with its x.
fn columns(svg: &Document<'_>) -> Vec<(String, f64)> {
    svg.descendants()
        .filter(|node| has_class(node, "name") && !has_class(node, "again"))
        .map(|node| (text(node), node.attribute("x").unwrap().parse().unwrap()))
        .collect()
}

#[test]
fn columns_stand_in_maelstroms_order() {
    let mut net = Net::default();
    let everyone = ["seq-kv", "n10", "c11", "n2", "lin-kv", "c3"];
    for (id, src) in everyone.into_iter().enumerate() {
        net.send((0, id as u64), (src, "n2"), r#"{"type":"a"}"#);
    }
    let svg = picture(net.0);
    let columns = columns(&Document::parse(&svg).unwrap());
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["c3", "c11", "n2", "n10", "lin-kv", "seq-kv"]);
    assert!(columns.is_sorted_by(|a, b| a.1 < b.1), "{columns:?}");
}

#[test]
fn a_message_is_an_arrow_from_its_sending_to_its_receipt() {
    let svg = Report::new().file("messages.svg");
    let svg = Document::parse(&svg).unwrap();
    let x: HashMap<String, f64> = columns(&svg).into_iter().collect();
    let arrows = arrows(&svg);
    assert_eq!(arrows.len(), 5, "one per message, without init");

    let ways = [
        ("c10 → n0", ["c10", "n0"], "message client"),
        ("n0 → n1, sent at 1.0020 s", ["n0", "n1"], "message server"),
        ("n1 → lin-kv", ["n1", "lin-kv"], "message server"),
        ("lin-kv → n1", ["lin-kv", "n1"], "message error"),
    ];
    let mut above = 0.0;
    for (tooltip, [src, dest], class) in ways {
        let arrow = arrow(&arrows, tooltip);
        assert_eq!(arrow.class, class, "{tooltip}");
        assert_eq!(
            (arrow.start().0, arrow.end().0),
            (x[src], x[dest]),
            "{tooltip}"
        );
        assert!(
            above < arrow.start().1,
            "{tooltip} begins below the one before"
        );
        assert!(arrow.start().1 < arrow.end().1, "{tooltip} points down");
        above = arrow.end().1;
    }
}

#[test]
fn a_lost_message_ends_broken_before_its_destination() {
    let svg = Report::new().file("messages.svg");
    let svg = Document::parse(&svg).unwrap();
    let x: HashMap<String, f64> = columns(&svg).into_iter().collect();
    let arrows = arrows(&svg);
    let lost = arrow(&arrows, "lost");
    assert_eq!(lost.class, "message server lost");
    assert!(
        x["n0"] < lost.end().0 && lost.end().0 < x["n1"],
        "{:?}",
        lost.path
    );
    // Four more points: the two strokes of a cross.
    assert_eq!(lost.path.len(), 2 * (2 + 4));
    let received = arrow(&arrows, "sent at 1.0020 s");
    assert_eq!(
        received.path.len(),
        2 * (2 + 3),
        "an arrowhead has three points"
    );
}

#[test]
fn a_duplicate_has_an_arrow_of_its_own_and_a_message_on_the_way_is_lost() {
    let mut net = Net::default();
    let body = r#"{"type":"gossip"}"#;
    net.send((1, 1), ("n0", "n1"), body);
    net.recv((2, 1), ("n0", "n1"), body);
    net.recv((5, 1), ("n0", "n1"), body);
    net.send((6, 2), ("n1", "n0"), body);
    let svg = picture(net.0);
    let arrows = arrows(&Document::parse(&svg).unwrap());
    let classes: Vec<&str> = arrows.iter().map(|arrow| arrow.class.as_str()).collect();
    assert_eq!(
        classes,
        ["message server", "message server", "message server lost"]
    );
    assert_eq!(arrows[0].start(), arrows[1].start());
    assert!(arrows[0].end().1 < arrows[1].end().1);
    assert!(
        arrows[2].tooltip.contains("never received"),
        "{}",
        arrows[2].tooltip
    );
}

#[test]
fn a_message_to_oneself_is_a_bow() {
    let mut net = Net::default();
    net.send((1, 1), ("n0", "n0"), r#"{"type":"note"}"#);
    net.recv((2, 1), ("n0", "n0"), r#"{"type":"note"}"#);
    let svg = picture(net.0);
    let svg = Document::parse(&svg).unwrap();
    let (x, arrows) = (columns(&svg)[0].1, arrows(&svg));
    // Start, two control points to the right of the column, end.
    let [start, bow, _, bow_too, _, end] = [0, 2, 3, 4, 5, 6].map(|i| arrows[0].path[i]);
    assert_eq!((start, end), (x, x));
    assert!(bow > x && bow_too > x);
}

#[test]
fn the_tooltip_has_the_whole_body_whatever_is_in_it() {
    let svg = Report::new().file("messages.svg");
    assert!(
        !svg.contains("<script"),
        "the body's tag is not one of the picture's"
    );
    let arrows = arrows(&Document::parse(&svg).unwrap());
    assert!(arrow(&arrows, "c10 → n0").tooltip.ends_with(HOSTILE));
}

#[test]
fn characters_that_xml_forbids_do_not_break_the_picture() {
    let mut net = Net::default();
    net.send((1, 1), ("n0", "n\u{1}\u{ffff}"), "{\"type\":\"a\u{fffe}\"}");
    let svg = picture(net.0);
    let arrows = arrows(&Document::parse(&svg).unwrap());
    assert!(
        arrows[0].tooltip.contains("n\u{fffd}\u{fffd}"),
        "{}",
        arrows[0].tooltip
    );
}

#[test]
fn labels_say_what_there_is_room_for() {
    let mut net = Net::default();
    for n in 0..30 {
        net.send((n, n as u64), (&format!("n{n}"), "n0"), r#"{"type":"n"}"#);
    }
    let body = r#"{"type":"replicate","entries":[1,2,3],"msg_id":3}"#;
    net.send((40, 40), ("n0", "n29"), body);
    net.recv((41, 40), ("n0", "n29"), body);
    net.send((42, 41), ("n1", "n2"), body);
    net.recv((43, 41), ("n1", "n2"), body);
    let error = r#"{"type":"error","code":14,"text":"not now","in_reply_to":3}"#;
    net.send((44, 42), ("n29", "n0"), error);
    net.recv((45, 42), ("n29", "n0"), error);
    let svg = picture(net.0);
    let arrows = arrows(&Document::parse(&svg).unwrap());
    let label = |tooltip| arrow(&arrows, tooltip).label.as_deref();
    assert_eq!(label("n0 → n29"), Some("replicate entries=[1,2,3]"));
    assert_eq!(
        label("n1 → n2,"),
        None,
        "the type alone is longer than the arrow"
    );
    assert_eq!(label("sent at 44.00 ms"), Some("error not now"));
}

#[test]
fn labels_keep_every_digit() {
    let mut net = Net::default();
    for n in 0..30 {
        net.send((n, n as u64), (&format!("n{n}"), "n0"), r#"{"type":"n"}"#);
    }
    let body = r#"{"type":"read_ok","value": [31691265005705735037417580545, 0.1]}"#;
    net.send((40, 40), ("n0", "n29"), body);
    net.recv((41, 40), ("n0", "n29"), body);
    let svg = picture(net.0);
    let arrows = arrows(&Document::parse(&svg).unwrap());
    assert_eq!(
        arrow(&arrows, "n0 → n29").label.as_deref(),
        Some("read_ok value=[31691265005705735037417580545,0.1]")
    );
}

#[test]
fn a_label_that_would_cover_another_is_left_out() {
    let mut net = Net::default();
    let body = r#"{"type":"race"}"#;
    net.send((0, 1), ("n0", "n1"), body);
    net.send((1, 2), ("n0", "n1"), body);
    net.recv((2, 2), ("n0", "n1"), body);
    net.recv((3, 1), ("n0", "n1"), body);
    net.send((4, 3), ("n0", "n1"), body);
    net.recv((5, 3), ("n0", "n1"), body);
    let svg = picture(net.0);
    let arrows = arrows(&Document::parse(&svg).unwrap());
    let labels: Vec<Option<&str>> = arrows.iter().map(|arrow| arrow.label.as_deref()).collect();
    assert_eq!(
        labels,
        [Some("race"), None, Some("race")],
        "one overtakes another"
    );
}

#[test]
fn a_tooltip_has_the_whole_body() {
    let mut net = Net::default();
    let body = format!(
        r#"{{"type":"read_ok","messages":"{}"}}"#,
        "x".repeat(50_000)
    );
    net.send((1, 1), ("n0", "n1"), &body);
    net.recv((2, 1), ("n0", "n1"), &body);
    let svg = picture(net.0);
    let arrows = arrows(&Document::parse(&svg).unwrap());
    assert!(arrows[0].tooltip.ends_with(&body));
}

#[test]
fn a_body_that_the_journal_cut_still_has_its_type_and_says_so() {
    let mut net = Net::default();
    let long = "x".repeat(Journal::WHOLE_BYTES);
    let body = format!(r#"{{"type":"read_ok","messages":"{long}"}}"#);
    net.send((1, 1), ("n0", "n1"), &body);
    net.recv((2, 1), ("n0", "n1"), &body);
    let svg = picture(net.0);
    let arrows = arrows(&Document::parse(&svg).unwrap());
    assert_eq!(arrows[0].label.as_deref(), Some("read_ok"));
    let mark = format!("x… ({} bytes)", body.len());
    assert!(arrows[0].tooltip.ends_with(&mark), "{}", arrows[0].tooltip);
}

#[test]
fn a_long_run_is_drawn_up_to_a_bound_and_says_so() {
    let mut net = Net::default();
    let gossip = r#"{"type":"gossip"}"#;
    // Sent at first, received beyond the bound.
    net.send((0, 0), ("n0", "n1"), gossip);
    for id in 1..=Journal::KEPT as u64 {
        net.send((id as i64, id), ("n0", "n1"), gossip);
        net.recv((id as i64, id), ("n0", "n1"), gossip);
    }
    net.recv((99_999, 0), ("n0", "n1"), gossip);
    let svg = picture(net.0);
    assert!(svg.contains("The first 10,000 of 20,002 network events are drawn."));
    let svg = Document::parse(&svg).unwrap();
    let arrows = arrows(&svg);
    assert_eq!(arrows.len(), 5_001);
    let below: Vec<&Arrow> = arrows
        .iter()
        .filter(|arrow| arrow.class == "message server below")
        .collect();
    assert_eq!(below.len(), 2, "the first message and the one at the bound");
    let height: f64 = svg
        .root_element()
        .attribute("height")
        .unwrap()
        .parse()
        .unwrap();
    assert!(arrows.iter().all(|arrow| arrow.end().1 < height));
}

#[test]
fn the_bodies_of_a_picture_are_bounded_too() {
    let mut net = Net::default();
    let body = format!(r#"{{"type":"read_ok","messages":"{}"}}"#, "x".repeat(2_000));
    for id in 0..Journal::KEPT as u64 {
        net.send((id as i64, id), ("n0", "n1"), &body);
    }
    let svg = picture(net.0);
    assert!(svg.len() < 20 << 20, "{} bytes", svg.len());
    assert_eq!(svg.matches("class=\"message ").count(), 10_000);
}

#[test]
fn the_events_under_a_fault_are_shaded() {
    let svg = Report::new().file("messages.svg");
    let svg = Document::parse(&svg).unwrap();
    let bands: Vec<Node<'_, '_>> = svg
        .descendants()
        .filter(|node| has_class(node, "fault"))
        .collect();
    assert_eq!(bands.len(), 1);
    let number = |name| bands[0].attribute(name).unwrap().parse::<f64>().unwrap();
    let (top, bottom) = (number("y"), number("y") + number("height"));
    let arrows = arrows(&svg);
    let before = arrow(&arrows, "lin-kv → n1").end().1;
    let lost = arrow(&arrows, "lost");
    assert!(before < top && top < lost.start().1 && lost.end().1 < bottom);
}

#[test]
fn the_names_of_faults_that_begin_together_do_not_cover_each_other() {
    let begins = |index: usize, kind: &str| {
        format!(
            "{{:index {index}, :time 2000000000, :type :info, :process :nemesis, :f :{kind}, :value nil}}\n"
        )
    };
    let svg = Report::with(|parts| {
        parts.history = ["start-partition", "start-loss", "pause"]
            .into_iter()
            .enumerate()
            .flat_map(|(i, kind)| [begins(2 * i, kind), begins(2 * i + 1, kind)])
            .collect();
    });
    let svg = svg.file("messages.svg");
    let svg = Document::parse(&svg).unwrap();
    let names = svg
        .descendants()
        .filter(|node| has_class(node, "fault-name"));
    let places: Vec<(&str, f64)> = names
        .map(|name| {
            (
                name.text().unwrap(),
                name.attribute("x").unwrap().parse().unwrap(),
            )
        })
        .collect();
    let kinds: Vec<&str> = places.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, ["partition", "loss", "pause"]);
    assert!(places.windows(2).all(|two| two[1].1 - two[0].1 >= 60.0));
}

#[test]
fn a_run_that_came_no_further_than_init_shows_init() {
    let mut net = Net::default();
    let init = r#"{"type":"init","node_id":"n0","node_ids":["n0"],"msg_id":1}"#;
    net.send((0, 0), ("c0", "n0"), init);
    net.recv((1, 0), ("c0", "n0"), init);
    let svg = picture(net.0);
    let arrows = arrows(&Document::parse(&svg).unwrap());
    assert_eq!(arrows.len(), 1);
}

#[test]
fn a_run_without_messages_says_so() {
    let svg = picture(Journal::default());
    let svg = Document::parse(&svg).unwrap();
    assert!(
        svg.descendants()
            .any(|node| node.text() == Some("no messages"))
    );
}
