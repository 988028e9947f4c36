//! The APIs beside Store over the wire.

use std::sync::Arc;

use futures::FutureExt as _;
use gauntlet_storeapi::grpc::apis::Answered;
use gauntlet_storeapi::grpc::{ApiSource, ServerOptions};
use gauntlet_storeapi::remote::Compression;
use gauntlet_storeapi::{RemoteStore, StoreError};
use gauntlet_wire::apis::{RuleGroup, RulesRequest, RulesResponse, TargetsRequest};

use crate::naive::{Naive, local};

#[derive(Debug)]
struct OnlyRules;

impl ApiSource for OnlyRules {
    fn rules(&self, request: RulesRequest) -> Answered<'_, RulesResponse> {
        let group = RuleGroup { name: request.rule_group[0].clone(), ..RuleGroup::default() };
        let parts = vec![
            RulesResponse { group: Some(group), warning: None },
            RulesResponse { group: None, warning: Some("one file is damaged".to_owned()) },
        ];
        futures::future::ready(Ok(parts)).boxed()
    }
}

#[tokio::test]
async fn what_is_served_answers_and_the_rest_says_so() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let store = Arc::new(local(Arc::new(Naive::default()), "ext=1"));
    let options = ServerOptions { apis: Some(Arc::new(OnlyRules)), ..ServerOptions::default() };
    tokio::spawn(gauntlet_storeapi::grpc::serve(listener, store, options, std::future::pending()));
    let remote = RemoteStore::connect(&address, Compression::Snappy, None).unwrap();
    let request = RulesRequest { rule_group: vec!["g".to_owned()], ..RulesRequest::default() };
    let parts = remote.rules(request).await.unwrap();
    assert_eq!(parts[0].group.as_ref().unwrap().name, "g");
    assert_eq!(parts[1].warning.as_deref(), Some("one file is damaged"));
    let refused = remote.targets(TargetsRequest::default()).await.unwrap_err();
    let unimplemented = tonic::Code::Unimplemented;
    assert!(matches!(refused, StoreError::Rpc { code, .. } if code == unimplemented), "{refused}");
}
