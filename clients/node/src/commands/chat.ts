/** A streamed chat. */

import { readAnswer } from "../answer.js";
import { expect } from "../check.js";
import { question } from "../requests.js";
import type { Worker } from "../worker.js";

export async function chat(worker: Worker, model: string, prompt: string): Promise<void> {
  const request = question(model, prompt, { temperature: 0, maxTokens: 64 });
  const { text } = await readAnswer(worker.inference.chat(request));
  expect(text !== "", "no text came");
}
