//! `explain`: an alert's life out of the server's ledger, oldest first.

use gauntlet_alertmanager::Time;
use gauntlet_model::duration::GoDuration;

use crate::args::OutputFormat;
use crate::client::Client;
use crate::{Failure, Run, format};

pub(crate) async fn run(run: &mut Run<'_, '_>) -> Result<(), Failure> {
    let filter = run.words_with_name();
    let since_ns = GoDuration::parse_flag(run.call.text("since")).map_or(0, GoDuration::as_ns);
    let from = Time::now(&*run.world.clock).plus_ns(-since_ns).to_ms_text();
    let (limit, receiver) = (run.call.text("limit"), run.call.text("receiver"));
    let mut query = vec![("from", from.as_str()), ("limit", limit)];
    query.extend(filter.iter().map(|text| ("filter", text.as_str())));
    if !receiver.is_empty() {
        query.push(("receiver", receiver));
    }
    let answer = Client::new(run)?.ledger(query).await?;
    if run.call.output == OutputFormat::Json {
        run.out.stdout += &format::json(&answer);
        return Ok(());
    }
    let entries = answer["entries"].as_array().map_or(&[][..], Vec::as_slice);
    if entries.is_empty() {
        run.print("nothing is known of such alerts: none was received in that time, or the ledger no longer goes back so far");
    }
    for entry in entries.iter().rev() {
        let field = |name: &str| entry[name].as_str().unwrap_or_default();
        run.print(&format!("{}  {}", field("at"), field("text")));
    }
    Ok(())
}
