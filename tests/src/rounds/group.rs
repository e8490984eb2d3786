//! Rounds that go on together by one broker, and what that broker suffers meanwhile.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;

use orderly_queue::planted::Fault;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::history::History;
use super::plan::{Harm, Plan, Trouble};
use super::round::{Done, Red, Round};
use crate::broker::{Broker, Node};

/// How long a round may take to come to rest once everything is healed. On two busy cores, a broker that was killed takes most of it.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How long the broker may still count what was taken off its queues: it looks every 5 s.
const COUNTING_TIME_MAX: Duration = Duration::from_secs(20);

/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long a queue may be without a leader once the broker is well, before it is helped to one: elections take a few seconds at most.
const ELECTING_TIME_MAX: Duration = Duration::from_secs(10);

/// How long the broker may take to make the queues of a group of rounds.
const MAKING_TIME_MAX: Duration = Duration::from_secs(60);

/// Runs rounds together, all of one group, or of groups whose broker is well.
pub async fn run(
    seeds: impl IntoIterator<Item = u64>,
    broker: &Arc<Broker>,
    fault: Option<Fault>,
    patience: Duration,
) -> Vec<Result<Done, Red>> {
    let seeds: Vec<u64> = seeds.into_iter().collect();
    let plans = seeds.iter().map(|seed| Plan::of(*seed, broker.nodes().len()));
    let weather = plans.map(|plan| plan.weather).next().unwrap_or_default();
    let is_absent = weather.iter().any(|trouble| trouble.harm == Harm::BrokerAbsentAtStart);
    if is_absent {
        on(broker, |broker| broker.nodes().iter().for_each(Node::kill)).await;
    }
    let mut opening = JoinSet::new();
    for seed in seeds {
        let broker = broker.clone();
        opening.spawn(named(seed, async move { Arc::new(Round::open(seed, broker, fault).await) }));
    }
    let (rounds, mut ended): (Vec<_>, Vec<_>) = split(opening.join_all().await);
    if !weather.is_empty() && !is_absent {
        all_are_made(broker, &rounds).await;
    }
    let (calm, is_calm) = watch::channel(false);
    let mut living = JoinSet::new();
    for round in &rounds {
        let (round, is_calm) = (round.clone(), is_calm.clone());
        living.spawn(named(round.plan.seed, async move {
            let rested = round.live(is_calm, patience).await;
            (round, rested)
        }));
    }
    let histories: Vec<History> = rounds.iter().map(|round| round.history.clone()).collect();
    for trouble in weather {
        suffer(trouble, broker, &histories).await;
    }
    calm.send_replace(true);
    let living = tokio::select! {
        living = living.join_all() => living,
        never = elect(broker, &rounds) => match never {},
    };
    let (rested, panicked) = split(living);
    // What was written down of a round that panicked is in its history.
    let of = |seed| rounds.iter().find(|round: &&Arc<Round>| round.plan.seed == seed);
    ended.extend(
        panicked.into_iter().map(|red: Red| of(red.seed).map_or(red.clone(), |round| round.red(red.why))),
    );
    let prefixes: Vec<String> = rounds.iter().map(|round| round.prefix.clone()).collect();
    let mut closing = JoinSet::new();
    let left = left(broker, &prefixes).await;
    for (round, rested) in rested {
        let of_round = |line: &&String| line.starts_with(&format!("{}.", round.prefix));
        let left: Vec<String> =
            left.iter().filter(of_round).map(|line| format!("the broker still holds {line}")).collect();
        closing.spawn(named(round.plan.seed, async move { round.close(rested, left).await }));
    }
    drop(rounds);
    let (closed, panicked) = split(closing.join_all().await);
    ended.extend(panicked);
    forget(broker, &prefixes).await;
    closed.into_iter().chain(ended.into_iter().map(Err)).collect()
}

/// What a task gives, or that it panicked.
async fn named<T: Send + 'static>(
    seed: u64,
    task: impl Future<Output = T> + Send + 'static,
) -> Result<T, Red> {
    tokio::spawn(task).await.map_err(|error: JoinError| {
        let why = match error.try_into_panic() {
            Ok(panic) => match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(panic) => panic.downcast_ref::<&str>().map_or("a panic", |text| text).to_owned(),
            },
            Err(error) => error.to_string(),
        };
        Red { seed, why: vec![why], history: String::new() }
    })
}

fn split<T>(results: Vec<Result<T, Red>>) -> (Vec<T>, Vec<Red>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(one) => good.push(one),
            Err(red) => bad.push(red),
        }
    }
    (good, bad)
}

/// Lets the broker suffer, and heals it.
async fn suffer(trouble: Trouble, broker: &Arc<Broker>, histories: &[History]) {
    sleep(trouble.at).await;
    let name = trouble.harm.name();
    let going: Vec<_> =
        histories.iter().map(|history| history.fails(name, format!("{:?}", trouble.harm))).collect();
    let harm = trouble.harm;
    on(broker, move |broker| match harm {
        Harm::BrokerNodeKilled(node) => broker.node(node).kill(),
        Harm::BrokerNodeStopped(node) => broker.node(node).stop(),
        Harm::BrokerNodeFrozen(node) => broker.node(node).freeze(),
        // One node after the other, as it is done for an upgrade: nodes that all stop at once may wait for each other when they start.
        Harm::BrokerRestarted => broker.nodes().iter().for_each(|node| {
            node.stop();
            node.start();
        }),
        Harm::MemoryAlarm => broker.node(0).raise_alarm(),
        _ => {}
    })
    .await;
    sleep(trouble.lasts).await;
    on(broker, move |broker| match harm {
        Harm::BrokerNodeKilled(node) | Harm::BrokerNodeStopped(node) => broker.node(node).start(),
        Harm::BrokerNodeFrozen(node) => broker.node(node).thaw(),
        Harm::BrokerAbsentAtStart => std::thread::scope(|scope| {
            broker.nodes().iter().for_each(|node| drop(scope.spawn(|| node.start())));
        }),
        Harm::MemoryAlarm => broker.node(0).clear_alarm(),
        _ => {}
    })
    .await;
    histories.iter().zip(going).for_each(|(history, going)| history.mended(going));
}

/// Waits until all queues of these rounds have their members and leaders. A node of RabbitMQ 3.10 that ends while a queue is made may leave it with one
/// member of three, which nobody can mend; queues are made once.
async fn all_are_made(broker: &Arc<Broker>, rounds: &[Arc<Round>]) {
    let wanted: Vec<String> = rounds.iter().flat_map(|round| round.queues()).collect();
    for node in 0..broker.nodes().len() {
        let until = Instant::now() + MAKING_TIME_MAX;
        loop {
            let members = on(broker, move |broker| broker.members_at(node)).await.unwrap_or_default();
            let missing: Vec<&String> =
                wanted.iter().filter(|queue| members.get(*queue) != Some(&true)).collect();
            if missing.is_empty() {
                break;
            }
            assert!(Instant::now() < until, "the broker does not make {missing:?}");
        }
    }
}

/// Does what an operator does about a queue of these rounds that has no leader, although the broker is well: RabbitMQ 3.10 may never elect one when a
/// node ended in the moment in which the queue was made. Ends only by being given up.
async fn elect(broker: &Arc<Broker>, rounds: &[Arc<Round>]) -> Infallible {
    let mut before = HashSet::new();
    loop {
        sleep(ELECTING_TIME_MAX).await;
        let members = on(broker, |broker| broker.members_at(0)).await.unwrap_or_default();
        let leaderless: HashSet<String> =
            members.into_iter().filter_map(|(queue, has_leader)| (!has_leader).then_some(queue)).collect();
        for queue in leaderless.intersection(&before) {
            let of = |round: &&Arc<Round>| queue.starts_with(&format!("{}.", round.prefix));
            let Some(round) = rounds.iter().find(of) else { continue };
            let electing = queue.clone();
            if on(broker, move |broker| broker.elect(&electing)).await.is_ok() {
                round.history.elects(queue);
            }
        }
        before = leaderless;
    }
}

/// The queues of these prefixes that hold anything, or are of what could not be read, once the broker has counted.
async fn left(broker: &Arc<Broker>, prefixes: &[String]) -> Vec<String> {
    let until = Instant::now() + COUNTING_TIME_MAX;
    loop {
        let queues = on(broker, |broker| broker.node(0).control(&["list_queues", "name", "messages"])).await;
        let of_us = |line: &&str| prefixes.iter().any(|prefix| line.starts_with(&format!("{prefix}.")));
        // What is held stays in the queues that tell of it.
        let is_full = |line: &&str| !line.ends_with("\t0") && !line.contains(".control.");
        let left: Vec<&str> = queues.lines().filter(of_us).filter(is_full).collect();
        if left.is_empty() {
            return Vec::new();
        }
        if Instant::now() > until {
            let mut told = Vec::new();
            for (queue, count) in left.iter().filter_map(|line| line.split_once('\t')) {
                let name = queue.to_owned();
                let members = on(broker, move |broker| broker.members_say(&name)).await;
                told.push(format!("{queue}: {count}; {}", members.unwrap_or_else(|error| error)));
            }
            return told;
        }
        sleep(ASK_EVERY).await;
    }
}

/// How long taking queues away may take, before the next rounds begin all the same.
const FORGETTING_TIME_MAX: Duration = Duration::from_secs(30);

/// Takes the queues of rounds that have ended away from the broker.
async fn forget(broker: &Arc<Broker>, prefixes: &[String]) {
    let ours = prefixes.iter().map(|prefix| format!("<<\"{prefix}.\">>")).collect::<Vec<_>>().join(", ");
    let term = format!(
        "Ours = [{ours}], \
         Is = fun(Q) -> {{resource, _, queue, Name}} = amqqueue:get_name(Q), \
              lists:any(fun(P) -> binary:longest_common_prefix([P, Name]) =:= byte_size(P) end, Ours) end, \
         [rabbit_amqqueue:delete(Q, false, false, <<\"tests\">>) || Q <- rabbit_amqqueue:list(), Is(Q)], ok."
    );
    // A queue that has no leader is deleted slowly or not at all: it is in nobody's way.
    let broker = broker.clone();
    let forgetting = spawn_blocking(move || broker.node(0).try_control(&["eval", &term]));
    let _ = timeout(FORGETTING_TIME_MAX, forgetting).await;
}

/// Does something with the broker that takes its time.
async fn on<T: Send + 'static>(broker: &Arc<Broker>, deed: impl FnOnce(&Broker) -> T + Send + 'static) -> T {
    let broker = broker.clone();
    let doing = timeout(Duration::from_secs(300), spawn_blocking(move || deed(&broker)));
    doing.await.expect("the broker does it in time").expect("the broker does it")
}
