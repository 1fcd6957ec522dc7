/**
 * The tool `ask_model`, as clients see it.
 *
 * @module
 */
import type { CallToolResult, Tool } from "../mcp/sdk.ts";
import type { Answer } from "./answer.ts";
import { DEFAULT_TOKENS, MAX_TOKENS } from "./question.ts";

/** Its name. */
export const TOOL_NAME = "ask_model";

const count = (description: string) => ({
  type: "integer",
  minimum: 0,
  description,
});

/** The tool with its schemas; `model` answers where a call names none. */
export function askModel(model: string): Tool {
  return {
    name: TOOL_NAME,
    title: "Ask a model",
    description:
      "Sends a prompt to the configured Claude Messages API-compatible model.",
    inputSchema: {
      type: "object",
      properties: {
        prompt: {
          type: "string",
          minLength: 1,
          description: "What to ask",
        },
        system: {
          type: "string",
          description: "System text: who the model is to be, and how to answer",
        },
        model: {
          type: "string",
          default: model,
          description: "Another model than the default one",
        },
        maxTokens: {
          type: "integer",
          minimum: 1,
          maximum: MAX_TOKENS,
          default: DEFAULT_TOKENS,
          description: "Longest answer, in tokens",
        },
        temperature: {
          type: "number",
          minimum: 0,
          maximum: 1,
          description: "From 0, the most predictable, to 1",
        },
        stopSequences: {
          type: "array",
          items: { type: "string", minLength: 1 },
          description: "Texts at which the model stops",
        },
      },
      required: ["prompt"],
    },
    outputSchema: {
      type: "object",
      properties: {
        model: { type: "string", description: "The model that answered" },
        stop_reason: {
          type: ["string", "null"],
          description: "Why it stopped: end_turn, max_tokens, refusal, …",
        },
        usage: {
          type: "object",
          properties: {
            input_tokens: count("Tokens of the prompt outside the cache"),
            output_tokens: count("Tokens of the answer"),
            cache_creation_input_tokens: count("Tokens written to the cache"),
            cache_read_input_tokens: count("Tokens read from the cache"),
          },
          required: ["input_tokens", "output_tokens"],
        },
        text: { type: "string", description: "The answer" },
      },
      required: ["model", "stop_reason", "usage", "text"],
    },
    annotations: { readOnlyHint: true, openWorldHint: true },
  };
}

/** The result of a call that was answered. */
export function answered(answer: Answer): CallToolResult {
  return {
    content: [{ type: "text", text: JSON.stringify(answer, null, 2) }],
    structuredContent: { ...answer },
  };
}

/** The result of a call that failed. */
export function failed(text: string): CallToolResult {
  return { content: [{ type: "text", text }], isError: true };
}
