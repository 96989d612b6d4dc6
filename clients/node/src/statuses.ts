/** Errors of the worker: statuses whose details are messages of google.rpc. */

import type { ServiceError, status } from "@grpc/grpc-js";
import { status as codes } from "@grpc/grpc-js";

import { Surprise, expect } from "./check.js";
import { BadRequest, ErrorInfo, RetryInfo } from "./generated/google/rpc/error_details.js";
import { Status } from "./generated/google/rpc/status.js";

export interface Refusal {
  code: status;
  message: string;
  /** ErrorInfo.reason; empty where the error was made by gRPC itself. */
  reason: string;
  metadata: { [name: string]: string };
  /** BadRequest's descriptions by field. */
  violations: Map<string, string>;
  retrySeconds?: bigint;
}

/** The error that a call or a stream ends with. What is none of gRPC's is thrown again. */
export function readRefusal(error: unknown): Refusal {
  if (!(error instanceof Error && "code" in error && "metadata" in error)) throw error;
  const { code, details, metadata } = error as ServiceError;
  const refusal: Refusal = { code, message: details, reason: "", metadata: {}, violations: new Map() };
  for (const packed of metadata.get("grpc-status-details-bin")) {
    for (const { typeUrl, value } of Status.decode(packed as Buffer).details) {
      switch (typeUrl) {
        case "type.googleapis.com/google.rpc.ErrorInfo": {
          const info = ErrorInfo.decode(value);
          expect(info.domain === "rostra.dev", `an error of the domain ${info.domain}`);
          refusal.reason = info.reason;
          refusal.metadata = info.metadata;
          break;
        }
        case "type.googleapis.com/google.rpc.BadRequest":
          for (const { field, description } of BadRequest.decode(value).fieldViolations) {
            refusal.violations.set(field, description);
          }
          break;
        case "type.googleapis.com/google.rpc.RetryInfo":
          refusal.retrySeconds = RetryInfo.decode(value).retryDelay?.seconds;
          break;
      }
    }
  }
  return refusal;
}

/** The refusal that a call must end with. */
export async function refused(call: Promise<unknown>): Promise<Refusal> {
  let answer: unknown;
  try {
    answer = await call;
  } catch (error) {
    return readRefusal(error);
  }
  throw new Surprise(`answered, where an error was due: ${JSON.stringify(answer)}`);
}

export function expectCode(refusal: Refusal, code: status): void {
  expect(refusal.code === code, `the status is ${codes[refusal.code]}, not ${codes[code]}`);
}

export function printRefusal(refusal: Refusal): void {
  const { code, message, reason, metadata, violations, retrySeconds } = refusal;
  console.log(`${codes[code]}: ${message}`);
  if (reason) console.log(`  reason     ${reason}`);
  for (const [name, value] of Object.entries(metadata)) console.log(`  ${name.padEnd(10)} ${value}`);
  for (const [field, description] of violations) console.log(`  field      ${field}: ${description}`);
  if (retrySeconds !== undefined) console.log(`  retry in   ${retrySeconds} s`);
}
