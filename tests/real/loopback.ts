/** Loaded before a peer that listens on every address of the machine, so that it listens on loopback only. */

import http from "node:http";
import net from "node:net";

type Listen = (...args: unknown[]) => unknown;

for (const { prototype } of [net.Server, http.Server]) {
  const server = prototype as unknown as { listen: Listen };
  const listen = server.listen;
  server.listen = function (this: unknown, ...args: unknown[]) {
    const [first, second] = args;
    if (typeof first === "number" || /^\d+$/.test(String(first))) {
      args.splice(1, typeof second === "string" ? 1 : 0, "127.0.0.1");
    } else if (typeof first === "object" && first !== null && "port" in first) {
      args[0] = { ...first, host: "127.0.0.1" };
    }
    return listen.apply(this, args);
  };
}
