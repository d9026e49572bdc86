//! The labels along the arrows.

use std::collections::HashSet;

use maud::{Markup, html};

use super::Point;
use crate::edn::Edn;
use crate::report::text::{printable, shorten};
use crate::run::body::KeptBody;

/// About the width of a letter.
const LETTER: f64 = 5.7;
/// How far the letters reach above the line: from here to there.
const ABOVE: (f64, f64) = (5.0, 11.0);
const LONGEST: usize = 56;
/// The grid on which the place of a label is marked as taken.
const CELL: f64 = 6.0;

/// The labels of a picture, none of which covers another.
#[derive(Default)]
pub(super) struct Labels {
    taken: HashSet<(i64, i64)>,
}

impl Labels {
    /// What a message says, or at least its type, as far as there is room along
    /// its line.
    pub(super) fn label(&mut self, from: Point, to: Point, body: &KeptBody) -> Markup {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        let room = ((length - 26.0) / LETTER).max(0.0) as usize;
        if dx == 0.0 || room < body.kind.chars().count() {
            return html! {};
        }
        let text = text(body);
        let text = shorten(&text, room.min(LONGEST));
        let middle = (from.0 + dx / 2.0, from.1 + dy / 2.0);
        // Upright, whichever way the arrow points.
        let right = (dx.abs() / length, dy * dx.signum() / length);
        let Some(text) = [&text, body.kind.as_str()]
            .into_iter()
            .find(|text| self.take(middle, right, text.chars().count()))
        else {
            return html! {};
        };
        let (x, y) = (format!("{:.1}", middle.0), format!("{:.1}", middle.1));
        let angle = format!("{:.1}", right.1.atan2(right.0).to_degrees());
        html! {
            text transform={ "translate(" (x) " " (y) ") rotate(" (angle) ")" } y="-4" {
                (printable(text))
            }
        }
    }

    /// Takes the place of so many letters about the middle of a line that runs to
    /// the right like this, if no other label has a part of it.
    fn take(&mut self, middle: Point, right: Point, letters: usize) -> bool {
        let half = letters as f64 * LETTER / 2.0;
        let steps = (2.0 * half / (CELL / 2.0)).ceil() as usize;
        let along = (0..=steps).map(|step| step as f64 * CELL / 2.0 - half);
        let cells: HashSet<(i64, i64)> = along
            .flat_map(|along| [(along, ABOVE.0), (along, ABOVE.1)])
            .map(|(along, above)| {
                let x = middle.0 + right.0 * along + right.1 * above;
                let y = middle.1 + right.1 * along - right.0 * above;
                ((x / CELL).floor() as i64, (y / CELL).floor() as i64)
            })
            .collect();
        let free = self.taken.is_disjoint(&cells);
        if free {
            self.taken.extend(cells);
        }
        free
    }
}

/// The type and the fields that are not the protocol's own; of an error its text.
fn text(body: &KeptBody) -> String {
    let mut text = body.kind.clone();
    for (name, value) in &body.fields {
        match value {
            Edn::String(error) if body.kind == "error" && name == "text" => {
                return format!("error {error}");
            }
            _ if ["msg_id", "in_reply_to"].contains(&name.as_str()) => {}
            _ => {
                let value = serde_json::to_string(value).unwrap_or_default();
                text = format!("{text} {name}={value}");
            }
        }
    }
    text
}
