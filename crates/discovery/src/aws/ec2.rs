//! EC2: instances. Source: EC2 API reference 2016-11-15, `DescribeInstances`, `DescribeAvailabilityZones`.

use std::collections::BTreeMap;

use gauntlet_model::{Labels, TargetGroup};

use super::client::{AwsClient, Session, filters, parse};
use super::{Making, put_tags_named};
use crate::discoverer::StartError;
use crate::kinds::refresh;
use crate::meta::{Meta, enclosed, one_group};
use crate::rest::MAX_PAGES;
use crate::xml::Element;

const VERSION: &str = "2016-11-15";
/// Highest device index that is shown; instances have far fewer cards.
const MAX_DEVICES: usize = 256;

#[derive(Debug)]
pub(crate) struct Ec2 {
    client: AwsClient,
    port: i64,
    filters: Vec<(String, String)>,
    /// Ids of zones by their names; asked for once.
    zones: Option<BTreeMap<String, String>>,
}

impl Ec2 {
    pub(crate) fn new(making: &Making<'_>) -> Result<Self, StartError> {
        Ok(Self {
            client: super::client(making, ("ec2", "ec2"))?,
            port: super::port(making.fields),
            filters: filters(&super::filters(making.fields), ("Filter", "Value")),
            zones: None,
        })
    }

    async fn ask(&mut self) -> Result<Vec<TargetGroup>, String> {
        let region = self.client.region().await?;
        let found = self.find(&region).await.inspect_err(|_| self.client.forget())?;
        Ok(one_group(region, found))
    }

    async fn find(&mut self, region: &str) -> Result<Vec<Labels>, String> {
        let session = self.client.session().await?;
        if self.zones.is_none() {
            match zones(&session).await {
                Ok(zones) => self.zones = Some(zones),
                Err(err) => {
                    tracing::debug!(
                        discovery = "ec2",
                        err,
                        "unable to describe availability zones"
                    );
                }
            }
        }
        let (mut targets, mut token) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let mut parameters = self.filters.clone();
            parameters.push(("MaxResults".to_owned(), "1000".to_owned()));
            if !token.is_empty() {
                parameters.push(("NextToken".to_owned(), token));
            }
            let body = session.query("DescribeInstances", VERSION, &parameters).await;
            let body = body.map_err(|err| format!("could not describe instances: {err}"))?;
            let page = parse(&body, "DescribeInstancesResponse")?;
            for reservation in page.items("reservationSet", "item") {
                for instance in reservation.items("instancesSet", "item") {
                    targets.extend(self.target(region, reservation.str("ownerId"), instance));
                }
            }
            token = page.str("nextToken").to_owned();
            if token.is_empty() {
                return Ok(targets);
            }
        }
        Err(format!("list has more than {MAX_PAGES} pages"))
    }

    /// `None`: the instance has no address.
    fn target(&self, region: &str, owner: &str, instance: &Element<'_>) -> Option<Labels> {
        let v6 = Ipv6::of(instance);
        let (private, default_v6) = (instance.get("privateIpAddress"), v6.usable());
        let host = private.or(default_v6)?;
        let zone = instance.child("placement").map_or("", |p| p.str("availabilityZone"));
        let zone_id = self.zones.as_ref().and_then(|zones| zones.get(zone));
        let mut target = Meta::new("__meta_ec2_");
        target
            .address(host, self.port)
            .put("instance_id", instance.str("instanceId"))
            .put("region", region)
            .put("owner_id", owner)
            .put_some("default_ipv6_address", default_v6)
            .put_some("private_ip", private)
            .put("private_dns_name", instance.str("privateDnsName"))
            .put("platform", instance.str("platform"))
            .put("ami", instance.str("imageId"))
            .put("availability_zone", zone)
            .put_some("availability_zone_id", zone_id)
            .put("instance_state", instance.child("instanceState").map_or("", |s| s.str("name")))
            .put("instance_type", instance.str("instanceType"))
            .put("instance_lifecycle", instance.str("instanceLifecycle"))
            .put("architecture", instance.str("architecture"))
            .list("primary_ipv6_addresses", ",", &v6.primary)
            .list("ipv6_addresses", ",", &v6.all);
        if let Some(public) = instance.get("ipAddress") {
            target.put("public_ip", public).put("public_dns_name", instance.str("dnsName"));
        }
        if let Some(vpc) = instance.get("vpcId") {
            let mut subnets: Vec<&str> = Vec::new();
            for subnet in cards(instance).filter_map(|card| card.get("subnetId")) {
                if !subnets.contains(&subnet) {
                    subnets.push(subnet);
                }
            }
            // A machine without cards shows both separators.
            let subnets =
                if subnets.is_empty() { ",,".to_owned() } else { enclosed(",", &subnets) };
            target
                .put("vpc_id", vpc)
                .put("primary_subnet_id", instance.str("subnetId"))
                .put("subnet_id", subnets);
        }
        put_tags_named(&mut target, "tag_", instance.items("tagSet", "item"));
        Some(target.build())
    }
}

refresh!(Ec2);

async fn zones(session: &Session) -> Result<BTreeMap<String, String>, String> {
    let body = session.query("DescribeAvailabilityZones", VERSION, &[]).await?;
    let page = parse(&body, "DescribeAvailabilityZonesResponse")?;
    let zones = page.items("availabilityZoneInfo", "item");
    let pairs = zones.filter_map(|zone| Some((zone.get("zoneName")?, zone.get("zoneId")?)));
    Ok(pairs.map(|(name, id)| (name.to_owned(), id.to_owned())).collect())
}

fn cards<'e>(instance: &'e Element<'_>) -> impl Iterator<Item = &'e Element<'e>> {
    instance.items("networkInterfaceSet", "item")
}

/// IPv6 addresses of an instance in a VPC.
#[derive(Default)]
struct Ipv6<'e> {
    /// The primary one of each card by its place, with gaps.
    primary: Vec<&'e str>,
    all: Vec<&'e str>,
}

impl<'e> Ipv6<'e> {
    fn of(instance: &'e Element<'_>) -> Self {
        let mut found = Self::default();
        if instance.get("vpcId").is_none() {
            return found;
        }
        for card in cards(instance).filter(|card| card.get("subnetId").is_some()) {
            for address in card.items("ipv6AddressesSet", "item") {
                let ip = address.str("ipv6Address");
                found.all.push(ip);
                if address.str("isPrimaryIpv6") != "true" {
                    continue;
                }
                let index = card.child("attachment").map_or("", |a| a.str("deviceIndex"));
                let index = index.parse().unwrap_or(0).min(MAX_DEVICES);
                if found.primary.len() <= index {
                    found.primary.resize(index + 1, "");
                }
                found.primary[index] = ip;
            }
        }
        found
    }

    fn usable(&self) -> Option<&'e str> {
        self.primary.iter().chain(&self.all).copied().find(|ip| !ip.is_empty())
    }
}
