/** A worker's three services, over one connection. */

import { Metadata, type ServiceError, credentials } from "@grpc/grpc-js";

import { Surprise, expect } from "./check.js";
import { HealthClient } from "./generated/grpc/health/v1/health.js";
import { ControlClient, type GetLoadResponse, type ModelInfo } from "./generated/rostra/v1/control.js";
import { InferenceClient } from "./generated/rostra/v1/inference.js";

const PATIENCE_MS = 20_000;

export class Worker {
  readonly inference: InferenceClient;
  readonly control: ControlClient;
  readonly health: HealthClient;

  constructor(readonly address: string) {
    const insecure = credentials.createInsecure();
    this.inference = new InferenceClient(address, insecure);
    const shared = { channelOverride: this.inference.getChannel() };
    this.control = new ControlClient(address, insecure, shared);
    this.health = new HealthClient(address, insecure, shared);
  }

  /** Waits for the connection, so that no later call's deadline is spent on it. */
  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.inference.waitForReady(Date.now() + PATIENCE_MS, (error) =>
        error ? reject(new Surprise(`no worker at ${this.address}: ${error.message}`)) : resolve(),
      );
    });
  }

  close(): void {
    this.inference.close();
  }

  /** The model of that name; with an empty name the first, which is the only one that is no adapter. */
  async model(name: string): Promise<ModelInfo> {
    const { models } = await unary<{ models: ModelInfo[] }>((done) =>
      this.control.getModelInfo({ model: name }, new Metadata(), soon(), done),
    );
    expect(models.length > 0, `${this.address} serves no model`);
    return models[0];
  }

  load(): Promise<GetLoadResponse> {
    return unary((done) => this.control.getLoad({}, new Metadata(), soon(), done));
  }

  /** Waits until the worker runs nothing: what ended here has ended there too. */
  async idle(): Promise<GetLoadResponse> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const load = await this.load();
      if (load.runningRequests + load.waitingRequests === 0) {
        console.log("load       0 running, 0 waiting");
        return load;
      }
      expect(Date.now() < end, `the worker still runs ${load.runningRequests} requests`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** The options of a call that must be answered at once. */
export function soon(): { deadline: number } {
  return { deadline: Date.now() + PATIENCE_MS };
}

/** A call of one answer as a promise. It rejects with a ServiceError. */
export function unary<Response>(
  call: (done: (error: ServiceError | null, response: Response) => void) => unknown,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    call((error, response) => (error ? reject(error) : resolve(response)));
  });
}
