//! Vision: the models by an independent judge, and the job from frames to settled bets.

mod commands;
mod job;
mod models;
