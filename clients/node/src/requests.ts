/** The requests that several commands make. */

import { ChatRequest, Role } from "./generated/rostra/v1/chat.js";
import type { SamplingParams } from "./generated/rostra/v1/sampling.js";

/** One question of a user. */
export function question(model: string, text: string, sampling: Partial<SamplingParams>): ChatRequest {
  return ChatRequest.create({
    model,
    messages: [{ role: Role.ROLE_USER, content: [{ part: { $case: "text", text } }] }],
    sampling,
  });
}

/** Goes on until the context is full, so that something else has to end it. */
export function endless(model: string): ChatRequest {
  return question(model, "Count.", { temperature: 1, seed: 1n, ignoreEos: true });
}
