//! One file per verb: its flags, and what it does with the rooms. Adding a verb is adding a file and a variant of `args::Verb`.

pub(crate) mod agent;
pub(crate) mod agents;
pub(crate) mod controller;
pub(crate) mod demo;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod stop;
pub(crate) mod wait;
