//! Speaks to a running node: through its admin socket, or over TCP with a token.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::cli::Reach;
use crate::config::NodeConfig;

/// The largest answer that is read.
const ANSWER_LIMIT: usize = 64 << 20;

/// A text as a part of a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Where a node listens, and what opens it.
pub(crate) enum Door {
    /// Its socket, which whoever may open it may use.
    Socket(PathBuf),
    /// Host and port, and a token.
    Address(String, String),
}

/// What is sent.
#[derive(Default)]
pub(crate) struct Message<'a> {
    /// Fields beside the usual ones.
    pub fields: &'a [(&'a str, &'a str)],
    /// Body and its media type.
    pub body: Option<(&'a str, Bytes)>,
}

impl Reach {
    /// How the node is reached: as the command line says, as the environment says (`BRINK_ADMIN`,
    /// `BRINK_TOKEN`), or by the socket that the settings file names.
    ///
    /// # Errors
    /// The settings file is needed but cannot be read, or an address has no token.
    pub(crate) fn door(&self) -> Result<Door, String> {
        if let Some(socket) = &self.socket {
            return Ok(Door::Socket(socket.clone()));
        }
        let admin = std::env::var("BRINK_ADMIN").unwrap_or_default();
        if admin.is_empty() {
            let config = NodeConfig::load(&self.config).map_err(|diagnostics| {
                diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            })?;
            return Ok(Door::Socket(config.admin.socket));
        }
        if admin.starts_with('/') {
            return Ok(Door::Socket(admin.into()));
        }
        let address = admin.strip_prefix("http://").unwrap_or(&admin).trim_end_matches('/');
        if address.parse::<Authority>().is_err() {
            return Err(format!("BRINK_ADMIN: `{admin}` is neither a path nor host and port"));
        }
        let token = std::env::var("BRINK_TOKEN").unwrap_or_default();
        if token.is_empty() {
            return Err("BRINK_TOKEN: without a token nobody may order anything over TCP".into());
        }
        Ok(Door::Address(address.to_owned(), token))
    }

    /// Whether the answer is to be printed as JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Sends an order that a node carries out or refuses, and waits for the answer.
    ///
    /// # Errors
    /// As [`Reach::ask`], or the node refused: its own words.
    pub(crate) fn order(&self, path: &str, order: Value) -> Result<Value, String> {
        good(self.ask(Method::POST, path, Some(order))?)
    }

    /// Reads something.
    ///
    /// # Errors
    /// As [`Reach::order`].
    pub(crate) fn read(&self, path: &str) -> Result<Value, String> {
        good(self.ask(Method::GET, path, None)?)
    }

    /// Sends one order and waits for the answer.
    ///
    /// # Errors
    /// No node listens, or it answers with something other than JSON.
    pub(crate) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value), String> {
        let body = body.map(|value| ("application/json", Bytes::from(value.to_string())));
        self.send(method, path, Message { body, ..Message::default() })
    }

    /// The same with all that a request may have.
    ///
    /// # Errors
    /// As [`Reach::ask`].
    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        message: Message<'_>,
    ) -> Result<(StatusCode, Value), String> {
        let door = self.door()?;
        runtime()?.block_on(async {
            let answer = open(&door, method, path, message).await?;
            read(answer).await
        })
    }
}

/// A runtime for one order.
///
/// # Errors
/// The system has no more of what it takes.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start a runtime: {error}"))
}

/// An answer, if it is a good one.
///
/// # Errors
/// What the node says against it, each place of a document with its line.
pub(crate) fn good((status, answer): (StatusCode, Value)) -> Result<Value, String> {
    if status.is_success() {
        return Ok(answer);
    }
    let detail = answer["detail"].as_str().unwrap_or("the node refused without a reason");
    let places = answer["diagnostics"].as_array().into_iter().flatten();
    let places = places.filter_map(|place| place["display"].as_str());
    Err(std::iter::once(detail).chain(places).collect::<Vec<_>>().join("\n"))
}

/// Sends a request and gives the answer, whose body may still come.
///
/// # Errors
/// No node listens, or it does not answer.
pub(crate) async fn open(
    door: &Door,
    method: Method,
    path: &str,
    message: Message<'_>,
) -> Result<Response<hyper::body::Incoming>, String> {
    match door {
        Door::Socket(socket) => {
            let stream = tokio::net::UnixStream::connect(socket).await;
            let stream = stream.map_err(|error| nobody(socket, &error))?;
            talk(stream, "localhost", None, method, path, message).await
        }
        Door::Address(address, token) => {
            let with_port = match address.parse::<Authority>().ok().and_then(|it| it.port_u16()) {
                Some(_) => address.clone(),
                None => format!("{address}:9911"),
            };
            let stream = tokio::net::TcpStream::connect(&with_port).await;
            let stream =
                stream.map_err(|error| format!("no node listens on {with_port}: {error}"))?;
            talk(stream, address, Some(token), method, path, message).await
        }
    }
}

fn nobody(socket: &Path, error: &std::io::Error) -> String {
    format!("no node listens on {}: {error}", socket.display())
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    token: Option<&String>,
    method: Method,
    path: &str,
    message: Message<'_>,
) -> Result<Response<hyper::body::Incoming>, String> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| format!("the node does not answer: {error}"))?;
    // It ends with the answer's body.
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, host);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let (kind, body) = message.body.unwrap_or(("application/json", Bytes::new()));
    request = request.header(header::CONTENT_TYPE, kind);
    for (name, value) in message.fields {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
    sender.send_request(request).await.map_err(|error| error.to_string())
}

async fn read(answer: Response<hyper::body::Incoming>) -> Result<(StatusCode, Value), String> {
    let status = answer.status();
    let bytes = Limited::new(answer.into_body(), ANSWER_LIMIT)
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .to_bytes();
    let value = serde_json::from_slice(&bytes)
        .map_err(|error| format!("the node's answer is not JSON: {error}"))?;
    Ok((status, value))
}
