//! `sns_configs`

use std::collections::BTreeMap;

use gauntlet_net::config::{HttpClientConfig, SigV4Config};

use super::GlobalReceivers;
use super::section::{Check, Fill, Refusal, or_some, refuse, template};

section! {
    /// A topic, phone number or endpoint of Amazon SNS.
    pub struct SnsConfig, go = "sns.plain", null = "missing sns config";
    put "send_resolved" send_resolved: bool = true;
    some "http_config" http_config: Option<HttpClientConfig>;
    omit "api_url" api_url: String;
    put "sigv4" sigv4: SigV4Config;
    omit "topic_arn" topic_arn: String;
    omit "phone_number" phone_number: String;
    omit "target_arn" target_arn: String;
    omit "subject" subject: String = template("sns.default.subject");
    omit "message" message: String = template("sns.default.message");
    map "attributes" attributes: BTreeMap<String, String>;
    omit "use_aws_http_client" use_aws_http_client: bool;
}

impl Check for SnsConfig {
    /// Upstream's test is a chain of `!=` and also lets all three together pass; ours is the same.
    fn check(&mut self) -> Result<(), Refusal> {
        let target = self.target_arn.is_empty();
        let (topic, phone) = (self.topic_arn.is_empty(), self.phone_number.is_empty());
        if target ^ topic ^ phone {
            return refuse(
                "",
                "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config",
            );
        }
        Ok(())
    }
}

impl Fill for SnsConfig {
    fn fill(&mut self, globals: &GlobalReceivers) -> Result<(), &'static str> {
        or_some(&mut self.http_config, &globals.http_config);
        Ok(())
    }
}
