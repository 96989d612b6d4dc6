#include "refusal.h"

#include <iostream>
#include <sstream>

#include "check.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace {

void print(std::ostream& out, const Refusal& refusal) {
  out << code_name(refusal.code) << ": " << refusal.message << "\n";
  if (!refusal.reason.empty()) out << "  reason     " << refusal.reason << "\n";
  for (const auto& [name, value] : refusal.metadata) out << "  " << name << " = " << value << "\n";
  for (const auto& [field, description] : refusal.violations)
    out << "  field      " << field << ": " << description << "\n";
  if (refusal.retry_seconds) out << "  retry in   " << *refusal.retry_seconds << " s\n";
}

}  // namespace

Refusal read_refusal(const grpc::Status& status) {
  Refusal refusal{status.error_code(), status.error_message(), {}, {}, {}, {}};
  // gRPC has taken this out of the trailer grpc-status-details-bin.
  google::rpc::Status details;
  expect(details.ParseFromString(status.error_details()), "details that are no google.rpc.Status");
  for (const auto& packed : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad_request;
    google::rpc::RetryInfo retry;
    if (packed.UnpackTo(&info)) {
      expect(info.domain() == "rostra.dev", "an error of the domain " + info.domain());
      refusal.reason = info.reason();
      refusal.metadata = {info.metadata().begin(), info.metadata().end()};
    } else if (packed.UnpackTo(&bad_request)) {
      for (const auto& violation : bad_request.field_violations())
        refusal.violations[violation.field()] = violation.description();
    } else if (packed.UnpackTo(&retry)) {
      refusal.retry_seconds = retry.retry_delay().seconds();
    }
  }
  return refusal;
}

Refusal expect_refusal(const grpc::Status& status, grpc::StatusCode code) {
  auto refusal = read_refusal(status);
  print(std::cout, refusal);
  expect(refusal.code == code,
         "the status is " + code_name(refusal.code) + ", not " + code_name(code));
  return refusal;
}

void must_be_ok(const grpc::Status& status) {
  if (status.ok()) return;
  std::ostringstream text;
  print(text, read_refusal(status));
  throw Surprise("an error that was not expected: " + text.str());
}

std::string code_name(grpc::StatusCode code) {
  static const char* const names[] = {
      "OK",          "CANCELLED",          "UNKNOWN",           "INVALID_ARGUMENT",
      "DEADLINE_EXCEEDED", "NOT_FOUND",    "ALREADY_EXISTS",    "PERMISSION_DENIED",
      "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",   "OUT_OF_RANGE",
      "UNIMPLEMENTED", "INTERNAL",         "UNAVAILABLE",       "DATA_LOSS",
      "UNAUTHENTICATED"};
  return names[code];
}
