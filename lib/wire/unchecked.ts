/**
 * TLS without a look at the certificate, for `--no-verify-ssl`. Deno's own connections cannot be told to do so while the
 * program runs, so these are those of node:tls.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import { connect as secure } from "node:tls";
import type { Sockets, Wire } from "./dial.ts";

/** Connections that trust whoever answers. */
export const unchecked: Sockets = {
  connect: (host, port) =>
    opened(connect({ host, port, noDelay: true }), "connect"),
  connectTls: (host, port) =>
    opened(secure({ host, port, ...trusting(host) }), "secureConnect"),
  secure(plain, hostname) {
    if (!(plain instanceof NodeWire)) {
      throw new TypeError("a connection of another kind");
    }
    const socket = plain.release();
    return opened(
      secure({ socket, ...trusting(hostname) }),
      "secureConnect",
    );
  },
};

// An address is no name that a server could be asked for.
function trusting(hostname: string) {
  const rejectUnauthorized = false;
  return /^[\d.]+$|:/.test(hostname)
    ? { rejectUnauthorized }
    : { rejectUnauthorized, servername: hostname };
}

function opened(socket: Socket, event: string): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error) => {
      socket.destroy();
      reject(cause);
    };
    socket.once("error", failed);
    socket.once(event, () => {
      socket.off("error", failed);
      resolve(new NodeWire(socket));
    });
  });
}

/** A socket of node:net as a {@linkcode Wire}. */
class NodeWire implements Wire {
  readonly #socket: Socket;
  #watched = false;
  #fault: Error | undefined;
  #over = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** The socket, which somebody else reads from now on. */
  release(): Socket {
    if (this.#watched) this.#socket.removeAllListeners();
    return this.#socket;
  }

  #watch(): void {
    if (this.#watched) return;
    this.#watched = true;
    const over = () => {
      this.#over = true;
      this.#wake();
    };
    this.#socket.on("error", (cause) => {
      this.#fault = cause;
      this.#wake();
    }).on("readable", () => this.#wake()).on("end", over).on("close", over);
  }

  async read(into: Uint8Array): Promise<number | null> {
    this.#watch();
    for (;;) {
      if (this.#fault) throw this.#fault;
      const { readableLength } = this.#socket;
      const chunk: Uint8Array | null = readableLength > 0
        ? this.#socket.read(Math.min(into.length, readableLength))
        : null;
      if (chunk) {
        into.set(chunk);
        return chunk.length;
      }
      if (this.#over) return null;
      // A read of nothing makes the stream look for more.
      this.#socket.read(0);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  write(bytes: Uint8Array): Promise<number> {
    this.#watch();
    return new Promise((resolve, reject) => {
      if (this.#fault) return reject(this.#fault);
      this.#socket.write(
        bytes,
        (cause) => cause ? reject(cause) : resolve(bytes.length),
      );
    });
  }

  close(): void {
    this.#socket.destroy();
    this.#over = true;
    this.#wake();
  }
}
