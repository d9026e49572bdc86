//! The diagram of messages, as the page draws it.

use std::collections::HashMap;

use glomer_workbench::run::journal::Journal;
use roxmltree::{Document, Node};
use serde_json::{Value, json};

use super::browser::ask;
use super::page::why_seven_is_lost;
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

fn of(journal: Journal) -> Report {
    Report::with(|parts| parts.journal = journal)
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
        .filter(|node| has_class(node, "name"))
        .map(|node| (text(node), node.attribute("x").unwrap().parse().unwrap()))
        .collect()
}

/// A run, and what its picture must be.
type Case = (fn() -> Report, fn(&Document<'_>));

#[test]
fn every_picture_shows_what_happened() {
    let cases: [Case; 12] = [
        (everyone, columns_stand_in_maelstroms_order),
        (
            Report::new,
            a_message_is_an_arrow_from_its_sending_to_its_end,
        ),
        (twice, a_duplicate_has_an_arrow_of_its_own),
        (to_itself, a_message_to_oneself_is_a_bow),
        (forbidden, characters_that_xml_forbids_are_replaced),
        (much_to_say, labels_say_what_there_is_room_for),
        (race, a_label_that_would_cover_another_is_left_out),
        (long_bodies, a_body_that_is_too_long_says_so),
        (Report::new, the_events_under_a_fault_are_shaded),
        (together, the_names_of_faults_do_not_cover_each_other),
        (no_further, a_run_that_came_no_further_than_init_shows_init),
        (|| of(Journal::default()), a_run_without_messages_says_so),
    ];
    let reports = cases.map(|(run, _)| run());
    let asked = reports
        .each_ref()
        .map(|report| (report, "", "return saved()"));
    let Some(saved) = ask(&asked) else { return };
    for ((_, check), svg) in cases.iter().zip(saved) {
        check(&Document::parse(svg.as_str().unwrap()).unwrap());
    }
}

fn everyone() -> Report {
    let mut net = Net::default();
    let everyone = ["seq-kv", "n10", "c11", "n2", "lin-kv", "c3"];
    for (id, src) in everyone.into_iter().enumerate() {
        net.send((0, id as u64), (src, "n2"), r#"{"type":"a"}"#);
    }
    of(net.0)
}

fn columns_stand_in_maelstroms_order(svg: &Document<'_>) {
    let columns = columns(svg);
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["c3", "c11", "n2", "n10", "lin-kv", "seq-kv"]);
    assert!(columns.is_sorted_by(|a, b| a.1 < b.1), "{columns:?}");
}

fn a_message_is_an_arrow_from_its_sending_to_its_end(svg: &Document<'_>) {
    let x: HashMap<String, f64> = columns(svg).into_iter().collect();
    let arrows = arrows(svg);
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
        let ends = (arrow.start().0, arrow.end().0);
        assert_eq!(ends, (x[src], x[dest]), "{tooltip}");
        assert!(
            above < arrow.start().1,
            "{tooltip} begins below the one before"
        );
        assert!(arrow.start().1 < arrow.end().1, "{tooltip} points down");
        // An arrowhead has three points.
        assert_eq!(arrow.path.len(), 2 * (2 + 3), "{tooltip}");
        above = arrow.end().1;
    }
    assert!(arrow(&arrows, "c10 → n0").tooltip.ends_with(HOSTILE));
    assert!(
        arrow(&arrows, "c10 → n0")
            .tooltip
            .contains("received 1.00 ms later")
    );

    let lost = arrow(&arrows, "dropped by a partition");
    assert_eq!(lost.class, "message server lost");
    assert!(
        x["n0"] < lost.end().0 && lost.end().0 < x["n1"],
        "{:?}",
        lost.path
    );
    // Four more points: the two strokes of a cross.
    assert_eq!(lost.path.len(), 2 * (2 + 4));
}

fn twice() -> Report {
    let mut net = Net::default();
    let body = r#"{"type":"gossip"}"#;
    net.send((1, 1), ("n0", "n1"), body);
    net.recv((2, 1), ("n0", "n1"), body);
    net.recv((5, 1), ("n0", "n1"), body);
    net.send((6, 2), ("n1", "n0"), body);
    of(net.0)
}

fn a_duplicate_has_an_arrow_of_its_own(svg: &Document<'_>) {
    let arrows = arrows(svg);
    let classes: Vec<&str> = arrows.iter().map(|arrow| arrow.class.as_str()).collect();
    assert_eq!(
        classes,
        ["message server", "message server", "message server lost"]
    );
    assert_eq!(arrows[0].start(), arrows[1].start());
    assert!(arrows[0].end().1 < arrows[1].end().1);
    assert!(arrows[2].tooltip.contains("never received"));
}

fn to_itself() -> Report {
    let mut net = Net::default();
    net.send((1, 1), ("n0", "n0"), r#"{"type":"note"}"#);
    net.recv((2, 1), ("n0", "n0"), r#"{"type":"note"}"#);
    of(net.0)
}

fn a_message_to_oneself_is_a_bow(svg: &Document<'_>) {
    let (x, arrows) = (columns(svg)[0].1, arrows(svg));
    // Start, two control points to the right of the column, end.
    let [start, bow, _, bow_too, _, end] = [0, 2, 3, 4, 5, 6].map(|i| arrows[0].path[i]);
    assert_eq!((start, end), (x, x));
    assert!(bow > x && bow_too > x);
}

fn forbidden() -> Report {
    let mut net = Net::default();
    net.send((1, 1), ("n0", "n\u{1}\u{ffff}"), "{\"type\":\"a\u{fffe}\"}");
    of(net.0)
}

fn characters_that_xml_forbids_are_replaced(svg: &Document<'_>) {
    let tooltip = &arrows(svg)[0].tooltip;
    assert!(tooltip.contains("n\u{fffd}\u{fffd}"), "{tooltip}");
}

fn much_to_say() -> Report {
    let mut net = Net::default();
    for n in 0..30 {
        net.send((n, n as u64), (&format!("n{n}"), "n0"), r#"{"type":"n"}"#);
    }
    let mut say = |at: i64, way, body| {
        net.send((at, at as u64), way, body);
        net.recv((at + 1, at as u64), way, body);
    };
    let body = r#"{"type":"replicate","entries":[1,2,3],"msg_id":3}"#;
    say(40, ("n0", "n29"), body);
    say(42, ("n1", "n2"), body);
    let error = r#"{"type":"error","code":14,"text":"not now","in_reply_to":3}"#;
    say(44, ("n29", "n0"), error);
    let digits = r#"{"type":"read_ok","value": [31691265005705735037417580545, 0.1]}"#;
    say(46, ("n0", "n29"), digits);
    let nested = r#"{"in_reply_to":4,"value":{"a":[{"b":",:{"}]},"type":"read_ok","key":"\"k"}"#;
    say(48, ("n0", "n29"), nested);
    of(net.0)
}

fn labels_say_what_there_is_room_for(svg: &Document<'_>) {
    let arrows = arrows(svg);
    let label = |tooltip| arrow(&arrows, tooltip).label.as_deref();
    assert_eq!(label("sent at 40.00 ms"), Some("replicate entries=[1,2,3]"));
    let too_long = "the type alone is longer than the arrow";
    assert_eq!(label("sent at 42.00 ms"), None, "{too_long}");
    assert_eq!(label("sent at 44.00 ms"), Some("error not now"));
    assert_eq!(
        label("sent at 46.00 ms"),
        Some("read_ok value=[31691265005705735037417580545,0.1]"),
        "every digit"
    );
    assert_eq!(
        label("sent at 48.00 ms"),
        Some(r#"read_ok value={"a":[{"b":",:{"}]} key="\"k""#)
    );
}

fn race() -> Report {
    let mut net = Net::default();
    let body = r#"{"type":"race"}"#;
    net.send((0, 1), ("n0", "n1"), body);
    net.send((1, 2), ("n0", "n1"), body);
    net.recv((2, 2), ("n0", "n1"), body);
    net.recv((3, 1), ("n0", "n1"), body);
    net.send((4, 3), ("n0", "n1"), body);
    net.recv((5, 3), ("n0", "n1"), body);
    of(net.0)
}

fn a_label_that_would_cover_another_is_left_out(svg: &Document<'_>) {
    let arrows = arrows(svg);
    let labels: Vec<Option<&str>> = arrows.iter().map(|arrow| arrow.label.as_deref()).collect();
    assert_eq!(
        labels,
        [Some("race"), None, Some("race")],
        "one overtakes another"
    );
}

/// Forty long bodies, and one that is too long to be kept whole.
fn long_bodies() -> Report {
    let mut net = Net::default();
    for id in 0..=40 {
        let bytes = if id == 40 {
            Journal::WHOLE_BYTES
        } else {
            100_000
        };
        let text = "x".repeat(bytes);
        let body = format!(r#"{{"type":"read_ok","id":{id},"messages":"{text}"}}"#);
        net.send((id as i64, id), ("n0", "n1"), &body);
    }
    of(net.0)
}

fn a_body_that_is_too_long_says_so(svg: &Document<'_>) {
    let arrows = arrows(svg);
    let [whole, cut] = [0, 40].map(|id| arrow(&arrows, &format!("\"id\":{id},")));
    assert!(whole.tooltip.ends_with("xxx…"), "{}", whole.tooltip);
    assert!(whole.tooltip.len() < 1_500);
    assert!(
        cut.tooltip.ends_with("… (33554472 bytes)"),
        "{}",
        cut.tooltip
    );
    assert_eq!(cut.label.as_deref(), Some("read_ok id=…"));
}

fn the_events_under_a_fault_are_shaded(svg: &Document<'_>) {
    let bands: Vec<Node<'_, '_>> = svg
        .descendants()
        .filter(|node| has_class(node, "fault"))
        .collect();
    assert_eq!(bands.len(), 1);
    let number = |name| bands[0].attribute(name).unwrap().parse::<f64>().unwrap();
    let (top, bottom) = (number("y"), number("y") + number("height"));
    let arrows = arrows(svg);
    let before = arrow(&arrows, "lin-kv → n1").end().1;
    let lost = arrow(&arrows, "dropped");
    assert!(before < top && top < lost.start().1 && lost.end().1 < bottom);
}

fn together() -> Report {
    let begins = |index: usize, kind: &str| {
        format!(
            "{{:index {index}, :time 2000000000, :type :info, :process :nemesis, :f :{kind}, :value nil}}\n"
        )
    };
    Report::with(|parts| {
        parts.history = ["start-partition", "start-loss", "pause"]
            .into_iter()
            .enumerate()
            .flat_map(|(i, kind)| [begins(2 * i, kind), begins(2 * i + 1, kind)])
            .collect();
    })
}

fn the_names_of_faults_do_not_cover_each_other(svg: &Document<'_>) {
    let names = svg
        .descendants()
        .filter(|node| has_class(node, "fault-name"));
    let places: Vec<(String, f64)> = names
        .map(|name| (text(name), name.attribute("x").unwrap().parse().unwrap()))
        .collect();
    let kinds: Vec<&str> = places.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["partition", "loss", "pause"]);
    assert!(places.windows(2).all(|two| two[1].1 - two[0].1 >= 60.0));
}

fn no_further() -> Report {
    let mut net = Net::default();
    let init = r#"{"type":"init","node_id":"n0","node_ids":["n0"],"msg_id":1}"#;
    net.send((0, 0), ("c0", "n0"), init);
    net.recv((1, 0), ("c0", "n0"), init);
    of(net.0)
}

fn a_run_that_came_no_further_than_init_shows_init(svg: &Document<'_>) {
    assert_eq!(arrows(svg).len(), 1);
}

fn a_run_without_messages_says_so(svg: &Document<'_>) {
    assert!(
        svg.descendants()
            .any(|node| node.text() == Some("no messages"))
    );
}

/// Three parts of messages, twelve clients among them: `n0` sends message `id` to `n1` at `id`
/// ms, which gets it at once; but 10 arrives last of all, and every 500th is the request of a
/// client.
fn long() -> Report {
    let mut net = Net::default();
    for id in 0..2_500 {
        let at = (id, id as u64);
        let client = format!("c{}", id / 500 + 1);
        let way = if id % 500 == 0 {
            (client.as_str(), "n0")
        } else {
            ("n0", "n1")
        };
        let body = format!(r#"{{"type":"gossip","values":[{id}],"msg_id":{}}}"#, id % 7);
        net.send(at, way, &body);
        if id != 10 {
            net.recv(at, way, &body);
        }
    }
    for client in 6..=12 {
        let way = (format!("c{client}"), "n1");
        net.send(
            (2_600, 2_600 + client),
            (&way.0, way.1),
            r#"{"type":"read"}"#,
        );
    }
    net.recv(
        (3_000, 10),
        ("n0", "n1"),
        r#"{"type":"gossip","values":[10],"msg_id":3}"#,
    );
    of(net.0)
}

/// What the reader of a long run sees, as `[first, last]` of the window, and so on.
#[test]
fn a_reader_finds_the_way_through_a_long_run() {
    let report = long();
    for part in [1, 2] {
        let part = report.file(&format!("messages/{part}.js"));
        assert!(part.len() < 300_000, "{} bytes", part.len());
    }
    let shown = "const shown = () => find('.window output').value;
        const tooltip = (text) => all('.message title').find((it) => it.textContent.includes(text));
        const here = () => find('.event p')?.textContent ?? '';
        const search = find('.search input');
        const count = () => find('.search output').value;
        const enter = async (text) => {
            search.value = text;
            search.dispatchEvent(new window.Event('input', {bubbles: true}));
            await until(() => /^[0-9,]+ message/.test(count()));
            return count();
        };";
    let scripts = [
        // The slider goes to any place, in a part that is not in the page.
        ("", "const first = shown();
            find('.window input').value = 3900;
            find('.window input').dispatchEvent(new window.Event('input'));
            await until(() => shown() !== first);
            const slid = shown();
            all('.window > button')[1].click();
            await until(() => shown() !== slid);
            const next = shown();
            all('.window > button')[0].click();
            await until(() => shown() === slid);
            return [first, slid, next, all('.message').length];"),
        // Keys lead from event to event, over the edge of a window, and along a message.
        ("#event-20", "await until(() => here());
            const jumped = here();
            press('ArrowRight');
            await until(() => here().includes('event 5,006'));
            const end = [shown(), find('.message.here').getAttribute('class')];
            press('ArrowLeft');
            await until(() => here().includes('event 20.'));
            press('End');
            await until(() => here().includes('event 5,006'));
            press('Home');
            await until(() => here().includes('event 0.'));
            for (let i = 0; i < 260; i++) {
                press('ArrowDown');
                await until(() => here().includes(`event ${i + 1}.`));
            }
            await until(() => window.location.hash === '#event-260');
            return [jumped, ...end, shown()];"),
        // A search marks messages in the whole run, and leads to them.
        ("", "const many = await enter('msg_id 3');
            const marked = all('.message.found').length;
            const one = await enter('2400');
            press('n');
            await until(() => here());
            const body = find('.event pre').textContent;
            return [many, marked, one, body, all('.message.found').length, all('.whole .found').length];"),
        // Many clients share a lane until they are unfolded, and lanes can be hidden.
        ("", "const lanes = () => all('.names span').map((it) => it.textContent).join(' ');
            const choose = async (text) => {
                const before = lanes();
                all('.lanes button').find((it) => it.textContent === text).click();
                await until(() => lanes() !== before);
                return lanes();
            };
            const folded = lanes();
            const unfolded = await choose('12 clients in one lane');
            await choose('n1');
            const messages = all('.message title').map((it) => it.textContent.split(',')[0]);
            const none = await choose('none');
            const said = shown();
            // What an address leads to is shown.
            window.location.hash = '#event-20';
            await until(() => here());
            return [folded, unfolded, messages, none, said, lanes()];"),
    ];
    let scripts = scripts.map(|(at, script)| (at, format!("{shown} {script}")));
    let mut asked: Vec<(&Report, &str, &str)> = (scripts.iter())
        .map(|(at, script)| (&report, *at, script.as_str()))
        .collect();
    // The reason leads to its messages, which are marked.
    let lost = Report::with(why_seven_is_lost);
    let script = "find('.reason a[href^=\"#event\"]').click();
        await until(() => find('.event pre'));
        const marked = ['.lamport .told', '.whole .told'].map((it) => all(it).length);
        return [window.location.hash, ...marked, find('.event pre').textContent];";
    asked.push((&lost, "", script));
    // Parts end where bodies are long, and what of these is not there is told.
    let heavy = long_bodies();
    let script = format!(
        "{shown} const found = await enter('39');
        press('n');
        await until(() => here());
        const whole = find('.event pre').textContent.length;
        await enter('40');
        press('n');
        await until(() => here().includes('event 40'));
        return [found, whole, find('.event pre').textContent.length, shown()];"
    );
    asked.push((&heavy, "", &script));
    assert!(heavy.file("index.html").len() < 2 << 20);
    let Some(answers) = ask(&asked) else { return };
    let [slider, keys, search, lanes, reason, heavy] = <[Value; 6]>::try_from(answers).unwrap();
    let window = |from, to, [first, last]: [&str; 2]| {
        format!("{from} to {to}, events {first} to {last} of 5,007")
    };
    assert_eq!(
        slider,
        json!([
            window("0.00 ms", "125.00 ms", ["0", "249"]),
            window("1.9500 s", "2.0750 s", ["3,900", "4,149"]),
            window("2.0750 s", "2.2000 s", ["4,150", "4,399"]),
            126
        ])
    );
    let ten = "n0 → n1, sent at 10.00 ms, received 2.9900 s later. Message 10, event 20.";
    assert_eq!(
        keys,
        json!([
            ten,
            window("2.3790 s", "3.0000 s", ["4,757", "5,006"]),
            "message server beyond here",
            window("120.00 ms", "245.00 ms", ["240", "489"]),
        ])
    );
    let body = r#"{"type":"gossip","values":[2400],"msg_id":6}"#;
    let [many, one] = ["357 messages", "1 message"];
    assert_eq!(search, json!([many, 18, one, body, 1, 1]));
    let all = "c1 c2 c3 c4 c5 c6 c7 c8 c9 c10 c11 c12 n0 n1";
    let without_n1: Vec<String> = (1..=5).map(|client| format!("c{client} → n0")).collect();
    assert_eq!(
        lanes,
        json!(["clients n0 n1", all, without_n1, "", "no messages", "n0 n1"])
    );
    let found = "1 message; of 1 long one only the beginning is kept";
    let whole = "0.00 ms to 40.00 ms, events 0 to 40 of 41";
    assert_eq!(heavy, json!([found, 100_040, 530, whole]));
    assert_eq!(reason, json!(["#event-0", 1, 1, HOSTILE]));
}
