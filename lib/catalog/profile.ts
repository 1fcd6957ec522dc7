/** What a server said of itself. */
export interface Profile {
  /** Its capabilities. */
  capabilities: Record<string, unknown>;
  /** Its instructions, or `""`. */
  instructions: string;
}

/** What a server's answer to `initialize` or `server/discover` says of it. */
export function profileOf(result: Record<string, unknown>): Profile {
  const { capabilities, instructions } = result;
  return {
    capabilities: typeof capabilities === "object" && capabilities !== null
      ? capabilities as Record<string, unknown>
      : {},
    instructions: typeof instructions === "string" ? instructions : "",
  };
}
