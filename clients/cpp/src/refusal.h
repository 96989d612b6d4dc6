// Errors of the worker: statuses whose details are messages of google.rpc.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

struct Refusal {
  grpc::StatusCode code;
  std::string message;
  // ErrorInfo.reason; empty where the error was made by gRPC itself.
  std::string reason;
  std::map<std::string, std::string> metadata;
  // BadRequest's descriptions by field.
  std::map<std::string, std::string> violations;
  std::optional<std::int64_t> retry_seconds;
};

Refusal read_refusal(const grpc::Status& status);

// Reads and prints the status that a call ended with, which must be this one.
Refusal expect_refusal(const grpc::Status& status, grpc::StatusCode code);

// Throws Surprise with all that the status says.
void must_be_ok(const grpc::Status& status);

std::string code_name(grpc::StatusCode code);
