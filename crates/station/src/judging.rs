//! Why, for the API: asked of the evaluator while it runs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use command_centre::{About, Judging, JudgingError};
use evaluator::{AskError, Inspector, Question};
use serde_json::Value;

use crate::rules_keeper::RulesDesk;
use crate::serve::RosterNow;

/// The evaluator has so long to answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Asks the evaluator, and the keeper of the rules.
pub struct Judge {
    pub inspector: Inspector,
    pub roster: RosterNow,
    pub rules: Arc<RulesDesk>,
}

#[async_trait]
impl Judging for Judge {
    async fn why(&self, about: About) -> Result<Value, JudgingError> {
        let question = match about {
            About::Device(id) => Question::Device(id),
            About::Unit(id) => Question::Unit(id),
            About::Alert(id) => Question::Alert(id),
            About::Region(code) => Question::Region(code),
        };
        let (inspector, roster) = (self.inspector.clone(), (self.roster)());
        let asked = tokio::task::spawn_blocking(move || {
            let explanation = inspector.ask(question, &roster, LIMIT)?;
            Ok(serde_json::to_value(explanation).expect("an explanation has string keys only"))
        });
        let answer = asked.await.map_err(|error| JudgingError::Unavailable(error.to_string()))?;
        answer.map_err(|error: AskError| match error {
            AskError::Unknown(_) => JudgingError::Unknown(error.to_string()),
            AskError::Busy | AskError::Late(_) | AskError::Stopped => JudgingError::Unavailable(error.to_string()),
        })
    }

    fn rules(&self) -> Value {
        self.rules.told()
    }

    fn rules_fault(&self) -> Option<String> {
        self.rules.fault()
    }

    fn reload_rules(&self, by: &str, force: bool) -> Result<u64, JudgingError> {
        self.rules.ask(by, force)
    }
}
