//! A customer's token: its own sites, and nothing of anybody else's.

use serde_json::{Value, json};

use super::steering::{JSON, TOML, customers, operator, send, token, value};
use crate::kit::*;

/// What an operation is asked about a site that is not the caller's: target and body.
fn question(method: &str, path: &str, document: &str) -> (String, String) {
    let target =
        path.replace("{name}", "secret-site").replace("{preset}", "small").replace("{id}", "1");
    let url = "http://secret-host.test/";
    let body = match (method, path) {
        ("get", "/v1/objects") => return (format!("{target}?url={url}"), String::new()),
        ("get", "/v1/usage") => return (format!("{target}?site=secret-site"), String::new()),
        ("get", "/v1/tail") => return (format!("{target}?limit=0"), String::new()),
        ("get", "/v1/sites") => return (format!("{target}?customer=rival"), String::new()),
        ("get" | "delete", _) => return (target, String::new()),
        ("put", "/v1/sites/{name}") => {
            return (target, document.replace("rival", "acme"));
        }
        (_, "/v1/sites/{name}/validate") => return (target, document.to_owned()),
        ("put", "/v1/sites/{name}/rules") => json!({ "rules": [] }),
        ("put", _) => json!({ "value": "/fw/1" }),
        (_, "/v1/explain") => json!({ "url": url }),
        (_, "/v1/purge") => json!({ "hosts": ["secret-host.test"] }),
        (_, "/v1/warm") => json!({ "urls": [url] }),
        (_, "/v1/tokens") => json!({ "name": "x", "role": "read" }),
        _ => json!({}),
    };
    (target, body.to_string())
}

/// An answer without what may be repeated of the question.
fn told(text: &str) -> String {
    [
        "there is no site `secret-site`",
        "no site has the host `secret-host.test`",
        "the name `secret-site` is another's",
        "`http://secret-host.test/`",
    ]
    .iter()
    .fold(text.to_owned(), |text, own| text.replace(own, ""))
}

#[tokio::test]
async fn no_path_tells_or_changes_anything_of_another_customers_site() {
    let origin = Origin::start().await;
    origin.on("/", |_| Reply::ok("rival's words").header("Cache-Control", "max-age=600"));
    let edge = customers(&origin).await;
    edge.client().await.get("secret-host.test", "/").send().await.whole(200);
    let mine = token(&edge, "edit", Some("acme")).await;
    let api = value(&send(&edge, "", ("GET", "/v1/openapi.json"), &[], "").await);
    let file = edge.path("sites.d/secret-site.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let mut tried = 0;
    let paths = api["paths"].as_object().unwrap().iter();
    for (path, item) in paths.filter(|(path, _)| path.starts_with("/v1/")) {
        for method in item.as_object().unwrap().keys() {
            let (target, body) = question(method, path, &before);
            let kind = if body.starts_with('{') { JSON } else { TOML };
            let asked = (&*method.to_uppercase(), &*target);
            let answer = send(&edge, &mine, asked, &[kind], &body).await;
            let (status, told) = (answer.status, told(&answer.text()));
            assert!(status < 500, "{asked:?}: {status} {told}");
            assert!(!told.contains("secret") && !told.contains("rival"), "{asked:?}: {told}");
            tried += 1;
        }
    }
    assert!(tried >= 30, "{tried}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    assert!(edge.client().await.get("secret-host.test", "/").send().await.hit());
    let everything = json!({ "all": true, "mode": "hard" }).to_string();
    let purged = send(&edge, &mine, ("POST", "/v1/purge"), &[JSON], &everything).await;
    assert_eq!(purged.status, 200, "{}", purged.text());
    assert!(edge.client().await.get("secret-host.test", "/").send().await.hit());
}

/// All that the shapes of other networks' APIs have, about a site that is not the caller's.
const ALIASES: [(&str, &str, &str); 24] = [
    ("GET", "/service", ""),
    ("GET", "/service/secret-site", ""),
    ("GET", "/service/secret-site/details", ""),
    ("GET", "/service/secret-site/version", ""),
    ("POST", "/service/secret-site/purge", r#"{"surrogate_keys": ["all"]}"#),
    ("POST", "/service/secret-site/purge/all", ""),
    ("POST", "/service/secret-site/purge_all", ""),
    ("POST", "/purge/http://secret-host.test/", ""),
    ("POST", "/purge/secret-host.test/", ""),
    ("GET", "/tokens/self", ""),
    ("GET", "/current_user", ""),
    ("GET", "/current_customer", ""),
    ("GET", "/client/v4/user/tokens/verify", ""),
    ("GET", "/client/v4/zones", ""),
    ("GET", "/client/v4/zones?name=secret-host.test", ""),
    ("GET", "/client/v4/zones/secret-site", ""),
    ("GET", "/client/v4/zones/secret-site/pagerules", ""),
    ("GET", "/client/v4/zones/secret-site/settings/development_mode", ""),
    ("POST", "/client/v4/zones/secret-site/purge_cache", r#"{"purge_everything": true}"#),
    ("POST", "/client/v4/zones/mine/purge_cache", r#"{"files": ["http://secret-host.test/"]}"#),
    ("POST", "/client/v4/zones/mine/purge_cache", r#"{"hosts": ["secret-host.test"]}"#),
    ("POST", "/client/v4/zones/mine/purge_cache", r#"{"prefixes": ["secret-host.test/"]}"#),
    ("POST", "/purge", r#"{"urls": "http://secret-host.test/"}"#),
    ("POST", "/buckets/purge/batch", r#"{"source_url": "http://secret-host.test/*", "noif": 1}"#),
];

#[tokio::test]
async fn no_alias_tells_or_purges_anything_of_another_customers_site() {
    let origin = Origin::start().await;
    origin.on("/", |_| {
        let reply = Reply::ok("rival's words").header("Cache-Control", "max-age=600");
        reply.header("Surrogate-Key", "all")
    });
    let edge = customers(&origin).await;
    edge.client().await.get("secret-host.test", "/").send().await.whole(200);
    let mine = token(&edge, "edit", Some("acme")).await;
    for (method, target, body) in ALIASES {
        let answer = send(&edge, &mine, (method, target), &[JSON], body).await;
        let told = told(&answer.text()).replace(target, "").replace("http://secret-host.test/", "");
        assert!(answer.status < 500, "{method} {target}: {} {told}", answer.status);
        let silent = !told.contains("secret") && !told.contains("rival");
        assert!(silent, "{method} {target}: {told}");
        let hit = edge.client().await.get("secret-host.test", "/").send().await.hit();
        assert!(hit, "{method} {target}: {told}");
    }
    // The same as the operator: it was no wrong shape that kept them from it.
    let purges = ALIASES.iter().filter(|(method, ..)| *method == "POST");
    for (method, target, body) in purges {
        let answer = send(&edge, &operator(&edge), (method, target), &[JSON], body).await;
        assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
        let hit = edge.client().await.get("secret-host.test", "/").send().await.hit();
        assert!(!hit, "{method} {target} {body}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_customer_purges_at_its_rate_and_the_operator_at_any() {
    let origin = Origin::start().await;
    let edge = Edge::setup()
        .site("mine", &format!("customer = \"acme\"\n{}", site(&["mine.test"], &origin, "")))
        .admin("purge_rate = 2")
        .start()
        .await;
    let (operator, mine) = (operator(&edge), token(&edge, "purge", Some("acme")).await);
    let order = |count: usize| json!({ "urls": vec!["http://mine.test/"; count] }).to_string();
    let purge = async |token: &str, count: usize| {
        send(&edge, token, ("POST", "/v1/purge"), &[JSON], &order(count)).await
    };
    let refused = purge(&mine, 21).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("21 are more than 20"), "{}", refused.text());
    assert_eq!(purge(&mine, 20).await.status, 200);
    let refused = purge(&mine, 20).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1".into()));
    assert_eq!(purge(&operator, 1000).await.status, 200);
}

#[tokio::test]
async fn a_customer_changes_its_own_sites_within_bounds() {
    let origin = Origin::start().await;
    let edge = customers(&origin).await;
    let (operator, mine) = (operator(&edge), token(&edge, "edit", Some("acme")).await);
    let list = value(&send(&edge, &mine, ("GET", "/v1/sites"), &[], "").await);
    assert_eq!((&list["total"], &list["sites"][0]["name"]), (&json!(1), &json!("mine")));
    let of =
        |hosts: &[&str], more: &str| format!("customer = \"acme\"\n{}", site(hosts, &origin, more));
    let files = "[tls]\ncertificate = \"/etc/passwd\"\nkey = \"/etc/passwd\"";
    for (name, text, status) in [
        ("mine", of(&["mine.test"], "# new"), 200),
        // Its site would be nobody's, or have another's host, or read the node's files.
        ("mine", site(&["mine.test"], &origin, ""), 422),
        ("mine", of(&["secret-host.test"], ""), 409),
        ("mine", of(&["mine.test"], files), 422),
        ("secret-site", of(&["x.test"], ""), 409),
        ("more", of(&["more.test"], ""), 201),
    ] {
        let put = ("PUT", &*format!("/v1/sites/{name}"));
        let answer = send(&edge, &mine, put, &[TOML], &text).await;
        assert_eq!(answer.status, status, "{text}: {}", answer.text());
        assert!(!told(&answer.text()).contains("secret-site"), "{}", answer.text());
    }
    let list: Value = value(&send(&edge, &operator, ("GET", "/v1/sites"), &[], "").await);
    assert_eq!(list["total"], json!(4));
}
