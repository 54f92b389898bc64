//! What of a failing world is needed: lives are left out, and lines from the end, while it still fails.

use pipeline::fault::Bug;

use super::{Outcome, World, run};

/// The smallest world found that fails, and how it does.
pub async fn shrink(world: &World, outcome: Outcome, bug: Option<Bug>) -> (World, Outcome) {
    let (mut world, mut outcome) = (world.clone(), outcome);
    let mut at = 0;
    while at < world.lives.len() {
        let mut smaller = world.clone();
        smaller.lives.remove(at);
        match run(&smaller, bug).await {
            failed if failed.fault.is_some() => (world, outcome) = (smaller, failed),
            _ => at += 1,
        }
    }
    // What happens at one moment stays together.
    let mut step = world.lines.len() / 2;
    while step > 0 {
        let mut smaller = world.clone();
        smaller.lines.truncate(world.lines.len() - step);
        for life in &mut smaller.lives {
            life.until = life.until.min(smaller.lines.len());
        }
        match run(&smaller, bug).await {
            failed if failed.fault.is_some() && smaller.lines.len() > 1 => (world, outcome) = (smaller, failed),
            _ => step /= 2,
        }
        step = step.min(world.lines.len() / 2);
    }
    (world, outcome)
}
