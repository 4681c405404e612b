//! The columns of a trend, as `summaryTrendStats` names them.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A column of a trend in the report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TrendStat {
    /// `avg`
    Avg,
    /// `min`
    Min,
    /// `med`
    Med,
    /// `max`
    Max,
    /// `count`
    Count,
    /// `p(N)`, N in 0..=100.
    Percentile(f64),
}

/// Not a column of a trend.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a trend statistic: avg, min, med, max, count or p(N) with N from 0 to 100")]
pub struct TrendStatError(pub String);

impl TrendStat {
    /// k6's: avg, min, med, max, p(90), p(95).
    pub const DEFAULT: [TrendStat; 6] = [
        TrendStat::Avg,
        TrendStat::Min,
        TrendStat::Med,
        TrendStat::Max,
        TrendStat::Percentile(90.0),
        TrendStat::Percentile(95.0),
    ];
}

impl fmt::Display for TrendStat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrendStat::Avg => f.write_str("avg"),
            TrendStat::Min => f.write_str("min"),
            TrendStat::Med => f.write_str("med"),
            TrendStat::Max => f.write_str("max"),
            TrendStat::Count => f.write_str("count"),
            TrendStat::Percentile(percent) => write!(f, "p({percent})"),
        }
    }
}

impl FromStr for TrendStat {
    type Err = TrendStatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let percentile = trimmed
            .strip_prefix("p(")
            .and_then(|rest| rest.strip_suffix(')'));
        Ok(match trimmed {
            "avg" => TrendStat::Avg,
            "min" => TrendStat::Min,
            "med" => TrendStat::Med,
            "max" => TrendStat::Max,
            "count" => TrendStat::Count,
            _ => percentile
                .and_then(|percent| percent.trim().parse().ok())
                .filter(|percent| (0.0..=100.0).contains(percent))
                .map(TrendStat::Percentile)
                .ok_or_else(|| TrendStatError(text.to_owned()))?,
        })
    }
}
