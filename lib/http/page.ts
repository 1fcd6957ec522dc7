import type { AggregateConfig } from "../config/aggregate_server.ts";
import { clientConfig, CLIENTS } from "../config/client_config.ts";
import { mask } from "../log.ts";
import type { Place } from "./place.ts";

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#ddd, #333); --soft: light-dark(#f5f5f5, #222); --quiet: light-dark(#666, #999) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: light-dark(#222, #ddd); background: light-dark(#fff, #161616) }
h1 { margin-bottom: 0 } h2 { margin-top: 2rem; font-size: 1.2rem } p.sub { margin-top: .2rem; color: var(--quiet) }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .5rem .8rem .5rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
th { font-weight: 600; font-size: .85rem; color: var(--quiet) } td.number { font-variant-numeric: tabular-nums }
code, pre { font: 14px/1.5 ui-monospace, monospace } pre { background: var(--soft); padding: 1rem; overflow: auto; border-radius: 6px }
.state::before { content: "●"; margin-right: .4em } .running { color: light-dark(#18794e, #4cc38a) }
.failed { color: light-dark(#c62a2f, #ff6369) } .starting, .closed { color: light-dark(#946800, #f0c000) }
small { color: var(--quiet); display: block; overflow-wrap: anywhere } summary { cursor: pointer } details ul { margin: .4rem 0; padding-left: 1.2rem }
`;

/** Names of clients as people know them. */
const SHOWN: Record<typeof CLIENTS[number], string> = {
  "claude": "Claude Code (.mcp.json)",
  "claude-desktop": "Claude Desktop (claude_desktop_config.json)",
  "vscode": "VS Code (.vscode/mcp.json)",
  "cursor": "Cursor (.cursor/mcp.json)",
};

/** What an era means for people. */
const SPOKEN: Record<string, string> = {
  legacy: "speaks only versions with initialize",
  modern: "speaks only versions without initialize",
};

/** The page for people: what is there, how it is, and how to use it. Needs no scripts and holds no secrets. */
export function page(
  config: AggregateConfig,
  url: string,
  places: readonly Place[],
): Response {
  const title = escape(config.name);
  const route = config.type === "sse" ? "sse" : "mcp";
  const up = places.filter(({ server }) => server.state === "running").length;
  const html =
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
    `<title>${title}</title><style>${STYLE}</style></head><body><h1>${title}</h1>` +
    `<p class="sub">${up} of ${places.length} servers running</p>` +
    `<p>All of them as one: <code>${escape(url)}/${route}</code></p>` +
    `<table><thead><tr><th>Server</th><th>State</th><th>Tools</th><th>Sessions</th><th>Restarts</th></tr></thead>` +
    `<tbody>${places.map(row).join("")}</tbody></table>` +
    `<h2>In a client</h2>${clients(config, url, places)}</body></html>`;
  return new Response(html, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy":
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    },
  });
}

function row({ name, server, endpoint, source, era }: Place): string {
  const tools = source.toolNames.map((tool) => `<li>${escape(tool)}</li>`);
  const notes = [
    SPOKEN[era ?? ""] ?? "",
    server.state === "running" && server.lastError !== ""
      ? `last fault: ${server.lastError}`
      : server.lastError,
  ].filter((note) => note !== "");
  return `<tr><td><b>${escape(name)}</b><br><code>/${
    escape(name)
  }/mcp</code></td>` +
    `<td><span class="state ${server.state}">${server.state}</span>${
      notes.map((note) => `<small>${escape(mask(note))}</small>`).join("")
    }</td>` +
    `<td>${
      tools.length === 0
        ? "–"
        : `<details><summary>${tools.length}</summary><ul>${
          tools.join("")
        }</ul></details>`
    }</td>` +
    `<td class="number">${endpoint.sessions}</td><td class="number">${server.restarts}</td></tr>`;
}

function clients(
  config: AggregateConfig,
  url: string,
  places: readonly Place[],
): string {
  // Only what this caller may use.
  const names = new Set(places.map(({ name }) => name));
  const servers = config.servers.filter(({ name }) => names.has(name));
  const seen = { ...config, baseUrl: url, servers };
  return CLIENTS.map((client, index) =>
    `<details${index === 0 ? " open" : ""}><summary>${
      SHOWN[client]
    }</summary><pre>${
      escape(clientConfig(seen, client).trim())
    }</pre></details>`
  ).join("");
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(
    ">",
    "&gt;",
  ).replaceAll('"', "&quot;");
}
