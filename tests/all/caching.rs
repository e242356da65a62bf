//! What is stored and what is not, and what the answers say about it (RFC 9111, RFC 5861, RFC 9211).

use crate::kit::*;

#[tokio::test]
async fn second_request_is_a_hit_with_age() {
    let origin = Origin::start().await;
    let proof = Proof::new("a.test", "/x", 1, 5000);
    origin.serves("/x", "max-age=60", &proof);
    let edge = Edge::before(&origin).await;
    let first = edge.get("/x").await;
    proof.check_whole(first.whole(200));
    assert!(first.cache_status().contains("fwd=uri-miss"), "{:?}", first.head);
    assert!(first.cache_status().contains("stored"), "{:?}", first.head);
    tokio::time::sleep(ms(1100)).await;
    let second = edge.get("/x").await;
    proof.check_whole(second.whole(200));
    assert!(second.hit() && (1..5).contains(&second.age()), "{:?}", second.head);
    assert!(second.cache_status().contains("ttl="), "{:?}", second.head);
    for field in ["etag", "date", "content-type"] {
        assert_eq!(first.header(field), second.header(field), "{field}");
    }
    assert_eq!(origin.count("/x"), 1);
}

#[tokio::test]
async fn what_must_not_be_stored_is_asked_for_each_time() {
    let origin = Origin::start().await;
    type Fields = &'static [(&'static str, &'static str)];
    let answers: &[(&str, Fields, &str)] = &[
        ("/no-store", &[("Cache-Control", "no-store")], "no-store"),
        ("/private", &[("Cache-Control", "private, max-age=60")], "private"),
        ("/cookie", &[("Cache-Control", "max-age=60"), ("Set-Cookie", "who=me")], "set-cookie"),
        ("/any", &[("Cache-Control", "max-age=60"), ("Vary", "*")], "vary-star"),
        ("/silent", &[], "no-freshness"),
    ];
    for (path, fields, _) in answers {
        origin.on(path, move |_| {
            fields.iter().fold(Reply::ok("x"), |reply, (name, value)| reply.header(name, value))
        });
    }
    let edge = Edge::before(&origin).await;
    for (path, _, reason) in answers {
        // Why the origin was asked, and why its answer is not stored; then this is known.
        for (asked, why) in
            [("uri-miss", *reason), ("miss", "uncacheable"), ("miss", "uncacheable")]
        {
            let answer = edge.get(path).await;
            answer.whole(200);
            assert!(!answer.hit() && !answer.has("age"), "{path}: {:?}", answer.head);
            let told = format!("brink; fwd={asked}; fwd-status=200; detail={why}");
            assert_eq!(answer.cache_status(), told, "{path}");
        }
        assert_eq!(origin.count(path), 3, "{path}");
    }
}

#[tokio::test]
async fn answer_to_authorization_stays_with_its_asker() {
    let origin = Origin::start().await;
    origin.on("/mine", |_| Reply::ok("mine").header("Cache-Control", "max-age=60"));
    origin.on("/ours", |_| Reply::ok("ours").header("Cache-Control", "public, max-age=60"));
    let edge = Edge::before(&origin).await;
    let who = [("Authorization", "Basic bWU6bWU=")];
    for (path, hit) in [("/mine", false), ("/ours", true)] {
        edge.get_with(path, &who).await.whole(200);
        assert_eq!(edge.get(path).await.hit(), hit, "{path}");
    }
    assert_eq!(origin.seen()[0].header("authorization").unwrap(), "Basic bWU6bWU=");
}

#[tokio::test]
async fn variants_are_told_apart_by_vary() {
    let origin = Origin::start().await;
    origin.on("/x", |seen| {
        Reply::ok(&seen.header("accept-language").unwrap_or_default())
            .header("Cache-Control", "max-age=60")
            .header("Vary", "Accept-Language")
    });
    let edge = Edge::before(&origin).await;
    for _ in 0..2 {
        for language in ["de", "fr", "it"] {
            let answer = edge.get_with("/x", &[("Accept-Language", language)]).await;
            assert_eq!(answer.whole(200), language.as_bytes());
        }
    }
    assert_eq!(origin.count("/x"), 3);
}

#[tokio::test]
async fn expired_entry_is_revalidated_and_refreshed() {
    let origin = Origin::start().await;
    let proof = Proof::new("a.test", "/x", 1, 9000);
    origin.serves("/x", "max-age=1", &proof);
    let edge = Edge::before(&origin).await;
    edge.get("/x").await.whole(200);
    tokio::time::sleep(ms(1500)).await;
    let answer = edge.get("/x").await;
    proof.check_whole(answer.whole(200));
    assert!(answer.cache_status().contains("fwd=stale"), "{:?}", answer.head);
    assert_eq!(origin.seen()[1].header("if-none-match").unwrap(), proof.etag());
    assert!(edge.get("/x").await.hit());
    assert_eq!(origin.count("/x"), 2);
}

#[tokio::test]
async fn stale_is_served_while_it_is_refreshed_behind() {
    let origin = Origin::start().await;
    let edge = Edge::before(&origin).await;
    let control = ("Cache-Control", "max-age=1, stale-while-revalidate=60");
    origin.on("/x", move |_| Reply::ok("old").header(control.0, control.1));
    edge.get("/x").await.whole(200);
    origin.on("/x", move |_| Reply::ok("new").delay(ms(300)).header(control.0, control.1));
    tokio::time::sleep(ms(1500)).await;
    assert_eq!(edge.get("/x").await.whole(200), b"old");
    until("the refresh comes in", async || edge.get("/x").await.body == b"new").await;
    assert_eq!(origin.count("/x"), 2);
}

#[tokio::test]
async fn stale_is_served_when_the_origin_fails() {
    let mut origin = Origin::start().await;
    origin.on("/x", |_| Reply::ok("x").header("Cache-Control", "max-age=1, stale-if-error=60"));
    origin.on("/strict", |_| {
        Reply::ok("x").header("Cache-Control", "max-age=1, stale-if-error=60, must-revalidate")
    });
    let edge = Edge::before(&origin).await;
    edge.get("/x").await.whole(200);
    edge.get("/strict").await.whole(200);
    tokio::time::sleep(ms(1500)).await;
    for path in ["/x", "/strict"] {
        origin.on(path, |_| Reply::new(503));
    }
    assert_eq!(edge.get("/x").await.whole(200), b"x");
    let strict = edge.get("/strict").await;
    assert_eq!(strict.cache_status(), "brink; fwd=stale; fwd-status=503; detail=no-freshness");
    origin.kill().await;
    assert_eq!(edge.get("/x").await.whole(200), b"x");
    let strict = edge.get("/strict").await;
    assert!((502..=504).contains(&strict.status), "{:?}", strict.head);
    assert!(strict.header("proxy-status").contains("error="), "{:?}", strict.head);
}

#[tokio::test]
async fn unsafe_method_drops_what_it_changes() {
    let origin = Origin::start().await;
    for path in ["/x", "/list", "/other"] {
        origin.on(path, |seen| match seen.method.as_str() {
            "GET" => Reply::ok("x").header("Cache-Control", "max-age=60"),
            _ => Reply::new(201).header("Location", "/list"),
        });
    }
    let edge = Edge::before(&origin).await;
    for path in ["/x", "/list", "/other"] {
        edge.get(path).await.whole(200);
    }
    let mut client = edge.client().await;
    let answer = client.ask("POST", "a.test", "/x").body(b"change").send().await;
    answer.whole(201);
    for (path, hit) in [("/x", false), ("/list", false), ("/other", true)] {
        assert_eq!(edge.get(path).await.hit(), hit, "{path}");
    }
}

#[tokio::test]
async fn head_is_answered_from_a_stored_get() {
    let origin = Origin::start().await;
    let proof = Proof::new("a.test", "/x", 1, 4321);
    origin.serves("/x", "max-age=60", &proof);
    let edge = Edge::before(&origin).await;
    edge.get("/x").await.whole(200);
    let mut client = edge.client().await;
    let answer = client.ask("HEAD", "a.test", "/x").send().await;
    assert_eq!(answer.whole(200), b"");
    assert_eq!(answer.header("content-length"), "4321");
    assert!(answer.hit());
    proof.check_whole(client.get("a.test", "/x").send().await.whole(200));
    assert_eq!(origin.count("/x"), 1);
}

#[tokio::test]
async fn sites_never_share_what_they_store() {
    let (one, two) = (Origin::start().await, Origin::start().await);
    for (origin, text) in [(&one, "one"), (&two, "two")] {
        origin.on("/x", move |_| Reply::ok(text).header("Cache-Control", "max-age=60"));
    }
    let setup = Edge::setup().site("one", &site(&["one.test"], &one, ""));
    let edge = setup.site("two", &site(&["two.test", "*.two.test"], &two, "")).start().await;
    for _ in 0..2 {
        for (host, text) in [("one.test", "one"), ("two.test", "two"), ("w.two.test", "two")] {
            let answer = edge.client().await.get(host, "/x").send().await;
            assert_eq!(answer.whole(200), text.as_bytes(), "{host}");
        }
    }
    assert_eq!((one.count("/x"), two.count("/x")), (1, 2));
}

#[tokio::test]
async fn stored_post_answer_keeps_its_cookie_for_its_asker() {
    let origin = Origin::start().await;
    origin.on("/x", |_| {
        Reply::ok("x")
            .header("Cache-Control", "max-age=60, no-cache=\"set-cookie\"")
            .header("Set-Cookie", "who=me")
            .header("Content-Location", "/x")
    });
    let edge = Edge::with(&origin, "").await;
    let mut client = edge.client().await;
    let answer = client.ask("POST", "a.test", "/x").body(b"q").send().await;
    assert_eq!(answer.header("set-cookie"), "who=me", "{:?}", answer.head);
    let answer = edge.get("/x").await;
    assert!(!answer.hit() || !answer.has("set-cookie"), "{:?}", answer.head);
}
