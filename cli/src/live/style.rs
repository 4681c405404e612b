//! How things look. Colours are only ever added to what signs and words say already: two of them, blue and vermillion, which colour-blind
//! people tell apart, and a grey, all of a brightness that can be read on black and on white. Without colour, bold and dim remain.

use ratatui::style::{Color, Modifier, Style};

const BLUE: Color = Color::Indexed(32);
const VERMILLION: Color = Color::Indexed(166);
const GREY: Color = Color::Indexed(243);

/// With colours, or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) color: bool,
}

impl Look {
    /// What holds what was measured: bars and charts.
    pub(super) fn measured(self) -> Style {
        self.colored(BLUE)
    }

    /// What is said beside: headings, units, rules.
    pub(super) fn quiet(self) -> Style {
        if self.color {
            Style::new().fg(GREY)
        } else {
            Style::new().add_modifier(Modifier::DIM)
        }
    }

    /// What is looked for first.
    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What wants attention.
    pub(super) fn alarm(self) -> Style {
        self.colored(VERMILLION).add_modifier(Modifier::BOLD)
    }

    /// A question, or an answer.
    pub(super) fn asking(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn colored(self, color: Color) -> Style {
        if self.color {
            Style::new().fg(color)
        } else {
            Style::new()
        }
    }
}
