/** What clients take as the name of a tool or prompt: these letters, and no more of them than this. */
const MAX_NAME = 64, FOREIGN = /[^A-Za-z0-9_.-]/g;
/** Between a server's name and its tool's. */
const SEPARATOR = "__";
/** So many names that a server has no more are kept, for clients that still know them. */
const SPARE = 1000;

/** A tool or prompt behind its public name. */
export interface Named<S> {
  /** Whose it is. */
  server: S;
  /** What its server calls it. */
  name: string;
}

/**
 * The public names of the tools, or of the prompts, of many servers. A name once given stays as it is, also while its
 * server is away, and does not depend on the order in which servers come up as long as no two of them collide.
 */
export class Names<S> {
  #byPublic: Map<string, Named<S>> = new Map();
  #byServer: Map<S, Map<string, string>> = new Map();

  /** Gives the public name of a server's own; `prefix` puts the server's name before it. */
  give(server: S, serverName: string, name: string, prefix: boolean): string {
    let own = this.#byServer.get(server);
    if (!own) this.#byServer.set(server, own = new Map());
    const known = own.get(name);
    if (known !== undefined) return known;
    const wish = prefix ? prefixed(serverName, name) : name;
    let given = wish;
    for (let round = 0; this.#byPublic.has(given); round++) {
      given = shortened(
        `${clean(serverName)}${SEPARATOR}${clean(name)}`,
        `${serverName}\0${name}\0${round}`,
      );
    }
    own.set(name, given);
    this.#byPublic.set(given, { server, name });
    return given;
  }

  /** Whose a public name is, and what its server calls it. */
  find(publicName: string): Named<S> | undefined {
    return this.#byPublic.get(publicName);
  }

  /** Forgets a server's names but for these, where it has had many more: its tools come and go. */
  keep(server: S, names: readonly string[]): void {
    const own = this.#byServer.get(server);
    if (!own || own.size <= 2 * names.length + SPARE) return;
    const kept = new Set(names);
    for (const [name, given] of own) {
      if (kept.has(name)) continue;
      own.delete(name);
      this.#byPublic.delete(given);
    }
  }

  /** Forgets the names of a server that has gone for good, or is to get new ones. */
  forget(server: S): void {
    for (const given of this.#byServer.get(server)?.values() ?? []) {
      this.#byPublic.delete(given);
    }
    this.#byServer.delete(server);
  }
}

/** Whether a public name begins as those of this server do. */
export function isNamedAfter(publicName: string, serverName: string): boolean {
  return publicName.startsWith(`${clean(serverName)}${SEPARATOR}`);
}

function prefixed(serverName: string, name: string): string {
  const plain = `${serverName}${SEPARATOR}${name}`;
  const whole = `${clean(serverName)}${SEPARATOR}${clean(name)}`;
  // A letter that was exchanged could make two names one, so the name tells that it is not the original.
  return whole === plain && whole.length <= MAX_NAME
    ? whole
    : shortened(whole, `${serverName}\0${name}`);
}

function clean(text: string): string {
  return text.replace(FOREIGN, "_");
}

function shortened(whole: string, original: string): string {
  const mark = `_${hash(original)}`;
  return whole.slice(0, MAX_NAME - mark.length) + mark;
}

// FNV-1a: eight digits that are the same in every run and on every machine.
function hash(text: string): string {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    value = Math.imul(value ^ byte, 0x01000193);
  }
  return (value >>> 0).toString(16).padStart(8, "0");
}
