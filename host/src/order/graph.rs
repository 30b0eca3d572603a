//! Which migration comes when: after those that it runs after, then by version, then by name.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::error::Problem;

/// What decides a migration's place.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: u32,
    /// The names of those that it runs after.
    pub run_after: &'a [String],
    /// The file that it is in, for people.
    pub file: &'a str,
}

/// Puts migrations in order: the numbers of `nodes`.
///
/// Of those that could come next the one with the smallest version comes, and of these the one whose name comes
/// first. So the order depends on nothing but the migrations themselves. A migration that is none of `nodes`, but
/// `is_applied`, may be run after.
///
/// # Errors
/// Everything that forbids an order: two of one name, one that is run after and not there, a circle.
pub fn sort(
    nodes: &[Node<'_>],
    is_applied: impl Fn(&str) -> bool,
) -> Result<Vec<usize>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut files: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for (number, node) in nodes.iter().enumerate() {
        files.entry(node.name).or_default().insert(node.file);
        if numbers.insert(node.name, number).is_some() {
            twice.insert(node.name);
        }
    }
    for name in twice {
        problems.push(Problem::TwoOfOneName {
            name: name.into(),
            files: files
                .remove(name)
                .unwrap_or_default()
                .into_iter()
                .map(str::to_owned)
                .collect(),
        });
    }
    let mut missing = BTreeSet::new();
    for node in nodes {
        for after in node.run_after {
            if !numbers.contains_key(after.as_str()) && !is_applied(after) {
                missing.insert((node.name, after.as_str()));
            }
        }
    }
    problems.extend(missing.into_iter().map(|(name, after)| Problem::Missing {
        name: name.into(),
        after: after.into(),
    }));
    if !problems.is_empty() {
        return Err(problems);
    }
    let (order, left) = topological(nodes, &numbers);
    if left.is_empty() {
        Ok(order)
    } else {
        Err(vec![circle(nodes, &numbers, &left)])
    }
}

/// The migrations that a migration runs after, in `nodes`, each once.
fn before<'a>(
    node: &'a Node<'_>,
    numbers: &'a BTreeMap<&str, usize>,
) -> impl Iterator<Item = usize> + 'a {
    let names: BTreeSet<&str> = node.run_after.iter().map(String::as_str).collect();
    names
        .into_iter()
        .filter_map(|name| numbers.get(name).copied())
}

/// The order as far as there is one, and what is left.
fn topological(
    nodes: &[Node<'_>],
    numbers: &BTreeMap<&str, usize>,
) -> (Vec<usize>, BTreeSet<usize>) {
    let mut waits_for = vec![0_usize; nodes.len()];
    let mut waiting: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut ready = BinaryHeap::new();
    for (number, node) in nodes.iter().enumerate() {
        let mut count = 0;
        for earlier in before(node, numbers) {
            waiting.entry(earlier).or_default().push(number);
            count += 1;
        }
        if let Some(waits) = waits_for.get_mut(number) {
            *waits = count;
        }
        if count == 0 {
            ready.push(Reverse((node.version, node.name, number)));
        }
    }
    let mut order = Vec::with_capacity(nodes.len());
    let mut left: BTreeSet<usize> = (0..nodes.len()).collect();
    while let Some(Reverse((_, _, number))) = ready.pop() {
        order.push(number);
        left.remove(&number);
        for later in waiting.remove(&number).unwrap_or_default() {
            if let (Some(waits), Some(node)) = (waits_for.get_mut(later), nodes.get(later)) {
                *waits -= 1;
                if *waits == 0 {
                    ready.push(Reverse((node.version, node.name, later)));
                }
            }
        }
    }
    (order, left)
}

/// A circle among what is left: each of these runs after another of these.
fn circle(nodes: &[Node<'_>], numbers: &BTreeMap<&str, usize>, left: &BTreeSet<usize>) -> Problem {
    let mut walked: Vec<usize> = Vec::new();
    let mut next = left
        .iter()
        .copied()
        .min_by_key(|number| nodes.get(*number).map(|node| node.name));
    while let Some(number) = next {
        if let Some(start) = walked.iter().position(|seen| *seen == number) {
            walked.drain(..start);
            break;
        }
        walked.push(number);
        next = nodes
            .get(number)
            .and_then(|node| before(node, numbers).find(|earlier| left.contains(earlier)));
    }
    let mut names: Vec<String> = walked
        .iter()
        .filter_map(|number| nodes.get(*number))
        .map(|node| node.name.to_owned())
        .collect();
    // The same circle is told in the same way, wherever the walk came into it.
    if let Some(first) = (0..names.len()).min_by_key(|index| names.get(*index)) {
        names.rotate_left(first);
    }
    Problem::Circle { names }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug)]
    struct Owned {
        name: String,
        version: u32,
        run_after: Vec<String>,
    }

    fn nodes(owned: &[Owned]) -> Vec<Node<'_>> {
        owned
            .iter()
            .map(|node| Node {
                name: &node.name,
                version: node.version,
                run_after: &node.run_after,
                file: &node.name,
            })
            .collect()
    }

    fn names(owned: &[Owned]) -> Result<Vec<String>, Vec<Problem>> {
        let nodes = nodes(owned);
        Ok(sort(&nodes, |_| false)?
            .into_iter()
            .map(|number| nodes[number].name.to_owned())
            .collect())
    }

    fn node(name: &str, version: u32, run_after: &[&str]) -> Owned {
        Owned {
            name: name.into(),
            version,
            run_after: run_after.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn dependencies_come_first_then_versions_then_names() {
        let order = names(&[
            node("d", 1, &["z"]),
            node("b", 2, &[]),
            node("a", 2, &[]),
            node("z", 9, &["a"]),
            node("c", 1, &[]),
        ]);
        assert_eq!(order.unwrap(), ["c", "a", "b", "z", "d"]);
    }

    #[test]
    fn every_problem_is_told() {
        let problems = names(&[
            node("a", 1, &["x", "y", "x"]),
            node("b", 1, &["a"]),
            node("a", 2, &[]),
        ])
        .unwrap_err();
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "`a` is in two files: a",
                "`a` runs after `x`, which is neither in the folder nor applied",
                "`a` runs after `y`, which is neither in the folder nor applied",
            ]
        );
    }

    #[test]
    fn a_circle_is_told_without_those_that_only_wait_for_it() {
        let problems = names(&[
            node("a", 1, &["d"]),
            node("d", 1, &["c"]),
            node("c", 1, &["b"]),
            node("b", 1, &["d"]),
            node("free", 1, &[]),
        ])
        .unwrap_err();
        assert_eq!(
            problems,
            [Problem::Circle {
                names: vec!["b".into(), "d".into(), "c".into()]
            }]
        );
        let alone = names(&[node("a", 1, &["a"])]).unwrap_err();
        assert_eq!(
            alone[0].to_string(),
            "`a` runs after `a`: a circle has no beginning"
        );
    }

    #[test]
    fn what_is_applied_may_be_gone_from_the_folder() {
        let owned = [node("a", 1, &["gone"])];
        assert!(sort(&nodes(&owned), |name| name == "gone").is_ok());
        assert!(sort(&nodes(&owned), |_| false).is_err());
    }

    /// Random migrations, each running after some of those that stand before it: there is no circle.
    fn acyclic() -> impl Strategy<Value = Vec<Owned>> {
        prop::collection::vec((0_u32..6, prop::collection::vec(any::<u16>(), 0..4)), 1..40)
            .prop_map(|drawn| {
                drawn
                    .into_iter()
                    .enumerate()
                    .map(|(number, (version, after))| Owned {
                        // Names are in another order than the numbers.
                        name: format!("m{:02}", (number * 17) % 40),
                        version,
                        run_after: after
                            .into_iter()
                            .filter(|_| number > 0)
                            .map(|seed| format!("m{:02}", (usize::from(seed) % number * 17) % 40))
                            .collect(),
                    })
                    .collect()
            })
    }

    /// Random migrations with any dependencies among them.
    fn any_graph() -> impl Strategy<Value = Vec<Owned>> {
        prop::collection::vec((0_u32..4, prop::collection::vec(0_usize..14, 0..3)), 1..14).prop_map(
            |drawn| {
                drawn
                    .into_iter()
                    .enumerate()
                    .map(|(number, (version, after))| Owned {
                        name: format!("m{number:02}"),
                        version,
                        run_after: after.iter().map(|other| format!("m{other:02}")).collect(),
                    })
                    .collect()
            },
        )
    }

    fn place(order: &[String], name: &str) -> usize {
        order.iter().position(|found| found == name).unwrap()
    }

    proptest! {
        #[test]
        fn the_order_is_topological_and_each_comes_once(owned in acyclic()) {
            let order = names(&owned).unwrap();
            let once: BTreeSet<_> = order.iter().collect();
            prop_assert_eq!((once.len(), order.len()), (owned.len(), owned.len()));
            for node in &owned {
                for after in &node.run_after {
                    prop_assert!(place(&order, after) < place(&order, &node.name));
                }
            }
        }

        #[test]
        fn nothing_waits_that_could_have_come_earlier(owned in acyclic()) {
            let order = names(&owned).unwrap();
            for (index, name) in order.iter().enumerate().skip(1) {
                let find = |name: &str| owned.iter().find(|node| node.name == name).unwrap();
                let (this, previous) = (find(name), find(&order[index - 1]));
                // It stands behind a larger one only where it had to wait for that one.
                prop_assert!(
                    (previous.version, &previous.name) < (this.version, &this.name)
                        || this.run_after.contains(&previous.name)
                );
            }
        }

        #[test]
        fn the_order_of_files_does_not_matter(owned in acyclic(), seed in any::<u64>()) {
            let order = names(&owned).unwrap();
            let mut shuffled = owned;
            let mut random = seed;
            for index in (1..shuffled.len()).rev() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                shuffled.swap(index, usize::try_from(random >> 33).unwrap() % (index + 1));
            }
            prop_assert_eq!(names(&shuffled).unwrap(), order);
        }

        #[test]
        fn there_is_an_order_or_a_reason_why_not(owned in any_graph()) {
            let find = |name: &str| owned.iter().find(|node| node.name == name);
            match names(&owned) {
                Ok(order) => prop_assert_eq!(order.len(), owned.len()),
                Err(problems) => for problem in problems {
                    match problem {
                        Problem::Missing { name, after } => {
                            prop_assert!(find(&name).unwrap().run_after.contains(&after));
                            prop_assert!(find(&after).is_none());
                        }
                        Problem::Circle { names } => {
                            let next = names.iter().cycle().skip(1);
                            for (name, after) in names.iter().zip(next) {
                                prop_assert!(find(name).unwrap().run_after.contains(after));
                            }
                        }
                        other => prop_assert!(false, "{other}"),
                    }
                }
            }
        }
    }
}
