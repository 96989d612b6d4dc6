/** Health checks by gRPC's own protocol, as load balancers and orchestrators make them. */

import { Metadata, status as codes } from "@grpc/grpc-js";

import { expect } from "../check.js";
import {
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
  healthCheckResponse_ServingStatusToJSON as statusName,
} from "../generated/grpc/health/v1/health.js";
import { expectCode, printRefusal, refused } from "../statuses.js";
import { type Worker, soon, unary } from "../worker.js";

export async function health(worker: Worker): Promise<void> {
  for (const service of ["", "rostra.v1.Inference", "rostra.v1.Control"]) {
    const { status } = await check(worker, service);
    console.log(`${(service || "the server").padEnd(20)} ${statusName(status)}`);
    expect(status === ServingStatus.SERVING, "it is not serving");
  }
  const refusal = await refused(check(worker, "no.such.Service"));
  printRefusal(refusal);
  expectCode(refusal, codes.NOT_FOUND);

  // Watch tells the state at once, and then every change until the caller leaves.
  const watch = worker.health.watch({ service: "" }, soon());
  for await (const { status } of watch) {
    console.log(`watched    ${statusName(status)}`);
    expect(status === ServingStatus.SERVING, "it is not serving");
    break;
  }
  // Leaving the loop ends the reading only; the call goes on until it is cancelled.
  watch.cancel();
}

function check(worker: Worker, service: string): Promise<HealthCheckResponse> {
  return unary((done) => worker.health.check({ service }, new Metadata(), soon(), done));
}
