//! From the journal to the destinations: order, retries, carriers.
