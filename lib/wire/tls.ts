/**
 * How the certificates of remote servers are checked.
 *
 * @module
 */
import type { TlsTrust } from "../cli/tls_flags.ts";
import { log } from "../log.ts";
import type { Fetch } from "./target.ts";

/** A way to make requests, and what has to be closed after the last one. */
export interface Trust {
  /** Makes a request; `undefined` where plain `fetch` does. */
  readonly fetch: Fetch | undefined;
  /** Closes its idle connections. */
  close(): void;
}

/**
 * The way to make requests that the flags ask for. Throws where a PEM file cannot be read or holds no certificate.
 * `proxy` gives the proxy for a URL, for where `fetch` does not see to it.
 */
export async function openTrust(trust: TlsTrust, env: (name: string) => string | undefined): Promise<Trust> {
  if (!trust.verify) {
    log.warn("Certificates are not checked: whoever is in between can read and change everything");
    const { InsecureClient } = await import("./insecure.ts");
    const client = new InsecureClient(env);
    return { fetch: (url, init) => client.fetch(url, init), close: () => client.close() };
  }
  if (trust.caFiles.length === 0) return { fetch: undefined, close() {} };
  const caCerts = await Promise.all(trust.caFiles.map(readPem));
  const client = Deno.createHttpClient({ caCerts });
  return { fetch: (url, init) => fetch(url, { ...init, client }), close: () => client.close() };
}

async function readPem(file: string): Promise<string> {
  let pem: string;
  try {
    pem = await Deno.readTextFile(file);
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound ? "there is no such file" : cause instanceof Error ? cause.message : cause;
    throw new Error(`Cannot read the certificates in "${file}": ${why}; give a PEM file`);
  }
  if (!/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/.test(pem)) {
    throw new Error(`"${file}" holds no certificate; give a PEM file`);
  }
  return pem;
}
