// The cluster as this member sees it: who is there, whose turn it is to speak, what was told twice.
import { useEffect } from "preact/hooks";
import { Empty, Loading, Notice } from "../../components/basics";
import { short } from "../../lib/format";
import { overview, overviewError, refreshOverview } from "../../lib/role";
import { link } from "./place";

interface Cluster {
  status: "ready" | "settling" | "disabled";
  name?: string;
  /** From 0. */
  position?: number;
  members?: { name: string; address: string }[];
  failedPeers?: number;
  health?: number;
  queued?: number;
  duplicates?: number;
  sent?: number;
  merged?: number;
}

export function ClusterPage() {
  useEffect(() => {
    void refreshOverview();
    const timer = setInterval(() => document.hidden || void refreshOverview(), 5000);
    return () => clearInterval(timer);
  }, []);
  const data = overview.value as { cluster?: Cluster } | undefined;
  const cluster = data?.cluster;
  if (!cluster) return overviewError.value ? <Notice kind="bad">{overviewError.value}</Notice> : <Loading what="the cluster" />;
  if (cluster.status === "disabled") {
    return (
      <Empty>
        It works alone. Several become a cluster with <code>--cluster.listen-address</code> and a <code>--cluster.peer</code> that names another.
      </Empty>
    );
  }
  const { members = [], position = 0, failedPeers = 0, duplicates = 0, health = 0 } = cluster;
  return (
    <>
      {cluster.status === "settling" ? <Notice kind="warn">The cluster settles: nobody is told of anything until the members know each other, for a minute at most.</Notice> : null}
      {failedPeers > 0 ? <Notice kind="warn">{failedPeers} known {failedPeers === 1 ? "member" : "members"} cannot be reached. Silences made there are not known here, and a group may be told of twice.</Notice> : null}
      <div class="figures">
        <Figure value={cluster.status} what="state" />
        <Figure value={String(members.length)} what={members.length === 1 ? "member: nobody else" : "members"} />
        <Figure value={`${position + 1} of ${members.length}`} what={position === 0 ? "turn to speak: it speaks at once" : "turn to speak: it waits for those before"} />
        <Figure value={short(duplicates)} what="told twice, since the start" link={duplicates > 0 ? link("ledger", { events: "told", text: "told twice" }) : undefined} />
        <Figure value={short(cluster.queued ?? 0)} what="messages wait to go around" />
        <Figure value={`${short(cluster.sent ?? 0)} / ${short(cluster.merged ?? 0)}`} what="messages out / in" />
        <Figure value={health === 0 ? "good" : String(health)} what="own health: 0 is good, more means late answers" />
      </div>
      <h2>Members</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">Turn</th>
            <th scope="col">Name</th>
            <th scope="col">Address</th>
          </tr>
        </thead>
        <tbody>
          {members.map((member, i) => (
            <tr key={member.name}>
              <td class="nowrap">{i + 1}</td>
              <td class="mono">
                {member.name} {member.name === cluster.name ? <span class="badge good">this one</span> : null}
              </td>
              <td class="mono">{member.address}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function Figure({ value, what, link: to }: { value: string; what: string; link?: string }) {
  return (
    <div>
      <div class="value">{to ? <a href={to}>{value}</a> : value}</div>
      <div class="muted">{what}</div>
    </div>
  );
}
