/**
 * What the proxy tells about itself: status for people and scripts, health for orchestrators, figures for Prometheus.
 *
 * @module
 */
import type { Era } from "../mcp/eras.ts";
import type { Server } from "../upstream/server.ts";
import type { App } from "./app.ts";
import type { Endpoint } from "./endpoint.ts";

/** A server and the endpoint in front of it. */
export interface Serving {
  /** The server. */
  server: Server;
  /** Its endpoint. */
  endpoint: Endpoint;
  /** What it is known to speak, where that is not the server's own to say. */
  readonly era?: Era | "both" | undefined;
}

function json(value: unknown, status = 200): Response {
  return new Response(`${JSON.stringify(value, null, 2)}\n`, {
    status,
    headers: { "content-type": "application/json" },
  });
}

/** `/status`. */
export function status(app: App, serving: readonly Serving[]): Response {
  const instances: Record<string, string> = {};
  const servers: Record<string, unknown> = {};
  for (const { server, endpoint, era = server.era } of serving) {
    const { name } = server.spec;
    instances[name] = server.state === "failed" ? "failed" : "configured";
    servers[name] = {
      state: server.state,
      pids: server.pids,
      sessions: endpoint.sessions,
      restarts: server.restarts,
      isolation: server.isolation,
      ...era === undefined ? {} : { era },
      ...server.lastError === "" ? {} : { lastError: server.lastError },
    };
  }
  const at = new Date(app.lastActivity).toISOString().replace("Z", "000+00:00");
  return json({ api_last_activity: at, server_instances: instances, servers });
}

/** `/readyz`: 503 until a server works. */
export function ready(serving: readonly Serving[]): Response {
  const works = serving.some(({ server }) => server.state === "running");
  return json({ status: works ? "ready" : "starting" }, works ? 200 : 503);
}

/** What `aggregate` tells of itself besides. */
export interface Named {
  /** Its name. */
  readonly name: string;
  /** Its version. */
  readonly version: string;
}

/** How long servers may take to start before their absence counts as a fault, in ms. */
const START_GRACE = 30_000;

/** `/_healthz` of `aggregate`: the program runs. */
export function alive({ name, version }: Named, serverCount: number): Response {
  return json({ name, serverCount, status: "ok", version });
}

/**
 * `/_readyz` of `aggregate`: 503 while servers start, and when one of them has failed. Anybody may ask, so only those in
 * `known`, which are open to everybody, are named.
 */
export function readiness(
  { name, version }: Named,
  serving: readonly Serving[],
  known: readonly Serving[],
  began: number,
): Response {
  const failing = (one: Serving) => one.server.state !== "running";
  const unhealthy = serving.filter(failing);
  const starting = serving.some(({ server }) => server.state === "starting") &&
    performance.now() - began < START_GRACE;
  const state = unhealthy.length === 0
    ? "ok"
    : starting
    ? "initializing"
    : unhealthy.length === serving.length
    ? "unavailable"
    : "degraded";
  const names = known.filter(failing).map(({ server }) => server.spec.name);
  const more = state === "ok" || state === "initializing"
    ? {}
    : { unhealthy: names };
  const ok = state === "ok" ? 200 : 503;
  return json(
    { name, serverCount: serving.length, status: state, version, ...more },
    ok,
  );
}

/** `/healthz`: the program runs. */
export function healthy(): Response {
  return json({ status: "ok" });
}

/** `/metrics`, in the text format of Prometheus. */
export function metrics(app: App, serving: readonly Serving[]): Response {
  const lines: string[] = [];
  const figure = (
    name: string,
    type: string,
    help: string,
    values: [labels: string, value: number][],
  ) => {
    lines.push(
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${type}`,
      ...values.map(([labels, value]) => `${name}${labels} ${value}`),
    );
  };
  const each = (value: (one: Serving) => number): [string, number][] =>
    serving.map((
      one,
    ) => [`{server=${JSON.stringify(one.server.spec.name)}}`, value(one)]);
  figure("mcp_proxy_requests_total", "counter", "HTTP requests to MCP routes", [
    ["", app.requests],
  ]);
  figure(
    "mcp_proxy_server_up",
    "gauge",
    "Whether the server works",
    each(({ server }) => Number(server.state === "running")),
  );
  figure(
    "mcp_proxy_sessions",
    "gauge",
    "Sessions of clients",
    each(({ endpoint }) => endpoint.sessions),
  );
  figure(
    "mcp_proxy_processes",
    "gauge",
    "Processes of the server",
    each(({ server }) => server.pids.length),
  );
  figure(
    "mcp_proxy_restarts_total",
    "counter",
    "Processes that died in use",
    each(({ server }) => server.restarts),
  );
  return new Response(`${lines.join("\n")}\n`, {
    headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
  });
}
