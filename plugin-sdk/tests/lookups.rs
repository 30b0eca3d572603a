//! Prefetching: how many calls a batch costs, and that nobody can tell.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

use plugin_sdk::codes;
use plugin_sdk::prelude::*;
use plugin_sdk::testing::{Report, Run, Store, json};

/// Follows two lookups: order, then its customer, then the customer's city.
struct Cities;

impl Migration for Cities {
    fn manifest() -> Manifest {
        Manifest::new("cities", "orders")
            .reads("customers")
            .reads("cities")
    }

    fn transform(order: &Document, context: &Context) -> Result<Outcome, Failure> {
        context.info(format_args!("order {}", order.id()));
        let customer: u32 = order.require("/customer")?;
        let Some(customer) = context.get("customers", customer)? else {
            return Err(Failure::new("no-customer", "no such customer").at("/customer"));
        };
        let zip: String = customer.require("/zip")?;
        match context.find_one("cities", [at("/zip").equals(&zip)])? {
            Some(city) => Ok(Edits::new().set("/city", city.id()).into()),
            None => Ok(Outcome::skip("no city")),
        }
    }
}

fn orders(count: u32) -> Store {
    Store::new()
        .with(
            "customers",
            (0..50).map(|n| (n, json!({"zip": format!("z{}", n % 7)}))),
        )
        .with(
            "cities",
            (0..5).map(|n| (format!("city{n}"), json!({"zip": format!("z{n}")}))),
        )
        .with(
            "orders",
            (0..count).map(|n| (format!("{n:04}"), json!({"customer": n % 60}))),
        )
}

#[test]
fn a_thousand_documents_cost_two_calls() {
    let mut store = orders(1000);
    let report = Run::new().batch_size(1000).migrate::<Cities>(&mut store);
    assert_eq!(report.lookups, 2);
    assert_eq!(
        (report.total, report.updated, report.skipped, report.failed),
        (1000, 606, 234, 160)
    );
}

#[test]
fn the_size_of_a_batch_changes_nothing_but_the_calls() {
    let run = |size| {
        let mut store = orders(200);
        let report = Run::new().batch_size(size).migrate::<Cities>(&mut store);
        (store, report)
    };
    let (expected, one_by_one) = run(1);
    for size in [2, 7, 64, 200] {
        let (store, report) = run(size);
        assert_eq!(store, expected, "batches of {size}");
        let lookups = one_by_one.lookups;
        assert_eq!(
            Report { lookups, ..report },
            one_by_one,
            "batches of {size}"
        );
    }
}

#[test]
fn what_an_attempt_that_waits_logs_is_thrown_away() {
    let mut store = orders(3);
    let report = Run::new().migrate::<Cities>(&mut store);
    let lines: Vec<_> = report.logs.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(lines, ["order 0000", "order 0001", "order 0002"]);
}

/// Swallows the failure of a lookup, and would get it wrong if the outcome counted.
struct Swallows;

impl Migration for Swallows {
    fn manifest() -> Manifest {
        Manifest::new("swallows", "orders").reads("customers")
    }

    fn transform(order: &Document, context: &Context) -> Result<Outcome, Failure> {
        let customer: u32 = order.require("/customer")?;
        Ok(match context.get("customers", customer) {
            Ok(Some(_)) => Edits::new().set("/found", true).into(),
            Ok(None) => Outcome::skip("no customer"),
            Err(_) => Outcome::delete(),
        })
    }
}

#[test]
fn an_outcome_of_an_attempt_that_waits_does_not_count() {
    let mut store = orders(60);
    let report = Run::new().migrate::<Swallows>(&mut store);
    assert_eq!(
        (report.updated, report.skipped, report.deleted),
        (50, 10, 0)
    );
}

/// Climbs to the root of a tree.
struct Roots;

impl Migration for Roots {
    const LOOKUPS: u32 = 20;

    fn manifest() -> Manifest {
        Manifest::new("roots", "nodes").reads("nodes")
    }

    fn transform(node: &Document, context: &Context) -> Result<Outcome, Failure> {
        let mut top = node;
        while let Some(parent) = top.get::<String>("/parent")? {
            let Some(next) = context.get("nodes", &parent)? else {
                break;
            };
            top = next;
        }
        Ok(Edits::new().set("/root", top.id()).into())
    }
}

#[test]
fn the_limit_of_lookups_does_not_depend_on_the_batch() {
    // A chain of 30: those deeper than 20 fail, even where the rest of the batch has fetched all
    // they need.
    let chain = (1..=30).map(|n| {
        (
            format!("{n:02}"),
            json!({"parent": format!("{:02}", n - 1)}),
        )
    });
    let nodes = Store::new()
        .with("nodes", chain)
        .with("nodes", [("00", json!({}))]);
    let circle = [("a", json!({"parent": "b"})), ("b", json!({"parent": "a"}))];
    let nodes = nodes.with("nodes", circle);
    let run = |size| {
        let mut store = nodes.clone();
        let report = Run::new().batch_size(size).migrate::<Roots>(&mut store);
        (store, report.errors, report.updated)
    };
    let (store, errors, updated) = run(1000);
    assert_eq!(updated, 21);
    assert_eq!(errors.len(), 12);
    assert_eq!(errors[0].id, "21");
    assert_eq!(errors[0].code, codes::TOO_MANY_LOOKUPS);
    assert!(errors[0].message.contains("more than 20 lookups"));
    assert!(errors[0].message.contains("LOOKUPS"));
    assert_eq!(run(1), (store.clone(), errors.clone(), updated));
    assert_eq!(run(5), (store, errors, updated));
}

/// Asks for something else each time.
struct Impure;

impl Migration for Impure {
    fn manifest() -> Manifest {
        Manifest::new("impure", "orders").reads("customers")
    }

    fn transform(_: &Document, context: &Context) -> Result<Outcome, Failure> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let id = CALLS.fetch_add(1, Ordering::Relaxed);
        context.get("customers", format_args!("none{id}"))?;
        Ok(Outcome::skip("never"))
    }
}

#[test]
fn a_transform_that_is_not_pure_is_caught() {
    let report = Run::new().migrate::<Impure>(&mut orders(2));
    assert_eq!(report.failed, 2);
    assert_eq!(report.errors[0].code, codes::IMPURE);
}

/// Looks several documents up at once, some of them twice.
struct Approvers;

impl Migration for Approvers {
    fn manifest() -> Manifest {
        Manifest::new("approvers", "policies").reads("users")
    }

    fn transform(policy: &Document, context: &Context) -> Result<Outcome, Failure> {
        let ids: Vec<String> = policy.require("/approved_by")?;
        let known = context.get_many("users", &ids)?;
        let names: Vec<Option<String>> = known
            .into_iter()
            .map(|user| user.map(|user| user.require("/name")).transpose())
            .collect::<Result<_, _>>()?;
        Ok(Edits::new().set("/names", names).into())
    }
}

#[test]
fn get_many_is_one_call_and_keeps_the_order() {
    let mut store = Store::new()
        .with(
            "users",
            [("a", json!({"name": "A"})), ("b", json!({"name": "B"}))],
        )
        .with(
            "policies",
            [("p", json!({"approved_by": ["b", "x", "a", "b"]}))],
        );
    let report = Run::new().migrate::<Approvers>(&mut store);
    assert_eq!(report.lookups, 1);
    let names = &store.get("policies", "p").unwrap()["names"];
    assert_eq!(*names, json!(["B", null, "A", "B"]));
}

/// Reads a table that its manifest does not declare.
struct Forbidden;

impl Migration for Forbidden {
    fn manifest() -> Manifest {
        Manifest::new("forbidden", "orders")
    }

    fn transform(_: &Document, context: &Context) -> Result<Outcome, Failure> {
        context.get("customers", 1)?;
        Ok(Outcome::skip("found"))
    }
}

#[test]
fn a_refused_lookup_fails_the_document_that_asks() {
    let report = Run::new().migrate::<Forbidden>(&mut orders(1));
    assert_eq!(report.errors[0].code, codes::LOOKUP_NOT_GRANTED);
}
