/** A model that has to call a tool, gets its result, and answers. */

import { readAnswer } from "../answer.js";
import { expect } from "../check.js";
import { ChatMessage, Role, ToolChoice_Mode } from "../generated/rostra/v1/chat.js";
import { FinishReason } from "../generated/rostra/v1/tokens.js";
import { question } from "../requests.js";
import type { Worker } from "../worker.js";

const CITIES = ["Paris", "Rome"];
const PARAMETERS = {
  type: "object",
  properties: { city: { enum: CITIES } },
  required: ["city"],
  additionalProperties: false,
};

export async function tools(worker: Worker, model: string): Promise<void> {
  const sampling = { temperature: 1, seed: 1n, maxTokens: 256 };
  const request = question(model, "How warm is it in Paris?", sampling);
  request.tools = [
    {
      name: "get_temperature",
      description: "The temperature in a city, in degrees Celsius.",
      parametersSchema: JSON.stringify(PARAMETERS),
      strict: true,
    },
  ];
  request.toolChoice = { mode: ToolChoice_Mode.MODE_REQUIRED, name: undefined };
  request.parallelToolCalls = false;
  const { calls, finish } = await readAnswer(worker.inference.chat(request));
  expect(finish === FinishReason.FINISH_REASON_TOOL_CALLS, "a call was required, and none came");
  expect(calls.length === 1, `one call was allowed, and ${calls.length} came`);
  const [call] = calls;
  expect(call.name === "get_temperature", `a call of ${call.name}`);
  const { city } = JSON.parse(call.arguments);
  expect(CITIES.includes(city), `${call.arguments} is not by the schema`);

  // The history goes on with the call and its result; the id says which call it answers.
  const text = JSON.stringify({ celsius: 21 });
  const content = [{ part: { $case: "text" as const, text } }];
  request.messages.push(
    ChatMessage.create({ role: Role.ROLE_ASSISTANT, toolCalls: calls }),
    ChatMessage.create({ role: Role.ROLE_TOOL, content, toolCallId: call.id }),
  );
  request.toolChoice.mode = ToolChoice_Mode.MODE_NONE;
  const answer = await readAnswer(worker.inference.chat(request));
  expect(answer.calls.length === 0, "a call came where none was allowed");
  expect(answer.text !== "", "no text came");
}
