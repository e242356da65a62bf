//! A reload: the node file and the sites are read again, and what is good is taken.
//!
//! A bad node file changes nothing at all. Of the sites, a bad one is frozen and the others go on; of
//! the databases that tell where clients are, a bad one leaves the one before in its place.

use std::sync::Arc;

use crate::admin::{PlanAnswer, PlannedSite, ReloadAnswer, differences};
use crate::config::NodeConfig;
use crate::listen::notify;
use crate::node::{Node, tell};
use crate::site::{Diagnostic, Planned};

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
        let mut answer = match self.source.reload() {
            Ok(report) => {
                tell(&report);
                ReloadAnswer {
                    clean: report.is_clean(),
                    summary: report.to_string(),
                    diagnostics: report.diagnostics().map(shown).collect(),
                }
            }
            Err(refusal) => refused(refusal.to_string(), &[]),
        };
        self.reload_geo(&mut answer);
        answer
    }

    /// Takes the databases that tell where clients are.
    fn reload_geo(&self, answer: &mut ReloadAnswer) {
        let complaints = self.serve.geo.reload(&self.config.geo);
        let diagnostics = NodeConfig::locate(self.file.as_deref(), "geo", complaints);
        if diagnostics.is_empty() {
            return;
        }
        answer.clean = false;
        answer.summary.push_str("; a database of [geo] will not do, and the one before is kept");
        for diagnostic in &diagnostics {
            tracing::error!("{diagnostic}");
            answer.diagnostics.push(shown(diagnostic));
        }
    }

    /// Takes what can change while a node runs: listeners, their limits, and which databases there are.
    fn take(&mut self, config: NodeConfig) -> Result<(), String> {
        let before = self.config.listen.clone();
        if !self.is_live(&config) {
            tracing::warn!(
                "settings other than [listen] and [geo] changed; they count from the next start"
            );
        }
        self.config.listen = config.listen;
        if let Err(refusal) = self.listen() {
            self.config.listen = before;
            return Err(format!("{refusal}; nothing was changed"));
        }
        self.config.geo = config.geo;
        self.limits.store(Arc::new(self.config.listen.clone()));
        self.admission.resize(self.config.listen.max_connections);
        self.upstream.set_own_addresses(self.config.own_addresses());
        Ok(())
    }
}

impl Node {
    /// What a reload would do.
    pub(super) fn plan(&self) -> Result<PlanAnswer, String> {
        let sites: Vec<PlannedSite> = self.source.plan()?.into_iter().map(planned).collect();
        let (mut node, mut diagnostics, mut restart) = (String::new(), Vec::new(), false);
        if let Some(file) = &self.file {
            match NodeConfig::load(file) {
                Ok(config) => {
                    let text = |config: &NodeConfig| {
                        toml::to_string_pretty(config).map_err(|error| error.to_string())
                    };
                    node = differences("node", &text(&self.config)?, &text(&config)?);
                    restart = !self.is_live(&config);
                }
                Err(found) => diagnostics = found.iter().map(shown).collect(),
            }
        }
        let clean = sites.is_empty() && node.is_empty() && diagnostics.is_empty();
        Ok(PlanAnswer { clean, sites, node, diagnostics, restart })
    }

    /// Whether all that differs in these settings can change while a node runs.
    fn is_live(&self, config: &NodeConfig) -> bool {
        let (listen, geo) = (self.config.listen.clone(), self.config.geo.clone());
        NodeConfig { listen, geo, ..config.clone() } == self.config
    }
}

fn planned(site: Planned) -> PlannedSite {
    let what = match (&site.before, &site.after, site.diagnostics.is_empty()) {
        (None, _, true) => "new",
        (_, None, true) => "removed",
        (_, _, true) => "changed",
        (None, _, false) => "refused",
        (Some(_), _, false) => "frozen",
    };
    let (before, after) = (site.before.unwrap_or_default(), site.after.unwrap_or_default());
    let diff = differences(&site.name, &before, &after);
    PlannedSite {
        what,
        diff,
        diagnostics: site.diagnostics.iter().map(shown).collect(),
        name: site.name,
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
