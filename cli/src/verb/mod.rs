//! One file per verb: its flags, and what it does with the rooms. Adding a verb is adding a file and a variant of `args::Verb`.

pub(crate) mod agent;
pub(crate) mod agents;
pub(crate) mod annotate;
pub(crate) mod completions;
pub(crate) mod controller;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod k8s;
pub(crate) mod login;
pub(crate) mod man;
pub(crate) mod merge;
pub(crate) mod pause;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod scale;
pub(crate) mod stop;
pub(crate) mod token;
pub(crate) mod wait;
pub(crate) mod watch;
