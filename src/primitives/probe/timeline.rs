//! A round as a drawing: a track for every sampler, coloured and named by its state, and a line for every mark.

use super::page::{Seen, text};
use super::report::{Mark, Track};
use std::fmt::Write;

/// Where the tracks begin, how wide they are, and what one takes of the height.
const LEFT: f64 = 230.0;
const WIDTH: f64 = 850.0;
const TRACK: f64 = 26.0;
const TOP: f64 = 44.0;

/// A state, its colour, and whether its name is drawn in white.
const COLOURS: &[(&str, &str, bool)] = &[
    ("good", "#a8d8b0", false),
    ("all up", "#a8d8b0", false),
    ("primary", "#1f5fa8", true),
    ("standby", "#c9dcf0", false),
    ("no answer", "#c62828", true),
    ("nodes down", "#f2a33a", false),
    ("wrong primary", "#7b1fa2", true),
];

pub fn svg(seen: &Seen) -> String {
    let scale = WIDTH / ms(seen.lasted_ms.max(1));
    let bottom = TOP + TRACK * ms(seen.timeline.len() as u64);
    let mut drawn = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"system-ui,sans-serif\" font-size=\"12\" role=\"img\">\n",
        LEFT + WIDTH + 20.0,
        bottom + 26.0
    );
    drawn += &axis(seen, scale, bottom);
    for (place, track) in seen.timeline.iter().enumerate() {
        drawn += &lane(track, scale, TOP + TRACK * ms(place as u64));
    }
    for (place, mark) in seen.marks.iter().enumerate() {
        drawn += &line(mark, scale, bottom, place);
    }
    drawn + "</svg>\n"
}

/// A figure as drawings have it; none is near the end of 32 bits.
fn ms(figure: u64) -> f64 {
    f64::from(u32::try_from(figure).unwrap_or(u32::MAX))
}

fn x(at: u64, scale: f64) -> f64 {
    LEFT + ms(at) * scale
}

/// Seconds since the first mark, at a distance that leaves room for its figures.
fn axis(seen: &Seen, scale: f64, bottom: f64) -> String {
    let zero = seen.marks.first().map_or(0, |mark| mark.at_ms);
    let step = [1, 2, 5, 10, 20, 30, 60].into_iter().find(|step| ms(*step * 1000) * scale >= 45.0).unwrap_or(120) * 1000;
    let mut drawn = String::new();
    let mut at = zero % step;
    while at <= seen.lasted_ms {
        let (place, second) = (x(at, scale), (i128::from(at) - i128::from(zero)) / 1000);
        let _ = writeln!(
            drawn,
            "<path d=\"M{place:.1} {TOP}V{bottom}\" stroke=\"#e3e9ef\"/><text x=\"{place:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#5b6b7b\">{second} s</text>",
            bottom + 16.0
        );
        at += step;
    }
    drawn
}

fn lane(track: &Track, scale: f64, top: f64) -> String {
    let mut drawn =
        format!("<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#1c2733\">{}</text>\n", LEFT - 8.0, top + 17.0, text(&track.name));
    for (from, to, state) in &track.states {
        let (_, colour, white) = COLOURS.iter().find(|(name, _, _)| name == state).unwrap_or(&("", "#9aa7b4", false));
        let (start, width) = (x(*from, scale), (ms(to.saturating_sub(*from)) * scale).max(1.0));
        let state = text(state);
        let _ = write!(
            drawn,
            "<rect x=\"{start:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"{}\" fill=\"{colour}\"><title>{state} {:.1}–{:.1} s</title></rect>",
            top + 3.0,
            TRACK - 6.0,
            ms(*from) / 1000.0,
            ms(*to) / 1000.0
        );
        if width > 7.0 * ms(state.len() as u64) + 6.0 {
            let ink = if *white { "#fff" } else { "#1c2733" };
            let _ = write!(drawn, "<text x=\"{:.1}\" y=\"{}\" fill=\"{ink}\">{state}</text>", start + 4.0, top + 17.0);
        }
        drawn.push('\n');
    }
    drawn
}

/// Names of marks take turns in height, so that near ones can be read; one near the right end is written to its left.
fn line(mark: &Mark, scale: f64, bottom: f64, place: usize) -> String {
    let at = x(mark.at_ms, scale);
    let height = if place.is_multiple_of(2) { 18.0 } else { 34.0 };
    let (anchor, shift) = if at > LEFT + WIDTH * 0.8 { ("end", -4.0) } else { ("start", 4.0) };
    format!(
        "<path d=\"M{at:.1} {}V{bottom}\" stroke=\"#1c2733\" stroke-dasharray=\"4 3\"/><text x=\"{:.1}\" y=\"{height}\" text-anchor=\"{anchor}\" font-weight=\"600\" fill=\"#1c2733\">{}</text>\n",
        height - 10.0,
        at + shift,
        text(&mark.what)
    )
}

#[cfg(test)]
mod tests {
    use super::super::page::tests::row;
    use super::*;

    #[test]
    fn every_state_and_every_mark_is_drawn() {
        let drawn = svg(&row(true).report);
        assert_eq!(drawn.matches("<rect").count(), 3);
        for said in [">primary</text>", ">no answer</text>", "primary's pod deleted", ">0 s</text>", ">pg-0</text>"] {
            assert!(drawn.contains(said), "{said}: {drawn}");
        }
    }
}
