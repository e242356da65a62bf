//! A reload: the node file and the sites are read again, and what is good is taken.
//!
//! A bad node file changes nothing at all. Of the sites, a bad one is frozen and the others go on.

use std::sync::Arc;

use crate::admin::ReloadAnswer;
use crate::config::NodeConfig;
use crate::listen::notify;
use crate::node::{Node, tell};
use crate::site::Diagnostic;

impl Node {
    /// Reads everything again.
    pub(super) fn reload(&mut self) -> ReloadAnswer {
        notify::reloading();
        let answer = self.reread();
        self.fortune.reloaded(answer.clean, self.source.sites().snapshot().generation);
        if answer.clean {
            tracing::info!("{}", answer.summary);
        } else {
            tracing::error!("{}", answer.summary);
        }
        notify::ready(&self.status());
        answer
    }

    fn reread(&mut self) -> ReloadAnswer {
        if let Some(file) = &self.file {
            match NodeConfig::load(file) {
                Ok(config) => {
                    if let Err(refusal) = self.take(config) {
                        return refused(refusal, &[]);
                    }
                }
                Err(diagnostics) => {
                    // After a signal the log is the only place where the operator can look.
                    for diagnostic in &diagnostics {
                        tracing::error!("{diagnostic}");
                    }
                    let summary = "the node file is wrong; nothing was changed".to_owned();
                    return refused(summary, &diagnostics);
                }
            }
        }
        match self.source.reload() {
            Ok(report) => {
                tell(&report);
                ReloadAnswer {
                    clean: report.is_clean(),
                    summary: report.to_string(),
                    diagnostics: report.diagnostics().map(shown).collect(),
                }
            }
            Err(refusal) => refused(refusal.to_string(), &[]),
        }
    }

    /// Takes what can change while a node runs: listeners and their limits.
    fn take(&mut self, config: NodeConfig) -> Result<(), String> {
        let before = self.config.listen.clone();
        let fixed = NodeConfig { listen: before.clone(), ..config.clone() };
        if fixed != self.config {
            tracing::warn!("settings other than [listen] changed; they count from the next start");
        }
        self.config.listen = config.listen;
        if let Err(refusal) = self.listen() {
            self.config.listen = before;
            return Err(format!("{refusal}; nothing was changed"));
        }
        self.limits.store(Arc::new(self.config.listen.clone()));
        self.admission.resize(self.config.listen.max_connections);
        self.upstream.set_own_addresses(self.config.own_addresses());
        Ok(())
    }
}

fn refused(summary: String, diagnostics: &[Diagnostic]) -> ReloadAnswer {
    ReloadAnswer { clean: false, summary, diagnostics: diagnostics.iter().map(shown).collect() }
}

fn shown(diagnostic: &Diagnostic) -> serde_json::Value {
    let mut value = serde_json::to_value(diagnostic).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("display".into(), diagnostic.to_string().into());
    }
    value
}
