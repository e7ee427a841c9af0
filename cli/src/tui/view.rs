//! How a run is drawn on a terminal.

use std::collections::VecDeque;

use floodmark_harness::run::Live;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::Line,
    widgets::{Block, Borders, Gauge, Paragraph, Sparkline},
};

use super::snapshot::Snapshot;

/// Lateness from which on it is marked, microseconds: the verdict on a load has the same bound for a p99.
const LATE_US: u64 = 10_000;

/// The line at the bottom.
const HELP: &str = "q leaves this view, the run goes on · Ctrl-C ends the run";

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, snapshot: &Snapshot, coloured: bool) {
    let notices = u16::try_from(snapshot.notices.len()).unwrap_or(0);
    let [head, gauge, panels, notes, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(notices),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    header(frame, head, snapshot);
    progress(frame, gauge, snapshot);
    let rows = Layout::vertical([Constraint::Fill(1); 5]).split(panels);
    for (area, panel) in rows.iter().zip(panels_of(snapshot)) {
        panel.draw(frame, *area, coloured);
    }
    let lines: Vec<Line<'_>> = snapshot
        .notices
        .iter()
        .map(|n| Line::from(format!("note: {n}")))
        .collect();
    frame.render_widget(Paragraph::new(lines), notes);
    let dim = Style::new().add_modifier(Modifier::DIM);
    frame.render_widget(Paragraph::new(HELP).style(dim), foot);
}

fn header(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
    let title = format!(
        "floodmark: {} against `{}`, broker `{}`",
        snapshot.profile, snapshot.subject, snapshot.broker
    );
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let lines = vec![
        Line::styled(title, bold),
        Line::from(snapshot.stage.as_str()),
    ];
    frame.render_widget(Paragraph::new(lines), area);
}

/// How much of the time in which events are due is over.
fn progress(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
    let Some(live) = &snapshot.live else { return };
    let over = (live.second as f64).clamp(0.0, live.of);
    let label = format!(
        "{over:.0} of {:.0} s, {:.0} s left",
        live.of,
        live.of - over
    );
    let ratio = if live.of > 0.0 { over / live.of } else { 0.0 };
    frame.render_widget(Gauge::default().ratio(ratio).label(label), area);
}

/// A line of figures over how they went.
struct Panel<'a> {
    title: String,
    series: &'a VecDeque<u64>,
    colour: Color,
}

impl Panel<'_> {
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, coloured: bool) {
        let block = Block::new()
            .borders(Borders::TOP)
            .title(self.title.as_str());
        // The latest values, where there are more than columns.
        let room = usize::from(area.width);
        let skipped = self.series.len().saturating_sub(room);
        let shown: Vec<u64> = self.series.iter().skip(skipped).copied().collect();
        let style = match coloured {
            true => Style::new().fg(self.colour),
            false => Style::new(),
        };
        let spark = Sparkline::default().block(block).data(&shown).style(style);
        frame.render_widget(spark, area);
    }
}

fn panels_of(snapshot: &Snapshot) -> [Panel<'_>; 5] {
    let live = snapshot.live.as_ref();
    let titled = |of: fn(&Live, &Snapshot) -> String| {
        live.map_or_else(|| "nothing yet".to_owned(), |live| of(live, snapshot))
    };
    let is_late = live.is_some_and(|live| live.lateness_max_us > LATE_US);
    [
        Panel {
            title: format!("load: {}", titled(load)),
            series: &snapshot.sent,
            colour: Color::Cyan,
        },
        Panel {
            title: format!("generator: {}", titled(lateness)),
            series: &snapshot.lateness_us,
            colour: if is_late { Color::Yellow } else { Color::Cyan },
        },
        Panel {
            title: format!("subject: {}", titled(lag)),
            series: &snapshot.lag,
            colour: Color::Cyan,
        },
        Panel {
            title: format!("alerts: {}", titled(alerts)),
            series: &snapshot.alerts,
            colour: Color::Cyan,
        },
        Panel {
            title: format!("latency: {}", titled(latency)),
            series: &snapshot.latency_us,
            colour: Color::Cyan,
        },
    ]
}

fn load(live: &Live, _: &Snapshot) -> String {
    format!("{} events/s due, {} events/s sent", live.due, live.sent)
}

fn lateness(live: &Live, _: &Snapshot) -> String {
    let mark = if live.lateness_max_us > LATE_US {
        " LATE"
    } else {
        ""
    };
    format!(
        "at most {} behind its schedule{mark}",
        span(live.lateness_max_us as f64)
    )
}

fn lag(live: &Live, _: &Snapshot) -> String {
    match live.lag {
        None => "nothing tells how far it has read".to_owned(),
        Some(lag) => format!(
            "{} records unread, the first of them for {}",
            lag.records,
            span(lag.age_s * 1e6)
        ),
    }
}

fn alerts(live: &Live, snapshot: &Snapshot) -> String {
    format!(
        "{} so far, {} in the last second; {} of {} labelled incidents have begun",
        live.alerts,
        snapshot.alerts.back().copied().unwrap_or(0),
        snapshot.incidents_begun(live.second),
        snapshot.incidents_s.len()
    )
}

/// The tail, or the longest where there are too few for one.
fn latency(live: &Live, _: &Snapshot) -> String {
    let Some(latency) = live.latency else {
        return "no alert in the last 10 s".to_owned();
    };
    let tail = match latency.p99_us {
        Some(us) => format!("p99 {}", span(us as f64)),
        None => format!("max {}", span(latency.max_us as f64)),
    };
    format!(
        "p50 {}, {tail} (alerts of the last 10 s: {})",
        span(latency.p50_us as f64),
        latency.alerts
    )
}

/// A span in the unit that people would choose.
fn span(us: f64) -> String {
    match us {
        us if us < 1e3 => format!("{us:.0} µs"),
        us if us < 1e6 => format!("{:.1} ms", us / 1e3),
        us => format!("{:.1} s", us / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use floodmark_harness::run::{AlertLatency, LagNow, RunEvent};
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;

    /// The screen of a run, line by line.
    fn screen(snapshot: &Snapshot, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, snapshot, true)).unwrap();
        let buffer = terminal.backend().buffer();
        let cell = |x, y| buffer.cell((x, y)).unwrap().symbol();
        let row = |y| (0..width).map(|x| cell(x, y)).collect::<String>();
        (0..height).map(|y| row(y).trim_end().to_owned()).collect()
    }

    fn second(second: i64, sent: u64, alerts: u64) -> RunEvent {
        RunEvent::Progress(Live {
            second,
            of: 30.0,
            due: 1000,
            sent,
            lateness_max_us: 1200,
            lag: Some(LagNow {
                records: 120,
                age_s: 0.3,
            }),
            alerts,
            latency: Some(AlertLatency {
                alerts: 130,
                p50_us: 1_200_000,
                p99_us: Some(3_400_000),
                max_us: 4_000_000,
            }),
        })
    }

    fn run() -> Snapshot {
        let mut snapshot = Snapshot {
            profile: "smoke".to_owned(),
            subject: "bundled".to_owned(),
            broker: "embedded".to_owned(),
            incidents_s: vec![1.0, 11.5, 12.5, 29.0],
            ..Snapshot::default()
        };
        snapshot.see(&RunEvent::Stage("generate: 30s of events".to_owned()));
        snapshot
    }

    #[test]
    fn every_figure_is_on_the_screen() {
        let mut snapshot = run();
        snapshot.see(&second(11, 500, 9));
        snapshot.see(&second(12, 1000, 12));
        snapshot.see(&RunEvent::Notice("a run was killed".to_owned()));
        let lines = screen(&snapshot, 100, 30);
        let text = lines.join("\n");
        for part in [
            "floodmark: smoke against `bundled`, broker `embedded`",
            "generate: 30s of events",
            "12 of 30 s, 18 s left",
            "load: 1000 events/s due, 1000 events/s sent",
            "generator: at most 1.2 ms behind its schedule─",
            "subject: 120 records unread, the first of them for 300.0 ms",
            "alerts: 12 so far, 3 in the last second; 2 of 4 labelled incidents have begun",
            "latency: p50 1.2 s, p99 3.4 s (alerts of the last 10 s: 130)",
            "note: a run was killed",
            HELP,
        ] {
            assert!(text.contains(part), "{part} is not on:\n{text}");
        }
        // The second before had half the events: one bar is half as high as the other.
        let bars: Vec<&String> = lines.iter().skip(4).take(4).collect();
        assert!(bars[3].starts_with("██"), "{text}");
        assert!(bars[0].starts_with(" █"), "{text}");
    }

    #[test]
    fn a_run_that_has_not_begun_and_one_that_drains_say_so() {
        let mut snapshot = run();
        assert!(
            screen(&snapshot, 80, 24)
                .join("\n")
                .contains("load: nothing yet")
        );
        snapshot.see(&second(30, 1000, 12));
        snapshot.see(&RunEvent::Draining {
            lag: None,
            alerts: 14,
            latency: None,
        });
        let text = screen(&snapshot, 80, 24).join("\n");
        for part in [
            "load: 0 events/s due, 0 events/s sent",
            "subject: nothing tells how far it has read",
            "alerts: 14 so far, 2 in the last second",
            "latency: no alert in the last 10 s",
        ] {
            assert!(text.contains(part), "{part} is not on:\n{text}");
        }
    }

    #[test]
    fn too_few_alerts_for_a_tail_show_the_longest() {
        let mut snapshot = run();
        snapshot.see(&RunEvent::Draining {
            lag: None,
            alerts: 3,
            latency: Some(AlertLatency {
                alerts: 3,
                p50_us: 40_000,
                p99_us: None,
                max_us: 90_000,
            }),
        });
        let text = screen(&snapshot, 80, 24).join("\n");
        let expected = "latency: p50 40.0 ms, max 90.0 ms (alerts of the last 10 s: 3)";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn no_size_of_a_terminal_is_too_small() {
        let mut snapshot = run();
        snapshot.see(&second(12, 1000, 12));
        for (width, height) in [(1, 1), (20, 5), (300, 2)] {
            assert_eq!(screen(&snapshot, width, height).len(), usize::from(height));
        }
    }

    #[test]
    fn a_late_generator_is_marked_by_a_word_too() {
        let mut snapshot = run();
        snapshot.see(&RunEvent::Progress(Live {
            lateness_max_us: 25_000,
            of: 30.0,
            ..Live::default()
        }));
        assert!(
            screen(&snapshot, 80, 24)
                .join("\n")
                .contains("25.0 ms behind its schedule LATE")
        );
    }

    #[test]
    fn long_runs_keep_the_newest_seconds() {
        let mut snapshot = run();
        for at in 0..2000 {
            snapshot.see(&second(at, at as u64, 0));
        }
        assert_eq!(snapshot.sent.len(), 512);
        assert_eq!(snapshot.sent.back(), Some(&1999));
    }
}
