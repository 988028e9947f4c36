// All that is known of one alert, and why it is quiet.
import { Copy } from "../../components/basics";
import { ago, isNever, time } from "../../lib/format";
import { seriesText } from "../../lib/labels";
import { zone } from "../../lib/settings";
import { type Alert, type Silence, useV2 } from "./api";
import { kindsOf } from "./grouping";
import { link } from "./place";

export function AlertDetails({ alert, known, story = false }: { alert: Alert; known: ReadonlyMap<string, Alert>; story?: boolean }) {
  const utc = zone.value === "utc";
  const { silencedBy, inhibitedBy, mutedBy = [] } = alert.status;
  const ends = Date.parse(alert.endsAt);
  return (
    <dl class="facts">
      {kindsOf(alert)[0] === "active" ? null : (
        <>
          <dt>Quiet because</dt>
          <dd class="sentence">
            {silencedBy.map((id) => (
              <SilencedBy id={id} key={id} />
            ))}
            {inhibitedBy.map((fingerprint) => {
              const source = known.get(fingerprint);
              return (
                <div key={fingerprint}>
                  inhibited by <a href={link("ledger", { fingerprint })}>{source ? seriesText({ ...source.labels, __name__: source.labels.alertname ?? "", alertname: "" }).replace(/,? ?alertname=""/, "") : `alert ${fingerprint}`}</a>
                </div>
              );
            })}
            {mutedBy.length > 0 ? <div>its route is muted by {mutedBy.join(", ")}</div> : null}
          </dd>
        </>
      )}
      {Object.entries(alert.annotations).map(([name, value]) => (
        <>
          <dt>{name}</dt>
          <dd>{/^https?:\/\/\S+$/.test(value) ? <Outside href={value} /> : value}</dd>
        </>
      ))}
      <dt>Labels</dt>
      <dd>
        {Object.entries(alert.labels).map(([name, value]) => (
          <span class="label" key={name}>
            {name}="{value}"
          </span>
        ))}{" "}
        <Copy text={seriesText(alert.labels)} />
      </dd>
      <dt>Since</dt>
      <dd>
        {time(Date.parse(alert.startsAt), utc)}; last reported {ago(Date.parse(alert.updatedAt))}
        {isNever(alert.endsAt) || Number.isNaN(ends) ? "" : `, over at ${time(ends, utc)} unless reported again`}
      </dd>
      <dt>Told to</dt>
      <dd>{alert.receivers.map(({ name }) => name).join(", ") || "nobody"}</dd>
      <dt>See</dt>
      <dd class="row">
        {story ? null : <a href={link("ledger", { fingerprint: alert.fingerprint })}>what became of it</a>}
        {/* What an alert brings along may be any text: only what surely is a page becomes a link. */}
        {/^https?:\/\//i.test(alert.generatorURL ?? "") ? (
          <a href={alert.generatorURL} rel="noreferrer">
            its source
          </a>
        ) : null}
        <a href={link("routes", { labels: seriesText(alert.labels) })}>its routes</a>
      </dd>
    </dl>
  );
}

function Outside({ href }: { href: string }) {
  return (
    <a href={href} rel="noreferrer">
      {href}
    </a>
  );
}

function SilencedBy({ id }: { id: string }) {
  const asked = useV2<Silence>(`silence/${encodeURIComponent(id)}`, {}, id);
  const silence = asked.answer?.data;
  return (
    <div>
      <a href={link("silences", { id })}>silenced</a>
      {silence ? ` by ${silence.createdBy} until ${time(Date.parse(silence.endsAt), zone.value === "utc")}: ${silence.comment}` : ` (${id})`}
    </div>
  );
}
