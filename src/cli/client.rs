//! Speaks to a running node through its admin socket.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;

use crate::cli::Reach;
use crate::config::NodeConfig;

/// The largest answer that is read.
const ANSWER_LIMIT: usize = 16 << 20;

impl Reach {
    /// The socket that the command line or the settings file names.
    ///
    /// # Errors
    /// The settings file is needed but cannot be read.
    pub(crate) fn socket(&self) -> Result<PathBuf, String> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        let config = NodeConfig::load(&self.config).map_err(|diagnostics| {
            diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        })?;
        Ok(config.admin.socket)
    }

    /// Whether the answer is to be printed as JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Sends an order that a node carries out or refuses, and waits for the answer.
    ///
    /// # Errors
    /// As [`Reach::ask`], or the node refused: its own words.
    pub(crate) fn order(
        &self,
        path: &str,
        order: serde_json::Value,
    ) -> Result<serde_json::Value, String> {
        let (status, answer) = self.ask(Method::POST, path, Some(order))?;
        if status.is_success() {
            return Ok(answer);
        }
        let detail = answer.get("detail").and_then(|detail| detail.as_str());
        Err(detail.unwrap_or("the node refused without a reason").to_owned())
    }

    /// Sends one order and waits for the answer.
    ///
    /// # Errors
    /// No node listens on the socket, or it answers with something other than JSON.
    pub(crate) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Result<(StatusCode, serde_json::Value), String> {
        let socket = self.socket()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start a runtime: {error}"))?;
        runtime.block_on(ask(&socket, method, path, body))
    }
}

async fn ask(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<serde_json::Value>,
) -> Result<(StatusCode, serde_json::Value), String> {
    let stream = tokio::net::UnixStream::connect(socket)
        .await
        .map_err(|error| format!("no node listens on {}: {error}", socket.display()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| format!("the node does not answer: {error}"))?;
    let connection = tokio::spawn(connection);
    let body = body.map_or_else(Bytes::new, |value| Bytes::from(value.to_string()));
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let answer = read(answer).await;
    connection.abort();
    answer
}

async fn read(
    answer: Response<hyper::body::Incoming>,
) -> Result<(StatusCode, serde_json::Value), String> {
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
