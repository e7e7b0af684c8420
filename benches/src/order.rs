//! The order in which things are measured: in turns, so that what the machine does meanwhile hits all of them alike.

/// The order of `count` things in one round: each round starts with another one, and every other round goes backwards.
pub fn of_round(round: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).map(|i| (i + round / 2) % count).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_measured_once_and_nothing_is_always_first() {
        for count in 1..6 {
            let mut positions = vec![0; count];
            for round in 0..2 * count {
                let order = of_round(round, count);
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..count).collect::<Vec<_>>());
                order.iter().enumerate().for_each(|(position, &thing)| positions[thing] += position);
            }
            // On average each is in the middle.
            assert!(positions.iter().all(|&sum| sum == positions[0]), "{positions:?}");
        }
    }
}
