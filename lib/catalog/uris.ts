import { aliasMark } from "./rewrite.ts";

/** So many URIs that a server has no more are kept, for clients that still know them. */
const SPARE = 1000;

/** A resource behind its public URI. */
export interface Located<S> {
  /** Whose it is. */
  source: S;
  /** What its server calls it. */
  uri: string;
}

/**
 * The URIs of the resources, or templates, of many servers. They stay as they are unless two servers have the same one:
 * then the first server keeps it, and a later one's gets its name before the scheme, which is a URI still.
 */
export class Uris<S> {
  #byPublic: Map<string, Located<S>> = new Map();
  #byServer: Map<S, Map<string, string>> = new Map();
  #aliases: Map<S, Map<string, string>> = new Map();

  /** Gives the public URI of a server's own. */
  give(source: S, serverName: string, uri: string): string {
    let own = this.#byServer.get(source);
    if (!own) this.#byServer.set(source, own = new Map());
    const known = own.get(uri);
    if (known !== undefined) return known;
    let given = uri;
    while (this.#byPublic.has(given)) given = aliasMark(serverName) + given;
    own.set(uri, given);
    this.#byPublic.set(given, { source, uri });
    if (given !== uri) {
      const aliases = this.#aliases.get(source) ?? new Map();
      this.#aliases.set(source, aliases.set(uri, given));
    }
    return given;
  }

  /** Whose a public URI is, and what its server calls it, as far as it has been listed. */
  find(publicUri: string): Located<S> | undefined {
    return this.#byPublic.get(publicUri);
  }

  /** What clients call those of a server that another one has under the same URI. */
  aliases(source: S): ReadonlyMap<string, string> | undefined {
    return this.#aliases.get(source);
  }

  /** Forgets a server's URIs but for these, where it has had many more. */
  keep(source: S, uris: readonly string[]): void {
    const own = this.#byServer.get(source);
    if (!own || own.size <= 2 * uris.length + SPARE) return;
    const kept = new Set(uris);
    for (const uri of own.keys()) if (!kept.has(uri)) this.#drop(source, uri);
  }

  /** Forgets the URIs of a server that has gone for good. */
  forget(source: S): void {
    for (const uri of [...this.#byServer.get(source)?.keys() ?? []]) {
      this.#drop(source, uri);
    }
    this.#byServer.delete(source);
    this.#aliases.delete(source);
  }

  #drop(source: S, uri: string): void {
    const own = this.#byServer.get(source);
    this.#byPublic.delete(own?.get(uri) ?? uri);
    own?.delete(uri);
    this.#aliases.get(source)?.delete(uri);
  }
}
