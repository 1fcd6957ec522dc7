import { assert, assertEquals } from "@std/assert";
import { watchFile } from "../../lib/config/watch.ts";
import { log } from "../../lib/log.ts";

/** Longest wait for something that has to happen. */
const LIMIT = 15_000;

/** A watched file, and what was read from it at each change. */
interface Watched {
  dir: string;
  file: string;
  seen: string[];
  /** Resolves when the last thing read is this text. */
  until(text: string): Promise<void>;
}

async function watching(
  test: (watched: Watched) => Promise<void>,
  options: {
    before?: (dir: string) => Promise<void>;
    poll?: number;
    name?: string;
    onread?: () => void | Promise<void>;
  } = {},
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const file = `${dir}/${options.name ?? "config.json"}`;
  if (options.before) await options.before(dir);
  else await Deno.writeTextFile(file, "0");
  const seen: string[] = [];
  let told = () => {};
  const stop = new AbortController();
  const ended = watchFile(
    file,
    async () => {
      seen.push(await Deno.readTextFile(file));
      told();
      await options.onread?.();
    },
    stop.signal,
    { poll: options.poll ?? 60_000 },
  );
  const until = async (text: string) => {
    const deadline = AbortSignal.timeout(LIMIT);
    while (seen.at(-1) !== text) {
      deadline.throwIfAborted();
      await new Promise<void>((resolve) => {
        told = resolve;
        deadline.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  };
  try {
    await test({ dir, file, seen, until });
  } finally {
    stop.abort();
    await ended;
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a write is noticed, and each later one", async () => {
  await watching(async ({ file, seen, until }) => {
    await Deno.writeTextFile(file, "1");
    await until("1");
    await Deno.writeTextFile(file, "2");
    await until("2");
    assertEquals(seen, ["1", "2"]);
  });
});

Deno.test("a file that is replaced, as editors do, is noticed each time", async () => {
  await watching(async ({ dir, file, until }) => {
    for (const text of ["1", "2", "3"]) {
      await Deno.writeTextFile(`${dir}/.new`, text);
      await Deno.rename(`${dir}/.new`, file);
      await until(text);
    }
  });
});

Deno.test("a file that is removed is waited for", async () => {
  await watching(async ({ file, seen, until }) => {
    await Deno.remove(file);
    await Deno.writeTextFile(file, "1");
    await until("1");
    await Deno.remove(file);
    await Deno.writeTextFile(file, "2");
    await until("2");
    assertEquals(seen, ["1", "2"]);
  });
});

Deno.test("a file that is not there yet is noticed", async () => {
  await watching(async ({ file, until }) => {
    await Deno.writeTextFile(file, "1");
    await until("1");
  }, { before: () => Promise.resolve() });
});

Deno.test("a link that is led elsewhere is noticed, as mounted configs do it", async () => {
  const version = async (dir: string, name: string, text: string) => {
    await Deno.mkdir(`${dir}/${name}`);
    await Deno.writeTextFile(`${dir}/${name}/config.json`, text);
  };
  await watching(async ({ dir, until }) => {
    for (const text of ["1", "2"]) {
      await version(dir, `..${text}`, text);
      await Deno.symlink(`..${text}`, `${dir}/..data_tmp`);
      await Deno.rename(`${dir}/..data_tmp`, `${dir}/..data`);
      await until(text);
    }
  }, {
    before: async (dir) => {
      await version(dir, "..0", "0");
      await Deno.symlink("..0", `${dir}/..data`);
      await Deno.symlink("..data/config.json", `${dir}/config.json`);
    },
  });
});

Deno.test("a file behind a link is noticed in its own directory", async () => {
  const elsewhere = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${elsewhere}/real.json`, "0");
    await watching(async ({ until }) => {
      await Deno.writeTextFile(`${elsewhere}/real.json`, "1");
      await until("1");
    }, {
      before: (dir) =>
        Deno.symlink(`${elsewhere}/real.json`, `${dir}/config.json`),
    });
  } finally {
    await Deno.remove(elsewhere, { recursive: true });
  }
});

Deno.test("where the system tells of nothing, the file is looked at now and then", async () => {
  const elsewhere = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${elsewhere}/a`);
    await Deno.writeTextFile(`${elsewhere}/a/c.json`, "0");
    await Deno.mkdir(`${elsewhere}/b`);
    await Deno.writeTextFile(`${elsewhere}/b/c.json`, "1");
    await Deno.symlink("a", `${elsewhere}/now`);
    await watching(async ({ until }) => {
      // Neither the watched directory nor that of the real file sees this.
      await Deno.symlink("b", `${elsewhere}/next`);
      await Deno.rename(`${elsewhere}/next`, `${elsewhere}/now`);
      await until("1");
    }, {
      before: (dir) =>
        Deno.symlink(`${elsewhere}/now/c.json`, `${dir}/config.json`),
      poll: 50,
    });
  } finally {
    await Deno.remove(elsewhere, { recursive: true });
  }
});

Deno.test("many changes in a second are few, and the last one counts", async () => {
  await watching(async ({ file, seen, until }) => {
    for (let i = 1; i <= 20; i++) await Deno.writeTextFile(file, `${i}`);
    await until("20");
    assert(seen.length <= 3, `${seen}`);
  });
});

Deno.test("a change while the last one is being worked on is not lost", async () => {
  const { promise: done, resolve: finish } = Promise.withResolvers<void>();
  let running = 0;
  await watching(async ({ file, seen, until }) => {
    await Deno.writeTextFile(file, "1");
    await until("1");
    await Deno.writeTextFile(file, "2");
    finish();
    await until("2");
    assertEquals(seen, ["1", "2"]);
  }, {
    onread: async () => {
      assertEquals(++running, 1, "calls do not overlap");
      await done;
      running--;
    },
  });
});

Deno.test("what changes nothing in the file is no change, and a failing call ends nothing", async () => {
  log.configure({ level: "error" });
  let calls = 0;
  await watching(async ({ dir, file, seen, until }) => {
    await Deno.utime(file, new Date(), new Date());
    await Deno.chmod(file, 0o600);
    await Deno.writeTextFile(file, "0");
    await Deno.writeTextFile(`${dir}/other.json`, "x");
    await Deno.writeTextFile(file, "1");
    await until("1");
    await Deno.writeTextFile(file, "2");
    await until("2");
    assertEquals(seen, ["1", "2"]);
  }, {
    onread: () => {
      if (++calls === 1) {
        throw new Error(
          "The first change is refused, as it should be in this test",
        );
      }
    },
  });
  log.configure({ level: "info" });
});

Deno.test("watching ends with its signal, also before it began", async () => {
  await watchFile("/no/such/directory/x", () => {}, AbortSignal.abort());
  const stop = new AbortController();
  const ended = watchFile("/no/such/directory/x", () => {}, stop.signal);
  stop.abort();
  await ended;
});
