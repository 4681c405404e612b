//! Which path is what. Pure. Segments are compared as they are written: nothing is percent-decoded,
//! no trailing slash is forgiven.

use axum::http::Method;

/// What a path stands for, with the ids it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    Home,
    Health,
    Ledger,
    Reset,
    Token,
    Schedules { concert: &'a str },
    Seats { concert: &'a str, schedule: &'a str },
    Reservation { concert: &'a str, schedule: &'a str },
    Payment { concert: &'a str, schedule: &'a str },
    Nothing,
}

impl<'a> Target<'a> {
    /// What `path`, which begins with a slash, stands for.
    pub(crate) fn of(path: &'a str) -> Self {
        // One place more than the longest path has segments.
        let mut segments = [""; 9];
        let mut n = 0;
        for segment in path.split('/').skip(1) {
            if n == segments.len() {
                return Self::Nothing;
            }
            segments[n] = segment;
            n += 1;
        }
        match segments[..n] {
            [""] => Self::Home,
            ["healthz"] => Self::Health,
            ["ledger"] => Self::Ledger,
            ["reset"] => Self::Reset,
            ["api", "waiting-queue", "position"] => Self::Token,
            ["api", "concerts", concert, "schedules"] => Self::Schedules { concert },
            [
                "api",
                "concerts",
                concert,
                "schedules",
                schedule,
                "seats",
                ref rest @ ..,
            ] => match rest {
                [] => Self::Seats { concert, schedule },
                ["reservation"] => Self::Reservation { concert, schedule },
                ["reservation", "payment"] => Self::Payment { concert, schedule },
                _ => Self::Nothing,
            },
            _ => Self::Nothing,
        }
    }

    /// The one method it takes; `None` when there is nothing.
    pub(crate) fn method(self) -> Option<Method> {
        match self {
            Self::Home | Self::Health | Self::Ledger => Some(Method::GET),
            Self::Token | Self::Schedules { .. } | Self::Seats { .. } => Some(Method::GET),
            Self::Reset | Self::Reservation { .. } | Self::Payment { .. } => Some(Method::POST),
            Self::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn a_path_is_one_thing() {
        let (concert, schedule) = ("7", "x");
        for (path, target) in [
            ("/", Target::Home),
            ("/healthz", Target::Health),
            ("/ledger", Target::Ledger),
            ("/reset", Target::Reset),
            ("/api/waiting-queue/position", Target::Token),
            ("/api/concerts/7/schedules", Target::Schedules { concert }),
            (
                "/api/concerts/7/schedules/x/seats",
                Target::Seats { concert, schedule },
            ),
            (
                "/api/concerts/7/schedules/x/seats/reservation",
                Target::Reservation { concert, schedule },
            ),
            (
                "/api/concerts/7/schedules/x/seats/reservation/payment",
                Target::Payment { concert, schedule },
            ),
            (
                "/api/concerts//schedules",
                Target::Schedules { concert: "" },
            ),
            ("", Target::Nothing),
            ("*", Target::Nothing),
            ("//", Target::Nothing),
            ("/ledger/", Target::Nothing),
            ("/api/concerts/7", Target::Nothing),
            ("/api/concerts/7/schedules/x", Target::Nothing),
            ("/api/concerts/7/schedules/x/seats/payment", Target::Nothing),
            (
                "/api/concerts/7/schedules/x/seats/reservation/payment/",
                Target::Nothing,
            ),
            ("/a/b/c/d/e/f/g/h/i/j/k/l/m", Target::Nothing),
        ] {
            assert_eq!(Target::of(path), target, "{path}");
        }
    }
}
