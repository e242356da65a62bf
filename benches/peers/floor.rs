//! The floor: what bare hyper costs for a response that is ready in memory, and nothing else.
//!
//! One thread, one lookup by path, a prebuilt body and seven prebuilt fields. `run.py` measures it
//! beside the caches, and uses a second copy as their origin. As such it also answers `/o/...`,
//! `/miss/...`, `/o10k/...` and `/o1m/...` with a body of 1 KiB, 10 KiB or 1 MiB that begins with the
//! path, as many objects as there are paths, and `/1g` with 1 GiB.
//!
//! ```text
//! floor --http ADDRESS [--https ADDRESS --certificate FILE --key FILE]
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn Error + Send + Sync>;
type Object = Response<Full<Bytes>>;
type Objects = HashMap<&'static str, Object>;

/// Path, size of the body, Cache-Control.
const OBJECTS: &[(&str, usize, &str)] = &[
    ("/1k", 1 << 10, "max-age=86400"),
    ("/10k", 10 << 10, "max-age=86400"),
    ("/100k", 100 << 10, "max-age=86400"),
    ("/1m", 1 << 20, "max-age=86400"),
    ("/100m", 100 << 20, "max-age=86400"),
    ("/pass", 1 << 10, "no-store"),
];

fn main() -> Result<(), Failure> {
    let options: HashMap<String, String> = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .chunks(2)
        .filter_map(|pair| Some((pair.first()?.clone(), pair.get(1)?.clone())))
        .collect();
    let objects = Rc::new(objects()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        if let Some(address) = options.get("--https") {
            let acceptor = acceptor(&options)?;
            let listener = listen(address.parse()?).await?;
            tokio::task::spawn_local(accept_tls(listener, acceptor, objects.clone()));
        }
        let address = options.get("--http").ok_or("--http ADDRESS is missing")?;
        let listener = listen(address.parse()?).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(serve(stream, false, objects.clone()));
        }
    })
}

fn objects() -> Result<Objects, Failure> {
    let mut found = HashMap::new();
    for (path, size, cache_control) in OBJECTS {
        let body: Vec<u8> = (0..*size).map(|index| (index * 7 % 251) as u8).collect();
        found.insert(*path, object(Bytes::from(body), cache_control)?);
    }
    Ok(found)
}

fn object(body: Bytes, cache_control: &'static str) -> Result<Object, Failure> {
    let size = body.len();
    let mut response = Response::new(Full::new(body));
    let fields: &mut HeaderMap = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
    fields.insert(header::ETAG, HeaderValue::from_str(&format!("\"{size:x}\""))?);
    let modified = HeaderValue::from_static("Sun, 01 Nov 2026 00:00:00 GMT");
    fields.insert(header::LAST_MODIFIED, modified);
    fields.insert(header::SERVER, HeaderValue::from_static("floor"));
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Ok(response)
}

/// The answer to a request: a prebuilt object, a part of one, or what only an origin is asked for.
fn answer<B>(request: &Request<B>, objects: &Objects) -> Result<Object, Failure> {
    let path = request.uri().path();
    if let Some(found) = objects.get(path) {
        let range = request.headers().get(header::RANGE);
        let part = range.and_then(|it| part(found, it.to_str().ok()?));
        return Ok(part.unwrap_or_else(|| found.clone()));
    }
    let size = match path.split('/').nth(1) {
        Some("o" | "miss") => 1 << 10,
        Some("o10k") => 10 << 10,
        Some("o1m") => 1 << 20,
        Some("1g") => 1 << 30,
        _ => 0,
    };
    if size > 0 {
        let mut body = path.as_bytes().to_vec();
        body.resize(size, b'.');
        return object(Bytes::from(body), "max-age=86400");
    }
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}

/// One range with both ends, as the bench asks for it; any other is as good as none.
fn part(whole: &Object, range: &str) -> Option<Object> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
    let body = whole.body().clone().into_inner()?;
    let size = body.len();
    if first > last || last >= size {
        return None;
    }
    let mut response = whole.clone();
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    *response.body_mut() = Full::new(body.slice(first..=last));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(last - first + 1));
    let range = HeaderValue::from_str(&format!("bytes {first}-{last}/{size}")).ok()?;
    fields.insert(header::CONTENT_RANGE, range);
    Some(response)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    Ok(TcpListener::bind(address).await?)
}

fn acceptor(options: &HashMap<String, String>) -> Result<TlsAcceptor, Failure> {
    let file = |name: &str| -> Result<BufReader<File>, Failure> {
        let path = options.get(name).ok_or_else(|| format!("{name} FILE is missing"))?;
        Ok(BufReader::new(File::open(path)?))
    };
    let chain: Vec<CertificateDer> =
        CertificateDer::pem_reader_iter(file("--certificate")?).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_reader(file("--key")?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.send_tls13_tickets = 1;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn accept_tls(listener: TcpListener, acceptor: TlsAcceptor, objects: Rc<Objects>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, objects) = (acceptor.clone(), objects.clone());
        tokio::task::spawn_local(async move {
            if stream.set_nodelay(true).is_err() {
                return;
            }
            if let Ok(stream) = acceptor.accept(stream).await {
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                serve(stream, http2, objects).await;
            }
        });
    }
}

/// Serves one connection to its end; how it ends is the client's affair.
async fn serve<S>(stream: S, http2: bool, objects: Rc<Objects>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        std::future::ready(answer(&request, &objects))
    });
    let io = TokioIo::new(stream);
    if http2 {
        let builder = hyper::server::conn::http2::Builder::new(Here);
        drop(builder.serve_connection(io, service).await);
    } else {
        let builder = hyper::server::conn::http1::Builder::new();
        drop(builder.serve_connection(io, service).await);
    }
}

/// Runs hyper's tasks on this thread.
#[derive(Clone)]
struct Here;

impl<F: Future + 'static> Executor<F> for Here
where
    F::Output: 'static,
{
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}
