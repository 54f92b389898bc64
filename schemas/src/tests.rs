//! Tests that go over all events and rows: golden bytes, round trips, bad input.

mod bad_input;
mod golden;
mod round_trip;
mod samples;
mod strategies;
mod tables;
