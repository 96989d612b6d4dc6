/** The command line: node build/main.js COMMAND [options]. */

import { parseArgs } from "node:util";

import { Surprise } from "./check.js";
import { cancel } from "./commands/cancel.js";
import { chat } from "./commands/chat.js";
import { deadline } from "./commands/deadline.js";
import { embed } from "./commands/embed.js";
import { errors } from "./commands/errors.js";
import { health } from "./commands/health.js";
import { tools } from "./commands/tools.js";
import { printRefusal, readRefusal } from "./statuses.js";
import { Worker } from "./worker.js";

const USAGE = `usage: node build/main.js COMMAND [options]

  chat       stream an answer
  tools      have a tool called, and its result read
  cancel     cancel a stream in the middle, and see that the worker stops
  deadline   let a deadline end a stream
  errors     make mistakes, and read what the errors say
  health     gRPC health checks
  embed      turn texts into vectors
  all        all of these

  --address HOST:PORT        a worker with a generative model (default 127.0.0.1:50051)
  --embed-address HOST:PORT  a worker with an embedding model, for embed and all
  --model NAME               of the generative worker; default: its only one
  --prompt TEXT              for chat
`;

async function main(): Promise<number> {
  const { values: options, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      address: { type: "string", default: "127.0.0.1:50051" },
      "embed-address": { type: "string" },
      model: { type: "string", default: "" },
      prompt: { type: "string", default: "What is the capital of France?" },
    },
  });
  const { address, model, prompt } = options;
  const embedAddress = options["embed-address"];
  const commands = new Map<string, (worker: Worker) => Promise<void>>([
    ["chat", (worker) => chat(worker, model, prompt)],
    ["tools", (worker) => tools(worker, model)],
    ["cancel", (worker) => cancel(worker, model)],
    ["deadline", (worker) => deadline(worker, model)],
    ["errors", (worker) => errors(worker, model)],
    ["health", health],
    ["embed", (worker) => embed(worker, "")],
  ]);
  const [command, ...rest] = positionals;
  const names = command === "all" ? [...commands.keys()] : [command ?? ""];
  if (rest.length > 0 || !names.every((name) => commands.has(name))) {
    process.stderr.write(USAGE);
    return 2;
  }
  if (names.includes("embed") && embedAddress === undefined) {
    process.stderr.write(`${command} needs --embed-address\n`);
    return 2;
  }
  for (const name of names) {
    console.log(`--- ${name}`);
    const worker = new Worker(name === "embed" && embedAddress ? embedAddress : address);
    try {
      await worker.connect();
      await commands.get(name)?.(worker);
    } catch (error) {
      if (error instanceof Surprise) {
        console.error(`${name}: ${error.message}`);
      } else {
        console.error(`${name}: an error that was not expected`);
        printRefusal(readRefusal(error));
      }
      return 1;
    } finally {
      worker.close();
    }
  }
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  // A wrong option, or a fault of this program.
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
