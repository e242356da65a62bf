//! Targeted cache control (RFC 9213): which field decides, what is invalid, what is stripped.

use crate::kit::*;

type Fields = &'static [(&'static str, &'static str)];

/// The fields of a response, and whether a second request may be answered from the store.
const TABLE: &[(Fields, bool)] = &[
    // Section 2.1: the first field of the target list that is there and valid decides alone.
    (&[("CDN-Cache-Control", "max-age=60"), ("Cache-Control", "no-store")], true),
    (&[("CDN-Cache-Control", "no-store"), ("Cache-Control", "max-age=60")], false),
    (&[("Brink-Cache-Control", "max-age=60"), ("CDN-Cache-Control", "no-store")], true),
    (&[("Brink-Cache-Control", "no-store"), ("CDN-Cache-Control", "max-age=60")], false),
    (&[("CDN-Cache-Control", "max-age=60"), ("Surrogate-Control", "no-store")], true),
    (&[("Surrogate-Control", "max-age=60"), ("Cache-Control", "no-store")], true),
    (&[("Surrogate-Control", "no-store"), ("Cache-Control", "max-age=60")], false),
    (&[("CDN-Cache-Control", "private"), ("Cache-Control", "public, max-age=60")], false),
    (&[("CDN-Cache-Control", "max-age=60"), ("Expires", "0")], true),
    (&[("CDN-Cache-Control", "max-age=0"), ("Cache-Control", "max-age=60")], false),
    (&[("CDN-Cache-Control", "s-maxage=60, max-age=0")], true),
    // Section 2.2: it is a dictionary; what does not parse, or is empty, is ignored.
    (&[("CDN-Cache-Control", "max-age=60;;"), ("Cache-Control", "no-store")], false),
    (&[("CDN-Cache-Control", "&&&"), ("Cache-Control", "max-age=60")], true),
    (&[("CDN-Cache-Control", "no-store=("), ("Cache-Control", "max-age=60")], true),
    (&[("CDN-Cache-Control", ""), ("Cache-Control", "max-age=60")], true),
    (&[("CDN-Cache-Control", "MAX-AGE=60"), ("Cache-Control", "max-age=60")], true),
    // Unknown members and parameters are ignored; the last of two members counts.
    (&[("CDN-Cache-Control", "max-age=60;p=1, ext=?0, other=\"s\"")], true),
    (&[("CDN-Cache-Control", "max-age=60, max-age=0")], false),
    (&[("CDN-Cache-Control", "max-age=0"), ("CDN-Cache-Control", "max-age=60")], true),
    (&[("CDN-Cache-Control", "no-store, max-age=60")], false),
    // A lifetime that is no integer makes the field invalid, and the next one decides.
    (&[("CDN-Cache-Control", "max-age=\"60\""), ("Cache-Control", "no-store")], false),
    (&[("CDN-Cache-Control", "max-age=\"60\""), ("Cache-Control", "max-age=60")], true),
    (&[("CDN-Cache-Control", "max-age=60.5"), ("Cache-Control", "no-store")], false),
    (&[("CDN-Cache-Control", "max-age"), ("Cache-Control", "max-age=60")], true),
    (&[("CDN-Cache-Control", "max-age=60, &&&&&"), ("Cache-Control", "no-store")], false),
    (&[("CDN-Cache-Control", "max-age=-1"), ("Cache-Control", "max-age=60")], false),
    // Another's field says nothing to us.
    (&[("Other-Cache-Control", "max-age=60"), ("Cache-Control", "no-store")], false),
    (&[("Other-Cache-Control", "no-store"), ("Cache-Control", "max-age=60")], true),
];

#[tokio::test]
async fn each_row_of_the_table_holds() {
    let origin = Origin::start().await;
    for (index, (fields, _)) in TABLE.iter().enumerate() {
        origin.on(&format!("/{index}"), move |_| {
            fields.iter().fold(Reply::ok("x"), |reply, (name, value)| reply.header(name, value))
        });
    }
    let edge = Edge::before(&origin).await;
    let mut wrong = Vec::new();
    for (index, (fields, stored)) in TABLE.iter().enumerate() {
        let path = format!("/{index}");
        edge.get(&path).await.whole(200);
        if edge.get(&path).await.hit() != *stored {
            wrong.push(format!("{fields:?}: stored {}", !stored));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn own_fields_are_stripped_and_those_for_others_pass() {
    let origin = Origin::start().await;
    origin.on("/x", |_| {
        Reply::ok("x")
            .header("Brink-Cache-Control", "max-age=60")
            .header("CDN-Cache-Control", "max-age=50")
            .header("Surrogate-Control", "max-age=40")
            .header("Surrogate-Key", "a b")
            .header("Cache-Control", "max-age=30")
    });
    let edge = Edge::before(&origin).await;
    for _ in 0..2 {
        let answer = edge.get("/x").await;
        assert_eq!(answer.header("cache-control"), "max-age=30");
        assert_eq!(answer.header("cdn-cache-control"), "max-age=50");
        for field in ["brink-cache-control", "surrogate-control", "surrogate-key"] {
            assert!(!answer.has(field), "{field} in {:?}", answer.head);
        }
    }
    assert_eq!(origin.count("/x"), 1);
}
