//! The last line (keys, a question, or an answer) and the page of help.

use super::super::model::{Asking, Model, Whose};
use super::super::style::Look;
use super::super::words;
use super::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// What can be pressed, what is asked, or what became of it.
pub(super) fn line(model: &Model, look: Look, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let question = match &model.asking {
        Asking::Nothing | Asking::Help => None,
        Asking::Log => Some("any key: back".to_owned()),
        Asking::Stop => Some("stop: begin no more iterations and let those at work finish?  s or Enter: yes   any other key: no".to_owned()),
        Asking::Interrupt => Some("interrupt the run and print its report?  q or Enter: yes   any other key: no".to_owned()),
        Asking::Scale(factor) => Some(format!(
            "scale to {} × the plan?  + −: more, less   Enter: yes   any other key: no",
            words::factor(*factor)
        )),
        Asking::Note(text) => Some(format!("note: {text}▏")),
    };
    let line = match (question, &model.notice) {
        (Some(question), _) => Line::styled(question, look.asking()),
        (None, Some(notice)) if notice.bad => Line::styled(notice.text.as_str(), look.alarm()),
        (None, Some(notice)) => Line::styled(notice.text.as_str(), look.strong()),
        (None, None) => keys(model, look, area.width),
    };
    text::ends(&line, &Line::default(), area, buffer);
}

fn keys(model: &Model, look: Look, width: u16) -> Line<'static> {
    let pause = if model.paused() { "resume" } else { "pause" };
    let quit = match model.whose {
        Whose::Ours => "interrupt",
        Whose::Others => "leave",
    };
    let mut keys = vec![
        ("p", pause),
        ("+ −", "scale"),
        ("s", "stop"),
        ("n", "note"),
        ("a e t", "lists"),
        ("q", quit),
        ("?", "help"),
    ];
    // What a narrow screen can do without: help says it all.
    for spare in ["n", "a e t", "+ −", "s"] {
        let columns: usize = keys
            .iter()
            .map(|(key, what)| text::width(key) + what.len() + 4)
            .sum();
        if columns <= usize::from(width) + 3 {
            break;
        }
        keys.retain(|(key, _)| *key != spare);
    }
    let mut spans = Vec::new();
    for (key, what) in keys {
        spans.push(Span::styled(key, look.strong()));
        spans.push(Span::styled(format!(" {what}"), look.quiet()));
        spans.push(Span::raw("   "));
    }
    spans.pop();
    Line::from(spans)
}

/// All keys and signs, over the middle of the picture.
pub(super) fn help(model: &Model, look: Look, area: Rect, buffer: &mut Buffer) {
    let quit = match model.whose {
        Whose::Ours => "interrupt the run; its report is printed (asks first)",
        Whose::Others => "leave; the run goes on",
    };
    let control_c = match model.whose {
        Whose::Ours => "the same at once; a second one leaves without a report",
        Whose::Others => "leave; the run goes on",
    };
    let entries = [
        ("p", "pause, or resume: the stages stand still"),
        ("+ −", "scale, in steps of a tenth of the plan (asks first)"),
        ("s", "stop: begin no more iterations (asks first)"),
        ("n", "write a note into the run's timeline"),
        ("q", quit),
        ("Ctrl-C", control_c),
        ("Ctrl-Z", "stand aside; `fg` comes back"),
        ("Ctrl-L", "draw everything anew"),
        ("a e t", "agents, errors, steps"),
        ("l", "the log, in full"),
        ("↑ ↓", "scroll the list; Page keys scroll faster"),
        (
            "last 5 s",
            "the newest seconds that every live agent has told",
        ),
        ("░", "planned, and not held"),
        ("┴", "a stage, a change, an agent lost or come, a note"),
        ("● ▲ ✗ ○", "fine, wants attention, lost, gone"),
        ("p95 chart", "of several seconds, the highest"),
    ];
    let left = entries
        .iter()
        .map(|(key, _)| text::width(key))
        .max()
        .unwrap_or(0);
    let right = entries
        .iter()
        .map(|(_, what)| text::width(what))
        .max()
        .unwrap_or(0);
    let width = u16::try_from(left + right + 7)
        .unwrap_or(u16::MAX)
        .min(area.width);
    let height = u16::try_from(entries.len() + 2)
        .unwrap_or(u16::MAX)
        .min(area.height);
    let frame = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    let border = ratatui::widgets::Block::bordered()
        .border_style(look.quiet())
        .title(Line::styled(" keys and signs ", look.strong()));
    let inner = border.inner(frame);
    ratatui::widgets::Widget::render(ratatui::widgets::Clear, frame, buffer);
    ratatui::widgets::Widget::render(border, frame, buffer);
    for ((key, what), y) in entries.iter().zip(inner.y..inner.y + inner.height) {
        let pad = " ".repeat(left - text::width(key));
        let row = Line::from(vec![
            Span::styled(format!(" {key}{pad}"), look.strong()),
            Span::raw(format!("   {what}")),
        ]);
        text::ends(
            &row,
            &Line::default(),
            Rect {
                y,
                height: 1,
                ..inner
            },
            buffer,
        );
    }
}
