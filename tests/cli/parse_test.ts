import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  choice,
  duration,
  type FlagTable,
  integer,
  list,
  many,
  maybe,
  one,
  pairs,
  port,
  size,
  text,
  toggle,
} from "../../lib/cli/flags.ts";
import { isOrigin, isTlsValue } from "../../lib/cli/former_flags.ts";
import { helpText } from "../../lib/cli/help.ts";
import { type Parsed, parseFlags, type Usage } from "../../lib/cli/parse.ts";
import { Inquiry, UsageError } from "../../lib/cli/usage.ts";
import { log, mask } from "../../lib/log.ts";

const flags = {
  port: one(port, "Where to listen", { value: "PORT", shown: "a free one" }),
  cwd: one(text, "Where to run", { value: "DIR" }),
  transport: one(
    choice(["auto", "streamablehttp", "sse"], {
      "streamable-http": "streamablehttp",
    }),
    "How to speak",
    { default: "auto" },
  ),
  headers: pairs("A header", {
    short: "H",
    separators: "=:",
    also: ["header"],
  }),
  env: pairs("A variable", { short: "e", separators: "=" }),
  namedServer: pairs("A server", { value: "NAME COMMAND" }),
  allowOrigin: many(text, "Who may ask", {
    value: "ORIGIN",
    accepts: isOrigin,
  }),
  exposeHeader: list(text, "What is shown"),
  authToken: list(text, "Who is let in", { env: "TEST_TOKEN", secret: true }),
  verifySsl: maybe<string | boolean>((word) => word, "Check certificates", {
    bare: true,
    off: false,
    accepts: isTlsValue,
  }),
  stateless: toggle("No sessions"),
  watch: toggle("Look again", { default: true }),
  maxBody: one(size, "How much", { default: 16 * 2 ** 20, shown: "16mb" }),
  timeout: one(duration, "How long"),
  maxSessions: one(integer(1, 1000), "How many", { default: 256 }),
} satisfies FlagTable;

const usage: Usage<typeof flags> = {
  line: "mcp-proxy test [flags] [--] COMMAND [ARGS…]",
  about: "Tests.",
  flags,
  examples: ["mcp-proxy test a", "mcp-proxy test b"],
  child: true,
};

function read(args: string[], legacy = false): Parsed<typeof flags> {
  return parseFlags(usage, args, { env: () => undefined, legacy });
}

function refusal(args: string[], legacy = false): string {
  const error = assertThrows(() => read(args, legacy), UsageError);
  const { suggestion } = error.hints;
  return suggestion === undefined
    ? error.message
    : `${error.message} => ${suggestion}`;
}

Deno.test("a flag takes its value as the next word or after an equals sign", () => {
  assertEquals(read(["--port", "8080"]).flags.port, 8080);
  assertEquals(read(["--port=8080"]).flags.port, 8080);
  assertEquals(read(["--cwd=/a=b"]).flags.cwd, "/a=b");
  assertEquals(read(["--cwd", "-odd"]).flags.cwd, "-odd");
  assertEquals(read(["--port=1", "--port=2"]).flags.port, 2);
});

Deno.test("flags that are not given have their defaults", () => {
  const { flags } = read([]);
  assertEquals(flags.port, undefined);
  assertEquals(flags.transport, "auto");
  assertEquals(flags.stateless, false);
  assertEquals(flags.watch, true);
  assertEquals(flags.maxBody, 16777216);
  assertEquals(flags.headers, []);
  assertEquals(flags.verifySsl, undefined);
});

Deno.test("repeatable flags accumulate in order", () => {
  assertEquals(
    read(["--expose-header", "a", "--expose-header=b"]).flags.exposeHeader,
    ["a", "b"],
  );
  assertEquals(
    read(["-e", "A", "1", "--env", "B=2=3", "--env=C=", "-e", "D", ""]).flags
      .env,
    [["A", "1"], ["B", "2=3"], ["C", ""], ["D", ""]],
  );
});

Deno.test("a header may be two words, KEY: VALUE or KEY=VALUE", () => {
  const { flags } = read([
    "-H",
    "Authorization",
    "Bearer a=b:c",
    "--headers",
    "X-One: 1",
    "--header",
    "X-Two=2:2",
    "--headers=X-Three: 3",
    "--headers=X-Four",
    "4",
  ]);
  assertEquals(flags.headers, [
    ["Authorization", "Bearer a=b:c"],
    ["X-One", "1"],
    ["X-Two", "2:2"],
    ["X-Three", "3"],
    ["X-Four", "4"],
  ]);
});

Deno.test("the value of a pair may look like somebody else's flag", () => {
  assertEquals(read(["-e", "OPTS", "--max-old-space-size=99", "cmd"]), {
    flags: { ...read([]).flags, env: [["OPTS", "--max-old-space-size=99"]] },
    words: ["cmd"],
  });
});

Deno.test("a named server is a name and a command, equals signs and all", () => {
  assertEquals(
    read(["--named-server", "a=b", "uvx x --y=z"]).flags.namedServer,
    [["a=b", "uvx x --y=z"]],
  );
});

Deno.test("--allow-origin takes several origins and leaves the command alone", () => {
  const origins = (...args: string[]) => {
    const { flags, words } = read(args);
    return [flags.allowOrigin, words];
  };
  assertEquals(
    origins("--allow-origin", "http://a", "https://b", "--", "cmd"),
    [["http://a", "https://b"], ["cmd"]],
  );
  assertEquals(
    origins("--allow-origin", "*", "cmd", "http://c"),
    [["*"], ["cmd", "http://c"]],
  );
  assertEquals(
    origins("--allow-origin=*", "http://cmd"),
    [["*"], ["http://cmd"]],
  );
  assertEquals(
    origins(
      "--allow-origin",
      "http://a",
      "--port",
      "1",
      "--allow-origin=http://b",
    ),
    [["http://a", "http://b"], []],
  );
});

Deno.test("--verify-ssl has a value only where one is meant", () => {
  const verify = (...args: string[]) => {
    const { flags, words } = read(args);
    return [flags.verifySsl, words];
  };
  assertEquals(verify("--verify-ssl", "https://x/mcp"), [
    true,
    ["https://x/mcp"],
  ]);
  assertEquals(verify("--verify-ssl", "no", "cmd"), ["no", ["cmd"]]);
  assertEquals(verify("--verify-ssl=ca", "cmd"), ["ca", ["cmd"]]);
  assertEquals(verify("--verify-ssl", "/etc/ca.pem"), ["/etc/ca.pem", []]);
  assertEquals(verify("--verify-ssl", "npx", "x"), [true, ["npx", "x"]]);
  assertEquals(verify("--verify-ssl", "--", "false"), [true, ["false"]]);
  assertEquals(verify("--no-verify-ssl", "cmd"), [false, ["cmd"]]);
});

Deno.test("a switch can be turned off again", () => {
  assertEquals(read(["--stateless"]).flags.stateless, true);
  assertEquals(
    read(["--stateless", "--no-stateless"]).flags.stateless,
    false,
  );
  assertEquals(read(["--stateless=false"]).flags.stateless, false);
  assertEquals(read(["--no-watch"]).flags.watch, false);
  assertEquals(
    refusal(["--stateless=perhaps"]),
    '--stateless "perhaps" must be true or false',
  );
});

Deno.test("all that follows the command is the command's own", () => {
  assertEquals(
    read(["--port", "1", "cmd", "--port", "2", "--", "-x"]).words,
    ["cmd", "--port", "2", "--", "-x"],
  );
  assertEquals(
    read(["--port", "1", "--", "cmd", "--", "--port"]).words,
    ["cmd", "--", "--port"],
  );
});

Deno.test("in the old form our flags may follow the command", () => {
  const { flags, words } = read(
    ["cmd", "one", "--port", "8080", "-e", "A", "B", "two", "--", "--port"],
    true,
  );
  assertEquals(flags.port, 8080);
  assertEquals(flags.env, [["A", "B"]]);
  assertEquals(words, ["cmd", "one", "two", "--port"]);
});

Deno.test("in the old form a flag of the child without -- is refused with the right line", () => {
  assertEquals(
    refusal(
      ["--port=8080", "uvx", "mcp-server-fetch", "--user-agent=X", "y"],
      true,
    ),
    'Unknown flag "--user-agent" after the command "uvx": put -- before the command if the flag belongs to it' +
      " => -- uvx mcp-server-fetch --user-agent=X y",
  );
});

Deno.test("in the old form the beginning of a name is enough if no other begins so", () => {
  assertEquals(read(["--trans", "sse", "cmd"], true).flags.transport, "sse");
  assertEquals(
    refusal(["--trans", "sse", "cmd"]),
    'Unknown flag "--trans"',
  );
});

Deno.test("in the old form flags of the other mode are swallowed with their values", () => {
  log.configure({ level: "error" });
  const { flags, words } = read(
    ["--api-access-token", "x", "--sse-port", "1", "cmd", "--client-id", "y"],
    true,
  );
  log.configure({ level: "info" });
  assertEquals(flags.port, undefined);
  assertEquals(words, ["cmd"]);
});

Deno.test("an unknown flag is refused with the nearest one", () => {
  assertEquals(
    refusal(["--prot", "8080"]),
    'Unknown flag "--prot" => --port',
  );
  assertEquals(
    refusal(["--no-statless"]),
    'Unknown flag "--no-statless" => --no-stateless',
  );
  assertEquals(refusal(["-port", "1"]), 'Unknown flag "-port" => --port');
  assertEquals(refusal(["-x"]), 'Unknown flag "-x"');
  assertEquals(
    refusal(["--api-secret=12345"]),
    'Unknown flag "--api-secret"',
  );
});

Deno.test("a missing value is named", () => {
  assertEquals(refusal(["--port"]), "--port needs a value");
  assertEquals(refusal(["--port", "--cwd", "x"]), "--port needs a value");
  assertEquals(refusal(["--port", "--", "x"]), "--port needs a value");
  assertEquals(refusal(["-H"]), "-H needs a key and a value");
  assertEquals(refusal(["-H", "key"]), '-H needs a value after "key"');
  assertEquals(
    refusal(["-H", "key", "--port", "1"]),
    '-H needs a value after "key"',
  );
  assertEquals(
    refusal(["--named-server", "a"]),
    '--named-server needs a value after "a"',
  );
  assertEquals(refusal(["--allow-origin"]), "--allow-origin needs a value");
});

Deno.test("a value that is not accepted is named with what is", () => {
  assertEquals(
    refusal(["--port", "80x"]),
    '--port "80x" must be a whole number from 0 to 65535',
  );
  assertEquals(
    refusal(["--port=65536"]),
    '--port "65536" must be a whole number from 0 to 65535',
  );
  assertEquals(
    refusal(["--port="]),
    '--port "" must be a whole number from 0 to 65535',
  );
  assertEquals(
    refusal(["--transport", "sss"]),
    '--transport "sss" must be auto, streamablehttp or sse => sse',
  );
  assertEquals(
    refusal(["--timeout", "soon"]),
    '--timeout "soon" must be a duration such as 30s, 500ms, 5m or 1h30m',
  );
  assertEquals(refusal(["--cwd="]), '--cwd "" must not be empty');
});

Deno.test("other spellings and letter cases of a choice are accepted", () => {
  assertEquals(
    read(["--transport", "Streamable-HTTP"]).flags.transport,
    "streamablehttp",
  );
});

Deno.test("a secret comes from the environment unless the flag is given, and is hidden from then on", () => {
  const env = (name: string) =>
    name === "TEST_TOKEN" ? "from-environment" : undefined;
  const world = { env, legacy: false };
  assertEquals(parseFlags(usage, [], world).flags.authToken, [
    "from-environment",
  ]);
  assertEquals(
    parseFlags(usage, ["--auth-token", "from-flag"], world).flags.authToken,
    ["from-flag"],
  );
  assertEquals(mask("x from-environment y from-flag"), "x *** y ***");
});

Deno.test("--help and --version among the flags are asked for, behind the command they are not", () => {
  for (const word of ["--help", "-h", "--version"]) {
    assertThrows(() => read(["--port", "1", word]), Inquiry);
    assertEquals(read(["cmd", word]).words, ["cmd", word]);
    assertThrows(() => read(["cmd", word], true), Inquiry);
  }
});

Deno.test("flags may have one dash where the command says so", () => {
  const config = one(text, "A file", { default: "config.json" });
  const expandEnv = toggle("Expand", { default: true });
  const go = { ...usage, child: false, flags: { config, expandEnv } };
  const { flags } = parseFlags({ ...go, singleDash: true }, [
    "-config",
    "x.json",
    "-expand-env=false",
  ], { env: () => undefined, legacy: true });
  assertEquals(flags, { config: "x.json", expandEnv: false });
});

Deno.test("the help has every flag with its default and the examples", () => {
  const help = helpText(usage);
  for (
    const line of [
      "Usage: mcp-proxy test [flags] [--] COMMAND [ARGS…]",
      "      --port PORT             Where to listen [default a free one]",
      "  -H, --headers KEY VALUE     A header",
      "      --allow-origin ORIGIN…  Who may ask",
      "      --verify-ssl [VALUE]    Check certificates",
      "      --auth-token VALUE      Who is let in [TEST_TOKEN]",
      "      --stateless             No sessions",
      "      --[no-]watch            Look again [default on]",
      "  -h, --help                  Show this help",
      "  mcp-proxy test b",
    ]
  ) assert(help.split("\n").includes(line), `${line}\n\n${help}`);
});
