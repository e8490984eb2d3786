//! Rounds by seed: how many, which, and what a failure says.

/// The seeds to run: `count` of them from `first`, or what the environment asks for.
pub(crate) fn seeds(first: u64, count: u64) -> Vec<u64> {
    let asked = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    match asked("ORDERLY_SEED") {
        Some(seed) => vec![seed],
        None => (first..first + asked("ORDERLY_ROUNDS").unwrap_or(count)).collect(),
    }
}

/// Runs the rounds until one fails; gives its seed and why.
pub(crate) fn first_failure(
    seeds: &[u64],
    mut round: impl FnMut(u64) -> Result<(), String>,
) -> Option<(u64, String)> {
    seeds.iter().find_map(|seed| round(*seed).err().map(|why| (*seed, why)))
}
