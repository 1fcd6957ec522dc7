/**
 * How the certificates of remote servers are checked.
 *
 * @module
 */
import type { TlsTrust } from "../cli/tls_flags.ts";
import { log } from "../log.ts";
import { checkedSockets, dialer, type Sockets } from "./dial.ts";
import { Http1Client } from "./http1.ts";
import type { Fetch } from "./target.ts";

/** A way to make requests, and what has to be closed after the last one. */
export interface Trust {
  /** Makes a request. */
  readonly fetch: Fetch;
  /** Closes its connections. */
  close(): void;
}

/**
 * The way to make requests that the flags ask for, through the proxy that the environment names. Throws where a PEM file
 * cannot be read or holds no certificate.
 */
export async function openTrust(
  trust: TlsTrust,
  env: (name: string) => string | undefined,
): Promise<Trust> {
  const caCerts = await Promise.all(trust.caFiles.map(readPem));
  const client = new Http1Client(
    dialer(
      trust.verify ? checkedSockets(caCerts) : await uncheckedSockets(),
      env,
    ),
  );
  return {
    fetch: (url, request) => client.fetch(url, request),
    close: () => client.close(),
  };
}

async function uncheckedSockets(): Promise<Sockets> {
  log.warn(
    "Certificates are not checked: whoever is in between can read and change everything",
  );
  const { unchecked } = await import("./unchecked.ts");
  return unchecked;
}

async function readPem(file: string): Promise<string> {
  let pem: string;
  try {
    pem = await Deno.readTextFile(file);
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound
      ? "there is no such file"
      : cause instanceof Error
      ? cause.message
      : cause;
    throw new Error(
      `Cannot read the certificates in "${file}": ${why}; give a PEM file`,
    );
  }
  if (!/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/.test(pem)) {
    throw new Error(`"${file}" holds no certificate; give a PEM file`);
  }
  return pem;
}
